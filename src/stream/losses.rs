//! Segments that were lost, on which side of the capture point, and segments that came late.
//!
//! A segment that comes again was lost after the capture point if its bytes were in the capture before, and before it
//! if they fill a gap. What fills a gap and was sent before its successors was not lost, but overtaken: the IP
//! identification tells, which senders count up, or the time.

use super::analysis::Segment;
use super::marks::Marks;
use super::sequence::SeqNumber;
use crate::capfile::Timestamp;

/// What came of the segments of one end.
///
/// The invariant: at most [`MOST_HOLES`] gaps are remembered, and no two of them overlap.
#[derive(Debug, Default)]
pub(super) struct Losses {
    /// Lost before the capture point.
    pub(super) before: u32,
    /// Lost after it.
    pub(super) after: u32,
    /// Overtaken by others.
    pub(super) late: u32,
    /// By how much at most, in nanoseconds.
    pub(super) latest: i64,
    /// Segments with data.
    pub(super) segments: u64,
    holes: Vec<Hole>,
    /// Where the data ends.
    end: Option<SeqNumber>,
}

/// A gap in the data.
#[derive(Debug, Clone, Copy)]
struct Hole {
    from: SeqNumber,
    to: SeqNumber,
    /// When it was seen, and the IP identification of the segment after it.
    since: Timestamp,
    id: Option<u16>,
}

impl Hole {
    /// What a segment leaves of it.
    fn without(self, from: SeqNumber, to: SeqNumber) -> impl Iterator<Item = Hole> {
        let left = Hole {
            to: if from.is_before(self.to) {
                from
            } else {
                self.to
            },
            ..self
        };
        let right = Hole {
            from: if to.is_after(self.from) {
                to
            } else {
                self.from
            },
            ..self
        };
        [left, right]
            .into_iter()
            .filter(|hole| hole.from.is_before(hole.to))
    }

    fn length(&self) -> u32 {
        self.to.since(self.from)
    }
}

/// What a segment with data is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    /// It goes on where the data ended.
    Next,
    /// There is a gap in front of it.
    BehindGap,
    /// Overtaken by others.
    Late,
    /// Sent again; the gap that it fills, if it does, was seen at this time.
    Again(Option<Timestamp>),
}

const MOST_HOLES: usize = 64;

impl Losses {
    /// The data begins here.
    pub(super) fn begin(&mut self, at: SeqNumber) {
        self.end.get_or_insert(at);
    }

    /// The next segment with data that is not a copy: what it is, and how many of its bytes were not seen before.
    pub(super) fn sent(&mut self, segment: &Segment, marks: Marks, id: Option<u16>) -> (Came, u32) {
        let end = segment.seq.plus(segment.length);
        // What was acknowledged before arrived, whether it was captured or not.
        let counts = !marks.has(Marks::KEEP_ALIVE.with(Marks::SPURIOUS_RETRANSMISSION));
        self.segments += u64::from(counts);
        let known = *self.end.get_or_insert(segment.seq);
        let mut new = 0;
        if end.is_after(known) {
            self.end = Some(end);
            new = end.since(known).min(segment.length);
        }
        if segment.seq == known {
            return (Came::Next, new);
        }
        if segment.seq.is_after(known) {
            if self.holes.len() == MOST_HOLES {
                self.holes.remove(0);
            }
            self.holes.push(Hole {
                from: known,
                to: segment.seq,
                since: segment.time,
                id,
            });
            return (Came::BehindGap, new);
        }
        let (came, filled) = self.old(segment, marks, id, counts);
        // A segment that follows the probe of a closed window begins with the byte of the probe.
        let is_again = filled > 0 || new == 0 || marks.has(Marks::ANY_RETRANSMISSION);
        (if is_again { came } else { Came::Next }, new + filled)
    }

    /// A segment that begins before the end of the data.
    #[cold]
    fn old(
        &mut self,
        segment: &Segment,
        marks: Marks,
        id: Option<u16>,
        counts: bool,
    ) -> (Came, u32) {
        let end = segment.seq.plus(segment.length);
        let fills = |hole: &&Hole| segment.seq.is_before(hole.to) && end.is_after(hole.from);
        let Some(first) = self.holes.iter().find(fills).copied() else {
            let again = Marks::RETRANSMISSION.with(Marks::FAST_RETRANSMISSION);
            self.after += u32::from(marks.has(again));
            return (Came::Again(None), 0);
        };
        let length = |holes: &[Hole]| holes.iter().map(Hole::length).fold(0, u32::saturating_add);
        let before = length(&self.holes);
        let holes = std::mem::take(&mut self.holes).into_iter();
        self.holes = holes
            .flat_map(|hole| hole.without(segment.seq, end))
            .take(MOST_HOLES)
            .collect();
        let filled = before
            .saturating_sub(length(&self.holes))
            .min(segment.length);
        let is_late = is_earlier(id, first.id).unwrap_or(marks.has(Marks::OUT_OF_ORDER));
        if is_late && counts {
            self.late += 1;
            self.latest = self.latest.max(segment.time.nanos_since(first.since));
        } else if counts {
            self.before += 1;
        }
        let came = if is_late {
            Came::Late
        } else {
            Came::Again(Some(first.since))
        };
        (came, filled)
    }

    /// Bytes of memory beside its own.
    pub(super) fn memory(&self) -> usize {
        self.holes.capacity() * size_of::<Hole>()
    }
}

/// Whether an IP packet was sent before another, if their sender counts its packets.
fn is_earlier(id: Option<u16>, other: Option<u16>) -> Option<bool> {
    /// A counter does not go further within a flight.
    const FAR: u16 = 0x1000;
    let (id, other) = (id?, other?);
    let (ahead, back) = (id.wrapping_sub(other), other.wrapping_sub(id));
    match (ahead, back) {
        (0, _) => None,
        (ahead, _) if ahead < FAR => Some(false),
        (_, back) if back < FAR => Some(true),
        _ => None,
    }
}

/// A segment that is sent again and again.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Stuck {
    pub(super) seq: SeqNumber,
    pub(super) length: u32,
    pub(super) times: u32,
    /// The largest segment of which the acknowledgment was seen.
    pub(super) largest_acked: u32,
    /// The largest one on its way: its end and its length.
    pub(super) on_its_way: (SeqNumber, u32),
}

impl Stuck {
    /// Shorter segments pass any link.
    const LARGE: u32 = 1000;
    const TIMES: u32 = 4;

    /// This end sends data.
    pub(super) fn sent(&mut self, segment: &Segment, again: bool) {
        if again && segment.seq == self.seq && segment.length == self.length {
            self.times += 1;
        } else if !again && segment.length > self.on_its_way.1 {
            self.on_its_way = (segment.end(), segment.length);
        }
        if segment.length >= Self::LARGE && segment.seq != self.seq && self.times < Self::TIMES {
            (self.seq, self.length, self.times) = (segment.seq, segment.length, 1);
        }
    }

    /// The other end acknowledges.
    pub(super) fn acked(&mut self, ack: SeqNumber) {
        let (end, length) = self.on_its_way;
        if length > 0 && !end.is_after(ack) {
            self.largest_acked = self.largest_acked.max(length);
            self.on_its_way.1 = 0;
        }
        if ack.is_after(self.seq) {
            self.times = 0;
        }
    }

    /// The segment is never acknowledged, others that are smaller were, and none as large.
    pub(super) fn is_black_hole(&self) -> bool {
        self.times >= Self::TIMES && (1..self.length).contains(&self.largest_acked)
    }
}
