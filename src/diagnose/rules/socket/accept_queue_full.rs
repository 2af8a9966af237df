//! The queue of connections that wait for `accept()` is full: the kernel drops further SYNs, or,
//! of a Unix socket, lets it wait.

use super::super::{Check, Rule, diag_count, watch_program};
use crate::diagnose::{Case, Finding, Severity, Subject};
use crate::host::SocketAt;
use crate::sockets::State;

/// The rule.
pub static RULE: Rule = Rule {
    id: "accept_queue_full",
    title: "accept queue full",
    meaning: "The program calls accept() too slowly or not at all. The kernel drops new connections, so \
        clients hang or time out.",
    proof: "A listener whose Recv-Q (connections waiting) is above its Send-Q (the limit: the backlog of \
        listen(2), capped by net.core.somaxconn). The kernel accepts a connection while the queue is not \
        above its limit, so a queue with limit 4 is full with 5.",
    look_alikes: "A queue exactly at its limit has room for one more. /proc/net does not show the limit, so \
        there this rule stays silent.",
    next: "See what the program does instead of accept(). If it keeps up and only bursts overflow the \
        queue, raise the listen() backlog and net.core.somaxconn.",
    because: &[],
    check: Check::Socket(check),
};

fn check(case: &Case<'_>, at: SocketAt) -> Option<Finding> {
    let socket = case.socket(at);
    let listens = socket.state == State::Listen && socket.proto.is_connected();
    if !listens || socket.cookie.is_none() || socket.recv_q <= socket.send_q {
        return None;
    }
    let is_unix = socket.proto.is_unix();
    let ([waiting, limit], meaning, burst) = if is_unix {
        (
            ["udiag_rqueue", "udiag_wqueue"],
            "The program calls accept() too slowly or not at all. A client's connect() blocks until there \
             is room, or fails with EAGAIN if its socket is non-blocking.",
            "If the program keeps up and only bursts overflow the queue, raise the listen() backlog.",
        )
    } else {
        (
            ["idiag_rqueue", "idiag_wqueue"],
            RULE.meaning,
            "If the program keeps up and only bursts overflow the queue, raise the listen() backlog and \
             net.core.somaxconn.",
        )
    };
    let mut next = watch_program(
        case,
        &[at],
        "It shows what the program does instead of accept().",
    );
    next.push(burst.into());
    let headline = format!(
        "accept queue full: {} waiting, limit {}",
        socket.recv_q, socket.send_q
    );
    Some(Finding {
        meaning,
        facts: vec![
            diag_count(waiting, socket.recv_q),
            diag_count(limit, socket.send_q),
        ],
        ruled_out: "Not a queue that is merely at its limit: the kernel allows limit + 1, and this one is \
            above its limit.",
        next,
        ..Finding::new(&RULE, Severity::Error, Subject::Socket(at), headline)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::testing::{found, socket};
    use crate::sockets::TcpFigures;
    use crate::sockets::{Address, Family, Proto, Socket};

    #[test]
    fn a_queue_above_its_limit_fires() {
        let finding = found(&socket(State::Listen, 5, 4), TcpFigures::default()).unwrap();
        assert_eq!(finding.rule.id, "accept_queue_full");
        assert_eq!(finding.headline, "accept queue full: 5 waiting, limit 4");
        assert!(found(&socket(State::Listen, 1, 0), TcpFigures::default()).is_some());
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
            let finding = found(&listener(2), TcpFigures::default()).unwrap();
            assert_eq!(finding.headline, "accept queue full: 2 waiting, limit 1");
            assert_eq!(finding.facts[0].field, "udiag_rqueue");
            assert!(finding.meaning.contains("EAGAIN"));
            assert!(!finding.meaning.contains("drops"));
            assert!(!format!("{:?}", finding.next).contains("somaxconn"));
            assert_eq!(found(&listener(1), TcpFigures::default()), None);
        }
    }

    #[test]
    fn a_queue_at_its_limit_stays_silent() {
        let tcp = TcpFigures::default();
        assert_eq!(found(&socket(State::Listen, 4, 4), tcp), None);
        assert_eq!(found(&socket(State::Listen, 0, 0), tcp), None);
    }

    #[test]
    fn a_listener_of_proc_net_whose_limit_is_not_known_stays_silent() {
        let mut listener = socket(State::Listen, 1, 0);
        listener.cookie = None;
        assert_eq!(found(&listener, TcpFigures::default()), None);
    }
}
