//! What the tracker is given, and the events that it yields.

use std::net::IpAddr;

use super::analysis::Analysis;
use super::assembly::{Overlap, Piece};
use super::flow::Endpoint;
use super::key::Direction;
use super::marks::Marks;
use super::resets::Reset;
use super::summary::Summary;
use crate::capfile::Timestamp;
use crate::message::Message;
use crate::packet::Malformed;

/// What to look for, and how much memory may be used for it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Streams to or from these ports carry application messages.
    pub app_ports: Vec<u16>,
    /// Any stream may.
    pub app_any: bool,
    /// Reassemble every stream, to find overlaps and gaps.
    pub assemble_all: bool,
    /// Look for what limits transfers: windows, losses, delayed ACKs.
    pub causes: bool,
    /// Compare data that is sent again with what was sent before.
    pub compare: bool,
    /// The streams whose data is wanted.
    pub follow: Wanted,
    /// Which bytes count where segments overlap and differ.
    pub overlap: Overlap,
    /// Bytes of memory for all streams together; above it those that were idle longest are dropped.
    pub max_memory: usize,
    /// Streams at the same time; above it those that were idle longest are dropped.
    pub max_streams: usize,
    /// A number that the author of the capture cannot know.
    pub seed: u64,
}

/// The streams whose data is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wanted {
    /// None.
    #[default]
    Nothing,
    /// The one with this number.
    One(u32),
    /// All of them.
    All,
}

impl Wanted {
    /// Whether that of the stream with this number is.
    #[inline]
    pub fn has(self, number: u32) -> bool {
        match self {
            Wanted::Nothing => false,
            Wanted::One(wanted) => wanted == number,
            Wanted::All => true,
        }
    }
}

/// A frame with a segment.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// Its number in the capture, from 1.
    pub number: u64,
    /// When it was captured.
    pub time: Timestamp,
    /// What was captured of it.
    pub bytes: &'a [u8],
    /// How long it was on the wire, in bytes.
    pub wire_length: u32,
}

/// What is known of a segment in its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentInfo {
    /// The stream's number.
    pub stream: u32,
    /// The stream's place in the table; small, and reused when the stream has left the table.
    pub slot: u32,
    /// The direction of the segment.
    pub direction: Direction,
    /// The TCP analysis.
    pub analysis: Analysis,
    /// It is a copy of a segment just before: captured twice, not sent twice.
    pub is_copy: bool,
}

/// A direction of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamRef {
    /// The stream's number.
    pub number: u32,
    /// The sender.
    pub source: Endpoint,
    /// The receiver.
    pub destination: Endpoint,
    /// Whether the sender opened the connection.
    pub from_client: bool,
}

/// Whether a message is a request or a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// From the client.
    Request,
    /// From the server.
    Reply,
}

/// The first segment of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begun {
    /// Its frame.
    pub frame: u64,
    /// When that was captured.
    pub time: Timestamp,
    /// The stream, in the direction of the segment.
    pub stream: StreamRef,
}

/// An application message.
#[derive(Debug)]
pub struct AppMessage<'a> {
    /// The frame that completed it.
    pub frame: u64,
    /// When that was captured.
    pub time: Timestamp,
    /// Its stream and direction.
    pub stream: StreamRef,
    /// Request or reply.
    pub role: Role,
    /// Requests are counted from 1, and a reply has the number of its request; `None` when that is not
    /// in the capture.
    pub number: Option<u32>,
    /// The message.
    pub message: Message<'a>,
    /// Its beginning was searched for, after a gap or in a stream that began before the capture.
    pub guessed: bool,
    /// Of a reply: the time since its request was complete, in nanoseconds.
    pub latency: Option<i64>,
}

/// What a scan tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScanOf {
    /// Ports of a host.
    Ports(IpAddr),
    /// A port of many hosts.
    Hosts(u16),
}

