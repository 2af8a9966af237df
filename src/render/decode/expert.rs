//! Findings in words.

use super::buffer::Buffer;
use super::view::EventWriter;
use super::words::milliseconds;
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

/// A word for a kind of finding, for programs.
pub fn kind(noted: &Noted) -> &'static str {
    match noted {
        Noted::Analysis { .. } => "tcp_analysis",
        Noted::OverlapDiffers => "overlap_differs",
        Noted::Gap(_) => "gap",
        Noted::GapGivenUp(_) => "gap_given_up",
        Noted::DataAfterFin(_) => "data_after_fin",
        Noted::WindowWasClosed(_) => "window_was_closed",
        Noted::Reset => "reset",
        Noted::Unanswered => "syn_unanswered",
        Noted::NoMessage(_) => "no_message",
        Noted::MessageCut => "message_cut",
        Noted::Evicted(_) => "evicted",
    }
}

/// A finding in words: what, and what it means.
pub fn words(noted: &Noted) -> String {
    let bytes = |count: u64| {
        if count == 1 {
            "1 byte".to_owned()
        } else {
            format!("{count} bytes")
        }
    };
    match noted {
        Noted::Analysis { marks, .. } => marks.noteworthy().collect::<Vec<_>>().join(", "),
        Noted::OverlapDiffers => {
            "retransmission with different data: the receiver may have used either version"
                .to_owned()
        }
        Noted::Gap(gap) => format!(
            "{} of the stream missing from the capture",
            bytes(u64::from(*gap))
        ),
        Noted::GapGivenUp(gap) => format!(
            "{} treated as lost: too much data was waiting for them",
            bytes(u64::from(*gap))
        ),
        Noted::DataAfterFin(count) => {
            format!(
                "{} of data after the sender's FIN",
                bytes(u64::from(*count))
            )
        }
        Noted::WindowWasClosed(time) => {
            let mut text = Buffer::default();
            milliseconds(&mut text, *time);
            let time = String::from_utf8_lossy(text.as_bytes()).into_owned();
            format!("reopened its window after {time}: the program was not reading")
        }
        Noted::Reset => "reset the connection (RST)".to_owned(),
        Noted::Unanswered => "SYN never answered: host down, or a firewall dropped it".to_owned(),
        Noted::NoMessage(why) => format!("not an application message: {why}"),
        Noted::MessageCut => "the stream ends in the middle of an application message".to_owned(),
        Noted::Evicted(memory) => format!(
            "stream dropped to stay within --max-memory; it held {}",
            bytes(*memory as u64)
        ),
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
        out.text(&escape::text(&words(&fact.noted)));
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
