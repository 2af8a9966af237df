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
/// The invariant: at most [`MOST_HOLES`] gaps are remembered.
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
    /// The last segment: where it begins, its IP identification, and when it came.
    last: (SeqNumber, Option<u16>, Timestamp),
}

/// A gap in the data.
#[derive(Debug, Clone, Copy)]
struct Hole {
    from: SeqNumber,
    to: SeqNumber,
    /// When it was seen, and the IP identification of the segment behind it.
    since: Timestamp,
    id: Option<u16>,
}

const MOST_HOLES: usize = 8;
/// A mirror port gives the copy of a frame this soon, in nanoseconds.
const COPY: i64 = 100_000;

impl Losses {
    /// The next segment with data.
    pub(super) fn sent(&mut self, segment: &Segment, marks: Marks, id: Option<u16>) {
        let end = segment.seq.plus(segment.length);
        let (seq, last_id, time) =
            std::mem::replace(&mut self.last, (segment.seq, id, segment.time));
        let is_copy = id.is_some()
            && (seq, last_id) == (segment.seq, id)
            && segment.time.nanos_since(time) <= COPY;
        self.segments += u64::from(!is_copy);
        let Some(known) = self.end.filter(|_| !is_copy) else {
            self.end.get_or_insert(end);
            return;
        };
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
        } else if segment.seq.is_before(known) {
            self.old(segment, marks, id);
        }
        if end.is_after(known) {
            self.end = Some(end);
        }
    }

    /// A segment that begins before the end of the data.
    #[cold]
    fn old(&mut self, segment: &Segment, marks: Marks, id: Option<u16>) {
        let end = segment.seq.plus(segment.length);
        let fills = |hole: &Hole| segment.seq.is_before(hole.to) && end.is_after(hole.from);
        let Some(index) = self.holes.iter().position(fills) else {
            let again = Marks::RETRANSMISSION.with(Marks::FAST_RETRANSMISSION);
            self.after += u32::from(marks.has(again));
            return;
        };
        let hole = self.holes[index];
        let took = segment.time.nanos_since(hole.since);
        if is_earlier(id, hole.id).unwrap_or(marks.has(Marks::OUT_OF_ORDER)) {
            self.late += 1;
            self.latest = self.latest.max(took);
        } else {
            self.before += 1;
        }
        self.holes.remove(index);
        for (from, to) in [(hole.from, segment.seq), (end, hole.to)] {
            if from.is_before(to) && self.holes.len() < MOST_HOLES {
                self.holes.push(Hole { from, to, ..hole });
            }
        }
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
