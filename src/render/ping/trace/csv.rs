//! A trace as CSV: a line of fields for each request (RFC 4180, lines that end with LF).

use std::io::{self, Write};

use crate::ping::clock::Realtime;
use crate::ping::figures::Summary;
use crate::ping::hops::{Answer, End, Hop};
use crate::ping::target::Target;
use crate::ping::trace::{PathChange, Router, Trace, Traced};
use crate::render::column::{Column, csv_header, csv_line, put};
use crate::render::escape;
use crate::render::ping::csv::shown;
use crate::render::ping::path::end_words;
use crate::render::ping::{fractional, words};

/// What is told of a path at one time.
struct Row<'a> {
    target: &'a Target,
    at: Realtime,
    event: &'static str,
    distance: u8,
    sequence: Option<u64>,
    answer: Option<&'a Answer>,
    message: String,
    figures: Option<(&'a Traced, Option<&'a Router>)>,
}

const EVENT: usize = 10;

const fn columns<'a>() -> [Column<Row<'a>>; EVENT + 6] {
    [
        Column::number("time", |out, row| put(out, Some(row.at))),
        Column::text("target", |out, row| {
            out.push_str(&escape::text(&row.target.name));
        }),
        Column::text("address", |out, row| {
            out.push_str(&escape::text(&row.target.shown));
        }),
        Column::text("event", |out, row| out.push_str(row.event)),
        Column::number("hop", |out, row| put(out, Some(row.distance))),
        Column::number("seq", |out, row| put(out, row.sequence)),
        Column::text("router", |out, row| {
            let of_figures = row.figures.and_then(|(_, router)| router);
            let of_figures = of_figures.map(|it| it.address);
            put(out, row.answer.map(|it| it.from).or(of_figures));
        }),
        Column::number("rtt_us", |out, row| {
            put(out, row.answer.and_then(|it| it.rtt).map(fractional));
        }),
        Column::text("mpls", |out, row| {
            let labels = row.answer.map_or(&[][..], |it| it.labels.as_slice());
            let labels: Vec<String> = labels.iter().map(words::label).collect();
            out.push_str(&labels.join("; "));
        }),
        Column::text("message", |out, row| {
            out.push_str(&escape::text(&row.message));
        }),
        Column::number("sent", |out, row| {
            put(out, row.figures.map(|(hop, _)| hop.sent));
        }),
        Column::number("answered", |out, row| {
            let count = |(_, router): (_, Option<&Router>)| router.map_or(0, |it| it.answers);
            put(out, row.figures.map(count));
        }),
        Column::number("loss_percent", |out, row| {
            let some = row.figures.filter(|(hop, _)| hop.sent > 0);
            put(
                out,
                some.map(|(hop, _)| hop.lost() as f64 * 100.0 / hop.sent as f64),
            );
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
        self.figures?.1?.times.summary()
    }
}

/// The lines. With those of intervals all have more columns.
#[derive(Debug, Clone, Copy)]
pub struct Csv {
    /// Whether there are lines with the figures of intervals.
    pub with_intervals: bool,
}

impl Csv {
    /// The header line.
    pub fn header(self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(csv_header(self.shown(&columns())).as_bytes())
    }

    /// The requests to a hop, of which the first has this number.
    pub fn hop(
        self,
        out: &mut impl Write,
        target: &Target,
        hop: &Hop,
        first: u64,
        at: Realtime,
    ) -> io::Result<()> {
        for (answer, sequence) in hop.answers.iter().zip(first..) {
            let row = Row {
                target,
                at,
                event: match (answer, hop.end) {
                    (None, Some(End::Unsent)) => "unsent",
                    (None, _) => "lost",
                    (Some(_), Some(End::Reached)) => "reached",
                    (Some(_), _) => "reply",
                },
                distance: hop.distance,
                sequence: Some(sequence),
                answer: answer.as_ref(),
                message: end_words(hop).unwrap_or_default(),
                figures: None,
            };
            self.write(out, &row)?;
        }
        Ok(())
    }

    /// A change of the path.
    pub fn change(
        self,
        out: &mut impl Write,
        target: &Target,
        change: &PathChange,
        at: Realtime,
    ) -> io::Result<()> {
        let row = Row {
            target,
            at,
            event: "path_change",
            distance: change.distance,
            sequence: None,
            answer: None,
            message: super::change_words(change),
            figures: None,
        };
        self.write(out, &row)
    }

    /// The figures of an interval that is over: each router of each hop.
    pub fn interval(
        self,
        out: &mut impl Write,
        target: &Target,
        trace: &Trace,
        at: Realtime,
    ) -> io::Result<()> {
        for hop in trace.hops() {
            let routers = hop.routers.iter().map(Some);
            let none = hop.routers.is_empty().then_some(None);
            for router in routers.chain(none) {
                let row = Row {
                    target,
                    at,
                    event: "interval",
                    distance: hop.distance,
                    sequence: None,
                    answer: None,
                    message: String::new(),
                    figures: Some((hop, router)),
                };
                self.write(out, &row)?;
            }
        }
        Ok(())
    }

    fn write(self, out: &mut impl Write, row: &Row<'_>) -> io::Result<()> {
        out.write_all(csv_line(self.shown(&columns()), row).as_bytes())
    }

    fn shown<T>(self, columns: &[T]) -> &[T] {
        shown(columns, EVENT, self.with_intervals)
    }
}
