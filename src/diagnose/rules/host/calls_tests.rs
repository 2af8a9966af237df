//! The rules on calls that failed while the kernel was traced, each with a look-alike.

use std::time::Duration;

use super::traced_tests::*;
use crate::diagnose::testing::{sample, socket};
use crate::diagnose::{Case, diagnose};
use crate::host::traced::{FailedCall, FailedLookup, FailedSend, Process, Traced};
use crate::host::{Delta, Index, Network, RouteAnswer, RouteTo, Sample};
use crate::rtnetlink::{Route, RouteKind};
use crate::sockets::{Address, Proto, Socket, State};

#[test]
fn a_holder_of_a_port_is_a_finding_if_somebody_wants_the_port() {
    let holder = || vec![at(State::BoundInactive, [0; 4], 8080)];
    assert_eq!(said(host(Traced::default()), &holder()), []);
    let bind = |times| {
        host(Traced {
            calls: vec![FailedCall {
                by: client(),
                call: "bind".into(),
                errno: 98,
                address: Some("10.0.0.2:8080".parse().unwrap()),
                times,
            }],
            ..Traced::default()
        })
    };
    let (id, headline) = one(bind(1), &holder());
    assert_eq!(id, "bound_never_listened");
    assert_eq!(
        headline,
        "holds port 8080 but never listened; curl (pid 99) cannot bind it"
    );
    let asked = flow("NO_SOCKET", 2, [10, 0, 0, 9], ([10, 0, 0, 2], 8080));
    let (_, headline) = one(flows(vec![asked]), &holder());
    assert!(headline.ends_with("clients are refused"), "{headline}");
    // A listener that has it.
    let listener = || vec![at(State::Listen, [0; 4], 8080)];
    let (id, headline) = one(bind(2), &listener());
    assert_eq!(id, "port_held");
    assert_eq!(
        headline,
        "curl (pid 99) cannot bind 10.0.0.2:8080 (2 times in 2.0 s): web (pid 812) listens on it"
    );
    // It takes another port then.
    assert_eq!(said(bind(1), &listener()), []);
}

#[test]
fn sends_to_a_broadcast_address_are_told_from_a_route_that_prohibits() {
    let traced = |times, prohibited: bool| {
        let lookup = FailedLookup {
            by: Some(client()),
            from: None,
            to: [10, 0, 0, 7].into(),
            times: 1,
        };
        host(Traced {
            sends: vec![FailedSend {
                by: client(),
                errno: 13,
                protocol: 17,
                times,
            }],
            lookups: if prohibited { vec![lookup] } else { vec![] },
            ..Traced::default()
        })
    };
    let (id, headline) = one(traced(2, false), &[]);
    assert_eq!(id, "broadcast_not_permitted");
    assert!(
        headline.contains("2 sends of curl (pid 99) failed"),
        "{headline}"
    );
    assert_eq!(said(traced(1, false), &[]), []);
    assert_eq!(said(traced(2, true), &[]), []);
}

#[test]
fn a_client_at_its_descriptor_limit_is_named_and_one_that_spins() {
    let failed = |times| {
        host(Traced {
            calls: vec![FailedCall {
                by: client(),
                call: "socket".into(),
                errno: 24,
                address: None,
                times,
            }],
            ..Traced::default()
        })
    };
    assert_eq!(said(failed(1), &[]), []);
    let (id, headline) = one(failed(2), &[]);
    assert_eq!(id, "descriptor_limit");
    assert!(
        headline.ends_with("calls of curl (pid 99) for a socket failed with EMFILE"),
        "{headline}"
    );
    let (_, headline) = one(failed(9_000), &[]);
    assert!(
        headline.ends_with("it tries again 4500 times a second"),
        "{headline}"
    );
}

#[test]
fn destinations_that_were_looked_up_in_vain_are_named() {
    let tried = |times, from: Option<[u8; 4]>| {
        host(Traced {
            lookups: vec![FailedLookup {
                by: Some(client()),
                from: from.map(Into::into),
                to: [10, 77, 0, 5].into(),
                times,
            }],
            ..Traced::default()
        })
    };
    let (id, headline) = one(tried(2, None), &[]);
    assert_eq!(id, "no_route");
    assert!(
        headline.starts_with("no route to 10.77.0.5: "),
        "{headline}"
    );
    assert!(headline.ends_with("curl (pid 99) tried"), "{headline}");
    assert_eq!(said(tried(1, None), &[]), []);
    // An answer to a packet of a stranger.
    assert_eq!(said(tried(9, Some([10, 0, 0, 2])), &[]), []);
}

