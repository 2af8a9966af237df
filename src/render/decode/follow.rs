//! The bytes of a connection, both directions in the order in which they came.

use std::io;

use super::account;
use super::buffer::Buffer;
use super::view::EventWriter;
use crate::dissect::Totals;
use crate::render::hexdump::Hexdump;
use crate::render::{Paint, Style, escape};
use crate::stream::{Event, Piece, StreamRef};

/// Writes what a connection carries.
#[derive(Debug)]
pub struct Follow {
    style: Style,
    /// In hexadecimal; otherwise as text.
    hex: bool,
    dumps: [Hexdump; 2],
    texts: [escape::Pieces; 2],
    /// Who spoke last, and whether the line is at its end.
    last: Option<bool>,
    in_a_line: bool,
    /// The stream that is followed, once data of it was seen.
    stream: Option<u32>,
}

impl EventWriter for Follow {
    fn stream(&mut self, out: &mut Buffer, event: &Event<'_>) {
        match event {
            Event::Data(stream, piece) => {
                // Writing to memory does not fail.
                let _ = self.piece(out, stream, *piece);
                self.stream = Some(stream.number);
            }
            Event::Ended(summary) if self.stream == Some(summary.number) => {
                let _ = self.finish(out);
                out.text("--- ");
                account::text(out, summary);
            }
            _ => {}
        }
    }

    fn end(&mut self, out: &mut Buffer, _totals: &Totals, _flush: &mut dyn FnMut(&mut Buffer)) {
        let _ = self.finish(out);
    }
}

impl Follow {
    /// As text or in hexadecimal.
    pub fn new(style: Style, hex: bool) -> Follow {
        Follow {
            style,
            hex,
            dumps: [Hexdump::new(), Hexdump::new()],
            texts: <[escape::Pieces; 2]>::default(),
            last: None,
            in_a_line: false,
            stream: None,
        }
    }

    /// The next piece of a direction. Whenever the speaker changes a line says who it is.
    fn piece(
        &mut self,
        out: &mut impl io::Write,
        stream: &StreamRef,
        piece: Piece<'_>,
    ) -> io::Result<()> {
        let side = usize::from(!stream.from_client);
        if self.last != Some(stream.from_client) {
            self.end_line(out)?;
            let who = if stream.from_client {
                "client"
            } else {
                "server"
            };
            let address = std::net::SocketAddr::from(stream.source);
            let title = format!("--- {who} {address}");
            writeln!(out, "{}", self.style.paint(Paint::Bold, title))?;
            self.last = Some(stream.from_client);
        }
        match piece {
            Piece::Gap(length) => {
                self.end_line(out)?;
                let text = format!("[{length} bytes missing from the capture]");
                writeln!(out, "{}", self.style.paint(Paint::Bad, text))
            }
            Piece::Data(bytes) if self.hex => self.dumps[side].write(out, "", bytes),
            Piece::Data(bytes) => {
                let text = self.texts[side].push(bytes);
                self.in_a_line = !text.is_empty() && !text.ends_with('\n');
                out.write_all(text.as_bytes())
            }
        }
    }

    fn finish(&mut self, out: &mut impl io::Write) -> io::Result<()> {
        for texts in &mut self.texts {
            let rest = texts.finish();
            self.in_a_line |= !rest.is_empty();
            out.write_all(rest.as_bytes())?;
        }
        self.end_line(out)
    }

    fn end_line(&mut self, out: &mut impl io::Write) -> io::Result<()> {
        if std::mem::take(&mut self.in_a_line) {
            out.write_all(b"\n")?;
        }
        Ok(())
    }
}
