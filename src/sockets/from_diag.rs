//! Sockets from the messages of `sock_diag(7)`.

use crate::sockdiag::inet::Timer as WireTimer;
use crate::sockdiag::{
    InetMessage, KeptTcpInfo, NetlinkMessage, PacketMessage, SkMemInfo, TcpInfo, UnixMessage,
    UnixName, VsockMessage,
};

use super::{Address, Details, Family, Proto, Socket, State, TcpFigures, Timer, TimerKind};

/// What is taken from a message beside the socket's addresses and queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Taken {
    /// Keep `struct tcp_info`, memory and the rest of [`Details`].
    pub details: bool,
    /// Keep what a diagnosis looks at.
    pub evidence: bool,
}

/// A socket of TCP, UDP or another protocol over IP; `None` for a state that is not known.
pub fn inet(message: &InetMessage<'_>, proto: Proto, netns: u16, taken: Taken) -> Option<Socket> {
    let state = match State::from_number(message.state())? {
        // Bound and inactive is asked for by a bit of its own (13) and answered as closed; a TCP
        // socket that really is closed is in no table.
        State::Unconnected if proto == Proto::Tcp => State::BoundInactive,
        state => state,
    };
    let family = if message.local_address().is_ipv4() {
        Family::Inet
    } else {
        Family::Inet6
    };
    let interface = message.interface();
    let end = |addr: std::net::IpAddr, port: u16| {
        let link_local = matches!(addr, std::net::IpAddr::V6(v6) if v6.is_unicast_link_local());
        Address::Ip {
            addr,
            port,
            scope: if link_local { interface } else { 0 },
        }
    };
    let peer = match (message.peer_address(), message.peer_port()) {
        (addr, 0) if addr.is_unspecified() => Address::None,
        (addr, port) => end(addr, port),
    };
    let inode = message.inode();
    let mut socket = Socket {
        local: end(message.local_address(), message.local_port()),
        peer,
        recv_q: message.recv_queue(),
        send_q: super::send_queue(proto, state, message.send_queue()),
        inode,
        cookie: Some(message.cookie()),
        // Without an inode the kernel cannot know the user, and writes 0: that is not root.
        uid: (inode != 0).then(|| message.uid()),
        netns,
        interface,
        timer: timer(message),
        ..Socket::blank(proto, family, state)
    };
    let may_listen = matches!(
        state,
        State::Listen | State::Unconnected | State::BoundInactive
    );
    let tells_v6_only = may_listen && family == Family::Inet6;
    if !taken.details && !taken.evidence && !tells_v6_only {
        return Some(socket);
    }
    let attributes = message.attributes();
    socket.v6_only = attributes.v6_only;
    let info = if proto == Proto::Tcp {
        attributes.tcp_info()
    } else {
        None
    };
    if let Some(info) = info.filter(|_| taken.evidence) {
        let mut figures = TcpFigures::of(&info);
        if state == State::SynSent {
            figures.last_data_recv_ms = None;
        }
        socket.tcp = figures.into();
    }
    if taken.details {
        socket.details = Some(Box::new(Details {
            tcp: info.map(|info| kept(info, state)),
            memory: attributes.sk_mem_info,
            congestion: attributes
                .congestion
                .map(|name| String::from_utf8_lossy(name).into()),
            mark: attributes.mark,
            cgroup_id: attributes.cgroup_id,
            shutdown: attributes.shutdown,
            tos: attributes.tos.or(attributes.traffic_class),
            first_waiting: None,
        }));
    } else if taken.evidence
        && attributes.sk_mem_info.is_some()
        && (proto != Proto::Tcp || state == State::Listen)
    {
        socket.details = Some(Box::new(memory_alone(attributes.sk_mem_info)));
    }
    Some(socket)
}

/// Nothing has been received before a connection is established: the kernel would count from its start.
fn kept(info: TcpInfo<'_>, state: State) -> KeptTcpInfo {
    if state != State::SynSent {
        return info.into();
    }
    let mut values = info.values();
    values.last_data_recv_ms = None;
    values.last_ack_recv_ms = None;
    values.last_data_sent_ms = None;
    values.into()
}

fn timer(message: &InetMessage<'_>) -> Option<Timer> {
    let kind = match message.timer() {
        WireTimer::Retransmit => TimerKind::Retransmit,
        WireTimer::KeepAlive => TimerKind::Keepalive,
        WireTimer::TimeWait => TimerKind::TimeWait,
        WireTimer::Persist => TimerKind::Persist,
        _ => return None,
    };
    Some(Timer {
        kind,
        expires_ms: message.expires_ms(),
        retransmits: message.retransmits(),
    })
}

/// A Unix domain socket; `None` for a type or state that is not known.
pub fn unix(message: &UnixMessage<'_>, netns: u16, details: bool) -> Option<Socket> {
    let proto = match message.kind() {
        1 => Proto::UnixStr,
        2 => Proto::UnixDgr,
        5 => Proto::UnixSeq,
        _ => return None,
    };
    let attributes = message.attributes();
    let name = attributes.name.map(whole_name).unwrap_or_default();
    let inode = message.inode();
    let peer = match attributes.peer_inode {
        Some(inode) => Address::Unix {
            name: Box::default(),
            inode,
        },
        None => Address::None,
    };
    let state = State::from_number(message.state())?;
    Some(Socket {
        local: Address::Unix { name, inode },
        peer,
        recv_q: attributes.recv_queue.unwrap_or(0),
        send_q: attributes.send_queue.unwrap_or(0),
        inode,
        cookie: Some(message.cookie()),
        uid: attributes.uid,
        netns,
        details: details.then(|| {
            Box::new(Details {
                memory: attributes.sk_mem_info,
                shutdown: attributes.shutdown,
                first_waiting: attributes.waiting.and_then(|inodes| inodes.iter().next()),
                ..Details::default()
            })
        }),
        ..Socket::blank(proto, Family::Unix, state)
    })
}

