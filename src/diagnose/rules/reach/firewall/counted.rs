//! Rules of this host's firewall whose counters rose, and what they stop.

use std::net::IpAddr;

use super::{Check, Finding, Place, Rule, SYN, affected, culprits};
use crate::diagnose::{Case, Severity, Subject};
use crate::host::Network;
use crate::nftables::rule::{Comparison, Condition, Field};
use crate::nftables::{self, Fate, Hook, Packet, fate};
use crate::sockets::{Proto, State};

/// What programs send is stopped.
pub static OUTPUT_STOPPED: Rule = Rule::new(
    "output_stopped",
    "this host's firewall stops what its programs send",
    [
        "A firewall rule of this host drops or rejects packets of its own programs. They get an error \
         (ECONNREFUSED, EPERM, EHOSTUNREACH) or no answer.",
        "The counter of a rule that drops or rejects, in a chain that only the output or postrouting hook leads \
         to, rose by at least 2 between two samples.",
        "A counter that stands still counted earlier packets. What the input and forward hooks drop comes from \
         other hosts: scans, for example.",
        "Find the program, and let its destination through or stop it from asking.",
    ],
    Check::Host(output_stopped),
);

fn output_stopped(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (netns, network) in case.networks() {
        let culprits = culprits(case, netns, network);
        for (rule, grown) in risen(case, netns, network, 2) {
            let firewall = network.firewall.as_ref();
            let hooks = firewall.map(|it| it.hooks_to(rule)).unwrap_or_default();
            let outgoing = [Hook::Output, Hook::Postrouting];
            let is_ours = !hooks.is_empty() && hooks.iter().all(|it| outgoing.contains(it));
            let mut told = culprits.iter().map(|it| it.place);
            if !is_ours || told.any(|place| place == Place::Rule(rule)) {
                continue;
            }
            let place = Place::Rule(rule);
            let (facts, _) = place.evidence(case, netns);
            let text = firewall.map(|it| it.text(rule)).unwrap_or_default();
            found.push(Finding {
                facts,
                ruled_out: "Not packets of other hosts: only what programs of this host send meets this chain.",
                next: place.next(Hook::Output),
                ..Finding::new(
                    &OUTPUT_STOPPED,
                    Severity::Warning,
                    Subject::Network { netns },
                    format!(
                        "this host's firewall stopped {grown} packets of its own programs: {}: {text}",
                        rule.place()
                    ),
                )
            });
        }
    }
    found
}

/// Clients of a listener are stopped.
pub static LISTENER_FIREWALLED: Rule = Rule::new(
    "listener_firewalled",
    "this host's firewall stops the clients of a listener",
    [
        "A program listens on a port, and a rule of this host's firewall drops or rejects every new connection \
         to that port, whatever its source.",
        "The counter of a rule for that port in the input hook rose between two samples, and the rules, asked in \
         their order, let no other packet to the port pass.",
        "A rule for some sources only, a policy, or a rule for a port on which no program listens is how a firewall \
         should be.",
        "Let the port through before that rule, or stop the listener.",
    ],
    Check::Host(listener_firewalled),
);

fn listener_firewalled(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (netns, network) in case.networks() {
        for (rule, _) in risen(case, netns, network, 1) {
            let Some(port) = port_of(rule) else { continue };
            let Some(at) = case.sample.places().find(|at| {
                let socket = case.socket(*at);
                let open = socket.local.end();
                socket.netns == netns
                    && socket.state == State::Listen
                    && socket.proto == Proto::Tcp
                    && open.is_some_and(|(ip, of)| of == port && !ip.is_loopback())
            }) else {
                continue;
            };
            let Some(hook) = stops_all(network, rule, case.socket(at).local.end()) else {
                continue;
            };
            let place = Place::Rule(rule);
            let (facts, told) = place.evidence(case, netns);
            let who = case.index.processes(&[at]);
            let who = who.first().map_or_else(String::new, |process| {
                let process = case.sample.process(*process);
                format!(
                    ", on which {} listens",
                    String::from_utf8_lossy(&process.comm)
                )
            });
            found.push(Finding {
                others: affected(&[at]),
                facts,
                ruled_out: "Not a full accept queue: the packets do not reach the listener.",
                next: place.next(hook),
                ..Finding::new(
                    &LISTENER_FIREWALLED,
                    Severity::Warning,
                    Subject::Socket(at),
                    format!("this host's firewall stops connections to port {port}{who}: {told}"),
                )
            });
        }
    }
    found
}

/// The rules that drop or reject and whose counter rose at least this far.
fn risen<'a>(
    case: &Case<'a>,
    netns: u16,
    network: &'a Network,
    least: u64,
) -> Vec<(&'a nftables::Rule, u64)> {
    let before = case
        .network_before(netns)
        .and_then(|it| it.firewall.as_ref());
    let Some((now, before)) = network.firewall.as_ref().zip(before) else {
        return Vec::new();
    };
    let ending = now.rules.iter().filter(|rule| rule.verdict.is_the_end());
    ending
        .filter_map(|rule| {
            let earlier = before.same_rule(rule)?.packets?;
            let grown = rule.packets?.checked_sub(earlier)?;
            (grown >= least).then_some((rule, grown))
        })
        .collect()
}

/// The one TCP port that a rule is about.
fn port_of(rule: &nftables::Rule) -> Option<u16> {
    rule.conditions
        .iter()
        .find_map(|condition| match condition {
            Condition::Compare {
                field: Field::Header(2, 2, 2),
                comparison: Comparison::Equal,
                value,
                ..
            } => Some(u16::from_be_bytes(value.as_slice().try_into().ok()?)),
            Condition::Ports([0, u16::MAX], [port, same]) if port == same => Some(*port),
            _ => None,
        })
}

/// The hook at which a rule stops all that begin a connection to a listener by some interface.
fn stops_all(
    network: &Network,
    rule: &nftables::Rule,
    listener: Option<(IpAddr, u16)>,
) -> Option<Hook> {
    let firewall = network.firewall.as_ref()?;
    let (ip, port) = listener?;
    let outside = network
        .links
        .iter()
        .filter(|link| link.up && !link.loopback);
    for link in outside {
        // A listener on all addresses is asked at those of the interface.
        let own = network
            .addresses
            .iter()
            .filter(|it| it.interface == link.index);
        let own = own.map(|it| it.address);
        for address in own.filter(|own| ip.is_unspecified() || ip == *own) {
            let packet = Packet {
                protocol: 6,
                source: None,
                destination: (address, port),
                input: Some((link.index, &link.name)),
                output: None,
                state: Some(fate::NEW),
                tcp_flags: Some(SYN),
                user: None,
            };
            for hook in [Hook::Prerouting, Hook::Input] {
                if firewall.fate(hook, &packet) == Fate::Rule(rule) {
                    return Some(hook);
                }
            }
        }
    }
    None
}
