//! The values of flags that limit a capture.

use std::time::Duration;

use crate::commands::values;

/// When to stop, or to begin a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    Duration(Duration),
    Bytes(u64),
    Packets(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RingLimit {
    Each(Limit),
    Files(usize),
}

/// `duration:30s`, `filesize:10M`, `packets:1000`. As in dumpcap, a number alone is seconds, or kilobytes.
pub(super) fn limit(text: &str) -> std::result::Result<Limit, String> {
    let (kind, value) = text.split_once(':').unwrap_or((text, ""));
    match kind {
        "duration" => values::positive_duration(value).map(Limit::Duration),
        "filesize" => file_size(value).map(Limit::Bytes),
        "packets" => match value.parse() {
            Ok(count) if count > 0 => Ok(Limit::Packets(count)),
            _ => Err("packets: needs a number of packets".to_owned()),
        },
        _ => Err("use duration:TIME, filesize:SIZE or packets:N".to_owned()),
    }
}

fn file_size(text: &str) -> std::result::Result<u64, String> {
    let size = match text.parse::<u64>() {
        Ok(kilobytes) => kilobytes.checked_mul(1000).ok_or("too large")?,
        Err(_) => u64::try_from(values::size(text)?).unwrap_or(u64::MAX),
    };
    if size == 0 {
        return Err("must be more than 0".to_owned());
    }
    Ok(size)
}

pub(super) fn ring(text: &str) -> std::result::Result<RingLimit, String> {
    match text.strip_prefix("files:") {
        Some(count) => match count.parse() {
            Ok(count @ 1..=100_000) => Ok(RingLimit::Files(count)),
            _ => Err("files: needs a number from 1 to 100000".to_owned()),
        },
        None => limit(text)
            .map(RingLimit::Each)
            .map_err(|error| error.replace(" or packets:N", ", packets:N or files:N")),
    }
}

/// From 2 MiB, which is two blocks, to 4 GiB.
pub(super) fn buffer(text: &str) -> std::result::Result<usize, String> {
    match values::size(text)? {
        size if (2 << 20..=4 << 30).contains(&size) => Ok(size),
        _ => Err("must be from 2M to 4G".to_owned()),
    }
}
