//! A socket holds a port, but neither listens nor connects.

use super::super::{Check, Rule, diag_count, watch_program};
use crate::diagnose::{Case, Command, Finding, Severity, Subject};
use crate::host::SocketAt;
use crate::sockets::State;

/// The rule.
pub static RULE: Rule = Rule {
    id: "bound_never_listened",
    title: "port held without listening",
    meaning: "The program called bind() and then neither listen() nor connect(). Other programs cannot \
        bind the port (EADDRINUSE), and connections to it are refused.",
    proof: "The state itself (bit 13 of sock_diag's mask, TCP_BOUND_INACTIVE). netstat, lsof and ss -a do \
        not show such a socket.",
    look_alikes: "This is only a notice: a client that binds before it connects is in this state for a \
        moment, and a program may hold a port as a lock, so that it runs only once. A listener is in LISTEN; TIME-WAIT blocks only programs without SO_REUSEADDR. If another \
        socket listens on the same address and port (SO_REUSEPORT), nothing is refused and this rule \
        stays silent.",
    next: "Look again. If the socket stays, its program hangs between bind() and listen(), or should close \
        it.",
    because: &[],
    check: Check::Socket(check),
};

fn check(case: &Case<'_>, at: SocketAt) -> Option<Finding> {
    let socket = case.socket(at);
    let port = socket.local.port().filter(|port| *port != 0)?;
    if socket.state != State::BoundInactive || !case.index.listeners_of(at).is_empty() {
        return None;
    }
    let mut next = vec![
        Command::of("sockdoc sockets")
            .with(format!(":{port}"))
            .into(),
        "If the socket is still there, its program hangs between bind() and listen(), should close it, or \
         holds the port as a lock. It is in the way only if another program wants the port (EADDRINUSE)."
            .into(),
    ];
    next.extend(watch_program(
        case,
        &[at],
        "It shows what the program does instead of listen().",
    ));
    let headline = format!("holds port {port} but never listened");
    Some(Finding {
        facts: vec![diag_count("idiag_state", State::BoundInactive as u32)],
        ruled_out: "Not a listener and not a remnant of a closed connection: those have other states.",
        next,
        ..Finding::new(&RULE, Severity::Notice, Subject::Socket(at), headline)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::testing::{found, socket};
    use crate::sockets::TcpFigures;

    #[test]
    fn a_bound_socket_that_does_nothing_fires() {
        let finding = found(&socket(State::BoundInactive, 0, 0), TcpFigures::default()).unwrap();
        assert_eq!(finding.headline, "holds port 80 but never listened");
        assert_eq!(finding.severity, Severity::Notice);
    }

    #[test]
    fn a_listener_and_a_time_wait_on_the_port_stay_silent() {
        for state in [State::Listen, State::TimeWait] {
            assert_eq!(found(&socket(state, 0, 4), TcpFigures::default()), None);
        }
    }
}
