//! Lines about ICMP of both versions, in tshark's words.

use std::net::Ipv6Addr;

use super::buffer::Buffer;
use super::line::packet_head;
use super::other::mac;
use crate::dissect::Frame;
use crate::packet::record::{Icmp, Ip};
use crate::reference::icmp::Version;

/// Columns of a type of ICMP.
const TYPE: usize = 20;

pub(super) fn write(out: &mut Buffer, frame: &Frame<'_>, ip: &Ip, message: &Icmp) {
    let bytes = message.span.of(frame.bytes);
    match message.version {
        Version::V4 => {
            packet_head(out, frame, "ICMP");
            v4(out, message, bytes, ip);
        }
        Version::V6 => {
            packet_head(out, frame, "ICMPv6");
            v6(out, message, bytes, ip);
        }
    }
    if let Some(mtu) = mtu(message, bytes) {
        out.format(format_args!(" mtu={mtu}"));
    }
    if let Some(request) = frame.request {
        out.format(format_args!(" (request in {request})"));
    }
}

/// The MTU that an error reports (RFC 1191 section 4, RFC 4443 section 3.2).
pub(super) fn mtu(message: &Icmp, bytes: &[u8]) -> Option<u32> {
    let &[_, _, _, _, a, b, c, d, ..] = bytes else {
        return None;
    };
    let mtu = match (message.version, message.r#type, message.code) {
        (Version::V4, 3, 4) => u32::from_be_bytes([0, 0, c, d]),
        (Version::V6, 2, _) => u32::from_be_bytes([a, b, c, d]),
        _ => return None,
    };
    Some(mtu).filter(|mtu| *mtu > 0)
}

fn v4(out: &mut Buffer, message: &Icmp, bytes: &[u8], ip: &Ip) {
    let Some(name) = v4_type(message.r#type) else {
        return out.text("Unknown ICMP (obsolete or malformed?)");
    };
    out.text_left(name, TYPE);
    match (message.r#type, bytes) {
        (0 | 8 | 13..=18, &[_, _, _, _, id, id_low, sequence, sequence_low, ..]) => {
            let id = u16::from_be_bytes([id, id_low]);
            let big = u16::from_be_bytes([sequence, sequence_low]);
            // The other number is what a sender of the other byte order meant.
            let little = big.swap_bytes();
            let ttl = ip.hop_limit;
            out.format(format_args!(
                " id=0x{id:04x}, seq={big}/{little}, ttl={ttl}"
            ));
        }
        (0 | 8 | 13..=18, _) => out.byte(b' '),
        (r#type, _) => {
            if let Some(codes) = v4_codes(r#type) {
                match codes.get(usize::from(message.code)) {
                    Some(code) => out.format(format_args!(" ({code})")),
                    None => out.format(format_args!(" (Unknown code: {})", message.code)),
                }
            }
        }
    }
}

/// RFC 792, RFC 950, RFC 1256, RFC 1393, RFC 2521, RFC 4065, RFC 8335.
pub(super) fn v4_type(r#type: u8) -> Option<&'static str> {
    Some(match r#type {
        0 => "Echo (ping) reply",
        3 => "Destination unreachable",
        4 => "Source quench (flow control)",
        5 => "Redirect",
        6 => "Alternate host address",
        8 => "Echo (ping) request",
        9 => "Router advertisement",
        10 => "Router solicitation",
        11 => "Time-to-live exceeded",
        12 => "Parameter problem",
        13 => "Timestamp request",
        14 => "Timestamp reply",
        15 => "Information request",
        16 => "Information reply",
        17 => "Address mask request",
        18 => "Address mask reply",
        30 => "Traceroute",
        40 => "Photuris",
        41 => "Experimental mobility protocols",
        42 => "Extended Echo request",
        43 => "Extended Echo reply",
        _ => return None,
    })
}

