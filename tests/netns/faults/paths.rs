//! Faults of the way to a peer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use super::Side::Client;
use super::delay::{Delay, FAR};
use super::{Kept, Row, kept, listener_of, server};
use crate::diagnose::{Busy, connection, transfer};
use crate::routed::Path;
use crate::support::until;

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
    &Row {
        name: "packets are lost on the way",
        rule: "path_loss",
        about: "10.77.2.1",
        effects: &[],
        at: Client,
        fault: |path| losing(path, 17),
        look_alike: |path| losing(path, 1000),
    },
    &Row {
        name: "large packets vanish",
        rule: "mtu_black_hole",
        about: "10.77.2.1",
        effects: &["peer_silent"],
        at: Client,
        fault: |path| {
            path.router.firewall_at("output", "meta l4proto icmp drop");
            let (mut client, server) = connection(path, 9000);
            path.router.ip(&["link set far0 mtu 1300"]);
            client.write_all(&[7; 20_000]).expect("taken by the kernel");
            until("full segments to be sent three times", || {
                let listed = path.client.run("ss", &["-tniH"]);
                listed.contains("backoff:3").then_some(())
            });
            // Another connection to the same host is answered.
            let (mut alive, other) = connection(path, 9001);
            alive.write_all(b"small").expect("sent");
            kept![client, server, alive, other]
        },
        // The router says so.
        look_alike: |path| {
            let (mut client, server) = connection(path, 9000);
            path.router.ip(&["link set far0 mtu 1300"]);
            client.write_all(&[7; 20_000]).expect("taken by the kernel");
            kept![client, server]
        },
    },
    &Row {
        name: "the netmask is too wide",
        rule: "neighbour_failed",
        about: "10.77.2.1",
        effects: &["connecting_no_answer"],
        at: Client,
        fault: |path| {
            path.client
                .ip(&["addr add 10.77.1.2/16 dev near0", "route del default"]);
            kept![patient(path, "10.77.2.1:8080")]
        },
        look_alike: |path| kept![patient(path, "10.77.2.1:8080")],
    },
    &Row {
        name: "the cable is out",
        rule: "link_down",
        about: "interface near0 has no carrier",
        effects: &["peer_silent"],
        at: Client,
        fault: |path| {
            let (mut client, server) = connection(path, 9000);
            path.router.ip(&["link set near1 down"]);
            client.write_all(b"hello").expect("taken by the kernel");
            until("the data to be sent again", || {
                let listed = path.client.run("ss", &["-tnoH"]);
                (listed.contains("timer:(on,") && !listed.contains(",0)")).then_some(())
            });
            kept![client, server]
        },
        // Nothing waits for it; a spare interface and an empty bridge have none either.
        look_alike: |path| {
            path.client.ip(&[
                "link add spare type veth peer name other",
                "link set spare up",
                "link add empty type bridge",
                "link set empty up",
            ]);
            let (client, server) = connection(path, 9000);
            path.router.ip(&["link set near1 down"]);
            kept![client, server]
        },
    },
    &Row {
        name: "the interface is down",
        rule: "link_down",
        about: "interface near0 is down",
        effects: &["peer_silent"],
        at: Client,
        fault: |path| {
            let (mut client, server) = connection(path, 9000);
            path.client.ip(&["link set near0 down"]);
            client.write_all(b"hello").expect("taken by the kernel");
            kept![client, server]
        },
        // Nothing is sent over it.
        look_alike: |path| {
            let (client, server) = connection(path, 9000);
            path.client.ip(&["link set near0 down"]);
            kept![client, server]
        },
    },
    &Row {
        name: "the interface is down, and a program tries",
        rule: "link_down",
        about: "interface near0 is down",
        effects: &[],
        at: Client,
        fault: |path| {
            path.client.ip(&["link set near0 down"]);
            kept![impatient(path)]
        },
        look_alike: |path| kept![impatient(path)],
    },
    &Row {
        name: "a router rejects connections",
        rule: "called_unreachable",
        about: "10.77.2.1:8080",
        effects: &[],
        at: Client,
        fault: |path| {
            let rule = "tcp dport 8080 reject with icmp type admin-prohibited";
            path.router.firewall_at("forward", rule);
            kept![(0..4).map(|_| blocking(path)).collect::<Vec<_>>()]
        },
        look_alike: |path| {
            let serving = patient(path, "10.77.2.1:8080");
            kept![serving, (0..4).map(|_| blocking(path)).collect::<Vec<_>>()]
        },
    },
    &Row {
        name: "a router rejects connections of a program that polls",
        rule: "called_unreachable",
        about: "10.77.2.1:8080",
        effects: &[],
        at: Client,
        fault: |path| {
            let rule = "tcp dport 8080 reject with icmp type host-unreachable";
            path.router.firewall_at("forward", rule);
            kept![impatient(path)]
        },
        look_alike: |path| kept![impatient(path)],
    },
    &Row {
        name: "another host refuses datagrams",
        rule: "udp_refused_by_peer",
        about: "10.77.2.1:5140",
        effects: &[],
        at: Client,
        fault: |path| kept![logging(path)],
        look_alike: |path| {
            let open = path
                .server
                .inside(|| UdpSocket::bind("10.77.2.1:5140").expect("bound"));
            kept![open, logging(path)]
        },
    },
    &Row {
        name: "large packets vanish, and the own firewall drops ICMP",
        rule: "mtu_black_hole",
        about: "this host's firewall drops the ICMP errors",
        effects: &["peer_silent"],
        at: Client,
        fault: |path| {
            path.client.firewall("meta l4proto icmp drop");
            kept![uploads(path)]
        },
        look_alike: |path| {
            path.client.firewall("icmp type echo-request drop");
            kept![uploads(path)]
        },
    },
    &Row {
        name: "the address of a connection is gone",
        rule: "wrong_source_address",
        about: "10.77.1.7 is not on this host",
        effects: &["peer_silent"],
        at: Client,
        fault: |path| {
            path.client.ip(&["addr add 10.77.1.7/24 dev near0"]);
            let (mut client, server) = connection_from(path, "10.77.1.7");
            path.client.ip(&["addr del 10.77.1.7/24 dev near0"]);
            client.write_all(b"hello").expect("taken by the kernel");
            kept![client, server]
        },
        // Nothing is sent from it.
        look_alike: |path| {
            path.client.ip(&["addr add 10.77.1.7/24 dev near0"]);
            let (client, server) = connection_from(path, "10.77.1.7");
            path.client.ip(&["addr del 10.77.1.7/24 dev near0"]);
            kept![client, server]
        },
    },
    &Row {
        name: "the route prefers an address that has no way back",
        rule: "wrong_source_address",
        about: "10.66.0.1 is of lo, and packets leave by near0",
        effects: &["connecting_no_answer"],
        at: Client,
        fault: |path| {
            from_loopback(path);
            kept![patient(path, "10.77.2.1:8080")]
        },
        look_alike: |path| {
            path.router.ip(&["route add 10.66.0.1 via 10.77.1.1"]);
            from_loopback(path);
            let (client, server) = connection(path, 9000);
            kept![client, server, patient(path, "10.77.2.1:8080")]
        },
    },
];

