//! Connections that are reset (RST): by their peers, and by programs of this host.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::{Check, Rule, seconds};
use crate::diagnose::rules::{affected, watch_program};
use crate::diagnose::{Case, Command, Fact, Finding, Severity, Subject, Value};
use crate::host::SocketAt;
use crate::host::traced::CountedReset;
use crate::sockets::{Proto, Socket, State};

/// By the peer.
pub static RESET_BY_PEER: Rule = Rule::new(
    "reset_by_peer",
    "connections reset by the server",
    [
        "A server resets connections that programs of this host have made to it, so they get ECONNRESET. The service \
         behind it was restarted or has crashed, it closes connections whose data it has not read, a load balancer has \
         no server for them, or something on the way (a firewall that forgot the connection) answers for it.",
        "At least 3 established connections to one address and port were reset between two samples, by an RST that \
         arrived (tcp:tcp_receive_reset).",
        "An RST to a SYN is a refusal. Clients that reset their connections to a server of this host are everyday: \
         health checks, scanners, users who leave.",
        "See what happened before the reset with a capture, and read the server's log.",
    ],
    Check::Host(by_peer),
);

/// Attempts.
pub static REFUSED_BY_PEER: Rule = Rule::new(
    "refused_by_peer",
    "connections refused by the server",
    [
        "Programs of this host try to connect to a port of another host on which no program listens, or something on the \
         way rejects it with RST. They get ECONNREFUSED.",
        "At least 3 SYNs to one address and port of another host were answered by RST between two samples \
         (tcp:tcp_receive_reset in SYN-SENT), and no connection to it is established.",
        "A program that is refused once and goes on with another address. What is refused by this host itself is the \
         matter of nobody_listens and listener_elsewhere.",
        "Start the service there, or correct the port at the client.",
    ],
    Check::Host(refused),
);

fn refused(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (netns, network) in case.networks() {
        let is_own =
            |ip: IpAddr| ip.is_loopback() || network.addresses.iter().any(|it| it.address == ip);
        let is_it =
            |it: &CountedReset| it.connecting && it.reason.is_none() && !is_own(it.peer.ip());
        for (to, (times, _)) in grouped(case, netns, is_it, |it| (it.peer, it.local.ip())) {
            let gets_through = |socket: &Socket| {
                socket.netns == netns
                    && socket.state == State::Established
                    && socket.peer.end() == Some((to.ip(), to.port()))
            };
            if case.sample.sockets.iter().any(gets_through) {
                continue;
            }
            found.push(Finding {
                facts: vec![Fact::new(
                    "tcp:tcp_receive_reset",
                    "in SYN-SENT",
                    Value::Count(times),
                )],
                ruled_out: "Not a host that is down, nor a firewall that drops: an RST came back.",
                next: vec![
                    Command::of("sockdoc check").with(to).into(),
                    format!(
                        "On {}, list who listens: sockdoc sockets -l :{}",
                        to.ip(),
                        to.port()
                    )
                    .into(),
                ],
                ..Finding::new(
                    &REFUSED_BY_PEER,
                    Severity::Warning,
                    Subject::Path { netns, to: to.ip() },
                    format!("{times} connections to {to} refused in {}", seconds(case)),
                )
            });
        }
    }
    found
}

/// By a server of this host.
pub static CLOSED_UNREAD: Rule = Rule::new(
    "closed_unread",
    "server closes with unread data",
    [
        "A server of this host closes connections while data of the client is unread. The kernel then sends RST instead \
         of FIN: the client gets ECONNRESET and may lose the answer that was on its way.",
        "At least 3 connections to one listener were reset between two samples because of this \
         (tcp:tcp_send_reset with the reason TCP_ABORT_ON_CLOSE).",
        "A client that leaves early resets its connection too: only ports on which this host listens count. A health \
         check with SO_LINGER 0 has another reason.",
        "Let the server read until the end of the request before it closes, or call shutdown() first and read what \
         still comes.",
    ],
    Check::Host(unread),
);

/// Resets of the same kind at one end: how many connections, and the ends on the other side.
type Ends = BTreeMap<SocketAddr, (u64, Vec<IpAddr>)>;

/// The resets that are meant, by an end of them; how many there have to be.
fn grouped(
    case: &Case<'_>,
    netns: u16,
    is_meant: impl Fn(&CountedReset) -> bool,
    end: fn(&CountedReset) -> (SocketAddr, IpAddr),
) -> Ends {
    const LEAST: u64 = 3;
    let traced = case.traced(netns).unwrap_or_default();
    let mut ends = Ends::new();
    for reset in traced.resets.iter().filter(|it| is_meant(it)) {
        let (at, other) = end(reset);
        let known = ends.entry(at).or_default();
        known.0 += reset.times;
        if !known.1.contains(&other) {
            known.1.push(other);
        }
    }
    ends.retain(|_, (times, _)| *times >= LEAST);
    ends
}

/// The listeners of this host for an address.
fn listeners(case: &Case<'_>, netns: u16, to: SocketAddr) -> Vec<SocketAt> {
    case.index
        .listeners(Proto::Tcp, netns, (to.ip(), to.port()))
}

fn by_peer(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (netns, _) in case.networks() {
        let is_ours = |it: &CountedReset| {
            !it.connecting && it.reason.is_none() && listeners(case, netns, it.local).is_empty()
        };
        for (to, (times, _)) in grouped(case, netns, is_ours, |it| (it.peer, it.local.ip())) {
            found.push(Finding {
                facts: vec![Fact::new(
                    "tcp:tcp_receive_reset",
                    "resets",
                    Value::Count(times),
                )],
                ruled_out: "Not refused connections: these were established.",
                next: vec![
                    Command::of("sockdoc capture -i any").with(format!("port {}", to.port())).into(),
                    "It shows what was sent before each reset.".into(),
                    "Read the log of the service at that address: it may have been restarted or have crashed.".into(),
                ],
                ..Finding::new(
                    &RESET_BY_PEER,
                    Severity::Warning,
                    Subject::Path { netns, to: to.ip() },
                    format!("{times} connections to {to} reset by the peer in {}", seconds(case)),
                )
            });
        }
    }
    found
}

fn unread(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (netns, _) in case.networks() {
        let is_it = |it: &CountedReset| it.reason.as_deref() == Some("TCP_ABORT_ON_CLOSE");
        for (at, (times, clients)) in grouped(case, netns, is_it, |it| (it.local, it.peer.ip())) {
            let listeners = listeners(case, netns, at);
            let Some(&first) = listeners.first() else {
                continue;
            };
            let who = match &clients[..] {
                [one] => one.to_string(),
                more => format!("{} clients", more.len()),
            };
            found.push(Finding {
                others: affected(&listeners),
                facts: vec![Fact::new(
                    "tcp:tcp_send_reset",
                    "TCP_ABORT_ON_CLOSE",
                    Value::Count(times),
                )],
                ruled_out: "Not clients that leave: this host sent the resets, as its program closed the connections.",
                next: watch_program(
                    case,
                    &[first],
                    "It shows a close() without a read() that returned 0 before.",
                ),
                ..Finding::new(
                    &CLOSED_UNREAD,
                    Severity::Warning,
                    Subject::Socket(first),
                    format!(
                        "{times} connections closed with unread data in {}: {who} got a reset (RST)",
                        seconds(case)
                    ),
                )
            });
        }
    }
    found
}
