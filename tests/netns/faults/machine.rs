//! Faults of limits that all network namespaces share. They are set for the whole machine while a row runs, so these
//! rows run by themselves and on request.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::Side::{Client, Router, Server};
use super::{Kept, Row, connected, kept, listener_of, server};
use crate::diagnose::Busy;
use crate::routed::Path;

pub(super) const ROWS: &[&Row] = &[
    &Row {
        name: "the connection tracking table is full",
        rule: "conntrack_table_full",
        about: "connection tracking table full",
        effects: &[],
        at: Router,
        fault: |path| tracked(path, 40),
        look_alike: |path| tracked(path, 100_000),
    },
    &Row {
        name: "TCP uses more memory than it should",
        rule: "tcp_memory_pressure",
        about: "tcp_mem",
        effects: &[],
        at: Server,
        fault: |path| {
            let limit = Setting::numbers("net/ipv4/tcp_mem", &[16, 32]);
            kept![limit, half_read(path)]
        },
        look_alike: |path| kept![half_read(path)],
    },
    &Row {
        name: "UDP has used up its memory",
        rule: "udp_memory_used_up",
        about: "udp_mem",
        effects: &["udp_receive_buffer_full"],
        at: Server,
        fault: |path| {
            let limit = Setting::numbers("net/ipv4/udp_mem", &[8, 16, 32]);
            kept![limit, unread_datagrams(path)]
        },
        look_alike: |path| kept![unread_datagrams(path)],
    },
    &Row {
        name: "packets come faster than a processor takes them",
        rule: "backlog_drops",
        about: "softnet",
        effects: &[],
        at: Server,
        fault: |path| flood(path, 400),
        look_alike: |path| flood(path, 4),
    },
    &Row {
        name: "the table of IPv6 neighbours is full",
        rule: "neighbour_table_full",
        about: "ndisc_cache",
        effects: &[],
        at: Client,
        fault: |path| neighbours(path, 1),
        look_alike: |path| neighbours(path, 1024),
    },
    &Row {
        name: "more orphans than there may be",
        rule: "orphans_at_limit",
        about: "too many orphaned connections",
        effects: &[],
        at: Server,
        fault: |path| orphans(path, 8),
        look_alike: |path| orphans(path, 4096),
    },
];

/// A setting of the whole machine, and what it was before.
struct Setting {
    path: String,
    before: String,
}

impl Setting {
    fn of(name: &str, value: &str) -> Setting {
        let path = format!("/proc/sys/{name}");
        let before = std::fs::read_to_string(&path).expect("a setting");
        std::fs::write(&path, value).expect("set");
        Setting { path, before }
    }

    /// Sets the first numbers of several.
    fn numbers(name: &str, first: &[u64]) -> Setting {
        let is = std::fs::read_to_string(format!("/proc/sys/{name}")).expect("a setting");
        let rest = is.split_whitespace().skip(first.len());
        let all: Vec<String> = first.iter().map(u64::to_string).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).chain(rest).collect();
        Setting::of(name, &all.join(" "))
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        let _ = std::fs::write(&self.path, &self.before);
    }
}

/// Sixty connections over a router that tracks them, and clients that try more.
fn tracked(path: &Path, most: u32) -> Kept {
    let limit = Setting::of("net/netfilter/nf_conntrack_max", &most.to_string());
    path.router
        .firewall_at("forward", "ct state established,new accept");
    let listener = listener_of(&path.server, 8080, 128);
    let clients: Vec<Socket> = (0..60)
        .map(|_| crate::diagnose::connecting(&path.client, "10.77.2.1:8080"))
        .collect();
    let more = Busy::in_namespace(&path.client.name, || {
        let _ = TcpStream::connect_timeout(&server(8080), Duration::from_millis(100));
        std::thread::sleep(Duration::from_millis(20));
        true
    });
    kept![listener_accepts(listener), clients, more, limit]
}

/// Accepts and keeps all that comes.
fn listener_accepts(listener: Socket) -> Busy {
    listener.set_nonblocking(true).expect("set");
    let mut accepted = Vec::new();
    Busy::with(move || {
        std::thread::sleep(Duration::from_millis(5));
        while let Ok(one) = listener.accept() {
            accepted.push(one);
        }
        true
    })
}

