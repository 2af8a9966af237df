//! A session: requests out, replies in, and what became of each.

mod judge;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::time::Duration;

use super::clock::{ClockWatch, Monotonic, Reading, Realtime};
use super::event::{Event, Timings};
use super::figures::{Distribution, Times};
use super::losses::{Losses, Unsent};
use super::payload::Payloads;
use super::plan::{Pace, Plan, Until};
use super::schedule::{Schedule, Traffic};
use super::target::Target;
use super::window::{Slot, State, Window};
use crate::reference::icmp::Version;

pub use judge::{Incoming, Notice};

/// The last request is waited for at least this long.
const SHORTEST_PATIENCE: Duration = Duration::from_millis(100);

/// A session of pings to one target or many.
///
/// What is sent is asked for with [`Session::poll_transmit`], what came in is handed to
/// [`Session::handle_packet`] and [`Session::handle_notice`], and what was awaited in vain is reported by
/// [`Session::poll_lost`]. No call waits, and none reads a clock.
#[derive(Debug)]
pub struct Session {
    plan: Plan,
    payloads: Payloads,
    targets: Vec<Asked>,
    window: Window,
    schedule: Schedule,
    watch: ClockWatch,
    identifiers: [u16; 2],
    /// The figures of all targets together.
    pub totals: Tally,
    /// The account of lost packets.
    pub losses: Losses,
    /// The round-trip times of all targets.
    pub times: Distribution,
    /// What they were measured by.
    pub timings: Timings,
    /// Steps of the wall clock.
    pub clock_steps: u64,
    /// Replies that this host lost because its own receive buffer was full.
    pub overflowed: u64,
    /// Times that a request had to be sent again because a buffer of this host was full.
    pub retried: u64,
    /// The most requests that were under way at once.
    pub pipe: u64,
    /// Targets that are still asked.
    active: usize,
    pending: u64,
    /// The latest request that was answered.
    answered: u64,
    last_sent: Option<Monotonic>,
    stopped: bool,
}

/// A target, and what became of the requests to it.
#[derive(Debug)]
struct Asked {
    target: Target,
    tally: Tally,
    is_active: bool,
}

/// Counts.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Tally {
    /// Requests, those that never left included.
    pub sent: u64,
    /// Good replies in time; with a lenient plan every reply that iputils counts.
    pub received: u64,
    /// Good replies that came again.
    pub duplicates: u64,
    /// Replies that were corrupted or cut.
    pub damaged: u64,
    /// Good replies that came too late.
    pub late: u64,
    /// Replies whose sender did not see a request, or to requests never sent.
    pub forged: u64,
    /// Replies from another address.
    pub elsewhere: u64,
    /// ICMP errors, and requests that never left.
    pub errors: u64,
    /// Requests that were given up or refused.
    pub lost: u64,
    /// The round-trip times.
    pub times: Times,
}

impl Tally {
    /// Loss in percent of what was sent; 0 before the first.
    pub fn loss_percent(&self) -> f64 {
        if self.sent == 0 {
            return 0.0;
        }
        self.sent.saturating_sub(self.received) as f64 * 100.0 / self.sent as f64
    }
}

/// A request that is to be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Its number in the session.
    pub number: u64,
    /// The destination.
    pub target: usize,
    /// Which of the requests to this target, from 1.
    pub sequence: u64,
    /// Whether its round-trip time is measured.
    pub timed: bool,
    /// The request before it to the same target has no answer yet; only reported with one target.
    pub unanswered: Option<u64>,
}

impl Request {
    /// The sequence number on the wire.
    // The lower sixteen bits, as the window wants them.
    #[allow(clippy::cast_possible_truncation)]
    pub fn wire(&self) -> u16 {
        self.number as u16
    }
}

impl Session {
    /// A session with these targets; not empty.
    pub fn new(plan: Plan, payloads: Payloads, targets: Vec<Target>, clock: Reading) -> Session {
        let targets: Vec<Asked> = targets
            .into_iter()
            .map(|target| Asked {
                target,
                tally: Tally::default(),
                is_active: true,
            })
            .collect();
        Session {
            schedule: Schedule::new(&plan, targets.len()),
            active: targets.len(),
            plan,
            payloads,
            targets,
            window: Window::new(),
            watch: ClockWatch::new(clock),
            identifiers: [0; 2],
            totals: Tally::default(),
            losses: Losses::default(),
            times: Distribution::new(),
            timings: Timings::default(),
            clock_steps: 0,
            overflowed: 0,
            retried: 0,
            pipe: 0,
            pending: 0,
            answered: 0,
            last_sent: None,
            stopped: false,
        }
    }

