//! What was understood of one frame: a flat record of values and offsets. Nothing in it borrows, and
//! making one takes no memory.

use std::net::IpAddr;
use std::ops::Range;

use super::Malformed;
use super::ip::Fragment;
use crate::capfile::LinkType;
use crate::reference::icmp::Version;

/// A decoded frame.
///
/// All offsets count from the frame's first byte. An offset given here is within the bytes
/// that were captured; a length may reach beyond them, if the capture was truncated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decoded {
    /// What kind of frame it is.
    pub link_type: LinkType,
    /// The addresses of the link layer.
    pub link: Link,
    /// The VLAN tags in front of the network layer, outermost first (IEEE 802.1Q).
    pub tags: Tags,
    /// The EtherType of the network layer, after all tags; of link types that have none, the one that
    /// says the same. 0 when it is unknown.
    pub ethertype: u16,
    /// Where the network layer begins.
    pub network_offset: u32,
    /// The headers that were walked over, from the link layer to the innermost packet.
    pub passed: Passed,
    /// The network layer and what it carries.
    pub outer: Layers,
    /// The innermost packet of a tunnel (IP in IP, GRE, VXLAN and the like).
    pub inner: Option<Layers>,
    /// The first layer that could not be read, if any. What is in front of it stands above.
    pub malformed: Option<Malformed>,
}

/// A packet of the network layer and what it carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layers {
    /// The network layer.
    pub network: Network,
    /// The transport layer.
    pub transport: Transport,
}

impl Layers {
    /// Nothing was reached.
    pub const NONE: Layers = Layers {
        network: Network::None,
        transport: Transport::None,
    };
}

impl Decoded {
    /// The innermost packet: that of the tunnel, or the only one.
    pub fn innermost(&self) -> &Layers {
        self.inner.as_ref().unwrap_or(&self.outer)
    }

    /// The innermost IP packet.
    pub fn ip(&self) -> Option<&Ip> {
        match &self.innermost().network {
            Network::Ip(ip) => Some(ip),
            _ => None,
        }
    }

    /// The innermost TCP segment.
    pub fn tcp(&self) -> Option<&Tcp> {
        match &self.innermost().transport {
            Transport::Tcp(tcp) => Some(tcp),
            _ => None,
        }
    }
}

/// Headers between the link layer and the innermost packet, outermost first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Passed {
    /// How many there are; more than are kept are counted.
    pub count: u8,
    kept: [Option<Passage>; 4],
}

impl Passed {
    /// The first ones, outermost first.
    pub fn iter(&self) -> impl Iterator<Item = Passage> {
        self.kept.into_iter().flatten()
    }

    /// Whether one of this kind is among them.
    pub fn has(&self, kind: Between) -> bool {
        self.count > 0 && self.iter().any(|passage| passage.kind == kind)
    }

    pub(super) fn add(&mut self, kind: Between, offset: usize, number: u32) {
        let passage = Passage {
            kind,
            offset: u32::try_from(offset).unwrap_or(u32::MAX),
            number,
        };
        if let Some(place) = self.kept.get_mut(usize::from(self.count)) {
            *place = Some(passage);
        }
        self.count = self.count.saturating_add(1);
    }
}

/// A header that was walked over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passage {
    /// What it is.
    pub kind: Between,
    /// Where it begins.
    pub offset: u32,
    /// Which of its kind: see [`Between`].
    pub number: u32,
}

/// The kinds of headers that are walked over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Between {
    /// Ethernet inside of something else.
    Ethernet,
    /// PPP over Ethernet; its number is the session (RFC 2516).
    Pppoe,
    /// A label of MPLS; its number is the label (RFC 3032).
    Mpls,
    /// GRE; its number is the key, or 0 (RFC 2784, RFC 2890).
    Gre,
    /// ERSPAN; its number is the session.
    Erspan,
    /// VXLAN; its number is the VNI (RFC 7348).
    Vxlan,
    /// Geneve; its number is the VNI (RFC 8926).
    Geneve,
    /// GTP-U; its number is the TEID (3GPP TS 29.281).
    GtpU,
}

impl Between {
    /// The word of filters and programs.
    pub fn word(self) -> &'static str {
        match self {
            Between::Ethernet => "ethernet",
            Between::Pppoe => "pppoe",
            Between::Mpls => "mpls",
            Between::Gre => "gre",
            Between::Erspan => "erspan",
            Between::Vxlan => "vxlan",
            Between::Geneve => "geneve",
            Between::GtpU => "gtp",
        }
    }
}

