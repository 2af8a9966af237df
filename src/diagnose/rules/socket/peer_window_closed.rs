//! The peer takes no more data: its program does not read.

use super::super::{Cause, Check, Rule, diag, diag_count, tcp_age, tcp_info, watch_program};
use super::peer_silent::unanswered_probes;
use super::{NOT_ACCEPTED, NOT_READING, both_wait_to_be_read};
use crate::diagnose::{Case, Command, Finding, NextStep, Role, Severity, Subject, Value, words};
use crate::host::SocketAt;
use crate::sockets::{Socket, State, TimerKind};

/// The rule.
pub static RULE: Rule = Rule {
    id: "peer_window_closed",
    title: "peer receive window full",
    meaning: "The program at the other end has stopped reading and its receive buffer is full. When the send \
        buffer here fills up, send() blocks.",
    proof: "The persist timer runs (the kernel probes the window) and the peer's window is 0. While it is \
        closed nothing is sent, so tcpi_last_data_sent tells for how long at least; so does the number of \
        times that the timer was doubled (tcpi_backoff), which begins again when the window opens.",
    look_alikes: "A peer that reads what is there every few seconds closes its window in between: below ten \
        seconds this stays silent. The \
        persist timer alone may also mean a window that is too small for the next segment. Two unanswered \
        probes and an old ACK are a peer that is gone.",
    next: "Look at the other end for a program that does not read.",
    because: &[
        Cause::at(&NOT_READING, Role::OtherEnd),
        Cause::at(&NOT_ACCEPTED, Role::OtherEnd),
    ],
    check: Check::Socket(unless_both_wait),
};

/// How long a window may be closed, in milliseconds; and for somebody who watches the connection.
const PATIENCE_MS: u32 = 10_000;
const PATIENCE_OF_A_WATCHER_MS: u32 = 500;

/// The first wait of the persist timer is at least this long (`TCP_RTO_MIN`): milliseconds.
const FIRST_PROBE_MS: u32 = 200;

/// The timer is doubled at most so often.
const MOST_DOUBLINGS: u8 = 9;

/// For how long at least the window was closed, by the doublings of the timer: milliseconds.
fn by_backoff(backoff: u8) -> u32 {
    let waits = (1 << backoff.min(MOST_DOUBLINGS)) - 1;
    let more = u32::from(backoff.saturating_sub(MOST_DOUBLINGS));
    FIRST_PROBE_MS * (waits + more * (1 << MOST_DOUBLINGS))
}

/// For how long the window has been closed, in milliseconds, if that is too long.
pub(super) fn closed_for(case: &Case<'_>, at: SocketAt) -> Option<u32> {
    let tcp = case.tcp(at);
    let timer = case.socket(at).timer?;
    let age = tcp.last_data_sent_ms.max(tcp.backoff.map(by_backoff))?;
    let closed = timer.kind == TimerKind::Persist && tcp.snd_wnd == Some(0);
    (closed && age >= PATIENCE_MS).then_some(age)
}

/// The same, but where both ends wait for each other that is said once.
fn unless_both_wait(case: &Case<'_>, at: SocketAt) -> Option<Finding> {
    check(case, at).filter(|_| !both_wait_to_be_read::explains(case, at))
}

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
    let patience = match watched {
        Some(_) if nothing_read => 0,
        Some(_) => PATIENCE_OF_A_WATCHER_MS,
        None => PATIENCE_MS,
    };
    let sent = tcp.last_data_sent_ms;
    let still = watched.and_then(|watched| watched.still_ms);
    let age = sent.max(still).max(tcp.backoff.map(by_backoff));
    let timer = socket.timer?;
    if timer.kind != TimerKind::Persist
        || unanswered_probes(case, at).is_some()
        || tcp.snd_wnd? != 0
        || age.map_or(watched.is_none(), |age| age < patience)
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
    if is_orphan(socket) {
        let given_up = "No program waits for this: it was closed here, and the kernel tries to deliver the \
                        rest. It gives up after some minutes (net.ipv4.tcp_orphan_retries).";
        return vec![given_up.into()];
    }
    if socket.peer.ip().is_some_and(|ip| ip.is_loopback()) {
        let here = "The other end is on this host: the program of the connection whose Recv-Q stays above 0 \
                    does not read.";
        return vec![command.into(), here.into()];
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

/// Whether its program has closed it.
fn is_orphan(socket: &Socket) -> bool {
    let closing = matches!(
        socket.state,
        State::FinWait1 | State::Closing | State::LastAck
    );
    socket.inode == 0 && closing
}

#[cfg(test)]
mod tests {
    use super::{RULE, *};
    use crate::diagnose::testing::{found, socket, timer};
    use crate::sockets::Socket;
    use crate::sockets::TcpFigures;

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
            window(Some(0), 9_900),
        ] {
            assert_eq!(found(&probing(), tcp), None);
        }
    }

    #[test]
    fn the_doublings_of_the_timer_tell_the_time_as_well() {
        let doubled = |backoff| TcpFigures {
            backoff: Some(backoff),
            ..window(Some(0), 300)
        };
        assert_eq!(found(&probing(), doubled(5)), None);
        let finding = found(&probing(), doubled(6)).unwrap();
        assert!(
            finding.headline.contains("full for 12 s"),
            "{}",
            finding.headline
        );
        assert_eq!(by_backoff(0), 0);
        assert_eq!(by_backoff(255), 200 * (511 + 246 * 512));
    }

    #[test]
    fn an_orphan_is_not_sent_to_another_end() {
        let orphan = Socket {
            state: State::FinWait1,
            inode: 0,
            ..probing()
        };
        let finding = found(&orphan, window(Some(0), 13_000)).unwrap();
        let next = format!("{:?}", finding.next);
        assert!(
            !next.contains("127.0.0.1") && next.contains("closed here"),
            "{next}"
        );
    }

    #[test]
    fn a_window_of_nothing_before_the_connection_is_made_stays_silent() {
        let mut connecting = socket(State::SynSent, 0, 1);
        connecting.timer = Some(timer(TimerKind::Retransmit, 0));
        assert_eq!(found(&connecting, window(Some(0), 3_000)), None);
    }
}
