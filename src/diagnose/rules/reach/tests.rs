//! Each rule on figures that make it fire, and on a look-alike.

use std::net::IpAddr;
use std::time::Duration;

use crate::diagnose::testing::{figures, sample, timer};
use crate::diagnose::{Case, Findings, diagnose};
use crate::host::{Delta, Index, Network, RouteAnswer, RouteTo, Sample};
use crate::nftables::rule::{Comparison, Condition, Field};
use crate::nftables::{self, Chain, Firewall, Hook, Verdict};
use crate::rtnetlink::{InterfaceAddress, Link, Neighbour, Reachability, Route, RouteKind};
use crate::sockdiag::TcpInfoValues;
use crate::sockets::{Address, Details, Family, Proto, Socket, State, TcpFigures, TimerKind};

fn peer() -> IpAddr {
    [10, 9, 2, 2].into()
}

fn end(addr: impl Into<IpAddr>, port: u16) -> Address {
    Address::Ip {
        addr: addr.into(),
        port,
        scope: 0,
    }
}

/// A connection to the peer with figures of its `tcp_info`.
fn connection(state: State, info: TcpInfoValues) -> Socket {
    Socket {
        local: end([10, 9, 1, 1], 40_000),
        peer: end(peer(), 9000),
        inode: 7,
        cookie: Some(1),
        details: Some(Box::new(Details {
            tcp: Some(info.into()),
            ..Details::default()
        })),
        ..Socket::blank(Proto::Tcp, Family::Inet, state)
    }
}

/// A SYN that was sent three times.
fn connecting() -> Socket {
    Socket {
        timer: Some(timer(TimerKind::Retransmit, 2)),
        ..connection(State::SynSent, TcpInfoValues::default())
    }
}

/// A network stack that reaches the peer over a router.
fn reaching(answer: RouteAnswer, reachability: Reachability, carrier: bool) -> Network {
    Network {
        links: vec![Link {
            index: 2,
            name: "eth0".into(),
            up: true,
            carrier,
            ..Link::default()
        }],
        neighbours: vec![Neighbour {
            interface: 2,
            address: [10, 9, 1, 254].into(),
            reachability,
            state: 0,
            hardware: None,
        }],
        routes: vec![RouteTo { to: peer(), answer }],
        ..Network::default()
    }
}

fn route(kind: RouteKind) -> RouteAnswer {
    RouteAnswer::Route(Route {
        kind,
        interface: Some(2),
        gateway: Some([10, 9, 1, 254].into()),
        source: None,
        table: 254,
    })
}

fn with(network: Network, sockets: Vec<Socket>) -> Sample {
    Sample {
        networks: vec![network],
        ..sample(sockets)
    }
}

/// The rules that fire, and the causes that they name.
fn said(before: &Sample, after: &Sample) -> Vec<(&'static str, Option<&'static str>)> {
    let index = Index::new(after);
    let delta = Delta::new(Index::new(before), &index, Duration::from_secs(2));
    let findings: Findings = diagnose(&Case::new(&index).since(Some(&delta)));
    let cause = |at| findings.get(at).map(|finding| finding.rule.id);
    let all = findings.all().iter();
    all.map(|finding| (finding.rule.id, finding.because.and_then(cause)))
        .collect()
}

#[test]
fn what_keeps_a_connection_waiting_is_its_cause() {
    let known = Reachability::Known;
    for (network, rule) in [
        (reaching(RouteAnswer::Refused(101), known, true), "no_route"),
        (
            reaching(route(RouteKind::Blackhole), known, true),
            "no_route",
        ),
        (
            reaching(route(RouteKind::Unicast), known, false),
            "link_down",
        ),
        (
            reaching(route(RouteKind::Unicast), Reachability::Failed, true),
            "neighbour_failed",
        ),
        (
            reaching(route(RouteKind::Unicast), Reachability::Incomplete, true),
            "neighbour_failed",
        ),
    ] {
        let sample = with(network.clone(), vec![connecting()]);
        let expected = [(rule, None), ("connecting_no_answer", Some(rule))];
        assert_eq!(said(&sample, &sample), expected);
        // Nobody waits for it.
        let idle = with(
            network,
            vec![connection(State::Established, TcpInfoValues::default())],
        );
        assert_eq!(said(&idle, &idle), []);
    }
    let well = reaching(route(RouteKind::Unicast), known, true);
    let sample = with(well, vec![connecting()]);
    assert_eq!(said(&sample, &sample), [("connecting_no_answer", None)]);
}

