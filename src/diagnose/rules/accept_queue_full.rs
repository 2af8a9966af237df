//! The queue of connections that wait for `accept()` is full: the kernel drops what comes next.
//!
//! Proof: LISTEN, and Recv-Q (waiting) above Send-Q (the limit of listen(2), cut by
//! `net.core.somaxconn`). The kernel takes a connection while the queue is not above its limit, so a
//! queue of 4 is full with 5.
//!
//! Look-alikes: a queue that is exactly at its limit still takes one. /proc/net has no limit to
//! compare with, so a socket without a cookie stays silent.

use super::{Evidence, Finding, Rule, diag};
use crate::diagnose::Severity;
use crate::sockets::State;

pub(super) const RULE: Rule = Rule {
    id: "accept_queue_full",
    check,
};

fn check(evidence: &Evidence<'_>) -> Option<Finding> {
    let socket = evidence.socket;
    let listens = socket.state == State::Listen && socket.proto.is_connected();
    if !listens || socket.cookie.is_none() || socket.recv_q <= socket.send_q {
        return None;
    }
    Some(Finding {
        id: RULE.id,
        severity: Severity::Error,
        text: format!("accept queue full: {} of {}", socket.recv_q, socket.send_q),
        evidence: vec![
            diag("idiag_rqueue", &socket.recv_q),
            diag("idiag_wqueue", &socket.send_q),
        ],
        explanation: "The program calls accept() too slowly or not at all. New connections are \
            dropped: clients hang or time out.",
        ruled_out: "A queue at its limit still takes one connection; this one is above it.",
        next: "See what the program does instead of accept(): strace -f -p PID, with the PID of the \
            PROCESS column. If it keeps up and bursts are the cause: a larger listen() backlog, and \
            sysctl net.core.somaxconn"
            .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample::{found, socket};
    use super::*;
    use crate::diagnose::TcpEvidence;

    #[test]
    fn a_queue_above_its_limit_fires() {
        let finding = found(&socket(State::Listen, 5, 4), TcpEvidence::default()).unwrap();
        assert_eq!(finding.id, "accept_queue_full");
        assert_eq!(finding.text, "accept queue full: 5 of 4");
        assert!(found(&socket(State::Listen, 1, 0), TcpEvidence::default()).is_some());
    }

    #[test]
    fn a_queue_at_its_limit_stays_silent() {
        let tcp = TcpEvidence::default();
        assert_eq!(found(&socket(State::Listen, 4, 4), tcp), None);
        assert_eq!(found(&socket(State::Listen, 0, 0), tcp), None);
    }

    #[test]
    fn a_listener_of_proc_net_whose_limit_is_not_known_stays_silent() {
        let mut listener = socket(State::Listen, 1, 0);
        listener.cookie = None;
        assert_eq!(found(&listener, TcpEvidence::default()), None);
    }
}
