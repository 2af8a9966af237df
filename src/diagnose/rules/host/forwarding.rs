//! Packets that this host is to forward, and does not.

use super::{Check, Rule, growth, seconds};
use crate::diagnose::{Case, Command, Fact, Finding, Severity, Subject, Value};
use crate::host::Network;

/// Forwarding is off.
pub static FORWARDING_OFF: Rule = Rule::new(
    "forwarding_off",
    "this host does not forward packets",
    [
        "Packets for other hosts arrive at this host, which is connected to several networks, and net.ipv4.ip_forward \
         is 0: the kernel drops them. Containers and hosts that use it as their router reach nothing.",
        "IpInAddrErrors grew by at least 3 between two samples, net.ipv4.ip_forward is 0, and at least two interfaces \
         besides the loopback have addresses.",
        "A host of one network sometimes gets a packet that is not for it: that is everyday.",
        "Switch forwarding on: sysctl -w net.ipv4.ip_forward=1",
    ],
    Check::Host(check),
);

/// How many interfaces besides the loopback have an address of IPv4.
fn networks(network: &Network) -> usize {
    let mut with_address: Vec<u32> = network
        .addresses
        .iter()
        .filter(|it| it.address.is_ipv4())
        .filter(|it| {
            network
                .link(it.interface)
                .is_some_and(|link| !link.loopback)
        })
        .map(|it| it.interface)
        .collect();
    with_address.sort_unstable();
    with_address.dedup();
    with_address.len()
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (netns, network) in case.networks() {
        let mut facts = growth(case, netns, &["IpInAddrErrors"]);
        let grown: u64 = facts.iter().map(|it| it.0).sum();
        let off = network.settings.number("net.ipv4.ip_forward") == Some(0);
        if grown < 3 || !off || networks(network) < 2 {
            continue;
        }
        let traced = case.traced(netns).unwrap_or_default();
        let flows = traced
            .flows
            .iter()
            .filter(|it| &*it.reason == "IP_INADDRERRORS");
        let such_as = flows
            .max_by_key(|it| it.packets)
            .map_or_else(String::new, |it| {
                format!(", such as {} to {}", it.source, it.destination.0)
            });
        let mut facts: Vec<Fact> = facts.drain(..).map(|it| it.1).collect();
        facts.push(Fact::new("sysctl", "net.ipv4.ip_forward", Value::Count(0)));
        found.push(Finding {
            facts,
            ruled_out: "Not a firewall or a missing route: the kernel does not try to forward.",
            next: vec![
                Command::of("sysctl net.ipv4.ip_forward").into(),
                "If this host is a router or has containers, set it to 1. Otherwise find out who sends these \
                 packets here."
                    .into(),
            ],
            ..Finding::new(
                &FORWARDING_OFF,
                Severity::Error,
                Subject::Network { netns },
                format!(
                    "ip_forward is 0: {grown} packets for other hosts dropped in {}{such_as}",
                    seconds(case)
                ),
            )
        });
    }
    found
}
