//! Frames of which something was not decoded, so that nothing can be said of what they hold.

use crate::capfile::LinkType;
use crate::packet::gre;
use crate::packet::ip::protocol;
use crate::packet::record::{Network, Transport, Udp};
use crate::packet::{Decoded, link::ethertype};

/// What was not decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// Frames of this link type.
    Link(LinkType),
    /// What this `EtherType` stands for.
    Ethertype(u16),
    /// The same in GRE.
    Gre(u16),
    /// A tunnel over UDP.
    Tunnel(&'static str),
}

impl Unread {
    /// What was not decoded of a frame, if there is such a thing.
    #[inline]
    pub(super) fn of(decoded: &Decoded, bytes: &[u8]) -> Option<Unread> {
        let layers = decoded.innermost();
        match (&layers.network, &layers.transport) {
            (Network::None | Network::Other { .. }, _) if decoded.malformed.is_none() => {
                Some(match decoded.ethertype {
                    0 => Unread::Link(decoded.link_type),
                    ethertype => Unread::Ethertype(ethertype),
                })
            }
            (Network::Ip(_), Transport::Udp(udp)) => tunnel(udp, bytes).map(Unread::Tunnel),
            (Network::Ip(ip), Transport::Other(span)) if ip.protocol == protocol::GRE => {
                // A keep-alive carries nothing.
                let carried = gre::carried(span.of(bytes)).filter(|carried| *carried != 0)?;
                let is_known = matches!(carried, ethertype::IPV4 | ethertype::IPV6);
                (!is_known).then_some(Unread::Gre(carried))
            }
            _ => None,
        }
    }
}

/// The tunnel that a datagram belongs to: by its port (IANA, "Service Name and Transport Protocol Port Number Registry")
/// and the first bytes of its header.
#[inline]
fn tunnel(udp: &Udp, bytes: &[u8]) -> Option<&'static str> {
    const VXLAN: u16 = 4789;
    /// Linux used this one before.
    const VXLAN_OLD: u16 = 8472;
    const GENEVE: u16 = 6081;
    const GTP_U: u16 = 2152;
    if !matches!(udp.destination, VXLAN | VXLAN_OLD | GENEVE | GTP_U) {
        return None;
    }
    let header = udp.payload.of(bytes).first_chunk::<8>()?;
    match (udp.destination, header) {
        // RFC 7348 section 5, and what extends it: the flag I is set, and the last byte is 0.
        (VXLAN | VXLAN_OLD, [flags, .., 0]) if flags & 0x78 == 0x08 => Some("VXLAN"),
        // RFC 8926 section 3.4: version 0, and Ethernet or IP inside.
        (GENEVE, [0..0x40, _, 0x65, 0x58, ..] | [0..0x40, _, 0x08, 0x00, ..]) => Some("Geneve"),
        // 3GPP TS 29.281 section 5.1: version 1, protocol type 1, G-PDU.
        (GTP_U, [0x30..0x40, 0xff, ..]) => Some("GTP-U"),
        _ => None,
    }
}
