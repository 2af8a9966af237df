//! `--watch`: one check after the other.

use std::io::Write as _;
use std::time::{Duration, Instant};

use super::{Args, check};
use crate::check::Target;
use crate::check::rounds::Round;
use crate::commands::{Context, Status};
use crate::error::{Error, Kind, Result};
use crate::ping::clock::Realtime;
use crate::render::check as shown;
use crate::sys::clock;
use crate::sys::signals::Signals;
use crate::sys::sockets::namespaces::Place;

/// Checks until a signal or the last of `--count`: the first is shown whole, then what changes.
pub(super) fn watch(
    args: &Args,
    context: &Context,
    target: &Target,
    (place, interval): (&Place, Duration),
) -> Result<Status> {
    let signals = Signals::open()?;
    let mut last: Option<Round> = None;
    let (mut checks, mut bad) = (0_u64, 0_u64);
    let is_over = |checks| args.count.is_some_and(|count| checks >= count);
    loop {
        let next = Instant::now() + interval;
        // Rights are dropped inside of it, and that is about one thread.
        let round = std::thread::scope(|scope| {
            let before = last.as_ref();
            let round =
                scope.spawn(move || place.inside(|| check(args, context, (target, place), before)));
            let joined = round.join();
            joined.unwrap_or_else(|_| Err(Error::new(Kind::CannotRun, "check", "it ended early")))
        });
        let round = round.and_then(|it| it);
        checks += 1;
        match round {
            Ok(round) => {
                bad += u64::from(!round.is_well);
                last = Some(round);
            }
            // Of the first it tells what is wrong with the command line.
            Err(error) if last.is_none() => return Err(error),
            Err(error) => {
                bad += 1;
                if !context.json {
                    say(&[format!("the check failed: {error}")], context)?;
                }
            }
        }
        let wait = |error| Error::os(Kind::CannotRun, "wait", &error);
        if is_over(checks) || signals.wait_until(next).map_err(wait)? {
            break;
        }
    }
    if !context.json {
        let word = if checks == 1 { "check" } else { "checks" };
        say(
            &[format!(
                "{checks} {word}: {} OK, {bad} failed",
                checks - bad
            )],
            context,
        )?;
    }
    Ok(Status::of(last.is_some_and(|it| it.is_well)))
}

/// Writes lines with the time of day.
pub(super) fn say(lines: &[String], context: &Context) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let at = Realtime(clock::realtime().0);
    shown::changes(&mut out, at, lines, context.style)
        .and_then(|()| out.flush())
        .map_err(Error::output)
}
