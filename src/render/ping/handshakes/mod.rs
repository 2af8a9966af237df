//! TCP handshakes (`--tcp`): what came of them, and as text.

pub mod csv;
pub mod json;

use std::io::{self, Write};
use std::net::IpAddr;
use std::time::Duration;

use super::number::{general, millis, short_millis};
use super::words;
use super::{DayTime, Extras, account};
use crate::diagnose::reach::Told;
use crate::diagnose::rules::path as rules;
use crate::ping::clock::{Monotonic, Realtime};
use crate::ping::figures::{Distribution, Times};
use crate::ping::losses::Refusal;
use crate::ping::outage::Run;
use crate::ping::target::Target;
use crate::render::{escape, finding};

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

    /// Details of the answer, and the address that sent it.
    fn message(&self) -> (Option<String>, Option<String>) {
        match self {
            Answer::Failed(words) => (Some(words.clone()), None),
            Answer::Rejected(refusal) => (Some(refusal.words()), Some(words::by(refusal))),
            _ => (None, None),
        }
    }
}

/// One attempt.
#[derive(Debug)]
pub struct Attempt {
    /// Which attempt at this port, from 1.
    pub sequence: u64,
    /// What came of it.
    pub answer: Answer,
    /// How long that took.
    pub took: Duration,
    /// How many SYNs were lost before one was answered: as many as were sent again.
    pub lost_syns: u32,
    /// When it began.
    pub started: Monotonic,
    /// The same by the wall clock.
    pub at: Realtime,
}

impl Attempt {
    /// When it was over, by the wall clock.
    pub fn ended(&self) -> Realtime {
        let took = u64::try_from(self.took.as_nanos()).unwrap_or(u64::MAX);
        Realtime(self.at.0.saturating_add(took))
    }

    /// The round-trip time: unknown if a SYN was lost, since the wait for the next one is in it.
    fn time(&self) -> Option<Duration> {
        let is_answered = matches!(self.answer, Answer::Open | Answer::Refused);
        (is_answered && self.lost_syns == 0).then_some(self.took)
    }
}

/// A port went down or came up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// When the first attempt in a row began that found it not open, by the wall clock.
    pub since: Realtime,
    /// Such attempts in a row by now.
    pub failed: u64,
    /// Open again: the time from that attempt to the first that found it open.
    pub up_after: Option<Duration>,
}

impl Outage {
    fn words(&self, since: &str) -> String {
        let count = self.failed;
        match self.up_after {
            None => format!("down since {since}, {count} failed in a row"),
            Some(after) => {
                let after = words::seconds(after);
                format!("open again after {after}, {count} failed in a row")
            }
        }
    }

    fn word(&self) -> &'static str {
        if self.up_after.is_some() {
            "up"
        } else {
            "down"
        }
    }
}

/// A port of a target, and what came of the attempts at it.
#[derive(Debug, Clone)]
pub struct Port {
    /// The target.
    pub target: Target,
    /// Its port.
    pub number: u16,
    /// All of them.
    pub all: Attempts,
    /// Those since the last summary.
    pub interval: Attempts,
    /// The times of those that were answered at once.
    pub times: Distribution,
    /// Attempts in a row that found the port not open.
    pub run: Run,
    /// What this host's own sockets say about its first failure.
    pub told: Option<Told>,
    /// The latest rejection by ICMP.
    rejected: Option<Refusal>,
}

impl Port {
    /// A port that was not tried yet.
    pub fn new(target: Target, number: u16) -> Port {
        Port {
            target,
            number,
            all: Attempts::default(),
            interval: Attempts::default(),
            times: Distribution::new(),
            run: Run::default(),
            told: None,
            rejected: None,
        }
    }

    /// Counts an attempt. Gives the change if the port is down or up by that.
    pub fn add(&mut self, attempt: &Attempt) -> Option<Outage> {
        self.all.add(attempt);
        self.interval.add(attempt);
        if let Some(time) = attempt.time() {
            self.times.add(time);
        }
        if let Answer::Rejected(refusal) = &attempt.answer {
            self.rejected = Some(*refusal);
        }
        let change = if attempt.answer == Answer::Open {
            self.run.answer(attempt.sequence, attempt.started)?
        } else {
            self.run.miss(attempt.sequence, attempt.started)?
        };
        let ago = attempt.started.since(change.since).as_nanos();
        let ago = u64::try_from(ago).unwrap_or(u64::MAX);
        Some(Outage {
            since: Realtime(attempt.at.0.saturating_sub(ago)),
            failed: change.lost,
            up_after: change.up_after,
        })
    }

    /// `10.0.0.9 port 80`, escaped.
    fn label(&self) -> String {
        format!("{} port {}", escape::text(&self.target.shown), self.number)
    }

