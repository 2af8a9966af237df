//! One target: the lines of iputils' ping, which scripts read, or those of macOS' ping.

use std::io::{self, Write};
use std::net::IpAddr;

use super::number::{general, millis, short_millis};
use super::{DayTime, Extras, NameOf, Output, Writer, account, words};
use crate::ping::clock::Realtime;
use crate::ping::event::{Event, Refused, Reply, Verdict};
use crate::ping::payload::Damage;
use crate::ping::plan::Pace;
use crate::ping::session::{Request, Session};
use crate::ping::tally::Tally;
use crate::reference::icmp::Version;
use crate::render::escape;

/// Whose lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// iputils, which Linux has.
    Iputils,
    /// macOS and the BSDs: numbered from 0, another end.
    Bsd,
}

/// How they are written.
#[derive(Debug, Clone)]
pub struct Lines {
    /// Whose.
    pub dialect: Dialect,
    /// The time in front (`-D`), in this form.
    pub with_time: Option<DayTime>,
    /// A bell with each reply (`-a`).
    pub with_bell: bool,
    /// The identifier too (`-v`).
    pub with_identifier: bool,
    /// The address that the requests are sent from.
    pub source: IpAddr,
    /// The interface or the empty word, if an interface or a source was asked for (`-I`).
    pub device: Option<String>,
    /// The pattern (`-p`).
    pub pattern: Vec<u8>,
    /// What is shown beside the statistics.
    pub extras: Extras,
}

impl Writer for Lines {
    fn opening(&mut self, output: &mut Output, session: &Session, names: NameOf<'_>) {
        let reverse = names(session.target(0).address);
        let _ = self.write_opening(&mut output.out, session, reverse.as_deref());
    }

    fn unanswered(&mut self, output: &mut Output, _: &Session, request: &Request, now: Realtime) {
        if let Some(sequence) = request.unanswered {
            let _ = self.write_unanswered(&mut output.out, sequence, now);
        }
    }

    fn event(
        &mut self,
        output: &mut Output,
        session: &Session,
        event: &Event,
        _now: Realtime,
        names: NameOf<'_>,
    ) {
        let _ = self.write_event(&mut output.out, session, event, names);
    }

    fn finish(&mut self, output: &mut Output, session: &Session, _now: Realtime) {
        let _ = self.statistics(&mut output.out, session);
        // Parsers of macOS' statistics take every line after them for one of theirs.
        let page = match self.dialect {
            Dialect::Iputils => &mut output.out,
            Dialect::Bsd => &mut output.err,
        };
        let _ = account::write(page, session, &self.extras);
    }
}

impl Lines {
    /// The first line, and one before it with the pattern.
    fn write_opening(
        &self,
        out: &mut impl Write,
        session: &Session,
        reverse: Option<&str>,
    ) -> io::Result<()> {
        if !self.pattern.is_empty() {
            write!(out, "PATTERN: 0x")?;
            for byte in &self.pattern {
                write!(out, "{byte:02x}")?;
            }
            writeln!(out)?;
        }
        let target = session.target(0);
        let name = escape::text(&target.name);
        let shown = escape::text(&target.shown);
        let length = session.payloads().length();
        match (self.dialect, target.version()) {
            (Dialect::Iputils, Version::V4) => {
                write!(out, "PING {name} ({shown}) {}", self.from())?;
                writeln!(out, "{length}({}) bytes of data.", length + 28)
            }
            (Dialect::Iputils, Version::V6) => {
                let peer = words::labelled(reverse, &shown);
                writeln!(
                    out,
                    "PING {name}({peer}) {}{length} data bytes",
                    self.from()
                )
            }
            (Dialect::Bsd, Version::V4) => {
                write!(out, "PING {name} ({shown})")?;
                if self.device.is_some() {
                    write!(out, " from {}", self.source)?;
                }
                writeln!(out, ": {length} data bytes")
            }
            (Dialect::Bsd, Version::V6) => {
                let all = length + 48;
                let source = self.source;
                writeln!(out, "PING6({all}=40+8+{length} bytes) {source} --> {shown}")
            }
        }
    }

    /// `from SOURCE DEVICE: `, as iputils writes it with `-I`.
    fn from(&self) -> String {
        match &self.device {
            Some(device) => format!("from {} {}: ", self.source, escape::text(device)),
            None => String::new(),
        }
    }

    /// What happened, if it has a line.
    fn write_event(
        &self,
        out: &mut impl Write,
        session: &Session,
        event: &Event,
        names: NameOf<'_>,
    ) -> io::Result<()> {
        match event {
            Event::Reply(reply) if reply.counts || reply.verdict == Verdict::Duplicate => {
                self.reply(out, session, reply, names)
            }
            Event::Reply(reply) => self.bad_reply(out, session, reply, names),
            Event::Refused(refused) => self.refused(out, session, refused, names),
            Event::Lost { sequence, .. } if self.dialect == Dialect::Bsd => {
                writeln!(out, "Request timeout for icmp_seq {}", sequence - 1)
            }
            // On standard error: see `complaint`.
            _ => Ok(()),
        }
    }

