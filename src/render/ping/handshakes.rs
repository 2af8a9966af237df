//! TCP handshakes (`--tcp`).

use std::io::{self, Write};
use std::time::Duration;

use serde_json::json;

use super::number::{general, millis, short_millis};
use super::path::event;
use super::words;
use super::{DayTime, Extras, account};
use crate::ping::clock::Realtime;
use crate::ping::figures::{Distribution, Times};
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
    /// Nothing came, and the target is this host: no path has filtered it.
    DroppedHere,
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
            Answer::DroppedHere => "dropped_here",
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
    /// How many SYNs were lost before one was answered: as many as were sent again.
    pub lost_syns: u32,
    /// When it began, by the wall clock.
    pub at: Realtime,
}

impl Attempt<'_> {
    /// The round-trip time: unknown if a SYN was lost, since the wait for the next one is in it.
    fn time(&self) -> Option<Duration> {
        let is_answered = matches!(self.answer, Answer::Open | Answer::Refused);
        (is_answered && self.lost_syns == 0).then_some(self.took)
    }
}

/// A port of a target, and what came of the attempts at it.
#[derive(Debug, Clone)]
pub struct Port<'a> {
    /// The target.
    pub target: &'a Target,
    /// Its port.
    pub number: u16,
    /// All of them.
    pub all: Attempts,
    /// Those since the last summary.
    pub interval: Attempts,
    /// The times of those that were answered at once.
    pub times: Distribution,
    /// Attempts in a row that found the port not open.
    pub down: u64,
    /// Attempts that this host itself dropped.
    pub dropped_here: u64,
}

impl<'a> Port<'a> {
    /// A port that was not tried yet.
    pub fn new(target: &'a Target, number: u16) -> Port<'a> {
        Port {
            target,
            number,
            all: Attempts::default(),
            interval: Attempts::default(),
            times: Distribution::new(),
            down: 0,
            dropped_here: 0,
        }
    }

    /// Counts an attempt.
    pub fn add(&mut self, attempt: &Attempt<'_>) {
        self.all.add(attempt);
        self.interval.add(attempt);
        if let Some(time) = attempt.time() {
            self.times.add(time);
        }
        self.dropped_here += u64::from(attempt.answer == Answer::DroppedHere);
        let is_open = attempt.answer == Answer::Open;
        self.down = if is_open { 0 } else { self.down + 1 };
    }
}

/// Counts of attempts.
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
    /// SYNs that were lost before one was answered.
    pub lost_syns: u64,
    /// Times of those that were answered at once, by either answer.
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
            Answer::Failed(_) | Answer::DroppedHere => self.failed += 1,
        }
        self.lost_syns += u64::from(attempt.lost_syns);
        if let Some(time) = attempt.time() {
            self.times.add(time);
        }
    }

    /// Lost SYNs, in percent of all: of each attempt the one that was answered, or the first.
    fn loss_percent(&self) -> f64 {
        let lost = self.tried - self.open - self.refused + self.lost_syns;
        lost as f64 * 100.0 / (self.tried + self.lost_syns).max(1) as f64
    }
}

/// A line for an attempt.
pub fn write_attempt(
    out: &mut impl Write,
    attempt: &Attempt<'_>,
    with_time: Option<DayTime>,
) -> io::Result<()> {
    if let Some(form) = with_time {
        write!(out, "[{}] ", form.show(attempt.at))?;
    }
    let name = escape::text(&attempt.target.shown);
    let (port, sequence) = (attempt.port, attempt.sequence);
    let time = short_millis(attempt.took);
    let at = format!("{name} port {port}: tcp_seq={sequence}");
    match &attempt.answer {
        Answer::Open if attempt.lost_syns > 0 => {
            let (lost, s) = (
                attempt.lost_syns,
                if attempt.lost_syns == 1 { "" } else { "s" },
            );
            writeln!(
                out,
                "open from {at} time={time} ms ({lost} SYN{s} lost and sent again)"
            )
        }
        Answer::Open => writeln!(out, "open from {at} time={time} ms"),
        Answer::Refused => writeln!(out, "refused by {at} time={time} ms"),
        Answer::Filtered => writeln!(out, "no reply from {at}: filtered or lost"),
        Answer::DroppedHere => writeln!(
            out,
            "no reply from {at}: dropped by this host (full accept queue, or its firewall)"
        ),
        Answer::Rejected(refusal) => writeln!(
            out,
            "filtered: {at}: {} sent {}",
            words::by(refusal),
            escape::text(&refusal.words())
        ),
        Answer::Failed(words) => writeln!(out, "failed to {at}: {}", escape::text(words)),
    }
}

