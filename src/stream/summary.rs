//! What is known of a connection that is over, or as far as the capture shows it.

use super::account::Account;
use super::flow::Endpoint;
use super::place::CapturePoint;
use super::transfer::Limited;
use crate::capfile::Timestamp;

/// How a connection ended, as far as the capture shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EndState {
    /// The SYN was not answered.
    Unanswered,
    /// The SYN was answered with an ICMP error.
    Rejected,
    /// The SYN was answered with a reset.
    Refused,
    /// The SYN was answered, and the handshake was not finished.
    Unfinished,
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
            EndState::Unfinished => "handshake unfinished",
            EndState::Open => "open",
            EndState::HalfClosed => "half closed",
            EndState::Closed => "closed",
            EndState::Reset => "reset",
        }
    }
}

impl Sent {
    /// Bytes of data, each of them counted once.
    pub fn unique_bytes(&self) -> u64 {
        self.data_bytes.saturating_sub(self.known_bytes)
    }
}

impl Summary {
    /// Whether the handshake came to an end, as far as the capture shows it.
    pub fn is_connected(&self) -> bool {
        !matches!(
            self.ended,
            EndState::Unanswered | EndState::Rejected | EndState::Refused | EndState::Unfinished
        )
    }

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
    /// Bytes of data in segments that were sent again.
    pub again_bytes: u64,
    /// Bytes of data that the capture had before: sent again, or captured twice. What is sent again because the
    /// first copy was lost in front of the capture point is not among them. Only counted where causes are looked for.
    pub known_bytes: u64,
    /// Segments that were captured twice. They count as nothing else but segments and bytes.
    pub copies: u64,
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
    /// Whether each end closed, and when.
    pub ending: Ending,
    /// Where the time went.
    pub account: Account,
    /// The main limit of the client's data, and of the server's.
    pub limited: [Option<Limited>; 2],
    /// Where the capture was taken.
    pub captured: CapturePoint,
    /// From the first SYN to the end of the handshake, in nanoseconds.
    pub connect: Option<i64>,
    /// Application messages: from the client, from the server.
    pub messages: [u32; 2],
}

/// The FINs and RSTs of a connection: those of the client first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ending {
    /// The FIN of each end.
    pub fins: [Option<Closing>; 2],
    /// When each end sent its first RST.
    pub resets: [Option<Timestamp>; 2],
}

/// A FIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closing {
    /// When it was sent first.
    pub time: Timestamp,
    /// The other end has acknowledged it.
    pub is_acknowledged: bool,
}
