//! The table of streams.

use std::net::SocketAddr;

use super::account::time;
use super::buffer::Buffer;
use super::view::{EventWriter, PIECE};
use crate::dissect::Totals;
use crate::stream::{Event, Summary};

const COLUMNS: usize = 12;

const HEADER: [&str; COLUMNS] = [
    "STREAM",
    "CLIENT",
    "SERVER",
    "PACKETS",
    "BYTES",
    "DURATION",
    "RTT",
    "SERVER WAIT",
    "RETRANS",
    "COPIES",
    "MESSAGES",
    "ENDED",
];

/// Whether a column is flush right, as numbers are.
const RIGHT: [bool; COLUMNS] = [
    true, false, false, true, true, true, true, true, true, true, true, false,
];

/// Where there is no room for all in a line: the columns of the first line, and of the second.
const ABOVE: [usize; 5] = [0, 1, 2, COPIES, 11];
const BELOW: [usize; 7] = [3, 4, 5, 6, 7, 8, 10];
/// How far the second line is set in.
const INDENT: usize = 8;
/// The column that tells the longest wait, which is marked.
const WAIT: usize = 7;
/// The column of segments that were captured twice; it is shown if there are any.
const COPIES: usize = 9;

/// Writes a row for each stream, in the order of their numbers. On a terminal that is not wide enough, a row has two
/// lines.
///
/// The invariant: no more than `most` summaries are kept. When there are as many, they are written as a
/// block of the table, and the next block has its own order.
#[derive(Debug)]
pub struct Streams {
    kept: Vec<Summary>,
    most: usize,
    widths: [usize; COLUMNS],
    terminal: Option<usize>,
    blocks: usize,
    has_copies: bool,
}

impl Streams {
    /// A table that keeps at most this many bytes of memory, for a terminal of this width.
    pub fn new(memory: usize, terminal: Option<u16>) -> Streams {
        let most = (memory / size_of::<Summary>()).max(1);
        let mut kept = Vec::new();
        // Unused capacity takes no memory; without it, memory is allocated on demand.
        let _ = kept.try_reserve_exact(most);
        Streams {
            kept,
            most,
            widths: HEADER.map(str::len),
            terminal: terminal.map(usize::from),
            blocks: 0,
            has_copies: false,
        }
    }

    /// Writes a block of the table, the header in front of the first.
    fn write(&mut self, out: &mut Buffer, flush: &mut dyn FnMut(&mut Buffer)) {
        self.kept.sort_unstable_by_key(|summary| summary.number);
        let waits = self.kept.iter().map(|summary| summary.account.longest_wait);
        let longest = waits.max().filter(|wait| *wait > 0 && self.kept.len() > 1);
        for summary in &self.kept {
            for (width, cell) in self.widths.iter_mut().zip(cells(summary, longest)) {
                *width = cell.len().max(*width);
            }
        }
        let copies = |summary: &Summary| summary.from_client.copies + summary.from_server.copies;
        let is_new = !self.has_copies && self.kept.iter().any(|summary| copies(summary) > 0);
        self.has_copies |= is_new;
        if self.blocks == 0 || is_new {
            self.row(out, &HEADER);
        }
        for summary in &self.kept {
            self.row(out, &cells(summary, longest));
            if out.len() >= PIECE {
                flush(out);
            }
        }
        self.kept.clear();
        self.blocks += 1;
    }

    /// A row. No cell is ever cut or wrapped: an address that is broken into pieces cannot be read.
    fn row(&self, out: &mut Buffer, cells: &[impl AsRef<str>; COLUMNS]) {
        let all: [usize; COLUMNS] = std::array::from_fn(|index| index);
        let shown = all.iter().filter(|index| self.shows(**index));
        let needed = shown.map(|index| self.widths[*index] + 2).sum::<usize>() - 2;
        if self.terminal.is_some_and(|terminal| needed > terminal) {
            self.line(out, cells, &ABOVE);
            out.blanks(INDENT);
            self.line(out, cells, &BELOW);
        } else {
            self.line(out, cells, &all);
        }
    }

    fn shows(&self, column: usize) -> bool {
        column != COPIES || self.has_copies
    }

    fn line(&self, out: &mut Buffer, cells: &[impl AsRef<str>; COLUMNS], columns: &[usize]) {
        let shown = columns.iter().copied().filter(|index| self.shows(*index));
        for (place, index) in shown.enumerate() {
            let (cell, width) = (cells[index].as_ref(), self.widths[index]);
            let separator = if place > 0 { 2 } else { 0 };
            out.blanks(separator);
            if RIGHT[index] {
                out.text_right(cell, width);
            } else if Some(&index) != columns.last() {
                out.text_left(cell, width);
            } else {
                out.text(cell);
            }
        }
        out.byte(b'\n');
    }
}

impl EventWriter for Streams {
    fn stream(&mut self, _out: &mut Buffer, _event: &Event<'_>) {}

    fn between_frames(
        &mut self,
        out: &mut Buffer,
        event: &Event<'_>,
        flush: &mut dyn FnMut(&mut Buffer),
    ) {
        if let Event::Ended(summary) = event {
            if self.kept.len() == self.most {
                self.write(out, flush);
            }
            self.kept.push(**summary);
        }
    }

    fn end(&mut self, out: &mut Buffer, _totals: &Totals, flush: &mut dyn FnMut(&mut Buffer)) {
        self.write(out, flush);
    }
}

fn cells(summary: &Summary, longest: Option<i64>) -> [String; COLUMNS] {
    let (client, server) = (summary.from_client, summary.from_server);
    let [requests, replies] = summary.messages;
    let wait = summary.account.longest_wait;
    let mark = if longest == Some(wait) { "*" } else { "" };
    let mut cells = [
        summary.number.to_string(),
        SocketAddr::from(summary.client).to_string(),
        SocketAddr::from(summary.server).to_string(),
        format!("{}+{}", client.packets, server.packets),
        format!("{}+{}", client.bytes, server.bytes),
        time(summary.last.nanos_since(summary.first)),
        summary.handshake.map_or_else(|| "-".to_owned(), time),
        String::new(),
        format!("{}+{}", client.retransmissions, server.retransmissions),
        format!("{}+{}", client.copies, server.copies),
        format!("{requests}+{replies}"),
        summary.ended_words(),
    ];
    cells[WAIT] = match wait {
        0 => "-".to_owned(),
        wait => format!("{mark}{}", time(wait)),
    };
    cells
}
