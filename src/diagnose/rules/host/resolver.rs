//! The name servers.

use super::{Check, Rule};
use crate::diagnose::{Case, Command, Fact, Finding, Severity, Subject, Value};
use crate::sockets::Proto;

/// No name server.
pub static NO_NAMESERVER: Rule = Rule::new(
    "no_nameserver",
    "no name server configured",
    [
        "/etc/resolv.conf names no server, so programs ask 127.0.0.1, where no name server listens: no name that \
         is not in /etc/hosts can be looked up.",
        "No `nameserver` line in /etc/resolv.conf, and no socket on UDP port 53 that takes 127.0.0.1.",
        "A file without a server is right where one runs on this host.",
        "Write a line `nameserver ADDRESS` into /etc/resolv.conf, or start the resolver of this host.",
    ],
    Check::Host(check),
);

fn check(case: &Case<'_>) -> Vec<Finding> {
    let machine = case.sample.machine.as_ref();
    let configured = machine.and_then(|machine| machine.nameservers.as_ref());
    if configured.is_none_or(|servers| !servers.is_empty()) {
        return Vec::new();
    }
    let own: std::net::IpAddr = [127, 0, 0, 1].into();
    // The file is that of this program, and so is the namespace: the first.
    if !case.index.listeners(Proto::Udp, 0, (own, 53)).is_empty() {
        return Vec::new();
    }
    vec![Finding {
        facts: vec![Fact::new("/etc/resolv.conf", "nameserver", Value::Count(0))],
        next: vec![
            Command::of("cat /etc/resolv.conf").into(),
            "Add a line: nameserver ADDRESS".into(),
        ],
        ..Finding::new(
            &NO_NAMESERVER,
            Severity::Warning,
            Subject::Host,
            "no name server in /etc/resolv.conf, and none listens on 127.0.0.1:53",
        )
    }]
}
