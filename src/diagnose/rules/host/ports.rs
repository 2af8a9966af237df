//! Local ports for connections to one destination.

use std::collections::HashMap;
use std::net::IpAddr;

use super::{Check, Rule};
use crate::diagnose::{Case, Command, Fact, Finding, Role, Severity, Subject, Value};
use crate::host::SocketAt;
use crate::sockets::{Proto, State};

/// Ephemeral ports.
pub static PORTS_USED_UP: Rule = Rule::new(
    "ports_used_up",
    "local ports used up",
    [
        "All local ports for connections from one address of this host to one address and port are in use, those \
         in TIME-WAIT included. A further connect() fails with EADDRNOTAVAIL; to another destination it works.",
        "The connections to the destination use at least 98 % of net.ipv4.ip_local_port_range.",
        "Many connections to different destinations share the ports.",
        "Keep connections open and use them again; widen net.ipv4.ip_local_port_range; use more addresses at \
         either end; find the program that does not close.",
    ],
    Check::Host(check),
);

/// Namespace, address of this host, address and port of the destination.
type Path = (u16, IpAddr, IpAddr, u16);

/// Connections that stand for all.
const EXAMPLES: usize = 3;

fn check(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut used: HashMap<Path, Vec<(u16, SocketAt)>> = HashMap::new();
    for at in case.sample.places() {
        let socket = case.socket(at);
        let is_connection = socket.proto == Proto::Tcp
            && !matches!(
                socket.state,
                State::Listen | State::BoundInactive | State::Unconnected
            );
        let (Some((from, port)), Some((to, to_port))) = (socket.local.end(), socket.peer.end())
        else {
            continue;
        };
        if is_connection && case.sample.is_ephemeral(socket.netns, port) {
            let key = (socket.netns, from, to, to_port);
            used.entry(key).or_default().push((port, at));
        }
    }
    for ((netns, from, to, port), mut ports) in used {
        let Some((low, high)) = case.sample.local_ports(netns) else {
            continue;
        };
        let all = u64::from(high - low) + 1;
        ports.sort_unstable();
        ports.dedup_by_key(|(port, _)| *port);
        let count = ports.len() as u64;
        if count * 100 < all * 98 {
            continue;
        }
        let end = std::net::SocketAddr::new(to, port);
        let examples = ports.iter().take(EXAMPLES);
        found.push(Finding {
            others: examples
                .map(|(_, at)| (Role::Affected, Subject::Socket(*at)))
                .collect(),
            facts: vec![
                Fact::new("sock_diag", "ports in use", Value::Share(count, all)),
                Fact::new(
                    "sysctl",
                    "net.ipv4.ip_local_port_range",
                    Value::Word(format!("{low} {high}").into()),
                ),
            ],
            next: vec![
                Command::of("sockdoc sockets -a --group state").with(end).into(),
                "Many in TIME-WAIT: each request makes a connection of its own. Many in CLOSE-WAIT or ESTAB: \
                 the program does not close them."
                    .into(),
            ],
            ..Finding::new(
                &PORTS_USED_UP,
                Severity::Error,
                Subject::Path { netns, to },
                format!("local ports used up: {count} of {all} from {from} to {end}"),
            )
        });
    }
    found
}
