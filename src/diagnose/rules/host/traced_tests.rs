//! The rules on what the kernel told while it was traced, each with a look-alike.

use std::time::Duration;

use crate::diagnose::testing::{sample, socket};
use crate::diagnose::{Case, Subject, diagnose};
use crate::host::network::BEYOND;
use crate::host::traced::{CountedReset, DroppedFlow, FailedSend, Process, Traced};
use crate::host::{Delta, Index, Machine, Namespace, Network, RouteAnswer, RouteTo, Sample};
use crate::nftables::{Chain, Family as Table, Firewall, Hook};
use crate::rtnetlink::{InterfaceAddress, Link};
use crate::sockets::testing::owners;
use crate::sockets::{Address, Family, Proto, Socket, State};

/// A host with an address on eth0 and containers on docker0, and what was traced there.
pub(super) fn host(traced: Traced) -> Network {
    let link = |index, name: &str, kind: Option<&str>| Link {
        index,
        name: name.into(),
        kind: kind.map(Into::into),
        up: true,
        carrier: true,
        ..Link::default()
    };
    let address = |interface, address: [u8; 4]| InterfaceAddress {
        interface,
        address: address.into(),
        prefix: 24,
        duplicate: false,
        learned: false,
        deprecated: false,
    };
    Network {
        links: vec![link(2, "eth0", None), link(3, "docker0", Some("bridge"))],
        addresses: vec![address(2, [10, 0, 0, 2]), address(3, [172, 17, 0, 1])],
        routes: vec![RouteTo {
            to: [10, 77, 0, 5].into(),
            answer: RouteAnswer::Refused(101),
        }],
        traced: Some(traced),
        ..Network::default()
    }
}

/// What is found between nothing and this, two seconds later.
pub(super) fn said(network: Network, sockets: &[Socket]) -> Vec<(&'static str, String, Subject)> {
    let with = |network| Sample {
        namespaces: vec![Namespace {
            local_ports: Some((32_768, 60_999)),
            ..Namespace::new(1, "")
        }],
        networks: vec![network],
        owners: owners(&[(812, "web", None, &[7])]),
        ..sample(sockets.to_vec())
    };
    let (before, after) = (with(host(Traced::default())), with(network));
    let index = Index::new(&after);
    let delta = Delta::new(Index::new(&before), &index, Duration::from_secs(2));
    let findings = diagnose(&Case::new(&index).since(Some(&delta)));
    let found = findings.all().iter();
    found
        .map(|it| (it.rule.id, it.headline.clone(), it.subject))
        .collect()
}

pub(super) fn one(network: Network, sockets: &[Socket]) -> (&'static str, String) {
    let mut said = said(network, sockets);
    assert_eq!(said.len(), 1, "{said:?}");
    let (id, headline, _) = said.remove(0);
    (id, headline)
}

pub(super) fn flow(
    reason: &str,
    interface: u32,
    source: [u8; 4],
    to: ([u8; 4], u16),
) -> DroppedFlow {
    DroppedFlow {
        reason: reason.into(),
        interface,
        protocol: 6,
        source: source.into(),
        destination: (to.0.into(), to.1),
        begins: true,
        packets: 2,
    }
}

pub(super) fn flows(flows: Vec<DroppedFlow>) -> Network {
    host(Traced {
        flows,
        ..Traced::default()
    })
}

pub(super) fn end(addr: [u8; 4], port: u16) -> Address {
    Address::Ip {
        addr: addr.into(),
        port,
        scope: 0,
    }
}

pub(super) fn at(state: State, addr: [u8; 4], port: u16) -> Socket {
    Socket {
        local: end(addr, port),
        peer: Address::None,
        ..socket(state, 0, 0)
    }
}

pub(super) fn client() -> Process {
    Process {
        pid: Some(99),
        comm: (*b"curl").into(),
    }
}

