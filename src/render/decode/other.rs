//! Lines about what is neither TCP nor UDP nor ICMP.

use super::buffer::Buffer;
use super::line::{checksum, columns, flags, head, ports};
use crate::dissect::{Frame, Unread};
use crate::packet::checksum::Wrong;
use crate::packet::gre;
use crate::packet::ip::protocol;
use crate::packet::record::{Arp, ArpAddresses, Ip, Link, Span, Tcp, Transport, Udp};
use crate::packet::tcp::{HEADER, flag};
use crate::packet::{Decoded, Layer};

/// `02:00:0a:00:00:01`
pub(super) fn mac(bytes: &[u8]) -> String {
    let parts: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    parts.join(":")
}

/// The columns of source and destination without IP.
fn link_columns(out: &mut Buffer, frame: &Frame<'_>) {
    match frame.decoded.link {
        Link::Ethernet => {
            let addresses = frame.bytes.first_chunk::<12>();
            let (to, from) = addresses.map_or((&[][..], &[][..]), |both| both.split_at(6));
            columns(out, &mac(from), &mac(to));
        }
        Link::Cooked {
            address, length, ..
        } => {
            let from = frame.bytes.get(address as usize..).unwrap_or_default();
            let from = &from[..from.len().min(usize::from(length))];
            columns(out, &mac(from), "");
        }
        Link::None => columns(out, "", ""),
    }
}

pub(super) fn arp(out: &mut Buffer, frame: &Frame<'_>, arp: &Arp) {
    link_columns(out, frame);
    head(out, "ARP", frame.length);
    let Some(addresses) = arp.addresses else {
        return out.format(format_args!("Operation {}", arp.operation));
    };
    let ArpAddresses {
        sender_mac,
        sender,
        target,
        ..
    } = addresses;
    let ip = |bytes: [u8; 4]| std::net::Ipv4Addr::from(bytes);
    let (from, to) = (ip(sender), ip(target));
    match arp.operation {
        1 if sender == target => out.format(format_args!("ARP Announcement for {from}")),
        1 if sender == [0; 4] => out.format(format_args!("Who has {to}? (ARP Probe)")),
        1 => out.format(format_args!("Who has {to}? Tell {from}")),
        2 if sender == target => out.format(format_args!("Gratuitous ARP for {from} (Reply)")),
        2 => out.format(format_args!("{from} is at {}", mac(&sender_mac))),
        3 => out.format(format_args!(
            "Who is {}? Tell {}",
            mac(&addresses.target_mac),
            mac(&sender_mac)
        )),
        4 => out.format(format_args!("{} is at {to}", mac(&addresses.target_mac))),
        other => out.format(format_args!("Operation {other}")),
    }
}

pub(super) fn fragment(out: &mut Buffer, frame: &Frame<'_>, ip: &Ip) {
    let Some(fragment) = ip.fragment else {
        return;
    };
    if ip.is_v6 {
        head(out, "IPv6", frame.length);
        out.format(format_args!(
            "IPv6 fragment (off={} more={} ident=0x{:08x} nxt={})",
            fragment.offset,
            if fragment.more { 'y' } else { 'n' },
            fragment.identification,
            ip.protocol,
        ));
    } else {
        head(out, "IPv4", frame.length);
        let name = protocol_name(ip.protocol).unwrap_or("Unknown");
        out.format(format_args!(
            "Fragmented IP protocol (proto={name} {}, off={}, ID={:04x})",
            ip.protocol, fragment.offset, fragment.identification,
        ));
    }
}

