//! What is said while a session runs, and at its end.

use std::io::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use super::flags::{Flags, Format};
use super::follow::Follower;
use crate::commands::Context;
use crate::commands::serving::{print, tell};
use crate::error::{Error, Result};
use crate::ping::clock::Monotonic;
use crate::ping::event::Event;
use crate::ping::losses::Unsent;
use crate::ping::session::{Request, Session};
use crate::render::escape;
use crate::render::ping::csv::Csv;
use crate::render::ping::fping::Fping;
use crate::render::ping::json::Objects;
use crate::render::ping::lines::{self, Dialect, Lines};
use crate::render::ping::table::LiveTable;
use crate::render::ping::{DayTime, Output, TimeForm, Writer};
use crate::sys::clock;
use crate::sys::icmp::IcmpSocket;
use crate::sys::icmp::runner::{Handler, Runner};
use crate::sys::names::Names;
use crate::sys::terminal;

/// So long the name of the target is waited for before the first request.
const PATIENCE: Duration = Duration::from_millis(250);

/// What is said, and in whose words.
pub(super) struct Show {
    writer: Box<dyn Writer>,
    output: Output,
    quiet: bool,
    dots: bool,
    outstanding: bool,
    names: Option<Names>,
    summary: Option<Every>,
    /// Why requests were not sent, each reason reported once.
    told: Vec<Unsent>,
    clock: DayTime,
    follower: Follower,
}

/// Moves of names are looked at this often.
const LOOK: Duration = Duration::from_millis(500);

/// Something that is due every so often.
struct Every {
    interval: Duration,
    next: Monotonic,
}

impl Show {
    /// Says the first line. `source` is what this host sends from, with one target.
    pub(super) fn open(
        flags: &Flags,
        context: &Context,
        session: &Session,
        runner: &Runner,
        source: Option<IpAddr>,
    ) -> Result<Show> {
        let show = &flags.show;
        let writer = writer(flags, context, session, source);
        if context.verbose {
            for socket in runner.sockets() {
                tell(&describe(socket));
            }
        }
        let mut this = Show {
            dots: flags.draws_dots() && writer.wants_complaints() && session.target_count() == 1,
            writer,
            output: Output::default(),
            quiet: show.quiet,
            outstanding: show.outstanding && !show.quiet,
            names: names(flags, context, session),
            summary: show.summary_every.map(|interval| Every {
                interval,
                next: clock::monotonic() + interval,
            }),
            told: Vec::new(),
            clock: DayTime {
                form: TimeForm::Local,
                offset: clock::local_offset(),
            },
            follower: {
                let targets = (0..session.target_count()).map(|index| session.target(index));
                Follower::start(flags.targets.follow_dns, targets)
            },
        };
        let names = &mut this.names;
        let mut name_of = |address| {
            let name = names.as_mut()?.of_within(address, PATIENCE)?;
            Some(name.to_owned())
        };
        this.writer.opening(&mut this.output, session, &mut name_of);
        this.flush()?;
        Ok(this)
    }

    /// Says the statistics.
    pub(super) fn finish(&mut self, session: &Session) -> Result<()> {
        let now = session.realtime(clock::monotonic());
        self.writer.finish(&mut self.output, session, now);
        self.flush()
    }

    /// Writes what was said.
    fn flush(&mut self) -> Result<()> {
        if !self.output.out.is_empty() {
            print(&self.output.out).map_err(Error::output)?;
            self.output.out.clear();
        }
        if !self.output.err.is_empty() {
            let _ = std::io::stderr().write_all(&self.output.err);
            self.output.err.clear();
        }
        Ok(())
    }

    /// What belongs on standard error: that requests do not leave once for each reason, but where that
    /// changes with the packet, and with `-q` nothing that the account of lost packets also reports.
    fn complain(&mut self, session: &Session, event: &Event) {
        if let Event::Unsent { why, .. } = event {
            let is_one_state = matches!(why, Unsent::Firewall | Unsent::FullBuffer);
            let is_told = is_one_state && self.told.contains(why);
            if is_told || (self.quiet && *why != Unsent::Firewall) {
                return;
            }
            if is_one_state {
                self.told.push(*why);
            }
        }
        if let Some(words) = lines::complaint(session, event, self.clock) {
            let words = escape::text(&words).into_owned();
            let _ = writeln!(self.output.err, "sockdoc: {words}");
        }
    }

    /// The picture of a flood: what was answered is wiped away, what could not be sent is an E.
    fn draw(&mut self, event: &Event) {
        match event {
            Event::Reply(reply) if reply.counts => {
                self.output.out.extend_from_slice(b"\x08 \x08");
            }
            Event::Unsent { .. } => self.output.out.extend_from_slice(b"\x08E"),
            _ => {}
        }
    }
}

