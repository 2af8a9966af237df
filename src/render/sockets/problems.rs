//! What is wrong with a socket, the proof, and the next step.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::{Lines, Sheet, cells};
use crate::diagnose::next::next;
use crate::diagnose::{Finding, Severity};
use crate::render::table::Table;
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
///
/// On a terminal of some `width` long texts are wrapped beside their titles. Where there is none it
/// says so: a look that found nothing is no empty answer.
pub fn write(
    out: &mut (impl Write + ?Sized),
    sheet: &Sheet<'_>,
    style: Style,
    width: Option<u16>,
) -> io::Result<()> {
    write_of(out, sheet, None, style, width)
}

/// As [`write()`]; `looked_at`: how many sockets were examined, where the sheet holds only those that
/// have findings.
pub fn write_of(
    out: &mut (impl Write + ?Sized),
    sheet: &Sheet<'_>,
    looked_at: Option<usize>,
    style: Style,
    width: Option<u16>,
) -> io::Result<()> {
    let mut lines = Lines::new(out);
    let mut healthy = true;
    for socket in sheet.sockets {
        for finding in &socket.findings {
            healthy = false;
            paragraph(&mut lines, socket, finding, sheet, (style, width))?;
        }
    }
    if healthy {
        let _ = match looked_at {
            Some(1) => write!(lines.text, "nothing is wrong with the socket looked at"),
            Some(number @ 1..) => {
                write!(
                    lines.text,
                    "nothing is wrong with the {number} sockets looked at"
                )
            }
            Some(0) => write!(lines.text, "no socket to look at"),
            None => write!(lines.text, "no problems found"),
        };
        lines.end()?;
    }
    lines.flush()
}

fn paragraph<W: Write + ?Sized>(
    lines: &mut Lines<'_, W>,
    socket: &Socket,
    finding: &Finding,
    sheet: &Sheet<'_>,
    (style, width): (Style, Option<u16>),
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
    let mut table = Table::new().indent(2);
    for (title, text) in [
        ("socket", who.trim_end()),
        ("means", finding.explanation),
        ("proof", &proof.join(", ")),
        ("not", finding.ruled_out),
        ("next", &next(finding, socket, &sheet.snapshot.owners)),
    ] {
        if !text.is_empty() {
            table.row(&[title, text]);
        }
    }
    lines.flush()?;
    table.write(&mut lines.out, width)?;
    lines.end()
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Fixture;
    use super::*;

    fn written(fixture: &Fixture, sockets: &[&Socket], looked_at: Option<usize>) -> String {
        let mut out = Vec::new();
        let style = Style::new(false);
        write_of(&mut out, &fixture.sheet(sockets), looked_at, style, None).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_next_step_names_the_process_and_the_address() {
        let fixture = Fixture::new();
        let text = written(&fixture, &fixture.all(), None);
        assert!(text.contains("strace -f -p 812 -p 813. If"), "{text}");
        assert!(
            text.contains("ping 2001:db8:1111:2222:3333:4444:5555:6666."),
            "{text}"
        );
        for word in ["PID", "ADDRESS", "PORT", "column"] {
            assert!(!text.contains(word), "{text}");
        }
    }

    #[test]
    fn that_nothing_is_wrong_is_said() {
        let fixture = Fixture::new();
        for (looked_at, text) in [
            (
                Some(812),
                "nothing is wrong with the 812 sockets looked at\n",
            ),
            (Some(1), "nothing is wrong with the socket looked at\n"),
            (Some(0), "no socket to look at\n"),
            (None, "no problems found\n"),
        ] {
            assert_eq!(written(&fixture, &[], looked_at), text);
        }
    }
}
