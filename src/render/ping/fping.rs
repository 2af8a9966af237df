//! Many targets: the lines of fping.

use std::io::{self, Write};
use std::time::Duration;

use super::number::short_millis;
use super::{Extras, NameOf, Output, Writer, account, words};
use crate::ping::clock::Realtime;
use crate::ping::event::{Event, Reply};
use crate::ping::session::Session;
use crate::ping::tally::Tally;
use crate::render::escape;

/// The lines.
#[derive(Debug, Clone)]
pub struct Fping {
    /// Only whether each target is alive, at its first reply, or unreachable.
    pub alive: bool,
    /// Nothing but the statistics.
    pub quiet: bool,
    /// What is shown beside the statistics.
    pub extras: Extras,
    /// The length of the longest name.
    width: usize,
}

impl Fping {
    /// Lines for the targets of a session.
    pub fn new(session: &Session, alive: bool, quiet: bool, extras: Extras) -> Fping {
        let names = (0..session.target_count()).map(|index| name(session, index).chars().count());
        Fping {
            alive,
            quiet,
            extras,
            width: names.max().unwrap_or(0),
        }
    }

    fn write_event(&self, output: &mut Output, session: &Session, event: &Event) -> io::Result<()> {
        match event {
            Event::Reply(reply) if reply.counts => {
                let tally = session.tally(reply.target);
                if !self.alive {
                    self.reply(&mut output.out, session, reply)
                } else if tally.received == 1 {
                    writeln!(output.out, "{} is alive", name(session, reply.target))
                } else {
                    Ok(())
                }
            }
            Event::Reply(reply) => {
                let wrong = words::wrong_of(session, reply);
                let number = reply.sequence.saturating_sub(1);
                let name = name(session, reply.target);
                writeln!(
                    output.err,
                    "{name} : [{number}], {wrong}, from {}",
                    reply.from
                )
            }
            Event::Refused(refused) => {
                let address = &session.target(refused.target).shown;
                let (words, by) = (words::refused(refused), words::by(&refused.refusal));
                writeln!(
                    output.err,
                    "ICMP {words} from {by} for ICMP Echo sent to {address}"
                )
            }
            Event::Lost {
                target, sequence, ..
            } if !self.alive => {
                let tally = session.tally(*target);
                let name = name(session, *target);
                writeln!(
                    output.out,
                    "{name:<width$} : [{}], timed out ({})",
                    sequence - 1,
                    so_far(tally),
                    width = self.width
                )
            }
            _ => Ok(()),
        }
    }

    fn reply(&self, out: &mut impl Write, session: &Session, reply: &Reply) -> io::Result<()> {
        let time = reply.rtt.map_or("?".to_owned(), short_millis);
        writeln!(
            out,
            "{:<width$} : [{}], {} bytes, {time} ms ({})",
            name(session, reply.target),
            reply.sequence.saturating_sub(1),
            reply.bytes,
            so_far(session.tally(reply.target)),
            width = self.width
        )
    }

    fn summary(&self, out: &mut impl Write, session: &Session) -> io::Result<()> {
        writeln!(out)?;
        for index in 0..session.target_count() {
            let tally = session.tally(index);
            write!(
                out,
                "{:<width$} : xmt/rcv/%loss = {}/{}/{}%",
                name(session, index),
                tally.sent,
                tally.received,
                whole_loss(tally),
                width = self.width
            )?;
            if let Some(times) = tally.times.summary() {
                let all = [times.min, times.mean, times.max].map(short_millis);
                write!(out, ", min/avg/max = {}", all.join("/"))?;
            }
            writeln!(out)?;
        }
        Ok(())
    }
}

impl Writer for Fping {
    fn opening(&mut self, _: &mut Output, _: &Session, _: NameOf<'_>) {}

    fn event(
        &mut self,
        output: &mut Output,
        session: &Session,
        event: &Event,
        _: Realtime,
        _: NameOf<'_>,
    ) {
        if !self.quiet {
            let _ = self.write_event(output, session, event);
        }
    }

    fn finish(&mut self, output: &mut Output, session: &Session, _: Realtime) {
        if self.alive {
            for index in 0..session.target_count() {
                if session.tally(index).received == 0 && !self.quiet {
                    let _ = writeln!(output.out, "{} is unreachable", name(session, index));
                }
            }
            return;
        }
        let _ = self.summary(&mut output.err, session);
        let _ = account::write(&mut output.err, session, &self.extras);
    }
}

fn name(session: &Session, index: usize) -> std::borrow::Cow<'_, str> {
    escape::text(&session.target(index).name)
}

/// `0.013 avg, 0% loss`.
fn so_far(tally: &Tally) -> String {
    let mean = tally
        .times
        .summary()
        .map(|times: crate::ping::figures::Summary| times.mean);
    let mean = mean.map_or("NaN".to_owned(), |mean: Duration| short_millis(mean));
    format!("{mean} avg, {}% loss", whole_loss(tally))
}

/// Whole percents of what is settled, as fping has them.
// From 0 to 100.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn whole_loss(tally: &Tally) -> u64 {
    let percent = tally.loss_percent().unwrap_or(0.0).floor();
    percent as u64
}
