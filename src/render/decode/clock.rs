//! The time column: since the first frame, since the one before, of day, or since 1970.

use super::buffer::Buffer;
use crate::capfile::{Interface, Timestamp};
use crate::render::date;

/// Which time a line shows.
#[derive(Debug, Clone, Copy, Default)]
pub enum TimeFormat {
    /// Seconds since the first frame.
    #[default]
    Relative,
    /// Date and time of day, in UTC.
    Absolute,
    /// The same in local time: the function has the seconds by which that is ahead of UTC.
    Local(fn(i64) -> i32),
    /// Seconds since the frame before.
    Delta,
    /// Seconds since 1970-01-01 00:00 UTC.
    Epoch,
}

/// Writes the time column, frame after frame.
#[derive(Debug, Default)]
pub struct TimeColumn {
    format: TimeFormat,
    /// Nine digits after the point instead of six.
    nanoseconds: bool,
    first: Option<Timestamp>,
    previous: Option<Timestamp>,
    /// The day that was written last, and how: days follow each other slowly.
    day: Option<(i64, String)>,
    /// The quarter of an hour, since 1970, that local time was asked for last, and how far it is ahead of UTC.
    ahead: Option<(i64, i32)>,
}

const NANOS: u32 = 1_000_000_000;

impl TimeColumn {
    /// Before the first frame.
    pub fn new(format: TimeFormat) -> TimeColumn {
        TimeColumn {
            format,
            ..TimeColumn::default()
        }
    }

    /// The next times are from this interface, and as fine as it measures them.
    pub fn interface(&mut self, interface: &Interface) {
        self.nanoseconds = interface.resolution.is_finer_than_microseconds();
    }

    /// The first time of the capture, whether the line of its frame is written or not.
    pub fn start(&mut self, time: Timestamp) {
        self.first = Some(time);
    }

    /// Writes a time that is known to the nanosecond, whatever the frames are.
    pub fn write_fine(&mut self, out: &mut Buffer, time: Timestamp) {
        let nanoseconds = std::mem::replace(&mut self.nanoseconds, true);
        self.write(out, time);
        self.nanoseconds = nanoseconds;
    }

    /// Columns that a time takes, as long as it is not longer than usual.
    fn width(&self) -> usize {
        let more = if self.nanoseconds { 3 } else { 0 };
        match self.format {
            TimeFormat::Relative | TimeFormat::Delta => 10,
            TimeFormat::Epoch => 17 + more,
            TimeFormat::Absolute | TimeFormat::Local(_) => 26 + more,
        }
    }

    /// Writes the time of a frame, or blanks if it has none.
    #[inline]
    pub fn write(&mut self, out: &mut Buffer, time: impl Into<Option<Timestamp>>) {
        let Some(time) = time.into() else {
            return out.blanks(self.width());
        };
        match self.format {
            TimeFormat::Relative => self.since(out, time, self.first.unwrap_or(time)),
            TimeFormat::Delta => {
                let previous = self.previous.unwrap_or(time);
                self.since(out, time, previous);
                self.previous = Some(time);
            }
            TimeFormat::Epoch => self.since(out, time, Timestamp::default()),
            TimeFormat::Absolute => self.date(out, time),
            TimeFormat::Local(ahead) => {
                // Clocks change at a quarter of an hour; asking takes longer than writing.
                let quarter = time.seconds.div_euclid(900);
                let (_, ahead) = match self.ahead {
                    Some(known) if known.0 == quarter => known,
                    _ => *self.ahead.insert((quarter, ahead(time.seconds))),
                };
                let seconds = time.seconds.saturating_add(i64::from(ahead));
                self.date(out, Timestamp { seconds, ..time });
            }
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
        let day = time.seconds.div_euclid(date::SECONDS);
        let second = time.seconds.rem_euclid(date::SECONDS).unsigned_abs();
        if self.day.as_ref().is_none_or(|(known, _)| *known != day) {
            self.day = Some((day, date::of_day(day)));
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
        let mut clock = TimeColumn::new(format);
        clock.nanoseconds = nanoseconds;
        clock.start(times[0]);
        let mut write = |time: &Timestamp| {
            let mut out = Buffer::default();
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
        // Summer time ends at 01:00 UTC.
        let ahead = |seconds| if seconds < 1_729_990_800 { 7200 } else { 3600 };
        assert_eq!(
            written(
                TimeFormat::Local(ahead),
                false,
                &[at(1_729_990_799, 0), at(1_729_990_800, 0)]
            ),
            ["2024-10-27 02:59:59.000000", "2024-10-27 02:00:00.000000"]
        );
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
