//! The buffer experiment, without a socket: what is sent and when it stops, where the bytes are, and
//! whether they add up.
//!
//! A sender writes to a receiver that does not read. The bytes go first to the receiver's buffer, then
//! to the sender's; when both are full, a non-blocking `send()` fails with `EWOULDBLOCK`. Nothing is
//! lost: what was accepted is in one of the two queues or was read.
//!
//! | file | what it holds |
//! |---|---|
//! | this one | [`Plan`], [`Variant`], [`Mode`] |
//! | [`filling`] | [`Filling`]: when to send, to wait, to stop |
//! | [`timeline`] | the sends, like ones as one line |
//! | [`pattern`] | what is sent, and its checksum |
//! | [`queues`] | what one look at both ends says, and whether it [adds up](queues::Sample::balance) |
//! | [`holding`] | the persist timer, watched |
//! | [`draining`] | the receiver reads after all; when writing becomes possible again |
//! | [`pace`] | a server that reads slowly |
//! | [`report`] | [`Report`]: all that is known at the end |

pub mod draining;
pub mod filling;
pub mod holding;
pub mod pace;
pub mod pattern;
pub mod queues;
pub mod report;
pub mod timeline;

use std::time::Duration;

pub use draining::{DrainEnd, Draining};
pub use filling::{Filling, Step, Stop};
pub use holding::Holding;
pub use pattern::{Checksum, Pattern};
pub use queues::{Balance, End, Sample};
pub use report::Report;
pub use timeline::{Entry, Timeline};

/// Which kind of socket is filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// A TCP connection.
    Tcp,
    /// UDP: nothing blocks, what does not fit is dropped.
    Udp,
    /// A pair of Unix stream sockets.
    UnixStreams,
    /// Unix datagram sockets.
    UnixDatagrams,
}

impl Variant {
    /// The word for programs.
    pub fn word(self) -> &'static str {
        match self {
            Variant::Tcp => "tcp",
            Variant::Udp => "udp",
            Variant::UnixStreams => "unix-stream",
            Variant::UnixDatagrams => "unix-datagram",
        }
    }

    /// Whether each send is a message that arrives whole or not at all.
    pub fn is_datagram(self) -> bool {
        matches!(self, Variant::Udp | Variant::UnixDatagrams)
    }
}

/// How the sender waits for room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `O_NONBLOCK`: `send()` fails with `EWOULDBLOCK` if the buffer is full.
    NonBlocking,
    /// A blocking `send()` with `SO_SNDTIMEO`: it fails with the same errno when its time is over, or
    /// returns the part that was taken.
    Blocking,
    /// `poll()` for `POLLOUT` before each `send()`.
    Poll,
}

impl Mode {
    /// The word for programs, and of the flag.
    pub fn word(self) -> &'static str {
        match self {
            Mode::NonBlocking => "nonblock",
            Mode::Blocking => "block",
            Mode::Poll => "poll",
        }
    }
}

/// How the sender fills.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Bytes of one `send()`.
    pub chunk: usize,
    /// How it waits for room.
    pub mode: Mode,
    /// It has settled when nothing was accepted for this long.
    pub settle: Duration,
    /// It ends at this many bytes ...
    pub max_bytes: u64,
    /// ... or this many sends ...
    pub max_sends: u64,
    /// ... or after this time, if the receiver keeps taking bytes.
    pub duration: Duration,
}
