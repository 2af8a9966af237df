//! Findings in words.

use super::buffer::Buffer;
use super::words::milliseconds;
use crate::render::escape;
use crate::stream::{Analysis, End, Fact, Marks, Noted, StreamRef};

/// Marks that are worth a line of their own; an acknowledgment that repeats itself, or moves a window,
/// is not.
pub const NOTEWORTHY: [Marks; 9] = [
    Marks::RETRANSMISSION,
    Marks::FAST_RETRANSMISSION,
    Marks::SPURIOUS_RETRANSMISSION,
    Marks::OUT_OF_ORDER,
    Marks::LOST_SEGMENT,
    Marks::ACKED_UNSEEN,
    Marks::ZERO_WINDOW,
    Marks::WINDOW_FULL,
    Marks::PORTS_REUSED,
];

/// A word for a kind of finding, for programs.
pub fn kind(noted: &Noted) -> &'static str {
    match noted {
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
        Noted::OverlapDiffers => {
            "sent again with other bytes than before: the receiver may have seen either".to_owned()
        }
        Noted::Gap(gap) => format!(
            "{} of the stream are not in the capture",
            bytes(u64::from(*gap))
        ),
        Noted::GapGivenUp(gap) => format!(
            "{} given up for lost: too much waited behind them",
            bytes(u64::from(*gap))
        ),
        Noted::DataAfterFin(count) => {
            format!(
                "{} follow the end of what the sender had to say",
                bytes(u64::from(*count))
            )
        }
        Noted::WindowWasClosed(time) => {
            let mut text = Buffer::default();
            milliseconds(&mut text, *time);
            let time = String::from_utf8_lossy(text.as_bytes()).into_owned();
            format!("took data again after {time}: its program did not read")
        }
        Noted::Reset => "broke the connection off".to_owned(),
        Noted::Unanswered => {
            "nobody answered the SYN: the host is down, or a firewall drops it".to_owned()
        }
        Noted::NoMessage(why) => format!("no application message: {why}"),
        Noted::MessageCut => "the stream ends in the middle of an application message".to_owned(),
        Noted::Evicted(memory) => format!(
            "the stream was forgotten to keep within --max-memory; it held {}",
            bytes(*memory as u64)
        ),
    }
}

/// `FRAME STREAM SOURCE → DESTINATION WORDS`
pub fn finding(out: &mut Buffer, fact: &Fact) {
    head(out, fact.frame, &fact.stream);
    out.text(&escape::text(&words(&fact.noted)));
    out.byte(b'\n');
}

/// The marks of a segment that are worth a line.
pub fn marks(out: &mut Buffer, frame: u64, stream: &StreamRef, analysis: &Analysis) {
    for (mark, words) in Marks::WORDS {
        if analysis.marks.has(mark) && NOTEWORTHY.contains(&mark) {
            head(out, frame, stream);
            out.text(words);
            out.text(" (seq ");
            out.number(u64::from(analysis.sequence));
            out.text(")\n");
        }
    }
}

fn head(out: &mut Buffer, frame: u64, stream: &StreamRef) {
    out.text("frame ");
    out.number(frame);
    out.text(" stream ");
    ends(out, stream);
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

fn end(out: &mut Buffer, (ip, port): End) {
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
