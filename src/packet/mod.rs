//! The layers of packets, read and written over pnet's packet views.
//!
//! | file | what it holds |
//! |---|---|
//! | [`record`] | what was understood of a frame: a flat record of values and offsets |
//! | [`link`] | link types: where the network layer begins, and which it is; the headers in front of it |
//! | [`ppp`] | PPP, over Ethernet and in HDLC framing; Cisco HDLC |
//! | [`mpls`] | labels |
//! | [`llc`] | IEEE 802.2 and SNAP |
//! | [`wifi`] | IEEE 802.11, with radiotap or without |
//! | [`nflog`] | what the packet filter of Linux logs |
//! | [`ip`] | the head of an IPv4 or IPv6 packet: options and extension headers are walked over |
//! | `five_tuple` | the protocol, addresses and ports of a packet, for callers that need nothing else |
//! | [`checksum`] | checksums that are wrong |
//! | [`fragments`] | IP packets put together from their fragments |
//! | [`arp`] | who asks for whose Ethernet address |
//! | [`tcp`] | a segment and its options |
//! | [`udp`] | a datagram |
//! | [`gre`] | a tunnel's header |
//! | [`erspan`] | mirrored Ethernet in GRE |
//! | [`vxlan`] | Ethernet in UDP: VXLAN and its generic protocol extension |
//! | [`geneve`] | Ethernet or IP in UDP: Geneve |
//! | [`gtp`] | a mobile network's user data in UDP: GTP-U |
//! | [`icmp`] | ICMP and ICMPv6: echo, errors, the packet that an error quotes |
//!
//! The way in is [`decode()`]: a frame as a capture file has it, to a [`Decoded`].
//!
//! Every reader here checks the length once and then makes a view: no accessor of a view is called on
//! bytes that are not there. Unreadable data is reported as [`Malformed`], and never panics.

// Names of protocols and link types are words here, not code.
#![allow(clippy::doc_markdown)]

pub mod arp;
pub mod checksum;
mod decode;
pub mod erspan;
mod five_tuple;
pub mod fragments;
mod frame_relay;
pub mod geneve;
pub mod gre;
pub mod gtp;
pub mod icmp;
pub mod ip;
pub mod link;
pub mod llc;
pub mod mpls;
pub mod nflog;
pub mod ppp;
pub mod record;
mod tags;
pub mod tcp;
pub mod udp;
pub mod vxlan;
pub mod wifi;

pub use decode::decode;
use decode::span;
pub use five_tuple::{FiveTuple, five_tuple};
pub use record::Decoded;

use std::fmt;

/// Where reading stopped: the first layer that is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed {
    /// The layer.
    pub layer: Layer,
    /// Where it begins, in bytes from the start of what was read.
    pub offset: usize,
    /// The bytes that it needs or claims to have.
    pub need: usize,
    /// The bytes available.
    pub have: usize,
}

/// A layer of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// Raw IP, without a link layer.
    Raw,
    /// Ethernet (IEEE 802.3).
    Ethernet,
    /// A VLAN tag (IEEE 802.1Q).
    Vlan,
    /// Linux cooked capture.
    Cooked,
    /// BSD loopback.
    Loopback,
    /// PPP (RFC 1661).
    Ppp,
    /// PPP over Ethernet (RFC 2516).
    Pppoe,
    /// ARP (RFC 826).
    Arp,
    /// The header of IPv4 with its options (RFC 791).
    Ipv4,
    /// The header of IPv6 (RFC 8200).
    Ipv6,
    /// An extension header of IPv6 (RFC 8200 section 4).
    Ipv6Extension,
    /// ICMP of either version (RFC 792, RFC 4443).
    Icmp,
    /// TCP (RFC 9293).
    Tcp,
    /// UDP (RFC 768).
    Udp,
    /// GRE (RFC 2784).
    Gre,
    /// IEEE 802.2 LLC, with SNAP or without.
    Llc,
    /// Cisco HDLC.
    CiscoHdlc,
    /// MPLS (RFC 3032).
    Mpls,
    /// IEEE 802.11.
    Wifi,
    /// What a driver says of an IEEE 802.11 frame.
    Radiotap,
    /// What the packet filter of Linux logs.
    Nflog,
    /// ERSPAN.
    Erspan,
    /// VXLAN (RFC 7348).
    Vxlan,
    /// Geneve (RFC 8926).
    Geneve,
    /// GTP-U (3GPP TS 29.281).
    GtpU,
    /// Frame Relay (ITU-T Q.922).
    FrameRelay,
}

impl Layer {
    /// How people call it.
    pub fn name(self) -> &'static str {
        match self {
            Layer::Raw => "raw IP",
            Layer::Ethernet => "Ethernet",
            Layer::Vlan => "VLAN tag",
            Layer::Cooked => "Linux cooked header",
            Layer::Loopback => "loopback header",
            Layer::Ppp => "PPP",
            Layer::Pppoe => "PPPoE",
            Layer::Arp => "ARP",
            Layer::Ipv4 => "IPv4",
            Layer::Ipv6 => "IPv6",
            Layer::Ipv6Extension => "IPv6 extension header",
            Layer::Icmp => "ICMP",
            Layer::Tcp => "TCP",
            Layer::Udp => "UDP",
            Layer::Gre => "GRE",
            Layer::Llc => "LLC",
            Layer::CiscoHdlc => "Cisco HDLC",
            Layer::Mpls => "MPLS",
            Layer::Wifi => "802.11",
            Layer::Radiotap => "radiotap",
            Layer::Nflog => "NFLOG",
            Layer::Erspan => "ERSPAN",
            Layer::Vxlan => "VXLAN",
            Layer::Geneve => "Geneve",
            Layer::GtpU => "GTP-U",
            Layer::FrameRelay => "Frame Relay",
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Malformed {
            layer,
            offset,
            need,
            have,
        } = self;
        let layer = layer.name();
        write!(
            f,
            "{layer} at byte {offset} needs {need} bytes and has {have}"
        )
    }
}

/// The bytes of a layer, if there are as many as it needs at least.
#[inline]
fn at_least(bytes: &[u8], offset: usize, need: usize, layer: Layer) -> Result<&[u8], Malformed> {
    let rest = bytes.get(offset..).unwrap_or_default();
    if rest.len() < need {
        return Err(Malformed {
            layer,
            offset,
            need,
            have: rest.len(),
        });
    }
    Ok(rest)
}
