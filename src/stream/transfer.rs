//! What limited a transfer: the receiver's window, the sender's application, loss, the congestion window, the path.
//!
//! The causes are those of T-RAT (Zhang, Breslau, Paxson, Shenker: "On the Characteristics and Origins of Internet
//! Flow Rates", 2002) and of Siekkinen's root cause analysis ("Root Cause Analysis of TCP Throughput", 2008). Each
//! gap between two data segments of a transfer is given to the cause that kept the sender from sending earlier:
//!
//! - the segment was sent before: loss, since the gap that it fills was seen;
//! - it did not fit into the receive window that the sender knew, until a later ACK opened it: the receiver;
//! - there was room, as much as was on its way before: the application; if it came right after a late ACK of a small
//!   segment, Nagle's algorithm and a delayed ACK;
//! - it came right after an ACK: the congestion window, or, if segments are evenly spaced or their round trip has
//!   grown by a queue, the path.
//!
//! What the sender knew is seen from the capture point: an ACK that passes it reaches the sender, and the data that
//! it releases comes back, one round trip between both later. That is known from the handshake.

use std::collections::VecDeque;

use super::analysis::Segment;
use super::losses::{Came, Losses, Stuck};
use super::sequence::SeqNumber;
use crate::capfile::Timestamp;

/// What keeps a sender from sending faster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    /// The receive window.
    Receiver,
    /// The sender's program has nothing to send.
    Application,
    /// Nagle's algorithm waits for an ACK that is delayed.
    DelayedAck,
    /// Segments are lost and sent again.
    Loss,
    /// The congestion window.
    Congestion,
    /// The capacity of the path.
    Path,
}

impl Limit {
    /// All of them.
    pub const ALL: [Limit; 6] = [
        Limit::Receiver,
        Limit::Application,
        Limit::DelayedAck,
        Limit::Loss,
        Limit::Congestion,
        Limit::Path,
    ];

    /// The word for programs.
    pub fn word(self) -> &'static str {
        match self {
            Limit::Receiver => "receive_window",
            Limit::Application => "application",
            Limit::DelayedAck => "delayed_ack",
            Limit::Loss => "loss",
            Limit::Congestion => "congestion_window",
            Limit::Path => "path",
        }
    }
}

/// The main limit of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limited {
    /// What it is.
    pub by: Limit,
    /// Of the time that was given to causes, this one has this much.
    pub percent: u8,
}

/// Times of the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RoundTrip {
    /// From the capture point to the sender and back, in nanoseconds.
    pub(super) to_sender: i64,
    /// From one end to the other and back.
    pub(super) whole: i64,
}

/// A wait for a delayed ACK.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Stalls {
    pub(super) count: u32,
    /// In nanoseconds.
    pub(super) total: i64,
}

/// What an ACK told the sender.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// When it was captured.
    time: Timestamp,
    ack: SeqNumber,
    /// Where the receive window ends, if its scale is known.
    edge: Option<SeqNumber>,
}

/// What one end sends.
///
/// The invariant: at most [`MOST_ACKS`] acknowledgments are remembered, the earliest first.
#[derive(Debug, Default)]
pub(super) struct Transfer {
    /// By [`Limit`], in nanoseconds.
    times: [i64; Limit::ALL.len()],
    /// The same when a gap in the data was seen last.
    before_gap: [i64; Limit::ALL.len()],
    /// Until then the time is given to losses.
    lost_until: Timestamp,
    acks: VecDeque<Known>,
    /// Where the data sent so far ends.
    end: SeqNumber,
    /// Bytes of the last segment, and of the largest.
    last_length: u32,
    largest: u32,
    /// The most bytes that were on their way at once, since the last loss.
    peak: u32,
    has_lost: bool,
    /// The usual gap between segments, in nanoseconds.
    usual_gap: i64,
    /// The round trip of late, in nanoseconds, or 0.
    recent: i64,
    /// The segment with which it is measured.
    timed: Option<(SeqNumber, Timestamp)>,
    pub(super) stalls: Stalls,
    pub(super) losses: Losses,
    pub(super) stuck: Stuck,
    /// The longest pause of the sender's program since its data began, in nanoseconds.
    pub(super) longest_pause: i64,
}

