//! Which words a segment deserves: the conditions of the Wireshark User's Guide, section "TCP Analysis",
//! as version 4.0 applies them, in the order in which one goes before another.

use super::analysis::{Segment, Sender};
use super::marks::Marks;
use super::sequence::SeqNumber;
use crate::packet::tcp::flag;

/// Everything about windows and repeated acknowledgments.
#[inline]
pub(super) fn judge_window(
    sender: &mut Sender,
    receiver: &Sender,
    segment: &Segment,
    marks: &mut Marks,
    duplicate_of: &mut (u64, u32),
) {
    let is_next = sender
        .next
        .map_or(segment.seq.0 == 0, |next| next == segment.seq);
    if segment.length == 1 && is_next && receiver.heard && receiver.window == 0 {
        marks.add(Marks::ZERO_WINDOW_PROBE);
        return;
    }
    if segment.window == 0 && segment.is_plain() {
        marks.add(Marks::ZERO_WINDOW);
    }
    if !segment.has(flag::RST) && sender.next.is_some_and(|next| segment.seq.is_after(next)) {
        marks.add(Marks::LOST_SEGMENT);
    }
    if !segment.is_plain() {
        return;
    }
    let before_next = segment.seq.plus(1) == sender.next.unwrap_or_default();
    if segment.length <= 1 && before_next {
        marks.add(Marks::KEEP_ALIVE);
    }
    if segment.length > 0 {
        let edge = receiver
            .announced()
            .map(|window| receiver.last_ack.plus(window));
        if edge == Some(segment.seq.plus(segment.length)) {
            marks.add(Marks::WINDOW_FULL);
        }
        return;
    }
    if !is_next || segment.ack != sender.last_ack {
        return;
    }
    if segment.window != sender.window {
        if segment.window != 0 {
            marks.add(Marks::WINDOW_UPDATE);
        }
    } else if segment.window == 0 {
        if receiver.last_marks.has(Marks::ZERO_WINDOW_PROBE) {
            marks.add(Marks::ZERO_WINDOW_PROBE_ACK);
        }
    } else if receiver.last_marks.has(Marks::KEEP_ALIVE) {
        marks.add(Marks::KEEP_ALIVE_ACK);
    } else {
        sender.duplicates += 1;
        sender.told_unseen = false;
        marks.add(Marks::DUPLICATE_ACK);
        *duplicate_of = (sender.last_new_ack, sender.duplicates);
    }
}

/// Whether something is acknowledged that was not seen.
#[inline]
pub(super) fn judge_ack(
    sender: &mut Sender,
    receiver: &mut Sender,
    segment: &Segment,
    marks: &mut Marks,
) {
    if segment.ack != sender.last_ack {
        sender.last_new_ack = segment.frame;
        sender.duplicates = 0;
        sender.told_unseen = false;
    }
    let Some(edge) = receiver.to_be_acked else {
        return;
    };
    if !segment.has(flag::ACK) || !segment.ack.is_after(edge) {
        return;
    }
    if receiver.next.is_some_and(|next| edge.is_before(next)) {
        marks.add(Marks::ACKED_UNSEEN);
        receiver.to_be_acked = receiver.next;
    } else {
        // Said again once the other end has acknowledged something new, or the same once more.
        if receiver.duplicates == 0 && !receiver.told_unseen {
            marks.add(Marks::ACKED_UNSEEN);
        }
        receiver.told_unseen = true;
        receiver.duplicates = 0;
    }
}

/// Whether a segment with data, a SYN or a FIN was sent before, or comes late.
#[inline]
pub(super) fn judge_sequence(
    sender: &Sender,
    receiver: &Sender,
    segment: &Segment,
    round_trip: Option<i64>,
    marks: &mut Marks,
) {
    /// A fast retransmission comes this soon after the duplicate ACK, in nanoseconds.
    const SOON: i64 = 20_000_000;
    /// What stands for the round trip time before it is known, in nanoseconds.
    const ROUND_TRIP: i64 = 3_000_000;
    if segment.length == 0 && !segment.has(flag::SYN | flag::FIN) || marks.has(Marks::KEEP_ALIVE) {
        return;
    }
    let end = segment.seq.plus(segment.length);
    let was_acked = receiver.last_ack != SeqNumber(0) && !end.is_after(receiver.last_ack);
    if segment.length > 0 && was_acked {
        marks.add(Marks::SPURIOUS_RETRANSMISSION);
        return;
    }
    let Some(next) = sender.next else {
        return;
    };
    // A segment that begins with the byte of a probe brings new data.
    let follows_probe = segment.length > 1 && segment.seq.plus(1) == next;
    let is_new = !segment.seq.is_before(next) || follows_probe;
    let since_ack = segment.time.nanos_since(receiver.last_ack_time);
    if is_new {
        return;
    }
    let is_asked_for = receiver.duplicates >= 2 && receiver.last_ack == segment.seq;
    if is_asked_for && since_ack < SOON {
        marks.add(Marks::FAST_RETRANSMISSION);
        return;
    }
    let since_next = segment.time.nanos_since(sender.next_time);
    let round_trip = round_trip.filter(|time| *time != 0).unwrap_or(ROUND_TRIP);
    if since_next < round_trip && next != segment.end() {
        marks.add(Marks::OUT_OF_ORDER);
        return;
    }
    marks.add(Marks::RETRANSMISSION);
}
