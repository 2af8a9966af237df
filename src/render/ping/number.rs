//! Times and percentages as the peers print them.

use std::time::Duration;

/// Milliseconds with three decimals, as in the statistics of ping.
pub fn millis(time: Duration) -> String {
    let micros = micros(time);
    format!("{}.{:03}", micros / 1000, micros % 1000)
}

/// Milliseconds as after `time=`: three decimals below 1 ms, two below 10, one below 100, otherwise none
/// (`gather_statistics` of iputils).
pub fn short_millis(time: Duration) -> String {
    let micros = micros(time);
    match micros {
        99_950.. => format!("{}", (micros + 500) / 1000),
        9_995.. => format!("{}.{}", (micros + 50) / 1000, (micros + 50) % 1000 / 100),
        1_000.. => format!("{}.{:02}", (micros + 5) / 1000, (micros + 5) % 1000 / 10),
        _ => format!("0.{micros:03}"),
    }
}

/// To the nearest microsecond.
fn micros(time: Duration) -> u128 {
    (time.as_nanos() + 500) / 1000
}

/// A number as `%g` of printf(3) prints it: six digits, without zeroes at the end. For percentages:
/// from 0 to 100, and not below 0.0001, where `%g` would take an exponent.
pub fn general(number: f64) -> String {
    // Six digits in all; below 1 the zeroes after the point are none.
    let decimals = match number {
        100.0.. => 3,
        10.0.. => 4,
        1.0.. => 5,
        0.1.. => 6,
        0.01.. => 7,
        0.001.. => 8,
        _ => 9,
    };
    let text = format!("{number:.decimals$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digits_of_a_time_are_those_of_iputils() {
        let shown = |ns| short_millis(Duration::from_nanos(ns));
        assert_eq!(shown(208_000), "0.208");
        assert_eq!(shown(2_800), "0.003");
        assert_eq!(shown(1_234_000), "1.23");
        assert_eq!(shown(12_345_000), "12.3");
        assert_eq!(shown(123_456_000), "123");
        assert_eq!(shown(9_996_000), "10.0");
        assert_eq!(shown(99_960_000), "100");
        assert_eq!(shown(999_600), "1.00");
        assert_eq!(millis(Duration::from_nanos(1_500_383_400)), "1500.383");
    }

    #[test]
    fn a_percentage_has_six_digits_and_no_zeroes_at_its_end() {
        for (number, text) in [
            (0.0, "0"),
            (100.0, "100"),
            (33.333_333_3, "33.3333"),
            (66.666_666_7, "66.6667"),
            (5.0, "5"),
            (0.1, "0.1"),
            (0.123_456_78, "0.123457"),
            (0.012_345_678, "0.0123457"),
            (99.999_96, "100"),
            (12.5, "12.5"),
        ] {
            assert_eq!(general(number), text, "{number}");
        }
    }
}
