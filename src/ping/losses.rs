//! The account of lost packets.

use std::net::IpAddr;

use crate::reference::icmp::{self, Version};

/// Different refusals that are distinguished; a hostile network can make up any number of them.
const MOST_REFUSALS: usize = 64;

/// The account of the requests that got no good reply in time.
#[derive(Debug, Clone, Default)]
pub struct Losses {
    /// Nothing was heard.
    pub silent: u64,
    /// Nothing was heard but advice: a redirect, a source quench.
    pub advised: u64,
    /// The good reply came too late.
    pub late: u64,
    /// Only damaged replies came.
    pub damaged: u64,
    /// Still under way at the end of the session; not lost.
    pub unfinished: u64,
    refused: Vec<(Refusal, u64)>,
    advice: Vec<(Refusal, u64)>,
    unsent: Vec<(Unsent, u64)>,
}

/// An ICMP error, and who sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Which ICMP.
    pub version: Version,
    /// Its type.
    pub r#type: u8,
    /// Its code.
    pub code: u8,
    /// Its source; `None` for the rest, if there are too many to distinguish.
    pub by: Option<IpAddr>,
}

impl Refusal {
    /// A short text of the error, that of ping if it has one.
    pub fn words(&self) -> String {
        match icmp::describe(self.version, self.r#type, self.code) {
            Some(known) if known.code.is_some() => known.message.to_owned(),
            // A whole type that has codes, and this code is unknown.
            Some(known) if icmp::codes(self.version, self.r#type).next().is_some() => {
                format!("{}, Bad Code: {}", known.message, self.code)
            }
            Some(known) => known.message.to_owned(),
            None => format!("Bad ICMP type: {}", self.r#type),
        }
    }

    /// Whether the packet was too large for a link on the way.
    pub fn is_too_big(&self) -> bool {
        matches!(
            (self.version, self.r#type, self.code),
            (Version::V4, 3, 4) | (Version::V6, 2, _)
        )
    }

    /// Whether it says that the packet used up its hops.
    pub fn is_hop_limit(&self) -> bool {
        matches!(
            (self.version, self.r#type, self.code),
            (Version::V4, 11, 0) | (Version::V6, 3, 0)
        )
    }

    /// Whether it is advice only, and the packet went on: a redirect, a source quench.
    pub fn is_advice(&self) -> bool {
        matches!((self.version, self.r#type), (Version::V4, 4 | 5))
    }

    /// Whether the kernel reports it only to raw sockets, as a packet: advice, and of IPv4 the reassembly
    /// that took too long (`icmp_unreach` in net/ipv4/icmp.c).
    pub fn is_told_to_raw_sockets_only(&self) -> bool {
        self.is_advice() || matches!((self.version, self.r#type, self.code), (Version::V4, 11, 1))
    }
}

/// Why a request never left this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsent {
    /// A local firewall forbids it (`EPERM`).
    Firewall,
    /// A buffer of this host was full (`ENOBUFS`, `EAGAIN`).
    FullBuffer,
    /// It is larger than the MTU, which may be known (`EMSGSIZE`).
    TooLong(Option<u32>),
    /// Another error, by its number.
    Other(i32),
}

impl Losses {
    /// A request never left.
    pub fn add_unsent(&mut self, why: Unsent) {
        let known = self.unsent.iter().position(|(known, _)| *known == why);
        let at = known.unwrap_or_else(|| {
            // There are some hundred errnos; MTUs that change could make more.
            if self.unsent.len() < MOST_REFUSALS {
                self.unsent.push((why, 0));
            }
            self.unsent.len() - 1
        });
        self.unsent[at].1 += 1;
    }

    /// A request was refused; gives the place in the list, for [`Losses::take_refusal_back`].
    pub fn add_refusal(&mut self, refusal: Refusal) -> u16 {
        let known = self.refused.iter().position(|(known, _)| *known == refusal);
        let at = known.unwrap_or_else(|| self.new_refusal(refusal));
        self.refused[at].1 += 1;
        // At most MOST_REFUSALS.
        u16::try_from(at).unwrap_or(u16::MAX)
    }

    fn new_refusal(&mut self, refusal: Refusal) -> usize {
        let refusal = if self.refused.len() < MOST_REFUSALS {
            refusal
        } else {
            let others = Refusal {
                by: None,
                ..refusal
            };
            let known = self.refused.iter().position(|(known, _)| *known == others);
            // There are 65,536 types and codes at most, and a few in practice.
            match known {
                Some(at) => return at,
                None if self.refused.len() < 2 * MOST_REFUSALS => others,
                None => return self.refused.len() - 1,
            }
        };
        self.refused.push((refusal, 0));
        self.refused.len() - 1
    }

    /// The refusal at a place in the list.
    pub fn refusal(&self, at: u16) -> Option<Refusal> {
        Some(self.refused.get(usize::from(at))?.0)
    }

    /// A good reply came for a request that was refused.
    pub fn take_refusal_back(&mut self, refusal: Option<Refusal>) {
        let known = |(known, count): &&mut (Refusal, u64)| Some(*known) == refusal && *count > 0;
        if let Some((_, count)) = self.refused.iter_mut().find(known) {
            *count -= 1;
        }
    }

    /// A request was given up, after a damaged reply, advice or nothing.
    pub fn give_up(&mut self, damaged: bool, advised: bool) {
        *self.of_silence(damaged, advised) += 1;
    }

    /// A good reply came for a request that was given up.
    pub fn take_back(&mut self, damaged: bool, advised: bool) {
        *self.of_silence(damaged, advised) -= 1;
    }

    fn of_silence(&mut self, damaged: bool, advised: bool) -> &mut u64 {
        match (damaged, advised) {
            (true, _) => &mut self.damaged,
            (_, true) => &mut self.advised,
            _ => &mut self.silent,
        }
    }

    /// Advice came.
    pub fn add_advice(&mut self, advice: Refusal) {
        let known = self.advice.iter_mut().find(|(known, _)| *known == advice);
        if let Some((_, count)) = known {
            *count += 1;
        } else if self.advice.len() < MOST_REFUSALS {
            self.advice.push((advice, 1));
        }
    }

    /// Senders of advice, with their counts.
    pub fn advice(&self) -> impl Iterator<Item = (&Refusal, u64)> {
        self.advice.iter().map(|(advice, count)| (advice, *count))
    }

    /// Senders of refusals, with their counts.
    pub fn refused(&self) -> impl Iterator<Item = (&Refusal, u64)> {
        let some = self.refused.iter().filter(|(_, count)| *count > 0);
        some.map(|(refusal, count)| (refusal, *count))
    }

    /// Dropped on this host for what, and how often.
    pub fn unsent(&self) -> impl Iterator<Item = (Unsent, u64)> {
        self.unsent.iter().copied()
    }

    /// All of them, without what is unfinished.
    pub fn total(&self) -> u64 {
        let refused: u64 = self.refused().map(|(_, count)| count).sum();
        let unsent: u64 = self.unsent().map(|(_, count)| count).sum();
        self.silent + self.late + self.damaged + self.advised + refused + unsent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(code: u8, by: u32) -> Refusal {
        Refusal {
            version: Version::V4,
            r#type: 3,
            code,
            by: Some(IpAddr::V4(by.into())),
        }
    }

    #[test]
    fn refusals_are_counted_by_whom_and_taken_back() {
        let mut losses = Losses::default();
        losses.add_refusal(refusal(1, 1));
        let at = losses.add_refusal(refusal(3, 1));
        losses.add_refusal(refusal(1, 1));
        losses.add_unsent(Unsent::Firewall);
        losses.silent = 2;
        assert_eq!(losses.total(), 6);
        losses.take_refusal_back(losses.refusal(at));
        let told: Vec<_> = losses
            .refused()
            .map(|(it, count)| (it.code, count))
            .collect();
        assert_eq!(told, [(1, 2)]);
        assert_eq!(losses.total(), 5);
    }

    #[test]
    fn a_network_of_a_million_refusers_takes_no_more_room_than_a_few() {
        let mut losses = Losses::default();
        for by in 0..1_000_000_u32 {
            losses.add_refusal(refusal(by.to_be_bytes()[3], by));
        }
        assert_eq!(losses.total(), 1_000_000);
        assert!(losses.refused.len() <= 2 * MOST_REFUSALS);
        assert!(losses.refused.iter().any(|(it, _)| it.by.is_none()));
    }

    #[test]
    fn words_are_those_of_ping_and_an_unknown_code_is_told_by_its_number() {
        assert_eq!(refusal(1, 1).words(), "Destination Host Unreachable");
        assert_eq!(
            refusal(99, 1).words(),
            "Destination Unreachable, Bad Code: 99"
        );
        let unknown = Refusal {
            r#type: 250,
            ..refusal(0, 1)
        };
        assert_eq!(unknown.words(), "Bad ICMP type: 250");
        let too_big = Refusal {
            version: Version::V6,
            r#type: 2,
            ..refusal(0, 1)
        };
        assert_eq!(too_big.words(), "Packet too big");
        assert!(too_big.is_too_big());
    }
}
