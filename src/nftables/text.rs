//! A rule in short, as nft(8) writes it. What is not understood is shown by its name.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::rule::{Comparison, Condition, Field, Rule, Verdict};
use super::{Chain, Firewall, Set};

/// The most values of a set that are shown.
const MOST_VALUES: usize = 4;
/// The longest text.
const LONGEST: usize = 160;

impl Firewall {
    /// `tcp dport 5432 drop`.
    pub fn text(&self, rule: &Rule) -> String {
        let mut words = Vec::new();
        let conditions = &rule.conditions;
        for (index, condition) in conditions.iter().enumerate() {
            // `tcp dport` says the protocol, and an address its family.
            if !is_said_by(condition, &conditions[index + 1..]) {
                let before = &conditions[..index];
                words.push(self.condition(rule, condition, protocol_of(before)));
            }
        }
        words.extend(verdict(&rule.verdict));
        let text = words.join(" ");
        match text.char_indices().nth(LONGEST) {
            Some((cut, _)) => format!("{} ...", &text[..cut]),
            None => text,
        }
    }

    fn condition(&self, rule: &Rule, condition: &Condition, protocol: &str) -> String {
        match condition {
            Condition::Compare {
                field,
                mask,
                comparison,
                value,
            } => compare(*field, mask, *comparison, value, protocol),
            Condition::Range {
                field,
                outside,
                from,
                to,
            } => format!(
                "{} {}{}-{}",
                field_text(*field, protocol),
                if *outside { "!= " } else { "" },
                value_text(*field, from),
                value_text(*field, to)
            ),
            Condition::In {
                fields,
                set,
                outside,
            } => {
                let names: Vec<String> = fields
                    .iter()
                    .map(|field| field_text(*field, protocol))
                    .collect();
                let not = if *outside { "!= " } else { "" };
                let map = if rule.verdict == Verdict::Map {
                    "vmap "
                } else {
                    ""
                };
                let values = self.values(rule, fields, set);
                format!("{} {map}{not}{values}", names.join(" . "))
            }
            Condition::Ports(sources, destinations) => {
                let mut words = Vec::new();
                for (name, [low, high]) in [("sport", sources), ("dport", destinations)] {
                    match (*low, *high) {
                        (0, u16::MAX) => {}
                        (low, high) if low == high => {
                            words.push(format!("{protocol} {name} {low}"));
                        }
                        _ => words.push(format!("{protocol} {name} {low}-{high}")),
                    }
                }
                words.join(" ")
            }
            Condition::Other(name) => format!("[{name}]"),
        }
    }

    /// `{ 80, 443 }` of a set without a name of its own.
    fn values(&self, rule: &Rule, fields: &[Field], name: &str) -> String {
        let is_it =
            |set: &&Set| (set.family, &set.table, &*set.name) == (rule.family, &rule.table, name);
        let set = self.sets.iter().find(is_it);
        match (set, fields) {
            (Some(set), [field]) if name.starts_with("__") && !set.intervals => {
                let shown = set.elements.iter().take(MOST_VALUES);
                let mut values: Vec<String> = shown
                    .map(|it| {
                        let to = it.verdict.as_ref().and_then(verdict);
                        let to = to.map_or_else(String::new, |to| format!(" : {to}"));
                        value_text(*field, &it.key) + &to
                    })
                    .collect();
                if set.elements.len() > MOST_VALUES {
                    values.push("...".to_owned());
                }
                format!("{{ {} }}", values.join(", "))
            }
            _ if name.starts_with("__") => "{ ... }".to_owned(),
            _ => format!("@{name}"),
        }
    }
}

impl Chain {
    /// `table inet filter, chain input`.
    pub fn place(&self) -> String {
        place(self.family.word(), &self.table, &self.name)
    }
}

impl Rule {
    /// `table inet filter, chain input`.
    pub fn place(&self) -> String {
        place(self.family.word(), &self.table, &self.chain)
    }
}

fn place(family: &str, table: &str, chain: &str) -> String {
    format!("table {family} {table}, chain {chain}")
}

