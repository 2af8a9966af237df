//! A line of fields for each event (RFC 4180, lines that end with LF). What is unknown is empty.

use std::borrow::Cow;

use super::json::{event_word, lost_word, timing_word};
use super::{DayTime, NameOf, Output, Writer, fractional, words};
use crate::ping::clock::Realtime;
use crate::ping::event::{Event, Reply};
use crate::ping::figures::Summary;
use crate::ping::session::Session;
use crate::ping::tally::Tally;
use crate::render::column::{Column, csv_header, csv_line, put};
use crate::render::escape;

/// The lines.
#[derive(Debug, Clone, Copy)]
pub struct Csv {
    /// Whether there are lines with the figures of intervals, which have more columns.
    pub with_intervals: bool,
}

/// The columns of an event, which come first, and with lines of intervals all.
pub(super) fn shown<T>(columns: &[T], of_event: usize, with_intervals: bool) -> &[T] {
    let count = if with_intervals {
        columns.len()
    } else {
        of_event
    };
    &columns[..count]
}

/// An event or the figures of an interval, with what stands around it.
struct Row<'a> {
    session: &'a Session,
    word: &'static str,
    target: Option<usize>,
    now: Realtime,
    event: Option<&'a Event>,
    figures: Option<&'a Tally>,
}

const EVENT: usize = 12;

const fn columns<'a>() -> [Column<Row<'a>>; EVENT + 7] {
    [
        Column::number("time", |out, row| put(out, Some(row.time()))),
        Column::text("target", |out, row| {
            let target = row.target.map(|it| row.session.target(it));
            put(out, target.map(|it| escape::text(&it.name)));
        }),
        Column::text("address", |out, row| {
            let target = row.target.map(|it| row.session.target(it));
            put(out, target.map(|it| escape::text(&it.shown)));
        }),
        Column::text("event", |out, row| out.push_str(row.word)),
        Column::number("seq", |out, row| {
            put(out, row.event.and_then(Event::sequence));
        }),
        Column::text("from", |out, row| match row.event {
            Some(Event::Reply(reply)) => put(out, Some(reply.from)),
            Some(Event::Refused(refused)) => out.push_str(&words::by(&refused.refusal)),
            _ => {}
        }),
        Column::text("verdict", |out, row| {
            put(out, row.reply().map(|it| it.verdict.word()));
        }),
        Column::number("rtt_us", |out, row| {
            put(out, row.event.and_then(Event::rtt).map(fractional));
        }),
        Column::text("timing", |out, row| {
            let timed = row.reply().filter(|it| it.rtt.is_some());
            put(out, timed.map(|it| timing_word(it.timing)));
        }),
        Column::number("ttl", |out, row| {
            put(out, row.reply().and_then(|it| it.hop_limit));
        }),
        Column::number("bytes", |out, row| {
            put(out, row.reply().map(|it| it.bytes));
        }),
        Column::text("message", |out, row| {
            let message = row.event.map(|it| message(row.session, it));
            put(out, message.map(|it| escape::text(&it).into_owned()));
        }),
        Column::number("sent", |out, row| put(out, row.figures.map(|it| it.sent))),
        Column::number("received", |out, row| {
            put(out, row.figures.map(|it| it.received));
        }),
        Column::number("lost", |out, row| put(out, row.figures.map(|it| it.lost))),
        Column::number("loss_percent", |out, row| {
            put(out, row.figures.and_then(Tally::loss_percent));
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

impl<'a> Row<'a> {
    fn reply(&self) -> Option<&'a Reply> {
        self.event.and_then(Event::reply)
    }

    fn times(&self) -> Option<Summary> {
        self.figures?.times.summary()
    }

    fn time(&self) -> Realtime {
        match self.event {
            Some(Event::Reply(reply)) => reply.at,
            Some(Event::Refused(refused)) => refused.at,
            _ => self.now,
        }
    }
}

fn message(session: &Session, event: &Event) -> Cow<'static, str> {
    match event {
        Event::Reply(reply) => words::wrong_of(session, reply).into(),
        Event::Refused(refused) => words::refused(refused).into(),
        Event::Lost { damaged, .. } => lost_word(*damaged).into(),
        Event::Unsent { why, .. } => words::unsent(*why).into(),
        Event::Down { lost, .. } => format!("{lost} lost in a row").into(),
        Event::Up { lost, after, .. } => {
            format!("after {}, {lost} lost in a row", words::seconds(*after)).into()
        }
        Event::Moved { from, .. } => format!("no longer {from}").into(),
        Event::Unfinished { .. } => "unfinished".into(),
        Event::ClockStep { by } => format!("{} us", *by as f64 / 1000.0).into(),
    }
}

impl Csv {
    fn line(self, output: &mut Output, row: &Row<'_>) {
        let line = csv_line(self.shown(&columns()), row);
        output.out.extend_from_slice(line.as_bytes());
    }

    fn shown<T>(self, columns: &[T]) -> &[T] {
        shown(columns, EVENT, self.with_intervals)
    }
}

impl Writer for Csv {
    fn opening(&mut self, output: &mut Output, _: &Session, _: NameOf<'_>) {
        let header = csv_header(self.shown(&columns()));
        output.out.extend_from_slice(header.as_bytes());
    }

    fn event(
        &mut self,
        output: &mut Output,
        session: &Session,
        event: &Event,
        now: Realtime,
        _: NameOf<'_>,
    ) {
        let row = Row {
            session,
            word: event_word(event),
            target: event.target(),
            now,
            event: Some(event),
            figures: None,
        };
        self.line(output, &row);
    }

    fn interval(&mut self, output: &mut Output, session: &Session, now: Realtime, _: DayTime) {
        for target in 0..session.target_count() {
            let row = Row {
                session,
                word: "interval",
                target: Some(target),
                now,
                event: None,
                figures: session.interval(Some(target)),
            };
            self.line(output, &row);
        }
    }

    fn finish(&mut self, _: &mut Output, _: &Session, _: Realtime) {}

    fn wants_complaints(&self) -> bool {
        false
    }
}