impl Handler for Show {
    fn sent(&mut self, session: &Session, request: &Request) {
        if self.dots {
            self.output.out.push(b'.');
        }
        if self.outstanding && request.unanswered.is_some() {
            let now = session.realtime(clock::monotonic());
            self.writer
                .unanswered(&mut self.output, session, request, now);
        }
    }

    fn event(&mut self, session: &Session, event: &Event) {
        if self.dots {
            self.draw(event);
            return;
        }
        if self.writer.wants_complaints() {
            self.complain(session, event);
        }
        if self.quiet {
            return;
        }
        let names = &mut self.names;
        let mut name_of = |address| names.as_mut()?.of(address).map(str::to_owned);
        let now = session.realtime(clock::monotonic());
        self.writer
            .event(&mut self.output, session, event, now, &mut name_of);
    }

    fn asked(&mut self, session: &Session) {
        let now = session.realtime(clock::monotonic());
        self.writer.so_far(&mut self.output, session, now);
    }

    fn suspend(&mut self) -> Result<()> {
        self.writer.suspend(&mut self.output);
        self.flush()
    }

    fn turn(&mut self, session: &mut Session, now: Monotonic) -> Result<Option<Monotonic>> {
        if self.summary.as_ref().is_some_and(|it| it.next <= now) {
            let at = session.realtime(now);
            self.writer
                .interval(&mut self.output, session, at, self.clock);
            session.begin_interval();
        }
        if let Some(size) = terminal::stdout_size() {
            self.writer.resize(size.0, size.1);
        }
        let wish = self.writer.turn(&mut self.output, session, now);
        for (index, address) in self.follower.moves() {
            session.move_target(index, address);
        }
        let look = self.follower.is_started().then(|| now + LOOK);
        self.flush()?;
        let summary = self.summary.as_mut().map(|every| {
            while every.next <= now {
                every.next = every.next + every.interval;
            }
            every.next
        });
        Ok(summary.into_iter().chain(wish).chain(look).min())
    }
}

/// In whose words: JSON and CSV as they were asked for; one target has lines, several a table on a
/// terminal and fping's lines elsewhere.
fn writer(
    flags: &Flags,
    context: &Context,
    session: &Session,
    source: Option<IpAddr>,
) -> Box<dyn Writer> {
    let show = &flags.show;
    let extras = show.extras(context);
    if context.json {
        return Box::new(Objects { extras });
    }
    if show.csv {
        return Box::new(Csv {
            with_intervals: show.summary_every.is_some(),
        });
    }
    let is_many = session.target_count() > 1;
    let dialect = match show.format {
        Some(Format::Bsd) => Dialect::Bsd,
        Some(Format::Iputils) | None => Dialect::Iputils,
        Some(Format::Fping) => {
            let alive = flags.asks_who_is_alive();
            return Box::new(Fping::new(session, alive, show.quiet, extras));
        }
    };
    let terminal = context.width.zip(terminal::stdout_height());
    match terminal.filter(|_| !show.quiet) {
        Some((width, height)) if is_many => Box::new(LiveTable::new(width, height, extras)),
        None if is_many => Box::new(Fping::new(session, false, show.quiet, extras)),
        _ => {
            // For an address alone no interface is printed, as with iputils.
            let has_source = !flags.what.interface.is_empty();
            let device = has_source.then(|| flags.device().unwrap_or_default().to_owned());
            Box::new(Lines {
                dialect,
                with_time: show.time_form().map(|form| DayTime {
                    form,
                    offset: clock::local_offset(),
                }),
                with_bell: show.audible,
                with_identifier: context.verbose,
                source: source.unwrap_or(session.target(0).address),
                device,
                pattern: flags.pattern().to_vec(),
                extras,
            })
        }
    }
}

/// The thread that looks names up: as with iputils if a name was given, and `-n` was not.
fn names(flags: &Flags, context: &Context, session: &Session) -> Option<Names> {
    let is_plain = !context.json && !flags.show.csv && session.target_count() == 1;
    let typed = session.target(0).name.split('%').next()?;
    let wanted = is_plain && !flags.targets.numeric && typed.parse::<IpAddr>().is_err();
    wanted.then(Names::start)?.ok()
}

/// Of `-v`: which socket, which timestamps.
fn describe(socket: &IcmpSocket) -> String {
    let kind = if socket.is_raw { "raw" } else { "datagram" };
    let stamps = if socket.has_stamps {
        "stamps of the kernel"
    } else {
        "no stamps of the kernel"
    };
    let (word, identifier) = (socket.version.word(), socket.identifier);
    format!("{kind} {word} socket, identifier {identifier}, {stamps}")
}
