//! A reader with a limited rate in bytes per second.

use std::time::Duration;

/// It wakes up this often at most: a wake-up for each byte would be a load of its own.
const TICK: Duration = Duration::from_millis(50);

/// A token bucket that holds what one tick brings, so that a pause is not made up for in a burst.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Bytes a second.
    rate: u64,
    /// Bytes that may be read now, in units of a byte-nanosecond of the rate.
    credit: u128,
    at: Duration,
}

const SECOND: u128 = 1_000_000_000;

impl Pace {
    /// A reader that begins at this time; `rate` in bytes a second, 0 never reads.
    pub fn new(rate: u64, now: Duration) -> Self {
        Pace {
            rate,
            credit: 0,
            at: now,
        }
    }

    /// Bytes that one tick brings; at least one.
    fn most(&self) -> u128 {
        (u128::from(self.rate) * TICK.as_nanos()).max(SECOND)
    }

    /// How many bytes may be read at this time.
    pub fn allowed(&mut self, now: Duration) -> usize {
        let passed = now.saturating_sub(self.at).as_nanos();
        self.at = self.at.max(now);
        let earned = u128::from(self.rate).saturating_mul(passed);
        // Two ticks' worth: one that is late loses nothing.
        self.credit = self.credit.saturating_add(earned).min(2 * self.most());
        if self.rate == 0 {
            return 0;
        }
        usize::try_from(self.credit / SECOND).unwrap_or(usize::MAX)
    }

    /// Bytes were read.
    pub fn took(&mut self, bytes: usize) {
        self.credit = self.credit.saturating_sub(bytes as u128 * SECOND);
    }

    /// When it is worth asking again; `None`: never.
    pub fn next(&self, now: Duration) -> Option<Duration> {
        if self.rate == 0 {
            return None;
        }
        let missing = self.most().saturating_sub(self.credit);
        let nanos = missing.div_ceil(u128::from(self.rate));
        let wait = u64::try_from(nanos).map_or(Duration::MAX, Duration::from_nanos);
        Some(now.saturating_add(wait))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a reader takes in this time from a peer that always has more.
    fn taken(rate: u64, time: Duration) -> u64 {
        let mut pace = Pace::new(rate, Duration::ZERO);
        let (mut now, mut total) = (Duration::ZERO, 0);
        while let Some(next) = pace.next(now) {
            assert!(next > now);
            now = next;
            if now > time {
                break;
            }
            let bytes = pace.allowed(now);
            pace.took(bytes);
            total += bytes as u64;
        }
        total
    }

    #[test]
    fn it_reads_at_its_rate_whatever_that_is() {
        for rate in [1, 7, 1_000, 65_536, 10_000_000, u64::from(u32::MAX)] {
            let got = taken(rate, Duration::from_secs(10));
            let wanted = rate * 10;
            assert!(got <= wanted, "{rate}: {got}");
            assert!(got + rate / 10 + 1 >= wanted, "{rate}: {got}");
        }
    }

    #[test]
    fn a_pause_is_not_made_up_for() {
        let mut pace = Pace::new(1_000, Duration::ZERO);
        assert_eq!(pace.allowed(Duration::from_hours(1)), 100);
    }

    #[test]
    fn a_rate_of_nothing_never_reads() {
        let mut pace = Pace::new(0, Duration::ZERO);
        assert_eq!(pace.next(Duration::ZERO), None);
        assert_eq!(pace.allowed(Duration::from_hours(1)), 0);
    }
}
