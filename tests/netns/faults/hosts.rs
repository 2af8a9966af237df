//! Faults of a whole network stack: its counters, limits and queues.

use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::Side::{Client, Server};
use super::{Kept, Row, kept, listener_of, server};
use crate::diagnose::{Busy, transfer};
use crate::routed::Path;

pub(super) const ROWS: &[&Row] = &[
    &Row {
        name: "more half-open connections than the queue holds",
        rule: "syn_queue_full",
        about: "SYN queue full",
        effects: &[],
        at: Server,
        fault: |path| {
            // What the server answers never arrives.
            path.client.firewall("tcp sport 8080 drop");
            kept![listener_of(&path.server, 8080, 4), attempts(path, 30)]
        },
        look_alike: |path| {
            path.client.firewall("tcp sport 8080 drop");
            kept![listener_of(&path.server, 8080, 128), attempts(path, 3)]
        },
    },
    &Row {
        name: "more in TIME-WAIT than are kept",
        rule: "time_wait_table_full",
        about: "TIME-WAIT",
        effects: &[],
        at: Server,
        fault: |path| {
            path.server.sysctl(&["net.ipv4.tcp_max_tw_buckets=4"]);
            kept![short_connections(path)]
        },
        look_alike: |path| kept![short_connections(path)],
    },
    &Row {
        name: "packets are damaged",
        rule: "checksum_errors",
        about: "wrong checksum",
        effects: &[],
        at: Server,
        fault: |path| kept![raw_datagrams(path, 0x1234)],
        look_alike: |path| kept![raw_datagrams(path, 0)],
    },
    &Row {
        name: "some fragments never come",
        rule: "fragments_lost",
        about: "missing fragments",
        effects: &[],
        at: Server,
        fault: |path| {
            path.router
                .firewall_at("forward", "ip frag-off & 0x1fff != 0 drop");
            kept![fragments(path)]
        },
        look_alike: |path| kept![fragments(path)],
    },
    &Row {
        name: "an address is used twice",
        rule: "duplicate_address",
        about: "fd77:1::fe",
        effects: &[],
        at: Client,
        fault: |path| address(path, "fd77:1::fe/64"),
        look_alike: |path| address(path, "fd77:1::77/64"),
    },
    &Row {
        name: "the sending queue is full",
        rule: "send_queue_full",
        about: "near0",
        effects: &["path_loss"],
        at: Client,
        fault: |path| {
            shape(path, "rate 2mbit burst 4000 limit 6000");
            kept![transfer(path, 9000, 2_000_000)]
        },
        look_alike: |path| {
            shape(path, "rate 20mbit burst 16000 limit 1000000");
            kept![transfer(path, 9000, 200_000)]
        },
    },
    &Row {
        name: "UDP is sent faster than it leaves",
        rule: "udp_send_errors",
        about: "not sent",
        effects: &[],
        at: Client,
        fault: |path| {
            shape(path, "rate 16kbit burst 2000 limit 1000000");
            kept![datagrams(path)]
        },
        look_alike: |path| kept![datagrams(path)],
    },
    &Row {
        name: "UDP to a closed port",
        rule: "udp_port_closed",
        about: "closed port",
        effects: &[],
        at: Server,
        fault: |path| kept![datagrams(path)],
        look_alike: |path| {
            let open = path
                .server
                .inside(|| UdpSocket::bind("10.77.2.1:7777").expect("bound"));
            kept![
                Busy::with(move || open.recv(&mut [0; 2000]).is_ok()),
                datagrams(path)
            ]
        },
    },
];

/// Attempts to connect, so many each fifth of a second, each given up after that.
fn attempts(path: &Path, count: usize) -> Busy {
    Busy::in_namespace(&path.client.name, move || {
        let begin = |_| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
            socket.set_nonblocking(true).expect("set");
            let _ = socket.connect(&server(8080).into());
            socket
        };
        let _begun: Vec<Socket> = (0..count).map(begin).collect();
        std::thread::sleep(Duration::from_millis(200));
        true
    })
}

/// Connections that the server closes first, ten at a time.
fn short_connections(path: &Path) -> Busy {
    let listener = listener_of(&path.server, 8080, 128);
    Busy::in_namespace(&path.client.name, move || {
        for _ in 0..10 {
            let client = TcpStream::connect(server(8080)).expect("connected");
            drop(listener.accept().expect("accepted"));
            drop(client);
        }
        std::thread::sleep(Duration::from_millis(100));
        true
    })
}

/// Datagrams with this checksum; 0: without one.
fn raw_datagrams(path: &Path, checksum: u16) -> Kept {
    let open = path
        .server
        .inside(|| UdpSocket::bind("10.77.2.1:7777").expect("bound"));
    let socket = path.client.inside(|| {
        Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::UDP)).expect("a raw socket")
    });
    let datagram = [9_u16, 7777, 12, checksum].map(u16::to_be_bytes).concat();
    let datagram = [datagram.as_slice(), b"data"].concat();
    open.set_nonblocking(true).expect("set");
    kept![Busy::with(move || {
        std::thread::sleep(Duration::from_millis(20));
        let _ = socket.send_to(&datagram, &SockAddr::from(server(0)));
        while open.recv(&mut [0; 100]).is_ok() {}
        true
    })]
}

/// Datagrams in three fragments.
fn fragments(path: &Path) -> Kept {
    path.server.sysctl(&["net.ipv4.ipfrag_time=1"]);
    let open = path
        .server
        .inside(|| UdpSocket::bind("10.77.2.1:7777").expect("bound"));
    open.set_nonblocking(true).expect("set");
    let socket = path
        .client
        .inside(|| UdpSocket::bind("10.77.1.1:0").expect("bound"));
    kept![Busy::with(move || {
        std::thread::sleep(Duration::from_millis(100));
        let _ = socket.send_to(&[7; 4000], "10.77.2.1:7777");
        while open.recv(&mut [0; 5000]).is_ok() {}
        true
    })]
}

/// Adds an address that the kernel looks for on the link before it uses it.
fn address(path: &Path, address: &str) -> Kept {
    path.client.sysctl(&["net.ipv6.conf.near0.accept_dad=1"]);
    path.client
        .run("ip", &["addr", "add", address, "dev", "near0"]);
    kept![]
}

/// The client's link carries no more than this (tbf).
fn shape(path: &Path, limits: &str) {
    let words = format!("qdisc add dev near0 root tbf {limits}");
    path.client.run("tc", &words.split(' ').collect::<Vec<_>>());
}

/// A sender that does not wait, with a small buffer.
fn datagrams(path: &Path) -> Busy {
    let socket = path
        .client
        .inside(|| UdpSocket::bind("10.77.1.1:0").expect("bound"));
    socket.set_nonblocking(true).expect("set");
    let socket = Socket::from(socket);
    socket.set_send_buffer_size(4096).expect("set");
    Busy::with(move || {
        std::thread::sleep(Duration::from_millis(20));
        let _ = socket.send_to(&[7; 1000], &server(7777).into());
        true
    })
}
