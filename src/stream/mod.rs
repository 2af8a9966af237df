//! TCP connections in a capture: which segment belongs to which, what it is in the course of its
//! connection, what the connection carries.
//!
//! | file | what it holds |
//! |---|---|
//! | [`tracker`] | all connections of a capture: the table, its limits, the way of a segment through it |
//! | `processing` | a segment is processed: windows, reassembly, messages |
//! | [`events`] | what the tracker is given, and the events that it yields |
//! | [`key`] | the key of a connection |
//! | [`flow`] | one connection: counters, how it ended |
//! | [`account`] | where the time of a connection went |
//! | [`analysis`] | what is known of both ends, for the words of the TCP analysis |
//! | `judge` | which of them a segment deserves: retransmissions, duplicate ACKs, closed windows |
//! | [`marks`] | the words: tshark's |
//! | [`assembly`] | one direction, put together from its segments |
//! | `messages` | application messages in one direction |
//! | [`echoes`] | which echo request a reply answers |
//! | [`sequence`] | sequence numbers, which wrap |
//!
//! The entry point is [`Tracker::segment`], which gives each [`Event`] to a handler.

pub mod account;
pub mod analysis;
pub mod assembly;
pub mod echoes;
pub mod events;
pub mod flow;
mod judge;
pub mod key;
pub mod marks;
mod messages;
mod processing;
pub mod sequence;
pub mod tracker;

pub use account::Account;
pub use analysis::Analysis;
pub use assembly::{Overlap, Piece};
pub use echoes::EchoRequests;
pub use events::{
    AppMessage, Begun, Event, Fact, Frame, Noted, Role, ScanOf, SegmentInfo, Settings, StreamRef,
};
pub use flow::{EndState, Endpoint, Sent, Summary};
pub use key::Direction;
pub use marks::Marks;
pub use tracker::Tracker;
