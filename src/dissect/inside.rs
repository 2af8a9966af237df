//! The innermost packet of a frame, and what is in front of it that a filter does not look behind.

use crate::filter::network_offset;
use crate::packet::Decoded;
use crate::packet::ip::protocol;
use crate::packet::link::ethertype;
use crate::packet::record::{Between, Link, Network, Transport};

/// What is in front of the innermost packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behind {
    /// VLAN tags, and nothing else.
    Tags,
    /// The packets of a tunnel (IP in IP, GRE, VXLAN and the like).
    Tunnel,
    /// Extension headers of IPv6.
    Extensions,
    /// A header of `PPPoE`.
    Session,
    /// Labels of MPLS.
    Label,
    /// Something else.
    Header,
}

impl Behind {
    /// All of them, in the order of their counts in [`Unseen`].
    pub const ALL: [Behind; 6] = [
        Behind::Tags,
        Behind::Tunnel,
        Behind::Extensions,
        Behind::Session,
        Behind::Label,
        Behind::Header,
    ];

    /// What a filter stops at in this frame, if it does.
    pub(super) fn of(decoded: &Decoded) -> Option<Behind> {
        if decoded.inner.is_some() {
            return Some(Behind::Tunnel);
        }
        let tags = 4 * u32::from(decoded.tags.count);
        let offset = network_offset(decoded.link_type).map(|offset| offset + tags);
        if offset.is_some_and(|offset| decoded.network_offset != offset) {
            return Some(if decoded.passed.has(Between::Mpls) {
                Behind::Label
            } else if decoded.passed.has(Between::Pppoe) {
                Behind::Session
            } else {
                Behind::Header
            });
        }
        if tags > 0 {
            return Some(Behind::Tags);
        }
        match &decoded.outer.network {
            Network::Ip(ip) if ip.next_header != ip.protocol => Some(Behind::Extensions),
            _ => None,
        }
    }

    /// With an article, as in "behind a VLAN tag".
    pub fn words(self) -> &'static str {
        match self {
            Behind::Tags => "behind a VLAN tag",
            Behind::Tunnel => "inside a tunnel",
            Behind::Extensions => "behind an IPv6 extension header",
            Behind::Session => "behind a PPPoE header",
            Behind::Label => "behind an MPLS label",
            Behind::Header => "behind another header",
        }
    }

    /// The word for programs.
    pub fn word(self) -> &'static str {
        match self {
            Behind::Tags => "vlan_tag",
            Behind::Tunnel => "tunnel",
            Behind::Extensions => "ipv6_extension",
            Behind::Session => "pppoe",
            Behind::Label => "mpls",
            Behind::Header => "other",
        }
    }
}

/// Frames of which a filter says something else than the same filter of their innermost packet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unseen {
    /// Not selected, though the innermost packet matches.
    pub missed: [u64; Behind::ALL.len()],
    /// Selected, though it does not.
    pub taken: [u64; Behind::ALL.len()],
    /// The most VLAN tags of a frame that was missed for them, and the fewest.
    pub tags: Option<(u8, u8)>,
}

impl Unseen {
    pub(super) fn count(&mut self, behind: Behind, decoded: &Decoded, is_selected: bool) {
        let place = Behind::ALL.iter().position(|one| *one == behind);
        let counts = if is_selected {
            &mut self.taken
        } else {
            &mut self.missed
        };
        if let Some(count) = place.and_then(|place| counts.get_mut(place)) {
            *count += 1;
        }
        if behind == Behind::Tags && !is_selected {
            let count = decoded.tags.count;
            let (most, fewest) = self.tags.unwrap_or((count, count));
            self.tags = Some((most.max(count), fewest.min(count)));
        }
    }
}

/// Writes a frame that has nothing but an Ethernet header in front of the innermost packet of this one.
pub(super) fn write(out: &mut Vec<u8>, frame: &[u8], decoded: &Decoded) {
    const FIXED_IPV6: usize = 40;
    out.clear();
    let from = |offset: u32| frame.get(offset as usize..).unwrap_or_default();
    let address = |offset: u32| *from(offset).first_chunk::<6>().unwrap_or(&[0; 6]);
    let inner = decoded.passed.iter();
    let inner = inner.filter(|passage| passage.kind == Between::Ethernet);
    let (destination, source) = match (inner.last(), decoded.link) {
        (Some(passage), _) => (address(passage.offset), address(passage.offset + 6)),
        (None, Link::Ethernet) => (address(0), address(6)),
        (
            None,
            Link::Wifi {
                source,
                destination,
                ..
            },
        ) => (address(destination), address(source)),
        (None, _) => ([0; 6], [0; 6]),
    };
    out.extend_from_slice(&destination);
    out.extend_from_slice(&source);
    let layers = decoded.innermost();
    match &layers.network {
        Network::Ip(ip) if !ip.is_v6 => {
            out.extend_from_slice(&ethertype::IPV4.to_be_bytes());
            out.extend_from_slice(from(ip.offset));
        }
        Network::Ip(ip) => {
            out.extend_from_slice(&ethertype::IPV6.to_be_bytes());
            let fixed = from(ip.offset);
            let start = out.len();
            out.extend_from_slice(&fixed[..fixed.len().min(FIXED_IPV6)]);
            let payload = from(ip.offset + ip.header_length);
            // The filter knows the fragment header, which is the last one, and needs it where no transport
            // header follows.
            let is_later = ip.fragment.is_some() && layers.transport == Transport::None;
            let next = if is_later {
                protocol::FRAGMENT
            } else {
                ip.protocol
            };
            if let Some(place) = out.get_mut(start + 6) {
                *place = next;
            }
            if is_later {
                out.extend_from_slice(&[ip.protocol, 0, 0, 8, 0, 0, 0, 0]);
            }
            out.extend_from_slice(payload);
        }
        Network::Arp(arp) => {
            out.extend_from_slice(&ethertype::ARP.to_be_bytes());
            out.extend_from_slice(from(arp.offset));
        }
        Network::Other { offset } => {
            out.extend_from_slice(&decoded.ethertype.to_be_bytes());
            out.extend_from_slice(from(*offset));
        }
        Network::None => out.extend_from_slice(&decoded.ethertype.to_be_bytes()),
    }
}
