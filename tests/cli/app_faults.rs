//! `sockdoc app-server` and peers that are slow, that vanish or that send too much.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::speak::{self, good_client, message};
use crate::support::{self, DEADLINE, Server, reset, talk};

/// A connection with a small receive buffer, so that the server notices who does not read.
fn connect_narrow(address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(64 * 1024).expect("set");
    socket.connect(&address.into()).expect("connects");
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(DEADLINE)).expect("set");
    stream.set_write_timeout(Some(DEADLINE)).expect("set");
    stream
}

/// A file of entries with one large one, of 24 MiB, which no pair of socket buffers holds.
fn large_entry() -> (tempfile::NamedTempFile, String) {
    let mut text = String::with_capacity(24 << 20);
    for n in 0..24 << 17 {
        let _ = std::fmt::Write::write_fmt(&mut text, format_args!("{n:07} "));
    }
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    write!(file, "{{\"large\": \"{text}\", \"ring\": \"small\"}}").expect("written");
    (file, text)
}

fn path_of(file: &tempfile::NamedTempFile) -> &str {
    file.path().to_str().expect("text")
}

/// A good answer from a server whose entries are those of [`large_entry`].
fn small_answer(address: SocketAddr) {
    let answer = talk(address, &speak::search("ring"), false).expect("an answer");
    assert_eq!(answer, speak::reply("small"));
}

#[test]
fn a_reset_before_inside_and_after_a_message_harms_nobody_else() {
    let mut server = Server::start(&["app-server", "0"]);
    let request = speak::search("ring");
    for sent in [0, 1, 2, 50, request.len() - 1, request.len()] {
        let mut stream = server.connect();
        stream.write_all(&request[..sent]).expect("writes");
        reset(stream);
        good_client(server.address, &format!("a reset behind {sent} bytes"));
    }
    // Inside a reply, which the client has begun to read.
    let mut stream = server.connect();
    stream.write_all(&request).expect("writes");
    stream.read_exact(&mut [0; 10]).expect("a beginning");
    reset(stream);
    good_client(server.address, "a reset inside the reply");
    assert!(server.is_running());
}

#[test]
fn a_reset_inside_a_message_is_told_with_its_cause() {
    let server = Server::start(&["app-server", "0", "-v"]);
    let mut stream = server.connect();
    stream.write_all(b"\0\x67{").expect("writes");
    let client = stream.local_addr().expect("an address");
    assert_eq!(
        server.line(),
        format!("Accepted connection from ('127.0.0.1', {})", client.port())
    );
    reset(stream);
    let told = server.error_line();
    assert!(told.contains(&client.to_string()), "{told}");
    assert!(
        told.contains("Connection reset by peer (ECONNRESET): "),
        "{told}"
    );
}

#[test]
fn resets_between_connect_and_accept_harm_nobody() {
    let mut server = Server::start(&["app-server", "0"]);
    server.freeze();
    let request = speak::search("ring");
    for n in 0..20 {
        let mut stream = server.connect();
        if n % 2 == 0 {
            stream.write_all(&request).expect("writes");
        }
        reset(stream);
    }
    let mut waiting = server.connect();
    waiting.write_all(&request).expect("writes");
    server.signal("CONT");
    let mut answer = Vec::new();
    waiting.read_to_end(&mut answer).expect("an answer");
    assert_eq!(answer, speak::ring_reply());
    good_client(server.address, "resets in the accept queue");
    assert!(server.is_running());
}

#[test]
fn a_client_that_leaves_without_reading_leaves_no_descriptor_behind() {
    let server = Server::start(&["app-server", "0", "--keep-open"]);
    let crowd: Vec<TcpStream> = (0..50).map(|_| server.connect()).collect();
    for (n, mut stream) in crowd.into_iter().enumerate() {
        stream
            .write_all(&speak::search("ring")[..n * 2])
            .expect("writes");
    }
    server.wait_for_no_connections();
}

#[test]
fn a_body_of_16_mib_is_taken_at_once_and_in_small_pieces() {
    let server = Server::start(&["app-server", "0", "--max-message", "17M"]);
    let body: Vec<u8> = (0..16_u32 << 20)
        .map(|n| n.to_le_bytes()[n as usize % 3])
        .collect();
    let request = message("binary/x", "binary", &body);
    let expected = [&b"First 10 bytes of request: "[..], &body[..10]].concat();
    let answer = talk(server.address, &request, false).expect("an answer");
    assert_eq!(speak::contents(&answer), std::slice::from_ref(&expected));

    let mut stream = server.connect();
    stream.set_nodelay(true).expect("set");
    for piece in request.chunks(2000) {
        stream.write_all(piece).expect("writes");
    }
    let answer = speak::read_message(&mut stream).expect("an answer");
    assert_eq!(speak::contents(&answer), [expected]);
}

#[test]
fn a_slow_reader_gets_a_large_reply_whole() {
    let (file, text) = large_entry();
    let server = Server::start(&["app-server", "0", "--data", path_of(&file)]);
    let mut stream = connect_narrow(server.address);
    stream.write_all(&speak::search("large")).expect("writes");
    // Its turn comes while the server has long filled both buffers and serves others.
    for _ in 0..20 {
        small_answer(server.address);
    }
    let mut answer = Vec::new();
    let mut piece = [0; 10_000];
    loop {
        match stream.read(&mut piece).expect("no reset") {
            0 => break,
            n => answer.extend_from_slice(&piece[..n]),
        }
    }
    assert!(answer == speak::reply(&text), "{} bytes came", answer.len());
}

