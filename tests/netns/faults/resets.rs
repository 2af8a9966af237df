//! Connections that are reset.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use socket2::Socket;

use super::Side::{Client, Server};
use super::{Kept, Row, kept, listener_of, server};
use crate::diagnose::Busy;
use crate::routed::Path;

pub(super) const ROWS: &[&Row] = &[
    &Row {
        name: "a server closes with unread data",
        rule: "closed_unread",
        about: "10.77.2.1:8080",
        effects: &[],
        at: Server,
        fault: |path| exchanges(path, false),
        look_alike: |path| exchanges(path, true),
    },
    &Row {
        name: "a server resets connections",
        rule: "reset_by_peer",
        about: "10.77.2.1:8080",
        effects: &[],
        at: Client,
        fault: |path| exchanges(path, false),
        look_alike: |path| exchanges(path, true),
    },
    &Row {
        name: "another host refuses connections",
        rule: "refused_by_peer",
        about: "10.77.2.1:5432",
        effects: &[],
        at: Client,
        fault: |path| kept![asking_often(path, "10.77.2.1:5432")],
        look_alike: |path| {
            let listener = path
                .server
                .inside(|| TcpListener::bind("10.77.2.1:5432").expect("it listens"));
            let kept_open = path
                .client
                .inside(|| TcpStream::connect(server(5432)).expect("connected"));
            let accepted = listener.accept().expect("accepted");
            kept![listener, kept_open, accepted]
        },
    },
    &Row {
        name: "a server resets connections, not a health check",
        rule: "reset_by_peer",
        about: "10.77.2.1:8080",
        effects: &[],
        at: Client,
        fault: |path| exchanges(path, false),
        look_alike: health_checks,
    },
    &Row {
        name: "a server closes unread, not a health check",
        rule: "closed_unread",
        about: "10.77.2.1:8080",
        effects: &[],
        at: Server,
        fault: |path| exchanges(path, false),
        look_alike: health_checks,
    },
];

/// A client that asks again and again, and a server that reads the request or not before it closes.
fn exchanges(path: &Path, reads: bool) -> Kept {
    let listener = listener_of(&path.server, 8080, 128);
    listener.set_nonblocking(true).expect("set");
    let serving = Busy::with(move || {
        std::thread::sleep(Duration::from_millis(5));
        while let Ok((one, _)) = listener.accept() {
            let mut one = TcpStream::from(one);
            let _ = one.set_nonblocking(false);
            let _ = one.set_read_timeout(Some(Duration::from_secs(1)));
            let _ = one.peek(&mut [0; 10]);
            if reads {
                // Until the end of what the client sends.
                while matches!(one.read(&mut [0; 10]), Ok(1..)) {}
            }
        }
        true
    });
    let asking = Busy::in_namespace(&path.client.name, move || {
        let Ok(mut one) = TcpStream::connect(server(8080)) else {
            return true;
        };
        let _ = one.set_read_timeout(Some(Duration::from_secs(1)));
        let _ = one.write_all(b"request");
        if reads {
            let _ = one.shutdown(std::net::Shutdown::Write);
        }
        let _ = one.read(&mut [0; 10]);
        std::thread::sleep(Duration::from_millis(20));
        true
    });
    kept![serving, asking]
}

/// Clients that connect and end with a reset (`SO_LINGER` 0).
fn health_checks(path: &Path) -> Kept {
    let listener = listener_of(&path.server, 8080, 128);
    listener.set_nonblocking(true).expect("set");
    let serving = Busy::with(move || {
        std::thread::sleep(Duration::from_millis(5));
        while listener.accept().is_ok() {}
        true
    });
    let checking = Busy::in_namespace(&path.client.name, move || {
        if let Ok(one) = TcpStream::connect(server(8080)) {
            let _ = Socket::from(one).set_linger(Some(Duration::ZERO));
        }
        std::thread::sleep(Duration::from_millis(20));
        true
    });
    kept![serving, checking]
}

/// Connections to an address, at most fifty a second.
fn asking_often(path: &Path, to: &'static str) -> Busy {
    Busy::in_namespace(&path.client.name, move || {
        let to: SocketAddr = to.parse().expect("an address");
        let _ = TcpStream::connect_timeout(&to, Duration::from_secs(1));
        std::thread::sleep(Duration::from_millis(20));
        true
    })
}
