//! All about the chosen row.

use ratatui::style::Style;

use super::{Page, Palette, Screen};
use crate::diagnose::{Block, words};
use crate::render::sockets::{Sheet, cells, column::Column, details, rates, summary};
use crate::render::{Style as Plain, finding, spark, wrap};
use crate::sockets::Socket;
use crate::top::{Row, Subject};

/// Draws them, as far down as they are scrolled.
pub(super) fn draw(page: &mut Page<'_>, screen: &Screen<'_>, room: usize) {
    let chosen = screen.view.place().and_then(|at| screen.rows.rows.get(at));
    let lines = chosen.map_or_else(
        || vec!["This row is gone. Esc: back to the rows.".to_owned()],
        |row| screen.with_sheet(|sheet| lines(row, screen, sheet, page.area.width)),
    );
    draw_lines(page, screen, &lines, room);
}

/// Draws lines from the one that they are scrolled to; the end stays on the screen.
pub(super) fn draw_lines(page: &mut Page<'_>, screen: &Screen<'_>, lines: &[String], room: usize) {
    let first = screen.view.scrolled.min(lines.len().saturating_sub(room));
    for line in lines.iter().skip(first).take(room) {
        let is_title = !line.starts_with(' ');
        let style = if is_title {
            Palette::bold()
        } else {
            Style::new()
        };
        page.line(line, style);
    }
}

fn lines(row: &Row, screen: &Screen<'_>, sheet: &Sheet<'_>, width: u16) -> Vec<String> {
    let socket = row.socket.map(|at| screen.look.sample.socket(at));
    let mut text = vec![title(row, sheet)];
    if let (Some(at), Some(socket)) = (row.socket, socket) {
        let mut owners = String::from("  process   ");
        cells::process(&mut owners, socket, sheet, true);
        text.push(owners);
        for column in [Column::User, Column::Unit, Column::Container, Column::Netns] {
            let mut cell = String::new();
            column.cell(&mut cell, sheet.row(at), sheet, true);
            if !cell.is_empty() && cell != "-" {
                text.push(format!("  {:<9} {cell}", column.name()));
            }
        }
    }
    if row.subject == Subject::NotAttributed {
        text.push(NOT_ATTRIBUTED.to_owned());
    }
    text.extend(moved(row, screen, usize::from(width)));
    if let Some(socket) = socket {
        text.extend(buffers(socket, usize::from(width)));
        let wanted = details::Wanted {
            tcp: true,
            memory: true,
            timer: true,
            extended: true,
        };
        let more = details::lines(socket, sheet, wanted).into_iter();
        text.extend(more.map(|line| format!("  {line}")));
    }
    let mut lines = Vec::new();
    for line in &text {
        let wrapped = wrap::lines(line, Some(width), CONTINUED.len());
        for (place, line) in wrapped.into_iter().enumerate() {
            lines.push(if place == 0 {
                line
            } else {
                format!("{CONTINUED}{line}")
            });
        }
    }
    for found in row
        .socket
        .into_iter()
        .flat_map(|at| screen.look.findings.of(at))
    {
        let block = Block {
            finding: found.clone(),
            effects: Vec::new(),
        };
        lines.push(String::new());
        lines.extend(whole(&block, sheet, width));
    }
    lines
}

/// What it is about.
fn title(row: &Row, sheet: &Sheet<'_>) -> String {
    let mut title = String::new();
    match (row.socket, &row.group) {
        (Some(at), _) => {
            let of = sheet.row(at);
            for column in [Column::Proto, Column::State, Column::Local] {
                column.cell(&mut title, of, sheet, true);
                title.push(' ');
            }
            title.push_str("-> ");
            Column::Peer.cell(&mut title, of, sheet, true);
        }
        (None, Some(group)) => summary::key(&mut title, &group.key, sheet),
        (None, None) => title.push_str(match row.subject {
            Subject::NotAttributed => "not attributed",
            _ => "ended",
        }),
    }
    title
}

/// What was received and sent: now, in all, and over the last intervals.
fn moved(row: &Row, screen: &Screen<'_>, width: usize) -> Vec<String> {
    let rate = |of| match screen.rate(of) {
        rate if rate.is_empty() => "no counter".to_owned(),
        rate => format!("{rate} bytes/s"),
    };
    let since = if row.socket.is_some() {
        "since it was connected"
    } else {
        "since the start"
    };
    let mut text = Vec::new();
    for (at, name, change, total) in [
        (0, "in", row.change.in_bytes, row.totals.in_bytes),
        (1, "out", row.change.out_bytes, row.totals.out_bytes),
    ] {
        let total = rates::text(total as f64, false);
        text.push(format!(
            "  {name:<9} {}; {total} bytes {since}",
            rate(change)
        ));
        let history = screen.memory.history(&row.subject).into_iter().flatten();
        let values: Vec<u64> = history.map(|rates| rates[at]).collect();
        let most = values.iter().copied().max().unwrap_or(0);
        if most > 0 {
            let room = width.saturating_sub(34);
            let line = spark::line(&values[values.len().saturating_sub(room)..]);
            let most = rates::text(most as f64, false);
            text.push(format!("  {:<9} {line} up to {most} bytes/s", ""));
        }
    }
    text
}

/// In front of the second and later lines of a text.
const CONTINUED: &str = "    ";

const NOT_ATTRIBUTED: &str = "  What the interfaces carried beside the payload of the sockets: headers, \
                              retransmissions, UDP, ICMP, forwarded packets, and what programs send past \
                              the kernel's sockets.";

/// A finding as every command writes it.
pub(super) fn whole(block: &Block, sheet: &Sheet<'_>, width: u16) -> Vec<String> {
    let mut out = Vec::new();
    let layout = finding::Layout {
        style: Plain::new(false),
        width: Some(width),
        verbose: false,
    };
    // A buffer takes everything.
    let _ = finding::write(&mut out, block, sheet, layout);
    let text = String::from_utf8_lossy(&out);
    text.lines().map(str::to_owned).collect()
}

/// Bars for the receive and the send buffer: what is used of the limit.
fn buffers(socket: &Socket, width: usize) -> Vec<String> {
    let Some(memory) = socket.memory() else {
        return Vec::new();
    };
    let pairs = [
        ("received", memory.rmem_alloc_bytes, memory.rcvbuf_bytes),
        ("to send", memory.wmem_queued_bytes, memory.sndbuf_bytes),
    ];
    let room = width.saturating_sub(40).clamp(10, 40);
    let bar = |(name, used, limit): (&str, Option<u32>, Option<u32>)| {
        let (used, limit) = (used?, limit?.max(1));
        let filled = u64::from(used.min(limit)) * room as u64 / u64::from(limit);
        let filled = usize::try_from(filled).unwrap_or(room);
        Some(format!(
            "  {name:<9} [{}{}] {} of {}",
            "#".repeat(filled),
            "-".repeat(room - filled),
            words::bytes(used),
            words::bytes(limit)
        ))
    };
    pairs.into_iter().filter_map(bar).collect()
}
