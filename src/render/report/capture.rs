//! The report of a capture.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::net::SocketAddr;
use std::time::Duration;

use super::chart;
use super::findings;
use super::ladder::Drawing;
use super::{Page, TextRedactor};
use crate::capfile::Timestamp;
use crate::diagnose::{Block, Gatherer, Severity, of_fact, words};
use crate::dissect::{Frame, Totals};
use crate::error::Result;
use crate::render::decode::intervals::Timeline;
use crate::render::decode::view::FactsOfFrame;
use crate::render::decode::{Buffer, EventWriter, Stats, account_notes, time};
use crate::render::finding::with_no_sockets;
use crate::render::{counted, date, thousands};
use crate::stream::{Begun, Event, Fact, Summary};

/// Streams in the table: those with a finding first, then the busiest.
const MOST_BAD: usize = 60;
const MOST_BUSY: usize = 40;
/// Streams that are drawn.
const MOST_DRAWN: usize = 8;
/// Findings that are written.
const MOST_FINDINGS: usize = 200;
/// Streams at the same time of which the segments are kept; of others there is no drawing.
const MOST_FOLLOWED: usize = 2048;
/// Streams of which it is known that they have a finding.
const MOST_MARKED: usize = 100_000;

/// Gathers what the report shows, and writes it at the end.
///
/// The invariant: everything is kept in tables of fixed size; what is left out is counted, and said.
#[derive(Debug)]
pub struct CaptureReport {
    /// What is reported on.
    name: String,
    made: Option<Duration>,
    redactor: Option<TextRedactor>,
    gatherer: Gatherer,
    timeline: Timeline,
    stats: Stats,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    waiting: FactsOfFrame,
    /// The stream that begins with the frame at hand.
    begun: Option<Begun>,
    marked: HashSet<u32>,
    bad: Vec<Summary>,
    bad_left_out: u64,
    busy: BinaryHeap<Reverse<(u64, u32)>>,
    summaries: HashMap<u32, Summary>,
    streams: u64,
    /// Drawings of streams that go on, and of those that are over and may be shown.
    following: HashMap<u32, Drawing>,
    drawn: HashMap<u32, Drawing>,
    verdict: String,
}

impl CaptureReport {
    /// A report about what has this name, made at this time since 1970.
    pub fn new(
        name: &str,
        made: Option<Duration>,
        redactor: Option<TextRedactor>,
    ) -> CaptureReport {
        CaptureReport {
            name: name.to_owned(),
            made,
            redactor,
            gatherer: Gatherer::new(false),
            timeline: Timeline::new(Duration::from_millis(1)),
            stats: Stats::default(),
            first: None,
            last: None,
            waiting: FactsOfFrame::default(),
            begun: None,
            marked: HashSet::new(),
            bad: Vec::new(),
            bad_left_out: 0,
            busy: BinaryHeap::new(),
            summaries: HashMap::new(),
            streams: 0,
            following: HashMap::new(),
            drawn: HashMap::new(),
            verdict: String::new(),
        }
    }

    fn fact(&mut self, fact: &Fact) {
        self.timeline.fact(fact);
        self.gatherer.fact(fact);
        let is_bad = of_fact(fact).is_some_and(|found| found.severity >= Severity::Warning);
        if let (true, Some(stream)) = (is_bad, fact.stream)
            && self.marked.len() < MOST_MARKED
        {
            self.marked.insert(stream.number);
        }
    }

    fn ended(&mut self, summary: &Summary) {
        self.streams += 1;
        let drawing = self.following.remove(&summary.number);
        if self.marked.contains(&summary.number) {
            if self.bad.len() == MOST_BAD {
                self.bad_left_out += 1;
                return;
            }
            self.bad.push(*summary);
            if let Some(drawing) = drawing.filter(|_| self.bad.len() <= MOST_DRAWN) {
                self.drawn.insert(summary.number, drawing);
            }
            return;
        }
        let bytes = summary.from_client.bytes + summary.from_server.bytes;
        self.busy.push(Reverse((bytes, summary.number)));
        self.summaries.insert(summary.number, *summary);
        if let Some(drawing) = drawing {
            self.drawn.insert(summary.number, drawing);
        }
        if self.busy.len() > MOST_BUSY
            && let Some(Reverse((_, number))) = self.busy.pop()
        {
            self.summaries.remove(&number);
            self.drawn.remove(&number);
        }
    }

