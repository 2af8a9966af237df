//! A connection is complete, and the program has not accepted it.
//!
//! Proof: ESTABLISHED (or `CLOSE_WAIT`, if the peer gave up meanwhile) with inode 0: the kernel gives
//! a connection its inode in `accept()`. Its age is `tcpi_last_data_sent`: nothing can be sent before
//! `accept()`, so this clock has run since the handshake, whatever the client has sent meanwhile.
//!
//! Look-alikes: a connection that is a few milliseconds old is on its way. A socket that the program
//! has closed has inode 0 too, but is in `FIN_WAIT`, CLOSING or `LAST_ACK`.

use super::{Evidence, Finding, Rule, diag, tcp_info};
use crate::diagnose::{Severity, words};
use crate::sockets::{Proto, State};

pub(super) const RULE: Rule = Rule {
    id: "not_accepted",
    check,
};

/// How long a connection may wait for `accept()`, in milliseconds.
const PATIENCE_MS: u32 = 1_000;

fn check(evidence: &Evidence<'_>) -> Option<Finding> {
    let socket = evidence.socket;
    let waits = matches!(socket.state, State::Established | State::CloseWait)
        && socket.inode == 0
        && socket.proto == Proto::Tcp;
    let age = evidence.tcp.last_data_sent_ms?;
    if !waits || age <= PATIENCE_MS {
        return None;
    }
    let port = |before: &str| {
        let port = socket.local.port();
        port.map_or_else(String::new, |port| format!("{before}{port}"))
    };
    let gave_up = match socket.state {
        State::CloseWait => "; the peer sent its end (FIN)",
        _ => "",
    };
    Some(Finding {
        id: RULE.id,
        severity: Severity::Warning,
        text: format!("not accepted for {}{gave_up}", words::age(age)),
        evidence: vec![
            diag("idiag_inode", &0),
            tcp_info("tcpi_last_data_sent", &format!("{age} ms")),
        ],
        explanation: "The client believes it is connected and waits; the program that listens has not \
            called accept() for it.",
        ruled_out: "It is no socket that the program has closed: that would be in FIN_WAIT or \
            LAST_ACK.",
        next: format!(
            "Find the program that listens{} and see what it does instead of accept(): sockdoc \
             sockets -l{}",
            port(" on port "),
            port(" :"),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample::{found, socket};
    use super::*;
    use crate::diagnose::TcpEvidence;
    use crate::sockets::Socket;

    fn waiting(state: State) -> Socket {
        let mut socket = socket(state, 5, 0);
        socket.inode = 0;
        socket
    }

    fn age(ms: u32) -> TcpEvidence {
        TcpEvidence {
            last_data_sent_ms: Some(ms),
            // The client may well be sending.
            last_data_recv_ms: Some(3),
            last_ack_recv_ms: Some(3),
            ..TcpEvidence::default()
        }
    }

    #[test]
    fn a_connection_that_waits_for_accept_fires_even_if_its_client_sends() {
        let finding = found(&waiting(State::Established), age(13_000)).unwrap();
        assert_eq!(finding.text, "not accepted for 13 s");
        let finding = found(&waiting(State::CloseWait), age(200_000)).unwrap();
        assert_eq!(
            finding.text,
            "not accepted for 3 min; the peer sent its end (FIN)"
        );
    }

    #[test]
    fn a_new_connection_and_one_of_unknown_age_stay_silent() {
        assert_eq!(found(&waiting(State::Established), age(1_000)), None);
        assert_eq!(
            found(&waiting(State::Established), TcpEvidence::default()),
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
