//! A connection followed through its layers: what was tried, what each layer says, and which is the first
//! that failed.
//!
//! | file | what it holds |
//! |---|---|
//! | [`words`] | a handshake of TLS and a talk, each in one line |
//! | [`target`] | what is to be checked, as people type it |
//! | [`attempt`] | one address: its route, its neighbour, and what became of the attempt to connect |
//! | [`heard`] | what came back, and from how far |
//! | [`judge`] | which findings explain what became of the attempts |
//! | [`rounds`] | one check after the other: what changes |
//! | [`server`] | the server's side, where it is on this host |
//! | [`layer`] | the layers, and which layer a rule is about |
//! | [`report`] | all that was found, as layers with their verdicts |

pub mod attempt;
pub mod heard;
pub mod judge;
pub mod layer;
pub mod report;
pub mod rounds;
pub mod server;
pub mod target;
pub mod words;

pub use attempt::{Attempt, Outcome, Step};
pub use layer::{Layer, Verdict};
pub use report::{LayerReport, Report};
pub use target::{Place, Target};
