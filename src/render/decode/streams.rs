//! The table of streams.

use std::net::SocketAddr;

use super::buffer::Buffer;
use super::view::{EventWriter, PIECE};
use super::words::milliseconds;
use crate::dissect::Totals;
use crate::stream::{Event, Summary};

const COLUMNS: usize = 11;

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
    "MESSAGES",
    "ENDED",
];

/// Whether a column is flush right, as numbers are.
const RIGHT: [bool; COLUMNS] = [
    true, false, false, true, true, true, true, true, true, true, false,
];

/// Writes a row for each stream, in the order of their numbers.
///
/// The invariant: no more than `most` summaries are kept. When there are as many, they are written as a
/// block of the table, and the next block has its own order.
#[derive(Debug)]
pub struct Streams {
    kept: Vec<Summary>,
    most: usize,
    widths: [usize; COLUMNS],
    blocks: usize,
}

impl Streams {
    /// A table that keeps at most this many bytes of memory.
    pub fn new(memory: usize) -> Streams {
        let most = (memory / size_of::<Summary>()).max(1);
        let mut kept = Vec::new();
        // Unused capacity takes no memory; without it, memory is allocated on demand.
        let _ = kept.try_reserve_exact(most);
        Streams {
            kept,
            most,
            widths: HEADER.map(str::len),
            blocks: 0,
        }
    }

    /// Writes a block of the table, the header in front of the first.
    fn write(&mut self, out: &mut Buffer, flush: &mut dyn FnMut(&mut Buffer)) {
        self.kept.sort_unstable_by_key(|summary| summary.number);
        for summary in &self.kept {
            for (width, cell) in self.widths.iter_mut().zip(cells(summary)) {
                *width = cell.len().max(*width);
            }
        }
        if self.blocks == 0 {
            self.row(out, &HEADER);
        }
        for summary in &self.kept {
            self.row(out, &cells(summary));
            if out.len() >= PIECE {
                flush(out);
            }
        }
        self.kept.clear();
        self.blocks += 1;
    }

    /// A row. It is never wrapped: an address that is broken into pieces cannot be read.
    fn row(&self, out: &mut Buffer, cells: &[impl AsRef<str>; COLUMNS]) {
        for (index, cell) in cells.iter().enumerate() {
            let (cell, width) = (cell.as_ref(), self.widths[index]);
            let separator = if index > 0 { 2 } else { 0 };
            out.blanks(separator);
            if RIGHT[index] {
                out.text_right(cell, width);
            } else if index + 1 < COLUMNS {
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

fn cells(summary: &Summary) -> [String; COLUMNS] {
    let (client, server) = (summary.from_client, summary.from_server);
    let [requests, replies] = summary.messages;
    [
        summary.number.to_string(),
        SocketAddr::from(summary.client).to_string(),
        SocketAddr::from(summary.server).to_string(),
        format!("{}+{}", client.packets, server.packets),
        format!("{}+{}", client.bytes, server.bytes),
        time(Some(summary.last.nanos_since(summary.first))),
        time(summary.handshake),
        time(Some(summary.account.longest_wait)),
        format!("{}+{}", client.retransmissions, server.retransmissions),
        format!("{requests}+{replies}"),
        summary.ended_words(),
    ]
}

fn time(nanos: Option<i64>) -> String {
    let Some(nanos) = nanos else {
        return "-".to_owned();
    };
    let mut text = Buffer::default();
    milliseconds(&mut text, nanos);
    String::from_utf8_lossy(text.as_bytes()).into_owned()
}
