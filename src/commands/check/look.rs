//! Looks at this host: its sockets at the ports of the target, the network stack, and the other namespaces where
//! the server's side may be.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::check::{Attempt, Outcome, Step};
use crate::commands::looking::add_processes;
use crate::error::Result;
use crate::host::{Forward, Index, Network, Sample, SocketAt};
use crate::rtnetlink::Question;
use crate::sockets::filter::is_listening;
use crate::sockets::{Address, Proto, Socket, State};
use crate::sys::around::is_here;
use crate::sys::icmp::Options;
use crate::sys::network;
use crate::sys::resolve::interface_number;
use crate::sys::sockets::namespaces::Place;
use crate::sys::sockets::processes::Depth;
use crate::sys::sockets::{Query, Taken, forwards, sample};

/// Other namespaces than these are not searched.
const MOST_PLACES: usize = 4096;
/// Addresses that are connected to.
pub(super) const MOST_ADDRESSES: usize = 16;

/// What was seen of this host after the attempts.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Its sockets; the first namespace is the one that the attempts were made in.
    pub(super) sample: Sample,
    /// Where listeners forward to.
    pub(super) forwards: HashMap<SocketAt, Forward>,
    /// Addresses of the target that belong to another namespace of this host, with its place in the sample.
    pub(super) homes: Vec<(IpAddr, u16)>,
}

/// What the packets are, as rules that choose a route may tell them apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way<'a> {
    pub(super) options: &'a Options,
    /// The number of the protocol.
    pub(super) protocol: u8,
}

impl Way<'_> {
    fn to(&self, end: SocketAddr) -> Question {
        let by = self.options.device.as_deref();
        Question {
            from: self.options.source.map(|it| it.ip()),
            interface: by.and_then(interface_number),
            end: Some((self.protocol, end.port())),
            ..end.ip().into()
        }
    }
}

/// Looks at the sockets of these ports, and at the network stack with the routes to the addresses.
pub(super) fn look(addresses: &[SocketAddr], ports: &[u32], way: Way<'_>) -> Result<Sample> {
    let query = query(vec![Proto::Tcp, Proto::Udp], vec![Place::own()], false);
    Ok(take(&query, addresses, ports, way)?.sample)
}

/// The same after the attempts, with the processes; and with the other namespaces, if the server may be in one.
pub(super) fn look_after(
    attempts: &[Attempt],
    addresses: &[SocketAddr],
    ports: &[u32],
    way: Way<'_>,
) -> Result<Seen> {
    let mut query = query(vec![Proto::Tcp, Proto::Udp], vec![Place::own()], true);
    let ends = attempts.iter().filter_map(|it| it.translated);
    let (addresses, ports) = (
        &addresses
            .iter()
            .copied()
            .chain(ends.clone())
            .collect::<Vec<_>>(),
        &ports
            .iter()
            .copied()
            .chain(ends.map(|it| it.port().into()))
            .collect::<Vec<u32>>(),
    );
    let taken = take(&query, addresses, ports, way)?;
    let leads_to = forwards::find(&taken, &[]);
    let network = taken.sample.networks.first();
    let neighbours = network.map_or_else(Vec::new, |it| virtual_neighbours(attempts, it));
    let is_missed = |it: &Attempt| it.outcome == Outcome::Refused(None) && is_here(it.to.ip());
    let mut seen = Seen {
        forwards: leads_to,
        sample: taken.sample,
        homes: Vec::new(),
    };
    let is_missed = attempts.iter().any(is_missed);
    if is_missed || !(seen.forwards.is_empty() && neighbours.is_empty()) {
        let inside: Vec<SocketAddr> = seen.forwards.values().map(|it| it.to).collect();
        query.places = all_places();
        if !is_missed {
            // Looking into each takes long where there are hundreds.
            query.places = with_addresses(query.places, &neighbours, &inside);
        }
        let inside = inside.iter().map(|it| u32::from(it.port()));
        let ports: Vec<u32> = ports.iter().copied().chain(inside).collect();
        let taken = take(&query, addresses, &ports, way)?;
        seen.forwards = forwards::find(&taken, &query.places);
        seen.sample = taken.sample;
        seen.homes = homes(&query.places, &neighbours);
        for (_, netns) in &seen.homes {
            let at = usize::from(*netns);
            let networks = &mut seen.sample.networks;
            if networks.len() <= at {
                networks.resize_with(at + 1, Network::default);
                let look = || network_of(addresses, None);
                networks[at] = query.places[at].inside(look).unwrap_or_default();
            }
        }
    }
    add_processes(&mut seen.sample);
    Ok(seen)
}

