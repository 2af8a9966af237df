//! What other hosts and routers refuse by ICMP: connections that they call unreachable, and datagrams.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::{Check, Rule, growth, seconds};
use crate::diagnose::rules::affected;
use crate::diagnose::rules::reach::{is_cut_off, tried_again};
use crate::diagnose::{Case, Command, Fact, Finding, Severity, Subject, Value};
use crate::host::traced::{FailedCall, Process};
use crate::host::{Network, RouteAnswer, SocketAt};
use crate::sockets::Proto;
use crate::sockets::change::was_unanswered;

/// Linux's errno.
const EACCES: i32 = 13;
const ENETUNREACH: i32 = 101;
const ECONNREFUSED: i32 = 111;
const EHOSTUNREACH: i32 = 113;
const UDP: u32 = 17;

/// Fewer ICMP errors than these, beyond those of this host itself, say nothing of attempts that are not answered.
const LEAST_ICMP: u64 = 3;

/// By a router.
pub static CALLED_UNREACHABLE: Rule = Rule::new(
    "called_unreachable",
    "connections called unreachable",
    [
        "Programs of this host try to connect, and an ICMP error ends each attempt: a router has no route to the \
         destination or gets no answer from it, or a firewall on the path rejects the packets. connect() fails with \
         EHOSTUNREACH or ENETUNREACH.",
        "At least 2 calls of connect() to one address and port failed with EHOSTUNREACH or ENETUNREACH (of IPv6 also \
         EACCES) between two samples (raw_syscalls:sys_exit), the kernel has a route there, and ICMP destination \
         unreachable messages arrived (IcmpInDestUnreachs). Or at least 3 of them arrived while attempts to connect to \
         one address ended without an answer, or were made again and again.",
        "Without a route of this host nothing is sent and no ICMP arrives. Where the next hop does not answer, this host \
         itself gives the error. A firewall of this host that rejects sends the ICMP error itself.",
        "See which router sends the error, and why: sockdoc check ADDRESS:PORT.",
    ],
    Check::Host(called_unreachable),
);

fn called_unreachable(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (netns, network) in case.networks() {
        let counters = ["IcmpInDestUnreachs", "Icmp6InDestUnreachs"];
        let arrived = growth(case, netns, &counters);
        let own = growth(
            case,
            netns,
            &["IcmpOutDestUnreachs", "Icmp6OutDestUnreachs"],
        );
        let count = |of: &[(u64, Fact)]| of.iter().map(|(grown, _)| grown).sum::<u64>();
        if count(&arrived) <= count(&own) {
            continue;
        }
        let traced = case.traced(netns).unwrap_or_default();
        let is_it = |call: &&FailedCall| {
            let errors = [EHOSTUNREACH, ENETUNREACH];
            let is_v6 = call.address.is_some_and(|it| it.is_ipv6());
            &*call.call == "connect"
                && (errors.contains(&call.errno) || is_v6 && call.errno == EACCES)
        };
        let mut tried: BTreeMap<SocketAddr, (u64, &Process)> = BTreeMap::new();
        for call in traced.calls.iter().filter(is_it) {
            if let Some(to) = call.address {
                tried.entry(to).or_insert((0, &call.by)).0 += call.times;
            }
        }
        if tried.is_empty() && count(&arrived) - count(&own) >= LEAST_ICMP {
            found.extend(unanswered(case, netns, network, &arrived));
        }
        for (to, (times, by)) in tried {
            let ip = to.ip().to_canonical();
            let has_route = match network.route(ip) {
                Some(RouteAnswer::Route(route)) => !route.kind.refuses(),
                _ => false,
            };
            if times < 2 || !has_route || is_cut_off(case, netns, ip) {
                continue;
            }
            let mut facts = vec![Fact::new(
                "raw_syscalls:sys_exit",
                "connect() failed",
                Value::Count(times),
            )];
            facts.extend(arrived.iter().map(|(_, fact)| fact.clone()));
            found.push(Finding {
                facts,
                ruled_out: "Not a missing route of this host, nor a next hop that does not answer: the packets leave, \
                    and an ICMP error comes back.",
                next: vec![
                    Command::of("sockdoc check").with(to).into(),
                    "It names the router or host that sends the error.".into(),
                ],
                ..Finding::new(
                    &CALLED_UNREACHABLE,
                    Severity::Warning,
                    Subject::Path { netns, to: ip },
                    format!(
                        "connections of {by} to {to} are called unreachable by ICMP: {times} in {}",
                        seconds(case)
                    ),
                )
            });
        }
    }
    found
}