#[test]
fn a_failed_send_is_of_this_hosts_firewall_unless_something_else_explains_it() {
    let at = |fails: u64, reachability| {
        let mut network = reaching(route(RouteKind::Unicast), reachability, true);
        network
            .counters
            .read_list(&format!("TcpExtTCPRetransFail {fails}\n"));
        with(network, vec![connecting()])
    };
    let said = |after: u64, reachability| said(&at(7, reachability), &at(after, reachability));
    let rule = "own_firewall_drops";
    assert_eq!(
        said(8, Reachability::Known),
        [(rule, None), ("connecting_no_answer", Some(rule))]
    );
    assert_eq!(
        said(7, Reachability::Known),
        [("connecting_no_answer", None)]
    );
    let found = said(8, Reachability::Failed);
    assert_eq!(found[0], ("neighbour_failed", None));
    assert!(!found.iter().any(|(id, _)| *id == rule), "{found:?}");
}

#[test]
fn losses_are_what_the_peer_did_not_get_twice() {
    let in_state = |state, segments: u32, again: u32, twice: u32| {
        let info = TcpInfoValues {
            data_segs_out: Some(segments),
            total_retrans: Some(again),
            dsack_dups: Some(twice),
            ..TcpInfoValues::default()
        };
        with(Network::default(), vec![connection(state, info)])
    };
    let at = |segments, again, twice| in_state(State::Established, segments, again, twice);
    let silent = |again| in_state(State::SynSent, 0, again, 0);
    let unanswered = said(&silent(0), &silent(20));
    let said = |segments: u32, again: u32, twice: u32| {
        let found = said(
            &at(1_000, 500, 0),
            &at(1_000 + segments, 500 + again, twice),
        );
        found.into_iter().map(|(id, _)| id).collect::<Vec<_>>()
    };
    assert_eq!(said(1_000, 50, 0), ["path_loss"]);
    // One in a thousand; too few to tell; reordering.
    for (segments, again, twice) in [(20_000, 20, 0), (100, 9, 0), (1_000, 50, 45)] {
        assert_eq!(said(segments, again, twice), [""; 0]);
    }
    // SYNs that nobody answers.
    let is_loss = |(id, _): &(&str, _)| *id == "path_loss";
    assert!(!unanswered.iter().any(is_loss), "{unanswered:?}");
}

#[test]
fn a_window_for_each_round_trip_is_told_from_a_slow_reader() {
    let at = |limited, acked, rtt| {
        let info = TcpInfoValues {
            rwnd_limited_us: Some(limited),
            bytes_acked: Some(acked),
            rtt_us: Some(rtt),
            snd_wnd_bytes: Some(16_384),
            ..TcpInfoValues::default()
        };
        with(
            Network::default(),
            vec![connection(State::Established, info)],
        )
    };
    let said = |limited, acked, rtt, least| {
        let [before, mut now] = [at(0, 0, rtt), at(limited, acked, rtt)];
        for socket in &mut now.sockets {
            let info = socket.details.as_mut().unwrap().tcp.as_mut().unwrap();
            *info = TcpInfoValues {
                min_rtt_us: Some(least),
                ..info.values().into_owned()
            }
            .into();
        }
        let found = said(&before, &now);
        found.into_iter().map(|(id, _)| id).collect::<Vec<_>>()
    };
    // Fifty round trips of 40 ms in two seconds.
    assert_eq!(
        said(900_000, 800_000, 40_000, 39_000),
        ["receive_window_small"]
    );
    // A slow reader, a sender with little to send, a short path, a slow link.
    for (limited, acked, rtt, least) in [
        (1_900_000, 100_000, 40_000, 39_000),
        (0, 800_000, 40_000, 39_000),
        (900_000, 9_000_000, 500, 500),
        (900_000, 800_000, 40_000, 100),
    ] {
        assert_eq!(said(limited, acked, rtt, least), [""; 0]);
    }
}

