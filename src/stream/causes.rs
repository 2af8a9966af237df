//! Why a connection was slow or reset, as far as its segments tell.

use super::events::{Event, Fact, Noted};
use super::flow::Flow;
use super::marks::Marks;
use super::processing::{Processing, SLOW, reference};
use super::resets::{Reset, ResetWhy};
use super::transfer::{Limit, Transfer};
use crate::packet::tcp::flag;

/// From this number of waits for a delayed ACK on they are worth a finding.
const STALLS: u32 = 3;

impl Processing<'_> {
    /// A segment after a RST of the same end, or a RST.
    #[cold]
    pub(super) fn reset(&self, flow: &mut Flow, handler: &mut impl FnMut(Event<'_>)) {
        let here = self.direction.index();
        if self.segment.has(flag::RST) {
            let why = self.why(flow);
            let other_end = flow.conversation.ends[1 - here].next;
            let side = &mut flow.sides[here];
            let ttls = side.wire.other_ttl(self.packet);
            let other_end = other_end.unwrap_or_default();
            let resets = &mut side.resets;
            let is_first = resets.reset(self.segment.seq, other_end, self.packet, &side.wire);
            let injected = resets.injected();
            // The first one ends the connection; what follows it are answers to segments on their way.
            if let Some(reset) = injected.or(is_first.then_some(Reset { why, ttls })) {
                self.note(flow, Noted::Reset(reset), handler);
            }
        } else {
            flow.sides[here].resets.goes_on(self.segment);
            if let Some(reset) = flow.sides[here].resets.injected() {
                self.note(flow, Noted::Reset(reset), handler);
            }
        }
    }

    /// Why a segment resets the connection.
    fn why(&self, flow: &Flow) -> ResetWhy {
        /// An answer comes this soon, in nanoseconds.
        const SOON: i64 = 5_000_000_000;
        let here = self.direction.index();
        let (side, other) = (&flow.sides[here], &flow.sides[1 - here]);
        let ends = &flow.conversation.ends;
        let is_server = self.direction != flow.client;
        let since_data = self.segment.time.nanos_since(flow.resumed_at);
        let is_answer = !self.segment.has(flag::ACK) && self.segment.seq == ends[1 - here].last_ack;
        // The SYNs, and this RST.
        let has_asked =
            ends[here].saw_syn && u64::from(side.syns) + 1 == side.sent.packets - side.sent.copies;
        let has_all = ends[1 - here]
            .next
            .is_some_and(|next| !next.is_after(self.segment.ack));
        if is_server
            && ends[1 - here].saw_syn
            && side.sent.packets - side.sent.copies == 1
            && other.sent.data_bytes == 0
        {
            ResetWhy::Refused
        } else if !is_server && has_asked && other.sent.packets > 0 && !ends[1 - here].saw_syn_ack {
            let was_seen = flow.is_reused;
            ResetWhy::OldConnection { was_seen }
        } else if side.fin.is_some() && side.data_after_fin {
            ResetWhy::Closed
        } else if flow.resumed_after > 0 && since_data < SOON && other.spoke_last {
            ResetWhy::Idle(flow.resumed_after)
        } else if is_answer && other.spoke_last {
            ResetWhy::NoSocket
        } else if self.segment.has(flag::ACK) && other.spoke_last && has_all {
            ResetWhy::Unread
        } else {
            ResetWhy::Other
        }
    }

    /// The first data of a reply, this long after the request.
    pub(super) fn replies(&self, flow: &mut Flow, wait: i64, handler: &mut impl FnMut(Event<'_>)) {
        let thinking = wait - flow.server_round_trip();
        if thinking >= SLOW {
            self.note(flow, Noted::SlowReply(thinking), handler);
        }
        let client = flow.client;
        let request = flow.sides[client.index()].transfer.as_mut();
        let pause = request.map_or(0, |it| std::mem::take(&mut it.longest_pause));
        if pause >= SLOW {
            handler(Event::Fact(&Fact {
                frame: self.frame.number,
                time: self.frame.time,
                stream: Some(reference(flow, client)),
                noted: Noted::SlowRequest(pause),
            }));
        }
    }

    /// What limits the transfers.
    pub(super) fn causes(&self, flow: &mut Flow, marks: Marks, is_data: bool, gap: Option<i64>) {
        let segment = self.segment;
        let here = self.direction.index();
        let paths = [self.direction, self.direction.turned()].map(|from| flow.round_trip(from));
        if segment.has(flag::ACK)
            && let Some(transfer) = &mut flow.sides[1 - here].transfer
        {
            let window = flow.conversation.ends[here].announced();
            transfer.acked(segment.time, segment.ack, window, paths[1]);
            transfer.stuck.acked(segment.ack);
        }
        if segment.length == 0 || self.is_copy {
            return;
        }
        let again = marks.has(Marks::ANY_RETRANSMISSION);
        if segment.has(flag::RST | flag::SYN) {
            let known = if again { segment.length } else { 0 };
            flow.sides[here].sent.known_bytes += u64::from(known);
            return;
        }
        if again
            && self.settings.compare
            && flow.sides[here].assembly.differs(segment.seq, self.payload)
        {
            // It is not the segment from before that is sent again.
            flow.sides[here].sent.known_bytes += u64::from(segment.length);
            return;
        }
        let [this, other] = [here, 1 - here].map(|end| &flow.conversation.ends[end]);
        let first = flow.first;
        let side = &mut flow.sides[here];
        let transfer = side.transfer.get_or_insert_with(|| {
            let mut transfer = Box::<Transfer>::default();
            // The handshake's acknowledgment and window.
            if other.heard {
                transfer.acked(first, other.last_ack, other.announced(), None);
                if this.saw_beginning() {
                    transfer.losses.begin(other.last_ack);
                }
            }
            transfer
        });
        transfer.stuck.sent(segment, again);
        let (came, new) = transfer.losses.sent(segment, marks, self.packet.id);
        side.sent.known_bytes += u64::from(segment.length - new.min(segment.length));
        if is_data {
            transfer.sent(segment, came, gap, paths[0]);
        }
    }

    /// What is known of the transfer of this direction at its end.
    pub(super) fn transfers(&self, flow: &Flow, handler: &mut impl FnMut(Event<'_>)) {
        let ignored =
            (flow.icmp.as_ref()).filter(|icmp| icmp.from == self.direction && icmp.larger >= 2);
        let side = &flow.sides[self.direction.index()];
        if let Some(icmp) = ignored {
            let (mtu, times) = (icmp.mtu, icmp.larger);
            self.note(flow, Noted::MtuIgnored { mtu, times }, handler);
        }
        let Some(transfer) = &side.transfer else {
            return;
        };
        let (stuck, losses, stalls) = (&transfer.stuck, &transfer.losses, transfer.stalls);
        let of = losses.segments;
        let is_black_hole = flow.icmp.is_none() && stuck.is_black_hole();
        let is_told = flow.icmp.as_ref().is_some_and(|icmp| icmp.mtu > 0);
        let facts = [
            is_black_hole.then_some(Noted::BlackHole {
                length: stuck.length,
                times: stuck.times,
            }),
            (losses.before + losses.after > 0 && !is_black_hole && !is_told).then(|| Noted::Lost {
                before: losses.before,
                after: losses.after,
                of,
                waited: transfer.time(Limit::Loss),
            }),
            (losses.late > 0).then_some(Noted::Reordered {
                segments: losses.late,
                of,
                longest: losses.latest,
            }),
            (stalls.count >= STALLS).then_some(Noted::AcksDelayed {
                times: stalls.count,
                total: stalls.total,
            }),
        ];
        for noted in facts.into_iter().flatten() {
            self.note(flow, noted, handler);
        }
    }
}
