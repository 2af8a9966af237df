//! An idle connection whose keepalive probes are not answered.

use super::super::{Cause, Check, Rule, ask_for_the_host, diag, diag_count, reach, tcp_age};
use super::peer_silent::OLD_ACK_MS;
use crate::diagnose::{Case, Finding, Role, Severity, Subject, Value, words};
use crate::host::SocketAt;
use crate::sockets::{State, TimerKind};

/// The rule.
pub static RULE: Rule = Rule {
    id: "keepalive_unanswered",
    title: "keepalive unanswered",
    meaning: "The connection is idle and the peer does not answer the keepalive probes: its host is down, the \
        path is cut, or a firewall forgot the connection. After TCP_KEEPCNT probes (9 by default) the \
        program gets ETIMEDOUT.",
    proof: "The keepalive timer runs and at least two probes are unanswered: an answer resets their count.",
    look_alikes: "An idle connection whose probes are answered has a count of 0. One unanswered probe may be \
        a lost packet. A connection with unacknowledged data has the retransmission timer instead.",
    next: "Check the host and the route.",
    because: &[
        Cause::at(&reach::NO_ROUTE, Role::Itself),
        Cause::at(&reach::LINK_DOWN, Role::Itself),
        Cause::at(&reach::NEIGHBOUR_FAILED, Role::Itself),
        Cause::at(&reach::WRONG_SOURCE_ADDRESS, Role::Itself),
        Cause::at(&reach::OWN_FIREWALL_DROPS, Role::Itself),
    ],
    check: Check::Socket(check),
};

fn check(case: &Case<'_>, at: SocketAt) -> Option<Finding> {
    let socket = case.socket(at);
    let timer = socket.timer?;
    let tcp = case.tcp(at);
    let probed = matches!(socket.state, State::Established | State::CloseWait)
        && timer.kind == TimerKind::Keepalive
        && timer.retransmits >= 2;
    let age = tcp.last_ack_recv_ms?;
    if !probed || age < OLD_ACK_MS {
        return None;
    }
    let headline = format!(
        "keepalive unanswered: {} probes, last ACK {} ago",
        timer.retransmits,
        words::age(age)
    );
    Some(Finding {
        facts: vec![
            diag("idiag_timer", Value::Word("keepalive".into())),
            diag_count("idiag_retrans", timer.retransmits.into()),
            tcp_age("tcpi_last_ack_recv", age),
        ],
        ruled_out: "Not a connection that is merely idle: a peer that is alive answers each probe.",
        next: ask_for_the_host(&socket.peer),
        ..Finding::new(&RULE, Severity::Error, Subject::Socket(at), headline)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::testing::{commands, found, idle, socket, timer};
    use crate::sockets::{Address, Socket, TcpFigures};

    fn probed(kind: TimerKind, probes: u8) -> Socket {
        Socket {
            timer: Some(timer(kind, probes)),
            peer: Address::Ip {
                addr: [10, 9, 1, 1].into(),
                port: 5432,
                scope: 0,
            },
            ..socket(State::Established, 0, 0)
        }
    }

    fn quiet(last_ack_recv_ms: Option<u32>) -> TcpFigures {
        TcpFigures {
            last_ack_recv_ms,
            ..idle()
        }
    }

    #[test]
    fn two_unanswered_probes_fire() {
        let finding = found(&probed(TimerKind::Keepalive, 2), quiet(Some(14_000))).unwrap();
        assert_eq!(
            finding.headline,
            "keepalive unanswered: 2 probes, last ACK 14 s ago"
        );
        assert_eq!(commands(&finding)[0], "sockdoc ping 10.9.1.1");
    }

    #[test]
    fn answered_probes_and_a_single_lost_one_stay_silent() {
        for probes in [0, 1] {
            let socket = probed(TimerKind::Keepalive, probes);
            assert_eq!(found(&socket, quiet(Some(14_000))), None);
        }
        // An ACK that has just come, or of unknown age.
        for age in [Some(200), None] {
            assert_eq!(found(&probed(TimerKind::Keepalive, 5), quiet(age)), None);
        }
    }

    #[test]
    fn the_timer_of_a_handshake_or_of_fin_wait_2_is_another_one() {
        for state in [State::SynRecv, State::FinWait2, State::TimeWait] {
            let socket = Socket {
                state,
                ..probed(TimerKind::Keepalive, 3)
            };
            assert_eq!(found(&socket, quiet(Some(14_000))), None);
        }
    }
}
