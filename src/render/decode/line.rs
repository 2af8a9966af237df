//! A frame in one line, as tshark prints it.

use std::net::IpAddr;

use super::buffer::Buffer;
use super::clock::TimeColumn;
use super::names::Names;
use super::{ends, icmp, options, other};
use crate::dissect::{Frame, Said};
use crate::packet::checksum::Wrong;
use crate::packet::record::{Between, Ip, Layers, Network, Tcp, Transport};
use crate::packet::tcp::{Opt, Options, flag};
use crate::render::escape;
use crate::stream::{Analysis, Direction, Marks, SegmentInfo};

/// Writes the lines of frames. What the lines of one stream have in common is formatted once and copied.
#[derive(Debug)]
pub struct LineWriter {
    clock: TimeColumn,
    absolute_sequence: bool,
    /// What is written in the place of numbers.
    names: Option<Box<Names>>,
    /// By the lower bits of the stream's slot.
    known: Vec<Known>,
    /// Where texts are written before they are kept.
    draft: Buffer,
}

/// How many streams are remembered at most; a power of 2.
pub(super) const KNOWN: usize = 1 << 12;

/// The texts of a stream.
#[derive(Debug, Default)]
struct Known {
    /// Its number and one more; 0 for no stream.
    stream: u64,
    directions: [Texts; 2],
}

/// The texts of a direction: ` SOURCE → DESTINATION ` and `PORT → PORT [`, in sequence. They
/// are here and not on the heap, since every line needs them.
#[derive(Debug)]
struct Texts {
    bytes: [u8; TEXTS],
    addresses: u8,
    all: u8,
}

/// Bytes of the longest: two IPv6 addresses of 39 characters, two ports of 5, blanks and arrows.
const TEXTS: usize = 112;

impl Default for Texts {
    fn default() -> Texts {
        Texts {
            bytes: [0; TEXTS],
            addresses: 0,
            all: 0,
        }
    }
}

impl Texts {
    fn addresses(&self) -> &[u8] {
        &self.bytes[..usize::from(self.addresses)]
    }

    fn ports(&self) -> &[u8] {
        &self.bytes[usize::from(self.addresses)..usize::from(self.all)]
    }
}

/// Columns of an address.
pub(super) const ADDRESS: usize = 12;

impl LineWriter {
    /// A writer of lines.
    pub fn new(clock: TimeColumn, absolute_sequence: bool) -> LineWriter {
        LineWriter {
            clock,
            absolute_sequence,
            names: None,
            known: Vec::new(),
            draft: Buffer::with_capacity(2 * TEXTS),
        }
    }

    /// Writes names in the place of addresses and ports.
    #[must_use]
    pub fn with_names(mut self, names: Option<Names>) -> LineWriter {
        self.names = names.map(Box::new);
        self
    }

    /// What is written in the place of numbers.
    pub(super) fn names(&mut self) -> Option<&mut Names> {
        self.names.as_deref_mut()
    }

    /// The clock of the lines.
    pub fn clock(&mut self) -> &mut TimeColumn {
        &mut self.clock
    }

    /// Writes the line of a frame. Words about the application messages that it completes, if there are any,
    /// take the place of TCP's.
    #[inline]
    pub fn write(&mut self, out: &mut Buffer, frame: &Frame<'_>, application: &[u8]) {
        out.right(frame.number, 5);
        out.byte(b' ');
        self.clock.write(out, frame.has_time.then_some(frame.time));
        let layers = frame.decoded.innermost();
        match (&layers.transport, frame.segment) {
            (Transport::Tcp(tcp), Some(seen)) => {
                // Names are not kept with the connection: they may be of any length.
                let mut names = self.names.take();
                let texts = self.texts(seen, layers);
                match (&mut names, &layers.network) {
                    (Some(names), Network::Ip(ip)) => names.addresses(out, ip),
                    _ => out.bytes(texts.addresses()),
                }
                if application.is_empty() {
                    let options = tcp.options(frame.bytes);
                    packet_head(out, frame, protocol(&options));
                    marks(out, &seen.analysis);
                    match &mut names {
                        Some(names) => {
                            names.ports(out, "tcp", tcp.source, tcp.destination);
                            out.text(" [");
                        }
                        None => out.bytes(texts.ports()),
                    }
                    let numbers = Numbers::of(tcp, &seen.analysis, self.absolute_sequence);
                    segment(out, tcp, &numbers, options, frame.wrong_checksum);
                } else {
                    out.text("APP ");
                    out.number(u64::from(frame.length));
                    out.byte(b' ');
                    out.bytes(application);
                }
                self.names = names;
            }
            _ => without_connection(out, frame, layers, self.names.as_deref_mut()),
        }
        if application.is_empty()
            && let Some(said) = frame.said
        {
            self::said(out, said);
        }
        suffix(out, frame, !application.is_empty());
        if !frame.ends.are_unsought() {
            ends::write(out, &frame.ends);
        }
        out.byte(b'\n');
    }

