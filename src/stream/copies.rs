//! Segments that were captured twice: by a mirror port that copies both directions, or on several interfaces.

use std::cmp::Ordering;

use super::analysis::Segment;
use super::key::Direction;
use super::marks::Marks;
use super::resets::Packet;
use super::sequence::SeqNumber;
use crate::capfile::Timestamp;
use crate::packet::tcp::flag;

/// A mirror port gives the copy of a frame this soon, in nanoseconds.
const COPY: i64 = 100_000;
/// A copy comes after at most this many other segments.
const NEAR: usize = 8;
/// A packet that routers send in a circle comes back within this time, in nanoseconds.
const CIRCLE: i64 = 2_000_000_000;

/// The last segments of all streams.
#[derive(Debug, Default)]
pub(super) struct Copies {
    recent: [Option<Seen>; NEAR],
    next: usize,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    stream: u32,
    from: Direction,
    /// Sequence number, acknowledgment, length.
    numbers: (SeqNumber, SeqNumber, u32),
    flags: u16,
    id: u16,
    ttl: u8,
    time: Timestamp,
}

impl Copies {
    /// Takes the next segment; whether it is a copy of one just before. That is the same IP packet, identification
    /// included: one that is sent again has another. A packet without an identification is not told from the
    /// next, and one of which the analysis has nothing to say is not a copy, unless it is a RST.
    #[inline]
    pub(super) fn see(
        &mut self,
        stream: u32,
        from: Direction,
        segment: &Segment,
        packet: Packet,
        marks: Marks,
    ) -> bool {
        let Some(id) = packet.id else {
            return false;
        };
        let seen = Seen {
            stream,
            from,
            numbers: (segment.seq, segment.ack, segment.length),
            flags: segment.flags,
            id,
            ttl: packet.ttl,
            time: segment.time,
        };
        let may_be = !marks.is_empty() || segment.has(flag::RST);
        let is_copy = may_be
            && self
                .recent
                .iter()
                .flatten()
                .any(|other| seen.is_copy_of(other));
        self.recent[self.next] = Some(seen);
        self.next = (self.next + 1) % NEAR;
        is_copy
    }
}

impl Seen {
    fn is_copy_of(&self, other: &Seen) -> bool {
        (self.stream, self.from, self.numbers) == (other.stream, other.from, other.numbers)
            && (self.flags, self.id) == (other.flags, other.id)
            && match self.ttl.cmp(&other.ttl) {
                Ordering::Equal => (0..COPY).contains(&self.time.nanos_since(other.time)),
                // The same packet, forwarded since.
                Ordering::Less => (0..CIRCLE).contains(&self.time.nanos_since(other.time)),
                Ordering::Greater => false,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_the_same_identification_and_comes_at_once() {
        let segment = |microseconds: u32| Segment {
            frame: 1,
            time: Timestamp {
                seconds: 0,
                nanoseconds: microseconds * 1000,
            },
            seq: SeqNumber(1),
            ack: SeqNumber(1),
            flags: flag::ACK,
            window: 100,
            length: 10,
        };
        let packet = |id: Option<u16>| Packet { ttl: 64, id };
        let again = Marks::RETRANSMISSION;
        let mut copies = Copies::default();
        let mut see = |at, id, marks| copies.see(0, Direction::Up, &segment(at), packet(id), marks);
        assert!(!see(0, Some(7), Marks::default()));
        assert!(see(20, Some(7), again));
        assert!(!see(40, Some(8), again), "sent again");
        assert!(!see(500, Some(8), again), "too late for a copy");
        assert!(!see(510, None, again), "not known");
        assert!(!see(520, None, again), "not known");
        let mut see = |at, ttl, id| {
            let packet = Packet { ttl, id: Some(id) };
            copies.see(0, Direction::Up, &segment(at), packet, again)
        };
        assert!(!see(900, 64, 9));
        assert!(see(1700, 62, 9), "goes round");
        assert!(!see(2500, 65, 9), "not with a higher TTL");
    }
}
