//! What a [responder](super) answers: an echo reply with its flaws, or an ICMP error with what it
//! quotes; now, late, or out of order.

use std::net::IpAddr;
use std::time::Duration;

use super::wire::{self, Echo};

/// Bytes of a quote before an extension.
const QUOTED: usize = 128;

/// An answer to one request.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    what: What,
    /// When it goes out.
    pub(crate) when: When,
}

/// When an answer goes out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum When {
    /// At once.
    Now,
    /// So long after the request.
    After(Duration),
    /// After the answers to the request with this number.
    Behind(usize),
}

#[derive(Clone, Debug)]
enum What {
    Reply(Vec<Flaw>),
    Error {
        kind: u8,
        code: u8,
        /// The second word of the message: the MTU, the gateway, the pointer.
        word: u32,
        from: Option<IpAddr>,
        quote: Quote,
        /// What follows the quote (RFC 4884).
        extension: Vec<u8>,
    },
}

/// What is wrong with an echo reply.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Flaw {
    /// The checksum of ICMP is not that of the message.
    BadChecksum,
    /// The sequence number is so much higher.
    Sequence(u16),
    /// Another identifier: the other bits of the right one.
    Identifier,
    /// From another address.
    Source(IpAddr),
    /// Only this many bytes of the payload.
    Cut(usize),
    /// This many bytes more than the request had.
    Longer(usize),
    /// One byte of the payload with its bits turned over.
    OddByte(usize),
    /// All bytes of the payload from one number to before another are 0xff.
    Ones(usize, usize),
}

/// What an ICMP error quotes of the packet that it is about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Quote {
    /// The packet from its first byte, no more than this many.
    Bytes(usize),
    /// A header of IP that claims this many words of 4 bytes, and the ICMP header after them.
    /// (IPv6: a hop-by-hop header instead.)
    Options(u8),
    /// A header that claims 15 words, and ends before them.
    PastTheEnd,
    /// The packet, but with another identifier: somebody else's.
    OtherIdentifier,
    /// The packet, but sent to another address.
    OtherDestination,
    /// The packet, but with a sequence number that is so much higher.
    Sequence(u16),
}

impl Answer {
    /// The reply as it should be.
    pub(crate) fn right() -> Answer {
        Answer::wrong(&[])
    }

    /// A reply with these flaws.
    pub(crate) fn wrong(flaws: &[Flaw]) -> Answer {
        Answer {
            what: What::Reply(flaws.to_vec()),
            when: When::Now,
        }
    }

    /// An ICMP error of this type and code, from the address that was pinged, quoting all.
    pub(crate) fn error(kind: u8, code: u8) -> Answer {
        let what = What::Error {
            kind,
            code,
            word: 0,
            from: None,
            quote: Quote::Bytes(500),
            extension: Vec::new(),
        };
        Answer {
            what,
            when: When::Now,
        }
    }

    /// The error with this in its second word.
    pub(crate) fn about(mut self, number: u32) -> Answer {
        if let What::Error { word, .. } = &mut self.what {
            *word = number;
        }
        self
    }

    /// The error from this address.
    pub(crate) fn sent_by(mut self, address: &str) -> Answer {
        if let What::Error { from, .. } = &mut self.what {
            *from = Some(address.parse().expect("an address"));
        }
        self
    }

    /// The error with this quote.
    pub(crate) fn quoting(mut self, what: Quote) -> Answer {
        if let What::Error { quote, .. } = &mut self.what {
            *quote = what;
        }
        self
    }

    /// The error with this extension structure, whose checksum is added: the quote is filled up to 128 bytes
    /// (RFC 4884 section 4).
    pub(crate) fn extended(mut self, structure: &[u8]) -> Answer {
        if let What::Error { extension, .. } = &mut self.what {
            *extension = structure.to_vec();
            let sum = wire::checksum(&[structure]);
            extension[2..4].copy_from_slice(&sum.to_be_bytes());
        }
        self
    }

    /// The same, so much later.
    pub(crate) fn after(self, time: Duration) -> Answer {
        let when = When::After(time);
        Answer { when, ..self }
    }

