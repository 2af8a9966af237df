//! Frames, messages, streams and findings as JSON, one object a line.
//!
//! What comes once for each frame, message or stream is written by hand: serde takes 8 to 10 times as long
//! for the object of a packet. The rest is serde's.

use std::net::IpAddr;

use serde::Serialize;

use super::buffer::Buffer;
use super::other::unread;
use super::stats::Stats;
use super::streams::Hosts;
use super::view::EventWriter;
use super::words::Recent;
use crate::capfile::Timestamp;
use crate::diagnose::{Finding, of_fact};
use crate::dissect::{Behind, Frame, Totals};
use crate::drops::Dropped;
use crate::message::Content;
use crate::render::drops;
use crate::render::escape;
use crate::render::json::line;
use crate::stream::{AppMessage, Endpoint, Event, Fact, Noted, Role, StreamRef};

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

mod data;
mod packets;
mod streams;

use data::{content_bytes, data};
use packets::Packets;

/// Writes events as JSON.
#[derive(Debug)]
pub struct Json {
    shown: Shown,
    packets: Packets,
    stats: Stats,
    hosts: Hosts,
    recent: Recent,
}

/// Which events are written. Data and the end are always.
#[derive(Debug, Clone, Copy, Default)]
pub struct Shown {
    /// Frames.
    pub frames: bool,
    /// Application messages.
    pub messages: bool,
    /// Facts, in short; [`super::Expert`] tells all of them.
    pub facts: bool,
    /// Streams, as they end.
    pub streams: bool,
    /// The numbers of frames, at the end.
    pub stats: bool,
}

impl Json {
    /// Writes these events.
    pub fn new(shown: Shown) -> Json {
        Json {
            shown,
            packets: Packets::default(),
            stats: Stats::default(),
            hosts: Hosts::default(),
            recent: Recent::default(),
        }
    }
}

impl EventWriter for Json {
    fn dropped(&mut self, out: &mut Buffer, dropped: &Dropped) {
        if self.shown.frames {
            // Writing to memory does not fail.
            let _ = drops::write_json(out, dropped);
        }
    }

    fn stream(&mut self, out: &mut Buffer, event: &Event<'_>) {
        match event {
            Event::Message(found) if self.shown.messages => message(out, found, &mut self.recent),
            Event::Fact(fact) => match fact.noted {
                Noted::Analysis { .. } => {}
                _ if self.shown.facts => {
                    if let Some(of) = of_fact(fact) {
                        finding(out, fact, &of);
                    }
                }
                _ => {}
            },
            Event::Data(stream, piece) => data(out, stream, *piece),
            Event::Named(number, host) if self.shown.streams => self.hosts.add(*number, host),
            Event::Ended(summary) if self.shown.streams => {
                let host = self.hosts.take(summary.number);
                streams::stream(out, summary, host.as_deref());
            }
            _ => {}
        }
    }

    #[inline]
    fn frame(&mut self, out: &mut Buffer, frame: &Frame<'_>, pending: &[u8]) {
        if self.shown.frames {
            self.packets.write(out, frame);
        } else if self.shown.stats {
            self.stats.count(frame);
        }
        out.bytes(pending);
    }

    fn split(&mut self) -> Option<Box<dyn EventWriter>> {
        if !self.shown.frames {
            return None;
        }
        Some(Box::new(Json {
            packets: std::mem::take(&mut self.packets),
            ..Json::new(self.shown)
        }))
    }

    fn end(&mut self, out: &mut Buffer, totals: &Totals, _flush: &mut dyn FnMut(&mut Buffer)) {
        // Writing to memory does not fail.
        if self.shown.stats {
            let _ = line(out, &self.stats);
        }
        end(out, totals);
    }
}

/// The last line.
pub(super) fn end(out: &mut Buffer, totals: &Totals) {
    let _ = line(out, &End::of(totals));
}

/// The end of the capture.
#[derive(Debug, Serialize)]
struct End {
    schema: &'static str,
    event: &'static str,
    frames: u64,
    shown: u64,
    bytes: u64,
    streams: u64,
    messages: u64,
    findings: u64,
    not_decoded: u64,
    /// What was not decoded in the first of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_decoded_first: Option<String>,
    /// Where the filter did not look, if that made a difference.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    filter_misses: Vec<Misses>,
    /// No frame can match the filter.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    filter_rejects_all: bool,
    complete: bool,
}

/// Frames of which a filter says something else than the same filter of their innermost packet.
#[derive(Debug, Serialize)]
struct Misses {
    behind: &'static str,
    missed: u64,
    matched_outside: u64,
}

impl End {
    fn of(totals: &Totals) -> End {
        End {
            schema: "sockdoc.decode/1",
            event: "end",
            frames: totals.frames,
            shown: totals.selected,
            bytes: totals.bytes,
            streams: totals.streams,
            messages: totals.messages,
            findings: totals.facts,
            not_decoded: totals.not_decoded,
            not_decoded_first: totals.unread.map(|(what, _)| unread(what)),
            filter_misses: Behind::ALL
                .into_iter()
                .zip(totals.unseen.missed.into_iter().zip(totals.unseen.taken))
                .filter(|(_, counts)| *counts != (0, 0))
                .map(|(behind, (missed, matched_outside))| Misses {
                    behind: behind.word(),
                    missed,
                    matched_outside,
                })
                .collect(),
            filter_rejects_all: totals.rejected.is_some(),
            complete: totals.is_complete,
        }
    }
}

/// An application message.
fn message(out: &mut Buffer, found: &AppMessage<'_>, recent: &mut Recent) {
    out.text(begin!("message"));
    key!(out, "frame");
    out.number(found.frame);
    time(out, found.time);
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
    key!(out, "header_bytes");
    let message = &found.message;
    // The length prefix is not part of it.
    out.number((message.wire.len() - message.content.len()).saturating_sub(2) as u64);
    recent.write(out, found, said);
    out.text("}\n");
}

/// What its header and its content say.
fn said(out: &mut Buffer, found: &AppMessage<'_>) {
    let header = &found.message.header;
    key!(out, "content_type");
    string(out, &header.content_type);
    key!(out, "content_encoding");
    string(out, &header.content_encoding);
    key!(out, "content_bytes");
    out.number(found.message.content.len() as u64);
    content(out, found);
}

fn content(out: &mut Buffer, found: &AppMessage<'_>) {
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

/// A finding: something noteworthy.
fn finding(out: &mut Buffer, fact: &Fact, finding: &Finding) {
    out.text(begin!("finding"));
    key!(out, "frame");
    out.number(fact.frame);
    time(out, fact.time);
    if let Some(stream) = &fact.stream {
        direction(out, stream);
    }
    key!(out, "id");
    string(out, finding.rule.id);
    key!(out, "severity");
    string(out, finding.severity.word());
    key!(out, "text");
    string(out, &finding.headline);
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

fn end_of(out: &mut Buffer, (ip, port): Endpoint) {
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
    seconds(out, time);
}

/// The same without its key.
#[inline]
pub(super) fn seconds(out: &mut Buffer, time: Timestamp) {
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
