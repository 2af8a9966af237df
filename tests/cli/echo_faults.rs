//! Echoes that cannot be: framings that do not carry a message, peers that stop, datagrams and
//! Unix domain sockets.

use std::io::{Read, Write};
use std::net::{Shutdown, UdpSocket};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use crate::support::{DEADLINE, Server, fake_server, run, stderr, stdout, talk, until};

fn said(args: &[&str], status: i32) -> String {
    let output = run(args);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(status), "{args:?}: {said}");
    assert_eq!(said.lines().count(), 2, "{said}");
    said
}

#[test]
fn a_message_that_its_framing_cannot_carry_is_refused_before_it_is_sent() {
    let server = Server::start(&["echo-server", "0", "--json"]);
    let port = server.port();
    for (frame, message, why) in [
        (
            "fixed:3",
            "four",
            "the message has 4 bytes, the fixed size is 3 bytes",
        ),
        (
            "fixed:9",
            "pad#",
            "the message ends with the padding byte \"#\"",
        ),
        (
            "delim:END",
            "an END inside",
            "the delimiter \"END\" would be found at byte 3",
        ),
        ("line", r"two\nlines", "would be found at byte 3"),
        ("line", r"cr\r", "the message ends with \"\\r\""),
        ("digits:1", "ten letter", "at most 9"),
    ] {
        let args = [
            "echo-client",
            "127.0.0.1",
            &port,
            "--frame",
            frame,
            "--message",
            message,
        ];
        let said = said(&args, 2);
        assert!(said.contains(why), "{said}");
    }
    let wrong = run(&["echo-client", "127.0.0.1", &port, "--frame", "delim"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(
        stderr(&wrong).contains("delim needs the text"),
        "{}",
        stderr(&wrong)
    );
}

#[test]
fn a_length_that_never_arrives_is_told_by_the_client() {
    let cut = fake_server(|_, mut stream| {
        let _ = stream.read(&mut [0; 100]);
        stream.write_all(b"\0\x10abc").expect("writes");
    });
    let port = cut.port().to_string();
    let told = said(&["echo-client", "127.0.0.1", &port, "--frame", "len16"], 1);
    assert!(
        told.contains("the connection ended after 3 of the 16 bytes announced"),
        "{told}"
    );

    let silent = fake_server(|_, mut stream| {
        let _ = stream.read(&mut [0; 100]);
        stream.write_all(b"\0\x10abc").expect("writes");
        // Until the client gives up.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let port = silent.port().to_string();
    let start = Instant::now();
    let args = [
        "echo-client",
        "127.0.0.1",
        &port,
        "--frame",
        "len16",
        "--timeout",
        "300ms",
    ];
    let output = run(&args);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("not complete in 300ms (after 14 sent and 5 received)"),
        "{}",
        stderr(&output)
    );
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn broken_framings_are_told_by_the_server_and_the_connection_is_closed() {
    for (frame, wire, answer, why) in [
        (
            "len16",
            &b"\0\x10abc"[..],
            &b""[..],
            "after 3 of the 16 bytes announced",
        ),
        (
            "len16",
            b"\0\x01a\0",
            b"\0\x01a",
            "after 1 of 2 length bytes",
        ),
        (
            "digits:5",
            b"00x03abc",
            b"",
            "the length should be 5 decimal digits",
        ),
        (
            "digits:5",
            b"99999abc",
            b"",
            "announces a message of 99999 bytes, the limit is 1000",
        ),
        (
            "len32",
            b"\xff\xff\xff\xffabc",
            b"",
            "announces a message of 4294967295 bytes",
        ),
        (
            "line",
            b"no end",
            b"",
            "after 6 bytes, before the delimiter",
        ),
        (
            "fixed:4",
            b"abcdab",
            b"abcd",
            "after 2 of the 4 bytes of a message",
        ),
    ] {
        let server = Server::start(&[
            "echo-server",
            "0",
            "--frame",
            frame,
            "--max-message",
            "1000",
        ]);
        let back = talk(server.address, wire, true).expect("no reset");
        assert_eq!(back, answer, "{frame}");
        let told = server.error_line();
        assert!(told.contains(why), "{told}");
    }
}

#[test]
fn a_message_without_end_is_cut_at_the_limit() {
    for frame in ["line", "close"] {
        let server = Server::start(&[
            "echo-server",
            "0",
            "--frame",
            frame,
            "--max-message",
            "1000",
        ]);
        let mut stream = server.connect();
        stream.write_all(&[b'x'; 2000]).expect("writes");
        assert_eq!(stream.read(&mut [0; 10]).expect("the end"), 0, "{frame}");
        assert!(
            server.error_line().contains("more than 1000 bytes"),
            "{frame}"
        );
    }
}

#[test]
fn a_framed_message_has_a_deadline_as_a_whole() {
    let server = Server::start(&[
        "echo-server",
        "0",
        "--frame",
        "line",
        "--request-timeout",
        "300ms",
    ]);
    let mut slow = server.connect();
    slow.set_read_timeout(Some(Duration::from_millis(50)))
        .expect("set");
    let start = Instant::now();
    until("the slow one to be cut", || {
        slow.write_all(b"x").ok();
        match slow.read(&mut [0; 10]) {
            Ok(0) => Some(()),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Some(()),
            _ => None,
        }
    });
    assert!(start.elapsed() >= Duration::from_millis(290));
    assert!(
        server
            .error_line()
            .contains("the message was not complete in time")
    );
    assert_eq!(
        talk(server.address, b"good\n", true).expect("an echo"),
        b"good\n"
    );
}

#[test]
fn datagrams_come_back_from_the_address_they_were_sent_to() {
    let server = Server::start(&["echo-server", "0.0.0.0", "0", "--udp"]);
    for host in ["127.0.0.1", "127.0.0.2", "127.9.9.9"] {
        let client = UdpSocket::bind("127.0.0.1:0").expect("binds");
        client.set_read_timeout(Some(DEADLINE)).expect("set");
        // A connected socket hears nobody else.
        client
            .connect((host, server.address.port()))
            .expect("connects");
        for message in [&b"Hello"[..], b"", &vec![7; 60_000]] {
            client.send(message).expect("sends");
            let mut back = vec![0; 65_536];
            let n = client.recv(&mut back).expect("an echo");
            assert!(back[..n] == *message, "{host}: {n} bytes");
        }
    }
    let port = server.port();
    let output = run(&["echo-client", "127.0.0.2", &port, "--udp", "--verify"]);
    assert_eq!(stdout(&output), "Hello, world", "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn datagrams_on_all_ipv6_interfaces_come_back_to_both_families() {
    if !crate::support::has_ipv6() {
        return crate::support::skip("IPv6 datagrams", "::1 is not available");
    }
    let server = Server::start(&["echo-server", "::", "0", "--udp", "-v"]);
    for (ours, host) in [("[::1]:0", "::1"), ("127.0.0.1:0", "127.0.0.2")] {
        let client = UdpSocket::bind(ours).expect("binds");
        client.set_read_timeout(Some(DEADLINE)).expect("set");
        client
            .connect((host, server.address.port()))
            .expect("connects");
        client.send(b"Hello").expect("sends");
        let mut back = [0; 10];
        assert_eq!(client.recv(&mut back).expect("an echo"), 5, "{host}");
        let told = server.line();
        assert!(!told.contains("ffff"), "{told}");
    }
}

#[test]
fn datagrams_can_be_answered_once_reversed_or_with_a_fixed_text() {
    for (flags, expected) in [
        (&["--reverse"][..], "olleH"),
        (&["--reply", r"a\x62c"], "abc"),
        (&[], "Hello"),
    ] {
        let args = [&["echo-server", "0", "--udp", "--once"], flags].concat();
        let mut server = Server::start(&args);
        let output = run(&["echo-client", &server.port(), "--udp", "--message", "Hello"]);
        assert_eq!(stdout(&output).trim_end(), expected, "{}", stderr(&output));
        assert_eq!(server.wait().code(), Some(0));
    }
}

#[test]
fn a_unix_server_answers_and_removes_its_file_at_the_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("echo.sock");
    let name = path.to_str().expect("text");
    let mut server = Server::start(&["echo-server", "--unix", name, "-v"]);
    let output = run(&[
        "echo-client",
        "--unix",
        name,
        "--verify",
        "--message",
        "over unix",
    ]);
    assert_eq!(stdout(&output), "over unix", "{}", stderr(&output));
    let output = run(&[
        "echo-client",
        "--unix",
        name,
        "--conns",
        "5",
        "--count",
        "50",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let mut stream = UnixStream::connect(&path).expect("connects");
    stream.write_all(b"half").expect("writes");
    stream.shutdown(Shutdown::Write).expect("shuts");
    let mut back = String::new();
    stream.read_to_string(&mut back).expect("an echo");
    assert_eq!(back, "half");
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    assert!(!path.exists(), "the file is still there");
}

#[test]
fn a_stale_unix_socket_is_replaced_and_a_live_one_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("echo.sock");
    let name = path.to_str().expect("text");
    drop(UnixListener::bind(&path).expect("binds"));
    assert!(path.exists(), "it is stale");
    let server = Server::start(&["echo-server", "--unix", name]);
    let told = said(&["echo-server", "--unix", name], 2);
    assert!(
        told.contains("(EADDRINUSE)") && told.contains(name),
        "{told}"
    );
    let output = run(&["echo-client", "--unix", name]);
    assert_eq!(stdout(&output), "Hello, world", "the first one lives on");
    drop(server);
}

#[test]
fn a_plain_file_at_the_path_is_never_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("precious");
    std::fs::write(&path, "data").expect("written");
    let name = path.to_str().expect("text");
    let told = said(&["echo-server", "--unix", name], 2);
    assert!(told.contains("(EADDRINUSE)"), "{told}");
    assert_eq!(std::fs::read_to_string(&path).expect("still there"), "data");
    let told = said(
        &[
            "echo-server",
            "--unix",
            &format!("/tmp/{}", "x".repeat(200)),
        ],
        2,
    );
    assert!(told.contains("107 bytes"), "{told}");
}

#[test]
fn a_unix_path_that_nobody_serves_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("missing");
    let told = said(
        &["echo-client", "--unix", missing.to_str().expect("text")],
        2,
    );
    assert!(told.contains("(ENOENT)"), "{told}");
    let stale = folder.path().join("stale");
    drop(UnixListener::bind(&stale).expect("binds"));
    let told = said(&["echo-client", "--unix", stale.to_str().expect("text")], 1);
    assert!(told.contains("(ECONNREFUSED)"), "{told}");
}

#[test]
fn a_resetting_peer_does_not_end_the_server() {
    let mut server = Server::start(&["echo-server", "0", "--once", "--frame", "line"]);
    let mut stream = server.connect();
    stream.write_all(b"a line\nand half a").expect("writes");
    stream.read_exact(&mut [0; 7]).expect("an echo");
    crate::support::reset(stream);
    assert!(
        server
            .wait_for_error("(ECONNRESET)")
            .contains("Connection reset by peer")
    );
    assert_eq!(server.wait().code(), Some(0));

    let mut server = Server::start(&["echo-server", "0"]);
    for sent in [0, 1, 1 << 20] {
        let mut stream = server.connect();
        let mut sender = stream.try_clone().expect("a handle");
        let sending = std::thread::spawn(move || sender.write_all(&vec![b'x'; sent]));
        stream
            .read_exact(&mut vec![0; sent.min(1000)])
            .expect("an echo");
        crate::support::reset(stream);
        let _ = sending.join();
        assert_eq!(
            talk(server.address, b"good", true).expect("an echo"),
            b"good"
        );
    }
    assert!(server.is_running());
}
