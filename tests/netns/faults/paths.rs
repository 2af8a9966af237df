//! Faults of the way to a peer.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use socket2::Socket;

use super::Side::Client;
use super::delay::{Delay, FAR};
use super::{Kept, Row, kept};
use crate::diagnose::{Busy, connection};
use crate::routed::Path;

pub(super) const ROWS: &[&Row] = &[
    &Row {
        name: "the receive window is too small for the path",
        rule: "receive_window_small",
        about: "10.78.0.2:9000",
        effects: &[],
        at: Client,
        fault: |path| over_a_long_path(path, true),
        // Limited by what the program has to send.
        look_alike: |path| over_a_long_path(path, false),
    },
    &Row {
        name: "a slow link is no small window",
        rule: "receive_window_small",
        about: "10.78.0.2:9000",
        effects: &[],
        at: Client,
        fault: |path| over_a_long_path(path, true),
        look_alike: |path| {
            // The round trip is long because packets wait in the queue of the link.
            let shape = "qdisc add dev near0 root tbf rate 2mbit burst 4000 limit 1000000";
            path.client.run("tc", &shape.split(' ').collect::<Vec<_>>());
            let (client, server) = connection(path, 9000);
            kept![transferring(client, server, true)]
        },
    },
    &Row {
        name: "the send buffer is too small for the path",
        rule: "send_buffer_small",
        about: "10.78.0.2:9000",
        effects: &[],
        at: Client,
        fault: |path| small_sender(path, 65_536),
        // Limited by what the program has to send.
        look_alike: |path| small_sender(path, 1000),
    },
];

/// A sender with a small buffer on a path of 40 ms, which writes pieces of this size.
fn small_sender(path: &Path, piece: usize) -> Kept {
    let delay = Delay::between(&path.client, &path.server, Duration::from_millis(20));
    let listener = path
        .server
        .inside(|| TcpListener::bind((FAR, 9000)).expect("it listens"));
    let client = path
        .client
        .inside(|| TcpStream::connect((FAR, 9000)).expect("connected"));
    let client = Socket::from(client);
    client.set_send_buffer_size(8_192).expect("set");
    let (server, _) = listener.accept().expect("accepted");
    kept![writing(client.into(), server, piece), delay]
}

/// Writes pieces, waits until they are taken, and then for a moment; reads all that comes.
fn writing(mut client: TcpStream, mut server: TcpStream, piece: usize) -> (Busy, Busy) {
    let piece = vec![7; piece];
    let writing = Busy::with(move || {
        let small = piece.len() < 2_000;
        std::thread::sleep(Duration::from_millis(if small { 20 } else { 0 }));
        client.write_all(&piece).is_ok()
    });
    let mut buffer = vec![0; 65_536];
    let reading = Busy::with(move || !matches!(server.read(&mut buffer), Ok(0) | Err(_)));
    (writing, reading)
}

/// A transfer over a path of 40 ms to a receiver with a small buffer: of as much as fits, or of little.
fn over_a_long_path(path: &Path, much: bool) -> Kept {
    let delay = Delay::between(&path.client, &path.server, Duration::from_millis(20));
    let listener = path
        .server
        .inside(|| TcpListener::bind((FAR, 9000)).expect("it listens"));
    let listener = Socket::from(listener);
    listener.set_recv_buffer_size(16_384).expect("set");
    let client = path
        .client
        .inside(|| TcpStream::connect((FAR, 9000)).expect("connected"));
    let (server, _) = listener.accept().expect("accepted");
    kept![transferring(client, server.into(), much), delay]
}

fn transferring(mut client: TcpStream, mut server: TcpStream, much: bool) -> (Busy, Busy) {
    client.set_nonblocking(true).expect("set");
    server.set_nonblocking(true).expect("set");
    let _ =
        Socket::from(server.try_clone().expect("a second descriptor")).set_recv_buffer_size(16_384);
    let piece = vec![7; if much { 65_536 } else { 1000 }];
    let writing = Busy::with(move || {
        std::thread::sleep(Duration::from_millis(20));
        let _ = client.write(&piece);
        true
    });
    let mut buffer = vec![0; 65_536];
    let reading = Busy::with(move || {
        std::thread::sleep(Duration::from_millis(1));
        !matches!(server.read(&mut buffer), Ok(0))
    });
    (writing, reading)
}