#[test]
fn syns_for_another_address_of_a_listener_name_it_and_those_it_takes_do_not() {
    let asked = |packets| {
        flows(vec![DroppedFlow {
            packets,
            ..flow("NO_SOCKET", 2, [10, 0, 0, 9], ([10, 0, 0, 2], 8080))
        }])
    };
    let local = || vec![at(State::Listen, [127, 0, 0, 1], 8080)];
    let (id, headline) = one(asked(2), &local());
    assert_eq!(id, "listener_elsewhere");
    assert_eq!(
        headline,
        "refused at 10.0.0.2:8080: 10.0.0.9, 2 times in 2.0 s: web listens on 127.0.0.1:8080 only"
    );
    assert_eq!(said(asked(1), &local()), []);
    assert_eq!(said(asked(2), &[at(State::Listen, [0, 0, 0, 0], 8080)]), []);
    let v6 = Socket {
        local: Address::Ip {
            addr: std::net::Ipv6Addr::UNSPECIFIED.into(),
            port: 8080,
            scope: 0,
        },
        v6_only: Some(true),
        family: Family::Inet6,
        ..at(State::Listen, [0; 4], 8080)
    };
    let (_, headline) = one(asked(2), &[v6]);
    assert!(
        headline.ends_with("web listens on [::]:8080 for IPv6 only"),
        "{headline}"
    );
}

#[test]
fn syns_to_a_closed_port_are_told_from_late_segments_and_from_a_scan() {
    let asked = |port| flow("NO_SOCKET", 2, [10, 0, 0, 9], ([10, 0, 0, 2], port));
    let (id, headline) = one(flows(vec![asked(5432)]), &[]);
    assert_eq!(id, "nobody_listens");
    assert!(
        headline.contains("10.0.0.2:5432: 10.0.0.9, 2 times"),
        "{headline}"
    );
    // The end of an outgoing connection.
    assert_eq!(said(flows(vec![asked(40_000)]), &[]), []);
    let late = DroppedFlow {
        begins: false,
        ..asked(5432)
    };
    assert_eq!(said(flows(vec![late]), &[]), []);
    assert_eq!(said(flows((1..9).map(asked).collect()), &[]), []);
}

fn with_policy(hook: Hook, mut network: Network) -> Network {
    network.firewall = Some(Firewall {
        chains: vec![Chain {
            family: Table::Inet,
            table: "filter".into(),
            name: "chain".into(),
            hook: Some(hook),
            drops: true,
            priority: 0,
            packets: None,
        }],
        ..Firewall::default()
    });
    network
}

#[test]
fn containers_that_are_not_let_out_are_told_from_strangers_that_are_not_let_in() {
    let dropped = |interface, source| {
        let flow = flow("NETFILTER_DROP", interface, source, ([10, 9, 9, 9], 80));
        with_policy(Hook::Forward, flows(vec![flow]))
    };
    let (id, headline) = one(dropped(3, [172, 17, 0, 5]), &[]);
    assert_eq!(id, "forward_dropped");
    assert!(headline.contains("docker0"), "{headline}");
    assert!(headline.contains("172.17.0.5 to 10.9.9.9:80"), "{headline}");
    assert_eq!(said(dropped(3, [10, 1, 1, 1]), &[]), []);
    assert_eq!(said(dropped(2, [10, 0, 0, 9]), &[]), []);
}

#[test]
fn clients_that_the_firewall_stops_are_told_from_what_nobody_serves_and_from_a_scan() {
    let dropped = |ports: std::ops::Range<u16>| {
        let of = |port| flow("NETFILTER_DROP", 2, [10, 0, 0, 9], ([10, 0, 0, 2], port));
        with_policy(Hook::Input, flows(ports.map(of).collect()))
    };
    let listener = || vec![at(State::Listen, [0; 4], 80)];
    let (id, headline) = one(dropped(80..81), &listener());
    assert_eq!(id, "listener_firewalled");
    assert!(
        headline.contains("port 80, on which web listens (2 packets of 10.0.0.9)"),
        "{headline}"
    );
    assert_eq!(said(dropped(80..81), &[]), []);
    assert_eq!(said(dropped(78..84), &listener()), []);
    let udp = Socket {
        proto: Proto::Udp,
        ..at(State::Unconnected, [0; 4], 80)
    };
    assert_eq!(said(dropped(80..81), &[udp]), []);
}

#[test]
fn reasons_that_healthy_hosts_never_have_are_told_and_others_are_not() {
    let dropped = |reason: &str, count| {
        host(Traced {
            reasons: vec![(reason.into(), count)],
            ..Traced::default()
        })
    };
    let (id, headline) = one(dropped("PROTO_MEM", 1), &[]);
    assert_eq!(id, "kernel_drops");
    assert!(headline.contains("tcp_mem"), "{headline}");
    assert_eq!(said(dropped("NO_SOCKET", 1000), &[]), []);
    assert_eq!(said(dropped("SOCKET_BACKLOG", 4), &[]), []);
}

