//! A connection is complete, and the program has not accepted it.

use super::super::{Cause, Check, Rule, diag_count, tcp_age, watch_program};
use super::ACCEPT_QUEUE_FULL;
use crate::diagnose::{Case, Command, Finding, Role, Severity, Subject, words};
use crate::host::SocketAt;
use crate::sockets::{Proto, State};

/// The rule.
pub static RULE: Rule = Rule {
    id: "not_accepted",
    title: "not accepted",
    meaning: "The client believes it is connected and waits; the program that listens has not called accept() \
        for it.",
    proof: "ESTABLISHED (or CLOSE-WAIT, if the peer gave up meanwhile) with inode 0: the kernel gives a \
        connection its inode in accept(). Its age is tcpi_last_data_sent: nothing can be sent before \
        accept(), so this clock has run since the handshake.",
    look_alikes: "A connection that is a few milliseconds old is about to be accepted. A socket that the \
        program has closed has inode 0 too, but is in FIN-WAIT, CLOSING or LAST-ACK.",
    next: "Find the program that listens and see what it does instead of accept().",
    because: &[Cause {
        rule: &ACCEPT_QUEUE_FULL,
        at: Role::Listener,
    }],
    check: Check::Socket(check),
};

/// How long a connection may wait for `accept()`, in milliseconds.
const PATIENCE_MS: u32 = 1_000;

fn check(case: &Case<'_>, at: SocketAt) -> Option<Finding> {
    let socket = case.socket(at);
    let waits = matches!(socket.state, State::Established | State::CloseWait)
        && socket.inode == 0
        && socket.proto == Proto::Tcp;
    let age = case.tcp(at).last_data_sent_ms?;
    if !waits || age <= PATIENCE_MS {
        return None;
    }
    let gave_up = match socket.state {
        State::CloseWait => "; the peer has closed",
        _ => "",
    };
    let headline = format!("not accepted for {}{gave_up}", words::age(age));
    let holding = holding(case, at);
    let next = if holding.is_empty() {
        let mut command = Command::of("sockdoc sockets -l");
        if let Some(port) = socket.local.port() {
            command = command.with(format!(":{port}"));
        }
        vec![
            command.into(),
            "It shows the program that listens. See what it does instead of accept().".into(),
        ]
    } else {
        watch_program(
            case,
            &holding,
            "It shows what the program that listens does instead of accept().",
        )
    };
    let role = |at| (Role::Listener, Subject::Socket(at));
    Some(Finding {
        others: holding.into_iter().map(role).collect(),
        facts: vec![
            diag_count("idiag_inode", 0),
            tcp_age("tcpi_last_data_sent", age),
        ],
        ruled_out: "Not a socket that the program has closed: that would be in FIN-WAIT or LAST-ACK.",
        next,
        ..Finding::new(&RULE, Severity::Warning, Subject::Socket(at), headline)
    })
}

/// The listener at which it waits: those that hold a connection, of several.
fn holding(case: &Case<'_>, at: SocketAt) -> Vec<SocketAt> {
    let mut listeners = case.index.listeners_of(at);
    if listeners.len() > 1 {
        listeners.retain(|at| case.socket(*at).recv_q > 0);
    }
    listeners
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::testing::{found, socket};
    use crate::sockets::Socket;
    use crate::sockets::TcpFigures;

    fn waiting(state: State) -> Socket {
        let mut socket = socket(state, 5, 0);
        socket.inode = 0;
        socket
    }

    fn age(ms: u32) -> TcpFigures {
        TcpFigures {
            last_data_sent_ms: Some(ms),
            // The client may well be sending.
            last_data_recv_ms: Some(3),
            last_ack_recv_ms: Some(3),
            ..TcpFigures::default()
        }
    }

    #[test]
    fn a_connection_that_waits_for_accept_fires_even_if_its_client_sends() {
        let finding = found(&waiting(State::Established), age(13_000)).unwrap();
        assert_eq!(finding.headline, "not accepted for 13 s");
        let finding = found(&waiting(State::CloseWait), age(200_000)).unwrap();
        assert_eq!(
            finding.headline,
            "not accepted for 3 min; the peer has closed"
        );
    }

    #[test]
    fn a_new_connection_and_one_of_unknown_age_stay_silent() {
        assert_eq!(found(&waiting(State::Established), age(1_000)), None);
        assert_eq!(
            found(&waiting(State::Established), TcpFigures::default()),
            None
        );
    }

    #[test]
    fn an_accepted_connection_and_one_closed_by_its_program_stay_silent() {
        assert_eq!(
            found(&socket(State::Established, 0, 0), age(90_000_000)),
            None
        );
        assert_eq!(found(&waiting(State::FinWait2), age(90_000)), None);
    }
}
