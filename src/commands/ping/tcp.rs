//! `--tcp PORTS`: the time of TCP handshakes, for hosts that drop ICMP.

use std::time::{Duration, Instant};

use super::flags::Flags;
use super::path::say;
use crate::commands::serving::tell;
use crate::commands::{Context, Status};
use crate::error::{Error, Kind, Result};
use crate::ping::clock::Monotonic;
use crate::ping::plan::{Plan, Until};
use crate::ping::schedule::{Schedule, Traffic};
use crate::ping::target::Target;
use crate::render::ping::handshakes::{self as shown, Attempt, Attempts, Port};
use crate::render::ping::{DayTime, Extras, TimeForm};
use crate::sys::around;
use crate::sys::clock;
use crate::sys::handshake::{Outcome, handshake};
use crate::sys::icmp::{Options, source_for};
use crate::sys::privilege;
use crate::sys::signals::Signals;

/// How long a handshake is waited for, unless `-W` says otherwise: a SYN that was lost is sent again
/// after one second (RFC 6298).
const TIMEOUT: Duration = Duration::from_secs(3);

/// Tries each port of each target in turn; good if every one was open at least once.
pub(super) fn run(
    flags: &Flags,
    context: &Context,
    targets: &[Target],
    options: &Options,
) -> Result<Status> {
    let signals = Signals::open_with_quit()?;
    let ports = targets.iter().flat_map(|target| {
        let ports = flags.mode.tcp.iter();
        ports.map(move |port| Port::new(target, *port))
    });
    let mut monitor = Monitor::new(flags, context, ports.collect());
    // Each socket takes the mark anew, which needs a capability.
    if options.mark.is_none() {
        privilege::drop_all()?;
    }
    let plan = flags.plan(monitor.ports.len() > 1);
    let timeout = flags.when.timeout.unwrap_or(TIMEOUT);
    let mut schedule = Schedule::new(&plan, monitor.ports.len());
    let end = plan.deadline.map(|time| clock::monotonic() + time);
    let is_over = |now: Monotonic| end.is_some_and(|end| end <= now);
    while !monitor.is_over(&plan) {
        let index = schedule.target();
        if plan.count == Some(monitor.ports[index].all.tried) {
            break;
        }
        let due = schedule.due(clock::monotonic(), Traffic::default());
        // Nothing is sent at the deadline: its answer could not be waited for.
        let due = end.map_or(due, |end| due.min(end));
        if monitor.ends_before(due, &signals)? || is_over(clock::monotonic()) {
            break;
        }
        schedule.advance();
        let port = &monitor.ports[index];
        let to = port.target.at(port.number);
        let at = clock::both().realtime;
        let (answer, took, lost_syns) = handshake(to, options, timeout, &signals)?;
        let Some(mut answer) = shown_as(answer) else {
            continue;
        };
        let is_here = source_for(to, options).is_ok_and(|source| source == port.target.address);
        if is_here && answer == shown::Answer::Filtered {
            answer = shown::Answer::DroppedHere;
        }
        let attempt = Attempt {
            target: port.target,
            port: port.number,
            sequence: port.all.tried + 1,
            answer,
            took,
            lost_syns,
            at,
        };
        monitor.add(index, &attempt)?;
    }
    monitor.finish()?;
    let mut ports = monitor.ports.iter();
    Ok(Status::of(ports.all(|port| port.all.open > 0)))
}

/// The ports, and what is said of them.
struct Monitor<'a> {
    ports: Vec<Port<'a>>,
    flags: &'a Flags,
    is_json: bool,
    extras: Extras,
    with_time: Option<DayTime>,
    clock: DayTime,
    /// When the next summary is due.
    next: Option<Monotonic>,
}

impl<'a> Monitor<'a> {
    fn new(flags: &'a Flags, context: &Context, ports: Vec<Port<'a>>) -> Monitor<'a> {
        let offset = clock::local_offset();
        let every = flags.show.summary_every;
        Monitor {
            ports,
            flags,
            is_json: context.json,
            extras: flags.show.extras(context),
            with_time: flags.show.time_form().map(|form| DayTime { form, offset }),
            clock: DayTime {
                form: TimeForm::Local,
                offset,
            },
            next: every.map(|every| clock::monotonic() + every),
        }
    }

    /// Whether what was waited for is there: every port open, or one of them down for long enough.
    fn is_over(&self, plan: &Plan) -> bool {
        let mut ports = self.ports.iter();
        match plan.until {
            Until::Up => ports.all(|port| port.all.open > 0),
            Until::Down(most) => ports.any(|port| port.down >= most),
            Until::End => false,
        }
    }

    fn add(&mut self, index: usize, attempt: &Attempt<'_>) -> Result<()> {
        self.ports[index].add(attempt);
        if self.is_json {
            say(|out| shown::attempt_json(out, attempt))
        } else if self.flags.show.quiet {
            Ok(())
        } else {
            say(|out| shown::write_attempt(out, attempt, self.with_time))
        }
    }

    fn finish(&self) -> Result<()> {
        for port in &self.ports {
            say(|out| {
                if self.is_json {
                    shown::statistics_json(out, port, "handshakes", &self.extras)
                } else {
                    shown::write_statistics(out, port, &self.extras)
                }
            })?;
        }
        self.ports.iter().for_each(explain);
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
        let at = self.clock.of_day(clock::both().realtime);
        for port in &mut self.ports {
            say(|out| {
                if self.is_json {
                    shown::statistics_json(out, port, "interval", &self.extras)
                } else {
                    shown::write_interval(out, port, &at)
                }
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

/// Says why a port of this host was never open, as its own sockets show.
fn explain(port: &Port<'_>) {
    let was_refused = port.all.refused > 0;
    let was_silent = port.all.filtered > 0 || port.dropped_here > 0;
    if port.all.open > 0 || !(was_refused || was_silent) {
        return;
    }
    let to = port.target.at(port.number);
    if let Some(told) = around::of_handshake(to, was_refused) {
        tell(&format!("{to}: {}; next: {}", told.cause, told.next));
    }
}

/// What is shown of an answer; nothing of an attempt that a signal cut short.
fn shown_as(answer: Outcome) -> Option<shown::Answer> {
    Some(match answer {
        Outcome::Open => shown::Answer::Open,
        Outcome::Refused => shown::Answer::Refused,
        Outcome::Silent => shown::Answer::Filtered,
        Outcome::Rejected(refusal) => shown::Answer::Rejected(refusal),
        Outcome::Failed(error) => {
            shown::Answer::Failed(Error::os(Kind::BadAnswer, "connect", &error).cause)
        }
        Outcome::Interrupted => return None,
    })
}
