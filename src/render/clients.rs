//! What a client got back: JSON events, and text for people.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::json;

use super::json::{self as as_json, maybe_micros, micros, with_bytes};
use super::{escape, load, python};
use crate::load::Reply;
use crate::message::{Content, Message};
use crate::ping::clock::Realtime;
use crate::service::Peer;

/// A connection, as an event describes it.
#[derive(Debug)]
pub struct Reached<'a> {
    /// The other end.
    pub peer: &'a Peer,
    /// This end.
    pub local: &'a Peer,
    /// How long connecting took.
    pub connect: Duration,
}

/// An exchange of the application protocol.
#[derive(Debug)]
pub struct AppExchange<'a> {
    /// The connection.
    pub reached: Reached<'a>,
    /// The request as sent.
    pub request: &'a [u8],
    /// The reply.
    pub message: &'a Message<'a>,
    /// Its content, decoded.
    pub content: &'a Content<'a>,
    /// Whether the reply is a success.
    pub verdict: Reply,
    /// From the start to the first byte of the reply.
    pub first_byte: Option<Duration>,
    /// From the start to the end of the reply.
    pub total: Duration,
    /// Errors of the addresses that were tried before.
    pub tried: Vec<String>,
}

impl AppExchange<'_> {
    /// The event.
    pub fn write_json(&self, out: &mut impl Write, now: Realtime) -> io::Result<()> {
        let mut reply = serde_json::Map::new();
        reply.insert("bytes".to_owned(), json!(self.message.wire.len()));
        reply.insert("header".to_owned(), as_json::header(&self.message.header));
        as_json::content(&mut reply, self.content);
        let trouble = match self.verdict {
            Reply::Bad(why) => Some(why),
            _ => None,
        };
        let fields = json!({
            "ok": self.verdict == Reply::Good,
            "trouble": trouble,
            "result": self.content.result(),
            "peer": as_json::peer(self.reached.peer),
            "local": as_json::peer(self.reached.local),
            "request": with_bytes(json!({ "bytes": self.request.len() }), "data", self.request),
            "reply": reply,
            "times": {
                "connect_us": micros(self.reached.connect),
                "first_byte_us": maybe_micros(self.first_byte),
                "total_us": micros(self.total),
            },
            "tried": self.tried,
        });
        as_json::timed_event(out, "app-client", "exchange", &fields, now)
    }
}

/// The result in a reply, for people.
pub fn write_result(out: &mut impl Write, content: &Content<'_>) -> io::Result<()> {
    let text = match content {
        Content::Json(value) => content.result().unwrap_or(value).py_str(),
        Content::Binary(bytes) => String::from_utf8_lossy(bytes),
    };
    writeln!(out, "{}", escape::text(&text))
}

/// A message and its echo.
#[derive(Debug)]
pub struct Echo<'a> {
    /// Our end and the server's.
    pub ends: Option<(&'a Peer, &'a Peer)>,
    /// How long connecting took; `None` for a datagram.
    pub connect: Option<Duration>,
    /// What was sent.
    pub message: &'a [u8],
    /// What came back.
    pub received: &'a [u8],
    /// From sending to the whole echo.
    pub latency: Duration,
    /// The server closed the connection in the middle of the echo.
    pub cut: bool,
}

