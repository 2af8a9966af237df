//! The sockets of a host as values: the model that every source fills and every output reads.
//!
//! | file | what it holds |
//! |---|---|
//! | this one | [`Socket`] and its parts |
//! | [`evidence`] | the figures of a connection that a diagnosis looks at |
//! | [`state`] | states and protocols, with the names that people and programs use |
//! | [`from_diag`] | sockets from the messages of sock_diag |
//! | [`proc_net`] | the tables of /proc/net, for families without sock_diag |
//! | [`change`] | how far the counters went between two samples |
//! | [`cgroup`] | the systemd unit and the container in a control group's path |
//! | [`filter`] | what the user wants to see |
//! | [`multicast`] | the groups that a host receives |
//! | [`number_hash`] | maps by inode and cookie |
//! | [`owners`] | the processes that own the sockets, or the reason why none is known |
//! | [`order`] | sorting, grouping, summing up |
//! | [`proxy`] | where a relay of container engines forwards to |
//! | [`stored`] | how all this is written to a file, and read within bounds |

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

pub mod cgroup;
pub mod change;
pub mod evidence;
pub mod filter;
pub mod from_diag;
pub mod multicast;
pub mod number_hash;
pub mod order;
pub mod owners;
pub mod proc_net;
pub mod proxy;
pub mod state;
pub mod stored;
#[cfg(test)]
pub(crate) mod testing;

pub use evidence::{TcpEvidence, TcpFigures};
pub use owners::{Owner, OwnerReason, Owners, Process};
pub use state::{Family, Proto, State};

use crate::sockdiag::{KeptTcpInfo, SkMemInfo};

/// One socket. Kept small: a host may have a hundred thousand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Socket {
    /// The protocol, as users call it.
    pub proto: Proto,
    /// The address family.
    pub family: Family,
    /// The state; for protocols without one `Unconnected` or `Established`.
    pub state: State,
    /// Our end.
    pub local: Address,
    /// The other end; [`Address::None`] if absent.
    pub peer: Address,
    /// Bytes to be read; for a listener the connections that wait to be accepted. For UDP from
    /// `sock_diag` it is truesize, not payload.
    #[serde(default)]
    pub recv_q: u32,
    /// Bytes not yet acknowledged (TCP) or sent; for a listener the limit of its accept queue.
    #[serde(default)]
    pub send_q: u32,
    /// 0: the kernel has none for it (`TIME_WAIT`, `SYN_RECV`, orphans, not yet accepted).
    #[serde(default)]
    pub inode: u32,
    /// Unique while the host is up; `None` from /proc/net.
    pub cookie: Option<u64>,
    /// Its creator; `None` without an inode.
    pub uid: Option<u32>,
    /// Which of the sample's network namespaces it is in.
    #[serde(default)]
    pub netns: u16,
    /// The interface it is bound to, or its scope; 0: none.
    #[serde(default)]
    pub interface: u32,
    /// The timer that runs.
    pub timer: Option<Timer>,
    /// What was asked for beyond this.
    pub details: Option<Box<Details>>,
    /// What a diagnosis looks at, of a TCP connection.
    #[serde(default)]
    pub tcp: TcpEvidence,
    /// Whether an IPv6 socket takes no IPv4 (`IPV6_V6ONLY`); reported for those that listen or are only bound.
    pub v6_only: Option<bool>,
}

impl Socket {
    /// Whether it accepts packets for an address of this host, as far as its own address shows.
    pub fn takes(&self, to: IpAddr) -> bool {
        let Address::Ip { addr, .. } = self.local else {
            return false;
        };
        let to = to.to_canonical();
        addr.to_canonical() == to
            || match addr {
                IpAddr::V4(own) => own.is_unspecified() && to.is_ipv4(),
                IpAddr::V6(own) => {
                    own.is_unspecified() && !(to.is_ipv4() && self.v6_only == Some(true))
                }
            }
    }

    /// The name of a Unix socket.
    pub fn local_name(&self) -> Option<&[u8]> {
        match &self.local {
            Address::Unix { name, .. } => Some(name),
            _ => None,
        }
    }

    /// The memory of its buffers, if requested.
    pub fn memory(&self) -> Option<SkMemInfo> {
        self.details.as_ref()?.memory
    }

    /// What TCP reports about a connection, if requested. For a listener the same structure has other contents.
    pub fn tcp_info(&self) -> Option<&KeptTcpInfo> {
        match self.state {
            State::Listen => None,
            _ => self.details.as_ref()?.tcp.as_ref(),
        }
    }

    /// A socket of which nothing but this is known.
    pub fn blank(proto: Proto, family: Family, state: State) -> Socket {
        Socket {
            proto,
            family,
            state,
            local: Address::None,
            peer: Address::None,
            recv_q: 0,
            send_q: 0,
            inode: 0,
            cookie: None,
            uid: None,
            netns: 0,
            interface: 0,
            timer: None,
            details: None,
            tcp: TcpEvidence::default(),
            v6_only: None,
        }
    }
}

