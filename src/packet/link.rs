//! Link types: where in a frame the network layer begins, and which it is.
//!
//! A new link type is one row in [`LinkType::name`], one arm in `read`, and one capture with its expected
//! output.

use pnet::packet::Packet as _;
use pnet::packet::ethernet::{EtherTypes, EthernetPacket};
use pnet::packet::vlan::VlanPacket;

use super::record::{Link, Tags};
use super::{Layer, Malformed, at_least};
use crate::capfile::LinkType;

/// EtherTypes (IEEE, "EtherType public listing") that are looked for.
pub mod ethertype {
    use pnet::packet::ethernet::EtherTypes;

    /// IPv4.
    pub const IPV4: u16 = EtherTypes::Ipv4.0;
    /// ARP.
    pub const ARP: u16 = EtherTypes::Arp.0;
    /// IPv6.
    pub const IPV6: u16 = EtherTypes::Ipv6.0;
    /// Ethernet in something else, as GRE carries it.
    pub const TRANSPARENT_ETHERNET: u16 = 0x6558;
    /// PPP over Ethernet, its session stage.
    pub const PPPOE_SESSION: u16 = EtherTypes::PppoeSession.0;
    /// Lower numbers are the length of an IEEE 802.3 frame.
    pub const LOWEST: u16 = 0x0600;
}

/// What the link layer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) link: Link,
    pub(super) tags: Tags,
    /// 0 when nothing is known of it.
    pub(super) ethertype: u16,
    /// Where the network layer begins.
    pub(super) offset: usize,
}

impl Head {
    fn plain(ethertype: u16, offset: usize) -> Head {
        Head {
            link: Link::None,
            tags: Tags::default(),
            ethertype,
            offset,
        }
    }
}

/// Reads the link layer.
#[inline]
pub(super) fn read(link_type: LinkType, frame: &[u8]) -> Result<Head, Malformed> {
    match link_type {
        LinkType::ETHERNET => ethernet(frame, 0),
        LinkType::NULL | LinkType::LOOP => Ok(Head::plain(of_family(family(frame)?), 4)),
        LinkType::RAW => {
            let first = at_least(frame, 0, 1, Layer::Raw)?[0];
            Ok(Head::plain(of_version(first >> 4), 0))
        }
        LinkType::IPV4 => Ok(Head::plain(ethertype::IPV4, 0)),
        LinkType::IPV6 => Ok(Head::plain(ethertype::IPV6, 0)),
        LinkType::LINUX_SLL => cooked(frame),
        LinkType::LINUX_SLL2 => cooked_2(frame),
        LinkType::PPP => ppp(frame),
        _ => Ok(Head::plain(0, 0)),
    }
}

/// Ethernet (IEEE 802.3 clause 3): at `start` in a frame, for Ethernet that a tunnel carries.
#[inline]
pub(super) fn ethernet(frame: &[u8], start: usize) -> Result<Head, Malformed> {
    const HEADER: usize = 14;
    let bytes = at_least(frame, start, HEADER, Layer::Ethernet)?;
    let ethertype = EthernetPacket::new(bytes).map_or(0, |view| view.get_ethertype().0);
    let mut head = Head {
        link: Link::Ethernet,
        tags: Tags::default(),
        ethertype,
        offset: start + HEADER,
    };
    untag(frame, &mut head)?;
    if head.ethertype < ethertype::LOWEST {
        head.ethertype = 0;
    }
    Ok(head)
}

/// Takes off VLAN tags (IEEE 802.1Q clause 9): each is 4 bytes, so this ends.
#[inline]
fn untag(frame: &[u8], head: &mut Head) -> Result<(), Malformed> {
    let is_tag = |ethertype: u16| {
        // 802.1Q, 802.1ad, and what was used for outer tags before that had its number.
        ethertype == EtherTypes::Vlan.0
            || ethertype == EtherTypes::PBridge.0
            || ethertype == EtherTypes::QinQ.0
    };
    while is_tag(head.ethertype) {
        let bytes = at_least(frame, head.offset, 4, Layer::Vlan)?;
        let Some(view) = VlanPacket::new(bytes) else {
            break;
        };
        let control = u16::from_be_bytes([view.packet()[0], view.packet()[1]]);
        if let Some(kept) = head.tags.kept.get_mut(usize::from(head.tags.count)) {
            *kept = control;
        }
        head.tags.count = head.tags.count.saturating_add(1);
        head.ethertype = view.get_ethertype().0;
        head.offset += 4;
    }
    if head.ethertype == ethertype::PPPOE_SESSION {
        session(frame, head)?;
    }
    Ok(())
}

