//! Conversations and endpoints with their traffic: a row for each pair of endpoints, or for each endpoint.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

use super::account::time;
use super::buffer::Buffer;
use super::numbers::protocol_name;
use super::view::{EventWriter, PIECE, Rows};
use crate::capfile::Timestamp;
use crate::dissect::{Frame, Totals};
use crate::packet::ip::protocol;
use crate::packet::record::{Network, Transport};
use crate::render::column::{Column, csv_header, csv_line, put};
use crate::render::counted;
use crate::render::json::line;
use crate::render::table::Table;
use crate::stream::{Endpoint, Event};

/// What a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Two endpoints that talk to each other.
    Conversation,
    /// One endpoint.
    Endpoint,
}

/// Counts what each endpoint sends, and writes the busiest first.
///
/// The invariant: no more than `most` rows are kept. Frames of further ones are counted, and said to be missing.
#[derive(Debug)]
pub struct Conversations {
    by: By,
    rows: Rows,
    most: usize,
    kept: HashMap<Key, Row>,
    start: Option<Timestamp>,
    /// Frames without an IP packet.
    others: u64,
    /// Frames of rows for which there was no room.
    left_out: u64,
}

/// The protocol, and both ends in a fixed order; for a row about one endpoint the same one twice.
type Key = (u8, Endpoint, Endpoint);

/// What was counted.
#[derive(Debug, Clone, Copy)]
struct Row {
    protocol: u8,
    /// Of a conversation the first to send.
    ends: [Endpoint; 2],
    /// Packets and bytes that each end sent; of a row about one endpoint those sent and those received.
    sent: [(u64, u64); 2],
    first: Timestamp,
    last: Timestamp,
    /// Nanoseconds from the first frame of the capture.
    start: i64,
}

impl Row {
    fn bytes(&self) -> u64 {
        self.sent[0].1.saturating_add(self.sent[1].1)
    }

    fn duration(&self) -> i64 {
        self.last.nanos_since(self.first)
    }
}

impl Conversations {
    /// Rows of this kind, written in this form, with at most this many bytes of memory for them.
    pub fn new(by: By, rows: Rows, memory: usize) -> Conversations {
        // A hash table doubles, and is at most 7/8 full.
        let most = (memory / (4 * size_of::<(Key, Row)>())).max(1);
        Conversations {
            by,
            rows,
            most,
            kept: HashMap::new(),
            start: None,
            others: 0,
            left_out: 0,
        }
    }

    /// The row with this key, if there is one or room for one.
    fn row(&mut self, key: Key, ends: [Endpoint; 2], at: Timestamp) -> Option<&mut Row> {
        let is_full = self.kept.len() >= self.most;
        let start = at.nanos_since(self.start.unwrap_or(at));
        let row = match self.kept.entry(key) {
            Entry::Occupied(row) => row.into_mut(),
            Entry::Vacant(_) if is_full => {
                self.left_out += 1;
                return None;
            }
            Entry::Vacant(place) => place.insert(Row {
                protocol: key.0,
                ends,
                sent: [(0, 0); 2],
                first: at,
                last: at,
                start,
            }),
        };
        row.first = row.first.min(at);
        row.last = row.last.max(at);
        Some(row)
    }

    /// The rows, the busiest first.
    fn sorted(&mut self) -> Vec<Row> {
        let mut rows: Vec<Row> = std::mem::take(&mut self.kept).into_values().collect();
        rows.sort_unstable_by_key(|row| {
            (
                std::cmp::Reverse(row.bytes()),
                row.first,
                row.protocol,
                row.ends,
            )
        });
        rows
    }

