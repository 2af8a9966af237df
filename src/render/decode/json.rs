//! Frames, messages, connections and findings as JSON, one object a line.

use std::net::IpAddr;

use super::buffer::Buffer;
use super::expert;
use crate::capfile::Timestamp;
use crate::message::Content;
use crate::render::escape;
use crate::stream::{Fact, Found, Piece, Role, Sent, StreamRef, Summary};

/// `,"KEY":` in one piece.
macro_rules! key {
    ($out:expr, $key:literal) => {
        $out.text(concat!(",\"", $key, "\":"))
    };
}

/// What every line begins with.
macro_rules! begin {
    ($event:literal) => {
        concat!(
            "{\"schema\":\"sockdoc.decode/1\",\"event\":\"",
            $event,
            "\""
        )
    };
}

mod packets;

pub use packets::Packets;

/// What a run came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Frames that were read.
    pub frames: u64,
    /// Frames that were shown.
    pub shown: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// Connections.
    pub streams: u64,
    /// Application messages.
    pub messages: u64,
    /// Findings.
    pub findings: u64,
}

/// An application message.
pub fn message(out: &mut Buffer, found: &Found<'_>) {
    out.text(begin!("message"));
    key!(out, "frame");
    out.number(found.frame);
    nanos(out, found.time);
    direction(out, &found.stream);
    key!(out, "role");
    out.text(match found.role {
        Role::Request => "\"request\"",
        Role::Reply => "\"reply\"",
    });
    key!(out, "number");
    match found.number {
        Some(number) => out.number(u64::from(number)),
        None => out.text("null"),
    }
    key!(out, "guessed");
    out.text(if found.guessed { "true" } else { "false" });
    key!(out, "latency_us");
    match found.latency {
        Some(latency) => micros(out, latency),
        None => out.text("null"),
    }
    let header = &found.message.header;
    key!(out, "header_bytes");
    let message = &found.message;
    // The length in front of it is none of it.
    out.number((message.wire.len() - message.content.len()).saturating_sub(2) as u64);
    key!(out, "content_type");
    string(out, &header.content_type);
    key!(out, "content_encoding");
    string(out, &header.content_encoding);
    key!(out, "content_bytes");
    out.number(found.message.content.len() as u64);
    content(out, found);
    out.text("}\n");
}

fn content(out: &mut Buffer, found: &Found<'_>) {
    match found.message.decode() {
        Ok(Content::Json(value)) => {
            key!(out, "json");
            let text = String::from_utf8(crate::message::to_json(&value)).unwrap_or_default();
            out.text(&crate::render::json::without_controls(&text));
        }
        Ok(Content::Binary(bytes)) => content_bytes(out, bytes),
        Err(error) => {
            key!(out, "error");
            string(out, &error.to_string());
        }
    }
}

/// The next bytes of a connection that is followed.
pub fn data(out: &mut Buffer, stream: &StreamRef, piece: Piece<'_>) {
    out.text(begin!("data"));
    direction(out, stream);
    key!(out, "from_client");
    out.text(if stream.from_client { "true" } else { "false" });
    match piece {
        Piece::Gap(length) => {
            key!(out, "missing_bytes");
            out.number(u64::from(length));
        }
        Piece::Data(bytes) => content_bytes(out, bytes),
    }
    out.text("}\n");
}

/// Bytes as text; if they are not UTF-8 lossy, with an exact `_hex` twin.
fn content_bytes(out: &mut Buffer, bytes: &[u8]) {
    key!(out, "content");
    string(out, &String::from_utf8_lossy(bytes));
    if std::str::from_utf8(bytes).is_err() {
        key!(out, "content_hex");
        string(out, &crate::render::json::hex(bytes));
    }
}

/// A connection that is over, or as far as the capture shows it.
pub fn stream(out: &mut Buffer, summary: &Summary) {
    out.text(begin!("stream"));
    key!(out, "stream");
    out.number(u64::from(summary.number));
    key!(out, "client");
    end_of(out, summary.client);
    key!(out, "server");
    end_of(out, summary.server);
    key!(out, "first_frame");
    out.number(summary.first_frame);
    nanos(out, summary.first);
    key!(out, "duration_us");
    micros(out, summary.last.saturating_sub(summary.first));
    key!(out, "handshake_us");
    match summary.handshake {
        Some(handshake) => micros(out, handshake),
        None => out.text("null"),
    }
    key!(out, "ended");
    string(out, summary.ended.words());
    key!(out, "from_client");
    sent_by(out, &summary.from_client, summary.messages[0]);
    key!(out, "from_server");
    sent_by(out, &summary.from_server, summary.messages[1]);
    out.text("}\n");
}

fn sent_by(out: &mut Buffer, sent: &Sent, messages: u32) {
    out.text("{\"packets\":");
    out.number(sent.packets);
    key!(out, "bytes");
    out.number(sent.bytes);
    key!(out, "data_bytes");
    out.number(sent.data_bytes);
    key!(out, "retransmissions");
    out.number(u64::from(sent.retransmissions));
    key!(out, "out_of_order");
    out.number(u64::from(sent.out_of_order));
    key!(out, "lost_segments");
    out.number(u64::from(sent.lost));
    key!(out, "duplicate_acks");
    out.number(u64::from(sent.duplicate_acks));
    key!(out, "zero_windows");
    out.number(u64::from(sent.zero_windows));
    key!(out, "zero_window_us");
    micros(out, sent.zero_window_time);
    key!(out, "messages");
    out.number(u64::from(messages));
    out.byte(b'}');
}

