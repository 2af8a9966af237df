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
//! | [`analysis`] | retransmissions, duplicate ACKs, closed windows: tshark's words |
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
pub mod key;
mod messages;
pub mod sequence;
mod taking;
pub mod tracker;

pub use analysis::{Analysis, Marks};
pub use assembly::{Overlap, Piece};
pub use echoes::Echoes;
pub use events::{Finding, Found, Frame, Noted, Role, Seen, Settings, Sink, StreamRef};
pub use flow::{End, Ended, Sent, Summary};
pub use key::Direction;
pub use tracker::Tracker;
