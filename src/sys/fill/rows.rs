//! The same sockets as the whole host's listing has them.

use crate::error::Result;
use crate::fill::Variant;
use crate::sockets::{Address, Proto, Snapshot, Socket, State};
use crate::sys::sockets::namespaces::Place;
use crate::sys::sockets::processes::Depth;
use crate::sys::sockets::{Query, snapshot};

use super::ends::Ends;

/// The sockets of one connection on this host.
#[derive(Debug, Default)]
pub struct Rows {
    /// Them and their owners: listener, receiver, sender, as far as they are here.
    pub snapshot: Snapshot,
    sender: Option<usize>,
    receiver: Option<usize>,
    listener: Option<usize>,
}

impl Rows {
    /// The one that sends.
    pub fn sender(&self) -> Option<&Socket> {
        self.snapshot.sockets.get(self.sender?)
    }

    /// The one at the other end; of UDP the one that is bound there.
    pub fn receiver(&self) -> Option<&Socket> {
        self.snapshot.sockets.get(self.receiver?)
    }

    /// The one that listens.
    pub fn listener(&self) -> Option<&Socket> {
        self.snapshot.sockets.get(self.listener?)
    }
}

/// Lists them. The receiver and its listener may be another program's.
pub fn rows(ends: &Ends) -> Result<Rows> {
    let protos = match ends.variant {
        Variant::Tcp => vec![Proto::Tcp],
        Variant::Udp => vec![Proto::Udp],
        Variant::UnixStreams | Variant::UnixDatagrams => vec![Proto::UnixStr, Proto::UnixDgr],
    };
    let query = Query {
        protos,
        states: u32::MAX,
        tcp_states: !State::TimeWait.bit(),
        bytecode: None,
        details: true,
        findings: true,
        owners: Some(Depth::Names),
        places: vec![Place::own()],
    };
    let which = Which::of(ends);
    let mut taken = snapshot(&query, &|socket| which.role(socket).is_some())?;
    let sockets = &mut taken.snapshot.sockets;
    sockets.sort_by_key(|socket| which.role(socket));
    let find = |role| {
        let mut sockets = sockets.iter();
        sockets.position(|socket| which.role(socket) == Some(role))
    };
    let listener = find(Role::Listener);
    Ok(Rows {
        sender: find(Role::Sender),
        // Of UDP nothing listens: what is bound there receives.
        receiver: find(Role::Receiver).or(listener.filter(|_| ends.variant == Variant::Udp)),
        listener,
        snapshot: taken.snapshot,
    })
}

/// What a socket is in the experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    Listener,
    Receiver,
    Sender,
}

/// How the sockets are known: ours by their inodes, the others by their addresses.
struct Which {
    inodes: [Option<u32>; 3],
    /// The sender's end and the receiver's.
    ends: Option<[(std::net::IpAddr, u16); 2]>,
}

impl Which {
    fn of(ends: &Ends) -> Self {
        let end = |address: std::net::SocketAddr| (address.ip().to_canonical(), address.port());
        let addresses = ends.addresses();
        Which {
            inodes: ends.inodes(),
            ends: addresses.map(|(local, peer)| [end(local), end(peer)]),
        }
    }

    fn role(&self, socket: &Socket) -> Option<Role> {
        let [listener, receiver, sender] = self.inodes;
        let is = |inode: Option<u32>| inode == Some(socket.inode);
        if is(sender) {
            return Some(Role::Sender);
        }
        if is(receiver) {
            return Some(Role::Receiver);
        }
        if is(listener) {
            return Some(Role::Listener);
        }
        let [from, to] = self.ends?;
        let end = |address: &Address| {
            let port = u16::try_from(address.port()?).ok()?;
            Some((address.ip()?, port))
        };
        let local = end(&socket.local)?;
        if end(&socket.peer) == Some(from) && local == to {
            return Some(Role::Receiver);
        }
        let waits = socket.state == State::Listen
            || (socket.state == State::Unconnected && socket.proto == Proto::Udp);
        let takes = local.1 == to.1 && (local.0 == to.0 || local.0.is_unspecified());
        // Somewhere else the same port may be anybody's.
        (waits && takes && from.0 == to.0).then_some(Role::Listener)
    }
}
