//! Civil dates, and the time of day.

use crate::ping::clock::Realtime;

/// Seconds of a day.
pub const SECONDS: i64 = 86_400;

/// The date of a day, counted from 1970-01-01, in the Gregorian calendar: `2026-01-31`.
pub fn of_day(day: i64) -> String {
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

/// The date and the time of day in UTC of a time since 1970, in seconds: `2026-01-31` and `14:03:59`.
pub fn utc(seconds: i64) -> (String, String) {
    let second = seconds.rem_euclid(SECONDS);
    let time = format!(
        "{:02}:{:02}:{:02}",
        second / 3600,
        second / 60 % 60,
        second % 60
    );
    (of_day(seconds.div_euclid(SECONDS)), time)
}

/// The time of day in UTC, to the millisecond: `14:03:59.120Z`.
pub fn time_of_day(at: Realtime) -> String {
    let millis = at.0 / 1_000_000 % (SECONDS.unsigned_abs() * 1000);
    let (seconds, millis) = (millis / 1000, millis % 1000);
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{millis:03}Z", seconds % 60)
}

/// A time since 1970 for the name of a file: `20260131T140359Z`.
pub fn compact(at: std::time::Duration) -> String {
    let day = i64::try_from(at.as_secs()).unwrap_or(0) / SECONDS;
    let (date, time) = (of_day(day), time_of_day(Realtime(nanos(at))));
    let time = time.split('.').next().unwrap_or_default();
    format!("{}T{}Z", date.replace('-', ""), time.replace(':', ""))
}

/// A time since 1970 for people: `2026-01-31 14:03:59Z`.
pub fn and_time(at: std::time::Duration) -> String {
    let day = i64::try_from(at.as_secs()).unwrap_or(0) / SECONDS;
    let time = time_of_day(Realtime(nanos(at)));
    format!(
        "{} {}Z",
        of_day(day),
        time.split('.').next().unwrap_or_default()
    )
}

fn nanos(at: std::time::Duration) -> u64 {
    u64::try_from(at.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_has_milliseconds() {
        let at = Realtime((86_400 * 3 + 14 * 3600 + 3 * 60 + 59) * 1_000_000_000 + 120_999_999);
        assert_eq!(time_of_day(at), "14:03:59.120Z");
        assert_eq!(time_of_day(Realtime(0)), "00:00:00.000Z");
    }

    #[test]
    fn a_time_has_a_form_for_people_and_one_for_files() {
        let at = std::time::Duration::from_millis(1_769_868_239_120);
        assert_eq!(and_time(at), "2026-01-31 14:03:59Z");
        assert_eq!(compact(at), "20260131T140359Z");
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
            assert_eq!(of_day(day), date);
        }
        let _ = of_day(i64::MAX / SECONDS);
        let _ = of_day(i64::MIN / SECONDS);
    }
}
