//! `--tcp PORT`: the time of TCP handshakes, for hosts that drop ICMP.

use std::time::{Duration, Instant};

use super::flags::Flags;
use crate::commands::serving::{print, tell};
use crate::commands::{Context, Status};
use crate::error::{Error, Kind, Result};
use crate::ping::clock::Monotonic;
use crate::ping::schedule::{Schedule, Traffic};
use crate::ping::target::Target;
use crate::render::ping::handshakes::{self as shown, Attempt, Attempts};
use crate::sys::clock;
use crate::sys::handshake::{Outcome, handshake};
use crate::sys::icmp::Options;
use crate::sys::privilege;
use crate::sys::signals::Signals;

/// How long a handshake is waited for, unless `-W` says otherwise: a SYN that was lost is sent again
/// after one second (RFC 6298).
const TIMEOUT: Duration = Duration::from_secs(3);

/// Tries the port of each target in turn; good if every one was open at least once.
pub(super) fn run(
    flags: &Flags,
    context: &Context,
    port: u16,
    targets: &[Target],
    options: &Options,
) -> Result<Status> {
    privilege::drop_all()?;
    let signals = Signals::open_with_quit()?;
    let plan = flags.plan(targets.len() > 1);
    let timeout = flags.when.timeout.unwrap_or(TIMEOUT);
    let mut all = vec![Attempts::default(); targets.len()];
    let mut schedule = Schedule::new(&plan, targets.len());
    let end = plan.deadline.map(|time| clock::monotonic() + time);
    let mut out = Vec::new();
    loop {
        let index = schedule.target();
        if plan.count == Some(all[index].tried) {
            break;
        }
        let due = schedule.due(clock::monotonic(), Traffic::default());
        let due = end.map_or(due, |end| due.min(end));
        if ends_before(due, &signals, &all)? || end.is_some_and(|end| end <= clock::monotonic()) {
            break;
        }
        schedule.advance();
        let target = &targets[index];
        let to = target.at(port);
        let device = options.device.as_deref();
        let (answer, took) = handshake(to, options.source, device, timeout, &signals)?;
        let Some(answer) = shown_as(answer) else {
            continue;
        };
        let attempt = Attempt {
            target,
            port,
            sequence: all[index].tried + 1,
            answer,
            took,
        };
        all[index].add(&attempt);
        if context.json {
            shown::attempt_json(&mut out, &attempt).map_err(Error::output)?;
        } else if !flags.show.quiet {
            shown::write_attempt(&mut out, &attempt).map_err(Error::output)?;
        }
        print(&out).map_err(Error::output)?;
        out.clear();
    }
    for (target, attempts) in targets.iter().zip(&all) {
        if context.json {
            shown::statistics_json(&mut out, target, port, attempts).map_err(Error::output)?;
        } else {
            shown::write_statistics(&mut out, target, port, attempts).map_err(Error::output)?;
        }
    }
    print(&out).map_err(Error::output)?;
    Ok(Status::of(all.iter().all(|attempts| attempts.open > 0)))
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

/// Waits until a request is due; true if a signal says that this is the end.
fn ends_before(due: Monotonic, signals: &Signals, all: &[Attempts]) -> Result<bool> {
    loop {
        let requests = signals.take_requests();
        if requests.progress {
            let tried: u64 = all.iter().map(|attempts| attempts.tried).sum();
            let open: u64 = all.iter().map(|attempts| attempts.open).sum();
            tell(&format!("{open}/{tried} handshakes"));
        }
        let left = due.since(clock::monotonic());
        if requests.end || left.is_zero() {
            return Ok(requests.end);
        }
        signals
            .wait_until(Instant::now() + left)
            .map_err(|error| Error::os(Kind::CannotRun, "wait for signals", &error))?;
    }
}
