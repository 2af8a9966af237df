//! A line of fields for each thing that happens (RFC 4180, lines that end with LF). What is unknown is
//! empty.

use super::json::timing_word;
use super::{NameOf, Pages, Voice, words};
use crate::ping::clock::Realtime;
use crate::ping::event::Event;
use crate::ping::session::Session;
use crate::render::csv::field;
use crate::render::escape;

const HEADER: &str = "time,target,address,event,seq,from,verdict,rtt_us,timing,ttl,bytes,message\n";

/// The lines.
#[derive(Debug, Clone, Copy)]
pub struct Csv;

/// The fields behind the address.
#[derive(Default)]
struct Row {
    event: &'static str,
    seq: Option<u64>,
    from: String,
    verdict: &'static str,
    rtt_us: Option<f64>,
    timing: &'static str,
    ttl: Option<u8>,
    bytes: Option<usize>,
    message: String,
}

impl Voice for Csv {
    fn opening(&mut self, pages: &mut Pages, _: &Session, _: NameOf<'_>) {
        pages.out.extend_from_slice(HEADER.as_bytes());
    }

    fn event(
        &mut self,
        pages: &mut Pages,
        session: &Session,
        event: &Event,
        now: Realtime,
        _: NameOf<'_>,
    ) {
        let (target, at, row) = row(session, event, now);
        let micros = at.0 / 1000;
        let mut line = format!("{}.{:06},", micros / 1_000_000, micros % 1_000_000);
        let (name, address) = match target {
            Some(target) => (
                &*session.target(target).name,
                &*session.target(target).shown,
            ),
            None => ("", ""),
        };
        for text in [
            name,
            address,
            row.event,
            &number(row.seq),
            &row.from,
            row.verdict,
        ] {
            field(&mut line, &escape::text(text));
            line.push(',');
        }
        for text in [
            &number(row.rtt_us),
            row.timing,
            &number(row.ttl),
            &number(row.bytes),
        ] {
            field(&mut line, text);
            line.push(',');
        }
        field(&mut line, &escape::text(&row.message));
        line.push('\n');
        pages.out.extend_from_slice(line.as_bytes());
    }

    fn finish(&mut self, _: &mut Pages, _: &Session, _: Realtime) {}

    fn wants_complaints(&self) -> bool {
        false
    }
}

fn row(session: &Session, event: &Event, now: Realtime) -> (Option<usize>, Realtime, Row) {
    match event {
        Event::Reply(reply) => {
            let expected = session.payloads().length() + 8;
            let to = session.target(reply.target).address.to_string();
            let row = Row {
                event: "reply",
                seq: Some(reply.sequence),
                from: reply.from.to_string(),
                verdict: reply.verdict.word(),
                rtt_us: reply.rtt.map(|rtt| rtt.as_nanos() as f64 / 1000.0),
                timing: reply.rtt.map_or("", |_| timing_word(reply.timing)),
                ttl: reply.hop_limit,
                bytes: Some(reply.bytes),
                message: words::wrong(reply, expected, &to, session.plan().patience()),
            };
            (Some(reply.target), reply.at, row)
        }
        Event::Refused(refused) => {
            let is_advice = refused.refusal.is_advice();
            let row = Row {
                event: if is_advice { "advice" } else { "refused" },
                seq: Some(refused.sequence),
                from: words::by(&refused.refusal),
                rtt_us: refused.rtt.map(|rtt| rtt.as_nanos() as f64 / 1000.0),
                message: words::refused(refused),
                ..Row::default()
            };
            (Some(refused.target), refused.at, row)
        }
        Event::Lost {
            target,
            sequence,
            damaged,
        } => {
            let row = Row {
                event: "lost",
                seq: Some(*sequence),
                message: if *damaged { "corrupted" } else { "silent" }.to_owned(),
                ..Row::default()
            };
            (Some(*target), now, row)
        }
        Event::Unsent {
            target,
            sequence,
            why,
        } => {
            let row = Row {
                event: "unsent",
                seq: Some(*sequence),
                message: words::unsent(*why),
                ..Row::default()
            };
            (Some(*target), now, row)
        }
        Event::ClockStep { by } => {
            let row = Row {
                event: "clock_step",
                message: format!("{} us", *by as f64 / 1000.0),
                ..Row::default()
            };
            (None, now, row)
        }
    }
}

fn number(value: Option<impl ToString>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}
