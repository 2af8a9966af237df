//! Message boundaries on a byte stream.
//!
//! TCP carries bytes, not messages: what one side sent in one call may arrive in several reads, or
//! together with the next message. So both sides must agree on where a message ends. [`Framing`]
//! names the ways to agree; [`Framing::encode`] puts a message on the wire and [`Deframer`] finds
//! the messages again, in whatever pieces the bytes come.
//!
//! | the user's word | where a message ends | what it cannot carry |
//! |---|---|---|
//! | `raw` | nowhere: what one read brings is taken as a message | any boundary |
//! | `line` | after `\n`; a `\r` in front of it belongs to the line's end | `\n`; a last `\r` |
//! | `delim:TEXT` | after the bytes TEXT | those bytes |
//! | `digits:N` | after as many bytes as N decimal digits in front of it say | more than N digits can say |
//! | `len16`, `len32` | the same, with a big-endian binary length | 64 KiB and more; 4 GiB and more |
//! | `fixed:N[:PAD]` | after N bytes, filled up with the byte PAD (`#`) | more than N bytes; a last PAD |
//! | `close` | at the peer's shutdown of its sending side | a second message; an empty one |
//!
//! TEXT and PAD may contain the [`escapes`] `\r \n \t \0 \\ \xNN`.

mod assembler;
mod deframer;
mod delimiter;
mod encode;
mod error;
pub mod escapes;
mod parse;

pub use assembler::Assembler;
pub use deframer::{Deframer, Frame};
pub use delimiter::Delimiter;
pub use error::{FramingError, Unfinished};
pub use parse::FramingSyntax;

use std::num::{NonZeroU8, NonZeroUsize};

/// Where a message ends on a byte stream. Cheap to clone: each connection has its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Framing {
    /// No boundaries: whatever one read returns.
    Raw,
    /// A message ends with `\n`; a `\r` in front of it is not part of the message.
    Line,
    /// A message ends with these bytes.
    Delimited(Delimiter),
    /// The length in this many decimal digits, padded with zeros.
    Digits(NonZeroU8),
    /// Two bytes, big-endian, say how many bytes follow.
    Len16,
    /// Four bytes, big-endian, say how many bytes follow.
    Len32,
    /// Every message has the same size on the wire.
    ///
    /// A shorter message is filled up at its end, and every `pad` at the end is taken away on
    /// receipt. So a message that ends with `pad` of its own would lose it: choose a byte that never
    /// ends a message.
    Fixed {
        /// The size on the wire.
        size: NonZeroUsize,
        /// What a shorter message is filled up with.
        pad: u8,
    },
    /// A message is everything until the peer shuts down its sending side.
    Close,
}