/// The statistics of a port.
pub fn write_statistics(out: &mut impl Write, port: &Port<'_>, extras: &Extras) -> io::Result<()> {
    let name = escape::text(&port.target.name);
    writeln!(out, "\n--- {name} port {} TCP handshakes ---", port.number)?;
    writeln!(out, "{}", counts(&port.all))?;
    let Some(times) = port.all.times.summary() else {
        return Ok(());
    };
    let all = [times.min, times.mean, times.max, times.deviation].map(millis);
    writeln!(out, "rtt min/avg/max/mdev = {} ms", all.join("/"))?;
    if extras.hist {
        account::write_histogram(out, &port.times)?;
    }
    account::write_percentiles_of(out, &port.times, &extras.percentiles, times.jitter)?;
    writeln!(
        out,
        "timing: this program's clock, from connect(2) to its end"
    )
}

/// The figures of an interval that is over.
pub fn write_interval(out: &mut impl Write, port: &Port<'_>, now: &str) -> io::Result<()> {
    let name = escape::text(&port.target.name);
    writeln!(
        out,
        "[{now}] {name} port {} : {}",
        port.number,
        counts(&port.interval)
    )
}

fn counts(attempts: &Attempts) -> String {
    let Attempts {
        tried,
        open,
        refused,
        filtered,
        failed,
        lost_syns,
        ..
    } = attempts;
    let loss = general(attempts.loss_percent());
    let syns = match lost_syns {
        0 => String::new(),
        _ => format!(", {lost_syns} SYNs lost and sent again"),
    };
    format!(
        "{tried} tried, {open} open, {refused} refused, {filtered} filtered, {failed} failed, {loss}% \
         loss{syns}"
    )
}

/// An attempt as an event.
pub fn attempt_json(out: &mut impl Write, attempt: &Attempt<'_>) -> io::Result<()> {
    let answer = &attempt.answer;
    let (message, by) = match answer {
        Answer::Failed(words) => (Some(words.clone()), None),
        Answer::Rejected(refusal) => (Some(refusal.words()), Some(words::by(refusal))),
        _ => (None, None),
    };
    let fields = json!({
        "time": crate::render::json::seconds(attempt.at),
        "port": attempt.port,
        "seq": attempt.sequence,
        "answer": answer.word(),
        "rtt_us": maybe_micros(attempt.time()),
        "took_us": micros(attempt.took),
        "lost_syns": attempt.lost_syns,
        "message": message,
        "by": by,
    });
    event(out, "handshake", attempt.target, fields)
}

/// The statistics of a port as an event: `handshakes` of all attempts, or `interval`.
pub fn statistics_json(
    out: &mut impl Write,
    port: &Port<'_>,
    word: &str,
    extras: &Extras,
) -> io::Result<()> {
    let is_all = word == "handshakes";
    let attempts = if is_all { &port.all } else { &port.interval };
    let times = attempts.times.summary();
    let time = |it| port.times.percentile(it).filter(|_| is_all);
    let fields = json!({
        "port": port.number,
        "tried": attempts.tried,
        "open": attempts.open,
        "refused": attempts.refused,
        "filtered": attempts.filtered,
        "failed": attempts.failed,
        "lost_syns": attempts.lost_syns,
        "loss_percent": (attempts.tried > 0).then(|| attempts.loss_percent()),
        "rtt_min_us": maybe_micros(times.map(|it| it.min)),
        "rtt_avg_us": maybe_micros(times.map(|it| it.mean)),
        "rtt_max_us": maybe_micros(times.map(|it| it.max)),
        "rtt_mdev_us": maybe_micros(times.map(|it| it.deviation)),
        "percentiles_us": super::json::percentiles_of(&extras.percentiles, time),
    });
    event(out, word, port.target, fields)
}
