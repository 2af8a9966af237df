//! What becomes of a packet: the rules of a hook asked in their order.
//!
//! A condition that is not understood, or that asks for something not known of the packet, is neither met nor
//! not met. The fate is told only where it is the same for both.

use std::net::IpAddr;

use super::chain::{Chain, Hook};
use super::rule::{Comparison, Condition, Field, Rule, Verdict};
use super::{Family, Firewall};

/// Chains that are asked from one another; the kernel allows 16.
const DEEPEST: usize = 16;
/// Rules that are asked for one packet.
const MOST_STEPS: usize = 100_000;

/// `NF_CT_STATE_BIT`: of connections that both ends know, and of new ones.
pub const ESTABLISHED: u32 = 2;
/// The same of a packet that begins a connection.
pub const NEW: u32 = 8;

/// A packet, as far as it is known.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    /// The protocol after IP: 6 is TCP.
    pub protocol: u8,
    /// From where; `None`: from anywhere.
    pub source: Option<(IpAddr, u16)>,
    /// To where.
    pub destination: (IpAddr, u16),
    /// The interface by which it came: index and name.
    pub input: Option<(u32, &'a str)>,
    /// The interface by which it leaves.
    pub output: Option<(u32, &'a str)>,
    /// [`NEW`] or [`ESTABLISHED`].
    pub state: Option<u32>,
    /// The flags of its TCP header.
    pub tcp_flags: Option<u8>,
    /// The user whose socket sends it.
    pub user: Option<u32>,
}

/// What becomes of a packet at a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate<'a> {
    /// It goes on.
    Passes,
    /// A rule drops or rejects it.
    Rule(&'a Rule),
    /// The policy of a chain drops it.
    Policy(&'a Chain),
    /// It cannot be told.
    Unknown,
}

impl Fate<'_> {
    /// Whether the packet is gone.
    pub fn is_the_end(&self) -> bool {
        matches!(self, Fate::Rule(_) | Fate::Policy(_))
    }
}

/// What a chain says.
#[derive(Debug, Clone, Copy)]
enum Outcome<'a> {
    Accept,
    Gone(&'a Rule),
    Continue,
    Unknown,
}

impl Firewall {
    /// What becomes of a packet at a hook.
    pub fn fate(&self, hook: Hook, packet: &Packet<'_>) -> Fate<'_> {
        let sees = |chain: &&Chain| chain.hook == Some(hook) && packet.is_of(chain.family);
        let mut chains: Vec<&Chain> = self.chains.iter().filter(sees).collect();
        chains.sort_by_key(|chain| chain.priority);
        let mut walk = Walk {
            firewall: self,
            hook,
            packet,
            steps: 0,
        };
        let mut uncertain = self.incomplete;
        for chain in chains {
            match walk.chain(chain, 0) {
                Outcome::Gone(rule) if !uncertain => return Fate::Rule(rule),
                Outcome::Continue if chain.drops && !uncertain => return Fate::Policy(chain),
                Outcome::Accept => {}
                Outcome::Continue if !chain.drops => {}
                _ => uncertain = true,
            }
        }
        if uncertain {
            Fate::Unknown
        } else {
            Fate::Passes
        }
    }
}

struct Walk<'a, 'p> {
    firewall: &'a Firewall,
    hook: Hook,
    packet: &'p Packet<'p>,
    steps: usize,
}

impl<'a> Walk<'a, '_> {
    fn chain(&mut self, chain: &'a Chain, depth: usize) -> Outcome<'a> {
        let of_it = |rule: &&Rule| {
            (rule.family, &rule.table, &rule.chain) == (chain.family, &chain.table, &chain.name)
        };
        let rules: Vec<&Rule> = self.firewall.rules.iter().filter(of_it).collect();
        self.rules(chain, &rules, depth)
    }

    fn rules(&mut self, chain: &'a Chain, rules: &[&'a Rule], depth: usize) -> Outcome<'a> {
        // Where a rule may or may not apply, what it would say.
        let mut possible: Option<Outcome<'a>> = None;
        for rule in rules {
            self.steps += 1;
            if self.steps > MOST_STEPS || depth > DEEPEST {
                return Outcome::Unknown;
            }
            let applies = self.meets(rule);
            if applies == Some(false) {
                continue;
            }
            let (outcome, returns) = self.verdict(chain, rule, depth);
            match (applies, outcome) {
                (Some(true), Outcome::Continue) if returns => {
                    return with(possible, Outcome::Continue);
                }
                (_, Outcome::Continue) if !returns => {}
                (Some(true), outcome) => return with(possible, outcome),
                (_, outcome) => {
                    possible = Some(match possible {
                        None => outcome,
                        Some(before) => with(Some(before), outcome),
                    });
                }
            }
        }
        with(possible, Outcome::Continue)
    }

    /// What a rule says of a packet that meets its conditions, and whether the chain ends with it.
    fn verdict(&mut self, chain: &'a Chain, rule: &'a Rule, depth: usize) -> (Outcome<'a>, bool) {
        let mapped;
        let verdict = if rule.verdict == Verdict::Map {
            mapped = self.mapped(rule);
            match &mapped {
                Some(verdict) => verdict,
                None => return (Outcome::Unknown, true),
            }
        } else {
            &rule.verdict
        };
        let next = |walk: &mut Self, to: &str| {
            let is_it =
                |it: &&Chain| (it.family, &it.table, &*it.name) == (chain.family, &chain.table, to);
            match walk.firewall.chains.iter().find(is_it) {
                Some(chain) => walk.chain(chain, depth + 1),
                None => Outcome::Unknown,
            }
        };
        match verdict {
            Verdict::None => (Outcome::Continue, false),
            Verdict::Accept => (Outcome::Accept, true),
            Verdict::Drop | Verdict::Reject => (Outcome::Gone(rule), true),
            Verdict::Return => (Outcome::Continue, true),
            Verdict::Jump(to) => (next(self, to), false),
            Verdict::Goto(to) => (next(self, to), true),
            // The source address is changed after all that is asked here.
            Verdict::Translate if matches!(self.hook, Hook::Input | Hook::Postrouting) => {
                (Outcome::Accept, true)
            }
            Verdict::Map | Verdict::Translate | Verdict::Other(_) => (Outcome::Unknown, true),
        }
    }

    /// The verdict that the map of a rule has for the packet.
    fn mapped(&self, rule: &Rule) -> Option<Verdict> {
        let last = rule.conditions.last()?;
        let Condition::In { fields, set, .. } = last else {
            return None;
        };
        self.element(rule, fields, set)??.verdict.clone()
    }

    /// Whether a packet meets all conditions; `None`: that cannot be told.
    fn meets(&self, rule: &Rule) -> Option<bool> {
        let mut all = Some(true);
        for condition in &rule.conditions {
            match self.meets_one(rule, condition) {
                Some(true) => {}
                Some(false) => return Some(false),
                None => all = None,
            }
        }
        all
    }

    fn meets_one(&self, rule: &Rule, condition: &Condition) -> Option<bool> {
        match condition {
            Condition::Compare {
                field,
                mask,
                comparison,
                value,
            } => {
                let mut bytes = self.packet.field(*field)?;
                if !mask.is_empty() {
                    (mask.len() >= value.len()).then_some(())?;
                    for (byte, mask) in bytes.iter_mut().zip(mask) {
                        *byte &= mask;
                    }
                }
                let bytes = bytes.get(..value.len())?;
                Some(match comparison {
                    Comparison::Equal => bytes == value,
                    Comparison::Not => bytes != value,
                    Comparison::Less => bytes < value.as_slice(),
                    Comparison::AtMost => bytes <= value.as_slice(),
                    Comparison::Greater => bytes > value.as_slice(),
                    Comparison::AtLeast => bytes >= value.as_slice(),
                })
            }
            Condition::Range {
                field,
                outside,
                from,
                to,
            } => {
                let bytes = self.packet.field(*field)?;
                let bytes = bytes.get(..from.len())?;
                Some((from.as_slice() <= bytes && bytes <= to.as_slice()) != *outside)
            }
            Condition::In {
                fields,
                set,
                outside,
            } => {
                let found = self.element(rule, fields, set)?;
                Some(found.is_some() != *outside)
            }
            Condition::Ports(sources, destinations) => {
                let within = |[low, high]: &[u16; 2], port| (*low..=*high).contains(&port);
                if !within(destinations, self.packet.destination.1) {
                    return Some(false);
                }
                if *sources == [0, u16::MAX] {
                    return Some(true);
                }
                Some(within(sources, self.packet.source?.1))
            }
            Condition::Other(_) => None,
        }
    }

    /// The element of a set that the packet's fields belong to; the outer `None`: that cannot be told.
    fn element(
        &self,
        rule: &Rule,
        fields: &[Field],
        set: &str,
    ) -> Option<Option<&'a super::set::Element>> {
        let mut sets = self.firewall.sets.iter();
        let set =
            sets.find(|it| (it.family, &it.table, &*it.name) == (rule.family, &rule.table, set))?;
        if set.incomplete {
            return None;
        }
        let mut key = Vec::new();
        for field in fields {
            if key.len() >= set.key_bytes as usize {
                break;
            }
            key.extend(self.packet.field(*field)?);
            // Each field of several begins at a multiple of four bytes.
            if key.len() < set.key_bytes as usize {
                key.resize(key.len().next_multiple_of(4), 0);
            }
        }
        (key.len() == set.key_bytes as usize).then(|| set.find(&key))
    }
}

