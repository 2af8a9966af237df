//! The faults, layer by layer.

use std::net::{Shutdown, TcpListener};
use std::os::fd::AsFd as _;
use std::thread::JoinHandle;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::{Domain, SockRef, Socket, Type};

use super::Row;
use super::chain::Chain;
use super::servers::{Does, Shows, serve};
use crate::dns_server::{DnsServer, Script};
use crate::faults::{Kept, kept};
use crate::namespace::Namespace;

pub(super) const NOTHING: fn(&Chain) -> Kept = |_| kept![];

/// A row of a path with two routers, asked by the client for the server's port 5432.
pub(super) const fn row(
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
        etc: None,
        says,
        shows: "",
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
    Row {
        shows: "from 10.81.0.2, TTL 64 (0 hops if it began with 64), link-layer address ",
        ..row(
            "a router prohibits it",
            Some(("path", "path_filtered")),
            "10.81.0.2 rejects",
            |chain| {
                chain.hosts[1].firewall_at("forward", "reject with icmpx admin-prohibited;");
                kept![]
            },
        )
    },
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
        shows: "from 10.81.2.2, TTL 62 (2 hops if it began with 64), link-layer address ",
        ..row(
            "nothing listens",
            Some(("connect", "port_closed")),
            "a reset (RST)",
            NOTHING,
        )
    },
    Row {
        target: &["SERVER:5434"],
        shows: "answer of another port",
        ..row(
            "nothing listens, and the reset has another TTL than other answers",
            Some(("connect", "port_closed")),
            "a reset (RST)",
            |chain| {
                let rules = "tcp sport 5434 tcp flags rst ip ttl set 40;";
                chain.server().firewall_at("output", rules);
                kept![]
            },
        )
    },
    Row {
        shows: "table 100, chosen by the rule 32765: from all ipproto tcp dport 5432 lookup 100",
        ..row(
            "healthy, a rule leads to a table of its own",
            None,
            "is reachable",
            |chain| {
                chain.client().ip(&[
                    "route del 10.81.2.0/24",
                    "route add 10.81.2.0/24 via 10.81.0.2 table 100",
                    "rule add ipproto tcp dport 5432 lookup 100",
                ]);
                kept![]
            },
        )
    },
    Row {
        target: &["SERVER:5432", "--from", "10.81.0.1"],
        shows: "table 77, chosen by the rule 100: from 10.81.0.1 lookup 77",
        ..row(
            "a rule leads to a router that is not there",
            Some(("neighbour", "neighbour_failed")),
            "10.81.0.77",
            |chain| {
                chain.client().ip(&[
                    "rule add priority 100 from 10.81.0.1 lookup 77",
                    "route add 10.81.2.0/24 via 10.81.0.77 table 77",
                ]);
                kept![]
            },
        )
    },
    Row {
        target: &["SERVER:5432", "--from", "right"],
        shows: "from 10.81.2.2, TTL 62",
        ..row(
            "the reverse path filter drops the answers",
            Some(("route", "reverse_path_filter")),
            "(rp_filter)",
            |chain| {
                answers_from_elsewhere(chain, 1);
                kept![]
            },
        )
    },
    Row {
        target: &["SERVER:5432", "--from", "right"],
        ..row(
            "healthy, the reverse path filter is loose",
            None,
            "is reachable",
            |chain| {
                answers_from_elsewhere(chain, 2);
                kept![]
            },
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

const fn dns_row(
    name: &'static str,
    resolv: &'static str,
    expected: Option<(&'static str, &'static str)>,
    says: &'static str,
    make: fn(&Chain) -> Kept,
) -> Row {
    Row {
        target: &["shop.test:5432"],
        etc: Some((resolv, "")),
        ..row(name, expected, says, make)
    }
}

const ONE: &str = "nameserver 127.0.0.2\noptions timeout:3 attempts:1\n";
const TWO: &str = "nameserver 127.0.0.2\nnameserver 127.0.0.3\noptions timeout:3 attempts:1\n";

pub(super) const OF_NAMES: &[Row] = &[
    dns_row("healthy, a name", ONE, None, "is reachable", |chain| {
        named(chain, &[Script::Good])
    }),
    dns_row("healthy, an alias", ONE, None, "is reachable", |chain| {
        named(chain, &[Script::Alias])
    }),
    dns_row(
        "the name server fails",
        ONE,
        Some(("name", "dns_servfail")),
        "SERVFAIL",
        |chain| named(chain, &[Script::Fails]),
    ),
    dns_row(
        "the name server is dead",
        ONE,
        Some(("name", "dns_no_answer")),
        "127.0.0.2",
        |chain| named(chain, &[Script::Dead]),
    ),
    dns_row(
        "the first name server is dead",
        TWO,
        Some(("name", "dns_first_server_dead")),
        "127.0.0.2",
        |chain| named(chain, &[Script::Dead, Script::Good]),
    ),
    dns_row(
        "AAAA is dropped",
        ONE,
        Some(("name", "dns_aaaa_broken")),
        "AAAA",
        |chain| named(chain, &[Script::DropsAaaa]),
    ),
    dns_row(
        "DNS by TCP is blocked",
        ONE,
        Some(("name", "dns_tcp_blocked")),
        "TCP",
        |chain| named(chain, &[Script::TruncatesWithoutTcp]),
    ),
    dns_row(
        "the name does not exist",
        ONE,
        Some(("name", "name_unknown")),
        "shop.test",
        |chain| named(chain, &[Script::Denies]),
    ),
    dns_row(
        "no name server is configured",
        "",
        Some(("name", "no_nameserver")),
        "resolv.conf",
        |chain| named(chain, &[]),
    ),
    Row {
        etc: Some((ONE, "10.81.0.66 shop.test\n")),
        ..dns_row(
            "the hosts file is wrong",
            ONE,
            Some(("name", "hosts_file_override")),
            "/etc/hosts",
            |chain| named(chain, &[Script::Good]),
        )
    },
    Row {
        etc: Some((ONE, "10.9.1.1 shop.test\n")),
        ..dns_row(
            "healthy, the hosts file is right",
            ONE,
            None,
            "is reachable",
            |chain| named(chain, &[Script::Good]),
        )
    },
];

pub(super) const OTHERS: &[Row] = &[
    row(
        "an MTU black hole",
        Some(("mtu", "mtu_black_hole")),
        "1500 bytes are dropped",
        |chain| {
            narrow(chain);
            chain.hosts[1].firewall_at("output", "icmp type destination-unreachable drop;");
            kept![]
        },
    ),
    row(
        "healthy, a narrow link that is reported",
        None,
        "is reachable",
        |chain| {
            narrow(chain);
            kept![]
        },
    ),
    row(
        "healthy, pings are dropped",
        None,
        "is reachable",
        |chain| {
            chain
                .server()
                .firewall_at("input", "icmp type echo-request drop;");
            kept![]
        },
    ),
    Row {
        shows: "from 10.81.2.2, TTL 64 (0 hops if it began with 64)",
        ..row(
            "a router sends resets",
            Some(("path", "path_filtered")),
            "10.81.0.2 (hop 1)",
            |chain| {
                chain.hosts[1].firewall_at("forward", "tcp dport 5432 reject with tcp reset;");
                kept![]
            },
        )
    },
    row(
        "the last router sends resets",
        Some(("path", "path_filtered")),
        "10.81.1.2 (hop 2)",
        |chain| {
            chain.hosts[2].firewall_at("forward", "tcp dport 5432 reject with tcp reset;");
            kept![]
        },
    ),
    Row {
        target: &["udp://SERVER:18500"],
        ..row(
            "UDP: nothing is bound",
            Some(("connect", "port_closed")),
            "UDP port 18500",
            NOTHING,
        )
    },
    Row {
        target: &["udp://SERVER:18500"],
        ..row(
            "UDP: no answer",
            Some(("path", "udp_no_answer")),
            "nothing came back",
            |chain| {
                chain.server().firewall_at("input", "udp dport 18500 drop;");
                kept![]
            },
        )
    },
    Row {
        target: &["udp://SERVER:18500"],
        ..row(
            "UDP: output is dropped",
            Some(("firewall", "own_firewall_drops")),
            "chain output",
            |chain| {
                chain
                    .client()
                    .firewall_at("output", "udp dport 18500 counter drop;");
                kept![]
            },
        )
    },
    Row {
        target: &["udp://127.0.0.1:53"],
        ..row("healthy, UDP", None, "is reachable", |chain| {
            kept![DnsServer::start(chain.client(), "127.0.0.1", Script::Good)]
        })
    },
    Row {
        target: &["SERVER:5432", "--from", "10.81.0.1"],
        ..row("healthy, from an address", None, "is reachable", NOTHING)
    },
    Row {
        target: &["10.81.0.2:5433", "--from", "right"],
        ..row(
            "from an interface: refused",
            Some(("connect", "port_closed")),
            "RST",
            NOTHING,
        )
    },
];

const fn talk_row(
    name: &'static str,
    target: &'static [&'static str],
    expected: Option<(&'static str, &'static str)>,
    says: &'static str,
    make: fn(&Chain) -> Kept,
) -> Row {
    Row {
        target,
        etc: Some((ONE, "")),
        ..row(name, expected, says, make)
    }
}

const HTTP: &[&str] = &["http://shop.test:8443/"];
const HTTPS: &[&str] = &["https://shop.test:8443/", "--cacert", "CACERT"];

pub(super) const OF_TALKS: &[Row] = &[
    talk_row("healthy, HTTP", HTTP, None, "is reachable", |chain| {
        kept![serve(chain, Does::Answers, None)]
    }),
    talk_row(
        "healthy, HTTP that takes its time",
        HTTP,
        None,
        "is reachable",
        |chain| kept![serve(chain, Does::AnswersLate, None)],
    ),
    talk_row("healthy, HTTPS", HTTPS, None, "is reachable", |chain| {
        kept![serve(chain, Does::Answers, Some(Shows::Good))]
    }),
    Row {
        shows: "sockdoc check https://shop.test:8443",
        ..talk_row(
            "HTTP: the port wants TLS",
            HTTP,
            Some(("protocol", "tls_expected")),
            "wants TLS",
            |chain| kept![serve(chain, Does::Answers, Some(Shows::Good))],
        )
    },
    Row {
        shows: "sockdoc check https://shop.test:8443",
        ..talk_row(
            "HTTP: the port wants TLS, and closes without a word",
            HTTP,
            Some(("protocol", "tls_expected")),
            "closes",
            |chain| kept![serve(chain, Does::ClosesPlainText, Some(Shows::Good))],
        )
    },
    talk_row(
        "HTTP: 503",
        HTTP,
        Some(("protocol", "service_refuses")),
        "503",
        |chain| kept![serve(chain, Does::Fails, None)],
    ),
    talk_row(
        "HTTP: closes at once",
        HTTP,
        Some(("protocol", "closes_at_once")),
        "",
        |chain| kept![serve(chain, Does::Closes, None)],
    ),
    talk_row(
        "HTTP: never answers",
        HTTP,
        Some(("protocol", "never_answers")),
        "",
        |chain| kept![serve(chain, Does::Reads, None)],
    ),
    talk_row(
        "HTTP: it is SSH",
        HTTP,
        Some(("protocol", "other_protocol")),
        "SSH",
        |chain| kept![serve(chain, Does::Greets, None)],
    ),
    talk_row(
        "TLS: the port is for plain text",
        &["https://shop.test:8443/"],
        Some(("tls", "tls_plain_text")),
        "",
        |chain| kept![serve(chain, Does::Answers, None)],
    ),
    talk_row(
        "TLS: expired",
        HTTPS,
        Some(("tls", "tls_expired")),
        "expired",
        |chain| kept![serve(chain, Does::Answers, Some(Shows::Expired))],
    ),
    talk_row(
        "TLS: not valid yet",
        HTTPS,
        Some(("tls", "tls_not_yet_valid")),
        "",
        |chain| kept![serve(chain, Does::Answers, Some(Shows::NotYetValid))],
    ),
    talk_row(
        "TLS: another name",
        HTTPS,
        Some(("tls", "tls_name_mismatch")),
        "other.test",
        |chain| kept![serve(chain, Does::Answers, Some(Shows::OtherName))],
    ),
    talk_row(
        "TLS: self-signed",
        HTTPS,
        Some(("tls", "tls_self_signed")),
        "",
        |chain| kept![serve(chain, Does::Answers, Some(Shows::SelfSigned))],
    ),
    talk_row(
        "TLS: incomplete chain",
        HTTPS,
        Some(("tls", "tls_incomplete_chain")),
        "",
        |chain| kept![serve(chain, Does::Answers, Some(Shows::Incomplete))],
    ),
    talk_row(
        "TLS: unknown authority",
        &["https://shop.test:8443/"],
        Some(("tls", "tls_unknown_ca")),
        "",
        |chain| kept![serve(chain, Does::Answers, Some(Shows::Good))],
    ),
    talk_row(
        "TLS: a client certificate",
        HTTPS,
        Some(("tls", "tls_client_certificate")),
        "",
        |chain| kept![serve(chain, Does::Answers, Some(Shows::AsksForOne))],
    ),
    talk_row(
        "TLS: an MTU black hole",
        HTTPS,
        Some(("mtu", "mtu_black_hole")),
        "1500",
        |chain| {
            narrow(chain);
            chain.hosts[1].firewall_at("output", "icmp type destination-unreachable drop;");
            chain.hosts[2].firewall_at("output", "icmp type destination-unreachable drop;");
            kept![serve(chain, Does::Answers, Some(Shows::LongChain))]
        },
    ),
    talk_row(
        "healthy, TLS over a narrow link",
        HTTPS,
        None,
        "is reachable",
        |chain| {
            narrow(chain);
            kept![serve(chain, Does::Answers, Some(Shows::LongChain))]
        },
    ),
];

const SMTP: &[&str] = &["smtp://shop.test:8443", "--cacert", "CACERT"];
const SMTP_TLS: &[&str] = &["smtp://shop.test:8443", "--cacert", "CACERT", "--starttls"];
const POSTGRES: &[&str] = &["postgres://shop.test:8443", "--cacert", "CACERT"];
const POSTGRES_TLS: &[&str] = &[
    "postgres://shop.test:8443",
    "--cacert",
    "CACERT",
    "--starttls",
];

pub(super) const OF_UPGRADES: &[Row] = &[
    talk_row("healthy, SMTP", SMTP, None, "is reachable", |chain| {
        kept![serve(chain, Does::Mails, None)]
    }),
    talk_row(
        "healthy, SMTP with TLS",
        SMTP_TLS,
        None,
        "is reachable",
        |chain| kept![serve(chain, Does::Mails, Some(Shows::Good))],
    ),
    talk_row(
        "healthy, SMTP with a certificate that nobody looks at",
        SMTP,
        None,
        "is reachable",
        |chain| kept![serve(chain, Does::Mails, Some(Shows::SelfSigned))],
    ),
    talk_row(
        "SMTP with TLS: expired",
        SMTP_TLS,
        Some(("tls", "tls_expired")),
        "expired",
        |chain| kept![serve(chain, Does::Mails, Some(Shows::Expired))],
    ),
    talk_row(
        "SMTP: TLS is wanted and not offered",
        SMTP_TLS,
        Some(("protocol", "starttls_missing")),
        "does not offer TLS",
        |chain| kept![serve(chain, Does::Mails, None)],
    ),
    talk_row(
        "SMTP: TLS is offered and refused",
        SMTP,
        Some(("protocol", "starttls_missing")),
        "454 TLS not available",
        |chain| kept![serve(chain, Does::RefusesTls, None)],
    ),
    talk_row(
        "healthy, PostgreSQL without TLS",
        POSTGRES,
        None,
        "is reachable",
        |chain| kept![serve(chain, Does::Stores, None)],
    ),
    talk_row(
        "healthy, PostgreSQL with TLS",
        POSTGRES_TLS,
        None,
        "is reachable",
        |chain| kept![serve(chain, Does::Stores, Some(Shows::Good))],
    ),
    talk_row(
        "PostgreSQL with TLS: another name",
        POSTGRES_TLS,
        Some(("tls", "tls_name_mismatch")),
        "other.test",
        |chain| kept![serve(chain, Does::Stores, Some(Shows::OtherName))],
    ),
    talk_row(
        "TLS: version 1.1 at most",
        &["https://shop.test:8443/"],
        Some(("tls", "tls_version")),
        "TLS 1.1 at most",
        |chain| kept![serve(chain, Does::IsOld, None)],
    ),
    talk_row(
        "TLS: records of nonsense",
        &["https://shop.test:8443/"],
        Some(("tls", "tls_nonsense")),
        "",
        |chain| kept![serve(chain, Does::Raves, None)],
    ),
    talk_row(
        "TLS: a certificate of a million bytes",
        HTTPS,
        Some(("tls", "tls_nonsense")),
        "more than",
        |chain| kept![serve(chain, Does::Answers, Some(Shows::Huge))],
    ),
    talk_row(
        "a banner without an end",
        &["ssh://shop.test:8443"],
        Some(("protocol", "endless_answer")),
        "no end of a first SSH message",
        |chain| kept![serve(chain, Does::Rambles, None)],
    ),
    talk_row(
        "HTTP: an answer byte by byte",
        HTTP,
        Some(("protocol", "answer_stops")),
        "",
        |chain| kept![serve(chain, Does::Dribbles, None)],
    ),
];

const PROXIED: &[&str] = &["tcp://inner.test:99", "--proxy", "http://shop.test:8443"];

pub(super) const OF_PROXIES: &[Row] = &[
    talk_row(
        "healthy, through a proxy",
        PROXIED,
        None,
        "is reachable",
        |chain| kept![serve(chain, Does::Proxies("200 OK"), None)],
    ),
    talk_row(
        "a proxy that refuses",
        PROXIED,
        Some(("proxy", "proxy_refuses")),
        "403 Forbidden",
        |chain| kept![serve(chain, Does::Proxies("403 Forbidden"), None)],
    ),
    talk_row(
        "a proxy that wants a password",
        PROXIED,
        Some(("proxy", "proxy_refuses")),
        "wants a user and a password",
        |chain| kept![serve(chain, Does::Proxies("407 Authenticate"), None)],
    ),
    talk_row(
        "a proxy that cannot reach the target",
        PROXIED,
        Some(("proxy", "proxy_cannot_connect")),
        "cannot reach inner.test:99",
        |chain| kept![serve(chain, Does::Proxies("502 Bad Gateway"), None)],
    ),
    talk_row(
        "what should be a proxy is SSH",
        PROXIED,
        Some(("proxy", "not_a_proxy")),
        "it speaks SSH",
        |chain| kept![serve(chain, Does::Greets, None)],
    ),
    talk_row(
        "a proxy of SOCKS that is refused",
        &["tcp://inner.test:99", "--proxy", "socks5://shop.test:8443"],
        Some(("proxy", "proxy_cannot_connect")),
        "connection refused",
        |chain| kept![serve(chain, Does::ProxiesSocks, None)],
    ),
];

const IDLE: &[&str] = &["SERVER:5432", "--idle", "4s"];

pub(super) const OF_IDLE: &[Row] = &[
    Row {
        target: IDLE,
        ..row("healthy, idle", None, "is reachable", NOTHING)
    },
    Row {
        target: IDLE,
        ..row(
            "a router forgets idle connections",
            Some(("idle", "idle_dropped")),
            "probes got no answer",
            |chain| {
                chain.hosts[1].firewall_at("forward", "ct state invalid drop;");
                // It takes no connection that it did not see begin.
                chain.hosts[1].sysctl(&[
                    "net.netfilter.nf_conntrack_tcp_timeout_established=1",
                    "net.netfilter.nf_conntrack_tcp_loose=0",
                ]);
                kept![]
            },
        )
    },
];

/// The link between the routers carries 1300 bytes at most.
fn narrow(chain: &Chain) {
    chain.hosts[1].ip(&["link set right mtu 1300"]);
    chain.hosts[2].ip(&["link set left mtu 1300"]);
}

/// shop.test is an address of the server, with a listener; and name servers at the client.
fn named(chain: &Chain, scripts: &[Script]) -> Kept {
    let mut kept = named_at(chain, scripts);
    kept.push(Box::new(listener(chain.server(), "10.9.1.1:5432")));
    kept
}

/// The same without the listener.
pub(super) fn named_at(chain: &Chain, scripts: &[Script]) -> Kept {
    let last = chain.hosts.len() - 1;
    for (at, host) in chain.hosts[..last].iter().enumerate() {
        host.ip(&[&format!("route add 10.9.1.1/32 via 10.81.{at}.2")]);
    }
    chain.server().ip(&["addr add 10.9.1.1/32 dev lo"]);
    let servers: Vec<DnsServer> = scripts
        .iter()
        .zip(["127.0.0.2", "127.0.0.3"])
        .map(|(script, address)| DnsServer::start(chain.client(), address, *script))
        .collect();
    kept![servers]
}

/// What is bound to the link leaves by it, and the better route to the server leads elsewhere, where nothing is.
fn answers_from_elsewhere(chain: &Chain, filter: u8) {
    let client = chain.client();
    client.ip(&[
        "link add elsewhere type veth peer name nowhere",
        "link set nowhere up",
        "link set elsewhere up",
        "route del 10.81.2.0/24",
        "route add 10.81.2.0/24 dev elsewhere src 10.81.0.1",
        "route add 10.81.2.0/24 via 10.81.0.2 metric 100",
    ]);
    let all = format!("net.ipv4.conf.all.rp_filter={filter}");
    let own = format!("net.ipv4.conf.right.rp_filter={filter}");
    client.sysctl(&[&all, &own]);
}

/// A listener whose connections only the kernel takes.
pub(super) fn idle_listener(at: &Namespace, address: &str) -> TcpListener {
    at.inside(|| TcpListener::bind(address).expect("it listens"))
}

/// A server that accepts connections and keeps them, as long as this lives.
pub(super) struct Listening {
    pub(super) listener: TcpListener,
    thread: Option<JoinHandle<()>>,
}

pub(super) fn listener(at: &Namespace, address: &str) -> Listening {
    Listening::after(Duration::ZERO, at, address)
}

impl Listening {
    /// It accepts each connection that long after it came.
    pub(super) fn after(pause: Duration, at: &Namespace, address: &str) -> Listening {
        let listener = idle_listener(at, address);
        let own = listener.try_clone().expect("a second descriptor");
        let thread = std::thread::spawn(move || {
            let next = || {
                let mut fds = [PollFd::new(own.as_fd(), PollFlags::POLLIN)];
                poll(&mut fds, PollTimeout::NONE).ok()?;
                std::thread::sleep(pause);
                own.accept().ok()
            };
            let _clients: Vec<_> = std::iter::from_fn(next).collect();
        });
        Listening {
            listener,
            thread: Some(thread),
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // It wakes accept() up.
        let _ = SockRef::from(&self.listener).shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A listener whose queue is full, and what fills it.
pub(super) fn full(at: &Namespace, address: &str) -> (Socket, Vec<Socket>) {
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
