//! Rules of this host's firewall whose counters rose, and what they stop.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::{ACK, Check, Finding, Place, Rule, SYN, TCP, UDP, affected, culprits, way};
use crate::diagnose::{Case, Severity, Subject};
use crate::host::traced::DroppedFlow;
use crate::host::{Network, SocketAt};
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
         to, rose by at least 2 between two samples. Of a rule without a counter: the kernel dropped at least 2 \
         packets that this host sent to one address and port (drop reason NETFILTER_DROP), and the rules of the output \
         hook, asked in their order, stop such a packet.",
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
        let is_told = |to: SocketAddr| culprits.iter().any(|it| it.ends.contains(&to));
        found.extend(uncounted(case, netns, network, is_told));
    }
    found
}

/// What the output hook drops or rejects without a counter: datagrams (`EPERM` for the program), and attempts to
/// connect that leave no socket (`ECONNREFUSED`) and of which nothing is told yet.
fn uncounted(
    case: &Case<'_>,
    netns: u16,
    network: &Network,
    is_told: impl Fn(SocketAddr) -> bool,
) -> Option<Finding> {
    let traced = case.traced(netns)?;
    let ours = traced.flows.iter().filter(|flow| {
        &*flow.reason == "NETFILTER_DROP"
            && flow.interface == 0
            && (flow.protocol == UDP || flow.protocol == TCP && flow.begins)
            && !flow.destination.0.is_multicast()
            && !is_told(flow.destination.into())
    });
    let flow = ours.max_by_key(|flow| flow.packets)?;
    let (to, interface) = (
        SocketAddr::from(flow.destination),
        way(case, netns, flow.destination.0),
    );
    let link = interface.and_then(|(network, index)| network.link(index));
    let packet = Packet {
        protocol: flow.protocol,
        source: Some((flow.source, 0)),
        destination: flow.destination,
        input: None,
        output: link.map(|link| (link.index, &*link.name)),
        state: Some(fate::NEW),
        tcp_flags: (flow.protocol == TCP).then_some(SYN),
        user: None,
    };
    let place = match network.firewall.as_ref()?.fate(Hook::Output, &packet) {
        Fate::Rule(rule) => Place::Rule(rule),
        Fate::Policy(chain) => Place::Policy(chain),
        _ => return None,
    };
    // A rule with a counter has told already.
    let counted = matches!(place, Place::Rule(rule) if rule.packets.is_some());
    if flow.packets < 2 || counted {
        return None;
    }
    let (facts, told) = place.evidence(case, netns);
    let by = traced
        .sends
        .iter()
        .find(|it| it.errno == EPERM && it.protocol == u32::from(UDP) && flow.protocol == UDP);
    let by = by.map_or_else(String::new, |it| format!(" of {}", it.by));
    Some(Finding {
        facts,
        ruled_out: "Not packets of other hosts: programs of this host send them.",
        next: place.next(Hook::Output),
        ..Finding::new(
            &OUTPUT_STOPPED,
            Severity::Warning,
            Subject::Path { netns, to: to.ip() },
            format!(
                "this host's firewall stopped {} packets{by} to {to}: {told}",
                flow.packets
            ),
        )
    })
}

/// Clients of a listener are stopped.
pub static LISTENER_FIREWALLED: Rule = Rule::new(
    "listener_firewalled",
    "this host's firewall stops the clients of a listener",
    [
        "A program listens on a port, and a rule or policy of this host's firewall drops or rejects every new \
         connection to that port, whatever its source.",
        "Between two samples the kernel dropped at least 2 packets of one client to the port (20 of a client that is \
         neither on a network of this host nor private; drop reason NETFILTER_DROP), or, where that is not traced, the counter of a rule for that port rose; and the rules of \
         the input hook, asked in their order, let no other packet to the port pass. Or it dropped at least 2 packets \
         that this host sent to a client, and the rules of the output hook stop what the listener answers.",
        "A rule for some sources only, or for a port on which no program listens, is how a firewall should be. A host \
         that tries one port after the other is a scanner.",
        "Let the port through before that rule, or stop the listener.",
    ],
    Check::Host(listener_firewalled),
);

