//! What `sockdoc decode` prints.
//!
//! | file | what it writes |
//! |---|---|
//! | [`mod@line`] | a frame in one line, as tshark prints it |
//! | `icmp`, `other` | such lines about what is not TCP or UDP |
//! | [`clock`] | the time column |
//! | [`names`] | names in the place of addresses and ports |
//! | [`words`] | an application message in words |
//! | [`message`] | a line for each of them |
//! | [`streams`] | the table of conversations |
//! | [`follow`] | the bytes of one of them |
//! | [`expert`] | findings |
//! | [`stats`] | what a capture holds, in numbers |
//! | [`json`], [`csv`] | the same for programs |
//! | [`buffer`] | text without a formatter in between |

pub mod buffer;
pub mod clock;
pub mod csv;
pub mod expert;
pub mod follow;
mod icmp;
pub mod json;
pub mod line;
pub mod message;
pub mod names;
mod other;
pub mod stats;
pub mod streams;
pub mod words;

pub use buffer::Buffer;
pub use clock::{Clock, TimeFormat};
pub use follow::Follow;
pub use json::Totals;
pub use line::{Line, Lines};
pub use stats::Stats;
pub use words::Words;
