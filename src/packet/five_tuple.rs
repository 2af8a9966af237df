//! The addresses and ports of a TCP or UDP packet, for callers that need nothing else of a frame.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::decode::{decode, is_tunnel};
use super::ip::protocol;
use super::link::ethertype;
use super::record::{Network, Transport};
use super::tcp::flag;
use crate::capfile::LinkType;

/// Protocol and ends of a packet, from its sender's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FiveTuple {
    /// `IPPROTO_*`.
    pub protocol: u8,
    /// Who sent it.
    pub source: SocketAddr,
    /// Who receives it.
    pub destination: SocketAddr,
    /// Whether it begins a TCP connection: a SYN without ACK.
    pub begins: bool,
}

/// Those of the innermost packet of a frame, if that is TCP or UDP.
pub fn five_tuple(link_type: LinkType, frame: &[u8], wire_length: u32) -> Option<FiveTuple> {
    plain(link_type, frame).or_else(|| decoded(link_type, frame, wire_length))
}

/// Read from where they are in nearly every frame that a live capture sees: Ethernet or a cooked header, then an IP header
/// without options or extensions. A fifth of the time that [`decode()`] takes, and none of its checks.
#[inline]
fn plain(link_type: LinkType, frame: &[u8]) -> Option<FiveTuple> {
    let (ethertype, packet) = match link_type {
        LinkType::ETHERNET => (frame.get(12..14)?, frame.get(14..)?),
        LinkType::LINUX_SLL2 => (frame.get(..2)?, frame.get(20..)?),
        _ => return None,
    };
    let (number, source, destination, rest): (u8, IpAddr, IpAddr, &[u8]) =
        match u16::from_be_bytes(ethertype.try_into().ok()?) {
            ethertype::IPV4 => {
                let header: &[u8; 20] = packet.first_chunk()?;
                let is_fragment = u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0;
                if header[0] != 0x45 || is_fragment {
                    return None;
                }
                let address = |at: usize| {
                    let octets: [u8; 4] = header[at..at + 4].try_into().ok()?;
                    Some(Ipv4Addr::from(octets).into())
                };
                (header[9], address(12)?, address(16)?, &packet[20..])
            }
            ethertype::IPV6 => {
                let header: &[u8; 40] = packet.first_chunk()?;
                if header[0] >> 4 != 6 {
                    return None;
                }
                let address = |at: usize| {
                    let octets: [u8; 16] = header[at..at + 16].try_into().ok()?;
                    Some(Ipv6Addr::from(octets).into())
                };
                (header[6], address(8)?, address(24)?, &packet[40..])
            }
            _ => return None,
        };
    let begins = match number {
        protocol::TCP => is_first(u16::from(*rest.get(13)?)),
        protocol::UDP => false,
        _ => return None,
    };
    let ports: &[u8; 4] = rest.first_chunk()?;
    let [from, to] = [[ports[0], ports[1]], [ports[2], ports[3]]].map(u16::from_be_bytes);
    if number == protocol::UDP && (is_tunnel(from) || is_tunnel(to)) {
        return None;
    }
    Some(FiveTuple {
        protocol: number,
        source: SocketAddr::new(source, from),
        destination: SocketAddr::new(destination, to),
        begins,
    })
}

fn is_first(flags: u16) -> bool {
    flags & (flag::SYN | flag::ACK) == flag::SYN
}

