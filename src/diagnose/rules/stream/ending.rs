//! How a connection began, and where it waited.

use super::{Rule, StreamFact, found, rule};
use crate::diagnose::{Fact, Finding, Severity, Value, words};
use crate::stream::Noted;

/// A reply that took long.
pub static SLOW_SERVER: Rule = rule(
    "slow_server",
    "slow server",
    [
        "The server had received the request and took this long before it sent the first byte of its reply.",
        "The time from the last byte of the request to the first byte of the reply, less one round trip.",
        "A slow network: there the round trip of the handshake is long, or the request is sent again.",
        "Look for what the server does in this time: its log, its database, strace -f -p PID.",
    ],
    |fact| match fact.noted {
        Noted::SlowReply(wait) => Some(timed(&SLOW_SERVER, fact, wait, "server_wait", |time| {
            format!("slow server: its reply began {time} after the request")
        })),
        _ => None,
    },
);

/// A request that took long.
pub static SLOW_CLIENT: Rule = rule(
    "slow_client",
    "slow client",
    [
        "The client's program paused before it sent the rest of its data, and the server replied after that.",
        "1 s or more between two segments of the client, with room in the receive window and in the congestion \
         window, then a reply.",
        "A lost segment that is sent again late; a receive window that was closed.",
        "Look for what the client does in this time: its input, its log, strace -f -p PID.",
    ],
    |fact| match fact.noted {
        Noted::SlowRequest(pause) => Some(timed(&SLOW_CLIENT, fact, pause, "pause", |time| {
            format!("slow client: it paused for {time} before it sent the rest of its data")
        })),
        _ => None,
    },
);

/// A handshake that took long.
pub static SLOW_CONNECT: Rule = rule(
    "slow_connect",
    "slow connect: SYN lost",
    [
        "connect() took long because the SYN or its answer was lost and had to be sent again after a timeout.",
        "More than one SYN, and 1 s or more from the first of them to the end of the handshake.",
        "A long round trip: there one SYN is answered late.",
        "Look for loss on the path, and for a full accept queue on the server: sockdoc sockets -l",
    ],
    |fact| match fact.noted {
        Noted::SlowConnect(took) => Some(timed(&SLOW_CONNECT, fact, took, "connect", |time| {
            format!("connecting took {time}: the SYN was sent again before it was answered")
        })),
        _ => None,
    },
);

/// A handshake without an end.
pub static HANDSHAKE_UNFINISHED: Rule = rule(
    "handshake_unfinished",
    "handshake unfinished",
    [
        "The server answered the SYN, and the client never sent the ACK that completes the handshake.",
        "SYN and SYN-ACK, and nothing else from the client for 1 s or more.",
        "A capture that ends within the handshake.",
        "Capture at the client: does the SYN-ACK arrive there? If not, check the route back and firewalls.",
    ],
    |fact| match fact.noted {
        Noted::HandshakeUnfinished => Some(found(
            &HANDSHAKE_UNFINISHED,
            Severity::Warning,
            fact,
            "handshake unfinished: the SYN-ACK was never acknowledged",
        )),
        _ => None,
    },
);

/// A handshake that the server takes for unfinished.
pub static ACK_IGNORED: Rule = rule(
    "handshake_ack_ignored",
    "handshake complete for the client alone",
    [
        "The client has completed the handshake, but the server sends its SYN-ACK again and nothing else: the ACK was \
         lost after the capture point, or the server dropped it because its accept queue is full. The client's data \
         is lost the same way.",
        "2 or more SYN-ACKs after the client's ACK, and no other segment of the server but RST.",
        "A SYN-ACK that is sent again once, after which the server acknowledges data: one ACK was lost.",
        "On the server, look for a full accept queue: sockdoc sockets -l. If it is not full, capture there: does the \
         client's ACK arrive?",
    ],
    |fact| match fact.noted {
        Noted::AckIgnored(times) => {
            let headline = format!(
                "the client completed the handshake, but the server sent its SYN-ACK {} more: accept queue full, or \
                 ACK lost",
                words::count(times, "time")
            );
            Some(found(&ACK_IGNORED, Severity::Warning, fact, headline))
        }
        _ => None,
    },
);

/// A finding about a time in nanoseconds.
pub(super) fn timed(
    rule: &'static Rule,
    fact: &StreamFact,
    nanoseconds: i64,
    field: &'static str,
    headline: impl FnOnce(String) -> String,
) -> Finding {
    let milliseconds = u64::try_from(nanoseconds).unwrap_or(0) / 1_000_000;
    let text = headline(words::duration(milliseconds));
    let mut finding = found(rule, Severity::Warning, fact, text);
    let time = Fact::new("capture", field, Value::Millis(milliseconds));
    finding.facts.push(time);
    finding
}
