//! The peer has closed, and the program does not: a leak of sockets, or a program that hangs.

use super::super::{Check, Rule, diag_count, tcp_age, watch_program};
use crate::diagnose::{Case, Command, Finding, NextStep, Role, Severity, Subject, words};
use crate::host::SocketAt;
use crate::sockets::{Socket, State};

/// The rule.
pub static RULE: Rule = Rule {
    id: "close_never_called",
    title: "CLOSE-WAIT leak",
    meaning: "The peer has closed its sending side, but this program still holds the socket open. Each such \
        socket costs a descriptor; at the limit, accept() and connect() fail with EMFILE.",
    proof: "CLOSE-WAIT, and no ACK for a minute (the FIN carried one). Recv-Q counts the FIN as one byte: \
        0, the end of file was read; 1, it was not; more, there is unread data before it.",
    look_alikes: "A half-closed connection on which the program still sends gets ACKs, so its last ACK is \
        young. A peer that called shutdown() and waits for an answer looks the same from here, unless it \
        is on this host, whose state shows it. A connection that was not accepted has no program that \
        could close it.",
    next: "Find the code path that never calls close(), or see where the program hangs before it reads to \
        the end.",
    because: &[],
    check: Check::Socket(check),
};

/// How long a program may take to close, in milliseconds.
const PATIENCE_MS: u32 = 60_000;

fn check(case: &Case<'_>, at: SocketAt) -> Option<Finding> {
    let socket = case.socket(at);
    let age = case.tcp(at).last_ack_recv_ms?;
    if socket.state != State::CloseWait || socket.inode == 0 || age <= PATIENCE_MS {
        return None;
    }
    let ago = words::age(age);
    let read = how_far(socket);
    let facts = vec![
        tcp_age("tcpi_last_ack_recv", age),
        diag_count("idiag_rqueue", socket.recv_q),
    ];
    if let Some(other) = half_closed_by(case, at) {
        return Some(Finding {
            others: vec![(Role::OtherEnd, Subject::Socket(other))],
            meaning: "The peer has called shutdown() and not close(): it sends no more and waits for an \
                answer or the end. The program has sent nothing for a minute and holds its end open.",
            facts,
            ruled_out: "The peer has not closed: its socket is in FIN-WAIT-2 and has an owner on this host.",
            next: watch_program(
                case,
                &[at],
                "It shows whether the program works on its answer or forgot the socket.",
            ),
            // The end was read: the program may well be at work on its answer.
            ..Finding::new(
                &RULE,
                if socket.recv_q == 0 {
                    Severity::Notice
                } else {
                    Severity::Warning
                },
                Subject::Socket(at),
                format!("half-closed: the peer, on this host, has been waiting for {ago}; {read}"),
            )
        });
    }
    Some(Finding {
        facts,
        ruled_out: "Not a half-closed connection that is still sending: no ACK has arrived for a minute.",
        next: next(case, at),
        ..Finding::new(
            &RULE,
            Severity::Warning,
            Subject::Socket(at),
            format!("CLOSE-WAIT leak: peer closed at least {ago} ago; {read}"),
        )
    })
}

/// How far the program has read.
fn how_far(socket: &Socket) -> String {
    match socket.recv_q {
        0 => "EOF was read but close() was not called".to_owned(),
        1 => "EOF was not read".to_owned(),
        more => format!("{} and EOF not read", words::bytes(more - 1)),
    }
}

/// The peer, if it holds its socket and waits: it has not closed.
fn half_closed_by(case: &Case<'_>, at: SocketAt) -> Option<SocketAt> {
    let other = case.index.other_end(at)?;
    let peer = case.socket(other);
    (peer.state == State::FinWait2 && peer.inode != 0).then_some(other)
}

fn next(case: &Case<'_>, at: SocketAt) -> Vec<NextStep> {
    if case.socket(at).recv_q > 0 {
        return watch_program(
            case,
            &[at],
            "It shows where the program hangs: it does not read this socket to its end.",
        );
    }
    let forgot: NextStep =
        "The program saw the end (recv() returned 0) and forgot the socket: find the \
        code path that never calls close()."
            .into();
    if let Some(process) = case.index.processes(&[at]).first() {
        let pid = case.sample.process(*process).pid;
        let list = Command::of("sockdoc sockets --state close-wait --pid").with(pid);
        return vec![list.into(), forgot];
    }
    let mut steps = watch_program(case, &[at], "It shows which sockets it does close.");
    steps.push(forgot);
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::testing::{found, socket};
    use crate::sockets::TcpFigures;

    fn ack(ms: u32) -> TcpFigures {
        TcpFigures {
            last_ack_recv_ms: Some(ms),
            last_data_recv_ms: Some(ms),
            ..TcpFigures::default()
        }
    }

    #[test]
    fn the_text_says_how_far_the_program_got() {
        for (recv_q, text) in [
            (0, "EOF was read but close() was not called"),
            (1, "EOF was not read"),
            (6, "5 bytes and EOF not read"),
        ] {
            let finding = found(&socket(State::CloseWait, recv_q, 0), ack(200_000)).unwrap();
            assert_eq!(
                finding.headline,
                format!("CLOSE-WAIT leak: peer closed at least 3 min ago; {text}")
            );
        }
    }

    #[test]
    fn a_program_that_may_still_close_stays_silent() {
        assert_eq!(found(&socket(State::CloseWait, 0, 0), ack(60_000)), None);
    }

    #[test]
    fn a_half_closed_connection_that_still_sends_stays_silent() {
        let sending = TcpFigures {
            last_data_recv_ms: Some(600_000),
            ..ack(40)
        };
        assert_eq!(found(&socket(State::CloseWait, 0, 4_000), sending), None);
    }
}
