//! Each rule on figures that make it fire, and on a look-alike.

use std::time::Duration;

use super::traced_tests::host;
use crate::diagnose::testing::{sample, socket};
use crate::diagnose::{Case, Finding, Value, diagnose};
use crate::host::traced::Traced;
use crate::host::{Delta, Index, Machine, Namespace, Network, Sample};
use crate::rtnetlink::{InterfaceAddress, Link, Qdisc};
use crate::sockets::{Address, Family, Proto, Socket, State};

/// A network stack with these counters.
fn network(counters: &[(&str, u64)]) -> Network {
    let lines: Vec<String> = counters
        .iter()
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    let mut network = Network::default();
    network.counters.read_list(&lines.join("\n"));
    network
}

fn with(network: Network) -> Sample {
    Sample {
        networks: vec![network],
        ..Sample::default()
    }
}

/// What is found in two samples two seconds apart.
fn found(before: &Sample, after: &Sample) -> Vec<Finding> {
    let index = Index::new(after);
    let delta = Delta::new(Index::new(before), &index, Duration::from_secs(2));
    let findings = diagnose(&Case::new(&index).since(Some(&delta)));
    findings.all().to_vec()
}

/// The rules and headlines of it.
fn said(before: &Sample, after: &Sample) -> Vec<(&'static str, String)> {
    let found = found(before, after).into_iter();
    found.map(|it| (it.rule.id, it.headline)).collect()
}

#[test]
fn counters_that_grow_fire_and_those_of_the_past_stay_silent() {
    for (counter, least, rule) in [
        ("TcpExtIPReversePathFilter", 3, "reverse_path_filter"),
        ("TcpInCsumErrors", 3, "checksum_errors"),
        ("Udp6InCsumErrors", 3, "checksum_errors"),
        ("IpReasmFails", 2, "fragments_lost"),
        ("UdpNoPorts", 5, "udp_port_closed"),
        ("UdpSndbufErrors", 3, "udp_send_errors"),
        ("TcpExtTCPReqQFullDoCookies", 1, "syn_queue_full"),
        ("TcpExtTCPReqQFullDrop", 1, "syn_queue_full"),
        ("TcpExtTCPTimeWaitOverflow", 1, "time_wait_table_full"),
        ("TcpExtTCPAbortOnMemory", 1, "orphans_at_limit"),
        ("nf_conntrack.drop", 1, "conntrack_table_full"),
        ("IpOutNoRoutes", 2, "no_route"),
    ] {
        let at = |value| with(network(&[(counter, 500 + value)]));
        let found = found(&at(0), &at(least));
        let ids: Vec<&str> = found.iter().map(|finding| finding.rule.id).collect();
        assert_eq!(ids, [rule], "{counter}");
        let fact = found[0].facts.last().unwrap();
        assert_eq!(fact.value.number(), Some(500 + least), "{counter}");
        assert_eq!(fact.before.as_ref().and_then(Value::number), Some(500));
        assert_eq!(said(&at(0), &at(least - 1)), [], "{counter}");
        // A counter that began again says nothing.
        assert_eq!(said(&at(least), &at(0)), [], "{counter}");
    }
}

#[test]
fn syns_that_cannot_be_answered_are_told_from_a_full_queue() {
    let at = |drops, routes, overflows| {
        with(network(&[
            ("TcpExtListenDrops", drops),
            ("IpOutNoRoutes", routes),
            ("TcpExtListenOverflows", overflows),
        ]))
    };
    let said = |after: Sample| said(&at(1, 1, 1), &after);
    let ids = |found: Vec<(&'static str, String)>| -> Vec<&str> {
        found.into_iter().map(|(id, _)| id).collect()
    };
    assert_eq!(ids(said(at(4, 4, 1))), ["no_return_route"]);
    assert_eq!(ids(said(at(4, 1, 4))), [""; 0]);
    assert_eq!(ids(said(at(4, 4, 4))), [""; 0]);
}

