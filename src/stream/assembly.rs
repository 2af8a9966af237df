//! One direction of a stream, put together from segments that come twice, late, or not at all.

use std::collections::VecDeque;

use super::sequence::SeqNumber;

/// Which bytes count where segments that wait after a gap overlap and differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overlap {
    /// Those that came first.
    #[default]
    First,
    /// Those that came last.
    Last,
}

/// What comes next in a direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Bytes.
    Data(&'a [u8]),
    /// Missing bytes.
    Gap(u32),
}

/// What was noticed about a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Noticed {
    /// It holds other bytes than came before for the same place.
    pub(super) differs: bool,
    /// Held bytes that were considered lost, because too many were held after them.
    pub(super) evicted: u32,
}

/// Bytes that wait after a gap, on top of which no more are taken: the gap is given up.
pub(super) const MOST_HELD: usize = 4 << 20;
/// Segments that may wait, however small: putting one between them costs no more than moving half of them.
const MOST_SEGMENTS: usize = 8 * 1024;
/// The number of delivered bytes that are remembered, for comparison with retransmissions.
const REMEMBERED: usize = 64 << 10;
/// A segment further ahead belongs to something else (RFC 7323 section 2.3: no window is larger).
const FURTHEST: u32 = 1 << 30;

/// A segment that waits.
#[derive(Debug, Clone)]
struct Held {
    from: SeqNumber,
    bytes: Box<[u8]>,
    /// Bytes at its end that were on the wire and not captured.
    cut: u32,
}

/// A segment, or a part of one, that was not put anywhere yet.
#[derive(Debug, Clone, Copy)]
struct Part<'a> {
    from: SeqNumber,
    bytes: &'a [u8],
    /// Bytes at its end that were on the wire and not captured.
    cut: u32,
}

impl<'a> Part<'a> {
    fn to(&self) -> SeqNumber {
        self.from.plus(small(self.bytes.len())).plus(self.cut)
    }

    /// Its first `count` bytes, of which it has more.
    fn first(self, count: u32) -> Part<'a> {
        let captured = (count as usize).min(self.bytes.len());
        Part {
            from: self.from,
            bytes: &self.bytes[..captured],
            cut: count - small(captured),
        }
    }

    /// What comes after its first `count` bytes, of which it has more.
    fn without(self, count: u32) -> Part<'a> {
        let captured = (count as usize).min(self.bytes.len());
        Part {
            from: self.from.plus(count),
            bytes: &self.bytes[captured..],
            cut: self.cut - (count - small(captured)),
        }
    }
}

impl Held {
    fn to(&self) -> SeqNumber {
        self.from.plus(small(self.bytes.len())).plus(self.cut)
    }
}

/// The segments of one direction.
///
/// The invariant: `held` is sorted, nothing in it overlaps, and all of it is after `next`. Each byte
/// is handed on once, in order; what is missing is handed on as a gap.
#[derive(Debug, Default, Clone)]
pub(super) struct Assembly {
    /// The next byte to hand on; `None` before the first segment.
    next: Option<SeqNumber>,
    held: VecDeque<Held>,
    held_bytes: usize,
    /// The bytes in front of `next`.
    remembered: Vec<u8>,
    /// Nothing is remembered.
    forgets: bool,
}

impl Assembly {
    /// Says where the direction begins, unless that is known.
    pub(super) fn begin(&mut self, first: SeqNumber) {
        self.next.get_or_insert(first);
    }

    /// Does not compare what is sent again with what was handed on: the result is not needed.
    pub(super) fn forget(&mut self) {
        self.forgets = true;
    }

    /// Whether segments wait after a gap.
    pub(super) fn waits(&self) -> bool {
        !self.held.is_empty()
    }

