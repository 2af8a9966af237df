//! What is wrong with a socket, the proof, and the next step.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::{Lines, Sheet, cells};
use crate::diagnose::{Finding, Severity};
use crate::render::{Paint, Style, escape};
use crate::sockets::Socket;

/// Writes a paragraph for each finding of each socket.
///
/// ```text
/// WARNING accept queue full: 5 of 4
///   socket  tcp LISTEN 127.0.0.1:8080 server(812,fd3)
///   means   ...
///   proof   Recv-Q 5, Send-Q 4 (sock_diag)
///   not     ...
///   next    ...
/// ```
pub fn write(out: &mut (impl Write + ?Sized), sheet: &Sheet<'_>, style: Style) -> io::Result<()> {
    let mut lines = Lines::new(out);
    for socket in sheet.sockets {
        for finding in &socket.findings {
            paragraph(&mut lines, socket, finding, sheet, style)?;
        }
    }
    lines.flush()
}

fn paragraph<W: Write + ?Sized>(
    lines: &mut Lines<'_, W>,
    socket: &Socket,
    finding: &Finding,
    sheet: &Sheet<'_>,
    style: Style,
) -> io::Result<()> {
    let paint = if finding.severity == Severity::Notice {
        Paint::Bold
    } else {
        Paint::Bad
    };
    let word = finding.severity.word().to_ascii_uppercase();
    // Writing to a String does not fail.
    let _ = write!(
        lines.text,
        "{} {}",
        style.paint(paint, word),
        escape::text(&finding.text)
    );
    lines.end()?;
    let mut who = format!("{} {} ", socket.proto.name(), socket.state.ss_name());
    cells::local(&mut who, socket, sheet.names);
    let mut peer = String::new();
    cells::peer(&mut peer, socket, sheet.names);
    if peer != "-" {
        who.push_str(" - ");
        who.push_str(&peer);
    }
    who.push(' ');
    cells::process(&mut who, socket, sheet, true);
    let proof: Vec<String> = finding
        .evidence
        .iter()
        .map(|fact| format!("{} {} ({})", fact.field, fact.value, fact.source))
        .collect();
    for (title, text) in [
        ("socket", who.trim_end()),
        ("means", finding.explanation),
        ("proof", &proof.join(", ")),
        ("not", finding.ruled_out),
        ("next", &finding.next),
    ] {
        if !text.is_empty() {
            let _ = write!(lines.text, "  {title:<7} {}", escape::text(text));
            lines.end()?;
        }
    }
    lines.end()
}
