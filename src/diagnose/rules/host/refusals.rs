//! Connections to this host that it refuses, because no program listens at the address that is asked for.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::{Check, Rule, seconds};
use crate::diagnose::rules::affected;
use crate::diagnose::{Case, Command, Fact, Finding, NextStep, Severity, Subject, Value};
use crate::host::SocketAt;
use crate::sockets::{Proto, Socket, State};

/// A listener at another address.
pub static LISTENER_ELSEWHERE: Rule = Rule::new(
    "listener_elsewhere",
    "listener at another address",
    [
        "Clients ask for a port of this host and are refused, and a program does listen on that port: on another \
         address (often 127.0.0.1), for the other IP version, or in another network namespace.",
        "The kernel dropped at least 2 SYNs of one client (20 of a client that is neither on a network of this host \
         nor private; drop reason NO_SOCKET), and a listener has the port but not the address.",
        "A listener on 127.0.0.1 that only local programs ask for is as it should be. A program that asks `localhost` \
         tries ::1 and then 127.0.0.1: no fault as long as it gets through. A host that tries one port after the \
         other is a scanner.",
        "Let the program listen on the address that is asked for, or on all of them (0.0.0.0 or ::).",
    ],
    Check::Host(elsewhere),
);

/// Nobody listens.
pub static NOBODY_LISTENS: Rule = Rule::new(
    "nobody_listens",
    "connections refused",
    [
        "Clients ask for a port of this host on which no program listens: the kernel refuses each connection with \
         RST. The service is not running, or it uses another port.",
        "The kernel dropped at least 2 SYNs of one client (20 of a client that is neither on a network of this host \
         nor private; drop reason NO_SOCKET) to a port that is not one of outgoing connections.",
        "A host that tries one port after the other is a scanner. Late segments of a connection that is over also \
         meet no socket: they are no SYNs.",
        "Start the service, or correct the port at the client.",
    ],
    Check::Host(nobody),
);

/// An address at which clients are refused.
struct Refused {
    netns: u16,
    to: SocketAddr,
    packets: u64,
    clients: Vec<IpAddr>,
}

/// The ends of this host at which a client was refused more than once.
fn refused(case: &Case<'_>) -> Vec<Refused> {
    let mut found = Vec::new();
    for (netns, network) in case.networks() {
        let traced = case.traced(netns).unwrap_or_default();
        let mut ends: BTreeMap<(IpAddr, u16), (u64, Vec<IpAddr>)> = BTreeMap::new();
        for flow in traced.flows_for("NO_SOCKET").filter(|flow| flow.begins) {
            if flow.packets >= network.more_than_a_try(flow.source) {
                let end = ends.entry(flow.destination).or_default();
                end.0 += flow.packets;
                end.1.push(flow.source);
            }
        }
        found.extend(ends.into_iter().map(|(to, (packets, clients))| Refused {
            netns,
            to: to.into(),
            packets,
            clients,
        }));
    }
    found
}

/// Whether clients were refused at a port, which somebody else holds.
pub(in crate::diagnose::rules) fn is_refused_at(case: &Case<'_>, netns: u16, port: u16) -> bool {
    let refused = refused(case);
    refused
        .iter()
        .any(|it| it.netns == netns && it.to.port() == port)
}

impl Refused {
    /// The sockets that have the port, in these states.
    fn at_port(&self, case: &Case<'_>, states: &[State]) -> Vec<SocketAt> {
        let has_it = |at: &SocketAt| {
            let socket = case.socket(*at);
            socket.proto == Proto::Tcp
                && states.contains(&socket.state)
                && socket.local.port() == Some(self.to.port().into())
        };
        case.sample.places().filter(has_it).collect()
    }

    fn finding(
        &self,
        case: &Case<'_>,
        rule: &'static Rule,
        subject: Subject,
        why: &str,
    ) -> Finding {
        let who = match &self.clients[..] {
            [one] => one.to_string(),
            [first, others @ ..] => format!("{first} and {} others", others.len()),
            [] => "a client".to_owned(),
        };
        let headline = format!(
            "refused at {}: {who}, {} times in {}: {why}",
            self.to,
            self.packets,
            seconds(case)
        );
        Finding {
            facts: vec![Fact::new(
                "skb:kfree_skb",
                "NO_SOCKET",
                Value::Count(self.packets),
            )],
            ..Finding::new(rule, Severity::Warning, subject, headline)
        }
    }

