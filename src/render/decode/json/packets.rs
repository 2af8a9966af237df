//! Frames as JSON.

use std::net::IpAddr;

use super::super::buffer::Buffer;
use super::super::details::MOST_COMMENTS;
use super::super::icmp::mtu;
use super::super::line::KNOWN;
use super::super::numbers::protocol_name;
use super::super::other::mac;
use super::{address, string};
use crate::capfile::{self, Timestamp, has_options};
use crate::dissect::{Frame, Said};
use crate::packet::gre;
use crate::packet::ip::protocol;
use crate::packet::record::{Arp, Between, Ip, Network, Tcp, Transport};
use crate::packet::tcp::flag;
use crate::stream::{Marks, SegmentInfo};

/// Writes frames. What frames of one connection have in common is written once and copied.
#[derive(Debug, Default)]
pub(super) struct Packets {
    /// By the lower bits of the stream's slot.
    known: Vec<Known>,
    draft: Buffer,
    /// The second of the last frame, and its text: frames of one second follow each other.
    second: (i64, Buffer),
}

/// The texts of a connection.
#[derive(Debug, Default)]
struct Known {
    /// Its number and one more; 0 for no stream.
    stream: u64,
    directions: [Ends; 2],
}

/// From `protocol` to `flags`, of one direction.
#[derive(Debug)]
struct Ends {
    bytes: [u8; ENDS],
    len: usize,
}

/// Bytes of the longest: the keys, two IPv6 addresses, two ports and the number of a connection.
const ENDS: usize = 224;

impl Default for Ends {
    fn default() -> Ends {
        Ends {
            bytes: [0; ENDS],
            len: 0,
        }
    }
}

impl Packets {
    /// A frame.
    #[inline]
    pub(super) fn write(&mut self, out: &mut Buffer, frame: &Frame<'_>) {
        out.text(concat!(begin!("packet"), ",\"frame\":"));
        out.number(frame.number);
        if frame.has_time {
            self.time(out, frame.time);
        } else {
            out.text(",\"time_s\":null");
        }
        key!(out, "length_bytes");
        out.number(u64::from(frame.length));
        key!(out, "captured_bytes");
        out.number(frame.captured.len() as u64);
        let layers = frame.decoded.innermost();
        match (&layers.network, &layers.transport, frame.segment) {
            (Network::Ip(ip), Transport::Tcp(tcp), Some(seen)) => {
                key!(out, "ttl");
                out.number(u64::from(ip.hop_limit));
                out.bytes(self.ends(seen, ip, tcp));
                segment(out, tcp, seen);
            }
            (Network::Ip(ip), transport, _) => packet_of_ip(out, frame, ip, transport),
            (Network::Arp(arp), ..) => {
                self::arp(out, arp);
                if let Some(contested) = frame.contested {
                    key!(out, "duplicate_address");
                    address(out, contested.into());
                }
            }
            (Network::Other { .. } | Network::None, ..) => {
                key!(out, "protocol");
                out.text("null");
                key!(out, "ethertype");
                out.number(u64::from(frame.decoded.ethertype));
            }
        }
        if frame.decoded.passed.count > 0 || frame.decoded.inner.is_some() {
            around(out, frame);
        }
        if let Some(said) = frame.said {
            application(out, said);
        }
        if let Some(wrong) = frame.wrong_checksum {
            key!(out, "checksum_wrong");
            string(out, wrong.layer());
        }
        if let Some(malformed) = frame.decoded.malformed {
            key!(out, "malformed");
            string(out, &malformed.to_string());
        }
        if has_options(frame.record, frame.captured) {
            comments(out, frame);
        }
        if !frame.ends.are_unsought() {
            super::super::ends::write_json(out, &frame.ends);
        }
        out.text("}\n");
    }

    #[inline]
    fn time(&mut self, out: &mut Buffer, time: Timestamp) {
        let (second, text) = &mut self.second;
        if *second != time.seconds || text.is_empty() {
            if time.seconds < 0 {
                return super::time(out, time);
            }
            *second = time.seconds;
            text.clear();
            key!(text, "time_s");
            text.number(time.seconds.unsigned_abs());
            text.byte(b'.');
        }
        out.bytes(text.as_bytes());
        out.zeros(u64::from(time.nanoseconds), 9);
    }

