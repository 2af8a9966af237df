//! Data has arrived, and the program does not read it.
//!
//! Proof: ESTABLISHED, Recv-Q above 0, and the last data came more than ten seconds ago. If we
//! announce a window of 0, the peer cannot send either: an error.
//!
//! Look-alikes: any Recv-Q of a busy connection (its last data is milliseconds old, however long its
//! queue); a slow reader whose window opens again and again gets new data each time. A connection
//! that was not accepted yet has nobody to read it: that is `not_accepted`.

use super::{Evidence, Finding, Rule, diag, tcp_info};
use crate::diagnose::{Severity, words};
use crate::sockets::State;

pub(super) const RULE: Rule = Rule {
    id: "not_reading",
    check,
};

/// How long data may wait to be read, in milliseconds.
const PATIENCE_MS: u32 = 10_000;

fn check(evidence: &Evidence<'_>) -> Option<Finding> {
    let socket = evidence.socket;
    let age = evidence.tcp.last_data_recv_ms?;
    let unread = socket.state == State::Established && socket.inode != 0 && socket.recv_q > 0;
    if !unread || age <= PATIENCE_MS {
        return None;
    }
    let closed = evidence.tcp.rcv_wnd == Some(0);
    let mut facts = vec![
        diag("idiag_rqueue", &socket.recv_q),
        tcp_info("tcpi_last_data_recv", &format!("{age} ms")),
    ];
    facts.extend(
        evidence
            .tcp
            .rcv_wnd
            .map(|bytes| tcp_info("tcpi_rcv_wnd", &format!("{bytes} bytes"))),
    );
    Some(Finding {
        id: RULE.id,
        severity: if closed {
            Severity::Error
        } else {
            Severity::Warning
        },
        text: format!(
            "application not reading: {} unread for {}{}",
            words::bytes(socket.recv_q),
            words::age(age),
            if closed { ", window closed" } else { "" }
        ),
        evidence: facts,
        explanation: "What the peer sent lies in the kernel and the program does not call recv(). With \
            a closed window the peer has to stop sending.",
        ruled_out: "It is no busy connection: no data has come for ten seconds, and the old data is \
            still there.",
        next: "See where the program hangs: strace -f -p PID".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample::{found, socket};
    use super::*;
    use crate::diagnose::TcpEvidence;

    fn tcp(last_data_recv_ms: u32, rcv_wnd: Option<u32>) -> TcpEvidence {
        TcpEvidence {
            last_data_recv_ms: Some(last_data_recv_ms),
            rcv_wnd,
            ..TcpEvidence::default()
        }
    }

    #[test]
    fn old_unread_data_fires_and_a_closed_window_makes_it_an_error() {
        let stuck = socket(State::Established, 4_352, 0);
        let finding = found(&stuck, tcp(13_000, Some(40_000))).unwrap();
        assert_eq!(
            finding.text,
            "application not reading: 4352 bytes unread for 13 s"
        );
        assert_eq!(finding.severity, Severity::Warning);
        let finding = found(&stuck, tcp(13_000, Some(0))).unwrap();
        assert_eq!(finding.severity, Severity::Error);
        assert!(finding.text.ends_with(", window closed"));
        assert!(found(&stuck, tcp(13_000, None)).is_some());
    }

    #[test]
    fn a_long_queue_of_a_busy_connection_stays_silent() {
        let busy = socket(State::Established, 6_000_000, 0);
        assert_eq!(found(&busy, tcp(12, Some(0))), None);
    }

    #[test]
    fn an_idle_connection_whose_data_was_read_stays_silent() {
        let idle = socket(State::Established, 0, 0);
        assert_eq!(found(&idle, tcp(86_400_000, Some(65_535))), None);
    }
}
