//! Faults of a whole network stack: its counters, limits and queues.

use std::net::{Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::Side::{Client, Server};
use super::{Kept, Row, connected, kept, listener_of, python, server};
use crate::diagnose::{Busy, transfer};
use crate::routed::Path;
use crate::support::until;

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
        name: "handshakes take all the room, without SYN cookies",
        rule: "syn_queue_full",
        about: "no SYN cookies",
        effects: &["listener_drops"],
        at: Server,
        fault: |path| {
            without_cookies(path, 8);
            kept![listener_of(&path.server, 8080, 128), attempts(path, 30)]
        },
        look_alike: |path| {
            without_cookies(path, 256);
            kept![listener_of(&path.server, 8080, 128), attempts(path, 3)]
        },
    },
    &Row {
        name: "all local ports to a server are in use",
        rule: "ports_used_up",
        about: "from 10.77.1.1 to 10.77.2.1:8080",
        effects: &[],
        at: Client,
        fault: |path| kept![ports(path, 40)],
        look_alike: |path| kept![ports(path, 20)],
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
    &Row {
        name: "nobody reads what goes into a tunnel",
        rule: "interface_errors",
        about: "interface vpn0",
        effects: &[],
        at: Server,
        fault: |path| tunnel(path, "time.sleep(600)"),
        look_alike: |path| tunnel(path, "t.read(2000)"),
    },
    &Row {
        name: "sources that are routed elsewhere",
        rule: "reverse_path_filter",
        about: "10.88.0.1 by far1",
        effects: &[],
        at: Server,
        fault: |path| from_elsewhere(path, 1),
        look_alike: |path| from_elsewhere(path, 0),
    },
    &Row {
        name: "packets from our own address",
        rule: "martian_packets",
        about: "10.77.2.1 by far1",
        effects: &[],
        at: Server,
        fault: |path| kept![forged(path, [10, 77, 2, 1])],
        look_alike: |path| kept![forged(path, [10, 77, 1, 1])],
    },
    &Row {
        name: "router advertisements no longer arrive",
        rule: "ipv6_autoconfiguration_lost",
        about: "no longer arrive on near0: fd77:9::",
        effects: &[],
        at: Client,
        fault: |path| {
            advertise(path, 1);
            until_listed(path, " deprecated ");
            kept![]
        },
        look_alike: |path| {
            advertise(path, 3600);
            until_listed(path, " dynamic ");
            kept![]
        },
    },
    &Row {
        name: "router advertisements are ignored",
        rule: "ipv6_autoconfiguration_lost",
        about: "ignored on near0",
        effects: &[],
        at: Client,
        fault: |path| {
            advertise(path, 3600);
            until_listed(path, " dynamic ");
            path.client.sysctl(&["net.ipv6.conf.near0.forwarding=1"]);
            kept![]
        },
        look_alike: |path| {
            path.client.sysctl(&["net.ipv6.conf.near0.accept_ra=2"]);
            advertise(path, 3600);
            until_listed(path, " dynamic ");
            path.client.sysctl(&["net.ipv6.conf.near0.forwarding=1"]);
            kept![]
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

/// The server's answers never arrive, and it has room for `room` handshakes.
fn without_cookies(path: &Path, room: u32) {
    path.client.firewall("tcp sport 8080 drop");
    path.server.sysctl(&[
        "net.ipv4.tcp_syncookies=0",
        &format!("net.ipv4.tcp_max_syn_backlog={room}"),
    ]);
}

/// Makes `count` connections where there are forty ports.
fn ports(path: &Path, count: usize) -> Kept {
    path.client
        .sysctl(&["net.ipv4.ip_local_port_range=40000 40039"]);
    let listener = listener_of(&path.server, 8080, 128);
    let pairs: Vec<_> = (0..count)
        .map(|_| {
            let client = connected(&path.client, 8080);
            (client, listener.accept().expect("accepted"))
        })
        .collect();
    kept![listener, pairs]
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

/// Datagrams from a source to which the server knows another way.
fn from_elsewhere(path: &Path, rp_filter: u8) -> Kept {
    path.client.ip(&["addr add 10.88.0.1/32 dev near0"]);
    path.server.ip(&[
        "link add spare type veth peer name other",
        "link set other up",
        "link set spare up",
        "route add 10.88.0.0/24 dev spare",
    ]);
    path.server.sysctl(&[
        &format!("net.ipv4.conf.all.rp_filter={rp_filter}"),
        &format!("net.ipv4.conf.far1.rp_filter={rp_filter}"),
    ]);
    path.router.sysctl(&[
        "net.ipv4.conf.all.rp_filter=0",
        "net.ipv4.conf.near1.rp_filter=0",
    ]);
    let socket = path
        .client
        .inside(|| UdpSocket::bind("10.88.0.1:0").expect("a socket"));
    let open = path
        .server
        .inside(|| UdpSocket::bind("10.77.2.1:7777").expect("a socket"));
    open.set_nonblocking(true).expect("set");
    kept![Busy::with(move || {
        let _ = socket.send_to(b"x", "10.77.2.1:7777");
        std::thread::sleep(Duration::from_millis(50));
        while open.recv(&mut [0; 100]).is_ok() {}
        true
    })]
}

/// Datagrams with this source.
fn forged(path: &Path, source: [u8; 4]) -> Busy {
    path.router.sysctl(&[
        "net.ipv4.conf.all.rp_filter=0",
        "net.ipv4.conf.near1.rp_filter=0",
    ]);
    let open = path
        .server
        .inside(|| UdpSocket::bind("10.77.2.1:7777").expect("bound"));
    open.set_nonblocking(true).expect("set");
    let socket = path.client.inside(|| {
        let socket =
            Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::UDP)).expect("a raw socket");
        socket.set_header_included_v4(true).expect("set");
        socket
    });
    // The kernel fills in the length and the checksum.
    let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0];
    packet.extend(source);
    packet.extend([10, 77, 2, 1]);
    packet.extend([9_u16, 7777, 12, 0].map(u16::to_be_bytes).concat());
    packet.extend(b"data");
    Busy::with(move || {
        std::thread::sleep(Duration::from_millis(20));
        let _ = socket.send_to(&packet, &SockAddr::from(server(0)));
        while open.recv(&mut [0; 100]).is_ok() {}
        true
    })
}

/// The router advertises itself and the prefix `fd77:9::/64` (RFC 4861, 4.2 and 4.6.2), which is preferred for so many
/// seconds.
fn advertise(path: &Path, preferred: u32) {
    let shown = path
        .router
        .run("ip", &["-o", "link", "show", "dev", "near1"]);
    let index = shown.split(':').next().and_then(|it| it.parse().ok());
    let index: u32 = index.expect("an index");
    let mut message = vec![134, 0, 0, 0, 64, 0, 0x0e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0];
    message.extend([3, 4, 64, 0xc0]);
    message.extend(7200_u32.to_be_bytes());
    message.extend(preferred.to_be_bytes());
    message.extend([0; 4]);
    message.extend("fd77:9::".parse::<Ipv6Addr>().expect("an address").octets());
    path.router.inside(|| {
        let socket =
            Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6)).expect("a raw socket");
        socket.set_multicast_hops_v6(255).expect("set");
        socket.set_multicast_if_v6(index).expect("set");
        let all: SocketAddr = "[ff02::1]:0".parse().expect("an address");
        socket.send_to(&message, &all.into()).expect("sent");
    });
}

