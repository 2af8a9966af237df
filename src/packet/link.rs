//! Link types: where in a frame the network layer begins, which it is, and the headers in front of it.
//!
//! A new link type is one row in [`LinkType::name`], one arm in `read`, and one capture with its expected
//! output. A header that stands in front of others is one arm in `open`.

use pnet::packet::Packet as _;
use pnet::packet::ethernet::{EtherTypes, EthernetPacket};
use pnet::packet::vlan::VlanPacket;

use super::record::{Between, Link, Passed, Tags};
use super::{Layer, Malformed, at_least, erspan, frame_relay, llc, mpls, nflog, ppp, tags, wifi};
use crate::capfile::LinkType;

/// EtherTypes (IEEE, "EtherType public listing") that are looked for.
pub mod ethertype {
    use pnet::packet::ethernet::EtherTypes;

    /// IPv4.
    pub const IPV4: u16 = EtherTypes::Ipv4.0;
    /// ARP.
    pub const ARP: u16 = EtherTypes::Arp.0;
    /// RARP, whose messages are ARP's (RFC 903).
    pub const RARP: u16 = EtherTypes::Rarp.0;
    /// IPv6.
    pub const IPV6: u16 = EtherTypes::Ipv6.0;
    /// A VLAN tag (IEEE 802.1Q).
    pub const VLAN: u16 = EtherTypes::Vlan.0;
    /// Ethernet in something else, as GRE carries it.
    pub const TRANSPARENT_ETHERNET: u16 = 0x6558;
    /// PPP over Ethernet, its session stage.
    pub const PPPOE_SESSION: u16 = EtherTypes::PppoeSession.0;
    /// MPLS (RFC 5332).
    pub const MPLS: u16 = EtherTypes::Mpls.0;
    /// MPLS whose labels the sender assigned.
    pub const MPLS_MULTICAST: u16 = EtherTypes::MplsMcast.0;
    /// PPP in GRE (RFC 2637).
    pub const PPP: u16 = 0x880b;
    /// ERSPAN of types I and II in GRE.
    pub const ERSPAN: u16 = 0x88be;
    /// ERSPAN of type III in GRE.
    pub const ERSPAN_3: u16 = 0x22eb;
    /// A timestamp of switches made by Arista.
    pub const ARISTA: u16 = 0xd28b;
    /// The network service header (RFC 8300).
    pub const NSH: u16 = 0x894f;
    /// MACsec (IEEE 802.1AE).
    pub const MACSEC: u16 = 0x88e5;
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
    pub(super) passed: Passed,
}

impl Head {
    pub(super) fn plain(ethertype: u16, offset: usize) -> Head {
        Head {
            link: Link::None,
            tags: Tags::default(),
            ethertype,
            offset,
            passed: Passed::default(),
        }
    }
}

/// Reads the link layer, and the headers between it and the network layer. If one of those is cut, what is in front of it
/// is there all the same.
#[inline]
pub(super) fn read(
    link_type: LinkType,
    frame: &[u8],
) -> Result<(Head, Option<Malformed>), Malformed> {
    let mut head = match link_type {
        LinkType::ETHERNET => Head {
            link: Link::Ethernet,
            ..ethernet(frame, 0)?
        },
        LinkType::NULL | LinkType::LOOP => Head::plain(of_family(family(frame)?), 4),
        LinkType::RAW => {
            let first = at_least(frame, 0, 1, Layer::Raw)?[0];
            Head::plain(of_version(first >> 4), 0)
        }
        LinkType::IPV4 => Head::plain(ethertype::IPV4, 0),
        LinkType::IPV6 => Head::plain(ethertype::IPV6, 0),
        LinkType::LINUX_SLL => cooked(frame)?,
        LinkType::LINUX_SLL2 => cooked_2(frame)?,
        _ => rare(link_type, frame)?,
    };
    if !matches!(
        head.ethertype,
        ethertype::IPV4 | ethertype::IPV6 | ethertype::ARP | 0
    ) {
        let opened = open(frame, &mut head);
        return Ok((head, opened.err()));
    }
    Ok((head, None))
}

fn rare(link_type: LinkType, frame: &[u8]) -> Result<Head, Malformed> {
    match link_type {
        LinkType::C_HDLC => cisco(frame),
        LinkType::PPP | LinkType::PPP_SERIAL if ppp::is_cisco(frame) => cisco(frame),
        LinkType::PPP | LinkType::PPP_SERIAL => Ok(of_ppp(ppp::read(frame, 0)?)),
        LinkType::PPP_PPPD | LinkType::PPP_WITH_DIR => Ok(of_ppp(ppp::read(frame, 1)?)),
        LinkType::PPP_ETHER => Ok(Head::plain(ethertype::PPPOE_SESSION, 0)),
        LinkType::NFLOG => {
            let logged = nflog::read(frame)?;
            Ok(Head::plain(
                logged.ethertype,
                logged.packet.start.min(frame.len()),
            ))
        }
        LinkType::FRAME_RELAY => {
            let (ethertype, offset) = frame_relay::read(frame)?;
            Ok(Head::plain(ethertype, offset))
        }
        LinkType::IPNET => solaris(frame),
        LinkType::IP_OVER_INFINIBAND => infiniband(frame),
        LinkType::IEEE802_11 => wireless(frame, 0, false),
        LinkType::IEEE802_11_RADIOTAP => {
            let radiotap = wifi::Radiotap::read(frame)?;
            let is_padded = radiotap.flags & wifi::Radiotap::IS_PADDED != 0;
            wireless(frame, radiotap.length, is_padded)
        }
        _ => Ok(Head::plain(0, 0)),
    }
}

