//! Which frames are selected: the filter, compiled for each link type that the capture has.

use crate::capfile::LinkType;
use crate::filter::{Filter, FilterError, Program, Subject};

/// A filter and its programs.
#[derive(Debug)]
pub(super) struct Selection {
    /// `None` selects every frame.
    filter: Option<Filter>,
    programs: Vec<(LinkType, Program)>,
    /// By its number, whether a frame of a stream was selected; unused without a filter.
    streams: Vec<u64>,
}

impl Selection {
    pub(super) fn new(filter: Filter) -> Selection {
        Selection {
            filter: Some(filter).filter(|filter| !filter.is_empty()),
            programs: Vec::new(),
            streams: Vec::new(),
        }
    }

    /// A frame of this stream was selected.
    #[inline]
    pub(super) fn stream(&mut self, number: Option<u32>) {
        let (Some(number), Some(_)) = (number, &self.filter) else {
            return;
        };
        let (place, bit) = place(number);
        if self.streams.len() <= place {
            self.streams.resize(place + 1, 0);
        }
        self.streams[place] |= bit;
    }

    /// Whether a frame of this stream was selected.
    pub(super) fn has(&self, stream: u32) -> bool {
        let (place, bit) = place(stream);
        self.filter.is_none() || self.streams.get(place).is_some_and(|bits| bits & bit != 0)
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

fn place(stream: u32) -> (usize, u64) {
    (stream as usize / 64, 1 << (stream % 64))
}
