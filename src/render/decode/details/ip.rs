//! IP of both versions.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::Walk;
use super::tree::{Part, Tree, hex};
use crate::packet::checksum::Wrong;
use crate::packet::ip::protocol;
use crate::packet::link::ethertype;

/// Extension headers that are followed.
const MOST_HEADERS: usize = 16;

impl<'a> Walk<'a, '_> {
    /// RFC 791 section 3.1.
    pub(super) fn ipv4(&mut self, part: Part<'a>) {
        let (source, destination) = (part.array::<4>(12), part.array::<4>(16));
        let ends = source
            .zip(destination)
            .map(|(source, destination)| (Ipv4Addr::from(source), Ipv4Addr::from(destination)));
        match ends {
            Some((from, to)) => self.tree.line(format_args!(
                "Internet Protocol Version 4, Src: {from}, Dst: {to}"
            )),
            None => self.tree.line(format_args!("Internet Protocol Version 4")),
        }
        let first = part.byte(0).unwrap_or_default();
        let header = usize::from(first & 0x0f) * 4;
        let fragment = part.u16(6).unwrap_or_default();
        let wrong = self.is_wrong(Wrong::Ip);
        self.tree
            .inside(|tree| v4_fields(tree, part, ends, fragment, wrong));
        if ends.is_none() || header < 20 {
            return;
        }
        let number = part.byte(9).unwrap_or_default();
        let payload = part.after(header);
        if fragment & 0x3fff != 0 && !self.is_quoted {
            return self.fragment(number, header, payload);
        }
        if fragment & 0x1fff != 0 {
            return self.tree.data(payload);
        }
        self.transport(number, payload);
    }

    /// A fragment is data, unless it was the last one missing.
    fn fragment(&mut self, number: u8, header: usize, payload: Part<'a>) {
        let Some(whole) = self.whole.take() else {
            return self.tree.data(payload);
        };
        let bytes = whole.get(header..).unwrap_or_default();
        self.tree.inside(|tree| {
            tree.line(format_args!("[Reassembled length: {}]", bytes.len()));
        });
        let length = bytes.len();
        let part = Part {
            bytes,
            length,
            at: header,
        };
        self.transport(number, part);
    }

    /// RFC 8200 section 3.
    pub(super) fn ipv6(&mut self, part: Part<'a>) {
        let (source, destination) = (part.array::<16>(8), part.array::<16>(24));
        let (Some(source), Some(destination)) = (source, destination) else {
            self.tree.line(format_args!("Internet Protocol Version 6"));
            return;
        };
        let (from, to) = (Ipv6Addr::from(source), Ipv6Addr::from(destination));
        self.tree.line(format_args!(
            "Internet Protocol Version 6, Src: {from}, Dst: {to}"
        ));
        let first = part.u32(0).unwrap_or_default();
        let length = part.u16(4).unwrap_or_default();
        let mut next = part.byte(6).unwrap_or_default();
        let mut rest = part.after(40);
        let mut is_fragment = false;
        self.tree.inside(|tree| {
            let version = first >> 28;
            tree.bits(version << 4, 8, 0xf0, format_args!("Version: {version}"));
            let class = u8::try_from(first >> 20 & 0xff).unwrap_or_default();
            tree.bits(
                first,
                32,
                0x0ff0_0000,
                format_args!("Traffic Class: 0x{class:02x} ({})", class_words(class)),
            );
            tree.inside(|tree| class_bits(tree, first, 32, 20));
            let label = first & 0xf_ffff;
            // Wireshark draws these 20 bits without the 12 in front, but for four.
            tree.bits(
                label,
                24,
                0xf_ffff,
                format_args!("Flow Label: 0x{label:05x}"),
            );
            tree.line(format_args!("Payload Length: {length}"));
            tree.line(format_args!("Next Header: {} ({next})", next_words(next)));
            tree.line(format_args!(
                "Hop Limit: {}",
                part.byte(7).unwrap_or_default()
            ));
            tree.line(format_args!("Source Address: {from}"));
            tree.line(format_args!("Destination Address: {to}"));
            for _ in 0..MOST_HEADERS {
                let Some(after) = extension(tree, next, rest, &mut is_fragment) else {
                    break;
                };
                next = rest.byte(0).unwrap_or(59);
                rest = rest.after(after);
            }
        });
        if is_fragment && !self.is_quoted {
            // The packet that was put together has no fragment header.
            let header = self.whole.map_or(0, whole_header);
            return self.fragment(next, header, rest);
        }
        self.transport(next, rest);
    }

    /// What IP carries.
    pub(super) fn transport(&mut self, number: u8, part: Part<'a>) {
        if !self.goes_deeper(part) {
            return;
        }
        match number {
            protocol::TCP => self.tcp(part),
            protocol::UDP => self.udp(part),
            protocol::ICMP => self.icmp(part),
            protocol::ICMPV6 => self.icmp6(part),
            protocol::IPV4 => self.network(ethertype::IPV4, part),
            protocol::IPV6 => self.network(ethertype::IPV6, part),
            protocol::GRE => self.gre(part),
            _ => self.unknown(part),
        }
    }
}

