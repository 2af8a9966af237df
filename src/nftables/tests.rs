//! The readers on what the kernel wrote about this ruleset:
//!
//! ```text
//! table inet q {
//!  set bad { type ipv4_addr; flags interval; elements = { 10.1.0.0/16, 10.3.0.1 } }
//!  chain out { type filter hook output priority 0; policy accept;
//!   ct state established accept
//!   tcp dport { 22, 80 } accept
//!   oifname "lo" accept
//!   ip daddr 10.0.0.0/24 tcp dport 5432 counter drop
//!   ip daddr @bad udp dport 53 reject
//!   ip6 daddr fd77::/64 tcp dport 1-100 drop
//!   tcp flags & (syn|ack) == syn meta skuid 1000 counter jump more
//!   ct state vmap { invalid : drop, new : jump more }
//!  }
//!  chain more { limit rate 3/second log return; }
//!  chain in { type filter hook input priority 0; policy drop; iif lo accept; }
//! }
//! ```

use std::net::IpAddr;

use super::*;
use crate::netlink::Messages;

const CHAINS: &[u8] = include_bytes!("../../tests/fuzz/corpus/nftables/chains");
const RULES: &[u8] = include_bytes!("../../tests/fuzz/corpus/nftables/rules");
const SETS: &[u8] = include_bytes!("../../tests/fuzz/corpus/nftables/sets");
const ELEMENTS: &[u8] = include_bytes!("../../tests/fuzz/corpus/nftables/elements");

fn payloads(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    Messages::new(bytes).map(|message| message.unwrap().payload)
}

fn firewall() -> Firewall {
    let mut firewall = Firewall {
        chains: payloads(CHAINS)
            .filter_map(|it| Chain::read(it).unwrap())
            .collect(),
        rules: payloads(RULES)
            .filter_map(|it| Rule::read(it).unwrap())
            .collect(),
        sets: payloads(SETS)
            .filter_map(|it| Set::read(it).unwrap())
            .collect(),
        incomplete: false,
    };
    for payload in payloads(ELEMENTS) {
        let name = Set::named_in(payload).unwrap();
        let set = firewall
            .sets
            .iter_mut()
            .find(|set| set.name == name)
            .unwrap();
        set.read_elements(payload, MOST);
        set.sort();
    }
    firewall
}

fn packet(protocol: u8, to: impl Into<IpAddr>, port: u16) -> Packet<'static> {
    let to = to.into();
    let source: IpAddr = if to.is_ipv4() {
        [10, 9, 1, 1].into()
    } else {
        "fd77:1::1".parse().unwrap()
    };
    Packet {
        protocol,
        source: Some((source, 40_000)),
        destination: (to, port),
        input: None,
        output: Some((2, "eth0")),
        state: Some(fate::NEW),
        tcp_flags: Some(2),
        user: Some(0),
    }
}

#[test]
fn chains_have_their_hook_and_policy() {
    let firewall = firewall();
    let chain = |name: &str| firewall.chains.iter().find(|it| &*it.name == name).unwrap();
    assert_eq!(
        (chain("out").hook, chain("out").drops),
        (Some(Hook::Output), false)
    );
    assert_eq!(
        (chain("in").hook, chain("in").drops),
        (Some(Hook::Input), true)
    );
    assert_eq!(chain("more").hook, None);
    assert_eq!(chain("in").place(), "table inet q, chain in");
}

