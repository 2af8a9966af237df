//! Requests for inet sockets.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::BitOr;

use super::super::bytecode::Bytecode;
use super::super::cookie::cookie_bytes;
use super::super::{AF_INET, SOCK_DIAG_BY_FAMILY, TCPDIAG_GETSOCK};
use super::{UDP, UDPLITE, family_of};
use crate::netlink::{ACK, DUMP, Request};

/// `INET_DIAG_REQ_BYTECODE`.
const BYTECODE: u16 = 1;
/// `INET_DIAG_REQ_PROTOCOL`.
const PROTOCOL: u16 = 3;

/// What the answers shall carry: the bits of `idiag_ext`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extensions(u8);

impl Extensions {
    /// Only the fixed part, and the few attributes that the kernel always sends.
    pub const NONE: Self = Extensions(0);
    /// Memory, in the old form.
    pub const MEM_INFO: Self = Self::bit(1);
    /// `struct tcp_info` or what the protocol has in its place; with `CAP_NET_ADMIN` also what sits
    /// on top of TCP.
    pub const INFO: Self = Self::bit(2);
    /// What the congestion control algorithm reports.
    pub const CONGESTION_INFO: Self = Self::bit(3);
    /// The algorithm's name.
    pub const CONGESTION: Self = Self::bit(4);
    /// The type of service.
    pub const TOS: Self = Self::bit(5);
    /// The traffic class, and the class of traffic control.
    pub const TRAFFIC_CLASS: Self = Self::bit(6);
    /// Memory and drops.
    pub const SK_MEM_INFO: Self = Self::bit(7);
    /// Which directions were shut down.
    pub const SHUTDOWN: Self = Self::bit(8);
    /// All of them.
    pub const ALL: Self = Extensions(0xff);

    /// An attribute's kind as a bit.
    const fn bit(kind: u8) -> Self {
        Extensions(1 << (kind - 1))
    }
}

impl BitOr for Extensions {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Extensions(self.0 | other.0)
    }
}

/// `struct inet_diag_sockid`: a connection as the kernel names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketId {
    /// The local address.
    pub local_address: IpAddr,
    /// The local port.
    pub local_port: u16,
    /// The peer's address.
    pub peer_address: IpAddr,
    /// The peer's port.
    pub peer_port: u16,
    /// The index of the interface, or 0.
    pub interface: u32,
    /// The socket's cookie; the kernel then refuses a successor on the same ports (`ESTALE`).
    pub cookie: Option<u64>,
}

impl SocketId {
    /// The name of nothing, which a dump carries; the kernel does not look at it.
    const NONE: Self = SocketId {
        local_address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        local_port: 0,
        peer_address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        peer_port: 0,
        interface: 0,
        cookie: Some(0),
    };

    const LEN: usize = 48;

    /// The connection as its other end names it.
    fn reversed(&self) -> Self {
        SocketId {
            local_address: self.peer_address,
            local_port: self.peer_port,
            peer_address: self.local_address,
            peer_port: self.local_port,
            ..*self
        }
    }

    fn bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[0..2].copy_from_slice(&self.local_port.to_be_bytes());
        bytes[2..4].copy_from_slice(&self.peer_port.to_be_bytes());
        put_address(&mut bytes[4..20], self.local_address);
        put_address(&mut bytes[20..36], self.peer_address);
        bytes[36..40].copy_from_slice(&self.interface.to_ne_bytes());
        // INET_DIAG_NOCOOKIE is all ones.
        bytes[40..48].copy_from_slice(&cookie_bytes(self.cookie.unwrap_or(u64::MAX)));
        bytes
    }
}

fn put_address(place: &mut [u8], address: IpAddr) {
    match address {
        IpAddr::V4(address) => place[..4].copy_from_slice(&address.octets()),
        IpAddr::V6(address) => place.copy_from_slice(&address.octets()),
    }
}

/// `SOCK_DIAG_BY_FAMILY` with a `struct inet_diag_req_v2`: the sockets of one family and protocol.
#[derive(Debug, Clone, Copy)]
pub struct InetRequest<'a> {
    /// [`AF_INET`] or [`AF_INET6`](super::super::AF_INET6).
    pub family: u8,
    /// [`TCP`](super::TCP), [`UDP`], [`MPTCP`](super::MPTCP), ...
    pub protocol: u32,
    /// What the answers shall carry.
    pub extensions: Extensions,
    /// The states to list: see [`states`](super::super::states).
    pub states: u32,
    /// A filter that the kernel runs.
    pub filter: Option<&'a Bytecode>,
}

impl InetRequest<'_> {
    /// Writes a request for all sockets that match.
    pub fn write_dump(&self, sequence: u32, out: &mut Vec<u8>) {
        self.write(DUMP, self.family, &SocketId::NONE, sequence, out);
    }

    /// Writes a request for the one socket with this name; family, states and filter do not count.
    /// The answer is one message and an acknowledgement, or an error: `ENOENT` (no such socket), `ESTALE` (the cookie is
    /// another's).
    pub fn write_lookup(&self, id: &SocketId, sequence: u32, out: &mut Vec<u8>) {
        // For UDP the kernel takes the ends the other way round, "for historical reasons"
        // (`udp_dump_one` in `net/ipv4/udp_diag.c`).
        let id = match self.protocol {
            UDP | UDPLITE => &id.reversed(),
            _ => id,
        };
        self.write(ACK, family_of(id.local_address), id, sequence, out);
    }

    fn write(&self, flags: u16, family: u8, id: &SocketId, sequence: u32, out: &mut Vec<u8>) {
        // A protocol above 255 does not fit here. It is replaced by 0, which is not a protocol: a
        // kernel that does not know the attribute then says ENOENT and lists nothing wrong.
        let protocol = u8::try_from(self.protocol).unwrap_or(0);
        let mut request = Request::new(out, SOCK_DIAG_BY_FAMILY, flags, sequence)
            .bytes(&[family, protocol, self.extensions.0, 0])
            .bytes(&self.states.to_ne_bytes())
            .bytes(&id.bytes());
        if let Some(bytecode) = self.filter {
            request = request.attribute(BYTECODE, bytecode.bytes());
        }
        if self.protocol > 255 {
            request = request.attribute(PROTOCOL, &self.protocol.to_ne_bytes());
        }
        request.finish();
    }
}

/// `TCPDIAG_GETSOCK` with a `struct inet_diag_req`: the TCP sockets of both families in one walk of
/// the kernel's tables, where [`InetRequest`] takes two.
#[derive(Debug, Clone, Copy)]
pub struct TcpRequest<'a> {
    /// What the answers shall carry.
    pub extensions: Extensions,
    /// The states to list: see [`states`](super::super::states).
    pub states: u32,
    /// A filter that the kernel runs.
    pub filter: Option<&'a Bytecode>,
}

impl TcpRequest<'_> {
    /// Writes a request for all sockets that match.
    pub fn write_dump(&self, sequence: u32, out: &mut Vec<u8>) {
        let mut request = Request::new(out, TCPDIAG_GETSOCK, DUMP, sequence)
            // The family is not looked at; source and destination lengths never were.
            .bytes(&[AF_INET, 0, 0, self.extensions.0])
            .bytes(&SocketId::NONE.bytes())
            .bytes(&self.states.to_ne_bytes())
            .bytes(&[0; 4]);
        if let Some(bytecode) = self.filter {
            request = request.attribute(BYTECODE, bytecode.bytes());
        }
        request.finish();
    }
}
