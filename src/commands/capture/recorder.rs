//! Frames into files, without more analysis than the filter needs.

use super::files::Files;
use crate::capfile::{Count, Frame, Interface, LinkType};
use crate::commands::decode::session::filter_error;
use crate::error::Result;
use crate::filter::{Filter, Program, Subject};
use crate::sys::capture::FrameHandler;
use crate::sys::terminal::Progress;

/// The filter, for each link type that came.
pub(super) struct Matching {
    filter: Filter,
    programs: Vec<(LinkType, Program)>,
}

impl Matching {
    pub(super) fn new(filter: Filter) -> Matching {
        let programs = Vec::new();
        Matching { filter, programs }
    }

    /// The filter as it was written.
    pub(super) fn text(&self) -> &str {
        self.filter.text()
    }

    /// Whether a frame matches.
    pub(super) fn has(&mut self, frame: &Frame<'_>) -> Result<bool> {
        let known = self
            .programs
            .iter()
            .position(|(link, _)| *link == frame.link);
        let place = known.unwrap_or(self.programs.len());
        if known.is_none() {
            let program = self.filter.compile(frame.link);
            let program = program.map_err(|error| filter_error(&error))?;
            self.programs.push((frame.link, program));
        }
        let (_, program) = &self.programs[place];
        Ok(program.matches(&Subject::new(frame.data, frame.original_len)))
    }
}

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

    fn progress(&mut self, _number: u64) {
        let written = self.files.written();
        self.progress.show(written, "packets".to_owned());
    }

    /// Who reads the file while it is written sees whole frames.
    fn pause(&mut self) -> Result<()> {
        self.files.pause()
    }
}
