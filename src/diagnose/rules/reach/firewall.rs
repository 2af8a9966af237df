//! This host's own firewall.
//!
//! A counter of the kernel proves that a packet could not be sent; what the rules do with the packets of a
//! connection is worked out from the rules themselves ([`Firewall::fate`]), so that chain and rule can be named.
//! Of a connection that waits both directions are asked: what it sends, and what its peer would reply.
//!
//! A firewall that drops packets is healthy. Only what it does to a connection of this host that waits, to what
//! programs of this host send, or to every client of a listener is a finding.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::route::{is_cut_off, way};
use super::{Check, Finding, Rule, affected};
use crate::diagnose::{Case, Command, Fact, NextStep, Severity, Subject, Value};
use crate::host::{Network, RouteAnswer, SocketAt};
use crate::nftables::rule::{Comparison, Condition, Field};
use crate::nftables::{self, Chain, Fate, Firewall, Hook, Packet, fate};
use crate::rtnetlink::RouteKind;
use crate::sockets::{Proto, State};

/// Output or replies are dropped.
pub static OWN_FIREWALL_DROPS: Rule = Rule::new(
    "own_firewall_drops",
    "this host's firewall drops packets of a connection",
    [
        "A firewall rule of this host (nftables or iptables) drops what the connection sends, or what its peer \
         replies.",
        "A connection waits, and either the rules of the output or input hook, asked in their order, drop its \
         packets, or TcpExtTCPRetransFail grew between two samples: sending a segment again failed in this host, \
         where the kernel knows a route, the link is up and the neighbour answers.",
        "Where a firewall on the way or at the peer drops, sending succeeds here, and the rules of this host let \
         the packets pass.",
        "List the rules of the hook, and let the connection through.",
    ],
    Check::Host(drops),
);

/// Connections whose fate is worked out, at most, of one network namespace.
const MOST_ASKED: usize = 256;

/// What drops packets of connections that wait.
struct Culprit<'a> {
    place: Place<'a>,
    hook: Hook,
    sockets: Vec<SocketAt>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place<'a> {
    Rule(&'a nftables::Rule),
    Policy(&'a Chain),
}

fn drops(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (netns, network) in case.networks() {
        let culprits = culprits(case, netns, network);
        for culprit in &culprits {
            found.push(culprit.finding(case, netns));
        }
        let explained = |at: &SocketAt| culprits.iter().any(|it| it.sockets.contains(at));
        let mut sockets = blocked(case, netns);
        sockets.retain(|at| !explained(at));
        found.extend(failed_sends(case, netns, &sockets));
    }
    found
}

fn culprits<'a>(case: &Case<'a>, netns: u16, network: &'a Network) -> Vec<Culprit<'a>> {
    let Some(firewall) = network.firewall.as_ref().filter(|it| it.may_drop()) else {
        return Vec::new();
    };
    let mut culprits: Vec<Culprit<'_>> = Vec::new();
    let mut known = BTreeMap::new();
    for at in case.sample.places() {
        let socket = case.socket(at);
        if socket.netns != netns || !case.index.waits(at) {
            continue;
        }
        let Some(peer) = socket
            .peer
            .end()
            .filter(|(ip, _)| !is_cut_off(case, netns, *ip))
        else {
            continue;
        };
        let key = (peer, socket.state == State::SynSent, socket.uid);
        if !known.contains_key(&key) && known.len() >= MOST_ASKED {
            continue;
        }
        let end = *known
            .entry(key)
            .or_insert_with(|| end_of(case, firewall, at));
        let Some((hook, place)) = end else { continue };
        let same = |it: &&mut Culprit<'_>| (it.hook, it.place) == (hook, place);
        match culprits.iter_mut().find(same) {
            Some(culprit) => culprit.sockets.push(at),
            None => culprits.push(Culprit {
                place,
                hook,
                sockets: vec![at],
            }),
        }
    }
    culprits
}

/// Where the packets of a connection end, or those of its peer.
fn end_of<'a>(case: &Case<'a>, firewall: &'a Firewall, at: SocketAt) -> Option<(Hook, Place<'a>)> {
    let socket = case.socket(at);
    let (local, peer) = socket.local.end().zip(socket.peer.end())?;
    let connecting = socket.state == State::SynSent;
    let (interface, stays) = interface(case, socket.netns, peer.0)?;
    let packet = Packet {
        protocol: 6,
        source: Some(local),
        destination: peer,
        input: None,
        output: Some(interface),
        state: Some(if connecting {
            fate::NEW
        } else {
            fate::ESTABLISHED
        }),
        tcp_flags: connecting.then_some(SYN),
        user: socket.uid,
    };
    let arriving = Packet {
        input: Some(interface),
        output: None,
        user: None,
        ..packet
    };
    let reply = Packet {
        source: Some(peer),
        destination: local,
        state: Some(fate::ESTABLISHED),
        tcp_flags: connecting.then_some(SYN | ACK),
        ..arriving
    };
    let arrives = stays.then_some([(Hook::Prerouting, arriving), (Hook::Input, arriving)]);
    let steps = [(Hook::Output, packet), (Hook::Postrouting, packet)]
        .into_iter()
        .chain(arrives.into_iter().flatten())
        .chain([(Hook::Prerouting, reply), (Hook::Input, reply)]);
    for (hook, packet) in steps {
        match firewall.fate(hook, &packet) {
            Fate::Passes => {}
            Fate::Rule(rule) => return Some((hook, Place::Rule(rule))),
            Fate::Policy(chain) => return Some((hook, Place::Policy(chain))),
            // What comes later may be another packet.
            Fate::Unknown => return None,
        }
    }
    None
}

