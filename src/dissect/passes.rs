//! IP packets that come by more than once: captured twice, or sent in a circle by routers.

use std::hash::{DefaultHasher, Hasher as _};

use crate::capfile::{self, Timestamp};
use crate::packet::Decoded;
use crate::packet::record::Network;

/// A mirror port gives the copy of a frame this soon, in nanoseconds.
const COPY: i64 = 100_000;
/// A copy comes after at most this many other frames.
const NEAR: usize = 8;
/// A packet in a loop comes back within this time, in nanoseconds.
const CIRCLE: i64 = 2_000_000_000;
/// Once more could be a device that lowers the time to live and leaves the rest as it is.
const LOOPS: u32 = 3;
/// Packets that are remembered, to see them come back; a power of 2.
const REMEMBERED: usize = 1 << 12;
/// The same of those that go round.
const KNOWN: usize = 1 << 8;

/// How often a packet came by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// As far as is known this is the first time.
    First,
    /// It is a copy of a frame that came just before.
    Copy,
    /// It goes round in a loop.
    Again(Circle),
}

/// A packet that goes round in a loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Circle {
    /// How often it has come by, this time included.
    pub(super) passes: u32,
    /// The frame with which it came first.
    pub(super) frame: u64,
    /// When that was.
    pub(super) time: Timestamp,
    /// Its time to live then, and now.
    pub(super) ttls: (u8, u8),
    /// That the packet goes round is known from now on. In a circle of two routers it passes in both directions.
    pub(super) is_new: bool,
}

/// The packets of late.
///
/// The invariant: memory does not grow; a packet takes the place of one whose hash ends alike.
#[derive(Debug)]
pub(super) struct Passes {
    recent: [Option<Recent>; NEAR],
    next: usize,
    /// By the lower bits of the hash.
    circles: Vec<Option<Round>>,
    /// The hashes of packets that go round, likewise.
    known: Vec<u64>,
}

#[derive(Debug, Clone, Copy)]
struct Recent {
    hash: u64,
    ttl: u8,
    time: Timestamp,
}

#[derive(Debug, Clone, Copy)]
struct Round {
    hash: u64,
    last: Timestamp,
    circle: Circle,
}

impl Default for Passes {
    fn default() -> Passes {
        Passes {
            recent: [None; NEAR],
            next: 0,
            circles: vec![None; REMEMBERED],
            known: vec![0; KNOWN],
        }
    }
}

/// Two hashes of a packet without its time to live: of the packet alone, and together with its link-layer header. A
/// router changes the link-layer addresses, so only the first is the same on both sides of it.
struct Print {
    packet: u64,
    frame: u64,
    ttl: u8,
    has_identification: bool,
}

impl Print {
    fn of(decoded: &Decoded, frame: &capfile::Frame<'_>) -> Option<Print> {
        let Network::Ip(ip) = &decoded.outer.network else {
            return None;
        };
        let start = ip.offset as usize;
        let end = (ip.end as usize).min(frame.data.len());
        let packet = frame.data.get(start..end)?;
        let mut hasher = DefaultHasher::new();
        if ip.is_v6 {
            // The hop limit (RFC 8200 section 3).
            hasher.write(packet.get(..7)?);
            hasher.write(packet.get(8..)?);
        } else {
            // The time to live, and the checksum of the header (RFC 791 section 3.1).
            hasher.write(packet.get(..8)?);
            hasher.write(packet.get(9..10)?);
            hasher.write(packet.get(12..)?);
        }
        let hash = hasher.finish();
        hasher.write(&frame.data[..start]);
        hasher.write_u32(frame.interface);
        Some(Print {
            packet: hash,
            frame: hasher.finish(),
            ttl: ip.hop_limit,
            has_identification: !ip.is_v6 && packet.get(4..6).is_some_and(|id| id != [0, 0]),
        })
    }
}

impl Passes {
    /// Takes the next frame.
    pub(super) fn see(
        &mut self,
        decoded: &Decoded,
        frame: &capfile::Frame<'_>,
        time: Timestamp,
    ) -> Pass {
        let Some(print) = Print::of(decoded, frame) else {
            return Pass::First;
        };
        if self.is_copy(&print, time) {
            return Pass::Copy;
        }
        match self.round(&print, frame.number, time) {
            Some(mut circle) if circle.passes >= LOOPS => {
                circle.is_new = self.is_new(print.packet);
                Pass::Again(circle)
            }
            _ => Pass::First,
        }
    }

    fn is_new(&mut self, packet: u64) -> bool {
        let place = usize::try_from(packet % KNOWN as u64).unwrap_or(0);
        let known = self.known.get_mut(place);
        known.is_some_and(|known| std::mem::replace(known, packet) != packet)
    }

    /// The same IP packet, identification included. Two packets without one may well be alike: acknowledgments that
    /// are repeated.
    fn is_copy(&mut self, print: &Print, time: Timestamp) -> bool {
        if !print.has_identification {
            return false;
        }
        let is_near = |other: &Recent| {
            (other.hash, other.ttl) == (print.packet, print.ttl)
                && (0..COPY).contains(&time.nanos_since(other.time))
        };
        let found = self.recent.iter().flatten().any(is_near);
        self.recent[self.next] = Some(Recent {
            hash: print.packet,
            ttl: print.ttl,
            time,
        });
        self.next = (self.next + 1) % NEAR;
        found
    }

