//! The order in which programs try the addresses of a name: RFC 6724 section 6, with the tables of the C library
//! (`gai.conf(5)`), which are those of RFC 3484.

use std::cmp::Ordering;
use std::net::{IpAddr, Ipv6Addr};

/// An address, and the one that packets to it are sent from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// The address.
    pub to: IpAddr,
    /// The address of this host; `None`: no packet is sent.
    pub from: Option<IpAddr>,
}

/// Puts addresses in order; those that no rule tells apart stay as they are.
pub fn sort(candidates: &mut [Candidate]) {
    candidates.sort_by(|a, b| compare(a, b).map_or(Ordering::Equal, |(order, _)| order));
}

/// Why the first of two addresses comes before the second, with the number of the rule.
pub fn why(first: &Candidate, second: &Candidate) -> &'static str {
    match compare(first, second) {
        Some((Ordering::Less, why)) => why,
        Some(_) => "not by the default rules of RFC 6724: /etc/gai.conf may have others",
        None => "no rule of RFC 6724 tells them apart, so it is as in the answer",
    }
}

/// The first rule that tells two addresses apart.
fn compare(a: &Candidate, b: &Candidate) -> Option<(Ordering, &'static str)> {
    let more = |of_a: bool, of_b: bool| of_b.cmp(&of_a);
    let fits = |it: &Candidate| it.from.is_some_and(|from| scope(from) == scope(it.to));
    let like = |it: &Candidate| it.from.is_some_and(|from| label(from) == label(it.to));
    let rules = [
        (
            more(a.from.is_some(), b.from.is_some()),
            "the other one cannot be reached (RFC 6724, rule 1)",
        ),
        (
            more(fits(a), fits(b)),
            "its scope is that of the address that it is reached from (RFC 6724, rule 2)",
        ),
        (
            more(like(a), like(b)),
            "it is of the same kind as the address that it is reached from (RFC 6724, rule 5)",
        ),
        (
            precedence(b.to).cmp(&precedence(a.to)),
            "its kind of address has the higher precedence (RFC 6724, rule 6)",
        ),
        (
            scope(a.to).cmp(&scope(b.to)),
            "its scope is smaller (RFC 6724, rule 8)",
        ),
        (
            common_bits(b).cmp(&common_bits(a)),
            "it has more bits in common with the address that it is reached from (RFC 6724, rule 9)",
        ),
    ];
    let both = a.from.is_some() && b.from.is_some();
    // Without a source only the rules about the address itself hold.
    let mut rules = rules.into_iter().enumerate();
    let found = rules.find(|(at, (order, _))| {
        let is_about_sources = matches!(at, 1 | 2 | 5);
        order.is_ne() && (both || !is_about_sources)
    });
    found.map(|(_, found)| found)
}

/// The bytes of an address, of IPv4 in the form `::ffff:a.b.c.d`.
fn mapped(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

/// The scope (RFC 4291 section 2.7, RFC 6724 section 3.2): 2 link, 5 site, 14 global.
fn scope(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(ip) if ip.is_loopback() || ip.is_link_local() => 2,
        IpAddr::V6(ip) if ip.is_multicast() => ip.octets()[1] & 15,
        IpAddr::V6(ip) if ip.is_loopback() || ip.is_unicast_link_local() => 2,
        IpAddr::V6(ip) if ip.segments()[0] & 0xffc0 == 0xfec0 => 5,
        _ => 14,
    }
}

/// The number of the longest prefix of a table that an address has; the last row has every address.
fn of_table(table: &[(u16, u8, u8)], ip: IpAddr) -> u8 {
    let ip = mapped(ip);
    if ip == Ipv6Addr::LOCALHOST {
        return table[0].2;
    }
    let bits = ip.to_bits();
    // ::ffff:0:0/96, and ::/96, which IPv4-compatible addresses have.
    let (is_v4, is_compatible) = (bits >> 32 == 0xffff, bits >> 32 == 0);
    if is_v4 || is_compatible {
        return table[if is_v4 { 1 } else { 2 }].2;
    }
    let first = ip.segments()[0];
    let has = |(prefix, length, _): &&(u16, u8, u8)| {
        let rest = 16 - u32::from(*length).min(16);
        let teredo = *length <= 16 || ip.segments()[1] == 0;
        (first ^ prefix).checked_shr(rest).unwrap_or(0) == 0 && teredo
    };
    table[3..].iter().find(has).map_or(0, |row| row.2)
}

/// `gaiconf_init` of glibc: first `::1`, IPv4, `::/96`; then by the first 16 bits, the longest prefix first.
const LABELS: &[(u16, u8, u8)] = &[
    (0, 0, 0),
    (0, 0, 4),
    (0, 0, 3),
    (0x2001, 32, 7),
    (0x2002, 16, 2),
    (0xfec0, 10, 5),
    (0xfc00, 7, 6),
    (0, 0, 1),
];
const PRECEDENCES: &[(u16, u8, u8)] = &[
    (0, 0, 50),
    (0, 0, 10),
    (0, 0, 20),
    (0x2002, 16, 30),
    (0, 0, 40),
];

fn label(ip: IpAddr) -> u8 {
    of_table(LABELS, ip)
}

fn precedence(ip: IpAddr) -> u8 {
    of_table(PRECEDENCES, ip)
}

/// The bits that an address of IPv6 has in common with its source. Of IPv4 the C library counts them only inside of a
/// network.
fn common_bits(it: &Candidate) -> u32 {
    match (it.to, it.from) {
        (IpAddr::V6(to), Some(IpAddr::V6(from))) => (to.to_bits() ^ from.to_bits()).leading_zeros(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(to: &str, from: &str) -> Candidate {
        Candidate {
            to: to.parse().unwrap(),
            from: from.parse().ok(),
        }
    }

    #[test]
    fn each_rule_puts_the_better_address_first_and_says_why() {
        for (first, second, rule) in [
            (("10.9.1.1", "10.9.1.2"), ("fd00::1", ""), "rule 1"),
            (
                ("2001:db8::1", "2001:db8::2"),
                ("2001:db8::3", "fe80::1"),
                "rule 2",
            ),
            (
                ("2001:db8::1", "2001:db8::2"),
                ("2002:1::1", "2001:db8::2"),
                "rule 5",
            ),
            (
                ("2001:db8::1", "2001:db8::2"),
                ("10.9.1.1", "10.9.1.2"),
                "rule 6",
            ),
            (("::1", "::1"), ("127.0.0.1", "127.0.0.1"), "rule 6"),
            (
                ("127.0.0.1", "127.0.0.1"),
                ("10.9.1.1", "10.9.1.2"),
                "rule 8",
            ),
            (
                ("2001:db8::1", "2001:db8::2"),
                ("2001:dc8::1", "2001:db8::2"),
                "rule 9",
            ),
        ] {
            let (first, second) = (candidate(first.0, first.1), candidate(second.0, second.1));
            for mut both in [[first, second], [second, first]] {
                sort(&mut both);
                assert_eq!(both, [first, second], "{rule}");
            }
            assert!(
                why(&first, &second).contains(rule),
                "{rule}: {}",
                why(&first, &second)
            );
            assert!(why(&second, &first).contains("gai.conf"), "{rule}");
        }
        let alike = [
            candidate("10.9.1.1", "10.9.1.9"),
            candidate("10.9.1.2", "10.9.1.9"),
        ];
        let mut sorted = alike;
        sort(&mut sorted);
        assert_eq!(sorted, alike);
        assert!(why(&alike[0], &alike[1]).contains("as in the answer"));
    }
}
