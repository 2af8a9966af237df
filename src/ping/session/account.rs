//! The accounts of a session: counts, losses and outages, of each target and of all.

use std::time::Duration;

use super::Session;
use crate::ping::event::Event;
use crate::ping::figures::{Distribution, Times};
use crate::ping::losses::Losses;
use crate::ping::outage::{Change, Outages};
use crate::ping::plan::Until;
use crate::ping::tally::Tally;
use crate::ping::window::{Slot, State};

impl Session {
    /// The account of the lost packets of a target.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn losses_of(&self, index: usize) -> &Losses {
        &self.targets[index].losses
    }

    /// The round-trip times of a target, unless there are too many targets.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn times_of(&self, index: usize) -> Option<&Distribution> {
        match &self.targets[..] {
            [_] => Some(&self.times),
            _ => self.targets[index].times.as_deref(),
        }
    }

    /// The outages of a target.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn outages(&self, index: usize) -> Outages {
        self.targets[index].run.outages()
    }

    /// The counts since the last summary of a target, or of all.
    pub fn interval(&self, target: Option<usize>) -> Option<&Tally> {
        let last = self.intervals.len().checked_sub(1)?;
        self.intervals.get(target.unwrap_or(last))
    }

    /// Begins the next interval.
    pub fn begin_interval(&mut self) {
        self.intervals.fill(Tally::default());
    }

    /// The mean change from one round-trip time of a target to the next; `None` with fewer than two.
    pub fn jitter(&self) -> Option<Duration> {
        let tallies = self.targets.iter().map(|asked| &asked.tally.times);
        Times::jitter(tallies)
    }

    /// The next thing that has changed: a target went down, or came up.
    pub fn poll_change(&mut self) -> Option<Event> {
        self.changes.pop_front()
    }

    /// A target is not asked any more.
    pub(super) fn retire(&mut self, target: usize) {
        if std::mem::replace(&mut self.targets[target].is_active, false) {
            self.active -= 1;
        }
    }

    /// A request was not answered; that may be what is waited for, of whichever target.
    pub(super) fn miss(&mut self, slot: &Slot) {
        let target = slot.target as usize;
        let asked = &mut self.targets[target];
        let change = asked.run.miss(slot.sequence, slot.sent);
        if matches!(self.plan.until, Until::Down(most) if asked.run.length() >= most) {
            (0..self.targets.len()).for_each(|target| self.retire(target));
        }
        self.tell(target, change);
        // The request after it may have been answered before it was given up.
        let asked = &self.targets[target];
        if asked.run.is_down() && asked.answered > asked.run.last() {
            let next = self.window.after(slot.number, slot.target).copied();
            if let Some(next) = next.filter(|next| next.state == State::Answered) {
                self.answer(&next);
            }
        }
    }

    /// A request was answered, which may end an outage.
    pub(super) fn answer(&mut self, slot: &Slot) {
        let target = slot.target as usize;
        let change = self.targets[target].run.answer(slot.sequence, slot.sent);
        self.tell(target, change);
    }

    pub(super) fn tell(&mut self, target: usize, change: Option<Change>) {
        let Some(change) = change else {
            return;
        };
        let since = self.watch.realtime(change.since);
        let lost = change.lost;
        self.changes.push_back(match change.up_after {
            None => Event::Down {
                target,
                since,
                lost,
            },
            Some(after) => Event::Up {
                target,
                since,
                lost,
                after,
            },
        });
    }

    /// Counts for a target and for all, and for the interval.
    pub(super) fn both(&mut self, target: usize, count: impl Fn(&mut Tally)) {
        count(&mut self.totals);
        count(&mut self.targets[target].tally);
        if let [targets @ .., all] = &mut self.intervals[..] {
            count(all);
            count(&mut targets[target]);
        }
    }

    /// Accounts for a loss of a target.
    pub(super) fn lose(&mut self, target: usize, account: impl Fn(&mut Losses)) {
        account(&mut self.losses);
        account(&mut self.targets[target].losses);
    }
}
