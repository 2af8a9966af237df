//! Packets, bytes and findings in intervals of time: a table, and a picture of it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::account::time;
use super::buffer::Buffer;
use super::view::{EventWriter, FactsOfFrame, PIECE, Rows};
use crate::capfile::Timestamp;
use crate::diagnose::of_fact;
use crate::dissect::{Frame, Totals};
use crate::error::Result;
use crate::render::column::{Column, csv_header, csv_line, put};
use crate::render::json::line;
use crate::render::table::Table;
use crate::render::{spark, thousands};
use crate::stream::{Event, Fact};

/// No more intervals are kept; when there are as many, their length is doubled.
const MOST: usize = 64 * 1024;
/// Columns of the picture.
const PICTURE: usize = 60;
/// Up to this many consecutive intervals without a packet have a row each in the table; more are one row.
const FEW: i64 = 3;

/// What an interval has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Frames.
    pub packets: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// Findings.
    pub findings: u64,
}

/// One of the counts.
pub type Part = fn(&Counts) -> u64;

impl Counts {
    /// What is counted, by name.
    pub const PARTS: [(&'static str, Part); 3] = [
        ("packets", |counts| counts.packets),
        ("bytes", |counts| counts.bytes),
        ("findings", |counts| counts.findings),
    ];

    fn add(&mut self, other: Counts) {
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.findings += other.findings;
    }
}

/// Intervals of the same length. Those without a packet or a finding are not kept.
#[derive(Debug)]
pub struct Timeline {
    /// In nanoseconds.
    length: i64,
    /// When the first frame was captured: the first interval begins there.
    start: Option<Timestamp>,
    kept: BTreeMap<i64, Counts>,
}

impl Timeline {
    /// Intervals of this length.
    pub fn new(length: Duration) -> Timeline {
        Timeline {
            length: i64::try_from(length.as_nanos()).unwrap_or(i64::MAX).max(1),
            start: None,
            kept: BTreeMap::new(),
        }
    }

    /// The first frame of the capture was captured at this time.
    pub fn start(&mut self, time: Timestamp) {
        self.start = Some(time);
    }

    /// Counts a frame.
    pub fn frame(&mut self, frame: &Frame<'_>) {
        self.add(
            frame.time,
            Counts {
                packets: 1,
                bytes: u64::from(frame.length),
                findings: 0,
            },
        );
    }

    /// Counts a finding, if the fact is one.
    pub fn fact(&mut self, fact: &Fact) {
        if of_fact(fact).is_some() {
            let findings = 1;
            self.add(
                fact.time,
                Counts {
                    findings,
                    ..Counts::default()
                },
            );
        }
    }

    fn add(&mut self, at: Timestamp, counts: Counts) {
        let start = *self.start.get_or_insert(at);
        let index = at.nanos_since(start).div_euclid(self.length);
        if self.kept.len() >= MOST && !self.kept.contains_key(&index) {
            self.double();
            return self.add(at, counts);
        }
        self.kept.entry(index).or_default().add(counts);
    }

    fn double(&mut self) {
        self.length = self.length.saturating_mul(2);
        for (index, counts) in std::mem::take(&mut self.kept) {
            self.kept
                .entry(index.div_euclid(2))
                .or_default()
                .add(counts);
        }
    }

    /// The length of an interval, in nanoseconds.
    pub fn length(&self) -> i64 {
        self.length
    }

    /// The intervals that have something, with their number from the first frame on.
    pub fn intervals(&self) -> impl Iterator<Item = (i64, &Counts)> {
        self.kept.iter().map(|(index, counts)| (*index, counts))
    }

    /// At most `most` parts of equal length from the first interval to the last, each with the counts of its intervals
    /// put together: the highest one, or their sum.
    pub fn columns(&self, most: usize, of: Part, together: fn(u64, u64) -> u64) -> Vec<u64> {
        let (Some(first), Some(last)) = (
            self.kept.first_key_value().map(|(index, _)| *index),
            self.kept.last_key_value().map(|(index, _)| *index),
        ) else {
            return Vec::new();
        };
        let count = i128::from(last) - i128::from(first) + 1;
        let width = count.min(most.max(1) as i128);
        let mut columns = vec![0; usize::try_from(width).unwrap_or(0)];
        for (index, counts) in &self.kept {
            let place = (i128::from(*index) - i128::from(first)) * width / count;
            if let Some(column) = usize::try_from(place)
                .ok()
                .and_then(|at| columns.get_mut(at))
            {
                *column = together(*column, of(counts));
            }
        }
        columns
    }

