//! Tunnels: what stands between a packet and the packet in it, where the frame is known to have one.

use super::Walk;
use super::link::type_name;
use super::tree::{self, Part, Tree};
use crate::packet::link::ethertype;
use crate::packet::record::{Between, Passage};
use crate::packet::{geneve, gtp, mpls};

impl<'a> Walk<'a, '_> {
    /// A header that was walked over, with what is in it. False if it is not known here how to write it.
    pub(super) fn tunnel(&mut self, passage: Passage, part: Part<'a>) -> bool {
        match passage.kind {
            Between::Vxlan => self.vxlan(part),
            Between::Mpls => self.mpls(part),
            Between::Geneve => self.geneve(part),
            Between::GtpU => self.gtp(part),
            Between::Erspan => self.erspan(part),
            Between::Ethernet | Between::Pppoe | Between::Gre => false,
        }
    }

    /// RFC 7348 section 5. The generic protocol extension has other fields.
    fn vxlan(&mut self, part: Part<'a>) -> bool {
        const HEADER: usize = 8;
        let (Some(flags @ 0x0800), Some(group), Some(rest)) =
            (part.u16(0), part.u16(2), part.u32(4))
        else {
            return false;
        };
        self.tree
            .line(format_args!("Virtual eXtensible Local Area Network"));
        self.tree.inside(|tree| {
            tree.line(format_args!("Flags: 0x{flags:04x}, VXLAN Network ID (VNI)"));
            let bits = u32::from(flags);
            tree.inside(|tree| {
                tree.bits(bits, 16, 0x8000, format_args!("GBP Extension: Not defined"));
                tree.bits(
                    bits,
                    16,
                    0x0800,
                    format_args!("VXLAN Network ID (VNI): True"),
                );
                tree.bits(bits, 16, 0x0040, format_args!("Don't Learn: False"));
                tree.bits(bits, 16, 0x0008, format_args!("Policy Applied: False"));
                tree.bits(bits, 16, 0x77b7, format_args!("Reserved(R): 0x0000"));
            });
            tree.line(format_args!("Group Policy ID: {group}"));
            tree.line(format_args!(
                "VXLAN Network Identifier (VNI): {}",
                rest >> 8
            ));
            tree.line(format_args!("Reserved: {}", rest & 0xff));
        });
        self.network(ethertype::TRANSPARENT_ETHERNET, part.after(HEADER));
        true
    }

    /// RFC 3032 section 2.1: the labels one by one, then a control word if one was found (RFC 4385).
    fn mpls(&mut self, part: Part<'a>) -> bool {
        const CONTROL_WORD: usize = 4;
        let mut rest = part;
        loop {
            let (Some(word), Ok(label)) = (rest.u32(0), mpls::read(rest.bytes, 0)) else {
                return false;
            };
            let mpls::Label {
                label,
                class,
                is_bottom,
                ttl,
            } = label;
            let bottom = u8::from(is_bottom);
            self.tree.line(format_args!(
                "MultiProtocol Label Switching Header, Label: {label}{}, Exp: {class}, S: {bottom}, TTL: {ttl}",
                reserved(label)
            ));
            self.tree.inside(|tree| {
                let name = reserved(label);
                tree.bits(
                    word,
                    32,
                    0xffff_f000,
                    format_args!("MPLS Label: {label}{name} (0x{label:05x})"),
                );
                tree.bits(
                    word,
                    32,
                    0x0e00,
                    format_args!("MPLS Experimental Bits: {class}"),
                );
                tree.bits(
                    word,
                    32,
                    0x0100,
                    format_args!("MPLS Bottom Of Label Stack: {bottom}"),
                );
                tree.bits(word, 32, 0x00ff, format_args!("MPLS TTL: {ttl}"));
            });
            rest = rest.after(mpls::LABEL);
            let is_label = |it: Passage| it.kind == Between::Mpls && it.offset as usize == rest.at;
            if is_bottom || !self.frame.decoded.passed.iter().any(is_label) {
                break;
            }
        }
        let ethernet = |at: usize| {
            let is_there = |it: Passage| it.kind == Between::Ethernet && it.offset as usize == at;
            self.frame.decoded.passed.iter().any(is_there)
        };
        let (is_next, is_later) = (ethernet(rest.at), ethernet(rest.at + CONTROL_WORD));
        match rest.byte(0).map(|first| first >> 4) {
            _ if is_next => self.network(ethertype::TRANSPARENT_ETHERNET, rest),
            _ if is_later => {
                let number = rest.u16(2).unwrap_or_default();
                self.tree.line(format_args!("PW Ethernet Control Word"));
                self.tree
                    .inside(|tree| tree.line(format_args!("Sequence Number: {number}")));
                self.network(ethertype::TRANSPARENT_ETHERNET, rest.after(CONTROL_WORD));
            }
            Some(4) => self.network(ethertype::IPV4, rest),
            Some(6) => self.network(ethertype::IPV6, rest),
            _ => self.unknown(rest),
        }
        true
    }

    /// RFC 8926 sections 3.4 and 3.5.
    fn geneve(&mut self, part: Part<'a>) -> bool {
        let (Some(header), Some(flags)) = (geneve::read(part.bytes), part.byte(1)) else {
            return false;
        };
        let geneve::Header {
            vni,
            protocol,
            length,
        } = header;
        let options = part.after(geneve::HEADER).until(length - geneve::HEADER);
        let is = |bit: u8| if flags & bit == 0 { "False" } else { "True" };
        self.tree.line(format_args!(
            "Generic Network Virtualization Encapsulation, VNI: 0x{vni:06x}{}",
            if flags & 0x80 == 0 { "" } else { ", OAM" }
        ));
        self.tree.inside(|tree| {
            tree.line(format_args!("Version: 0"));
            tree.line(format_args!("Length: {} bytes", options.length));
            tree.line(format_args!("Flags: 0x{flags:02x}"));
            let bits = u32::from(flags);
            tree.inside(|tree| {
                let name = "Operations, Administration and Management Frame";
                tree.bits(bits, 8, 0x80, format_args!("{name}: {}", is(0x80)));
                tree.bits(
                    bits,
                    8,
                    0x40,
                    format_args!("Critical Options Present: {}", is(0x40)),
                );
                tree.bits(bits, 8, 0x3f, format_args!("Reserved: {}", is(0x3f)));
            });
            let name = type_name(protocol);
            tree.line(format_args!("Protocol Type: {name} (0x{protocol:04x})"));
            tree.line(format_args!(
                "Virtual Network Identifier (VNI): 0x{vni:06x} ({vni})"
            ));
            if options.length > 0 {
                tree.line(format_args!("Options: ({} bytes)", options.length));
                tree.inside(|tree| geneve_options(tree, options));
            }
        });
        self.network(protocol, part.after(length));
        true
    }

    /// 3GPP TS 29.281 section 5.1. Extension headers are named and not opened.
    fn gtp(&mut self, part: Part<'a>) -> bool {
        let (Some(header), Some(flags), Some(length)) =
            (gtp::read(part.bytes), part.byte(0), part.u16(2))
        else {
            return false;
        };
        let teid = header.teid;
        let is = |bit: u8| if flags & bit == 0 { "No" } else { "Yes" };
        self.tree.line(format_args!("GPRS Tunneling Protocol"));
        self.tree.inside(|tree| {
            tree.line(format_args!("Flags: 0x{flags:02x}"));
            let bits = u32::from(flags);
            tree.inside(|tree| {
                tree.bits(
                    bits,
                    8,
                    0xe0,
                    format_args!("Version: GTP release 99 version (1)"),
                );
                tree.bits(bits, 8, 0x10, format_args!("Protocol type: GTP (1)"));
                tree.bits(bits, 8, 0x08, format_args!("Reserved: {}", bits >> 3 & 1));
                let present = "present?";
                tree.bits(
                    bits,
                    8,
                    0x04,
                    format_args!("Is Next Extension Header {present}: {}", is(4)),
                );
                tree.bits(
                    bits,
                    8,
                    0x02,
                    format_args!("Is Sequence Number {present}: {}", is(2)),
                );
                tree.bits(
                    bits,
                    8,
                    0x01,
                    format_args!("Is N-PDU number {present}: {}", is(1)),
                );
            });
            tree.line(format_args!("Message Type: T-PDU (0xff)"));
            tree.line(format_args!("Length: {length}"));
            tree.line(format_args!("TEID: 0x{teid:08x} ({teid})"));
            if flags & 0x02 != 0
                && let Some(number) = part.u16(8)
            {
                tree.line(format_args!("Sequence number: 0x{number:04x} ({number})"));
            }
            if flags & 0x01 != 0
                && let Some(number) = part.byte(10)
            {
                tree.line(format_args!("N-PDU number: 0x{number:02x} ({number})"));
            }
            if flags & 0x04 != 0
                && let Some(kind) = part.byte(11)
            {
                let name = match kind {
                    0x85 => "PDU Session container",
                    0x00 => "No more extension headers",
                    _ => "Unknown",
                };
                tree.line(format_args!(
                    "Next extension header type: {name} (0x{kind:02x})"
                ));
            }
        });
        let inner = part.after(header.length);
        match inner.byte(0).map(|first| first >> 4) {
            Some(6) => self.network(ethertype::IPV6, inner),
            _ => self.network(ethertype::IPV4, inner),
        }
        true
    }

    /// draft-foschiano-erspan-03 sections 4.2 and 4.3.
    fn erspan(&mut self, part: Part<'a>) -> bool {
        let (Some(first), Some(second), Some(third)) = (part.u16(0), part.u16(2), part.u32(4))
        else {
            return false;
        };
        let is_second = first >> 12 == 1;
        if !is_second && part.u32(8).is_none() {
            return false;
        }
        let name = if is_second { "Type II" } else { "Type III" };
        self.tree.line(format_args!(
            "Encapsulated Remote Switch Packet ANalysis {name}"
        ));
        self.tree.inside(|tree| {
            let (a, b) = (u32::from(first), u32::from(second));
            tree.bits(a, 16, 0xf000, format_args!("Version: {name} ({})", a >> 12));
            tree.bits(a, 16, 0x0fff, format_args!("Vlan: {}", a & 0xfff));
            tree.bits(b, 16, 0xe000, format_args!("COS: {}", b >> 13));
            let kind = b >> 11 & 3;
            if is_second {
                let words = [
                    "Originally without VLAN tag",
                    "Originally ISL encapsulated",
                    "Originally 802.1Q encapsulated",
                    "VLAN tag preserved in frame",
                ];
                tree.bits(
                    b,
                    16,
                    0x1800,
                    format_args!("Encap: {} ({kind})", words[kind as usize]),
                );
            } else {
                let words = [
                    "Good or unknown integrity",
                    "Bad integrity",
                    "Short integrity",
                    "Oversized integrity",
                ];
                let name = "Bad/Short/Oversized";
                tree.bits(
                    b,
                    16,
                    0x1800,
                    format_args!("{name}: {} ({kind})", words[kind as usize]),
                );
            }
            let truncated = if b & 0x0400 == 0 {
                "Not truncated (0)"
            } else {
                "Truncated (1)"
            };
            tree.bits(b, 16, 0x0400, format_args!("Truncated: {truncated}"));
            tree.bits(b, 16, 0x03ff, format_args!("SpanID: {}", b & 0x3ff));
            if is_second {
                tree.bits(
                    third,
                    32,
                    0xfff0_0000,
                    format_args!("Reserved: {}", third >> 20),
                );
                tree.bits(
                    third,
                    32,
                    0x000f_ffff,
                    format_args!("Index: {}", third & 0xf_ffff),
                );
            } else {
                erspan_3(tree, third, part.u32(8).unwrap_or_default());
            }
        });
        let inner = part.after(self.end_of_erspan(part, is_second));
        self.network(ethertype::TRANSPARENT_ETHERNET, inner);
        true
    }

    /// How long the header is: Ethernet follows it.
    fn end_of_erspan(&self, part: Part<'a>, is_second: bool) -> usize {
        let mut later = self.frame.decoded.passed.iter();
        let ethernet =
            later.find(|it| it.kind == Between::Ethernet && it.offset as usize > part.at);
        ethernet.map_or(if is_second { 8 } else { 12 }, |it| {
            it.offset as usize - part.at
        })
    }
}

