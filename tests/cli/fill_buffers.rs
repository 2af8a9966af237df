//! `sockdoc fill-buffers` with both ends in one process: what must hold whatever the sizes are. The
//! sizes themselves are the kernel's business.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{
    self, Running, finish, first_line, has_ipv6, run, skip, sockdoc, stderr, stdout,
};

/// The document of a run that must end well.
pub(crate) fn document(args: &[&str]) -> Value {
    let (code, document) = document_and_status(args);
    assert_eq!(code, Some(0), "{args:?}: {document}");
    document
}

pub(crate) fn document_and_status(args: &[&str]) -> (Option<i32>, Value) {
    let output = run(&[&["fill-buffers", "--json"], args].concat());
    let text = stdout(&output);
    assert_eq!(
        text.lines().count(),
        1,
        "{args:?}: {text} {}",
        stderr(&output)
    );
    let document: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(document["schema"], "sockdoc.fill-buffers/1");
    (output.status.code(), document)
}

/// A number of a document.
pub(crate) fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("no number: {value}"))
}

/// What holds for every TCP run with both ends that settled and was drained.
fn assert_whole(document: &Value) {
    let settled = &document["settled"];
    let (sent, received) = (
        number(&settled["send_queue_bytes"]),
        number(&settled["recv_queue_bytes"]),
    );
    let accepted = number(&settled["bytes"]);
    assert!(sent > 0 && received > 0, "{settled}");
    assert_eq!(accepted, sent + received, "{settled}");
    assert_eq!(number(&settled["acknowledged_bytes"]), received);
    assert_eq!(document["conserved"], true);
    assert_eq!(document["stopped"]["reason"], "settled");
    let first = &document["first_block"];
    assert!(number(&first["bytes"]) <= accepted && number(&first["bytes"]) > 0);
    let drain = &document["drain"];
    assert_eq!(number(&drain["received_bytes"]), accepted);
    assert_eq!(drain["checksum_ok"], true);
    assert_eq!(drain["crc32"], document["accepted"]["crc32"]);
    assert_eq!(drain["end"], "end");
    let writable = number(&drain["writable_after_bytes"]);
    assert!(writable > 0 && writable <= accepted, "{drain}");
    let verdict = &document["verdict"];
    assert_eq!(verdict["id"], "peer_window_closed");
    assert!(
        verdict["text"]
            .as_str()
            .is_some_and(|text| text.contains("receive window full"))
    );
    assert_eq!(document["windows"]["snd_wnd_bytes"], 0);
    let total: u64 = document["sends"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|entry| entry["event"] == "send")
        .map(|entry| number(&entry["count"]) * number(&entry["accepted_bytes"]))
        .sum();
    assert_eq!(total, accepted, "the timeline adds up");
    // The rows of the host's own listing say the same.
    let rows = document["sockets"].as_array().expect("rows");
    assert_eq!(rows.len(), 3, "listener, receiver, sender: {rows:?}");
    assert_eq!(rows[0]["state"], "listen");
    assert_eq!(number(&rows[1]["queue"]["recv_bytes"]), received);
    assert_eq!(number(&rows[2]["queue"]["send_bytes"]), sent);
}

#[test]
fn with_no_arguments_the_bytes_add_up_and_all_arrive() {
    let document = document(&[]);
    assert_whole(&document);
    assert_eq!(document["first_block"]["errno"], 11);
    assert_eq!(document["limits"]["sndbuf"]["asked_bytes"], Value::Null);
}

#[test]
fn buffers_that_are_asked_for_are_honoured_and_smaller_ones_hold_less() {
    let mut before = 0;
    for size in ["4096", "65536", "1M"] {
        let document = document(&["--sndbuf", size, "--rcvbuf", size]);
        assert_whole(&document);
        let limits = &document["limits"];
        for buffer in ["sndbuf", "rcvbuf"] {
            let (asked, got) = (&limits[buffer]["asked_bytes"], &limits[buffer]["got_bytes"]);
            // Twice, for the kernel's own needs (socket(7)); or the most that it allows.
            assert!(number(got) >= number(asked), "{limits}");
        }
        let bytes = number(&document["settled"]["bytes"]);
        assert!(bytes > before, "{size}: {bytes} after {before}");
        before = bytes;
    }
}

