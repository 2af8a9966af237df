//! `sockdoc fill-buffers HOST PORT` against servers of every temper, and `--server` against clients.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::fill_buffers::{document, document_and_status, number};
use crate::support::{self, Server, fake_server, reset, run, stderr, stdout};
use crate::waits::silent_listener;

#[test]
fn a_server_that_does_not_read_is_named_and_its_queue_is_unknown() {
    let server = Server::start(&["fill-buffers", "--server", "127.0.0.1", "0"]);
    assert_eq!(server.line(), "Nothing is read");
    let document = document(&["127.0.0.1", &server.port()]);
    assert_eq!(document["both_ends"], false);
    let settled = &document["settled"];
    assert_eq!(settled["recv_queue_bytes"], Value::Null);
    assert_eq!(document["windows"]["rcv_wnd_bytes"], Value::Null);
    assert_eq!(
        number(&settled["bytes"]),
        number(&settled["send_queue_bytes"]) + number(&settled["acknowledged_bytes"])
    );
    assert_eq!(document["conserved"], true);
    assert_eq!(document["drain"], Value::Null);
    let verdict = &document["verdict"];
    assert_eq!(verdict["id"], "peer_window_closed");
    let next = verdict["next"].as_str().expect("text");
    assert!(
        next.contains(&format!("strace -f -p {}", server.pid())),
        "{next}"
    );
    assert!(
        server
            .line()
            .starts_with("Accepted connection from 127.0.0.1:")
    );
}

#[test]
fn a_slow_reader_is_told_from_one_that_does_not_read() {
    let rate = ["--read-rate", "2M"];
    let args = [&["fill-buffers", "--server", "127.0.0.1", "0"], &rate[..]].concat();
    let server = Server::start(&args);
    let document = document(&["127.0.0.1", &server.port(), "--duration", "2s"]);
    assert_eq!(document["stopped"]["reason"], "time_up");
    assert_eq!(document["verdict"]["id"], "peer_reads_slowly");
    assert_eq!(
        document["conserved"], true,
        "accepted = acknowledged + Send-Q at any time"
    );
}

#[test]
fn a_server_that_reads_slowly_reads_all_of_it_at_its_rate_and_tells_the_checksum() {
    let rate = ["--read-rate", "1000", "--json"];
    let args = [&["fill-buffers", "--server", "127.0.0.1", "0"], &rate[..]].concat();
    let server = Server::start(&args);
    let start = std::time::Instant::now();
    let mut stream = server.connect();
    stream.write_all(b"123456789").expect("writes");
    stream.write_all(&[0; 1_000]).expect("writes");
    stream.shutdown(Shutdown::Write).expect("shut down");
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("the end");
    assert!(
        start.elapsed() >= Duration::from_millis(800),
        "{:?}",
        start.elapsed()
    );
    let event = |line: String| -> Value { serde_json::from_str(&line).expect("JSON") };
    assert_eq!(event(server.line())["event"], "accepted");
    let ended = event(server.line());
    assert_eq!(ended["how"], "closed");
    assert_eq!(ended["read_bytes"], 1_009);
    assert_eq!(ended["unread_bytes"], 0);
    assert!(number(&ended["crc32"]) > 0);
}

#[test]
fn a_server_that_reads_nothing_tells_what_was_never_read_and_ends_on_a_signal() {
    let mut server = Server::start(&["fill-buffers", "--server", "127.0.0.1", "0"]);
    server.line();
    let mut leaves = server.connect();
    leaves.write_all(b"hello").expect("writes");
    server.line();
    drop(leaves);
    let told = server.line();
    assert!(told.contains("the peer closed; 0 bytes read"), "{told}");
    assert!(told.contains("5 bytes were never read"), "{told}");
    let resets = server.connect();
    server.line();
    reset(resets);
    let told = server.line();
    assert!(told.contains("it failed (ECONNRESET)"), "{told}");
    let _stays = server.connect();
    server.line();
    server.signal("INT");
    assert_eq!(server.wait().code(), Some(0));
    let rest = server.last_lines().join("\n");
    assert!(rest.contains("this server ends"), "{rest}");
    assert!(
        rest.contains("Served 3 connections: 0 bytes read"),
        "{rest}"
    );
}

#[test]
fn a_server_that_waits_does_not_spin() {
    for rate in ["0", "1"] {
        let args = [
            "fill-buffers",
            "--server",
            "127.0.0.1",
            "0",
            "--read-rate",
            rate,
        ];
        let server = Server::start(&args);
        let mut stream = server.connect();
        stream.write_all(&[0; 100]).expect("writes");
        stream.shutdown(Shutdown::Write).expect("shut down");
        let used = server.cpu_during(Duration::from_millis(500));
        assert!(used <= Duration::from_millis(30), "{rate}: {used:?}");
    }
}

#[test]
fn two_ends_that_both_wait_to_be_read_are_said_to() {
    let server = Server::start(&["echo-server", "0"]);
    let document = document(&["127.0.0.1", &server.port()]);
    assert_eq!(document["verdict"]["id"], "both_wait_to_be_read");
}

#[test]
fn a_server_that_reads_as_fast_as_we_write_ends_at_the_limit() {
    let address = fake_server(|_, mut stream: TcpStream| {
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let document = document(&[
        "127.0.0.1",
        &address.port().to_string(),
        "--max-bytes",
        "8M",
    ]);
    assert_eq!(document["stopped"]["reason"], "limit");
    assert_eq!(document["accepted"]["bytes"], 8 << 20);
    assert_eq!(document["conserved"], true);
}

#[test]
fn refusing_and_resetting_servers_are_errors_of_two_lines() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .expect("bound")
        .local_addr();
    let closed = closed.expect("an address").port().to_string();
    let resetting = fake_server(|_, stream| reset(stream)).port().to_string();
    for (port, name, step) in [
        (&closed, "ECONNREFUSED", &["connect to"][..]),
        // The reset may come before the first send.
        (&resetting, "ECONNRESET", &["send to", "connect to"]),
    ] {
        for json in [&["fill-buffers"][..], &["fill-buffers", "--json"]] {
            let output = run(&[json, &["127.0.0.1", port]].concat());
            assert_eq!(output.status.code(), Some(1), "{name}");
            let said = stderr(&output);
            assert!(
                said.contains(name) && step.iter().any(|step| said.contains(step)),
                "{said}"
            );
            if json.len() == 1 {
                assert_eq!(said.lines().count(), 2, "{said}");
                assert!(said.contains("\n  next: "), "{said}");
            } else {
                assert_eq!(stdout(&output), "", "no half of a document");
            }
        }
    }
}

#[test]
fn a_server_that_does_not_answer_is_given_up_on() {
    let (_listener, _fillers, address) = silent_listener();
    let port = address.port().to_string();
    let output = run(&["fill-buffers", "127.0.0.1", &port, "--timeout", "300ms"]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("ETIMEDOUT"), "{said}");
    assert_eq!(said.lines().count(), 2, "{said}");
}

#[test]
fn a_reset_after_it_has_settled_is_told_where_it_is_watched() {
    let address = fake_server(|_, stream| {
        support::look_on(Duration::from_millis(1_200));
        reset(stream);
    });
    let port = address.port().to_string();
    let (code, document) = document_and_status(&["127.0.0.1", &port, "--hold", "20s"]);
    assert_eq!(code, Some(0), "{document}");
    assert_eq!(document["hold"]["errno"], 104, "{document}");
}
