//! What application protocols say first: which host, which version, which request. Nothing is decoded beyond that.
//!
//! | file | what it reads |
//! |---|---|
//! | `dns` | a question, and the first answer |
//! | `tls` | the hello messages and alerts |
//! | `text` | a line of HTTP, the greeting of SSH |
//! | `dhcp` | the kind of a message, and the client's name |
//! | `quic` | the version of a packet with a long header |
//!
//! # Invariants
//!
//! - Everything here is bounded: a text by [`MOST`] characters, what is kept of streams by [`Greetings`].
//! - Texts are as the peer sent them, but for bytes that are not text. Who shows them escapes them.

mod dhcp;
mod dns;
mod quic;
mod text;
mod tls;

use std::collections::HashMap;
use std::fmt::Write as _;

use super::Event;
use crate::packet::Decoded;
use crate::packet::record::{Transport, Udp};
use crate::stream::{self, Direction, SegmentInfo};

/// Characters of a text at most.
pub const MOST: usize = 200;

/// What was said in a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// `DNS`, `TLS` and so on.
    pub protocol: &'static str,
    /// The line about it.
    pub words: String,
    /// The host that it names.
    pub host: Option<String>,
    /// The same by keys, for programs.
    pub fields: Vec<(&'static str, String)>,
}

impl Said {
    fn new(protocol: &'static str) -> Said {
        Said {
            protocol,
            words: String::new(),
            host: None,
            fields: Vec::new(),
        }
    }

    fn with(mut self, key: &'static str, value: impl Into<String>) -> Said {
        self.fields.push((key, clipped(value.into())));
        self
    }

    fn naming(mut self, host: impl Into<String>) -> Said {
        self.host = Some(clipped(host.into()));
        self
    }

    fn saying(mut self, words: impl Into<String>) -> Said {
        self.words = clipped(words.into());
        self
    }

    /// The name in a TLS Client Hello.
    pub fn sni(&self) -> Option<&str> {
        let field = self.fields.iter().find(|(key, _)| *key == "sni");
        field.map(|(_, name)| name.as_str())
    }
}

fn clipped(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(MOST) {
        text.truncate(end);
        text.push_str("...");
    }
    text
}

fn add(words: &mut String, more: std::fmt::Arguments<'_>) {
    // Writing to a String does not fail.
    let _ = words.write_fmt(more);
}

/// Bytes of a peer as text.
fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(4 * MOST)]).into_owned()
}

/// Hello messages that wait for their next segment at the same time.
const MOST_WAITING: usize = 256;
/// Streams whose host is remembered, for filters.
const MOST_NAMED: usize = 64 * 1024;

/// Reads what is said in frames.
///
/// The invariant: at most `MOST_WAITING` hello messages of at most `tls::LONGEST` bytes wait, and at most
/// `MOST_NAMED` hosts are remembered.
#[derive(Debug, Default)]
pub struct Greetings {
    waiting: HashMap<(u32, Direction), Waiting>,
    /// By the number of the stream: the host that it named, and whether in a Client Hello.
    named: HashMap<u32, Name>,
}

/// The host that a stream has named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) host: String,
    pub(super) is_sni: bool,
}

/// A Client Hello that is not whole.
#[derive(Debug)]
struct Waiting {
    /// The sequence number of its next byte.
    next: u32,
    bytes: Vec<u8>,
}

impl Greetings {
    /// What a frame says.
    #[inline]
    pub fn read(
        &mut self,
        decoded: &Decoded,
        bytes: &[u8],
        segment: Option<&SegmentInfo>,
    ) -> Option<Box<Said>> {
        match (&decoded.innermost().transport, segment) {
            (Transport::Udp(udp), _) => datagram(udp, bytes).map(Box::new),
            (Transport::Tcp(tcp), Some(segment)) if tcp.payload.captured > 0 => {
                let data = tcp.payload.of(bytes);
                let ports = (tcp.source, tcp.destination);
                self.segment(data, ports, segment).map(Box::new)
            }
            _ => None,
        }
    }

    #[inline]
    fn segment(
        &mut self,
        data: &[u8],
        (from, to): (u16, u16),
        segment: &SegmentInfo,
    ) -> Option<Said> {
        let place = (segment.stream, segment.direction);
        if !self.waiting.is_empty()
            && let Some(waiting) = self.waiting.remove(&place)
        {
            return self.resume(waiting, data, segment);
        }
        match data {
            [tls::HANDSHAKE | tls::ALERT, 3, ..] => match tls::read(data) {
                tls::Read::Said(said) => Some(said),
                tls::Read::Cut => {
                    self.wait(data, segment);
                    None
                }
                tls::Read::Other => None,
            },
            [b'A'..=b'Z', ..] => text::read(data),
            // DNS over TCP has its length in front (RFC 1035 section 4.2.2).
            [_, _, message @ ..] if from == dns::PORT || to == dns::PORT => dns::read(message),
            _ => None,
        }
    }

