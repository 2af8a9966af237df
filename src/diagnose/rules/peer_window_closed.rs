//! The peer takes no more data: its program does not read.
//!
//! Proof: the persist timer runs (the kernel probes the window) and the peer announces a window of
//! 0. While it is closed nothing is sent, so `tcpi_last_data_sent` tells for how long at least.
//!
//! Look-alikes: a slow reader closes its window for moments: below half a second this stays silent.
//! The persist timer alone may also mean a window that is merely too small for the next segment. The
//! number of probes proves nothing: each answer sets it back to 0.

use super::{Evidence, Finding, Rule, diag, tcp_info};
use crate::diagnose::{Severity, words};
use crate::sockets::TimerKind;

pub(super) const RULE: Rule = Rule {
    id: "peer_window_closed",
    check,
};

/// How long a window may be closed, in milliseconds.
const PATIENCE_MS: u32 = 500;

fn check(evidence: &Evidence<'_>) -> Option<Finding> {
    let socket = evidence.socket;
    let age = evidence.tcp.last_data_sent_ms;
    if socket.timer?.kind != TimerKind::Persist
        || evidence.tcp.snd_wnd? != 0
        || age.is_some_and(|age| age < PATIENCE_MS)
    {
        return None;
    }
    let mut facts = vec![
        diag("idiag_timer", &"persist"),
        tcp_info("tcpi_snd_wnd", &"0 bytes"),
    ];
    let since = age.map(|age| {
        facts.push(tcp_info("tcpi_last_data_sent", &format!("{age} ms")));
        format!(" for {}", words::age(age))
    });
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
        ruled_out: "The peer is alive and the way to it works: it answers the window probes.",
        next: "Look at the other end of this connection for a program that does not read: sockdoc \
            sockets there, Recv-Q above 0"
            .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample::{found, socket, timer};
    use super::*;
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
