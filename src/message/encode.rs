//! Writes messages, byte for byte as Python's `json.dumps(.., ensure_ascii=False)` makes them.

use std::io;

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

use super::error::MessageError;
use super::{BINARY_ENCODING, CLIENT_BINARY_TYPE, JSON_TYPE, SERVER_BINARY_TYPE, TEXT_ENCODING};

/// Appends the request to search for a value.
pub fn encode_search(value: &str, out: &mut Vec<u8>) {
    #[derive(Serialize)]
    struct Search<'a> {
        action: &'a str,
        value: &'a str,
    }
    let content = to_json(&Search {
        action: "search",
        value,
    });
    frame(JSON_TYPE, TEXT_ENCODING, &content, out);
}

/// Appends the request for any other action: its name and value with nothing between.
pub fn encode_binary_request(action: &str, value: &[u8], out: &mut Vec<u8>) {
    let content = [action.as_bytes(), value].concat();
    frame(CLIENT_BINARY_TYPE, BINARY_ENCODING, &content, out);
}

/// Appends the reply `{"result": ...}`.
pub fn encode_json_reply(result: &str, out: &mut Vec<u8>) {
    #[derive(Serialize)]
    struct Reply<'a> {
        result: &'a str,
    }
    frame(JSON_TYPE, TEXT_ENCODING, &to_json(&Reply { result }), out);
}

/// Appends a reply in the server's binary type.
pub fn encode_binary_reply(content: &[u8], out: &mut Vec<u8>) {
    frame(SERVER_BINARY_TYPE, BINARY_ENCODING, content, out);
}

/// Appends a message of any type and encoding around a content that is encoded already.
///
/// The only error is a header of more than 65535 bytes, and then nothing is appended.
pub fn encode_message(
    content_type: &str,
    content_encoding: &str,
    content: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), MessageError> {
    let header = header(content_type, content_encoding, content.len());
    let length =
        u16::try_from(header.len()).map_err(|_| MessageError::HeaderTooLong(header.len()))?;
    out.reserve(2 + header.len() + content.len());
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&header);
    out.extend_from_slice(content);
    Ok(())
}

/// As [`encode_message`], for types and encodings that are constants of this room.
fn frame(content_type: &'static str, encoding: &'static str, content: &[u8], out: &mut Vec<u8>) {
    let framed = encode_message(content_type, encoding, content, out);
    debug_assert!(framed.is_ok(), "our own names are short");
}

/// A value as Python's `json.dumps` writes it.
pub fn to_json<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    // Most of what we write fits.
    let mut bytes = Vec::with_capacity(128);
    let written = value.serialize(&mut Serializer::with_formatter(&mut bytes, PythonSpacing));
    // A Vec takes every write, and no value of ours has keys that are not strings.
    debug_assert!(written.is_ok());
    bytes
}

fn header(content_type: &str, content_encoding: &str, content_length: usize) -> Vec<u8> {
    /// The order of the fields is the order on the wire.
    #[derive(Serialize)]
    #[serde(rename_all = "kebab-case")]
    struct Wire<'a> {
        byteorder: &'a str,
        content_type: &'a str,
        content_encoding: &'a str,
        content_length: usize,
    }
    to_json(&Wire {
        byteorder: if cfg!(target_endian = "big") {
            "big"
        } else {
            "little"
        },
        content_type,
        content_encoding,
        content_length,
    })
}

/// `", "` and `": "`. The escapes need no care: `serde_json` writes the same as Python.
struct PythonSpacing;

impl Formatter for PythonSpacing {
    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        separate(writer, first)
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        separate(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

fn separate<W: ?Sized + io::Write>(writer: &mut W, first: bool) -> io::Result<()> {
    if first {
        Ok(())
    } else {
        writer.write_all(b", ")
    }
}

#[cfg(test)]
#[path = "encode_tests.rs"]
mod tests;