    /// The same frame again, with a lower time to live each time.
    fn round(&mut self, print: &Print, frame: u64, time: Timestamp) -> Option<Circle> {
        let place = usize::try_from(print.frame % REMEMBERED as u64).ok()?;
        let known = self.circles.get_mut(place)?;
        if let Some(round) = known.as_mut().filter(|round| round.hash == print.frame)
            && print.ttl < round.circle.ttls.1
            && (0..CIRCLE).contains(&time.nanos_since(round.last))
        {
            round.last = time;
            round.circle.passes = round.circle.passes.saturating_add(1);
            round.circle.ttls.1 = print.ttl;
            return Some(round.circle);
        }
        *known = Some(Round {
            hash: print.frame,
            last: time,
            circle: Circle {
                passes: 1,
                frame,
                time,
                ttls: (print.ttl, print.ttl),
                is_new: false,
            },
        });
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capfile::{Ends, LinkType};
    use crate::packet::decode;

    /// An IPv4 packet in an Ethernet frame.
    fn frame(from: u8, ttl: u8, id: u8) -> [u8; 42] {
        let mut bytes = [0; 42];
        bytes[11] = from;
        bytes[12] = 8;
        bytes[14..18].copy_from_slice(&[0x45, 0, 0, 28]);
        bytes[19] = id;
        (bytes[22], bytes[23]) = (ttl, 17);
        bytes[24] = ttl; // a checksum that changes with it
        bytes[39] = 8;
        bytes
    }

    fn see(passes: &mut Passes, bytes: &[u8], milliseconds: u32) -> Pass {
        let original_len = u32::try_from(bytes.len()).unwrap();
        let decoded = decode(LinkType::ETHERNET, bytes, original_len);
        let time = Timestamp {
            seconds: i64::from(milliseconds / 1000),
            nanoseconds: milliseconds % 1000 * 1_000_000,
        };
        let frame = capfile::Frame {
            number: 1,
            offset: 0,
            interface: 0,
            link: LinkType::ETHERNET,
            time: Some(time),
            data: bytes,
            original_len,
            ends: Ends::default(),
            record: &[],
        };
        passes.see(&decoded, &frame, time)
    }

    #[test]
    fn a_frame_that_comes_a_third_time_with_a_falling_time_to_live_goes_round() {
        let mut passes = Passes::default();
        assert_eq!(see(&mut passes, &frame(1, 64, 7), 0), Pass::First);
        assert_eq!(see(&mut passes, &frame(2, 63, 7), 1), Pass::First);
        assert_eq!(see(&mut passes, &frame(1, 62, 7), 2), Pass::First);
        let Pass::Again(circle) = see(&mut passes, &frame(1, 60, 7), 4) else {
            panic!("a loop");
        };
        assert_eq!((circle.passes, circle.ttls), (3, (64, 60)));
        assert!(circle.is_new);
        let Pass::First = see(&mut passes, &frame(2, 61, 7), 5) else {
            panic!("twice");
        };
        let Pass::Again(back) = see(&mut passes, &frame(2, 59, 7), 6) else {
            panic!("a loop");
        };
        assert!(!back.is_new, "the same packet on its way back");
    }

    #[test]
    fn what_is_forwarded_sent_again_or_traced_does_not_go_round() {
        for frames in [
            // Captured on each side of three routers.
            [
                frame(1, 64, 7),
                frame(2, 63, 7),
                frame(3, 62, 7),
                frame(4, 61, 7),
            ],
            // The same datagram, without an identification, again and again.
            [frame(1, 64, 0); 4],
            // Sent again: another packet.
            [
                frame(1, 64, 1),
                frame(1, 64, 2),
                frame(1, 64, 3),
                frame(1, 64, 4),
            ],
            // A traceroute.
            [
                frame(1, 1, 0),
                frame(1, 2, 0),
                frame(1, 3, 0),
                frame(1, 4, 0),
            ],
        ] {
            let mut passes = Passes::default();
            for (milliseconds, frame) in (0..).zip(&frames) {
                assert_eq!(see(&mut passes, frame, milliseconds), Pass::First);
            }
        }
        let mut passes = Passes::default();
        for (ttl, milliseconds) in [(64, 0), (62, 3000), (60, 6000), (58, 9000)] {
            assert_eq!(
                see(&mut passes, &frame(1, ttl, 7), milliseconds),
                Pass::First,
                "too late"
            );
        }
    }

    #[test]
    fn a_copy_comes_at_once_with_the_same_time_to_live() {
        let mut passes = Passes::default();
        assert_eq!(see(&mut passes, &frame(1, 64, 7), 5), Pass::First);
        assert_eq!(see(&mut passes, &frame(2, 64, 7), 5), Pass::Copy);
        assert_eq!(see(&mut passes, &frame(2, 63, 7), 5), Pass::First);
        assert_eq!(see(&mut passes, &frame(1, 64, 7), 6), Pass::First);
    }
}
