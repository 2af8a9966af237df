//! Texts for what can be wrong with a message and its frame.

use std::fmt;

use super::escapes::escape;

/// Why a message cannot be framed, or why what came is not a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FramingError {
    /// To send: the message does not fit into the fixed size.
    LongerThanFixed {
        /// The message's length.
        len: usize,
        /// The fixed size.
        size: usize,
    },
    /// To send: the message ends with the padding byte, which the receiver takes away.
    EndsWithPad {
        /// The padding byte.
        pad: u8,
    },
    /// To send: the receiver would find the delimiter before the message's end.
    DelimiterInside {
        /// At which byte of the message, from 0.
        position: usize,
        /// The delimiter.
        delimiter: Box<[u8]>,
    },
    /// To send: the message ends with `\r`, which the receiver takes for a part of the line's end.
    EndsWithReturn,
    /// To send: the length does not fit into the length field.
    LengthTooBig {
        /// The message's length.
        len: usize,
        /// The greatest length that fits.
        most: u64,
    },
    /// Received: the length field holds something else than digits.
    NotDigits {
        /// As much of the field as is there.
        field: Vec<u8>,
        /// How many digits were expected.
        digits: usize,
    },
    /// Received: the announced length is beyond the limit.
    AnnouncedTooLong {
        /// The announced length.
        announced: u64,
        /// The bytes of the length field.
        field: Box<[u8]>,
        /// Whether they are binary.
        binary: bool,
        /// The greatest length that is accepted.
        limit: usize,
    },
    /// Received: more bytes than the limit, and no delimiter among them.
    NoDelimiter {
        /// The greatest length that is accepted.
        limit: usize,
        /// The delimiter.
        delimiter: Box<[u8]>,
        /// The first bytes that came.
        beginning: Box<[u8]>,
    },
    /// Received: more bytes than the limit, and the peer has not shut down its sending side.
    NoEnd {
        /// The greatest length that is accepted.
        limit: usize,
    },
    /// Received: the stream ended inside a message.
    Ended(Unfinished),
}

impl FramingError {
    /// Whether what came is only too large for the limit that this end has set.
    pub fn is_over_the_limit(&self) -> bool {
        matches!(
            self,
            FramingError::AnnouncedTooLong { .. }
                | FramingError::NoDelimiter { .. }
                | FramingError::NoEnd { .. }
        )
    }
}

impl fmt::Display for FramingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FramingError::LongerThanFixed { len, size } => write!(
                f,
                "the message has {len} bytes, the fixed size is {size} bytes"
            ),
            FramingError::EndsWithPad { pad } => write!(
                f,
                "the message ends with the padding byte \"{}\", which the receiver would take away",
                escape(&[*pad])
            ),
            FramingError::DelimiterInside {
                position,
                delimiter,
            } => write!(
                f,
                "the delimiter \"{}\" would be found at byte {position} of the message, \
                 before its end",
                escape(delimiter)
            ),
            FramingError::EndsWithReturn => f.write_str(
                "the message ends with \"\\r\", which the receiver would take for a part of the \
                 line's end",
            ),
            FramingError::LengthTooBig { len, most } => write!(
                f,
                "the message has {len} bytes, the length field can say at most {most}"
            ),
            FramingError::NotDigits { field, digits } => write!(
                f,
                "the length should be {digits} decimal digits, and \"{}\" came",
                escape(field)
            ),
            FramingError::AnnouncedTooLong {
                announced,
                field,
                binary,
                limit,
            } => {
                write!(
                    f,
                    "the length \"{}\" announces a message of {announced} bytes, the limit is {limit}",
                    escape(field)
                )?;
                let swapped = swapped(field);
                if !binary {
                    Ok(())
                } else if field.iter().all(|byte| is_text(*byte)) {
                    f.write_str(
                        ": it is text, so the peer sends messages without this length in front",
                    )
                } else if swapped <= *limit as u64 {
                    write!(
                        f,
                        "; swapped it is {swapped}: the peer's length is little-endian"
                    )
                } else {
                    Ok(())
                }
            }
            FramingError::NoDelimiter {
                limit,
                delimiter,
                beginning,
            } => write!(
                f,
                "more than {limit} bytes, the limit, came without the delimiter \"{}\"; \
                 the first are \"{}\"",
                escape(delimiter),
                escape(beginning)
            ),
            FramingError::NoEnd { limit } => write!(
                f,
                "more than {limit} bytes, the limit, came and the stream goes on"
            ),
            FramingError::Ended(unfinished) => write!(f, "the connection ended {unfinished}"),
        }
    }
}

impl std::error::Error for FramingError {}