/// Whether a condition is implied by one that follows: nft(8) adds them by itself.
fn is_said_by(condition: &Condition, rest: &[Condition]) -> bool {
    let Condition::Compare {
        field,
        comparison: Comparison::Equal,
        ..
    } = condition
    else {
        return false;
    };
    let base = match field {
        Field::Meta(16) | Field::Header(1, 9 | 6, 1) => 2,
        Field::Meta(15 | 1) => 1,
        _ => return false,
    };
    rest.iter().any(|other| match other {
        Condition::Compare { field, .. } | Condition::Range { field, .. } => {
            matches!(field, Field::Header(of, ..) if *of == base)
        }
        Condition::In { fields, .. } => {
            matches!(fields[..], [Field::Header(of, ..), ..] if of == base)
        }
        Condition::Ports(..) => base == 2,
        Condition::Other(_) => false,
    })
}

/// The protocol that the conditions before have settled.
fn protocol_of(before: &[Condition]) -> &'static str {
    let settled = before.iter().rev().find_map(|condition| match condition {
        Condition::Compare {
            field: Field::Meta(16) | Field::Header(1, 9 | 6, 1),
            comparison: Comparison::Equal,
            value,
            ..
        } => Some(value.as_slice()),
        _ => None,
    });
    match settled {
        Some([6]) => "tcp",
        Some([17]) => "udp",
        Some([1]) => "icmp",
        Some([58]) => "icmpv6",
        _ => "th",
    }
}

fn compare(
    field: Field,
    mask: &[u8],
    comparison: Comparison,
    value: &[u8],
    protocol: &str,
) -> String {
    let name = field_text(field, protocol);
    let is_zero = value.iter().all(|byte| *byte == 0);
    // `ct state new`, `tcp flags syn`: one of these bits is set.
    if !mask.is_empty() && comparison == Comparison::Not && is_zero {
        return format!("{name} {}", value_text(field, mask));
    }
    let operator = match comparison {
        Comparison::Equal => "",
        Comparison::Not => "!= ",
        Comparison::Less => "< ",
        Comparison::AtMost => "<= ",
        Comparison::Greater => "> ",
        Comparison::AtLeast => ">= ",
    };
    let ones: u32 = mask.iter().map(|byte| byte.count_ones()).sum();
    let text = value_text(field, value);
    if mask.is_empty() {
        format!("{name} {operator}{text}")
    } else if is_address(field) {
        format!("{name} {operator}{text}/{ones}")
    } else {
        format!("{name} & {} {operator}{text}", hexadecimal(mask))
    }
}

/// Source and destination address of IPv4 and IPv6.
fn is_address(field: Field) -> bool {
    matches!(
        field,
        Field::Header(1, 12 | 16, 1..=4) | Field::Header(1, 8 | 24, 1..=16)
    )
}

fn field_text(field: Field, protocol: &str) -> String {
    let known = match field {
        Field::Meta(1) => "meta protocol",
        Field::Meta(3) => "meta mark",
        Field::Meta(4) => "iif",
        Field::Meta(5) => "oif",
        Field::Meta(6) => "iifname",
        Field::Meta(7) => "oifname",
        Field::Meta(10) => "meta skuid",
        Field::Meta(11) => "meta skgid",
        Field::Meta(15) => "meta nfproto",
        Field::Meta(16) => "meta l4proto",
        Field::Ct(0) => "ct state",
        Field::Ct(_) => "ct",
        Field::Header(1, 12, 1..=4) => "ip saddr",
        Field::Header(1, 16, 1..=4) => "ip daddr",
        Field::Header(1, 9, 1) => "ip protocol",
        Field::Header(1, 8, 1..=16) => "ip6 saddr",
        Field::Header(1, 24, 1..=16) => "ip6 daddr",
        Field::Header(1, 6, 1) => "ip6 nexthdr",
        Field::Header(2, 0, 2) => return format!("{protocol} sport"),
        Field::Header(2, 2, 2) => return format!("{protocol} dport"),
        Field::Header(2, 13, 1) => "tcp flags",
        Field::Header(2, 0, 1) => return format!("{protocol} type"),
        Field::Header(base, offset, length) => {
            let base = ["ll", "nh", "th"].get(base as usize).unwrap_or(&"ih");
            return format!(
                "@{base},{},{}",
                u64::from(offset) * 8,
                u64::from(length) * 8
            );
        }
        Field::Meta(_) => "meta",
        Field::Unknown => "[...]",
    };
    known.to_owned()
}

