//! What we sent is not acknowledged: the peer, or the way to it, is gone.
//!
//! Proof: the retransmission timer runs, and the oldest segment was sent again at least twice
//! without an answer. Or the persist timer runs, at least two probes of the window are unanswered
//! (an answer sets their number back to 0), and the last ACK is old.
//!
//! Look-alikes: data on its way (Send-Q above 0) and one lost segment (one retransmission) are
//! everyday. A peer that is alive with a closed window answers the probes: that is
//! `peer_window_closed`. With a count of repetitions but no backoff, ICMP "unreachable" messages
//! arrive: the kernel takes a doubling back for each.

use super::{Evidence, Finding, Rule, ask_for_the_host, diag, tcp_info};
use crate::diagnose::{Severity, words};
use crate::sockets::{State, TimerKind};

pub(super) const RULE: Rule = Rule {
    id: "peer_silent",
    check,
};

/// How old the last ACK is when probes count as unanswered, in milliseconds.
const OLD_ACK_MS: u32 = 1_000;

/// Probes of the window that stay unanswered, if they prove that the peer is silent.
pub(super) fn unanswered_probes(evidence: &Evidence<'_>) -> Option<u8> {
    let timer = evidence.socket.timer?;
    let old = evidence.tcp.last_ack_recv_ms? >= OLD_ACK_MS;
    (timer.kind == TimerKind::Persist && timer.retransmits >= 2 && old).then_some(timer.retransmits)
}

fn check(evidence: &Evidence<'_>) -> Option<Finding> {
    let socket = evidence.socket;
    let sends = matches!(
        socket.state,
        State::Established | State::CloseWait | State::FinWait1 | State::Closing | State::LastAck
    );
    if !sends {
        return None;
    }
    let (what, timer, count, ruled_out) = if let Some(probes) = unanswered_probes(evidence) {
        (
            format!(
                "{} unanswered",
                words::count(u32::from(probes), "window probe")
            ),
            "persist",
            probes,
            "The peer is not merely slow to read: it would still answer the window probes.",
        )
    } else {
        let repetitions = evidence.retransmits().filter(|count| *count >= 2)?;
        if socket.timer?.kind != TimerKind::Retransmit {
            return None;
        }
        (
            words::count(u32::from(repetitions), "retransmission"),
            "retransmission",
            repetitions,
            "The peer is not merely slow to read: it would still acknowledge.",
        )
    };
    let mut facts = vec![diag("idiag_timer", &timer), diag("idiag_retrans", &count)];
    let since = evidence.tcp.last_ack_recv_ms.map(|age| {
        facts.push(tcp_info("tcpi_last_ack_recv", &format!("{age} ms")));
        format!(", last ACK {} ago", words::age(age))
    });
    let unreachable = timer == "retransmission" && evidence.tcp.backoff == Some(0);
    Some(Finding {
        id: RULE.id,
        severity: Severity::Error,
        text: format!(
            "peer silent: {what}{}{}",
            since.unwrap_or_default(),
            if unreachable {
                "; routers answer unreachable"
            } else {
                ""
            },
        ),
        evidence: facts,
        explanation: "The peer is down, the network between is cut, or a firewall forgot the \
            connection. The kernel goes on for about 15 minutes (net.ipv4.tcp_retries2), then the \
            program gets ETIMEDOUT.",
        ruled_out,
        next: ask_for_the_host(socket),
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample::{found, socket, timer};
    use super::*;
    use crate::diagnose::TcpEvidence;

    fn repeated(times: u8, backoff: u8) -> TcpEvidence {
        TcpEvidence {
            retransmits: Some(times),
            backoff: Some(backoff),
            last_ack_recv_ms: Some(13_000),
            ..TcpEvidence::default()
        }
    }

    #[test]
    fn two_unanswered_retransmissions_fire() {
        let mut sending = socket(State::Established, 0, 70_000);
        sending.timer = Some(timer(TimerKind::Retransmit, 4));
        assert_eq!(
            found(&sending, repeated(4, 4)).unwrap().text,
            "peer silent: 4 retransmissions, last ACK 13 s ago"
        );
        assert_eq!(
            found(&sending, repeated(4, 4)).unwrap().next,
            "Does the host answer: ping 127.0.0.1. Which way packets go: ip route get 127.0.0.1"
        );
        assert!(
            found(&sending, repeated(4, 0))
                .unwrap()
                .text
                .ends_with("; routers answer unreachable")
        );
    }

    #[test]
    fn data_on_its_way_and_one_retransmission_stay_silent() {
        let mut sending = socket(State::Established, 0, 70_000);
        for times in [0, 1] {
            sending.timer = Some(timer(TimerKind::Retransmit, times));
            assert_eq!(found(&sending, repeated(times, times)), None);
        }
    }

    #[test]
    fn two_unanswered_probes_of_a_window_and_an_old_ack_fire() {
        let mut waiting = socket(State::Established, 0, 70_000);
        waiting.timer = Some(timer(TimerKind::Persist, 5));
        let closed = TcpEvidence {
            snd_wnd: Some(0),
            last_data_sent_ms: Some(60_000),
            last_ack_recv_ms: Some(40_000),
            ..repeated(0, 5)
        };
        let finding = found(&waiting, closed).unwrap();
        assert_eq!(finding.id, "peer_silent");
        assert_eq!(finding.severity, Severity::Error);
        assert_eq!(
            finding.text,
            "peer silent: 5 window probes unanswered, last ACK 40 s ago"
        );
        let figures: Vec<&str> = finding.evidence.iter().map(|fact| &*fact.value).collect();
        assert_eq!(figures, ["persist", "5", "40000 ms"]);
    }

    #[test]
    fn probes_that_are_answered_few_or_of_unknown_age_stay_silent() {
        let mut waiting = socket(State::Established, 0, 70_000);
        for (probes, last_ack_recv_ms) in [(1, Some(90_000)), (5, Some(200)), (5, None)] {
            waiting.timer = Some(timer(TimerKind::Persist, probes));
            let tcp = TcpEvidence {
                last_ack_recv_ms,
                ..repeated(0, 5)
            };
            assert_eq!(found(&waiting, tcp), None);
        }
    }
}
