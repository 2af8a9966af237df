//! What follows the statistics: percentiles and jitter, what the times were measured by, and
//! the account of lost packets.

use std::io::{self, Write};
use std::time::Duration;

use super::number::{millis, short_millis};
use super::{Extras, words};
use crate::diagnose::rules::path as rules;
use crate::ping::event::Timings;
use crate::ping::figures::Distribution;
use crate::ping::losses::{Losses, Refusal};
use crate::ping::outage::Outages;
use crate::ping::session::Session;
use crate::render::{escape, finding, thousands};

/// How wide the bars of a histogram are at most.
const BAR: u64 = 40;
/// Bars of a histogram.
const BARS: u32 = 12;
/// Targets whose times and losses are written for each.
const MOST_TARGETS: usize = 16;
/// Findings that are written in full; a sweep of a block could have thousands.
const MOST_FINDINGS: usize = 8;

/// Writes all of it.
///
/// The last two lines are always those of the times, and the first of them holds the word `time`
/// between blanks: parsers look for it there to know iputils' statistics from those of macOS.
pub fn write(out: &mut impl Write, session: &Session, extras: &Extras) -> io::Result<()> {
    write_targets(out, session, extras)?;
    write_losses(out, session)?;
    write_outages(out, session)?;
    write_not_counted(out, session)?;
    write_notes(out, session)?;
    write_findings(out, session, extras)?;
    if extras.hist {
        write_histogram(out, &session.times)?;
    }
    write_percentiles(out, session, &extras.percentiles)?;
    let timing = timing(&session.timings);
    writeln!(
        out,
        "timing: {}",
        timing.as_deref().unwrap_or("not measured")
    )
}

fn write_findings(out: &mut impl Write, session: &Session, extras: &Extras) -> io::Result<()> {
    let mut findings = rules::of_session(session);
    let more = findings.split_off(findings.len().min(MOST_FINDINGS));
    finding::write_all(out, findings, extras.layout)?;
    if more.is_empty() {
        return Ok(());
    }
    let count = thousands(more.len() as u64);
    writeln!(
        out,
        "note: {count} more findings about other targets; --json lists all"
    )
}

fn write_percentiles(
    out: &mut impl Write,
    session: &Session,
    percentiles: &[f64],
) -> io::Result<()> {
    if session.totals.times.count == 0 {
        return writeln!(out, "round-trip time unknown: no valid replies");
    }
    let words = percentile_words(&session.times, percentiles, session.jitter());
    writeln!(out, "round-trip time {words}")
}

/// `p50/p90 = 1.2/3.4 ms, jitter 0.1 ms`.
pub(super) fn percentile_words(
    times: &Distribution,
    percentiles: &[f64],
    jitter: Option<Duration>,
) -> String {
    let times: Vec<String> = percentiles
        .iter()
        .filter_map(|&percentile| times.percentile(percentile))
        .map(millis)
        .collect();
    let names: Vec<String> = percentiles.iter().map(|p| format!("p{p}")).collect();
    let (names, times) = (names.join("/"), times.join("/"));
    let jitter = jitter.map(|jitter| format!(", jitter {} ms", millis(jitter)));
    format!("{names} = {times} ms{}", jitter.unwrap_or_default())
}

/// The times and the losses of each of several targets.
fn write_targets(out: &mut impl Write, session: &Session, extras: &Extras) -> io::Result<()> {
    if !(2..=MOST_TARGETS).contains(&session.target_count()) {
        return Ok(());
    }
    writeln!(out, "each target:")?;
    for index in 0..session.target_count() {
        let name = escape::text(&session.target(index).name);
        let summary = session.tally(index).times.summary();
        let jitter = summary.and_then(|times| times.jitter);
        let times = session.times_of(index).filter(|_| summary.is_some());
        let words = times.map(|times| percentile_words(times, &extras.percentiles, jitter));
        writeln!(
            out,
            "  {name}: {}",
            words.as_deref().unwrap_or("no valid replies")
        )?;
        let losses = session.losses_of(index);
        for line in loss_lines(losses) {
            writeln!(out, "    lost: {line}")?;
        }
    }
    Ok(())
}

