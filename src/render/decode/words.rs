//! An application message as text.

use std::sync::Arc;

use super::buffer::Buffer;
use crate::message::{Content, Header, Value};
use crate::render::escape;
use crate::stream::{AppMessage, Role};

/// Characters of a peer's text that a line repeats.
const CLIP: usize = 60;

/// Writes messages as text.
#[derive(Debug, Default)]
pub struct MessageWriter {
    recent: Recent,
}

impl MessageWriter {
    /// Writes a message as text: what it is, what it says, its type and its length.
    ///
    /// ```text
    /// request #1 search "morpheus" text/json 41 B
    /// reply #1 "Follow the white rabbit. 🐰" text/json 43 B after 0.201 ms
    /// ```
    pub fn write(&mut self, out: &mut Buffer, found: &AppMessage<'_>) {
        out.text(match found.role {
            Role::Request => "request",
            Role::Reply => "reply",
        });
        match found.number {
            Some(number) => {
                out.text(" #");
                out.number(u64::from(number));
            }
            None => out.text(" to an unseen request"),
        }
        self.recent.write(out, found, new);
        if let Some(latency) = found.latency {
            out.text(" after ");
            milliseconds(out, latency);
        }
        if found.guessed {
            out.text(" (guessed)");
        }
    }
}

/// Texts about recent messages: programs say the same again and again, and comparing is much cheaper than reading.
#[derive(Debug)]
pub(super) struct Recent {
    places: Vec<Option<Written>>,
}

/// A message that was written, and what of its text depends on nothing else.
#[derive(Debug)]
struct Written {
    role: Role,
    header: Arc<Header>,
    content: Box<[u8]>,
    text: Box<[u8]>,
}

/// How many are remembered; a power of 2.
const PLACES: usize = 64;
/// Longer contents are read again each time.
const LONGEST: usize = 256;

impl Default for Recent {
    fn default() -> Recent {
        Recent {
            places: (0..PLACES).map(|_| None).collect(),
        }
    }
}

impl Recent {
    /// What the role, the header and the content of a message say: as it was written before, or by `new`.
    pub(super) fn write(
        &mut self,
        out: &mut Buffer,
        found: &AppMessage<'_>,
        new: impl FnOnce(&mut Buffer, &AppMessage<'_>),
    ) {
        let (header, content) = (&found.message.header, found.message.content);
        if content.len() > LONGEST {
            return new(out, found);
        }
        let place = &mut self.places[place(content)];
        if let Some(written) = place
            && written.role == found.role
            && *written.content == *content
            && (Arc::ptr_eq(&written.header, header) || written.header == *header)
        {
            return out.bytes(&written.text);
        }
        let start = out.len();
        new(out, found);
        *place = Some(Written {
            role: found.role,
            header: Arc::clone(header),
            content: content.into(),
            text: out.as_bytes()[start..].into(),
        });
    }
}

/// Contents differ in their last bytes, or in their length.
fn place(content: &[u8]) -> usize {
    let mixed = content
        .iter()
        .rev()
        .take(8)
        .fold(content.len(), |mixed, byte| {
            mixed.wrapping_mul(31).wrapping_add(usize::from(*byte))
        });
    (mixed ^ mixed >> 6) % PLACES
}

fn new(out: &mut Buffer, found: &AppMessage<'_>) {
    what(out, found);
    out.byte(b' ');
    clipped(out, &found.message.header.content_type);
    out.byte(b' ');
    out.number(found.message.content.len() as u64);
    out.text(" B");
}

/// What the content says, if it is JSON.
fn what(out: &mut Buffer, found: &AppMessage<'_>) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Deframer, HeaderCache, encode_search};
    use crate::stream::StreamRef;

    fn written(words: &mut MessageWriter, value: &str, role: Role) -> String {
        let mut wire = Vec::new();
        encode_search(value, &mut wire);
        let (mut deframer, mut cache) = (Deframer::new(1 << 16), HeaderCache::default());
        let message = deframer.next(&mut &wire[..], &mut cache).unwrap().unwrap();
        let end = ([127, 0, 0, 1].into(), 65432);
        let mut out = Buffer::default();
        let found = AppMessage {
            frame: 1,
            time: crate::capfile::Timestamp::default(),
            stream: StreamRef {
                number: 0,
                source: end,
                destination: end,
                from_client: role == Role::Request,
            },
            role,
            number: Some(3),
            message,
            guessed: false,
            latency: None,
        };
        words.write(&mut out, &found);
        String::from_utf8(out.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn what_was_said_before_is_said_the_same_and_nothing_else_is() {
        let mut words = MessageWriter::default();
        for _ in 0..3 {
            for value in ["ring", "king", "morpheus", "a\x1b[2J", &"x".repeat(300)] {
                for role in [Role::Request, Role::Reply] {
                    let fresh = written(&mut MessageWriter::default(), value, role);
                    assert_eq!(written(&mut words, value, role), fresh);
                }
            }
        }
        let ring = written(&mut words, "ring", Role::Request);
        assert_eq!(ring, "request #3 search \"ring\" text/json 37 B");
    }
}
