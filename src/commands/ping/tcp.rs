//! `--tcp PORTS`: the time of TCP handshakes, for hosts that drop ICMP.

use std::time::{Duration, Instant};

use super::flags::Flags;
use super::follow::Follower;
use super::path::say;
use crate::commands::serving::tell;
use crate::commands::{Context, Status};
use crate::error::{Error, Kind, Result};
use crate::ping::clock::Monotonic;
use crate::ping::plan::{Plan, Until};
use crate::ping::schedule::{Schedule, Traffic};
use crate::ping::target::Target;
use crate::render::ping::handshakes::csv::Csv;
use crate::render::ping::handshakes::{self as shown, Attempt, Attempts, Outage, Port};
use crate::render::ping::{DayTime, Extras, TimeForm};
use crate::sys::around;
use crate::sys::clock;
use crate::sys::handshake::{Early, Outcome, handshake_or_early};
use crate::sys::icmp::{Options, source_for};
use crate::sys::privilege::{self, Need};
use crate::sys::signals::Signals;

/// How long a handshake is waited for, unless `-W` says otherwise: a SYN that was lost is sent again
/// after one second (RFC 6298).
const TIMEOUT: Duration = Duration::from_secs(3);
/// Ports that this host's sockets are searched for, to explain their first failure.
const MOST_EXPLAINED: usize = 8;

/// Tries each port of each target in turn; good if every one was open at least once.
pub(super) fn run(
    flags: &Flags,
    context: &Context,
    targets: &[Target],
    options: &Options,
) -> Result<Status> {
    let signals = Signals::open_with_quit()?;
    // Who listens on a port of this host is looked for when it fails at first. Each socket takes the mark
    // anew, which needs a capability.
    if options.mark.is_none() {
        privilege::keep(&[Need::Owners, Need::Namespaces])?;
    }
    let ports = targets.iter().flat_map(|target| {
        let ports = flags.mode.tcp.iter();
        ports.map(move |port| Port::new(target.clone(), *port))
    });
    let mut monitor = Monitor::new(flags, context, ports.collect())?;
    let plan = flags.plan(monitor.ports.len() > 1);
    let timeout = flags.when.timeout.unwrap_or(TIMEOUT);
    let mut schedule = Schedule::new(&plan, monitor.ports.len());
    let end = plan.deadline.map(|time| clock::monotonic() + time);
    let is_over = |now: Monotonic| end.is_some_and(|end| end <= now);
    let mut follower = None;
    let mut has_rights = options.mark.is_none();
    while !monitor.is_over(&plan) {
        let index = schedule.target();
        if index == 0 && monitor.ports[0].all.tried > 0 && std::mem::take(&mut has_rights) {
            privilege::drop_all()?;
        }
        if plan.count == Some(monitor.ports[index].all.tried) {
            break;
        }
        let due = schedule.due(clock::monotonic(), Traffic::default());
        // Nothing is sent at the deadline: its answer could not be waited for.
        let due = end.map_or(due, |end| due.min(end));
        if monitor.ends_before(due, &signals)? || is_over(clock::monotonic()) {
            break;
        }
        // A thread starts with the rights of this one.
        if !has_rights && follower.is_none() {
            let targets = monitor.ports.iter().map(|port| &port.target);
            follower = Some(Follower::start(flags.targets.follow_dns, targets));
        }
        monitor.follow(follower.as_ref())?;
        schedule.advance();
        let port = &monitor.ports[index];
        let to = port.target.at(port.number);
        let (started, at) = (clock::monotonic(), clock::both().realtime);
        let mut said = Ok(());
        let mut notice = || said = monitor.unanswered(index);
        let early = flags.show.outstanding.then_some(Early {
            after: plan.interval,
            notice: &mut notice,
        });
        let (answer, took, lost_syns) = handshake_or_early(to, options, timeout, &signals, early)?;
        said?;
        let Some(mut answer) = shown_as(answer) else {
            continue;
        };
        let is_here = source_for(to, options).is_ok_and(|source| source == to.ip());
        if is_here && answer == shown::Answer::Filtered {
            answer = shown::Answer::DroppedHere;
        }
        let attempt = Attempt {
            sequence: port.all.tried + 1,
            answer,
            took,
            lost_syns,
            started,
            at,
        };
        monitor.add(index, &attempt)?;
    }
    monitor.finish()?;
    let mut ports = monitor.ports.iter();
    Ok(Status::of(ports.all(|port| port.all.open > 0)))
}

