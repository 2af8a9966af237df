//! Findings, at the end of the capture: as text or as JSON, an object a line.

use std::collections::HashSet;

use serde::Serialize;

use super::account;
use super::buffer::Buffer;
use super::json;
use super::other::unread;
use super::view::{EventWriter, FactsOfFrame};
use crate::diagnose::{Gatherer, words};
use crate::dissect::{Frame, Totals};
use crate::render::finding::{self, BlockJson, Layout};
use crate::render::json::line;
use crate::stream::{Event, Fact, Noted, Summary};

/// Gathers facts, and writes the findings.
#[derive(Debug)]
pub struct Expert {
    layout: Layout,
    json: bool,
    gatherer: Gatherer,
    waiting: FactsOfFrame,
    /// Streams with findings: the account of their time is written. First those with a finding about time.
    slow: HashSet<u32>,
    found: HashSet<u32>,
    accounts: Vec<Summary>,
}

/// The accounts of this many streams are written.
const MOST_ACCOUNTS: usize = 10;

impl Expert {
    /// As text with this layout, or as JSON.
    pub fn new(layout: Layout, json: bool) -> Expert {
        Expert {
            layout,
            json,
            gatherer: Gatherer::new(layout.verbose),
            waiting: FactsOfFrame::default(),
            slow: HashSet::new(),
            found: HashSet::new(),
            accounts: Vec::new(),
        }
    }

    fn fact(&mut self, fact: &Fact) {
        let is_about_time = matches!(
            fact.noted,
            Noted::SlowReply(_)
                | Noted::SlowConnect(_)
                | Noted::SlowRequest(_)
                | Noted::WindowWasClosed(_)
                | Noted::AcksDelayed { .. }
                | Noted::Lost { .. }
                | Noted::BlackHole { .. }
                | Noted::MtuIgnored { .. }
                | Noted::HandshakeUnfinished
        );
        let streams = if is_about_time {
            &mut self.slow
        } else {
            &mut self.found
        };
        if let Some(stream) = fact.stream
            && streams.len() < MOST_ACCOUNTS
        {
            streams.insert(stream.number);
        }
        self.gatherer.fact(fact);
    }
}

impl EventWriter for Expert {
    fn stream(&mut self, _out: &mut Buffer, event: &Event<'_>) {
        if let Event::Fact(fact) = event {
            self.waiting.add(fact);
        }
    }

    fn frame(&mut self, _out: &mut Buffer, frame: &Frame<'_>, _pending: &[u8]) {
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
            Event::Ended(summary) => {
                let is_slow = self.slow.contains(&summary.number);
                // An attempt that failed has its finding, and its time says nothing more.
                if is_slow || summary.is_connected() && self.found.contains(&summary.number) {
                    self.accounts.push(**summary);
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, out: &mut Buffer, totals: &Totals, _flush: &mut dyn FnMut(&mut Buffer)) {
        let gatherer = std::mem::take(&mut self.gatherer);
        let untold = gatherer.untold();
        let findings = gatherer.into_findings();
        let is_silent = findings.is_empty();
        // Writing to memory does not fail.
        if self.json {
            let _ = finding::each_json(findings, |finding| {
                let (schema, event) = ("sockdoc.decode/1", "finding");
                line(
                    out,
                    &FindingLine {
                        schema,
                        event,
                        finding,
                    },
                )
            });
            return json::end(out, totals);
        }
        let mut is_first = true;
        for finding in findings {
            if !std::mem::take(&mut is_first) {
                out.byte(b'\n');
            }
            let _ = finding::write_all(out, vec![finding], self.layout);
        }
        let slow = &self.slow;
        self.accounts
            .sort_by_key(|summary| (!slow.contains(&summary.number), summary.number));
        self.accounts.truncate(MOST_ACCOUNTS);
        self.accounts.sort_by_key(|summary| summary.number);
        for summary in &self.accounts {
            out.byte(b'\n');
            account::text(out, summary, self.layout.width);
        }
        if untold > 0 {
            out.format(format_args!(
                "\nand {untold} more findings about other connections: select some with a filter\n"
            ));
        }
        if is_silent && totals.selected == 0 {
            out.text(if totals.frames == 0 {
                "the capture has no frames\n"
            } else {
                "no frame matches the filter: nothing was checked\n"
            });
        } else if is_silent && totals.not_decoded < totals.selected {
            out.format(format_args!(
                "no findings in {} and {}\n",
                words::count(totals.selected - totals.not_decoded, "frame"),
                words::count(totals.shown_streams, "TCP stream")
            ));
        }
        if let Some((what, are_all)) = totals.unread {
            let first = if are_all { "" } else { "the first: " };
            out.format(format_args!(
                "{} of {} frames could not be decoded ({first}{}): what they hold is not known\n",
                totals.not_decoded,
                totals.selected,
                unread(what)
            ));
        }
    }
}

/// A finding as a line of JSON.
#[derive(Serialize)]
struct FindingLine<'a> {
    schema: &'static str,
    event: &'static str,
    #[serde(flatten)]
    finding: &'a BlockJson<'a>,
}
