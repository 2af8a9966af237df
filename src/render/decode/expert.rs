//! Findings as text.

use std::collections::HashSet;

use super::buffer::Buffer;
use super::follow::account;
use super::view::EventWriter;
use crate::diagnose::of_fact;
use crate::dissect::Totals;
use crate::render::escape;
use crate::stream::{Endpoint, Event, Fact, Noted, StreamRef};

/// Writes a line for each fact.
#[derive(Debug, Default)]
pub struct Expert {
    /// Streams that waited long: the account of their time is written when they end.
    slow: HashSet<u32>,
}

/// Streams whose account is written later; of more it is left out.
const MOST_SLOW: usize = 4096;

impl EventWriter for Expert {
    fn stream(&mut self, out: &mut Buffer, event: &Event<'_>) {
        match event {
            Event::Fact(fact) => {
                let is_about_time =
                    matches!(fact.noted, Noted::SlowReply(_) | Noted::SlowConnect(_));
                if is_about_time && self.slow.len() < MOST_SLOW {
                    self.slow.insert(fact.stream.number);
                }
                finding(out, fact);
            }
            Event::Ended(summary) if self.slow.remove(&summary.number) => account(out, summary),
            _ => {}
        }
    }

    fn end(&mut self, out: &mut Buffer, totals: &Totals, _flush: &mut dyn FnMut(&mut Buffer)) {
        if totals.facts == 0 && (totals.frames == 0 || totals.not_decoded < totals.frames) {
            out.text("no findings\n");
        }
        if totals.not_decoded > 0 {
            out.format(format_args!(
                "{} of {} frames could not be decoded: what they hold is not known\n",
                totals.not_decoded, totals.frames
            ));
        }
    }
}

/// `FRAME STREAM SOURCE → DESTINATION WORDS`, for each mark of a segment.
fn finding(out: &mut Buffer, fact: &Fact) {
    if let Noted::Analysis { marks, sequence } = fact.noted {
        for words in marks.noteworthy() {
            head(out, fact);
            out.format(format_args!("{words} (seq {sequence})\n"));
        }
    } else {
        head(out, fact);
        if let Some(finding) = of_fact(fact) {
            out.text(&escape::text(&finding.headline));
        }
        out.byte(b'\n');
    }
}

fn head(out: &mut Buffer, fact: &Fact) {
    out.text("frame ");
    out.number(fact.frame);
    out.text(" stream ");
    ends(out, &fact.stream);
    out.text(": ");
}

/// `NUMBER SOURCE:PORT → DESTINATION:PORT`
pub(super) fn ends(out: &mut Buffer, stream: &StreamRef) {
    out.number(u64::from(stream.number));
    out.byte(b' ');
    end(out, stream.source);
    out.text(" → ");
    end(out, stream.destination);
}

fn end(out: &mut Buffer, (ip, port): Endpoint) {
    if ip.is_ipv6() {
        out.byte(b'[');
        out.address(ip);
        out.byte(b']');
    } else {
        out.address(ip);
    }
    out.byte(b':');
    out.number(u64::from(port));
}
