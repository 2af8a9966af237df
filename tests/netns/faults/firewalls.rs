//! Faults of a host's own packet filter, routes and listeners: what arrives and is not let in, forwarded or taken.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::Side::{Client, Router, Server};
use super::{Row, kept, listener_of};
use crate::diagnose::{Busy, connecting, until_sent_again};
use crate::namespace::Namespace;
use crate::routed::Path;

pub(super) const ROWS: &[&Row] = &[
    &Row {
        name: "the packets of containers are not forwarded",
        rule: "forward_dropped",
        about: "docker0",
        effects: &[],
        at: Router,
        fault: |path| {
            bridge(path);
            forwarding(path, "");
            kept![asking(&path.client, "10.77.2.1:8080")]
        },
        look_alike: |path| {
            bridge(path);
            forwarding(path, "iifname docker0 accept; ct state established accept");
            kept![
                served(listener_of(&path.server, 8080, 128)),
                asking(&path.client, "10.77.2.1:8080")
            ]
        },
    },
    &Row {
        name: "forwarding is switched off",
        rule: "forwarding_off",
        about: "10.77.1.1 to 10.77.2.1",
        effects: &[],
        at: Router,
        fault: |path| {
            path.router.sysctl(&["net.ipv4.ip_forward=0"]);
            kept![asking(&path.client, "10.77.2.1:8080")]
        },
        look_alike: |path| {
            kept![
                served(listener_of(&path.server, 8080, 128)),
                asking(&path.client, "10.77.2.1:8080")
            ]
        },
    },
    &Row {
        name: "the own firewall lets no client in",
        rule: "listener_firewalled",
        about: "8080",
        effects: &[],
        at: Server,
        fault: |path| {
            closed_but_for(&path.server, "tcp dport 22 accept");
            kept![
                served(listener_of(&path.server, 8080, 128)),
                asking(&path.client, "10.77.2.1:8080")
            ]
        },
        // What is dropped is for a port on which nobody listens.
        look_alike: |path| {
            closed_but_for(&path.server, "tcp dport 8080 accept");
            kept![
                served(listener_of(&path.server, 8080, 128)),
                asking(&path.client, "10.77.2.1:23")
            ]
        },
    },
    &Row {
        name: "a blackhole route covers the destination",
        rule: "no_route",
        about: "10.77.5.1",
        effects: &[],
        at: Client,
        fault: |path| {
            path.client.ip(&["route add blackhole 10.77.0.0/16"]);
            kept![asking(&path.client, "10.77.5.1:80")]
        },
        // A more specific one leads on.
        look_alike: |path| {
            path.client.ip(&[
                "route add blackhole 10.77.0.0/16",
                "route add 10.77.2.0/24 via 10.77.1.254",
            ]);
            kept![
                served(listener_of(&path.server, 8080, 128)),
                asking(&path.client, "10.77.2.1:8080")
            ]
        },
    },
    &Row {
        name: "no default route",
        rule: "no_route",
        about: "10.77.9.5",
        effects: &[],
        at: Client,
        fault: |path| {
            path.client.ip(&["route del default"]);
            kept![asking(&path.client, "10.77.9.5:80")]
        },
        // Closed on purpose.
        look_alike: |path| {
            path.client.ip(&["route del default"]);
            kept![]
        },
    },
    &Row {
        name: "no default route for IPv6",
        rule: "no_route",
        about: "fd77:9::5",
        effects: &[],
        at: Client,
        fault: |path| {
            path.client.ip(&["route del ::/0 via fd77:1::fe"]);
            kept![asking(&path.client, "[fd77:9::5]:80")]
        },
        // This host has no global address of IPv6: programs try and go on with IPv4.
        look_alike: |path| {
            path.client.ip(&["route del ::/0 via fd77:1::fe"]);
            kept![asking(&path.client, "[2001:db8::5]:80")]
        },
    },
    &Row {
        name: "a route of IPv6 prohibits the destination",
        rule: "no_route",
        about: "of type prohibit covers it",
        effects: &[],
        at: Client,
        fault: |path| {
            path.client.ip(&["route add prohibit fd77:9::/64"]);
            kept![asking(&path.client, "[fd77:9::5]:80")]
        },
        look_alike: |path| {
            path.client.ip(&["route add prohibit fd77::/16"]);
            let path_to = "route add fd77:2::/64 via fd77:1::fe";
            path.client.ip(&[path_to]);
            kept![
                served(for_ipv6(path)),
                asking(&path.client, "[fd77:2::1]:8080")
            ]
        },
    },
    &Row {
        name: "the own firewall drops what goes out to a port",
        rule: "own_firewall_drops",
        about: "10.77.2.1:5432",
        effects: &["connecting_no_answer"],
        at: Client,
        fault: |path| {
            path.client.firewall_at("output", "tcp dport 5432 drop");
            let client = connecting(&path.client, "10.77.2.1:5432");
            until_sent_again(&path.client);
            kept![client]
        },
        // Another port is dropped, and was asked for before.
        look_alike: |path| {
            path.client.firewall_at("output", "tcp dport 5433 drop");
            drop(connecting(&path.client, "10.77.2.1:5433"));
            kept![
                served(listener_of(&path.server, 5432, 128)),
                asking(&path.client, "10.77.2.1:5432")
            ]
        },
    },
    &Row {
        name: "the own firewall rejects connections, without a counter",
        rule: "output_stopped",
        about: "10.77.2.1:5432",
        effects: &[],
        at: Client,
        fault: |path| {
            path.client.firewall_at("output", "tcp dport 5432 reject");
            kept![asking(&path.client, "10.77.2.1:5432")]
        },
        look_alike: |path| {
            path.client.firewall_at("output", "tcp dport 5433 reject");
            kept![
                served(listener_of(&path.server, 5432, 128)),
                asking(&path.client, "10.77.2.1:5432")
            ]
        },
    },
    &Row {
        name: "the own firewall drops the answers of a listener",
        rule: "listener_firewalled",
        about: "drops the answers of port 8080",
        effects: &[],
        at: Server,
        fault: |path| {
            hook(
                &path.server,
                "output",
                "oifname lo accept; tcp sport 22 accept",
            );
            kept![
                served(listener_of(&path.server, 8080, 128)),
                asking(&path.client, "10.77.2.1:8080")
            ]
        },
        look_alike: |path| {
            hook(
                &path.server,
                "output",
                "oifname lo accept; tcp sport 8080 accept",
            );
            kept![
                served(listener_of(&path.server, 8080, 128)),
                asking(&path.client, "10.77.2.1:8080")
            ]
        },
    },
    &Row {
        name: "the own firewall lets connections begin and no more",
        rule: "own_firewall_drops",
        about: "the packets of 10.77.1.1",
        effects: &[],
        at: Server,
        // The rule for established connections is missing.
        fault: |path| {
            let client = begun_and_silenced(
                path,
                "ct state new accept; tcp flags & (psh|syn) == 0 accept",
            );
            kept![client]
        },
        look_alike: |path| kept![begun_and_silenced(path, "ct state new,established accept")],
    },
    &Row {
        name: "policy routing prohibits the destination",
        rule: "no_route",
        about: "of type prohibit covers it",
        effects: &[],
        at: Client,
        fault: |path| {
            path.client.ip(&["rule add to 10.77.2.0/24 prohibit"]);
            kept![asking(&path.client, "10.77.2.1:8080")]
        },
        look_alike: |path| {
            path.client.ip(&["rule add to 10.77.3.0/24 prohibit"]);
            kept![
                served(listener_of(&path.server, 8080, 128)),
                asking(&path.client, "10.77.2.1:8080")
            ]
        },
    },
    &Row {
        name: "no route back to the clients",
        rule: "no_return_route",
        about: "no route back to 10.77.1.1",
        effects: &[],
        at: Server,
        fault: |path| {
            path.server.ip(&["route del default"]);
            kept![
                served(listener_of(&path.server, 8080, 128)),
                asking(&path.client, "10.77.2.1:8080")
            ]
        },
        look_alike: |path| {
            kept![
                served(listener_of(&path.server, 8080, 128)),
                asking(&path.client, "10.77.2.1:8080")
            ]
        },
    },
    &Row {
        name: "a listener takes local clients alone",
        rule: "listener_elsewhere",
        about: "listens on 127.0.0.1:8080 only",
        effects: &[],
        at: Server,
        fault: |path| {
            kept![
                served(at_loopback(path)),
                asking(&path.client, "10.77.2.1:8080")
            ]
        },
        look_alike: |path| {
            kept![
                served(at_loopback(path)),
                asking(&path.server, "127.0.0.1:8080")
            ]
        },
    },
    &Row {
        name: "localhost is asked by IPv6 alone",
        rule: "listener_elsewhere",
        about: "listens on 127.0.0.1:8080 only",
        effects: &[],
        at: Server,
        fault: |path| {
            kept![
                served(at_loopback(path)),
                asking(&path.server, "[::1]:8080")
            ]
        },
        // Refused by IPv6, the program goes on with IPv4.
        look_alike: |path| {
            kept![
                served(at_loopback(path)),
                asking(&path.server, "[::1]:8080"),
                asking(&path.server, "127.0.0.1:8080")
            ]
        },
    },
    &Row {
        name: "a listener takes IPv6 alone",
        rule: "listener_elsewhere",
        about: "[::]:8080 for IPv6 only",
        effects: &[],
        at: Server,
        fault: |path| {
            kept![
                served(for_ipv6(path)),
                asking(&path.client, "10.77.2.1:8080")
            ]
        },
        look_alike: |path| {
            kept![
                served(for_ipv6(path)),
                asking(&path.client, "[fd77:2::1]:8080")
            ]
        },
    },
    &Row {
        name: "nobody listens on a port that is asked for",
        rule: "nobody_listens",
        about: "10.77.2.1:5432",
        effects: &[],
        at: Server,
        fault: |path| kept![asking(&path.client, "10.77.2.1:5432")],
        // A scan.
        look_alike: |path| {
            kept![Busy::in_namespace(&path.client.name, || {
                for port in 5000..5050 {
                    let to = SocketAddr::from(([10, 77, 2, 1], port));
                    let _ = TcpStream::connect_timeout(&to, Duration::from_millis(200));
                }
                true
            })]
        },
    },
];

