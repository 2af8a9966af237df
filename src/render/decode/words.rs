//! An application message in words.

use super::buffer::Buffer;
use crate::message::{Content, Value};
use crate::render::escape;
use crate::stream::{Found, Role};

/// Characters of a peer's text that a line repeats.
const CLIP: usize = 60;

/// Writes a message in words: what it is, what it says, its type and its length.
///
/// ```text
/// request #1 search "morpheus" text/json 41 B
/// reply #1 "Follow the white rabbit. 🐰" text/json 43 B after 0.201 ms
/// ```
pub fn write(out: &mut Buffer, found: &Found<'_>) {
    out.text(match found.role {
        Role::Request => "request",
        Role::Reply => "reply",
    });
    match found.number {
        Some(number) => {
            out.text(" #");
            out.number(u64::from(number));
        }
        None => out.text(" to nothing seen"),
    }
    what(out, found);
    out.byte(b' ');
    clipped(out, &found.message.header.content_type);
    out.byte(b' ');
    out.number(found.message.content.len() as u64);
    out.text(" B");
    if let Some(latency) = found.latency {
        out.text(" after ");
        milliseconds(out, latency);
    }
    if found.guessed {
        out.text(" (guessed)");
    }
}

/// What the content says, if it is JSON.
fn what(out: &mut Buffer, found: &Found<'_>) {
    match found.message.decode() {
        Ok(Content::Json(value)) => match found.role {
            Role::Request => request(out, &value),
            Role::Reply => reply(out, &value),
        },
        Ok(Content::Binary(_)) => {}
        Err(error) => {
            out.text(" [");
            clipped(out, &error.to_string());
            out.byte(b']');
        }
    }
}

fn request(out: &mut Buffer, value: &Value<'_>) {
    let Some(action) = value.get("action") else {
        return;
    };
    out.byte(b' ');
    clipped(out, &action.py_str());
    if let Some(value) = value.get("value") {
        quoted(out, value);
    }
}

fn reply(out: &mut Buffer, value: &Value<'_>) {
    if let Some(result) = value.get("result") {
        quoted(out, result);
    }
}

/// A string in quotes, anything else as Python shows it.
fn quoted(out: &mut Buffer, value: &Value<'_>) {
    out.byte(b' ');
    match value.as_str() {
        Some(text) => {
            out.byte(b'"');
            clipped(out, text);
            out.byte(b'"');
        }
        None => clipped(out, &value.py_str()),
    }
}

/// A peer's text: cut to a length that a line can carry, and escaped.
pub(super) fn clipped(out: &mut Buffer, text: &str) {
    // Most texts are plain, and shorter in bytes than the limit is in characters.
    let is_plain = |byte: u8| (b' '..=b'~').contains(&byte);
    if text.len() <= CLIP && text.bytes().all(is_plain) {
        return out.text(text);
    }
    match text.char_indices().nth(CLIP) {
        Some((end, _)) => {
            out.text(&escape::text(&text[..end]));
            out.text("...");
        }
        None => out.text(&escape::text(text)),
    }
}

/// A time in nanoseconds, as milliseconds to the microsecond.
pub(super) fn milliseconds(out: &mut Buffer, nanos: i64) {
    if nanos < 0 {
        out.byte(b'-');
    }
    let micros = nanos.unsigned_abs() / 1000;
    out.number(micros / 1000);
    out.byte(b'.');
    out.zeros(micros % 1000, 3);
    out.text(" ms");
}