    /// From the start of the first interval to the end of the last, in nanoseconds after the first frame.
    pub fn span(&self) -> (i64, i64) {
        let first = self.kept.first_key_value().map_or(0, |(index, _)| *index);
        let last = self.kept.last_key_value().map_or(0, |(index, _)| *index);
        (
            first.saturating_mul(self.length),
            last.saturating_add(1).saturating_mul(self.length),
        )
    }
}

/// Writes intervals.
#[derive(Debug)]
pub struct Intervals {
    timeline: Timeline,
    asked: i64,
    rows: Rows,
    waiting: FactsOfFrame,
}

impl Intervals {
    /// Intervals of this length, written in this form.
    pub fn new(length: Duration, rows: Rows) -> Intervals {
        let timeline = Timeline::new(length);
        Intervals {
            asked: timeline.length(),
            timeline,
            rows,
            waiting: FactsOfFrame::default(),
        }
    }

    fn rows(&self) -> impl Iterator<Item = Row> {
        let (length, start) = (self.timeline.length, self.timeline.start);
        self.timeline.intervals().map(move |(index, counts)| Row {
            start: index.saturating_mul(length),
            epoch: start.map_or(0, |start| {
                start.as_nanos() + i128::from(index) * i128::from(length)
            }),
            counts: *counts,
        })
    }

    fn text(&self, out: &mut Buffer, flush: &mut dyn FnMut(&mut Buffer)) {
        let length = self.timeline.length;
        let (first, last) = self.timeline.span();
        for (name, of) in Counts::PARTS {
            let columns = self.timeline.columns(PICTURE, of, u64::max);
            let most = columns.iter().max().copied().unwrap_or(0);
            out.text_left(name, 10);
            out.text(&spark::line(&columns));
            out.format(format_args!("  at most {}\n", thousands(most)));
        }
        out.format(format_args!(
            "{:10}from {} to {}, intervals of {}\n\n",
            "",
            time(first),
            time(last),
            time(length)
        ));
        let mut table = Table::new()
            .header(&["START", "PACKETS", "BYTES", "FINDINGS"])
            .right(0)
            .right(1)
            .right(2)
            .right(3);
        let mut next = None;
        for row in self.rows() {
            let empty = next.map_or(0, |next: i64| (row.start - next) / length);
            for step in 0..empty.min(FEW) {
                if empty <= FEW {
                    let at = time(next.unwrap_or(0) + step * length);
                    table.row(&[at.as_str(), "0", "0", "0"]);
                }
            }
            if empty > FEW {
                table.row(&["...", "0", "0", "0"]);
            }
            next = row.start.checked_add(length);
            let Counts {
                packets,
                bytes,
                findings,
            } = row.counts;
            table.row(&[
                time(row.start),
                thousands(packets),
                thousands(bytes),
                thousands(findings),
            ]);
        }
        // Writing to memory does not fail.
        let _ = table.write(out, None);
        flush(out);
    }
}

impl EventWriter for Intervals {
    fn start(&mut self, time: Timestamp) {
        self.timeline.start(time);
    }

    fn stream(&mut self, _out: &mut Buffer, event: &Event<'_>) {
        if let Event::Fact(fact) = event {
            self.waiting.add(fact);
        }
    }

    fn frame(&mut self, _out: &mut Buffer, frame: &Frame<'_>, _pending: &[u8]) {
        self.timeline.frame(frame);
        for fact in self.waiting.of(frame) {
            self.timeline.fact(&fact);
        }
    }

    fn between_frames(
        &mut self,
        _out: &mut Buffer,
        event: &Event<'_>,
        _flush: &mut dyn FnMut(&mut Buffer),
    ) {
        if let Event::Fact(fact) = event {
            self.timeline.fact(fact);
        }
    }

    fn end(&mut self, out: &mut Buffer, totals: &Totals, flush: &mut dyn FnMut(&mut Buffer)) {
        match self.rows {
            Rows::Text if totals.selected == 0 => out.text("no frames\n"),
            Rows::Text => self.text(out, flush),
            Rows::Csv => {
                out.text(&csv_header(COLUMNS));
                for row in self.rows() {
                    out.text(&csv_line(COLUMNS, &row));
                    if out.len() >= PIECE {
                        flush(out);
                    }
                }
            }
            Rows::Json => {
                let length_us = self.timeline.length / 1000;
                for row in self.rows() {
                    let _ = line(out, &RowLine::of(&row, length_us));
                    if out.len() >= PIECE {
                        flush(out);
                    }
                }
                super::json::end(out, totals);
            }
        }
    }

