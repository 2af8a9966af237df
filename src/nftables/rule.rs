//! Rules (`NFT_MSG_GETRULE`).

use serde::{Deserialize, Serialize};

use super::expression::Registers;
use super::{Family, be64, name, opened};
use crate::netlink::{Attributes, Malformed};

/// `NFTA_RULE_*`.
mod attribute {
    pub(super) const TABLE: u16 = 1;
    pub(super) const CHAIN: u16 = 2;
    pub(super) const HANDLE: u16 = 3;
    pub(super) const EXPRESSIONS: u16 = 4;
}

/// More expressions than these of one rule are not read (the kernel allows 128).
const MOST_EXPRESSIONS: usize = 128;

/// A rule: if a packet meets all conditions, the verdict is carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Which packets its table sees.
    pub family: Family,
    /// Its table.
    pub table: Box<str>,
    /// Its chain.
    pub chain: Box<str>,
    /// Its number in the table, for `nft delete rule`.
    pub handle: u64,
    /// Its conditions.
    pub conditions: Vec<Condition>,
    /// What it does with a packet that meets them.
    pub verdict: Verdict,
    /// Packets that met the conditions before its counter, if it has one.
    pub packets: Option<u64>,
}

/// What a rule looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// What the kernel knows of the packet: `NFT_META_*`.
    Meta(u32),
    /// What connection tracking knows of it: `NFT_CT_*`.
    Ct(u32),
    /// Bytes of a header: the base (`NFT_PAYLOAD_*`), the offset, the length.
    Header(u32, u32, u32),
    /// Something else.
    Unknown,
}

/// `NFT_CMP_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Comparison {
    Equal,
    Not,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// A field, of which only some bits count, compared with a value.
    Compare {
        /// What is looked at.
        field: Field,
        /// The bits that count; empty: all.
        mask: Vec<u8>,
        /// How it is compared.
        comparison: Comparison,
        /// The value.
        value: Vec<u8>,
    },
    /// A field within a range, or outside of it.
    Range {
        /// What is looked at.
        field: Field,
        /// Whether it must be outside.
        outside: bool,
        /// The lowest.
        from: Vec<u8>,
        /// The highest.
        to: Vec<u8>,
    },
    /// Fields that together are, or are not, in a set.
    In {
        /// What is looked at, in the order of the key.
        fields: Vec<Field>,
        /// The set.
        set: Box<str>,
        /// Whether they must not be in it.
        outside: bool,
    },
    /// Ports of the iptables matches `tcp` and `udp`: the source within and the destination within.
    Ports([u16; 2], [u16; 2]),
    /// Something that is not understood, by its name.
    Other(Box<str>),
}

/// What becomes of a packet that meets the conditions of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The next rule is asked.
    #[default]
    None,
    /// It passes this base chain.
    Accept,
    /// It is gone, in silence.
    Drop,
    /// It is gone, and its sender gets an error.
    Reject,
    /// A chain is asked, then the next rule.
    Jump(Box<str>),
    /// A chain is asked in the place of this one.
    Goto(Box<str>),
    /// The chain that jumped here goes on.
    Return,
    /// The verdict of the value's entry in the map of [`Condition::In`].
    Map,
    /// Its addresses are changed.
    Translate,
    /// Something that is not understood, by its name.
    Other(Box<str>),
}

impl Verdict {
    /// Whether the packet is gone.
    pub fn is_the_end(&self) -> bool {
        matches!(self, Verdict::Drop | Verdict::Reject)
    }
}

impl Rule {
    /// Reads one reply; `None`: not of a family for IP.
    ///
    /// # Errors
    /// When it is shorter than its fixed part.
    pub fn read(payload: &[u8]) -> Result<Option<Rule>, Malformed> {
        let Some((family, attributes)) = opened(payload)? else {
            return Ok(None);
        };
        let mut rule = Rule {
            family,
            table: Box::default(),
            chain: Box::default(),
            handle: 0,
            conditions: Vec::new(),
            verdict: Verdict::None,
            packets: None,
        };
        for attribute in attributes.map_while(Result::ok) {
            let value = attribute.payload;
            match attribute.kind {
                attribute::TABLE => rule.table = name(value),
                attribute::CHAIN => rule.chain = name(value),
                attribute::HANDLE => rule.handle = be64(value),
                attribute::EXPRESSIONS => {
                    let mut registers = Registers::default();
                    let all = Attributes::new(value, 0).map_while(Result::ok);
                    for expression in all.take(MOST_EXPRESSIONS) {
                        registers.read(expression.payload, &mut rule);
                    }
                }
                _ => {}
            }
        }
        Ok(Some(rule))
    }
}
