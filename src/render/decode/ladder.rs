//! One stream, drawn between its two hosts: an arrow for each segment, with the time, flags, numbers and length.
//!
//! ```text
//!       TIME │ client 127.0.0.1:45582          server 127.0.0.1:65432 │  FRAME
//!   0.000000 │ SYN seq 0 win 65495 ─────────────────────────────────▶ │      1
//!   0.000021 │ ◀───────────────────────── SYN, ACK seq 0 ack 1 win 65 │      2
//! ```

use std::net::SocketAddr;

use unicode_width::UnicodeWidthChar as _;

use super::account::time;
use super::buffer::Buffer;
use super::clock::TimeColumn;
use super::steps::{Step, Steps, WAIT, ends};
use super::view::EventWriter;
use super::words::MessageWriter;
use crate::capfile::{Interface, Timestamp};
use crate::dissect::Frame;
use crate::render::{Paint, Style};
use crate::stream::Event;

/// Columns of a line without a terminal, and at least and at most with one.
const WIDTH: u16 = 80;
const LEAST: u16 = 72;
const MOST: u16 = 120;
/// Columns of the number of a frame.
const NUMBER: usize = 6;

/// Draws a stream.
#[derive(Debug)]
pub struct Ladder {
    stream: u32,
    clock: TimeColumn,
    /// Columns of a line.
    width: usize,
    style: Style,
    steps: Option<Steps>,
    messages: MessageWriter,
    /// The client and the server, until they are written.
    title: Option<[String; 2]>,
}

impl Ladder {
    /// Draws this stream for a terminal of this width.
    pub fn new(stream: u32, clock: TimeColumn, style: Style, terminal: Option<u16>) -> Ladder {
        Ladder {
            stream,
            clock,
            width: usize::from(terminal.unwrap_or(WIDTH).clamp(LEAST, MOST)),
            style,
            steps: None,
            messages: MessageWriter::default(),
            title: None,
        }
    }

    /// A line: what is in the column of times, what is between the bars, and the number of a frame.
    fn line(&self, out: &mut Buffer, time: &str, inner: &str, number: &str, paint: Option<Paint>) {
        out.text(time);
        out.text(" │");
        match paint {
            Some(paint) => out.format(format_args!("{}", self.style.paint(paint, inner))),
            None => out.text(inner),
        }
        out.text("│");
        if !number.is_empty() {
            out.text_right(number, NUMBER + 1);
        }
        out.byte(b'\n');
    }

    fn step(&mut self, out: &mut Buffer, step: &Step, messages: &str) {
        let mut at = Buffer::default();
        self.clock.write(&mut at, step.time);
        let at = String::from_utf8_lossy(at.as_bytes()).into_owned();
        let nothing = " ".repeat(at.len());
        let inner = self.width.saturating_sub(at.len() + 3 + NUMBER + 1).max(20);
        if let Some([client, server]) = self.title.take() {
            let heading = format!("{:>width$}", "TIME", width = at.len());
            let blanks = inner.saturating_sub(client.len() + server.len() + 2);
            let hosts = format!(" {client}{:blanks$}{server} ", "");
            self.line(
                out,
                &heading,
                &fit(&hosts, inner),
                "FRAME",
                Some(Paint::Bold),
            );
        }
        if step.waited >= WAIT {
            let text = format!("· {} without a packet ·", time(step.waited));
            self.line(out, &nothing, &centred(&text, inner), "", Some(Paint::Warn));
        }
        if step.missing > 0 {
            let text = format!("· {} bytes not captured ·", step.missing);
            self.line(out, &nothing, &centred(&text, inner), "", Some(Paint::Bad));
        }
        let (label, words) = (step.label(), step.words());
        let is_on_the_line = label.len() + words.len() + 8 <= inner;
        let text = match words.as_str() {
            "" => label,
            words if is_on_the_line => format!("{label}  {words}"),
            _ => label,
        };
        let paint = step.is_bad().then_some(Paint::Bad);
        let picture = arrow(&text, step.from_client, inner);
        self.line(out, &at, &picture, &step.frame.to_string(), paint);
        let mut below = Vec::new();
        if !is_on_the_line && !words.is_empty() {
            below.push((words, paint));
        }
        if !messages.is_empty() {
            below.push((messages.to_owned(), Some(Paint::Bold)));
        }
        for (text, paint) in below {
            let text = fit(&text, inner - 2);
            let text = if step.from_client {
                format!(" {text}")
            } else {
                format!("{:blanks$}{text} ", "", blanks = inner - 1 - columns(&text))
            };
            self.line(out, &nothing, &fit_exactly(&text, inner), "", paint);
        }
    }
}

