//! Frames into files, without more analysis than the filter needs.

use super::files::Files;
use crate::capfile::{Count, Frame, Interface};
use crate::commands::decode::matching::Matching;
use crate::drops::Dropped;
use crate::error::Result;
use crate::filter::Filter;
use crate::sys::capture::FrameHandler;
use crate::sys::terminal::Progress;

/// Writes the frames that match to files.
pub(super) struct Recorder {
    matching: Matching,
    files: Files,
    packets: Option<u64>,
    bytes: Option<u64>,
    progress: Progress,
}

impl Recorder {
    /// Stops after this many packets, or bytes of a file.
    pub(super) fn new(
        filter: Filter,
        files: Files,
        packets: Option<u64>,
        bytes: Option<u64>,
    ) -> Recorder {
        Recorder {
            matching: Matching::new(filter),
            files,
            packets,
            bytes,
            progress: Progress::start(None),
        }
    }

    /// The name of the file.
    pub(super) fn name(&self) -> String {
        self.files.name()
    }

    /// Completes the file; returns how many frames were written.
    pub(super) fn finish(self, counts: &[Count]) -> Result<u64> {
        self.progress.finish();
        let written = self.files.written();
        self.files.finish(counts)?;
        Ok(written)
    }
}

impl FrameHandler for Recorder {
    fn frame(&mut self, frame: &Frame<'_>, interface: &Interface) -> Result<bool> {
        // The kernel lets some through that do not match.
        if !self.matching.has(frame)? {
            return Ok(true);
        }
        self.files.frame(frame, interface)?;
        let is_full = self
            .packets
            .is_some_and(|most| self.files.written() >= most)
            || self.bytes.is_some_and(|most| self.files.bytes() >= most);
        Ok(!is_full)
    }

    fn dropped(&mut self, dropped: &Dropped) -> Result<()> {
        self.files.dropped(dropped)
    }

    fn progress(&mut self, _number: u64) {
        let written = self.files.written();
        self.progress.show(written, "packets".to_owned());
    }

    /// Who reads the file while it is written sees whole frames.
    fn pause(&mut self) -> Result<()> {
        self.files.pause()
    }
}