fn all_places() -> Vec<Place> {
    let mut places = Place::all().0;
    places.truncate(MOST_PLACES);
    places
}

/// The first of these namespaces, and those that have one of the addresses.
fn with_addresses(
    places: Vec<Place>,
    neighbours: &[(IpAddr, [u8; 6])],
    ends: &[SocketAddr],
) -> Vec<Place> {
    let is_asked = |(at, place): &(usize, Place)| {
        let has = || {
            let mut ends = ends.iter();
            neighbours.iter().any(is_home) || ends.any(|it| is_here(it.ip()))
        };
        *at == 0 || place.inside(has).unwrap_or(false)
    };
    let places = places.into_iter().enumerate().filter(is_asked);
    places.map(|(_, place)| place).collect()
}

/// Whether the namespace that this thread is in has an address, at an interface with this Ethernet address.
fn is_home((ip, hardware): &(IpAddr, [u8; 6])) -> bool {
    is_here(*ip) && network::hardware_addresses().contains(hardware)
}

/// Ethernet addresses of next hops that are targets themselves, behind an interface that is not hardware.
fn virtual_neighbours(attempts: &[Attempt], network: &Network) -> Vec<(IpAddr, [u8; 6])> {
    let neighbour = |attempt: &Attempt| {
        let ip = attempt.end().ip();
        let step = Step::of(network, ip)?;
        let is_virtual = step.link.is_some_and(|link| link.kind.is_some());
        let hardware = step.neighbour?.hardware?;
        (is_virtual && step.hop == ip).then_some((ip, hardware))
    };
    attempts.iter().filter_map(neighbour).collect()
}

/// The namespace that each of these addresses belongs to: its interface has the Ethernet address, too.
fn homes(places: &[Place], neighbours: &[(IpAddr, [u8; 6])]) -> Vec<(IpAddr, u16)> {
    let mut found = Vec::new();
    for (netns, place) in (0..).zip(places).skip(1) {
        if neighbours.len() == found.len() {
            break;
        }
        let look = || {
            let own = neighbours.iter().filter(|it| is_home(it));
            own.map(|(ip, _)| *ip).collect()
        };
        let own = place.inside(look);
        let own: Vec<IpAddr> = own.unwrap_or_default();
        found.extend(own.into_iter().map(|ip| (ip, netns)));
    }
    found
}

fn query(protos: Vec<Proto>, places: Vec<Place>, with_owners: bool) -> Query {
    let states = !State::TimeWait.bit();
    Query {
        protos,
        states,
        tcp_states: states,
        bytecode: None,
        details: true,
        evidence: true,
        drops: true,
        owners: with_owners.then_some(Depth::Names),
        places,
        pids: Vec::new(),
    }
}

fn take(query: &Query, addresses: &[SocketAddr], ports: &[u32], way: Way<'_>) -> Result<Taken> {
    let is_one = |port: Option<u32>| port.is_some_and(|port| ports.contains(&port));
    let keep = |socket: &Socket| is_one(socket.local.port()) || is_one(socket.peer.port());
    let mut taken = sample(query, &keep)?;
    taken.sample.networks.push(network_of(addresses, Some(way)));
    taken.sample.machine = Some(network::machine());
    Ok(taken)
}

/// The network stack of the namespace that this thread is in, with its packet filter.
fn network_of(addresses: &[SocketAddr], way: Option<Way<'_>>) -> Network {
    let routes = addresses.iter().map(|it| match way {
        Some(way) => way.to(*it),
        None => it.ip().into(),
    });
    let routes: Vec<Question> = routes.collect();
    let by = way.and_then(|it| it.options.device.as_deref());
    Network {
        // Anew each time: how far its counters rose is told.
        firewall: network::Firewalls::default().of(0),
        ..network::network_with(&routes, by)
    }
}

