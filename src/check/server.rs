//! The server's side, where it is on this host: who listens, how long the queue is, where a port leads to, and
//! from where it can be reached.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use super::attempt::{Attempt, Outcome};
use super::report::Line;
use crate::diagnose::Case;
use crate::diagnose::reach::who;
use crate::diagnose::rules::reach::stopped_from_outside;
use crate::host::{Forward, Index, SocketAt};
use crate::sockets::filter::is_listening;
use crate::sockets::{Address, Proto, Socket, State};

/// Listeners that are shown.
const MOST: usize = 8;
/// Addresses that are shown.
const MOST_ADDRESSES: usize = 4;

/// A line for each listener among these sockets, and one for where it forwards to.
pub fn listeners(
    case: &Case<'_>,
    sockets: &[SocketAt],
    forward_of: &dyn Fn(SocketAt) -> Option<Forward>,
) -> Vec<Line> {
    let is_one = |at: &&SocketAt| is_listening(case.socket(**at));
    let mut lines = Vec::new();
    for at in sockets.iter().filter(is_one).take(MOST) {
        lines.push(Line::new(listener(case, *at), true));
        lines.extend(forward_of(*at).map(|it| forward(case, &it)));
    }
    lines
}

/// How long a program has to accept the connection that is made to it.
pub const ACCEPTS_WITHIN: Duration = Duration::from_secs(3);

/// The server's end of a connection that was made, if its program has not accepted it: the kernel gives it an inode
/// then. Not to be seen if the server is on another host.
pub fn unaccepted(index: &Index<'_>, attempt: &Attempt) -> Option<SocketAt> {
    let ours = attempt.local.filter(|_| attempt.outcome == Outcome::Open)?;
    let canonical = |it: SocketAddr| Some((it.ip().to_canonical(), it.port()));
    let is_it = |at: &SocketAt| {
        let socket = index.socket(*at);
        socket.proto == Proto::Tcp
            && socket.inode == 0
            && matches!(socket.state, State::Established | State::CloseWait)
            && socket.local.end() == canonical(attempt.end())
            && socket.peer.end() == canonical(ours)
    };
    index.sample().places().find(is_it)
}

/// `nginx (pid 812) listens on [::]:80 (IPv4 too), queue 0 of 511`.
fn listener(case: &Case<'_>, at: SocketAt) -> String {
    let socket = case.socket(at);
    let who = who(case.index, &[at]);
    let by_systemd = case.index.processes(&[at]).iter().any(|it| {
        let process = case.sample.process(*it);
        process.pid == 1 && &*process.comm == b"systemd"
    });
    let verb = match (socket.proto, by_systemd) {
        (_, true) => "holds the socket (socket activation):",
        (Proto::Udp | Proto::UnixDgr, _) => "is bound to",
        _ => "listens on",
    };
    let mut text = format!("{who} {verb} {}", place(socket));
    if socket.state == State::Listen {
        let queue = format!(", queue {} of {}", socket.recv_q, socket.send_q);
        text.push_str(&queue);
    }
    text.push_str(&namespace(case, socket));
    text
}

/// Its address; of one on all addresses, for which families.
fn place(socket: &Socket) -> String {
    match &socket.local {
        Address::Unix { name, .. } => match name.split_first() {
            Some((0, rest)) => format!("@{}", String::from_utf8_lossy(rest)),
            _ => String::from_utf8_lossy(name).into_owned(),
        },
        Address::Ip { addr, port, .. } => {
            let end = SocketAddr::new(*addr, *port);
            match socket.v6_only {
                Some(true) if addr.is_unspecified() => format!("{end} (IPv6 only)"),
                Some(false) if addr.is_ipv6() && addr.is_unspecified() => {
                    format!("{end} (IPv4 too)")
                }
                _ => end.to_string(),
            }
        }
        _ => "another address".to_owned(),
    }
}

fn namespace(case: &Case<'_>, socket: &Socket) -> String {
    let namespaces = &case.sample.namespaces;
    match namespaces.get(usize::from(socket.netns)) {
        Some(it) if !it.label.is_empty() && socket.netns != 0 => {
            format!(", in the network namespace {}", it.label)
        }
        _ => String::new(),
    }
}

