//! This host's own firewall, on the way out.

use super::route::is_cut_off;
use super::{Check, Finding, Rule, affected};
use crate::diagnose::{Case, Command, Fact, Severity, Subject, Value};
use crate::host::SocketAt;
use crate::sockets::State;

/// Output is dropped.
pub static OWN_FIREWALL_DROPS: Rule = Rule::new(
    "own_firewall_drops",
    "this host's firewall drops what it sends",
    [
        "The packets of the connection do not leave this host: a firewall rule of its own (nftables or iptables, \
         hook output or postrouting) drops them.",
        "TcpExtTCPRetransFail grew between two samples: sending a segment again failed in this host, where the \
         kernel knows a route, the link is up and the neighbour answers.",
        "Where a firewall on the way or at the peer drops, sending succeeds here, and the counter stands still.",
        "List the rules of the output hook, and let the destination through.",
    ],
    Check::Host(check),
);

fn check(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (netns, network) in case.networks() {
        const NAME: &str = "TcpExtTCPRetransFail";
        let Some(grown) = case.grown(netns, NAME).filter(|grown| *grown > 0) else {
            continue;
        };
        let sockets = blocked(case, netns);
        let [first, ..] = sockets[..] else { continue };
        let now = network.counters.get(NAME).unwrap_or(grown);
        let fact = Fact {
            before: Some(Value::Count(now - grown)),
            ..Fact::new("/proc/net/netstat", NAME, Value::Count(now))
        };
        let peers: Vec<_> = sockets
            .iter()
            .filter_map(|at| case.socket(*at).peer.end())
            .collect();
        let to = case.socket(first).peer.ip();
        let one = peers.iter().all(|peer| *peer == peers[0]);
        let of_these = match (one, peers.first()) {
            (true, Some((ip, port))) => format!("to {}", std::net::SocketAddr::new(*ip, *port)),
            _ => format!("of {} connections", sockets.len()),
        };
        let subject = match to {
            Some(to) if one => Subject::Path { netns, to },
            _ => Subject::Network { netns },
        };
        found.push(Finding {
            others: affected(&sockets),
            facts: vec![fact],
            ruled_out: "Not a firewall elsewhere: sending fails in this host. Not the route, the link or the \
                next hop: those are as they should be.",
            next: vec![
                Command::of("nft -a list ruleset").into(),
                "Look for a drop in a chain of the hook output or postrouting.".into(),
            ],
            ..Finding::new(
                &OWN_FIREWALL_DROPS,
                Severity::Error,
                subject,
                format!("this host's firewall drops the packets {of_these}"),
            )
        });
    }
    found
}

/// The connections that wait although their packets could leave this host.
fn blocked(case: &Case<'_>, netns: u16) -> Vec<SocketAt> {
    let waiting = case.index.waiting().iter();
    let here = waiting.filter(|((of, to), _)| *of == netns && !is_cut_off(case, netns, *to));
    let mut sockets: Vec<SocketAt> = here
        .flat_map(|(_, sockets)| sockets.iter().copied())
        .collect();
    // Those that have never heard of their peer come first; if there are any, they are meant.
    let connecting = |at: &SocketAt| case.socket(*at).state == State::SynSent;
    if sockets.iter().any(connecting) {
        sockets.retain(connecting);
    }
    sockets
}