const MOST_ACKS: usize = 24;
/// What any sender may have on its way at first (RFC 3390 section 1).
const INITIAL_WINDOW: u32 = 4380;
/// Shorter segments do not count as full.
const LEAST_FULL: u32 = 536;
/// ACKs are delayed by this much at least: Linux 40 ms, others up to 200 ms.
const DELAYED: i64 = 30_000_000;
/// A queue on the path adds at least this much.
const QUEUED: i64 = 5_000_000;
/// A transfer that waited for less was not limited.
const LEAST: i64 = 1_000_000;

impl Transfer {
    /// The other end acknowledges up to here, and takes data up to this edge.
    pub(super) fn acked(
        &mut self,
        time: Timestamp,
        ack: SeqNumber,
        window: Option<u32>,
        path: Option<RoundTrip>,
    ) {
        let to_sender = path.map_or(0, |path| path.to_sender);
        if let Some((end, sent)) = self.timed
            && !end.is_after(ack)
        {
            let took = time.nanos_since(sent).saturating_add(to_sender);
            self.recent = match self.recent {
                0 => took,
                recent => recent.saturating_add(took.saturating_sub(recent) / 4),
            };
            self.timed = None;
        }
        let known = Known {
            time,
            ack,
            edge: window.map(|window| ack.plus(window)),
        };
        // Of ACKs that are close together the earliest time counts: what is remembered has to cover a round trip.
        if let Some(last) = self.acks.back_mut()
            && time.nanos_since(last.time) < to_sender / 16
        {
            *last = Known {
                time: last.time,
                ..known
            };
            return;
        }
        if self.acks.len() == MOST_ACKS {
            self.acks.pop_front();
        }
        self.acks.push_back(known);
    }

    /// The next data; `gap` is the time since the one before, within a transfer.
    pub(super) fn sent(
        &mut self,
        segment: &Segment,
        came: Came,
        gap: Option<i64>,
        path: Option<RoundTrip>,
    ) {
        let is_new = matches!(came, Came::Next | Came::BehindGap);
        let gap = gap.filter(|gap| *gap > 0);
        if let Came::Again(gap_seen) = came {
            self.lost(segment.time, gap_seen, gap);
        }
        if let Some(gap) = gap {
            if let Some(path) = path.filter(|_| is_new) {
                self.give(segment, gap, path);
            }
            let change = gap.saturating_sub(self.usual_gap) / 16;
            self.usual_gap = self.usual_gap.saturating_add(change);
        }
        let end = segment.seq.plus(segment.length);
        if is_new {
            self.end = end;
            self.timed.get_or_insert((end, segment.time));
        } else if came != Came::Late {
            (self.peak, self.has_lost, self.timed) = (0, true, None);
        }
        if came == Came::BehindGap {
            self.before_gap = self.times;
        }
        (self.last_length, self.largest) = (segment.length, self.largest.max(segment.length));
        let to_sender = path.map_or(0, |path| path.to_sender);
        if let Some(known) = self.known(segment.time, to_sender) {
            self.peak = self.peak.max(distance(self.end, known.ack));
        }
    }

    /// The main limit, if there was one.
    pub(super) fn limited(&self) -> Option<Limited> {
        let total = self
            .times
            .iter()
            .fold(0_i64, |sum, time| sum.saturating_add(*time));
        let (by, most) = Limit::ALL
            .into_iter()
            .zip(self.times)
            .max_by_key(|it| it.1)?;
        let total = total.max(1);
        let percent = (i128::from(most) * 100 + i128::from(total) / 2) / i128::from(total);
        (total >= LEAST).then(|| Limited {
            by,
            percent: u8::try_from(percent).unwrap_or(100),
        })
    }

    /// How long a cause kept the sender from sending, in nanoseconds.
    pub(super) fn time(&self, limit: Limit) -> i64 {
        self.times[limit as usize]
    }

    /// Bytes of memory beside its own.
    pub(super) fn memory(&self) -> usize {
        self.acks.capacity() * size_of::<Known>() + self.losses.memory()
    }

    /// A segment was sent again. All the time since the gap that it fills was seen is that of the loss, whatever was
    /// sent meanwhile.
    fn lost(&mut self, time: Timestamp, gap_seen: Option<Timestamp>, gap: Option<i64>) {
        let lost = match gap_seen {
            Some(seen) => {
                let loss = self.time(Limit::Loss);
                for (time, before) in self.times.iter_mut().zip(self.before_gap) {
                    *time = before.min(*time);
                }
                self.times[Limit::Loss as usize] = loss;
                time.nanos_since(seen.max(self.lost_until))
            }
            None => gap.unwrap_or(0),
        };
        self.add(Limit::Loss, lost);
        self.lost_until = time;
    }