    /// Takes a segment: its bytes that were captured, and how many it had on the wire.
    #[inline]
    pub(super) fn push(
        &mut self,
        from: SeqNumber,
        bytes: &[u8],
        length: u32,
        overlap: Overlap,
        sink: &mut (impl FnMut(Piece<'_>) + ?Sized),
    ) -> Noticed {
        let next = *self.next.get_or_insert(from);
        if from == next && self.held.is_empty() {
            self.hand_on(bytes, length - small(bytes.len()), sink);
            return Noticed::default();
        }
        self.push_slowly(from, bytes, length, overlap, sink)
    }

    fn push_slowly(
        &mut self,
        from: SeqNumber,
        bytes: &[u8],
        length: u32,
        overlap: Overlap,
        sink: &mut (impl FnMut(Piece<'_>) + ?Sized),
    ) -> Noticed {
        let next = self.next.unwrap_or(from);
        let mut noticed = Noticed::default();
        let mut new = Part {
            from,
            bytes,
            cut: length - small(bytes.len()),
        };
        if from.is_before(next) {
            noticed.differs |= self.differs_from_remembered(from, bytes);
            let distance = next.since(from);
            if distance >= length {
                return noticed;
            }
            new = new.without(distance);
        }
        if new.from.since(next) > FURTHEST {
            return noticed;
        }
        noticed.differs |= self.hold(new, overlap);
        self.hand_on_held(sink);
        while self.held_bytes > MOST_HELD || self.held.len() > MOST_SEGMENTS {
            noticed.evicted = noticed.evicted.saturating_add(self.skip_gap(sink));
        }
        noticed
    }

    /// Whether a segment has other bytes than came before for the same place, as far as these are remembered.
    pub(super) fn differs(&self, from: SeqNumber, bytes: &[u8]) -> bool {
        let Some(next) = self.next else {
            return false;
        };
        if from.is_before(next) && self.differs_from_remembered(from, bytes) {
            return true;
        }
        let new = Part {
            from,
            bytes,
            cut: 0,
        };
        let first = self.held.partition_point(|held| !held.to().is_after(from));
        let held = self.held.range(first..);
        held.take_while(|held| held.from.is_before(new.to()))
            .any(|held| disagree(held, &new))
    }

    /// Whether retransmitted data differs from the data delivered, as far as that is remembered.
    fn differs_from_remembered(&self, from: SeqNumber, bytes: &[u8]) -> bool {
        let Some(next) = self.next else {
            return false;
        };
        let distance = next.since(from) as usize;
        let (skip, start) = match self.remembered.len().checked_sub(distance) {
            Some(start) => (0, start),
            None => (distance - self.remembered.len(), 0),
        };
        let again = bytes.get(skip..).unwrap_or_default();
        let known = &self.remembered[start..];
        again.iter().zip(known).any(|(again, known)| again != known)
    }

    /// Puts a segment between those that wait, without what overlaps; whether that differs.
    fn hold(&mut self, mut new: Part<'_>, overlap: Overlap) -> bool {
        let mut differs = false;
        let mut at = self
            .held
            .partition_point(|held| !held.to().is_after(new.from));
        while at < self.held.len() && self.held[at].from.is_before(new.to()) {
            let old = &mut self.held[at];
            differs |= disagree(old, &new);
            if overlap == Overlap::Last {
                overwrite(old, &new);
            }
            // What is in front of the old one is put in, what is after it is looked at next.
            let (front, old_to) = (old.from.since(new.from), old.to());
            if new.from.is_before(old.from) {
                self.insert(at, new.first(front));
                at += 1;
            }
            if !new.to().is_after(old_to) {
                return differs;
            }
            new = new.without(old_to.since(new.from));
            at += 1;
        }
        self.insert(at, new);
        differs
    }

    fn insert(&mut self, at: usize, part: Part<'_>) {
        self.held_bytes += part.bytes.len();
        let held = Held {
            from: part.from,
            bytes: part.bytes.into(),
            cut: part.cut,
        };
        self.held.insert(at, held);
    }

    /// Hands on what waits no longer.
    fn hand_on_held(&mut self, sink: &mut (impl FnMut(Piece<'_>) + ?Sized)) {
        while self
            .held
            .front()
            .is_some_and(|held| Some(held.from) == self.next)
            && let Some(held) = self.held.pop_front()
        {
            self.held_bytes -= held.bytes.len();
            self.hand_on(&held.bytes, held.cut, sink);
        }
    }

    /// Gives up the gap in front of what waits; gives its length.
    pub(super) fn skip_gap(&mut self, sink: &mut (impl FnMut(Piece<'_>) + ?Sized)) -> u32 {
        let (Some(first), Some(next)) = (self.held.front(), self.next) else {
            return 0;
        };
        let gap = first.from.since(next);
        self.hand_on(&[], gap, sink);
        self.hand_on_held(sink);
        gap
    }

    /// Gives up the gap if the other end has acknowledged what is in it: it will not be sent again.
    pub(super) fn skip_if_acknowledged(
        &mut self,
        ack: SeqNumber,
        sink: &mut (impl FnMut(Piece<'_>) + ?Sized),
    ) -> u32 {
        match self.held.front() {
            Some(first) if !first.from.is_after(ack) => self.skip_gap(sink),
            _ => 0,
        }
    }

    fn hand_on(&mut self, bytes: &[u8], cut: u32, sink: &mut (impl FnMut(Piece<'_>) + ?Sized)) {
        if !bytes.is_empty() {
            sink(Piece::Data(bytes));
            if !self.forgets {
                self.remember(bytes);
            }
        }
        if cut > 0 {
            sink(Piece::Gap(cut));
            self.remembered.clear();
        }
        if let Some(next) = &mut self.next {
            *next = next.plus(small(bytes.len())).plus(cut);
        }
    }

    #[inline]
    fn remember(&mut self, bytes: &[u8]) {
        if self.remembered.len() + bytes.len() > 2 * REMEMBERED {
            let old = self.remembered.len().saturating_sub(REMEMBERED);
            drop(self.remembered.drain(..old));
        }
        let tail = bytes.len().saturating_sub(REMEMBERED);
        if tail > 0 {
            self.remembered.clear();
        }
        self.remembered.extend_from_slice(&bytes[tail..]);
    }

    /// Bytes of memory in addition to its own size.
    pub(super) fn memory(&self) -> usize {
        /// What an allocator adds to each allocation, and rounds up.
        const EACH: usize = 32;
        self.held_bytes
            + self.held.capacity() * size_of::<Held>()
            + self.held.len() * EACH
            + self.remembered.capacity()
    }
}

/// Whether two segments have different bytes for the same place.
fn disagree(old: &Held, new: &Part<'_>) -> bool {
    let (old, new) = if old.from.is_before(new.from) {
        let skip = new.from.since(old.from) as usize;
        (old.bytes.get(skip..).unwrap_or_default(), new.bytes)
    } else {
        let skip = old.from.since(new.from) as usize;
        (&*old.bytes, new.bytes.get(skip..).unwrap_or_default())
    };
    old.iter().zip(new).any(|(one, other)| one != other)
}

/// Puts the bytes of the new segment over those of the old one, where both have some.
fn overwrite(old: &mut Held, new: &Part<'_>) {
    let (into, from) = if old.from.is_before(new.from) {
        (new.from.since(old.from) as usize, 0)
    } else {
        (0, old.from.since(new.from) as usize)
    };
    let into = old.bytes.get_mut(into..).unwrap_or_default();
    let from = new.bytes.get(from..).unwrap_or_default();
    for (into, from) in into.iter_mut().zip(from) {
        *into = *from;
    }
}

/// No segment is longer than an IP packet, and no more is held than [`MOST_HELD`] and one segment.
fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[path = "assembly_tests.rs"]
mod tests;