fn listener_firewalled(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (netns, network) in case.networks() {
        for (protocol, port, client) in knocked(case, netns, network) {
            let takes = |at: &SocketAt| {
                let socket = case.socket(*at);
                let open = socket.local.end();
                let proto = match protocol {
                    TCP => (Proto::Tcp, State::Listen),
                    _ => (Proto::Udp, State::Unconnected),
                };
                socket.netns == netns
                    && (socket.proto, socket.state) == proto
                    && open.is_some_and(|(ip, of)| of == port && !ip.is_loopback())
            };
            let Some(at) = case.sample.places().find(takes) else {
                continue;
            };
            let open = case.socket(at).local.end();
            let Some((hook, place)) = stops_all(network, protocol, open) else {
                continue;
            };
            let (facts, told) = place.evidence(case, netns);
            let who = case.index.processes(&[at]);
            let mut who = who.first().map_or_else(String::new, |process| {
                let process = case.sample.process(*process);
                let name = String::from_utf8_lossy(&process.comm);
                format!(", on which {name} listens")
            });
            if let Some((client, packets)) = client {
                let of_it = format!(" ({packets} packets of {client})");
                who.push_str(&of_it);
            }
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
        found.extend(answers_stopped(case, netns, network));
    }
    found
}

/// What listeners answer, and the rules of the output hook drop. The flows that were traced do not tell the port of the
/// listener: the rules do.
fn answers_stopped(case: &Case<'_>, netns: u16, network: &Network) -> Vec<Finding> {
    let traced = case.traced(netns).unwrap_or_default();
    let mut clients: BTreeMap<(IpAddr, IpAddr), (u64, u16)> = BTreeMap::new();
    let answers = traced.flows.iter().filter(|flow| {
        &*flow.reason == "NETFILTER_DROP"
            && flow.interface == 0
            && flow.protocol == TCP
            && !flow.begins
            && flow.source != flow.destination.0
    });
    for flow in answers {
        let ends = (flow.source, flow.destination.0);
        clients.entry(ends).or_insert((0, flow.destination.1)).0 += flow.packets;
    }
    clients.retain(|_, (packets, _)| *packets >= 2);
    let Some(firewall) = network.firewall.as_ref().filter(|_| !clients.is_empty()) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (at, socket) in case.sample.places().zip(&case.sample.sockets) {
        let listens = socket.netns == netns
            && socket.proto == Proto::Tcp
            && socket.state == State::Listen
            && !socket.local.ip().is_some_and(|ip| ip.is_loopback());
        let port = socket
            .local
            .port()
            .and_then(|port| u16::try_from(port).ok());
        let Some(port) = port.filter(|_| listens) else {
            continue;
        };
        let stopped = clients.iter().filter(|((own, _), _)| socket.takes(*own));
        let stopped = stopped.filter_map(|(&(own, client), &(packets, of_client))| {
            let (_, index) = way(case, netns, client)?;
            let packet = Packet {
                protocol: TCP,
                source: Some((own, port)),
                destination: (client, of_client),
                input: None,
                output: Some((index, &*network.link(index)?.name)),
                state: Some(fate::ESTABLISHED),
                tcp_flags: Some(SYN | ACK),
                user: None,
            };
            [Hook::Output, Hook::Postrouting]
                .into_iter()
                .find_map(|hook| {
                    let place = match firewall.fate(hook, &packet) {
                        Fate::Rule(rule) => Place::Rule(rule),
                        Fate::Policy(chain) => Place::Policy(chain),
                        _ => return None,
                    };
                    Some((hook, place, client, packets))
                })
        });
        let Some((hook, place, client, packets)) = stopped.max_by_key(|it| it.3) else {
            continue;
        };
        let (facts, told) = place.evidence(case, netns);
        let who = case.index.processes(&[at]);
        let who = who.first().map_or_else(String::new, |process| {
            let process = case.sample.process(*process);
            let name = String::from_utf8_lossy(&process.comm);
            format!(", on which {name} listens")
        });
        found.push(Finding {
            others: affected(&[at]),
            facts,
            ruled_out: "Not a full accept queue: the packets of the clients arrive, and the answers do not leave.",
            next: place.next(hook),
            ..Finding::new(
                &LISTENER_FIREWALLED,
                Severity::Warning,
                Subject::Socket(at),
                format!(
                    "this host's firewall drops the answers of port {port}{who} ({packets} packets to {client}): {told}"
                ),
            )
        });
    }
    found
}

/// Linux's errno.
const EPERM: i32 = 1;

/// A client, and how many packets of it were dropped.
type Client = Option<(IpAddr, u64)>;

/// Protocols and ports to which the packet filter dropped something, each once; with a client and how many packets
/// of it.
fn knocked(case: &Case<'_>, netns: u16, network: &Network) -> Vec<(u8, u16, Client)> {
    let mut ports: Vec<(u8, u16, Client)> = Vec::new();
    let Some(traced) = case.traced(netns) else {
        let risen = risen(case, netns, network, 1).into_iter();
        let ports = risen.filter_map(|(rule, _)| port_of(rule));
        return ports.map(|port| (TCP, port, None)).collect();
    };
    let incoming = traced.flows_for("NETFILTER_DROP");
    let often = |flow: &&DroppedFlow| flow.packets >= network.more_than_a_try(flow.source);
    let incoming = incoming.filter(|flow| flow.interface != 0).filter(often);
    for flow in incoming.filter(|flow| flow.begins || flow.protocol == 17) {
        let (to, port) = flow.destination;
        let is_own = network.addresses.iter().any(|it| it.address == to);
        if is_own && !ports.iter().any(|it| (it.0, it.1) == (flow.protocol, port)) {
            ports.push((flow.protocol, port, Some((flow.source, flow.packets))));
        }
    }
    ports
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

/// Where all that begin a connection to a listener from other hosts are stopped, in words.
pub fn stopped_from_outside(
    case: &Case<'_>,
    netns: u16,
    protocol: u8,
    listener: (IpAddr, u16),
) -> Option<String> {
    let network = case.sample.networks.get(usize::from(netns))?;
    let (_, place) = stops_all(network, protocol, Some(listener))?;
    Some(place.evidence(case, netns).1)
}

/// The same as a finding: a connection to the listener of another network namespace of this host failed.
pub fn clients_stopped(
    case: &Case<'_>,
    netns: u16,
    protocol: u8,
    listener: (IpAddr, u16),
) -> Option<Finding> {
    let network = case.sample.networks.get(usize::from(netns))?;
    let (hook, place) = stops_all(network, protocol, Some(listener))?;
    let (facts, told) = place.evidence(case, netns);
    let port = listener.1;
    Some(Finding {
        facts,
        ruled_out: "Not a full accept queue: the packets do not reach the listener.",
        next: place.next(hook),
        ..Finding::new(
            &LISTENER_FIREWALLED,
            Severity::Error,
            Subject::Network { netns },
            format!(
                "the firewall in the server's network namespace stops connections to port {port}: {told}"
            ),
        )
    })
}

/// Where all that begin a connection to a listener by some interface are stopped, and at which hook.
fn stops_all(
    network: &Network,
    protocol: u8,
    listener: Option<(IpAddr, u16)>,
) -> Option<(Hook, Place<'_>)> {
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
                protocol,
                source: None,
                destination: (address, port),
                input: Some((link.index, &link.name)),
                output: None,
                state: Some(fate::NEW),
                tcp_flags: (protocol == TCP).then_some(SYN),
                user: None,
            };
            for hook in [Hook::Prerouting, Hook::Input] {
                match firewall.fate(hook, &packet) {
                    Fate::Rule(rule) => return Some((hook, Place::Rule(rule))),
                    Fate::Policy(chain) => return Some((hook, Place::Policy(chain))),
                    _ => {}
                }
            }
        }
    }
    None
}
