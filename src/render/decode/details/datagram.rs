//! UDP, ARP and GRE.

use std::net::Ipv4Addr;

use super::Walk;
use super::link::{hardware, type_name};
use super::tree::{Part, Tree, plural};
use crate::packet::checksum::Wrong;
use crate::packet::link::ethertype;

/// Bytes of a UDP header.
const UDP: usize = 8;

impl<'a> Walk<'a, '_> {
    /// RFC 768.
    pub(super) fn udp(&mut self, part: Part<'a>) {
        let (Some(from), Some(to)) = (part.u16(0), part.u16(2)) else {
            return self.tree.data(part);
        };
        let (Some(length), Some(sum)) = (part.u16(4), part.u16(6)) else {
            return self.tree.data(part);
        };
        self.tree.line(format_args!(
            "User Datagram Protocol, Src Port: {from}, Dst Port: {to}"
        ));
        let said = usize::from(length);
        let is_v6 = self.frame.decoded.ip().is_some_and(|ip| ip.is_v6);
        let wrong = self.is_wrong(Wrong::Udp);
        let payload = if said >= UDP {
            part.until(said).after(UDP)
        } else {
            part.after(UDP)
        };
        let is_quoted = self.is_quoted;
        self.tree.inside(|tree| {
            tree.line(format_args!("Source Port: {from}"));
            tree.line(format_args!("Destination Port: {to}"));
            let bogus = if said < UDP && !(said == 0 && is_v6) {
                " (bogus, must be >= 8)".to_owned()
            } else if said > part.length && !is_quoted {
                format!(" (bogus, payload length {})", part.length)
            } else {
                String::new()
            };
            tree.line(format_args!("Length: {length}{bogus}"));
            let about = match sum {
                0 if is_v6 && !is_quoted => "zero-value illegal",
                0 => "zero-value ignored",
                _ if wrong => "incorrect",
                _ => "unverified",
            };
            tree.line(format_args!("Checksum: 0x{sum:04x} [{about}]"));
            let bytes = payload.bytes.len();
            if bytes > 0 {
                tree.line(format_args!("UDP payload ({bytes} byte{})", plural(bytes)));
            }
        });
        self.unknown(payload);
    }

    /// RFC 826.
    pub(super) fn arp(&mut self, part: Part<'a>) {
        let numbers = (part.u16(0), part.u16(2), part.u16(6));
        let sizes = (part.byte(4), part.byte(5));
        let ((Some(device), Some(network), Some(operation)), (Some(mac), Some(ip))) =
            (numbers, sizes)
        else {
            return self.tree.data(part);
        };
        let is_known = (mac, ip) == (6, 4);
        let addresses = part
            .array::<4>(14)
            .zip(part.array::<4>(24))
            .map(|(sender, target)| (Ipv4Addr::from(sender), Ipv4Addr::from(target)));
        let is_gratuitous = addresses.is_some_and(|(sender, target)| sender == target);
        let target_mac = part.array::<6>(18);
        let title = match operation {
            1 if is_gratuitous && target_mac == Some([0; 6]) => "ARP Announcement",
            1 if is_gratuitous => "request/gratuitous ARP",
            1 if addresses.is_some_and(|(sender, _)| sender.is_unspecified()) => "ARP Probe",
            1 => "request",
            2 if is_gratuitous => "reply/gratuitous ARP",
            2 => "reply",
            3 => "reverse request",
            4 => "reverse reply",
            8 => "inverse request",
            9 => "inverse reply",
            _ => "unknown",
        };
        let name = match operation {
            1 => "request",
            2 => "reply",
            _ => title,
        };
        let protocol = match operation {
            3 | 4 => "Reverse Address Resolution Protocol",
            8 | 9 => "Inverse Address Resolution Protocol",
            _ => "Address Resolution Protocol",
        };
        self.tree.line(format_args!("{protocol} ({title})"));
        self.tree.inside(|tree| {
            tree.line(format_args!(
                "Hardware type: {} ({device})",
                hardware(device)
            ));
            tree.line(format_args!(
                "Protocol type: {} (0x{network:04x})",
                type_name(network)
            ));
            tree.line(format_args!("Hardware size: {mac}"));
            tree.line(format_args!("Protocol size: {ip}"));
            tree.line(format_args!("Opcode: {name} ({operation})"));
            if let (true, Some((sender, target))) = (is_known, addresses) {
                for (end, mac, ip) in [("Sender", 8, sender), ("Target", 18, target)] {
                    let mac = part.mac(mac).unwrap_or_default();
                    tree.line(format_args!("{end} MAC address: {mac}"));
                    tree.line(format_args!("{end} IP address: {ip}"));
                }
            }
        });
    }

    /// RFC 2784 section 2, RFC 2890, RFC 2637 section 4.1.
    pub(super) fn gre(&mut self, part: Part<'a>) {
        let (Some(flags), Some(next)) = (part.u16(0), part.u16(2)) else {
            return self.tree.data(part);
        };
        let version = flags & 7;
        let name = match next {
            0x0800 => "IP",
            0x86dd => "IPv6",
            0x880b => "PPP",
            0x88be => "ERSPAN",
            0x22eb => "ERSPAN III",
            0x2001 => "NHRP",
            0x6558 => "Transparent Ethernet bridging",
            0 => "Possible GRE keepalive packet",
            _ => "Unknown",
        };
        self.tree
            .line(format_args!("Generic Routing Encapsulation ({name})"));
        let mut at = 4;
        self.tree.inside(|tree| {
            tree.line(format_args!("Flags and Version: 0x{flags:04x}"));
            tree.inside(|tree| gre_flags(tree, flags));
            tree.line(format_args!("Protocol Type: {name} (0x{next:04x})"));
            if flags & 0xc000 != 0
                && let (Some(sum), Some(offset)) = (part.u16(at), part.u16(at + 2))
            {
                tree.line(format_args!("Checksum: 0x{sum:04x}"));
                tree.line(format_args!("Offset: {offset}"));
                at += 4;
            }
            if flags & 0x2000 != 0
                && let (Some(key), Some(length), Some(call)) =
                    (part.u32(at), part.u16(at), part.u16(at + 2))
            {
                if version == 1 {
                    tree.line(format_args!("Payload Length: {length}"));
                    tree.line(format_args!("Call ID: {call}"));
                } else {
                    tree.line(format_args!("Key: 0x{key:08x}"));
                }
                at += 4;
            }
            if flags & 0x1000 != 0
                && let Some(number) = part.u32(at)
            {
                tree.line(format_args!("Sequence Number: {number}"));
                at += 4;
            }
            if version == 1
                && flags & 0x80 != 0
                && let Some(number) = part.u32(at)
            {
                tree.line(format_args!("Acknowledgment Number: {number}"));
                at += 4;
            }
        });
        let inner = part.after(at);
        match next {
            ethertype::IPV4 | ethertype::IPV6 | 0x6558 => self.network(next, inner),
            _ => self.unknown(inner),
        }
    }
}

