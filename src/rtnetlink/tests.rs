//! The readers on messages as the kernel writes them.

use super::*;

#[test]
fn the_network_of_an_address_is_told_by_its_prefix() {
    let covers = |own: &str, prefix, to: &str| {
        let address = InterfaceAddress {
            interface: 1,
            address: own.parse().unwrap(),
            prefix,
            duplicate: false,
            learned: false,
            deprecated: false,
        };
        address.covers(to.parse().unwrap())
    };
    assert!(covers("10.9.1.2", 24, "10.9.1.77"));
    assert!(!covers("10.9.1.2", 24, "10.9.2.77"));
    assert!(covers("10.9.1.2", 0, "192.0.2.1"));
    assert!(covers("fd00::1", 64, "fd00::2:1"));
    assert!(!covers("fd00::1", 128, "fd00::2"));
    assert!(covers("::", 0, "fd00::2"));
    assert!(!covers("10.9.1.2", 0, "::1"));
}

/// A message's payload: its fixed part, then attributes.
fn payload(fixed: &[u8], attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut bytes = fixed.to_vec();
    for (kind, value) in attributes {
        let length = u16::try_from(4 + value.len()).unwrap();
        bytes.extend(length.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend_from_slice(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

/// A rule that looks into table 100, with these attributes.
fn rule(family: u8, bits: (u8, u8), attributes: &[(u16, &[u8])]) -> RoutingRule {
    let fixed = [family, bits.0, bits.1, 0, 0, 0, 0, 1, 0, 0, 0, 0];
    let table = 100_u32.to_ne_bytes();
    let all = [attributes, &[(15, &table[..])]].concat();
    RoutingRule::read(&payload(&fixed, &all)).unwrap().unwrap()
}

#[test]
fn the_rule_that_chose_a_table_is_the_first_that_the_packet_matches() {
    let priority = |it: u32| it.to_ne_bytes();
    let ports = [5432_u16.to_ne_bytes(), 5433_u16.to_ne_bytes()].concat();
    let rules = [
        rule(2, (0, 0), &[(6, &priority(9))]),
        rule(2, (0, 24), &[(6, &priority(1)), (2, &[10, 9, 1, 0])]),
        rule(2, (0, 0), &[(6, &priority(2)), (22, &[6]), (24, &ports)]),
        rule(2, (16, 0), &[(6, &priority(3)), (1, &[10, 8, 0, 0])]),
        rule(2, (0, 0), &[(6, &priority(4)), (17, b"tun0\0")]),
        rule(2, (0, 0), &[(6, &priority(5)), (10, &7_u32.to_ne_bytes())]),
        rule(10, (0, 0), &[(6, &priority(0))]),
    ];
    let packet = Outgoing {
        to: [10, 9, 2, 2].into(),
        from: None,
        by: None,
        end: Some((6, 80)),
        user: 0,
    };
    let chosen = |packet: Outgoing<'_>| {
        let chosen = RoutingRule::chosen(&rules, &packet, 100);
        chosen.map(ToString::to_string)
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(chosen(packet), text("9: from all lookup 100"));
    let with_port = Outgoing {
        end: Some((6, 5433)),
        ..packet
    };
    let of_port = "2: from all ipproto tcp dport 5432-5433 lookup 100";
    assert_eq!(chosen(with_port), text(of_port));
    let bound = Outgoing {
        from: Some([10, 9, 1, 2].into()),
        ..with_port
    };
    assert_eq!(chosen(bound), text("1: from 10.9.1.0/24 lookup 100"));
    let elsewhere = Outgoing {
        to: [10, 8, 1, 1].into(),
        ..packet
    };
    assert_eq!(
        chosen(elsewhere),
        text("3: from all to 10.8.0.0/16 lookup 100")
    );
    let by = Outgoing {
        by: Some("tun0"),
        ..packet
    };
    assert_eq!(chosen(by), text("4: from all oif tun0 lookup 100"));
    assert_eq!(RoutingRule::chosen(&rules, &packet, 101), None);
    let of_v6 = Outgoing {
        to: "fd00::1".parse().unwrap(),
        ..packet
    };
    assert_eq!(chosen(of_v6), text("0: from all lookup 100"));
    // Another family, and a message that is cut short.
    assert_eq!(
        RoutingRule::read(&[128, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]).unwrap(),
        None
    );
    assert!(RoutingRule::read(&[2; 11]).is_err());
}

#[test]
fn a_link_has_its_name_its_state_and_its_counters() {
    let mut fixed = [0; 16];
    fixed[4..8].copy_from_slice(&7_u32.to_ne_bytes());
    // IFF_UP without IFF_LOWER_UP.
    fixed[8..12].copy_from_slice(&1_u32.to_ne_bytes());
    let counters: Vec<u8> = (1..=24_u64).flat_map(u64::to_ne_bytes).collect();
    let info = payload(&[], &[(1, b"veth\0")]);
    let bytes = payload(
        &fixed,
        &[
            (3, b"eth0\0"),
            (4, &1500_u32.to_ne_bytes()),
            (18, &info),
            (23, &counters),
            (35, &3_u32.to_ne_bytes()),
        ],
    );
    let link = Link::read(&bytes).unwrap();
    assert_eq!((link.index, &*link.name, link.mtu_bytes), (7, "eth0", 1500));
    assert_eq!(link.kind.as_deref(), Some("veth"));
    assert_eq!((link.up, link.carrier, link.loopback), (true, false, false));
    assert_eq!((link.rx_packets, link.tx_packets), (1, 2));
    assert_eq!((link.rx_errors, link.tx_errors), (5, 6));
    assert_eq!((link.rx_dropped, link.tx_dropped), (7, 8));
    assert_eq!(link.carrier_changes, 3);
}

#[test]
fn an_address_is_the_local_one_and_says_whether_it_is_a_duplicate() {
    let mut fixed = [2, 24, 0, 0, 0, 0, 0, 0];
    fixed[4..8].copy_from_slice(&3_u32.to_ne_bytes());
    let bytes = payload(
        &fixed,
        &[
            (1, &[10, 0, 0, 9]),
            (2, &[10, 0, 0, 1]),
            (8, &8_u32.to_ne_bytes()),
        ],
    );
    let address = InterfaceAddress::read(&bytes).unwrap().unwrap();
    assert_eq!(address.address, IpAddr::from([10, 0, 0, 1]));
    assert_eq!((address.interface, address.prefix), (3, 24));
    assert!(address.duplicate);
    assert_eq!(InterfaceAddress::read(&fixed), Ok(None));
}

#[test]
fn a_neighbour_is_known_asked_for_or_failed() {
    let neighbour = |state: u16| {
        let mut fixed = [0; 12];
        fixed[4..8].copy_from_slice(&2_u32.to_ne_bytes());
        fixed[8..10].copy_from_slice(&state.to_ne_bytes());
        Neighbour::read(&payload(&fixed, &[(1, &[10, 0, 0, 9])])).unwrap()
    };
    assert_eq!(neighbour(0), None);
    for (state, reachability) in [
        (0x01, Reachability::Incomplete),
        (0x02, Reachability::Known),
        (0x20, Reachability::Failed),
        (0x80, Reachability::Known),
    ] {
        assert_eq!(neighbour(state).unwrap().reachability, reachability);
    }
}

#[test]
fn a_route_names_interface_router_and_source() {
    let mut fixed = [0; 12];
    fixed[7] = 1;
    let bytes = payload(
        &fixed,
        &[
            (4, &2_u32.to_ne_bytes()),
            (18, &[2, 0, 10, 0, 0, 254]),
            (7, &[10, 0, 0, 1]),
        ],
    );
    let route = Route::read(&bytes).unwrap();
    assert_eq!(route.kind, RouteKind::Unicast);
    assert_eq!(route.interface, Some(2));
    assert_eq!(route.gateway, Some([10, 0, 0, 254].into()));
    assert_eq!(route.source, Some([10, 0, 0, 1].into()));
    fixed[7] = 6;
    assert_eq!(Route::read(&fixed).unwrap().kind, RouteKind::Blackhole);
}

#[test]
fn a_queue_says_what_waits_in_it() {
    let mut fixed = [0; 20];
    fixed[4..8].copy_from_slice(&2_u32.to_ne_bytes());
    fixed[12..16].copy_from_slice(&u32::MAX.to_ne_bytes());
    let figures: Vec<u8> = [4, 6000, 9, 0, 0_u32]
        .into_iter()
        .flat_map(u32::to_ne_bytes)
        .collect();
    let stats = payload(&[], &[(3, &figures)]);
    let bytes = payload(&fixed, &[(1, b"tbf\0"), (7, &stats)]);
    let qdisc = Qdisc::read(&bytes).unwrap();
    assert_eq!(
        (qdisc.interface, &*qdisc.kind, qdisc.root),
        (2, "tbf", true)
    );
    assert_eq!(
        (qdisc.queued, qdisc.backlog_bytes, qdisc.drops),
        (4, 6000, 9)
    );
}

#[test]
fn cut_messages_are_refused_or_read_as_far_as_they_go() {
    let bytes = payload(&[0; 20], &[(1, b"tbf\0"), (7, &[1, 2, 3])]);
    for length in 0..bytes.len() {
        let bytes = &bytes[..length];
        assert_eq!(Qdisc::read(bytes).is_ok(), length >= 20);
        assert_eq!(Link::read(bytes).is_ok(), length >= 16);
        assert_eq!(Route::read(bytes).is_ok(), length >= 12);
        assert_eq!(Neighbour::read(bytes).is_ok(), length >= 12);
        assert_eq!(InterfaceAddress::read(bytes).is_ok(), length >= 8);
    }
}