    /// Keeps the beginning of a hello message.
    #[cold]
    fn wait(&mut self, data: &[u8], segment: &SegmentInfo) {
        if self.waiting.len() >= MOST_WAITING {
            self.waiting.clear();
        }
        let length = u32::try_from(data.len()).unwrap_or(0);
        let waiting = Waiting {
            next: segment.analysis.sequence.wrapping_add(length),
            bytes: data.to_vec(),
        };
        self.waiting
            .insert((segment.stream, segment.direction), waiting);
    }

    /// The next segment of a hello message. One that came before is passed over; after a gap nothing more is tried.
    #[cold]
    fn resume(&mut self, mut waiting: Waiting, data: &[u8], segment: &SegmentInfo) -> Option<Said> {
        let place = (segment.stream, segment.direction);
        let ahead = segment.analysis.sequence.wrapping_sub(waiting.next);
        if ahead != 0 {
            // A retransmission.
            if ahead >> 31 == 1 {
                self.waiting.insert(place, waiting);
            }
            return None;
        }
        waiting.bytes.extend_from_slice(data);
        waiting.next = waiting
            .next
            .wrapping_add(u32::try_from(data.len()).unwrap_or(0));
        match tls::read(&waiting.bytes) {
            tls::Read::Said(said) => Some(said),
            tls::Read::Cut if waiting.bytes.len() <= tls::LONGEST => {
                self.waiting.insert(place, waiting);
                None
            }
            _ => None,
        }
    }

    /// Remembers the host that a stream names; gives it if it is the first.
    #[cold]
    pub(super) fn remember<'a>(&mut self, stream: u32, said: &'a Said) -> Option<&'a str> {
        let host = said.host.as_deref()?;
        let is_first = !self.named.contains_key(&stream);
        if is_first && self.named.len() >= MOST_NAMED {
            // Those of streams that are over, most of them.
            self.named.clear();
        }
        let name = Name {
            host: host.to_owned(),
            is_sni: said.sni().is_some(),
        };
        self.named.insert(stream, name);
        is_first.then_some(host)
    }

    /// The host that a stream has named.
    pub(super) fn host_of(&self, stream: u32) -> Option<&Name> {
        self.named.get(&stream)
    }
}

/// What an application protocol says in a frame; the first host that a stream names is an event.
#[inline]
pub(super) fn listen(
    greetings: Option<&mut Greetings>,
    decoded: &Decoded,
    bytes: &[u8],
    segment: Option<&SegmentInfo>,
    handler: &mut impl FnMut(Event<'_>),
) -> Option<Box<Said>> {
    let greetings = greetings?;
    let said = greetings.read(decoded, bytes, segment)?;
    if let Some(segment) = segment
        && let Some(host) = greetings.remember(segment.stream, &said)
    {
        handler(Event::Stream(stream::Event::Named(segment.stream, host)));
    }
    Some(said)
}

/// The host that a frame names, or its stream before it, and whether that was in a TLS Client Hello.
#[inline]
pub(super) fn named<'a>(
    greetings: Option<&'a Greetings>,
    said: Option<&'a Said>,
    stream: Option<u32>,
) -> (Option<&'a str>, bool) {
    if let Some(said) = said
        && let Some(host) = &said.host
    {
        return (Some(host), said.sni().is_some());
    }
    let name = greetings
        .zip(stream)
        .and_then(|(greetings, stream)| greetings.host_of(stream));
    name.map_or((None, false), |name| (Some(&name.host), name.is_sni))
}

/// What a datagram says.
#[inline]
fn datagram(udp: &Udp, bytes: &[u8]) -> Option<Said> {
    let ports = [udp.source, udp.destination];
    let has = |port: u16| ports.contains(&port);
    let payload = udp.payload.of(bytes);
    if has(dns::PORT) || has(dns::MULTICAST_PORT) || has(dns::LOCAL_PORT) {
        dns::read(payload)
    } else if has(dhcp::SERVER_PORT) || has(dhcp::CLIENT_PORT) {
        dhcp::read(payload)
    } else if payload.first().is_some_and(|first| first & 0xc0 == 0xc0) {
        quic::read(payload)
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