    /// The sequence number as the dialect counts.
    fn number(&self, sequence: u64) -> u64 {
        match self.dialect {
            Dialect::Iputils => sequence,
            Dialect::Bsd => sequence.saturating_sub(1),
        }
    }

    fn time(&self, out: &mut impl Write, at: Realtime) -> io::Result<()> {
        match self.with_time {
            Some(time) => write!(out, "[{}] ", time.show(at)),
            None => Ok(()),
        }
    }

    fn reply(
        &self,
        out: &mut impl Write,
        session: &Session,
        reply: &Reply,
        names: NameOf<'_>,
    ) -> io::Result<()> {
        self.time(out, reply.at)?;
        let from = answerer(session, reply, names);
        let is_bsd6 = self.dialect == Dialect::Bsd && session.target(0).version() == Version::V6;
        let colon = if is_bsd6 { ',' } else { ':' };
        write!(
            out,
            "{} bytes from {from}{colon} icmp_seq={}",
            reply.bytes,
            self.number(reply.sequence)
        )?;
        if self.with_identifier {
            let identifier = session.identifier(session.target(reply.target).version());
            write!(out, " ident={identifier}")?;
        }
        if let Some(hops) = reply.hop_limit {
            write!(out, " {}={hops}", if is_bsd6 { "hlim" } else { "ttl" })?;
        }
        if reply.verdict == Verdict::Damaged(Damage::Shorter) {
            write!(out, " (truncated)")?;
        }
        if let Some(rtt) = reply.rtt {
            match self.dialect {
                Dialect::Iputils => write!(out, " time={} ms", short_millis(rtt))?,
                Dialect::Bsd => write!(out, " time={} ms", millis(rtt))?,
            }
        }
        match reply.verdict {
            Verdict::Duplicate => write!(out, " (DUP!)")?,
            Verdict::BadChecksum => write!(out, " (BAD CHECKSUM!)")?,
            Verdict::Elsewhere => write!(out, " (DIFFERENT ADDRESS!)")?,
            Verdict::Damaged(Damage::Byte { at, sent, came }) => write!(
                out,
                "\nwrong data byte #{at} should be 0x{sent:x} but was 0x{came:x}"
            )?,
            _ => {}
        }
        if self.with_bell {
            write!(out, "\x07")?;
        }
        writeln!(out)
    }

    /// A reply that does not count has the form of an error, so that parsers do not count it.
    fn bad_reply(
        &self,
        out: &mut impl Write,
        session: &Session,
        reply: &Reply,
        names: NameOf<'_>,
    ) -> io::Result<()> {
        self.time(out, reply.at)?;
        let from = answerer(session, reply, names);
        let wrong = words::wrong_of(session, reply);
        let number = self.number(reply.sequence);
        writeln!(out, "From {from} icmp_seq={number} {wrong}")
    }

    fn refused(
        &self,
        out: &mut impl Write,
        session: &Session,
        refused: &Refused,
        names: NameOf<'_>,
    ) -> io::Result<()> {
        self.time(out, refused.at)?;
        let by = refused.refusal.by.map_or_else(
            || session.target(refused.target).shown.clone(),
            |by| words::labelled(names(by).as_deref(), &by.to_string()),
        );
        // iputils prints a colon if the packet was forwarded.
        let colon = if refused.refusal.is_advice() { ":" } else { "" };
        let number = self.number(refused.sequence);
        let told = words::refused(refused);
        writeln!(out, "From {by}{colon} icmp_seq={number} {told}")
    }

    /// `no answer yet for icmp_seq=1` (`-O`).
    fn write_unanswered(
        &self,
        out: &mut impl Write,
        sequence: u64,
        now: Realtime,
    ) -> io::Result<()> {
        self.time(out, now)?;
        writeln!(out, "no answer yet for icmp_seq={}", self.number(sequence))
    }

    /// The statistics.
    fn statistics(&self, out: &mut impl Write, session: &Session) -> io::Result<()> {
        let target = session.target(0);
        let name = escape::text(&target.name);
        let program = match (self.dialect, target.version()) {
            (Dialect::Bsd, Version::V6) => "ping6",
            _ => "ping",
        };
        writeln!(out, "\n--- {name} {program} statistics ---")?;
        match self.dialect {
            Dialect::Iputils => iputils_statistics(out, session),
            Dialect::Bsd => bsd_statistics(out, session),
        }
    }
}

/// Who answered: with the zone of the target, and with its name if it has one.
fn answerer(session: &Session, reply: &Reply, names: NameOf<'_>) -> String {
    let address = session.target(reply.target).show(reply.from);
    words::labelled(names(reply.from).as_deref(), &address)
}

