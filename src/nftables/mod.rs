//! What the kernel tells of its packet filter: the messages of `nf_tables`, which nft(8) and iptables-nft(8) write
//! to as well.
//!
//! | file | what it holds |
//! |---|---|
//! | this one | [`Firewall`]: all chains, rules and sets; requests |
//! | [`chain`] | a chain: its hook, its priority, its policy |
//! | [`rule`] | a rule: its conditions and its verdict |
//! | `expression` | the expressions of a rule in the kernel's form |
//! | [`set`] | a set of values, or a map from values to verdicts |
//! | [`conntrack`] | an entry of connection tracking: where a connection goes to after address translation |
//! | [`fate`] | what becomes of a packet at a hook |
//! | `text` | a rule as nft(8) would write it, in short |
//!
//! Source: `linux/netfilter/nf_tables.h`, `linux/netfilter/nfnetlink.h`. Numbers in attributes are in network byte
//! order. Every request requires `CAP_NET_ADMIN`.

pub mod chain;
pub mod conntrack;
mod expression;
pub mod fate;
pub mod rule;
pub mod set;
#[cfg(test)]
mod tests;
mod text;

pub use chain::{Chain, Hook};
pub use fate::{Fate, Packet};
pub use rule::{Rule, Verdict};
pub use set::Set;

use serde::{Deserialize, Serialize};

use crate::netlink::{Attributes, DUMP, Malformed, Request, fixed_part};

/// More rules than these, or elements of all sets together, are not kept.
pub const MOST: usize = 20_000;

/// `NFNL_SUBSYS_NFTABLES`, the upper byte of each message type.
const SUBSYSTEM: u16 = 10 << 8;
/// `NFT_MSG_*`.
mod message {
    pub(super) const GET_CHAIN: u16 = 4;
    pub(super) const GET_RULE: u16 = 7;
    pub(super) const GET_SET: u16 = 10;
    pub(super) const GET_ELEMENTS: u16 = 13;
}
/// `struct nfgenmsg`: family, version, resource.
const LEN: usize = 4;

/// The packet filter of a network namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Firewall {
    /// Its chains.
    #[serde(default)]
    pub chains: Vec<Chain>,
    /// Its rules, those of a chain in their order.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// Its sets and maps.
    #[serde(default)]
    pub sets: Vec<Set>,
    /// Whether parts of it could not be read: then a packet that no known rule drops may still be dropped.
    #[serde(default)]
    pub incomplete: bool,
}

/// The families of tables that filter IP packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// IPv4 and IPv6.
    Inet,
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
}

impl Family {
    /// `NFPROTO_*`; `None` for bridges, ARP and devices.
    fn of(number: u8) -> Option<Family> {
        match number {
            1 => Some(Family::Inet),
            2 => Some(Family::Ip),
            10 => Some(Family::Ip6),
            _ => None,
        }
    }

    fn number(self) -> u8 {
        match self {
            Family::Inet => 1,
            Family::Ip => 2,
            Family::Ip6 => 10,
        }
    }

    /// As nft(8) calls it.
    pub fn word(self) -> &'static str {
        match self {
            Family::Inet => "inet",
            Family::Ip => "ip",
            Family::Ip6 => "ip6",
        }
    }
}

impl Firewall {
    /// Writes the request for all chains.
    pub fn chains_request(sequence: u32, out: &mut Vec<u8>) {
        dump(message::GET_CHAIN, 0, sequence, out).finish();
    }

    /// Writes the request for all rules.
    pub fn rules_request(sequence: u32, out: &mut Vec<u8>) {
        dump(message::GET_RULE, 0, sequence, out).finish();
    }

    /// Writes the request for all sets.
    pub fn sets_request(sequence: u32, out: &mut Vec<u8>) {
        dump(message::GET_SET, 0, sequence, out).finish();
    }

    /// Writes the request for the elements of a set.
    pub fn elements_request(set: &Set, sequence: u32, out: &mut Vec<u8>) {
        let terminated = |name: &str| [name.as_bytes(), b"\0"].concat();
        dump(message::GET_ELEMENTS, set.family.number(), sequence, out)
            .attribute(set::LIST_TABLE, &terminated(&set.table))
            .attribute(set::LIST_SET, &terminated(&set.name))
            .finish();
    }

    /// Whether a rule or a policy drops anything.
    pub fn may_drop(&self) -> bool {
        self.chains.iter().any(|chain| chain.drops)
            || self
                .rules
                .iter()
                .any(|rule| rule.verdict.is_the_end() || matches!(rule.verdict, Verdict::Map))
    }

    /// The hooks from which packets come to a rule, by whatever chains.
    pub fn hooks_to(&self, rule: &Rule) -> Vec<Hook> {
        let mut hooks = Vec::new();
        let mut names = vec![&rule.chain];
        let mut next = 0;
        while let Some(name) = names.get(next).copied() {
            next += 1;
            let here = |family, table: &str| family == rule.family && *table == *rule.table;
            let chains = self.chains.iter();
            let chains = chains.filter(|it| here(it.family, &it.table) && it.name == *name);
            hooks.extend(chains.filter_map(|it| it.hook));
            for other in self.rules.iter().filter(|it| here(it.family, &it.table)) {
                let leads = match &other.verdict {
                    Verdict::Jump(to) | Verdict::Goto(to) => to == name,
                    // What a map says is not followed up: it may lead here.
                    Verdict::Map => true,
                    _ => false,
                };
                if leads && !names.contains(&&other.chain) {
                    names.push(&other.chain);
                }
            }
        }
        hooks
    }

    /// The rule of this place in an earlier sample.
    pub fn same_rule(&self, rule: &Rule) -> Option<&Rule> {
        let is_it = |it: &&Rule| {
            (it.handle, it.family, &it.table, &it.chain)
                == (rule.handle, rule.family, &rule.table, &rule.chain)
        };
        self.rules.iter().find(is_it)
    }
}

fn dump(kind: u16, family: u8, sequence: u32, out: &mut Vec<u8>) -> Request<'_> {
    Request::new(out, SUBSYSTEM | kind, DUMP, sequence).bytes(&[family, 0, 0, 0])
}

/// The family of a message and its attributes; `None` for a family that does not filter IP packets.
fn opened(payload: &[u8]) -> Result<Option<(Family, Attributes<'_>)>, Malformed> {
    let fixed = fixed_part::<LEN>(payload, "nfgenmsg")?;
    let attributes = Attributes::new(payload, LEN);
    Ok(Family::of(fixed[0]).map(|family| (family, attributes)))
}

/// The longest name (`NFT_NAME_MAXLEN`).
const LONGEST_NAME: usize = 255;

/// A text that ends with a NUL.
fn name(bytes: &[u8]) -> Box<str> {
    let end = bytes.iter().position(|byte| *byte == 0);
    let bytes = &bytes[..end.unwrap_or(bytes.len()).min(LONGEST_NAME)];
    String::from_utf8_lossy(bytes).into()
}

/// A number in network byte order; 0 if there are too few bytes.
fn be32(bytes: &[u8]) -> u32 {
    bytes
        .first_chunk()
        .map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

/// The same of eight bytes.
fn be64(bytes: &[u8]) -> u64 {
    bytes
        .first_chunk()
        .map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// The attribute of a kind inside of another one.
fn inside(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    Attributes::new(bytes, 0)
        .map_while(Result::ok)
        .find(|attribute| attribute.kind == kind)
        .map(|attribute| attribute.payload)
}