const SYN: u8 = 2;
const ACK: u8 = 16;

/// The interface to an address, and whether it is one of this host itself.
fn interface<'a>(case: &Case<'a>, netns: u16, to: IpAddr) -> Option<((u32, &'a str), bool)> {
    let network = case.sample.networks.get(usize::from(netns))?;
    let loopback = || {
        let link = network.links.iter().find(|link| link.loopback)?;
        Some(((link.index, &*link.name), true))
    };
    if to.is_loopback() {
        return loopback();
    }
    match network.route(to)? {
        RouteAnswer::Route(route) if route.kind == RouteKind::Local => loopback(),
        _ => {
            let (_, index) = way(case, netns, to)?;
            Some(((index, &*network.link(index)?.name), false))
        }
    }
}

impl Culprit<'_> {
    fn finding(&self, case: &Case<'_>, netns: u16) -> Finding {
        let incoming = matches!(self.hook, Hook::Input | Hook::Prerouting);
        let ends = ends(case, &self.sockets);
        let (direction, subject) = match &ends[..] {
            [one] if incoming => (format!("the replies of {one}"), one.ip()),
            [one] => (format!("the packets to {one}"), one.ip()),
            all if incoming => (
                format!("the replies to {} connections", self.sockets.len()),
                all[0].ip(),
            ),
            all => (
                format!("the packets of {} connections", self.sockets.len()),
                all[0].ip(),
            ),
        };
        let subject = if ends.len() == 1 {
            Subject::Path { netns, to: subject }
        } else {
            Subject::Network { netns }
        };
        let (facts, told) = self.place.evidence(case, netns);
        let mut facts = facts;
        facts.extend(failed(case, netns));
        Finding {
            others: affected(&self.sockets),
            facts,
            ruled_out: "Not a firewall elsewhere: the rules of this host drop these packets. The route, the link \
                and the next hop are as they should be.",
            next: self.place.next(self.hook),
            ..Finding::new(
                &OWN_FIREWALL_DROPS,
                Severity::Error,
                subject,
                format!("this host's firewall drops {direction}: {told}"),
            )
        }
    }
}

