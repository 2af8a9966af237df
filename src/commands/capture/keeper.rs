//! The last seconds of a capture, in memory until they are wanted.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::files::numbered;
use super::recent::{Packet, Recent};
use crate::capfile::{Count, Frame, Interface};
use crate::commands::decode::matching::Matching;
use crate::commands::decode::output::Output;
use crate::commands::decode::session::filter_error;
use crate::commands::serving::tell;
use crate::diagnose::of_fact;
use crate::dissect::{Dissector, Event, Settings};
use crate::drops::Dropped;
use crate::error::Result;
use crate::filter::Filter;
use crate::render::counted;
use crate::stream;
use crate::sys::capture::FrameHandler;

/// Keeps the frames of the last seconds, and writes them when SIGUSR1 asks for them, at a finding and at the end.
pub(super) struct Keeper {
    matching: Matching,
    path: PathBuf,
    interfaces: Vec<Interface>,
    recent: Recent,
    /// How many files were written.
    number: u64,
    until: Option<Watch>,
}

/// Waits for a finding.
struct Watch {
    dissector: Box<Dissector>,
    /// The id of its rule.
    rule: String,
}

impl Keeper {
    /// Keeps frames of this age, in this many bytes.
    pub(super) fn new(
        filter: Filter,
        path: &Path,
        interfaces: Vec<Interface>,
        age: Duration,
        most: usize,
    ) -> Keeper {
        Keeper {
            matching: Matching::new(filter),
            path: path.to_owned(),
            interfaces,
            recent: Recent::new(age, most),
            number: 0,
            until: None,
        }
    }

    /// What is looked for, as it was written.
    pub(super) fn filter(&self) -> &str {
        self.matching.text()
    }

    /// Has enough after a finding of this rule.
    pub(super) fn until(mut self, rule: &str, settings: Settings) -> Keeper {
        self.until = Some(Watch {
            dissector: Box::new(Dissector::new(settings)),
            rule: rule.to_owned(),
        });
        self
    }

    /// Writes what is kept to a file of its own; nothing is kept any more then.
    pub(super) fn write(&mut self, counts: &[Count]) -> Result<()> {
        let count = self.recent.len() as u64;
        if count == 0 {
            tell("no packets are kept: nothing to write");
            return Ok(());
        }
        self.number += 1;
        let path = numbered(&self.path, self.number);
        let mut output = Output::create(&path)?;
        output.describe(&self.interfaces)?;
        let interfaces = &self.interfaces;
        let (until, forgotten) = self.recent.drain(|packet| match packet {
            Packet::Frame(frame) => output.frame(&frame, &interfaces[frame.interface as usize]),
            Packet::Dropped(dropped) => output.dropped(dropped),
        })?;
        output.counts(counts, until)?;
        output.finish()?;
        let lost = match forgotten {
            0 => String::new(),
            lost => format!(
                "; {} of the last {:?} had no room (a larger buffer: -B)",
                counted(lost, "packet"),
                self.recent.age()
            ),
        };
        let written = counted(count, "packet");
        tell(&format!("{written} written to {}{lost}", path.display()));
        Ok(())
    }
}

impl Watch {
    /// Whether the finding is there with this frame.
    fn is_met(&mut self, frame: &Frame<'_>) -> Result<bool> {
        let (rule, mut met) = (&self.rule, None);
        let wants_more = self.dissector.frame(frame, &mut |event| {
            if let Event::Stream(stream::Event::Fact(fact)) = event
                && let Some(finding) = of_fact(fact)
                && finding.rule.id == *rule
            {
                met = Some(finding.headline);
            }
        });
        wants_more.map_err(|error| filter_error(&error))?;
        if let Some(headline) = &met {
            tell(&format!("{rule}: {headline}"));
        }
        Ok(met.is_some())
    }
}

impl FrameHandler for Keeper {
    fn frame(&mut self, frame: &Frame<'_>, _interface: &Interface) -> Result<bool> {
        let is_known = self.interfaces.len() > frame.interface as usize;
        if !is_known || !self.matching.has(frame)? {
            return Ok(true);
        }
        self.recent.frame(frame);
        match &mut self.until {
            Some(watch) => Ok(!watch.is_met(frame)?),
            None => Ok(true),
        }
    }

    fn dropped(&mut self, dropped: &Dropped) -> Result<()> {
        self.recent.dropped(dropped);
        Ok(())
    }

    fn progress(&mut self, _number: u64) {}

    fn pause(&mut self) -> Result<()> {
        Ok(())
    }

    fn requested(&mut self, counts: &[Count]) -> Result<()> {
        self.write(counts)
    }
}