/// A transport layer of which not even the fixed header is there: the ports, if they are.
pub(super) fn cut_transport(out: &mut Buffer, frame: &Frame<'_>, ip: &Ip) {
    let start = (ip.offset + ip.header_length) as usize;
    let rest = frame.bytes.get(start..).unwrap_or_default();
    let name = match frame.decoded.malformed.map(|malformed| malformed.layer) {
        Some(Layer::Tcp) if !rest.is_empty() => "TCP",
        Some(Layer::Udp) if !rest.is_empty() => "UDP",
        Some(Layer::Icmp) if ip.is_v6 => "ICMPv6",
        Some(Layer::Icmp) => "ICMP",
        Some(Layer::Gre) => "GRE",
        _ if ip.is_v6 => "IPv6",
        _ => "IPv4",
    };
    head(out, name, frame.length);
    if let (&[from, from_low, to, to_low, ..], "TCP" | "UDP") = (rest, name) {
        let (from, to) = ([from, from_low], [to, to_low]);
        ports(out, u16::from_be_bytes(from), u16::from_be_bytes(to));
    }
}

/// A segment whose header says a length that cannot be: its numbers as they stand.
#[cold]
pub(super) fn bad_segment(out: &mut Buffer, frame: &Frame<'_>, tcp: &Tcp) {
    head(out, "TCP", frame.length);
    ports(out, tcp.source, tcp.destination);
    out.text(" [");
    flags(out, tcp.flags);
    out.format(format_args!("] Seq={}", tcp.sequence));
    if tcp.has(flag::ACK) {
        out.format(format_args!(" Ack={}", tcp.acknowledgment));
    }
    out.format(format_args!(" Win={}", tcp.window));
    if frame.wrong_checksum == Some(Wrong::Tcp) {
        checksum(out, Wrong::Tcp);
    }
    if let Some(malformed) = frame.decoded.malformed.filter(|it| it.need == HEADER) {
        out.format(format_args!(
            ", bogus TCP header length ({}, must be at least {HEADER})",
            malformed.have
        ));
    }
}

/// ` Len=8`, or why the length of a datagram cannot be.
pub(super) fn datagram_length(out: &mut Buffer, frame: &Frame<'_>, ip: &Ip, udp: &Udp) {
    const LEAST: u16 = 8;
    if udp.length == 0 && ip.is_v6 {
        // RFC 2675 section 4; over IPv6 there has to be a checksum.
        let at = udp.offset as usize + 6;
        let has_checksum = frame.bytes.get(at..at + 2) != Some(&[0, 0]);
        let illegal = if has_checksum {
            ""
        } else {
            " [ILLEGAL CHECKSUM (0)]"
        };
        let length = udp.payload.length;
        return out.format(format_args!(" Len={length} [Jumbogram]{illegal}"));
    }
    if udp.length < LEAST {
        return out.format(format_args!(" [BAD UDP LENGTH {} < {LEAST}]", udp.length));
    }
    if is_named(frame.decoded) {
        let length = udp.length;
        out.format(format_args!(
            " [BAD UDP LENGTH {length} > IP PAYLOAD LENGTH]"
        ));
    }
    out.text(" Len=");
    out.number(u64::from(udp.length - LEAST));
}

/// Whether the line says itself what is malformed.
pub(super) fn is_named(decoded: &Decoded) -> bool {
    let Some(malformed) = decoded.malformed else {
        return false;
    };
    match &decoded.innermost().transport {
        Transport::Udp(_) => malformed.layer == Layer::Udp,
        Transport::Tcp(tcp) => tcp.header_length == 0 && malformed.need == HEADER,
        _ => false,
    }
}

pub(super) fn protocol(out: &mut Buffer, frame: &Frame<'_>, ip: &Ip, span: &Span) {
    let header = span.of(frame.bytes);
    if let (protocol::GRE, Some(carried)) = (ip.protocol, gre::carried(header)) {
        head(out, "GRE", frame.length);
        if carried == 0 {
            return out.text("Encapsulated Possible GRE keepalive packet");
        }
        return out.format(format_args!(
            "Encapsulated {} (0x{carried:04x}) Len={}",
            ethertype_name(carried),
            span.length
        ));
    }
    head(out, if ip.is_v6 { "IPv6" } else { "IPv4" }, frame.length);
    let name = protocol_name(ip.protocol).unwrap_or("Unknown");
    out.format(format_args!("{name} ({}) Len={}", ip.protocol, span.length));
}