    /// The same, after the answers to that request.
    pub(crate) fn behind(self, number: usize) -> Answer {
        let when = When::Behind(number);
        Answer { when, ..self }
    }

    /// The packet that answers this request.
    pub(crate) fn packet(&self, echo: &Echo) -> Vec<u8> {
        match &self.what {
            What::Reply(flaws) => reply(echo, flaws),
            What::Error {
                kind,
                code,
                word,
                from,
                quote,
                extension,
            } => {
                let mut message = vec![*kind, *code, 0, 0];
                message.extend_from_slice(&word.to_be_bytes());
                message.extend_from_slice(&quoted(echo, *quote));
                if !extension.is_empty() {
                    // Its length in words of four bytes, of IPv6 of eight.
                    message.resize(8 + QUOTED, 0);
                    let (place, words) = match echo.destination {
                        IpAddr::V4(_) => (5, QUOTED / 4),
                        IpAddr::V6(_) => (4, QUOTED / 8),
                    };
                    message[place] = u8::try_from(words).expect("a byte");
                    message.extend_from_slice(extension);
                }
                let from = from.unwrap_or(echo.destination);
                wire::packet(from, echo.source, message, 0)
            }
        }
    }
}

fn reply(echo: &Echo, flaws: &[Flaw]) -> Vec<u8> {
    let (mut identifier, mut sequence) = (echo.identifier, echo.sequence);
    let (mut source, mut payload) = (echo.destination, echo.payload.clone());
    let mut spoil = 0;
    for flaw in flaws {
        match *flaw {
            Flaw::BadChecksum => spoil = 0x5555,
            Flaw::Sequence(more) => sequence = sequence.wrapping_add(more),
            Flaw::Identifier => identifier = !identifier,
            Flaw::Source(address) => source = address,
            Flaw::Cut(bytes) => payload.truncate(bytes),
            Flaw::Longer(bytes) => payload.resize(payload.len() + bytes, 0xa5),
            Flaw::OddByte(at) => payload[at] = !payload[at],
            Flaw::Ones(from, to) => {
                let to = to.min(payload.len());
                payload[from..to].fill(0xff);
            }
        }
    }
    let message = wire::echo_reply(source.is_ipv6(), identifier, sequence, &payload);
    wire::packet(source, echo.source, message, spoil)
}

/// What an error says of the request that it is about.
fn quoted(echo: &Echo, quote: Quote) -> Vec<u8> {
    let mut packet = echo.packet.clone();
    let header = packet.len() - echo.payload.len() - wire::ECHO_HEADER;
    match quote {
        Quote::Bytes(most) => packet.truncate(most),
        Quote::Options(words) => with_options(&mut packet, words, echo.destination.is_ipv6()),
        Quote::PastTheEnd if echo.destination.is_ipv6() => {
            // A hop-by-hop header of 2,048 bytes.
            packet[6] = 0;
            packet.truncate(header);
            packet.extend_from_slice(&[58, 255, 1, 4, 0, 0, 0, 0]);
        }
        Quote::PastTheEnd => {
            packet[0] = 0x4f;
            packet.truncate(header + wire::ECHO_HEADER);
        }
        Quote::OtherIdentifier => packet[header + 4] ^= 0x55,
        Quote::OtherDestination => {
            let last = if echo.destination.is_ipv6() { 39 } else { 19 };
            packet[last] ^= 0x55;
        }
        Quote::Sequence(more) => {
            let sequence = echo.sequence.wrapping_add(more);
            packet[header + 6..header + 8].copy_from_slice(&sequence.to_be_bytes());
        }
    }
    packet
}

fn with_options(packet: &mut Vec<u8>, words: u8, is_v6: bool) {
    if is_v6 {
        // Eight bytes: what comes next, no more of itself, and an option that pads (RFC 8200).
        let next = std::mem::replace(&mut packet[6], 0);
        packet.splice(40..40, [next, 0, 1, 4, 0, 0, 0, 0]);
    } else {
        packet[0] = 0x40 | words;
        let options = usize::from(words - 5) * 4;
        // No operation (RFC 791).
        packet.splice(20..20, std::iter::repeat_n(1, options));
    }
}
