//! `sockdoc ping` to one target on loopback: iputils' lines, the account after them, exit status.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{
    Server, finish, first_line, has_ipv6, is_root, program, run, skip, sockdoc, stderr, stdout,
    until,
};

/// Whether ICMP sockets may be opened here; says loudly if not.
pub(crate) fn may_ping(test: &str) -> bool {
    let output = run(&["ping", "-q", "-c", "1", "127.0.0.1"]);
    if output.status.success() {
        return true;
    }
    skip(test, "ICMP sockets are not allowed");
    false
}

fn ping(args: &[&str]) -> std::process::Output {
    run(&[&["ping"], args].concat())
}

/// Runs it well; gives standard output.
#[track_caller]
fn good(args: &[&str]) -> String {
    let output = ping(args);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{args:?}: {}",
        stderr(&output)
    );
    stdout(&output)
}

/// A text with every number with a point as `T` (times), and the milliseconds of a run as `T` too.
fn without_times(text: &str) -> String {
    let pattern = |word: &str| {
        let digits = word.trim_start_matches(|c: char| !c.is_ascii_digit());
        let front = &word[..word.len() - digits.len()];
        let tail = digits.trim_start_matches(|c: char| c.is_ascii_digit() || "./".contains(c));
        let number = &digits[..digits.len() - tail.len()];
        if number.contains('.') && !number.contains("127.0") || tail == "ms" {
            format!("{front}T{tail}")
        } else {
            word.to_owned()
        }
    };
    let line = |line: &str| line.split(' ').map(pattern).collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn one_target_has_the_lines_of_iputils_and_then_our_own() {
    if !may_ping("one_target_has_the_lines_of_iputils_and_then_our_own") {
        return;
    }
    let text = good(&["-c", "3", "-i", "0.01", "127.0.0.1"]);
    assert_eq!(
        without_times(&text),
        "PING 127.0.0.1 (127.0.0.1) 56(84) bytes of data.\n\
         64 bytes from 127.0.0.1: icmp_seq=1 ttl=64 time=T ms\n\
         64 bytes from 127.0.0.1: icmp_seq=2 ttl=64 time=T ms\n\
         64 bytes from 127.0.0.1: icmp_seq=3 ttl=64 time=T ms\n\
         \n\
         --- 127.0.0.1 ping statistics ---\n\
         3 packets transmitted, 3 received, 0% packet loss, time Tms\n\
         rtt min/avg/max/mdev = T ms\n\
         round-trip time p50/p90/p99 = T ms, jitter T ms\n\
         timing: kernel timestamps for requests and replies"
    );
}

#[test]
fn the_lines_are_the_same_as_those_of_ping_itself() {
    let test = "the_lines_are_the_same_as_those_of_ping_itself";
    if program("ping").is_none() {
        return skip(test, "ping is not installed");
    }
    if !may_ping(test) {
        return;
    }
    let mut cases = vec![
        vec!["-c", "2", "-i", "0.01", "127.0.0.1"],
        vec!["-c", "1", "-s", "20", "-p", "ff00", "127.0.0.1"],
        vec!["-c", "1", "-q", "127.0.0.1"],
        vec!["-c", "1", "-t", "7", "-Q", "0x10", "127.0.0.1"],
        vec!["-c", "1", "-I", "lo", "127.0.0.1"],
        vec!["-c", "1", "-I", "127.0.0.2", "127.0.0.1"],
        vec!["-c", "1", "-D", "127.0.0.1"],
        vec!["-c", "1", "-4", "localhost"],
        vec!["-c", "1", "-n", "-4", "localhost"],
        vec!["-c", "3", "-A", "127.0.0.1"],
        vec!["-c", "3", "-i", "0.01", "-l", "3", "127.0.0.1"],
        vec!["-c", "1", "-a", "127.0.0.1"],
    ];
    if has_ipv6() {
        cases.push(vec!["-c", "2", "-i", "0.01", "::1"]);
        cases.push(vec!["-c", "1", "-I", "lo", "::1"]);
    }
    for args in cases {
        let mut theirs = Command::new("ping");
        theirs.args(&args).stdin(Stdio::null());
        let theirs = finish(theirs);
        let succeeded = theirs.status.success();
        let theirs = without_times(&stdout(&theirs));
        // Where iputils fails (a loopback without a name), or loses a packet beside the floods of
        // other tests, there is nothing to compare.
        if !succeeded || !theirs.contains(" 0% packet loss") {
            continue;
        }
        let ours = without_times(&good(&args));
        // On a busy host a request may wait before it is sent.
        let mut ours: Vec<&str> = ours
            .lines()
            .filter(|it| !it.starts_with("note: "))
            .collect();
        let own = ours.split_off(ours.len() - 2);
        assert!(own[0].starts_with("round-trip time "), "{own:?}");
        assert!(own[1].starts_with("timing: "), "{own:?}");
        assert_eq!(ours.join("\n"), theirs, "{args:?}");
    }
}

#[test]
fn a_name_stands_in_front_of_its_address_and_n_leaves_it_out() {
    if !may_ping("a_name_stands_in_front_of_its_address_and_n_leaves_it_out") {
        return;
    }
    let text = good(&["-c", "1", "-n", "-4", "localhost"]);
    assert!(
        text.starts_with("PING localhost (127.0.0.1) 56(84)"),
        "{text}"
    );
    assert!(
        text.contains("\n64 bytes from 127.0.0.1: icmp_seq=1"),
        "{text}"
    );
}

#[test]
fn macos_lines_count_from_zero_and_stand_alone_on_standard_output() {
    if !may_ping("macos_lines_count_from_zero_and_stand_alone_on_standard_output") {
        return;
    }
    let output = ping(&["-c", "2", "-i", "0.01", "--format", "bsd", "127.0.0.1"]);
    assert_eq!(
        without_times(&stdout(&output)),
        "PING 127.0.0.1 (127.0.0.1): 56 data bytes\n\
         64 bytes from 127.0.0.1: icmp_seq=0 ttl=64 time=T ms\n\
         64 bytes from 127.0.0.1: icmp_seq=1 ttl=64 time=T ms\n\
         \n\
         --- 127.0.0.1 ping statistics ---\n\
         2 packets transmitted, 2 packets received, T% packet loss\n\
         round-trip min/avg/max/stddev = T ms"
    );
    assert!(stderr(&output).contains("timing: kernel timestamps"));
}

#[test]
fn ipv6_is_spoken_as_well() {
    let test = "ipv6_is_spoken_as_well";
    if !has_ipv6() {
        return skip(test, "::1 is not available");
    }
    if !may_ping(test) {
        return;
    }
    let said = good(&["-c", "1", "::1"]);
    assert!(said.starts_with("PING ::1(::1) 56 data bytes\n64 bytes from ::1: icmp_seq=1 ttl="));
    let said = good(&["-c", "1", "--format", "bsd", "::1"]);
    assert!(
        said.starts_with("PING6(104=40+8+56 bytes) ::1 --> ::1\n64 bytes from ::1, icmp_seq=0")
    );
    assert!(said.contains("--- ::1 ping6 statistics ---"));
    assert!(said.contains("\nround-trip min/avg/max/std-dev = "));
}

/// The objects that it prints with `--json`.
pub(crate) fn objects(args: &[&str]) -> Vec<Value> {
    let text = good(&[args, &["--json"]].concat());
    let object = |line: &str| serde_json::from_str(line).expect("an object a line");
    text.lines().map(object).collect()
}

#[test]
fn json_is_an_object_for_each_reply_and_a_summary() {
    if !may_ping("json_is_an_object_for_each_reply_and_a_summary") {
        return;
    }
    let arguments = "-c 3 -i 0.01 --percentiles 50,99.9 127.0.0.1";
    let arguments: Vec<&str> = arguments.split(' ').collect();
    // The kernel begins to stamp packets a moment after the first program has asked for it
    // (net_enable_timestamp()), so those of a first run may have no stamp.
    let objects = until("stamps of the kernel", || {
        let objects = objects(&arguments);
        assert_eq!(objects.len(), 4);
        let replies = objects[..3].iter();
        let stamped = replies.filter(|reply| reply["timing"] == "kernel");
        (stamped.count() == 3).then_some(objects)
    });
    for object in &objects {
        assert_eq!(object["schema"], "sockdoc.ping/1");
    }
    let reply = &objects[0];
    assert_eq!(
        (reply["event"].as_str(), reply["seq"].as_u64()),
        (Some("reply"), Some(1))
    );
    assert_eq!(reply["verdict"], "received");
    assert_eq!(reply["timing"], "kernel");
    let rtt = reply["rtt_us"].as_f64().expect("a time");
    assert!(rtt > 0.0 && rtt < 1e6, "{rtt}");
    let summary = &objects[3];
    assert_eq!(summary["event"], "summary");
    for (key, count) in [("sent", 3), ("received", 3), ("lost", 0), ("duplicates", 0)] {
        assert_eq!(summary[key], count, "{key}");
    }
    assert_eq!(summary["losses"]["total"], 0);
    assert_eq!(summary["timing"]["kernel"], 3);
    assert!(summary["percentiles_us"]["99.9"].as_f64().is_some());
    assert_eq!(summary["targets"][0]["address"], "127.0.0.1");
}

#[test]
fn the_times_are_those_of_the_clock_that_was_asked_for() {
    if !may_ping("the_times_are_those_of_the_clock_that_was_asked_for") {
        return;
    }
    for (clock, told) in [("auto", "kernel"), ("kernel", "kernel"), ("user", "user")] {
        // It begins to stamp a moment after it was asked to.
        until(told, || {
            let objects = objects(&["-c", "2", "-i", "0.01", "--timing", clock, "127.0.0.1"]);
            (objects[1]["timing"] == told).then_some(())
        });
    }
    let text = good(&["-c", "1", "--timing", "user", "127.0.0.1"]);
    assert!(text.ends_with("timing: this program's clock for requests and replies\n"));
}

#[test]
fn csv_has_a_header_and_as_many_fields_in_every_line() {
    if !may_ping("csv_has_a_header_and_as_many_fields_in_every_line") {
        return;
    }
    let text = good(&["-c", "2", "-i", "0.01", "--csv", "127.0.0.1"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        "time,target,address,event,seq,from,verdict,rtt_us,timing,ttl,bytes,message"
    );
    assert_eq!(lines.len(), 3);
    for line in &lines[1..] {
        assert_eq!(line.split(',').count(), 12, "{line}");
        assert!(
            line.contains(",reply,") && line.contains(",received,"),
            "{line}"
        );
    }
}

#[test]
fn a_flood_draws_dots_counts_every_reply_and_times_one_of_each_batch() {
    if !may_ping("a_flood_draws_dots_counts_every_reply_and_times_one_of_each_batch") {
        return;
    }
    let text = good(&["-f", "-c", "1000", "127.0.0.1"]);
    let dots = text.lines().nth(1).expect("a line of dots");
    assert_eq!(dots.matches('.').count(), 1000);
    assert_eq!(text.matches("\u{8} \u{8}").count(), 1000);
    assert!(
        text.contains("1000 packets transmitted, 1000 received, 0% packet loss"),
        "{text}"
    );
    assert!(text.contains(", ipg/ewma "), "{text}");
    let objects = objects(&["-f", "-q", "-c", "1000", "127.0.0.1"]);
    let timed = objects[0]["timed"].as_u64().expect("a count");
    assert!((1..1000).contains(&timed), "{timed}");
    assert_eq!(objects[0]["received"], 1000);
}

#[test]
fn seventy_thousand_requests_have_no_duplicate() {
    if !may_ping("seventy_thousand_requests_have_no_duplicate") {
        return;
    }
    let objects = objects(&["-f", "-q", "-c", "70000", "127.0.0.1"]);
    let summary = objects.last().expect("a summary");
    assert_eq!(summary["received"], 70_000);
    assert_eq!(
        (&summary["duplicates"], &summary["forged"]),
        (&0.into(), &0.into())
    );
}

#[test]
fn two_pings_at_once_do_not_take_each_others_replies() {
    if !may_ping("two_pings_at_once_do_not_take_each_others_replies") {
        return;
    }
    let start = || {
        let mut command = sockdoc();
        command.args(["ping", "--json", "-q", "-f", "-c", "20000", "127.0.0.1"]);
        command.stdout(Stdio::piped());
        crate::support::Running::from(command.spawn().expect("starts"))
    };
    let all: Vec<_> = (0..3).map(|_| start()).collect();
    for child in all {
        let output = child.wait_with_output().expect("ends");
        let summary: Value = serde_json::from_slice(&output.stdout).expect("an object");
        assert_eq!(summary["received"], 20_000);
        assert_eq!(
            (&summary["forged"], &summary["duplicates"]),
            (&0.into(), &0.into())
        );
    }
}

#[test]
fn sigquit_tells_how_it_goes_and_sigint_prints_the_statistics() {
    if !may_ping("sigquit_tells_how_it_goes_and_sigint_prints_the_statistics") {
        return;
    }
    let mut command = sockdoc();
    command.args(["ping", "-i", "0.01", "127.0.0.1"]);
    let child = Running::start(command);
    child.wait_for_line("icmp_seq=3 ");
    child.signal("QUIT");
    let line = child.error_line();
    assert!(
        line.contains(" packets, 0% loss, min/avg/ewma/max = "),
        "{line}"
    );
    child.signal("INT");
    let (status, rest) = child.end();
    assert_eq!(status, Some(0));
    assert!(rest.contains("--- 127.0.0.1 ping statistics ---"), "{rest}");
    assert!(rest.contains(" received, 0% packet loss"), "{rest}");
}

/// A running ping.
struct Running {
    child: crate::support::Running,
    lines: std::sync::mpsc::Receiver<String>,
    errors: std::sync::mpsc::Receiver<String>,
}

impl Running {
    fn start(mut command: Command) -> Running {
        use std::io::{BufRead, BufReader, Read};
        fn lines(stream: impl Read + Send + 'static) -> std::sync::mpsc::Receiver<String> {
            let (sender, receiver) = std::sync::mpsc::channel();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    let _ = sender.send(line);
                }
            });
            receiver
        }
        command.stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = crate::support::Running::from(command.spawn().expect("starts"));
        let lines_out = lines(child.stdout.take().expect("piped"));
        let errors = lines(child.stderr.take().expect("piped"));
        Running {
            child,
            lines: lines_out,
            errors,
        }
    }

    fn wait_for_line(&self, words: &str) {
        loop {
            let line = self.lines.recv_timeout(crate::support::DEADLINE);
            if line.expect("a line in time").contains(words) {
                return;
            }
        }
    }

    fn error_line(&self) -> String {
        let line = self.errors.recv_timeout(crate::support::DEADLINE);
        line.expect("a line in time")
    }

    fn signal(&self, name: &str) {
        self.child.signal(name);
    }

    fn end(mut self) -> (Option<i32>, String) {
        let status = until("ping to end", || self.child.try_wait().expect("waits"));
        let rest: Vec<String> = self.lines.iter().collect();
        (status.code(), rest.join("\n"))
    }
}