/// The name as it stands in the address: an abstract one after its NUL.
fn whole_name(name: UnixName<'_>) -> Box<[u8]> {
    match name {
        UnixName::Path(path) => path.into(),
        UnixName::Abstract(name) => [b"\0", name].concat().into(),
    }
}

/// A packet socket.
pub fn packet(message: &PacketMessage<'_>, netns: u16, details: bool) -> Socket {
    let attributes = message.attributes();
    let interface = attributes.info.map_or(0, |info| info.interface);
    let memory = attributes.sk_mem_info;
    let (recv_q, send_q) = queues(memory);
    Socket {
        local: Address::Packet {
            protocol: message.protocol(),
            interface,
        },
        recv_q,
        send_q,
        inode: message.inode(),
        cookie: Some(message.cookie()),
        uid: attributes.uid,
        netns,
        interface,
        details: details.then(|| Box::new(memory_alone(memory))),
        ..Socket::blank(Proto::Packet, Family::Packet, State::Unconnected)
    }
}

/// A netlink socket.
pub fn netlink(message: &NetlinkMessage<'_>, netns: u16, details: bool) -> Socket {
    let attributes = message.attributes();
    let memory = attributes.sk_mem_info;
    let (recv_q, send_q) = queues(memory);
    let protocol = message.protocol();
    let connected = message.peer_port() != 0 || message.peer_group() != 0;
    let state = if connected {
        State::Established
    } else {
        State::Unconnected
    };
    Socket {
        local: Address::Netlink {
            protocol,
            port_id: message.port(),
        },
        peer: if connected {
            Address::Netlink {
                protocol,
                port_id: message.peer_port(),
            }
        } else {
            Address::None
        },
        recv_q,
        send_q,
        inode: message.inode(),
        cookie: Some(message.cookie()),
        netns,
        details: details.then(|| Box::new(memory_alone(memory))),
        ..Socket::blank(Proto::Netlink, Family::Netlink, state)
    }
}

/// A vsock socket; `None` for a state that is not known.
pub fn vsock(message: &VsockMessage<'_>, netns: u16) -> Option<Socket> {
    let state = State::from_number(message.state())?;
    let connected = !matches!(state, State::Listen | State::Unconnected);
    Some(Socket {
        local: Address::Vsock {
            cid: message.local_cid(),
            port: message.local_port(),
        },
        peer: if connected {
            Address::Vsock {
                cid: message.peer_cid(),
                port: message.peer_port(),
            }
        } else {
            Address::None
        },
        inode: message.inode(),
        cookie: Some(message.cookie()),
        netns,
        ..Socket::blank(Proto::Vsock, Family::Vsock, state)
    })
}

/// Both queues of a family that reports them only as memory.
fn queues(memory: Option<SkMemInfo>) -> (u32, u32) {
    let bytes = |of: fn(SkMemInfo) -> Option<u32>| memory.and_then(of).unwrap_or(0);
    (
        bytes(|memory| memory.rmem_alloc_bytes),
        bytes(|memory| memory.wmem_alloc_bytes),
    )
}

fn memory_alone(memory: Option<SkMemInfo>) -> Details {
    Details {
        memory,
        ..Details::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `struct inet_diag_msg`, with this send queue.
    fn recorded(state: u8, send_queue: u32) -> Vec<u8> {
        let mut bytes = vec![2, state, 0, 0];
        bytes.extend([0x86, 0xd4, 0x00, 0x51]);
        bytes.extend([127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend([127, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        for number in [0u32, 0x41, 0, 0, 0, send_queue, 0, 14_103_930] {
            bytes.extend(number.to_ne_bytes());
        }
        bytes
    }

    #[test]
    fn a_send_queue_that_is_a_difference_of_unrelated_numbers_is_not_one() {
        let read = |state: State, queue| {
            let bytes = recorded(state as u8, queue);
            let message = InetMessage::new(&bytes).unwrap();
            let socket = inet(&message, Proto::Tcp, 0, Taken::default()).unwrap();
            assert_eq!(socket.state, state);
            socket.send_q
        };
        // Seen of connections that were being opened: the random sequence number itself.
        assert_eq!(read(State::SynSent, 2_716_411_904), 0);
        assert_eq!(read(State::SynSent, 1_203_412), 0);
        assert_eq!(read(State::SynSent, 1), 1);
        assert_eq!(read(State::SynSent, 1_461), 1_461);
        // Acknowledged between the two reads.
        assert_eq!(read(State::Established, 0u32.wrapping_sub(1_448)), 0);
        assert_eq!(read(State::Established, 1_203_412), 1_203_412);
        assert_eq!(read(State::Listen, 4_096), 4_096);
    }
}
