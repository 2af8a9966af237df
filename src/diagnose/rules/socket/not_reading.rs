//! Data has arrived, and the program does not read it.

use super::super::process::HELD_UP;
use super::super::{Check, Rule, diag, held_up_by, tcp_age, tcp_info, watch_program};
use super::both_wait_to_be_read;
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
        is 0, the peer cannot send either: an error. With an open window it is a finding if the program has \
        sent nothing since, and is a server, or has 16 KiB unread.",
    look_alikes: "The Recv-Q of a busy connection: its last data is milliseconds old, however long the \
        queue. A slow reader gets new data each time its window opens, or has less to read in the second \
        of two samples. A client that only sends leaves unread what its server says unasked, such as \
        the session tickets of TLS 1.3: its window stays open. A connection that was not accepted has no \
        program to read it.",
    next: "See where the program hangs.",
    because: HELD_UP,
    check: Check::Socket(check),
};

/// How long data may wait to be read, in milliseconds.
pub(super) const PATIENCE_MS: u32 = 10_000;

/// More than what a server may send unasked, in bytes: the largest record of TLS.
const MORE_THAN_A_TICKET: u32 = 16 * 1024;

/// For how long what is unread has been there, in milliseconds, if that is too long.
pub(super) fn unread_for(case: &Case<'_>, at: SocketAt) -> Option<u32> {
    let socket = case.socket(at);
    let age = case.tcp(at).last_data_recv_ms?;
    let unread = socket.state == State::Established && socket.inode != 0 && socket.recv_q > 0;
    // Nothing has come since, so a shorter queue was read from.
    let is_read = (case.earlier(at)).is_some_and(|earlier| earlier.recv_q > socket.recv_q);
    (unread && age > PATIENCE_MS && !is_read).then_some(age)
}

/// Whether somebody waits for the program to read, although the peer could send more: it has not said
/// anything since, and it is a server, or there is more than what servers send unasked.
fn is_waited_for(case: &Case<'_>, at: SocketAt, age: u32) -> bool {
    let silent = (case.tcp(at).last_data_sent_ms).is_none_or(|sent| sent.saturating_add(1) >= age);
    let asked = || !case.index.listeners_of(at).is_empty();
    silent && (case.socket(at).recv_q > MORE_THAN_A_TICKET || asked())
}

fn check(case: &Case<'_>, at: SocketAt) -> Option<Finding> {
    let socket = case.socket(at);
    let tcp = case.tcp(at);
    let age = unread_for(case, at)?;
    let closed = tcp.rcv_wnd == Some(0);
    if !(closed || is_waited_for(case, at, age)) || both_wait_to_be_read::explains(case, at) {
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
        others: held_up_by(case, &[at]),
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
    use crate::diagnose::testing::{figures, found, found_among, found_since, socket};
    use crate::sockets::{Address, Socket, TcpFigures};

    fn tcp(last_data_recv_ms: u32, rcv_wnd: Option<u32>) -> TcpFigures {
        TcpFigures {
            last_data_recv_ms: Some(last_data_recv_ms),
            rcv_wnd,
            ..TcpFigures::default()
        }
    }

    /// A connection with unread data beside the listener that it came from.
    fn of_a_server(tcp: TcpFigures) -> Option<Finding> {
        let listener = Socket {
            peer: Address::None,
            inode: 8,
            ..socket(State::Listen, 0, 128)
        };
        found_among(
            &figures(socket(State::Established, 517, 0), tcp),
            &[listener],
        )
    }

    #[test]
    fn a_closed_window_is_an_error() {
        let stuck = socket(State::Established, 4_352, 0);
        let finding = found(&stuck, tcp(13_000, Some(0))).unwrap();
        assert_eq!(
            finding.headline,
            "application not reading: 4352 bytes unread for 13 s; receive window closed"
        );
        assert_eq!(finding.severity, Severity::Error);
    }

    #[test]
    fn a_server_that_reads_no_request_fires() {
        let finding = of_a_server(tcp(13_000, Some(40_000))).unwrap();
        assert_eq!(
            finding.headline,
            "application not reading: 517 bytes unread for 13 s"
        );
        assert_eq!(finding.severity, Severity::Warning);
        assert!(of_a_server(tcp(13_000, None)).is_some());
    }

    #[test]
    fn session_tickets_that_a_client_never_reads_stay_silent() {
        let client = socket(State::Established, 517, 0);
        assert_eq!(found(&client, tcp(600_000, Some(65_535))), None);
        let much = socket(State::Established, 20_000, 0);
        assert!(found(&much, tcp(600_000, Some(65_535))).is_some());
    }

    #[test]
    fn a_program_that_sends_on_need_not_read() {
        let sending = TcpFigures {
            last_data_sent_ms: Some(2_000),
            ..tcp(600_000, Some(65_535))
        };
        assert_eq!(of_a_server(sending), None);
        let long = socket(State::Established, 20_000, 0);
        assert_eq!(found(&long, sending), None);
        let asked = TcpFigures {
            last_data_sent_ms: Some(600_040),
            ..sending
        };
        assert!(of_a_server(asked).is_some());
    }

    #[test]
    fn a_slow_reader_has_less_to_read_in_the_second_sample() {
        let unread = |bytes| {
            let socket = socket(State::Established, bytes, 0);
            [figures(socket, tcp(13_000, Some(0)))]
        };
        assert_eq!(found_since(&unread(5_000), &unread(4_000)), None);
        assert!(found_since(&unread(5_000), &unread(5_000)).is_some());
    }

    #[test]
    fn a_long_queue_of_a_busy_connection_stays_silent() {
        let busy = socket(State::Established, 6_000_000, 0);
        assert_eq!(found(&busy, tcp(12, Some(0))), None);
        // One that reads every eight seconds.
        assert_eq!(found(&busy, tcp(8_000, Some(0))), None);
    }

    #[test]
    fn an_idle_connection_whose_data_was_read_stays_silent() {
        let idle = socket(State::Established, 0, 0);
        assert_eq!(found(&idle, tcp(86_400_000, Some(65_535))), None);
    }
}
