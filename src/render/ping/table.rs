//! Many targets on a terminal: a table that is written over itself.

use std::collections::HashMap;
use std::io::Write as _;
use std::time::Duration;

use super::number::{general, short_millis};
use super::{Extras, NameOf, Output, Writer, account, words};
use crate::ping::clock::{Monotonic, Realtime};
use crate::ping::event::Event;
use crate::ping::figures::Summary;
use crate::ping::session::Session;
use crate::ping::tally::Tally;
use crate::render::column::{self, Column, put};

/// The table is written anew at most so often.
const INTERVAL: Duration = Duration::from_millis(200);
/// Lines of the terminal that stay free: the header, the count of rows that are not shown, the cursor.
const KEPT_FREE: u16 = 3;

/// To the alternate screen without a cursor, and back (xterm's private modes 1049 and 25).
pub const ASIDE: &str = "\x1b[?1049h\x1b[?25l";
/// And back.
pub const BACK: &str = "\x1b[?25h\x1b[?1049l";

/// A target, and what was last wrong with it.
struct Row<'a> {
    session: &'a Session,
    target: usize,
    problem: &'a str,
}

impl Row<'_> {
    fn tally(&self) -> &Tally {
        self.session.tally(self.target)
    }

    fn put_time(&self, out: &mut String, time: fn(Summary) -> Duration) {
        let times = self.tally().times.summary();
        put(out, times.map(|times| short_millis(time(times))));
    }
}

/// The columns, and from which width of the terminal on they are shown: a cell that is broken into
/// lines is hard to read.
const fn columns<'a>() -> [(u16, Column<Row<'a>>); 8] {
    [
        (
            0,
            Column::text("target", |out, row| {
                out.push_str(&row.session.target(row.target).name);
            }),
        ),
        (
            0,
            Column::number("sent", |out, row| put(out, Some(row.tally().sent))),
        ),
        (
            0,
            Column::number("loss", |out, row| {
                // What is still under way is not lost yet.
                let (lost, sent) = (row.tally().lost as f64, row.tally().sent.max(1) as f64);
                put(
                    out,
                    Some(format_args!("{}%", general((lost * 100.0 / sent).round()))),
                );
            }),
        ),
        (
            72,
            Column::number("last", |out, row| row.put_time(out, |times| times.last)),
        ),
        (
            50,
            Column::number("avg", |out, row| row.put_time(out, |times| times.mean)),
        ),
        (
            72,
            Column::number("best", |out, row| row.put_time(out, |times| times.min)),
        ),
        (
            72,
            Column::number("worst", |out, row| row.put_time(out, |times| times.max)),
        ),
        (
            50,
            Column::text("last problem", |out, row| out.push_str(row.problem)),
        ),
    ]
}

/// The table.
#[derive(Debug)]
pub struct LiveTable {
    width: u16,
    height: u16,
    extras: Extras,
    /// What was last wrong with a target.
    problems: HashMap<usize, String>,
    /// The table is on the alternate screen of the terminal, which has no scroll-back.
    is_aside: bool,
    next: Monotonic,
}

impl LiveTable {
    /// A table for a terminal of this size.
    pub fn new(width: u16, height: u16, extras: Extras) -> LiveTable {
        LiveTable {
            width,
            height,
            extras,
            problems: HashMap::new(),
            is_aside: false,
            next: Monotonic::default(),
        }
    }

    /// Writes the table, with at most this many rows.
    fn draw(&mut self, output: &mut Output, session: &Session, rows: usize) {
        let columns = columns().into_iter();
        let columns = columns.filter(|(least, _)| *least <= self.width);
        let columns: Vec<Column<Row<'_>>> = columns.map(|(_, column)| column).collect();
        let count = session.target_count();
        let shown: Vec<Row<'_>> = (0..count.min(rows))
            .map(|target| Row {
                session,
                target,
                problem: self.problems.get(&target).map_or("", String::as_str),
            })
            .collect();
        let table = column::table(&columns, &shown);
        let mut text = Vec::new();
        let _ = table.write(&mut text, Some(self.width));
        if count > rows {
            let _ = writeln!(text, "... and {} more targets", count - rows);
        }
        output.out.extend_from_slice(&text);
    }
}

impl Writer for LiveTable {
    fn opening(&mut self, _: &mut Output, _: &Session, _: NameOf<'_>) {}

    fn event(
        &mut self,
        _: &mut Output,
        session: &Session,
        event: &Event,
        _: Realtime,
        _: NameOf<'_>,
    ) {
        let (target, problem) = match event {
            Event::Reply(reply) if reply.counts => return,
            Event::Reply(reply) => (reply.target, words::wrong_of(session, reply)),
            Event::Refused(refused) => {
                let by = words::by(&refused.refusal);
                (
                    refused.target,
                    format!("{} by {by}", words::refused(refused)),
                )
            }
            Event::Lost { target, .. } => (*target, "no reply".to_owned()),
            Event::Moved { target, from } => (*target, format!("moved, no longer {from}")),
            Event::Unsent { target, why, .. } => (*target, words::unsent(*why)),
            _ => return,
        };
        self.problems.insert(target, problem);
    }

    fn resize(&mut self, width: u16, height: u16) {
        (self.width, self.height) = (width, height);
    }

    fn suspend(&mut self, output: &mut Output) {
        if std::mem::take(&mut self.is_aside) {
            output.out.extend_from_slice(BACK.as_bytes());
        }
        self.next = Monotonic::default();
    }

    /// The table always shows the progress.
    fn so_far(&mut self, _: &mut Output, _: &Session, _: Realtime) {}

    fn turn(
        &mut self,
        output: &mut Output,
        session: &Session,
        now: Monotonic,
    ) -> Option<Monotonic> {
        if self.next <= now {
            let rows = self.height.saturating_sub(KEPT_FREE).max(1);
            let enter = if self.is_aside { "" } else { ASIDE };
            self.is_aside = true;
            let _ = write!(output.out, "{enter}\x1b[H\x1b[J");
            self.draw(output, session, rows.into());
            self.next = now + INTERVAL;
        }
        Some(self.next)
    }

    fn finish(&mut self, output: &mut Output, session: &Session, _: Realtime) {
        self.suspend(output);
        self.draw(output, session, usize::MAX);
        let _ = account::write(&mut output.out, session, &self.extras);
    }

    fn wants_complaints(&self) -> bool {
        false
    }
}
