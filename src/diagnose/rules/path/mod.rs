//! What pings, traces and searches for an MTU prove of a path.
//!
//! Each rule is distinguished from the others by [`of_session`], [`of_trace`] and [`of_mtu`], which look at
//! the figures once.

mod rules;

pub use rules::*;

use std::net::IpAddr;
use std::time::Duration;

use crate::diagnose::{Command, Fact, Finding, NextStep, Rule, Severity, Subject, Value};
use crate::ping::losses::Refusal;
use crate::ping::mtu::Found;
use crate::ping::session::Session;
use crate::ping::trace::{Trace, Verdict};

/// A mean time in the queue of the link from which on the link is full.
const LONG_QUEUE: Duration = Duration::from_millis(1);
/// Requests that show more than chance.
const ENOUGH: u64 = 10;

fn finding(
    rule: &'static Rule,
    severity: Severity,
    subject: Subject,
    headline: String,
    facts: Vec<Fact>,
) -> Finding {
    Finding {
        facts,
        ruled_out: rule.look_alikes,
        next: vec![NextStep::Sentence(rule.next.into())],
        ..Finding::new(rule, severity, subject, headline)
    }
}

fn millis(time: Duration) -> Value {
    Value::Millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

fn shown(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1e3;
    if ms < 10.0 {
        format!("{ms:.2} ms")
    } else {
        format!("{ms:.0} ms")
    }
}

/// What a session of pings proves.
pub fn of_session(session: &Session) -> Vec<Finding> {
    let mut found: Vec<Finding> = local_queue(session).into_iter().collect();
    for index in 0..session.target_count() {
        let losses = session.losses_of(index);
        if losses.total() == 0 {
            continue;
        }
        let path = Subject::Path {
            netns: 0,
            to: session.target(index).address,
        };
        let tally = session.tally(index);
        let filter = losses.refused().find(|(refusal, _)| is_filter(refusal));
        if let Some((refusal, count)) = filter {
            found.push(filtered(path, refusal, Some((count, tally.sent))));
        }
        let is_scattered = losses.silent > session.outages(index).lost;
        if is_scattered && tally.received > 0 && tally.sent >= ENOUGH {
            found.push(scattered(session, index));
        }
    }
    found
}

fn local_queue(session: &Session) -> Option<Finding> {
    let queue = session.queue.summary()?;
    let all = session.totals.times.summary()?;
    let wire = all.mean.saturating_sub(queue.mean);
    if queue.mean < LONG_QUEUE || queue.mean < wire {
        return None;
    }
    let headline = format!(
        "{} on the wire, {} in this host's queue: the link out of here is full",
        shown(wire),
        shown(queue.mean)
    );
    let facts = vec![
        Fact::new(
            "SO_TIMESTAMPING",
            "mean time in the queue",
            millis(queue.mean),
        ),
        Fact::new(
            "SO_TIMESTAMPING",
            "longest time in the queue",
            millis(queue.max),
        ),
    ];
    let finding = finding(
        &LOCAL_QUEUE_FULL,
        Severity::Warning,
        Subject::Host,
        headline,
        facts,
    );
    let mut next = vec![Command::of("tc -s qdisc show").into()];
    next.extend(finding.next);
    Some(Finding { next, ..finding })
}

/// Administrative refusals: a firewall says so (RFC 1812, RFC 4443).
pub fn is_filter(refusal: &Refusal) -> bool {
    use crate::reference::icmp::Version;
    matches!(
        (refusal.version, refusal.r#type, refusal.code),
        (Version::V4, 3, 9 | 10 | 13) | (Version::V6, 1, 1 | 5 | 6)
    )
}

pub(super) fn filtered(path: Subject, refusal: &Refusal, share: Option<(u64, u64)>) -> Finding {
    let by = refusal
        .by
        .map_or("a router".to_owned(), |by| by.to_string());
    let headline = format!("{by} does not let it through: {}", refusal.words());
    let facts = share.map(|(count, sent)| Fact::new("ICMP", "refused", Value::Share(count, sent)));
    finding(
        &PATH_FILTERED,
        Severity::Error,
        path,
        headline,
        facts.into_iter().collect(),
    )
}

fn scattered(session: &Session, index: usize) -> Finding {
    let target = session.target(index);
    let tally = session.tally(index);
    // A request that was rejected or came late was not lost on the path.
    let lost = session.losses_of(index).silent;
    let sent = tally.sent;
    let headline = format!("{lost} of {sent} requests were lost on the path");
    let facts = vec![Fact::new("ping", "lost", Value::Share(lost, sent))];
    let path = Subject::Path {
        netns: 0,
        to: target.address,
    };
    let found = finding(&PATH_LOSS, Severity::Warning, path, headline, facts);
    let command = Command::of("sockdoc ping --hops --watch -c 30").with(&target.shown);
    let mut next = vec![command.into()];
    next.extend(found.next);
    Finding { next, ..found }
}

/// What TCP handshakes with a port prove: of all SYNs, the lost ones; the latest rejection by ICMP.
pub fn of_handshakes(
    target: IpAddr,
    (resent, sent): (u64, u64),
    rejected: Option<&Refusal>,
) -> Vec<Finding> {
    let path = Subject::Path {
        netns: 0,
        to: target,
    };
    let filter = rejected.filter(|refusal| is_filter(refusal));
    let filter = filter.map(|refusal| filtered(path, refusal, None));
    let loss = (resent > 0 && sent >= ENOUGH).then(|| {
        let headline = format!("{resent} of {sent} SYNs were lost on the path and sent again");
        let facts = vec![Fact::new(
            "tcpi_total_retrans",
            "SYNs sent again",
            Value::Share(resent, sent),
        )];
        finding(&PATH_LOSS, Severity::Warning, path, headline, facts)
    });
    filter.into_iter().chain(loss).collect()
}

/// What a trace proves.
pub fn of_trace(target: IpAddr, trace: &Trace) -> Option<Finding> {
    let path = Subject::Path {
        netns: 0,
        to: target,
    };
    let notice = |rule, headline| finding(rule, Severity::Notice, path, headline, Vec::new());
    match trace.verdict() {
        Verdict::Limits {
            distance,
            answered,
            sent,
        } => {
            let last = trace.hops().len();
            let headline = format!(
                "hop {distance} answers {answered} of {sent}, hop {last} all: hop {distance} limits its \
                 answers, nothing is lost"
            );
            Some(notice(&ROUTER_LIMITS_ANSWERS, headline))
        }
        Verdict::Loss {
            distance,
            router,
            lost,
            sent,
        } => {
            let who = router.map_or(String::new(), |router| format!(" ({router})"));
            let headline =
                format!("{lost} of {sent} are lost, and the loss begins at hop {distance}{who}");
            let facts = vec![Fact::new("trace", "lost", Value::Share(lost, sent))];
            Some(finding(
                &PATH_LOSS,
                Severity::Warning,
                path,
                headline,
                facts,
            ))
        }
        Verdict::Refused(refusal) if is_filter(&refusal) => Some(filtered(path, &refusal, None)),
        Verdict::Loop { one, other, length } => {
            let headline = match length {
                2 => format!("{one} and {other} send the packets to each other"),
                _ => format!("{length} routers send the packets in a loop from {one} on"),
            };
            let facts = Vec::new();
            Some(finding(
                &ROUTING_LOOP,
                Severity::Error,
                path,
                headline,
                facts,
            ))
        }
        _ => None,
    }
}

/// The path changed while it was traced.
pub fn of_changes(target: IpAddr, changes: u64) -> Option<Finding> {
    let times = if changes == 1 {
        "once".to_owned()
    } else {
        format!("{changes} times")
    };
    let headline = format!("the path changed {times} during the trace");
    let facts = vec![Fact::new("trace", "changes", Value::Count(changes))];
    let path = Subject::Path {
        netns: 0,
        to: target,
    };
    (changes > 0).then(|| finding(&PATH_CHANGES, Severity::Notice, path, headline, facts))
}

/// What the search for an MTU proves.
pub fn of_mtu(target: IpAddr, found: &Found) -> Option<Finding> {
    let Found::Mtu {
        mtu,
        black_hole: Some(sizes),
        ..
    } = found
    else {
        return None;
    };
    let (first, last) = (sizes.start(), sizes.end());
    let headline = format!("packets of {first} to {last} bytes are dropped without an ICMP error");
    let facts = vec![Fact::new("ping", "path MTU", Value::Bytes(*mtu as u64))];
    let path = Subject::Path {
        netns: 0,
        to: target,
    };
    Some(finding(
        &MTU_BLACK_HOLE,
        Severity::Warning,
        path,
        headline,
        facts,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::icmp::Version;

    const TARGET: [u8; 4] = [10, 0, 0, 9];

    #[test]
    fn a_black_hole_is_a_finding_and_a_narrow_link_is_none() {
        let of = |black_hole| Found::Mtu {
            mtu: 1300,
            told_by: None,
            black_hole,
            refused: None,
        };
        let found = of_mtu(TARGET.into(), &of(Some(1301..=1500))).unwrap();
        assert_eq!(found.rule, &MTU_BLACK_HOLE);
        assert!(found.headline.starts_with("packets of 1301 to 1500 bytes"));
        assert_eq!(of_mtu(TARGET.into(), &of(None)), None);
        assert_eq!(of_mtu(TARGET.into(), &Found::Unanswered), None);
    }

    #[test]
    fn a_firewall_says_so_and_an_unreachable_host_is_no_firewall() {
        let refusal = |code| Refusal {
            version: Version::V4,
            r#type: 3,
            code,
            by: Some([10, 0, 0, 254].into()),
        };
        assert!(is_filter(&refusal(13)));
        assert!(!is_filter(&refusal(1)));
        let found = |sent, code| of_handshakes(TARGET.into(), (2, sent), Some(&refusal(code)));
        assert_eq!(found(9, 1), []);
        let rules: Vec<_> = found(20, 13).iter().map(|it| it.rule).collect();
        assert_eq!(rules, [&PATH_FILTERED, &PATH_LOSS]);
        assert_eq!(of_changes(TARGET.into(), 0), None);
        assert_eq!(of_changes(TARGET.into(), 2).unwrap().rule, &PATH_CHANGES);
    }
}
