//! A socket holds a port, but neither listens nor connects.
//!
//! Proof: the state itself (bit 13 of `sock_diag`'s mask, `TCP_BOUND_INACTIVE`). Others get "address
//! already in use", connections to it are refused, and netstat, lsof and `ss -a` show no holder.
//!
//! Look-alikes: a client that binds before it connects is in this state for a moment, so this is a
//! notice; a listener is in LISTEN; `TIME_WAIT` holds a port only against programs without
//! `SO_REUSEADDR`. Where another socket listens at the same port and address (`SO_REUSEPORT`), nobody
//! is refused: [`refine`](crate::diagnose::refine::refine) takes the finding back.

use super::{Evidence, Finding, Rule, diag};
use crate::diagnose::Severity;
use crate::sockets::State;

pub(super) const RULE: Rule = Rule {
    id: "bound_never_listened",
    check,
};

fn check(evidence: &Evidence<'_>) -> Option<Finding> {
    let port = evidence.socket.local.port().filter(|port| *port != 0)?;
    if evidence.state() != State::BoundInactive {
        return None;
    }
    Some(Finding {
        id: RULE.id,
        severity: Severity::Notice,
        text: format!("holds port {port} but never listened"),
        evidence: vec![diag("idiag_state", &(State::BoundInactive as u8))],
        explanation: "The program called bind() and then neither listen() nor connect(). The port is \
            taken for others (EADDRINUSE), and who connects to it is refused.",
        ruled_out: "It is no listener and no left-over of a closed connection: those have other \
            states.",
        next: format!(
            "Look again: sockdoc sockets :{port}. If it stays, its program hangs between bind() and \
             listen(), or should close the socket: strace -f -p PID"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample::{found, socket};
    use super::*;
    use crate::diagnose::TcpEvidence;

    #[test]
    fn a_bound_socket_that_does_nothing_fires() {
        let finding = found(&socket(State::BoundInactive, 0, 0), TcpEvidence::default()).unwrap();
        assert_eq!(finding.text, "holds port 80 but never listened");
        assert_eq!(finding.severity, Severity::Notice);
    }

    #[test]
    fn a_listener_and_a_time_wait_on_the_port_stay_silent() {
        for state in [State::Listen, State::TimeWait] {
            assert_eq!(found(&socket(state, 0, 4), TcpEvidence::default()), None);
        }
    }
}