#[test]
fn a_summary_comes_every_so_often() {
    if !may_ping("a_summary_comes_every_so_often") {
        return;
    }
    let args = [
        "-q",
        "-c",
        "30",
        "-i",
        "0.01",
        "--summary-every",
        "0.05",
        "127.0.0.1",
    ];
    let output = ping(&args);
    let told = stderr(&output);
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines.len() >= 4, "{told}");
    for line in lines {
        assert!(line.contains(" packets, "), "{line}");
    }
    let objects = objects(&args);
    assert!(
        objects
            .iter()
            .filter(|it| it["event"] == "interval")
            .count()
            >= 4
    );
}

#[test]
fn a_deadline_ends_it_and_fewer_replies_than_asked_for_are_bad() {
    if !may_ping("a_deadline_ends_it_and_fewer_replies_than_asked_for_are_bad") {
        return;
    }
    let start = Instant::now();
    let output = ping(&["-q", "-w", "0.3", "-i", "0.1", "127.0.0.1"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(start.elapsed() >= Duration::from_millis(300));
    let output = ping(&["-q", "-w", "0.3", "-c", "100", "-i", "0.1", "127.0.0.1"]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
}

#[test]
fn who_waits_for_a_host_that_is_up_has_waited_enough() {
    if !may_ping("who_waits_for_a_host_that_is_up_has_waited_enough") {
        return;
    }
    let text = good(&["--wait-up", "127.0.0.1"]);
    assert!(text.contains("1 packets transmitted, 1 received"), "{text}");
}

#[test]
fn a_histogram_counts_every_time() {
    if !may_ping("a_histogram_counts_every_time") {
        return;
    }
    let text = good(&["-q", "-c", "20", "-i", "0.002", "--hist", "127.0.0.1"]);
    let counts = text.lines().filter(|line| line.starts_with("  up to "));
    let sum: u64 = counts
        .map(|line| {
            line.split_whitespace()
                .nth(4)
                .expect("a count")
                .parse::<u64>()
                .expect("a number")
        })
        .sum();
    assert_eq!(sum, 20, "{text}");
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    if !may_ping("a_reader_that_goes_away_ends_it_quietly") {
        return;
    }
    let endless = || {
        let mut command = sockdoc();
        command.args(["ping", "-i", "0.001", "127.0.0.1"]);
        command
    };
    let full = std::fs::File::create("/dev/full").expect("/dev/full");
    let mut command = endless();
    command
        .stdin(Stdio::null())
        .stdout(full)
        .stderr(Stdio::piped());
    let mut child = crate::support::Running::from(command.spawn().expect("starts"));
    until("ping to end", || child.try_wait().expect("waits"));
    let output = child.wait_with_output().expect("ends");
    let said = stderr(&output);
    assert!(
        said.starts_with("sockdoc: write the output: No space left on device (ENOSPC)"),
        "{said}"
    );
    let (line, output) = first_line(endless());
    assert!(line.starts_with("PING 127.0.0.1"), "{line}");
    assert_eq!(stderr(&output), "");
}

#[test]
fn what_cannot_be_asked_for_is_told_and_exits_2() {
    for (args, told) in [
        (&["127.0.0.1", "-c", "0"][..], "0"),
        (&["127.0.0.1", "-s", "65508"], "at most 65507 bytes"),
        (&["::1", "-s", "65528"], "65528"),
        (&["127.0.0.1", "-t", "0"], "0"),
        (&["127.0.0.1", "-p", "xyz"], "hexadecimal"),
        (&["127.0.0.1", "-Q", "256"], "255"),
        (
            &["127.0.0.1", "-M", "maybe"],
            "possible values: do, dont, want, probe",
        ),
        (&["127.0.0.1", "--percentiles", "101"], "0 to 100"),
        (&["127.0.0.1", "-4", "-6"], "cannot be used with"),
        (&["127.0.0.1", "--mtu", "--hops"], "cannot be used with"),
        (
            &["127.0.0.1", "--wait-up", "--until-down"],
            "cannot be used with",
        ),
        (&["127.0.0.1", "--hops", "-f"], "cannot be used with"),
        (&["127.0.0.1", "--mtu", "-s", "1"], "cannot be used with"),
        (&["127.0.0.1", "--tcp", "0"], "0"),
        (&[], "no target given"),
        (&["10.0.0.0/33"], "from 0 to 32"),
        (&["10.0.0.0/8"], "262144 targets"),
        (&["-F", "/no/such/file"], "No such file"),
        (&["127.0.0.1", "-I", "nope0"], "No such device"),
        (&["127.0.0.1-2", "--format", "iputils"], "several targets"),
        (&["127.0.0.1-2", "--mtu"], "one target"),
        (&["fe80::1"], "needs its zone"),
        (&["127.0.0.1", "-6"], "look up 127.0.0.1"),
    ] {
        let output = ping(args);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{args:?}: {}",
            stdout(&output)
        );
        let said = stderr(&output);
        assert!(said.contains(told), "{args:?}: {said}");
        assert_eq!(stdout(&output), "", "{args:?}");
    }
}

#[test]
fn a_source_that_is_not_ours_is_told() {
    let test = "a_source_that_is_not_ours_is_told";
    if !is_root() {
        return skip(test, "the test requires root");
    }
    // A documentation address (RFC 5737): nothing is sent from it or to it.
    let output = ping(&["-c", "1", "-I", "192.0.2.1", "127.0.0.1"]);
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert!(
        said.contains("Cannot assign requested address (EADDRNOTAVAIL)"),
        "{said}"
    );
}

#[test]
fn the_mtu_of_loopback_is_the_largest_packet_there_is() {
    if !may_ping("the_mtu_of_loopback_is_the_largest_packet_there_is") {
        return;
    }
    let text = good(&["--mtu", "127.0.0.1"]);
    assert!(
        text.ends_with("path MTU: 65535 bytes (ping -s 65507 -M do passes)\n"),
        "{text}"
    );
    let objects = objects(&["--mtu", "127.0.0.1"]);
    let found = objects.last().expect("an end");
    assert_eq!(
        (found["event"].as_str(), found["mtu_bytes"].as_u64()),
        (Some("mtu"), Some(65_535))
    );
    assert_eq!(found["black_hole"], Value::Null);
}

#[test]
fn loopback_is_one_hop_away() {
    if !may_ping("loopback_is_one_hop_away") {
        return;
    }
    let text = good(&["--hops", "127.0.0.1"]);
    assert!(text.contains("\n 1  127.0.0.1 "), "{text}");
    assert!(text.contains("target"), "{text}");
    let objects = objects(&["--hops", "127.0.0.1"]);
    assert_eq!(objects[0]["answers"].as_array().map(Vec::len), Some(3));
    assert_eq!(objects[1]["hops"], 1);
}

#[test]
fn a_handshake_is_open_or_refused() {
    let server = Server::start(&["echo-server", "0"]);
    let port = server.port();
    let text = good(&["--tcp", &port, "-c", "2", "-i", "0.01", "127.0.0.1"]);
    assert!(text.starts_with(&format!("open from 127.0.0.1 port {port}: tcp_seq=1 time=")));
    assert!(
        text.contains("\n2 tried, 2 open, 0 refused, 0 filtered, 0 failed, 0% loss\n"),
        "{text}"
    );
    drop(server);
    let output = ping(&["--tcp", &port, "-c", "1", "--json", "127.0.0.1"]);
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    let first: Value =
        serde_json::from_str(text.lines().next().expect("a line")).expect("an object");
    assert_eq!(first["answer"], "refused");
}

#[test]
fn handshakes_as_csv_have_as_many_fields_as_the_header_and_a_closed_port_is_down() {
    // Nothing listens on port 1 of this address.
    let words = ["--tcp", "1", "--csv", "--until-down", "3", "-i", "0.01"];
    let output = ping(&[&words[..], &["127.0.0.7"]].concat());
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    let lines: Vec<&str> = text.lines().collect();
    let header = "time,target,address,port,event,seq,answer,rtt_us,took_us,lost_syns,from,message";
    assert_eq!(lines[0], header);
    let events: Vec<&str> = lines[1..]
        .iter()
        .map(|line| line.split(',').nth(4).expect("an event"))
        .collect();
    assert_eq!(
        events,
        ["handshake", "handshake", "handshake", "down"],
        "{text}"
    );
    for line in &lines[1..4] {
        assert_eq!(line.split(',').count(), 12, "{line}");
        assert!(line.contains(",refused,"), "{line}");
    }
    assert!(lines[4].ends_with("3 failed in a row\""), "{text}");
}

#[test]
fn intervals_of_handshakes_as_csv_have_the_columns_of_their_figures() {
    let words = ["--tcp", "1", "--csv", "--until-down", "60", "-i", "0.01"];
    let output = ping(&[&words[..], &["--summary-every", "0.1", "127.0.0.7"]].concat());
    let text = stdout(&output);
    let header: Vec<&str> = text.lines().next().expect("a header").split(',').collect();
    let column = |name| header.iter().position(|it| *it == name).expect("a column");
    let rows = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let rows: Vec<_> = rows
        .filter(|row| row[column("event")] == "interval")
        .collect();
    assert!(!rows.is_empty(), "{text}");
    for row in rows {
        assert_eq!(row.len(), header.len(), "{row:?}");
        assert_eq!(row[column("tried")], row[column("refused")], "{row:?}");
        assert_ne!(row[column("tried")], "0", "{row:?}");
        assert!(!row[column("rtt_avg_us")].is_empty(), "{row:?}");
    }
}

#[test]
fn a_port_of_this_host_that_does_not_accept_is_explained_at_its_first_failure() {
    let (_listener, _waiting, address) = crate::waits::silent_listener();
    let port = address.port().to_string();
    let words = [
        "--tcp",
        &port,
        "-O",
        "-c",
        "1",
        "-i",
        "0.1",
        "-W",
        "1",
        "127.0.0.1",
    ];
    let output = ping(&words);
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    let early = format!("no answer yet from 127.0.0.1 port {port}: tcp_seq=1\n");
    assert!(text.starts_with(&early), "{text}");
    assert!(
        text.contains(": dropped by this host (full accept queue, or "),
        "{text}"
    );
    let errors = stderr(&output);
    assert!(errors.contains(": accept queue full: "), "{errors}");
    let me = format!("(pid {})", std::process::id());
    assert!(errors.contains(&me), "{errors}");
    let output = ping(&["--json", "--tcp", &port, "-c", "1", "-W", "1", "127.0.0.1"]);
    let text = stdout(&output);
    let last: Value = serde_json::from_str(text.lines().last().expect("a line")).expect("json");
    assert!(
        last["cause"]
            .as_str()
            .expect("a cause")
            .contains("accept queue full"),
        "{text}"
    );
}
