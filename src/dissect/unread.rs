//! Frames of which something was not decoded, so that nothing can be said of what they hold.

use crate::capfile::LinkType;
use crate::packet::ip::protocol;
use crate::packet::record::{Link, Network, Transport, Udp};
use crate::packet::{Decoded, geneve, gre, gtp, link::ethertype, vxlan, wifi};

/// What was not decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// Frames of this link type.
    Link(LinkType),
    /// What this `EtherType` stands for.
    Ethertype(u16),
    /// The same in GRE.
    Gre(u16),
    /// A protocol over IP.
    Protocol(u8),
    /// A tunnel over UDP.
    Tunnel(&'static str),
}

impl Unread {
    /// What was not decoded of a frame, if there is such a thing.
    #[inline]
    pub(super) fn of(decoded: &Decoded, bytes: &[u8]) -> Option<Unread> {
        let layers = decoded.innermost();
        match (&layers.network, &layers.transport) {
            (Network::Other { offset }, _) if is_wireless(decoded, *offset) => {
                // Frames that hold no data are not missed; what does is encrypted or in several pieces.
                let header = wifi::Header::read(bytes, *offset as usize).ok()?;
                header.has_data().then_some(Unread::Link(decoded.link_type))
            }
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
            (Network::Ip(ip), Transport::Other(_)) if ip.protocol != protocol::NO_NEXT_HEADER => {
                Some(Unread::Protocol(ip.protocol))
            }
            _ => None,
        }
    }
}

/// Whether an 802.11 header begins here, after which nothing was read.
fn is_wireless(decoded: &Decoded, offset: u32) -> bool {
    matches!(decoded.link, Link::Wifi { header, .. } if header == offset)
}

/// The tunnel that a datagram belongs to, if what it carries was not read: by its port and the first bytes of its header.
#[inline]
fn tunnel(udp: &Udp, bytes: &[u8]) -> Option<&'static str> {
    let port = udp.destination;
    if !matches!(
        port,
        vxlan::PORT | vxlan::OLD_PORT | vxlan::GPE_PORT | geneve::PORT | gtp::PORT
    ) {
        return None;
    }
    let payload = udp.payload.of(bytes);
    match port {
        geneve::PORT => geneve::read(payload).map(|_| "Geneve"),
        gtp::PORT => gtp::read(payload).map(|_| "GTP-U"),
        port => vxlan::read(port, payload).map(|_| "VXLAN"),
    }
}