#[test]
fn it_holds_under_every_congestion_control_that_is_present() {
    let path = "/proc/sys/net/ipv4/tcp_available_congestion_control";
    let available = std::fs::read_to_string(path).expect("a sysctl");
    let mut tried = 0;
    for name in ["cubic", "reno", "bbr"] {
        if !available.split_whitespace().any(|there| there == name) {
            continue;
        }
        let output = run(&["fill-buffers", "--json", "--congestion", name]);
        if output.status.code() == Some(2) {
            let said = stderr(&output);
            assert!(said.contains("only root may use it"), "{said}");
            continue;
        }
        let document: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
        assert_whole(&document);
        assert_eq!(document["limits"]["congestion_control"], name);
        tried += 1;
    }
    assert!(tried > 0, "{available}");
}

#[test]
fn it_holds_over_ipv6_too() {
    if !has_ipv6() {
        skip("it_holds_over_ipv6_too", "::1 is not available");
        return;
    }
    let document = document(&["-6"]);
    assert_whole(&document);
    assert!(
        document["sender"]
            .as_str()
            .is_some_and(|end| end.starts_with("[::1]:"))
    );
}

#[test]
fn any_chunk_fills_and_a_chunk_that_fits_no_more_is_sent_in_part() {
    for chunk in ["1", "1000", "64K", "1M"] {
        let args = ["--chunk", chunk, "--sndbuf", "16K", "--rcvbuf", "16K"];
        let document = document(&args);
        assert_whole(&document);
        let sends = document["sends"].as_array().expect("a list");
        let partial = sends.iter().any(|entry| entry["partial"] == true);
        // A byte fits or does not; what is larger than the buffers never fits whole.
        match chunk {
            "1" => assert!(!partial, "{sends:?}"),
            "1M" => assert!(partial, "{sends:?}"),
            _ => {}
        }
    }
}

#[test]
fn each_way_to_wait_for_room_ends_with_full_queues() {
    let block = document(&["--mode", "block", "--settle", "300ms"]);
    assert_whole(&block);
    // SO_SNDTIMEO is for each send() anew: the last waits for all of it.
    assert!(block["stopped"]["after_us"].as_f64() >= Some(300_000.0));
    let poll = document(&["--mode", "poll"]);
    assert_whole(&poll);
    assert_eq!(poll["first_block"]["errno"], Value::Null, "poll() has none");
}

#[test]
fn lowat_keeps_the_send_queue_short_for_poll_and_for_send() {
    let bytes = |args: &[&str]| {
        let document = document(args);
        assert_whole(&document);
        number(&document["settled"]["send_queue_bytes"])
    };
    let without = bytes(&[]);
    let lowat = ["--lowat", "16K"];
    for mode in ["nonblock", "poll"] {
        let with = bytes(&[&["--mode", mode], &lowat[..]].concat());
        assert!(with * 4 < without, "{mode}: {with} {without}");
    }
}

#[test]
fn a_limit_ends_it_before_the_buffers_are_full() {
    let document = document(&["--max-bytes", "100000"]);
    assert_eq!(document["stopped"]["reason"], "limit");
    assert_eq!(document["accepted"]["bytes"], 100_000);
    assert_eq!(document["first_block"], Value::Null);
    assert_eq!(document["verdict"]["id"], "never_blocked");
    assert_eq!(document["drain"]["received_bytes"], 100_000);
    assert_eq!(document["drain"]["checksum_ok"], true);
}

#[test]
fn while_it_is_held_the_persist_timer_backs_off() {
    let document = document(&["--hold", "2s", "--sndbuf", "64K"]);
    assert_whole(&document);
    let probes = document["hold"]["probes"].as_array().expect("a list");
    assert!(!probes.is_empty(), "{document}");
    let waits: Vec<f64> = probes
        .iter()
        .filter_map(|probe| probe["next_in_us"].as_f64())
        .collect();
    assert!(
        waits.is_sorted_by(|a, b| a < b),
        "each is longer: {waits:?}"
    );
}

#[test]
fn not_drained_is_not_read() {
    let document = document(&["--no-drain"]);
    assert_eq!(document["drain"], Value::Null);
    assert_eq!(document["conserved"], true);
    let text = stdout(&run(&["fill-buffers", "--no-drain"]));
    assert!(text.contains("\nNot drained\n"), "{text}");
}

