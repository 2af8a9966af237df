//! What `sockdoc check` does to the network: connections, and what is sent when one fails.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags};
use socket2::{Socket, Type};

use crate::check::{Attempt, Outcome};
use crate::error::Result;
use crate::ping::hops::{Answer, End, Hop};
use crate::ping::mpls::Labels;
use crate::ping::trace::Trace;
use crate::sockdiag::TcpInfo;
use crate::sockets::Proto;
use crate::sys::connect::connect_started;
use crate::sys::datagram_probe::{self, Probed};
use crate::sys::fill::tcp_info_of;
use crate::sys::handshake::{self, handshake, prepare};
use crate::sys::icmp;
use crate::sys::refusals;
use crate::sys::signals::Signals;
use crate::sys::socket::{Options, client};
use crate::sys::waiting::ready_by;

/// The socket of a connection that was made.
pub type Connection = Socket;

/// The attempts, and their sockets as long as they are open: connected, or still waiting.
#[derive(Debug)]
pub struct Attempts {
    /// What became of them.
    pub attempts: Vec<Attempt>,
    /// Their sockets, non-blocking.
    pub sockets: Vec<Option<Socket>>,
}

/// Connects to each address at the same time. It takes no longer than `wait`, and no longer than `grace` after
/// one of them is connected.
pub fn attempts(
    addresses: &[SocketAddr],
    options: &icmp::Options,
    wait: Duration,
    grace: Duration,
) -> Attempts {
    let start = Instant::now();
    let mut until = start + wait;
    let new = |to: &SocketAddr| Attempt::new(*to, Proto::Tcp);
    let mut all = Attempts {
        attempts: addresses.iter().map(new).collect(),
        sockets: Vec::new(),
    };
    let mut pending = Vec::new();
    for (at, to) in addresses.iter().enumerate() {
        all.sockets.push(None);
        match begin(*to, options) {
            Ok((socket, is_done)) => {
                all.attempts[at].local = socket.local_addr().ok().and_then(|it| it.as_socket());
                all.sockets[at] = Some(socket);
                if is_done {
                    all.decide(at, start);
                } else {
                    pending.push(at);
                }
            }
            Err(error) => all.attempts[at].outcome = of_error(&error, None),
        }
    }
    loop {
        if all.attempts.iter().any(|it| it.outcome == Outcome::Open) {
            until = until.min(Instant::now() + grace);
        }
        if pending.is_empty() || !all.wait(&mut pending, until, start) {
            break;
        }
    }
    let is_open = all.attempts.iter().any(|it| it.outcome == Outcome::Open);
    for at in pending {
        let attempt = &mut all.attempts[at];
        attempt.outcome = if is_open {
            Outcome::Overtaken
        } else {
            Outcome::Silent
        };
        attempt.time = start.elapsed();
        attempt.syns = all.sockets[at].as_ref().map_or(0, syns);
    }
    all
}

fn begin(to: SocketAddr, options: &icmp::Options) -> io::Result<(Socket, bool)> {
    let socket = client(&to, Type::STREAM, &Options::default())?;
    prepare(&socket, to, options)?;
    let is_done = connect_started(&socket, to)?;
    Ok((socket, is_done))
}

impl Attempts {
    /// Waits until one of those is decided; false if the time is over.
    fn wait(&mut self, pending: &mut Vec<usize>, until: Instant, start: Instant) -> bool {
        let sockets = pending.iter().filter_map(|at| self.sockets[*at].as_ref());
        let mut fds: Vec<PollFd<'_>> = sockets
            .map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLOUT))
            .collect();
        if !ready_by(&mut fds, Some(until)).unwrap_or(false) {
            return false;
        }
        let ready: Vec<bool> = fds.iter().map(|fd| fd.any() == Some(true)).collect();
        let mut places = pending.iter().zip(&ready);
        let done: Vec<usize> = places
            .by_ref()
            .filter_map(|(at, is_ready)| is_ready.then_some(*at))
            .collect();
        pending.retain(|at| !done.contains(at));
        for at in done {
            self.decide(at, start);
        }
        true
    }

    /// A socket is connected, or failed.
    fn decide(&mut self, at: usize, start: Instant) {
        let attempt = &mut self.attempts[at];
        attempt.time = start.elapsed();
        let Some(socket) = &self.sockets[at] else {
            return;
        };
        attempt.syns = syns(socket);
        let error = match socket.take_error() {
            Ok(None) => None,
            Ok(Some(error)) | Err(error) => Some(error),
        };
        let met_itself = || {
            let (local, peer) = (socket.local_addr().ok()?, socket.peer_addr().ok()?);
            (local.as_socket() == peer.as_socket()).then_some(())
        };
        attempt.outcome = match error {
            None if met_itself().is_some() => Outcome::Refused(None),
            None => Outcome::Open,
            Some(error) => of_error(&error, Some(socket)),
        };
        if attempt.outcome == Outcome::Open {
            refusals::ignore(socket, attempt.to);
        } else {
            self.sockets[at] = None;
        }
    }
}