/// The sockets at a path or an abstract name: of this namespace, or otherwise of all.
pub(super) fn look_at_unix(path: &Path, with_owners: bool) -> Result<Sample> {
    let name = path.as_os_str().as_bytes();
    let keep = |socket: &Socket| is_at(&socket.local, name) || is_at(&socket.peer, name);
    // One of another type may hold the path.
    let protos = vec![Proto::UnixStr, Proto::UnixSeq, Proto::UnixDgr];
    let mut query = query(protos, vec![Place::own()], with_owners);
    let mut found = sample(&query, &keep)?.sample;
    let is_server = |socket: &Socket| {
        let is_bound = is_listening(socket) || socket.state == State::Unconnected;
        is_at(&socket.local, name) && is_bound
    };
    let is_file = !name.starts_with(b"@");
    if is_file && !found.sockets.iter().any(is_server) {
        // A path leads to the sockets of every network namespace.
        query.places = all_places();
        found = sample(&query, &keep)?.sample;
    }
    if with_owners {
        add_processes(&mut found);
    }
    Ok(found)
}

/// Whether an address is this path, or `@name`.
pub(super) fn is_at(address: &Address, path: &[u8]) -> bool {
    let Address::Unix { name, .. } = address else {
        return false;
    };
    let shown = path.strip_prefix(b"@");
    **name == *path || shown.is_some_and(|rest| name.strip_prefix(b"\0") == Some(rest))
}

/// The peers of a process that it connected to, each once; and the ports on which it listens.
pub(super) fn peers_of(pid: u32) -> Result<(Vec<SocketAddr>, Vec<u16>)> {
    let query = query(vec![Proto::Tcp], vec![Place::own()], true);
    let sample = sample(&query, &|_| true)?.sample;
    let index = Index::new(&sample);
    let is_of = |at: &SocketAt| is_of(&index, *at, pid);
    let own: Vec<SocketAt> = sample.places().filter(is_of).collect();
    let mut peers: Vec<SocketAddr> = own
        .iter()
        // What others connected to it is not for it to reach.
        .filter(|at| index.listeners_of(**at).is_empty())
        .filter_map(|at| Some(SocketAddr::from(index.socket(*at).peer.end()?)))
        .filter(|peer| peer.port() != 0)
        .collect();
    peers.sort_unstable();
    peers.dedup();
    peers.truncate(MOST_ADDRESSES);
    let listening = own.iter().map(|at| index.socket(*at));
    let listening = listening.filter(|it| is_listening(it));
    let mut ports: Vec<u16> = listening.filter_map(|it| Some(it.local.end()?.1)).collect();
    ports.sort_unstable();
    ports.dedup();
    Ok((peers, ports))
}

/// Whether a process holds a socket.
pub(super) fn is_of(index: &Index<'_>, at: SocketAt, pid: u32) -> bool {
    let mut processes = index.processes(&[at]).into_iter();
    processes.any(|process| index.sample().process(process).pid == pid)
}

/// The addresses at which to ask for a port of this host: those of its listeners, on loopback if they take all.
pub(super) fn own_addresses(port: u16) -> Result<Vec<SocketAddr>> {
    let mut query = query(vec![Proto::Tcp], vec![Place::own()], false);
    query.tcp_states = State::Listen.bit();
    let is_it = |socket: &Socket| socket.local.port() == Some(port.into());
    let sample = sample(&query, &is_it)?.sample;
    let ask = |socket: &Socket| match (&socket.local, socket.v6_only) {
        (Address::Ip { addr, .. }, Some(true)) if addr.is_unspecified() => {
            Some(IpAddr::from(Ipv6Addr::LOCALHOST))
        }
        (Address::Ip { addr, .. }, _) if addr.is_unspecified() => {
            Some(IpAddr::from(Ipv4Addr::LOCALHOST))
        }
        (Address::Ip { addr, .. }, _) => Some(addr.to_canonical()),
        _ => None,
    };
    let ips = sample.sockets.iter().filter_map(ask);
    let mut addresses: Vec<SocketAddr> = ips.map(|ip| SocketAddr::new(ip, port)).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses.truncate(MOST_ADDRESSES);
    Ok(addresses)
}
