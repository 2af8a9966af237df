//! The peer has sent its end, and the program does not close: a leak of sockets, or a program that
//! hangs.
//!
//! Proof: `CLOSE_WAIT`, and no ACK for a minute. The age is that of the last ACK (the FIN carried
//! one), not of the last data; nor is it that of the FIN, after which others may have come. Recv-Q counts the FIN as one byte: 0, the end of file was read; 1, it
//! was not; more, data before it is unread too.
//!
//! Look-alikes: a half-closed connection on which the program still sends gets ACKs, so its age
//! stays low. A peer that called `shutdown()` and waits for an answer looks the same from here; where
//! it is on this host, [`refine`](crate::diagnose::refine::refine) looks at it. A connection that was not accepted yet (inode 0) has no program that could close it:
//! that is `not_accepted`.

use super::{Evidence, Finding, Rule, diag, tcp_info};
use crate::diagnose::{Severity, words};
use crate::sockets::State;

pub(super) const RULE: Rule = Rule {
    id: "close_never_called",
    check,
};

/// How long a program may take to close, in milliseconds.
const PATIENCE_MS: u32 = 60_000;

/// How its text begins.
pub(in crate::diagnose) const FIN_RECEIVED: &str = "the peer sent its end (FIN)";

fn check(evidence: &Evidence<'_>) -> Option<Finding> {
    let socket = evidence.socket;
    let age = evidence.tcp.last_ack_recv_ms?;
    if socket.state != State::CloseWait || socket.inode == 0 || age <= PATIENCE_MS {
        return None;
    }
    let what = match socket.recv_q {
        0 => "end of file was read, close() never called".to_owned(),
        1 => "the program has not read the end of file".to_owned(),
        more => format!("{} and the end of file not read", words::bytes(more - 1)),
    };
    Some(Finding {
        id: RULE.id,
        severity: Severity::Warning,
        text: format!(
            "{FIN_RECEIVED}; nothing heard for {}; {what}",
            words::age(age)
        ),
        evidence: vec![
            tcp_info("tcpi_last_ack_recv", &format!("{age} ms")),
            diag("idiag_rqueue", &socket.recv_q),
        ],
        explanation: "The peer has sent all it will (close() or shutdown()) and the program holds its \
            end open. Each such socket costs a descriptor; at the limit, accept() and connect() fail with EMFILE.",
        ruled_out: "It is no half-closed connection that still sends: no ACK has come for a minute.",
        next: next(socket.recv_q),
    })
}

fn next(recv_q: u32) -> String {
    match recv_q {
        0 => {
            "The program saw the end (recv() gave 0) and forgot the socket: look for the path that \
              lacks close(). Descriptors of the process: ls /proc/PID/fd | wc -l"
        }
        _ => "The program does not read this socket to its end: strace -f -p PID shows where it hangs",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::sample::{found, socket};
    use super::*;
    use crate::diagnose::TcpEvidence;

    fn ack(ms: u32) -> TcpEvidence {
        TcpEvidence {
            last_ack_recv_ms: Some(ms),
            last_data_recv_ms: Some(ms),
            ..TcpEvidence::default()
        }
    }

    #[test]
    fn the_text_says_how_far_the_program_got() {
        for (recv_q, text) in [
            (0, "end of file was read, close() never called"),
            (1, "the program has not read the end of file"),
            (6, "5 bytes and the end of file not read"),
        ] {
            let finding = found(&socket(State::CloseWait, recv_q, 0), ack(200_000)).unwrap();
            assert_eq!(
                finding.text,
                format!("the peer sent its end (FIN); nothing heard for 3 min; {text}")
            );
        }
    }

    #[test]
    fn a_program_that_may_still_close_stays_silent() {
        assert_eq!(found(&socket(State::CloseWait, 0, 0), ack(60_000)), None);
    }

    #[test]
    fn a_half_closed_connection_that_still_sends_stays_silent() {
        let sending = TcpEvidence {
            last_data_recv_ms: Some(600_000),
            ..ack(40)
        };
        assert_eq!(found(&socket(State::CloseWait, 0, 4_000), sending), None);
    }
}
