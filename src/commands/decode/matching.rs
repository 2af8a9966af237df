//! The filter on single frames.

use super::session::filter_error;
use crate::capfile::{Frame, LinkType};
use crate::error::Result;
use crate::filter::{Filter, Program, Subject};

/// The filter, for each link type that came.
pub(in crate::commands) struct Matching {
    filter: Filter,
    programs: Vec<(LinkType, Program)>,
}

impl Matching {
    pub(in crate::commands) fn new(filter: Filter) -> Matching {
        let programs = Vec::new();
        Matching { filter, programs }
    }

    /// The filter as it was written.
    pub(in crate::commands) fn text(&self) -> &str {
        self.filter.text()
    }

    /// Whether a frame matches. None does if the filter needs the course of a connection.
    pub(in crate::commands) fn has(&mut self, frame: &Frame<'_>) -> Result<bool> {
        if self.filter.is_empty() {
            return Ok(true);
        }
        if self.filter.needs_analysis() {
            return Ok(false);
        }
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
