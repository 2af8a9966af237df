//! Who is at the other end on this host.
//!
//! Internet connections are joined by their addresses, mirrored, in the same network namespace;
//! Unix sockets by the inode of their peer, which is one number space for the whole host.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use crate::sockets::{Address, Proto, Socket, State};

const NONE: u32 = u32::MAX;

/// The other ends of a list of sockets, by index in it.
#[derive(Debug, Clone, Default)]
pub(super) struct Pairs {
    /// By socket; [`NONE`]: none.
    other: Vec<u32>,
}

impl Pairs {
    /// Joins the sockets: each is looked up once.
    pub(super) fn new(sockets: &[Socket]) -> Pairs {
        let mut pairs = Pairs {
            other: vec![NONE; sockets.len()],
        };
        pairs.join_connections(sockets, Reach::Namespace);
        if sockets.iter().any(|socket| socket.netns != 0) {
            pairs.join_connections(sockets, Reach::Host);
        }
        pairs.join_unix(sockets);
        pairs
    }

    /// The socket at the other end. A TCP socket connected to itself is its own other end. A Unix
    /// socket without a peer of its own (a server of datagrams) has one if it has just one client.
    pub(super) fn other_end(&self, index: usize) -> Option<usize> {
        let other = *self.other.get(index)?;
        (other != NONE).then_some(other as usize)
    }

    /// Joins what is not joined yet.
    fn join_connections(&mut self, sockets: &[Socket], reach: Reach) {
        let mut waiting = HashMap::<Key, u32>::with_capacity(sockets.len());
        for (index, socket) in (0..).zip(sockets) {
            if self.other[index as usize] != NONE {
                continue;
            }
            let Some(key) = Key::of(socket, reach) else {
                continue;
            };
            if key.low == key.high {
                self.other[index as usize] = index;
                continue;
            }
            // Both ends have the same key. Two sockets at the same end of one connection are not
            // joined: the kernel does not have them, but a list that is not of one moment may.
            let other = *waiting.entry(key).or_insert(index);
            let is_free = self.other[other as usize] == NONE;
            if is_free && end(&sockets[other as usize].local) != end(&socket.local) {
                self.other[index as usize] = other;
                self.other[other as usize] = index;
            }
        }
    }

    fn join_unix(&mut self, sockets: &[Socket]) {
        let mut by_inode = HashMap::<u32, u32>::new();
        for (index, socket) in (0..).zip(sockets) {
            if socket.proto.is_unix() && socket.inode != 0 {
                by_inode.insert(socket.inode, index);
            }
        }
        // (that one, this one) of Unix sockets that have another one as their peer.
        let mut clients: Vec<(u32, u32)> = Vec::new();
        for (index, socket) in (0..).zip(sockets) {
            if let Address::Unix { inode, .. } = socket.peer
                && socket.proto.is_unix()
                && inode != 0
                && let Some(&other) = by_inode.get(&inode)
            {
                self.other[index as usize] = other;
                clients.push((other, index));
            }
        }
        clients.sort_unstable();
        for of_one in clients.chunk_by(|a, b| a.0 == b.0) {
            let (to, from) = of_one[0];
            let has_no_peer = matches!(
                sockets[to as usize].peer,
                Address::None | Address::Unix { inode: 0, .. }
            );
            if of_one.len() == 1 && has_no_peer {
                self.other[to as usize] = from;
            }
        }
    }
}

/// Whether a socket that the query does not select may be the other end of one that is shown.
pub(super) fn may_be_other_end(socket: &Socket) -> bool {
    socket.proto.is_unix()
        || (socket.state != State::TimeWait && !matches!(socket.peer, Address::None))
}

/// How far apart two ends may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// In one network namespace.
    Namespace,
    /// In two network namespaces of this host, such as those of two containers. Their addresses have to
    /// mean the same in both, so not those of the loopback interface, nor link-local ones.
    Host,
}