    fn add(&mut self, limit: Limit, time: i64) {
        let sum = &mut self.times[limit as usize];
        *sum = sum.saturating_add(time.max(0));
    }

    /// What the sender knew when it sent what was captured at this time.
    fn known(&self, time: Timestamp, to_sender: i64) -> Option<Known> {
        let mut acks = self.acks.iter().rev();
        acks.find(|known| time.nanos_since(known.time) >= to_sender)
            .copied()
    }

    /// Gives a gap to its causes.
    fn give(&mut self, segment: &Segment, gap: i64, path: RoundTrip) {
        let RoundTrip { to_sender, whole } = path;
        let end = segment.seq.plus(segment.length);
        // Times as nanoseconds before the segment.
        let ago = |known: &Known| {
            segment
                .time
                .nanos_since(known.time)
                .saturating_sub(to_sender)
        };
        let before = self.acks.iter().rev().find(|known| ago(known) >= gap);
        let Some(before) = before.or(self.acks.front()).copied() else {
            return;
        };
        let is_beyond = |known: &Known| known.edge.is_some_and(|edge| end.is_after(edge));
        // How long the segment did not fit into the window, from one ACK to the next.
        let (mut closed, mut since, mut is_closed) = (0, gap, is_beyond(&before));
        let within = self.acks.iter().filter(|known| ago(known) < gap);
        for (until, is_next) in within
            .map(|known| (ago(known).max(0), is_beyond(known)))
            .chain([(0, false)])
        {
            closed += if is_closed { since - until } else { 0 };
            (since, is_closed) = (until, is_next);
        }
        self.add(Limit::Receiver, closed);
        let left = (gap - closed).max(0);
        if left == 0 {
            return;
        }
        // What follows an ACK this soon was waiting for it.
        let slack = whole / 4 + 100_000;
        let on_its_way = distance(self.end, before.ack);
        let first = if self.has_lost { 0 } else { INITIAL_WINDOW };
        let needed = on_its_way.saturating_add(segment.length);
        if needed <= self.peak.max(first) {
            let is_small = self.last_length < self.largest.max(LEAST_FULL) && on_its_way > 0;
            let of_all = |known: &&Known| ago(known) < gap && !self.end.is_after(known.ack);
            let of_all = self.acks.iter().find(of_all).map(|known| ago(known).max(0));
            let is_late = |since: &i64| gap - since >= whole + DELAYED && *since <= slack;
            if is_small && of_all.as_ref().is_some_and(is_late) {
                self.stalls.count += 1;
                self.stalls.total = self.stalls.total.saturating_add(left);
                self.add(Limit::DelayedAck, left);
            } else {
                self.pause(left);
            }
            return;
        }
        let released = |known: &&Known| ago(known) < gap && known.ack.is_after(before.ack);
        let Some(since) = self
            .acks
            .iter()
            .find(released)
            .map(|known| ago(known).max(0))
        else {
            // Without an ACK: paced, or the program was late.
            if left <= whole / 4 {
                self.add(Limit::Path, left);
            } else {
                self.pause(left);
            }
            return;
        };
        let since = since.min(left);
        let (waited, idle) = if since > slack {
            (left - since, since)
        } else {
            (left, 0)
        };
        let by = if self.fills_the_path(waited, whole, on_its_way) {
            Limit::Path
        } else {
            Limit::Congestion
        };
        self.add(by, waited);
        self.pause(idle);
    }

    fn pause(&mut self, time: i64) {
        self.add(Limit::Application, time);
        self.longest_pause = self.longest_pause.max(time);
    }

    /// Whether a wait for an ACK is that of a path that is full: its queue delays the ACKs, or spaces them evenly.
    fn fills_the_path(&self, waited: i64, whole: i64, on_its_way: u32) -> bool {
        const FEW: u32 = 4;
        let is_queued = self.recent >= whole.saturating_mul(2).saturating_add(QUEUED);
        let is_burst = waited > self.usual_gap.saturating_mul(3)
            || on_its_way <= self.largest.saturating_mul(FEW);
        is_queued || waited <= whole / 4 || !is_burst
    }
}

/// How many bytes there are from an acknowledgment to the end of the data; none if it is beyond.
fn distance(end: SeqNumber, ack: SeqNumber) -> u32 {
    if end.is_after(ack) { end.since(ack) } else { 0 }
}