/// A network layer that is not known.
pub(super) fn network(out: &mut Buffer, frame: &Frame<'_>, offset: u32) {
    link_columns(out, frame);
    let rest = frame.length.saturating_sub(offset);
    match frame.decoded.ethertype {
        0 => {
            let name = frame.decoded.link_type.to_string();
            head(
                out,
                if frame.decoded.link_type.name().is_some() {
                    &name
                } else {
                    "LINK"
                },
                frame.length,
            );
            out.format(format_args!("{name} Len={rest}"));
        }
        ethertype => {
            out.format(format_args!("0x{ethertype:04x} {} ", frame.length));
            out.format(format_args!("{} Len={rest}", ethertype_name(ethertype)));
        }
    }
}

/// Not even the network layer is whole, or not even the link layer.
pub(super) fn nothing(out: &mut Buffer, frame: &Frame<'_>) {
    link_columns(out, frame);
    match frame.decoded.malformed.map(|malformed| malformed.layer) {
        Some(layer) => head(out, layer.name(), frame.length),
        None => head(out, &frame.decoded.link_type.to_string(), frame.length),
    }
}

/// What was not decoded of a frame.
pub(super) fn unread(what: Unread) -> String {
    match what {
        Unread::Link(link) => match link.0 {
            // An Ethernet frame without an EtherType.
            1 => "IEEE 802.2 LLC".to_owned(),
            104 => "Cisco HDLC".to_owned(),
            105 | 119 | 127 | 163 => "IEEE 802.11".to_owned(),
            187 | 201 => "Bluetooth".to_owned(),
            189 | 220 | 249 => "USB".to_owned(),
            195 | 215 | 230 => "IEEE 802.15.4".to_owned(),
            239 => "NFLOG".to_owned(),
            _ => link.to_string(),
        },
        Unread::Ethertype(ethertype) => named(ethertype),
        Unread::Gre(ethertype) => format!("GRE with {}", named(ethertype)),
        Unread::Tunnel(name) => name.to_owned(),
    }
}

fn named(ethertype: u16) -> String {
    match ethertype_name(ethertype) {
        UNKNOWN => format!("EtherType 0x{ethertype:04x}"),
        name => name.to_owned(),
    }
}

const UNKNOWN: &str = "Unknown EtherType";

/// What networks have and this does not decode (IEEE, list of Ethernet types).
fn ethertype_name(ethertype: u16) -> &'static str {
    match ethertype {
        0x0800 => "IPv4",
        0x0806 => "ARP",
        0x86dd => "IPv6",
        0x8863 => "PPPoE Discovery",
        0x8864 => "PPPoE Session",
        0x8847 | 0x8848 => "MPLS",
        0x888e => "802.1X",
        0x88cc => "LLDP",
        0x88e5 => "MACsec",
        0x88f7 => "PTP",
        0x8809 => "Slow Protocols",
        0x0842 => "Wake-on-LAN",
        0x6558 => "Transparent Ethernet Bridging",
        0x880b => "PPP",
        0x88be => "ERSPAN",
        0x22eb => "ERSPAN Type III",
        0x2001 => "NHRP",
        0x883e => "WCCP",
        0x00fe => "OSI",
        _ => UNKNOWN,
    }
}

/// Protocols (IANA, "Assigned Internet Protocol Numbers").
pub(super) fn protocol_name(number: u8) -> Option<&'static str> {
    Some(match number {
        protocol::ICMP => "ICMP",
        2 => "IGMP",
        protocol::IPV4 => "IPIP",
        protocol::TCP => "TCP",
        protocol::UDP => "UDP",
        33 => "DCCP",
        protocol::IPV6 => "IPv6",
        protocol::GRE => "GRE",
        50 => "ESP",
        protocol::AUTHENTICATION => "AH",
        protocol::ICMPV6 => "ICMPv6",
        59 => "No Next Header",
        88 => "EIGRP",
        89 => "OSPF",
        103 => "PIM",
        112 => "VRRP",
        115 => "L2TP",
        132 => "SCTP",
        136 => "UDPlite",
        137 => "MPLS",
        _ => return None,
    })
}
