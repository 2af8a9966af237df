//! Both versions of ICMP: echo requests and replies, errors, and the packet that an error quotes.

use pnet::packet::Packet as _;
use pnet::packet::icmp::echo_reply::EchoReplyPacket;
use pnet::packet::icmp::{IcmpPacket, IcmpTypes};
use pnet::packet::icmpv6::Icmpv6Types;
use pnet::packet::util;

use super::{Layer, Malformed, at_least, ip};
use crate::reference::icmp::Version;

/// Bytes of the header of an echo message, and of an error in front of what it quotes.
pub const HEADER: usize = 8;

/// Offsets in an echo message (RFC 792, RFC 4443 section 4).
mod field {
    use std::ops::Range;

    pub(super) const TYPE: usize = 0;
    pub(super) const CHECKSUM: Range<usize> = 2..4;
    pub(super) const IDENTIFIER: Range<usize> = 4..6;
    pub(super) const SEQUENCE: Range<usize> = 6..8;
}

/// A message of ICMP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// Somebody asks.
    EchoRequest(Echo<'a>),
    /// Somebody answers.
    EchoReply(Echo<'a>),
    /// A router or a host says what is wrong with a packet.
    Problem(Problem<'a>),
    /// Anything else.
    Other {
        /// The type.
        r#type: u8,
        /// The code.
        code: u8,
    },
}

/// An echo request or reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Echo<'a> {
    /// Which program asked.
    pub identifier: u16,
    /// Which of its questions.
    pub sequence: u16,
    /// What the answer has to bring back.
    pub payload: &'a [u8],
}

/// An error message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Problem<'a> {
    /// The type.
    pub r#type: u8,
    /// The code.
    pub code: u8,
    /// The second word: the MTU of 3/4 and of type 2 of version 6, the gateway of a redirect, a pointer.
    pub detail: [u8; 4],
    /// The packet that it is about, from its IP header on, as much of it as was quoted.
    pub quoted: &'a [u8],
}

/// A packet that an error quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quoted<'a> {
    /// Its IP header.
    pub head: ip::Head,
    /// The echo request in it, if it is one and enough of it is there.
    pub echo: Option<Echo<'a>>,
}

/// Reads a message.
///
/// # Errors
/// When it is shorter than its header.
pub fn parse(version: Version, bytes: &[u8]) -> Result<Message<'_>, Malformed> {
    at_least(bytes, 0, HEADER, Layer::Icmp)?;
    let view = IcmpPacket::new(bytes).ok_or(Malformed {
        layer: Layer::Icmp,
        offset: 0,
        need: HEADER,
        have: bytes.len(),
    })?;
    let (r#type, code) = (view.get_icmp_type().0, view.get_icmp_code().0);
    let kinds = Kinds::of(version);
    if r#type == kinds.request && code == 0 {
        return Ok(Message::EchoRequest(echo(bytes)));
    }
    if r#type == kinds.reply && code == 0 {
        return Ok(Message::EchoReply(echo(bytes)));
    }
    if kinds.is_problem(r#type) {
        let (head, quoted) = bytes.split_at(HEADER);
        return Ok(Message::Problem(Problem {
            r#type,
            code,
            detail: [head[4], head[5], head[6], head[7]],
            quoted,
        }));
    }
    Ok(Message::Other { r#type, code })
}

/// The types of a version that mean something here.
struct Kinds {
    version: Version,
    request: u8,
    reply: u8,
}

impl Kinds {
    fn of(version: Version) -> Kinds {
        let (request, reply) = match version {
            Version::V4 => (IcmpTypes::EchoRequest.0, IcmpTypes::EchoReply.0),
            Version::V6 => (Icmpv6Types::EchoRequest.0, Icmpv6Types::EchoReply.0),
        };
        Kinds {
            version,
            request,
            reply,
        }
    }

    /// RFC 792 and RFC 1122 section 3.2.2: these five; RFC 4443 section 2.1: the types below 128.
    fn is_problem(&self, r#type: u8) -> bool {
        match self.version {
            Version::V4 => matches!(r#type, 3 | 4 | 5 | 11 | 12),
            Version::V6 => r#type < 128,
        }
    }
}

/// The parts of an echo message; of at least [`HEADER`] bytes, as the callers have checked.
fn echo(bytes: &[u8]) -> Echo<'_> {
    // Both versions lay the echo messages out alike; pnet's view of IPv4's serves both.
    EchoReplyPacket::new(bytes).map_or(
        Echo {
            identifier: 0,
            sequence: 0,
            payload: &[],
        },
        |view| Echo {
            identifier: view.get_identifier(),
            sequence: view.get_sequence_number(),
            payload: &bytes[HEADER.min(bytes.len() - view.payload().len())..],
        },
    )
}

/// Reads the packet that an error quotes, of either version.
///
/// # Errors
/// When not even its IP header is whole.
pub fn parse_quoted(version: Version, bytes: &[u8]) -> Result<Quoted<'_>, Malformed> {
    let head = ip::parse(bytes)?;
    let carries_icmp = match version {
        Version::V4 => ip::protocol::ICMP,
        Version::V6 => ip::protocol::ICMPV6,
    };
    let message = &bytes[head.length..];
    let is_ours = head.protocol == carries_icmp && head.is_first_fragment;
    Ok(Quoted {
        head,
        echo: is_ours.then(|| quoted_echo(version, message)).flatten(),
    })
}

