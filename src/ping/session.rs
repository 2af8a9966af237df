//! A session: requests out, replies in, and what became of each.

mod account;
mod judge;
mod stamps;
#[cfg(test)]
mod tests;

use std::collections::{HashSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::clock::{ClockWatch, Monotonic, Reading, Realtime};
use super::event::{Event, Timings};
use super::figures::{Distribution, Times};
use super::losses::{Losses, Unsent};
use super::outage::Run;
use super::payload::Payloads;
use super::plan::{Pace, Plan, Until};
use super::schedule::{Schedule, Traffic};
use super::tally::Tally;
use super::target::Target;
use super::window::{Slot, State, Window};
use crate::reference::icmp::Version;

pub use judge::{Incoming, Notice};

/// Targets that have percentiles of their own, if there are several.
const MOST_DISTRIBUTIONS: usize = 256;
/// A host that has never answered is waited for this long before its silence is a loss at the end.
const USUAL_PATIENCE: Duration = Duration::from_secs(1);
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
    /// The times that requests spent in this host before they came to the queue of their link.
    pub held: Times,
    /// The times that they spent in that queue, which are a part of the round-trip times.
    pub queue: Times,
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
    /// Requests that were answered in their order, one after the other.
    in_order: u64,
    /// A target is a group, whose members answer one after the other.
    has_group: bool,
    last_sent: Option<Monotonic>,
    stopped: bool,
    /// The counts since the last summary, of each target and of all; empty unless the plan wants them.
    intervals: Vec<Tally>,
    /// Who of a group has answered which request.
    repliers: HashSet<(u64, IpAddr)>,
    /// What has changed by what came or did not come.
    changes: VecDeque<Event>,
}

