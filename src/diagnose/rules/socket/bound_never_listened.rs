//! A socket holds a port, but neither listens nor connects.

use std::fmt::Write as _;

use super::super::{Check, Rule, diag_count, watch_program};
use crate::diagnose::rules::host::{is_refused_at, wanted_by};
use crate::diagnose::{Case, Command, Finding, Severity, Subject, words};
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
    look_alikes: "This is only a notice unless connections to the port were refused between two samples: a \
        client that binds before it connects is in this state for a moment, and a program may hold a port as a \
        lock, so that it runs only once. The kernel tells of refused connections from this host whose \
        programs do not wait in connect(); a bind() that fails leaves no trace. A listener is in LISTEN; \
        TIME-WAIT blocks only programs without SO_REUSEADDR. If another socket listens on the same address \
        and port (SO_REUSEPORT), nothing is refused and this rule stays silent.",
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
    let mut headline = format!("holds port {port} but never listened");
    let mut facts = vec![diag_count("idiag_state", State::BoundInactive as u32)];
    let refused = u32::try_from(case.index.refused_at(at).count()).unwrap_or(u32::MAX);
    let (mut severity, ruled_out, then) = if refused > 0 {
        let _ = write!(
            headline,
            "; {} to it refused",
            words::count(refused, "connection")
        );
        facts.push(diag_count("refused between the samples", refused));
        (
            Severity::Warning,
            "Not only a lock: programs of this host tried to connect to the port.",
            "If the socket is still there, its program hangs between bind() and listen(), or should close it.",
        )
    } else {
        (
            Severity::Notice,
            "Not a listener and not a remnant of a closed connection: those have other states.",
            "If the socket is still there, its program hangs between bind() and listen(), should close it, or \
             holds the port as a lock. It is in the way only if another program wants the port (EADDRINUSE).",
        )
    };
    let look = Command::of("sockdoc sockets").with(format!(":{port}"));
    let mut next = vec![look.into(), then.into()];
    next.extend(watch_program(
        case,
        &[at],
        "It shows what the program does instead of listen().",
    ));
    if case.traced(socket.netns).is_some() && refused == 0 {
        // Who wants the port is known then; a port that nobody else wants is a lock.
        let short = u16::try_from(port).ok()?;
        let by = wanted_by(case, at).map(|by| format!("; {by} cannot bind it"));
        let clients =
            || is_refused_at(case, socket.netns, short).then(|| "; clients are refused".to_owned());
        headline.push_str(&by.or_else(clients)?);
        severity = Severity::Error;
    }
    Some(Finding {
        facts,
        ruled_out,
        next,
        ..Finding::new(&RULE, severity, Subject::Socket(at), headline)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::testing::{found, found_among, socket};
    use crate::sockdiag::TcpInfoValues;
    use crate::sockets::{Details, Socket, TcpFigures};

    #[test]
    fn a_bound_socket_that_does_nothing_fires() {
        let finding = found(&socket(State::BoundInactive, 0, 0), TcpFigures::default()).unwrap();
        assert_eq!(finding.headline, "holds port 80 but never listened");
        assert_eq!(finding.severity, Severity::Notice);
    }

    /// A closed connection to the port, which received `segs_in` segments and had `bytes_acked` bytes acknowledged.
    fn closed(segs_in: u32, bytes_acked: u64) -> Socket {
        let blank = socket(State::Unconnected, 0, 0);
        let info = TcpInfoValues {
            segs_in: Some(segs_in),
            bytes_acked: Some(bytes_acked),
            bytes_received: Some(0),
            ..TcpInfoValues::default()
        };
        Socket {
            local: blank.peer,
            peer: blank.local,
            inode: 0,
            details: Some(Box::new(Details {
                tcp: Some(info.into()),
                ..Details::default()
            })),
            ..socket(State::Unconnected, 0, 0)
        }
    }

    #[test]
    fn a_connection_that_was_refused_makes_it_a_warning() {
        let holder = socket(State::BoundInactive, 0, 0);
        let finding = found_among(&holder, &[closed(1, 0), closed(1, 0)]).unwrap();
        assert_eq!(
            finding.headline,
            "holds port 80 but never listened; 2 connections to it refused"
        );
        assert_eq!(finding.severity, Severity::Warning);
    }

    #[test]
    fn a_connection_without_an_answer_or_to_another_end_or_that_was_one_is_no_refusal() {
        let elsewhere = Socket {
            netns: 1,
            ..closed(1, 0)
        };
        let other_port = Socket {
            peer: closed(1, 0).local,
            ..closed(1, 0)
        };
        let holder = socket(State::BoundInactive, 0, 0);
        for client in [closed(0, 0), closed(3, 1), elsewhere, other_port] {
            let finding = found_among(&holder, &[client]).unwrap();
            assert_eq!(finding.severity, Severity::Notice);
        }
    }

    #[test]
    fn a_listener_and_a_time_wait_on_the_port_stay_silent() {
        for state in [State::Listen, State::TimeWait] {
            assert_eq!(found(&socket(state, 0, 4), TcpFigures::default()), None);
        }
    }
}