/// What the times were measured by; `None` if there are none.
fn timing(timings: &Timings) -> Option<String> {
    let all = timings.kernel + timings.kernel_receive + timings.user;
    let kinds = [
        (timings.kernel, "kernel timestamps for requests and replies"),
        (
            timings.kernel_receive,
            "kernel timestamps for replies, this program's clock for requests",
        ),
        (
            timings.user,
            "this program's clock for requests and replies",
        ),
    ];
    let used: Vec<String> = kinds
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, words)| {
            if *count == all {
                (*words).to_owned()
            } else {
                format!("{} by {words}", thousands(*count))
            }
        })
        .collect();
    (!used.is_empty()).then(|| used.join("; "))
}

/// One line for each way to be lost.
fn write_losses(out: &mut impl Write, session: &Session) -> io::Result<()> {
    let losses = &session.losses;
    if losses.unfinished > 0 {
        writeln!(
            out,
            "unfinished: {} of {} still in flight at the end, not counted as lost",
            thousands(losses.unfinished),
            thousands(session.totals.sent)
        )?;
    }
    if losses.total() == 0 {
        return Ok(());
    }
    writeln!(
        out,
        "lost: {} of {}",
        thousands(losses.total()),
        thousands(session.totals.sent)
    )?;
    for line in loss_lines(losses) {
        writeln!(out, "  {line}")?;
    }
    Ok(())
}

/// Each way to be lost, with its count.
fn loss_lines(losses: &Losses) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = |count: u64, words: &str| {
        if count > 0 {
            lines.push(format!("{} {words}", thousands(count)));
        }
    };
    line(losses.silent, "no reply (no ICMP error received)");
    let advice: Vec<String> = losses.advice().map(advice_words).collect();
    let advice = advice.join(", ");
    line(losses.advised, &format!("no reply, only advice: {advice}"));
    for (refusal, count) in losses.refused() {
        let who = words::by(refusal);
        let (kind, code) = (refusal.r#type, refusal.code);
        let word = refusal.version.word();
        let words = refusal.words();
        line(
            count,
            &format!("rejected: {who} sent {words} ({word} {kind}/{code})"),
        );
    }
    line(losses.late, "late: replied after the timeout");
    line(losses.damaged, "corrupted: only a damaged reply arrived");
    for (why, count) in losses.unsent() {
        line(count, &format!("dropped by {}", words::unsent_account(why)));
    }
    lines
}

/// `10.0.0.254 sent Redirect Host (icmp 5/1)`.
fn advice_words((advice, _): (&Refusal, u64)) -> String {
    let (by, words, word) = (words::by(advice), advice.words(), advice.version.word());
    format!(
        "{by} sent {words} ({word} {}/{})",
        advice.r#type, advice.code
    )
}

/// The losses in a row, told apart from scattered ones.
fn write_outages(out: &mut impl Write, session: &Session) -> io::Result<()> {
    let mut all = Outages::default();
    for target in 0..session.target_count() {
        let outages = session.outages(target);
        all.count += outages.count;
        all.lost += outages.lost;
        all.longest = all.longest.max(outages.longest);
    }
    let scattered = session.losses.total().saturating_sub(all.lost);
    match outages_words(&all, scattered) {
        Some(words) => writeln!(out, "{words}"),
        None => Ok(()),
    }
}

/// The words for outages; nothing without one.
fn outages_words(all: &Outages, scattered: u64) -> Option<String> {
    let longest = match all.longest {
        Duration::ZERO => String::new(),
        longest => format!("; the longest {}", words::seconds(longest)),
    };
    (all.count > 0).then(|| {
        format!(
            "outages: {} with {} lost in a row, {} lost outside of them{longest}",
            thousands(all.count),
            thousands(all.lost),
            thousands(scattered)
        )
    })
}

