//! What a socket is compared by: numbers, made once for each socket, in the order of what they
//! stand for. Only names of Unix sockets are compared themselves, if the numbers are equal.

use std::cmp::Ordering;
use std::net::IpAddr;

use super::SortKey;
use crate::sockets::{Address, Owners, Socket};

/// A number for each socket; `None`: not known.
pub(super) struct Ranks<'a> {
    sockets: &'a [Socket],
    key: SortKey,
    of: Vec<Option<Rank>>,
}

/// Compared from the first to the last.
type Rank = (u8, u128, u32);

impl<'a> Ranks<'a> {
    pub(super) fn new(
        sockets: &'a [Socket],
        owners: &Owners,
        beside: &dyn Fn(usize, SortKey) -> Option<u64>,
        key: SortKey,
    ) -> Self {
        let number = |number: Option<u64>| Some((0, number?.into(), 0));
        let ranks = match key {
            SortKey::Process => by_process(sockets, owners),
            SortKey::Problem | SortKey::Rate(_) => (0..sockets.len())
                .map(|index| number(beside(index, key)))
                .collect(),
            SortKey::Number(of) => {
                let numbers = sockets.iter().map(|socket| number(of(socket, owners)));
                numbers.collect()
            }
            SortKey::Address(of) => sockets.iter().map(|socket| address(of(socket))).collect(),
        };
        Ranks {
            sockets,
            key,
            of: ranks,
        }
    }

    /// The indices, sorted; equal ones keep their places.
    pub(super) fn sort(&self, indices: &[usize], descending: bool) -> Vec<usize> {
        let (mut known, unknown): (Vec<_>, Vec<_>) = indices
            .iter()
            .map(|&index| (self.of[index], index))
            .partition(|(rank, _)| rank.is_some());
        known.sort_by(|(a, a_index), (b, b_index)| {
            let order = a.cmp(b).then_with(|| self.by_name(*a_index, *b_index));
            if descending { order.reverse() } else { order }
        });
        known
            .into_iter()
            .chain(unknown)
            .map(|(_, index)| index)
            .collect()
    }

    fn by_name(&self, a: usize, b: usize) -> Ordering {
        let SortKey::Address(end) = self.key else {
            return Ordering::Equal;
        };
        match (end(&self.sockets[a]), end(&self.sockets[b])) {
            (Address::Unix { name: a, .. }, Address::Unix { name: b, .. }) => a.cmp(b),
            _ => Ordering::Equal,
        }
    }
}

/// IPv4 (mapped too), IPv6, then the other families. The wildcards come first; a wildcard
/// peer means none.
fn address(end: &Address) -> Option<Rank> {
    match end {
        Address::None => None,
        Address::Ip { addr, port, .. } => match addr.to_canonical() {
            _ if addr.is_unspecified() && *port == 0 => None,
            IpAddr::V4(addr) => Some((0, u128::from(addr.to_bits()), u32::from(*port))),
            IpAddr::V6(addr) => Some((1, addr.to_bits(), u32::from(*port))),
        },
        Address::Unix { name, .. } if name.is_empty() => None,
        Address::Unix { name, .. } => {
            let mut front = [0; 16];
            let length = name.len().min(16);
            front[..length].copy_from_slice(&name[..length]);
            Some((2, u128::from_be_bytes(front), 0))
        }
        Address::Packet {
            protocol,
            interface,
        } => Some((3, u128::from(*interface), u32::from(*protocol))),
        Address::Netlink { protocol, port_id } => Some((4, u128::from(*protocol), *port_id)),
        Address::Vsock { cid, port } => Some((5, u128::from(*cid), *port)),
    }
}

/// The place of the first owner among all processes, sorted by name in any case and number.
fn by_process(sockets: &[Socket], owners: &Owners) -> Vec<Option<Rank>> {
    let processes = owners.processes();
    let mut order: Vec<usize> = (0..processes.len()).collect();
    order.sort_by_cached_key(|&index| {
        let process = &processes[index];
        (process.comm.to_ascii_lowercase(), process.pid)
    });
    let mut places = vec![0u128; processes.len()];
    for (place, index) in (0..).zip(order) {
        places[index] = place;
    }
    let place = |socket: &Socket| {
        let of = owners.of(socket.inode).iter();
        let first = of.map(|owner| places[owner.process as usize]).min()?;
        Some((0, first, 0))
    };
    sockets.iter().map(place).collect()
}