    fn notes(&mut self) -> Result<Vec<String>> {
        if self.timeline.length == self.asked {
            return Ok(Vec::new());
        }
        Ok(vec![format!(
            "--io: intervals of {} would be too many; these have {}",
            time(self.asked),
            time(self.timeline.length)
        )])
    }
}

/// An interval.
#[derive(Debug, Clone, Copy)]
struct Row {
    /// In nanoseconds after the first frame.
    start: i64,
    /// In nanoseconds since 1970.
    epoch: i128,
    counts: Counts,
}

const COLUMNS: &[Column<Row>] = &[
    Column::number("start_us", |out, row| put(out, Some(row.start / 1000))),
    Column::number("packets", |out, row| put(out, Some(row.counts.packets))),
    Column::number("bytes", |out, row| put(out, Some(row.counts.bytes))),
    Column::number("findings", |out, row| put(out, Some(row.counts.findings))),
];

#[derive(Serialize)]
struct RowLine {
    schema: &'static str,
    event: &'static str,
    time_s: f64,
    start_us: i64,
    length_us: i64,
    packets: u64,
    bytes: u64,
    findings: u64,
}

impl RowLine {
    fn of(row: &Row, length_us: i64) -> RowLine {
        #[allow(clippy::cast_precision_loss)] // to the microsecond, as a float has it
        let time_s = (row.epoch / 1000) as f64 / 1e6;
        RowLine {
            schema: "sockdoc.decode/1",
            event: "interval",
            time_s,
            start_us: row.start / 1000,
            length_us,
            packets: row.counts.packets,
            bytes: row.counts.bytes,
            findings: row.counts.findings,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(timeline: &mut Timeline, milliseconds: i64) {
        let at = Timestamp {
            seconds: milliseconds.div_euclid(1000),
            nanoseconds: u32::try_from(milliseconds.rem_euclid(1000)).unwrap() * 1_000_000,
        };
        let one = Counts {
            packets: 1,
            bytes: 60,
            findings: 0,
        };
        timeline.add(at, one);
    }

    #[test]
    fn intervals_count_from_the_first_frame_and_time_may_go_back() {
        let mut timeline = Timeline::new(Duration::from_secs(1));
        for at in [5_500, 6_400, 6_600, 4_000, 9_500] {
            packet(&mut timeline, at);
        }
        let counted: Vec<(i64, u64)> = timeline
            .intervals()
            .map(|(index, counts)| (index, counts.packets))
            .collect();
        assert_eq!(counted, [(-2, 1), (0, 2), (1, 1), (4, 1)]);
        assert_eq!(timeline.span(), (-2_000_000_000, 5_000_000_000));
        assert_eq!(
            timeline.columns(10, |it| it.packets, u64::max),
            [1, 0, 2, 1, 0, 0, 1]
        );
        assert_eq!(timeline.columns(3, |it| it.packets, u64::max), [2, 1, 1]);
        assert_eq!(
            timeline.columns(3, |it| it.packets, u64::saturating_add),
            [3, 1, 1]
        );
    }

    #[test]
    fn too_many_intervals_become_longer_ones_and_no_packet_is_lost() {
        let mut timeline = Timeline::new(Duration::from_millis(1));
        let count = i64::try_from(MOST).unwrap() + 10;
        for at in 0..count {
            packet(&mut timeline, at);
        }
        assert_eq!(timeline.length(), 2_000_000);
        assert!(timeline.kept.len() <= MOST);
        let packets: u64 = timeline.intervals().map(|(_, it)| it.packets).sum();
        assert_eq!(packets, count.unsigned_abs());
    }

    #[test]
    fn moments_that_are_far_apart_do_no_harm() {
        let mut timeline = Timeline::new(Duration::from_nanos(1));
        for seconds in [i64::MIN, 0, i64::MAX] {
            let at = Timestamp {
                seconds,
                nanoseconds: 0,
            };
            timeline.add(at, Counts::default());
        }
        assert!(timeline.columns(7, |it| it.packets, u64::max).len() <= 7);
        let _ = timeline.span();
    }
}
