//! Lines about what is neither TCP nor UDP nor ICMP.

use super::buffer::Buffer;
use super::line::{checksum, columns, flags, head, incomplete, ports};
use super::{llc, numbers, wifi};
use crate::capfile::LinkType;
use crate::dissect::{Frame, Unread};
use crate::packet::checksum::Wrong;
use crate::packet::gre;
use crate::packet::ip::{IPV6_HEADER, protocol};
use crate::packet::record::{Between, Ip, Link, Network, Passage, Span, Tcp, Transport, Udp};
use crate::packet::tcp::{HEADER, flag};
use crate::packet::{Decoded, Layer};

/// `02:00:0a:00:00:01`
pub(super) fn mac(bytes: &[u8]) -> String {
    let parts: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    parts.join(":")
}

/// The columns of source and destination without IP: those of the innermost Ethernet.
pub(super) fn link_columns(out: &mut Buffer, frame: &Frame<'_>) {
    let passed = frame.decoded.passed.iter();
    let inner = passed.filter(|passage| passage.kind == Between::Ethernet);
    match (inner.last(), frame.decoded.link) {
        (Some(Passage { offset, .. }), _) => ethernet_columns(out, frame, offset as usize),
        (None, Link::Ethernet) => ethernet_columns(out, frame, 0),
        (None, link) => other_columns(out, frame, link),
    }
}

fn ethernet_columns(out: &mut Buffer, frame: &Frame<'_>, start: usize) {
    let addresses = frame.bytes.get(start..).and_then(<[u8]>::first_chunk::<12>);
    let (to, from) = addresses.map_or((&[][..], &[][..]), |both| both.split_at(6));
    columns(out, &mac(from), &mac(to));
}

fn other_columns(out: &mut Buffer, frame: &Frame<'_>, link: Link) {
    match link {
        Link::Cooked {
            address, length, ..
        } => {
            let from = frame.bytes.get(address as usize..).unwrap_or_default();
            let from = &from[..from.len().min(usize::from(length))];
            columns(out, &mac(from), "");
        }
        Link::Wifi {
            header,
            source,
            destination,
        } => wifi::columns(out, frame.bytes, header, source, destination),
        Link::Ethernet | Link::None => columns(out, "", ""),
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
        let name = numbers::protocol_words(ip.protocol).unwrap_or("Unknown");
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
    if frame
        .decoded
        .malformed
        .is_some_and(|it| it.layer == Layer::Ipv6Extension)
    {
        out.text(match ip.protocol {
            protocol::HOP_BY_HOP => "IPv6 hop-by-hop options",
            protocol::ROUTING => "IPv6 routing",
            protocol::DESTINATION_OPTIONS => "IPv6 destination options",
            _ => "",
        });
    }
    if let (&[from, from_low, to, to_low, ..], "TCP" | "UDP") = (rest, name) {
        let (from, to) = ([from, from_low], [to, to_low]);
        ports(out, u16::from_be_bytes(from), u16::from_be_bytes(to));
    }
}

/// A segment that is no part of a stream: its numbers as they stand. Its header says a length that cannot be, or it is the
/// first fragment of a packet that cannot be put together.
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
    if tcp.has(flag::URG) {
        out.format(format_args!(" Urg={}", tcp.urgent));
    }
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
    if is_named(frame.decoded, false) {
        let length = udp.length;
        out.format(format_args!(
            " [BAD UDP LENGTH {length} > IP PAYLOAD LENGTH]"
        ));
    }
    out.text(" Len=");
    out.number(u64::from(udp.length - LEAST));
}

/// Whether the line says itself what is malformed. Of a datagram of which no data was captured both is said.
pub(super) fn is_named(decoded: &Decoded, was_cut: bool) -> bool {
    let Some(malformed) = decoded.malformed else {
        return false;
    };
    match &decoded.innermost().transport {
        Transport::Udp(udp) => {
            let is_empty = was_cut && udp.payload.captured == 0 && udp.payload.length > 0;
            malformed.layer == Layer::Udp && !is_empty
        }
        Transport::Tcp(tcp) => tcp.header_length == 0 && malformed.need == HEADER,
        _ => false,
    }
}

/// Whether a frame of Ethernet that was cut goes on after its packet: a checksum of the frame is looked for at its end.
#[cold]
pub(super) fn is_trailer_cut(frame: &Frame<'_>) -> bool {
    /// Bytes of an ARP message about Ethernet and IPv4.
    const ARP: u32 = 28;
    const CHECKSUM: u32 = 4;
    /// Shorter frames may be padded to this length, without a checksum.
    const SHORTEST: u32 = 64;
    const HEADER: u32 = 14;
    const TAG: u32 = 4;
    let decoded = frame.decoded;
    // What else stands in front of the packet may have something of its own at the end.
    let is_next = decoded.network_offset == HEADER + TAG * u32::from(decoded.tags.count);
    if decoded.link != Link::Ethernet || frame.length < SHORTEST || !is_next {
        return false;
    }
    let end = match &decoded.outer.network {
        Network::Ip(ip) => ip.end,
        Network::Arp(arp) if arp.addresses.is_some() => arp.offset + ARP,
        _ => return false,
    };
    (end as usize) < frame.captured.len() && end + CHECKSUM <= frame.length
}

