//! ICMP of both versions, with the packet that an error quotes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Walk;
use super::tree::{Part, Tree, hex};
use crate::packet::link::ethertype;
use crate::render::decode::icmp::{v4_codes, v4_type, v6_type};

impl<'a> Walk<'a, '_> {
    /// RFC 792.
    pub(super) fn icmp(&mut self, part: Part<'a>) {
        let (Some(kind), Some(code), Some(sum)) = (part.byte(0), part.byte(1), part.u16(2)) else {
            return self.tree.data(part);
        };
        self.tree
            .line(format_args!("Internet Control Message Protocol"));
        let about = sum_words(part, sum, None, self.is_quoted);
        self.tree.inside(|tree| {
            let name = v4_type(kind).unwrap_or("Unknown");
            tree.line(format_args!("Type: {kind} ({name})"));
            match v4_codes(kind) {
                Some(codes) => {
                    let name = codes.get(usize::from(code)).unwrap_or(&"Unknown code");
                    tree.line(format_args!("Code: {code} ({name})"));
                }
                None => tree.line(format_args!("Code: {code}")),
            }
            tree.line(format_args!("Checksum: 0x{sum:04x} [{about}]"));
            match kind {
                0 | 8 | 13..=18 => echo(tree, part),
                3 if code == 4 => {
                    unused(tree, part, 4, 2);
                    if let Some(mtu) = part.u16(6) {
                        tree.line(format_args!("MTU of next hop: {mtu}"));
                    }
                }
                5 => {
                    if let Some(gateway) = part.array::<4>(4) {
                        tree.line(format_args!("Gateway Address: {}", Ipv4Addr::from(gateway)));
                    }
                }
                12 => {
                    if let Some(pointer) = part.byte(4) {
                        tree.line(format_args!("Pointer: {pointer}"));
                        unused(tree, part, 5, 3);
                    }
                }
                3 | 4 | 11 => unused(tree, part, 4, 4),
                _ => {}
            }
        });
        let rest = part.after(8);
        match kind {
            3 | 4 | 5 | 11 | 12 => self.quoted(ethertype::IPV4, rest),
            13 | 14 => self.tree.inside(|tree| {
                for (index, name) in ["Originate", "Receive", "Transmit"].into_iter().enumerate() {
                    if let Some(time) = rest.u32(4 * index) {
                        // Milliseconds since midnight (RFC 792).
                        let seconds = f64::from(time) / 1000.0;
                        tree.line(format_args!(
                            "{name} Timestamp: {time} ({seconds} seconds after midnight UTC)"
                        ));
                    }
                }
            }),
            _ => self.tree.inside(|tree| tree.data(rest)),
        }
    }

    /// RFC 4443, RFC 4861.
    pub(super) fn icmp6(&mut self, part: Part<'a>) {
        let (Some(kind), Some(code), Some(sum)) = (part.byte(0), part.byte(1), part.u16(2)) else {
            return self.tree.data(part);
        };
        self.tree
            .line(format_args!("Internet Control Message Protocol v6"));
        let ends = match self
            .frame
            .decoded
            .ip()
            .map(|ip| (ip.source, ip.destination))
        {
            Some((IpAddr::V6(from), IpAddr::V6(to))) => Some((from, to)),
            _ => None,
        };
        let about = sum_words(part, sum, ends, self.is_quoted);
        let mut rest = part.after(8);
        self.tree.inside(|tree| {
            let (name, codes) = v6_type(kind).unwrap_or(("Unknown", &[]));
            tree.line(format_args!("Type: {name} ({kind})"));
            match codes.get(usize::from(code)) {
                Some(name) => tree.line(format_args!("Code: {code} ({name})")),
                None if codes.is_empty() => tree.line(format_args!("Code: {code}")),
                None => tree.line(format_args!("Code: {code} (Unknown ({code}))")),
            }
            tree.line(format_args!("Checksum: 0x{sum:04x} [{about}]"));
            match kind {
                1 | 3 | 133 => reserved(tree, part),
                2 => {
                    if let Some(mtu) = part.u32(4) {
                        tree.line(format_args!("MTU: {mtu}"));
                    }
                }
                4 => {
                    if let Some(pointer) = part.u32(4) {
                        tree.line(format_args!("Pointer: {pointer}"));
                    }
                }
                128 | 129 => {
                    if let (Some(id), Some(sequence)) = (part.u16(4), part.u16(6)) {
                        tree.line(format_args!("Identifier: 0x{id:04x}"));
                        tree.line(format_args!("Sequence: {sequence}"));
                    }
                }
                135 | 136 => {
                    if kind == 135 {
                        reserved(tree, part);
                    } else {
                        neighbor_flags(tree, part.u32(4).unwrap_or_default());
                    }
                    if let Some(target) = part.array::<16>(8) {
                        tree.line(format_args!("Target Address: {}", Ipv6Addr::from(target)));
                    }
                    rest = part.after(24);
                }
                _ => {}
            }
            if matches!(kind, 133 | 135 | 136) {
                neighbor_options(tree, rest);
                rest = Part {
                    bytes: &[],
                    length: 0,
                    at: 0,
                };
            }
        });
        match kind {
            1..=4 => self.quoted(ethertype::IPV6, rest),
            _ => self.tree.inside(|tree| tree.data(rest)),
        }
    }

    /// The packet that an error is about, set in.
    fn quoted(&mut self, number: u16, part: Part<'a>) {
        if part.bytes.is_empty() || self.is_quoted {
            return self.tree.data(part);
        }
        self.is_quoted = true;
        self.tree.enter();
        self.network(number, part);
        self.tree.leave();
        self.is_quoted = false;
    }
}