/// The bits of the first word of GRE.
fn gre_flags(tree: &mut Tree<'_>, flags: u16) {
    let (bits, version) = (u32::from(flags), flags & 7);
    let yes = |mask: u16| if flags & mask == 0 { "No" } else { "Yes" };
    for (mask, name) in [
        (0x8000, "Checksum Bit"),
        (0x4000, "Routing Bit"),
        (0x2000, "Key Bit"),
        (0x1000, "Sequence Number Bit"),
        (0x0800, "Strict Source Route Bit"),
    ] {
        tree.bits(bits, 16, mask.into(), format_args!("{name}: {}", yes(mask)));
    }
    let recursion = flags >> 8 & 7;
    tree.bits(
        bits,
        16,
        0x700,
        format_args!("Recursion control: {recursion}"),
    );
    if version == 1 {
        tree.bits(
            bits,
            16,
            0x80,
            format_args!("Acknowledgment: {}", yes(0x80)),
        );
        tree.bits(
            bits,
            16,
            0x78,
            format_args!("Flags (Reserved): {}", flags >> 3 & 15),
        );
    } else {
        tree.bits(
            bits,
            16,
            0xf8,
            format_args!("Flags (Reserved): {}", flags >> 3 & 31),
        );
    }
    let name = match version {
        0 => "GRE",
        1 => "Enhanced GRE",
        _ => "Unknown",
    };
    tree.bits(bits, 16, 7, format_args!("Version: {name} ({version})"));
}