impl Echo<'_> {
    /// Whether the echo equals the message.
    pub fn is_same(&self) -> bool {
        self.message == self.received
    }

    /// The event.
    pub fn write_json(&self, out: &mut impl Write, now: Realtime) -> io::Result<()> {
        let (local, peer) = self.ends.unzip();
        let common = json!({
            "same": self.is_same(),
            "peer": peer.map(as_json::peer),
            "local": local.map(as_json::peer),
            "latency_us": micros(self.latency),
        });
        let connection = self.connect.map(|connect| {
            json!({
                "complete": !self.cut,
                "connect_us": micros(connect),
                "sent_bytes": self.message.len(),
                "received_bytes": self.received.len(),
            })
        });
        let event = if connection.is_some() {
            "exchange"
        } else {
            "datagram"
        };
        let fields = as_json::joined([common, connection.unwrap_or_default()]);
        let fields = with_bytes(fields, "received", self.received);
        as_json::timed_event(out, "echo-client", event, &fields, now)
    }

    /// As the tutorial's transcript has it.
    pub fn write_transcript(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "Received {}", python::bytes(self.received))
    }

    /// The bytes: for people as text on a line, otherwise exactly as they came, and then these.
    pub fn write(&self, out: &mut impl Write, exact: Option<&[u8]>) -> io::Result<()> {
        if let Some(end) = exact {
            out.write_all(self.received)?;
            return out.write_all(end);
        }
        let text = String::from_utf8_lossy(self.received);
        writeln!(out, "{}", escape::text(&text))
    }

    /// What is wrong with the echo, if anything.
    pub fn fault(&self, verify: bool) -> Option<String> {
        let (sent, came) = (self.message.len(), self.received.len());
        if self.cut {
            return Some(format!(
                "echo cut off: the server closed after {came} of {sent} bytes"
            ));
        }
        if !verify || self.is_same() {
            return None;
        }
        let pairs = self.message.iter().zip(self.received);
        let at = pairs.clone().position(|(sent, came)| sent != came);
        let at = at.unwrap_or(sent.min(came));
        Some(format!(
            "the echo differs from byte {at} on ({sent} sent, {came} received)"
        ))
    }
}

/// A stream and what came back of it.
#[derive(Debug)]
pub struct Stream {
    /// Whether both were compared.
    pub verify: bool,
    /// Whether they are equal.
    pub same: bool,
    /// Where they differ first.
    pub differs: Option<u64>,
    /// Whether all of the input was taken and came back.
    pub complete: bool,
    /// Bytes sent.
    pub sent: u64,
    /// Bytes received.
    pub received: u64,
    /// How long it took.
    pub elapsed: Duration,
}

impl Stream {
    fn bytes_per_second(&self) -> f64 {
        self.received as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// The event.
    pub fn write_json(&self, out: &mut impl Write, now: Realtime) -> io::Result<()> {
        let fields = json!({
            "verified": self.verify,
            "same": self.verify.then_some(self.same),
            "differs_at_byte": self.differs.filter(|_| self.verify),
            "complete": self.complete,
            "sent_bytes": self.sent,
            "received_bytes": self.received,
            "elapsed_us": micros(self.elapsed),
            "bytes_per_second": self.bytes_per_second(),
        });
        as_json::timed_event(out, "echo-client", "stream", &fields, now)
    }

    /// One line for people.
    pub fn line(&self) -> String {
        let verdict = match (self.verify, self.same) {
            (false, _) => "streamed",
            (true, true) => "verified",
            (true, false) => "NOT THE SAME",
        };
        format!(
            "{verdict}: {} sent, {} received in {:.3} s ({:.0} MB/s)",
            load::bytes(self.sent),
            load::bytes(self.received),
            self.elapsed.as_secs_f64(),
            self.bytes_per_second() / 1e6,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_is_escaped_for_a_terminal_and_exact_elsewhere() {
        let received: Vec<u8> = (0..=255).collect();
        let echo = Echo {
            ends: None,
            connect: None,
            message: b"x",
            received: &received,
            latency: Duration::ZERO,
            cut: false,
        };
        let written = |exact: Option<&[u8]>| {
            let mut out = Vec::new();
            echo.write(&mut out, exact).unwrap();
            out
        };
        assert_eq!(written(Some(b"")), received);
        assert_eq!(written(Some(b"\n")), [&received[..], b"\n"].concat());
        let shown = String::from_utf8(written(None)).unwrap();
        let line = shown.strip_suffix('\n').unwrap();
        assert!(!line.contains(escape::is_unsafe), "{line:?}");
    }
}