    #[inline]
    fn texts(&mut self, seen: &SegmentInfo, layers: &Layers) -> &Texts {
        let place = seen.slot as usize % KNOWN;
        if place >= self.known.len() {
            self.known.resize_with(place + 1, Known::default);
        }
        let known = &mut self.known[place];
        if known.stream != u64::from(seen.stream) + 1 {
            known.stream = u64::from(seen.stream) + 1;
            known.learn(seen.direction, layers, &mut self.draft);
        }
        &known.directions[seen.direction.index()]
    }
}

impl Known {
    #[inline(never)]
    fn learn(&mut self, direction: Direction, layers: &Layers, draft: &mut Buffer) {
        let (Network::Ip(ip), Transport::Tcp(tcp)) = (&layers.network, &layers.transport) else {
            return;
        };
        let there = (ip.source, ip.destination, tcp.source, tcp.destination);
        let back = (ip.destination, ip.source, tcp.destination, tcp.source);
        for (direction, texts) in [(direction, there), (direction.turned(), back)] {
            let (source, destination, from, to) = texts;
            draft.clear();
            addresses(draft, source, destination);
            let addresses = draft.len();
            ports(draft, from, to);
            draft.text(" [");
            let texts = &mut self.directions[direction.index()];
            let text = draft.as_bytes();
            let length = text.len().min(TEXTS);
            texts.bytes[..length].copy_from_slice(&text[..length]);
            texts.addresses = u8::try_from(addresses.min(length)).unwrap_or(0);
            texts.all = u8::try_from(length).unwrap_or(0);
        }
    }
}

