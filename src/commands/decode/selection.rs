//! Which frames are shown: the filter, compiled for each link type that the capture has.

use std::path::Path;

use crate::capfile::LinkType;
use crate::error::{Error, Kind, Result};
use crate::filter::{Filter, FilterError, Program, Services, Subject};
use crate::sys::files;

/// A filter and its programs.
pub(super) struct Selection {
    filter: Option<Filter>,
    programs: Vec<(LinkType, Program)>,
}

impl Selection {
    /// Reads the words of a filter.
    pub(super) fn new(words: &[String]) -> Result<Selection> {
        let text = words.join(" ");
        let filter = Filter::parse(&text, &services()).map_err(|error| failure(&error))?;
        Ok(Selection {
            filter: Some(filter).filter(|filter| !filter.is_empty()),
            programs: Vec::new(),
        })
    }

    /// Whether a frame is shown.
    #[inline]
    pub(super) fn takes(&mut self, subject: &Subject<'_>, link: LinkType) -> Result<bool> {
        match &self.filter {
            None => Ok(true),
            Some(filter) => takes(filter, &mut self.programs, subject, link),
        }
    }
}

fn takes(
    filter: &Filter,
    programs: &mut Vec<(LinkType, Program)>,
    subject: &Subject<'_>,
    link: LinkType,
) -> Result<bool> {
    if let Some((_, program)) = programs.iter().find(|(known, _)| *known == link) {
        return Ok(program.matches(subject));
    }
    let program = filter.compile(link).map_err(|error| failure(&error))?;
    let matches = program.matches(subject);
    programs.push((link, program));
    Ok(matches)
}

/// The names of ports that this system has; none if it has no such file.
fn services() -> Services {
    /// The longest file of services that is read, in bytes.
    const MOST: u64 = 1 << 20;
    let text = files::read(Path::new("/etc/services"), MOST).unwrap_or_default();
    Services::parse(&String::from_utf8_lossy(&text))
}

fn failure(error: &FilterError) -> Error {
    Error::new(Kind::CannotRun, "read the filter", error.to_string())
        .next("the words are tcpdump's: man pcap-filter; and stream N, app, expert")
}