/// What is certain if a rule that may apply says one thing, and the rest of the chain another.
fn with<'a>(possible: Option<Outcome<'a>>, rest: Outcome<'a>) -> Outcome<'a> {
    match (possible, rest) {
        (None, rest)
        | (Some(Outcome::Accept), rest @ Outcome::Accept)
        | (Some(Outcome::Gone(_)), rest @ Outcome::Gone(_))
        | (Some(Outcome::Continue), rest @ Outcome::Continue) => rest,
        _ => Outcome::Unknown,
    }
}

impl Packet<'_> {
    fn is_of(&self, family: Family) -> bool {
        match family {
            Family::Inet => true,
            Family::Ip => self.destination.0.is_ipv4(),
            Family::Ip6 => self.destination.0.is_ipv6(),
        }
    }

    /// The bytes of a field, if they are known.
    fn field(&self, field: Field) -> Option<Vec<u8>> {
        let v4 = self.destination.0.is_ipv4();
        let padded = |name: &str| {
            let mut bytes = name.as_bytes().to_vec();
            bytes.resize(16, 0);
            bytes
        };
        Some(match field {
            Field::Meta(1) => if v4 { [8, 0] } else { [0x86, 0xdd] }.to_vec(),
            Field::Meta(4) => self.input?.0.to_ne_bytes().to_vec(),
            Field::Meta(5) => self.output?.0.to_ne_bytes().to_vec(),
            Field::Meta(6) => padded(self.input?.1),
            Field::Meta(7) => padded(self.output?.1),
            Field::Meta(10) => self.user?.to_ne_bytes().to_vec(),
            Field::Meta(15) => vec![if v4 { 2 } else { 10 }],
            Field::Meta(16) => vec![self.protocol],
            Field::Ct(0) => self.state?.to_ne_bytes().to_vec(),
            Field::Header(1, offset, length) => self.in_network_header(offset, length)?,
            Field::Header(2, offset, length) => self.in_transport_header(offset, length)?,
            _ => return None,
        })
    }

    fn in_network_header(&self, offset: u32, length: u32) -> Option<Vec<u8>> {
        let to = self.destination.0;
        let (protocol, start) = if to.is_ipv4() { (9, 12) } else { (6, 8) };
        if (offset, length) == (protocol, 1) {
            return Some(vec![self.protocol]);
        }
        let from = self.source.map(|(from, _)| octets(from));
        halves(from, octets(to), offset.checked_sub(start)?, length)
    }

    fn in_transport_header(&self, offset: u32, length: u32) -> Option<Vec<u8>> {
        if self.protocol == 6 && (offset, length) == (13, 1) {
            return Some(vec![self.tcp_flags?]);
        }
        let port = |port: u16| port.to_be_bytes().to_vec();
        let from = self.source.map(|(_, from)| port(from));
        halves(from, port(self.destination.1), offset, length)
    }
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

/// A part of a source and the destination after it; `None` if it is not within what is known of them.
fn halves(from: Option<Vec<u8>>, to: Vec<u8>, offset: u32, length: u32) -> Option<Vec<u8>> {
    let half = to.len();
    let (start, end) = (offset as usize, offset.checked_add(length)? as usize);
    match from {
        Some(from) => Some([from, to].concat().get(start..end)?.to_vec()),
        None => Some(
            to.get(start.checked_sub(half)?..end.checked_sub(half)?)?
                .to_vec(),
        ),
    }
}