/// The line about a request that was never sent and about an outage, on standard error.
pub fn complaint(session: &Session, event: &Event, clock: DayTime) -> Option<String> {
    let of = |target: &usize| match session.target_count() {
        1 => String::new(),
        _ => format!("{}: ", session.target(*target).name),
    };
    match event {
        Event::Down {
            target,
            since,
            lost,
        } => {
            let words = words::down(&clock.of_day(*since), *lost);
            Some(format!("{}{words}", of(target)))
        }
        Event::Up {
            target,
            since: _,
            lost,
            after,
        } => {
            let words = words::up(*after, *lost);
            Some(format!("{}{words}", of(target)))
        }
        Event::Moved { target, from } => {
            let target = session.target(*target);
            let (name, to) = (&target.name, &target.shown);
            Some(format!(
                "{name} has another address: {to}, no longer {from}"
            ))
        }
        Event::Unsent { why, .. } => Some(words::unsent(*why)),
        Event::ClockStep { by } => Some(format!(
            "the clock of this host was set by {} s; round-trip times are not affected",
            *by as f64 / 1e9
        )),
        _ => None,
    }
}

fn iputils_statistics(out: &mut impl Write, session: &Session) -> io::Result<()> {
    let totals = &session.totals;
    write!(
        out,
        "{} packets transmitted, {} received",
        totals.sent, totals.received
    )?;
    write_plus(out, totals)?;
    if totals.sent > 0 {
        write!(out, ", {}% packet loss", general(loss_percent(totals)))?;
        write!(out, ", time {}ms", session.sending_time().as_millis())?;
    }
    writeln!(out)?;
    if let Some(times) = totals.times.summary() {
        write!(
            out,
            "rtt min/avg/max/mdev = {}/{}/{}/{} ms",
            millis(times.min),
            millis(times.mean),
            millis(times.max),
            millis(times.deviation)
        )?;
        if session.pipe > 1 {
            write!(out, ", pipe {}", session.pipe)?;
        }
        let has_own_pace = session.plan().pace != Pace::Steady || session.plan().interval.is_zero();
        if has_own_pace && totals.sent > 1 {
            let steps = u32::try_from(totals.sent - 1).unwrap_or(u32::MAX);
            let gap = session.sending_time() / steps;
            write!(out, ", ipg/ewma {}/{} ms", millis(gap), millis(times.ewma))?;
        }
    }
    writeln!(out)
}

/// The loss in the statistics; where nothing came and nothing was waited for to its end, all, as ping has
/// it.
fn loss_percent(tally: &Tally) -> f64 {
    tally.loss_percent().unwrap_or(100.0)
}

/// `, +2 duplicates, +1 corrupted, +1 errors`, of each what there is.
fn write_plus(out: &mut impl Write, totals: &Tally) -> io::Result<()> {
    for (count, word) in [
        (totals.duplicates, "duplicates"),
        (totals.damaged, "corrupted"),
        (totals.errors, "errors"),
    ] {
        if count > 0 {
            write!(out, ", +{count} {word}")?;
        }
    }
    Ok(())
}

fn bsd_statistics(out: &mut impl Write, session: &Session) -> io::Result<()> {
    let totals = &session.totals;
    write!(
        out,
        "{} packets transmitted, {} packets received",
        totals.sent, totals.received
    )?;
    if totals.duplicates > 0 {
        write!(out, ", +{} duplicates", totals.duplicates)?;
    }
    if totals.sent > 0 {
        write!(out, ", {:.1}% packet loss", loss_percent(totals))?;
    }
    writeln!(out)?;
    if let Some(times) = totals.times.summary() {
        let deviation = match session.target(0).version() {
            Version::V4 => "stddev",
            Version::V6 => "std-dev",
        };
        writeln!(
            out,
            "round-trip min/avg/max/{deviation} = {}/{}/{}/{} ms",
            millis(times.min),
            millis(times.mean),
            millis(times.max),
            millis(times.deviation)
        )?;
    }
    Ok(())
}

/// How it goes, in one line: SIGQUIT.
pub fn short(session: &Session) -> String {
    short_of(&session.totals)
}

fn short_of(tally: &Tally) -> String {
    let loss = general(tally.loss_percent().unwrap_or(0.0).floor());
    let mut line = format!("{}/{} packets, {loss}% loss", tally.received, tally.sent);
    if let Some(times) = tally.times.summary() {
        let all = [times.min, times.mean, times.ewma, times.max].map(millis);
        line = format!("{line}, min/avg/ewma/max = {} ms", all.join("/"));
    }
    line
}

/// The figures of the interval that ends at a time, a line for each target.
pub fn interval(session: &Session, now: &str) -> String {
    let count = session.target_count();
    let lines = (0..count).filter_map(|index| {
        let tally = session.interval(Some(index))?;
        // The requests whose fate was decided in the interval, whenever they were sent.
        let sent = tally.received + tally.lost;
        let figures = short_of(&Tally { sent, ..*tally });
        let name = escape::text(&session.target(index).name);
        Some(match count {
            1 => format!("[{now}] {figures}\n"),
            _ => format!("[{now}] {name} : {figures}\n"),
        })
    });
    lines.collect()
}
