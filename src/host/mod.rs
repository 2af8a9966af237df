//! What a host looks like at one moment, and the questions that are asked of it.
//!
//! | file | what it holds |
//! |---|---|
//! | [`sample`] | [`Sample`]: the sockets of a host and the processes that hold them |
//! | [`index`] | [`Index`]: who listens, who is at the other end, who owns, what stands in the way |
//! | [`delta`] | [`Delta`]: what happened between two samples |
//! | [`counters`] | the kernel's counters of a network namespace |
//! | [`network`] | the network stack of a namespace: interfaces, neighbours, routes, settings |
//! | [`mod@file`] | a sample as a file |
//! | [`redact`] | addresses and names taken out of a sample |
//! | `pairs` | the two ends of each connection |

pub mod counters;
pub mod delta;
pub mod file;
pub mod index;
pub mod network;
mod pairs;
pub mod redact;
pub mod sample;
pub mod traced;

pub use counters::Counters;
pub use delta::{Delta, join_closed};
pub use index::{Index, answers_about_others};
pub use network::{Machine, Network, RouteAnswer, RouteTo};
pub use sample::{
    Forward, GroupMemory, Namespace, Note, ProcessAt, ProcessStatus, Sample, SocketAt, Threads,
};