/// Connections to an address, ten a second, each given up after that.
fn asking(from: &Namespace, to: &'static str) -> Busy {
    Busy::in_namespace(&from.name, move || {
        let to: SocketAddr = to.parse().expect("an address");
        let time = Duration::from_millis(100);
        let _ = TcpStream::connect_timeout(&to, time);
        std::thread::sleep(time);
        true
    })
}

/// The router's first link becomes a port of a bridge, as those of containers are.
fn bridge(path: &Path) {
    path.router.ip(&[
        "link add docker0 type bridge forward_delay 0",
        "addr flush dev near1",
        "link set near1 master docker0",
        "addr add 10.77.1.254/24 dev docker0",
        "link set docker0 up",
    ]);
}

/// The router forwards what these rules let through, and nothing else.
fn forwarding(path: &Path, rules: &str) {
    hook(&path.router, "forward", rules);
}

fn closed_but_for(at: &Namespace, rules: &str) {
    let always =
        "iifname lo accept; ct state established accept; meta l4proto { icmp, ipv6-icmp } accept";
    hook(at, "input", &format!("{always}; {rules}"));
}

fn hook(at: &Namespace, hook: &str, rules: &str) {
    let table = format!(
        "table inet filter {{\n chain {hook} {{\n  type filter hook {hook} priority 0; policy drop;\n  \
         {rules}\n }}\n}}\n"
    );
    at.fed("nft", &["-f", "-"], &table);
}

