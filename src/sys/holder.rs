//! Which processes hold an address: the first question after "address already in use".

use std::net::SocketAddr;

use socket2::Type;

use crate::sockets::{Address, Proto, Socket, State};
use crate::sys::socket::unmapped;
use crate::sys::sockets::namespaces::Place;
use crate::sys::sockets::processes::Depth;
use crate::sys::sockets::{Query, snapshot};

/// The processes whose socket of this type keeps `address` from being bound, as
/// `python3 (pid 4711)`; empty when it cannot be told (another user's process, another namespace,
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
        findings: false,
        owners: Some(Depth::Names),
        places: vec![Place::own()],
    };
    let port = Some(u32::from(address.port()));
    let Ok(taken) = snapshot(&query, &|socket| socket.local.port() == port) else {
        return Vec::new();
    };
    let snapshot = taken.snapshot;
    let rows: Vec<Row> = snapshot.sockets.iter().filter_map(Row::new).collect();
    let mut holders: Vec<(u32, String)> = in_the_way(address, &rows)
        .flat_map(|row| snapshot.owners.of(row.inode))
        .map(|owner| {
            let process = snapshot.owners.process(owner);
            let name = String::from_utf8_lossy(&process.comm);
            (
                process.pid,
                format!("{} (pid {})", name.escape_debug(), process.pid),
            )
        })
        .collect();
    holders.sort();
    holders.dedup();
    holders.into_iter().map(|(_, name)| name).collect()
}

/// A socket that holds its local address.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    local: SocketAddr,
    inode: u32,
}

impl Row {
    fn new(socket: &Socket) -> Option<Row> {
        let Address::Ip { addr, port, .. } = socket.local else {
            return None;
        };
        let local = unmapped(SocketAddr::new(addr, port));
        (socket.inode != 0).then_some(Row {
            local,
            inode: socket.inode,
        })
    }
}

/// The rows that keep `wanted` from being bound.
///
/// `::` is dual stack as a rule, and the tables do not tell of `IPV6_V6ONLY`: a socket on `::` is
/// in the way of an IPv4 address only if no IPv4 socket is, which could not be there beside it.
fn in_the_way(wanted: SocketAddr, rows: &[Row]) -> impl Iterator<Item = &Row> {
    let wanted = unmapped(wanted);
    let same_family =
        move |row: &Row| row.local.is_ipv4() == wanted.is_ipv4() && overlap(row, wanted);
    let cross_counts = wanted.is_ipv6() || !rows.iter().any(same_family);
    rows.iter()
        .filter(move |row| same_family(row) || (cross_counts && overlap(row, wanted)))
}

fn overlap(row: &Row, wanted: SocketAddr) -> bool {
    let (held, wanted_ip) = (row.local.ip(), wanted.ip());
    let addresses = if held.is_ipv4() == wanted_ip.is_ipv4() {
        held == wanted_ip || held.is_unspecified() || wanted_ip.is_unspecified()
    } else {
        let v6 = if held.is_ipv6() { held } else { wanted_ip };
        v6.is_unspecified()
    };
    row.local.port() == wanted.port() && addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    fn me() -> String {
        format!("(pid {})", std::process::id())
    }

    fn row(local: &str) -> Row {
        Row {
            local: local.parse().unwrap(),
            inode: 1,
        }
    }

    fn held_by(wanted: &str, rows: &[&str]) -> Vec<String> {
        let rows: Vec<Row> = rows.iter().map(|local| row(local)).collect();
        in_the_way(wanted.parse().unwrap(), &rows)
            .map(|row| row.local.to_string())
            .collect()
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

    #[test]
    fn an_address_that_does_not_overlap_is_not_held() {
        let both = ["127.0.0.1:80", "127.0.0.2:80"];
        assert_eq!(held_by("127.0.0.2:80", &both), ["127.0.0.2:80"]);
        assert_eq!(held_by("0.0.0.0:80", &both), both);
        assert_eq!(held_by("127.0.0.2:81", &both), [""; 0]);
        assert_eq!(held_by("[::1]:80", &["0.0.0.0:80"]), [""; 0]);
        assert_eq!(held_by("127.0.0.1:80", &["[::1]:80"]), [""; 0]);
    }

    #[test]
    fn a_dual_stack_socket_holds_the_port_of_both_families() {
        assert_eq!(held_by("127.0.0.1:80", &["[::]:80"]), ["[::]:80"]);
        assert_eq!(
            held_by("[::]:80", &["127.0.0.1:80", "[::1]:80"]),
            ["127.0.0.1:80", "[::1]:80"]
        );
        // It is IPv6 only, or the other one could not be there.
        assert_eq!(
            held_by("127.0.0.1:80", &["[::]:80", "0.0.0.0:80"]),
            ["0.0.0.0:80"]
        );
    }
}