fn of_ppp(header: ppp::Header) -> Head {
    Head::plain(header.ethertype().unwrap_or(0), header.payload)
}

fn cisco(frame: &[u8]) -> Result<Head, Malformed> {
    let (mut ethertype, offset) = ppp::cisco(frame)?;
    // The number of RARP stands for SLARP there (RFC 1547 section 4.3.3).
    if ethertype == ethertype::RARP {
        ethertype = 0;
    }
    Ok(Head::plain(ethertype, offset))
}

/// LINKTYPE_IPNET: version, family, and 22 bytes more (Solaris, `<sys/dlpi.h>`, `dl_ipnetinfo_t`).
fn solaris(frame: &[u8]) -> Result<Head, Malformed> {
    const HEADER: usize = 24;
    const INET: u8 = 2;
    const INET6: u8 = 26;
    let bytes = at_least(frame, 0, HEADER, Layer::Raw)?;
    let ethertype = match bytes[1] {
        INET => ethertype::IPV4,
        INET6 => ethertype::IPV6,
        _ => 0,
    };
    Ok(Head::plain(ethertype, HEADER))
}

/// LINKTYPE_IPOIB: a global routing header, then an `EtherType` and two reserved bytes (RFC 4391 section 6).
fn infiniband(frame: &[u8]) -> Result<Head, Malformed> {
    const ROUTING: usize = 40;
    const HEADER: usize = 44;
    let bytes = at_least(frame, 0, HEADER, Layer::Raw)?;
    let ethertype = u16::from_be_bytes([bytes[ROUTING], bytes[ROUTING + 1]]);
    Ok(Head::plain(ethertype, HEADER))
}

fn wireless(frame: &[u8], offset: usize, is_padded: bool) -> Result<Head, Malformed> {
    let (header, llc) = wifi::read(frame, offset, is_padded)?;
    let small = |at: usize| u32::try_from(at).unwrap_or(0);
    let place = |address: usize| {
        if address == 0 {
            0
        } else {
            small(offset + address)
        }
    };
    let mut head = Head::plain(0, llc.unwrap_or(offset));
    head.link = Link::Wifi {
        header: small(offset),
        source: place(header.source),
        destination: place(header.destination),
    };
    if llc.is_some() {
        control(frame, &mut head);
    }
    Ok(head)
}

/// Headers in front of the network layer that are opened, tags and labels one by one.
const MOST_HEADERS: usize = 32;

/// Walks over what stands in front of the network layer. What is not known keeps its `EtherType` and its place.
#[cold]
pub(super) fn open(frame: &[u8], head: &mut Head) -> Result<(), Malformed> {
    for _ in 0..MOST_HEADERS {
        let before = head.offset;
        match head.ethertype {
            0 | ethertype::IPV4 | ethertype::IPV6 | ethertype::ARP => return Ok(()),
            length if length < ethertype::LOWEST => control(frame, head),
            kind if is_tag(kind) => tag(frame, head)?,
            ethertype::PPPOE_SESSION => session(frame, head)?,
            ethertype::MPLS | ethertype::MPLS_MULTICAST => label(frame, head)?,
            ethertype::TRANSPARENT_ETHERNET => inner_ethernet(frame, head)?,
            ethertype::PPP => {
                let inside = of_ppp(ppp::read(frame, head.offset)?);
                if inside.ethertype != 0 {
                    (head.ethertype, head.offset) = (inside.ethertype, inside.offset);
                }
            }
            ethertype::ERSPAN | ethertype::ERSPAN_3 => mirrored(frame, head)?,
            kind @ (ethertype::ARISTA | ethertype::NSH | ethertype::MACSEC) => {
                let rest = frame.get(head.offset..).unwrap_or_default();
                let Some((inside, length)) = tags::inside(kind, rest) else {
                    return Ok(());
                };
                (head.ethertype, head.offset) = (inside, head.offset + length);
            }
            _ => return Ok(()),
        }
        if head.offset == before {
            return Ok(());
        }
    }
    Ok(())
}

/// LLC, where an `EtherType` would be if the number were not a length.
fn control(frame: &[u8], head: &mut Head) {
    let rest = frame.get(head.offset..).unwrap_or_default();
    let carried = llc::Header::read(rest).and_then(|header| header.carried());
    let (ethertype, length) = carried.unwrap_or((0, 0));
    (head.ethertype, head.offset) = (ethertype, head.offset + length);
}