/// Waits until the address of the advertised prefix is listed with this word.
fn until_listed(path: &Path, word: &str) {
    until("the address of the advertised prefix", || {
        let listed = path
            .client
            .run("ip", &["-6", "-o", "addr", "show", "dev", "near0"]);
        let mut lines = listed.lines();
        lines
            .any(|line| {
                line.contains("fd77:9::") && line.contains(word) && !line.contains("tentative")
            })
            .then_some(())
    });
}

/// Datagrams into a tunnel with room for five of them, whose program does this again and again.
fn tunnel(path: &Path, reading: &str) -> Kept {
    let program = format!(
        "
import fcntl, struct, time
t = open('/dev/net/tun', 'r+b', buffering=0)
fcntl.ioctl(t, 0x400454ca, struct.pack('16sH', b'vpn0', 0x1001))
print(flush=True)
while True:
    {reading}
"
    );
    let program = python(&path.server, &program);
    path.server.ip(&[
        "link set vpn0 txqueuelen 5",
        "addr add 10.79.0.1/24 dev vpn0",
        "link set vpn0 up",
    ]);
    let socket = path
        .server
        .inside(|| UdpSocket::bind("10.79.0.1:0").expect("bound"));
    kept![
        program,
        Busy::with(move || {
            std::thread::sleep(Duration::from_millis(20));
            let _ = socket.send_to(b"x", "10.79.0.2:7777");
            true
        })
    ]
}