#[test]
fn the_answer_comes_first_and_then_the_steps_in_their_order() {
    let output = run(&["fill-buffers", "--hold", "1s"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        stderr(&output),
        "",
        "no live view where there is no terminal"
    );
    let text = stdout(&output);
    let mut at = 0;
    for words in [
        "A client sends to a server that does not read: 127.0.0.1:",
        "\nWARNING the peer does not read: ",
        "\nWhere the bytes are now\n  Send-Q ",
        "█",
        "Recv-Q",
        "nothing is lost",
        "next: sockdoc sockets --problems",
        "\nLimits\n",
        "congestion control",
        "(SO_SNDBUF)",
        "net.ipv4.tcp_wmem",
        "\nSends: 65,536 bytes each",
        "\n  #1..#",
        "partial",
        "EWOULDBLOCK",
        "steady state: no bytes accepted for 500 ms",
        "\nThe first EWOULDBLOCK, after ",
        "errno 11 EAGAIN",
        "BlockingIOError: [Errno 11] Resource temporarily unavailable",
        "Proto Recv-Q Send-Q Local Address",
        "LISTEN",
        "ESTABLISHED",
        "\nWindows and timers\n",
        "0 bytes (tcpi_snd_wnd)",
        "persist timer",
        "\nVerdict, with its evidence\nWARNING the peer does not read: peer receive window full for ",
        "evidence   idiag_timer persist",
        "\nHeld for 1.0 s: not read\n",
        "window probe",
        "\nDrain: now the receiver reads\n",
        "writable again",
        "every byte arrived, in order",
    ] {
        let found = text[at..].find(words);
        at += found.unwrap_or_else(|| panic!("{words:?} behind {} of\n{text}", &text[..at]));
    }
}

/// A run that stands still, because it is held: it has told its verdict.
fn held(mut command: Command) -> (Running, Vec<String>) {
    command.args(["fill-buffers", "--hold", "60s"]);
    let mut child = Running::from(
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts"),
    );
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut told = Vec::new();
    for line in lines {
        let line = line.expect("text");
        let last = line.starts_with("  next ");
        told.push(line);
        if last {
            break;
        }
    }
    (child, told)
}

#[test]
fn an_interrupt_ends_it_with_what_is_known() {
    // Held, it has settled: that is the answer.
    let mut command = sockdoc();
    command.args(["fill-buffers", "--json", "--hold", "60s"]);
    let child = Running::from(
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts"),
    );
    let pid = child.id();
    support::until("its sockets", || {
        let rows = support::sockets::Listing::of({
            let mut list = sockdoc();
            list.args(["sockets", "--json", "-t", "--pid", &pid.to_string()]);
            list
        });
        rows.rows()
            .iter()
            .any(|row| row["timer"]["kind"] == "persist")
            .then_some(())
    });
    child.signal("INT");
    let output = child.wait_with_output().expect("it ends");
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(document["interrupted"], true);
    assert!(number(&document["accepted"]["bytes"]) > 0);
    let settled = document["stopped"]["reason"] == "settled";
    assert_eq!(
        output.status.code(),
        Some(i32::from(!settled)),
        "{document}"
    );
}

#[test]
fn ss_sees_the_same_queues_from_outside() {
    if support::program("ss").is_none() {
        skip(
            "ss_sees_the_same_queues_from_outside",
            "ss is not installed",
        );
        return;
    }
    let (mut child, told) = held(sockdoc());
    let first = &told[0];
    let ends = first.split_once(": ").expect("addresses").1;
    let (from, _) = ends.split_once(" -> ").expect("two ends");
    let figure = |title: &str| -> String {
        let line = told.iter().find(|line| line.starts_with(title));
        let line = line.unwrap_or_else(|| panic!("{title}: {told:?}"));
        line.split_whitespace()
            .nth(1)
            .expect("a figure")
            .replace(',', "")
    };
    let mut ss = Command::new("ss");
    ss.args(["-tnmH", "src", from, "or", "dst", from]);
    let seen = stdout(&finish(ss));
    let _ = child.kill();
    let _ = child.wait();
    let rows: Vec<Vec<&str>> = seen
        .lines()
        .filter(|line| line.contains("ESTAB"))
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(rows.len(), 2, "{seen}");
    for row in rows {
        let is_sender = row[3] == from;
        let (recv, send) = if is_sender {
            ("0".to_owned(), figure("  Send-Q"))
        } else {
            (figure("  Recv-Q"), "0".to_owned())
        };
        assert_eq!((row[1], row[2]), (recv.as_str(), send.as_str()), "{seen}");
    }
}

#[test]
fn a_closed_pipe_ends_it_quietly() {
    let mut command = sockdoc();
    command.args(["fill-buffers", "--hold", "10"]);
    let (line, output) = first_line(command);
    assert!(!line.is_empty());
    assert_eq!(stderr(&output), "");
}