#[test]
fn a_black_hole_swallows_full_segments_and_a_dead_peer_all() {
    let at = |sacked| {
        let info = TcpInfoValues {
            retransmits: Some(4),
            backoff: Some(4),
            sacked: Some(sacked),
            pmtu_bytes: Some(1_500),
            snd_mss_bytes: Some(1_448),
            bytes_acked: Some(1),
            ..TcpInfoValues::default()
        };
        let stuck = Socket {
            send_q: 20_000,
            timer: Some(timer(TimerKind::Retransmit, 4)),
            ..connection(State::Established, info)
        };
        let evidence = TcpFigures {
            retransmits: Some(4),
            backoff: Some(4),
            last_ack_recv_ms: Some(9_000),
            ..TcpFigures::default()
        };
        with(Network::default(), vec![figures(stuck, evidence)])
    };
    let rule = "mtu_black_hole";
    let expected = [(rule, None), ("peer_silent", Some(rule))];
    assert_eq!(said(&at(1), &at(1)), expected);
    assert_eq!(said(&at(0), &at(0)), [("peer_silent", None)]);
}

/// A chain at a hook with one rule for a TCP destination port, which counted this many packets.
fn chain_with_rule(hook: Hook, port: u16, verdict: Verdict, packets: u64) -> Firewall {
    let (table, name): (Box<str>, Box<str>) = ("q".into(), "here".into());
    let compare = |field, value: &[u8]| Condition::Compare {
        field,
        mask: Vec::new(),
        comparison: Comparison::Equal,
        value: value.to_vec(),
    };
    Firewall {
        chains: vec![Chain {
            family: nftables::Family::Inet,
            table: table.clone(),
            name: name.clone(),
            hook: Some(hook),
            priority: 0,
            drops: false,
            packets: None,
        }],
        rules: vec![nftables::Rule {
            family: nftables::Family::Inet,
            table,
            chain: name,
            handle: 4,
            conditions: vec![
                compare(Field::Meta(16), &[6]),
                compare(Field::Header(2, 2, 2), &port.to_be_bytes()),
            ],
            verdict,
            packets: Some(packets),
        }],
        ..Firewall::default()
    }
}

fn with_firewall(firewall: Firewall, sockets: Vec<Socket>) -> Sample {
    let mut network = reaching(route(RouteKind::Unicast), Reachability::Known, true);
    network.addresses = vec![InterfaceAddress {
        interface: 2,
        address: [10, 9, 1, 1].into(),
        prefix: 24,
        duplicate: false,
        learned: false,
        deprecated: false,
    }];
    network.firewall = Some(firewall);
    with(network, sockets)
}

#[test]
fn a_rule_that_drops_what_a_waiting_connection_sends_or_is_sent_is_its_cause() {
    let said = |hook, port, verdict: Verdict| {
        let sample = |packets| {
            let firewall = chain_with_rule(hook, port, verdict.clone(), packets);
            with_firewall(firewall, vec![connecting()])
        };
        said(&sample(1), &sample(4))
    };
    let rule = "own_firewall_drops";
    let caused = [(rule, None), ("connecting_no_answer", Some(rule))];
    let not_caused = [("connecting_no_answer", None)];
    assert_eq!(said(Hook::Output, 9000, Verdict::Drop), caused);
    assert_eq!(said(Hook::Postrouting, 9000, Verdict::Drop), caused);
    // The reply is to port 40000.
    assert_eq!(said(Hook::Input, 40_000, Verdict::Drop), caused);
    assert_eq!(said(Hook::Input, 9000, Verdict::Drop), not_caused);
    assert_eq!(said(Hook::Output, 9000, Verdict::Accept), not_caused);
    assert_eq!(said(Hook::Forward, 9000, Verdict::Drop), not_caused);
}