#[test]
fn a_slow_reader_gets_a_large_computed_reply_whole() {
    let server = Server::start(&["app-server", "0"]);
    let value = "0123456789abcdef".repeat(1 << 19);
    let mut stream = connect_narrow(server.address);
    stream.write_all(&speak::search(&value)).expect("writes");
    good_client(server.address, "a request of 8 MiB");
    let answer = speak::read_message(&mut stream).expect("a whole answer");
    assert!(answer == speak::reply(&format!("No match for '{value}'.")));
    assert_eq!(stream.read(&mut [0; 10]).expect("the end"), 0);
}

#[test]
fn one_byte_each_50_ms_still_times_out_with_an_answer_while_others_are_served() {
    let server = Server::start(&["app-server", "0", "--request-timeout", "300ms"]);
    let address = server.address;
    let slow = thread::spawn(move || {
        let mut stream = support::connect(address);
        // Waiting for an answer is what paces it.
        stream
            .set_read_timeout(Some(Duration::from_millis(50)))
            .expect("set");
        let start = Instant::now();
        let mut answer = vec![0; 1000];
        for byte in speak::search("ring") {
            stream.write_all(&[byte]).expect("writes");
            match stream.read(&mut answer) {
                Ok(n) => {
                    answer.truncate(n);
                    return (start.elapsed(), answer);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => panic!("{error}"),
            }
        }
        panic!("142 bytes in 7 seconds were not cut");
    });
    while !slow.is_finished() {
        good_client(address, "a byte of the slow one");
    }
    let (elapsed, answer) = slow.join().expect("an answer");
    let result = speak::result(&answer);
    assert!(
        result.starts_with("Error: the request was not complete in time: "),
        "{result}"
    );
    assert!(elapsed >= Duration::from_millis(290), "{elapsed:?}");
    assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
    server.wait_for_error("the request was not complete in time");
}

#[test]
fn a_length_whose_bytes_never_come_ends_in_time_and_takes_no_memory() {
    let server = Server::start(&[
        "app-server",
        "0",
        "--request-timeout",
        "200ms",
        "--max-message",
        "1G",
    ]);
    good_client(server.address, "the start");
    let before = server.memory("VmRSS:");
    let header = format!(
        "{{\"byteorder\": \"{}\", \"content-type\": \"text/json\", \
         \"content-encoding\": \"utf-8\", \"content-length\": 1000000000}}",
        speak::ORDER
    );
    let mut crowd: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut stream = server.connect();
            let begin = speak::with_header(header.as_bytes(), b"{");
            stream.write_all(&begin).expect("writes");
            stream
        })
        .collect();
    for stream in &mut crowd {
        let result = speak::result(&speak::read_message(stream).expect("an answer"));
        assert!(
            result.contains("of 1000000113 bytes of the message arrived"),
            "{result}"
        );
    }
    let grown = server.memory("VmHWM:").saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} bytes more");
}

#[test]
fn a_connection_without_a_byte_is_closed_after_the_idle_timeout_and_not_before() {
    let server = Server::start(&["app-server", "0", "--keep-open", "--idle-timeout", "300ms"]);
    let start = Instant::now();
    let mut silent = server.connect();
    assert_eq!(silent.read(&mut [0; 10]).expect("the end"), 0);
    let elapsed = start.elapsed();
    assert!(elapsed >= Duration::from_millis(290), "{elapsed:?}");
    assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
    server.wait_for_error("no byte for --idle-timeout");

    // Each request begins the time anew.
    let mut busy = server.connect();
    busy.set_read_timeout(Some(Duration::from_millis(100)))
        .expect("set");
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(700) {
        let answer = speak::ask(&mut busy, &speak::search("ring")).expect("still open");
        assert_eq!(answer, speak::ring_reply());
        let nothing = busy.read(&mut [0; 10]).expect_err("still open");
        assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
    }
}

#[test]
fn a_client_that_never_reads_a_large_reply_is_cut_and_holds_nothing() {
    let (file, _) = large_entry();
    let server = Server::start(&[
        "app-server",
        "0",
        "--request-timeout",
        "300ms",
        "--data",
        path_of(&file),
    ]);
    let mut lazy: Vec<TcpStream> = (0..5).map(|_| connect_narrow(server.address)).collect();
    for stream in &mut lazy {
        stream.write_all(&speak::search("large")).expect("writes");
    }
    for _ in &lazy {
        server.wait_for_error("the message took longer than --request-timeout");
        small_answer(server.address);
    }
    server.wait_for_no_connections();
}

#[test]
fn a_client_that_keeps_its_side_open_after_the_reply_does_not_hold_the_server() {
    let server = Server::start(&["app-server", "0"]);
    let mut stream = server.connect();
    stream.write_all(&speak::search("ring")).expect("writes");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("no reset");
    assert_eq!(answer, speak::ring_reply());
    // It neither reads nor writes nor closes; the server waits a little, and then no more.
    server.wait_for_no_connections();
    drop(stream);
}

#[test]
fn a_client_that_sends_for_ever_after_its_reply_is_cut() {
    let server = Server::start(&["app-server", "0"]);
    let mut stream = server.connect();
    stream.write_all(&speak::search("ring")).expect("writes");
    let answer = speak::read_message(&mut stream).expect("an answer");
    assert_eq!(answer, speak::ring_reply());
    let noise = vec![b'x'; 65_536];
    support::until("the server to have enough", || {
        stream.write_all(&noise).is_err().then_some(())
    });
    server.wait_for_no_connections();
    good_client(server.address, "one that would not stop");
}
