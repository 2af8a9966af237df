//! Which processes hold an address: the first question after "address already in use".

use std::net::SocketAddr;

use socket2::Type;

use crate::host::Index;
use crate::sockets::{Proto, Socket, State};
use crate::sys::sockets::namespaces::Place;
use crate::sys::sockets::processes::Depth;
use crate::sys::sockets::{Query, sample};

/// The processes whose socket of this type keeps `address` from being bound, as
/// `python3 (pid 4711)`; empty if unknown (another user's process, another namespace,
/// `TIME_WAIT`).
pub fn of(address: SocketAddr, kind: Type) -> Vec<String> {
    let is_stream = kind == Type::STREAM;
    let states = if is_stream {
        // A TCP connection does not hold its address: a listener with `SO_REUSEADDR` may be bound
        // beside it.
        State::Listen.bit() | State::BoundInactive.bit()
    } else {
        u32::MAX
    };
    let query = Query {
        protos: vec![if is_stream { Proto::Tcp } else { Proto::Udp }],
        states,
        tcp_states: states,
        bytecode: None,
        details: false,
        evidence: false,
        drops: false,
        owners: Some(Depth::Names),
        places: vec![Place::own()],
    };
    let port = Some(u32::from(address.port()));
    let is_held = |socket: &Socket| socket.local.port() == port && socket.inode != 0;
    let Ok(taken) = sample(&query, &is_held) else {
        return Vec::new();
    };
    let index = Index::new(&taken.sample);
    let processes = index.processes(&index.in_the_way(address)).into_iter();
    let mut processes: Vec<_> = processes.map(|at| taken.sample.process(at)).collect();
    processes.sort_by_key(|process| process.pid);
    let named = processes.into_iter().map(|process| {
        let name = String::from_utf8_lossy(&process.comm);
        format!("{} (pid {})", name.escape_debug(), process.pid)
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn me() -> String {
        format!("(pid {})", std::process::id())
    }

    #[test]
    fn the_listener_of_an_address_is_this_process() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let holders = of(listener.local_addr().unwrap(), Type::STREAM);
        assert_eq!(holders.len(), 1, "{holders:?}");
        assert!(holders[0].ends_with(&me()), "{holders:?}");
    }

    #[test]
    fn a_socket_of_another_type_on_the_same_port_is_not_the_holder() {
        let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = datagrams.local_addr().unwrap();
        assert_eq!(of(address, Type::STREAM), Vec::<String>::new());
        assert_eq!(of(address, Type::DGRAM).len(), 1);
    }
}
