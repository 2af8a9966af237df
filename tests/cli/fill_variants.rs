//! `sockdoc fill-buffers`: datagrams, Unix sockets, the ways to close, a timeout.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::fill_buffers::{document, number};
use crate::support::{DEADLINE, Running, look_on, run, stderr, stdout};

#[test]
fn udp_says_no_error_and_every_datagram_is_received_or_counted_as_dropped() {
    let document = document(&["--udp"]);
    assert_eq!(document["first_block"], Value::Null);
    assert_eq!(document["stopped"]["reason"], "limit");
    let counted = &document["datagrams"];
    let (sent, received, dropped) = (
        number(&counted["sent"]),
        number(&counted["received"]),
        number(&counted["dropped"]),
    );
    assert_eq!(sent, 3_000);
    assert!(received > 0 && dropped > 0, "{counted}");
    assert_eq!(received + dropped, sent);
    // Others may drop at the same time.
    assert!(
        number(&counted["host_rcvbuf_errors"]) >= dropped,
        "{counted}"
    );
    assert_eq!(document["conserved"], true);
    assert_eq!(document["verdict"]["id"], "udp_receive_buffer_full");
}

#[test]
fn a_larger_receive_buffer_holds_more_datagrams() {
    let received = |size| number(&document(&["--udp", "--rcvbuf", size])["datagrams"]["received"]);
    assert!(received("8K") < received("64K"));
}

#[test]
fn few_datagrams_all_arrive() {
    let document = document(&["--udp", "--max-bytes", "5120"]);
    assert_eq!(document["datagrams"]["received"], 10);
    assert_eq!(document["datagrams"]["dropped"], 0);
    assert_eq!(document["drain"]["checksum_ok"], true);
    assert_eq!(document["verdict"]["id"], "never_blocked");
}

#[test]
fn a_unix_stream_fills_the_senders_buffer_with_memory_and_not_with_bytes() {
    let large = document(&["--unix"]);
    let small = document(&["--unix", "stream", "--chunk", "1"]);
    for document in [&large, &small] {
        assert_eq!(document["conserved"], true);
        assert_eq!(document["drain"]["checksum_ok"], true);
        assert_eq!(document["first_block"]["errno"], 11);
        assert_eq!(document["verdict"]["id"], "unix_peer_not_reading");
        let settled = &document["settled"];
        assert_eq!(settled["recv_queue_bytes"], settled["bytes"]);
        // truesize
        assert!(number(&settled["send_queue_bytes"]) > number(&settled["bytes"]));
    }
    let bytes = |document: &Value| number(&document["settled"]["bytes"]);
    assert!(
        bytes(&small) * 50 < bytes(&large),
        "a byte costs far more than a byte"
    );
}

#[test]
fn unix_datagrams_wait_and_none_is_lost() {
    for kind in ["dgram", "datagram"] {
        let document = document(&["--unix", kind]);
        let counted = &document["datagrams"];
        assert_eq!(counted["sent"], counted["received"], "{counted}");
        assert_eq!(document["conserved"], true);
        assert_eq!(document["drain"]["checksum_ok"], true);
        // EMSGSIZE
        assert_eq!(counted["oversize"]["errno"], 90);
        let limit = std::fs::read_to_string("/proc/sys/net/unix/max_dgram_qlen").expect("a sysctl");
        let limit: u64 = limit.trim().parse().expect("a number");
        let named = number(&counted["named_receiver"]);
        assert!(named > 0 && named <= limit + 1, "{named} of {limit}");
    }
}

#[test]
fn a_normal_close_still_delivers_every_byte() {
    for args in [&["--close", "normal"][..], &["--unix", "--close", "normal"]] {
        let document = document(args);
        assert_eq!(document["close"]["kind"], "normal");
        assert!(number(&document["close"]["queued_bytes"]) > 0);
        assert_eq!(document["drain"]["checksum_ok"], true, "{args:?}");
        assert_eq!(document["drain"]["end"], "end");
    }
}

#[test]
fn linger_0_throws_the_queue_away_and_resets() {
    let document = document(&["--close", "linger0"]);
    let drain = &document["drain"];
    let received = number(&drain["received_bytes"]);
    assert!(received < number(&document["accepted"]["bytes"]), "{drain}");
    // ECONNRESET
    assert_eq!(
        (&drain["end"], &drain["errno"]),
        (&"failed".into(), &104.into())
    );
    assert_eq!(
        drain["checksum_ok"],
        Value::Null,
        "not all of it could arrive"
    );
    let text = stdout(&run(&["fill-buffers", "--close", "linger0"]));
    assert!(text.contains("bytes never arrived"), "{text}");
}

