//! The table of streams.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::account::time;
use super::buffer::Buffer;
use super::view::{EventWriter, PIECE};
use crate::dissect::Totals;
use crate::render::escape;
use crate::stream::{Event, Summary};

const COLUMNS: usize = 13;

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
    "HOST",
];

/// Whether a column is flush right, as numbers are.
const RIGHT: [bool; COLUMNS] = [
    true, false, false, true, true, true, true, true, true, true, true, false, false,
];

/// Where there is no room for all in a line: the columns of the first line, and of the second.
const ABOVE: [usize; 5] = [0, 1, 2, COPIES, 11];
const BELOW: [usize; 8] = [3, 4, 5, 6, 7, 8, 10, HOST];
/// How far the second line is set in.
const INDENT: usize = 8;
/// The column that tells the longest wait, which is marked.
const WAIT: usize = 7;
/// The column of segments that were captured twice; it is shown if there are any.
const COPIES: usize = 9;
/// The column of the host that a stream has named; it is shown if any stream has.
const HOST: usize = 12;

/// Writes a row for each stream, in the order of their numbers. On a terminal that is not wide enough, a row has two
/// lines.
///
/// The invariant: no more than `most` summaries are kept. When there are as many, they are written as a
/// block of the table, and the next block has its own order.
#[derive(Debug)]
pub struct Streams {
    kept: Vec<Summary>,
    hosts: Hosts,
    /// Any of them has named a host.
    has_hosts: bool,
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
            hosts: Hosts::default(),
            has_hosts: false,
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
        let mut has_hosts = self.has_hosts;
        for summary in &self.kept {
            let host = self.hosts.of(summary.number);
            has_hosts |= host.is_some();
            for (width, cell) in self.widths.iter_mut().zip(cells(summary, longest, host)) {
                *width = cell.len().max(*width);
            }
        }
        let copies = |summary: &Summary| summary.from_client.copies + summary.from_server.copies;
        let has_copies = self.has_copies || self.kept.iter().any(|summary| copies(summary) > 0);
        let is_new = (has_copies, has_hosts) != (self.has_copies, self.has_hosts);
        (self.has_copies, self.has_hosts) = (has_copies, has_hosts);
        if self.blocks == 0 || is_new {
            self.row(out, &HEADER);
        }
        for summary in &self.kept {
            let host = self.hosts.of(summary.number);
            self.row(out, &cells(summary, longest, host));
            if out.len() >= PIECE {
                flush(out);
            }
        }
        for summary in self.kept.drain(..) {
            self.hosts.take(summary.number);
        }
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
        match column {
            COPIES => self.has_copies,
            HOST => self.has_hosts,
            _ => true,
        }
    }

    fn line(&self, out: &mut Buffer, cells: &[impl AsRef<str>; COLUMNS], columns: &[usize]) {
        let shown = columns.iter().copied().filter(|index| self.shows(*index));
        let last = shown.clone().next_back();
        for (place, index) in shown.enumerate() {
            let (cell, width) = (cells[index].as_ref(), self.widths[index]);
            let separator = if place > 0 { 2 } else { 0 };
            out.blanks(separator);
            if RIGHT[index] {
                out.text_right(cell, width);
            } else if Some(index) != last {
                out.text_left(cell, width);
            } else {
                out.text(cell);
            }
        }
        out.byte(b'\n');
    }
}

impl EventWriter for Streams {
    fn stream(&mut self, _out: &mut Buffer, event: &Event<'_>) {
        if let Event::Named(number, host) = event {
            self.hosts.add(*number, host);
        }
    }

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

/// The hosts that streams have named.
#[derive(Debug, Default)]
pub(super) struct Hosts(HashMap<u32, Box<str>>);

impl Hosts {
    /// More are not kept.
    const MOST: usize = 256 * 1024;

    pub(super) fn add(&mut self, stream: u32, host: &str) {
        if self.0.len() < Self::MOST {
            self.0.insert(stream, host.into());
        }
    }

    fn of(&self, stream: u32) -> Option<&str> {
        self.0.get(&stream).map(|host| &**host)
    }

    pub(super) fn take(&mut self, stream: u32) -> Option<Box<str>> {
        self.0.remove(&stream)
    }
}

fn cells(summary: &Summary, longest: Option<i64>, host: Option<&str>) -> [String; COLUMNS] {
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
        host.map_or_else(|| "-".to_owned(), |host| escape::text(host).into_owned()),
    ];
    cells[WAIT] = match wait {
        0 => "-".to_owned(),
        wait => format!("{mark}{}", time(wait)),
    };
    cells
}
