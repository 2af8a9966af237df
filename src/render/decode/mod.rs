//! What `sockdoc decode` prints.
//!
//! | file | what it writes |
//! |---|---|
//! | [`line`] | a frame in one line, as tshark prints it |
//! | `icmp`, `other` | such lines about what is not TCP or UDP |
//! | [`clock`] | the time column |
//! | [`words`] | an application message in words |
//! | [`buffer`] | text without a formatter in between |

pub mod buffer;
pub mod clock;
mod icmp;
pub mod line;
mod other;
pub mod words;

pub use buffer::Buffer;
pub use clock::{Clock, TimeFormat};
pub use line::{Line, Lines};
