//! The last seconds of a capture, in memory until they are wanted.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::files::numbered;
use super::recorder::Matching;
use crate::capfile::{Count, Ends, Frame, Interface, LinkType, Timestamp};
use crate::commands::decode::output::Output;
use crate::commands::decode::session::filter_error;
use crate::commands::serving::tell;
use crate::diagnose::of_fact;
use crate::dissect::{Dissector, Event, Settings};
use crate::error::Result;
use crate::filter::Filter;
use crate::render::counted;
use crate::stream;
use crate::sys::capture::FrameHandler;

/// Keeps the frames of the last seconds, and writes them when SIGUSR1 asks for them, at a finding and at the end.
///
/// # Invariants
///
/// - What is kept is not older than the time that was given, counted back from the last frame, and takes no more
///   memory than was given.
pub(super) struct Keeper {
    matching: Matching,
    path: PathBuf,
    interfaces: Vec<Interface>,
    age: Duration,
    most: usize,
    frames: VecDeque<Kept>,
    /// Memory that they take.
    bytes: usize,
    /// Frames that would not be too old, but had no room.
    forgotten: u64,
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

struct Kept {
    time: Timestamp,
    interface: u32,
    link: LinkType,
    original_len: u32,
    ends: Ends,
    data: Box<[u8]>,
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
            age,
            most,
            frames: VecDeque::new(),
            bytes: 0,
            forgotten: 0,
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
        if self.frames.is_empty() {
            tell("no packets are kept: nothing to write");
            return Ok(());
        }
        self.number += 1;
        let path = numbered(&self.path, self.number);
        let mut output = Output::create(&path)?;
        output.describe(&self.interfaces)?;
        let count = self.frames.len() as u64;
        let mut until = Timestamp::default();
        for (number, kept) in (1..).zip(self.frames.drain(..)) {
            until = kept.time;
            let interface = &self.interfaces[kept.interface as usize];
            let frame = Frame {
                number,
                offset: 0,
                interface: kept.interface,
                link: kept.link,
                time: Some(kept.time),
                data: &kept.data,
                original_len: kept.original_len,
                ends: kept.ends,
                record: &[],
            };
            output.frame(&frame, interface)?;
        }
        self.bytes = 0;
        output.counts(counts, until)?;
        output.finish()?;
        let lost = match self.forgotten {
            0 => String::new(),
            lost => format!(
                "; {} of the last {:?} had no room (a larger buffer: -B)",
                counted(lost, "packet"),
                self.age
            ),
        };
        let written = counted(count, "packet");
        tell(&format!("{written} written to {}{lost}", path.display()));
        self.forgotten = 0;
        Ok(())
    }

    fn keep(&mut self, frame: &Frame<'_>) {
        let time = frame.time.unwrap_or_default();
        let kept = Kept {
            time,
            interface: frame.interface,
            link: frame.link,
            original_len: frame.original_len,
            ends: frame.ends,
            data: frame.data.into(),
        };
        let age = i128::try_from(self.age.as_nanos()).unwrap_or(i128::MAX);
        while let Some(oldest) = self.frames.front()
            && i128::from(time.nanos_since(oldest.time)) > age
        {
            self.forget_oldest();
        }
        self.bytes += size(&kept);
        self.frames.push_back(kept);
        while self.bytes > self.most && !self.frames.is_empty() {
            self.forget_oldest();
            self.forgotten += 1;
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.frames.pop_front() {
            self.bytes -= size(&oldest);
        }
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

/// What a frame takes, with its place in the queue and what the allocator adds.
fn size(kept: &Kept) -> usize {
    size_of::<Kept>() + kept.data.len() + 16
}

impl FrameHandler for Keeper {
    fn frame(&mut self, frame: &Frame<'_>, _interface: &Interface) -> Result<bool> {
        let is_known = self.interfaces.len() > frame.interface as usize;
        if !is_known || !self.matching.has(frame)? {
            return Ok(true);
        }
        self.keep(frame);
        match &mut self.until {
            Some(watch) => Ok(!watch.is_met(frame)?),
            None => Ok(true),
        }
    }

    fn progress(&mut self, _number: u64) {}

    fn pause(&mut self) -> Result<()> {
        Ok(())
    }

    fn requested(&mut self, counts: &[Count]) -> Result<()> {
        self.write(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::Services;

    #[test]
    fn what_is_too_old_or_has_no_room_is_forgotten() {
        let interface = Interface::new(LinkType::ETHERNET);
        let filter = Filter::parse("", &Services::default()).unwrap();
        let most = 5 * (size_of::<Kept>() + 100 + 16);
        let age = Duration::from_secs(3);
        let interfaces = vec![interface.clone()];
        let mut keeper = Keeper::new(filter, Path::new("x"), interfaces, age, most);
        let mut take = |second: i64| {
            let frame = Frame {
                number: 1,
                offset: 0,
                interface: 0,
                link: LinkType::ETHERNET,
                time: Some(Timestamp {
                    seconds: second,
                    nanoseconds: 0,
                }),
                data: &[0; 100],
                original_len: 100,
                ends: Ends::default(),
                record: &[],
            };
            keeper.frame(&frame, &interface).unwrap();
            (keeper.frames.len(), keeper.bytes, keeper.forgotten)
        };
        for second in 0..4 {
            take(second);
        }
        let (frames, bytes, forgotten) = take(4);
        assert_eq!((frames, forgotten), (4, 0), "seconds 1 to 4");
        assert!(bytes <= most);
        take(4);
        let (frames, bytes, forgotten) = take(4);
        assert_eq!((frames, forgotten), (5, 1), "there is room for five");
        assert!(bytes <= most);
    }
}