/// A transfer of which the router drops each Nth packet. Each packet is by itself: what the firewall drops of a
/// segment of many packets is many packets.
fn losing(path: &Path, nth: u32) -> Kept {
    path.client.ip(&["link set near0 gso_max_segs 1"]);
    let rule = format!("tcp dport 9000 numgen inc mod {nth} == 0 drop");
    path.router.firewall_at("forward", &rule);
    kept![transfer(path, 9000, 2_000_000)]
}

/// An attempt to connect that is begun again when it has failed or waited for three seconds; a connection that is
/// made is kept.
fn patient(path: &Path, to: &'static str) -> Busy {
    let name = path.client.name.clone();
    let listener = listener_of(&path.server, 8080, 128);
    Busy::in_namespace(&name, move || {
        let _listens = &listener;
        let to: SocketAddr = to.parse().expect("an address");
        let begun = Instant::now();
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let made = socket.connect_timeout(&to.into(), Duration::from_secs(3));
        while made.is_ok() && begun.elapsed() < Duration::from_secs(3) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = listener.set_nonblocking(true);
        while listener.accept().is_ok() {}
        true
    })
}

/// Attempts to connect that are given up after a fifth of a second.
fn impatient(path: &Path) -> Busy {
    let listener = listener_of(&path.server, 8080, 128);
    Busy::in_namespace(&path.client.name, move || {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let _ = socket.connect_timeout(&server(8080).into(), Duration::from_millis(200));
        std::thread::sleep(Duration::from_millis(100));
        let _ = listener.set_nonblocking(true);
        while listener.accept().is_ok() {}
        true
    })
}

/// Calls of `connect()` that wait for their end.
fn blocking(path: &Path) -> Busy {
    Busy::in_namespace(&path.client.name, || {
        let _ = TcpStream::connect(server(8080));
        std::thread::sleep(Duration::from_millis(100));
        true
    })
}

/// A program that sends its log to another host.
fn logging(path: &Path) -> Busy {
    let socket = path
        .client
        .inside(|| UdpSocket::bind("10.77.1.1:0").expect("bound"));
    socket.connect("10.77.2.1:5140").expect("connected");
    Busy::with(move || {
        let _ = socket.send(b"a line");
        std::thread::sleep(Duration::from_millis(50));
        true
    })
}

/// Connections that send more than a narrow link carries at once, one after the other.
fn uploads(path: &Path) -> Kept {
    path.router.ip(&["link set far0 mtu 1300"]);
    let listener = listener_of(&path.server, 9000, 128);
    listener.set_nonblocking(true).expect("set");
    let mut accepted: Vec<TcpStream> = Vec::new();
    let reading = Busy::with(move || {
        std::thread::sleep(Duration::from_millis(5));
        if let Ok((one, _)) = listener.accept() {
            one.set_nonblocking(true).expect("set");
            accepted.push(one.into());
        }
        for one in &mut accepted {
            let _ = one.read(&mut [0; 16_000]);
        }
        true
    });
    let mut sending: Vec<TcpStream> = Vec::new();
    let writing = Busy::in_namespace(&path.client.name, move || {
        let mut one = TcpStream::connect(server(9000)).expect("connected");
        one.set_nonblocking(true).expect("set");
        let _ = one.write(&[7; 15_000]);
        sending.push(one);
        if sending.len() > 8 {
            sending.remove(0);
        }
        std::thread::sleep(Duration::from_millis(500));
        true
    });
    kept![reading, writing]
}

/// A connection of the client from this address.
fn connection_from(path: &Path, from: &str) -> (TcpStream, TcpStream) {
    let listener = listener_of(&path.server, 9000, 8);
    let from: SocketAddr = format!("{from}:0").parse().expect("an address");
    let client = path.client.inside(|| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&from.into()).expect("bound");
        socket.connect(&server(9000).into()).expect("connected");
        socket
    });
    (client.into(), listener.accept().expect("accepted").0.into())
}

/// What the client sends comes from an address of its loopback interface.
fn from_loopback(path: &Path) {
    path.client.ip(&[
        "addr add 10.66.0.1/32 dev lo",
        "route replace default via 10.77.1.254 src 10.66.0.1",
    ]);
}

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