/// Sends a datagram to each address at the same time, and waits for what comes back.
pub fn datagrams(
    addresses: &[SocketAddr],
    data: Option<&[u8]>,
    options: &icmp::Options,
    wait: Duration,
) -> Vec<Attempt> {
    let Ok(signals) = Signals::open() else {
        return Vec::new();
    };
    std::thread::scope(|scope| {
        let ask = |to: &SocketAddr| {
            let (to, signals) = (*to, &signals);
            scope.spawn(move || {
                let mut attempt = Attempt::new(to, Proto::Udp);
                let asked = datagram_probe::probe(to, data, options, wait, signals);
                let Ok(Probed {
                    outcome,
                    took,
                    local,
                }) = asked
                else {
                    attempt.outcome = Outcome::Silent;
                    return attempt;
                };
                (attempt.time, attempt.local) = (took, local);
                attempt.outcome = match outcome {
                    handshake::Outcome::Open => Outcome::Open,
                    handshake::Outcome::Refused => Outcome::Refused(None),
                    handshake::Outcome::Rejected(refusal, _) => Outcome::Rejected(refusal),
                    handshake::Outcome::Failed(error) => of_error(&error, None),
                    handshake::Outcome::Silent | handshake::Outcome::Interrupted => Outcome::Silent,
                };
                attempt
            })
        };
        let asked: Vec<_> = addresses.iter().map(ask).collect();
        asked.into_iter().filter_map(|it| it.join().ok()).collect()
    })
}

/// SYNs that were sent.
fn syns(socket: &Socket) -> u32 {
    let again = tcp_info_of(socket.as_fd()).and_then(|it| TcpInfo::new(&it).total_retrans());
    1 + again.unwrap_or(0)
}

fn of_error(error: &io::Error, socket: Option<&Socket>) -> Outcome {
    let refusal = socket.and_then(refusals::take);
    match (error.raw_os_error(), refusal) {
        (Some(libc::ECONNREFUSED), refusal) => Outcome::Refused(refusal),
        // This host itself reports a neighbour that does not answer.
        (_, Some(refusal))
            if refusal
                .by
                .is_some_and(|by| !crate::sys::around::is_here(by)) =>
        {
            Outcome::Rejected(refusal)
        }
        (Some(libc::ETIMEDOUT), _) => Outcome::Silent,
        (number, _) => Outcome::Failed(number.unwrap_or(0)),
    }
}

/// Hops that are asked at the same time: of two routers in a loop each answers about six at once.
const TOGETHER: u8 = 8;
/// No path is longer.
const MOST_HOPS: u8 = 30;

/// Traces the path to a port by SYNs with a limited hop count, several at the same time.
pub fn trace(
    to: SocketAddr,
    options: &icmp::Options,
    patience: Duration,
    until: Instant,
) -> Option<Trace> {
    let signals = Signals::open().ok()?;
    let mut trace = Trace::new(MOST_HOPS);
    while Instant::now() < until {
        let mut distances = Vec::new();
        let first = trace.next()?;
        distances.extend((first..=MOST_HOPS).take(TOGETHER.into()));
        let patience = patience.min(until.saturating_duration_since(Instant::now()));
        let hops: Vec<Hop> = std::thread::scope(|scope| {
            let ask = |distance| {
                let signals = &signals;
                scope.spawn(move || hop(to, options, distance, patience, signals))
            };
            let asked: Vec<_> = distances.into_iter().map(ask).collect();
            asked
                .into_iter()
                .filter_map(|it| it.join().ok()?.ok())
                .collect()
        });
        let heard = hops
            .iter()
            .any(|hop| hop.answers.iter().any(Option::is_some));
        for hop in &hops {
            if trace.next() == Some(hop.distance) {
                trace.handle(hop);
            }
        }
        if !heard || trace.next().is_none() || turns_back(&trace) {
            break;
        }
    }
    (!trace.hops().is_empty()).then_some(trace)
}

