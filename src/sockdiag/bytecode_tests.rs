use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

/// What the kernel knows of a socket when it runs the code.
#[derive(Debug, Clone, Copy)]
struct Entry {
    local: (IpAddr, u16),
    peer: (IpAddr, u16),
}

/// What a filter means, without code.
fn holds(filter: &Filter, entry: &Entry) -> bool {
    match filter {
        Filter::LocalPort(range) => range.contains(&entry.local.1),
        Filter::PeerPort(range) => range.contains(&entry.peer.1),
        Filter::Local(network) => contains(network, entry.local.0),
        Filter::Peer(network) => contains(network, entry.peer.0),
        Filter::Not(filter) => !holds(filter, entry),
        Filter::All(filters) => filters.iter().all(|filter| holds(filter, entry)),
        Filter::Any(filters) => filters.iter().any(|filter| holds(filter, entry)),
    }
}

fn contains(network: &Network, address: IpAddr) -> bool {
    let prefix = u32::from(network.prefix);
    match (network.address, address) {
        (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
            let differing = ours.to_bits() ^ theirs.to_bits();
            differing.leading_zeros() >= prefix
        }
        (IpAddr::V6(_), IpAddr::V4(_)) => false,
        (IpAddr::V4(ours), theirs) => match theirs.to_canonical() {
            IpAddr::V4(theirs) => (ours.to_bits() ^ theirs.to_bits()).leading_zeros() >= prefix,
            IpAddr::V6(_) => false,
        },
    }
}

/// `inet_diag_bc_audit` and `valid_cc`: whether the kernel takes the code.
fn audit(code: &[u8]) -> Result<(), String> {
    let starts = |to: usize| {
        let mut at = 0;
        while at < to {
            at += usize::from(code[at + 1]);
        }
        at == to
    };
    let mut at = 0;
    while at < code.len() {
        let left = code.len() - at;
        let (kind, yes) = (code[at], usize::from(code[at + 1]));
        let no = usize::from(u16_at(code, at + 2));
        let least = match kind {
            code::S_COND | code::D_COND => match code[at + 4] {
                2 if code[at + 5] <= 32 => 16,
                10 if code[at + 5] <= 128 => 28,
                _ => return Err(format!("condition at {at}")),
            },
            code::S_GE..=code::D_LE | code::S_EQ | code::D_EQ => 8,
            code::NOP | code::JMP => 4,
            _ => return Err(format!("instruction {kind} at {at}")),
        };
        let jumps =
            |length: usize| (least..=left + 4).contains(&length) && length.is_multiple_of(4);
        if kind != code::NOP && (!jumps(no) || (no < left && !starts(at + no))) {
            return Err(format!("no {no} at {at}"));
        }
        if !jumps(yes) {
            return Err(format!("yes {yes} at {at}"));
        }
        at += yes;
    }
    (at == code.len()).then_some(()).ok_or("its end".into())
}

/// `inet_diag_bc_run`.
fn run(code: &[u8], entry: &Entry) -> bool {
    let mut at = 0;
    while at < code.len() {
        let port =
            |compare: fn(&u16, &u16) -> bool, port: u16| compare(&port, &u16_at(code, at + 6));
        let yes = match code[at] {
            code::NOP => true,
            code::JMP => false,
            code::S_GE => port(u16::ge, entry.local.1),
            code::S_LE => port(u16::le, entry.local.1),
            code::S_EQ => port(u16::eq, entry.local.1),
            code::D_GE => port(u16::ge, entry.peer.1),
            code::D_LE => port(u16::le, entry.peer.1),
            code::D_EQ => port(u16::eq, entry.peer.1),
            code::S_COND => condition(&code[at + 4..], entry.local.0),
            code::D_COND => condition(&code[at + 4..], entry.peer.0),
            other => panic!("instruction {other}"),
        };
        at += if yes {
            usize::from(code[at + 1])
        } else {
            usize::from(u16_at(code, at + 2))
        };
    }
    at == code.len()
}

fn condition(condition: &[u8], address: IpAddr) -> bool {
    assert_eq!(condition[4..8], [0xff; 4], "any port");
    let mut bytes = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let family = if bytes.len() == 4 { AF_INET } else { AF_INET6 };
    if condition[0] != family {
        let mapped = bytes.len() == 16 && bytes[..12] == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255];
        if !(condition[0] == AF_INET && mapped) {
            return false;
        }
        bytes.drain(..12);
    }
    let bit = |bytes: &[u8], bit: usize| bytes[bit / 8] >> (7 - bit % 8) & 1;
    (0..usize::from(condition[1])).all(|index| bit(&bytes, index) == bit(&condition[8..], index))
}