#[test]
fn a_rule_reads_as_nft_writes_it() {
    let firewall = firewall();
    let texts: Vec<String> = firewall
        .rules
        .iter()
        .map(|rule| firewall.text(rule))
        .collect();
    assert_eq!(
        texts,
        [
            "ct state established accept",
            "tcp dport { 22, 80 } accept",
            "oifname \"lo\" accept",
            "ip daddr 10.0.0.0/24 tcp dport 5432 drop",
            "ip daddr @bad udp dport 53 reject",
            "ip6 daddr fd77::/64 tcp dport 1-100 drop",
            "tcp flags & 0x12 syn meta skuid 1000 jump more",
            "ct state vmap { invalid : drop, new : jump more }",
            "[limit] return",
            "iif 1 accept",
        ]
    );
    let handles: Vec<u64> = firewall.rules.iter().map(|rule| rule.handle).collect();
    assert_eq!(handles, [5, 7, 8, 9, 10, 11, 12, 14, 15, 16]);
    let counted = firewall.rules.iter().filter(|rule| rule.packets == Some(0));
    assert_eq!(counted.count(), 2);
}

#[test]
fn a_packet_meets_the_first_rule_that_is_about_it() {
    let firewall = firewall();
    let handle = |packet: Packet<'_>| match firewall.fate(Hook::Output, &packet) {
        Fate::Rule(rule) => Some(rule.handle),
        Fate::Passes => None,
        other => panic!("{other:?}"),
    };
    assert_eq!(handle(packet(6, [10, 0, 0, 7], 5432)), Some(9));
    assert_eq!(handle(packet(6, [10, 0, 1, 7], 5432)), None);
    assert_eq!(handle(packet(17, [10, 0, 0, 7], 5432)), None);
    assert_eq!(handle(packet(6, [10, 0, 0, 7], 22)), None);
    let of_old = Packet {
        state: Some(fate::ESTABLISHED),
        ..packet(6, [10, 0, 0, 7], 5432)
    };
    assert_eq!(handle(of_old), None);
    let to_itself = Packet {
        output: Some((1, "lo")),
        ..packet(6, [10, 0, 0, 7], 5432)
    };
    assert_eq!(handle(to_itself), None);
    for (to, rule) in [
        ([10, 1, 0, 0], Some(10)),
        ([10, 1, 255, 255], Some(10)),
        ([10, 2, 0, 0], None),
        ([10, 3, 0, 1], Some(10)),
        ([10, 3, 0, 2], None),
    ] {
        assert_eq!(handle(packet(17, to, 53)), rule, "{to:?}");
    }
    let v6: IpAddr = "fd77::9".parse().unwrap();
    assert_eq!(handle(packet(6, v6, 100)), Some(11));
    assert_eq!(handle(packet(6, v6, 101)), None);
    let elsewhere: IpAddr = "fd78::9".parse().unwrap();
    assert_eq!(handle(packet(6, elsewhere, 100)), None);
    let invalid = Packet {
        state: Some(1),
        ..packet(6, elsewhere, 100)
    };
    assert_eq!(handle(invalid), Some(14));
}

#[test]
fn a_policy_drops_what_no_rule_has_decided() {
    let firewall = firewall();
    let from = |input| Packet {
        input: Some(input),
        ..packet(6, [10, 9, 1, 1], 80)
    };
    assert_eq!(firewall.fate(Hook::Input, &from((1, "lo"))), Fate::Passes);
    let Fate::Policy(chain) = firewall.fate(Hook::Input, &from((2, "eth0"))) else {
        panic!("it is dropped");
    };
    assert_eq!(&*chain.name, "in");
    assert_eq!(
        firewall.fate(Hook::Forward, &from((2, "eth0"))),
        Fate::Passes
    );
}