/// A connection, the same from both of its ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    low: (u128, u16),
    high: (u128, u16),
    proto: Proto,
    netns: u16,
    /// Of link-local addresses, which mean something on their interface only.
    scope: u32,
}

impl Key {
    fn of(socket: &Socket, reach: Reach) -> Option<Key> {
        if !matches!(
            socket.proto,
            Proto::Tcp | Proto::Mptcp | Proto::Sctp | Proto::Udp | Proto::Udplite
        ) {
            return None;
        }
        let (local, peer) = (end(&socket.local)?, end(&socket.peer)?);
        let scope = match socket.local {
            Address::Ip {
                addr: IpAddr::V6(addr),
                scope,
                ..
            } if addr.is_unicast_link_local() => scope,
            _ => 0,
        };
        let means_the_same = |ip: IpAddr| {
            !ip.is_loopback() && !matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local())
        };
        let netns = match reach {
            Reach::Namespace => socket.netns,
            Reach::Host
                if [&socket.local, &socket.peer]
                    .iter()
                    .all(|end| end.ip().is_some_and(means_the_same)) =>
            {
                0
            }
            Reach::Host => return None,
        };
        Some(Key {
            low: local.min(peer),
            high: local.max(peer),
            proto: socket.proto,
            netns,
            scope,
        })
    }
}

