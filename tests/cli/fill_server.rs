//! `sockdoc fill-buffers HOST PORT` against servers of every temper, and `--server` against clients.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::fill_buffers::{document, number};
use crate::support::{
    self, DEADLINE, Running, Server, fake_server, reset, run, sockdoc, stderr, stdout, until,
};
use crate::waits::silent_listener;

#[test]
fn a_server_that_does_not_read_is_named_and_its_queue_is_unknown() {
    let server = Server::start(&["fill-buffers", "--server", "127.0.0.1", "0"]);
    assert_eq!(server.line(), "Not reading");
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
    assert_eq!(ended["crc32"].as_str().map(str::len), Some(8));
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
            let output = run(&[json, &["127.0.0.1", port, "--settle", "5s"]].concat());
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
    let (settled, told) = std::sync::mpsc::channel::<()>();
    let address = fake_server(move |_, stream| {
        let _ = told.recv_timeout(DEADLINE);
        reset(stream);
    });
    let port = address.port().to_string();
    let mut command = sockdoc();
    command.args(["fill-buffers", "127.0.0.1", &port, "--hold", "60s"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = Running::from(command.spawn().expect("starts"));
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut line = || lines.next().map(|line| line.expect("text"));
    // The verdict is given when it has settled.
    while !line().expect("a next step").starts_with("  next ") {}
    settled.send(()).expect("the server waits");
    let rest: Vec<String> = std::iter::from_fn(line).collect();
    let rest = rest.join("\n");
    assert!(rest.contains("the connection ended: ECONNRESET"), "{rest}");
    let status = until("the client to end", || child.try_wait().expect("waits"));
    assert_eq!(status.code(), Some(0), "{rest}");
}

#[test]
fn a_very_slow_reader_on_this_host_is_known_by_what_it_has_read() {
    let args = [
        "fill-buffers",
        "--server",
        "127.0.0.1",
        "0",
        "--read-rate",
        "50K",
    ];
    let server = Server::start(&args);
    let args = [
        "127.0.0.1",
        &server.port(),
        "--duration",
        "5s",
        "--hold",
        "2s",
    ];
    let document = document(&args);
    let verdict = &document["verdict"];
    assert_eq!(verdict["id"], "peer_reads_slowly", "{verdict}");
    assert!(
        number(&document["hold"]["acknowledged_bytes"]) > 0,
        "{}",
        document["hold"]
    );
}

#[test]
fn a_reader_as_fast_as_this_host_is_no_slow_network() {
    let address = fake_server(|_, mut stream: TcpStream| {
        let mut buffer = vec![0; 64 << 10];
        while stream.read(&mut buffer).is_ok_and(|got| got > 0) {}
    });
    let port = address.port().to_string();
    let document = document(&["127.0.0.1", &port, "--max-bytes", "64M", "--sndbuf", "64K"]);
    let id = document["verdict"]["id"].as_str().expect("a verdict");
    // What the account of time says of a processor that both ends share is not the network's doing.
    assert_ne!(id, "network_is_the_limit", "{}", document["verdict"]);
}

#[test]
fn a_peer_that_has_closed_its_side_is_no_peer_that_waits_for_us() {
    let (finished, wait) = std::sync::mpsc::channel::<()>();
    let address = fake_server(move |_, stream: TcpStream| {
        stream.shutdown(Shutdown::Write).expect("shut down");
        let _ = wait.recv_timeout(support::DEADLINE);
    });
    let document = document(&["127.0.0.1", &address.port().to_string()]);
    assert_eq!(
        document["verdict"]["id"], "peer_window_closed",
        "{}",
        document["verdict"]
    );
    drop(finished);
}

#[test]
fn a_connection_that_nobody_accepts_is_said_to_be_one() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let port = listener
        .local_addr()
        .expect("an address")
        .port()
        .to_string();
    let document = document(&["127.0.0.1", &port]);
    let verdict = &document["verdict"];
    assert_eq!(verdict["id"], "not_accepted", "{verdict}");
    let next = verdict["next"].as_str().expect("text");
    assert!(
        next.contains(&format!("strace -f -p {}", std::process::id())),
        "{next}"
    );
}

#[test]
fn what_close_does_to_the_queue_is_told_as_it_is() {
    let silent = Server::start(&["fill-buffers", "--server", "127.0.0.1", "0"]);
    let text = stdout(&run(&["fill-buffers", "127.0.0.1", &silent.port()]));
    assert!(
        text.contains("keeps sending them as the receiver reads"),
        "{text}"
    );
    let echo = Server::start(&["echo-server", "0"]);
    let text = stdout(&run(&["fill-buffers", "127.0.0.1", &echo.port()]));
    assert!(text.contains("close() sent RST"), "{text}");
    assert!(!text.contains("keeps sending"), "{text}");
    let timeout = ["127.0.0.1", &silent.port(), "--user-timeout", "500ms"];
    let text = stdout(&run(&[&["fill-buffers"], &timeout[..]].concat()));
    assert!(text.contains("the connection ended: ETIMEDOUT"), "{text}");
    assert!(
        text.contains("the connection has ended: queued data is lost"),
        "{text}"
    );
}

#[test]
fn without_descriptors_the_server_says_so_once_and_rests() {
    let mut command = support::launched_by(&["sh", "-c", "ulimit -n 8; exec \"$0\" \"$@\""]);
    command.args(["fill-buffers", "--server", "127.0.0.1", "0"]);
    let server = Server::spawn(command);
    let crowd: Vec<TcpStream> = (0..12).map(|_| server.connect()).collect();
    let told = server.error_line();
    assert!(told.contains("(EMFILE)"), "{told}");
    let used = server.cpu_during(Duration::from_millis(500));
    assert!(used <= Duration::from_millis(50), "it spins: {used:?}");
    assert_eq!(server.errors_so_far(), Vec::<String>::new());
    drop(crowd);
}
