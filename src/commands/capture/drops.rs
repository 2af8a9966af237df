//! Packets that the kernel drops while a capture runs, in the order of their times among its frames.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::capfile::Timestamp;
use crate::commands::decode::matching::Matching;
use crate::commands::drops::{blind, grown};
use crate::drops::Dropped;
use crate::drops::everyday::is_everyday;
use crate::drops::tally::Tally;
use crate::error::Result;
use crate::filter::Filter;
use crate::render::capture as text;
use crate::render::drops::Blind;
use crate::sys::bpf::Refused;
use crate::sys::clock;
use crate::sys::drops::Watch;
use crate::sys::live;
use crate::sys::sockets::namespaces::Place;

/// Reads what the kernel drops, and gives it when the frames before it were given.
pub(super) struct Drops<'a> {
    watch: Watch,
    places: &'a [Place],
    matching: Matching,
    /// The interfaces that are captured on; empty: all.
    interfaces: Vec<String>,
    /// What was read, with when, in the order of the times at which it was dropped.
    waiting: VecDeque<(Instant, Dropped)>,
    /// What was dropped until then was read.
    read_until: Timestamp,
    /// When it is read again, if no frame comes.
    next: Instant,
    /// Frames come this late at most.
    delay: Duration,
    tally: Tally,
    /// Not every drop is shown: there is a filter, or not all interfaces are captured on.
    is_selective: bool,
    /// Drops that were read, selected or not.
    recorded: u64,
    /// This second: when it began, and how many drops were read in it.
    second: (Instant, usize),
    before: Blind,
}

/// The ring is read this often: being woken for each drop would cost more than the drop.
const PACE: Duration = Duration::from_millis(50);
/// Of a flood only this many are shown in a second, so that it does not keep the capture from its frames. All are
/// counted.
const MOST_PER_SECOND: usize = 5_000;

impl<'a> Drops<'a> {
    /// Begins to watch the drops of these places, of these interfaces, that match a filter. `is_selective`: not all
    /// that match are wanted. Frames come late by `delay` at most.
    pub(super) fn open(
        places: &'a [Place],
        interfaces: &[String],
        filter: Filter,
        is_selective: bool,
        delay: Duration,
    ) -> std::result::Result<Drops<'a>, Refused> {
        let is_any = interfaces.iter().any(|name| name == live::ANY);
        let is_selective = is_selective || !is_any || !filter.is_empty();
        Ok(Drops {
            watch: Watch::open(places, true)?,
            places,
            matching: Matching::new(filter),
            interfaces: if is_any {
                Vec::new()
            } else {
                interfaces.to_vec()
            },
            waiting: VecDeque::new(),
            read_until: now(),
            next: Instant::now() + PACE,
            delay,
            tally: if is_selective {
                Tally::of_selected()
            } else {
                Tally::default()
            },
            is_selective,
            recorded: 0,
            second: (Instant::now(), 0),
            before: blind(places),
        })
    }

    /// The next one that was dropped before a frame of this time.
    pub(super) fn before(&mut self, time: Timestamp) -> Result<Option<Dropped>> {
        if self.read_until < time {
            self.read()?;
        }
        let is_before = |(_, dropped): &(Instant, Dropped)| dropped.time < time;
        let is_due = self.waiting.front().is_some_and(is_before);
        Ok(self.take_if(is_due))
    }

    /// The next one that no frame before it can come for any more.
    pub(super) fn overdue(&mut self) -> Result<Option<Dropped>> {
        if self.next <= Instant::now() {
            self.read()?;
        }
        let is_late = |(read, _): &(Instant, Dropped)| read.elapsed() >= self.delay;
        let is_due = self.waiting.front().is_some_and(is_late);
        Ok(self.take_if(is_due))
    }

    /// The next one, at the end of the capture.
    pub(super) fn rest(&mut self) -> Result<Option<Dropped>> {
        if self.waiting.is_empty() {
            self.read()?;
        }
        Ok(self.take_if(true))
    }

    /// When there may be one for [`Drops::overdue`].
    pub(super) fn due(&self) -> Instant {
        let waiting = self.waiting.front();
        waiting.map_or(self.next, |(read, _)| self.next.min(*read + self.delay))
    }

    /// It is shown, or written.
    pub(super) fn see(&mut self, dropped: &Dropped) {
        self.tally.see(dropped);
    }

    /// What is said at the end.
    pub(super) fn summary(mut self) -> Vec<String> {
        let counts = self.watch.counts();
        let counts = counts.iter().map(|it| {
            let function: Option<&Arc<str>> = it.function.as_ref();
            (&it.reason, function, it.is_here, it.packets)
        });
        self.tally.count(counts, false);
        let after = blind(self.places);
        let unrecorded = if self.is_selective {
            self.tally.counted().saturating_sub(self.recorded)
        } else {
            self.tally.unseen()
        };
        let blind = Blind {
            accept_overflows: grown(self.before.accept_overflows, after.accept_overflows),
            no_route: grown(self.before.no_route, after.no_route),
            backlog: grown(self.before.backlog, after.backlog),
        };
        text::dropped(&self.tally, self.is_selective, unrecorded, &blind)
    }

    fn take_if(&mut self, is_due: bool) -> Option<Dropped> {
        let taken = if is_due {
            self.waiting.pop_front()
        } else {
            None
        };
        taken.map(|(_, dropped)| dropped)
    }

    fn read(&mut self) -> Result<()> {
        self.read_until = now();
        if self.second.0.elapsed() >= Duration::from_secs(1) {
            self.second = (Instant::now(), 0);
        }
        let left = MOST_PER_SECOND.saturating_sub(self.second.1);
        let read = self.watch.read_at_most(left);
        // The first time, that has taken long: it reads the kernel's symbols.
        let at = Instant::now();
        self.next = at + PACE;
        self.second.1 += read.len();
        for dropped in read {
            if is_everyday(&dropped.reason, dropped.function.as_deref()) {
                continue;
            }
            self.recorded += 1;
            let is_elsewhere = dropped.interface.as_deref().is_some_and(|name| {
                !self.interfaces.is_empty() && !self.interfaces.iter().any(|it| it == name)
            });
            if !is_elsewhere && self.matching.has(&dropped.frame(0))? {
                self.waiting.push_back((at, dropped));
            }
        }
        Ok(())
    }
}

fn now() -> Timestamp {
    let now = Duration::from_nanos(clock::realtime().0);
    Timestamp {
        seconds: i64::try_from(now.as_secs()).unwrap_or_default(),
        nanoseconds: now.subsec_nanos(),
    }
}