/// A number for an end, an IPv4 address the same as its mapped form; `None` for a wildcard.
fn end(address: &Address) -> Option<(u128, u16)> {
    let &Address::Ip { addr, port, .. } = address else {
        return None;
    };
    let bits = match addr {
        IpAddr::V4(addr) => addr.to_ipv6_mapped().to_bits(),
        IpAddr::V6(addr) => addr.to_bits(),
    };
    let is_wild = bits == 0 || bits == Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0).to_bits();
    (!is_wild && port != 0).then_some((bits, port))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sockets::testing::{listener, socket, tcp, unix};

    fn others(sockets: &[Socket]) -> Vec<Option<usize>> {
        let pairs = Pairs::new(sockets);
        (0..sockets.len())
            .map(|index| pairs.other_end(index))
            .collect()
    }

    fn stream(inode: u32, peer: u32) -> Socket {
        unix(Proto::UnixStr, State::Established, b"", inode, peer)
    }

    #[test]
    fn the_ends_of_a_connection_find_each_other() {
        let sockets = [
            listener("127.0.0.1:80"),
            tcp("127.0.0.1:80", "127.0.0.1:5000"),
            tcp("127.0.0.1:5000", "127.0.0.1:80"),
            tcp("192.0.2.1:5001", "192.0.2.1:80"),
            tcp("192.0.2.1:80", "192.0.2.1:5001"),
        ];
        assert_eq!(others(&sockets), [None, Some(2), Some(1), Some(4), Some(3)]);
    }

    #[test]
    fn a_mapped_end_finds_its_ipv4_one() {
        let sockets = [
            tcp("[::ffff:127.0.0.1]:80", "[::ffff:127.0.0.1]:5000"),
            tcp("127.0.0.1:5000", "127.0.0.1:80"),
        ];
        assert_eq!(others(&sockets), [Some(1), Some(0)]);
    }

    #[test]
    fn look_alikes_are_not_joined() {
        let established = State::Established;
        let mut elsewhere = tcp("127.0.0.1:5000", "127.0.0.1:80");
        elsewhere.netns = 1;
        let sockets = [
            tcp("127.0.0.1:80", "127.0.0.1:5000"),
            elsewhere,
            socket(Proto::Udp, established, "127.0.0.1:5000", "127.0.0.1:80"),
            tcp("127.0.0.1:5001", "127.0.0.1:80"),
            tcp("127.0.0.2:5000", "127.0.0.1:80"),
            tcp("127.0.0.1:80", "127.0.0.1:5000"),
            tcp("[fe80::1%2]:80", "[fe80::1%2]:5000"),
            tcp("[fe80::1%3]:5000", "[fe80::1%3]:80"),
            socket(Proto::Raw, established, "127.0.0.1:1", "127.0.0.1:1"),
        ];
        assert_eq!(others(&sockets), [None; 9]);
    }

    #[test]
    fn the_ends_in_two_namespaces_find_each_other_unless_their_own_namespace_has_one() {
        let at = |netns, local, peer| Socket {
            netns,
            ..tcp(local, peer)
        };
        let apart = [
            at(0, "10.9.1.1:5000", "10.9.1.2:80"),
            at(1, "10.9.1.2:80", "10.9.1.1:5000"),
            at(0, "[fe80::1%2]:80", "[fe80::2%2]:5000"),
            at(1, "[fe80::2%2]:5000", "[fe80::1%2]:80"),
        ];
        assert_eq!(others(&apart), [Some(1), Some(0), None, None]);
        let near = [
            at(0, "10.9.1.1:5000", "10.9.1.2:80"),
            at(1, "10.9.1.2:80", "10.9.1.1:5000"),
            at(0, "10.9.1.2:80", "10.9.1.1:5000"),
        ];
        assert_eq!(others(&near), [Some(2), None, Some(0)]);
    }

    #[test]
    fn unconnected_udp_sockets_have_no_other_end() {
        let bound = |local| socket(Proto::Udp, State::Unconnected, local, "0.0.0.0:0");
        let sockets = [bound("0.0.0.0:53"), bound("0.0.0.0:53"), bound("0.0.0.0:0")];
        assert_eq!(others(&sockets), [None; 3]);
    }

    #[test]
    fn a_socket_that_connected_to_itself_is_its_own_other_end() {
        assert_eq!(others(&[tcp("127.0.0.1:80", "127.0.0.1:80")]), [Some(0)]);
    }

    #[test]
    fn a_socketpair_finds_itself_and_an_unknown_peer_nobody() {
        let sockets = [stream(7, 8), stream(8, 7), stream(9, 0), stream(10, 77)];
        assert_eq!(others(&sockets), [Some(1), Some(0), None, None]);
    }

    #[test]
    fn a_peer_that_is_known_from_one_side_joins_both() {
        let sockets = [stream(8, 0), stream(7, 8)];
        assert_eq!(others(&sockets), [Some(1), Some(0)]);
    }

    #[test]
    fn many_clients_find_one_server_and_the_server_none_of_them() {
        let dgram = |inode, peer| unix(Proto::UnixDgr, State::Established, b"", inode, peer);
        let sockets = [dgram(2, 1), dgram(1, 0), dgram(3, 1), stream(4, 0)];
        assert_eq!(others(&sockets), [Some(1), None, Some(1), None]);
        assert_eq!(Pairs::new(&sockets).other_end(99), None);
    }

    proptest! {
        #[test]
        fn the_other_end_of_the_other_end_is_oneself(
            ends in proptest::collection::vec((1u8..4, 1u16..4, 1u8..4, 1u16..4), 0..30)
        ) {
            let sockets: Vec<Socket> = ends
                .iter()
                .map(|(a, b, c, d)| tcp(&format!("127.0.0.{a}:{b}"), &format!("127.0.0.{c}:{d}")))
                .collect();
            let pairs = Pairs::new(&sockets);
            for (index, socket) in sockets.iter().enumerate() {
                let mirrored = |other: &Socket| other.local == socket.peer && other.peer == socket.local;
                if let Some(other) = pairs.other_end(index) {
                    prop_assert!(mirrored(&sockets[other]));
                    prop_assert_eq!(pairs.other_end(other), Some(index));
                } else {
                    let is_only = |wanted: &dyn Fn(&Socket) -> bool| sockets.iter().filter(|s| wanted(s)).count() == 1;
                    let itself = |other: &Socket| other.local == socket.local && other.peer == socket.peer;
                    prop_assert!(!(is_only(&mirrored) && is_only(&itself)));
                }
            }
        }
    }
}
