//! Who listens on the addresses of a name.

use std::net::IpAddr;

use super::{FAMILY_MISMATCH, finding, word};
use crate::diagnose::{Command, Fact, Finding, Severity};

/// What the listeners on the addresses of a name prove; `ends` are those of this host, with whether a socket
/// listens there.
pub fn of_listeners(name: &str, port: u16, ends: &[(IpAddr, bool)]) -> Option<Finding> {
    let list = |listens: bool| {
        let those = ends.iter().filter(|(_, is_there)| *is_there == listens);
        let those: Vec<String> = those.map(|(address, _)| address.to_string()).collect();
        those.join(" and ")
    };
    let (with, without) = (list(true), list(false));
    if with.is_empty() || without.is_empty() {
        return None;
    }
    let headline = format!(
        "on port {port} a server listens on {with} and not on {without}, which are all {name}"
    );
    let facts = vec![
        Fact::new("sock_diag", "LISTEN", word(with)),
        Fact::new("sock_diag", "no listener", word(without)),
    ];
    let commands = vec![Command::of("sockdoc sockets -l").with(format!(":{port}"))];
    Some(finding(
        &FAMILY_MISMATCH,
        Severity::Notice,
        headline,
        facts,
        commands,
    ))
}
