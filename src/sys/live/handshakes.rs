//! The first packet of each TCP connection, at once: what a ring hands over comes later, and the socket may be gone by
//! then.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use super::ring::Socket;
use crate::capfile::LinkType;
use crate::filter::{Filter, Gate, Services, View};
use crate::packet::decode;
use crate::packet::record::{Network, Transport};
use crate::sys::privilege::{self, Capability};
use crate::sys::sockets::flows::Flow;

/// A segment that begins a connection, of IPv4 and of IPv6.
const BEGINS: &str =
    "tcp[tcpflags] & (tcp-syn|tcp-ack) = tcp-syn or (ip6[6] = 6 and ip6[53] & 0x12 = 2)";
/// The headers up to the ports.
const HEADERS: u32 = 128;

/// A socket that receives the first packets of connections.
#[derive(Debug)]
pub struct Handshakes(OwnedFd);

impl Handshakes {
    /// On all interfaces of the namespace that this thread is in; it takes `CAP_NET_RAW`.
    ///
    /// # Errors
    /// When there is no such socket.
    pub fn open() -> io::Result<Handshakes> {
        let unusable = |error| io::Error::other(format!("{error}"));
        let filter = Filter::parse(BEGINS, &Services::default()).map_err(unusable)?;
        let program = filter.compile(LinkType::LINUX_SLL2).map_err(unusable)?;
        let gate = Gate {
            view: View::Cooked,
            snaplen: HEADERS,
            outgoing: None,
            twice: Some(super::LOOPBACK),
        };
        let socket = privilege::with(&[Capability::NetRaw], || Socket::open(true))?;
        let fd = socket.without_ring(&program.classic(gate).instructions, true)?;
        Ok(Handshakes(fd))
    }

    /// Waits for the next connection; it is seen from its client. Packets that are none are passed over.
    ///
    /// # Errors
    /// When nothing can be received any more.
    pub fn next(&self) -> io::Result<Flow> {
        let mut bytes = [0; HEADERS as usize];
        loop {
            let length = match nix::unistd::read(&self.0, &mut bytes) {
                Ok(length) => length,
                // The interface of a packet went down; others are still there.
                Err(nix::Error::EINTR | nix::Error::ENETDOWN) => continue,
                Err(error) => return Err(error.into()),
            };
            let wire = u32::try_from(length).unwrap_or(HEADERS);
            let decoded = decode(LinkType::RAW, &bytes[..length], wire);
            if let (Network::Ip(ip), Transport::Tcp(tcp)) =
                (&decoded.outer.network, &decoded.outer.transport)
            {
                return Ok(Flow {
                    protocol: ip.protocol,
                    local: SocketAddr::new(ip.source, tcp.source),
                    peer: SocketAddr::new(ip.destination, tcp.destination),
                });
            }
        }
    }
}