/// ICMP errors that arrive while attempts to connect stay unanswered: a program that waits for its connection by `poll()`
/// leaves no failed call, and the kernel forgets an error that comes while a call of the program holds the socket.
fn unanswered(
    case: &Case<'_>,
    netns: u16,
    network: &Network,
    arrived: &[(u64, Fact)],
) -> Vec<Finding> {
    let mut tried = tried_again(case);
    for (at, socket) in case.sample.places().zip(&case.sample.sockets) {
        if let Some(to) = socket.peer.ip().filter(|_| was_unanswered(socket)) {
            tried.entry((socket.netns, to)).or_default().push(at);
        }
    }
    let again = tried.into_iter().filter(|((of, to), _)| {
        *of == netns
            && !matches!(network.route(*to), Some(RouteAnswer::Refused(_)))
            && !is_cut_off(case, netns, *to)
    });
    again
        .map(|((_, to), sockets)| {
            let end = sockets.first().and_then(|at| case.socket(*at).peer.end());
            let end = end.map_or_else(|| to.to_string(), |end| SocketAddr::from(end).to_string());
            let count: u64 = arrived.iter().map(|(grown, _)| grown).sum();
            Finding {
                others: affected(&sockets),
                facts: arrived.iter().map(|(_, fact)| fact.clone()).collect(),
                ruled_out: "Not a missing route of this host: the packets leave. Not this host's own firewall: it sent \
                    no such error.",
                next: vec![
                    Command::of("sockdoc check").with(&end).into(),
                    "It names the router or host that sends the errors.".into(),
                ],
                ..Finding::new(
                    &CALLED_UNREACHABLE,
                    Severity::Warning,
                    Subject::Path { netns, to },
                    format!(
                        "connections to {end} get no answer, and {count} ICMP destination unreachable messages arrived \
                         in {}",
                        seconds(case)
                    ),
                )
            }
        })
        .collect()
}

/// UDP.
pub static UDP_REFUSED_BY_PEER: Rule = Rule::new(
    "udp_refused_by_peer",
    "UDP datagrams refused by the peer",
    [
        "A program of this host sends datagrams to a port of another host that is closed there: the service is not \
         running, or it uses another port. Each error is reported at a later call.",
        "At least 3 UDP sends of one process failed with ECONNREFUSED between two samples (sock:sock_send_length), and \
         no datagram was for a closed port of this host itself (UdpNoPorts).",
        "Only programs with a connected socket learn of it. A program that sends one question and goes on to the next \
         server.",
        "Start the service there, or correct the address and port in the program's configuration.",
    ],
    Check::Host(udp_refused),
);

fn udp_refused(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (netns, _) in case.networks() {
        if !growth(case, netns, &["UdpNoPorts", "Udp6NoPorts"]).is_empty() {
            continue;
        }
        let traced = case.traced(netns).unwrap_or_default();
        let mut by: BTreeMap<&[u8], (u64, &Process)> = BTreeMap::new();
        let refused = traced
            .sends
            .iter()
            .filter(|it| it.errno == ECONNREFUSED && it.protocol == UDP);
        for send in refused {
            by.entry(&send.by.comm).or_insert((0, &send.by)).0 += send.times;
        }
        for (times, process) in by.into_values().filter(|(times, _)| *times >= 3) {
            let subject = case.traced_subject(process, netns);
            // A thread may have another name than its process, which is not found by it then.
            let is_known = matches!(subject, Subject::Process(_));
            let of_it = |at: &SocketAt| {
                let socket = case.socket(*at);
                let is_connected = socket.proto == Proto::Udp && socket.peer.end().is_some();
                let mut holding = case.index.processes(&[*at]).into_iter();
                is_connected
                    && socket.netns == netns
                    && (!is_known || holding.any(|it| subject == Subject::Process(it)))
            };
            let mut sockets: Vec<SocketAt> = case.sample.places().filter(of_it).collect();
            let end = |at: &SocketAt| case.socket(*at).peer.end().map(SocketAddr::from);
            let to = sockets.first().and_then(end);
            let to = to.filter(|to| sockets.iter().all(|at| end(at) == Some(*to)));
            if !is_known && to.is_none() {
                sockets.clear();
            }
            let to_it = to.map_or_else(String::new, |to| format!(" to {to}"));
            let mut next = Vec::new();
            if let Some(to) = to {
                next.push(Command::of("sockdoc check --udp").with(to).into());
                let list = format!(
                    "On {}, list who listens: sockdoc sockets -ul :{}",
                    to.ip(),
                    to.port()
                );
                next.push(list.into());
            }
            found.push(Finding {
                others: affected(&sockets),
                facts: vec![Fact::new(
                    "sock:sock_send_length",
                    "ECONNREFUSED",
                    Value::Count(times),
                )],
                ruled_out: "Not a host that is down: it answers with ICMP port unreachable.",
                next,
                ..Finding::new(
                    &UDP_REFUSED_BY_PEER,
                    Severity::Warning,
                    subject,
                    format!(
                        "{times} UDP sends of {process}{to_it} refused in {}: the port is closed there",
                        seconds(case)
                    ),
                )
            });
        }
    }
    found
}