/// The echo request at the front of what was quoted of an ICMP message.
pub fn quoted_echo(version: Version, message: &[u8]) -> Option<Echo<'_>> {
    match parse(version, message) {
        Ok(Message::EchoRequest(echo)) => Some(echo),
        _ => None,
    }
}

/// Whether the checksum of a message of IPv4 is right (RFC 1071: over all of it, the sum is zero).
/// That of version 6 takes in addresses too, and the kernel checks it before any socket sees it.
pub fn checksum_is_right(message: &[u8]) -> bool {
    // No word is left out: none has this number.
    util::checksum(message, usize::MAX) == 0
}

/// Writes the header of an echo request in front of the payload that stands after it in `message`,
/// with the checksum for IPv4; for IPv6 the kernel writes it.
///
/// Shorter than a header nothing is written.
pub fn write_echo_request(version: Version, identifier: u16, sequence: u16, message: &mut [u8]) {
    if message.len() < HEADER {
        return;
    }
    message[..HEADER].fill(0);
    message[field::TYPE] = Kinds::of(version).request;
    message[field::IDENTIFIER].copy_from_slice(&identifier.to_be_bytes());
    message[field::SEQUENCE].copy_from_slice(&sequence.to_be_bytes());
    if version == Version::V4 {
        let checksum = util::checksum(message, 1);
        message[field::CHECKSUM].copy_from_slice(&checksum.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A reply of identifier 0x3728 and sequence 1, with `aaaa` as its payload.
    const REPLY: [u8; 12] = [
        0x00, 0x00, 0x06, 0x14, 0x37, 0x28, 0x00, 0x01, 0x61, 0x61, 0x61, 0x61,
    ];

    fn quoting(ip: &[u8], icmp: &[u8]) -> Vec<u8> {
        let mut bytes = vec![3, 4, 0, 0, 0, 0, 0x05, 0x14];
        bytes.extend(ip);
        bytes.extend(icmp);
        bytes
    }

    const IP: [u8; 20] = [
        0x45, 0, 0, 84, 0, 1, 0x40, 0, 1, 1, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
    ];

    #[test]
    fn a_request_is_read_as_it_was_written_and_its_checksum_is_right() {
        for version in [Version::V4, Version::V6] {
            for length in [8, 9, 64, 1473] {
                let mut message: Vec<u8> = (0..=250).cycle().take(length).collect();
                write_echo_request(version, 0x1234, 0xfffe, &mut message);
                let Ok(Message::EchoRequest(echo)) = parse(version, &message) else {
                    panic!("{version:?} {length}: no request");
                };
                assert_eq!((echo.identifier, echo.sequence), (0x1234, 0xfffe));
                assert_eq!(echo.payload.len(), length - HEADER);
                assert_eq!(echo.payload, &message[HEADER..]);
                assert_eq!(checksum_is_right(&message), version == Version::V4);
            }
        }
    }

    #[test]
    fn a_known_checksum_is_right_and_one_bit_makes_it_wrong() {
        assert!(checksum_is_right(&REPLY));
        for byte in 0..REPLY.len() {
            let mut wrong = REPLY;
            wrong[byte] ^= 0x10;
            assert!(!checksum_is_right(&wrong), "byte {byte}");
        }
    }

    #[test]
    fn the_types_of_one_version_are_not_those_of_the_other() {
        assert!(matches!(
            parse(Version::V4, &REPLY),
            Ok(Message::EchoReply(_))
        ));
        assert!(matches!(
            parse(Version::V6, &REPLY),
            Ok(Message::Problem(_))
        ));
        let mut v6 = REPLY;
        v6[0] = 129;
        assert!(matches!(parse(Version::V6, &v6), Ok(Message::EchoReply(_))));
        let other = Message::Other {
            r#type: 129,
            code: 0,
        };
        assert_eq!(parse(Version::V4, &v6), Ok(other));
        // An echo reply has no codes.
        v6[1] = 1;
        assert!(matches!(
            parse(Version::V6, &v6),
            Ok(Message::Other { code: 1, .. })
        ));
    }

    #[test]
    fn a_message_without_a_whole_header_is_told() {
        for length in 0..HEADER {
            let told = parse(Version::V4, &REPLY[..length]).unwrap_err();
            assert_eq!((told.need, told.have), (HEADER, length));
        }
        let mut short = [0xff; 7];
        write_echo_request(Version::V4, 1, 1, &mut short);
        assert_eq!(short, [0xff; 7]);
    }

    #[test]
    fn an_error_gives_its_mtu_and_the_echo_that_it_quotes() {
        let mut request = [0; 16];
        write_echo_request(Version::V4, 7, 9, &mut request);
        let bytes = quoting(&IP, &request);
        let Ok(Message::Problem(problem)) = parse(Version::V4, &bytes) else {
            panic!("no problem");
        };
        assert_eq!(problem.detail, [0, 0, 0x05, 0x14]);
        let quoted = parse_quoted(Version::V4, problem.quoted).unwrap();
        assert_eq!(quoted.head.destination.to_string(), "10.0.0.2");
        let echo = quoted.echo.unwrap();
        assert_eq!((echo.identifier, echo.sequence), (7, 9));
        assert_eq!(echo.payload.len(), 8);
    }

    #[test]
    fn a_quote_of_something_else_holds_no_echo() {
        let mut tcp = IP;
        tcp[9] = 6;
        let mut request = [0; 8];
        write_echo_request(Version::V4, 7, 9, &mut request);
        for (ip, icmp) in [
            (&tcp, &request[..]),
            (&IP, &request[..7]),
            (&IP, &REPLY[..]),
        ] {
            let bytes = quoting(ip, icmp);
            let quoted = parse_quoted(Version::V4, &bytes[HEADER..]).unwrap();
            assert_eq!(quoted.echo, None);
        }
        let mut fragment = IP;
        fragment[7] = 8;
        let bytes = quoting(&fragment, &request);
        let quoted = parse_quoted(Version::V4, &bytes[HEADER..]).unwrap();
        assert_eq!(quoted.echo, None);
    }

    proptest! {
        #[test]
        fn whatever_comes_nothing_is_read_that_is_not_there(
            bytes in proptest::collection::vec(any::<u8>(), 0..128),
            is_v6 in any::<bool>(),
        ) {
            let version = if is_v6 { Version::V6 } else { Version::V4 };
            match parse(version, &bytes) {
                Ok(Message::EchoReply(echo) | Message::EchoRequest(echo)) => {
                    prop_assert_eq!(echo.payload, &bytes[HEADER..]);
                }
                Ok(Message::Problem(problem)) => {
                    prop_assert_eq!(problem.quoted, &bytes[HEADER..]);
                    let _ = parse_quoted(version, problem.quoted);
                }
                Ok(Message::Other { .. }) => {}
                Err(told) => prop_assert!(bytes.len() < HEADER && told.have == bytes.len()),
            }
            let _ = parse_quoted(version, &bytes);
        }

        #[test]
        fn an_ipv4_message_with_any_bytes_gets_a_checksum_that_is_right(
            payload in proptest::collection::vec(any::<u8>(), 0..1500),
            identifier in any::<u16>(), sequence in any::<u16>(),
        ) {
            let mut message = vec![0xff; HEADER];
            message.extend(&payload);
            write_echo_request(Version::V4, identifier, sequence, &mut message);
            prop_assert!(checksum_is_right(&message));
            prop_assert_eq!(&message[HEADER..], &payload[..]);
        }
    }
}