/// A segment of a connection over several paths has another protocol.
#[inline]
fn protocol(options: &Options<'_>) -> &'static str {
    let is_multipath = |option| matches!(option, Opt::Other(options::kind::MULTIPATH, _));
    if options.only_timestamps().is_none() && options.clone().any(is_multipath) {
        "MPTCP"
    } else {
        "TCP"
    }
}

/// The columns of source and destination, with a blank around them.
fn addresses(out: &mut Buffer, source: IpAddr, destination: IpAddr) {
    out.byte(b' ');
    let start = out.len();
    out.address(source);
    out.flush_right(start, ADDRESS);
    out.text(" → ");
    let start = out.len();
    out.address(destination);
    out.blanks(ADDRESS.saturating_sub(out.len() - start));
    out.byte(b' ');
}

/// The same for what is not an IP address.
pub(super) fn columns(out: &mut Buffer, source: &str, destination: &str) {
    out.byte(b' ');
    out.text_right(source, ADDRESS);
    out.text(" → ");
    out.text_left(destination, ADDRESS);
    out.byte(b' ');
}

pub(super) fn ports(out: &mut Buffer, from: u16, to: u16) {
    out.number(u64::from(from));
    out.text(" → ");
    out.number(u64::from(to));
}

/// `[TCP Retransmission] ` and the like.
#[inline]
fn marks(out: &mut Buffer, analysis: &Analysis) {
    if !analysis.marks.is_empty() {
        all_marks(out, analysis);
    }
}

#[cold]
fn all_marks(out: &mut Buffer, analysis: &Analysis) {
    for (mark, words) in Marks::WORDS {
        if analysis.marks.has(mark) {
            out.byte(b'[');
            out.text(words);
            if mark == Marks::DUPLICATE_ACK {
                let (frame, count) = analysis.duplicate_of;
                out.byte(b' ');
                out.number(frame);
                out.byte(b'#');
                out.number(u64::from(count));
            }
            out.text("] ");
        }
    }
}

/// The numbers of a segment as they are shown.
struct Numbers {
    sequence: u32,
    acknowledgment: u32,
    window: u32,
    /// What selective acknowledgments count from.
    base: u32,
}

impl Numbers {
    fn of(tcp: &Tcp, analysis: &Analysis, absolute: bool) -> Numbers {
        if absolute {
            return Numbers {
                sequence: tcp.sequence,
                acknowledgment: tcp.acknowledgment,
                window: analysis.window,
                base: 0,
            };
        }
        Numbers {
            sequence: analysis.sequence,
            acknowledgment: analysis.acknowledgment,
            window: analysis.window,
            base: tcp.acknowledgment.wrapping_sub(analysis.acknowledgment),
        }
    }
}

/// From the flags to the options.
#[inline]
fn segment(
    out: &mut Buffer,
    tcp: &Tcp,
    numbers: &Numbers,
    said: Options<'_>,
    wrong: Option<Wrong>,
) {
    flags(out, tcp.flags);
    out.text("] Seq=");
    out.number(u64::from(numbers.sequence));
    if tcp.has(flag::ACK) {
        out.text(" Ack=");
        out.number(u64::from(numbers.acknowledgment));
    }
    out.text(" Win=");
    out.number(u64::from(numbers.window));
    if tcp.has(flag::URG) {
        out.text(" Urg=");
        out.number(u64::from(tcp.urgent));
    }
    // Where tshark has it.
    if wrong == Some(Wrong::Tcp) {
        checksum(out, Wrong::Tcp);
    }
    out.text(" Len=");
    out.number(u64::from(tcp.payload.length));
    if let Some((value, echo)) = said.only_timestamps() {
        options::timestamps(out, value, echo);
    } else {
        for option in said {
            options::write(out, option, numbers.base);
        }
    }
}

/// The names of flags, from the lowest bit on.
const FLAGS: [&str; 9] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "AE"];

/// The names of the flags that are set, with commas between them.
#[inline]
pub(super) fn flags(out: &mut Buffer, flags: u16) {
    match flags {
        0x010 => out.text("ACK"),
        0x018 => out.text("PSH, ACK"),
        0x002 => out.text("SYN"),
        0x012 => out.text("SYN, ACK"),
        0x011 => out.text("FIN, ACK"),
        0 => out.text("<None>"),
        _ => rare_flags(out, flags),
    }
}

#[cold]
fn rare_flags(out: &mut Buffer, flags: u16) {
    let mut separator = "";
    for (bit, name) in FLAGS.iter().enumerate() {
        if flags & 1 << bit != 0 {
            out.text(separator);
            out.text(name);
            separator = ", ";
        }
    }
    if flags >> FLAGS.len() != 0 {
        out.text(separator);
        out.text("Reserved");
    }
}

/// What an application protocol says, as tcpdump adds it: `: HTTP GET /`.
#[cold]
fn said(out: &mut Buffer, said: &Said) {
    out.text(": ");
    out.text(said.protocol);
    out.byte(b' ');
    out.text(&escape::text(&said.words));
}

/// `PROTOCOL LENGTH `; of a mobile user's packet `GTP <PROTOCOL> LENGTH `.
#[inline]
pub(super) fn packet_head(out: &mut Buffer, frame: &Frame<'_>, protocol: &str) {
    let is_mobile = frame.decoded.passed.has(Between::GtpU);
    if is_mobile {
        out.text("GTP <");
    }
    out.text(protocol);
    out.text(if is_mobile { "> " } else { " " });
    out.number(u64::from(frame.length));
    out.byte(b' ');
}