fn turns_back(trace: &Trace) -> bool {
    matches!(trace.verdict(), crate::ping::trace::Verdict::Loop { .. })
}

fn hop(
    to: SocketAddr,
    options: &icmp::Options,
    distance: u8,
    patience: Duration,
    signals: &Signals,
) -> Result<Hop> {
    let options = icmp::Options {
        hop_limit: Some(distance),
        ..options.clone()
    };
    let (outcome, took, _) = handshake(to, &options, patience, signals)?;
    let mut hop = Hop {
        distance,
        ..Hop::default()
    };
    let answer = |from: IpAddr, labels| {
        Some(Answer {
            from,
            rtt: Some(took),
            labels,
        })
    };
    match outcome {
        handshake::Outcome::Open | handshake::Outcome::Refused => {
            hop.end = Some(End::Reached);
            hop.answers.push(answer(to.ip(), Labels::default()));
        }
        handshake::Outcome::Rejected(refusal, labels) => {
            hop.answers
                .push(refusal.by.and_then(|by| answer(by, labels)));
            if !refusal.is_hop_limit() {
                hop.end = Some(End::Refused(refusal));
            }
        }
        handshake::Outcome::Failed(_) => {
            hop.answers.push(None);
            hop.end = Some(End::Unsent);
        }
        handshake::Outcome::Silent | handshake::Outcome::Interrupted => hop.answers.push(None),
    }
    Ok(hop)
}

/// The last router that packets to a port pass, if the reset that came from there is not of the host itself: it
/// comes from nearer than the answers of another port of the host.
pub fn forged_reset(
    to: SocketAddr,
    other: u16,
    options: &icmp::Options,
    patience: Duration,
    until: Instant,
) -> Option<(u8, IpAddr)> {
    let theirs = trace((to.ip(), other).into(), options, patience, until)?;
    let ours = trace(to, options, patience, until)?;
    let length = |trace: &Trace| {
        let last = trace.hops().last()?;
        (last.end == Some(End::Reached)).then_some(last.distance)
    };
    let (host, reset) = (length(&theirs)?, length(&ours)?);
    let before = ours.hops().get(usize::from(reset).checked_sub(2)?)?;
    let router = before.routers.first()?.address;
    let is_nearer = reset < host
        || (reset == host && {
            // Both start with the same time to live, most often 64: an answer of the host has less left here.
            let least = FIRST_TTL.checked_sub(host)? + 2;
            let comes = |port| {
                let options = icmp::Options {
                    min_ttl: Some(least),
                    ..options.clone()
                };
                let asked = others(to.ip(), &[port], &options, patience);
                asked.first().is_some_and(|(_, came)| *came)
            };
            comes(to.port()) && !comes(other)
        });
    is_nearer.then_some((before.distance, router))
}

/// The time to live that Linux gives its packets (`net.ipv4.ip_default_ttl`).
const FIRST_TTL: u8 = 64;

/// Tries other ports of a host at the same time: whether anything comes back.
pub fn others(
    to: IpAddr,
    ports: &[u16],
    options: &icmp::Options,
    patience: Duration,
) -> Vec<(u16, bool)> {
    let Ok(signals) = Signals::open() else {
        return Vec::new();
    };
    std::thread::scope(|scope| {
        let ask = |port: u16| {
            let signals = &signals;
            scope.spawn(move || {
                let asked = handshake((to, port).into(), options, patience, signals);
                let came = |outcome: &handshake::Outcome| {
                    matches!(
                        outcome,
                        handshake::Outcome::Open | handshake::Outcome::Refused
                    )
                };
                (port, asked.is_ok_and(|(outcome, ..)| came(&outcome)))
            })
        };
        let asked: Vec<_> = ports.iter().copied().map(ask).collect();
        asked.into_iter().filter_map(|it| it.join().ok()).collect()
    })
}
