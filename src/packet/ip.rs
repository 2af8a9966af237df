//! The head of an IP packet: its addresses, how many hops it had left, and where its payload
//! begins.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use pnet::packet::ipv4::Ipv4Packet;
use pnet::packet::ipv6::Ipv6Packet;

use super::{Layer, Malformed, at_least};

/// Bytes of an IPv4 header without options (RFC 791 section 3.1).
pub const IPV4_HEADER: usize = 20;
/// Bytes of an IPv6 header (RFC 8200 section 3).
pub const IPV6_HEADER: usize = 40;

/// Protocol numbers (IANA, "Assigned Internet Protocol Numbers").
pub mod protocol {
    /// IPv6 Hop-by-Hop Option.
    pub const HOP_BY_HOP: u8 = 0;
    /// ICMP.
    pub const ICMP: u8 = 1;
    /// IPv4 in IP (RFC 2003).
    pub const IPV4: u8 = 4;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// IPv6 in IP (RFC 2473, RFC 4213).
    pub const IPV6: u8 = 41;
    /// Routing Header for IPv6.
    pub const ROUTING: u8 = 43;
    /// Fragment Header for IPv6.
    pub const FRAGMENT: u8 = 44;
    /// Generic Routing Encapsulation (RFC 2784).
    pub const GRE: u8 = 47;
    /// Authentication Header.
    pub const AUTHENTICATION: u8 = 51;
    /// ICMP for IPv6.
    pub const ICMPV6: u8 = 58;
    /// Nothing follows.
    pub const NO_NEXT_HEADER: u8 = 59;
    /// Destination Options for IPv6.
    pub const DESTINATION_OPTIONS: u8 = 60;
    /// Ethernet in IP (RFC 3378).
    pub const ETHER_IP: u8 = 97;
    /// Ethernet (RFC 8986 section 9.1).
    pub const ETHERNET: u8 = 143;
    /// MPLS in IP (RFC 4023).
    pub const MPLS: u8 = 137;
    /// Mobility Header.
    pub const MOBILITY: u8 = 135;
    /// Host Identity Protocol.
    pub const HIP: u8 = 139;
    /// Shim6 Protocol.
    pub const SHIM6: u8 = 140;
}

/// The head of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The sender's address, as the packet claims it.
    pub source: IpAddr,
    /// The receiver's address.
    pub destination: IpAddr,
    /// Time to live of IPv4, hop limit of IPv6.
    pub hop_limit: u8,
    /// What the payload is: of IPv6 what follows the extension headers.
    pub protocol: u8,
    /// Bytes of the header, with its options or extension headers: where the payload begins.
    pub length: usize,
    /// Whether the payload begins here; false in all fragments but the first.
    pub is_first_fragment: bool,
    /// What the fixed header says is next: of IPv4 the same as `protocol`.
    pub next_header: u8,
    /// The fragment that this is, if it is one.
    pub fragment: Option<Fragment>,
    /// Bytes of the packet by its own length field; `None` if that is 0 (segmentation offload, RFC 2675).
    pub total: Option<usize>,
}

/// A fragment of an IP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fragment {
    /// The same in all fragments of a packet.
    pub identification: u32,
    /// Where it belongs, in bytes.
    pub offset: u32,
    /// Others follow it.
    pub more: bool,
}

/// Reads the head of a packet of either version, by the version that it says it has.
///
/// # Errors
/// When a header is cut, or says that it is shorter than it can be.
pub fn parse(bytes: &[u8]) -> Result<Head, Malformed> {
    match read(bytes) {
        Ok((_, Some(malformed))) | Err(malformed) => Err(malformed),
        Ok((head, None)) => Ok(head),
    }
}

/// The same, but what stands in front of an extension header that is cut is not lost with it.
#[inline]
pub(super) fn read(bytes: &[u8]) -> Result<(Head, Option<Malformed>), Malformed> {
    match bytes.first().map(|first| first >> 4) {
        Some(6) => read_v6(bytes),
        _ => Ok((read_v4(bytes)?, None)),
    }
}

