//! ICMP errors of firewalls, of routes and of routers, in words and in the count.

use crate::namespace::Namespace;
use crate::pinging::Run;
use crate::routed::{Path, ROUTER, SERVER};
use crate::support::{program, skip};

/// A namespace with a firewall that refuses echo requests: `127.1.0.N` and `fd00::N` with the Nth of
/// these types of nft(8).
fn refusing(test: &str, family: &str, types: &[(&str, &str)]) -> Option<Namespace> {
    if program("nft").is_none() {
        skip(test, "nft is not installed");
        return None;
    }
    let namespace = Namespace::new(test)?;
    let rules: Vec<String> = types
        .iter()
        .zip(1..)
        .map(|((kind, _), number)| {
            let matched = if family == "icmp" {
                format!("icmp type echo-request ip daddr 127.1.0.{number}")
            } else {
                namespace.ip(&[&format!("addr add fd00::{number}/128 dev lo nodad")]);
                format!("icmpv6 type echo-request ip6 daddr fd00::{number}")
            };
            format!("{matched} reject with {family} type {kind}")
        })
        .collect();
    namespace.firewall(&rules.join("\n  "));
    Some(namespace)
}

/// Pings a target twice, which refuses with these words.
fn is_refused(namespace: &Namespace, target: &str, by: &str, words: &str) {
    let run = Run::words(namespace, &format!("-c 2 -i 0.01 -W 1 {target}"));
    assert_eq!(run.status, Some(1), "{run}");
    for sequence in [1, 2] {
        let line = format!("From {by} icmp_seq={sequence} {words}");
        assert_eq!(run.text.matches(&line).count(), 1, "{line}: {run}");
    }
    let counts = run.counts();
    let expected = (2, 0, 2);
    let found = (counts.sent, counts.received, counts.errors);
    assert_eq!(found, expected, "{run}");
}

#[test]
fn each_reject_of_ipv4_is_told_in_words_and_counted() {
    let types = [
        ("net-unreachable", "Destination Net Unreachable"),
        ("host-unreachable", "Destination Host Unreachable"),
        ("prot-unreachable", "Destination Protocol Unreachable"),
        ("port-unreachable", "Destination Port Unreachable"),
        ("net-prohibited", "Destination Net Prohibited"),
        ("host-prohibited", "Destination Host Prohibited"),
        ("admin-prohibited", "Packet filtered"),
    ];
    let Some(namespace) = refusing("rejects of IPv4", "icmp", &types) else {
        return;
    };
    for ((_, words), number) in types.into_iter().zip(1..) {
        let target = format!("127.1.0.{number}");
        is_refused(&namespace, &target, &target, words);
    }
}

#[test]
fn each_reject_of_ipv6_is_told_in_words_and_counted() {
    let unreachable = |words: &str| format!("Destination unreachable: {words}");
    let types = [
        ("no-route", unreachable("No route")),
        (
            "admin-prohibited",
            unreachable("Administratively prohibited"),
        ),
        ("addr-unreachable", unreachable("Address unreachable")),
        ("port-unreachable", unreachable("Port unreachable")),
        // iputils has only the number for these two.
        ("policy-fail", unreachable("")),
        ("reject-route", unreachable("")),
    ];
    let types: Vec<(&str, &str)> = types
        .iter()
        .map(|(kind, words)| (*kind, &words[..]))
        .collect();
    let Some(namespace) = refusing("rejects of IPv6", "icmpv6", &types) else {
        return;
    };
    for ((_, words), number) in types.into_iter().zip(1..) {
        let target = format!("fd00::{number}");
        is_refused(&namespace, &target, &target, words);
    }
}