/// Connections whose reader takes a little at a time, so that much waits to be read.
fn half_read(path: &Path) -> Kept {
    let listener = listener_of(&path.server, 8080, 128);
    let mut both = Vec::new();
    for _ in 0..4 {
        let client = connected(&path.client, 8080);
        let server = TcpStream::from(listener.accept().expect("accepted").0);
        client.set_nonblocking(true).expect("set");
        server.set_nonblocking(true).expect("set");
        both.push((client, server));
    }
    kept![
        listener,
        Busy::with(move || {
            std::thread::sleep(Duration::from_millis(20));
            for (client, server) in &mut both {
                let _ = client.write(&vec![7; 65_536]);
                let _ = server.read(&mut [0; 2048]);
            }
            true
        })
    ]
}

/// Sockets whose datagrams are read now and then: no buffer of its own is full.
fn unread_datagrams(path: &Path) -> Kept {
    let open: Vec<UdpSocket> = (0..16)
        .map(|number| {
            let to = format!("10.77.2.1:{}", 7000 + number);
            let socket = path.server.inside(|| UdpSocket::bind(to).expect("bound"));
            socket.set_nonblocking(true).expect("set");
            socket
        })
        .collect();
    let sender = path
        .client
        .inside(|| UdpSocket::bind("10.77.1.1:0").expect("bound"));
    kept![Busy::with(move || {
        for (number, socket) in open.iter().enumerate() {
            for _ in 0..40 {
                let _ = sender.send_to(&[7; 1400], format!("10.77.2.1:{}", 7000 + number));
            }
            std::thread::sleep(Duration::from_millis(20));
            let _ = socket;
        }
        for socket in &open {
            while socket.recv(&mut [0; 2000]).is_ok() {}
        }
        true
    })]
}

/// Sends datagrams in bursts, all to one processor, which passes each by a thousand rules, and whose backlog is
/// short.
fn flood(path: &Path, at_a_time: usize) -> Kept {
    let limit = Setting::of("net/core/netdev_max_backlog", "50");
    let rules = "udp sport 1 drop\n".repeat(1000);
    path.server.firewall(&rules);
    // In a mount namespace of its own: /sys of this host stays as it is.
    path.server.run(
        "unshare",
        &[
            "-m",
            "sh",
            "-c",
            "mount -t sysfs none /sys && echo 1 > /sys/class/net/far1/queues/rx-0/rps_cpus",
        ],
    );
    let open = path
        .server
        .inside(|| UdpSocket::bind("10.77.2.1:7777").expect("bound"));
    open.set_nonblocking(true).expect("set");
    let sender = path
        .client
        .inside(|| UdpSocket::bind("10.77.1.1:0").expect("bound"));
    kept![
        Busy::with(move || {
            std::thread::sleep(Duration::from_millis(50));
            for _ in 0..at_a_time {
                let _ = sender.send_to(b"x", "10.77.2.1:7777");
            }
            true
        }),
        Busy::with(move || {
            std::thread::sleep(Duration::from_millis(1));
            while open.recv(&mut [0; 100]).is_ok() {}
            true
        }),
        limit
    ]
}

/// Datagrams to ever new neighbours that are not there.
fn neighbours(path: &Path, most: u32) -> Kept {
    let limit = Setting::of("net/ipv6/neigh/default/gc_thresh3", &most.to_string());
    let sender = path
        .client
        .inside(|| UdpSocket::bind("[fd77:1::1]:0").expect("bound"));
    let mut next = 0;
    kept![
        Busy::with(move || {
            next = next % 100 + 1;
            let _ = sender.send_to(b"x", format!("[fd77:1::1:{next:x}]:7777"));
            std::thread::sleep(Duration::from_millis(20));
            true
        }),
        limit
    ]
}

/// Connections that their program closes again and again while the client does not read what was sent.
fn orphans(path: &Path, most: u32) -> Kept {
    let limit = Setting::of("net/ipv4/tcp_max_orphans", &most.to_string());
    let listener = listener_of(&path.server, 8080, 128);
    listener.set_nonblocking(true).expect("set");
    let mut clients = Vec::new();
    let closing = Busy::in_namespace(&path.client.name, move || {
        let client = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        client.set_recv_buffer_size(2048).expect("set");
        let _ = client.connect_timeout(&server(8080).into(), Duration::from_secs(1));
        while let Ok((one, _)) = listener.accept() {
            let _ = one.set_nonblocking(true);
            let _ = TcpStream::from(one).write(&vec![7; 65_536]);
        }
        clients.push(client);
        if clients.len() > 100 {
            clients.clear();
        }
        std::thread::sleep(Duration::from_millis(20));
        true
    });
    kept![closing, limit]
}