#[inline]
fn read_v4(bytes: &[u8]) -> Result<Head, Malformed> {
    let cut = |need, have| Malformed {
        layer: Layer::Ipv4,
        offset: 0,
        need,
        have,
    };
    at_least(bytes, 0, IPV4_HEADER, Layer::Ipv4)?;
    let view = Ipv4Packet::new(bytes).ok_or(cut(IPV4_HEADER, bytes.len()))?;
    let length = usize::from(view.get_header_length()) * 4;
    if view.get_version() != 4 {
        // Another version: of a header of IPv4 nothing is there.
        return Err(cut(IPV4_HEADER, 0));
    }
    if length < IPV4_HEADER {
        return Err(cut(IPV4_HEADER, length));
    }
    at_least(bytes, 0, length, Layer::Ipv4)?;
    let total = usize::from(view.get_total_length());
    // RFC 791 section 3.1: the offset counts in 8 bytes, the lowest flag says that more follow.
    let offset = view.get_fragment_offset();
    let more = view.get_flags() & 1 != 0;
    let protocol = view.get_next_level_protocol().0;
    let next = Ipv4Addr::from(view.get_destination().octets());
    let last = if length > IPV4_HEADER {
        end_of_route(&bytes[IPV4_HEADER..length])
    } else {
        None
    };
    Ok(Head {
        source: Ipv4Addr::from(view.get_source().octets()).into(),
        destination: last.unwrap_or(next).into(),
        hop_limit: view.get_ttl(),
        protocol,
        length,
        is_first_fragment: offset == 0,
        next_header: protocol,
        fragment: (offset != 0 || more).then(|| Fragment {
            identification: u32::from(view.get_identification()),
            offset: u32::from(offset) * 8,
            more,
        }),
        total: Some(total).filter(|total| *total != 0),
    })
}

/// The last address of a source route that is not used up (RFC 791 section 3.1): where the packet goes in the end, which
/// its checksums are about.
#[cold]
fn end_of_route(mut options: &[u8]) -> Option<Ipv4Addr> {
    const END: u8 = 0;
    const NOP: u8 = 1;
    const LOOSE_ROUTE: u8 = 131;
    const STRICT_ROUTE: u8 = 137;
    loop {
        match options {
            [NOP, rest @ ..] => options = rest,
            [LOOSE_ROUTE | STRICT_ROUTE, length, pointer, ..] => {
                let route = options.get(3..usize::from(*length))?;
                // Both count from the option's first byte, which is 1 for the pointer.
                let is_used_up = *pointer < 4 || pointer % 4 != 0 || pointer > length;
                if route.len() % 4 != 0 || is_used_up {
                    return None;
                }
                return route.last_chunk::<4>().map(|last| Ipv4Addr::from(*last));
            }
            [END, ..] | [] | [_] => return None,
            [_, length, ..] => options = options.get(usize::from(*length).max(2)..)?,
        }
    }
}

fn read_v6(bytes: &[u8]) -> Result<(Head, Option<Malformed>), Malformed> {
    at_least(bytes, 0, IPV6_HEADER, Layer::Ipv6)?;
    let view = Ipv6Packet::new(bytes).ok_or(Malformed {
        layer: Layer::Ipv6,
        offset: 0,
        need: IPV6_HEADER,
        have: bytes.len(),
    })?;
    let payload = usize::from(view.get_payload_length());
    let mut head = Head {
        source: Ipv6Addr::from(view.get_source().octets()).into(),
        destination: Ipv6Addr::from(view.get_destination().octets()).into(),
        hop_limit: view.get_hop_limit(),
        protocol: view.get_next_header().0,
        length: IPV6_HEADER,
        is_first_fragment: true,
        next_header: view.get_next_header().0,
        fragment: None,
        total: Some(IPV6_HEADER + payload).filter(|_| payload != 0),
    };
    let malformed = walk_extensions(bytes, &mut head).err();
    Ok((head, malformed))
}

