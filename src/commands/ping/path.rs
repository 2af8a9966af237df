//! `--hops` and `--mtu`: the path to one target, probed with small sessions of their own.

use std::io::{self, Write as _};
use std::net::IpAddr;
use std::time::Duration;

use super::flags::{Flags, TimingSource};
use super::send_mode;
use super::trace::Probes;
use crate::commands::serving::print;
use crate::commands::{Context, Status};
use crate::diagnose::rules::path as rules;
use crate::error::{Error, Kind, Result};
use crate::ping::clock::{Monotonic, Realtime};
use crate::ping::event::Event;
use crate::ping::hops::{End, Hop};
use crate::ping::losses::Unsent;
use crate::ping::mtu::{Found, Outcome, Search, headers};
use crate::ping::payload::Payloads;
use crate::ping::plan::Plan;
use crate::ping::session::{Request, Session};
use crate::ping::target::Target;
use crate::ping::trace::{MOST_SILENT, Trace, Verdict};
use crate::render::finding::{self, Layout};
use crate::render::ping::DayTime;
use crate::render::ping::path as shown;
use crate::render::ping::trace::csv::Csv;
use crate::render::ping::trace::verdict_words;
use crate::sys::clock;
use crate::sys::icmp::runner::{Handler, Runner};
use crate::sys::icmp::{self, Fragmentation, Options};
use crate::sys::privilege;
use crate::sys::signals::Signals;

/// The largest packet of either version (RFC 791, RFC 8200 without jumbograms), in bytes.
const LARGEST: usize = 65_535;
/// Requests to each hop, unless `-c` says otherwise.
const REQUESTS: u64 = 3;
/// Hops, unless `-t` says otherwise.
pub(super) const HOPS: u8 = 30;
/// From one request to a hop to the next, unless `-i` says otherwise.
const INTERVAL: Duration = Duration::from_millis(50);

/// Finds the routers on the way.
pub(super) fn hops(
    flags: &Flags,
    context: &Context,
    target: &Target,
    source: IpAddr,
    options: &Options,
) -> Result<Status> {
    let signals = Signals::open_with_quit()?;
    let most = options.hop_limit.unwrap_or(HOPS);
    if flags.show.summary_every.is_some() {
        let cause = "a trace without --watch has no intervals";
        return Err(Error::new(Kind::CannotRun, "read the command line", cause)
            .next("add --watch, or leave out --summary-every"));
    }
    let form = Form::open(flags, context)?;
    if form.is_text() {
        say(|out| shown::write_hops_opening(out, target, most))?;
    }
    let mut probes = Probes::new(flags, target, source, options, signals)?;
    let mut hops: Vec<Hop> = Vec::new();
    for distance in 1..=most {
        let count = flags.when.count.unwrap_or(REQUESTS);
        let Some(hop) = probes.ask(distance, count)? else {
            break;
        };
        form.hop(target, &hop)?;
        let is_last = hop.end.is_some();
        hops.push(hop);
        let silent = hops.iter().rev().take_while(|hop| hop.routers().is_empty());
        // What goes round does not come to the target.
        let is_loop = matches!(Trace::of(most, &hops).verdict(), Verdict::Loop { .. });
        if is_last || is_loop || silent.count() >= usize::from(MOST_SILENT) {
            break;
        }
    }
    let trace = Trace::of(most, &hops);
    let findings: Vec<_> = rules::of_trace(target.address, &trace)
        .into_iter()
        .collect();
    say(|out| match form.kind {
        FormKind::Json => shown::hops_json(out, target, &hops, &verdict_words(&trace), &findings),
        FormKind::Csv(_) => Ok(()),
        FormKind::Text => {
            shown::write_hops_table(out, &hops, context.width)?;
            writeln!(out, "\n{}", verdict_words(&trace))?;
            finding::write_all(out, findings, layout(context))
        }
    })?;
    let end = hops.last().and_then(|hop| hop.end);
    Ok(Status::of(end == Some(End::Reached)))
}

/// In which form a trace is written.
pub(super) struct Form {
    pub(super) kind: FormKind,
    /// With the time at the start of each line.
    pub(super) with_time: Option<DayTime>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum FormKind {
    Text,
    Json,
    Csv(Csv),
}

impl Form {
    /// The form that was asked for; CSV begins with its header.
    pub(super) fn open(flags: &Flags, context: &Context) -> Result<Form> {
        let csv = Csv {
            with_intervals: flags.show.summary_every.is_some(),
        };
        if flags.show.csv {
            say(|out| csv.header(out))?;
        }
        let offset = clock::local_offset();
        Ok(Form {
            kind: match () {
                () if context.json => FormKind::Json,
                () if flags.show.csv => FormKind::Csv(csv),
                () => FormKind::Text,
            },
            with_time: flags.show.time_form().map(|form| DayTime { form, offset }),
        })
    }

    pub(super) fn is_text(&self) -> bool {
        matches!(self.kind, FormKind::Text)
    }

    /// `[time] `, if it is wanted.
    pub(super) fn prefix(&self, at: Realtime) -> String {
        self.with_time
            .map_or(String::new(), |it| format!("[{}] ", it.show(at)))
    }