#[test]
fn a_full_neighbour_table_shows_in_a_network_namespace_that_does_not_have_its_files() {
    let with = |count, errno| {
        let send = FailedSend {
            by: Process {
                pid: None,
                comm: b"probe"[..].into(),
            },
            errno,
            protocol: 17,
            times: count,
        };
        host(Traced {
            reasons: vec![("NEIGH_CREATEFAIL".into(), count)],
            sends: vec![send],
            ..Traced::default()
        })
    };
    for (errno, table) in [(22, "(ndisc_cache): 40"), (105, "(arp_cache): 40")] {
        let (id, headline) = one(with(40, errno), &[]);
        assert_eq!(id, "neighbour_table_full");
        assert!(headline.contains(table), "{headline}");
    }
    assert_eq!(said(with(1, 105), &[]), []);
}

#[test]
fn a_client_from_the_wide_world_has_to_ask_more_often() {
    let asked = |source, packets| {
        flows(vec![DroppedFlow {
            packets,
            ..flow("NO_SOCKET", 2, source, ([10, 0, 0, 2], 445))
        }])
    };
    assert_eq!(one(asked([192, 168, 7, 7], 2), &[]).0, "nobody_listens");
    assert_eq!(said(asked([203, 0, 113, 9], 3), &[]), []);
    assert_eq!(one(asked([203, 0, 113, 9], 20), &[]).0, "nobody_listens");
}

#[test]
fn localhost_that_is_refused_by_ipv6_is_healthy_if_ipv4_gets_through() {
    let asked = || {
        flows(vec![DroppedFlow {
            source: std::net::Ipv6Addr::LOCALHOST.into(),
            destination: (std::net::Ipv6Addr::LOCALHOST.into(), 8080),
            ..flow("NO_SOCKET", 1, [127, 0, 0, 1], ([127, 0, 0, 1], 8080))
        }])
    };
    let listener = at(State::Listen, [127, 0, 0, 1], 8080);
    let connection = Socket {
        peer: end([127, 0, 0, 1], 40_000),
        ..at(State::TimeWait, [127, 0, 0, 1], 8080)
    };
    assert_eq!(
        one(asked(), std::slice::from_ref(&listener)).0,
        "listener_elsewhere"
    );
    assert_eq!(said(asked(), &[listener, connection]), []);
}

#[test]
fn martians_name_the_source_and_two_are_everyday() {
    let dropped = |count| {
        host(Traced {
            reasons: vec![("IP_LOCAL_SOURCE".into(), count)],
            flows: vec![flow(
                "IP_LOCAL_SOURCE",
                2,
                [10, 0, 0, 2],
                ([10, 0, 0, 2], 7),
            )],
            ..Traced::default()
        })
    };
    let (id, headline) = one(dropped(3), &[]);
    assert_eq!(id, "martian_packets");
    assert!(
        headline.starts_with(
            "martian packets: 3 in 2.0 s (10.0.0.2 to 10.0.0.2 by eth0) come from an address of"
        ),
        "{headline}"
    );
    assert_eq!(said(dropped(2), &[]), []);
}

