//! The figures of a snapshot.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use crate::sockets::{Owners, Proto, Socket, State};

/// The figures of a snapshot: all of one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// All sockets.
    pub sockets: usize,
    /// The protocols that there are sockets of, in the order of [`Proto::ALL`].
    pub protos: Vec<ProtoSummary>,
    /// The processes that hold one of the sockets; 0 where owners were not looked for.
    pub processes: usize,
    /// Sockets in `TIME_WAIT`.
    pub time_wait: usize,
    /// Sockets in `TIME_WAIT` by peer, the most first.
    pub time_wait_peers: Vec<(IpAddr, usize)>,
}

/// The figures of a protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtoSummary {
    /// Which.
    pub proto: Proto,
    /// All its sockets.
    pub sockets: usize,
    /// Those with IPv4 addresses, mapped ones included.
    pub ipv4: usize,
    /// The other ones of IPv6.
    pub ipv6: usize,
    /// The states that there are sockets in, by number. `SYN_RECV` is one state, with and without a
    /// socket.
    pub states: Vec<(State, usize)>,
}

impl Summary {
    /// Sums up.
    pub fn new(sockets: &[&Socket], owners: &Owners) -> Summary {
        let time_wait = || {
            let all = sockets.iter().copied();
            all.filter(|socket| socket.state == State::TimeWait)
        };
        Summary {
            sockets: sockets.len(),
            protos: protos(sockets),
            processes: processes(sockets, owners),
            time_wait: time_wait().count(),
            time_wait_peers: peers(time_wait()),
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Counts {
    /// By number of the state.
    states: [usize; State::ALL.len() + 1],
    ipv4: usize,
    ipv6: usize,
}

fn protos(sockets: &[&Socket]) -> Vec<ProtoSummary> {
    let mut counts = [Counts::default(); Proto::ALL.len()];
    for socket in sockets {
        counts[socket.proto as usize].add(socket);
    }
    Proto::ALL
        .into_iter()
        .zip(counts)
        .map(|(proto, counts)| ProtoSummary {
            proto,
            sockets: counts.states.iter().sum(),
            ipv4: counts.ipv4,
            ipv6: counts.ipv6,
            states: State::ALL
                .into_iter()
                .map(|state| (state, counts.states[state as usize]))
                .filter(|(_, count)| *count > 0)
                .collect(),
        })
        .filter(|summary| summary.sockets > 0)
        .collect()
}

impl Counts {
    fn add(&mut self, socket: &Socket) {
        let state = match socket.state {
            State::NewSynRecv => State::SynRecv,
            state => state,
        };
        self.states[state as usize] += 1;
        if !socket.proto.is_internet() {
            return;
        }
        let is_v4 = [&socket.local, &socket.peer]
            .iter()
            .any(|end| end.ip().is_some_and(|ip| ip.is_ipv4()));
        if is_v4 {
            self.ipv4 += 1;
        } else {
            self.ipv6 += 1;
        }
    }
}

fn processes(sockets: &[&Socket], owners: &Owners) -> usize {
    let of = |socket: &&Socket| owners.of(socket.inode).iter().map(|owner| owner.process);
    sockets.iter().flat_map(of).collect::<HashSet<u32>>().len()
}

fn peers<'a>(sockets: impl Iterator<Item = &'a Socket>) -> Vec<(IpAddr, usize)> {
    let mut counts: HashMap<IpAddr, usize> = HashMap::new();
    for ip in sockets.filter_map(|socket| socket.peer.ip()) {
        *counts.entry(ip).or_default() += 1;
    }
    let mut counts: Vec<(IpAddr, usize)> = counts.into_iter().collect();
    counts.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    counts
}
