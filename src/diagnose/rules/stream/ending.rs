//! How a connection began and why it ended, and where it waited.

use super::{Rule, StreamFact, found, rule, who};
use crate::diagnose::{Fact, Finding, Severity, Value, words};
use crate::stream::Noted;

/// A connection was refused.
pub static REFUSED: Rule = rule(
    "syn_refused",
    "SYN answered with RST",
    [
        "The SYN was answered with RST: no program listens on this port, or a firewall rejects the connection.",
        "A RST that is the first segment of the server, after a SYN.",
        "An established connection that is reset later.",
        "On the server, see who listens: sockdoc sockets -l",
    ],
    |fact| match fact.noted {
        Noted::Refused => Some(found(
            &REFUSED,
            Severity::Warning,
            fact,
            format!(
                "{} refused the connection: RST in answer to the SYN",
                who(fact)
            ),
        )),
        _ => None,
    },
);

/// A reset because data came after `close()`.
pub static RST_UNREAD: Rule = rule(
    "rst_unread",
    "reset after close: data arrived that was not read",
    [
        "The program at this end had closed the connection when more data arrived. The data was not read, and \
         the kernel answered it with RST. The other end may lose data that it has not read yet.",
        "A FIN of this end, later data of the other end, then a RST of this end.",
        "A reset without a FIN before it: the program aborted the connection, or crashed.",
        "Read the whole request before close(), or call shutdown(SHUT_WR) and read to the end first.",
    ],
    |fact| match fact.noted {
        Noted::ResetAfterClose => Some(found(
            &RST_UNREAD,
            Severity::Warning,
            fact,
            format!(
                "{} reset the connection (RST): data arrived after it had closed (FIN) and was not read",
                who(fact)
            ),
        )),
        _ => None,
    },
);

/// A reset after a long silence.
pub static RST_IDLE: Rule = rule(
    "rst_idle",
    "reset after idle",
    [
        "The connection was idle for long, and the first data after that was answered with RST: the other end, \
         or a firewall, NAT or load balancer between, had dropped the connection meanwhile.",
        "A silence of 30 s or more, data, and a RST in answer to it.",
        "A reset in the middle of an exchange.",
        "Use a shorter idle timeout in the client, or TCP keepalive at an interval below that of the path.",
    ],
    |fact| match fact.noted {
        Noted::ResetAfterIdle(quiet) => Some(timed(&RST_IDLE, fact, quiet, "idle", |time| {
            format!(
                "{} reset the connection (RST) in answer to the first data after {time} of silence",
                who(fact)
            )
        })),
        _ => None,
    },
);

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

/// A finding about a time in nanoseconds.
fn timed(
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
