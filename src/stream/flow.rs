//! One TCP connection as the capture shows it.

use std::collections::VecDeque;
use std::net::IpAddr;

use super::account::Spans;
use super::analysis::{Analysis, Conversation, Segment};
use super::assembly::Assembly;
use super::key::{Direction, FlowKey};
use super::marks::Marks;
use super::messages::Reader;
use super::place::{CapturePoint, Distance};
use super::processing::LONG_QUIET;
use super::resets::{Resets, Wire};
use super::sequence::SeqNumber;
use super::summary::{Closing, EndState, Ending, Sent, Summary};
use super::transfer::{Limited, RoundTrip, Transfer};
use crate::capfile::Timestamp;
use crate::packet::record::Tcp;
use crate::packet::tcp::flag;

/// An address and a port.
pub type Endpoint = (IpAddr, u16);

/// One end's sending.
#[derive(Debug, Default)]
pub(super) struct Side {
    pub(super) sent: Sent,
    pub(super) assembly: Assembly,
    /// Its window is closed since then.
    pub(super) closed_since: Option<Timestamp>,
    /// Where its data ends, once it has said so.
    pub(super) fin: Option<SeqNumber>,
    pub(super) reset: bool,
    /// SYNs without an ACK.
    pub(super) syns: u8,
    /// SYN-ACKs that came after the end of the handshake.
    pub(super) late_syn_acks: u8,
    /// It has sent anything but SYN and RST.
    pub(super) is_open: bool,
    /// Data came from the other end after this one had sent its FIN.
    pub(super) data_after_fin: bool,
    /// The last data of the connection is from this end.
    pub(super) spoke_last: bool,
    /// Once it has sent data, if causes are looked for.
    pub(super) transfer: Option<Box<Transfer>>,
    /// When its SYN was sent last.
    pub(super) syn_time: Option<Timestamp>,
    /// When its first FIN and RST came.
    pub(super) fin_time: Option<Timestamp>,
    pub(super) reset_time: Option<Timestamp>,
    pub(super) wire: Wire,
    /// RSTs, and what speaks against their being from this end.
    pub(super) resets: Resets,
}

/// What ICMP errors said of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quoted {
    /// Who sent the packet.
    pub(super) from: Direction,
    /// The MTU that the error reported, or 0.
    pub(super) mtu: u32,
    /// Packets that were larger than that and came later.
    pub(super) larger: u32,
}

/// Application messages of a connection.
#[derive(Debug)]
pub(super) struct App {
    pub(super) readers: [Reader; 2],
    /// Requests that no reply was seen for: number and time.
    pub(super) unanswered: VecDeque<(u32, Timestamp)>,
}

/// A connection in the table.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) key: FlowKey,
    pub(super) number: u32,
    /// By direction: who sends that way.
    pub(super) ends: [Endpoint; 2],
    pub(super) client: Direction,
    pub(super) conversation: Conversation,
    pub(super) sides: [Side; 2],
    pub(super) app: Option<Box<App>>,
    /// By direction.
    pub(super) messages: [u32; 2],
    pub(super) spans: Spans,
    /// An ICMP error quoted a packet of it.
    pub(super) icmp: Option<Box<Quoted>>,
    /// The ports were in use before.
    pub(super) is_reused: bool,
    /// Who was the first to send a FIN or RST.
    pub(super) ended_by: Option<Direction>,
    /// From the first SYN to the end of the handshake, in nanoseconds.
    pub(super) connect: Option<i64>,
    /// How long the connection was quiet before data came again, in nanoseconds.
    pub(super) resumed_after: i64,
    /// When that data came.
    pub(super) resumed_at: Timestamp,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    pub(super) first_frame: u64,
    pub(super) last_frame: u64,
    pub(super) is_over: bool,
    /// It leaves the table early, or the capture was not read to its end: how it ends is not known.
    pub(super) is_forgotten: bool,
    /// Bytes of memory that were counted for it.
    pub(super) memory: usize,
    /// The frame at which it was put at the end of the order of last use.
    pub(super) touched: u64,
    /// The neighbours in that order.
    pub(super) older: u32,
    pub(super) newer: u32,
}

