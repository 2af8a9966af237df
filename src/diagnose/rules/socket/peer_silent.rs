//! What we sent is not acknowledged: the peer, or the path to it, is gone.

use super::super::{Cause, Check, Rule, ask_for_the_host, diag, diag_count, path, reach, tcp_age};
use crate::diagnose::{Case, Finding, Role, Severity, Subject, Value, words};
use crate::host::SocketAt;
use crate::sockets::{State, TimerKind};

/// The rule.
pub static RULE: Rule = Rule {
    id: "peer_silent",
    title: "peer silent",
    meaning: "The peer is down, the path to it is cut, or a firewall forgot the connection. The kernel keeps \
        trying for about 15 minutes (net.ipv4.tcp_retries2), then the program gets ETIMEDOUT.",
    proof: "The retransmission timer runs, and the oldest segment was sent again at least twice without an \
        answer. Or the persist timer runs, at least two window probes are unanswered (an answer resets \
        their count), and the last ACK is old.",
    look_alikes: "Data in flight (Send-Q above 0) and one lost segment are everyday. A peer that is alive \
        with a closed window answers the probes. Retransmissions without a backoff mean that ICMP \
        unreachable messages arrive: the kernel takes a doubling back for each.",
    next: "Check the host and the route.",
    because: &[
        Cause::at(&reach::NO_ROUTE, Role::Itself),
        Cause::at(&reach::LINK_DOWN, Role::Itself),
        Cause::at(&reach::NEIGHBOUR_FAILED, Role::Itself),
        Cause::at(&reach::WRONG_SOURCE_ADDRESS, Role::Itself),
        Cause::at(&reach::OWN_FIREWALL_DROPS, Role::Itself),
        Cause::at(&path::MTU_BLACK_HOLE, Role::Itself),
    ],
    check: Check::Socket(check),
};

/// How old the last ACK is when probes count as unanswered, in milliseconds.
pub(super) const OLD_ACK_MS: u32 = 1_000;

/// Probes of the window that stay unanswered, if they prove that the peer is silent.
pub(super) fn unanswered_probes(case: &Case<'_>, at: SocketAt) -> Option<u8> {
    let timer = case.socket(at).timer?;
    let old = case.tcp(at).last_ack_recv_ms? >= OLD_ACK_MS;
    (timer.kind == TimerKind::Persist && timer.retransmits >= 2 && old).then_some(timer.retransmits)
}

fn check(case: &Case<'_>, at: SocketAt) -> Option<Finding> {
    let socket = case.socket(at);
    let sends = matches!(
        socket.state,
        State::Established | State::CloseWait | State::FinWait1 | State::Closing | State::LastAck
    );
    if !sends {
        return None;
    }
    let (what, timer, count, ruled_out) = if let Some(probes) = unanswered_probes(case, at) {
        (
            format!(
                "{} unanswered",
                words::count(u32::from(probes), "window probe")
            ),
            "persist",
            probes,
            "Not a peer that is merely slow to read: it would still answer the window probes.",
        )
    } else {
        let repetitions = case.retransmits(at).filter(|count| *count >= 2)?;
        if socket.timer?.kind != TimerKind::Retransmit {
            return None;
        }
        (
            words::count(u32::from(repetitions), "retransmission"),
            "retransmission",
            repetitions,
            "Not a peer that is merely slow to read: it would still acknowledge.",
        )
    };
    let mut facts = vec![
        diag("idiag_timer", Value::Word(timer.into())),
        diag_count("idiag_retrans", count.into()),
    ];
    let tcp = case.tcp(at);
    let since = tcp.last_ack_recv_ms.map(|age| {
        facts.push(tcp_age("tcpi_last_ack_recv", age));
        format!(", last ACK {} ago", words::age(age))
    });
    let unreachable = timer == "retransmission" && tcp.backoff == Some(0);
    let until = if unreachable {
        "; routers answer unreachable".to_owned()
    } else if let Some(left) = gives_up_in(case, at).filter(|_| timer == "retransmission") {
        format!(
            "; the kernel gives up in {} at the latest",
            words::age(left)
        )
    } else {
        String::new()
    };
    let headline = format!("peer silent: {what}{}{until}", since.unwrap_or_default());
    Some(Finding {
        facts,
        ruled_out,
        next: ask_for_the_host(&socket.peer),
        ..Finding::new(&RULE, Severity::Error, Subject::Socket(at), headline)
    })
}

/// The shortest and the longest wait between two retransmissions (`TCP_RTO_MIN`, `TCP_RTO_MAX`), in milliseconds.
const SHORTEST_MS: u64 = 200;
const LONGEST_MS: u64 = 120_000;

