//! Two clocks: the one that only goes on, which times are measured by, and the one of the day, which
//! the kernel timestamps packets with.

use std::fmt;
use std::ops::Add;
use std::time::Duration;

/// A time of `CLOCK_MONOTONIC` in nanoseconds (`clock_gettime(2)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Monotonic(pub u64);

/// A time of `CLOCK_REALTIME` in nanoseconds since 1970 (`clock_gettime(2)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Realtime(pub u64);

impl fmt::Display for Realtime {
    /// Seconds with six decimals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0 / 1000;
        write!(f, "{}.{:06}", micros / 1_000_000, micros % 1_000_000)
    }
}

impl Monotonic {
    /// How long ago `earlier` was; nothing if it is to come.
    pub fn since(self, earlier: Monotonic) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Monotonic {
    type Output = Monotonic;

    fn add(self, time: Duration) -> Monotonic {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Monotonic(self.0.saturating_add(nanos))
    }
}

/// Both clocks, read together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The middle of two readings of `CLOCK_MONOTONIC`, one on each side of the other clock's.
    pub monotonic: Monotonic,
    /// `CLOCK_REALTIME` between them.
    pub realtime: Realtime,
    /// How far apart the two were, in nanoseconds: the reading is as exact as that.
    pub spread: u64,
}

/// How far the clocks may be off each other, beyond what the readings allow for, before that is
/// taken for a step, in nanoseconds.
const SLACK: u64 = 2_000;

/// Turns timestamps of the wall clock into monotonic times, and notices when that clock is set.
///
/// Linux slews both clocks alike: what lies between them changes only when somebody sets the clock of
/// the day (settimeofday(2), `ADJ_SETOFFSET` of adjtimex(2), a leap second).
#[derive(Debug, Clone, Copy)]
pub struct ClockWatch {
    /// Realtime less monotonic, in nanoseconds.
    offset: i64,
    spread: u64,
}

impl ClockWatch {
    /// Starts with a reading; the smaller its spread, the better.
    pub fn new(reading: Reading) -> ClockWatch {
        ClockWatch {
            offset: offset(reading),
            spread: reading.spread,
        }
    }

    /// Compares the clocks again; gives the step in nanoseconds if the wall clock was set since.
    pub fn observe(&mut self, reading: Reading) -> Option<i64> {
        let offset = offset(reading);
        let step = offset.wrapping_sub(self.offset);
        let allowed = self
            .spread
            .saturating_add(reading.spread)
            .saturating_add(SLACK);
        if step.unsigned_abs() <= allowed {
            return None;
        }
        *self = ClockWatch::new(reading);
        Some(step)
    }

    /// When a timestamp was made, on the monotonic clock.
    pub fn monotonic(&self, stamp: Realtime) -> Monotonic {
        Monotonic(stamp.0.wrapping_add_signed(self.offset.wrapping_neg()))
    }

    /// What the wall clock says at a time.
    pub fn realtime(&self, time: Monotonic) -> Realtime {
        Realtime(time.0.wrapping_add_signed(self.offset))
    }
}

/// Both fit into 63 bits until the year 2262.
#[allow(clippy::cast_possible_wrap)]
fn offset(reading: Reading) -> i64 {
    reading.realtime.0.wrapping_sub(reading.monotonic.0) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 1_800_000_000_000_000_000;

    fn reading(monotonic: u64, realtime: u64, spread: u64) -> Reading {
        Reading {
            monotonic: Monotonic(monotonic),
            realtime: Realtime(realtime),
            spread,
        }
    }

    #[test]
    fn a_stamp_becomes_a_monotonic_time_and_back() {
        let watch = ClockWatch::new(reading(5_000, DAY, 40));
        assert_eq!(watch.monotonic(Realtime(DAY + 10)), Monotonic(5_010));
        assert_eq!(watch.realtime(Monotonic(5_010)), Realtime(DAY + 10));
    }

    #[test]
    fn an_inexact_reading_is_no_step_and_changes_nothing() {
        let mut watch = ClockWatch::new(reading(5_000, DAY, 40));
        // The program was interrupted between the two clocks.
        let late = reading(1_000_000, DAY + 995_000 + 90_000, 100_000);
        assert_eq!(watch.observe(late), None);
        assert_eq!(watch.monotonic(Realtime(DAY)), Monotonic(5_000));
    }

    #[test]
    fn a_step_in_either_direction_is_noticed_once() {
        let mut watch = ClockWatch::new(reading(5_000, DAY, 40));
        let forward = reading(6_000, DAY + 1_000 + 3_600_000_000_000, 40);
        assert_eq!(watch.observe(forward), Some(3_600_000_000_000));
        assert_eq!(watch.observe(forward), None);
        let back = reading(7_000, DAY + 2_000, 40);
        assert_eq!(watch.observe(back), Some(-3_600_000_000_000));
        assert_eq!(watch.monotonic(Realtime(DAY + 2_000)), Monotonic(7_000));
    }
}
