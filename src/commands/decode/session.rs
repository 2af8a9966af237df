//! One run: frames in, lines out.

use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Write as _};

use super::Args;
use crate::capfile::{Frame, Timestamp};
use crate::commands::Context;
use crate::error::{Error, Result};
use crate::packet::record::{Network, Transport};
use crate::packet::{Decoded, decode};
use crate::render::decode::{Buffer, Clock, Line, Lines, words};
use crate::stream::{
    self, Finding, Found, Piece, Seen, Settings, Sink, StreamRef, Summary, Tracker,
};
use crate::sys::capture::Watcher;

/// Output is written in pieces of this size.
const PIECE: usize = 256 * 1024;

/// What a run knows.
pub(super) struct Session {
    tracker: Tracker,
    lines: Lines,
    out: Buffer,
    take: Take,
    count: Option<u64>,
    last_time: Timestamp,
}

/// Takes what the tracker finds.
#[derive(Default)]
struct Take {
    /// The application messages that the frame at hand completes, in words.
    words: Buffer,
}

impl Sink for Take {
    fn message(&mut self, found: &Found<'_>) {
        if !self.words.is_empty() {
            self.words.text(", ");
        }
        words::write(&mut self.words, found);
    }

    fn finding(&mut self, _finding: Finding) {}

    fn data(&mut self, _stream: &StreamRef, _piece: Piece<'_>) {}

    fn stream(&mut self, _summary: &Summary) {}
}

impl Session {
    pub(super) fn new(args: &Args, _context: &Context) -> Session {
        Session {
            tracker: Tracker::new(settings(args)),
            lines: Lines::new(Clock::new(args.time.format()), args.absolute_seq),
            out: Buffer::with_capacity(PIECE + 4096),
            take: Take::default(),
            count: args.count,
            last_time: Timestamp::default(),
        }
    }

    /// The capture is over.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.tracker.finish(&mut self.take);
        self.flush()
    }

    fn flush(&mut self) -> Result<()> {
        let result = io::stdout().write_all(self.out.as_bytes());
        self.out.clear();
        result
            .and_then(|()| io::stdout().flush())
            .map_err(Error::output)
    }

    /// The connection of a segment.
    #[inline]
    fn track(&mut self, frame: &Frame<'_>, time: Timestamp, decoded: &Decoded) -> Option<Seen> {
        let layers = decoded.innermost();
        let (Network::Ip(ip), Transport::Tcp(tcp)) = (&layers.network, &layers.transport) else {
            return None;
        };
        if ip.fragment.is_some() {
            return None;
        }
        let frame = stream::Frame {
            number: frame.number,
            time: nanos(time),
            bytes: frame.data,
            wire_length: frame.original_len,
        };
        Some(self.tracker.segment(&frame, ip, tcp, &mut self.take))
    }
}

fn settings(args: &Args) -> Settings {
    Settings {
        app_ports: if args.no_app {
            Vec::new()
        } else {
            args.app_port.clone()
        },
        app_any: args.app_any,
        assemble_all: false,
        follow: None,
        overlap: args.overlap.overlap(),
        max_memory: args.max_memory,
        max_streams: 1 << 20,
        // The standard library seeds this from the system's random numbers.
        seed: RandomState::new().hash_one(0),
    }
}

/// Nanoseconds since 1970; a time that has no room is the last that has.
#[inline]
fn nanos(time: Timestamp) -> i64 {
    time.seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(i64::from(time.nanoseconds))
}

impl Watcher for Session {
    fn has_nanoseconds(&mut self) {
        self.lines.clock().set_nanoseconds(true);
    }

    #[inline]
    fn frame(&mut self, frame: &Frame<'_>) -> Result<bool> {
        let time = frame.time.unwrap_or(self.last_time);
        self.last_time = time;
        self.lines.clock().see(time);
        let decoded = decode(frame.link, frame.data, frame.original_len);
        self.take.words.clear();
        let seen = self.track(frame, time, &decoded);
        let line = Line {
            number: frame.number,
            time,
            length: frame.original_len,
            bytes: frame.data,
            decoded: &decoded,
            seen: seen.as_ref(),
            answers: None,
            application: Some(self.take.words.as_bytes()).filter(|words| !words.is_empty()),
        };
        self.lines.write(&mut self.out, &line);
        if self.out.len() >= PIECE {
            self.flush()?;
        }
        Ok(self.count.is_none_or(|count| frame.number < count))
    }

    fn progress(&mut self, _offset: u64) {}

    fn pause(&mut self) -> Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        self.flush()
    }
}
