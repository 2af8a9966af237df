//! A stream between its two hosts.

use std::collections::VecDeque;
use std::net::SocketAddr;

use super::Page;
use crate::capfile::Timestamp;
use crate::dissect::Frame;
use crate::render::decode::steps::{Step, Steps, WAIT, ends};
use crate::render::decode::time;
use crate::stream::{Begun, Endpoint};

/// Steps that are drawn: the first ones, and the last ones.
const FIRST: usize = 40;
const LAST: usize = 20;
/// Rows of one drawing: more than this do not fit on a printed page.
const ROWS: usize = 28;

/// Where things are.
const WIDTH: usize = 720;
const LEFT: usize = 110;
const RIGHT: usize = 650;
const ROW: usize = 26;

/// The steps of a stream, as many as are drawn.
#[derive(Debug)]
pub(super) struct Drawing {
    steps: Steps,
    ends: (Endpoint, Endpoint),
    first: Vec<Step>,
    last: VecDeque<Step>,
    left_out: u64,
}

impl Drawing {
    pub(super) fn begin(begun: &Begun) -> Drawing {
        Drawing {
            steps: Steps::begin(begun),
            ends: ends(begun),
            first: Vec::new(),
            last: VecDeque::new(),
            left_out: 0,
        }
    }

    pub(super) fn frame(&mut self, frame: &Frame<'_>) {
        let Some(step) = self.steps.step(frame) else {
            return;
        };
        if self.first.len() < FIRST {
            self.first.push(step);
            return;
        }
        if self.last.len() == LAST {
            self.last.pop_front();
            self.left_out += 1;
        }
        self.last.push_back(step);
    }

    pub(super) fn draw(&self, page: &mut Page, start: Timestamp) {
        let mut rows = Vec::new();
        for step in &self.first {
            rows.extend(about(step));
            rows.push(Row::Step(step));
        }
        if self.left_out > 0 {
            rows.push(Row::Note(format!("{} more segments", self.left_out), "dim"));
        }
        for step in &self.last {
            rows.extend(about(step));
            rows.push(Row::Step(step));
        }
        for (index, rows) in rows.chunks(ROWS).enumerate() {
            self.part(page, rows, start, index == 0);
        }
    }

    fn part(&self, page: &mut Page, rows: &[Row<'_>], start: Timestamp, is_first: bool) {
        let top = if is_first { 20 } else { 4 };
        let height = top + rows.len() * ROW + 8;
        page.markup(format_args!(
            "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"the segments of the stream\">\n\
             <line class=\"axis\" x1=\"{LEFT}\" y1=\"{top}\" x2=\"{LEFT}\" y2=\"{height}\"/>\
             <line class=\"axis\" x1=\"{RIGHT}\" y1=\"{top}\" x2=\"{RIGHT}\" y2=\"{height}\"/>\n"
        ));
        if is_first {
            for (x, class, end) in [
                (LEFT, "bold", self.ends.0),
                (RIGHT, "bold end", self.ends.1),
            ] {
                page.markup(format_args!("<text class=\"{class}\" x=\"{x}\" y=\"12\">"));
                page.text(&SocketAddr::from(end).to_string());
                page.markup(format_args!("</text>\n"));
            }
        }
        for (index, row) in rows.iter().enumerate() {
            let y = top + index * ROW + 18;
            let middle = usize::midpoint(LEFT, RIGHT);
            match row {
                Row::Note(text, class) => {
                    page.markup(format_args!(
                        "<text class=\"mid {class}\" x=\"{middle}\" y=\"{y}\">· "
                    ));
                    page.text(text);
                    page.markup(format_args!(" ·</text>\n"));
                }
                Row::Step(step) => arrow(page, step, y, start),
            }
        }
        page.markup(format_args!("</svg>\n"));
    }
}

enum Row<'a> {
    Step(&'a Step),
    Note(String, &'static str),
}

/// What is said in front of a step.
fn about<'a>(step: &Step) -> impl Iterator<Item = Row<'a>> {
    let waited = (step.waited >= WAIT)
        .then(|| Row::Note(format!("{} without a packet", time(step.waited)), "wait"));
    let missing = (step.missing > 0)
        .then(|| Row::Note(format!("{} bytes not captured", step.missing), "bad"));
    waited.into_iter().chain(missing)
}

fn arrow(page: &mut Page, step: &Step, y: usize, start: Timestamp) {
    let (line, tip, text) = if step.is_bad() {
        ("gobad", "tipbad", "mid bad")
    } else {
        ("go", "tip", "mid")
    };
    let (from, to, back) = if step.from_client {
        (LEFT, RIGHT, RIGHT - 7)
    } else {
        (RIGHT, LEFT, LEFT + 7)
    };
    let since = step.time.nanos_since(start);
    page.markup(format_args!(
        "<text class=\"dim end\" x=\"{}\" y=\"{}\">{}</text>",
        LEFT - 8,
        y + 3,
        seconds(since)
    ));
    page.markup(format_args!(
        "<line class=\"{line}\" x1=\"{from}\" y1=\"{y}\" x2=\"{back}\" y2=\"{y}\"/>\
         <path class=\"{tip}\" d=\"M{to} {y} L{back} {} L{back} {} Z\"/>",
        y - 4,
        y + 4
    ));
    page.markup(format_args!(
        "<text class=\"{text}\" x=\"{}\" y=\"{}\">",
        usize::midpoint(LEFT, RIGHT),
        y - 4
    ));
    let words = step.words();
    let separator = if words.is_empty() { "" } else { "  " };
    page.text(&format!("{}{separator}{words}", step.label()));
    page.markup(format_args!(
        "</text><text class=\"dim end\" x=\"{WIDTH}\" y=\"{}\">#{}</text>\n",
        y + 3,
        step.frame
    ));
}

/// Seconds to the microsecond.
fn seconds(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let micros = nanos.unsigned_abs() / 1000;
    format!("{sign}{}.{:06} s", micros / 1_000_000, micros % 1_000_000)
}
