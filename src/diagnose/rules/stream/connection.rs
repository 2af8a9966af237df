//! How a connection went.

use super::{Rule, StreamFact, bytes, found, reset_by, rule, who};
use crate::diagnose::{Fact, Finding, Severity, Value, words};
use crate::stream::{Noted, ResetWhy};

/// A connection was reset.
pub static RESET: Rule = rule(
    "reset",
    "connection reset",
    [
        "One end ended the connection at once, without a FIN. The other end gets ECONNRESET; data in flight \
         is lost.",
        "A segment with RST in an established connection.",
        "A refused connection: its RST answers a SYN. A closed one: each end sends a FIN.",
        "Look at the program that reset: it closed with unread data, closed with SO_LINGER 0, or crashed.",
    ],
    |fact| match fact.noted {
        Noted::Reset(reset) if reset.why == ResetWhy::Other => {
            let headline = format!("{} reset the connection (RST)", who(fact));
            Some(reset_by(&RESET, fact, reset, headline))
        }
        _ => None,
    },
);

/// A SYN got no answer.
pub static SYN_UNANSWERED: Rule = rule(
    "syn_unanswered",
    "SYN never answered",
    [
        "connect() hung: the host is down, or a firewall dropped the SYN or its answer.",
        "A SYN, and neither SYN-ACK nor RST for 1 s or more.",
        "A capture that ends sooner than 1 s after the SYN.",
        "Check the host, and capture on the other side: does the SYN arrive there?",
    ],
    |fact| match fact.noted {
        Noted::Unanswered { others_were } => Some(found(
            &SYN_UNANSWERED,
            Severity::Warning,
            fact,
            if others_were {
                "SYN never answered, though this port answered others: accept queue full, or SYN lost"
            } else {
                "SYN never answered: host down, or a firewall dropped it"
            },
        )),
        _ => None,
    },
);

/// A window was closed and opened again.
pub static WINDOW_WAS_CLOSED: Rule = rule(
    "window_was_closed",
    "receive window was closed",
    [
        "The program at this end was not reading: its receive buffer was full, and the other end had to stop \
         sending.",
        "A window of 0, and later one above 0: the time between them.",
        "A slow path delays data, but does not close the window.",
        "See what the program did in that time instead of recv().",
    ],
    |fact| match fact.noted {
        Noted::WindowWasClosed(nanoseconds) => Some(window_was_closed(fact, nanoseconds)),
        _ => None,
    },
);

/// A window that was closed for less proves nothing about the program: a scheduler's delay, or a read of
/// a full buffer, is enough.
const NOT_READING_MS: u64 = 200;

fn window_was_closed(fact: &StreamFact, nanoseconds: i64) -> Finding {
    let milliseconds = u64::try_from(nanoseconds).unwrap_or(0) / 1_000_000;
    let time = words::duration(milliseconds);
    let who = who(fact);
    let (severity, headline) = if milliseconds >= NOT_READING_MS {
        let headline =
            format!("{who} reopened its window after {time}: the program was not reading");
        (Severity::Warning, headline)
    } else {
        let headline =
            format!("{who} reopened its window after {time}: the sender was faster for a moment");
        (Severity::Notice, headline)
    };
    let mut finding = found(&WINDOW_WAS_CLOSED, severity, fact, headline);
    let closed = Fact::new("capture", "window_closed", Value::Millis(milliseconds));
    finding.facts.push(closed);
    finding
}

/// A segment is not the next one in its order, or tells of a window.
pub static TCP_ANALYSIS: Rule = rule(
    "tcp_analysis",
    "TCP analysis flags",
    [
        "A segment was lost, sent again or reordered, or a window was full or closed, in the words of tshark's \
         TCP analysis.",
        "The sequence and acknowledgment numbers, windows and times of the segments before it.",
        "A capture that starts late or loses frames shows lost segments that were delivered.",
        "Look at the frames around it. Many retransmissions mean loss on the path.",
    ],
    |fact| match fact.noted {
        Noted::Analysis { marks, sequence } => {
            let words: Vec<&str> = marks.noteworthy().collect();
            let headline = format!("{} (seq {sequence})", words.join(", "));
            let finding = found(&TCP_ANALYSIS, Severity::Notice, fact, headline);
            let frames = fact.stream.map(|stream| {
                let number = stream.number;
                format!("Look at its frames: sockdoc decode FILE stream {number}").into()
            });
            Some(Finding {
                ruled_out: "",
                next: frames.into_iter().collect(),
                ..finding
            })
        }
        _ => None,
    },
);

/// A stream was dropped for want of memory.
pub static EVICTED: Rule = rule(
    "evicted",
    "stream dropped for memory",
    [
        "To stay within --max-memory, what was known of this stream was dropped. What follows of it counts as \
         a new stream.",
        "The memory of all streams reached the limit, and this one was quiet longest.",
        "A stream that ended: this is about the analysis, not about the network.",
        "Raise --max-memory, or select fewer streams with a filter.",
    ],
    |fact| match fact.noted {
        Noted::Evicted(memory) => Some(found(
            &EVICTED,
            Severity::Notice,
            fact,
            format!(
                "stream dropped to stay within --max-memory; it held {}",
                bytes(memory as u64)
            ),
        )),
        _ => None,
    },
);
