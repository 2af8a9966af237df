//! Packets with addresses that cannot be.

use super::{Check, Rule, seconds};
use crate::diagnose::{Case, Command, Fact, Finding, Severity, Subject, Value};

/// Martians.
pub static MARTIAN_PACKETS: Rule = Rule::new(
    "martian_packets",
    "packets with impossible addresses",
    [
        "Packets arrive from the network with a source that cannot be out there: an address of this host, a loopback, \
         multicast or zero address; or for 127.0.0.0/8. The kernel drops them. An address of this host as their source \
         means that another host uses the same address, or that packets come back in a loop.",
        "The kernel's drop reasons IP_LOCAL_SOURCE, IP_INVALID_SOURCE and IP_LOCALNET, counted between two samples at \
         the tracepoint skb:kfree_skb, together at least 3.",
        "A source that is only on another interface is the matter of rp_filter. A single odd packet is everyday on a \
         shared network.",
        "Find the sender by its link-layer address: tcpdump -e.",
    ],
    Check::Host(check),
);

const REASONS: [(&str, &str); 3] = [
    (
        "IP_LOCAL_SOURCE",
        "come from an address of this host: another host has it too, or they run in a loop",
    ),
    (
        "IP_INVALID_SOURCE",
        "come from an address that no host can have",
    ),
    ("IP_LOCALNET", "come from or go to a loopback address"),
];

fn check(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (netns, network) in case.networks() {
        let Some(traced) = case.traced(netns) else {
            continue;
        };
        let counts = REASONS.map(|(reason, _)| traced.dropped(reason));
        let packets: u64 = counts.iter().sum();
        if packets < 3 {
            continue;
        }
        let counted = REASONS.iter().zip(counts).filter(|(_, count)| *count > 0);
        let most = counted.clone().max_by_key(|(_, count)| *count);
        let words = most.map_or("", |((_, words), _)| words);
        let flows = traced
            .flows
            .iter()
            .filter(|flow| REASONS.iter().any(|(reason, _)| *reason == &*flow.reason));
        let such_as = flows
            .max_by_key(|flow| flow.packets)
            .map_or_else(String::new, |flow| {
                let by = network.link(flow.interface).map_or("?", |link| &link.name);
                format!(" ({} to {} by {by})", flow.source, flow.destination.0)
            });
        found.push(Finding {
            facts: counted
                .map(|((reason, _), count)| Fact::new("skb:kfree_skb", reason, Value::Count(count)))
                .collect(),
            ruled_out: "Not a firewall: the kernel's check of addresses dropped them.",
            next: vec![
                Command::of("tcpdump -eni any -c 5 inbound and ip").into(),
                "With -e it shows the link-layer address of the sender.".into(),
                Command::of("ip address").into(),
            ],
            ..Finding::new(
                &MARTIAN_PACKETS,
                Severity::Warning,
                Subject::Network { netns },
                format!(
                    "martian packets: {packets} in {}{such_as} {words}",
                    seconds(case)
                ),
            )
        });
    }
    found
}