/// Both readings of the numbers of an echo, for senders of either byte order.
fn echo(tree: &mut Tree<'_>, part: Part<'_>) {
    for (name, at) in [("Identifier", 4), ("Sequence Number", 6)] {
        if let Some(number) = part.u16(at) {
            let swapped = number.swap_bytes();
            tree.line(format_args!("{name} (BE): {number} (0x{number:04x})"));
            tree.line(format_args!("{name} (LE): {swapped} (0x{swapped:04x})"));
        }
    }
}

fn unused(tree: &mut Tree<'_>, part: Part<'_>, at: usize, length: usize) {
    if let Some(bytes) = part.bytes.get(at..at + length) {
        tree.line(format_args!("Unused: {}", hex(bytes)));
    }
}

fn reserved(tree: &mut Tree<'_>, part: Part<'_>) {
    if let Some(number) = part.u32(4) {
        tree.line(format_args!("Reserved: {number:08x}"));
    }
}

/// RFC 4861 section 4.4.
fn neighbor_flags(tree: &mut Tree<'_>, flags: u32) {
    const NAMES: [(u32, &str); 3] = [
        (1 << 31, "Router"),
        (1 << 30, "Solicited"),
        (1 << 29, "Override"),
    ];
    let mut set = String::new();
    for (_, name) in NAMES.iter().filter(|(bit, _)| flags & bit != 0) {
        set.push_str(", ");
        set.push_str(name);
    }
    tree.line(format_args!("Flags: 0x{flags:08x}{set}"));
    tree.inside(|tree| {
        for (bit, name) in NAMES {
            tree.flag(flags, 32, bit, name);
        }
        let rest = flags & 0x1fff_ffff;
        tree.bits(flags, 32, 0x1fff_ffff, format_args!("Reserved: {rest}"));
    });
}

/// RFC 4861 section 4.6; each option has at least 8 bytes, so this ends.
fn neighbor_options(tree: &mut Tree<'_>, mut part: Part<'_>) {
    while let (Some(kind), Some(units)) = (part.byte(0), part.byte(1)) {
        let length = usize::from(units) * 8;
        if length == 0 || length > part.bytes.len() {
            break;
        }
        let name = match kind {
            1 => "Source link-layer address",
            2 => "Target link-layer address",
            3 => "Prefix information",
            4 => "Redirected header",
            5 => "MTU",
            _ => "Unknown",
        };
        let address = part.mac(2).filter(|_| kind <= 2);
        let after = address
            .as_ref()
            .map_or(String::new(), |address| format!(" : {address}"));
        tree.line(format_args!("ICMPv6 Option ({name}{after})"));
        tree.inside(|tree| {
            tree.line(format_args!("Type: {name} ({kind})"));
            tree.line(format_args!("Length: {units} ({length} bytes)"));
            if let Some(address) = &address {
                tree.line(format_args!("Link-layer address: {address}"));
            }
        });
        part = part.after(length);
    }
}

/// Whether the checksum is right (RFC 1071), with the addresses of IPv6 if it is of that (RFC 8200 section 8.1).
fn sum_words(
    part: Part<'_>,
    said: u16,
    ends: Option<(Ipv6Addr, Ipv6Addr)>,
    is_quoted: bool,
) -> String {
    if part.bytes.len() < part.length || is_quoted {
        return "unverified".to_owned();
    }
    let mut words = Vec::new();
    if let Some((from, to)) = ends {
        words.extend(from.octets());
        words.extend(to.octets());
        words.extend(u32::try_from(part.length).unwrap_or(u32::MAX).to_be_bytes());
        words.extend([0, 0, 0, crate::packet::ip::protocol::ICMPV6]);
    }
    words.extend_from_slice(part.bytes);
    let sum: u64 = words
        .chunks(2)
        .map(|pair| u64::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u64::from(*low)))
        .sum();
    let mut folded = sum;
    while folded > 0xffff {
        folded = (folded & 0xffff) + (folded >> 16);
    }
    if folded == 0xffff {
        return "correct".to_owned();
    }
    let mut without = sum - u64::from(said);
    while without > 0xffff {
        without = (without & 0xffff) + (without >> 16);
    }
    let right = 0xffff - without;
    format!("incorrect, should be 0x{right:04x}")
}
