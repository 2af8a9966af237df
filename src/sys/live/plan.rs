//! What is captured, and what a packet socket is asked for.

use std::time::Duration;

use super::ring::Wanted;
use super::{HEADERS, LOOPBACK};
use crate::capfile::{LONGEST_FRAME, LinkType};
use crate::filter::{Gate, View};

/// What is captured.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Bytes of a frame that are kept.
    pub snaplen: u32,
    /// Everything on the wire, not only what is for this host.
    pub promiscuous: bool,
    /// Memory of all rings together, in bytes.
    pub buffer: usize,
    /// Only frames that this host sent, or only those that it did not.
    pub outgoing: Option<bool>,
    /// What was received is handed on after this time at the latest.
    pub patience: Duration,
    /// Standard output is written to: without a reader the capture ends.
    pub is_printed: bool,
}

/// `ARPHRD_*` in `linux/if_arp.h`.
mod hardware {
    pub(super) const ETHERNET: u16 = 1;
    pub(super) const LOOPBACK: u16 = 772;
    /// Without a link header: tun, `WireGuard`; IP in IP, IPv6 in IPv6, SIT, GRE.
    pub(super) const RAW: [u16; 5] = [65534, 768, 769, 776, 778];
}

/// How frames of a kind of interface are received.
pub(super) fn link_of(kind: u16) -> LinkType {
    match kind {
        hardware::ETHERNET | hardware::LOOPBACK => LinkType::ETHERNET,
        kind if hardware::RAW.contains(&kind) => LinkType::RAW,
        _ => LinkType::LINUX_SLL2,
    }
}

impl Plan {
    /// What the socket of an interface is asked for.
    pub(super) fn of(&self, index: u32, link: LinkType, buffer: usize) -> (Wanted, Gate) {
        let is_cooked = link == LinkType::LINUX_SLL2;
        let wants_sent = self.outgoing == Some(true);
        let wanted = Wanted {
            index,
            is_cooked,
            promiscuous: self.promiscuous && index != LOOPBACK,
            // What is sent on the loopback interface comes in again.
            ignore_outgoing: index == LOOPBACK && !wants_sent,
            buffer,
            patience: u32::try_from(self.patience.as_millis()).unwrap_or(u32::MAX),
        };
        let gate = Gate {
            view: match link {
                LinkType::ETHERNET => View::Ethernet,
                LinkType::LINUX_SLL2 => View::Cooked,
                _ => View::Whole,
            },
            snaplen: self.snaplen.min(LONGEST_FRAME - HEADERS),
            outgoing: self.outgoing,
            twice: (index == 0 && !wants_sent).then_some(LOOPBACK),
        };
        (wanted, gate)
    }
}