    fn list(&self) -> NextStep {
        let port = self.to.port();
        Command::of("sockdoc sockets -l --all-netns")
            .with(format!(":{port}"))
            .into()
    }
}

/// Whether a program of this host has a connection to one of these listeners, or had one a moment ago: a program that
/// tries `::1` goes on with 127.0.0.1.
fn gets_through(case: &Case<'_>, listeners: &[SocketAt]) -> bool {
    let is_one = |socket: &Socket| {
        let ends = [socket.local.end(), socket.peer.end()];
        let leads_to = |at: &SocketAt| {
            let listener = case.socket(*at);
            let port = listener.local.port();
            let mut ends = ends.iter().flatten();
            listener.netns == socket.netns
                && ends.any(|(ip, of)| {
                    Some(u32::from(*of)) == port && ip.is_loopback() && listener.takes(*ip)
                })
        };
        socket.proto == Proto::Tcp
            && !matches!(socket.state, State::Listen | State::SynSent)
            && listeners.iter().any(leads_to)
    };
    case.sample.sockets.iter().any(is_one)
}

fn elsewhere(case: &Case<'_>) -> Vec<Finding> {
    let refused = refused(case).into_iter();
    let finding = |it: Refused| {
        let mut listeners = it.at_port(case, &[State::Listen]);
        let here = |at: &SocketAt| case.socket(*at).netns == it.netns;
        if listeners.iter().any(here) {
            listeners.retain(here);
        }
        let first = *listeners.first()?;
        let socket = case.socket(first);
        // It has begun to listen meanwhile.
        if here(&first) && socket.takes(it.to.ip()) {
            return None;
        }
        if here(&first) && it.to.ip().is_loopback() && gets_through(case, &listeners) {
            return None;
        }
        let place = case.sample.namespaces.get(usize::from(socket.netns));
        let local = socket.local.end().map(SocketAddr::from)?;
        let who = case.index.processes(&[first]);
        let who = who.first().map_or_else(
            || "a program".to_owned(),
            |at| String::from_utf8_lossy(&case.sample.process(*at).comm).into_owned(),
        );
        let why = match place {
            _ if here(&first) && local.ip().is_unspecified() => {
                format!("{who} listens on {local} for IPv6 only")
            }
            Some(place) if !here(&first) => {
                format!(
                    "{who} listens on {local} in the network namespace {}",
                    place.label
                )
            }
            _ => format!("{who} listens on {local} only"),
        };
        Some(Finding {
            others: affected(&listeners),
            ruled_out: "Not a firewall: the packets reached the kernel's search for a listener.",
            next: vec![
                it.list(),
                format!(
                    "Let {who} listen on {}, or on all addresses; or let the clients ask for {local}.",
                    it.to.ip()
                )
                .into(),
            ],
            ..it.finding(case, &LISTENER_ELSEWHERE, Subject::Socket(first), &why)
        })
    };
    refused.filter_map(finding).collect()
}

fn nobody(case: &Case<'_>) -> Vec<Finding> {
    let refused = refused(case).into_iter();
    let finding = |it: Refused| {
        let is_ephemeral = case.sample.is_ephemeral(it.netns, it.to.port());
        let held = it.at_port(case, &[State::Listen, State::BoundInactive]);
        if is_ephemeral || !held.is_empty() {
            return None;
        }
        Some(Finding {
            ruled_out: "Not a firewall: the packets reached the kernel's search for a listener.",
            next: vec![
                it.list(),
                "It lists who listens on this port, in every network namespace.".into(),
            ],
            ..it.finding(
                case,
                &NOBODY_LISTENS,
                Subject::Network { netns: it.netns },
                "no program listens on this port",
            )
        })
    };
    refused.filter_map(finding).collect()
}
