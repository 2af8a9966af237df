//! The queue of connections that wait for `accept()` is full: the kernel drops what comes next, or,
//! of a unix-domain socket, lets it wait.
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
    let is_unix = socket.proto.is_unix();
    let [waiting, limit] = if is_unix {
        ["udiag_rqueue", "udiag_wqueue"]
    } else {
        ["idiag_rqueue", "idiag_wqueue"]
    };
    Some(Finding {
        id: RULE.id,
        severity: Severity::Error,
        text: format!("accept queue full: {} of {}", socket.recv_q, socket.send_q),
        evidence: vec![diag(waiting, &socket.recv_q), diag(limit, &socket.send_q)],
        explanation: if is_unix {
            "The program calls accept() too slowly or not at all. A client's connect() blocks until \
            there is room, or fails with EAGAIN if its socket does not block."
        } else {
            "The program calls accept() too slowly or not at all. New connections are dropped: \
            clients hang or time out."
        },
        ruled_out: "A queue at its limit still takes one connection; this one is above it.",
        next: if is_unix {
            "See what the program does instead of accept(): strace -f -p PID. If it keeps up and \
            bursts are the cause: a larger listen() backlog"
        } else {
            "See what the program does instead of accept(): strace -f -p PID. If it keeps up and \
            bursts are the cause: a larger listen() backlog, and sysctl net.core.somaxconn"
        }
        .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample::{found, socket};
    use super::*;
    use crate::diagnose::TcpEvidence;
    use crate::sockets::{Address, Family, Proto, Socket};

    #[test]
    fn a_queue_above_its_limit_fires() {
        let finding = found(&socket(State::Listen, 5, 4), TcpEvidence::default()).unwrap();
        assert_eq!(finding.id, "accept_queue_full");
        assert_eq!(finding.text, "accept queue full: 5 of 4");
        assert!(found(&socket(State::Listen, 1, 0), TcpEvidence::default()).is_some());
    }

    #[test]
    fn of_a_unix_socket_it_is_said_that_connect_waits() {
        for proto in [Proto::UnixStr, Proto::UnixSeq] {
            let listener = |recv_q| Socket {
                proto,
                family: Family::Unix,
                local: Address::None,
                peer: Address::None,
                ..socket(State::Listen, recv_q, 1)
            };
            let finding = found(&listener(2), TcpEvidence::default()).unwrap();
            assert_eq!(finding.text, "accept queue full: 2 of 1");
            assert_eq!(finding.evidence[0].field, "udiag_rqueue");
            assert!(finding.explanation.contains("EAGAIN"));
            assert!(!finding.explanation.contains("dropped"));
            assert!(!finding.next.contains("somaxconn"));
            assert_eq!(found(&listener(1), TcpEvidence::default()), None);
        }
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
