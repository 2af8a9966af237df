//! A line for each frame.

use super::buffer::Buffer;
use super::clock::TimeColumn;
use super::line::LineWriter;
use super::view::EventWriter;
use super::words::MessageWriter;
use crate::capfile::{HostNames, Interface, Timestamp};
use crate::dissect::Frame;
use crate::drops::Dropped;
use crate::packet::Decoded;
use crate::packet::record::{Link, Transport};
use crate::render::drops;
use crate::render::hexdump::Hexdump;
use crate::render::{Paint, Style, escape};
use crate::stream::Event;

/// Writes a line for each frame, about the application messages that it completes or about the frame.
#[derive(Debug)]
pub struct Frames {
    lines: LineWriter,
    messages: MessageWriter,
    style: Style,
    after: After,
}

/// What follows what a line has anyway.
#[derive(Debug, Clone, Copy, Default)]
pub struct After {
    /// The bytes of the frame in hexadecimal, in lines of their own.
    pub hex: bool,
    /// Its payload as text, in lines of their own.
    pub ascii: bool,
    /// The addresses of the link layer and the VLAN tags, in the same line.
    pub link: bool,
}

impl Frames {
    /// With colours or without, and with this after each line.
    pub fn new(lines: LineWriter, style: Style, after: After) -> Frames {
        Frames {
            lines,
            messages: MessageWriter::default(),
            style,
            after,
        }
    }
}

impl Frames {
    /// Colours the line that begins at this place.
    fn paint(&self, out: &mut Buffer, start: usize, paint: Paint) {
        if !self.style.has_color() {
            return;
        }
        let text = String::from_utf8_lossy(&out.as_bytes()[start..]).into_owned();
        out.truncate(start);
        let text = self.style.paint(paint, text.trim_end_matches('\n'));
        out.format(format_args!("{text}\n"));
    }
}

/// The addresses of the link layer, the VLANs, the `EtherType`.
fn link(out: &mut Buffer, frame: &Frame<'_>) {
    let Decoded {
        link,
        tags,
        ethertype,
        ..
    } = *frame.decoded;
    let bytes = |from: usize, length: usize| frame.captured.get(from..from + length);
    match link {
        Link::Ethernet => {
            if let (Some(destination), Some(source)) = (bytes(0, 6), bytes(6, 6)) {
                out.text(" ");
                mac(out, source);
                out.text(" → ");
                mac(out, destination);
            }
        }
        Link::Cooked {
            address, length, ..
        } => {
            if let Some(address) = bytes(address as usize, usize::from(length)) {
                out.text(" from ");
                mac(out, address);
            }
        }
        Link::Wifi {
            source,
            destination,
            ..
        } => {
            for (word, at) in [(" ", source), (" → ", destination)] {
                if let Some(address) = bytes(at as usize, 6).filter(|_| at > 0) {
                    out.text(word);
                    mac(out, address);
                }
            }
        }
        Link::None => {}
    }
    let kept = usize::from(tags.count).min(tags.kept.len());
    for tag in &tags.kept[..kept] {
        out.format(format_args!(
            " vlan {} priority {}",
            tag & 0x0fff,
            tag >> 13
        ));
    }
    if ethertype != 0 {
        out.format(format_args!(" ethertype 0x{ethertype:04x}"));
    }
}

/// With colons between the bytes.
fn mac(out: &mut Buffer, bytes: &[u8]) {
    for (index, byte) in bytes.iter().enumerate() {
        let colon = if index > 0 { ":" } else { "" };
        out.format(format_args!("{colon}{byte:02x}"));
    }
}

/// What the innermost layer that is known carries.
fn payload<'a>(frame: &Frame<'a>) -> &'a [u8] {
    match &frame.decoded.innermost().transport {
        Transport::Tcp(tcp) => tcp.payload.of(frame.bytes),
        Transport::Udp(udp) => udp.payload.of(frame.bytes),
        Transport::Icmp(icmp) => icmp.span.of(frame.bytes),
        Transport::Other(span) => span.of(frame.bytes),
        Transport::None => &[],
    }
}

impl EventWriter for Frames {
    fn interface(&mut self, _number: u32, interface: &Interface) {
        self.lines.clock().interface(interface);
    }

    fn host_names(&mut self, names: HostNames<'_>) {
        if let Some(known) = self.lines.names() {
            known.learn(names);
        }
    }

    fn start(&mut self, time: Timestamp) {
        self.lines.clock().start(time);
    }

    fn stream(&mut self, out: &mut Buffer, event: &Event<'_>) {
        if let Event::Message(message) = event {
            if !out.is_empty() {
                out.text(", ");
            }
            self.messages.write(out, message);
        }
    }

    #[inline]
    fn frame(&mut self, out: &mut Buffer, frame: &Frame<'_>, pending: &[u8]) {
        let start = out.len();
        self.lines.write(out, frame, pending);
        if self.after.link {
            out.truncate(out.len().saturating_sub(1));
            link(out, frame);
            out.byte(b'\n');
        }
        match frame {
            Frame { messages: 1.., .. } => self.paint(out, start, Paint::Bold),
            Frame { facts: 1.., .. } => self.paint(out, start, Paint::Bad),
            _ => {}
        }
        if self.after.hex {
            // Writing to memory does not fail.
            let _ = Hexdump::new().write(out, "    ", frame.captured);
        }
        if self.after.ascii {
            let mut pieces = escape::Pieces::default();
            let text = pieces.push(payload(frame)) + &pieces.finish();
            for line in text.lines() {
                out.format(format_args!("    {line}\n"));
            }
        }
    }

    /// In the place of a frame's number it has `DROP`.
    fn dropped(&mut self, out: &mut Buffer, dropped: &Dropped) {
        let start = out.len();
        out.text("DROP  ");
        self.lines.clock().write_fine(out, dropped.time);
        drops::write_packet(out, dropped);
        out.byte(b'\n');
        self.paint(out, start, Paint::Bad);
        if self.after.hex {
            // Writing to memory does not fail.
            let _ = Hexdump::new().write(out, "    ", &dropped.frame);
        }
    }

    fn split(&mut self) -> Option<Box<dyn EventWriter>> {
        let empty = LineWriter::new(TimeColumn::default(), false);
        let lines = std::mem::replace(&mut self.lines, empty);
        Some(Box::new(Frames::new(lines, self.style, self.after)))
    }

    /// A message that a frame completes is in its line; of others there is no line.
    fn between_frames(
        &mut self,
        _out: &mut Buffer,
        _event: &Event<'_>,
        _flush: &mut dyn FnMut(&mut Buffer),
    ) {
    }
}