    fn text(&self, out: &mut Buffer, rows: &[Row]) {
        let (titles, thing) = match self.by {
            By::Conversation => (
                &[
                    "PROTOCOL", "A", "B", "PACKETS", "BYTES", "START", "DURATION",
                ][..],
                "conversation",
            ),
            By::Endpoint => (
                &[
                    "PROTOCOL",
                    "ENDPOINT",
                    "PACKETS SENT",
                    "RECEIVED",
                    "BYTES SENT",
                    "RECEIVED",
                ][..],
                "endpoint",
            ),
        };
        let mut table = Table::new().header(titles);
        let first_number = if self.by == By::Conversation { 3 } else { 2 };
        for column in first_number..titles.len() {
            table = table.right(column);
        }
        for row in rows {
            let [a, b] = row.sent;
            match self.by {
                By::Conversation => table.row(&[
                    name(row.protocol),
                    end(row.ends[0]),
                    end(row.ends[1]),
                    format!("{}+{}", a.0, b.0),
                    format!("{}+{}", a.1, b.1),
                    time(row.start),
                    time(row.duration()),
                ]),
                By::Endpoint => table.row(&[
                    name(row.protocol),
                    end(row.ends[0]),
                    a.0.to_string(),
                    b.0.to_string(),
                    a.1.to_string(),
                    b.1.to_string(),
                ]),
            }
        }
        // Writing to memory does not fail.
        let _ = table.write(out, None);
        out.format(format_args!("{}\n", counted(rows.len() as u64, thing)));
        if self.others > 0 {
            out.format(format_args!(
                "{} without an IP packet\n",
                counted(self.others, "frame")
            ));
        }
        if self.left_out > 0 {
            out.format(format_args!(
                "{} of further {thing}s left out: --max-memory is reached\n",
                counted(self.left_out, "frame")
            ));
        }
    }
}

impl EventWriter for Conversations {
    fn start(&mut self, time: Timestamp) {
        self.start = Some(time);
    }

