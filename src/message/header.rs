//! The JSON header of a message.

use std::sync::Arc;

use super::charset::Charset;
use super::error::{MessageError, clip};
use super::json;
use super::value::Value;

/// What must be there, in the order in which the tutorial's programs look.
const REQUIRED: [&str; 4] = [
    "byteorder",
    "content-length",
    "content-type",
    "content-encoding",
];

/// A header that was read. Its values may be of any JSON type, but for the length; what is not a
/// string stands here as Python's `str()` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The sender's byte order. Nothing depends on it.
    pub byteorder: String,
    /// What the content is.
    pub content_type: String,
    /// How its text is encoded.
    pub content_encoding: String,
    /// How many bytes it has.
    pub content_length: usize,
    /// Looked up once: a header serves many messages. `Err` is what to say of a JSON content.
    charset: Result<Charset, MessageError>,
}

impl Header {
    /// Reads a header from its bytes on the wire.
    pub fn parse(bytes: &[u8]) -> Result<Self, MessageError> {
        let text = Charset::UTF_8
            .decode(bytes)
            .map_err(MessageError::HeaderText)?;
        let value = json::parse(&text).map_err(MessageError::HeaderJson)?;
        if !matches!(value, Value::Object(_)) {
            return Err(MessageError::HeaderKind(value.kind()));
        }
        let [byteorder, length, content_type, encoding] =
            REQUIRED.map(|key| value.get(key).ok_or(MessageError::MissingKey(key)));
        let (byteorder, length, content_type, encoding) =
            (byteorder?, length?, content_type?, encoding?);
        Ok(Header {
            byteorder: byteorder.py_str().into_owned(),
            content_type: content_type.py_str().into_owned(),
            content_encoding: encoding.py_str().into_owned(),
            content_length: content_length(length)?,
            charset: charset(encoding),
        })
    }

    /// Whether the content is JSON, that is, whether the content type is exactly `text/json`.
    pub fn is_json(&self) -> bool {
        self.content_type == super::JSON_TYPE
    }

    /// The encoding of a JSON content.
    pub(super) fn charset(&self) -> Result<Charset, &MessageError> {
        self.charset.as_ref().copied()
    }
}

fn content_length(value: &Value<'_>) -> Result<usize, MessageError> {
    match value {
        Value::Int(digits) if digits == "-0" => Ok(0),
        // A length that no usize holds is a length still: the limit will say so.
        Value::Int(digits) if !digits.starts_with('-') => Ok(digits.parse().unwrap_or(usize::MAX)),
        other => Err(MessageError::BadLength(describe(other))),
    }
}

fn charset(value: &Value<'_>) -> Result<Charset, MessageError> {
    match value {
        // Python takes null for the encoding of its locale.
        Value::Null => Ok(Charset::UTF_8),
        Value::Str(name) => {
            Charset::named(name).ok_or_else(|| MessageError::UnknownEncoding(clip(name).into()))
        }
        other => Err(MessageError::BadEncoding(describe(other))),
    }
}

/// A value that should have been another, in JSON's words and not too long.
fn describe(value: &Value<'_>) -> Box<str> {
    match value {
        Value::Null => "null".into(),
        Value::Bool(value) => value.to_string().into(),
        Value::Int(digits) => clip(digits).into(),
        Value::Float(_) => clip(&value.py_str()).into(),
        Value::Str(text) => format!("the string '{}'", clip(text)).into(),
        Value::List(_) => "a list".into(),
        Value::Object(_) => "an object".into(),
    }
}

/// The headers read last, by their bytes: most messages repeat one, and comparing is much cheaper
/// than reading. One for each thread.
#[derive(Debug, Default, Clone)]
pub struct HeaderCache {
    slots: [Option<Known>; SLOTS],
}

/// A header's bytes on the wire, and what they say.
type Known = (Box<[u8]>, Arc<Header>);

const SLOTS: usize = 16;

/// Longer headers are read again each time, so that a cache stays small.
const LONGEST: usize = 512;

impl HeaderCache {
    /// The header that these bytes are.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<Arc<Header>, MessageError> {
        let slot = &mut self.slots[slot(bytes)];
        if let Some((known, header)) = slot
            && **known == *bytes
        {
            return Ok(Arc::clone(header));
        }
        let header = Arc::new(Header::parse(bytes)?);
        if bytes.len() <= LONGEST {
            *slot = Some((bytes.into(), Arc::clone(&header)));
        }
        Ok(header)
    }
}

/// Headers of one sender differ in the digits of the length, which most write last.
fn slot(bytes: &[u8]) -> usize {
    let tail = bytes
        .last_chunk()
        .map_or(0, |&tail| u32::from_be_bytes(tail));
    let mixed = tail.wrapping_mul(0x9e37_79b9).rotate_left(9) as usize;
    (mixed ^ bytes.len()) % SLOTS
}

#[cfg(test)]
#[path = "header_tests.rs"]
mod tests;
