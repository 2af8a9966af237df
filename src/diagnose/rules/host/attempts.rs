//! What programs try in vain, as the kernel told while it was traced.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::{Check, Rule, seconds};
use crate::diagnose::rules::process::INHERITED_LISTENER;
use crate::diagnose::rules::{Cause, affected};
use crate::diagnose::{Case, Command, Fact, Finding, Role, Severity, Subject, Value};
use crate::host::SocketAt;
use crate::host::traced::{self, FailedSend};
use crate::sockets::State;

/// Linux's errno.
const EACCES: i32 = 13;
const EADDRINUSE: i32 = 98;
const EADDRNOTAVAIL: i32 = 99;
const UDP: u32 = 17;

/// Broadcast.
pub static BROADCAST_NOT_PERMITTED: Rule = Rule::new(
    "broadcast_not_permitted",
    "broadcast not permitted",
    [
        "A program sends datagrams to a broadcast address without the socket option SO_BROADCAST. Each send fails \
         with EACCES and nothing leaves the host.",
        "At least 2 UDP sends of one process failed with EACCES between two samples (sock:sock_send_length), and no \
         route refuses what the process sends.",
        "A route of type prohibit also gives EACCES: then the look-up of the route fails. With SO_BROADCAST the send \
         succeeds.",
        "Set SO_BROADCAST in the program, or correct the address: a wrong prefix length makes an ordinary address \
         a broadcast address.",
    ],
    Check::Host(broadcast),
);

fn broadcast(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (netns, _) in case.networks() {
        let traced = case.traced(netns).unwrap_or_default();
        let mut by: BTreeMap<&[u8], (u64, &FailedSend)> = BTreeMap::new();
        let denied = |it: &&FailedSend| it.errno == EACCES && it.protocol == UDP;
        for send in traced.sends.iter().filter(denied) {
            by.entry(&send.by.comm).or_insert((0, send)).0 += send.times;
        }
        for (comm, (times, send)) in by {
            let by_it =
                |it: &traced::FailedLookup| it.by.as_ref().is_some_and(|it| &*it.comm == comm);
            if times < 2 || traced.lookups.iter().any(by_it) {
                continue;
            }
            let subject = case.traced_subject(&send.by, netns);
            let headline = format!(
                "broadcast not permitted: {times} sends of {} failed with EACCES in {}",
                send.by,
                seconds(case)
            );
            found.push(Finding {
                facts: vec![Fact::new(
                    "sock:sock_send_length",
                    "EACCES",
                    Value::Count(times),
                )],
                ruled_out: "Not a firewall, which gives EPERM, and not a route that prohibits it.",
                next: vec![
                    "Set SO_BROADCAST in the program before it sends to a broadcast address."
                        .into(),
                    Command::of("ip address").into(),
                    "It shows the broadcast addresses (brd) of the interfaces.".into(),
                ],
                ..Finding::new(&BROADCAST_NOT_PERMITTED, Severity::Error, subject, headline)
            });
        }
    }
    found
}

/// A port that somebody else has.
pub static PORT_HELD: Rule = Rule {
    because: &[Cause::at(&INHERITED_LISTENER, Role::Itself)],
    ..Rule::new(
        "port_held",
        "port held by another program",
        [
            "A program tries to bind a port again and again and gets EADDRINUSE: another socket has it.",
            "At least 2 calls of bind() for the address failed with EADDRINUSE between two samples \
             (raw_syscalls:sys_exit), and a socket of another program holds it.",
            "A program that finds its port taken once and takes another one, or that holds the port itself.",
            "Stop the program that holds the port, or let one of the two use another port.",
        ],
        Check::Host(port_held),
    )
};

/// An address of another host.
pub static ADDRESS_NOT_LOCAL: Rule = Rule::new(
    "address_not_local",
    "address not on this host",
    [
        "A program tries to bind an address that no interface of this host has, and gets EADDRNOTAVAIL. Its \
         configuration names another host's address, or the address was removed or has moved to another host.",
        "At least 2 calls of bind() for the address failed with EADDRNOTAVAIL between two samples \
         (raw_syscalls:sys_exit), and no interface has it.",
        "connect() also gives EADDRNOTAVAIL: then all local ports to the destination are used. An address that is \
         still being checked (tentative) is on the host and can be bound soon.",
        "Correct the address in the program's configuration, or add it to an interface. A server that is started \
         before its address is there needs net.ipv4.ip_nonlocal_bind or IP_FREEBIND.",
    ],
    Check::Host(not_local),
);

