//! `--hops --watch`: the routers on the way, round after round.

use std::cell::RefCell;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::flags::Flags;
use super::path::{Form, FormKind, Prober, layout, say};
use crate::commands::{Context, Status};
use crate::diagnose::rules::path as rules;
use crate::error::{Error, Kind, Result};
use crate::ping::hops::{Answer, End, Hop};
use crate::ping::mpls::Labels;
use crate::ping::plan::Plan;
use crate::ping::target::Target;
use crate::ping::trace::Trace;
use crate::render::finding::Layout;
use crate::render::ping::table::{ASIDE, BACK};
use crate::render::ping::trace as shown;
use crate::render::ping::{DayTime, TimeForm};
use crate::sys::clock;
use crate::sys::datagram_probe;
use crate::sys::handshake::{Outcome, handshake};
use crate::sys::icmp::Options;
use crate::sys::names::Names;
use crate::sys::privilege;
use crate::sys::signals::Signals;
use crate::sys::terminal;

/// From one round to the next, unless `-i` says otherwise: Linux answers one request a second to each host
/// (`net.ipv4.icmp_ratelimit`).
const INTERVAL: Duration = Duration::from_secs(1);
/// From one request to a hop to the next, if there are so few of them that Linux answers all at once.
const QUICK: Duration = Duration::from_millis(50);
const BURST: u64 = 6;
/// How long an answer is waited for, unless `-W` says otherwise.
const TIMEOUT: Duration = Duration::from_secs(1);
/// Names are waited for this long in the report.
const PATIENCE: Duration = Duration::from_millis(250);
/// The source port of all probes, plus what the process adds: one flow takes one path.
const SOURCE_PORT: u16 = 33_434;

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kinds {
    Icmp,
    Udp(u16),
    Tcp(u16),
}

/// Asks hops, one request at a time.
pub(super) struct Probes<'a> {
    kind: Kinds,
    options: Options,
    timeout: Duration,
    prober: Prober<'a>,
    plan: Plan,
    size: usize,
}

impl<'a> Probes<'a> {
    pub(super) fn new(
        flags: &Flags,
        target: &'a Target,
        source: IpAddr,
        options: &Options,
        signals: Signals,
    ) -> Result<Probes<'a>> {
        let kind = match (flags.mode.udp, flags.mode.tcp.first()) {
            (Some(port), _) => Kinds::Udp(port),
            (_, Some(port)) => Kinds::Tcp(*port),
            _ => Kinds::Icmp,
        };
        let mut options = options.clone();
        if kind != Kinds::Icmp {
            // Sixteen bits are enough to keep two traces apart.
            #[allow(clippy::cast_possible_truncation)]
            let port = SOURCE_PORT + std::process::id() as u16 % 16_000;
            options.source = Some(SocketAddr::new(source, port));
        }
        // A burst of six is answered, and then one a second (`net.ipv4.icmp_ratelimit`).
        let is_burst = flags.when.count.is_none_or(|count| count <= BURST);
        if kind != Kinds::Icmp && options.mark.is_none() {
            privilege::drop_all()?;
        }
        Ok(Probes {
            kind,
            options,
            timeout: flags.when.timeout.unwrap_or(TIMEOUT),
            prober: Prober::new(target, signals)?,
            plan: flags.small_plan(1, if is_burst { QUICK } else { INTERVAL }),
            size: flags.size(),
        })
    }

    /// Sends some requests to a hop; nothing if a signal came first.
    pub(super) fn ask(&mut self, distance: u8, count: u64) -> Result<Option<Hop>> {
        let options = Options {
            hop_limit: Some(distance),
            ..self.options.clone()
        };
        if self.kind == Kinds::Icmp {
            let plan = Plan {
                count: Some(count),
                ..self.plan.clone()
            };
            let result = self.prober.ask(plan, self.size, &options)?;
            let hop = (!result.interrupted).then(|| Hop::new(distance, &result.events));
            return Ok(hop);
        }
        let mut hop = Hop {
            distance,
            ..Hop::default()
        };
        for _ in 0..count {
            if !self.ask_port(&mut hop, &options)? {
                return Ok(None);
            }
        }
        Ok(Some(hop))
    }

    /// Sends one packet to the port; false if a signal came first.
    fn ask_port(&self, hop: &mut Hop, options: &Options) -> Result<bool> {
        let target = self.prober.target;
        let signals = &self.prober.signals;
        let (outcome, took) = match self.kind {
            Kinds::Udp(port) => {
                let at = target.at(port);
                let probed = datagram_probe::probe(at, None, options, self.timeout, signals)?;
                (probed.outcome, probed.took)
            }
            Kinds::Tcp(port) => {
                let at = target.at(port);
                let (outcome, took, _) = handshake(at, options, self.timeout, signals)?;
                (outcome, took)
            }
            Kinds::Icmp => return Ok(true),
        };
        let answer = |from, labels| {
            Some(Answer {
                from,
                rtt: Some(took),
                labels,
            })
        };
        match outcome {
            Outcome::Interrupted => return Ok(false),
            Outcome::Open | Outcome::Refused => {
                hop.end = Some(End::Reached);
                hop.answers.push(answer(target.address, Labels::default()));
            }
            Outcome::Rejected(refusal, labels) => {
                let answer = refusal.by.and_then(|by| answer(by, labels));
                hop.answers.push(answer);
                if !refusal.is_hop_limit() {
                    hop.end.get_or_insert(End::Refused(refusal));
                }
            }
            Outcome::Silent => hop.answers.push(None),
            Outcome::Failed(_) => {
                hop.answers.push(None);
                hop.end.get_or_insert(End::Unsent);
            }
        }
        Ok(true)
    }
}

