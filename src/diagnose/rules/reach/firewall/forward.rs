//! What this host does not forward for its own containers and virtual machines.

use std::net::IpAddr;

use super::super::{Check, Finding, Rule};
use super::Place;
use crate::diagnose::{Case, Command, Fact, Severity, Subject, Value};
use crate::host::Network;
use crate::host::traced::DroppedFlow;
use crate::nftables::{Fate, Hook, Packet, fate};

/// Forwarding is dropped.
pub static FORWARD_DROPPED: Rule = Rule::new(
    "forward_dropped",
    "this host's firewall does not forward packets of its containers",
    [
        "Containers or virtual machines are connected to a bridge of this host, and the firewall of this host drops \
         what they send to other hosts.",
        "The kernel dropped packets by its packet filter between two samples (drop reason NETFILTER_DROP), at least \
         2 of one flow, which came by a bridge from an address of its network and were for another host.",
        "Packets from outside that a router does not let in are what its firewall is for.",
        "Let the bridge's packets through in the forward hook.",
    ],
    Check::Host(forward_dropped),
);

fn forward_dropped(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (netns, network) in case.networks() {
        let traced = case.traced(netns).unwrap_or_default();
        let mut networks: Vec<(u32, u64, &DroppedFlow)> = Vec::new();
        for flow in &traced.flows {
            if flow.packets < 2 || !is_forwarded(network, flow) {
                continue;
            }
            match networks.iter_mut().find(|it| it.0 == flow.interface) {
                Some(known) => known.1 += flow.packets,
                None => networks.push((flow.interface, flow.packets, flow)),
            }
        }
        for (index, packets, flow) in networks {
            found.extend(finding(case, (netns, network), index, packets, flow));
        }
    }
    found
}

/// Whether it came by a bridge, from its own network, and is for another host.
fn is_forwarded(network: &Network, flow: &DroppedFlow) -> bool {
    let Some(link) = network.link(flow.interface) else {
        return false;
    };
    let own = network.addresses.iter();
    let to_us = own.clone().any(|it| it.address == flow.destination.0);
    let mut of_link = own.filter(|it| it.interface == flow.interface);
    &*flow.reason == "NETFILTER_DROP"
        && link.kind.as_deref() == Some("bridge")
        && !to_us
        && !flow.destination.0.is_multicast()
        && of_link.any(|it| same_prefix(it.address, flow.source, it.prefix))
}

fn same_prefix(a: IpAddr, b: IpAddr, prefix: u8) -> bool {
    let bits = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => (u128::from(ip.to_bits()) << 96, 32),
        IpAddr::V6(ip) => (ip.to_bits(), 128),
    };
    let ((a, length), (b, other)) = (bits(a), bits(b));
    let shift = 128 - u32::from(prefix);
    length == other && (prefix == 0 || a.checked_shr(shift) == b.checked_shr(shift))
}

fn finding(
    case: &Case<'_>,
    (netns, network): (u16, &Network),
    index: u32,
    packets: u64,
    flow: &DroppedFlow,
) -> Option<Finding> {
    let link = network.link(index)?;
    let packet = Packet {
        protocol: flow.protocol,
        source: Some((flow.source, 0)),
        destination: flow.destination,
        input: Some((index, &link.name)),
        output: None,
        state: Some(fate::NEW),
        tcp_flags: None,
        user: None,
    };
    let firewall = network.firewall.as_ref();
    let place = match firewall.map(|firewall| firewall.fate(Hook::Forward, &packet)) {
        Some(Fate::Rule(rule)) => Some(Place::Rule(rule)),
        Some(Fate::Policy(chain)) => Some(Place::Policy(chain)),
        _ => None,
    };
    let dropped = Fact::new("skb:kfree_skb", "NETFILTER_DROP", Value::Count(packets));
    let (mut facts, told) = match &place {
        Some(place) => place.evidence(case, netns),
        None => (
            Vec::new(),
            "a chain of the hook forward drops them".to_owned(),
        ),
    };
    facts.insert(0, dropped);
    let next = match &place {
        Some(place) => place.next(Hook::Forward),
        None => vec![
            Command::of("nft -a list ruleset").into(),
            "Look for a drop in a chain of the hook forward.".into(),
        ],
    };
    let (from, to) = (flow.source, std::net::SocketAddr::from(flow.destination));
    Some(Finding {
        facts,
        ruled_out: "Not the containers: their packets reach this host. Not the route: the packet filter drops them.",
        next,
        ..Finding::new(
            &FORWARD_DROPPED,
            Severity::Error,
            Subject::Interface { netns, index },
            format!(
                "this host does not forward what comes by {} ({packets} packets, such as {from} to {to}): {told}",
                link.name
            ),
        )
    })
}
