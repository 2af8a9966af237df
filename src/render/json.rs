//! Values as JSON: one document for a snapshot, one object a line for a stream of events.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::escape;
use crate::message::{Content, Header};
use crate::ping::clock::Realtime;
use crate::service::Peer;
use crate::service::app::Request;

/// One object on one line.
pub fn line(out: &mut (impl Write + ?Sized), object: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_string(object)?;
    out.write_all(without_controls(&text).as_bytes())?;
    out.write_all(b"\n")
}

/// A line of a stream of events: the schema of the command, the event, then its own fields.
pub fn event(
    out: &mut (impl Write + ?Sized),
    command: &str,
    event: &str,
    fields: &impl Serialize,
) -> io::Result<()> {
    #[derive(Serialize)]
    struct Line<'a, T> {
        schema: String,
        event: &'a str,
        #[serde(flatten)]
        fields: &'a T,
    }
    let schema = format!("sockdoc.{command}/1");
    line(
        out,
        &Line {
            schema,
            event,
            fields,
        },
    )
}

/// The same with its `time`, in seconds since 1970.
pub fn timed_event(
    out: &mut (impl Write + ?Sized),
    command: &str,
    name: &str,
    fields: &Value,
    at: Realtime,
) -> io::Result<()> {
    event(
        out,
        command,
        name,
        &joined([json!({ "time": seconds(at) }), fields.clone()]),
    )
}

/// A time of the wall clock in seconds since 1970, to the microsecond.
pub fn seconds(at: Realtime) -> f64 {
    (at.0 / 1000) as f64 / 1e6
}

/// JSON lets DEL, C1 and bidi controls stand as they are, and a terminal would obey them. Outside of
/// strings there are none, so each can be written as `\u....`.
pub(super) fn without_controls(json: &str) -> Cow<'_, str> {
    if !json.contains(escape::is_unsafe) {
        return Cow::Borrowed(json);
    }
    let mut safe = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if escape::is_unsafe(c) {
            // All of them are in the first plane.
            let _ = write!(safe, "\\u{:04x}", c as u32);
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// Who is at the other end: address, port and scope, or a path.
pub fn peer(peer: &Peer) -> Value {
    match peer {
        Peer::Ip(address) => {
            let scope = match address {
                std::net::SocketAddr::V6(v6) if v6.scope_id() != 0 => Some(v6.scope_id()),
                _ => None,
            };
            json!({ "addr": address.ip().to_string(), "port": address.port(), "scope": scope })
        }
        Peer::Unix(None) => json!({ "path": null }),
        Peer::Unix(Some(path)) => {
            with_bytes(json!({}), "path", path.as_os_str().as_encoded_bytes())
        }
    }
}

/// Puts bytes into an object as text; if they are not UTF-8 lossy, with an exact `_hex` twin.
pub fn bytes(object: &mut serde_json::Map<String, Value>, key: &str, bytes: &[u8]) {
    object.insert(key.to_owned(), String::from_utf8_lossy(bytes).into());
    if std::str::from_utf8(bytes).is_err() {
        object.insert(format!("{key}_hex"), hex(bytes).into());
    }
}

/// The object with bytes in it, as [`bytes`] puts them.
pub fn with_bytes(mut object: Value, key: &str, bytes: &[u8]) -> Value {
    if let Value::Object(object) = &mut object {
        self::bytes(object, key, bytes);
    }
    object
}

/// One object with the keys of all.
pub fn joined<const N: usize>(parts: [Value; N]) -> Value {
    let objects = parts.into_iter().filter_map(|part| match part {
        Value::Object(object) => Some(object),
        _ => None,
    });
    Value::Object(objects.flatten().collect())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
            let _ = write!(out, "{byte:02x}");
            out
        })
}

/// A duration in microseconds, to the nanosecond.
pub fn micros(duration: Duration) -> Value {
    json!(duration.as_nanos() as f64 / 1000.0)
}

/// A duration that may be unknown.
pub fn maybe_micros(duration: Option<Duration>) -> Value {
    duration.map_or(Value::Null, micros)
}

/// A header of the application protocol.
pub fn header(header: &Header) -> Value {
    json!({
        "byteorder": header.byteorder,
        "content-type": header.content_type,
        "content-encoding": header.content_encoding,
        "content-length": header.content_length,
    })
}

/// A decoded content: under `json`, or under `content`.
pub fn content(object: &mut serde_json::Map<String, Value>, content: &Content<'_>) {
    match content {
        Content::Json(value) => {
            object.insert("json".to_owned(), json!(value));
        }
        Content::Binary(content) => bytes(object, "content", content),
    }
}

/// A request that the application server understood.
pub fn request(request: &Request<'_>) -> Value {
    let mut object = serde_json::Map::new();
    object.insert("header".to_owned(), header(request.header));
    content(&mut object, &request.content);
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_not_text_have_an_exact_twin() {
        let mut object = serde_json::Map::new();
        bytes(&mut object, "path", b"a\xff");
        bytes(&mut object, "name", b"a");
        assert_eq!(
            Value::Object(object),
            json!({ "path": "a\u{fffd}", "path_hex": "61ff", "name": "a" })
        );
    }

    #[test]
    fn a_control_in_a_string_is_the_same_string_to_a_reader_and_nothing_to_a_terminal() {
        let value = json!({ "a": "\x1b\u{9b}\x7f\u{202e}é🐰" });
        let mut out = Vec::new();
        line(&mut out, &value).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "{\"a\":\"\\u001b\\u009b\\u007f\\u202eé🐰\"}\n");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
