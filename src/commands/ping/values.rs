//! What the flags of `sockdoc ping` take: patterns, numbers in hexadecimal, percentiles.

use crate::ping::payload::LONGEST_PATTERN;

/// Bytes of a pattern, as one value.
#[derive(Debug, Clone)]
pub(super) struct Pattern(pub Vec<u8>);

pub(super) fn pattern(text: &str) -> Result<Pattern, String> {
    let is_hex = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hex {
        return Err("patterns are hexadecimal digits, such as ff00".to_owned());
    }
    // As with iputils an odd digit at the end is a byte of its own.
    let bytes: Result<Vec<u8>, _> = text
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(&String::from_utf8_lossy(pair), 16))
        .collect();
    match bytes {
        Ok(bytes) if bytes.len() <= LONGEST_PATTERN => Ok(Pattern(bytes)),
        _ => Err(format!("a pattern has at most {LONGEST_PATTERN} bytes")),
    }
}

/// What follows `--until-down`: how many losses, or the first target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum UntilDown {
    /// This many in a row.
    Losses(u64),
    /// The flag has no number, and this word is a target.
    Target(String),
}

impl From<&str> for UntilDown {
    fn from(text: &str) -> UntilDown {
        match text.parse() {
            Ok(most @ 1..) => UntilDown::Losses(most),
            _ => UntilDown::Target(text.to_owned()),
        }
    }
}

fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x").or(text.strip_prefix("0X")) {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

pub(super) fn tos(text: &str) -> Result<u8, String> {
    number(text)
        .and_then(|number| u8::try_from(number).ok())
        .ok_or_else(|| "a number from 0 to 255, or from 0x00 to 0xff".to_owned())
}

pub(super) fn mark(text: &str) -> Result<u32, String> {
    number(text).ok_or_else(|| "a number of 32 bits, or hexadecimal with 0x".to_owned())
}

pub(super) fn percentile(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(value) if (0.0..=100.0).contains(&value) => Ok(value),
        _ => Err("percentiles are numbers from 0 to 100, with commas: 50,90,99".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_hexadecimal_and_has_sixteen_bytes_at_most() {
        assert_eq!(pattern("ff00").unwrap().0, [0xff, 0]);
        assert_eq!(pattern("abc").unwrap().0, [0xab, 0xc]);
        assert_eq!(pattern(&"0f".repeat(16)).unwrap().0.len(), 16);
        for wrong in ["", "xy", "0x12", &"0f".repeat(17)] {
            assert!(pattern(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn numbers_may_be_hexadecimal() {
        assert_eq!(tos("0x10"), Ok(16));
        assert_eq!(tos("255"), Ok(255));
        assert_eq!(mark("0xFFFFFFFF"), Ok(u32::MAX));
        for wrong in ["", "256", "0x100", "-1", "low"] {
            assert!(tos(wrong).is_err(), "{wrong}");
        }
        assert!(mark("4294967296").is_err());
    }

    #[test]
    fn a_percentile_is_a_number_up_to_a_hundred() {
        assert_eq!(percentile("99.9"), Ok(99.9));
        for wrong in ["", "101", "-1", "nan", "p50"] {
            assert!(percentile(wrong).is_err(), "{wrong}");
        }
    }
}
