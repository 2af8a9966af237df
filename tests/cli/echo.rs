//! `sockdoc echo-server` and `echo-client` over streams: every framing, every kind of answer.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

use crate::support::{Server, run, stderr, stdout, talk};

/// Bytes that differ from place to place: a counter, so that a hole or a swap shows.
pub(crate) fn counted(length: usize) -> Vec<u8> {
    (0_u32..).flat_map(u32::to_be_bytes).take(length).collect()
}

#[test]
fn eight_megabytes_come_back_after_the_client_shut_its_sending_side() {
    let server = Server::start(&["echo-server", "0"]);
    let data = counted(8_000_000);
    let mut stream = server.connect();
    let mut sender = stream.try_clone().expect("a handle");
    let sent = data.clone();
    let sending = thread::spawn(move || {
        sender.write_all(&sent).expect("writes");
        sender.shutdown(Shutdown::Write).expect("shuts");
    });
    let mut back = Vec::new();
    stream.read_to_end(&mut back).expect("no reset");
    sending.join().expect("all was sent");
    assert_eq!(back.len(), data.len());
    assert!(back == data, "the bytes differ");
    // A client that reads nothing before it has shut its side gets the rest too.
    let short = &data[..60_000];
    assert!(talk(server.address, short, true).expect("no reset") == short);
}

