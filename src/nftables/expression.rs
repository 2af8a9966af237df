//! The expressions of a rule: small steps on registers, put together to conditions.

use super::rule::{Comparison, Condition, Field, Rule, Verdict};
use super::{be32, be64, inside, name};

/// `NFTA_EXPR_NAME`, `NFTA_EXPR_DATA`.
const NAME: u16 = 1;
const DATA: u16 = 2;
/// `NFTA_DATA_VALUE`, `NFTA_DATA_VERDICT`; inside of the latter `NFTA_VERDICT_CODE`, `NFTA_VERDICT_CHAIN`.
const VALUE: u16 = 1;
const VERDICT: u16 = 2;
const CODE: u16 = 1;
const CHAIN: u16 = 2;
/// Longer values than a register are cut (`NFT_DATA_VALUE_MAXLEN`).
const LONGEST: usize = 64;
/// Registers of four bytes; the four of sixteen bytes lie over them.
const WORDS: usize = 20;

/// What each register holds: a field, and which of its bits are left.
#[derive(Debug)]
pub(super) struct Registers([Option<(Field, Vec<u8>)>; WORDS]);

impl Default for Registers {
    fn default() -> Self {
        Registers(std::array::from_fn(|_| None))
    }
}

impl Registers {
    /// Reads the next expression and adds what it means to the rule.
    pub(super) fn read(&mut self, expression: &[u8], rule: &mut Rule) {
        let kind = inside(expression, NAME).map(name).unwrap_or_default();
        let data = inside(expression, DATA).unwrap_or_default();
        let number = |attribute| inside(data, attribute).map_or(0, be32);
        match &*kind {
            "meta" if inside(data, 1).is_some() => self.put(number(1), Field::Meta(number(2))),
            // A direction makes it a question about the other one.
            "ct" if inside(data, 1).is_some() && inside(data, 3).is_none() => {
                self.put(number(1), Field::Ct(number(2)));
            }
            "payload" if inside(data, 1).is_some() => {
                self.put(number(1), Field::Header(number(2), number(3), number(4)));
            }
            "bitwise" => self.bitwise(data),
            "cmp" => {
                let (field, mask) = self.get(number(1));
                let comparison = comparison(number(2));
                let value = value(inside(data, 3).unwrap_or_default());
                if comparison == Some(Comparison::AtMost)
                    && let Some(Condition::Compare {
                        field: same,
                        mask: none,
                        comparison: Comparison::AtLeast,
                        value: from,
                    }) = rule.conditions.last_mut()
                    && *same == field
                    && none.is_empty()
                    && mask.is_empty()
                    && from.len() == value.len()
                {
                    let from = std::mem::take(from);
                    rule.conditions.pop();
                    rule.conditions.push(Condition::Range {
                        field,
                        outside: false,
                        from,
                        to: value,
                    });
                    return;
                }
                rule.conditions.push(match comparison {
                    Some(comparison) => Condition::Compare {
                        field,
                        mask,
                        comparison,
                        value,
                    },
                    None => Condition::Other(kind),
                });
            }
            "range" => {
                let (field, mask) = self.get(number(1));
                let field = if mask.is_empty() {
                    field
                } else {
                    Field::Unknown
                };
                rule.conditions.push(Condition::Range {
                    field,
                    outside: number(2) == 1,
                    from: value(inside(data, 3).unwrap_or_default()),
                    to: value(inside(data, 4).unwrap_or_default()),
                });
            }
            "lookup" => self.lookup(data, rule),
            "immediate" => self.immediate(data, rule),
            "counter" => rule.packets = inside(data, 2).map(be64),
            "reject" => rule.verdict = Verdict::Reject,
            "nat" | "redir" | "masq" | "tproxy" => rule.verdict = Verdict::Translate,
            "match" => rule.conditions.extend(iptables_match(data)),
            "target" => rule.verdict = iptables_target(data),
            "log" | "last" | "notrack" | "objref" | "dup" | "ct" | "meta" | "rt" | "exthdr"
            | "payload" | "hash" | "numgen" | "fib" | "socket" | "osf" | "tunnel" | "xfrm" => {
                // What writes a register that it names first; the rest change nothing of the verdict.
                if let Some(register) = inside(data, 1) {
                    self.put(be32(register), Field::Unknown);
                }
            }
            "byteorder" => self.put(number(2), Field::Unknown),
            "queue" | "fwd" | "synproxy" => rule.verdict = Verdict::Other(kind),
            _ => rule.conditions.push(Condition::Other(kind)),
        }
    }

    fn put(&mut self, register: u32, field: Field) {
        if let Some(word) = word(register) {
            // A long register covers four words.
            let covered = if register <= 4 { 4 } else { 1 };
            for at in word..(word + covered).min(WORDS) {
                self.0[at] = None;
            }
            self.0[word] = Some((field, Vec::new()));
        }
    }

    fn get(&self, register: u32) -> (Field, Vec<u8>) {
        let held = word(register).and_then(|word| self.0[word].clone());
        held.unwrap_or((Field::Unknown, Vec::new()))
    }

    /// `NFTA_BITWISE_*`: source 1, destination 2, mask 4, xor 5, operation 6.
    fn bitwise(&mut self, data: &[u8]) {
        let number = |attribute| inside(data, attribute).map_or(0, be32);
        let (field, before) = self.get(number(1));
        let mask = value(inside(data, 4).unwrap_or_default());
        let flipped = value(inside(data, 5).unwrap_or_default());
        let is_mask = number(6) == 0 && flipped.iter().all(|byte| *byte == 0);
        let destination = number(2);
        self.put(destination, Field::Unknown);
        if is_mask
            && before.is_empty()
            && let Some(word) = word(destination)
        {
            self.0[word] = Some((field, mask));
        }
    }