/// A call of `connect()` to 10.77.0.5:80 that failed with this.
fn connect_failed(errno: i32) -> FailedCall {
    FailedCall {
        by: Process {
            pid: None,
            comm: b"client"[..].into(),
        },
        call: "connect".into(),
        errno,
        address: Some(([10, 77, 0, 5], 80).into()),
        times: 3,
    }
}

#[test]
fn connections_that_icmp_ends_are_told_from_a_missing_route_and_an_own_reject() {
    let with = |errno, arrived, own, has_route| {
        let mut network = host(Traced {
            calls: vec![connect_failed(errno)],
            ..Traced::default()
        });
        network.counters.read_list(&format!(
            "IcmpInDestUnreachs {arrived}\nIcmpOutDestUnreachs {own}\n"
        ));
        if has_route {
            network.routes = vec![RouteTo {
                to: [10, 77, 0, 5].into(),
                answer: RouteAnswer::Route(Route {
                    kind: RouteKind::Unicast,
                    interface: Some(2),
                    gateway: None,
                    source: None,
                    table: 254,
                }),
            }];
        }
        network
    };
    let counted = |network: Network| {
        let mut before = host(Traced::default());
        before
            .counters
            .read_list("IcmpInDestUnreachs 0\nIcmpOutDestUnreachs 0\n");
        let with = |network| Sample {
            networks: vec![network],
            ..sample(vec![])
        };
        let (before, after) = (with(before), with(network));
        let index = Index::new(&after);
        let delta = Delta::new(Index::new(&before), &index, Duration::from_secs(2));
        let findings = diagnose(&Case::new(&index).since(Some(&delta)));
        let found = findings.all().iter();
        found
            .map(|it| (it.rule.id, it.headline.clone()))
            .collect::<Vec<_>>()
    };
    let found = counted(with(113, 3, 0, true));
    assert_eq!(found[0].0, "called_unreachable");
    assert!(found[0].1.contains("client to 10.77.0.5:80"), "{found:?}");
    assert_eq!(counted(with(113, 3, 3, true)), []);
    assert_eq!(counted(with(113, 0, 0, true)), []);
    assert_eq!(counted(with(113, 3, 0, false)), []);
    assert_eq!(counted(with(98, 3, 0, true)), []);
}

#[test]
fn datagrams_that_another_host_refuses_are_told_from_a_single_question() {
    let with = |times, errno| {
        let send = FailedSend {
            by: Process {
                pid: Some(812),
                comm: b"web"[..].into(),
            },
            errno,
            protocol: 17,
            times,
        };
        host(Traced {
            sends: vec![send],
            ..Traced::default()
        })
    };
    let log = Socket {
        proto: Proto::Udp,
        peer: Address::Ip {
            addr: [10, 0, 0, 9].into(),
            port: 514,
            scope: 0,
        },
        ..socket(State::Established, 0, 0)
    };
    let (id, headline) = one(with(3, 111), &[log]);
    assert_eq!(id, "udp_refused_by_peer");
    assert!(headline.contains("to 10.0.0.9:514 refused"), "{headline}");
    assert_eq!(said(with(2, 111), &[]), []);
    assert_eq!(said(with(3, 1), &[]), []);
}

#[test]
fn an_address_that_no_interface_has_is_told_from_one_that_is_there() {
    let bind = |address: &str, times| {
        host(Traced {
            calls: vec![FailedCall {
                by: client(),
                call: "bind".into(),
                errno: 99,
                address: Some(address.parse().unwrap()),
                times,
            }],
            ..Traced::default()
        })
    };
    let (id, headline) = one(bind("10.0.0.99:80", 2), &[]);
    assert_eq!(id, "address_not_local");
    assert_eq!(
        headline,
        "curl (pid 99) cannot bind 10.0.0.99:80 (2 times in 2.0 s): no interface of this host has the address"
    );
    assert_eq!(said(bind("10.0.0.99:80", 1), &[]), []);
    assert_eq!(said(bind("10.0.0.2:80", 2), &[]), []);
}