/// `forwards to 172.17.0.2:80: nginx (pid 77) listens there`.
fn forward(case: &Case<'_>, forward: &Forward) -> Line {
    let to = forward.to;
    match forward.listener {
        Some(at) => {
            let socket = case.socket(at);
            let who = who(case.index, &[at]);
            let text = format!(
                "forwards to {to}: {who} listens there on {}{}",
                place(socket),
                namespace(case, socket)
            );
            Line::new(text, true)
        }
        None => Line::new(
            format!("forwards to {to}: no listener is seen there"),
            false,
        ),
    }
}

/// From where a port of this host can be reached, and who is connected to it.
pub fn reach(case: &Case<'_>, sockets: &[SocketAt], own: &[SocketAddr]) -> Vec<Line> {
    let listening: Vec<&Socket> = sockets
        .iter()
        .map(|at| case.socket(*at))
        .filter(|socket| is_listening(socket) && socket.netns == 0)
        .collect();
    let Some(first) = listening.first() else {
        return Vec::new();
    };
    let mut lines = vec![from_outside(case, &listening)];
    let port = first.local.port();
    let clients = case.sample.sockets.iter().filter(|socket| {
        let local = socket.local.end();
        let is_ours = |(ip, port)| own.contains(&SocketAddr::new(ip, port));
        socket.netns == 0
            && socket.proto == first.proto
            && socket.state == State::Established
            && local.is_some_and(|(_, of)| Some(u32::from(of)) == port)
            && !socket.peer.end().is_some_and(is_ours)
    });
    let peers: Vec<_> = clients.filter_map(|socket| socket.peer.ip()).collect();
    let addresses: BTreeSet<_> = peers.iter().collect();
    let text = match (peers.len(), addresses.len()) {
        (0, _) => "no other client is connected".to_owned(),
        (1, _) => format!("1 client is connected, from {}", peers[0]),
        (n, 1) => format!("{n} clients are connected, all from {}", peers[0]),
        (n, hosts) => format!("{n} clients are connected, from {hosts} addresses"),
    };
    lines.push(Line::new(text, true));
    lines
}

/// From which networks connections can come.
fn from_outside(case: &Case<'_>, listening: &[&Socket]) -> Line {
    let ips: Vec<_> = listening.iter().filter_map(|it| it.local.ip()).collect();
    if ips.iter().all(std::net::IpAddr::is_loopback) {
        let text = "it can be reached from this host only: it listens on loopback";
        return Line::new(text.to_owned(), true);
    }
    let Some(network) = case.sample.networks.first() else {
        return Line::new("from where it can be reached is not known".to_owned(), true);
    };
    let is_taken = |own: &std::net::IpAddr| listening.iter().any(|it| it.takes(*own));
    let mut places: Vec<String> = Vec::new();
    for it in &network.addresses {
        let link = network.link(it.interface).filter(|link| !link.loopback);
        let is_link_local =
            matches!(it.address, std::net::IpAddr::V6(ip) if ip.is_unicast_link_local());
        if let Some(link) = link.filter(|_| is_taken(&it.address) && !is_link_local) {
            places.push(format!("{} ({})", it.address, link.name));
        }
    }
    let more = places.len().saturating_sub(MOST_ADDRESSES);
    places.truncate(MOST_ADDRESSES);
    if places.is_empty() {
        let text = "it can be reached from this host only: no interface has another address";
        return Line::new(text.to_owned(), true);
    }
    let mut list = places.join(", ");
    if more > 0 {
        list = format!("{list} and {more} more");
    }
    let protocol = if listening[0].proto == Proto::Udp {
        17
    } else {
        6
    };
    let mut ends = listening.iter().filter_map(|it| it.local.end());
    let stopped = ends.find_map(|end| stopped_from_outside(case, 0, protocol, end));
    match stopped {
        Some(told) => Line::new(
            format!("other hosts cannot connect to {list}: {told}"),
            false,
        ),
        None if network.firewall.is_none() => Line::new(
            format!("other hosts can ask for it at {list}; the firewall's rules cannot be read"),
            true,
        ),
        None => Line::new(format!("other hosts can connect to {list}"), true),
    }
}