/// How far an unfinished message has come. The text begins with "after": put what happened in
/// front of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfinished {
    /// Inside a length of decimal digits.
    LengthDigits {
        /// How many digits came.
        have: usize,
        /// How many there are.
        need: usize,
    },
    /// Inside a binary length.
    LengthBytes {
        /// How many bytes of it came.
        have: usize,
        /// How many there are.
        need: usize,
    },
    /// Inside a message whose length was announced.
    Announced {
        /// How many bytes of the message came.
        have: usize,
        /// How many were announced.
        announced: usize,
        /// What the length may be in truth.
        suspect: Suspect,
    },
    /// Inside a message of fixed size.
    Fixed {
        /// How many bytes came.
        have: usize,
        /// The fixed size.
        size: usize,
    },
    /// In front of the delimiter.
    Delimiter {
        /// How many bytes came.
        have: usize,
        /// The delimiter.
        delimiter: Box<[u8]>,
    },
    /// In a message that only the end of the stream ends.
    Open {
        /// How many bytes came.
        have: usize,
    },
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfinished::LengthDigits { have, need } => {
                write!(f, "after {have} of {need} length digits")
            }
            Unfinished::LengthBytes { have, need } => {
                write!(f, "after {have} of {need} length bytes")
            }
            Unfinished::Announced {
                have,
                announced,
                suspect,
            } => {
                write!(f, "after {have} of the {announced} bytes announced")?;
                suspect.tell(f, *have)
            }
            Unfinished::Fixed { have, size } => {
                write!(f, "after {have} of the {size} bytes of a message")
            }
            Unfinished::Delimiter { have, delimiter } => write!(
                f,
                "after {}, before the delimiter \"{}\" came",
                bytes(*have),
                escape(delimiter)
            ),
            Unfinished::Open { have } => write!(
                f,
                "after {}, before the peer shut down its sending side",
                bytes(*have)
            ),
        }
    }
}

impl Unfinished {
    /// The same as an amount, while the rest may still come: `5 bytes, no newline yet`.
    pub fn so_far(&self) -> String {
        match self {
            Unfinished::LengthDigits { have, need } => format!("{have} of {need} length digits"),
            Unfinished::LengthBytes { have, need } => format!("{have} of {need} length bytes"),
            Unfinished::Announced {
                have,
                announced,
                suspect,
            } => {
                let hint = Hint(suspect, *have);
                format!("{have} of the {announced} bytes announced{hint}")
            }
            Unfinished::Fixed { have, size } => format!("{have} of the {size} bytes of a message"),
            Unfinished::Delimiter { have, delimiter } if **delimiter == *b"\n" => {
                format!("{}, no newline yet", bytes(*have))
            }
            Unfinished::Delimiter { have, delimiter } => {
                let delimiter = escape(delimiter);
                format!("{}, no delimiter \"{delimiter}\" yet", bytes(*have))
            }
            Unfinished::Open { have } => format!(
                "{}, and the peer has not shut down its sending side",
                bytes(*have)
            ),
        }
    }
}

/// What a length of an unfinished message may be in truth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Suspect {
    /// A length.
    Nothing,
    /// A length in the other byte order: just as many bytes came as it says then.
    Swapped,
    /// Text: these are the bytes.
    Text(Box<[u8]>),
}

impl Suspect {
    /// What the bytes of a binary length look like after `have` bytes of the message.
    pub(super) fn of(field: &[u8], have: usize) -> Suspect {
        if swapped(field) == have as u64 {
            Suspect::Swapped
        } else if field.iter().all(|byte| is_text(*byte)) {
            Suspect::Text(field.into())
        } else {
            Suspect::Nothing
        }
    }

    fn tell(&self, f: &mut fmt::Formatter<'_>, have: usize) -> fmt::Result {
        match self {
            Suspect::Nothing => Ok(()),
            Suspect::Swapped => write!(
                f,
                "; swapped, the length is {have}: the peer's length is little-endian"
            ),
            Suspect::Text(field) => write!(
                f,
                "; the length \"{}\" is text: the peer may send messages without it",
                escape(field)
            ),
        }
    }
}

struct Hint<'a>(&'a Suspect, usize);

impl fmt::Display for Hint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.tell(f, self.1)
    }
}

fn is_text(byte: u8) -> bool {
    byte.is_ascii_graphic() || byte == b' '
}

/// A binary length in the other byte order.
pub(super) fn swapped(field: &[u8]) -> u64 {
    let fold = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
    field.iter().rev().fold(0, fold)
}

fn bytes(count: usize) -> String {
    format!("{count} byte{}", if count == 1 { "" } else { "s" })
}