/// Writes addresses, protocol, length and ports of a packet that belongs to no stream.
pub fn outline(out: &mut Buffer, frame: &Frame<'_>) {
    let layers = frame.decoded.innermost();
    match (&layers.network, &layers.transport) {
        (Network::Ip(ip), Transport::Tcp(tcp))
            if tcp.header_length != 0 && ip.fragment.is_none() =>
        {
            addresses(out, ip.source, ip.destination);
            head(out, "TCP", frame.length);
            ports(out, tcp.source, tcp.destination);
            out.text(" [");
            flags(out, tcp.flags);
            out.byte(b']');
            if tcp.payload.length > 0 {
                out.text(" Len=");
                out.number(u64::from(tcp.payload.length));
            }
        }
        _ => without_connection(out, frame, layers, None),
    }
}

/// What is not a segment of a stream.
fn without_connection(
    out: &mut Buffer,
    frame: &Frame<'_>,
    layers: &Layers,
    mut names: Option<&mut Names>,
) {
    match &layers.network {
        Network::Ip(ip) => {
            match &mut names {
                Some(names) => names.addresses(out, ip),
                None => addresses(out, ip.source, ip.destination),
            }
            if ip.fragment.is_some() && !is_cut_first_fragment(frame, ip, &layers.transport) {
                return other::fragment(out, frame, ip);
            }
            match &layers.transport {
                Transport::Udp(udp) => {
                    packet_head(out, frame, "UDP");
                    match names {
                        Some(names) => names.ports(out, "udp", udp.source, udp.destination),
                        None => ports(out, udp.source, udp.destination),
                    }
                    other::datagram_length(out, frame, ip, udp);
                }
                Transport::Tcp(tcp) => other::bad_segment(out, frame, tcp),
                Transport::Icmp(message) => icmp::write(out, frame, ip, message),
                Transport::None => other::cut_transport(out, frame, ip),
                Transport::Other(span) => other::protocol(out, frame, ip, span),
            }
        }
        Network::Arp(arp) => super::arp::write(out, frame, arp),
        Network::Other { offset } => other::network(out, frame, *offset),
        Network::None => other::nothing(out, frame),
    }
}

/// Whether this is the first fragment of a packet that cannot be put together, because it was cut.
fn is_cut_first_fragment(frame: &Frame<'_>, ip: &Ip, transport: &Transport) -> bool {
    /// Where the header has the length of the packet (RFC 791 section 3.1).
    const TOTAL: usize = 2;
    if ip.is_v6 || matches!(transport, Transport::None) {
        return false;
    }
    let start = ip.offset as usize;
    let total = frame
        .bytes
        .get(start + TOTAL..)
        .and_then(<[u8]>::first_chunk);
    let end = start + total.map_or(0, |total| usize::from(u16::from_be_bytes(*total)));
    end > frame.bytes.len()
}

/// `PROTOCOL LENGTH `
pub(super) fn head(out: &mut Buffer, protocol: &str, length: u32) {
    out.text(protocol);
    out.byte(b' ');
    out.number(u64::from(length));
    out.byte(b' ');
}

/// ` [TCP CHECKSUM INCORRECT]`.
#[cold]
pub(super) fn checksum(out: &mut Buffer, wrong: Wrong) {
    out.text(" [");
    out.text(wrong.layer());
    out.text(" CHECKSUM INCORRECT]");
}

/// That something is not there: it was not captured, or never was there.
#[cold]
pub(super) fn incomplete(out: &mut Buffer, was_cut: bool) {
    out.text(if was_cut {
        "[Packet size limited during capture]"
    } else {
        "[Malformed Packet]"
    });
}

/// What was wrong with the frame.
#[inline]
fn suffix(out: &mut Buffer, frame: &Frame<'_>, is_application: bool) {
    if let Some(wrong) = frame.wrong_checksum
        && (wrong != Wrong::Tcp || is_application)
    {
        checksum(out, wrong);
    }
    let was_cut = frame.captured.len() < frame.length as usize;
    let is_told = frame.decoded.malformed.is_some() && !other::is_named(frame.decoded, was_cut);
    if is_told || was_cut && other::is_trailer_cut(frame) {
        incomplete(out, was_cut);
    }
}
