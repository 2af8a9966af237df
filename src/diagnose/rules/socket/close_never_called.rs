//! The peer has closed, and the program does not: a leak of sockets, or a program that hangs.

use super::super::process::HELD_UP;
use super::super::{Check, Rule, diag_count, held_up_by, tcp_age, watch_program};
use crate::diagnose::{Case, Command, Finding, NextStep, Role, Severity, Subject, words};
use crate::host::SocketAt;
use crate::sockets::{Socket, State};

/// The rule.
pub static RULE: Rule = Rule {
    id: "close_never_called",
    title: "CLOSE-WAIT leak",
    meaning: "The peer has closed its sending side, but this program still holds the socket open. Each such \
        socket costs a descriptor; at the limit, accept() and connect() fail with EMFILE.",
    proof: "CLOSE-WAIT, and no ACK since (the FIN carried one): five connections of one process for ten \
        seconds, two for a minute, or one for two minutes, which is only a notice. Recv-Q counts the FIN as one byte: \
        0, the end of file was read; 1, it was not; more, there is unread data before it.",
    look_alikes: "A single connection may be one whose answer takes minutes. A half-closed connection on which the program still sends gets ACKs, so its last ACK is \
        young. A peer that called shutdown() and waits for an answer looks the same from here, unless it \
        is on this host, whose state shows it. A connection that was not accepted has no program that \
        could close it.",
    next: "Find the code path that never calls close(), or see where the program hangs before it reads to \
        the end.",
    because: HELD_UP,
    check: Check::Socket(check),
};

/// How long a program may take to close, in milliseconds: one connection, of which nobody can tell that no
/// answer is on its way; a few of a process; and many, which are a leak however young.
pub(super) const PATIENCE_MS: u32 = 120_000;
const FEW: (usize, u32) = (2, 60_000);
const MANY: (usize, u32) = (5, 10_000);

/// How many connections of the process have waited long enough to be a leak together, this one included.
fn leaked(case: &Case<'_>, at: SocketAt, age: u32) -> Option<usize> {
    [MANY, FEW].into_iter().find_map(|(least, patience)| {
        let ages = case.index.closing(at);
        let old = ages.len() - ages.partition_point(|age| *age <= patience);
        (age > patience && old >= least).then_some(old)
    })
}

fn check(case: &Case<'_>, at: SocketAt) -> Option<Finding> {
    let socket = case.socket(at);
    let age = case.tcp(at).last_ack_recv_ms?;
    if socket.state != State::CloseWait || socket.inode == 0 {
        return None;
    }
    let half_closed = case.index.half_closed_by(at);
    let leaked = leaked(case, at, age).filter(|_| half_closed.is_none());
    if leaked.is_none() && age <= PATIENCE_MS {
        return None;
    }
    let ago = words::age(age);
    let read = how_far(socket);
    let mut facts = vec![
        tcp_age("tcpi_last_ack_recv", age),
        diag_count("idiag_rqueue", socket.recv_q),
    ];
    if let Some(other) = half_closed {
        return Some(Finding {
            others: vec![(Role::OtherEnd, Subject::Socket(other))],
            meaning: "The peer has called shutdown() and not close(): it sends no more and waits for an \
                answer or the end. The program has sent nothing for minutes and holds its end open.",
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
    let count = leaked.and_then(|count| u32::try_from(count).ok());
    facts.extend(count.map(|count| diag_count("CLOSE-WAIT of the process", count)));
    Some(Finding {
        others: held_up_by(case, &[at]),
        facts,
        ruled_out: if leaked.is_some() {
            "Not one slow answer: several connections of the process are in this state, and none of them \
             sends."
        } else {
            "Not a half-closed connection that is still sending: no ACK has arrived for two minutes. A single \
             answer may take longer."
        },
        next: next(case, at),
        ..Finding::new(
            &RULE,
            // Data before the end that is not read is no answer being prepared.
            if leaked.is_some() || socket.recv_q > 1 {
                Severity::Warning
            } else {
                Severity::Notice
            },
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
    use crate::diagnose::testing::{figures, found, found_among, socket};
    use crate::sockets::{Address, TcpFigures};

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
    fn a_program_that_may_still_close_or_answer_stays_silent() {
        for recv_q in [0, 1, 600] {
            assert_eq!(
                found(&socket(State::CloseWait, recv_q, 0), ack(120_000)),
                None
            );
        }
    }

    /// This many connections of one process, closed by their clients so long ago.
    fn many(count: u16, age: u32) -> Option<Finding> {
        let closed = |port| {
            let socket = Socket {
                peer: Address::Ip {
                    addr: [10, 0, 0, 9].into(),
                    port,
                    scope: 0,
                },
                ..socket(State::CloseWait, 0, 0)
            };
            figures(socket, ack(age))
        };
        let others: Vec<Socket> = (1..count).map(closed).collect();
        found_among(&closed(0), &others)
    }

    #[test]
    fn the_count_counts_as_the_age_does() {
        let finding = many(50, 17_000).unwrap();
        assert_eq!(finding.severity, Severity::Warning);
        assert_eq!(
            finding.facts[2].value,
            super::super::super::Value::Count(50)
        );
        assert_eq!(many(5, 11_000).unwrap().severity, Severity::Warning);
        assert_eq!(many(2, 61_000).unwrap().severity, Severity::Warning);
        assert_eq!(many(1, 121_000).unwrap().severity, Severity::Notice);
        for (count, age) in [(50, 10_000), (4, 17_000), (2, 60_000), (1, 90_000)] {
            assert_eq!(many(count, age), None, "{count} for {age} ms");
        }
    }

    #[test]
    fn unread_data_of_a_single_connection_is_a_warning_at_last() {
        let finding = found(&socket(State::CloseWait, 6, 0), ack(121_000)).unwrap();
        assert_eq!(finding.severity, Severity::Warning);
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
