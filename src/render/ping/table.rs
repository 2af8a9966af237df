//! Many targets on a terminal: a table that is written over itself.

use std::collections::HashMap;
use std::io::Write as _;
use std::time::Duration;

use super::number::{general, short_millis};
use super::{Extras, NameOf, Pages, Voice, account, words};
use crate::ping::clock::{Monotonic, Realtime};
use crate::ping::event::Event;
use crate::ping::session::Session;
use crate::render::table::Table;

/// The table is written anew at most so often.
const INTERVAL: Duration = Duration::from_millis(200);
/// Lines of the terminal that stay free: the header, the count of rows that are not shown, the cursor.
const KEPT_FREE: u16 = 3;

const TITLES: [&str; 8] = [
    "TARGET",
    "SENT",
    "LOSS",
    "LAST",
    "AVG",
    "BEST",
    "WORST",
    "LAST PROBLEM",
];

/// The table.
#[derive(Debug)]
pub struct LiveTable {
    width: u16,
    height: u16,
    extras: Extras,
    /// What was last wrong with a target.
    problems: HashMap<usize, String>,
    /// Lines of the table that stands on the terminal.
    drawn: usize,
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
            drawn: 0,
            next: Monotonic::default(),
        }
    }

    /// Writes the table over the one that stands there, with at most so many rows.
    fn draw(&mut self, pages: &mut Pages, session: &Session, rows: usize) {
        let out = &mut pages.out;
        if self.drawn > 0 {
            let _ = write!(out, "\x1b[{}A\r\x1b[J", self.drawn);
        }
        let columns = self.columns();
        let titles: Vec<&str> = columns.iter().map(|&column| TITLES[column]).collect();
        let mut table = Table::new().header(&titles);
        for (place, &column) in columns.iter().enumerate() {
            if (1..=6).contains(&column) {
                table = table.right(place);
            }
        }
        let count = session.target_count();
        for index in 0..count.min(rows) {
            let row = self.row(session, index);
            let cells: Vec<&str> = columns.iter().map(|&column| &*row[column]).collect();
            table.row(&cells);
        }
        let mut text = Vec::new();
        let _ = table.write(&mut text, Some(self.width));
        if count > rows {
            let _ = writeln!(text, "... and {} more targets", count - rows);
        }
        self.drawn = text.split(|&byte| byte == b'\n').count() - 1;
        out.extend_from_slice(&text);
    }

    /// The columns that fit; an address that is broken into lines is none.
    fn columns(&self) -> &'static [usize] {
        match self.width {
            ..50 => &[0, 1, 2],
            50..72 => &[0, 1, 2, 4, 7],
            _ => &[0, 1, 2, 3, 4, 5, 6, 7],
        }
    }

    fn row(&self, session: &Session, index: usize) -> [String; 8] {
        let tally = session.tally(index);
        let times = tally.times.summary();
        let time = |time: Option<Duration>| time.map_or("-".to_owned(), short_millis);
        [
            session.target(index).name.clone(),
            tally.sent.to_string(),
            // What is still under way is not lost yet.
            format!("{}%", general(lost_percent(tally.lost, tally.sent).round())),
            time(times.map(|times| times.last)),
            time(times.map(|times| times.mean)),
            time(times.map(|times| times.min)),
            time(times.map(|times| times.max)),
            self.problems.get(&index).cloned().unwrap_or_default(),
        ]
    }
}

fn lost_percent(lost: u64, sent: u64) -> f64 {
    if sent == 0 {
        return 0.0;
    }
    lost as f64 * 100.0 / sent as f64
}

impl Voice for LiveTable {
    fn opening(&mut self, _: &mut Pages, _: &Session, _: NameOf<'_>) {}

    fn event(
        &mut self,
        _: &mut Pages,
        session: &Session,
        event: &Event,
        _: Realtime,
        _: NameOf<'_>,
    ) {
        let (target, problem) = match event {
            Event::Reply(reply) if reply.counts => return,
            Event::Reply(reply) => {
                let expected = session.payloads().length() + 8;
                let to = &session.target(reply.target).shown;
                let wrong = words::wrong(reply, expected, to, session.plan().patience());
                (reply.target, wrong)
            }
            Event::Refused(refused) => {
                let by = words::by(&refused.refusal);
                (
                    refused.target,
                    format!("{} by {by}", words::refused(refused)),
                )
            }
            Event::Lost { target, .. } => (*target, "no answer".to_owned()),
            Event::Unsent { target, why, .. } => (*target, words::unsent(*why)),
            Event::ClockStep { .. } => return,
        };
        self.problems.insert(target, problem);
    }

    /// The table tells all the time how it goes.
    fn so_far(&mut self, _: &mut Pages, _: &Session, _: Realtime) {}

    fn turn(&mut self, pages: &mut Pages, session: &Session, now: Monotonic) -> Option<Monotonic> {
        if self.next <= now {
            let rows = self.height.saturating_sub(KEPT_FREE).max(1);
            self.draw(pages, session, rows.into());
            self.next = now + INTERVAL;
        }
        Some(self.next)
    }

    fn finish(&mut self, pages: &mut Pages, session: &Session, _: Realtime) {
        self.draw(pages, session, usize::MAX);
        let _ = account::write(&mut pages.out, session, &self.extras);
    }

    fn wants_complaints(&self) -> bool {
        false
    }
}
