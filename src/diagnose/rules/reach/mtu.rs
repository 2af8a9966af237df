//! Packets that are too large for a link on the way.

use std::net::IpAddr;

use super::super::path::MTU_BLACK_HOLE;
use super::{Finding, affected};
use crate::diagnose::{Case, Command, Fact, Severity, Subject, Value};
use crate::host::SocketAt;
use crate::sockets::{Proto, State};

/// The paths of which that is proven, as findings of the rule.
pub fn black_holes(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (&(netns, to), sockets) in case.index.waiting() {
        let stuck: Vec<SocketAt> = sockets
            .iter()
            .copied()
            .filter(|at| is_stuck(case, *at))
            .collect();
        let Some(&first) = stuck.first() else {
            continue;
        };
        let Some(info) = case.socket(first).tcp_info() else {
            continue;
        };
        let sacked = stuck.iter().any(|at| {
            case.socket(*at)
                .tcp_info()
                .is_some_and(|it| it.sacked() > Some(0))
        });
        // A path that has carried such segments before is another case: its router may call the peer unreachable.
        let none_passed = info.bytes_acked() < info.snd_mss_bytes().map(u64::from);
        let refused = refused_icmp(case, netns).filter(|_| none_passed);
        if !sacked && refused.is_none() && !others_are_answered(case, netns, to, &stuck) {
            continue;
        }
        let why = match &refused {
            Some(from) => {
                format!("this host's firewall drops the ICMP errors that {from} sends about it")
            }
            None => "no ICMP says so".to_owned(),
        };
        let figure = |name, value: Option<u32>| {
            Fact::new("tcp_info", name, Value::Count(value.unwrap_or(0).into()))
        };
        let mtu = info.pmtu_bytes().unwrap_or(0);
        found.push(Finding {
            others: affected(&stuck),
            facts: vec![
                figure("tcpi_pmtu", info.pmtu_bytes()),
                figure("tcpi_snd_mss", info.snd_mss_bytes()),
                figure("tcpi_sacked", info.sacked()),
                figure("tcpi_backoff", info.backoff().map(u32::from)),
            ],
            ruled_out: "Not a peer that is gone: it acknowledges smaller packets.",
            next: vec![
                Command::of("sockdoc ping --mtu").with(to).into(),
                "It finds the largest packet that reaches the peer.".into(),
            ],
            ..Finding::new(
                &MTU_BLACK_HOLE,
                Severity::Error,
                Subject::Path { netns, to },
                format!(
                    "large packets vanish on the path to {to}: MTU {mtu} is too large, and {why}"
                ),
            )
        });
    }
    found
}

/// Whether a full-size segment was sent again at least twice, after something was acknowledged.
fn is_stuck(case: &Case<'_>, at: SocketAt) -> bool {
    let Some(info) = case.socket(at).tcp_info() else {
        return false;
    };
    let is_large = info
        .snd_mss_bytes()
        .is_some_and(|mss| case.socket(at).send_q >= mss);
    case.retransmits(at) >= Some(2)
        && info.backoff() >= Some(1)
        && is_large
        && info.snd_mss_bytes() >= Some(500)
        // The SYN counts as one.
        && info.bytes_acked() >= Some(1)
}

/// Who sends ICMP to this host that its packet filter drops; a router repeats its error for each large packet.
fn refused_icmp(case: &Case<'_>, netns: u16) -> Option<IpAddr> {
    const PROTOCOLS: [u8; 2] = [1, 58];
    let traced = case.traced(netns)?;
    let flow = traced.flows.iter().find(|flow| {
        &*flow.reason == "NETFILTER_DROP"
            && flow.interface != 0
            && PROTOCOLS.contains(&flow.protocol)
    })?;
    Some(flow.source)
}

/// Whether something came from the same peer while these waited, on another connection or on one of these that began
/// to wait later.
fn others_are_answered(case: &Case<'_>, netns: u16, to: IpAddr, stuck: &[SocketAt]) -> bool {
    let longest = stuck.iter().map(|at| at_least_stuck_ms(case, *at)).max();
    let mut places = case.sample.places();
    places.any(|at| {
        let socket = case.socket(at);
        socket.proto == Proto::Tcp
            && socket.netns == netns
            && socket.peer.ip() == Some(to)
            && matches!(socket.state, State::Established | State::CloseWait)
            && case
                .tcp(at)
                .last_ack_recv_ms
                .is_some_and(|age| Some(age) < longest)
    })
}

/// For how long at least the oldest segment has been sent again and again, in milliseconds: the waits between two
/// repetitions double.
fn at_least_stuck_ms(case: &Case<'_>, at: SocketAt) -> u32 {
    // TCP_RTO_MIN.
    const SHORTEST_MS: u32 = 200;
    let repetitions = case.retransmits(at).unwrap_or(0).min(9);
    SHORTEST_MS * ((1 << repetitions) - 1)
}