/// The live table, and what goes into the report.
struct Screen<'a> {
    context: &'a Context,
    target: &'a Target,
    names: RefCell<Option<Names>>,
    is_aside: bool,
    changes: u64,
    form: Form,
    /// The rounds since the last summary, and when the next is due.
    interval: Trace,
    every: Option<Every>,
}

struct Every {
    time: Duration,
    next: Instant,
}

impl Screen<'_> {
    /// What came of the request to a hop in this round, and whether that changes the path.
    fn handle(&mut self, trace: &mut Trace, hop: &Hop) -> Result<()> {
        let at = clock::both().realtime;
        if let FormKind::Csv(csv) = self.form.kind {
            say(|out| csv.hop(out, self.target, hop, trace.rounds + 1, at))?;
        }
        if self.every.is_some() {
            self.interval.handle(hop);
        }
        let Some(change) = trace.handle(hop) else {
            return Ok(());
        };
        self.changes += 1;
        say(|out| match self.form.kind {
            FormKind::Json => shown::change_json(out, self.target, &change, at),
            FormKind::Csv(csv) => csv.change(out, self.target, &change, at),
            FormKind::Text if self.is_aside => Ok(()),
            FormKind::Text => {
                let prefix = self.form.prefix(at);
                writeln!(out, "{prefix}{}", shown::change_words(&change))
            }
        })
    }

    /// A round is over: the figures of the interval, if that is over too.
    fn end_round(&mut self, most: u8) -> Result<()> {
        self.interval.begin_round();
        let now = Instant::now();
        let Some(every) = self.every.as_mut().filter(|it| it.next <= now) else {
            return Ok(());
        };
        every.next = now + every.time;
        let trace = std::mem::replace(&mut self.interval, Trace::new(most));
        let at = clock::both().realtime;
        let named = |address| self.name(address);
        say(|out| match self.form.kind {
            FormKind::Json => shown::interval_json(out, self.target, &trace, at, &named),
            FormKind::Csv(csv) => csv.interval(out, self.target, &trace, at),
            FormKind::Text => {
                let offset = clock::local_offset();
                let form = TimeForm::Local;
                let clock = self.form.with_time.unwrap_or(DayTime { form, offset });
                let verdict = shown::verdict_words(&trace);
                writeln!(out, "[{}] {verdict}", clock.show(at))?;
                shown::write_table(out, &trace, self.context.width, &named)?;
                writeln!(out)
            }
        })
    }

    /// The name of an address, if it is known by now.
    fn name(&self, address: IpAddr) -> Option<String> {
        let mut names = self.names.borrow_mut();
        names.as_mut()?.of(address).map(str::to_owned)
    }

    fn draw(&mut self, trace: &Trace) -> Result<()> {
        // Tables of intervals stay on the screen, one below the other.
        let is_live = self.form.is_text() && self.every.is_none();
        let Some((width, height)) = terminal::stdout_size().filter(|_| is_live) else {
            return Ok(());
        };
        let mut table = Vec::new();
        let named = |address| self.name(address);
        shown::write_table(&mut table, trace, Some(width), &named).map_err(Error::output)?;
        let text = String::from_utf8_lossy(&table);
        let rows = text.lines().take(usize::from(height).saturating_sub(2));
        let rows: Vec<&str> = rows.collect();
        let enter = if self.is_aside { "" } else { ASIDE };
        self.is_aside = true;
        say(|out| {
            let verdict = shown::verdict_words(trace);
            let verdict: String = verdict.chars().take(width.into()).collect();
            write!(out, "{enter}\x1b[H\x1b[J{}\n{verdict}", rows.join("\n"))
        })
    }

    fn leave(&mut self) -> Result<()> {
        if std::mem::take(&mut self.is_aside) {
            say(|out| write!(out, "{BACK}"))?;
        }
        Ok(())
    }

    fn report(&mut self, trace: &Trace) -> Result<()> {
        self.leave()?;
        let target = self.target.address;
        let findings = rules::of_trace(target, trace).into_iter();
        let findings: Vec<_> = findings
            .chain(rules::of_changes(target, self.changes))
            .collect();
        let named = |address| {
            let mut names = self.names.borrow_mut();
            names
                .as_mut()?
                .of_within(address, PATIENCE)
                .map(str::to_owned)
        };
        say(|out| match self.form.kind {
            FormKind::Json => shown::report_json(out, self.target, trace, &findings, &named),
            FormKind::Csv(_) => Ok(()),
            FormKind::Text => {
                // The terminal may have another width by now.
                let width = terminal::stdout_size().map(|size| size.0);
                let layout = Layout {
                    width: width.or(self.context.width),
                    ..layout(self.context)
                };
                shown::write_report(out, trace, findings, layout, &named)
            }
        })
    }
}