/// Something noteworthy beside what a packet's `analysis` says.
pub fn finding(out: &mut Buffer, fact: &Fact) {
    out.text(begin!("finding"));
    key!(out, "frame");
    out.number(fact.frame);
    nanos(out, fact.time);
    direction(out, &fact.stream);
    key!(out, "kind");
    string(out, expert::kind(&fact.noted));
    key!(out, "message");
    string(out, &expert::words(&fact.noted));
    out.text("}\n");
}

/// A mark of a segment as a finding.
pub fn mark(out: &mut Buffer, frame: u64, time: i64, stream: &StreamRef, words: &str) {
    out.text(begin!("finding"));
    key!(out, "frame");
    out.number(frame);
    nanos(out, time);
    direction(out, stream);
    key!(out, "kind");
    string(out, "tcp_analysis");
    key!(out, "message");
    string(out, words);
    out.text("}\n");
}

/// The end of the capture. `complete` says that it was read to its end.
pub fn end(out: &mut Buffer, totals: &Totals, complete: bool) {
    out.text(begin!("end"));
    key!(out, "frames");
    out.number(totals.frames);
    key!(out, "shown");
    out.number(totals.shown);
    key!(out, "bytes");
    out.number(totals.bytes);
    key!(out, "streams");
    out.number(totals.streams);
    key!(out, "messages");
    out.number(totals.messages);
    key!(out, "findings");
    out.number(totals.findings);
    key!(out, "complete");
    out.text(if complete { "true" } else { "false" });
    out.text("}\n");
}

fn direction(out: &mut Buffer, stream: &StreamRef) {
    key!(out, "stream");
    out.number(u64::from(stream.number));
    key!(out, "source");
    end_of(out, stream.source);
    key!(out, "destination");
    end_of(out, stream.destination);
}

fn end_of(out: &mut Buffer, (ip, port): (IpAddr, u16)) {
    out.text("{\"addr\":");
    address(out, ip);
    key!(out, "port");
    out.number(u64::from(port));
    out.byte(b'}');
}

/// An address in quotes.
#[inline]
fn address(out: &mut Buffer, ip: IpAddr) {
    out.byte(b'"');
    out.address(ip);
    out.byte(b'"');
}

/// Seconds since 1970 to the nanosecond.
#[inline]
fn time(out: &mut Buffer, time: Timestamp) {
    key!(out, "time_s");
    // Of a negative time the seconds are rounded down, and the fraction is counted from there.
    if time.seconds < 0 {
        let nanos = time.as_nanos();
        let (seconds, rest) = (
            nanos / 1_000_000_000,
            (nanos % 1_000_000_000).unsigned_abs(),
        );
        let sign = if nanos < 0 { "-" } else { "" };
        let seconds = seconds.unsigned_abs();
        return out.format(format_args!("{sign}{seconds}.{rest:09}"));
    }
    out.number(time.seconds.unsigned_abs());
    out.byte(b'.');
    out.zeros(u64::from(time.nanoseconds), 9);
}

fn nanos(out: &mut Buffer, nanos: i64) {
    let nanoseconds = u32::try_from(nanos.rem_euclid(1_000_000_000)).unwrap_or(0);
    time(
        out,
        Timestamp {
            seconds: nanos.div_euclid(1_000_000_000),
            nanoseconds,
        },
    );
}

/// A duration in nanoseconds as microseconds.
fn micros(out: &mut Buffer, nanos: i64) {
    if nanos < 0 {
        out.byte(b'-');
    }
    let nanos = nanos.unsigned_abs();
    out.number(nanos / 1000);
    out.byte(b'.');
    out.zeros(nanos % 1000, 3);
}

/// A string in quotes; what a terminal could obey is written as `\u....`.
pub(super) fn string(out: &mut Buffer, text: &str) {
    out.byte(b'"');
    let is_plain = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\';
    if text.bytes().all(is_plain) {
        out.text(text);
    } else {
        for c in text.chars() {
            match c {
                '"' => out.text("\\\""),
                '\\' => out.text("\\\\"),
                '\n' => out.text("\\n"),
                '\r' => out.text("\\r"),
                '\t' => out.text("\\t"),
                c if escape::is_unsafe(c) => out.format(format_args!("\\u{:04x}", c as u32)),
                c => out.text(c.encode_utf8(&mut [0; 4])),
            }
        }
    }
    out.byte(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Buffer)) -> String {
        let mut out = Buffer::default();
        write(&mut out);
        String::from_utf8(out.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn strings_are_the_same_to_a_reader_whatever_is_in_them() {
        for text in ["", "plain", "a\"b\\c\n\r\t\u{1}\x1b\u{9b}\u{202e}é🐰"] {
            let json = written(|out| string(out, text));
            assert!(!json.contains('\x1b') && !json.contains('\u{9b}'));
            assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
    }

    #[test]
    fn times_are_exact_to_the_nanosecond_on_both_sides_of_1970() {
        let at = |seconds, nanoseconds| Timestamp {
            seconds,
            nanoseconds,
        };
        for (moment, text) in [
            (at(1_700_000_000, 7), ",\"time_s\":1700000000.000000007"),
            (at(0, 0), ",\"time_s\":0.000000000"),
            (at(-1, 500_000_000), ",\"time_s\":-0.500000000"),
            (at(-2, 0), ",\"time_s\":-2.000000000"),
        ] {
            assert_eq!(written(|out| time(out, moment)), text);
        }
        assert_eq!(written(|out| micros(out, -1_500)), "-1.500");
    }
}
