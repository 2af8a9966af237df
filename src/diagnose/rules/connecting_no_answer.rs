//! `connect()` gets no answer at all.
//!
//! Proof: `SYN_SENT`, and the SYN was sent again at least once (the first repetition comes after a
//! second).
//!
//! Look-alikes: a connection that was just begun has sent its SYN once. A refused one is gone: its
//! answer came. One that routers call unreachable (ICMP) ends with `EHOSTUNREACH` or `ENETUNREACH`.

use super::{Evidence, Finding, Rule, ask_for_the_host, diag};
use crate::diagnose::Severity;
use crate::sockets::State;

pub(super) const RULE: Rule = Rule {
    id: "connecting_no_answer",
    check,
};

fn check(evidence: &Evidence<'_>) -> Option<Finding> {
    if evidence.state() != State::SynSent {
        return None;
    }
    let repetitions = evidence.retransmits().filter(|count| *count >= 1)?;
    Some(Finding {
        id: RULE.id,
        severity: Severity::Warning,
        text: format!(
            "connecting, no answer: SYN sent {} times",
            u32::from(repetitions) + 1
        ),
        evidence: vec![diag("idiag_retrans", &repetitions)],
        explanation: "Nothing answers at that address and port: no SYN-ACK, no RST. A firewall drops \
            the packets, the host is down, the way there or back is broken, or the accept queue there \
            is full.",
        ruled_out: "The port is not merely closed: then an RST would have ended the attempt at once. No \
            router has called the host unreachable: that would have ended it too.",
        next: format!(
            "{}. On the other host, whether somebody listens{}: sockdoc sockets -l",
            ask_for_the_host(evidence.socket),
            evidence
                .socket
                .peer
                .port()
                .map_or_else(String::new, |port| format!(" on port {port}")),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample::{found, socket, timer};
    use super::*;
    use crate::diagnose::TcpEvidence;
    use crate::sockets::TimerKind;

    #[test]
    fn a_repeated_syn_fires() {
        let mut connecting = socket(State::SynSent, 0, 1);
        connecting.timer = Some(timer(TimerKind::Retransmit, 2));
        let finding = found(&connecting, TcpEvidence::default()).unwrap();
        assert_eq!(finding.text, "connecting, no answer: SYN sent 3 times");
    }

    #[test]
    fn a_first_syn_stays_silent() {
        let mut connecting = socket(State::SynSent, 0, 1);
        connecting.timer = Some(timer(TimerKind::Retransmit, 0));
        assert_eq!(found(&connecting, TcpEvidence::default()), None);
    }
}
