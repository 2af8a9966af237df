//! The peer takes no more data: its program does not read.
//!
//! Proof: the persist timer runs (the kernel probes the window) and the peer announces a window of
//! 0. While it is closed nothing is sent, so `tcpi_last_data_sent` tells for how long at least. A probe
//! may carry data and begins that anew; who watches the connection knows better (`still_ms`).
//!
//! Look-alikes: a slow reader closes its window for moments: below half a second this stays silent.
//! The persist timer alone may also mean a window that is merely too small for the next segment. Of
//! this timer the kernel counts the probes that are unanswered: two of them and an old ACK are a peer
//! that is gone, which is `peer_silent`.

use super::peer_silent::unanswered_probes;
use super::{Evidence, Finding, Rule, diag, tcp_info};
use crate::diagnose::{Severity, words};
use crate::sockets::TimerKind;

pub(in crate::diagnose) const RULE: Rule = Rule {
    id: "peer_window_closed",
    check,
};

/// How long a window may be closed, in milliseconds.
const PATIENCE_MS: u32 = 500;

/// How old the last ACK may be, in milliseconds, if the peer answers the probes: they come two
/// minutes apart at most (`TCP_RTO_MAX`); with one on its way its answer is due.
fn young_ack_ms(probes: u8) -> u32 {
    if probes == 0 { 125_000 } else { 10_000 }
}

fn check(evidence: &Evidence<'_>) -> Option<Finding> {
    found(evidence, PATIENCE_MS)
}

/// The same with another patience, for who knows that the program does not read: milliseconds.
pub(in crate::diagnose) fn found(evidence: &Evidence<'_>, patience_ms: u32) -> Option<Finding> {
    let socket = evidence.socket;
    let sent = evidence.tcp.last_data_sent_ms;
    let age = sent.max(evidence.tcp.still_ms);
    let timer = socket.timer?;
    if timer.kind != TimerKind::Persist
        || unanswered_probes(evidence).is_some()
        || evidence.tcp.snd_wnd? != 0
        || age.is_some_and(|age| age < patience_ms)
    {
        return None;
    }
    let mut facts = vec![
        diag("idiag_timer", &"persist"),
        diag("idiag_retrans", &timer.retransmits),
        tcp_info("tcpi_snd_wnd", &"0 bytes"),
    ];
    let ack = evidence.tcp.last_ack_recv_ms;
    facts.extend(ack.map(|age| tcp_info("tcpi_last_ack_recv", &format!("{age} ms"))));
    let answers =
        timer.retransmits <= 1 && ack.is_some_and(|age| age <= young_ack_ms(timer.retransmits));
    facts.extend(sent.map(|age| tcp_info("tcpi_last_data_sent", &format!("{age} ms"))));
    let since = age.map(|age| format!(" for {}", words::age(age)));
    Some(Finding {
        id: RULE.id,
        severity: Severity::Warning,
        text: format!(
            "peer's window closed{}: {} wait",
            since.unwrap_or_default(),
            words::bytes(socket.send_q)
        ),
        evidence: facts,
        explanation: "The program at the other end does not read what it was sent; its buffer is full. \
            Once our send buffer is full too, send() blocks here.",
        ruled_out: if answers {
            "The peer is alive and the way to it works: it answers the window probes."
        } else {
            "No data is lost on the way: none is sent while the window is closed."
        },
        next: format!(
            "Look at the other end of this connection{} for a program that does not read: sockdoc \
             sockets there, Recv-Q above 0",
            socket
                .peer
                .ip()
                .zip(socket.peer.port())
                .map_or_else(String::new, |(ip, port)| format!(" ({ip} port {port})")),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample::{found, socket, timer};
    use super::{RULE, *};
    use crate::diagnose::TcpEvidence;
    use crate::sockets::{Socket, State};

    fn probing() -> Socket {
        let mut socket = socket(State::Established, 0, 2_616_320);
        socket.timer = Some(timer(TimerKind::Persist, 0));
        socket
    }

    fn window(snd_wnd: Option<u32>, age: u32) -> TcpEvidence {
        TcpEvidence {
            snd_wnd,
            last_data_sent_ms: Some(age),
            ..TcpEvidence::default()
        }
    }

    #[test]
    fn a_closed_window_that_is_probed_fires() {
        assert_eq!(
            found(&probing(), window(Some(0), 13_000)).unwrap().text,
            "peer's window closed for 13 s: 2.5 MiB wait"
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
            let tcp = TcpEvidence {
                last_ack_recv_ms: ack,
                ..window(Some(0), 13_000)
            };
            let finding = found(&socket, tcp).unwrap();
            assert_eq!(finding.id, RULE.id);
            assert_eq!(
                finding.ruled_out.contains("answers the window probes"),
                answers
            );
            assert_eq!(finding.evidence[1].value, probes.to_string());
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
