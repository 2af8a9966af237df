//! Frames with what else is known: the processes at their ends, and the packets that the kernel dropped between them.

use std::time::Instant;

use super::drops::Drops;
use super::owners::Owners;
use super::{Args, tell_all};
use crate::capfile::{Count, Frame, Interface};
use crate::commands::Context;
use crate::commands::serving::tell;
use crate::drops::Dropped;
use crate::error::Result;
use crate::filter::Filter;
use crate::render::capture as text;
use crate::sys::capture::FrameHandler;
use crate::sys::live::Live;
use crate::sys::privilege::{self, Need};
use crate::sys::sockets::namespaces::Place;

/// What is known beside the frames, before it is joined with them.
pub(super) struct Beside<'a> {
    owners: Option<Owners>,
    drops: Option<Drops<'a>>,
    /// Only packets of the processes that were asked for.
    only_wanted: bool,
    notes: Vec<String>,
}

impl<'a> Beside<'a> {
    /// Opens it, and gives up the privileges that are not needed any more.
    pub(super) fn open(
        args: &Args,
        places: &'a [Place],
        names: &[String],
        filter: &Filter,
        live: &Live,
        context: &Context,
    ) -> Result<Beside<'a>> {
        let mut owners = args.owners(places, live)?;
        let (drops, note) = args.watch_drops(places, names, filter, live, context)?;
        let mut needs = Vec::new();
        if owners.is_some() || drops.is_some() {
            needs.push(Need::Owners);
        }
        if drops.is_some() && places.iter().any(Place::must_be_entered) {
            needs.push(Need::Namespaces);
        }
        privilege::keep(&needs)?;
        let mut notes: Vec<String> = note.into_iter().collect();
        if let Some(owners) = &mut owners {
            owners.start();
            let refused = owners.refused().filter(|_| context.verbose);
            notes.extend(
                refused.map(|why| format!("processes are looked up as packets come: {why}")),
            );
            if !args.process.is_empty() && !owners.has_wanted() {
                notes.push(
                    "no process that matches --process has a socket now, as far as may be looked at"
                        .to_owned(),
                );
            }
        }
        Ok(Beside {
            owners,
            drops,
            only_wanted: !args.process.is_empty(),
            notes,
        })
    }

    /// Says on what it captures, and what is missing.
    pub(super) fn announce(&self, live: &Live, filter: &str) {
        tell(&text::listening(live.interfaces(), filter));
        tell_all(&self.notes);
    }

    pub(super) fn join<H: FrameHandler>(self, handler: H) -> Joined<'a, H> {
        Joined {
            owners: self.owners,
            drops: self.drops,
            only_wanted: self.only_wanted,
            handler,
            handed: 0,
            others: 0,
        }
    }
}

/// Hands on frames with the processes at their ends, and dropped packets between them; if processes are asked for,
/// only theirs.
pub(super) struct Joined<'a, H> {
    owners: Option<Owners>,
    drops: Option<Drops<'a>>,
    /// Only packets of the processes that are wanted.
    only_wanted: bool,
    handler: H,
    /// Frames that were handed on.
    handed: u64,
    /// Frames of other processes.
    others: u64,
}

impl<H: FrameHandler> Joined<'_, H> {
    /// The end, which was `reached` without a failure: hands on what is left; gives the handler, and what is to be said.
    pub(super) fn finish(mut self, reached: bool) -> Result<(H, Vec<String>)> {
        while reached && let Some(dropped) = self.drops.as_mut().map_or(Ok(None), Drops::rest)? {
            self.hand_on(&dropped)?;
        }
        let mut lines: Vec<String> = self.drops.into_iter().flat_map(Drops::summary).collect();
        if self.only_wanted {
            lines.push(text::others(self.handed, self.others));
        }
        lines.extend(self.owners.as_ref().and_then(Owners::found));
        Ok((self.handler, lines))
    }

    fn hand_on(&mut self, dropped: &Dropped) -> Result<()> {
        let is_wanted = |owners: &Owners| {
            let process = dropped.process.as_ref();
            process.is_some_and(|it| owners.wants(it))
        };
        if self.only_wanted && !self.owners.as_ref().is_some_and(is_wanted) {
            return Ok(());
        }
        if let Some(drops) = &mut self.drops {
            drops.see(dropped);
        }
        self.handler.dropped(dropped)
    }
}

impl<H: FrameHandler> FrameHandler for Joined<'_, H> {
    fn frame(&mut self, frame: &Frame<'_>, interface: &Interface) -> Result<bool> {
        let time = frame.time.unwrap_or_default();
        while let Some(drops) = &mut self.drops
            && let Some(dropped) = drops.before(time)?
        {
            self.hand_on(&dropped)?;
        }
        let Some(owners) = &mut self.owners else {
            return self.handler.frame(frame, interface);
        };
        let known = owners.of(frame);
        if self.only_wanted && !known.is_wanted {
            self.others += 1;
            return Ok(true);
        }
        self.handed += 1;
        let frame = Frame {
            number: self.handed,
            ends: known.ends,
            ..*frame
        };
        self.handler.frame(&frame, interface)
    }

    fn requested(&mut self, counts: &[Count]) -> Result<()> {
        self.handler.requested(counts)
    }

    fn progress(&mut self, offset: u64) {
        self.handler.progress(offset);
    }

    fn pause(&mut self) -> Result<()> {
        while let Some(drops) = &mut self.drops
            && let Some(dropped) = drops.overdue()?
        {
            self.hand_on(&dropped)?;
        }
        self.handler.pause()
    }

    fn due(&self) -> Option<Instant> {
        let own = self.drops.as_ref().map(Drops::due);
        own.into_iter().chain(self.handler.due()).min()
    }
}
