//! Timestamps, and what they are counted in.

/// A moment: seconds since 1970-01-01 00:00 UTC, and nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp {
    /// Whole seconds; below 0 before 1970.
    pub seconds: i64,
    /// What is beyond them: 0 to 999,999,999.
    pub nanoseconds: u32,
}

pub(super) const NANOS: u32 = 1_000_000_000;

impl Timestamp {
    /// Seconds and a part of a second in nanoseconds, which may be a second and more: files say such
    /// things, and the whole seconds are carried over.
    #[inline]
    pub fn new(seconds: i64, nanoseconds: u64) -> Timestamp {
        let nanos = u64::from(NANOS);
        if nanoseconds < nanos {
            #[allow(clippy::cast_possible_truncation)] // below 10^9
            let nanoseconds = nanoseconds as u32;
            return Timestamp {
                seconds,
                nanoseconds,
            };
        }
        #[allow(clippy::cast_possible_truncation)] // below 10^9
        let rest = (nanoseconds % nanos) as u32;
        let carried = i64::try_from(nanoseconds / nanos).unwrap_or(i64::MAX);
        Timestamp {
            seconds: seconds.saturating_add(carried),
            nanoseconds: rest,
        }
    }

    /// Nanoseconds since an earlier moment, below 0 if that is later; at most what 64 bits hold, about 292
    /// years.
    #[inline]
    pub fn nanos_since(self, earlier: Timestamp) -> i64 {
        let seconds = self.seconds.saturating_sub(earlier.seconds);
        let nanos = i64::from(self.nanoseconds) - i64::from(earlier.nanoseconds);
        seconds
            .saturating_mul(i64::from(NANOS))
            .saturating_add(nanos)
    }

    /// Nanoseconds since 1970, and below 0 before.
    pub fn as_nanos(self) -> i128 {
        i128::from(self.seconds) * i128::from(NANOS) + i128::from(self.nanoseconds)
    }
}

/// The unit of timestamps: a second divided by a power of 10 or of 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// `10^-n` seconds.
    Decimal(u8),
    /// `2^-n` seconds.
    Binary(u8),
}

impl Resolution {
    /// Microseconds: what both formats mean when they say nothing.
    pub const MICROSECONDS: Resolution = Resolution::Decimal(6);
    /// Nanoseconds.
    pub const NANOSECONDS: Resolution = Resolution::Decimal(9);

    /// Whether times less than a microsecond apart are distinguished.
    pub fn is_finer_than_microseconds(self) -> bool {
        match self {
            Resolution::Decimal(exponent) => exponent > 6,
            // 2^20 is the first power of 2 above a million.
            Resolution::Binary(exponent) => exponent > 20,
        }
    }

    /// The value of the option `if_tsresol`: the uppermost bit distinguishes powers of 2 from powers of 10.
    pub fn of_option(byte: u8) -> Resolution {
        match byte & 0x80 {
            0 => Resolution::Decimal(byte),
            _ => Resolution::Binary(byte & 0x7f),
        }
    }

    /// The value that the option `if_tsresol` has for it.
    pub fn to_option(self) -> u8 {
        match self {
            Resolution::Decimal(exponent) => exponent & 0x7f,
            Resolution::Binary(exponent) => exponent | 0x80,
        }
    }

    /// How many units a second has; `None` if the number does not fit.
    fn units(self) -> Option<u128> {
        match self {
            Resolution::Decimal(exponent) => 10_u128.checked_pow(u32::from(exponent)),
            Resolution::Binary(exponent) => 1_u128.checked_shl(u32::from(exponent)),
        }
    }

    /// The moment after this many units, and `offset` seconds. What is finer than nanoseconds is cut off;
    /// seconds that have no room in 64 bits are taken for the last that have.
    #[inline]
    pub(super) fn moment(self, ticks: u64, offset: i64) -> Timestamp {
        match self {
            Resolution::MICROSECONDS => {
                let rest = ticks % 1_000_000 * 1_000;
                Self::whole(ticks / 1_000_000, rest, offset)
            }
            Resolution::NANOSECONDS => {
                Self::whole(ticks / u64::from(NANOS), ticks % u64::from(NANOS), offset)
            }
            other => other.moment_of_any(ticks, offset),
        }
    }

