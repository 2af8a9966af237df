//! Rules about a fact of a capture: `stream` notices, these say what it means.

mod around;
mod connection;
mod content;
mod ending;
mod icmp;
mod resets;
mod transfer;

pub use around::*;
pub use connection::*;
pub use content::*;
pub use ending::{ACK_IGNORED, HANDSHAKE_UNFINISHED, SLOW_CLIENT, SLOW_CONNECT, SLOW_SERVER};
pub use icmp::*;
use resets::reset_by;
pub use resets::{
    CHALLENGE_ACK, PORT_REUSED, REFUSED, RST_IDLE, RST_INJECTED, RST_NO_SOCKET, RST_UNREAD,
};
pub use transfer::*;

use super::{Check, Rule};
use crate::diagnose::{Fact, Finding, Severity, Subject, Value, words};
use crate::stream::Fact as StreamFact;

/// A rule that is asked about a fact.
const fn rule(
    id: &'static str,
    title: &'static str,
    words: [&'static str; 4],
    check: fn(&StreamFact) -> Option<Finding>,
) -> Rule {
    Rule::new(id, title, words, Check::Fact(check))
}

/// A finding about the stream of a fact, at its frame.
fn found(
    rule: &'static Rule,
    severity: Severity,
    fact: &StreamFact,
    headline: impl Into<String>,
) -> Finding {
    let subject = fact.stream.map_or(Subject::Capture, Subject::Stream);
    let frame = Fact::new("capture", "frame", Value::Count(fact.frame));
    Finding {
        facts: vec![frame],
        ruled_out: rule.look_alikes,
        next: vec![rule.next.into()],
        ..Finding::new(rule, severity, subject, headline)
    }
}

/// Nanoseconds as people say them.
fn millis(nanoseconds: i64) -> String {
    let nanoseconds = u64::try_from(nanoseconds).unwrap_or(0);
    match nanoseconds / 1_000_000 {
        0 => format!("{} µs", nanoseconds.div_ceil(1000)),
        milliseconds => words::duration(milliseconds),
    }
}

/// The end that a fact is about.
fn who(fact: &StreamFact) -> &'static str {
    match fact.stream {
        Some(stream) if stream.from_client => "the client",
        _ => "the server",
    }
}

fn bytes(count: u64) -> String {
    if count == 1 {
        "1 byte".to_owned()
    } else {
        format!("{count} bytes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capfile::Timestamp;
    use crate::diagnose::of_fact;
    use crate::stream::{Clues, Marks, Noted, Reset, ResetWhy, StreamRef};

    fn fact(noted: Noted) -> StreamFact {
        let end = ([127, 0, 0, 1].into(), 80);
        StreamFact {
            frame: 7,
            time: Timestamp::default(),
            stream: Some(StreamRef {
                number: 0,
                source: end,
                destination: end,
                from_client: true,
            }),
            noted,
        }
    }

    fn reset(why: ResetWhy) -> Noted {
        Noted::Reset(Reset { why, ttls: None })
    }

    fn check(noted: Noted, id: &str, headline: &str) {
        let finding = of_fact(&fact(noted)).expect("a rule");
        assert_eq!(finding.rule.id, id);
        assert!(finding.headline.starts_with(headline), "{finding:?}");
    }

    #[test]
    fn every_reset_has_its_rule() {
        for (noted, id, headline) in [
            (
                reset(ResetWhy::Refused),
                "syn_refused",
                "the client refused the connection",
            ),
            (
                reset(ResetWhy::Closed),
                "rst_unread",
                "the client reset the connection (RST): data arrived after",
            ),
            (
                reset(ResetWhy::Idle(399_900_000_000)),
                "rst_idle",
                "the client reset the connection (RST) in answer to the first data after 399.9 s",
            ),
            (
                reset(ResetWhy::NoSocket),
                "rst_no_socket",
                "the client answered data with RST",
            ),
            (
                reset(ResetWhy::OldConnection { was_seen: false }),
                "challenge_ack",
                "the server answered the SYN with an ACK of an old",
            ),
            (
                reset(ResetWhy::OldConnection { was_seen: true }),
                "port_reused",
                "the client used its port again too soon",
            ),
            (
                reset(ResetWhy::Injected(Clues::default())),
                "rst_injected",
                "injected RST: probably not sent by the client",
            ),
            (
                reset(ResetWhy::Other),
                "reset",
                "the client reset the connection (RST)",
            ),
        ] {
            check(noted, id, headline);
        }
    }

    #[test]
    fn every_fact_has_its_rule() {
        for (noted, id, headline) in [
            (
                Noted::OverlapDiffers,
                "overlap_differs",
                "retransmission with different data",
            ),
            (
                Noted::Gap {
                    bytes: 1,
                    acknowledged: true,
                },
                "gap",
                "1 byte of the stream missing from the capture, but acknowledged",
            ),
            (
                Noted::GapGivenUp(9),
                "gap_given_up",
                "9 bytes treated as lost",
            ),
            (
                Noted::DataAfterFin(4),
                "data_after_fin",
                "4 bytes of data after",
            ),
            (
                Noted::WindowWasClosed(1_400_400_000),
                "window_was_closed",
                "the client reopened its window after 1.4 s: the program was not reading",
            ),
            (
                Noted::SlowReply(3_000_000_000),
                "slow_server",
                "slow server: its reply began 3.0 s after",
            ),
            (
                Noted::SlowConnect(3_020_000_000),
                "slow_connect",
                "connecting took 3.0 s",
            ),
            (
                Noted::SlowRequest(2_000_000_000),
                "slow_client",
                "slow client: it paused for 2.0 s",
            ),
            (
                Noted::Lost {
                    before: 1,
                    after: 2,
                    of: 50,
                    waited: 1_200_000_000,
                },
                "segments_lost",
                "3 of 50 data segments of the client lost on the way: 1 before the capture point, 2 after it; sending them again took 1.2 s",
            ),
        ] {
            check(noted, id, headline);
        }
    }

    #[test]
    fn every_other_fact_has_its_rule() {
        for (noted, id, headline) in [
            (
                Noted::Reordered {
                    segments: 2,
                    of: 9,
                    longest: 1_000_000,
                },
                "reordered",
                "2 of 9 data segments of the client came out of order",
            ),
            (
                Noted::AcksDelayed {
                    times: 5,
                    total: 200_000_000,
                },
                "delayed_acks",
                "the client waited 5 times for a delayed ACK, 40 ms each time",
            ),
            (
                Noted::HandshakeUnfinished,
                "handshake_unfinished",
                "handshake unfinished",
            ),
            (
                Noted::AckIgnored(2),
                "handshake_ack_ignored",
                "the client completed the handshake, but the server sent its SYN-ACK 2 times more",
            ),
            (
                Noted::Unanswered { others_were: false },
                "syn_unanswered",
                "SYN never answered: host down",
            ),
            (
                Noted::Unanswered { others_were: true },
                "syn_unanswered",
                "SYN never answered, though",
            ),
            (
                Noted::NoMessage("x".to_owned()),
                "no_message",
                "not an application message: x",
            ),
            (
                Noted::MessageCut,
                "message_cut",
                "the stream ends in the middle",
            ),
            (
                Noted::Analysis {
                    marks: Marks::ZERO_WINDOW,
                    sequence: 9,
                },
                "tcp_analysis",
                "TCP ZeroWindow (seq 9)",
            ),
            (Noted::Evicted(5), "evicted", "stream dropped"),
        ] {
            check(noted, id, headline);
        }
    }
}
