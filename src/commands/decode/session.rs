//! One run: frames in, lines out.

use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Write as _};

use super::output::Output;
use super::selection::Selection;
use super::take::Take;
use super::{Args, View};
use crate::capfile::{Frame, Interface, LinkType, Timestamp};
use crate::commands::Context;
use crate::commands::serving::tell;
use crate::error::{Error, Kind, Result};
use crate::filter::Subject;
use crate::packet::checksum;
use crate::packet::fragments::Fragments;
use crate::packet::record::{Network, Transport};
use crate::packet::{Decoded, decode};
use crate::render::decode::names::{Asked, Names};
use crate::render::decode::{
    Buffer, Clock, Follow, Line, Lines, Stats, Totals, Words, csv, json, streams,
};
use crate::render::hexdump::Hexdump;
use crate::render::{Paint, Style};
use crate::stream::{self, Echoes, Seen, Settings, StreamRef, Summary, Tracker};
use crate::sys::capture::Watcher;
use crate::sys::resolve;
use crate::sys::terminal::Progress;

/// Output is written in pieces of this size.
const PIECE: usize = 256 * 1024;

/// What a run knows.
pub(super) struct Session<'a> {
    args: &'a Args,
    style: Style,
    width: Option<u16>,
    tracker: Tracker,
    echoes: Echoes,
    fragments: Fragments,
    selection: Selection,
    lines: Lines,
    packets: json::Packets,
    stats: Stats,
    out: Buffer,
    take: Take,
    output: Option<Output>,
    last_time: Timestamp,
    progress: Option<Progress>,
}

