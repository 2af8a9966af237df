//! The link layer, and the `EtherType` that says what follows.

use super::tree::{Part, mac};
use super::{Walk, tree};
use crate::capfile::LinkType;
use crate::packet::link::ethertype;

/// Frames without the check sequence that are shorter are filled up (IEEE 802.3 section 4.2.3.3).
const SHORTEST: usize = 60;
/// From this number on it is an `EtherType` and not a length (IEEE 802.3 section 3.2.6).
const FIRST_TYPE: u16 = 0x0600;

impl<'a> Walk<'a, '_> {
    /// The frame.
    pub(super) fn link(&mut self, link: LinkType, part: Part<'a>) {
        match link {
            LinkType::ETHERNET => self.ethernet(part),
            LinkType::LINUX_SLL => self.cooked(part),
            LinkType::LINUX_SLL2 => self.cooked_2(part),
            LinkType::PPP => self.ppp(part),
            LinkType::NULL | LinkType::LOOP => {
                self.tree.line(format_args!("Null/Loopback"));
                let family = part.array::<4>(0).map(|bytes| {
                    if link == LinkType::LOOP {
                        u32::from_be_bytes(bytes)
                    } else {
                        u32::from_le_bytes(bytes)
                    }
                });
                if let Some(family) = family {
                    // A number of the other byte order is large.
                    let family = if family > 0xffff {
                        family.swap_bytes()
                    } else {
                        family
                    };
                    let name = if family == 2 { "IP" } else { "IPv6" };
                    self.tree
                        .inside(|tree| tree.line(format_args!("Family: {name} ({family})")));
                }
                self.ip_of_any_version(part.after(4));
            }
            LinkType::RAW | LinkType::IPV4 | LinkType::IPV6 => {
                self.tree.line(format_args!("Raw packet data"));
                self.ip_of_any_version(part);
            }
            _ => self.unknown(part),
        }
    }

    fn ip_of_any_version(&mut self, part: Part<'a>) {
        match part.byte(0).map(|byte| byte >> 4) {
            Some(4) => self.network(ethertype::IPV4, part),
            Some(6) => self.network(ethertype::IPV6, part),
            _ => self.unknown(part),
        }
    }

    /// IEEE 802.3: the addresses and the type.
    pub(super) fn ethernet(&mut self, part: Part<'a>) {
        let (Some(destination), Some(source), Some(number)) =
            (part.mac(0), part.mac(6), part.u16(12))
        else {
            return self.tree.data(part);
        };
        let is_typed = number >= FIRST_TYPE;
        let title = if is_typed {
            "Ethernet II"
        } else {
            "IEEE 802.3 Ethernet"
        };
        self.tree
            .line(format_args!("{title}, Src: {source}, Dst: {destination}"));
        let inner = part.after(14);
        let (used, rest) = Self::used(number, inner);
        self.tree.inside(|tree| {
            for (name, address, at) in [("Destination", &destination, 0), ("Source", &source, 6)] {
                tree.line(format_args!("{name}: {address}"));
                let bits = part.u32(at).unwrap_or_default() >> 8;
                tree.inside(|tree| {
                    tree.line(format_args!("Address: {address}"));
                    let local = if bits & 0x02_0000 == 0 {
                        "Globally unique address (factory default)"
                    } else {
                        "Locally administered address (this is NOT the factory default)"
                    };
                    tree.bits(bits, 24, 0x02_0000, format_args!("LG bit: {local}"));
                    let group = if bits & 0x01_0000 == 0 {
                        "Individual address (unicast)"
                    } else {
                        "Group address (multicast/broadcast)"
                    };
                    tree.bits(bits, 24, 0x01_0000, format_args!("IG bit: {group}"));
                });
            }
            if is_typed {
                tree.line(format_args!("Type: {} (0x{number:04x})", type_name(number)));
            } else {
                tree.line(format_args!("Length: {number}"));
            }
            if !rest.bytes.is_empty() {
                let name = if part.length <= SHORTEST {
                    "Padding"
                } else {
                    "Trailer"
                };
                tree.line(format_args!("{name}: {}", tree::hex(rest.bytes)));
            }
        });
        if is_typed {
            self.network(number, used);
        } else {
            self.unknown(used);
        }
    }

    /// What the network layer says is its own, and what follows it.
    fn used(number: u16, part: Part<'a>) -> (Part<'a>, Part<'a>) {
        let length = match number {
            ethertype::IPV4 => part.u16(2).map(usize::from).filter(|length| *length >= 20),
            ethertype::IPV6 => part
                .u16(4)
                .filter(|length| *length > 0)
                .map(|length| 40 + usize::from(length)),
            ethertype::ARP => part
                .byte(4)
                .zip(part.byte(5))
                .map(|(mac, ip)| 8 + 2 * (usize::from(mac) + usize::from(ip))),
            number if number < FIRST_TYPE => Some(usize::from(number)),
            _ => None,
        };
        let length = length.unwrap_or(part.length);
        (part.until(length), part.after(length))
    }

    /// What an `EtherType` says.
    pub(super) fn network(&mut self, number: u16, part: Part<'a>) {
        if !self.goes_deeper(part) {
            return;
        }
        match number {
            ethertype::IPV4 => self.ipv4(part),
            ethertype::IPV6 => self.ipv6(part),
            ethertype::ARP => self.arp(part),
            0x8100 => self.tag(part),
            0x88a8 => self.service_tag(part),
            0x8864 => self.pppoe(part),
            0x6558 => self.ethernet(part),
            _ => self.unknown(part),
        }
    }

    /// IEEE 802.1Q.
    fn tag(&mut self, part: Part<'a>) {
        let (Some(tag), Some(next)) = (part.u16(0), part.u16(2)) else {
            return self.tree.data(part);
        };
        let (priority, eligible, id) = (tag >> 13, tag >> 12 & 1, tag & 0x0fff);
        self.tree.line(format_args!(
            "802.1Q Virtual LAN, PRI: {priority}, DEI: {eligible}, ID: {id}"
        ));
        let (used, rest) = Self::used(next, part.after(4));
        self.tree.inside(|tree| {
            let bits = u32::from(tag);
            let name = PRIORITIES.get(usize::from(priority)).unwrap_or(&"");
            tree.bits(
                bits,
                16,
                0xe000,
                format_args!("Priority: {name} ({priority})"),
            );
            let name = if eligible == 0 {
                "Ineligible"
            } else {
                "Eligible"
            };
            tree.bits(bits, 16, 0x1000, format_args!("DEI: {name}"));
            tree.bits(bits, 16, 0x0fff, format_args!("ID: {id}"));
            tree.line(format_args!("Type: {} (0x{next:04x})", type_name(next)));
            if !rest.bytes.is_empty() {
                tree.line(format_args!("Trailer: {}", tree::hex(rest.bytes)));
            }
        });
        self.network(next, used);
    }

    /// IEEE 802.1ad.
    fn service_tag(&mut self, part: Part<'a>) {
        let (Some(tag), Some(next)) = (part.u16(0), part.u16(2)) else {
            return self.tree.data(part);
        };
        self.tree
            .line(format_args!("IEEE 802.1ad, ID: {}", tag & 0x0fff));
        self.tree.inside(|tree| {
            let bits = u32::from(tag);
            tree.bits(bits, 16, 0xe000, format_args!("Priority: {}", tag >> 13));
            tree.bits(bits, 16, 0x1000, format_args!("DEI: {}", tag >> 12 & 1));
            tree.bits(bits, 16, 0x0fff, format_args!("ID: {}", tag & 0x0fff));
            tree.line(format_args!("Type: {} (0x{next:04x})", type_name(next)));
        });
        self.network(next, part.after(4));
    }

    /// RFC 2516 section 4.
    fn pppoe(&mut self, part: Part<'a>) {
        let (Some(&[versions, code]), Some(session), Some(length)) =
            (part.bytes.first_chunk(), part.u16(2), part.u16(4))
        else {
            return self.tree.data(part);
        };
        self.tree.line(format_args!("PPP-over-Ethernet Session"));
        self.tree.inside(|tree| {
            let bits = u32::from(versions);
            tree.bits(bits, 8, 0xf0, format_args!("Version: {}", versions >> 4));
            tree.bits(bits, 8, 0x0f, format_args!("Type: {}", versions & 0x0f));
            tree.line(format_args!("Code: Session Data (0x{code:02x})"));
            tree.line(format_args!("Session ID: 0x{session:04x}"));
            tree.line(format_args!("Payload Length: {length}"));
        });
        self.ppp(part.after(6).until(usize::from(length)));
    }

    /// RFC 1661 section 2, with the address and control of RFC 1662 or without.
    fn ppp(&mut self, part: Part<'a>) {
        let framed = part.u16(0) == Some(0xff03);
        let inner = part.after(if framed { 2 } else { 0 });
        let Some(number) = inner.u16(0) else {
            return self.tree.data(part);
        };
        self.tree.line(format_args!("Point-to-Point Protocol"));
        self.tree.inside(|tree| {
            if framed {
                tree.line(format_args!("Address: 0xff"));
                tree.line(format_args!("Control: 0x03"));
            }
            let name = match number {
                0x0021 => "Internet Protocol version 4",
                0x0057 => "Internet Protocol version 6",
                0xc021 => "Link Control Protocol",
                0xc023 => "Password Authentication Protocol",
                0xc223 => "Challenge Handshake Authentication Protocol",
                0x8021 => "Internet Protocol Control Protocol",
                0x8057 => "IPv6 Control Protocol",
                0x0041 => "Cisco Systems",
                _ => "Unknown",
            };
            tree.line(format_args!("Protocol: {name} (0x{number:04x})"));
        });
        match number {
            0x0021 => self.network(ethertype::IPV4, inner.after(2)),
            0x0057 => self.network(ethertype::IPV6, inner.after(2)),
            _ => self.unknown(inner.after(2)),
        }
    }

    /// `LINKTYPE_LINUX_SLL`.
    fn cooked(&mut self, part: Part<'a>) {
        let numbers = (part.u16(0), part.u16(2), part.u16(4), part.u16(14));
        let (Some(kind), Some(device), Some(length), Some(next)) = numbers else {
            return self.tree.data(part);
        };
        self.tree.line(format_args!("Linux cooked capture v1"));
        self.tree.inside(|tree| {
            tree.line(format_args!("Packet type: {} ({kind})", direction(kind)));
            tree.line(format_args!(
                "Link-layer address type: {} ({device})",
                hardware(device)
            ));
            tree.line(format_args!("Link-layer address length: {length}"));
            let known = usize::from(length).min(8);
            if let Some(address) = part.bytes.get(6..6 + known).filter(|it| it.len() == 6) {
                tree.line(format_args!("Source: {}", mac(address)));
            }
            let unused = part.bytes.get(6 + known..14).unwrap_or_default();
            if !unused.is_empty() {
                tree.line(format_args!("Unused: {}", tree::hex(unused)));
            }
            tree.line(format_args!("Protocol: {} (0x{next:04x})", type_name(next)));
        });
        self.network(next, part.after(16));
    }

    /// `LINKTYPE_LINUX_SLL2`.
    fn cooked_2(&mut self, part: Part<'a>) {
        let numbers = (part.u16(0), part.u32(4), part.u16(8));
        let ends = (part.byte(10), part.byte(11));
        let ((Some(next), Some(interface), Some(device)), (Some(kind), Some(length))) =
            (numbers, ends)
        else {
            return self.tree.data(part);
        };
        self.tree.line(format_args!("Linux cooked capture v2"));
        self.tree.inside(|tree| {
            tree.line(format_args!("Protocol: {} (0x{next:04x})", type_name(next)));
            tree.line(format_args!("Interface index: {interface}"));
            tree.line(format_args!(
                "Link-layer address type: {} ({device})",
                hardware(device)
            ));
            let kind = u16::from(kind);
            tree.line(format_args!("Packet type: {} ({kind})", direction(kind)));
            tree.line(format_args!("Link-layer address length: {length}"));
            let known = usize::from(length).min(8);
            if let Some(address) = part.bytes.get(12..12 + known).filter(|it| it.len() == 6) {
                tree.line(format_args!("Source: {}", mac(address)));
            }
            let unused = part.bytes.get(12 + known..20).unwrap_or_default();
            if !unused.is_empty() {
                tree.line(format_args!("Unused: {}", tree::hex(unused)));
            }
        });
        self.network(next, part.after(20));
    }
}

