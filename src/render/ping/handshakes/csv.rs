//! TCP handshakes as CSV: a line of fields for each event (RFC 4180, lines that end with LF).

use std::io::{self, Write};
use std::net::IpAddr;
use std::time::Duration;

use super::{Attempt, Outage, Port};
use crate::ping::clock::Realtime;
use crate::render::column::{Column, csv_header, csv_line, put};
use crate::render::escape;

/// An event with its port, for CSV.
struct Row<'a> {
    port: &'a Port,
    at: Realtime,
    event: &'static str,
    sequence: Option<u64>,
    attempt: Option<&'a Attempt>,
    message: String,
    from: Option<String>,
}

const fn columns<'a>() -> [Column<Row<'a>>; 12] {
    [
        Column::number("time", |out, row| put(out, Some(row.at))),
        Column::text("target", |out, row| {
            out.push_str(&escape::text(&row.port.target.name));
        }),
        Column::text("address", |out, row| {
            out.push_str(&escape::text(&row.port.target.shown));
        }),
        Column::number("port", |out, row| put(out, Some(row.port.number))),
        Column::text("event", |out, row| out.push_str(row.event)),
        Column::number("seq", |out, row| put(out, row.sequence)),
        Column::text("answer", |out, row| {
            put(out, row.attempt.map(|it| it.answer.word()));
        }),
        Column::number("rtt_us", |out, row| {
            put(out, row.attempt.and_then(Attempt::time).map(fractional));
        }),
        Column::number("took_us", |out, row| {
            put(out, row.attempt.map(|it| fractional(it.took)));
        }),
        Column::number("lost_syns", |out, row| {
            put(out, row.attempt.map(|it| it.lost_syns));
        }),
        Column::text("from", |out, row| put(out, row.from.as_ref())),
        Column::text("message", |out, row| {
            out.push_str(&escape::text(&row.message));
        }),
    ]
}

fn fractional(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1000.0
}

/// The header line of CSV.
pub fn write_header(out: &mut Vec<u8>) -> io::Result<()> {
    out.write_all(csv_header(&columns()).as_bytes())
}

/// An attempt as a line of CSV.
pub fn attempt(out: &mut impl Write, port: &Port, attempt: &Attempt) -> io::Result<()> {
    let (message, from) = attempt.answer.message();
    let row = Row {
        port,
        at: attempt.ended(),
        event: "handshake",
        sequence: Some(attempt.sequence),
        attempt: Some(attempt),
        message: message.unwrap_or_default(),
        from,
    };
    out.write_all(csv_line(&columns(), &row).as_bytes())
}

/// Another address of the name, as a line of CSV.
pub fn moved(out: &mut impl Write, port: &Port, from: IpAddr, now: Realtime) -> io::Result<()> {
    let row = Row {
        port,
        at: now,
        event: "moved",
        sequence: None,
        attempt: None,
        message: format!("no longer {from}"),
        from: None,
    };
    out.write_all(csv_line(&columns(), &row).as_bytes())
}

/// A handshake that is still under way as a line of CSV.
pub fn unanswered(
    out: &mut impl Write,
    port: &Port,
    sequence: u64,
    now: Realtime,
) -> io::Result<()> {
    let row = Row {
        port,
        at: now,
        event: "no_answer_yet",
        sequence: Some(sequence),
        attempt: None,
        message: String::new(),
        from: None,
    };
    out.write_all(csv_line(&columns(), &row).as_bytes())
}

/// An outage as a line of CSV.
pub fn outage(out: &mut impl Write, port: &Port, outage: &Outage, now: Realtime) -> io::Result<()> {
    let message = outage.words(&outage.since.to_string());
    let row = Row {
        port,
        at: now,
        event: outage.word(),
        sequence: None,
        attempt: None,
        message,
        from: None,
    };
    out.write_all(csv_line(&columns(), &row).as_bytes())
}