/// How long the kernel goes on sending again, in milliseconds: `tcp_model_timeout()` of `net/ipv4/tcp_timer.c` for
/// `tcp_retries2`, counted from the first repetition. A program may have set less (`TCP_USER_TIMEOUT`).
fn gives_up_in(case: &Case<'_>, at: SocketAt) -> Option<u32> {
    let socket = case.socket(at);
    let network = case.sample.networks.get(usize::from(socket.netns))?;
    let retries = network.settings.number("net.ipv4.tcp_retries2")?;
    let info = socket.tcp_info()?;
    let (repetitions, doublings) = (case.retransmits(at)?, info.backoff()?);
    // Of an orphan it gives up sooner; and where an ICMP error took a doubling back, the waits are not known.
    if socket.inode == 0 || doublings != repetitions || repetitions == 0 {
        return None;
    }
    let rto = u64::from(info.rto_us()?) / 1000;
    let first = rto.checked_shr(doublings.into())?.max(SHORTEST_MS);
    let waited = |number: u8| {
        first
            .checked_shl(number.into())
            .unwrap_or(LONGEST_MS)
            .min(LONGEST_MS)
    };
    let since: u64 = (1..repetitions).map(waited).sum();
    let since = since + u64::from(info.last_data_sent_ms()?);
    let doubled = u64::from((LONGEST_MS / SHORTEST_MS).ilog2());
    let all = ((2 << retries.min(doubled)) - 1) * SHORTEST_MS
        + retries.saturating_sub(doubled).min(255) * LONGEST_MS;
    let left = all.saturating_sub(since);
    u32::try_from(left).ok().filter(|left| *left > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::testing::{commands, found, sample, socket, timer};
    use crate::host::{Index, Network, Sample};
    use crate::sockdiag::TcpInfoValues;
    use crate::sockets::{Details, Socket, TcpFigures};

    fn repeated(times: u8, backoff: u8) -> TcpFigures {
        TcpFigures {
            retransmits: Some(times),
            backoff: Some(backoff),
            last_ack_recv_ms: Some(13_000),
            ..TcpFigures::default()
        }
    }

    #[test]
    fn two_unanswered_retransmissions_fire() {
        let mut sending = socket(State::Established, 0, 70_000);
        sending.timer = Some(timer(TimerKind::Retransmit, 4));
        assert_eq!(
            found(&sending, repeated(4, 4)).unwrap().headline,
            "peer silent: 4 retransmissions, last ACK 13 s ago"
        );
        let finding = found(&sending, repeated(4, 4)).unwrap();
        let commands = commands(&finding);
        assert_eq!(commands, ["nft list ruleset"]);
        assert!(
            found(&sending, repeated(4, 0))
                .unwrap()
                .headline
                .ends_with("; routers answer unreachable")
        );
    }

    #[test]
    fn data_on_its_way_and_one_retransmission_stay_silent() {
        let mut sending = socket(State::Established, 0, 70_000);
        for times in [0, 1] {
            sending.timer = Some(timer(TimerKind::Retransmit, times));
            assert_eq!(found(&sending, repeated(times, times)), None);
        }
    }

    #[test]
    fn two_unanswered_probes_of_a_window_and_an_old_ack_fire() {
        let mut waiting = socket(State::Established, 0, 70_000);
        waiting.timer = Some(timer(TimerKind::Persist, 5));
        let closed = TcpFigures {
            snd_wnd: Some(0),
            last_data_sent_ms: Some(60_000),
            last_ack_recv_ms: Some(40_000),
            ..repeated(0, 5)
        };
        let finding = found(&waiting, closed).unwrap();
        assert_eq!(finding.rule.id, "peer_silent");
        assert_eq!(finding.severity, Severity::Error);
        assert_eq!(
            finding.headline,
            "peer silent: 5 window probes unanswered, last ACK 40 s ago"
        );
        let figures: Vec<String> = finding
            .facts
            .iter()
            .map(|fact| fact.value.to_string())
            .collect();
        assert_eq!(figures, ["persist", "5", "40000 ms"]);
    }

    #[test]
    fn probes_that_are_answered_few_or_of_unknown_age_stay_silent() {
        let mut waiting = socket(State::Established, 0, 70_000);
        for (probes, last_ack_recv_ms) in [(1, Some(90_000)), (5, Some(200)), (5, None)] {
            waiting.timer = Some(timer(TimerKind::Persist, probes));
            let tcp = TcpFigures {
                last_ack_recv_ms,
                ..repeated(0, 5)
            };
            assert_eq!(found(&waiting, tcp), None);
        }
    }

    #[test]
    fn the_time_until_the_kernel_gives_up_is_what_its_model_leaves() {
        let left = |retries: &str, repetitions: u8, rto_ms: u32, sent: u32| {
            let info = TcpInfoValues {
                retransmits: Some(repetitions),
                backoff: Some(repetitions),
                rto_us: Some(rto_ms * 1000),
                last_data_sent_ms: Some(sent),
                ..TcpInfoValues::default()
            };
            let silent = Socket {
                timer: Some(timer(TimerKind::Retransmit, repetitions)),
                details: Some(Box::new(Details {
                    tcp: Some(info.into()),
                    ..Details::default()
                })),
                ..socket(State::Established, 0, 9)
            };
            let mut network = Network::default();
            network.settings.put("net.ipv4.tcp_retries2", retries);
            let sample = Sample {
                networks: vec![network],
                ..sample(vec![silent])
            };
            let index = Index::new(&sample);
            gives_up_in(&Case::new(&index), SocketAt(0))
        };
        // 924.6 s, as ip-sysctl has it.
        assert_eq!(left("15", 1, 400, 0), Some(924_600));
        // After repetitions 0.4 and 0.8 s apart, the last one 0.3 s ago.
        assert_eq!(left("15", 3, 1_600, 300), Some(924_600 - 1_500));
        assert_eq!(left("5", 1, 400, 100), Some(12_600 - 100));
        assert_eq!(left("15", 12, 120_000, 0), Some(924_600 - 444_400));
        assert_eq!(left("15", 30, 120_000, 0), None);
        assert_eq!(left("?", 3, 1_600, 300), None);
    }
}