/// Replies that came and are none.
fn write_not_counted(out: &mut impl Write, session: &Session) -> io::Result<()> {
    let totals = &session.totals;
    let kinds = [
        (totals.damaged, "corrupted"),
        (totals.late, "late"),
        (totals.forged, "forged"),
        (totals.elsewhere, "from elsewhere"),
    ];
    let told: Vec<String> = kinds
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{} {word}", thousands(*count)))
        .collect();
    if told.is_empty() {
        return Ok(());
    }
    let how = if session.plan().lenient {
        "counted because of --lenient"
    } else {
        "not counted"
    };
    writeln!(out, "replies {how}: {}", told.join(", "))
}

fn write_notes(out: &mut impl Write, session: &Session) -> io::Result<()> {
    write_local(out, session)?;
    if session.losses.advised == 0 {
        for advice in session.losses.advice() {
            let count = thousands(advice.1);
            writeln!(out, "note: {}, {count} times", advice_words(advice))?;
        }
    }
    let (others, reordered) = (session.totals.others, session.totals.reordered);
    if others > 0 {
        writeln!(
            out,
            "note: {} more replies of other members of the group",
            thousands(others)
        )?;
    }
    if reordered > 0 {
        let count = thousands(reordered);
        writeln!(
            out,
            "note: reordered: {count} replies came after the reply to a later request"
        )?;
    }
    if session.overflowed > 0 {
        writeln!(
            out,
            "note: the receive buffer of this host overflowed and dropped {} packets",
            thousands(session.overflowed)
        )?;
    }
    if session.retried > 0 {
        writeln!(
            out,
            "note: a send buffer of this host was full {} times; sending was retried",
            thousands(session.retried)
        )?;
    }
    if session.clock_steps > 0 {
        writeln!(
            out,
            "note: the clock of this host was set during the run; round-trip times are not affected"
        )?;
    }
    Ok(())
}

/// Times above this that requests spent in this host are reported.
const LONG: Duration = Duration::from_millis(1);

/// The time that requests spent in this host.
fn write_local(out: &mut impl Write, session: &Session) -> io::Result<()> {
    if let Some(held) = session.held.summary().filter(|it| it.max >= LONG) {
        writeln!(
            out,
            "note: requests waited up to {} ms in this host before the queue of the link (neighbour \
             resolution, firewall); not part of the round-trip time",
            short_millis(held.max)
        )?;
    }
    let queue = session.queue.summary().filter(|it| it.max >= LONG);
    let Some((queue, all)) = queue.zip(session.totals.times.summary()) else {
        return Ok(());
    };
    writeln!(
        out,
        "note: of the mean round-trip time, {} ms on the wire, {} ms in this host's queue (at most {} ms)",
        short_millis(all.mean.saturating_sub(queue.mean)),
        short_millis(queue.mean),
        short_millis(queue.max)
    )
}

/// A histogram of the round-trip times.
pub(super) fn write_histogram(out: &mut impl Write, times: &Distribution) -> io::Result<()> {
    let bars = times.bars(BARS);
    let Some(most) = bars.iter().map(|(_, count)| *count).max() else {
        return Ok(());
    };
    let ends: Vec<String> = bars.iter().map(|(end, _)| exact(*end)).collect();
    let wide = ends.iter().map(String::len).max().unwrap_or(0);
    for (end, (_, count)) in ends.iter().zip(&bars) {
        // At least one mark for what is there.
        let length = (count * BAR).div_ceil(most.max(1));
        let bar = "#".repeat(usize::try_from(length).unwrap_or(0));
        let line = format!("  up to {end:>wide$} ms {:>9}  {bar}", thousands(*count));
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// Milliseconds to the nanosecond below a tenth, otherwise to the microsecond.
fn exact(time: Duration) -> String {
    let nanos = time.as_nanos();
    if nanos < 100_000 {
        return format!("0.{nanos:06}");
    }
    millis(time)
}
