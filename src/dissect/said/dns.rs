//! DNS: the question, and the first answer (RFC 1035 section 4.1).

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Said, add};
use crate::dns::{Name, rcode_name};

/// The port.
pub(super) const PORT: u16 = 53;
/// Multicast DNS (RFC 6762).
pub(super) const MULTICAST_PORT: u16 = 5353;
/// Link-local multicast name resolution (RFC 4795).
pub(super) const LOCAL_PORT: u16 = 5355;

const HEADER: usize = 12;

/// Reads a message.
pub(super) fn read(message: &[u8]) -> Option<Said> {
    let header: &[u8; HEADER] = message.first_chunk()?;
    let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let (flags, questions, answers) = (word(2), word(4), word(6));
    let is_reply = flags & 0x8000 != 0;
    // Queries and status requests; nothing else is as long ago as these, and other numbers are other data.
    if flags >> 11 & 15 > 5 || questions > 1 || answers > 256 || questions + answers == 0 {
        return None;
    }
    let mut said = Said::new("DNS");
    let mut words = String::from(if is_reply { "reply" } else { "query" });
    let mut at = HEADER;
    if questions == 1 {
        let (name, end) = Name::read(message, at)?;
        let &[high, low, _, _] = message.get(end..)?.first_chunk::<4>()?;
        let kind = kind(u16::from_be_bytes([high, low]));
        add(&mut words, format_args!(" {kind} {name}"));
        said = said
            .naming(name.to_string())
            .with("name", name.to_string())
            .with("type", kind);
        at = end + 4;
    }
    if !is_reply {
        return Some(said.saying(words));
    }
    // The lower 4 bits are the response code.
    let code = u8::try_from(flags & 15).unwrap_or(0);
    if code != 0 {
        let code = rcode_name(code).map_or_else(|| format!("RCODE {code}"), str::to_owned);
        add(&mut words, format_args!(": {code}"));
        said = said.with("rcode", code);
    } else if let Some((kind, data)) = answer(message, at, answers) {
        add(&mut words, format_args!(": {kind} {data}"));
        if answers > 1 {
            add(&mut words, format_args!(" and {} more", answers - 1));
        }
        said = said.with("answer_type", kind).with("answer", data);
    } else {
        words.push_str(": no answer");
    }
    Some(said.saying(words))
}

/// The first answer that is not an alias, or else the first one.
fn answer(message: &[u8], mut at: usize, count: u16) -> Option<(String, String)> {
    let mut first = None;
    for _ in 0..count {
        let (_, end) = Name::read(message, at)?;
        let &[a, b, _, _, _, _, _, _, high, low] = message.get(end..)?.first_chunk::<10>()?;
        let start = end + 10;
        let data = start..start + usize::from(u16::from_be_bytes([high, low]));
        let number = u16::from_be_bytes([a, b]);
        let told = (kind(number), data_words(message, number, data.clone())?);
        if number != CNAME {
            return Some(told);
        }
        first.get_or_insert(told);
        at = data.end;
    }
    first
}

const CNAME: u16 = 5;

fn data_words(message: &[u8], kind: u16, data: std::ops::Range<usize>) -> Option<String> {
    let bytes = message.get(data.clone())?;
    Some(match (kind, bytes) {
        (1, bytes) if bytes.len() == 4 => Ipv4Addr::from(*bytes.first_chunk::<4>()?).to_string(),
        (28, bytes) if bytes.len() == 16 => Ipv6Addr::from(*bytes.first_chunk::<16>()?).to_string(),
        (2 | CNAME | 12, _) => Name::read(message, data.start)?.0.to_string(),
        (15, _) => Name::read(message, data.start + 2)?.0.to_string(),
        (33, _) => Name::read(message, data.start + 6)?.0.to_string(),
        (16, &[length, ref rest @ ..]) => {
            let text = rest.get(..usize::from(length)).unwrap_or(rest);
            format!("\"{}\"", super::lossy(text))
        }
        (_, bytes) => format!("{} bytes", bytes.len()),
    })
}

/// The name of a type (IANA, "Domain Name System Parameters").
fn kind(number: u16) -> String {
    let name = match number {
        1 => "A",
        2 => "NS",
        CNAME => "CNAME",
        6 => "SOA",
        12 => "PTR",
        13 => "HINFO",
        15 => "MX",
        16 => "TXT",
        28 => "AAAA",
        33 => "SRV",
        35 => "NAPTR",
        41 => "OPT",
        43 => "DS",
        46 => "RRSIG",
        47 => "NSEC",
        48 => "DNSKEY",
        52 => "TLSA",
        64 => "SVCB",
        65 => "HTTPS",
        252 => "AXFR",
        255 => "ANY",
        257 => "CAA",
        _ => return format!("TYPE{number}"),
    };
    name.to_owned()
}
