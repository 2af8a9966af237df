//! What a host looks like at one moment, and the questions that are asked of it.
//!
//! | file | what it holds |
//! |---|---|
//! | [`sample`] | [`Sample`]: the sockets of a host and the processes that hold them |
//! | [`index`] | [`Index`]: who listens, who is at the other end, who owns, what stands in the way |
//! | [`delta`] | [`Delta`]: what happened between two samples |
//! | [`mod@file`] | a sample as a file |
//! | `pairs` | the two ends of each connection |

pub mod delta;
pub mod file;
pub mod index;
mod pairs;
pub mod sample;

pub use delta::{Delta, join_closed};
pub use index::{Index, answers_about_others};
pub use sample::{Namespace, Note, ProcessAt, ProcessStatus, Sample, SocketAt};
