//! Echo requests as a [responder](super) reads them, and the packets that it makes: IPv4 (RFC 791,
//! 792) and IPv6 (RFC 8200, 4443). Written anew here, so that the tests do not share an error with
//! what they test.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The header of an echo message: type, code, checksum, identifier, sequence.
pub(crate) const ECHO_HEADER: usize = 8;

/// An echo request that came.
#[derive(Clone, Debug)]
pub(crate) struct Echo {
    /// Who asks.
    pub(crate) source: IpAddr,
    /// Who is asked.
    pub(crate) destination: IpAddr,
    /// Of the program that asks.
    pub(crate) identifier: u16,
    /// Of the request, as the program counts.
    pub(crate) sequence: u16,
    /// Its number among those that this program sent to this address, from 1.
    pub(crate) number: usize,
    /// What is to be sent back.
    pub(crate) payload: Vec<u8>,
    /// All of it, with the header of IP.
    pub(crate) packet: Vec<u8>,
}

impl Echo {
    /// The last number of the address that is asked: 7 of 10.99.0.7 and of `fd99::7`.
    pub(crate) fn house(&self) -> u8 {
        match self.destination {
            IpAddr::V4(address) => address.octets()[3],
            IpAddr::V6(address) => address.octets()[15],
        }
    }
}

/// Reads a packet; `None` where it is not an echo request.
pub(crate) fn request(packet: &[u8]) -> Option<Echo> {
    let (source, destination, message): (IpAddr, IpAddr, &[u8]) = match packet.first()? >> 4 {
        4 if packet.get(9) == Some(&1) => {
            let header = usize::from(packet[0] & 15) * 4;
            let at =
                |from: usize| -> Option<[u8; 4]> { packet.get(from..from + 4)?.try_into().ok() };
            let ends = (Ipv4Addr::from(at(12)?), Ipv4Addr::from(at(16)?));
            (ends.0.into(), ends.1.into(), packet.get(header..)?)
        }
        6 if packet.get(6) == Some(&58) => {
            let at =
                |from: usize| -> Option<[u8; 16]> { packet.get(from..from + 16)?.try_into().ok() };
            let ends = (Ipv6Addr::from(at(8)?), Ipv6Addr::from(at(24)?));
            (ends.0.into(), ends.1.into(), packet.get(40..)?)
        }
        _ => return None,
    };
    let is_request = message.first() == Some(&if source.is_ipv6() { 128 } else { 8 });
    if !is_request || message.len() < ECHO_HEADER {
        return None;
    }
    Some(Echo {
        source,
        destination,
        identifier: u16::from_be_bytes([message[4], message[5]]),
        sequence: u16::from_be_bytes([message[6], message[7]]),
        number: 0,
        payload: message[ECHO_HEADER..].to_vec(),
        packet: packet.to_vec(),
    })
}

/// An echo reply whose checksum is still 0.
pub(crate) fn echo_reply(is_v6: bool, identifier: u16, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let mut message = vec![if is_v6 { 129 } else { 0 }, 0, 0, 0];
    message.extend_from_slice(&identifier.to_be_bytes());
    message.extend_from_slice(&sequence.to_be_bytes());
    message.extend_from_slice(payload);
    message
}

/// The packet of a message of ICMP; the bits of `spoil` are turned over in its checksum.
pub(crate) fn packet(
    source: IpAddr,
    destination: IpAddr,
    mut message: Vec<u8>,
    spoil: u16,
) -> Vec<u8> {
    let mut packet = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let mut header = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 1, 0, 0];
            let length = u16::try_from(20 + message.len()).expect("it fits");
            header[2..4].copy_from_slice(&length.to_be_bytes());
            header.extend_from_slice(&source.octets());
            header.extend_from_slice(&destination.octets());
            let sum = checksum(&[&header]);
            header[10..12].copy_from_slice(&sum.to_be_bytes());
            let sum = checksum(&[&message]) ^ spoil;
            message[2..4].copy_from_slice(&sum.to_be_bytes());
            header
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let mut header = vec![0x60, 0, 0, 0, 0, 0, 58, 64];
            let length = u16::try_from(message.len()).expect("it fits").to_be_bytes();
            header[4..6].copy_from_slice(&length);
            header.extend_from_slice(&source.octets());
            header.extend_from_slice(&destination.octets());
            // The pseudo-header: both addresses, the length, the protocol (RFC 8200 section 8.1).
            let sum = checksum(&[&header[8..40], &length, &[0, 58], &message]) ^ spoil;
            message[2..4].copy_from_slice(&sum.to_be_bytes());
            header
        }
        _ => panic!("{source} and {destination} are of different families"),
    };
    packet.extend_from_slice(&message);
    packet
}

/// The checksum of the Internet (RFC 1071) of parts that each have an even length, but the last.
pub(crate) fn checksum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let mut sum: u32 = words
        .map(|word| u32::from(word[0]) << 8 | u32::from(word.get(1).copied().unwrap_or(0)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("folded")
}