/// PPPoE (RFC 2516 section 4): version and type, code, session, length; then PPP. What is not IP keeps its `EtherType`.
#[cold]
fn session(frame: &[u8], head: &mut Head) -> Result<(), Malformed> {
    const HEADER: usize = 6;
    let is_data = at_least(frame, head.offset, HEADER, Layer::Pppoe)?.starts_with(&[0x11, 0]);
    let (protocol, offset) = ppp_protocol(frame, head.offset + HEADER)?;
    if let (true, Some(ethertype)) = (is_data, of_ppp(protocol)) {
        (head.ethertype, head.offset) = (ethertype, offset);
    }
    Ok(())
}

fn family(frame: &[u8]) -> Result<u32, Malformed> {
    let bytes = at_least(frame, 0, 4, Layer::Loopback)?;
    Ok(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

/// The address families of the systems that write these link types; IPv6 has one on each.
fn of_family(family: u32) -> u16 {
    // No family is above 255: written by a machine of the other byte order it is in the top byte.
    let is_swapped = family.trailing_zeros() >= 24;
    let family = if is_swapped { family >> 24 } else { family };
    match family {
        2 => ethertype::IPV4,
        10 | 24 | 28 | 30 => ethertype::IPV6,
        _ => 0,
    }
}

fn of_version(version: u8) -> u16 {
    match version {
        4 => ethertype::IPV4,
        6 => ethertype::IPV6,
        _ => 0,
    }
}

/// ARPHRD_NETLINK and its like: the field of the EtherType holds something else.
fn has_ethertype(arphrd: u16) -> bool {
    const NETLINK: u16 = 824;
    arphrd != NETLINK
}

/// LINKTYPE_LINUX_SLL: direction, ARPHRD, address length, 8 bytes of address, EtherType.
fn cooked(frame: &[u8]) -> Result<Head, Malformed> {
    const HEADER: usize = 16;
    let bytes = at_least(frame, 0, HEADER, Layer::Cooked)?;
    let word = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    cooked_head(frame, word(0), word(2), (6, word(4)), word(14), HEADER)
}

/// LINKTYPE_LINUX_SLL2: EtherType, 2 reserved bytes, interface, ARPHRD, direction, address.
fn cooked_2(frame: &[u8]) -> Result<Head, Malformed> {
    const HEADER: usize = 20;
    let bytes = at_least(frame, 0, HEADER, Layer::Cooked)?;
    let word = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    let direction = u16::from(bytes[10]);
    let length = u16::from(bytes[11]);
    cooked_head(frame, direction, word(8), (12, length), word(0), HEADER)
}

fn cooked_head(
    frame: &[u8],
    direction: u16,
    arphrd: u16,
    (address, length): (u32, u16),
    ethertype: u16,
    offset: usize,
) -> Result<Head, Malformed> {
    let mut head = Head {
        link: Link::Cooked {
            direction,
            address,
            length: u8::try_from(length.min(8)).unwrap_or(8),
        },
        tags: Tags::default(),
        ethertype: if has_ethertype(arphrd) { ethertype } else { 0 },
        offset,
    };
    untag(frame, &mut head)?;
    if head.ethertype < ethertype::LOWEST {
        head.ethertype = 0;
    }
    Ok(head)
}

/// PPP (RFC 1661), with HDLC's address and control (RFC 1662) or without.
fn ppp(frame: &[u8]) -> Result<Head, Malformed> {
    /// HDLC's address of all stations; its control byte follows.
    const ALL_STATIONS: u8 = 0xff;
    let start = if frame.first() == Some(&ALL_STATIONS) {
        2
    } else {
        0
    };
    let (protocol, offset) = ppp_protocol(frame, start)?;
    Ok(Head::plain(of_ppp(protocol).unwrap_or(0), offset))
}

/// The protocol of a PPP frame, and where what it carries begins. RFC 1661 section 6.5: an odd first byte is a
/// compressed protocol field.
fn ppp_protocol(frame: &[u8], start: usize) -> Result<(u16, usize), Malformed> {
    let rest = at_least(frame, start, 1, Layer::Ppp)?;
    if rest[0] & 1 == 1 {
        return Ok((u16::from(rest[0]), start + 1));
    }
    let rest = at_least(frame, start, 2, Layer::Ppp)?;
    Ok((u16::from_be_bytes([rest[0], rest[1]]), start + 2))
}

/// The protocols of PPP (IANA, "PPP DLL Protocol Numbers") that are IP.
fn of_ppp(protocol: u16) -> Option<u16> {
    match protocol {
        0x0021 => Some(ethertype::IPV4),
        0x0057 => Some(ethertype::IPV6),
        _ => None,
    }
}
