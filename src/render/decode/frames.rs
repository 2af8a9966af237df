//! A line for each frame.

use super::buffer::Buffer;
use super::clock::TimeColumn;
use super::line::LineWriter;
use super::view::EventWriter;
use super::words::MessageWriter;
use crate::capfile::{Interface, Timestamp};
use crate::dissect::Frame;
use crate::render::hexdump::Hexdump;
use crate::render::{Paint, Style};
use crate::stream::Event;

/// Writes a line for each frame, about the application messages that it completes or about the frame.
#[derive(Debug)]
pub struct Frames {
    lines: LineWriter,
    messages: MessageWriter,
    style: Style,
    /// The bytes of each frame follow its line, in hexadecimal.
    hex: bool,
}

impl Frames {
    /// With colours or without, and with the bytes of each frame or without.
    pub fn new(lines: LineWriter, style: Style, hex: bool) -> Frames {
        Frames {
            lines,
            messages: MessageWriter::default(),
            style,
            hex,
        }
    }
}

impl EventWriter for Frames {
    fn interface(&mut self, interface: &Interface) {
        self.lines.clock().interface(interface);
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
        let paint = match frame {
            _ if !self.style.has_color() => None,
            Frame { messages: 1.., .. } => Some(Paint::Bold),
            Frame { facts: 1.., .. } => Some(Paint::Bad),
            _ => None,
        };
        if let Some(paint) = paint {
            let text = String::from_utf8_lossy(&out.as_bytes()[start..]).into_owned();
            out.truncate(start);
            let text = self.style.paint(paint, text.trim_end_matches('\n'));
            out.format(format_args!("{text}\n"));
        }
        if self.hex {
            // Writing to memory does not fail.
            let _ = Hexdump::new().write(out, "    ", frame.captured);
        }
    }

    fn split(&mut self) -> Option<Box<dyn EventWriter>> {
        let empty = LineWriter::new(TimeColumn::default(), false);
        let lines = std::mem::replace(&mut self.lines, empty);
        Some(Box::new(Frames::new(lines, self.style, self.hex)))
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
