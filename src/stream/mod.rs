//! TCP connections in a capture: which segment belongs to which, what it is in the course of its
//! connection, what the connection carries.
//!
//! | file | what it holds |
//! |---|---|
//! | [`tracker`] | all connections of a capture: the table, its limits, the way of a segment through it |
//! | `processing` | a segment is processed: windows, reassembly, messages |
//! | `causes` | why it was slow or reset |
//! | [`events`] | what the tracker is given, and the events that it yields |
//! | [`key`] | the key of a connection |
//! | [`flow`] | one connection: counters, how it ended |
//! | [`summary`] | what is known of it when it is over |
//! | [`account`] | where the time of a connection went |
//! | [`transfer`] | what limited a transfer |
//! | `copies` | which segments were captured twice |
//! | `losses` | which segments were lost, on which side of the capture point, and which came late |
//! | [`place`] | where the capture was taken |
//! | [`resets`] | why a connection was reset |
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
mod causes;
mod copies;
pub mod echoes;
pub mod events;
pub mod flow;
mod judge;
pub mod key;
mod losses;
pub mod marks;
mod messages;
pub mod place;
mod processing;
pub mod resets;
pub mod sequence;
pub mod summary;
pub mod tracker;
pub mod transfer;

pub use account::Account;
pub use analysis::Analysis;
pub use assembly::{Overlap, Piece};
pub use echoes::EchoRequests;
pub use events::{
    AppMessage, Begun, Event, Fact, Frame, Noted, Role, ScanOf, SegmentInfo, Settings, StreamRef,
    Wanted,
};
pub use flow::Endpoint;
pub use key::Direction;
pub use marks::Marks;
pub use place::CapturePoint;
pub use resets::{Clues, Reset, ResetWhy};
pub use summary::{Closing, EndState, Ending, Sent, Summary};
pub use tracker::Tracker;
pub use transfer::{Limit, Limited};