#[test]
fn what_programs_send_is_stopped_where_the_counter_of_an_output_rule_rises() {
    let said = |hook, before, after| {
        let sample =
            |packets| with_firewall(chain_with_rule(hook, 25, Verdict::Reject, packets), vec![]);
        said(&sample(before), &sample(after))
    };
    assert_eq!(said(Hook::Output, 3, 5), [("output_stopped", None)]);
    assert_eq!(said(Hook::Output, 3, 4), []);
    assert_eq!(said(Hook::Output, 500, 500), []);
    assert_eq!(said(Hook::Input, 3, 500), []);
}

#[test]
fn clients_are_stopped_where_a_program_listens_on_the_port_of_a_rule() {
    let said = |port, of: [u8; 4], rises: u64| {
        let listener = Socket {
            local: end(of, 8080),
            peer: Address::None,
            ..Socket::blank(Proto::Tcp, Family::Inet, State::Listen)
        };
        let sample = |packets| {
            let firewall = chain_with_rule(Hook::Input, port, Verdict::Drop, packets);
            with_firewall(firewall, vec![listener.clone()])
        };
        said(&sample(3), &sample(3 + rises))
    };
    let found = [("listener_firewalled", None)];
    assert_eq!(said(8080, [0; 4], 1), found);
    assert_eq!(said(8080, [10, 9, 1, 1], 1), found);
    // Nobody knocks; it is open to this host only; nobody listens there.
    assert_eq!(said(8080, [0; 4], 0), []);
    assert_eq!(said(8080, [127, 0, 0, 1], 1), []);
    assert_eq!(said(23, [0; 4], 1), []);
}

#[test]
fn a_source_address_that_is_gone_or_of_another_interface_is_the_cause_of_what_waits() {
    let own = |interface, address: [u8; 4]| InterfaceAddress {
        interface,
        address: address.into(),
        prefix: 24,
        duplicate: false,
        learned: false,
        deprecated: false,
    };
    let network = |addresses: &[InterfaceAddress], of_source: Option<RouteAnswer>| {
        let mut network = reaching(route(RouteKind::Unicast), Reachability::Known, true);
        network.addresses = addresses.to_vec();
        network.links.push(Link {
            index: 1,
            name: "lo".into(),
            loopback: true,
            up: true,
            carrier: true,
            ..Link::default()
        });
        network.routes.extend(of_source.map(|answer| RouteTo {
            to: [10, 9, 1, 1].into(),
            answer,
        }));
        network
    };
    let found = |network: &Network, more: Vec<Socket>| {
        let sockets = [vec![connecting()], more].concat();
        let sample = with(network.clone(), sockets);
        said(&sample, &sample)
    };
    let rule = "wrong_source_address";
    let caused = [(rule, None), ("connecting_no_answer", Some(rule))];
    let not_caused = [("connecting_no_answer", None)];
    let other = own(2, [10, 9, 1, 7]);
    let sent_on = Some(route(RouteKind::Unicast));
    assert_eq!(found(&network(&[other], sent_on), vec![]), caused);
    // A transparent proxy; a sample that does not tell.
    let local = Some(route(RouteKind::Local));
    assert_eq!(found(&network(&[other], local), vec![]), not_caused);
    assert_eq!(found(&network(&[other], None), vec![]), not_caused);
    let on_loopback = network(&[other, own(1, [10, 9, 1, 1])], local);
    assert_eq!(found(&on_loopback, vec![]), caused);
    // Another connection from it is answered.
    let answered = connection(State::Established, TcpInfoValues::default());
    assert_eq!(found(&on_loopback, vec![answered]), not_caused);
    let here = network(&[own(2, [10, 9, 1, 1]), own(1, [10, 9, 1, 1])], local);
    assert_eq!(found(&here, vec![]), not_caused);
}
