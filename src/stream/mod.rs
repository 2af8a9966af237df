//! TCP connections in a capture: which segment belongs to which, what it is in the course of its
//! connection, what the connection carries.
//!
//! | file | what it holds |
//! |---|---|
//! | [`tracker`] | all connections of a capture: the table, its limits, the way of a segment through it |
//! | `taking` | a segment on its way through its connection |
//! | [`events`] | what the tracker is asked, and what it tells |
//! | [`key`] | what tells one connection from another |
//! | [`flow`] | one connection: counters, how it ended |
//! | [`analysis`] | what is known of both ends, for the words of the TCP analysis |
//! | `judge` | which of them a segment deserves: retransmissions, duplicate ACKs, closed windows |
//! | [`marks`] | the words: tshark's |
//! | [`assembly`] | one direction, put together from its segments |
//! | `messages` | application messages in one direction |
//! | [`echoes`] | which echo request a reply answers |
//! | [`sequence`] | sequence numbers, which wrap |
//!
//! The way in is [`Tracker::segment`]; what is found on the way goes to a [`Sink`].

pub mod analysis;
pub mod assembly;
pub mod echoes;
pub mod events;
pub mod flow;
mod judge;
pub mod key;
pub mod marks;
mod messages;
pub mod sequence;
mod taking;
pub mod tracker;

pub use analysis::Analysis;
pub use assembly::{Overlap, Piece};
pub use echoes::Echoes;
pub use events::{Fact, Found, Frame, Noted, Role, Seen, Settings, Sink, StreamRef};
pub use flow::{End, Ended, Sent, Summary};
pub use key::Direction;
pub use marks::Marks;
pub use tracker::Tracker;
