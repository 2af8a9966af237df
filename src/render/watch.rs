//! The events of `sockdoc watch`, as lines of text or of JSON.

use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;

use super::date::and_time as time;
use super::finding::{self, BlockJson, Layout};
use super::sockets::Sheet;
use super::{counted, escape};
use crate::diagnose::watch::Event;
use crate::diagnose::{Block, NextStep};

/// What the watch tells beside its events.
#[derive(Debug, Clone, Copy)]
pub enum Told<'a> {
    /// It begins: how often it looks, and what it cannot see.
    Start {
        /// The time between two looks.
        interval: Duration,
        /// What cannot be seen.
        unseen: &'a [&'a str],
    },
    /// Two samples were saved.
    Saved(&'a str),
    /// They were not, and why.
    NotSaved(&'a str),
    /// A look failed, and why.
    Failed(&'a str),
    /// It ends.
    End {
        /// Looks.
        looks: u64,
        /// Findings that began.
        begun: usize,
        /// Findings that are still there.
        open: usize,
    },
}

/// Writes an event as text.
pub fn event(
    out: &mut (impl Write + ?Sized),
    event: &Event<'_>,
    at: Duration,
    sheet: &Sheet<'_>,
    layout: Layout,
) -> io::Result<()> {
    match event {
        Event::Began(block) => told(out, "began", block, at, sheet, layout),
        Event::Changed(block) => told(out, "changed", block, at, sheet, layout),
        Event::Ended {
            severity,
            headline,
            began,
            seen,
            ..
        } => {
            let lasted = seen.saturating_sub(*began).as_secs();
            let severity = severity.word().to_uppercase();
            let headline = escape::text(headline);
            writeln!(
                out,
                "{}  ended    {severity} after {lasted} s: {headline}",
                time(at)
            )
        }
    }
}

fn told(
    out: &mut (impl Write + ?Sized),
    word: &str,
    block: &Block,
    at: Duration,
    sheet: &Sheet<'_>,
    layout: Layout,
) -> io::Result<()> {
    let finding = &block.finding;
    let severity = finding.severity.word().to_uppercase();
    let headline = escape::text(&finding.headline);
    writeln!(out, "{}  {word:<7}  {severity} {headline}", time(at))?;
    if layout.verbose {
        return finding::write(out, block, sheet, layout);
    }
    let effects = block.effects.iter().map(|effect| &effect.finding.headline);
    for effect in effects {
        writeln!(out, "{:31}effect: {}", "", escape::text(effect))?;
    }
    let mut steps = finding.next.iter();
    if let Some(command) = steps.find(|step| matches!(step, NextStep::Command(_))) {
        writeln!(out, "{:31}next: {}", "", escape::text(&command.to_string()))?;
    }
    Ok(())
}

/// Writes something else as text.
pub fn line(out: &mut (impl Write + ?Sized), told: Told<'_>, at: Duration) -> io::Result<()> {
    let time = time(at);
    match told {
        Told::Start { interval, unseen } => {
            writeln!(out, "{time}  watching every {} s", interval.as_secs_f64())?;
            for text in unseen {
                writeln!(out, "{time}  not examined: {}", escape::text(text))?;
            }
            Ok(())
        }
        Told::Saved(path) => writeln!(out, "{time}  saved    {}", escape::text(path)),
        Told::NotSaved(why) => writeln!(out, "{time}  not saved: {}", escape::text(why)),
        Told::Failed(why) => writeln!(out, "{time}  could not look: {}", escape::text(why)),
        Told::End { looks, begun, open } => writeln!(
            out,
            "{time}  end of watch: {} began, {open} still open; looked {}",
            counted(begun as u64, "finding"),
            counted(looks, "time"),
        ),
    }
}

#[derive(Debug, Serialize)]
struct EventJson<'a> {
    schema: &'static str,
    event: &'static str,
    at_unix_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    finding: Option<BlockJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_examined: Option<&'a [&'a str]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    looks: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    begun: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    open: Option<usize>,
}

impl EventJson<'_> {
    fn new(event: &'static str, at: Duration) -> Self {
        EventJson {
            schema: "sockdoc.watch/1",
            event,
            at_unix_ms: u64::try_from(at.as_millis()).unwrap_or(u64::MAX),
            finding: None,
            id: None,
            severity: None,
            text: None,
            seconds: None,
            not_examined: None,
            looks: None,
            begun: None,
            open: None,
        }
    }
}

/// Writes an event as one JSON object.
pub fn event_json(
    out: &mut (impl Write + ?Sized),
    event: &Event<'_>,
    at: Duration,
    sheet: &Sheet<'_>,
) -> io::Result<()> {
    let value = match event {
        Event::Began(block) | Event::Changed(block) => {
            let word = if matches!(event, Event::Began(_)) {
                "began"
            } else {
                "changed"
            };
            EventJson {
                finding: Some(finding::block_json(block, sheet)),
                ..EventJson::new(word, at)
            }
        }
        Event::Ended {
            rule,
            severity,
            headline,
            began,
            seen,
        } => EventJson {
            id: Some(rule.id),
            severity: Some(severity.word()),
            text: Some(headline),
            seconds: Some(seen.saturating_sub(*began).as_secs_f64()),
            ..EventJson::new("ended", at)
        },
    };
    written(out, &value)
}

/// Writes something else as one JSON object.
pub fn line_json(out: &mut (impl Write + ?Sized), told: Told<'_>, at: Duration) -> io::Result<()> {
    let new = |event| EventJson::new(event, at);
    let value = match told {
        Told::Start { interval, unseen } => EventJson {
            seconds: Some(interval.as_secs_f64()),
            not_examined: Some(unseen),
            ..new("start")
        },
        Told::Saved(path) => EventJson {
            text: Some(path),
            ..new("saved")
        },
        Told::NotSaved(why) => EventJson {
            text: Some(why),
            ..new("not_saved")
        },
        Told::Failed(why) => EventJson {
            text: Some(why),
            ..new("failed")
        },
        Told::End { looks, begun, open } => EventJson {
            looks: Some(looks),
            begun: Some(begun),
            open: Some(open),
            ..new("end")
        },
    };
    written(out, &value)
}

fn written(out: &mut (impl Write + ?Sized), value: &EventJson<'_>) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)
}