    #[inline]
    fn ends(&mut self, seen: &SegmentInfo, ip: &Ip, tcp: &Tcp) -> &[u8] {
        let place = seen.slot as usize % KNOWN;
        if place >= self.known.len() {
            self.known.resize_with(place + 1, Known::default);
        }
        let known = &mut self.known[place];
        if known.stream != u64::from(seen.stream) + 1 {
            known.stream = u64::from(seen.stream) + 1;
            known.learn(seen, ip, tcp, &mut self.draft);
        }
        let ends = &known.directions[seen.direction.index()];
        &ends.bytes[..ends.len]
    }
}

impl Known {
    #[inline(never)]
    fn learn(&mut self, seen: &SegmentInfo, ip: &Ip, tcp: &Tcp, draft: &mut Buffer) {
        let there = ((ip.source, tcp.source), (ip.destination, tcp.destination));
        let back = (there.1, there.0);
        for (direction, (from, to)) in [(seen.direction, there), (seen.direction.turned(), back)] {
            draft.clear();
            draft.text(",\"protocol\":\"TCP\"");
            source_and_destination(draft, from.0, to.0);
            ports(draft, from.1, to.1);
            key!(draft, "stream");
            draft.number(u64::from(seen.stream));
            key!(draft, "flags");
            let ends = &mut self.directions[direction.index()];
            let text = draft.as_bytes();
            ends.len = text.len().min(ENDS);
            ends.bytes[..ends.len].copy_from_slice(&text[..ends.len]);
        }
    }
}

fn source_and_destination(out: &mut Buffer, source: IpAddr, destination: IpAddr) {
    key!(out, "source");
    address(out, source);
    key!(out, "destination");
    address(out, destination);
}