/// What was noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Noted {
    /// The TCP analysis of a segment has marks of [`Marks::NOTEWORTHY`].
    Analysis {
        /// All its marks.
        marks: Marks,
        /// Its relative sequence number.
        sequence: u32,
    },
    /// A segment has other bytes than came before for the same place.
    OverlapDiffers,
    /// Bytes of the stream are not in the capture.
    Gap {
        /// How many.
        bytes: u32,
        /// The other end has acknowledged them.
        acknowledged: bool,
    },
    /// This many bytes were given up because too much data was waiting for them.
    GapGivenUp(u32),
    /// This many bytes of data follow the sender's FIN.
    DataAfterFin(u32),
    /// A window was closed for this many nanoseconds.
    WindowWasClosed(i64),
    /// The connection was reset.
    Reset(Reset),
    /// The first byte of a reply came this many nanoseconds after the request, the round trip left out.
    SlowReply(i64),
    /// The client paused for this many nanoseconds in the middle of a request.
    SlowRequest(i64),
    /// Segments with data were lost.
    Lost {
        /// This many between the sender and the capture point.
        before: u32,
        /// This many between the capture point and the receiver, or their ACKs on the way back.
        after: u32,
        /// Of all these.
        of: u64,
        /// The sender waited this many nanoseconds before it sent them again.
        waited: i64,
    },
    /// Segments were overtaken by others.
    Reordered {
        /// This many.
        segments: u32,
        /// Of all these.
        of: u64,
        /// By this many nanoseconds at most.
        longest: i64,
    },
    /// The sender waited for ACKs that were delayed before it sent the next small segment.
    AcksDelayed {
        /// This many times.
        times: u32,
        /// In nanoseconds.
        total: i64,
    },
    /// The handshake took this many nanoseconds, because the SYN was sent again.
    SlowConnect(i64),
    /// The SYN was answered, and the handshake was never completed.
    HandshakeUnfinished,
    /// The client has completed the handshake, and the server sent nothing but its SYN-ACK after that, this often.
    AckIgnored(u32),
    /// The SYN was not answered, though other connections of the same server may have been.
    Unanswered {
        /// Others were.
        others_were: bool,
    },
    /// The bytes are not an application message, and why.
    NoMessage(String),
    /// The stream ended in the middle of an application message.
    MessageCut,
    /// The stream was dropped to keep within the memory limit; it held this many bytes.
    Evicted(usize),
    /// An ICMP error quotes a packet, of the stream if it is one.
    IcmpError {
        /// Who sent it.
        by: IpAddr,
        /// Of version 6.
        is_v6: bool,
        /// Its type.
        r#type: u8,
        /// Its code.
        code: u8,
        /// The MTU that it reports, if it is about that.
        mtu: Option<u32>,
        /// Where the packet was to go; port 0 if it has none.
        to: Endpoint,
    },
    /// This many packets were larger than the MTU that an ICMP error had reported before.
    MtuIgnored {
        /// The MTU.
        mtu: u32,
        /// How many packets.
        times: u32,
    },
    /// The same large segment was sent again and again, and never acknowledged; smaller ones were.
    BlackHole {
        /// Bytes of data in it.
        length: u32,
        /// How often it was sent.
        times: u32,
    },
    /// The capture lost this many frames, as the file says.
    Dropped(u64),
    /// The time went back.
    TimeBack {
        /// At this many frames.
        frames: u64,
        /// By this many nanoseconds at most.
        longest: i64,
    },
    /// Frames were captured in part.
    Cut {
        /// This many.
        frames: u64,
        /// Of all these.
        of: u64,
    },
    /// Frames of which a layer is not whole, though all of it was captured.
    Malformed {
        /// This many.
        frames: u64,
        /// Of all these.
        of: u64,
        /// What is wrong with the first.
        first: Malformed,
        /// It is the same layer in all.
        is_one_layer: bool,
    },
    /// Frames are copies of others: captured twice.
    Copies {
        /// This many.
        frames: u64,
        /// Of all these.
        of: u64,
    },
    /// Packets come by again and again, each time with a lower time to live.
    RoutingLoop {
        /// Who sent them.
        source: IpAddr,
        /// Where they are to go.
        destination: IpAddr,
        /// How many.
        packets: u64,
        /// How often one of them came by, at most.
        passes: u32,
        /// The time to live of that one when it came first and last.
        ttls: (u8, u8),
    },
    /// Streams of which only one direction was captured.
    OneSided {
        /// This many.
        streams: u64,
        /// Of all these.
        of: u64,
    },
    /// Packets of which fragments are missing.
    FragmentsLost {
        /// The sender.
        source: IpAddr,
        /// The receiver.
        destination: IpAddr,
        /// How many packets.
        packets: u64,
    },
    /// Two hardware addresses claim an IP address.
    DuplicateAddress {
        /// The IP address.
        address: [u8; 4],
        /// The hardware addresses.
        macs: [[u8; 6]; 2],
    },
    /// Echo requests without a reply.
    PingUnanswered {
        /// Who sent them.
        source: IpAddr,
        /// Where to.
        destination: IpAddr,
        /// How many.
        lost: u64,
        /// Of all these.
        of: u32,
    },
    /// DNS queries without an answer.
    DnsUnanswered {
        /// Who asked.
        client: IpAddr,
        /// Who was asked.
        server: IpAddr,
        /// How many.
        queries: u64,
    },
    /// DNS answers that say a failure.
    DnsFailed {
        /// The server.
        server: IpAddr,
        /// The response code: 2 is SERVFAIL, 5 REFUSED.
        code: u8,
        /// How many.
        answers: u64,
    },
    /// DNS answers that came late.
    DnsSlow {
        /// The server.
        server: IpAddr,
        /// How many.
        answers: u64,
        /// From the first query to the answer at most, in nanoseconds.
        longest: i64,
    },
    /// Many ports or hosts were tried in vain.
    Scan {
        /// Who tried.
        client: IpAddr,
        /// What.
        of: ScanOf,
        /// How many were refused.
        refused: u32,
        /// How many were silent.
        silent: u32,
    },
}

/// Something noteworthy: a fact, from which `diagnose` makes a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// The frame at which it was noticed.
    pub frame: u64,
    /// When that was captured.
    pub time: Timestamp,
    /// The stream, and the direction that the fact is about; `None` if it is not about a stream.
    pub stream: Option<StreamRef>,
    /// What was noticed.
    pub noted: Noted,
}

/// What the tracker tells, as soon as it is known.
#[derive(Debug)]
pub enum Event<'a> {
    /// A stream has begun, as far as the capture shows it.
    Begun(Begun),
    /// What runs over the stream with this number has named the host that it is for.
    Named(u32, &'a str),
    /// An application message is complete.
    Message(&'a AppMessage<'a>),
    /// Something is noteworthy.
    Fact(&'a Fact),
    /// The next data of the stream that is followed.
    Data(&'a StreamRef, Piece<'a>),
    /// A stream has left the table: it is over, or it was dropped, or the capture is over.
    Ended(&'a Summary),
}