#[test]
fn a_backlog_of_a_cpu_and_a_full_neighbour_table_are_of_the_machine() {
    let machine = |dropped: &str, fulls: &str, entries: &str| {
        let mut machine = Machine::default();
        machine.read_softnet(&format!("00ff0000 {dropped} 00000000\n"));
        let table = format!("entries table_fulls\n{entries} {fulls}\n");
        machine.counters.read_per_cpu("ndisc_cache", &table);
        let mut network = Network::default();
        network
            .settings
            .put("net.ipv6.neigh.default.gc_thresh3", "1024");
        Sample {
            machine: Some(machine),
            ..with(network)
        }
    };
    let quiet = machine("00000009", "00000003", "00000010");
    assert_eq!(said(&quiet, &quiet), []);
    let burst = machine("0000001c", "00000003", "00000010");
    assert_eq!(said(&quiet, &burst), []);
    let busy = machine("0000001d", "00000003", "00000010");
    let found = said(&quiet, &busy);
    assert_eq!(found[0].0, "backlog_drops");
    assert!(
        found[0].1.contains("20 packets dropped in 2.0 s"),
        "{found:?}"
    );
    let refusing = machine("00000009", "00000005", "000003ff");
    let found = said(&quiet, &refusing);
    assert_eq!(found[0].0, "neighbour_table_full");
    assert!(found[0].1.contains("ndisc_cache"), "{found:?}");
    let full = machine("00000009", "00000003", "00000400");
    assert_eq!(said(&quiet, &full)[0].0, "neighbour_table_full");
}

#[test]
fn memory_pressure_is_what_the_kernel_calls_so() {
    let at = |press: &str| {
        let mut network = network(&[]);
        network
            .counters
            .read_usage("TCP: inuse 9 orphan 0 mem 400\n");
        network.settings.put("net.ipv4.tcp_mem", "100 300 500");
        network.read_pressure(&format!("protocol memory press\nTCP 400 {press}\n"));
        with(network)
    };
    assert_eq!(said(&at("no"), &at("no")), []);
    let found = said(&at("no"), &at("yes"));
    assert_eq!(found[0].0, "tcp_memory_pressure");
    let figures = "400 pages in use, pressure from 300, limit 500";
    assert!(found[0].1.contains(figures), "{found:?}");
}

#[test]
fn a_full_table_of_connections_is_at_its_limit() {
    let at = |count: &str| {
        let mut network = Network::default();
        network
            .settings
            .put("net.netfilter.nf_conntrack_count", count);
        network
            .settings
            .put("net.netfilter.nf_conntrack_max", "100");
        with(network)
    };
    assert_eq!(said(&at("99"), &at("99")), []);
    assert_eq!(said(&at("99"), &at("100"))[0].0, "conntrack_table_full");
}

#[test]
fn orphans_count_against_their_limit() {
    let at = |orphans: u64| {
        let mut network = Network::default();
        network
            .counters
            .read_usage(&format!("TCP: inuse 9 orphan {orphans}\n"));
        network.settings.put("net.ipv4.tcp_max_orphans", "64");
        with(network)
    };
    assert_eq!(said(&at(0), &at(63)), []);
    assert_eq!(said(&at(0), &at(64))[0].0, "orphans_at_limit");
}

#[test]
fn an_interface_and_its_queue_are_named() {
    let at = |errors, drops, carrier| {
        let network = Network {
            links: vec![Link {
                index: 2,
                name: "eth0".into(),
                up: true,
                carrier,
                rx_errors: errors,
                rx_dropped: errors * 100,
                ..Link::default()
            }],
            qdiscs: vec![Qdisc {
                interface: 2,
                kind: "tbf".into(),
                root: true,
                drops,
                ..Qdisc::default()
            }],
            ..Network::default()
        };
        with(network)
    };
    assert_eq!(said(&at(7, 7, true), &at(9, 9, true)), []);
    let found = said(&at(7, 7, true), &at(10, 7, true));
    assert_eq!(found[0].1, "interface eth0: 3 errors in 2.0 s");
    assert_eq!(said(&at(7, 7, false), &at(10, 7, false)), []);
    let found = said(&at(7, 7, true), &at(7, 40, true));
    assert_eq!(found[0].0, "send_queue_full");
    assert!(found[0].1.contains("eth0") && found[0].1.contains("33"));
}

#[test]
fn an_address_that_another_host_has_is_named() {
    let at = |duplicate| {
        with(Network {
            addresses: vec![InterfaceAddress {
                interface: 2,
                address: "fe80::1".parse().unwrap(),
                prefix: 64,
                duplicate,
                learned: false,
                deprecated: false,
            }],
            ..Network::default()
        })
    };
    assert_eq!(said(&at(false), &at(false)), []);
    assert_eq!(said(&at(false), &at(true))[0].0, "duplicate_address");
}

