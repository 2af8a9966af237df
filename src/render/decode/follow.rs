//! The bytes of a connection, both directions in the order in which they came.

use std::io;

use super::account;
use super::buffer::Buffer;
use super::view::EventWriter;
use crate::diagnose::words;
use crate::dissect::Totals;
use crate::error::Result;
use crate::render::hexdump::Hexdump;
use crate::render::{Paint, Style, escape};
use crate::stream::{Event, Piece, StreamRef};

/// How the bytes of a connection are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As text, with a line wherever the speaker changes.
    Text,
    /// The same in hexadecimal.
    Hex,
    /// As they stand: those of the client, of the server, or of both.
    Raw {
        /// Those of the client.
        client: bool,
        /// Those of the server.
        server: bool,
    },
}

/// Writes what a connection carries.
#[derive(Debug)]
pub struct Follow {
    style: Style,
    form: Form,
    dumps: [Hexdump; 2],
    texts: [escape::Pieces; 2],
    /// Who spoke last, and whether the line is at its end.
    last: Option<bool>,
    in_a_line: bool,
    /// The stream that is followed.
    stream: u32,
    /// The terminal's width.
    width: Option<u16>,
    /// Bytes that the capture does not have.
    missing: u64,
}

impl EventWriter for Follow {
    fn stream(&mut self, out: &mut Buffer, event: &Event<'_>) {
        match event {
            Event::Data(stream, piece) => {
                // Writing to memory does not fail.
                let _ = self.piece(out, stream, *piece);
            }
            Event::Ended(summary) if self.stream == summary.number && !self.is_raw() => {
                let _ = self.finish(out);
                out.text("--- ");
                // The dashes are in front of the first line.
                let width = self.width.map(|width| width.saturating_sub(4));
                account::text(out, summary, width);
            }
            _ => {}
        }
    }

    fn end(&mut self, out: &mut Buffer, _totals: &Totals, _flush: &mut dyn FnMut(&mut Buffer)) {
        let _ = self.finish(out);
    }

    fn notes(&mut self) -> Result<Vec<String>> {
        if self.missing == 0 || !self.is_raw() {
            return Ok(Vec::new());
        }
        let missing = words::count(self.missing, "byte");
        Ok(vec![format!("--raw: {missing} missing from the capture")])
    }
}

impl Follow {
    /// This stream in this form, and its account for a terminal of this width.
    pub fn new(stream: u32, style: Style, form: Form, width: Option<u16>) -> Follow {
        Follow {
            style,
            form,
            dumps: [Hexdump::new(), Hexdump::new()],
            texts: <[escape::Pieces; 2]>::default(),
            last: None,
            in_a_line: false,
            stream,
            width,
            missing: 0,
        }
    }

    fn is_raw(&self) -> bool {
        matches!(self.form, Form::Raw { .. })
    }

    /// The next piece of a direction. Whenever the speaker changes a line says who it is.
    fn piece(
        &mut self,
        out: &mut impl io::Write,
        stream: &StreamRef,
        piece: Piece<'_>,
    ) -> io::Result<()> {
        let side = usize::from(!stream.from_client);
        if let Form::Raw { client, server } = self.form {
            return match piece {
                _ if ![client, server][side] => Ok(()),
                Piece::Data(bytes) => out.write_all(bytes),
                Piece::Gap(length) => {
                    self.missing += u64::from(length);
                    Ok(())
                }
            };
        }
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
            Piece::Data(bytes) if self.form == Form::Hex => self.dumps[side].write(out, "", bytes),
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
