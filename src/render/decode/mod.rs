//! What `sockdoc decode` prints.
//!
//! | file | what it writes |
//! |---|---|
//! | [`view`] | the events of a dissection, as one of the views below shows them |
//! | [`frames`] | a line for each frame |
//! | [`details`] | a frame in full, layer by layer |
//! | [`mod@line`] | such a line, as tshark prints it |
//! | `ends` | the processes at the two ends of a packet, after its line |
//! | `arp`, `icmp`, `llc`, `wifi`, `other` | such lines about what is not TCP or UDP |
//! | `numbers` | names of protocols |
//! | [`clock`] | the time column |
//! | [`names`] | names in the place of addresses and ports |
//! | [`words`] | an application message as text |
//! | [`message`] | a line for each message |
//! | [`streams`] | the table of streams |
//! | [`conversations`] | the tables of conversations and endpoints |
//! | [`intervals`] | packets, bytes and findings in intervals of time |
//! | [`ladder`] | one stream, drawn between its two hosts |
//! | [`steps`] | its segments, for such drawings |
//! | [`follow`] | the data of one stream |
//! | `account` | where the time of a stream went, and how it ended |
//! | [`expert`] | findings |
//! | [`stats`] | frames in numbers |
//! | [`json`], [`csv`] | the same for programs |
//! | [`buffer`] | text without a formatter in between |

mod account;
mod arp;
pub mod buffer;
pub mod clock;
pub mod conversations;
pub mod csv;
pub mod details;
mod ends;
pub mod expert;
pub mod follow;
pub mod frames;
mod icmp;
pub mod intervals;
pub mod json;
pub mod ladder;
pub mod line;
mod llc;
pub mod message;
pub mod names;
mod numbers;
mod options;
mod other;
pub mod stats;
pub mod steps;
pub mod streams;
pub mod view;
mod wifi;
pub mod words;

pub(super) use account::{account_notes, time};
pub use buffer::Buffer;
pub use clock::{TimeColumn, TimeFormat};
pub use conversations::{By, Conversations};
pub use csv::Csv;
pub use details::Details;
pub use expert::Expert;
pub use follow::{Follow, Form};
pub use frames::Frames;
pub use intervals::Intervals;
pub use json::Json;
pub use ladder::Ladder;
pub use line::LineWriter;
pub use message::Messages;
pub use stats::Stats;
pub use streams::Streams;
pub use view::{EventWriter, Nothing, Rows, View};