/// A packet that belongs to no connection.
fn packet_of_ip(out: &mut Buffer, frame: &Frame<'_>, ip: &Ip, transport: &Transport) {
    key!(out, "ttl");
    out.number(u64::from(ip.hop_limit));
    key!(out, "protocol");
    match (transport, protocol_name(ip.protocol)) {
        (Transport::Icmp(_), _) if ip.is_v6 => string(out, "ICMPv6"),
        (_, Some(name)) => string(out, name),
        (_, None) => out.text("null"),
    }
    source_and_destination(out, ip.source, ip.destination);
    match transport {
        Transport::Udp(udp) => {
            ports(out, udp.source, udp.destination);
            key!(out, "data_bytes");
            out.number(u64::from(udp.payload.length));
        }
        Transport::Icmp(icmp) => {
            key!(out, "icmp_type");
            out.number(u64::from(icmp.r#type));
            key!(out, "icmp_code");
            out.number(u64::from(icmp.code));
            if let Some(mtu) = mtu(icmp, icmp.span.of(frame.bytes)) {
                key!(out, "mtu");
                out.number(u64::from(mtu));
            }
            if let Some(stream) = frame.quoted {
                key!(out, "quoted_stream");
                out.number(u64::from(stream));
            }
        }
        _ => {
            key!(out, "protocol_number");
            out.number(u64::from(ip.protocol));
            if let (protocol::GRE, Transport::Other(span)) = (ip.protocol, transport)
                && let Some(carried) = gre::carried(span.of(frame.bytes))
            {
                key!(out, "gre_protocol");
                out.number(u64::from(carried));
            }
        }
    }
    if let Some(fragment) = ip.fragment {
        key!(out, "fragment_offset_bytes");
        out.number(u64::from(fragment.offset));
        key!(out, "more_fragments");
        out.text(if fragment.more { "true" } else { "false" });
    }
}

/// What an application protocol says.
#[cold]
fn application(out: &mut Buffer, said: &Said) {
    key!(out, "application");
    out.text("{\"protocol\":");
    string(out, said.protocol);
    if let Some(host) = &said.host {
        key!(out, "host_name");
        string(out, host);
    }
    for (name, value) in &said.fields {
        out.byte(b',');
        string(out, name);
        out.byte(b':');
        string(out, value);
    }
    key!(out, "text");
    string(out, &said.words);
    out.byte(b'}');
}

/// The comments of the frame in its file, but for those that name processes: these have keys of their own.
#[cold]
fn comments(out: &mut Buffer, frame: &Frame<'_>) {
    let is_other = |comment: &&[u8]| !capfile::Ends::default().read_comment(comment);
    let comments = capfile::comments(frame.record).filter(is_other);
    let mut comments = comments.take(MOST_COMMENTS).peekable();
    if comments.peek().is_none() {
        return;
    }
    key!(out, "comments");
    let mut separator = '[';
    for comment in comments {
        out.format(format_args!("{separator}"));
        string(out, &String::from_utf8_lossy(comment));
        separator = ',';
    }
    out.byte(b']');
}

/// What is around the innermost packet: the addresses outside of all tunnels, and the headers in between.
#[cold]
fn around(out: &mut Buffer, frame: &Frame<'_>) {
    if let (Some(_), Network::Ip(outer)) = (frame.decoded.inner, &frame.decoded.outer.network) {
        key!(out, "outer_source");
        address(out, outer.source);
        key!(out, "outer_destination");
        address(out, outer.destination);
    }
    key!(out, "encapsulation");
    out.byte(b'[');
    for (place, passage) in frame.decoded.passed.iter().enumerate() {
        if place > 0 {
            out.byte(b',');
        }
        out.text("{\"kind\":");
        string(out, passage.kind.word());
        if passage.kind != Between::Ethernet {
            key!(out, "id");
            out.number(u64::from(passage.number));
        }
        out.byte(b'}');
    }
    out.byte(b']');
}

fn arp(out: &mut Buffer, arp: &Arp) {
    out.text(",\"protocol\":\"ARP\"");
    key!(out, "operation");
    out.number(u64::from(arp.operation));
    if let Some(addresses) = arp.addresses {
        key!(out, "source");
        string(out, &mac(&addresses.sender_mac));
        key!(out, "sender_ip");
        address(out, addresses.sender.into());
        key!(out, "target_ip");
        address(out, addresses.target.into());
    }
}

/// From the flags on.
#[inline]
fn segment(out: &mut Buffer, tcp: &Tcp, seen: &SegmentInfo) {
    flags(out, tcp.flags);
    key!(out, "seq");
    out.number(u64::from(seen.analysis.sequence));
    key!(out, "ack");
    if tcp.has(flag::ACK) {
        out.number(u64::from(seen.analysis.acknowledgment));
    } else {
        out.text("null");
    }
    key!(out, "window_bytes");
    out.number(u64::from(seen.analysis.window));
    key!(out, "data_bytes");
    out.number(u64::from(tcp.payload.length));
    if !seen.analysis.marks.is_empty() {
        key!(out, "analysis");
        analysis(out, seen.analysis.marks);
    }
}

/// The names of flags, from the lowest bit on.
const FLAGS: [&str; 9] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "AE"];

#[inline]
fn flags(out: &mut Buffer, flags: u16) {
    match flags {
        flag::ACK => return out.text("[\"ACK\"]"),
        0x018 => return out.text("[\"PSH\",\"ACK\"]"),
        _ => {}
    }
    out.byte(b'[');
    let mut separator = "";
    for (bit, name) in FLAGS.iter().enumerate() {
        if flags & 1 << bit != 0 {
            out.text(separator);
            string(out, name);
            separator = ",";
        }
    }
    out.byte(b']');
}

fn analysis(out: &mut Buffer, marks: Marks) {
    out.byte(b'[');
    let mut separator = "";
    for words in marks.words() {
        out.text(separator);
        string(out, words);
        separator = ",";
    }
    out.byte(b']');
}

fn ports(out: &mut Buffer, source: u16, destination: u16) {
    key!(out, "source_port");
    out.number(u64::from(source));
    key!(out, "destination_port");
    out.number(u64::from(destination));
}
