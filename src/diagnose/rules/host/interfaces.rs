//! Interfaces and their sending queues.

use super::{Check, Rule, counted, seconds};
use crate::diagnose::rules::affected;
use crate::diagnose::rules::reach::sent_again;
use crate::diagnose::{Case, Command, Fact, Finding, Severity, Subject, Value};
use crate::host::SocketAt;

/// Errors of an interface.
pub static INTERFACE_ERRORS: Rule = Rule::new(
    "interface_errors",
    "interface errors",
    [
        "The interface counts errors: packets that arrived damaged or could not be sent. The cable, the plug, \
         the card or its driver is at fault, or the ends disagree about the duplex mode.",
        "rx_errors, tx_errors or tx_dropped of the interface grew by at least 3 between two samples.",
        "rx_dropped also counts packets of protocols without a handler, so it is not used.",
        "Change the cable and the port; ethtool shows speed, duplex and the card's own counters.",
    ],
    Check::Host(errors),
);

fn errors(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (netns, network) in case.networks() {
        let Some(before) = case.network_before(netns) else {
            continue;
        };
        for link in &network.links {
            let Some(earlier) = before.link(link.index) else {
                continue;
            };
            let counters = [
                ("rx_errors", earlier.rx_errors, link.rx_errors),
                ("tx_errors", earlier.tx_errors, link.tx_errors),
                ("tx_dropped", earlier.tx_dropped, link.tx_dropped),
            ];
            let grown = counters
                .iter()
                .map(|(_, before, now)| now.saturating_sub(*before));
            let sum: u64 = grown.sum();
            // A veth counts what arrives while its other end is down.
            if sum < 3 || !link.carrier {
                continue;
            }
            let facts: Vec<Fact> = counters
                .iter()
                .filter(|(_, before, now)| now > before)
                .map(|(name, before, now)| counted("rtnetlink", name, *before, *now))
                .collect();
            let subject = Subject::Interface {
                netns,
                index: link.index,
            };
            let headline = format!("interface {}: {sum} errors in {}", link.name, seconds(case));
            found.push(Finding {
                facts,
                next: vec![
                    Command::of("ip -s -s link show dev")
                        .with(&link.name)
                        .into(),
                    Command::of("ethtool -S").with(&link.name).into(),
                    "The counters of the card say which kind of error it is.".into(),
                ],
                ..Finding::new(&INTERFACE_ERRORS, Severity::Warning, subject, headline)
            });
        }
    }
    found
}

/// A full queue of an interface.
pub static SEND_QUEUE_FULL: Rule = Rule::new(
    "send_queue_full",
    "sending queue full",
    [
        "This host wants to send more than the interface, or a limit set for it (tbf, htb), lets through. The \
         queueing discipline drops packets, and those that are not dropped wait: round trips grow.",
        "The drops of the interface's root queueing discipline grew by at least 3 between two samples.",
        "A queue that is merely long for a moment, and drops of a fair queue that are older than the look.",
        "Look at the queue with tc -s qdisc; raise the limit that was set, or send less.",
    ],
    Check::Host(queues),
);

fn queues(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (netns, network) in case.networks() {
        let Some(before) = case.network_before(netns) else {
            continue;
        };
        for qdisc in network.qdiscs.iter().filter(|qdisc| qdisc.root) {
            let is_it = |it: &&crate::rtnetlink::Qdisc| it.root && it.interface == qdisc.interface;
            let Some(earlier) = before.qdiscs.iter().find(is_it) else {
                continue;
            };
            let grown = qdisc.drops.saturating_sub(earlier.drops);
            if grown < 3 || earlier.kind != qdisc.kind {
                continue;
            }
            let name = network.link(qdisc.interface).map_or("?", |link| &link.name);
            let headline = format!(
                "sending queue of {name} full: {} dropped {grown} packets in {}",
                qdisc.kind,
                seconds(case)
            );
            let subject = Subject::Interface {
                netns,
                index: qdisc.interface,
            };
            found.push(Finding {
                others: affected(&sent_again_from(case, netns, qdisc.interface)),
                facts: vec![
                    counted(
                        "rtnetlink",
                        "drops",
                        earlier.drops.into(),
                        qdisc.drops.into(),
                    ),
                    Fact::new(
                        "rtnetlink",
                        "backlog",
                        Value::Bytes(qdisc.backlog_bytes.into()),
                    ),
                ],
                next: vec![
                    Command::of("tc -s qdisc show dev").with(name).into(),
                    Command::of("sockdoc sockets --seconds 2 --group process").into(),
                    "It shows which program sends how much.".into(),
                ],
                ..Finding::new(&SEND_QUEUE_FULL, Severity::Warning, subject, headline)
            });
        }
    }
    found
}

/// The connections from the addresses of an interface that had to send again.
fn sent_again_from(case: &Case<'_>, netns: u16, interface: u32) -> Vec<SocketAt> {
    let Some(network) = case.sample.networks.get(usize::from(netns)) else {
        return Vec::new();
    };
    let own = |ip: std::net::IpAddr| {
        let mut addresses = network.addresses.iter();
        addresses.any(|it| it.interface == interface && it.address == ip)
    };
    let is_one = |at: &SocketAt| {
        let socket = case.socket(*at);
        socket.netns == netns && socket.local.ip().is_some_and(own) && sent_again(case, *at) > 0
    };
    case.sample.places().filter(is_one).collect()
}