/// Few addresses and ports, so that filters and sockets meet.
fn address() -> impl Strategy<Value = IpAddr> {
    let v4 = (0u32..4).prop_map(|last| Ipv4Addr::from_bits(0x7f00_0000 | last));
    let mapped =
        (0u32..4).prop_map(|last| Ipv4Addr::from_bits(0x7f00_0000 | last).to_ipv6_mapped());
    let v6 = (0u128..4).prop_map(|last| Ipv6Addr::from_bits(0xfe80 << 112 | last));
    prop_oneof![
        v4.prop_map_into(),
        mapped.prop_map_into(),
        v6.prop_map_into()
    ]
}

fn port_number() -> impl Strategy<Value = u16> {
    prop_oneof![0u16..4, 65_533u16..=65_535]
}

fn entry() -> impl Strategy<Value = Entry> {
    let end = || (address(), port_number());
    (end(), end()).prop_map(|(local, peer)| Entry { local, peer })
}

fn network() -> impl Strategy<Value = Network> {
    (address(), 0..=128u8).prop_map(|(address, prefix)| {
        let prefix = prefix.min(bits(address));
        Network { address, prefix }
    })
}

fn filter() -> impl Strategy<Value = Filter> {
    let range = || (port_number(), port_number()).prop_map(|(start, end)| start..=end);
    let leaf = prop_oneof![
        range().prop_map(Filter::LocalPort),
        range().prop_map(Filter::PeerPort),
        port_number().prop_map(|port| Filter::LocalPort(port..=port)),
        port_number().prop_map(|port| Filter::PeerPort(port..=port)),
        network().prop_map(Filter::Local),
        network().prop_map(Filter::Peer),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        let list = || prop::collection::vec(inner.clone(), 0..5);
        prop_oneof![
            inner
                .clone()
                .prop_map(|filter| Filter::Not(Box::new(filter))),
            list().prop_map(Filter::All),
            list().prop_map(Filter::Any),
        ]
    })
}

proptest! {
    #[test]
    fn the_code_says_what_the_filter_says_and_the_kernel_takes_it(
        filter in filter(),
        entries in prop::collection::vec(entry(), 1..30),
        equal in prop::bool::ANY,
    ) {
        let ports = if equal { PortTest::Equal } else { PortTest::Range };
        let code = filter.compile(ports).unwrap();
        prop_assert_eq!(audit(code.bytes()), Ok(()));
        for entry in &entries {
            prop_assert_eq!(run(code.bytes(), entry), holds(&filter, entry), "{:?}", entry);
        }
    }
}

#[test]
fn a_port_is_one_instruction_or_a_range_of_one() {
    let filter = Filter::LocalPort(22..=22);
    let ne = u16::to_ne_bytes;
    let equal = [[11, 8].as_slice(), &ne(12), &[0, 0], &ne(22)].concat();
    assert_eq!(filter.compile(PortTest::Equal).unwrap().bytes(), equal);
    let range = [
        [2, 8].as_slice(),
        &ne(20),
        &[0, 0],
        &ne(22),
        &[3, 8],
        &ne(12),
        &[0, 0],
        &ne(22),
    ]
    .concat();
    assert_eq!(filter.compile(PortTest::Range).unwrap().bytes(), range);
}

#[test]
fn what_is_always_true_is_one_instruction_that_does_nothing() {
    for filter in [Filter::All(vec![]), Filter::PeerPort(0..=u16::MAX)] {
        let code = filter.compile(PortTest::Range).unwrap();
        assert_eq!(code.bytes(), [0, 4, 0, 0]);
    }
}

#[test]
fn a_network_has_no_more_bits_than_its_address() {
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    assert!(Network::new(address, 32).is_some());
    assert_eq!(Network::new(address, 33), None);
}

#[test]
fn a_filter_grows_up_to_its_limit_and_no_further() {
    let ports = |count: u16| {
        Filter::Any(
            (0..count)
                .map(|port| Filter::LocalPort(port..=port))
                .collect(),
        )
    };
    let longest = ports(5000).compile(PortTest::Equal).unwrap();
    assert_eq!(audit(longest.bytes()), Ok(()));
    assert_eq!(ports(6000).compile(PortTest::Equal), Err(TooLong));
    // Both lists fit alone; together they do not.
    let both = Filter::All(vec![ports(3000), ports(3000)]);
    assert_eq!(both.compile(PortTest::Equal), Err(TooLong));
}