/// The link layer of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// None, or it has no addresses (raw IP, BSD loopback, PPP).
    None,
    /// Ethernet: the destination's address is at offset 0, the source's at 6.
    Ethernet,
    /// Linux cooked capture of either version.
    Cooked {
        /// To us, broadcast, multicast, to somebody else, from us (0 to 4).
        direction: u16,
        /// Where the sender's address is.
        address: u32,
        /// How many bytes it has, at most 8.
        length: u8,
    },
    /// IEEE 802.11: where the addresses of the sender and the receiver are.
    Wifi {
        /// Where the header begins.
        header: u32,
        /// The sender's address; 0 if the frame has none.
        source: u32,
        /// The receiver's address; 0 if it was cut off.
        destination: u32,
    },
}

/// The VLAN tags of a frame: their tag control information.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tags {
    /// How many there are; more than are kept are counted.
    pub count: u8,
    /// The first ones: priority in the upper 3 bits, the VLAN's number in the lower 12.
    pub kept: [u16; 2],
}

/// The network layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// It was not reached.
    None,
    /// IP of either version.
    Ip(Ip),
    /// Address resolution.
    Arp(Arp),
    /// Something else; [`Decoded::ethertype`] says what.
    Other {
        /// Where it begins.
        offset: u32,
    },
}

/// The header of an IP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ip {
    /// Whether this is IPv6.
    pub is_v6: bool,
    /// Where the header begins.
    pub offset: u32,
    /// Bytes of the header with its options or extension headers.
    pub header_length: u32,
    /// The sender's address, as the packet claims it.
    pub source: IpAddr,
    /// The receiver's address.
    pub destination: IpAddr,
    /// Time to live of IPv4, hop limit of IPv6.
    pub hop_limit: u8,
    /// What it carries, after all extension headers.
    pub protocol: u8,
    /// What the fixed header says is next: of IPv4 the same as `protocol`.
    pub next_header: u8,
    /// The fragment that this is, if it is one.
    pub fragment: Option<Fragment>,
    /// Where the packet ends by its own word: beyond the frame when the capture was cut, before its end
    /// when there is padding. Where the length says 0 (segmentation offload) it is the frame's.
    pub end: u32,
}

/// A message of ARP (RFC 826).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arp {
    /// Where it begins.
    pub offset: u32,
    /// 1 asks, 2 answers.
    pub operation: u16,
    /// The addresses, if they are Ethernet's and IPv4's.
    pub addresses: Option<ArpAddresses>,
}

/// The addresses of a request or reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArpAddresses {
    /// The sender's Ethernet address.
    pub sender_mac: [u8; 6],
    /// The sender's IP address.
    pub sender: [u8; 4],
    /// The target's Ethernet address.
    pub target_mac: [u8; 6],
    /// The target's IP address.
    pub target: [u8; 4],
}

/// What an IP packet carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// It was not reached; also in all fragments but the first.
    None,
    /// TCP.
    Tcp(Tcp),
    /// UDP.
    Udp(Udp),
    /// ICMP of either version.
    Icmp(Icmp),
    /// Something else; [`Ip::protocol`] says what.
    Other(Span),
}

/// A piece of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// Where it begins.
    pub offset: u32,
    /// How many bytes of it were captured.
    pub captured: u32,
    /// How many it had on the wire.
    pub length: u32,
}

impl Span {
    /// The bytes of it that were captured.
    pub fn of<'a>(&self, frame: &'a [u8]) -> &'a [u8] {
        frame.get(self.range()).unwrap_or_default()
    }

    fn range(&self) -> Range<usize> {
        self.offset as usize..self.offset as usize + self.captured as usize
    }
}

/// A TCP segment (RFC 9293).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tcp {
    /// Where its header begins.
    pub offset: u32,
    /// Bytes of the header with its options; 0 if it says a length that cannot be.
    pub header_length: u8,
    /// The sender's port.
    pub source: u16,
    /// The receiver's port.
    pub destination: u16,
    /// The sequence number as it stands on the wire.
    pub sequence: u32,
    /// The acknowledgment number as it stands on the wire.
    pub acknowledgment: u32,
    /// The flags: the lower 12 bits of the 13th and 14th byte (see [`super::tcp::flag`]).
    pub flags: u16,
    /// The window as it stands on the wire.
    pub window: u16,
    /// The urgent pointer.
    pub urgent: u16,
    /// The data.
    pub payload: Span,
}

/// A UDP datagram (RFC 768).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Udp {
    /// Where its header begins.
    pub offset: u32,
    /// The sender's port.
    pub source: u16,
    /// The receiver's port.
    pub destination: u16,
    /// What its header says of its length, header included.
    pub length: u16,
    /// The data.
    pub payload: Span,
}

/// A message of ICMP (RFC 792, RFC 4443); [`super::icmp::parse`] reads it from its span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Icmp {
    /// Which ICMP.
    pub version: Version,
    /// The type.
    pub r#type: u8,
    /// The code.
    pub code: u8,
    /// The message from its type on.
    pub span: Span,
}