/// In which form it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Json,
    Csv(Csv),
}

/// The ports, and what is said of them.
struct Monitor<'a> {
    ports: Vec<Port>,
    flags: &'a Flags,
    form: Form,
    extras: Extras,
    with_time: Option<DayTime>,
    clock: DayTime,
    /// When the next summary is due.
    next: Option<Monotonic>,
    /// Ports that this host's sockets were searched for.
    explained: usize,
}

impl<'a> Monitor<'a> {
    fn new(flags: &'a Flags, context: &Context, ports: Vec<Port>) -> Result<Monitor<'a>> {
        let offset = clock::local_offset();
        let every = flags.show.summary_every;
        let form = match () {
            () if context.json => Form::Json,
            () if flags.show.csv => Form::Csv(Csv {
                with_intervals: every.is_some(),
            }),
            () => Form::Text,
        };
        if let Form::Csv(csv) = form {
            say(|out| csv.header(out))?;
        }
        Ok(Monitor {
            ports,
            flags,
            form,
            extras: flags.show.extras(context),
            with_time: flags.show.time_form().map(|form| DayTime { form, offset }),
            clock: DayTime {
                form: TimeForm::Local,
                offset,
            },
            next: every.map(|every| clock::monotonic() + every),
            explained: 0,
        })
    }

    /// Whether what was waited for is there: every port open, or one of them down for long enough.
    fn is_over(&self, plan: &Plan) -> bool {
        let mut ports = self.ports.iter();
        match plan.until {
            Until::Up => ports.all(|port| port.all.open > 0),
            Until::Down(most) => ports.any(|port| port.run.length() >= most),
            Until::End => false,
        }
    }

    /// A handshake is under way for longer than an interval.
    fn unanswered(&self, index: usize) -> Result<()> {
        if self.flags.show.quiet {
            return Ok(());
        }
        let port = &self.ports[index];
        let (sequence, now) = (port.all.tried + 1, clock::both().realtime);
        say(|out| match self.form {
            Form::Text => shown::write_unanswered(out, port, sequence, now, self.with_time),
            Form::Json => shown::json::unanswered(out, port, sequence, now),
            Form::Csv(csv) => csv.unanswered(out, port, sequence, now),
        })
    }

    fn add(&mut self, index: usize, attempt: &Attempt) -> Result<()> {
        let outage = self.ports[index].add(attempt);
        let port = &self.ports[index];
        if !self.flags.show.quiet {
            say(|out| match self.form {
                Form::Text => shown::write_attempt(out, port, attempt, self.with_time),
                Form::Json => shown::json::attempt(out, port, attempt),
                Form::Csv(csv) => csv.attempt(out, port, attempt),
            })?;
        }
        if let Some(outage) = outage {
            self.tell_outage(port, &outage)?;
        }
        self.explain(index, &attempt.answer);
        Ok(())
    }

    fn tell_outage(&self, port: &Port, outage: &Outage) -> Result<()> {
        match self.form {
            Form::Text => {
                tell(&shown::outage_words(port, outage, self.clock));
                Ok(())
            }
            Form::Json if !self.flags.show.quiet => {
                say(|out| shown::json::outage(out, port, outage, clock::both().realtime))
            }
            Form::Csv(csv) if !self.flags.show.quiet => {
                say(|out| csv.outage(out, port, outage, clock::both().realtime))
            }
            _ => Ok(()),
        }
    }

    /// Says at its first failure why a port of this host is not open, as its own sockets show.
    fn explain(&mut self, index: usize, answer: &shown::Answer) {
        let port = &mut self.ports[index];
        let was_refused = *answer == shown::Answer::Refused;
        let is_silent = matches!(answer, shown::Answer::Filtered | shown::Answer::DroppedHere);
        let is_first = port.run.length() == 1 && port.told.is_none();
        if !(was_refused || is_silent) || !is_first || self.explained >= MOST_EXPLAINED {
            return;
        }
        self.explained += 1;
        let to = port.target.at(port.number);
        port.told = around::of_handshake(to, was_refused);
        if let Some(told) = port.told.as_ref().filter(|_| self.form == Form::Text) {
            tell(&format!("{to}: {}; next: {}", told.cause, told.next));
        }
    }

    /// Names that have another address now.
    fn follow(&mut self, follower: Option<&Follower>) -> Result<()> {
        let moves = follower.into_iter().flat_map(Follower::moves);
        for (index, address) in moves {
            let from = self.ports[index].target.move_to(address);
            let (port, now) = (&self.ports[index], clock::both().realtime);
            match self.form {
                Form::Text => tell(&shown::moved_words(port, from)),
                Form::Json => say(|out| shown::json::moved(out, port, from, now))?,
                Form::Csv(csv) => say(|out| csv.moved(out, port, from, now))?,
            }
        }
        Ok(())
    }

    fn finish(&self) -> Result<()> {
        if matches!(self.form, Form::Csv(_)) {
            return Ok(());
        }
        for port in &self.ports {
            say(|out| match self.form {
                Form::Json => shown::json::statistics(out, port, "handshakes", &self.extras),
                _ => shown::write_statistics(out, port, &self.extras),
            })?;
        }
        Ok(())
    }

    /// Says the figures of the interval, if it is over.
    fn summarize(&mut self, now: Monotonic) -> Result<()> {
        let (Some(every), Some(next)) = (self.flags.show.summary_every, self.next) else {
            return Ok(());
        };
        if next > now {
            return Ok(());
        }
        let at = clock::both().realtime;
        let of_day = self.clock.of_day(at);
        for port in &mut self.ports {
            say(|out| match self.form {
                Form::Text => shown::write_interval(out, port, &of_day),
                Form::Json => shown::json::statistics(out, port, "interval", &self.extras),
                Form::Csv(csv) => csv.interval(out, port, at),
            })?;
            port.interval = Attempts::default();
        }
        self.next = Some(now + every);
        Ok(())
    }

    /// Waits until a request is due; true if a signal says that this is the end.
    fn ends_before(&mut self, due: Monotonic, signals: &Signals) -> Result<bool> {
        loop {
            let requests = signals.take_requests();
            if requests.progress {
                let tried: u64 = self.ports.iter().map(|port| port.all.tried).sum();
                let open: u64 = self.ports.iter().map(|port| port.all.open).sum();
                tell(&format!("{open}/{tried} handshakes"));
            }
            let now = clock::monotonic();
            self.summarize(now)?;
            let left = due.since(now);
            if requests.end || left.is_zero() {
                return Ok(requests.end);
            }
            let left = self.next.map_or(left, |next| left.min(next.since(now)));
            signals
                .wait_until(Instant::now() + left)
                .map_err(|error| Error::os(Kind::CannotRun, "wait for signals", &error))?;
        }
    }
}

/// What is shown of an answer; nothing of an attempt that a signal cut short.
fn shown_as(answer: Outcome) -> Option<shown::Answer> {
    Some(match answer {
        Outcome::Open => shown::Answer::Open,
        Outcome::Refused => shown::Answer::Refused,
        Outcome::Silent => shown::Answer::Filtered,
        Outcome::Rejected(refusal, _) => shown::Answer::Rejected(refusal),
        Outcome::Failed(error) => {
            shown::Answer::Failed(Error::os(Kind::BadAnswer, "connect", &error).cause)
        }
        Outcome::Interrupted => return None,
    })
}
