//! What is said while a session runs, and at its end.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use super::flags::{Flags, Format};
use crate::commands::Context;
use crate::commands::serving::{print, tell};
use crate::error::{Error, Result};
use crate::ping::clock::Monotonic;
use crate::ping::event::{Event, Verdict};
use crate::ping::losses::Unsent;
use crate::ping::session::{Request, Session};
use crate::render::json as as_json;
use crate::render::ping::lines::{self, Dialect, Lines, Opening};
use crate::render::ping::{account, json};
use crate::sys::clock;
use crate::sys::icmp::runner::{Runner, Witness};
use crate::sys::names::Names;

/// So long the name of the target is waited for before the first request.
const PATIENCE: Duration = Duration::from_millis(250);

/// What is said, and in whose words.
pub(super) struct Show {
    voice: Voice,
    out: Vec<u8>,
    quiet: bool,
    dots: bool,
    outstanding: bool,
    percentiles: Vec<f64>,
    hist: bool,
    names: Option<Names>,
    summary: Option<Every>,
    /// A firewall of this host is told of once.
    told_firewall: bool,
}

/// In whose words.
enum Voice {
    Lines(Lines),
    Json,
}

/// Something that is due every so often.
struct Every {
    interval: Duration,
    next: Monotonic,
}

impl Show {
    /// Says the first line.
    pub(super) fn open(
        flags: &Flags,
        context: &Context,
        session: &Session,
        runner: &Runner,
        source: Option<IpAddr>,
    ) -> Result<Show> {
        let show = &flags.show;
        let voice = if context.json {
            Voice::Json
        } else {
            Voice::Lines(Lines {
                dialect: match show.format {
                    Some(Format::Bsd) => Dialect::Bsd,
                    Some(Format::Iputils) | None => Dialect::Iputils,
                },
                with_time: show.timestamps,
                with_bell: show.audible,
                with_identifier: context.verbose,
            })
        };
        let mut this = Show {
            voice,
            out: Vec::new(),
            quiet: show.quiet,
            dots: flags.draws_dots() && !context.json,
            outstanding: show.outstanding,
            percentiles: show.percentiles.clone(),
            hist: show.hist,
            names: names(flags, context, session),
            summary: show.summary_every.map(|interval| Every {
                interval,
                next: clock::monotonic() + interval,
            }),
            told_firewall: false,
        };
        if context.verbose {
            for socket in runner.sockets() {
                tell(&describe(socket));
            }
        }
        this.opening(flags, session, source)?;
        Ok(this)
    }

    fn opening(&mut self, flags: &Flags, session: &Session, source: Option<IpAddr>) -> Result<()> {
        let target = session.target(0);
        match &self.voice {
            Voice::Json => {}
            Voice::Lines(lines) => {
                let names = self.names.as_mut();
                let reverse = names.and_then(|it| it.of_within(target.address, PATIENCE));
                let interface = flags.what.interface.as_deref();
                let device = interface.filter(|word| word.parse::<IpAddr>().is_err());
                let opening = Opening {
                    reverse,
                    source: source.unwrap_or(target.address),
                    device,
                    tell_source: interface.is_some(),
                    pattern: flags.pattern(),
                };
                lines
                    .opening(&mut self.out, session, &opening)
                    .map_err(Error::output)?;
            }
        }
        self.flush()
    }

