//! Signals, a closed pipe, link-local addresses, names: what is met around a run.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::time::Duration;

use crate::namespace::Namespace;
use crate::ping_rows;
use crate::pinging::Run;
use crate::responder::{Answer, Echo, Responder};
use crate::routed::Path;
use crate::support::{BINARY, Running, look_on, program, skip, until};

/// A run that goes on until it is told to end; it is killed when this is dropped.
struct Endless {
    child: Running,
    out: BufReader<std::process::ChildStdout>,
}

impl Endless {
    fn start(namespace: &Namespace, words: &str) -> Endless {
        let mut command = namespace.ping(&words.split_whitespace().collect::<Vec<_>>());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = Running::from(command.spawn().expect("it starts"));
        let out = BufReader::new(child.stdout.take().expect("piped"));
        Endless { child, out }
    }

    /// The next line, which comes at once also through a pipe.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).expect("a line");
        assert!(!line.is_empty(), "it ended");
        line
    }

    fn signal(&self, name: &str) {
        self.child.signal(name);
    }

    /// The letter of its state: `R`, `S`, `T`.
    fn state(&self) -> char {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
        let stat = stat.expect("it is there");
        let state = stat
            .rsplit(") ")
            .next()
            .and_then(|rest| rest.chars().next());
        state.expect("a state")
    }

    /// The rest of what it says, and how it ended.
    fn end(mut self) -> Run {
        let status = until("the end", || self.child.try_wait().expect("wait works"));
        let mut run = Run {
            status: status.code(),
            text: String::new(),
            errors: String::new(),
        };
        self.out.read_to_string(&mut run.text).expect("text");
        let mut errors = self.child.stderr.take().expect("piped");
        errors.read_to_string(&mut run.errors).expect("text");
        run
    }
}

#[test]
fn an_interrupt_ends_with_the_statistics() {
    let Some(namespace) = Namespace::new("SIGINT") else {
        return;
    };
    let mut ping = Endless::start(&namespace, "-i 0.2 127.0.0.1");
    assert!(ping.line().starts_with("PING 127.0.0.1 "));
    assert!(ping.line().contains("icmp_seq=1 "));
    ping.signal("INT");
    let run = ping.end();
    assert_eq!(run.status, Some(0), "{run}");
    assert!(run.says("--- 127.0.0.1 ping statistics ---"), "{run}");
    assert!(run.says("rtt min/avg/max/mdev = "), "{run}");
}

#[test]
fn an_interrupt_without_any_reply_is_a_bad_answer() {
    let test = "SIGINT without a reply";
    let Some(namespace) = Namespace::new(test) else {
        return;
    };
    let Some(_host) = Responder::start(test, &namespace, |_| vec![]) else {
        return;
    };
    let target = ping_rows::address(false, 7);
    let mut ping = Endless::start(&namespace, &format!("-O -i 0.1 {target}"));
    ping.line();
    assert!(ping.line().starts_with("no answer yet"));
    ping.signal("INT");
    let run = ping.end();
    assert_eq!(run.status, Some(1), "{run}");
    assert!(run.says("100% packet loss"), "{run}");
}

#[test]
fn quit_shows_where_the_run_is_and_it_goes_on() {
    let Some(namespace) = Namespace::new("SIGQUIT") else {
        return;
    };
    let mut ping = Endless::start(&namespace, "-i 0.1 127.0.0.1");
    ping.line();
    assert!(ping.line().contains("icmp_seq=1 "));
    ping.signal("QUIT");
    // It goes on.
    ping.line();
    ping.line();
    ping.signal("INT");
    let run = ping.end();
    assert_eq!(run.status, Some(0), "{run}");
    let line = run.errors.lines().find(|line| line.contains(" packets, "));
    let line = line.unwrap_or_else(|| panic!("nothing shown: {run}"));
    assert!(line.contains("% loss, min/avg/ewma/max = "), "{run}");
    let counted = line
        .split(' ')
        .next()
        .and_then(|counts| counts.split_once('/'));
    let (received, sent) = counted.unwrap_or_else(|| panic!("{line}"));
    assert_eq!(received, sent, "{line}");
}