    fn findings(&self) -> Vec<crate::diagnose::Finding> {
        let lost = (self.all.lost_syns, self.all.tried + self.all.lost_syns);
        let rejected = self.rejected.as_ref();
        rules::of_handshakes(self.target.address, lost, rejected)
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
    pub fn add(&mut self, attempt: &Attempt) {
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
    port: &Port,
    attempt: &Attempt,
    with_time: Option<DayTime>,
) -> io::Result<()> {
    write_time(out, attempt.ended(), with_time)?;
    let time = short_millis(attempt.took);
    let at = format!("{}: tcp_seq={}", port.label(), attempt.sequence);
    match &attempt.answer {
        Answer::Open if attempt.lost_syns > 0 => {
            let lost = attempt.lost_syns;
            let s = if lost == 1 { "" } else { "s" };
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

/// A line for a handshake that is still under way (`-O`).
pub fn write_unanswered(
    out: &mut impl Write,
    port: &Port,
    sequence: u64,
    now: Realtime,
    with_time: Option<DayTime>,
) -> io::Result<()> {
    write_time(out, now, with_time)?;
    writeln!(
        out,
        "no answer yet from {}: tcp_seq={sequence}",
        port.label()
    )
}

fn write_time(out: &mut impl Write, at: Realtime, with_time: Option<DayTime>) -> io::Result<()> {
    match with_time {
        Some(form) => write!(out, "[{}] ", form.show(at)),
        None => Ok(()),
    }
}

/// An outage, on one line.
pub fn outage_words(port: &Port, outage: &Outage, clock: DayTime) -> String {
    format!(
        "{}: {}",
        port.label(),
        outage.words(&clock.of_day(outage.since))
    )
}

/// The name of a target has another address.
pub fn moved_words(port: &Port, from: IpAddr) -> String {
    let (name, to) = (&port.target.name, &port.target.shown);
    let words = format!("{name} has another address: {to}, no longer {from}");
    escape::text(&words).into_owned()
}

/// The statistics of a port.
pub fn write_statistics(out: &mut impl Write, port: &Port, extras: &Extras) -> io::Result<()> {
    let name = escape::text(&port.target.name);
    writeln!(out, "\n--- {name} port {} TCP handshakes ---", port.number)?;
    writeln!(out, "{}", counts(&port.all))?;
    let outages = port.run.outages();
    if outages.count > 0 {
        let (count, failed) = (outages.count, outages.lost);
        let outside = (port.all.tried - port.all.open).saturating_sub(failed);
        writeln!(
            out,
            "outages: {count} with {failed} failed in a row, {outside} failed outside of them"
        )?;
    }
    finding::write_all(out, port.findings(), extras.layout)?;
    let Some(times) = port.all.times.summary() else {
        return Ok(());
    };
    let all = [times.min, times.mean, times.max, times.deviation].map(millis);
    writeln!(out, "rtt min/avg/max/mdev = {} ms", all.join("/"))?;
    if extras.hist {
        account::write_histogram(out, &port.times)?;
    }
    let told = account::percentile_words(&port.times, &extras.percentiles, times.jitter);
    writeln!(out, "round-trip time {told}")?;
    writeln!(
        out,
        "timing: this program's clock, from connect(2) to its end"
    )
}

/// The figures of an interval that is over.
pub fn write_interval(out: &mut impl Write, port: &Port, now: &str) -> io::Result<()> {
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
        1 => ", 1 SYN lost and sent again".to_owned(),
        _ => format!(", {lost_syns} SYNs lost and sent again"),
    };
    format!(
        "{tried} tried, {open} open, {refused} refused, {filtered} filtered, {failed} failed, {loss}% \
         loss{syns}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn attempt(sequence: u64, answer: Answer) -> Attempt {
        Attempt {
            sequence,
            answer,
            took: Duration::from_millis(2),
            lost_syns: 0,
            started: Monotonic(sequence * SECOND),
            at: Realtime((1000 + sequence) * SECOND),
        }
    }

    #[test]
    fn three_attempts_in_a_row_that_find_a_port_closed_are_an_outage_until_it_is_open() {
        let mut port = Port::new(Target::from(IpAddr::from([10, 0, 0, 9])), 80);
        let answers = [
            Answer::Open,
            Answer::Refused,
            Answer::Filtered,
            Answer::Refused,
            Answer::Refused,
            Answer::Open,
        ];
        let outages: Vec<Option<Outage>> = (1..)
            .zip(answers)
            .map(|(sequence, answer)| port.add(&attempt(sequence, answer)))
            .collect();
        let down = Outage {
            since: Realtime(1002 * SECOND),
            failed: 3,
            up_after: None,
        };
        let up = Outage {
            failed: 4,
            up_after: Some(Duration::from_secs(4)),
            ..down
        };
        assert_eq!(outages, [None, None, None, Some(down), None, Some(up)]);
        let words = outage_words(&port, &up, DayTime::default());
        assert_eq!(
            words,
            "10.0.0.9 port 80: open again after 4.0 s, 4 failed in a row"
        );
        let mut line = Vec::new();
        let csv = csv::Csv {
            with_intervals: false,
        };
        csv.outage(&mut line, &port, &up, Realtime(0)).unwrap();
        let line = String::from_utf8(line).unwrap();
        assert!(
            line.starts_with("0.000000,10.0.0.9,10.0.0.9,80,up,,"),
            "{line}"
        );
    }
}