#[test]
fn a_peer_that_does_not_read_takes_no_memory_and_loses_nothing() {
    let server = Server::start(&["echo-server", "0"]);
    assert_eq!(
        talk(server.address, b"warm", true).expect("an echo"),
        b"warm"
    );
    let before = server.memory("VmRSS:");
    let mut stream = server.connect();
    stream
        .set_write_timeout(Some(Duration::from_millis(500)))
        .expect("set");
    let piece = counted(1 << 20);
    let mut pushed = 0;
    // Until not one byte is taken for half a second.
    while pushed < 1 << 30 {
        let at = pushed % piece.len();
        match stream.write(&piece[at..]) {
            Ok(n) => pushed += n,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(pushed < 1 << 30, "nothing ever pushed back");
    let grown = server.memory("VmRSS:").saturating_sub(before);
    assert!(
        grown < 4 << 20,
        "{grown} bytes more for {pushed} that nobody read"
    );
    // Somebody else is served meanwhile.
    assert_eq!(
        talk(server.address, b"other", true).expect("an echo"),
        b"other"
    );
    stream.shutdown(Shutdown::Write).expect("shuts");
    let mut back = 0;
    let mut buffer = vec![0; 1 << 20];
    loop {
        let n = stream.read(&mut buffer).expect("no reset");
        if n == 0 {
            break;
        }
        for byte in &buffer[..n] {
            assert!(*byte == piece[back % piece.len()], "byte {back} differs");
            back += 1;
        }
    }
    assert_eq!(back, pushed);
}

#[test]
fn once_serves_one_connection_and_ends_with_status_0() {
    let mut server = Server::start(&["echo-server", "0", "--once"]);
    let mut stream = server.connect();
    stream.write_all(b"one").expect("writes");
    let mut back = [0; 3];
    stream.read_exact(&mut back).expect("an echo");
    let refused = TcpStream::connect(server.address).expect_err("only one is served");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    stream.write_all(b"two").expect("writes");
    stream.read_exact(&mut back).expect("an echo");
    assert_eq!(&back, b"two");
    drop(stream);
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn reverse_turns_each_message_around() {
    for (frame, sent, expected) in [
        ("line", &b"abc\nde\r\n"[..], &b"cba\ned\r\n"[..]),
        ("len16", b"\0\x03abc\0\x02de", b"\0\x03cba\0\x02ed"),
        ("digits:5", b"00003abc", b"00003cba"),
        ("fixed:4", b"abcd", b"dcba"),
        ("close", b"abcde", b"edcba"),
        ("raw", b"abc", b"cba"),
    ] {
        let server = Server::start(&["echo-server", "0", "--reverse", "--frame", frame]);
        let back = talk(server.address, sent, true).expect("an answer");
        assert_eq!(back, expected, "{frame}");
    }
}

#[test]
fn a_fixed_reply_has_its_escapes_replaced_and_then_the_connection_closes() {
    let reply = r"HTTP/1.0 200 OK\r\n\r\nhello\t\0\x7f\\n";
    let server = Server::start(&["echo-server", "0", "--reply", reply]);
    let back = talk(server.address, b"GET / HTTP/1.0\r\n\r\n", false).expect("an answer");
    assert_eq!(back, b"HTTP/1.0 200 OK\r\n\r\nhello\t\0\x7f\\n");
    let output = run(&["echo-server", "0", "--reply", r"bad \q"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stderr(&output).lines().count(), 2, "{}", stderr(&output));
}

#[test]
fn a_fixed_reply_from_a_file_arrives_whole_although_the_client_keeps_sending() {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    let reply = counted(300_000);
    file.write_all(&reply).expect("written");
    let from_file = format!("@{}", file.path().display());
    let server = Server::start(&["echo-server", "0", "--reply", &from_file]);
    let noise = vec![b'x'; 700_000];
    let back = talk(server.address, &noise, false).expect("no reset");
    assert!(back == reply, "{} bytes came", back.len());
    let output = run(&["echo-server", "0", "--reply", "@/nowhere/at/all"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("(ENOENT)"));
}

#[test]
fn hexdump_shows_what_came_and_the_offset_runs_on() {
    let server = Server::start(&["echo-server", "0", "--hexdump"]);
    let mut stream = server.connect();
    let port = stream.local_addr().expect("an address").port();
    let mut back = [0; 20];
    stream
        .write_all(b"Hello, world!\x1b[2J\n\xff\0")
        .expect("writes");
    stream.read_exact(&mut back).expect("an echo");
    stream.write_all(b"more").expect("writes");
    assert_eq!(
        server.line(),
        format!("20 bytes from ('127.0.0.1', {port})")
    );
    assert_eq!(
        server.line(),
        "  00000000  48 65 6c 6c 6f 2c 20 77  6f 72 6c 64 21 1b 5b 32  |Hello, world!.[2|"
    );
    let second = server.line();
    assert!(second.starts_with("  00000010  4a 0a ff 00 "), "{second}");
    assert!(second.ends_with("|J...|"), "{second}");
    assert_eq!(server.line(), format!("4 bytes from ('127.0.0.1', {port})"));
    let last = server.line();
    assert!(
        last.contains("6d 6f 72 65") && last.ends_with("|more|"),
        "{last}"
    );
}

const FRAMES: [&str; 10] = [
    "raw",
    "line",
    "delim:END",
    r"delim:\r\n",
    "digits:5",
    "len16",
    "len32",
    "fixed:20",
    "fixed:20:_",
    "close",
];

#[test]
fn every_framing_works_on_both_ends() {
    for frame in FRAMES {
        let server = Server::start(&["echo-server", "0", "--frame", frame]);
        let port = server.port();
        let args = [
            "echo-client",
            "127.0.0.1",
            &port,
            "--frame",
            frame,
            "--verify",
            "--message",
            "Hello, frames",
            "--message",
            "x",
            "--message",
            "and äöü",
        ];
        let output = run(&args);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{frame}: {}",
            stderr(&output)
        );
        // In a pipe the bytes are written as they came; a line has its end.
        let end = if frame == "line" { "\n" } else { "" };
        let expected = format!("Hello, frames{end}x{end}and äöü{end}");
        assert_eq!(stdout(&output), expected, "{frame}");
        assert_eq!(stderr(&output), "", "{frame}");

        let output = run(&[
            "echo-client",
            "127.0.0.1",
            &port,
            "--frame",
            frame,
            "--verify",
            "--message",
            "Hello, frames",
            "--conns",
            "3",
            "--count",
            "12",
            "--json",
        ]);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{frame}: {}",
            stderr(&output)
        );
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(
            (&report["good"], &report["failed"]),
            (&12.into(), &0.into()),
            "{frame}"
        );
    }
}

#[test]
fn a_framed_message_may_come_in_any_pieces() {
    for (frame, wire) in [
        ("line", &b"one\ntwo\n"[..]),
        ("delim:END", b"oneENDtwoEND"),
        ("digits:3", b"003one003two"),
        ("len16", b"\0\x03one\0\x03two"),
        ("len32", b"\0\0\0\x03one\0\0\0\x03two"),
        ("fixed:5", b"one##two##"),
    ] {
        let server = Server::start(&["echo-server", "0", "--frame", frame]);
        let mut stream = server.connect();
        stream.set_nodelay(true).expect("set");
        for byte in wire {
            stream.write_all(&[*byte]).expect("writes");
        }
        let mut back = vec![0; wire.len()];
        stream.read_exact(&mut back).expect("an echo");
        assert_eq!(back, wire, "{frame}");
    }
}

#[test]
fn the_transcript_of_an_echo_server_is_the_tutorials() {
    let server = Server::start(&["echo-server", "0", "-v"]);
    let mut stream = server.connect();
    let port = stream.local_addr().expect("an address").port();
    stream.write_all(b"Hello, world").expect("writes");
    stream.read_exact(&mut [0; 12]).expect("an echo");
    drop(stream);
    let peer = format!("('127.0.0.1', {port})");
    assert_eq!(server.line(), format!("Accepted connection from {peer}"));
    assert_eq!(server.line(), format!("Echoing b'Hello, world' to {peer}"));
    assert_eq!(server.line(), format!("Closing connection to {peer}"));
    assert_eq!(server.errors_so_far(), Vec::<String>::new());
}
