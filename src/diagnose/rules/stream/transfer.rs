//! What made a transfer slow.

use super::{Rule, found, millis, rule, who};
use crate::diagnose::{Fact, Severity, Value, words};
use crate::stream::Noted;

/// Segments were lost.
pub static SEGMENTS_LOST: Rule = rule(
    "segments_lost",
    "segments lost",
    [
        "Segments with data were lost and sent again. Before the capture point: between the sender and it. After it: \
         between it and the receiver, or the ACK on the way back.",
        "A segment that was captured twice was lost after the capture point; one that fills a gap, later than its \
         successors were sent, before it.",
        "A segment that was overtaken: it was sent before its successors. A copy of a mirror port.",
        "Capture on the other side as well, to see where on the path they are lost. Look at the counters of the \
         interfaces between: sockdoc diagnose on each host.",
    ],
    |fact| match fact.noted {
        Noted::Lost {
            before,
            after,
            of,
            waited,
        } => {
            let lost = u64::from(before) + u64::from(after);
            let place = match (before, after) {
                (_, 0) => "before the capture point".to_owned(),
                (0, _) => "after the capture point".to_owned(),
                _ => format!("on the way: {before} before the capture point, {after} after it"),
            };
            let waits = if waited >= WORTH {
                format!("; sending them again took {}", millis(waited))
            } else {
                String::new()
            };
            let headline = format!(
                "{lost} of {of} data segments of {} lost {place}{waits}",
                who(fact)
            );
            let is_much = waited >= SLOW || lost >= 3 && lost * 100 >= of;
            let severity = if is_much {
                Severity::Warning
            } else {
                Severity::Notice
            };
            let mut finding = found(&SEGMENTS_LOST, severity, fact, headline);
            finding.facts = vec![
                Fact::new("capture", "lost_before", Value::Count(before.into())),
                Fact::new("capture", "lost_after", Value::Count(after.into())),
            ];
            Some(finding)
        }
        _ => None,
    },
);

/// A wait from here on is worth a warning, in nanoseconds; from here on it is named.
const SLOW: i64 = 1_000_000_000;
const WORTH: i64 = 1_000_000;

/// Segments came late.
pub static REORDERED: Rule = rule(
    "reordered",
    "segments reordered",
    [
        "Segments arrived at the capture point in another order than they were sent in: several ways of different \
         length, or several queues. A receiver asks for what seems to be missing, and the sender slows down.",
        "A segment that fills a gap and was sent before its successors: an earlier IP identification, or it came \
         within the round-trip time.",
        "A lost segment: what fills its gap is sent later.",
        "Look for links that are bundled per packet instead of per flow, and for several receive queues.",
    ],
    |fact| match fact.noted {
        Noted::Reordered {
            segments,
            of,
            longest,
        } => {
            let late = millis(longest);
            let headline = format!(
                "{segments} of {of} data segments of {} came out of order, up to {late} late",
                who(fact)
            );
            let mut finding = found(&REORDERED, Severity::Notice, fact, headline);
            finding.facts = vec![Fact::new(
                "capture",
                "reordered",
                Value::Count(segments.into()),
            )];
            Some(finding)
        }
        _ => None,
    },
);

/// Nagle's algorithm met a delayed ACK.
pub static DELAYED_ACKS: Rule = rule(
    "delayed_acks",
    "Nagle's algorithm and delayed ACKs",
    [
        "The sender writes its data in small pieces. Nagle's algorithm keeps the second piece until the first is \
         acknowledged, and the receiver delays this ACK by 40 ms (Linux) to 200 ms (others).",
        "A small segment, its ACK 30 ms or more after the round-trip time, and the next segment right after the ACK. \
         At least 3 times.",
        "A program that is slow: its next segment does not follow an ACK. A congestion window that is full: then \
         more is on its way.",
        "Write a whole message with one call (writev, a buffer), or set TCP_NODELAY on the sender's socket.",
    ],
    |fact| match fact.noted {
        Noted::AcksDelayed { times, total } => {
            let each = total / i64::from(times.max(1));
            let headline = format!(
                "{} waited {} for a delayed ACK, {} each time: small writes without TCP_NODELAY",
                who(fact),
                words::count(times, "time"),
                millis(each)
            );
            let mut finding = found(&DELAYED_ACKS, Severity::Warning, fact, headline);
            let total = Value::Millis(u64::try_from(total).unwrap_or(0) / 1_000_000);
            finding.facts.push(Fact::new("capture", "waited", total));
            Some(finding)
        }
        _ => None,
    },
);