impl EventWriter for Ladder {
    fn interface(&mut self, _number: u32, interface: &Interface) {
        self.clock.interface(interface);
    }

    fn start(&mut self, time: Timestamp) {
        self.clock.start(time);
    }

    fn stream(&mut self, out: &mut Buffer, event: &Event<'_>) {
        match event {
            Event::Begun(begun) if begun.stream.number == self.stream => {
                let (client, server) = ends(begun);
                self.steps = Some(Steps::begin(begun));
                self.title = Some([
                    format!("client {}", SocketAddr::from(client)),
                    format!("server {}", SocketAddr::from(server)),
                ]);
            }
            Event::Message(message) if message.stream.number == self.stream => {
                if !out.is_empty() {
                    out.text(", ");
                }
                self.messages.write(out, message);
            }
            _ => {}
        }
    }

    fn frame(&mut self, out: &mut Buffer, frame: &Frame<'_>, pending: &[u8]) {
        if frame.segment.is_none_or(|seen| seen.stream != self.stream) {
            return;
        }
        if let Some(step) = self.steps.as_mut().and_then(|steps| steps.step(frame)) {
            self.step(out, &step, &String::from_utf8_lossy(pending));
        }
    }

    fn between_frames(
        &mut self,
        out: &mut Buffer,
        event: &Event<'_>,
        _flush: &mut dyn FnMut(&mut Buffer),
    ) {
        if let Event::Ended(summary) = event
            && summary.number == self.stream
        {
            out.byte(b'\n');
            super::account::text(out, summary, u16::try_from(self.width).ok());
        }
    }
}

/// ` text ────▶ ` in this many columns, or ` ◀──── text `.
fn arrow(text: &str, is_right: bool, width: usize) -> String {
    let text = fit(text, width.saturating_sub(6));
    let line = "─".repeat(width.saturating_sub(columns(&text) + 4));
    if is_right {
        format!(" {text} {line}▶ ")
    } else {
        format!(" ◀{line} {text} ")
    }
}

fn centred(text: &str, width: usize) -> String {
    let text = fit(text, width);
    let blanks = width - columns(&text);
    let before = blanks / 2;
    format!("{:before$}{text}{:after$}", "", "", after = blanks - before)
}

/// Columns of a terminal that a text takes.
fn columns(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// The text, cut with three dots where it is too long.
fn fit(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let (mut out, mut taken) = (String::new(), 0);
    for c in text.chars() {
        taken += c.width().unwrap_or(0);
        if taken + 3 > width {
            break;
        }
        out.push(c);
    }
    out + "..."
}

/// The same, with blanks after it.
fn fit_exactly(text: &str, width: usize) -> String {
    let text = fit(text, width);
    let blanks = width - columns(&text);
    format!("{text}{:blanks$}", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arrow_has_its_width_whatever_its_text() {
        for text in ["", "SYN seq 0", &"long ".repeat(40), "🐰🐰"] {
            for is_right in [true, false] {
                assert_eq!(columns(&arrow(text, is_right, 40)), 40, "{text}");
            }
        }
        assert_eq!(arrow("SYN", true, 12), " SYN ─────▶ ");
        assert_eq!(arrow("SYN", false, 12), " ◀───── SYN ");
        assert_eq!(columns(&centred("3.000 s", 20)), 20);
        assert_eq!(fit("abcdefgh", 6), "abc...");
    }
}