#[test]
fn replies_that_came_in_time_count_also_when_they_are_read_late() {
    const DELAY: Duration = Duration::from_millis(50);
    let test = "a run that was stopped";
    let Some(namespace) = Namespace::new(test) else {
        return;
    };
    let slow = |_: &Echo| vec![Answer::right().after(DELAY)];
    let Some(_host) = Responder::start(test, &namespace, slow) else {
        return;
    };
    let target = ping_rows::address(false, 7);
    let mut ping = Endless::start(&namespace, &format!("-i 0.01 -W 0.4 {target}"));
    ping.line();
    assert!(ping.line().contains("icmp_seq=1 "));
    // Five requests are under way now, and they are answered; nobody looks.
    ping.signal("STOP");
    until("it to stand still", || (ping.state() == 'T').then_some(()));
    look_on(Duration::from_millis(800));
    ping.signal("CONT");
    ping.line();
    ping.signal("INT");
    let run = ping.end();
    assert_eq!(run.status, Some(0), "{run}");
    assert!(!run.says("no reply (no ICMP") && !run.says("late"), "{run}");
}

#[test]
fn an_interrupted_flood_reads_what_has_come() {
    let Some(namespace) = Namespace::new("SIGINT in a flood") else {
        return;
    };
    let mut ping = Endless::start(&namespace, "-f -q --summary-every 0.2 127.0.0.1");
    let mut errors = BufReader::new(ping.child.stderr.take().expect("piped"));
    let mut line = String::new();
    errors.read_line(&mut line).expect("a line");
    assert!(line.contains(" packets, "), "{line}");
    ping.child.stderr = Some(errors.into_inner());
    ping.signal("INT");
    let run = ping.end();
    // On the loopback a reply has come when its request is sent.
    let counts = run.counts();
    assert_eq!(counts.received, counts.sent, "{run}");
    assert_eq!(run.status, Some(0), "{run}");
}

#[test]
fn a_pipe_that_closes_ends_the_run_quietly() {
    let Some(namespace) = Namespace::new("a closed pipe") else {
        return;
    };
    let mut ping = Endless::start(&namespace, "-i 0.01 127.0.0.1");
    ping.line();
    ping.line();
    let (empty, _) = std::io::pipe().expect("a pipe");
    let Endless { child, out } = &mut ping;
    drop(empty);
    // Only the reader goes; the process is still ours.
    let reader = std::mem::replace(out, replacement(&namespace));
    drop(reader);
    until("the end", || child.try_wait().expect("wait works"));
    let mut errors = String::new();
    let mut said = child.stderr.take().expect("piped");
    said.read_to_string(&mut errors).expect("text");
    assert_eq!(errors, "");
}

/// The output of something that ends at once.
fn replacement(namespace: &Namespace) -> BufReader<std::process::ChildStdout> {
    let mut nothing = namespace.command("true");
    let mut child = nothing.stdout(Stdio::piped()).spawn().expect("it starts");
    child.wait().expect("it ends");
    BufReader::new(child.stdout.take().expect("piped"))
}

#[test]
fn a_link_local_address_takes_its_zone() {
    let Some(path) = Path::new("zones") else {
        return;
    };
    path.router.ip(&["addr add fe80::77/64 dev near1 nodad"]);
    let run = Run::words(&path.client, "-c 1 -W 1 fe80::77%near0");
    assert_eq!((run.status, run.counts().received), (Some(0), 1), "{run}");
    assert!(
        run.says("64 bytes from fe80::77%near0: icmp_seq=1 "),
        "{run}"
    );
    let run = Run::words(&path.client, "-c 1 -W 1 -I near0 fe80::77");
    assert_eq!((run.status, run.counts().received), (Some(0), 1), "{run}");
    let run = Run::words(&path.client, "-c 1 -W 1 fe80::77");
    assert_eq!(run.status, Some(2), "{run}");
    assert!(run.errors.contains("fe80::77%"), "{run}");
}

/// Runs ours where `/etc/hosts` has this text.
fn with_hosts(namespace: &Namespace, hosts: &str, words: &str) -> Run {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("hosts");
    std::fs::write(&file, hosts).expect("written");
    let file = file.to_str().expect("text");
    let mut command = namespace.command("unshare");
    // The mount is seen by this program alone, and ends with it.
    let mounting = "mount --bind \"$0\" /etc/hosts && exec \"$@\"";
    command.args(["-m", "sh", "-c", mounting, file, BINARY, "ping"]);
    command.args(words.split_whitespace()).stdin(Stdio::null());
    Run::of(command)
}

