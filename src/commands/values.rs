//! Durations, sizes and rates as typed by the user.

use std::num::NonZeroUsize;
use std::time::Duration;

/// `30`, `30s`, `500ms`, `2m`, `1h`; a number alone is seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let split = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ if number.is_empty() => return Err("not a duration: try 30, 500ms or 2m".to_owned()),
        _ => return Err(format!("'{unit}' is not a unit of time: use ms, s, m or h")),
    };
    let number: f64 = number
        .parse()
        .map_err(|_| "not a duration: try 30, 500ms or 2m".to_owned())?;
    Duration::try_from_secs_f64(number * seconds)
        .ok()
        // Longer than a century is a slip of the finger, and would overflow a clock.
        .filter(|duration| duration.as_secs() < 100 * 366 * 86_400)
        .ok_or_else(|| "a duration must be positive, and not absurd".to_owned())
}

/// A duration that must not be zero.
pub fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("must be more than 0".to_owned()),
        duration => Ok(duration),
    }
}

/// `65536`, `64K`, `64KiB`, `1M`: bytes, in powers of 1024.
pub fn size(text: &str) -> Result<usize, String> {
    let split = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        _ => return Err(format!("'{unit}' is not a unit of size: use K, M or G")),
    };
    let number: usize = number
        .parse()
        .map_err(|_| "not a size: try 65536, 64K or 1M".to_owned())?;
    number
        .checked_mul(1 << shift)
        .ok_or_else(|| "too large".to_owned())
}

/// `5`, `5,200ms`: a number of bytes, and a pause.
pub fn split(text: &str) -> Result<(NonZeroUsize, Duration), String> {
    let (bytes, pause) = text.split_once(',').unwrap_or((text, "100ms"));
    let bytes = NonZeroUsize::new(size(bytes)?).ok_or("pieces of at least 1 byte are needed")?;
    Ok((bytes, duration(pause)?))
}

/// A size of a socket's buffer: from 1 byte to what an int holds, which is what setsockopt(2) takes.
pub fn buffer(text: &str) -> Result<usize, String> {
    match size(text)? {
        size if (1..=i32::MAX as usize).contains(&size) => Ok(size),
        _ => Err("must be from 1 byte to less than 2G".to_owned()),
    }
}

/// A rate: a positive number a second.
pub fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && (1e-6..=1e9).contains(&rate) => Ok(rate),
        _ => Err("a rate is a number per second, from 0.000001 to 1000000000".to_owned()),
    }
}

/// The idle time before the first keep-alive probe: the kernel counts whole seconds, up to 32767
/// (`MAX_TCP_KEEPIDLE`).
pub fn keepalive(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        idle if (1..=32_767).contains(&idle.as_secs()) && idle.subsec_nanos() == 0 => Ok(idle),
        _ => Err("must be whole seconds, from 1s to 32767s (9h 6min)".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_and_default_to_seconds() {
        assert_eq!(duration("30"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("2m"), Ok(Duration::from_mins(2)));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        for wrong in ["", "s", "-1", "1d", "nan", "inf", "1e30", "5 s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert!(positive_duration("0").is_err());
    }

    #[test]
    fn sizes_have_binary_units() {
        assert_eq!(size("65536"), Ok(65536));
        assert_eq!(size("64K"), Ok(65536));
        assert_eq!(size("16MiB"), Ok(16 << 20));
        for wrong in [
            "",
            "K",
            "-1",
            "1x",
            "99999999999999999999",
            "18446744073709551615K",
        ] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_split_has_a_size_and_perhaps_a_pause() {
        let of = |text| split(text).map(|(size, pause)| (size.get(), pause.as_millis()));
        assert_eq!(of("5"), Ok((5, 100)));
        assert_eq!(of("1K,0"), Ok((1024, 0)));
        assert_eq!(of("3,2s"), Ok((3, 2000)));
        for wrong in ["0", "x", "5,", "5,x", ",1s"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_buffer_is_what_the_kernel_takes() {
        assert_eq!(buffer("1"), Ok(1));
        assert_eq!(buffer("2147483647"), Ok(0x7fff_ffff));
        for wrong in ["0", "2G", "4G", "x"] {
            assert!(buffer(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_rate_is_positive() {
        assert_eq!(rate("0.5"), Ok(0.5));
        for wrong in ["0", "-1", "nan", "inf", "x", "1e300"] {
            let told = rate(wrong).unwrap_err();
            assert!(
                told.contains("from 0.000001 to 1000000000"),
                "{wrong}: {told}"
            );
        }
    }

    #[test]
    fn a_keepalive_time_is_one_that_the_kernel_takes() {
        assert_eq!(keepalive("1"), Ok(Duration::from_secs(1)));
        assert_eq!(keepalive("9h"), Ok(Duration::from_hours(9)));
        assert_eq!(keepalive("32767s"), Ok(Duration::from_secs(32_767)));
        for wrong in ["0", "500ms", "1.5s", "32768s", "40000s", "x"] {
            assert!(keepalive(wrong).is_err(), "{wrong}");
        }
    }
}
