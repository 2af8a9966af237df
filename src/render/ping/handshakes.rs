//! TCP handshakes (`--tcp`).

use std::io::{self, Write};
use std::time::Duration;

use serde_json::json;

use super::number::{general, millis, short_millis};
use super::path::event;
use super::words;
use crate::ping::figures::Times;
use crate::ping::losses::Refusal;
use crate::ping::target::Target;
use crate::render::escape;
use crate::render::json::maybe_micros;

/// What a port answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It accepts.
    Open,
    /// It resets.
    Refused,
    /// Nothing came.
    Filtered,
    /// A router or a firewall on the way refuses by ICMP: filtered too, and the sender is known.
    Rejected(Refusal),
    /// Another problem, as text.
    Failed(String),
}

impl Answer {
    fn word(&self) -> &'static str {
        match self {
            Answer::Open => "open",
            Answer::Refused => "refused",
            Answer::Filtered | Answer::Rejected(_) => "filtered",
            Answer::Failed(_) => "failed",
        }
    }
}

/// One attempt.
#[derive(Debug)]
pub struct Attempt<'a> {
    /// The target.
    pub target: &'a Target,
    /// Which port.
    pub port: u16,
    /// Which attempt at this target, from 1.
    pub sequence: u64,
    /// What came of it.
    pub answer: Answer,
    /// How long that took.
    pub took: Duration,
}

/// What came of the attempts at one target.
#[derive(Debug, Clone, Default)]
pub struct Attempts {
    /// All.
    pub tried: u64,
    /// Accepted.
    pub open: u64,
    /// Reset.
    pub refused: u64,
    /// Without an answer.
    pub filtered: u64,
    /// Failed in another way.
    pub failed: u64,
    /// Times of those that were answered, by either answer.
    pub times: Times,
}

impl Attempts {
    /// Counts an attempt.
    pub fn add(&mut self, attempt: &Attempt<'_>) {
        self.tried += 1;
        match attempt.answer {
            Answer::Open => self.open += 1,
            Answer::Refused => self.refused += 1,
            Answer::Filtered | Answer::Rejected(_) => self.filtered += 1,
            Answer::Failed(_) => self.failed += 1,
        }
        if matches!(attempt.answer, Answer::Open | Answer::Refused) {
            self.times.add(attempt.took);
        }
    }
}

/// A line for an attempt.
pub fn write_attempt(out: &mut impl Write, attempt: &Attempt<'_>) -> io::Result<()> {
    let name = escape::text(&attempt.target.shown);
    let (port, sequence) = (attempt.port, attempt.sequence);
    let time = short_millis(attempt.took);
    let at = format!("{name} port {port}: tcp_seq={sequence}");
    match &attempt.answer {
        Answer::Open => writeln!(out, "open from {at} time={time} ms"),
        Answer::Refused => writeln!(out, "refused by {at} time={time} ms"),
        Answer::Filtered => writeln!(out, "no reply from {at}: filtered or lost"),
        Answer::Rejected(refusal) => writeln!(
            out,
            "filtered: {at}: {} sent {}",
            words::by(refusal),
            escape::text(&refusal.words())
        ),
        Answer::Failed(words) => writeln!(out, "failed to {at}: {}", escape::text(words)),
    }
}

/// The statistics of a target.
pub fn write_statistics(
    out: &mut impl Write,
    target: &Target,
    port: u16,
    attempts: &Attempts,
) -> io::Result<()> {
    let name = escape::text(&target.name);
    writeln!(out, "\n--- {name} port {port} TCP handshakes ---")?;
    let Attempts {
        tried,
        open,
        refused,
        filtered,
        failed,
        times,
    } = attempts;
    let lost = (tried - open - refused) as f64 * 100.0 / (*tried).max(1) as f64;
    writeln!(
        out,
        "{tried} tried, {open} open, {refused} refused, {filtered} filtered, {failed} failed, {}% loss",
        general(lost)
    )?;
    if let Some(times) = times.summary() {
        let all = [times.min, times.mean, times.max, times.deviation].map(millis);
        writeln!(out, "rtt min/avg/max/mdev = {} ms", all.join("/"))?;
        writeln!(
            out,
            "timing: this program's clock, from connect(2) to its end"
        )?;
    }
    Ok(())
}

/// An attempt as an event.
pub fn attempt_json(out: &mut impl Write, attempt: &Attempt<'_>) -> io::Result<()> {
    let answer = &attempt.answer;
    let answered = matches!(answer, Answer::Open | Answer::Refused);
    let (message, by) = match answer {
        Answer::Failed(words) => (Some(words.clone()), None),
        Answer::Rejected(refusal) => (Some(refusal.words()), Some(words::by(refusal))),
        _ => (None, None),
    };
    let fields = json!({
        "port": attempt.port,
        "seq": attempt.sequence,
        "answer": answer.word(),
        "rtt_us": maybe_micros(answered.then_some(attempt.took)),
        "message": message,
        "by": by,
    });
    event(out, "handshake", attempt.target, fields)
}

/// The statistics of a target as an event.
pub fn statistics_json(
    out: &mut impl Write,
    target: &Target,
    port: u16,
    attempts: &Attempts,
) -> io::Result<()> {
    let times = attempts.times.summary();
    let fields = json!({
        "port": port,
        "tried": attempts.tried,
        "open": attempts.open,
        "refused": attempts.refused,
        "filtered": attempts.filtered,
        "failed": attempts.failed,
        "rtt_min_us": maybe_micros(times.map(|it| it.min)),
        "rtt_avg_us": maybe_micros(times.map(|it| it.mean)),
        "rtt_max_us": maybe_micros(times.map(|it| it.max)),
        "rtt_mdev_us": maybe_micros(times.map(|it| it.deviation)),
    });
    event(out, "handshakes", target, fields)
}
