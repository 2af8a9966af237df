//! What is said of TCP handshakes (`--tcp`).

use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::json::SCHEMA;
use super::number::{general, millis, short_millis};
use super::words;
use crate::ping::figures::Times;
use crate::ping::losses::Refusal;
use crate::ping::target::Target;
use crate::render::escape;
use crate::render::json::{maybe_micros, micros};

/// What a port answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It accepts.
    Open,
    /// It resets.
    Refused,
    /// Nothing came.
    Filtered,
    /// A router or a firewall on the way refuses by ICMP: filtered too, and one knows by whom.
    Rejected(Refusal),
    /// Something else is wrong, in words.
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
    /// Whom.
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
        Answer::Filtered => writeln!(out, "no answer from {at}: filtered, or lost"),
        Answer::Rejected(refusal) => writeln!(
            out,
            "filtered: {at}: {} says {}",
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
        writeln!(out, "timing: our own clock, from connect(2) to its end")?;
    }
    Ok(())
}

/// An attempt as an object.
pub fn attempt_object(attempt: &Attempt<'_>) -> Value {
    let mut object = about("handshake", attempt.target, attempt.port);
    object.insert("seq".to_owned(), json!(attempt.sequence));
    object.insert("answer".to_owned(), json!(attempt.answer.word()));
    let took = match attempt.answer {
        Answer::Open | Answer::Refused => micros(attempt.took),
        Answer::Filtered | Answer::Rejected(_) | Answer::Failed(_) => Value::Null,
    };
    object.insert("rtt_us".to_owned(), took);
    let message = match &attempt.answer {
        Answer::Failed(words) => Some(words.clone()),
        Answer::Rejected(refusal) => Some(refusal.words()),
        _ => None,
    };
    object.insert("message".to_owned(), json!(message));
    let by = match &attempt.answer {
        Answer::Rejected(refusal) => Some(words::by(refusal)),
        _ => None,
    };
    object.insert("by".to_owned(), json!(by));
    Value::Object(object)
}

/// The statistics of a target as an object.
pub fn statistics_object(target: &Target, port: u16, attempts: &Attempts) -> Value {
    let mut object = about("handshakes", target, port);
    for (key, count) in [
        ("tried", attempts.tried),
        ("open", attempts.open),
        ("refused", attempts.refused),
        ("filtered", attempts.filtered),
        ("failed", attempts.failed),
    ] {
        object.insert(key.to_owned(), json!(count));
    }
    let times = attempts.times.summary();
    for (key, time) in [
        ("rtt_min_us", times.map(|it| it.min)),
        ("rtt_avg_us", times.map(|it| it.mean)),
        ("rtt_max_us", times.map(|it| it.max)),
        ("rtt_mdev_us", times.map(|it| it.deviation)),
    ] {
        object.insert(key.to_owned(), maybe_micros(time));
    }
    Value::Object(object)
}

fn about(event: &str, target: &Target, port: u16) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("schema".to_owned(), json!(SCHEMA));
    object.insert("event".to_owned(), json!(event));
    object.insert("target".to_owned(), json!(target.name));
    object.insert("address".to_owned(), json!(target.shown));
    object.insert("port".to_owned(), json!(port));
    object
}