    /// `NFTA_LOOKUP_*`: set 1, source 2, destination 3, flags 5. A key may go over several registers.
    fn lookup(&mut self, data: &[u8], rule: &mut Rule) {
        let number = |attribute| inside(data, attribute).map_or(0, be32);
        let mut fields = Vec::new();
        if let Some(first) = word(number(2)) {
            // The fields that follow each other: the set's key says how many of them count.
            let mut at = first;
            while let Some(Some((field, mask))) = self.0.get(at) {
                let field = if mask.is_empty() {
                    *field
                } else {
                    Field::Unknown
                };
                fields.push(field);
                at += field.length().unwrap_or(4).div_ceil(4).max(1);
            }
        }
        if fields.is_empty() {
            fields.push(Field::Unknown);
        }
        let set = inside(data, 1).map(name).unwrap_or_default();
        match inside(data, 3).map(be32) {
            Some(0) => rule.verdict = Verdict::Map,
            Some(register) => {
                self.put(register, Field::Unknown);
            }
            None => {}
        }
        rule.conditions.push(Condition::In {
            fields,
            set,
            outside: number(5) & 1 != 0,
        });
    }

    /// `NFTA_IMMEDIATE_*`: destination 1, data 2.
    fn immediate(&mut self, data: &[u8], rule: &mut Rule) {
        let register = inside(data, 1).map_or(0, be32);
        match inside(data, 2).and_then(|data| inside(data, VERDICT)) {
            Some(code) => rule.verdict = verdict(code),
            None => self.put(register, Field::Unknown),
        }
    }
}

impl Field {
    /// Its bytes, as far as they are known.
    pub(super) fn length(self) -> Option<usize> {
        match self {
            Field::Header(_, _, length) => usize::try_from(length).ok(),
            // The names of interfaces.
            Field::Meta(6 | 7) => Some(16),
            // The ethertype; the protocols of layers 3 and 4.
            Field::Meta(1) => Some(2),
            Field::Meta(15 | 16) => Some(1),
            Field::Meta(_) | Field::Ct(_) => Some(4),
            Field::Unknown => None,
        }
    }
}

/// The register's place in words: 1 to 4 have sixteen bytes, 8 and up (`NFT_REG32_00`) four.
fn word(register: u32) -> Option<usize> {
    let word = match register {
        1..=4 => (register as usize - 1) * 4,
        8..=27 => register as usize - 8,
        _ => return None,
    };
    (word < WORDS).then_some(word)
}

/// The bytes of an `NFTA_DATA_VALUE`.
pub(super) fn value(data: &[u8]) -> Vec<u8> {
    let bytes = inside(data, VALUE).unwrap_or_default();
    bytes[..bytes.len().min(LONGEST)].to_vec()
}

/// An `NFTA_DATA_VERDICT`.
pub(super) fn verdict(data: &[u8]) -> Verdict {
    let chain = || inside(data, CHAIN).map(name).unwrap_or_default();
    match inside(data, CODE).map(|code| be32(code).cast_signed()) {
        Some(0) => Verdict::Drop,
        Some(1) => Verdict::Accept,
        Some(-1) => Verdict::None,
        Some(-3) => Verdict::Jump(chain()),
        Some(-4) => Verdict::Goto(chain()),
        Some(-5) => Verdict::Return,
        _ => Verdict::Other("verdict".into()),
    }
}

fn comparison(number: u32) -> Option<Comparison> {
    use Comparison::{AtLeast, AtMost, Equal, Greater, Less, Not};
    let all = [Equal, Not, Less, AtMost, Greater, AtLeast];
    all.get(number as usize).copied()
}

/// A match of iptables: `NFTA_MATCH_NAME`, `NFTA_MATCH_INFO`.
fn iptables_match(data: &[u8]) -> Option<Condition> {
    let kind = inside(data, 1).map(name).unwrap_or_default();
    let info = inside(data, 3).unwrap_or_default();
    // `struct xt_udp`: four ports, flags for their inversion; `struct xt_tcp`: the same ports, an option, a
    // mask of flags and their values, the inversion.
    let plain = match &*kind {
        "comment" => return None,
        "udp" => info.get(8) == Some(&0),
        "tcp" => info.get(8) == Some(&0) && info.get(9) == Some(&0) && info.get(11) == Some(&0),
        _ => false,
    };
    let port = |at: usize| {
        info.get(at..at + 2)
            .map_or(0, |it| u16::from_ne_bytes([it[0], it[1]]))
    };
    Some(if plain {
        Condition::Ports([port(0), port(2)], [port(4), port(6)])
    } else {
        Condition::Other(kind)
    })
}

/// A target of iptables: `NFTA_TARGET_NAME`.
fn iptables_target(data: &[u8]) -> Verdict {
    let kind = inside(data, 1).map(name).unwrap_or_default();
    match &*kind {
        "REJECT" => Verdict::Reject,
        "MASQUERADE" | "SNAT" | "DNAT" | "REDIRECT" | "NETMAP" | "TPROXY" => Verdict::Translate,
        "LOG" | "NFLOG" | "MARK" | "CT" | "CONNMARK" | "TCPMSS" | "TRACE" | "CHECKSUM"
        | "CLASSIFY" | "AUDIT" => Verdict::None,
        _ => Verdict::Other(kind),
    }
}