    /// Says the statistics.
    pub(super) fn finish(&mut self, session: &Session) -> Result<()> {
        match &self.voice {
            Voice::Json => {
                let now = session.realtime(clock::monotonic());
                let summary = json::figures(session, "summary", &self.percentiles, now);
                as_json::line(&mut self.out, &summary).map_err(Error::output)?;
            }
            Voice::Lines(lines) => {
                lines
                    .statistics(&mut self.out, session)
                    .and_then(|()| account::write(&mut self.out, session, &self.percentiles))
                    .map_err(Error::output)?;
                if self.hist {
                    account::write_histogram(&mut self.out, session).map_err(Error::output)?;
                }
            }
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        let result = print(&self.out).map_err(Error::output);
        self.out.clear();
        result
    }

    /// What belongs on standard error.
    fn complain(&mut self, event: &Event) {
        if let Event::Unsent {
            why: Unsent::Firewall,
            ..
        } = event
            && std::mem::replace(&mut self.told_firewall, true)
        {
            return;
        }
        if let Some(words) = lines::complaint(event) {
            tell(&words);
        }
    }
}

impl Witness for Show {
    fn sent(&mut self, session: &Session, request: &Request) {
        if self.dots {
            self.out.push(b'.');
        }
        let Some(sequence) = request
            .unanswered
            .filter(|_| self.outstanding && !self.quiet)
        else {
            return;
        };
        let now = session.realtime(clock::monotonic());
        match &self.voice {
            Voice::Lines(lines) => {
                // Writing to memory does not fail, here and below.
                let _ = lines.unanswered(&mut self.out, sequence, now);
            }
            Voice::Json => {
                let target = session.target(request.target);
                let mut object = json::object("no_answer_yet");
                object.insert("target".to_owned(), target.name.clone().into());
                object.insert("seq".to_owned(), sequence.into());
                let _ = as_json::line(&mut self.out, &object);
            }
        }
    }

    fn event(&mut self, session: &Session, event: &Event) {
        match &self.voice {
            Voice::Json if self.quiet => {}
            Voice::Json => {
                let now = session.realtime(clock::monotonic());
                let object = json::event(session, event, now);
                let _ = as_json::line(&mut self.out, &object);
            }
            Voice::Lines(_) if self.dots => {
                if let Event::Reply(reply) = event
                    && reply.counts
                    && reply.verdict != Verdict::Duplicate
                {
                    self.out.extend_from_slice(b"\x08 \x08");
                } else {
                    self.complain(event);
                }
            }
            Voice::Lines(lines) => {
                if !self.quiet {
                    let names = &mut self.names;
                    let mut name_of = |address| {
                        let name = names.as_mut()?.of(address)?;
                        Some(name.to_owned())
                    };
                    let _ = lines.event(&mut self.out, session, event, &mut name_of);
                }
                self.complain(event);
            }
        }
    }

    fn asked(&mut self, session: &Session) {
        match &self.voice {
            Voice::Json => {
                let now = session.realtime(clock::monotonic());
                let so_far = json::figures(session, "interval", &self.percentiles, now);
                let _ = as_json::line(&mut self.out, &so_far);
            }
            Voice::Lines(_) => {
                let _ = self.flush();
                tell_plainly(&lines::short(session));
            }
        }
    }

    fn turn(&mut self, session: &Session, now: Monotonic) -> Result<Option<Monotonic>> {
        let is_due = self.summary.as_ref().is_some_and(|it| it.next <= now);
        if is_due {
            self.asked(session);
        }
        self.flush()?;
        Ok(self.summary.as_mut().map(|every| {
            while every.next <= now {
                every.next = every.next + every.interval;
            }
            every.next
        }))
    }
}

/// The thread that looks names up: as with iputils where a name was typed, and `-n` was not.
fn names(flags: &Flags, context: &Context, session: &Session) -> Option<Names> {
    let target = session.target(0);
    let is_name = target.name.split('%').next()?.parse::<IpAddr>().is_err();
    let wanted = is_name && !flags.whom.numeric && !context.json && session.target_count() == 1;
    wanted.then(Names::start)?.ok()
}

/// Of `-v`: which socket, which stamps.
fn describe(socket: &crate::sys::icmp::IcmpSocket) -> String {
    let kind = if socket.is_raw { "raw" } else { "datagram" };
    let stamps: Cow<'_, str> = if socket.has_stamps {
        "stamps of the kernel".into()
    } else {
        "no stamps of the kernel".into()
    };
    let (word, identifier) = (socket.version.word(), socket.identifier);
    format!("{kind} {word} socket, identifier {identifier}, {stamps}")
}

/// A line on standard error as scripts know it from iputils.
fn tell_plainly(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{line}");
}