#[cold]
fn decoded(link_type: LinkType, frame: &[u8], wire_length: u32) -> Option<FiveTuple> {
    let decoded = decode(link_type, frame, wire_length);
    let layers = decoded.innermost();
    let Network::Ip(ip) = &layers.network else {
        return None;
    };
    let (source, destination, begins) = match &layers.transport {
        Transport::Tcp(tcp) => (tcp.source, tcp.destination, is_first(tcp.flags)),
        Transport::Udp(udp) => (udp.source, udp.destination, false),
        _ => return None,
    };
    Some(FiveTuple {
        protocol: ip.protocol,
        source: SocketAddr::new(ip.source, source),
        destination: SocketAddr::new(ip.destination, destination),
        begins,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::capfile::SliceReader;

    macro_rules! captures {
        ($($name:literal),*) => {
            [$(include_bytes!(concat!("../../tests/data/captures/", $name, ".pcap")).as_slice()),*]
        };
    }

    /// Recorded frames: plain ones, tunnels, fragments, what is not IP.
    const CAPTURES: [&[u8]; 12] = captures![
        "tcp-limits",
        "app-pieces",
        "udp-icmp-arp",
        "ip-fragments",
        "icmpv6",
        "routing-loop",
        "http-bodies",
        "vxlan",
        "ip-in-ip",
        "mpls",
        "gtp",
        "wifi"
    ];

    /// Where the short way answers and the long one does, they say the same. Returns whether the short one answered.
    fn agree(link_type: LinkType, frame: &[u8], wire_length: u32) -> bool {
        let short = plain(link_type, frame);
        if let (Some(short), Some(long)) = (short, decoded(link_type, frame, wire_length)) {
            assert_eq!(short, long, "{frame:02x?}");
        }
        short.is_some()
    }

    #[test]
    fn the_short_way_says_what_the_decoder_says_of_every_recorded_frame() {
        let (mut answered, mut frames) = (0, 0);
        for file in CAPTURES {
            let mut reader = SliceReader::new(file);
            while let Ok(Some(frame)) = reader.next_frame() {
                frames += 1;
                answered += u32::from(agree(frame.link, frame.data, frame.original_len));
            }
        }
        assert!(
            answered > 500 && answered < frames,
            "{answered} of {frames}"
        );
    }

    #[test]
    fn what_is_not_plain_is_left_to_the_decoder() {
        let ethernet =
            |ethertype: [u8; 2], packet: &[u8]| [&[0; 12][..], &ethertype, packet].concat();
        let mut packet = [
            0x45, 0, 0, 40, 0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 2, 0, 7, 0x12, 0xb5,
            0, 20, 0, 0,
        ];
        let tunnel = ethernet([8, 0], &packet);
        assert_eq!(plain(LinkType::ETHERNET, &tunnel), None);
        packet[23] = 8;
        let plain_one = plain(LinkType::ETHERNET, &ethernet([8, 0], &packet)).unwrap();
        assert_eq!(plain_one.destination.port(), 0x1208);
        packet[6] = 0x20;
        let fragment = ethernet([8, 0], &packet);
        assert_eq!(plain(LinkType::ETHERNET, &fragment), None);
        let tagged = ethernet([0x81, 0], &packet);
        assert_eq!(plain(LinkType::ETHERNET, &tagged), None);
        assert_eq!(plain(LinkType::RAW, &packet), None);
    }

    proptest! {
        #[test]
        fn hostile_frames_do_not_tell_the_two_ways_apart(
            is_v6: bool,
            is_cooked: bool,
            is_tcp: bool,
            mut packet in prop::collection::vec(any::<u8>(), 0..80),
            wire_length in 0..200_u32,
        ) {
            let version = if is_v6 { 0x60 } else { 0x45 };
            let number = if is_tcp { protocol::TCP } else { protocol::UDP };
            for (at, byte) in [(0, version), (if is_v6 { 6 } else { 9 }, number)] {
                if let Some(place) = packet.get_mut(at) {
                    *place = byte;
                }
            }
            let ethertype = if is_v6 { ethertype::IPV6 } else { ethertype::IPV4 }.to_be_bytes();
            let (link_type, head) = if is_cooked {
                (LinkType::LINUX_SLL2, [&ethertype[..], &[0; 18]].concat())
            } else {
                (LinkType::ETHERNET, [&[0; 12][..], &ethertype].concat())
            };
            agree(link_type, &[head, packet].concat(), wire_length);
        }
    }
}
