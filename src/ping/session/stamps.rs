//! What the kernel says of the way of a request through this host.

use super::Session;
use crate::ping::clock::{Monotonic, Realtime};
use crate::ping::window::{Stage, State};

impl Session {
    /// The kernel says when a request was at a stage of its way through this host.
    pub fn handle_stamp(&mut self, number: u64, stage: Stage, stamp: Realtime, now: Monotonic) {
        let time = self.watch.monotonic(stamp);
        let Some(slot) = self.window.slot_mut(number) else {
            return;
        };
        // A timestamp that cannot be true is of another request, or of a clock that was set since.
        let earliest = slot.queued.unwrap_or(slot.sent);
        if !(earliest..=now).contains(&time) {
            return;
        }
        match stage {
            // Stacked devices have a queue each.
            Stage::Queued => slot.queued = slot.queued.or(Some(time)),
            Stage::Left => slot.left = Some(time),
        }
    }

    /// Whether a request may still be in the queue of its link.
    pub fn may_leave(&self, number: u64) -> bool {
        let slot = self.window.slot(number);
        slot.is_some_and(|slot| slot.state == State::Pending && slot.left.is_none())
    }

    /// A request was refused by the queue of its link, and is sent again.
    pub fn handle_retry(&mut self, number: u64) {
        if let Some(slot) = self.window.slot_mut(number) {
            slot.queued = None;
        }
    }
}
