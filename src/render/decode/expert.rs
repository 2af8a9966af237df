//! Findings as text.

use super::buffer::Buffer;
use super::view::EventWriter;
use crate::diagnose::of_fact;
use crate::dissect::Totals;
use crate::render::escape;
use crate::stream::{Endpoint, Event, Fact, Noted, StreamRef};

/// Writes a line for each fact.
#[derive(Debug)]
pub struct Expert;

impl EventWriter for Expert {
    fn stream(&mut self, out: &mut Buffer, event: &Event<'_>) {
        if let Event::Fact(fact) = event {
            finding(out, fact);
        }
    }

    fn end(&mut self, out: &mut Buffer, totals: &Totals, _flush: &mut dyn FnMut(&mut Buffer)) {
        if totals.facts == 0 {
            out.text("no findings\n");
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
