//! What is done and looked at, in turn: the name, this host, the connections, this host again, the path.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::Args;
use crate::check::judge::asks_for_a_trace;
use crate::check::{Attempt, Outcome, Step};
use crate::commands::looking::add_processes;
use crate::dns::{Lookup, ServerAnswers, SystemAnswer};
use crate::error::Result;
use crate::host::Sample;
use crate::sockets::{Proto, Socket, State};
use crate::sys::around::is_here;
use crate::sys::check::{self as probes, Attempts};
use crate::sys::icmp::Options;
use crate::sys::network;
use crate::sys::resolve::lookup::look_up;
use crate::sys::sockets::namespaces::Place;
use crate::sys::sockets::processes::Depth;
use crate::sys::sockets::{Query, sample};

/// Addresses that are connected to.
const MOST_ADDRESSES: usize = 16;
/// Other namespaces than these are not searched.
const MOST_PLACES: usize = 512;
/// How long an answer to a SYN is waited for. It is sent again after one second and after three (RFC 6298), and a
/// neighbour or a router gives a host up after three.
const WAIT: Duration = Duration::from_secs(4);
/// After one address is connected, the others have this long.
const GRACE: Duration = Duration::from_millis(1_200);
/// How long an answer to a SYN of a trace is waited for.
const PATIENCE: Duration = Duration::from_millis(900);
/// Ports that are tried to see whether the host is up: of them at least one is open, or closed without a filter.
const OTHER_PORTS: [u16; 4] = [443, 80, 22, 33_434];

/// All that was seen.
pub(super) struct Gathered {
    pub(super) lookup: Lookup,
    pub(super) attempts: Vec<Attempt>,
    pub(super) before: Sample,
    pub(super) after: Sample,
    pub(super) elapsed: Duration,
    pub(super) port: u16,
}

/// Connects to a TCP port.
pub(super) fn tcp(args: &Args, host: &str, port: u16, start: Instant) -> Result<Gathered> {
    let end = start + args.timeout;
    let left = || end.saturating_duration_since(Instant::now());
    // The C library's own timeout is five seconds for each server.
    let lookup = look_up(
        host,
        args.family(),
        args.timeout.mul_f64(0.6),
        !args.quiet_network,
    )?;
    let addresses = addresses(&lookup, port);
    let ips: Vec<IpAddr> = addresses.iter().map(SocketAddr::ip).collect();
    let before = look(vec![Place::own()], &ips, port, false)?;
    let began = Instant::now();
    let options = Options::default();
    // Some time is left for the trace.
    let wait = WAIT.min(left().mul_f64(0.75));
    let Attempts {
        mut attempts,
        sockets,
    } = probes::attempts(&addresses, &options, wait, GRACE);
    let after = look(places(&attempts), &ips, port, true)?;
    let elapsed = began.elapsed();
    drop(sockets);
    if !args.quiet_network {
        trace_failures(&mut attempts, &after, &options, end);
    }
    Ok(Gathered {
        lookup,
        attempts,
        before,
        after,
        elapsed,
        port,
    })
}

/// The addresses that programs get; if the resolver hangs, those that a name server gave us.
fn addresses(lookup: &Lookup, port: u16) -> Vec<SocketAddr> {
    let mut addresses: Vec<SocketAddr> = lookup.addresses().to_vec();
    if addresses.is_empty() && lookup.system == SystemAnswer::Pending {
        let all = lookup.servers.iter().flat_map(ServerAnswers::addresses);
        addresses.extend(all.map(|ip| SocketAddr::new(ip, port)));
        addresses.dedup();
    }
    for address in &mut addresses {
        address.set_port(port);
    }
    addresses.truncate(MOST_ADDRESSES);
    addresses
}

/// Looks at the sockets of the port, and at the network stack with the routes to these addresses.
fn look(places: Vec<Place>, routes: &[IpAddr], port: u16, with_owners: bool) -> Result<Sample> {
    let states = !State::TimeWait.bit();
    let query = Query {
        protos: vec![Proto::Tcp, Proto::Udp],
        states,
        tcp_states: states,
        bytecode: None,
        details: true,
        evidence: true,
        drops: true,
        owners: with_owners.then_some(Depth::Names),
        places,
        pids: Vec::new(),
    };
    let port = Some(u32::from(port));
    let keep = |socket: &Socket| socket.local.port() == port || socket.peer.port() == port;
    let mut sample = sample(&query, &keep)?.sample;
    sample.networks.push(network::network(routes));
    sample.machine = Some(network::machine());
    if with_owners {
        add_processes(&mut sample);
    }
    Ok(sample)
}

/// The namespaces that are searched after the attempts: all, if a listener may be missed.
fn places(attempts: &[Attempt]) -> Vec<Place> {
    let is_missed = |it: &Attempt| it.outcome == Outcome::Refused(None) && is_here(it.to.ip());
    if !attempts.iter().any(is_missed) {
        return vec![Place::own()];
    }
    let mut places = Place::all().0;
    places.truncate(MOST_PLACES);
    places
}

/// Finds out where the packets of an attempt that failed end.
fn trace_failures(attempts: &mut [Attempt], after: &Sample, options: &Options, end: Instant) {
    let Some(network) = after.networks.first() else {
        return;
    };
    let is_open = attempts.iter().any(|it| it.outcome == Outcome::Open);
    let leaves = |attempt: &Attempt| {
        let step = Step::of(network, attempt.to.ip());
        step.is_some_and(|step| !step.is_local() && step.leads_somewhere() && step.answers())
    };
    let failed = attempts
        .iter_mut()
        .filter(|it| asks_for_a_trace(&it.outcome) && leaves(it));
    // Where one address works, the others are of less interest.
    let most = if is_open { 1 } else { 2 };
    std::thread::scope(|scope| {
        for attempt in failed.take(most) {
            scope.spawn(move || {
                let (to, is_silent) =
                    (attempt.to, !matches!(attempt.outcome, Outcome::Rejected(_)));
                let ports: Vec<u16> = OTHER_PORTS
                    .into_iter()
                    .filter(|it| *it != to.port())
                    .collect();
                std::thread::scope(|scope| {
                    let others = is_silent.then(|| {
                        scope.spawn(|| probes::others(to.ip(), &ports, options, PATIENCE))
                    });
                    attempt.trace = probes::trace(to, options, PATIENCE, end);
                    attempt.others = others.and_then(|it| it.join().ok()).unwrap_or_default();
                });
            });
        }
    });
}
