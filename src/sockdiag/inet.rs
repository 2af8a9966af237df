//! TCP, UDP and the other protocols over IPv4 and IPv6: requests and answers.
//!
//! Sources: `linux/inet_diag.h` (`struct inet_diag_req`, `inet_diag_req_v2`, `inet_diag_sockid`,
//! `inet_diag_msg`), `net/ipv4/inet_diag.c`.

mod attributes;
mod request;

pub use attributes::{InetAttributes, LegacyMemInfo, SockOpt, Ulp};
pub use request::{Extensions, InetRequest, SocketId, TcpRequest};

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::cookie::cookie_at;
use super::{AF_INET, AF_INET6};
use crate::netlink::{Malformed, fixed_part, u32_at};

/// `IPPROTO_TCP`.
pub const TCP: u32 = 6;
/// `IPPROTO_UDP`.
pub const UDP: u32 = 17;
/// `IPPROTO_SCTP`.
pub const SCTP: u32 = 132;
/// `IPPROTO_UDPLITE`; gone from Linux 7.
pub const UDPLITE: u32 = 136;
/// `IPPROTO_RAW`: all raw sockets.
pub const RAW: u32 = 255;
/// `IPPROTO_MPTCP`.
pub const MPTCP: u32 = 262;

/// `struct inet_diag_msg`, with the `struct inet_diag_sockid` in it.
mod field {
    pub(super) const FAMILY: usize = 0;
    pub(super) const STATE: usize = 1;
    pub(super) const TIMER: usize = 2;
    pub(super) const RETRANS: usize = 3;
    pub(super) const LOCAL_PORT: usize = 4;
    pub(super) const PEER_PORT: usize = 6;
    pub(super) const LOCAL_ADDRESS: usize = 8;
    pub(super) const PEER_ADDRESS: usize = 24;
    pub(super) const INTERFACE: usize = 40;
    pub(super) const COOKIE: usize = 44;
    pub(super) const EXPIRES: usize = 52;
    pub(super) const RECV_QUEUE: usize = 56;
    pub(super) const SEND_QUEUE: usize = 60;
    pub(super) const UID: usize = 64;
    pub(super) const INODE: usize = 68;
    pub(super) const LEN: usize = 72;
}

/// The timer of a TCP socket that runs next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// None runs.
    Off,
    /// Retransmission, or the probe for a lost tail.
    Retransmit,
    /// Keepalive; also the one that ends `FIN_WAIT2`.
    KeepAlive,
    /// The end of `TIME_WAIT`.
    TimeWait,
    /// The probe of the peer's closed window.
    Persist,
    /// A number that this program does not know.
    Other(u8),
}

/// An answer about one socket. The length is checked by [`InetMessage::new`], so no accessor panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InetMessage<'a> {
    fixed: &'a [u8; field::LEN],
    payload: &'a [u8],
}

impl<'a> InetMessage<'a> {
    /// A view of a message's payload.
    #[inline]
    pub fn new(payload: &'a [u8]) -> Result<Self, Malformed> {
        let fixed = fixed_part(payload, "inet_diag_msg")?;
        Ok(InetMessage { fixed, payload })
    }

    /// [`AF_INET`] or [`AF_INET6`].
    pub fn family(&self) -> u8 {
        self.fixed[field::FAMILY]
    }

    /// The state, as in `net/tcp_states.h`, whatever the protocol.
    pub fn state(&self) -> u8 {
        self.fixed[field::STATE]
    }

    /// The timer that runs next.
    pub fn timer(&self) -> Timer {
        match self.fixed[field::TIMER] {
            0 => Timer::Off,
            1 => Timer::Retransmit,
            2 => Timer::KeepAlive,
            3 => Timer::TimeWait,
            4 => Timer::Persist,
            other => Timer::Other(other),
        }
    }

    /// Until the timer runs out: milliseconds. 0 if none runs.
    pub fn expires_ms(&self) -> u32 {
        u32_at(self.fixed, field::EXPIRES)
    }

    /// Retransmissions; probes if the timer is [`Timer::Persist`] or [`Timer::KeepAlive`].
    pub fn retransmits(&self) -> u8 {
        self.fixed[field::RETRANS]
    }

    /// The local port.
    pub fn local_port(&self) -> u16 {
        self.port(field::LOCAL_PORT)
    }

    /// The peer's port; 0 for none. Raw sockets: 0.
    pub fn peer_port(&self) -> u16 {
        self.port(field::PEER_PORT)
    }

    /// The local address. An IPv6 socket that talks IPv4 has a mapped address, `::ffff:192.0.2.1`.
    pub fn local_address(&self) -> IpAddr {
        self.address(field::LOCAL_ADDRESS)
    }

    /// The peer's address; all zero for none.
    pub fn peer_address(&self) -> IpAddr {
        self.address(field::PEER_ADDRESS)
    }

    /// The index of the interface that the socket is bound to, or 0.
    pub fn interface(&self) -> u32 {
        u32_at(self.fixed, field::INTERFACE)
    }

    /// The number that names the socket as long as the host runs.
    pub fn cookie(&self) -> u64 {
        cookie_at(self.fixed, field::COOKIE)
    }

    /// TCP: received and not read, bytes; LISTEN: connections that wait for `accept`. UDP and raw:
    /// memory of the packets, bytes.
    pub fn recv_queue(&self) -> u32 {
        u32_at(self.fixed, field::RECV_QUEUE)
    }

    /// TCP: written and not acknowledged, bytes; LISTEN: the limit of the accept queue. UDP and raw:
    /// memory of the packets, bytes.
    pub fn send_queue(&self) -> u32 {
        u32_at(self.fixed, field::SEND_QUEUE)
    }

    /// The owner's user number. Means nothing where [`InetMessage::inode`] is 0.
    pub fn uid(&self) -> u32 {
        u32_at(self.fixed, field::UID)
    }

    /// The number of the socket's file. 0 if it has none: not accepted yet, closed by its process,
    /// `TIME_WAIT`, `SYN_RECV`.
    pub fn inode(&self) -> u32 {
        u32_at(self.fixed, field::INODE)
    }

    /// The name by which the kernel finds this socket again.
    pub fn id(&self) -> SocketId {
        SocketId {
            local_address: self.local_address(),
            local_port: self.local_port(),
            peer_address: self.peer_address(),
            peer_port: self.peer_port(),
            interface: self.interface(),
            cookie: Some(self.cookie()),
        }
    }

    /// Further data from the kernel, in one pass.
    #[inline]
    pub fn attributes(&self) -> InetAttributes<'a> {
        InetAttributes::new(self.payload, field::LEN)
    }

    fn port(&self, offset: usize) -> u16 {
        u16::from_be_bytes([self.fixed[offset], self.fixed[offset + 1]])
    }

    /// Any family but IPv4 is read as IPv6: the kernel sends no third one.
    fn address(&self, offset: usize) -> IpAddr {
        let bytes = &self.fixed[offset..];
        if self.family() == AF_INET {
            let [a, b, c, d] = bytes.first_chunk().copied().unwrap_or_default();
            return Ipv4Addr::new(a, b, c, d).into();
        }
        let bytes: [u8; 16] = bytes.first_chunk().copied().unwrap_or_default();
        Ipv6Addr::from(bytes).into()
    }
}

/// The family number of an address.
fn family_of(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => AF_INET,
        IpAddr::V6(_) => AF_INET6,
    }
}

#[cfg(test)]
#[path = "inet_tests.rs"]
mod tests;
