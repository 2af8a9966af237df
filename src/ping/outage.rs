//! Outages: losses in a row, told apart from scattered ones.

use std::time::Duration;

use super::clock::Monotonic;

/// From this many losses in a row on, a target is down.
pub const OUTAGE: u64 = 3;

/// The losses in a row of one target.
///
/// The invariant: `first..=last` are sequence numbers without a good reply in time, and none between
/// them has one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Run {
    first: u64,
    last: u64,
    /// When the first of them was sent.
    since: Monotonic,
    is_down: bool,
    /// The outages that are over.
    over: Outages,
}

/// The outages of a target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outages {
    /// How many.
    pub count: u64,
    /// Requests that were lost in them.
    pub lost: u64,
    /// The longest that is over: from the first lost request to the first that was answered.
    pub longest: Duration,
}

/// A target went down or came up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// When the first lost request was sent.
    pub since: Monotonic,
    /// Requests lost in a row by now.
    pub lost: u64,
    /// Up again: the time from the first lost request to the first that was answered.
    pub up_after: Option<Duration>,
}

impl Run {
    /// A request has got no good reply in time. Gives the change if the target is down by that.
    pub fn miss(&mut self, sequence: u64, sent: Monotonic) -> Option<Change> {
        if self.length() > 0 && sequence == self.last + 1 {
            self.last = sequence;
        } else if self.length() > 0 && sequence + 1 == self.first {
            (self.first, self.since) = (sequence, sent);
        } else if self.length() == 0 || sequence > self.last {
            self.end();
            (self.first, self.last, self.since) = (sequence, sequence, sent);
        }
        if self.is_down || self.length() < OUTAGE {
            return None;
        }
        self.is_down = true;
        Some(Change {
            since: self.since,
            lost: self.length(),
            up_after: None,
        })
    }

    /// A request was answered. Gives the change if the target is up again.
    pub fn answer(&mut self, sequence: u64, sent: Monotonic) -> Option<Change> {
        if sequence != self.last + 1 {
            // What was lost is answered after all.
            if (self.first..=self.last).contains(&sequence) && !self.is_down {
                (self.first, self.last) = (0, 0);
            }
            return None;
        }
        let up_after = sent.since(self.since);
        let change = self.is_down.then_some(Change {
            since: self.since,
            lost: self.length(),
            up_after: Some(up_after),
        });
        if change.is_some() {
            self.over.longest = self.over.longest.max(up_after);
        }
        self.end();
        change
    }

    /// The last request of the row.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Whether the target is down.
    pub fn is_down(&self) -> bool {
        self.is_down
    }

    /// How many are lost in a row.
    pub fn length(&self) -> u64 {
        if self.last == 0 {
            return 0;
        }
        self.last + 1 - self.first
    }

    /// The outages, the present one included.
    pub fn outages(&self) -> Outages {
        let mut all = self.over;
        if self.is_down {
            all.count += 1;
            all.lost += self.length();
        }
        all
    }

    fn end(&mut self) {
        self.over = self.outages();
        self.is_down = false;
        (self.first, self.last) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(sequence: u64) -> Monotonic {
        Monotonic(sequence * 200_000_000)
    }

    #[test]
    fn an_outage_begins_with_its_first_loss_and_ends_with_the_first_answer_after_it() {
        let mut run = Run::default();
        assert_eq!(run.answer(4, at(4)), None);
        assert_eq!(run.miss(5, at(5)), None);
        assert_eq!(run.miss(6, at(6)), None);
        let down = run.miss(7, at(7)).unwrap();
        assert_eq!((down.since, down.lost, down.up_after), (at(5), 3, None));
        assert_eq!(run.miss(8, at(8)), None);
        assert_eq!(run.miss(9, at(9)), None);
        let up = run.answer(10, at(10)).unwrap();
        assert_eq!((up.lost, up.up_after), (5, Some(Duration::from_secs(1))));
        let outages = run.outages();
        assert_eq!((outages.count, outages.lost), (1, 5));
        assert_eq!(outages.longest, Duration::from_secs(1));
    }

    #[test]
    fn scattered_losses_are_no_outage() {
        let mut run = Run::default();
        for sequence in 1..100 {
            let change = match sequence % 3 {
                0 => run.answer(sequence, at(sequence)),
                _ => run.miss(sequence, at(sequence)),
            };
            assert_eq!(change, None);
        }
        assert_eq!(run.outages(), Outages::default());
    }

    #[test]
    fn an_answer_that_was_overtaken_by_the_losses_does_not_end_the_outage() {
        let mut run = Run::default();
        for sequence in 5..=7 {
            run.miss(sequence, at(sequence));
        }
        assert_eq!(run.answer(12, at(12)), None);
        assert!(run.is_down());
        assert!(run.answer(8, at(8)).is_some());
    }
}