    fn write(&mut self, out: &mut Buffer, totals: &Totals) {
        let gatherer = std::mem::take(&mut self.gatherer);
        let untold = gatherer.untold();
        let blocks: Vec<Block> = gatherer
            .into_findings()
            .into_iter()
            .map(|finding| Block {
                finding,
                effects: Vec::new(),
            })
            .collect();
        let mut page = Page::new(self.redactor.take());
        self.verdict(&mut page, &blocks, totals);
        Self::findings(&mut page, &blocks, untold);
        if totals.selected > 0 {
            page.section("Over time", |page| chart::timeline(page, &self.timeline));
        }
        self.streams(&mut page);
        self.drawings(&mut page);
        page.section("Protocols", |page| {
            let rows = self.stats.protocols().map(|(name, frames, bytes)| {
                vec![name.to_owned(), thousands(frames), thousands(bytes)]
            });
            page.table(&["protocol", "frames", "bytes"], &[1, 2], rows);
        });
        let redacted = if page.is_redacted() {
            "; addresses and names were replaced"
        } else {
            ""
        };
        page.element(
            "p",
            "note",
            &format!("sockdoc {}{redacted}", env!("CARGO_PKG_VERSION")),
        );
        let title = format!("{} - sockdoc report", self.name);
        out.text(&page.finish(&title));
    }

    /// What it comes to, first of all.
    fn verdict(&mut self, page: &mut Page, blocks: &[Block], totals: &Totals) {
        let worst = blocks.iter().map(|block| block.finding.severity).max();
        let looked = format!(
            "{} and {}",
            words::count(totals.selected, "frame"),
            words::count(totals.shown_streams, "TCP stream")
        );
        let counts = findings::counts(blocks);
        self.verdict = match worst {
            Some(_) => format!("{counts} in {looked}"),
            None if totals.selected == 0 => "no frames: nothing was checked".to_owned(),
            None if totals.not_decoded == totals.selected => "no frame could be decoded".to_owned(),
            None => format!("no findings in {looked}"),
        };
        let class = match worst {
            Some(severity) => findings::class(severity),
            None if totals.selected == 0 || totals.not_decoded > 0 => "warning",
            None => "good",
        };
        page.markup(format_args!("<div class=\"verdict {class}\">"));
        let mut headline = self.verdict.clone();
        if let Some(first) = headline.get(..1).map(str::to_ascii_uppercase) {
            headline.replace_range(..1, &first);
        }
        page.element("h1", "", &headline);
        if let Some(block) = blocks.first() {
            let text = format!("First: {}", block.finding.headline);
            page.element("p", "lead", &text);
        }
        page.open("p", "about");
        page.text(&self.name);
        if let (Some(first), Some(last)) = (self.first, self.last) {
            page.text(&format!(
                ": captured {} UTC, {} long",
                moment(first),
                time(last.nanos_since(first))
            ));
        }
        page.close("p");
        if let Some(made) = self.made {
            page.element(
                "p",
                "about",
                &format!("report made {}", date::and_time(made)),
            );
        }
        if totals.not_decoded > 0 {
            let text = format!(
                "{} of {} frames could not be decoded: what they hold is not known.",
                thousands(totals.not_decoded),
                thousands(totals.selected)
            );
            page.element("p", "", &text);
        }
        if !totals.is_complete {
            page.element("p", "", "The capture was not read to its end.");
        }
        page.close("div");
    }

    fn findings(page: &mut Page, blocks: &[Block], untold: u64) {
        if blocks.is_empty() {
            return;
        }
        page.section("Findings", |page| {
            with_no_sockets(|sheet| {
                for block in blocks.iter().take(MOST_FINDINGS) {
                    findings::write(page, block, sheet);
                }
            });
            let left_out = untold + blocks.len().saturating_sub(MOST_FINDINGS) as u64;
            if left_out > 0 {
                let text = format!("{} more are not shown.", counted(left_out, "finding"));
                page.element("p", "note", &text);
            }
        });
    }

    /// The streams in the order in which they are shown.
    fn order(&self) -> Vec<&Summary> {
        let mut busy: Vec<&Summary> = self.summaries.values().collect();
        busy.sort_by_key(|it| {
            (
                Reverse(it.from_client.bytes + it.from_server.bytes),
                it.number,
            )
        });
        self.bad.iter().chain(busy).collect()
    }