/// PPP over Ethernet. What is not IP keeps its `EtherType`.
fn session(frame: &[u8], head: &mut Head) -> Result<(), Malformed> {
    let (session, inside) = ppp::session(frame, head.offset)?;
    if let Some(ppp) = inside
        && let Some(ethertype) = ppp.ethertype()
    {
        head.passed
            .add(Between::Pppoe, head.offset, u32::from(session));
        (head.ethertype, head.offset) = (ethertype, ppp.payload);
    }
    Ok(())
}

fn label(frame: &[u8], head: &mut Head) -> Result<(), Malformed> {
    let label = mpls::read(frame, head.offset)?;
    let after = head.offset + mpls::LABEL;
    if !label.is_bottom {
        at_least(frame, after, mpls::LABEL, Layer::Mpls)?;
    }
    let payload = if label.is_bottom {
        mpls::payload(frame.get(after..).unwrap_or_default())
    } else {
        mpls::Payload::Ethertype(head.ethertype)
    };
    let (ethertype, offset) = match payload {
        mpls::Payload::Ethertype(ethertype) => (ethertype, after),
        mpls::Payload::Ethernet(more) => (ethertype::TRANSPARENT_ETHERNET, after + more),
        mpls::Payload::Unknown => return Ok(()),
    };
    head.passed.add(Between::Mpls, head.offset, label.label);
    (head.ethertype, head.offset) = (ethertype, offset);
    Ok(())
}

fn inner_ethernet(frame: &[u8], head: &mut Head) -> Result<(), Malformed> {
    let inside = ethernet(frame, head.offset)?;
    head.passed.add(Between::Ethernet, head.offset, 0);
    (head.ethertype, head.offset) = (inside.ethertype, inside.offset);
    Ok(())
}

fn mirrored(frame: &[u8], head: &mut Head) -> Result<(), Malformed> {
    let Some(header) = erspan::read(frame, head.offset)? else {
        return Ok(());
    };
    head.passed
        .add(Between::Erspan, head.offset, u32::from(header.session));
    head.ethertype = ethertype::TRANSPARENT_ETHERNET;
    head.offset += header.length;
    Ok(())
}

/// Ethernet (IEEE 802.3 clause 3) at `start` in a frame: its type or length, which is never 0 then.
#[inline]
fn ethernet(frame: &[u8], start: usize) -> Result<Head, Malformed> {
    const HEADER: usize = 14;
    let bytes = at_least(frame, start, HEADER, Layer::Ethernet)?;
    let ethertype = EthernetPacket::new(bytes).map_or(0, |view| view.get_ethertype().0);
    Ok(Head::plain(ethertype, start + HEADER))
}

fn is_tag(ethertype: u16) -> bool {
    // 802.1Q, 802.1ad, and what was used for outer tags before that had its number.
    ethertype == EtherTypes::Vlan.0
        || ethertype == EtherTypes::PBridge.0
        || ethertype == EtherTypes::QinQ.0
}

/// Takes off a VLAN tag (IEEE 802.1Q clause 9).
fn tag(frame: &[u8], head: &mut Head) -> Result<(), Malformed> {
    let bytes = at_least(frame, head.offset, 4, Layer::Vlan)?;
    let Some(view) = VlanPacket::new(bytes) else {
        return Ok(());
    };
    let control = u16::from_be_bytes([view.packet()[0], view.packet()[1]]);
    // Those inside of a tunnel are not the frame's.
    if head.passed.count == 0 {
        if let Some(kept) = head.tags.kept.get_mut(usize::from(head.tags.count)) {
            *kept = control;
        }
        head.tags.count = head.tags.count.saturating_add(1);
    }
    head.ethertype = view.get_ethertype().0;
    head.offset += 4;
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
    Ok(cooked_head(
        word(0),
        word(2),
        (6, word(4)),
        word(14),
        HEADER,
    ))
}

/// LINKTYPE_LINUX_SLL2: EtherType, 2 reserved bytes, interface, ARPHRD, direction, address.
fn cooked_2(frame: &[u8]) -> Result<Head, Malformed> {
    const HEADER: usize = 20;
    let bytes = at_least(frame, 0, HEADER, Layer::Cooked)?;
    let word = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    let direction = u16::from(bytes[10]);
    let length = u16::from(bytes[11]);
    Ok(cooked_head(
        direction,
        word(8),
        (12, length),
        word(0),
        HEADER,
    ))
}

fn cooked_head(
    direction: u16,
    arphrd: u16,
    (address, length): (u32, u16),
    ethertype: u16,
    offset: usize,
) -> Head {
    /// `LINUX_SLL_P_802_2`: LLC follows. Other small numbers say that something else does.
    const LLC: u16 = 4;
    let is_known = has_ethertype(arphrd) && (ethertype >= ethertype::LOWEST || ethertype == LLC);
    Head {
        link: Link::Cooked {
            direction,
            address,
            length: u8::try_from(length.min(8)).unwrap_or(8),
        },
        ..Head::plain(if is_known { ethertype } else { 0 }, offset)
    }
}
