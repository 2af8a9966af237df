//! One of several listeners on a port does not accept.

use super::super::process::HELD_UP;
use super::super::{Check, Rule, diag_count, held_up_by, watch_program};
use super::not_accepted::is_stuck;
use crate::diagnose::{Case, Finding, Severity, Subject};
use crate::host::SocketAt;
use crate::sockets::State;

/// The rule.
pub static RULE: Rule = Rule {
    id: "reuseport_stuck",
    title: "one listener of several does not accept",
    meaning: "Several sockets listen on this port (SO_REUSEPORT). The kernel spreads connections over them by \
        a hash and does not move them later: each client that falls to this one waits, and the others are \
        served.",
    proof: "Connections wait at this listener and are not accepted, while the queue of another listener of the \
        same address is empty.",
    look_alikes: "If connections wait at all of them, the program as a whole does not accept. A queue that is \
        emptied within seconds is not reported.",
    next: "See what the process or thread of this listener does, or end it: the kernel then uses the others.",
    because: HELD_UP,
    check: Check::Socket(check),
};

fn check(case: &Case<'_>, at: SocketAt) -> Option<Finding> {
    let socket = case.socket(at);
    if socket.state != State::Listen || socket.recv_q == 0 {
        return None;
    }
    let mut group = case.index.listeners_of(at);
    group.retain(|at| case.socket(*at).local == socket.local);
    let idle = group
        .iter()
        .filter(|at| case.socket(**at).recv_q == 0)
        .count();
    if idle == 0 || !is_stuck(case, at) {
        return None;
    }
    let waits = if socket.recv_q == 1 {
        "connection waits"
    } else {
        "connections wait"
    };
    let headline = format!(
        "one of {} listeners (SO_REUSEPORT) does not accept: {} {waits} at it, none at {idle} of the others",
        group.len(),
        socket.recv_q,
    );
    Some(Finding {
        others: held_up_by(case, &[at]),
        facts: vec![diag_count("idiag_rqueue", socket.recv_q)],
        ruled_out: "Not a port that is too busy as a whole: another listener of the same address has an empty \
            queue.",
        next: watch_program(
            case,
            &[at],
            "It shows what the process of this listener does instead of accept().",
        ),
        ..Finding::new(&RULE, Severity::Warning, Subject::Socket(at), headline)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::testing::{figures, found_among, socket};
    use crate::sockets::{Socket, TcpFigures};

    fn listener(inode: u32, waiting: u32) -> Socket {
        Socket {
            inode,
            cookie: Some(inode.into()),
            ..socket(State::Listen, waiting, 128)
        }
    }

    fn unaccepted(age: u32) -> Socket {
        let socket = Socket {
            inode: 0,
            ..socket(State::Established, 0, 0)
        };
        figures(
            socket,
            TcpFigures {
                last_data_sent_ms: Some(age),
                ..TcpFigures::default()
            },
        )
    }

    #[test]
    fn a_member_at_which_connections_grow_old_beside_an_idle_one_fires() {
        let others = [listener(8, 0), listener(9, 0), unaccepted(12_000)];
        let finding = found_among(&listener(7, 1), &others).unwrap();
        assert_eq!(
            finding.headline,
            "one of 3 listeners (SO_REUSEPORT) does not accept: 1 connection waits at it, none at 2 of the \
             others"
        );
    }

    #[test]
    fn a_single_listener_one_that_accepts_and_a_group_that_waits_as_a_whole_stay_silent() {
        for others in [
            vec![unaccepted(12_000)],
            vec![listener(8, 0), unaccepted(900)],
            vec![listener(8, 3), unaccepted(12_000)],
        ] {
            assert_eq!(found_among(&listener(7, 1), &others), None);
        }
    }
}
