//! The application protocol: length-prefixed messages with a JSON header.
//!
//! ```text
//! u16 big-endian header length | header JSON, UTF-8 | content
//! ```
//!
//! The header says what the content is:
//!
//! ```text
//! {"byteorder": "little", "content-type": "text/json", "content-encoding": "utf-8", "content-length": 37}
//! ```
//!
//! What is written is byte for byte what the tutorial's Python programs write ([`encode_search`],
//! [`encode_binary_request`], [`encode_json_reply`], [`encode_binary_reply`]); what is read is
//! what they read: any key order, any JSON spacing, further keys, and the encodings that
//! [`Charset`] knows, by Python's names.
//!
//! The way in: a [`Deframer`] finds a [`Message`] in chunks of any size, [`Message::decode`] makes
//! [`Content`] of it: a JSON [`Value`] or plain bytes.

use std::borrow::Cow;
use std::sync::Arc;

mod charset;
mod deframer;
mod encode;
mod error;
mod header;
mod json;
mod python;
mod value;

pub use charset::{Charset, TextError};
pub use deframer::{DEFAULT_MAX_MESSAGE, Deframer};
pub use encode::{
    encode_binary_reply, encode_binary_request, encode_json_reply, encode_message, encode_search,
    to_json,
};
pub use error::MessageError;
pub use header::{Header, HeaderCache};
pub use json::{JsonError, MAX_DEPTH, parse as parse_json};
pub use python::repr_str;
pub use value::Value;

/// The content type of requests and replies in JSON: this and nothing else is decoded.
pub const JSON_TYPE: &str = "text/json";
/// The content type of the client's other requests.
pub const CLIENT_BINARY_TYPE: &str = "binary/custom-client-binary-type";
/// The content type of the server's answer to them.
pub const SERVER_BINARY_TYPE: &str = "binary/custom-server-binary-type";
/// The encoding of what is not text.
pub const BINARY_ENCODING: &str = "binary";
/// The encoding of the JSON that we send.
pub const TEXT_ENCODING: &str = "utf-8";

/// A whole message, as a [`Deframer`] found it.
#[derive(Debug, Clone)]
pub struct Message<'a> {
    /// What its header says.
    pub header: Arc<Header>,
    /// The content, not decoded.
    pub content: &'a [u8],
    /// All of it as it stood on the wire: length, header and content.
    pub wire: &'a [u8],
}

/// A decoded content.
#[derive(Debug, Clone, PartialEq)]
pub enum Content<'a> {
    /// The content type is `text/json`.
    Json(Value<'a>),
    /// It is anything else.
    Binary(&'a [u8]),
}

impl<'a> Message<'a> {
    /// Decodes the content as its header says.
    pub fn decode(&self) -> Result<Content<'a>, MessageError> {
        if !self.header.is_json() {
            return Ok(Content::Binary(self.content));
        }
        let charset = self.header.charset().map_err(MessageError::clone)?;
        let text = charset.decode(self.content).map_err(|why| {
            MessageError::BadText(error::clip(&self.header.content_encoding).into(), why)
        })?;
        let value = match text {
            Cow::Borrowed(text) => json::parse(text).map_err(MessageError::BadJson)?,
            Cow::Owned(text) => json::parse(&text)
                .map_err(MessageError::BadJson)?
                .into_owned(),
        };
        Ok(Content::Json(value))
    }
}

impl<'a> Content<'a> {
    /// What a JSON reply has under `result`; `None` when it has none, or is binary.
    pub fn result(&self) -> Option<&Value<'a>> {
        match self {
            Content::Json(value) => value.get("result"),
            Content::Binary(_) => None,
        }
    }
}
