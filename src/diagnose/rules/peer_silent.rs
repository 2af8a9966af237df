//! What we sent is not acknowledged: the peer, or the way to it, is gone.
//!
//! Proof: the retransmission timer runs, and the oldest segment was sent again at least twice
//! without an answer.
//!
//! Look-alikes: data on its way (Send-Q above 0) and one lost segment (one retransmission) are
//! everyday. A closed window of a peer that is alive runs the persist timer. With a count of
//! repetitions but no backoff, ICMP "unreachable" messages arrive: the kernel takes a doubling back
//! for each.

use super::{Evidence, Finding, Rule, diag, tcp_info};
use crate::diagnose::{Severity, words};
use crate::sockets::{State, TimerKind};

pub(super) const RULE: Rule = Rule {
    id: "peer_silent",
    check,
};

fn check(evidence: &Evidence<'_>) -> Option<Finding> {
    let socket = evidence.socket;
    let sends = matches!(
        socket.state,
        State::Established | State::CloseWait | State::FinWait1 | State::Closing | State::LastAck
    );
    let timer = socket.timer?;
    let repetitions = evidence.retransmits().filter(|count| *count >= 2)?;
    if !sends || timer.kind != TimerKind::Retransmit {
        return None;
    }
    let mut facts = vec![
        diag("idiag_timer", &"retransmission"),
        diag("idiag_retrans", &repetitions),
    ];
    let since = evidence.tcp.last_ack_recv_ms.map(|age| {
        facts.push(tcp_info("tcpi_last_ack_recv", &format!("{age} ms")));
        format!(", last ACK {} ago", words::age(age))
    });
    let unreachable = evidence.tcp.backoff == Some(0);
    Some(Finding {
        id: RULE.id,
        severity: Severity::Error,
        text: format!(
            "peer silent: {}{}{}",
            words::count(u32::from(repetitions), "retransmission"),
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
        ruled_out: "The peer is not merely slow to read: it would still acknowledge.",
        next: "Does the host answer: ping ADDRESS, with that of the PEER column. Which way packets go: \
            ip route get ADDRESS"
            .to_owned(),
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
    fn probes_of_a_window_that_is_not_known_to_be_closed_stay_silent() {
        let mut waiting = socket(State::Established, 0, 70_000);
        waiting.timer = Some(timer(TimerKind::Persist, 5));
        assert_eq!(found(&waiting, repeated(0, 5)), None);
    }
}
