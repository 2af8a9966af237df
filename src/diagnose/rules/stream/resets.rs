//! Why a connection was reset.

use super::ending::timed;
use super::{Rule, StreamFact, found, rule, who};
use crate::diagnose::{Fact, Finding, Severity, Value};
use crate::stream::{Noted, Reset, ResetWhy};

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
    |fact| match why(fact)? {
        (reset, ResetWhy::Refused) => {
            let headline = format!(
                "{} refused the connection: RST in answer to the SYN",
                who(fact)
            );
            Some(reset_by(&REFUSED, fact, reset, headline))
        }
        _ => None,
    },
);

/// A reset because data was not read.
pub static RST_UNREAD: Rule = rule(
    "rst_unread",
    "reset after data that was not read",
    [
        "The program at this end closed the connection while data of the other end was on its way, or waited to be \
         read. The kernel then answers with RST. The other end may lose data that it has not read yet.",
        "A FIN of this end, later data of the other end, then a RST of this end. Or a RST with an ACK of all data, \
         to which this end had not replied.",
        "A RST without an ACK in answer to data: there is no such connection any more.",
        "Read the whole request before close(), or call shutdown(SHUT_WR) and read to the end first.",
    ],
    |fact| {
        let (reset, why) = why(fact)?;
        let who = who(fact);
        let headline = match why {
            ResetWhy::Closed => format!(
                "{who} reset the connection (RST): data arrived after it had closed (FIN) and was not read"
            ),
            ResetWhy::Unread => format!(
                "{who} reset the connection (RST) without a reply to the last data: its program closed with \
                 unread data, or aborted"
            ),
            _ => return None,
        };
        Some(reset_by(&RST_UNREAD, fact, reset, headline))
    },
);

/// A reset because the connection is not known.
pub static RST_NO_SOCKET: Rule = rule(
    "rst_no_socket",
    "data to a closed socket",
    [
        "Data was answered with RST because this end has no socket for the connection: the program was restarted, or \
         closed long ago, or a firewall or load balancer between has forgotten the connection.",
        "A RST without an ACK whose sequence number is that which the other end expects: so a kernel answers what \
         belongs to no socket (RFC 9293 section 3.10.7.1).",
        "A program that aborts: its RST has an ACK.",
        "See whether the program was restarted at this time, and whether a device between ends connections.",
    ],
    |fact| match why(fact)? {
        (reset, ResetWhy::NoSocket) => {
            let headline = format!(
                "{} answered data with RST: it has no socket for this connection (any more)",
                who(fact)
            );
            Some(reset_by(&RST_NO_SOCKET, fact, reset, headline))
        }
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
    |fact| match why(fact)? {
        (reset, ResetWhy::Idle(quiet)) => {
            let mut finding = timed(&RST_IDLE, fact, quiet, "idle", |time| {
                let who = who(fact);
                format!(
                    "{who} reset the connection (RST) in answer to the first data after {time} of silence"
                )
            });
            add_ttls(&mut finding, reset);
            Some(finding)
        }
        _ => None,
    },
);

/// The answer to a SYN was about an old connection.
pub static CHALLENGE_ACK: Rule = rule(
    "challenge_ack",
    "SYN answered by an old connection",
    [
        "The server still had a connection between the same ports. It answered the SYN with an ACK of that one, the \
         client answered that with RST, and could connect only when it sent the SYN again, 1 s later or more.",
        "A SYN, an ACK without SYN that acknowledges something else, and a RST of the client.",
        "A refused connection: there the server sends the RST.",
        "Let the client use a new port for each connection (no fixed source port). See what ended the old \
         connection at one end only: a crash, a NAT that forgot it.",
    ],
    |fact| match why(fact)? {
        (reset, ResetWhy::OldConnection { was_seen: false }) => {
            let headline = "the server answered the SYN with an ACK of an old connection on these ports; the client \
                            reset it (RST)";
            Some(reset_by(&CHALLENGE_ACK, fact, reset, headline.to_owned()))
        }
        _ => None,
    },
);

/// The same, and the old connection is in the capture.
pub static PORT_REUSED: Rule = rule(
    "port_reused",
    "port reused too soon",
    [
        "The client used a port again while the server still had the connection before, in TIME-WAIT or open. The \
         server answered the SYN with an ACK of that one, and the client answered with RST.",
        "Another connection between the same ports earlier in the capture; then a SYN, an ACK without SYN that \
         acknowledges something else, and a RST of the client.",
        "A port that is used again and connects at once: the server had forgotten the old connection.",
        "Let the client use a new port for each connection, or keep connections open. Where ports are used up: \
         sockdoc sockets -s",
    ],
    |fact| match why(fact)? {
        (reset, ResetWhy::OldConnection { was_seen: true }) => {
            let headline = "the client used its port again too soon: the server answered the SYN with an ACK of the \
                            connection before (TIME-WAIT), and the client reset it (RST)";
            Some(reset_by(&PORT_REUSED, fact, reset, headline.to_owned()))
        }
        _ => None,
    },
);

/// A reset that somebody else sent.
pub static RST_INJECTED: Rule = rule(
    "rst_injected",
    "injected reset",
    [
        "The RST is probably not from the end that it names: a device on the path sent it to end the connection.",
        "The end went on after it: it sent more data, or acknowledged data that was sent later. Or two of these: \
         another time to live than its other packets, an IP identification far from theirs, several RSTs with \
         different sequence numbers.",
        "A RST of a kernel: it has the time to live of the other packets, and nothing follows it.",
        "Capture at the end that the RST names: if it does not send it, look for the firewall or intrusion \
         prevention between.",
    ],
    |fact| match why(fact)? {
        (reset, ResetWhy::Injected(clues)) => {
            let headline = if clues.goes_on {
                format!("injected RST: {} went on after it", who(fact))
            } else {
                format!("injected RST: probably not sent by {}", who(fact))
            };
            let mut finding = reset_by(&RST_INJECTED, fact, reset, headline);
            let mut add = |field, value| finding.facts.push(Fact::new("capture", field, value));
            if clues.id_differs {
                add("ip_id", Value::Word("far from the packets before".into()));
            }
            if clues.resets > 1 {
                add("rsts", Value::Count(clues.resets.into()));
            }
            Some(finding)
        }
        _ => None,
    },
);

fn why(fact: &StreamFact) -> Option<(Reset, ResetWhy)> {
    match fact.noted {
        Noted::Reset(reset) => Some((reset, reset.why)),
        _ => None,
    }
}

/// A finding about a reset.
pub(super) fn reset_by(
    rule: &'static Rule,
    fact: &StreamFact,
    reset: Reset,
    headline: String,
) -> Finding {
    let mut finding = found(rule, Severity::Warning, fact, headline);
    add_ttls(&mut finding, reset);
    finding
}

/// A RST from another distance was sent by something else than the packets before it.
fn add_ttls(finding: &mut Finding, reset: Reset) {
    if let Some((ttl, usual)) = reset.ttls {
        let before = std::mem::take(&mut finding.headline);
        finding.headline = format!(
            "{before} (its TTL is {ttl}, that of the packets before {usual}: another device sent it)"
        );
        for (field, value) in [("ttl", ttl), ("ttl_before", usual)] {
            let value = Value::Count(value.into());
            finding.facts.push(Fact::new("capture", field, value));
        }
    }
}