    fn streams(&self, page: &mut Page) {
        if self.streams == 0 {
            return;
        }
        page.section("TCP streams", |page| {
            let shown = self.order();
            if self.streams > shown.len() as u64 {
                let text = format!(
                    "{} of {}: those with a finding, then the busiest.",
                    shown.len(),
                    counted(self.streams, "stream")
                );
                page.element("p", "note", &text);
            }
            if self.bad_left_out > 0 {
                let text = format!(
                    "{} more with a finding are not shown.",
                    counted(self.bad_left_out, "stream")
                );
                page.element("p", "note", &text);
            }
            let rows = shown.into_iter().map(|it| {
                let (up, down) = (&it.from_client, &it.from_server);
                vec![
                    it.number.to_string(),
                    SocketAddr::from(it.client).to_string(),
                    SocketAddr::from(it.server).to_string(),
                    format!("{}+{}", up.packets, down.packets),
                    format!("{}+{}", up.bytes, down.bytes),
                    time(it.last.nanos_since(it.first)),
                    it.handshake.map_or_else(|| "-".to_owned(), time),
                    match it.account.longest_wait {
                        0 => "-".to_owned(),
                        wait => time(wait),
                    },
                    format!("{}+{}", up.retransmissions, down.retransmissions),
                    it.ended_words(),
                ]
            });
            page.table(
                &[
                    "stream",
                    "client",
                    "server",
                    "packets",
                    "bytes",
                    "duration",
                    "RTT",
                    "server wait",
                    "retrans",
                    "ended",
                ],
                &[0, 3, 4, 5, 6, 7, 8],
                rows,
            );
        });
    }

    fn drawings(&self, page: &mut Page) {
        let order = self.order();
        let shown = order
            .into_iter()
            .filter_map(|it| self.drawn.get(&it.number).map(|drawing| (it, drawing)))
            .take(MOST_DRAWN);
        for (index, (summary, drawing)) in shown.enumerate() {
            if index == 0 {
                page.markup(format_args!("<section>\n"));
                page.element("h2", "", "Streams in detail");
            }
            let title = format!(
                "stream {}: {} → {}",
                summary.number,
                SocketAddr::from(summary.client),
                SocketAddr::from(summary.server)
            );
            page.element("h3", "", &title);
            chart::account(page, summary);
            for note in account_notes(summary) {
                page.element("p", "note", &note);
            }
            drawing.draw(page, self.first.unwrap_or(summary.first));
        }
        if !self.drawn.is_empty() {
            page.close("section");
        }
    }
}

impl EventWriter for CaptureReport {
    fn start(&mut self, time: Timestamp) {
        self.timeline.start(time);
        self.first = Some(time);
    }

    fn stream(&mut self, _out: &mut Buffer, event: &Event<'_>) {
        match event {
            Event::Fact(fact) => {
                self.waiting.add(fact);
            }
            Event::Begun(begun) => self.begun = Some(*begun),
            _ => {}
        }
    }

    fn frame(&mut self, _out: &mut Buffer, frame: &Frame<'_>, _pending: &[u8]) {
        self.timeline.frame(frame);
        self.stats.count(frame);
        self.last = self.last.max(Some(frame.time));
        if let Some(begun) = self
            .begun
            .take()
            .filter(|begun| begun.frame == frame.number)
            && self.following.len() < MOST_FOLLOWED
        {
            let drawing = Drawing::begin(&begun);
            self.following.insert(begun.stream.number, drawing);
        }
        if let Some(seen) = frame.segment
            && let Some(drawing) = self.following.get_mut(&seen.stream)
        {
            drawing.frame(frame);
        }
        for fact in self.waiting.of(frame) {
            self.fact(&fact);
        }
    }

    fn between_frames(
        &mut self,
        _out: &mut Buffer,
        event: &Event<'_>,
        _flush: &mut dyn FnMut(&mut Buffer),
    ) {
        match event {
            Event::Fact(fact) => self.fact(fact),
            Event::Ended(summary) => self.ended(summary),
            _ => {}
        }
    }

    fn end(&mut self, out: &mut Buffer, totals: &Totals, _flush: &mut dyn FnMut(&mut Buffer)) {
        self.write(out, totals);
    }

    fn notes(&mut self) -> Result<Vec<String>> {
        Ok(vec![std::mem::take(&mut self.verdict)])
    }
}

fn moment(at: Timestamp) -> String {
    let (date, time) = date::utc(at.seconds);
    format!("{date} {time}")
}