#[test]
fn nothing_is_told_where_a_condition_is_not_known() {
    let mut firewall = firewall();
    let nowhere = packet(6, [10, 0, 0, 7], 5432);
    let without_state = Packet {
        state: None,
        ..nowhere
    };
    assert_eq!(firewall.fate(Hook::Output, &without_state), Fate::Unknown);
    // No rule asks for the source.
    let from_anywhere = Packet {
        source: None,
        ..nowhere
    };
    assert!(firewall.fate(Hook::Output, &from_anywhere).is_the_end());
    // Whatever the limit says, the packet goes on.
    let user = Packet {
        user: Some(1000),
        ..packet(6, [10, 0, 0, 7], 1)
    };
    assert_eq!(firewall.fate(Hook::Output, &user), Fate::Passes);
    // A limited drop may or may not apply.
    let limited = firewall
        .rules
        .iter_mut()
        .find(|rule| rule.handle == 15)
        .unwrap();
    limited.verdict = Verdict::Drop;
    assert_eq!(firewall.fate(Hook::Output, &user), Fate::Unknown);
    firewall.incomplete = true;
    assert_eq!(firewall.fate(Hook::Output, &nowhere), Fate::Unknown);
    firewall.incomplete = false;
    firewall.sets[0].incomplete = true;
    let in_set = packet(17, [10, 1, 0, 0], 53);
    assert_eq!(firewall.fate(Hook::Output, &in_set), Fate::Unknown);
}

#[test]
fn chains_that_call_each_other_in_a_circle_end() {
    let mut firewall = firewall();
    for rule in &mut firewall.rules {
        rule.conditions.clear();
        rule.verdict = Verdict::Jump("more".into());
    }
    let packet = packet(6, [10, 0, 0, 7], 5432);
    assert_eq!(firewall.fate(Hook::Output, &packet), Fate::Unknown);
}

#[test]
fn the_matches_and_targets_of_iptables_are_read() {
    // NFTA_RULE_EXPRESSIONS of `-p tcp --dport 5432 -j REJECT` as older versions write it.
    let attribute = |kind: u16, value: &[u8]| {
        let mut bytes = u16::try_from(4 + value.len())
            .unwrap()
            .to_ne_bytes()
            .to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend_from_slice(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    };
    let expression = |name: &str, data: Vec<u8>| {
        let name = attribute(1, &[name.as_bytes(), b"\0"].concat());
        attribute(1, &[name, attribute(2, &data)].concat())
    };
    let ports = |inverted: u8| {
        let mut info: Vec<u8> = [0, u16::MAX, 5432, 5432]
            .into_iter()
            .flat_map(u16::to_ne_bytes)
            .collect();
        info.extend([0, 0, 0, inverted]);
        [attribute(1, b"tcp\0"), attribute(3, &info)].concat()
    };
    let rule = |inverted| {
        let all = [
            expression("match", ports(inverted)),
            expression("target", attribute(1, b"REJECT\0")),
        ];
        let bytes = [vec![2, 0, 0, 0], attribute(4, &all.concat())].concat();
        Rule::read(&bytes).unwrap().unwrap()
    };
    let read = rule(0);
    assert_eq!(read.verdict, Verdict::Reject);
    assert_eq!(
        read.conditions,
        [rule::Condition::Ports([0, u16::MAX], [5432, 5432])]
    );
    assert_eq!(Firewall::default().text(&read), "th dport 5432 reject");
    assert_eq!(rule(1).conditions, [rule::Condition::Other("tcp".into())]);
}

#[test]
fn other_families_are_passed_over_and_short_messages_refused() {
    assert_eq!(Chain::read(&[7, 0, 0, 0]), Ok(None));
    assert_eq!(Rule::read(&[5, 0, 0, 0]), Ok(None));
    assert!(Set::read(&[1, 0, 0]).is_err());
}

#[test]
fn requests_ask_for_all_of_a_kind() {
    let mut out = Vec::new();
    Firewall::rules_request(7, &mut out);
    let message = Messages::new(&out).next().unwrap().unwrap();
    assert_eq!((message.kind, message.flags & DUMP), (0x0a07, DUMP));
    assert_eq!(message.payload, [0; 4]);
    let mut out = Vec::new();
    Firewall::elements_request(&firewall().sets[0], 8, &mut out);
    let message = Messages::new(&out).next().unwrap().unwrap();
    assert_eq!((message.kind, message.payload[0]), (0x0a0d, 1));
    assert_eq!(inside(&message.payload[4..], 1), Some(&b"q\0"[..]));
}
