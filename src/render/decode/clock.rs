//! The time column: since the first frame, since the one before, of day, or since 1970.

use super::buffer::Buffer;
use crate::capfile::Timestamp;

/// Which time a line shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimeFormat {
    /// Seconds since the first frame.
    #[default]
    Relative,
    /// Date and time of day, in UTC.
    Absolute,
    /// Seconds since the frame before.
    Delta,
    /// Seconds since 1970-01-01 00:00 UTC.
    Epoch,
}

/// Writes the times of frames, one after the other.
#[derive(Debug, Default)]
pub struct Clock {
    format: TimeFormat,
    /// Nine digits behind the point instead of six.
    nanoseconds: bool,
    first: Option<Timestamp>,
    previous: Option<Timestamp>,
    /// The day that was written last, and how: days follow each other slowly.
    day: Option<(i64, String)>,
}

const NANOS: u32 = 1_000_000_000;
const SECONDS_A_DAY: i64 = 86_400;

impl Clock {
    /// A clock before the first frame.
    pub fn new(format: TimeFormat) -> Clock {
        Clock {
            format,
            ..Clock::default()
        }
    }

    /// Whether frames are timed to the nanosecond.
    pub fn set_nanoseconds(&mut self, nanoseconds: bool) {
        self.nanoseconds = nanoseconds;
    }

    /// Sees a frame, whether its line is written or not.
    #[inline]
    pub fn see(&mut self, time: Timestamp) {
        self.first.get_or_insert(time);
    }

    /// Writes the time of a frame.
    #[inline]
    pub fn write(&mut self, out: &mut Buffer, time: Timestamp) {
        match self.format {
            TimeFormat::Relative => self.since(out, time, self.first.unwrap_or(time)),
            TimeFormat::Delta => {
                let previous = self.previous.unwrap_or(time);
                self.since(out, time, previous);
                self.previous = Some(time);
            }
            TimeFormat::Epoch => self.since(out, time, Timestamp::default()),
            TimeFormat::Absolute => self.date(out, time),
        }
    }

    #[inline]
    fn since(&self, out: &mut Buffer, time: Timestamp, start: Timestamp) {
        let (is_negative, seconds, nanos) = difference(time, start);
        // tshark's column: 10 wide with the point and the fraction.
        let (fraction, digits) = if self.nanoseconds {
            (nanos, 9)
        } else {
            (nanos / 1000, 6)
        };
        let width = 9 - digits;
        if is_negative {
            let text = format!("-{seconds}");
            out.text_right(&text, width);
        } else {
            out.right(seconds, width);
        }
        out.byte(b'.');
        out.zeros(u64::from(fraction), digits);
    }

    fn date(&mut self, out: &mut Buffer, time: Timestamp) {
        let day = time.seconds.div_euclid(SECONDS_A_DAY);
        let second = time.seconds.rem_euclid(SECONDS_A_DAY).unsigned_abs();
        if self.day.as_ref().is_none_or(|(known, _)| *known != day) {
            self.day = Some((day, date_of(day)));
        }
        if let Some((_, date)) = &self.day {
            out.text(date);
        }
        for (mark, part) in [
            (b' ', second / 3600),
            (b':', second / 60 % 60),
            (b':', second % 60),
        ] {
            out.byte(mark);
            out.zeros(part, 2);
        }
        out.byte(b'.');
        if self.nanoseconds {
            out.zeros(u64::from(time.nanoseconds), 9);
        } else {
            out.zeros(u64::from(time.nanoseconds / 1000), 6);
        }
    }
}

/// Whether the first is before the second, and the seconds and nanoseconds between them.
#[inline]
fn difference(time: Timestamp, start: Timestamp) -> (bool, u64, u32) {
    let is_negative = time < start;
    let (late, early) = if is_negative {
        (start, time)
    } else {
        (time, start)
    };
    let mut seconds = late.seconds.abs_diff(early.seconds);
    let mut nanos = late.nanoseconds.wrapping_sub(early.nanoseconds);
    if late.nanoseconds < early.nanoseconds {
        seconds -= 1;
        nanos = nanos.wrapping_add(NANOS);
    }
    (is_negative, seconds, nanos)
}

/// The date of a day since 1970-01-01 in the Gregorian calendar.
fn date_of(day: i64) -> String {
    // Days are counted from 0000-03-01, so that the leap day is the last of its year; 400 years have
    // 146,097 days.
    let days = i128::from(day) + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year_of_era + era * 400 + i128::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
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

    fn written(format: TimeFormat, nanoseconds: bool, times: &[Timestamp]) -> Vec<String> {
        let mut clock = Clock::new(format);
        clock.set_nanoseconds(nanoseconds);
        let mut write = |time: &Timestamp| {
            let mut out = Buffer::default();
            clock.see(*time);
            clock.write(&mut out, *time);
            String::from_utf8(out.as_bytes().to_vec()).unwrap()
        };
        times.iter().map(&mut write).collect()
    }

    #[test]
    fn each_format_says_what_it_should() {
        let times = [
            at(1_700_000_000, 999_999_000),
            at(1_700_000_001, 1_500),
            at(1_700_000_000, 0),
        ];
        assert_eq!(
            written(TimeFormat::Relative, false, &times),
            ["  0.000000", "  0.000002", " -0.999999"]
        );
        assert_eq!(
            written(TimeFormat::Delta, false, &times),
            ["  0.000000", "  0.000002", " -1.000001"]
        );
        assert_eq!(
            written(TimeFormat::Epoch, true, &times[..1]),
            ["1700000000.999999000"]
        );
        assert_eq!(
            written(TimeFormat::Absolute, false, &times[..1]),
            ["2023-11-14 22:13:20.999999"]
        );
    }

    #[test]
    fn dates_are_right_at_the_edges_of_the_calendar() {
        for (day, date) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (47_540, "2100-02-28"),
            (47_541, "2100-03-01"),
            (49_709, "2106-02-06"),
        ] {
            assert_eq!(date_of(day), date);
        }
        let _ = date_of(i64::MAX / SECONDS_A_DAY);
        let _ = date_of(i64::MIN / SECONDS_A_DAY);
    }

    #[test]
    fn no_two_moments_are_too_far_apart() {
        let far = [at(i64::MIN, 0), at(i64::MAX, 999_999_999)];
        assert_eq!(
            written(TimeFormat::Relative, false, &far)[1],
            "18446744073709551615.999999"
        );
    }
}