/// A connection to a server whose input hook has these rules, and that sends something again and again.
fn begun_and_silenced(path: &Path, rules: &str) -> (Busy, Busy) {
    hook(&path.server, "input", rules);
    let listener = listener_of(&path.server, 8080, 128);
    let mut client = super::connected(&path.client, 8080);
    let mut server = TcpStream::from(listener.accept().expect("accepted").0);
    server.set_nonblocking(true).expect("set");
    let serving = Busy::with(move || {
        let _ = server.read(&mut [0; 1000]);
        std::thread::sleep(Duration::from_millis(20));
        true
    });
    client.set_nonblocking(true).expect("set");
    let sending = Busy::with(move || {
        let _ = client.write(b"question");
        std::thread::sleep(Duration::from_millis(100));
        true
    });
    (serving, sending)
}

/// Accepts all that comes.
fn served(listener: Socket) -> Busy {
    listener.set_nonblocking(true).expect("set");
    Busy::with(move || {
        std::thread::sleep(Duration::from_millis(5));
        while listener.accept().is_ok() {}
        true
    })
}

fn at_loopback(path: &Path) -> Socket {
    path.server
        .inside(|| TcpListener::bind("127.0.0.1:8080").expect("it listens"))
        .into()
}

fn for_ipv6(path: &Path) -> Socket {
    path.server.inside(|| {
        let socket = Socket::new(Domain::IPV6, Type::STREAM, None).expect("a socket");
        socket.set_only_v6(true).expect("set");
        let all: SocketAddr = "[::]:8080".parse().expect("an address");
        socket.bind(&all.into()).expect("bound");
        socket.listen(128).expect("it listens");
        socket
    })
}