/// The second half of a header of type III.
fn erspan_3(tree: &mut Tree<'_>, timestamp: u32, last: u32) {
    let (group, flags) = (last >> 16, last & 0xffff);
    tree.bits(
        timestamp,
        32,
        u32::MAX,
        format_args!("Timestamp: {timestamp}"),
    );
    tree.bits(
        group,
        16,
        0xffff,
        format_args!("Security Group Tag: {group}"),
    );
    tree.bits(
        flags,
        16,
        0x8000,
        format_args!("Has Ethernet PDU: {}", flags >> 15),
    );
    let kind = flags >> 10 & 0x1f;
    let name = match kind {
        0 => "Ethernet",
        2 => "IP",
        _ => "Unknown",
    };
    tree.bits(
        flags,
        16,
        0x7c00,
        format_args!("Frame Type: {name} ({kind})"),
    );
    tree.bits(
        flags,
        16,
        0x03f0,
        format_args!("Hardware ID: {}", flags >> 4 & 0x3f),
    );
    let direction = if flags & 8 == 0 { "Ingress" } else { "Egress" };
    tree.bits(flags, 16, 0x0008, format_args!("Direction: {direction}"));
    let unit = flags >> 1 & 3;
    let units = [
        "100 microseconds",
        "100 nanoseconds",
        "IEEE 1588",
        "User configurable",
    ];
    tree.bits(
        flags,
        16,
        0x0006,
        format_args!("Timestamp granularity: {} ({unit})", units[unit as usize]),
    );
    tree.bits(
        flags,
        16,
        0x0001,
        format_args!("Optional Sub headers: {}", flags & 1),
    );
}

