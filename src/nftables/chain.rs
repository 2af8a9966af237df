//! Chains (`NFT_MSG_GETCHAIN`).

use serde::{Deserialize, Serialize};

use super::{Family, be32, be64, inside, name, opened};
use crate::netlink::Malformed;

/// `NFTA_CHAIN_*`.
mod attribute {
    pub(super) const TABLE: u16 = 1;
    pub(super) const NAME: u16 = 3;
    pub(super) const HOOK: u16 = 4;
    pub(super) const POLICY: u16 = 5;
    pub(super) const COUNTERS: u16 = 8;
    /// `NFTA_HOOK_HOOKNUM`, `NFTA_HOOK_PRIORITY`.
    pub(super) const NUMBER: u16 = 1;
    pub(super) const PRIORITY: u16 = 2;
    /// `NFTA_COUNTER_PACKETS`.
    pub(super) const PACKETS: u16 = 2;
}

/// Where on its way a packet meets a chain (`NF_INET_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hook {
    /// It has arrived.
    Prerouting,
    /// It is for this host.
    Input,
    /// It is for another one.
    Forward,
    /// This host sends it.
    Output,
    /// It leaves.
    Postrouting,
}

impl Hook {
    fn of(number: u32) -> Option<Hook> {
        use Hook::{Forward, Input, Output, Postrouting, Prerouting};
        let all = [Prerouting, Input, Forward, Output, Postrouting];
        all.get(number as usize).copied()
    }

    /// As nft(8) calls it.
    pub fn word(self) -> &'static str {
        match self {
            Hook::Prerouting => "prerouting",
            Hook::Input => "input",
            Hook::Forward => "forward",
            Hook::Output => "output",
            Hook::Postrouting => "postrouting",
        }
    }
}

/// A chain of rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// Which packets its table sees.
    pub family: Family,
    /// Its table.
    pub table: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// Where packets meet it; `None`: only rules lead to it.
    pub hook: Option<Hook>,
    /// Of several at a hook the lowest is first.
    pub priority: i32,
    /// Whether its policy drops what no rule has decided.
    pub drops: bool,
    /// Packets that the policy decided, if they are counted.
    pub packets: Option<u64>,
}

impl Chain {
    /// Reads one reply; `None`: not of a family for IP.
    ///
    /// # Errors
    /// When it is shorter than its fixed part.
    pub fn read(payload: &[u8]) -> Result<Option<Chain>, Malformed> {
        let Some((family, attributes)) = opened(payload)? else {
            return Ok(None);
        };
        let mut chain = Chain {
            family,
            table: Box::default(),
            name: Box::default(),
            hook: None,
            priority: 0,
            drops: false,
            packets: None,
        };
        for attribute in attributes.map_while(Result::ok) {
            let value = attribute.payload;
            match attribute.kind {
                attribute::TABLE => chain.table = name(value),
                attribute::NAME => chain.name = name(value),
                attribute::HOOK => {
                    chain.hook = inside(value, attribute::NUMBER).and_then(|it| Hook::of(be32(it)));
                    let priority = inside(value, attribute::PRIORITY).map(be32);
                    chain.priority = priority.unwrap_or(0).cast_signed();
                }
                attribute::POLICY => chain.drops = be32(value) == 0,
                attribute::COUNTERS => {
                    chain.packets = inside(value, attribute::PACKETS).map(be64);
                }
                _ => {}
            }
        }
        Ok(Some(chain))
    }
}
