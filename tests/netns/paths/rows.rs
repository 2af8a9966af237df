//! The faults, layer by layer.

use std::net::TcpListener;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::Row;
use super::chain::Chain;
use crate::faults::{Kept, kept};
use crate::namespace::Namespace;

const NOTHING: fn(&Chain) -> Kept = |_| kept![];

/// A row of a path with two routers, asked by the client for the server's port 5432.
const fn row(
    name: &'static str,
    expected: Option<(&'static str, &'static str)>,
    says: &'static str,
    make: fn(&Chain) -> Kept,
) -> Row {
    Row {
        name,
        routers: 2,
        at: 0,
        target: &["SERVER:5432"],
        expected,
        says,
        make,
    }
}

pub(super) const ROWS: &[Row] = &[
    row("healthy", None, "is reachable", NOTHING),
    Row {
        routers: 5,
        ..row("healthy, five routers", None, "is reachable", NOTHING)
    },
    row(
        "healthy, a firewall that drops other ports",
        None,
        "is reachable",
        |chain| {
            chain.client().firewall_at(
                "output",
                "tcp dport 5433 counter drop; tcp dport 5432 accept;",
            );
            kept![]
        },
    ),
    row(
        "healthy, a wide blackhole and a narrower route",
        None,
        "is reachable",
        |chain| {
            chain.client().ip(&["route add blackhole 10.0.0.0/8"]);
            kept![]
        },
    ),
    Row {
        target: &["10.99.0.1:80"],
        ..row(
            "no route",
            Some(("route", "no_route")),
            "ENETUNREACH",
            NOTHING,
        )
    },
    row(
        "a blackhole route",
        Some(("route", "no_route")),
        "type blackhole",
        |chain| {
            chain.client().ip(&["route add blackhole 10.81.2.2/32"]);
            kept![]
        },
    ),
    row(
        "a prohibit route",
        Some(("route", "no_route")),
        "type prohibit",
        |chain| {
            chain.client().ip(&["route add prohibit 10.81.2.2/32"]);
            kept![]
        },
    ),
    row(
        "an unreachable route",
        Some(("route", "no_route")),
        "type unreachable",
        |chain| {
            chain.client().ip(&["route add unreachable 10.81.2.2/32"]);
            kept![]
        },
    ),
    row(
        "no carrier",
        Some(("neighbour", "link_down")),
        "right has no carrier",
        |chain| {
            chain.hosts[1].ip(&["link set left down"]);
            kept![]
        },
    ),
    row(
        "the interface is down",
        Some(("neighbour", "link_down")),
        "right is down",
        |chain| {
            chain.client().ip(&["link set right down"]);
            kept![]
        },
    ),
    Row {
        target: &["10.81.0.77:80"],
        ..row(
            "a neighbour that is not there",
            Some(("neighbour", "neighbour_failed")),
            "10.81.0.77",
            NOTHING,
        )
    },
    row(
        "the router is not there",
        Some(("neighbour", "neighbour_failed")),
        "the router 10.81.0.2",
        |chain| {
            chain.hosts[1].ip(&["addr del 10.81.0.2/24 dev left"]);
            kept![]
        },
    ),
    row(
        "the prefix is too wide",
        Some(("neighbour", "neighbour_failed")),
        "10.81.2.2 does not",
        |chain| {
            chain.client().ip(&[
                "addr add 10.81.0.1/16 dev right",
                "addr del 10.81.0.1/24 dev right",
                "route flush 10.81.2.0/24",
            ]);
            kept![]
        },
    ),
    row(
        "output is dropped",
        Some(("firewall", "own_firewall_drops")),
        "rose by",
        |chain| {
            chain
                .client()
                .firewall_at("output", "tcp dport 5432 counter drop;");
            kept![]
        },
    ),
    row(
        "output is rejected by ICMP",
        Some(("firewall", "own_firewall_drops")),
        "chain output",
        |chain| {
            chain
                .client()
                .firewall_at("output", "tcp dport 5432 counter reject;");
            kept![]
        },
    ),
    row(
        "output is rejected by RST",
        Some(("firewall", "own_firewall_drops")),
        "chain output",
        |chain| {
            chain
                .client()
                .firewall_at("output", "tcp dport 5432 counter reject with tcp reset;");
            kept![]
        },
    ),
    row(
        "replies are dropped on input",
        Some(("firewall", "own_firewall_drops")),
        "the replies of",
        |chain| {
            chain
                .client()
                .firewall_at("input", "tcp sport 5432 counter drop;");
            kept![]
        },
    ),
    row(
        "a router drops the port",
        Some(("path", "port_filtered")),
        "10.81.0.2 (hop 1)",
        |chain| {
            chain.hosts[1].firewall_at("forward", "tcp dport 5432 drop;");
            kept![]
        },
    ),
    row(
        "the second router drops the port",
        Some(("path", "port_filtered")),
        "10.81.1.2 (hop 2)",
        |chain| {
            chain.hosts[2].firewall_at("forward", "tcp dport 5432 drop;");
            kept![]
        },
    ),
    row(
        "a router drops everything",
        Some(("path", "connecting_no_answer")),
        "10.81.0.2 (hop 1)",
        |chain| {
            chain.hosts[1].firewall_at("forward", "drop;");
            kept![]
        },
    ),
    row(
        "a router rejects the port",
        Some(("path", "path_filtered")),
        "10.81.0.2 rejects",
        |chain| {
            chain.hosts[1].firewall_at("forward", "tcp dport 5432 reject;");
            kept![]
        },
    ),
    row(
        "a router prohibits it",
        Some(("path", "path_filtered")),
        "10.81.0.2 rejects",
        |chain| {
            chain.hosts[1].firewall_at("forward", "reject with icmpx admin-prohibited;");
            kept![]
        },
    ),
    row(
        "the server's input drops the port",
        Some(("path", "port_filtered")),
        "10.81.1.2 (hop 2)",
        |chain| {
            chain.server().firewall_at("input", "tcp dport 5432 drop;");
            kept![]
        },
    ),
    row(
        "the server drops everything",
        Some(("path", "connecting_no_answer")),
        "10.81.1.2 (hop 2)",
        |chain| {
            chain.server().firewall_at("input", "drop;");
            kept![]
        },
    ),
    row(
        "the server rejects the port",
        Some(("path", "path_filtered")),
        "10.81.2.2 rejects port 5432",
        |chain| {
            chain
                .server()
                .firewall_at("input", "tcp dport 5432 reject;");
            kept![]
        },
    ),
    Row {
        target: &["10.81.2.77:80"],
        ..row(
            "the host behind the routers is gone",
            Some(("path", "host_unreachable")),
            "10.81.1.2 cannot",
            NOTHING,
        )
    },
    row(
        "a router has no route",
        Some(("path", "host_unreachable")),
        "10.81.0.2 cannot",
        |chain| {
            chain.hosts[1].ip(&["route del 10.81.2.0/24"]);
            kept![]
        },
    ),
    row(
        "two routers in a loop",
        Some(("path", "routing_loop")),
        "to each other",
        |chain| {
            chain.hosts[2].ip(&["route add 10.81.2.2/32 via 10.81.1.1"]);
            kept![]
        },
    ),
    row(
        "the server has no route back",
        Some(("path", "connecting_no_answer")),
        "(hop 2)",
        |chain| {
            chain.server().ip(&["route del 10.81.0.0/24"]);
            kept![]
        },
    ),
    Row {
        target: &["SERVER:5433"],
        ..row(
            "nothing listens",
            Some(("connect", "port_closed")),
            "a reset (RST)",
            NOTHING,
        )
    },
    Row {
        at: 3,
        target: &["SERVER:18431"],
        ..row(
            "here: nothing listens",
            Some(("connect", "port_closed")),
            "no process on this host",
            NOTHING,
        )
    },
    Row {
        at: 3,
        target: &["SERVER:18432"],
        ..row(
            "here: loopback only",
            Some(("connect", "loopback_only")),
            "127.0.0.1:18432",
            |chain| kept![listener(chain.server(), "127.0.0.1:18432")],
        )
    },
    Row {
        at: 3,
        target: &["127.0.0.1:18433"],
        ..row(
            "here: IPv6 only",
            Some(("connect", "family_mismatch")),
            "[::]:18433 for IPv6 only",
            |chain| {
                let socket = chain.server().inside(|| {
                    let socket = Socket::new(Domain::IPV6, Type::STREAM, None).expect("a socket");
                    socket.set_only_v6(true).expect("set");
                    let address: std::net::SocketAddr = "[::]:18433".parse().expect("an address");
                    socket.bind(&address.into()).expect("bound");
                    socket.listen(8).expect("it listens");
                    socket
                });
                kept![socket]
            },
        )
    },
    Row {
        at: 3,
        target: &["SERVER:18434"],
        ..row(
            "here: another namespace",
            Some(("connect", "other_netns")),
            "namespace",
            |chain| kept![listener(chain.client(), "127.0.0.1:18434")],
        )
    },
    Row {
        at: 3,
        target: &["127.0.0.1:18435"],
        ..row(
            "here: bound and not listening",
            Some(("server", "bound_never_listened")),
            "18435",
            |chain| {
                let socket = chain.server().inside(|| {
                    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
                    let address: std::net::SocketAddr =
                        "127.0.0.1:18435".parse().expect("an address");
                    socket.bind(&address.into()).expect("bound");
                    socket
                });
                kept![socket]
            },
        )
    },
    Row {
        at: 3,
        target: &["127.0.0.1:18436"],
        ..row(
            "here: the accept queue is full",
            Some(("server", "accept_queue_full")),
            "2 waiting, limit 1",
            |chain| kept![full(chain.server(), "127.0.0.1:18436")],
        )
    },
    Row {
        at: 3,
        target: &["127.0.0.1:18437"],
        ..row(
            "here: loopback is filtered",
            Some(("firewall", "own_firewall_drops")),
            "chain input",
            |chain| {
                chain
                    .server()
                    .firewall_at("input", "tcp dport 18437 counter drop;");
                kept![listener(chain.server(), "127.0.0.1:18437")]
            },
        )
    },
    Row {
        at: 3,
        target: &[":18438"],
        ..row("here: healthy", None, "is reachable", |chain| {
            kept![listener(chain.server(), "0.0.0.0:18438")]
        })
    },
];

/// A listener; the kernel accepts for it.
pub(super) fn listener(at: &Namespace, address: &str) -> TcpListener {
    at.inside(|| TcpListener::bind(address).expect("it listens"))
}

/// A listener whose queue is full, and what fills it.
fn full(at: &Namespace, address: &str) -> (Socket, Vec<Socket>) {
    let address: std::net::SocketAddr = address.parse().expect("an address");
    at.inside(|| {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        listener.bind(&address.into()).expect("bound");
        listener.listen(1).expect("it listens");
        let client = || {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
            socket
                .connect_timeout(&address.into(), Duration::from_mins(1))
                .expect("connected");
            socket
        };
        // The kernel takes one more than the limit.
        let clients = vec![client(), client()];
        (listener, clients)
    })
}