/// Traces round after round: a table on a terminal, and a report at the end.
pub(super) fn watch(
    flags: &Flags,
    context: &Context,
    target: &Target,
    source: IpAddr,
    options: &Options,
) -> Result<Status> {
    let signals = Signals::open_with_stop()?;
    let names = flags.targets.names.then(Names::start);
    let most = options.hop_limit.unwrap_or(super::path::HOPS);
    let mut screen = Screen {
        context,
        target,
        names: RefCell::new(names.and_then(std::result::Result::ok)),
        is_aside: false,
        changes: 0,
        form: Form::open(flags, context)?,
        interval: Trace::new(most),
        every: flags.show.summary_every.map(|time| Every {
            time,
            next: Instant::now() + time,
        }),
    };
    let mut probes = Probes::new(flags, target, source, options, signals)?;
    let mut trace = Trace::new(most);
    let interval = flags.when.interval.unwrap_or(INTERVAL);
    let result = rounds(
        &mut probes,
        &mut trace,
        &mut screen,
        (flags.when.count, most),
        interval,
    );
    screen.leave()?;
    result?;
    screen.report(&trace)?;
    Ok(Status::of(trace.is_reached()))
}

fn rounds(
    probes: &mut Probes<'_>,
    trace: &mut Trace,
    screen: &mut Screen<'_>,
    (count, most): (Option<u64>, u8),
    interval: Duration,
) -> Result<()> {
    loop {
        let next = Instant::now() + interval;
        while let Some(distance) = trace.next() {
            let Some(hop) = probes.ask(distance, 1)? else {
                return Ok(());
            };
            screen.handle(trace, &hop)?;
            screen.draw(trace)?;
        }
        trace.begin_round();
        screen.end_round(most)?;
        if count == Some(trace.rounds) || wait_until(next, &probes.prober.signals, screen)? {
            return Ok(());
        }
    }
}

/// Waits for the next round; true if a signal says that this is the end.
fn wait_until(next: Instant, signals: &Signals, screen: &mut Screen<'_>) -> Result<bool> {
    loop {
        let came = signals
            .wait_until(next)
            .map_err(|error| Error::os(Kind::CannotRun, "wait for signals", &error))?;
        if !came {
            return Ok(false);
        }
        let requests = signals.take_requests();
        if requests.stop {
            screen.leave()?;
            Signals::stop();
        }
        if requests.end {
            return Ok(true);
        }
    }
}
