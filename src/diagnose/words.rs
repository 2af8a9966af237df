//! Figures as people say them, for the texts of findings.

/// An age: `0.4 s`, `13 s`, `4 min`, `2 h`, `3 days`. Rounded down: a finding never exaggerates.
pub fn age(milliseconds: u32) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        0 => format!("0.{} s", milliseconds / 100),
        1..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A time, rounded down: `12 ms`, `1.4 s`, `93.0 s`.
pub fn duration(milliseconds: u64) -> String {
    match milliseconds {
        0..1000 => format!("{milliseconds} ms"),
        _ => format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100),
    }
}

/// A number of bytes: `1 byte`, `4352 bytes`, `85 KiB`, `6.0 MiB`.
pub fn bytes(count: u32) -> String {
    match count {
        1 => "1 byte".to_owned(),
        0..10_000 => format!("{count} bytes"),
        10_000..1_048_576 => format!("{} KiB", count / 1024),
        _ => format!("{:.1} MiB", f64::from(count) / 1_048_576.0),
    }
}

/// A count of things: `1 probe`, `2 probes`, `2 processes`.
pub fn count(number: impl Into<u64>, thing: &str) -> String {
    let number = number.into();
    format!("{number} {}", noun(number, thing))
}

/// A thing, or things: `connection`, `connections`, `processes`.
pub fn noun(number: u64, thing: &str) -> String {
    let ending = match number {
        1 => "",
        _ if thing.ends_with('s') => "es",
        _ => "s",
    };
    format!("{thing}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_one_unit_and_are_rounded_down() {
        for (ms, text) in [
            (0, "0.0 s"),
            (450, "0.4 s"),
            (13_999, "13 s"),
            (119_999, "119 s"),
            (200_000, "3 min"),
            (7_200_000, "2 h"),
            (u32::MAX, "49 days"),
        ] {
            assert_eq!(age(ms), text);
        }
    }

    #[test]
    fn bytes_have_the_unit_that_reads_best() {
        assert_eq!(bytes(0), "0 bytes");
        assert_eq!(bytes(1), "1 byte");
        assert_eq!(bytes(65_483), "63 KiB");
        assert_eq!(bytes(6_291_456), "6.0 MiB");
    }
}