impl<'a> Session<'a> {
    pub(super) fn new(args: &'a Args, context: &Context) -> Result<Session<'a>> {
        let view = args.view();
        let clock = || Clock::new(args.time.format());
        let mut session = Session {
            args,
            style: context.style,
            width: context.width,
            tracker: Tracker::new(settings(args, context.json)),
            echoes: Echoes::default(),
            fragments: Fragments::default(),
            selection: Selection::new(&args.filter)?,
            lines: Lines::new(clock(), args.absolute_seq).with_names(names(args)),
            packets: json::Packets::default(),
            stats: Stats::default(),
            out: Buffer::with_capacity(PIECE + 4096),
            take: Take {
                view,
                json: context.json,
                clock: clock(),
                phrases: Words::default(),
                words: Buffer::default(),
                behind: Buffer::default(),
                noted: false,
                summaries: Vec::new(),
                most_summaries: args.max_memory / size_of::<Summary>(),
                untold: 0,
                evicted: 0,
                stopped: false,
                follow: args.follow.map(|_| Follow::new(context.style, args.hex)),
                followed: Vec::new(),
                totals: Totals::default(),
            },
            output: args.write.as_deref().map(Output::create).transpose()?,
            last_time: Timestamp::default(),
            progress: None,
        };
        if args.csv {
            csv::header(&mut session.out);
        }
        Ok(session)
    }

    /// Shows how far the run is.
    pub(super) fn show_progress(&mut self, total: u64) {
        self.progress = Some(Progress::start(Some(total)));
    }

    /// The capture is over; `complete` says that it was read to its end. Whether the answer is good.
    pub(super) fn finish(&mut self, complete: bool) -> Result<bool> {
        if let Some(progress) = self.progress.take() {
            progress.finish();
        }
        let shown = self.take.totals.shown;
        self.take.stopped = self.args.count.is_some_and(|count| shown >= count);
        self.take.begin();
        self.tracker.finish(&mut self.take);
        self.pass_on_behind();
        self.take.totals.streams = u64::from(self.tracker.streams());
        let totals = self.take.totals;
        if self.take.json {
            if self.take.view == View::Stats {
                self.stats.write_json(&mut self.out);
            }
            json::end(&mut self.out, &totals, complete && !self.take.stopped);
        }
        self.flush()?;
        if let Some(output) = self.output.take() {
            output.finish()?;
        }
        let mut text = Vec::new();
        match self.take.view {
            _ if self.take.json => Ok(()),
            View::Streams => streams::write(&mut text, &mut self.take.summaries, self.width),
            View::Stats => self.stats.write(&mut text, &totals),
            View::Expert if totals.findings == 0 => writeln!(text, "nothing noteworthy"),
            View::Follow(_) => match &mut self.take.follow {
                Some(follow) => follow.finish(&mut text),
                None => Ok(()),
            },
            _ => Ok(()),
        }
        .and_then(|()| io::stdout().write_all(&text))
        .map_err(Error::output)?;
        let forgotten = self.fragments.forgotten();
        if forgotten > 0 {
            tell(&format!(
                "{forgotten} fragmented packets were given up: too many waited for their fragments"
            ));
        }
        let Take {
            evicted, untold, ..
        } = self.take;
        if evicted + untold > 0 {
            tell(&format!(
                "--max-memory: {evicted} streams were forgotten before their end, and {untold} are not in \
                 the table"
            ));
        }
        self.verdict(&totals)
    }

    fn verdict(&self, totals: &Totals) -> Result<bool> {
        match self.take.view {
            View::Follow(number) if u64::from(number) >= totals.streams => {
                let cause = match totals.streams {
                    0 => "the capture has no TCP stream".to_owned(),
                    many => format!("the capture has the streams 0 to {}", many - 1),
                };
                Err(
                    Error::new(Kind::BadAnswer, format!("follow stream {number}"), cause)
                        .next("list the streams: sockdoc decode FILE --streams"),
                )
            }
            View::Expert => Ok(totals.findings == 0),
            _ => Ok(true),
        }
    }

    fn flush(&mut self) -> Result<()> {
        let mut stdout = io::stdout().lock();
        let result = stdout
            .write_all(self.out.as_bytes())
            .and_then(|()| stdout.flush());
        self.out.clear();
        result.map_err(Error::output)
    }

    fn pass_on_behind(&mut self) {
        self.out.bytes(self.take.behind.as_bytes());
        self.take.behind.clear();
        if !self.take.followed.is_empty() {
            self.out.bytes(&self.take.followed);
            self.take.followed.clear();
        }
    }

    /// The connection of a segment.
    #[inline]
    fn track(
        &mut self,
        frame: &Frame<'_>,
        bytes: &[u8],
        time: i64,
        decoded: &Decoded,
    ) -> Option<Seen> {
        let layers = decoded.innermost();
        let (Network::Ip(ip), Transport::Tcp(tcp)) = (&layers.network, &layers.transport) else {
            return None;
        };
        if ip.fragment.is_some() {
            return None;
        }
        let tracked = stream::Frame {
            number: frame.number,
            time,
            bytes,
            wire_length: frame.original_len,
        };
        let seen = self.tracker.segment(&tracked, ip, tcp, &mut self.take);
        self.take.marks(frame.number, time, &seen, || StreamRef {
            number: seen.stream,
            source: (ip.source, tcp.source),
            destination: (ip.destination, tcp.destination),
            from_client: true,
        });
        Some(seen)
    }

    /// Of the fragment that makes a packet whole: the packet, of which `decoded` then tells.
    #[inline]
    fn put_together(&mut self, decoded: &mut Decoded, frame: &[u8]) -> Option<Vec<u8>> {
        let ip = decoded.ip().filter(|ip| ip.fragment.is_some())?;
        let is_v6 = ip.is_v6;
        let whole = self.fragments.take(ip, frame)?;
        let link = if is_v6 {
            LinkType::IPV6
        } else {
            LinkType::IPV4
        };
        *decoded = decode(link, &whole, u32::try_from(whole.len()).unwrap_or(u32::MAX));
        Some(whole)
    }

    /// Writes what the view has to say of a frame that was selected; `frame` is what was captured of it,
    /// and the line's bytes those of the packet that it made whole, if it did.
    #[inline]
    fn show(&mut self, line: &Line<'_>, frame: &[u8]) {
        match self.take.view {
            View::Frames if self.args.csv => csv::row(&mut self.out, line),
            View::Frames if self.take.json => self.packets.write(&mut self.out, line),
            View::Frames => self.show_line(line, frame),
            View::Stats => {
                let Line {
                    time,
                    length,
                    decoded,
                    seen,
                    ..
                } = *line;
                self.stats.frame(time, frame, length, decoded, seen);
            }
            _ => {}
        }
    }

    #[inline]
    fn show_line(&mut self, line: &Line<'_>, frame: &[u8]) {
        let start = self.out.len();
        self.lines.write(&mut self.out, line);
        let paint = match line.seen {
            _ if !self.style.has_color() => None,
            _ if line.application.is_some() => Some(Paint::Bold),
            _ if self.take.noted => Some(Paint::Bad),
            _ => None,
        };
        if let Some(paint) = paint {
            let text = String::from_utf8_lossy(&self.out.as_bytes()[start..]).into_owned();
            self.out.truncate(start);
            self.out.format(format_args!(
                "{}\n",
                self.style.paint(paint, text.trim_end_matches('\n'))
            ));
        }
        if self.args.hex {
            let mut dump = Vec::new();
            // Writing to memory does not fail.
            let _ = Hexdump::new().write(&mut dump, "    ", frame);
            self.out.bytes(&dump);
        }
    }
}

/// Who knows names, if they are wanted.
fn names(args: &Args) -> Option<Names> {
    let look_up = |asked: Asked| match asked {
        Asked::Host(ip) => resolve::name_of(ip),
        Asked::Service(proto, port) => resolve::service_of(port, proto),
    };
    args.names.then(|| Names::new(Box::new(look_up)))
}

fn settings(args: &Args, json: bool) -> Settings {
    Settings {
        app_ports: if args.no_app {
            Vec::new()
        } else {
            args.app_port.clone()
        },
        app_any: args.app_any,
        assemble_all: args.expert,
        compare: args.expert || json,
        follow: args.follow,
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

impl Watcher for Session<'_> {
    #[inline]
    fn frame(&mut self, frame: &Frame<'_>, interface: &Interface) -> Result<bool> {
        let time = frame.time.unwrap_or(self.last_time);
        self.last_time = time;
        let is_fine = interface.resolution.is_finer_than_microseconds();
        let clock = match self.take.view {
            View::Messages => &mut self.take.clock,
            _ => self.lines.clock(),
        };
        clock.set_nanoseconds(is_fine);
        clock.see(time);
        self.take.totals.frames += 1;
        let mut decoded = decode(frame.link, frame.data, frame.original_len);
        let whole = self.put_together(&mut decoded, frame.data);
        let bytes = whole.as_deref().unwrap_or(frame.data);
        self.take.begin();
        let seen = self.track(frame, bytes, nanos(time), &decoded);
        let subject = Subject {
            data: frame.data,
            original_len: frame.original_len,
            stream: seen.map(|seen| u64::from(seen.stream)),
            app: !self.take.words.is_empty(),
            expert: self.take.noted,
        };
        let answers = self.echoes.see(frame.number, &decoded, bytes);
        if !self.selection.takes(&subject, frame.link)? {
            self.take.behind.clear();
            self.take.followed.clear();
            return Ok(true);
        }
        self.take.totals.shown += 1;
        self.take.totals.bytes += u64::from(frame.original_len);
        if let Some(output) = &mut self.output {
            output.frame(frame, interface)?;
        } else {
            // A blank alone is a mark for filters.
            let words = std::mem::take(&mut self.take.words);
            let application = Some(words.as_bytes()).filter(|words| words.len() > 1);
            let line = Line {
                number: frame.number,
                time,
                length: frame.original_len,
                captured: frame.data.len(),
                bytes,
                decoded: &decoded,
                seen: seen.as_ref(),
                answers,
                application,
                wrong: self
                    .args
                    .check_checksums
                    .then(|| checksum::wrong(&decoded, bytes))
                    .flatten(),
            };
            self.show(&line, frame.data);
            self.take.words = words;
            self.pass_on_behind();
        }
        if self.out.len() >= PIECE {
            self.flush()?;
        }
        let shown = self.take.totals.shown;
        Ok(self.args.count.is_none_or(|count| shown < count))
    }

    fn progress(&mut self, offset: u64) {
        if let Some(progress) = &self.progress {
            progress.show(offset, format!("{} frames", self.take.totals.frames));
        }
    }

    fn pause(&mut self) -> Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        self.flush()
    }
}
