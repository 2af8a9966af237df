//! The same sockets as the whole host's listing has them.

use std::net::SocketAddr;

use crate::error::Result;
use crate::fill::Variant;
use crate::host::{Index, Sample, SocketAt};
use crate::sockets::{Proto, Socket, State};
use crate::sys::sockets::namespaces::Place;
use crate::sys::sockets::processes::Depth;
use crate::sys::sockets::{Query, sample};

use super::ends::Ends;

/// The sockets of one connection on this host.
#[derive(Debug, Default)]
pub struct Rows {
    /// Them, their owners, and what else has their ports.
    pub sample: Sample,
    /// The one that sends.
    pub sender: Option<SocketAt>,
    /// The one at the other end; of UDP the one that is bound there.
    pub receiver: Option<SocketAt>,
    /// The one that listens.
    pub listener: Option<SocketAt>,
}

impl Rows {
    /// The listener, the receiver and the sender, as far as they are here.
    pub fn shown(&self) -> Vec<SocketAt> {
        let mut shown: Vec<SocketAt> = [self.listener, self.receiver, self.sender]
            .into_iter()
            .flatten()
            .collect();
        shown.dedup();
        shown
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
        evidence: true,
        drops: false,
        owners: Some(Depth::Names),
        places: vec![Place::own()],
        pids: Vec::new(),
    };
    let inodes = ends.inodes();
    let addresses = ends.addresses();
    let port = addresses.map(|(_, to)| u32::from(to.port()));
    let keep = |socket: &Socket| {
        inodes.contains(&Some(socket.inode))
            || (port.is_some() && [socket.local.port(), socket.peer.port()].contains(&port))
    };
    let sample = sample(&query, &keep)?.sample;
    let [listener, receiver, sender] = inodes.map(|inode| of_inode(&sample, inode));
    let index = Index::new(&sample);
    let waiting = || listening(&index, sample.socket(sender?).proto, addresses?);
    let listener = listener.or_else(waiting);
    let other_end = || index.other_end(sender?);
    let receiver = receiver.or_else(other_end);
    Ok(Rows {
        // Of UDP nothing listens: what is bound there receives.
        receiver: receiver.or(listener.filter(|_| ends.variant == Variant::Udp)),
        sender,
        listener,
        sample,
    })
}

fn of_inode(sample: &Sample, inode: Option<u32>) -> Option<SocketAt> {
    let inode = inode.filter(|inode| *inode != 0)?;
    let mut places = sample.places();
    places.find(|at| sample.socket(*at).inode == inode)
}

/// The one that listens, if both ends are on this host: elsewhere the same port may be anybody's.
fn listening(
    index: &Index<'_>,
    proto: Proto,
    (from, to): (SocketAddr, SocketAddr),
) -> Option<SocketAt> {
    let is_here = from.ip().to_canonical() == to.ip().to_canonical();
    let listeners = index.listeners(proto, 0, (to.ip(), to.port()));
    listeners.first().copied().filter(|_| is_here)
}