/// The traffic types of IEEE 802.1Q, table I-2, as Wireshark has them.
const PRIORITIES: [&str; 8] = [
    "Best Effort (default)",
    "Background",
    "Excellent Effort",
    "Critical Applications",
    "Video, < 100ms latency and jitter",
    "Voice, < 10ms latency and jitter",
    "Internetwork Control",
    "Network Control",
];

/// `sll_pkttype` of packet(7).
fn direction(kind: u16) -> &'static str {
    match kind {
        0 => "Unicast to us",
        1 => "Broadcast",
        2 => "Multicast",
        3 => "Unicast to another host",
        4 => "Sent by us",
        _ => "Unknown",
    }
}

/// `ARPHRD_*` of `<linux/if_arp.h>`.
pub(super) fn hardware(number: u16) -> &'static str {
    match number {
        1 => "Ethernet",
        512 => "PPP",
        772 => "Loopback",
        _ => "Unknown",
    }
}

/// Wireshark's words for an `EtherType` (IEEE, list of Ethernet types).
pub(super) fn type_name(number: u16) -> &'static str {
    match number {
        0x0800 => "IPv4",
        0x0806 => "ARP",
        0x8035 => "Reverse Address Resolution Protocol",
        0x86dd => "IPv6",
        0x8100 => "802.1Q Virtual LAN",
        0x88a8 => "802.1ad Provider Bridge (Q-in-Q)",
        0x8863 => "PPPoE Discovery",
        0x8864 => "PPPoE Session",
        0x8847 => "MPLS label switched packet",
        0x8848 => "MPLS multicast label switched packet",
        0x888e => "802.1X Authentication",
        0x88cc => "802.1 Link Layer Discovery Protocol (LLDP)",
        0x88b5 => "Local Experimental Ethertype 1",
        0x88b6 => "Local Experimental Ethertype 2",
        0x6558 => "Transparent Ethernet bridging",
        _ => "Unknown",
    }
}