#[test]
fn no_name_server_is_a_finding_unless_one_listens_here() {
    let at = |text: Option<&str>, sockets| {
        let mut machine = Machine::default();
        if let Some(text) = text {
            machine.read_resolver(text);
        }
        Sample {
            machine: Some(machine),
            ..sample(sockets)
        }
    };
    let resolver = Socket {
        local: Address::Ip {
            addr: [127, 0, 0, 1].into(),
            port: 53,
            scope: 0,
        },
        peer: Address::None,
        ..Socket::blank(Proto::Udp, Family::Inet, State::Unconnected)
    };
    let said = |sample: &Sample| said(sample, sample);
    assert_eq!(said(&at(Some("search x\n"), vec![]))[0].0, "no_nameserver");
    assert_eq!(said(&at(Some("search x\n"), vec![resolver])), []);
    assert_eq!(said(&at(Some("nameserver 10.0.0.1\n"), vec![])), []);
    assert_eq!(said(&at(None, vec![])), []);
}

#[test]
fn ports_are_used_up_when_all_of_the_range_go_to_one_destination() {
    let at = |count: u16, same: bool| {
        let end = |addr: [u8; 4], port| Address::Ip {
            addr: addr.into(),
            port,
            scope: 0,
        };
        let sockets = (0..count).map(|number| Socket {
            local: end([10, 0, 0, 1], 40_000 + number),
            peer: end([10, 0, 0, 2], if same { 80 } else { 80 + number }),
            inode: 0,
            ..socket(State::TimeWait, 0, 0)
        });
        Sample {
            namespaces: vec![Namespace {
                local_ports: Some((40_000, 40_099)),
                ..Namespace::new(1, "")
            }],
            ..sample(sockets.collect())
        }
    };
    let said = |sample: &Sample| said(sample, sample);
    assert_eq!(said(&at(97, true)), []);
    assert_eq!(said(&at(100, false)), []);
    let found = said(&at(98, true));
    assert_eq!(found[0].0, "ports_used_up");
    assert!(
        found[0]
            .1
            .contains("98 of 100 from 10.0.0.1 to 10.0.0.2:80")
    );
}

#[test]
fn packets_to_forward_with_forwarding_off_are_a_finding_where_there_are_two_networks() {
    let with = |count: u64, forward: &str, links: usize| {
        let mut network = host(Traced::default());
        network.addresses.truncate(links);
        network.settings.put("net.ipv4.ip_forward", forward);
        network
            .counters
            .read_list(&format!("IpInAddrErrors {count}\n"));
        Sample {
            networks: vec![network],
            ..Sample::default()
        }
    };
    let found = |before: &Sample, after: &Sample| {
        let index = Index::new(after);
        let delta = Delta::new(Index::new(before), &index, Duration::from_secs(2));
        let findings = diagnose(&Case::new(&index).since(Some(&delta)));
        let ids = findings.all().iter().map(|it| it.rule.id);
        ids.collect::<Vec<_>>()
    };
    assert_eq!(
        found(&with(5, "0", 2), &with(8, "0", 2)),
        ["forwarding_off"]
    );
    assert_eq!(found(&with(5, "0", 2), &with(7, "0", 2)), [""; 0]);
    assert_eq!(found(&with(5, "0", 1), &with(8, "0", 1)), [""; 0]);
    assert_eq!(found(&with(5, "1", 2), &with(8, "1", 2)), [""; 0]);
}

#[test]
fn a_clock_that_is_set_is_told_from_one_that_is_slewed_and_from_a_slow_look() {
    let at = |up_ms, clock_ms| Sample {
        machine: Some(Machine {
            up_ms,
            clock_ms,
            ..Machine::default()
        }),
        ..Sample::default()
    };
    let found = |before: &Sample, after: &Sample| {
        let index = Index::new(after);
        let delta = Delta::new(Index::new(before), &index, Duration::from_secs(2));
        let findings = diagnose(&Case::new(&index).since(Some(&delta)));
        findings.all().first().map(|it| it.headline.clone())
    };
    let before = at(5_000, 1_000_000);
    assert_eq!(found(&before, &at(7_000, 1_002_900)), None);
    // The look took longer than the time between the samples.
    assert_eq!(found(&before, &at(15_000, 1_010_000)), None);
    assert_eq!(found(&at(0, 0), &at(7_000, 1_005_000)), None);
    let forward = found(&before, &at(7_000, 1_005_000)).unwrap();
    assert_eq!(forward, "the clock jumped forward by 3.0 s");
    let back = found(&before, &at(7_000, 999_000)).unwrap();
    assert_eq!(back, "the clock jumped back by 3.0 s");
}
