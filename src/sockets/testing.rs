//! Sockets for tests.

use std::net::SocketAddr;

use super::owners::Process;
use super::{Address, Family, Owner, Owners, Proto, Socket, State};

/// An end of the internet families.
pub(crate) fn ip(text: &str) -> Address {
    let addr: SocketAddr = text.parse().expect("an address");
    let scope = match addr {
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(addr) => addr.scope_id(),
    };
    Address::Ip {
        addr: addr.ip(),
        port: addr.port(),
        scope,
    }
}

/// A socket between two addresses.
pub(crate) fn socket(proto: Proto, state: State, local: &str, peer: &str) -> Socket {
    let local = ip(local);
    let is_v4 = matches!(local, Address::Ip { addr, .. } if addr.is_ipv4());
    let family = if is_v4 { Family::Inet } else { Family::Inet6 };
    Socket {
        local,
        peer: ip(peer),
        ..Socket::blank(proto, family, state)
    }
}

/// A TCP connection.
pub(crate) fn tcp(local: &str, peer: &str) -> Socket {
    socket(Proto::Tcp, State::Established, local, peer)
}

/// A TCP listener.
pub(crate) fn listener(local: &str) -> Socket {
    let any = if local.starts_with('[') {
        "[::]:0"
    } else {
        "0.0.0.0:0"
    };
    socket(Proto::Tcp, State::Listen, local, any)
}

/// A Unix socket and its peer.
pub(crate) fn unix(proto: Proto, state: State, name: &[u8], inode: u32, peer: u32) -> Socket {
    let end = |name: &[u8], inode| Address::Unix {
        name: name.into(),
        inode,
    };
    let peer = match peer {
        0 => Address::None,
        peer => end(b"", peer),
    };
    Socket {
        local: end(name, inode),
        peer,
        inode,
        ..Socket::blank(proto, Family::Unix, state)
    }
}

/// Processes, by number, name and command line, each with the inodes that it holds.
pub(crate) fn owners(processes: &[(u32, &str, Option<&str>, &[u32])]) -> Owners {
    let mut links = Vec::new();
    let mut list = Vec::new();
    for (process, (pid, comm, cmdline, inodes)) in (0..).zip(processes) {
        list.push(Process {
            pid: *pid,
            comm: comm.as_bytes().into(),
            cmdline: cmdline.map(|line| line.as_bytes().into()),
            ..Process::default()
        });
        links.extend(
            (3..)
                .zip(*inodes)
                .map(|(fd, &inode)| Owner { inode, process, fd }),
        );
    }
    Owners::new(list, links, true)
}