/// Labels with a meaning of their own (RFC 3032 section 2.1, RFC 3429, RFC 5586, RFC 6790, RFC 7274).
fn reserved(label: u32) -> &'static str {
    match label {
        0 => " (IPv4 Explicit-Null)",
        1 => " (Router Alert)",
        2 => " (IPv6 Explicit-Null)",
        3 => " (Implicit-Null)",
        7 => " (Entropy Label Indicator (ELI))",
        13 => " (Generic Associated Channel Label (GAL))",
        14 => " (OAM Alert)",
        15 => " (Extension Label)",
        _ => "",
    }
}

/// Options of Geneve: class, type and length, each at least 4 bytes, so this ends.
fn geneve_options(tree: &mut Tree<'_>, mut options: Part<'_>) {
    const HEADER: usize = 4;
    while let (Some(class), Some(kind), Some(length)) =
        (options.u16(0), options.byte(2), options.byte(3))
    {
        let data = usize::from(length & 0x1f) * 4;
        let name = match class {
            0..=0x00ff => "Standard",
            0x0100 => "Linux",
            0x0101 => "Open vSwitch",
            0xff00.. => "Experimental",
            _ => "Unknown",
        };
        let critical = if kind & 0x80 == 0 {
            "Non-critical"
        } else {
            "Critical"
        };
        tree.line(format_args!(
            "Unknown, Class: {name} (0x{class:04x}) Type: 0x{kind:02x} ({critical})"
        ));
        tree.inside(|tree| {
            tree.line(format_args!("Class: {name} (0x{class:04x})"));
            tree.line(format_args!("Type: 0x{kind:02x} ({critical})"));
            tree.line(format_args!("Length: {} bytes", HEADER + data));
            let bytes = options.after(HEADER).until(data).bytes;
            if bytes.is_empty() {
                tree.line(format_args!("Unknown Option Data: <MISSING>"));
            } else {
                tree.line(format_args!("Unknown Option Data: {}", tree::hex(bytes)));
            }
        });
        options = options.after(HEADER + data);
    }
}
