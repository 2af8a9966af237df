//! Codecs of the kernel's socket listings: netlink `sock_diag` messages and `struct tcp_info`.
//!
//! Pure: requests are written into a `Vec<u8>`, answers are read from the bytes that a socket of
//! protocol `NETLINK_SOCK_DIAG` received. The story, from the outside in:
//!
//! 1. A request is written: [`InetRequest`] (or [`TcpRequest`], one walk for both families),
//!    [`UnixRequest`], [`PacketRequest`], [`NetlinkRequest`], [`VsockRequest`]. An inet request may
//!    carry a [`Filter`] compiled to [`Bytecode`], which the kernel runs on every socket.
//! 2. [`crate::netlink`] reads the messages of the reply.
//! 3. The payload of a reply is viewed: [`InetMessage`], [`UnixMessage`], [`PacketMessage`],
//!    [`NetlinkMessage`], [`VsockMessage`]. `new` checks the length of the fixed part, once; no
//!    accessor panics after that.
//! 4. Its `attributes()` are sorted in one pass into a small struct. What the kernel did not send is
//!    `None`; what could not be read is `None` as well, and `malformed` reports the first one.
//! 5. [`TcpInfo`] reads `struct tcp_info` of any length, so of any kernel.
//!
//! | file | what it holds |
//! |---|---|
//! | [`inet`] | TCP, UDP and the other protocols over IPv4 and IPv6 |
//! | [`bytecode`] | filters that the kernel runs |
//! | [`tcp_info`] | `struct tcp_info` |
//! | [`congestion`] | the state of congestion control algorithms |
//! | [`meminfo`] | memory and drops of a socket, the same for all families |
//! | `cookie` | a socket's cookie, in replies and requests |
//! | [`unix`], [`packet`], [`netlink_diag`], [`vsock`] | the other families |
//!
//! Numbers are in the machine's own byte order, ports and addresses in the network's; the accessors
//! give them all in the machine's.

pub mod bytecode;
pub mod congestion;
mod cookie;
pub mod inet;
pub mod meminfo;
pub mod netlink_diag;
pub mod packet;
pub mod tcp_info;
pub mod unix;
pub mod vsock;

use crate::netlink::Malformed;

pub use bytecode::{Bytecode, Filter};
pub use inet::{InetAttributes, InetMessage, InetRequest, SocketId, TcpRequest};
pub use meminfo::SkMemInfo;
pub use netlink_diag::{NetlinkAttributes, NetlinkMessage, NetlinkRequest};
pub use packet::{PacketAttributes, PacketMessage, PacketRequest};
pub use tcp_info::{KeptTcpInfo, TcpInfo, TcpInfoValues};
pub use unix::{UnixAttributes, UnixMessage, UnixName, UnixRequest};
pub use vsock::{VsockMessage, VsockRequest};

/// `AF_UNIX`.
pub const AF_UNIX: u8 = 1;
/// `AF_INET`.
pub const AF_INET: u8 = 2;
/// `AF_INET6`.
pub const AF_INET6: u8 = 10;
/// `AF_NETLINK`.
pub const AF_NETLINK: u8 = 16;
/// `AF_PACKET`.
pub const AF_PACKET: u8 = 17;
/// `AF_VSOCK`.
pub const AF_VSOCK: u8 = 40;

/// `SOCK_DIAG_BY_FAMILY`, the kind of requests and answers; the answers to a [`TcpRequest`] have
/// kind [`TCPDIAG_GETSOCK`].
pub const SOCK_DIAG_BY_FAMILY: u16 = 20;
/// `TCPDIAG_GETSOCK`, the kind of a [`TcpRequest`] and its answers.
pub const TCPDIAG_GETSOCK: u16 = 18;

/// The bits of a request's state mask: `1 << state`, with the states of `net/tcp_states.h`.
pub mod states {
    /// Every state that a socket without `TCP_BOUND_INACTIVE` has.
    pub const ALL: u32 = 0xfff | 1 << 12;
    /// Connected.
    pub const ESTABLISHED: u32 = 1 << 1;
    /// Asked for a connection, no answer yet.
    pub const SYN_SENT: u32 = 1 << 2;
    /// Was asked for a connection and answered. The kernel keeps these as requests of the listener
    /// (`TCP_NEW_SYN_RECV`, 12) and lists them under this bit.
    pub const SYN_RECV: u32 = 1 << 3;
    /// Waits for what comes after a close.
    pub const TIME_WAIT: u32 = 1 << 6;
    /// Not connected: what UDP sockets are that only receive.
    pub const CLOSE: u32 = 1 << 7;
    /// The peer has closed, we have not.
    pub const CLOSE_WAIT: u32 = 1 << 8;
    /// Accepts connections.
    pub const LISTEN: u32 = 1 << 10;
    /// `TCP_BOUND_INACTIVE`, Linux 6.8 and later: TCP sockets that hold a port and neither listen
    /// nor connect. They are listed in state 7, which no other TCP socket of a listing has.
    pub const BOUND_INACTIVE: u32 = 1 << 13;
}

/// The value that was read; a value that could not be is remembered if it is the first.
fn noted<T>(slot: &mut Option<Malformed>, read: Result<T, Malformed>) -> Option<T> {
    match read {
        Ok(value) => Some(value),
        Err(malformed) => {
            slot.get_or_insert(malformed);
            None
        }
    }
}

#[cfg(test)]
mod recorded_tests;