/// The fields of an IPv4 header, as far as it was captured.
fn v4_fields(
    tree: &mut Tree<'_>,
    part: Part<'_>,
    ends: Option<(Ipv4Addr, Ipv4Addr)>,
    fragment: u16,
    is_wrong: bool,
) -> Option<()> {
    let first = part.byte(0)?;
    let header = usize::from(first & 0x0f) * 4;
    tree.bits(
        first.into(),
        8,
        0xf0,
        format_args!("Version: {}", first >> 4),
    );
    tree.bits(
        first.into(),
        8,
        0x0f,
        format_args!("Header Length: {header} bytes ({})", first & 0x0f),
    );
    let class = part.byte(1)?;
    tree.line(format_args!(
        "Differentiated Services Field: 0x{class:02x} ({})",
        class_words(class)
    ));
    tree.inside(|tree| class_bits(tree, class.into(), 8, 0));
    tree.line(format_args!("Total Length: {}", part.u16(2)?));
    let id = part.u16(4)?;
    tree.line(format_args!("Identification: 0x{id:04x} ({id})"));
    ends?;
    fragment_bits(tree, fragment);
    tree.line(format_args!("Time to Live: {}", part.byte(8)?));
    let number = part.byte(9)?;
    tree.line(format_args!(
        "Protocol: {} ({number})",
        protocol_words(number)
    ));
    let said = if is_wrong {
        "incorrect"
    } else {
        "validation disabled"
    };
    tree.line(format_args!(
        "Header Checksum: 0x{:04x} [{said}]",
        part.u16(10)?
    ));
    let (from, to) = ends?;
    tree.line(format_args!("Source Address: {from}"));
    tree.line(format_args!("Destination Address: {to}"));
    let options = part.bytes.get(20..header.min(part.bytes.len()))?;
    if !options.is_empty() {
        tree.line(format_args!("Options: ({} bytes)", header - 20));
        tree.inside(|tree| tree.line(format_args!("Data: {}", hex(options))));
    }
    Some(())
}

/// The flags of fragments, and the offset.
fn fragment_bits(tree: &mut Tree<'_>, fragment: u16) {
    let flags = u32::from(fragment >> 8);
    let mut names = Vec::new();
    for (bit, name) in [
        (0x8000, "Reserved bit"),
        (0x4000, "Don't fragment"),
        (0x2000, "More fragments"),
    ] {
        if fragment & bit != 0 {
            names.push(name);
        }
    }
    let names = names.join(", ");
    let comma = if names.is_empty() { "" } else { ", " };
    tree.bits(
        flags,
        8,
        0xe0,
        format_args!("Flags: 0x{:x}{comma}{names}", fragment >> 13),
    );
    tree.inside(|tree| {
        tree.flag(flags, 8, 0x80, "Reserved bit");
        tree.flag(flags, 8, 0x40, "Don't fragment");
        tree.flag(flags, 8, 0x20, "More fragments");
    });
    let offset = u32::from(fragment & 0x1fff) * 8;
    tree.bits(
        fragment.into(),
        16,
        0x1fff,
        format_args!("Fragment Offset: {offset}"),
    );
}

/// Bytes of the headers of IPv6 in front of what it carries.
fn whole_header(whole: &[u8]) -> usize {
    let mut header = 40;
    let mut next = whole.get(6).copied().unwrap_or(59);
    for _ in 0..MOST_HEADERS {
        let is_extension = matches!(
            next,
            protocol::HOP_BY_HOP | protocol::ROUTING | protocol::DESTINATION_OPTIONS
        );
        let (true, Some(&[following, units])) = (
            is_extension,
            whole.get(header..).and_then(|it| it.first_chunk()),
        ) else {
            break;
        };
        header += 8 + usize::from(units) * 8;
        next = following;
    }
    header
}