impl Place<'_> {
    /// The rule, and how far its counter rose; in words too.
    fn evidence(&self, case: &Case<'_>, netns: u16) -> (Vec<Fact>, String) {
        let network = case.sample.networks.get(usize::from(netns));
        let firewall = network.and_then(|network| network.firewall.as_ref());
        let before = case
            .network_before(netns)
            .and_then(|it| it.firewall.as_ref());
        let (text, packets, earlier) = match *self {
            Place::Rule(rule) => {
                let text = firewall
                    .map(|firewall| firewall.text(rule))
                    .unwrap_or_default();
                let earlier = before.and_then(|it| it.same_rule(rule)?.packets);
                (format!("{}: {text}", rule.place()), rule.packets, earlier)
            }
            Place::Policy(chain) => {
                let same = |it: &&Chain| it.place() == chain.place();
                let earlier = before.and_then(|it| it.chains.iter().find(same)?.packets);
                (
                    format!("{}: policy drop", chain.place()),
                    chain.packets,
                    earlier,
                )
            }
        };
        let mut facts = vec![Fact::new(
            "nf_tables",
            "rule",
            Value::Word(text.clone().into()),
        )];
        let grown = packets
            .zip(earlier)
            .and_then(|(now, before)| now.checked_sub(before));
        if let Some(now) = packets {
            facts.push(Fact {
                before: earlier.map(Value::Count),
                ..Fact::new("nf_tables", "counter", Value::Count(now))
            });
        }
        let told = match grown {
            Some(grown @ 1..) => format!("{text} (its counter rose by {grown})"),
            _ => text,
        };
        (facts, told)
    }

    fn next(&self, hook: Hook) -> Vec<NextStep> {
        let (family, table, chain) = match *self {
            Place::Rule(rule) => (rule.family, &rule.table, &rule.chain),
            Place::Policy(chain) => (chain.family, &chain.table, &chain.name),
        };
        let here = |command: &str| {
            Command::of(command)
                .with(family.word())
                .with(table)
                .with(chain)
        };
        let list = here("nft -a list chain");
        let then = match self {
            Place::Rule(rule) => format!(
                "Let the connection pass before this rule, or delete it: {}",
                here("nft delete rule").with("handle").with(rule.handle)
            ),
            Place::Policy(_) => format!(
                "No rule of the hook {} lets the packets pass; add one to this chain.",
                hook.word()
            ),
        };
        vec![list.into(), then.into()]
    }
}

/// The peers of these connections, each once.
fn ends(case: &Case<'_>, sockets: &[SocketAt]) -> Vec<SocketAddr> {
    let mut ends: Vec<SocketAddr> = sockets
        .iter()
        .filter_map(|at| case.socket(*at).peer.end())
        .map(SocketAddr::from)
        .collect();
    ends.sort_unstable();
    ends.dedup();
    ends
}

/// How often sending again failed in this host.
fn failed(case: &Case<'_>, netns: u16) -> Option<Fact> {
    const NAME: &str = "TcpExtTCPRetransFail";
    let grown = case.grown(netns, NAME).filter(|grown| *grown > 0)?;
    let now = case.sample.networks[usize::from(netns)]
        .counters
        .get(NAME)?;
    Some(Fact {
        before: Some(Value::Count(now - grown)),
        ..Fact::new("/proc/net/netstat", NAME, Value::Count(now))
    })
}

/// Sends that failed, of connections of which no rule is known that drops them.
fn failed_sends(case: &Case<'_>, netns: u16, sockets: &[SocketAt]) -> Option<Finding> {
    let fact = failed(case, netns)?;
    let first = *sockets.first()?;
    let ends = ends(case, sockets);
    let of_these = match &ends[..] {
        [one] => format!("to {one}"),
        _ => format!("of {} connections", sockets.len()),
    };
    let subject = match case.socket(first).peer.ip() {
        Some(to) if ends.len() == 1 => Subject::Path { netns, to },
        _ => Subject::Network { netns },
    };
    Some(Finding {
        others: affected(sockets),
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
    })
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
