//! Which frames are selected: the filter, compiled for each link type that the capture has.

use crate::capfile::LinkType;
use crate::filter::{Filter, FilterError, Program, Subject};

/// A filter and its programs.
#[derive(Debug)]
pub(super) struct Selection {
    /// `None` selects every frame.
    filter: Option<Filter>,
    programs: Vec<(LinkType, Program)>,
}

impl Selection {
    pub(super) fn new(filter: Filter) -> Selection {
        Selection {
            filter: Some(filter).filter(|filter| !filter.is_empty()),
            programs: Vec::new(),
        }
    }

    /// Whether a frame is selected.
    #[inline]
    pub(super) fn selects(
        &mut self,
        subject: &Subject<'_>,
        link: LinkType,
    ) -> Result<bool, FilterError> {
        let Some(filter) = &self.filter else {
            return Ok(true);
        };
        if let Some((_, program)) = self.programs.iter().find(|(known, _)| *known == link) {
            return Ok(program.matches(subject));
        }
        let program = filter.compile(link)?;
        let matches = program.matches(subject);
        self.programs.push((link, program));
        Ok(matches)
    }
}