#[test]
fn a_router_says_by_which_kind_of_route_it_refuses() {
    let Some(path) = Path::new("routes that refuse") else {
        return;
    };
    path.router.ip(&[
        "route add unreachable 10.78.1.0/24",
        "route add prohibit 10.78.2.0/24",
        "route add blackhole 10.78.3.0/24",
        "route add unreachable fd78:1::/64",
        "route add prohibit fd78:2::/64",
        "route add blackhole fd78:3::/64",
    ]);
    for (target, by, words) in [
        ("10.78.1.1", ROUTER[0], "Destination Host Unreachable"),
        ("10.78.2.1", ROUTER[0], "Packet filtered"),
        ("fd78:1::1", ROUTER[1], "Destination unreachable: No route"),
        (
            "fd78:2::1",
            ROUTER[1],
            "Destination unreachable: Administratively prohibited",
        ),
    ] {
        is_refused(&path.client, target, by, words);
    }
    for target in ["10.78.3.1", "fd78:3::1"] {
        let run = Run::words(&path.client, &format!("-c 2 -i 0.01 -W 0.2 {target}"));
        assert_eq!(run.status, Some(1), "{run}");
        let counts = run.counts();
        let found = (counts.sent, counts.received, counts.errors);
        assert_eq!(found, (2, 0, 0), "{run}");
        assert!(run.says("100% packet loss"), "{run}");
        assert!(!run.says("From "), "{run}");
    }
}

#[test]
fn a_route_of_this_host_that_refuses_is_an_error_that_names_the_target() {
    let Some(namespace) = Namespace::new("routes of this host") else {
        return;
    };
    namespace.ip(&[
        "route add unreachable 10.78.1.0/24",
        "route add prohibit 10.78.2.0/24",
        "route add unreachable fd78:1::/64",
        "route add prohibit fd78:2::/64",
    ]);
    // The last has no route at all.
    for target in [
        "10.78.1.1",
        "10.78.2.1",
        "fd78:1::1",
        "fd78:2::1",
        "10.79.0.1",
    ] {
        let run = Run::words(&namespace, &format!("-c 1 -W 1 {target}"));
        assert_eq!(run.status, Some(2), "{run}");
        assert!(run.errors.contains(target), "{run}");
        assert!(run.errors.lines().count() <= 2, "{run}");
    }
}

#[test]
fn where_the_hop_limit_ends_the_router_is_named() {
    let Some(path) = Path::new("TTL") else {
        return;
    };
    let words = ["Time to live exceeded", "Time exceeded: Hop limit"];
    for ((target, router), words) in SERVER.into_iter().zip(ROUTER).zip(words) {
        is_refused(&path.client, &format!("-t 1 {target}"), router, words);
        let run = Run::words(&path.client, &format!("-c 1 -W 1 -t 2 {target}"));
        assert_eq!((run.status, run.counts().received), (Some(0), 1), "{run}");
        // One router on the way back.
        assert!(run.says("ttl=63"), "{run}");
    }
}

#[test]
fn a_neighbour_that_is_not_there_is_told_by_this_host_itself() {
    let Some(path) = Path::new("no neighbour") else {
        return;
    };
    for family in ["ipv4", "ipv6"] {
        path.client.sysctl(&[
            &format!("net.{family}.neigh.near0.mcast_solicit=1"),
            &format!("net.{family}.neigh.near0.retrans_time_ms=50"),
        ]);
    }
    for (target, by, words) in [
        ("10.77.1.77", "10.77.1.1", "Destination Host Unreachable"),
        (
            "fd77:1::77",
            "fd77:1::1",
            "Destination unreachable: Address unreachable",
        ),
    ] {
        is_refused(&path.client, target, by, words);
    }
}

#[test]
fn what_the_firewall_of_this_host_drops_is_told_once_and_counted_apart() {
    let test = "a firewall on the way out";
    if program("nft").is_none() {
        return skip(test, "nft is not installed");
    }
    let Some(namespace) = Namespace::new(test) else {
        return;
    };
    namespace.firewall_at("output", "meta l4proto { icmp, ipv6-icmp } drop");
    for target in ["127.0.0.1", "::1"] {
        let run = Run::words(&namespace, &format!("-c 5 -i 0.01 -W 0.2 {target}"));
        assert_eq!(run.status, Some(1), "{run}");
        let all = format!("{}{}", run.text, run.errors);
        assert_eq!(all.matches("Operation not permitted").count(), 1, "{run}");
        assert!(all.contains("firewall"), "{run}");
        assert_eq!(run.counts().received, 0, "{run}");
    }
}
