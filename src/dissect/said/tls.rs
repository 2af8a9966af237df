//! TLS: hello messages and alerts in plain text (RFC 8446 sections 4.1 and 6, RFC 6066 section 3, RFC 7301).

use super::{Said, add, lossy};
use crate::tls::Alert;

/// Types of records (RFC 8446 section 5.1).
pub(super) const ALERT: u8 = 21;
pub(super) const HANDSHAKE: u8 = 22;

/// No hello message is longer here, in bytes: a record has 16 KiB at most.
pub(super) const LONGEST: usize = 5 + (16 << 10);

/// Extensions (IANA, "TLS `ExtensionType` Values").
mod extension {
    pub(super) const SERVER_NAME: u16 = 0;
    pub(super) const ALPN: u16 = 16;
    pub(super) const SUPPORTED_VERSIONS: u16 = 43;
}

/// What the beginning of a segment is.
pub(super) enum Read {
    /// A message that says something.
    Said(Said),
    /// A hello message of the client that goes on in the next segment.
    Cut,
    /// Something else.
    Other,
}

/// Reads the record at the begin of `bytes`.
pub(super) fn read(bytes: &[u8]) -> Read {
    const CLIENT_HELLO: u8 = 1;
    const SERVER_HELLO: u8 = 2;
    let &[kind, 3, minor, high, low, ref rest @ ..] = bytes else {
        return Read::Other;
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if minor > 4 || length > 16 << 10 {
        return Read::Other;
    }
    let body = rest.get(..length);
    match (kind, body, rest.first()) {
        (ALERT, Some(&[level, number]), _) => Read::Said(alert(level, number)),
        (HANDSHAKE, Some(body), Some(&CLIENT_HELLO)) => {
            client(body).map_or(Read::Other, Read::Said)
        }
        (HANDSHAKE, None, Some(&CLIENT_HELLO)) => Read::Cut,
        (HANDSHAKE, _, Some(&SERVER_HELLO)) => {
            server(&rest[..length.min(rest.len())]).map_or(Read::Other, Read::Said)
        }
        _ => Read::Other,
    }
}

/// What is encrypted is longer than an alert.
fn alert(level: u8, number: u8) -> Said {
    let level = if level == 2 { "fatal" } else { "warning" };
    let alert = Alert(number).to_string();
    Said::new("TLS")
        .saying(format!("Alert {level} {alert}"))
        .with("alert", alert)
        .with("alert_level", level)
}

/// A part of a message with a length in front, of `N` bytes.
fn part<'a, const N: usize>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk::<N>()?;
    let length = length
        .iter()
        .fold(0, |length, byte| length << 8 | usize::from(*byte));
    let (part, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some(part)
}

fn skip(bytes: &mut &[u8], count: usize) -> Option<()> {
    *bytes = bytes.get(count..)?;
    Some(())
}

/// The extensions of a message, by their numbers.
fn extensions(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (kind, rest) = bytes.split_first_chunk::<2>()?;
        bytes = rest;
        Some((u16::from_be_bytes(*kind), part::<2>(&mut bytes)?))
    })
}

/// Version and random numbers.
const FIXED: usize = 2 + 32;

fn client(body: &[u8]) -> Option<Said> {
    let mut rest = body.get(1..)?;
    let mut hello = part::<3>(&mut rest)?;
    let mut version = number(hello)?;
    skip(&mut hello, FIXED)?;
    part::<1>(&mut hello)?;
    part::<2>(&mut hello)?;
    part::<1>(&mut hello)?;
    let (mut name, mut protocols) = (None, None);
    // SSL 3.0 has none.
    let all = part::<2>(&mut hello).unwrap_or_default();
    for (kind, mut data) in extensions(all) {
        match kind {
            extension::SERVER_NAME => {
                let mut list = part::<2>(&mut data)?;
                // The type of the name: a host's.
                if list.first() == Some(&0) {
                    skip(&mut list, 1)?;
                    name = part::<2>(&mut list).map(lossy);
                }
            }
            extension::ALPN => protocols = Some(names(part::<2>(&mut data)?)),
            extension::SUPPORTED_VERSIONS => {
                let offered = part::<1>(&mut data)?.chunks_exact(2).filter_map(number);
                version = offered
                    .filter(|it| is_version(*it))
                    .max()
                    .unwrap_or(version);
            }
            _ => {}
        }
    }
    let mut words = String::from("Client Hello");
    let mut said = Said::new("TLS").with("message", "client_hello");
    if let Some(name) = name {
        add(&mut words, format_args!(" {name}"));
        said = said.naming(name.clone()).with("sni", name);
    }
    Some(ended(said, words, version, protocols))
}

fn server(body: &[u8]) -> Option<Said> {
    let mut hello = body.get(4..)?;
    let mut version = number(hello)?;
    skip(&mut hello, FIXED)?;
    part::<1>(&mut hello)?;
    // The cipher and the compression.
    skip(&mut hello, 3)?;
    let mut protocols = None;
    for (kind, mut data) in extensions(part::<2>(&mut hello).unwrap_or_default()) {
        match kind {
            extension::ALPN => protocols = Some(names(part::<2>(&mut data)?)),
            extension::SUPPORTED_VERSIONS => version = number(data)?,
            _ => {}
        }
    }
    let said = Said::new("TLS").with("message", "server_hello");
    Some(ended(
        said,
        String::from("Server Hello"),
        version,
        protocols,
    ))
}

fn ended(mut said: Said, mut words: String, version: u16, protocols: Option<String>) -> Said {
    let version = version_name(version);
    add(&mut words, format_args!(" {version}"));
    said = said.with("version", version);
    if let Some(protocols) = protocols {
        add(&mut words, format_args!(" ALPN {protocols}"));
        said = said.with("alpn", protocols);
    }
    said.saying(words)
}

fn names(mut list: &[u8]) -> String {
    let mut names = Vec::new();
    while let Some(name) = part::<1>(&mut list)
        && names.len() < 8
    {
        names.push(lossy(name));
    }
    names.join(",")
}

fn number(bytes: &[u8]) -> Option<u16> {
    bytes.first_chunk::<2>().map(|two| u16::from_be_bytes(*two))
}

/// Not one of those that are sent so that servers learn to pass over what they do not know (RFC 8701).
fn is_version(number: u16) -> bool {
    number >> 8 == 3 && number & 0xff <= 4
}

fn version_name(number: u16) -> String {
    match number {
        0x0300 => "SSL 3.0".to_owned(),
        0x0301 => "TLS 1.0".to_owned(),
        0x0302 => "TLS 1.1".to_owned(),
        0x0303 => "TLS 1.2".to_owned(),
        0x0304 => "TLS 1.3".to_owned(),
        other => format!("version 0x{other:04x}"),
    }
}
