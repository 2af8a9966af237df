//! The peer takes no more data: its program does not read.

use super::super::{Cause, Check, Rule, diag, diag_count, tcp_age, tcp_info, watch_program};
use super::peer_silent::unanswered_probes;
use super::{NOT_ACCEPTED, NOT_READING};
use crate::diagnose::{Case, Command, Finding, NextStep, Role, Severity, Subject, Value, words};
use crate::host::SocketAt;
use crate::sockets::{Socket, TimerKind};

/// The rule.
pub static RULE: Rule = Rule {
    id: "peer_window_closed",
    title: "peer receive window full",
    meaning: "The program at the other end has stopped reading and its receive buffer is full. When the send \
        buffer here fills up, send() blocks.",
    proof: "The persist timer runs (the kernel probes the window) and the peer's window is 0. While it is \
        closed nothing is sent, so tcpi_last_data_sent tells for how long at least. A probe may carry data \
        and resets that; somebody who watches the connection knows better.",
    look_alikes: "A slow reader closes its window for moments: below half a second this stays silent. The \
        persist timer alone may also mean a window that is too small for the next segment. Two unanswered \
        probes and an old ACK are a peer that is gone.",
    next: "Look at the other end for a program that does not read.",
    because: &[
        Cause {
            rule: &NOT_READING,
            at: Role::OtherEnd,
        },
        Cause {
            rule: &NOT_ACCEPTED,
            at: Role::OtherEnd,
        },
    ],
    check: Check::Socket(check),
};

/// How long a window may be closed, in milliseconds.
const PATIENCE_MS: u32 = 500;

/// How old the last ACK may be, in milliseconds, if the peer answers the probes: they come two
/// minutes apart at most (`TCP_RTO_MAX`); with one in flight its answer is due.
fn young_ack_ms(probes: u8) -> u32 {
    if probes == 0 { 125_000 } else { 10_000 }
}

pub(in crate::diagnose::rules) fn check(case: &Case<'_>, at: SocketAt) -> Option<Finding> {
    let socket = case.socket(at);
    let tcp = case.tcp(at);
    let watched = case.sender.filter(|watched| watched.at == at);
    // Where nothing was read at all, a closed window is not a passing moment.
    let nothing_read = watched.is_some_and(|watched| watched.consumed == Some(0));
    let patience = if nothing_read { 0 } else { PATIENCE_MS };
    let sent = tcp.last_data_sent_ms;
    let age = sent.max(watched.and_then(|watched| watched.still_ms));
    let timer = socket.timer?;
    if timer.kind != TimerKind::Persist
        || unanswered_probes(case, at).is_some()
        || tcp.snd_wnd? != 0
        || age.is_some_and(|age| age < patience)
    {
        return None;
    }
    let mut facts = vec![
        diag("idiag_timer", Value::Word("persist".into())),
        diag_count("idiag_retrans", timer.retransmits.into()),
        tcp_info("tcpi_snd_wnd", Value::Bytes(0)),
    ];
    let ack = tcp.last_ack_recv_ms;
    facts.extend(ack.map(|age| tcp_age("tcpi_last_ack_recv", age)));
    let answers =
        timer.retransmits <= 1 && ack.is_some_and(|age| age <= young_ack_ms(timer.retransmits));
    facts.extend(sent.map(|age| tcp_age("tcpi_last_data_sent", age)));
    let since = age.map(|age| format!(" for {}", words::age(age)));
    let headline = format!(
        "peer receive window full{}; {} queued",
        since.unwrap_or_default(),
        words::bytes(socket.send_q)
    );
    let other = case.index.other_end(at);
    Some(Finding {
        others: other
            .map(|other| (Role::OtherEnd, Subject::Socket(other)))
            .into_iter()
            .collect(),
        facts,
        ruled_out: if answers {
            "The peer is alive and the path works: it answers the window probes."
        } else {
            "No data is lost on the path: none is sent while the window is closed."
        },
        next: match other.filter(|other| case.socket(*other).inode != 0) {
            Some(other) => watch_program(
                case,
                &[other],
                "The other end is on this host: it shows why its program does not read.",
            ),
            None => elsewhere(socket),
        },
        ..Finding::new(&RULE, Severity::Warning, Subject::Socket(at), headline)
    })
}

/// What to do if the other end is not on this host.
fn elsewhere(socket: &Socket) -> Vec<NextStep> {
    let mut command = Command::of("sockdoc sockets");
    if let Some(port) = socket.peer.port() {
        command = command.with(format!(":{port}"));
    }
    let there = match socket.peer.ip() {
        Some(ip) => format!(
            "Run it on {ip}, the other end: the program of the connection whose Recv-Q stays above 0 does \
             not read."
        ),
        None => "Run it on the host of the other end.".to_owned(),
    };
    vec![command.into(), there.into()]
}

#[cfg(test)]
mod tests {
    use super::{RULE, *};
    use crate::diagnose::testing::{found, socket, timer};
    use crate::sockets::TcpFigures;
    use crate::sockets::{Socket, State};

    fn probing() -> Socket {
        let mut socket = socket(State::Established, 0, 2_616_320);
        socket.timer = Some(timer(TimerKind::Persist, 0));
        socket
    }

    fn window(snd_wnd: Option<u32>, age: u32) -> TcpFigures {
        TcpFigures {
            snd_wnd,
            last_data_sent_ms: Some(age),
            ..TcpFigures::default()
        }
    }

    #[test]
    fn a_closed_window_that_is_probed_fires() {
        assert_eq!(
            found(&probing(), window(Some(0), 13_000)).unwrap().headline,
            "peer receive window full for 13 s; 2.5 MiB queued"
        );
    }

    #[test]
    fn the_peer_is_said_to_answer_only_if_it_does() {
        for (probes, ack, answers) in [
            (0, Some(300), true),
            (0, Some(110_000), true),
            (1, Some(300), true),
            (1, Some(60_000), false),
            (3, Some(300), false),
            (0, None, false),
        ] {
            let mut socket = probing();
            socket.timer = Some(timer(TimerKind::Persist, probes));
            let tcp = TcpFigures {
                last_ack_recv_ms: ack,
                ..window(Some(0), 13_000)
            };
            let finding = found(&socket, tcp).unwrap();
            assert_eq!(finding.rule, &RULE);
            assert_eq!(
                finding.ruled_out.contains("answers the window probes"),
                answers
            );
            assert_eq!(finding.facts[1].value, Value::Count(probes.into()));
        }
    }

    #[test]
    fn a_window_that_is_only_small_unknown_or_closed_for_a_moment_stays_silent() {
        for tcp in [
            window(Some(400), 9_000),
            window(None, 9_000),
            window(Some(0), 80),
        ] {
            assert_eq!(found(&probing(), tcp), None);
        }
    }

    #[test]
    fn a_window_of_nothing_before_the_connection_is_made_stays_silent() {
        let mut connecting = socket(State::SynSent, 0, 1);
        connecting.timer = Some(timer(TimerKind::Retransmit, 0));
        assert_eq!(found(&connecting, window(Some(0), 3_000)), None);
    }
}