/// Walks over the extension headers. Each is at least 8 bytes long, so this ends.
fn walk_extensions(bytes: &[u8], head: &mut Head) -> Result<(), Malformed> {
    while head.is_first_fragment && is_extension(head.protocol) {
        let rest = at_least(bytes, head.length, 8, Layer::Ipv6Extension)?;
        let length = match head.protocol {
            protocol::FRAGMENT => {
                // RFC 8200 section 4.5: the offset is the upper 13 bits of these two bytes.
                let word = u16::from_be_bytes([rest[2], rest[3]]);
                head.is_first_fragment = word >> 3 == 0;
                let fragment = Fragment {
                    identification: u32::from_be_bytes([rest[4], rest[5], rest[6], rest[7]]),
                    offset: u32::from(word & !7),
                    more: word & 1 != 0,
                };
                // RFC 6946: a packet may carry the header and be whole.
                head.fragment = Some(fragment).filter(|it| it.offset != 0 || it.more);
                8
            }
            // RFC 4302 section 2.2: in units of 4 bytes, less 2.
            protocol::AUTHENTICATION => (usize::from(rest[1]) + 2) * 4,
            // RFC 8200 section 4: in units of 8 bytes, less the first.
            _ => (usize::from(rest[1]) + 1) * 8,
        };
        let extension = at_least(bytes, head.length, length, Layer::Ipv6Extension)?;
        if head.protocol == protocol::ROUTING
            && let Some(last) = final_destination(&extension[..length])
        {
            head.destination = last.into();
        }
        head.protocol = rest[0];
        head.length += length;
    }
    Ok(())
}

/// Where a packet goes that is still on its way from one address of its routing header to the next: the destination of
/// the fixed header is only the next of them.
#[cold]
fn final_destination(routing: &[u8]) -> Option<Ipv6Addr> {
    let &[_, _, kind, segments_left, ..] = routing else {
        return None;
    };
    let address: &[u8; 16] = match kind {
        _ if segments_left == 0 => return None,
        // RFC 2460 section 4.4, RFC 6275 section 6.4: the last one.
        0 | 2 => routing.get(8..)?.last_chunk()?,
        // RFC 8754 section 2: they are in reverse order.
        4 => routing.get(8..)?.first_chunk()?,
        _ => return None,
    };
    Some(Ipv6Addr::from(*address))
}