pub(super) fn protocol(out: &mut Buffer, frame: &Frame<'_>, ip: &Ip, span: &Span) {
    let header = span.of(frame.bytes);
    if let (protocol::GRE, Some(carried)) = (ip.protocol, gre::carried(header)) {
        head(out, "GRE", frame.length);
        if carried == 0 {
            return out.text("Encapsulated Possible GRE keepalive packet");
        }
        out.text("Encapsulated ");
        return match numbers::gre_words(carried) {
            Some(name) => out.text(name),
            None => out.format(format_args!("0x{carried:04x} (unknown)")),
        };
    }
    let name = match ip.is_v6 {
        true if has_authentication(frame, ip) => "AH",
        true => "IPv6",
        false => "IPv4",
    };
    head(out, name, frame.length);
    if ip.is_v6 && ip.protocol == protocol::NO_NEXT_HEADER {
        return out.text("IPv6 no next header");
    }
    if ip.is_v6 {
        out.text("Unknown IP Protocol: ");
    }
    let name = numbers::protocol_words(ip.protocol).unwrap_or("Unknown");
    out.format(format_args!("{name} ({})", ip.protocol));
}

/// Whether an authentication header is the last in front of what an IPv6 packet carries.
fn has_authentication(frame: &Frame<'_>, ip: &Ip) -> bool {
    let end = ip.offset as usize + ip.header_length as usize;
    let mut next = ip.next_header;
    let mut at = ip.offset as usize + IPV6_HEADER;
    // They were walked over before, so each is whole.
    while let Some(&[after, length]) = frame.bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let length = match next {
            protocol::AUTHENTICATION => (usize::from(length) + 2) * 4,
            protocol::FRAGMENT => 8,
            _ => (usize::from(length) + 1) * 8,
        };
        if at + length >= end {
            return next == protocol::AUTHENTICATION && at < end;
        }
        (next, at) = (after, at + length);
    }
    false
}

fn rest_of<'a>(frame: &Frame<'a>, offset: u32) -> &'a [u8] {
    frame.bytes.get(offset as usize..).unwrap_or_default()
}

/// Whether this is a frame of Cisco HDLC.
fn is_cisco(frame: &Frame<'_>) -> bool {
    match frame.decoded.link_type {
        LinkType::C_HDLC => true,
        LinkType::PPP | LinkType::PPP_SERIAL => matches!(frame.bytes.first(), Some(0x0f | 0x8f)),
        _ => false,
    }
}

/// Cisco HDLC with what is not decoded: a number that nothing is known of takes the place of the protocol.
fn cisco(out: &mut Buffer, frame: &Frame<'_>, offset: u32) {
    /// XNS, SLARP, the spanning tree, `DECnet`, `AppleTalk` and its ARP, IPX, CDP, UDLD, Ethernet, OSI.
    const KNOWN: [u16; 12] = [
        0x0600, 0x8035, 0x8038, 0x6003, 0x809b, 0x80f3, 0x8137, 0x4242, 0x2000, 0x0111, 0x6558,
        0xfefe,
    ];
    columns(out, "N/A", "N/A");
    let number = frame.bytes.get(2..).and_then(<[u8]>::first_chunk);
    let number = number.map_or(0, |number| u16::from_be_bytes(*number));
    if rest_of(frame, offset).is_empty() {
        head(out, "CHDLC", frame.length);
        incomplete(out, frame.captured.len() < frame.length as usize);
    } else if KNOWN.contains(&number) {
        head(out, "CHDLC", frame.length);
    } else {
        head(out, &format!("0x{number:04x}"), frame.length);
    }
}

/// A network layer that is not known.
pub(super) fn network(out: &mut Buffer, frame: &Frame<'_>, offset: u32) {
    let is_cisco = is_cisco(frame);
    if is_cisco {
        return cisco(out, frame, offset);
    }
    link_columns(out, frame);
    if let Link::Wifi { header, .. } = frame.decoded.link
        && header == offset
    {
        return wifi::write(out, frame, header as usize);
    }
    let rest = frame.length.saturating_sub(offset);
    match frame.decoded.ethertype {
        0 if frame.decoded.link != Link::None
            && llc::write(out, frame.length, rest_of(frame, offset)) => {}
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
            out.text(numbers::ethertype_name(ethertype).unwrap_or("Ethernet II"));
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
            9 | 50 | 51 | 166 | 204 => "PPP".to_owned(),
            104 => "Cisco HDLC".to_owned(),
            105 | 119 | 127 | 163 => "IEEE 802.11".to_owned(),
            187 | 201 => "Bluetooth".to_owned(),
            189 | 220 | 249 => "USB".to_owned(),
            195 | 215 | 230 => "IEEE 802.15.4".to_owned(),
            239 => "NFLOG".to_owned(),
            _ => link.to_string(),
        },
        Unread::Ethertype(ethertype) => named(ethertype),
        Unread::Gre(carried) => match numbers::gre_words(carried) {
            Some(name) => format!("GRE with {name}"),
            None => format!("GRE with EtherType 0x{carried:04x}"),
        },
        Unread::Tunnel(name) => name.to_owned(),
        Unread::Protocol(number) => match numbers::protocol_name(number) {
            Some(name) => name.to_owned(),
            None => format!("IP protocol {number}"),
        },
    }
}

fn named(ethertype: u16) -> String {
    match numbers::ethertype_name(ethertype) {
        Some(name) => name.to_owned(),
        None => format!("EtherType 0x{ethertype:04x}"),
    }
}