fn value_text(field: Field, value: &[u8]) -> String {
    let host = || value.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes));
    match field {
        Field::Meta(6 | 7) => {
            let end = value.iter().position(|byte| *byte == 0);
            let name = String::from_utf8_lossy(&value[..end.unwrap_or(value.len())]);
            // Without a NUL it is the start of a name.
            let rest = if end.is_none() && value.len() < 16 {
                "*"
            } else {
                ""
            };
            format!("\"{name}{rest}\"")
        }
        Field::Meta(15) => match value {
            [2] => "ipv4".to_owned(),
            [10] => "ipv6".to_owned(),
            _ => hexadecimal(value),
        },
        Field::Meta(16) | Field::Header(1, 9 | 6, 1) => match value {
            [6] => "tcp".to_owned(),
            [17] => "udp".to_owned(),
            [1] => "icmp".to_owned(),
            [58] => "ipv6-icmp".to_owned(),
            [132] => "sctp".to_owned(),
            [other] => other.to_string(),
            _ => hexadecimal(value),
        },
        Field::Ct(0) => host().map_or_else(
            || hexadecimal(value),
            |bits| {
                bit_names(
                    bits,
                    &[
                        (1, "invalid"),
                        (2, "established"),
                        (4, "related"),
                        (8, "new"),
                        (64, "untracked"),
                    ],
                )
            },
        ),
        Field::Header(2, 13, 1) => bit_names(
            u32::from(value.first().copied().unwrap_or_default()),
            &[
                (1, "fin"),
                (2, "syn"),
                (4, "rst"),
                (8, "psh"),
                (16, "ack"),
                (32, "urg"),
            ],
        ),
        Field::Meta(3 | 4 | 5 | 10 | 11) => {
            host().map_or_else(|| hexadecimal(value), |number| number.to_string())
        }
        _ if is_address(field) => address(field, value),
        Field::Header(2, _, 1 | 2) => {
            let number = value
                .iter()
                .fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte));
            number.to_string()
        }
        _ => hexadecimal(value),
    }
}

/// An address, or the start of one that stands for a prefix.
fn address(field: Field, value: &[u8]) -> String {
    let v4 = matches!(field, Field::Header(1, 12 | 16, _));
    let full = if v4 { 4 } else { 16 };
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(value) {
        *to = *from;
    }
    let ip: IpAddr = if v4 {
        Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]).into()
    } else {
        Ipv6Addr::from(bytes).into()
    };
    if value.len() < full {
        format!("{ip}/{}", value.len() * 8)
    } else {
        ip.to_string()
    }
}

fn bit_names(bits: u32, names: &[(u32, &str)]) -> String {
    let set = names.iter().filter(|(bit, _)| bits & bit != 0);
    let names: Vec<&str> = set.map(|(_, name)| *name).collect();
    if names.is_empty() {
        return bits.to_string();
    }
    names.join(",")
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = "0x".to_owned();
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn verdict(verdict: &Verdict) -> Option<String> {
    Some(match verdict {
        Verdict::None | Verdict::Map => return None,
        Verdict::Accept => "accept".to_owned(),
        Verdict::Drop => "drop".to_owned(),
        Verdict::Reject => "reject".to_owned(),
        Verdict::Jump(chain) => format!("jump {chain}"),
        Verdict::Goto(chain) => format!("goto {chain}"),
        Verdict::Return => "return".to_owned(),
        Verdict::Translate => "nat".to_owned(),
        Verdict::Other(name) => format!("[{name}]"),
    })
}
