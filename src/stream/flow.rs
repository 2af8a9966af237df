//! One TCP connection as the capture shows it.

use std::collections::VecDeque;
use std::net::IpAddr;

use super::account::{Account, Spans};
use super::analysis::{Analysis, Conversation, Segment};
use super::assembly::Assembly;
use super::key::{Direction, FlowKey};
use super::marks::Marks;
use super::messages::Reader;
use super::processing::LONG_QUIET;
use super::sequence::SeqNumber;
use crate::capfile::Timestamp;
use crate::packet::record::Tcp;
use crate::packet::tcp::flag;

/// An address and a port.
pub type Endpoint = (IpAddr, u16);

/// How a connection ended, as far as the capture shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EndState {
    /// The SYN was not answered.
    Unanswered,
    /// The SYN was answered with an ICMP error.
    Rejected,
    /// The SYN was answered with a reset.
    Refused,
    /// It continues.
    Open,
    /// One end has closed.
    HalfClosed,
    /// Both ends have.
    Closed,
    /// One end broke it off.
    Reset,
}

impl EndState {
    /// In a word or two.
    pub fn words(self) -> &'static str {
        match self {
            EndState::Unanswered => "SYN unanswered",
            EndState::Rejected => "rejected by ICMP",
            EndState::Refused => "refused",
            EndState::Open => "open",
            EndState::HalfClosed => "half closed",
            EndState::Closed => "closed",
            EndState::Reset => "reset",
        }
    }
}

impl Summary {
    /// How it ended, and by which end: `closed by client`.
    pub fn ended_words(&self) -> String {
        let words = self.ended.words();
        match (self.ended, self.ended_by_client) {
            (EndState::Closed | EndState::HalfClosed | EndState::Reset, Some(by_client)) => {
                let side = if by_client { "client" } else { "server" };
                format!("{words} by {side}")
            }
            _ => words.to_owned(),
        }
    }
}

/// What one end has sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sent {
    /// Segments.
    pub packets: u64,
    /// Bytes of frames on the wire.
    pub bytes: u64,
    /// Bytes of data in segments, what was sent again included.
    pub data_bytes: u64,
    /// Segments that were sent again.
    pub retransmissions: u32,
    /// Segments that came late.
    pub out_of_order: u32,
    /// Segments that were not captured, at least.
    pub lost: u32,
    /// Acknowledgments that were repeated.
    pub duplicate_acks: u32,
    /// How often its window closed.
    pub zero_windows: u32,
    /// For how long it was closed in all, in nanoseconds.
    pub zero_window_time: i64,
}

/// What is known of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Counted from 0, in the order in which they begin.
    pub number: u32,
    /// Who opened it, or sent first.
    pub client: Endpoint,
    /// The other end.
    pub server: Endpoint,
    /// What the client sent.
    pub from_client: Sent,
    /// What the server sent.
    pub from_server: Sent,
    /// When the first segment was captured.
    pub first: Timestamp,
    /// When the last one was.
    pub last: Timestamp,
    /// The frame of the first segment.
    pub first_frame: u64,
    /// From the SYN to the ACK that completes the handshake, in nanoseconds.
    pub handshake: Option<i64>,
    /// How it ended.
    pub ended: EndState,
    /// Whether the client was the first to send a FIN or RST, if any did.
    pub ended_by_client: Option<bool>,
    /// Where the time went.
    pub account: Account,
    /// From the first SYN to the end of the handshake, in nanoseconds.
    pub connect: Option<i64>,
    /// Application messages: from the client, from the server.
    pub messages: [u32; 2],
}

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
    /// Data came from the other end after this one had sent its FIN.
    pub(super) data_after_fin: bool,
    /// The last data of the connection is from this end.
    pub(super) spoke_last: bool,
    /// Once it has sent data.
    pub(super) stuck: Option<Box<Stuck>>,
    /// When its SYN was sent last.
    pub(super) syn_time: Option<Timestamp>,
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
            side.syns = side.syns.saturating_add(u8::from(segment.is_first_syn()));
            side.syn_time = Some(segment.time);
        }
        side.sent.bytes += u64::from(wire);
        side.sent.data_bytes += u64::from(segment.length);
        if segment.flags & flag::FIN != 0 {
            side.fin.get_or_insert(segment.seq.plus(segment.length));
        }
        side.reset |= segment.flags & flag::RST != 0;
        let marks = analysis.marks;
        if !marks.is_empty() {
            let sent = &mut side.sent;
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

    /// Whether the SYN was answered and the client was silent after that.
    pub(super) fn is_half_open(&self) -> bool {
        let client = &self.sides[self.client.index()];
        let ends = &self.conversation.ends;
        ends[self.client.index()].saw_syn
            && ends[self.client.turned().index()].saw_syn_ack
            && u64::from(client.syns) == client.sent.packets
            && !self.has_ended()
            && !self.is_forgotten
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
        } else if saw_syn && server.reset && server.sent.packets == 1 {
            EndState::Refused
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
            account: self.spans.until(self.last),
            connect: self.connect,
            messages: [self.messages[client], self.messages[server]],
        }
    }

    /// Bytes of memory beside its own.
    pub(super) fn dynamic_memory(&self) -> usize {
        let app = self.app.as_ref().map_or(0, |app| {
            size_of::<App>()
                + app.readers.iter().map(Reader::memory).sum::<usize>()
                + app.unanswered.capacity() * size_of::<(u32, Timestamp)>()
        });
        let stuck = |side: &Side| side.stuck.as_ref().map_or(0, |_| size_of::<Stuck>());
        let sides = self
            .sides
            .iter()
            .map(|side| side.assembly.memory() + stuck(side));
        let icmp = self.icmp.as_ref().map_or(0, |_| size_of::<Quoted>());
        app + icmp + sides.sum::<usize>()
    }
}

/// The ends of a segment's packet.
pub(super) fn ends(source: IpAddr, destination: IpAddr, tcp: &Tcp) -> (Endpoint, Endpoint) {
    ((source, tcp.source), (destination, tcp.destination))
}
