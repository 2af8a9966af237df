//! Look-ups, each with a look-alike.

use std::net::SocketAddr;

use super::*;
use crate::dns::message::{Data, Record};
use crate::dns::{Answer, HostsEntry, Name, NameServer, Reply, Resolver, ResolverConfig};

const NAME: &str = "shop.test";

fn name() -> Name {
    Name::new(NAME).unwrap()
}

/// An answer with addresses, or with a response code.
fn answer(rcode: u8, addresses: &[&str]) -> Answer {
    let records = addresses.iter().map(|address| Record {
        name: name(),
        ttl: 60,
        data: Data::Address(address.parse().unwrap()),
    });
    Answer::Reply(Reply {
        rcode,
        records: records.collect(),
        ..Reply::default()
    })
}

fn asked(kind: QueryType, answer: Answer) -> Asked {
    Asked {
        name: name(),
        kind,
        answer,
        time: Duration::from_millis(1),
        sent: 1,
        ignored: 0,
        again: None,
        over_tcp: None,
        unchecked: None,
    }
}

/// A server's answers to A and AAAA.
fn server(last: u8, v4: Answer, v6: Answer) -> ServerAnswers {
    ServerAnswers {
        address: SocketAddr::from(([10, 9, 1, last], 53)),
        asked: vec![asked(QueryType::A, v4), asked(QueryType::Aaaa, v6)],
    }
}

fn good(last: u8) -> ServerAnswers {
    server(last, answer(0, &["10.9.1.1"]), answer(0, &[]))
}

fn silent(last: u8) -> ServerAnswers {
    server(last, Answer::Silent, Answer::Silent)
}

/// A look-up by which programs get an address.
fn lookup(servers: Vec<ServerAnswers>) -> Lookup {
    let configured = servers.iter().map(|server| NameServer {
        ip: server.address.ip(),
        zone: None,
    });
    Lookup {
        name: NAME.to_owned(),
        system: SystemAnswer::Addresses {
            addresses: vec![SocketAddr::from(([10, 9, 1, 1], 0))],
            canonical: None,
        },
        resolver: Resolver::CLibrary,
        time: Duration::from_millis(1),
        sources: None,
        hosts: Vec::new(),
        config: ResolverConfig {
            servers: configured.collect(),
            ..ResolverConfig::default()
        },
        servers,
        not_asked: None,
    }
}

/// The same without an address.
fn failed(servers: Vec<ServerAnswers>) -> Lookup {
    Lookup {
        system: SystemAnswer::Failed {
            code: "EAI_NONAME",
            cause: String::new(),
            next: None,
        },
        ..lookup(servers)
    }
}

fn found(lookup: &Lookup) -> Vec<(&'static str, Severity)> {
    let found = of_lookup(lookup).into_iter();
    found
        .map(|finding| (finding.rule.id, finding.severity))
        .collect()
}

#[test]
fn a_healthy_look_up_has_no_finding() {
    assert_eq!(found(&lookup(vec![good(1), good(2)])), []);
    let shared = server(2, answer(0, &["10.9.1.2"]), answer(0, &[]));
    assert_eq!(found(&lookup(vec![good(1), shared])), []);
    assert_eq!(found(&lookup(vec![])), []);
}

#[test]
fn a_dead_first_server_costs_its_timeout_and_a_dead_second_one_nothing() {
    let first = lookup(vec![silent(1), good(2)]);
    assert_eq!(
        found(&first),
        [("dns_first_server_dead", Severity::Warning)]
    );
    let headline = &of_lookup(&first)[0].headline;
    assert!(
        headline.contains("waits 5.0 s before 10.9.1.2"),
        "{headline}"
    );
    let second = lookup(vec![good(1), silent(2)]);
    assert_eq!(found(&second), [("dns_no_answer", Severity::Notice)]);
    let refused = server(1, Answer::Failed(111), Answer::Failed(111));
    let refused = lookup(vec![refused, good(2)]);
    assert_eq!(found(&refused), [("dns_server_refuses", Severity::Notice)]);
}

#[test]
fn servers_that_are_all_dead_are_an_error_and_without_any_it_is_the_file() {
    let all = failed(vec![silent(1), silent(2)]);
    assert_eq!(found(&all), [("dns_no_answer", Severity::Error)]);
    let mut none = failed(vec![server(1, Answer::Failed(111), Answer::Failed(111))]);
    none.config.servers.clear();
    assert_eq!(found(&none), [("no_nameserver", Severity::Error)]);
}

#[test]
fn a_server_that_fails_is_told_from_dnssec() {
    let mut servfail = failed(vec![server(1, answer(2, &[]), answer(2, &[]))]);
    assert_eq!(found(&servfail), [("dns_servfail", Severity::Error)]);
    assert!(!of_lookup(&servfail)[0].headline.contains("DNSSEC"));
    servfail.servers[0].asked[0].unchecked = Some(0);
    assert!(of_lookup(&servfail)[0].headline.contains("DNSSEC"));
    let refused = failed(vec![server(1, answer(5, &[]), answer(5, &[]))]);
    assert_eq!(found(&refused), [("dns_server_refuses", Severity::Error)]);
}