#[test]
fn a_reader_that_closes_with_unread_data_resets_its_writer() {
    let tcp = document(&["--close", "unread"]);
    // ECONNRESET, then EPIPE.
    assert_eq!(tcp["close"]["writer_errnos"], Value::from(vec![104, 32]));
    assert_eq!(tcp["drain"], Value::Null);
    let unix = document(&["--unix", "--close", "unread"]);
    let errnos = unix["close"]["writer_errnos"].as_array().expect("a list");
    assert_eq!(errnos.last(), Some(&Value::from(32)));
}

#[test]
fn a_user_timeout_ends_the_connection_although_the_peer_is_alive() {
    let document = document(&["--user-timeout", "500ms"]);
    // ETIMEDOUT
    assert_eq!(document["hold"]["errno"], 110, "{}", document["hold"]);
    assert_eq!(document["conserved"], true, "it was, before");
    assert!(
        number(&document["drain"]["received_bytes"]) < number(&document["accepted"]["bytes"]),
        "what was queued is lost"
    );
    assert_eq!(document["drain"]["writable_after_bytes"], Value::Null);
}

#[test]
fn what_makes_no_sense_is_refused_with_what_would() {
    for (args, words) in [
        (
            &["--close", "unread", "127.0.0.1", "9"][..],
            "omit HOST and PORT",
        ),
        (&["--unix", "--close", "linger0"], "--close unread"),
        (
            &["--congestion", "no-such"],
            "tcp_available_congestion_control",
        ),
        (&["--chunk", "0"], "from 1 to 64M"),
        (&["--read-rate", "5"], "--server"),
        (&["localhost:0"], "port 0 is not a port to connect to"),
        (&["--mode", "wait"], "nonblock"),
    ] {
        let output = run(&[&["fill-buffers"], args].concat());
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(
            stderr(&output).contains(words),
            "{args:?}: {}",
            stderr(&output)
        );
        assert_eq!(stdout(&output), "", "{args:?}");
    }
}

#[test]
fn large_datagrams_that_are_dropped_are_no_success() {
    for chunk in ["9000", "65507"] {
        let document = document(&["--udp", "--chunk", chunk]);
        assert_eq!(
            document["verdict"]["id"], "udp_receive_buffer_full",
            "{chunk}"
        );
        assert!(number(&document["datagrams"]["dropped"]) > 0);
    }
}

#[test]
fn a_receiver_of_datagrams_on_this_host_is_looked_at_and_another_one_is_unknown() {
    let receiver = std::net::UdpSocket::bind("127.0.0.1:0").expect("bound");
    let port = receiver
        .local_addr()
        .expect("an address")
        .port()
        .to_string();
    let args = ["--udp", "127.0.0.1", &port];
    let document = document(&args);
    assert_eq!(document["verdict"]["id"], "udp_receive_buffer_full");
    assert_eq!(
        document["conserved"],
        Value::Null,
        "what arrived is not known"
    );
}

#[test]
fn a_user_timeout_that_is_short_is_seen_to_settle_first() {
    let document = document(&["--user-timeout", "100ms"]);
    assert_eq!(document["stopped"]["reason"], "settled");
    assert_eq!(document["hold"]["errno"], 110);
    let id = document["verdict"]["id"].as_str().expect("a verdict");
    assert!(["peer_window_closed", "nothing_read"].contains(&id), "{id}");
}

#[test]
fn an_interrupt_ends_a_blocking_send() {
    let mut command = crate::support::sockdoc();
    command.args(["fill-buffers", "--json", "--mode", "block"]);
    command.args(["--settle", "60s", "--duration", "90s"]);
    let mut child = Running::from(
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts"),
    );
    let pid = child.id().to_string();
    crate::support::until("a blocked send", || {
        let wait = std::fs::read_to_string(format!("/proc/{pid}/wchan")).ok()?;
        let stack = wait.contains("wait_woken") || wait.contains("stream_wait");
        let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let sleeps = status.contains(") S ");
        (stack || (sleeps && wait == "0")).then_some(())
    });
    let start = std::time::Instant::now();
    // One that comes between two sends ends neither of them.
    while child.try_wait().expect("wait works").is_none() {
        assert!(start.elapsed() < DEADLINE, "it does not end");
        child.signal("INT");
        look_on(Duration::from_millis(100));
    }
    let output = child.wait_with_output().expect("it ends");
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(document["interrupted"], true);
    assert_eq!(output.status.code(), Some(1), "it had not settled");
}
