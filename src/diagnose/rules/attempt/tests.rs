//! Attempts and what they prove.

use super::*;
use crate::host::{Index, Sample};
use crate::ping::hops::{Answer, Hop};
use crate::ping::mpls::Labels;
use crate::sockets::testing::listener;
use crate::sockets::{Proto, Socket};

const TO: ([u8; 4], u16) = ([10, 9, 2, 2], 5432);

fn to() -> SocketAddr {
    TO.into()
}

fn refusal(r#type: u8, code: u8, by: [u8; 4]) -> Refusal {
    Refusal {
        version: Version::V4,
        r#type,
        code,
        by: Some(by.into()),
    }
}

fn trace(routers: &[Option<u8>]) -> Trace {
    let hops: Vec<Hop> = (1..)
        .zip(routers)
        .map(|(distance, router)| Hop {
            distance,
            answers: vec![router.map(|last| Answer {
                from: [10, 0, 0, last].into(),
                rtt: None,
                labels: Labels::default(),
            })],
            end: None,
        })
        .collect();
    Trace::of(30, &hops)
}

#[test]
fn each_icmp_error_has_its_rule() {
    let router = [10, 9, 1, 1];
    for (refusal, rule) in [
        (refusal(3, 1, router), &HOST_UNREACHABLE),
        (refusal(3, 0, router), &HOST_UNREACHABLE),
        (refusal(3, 3, router), &PATH_FILTERED),
        (refusal(3, 13, router), &PATH_FILTERED),
        (refusal(3, 10, TO.0), &PATH_FILTERED),
        (refusal(11, 0, router), &ROUTING_LOOP),
    ] {
        let found = rejected(to(), &refusal, None, None);
        assert_eq!(found.rule, rule, "{refusal:?}");
        let by = refusal.by.unwrap().to_string();
        assert!(found.headline.contains(&by), "{}", found.headline);
    }
    let turns = trace(&[Some(1), Some(2), Some(1), Some(2)]);
    let found = rejected(to(), &refusal(11, 0, router), Some(&turns), None);
    assert_eq!(found.rule, &ROUTING_LOOP);
    assert!(
        found.headline.contains("10.0.0.1 and 10.0.0.2"),
        "{}",
        found.headline
    );
}

#[test]
fn silence_is_not_more_than_it_is() {
    let path = trace(&[Some(1), Some(2), None, None]);
    let of = |trace, others| {
        silent(&Silence {
            to: to(),
            syns: 3,
            time: Duration::from_secs(4),
            trace,
            others,
        })
    };
    let found = of(None, &[]);
    assert_eq!(found.rule, &NO_ANSWER);
    assert!(
        found.headline.contains("the host is off, or a firewall"),
        "{}",
        found.headline
    );
    let found = of(Some(&path), &[(443, false)]);
    assert_eq!(found.rule, &NO_ANSWER);
    assert!(
        found.headline.contains("10.0.0.2 (hop 2)"),
        "{}",
        found.headline
    );
    let found = of(Some(&path), &[(443, true)]);
    assert_eq!(found.rule, &PORT_FILTERED);
    assert!(found.headline.contains("port 443"), "{}", found.headline);
    let turns = trace(&[Some(1), Some(2), Some(1), Some(2)]);
    assert_eq!(of(Some(&turns), &[]).rule, &ROUTING_LOOP);
}

fn here(sockets: Vec<Socket>, to: &str) -> &'static Rule {
    let sample = Sample {
        sockets,
        ..Sample::default()
    };
    let index = Index::new(&sample);
    let target = Target {
        index: &index,
        proto: Proto::Tcp,
        to: to.parse().unwrap(),
        netns: 0,
        is_stopped: |_| false,
    };
    refused_here(&target).unwrap().rule
}

#[test]
fn a_refusal_of_this_host_is_told_by_its_listeners() {
    let of = |local: &str, to| here(vec![listener(local)], to);
    assert_eq!(here(Vec::new(), "10.0.0.1:80"), &PORT_CLOSED);
    assert_eq!(of("127.0.0.1:80", "10.0.0.1:80"), &LOOPBACK_ONLY);
    assert_eq!(of("10.0.0.2:80", "10.0.0.1:80"), &LISTENS_ELSEWHERE);
    assert_eq!(of("127.0.0.1:80", "[::1]:80"), &FAMILY_MISMATCH);
    assert_eq!(of("0.0.0.0:80", "10.0.0.1:80"), &OWN_FIREWALL_DROPS);
    let only = Socket {
        v6_only: Some(true),
        ..listener("[::]:80")
    };
    assert_eq!(here(vec![only], "127.0.0.1:80"), &FAMILY_MISMATCH);
    let elsewhere = Socket {
        netns: 1,
        ..listener("0.0.0.0:80")
    };
    assert_eq!(here(vec![elsewhere], "10.0.0.1:80"), &OTHER_NAMESPACE);
}
