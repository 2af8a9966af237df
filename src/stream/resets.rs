//! Why a connection was reset, and whether the RST is from the end that it names.

use super::analysis::Segment;
use super::sequence::SeqNumber;
use crate::packet::tcp::flag;

/// A reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reset {
    /// Why.
    pub why: ResetWhy,
    /// The time to live of the RST, and another one that its sender had before.
    pub ttls: Option<(u8, u8)>,
}

/// What a RST comes after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetWhy {
    /// It answers a SYN.
    Refused,
    /// It answers data that came after this end had sent its FIN.
    Closed,
    /// It answers the first data after this many quiet nanoseconds.
    Idle(i64),
    /// It answers data, and says that there is no such connection: it has no ACK.
    NoSocket,
    /// Data had arrived to which this end never replied, and its program ended the connection: it has an ACK.
    Unread,
    /// It answers an ACK of an old connection, which came in answer to the SYN.
    OldConnection {
        /// The capture has the old connection.
        was_seen: bool,
    },
    /// It is probably not from this end.
    Injected(Clues),
    /// Something else.
    Other,
}

/// What speaks against a RST being from the end that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Clues {
    /// This end went on: it sent more data, or acknowledged more.
    pub goes_on: bool,
    /// The IP identification is far from that of the packets around it.
    pub id_differs: bool,
    /// How many RSTs came, each with another sequence number.
    pub resets: u8,
}

/// What the IP header of a segment says of its sender.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Packet {
    pub(super) ttl: u8,
    /// Of IPv4, if it is not 0.
    pub(super) id: Option<u16>,
}

/// What the IP headers of one end's segments say.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wire {
    pub(super) first_ttl: Option<u8>,
    last: Packet,
}

impl Wire {
    /// A segment that is not a RST.
    #[inline]
    pub(super) fn see(&mut self, packet: Packet) {
        self.first_ttl.get_or_insert(packet.ttl);
        self.last = packet;
    }

    /// The time to live of a packet and that of those before, if they are not the same.
    pub(super) fn other_ttl(&self, packet: Packet) -> Option<(u8, u8)> {
        /// Another way through the network is a little longer or shorter.
        const ALIKE: u8 = 2;
        let differs = packet.ttl.abs_diff(self.last.ttl) > ALIKE;
        (self.first_ttl.is_some() && differs).then_some((packet.ttl, self.last.ttl))
    }

    /// Whether this identification is far from the one before.
    fn is_id_off(&self, packet: Packet) -> bool {
        /// Packets to other hosts may be in between.
        const NEAR: u16 = 2000;
        let ids = packet.id.zip(self.last.id);
        ids.is_some_and(|(id, last)| id.wrapping_sub(last).min(last.wrapping_sub(id)) > NEAR)
    }
}

/// The RSTs of one end.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Resets {
    clues: Clues,
    ttls: Option<(u8, u8)>,
    /// The sequence number of the last one.
    seq: SeqNumber,
    /// Where the data of the other end ended then.
    other_end: SeqNumber,
    is_told: bool,
}

impl Resets {
    /// A RST of this end; whether it is the first.
    pub(super) fn reset(
        &mut self,
        seq: SeqNumber,
        other_end: SeqNumber,
        packet: Packet,
        wire: &Wire,
    ) -> bool {
        let is_first = self.clues.resets == 0;
        if is_first || seq != self.seq {
            self.clues.resets = self.clues.resets.saturating_add(1);
        }
        if is_first {
            self.other_end = other_end;
        }
        self.seq = seq;
        self.ttls = self.ttls.or(wire.other_ttl(packet));
        self.clues.id_differs |= wire.is_id_off(packet);
        is_first
    }

    /// Another segment of this end, after a RST.
    #[cold]
    pub(super) fn goes_on(&mut self, segment: &Segment) {
        let sends = segment.length > 0 && segment.end().is_after(self.seq);
        let acknowledges = segment.has(flag::ACK) && segment.ack.is_after(self.other_end);
        self.clues.goes_on |= sends || acknowledges;
    }

    /// Whether this end has sent a RST.
    pub(super) fn any(&self) -> bool {
        self.clues.resets > 0
    }

    /// If the RST is probably not from this end, that; once.
    pub(super) fn injected(&mut self) -> Option<Reset> {
        let Clues {
            goes_on,
            id_differs,
            resets,
        } = self.clues;
        let clues = [self.ttls.is_some(), id_differs, resets > 1];
        let is_injected = goes_on || clues.iter().filter(|clue| **clue).count() >= 2;
        let is_new = is_injected && !std::mem::replace(&mut self.is_told, is_injected);
        is_new.then_some(Reset {
            why: ResetWhy::Injected(self.clues),
            ttls: self.ttls,
        })
    }
}
