//! The address that this host sends from.

use std::net::IpAddr;

use super::route::{is_cut_off, way};
use super::{Check, Finding, Rule, affected};
use crate::diagnose::{Case, Command, Fact, Severity, Subject, Value};
use crate::host::{Network, RouteAnswer, SocketAt};
use crate::rtnetlink::RouteKind;
use crate::sockets::State;

/// The source address.
pub static WRONG_SOURCE_ADDRESS: Rule = Rule::new(
    "wrong_source_address",
    "wrong source address",
    [
        "The packets of a connection leave with a source address to which the peer's answers do not come back: this host \
         no longer has the address, or it belongs to another network than the interface by which they leave. The \
         program bound it, or the route has it as its preferred source (`src`).",
        "A connection waits; and no interface has its local address, nor does the kernel take packets for it; or it is \
         a connection that never got an answer, its address is of another interface than the one that leads to \
         the peer, which has an address of its own, and no connection from that address is answered.",
        "A service address on the loopback interface that is routed to this host: connections from it are answered. \
         A transparent proxy: the kernel takes packets for the address (`ip route show table local`).",
        "Let the program or the route use an address of the interface, or add a route back to this address at the peer.",
    ],
    Check::Host(check),
);

/// Why answers do not come back.
enum Wrong {
    /// No interface has the address.
    Gone,
    /// It is of another interface: that one, and the one that leads to the peer.
    Elsewhere(u32, u32),
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    let mut found: Vec<(u16, IpAddr, Wrong, Vec<SocketAt>)> = Vec::new();
    for (&(netns, to), sockets) in case.index.waiting() {
        let Some(network) = case.sample.networks.get(usize::from(netns)) else {
            continue;
        };
        for at in sockets {
            let Some(from) = case.socket(*at).local.ip() else {
                continue;
            };
            let known = found.iter_mut().find(|it| (it.0, it.1) == (netns, from));
            if let Some(known) = known {
                known.3.push(*at);
            } else if let Some(wrong) = wrong(case, network, *at, (netns, to, from)) {
                found.push((netns, from, wrong, vec![*at]));
            }
        }
    }
    let found = found.into_iter();
    found
        .map(|(netns, from, wrong, sockets)| finding(case, netns, from, &wrong, &sockets))
        .collect()
}

fn wrong(
    case: &Case<'_>,
    network: &Network,
    at: SocketAt,
    (netns, to, from): (u16, IpAddr, IpAddr),
) -> Option<Wrong> {
    if from.is_unspecified() || network.addresses.is_empty() || is_cut_off(case, netns, to) {
        return None;
    }
    let is_local =
        |answer| matches!(answer, RouteAnswer::Route(route) if route.kind == RouteKind::Local);
    let mut own = network.addresses.iter().filter(|it| it.address == from);
    let Some(home) = own.next().map(|it| it.interface) else {
        return network
            .route(from)
            .is_some_and(|it| !is_local(it))
            .then_some(Wrong::Gone);
    };
    let (_, out) = way(case, netns, to)?;
    let has_one = |it: &crate::rtnetlink::InterfaceAddress| {
        it.interface == out && it.address.is_ipv4() == from.is_ipv4()
    };
    let is_foreign = home != out && own.all(|it| it.interface != out);
    let suspicious = is_foreign
        && case.socket(at).state == State::SynSent
        && network.addresses.iter().any(has_one)
        && !is_answered(case, netns, from);
    suspicious.then_some(Wrong::Elsewhere(home, out))
}

/// Whether this host has no longer the address that a connection sends from.
pub(super) fn is_from_nowhere(case: &Case<'_>, at: SocketAt) -> bool {
    let socket = case.socket(at);
    let network = case.sample.networks.get(usize::from(socket.netns));
    let ends = socket.local.ip().zip(socket.peer.ip());
    let wrong = network
        .zip(ends)
        .and_then(|(network, (from, to))| wrong(case, network, at, (socket.netns, to, from)));
    matches!(wrong, Some(Wrong::Gone))
}

/// Whether a connection from this address is established and does not wait.
fn is_answered(case: &Case<'_>, netns: u16, from: IpAddr) -> bool {
    let mut places = case.sample.places();
    places.any(|at| {
        let socket = case.socket(at);
        let other = socket.peer.ip();
        socket.netns == netns
            && socket.state == State::Established
            && socket.local.ip() == Some(from)
            && other.is_some_and(|it| it != from && !it.is_loopback())
            && !case.index.waits(at)
    })
}

fn finding(
    case: &Case<'_>,
    netns: u16,
    from: IpAddr,
    wrong: &Wrong,
    sockets: &[SocketAt],
) -> Finding {
    let count = sockets.len();
    let waits = if count == 1 {
        "1 connection waits".to_owned()
    } else {
        format!("{count} connections wait")
    };
    let name = |index: u32| {
        let network = case.sample.networks.get(usize::from(netns));
        network
            .and_then(|it| it.link(index))
            .map_or("?", |link| &*link.name)
    };
    let (headline, ruled_out) = match wrong {
        Wrong::Gone => (
            format!("source address {from} is not on this host any more; {waits}"),
            "Not the peer: no interface has the address, so an answer to it is not for this host.",
        ),
        Wrong::Elsewhere(home, out) => (
            format!(
                "source address {from} is of {}, and packets leave by {}; {waits}",
                name(*home),
                name(*out)
            ),
            "Not a service address that works: no connection from it is answered.",
        ),
    };
    let to = sockets
        .first()
        .and_then(|at| case.socket(*at).peer.ip())
        .unwrap_or(from);
    Finding {
        others: affected(sockets),
        facts: vec![Fact::new(
            "sock_diag",
            "local address",
            Value::Word(from.to_string().into()),
        )],
        ruled_out,
        next: vec![
            Command::of("ip route get").with(to).into(),
            "`src` is the address that the route prefers.".into(),
            Command::of("ip address").into(),
        ],
        ..Finding::new(
            &WRONG_SOURCE_ADDRESS,
            Severity::Error,
            Subject::Path { netns, to },
            headline,
        )
    }
}