/// A target, and what became of the requests to it.
#[derive(Debug)]
struct Asked {
    target: Target,
    tally: Tally,
    losses: Losses,
    /// Of several targets; of one they are those of the session.
    times: Option<Box<Distribution>>,
    run: Run,
    /// The latest request that was answered.
    answered: u64,
    /// The address that it had before, and the last request that went there.
    before: Option<(IpAddr, u64)>,
    is_active: bool,
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
        let intervals = if plan.intervals { targets.len() + 1 } else { 0 };
        let has_group = targets.iter().any(Target::is_group);
        let targets: Vec<Asked> = targets.into_iter().map(Asked::new).collect();
        Session {
            schedule: Schedule::new(&plan, targets.len()),
            active: targets.len(),
            intervals: vec![Tally::default(); intervals],
            answered: plan.first - 1,
            payloads,
            targets,
            window: Window::new(plan.first),
            plan,
            watch: ClockWatch::new(clock),
            identifiers: [0; 2],
            totals: Tally::default(),
            losses: Losses::default(),
            times: Distribution::new(),
            timings: Timings::default(),
            held: Times::default(),
            queue: Times::default(),
            clock_steps: 0,
            overflowed: 0,
            retried: 0,
            pipe: 0,
            pending: 0,
            in_order: 0,
            has_group,
            last_sent: None,
            stopped: false,
            repliers: HashSet::new(),
            changes: VecDeque::new(),
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

    /// The number that the next request would have.
    pub fn next_number(&self) -> u64 {
        self.window.next_number()
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
        if self.schedule.is_crowded(self.traffic()) {
            self.in_order = 0;
        }
        let unanswered = self.unanswered();
        self.forget_overtaken();
        self.both(target, |tally| tally.sent += 1);
        let sequence = self.targets[target].tally.sent;
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
            advised: false,
            timed,
            sent: now,
            queued: None,
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
        let due = self.schedule.due(now, self.traffic());
        // Nothing is sent at the deadline: its answer could not be waited for.
        Some(due).filter(|due| self.deadline().is_none_or(|deadline| *due < deadline))
    }

    fn traffic(&self) -> Traffic {
        Traffic {
            under_way: self.window.next_number() - 1 - self.answered,
            in_order: self.in_order,
            last_sent: self.last_sent,
            ewma: match self.plan.pace {
                Pace::Adaptive => self.totals.times.ewma(),
                _ => None,
            },
        }
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
        let slot = *slot;
        let (target, sequence) = (slot.target as usize, slot.sequence);
        self.pending -= 1;
        self.lose(target, |losses| losses.add_unsent(why));
        self.both(target, |tally| {
            tally.errors += 1;
            tally.lost += 1;
        });
        self.miss(&slot);
        Some(Event::Unsent {
            target,
            sequence,
            why,
        })
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
        let slot = *slot;
        let (target, sequence, damaged) = (slot.target as usize, slot.sequence, slot.damaged);
        self.pending -= 1;
        if early && !damaged {
            self.lose(target, |losses| losses.unfinished += 1);
            self.both(target, |tally| tally.unfinished += 1);
            return Some(Event::Unfinished { target, sequence });
        }
        self.lose(target, |losses| losses.give_up(damaged, slot.advised));
        self.both(target, |tally| tally.lost += 1);
        self.miss(&slot);
        Some(Event::Lost {
            target,
            sequence,
            damaged,
            sent: self.watch.realtime(slot.sent),
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
        let is_answered = self.pending == 0 && !self.has_group;
        let is_idle = self.active == 0 && (is_answered || has_enough);
        self.stopped || is_idle || self.end().is_some_and(|end| end <= now)
    }

    /// When it ends at the latest, as far as that is known.
    fn end(&self) -> Option<Monotonic> {
        let patience = match (self.active, self.plan.timeout) {
            (0, None) => self.last_sent.map(|last| last + self.last_patience()),
            // The members of a group answer one after the other.
            (0, Some(timeout)) if self.has_group => self.last_sent.map(|last| last + timeout),
            _ => None,
        };
        [self.deadline(), patience].into_iter().flatten().min()
    }

    fn deadline(&self) -> Option<Monotonic> {
        let (time, start) = self.plan.deadline.zip(self.schedule_start())?;
        Some(start + time)
    }

    /// How long the last request is waited for without `-W`: as with iputils twice the longest
    /// round-trip time, or an interval if that is longer.
    fn last_patience(&self) -> Duration {
        match self.totals.times.max() {
            Some(longest) => (longest * 2).max(self.plan.interval).max(SHORTEST_PATIENCE),
            None => self.plan.patience(),
        }
    }

    /// Ends it: nothing is sent any more. What is still under way is given up: as unfinished if its reply
    /// may still be coming, as lost if the session has waited longer than replies take.
    pub fn poll_end(&mut self, now: Monotonic) -> Option<Event> {
        let waited = self.active == 0 && self.end().is_some_and(|end| end <= now);
        self.stopped = true;
        let slot = *self.window.oldest_pending()?;
        let usual = match self.totals.times.max() {
            Some(longest) => (longest * 2).max(SHORTEST_PATIENCE),
            None => USUAL_PATIENCE,
        };
        let is_early = now.since(slot.sent) < usual.min(self.plan.patience());
        self.give_up(slot.number, is_early && !waited)
    }

    fn schedule_start(&self) -> Option<Monotonic> {
        self.schedule.start()
    }

    /// The name of a target has another address now. What is under way is answered from the one before.
    ///
    /// # Panics
    /// If there are fewer targets.
    pub fn move_target(&mut self, index: usize, address: SocketAddr) {
        let last = self.window.next_number() - 1;
        let asked = &mut self.targets[index];
        let from = asked.target.move_to(address);
        asked.before = Some((from, last));
        let target = index;
        self.changes.push_back(Event::Moved { target, from });
    }

    /// The address that a request to a target went to.
    fn address_of(&self, target: usize, number: u64) -> IpAddr {
        let asked = &self.targets[target];
        match asked.before {
            Some((address, last)) if number <= last => address,
            _ => asked.target.address,
        }
    }
}

impl Asked {
    fn new(target: Target) -> Asked {
        Asked {
            target,
            tally: Tally::default(),
            losses: Losses::default(),
            times: None,
            run: Run::default(),
            answered: 0,
            before: None,
            is_active: true,
        }
    }
}

fn index(version: Version) -> usize {
    match version {
        Version::V4 => 0,
        Version::V6 => 1,
    }
}
