//! Both clocks of the kernel, read together.

use nix::time::{ClockId, clock_gettime};

use crate::ping::clock::{Monotonic, Reading, Realtime};

/// Readings of which the best is taken in [`carefully`].
const TRIES: usize = 8;

/// The monotonic clock.
pub fn monotonic() -> Monotonic {
    Monotonic(nanos(ClockId::CLOCK_MONOTONIC))
}

/// The wall clock.
pub fn realtime() -> Realtime {
    Realtime(nanos(ClockId::CLOCK_REALTIME))
}

/// The time that processors have spent on this process, its system calls included.
pub fn processor() -> std::time::Duration {
    std::time::Duration::from_nanos(nanos(ClockId::CLOCK_PROCESS_CPUTIME_ID))
}

/// Both clocks, the wall clock between two readings of the other.
pub fn both() -> Reading {
    let before = nanos(ClockId::CLOCK_MONOTONIC);
    let realtime = nanos(ClockId::CLOCK_REALTIME);
    let spread = nanos(ClockId::CLOCK_MONOTONIC).saturating_sub(before);
    Reading {
        monotonic: Monotonic(before + spread / 2),
        realtime: Realtime(realtime),
        spread,
    }
}

/// The most exact of several readings: the program may be interrupted in the middle of one.
pub fn carefully() -> Reading {
    let mut best = both();
    for _ in 1..TRIES {
        let reading = both();
        if reading.spread < best.spread {
            best = reading;
        }
    }
    best
}

/// The seconds by which local time is ahead of UTC now; 0 if unknown.
pub fn local_offset() -> i32 {
    let now = i64::try_from(nanos(ClockId::CLOCK_REALTIME) / 1_000_000_000);
    local_offset_at(now.unwrap_or(0))
}

/// The seconds by which local time is ahead of UTC at this time since 1970 (`localtime_r(3)`); 0 if unknown.
pub fn local_offset_at(seconds: i64) -> i32 {
    #[allow(
        clippy::useless_conversion,
        reason = "time_t has 32 bits on some architectures"
    )]
    let time = seconds.try_into().unwrap_or(0);
    // SAFETY: tm is plain data for which all zeroes is a valid value; both live through the call.
    let offset = unsafe {
        let mut local: libc::tm = std::mem::zeroed();
        libc::localtime_r(&raw const time, &raw mut local);
        local.tm_gmtoff
    };
    i32::try_from(offset).unwrap_or(0)
}

/// Whether a time service keeps the wall clock right (adjtimex(2)); `None` if the kernel does not say.
pub fn is_synchronised() -> Option<bool> {
    // SAFETY: timex is plain data for which all zeroes is a valid value, and asks only to read; it lives
    // through the call.
    let (state, status) = unsafe {
        let mut clock: libc::timex = std::mem::zeroed();
        (libc::adjtimex(&raw mut clock), clock.status)
    };
    (state >= 0).then_some(state != libc::TIME_ERROR && status & libc::STA_UNSYNC == 0)
}

/// Neither clock can fail, nor be before 1970 on a machine with a network.
fn nanos(clock: ClockId) -> u64 {
    let time = clock_gettime(clock).map_or(0, |time| {
        i128::from(time.tv_sec()) * 1_000_000_000 + i128::from(time.tv_nsec())
    });
    u64::try_from(time).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clocks_go_on() {
        let (before, reading, after) = (monotonic(), carefully(), monotonic());
        assert!(before <= reading.monotonic && reading.monotonic <= after);
        assert!(reading.realtime > Realtime(1_700_000_000_000_000_000));
    }
}
