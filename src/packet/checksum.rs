//! Checksums of the innermost packet (RFC 1071), where enough of it was captured.
//!
//! On a host that leaves them to its network card, and on the loopback interface, the checksums of what
//! is sent are not filled in yet when it is captured: a wrong one proves nothing there.

use std::net::IpAddr;

use pnet::packet::ip::IpNextHeaderProtocol;
use pnet::packet::util;

use super::record::{Decoded, Ip, Network, Transport};

/// A checksum that is not what the bytes make it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// Of the header of IPv4.
    Ip,
    /// Of TCP, with the addresses (RFC 9293 section 3.1).
    Tcp,
    /// Of UDP, with the addresses (RFC 768); 0 over IPv4 means absent.
    Udp,
    /// Of ICMP; of version 6 with the addresses (RFC 4443 section 2.3).
    Icmp,
}

impl Wrong {
    /// The name of the layer.
    pub fn layer(self) -> &'static str {
        match self {
            Wrong::Ip => "IP",
            Wrong::Tcp => "TCP",
            Wrong::Udp => "UDP",
            Wrong::Icmp => "ICMP",
        }
    }
}

/// The first checksum that is wrong. `bytes` are those that `decoded` describes. What was cut and what is
/// a fragment cannot be judged.
pub fn wrong(decoded: &Decoded, bytes: &[u8]) -> Option<Wrong> {
    let layers = decoded.innermost();
    let Network::Ip(ip) = &layers.network else {
        return None;
    };
    if !ip.is_v6 && !header_is_right(ip, bytes)? {
        return Some(Wrong::Ip);
    }
    if ip.fragment.is_some() {
        return None;
    }
    let (wrong, offset) = match &layers.transport {
        Transport::Tcp(tcp) => (Wrong::Tcp, tcp.offset),
        Transport::Udp(udp) => (Wrong::Udp, udp.offset),
        Transport::Icmp(message) => (Wrong::Icmp, message.span.offset),
        Transport::None | Transport::Other(_) => return None,
    };
    let mut message = bytes.get(offset as usize..ip.end as usize)?;
    if let Transport::Udp(udp) = &layers.transport {
        // RFC 2675 section 4: 0 over IPv6 says that the length is that of the packet.
        message = match usize::from(udp.length) {
            0 if ip.is_v6 && message.get(6..8)? != [0, 0] => message,
            0..8 => return None,
            length => message.get(..length)?,
        };
    }
    // A sender of IPv4 may leave it out.
    if wrong == Wrong::Udp && !ip.is_v6 && message.get(6..8)? == [0, 0] {
        return None;
    }
    (sum(ip, wrong, message) != 0).then_some(wrong)
}

/// `None` if the header was cut.
fn header_is_right(ip: &Ip, bytes: &[u8]) -> Option<bool> {
    let start = ip.offset as usize;
    let header = bytes.get(start..start + ip.header_length as usize)?;
    Some(util::checksum(header, ALL) == 0)
}

/// No word is left out of the sum, not even the checksum: then 0 is right.
const ALL: usize = usize::MAX;

fn sum(ip: &Ip, of: Wrong, message: &[u8]) -> u16 {
    let protocol = IpNextHeaderProtocol(ip.protocol);
    match (ip.source, ip.destination) {
        (IpAddr::V4(_), _) if of == Wrong::Icmp => util::checksum(message, ALL),
        (IpAddr::V4(from), IpAddr::V4(to)) => util::ipv4_checksum(
            message,
            ALL,
            &[],
            &from.octets().into(),
            &to.octets().into(),
            protocol,
        ),
        (IpAddr::V6(from), IpAddr::V6(to)) => util::ipv6_checksum(
            message,
            ALL,
            &[],
            &from.octets().into(),
            &to.octets().into(),
            protocol,
        ),
        // Both addresses of a packet are of its version.
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::decode;
    use super::*;
    use crate::capfile::LinkType;

    fn judged(link: LinkType, bytes: &[u8]) -> Option<Wrong> {
        let length = u32::try_from(bytes.len()).unwrap();
        wrong(&decode(link, bytes, length), bytes)
    }

    /// An IPv4 packet with a right header.
    fn v4(protocol: u8, message: &[u8]) -> Vec<u8> {
        let length = u16::try_from(20 + message.len()).unwrap();
        let mut packet = vec![0x45, 0];
        packet.extend(length.to_be_bytes());
        packet.extend([0, 1, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        let sum = util::checksum(&packet, 5);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        packet.extend_from_slice(message);
        packet
    }

    /// From RFC 1071's method by hand: ports 1000 and 2000, 4 bytes of data.
    fn udp(checksum: u16) -> Vec<u8> {
        let mut message = vec![0x03, 0xe8, 0x07, 0xd0, 0, 12];
        message.extend(checksum.to_be_bytes());
        message.extend(b"abcd");
        message
    }

    #[test]
    fn a_right_checksum_is_silent_and_one_bit_makes_it_wrong() {
        // 0a00+0001+0a00+0002+0011+000c+03e8+07d0+000c+6162+6364 = e4aa, complement 1b55.
        let right = v4(17, &udp(0x1b55));
        assert_eq!(judged(LinkType::IPV4, &right), None);
        assert_eq!(
            judged(LinkType::IPV4, &v4(17, &udp(0x1b54))),
            Some(Wrong::Udp)
        );
        assert_eq!(
            judged(LinkType::IPV4, &v4(17, &udp(0))),
            None,
            "there is none"
        );
        for at in 28..32 {
            let mut changed = right.clone();
            changed[at] ^= 0x10;
            assert_eq!(judged(LinkType::IPV4, &changed), Some(Wrong::Udp));
        }
        let mut header = right.clone();
        header[8] = 63;
        assert_eq!(judged(LinkType::IPV4, &header), Some(Wrong::Ip));
    }

    #[test]
    fn what_was_cut_is_not_judged_and_no_bytes_make_it_panic() {
        let whole = v4(17, &udp(0x1b54));
        for end in 0..whole.len() {
            let decoded = decode(LinkType::IPV4, &whole[..end], 32);
            assert_eq!(wrong(&decoded, &whole[..end]), None, "{end}");
        }
        let mut icmp = v4(1, &[8, 0, 0xf7, 0xfd, 0, 1, 0, 1]);
        assert_eq!(judged(LinkType::IPV4, &icmp), None);
        icmp[22] ^= 1;
        assert_eq!(judged(LinkType::IPV4, &icmp), Some(Wrong::Icmp));
        assert_eq!(judged(LinkType::IPV4, &[]), None);
    }
}