    fn moment_of_any(self, ticks: u64, offset: i64) -> Timestamp {
        let Some(units) = self.units() else {
            // A unit so small that 64 bits of it are less than a nanosecond.
            return Self::whole(0, 0, offset);
        };
        let ticks = u128::from(ticks);
        let (seconds, rest) = (ticks / units, ticks % units);
        // `rest` has 64 bits at most, as `ticks` has.
        let nanos = rest * u128::from(NANOS) / units;
        let narrow = |number: u128| u64::try_from(number).unwrap_or(u64::MAX);
        Self::whole(narrow(seconds), narrow(nanos), offset)
    }

    #[inline]
    fn whole(seconds: u64, nanos: u64, offset: i64) -> Timestamp {
        Timestamp::new(offset.saturating_add_unsigned(seconds), nanos)
    }

    /// How many units, without `offset` seconds, come to this moment; `None` when it is not to be said.
    pub fn ticks(self, time: Timestamp, offset: i64) -> Option<u64> {
        let units = self.units()?;
        let seconds = u128::try_from(i128::from(time.seconds) - i128::from(offset)).ok()?;
        let rest = u128::from(time.nanoseconds).checked_mul(units)? / u128::from(NANOS);
        u64::try_from(seconds.checked_mul(units)?.checked_add(rest)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64, nanoseconds: u32) -> Timestamp {
        Timestamp {
            seconds,
            nanoseconds,
        }
    }

    #[test]
    fn units_of_powers_of_ten_and_of_two_are_divided_into_seconds() {
        for (resolution, ticks, moment) in [
            (Resolution::Decimal(0), 7, at(7, 0)),
            (Resolution::Decimal(3), 1_234, at(1, 234_000_000)),
            (Resolution::Decimal(6), 1_000_001, at(1, 1_000)),
            (Resolution::Decimal(9), 5_000_000_007, at(5, 7)),
            (
                Resolution::Decimal(12),
                1_500_000_000_999,
                at(1, 500_000_000),
            ),
            (Resolution::Decimal(19), u64::MAX, at(1, 844_674_407)),
            (Resolution::Decimal(38), u64::MAX, at(0, 0)),
            (Resolution::Decimal(127), u64::MAX, at(0, 0)),
            (Resolution::Binary(0), 9, at(9, 0)),
            (Resolution::Binary(10), 1_536, at(1, 500_000_000)),
            (Resolution::Binary(32), 3 << 31, at(1, 500_000_000)),
            (Resolution::Binary(63), u64::MAX, at(1, 999_999_999)),
            (Resolution::Binary(64), u64::MAX, at(0, 999_999_999)),
            (Resolution::Binary(127), u64::MAX, at(0, 0)),
        ] {
            assert_eq!(resolution.moment(ticks, 0), moment, "{resolution:?}");
        }
    }

    #[test]
    fn an_offset_moves_the_moment_and_never_out_of_its_room() {
        let micro = Resolution::MICROSECONDS;
        assert_eq!(micro.moment(1_500_000, -2), at(-1, 500_000_000));
        assert_eq!(
            micro.moment(1_500_000, 1_700_000_000).seconds,
            1_700_000_001
        );
        let last = Resolution::Decimal(0).moment(u64::MAX, i64::MAX);
        assert_eq!(last, at(i64::MAX, 0));
        assert_eq!(Resolution::Decimal(0).moment(0, i64::MIN), at(i64::MIN, 0));
    }

    #[test]
    fn a_part_of_a_second_that_is_more_than_one_is_carried() {
        assert_eq!(Timestamp::new(10, 4_000_000_000_000), at(4_010, 0));
        assert_eq!(Timestamp::new(0, 1_000_000_000), at(1, 0));
        assert_eq!(Timestamp::new(0, 999_999_999), at(0, 999_999_999));
        assert_eq!(Timestamp::new(i64::MAX, u64::MAX).seconds, i64::MAX);
    }

    #[test]
    fn what_the_option_says_is_what_it_is_written_as() {
        for byte in 0..=255 {
            assert_eq!(Resolution::of_option(byte).to_option(), byte);
        }
        assert_eq!(Resolution::of_option(0x8a), Resolution::Binary(10));
    }

    #[test]
    fn a_moment_goes_to_units_and_back() {
        for resolution in [6, 9].map(Resolution::Decimal) {
            let moment = at(1_700_000_000, 123_456_000);
            let ticks = resolution.ticks(moment, 5).unwrap();
            assert_eq!(resolution.moment(ticks, 5), moment);
        }
        assert_eq!(Resolution::NANOSECONDS.ticks(at(-1, 0), 0), None);
        assert_eq!(Resolution::NANOSECONDS.ticks(at(1 << 35, 0), 0), None);
        assert_eq!(Resolution::Decimal(60).ticks(at(1, 0), 0), None);
    }
}