/// The send queue that the kernel reports, or 0 where that number cannot be one.
///
/// For TCP it is `write_seq - snd_una`, read without a lock (`tcp_diag_get_info()`, `get_tcp4_sock()`).
/// `tcp_v4_connect()` sets the state to `SYN_SENT` and draws `write_seq` at random before
/// `tcp_connect_init()` sets `snd_una`: until then the difference is a random number and nothing is
/// queued. After that there is a SYN, with at most one segment of data (TCP Fast Open). In any state an
/// acknowledgement between the two reads makes the difference negative.
pub(crate) fn send_queue(proto: Proto, state: State, reported: u32) -> u32 {
    /// The longest segment, and the SYN.
    const MOST_IN_SYN_SENT: u32 = 65_536;
    let most = match (proto, state) {
        (Proto::Tcp, State::SynSent) => MOST_IN_SYN_SENT,
        // The limit of an accept queue.
        (Proto::Tcp, State::Listen) => u32::MAX,
        (Proto::Tcp, _) => i32::MAX.cast_unsigned(),
        _ => u32::MAX,
    };
    if reported <= most { reported } else { 0 }
}

/// One end of a socket.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Address {
    /// No such end.
    None,
    /// An address of the internet families; the unspecified address and port 0 are wildcards.
    Ip {
        /// The address.
        addr: IpAddr,
        /// The port; for raw sockets the IP protocol, for ping sockets the identifier.
        port: u16,
        /// The interface of a link-local address; 0: none.
        scope: u32,
    },
    /// A Unix socket's name as it stands: a path, or an abstract name after a NUL; empty: none.
    Unix {
        /// At most 108 bytes, any bytes.
        #[serde(with = "stored::bytes")]
        name: Box<[u8]>,
        /// The inode of the socket at this end, if known.
        inode: u32,
    },
    /// A packet socket: the Ethernet protocol (0x0003: all) and the interface (0: all).
    Packet {
        /// In host order.
        protocol: u16,
        /// Index.
        interface: u32,
    },
    /// A netlink socket: its family (`NETLINK_ROUTE` ...) and port id.
    Netlink {
        /// linux/netlink.h.
        protocol: u8,
        /// 0: the kernel.
        port_id: u32,
    },
    /// A vsock end (vsock(7)); `u32::MAX` is any.
    Vsock {
        /// Context identifier.
        cid: u32,
        /// Port.
        port: u32,
    },
}

impl Address {
    /// The port of an internet or vsock address.
    pub fn port(&self) -> Option<u32> {
        match self {
            Address::Ip { port, .. } => Some(u32::from(*port)),
            Address::Vsock { port, .. } => Some(*port),
            _ => None,
        }
    }

    /// Its IP address and port.
    pub fn end(&self) -> Option<(IpAddr, u16)> {
        match self {
            Address::Ip { addr, port, .. } => Some((addr.to_canonical(), *port)),
            _ => None,
        }
    }

    /// The IP address, an IPv4 one that is mapped into IPv6 unmapped.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Address::Ip { addr, .. } => Some(addr.to_canonical()),
            _ => None,
        }
    }
}

/// What became of the path of a Unix socket, if it is not the socket's any more: new clients do not reach it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathState {
    /// There is no such file.
    Deleted,
    /// The path is another file, most often the socket of a later process.
    Replaced,
}

impl PathState {
    /// The word for people and programs.
    pub fn word(self) -> &'static str {
        match self {
            PathState::Deleted => "deleted",
            PathState::Replaced => "replaced",
        }
    }
}

/// A timer of a TCP socket (`idiag_timer`, `sock_diag(7)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timer {
    /// Which.
    pub kind: TimerKind,
    /// When it runs out, in milliseconds.
    pub expires_ms: u32,
    /// Retransmissions (or probes) so far.
    pub retransmits: u8,
}

/// Which timer runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimerKind {
    /// Retransmission (also TLP and reordering).
    Retransmit,
    /// Keep-alive (also SYN-ACK retransmission and `FIN_WAIT2`).
    Keepalive,
    /// `TIME_WAIT`.
    TimeWait,
    /// Zero-window probes.
    Persist,
}

/// What is kept only when it was asked for (`-i`, `-m`, JSON).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Details {
    /// `struct tcp_info`, as far as this kernel fills it. It is large, and only TCP sockets have one.
    pub tcp: Option<KeptTcpInfo>,
    /// Memory and drops.
    pub memory: Option<SkMemInfo>,
    /// The congestion control algorithm.
    pub congestion: Option<Box<str>>,
    /// `SO_MARK`.
    pub mark: Option<u32>,
    /// The control group, as an id of cgroup v2.
    pub cgroup_id: Option<u64>,
    /// Which sides are shut down: bit 0 receiving, bit 1 sending.
    pub shutdown: Option<u8>,
    /// Type of service or traffic class.
    pub tos: Option<u8>,
    /// The inode of the client that has waited the longest at a Unix listener (`UDIAG_SHOW_ICONS`); 0 if it is
    /// gone.
    #[serde(default)]
    pub first_waiting: Option<u32>,
}

impl Details {
    /// Datagrams (or connections of a listener) dropped.
    pub fn dropped(&self) -> Option<u32> {
        self.memory.and_then(|memory| memory.drops)
    }
}
