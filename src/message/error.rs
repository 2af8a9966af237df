//! Why bytes are not a message.

use std::borrow::Cow;
use std::fmt;

use super::charset::{self, TextError};
use super::json::JsonError;

/// Why bytes are not a message, in one line. What it repeats of the peer's text is cut short, but
/// not escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageError {
    /// The header length is 0.
    EmptyHeader,
    /// Header and content together are over the limit.
    TooLarge {
        /// What was announced, of which part.
        announced: Box<str>,
        /// The limit in bytes.
        limit: usize,
    },
    /// The header is not UTF-8.
    HeaderText(TextError),
    /// The header is not JSON.
    HeaderJson(JsonError),
    /// The header is JSON of another kind than an object.
    HeaderKind(&'static str),
    /// The header lacks this key.
    MissingKey(&'static str),
    /// The content-length is this, and not a non-negative integer.
    BadLength(Box<str>),
    /// The content-encoding of a JSON content is this, and not a name.
    BadEncoding(Box<str>),
    /// The content-encoding of a JSON content is a name that is not known or not supported.
    UnknownEncoding(Box<str>),
    /// The content is not text of its encoding.
    BadText(Box<str>, TextError),
    /// The content is not JSON.
    BadJson(JsonError),
    /// A header that should be sent is longer than its length field can say.
    HeaderTooLong(usize),
    /// The bytes are the beginning of another protocol, by this name.
    OtherProtocol(&'static str),
    /// The length of the header is in the wrong byte order.
    ByteOrder {
        /// What it announces.
        announced: usize,
        /// What it is in the other order: the length of the header that is there.
        swapped: usize,
    },
    /// The bytes ended in the middle of a message.
    Cut {
        /// How many bytes of it came.
        have: usize,
        /// How many it has, as far as is known.
        need: usize,
        /// Whether `need` is all of the message and not only its beginning.
        exact: bool,
    },
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MessageError::EmptyHeader => f.write_str("the header length is 0"),
            MessageError::TooLarge { announced, limit } => {
                write!(
                    f,
                    "{announced} is over the limit of {limit} bytes a message"
                )
            }
            MessageError::HeaderText(why) => write!(f, "the header is not utf-8: {why}"),
            MessageError::HeaderJson(why) => write!(f, "the header is not JSON: {why}"),
            MessageError::HeaderKind(kind) => {
                write!(f, "the header is {}, not an object", with_article(kind))
            }
            MessageError::MissingKey(key) => write!(f, "the header lacks '{key}'"),
            MessageError::BadLength(what) => {
                write!(f, "content-length is {what}, not a non-negative integer")
            }
            MessageError::BadEncoding(what) => {
                write!(f, "content-encoding is {what}, not the name of an encoding")
            }
            MessageError::UnknownEncoding(name) => write!(
                f,
                "the encoding '{name}' is not supported; send UTF-8 (supported: {})",
                charset::KNOWN
            ),
            MessageError::BadText(encoding, why) => {
                write!(f, "the content is not {encoding}: {why}")
            }
            MessageError::BadJson(why) => write!(f, "the content is not JSON: {why}"),
            MessageError::HeaderTooLong(length) => {
                write!(f, "a header of {length} bytes; at most 65535 can be sent")
            }
            MessageError::OtherProtocol(name) => {
                write!(
                    f,
                    "this looks like {name}, not like a message with a length in front"
                )
            }
            MessageError::ByteOrder { announced, swapped } => write!(
                f,
                "a header of {announced} bytes was announced; swapped it is {swapped}, which is the length of \
                 the header that follows: the length is little-endian and must be big-endian"
            ),
            MessageError::Cut { have, need, exact } => {
                let least = if *exact { "" } else { "at least " };
                write!(f, "{have} of {least}{need} bytes of the message arrived")
            }
        }
    }
}

impl std::error::Error for MessageError {}

/// `list` -> `a JSON list`.
pub(super) fn with_article(kind: &str) -> Cow<'_, str> {
    match kind {
        "null" => Cow::Borrowed("JSON null"),
        kind => Cow::Owned(format!("a JSON {kind}")),
    }
}

/// How many characters of a peer's text an error repeats.
const CLIP: usize = 60;

/// A peer's text, cut to a length that an error can carry.
pub(super) fn clip(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(CLIP) {
        Some((end, _)) => Cow::Owned(format!("{}...", &text[..end])),
        None => Cow::Borrowed(text),
    }
}
