//! The name servers.

use std::net::IpAddr;

use super::{Check, Rule};
use crate::diagnose::{Case, Command, Fact, Finding, Severity, Subject, Value};
use crate::host::traced::DroppedFlow;
use crate::sockets::Proto;

/// No name server.
pub static NO_NAMESERVER: Rule = Rule::new(
    "no_nameserver",
    "no name server",
    [
        "/etc/resolv.conf names no server, so programs ask 127.0.0.1; or it names servers on this host alone. No name \
         server runs there: no name that is not in /etc/hosts can be looked up.",
        "No usable `nameserver` line in /etc/resolv.conf and no socket on UDP port 53 that takes 127.0.0.1; or only \
         loopback addresses, none with such a socket, and the kernel dropped questions to one of them between two \
         samples (drop reason NO_SOCKET).",
        "A file without a server, or with 127.0.0.53 as its only one, is right where one runs on this host. In a \
         container a packet filter may lead 127.0.0.11 to the engine's name server. One server of several that does \
         not run costs time and no name.",
        "Write a line `nameserver ADDRESS` into /etc/resolv.conf, or start the resolver of this host.",
    ],
    Check::Host(check),
);

fn check(case: &Case<'_>) -> Vec<Finding> {
    let machine = case.sample.machine.as_ref();
    let Some(configured) = machine.and_then(|machine| machine.nameservers.as_ref()) else {
        return Vec::new();
    };
    let own: IpAddr = [127, 0, 0, 1].into();
    let asked = if configured.is_empty() {
        &[own][..]
    } else {
        configured
    };
    // The file is that of this program, and so is the namespace: the first.
    let runs = |ip: &IpAddr| !case.index.listeners(Proto::Udp, 0, (*ip, 53)).is_empty();
    if !asked.iter().all(IpAddr::is_loopback) || asked.iter().any(runs) {
        return Vec::new();
    }
    let traced = case.traced(0).unwrap_or_default();
    let mut questions = traced.flows.iter().filter(|flow| is_question(flow));
    let refused = questions.any(|flow| asked.contains(&flow.destination.0));
    if !configured.is_empty() && !refused {
        return Vec::new();
    }
    let count = configured.len() as u64;
    let (headline, next) = match configured.first() {
        None => (
            "no name server in /etc/resolv.conf, and none listens on 127.0.0.1:53".to_owned(),
            "Add a line: nameserver ADDRESS",
        ),
        Some(first) => (
            format!(
                "the name server in /etc/resolv.conf, {first}, does not run: nothing listens on its UDP port 53"
            ),
            "Start the resolver of this host (systemd-resolved, dnsmasq, unbound), or name another server.",
        ),
    };
    vec![Finding {
        facts: vec![Fact::new(
            "/etc/resolv.conf",
            "nameserver",
            Value::Count(count),
        )],
        ruled_out: "Not a server that is slow or out of reach: no socket of this host takes the questions.",
        next: vec![Command::of("cat /etc/resolv.conf").into(), next.into()],
        ..Finding::new(&NO_NAMESERVER, Severity::Warning, Subject::Host, headline)
    }]
}

/// Whether packets of a flow are questions to a name server of this host that does not run.
pub(super) fn is_question(flow: &DroppedFlow) -> bool {
    let (to, port) = flow.destination;
    &*flow.reason == "NO_SOCKET" && flow.protocol == 17 && port == 53 && to.is_loopback()
}

/// Whether the rule fires and was asked.
pub(super) fn name_server_is_missing(case: &Case<'_>) -> bool {
    !case.ignored.contains(&&NO_NAMESERVER) && !check(case).is_empty()
}
