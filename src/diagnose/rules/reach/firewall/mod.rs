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

mod counted;
mod forward;
mod stage;

pub use counted::{LISTENER_FIREWALLED, OUTPUT_STOPPED, clients_stopped, stopped_from_outside};
pub use forward::FORWARD_DROPPED;

use stage::{Stage, dropped};

use super::route::{is_cut_off, way};
use super::source::is_from_nowhere;
use super::{Check, Finding, Rule, affected};
use crate::diagnose::{Case, Command, Fact, NextStep, Severity, Subject, Value};
use crate::host::{Network, RouteAnswer, SocketAt};
use crate::nftables::{self, Chain, Fate, Firewall, Hook, Packet, fate};
use crate::rtnetlink::RouteKind;
use crate::sockets::{Socket, State};

/// Output or replies are dropped.
pub static OWN_FIREWALL_DROPS: Rule = Rule::new(
    "own_firewall_drops",
    "this host's firewall drops packets of a connection",
    [
        "A firewall rule of this host (nftables or iptables) drops what the connection sends, or what its peer \
         replies.",
        "A connection waits, or its handshake stays unfinished, and either the rules of the output or input hook, asked \
         in their order, drop its packets, or TcpExtTCPRetransFail grew between two samples: sending a segment again \
         failed in this host, where the kernel knows a route, the link is up and the neighbour answers. Or the kernel \
         dropped packets from the peer of an established connection (drop reason NETFILTER_DROP), as the rules of the \
         input hook have it.",
        "Where a firewall on the way or at the peer drops, sending succeeds here, and the rules of this host let \
         the packets pass.",
        "List the rules of the hook, and let the connection through.",
    ],
    Check::Host(drops),
);

/// Connections whose fate is worked out, at most, of one network namespace.
const MOST_ASKED: usize = 256;

/// What drops packets of connections.
struct Culprit<'a> {
    /// What was going on with the first of them.
    stage: Stage,
    place: Place<'a>,
    hook: Hook,
    sockets: Vec<SocketAt>,
    /// Their peers, each once.
    ends: Vec<SocketAddr>,
}

/// A connection, or an attempt at one, as a firewall sees it.
#[derive(Debug, Clone, Copy)]
pub struct Flow {
    /// The network namespace.
    pub netns: u16,
    /// Our end.
    pub local: (IpAddr, u16),
    /// The other end.
    pub peer: (IpAddr, u16),
    /// The protocol after IP: 6 is TCP, 17 is UDP.
    pub protocol: u8,
    /// Whether it is not established yet.
    pub connecting: bool,
    /// The user whose socket it is.
    pub user: Option<u32>,
}

/// What the rules of this host do to an attempt to connect, if they stop it.
pub fn stopped(case: &Case<'_>, flow: Flow) -> Option<Finding> {
    let network = case.sample.networks.get(usize::from(flow.netns))?;
    let firewall = network.firewall.as_ref().filter(|it| it.may_drop())?;
    let stage = if flow.connecting {
        Stage::Connecting
    } else {
        Stage::Sending
    };
    let (hook, place) = end_of(case, firewall, flow, stage)?;
    let culprit = Culprit {
        stage,
        place,
        hook,
        sockets: Vec::new(),
        ends: vec![flow.peer.into()],
    };
    Some(culprit.finding(case, flow.netns))
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
    let dropped = dropped(case, netns);
    for at in case.sample.places() {
        let socket = case.socket(at);
        if socket.netns != netns {
            continue;
        }
        let Some(stage) = Stage::of(case, at, &dropped) else {
            continue;
        };
        let Some(peer) = socket
            .peer
            .end()
            .filter(|(ip, _)| !is_cut_off(case, netns, *ip))
        else {
            continue;
        };
        let key = (peer, stage, socket.uid);
        if !known.contains_key(&key) && known.len() >= MOST_ASKED {
            continue;
        }
        let end = *known
            .entry(key)
            .or_insert_with(|| end_of(case, firewall, flow_of(socket)?, stage));
        let Some((hook, place)) = end else { continue };
        let same = |it: &&mut Culprit<'_>| (it.hook, it.place) == (hook, place);
        match culprits.iter_mut().find(same) {
            Some(culprit) => culprit.sockets.push(at),
            None => culprits.push(Culprit {
                stage,
                place,
                hook,
                sockets: vec![at],
                ends: Vec::new(),
            }),
        }
    }
    for culprit in &mut culprits {
        culprit.ends = ends(case, &culprit.sockets);
    }
    culprits
}

fn flow_of(socket: &Socket) -> Option<Flow> {
    let (local, peer) = socket.local.end().zip(socket.peer.end())?;
    Some(Flow {
        netns: socket.netns,
        local,
        peer,
        protocol: TCP,
        connecting: socket.state == State::SynSent,
        user: socket.uid,
    })
}

/// Where the packets of a connection end, or those of its peer.
fn end_of<'a>(
    case: &Case<'a>,
    firewall: &'a Firewall,
    flow: Flow,
    stage: Stage,
) -> Option<(Hook, Place<'a>)> {
    let Flow {
        local,
        peer,
        protocol,
        ..
    } = flow;
    let [sent, heard] = stage.flags().map(|flags| flags.filter(|_| protocol == TCP));
    let (interface, stays) = interface(case, flow.netns, peer.0)?;
    let packet = Packet {
        protocol,
        source: Some(local),
        destination: peer,
        input: None,
        output: Some(interface),
        state: Some(if stage == Stage::Connecting {
            fate::NEW
        } else {
            fate::ESTABLISHED
        }),
        tcp_flags: sent,
        user: flow.user,
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
        tcp_flags: heard,
        ..arriving
    };
    let arrives = stays.then_some([(Hook::Prerouting, arriving), (Hook::Input, arriving)]);
    let leaves = [(Hook::Output, packet), (Hook::Postrouting, packet)];
    let leaves = leaves.into_iter().chain(arrives.into_iter().flatten());
    // What the peer sends arrives, so this host has answered.
    let steps = leaves
        .filter(|_| stage != Stage::Hearing)
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

/// `IPPROTO_TCP` and `IPPROTO_UDP`.
const TCP: u8 = 6;
const UDP: u8 = 17;
const SYN: u8 = 2;
const PSH: u8 = 8;
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
        let ends = &self.ends;
        let (direction, subject) = match &ends[..] {
            [one] if incoming && self.stage == Stage::Hearing => {
                (format!("the packets of {one}"), one.ip())
            }
            [one] if incoming => (format!("the replies of {one}"), one.ip()),
            all if incoming && self.stage == Stage::Hearing => (
                format!("packets that arrive on {} connections", self.sockets.len()),
                all[0].ip(),
            ),
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
        let mut next = vec![list.into()];
        match self {
            Place::Rule(rule) => {
                next.push("Let the connection pass before this rule, or delete it:".into());
                next.push(
                    here("nft delete rule")
                        .with("handle")
                        .with(rule.handle)
                        .into(),
                );
            }
            Place::Policy(_) => {
                let text = format!(
                    "No rule of the hook {} lets the packets pass; add one to this chain.",
                    hook.word()
                );
                next.push(text.into());
            }
        }
        next
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
        .filter(|at| !is_from_nowhere(case, *at))
        .collect();
    // Those that have never heard of their peer come first; if there are any, they are meant.
    let connecting = |at: &SocketAt| case.socket(*at).state == State::SynSent;
    if sockets.iter().any(connecting) {
        sockets.retain(connecting);
    }
    sockets
}