impl Flow {
    pub(super) fn new(
        key: FlowKey,
        number: u32,
        from: Direction,
        ends: (Endpoint, Endpoint),
        first: &Segment,
    ) -> Flow {
        let (source, destination) = ends;
        let is_answer = first.flags & (flag::SYN | flag::ACK) == flag::SYN | flag::ACK;
        Flow {
            key,
            number,
            ends: match from {
                Direction::Up => [source, destination],
                Direction::Down => [destination, source],
            },
            client: if is_answer { from.turned() } else { from },
            conversation: Conversation::default(),
            sides: Default::default(),
            app: None,
            messages: [0; 2],
            first: first.time,
            last: first.time,
            spans: Spans::new(first.time),
            icmp: None,
            is_reused: false,
            ended_by: None,
            connect: None,
            resumed_after: 0,
            resumed_at: first.time,
            first_frame: first.frame,
            last_frame: first.frame,
            is_over: false,
            is_forgotten: false,
            memory: 0,
            touched: first.frame,
            older: u32::MAX,
            newer: u32::MAX,
        }
    }

    /// Counts a segment, and what was said of it.
    #[inline]
    pub(super) fn count(
        &mut self,
        from: Direction,
        segment: &Segment,
        wire: u32,
        analysis: &Analysis,
        is_copy: bool,
    ) {
        let quiet = segment.time.nanos_since(self.last);
        if quiet >= LONG_QUIET && segment.length > 0 {
            (self.resumed_after, self.resumed_at) = (quiet, segment.time);
        }
        self.last = self.last.max(segment.time);
        self.last_frame = segment.frame;
        if segment.is_first_syn() {
            self.reopen();
        }
        let side = &mut self.sides[from.index()];
        side.sent.packets += 1;
        if segment.flags & flag::SYN != 0 {
            let is_syn = segment.is_first_syn() && !is_copy;
            side.syns = side.syns.saturating_add(u8::from(is_syn));
            side.syn_time = Some(segment.time);
            let is_late = self.conversation.handshake.is_some() && !is_copy;
            let is_late = is_late && !segment.is_first_syn();
            side.late_syn_acks = side.late_syn_acks.saturating_add(u8::from(is_late));
        }
        side.is_open |= segment.flags & (flag::SYN | flag::RST) == 0;
        side.sent.bytes += u64::from(wire);
        side.sent.data_bytes += u64::from(segment.length);
        if segment.flags & flag::FIN != 0 {
            side.fin.get_or_insert(segment.seq.plus(segment.length));
            side.fin_time.get_or_insert(segment.time);
        }
        if segment.flags & flag::RST != 0 {
            side.reset = true;
            side.reset_time.get_or_insert(segment.time);
        }
        let (marks, sent) = (analysis.marks, &mut side.sent);
        if is_copy {
            sent.copies += 1;
            sent.known_bytes += u64::from(segment.length);
        } else if !marks.is_empty() {
            if marks.has(Marks::ANY_RETRANSMISSION.with(Marks::KEEP_ALIVE)) {
                sent.again_bytes += u64::from(segment.length);
            }
            sent.retransmissions += u32::from(marks.has(Marks::ANY_RETRANSMISSION));
            sent.out_of_order += u32::from(marks.has(Marks::OUT_OF_ORDER));
            sent.lost += u32::from(marks.has(Marks::LOST_SEGMENT));
            sent.duplicate_acks += u32::from(marks.has(Marks::DUPLICATE_ACK));
        }
    }

    /// The client asks for the same connection once more: if it was reset, that is not how it ends.
    #[cold]
    fn reopen(&mut self) {
        if self.sides.iter().any(|side| side.reset) {
            for side in &mut self.sides {
                side.reset = false;
                side.fin = None;
                (side.fin_time, side.reset_time) = (None, None);
                side.resets = Resets::default();
            }
            self.is_over = false;
        }
    }

    /// From the client's last SYN to the server's, in nanoseconds: the round trip beyond the capture point.
    pub(super) fn server_round_trip(&self) -> i64 {
        let client = self.sides[self.client.index()].syn_time;
        let server = self.sides[self.client.turned().index()].syn_time;
        match (client, server) {
            (Some(client), Some(server)) => server.nanos_since(client).max(0),
            _ => 0,
        }
    }

    /// The times of the handshake, as a sender sees them.
    pub(super) fn round_trip(&self, sender: Direction) -> Option<RoundTrip> {
        let whole = self.conversation.handshake?;
        let to_server = self.server_round_trip().min(whole);
        let is_client = sender == self.client;
        Some(RoundTrip {
            to_sender: if is_client {
                whole - to_server
            } else {
                to_server
            },
            whole,
        })
    }

    /// Where the capture was taken.
    fn captured(&self) -> CapturePoint {
        let distance = |of: Direction| Distance {
            time: self.round_trip(of).map(|path| path.to_sender),
            ttl: self.sides[of.index()].wire.first_ttl,
        };
        CapturePoint::of(distance(self.client), distance(self.client.turned()))
    }