    fn stream(&mut self, _out: &mut Buffer, _event: &Event<'_>) {}

    fn frame(&mut self, _out: &mut Buffer, frame: &Frame<'_>, _pending: &[u8]) {
        let layers = frame.decoded.innermost();
        let Network::Ip(ip) = &layers.network else {
            self.others += 1;
            return;
        };
        let ports = match &layers.transport {
            Transport::Tcp(tcp) => [tcp.source, tcp.destination],
            Transport::Udp(udp) => [udp.source, udp.destination],
            _ => [0, 0],
        };
        let from = (ip.source, ports[0]);
        let to = (ip.destination, ports[1]);
        match self.by {
            By::Conversation => {
                let key = (ip.protocol, from.min(to), from.max(to));
                if let Some(row) = self.row(key, [from, to], frame.time) {
                    let side = usize::from(row.ends[0] != from);
                    add(&mut row.sent[side], frame);
                }
            }
            By::Endpoint => {
                for (side, end) in [from, to].into_iter().enumerate() {
                    if let Some(row) = self.row((ip.protocol, end, end), [end; 2], frame.time) {
                        add(&mut row.sent[side], frame);
                    }
                }
            }
        }
    }

    fn end(&mut self, out: &mut Buffer, totals: &Totals, flush: &mut dyn FnMut(&mut Buffer)) {
        let rows = self.sorted();
        let columns = match self.by {
            By::Conversation => CONVERSATION,
            By::Endpoint => ENDPOINT,
        };
        match self.rows {
            Rows::Text => self.text(out, &rows),
            Rows::Csv => {
                out.text(&csv_header(columns));
                for row in &rows {
                    out.text(&csv_line(columns, row));
                    if out.len() >= PIECE {
                        flush(out);
                    }
                }
            }
            Rows::Json => {
                for row in &rows {
                    let _ = match self.by {
                        By::Conversation => line(out, &ConversationLine::of(row)),
                        By::Endpoint => line(out, &EndpointLine::of(row)),
                    };
                    if out.len() >= PIECE {
                        flush(out);
                    }
                }
                super::json::end(out, totals);
            }
        }
    }
}

fn add((packets, bytes): &mut (u64, u64), frame: &Frame<'_>) {
    *packets += 1;
    *bytes += u64::from(frame.length);
}

/// A conversation in CSV.
const CONVERSATION: &[Column<Row>] = &[
    Column::text("protocol", |out, row| out.push_str(&name(row.protocol))),
    Column::text("a_address", |out, row| put(out, Some(row.ends[0].0))),
    Column::number("a_port", |out, row| put(out, port(row, 0))),
    Column::text("b_address", |out, row| put(out, Some(row.ends[1].0))),
    Column::number("b_port", |out, row| put(out, port(row, 1))),
    Column::number("a_packets", |out, row| put(out, Some(row.sent[0].0))),
    Column::number("a_bytes", |out, row| put(out, Some(row.sent[0].1))),
    Column::number("b_packets", |out, row| put(out, Some(row.sent[1].0))),
    Column::number("b_bytes", |out, row| put(out, Some(row.sent[1].1))),
    Column::number("start_us", |out, row| put(out, Some(row.start / 1000))),
    Column::number("duration_us", |out, row| {
        put(out, Some(row.duration() / 1000));
    }),
];

/// An endpoint in CSV.
const ENDPOINT: &[Column<Row>] = &[
    Column::text("protocol", |out, row| out.push_str(&name(row.protocol))),
    Column::text("address", |out, row| put(out, Some(row.ends[0].0))),
    Column::number("port", |out, row| put(out, port(row, 0))),
    Column::number("sent_packets", |out, row| put(out, Some(row.sent[0].0))),
    Column::number("sent_bytes", |out, row| put(out, Some(row.sent[0].1))),
    Column::number("received_packets", |out, row| put(out, Some(row.sent[1].0))),
    Column::number("received_bytes", |out, row| put(out, Some(row.sent[1].1))),
];

/// An end in JSON.
#[derive(Serialize)]
struct EndLine {
    addr: IpAddr,
    port: Option<u16>,
    packets: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct ConversationLine {
    schema: &'static str,
    event: &'static str,
    protocol: String,
    a: EndLine,
    b: EndLine,
    start_us: i64,
    duration_us: i64,
}

impl ConversationLine {
    fn of(row: &Row) -> ConversationLine {
        let end = |side: usize| EndLine {
            addr: row.ends[side].0,
            port: port(row, side),
            packets: row.sent[side].0,
            bytes: row.sent[side].1,
        };
        ConversationLine {
            schema: "sockdoc.decode/1",
            event: "conversation",
            protocol: name(row.protocol),
            a: end(0),
            b: end(1),
            start_us: row.start / 1000,
            duration_us: row.duration() / 1000,
        }
    }
}

#[derive(Serialize)]
struct EndpointLine {
    schema: &'static str,
    event: &'static str,
    protocol: String,
    addr: IpAddr,
    port: Option<u16>,
    sent_packets: u64,
    sent_bytes: u64,
    received_packets: u64,
    received_bytes: u64,
}

impl EndpointLine {
    fn of(row: &Row) -> EndpointLine {
        EndpointLine {
            schema: "sockdoc.decode/1",
            event: "endpoint",
            protocol: name(row.protocol),
            addr: row.ends[0].0,
            port: port(row, 0),
            sent_packets: row.sent[0].0,
            sent_bytes: row.sent[0].1,
            received_packets: row.sent[1].0,
            received_bytes: row.sent[1].1,
        }
    }
}

/// The port of an end, of protocols that have ports.
fn port(row: &Row, side: usize) -> Option<u16> {
    let has_ports = matches!(row.protocol, protocol::TCP | protocol::UDP);
    Some(row.ends[side].1).filter(|port| has_ports && *port != 0)
}

/// An address, with its port if it has one.
fn end((ip, port): Endpoint) -> String {
    match port {
        0 => ip.to_string(),
        port => SocketAddr::from((ip, port)).to_string(),
    }
}

fn name(number: u8) -> String {
    match protocol_name(number) {
        Some(name) => name.to_owned(),
        None => format!("protocol {number}"),
    }
}
