//! Which requests are under way.

use std::time::Duration;

use super::clock::Monotonic;

/// Requests that the window remembers: as many as the sixteen bits on the wire tell apart.
pub const SPAN: u64 = 1 << 16;

/// A request that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// Its number in the session, from 1; the wire carries the lower sixteen bits.
    pub number: u64,
    /// Its number among those to the same target, from 1.
    pub sequence: u64,
    /// To which target it went.
    pub target: u32,
    /// What became of it.
    pub state: State,
    /// A reply came that was damaged; the good one may still come.
    pub damaged: bool,
    /// Advice came for it (a redirect, a source quench), which is no reply and no refusal.
    pub advised: bool,
    /// Its round-trip time is measured.
    pub timed: bool,
    /// When it was given to the kernel.
    pub sent: Monotonic,
    /// When it came to the queue of its link, if reported.
    pub queued: Option<Monotonic>,
    /// When it left that queue for the device, if reported.
    pub left: Option<Monotonic>,
}

impl Slot {
    /// When its round trip began by the clock of a reply that came at `came`, and whether that is a
    /// timestamp of the kernel. Of what is sent to a group, the copy for ourselves may come back before
    /// the packet reaches the queue.
    pub fn began(&self, came: Monotonic) -> (Monotonic, bool) {
        match self.queued.filter(|queued| *queued <= came) {
            Some(queued) => (queued, true),
            None => (self.sent, false),
        }
    }

    /// The time that it spent in this host.
    pub fn local(&self) -> Local {
        Local {
            held: self.queued.map(|queued| queued.since(self.sent)),
            queue: (self.queued.zip(self.left)).map(|(queued, left)| left.since(queued)),
        }
    }
}

/// Where in this host a request was when the kernel timestamped it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It came to the queue of its link (`SOF_TIMESTAMPING_TX_SCHED`).
    Queued,
    /// The queue gave it to the device (`SOF_TIMESTAMPING_TX_SOFTWARE`).
    Left,
}

/// The time that a request spent in this host, as far as the kernel reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Local {
    /// From the call that sends it to the queue of its link: neighbour resolution, firewall hooks. No part
    /// of the round trip.
    pub held: Option<Duration>,
    /// In that queue. A part of the round trip.
    pub queue: Option<Duration>,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Under way.
    Pending,
    /// A good reply came in time.
    Answered,
    /// No good reply came in time.
    Expired,
    /// A good reply came after that.
    AnsweredLate,
    /// An ICMP error came for it: its place in the list of refusals.
    Refused(u16),
    /// It never left.
    Unsent,
}

/// The requests, in a ring that is indexed by what the wire carries: every step takes the same time,
/// however many are under way.
///
/// The invariant: the slot of a number is at its distance from the first one, modulo the span, numbers are given in order, and
/// all numbers from `oldest` on are in the ring. A request that is overtaken by the one 65,536 after
/// it has left the ring, and was taken out of the pending ones before.
#[derive(Debug)]
pub struct Window {
    slots: Vec<Slot>,
    /// The first number.
    first: u64,
    /// The number that the next request gets, less one.
    last: u64,
    /// No number below this one is pending.
    oldest: u64,
}

impl Window {
    /// An empty one, whose first number this will be; at least 1.
    pub fn new(first: u64) -> Window {
        Window {
            slots: Vec::new(),
            first,
            last: first - 1,
            oldest: first,
        }
    }

    /// Where the slot of a number is.
    // The remainder is less than SPAN.
    #[allow(clippy::cast_possible_truncation)]
    fn place(&self, number: u64) -> usize {
        (number.wrapping_sub(self.first) % SPAN) as usize
    }

    /// The number that the next request gets.
    pub fn next_number(&self) -> u64 {
        self.last + 1
    }

    /// The request that has to be decided upon before the next can be put in.
    pub fn overtaken(&self) -> Option<&Slot> {
        let number = self.next_number().checked_sub(SPAN)?;
        self.slot(number)
            .filter(|slot| slot.state == State::Pending)
    }

    /// Puts a request in; its number must be the next.
    pub fn push(&mut self, slot: Slot) {
        debug_assert_eq!(slot.number, self.next_number());
        let at = self.place(slot.number);
        if at < self.slots.len() {
            self.slots[at] = slot;
        } else {
            self.slots.push(slot);
        }
        self.last = slot.number;
    }

    /// The request with this number, if the ring still has it.
    pub fn slot(&self, number: u64) -> Option<&Slot> {
        let slot = self.slots.get(self.place(number))?;
        (slot.number == number).then_some(slot)
    }