fn not_local(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (netns, network) in case.networks() {
        for (to, times, by) in in_vain(case, netns, EADDRNOTAVAIL) {
            let ip = to.ip().to_canonical();
            let is_own = network.addresses.iter().any(|it| it.address == ip);
            if times < 2 || is_own || network.addresses.is_empty() {
                continue;
            }
            let subject = case.traced_subject(&by, netns);
            found.push(Finding {
                facts: vec![Fact::new(
                    "raw_syscalls:sys_exit",
                    "EADDRNOTAVAIL",
                    Value::Count(times),
                )],
                ruled_out: "Not a port that is taken: that gives EADDRINUSE.",
                next: vec![
                    Command::of("ip address").into(),
                    "It lists the addresses of this host. Correct the program's configuration, or add the address."
                        .into(),
                ],
                ..Finding::new(
                    &ADDRESS_NOT_LOCAL,
                    Severity::Error,
                    subject,
                    format!(
                        "{by} cannot bind {to} ({times} times in {}): no interface of this host has the address",
                        seconds(case)
                    ),
                )
            });
        }
    }
    found
}

/// What could not be bound because of an error, with the program that tried.
fn in_vain(case: &Case<'_>, netns: u16, errno: i32) -> Vec<(SocketAddr, u64, traced::Process)> {
    let traced = case.traced(netns).unwrap_or_default();
    let mut tried: Vec<(SocketAddr, u64, traced::Process)> = Vec::new();
    for call in traced.calls {
        let Some(to) = call.address.filter(|_| &*call.call == "bind") else {
            continue;
        };
        if call.errno != errno || (errno == EADDRINUSE && to.port() == 0) {
            continue;
        }
        match tried.iter_mut().find(|it| it.0 == to) {
            Some(known) => known.1 += call.times,
            None => tried.push((to, call.times, call.by)),
        }
    }
    tried
}

/// Whether another program wants the port that a socket holds.
pub(in crate::diagnose::rules) fn wanted_by(
    case: &Case<'_>,
    at: SocketAt,
) -> Option<traced::Process> {
    let netns = case.socket(at).netns;
    let wants = |(to, _, by): (SocketAddr, u64, traced::Process)| {
        let holds = case.index.in_the_way(to).contains(&at);
        (holds && !is_of(case, at, &by)).then_some(by)
    };
    in_vain(case, netns, EADDRINUSE).into_iter().find_map(wants)
}

/// Whether a socket is of a process that was traced.
fn is_of(case: &Case<'_>, at: SocketAt, process: &traced::Process) -> bool {
    let holding = case.index.processes(&[at]).into_iter();
    holding
        .map(|at| case.sample.process(at))
        .any(|it| match process.pid {
            Some(pid) => it.pid == pid,
            None => it.comm == process.comm,
        })
}

fn port_held(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (netns, _) in case.networks() {
        for (to, times, by) in in_vain(case, netns, EADDRINUSE) {
            let mut holders = case.index.in_the_way(to);
            holders.retain(|at| case.socket(*at).netns == netns);
            // One that only holds the port has a finding of its own.
            let idle = |at: &SocketAt| case.socket(*at).state == State::BoundInactive;
            let own = |at: &SocketAt| is_of(case, *at, &by);
            if times < 2 || holders.iter().any(|at| idle(at) || own(at)) {
                continue;
            }
            let Some(&first) = holders.first() else {
                continue;
            };
            let holder = case.socket(first);
            let who = case.index.processes(&[first]);
            let who = who.first().map_or_else(
                || "a socket of a program that is not visible from here".to_owned(),
                |at| {
                    let process = case.sample.process(*at);
                    let name = String::from_utf8_lossy(&process.comm);
                    format!("{name} (pid {})", process.pid)
                },
            );
            let what = match holder.state {
                State::Listen => "listens on it",
                State::TimeWait => "has left it in TIME-WAIT",
                _ if holder.peer.end().is_some() => "has a connection from it",
                _ => "has bound it",
            };
            found.push(Finding {
                others: affected(&holders),
                facts: vec![Fact::new("raw_syscalls:sys_exit", "EADDRINUSE", Value::Count(times))],
                ruled_out: "Not a program that finds its port taken once and takes another one: it tries again.",
                next: vec![
                    Command::of("sockdoc sockets -a").with(format!(":{}", to.port())).into(),
                    "It lists all sockets that hold the port.".into(),
                ],
                ..Finding::new(
                    &PORT_HELD,
                    Severity::Error,
                    Subject::Socket(first),
                    format!("{by} cannot bind {to} ({times} times in {}): {who} {what}", seconds(case)),
                )
            });
        }
    }
    found
}