pub(super) fn v4_codes(r#type: u8) -> Option<&'static [&'static str]> {
    Some(match r#type {
        3 => &[
            "Network unreachable",
            "Host unreachable",
            "Protocol unreachable",
            "Port unreachable",
            "Fragmentation needed",
            "Source route failed",
            "Destination network unknown",
            "Destination host unknown",
            "Source host isolated",
            "Network administratively prohibited",
            "Host administratively prohibited",
            "Network unreachable for TOS",
            "Host unreachable for TOS",
            "Communication administratively filtered",
            "Host precedence violation",
            "Precedence cutoff in effect",
        ],
        5 => &[
            "Redirect for network",
            "Redirect for host",
            "Redirect for TOS and network",
            "Redirect for TOS and host",
        ],
        11 => &[
            "Time to live exceeded in transit",
            "Fragment reassembly time exceeded",
        ],
        12 => &[
            "Pointer indicates the error",
            "Required option missing",
            "Bad length",
        ],
        42 | 43 => &["No error"],
        _ => return None,
    })
}

fn v6(out: &mut Buffer, message: &Icmp, bytes: &[u8], ip: &Ip) {
    let Some((name, codes)) = v6_type(message.r#type) else {
        return out.format(format_args!("Unknown ({})", message.r#type));
    };
    out.text(name);
    match (message.r#type, bytes) {
        (128 | 129, &[_, _, _, _, id, id_low, sequence, sequence_low, ..]) => {
            let id = u16::from_be_bytes([id, id_low]);
            let sequence = u16::from_be_bytes([sequence, sequence_low]);
            let hops = ip.hop_limit;
            out.format(format_args!(
                " id=0x{id:04x}, seq={sequence}, hop limit={hops}"
            ));
        }
        (133..=136, _) => neighbor(out, message.r#type, bytes),
        _ if !codes.is_empty() => match codes.get(usize::from(message.code)) {
            Some(code) => out.format(format_args!(" ({code})")),
            None => out.format(format_args!(" (Unknown ({}))", message.code)),
        },
        _ => {}
    }
}

/// RFC 4443, RFC 2710, RFC 4861, RFC 3810.
pub(super) fn v6_type(r#type: u8) -> Option<(&'static str, &'static [&'static str])> {
    Some(match r#type {
        1 => (
            "Destination Unreachable",
            &[
                "no route to destination",
                "Administratively prohibited",
                "Beyond scope of source address",
                "Address unreachable",
                "Port unreachable",
                "Source address failed ingress/egress policy",
                "Reject route to destination",
                "Error in Source Routing Header",
            ],
        ),
        2 => ("Packet Too Big", &[]),
        3 => (
            "Time Exceeded",
            &[
                "hop limit exceeded in transit",
                "fragment reassembly time exceeded",
            ],
        ),
        4 => (
            "Parameter Problem",
            &[
                "erroneous header field encountered",
                "unrecognized Next Header type encountered",
                "unrecognized IPv6 option encountered",
                "IPv6 First Fragment has incomplete IPv6 Header Chain",
            ],
        ),
        127 => ("Reserved for expansion of ICMPv6 error messages", &[]),
        255 => (
            "Reserved for expansion of ICMPv6 informational messages",
            &[],
        ),
        100 | 101 | 200 | 201 => ("Private experimentation", &[]),
        128 => ("Echo (ping) request", &[]),
        129 => ("Echo (ping) reply", &[]),
        130 => ("Multicast Listener Query", &[]),
        131 => ("Multicast Listener Report", &[]),
        132 => ("Multicast Listener Done", &[]),
        133 => ("Router Solicitation", &[]),
        134 => ("Router Advertisement", &[]),
        135 => ("Neighbor Solicitation", &[]),
        136 => ("Neighbor Advertisement", &[]),
        137 => ("Redirect", &[]),
        138..=159 => return later_type(r#type),
        160 => ("Extended Echo request", &["No error"]),
        161 => ("Extended Echo reply", &["No error"]),
        _ => return None,
    })
}

/// RFC 2894, RFC 4620, RFC 3122, RFC 3810, RFC 6275, RFC 3971, RFC 4065, RFC 4286, RFC 5568, RFC 6550, RFC 6743, RFC 6775,
/// RFC 7731.
fn later_type(r#type: u8) -> Option<(&'static str, &'static [&'static str])> {
    const CODES_OF_RPL: [&str; 4] = [
        "DODAG Information Solicitation",
        "DODAG Information Object",
        "Destination Advertisement Object",
        "Destination Advertisement Object Acknowledgment",
    ];
    Some(match r#type {
        138 => ("Router Renumbering", &["Command", "Result"]),
        139 => (
            "Node Information Query",
            &[
                "Query subject = IPv6 addresses",
                "Query subject = DNS name or empty",
                "Query subject = IPv4 addresses",
            ],
        ),
        140 => (
            "Node Information Reply",
            &["Successful", "Refused", "Unknown query type"],
        ),
        141 => ("Inverse Neighbor Discovery Solicitation", &[]),
        142 => ("Inverse Neighbor Discovery Advertisement", &[]),
        143 => ("Multicast Listener Report Message v2", &[]),
        144 => ("Home Agent Address Discovery Request", &[]),
        145 => ("Home Agent Address Discovery Reply", &[]),
        146 => ("Mobile Prefix Solicitation", &[]),
        147 => ("Mobile Prefix Advertisement", &[]),
        148 => ("Certification Path Solicitation", &[]),
        149 => ("Certification Path Advertisement", &[]),
        150 => ("Experimental Mobility", &[]),
        151 => ("Multicast Router Advertisement", &[]),
        152 => ("Multicast Router Solicitation", &[]),
        153 => ("Multicast Router Termination", &[]),
        154 => ("FMIPv6", &[]),
        155 => ("RPL Control", &CODES_OF_RPL),
        156 => ("Locator Update", &[]),
        157 => ("Duplicate Address Request", &[]),
        158 => ("Duplicate Address Confirmation", &[]),
        159 => ("MPL Control Message", &[]),
        _ => return None,
    })
}

/// The target of neighbor discovery, and the link-layer address in its options (RFC 4861 section 4).
fn neighbor(out: &mut Buffer, r#type: u8, bytes: &[u8]) {
    let target = bytes
        .get(8..24)
        .and_then(|target| <[u8; 16]>::try_from(target).ok());
    let target = target.map(Ipv6Addr::from);
    let flags = bytes.get(4).copied().unwrap_or_default();
    let (options, kind) = match r#type {
        133 => (8, 1),
        134 => (16, 1),
        135 => (24, 1),
        _ => (24, 2),
    };
    if let Some(target) = target.filter(|_| r#type == 135) {
        out.format(format_args!(" for {target}"));
    }
    if let Some(target) = target.filter(|_| r#type == 136) {
        out.format(format_args!(" {target}"));
        let set = [(0x80, "rtr"), (0x40, "sol"), (0x20, "ovr")];
        let set: Vec<&str> = set
            .iter()
            .filter(|(bit, _)| flags & bit != 0)
            .map(|(_, name)| *name)
            .collect();
        if !set.is_empty() {
            out.format(format_args!(" ({})", set.join(", ")));
        }
    }
    if let Some(address) = link_address(bytes.get(options..).unwrap_or_default(), kind) {
        let verb = if kind == 2 { "is at" } else { "from" };
        out.format(format_args!(" {verb} {}", mac(address)));
    }
}

/// The Ethernet address in the option of this type; each option has at least 8 bytes, so this ends.
fn link_address(mut options: &[u8], kind: u8) -> Option<&[u8]> {
    while let [r#type, units, ..] = *options {
        let length = usize::from(units) * 8;
        if length == 0 || length > options.len() {
            return None;
        }
        if r#type == kind {
            return options.get(2..8);
        }
        options = &options[length..];
    }
    None
}