#[test]
fn resets_of_a_server_are_told_from_those_of_clients() {
    let reset = |reason: Option<&str>, local: &str, peer: &str, times| {
        host(Traced {
            resets: vec![CountedReset {
                reason: reason.map(Into::into),
                local: local.parse().unwrap(),
                peer: peer.parse().unwrap(),
                connecting: false,
                times,
            }],
            ..Traced::default()
        })
    };
    let mut refused = reset(None, "10.0.0.2:40000", "10.0.0.9:80", 3);
    refused.traced.as_mut().unwrap().resets[0].connecting = true;
    let (id, headline) = one(refused.clone(), &[]);
    assert_eq!(id, "refused_by_peer");
    assert_eq!(headline, "3 connections to 10.0.0.9:80 refused in 2.0 s");
    let through = Socket {
        peer: end([10, 0, 0, 9], 80),
        ..at(State::Established, [10, 0, 0, 2], 40_001)
    };
    assert_eq!(said(refused.clone(), &[through]), []);
    refused.traced.as_mut().unwrap().resets[0].peer = "10.0.0.2:80".parse().unwrap();
    assert_eq!(said(refused, &[]), []);
    let (id, headline) = one(reset(None, "10.0.0.2:40000", "10.0.0.9:80", 3), &[]);
    assert_eq!(id, "reset_by_peer");
    assert_eq!(
        headline,
        "3 connections to 10.0.0.9:80 reset by the peer in 2.0 s"
    );
    assert_eq!(
        said(reset(None, "10.0.0.2:40000", "10.0.0.9:80", 2), &[]),
        []
    );
    let listener = || vec![at(State::Listen, [0; 4], 8080)];
    let of_client = |reason| reset(reason, "10.0.0.2:8080", "10.0.0.9:40000", 9);
    assert_eq!(said(of_client(None), &listener()), []);
    let unread = Some("TCP_ABORT_ON_CLOSE");
    let (id, headline) = one(of_client(unread), &listener());
    assert_eq!(id, "closed_unread");
    assert_eq!(
        headline,
        "9 connections closed with unread data in 2.0 s: 10.0.0.9 got a reset (RST)"
    );
    assert_eq!(said(of_client(unread), &[]), []);
    assert_eq!(said(of_client(Some("TCP_STATE")), &listener()), []);
}

#[test]
fn a_resolver_of_this_host_that_does_not_run_is_a_finding_once_it_is_asked() {
    let ask = |ip: [u8; 4]| DroppedFlow {
        protocol: 17,
        begins: false,
        ..flow("NO_SOCKET", 1, [127, 0, 0, 1], (ip, 53))
    };
    let found = |servers: &[[u8; 4]], asked: Vec<DroppedFlow>| {
        let with = |network| Sample {
            networks: vec![network],
            machine: Some(Machine {
                nameservers: Some(servers.iter().map(|ip| (*ip).into()).collect()),
                ..Machine::default()
            }),
            ..Sample::default()
        };
        let (before, after) = (with(host(Traced::default())), with(flows(asked)));
        let index = Index::new(&after);
        let delta = Delta::new(Index::new(&before), &index, Duration::from_secs(2));
        let findings = diagnose(&Case::new(&index).since(Some(&delta)));
        findings.all().first().map(|it| it.headline.clone())
    };
    let local = [127, 0, 0, 53];
    assert_eq!(
        found(&[local], vec![ask(local)]).unwrap(),
        "the name server in /etc/resolv.conf, 127.0.0.53, does not run: nothing listens on its UDP port 53"
    );
    assert_eq!(found(&[local], vec![]), None);
    assert_eq!(found(&[local, [10, 0, 0, 53]], vec![ask(local)]), None);
    assert!(found(&[], vec![]).is_some());
}

#[test]
fn advertisements_that_stopped_are_told_from_a_network_that_is_renumbered() {
    let learned = |last: u16, deprecated| InterfaceAddress {
        interface: 2,
        address: std::net::Ipv6Addr::new(0xfd00, 0, 0, last, 0, 0, 0, 1).into(),
        prefix: 64,
        duplicate: false,
        learned: true,
        deprecated,
    };
    let with = |addresses: &[InterfaceAddress], route: RouteAnswer| {
        let mut network = host(Traced::default());
        network.addresses.extend(addresses);
        network.routes.push(RouteTo {
            to: BEYOND,
            answer: route,
        });
        network
    };
    let refused = RouteAnswer::Refused(101);
    let (id, headline) = one(with(&[learned(1, true)], refused), &[]);
    assert_eq!(id, "ipv6_autoconfiguration_lost");
    assert!(
        headline.ends_with("fd00:0:0:1::1 is deprecated"),
        "{headline}"
    );
    let both = [learned(1, true), learned(2, false)];
    assert_eq!(said(with(&both, refused), &[]), []);
    assert_eq!(said(with(&[learned(1, false)], refused), &[]), []);
    let mut ignoring = with(&[learned(1, false)], refused);
    ignoring.settings.put("net.ipv6.conf.eth0.accept_ra", "1");
    assert_eq!(said(ignoring.clone(), &[]), []);
    ignoring.settings.put("net.ipv6.conf.eth0.forwarding", "1");
    assert_eq!(one(ignoring, &[]).0, "ipv6_autoconfiguration_lost");
    let mut down = with(&[learned(1, true)], refused);
    down.links[0].carrier = false;
    assert_eq!(said(down, &[]), []);
}
