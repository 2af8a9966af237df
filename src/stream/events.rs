//! What the tracker is asked, and what it tells.

use super::analysis::Analysis;
use super::assembly::{Overlap, Piece};
use super::flow::{End, Summary};
use super::key::Direction;
use crate::message::Message;

/// What to look for, and how much memory may go into it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Connections to or from these ports carry application messages.
    pub app_ports: Vec<u16>,
    /// Any connection may.
    pub app_any: bool,
    /// Every connection is put together, for what overlaps and what is missing.
    pub assemble_all: bool,
    /// What is sent again is compared with what was sent before.
    pub compare: bool,
    /// The connection whose bytes are wanted.
    pub follow: Option<u32>,
    /// Which bytes count where segments overlap and differ.
    pub overlap: Overlap,
    /// Bytes of memory for all connections together; above it those that were quiet longest go.
    pub max_memory: usize,
    /// Connections at the same time; above it those that were quiet longest go.
    pub max_streams: usize,
    /// A number that who wrote the capture cannot know.
    pub seed: u64,
}

/// A frame with a segment.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// Its number in the capture, from 1.
    pub number: u64,
    /// When it was captured, in nanoseconds since the epoch.
    pub time: i64,
    /// What was captured of it.
    pub bytes: &'a [u8],
    /// How long it was.
    pub wire_length: u32,
}

/// What is known of a segment once it was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The connection's number.
    pub stream: u32,
    /// Where the connection is in the table; small, and given away again when it has gone.
    pub slot: u32,
    /// Which way it goes.
    pub direction: Direction,
    /// What it is in the course of its connection.
    pub analysis: Analysis,
}

/// A direction of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamRef {
    /// The connection's number.
    pub number: u32,
    /// Who sends.
    pub source: End,
    /// To whom.
    pub destination: End,
    /// Whether the sender opened the connection.
    pub from_client: bool,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The client asks.
    Request,
    /// The server answers.
    Reply,
}

/// An application message.
#[derive(Debug)]
pub struct Found<'a> {
    /// The frame that completed it.
    pub frame: u64,
    /// When that was captured.
    pub time: i64,
    /// Where it goes.
    pub stream: StreamRef,
    /// Asks or answers.
    pub role: Role,
    /// Requests are counted from 1, and a reply has the number of its request; `None` when that is not
    /// in the capture.
    pub number: Option<u32>,
    /// The message.
    pub message: Message<'a>,
    /// Its beginning was looked for, after a gap or in a connection that began before the capture.
    pub guessed: bool,
    /// Of a reply: since its request was complete, in nanoseconds.
    pub latency: Option<i64>,
}

/// What is noteworthy beside what [`Marks`](super::Marks) say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Noted {
    /// A segment has other bytes than came before for the same place.
    OverlapDiffers,
    /// So many bytes of the stream are not in the capture.
    Gap(u32),
    /// So many bytes were given up because too much waited behind them.
    GapGivenUp(u32),
    /// Data follows the end of what the sender had to say.
    DataAfterFin(u32),
    /// A window was closed for so many nanoseconds.
    WindowWasClosed(i64),
    /// The connection was broken off.
    Reset,
    /// Nobody answered the SYN.
    Unanswered,
    /// The bytes are no application message, and why.
    NoMessage(String),
    /// The connection ended in the middle of an application message.
    MessageCut,
    /// The connection was forgotten for want of memory; it held so many bytes.
    Evicted(usize),
}

/// Something noteworthy: a fact, from which `diagnose` makes a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// The frame at which it was noticed.
    pub frame: u64,
    /// When that was captured.
    pub time: i64,
    /// Whose direction.
    pub stream: StreamRef,
    /// What.
    pub noted: Noted,
}

/// Takes what is found.
pub trait Sink {
    /// An application message is complete.
    fn message(&mut self, found: &Found<'_>);
    /// Something is noteworthy.
    fn fact(&mut self, fact: Fact);
    /// The next bytes of the connection that is followed.
    fn data(&mut self, stream: &StreamRef, piece: Piece<'_>);
    /// A connection is over, or the capture is.
    fn stream(&mut self, summary: &Summary);
}
