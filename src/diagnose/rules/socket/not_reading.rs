//! Data has arrived, and the program does not read it.

use super::super::{Check, Rule, diag, tcp_age, tcp_info, watch_program};
use crate::diagnose::{Case, Finding, Severity, Subject, Value, words};
use crate::host::SocketAt;
use crate::sockets::State;

/// The rule.
pub static RULE: Rule = Rule {
    id: "not_reading",
    title: "application not reading",
    meaning: "Received data is waiting in the kernel because the program is not calling recv(). When its \
        receive window is closed, the peer has to stop sending.",
    proof: "ESTABLISHED, Recv-Q above 0, and the last data arrived more than ten seconds ago. If our window \
        is 0, the peer cannot send either: an error.",
    look_alikes: "The Recv-Q of a busy connection: its last data is milliseconds old, however long the \
        queue. A slow reader gets new data each time its window opens. A connection that was not accepted \
        has no program to read it.",
    next: "See where the program hangs.",
    because: &[],
    check: Check::Socket(check),
};

/// How long data may wait to be read, in milliseconds.
const PATIENCE_MS: u32 = 10_000;

fn check(case: &Case<'_>, at: SocketAt) -> Option<Finding> {
    let socket = case.socket(at);
    let tcp = case.tcp(at);
    let age = tcp.last_data_recv_ms?;
    let unread = socket.state == State::Established && socket.inode != 0 && socket.recv_q > 0;
    if !unread || age <= PATIENCE_MS {
        return None;
    }
    let (severity, closed) = match tcp.rcv_wnd {
        Some(0) => (Severity::Error, "; receive window closed"),
        _ => (Severity::Warning, ""),
    };
    let mut facts = vec![
        diag("idiag_rqueue", Value::Bytes(socket.recv_q.into())),
        tcp_age("tcpi_last_data_recv", age),
    ];
    let window = tcp.rcv_wnd.map(|bytes| Value::Bytes(bytes.into()));
    facts.extend(window.map(|bytes| tcp_info("tcpi_rcv_wnd", bytes)));
    let headline = format!(
        "application not reading: {} unread for {}{closed}",
        words::bytes(socket.recv_q),
        words::age(age),
    );
    Some(Finding {
        facts,
        ruled_out: "Not a busy connection: no data has arrived for ten seconds, and the old data is still \
            there.",
        next: watch_program(case, &[at], "It shows where the program hangs."),
        ..Finding::new(&RULE, severity, Subject::Socket(at), headline)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::testing::{found, socket};
    use crate::sockets::TcpFigures;

    fn tcp(last_data_recv_ms: u32, rcv_wnd: Option<u32>) -> TcpFigures {
        TcpFigures {
            last_data_recv_ms: Some(last_data_recv_ms),
            rcv_wnd,
            ..TcpFigures::default()
        }
    }

    #[test]
    fn old_unread_data_fires_and_a_closed_window_makes_it_an_error() {
        let stuck = socket(State::Established, 4_352, 0);
        let finding = found(&stuck, tcp(13_000, Some(40_000))).unwrap();
        assert_eq!(
            finding.headline,
            "application not reading: 4352 bytes unread for 13 s"
        );
        assert_eq!(finding.severity, Severity::Warning);
        let finding = found(&stuck, tcp(13_000, Some(0))).unwrap();
        assert_eq!(finding.severity, Severity::Error);
        assert!(finding.headline.ends_with("; receive window closed"));
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