    /// The identifier that requests of a version carry, once the socket has one.
    pub fn set_identifier(&mut self, version: Version, identifier: u16) {
        self.identifiers[index(version)] = identifier;
    }

    /// The identifier of a version.
    pub fn identifier(&self, version: Version) -> u16 {
        self.identifiers[index(version)]
    }

    /// What is sent and compared.
    pub fn payloads(&self) -> &Payloads {
        &self.payloads
    }

    /// How it runs.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How many targets there are.
    pub fn target_count(&self) -> usize {
        self.targets.len()
    }

    /// A target.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn target(&self, index: usize) -> &Target {
        &self.targets[index].target
    }

    /// The counts of a target.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn tally(&self, index: usize) -> &Tally {
        &self.targets[index].tally
    }

    /// From the first request to the last.
    pub fn sending_time(&self) -> Duration {
        match (self.schedule_start(), self.last_sent) {
            (Some(start), Some(last)) => last.since(start),
            _ => Duration::ZERO,
        }
    }

    /// What the wall clock says at a time.
    pub fn realtime(&self, time: Monotonic) -> Realtime {
        self.watch.realtime(time)
    }

    /// Whether every target answered at least once.
    pub fn all_answered(&self) -> bool {
        self.targets.iter().all(|asked| asked.tally.received > 0)
    }

    /// The request to send now, if one is due. `place` is its place among those that are sent
    /// together, from 0.
    pub fn poll_transmit(&mut self, now: Monotonic, place: usize) -> Option<Request> {
        if self.due(now)? > now {
            return None;
        }
        let target = self.schedule.target();
        self.schedule.advance();
        let unanswered = self.unanswered();
        self.forget_overtaken();
        let asked = &mut self.targets[target];
        asked.tally.sent += 1;
        self.totals.sent += 1;
        let sequence = asked.tally.sent;
        if self.plan.deadline.is_none() && self.plan.count == Some(sequence) {
            self.retire(target);
        }
        let timed = place == 0 || !self.plan.times_first_only;
        let slot = Slot {
            number: self.window.next_number(),
            sequence,
            target: u32::try_from(target).unwrap_or(u32::MAX),
            state: State::Pending,
            damaged: false,
            timed,
            sent: now,
            left: None,
        };
        self.window.push(slot);
        self.pending += 1;
        self.last_sent = Some(now);
        Some(Request {
            number: slot.number,
            target,
            sequence,
            timed,
            unanswered,
        })
    }

    /// When the next request is due, whether that is past or to come; passes over targets that are
    /// no longer asked.
    fn due(&mut self, now: Monotonic) -> Option<Monotonic> {
        if self.stopped || self.active == 0 {
            return None;
        }
        while !self.targets[self.schedule.target()].is_active {
            self.schedule.advance();
        }
        let traffic = Traffic {
            under_way: self.window.next_number() - 1 - self.answered,
            last_sent: self.last_sent,
            ewma: match self.plan.pace {
                Pace::Adaptive => self.totals.times.ewma(),
                _ => None,
            },
        };
        Some(self.schedule.due(now, traffic))
    }

    /// With one target, the last request if it has no answer yet.
    fn unanswered(&self) -> Option<u64> {
        let last = self.window.slot(self.window.next_number() - 1)?;
        let is_open = self.targets.len() == 1 && last.state == State::Pending;
        is_open.then_some(last.sequence)
    }

    /// The next request has the bits on the wire of one that is still under way: that one is given up.
    fn forget_overtaken(&mut self) {
        if let Some(slot) = self.window.overtaken() {
            let number = slot.number;
            self.give_up(number, false);
        }
    }

    /// A request could not be sent.
    pub fn handle_unsent(&mut self, number: u64, why: Unsent) -> Option<Event> {
        let slot = self.window.slot_mut(number)?;
        if slot.state != State::Pending {
            return None;
        }
        slot.state = State::Unsent;
        let (target, sequence) = (slot.target as usize, slot.sequence);
        self.pending -= 1;
        self.losses.add_unsent(why);
        self.both(target, |tally| {
            tally.errors += 1;
            tally.lost += 1;
        });
        self.is_down();
        Some(Event::Unsent {
            target,
            sequence,
            why,
        })
    }

    /// The kernel says when it gave a request to the network.
    pub fn handle_left(&mut self, number: u64, stamp: Realtime, now: Monotonic) {
        let left = self.watch.monotonic(stamp);
        if let Some(slot) = self.window.slot_mut(number) {
            // A timestamp that cannot be true is of another request, or of a clock that was set since.
            if (slot.sent..=now).contains(&left) {
                slot.left = Some(left);
            }
        }
    }

    /// Both clocks were read.
    pub fn handle_clock(&mut self, reading: Reading) -> Option<Event> {
        let by = self.watch.observe(reading)?;
        self.clock_steps += 1;
        Some(Event::ClockStep { by })
    }

    /// The next request whose time is over.
    pub fn poll_lost(&mut self, now: Monotonic) -> Option<Event> {
        let patience = self.plan.patience();
        let slot = self.window.oldest_pending()?;
        if slot.sent + patience > now {
            return None;
        }
        let number = slot.number;
        self.give_up(number, false)
    }

    /// A pending request gets no good reply any more; `early` if its time was not over.
    fn give_up(&mut self, number: u64, early: bool) -> Option<Event> {
        let slot = self.window.slot_mut(number)?;
        slot.state = State::Expired;
        let (target, sequence, damaged) = (slot.target as usize, slot.sequence, slot.damaged);
        self.pending -= 1;
        match (damaged, early) {
            (true, _) => self.losses.damaged += 1,
            (_, true) => self.losses.unfinished += 1,
            _ => self.losses.silent += 1,
        }
        self.both(target, |tally| tally.lost += 1);
        if !early {
            self.is_down();
        }
        Some(Event::Lost {
            target,
            sequence,
            damaged,
        })
    }

    /// When something has to be done though nothing came.
    pub fn next_deadline(&mut self, now: Monotonic) -> Option<Monotonic> {
        let patience = self.plan.patience();
        let lost = self
            .window
            .oldest_pending()
            .map(|slot| slot.sent + patience);
        let due = self.due(now);
        let end = self.end();
        [lost, due, end].into_iter().flatten().min()
    }

    /// Whether the session is over.
    pub fn is_over(&self, now: Monotonic) -> bool {
        // A run that waits for a number of replies does not wait for more.
        let has_enough = self.plan.until != Until::End || self.plan.deadline.is_some();
        let is_idle = self.active == 0 && (self.pending == 0 || has_enough);
        self.stopped || is_idle || self.end().is_some_and(|end| end <= now)
    }

    /// When it ends at the latest, as far as that is known.
    fn end(&self) -> Option<Monotonic> {
        let deadline = self.plan.deadline.zip(self.schedule_start());
        let deadline = deadline.map(|(time, start)| start + time);
        let patience = match (self.active, self.plan.timeout) {
            (0, None) => self.last_sent.map(|last| last + self.last_patience()),
            _ => None,
        };
        [deadline, patience].into_iter().flatten().min()
    }

    /// How long the last request is waited for without `-W`: as with iputils twice the longest
    /// round-trip time, or an interval if that is longer.
    fn last_patience(&self) -> Duration {
        match self.totals.times.max() {
            Some(longest) => (longest * 2).max(self.plan.interval).max(SHORTEST_PATIENCE),
            None => self.plan.patience(),
        }
    }

    /// Ends it: nothing is sent any more. What is still under way is given up; as silent when the
    /// session had waited for it as long as it meant to, as unfinished when it was interrupted.
    pub fn poll_end(&mut self, now: Monotonic) -> Option<Event> {
        let waited = self.active == 0 && self.end().is_some_and(|end| end <= now);
        self.stopped = true;
        let number = self.window.oldest_pending()?.number;
        self.give_up(number, !waited)
    }

    fn schedule_start(&self) -> Option<Monotonic> {
        self.schedule.start()
    }

    /// A target is not asked any more.
    fn retire(&mut self, target: usize) {
        if std::mem::replace(&mut self.targets[target].is_active, false) {
            self.active -= 1;
        }
    }

    /// A request was not answered; that may be what is waited for, of whichever target.
    fn is_down(&mut self) {
        if self.plan.until == Until::Down {
            (0..self.targets.len()).for_each(|target| self.retire(target));
        }
    }

    /// Counts for a target and for all.
    fn both(&mut self, target: usize, count: impl Fn(&mut Tally)) {
        count(&mut self.totals);
        count(&mut self.targets[target].tally);
    }

    /// The address that a request went to.
    fn address_of(&self, target: usize) -> IpAddr {
        self.targets[target].target.address
    }
}

fn index(version: Version) -> usize {
    match version {
        Version::V4 => 0,
        Version::V6 => 1,
    }
}