/// An extension header (RFC 8200 section 4), and its length.
fn extension(
    tree: &mut Tree<'_>,
    number: u8,
    part: Part<'_>,
    is_fragment: &mut bool,
) -> Option<usize> {
    let &[next, units] = part.bytes.first_chunk()?;
    let length = 8 + usize::from(units) * 8;
    let next_header = |tree: &mut Tree<'_>, name: &str| {
        tree.line(format_args!("{name}: {} ({next})", next_words(next)));
    };
    match number {
        protocol::HOP_BY_HOP | protocol::DESTINATION_OPTIONS => {
            let title = if number == protocol::HOP_BY_HOP {
                "IPv6 Hop-by-Hop Option"
            } else {
                "Destination Options for IPv6"
            };
            tree.line(format_args!("{title}"));
            tree.inside(|tree| {
                next_header(tree, "Next Header");
                tree.line(format_args!("Length: {units} ({length} bytes)"));
            });
            Some(length)
        }
        protocol::ROUTING => {
            let (kind, left) = (part.byte(2)?, part.byte(3)?);
            let name = match kind {
                0 => "Source Route",
                2 => "Type 2",
                4 => "Segment Routing",
                _ => "Unknown",
            };
            tree.line(format_args!("Routing Header for IPv6 ({name})"));
            tree.inside(|tree| {
                next_header(tree, "Next Header");
                tree.line(format_args!("Length: {units} ({length} bytes)"));
                tree.line(format_args!("Type: {name} ({kind})"));
                tree.line(format_args!("Segments Left: {left}"));
                if kind == 0 {
                    let reserved = part.u32(4).unwrap_or_default();
                    tree.line(format_args!("Reserved: {reserved:08x}"));
                    for index in 0..usize::from(units) / 2 {
                        if let Some(address) = part.array::<16>(8 + index * 16) {
                            let address = Ipv6Addr::from(address);
                            tree.line(format_args!("Address[{}]: {address}", index + 1));
                        }
                    }
                }
            });
            Some(length)
        }
        protocol::FRAGMENT => {
            let (bits, id) = (part.u16(2)?, part.u32(4)?);
            tree.line(format_args!("Fragment Header for IPv6"));
            tree.inside(|tree| {
                next_header(tree, "Next header");
                tree.line(format_args!("Reserved octet: 0x{units:02x}"));
                let offset = bits >> 3;
                tree.bits(
                    bits.into(),
                    16,
                    0xfff8,
                    format_args!("Offset: {offset} ({} bytes)", u32::from(offset) * 8),
                );
                tree.bits(
                    bits.into(),
                    16,
                    6,
                    format_args!("Reserved bits: {}", bits >> 1 & 3),
                );
                let more = if bits & 1 == 0 { "No" } else { "Yes" };
                tree.bits(bits.into(), 16, 1, format_args!("More Fragments: {more}"));
                tree.line(format_args!("Identification: 0x{id:08x}"));
            });
            *is_fragment |= bits & 0xfff9 != 0;
            Some(8)
        }
        _ => None,
    }
}

/// `DSCP: CS0, ECN: Not-ECT`.
fn class_words(class: u8) -> String {
    let (short, _) = code_point(class >> 2);
    let ecn = ["Not-ECT", "ECT(1)", "ECT(0)", "CE"][usize::from(class & 3)];
    format!("DSCP: {short}, ECN: {ecn}")
}

/// The code point and ECN, in a number of `width` bits with `shift` to the right of them.
fn class_bits(tree: &mut Tree<'_>, number: u32, width: u32, shift: u32) {
    let class = u8::try_from(number >> shift & 0xff).unwrap_or_default();
    let (_, long) = code_point(class >> 2);
    tree.bits(
        number,
        width,
        0xfc << shift,
        format_args!("Differentiated Services Codepoint: {long} ({})", class >> 2),
    );
    let ecn = [
        "Not ECN-Capable Transport",
        "ECN-Capable Transport codepoint '01'",
        "ECN-Capable Transport codepoint '10'",
        "Congestion Experienced",
    ][usize::from(class & 3)];
    tree.bits(
        number,
        width,
        3 << shift,
        format_args!("Explicit Congestion Notification: {ecn} ({})", class & 3),
    );
}

/// IANA, "Differentiated Services Field Codepoints", in Wireshark's words: short and long.
fn code_point(number: u8) -> (String, String) {
    match number {
        0 => ("CS0".to_owned(), "Default".to_owned()),
        1 => ("LE".to_owned(), "Lower Effort".to_owned()),
        44 => ("VOICE-ADMIT".to_owned(), "Voice Admit".to_owned()),
        46 => ("EF PHB".to_owned(), "Expedited Forwarding".to_owned()),
        class if class % 8 == 0 => (
            format!("CS{}", class / 8),
            format!("Class Selector {}", class / 8),
        ),
        10 | 12 | 14 | 18 | 20 | 22 | 26 | 28 | 30 | 34 | 36 | 38 => {
            let name = format!("{}{}", number / 8, number % 8 / 2);
            (format!("AF{name}"), format!("Assured Forwarding {name}"))
        }
        _ => ("Unknown".to_owned(), "Unknown".to_owned()),
    }
}

/// Wireshark's words for the protocol in an IPv4 header (IANA, "Protocol Numbers").
pub(super) fn protocol_words(number: u8) -> &'static str {
    match number {
        1 => "ICMP",
        2 => "IGMP",
        4 => "IPIP",
        6 => "TCP",
        17 => "UDP",
        33 => "Datagram Congestion Control Protocol",
        41 => "IPv6",
        46 => "Reservation Protocol",
        47 => "Generic Routing Encapsulation",
        50 => "Encap Security Payload",
        51 => "Authentication Header",
        58 => "ICMPv6",
        88 => "EIGRP",
        89 => "OSPF IGP",
        103 => "PIM",
        112 => "VRRP",
        115 => "Layer 2 Tunneling",
        132 => "SCTP",
        136 => "UDPLite",
        137 => "MPLS-in-IP",
        _ => "Unknown",
    }
}

/// The same in an IPv6 header, where extension headers have names.
pub(super) fn next_words(number: u8) -> &'static str {
    match number {
        0 => "IPv6 Hop-by-Hop Option",
        43 => "Routing Header for IPv6",
        44 => "Fragment Header for IPv6",
        59 => "No Next Header for IPv6",
        60 => "Destination Options for IPv6",
        number => protocol_words(number),
    }
}