#[test]
fn a_query_for_ipv6_that_is_dropped_is_told_from_a_name_without_ipv6() {
    let dropped = lookup(vec![server(1, answer(0, &["10.9.1.1"]), Answer::Silent)]);
    assert_eq!(found(&dropped), [("dns_aaaa_broken", Severity::Warning)]);
    let denied = lookup(vec![server(1, answer(0, &["10.9.1.1"]), answer(3, &[]))]);
    assert_eq!(found(&denied), [("dns_aaaa_broken", Severity::Warning)]);
}

#[test]
fn a_truncated_answer_is_a_finding_only_without_tcp() {
    let truncated = |over_tcp| {
        let mut server = good(1);
        server.asked[0].answer = Answer::Reply(Reply {
            truncated: true,
            ..Reply::default()
        });
        server.asked[0].over_tcp = Some((over_tcp, Duration::from_millis(3)));
        server
    };
    let blocked = failed(vec![truncated(Answer::Silent)]);
    assert_eq!(found(&blocked), [("dns_tcp_blocked", Severity::Error)]);
    let open = lookup(vec![truncated(answer(0, &["10.9.1.1"]))]);
    assert_eq!(found(&open), []);
}

#[test]
fn a_slow_server_is_slow_twice() {
    let slow = |again| {
        let mut server = good(1);
        server.asked[0].time = Duration::from_secs(2);
        server.asked[0].again = Some(Duration::from_millis(again));
        lookup(vec![server])
    };
    assert_eq!(found(&slow(1500)), [("dns_server_slow", Severity::Warning)]);
    assert_eq!(found(&slow(1)), []);
}

#[test]
fn a_hosts_entry_is_a_finding_only_if_the_dns_differs() {
    let with = |address: &str| Lookup {
        hosts: vec![HostsEntry {
            line: 3,
            address: address.parse().unwrap(),
        }],
        ..lookup(vec![good(1)])
    };
    assert_eq!(
        found(&with("10.9.1.66")),
        [("hosts_file_override", Severity::Warning)]
    );
    assert_eq!(
        found(&with("127.0.1.1")),
        [("hosts_file_override", Severity::Notice)]
    );
    assert_eq!(found(&with("10.9.1.1")), []);
}

#[test]
fn servers_that_contradict_each_other_and_a_name_that_none_knows() {
    let denies = |last| server(last, answer(3, &[]), answer(3, &[]));
    let differ = failed(vec![denies(1), good(2)]);
    assert_eq!(found(&differ), [("dns_answers_differ", Severity::Warning)]);
    let unknown = failed(vec![denies(1), denies(2)]);
    assert_eq!(found(&unknown), [("name_unknown", Severity::Error)]);
    let headline = &of_lookup(&unknown)[0].headline;
    assert_eq!(headline, "no such name in the DNS: shop.test (NXDOMAIN)");
}

#[test]
fn an_address_that_programs_do_not_get_is_told() {
    let mut hidden = failed(vec![good(1)]);
    hidden.sources = Some(vec!["files".to_owned()]);
    assert_eq!(found(&hidden), [("resolver_disagrees", Severity::Error)]);
}

#[test]
fn a_server_on_one_address_of_localhost_is_told_and_one_on_both_is_not() {
    let ends = |v6, v4| [("::1".parse().unwrap(), v6), ([127, 0, 0, 1].into(), v4)];
    let told = of_listeners("localhost", 80, &ends(false, true)).unwrap();
    assert_eq!(
        told.headline,
        "on port 80 a server listens on 127.0.0.1 and not on ::1, which are all localhost"
    );
    assert_eq!(of_listeners("localhost", 80, &ends(true, true)), None);
    assert_eq!(of_listeners("localhost", 80, &ends(false, false)), None);
}

#[test]
fn dead_servers_cost_nothing_for_a_name_of_the_hosts_file() {
    let dead = lookup(vec![silent(1)]);
    assert_eq!(found(&dead), [("dns_no_answer", Severity::Warning)]);
    let entry = HostsEntry {
        line: 2,
        address: [10, 9, 1, 1].into(),
    };
    let of_hosts = Lookup {
        hosts: vec![entry.clone()],
        ..dead.clone()
    };
    assert_eq!(found(&of_hosts), [("dns_no_answer", Severity::Notice)]);
    // Programs get another address: the file is not what they ask.
    let other = Lookup {
        hosts: vec![HostsEntry {
            address: [10, 9, 1, 2].into(),
            ..entry
        }],
        ..dead
    };
    assert_eq!(found(&other)[0].1, Severity::Warning);
}