#[test]
fn a_name_cannot_move_the_cursor() {
    let test = "a name with escapes";
    if program("unshare").is_none() {
        return skip(test, "unshare is not installed");
    }
    let Some(namespace) = Namespace::new(test) else {
        return;
    };
    // The second of a line is another name of the first.
    let hosts = "127.0.0.7 evil\u{1b}[2Jname\u{7} plain\n";
    for words in [
        "-c 1 -W 1 plain",
        "-c 1 -W 1 127.0.0.7",
        "-c 1 -W 1 plain 127.0.0.1",
    ] {
        let run = with_hosts(&namespace, hosts, words);
        let all = format!("{}{}", run.text, run.errors);
        let is_control = |c: char| c.is_control() && c != '\n';
        assert!(!all.contains(is_control), "{run:?}");
        // The name that the address has was read, and is shown where iputils shows it.
        let is_shown = words == "-c 1 -W 1 plain";
        assert_eq!(
            run.says("evil\\x1b[2Jname\\x07 (127.0.0.7)"),
            is_shown,
            "{run:?}"
        );
    }
}

#[test]
fn all_addresses_of_a_name_are_pinged() {
    let test = "--all-addresses";
    if program("unshare").is_none() {
        return skip(test, "unshare is not installed");
    }
    let Some(namespace) = Namespace::new(test) else {
        return;
    };
    namespace.ip(&["addr add fd00::7/128 dev lo nodad"]);
    let hosts = "127.0.0.7 both\n127.0.0.8 both\nfd00::7 both\n";
    let run = with_hosts(&namespace, hosts, "--all-addresses -c 1 -W 1 both");
    assert_eq!(run.status, Some(0), "{run}");
    for address in ["127.0.0.7", "127.0.0.8", "fd00::7"] {
        assert!(run.says(address), "{address}: {run}");
    }
    let run = with_hosts(&namespace, hosts, "-6 -c 1 -W 1 both");
    assert!(run.says("fd00::7") && !run.says("127.0.0"), "{run}");
    let run = with_hosts(&namespace, hosts, "-c 1 -W 1 nobody-has-this-name");
    assert_eq!(run.status, Some(2), "{run}");
    assert!(run.errors.contains("nobody-has-this-name"), "{run}");
}

#[test]
fn a_name_that_gets_another_address_is_followed() {
    let test = "--follow-dns";
    if program("unshare").is_none() {
        return skip(test, "unshare is not installed");
    }
    let Some(namespace) = Namespace::new(test) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let hosts = folder.path().join("hosts");
    let be_at = |address: &str| {
        std::fs::write(&hosts, format!("{address} moves.test\n")).expect("written");
    };
    be_at("127.0.0.2");
    let mut command = namespace.command("unshare");
    let script = "mount --bind \"$0\" /etc/hosts && exec \"$@\"";
    command.args(["--mount", "sh", "-c", script]).arg(&hosts);
    let words = "ping --json -4 -i 0.05 --follow-dns=0.1 moves.test";
    command.arg(BINARY).args(words.split(' '));
    command.stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = Running::from(command.spawn().expect("it starts"));
    let out = BufReader::new(child.stdout.take().expect("piped"));
    let mut ping = Endless { child, out };
    let mut reply_from = |address: &str| {
        loop {
            let line = ping.line();
            if line.contains("\"event\":\"moved\"") {
                assert!(line.contains("\"from\":\"127.0.0.2\""), "{line}");
            }
            assert!(!line.contains("\"event\":\"lost\""), "{line}");
            if line.contains(&format!("\"from\":\"{address}\"")) && line.contains("\"rtt_us\"") {
                break;
            }
        }
    };
    reply_from("127.0.0.2");
    be_at("127.0.0.3");
    reply_from("127.0.0.3");
    ping.signal("INT");
    let run = ping.end();
    assert_eq!(run.summary()["targets"][0]["address"], "127.0.0.3", "{run}");
}