    /// The same, to change it.
    pub fn slot_mut(&mut self, number: u64) -> Option<&mut Slot> {
        let at = self.place(number);
        let slot = self.slots.get_mut(at)?;
        (slot.number == number).then_some(slot)
    }

    /// The request to the same target after one, if it was sent and the ring still has it.
    pub fn after(&self, number: u64, target: u32) -> Option<&Slot> {
        let later = number + 1..=self.last;
        later
            .map_while(|number| self.slot(number))
            .find(|slot| slot.target == target)
    }

    /// The latest request whose lower sixteen bits are these; none before the first was sent.
    pub fn number_of(&self, wire: u16) -> Option<u64> {
        #[allow(clippy::cast_possible_truncation)]
        let back = (self.last as u16).wrapping_sub(wire);
        self.last
            .checked_sub(u64::from(back))
            .filter(|&number| number >= self.first)
    }

    /// The oldest request that is pending.
    pub fn oldest_pending(&mut self) -> Option<&mut Slot> {
        while self.oldest <= self.last {
            let at = self.place(self.oldest);
            let is_pending = self
                .slots
                .get(at)
                .is_some_and(|slot| slot.number == self.oldest && slot.state == State::Pending);
            if is_pending {
                return self.slots.get_mut(at);
            }
            self.oldest += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(number: u64) -> Slot {
        Slot {
            number,
            sequence: number,
            target: 0,
            state: State::Pending,
            damaged: false,
            advised: false,
            timed: true,
            sent: Monotonic(number),
            queued: None,
            left: None,
        }
    }

    fn filled(count: u64) -> Window {
        filled_from(1, count)
    }

    fn filled_from(first: u64, count: u64) -> Window {
        let mut window = Window::new(first);
        for number in first..first + count {
            window.push(pending(number));
        }
        window
    }

    #[test]
    fn a_window_that_begins_later_does_not_know_the_numbers_before() {
        let window = filled_from(65_530, 10);
        assert_eq!(window.next_number(), 65_540);
        assert_eq!(window.number_of(65_529), None);
        assert_eq!(window.number_of(65_530), Some(65_530));
        assert_eq!(window.number_of(3), Some(65_539));
        assert_eq!(window.number_of(4), None);
        assert_eq!(window.slot(65_539).unwrap().number, 65_539);
        assert_eq!(window.slot(65_529), None);
        let window = filled_from(65_530, 70_000);
        assert_eq!(window.slot(135_529).unwrap().number, 135_529);
        assert_eq!(window.slot(65_530), None);
    }

    #[test]
    fn what_the_wire_carries_is_the_latest_request_with_these_bits() {
        assert_eq!(Window::new(1).number_of(1), None);
        let window = filled(3);
        assert_eq!(window.number_of(1), Some(1));
        assert_eq!(window.number_of(3), Some(3));
        assert_eq!(window.number_of(4), None);
        assert_eq!(window.number_of(0), None);
        let window = filled(70_000);
        assert_eq!(window.number_of(4_464), Some(70_000));
        assert_eq!(window.number_of(0), Some(65_536));
        assert_eq!(window.number_of(4_465), Some(4_465));
    }

    #[test]
    fn a_number_that_was_overtaken_is_no_longer_there() {
        let window = filled(70_000);
        assert_eq!(window.slot(1), None);
        assert_eq!(window.slot(70_001 - 65_536).unwrap().number, 4_465);
        assert_eq!(window.slot(70_000).unwrap().number, 70_000);
        assert_eq!(window.slot(70_001), None);
        assert_eq!(window.slots.len(), 65_536);
    }

    #[test]
    fn the_oldest_pending_is_found_in_order_and_answered_ones_are_passed_over() {
        let mut window = filled(5);
        for number in [1, 2, 4] {
            window.slot_mut(number).unwrap().state = State::Answered;
        }
        assert_eq!(window.oldest_pending().unwrap().number, 3);
        window.slot_mut(3).unwrap().state = State::Expired;
        assert_eq!(window.oldest_pending().unwrap().number, 5);
        window.slot_mut(5).unwrap().state = State::Answered;
        assert_eq!(window.oldest_pending(), None);
        window.push(pending(6));
        assert_eq!(window.oldest_pending().unwrap().number, 6);
    }

    #[test]
    fn a_request_that_will_be_overtaken_while_it_is_pending_is_told_in_time() {
        let mut window = filled(65_535);
        assert_eq!(window.overtaken(), None);
        window.push(pending(65_536));
        assert_eq!(window.overtaken().unwrap().number, 1);
        window.slot_mut(1).unwrap().state = State::Expired;
        assert_eq!(window.overtaken(), None);
    }
}
