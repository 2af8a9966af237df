//! A line of fields for each event (RFC 4180, lines that end with LF). What is unknown is empty.

use std::borrow::Cow;

use super::json::{event_word, lost_word, timing_word};
use super::{NameOf, Output, Writer, words};
use crate::ping::clock::Realtime;
use crate::ping::event::Event;
use crate::ping::session::Session;
use crate::render::column::{Column, csv_header, csv_line, put};
use crate::render::escape;

/// The lines.
#[derive(Debug, Clone, Copy)]
pub struct Csv;

/// An event with what stands around it.
struct Row<'a> {
    session: &'a Session,
    event: &'a Event,
    now: Realtime,
}

const fn columns<'a>() -> [Column<Row<'a>>; 12] {
    [
        Column::number("time", |out, row| put(out, Some(row.time()))),
        Column::text("target", |out, row| {
            let target = row.event.target().map(|it| row.session.target(it));
            put(out, target.map(|it| escape::text(&it.name)));
        }),
        Column::text("address", |out, row| {
            let target = row.event.target().map(|it| row.session.target(it));
            put(out, target.map(|it| escape::text(&it.shown)));
        }),
        Column::text("event", |out, row| out.push_str(event_word(row.event))),
        Column::number("seq", |out, row| put(out, row.event.sequence())),
        Column::text("from", |out, row| match row.event {
            Event::Reply(reply) => put(out, Some(reply.from)),
            Event::Refused(refused) => out.push_str(&words::by(&refused.refusal)),
            _ => {}
        }),
        Column::text("verdict", |out, row| {
            put(out, row.event.reply().map(|it| it.verdict.word()));
        }),
        Column::number("rtt_us", |out, row| {
            let rtt = row.event.rtt().map(|rtt| rtt.as_nanos() as f64 / 1000.0);
            put(out, rtt);
        }),
        Column::text("timing", |out, row| {
            let timed = row.event.reply().filter(|it| it.rtt.is_some());
            put(out, timed.map(|it| timing_word(it.timing)));
        }),
        Column::number("ttl", |out, row| {
            put(out, row.event.reply().and_then(|it| it.hop_limit));
        }),
        Column::number("bytes", |out, row| {
            put(out, row.event.reply().map(|it| it.bytes));
        }),
        Column::text("message", |out, row| {
            out.push_str(&escape::text(&row.message()));
        }),
    ]
}

impl Row<'_> {
    fn time(&self) -> Realtime {
        match self.event {
            Event::Reply(reply) => reply.at,
            Event::Refused(refused) => refused.at,
            _ => self.now,
        }
    }

    fn message(&self) -> Cow<'static, str> {
        match self.event {
            Event::Reply(reply) => words::wrong_of(self.session, reply).into(),
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
}

impl Writer for Csv {
    fn opening(&mut self, output: &mut Output, _: &Session, _: NameOf<'_>) {
        output
            .out
            .extend_from_slice(csv_header(&columns()).as_bytes());
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
            event,
            now,
        };
        output
            .out
            .extend_from_slice(csv_line(&columns(), &row).as_bytes());
    }

    fn finish(&mut self, _: &mut Output, _: &Session, _: Realtime) {}

    fn wants_complaints(&self) -> bool {
        false
    }
}
