//! The file that a capture is written to, or a ring of files.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::capfile::{Count, Frame, Interface, Timestamp};
use crate::commands::decode::output::{self, Output};
use crate::commands::serving::tell;
use crate::drops::Dropped;
use crate::error::Result;
use crate::render::date;
use crate::sys::clock;

/// When a new file begins, and how many are kept.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rotation {
    pub(super) bytes: Option<u64>,
    pub(super) packets: Option<u64>,
    pub(super) duration: Option<Duration>,
    pub(super) files: Option<usize>,
}

/// What is being written.
pub(super) struct Files {
    path: PathBuf,
    rotation: Option<Rotation>,
    interfaces: Vec<Interface>,
    output: Output,
    /// Of the file at hand: when it was begun, its bytes and its frames.
    begun: Instant,
    bytes: u64,
    packets: u64,
    /// Of all files.
    written: u64,
    /// How many files were begun.
    number: u64,
    /// The files that are there, the oldest first.
    kept: VecDeque<PathBuf>,
}

/// What a record adds to the bytes of a frame, at most: an enhanced packet block with its padding.
const RECORD: u64 = 32;
/// And that of a dropped packet, with its comments.
const DROP: u64 = 160;

impl Files {
    pub(super) fn create(
        path: &Path,
        rotation: Option<Rotation>,
        interfaces: Vec<Interface>,
    ) -> Result<Files> {
        let first = match rotation {
            Some(_) => numbered(path, 1),
            None => path.to_owned(),
        };
        let mut output = match rotation {
            Some(_) => Output::create_aside(&first)?,
            None => Output::create_live(&first)?,
        };
        output.describe(&interfaces)?;
        Ok(Files {
            path: path.to_owned(),
            rotation,
            interfaces,
            output,
            begun: Instant::now(),
            bytes: 0,
            packets: 0,
            written: 0,
            number: 1,
            kept: VecDeque::from([first]),
        })
    }

    /// As it was given.
    pub(super) fn name(&self) -> String {
        match self.path.to_str() {
            Some("-") => "standard output".to_owned(),
            _ => self.path.display().to_string(),
        }
    }

    /// Frames that were written, to all files.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Bytes of the file at hand, about.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn frame(&mut self, frame: &Frame<'_>, interface: &Interface) -> Result<()> {
        if self.is_full() {
            self.rotate()?;
        }
        self.output.frame(frame, interface)?;
        self.bytes += frame.data.len() as u64 + RECORD;
        self.packets += 1;
        self.written += 1;
        Ok(())
    }

    /// Writes a packet that the kernel dropped.
    pub(super) fn dropped(&mut self, dropped: &Dropped) -> Result<()> {
        self.bytes += dropped.frame.len() as u64 + DROP;
        self.output.dropped(dropped)
    }

    pub(super) fn pause(&mut self) -> Result<()> {
        let is_late = |rotation: Rotation| {
            rotation
                .duration
                .is_some_and(|duration| self.begun.elapsed() >= duration)
        };
        if self.rotation.is_some_and(is_late) && self.packets > 0 {
            self.rotate()?;
        }
        self.output.flush()
    }

    pub(super) fn finish(mut self, counts: &[Count]) -> Result<()> {
        let now = Duration::from_nanos(clock::realtime().0);
        let until = Timestamp {
            seconds: i64::try_from(now.as_secs()).unwrap_or_default(),
            nanoseconds: now.subsec_nanos(),
        };
        self.output.counts(counts, until)?;
        self.output.finish()
    }

    fn is_full(&self) -> bool {
        let reached = |most: Option<u64>, now| most.is_some_and(|most| now >= most);
        self.packets > 0
            && self.rotation.is_some_and(|rotation| {
                reached(rotation.bytes, self.bytes) || reached(rotation.packets, self.packets)
            })
    }

    fn rotate(&mut self) -> Result<()> {
        self.number += 1;
        let path = numbered(&self.path, self.number);
        let mut next = Output::create_aside(&path)?;
        next.describe(&self.interfaces)?;
        std::mem::replace(&mut self.output, next).finish()?;
        self.begun = Instant::now();
        (self.bytes, self.packets) = (0, 0);
        self.kept.push_back(path);
        let most = self.rotation.and_then(|rotation| rotation.files);
        while most.is_some_and(|most| self.kept.len() > most) {
            if let Some(oldest) = self.kept.pop_front()
                && let Err(error) = crate::sys::files::remove(&oldest)
            {
                tell(&error.on_one_line());
            }
        }
        Ok(())
    }
}

/// `out.pcapng` with a number and the time: `out_00001_20260131T140359Z.pcapng`, as dumpcap names files of a ring.
pub(super) fn numbered(path: &Path, number: u64) -> PathBuf {
    let now = date::compact(Duration::from_nanos(clock::realtime().0));
    let (plain, compression) = output::kind(path);
    let mut name = plain.file_stem().unwrap_or_default().to_os_string();
    name.push(format!("_{number:05}_{now}"));
    let packed = path.extension().filter(|_| compression.is_some());
    for extension in plain.extension().into_iter().chain(packed) {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_a_ring_has_its_number_and_its_time_in_front_of_the_extension() {
        let name = numbered(Path::new("/tmp/a.b/out.pcapng"), 12);
        let name = name.to_str().unwrap();
        assert!(name.starts_with("/tmp/a.b/out_00012_2"), "{name}");
        assert!(name.ends_with("Z.pcapng"), "{name}");
        let name = numbered(Path::new("/tmp/out.pcapng.zst"), 1);
        let name = name.to_str().unwrap();
        assert!(name.starts_with("/tmp/out_00001_2") && name.ends_with("Z.pcapng.zst"));
        assert!(
            !numbered(Path::new("out"), 1)
                .to_str()
                .unwrap()
                .contains('.')
        );
    }
}