    fn ending(&self) -> Ending {
        let sides = [self.client, self.client.turned()];
        let closing = |of: Direction| {
            let side = &self.sides[of.index()];
            let acknowledged = self.conversation.acknowledged(of.index());
            side.fin_time.zip(side.fin).map(|(time, fin)| Closing {
                time,
                is_acknowledged: acknowledged.is_some_and(|ack| ack.is_after(fin)),
            })
        };
        Ending {
            fins: sides.map(closing),
            resets: sides.map(|of| self.sides[of.index()].reset_time),
        }
    }

    /// Whether the SYN was answered and the client was silent after that.
    pub(super) fn is_half_open(&self) -> bool {
        let client = &self.sides[self.client.index()];
        let ends = &self.conversation.ends;
        ends[self.client.index()].saw_syn
            && ends[self.client.turned().index()].saw_syn_ack
            && u64::from(client.syns) == client.sent.packets - client.sent.copies
            && !self.has_ended()
            && !self.is_forgotten
    }

    /// How often the server sent its SYN-ACK again after the client had completed the handshake, if it sent nothing
    /// else.
    pub(super) fn ignored_acks(&self) -> Option<u32> {
        let server = &self.sides[self.client.turned().index()];
        (server.late_syn_acks >= 2 && !server.is_open).then_some(server.late_syn_acks.into())
    }

    /// Whether nothing more is to be expected.
    pub(super) fn has_ended(&self) -> bool {
        let [up, down] = &self.sides;
        up.reset || down.reset || up.fin.is_some() && down.fin.is_some()
    }

    fn ended(&self) -> EndState {
        let client = &self.sides[self.client.index()];
        let server = &self.sides[self.client.turned().index()];
        let saw_syn = self.conversation.ends[self.client.index()].saw_syn;
        let is_silent = server.sent.packets == 0 && client.sent.data_bytes == 0;
        if saw_syn && is_silent && !self.is_forgotten {
            if self.icmp.is_some() {
                EndState::Rejected
            } else {
                EndState::Unanswered
            }
        } else if saw_syn && server.reset && server.sent.packets - server.sent.copies == 1 {
            EndState::Refused
        } else if self.is_half_open() {
            EndState::Unfinished
        } else if client.reset || server.reset {
            EndState::Reset
        } else {
            match (client.fin.is_some(), server.fin.is_some()) {
                (true, true) => EndState::Closed,
                (false, false) => EndState::Open,
                _ => EndState::HalfClosed,
            }
        }
    }

    pub(super) fn summary(&self) -> Summary {
        let (client, server) = (self.client.index(), self.client.turned().index());
        Summary {
            number: self.number,
            client: self.ends[client],
            server: self.ends[server],
            from_client: self.sides[client].sent,
            from_server: self.sides[server].sent,
            first: self.first,
            last: self.last,
            first_frame: self.first_frame,
            handshake: self.conversation.handshake,
            ended: self.ended(),
            ended_by_client: self.ended_by.map(|by| by == self.client),
            ending: self.ending(),
            account: self.spans.until(self.last),
            limited: [client, server].map(|side| self.limited(side)),
            captured: self.captured(),
            connect: self.connect,
            messages: [self.messages[client], self.messages[server]],
        }
    }

    fn limited(&self, side: usize) -> Option<Limited> {
        let transfer = self.sides[side].transfer.as_ref()?;
        transfer.limited()
    }

    /// Bytes of memory beside its own.
    pub(super) fn dynamic_memory(&self) -> usize {
        let app = self.app.as_ref().map_or(0, |app| {
            size_of::<App>()
                + app.readers.iter().map(Reader::memory).sum::<usize>()
                + app.unanswered.capacity() * size_of::<(u32, Timestamp)>()
        });
        let transfer = |side: &Side| {
            let transfer = side.transfer.as_ref();
            transfer.map_or(0, |transfer| size_of::<Transfer>() + transfer.memory())
        };
        let sides = self
            .sides
            .iter()
            .map(|side| side.assembly.memory() + transfer(side));
        let icmp = self.icmp.as_ref().map_or(0, |_| size_of::<Quoted>());
        app + icmp + sides.sum::<usize>()
    }
}

/// The ends of a segment's packet.
pub(super) fn ends(source: IpAddr, destination: IpAddr, tcp: &Tcp) -> (Endpoint, Endpoint) {
    ((source, tcp.source), (destination, tcp.destination))
}
