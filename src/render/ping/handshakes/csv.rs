//! TCP handshakes as CSV: a line of fields for each event (RFC 4180, lines that end with LF).

use std::io::{self, Write};
use std::net::IpAddr;

use super::{Attempt, Attempts, Outage, Port};
use crate::ping::clock::Realtime;
use crate::ping::figures::Summary;
use crate::render::column::{Column, csv_header, csv_line, put};
use crate::render::escape;
use crate::render::ping::csv::shown;
use crate::render::ping::fractional;

/// An event with its port, for CSV.
struct Row<'a> {
    port: &'a Port,
    at: Realtime,
    event: &'static str,
    sequence: Option<u64>,
    attempt: Option<&'a Attempt>,
    message: String,
    from: Option<String>,
    figures: Option<&'a Attempts>,
}

const EVENT: usize = 12;

const fn columns<'a>() -> [Column<Row<'a>>; EVENT + 9] {
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
            let lost = row.attempt.map(|it| it.lost_syns.into());
            put(out, lost.or(row.figures.map(|it| it.lost_syns)));
        }),
        Column::text("from", |out, row| put(out, row.from.as_ref())),
        Column::text("message", |out, row| {
            out.push_str(&escape::text(&row.message));
        }),
        Column::number("tried", |out, row| put(out, row.figures.map(|it| it.tried))),
        Column::number("open", |out, row| put(out, row.figures.map(|it| it.open))),
        Column::number("refused", |out, row| {
            put(out, row.figures.map(|it| it.refused));
        }),
        Column::number("filtered", |out, row| {
            put(out, row.figures.map(|it| it.filtered));
        }),
        Column::number("failed", |out, row| {
            put(out, row.figures.map(|it| it.failed));
        }),
        Column::number("loss_percent", |out, row| {
            let some = row.figures.filter(|it| it.tried > 0);
            put(out, some.map(Attempts::loss_percent));
        }),
        Column::number("rtt_min_us", |out, row| {
            put(out, row.times().map(|it| fractional(it.min)));
        }),
        Column::number("rtt_avg_us", |out, row| {
            put(out, row.times().map(|it| fractional(it.mean)));
        }),
        Column::number("rtt_max_us", |out, row| {
            put(out, row.times().map(|it| fractional(it.max)));
        }),
    ]
}

impl Row<'_> {
    fn times(&self) -> Option<Summary> {
        self.figures?.times.summary()
    }
}

/// The lines. With those of intervals all have more columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Csv {
    /// Whether there are lines with the figures of intervals.
    pub with_intervals: bool,
}

impl Csv {
    /// The header line.
    pub fn header(self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(csv_header(self.shown(&columns())).as_bytes())
    }

    fn write(self, out: &mut impl Write, row: &Row<'_>) -> io::Result<()> {
        out.write_all(csv_line(self.shown(&columns()), row).as_bytes())
    }

    fn shown<T>(self, columns: &[T]) -> &[T] {
        shown(columns, EVENT, self.with_intervals)
    }

    /// An attempt as a line of CSV.
    pub fn attempt(self, out: &mut impl Write, port: &Port, attempt: &Attempt) -> io::Result<()> {
        let (message, from) = attempt.answer.message();
        let row = Row {
            port,
            at: attempt.ended(),
            event: "handshake",
            sequence: Some(attempt.sequence),
            attempt: Some(attempt),
            message: message.unwrap_or_default(),
            from,
            figures: None,
        };
        self.write(out, &row)
    }

    /// Another address of the name, as a line of CSV.
    pub fn moved(
        self,
        out: &mut impl Write,
        port: &Port,
        from: IpAddr,
        now: Realtime,
    ) -> io::Result<()> {
        let row = Row {
            port,
            at: now,
            event: "moved",
            sequence: None,
            attempt: None,
            message: format!("no longer {from}"),
            from: None,
            figures: None,
        };
        self.write(out, &row)
    }

    /// A handshake that is still under way as a line of CSV.
    pub fn unanswered(
        self,
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
            figures: None,
        };
        self.write(out, &row)
    }

    /// An outage as a line of CSV.
    pub fn outage(
        self,
        out: &mut impl Write,
        port: &Port,
        outage: &Outage,
        now: Realtime,
    ) -> io::Result<()> {
        let message = outage.words(&outage.since.to_string());
        let row = Row {
            port,
            at: now,
            event: outage.word(),
            sequence: None,
            attempt: None,
            message,
            from: None,
            figures: None,
        };
        self.write(out, &row)
    }

    /// The figures of an interval that is over, as a line of CSV.
    pub fn interval(self, out: &mut impl Write, port: &Port, now: Realtime) -> io::Result<()> {
        let row = Row {
            port,
            at: now,
            event: "interval",
            sequence: None,
            attempt: None,
            message: String::new(),
            from: None,
            figures: Some(&port.interval),
        };
        self.write(out, &row)
    }
}