fn is_extension(protocol: u8) -> bool {
    matches!(
        protocol,
        protocol::HOP_BY_HOP
            | protocol::ROUTING
            | protocol::FRAGMENT
            | protocol::AUTHENTICATION
            | protocol::DESTINATION_OPTIONS
            | protocol::MOBILITY
            | protocol::HIP
            | protocol::SHIM6
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 10.0.0.1 to 10.0.0.2, TTL 61, ICMP, with 4 bytes of options (three NOPs and an end).
    const WITH_OPTIONS: [u8; 24] = [
        0x46, 0, 0, 24, 0, 1, 0x40, 0, 61, 1, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 1, 1, 1, 0,
    ];

    /// `fd00::1` to `fd00::2` with these headers after the fixed one.
    fn v6(next: u8, extensions: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x60, 0, 0, 0, 0, 0, next, 63];
        for last in [1, 2] {
            bytes.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
        }
        bytes.extend(extensions);
        bytes
    }

    #[test]
    fn options_of_ipv4_belong_to_its_header() {
        let head = parse(&WITH_OPTIONS).unwrap();
        assert_eq!(head.source, "10.0.0.1".parse::<IpAddr>().unwrap());
        assert_eq!(head.destination, "10.0.0.2".parse::<IpAddr>().unwrap());
        assert_eq!((head.hop_limit, head.protocol, head.length), (61, 1, 24));
        assert!(head.is_first_fragment);
    }

    #[test]
    fn the_destination_is_the_last_of_a_source_route_that_is_not_used_up() {
        let last = |option: &[u8]| {
            let mut bytes = WITH_OPTIONS[..20].to_vec();
            bytes.extend(option);
            bytes.resize(40, 0);
            bytes[0] = 0x4a;
            parse(&bytes).unwrap().destination.to_string()
        };
        let mut route = [1, 131, 11, 4, 10, 0, 0, 8, 10, 0, 0, 9];
        assert_eq!(last(&route), "10.0.0.9");
        route[3] = 8;
        assert_eq!(last(&route), "10.0.0.9");
        route[3] = 12;
        assert_eq!(last(&route), "10.0.0.2");
        for cut in [&[131, 200, 4][..], &[7, 0, 137], &[148]] {
            assert_eq!(last(cut), "10.0.0.2");
        }
    }

    #[test]
    fn a_header_that_is_cut_or_too_short_says_what_it_needs() {
        let told = |bytes: &[u8]| parse(bytes).map_err(|m| (m.layer, m.offset, m.need, m.have));
        assert_eq!(told(&[]), Err((Layer::Ipv4, 0, 20, 0)));
        assert_eq!(told(&WITH_OPTIONS[..19]), Err((Layer::Ipv4, 0, 20, 19)));
        assert_eq!(told(&WITH_OPTIONS[..22]), Err((Layer::Ipv4, 0, 24, 22)));
        let mut short = WITH_OPTIONS;
        short[0] = 0x44;
        assert_eq!(told(&short), Err((Layer::Ipv4, 0, 20, 16)));
        short[0] = 0x56;
        assert_eq!(told(&short), Err((Layer::Ipv4, 0, 20, 0)));
        assert_eq!(told(&v6(58, &[])[..39]), Err((Layer::Ipv6, 0, 40, 39)));
        let cut = v6(0, &[58, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(told(&cut), Err((Layer::Ipv6Extension, 40, 16, 8)));
    }

    #[test]
    fn the_destination_is_the_last_of_a_routing_header_that_is_not_used_up() {
        let last = |kind, left, count: u8| {
            let mut routing = vec![58, 2 * count, kind, left, 0, 0, 0, 0];
            for number in 1..=count {
                routing.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, number]);
            }
            parse(&v6(43, &routing)).unwrap().destination.to_string()
        };
        assert_eq!(last(0, 1, 2), "fd00::902");
        assert_eq!(last(4, 1, 2), "fd00::901");
        for (kind, left, count) in [(0, 0, 2), (3, 1, 2), (0, 1, 0)] {
            assert_eq!(last(kind, left, count), "fd00::2");
        }
    }

    #[test]
    fn extension_headers_of_ipv6_are_walked_over_in_any_order() {
        let plain = parse(&v6(58, &[])).unwrap();
        assert_eq!((plain.protocol, plain.length), (58, 40));
        assert_eq!(plain.hop_limit, 63);
        let mut chain = vec![43, 0, 0, 0, 0, 0, 0, 0];
        chain.extend([44, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        chain.extend([51, 0, 0, 0, 0, 0, 0, 1]);
        chain.extend([58, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let head = parse(&v6(0, &chain)).unwrap();
        assert_eq!((head.protocol, head.length), (58, 40 + 8 + 16 + 8 + 12));
    }

    #[test]
    fn after_a_later_fragment_no_header_is_looked_for() {
        let head = parse(&v6(44, &[0, 0, 0, 8, 0, 0, 0, 1])).unwrap();
        assert!(!head.is_first_fragment);
        assert_eq!((head.protocol, head.length), (0, 48));
        let mut v4 = WITH_OPTIONS;
        v4[7] = 1;
        assert!(!parse(&v4).unwrap().is_first_fragment);
    }

    proptest! {
        #[test]
        fn whatever_comes_the_payload_begins_within_the_bytes(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            version in prop::sample::select(vec![0x40_u8, 0x45, 0x4f, 0x56, 0x60]),
        ) {
            let mut bytes = bytes;
            if let Some(first) = bytes.first_mut() {
                *first = version;
            }
            match parse(&bytes) {
                Ok(head) => prop_assert!(head.length <= bytes.len()),
                Err(told) => {
                    prop_assert!(told.offset <= bytes.len());
                    prop_assert!(told.have < told.need);
                }
            }
        }
    }
}