    /// What came of all requests to a hop.
    fn hop(&self, target: &Target, hop: &Hop) -> Result<()> {
        let at = clock::both().realtime;
        say(|out| match self.kind {
            FormKind::Json => shown::hop_json(out, target, hop, at),
            FormKind::Csv(csv) => csv.hop(out, target, hop, 1, at),
            FormKind::Text => {
                write!(out, "{}", self.prefix(at))?;
                shown::write_hop(out, hop)
            }
        })
    }
}

/// How findings are written below a trace.
pub(super) fn layout(context: &Context) -> Layout {
    Layout {
        style: context.style,
        width: context.width,
        verbose: false,
    }
}

/// Finds the MTU of the way.
pub(super) fn mtu(
    flags: &Flags,
    context: &Context,
    target: &Target,
    options: &Options,
) -> Result<Status> {
    let signals = Signals::open_with_quit()?;
    // The flag is set, and what the kernel believes of the path does not count.
    let options = Options {
        fragmentation: Some(Fragmentation::Probe),
        ..options.clone()
    };
    if !context.json {
        say(|out| shown::write_mtu_opening(out, target))?;
    }
    let mut prober = Prober::new(target, signals)?;
    let mut search = Search::new(target.version(), LARGEST);
    while let Some(size) = search.next_size() {
        let data = size - headers(target.version());
        let plan = flags.small_plan(1, INTERVAL);
        let result = prober.ask(plan, data, &options)?;
        if result.interrupted {
            return Ok(Status::Bad);
        }
        let outcome = outcome(&result.events);
        say(|out| {
            if context.json {
                shown::tried_json(out, target, size, &outcome)
            } else {
                shown::write_tried(out, size, &outcome)
            }
        })?;
        search.handle(outcome);
    }
    let Some(found) = search.found() else {
        return Ok(Status::Bad);
    };
    say(|out| {
        if context.json {
            shown::found_json(out, target, found)
        } else {
            shown::write_found(out, target, found)
        }
    })?;
    let is_good = matches!(
        found,
        Found::Mtu {
            black_hole: None,
            refused: None,
            ..
        }
    );
    Ok(Status::of(is_good))
}

/// What became of the one packet of a session.
pub(in crate::commands) fn outcome(events: &[Event]) -> Outcome {
    for event in events {
        match event {
            Event::Reply(reply) if reply.counts => return Outcome::Passed,
            Event::Refused(refused) if refused.refusal.is_too_big() => {
                let mtu = usize::try_from(refused.detail).ok().filter(|&mtu| mtu > 0);
                let by = Some(refused.refusal);
                return Outcome::TooBig { by, mtu };
            }
            Event::Refused(refused) if !refused.refusal.is_advice() => {
                return Outcome::Refused(refused.refusal);
            }
            Event::Unsent {
                why: Unsent::TooLong(mtu),
                ..
            } => {
                let mtu = mtu.and_then(|mtu| usize::try_from(mtu).ok());
                return Outcome::TooBig { by: None, mtu };
            }
            Event::Unsent { why, .. } => return Outcome::Unsent(*why),
            _ => {}
        }
    }
    Outcome::Silent
}

/// The events of a small session.
pub(in crate::commands) struct SessionResult {
    pub(in crate::commands) events: Vec<Event>,
    pub(in crate::commands) interrupted: bool,
}

/// Runs small sessions, in sequence, by the same socket.
pub(in crate::commands) struct Prober<'a> {
    pub(super) target: &'a Target,
    pub(super) signals: Signals,
    /// Opened for the first session; then the privileges are dropped.
    runner: Option<Runner>,
    /// Of the nonces. It stays the same, as the identifier does: all requests are one flow.
    secret: [u64; 2],
    /// The number of the next request.
    next: u64,
}

impl<'a> Prober<'a> {
    pub(in crate::commands) fn new(target: &'a Target, signals: Signals) -> Result<Self> {
        Ok(Prober {
            target,
            signals,
            runner: None,
            secret: icmp::random()?,
            next: 1,
        })
    }

    /// Runs a small session.
    pub(in crate::commands) fn ask(
        &mut self,
        mut plan: Plan,
        size: usize,
        options: &Options,
    ) -> Result<SessionResult> {
        let mode = send_mode(&plan, TimingSource::Auto, false);
        let payloads = Payloads::new(self.secret, size, &[]);
        plan.first = self.next;
        let targets = vec![self.target.clone()];
        let mut session = Session::new(plan, payloads, targets, clock::carefully());
        let runner = if let Some(runner) = &mut self.runner {
            runner.renew(&mut session, options)?;
            runner
        } else {
            let runner = Runner::open(&mut session, options, mode)?;
            privilege::drop_all()?;
            self.runner.insert(runner)
        };
        let mut collector = Collector(Vec::new());
        runner.run(&mut session, &self.signals, &mut collector)?;
        self.next = session.next_number();
        Ok(SessionResult {
            interrupted: session.losses.unfinished > 0,
            events: collector.0,
        })
    }
}

/// Keeps what happens.
struct Collector(Vec<Event>);

impl Handler for Collector {
    fn sent(&mut self, _: &Session, _: &Request) {}

    fn event(&mut self, _: &Session, event: &Event) {
        self.0.push(*event);
    }

    fn asked(&mut self, _: &Session) {}

    fn turn(&mut self, _: &mut Session, _: Monotonic) -> Result<Option<Monotonic>> {
        Ok(None)
    }
}

/// Writes to standard output at once.
pub(super) fn say(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> Result<()> {
    let mut out = Vec::new();
    write(&mut out)
        .and_then(|()| print(&out))
        .map_err(Error::output)
}

/// The one target of a way.
pub(super) fn only(targets: &[Target]) -> Result<&Target> {
    match targets {
        [one] => Ok(one),
        _ => Err(Error::new(
            Kind::CannotRun,
            "read the command line",
            "--hops and --mtu take exactly one target",
        )
        .next("name one target")),
    }
}
