//! The queue of connections that wait for `accept()` is full: the kernel drops further SYNs, or,
//! of a Unix socket, lets it wait.

use super::super::process::{BLOCKED, DESCRIPTOR_LIMIT, INHERITED_LISTENER, MEMORY_LIMIT, STOPPED};
use super::super::{Cause, Check, Rule, diag_count, held_up_by, watch_program};
use super::listener_drops::dropped;
use crate::diagnose::{Case, Finding, Role, Severity, Subject};
use crate::host::SocketAt;
use crate::sockets::{Socket, State};

/// The rule.
pub static RULE: Rule = Rule {
    id: "accept_queue_full",
    title: "accept queue full",
    meaning: "The program calls accept() too slowly or not at all. The kernel drops new connections, so \
        clients hang or time out.",
    proof: "A listener whose Recv-Q (connections waiting) is above its Send-Q (the limit: the backlog of \
        listen(2), capped by net.core.somaxconn). The kernel accepts a connection while the queue is not \
        above its limit, so a queue with limit 4 is full with 5.",
    look_alikes: "A queue exactly at its limit has room for one more. A burst that fills the queue is \
        accepted within a second, so none of its connections is older. /proc/net does not show the limit, \
        so there this rule stays silent.",
    next: "See what the program does instead of accept(). If it keeps up and only bursts overflow the \
        queue, raise the listen() backlog and net.core.somaxconn.",
    because: &[
        Cause::at(&STOPPED, Role::Owner),
        Cause::at(&BLOCKED, Role::Owner),
        Cause::at(&MEMORY_LIMIT, Role::Owner),
        Cause::at(&DESCRIPTOR_LIMIT, Role::Owner),
        Cause::at(&INHERITED_LISTENER, Role::Itself),
    ],
    check: Check::Socket(check),
};

/// How old a connection in the queue may be in a burst, in milliseconds.
const BURST_MS: u32 = 1_000;

/// Whether the queue has been full for longer than a burst fills it.
fn stays_full(case: &Case<'_>, at: SocketAt) -> bool {
    let waiting = case.index.unaccepted(at);
    let mut ages = waiting
        .iter()
        .filter_map(|at| case.tcp(*at).last_data_sent_ms);
    if ages.any(|age| age > BURST_MS) {
        return true;
    }
    let is_tcp = !case.socket(at).proto.is_unix();
    match case.before {
        Some(before) => {
            let was_full = |earlier: &Socket| earlier.recv_q > earlier.send_q;
            let same_waits = |earlier: &Socket| match [earlier, case.socket(at)].map(first_waiting)
            {
                [Some(before), Some(now)] => before == now,
                _ => true,
            };
            (before.earlier(at)).is_some_and(|earlier| was_full(earlier) && same_waits(earlier))
                && (waiting.is_empty() || before.none_accepted(at) || dropped(case, at).is_some())
        }
        // Of Unix sockets, and where only listeners were listed, no age is known.
        None => waiting.is_empty() || !is_tcp,
    }
}

/// The client that is next to be accepted from a Unix listener.
fn first_waiting(socket: &Socket) -> Option<u32> {
    socket.details.as_ref()?.first_waiting
}

/// Whether the queue of a listener is full, and stays so.
pub(super) fn is_full(case: &Case<'_>, at: SocketAt) -> bool {
    let socket = case.socket(at);
    // /proc/net, which has no cookie, does not tell the limit.
    socket.cookie.is_some() && socket.recv_q > socket.send_q && stays_full(case, at)
}

fn check(case: &Case<'_>, at: SocketAt) -> Option<Finding> {
    let socket = case.socket(at);
    let listens = socket.state == State::Listen && socket.proto.is_connected();
    if !listens || !is_full(case, at) {
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
        others: held_up_by(case, &[at]),
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
    use crate::diagnose::testing::{figures, found, found_among, found_since, socket};
    use crate::sockets::TcpFigures;
    use crate::sockets::{Address, Details, Family, Proto};

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

    fn unaccepted(cookie: u64, age: u32) -> Socket {
        let socket = Socket {
            inode: 0,
            cookie: Some(cookie),
            ..socket(State::Established, 0, 0)
        };
        let tcp = TcpFigures {
            last_data_sent_ms: Some(age),
            ..TcpFigures::default()
        };
        figures(socket, tcp)
    }

    #[test]
    fn a_burst_that_is_accepted_stays_silent_and_an_old_connection_fires() {
        let full = socket(State::Listen, 2, 1);
        let burst = [unaccepted(5, 300), unaccepted(6, 300)];
        assert_eq!(found_among(&full, &burst), None);
        let old = [unaccepted(5, 1_300), unaccepted(6, 300)];
        assert!(found_among(&full, &old).is_some());
        // Full twice, by two bursts.
        let before = [full.clone(), unaccepted(3, 300), unaccepted(4, 300)];
        let after = [full.clone(), unaccepted(5, 300), unaccepted(6, 300)];
        assert_eq!(found_since(&before, &after), None);
        // Full twice, and nothing was accepted between.
        let before = [full.clone(), unaccepted(5, 0), unaccepted(6, 0)];
        assert!(found_since(&before, &after).is_some());
        // It was not full before.
        let before = [socket(State::Listen, 1, 1), unaccepted(5, 0)];
        assert_eq!(found_since(&before, &after), None);
    }

    #[test]
    fn a_full_unix_queue_has_to_hold_the_same_connections_twice() {
        let unix = |client| {
            vec![Socket {
                proto: Proto::UnixStr,
                family: Family::Unix,
                local: Address::None,
                peer: Address::None,
                details: Some(Box::new(Details {
                    first_waiting: Some(client),
                    ..Details::default()
                })),
                ..socket(State::Listen, 2, 1)
            }]
        };
        assert!(found_since(&unix(70), &unix(70)).is_some());
        assert_eq!(found_since(&unix(70), &unix(71)), None);
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
