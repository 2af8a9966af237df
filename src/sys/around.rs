//! A look at this host after a failure: what its sockets say about the address that failed. Nothing is
//! gathered before.

use std::fs;
use std::net::{IpAddr, SocketAddr};

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::SockaddrStorage;
use socket2::Type;

use crate::diagnose::reach::{self, Target, Told};
use crate::error::Error;
use crate::host::Index;
use crate::service::Peer;
use crate::sockets::{Proto, Socket, State};
use crate::sys::limits::local_ports;
#[cfg(doc)]
use crate::sys::privilege::Need;
use crate::sys::sockets::namespaces::Place;
use crate::sys::sockets::processes::Depth;
use crate::sys::sockets::{Query, Taken, sample};

/// Other namespaces than these are not searched.
const MOST_PLACES: usize = 64;

/// Whether an address is one of this host, in the namespace of the calling thread: loopback, any, or of an interface
/// (getifaddrs(3)). An attempt to bind it would say the same, and be counted as a program's failure by who watches them.
pub(crate) fn is_here(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    let is_it = |address: SockaddrStorage| {
        let v4 = address.as_sockaddr_in().map(|it| IpAddr::V4(it.ip()));
        let v6 = address.as_sockaddr_in6().map(|it| IpAddr::V6(it.ip()));
        v4.or(v6) == Some(ip)
    };
    let has_it = || getifaddrs().is_ok_and(|mut all| all.any(|it| it.address.is_some_and(is_it)));
    ip.is_loopback() || ip.is_unspecified() || has_it()
}

/// A failure to connect, with what this host's sockets say about it.
pub(crate) fn connect_failed(failure: Error, to: SocketAddr) -> Error {
    let told = match failure.code {
        Some("ECONNREFUSED") => look(Proto::Tcp, to, reach::refused),
        Some("ETIMEDOUT") => look(Proto::Tcp, to, reach::silent),
        Some("EADDRNOTAVAIL") => ports_used_up(to, false),
        _ => None,
    };
    with(failure, told)
}

/// The same of a datagram that was refused.
pub(crate) fn udp_refused(failure: Error, to: SocketAddr) -> Error {
    with(failure, look(Proto::Udp, to, reach::refused))
}

/// The same of a datagram without an answer; only a process of this host can be named.
pub(crate) fn udp_silent(failure: Error, to: SocketAddr) -> Error {
    let told = look(Proto::Udp, to, |target| {
        let listeners = target
            .index
            .listeners(Proto::Udp, target.netns, (to.ip(), to.port()));
        let first = *listeners.first()?;
        let waiting = target.index.socket(first).recv_q;
        let who = reach::who(target.index, &listeners);
        let cause = match waiting {
            0 => format!("{who} is bound to the port and has read what came; it did not answer"),
            n => format!(
                "{who} is bound to the port and does not read: {n} bytes wait in its receive buffer"
            ),
        };
        Some(Told {
            cause,
            next: failure.next.clone().unwrap_or_default(),
        })
    });
    match told {
        Some(told) => {
            let (first, _) = failure
                .cause
                .split_once(": ")
                .unwrap_or((&failure.cause, ""));
            let cause = format!("{first}: {}", told.cause);
            Error { cause, ..failure }
        }
        None => failure,
    }
}

/// Why nothing comes back on a connection to a process of this host. It is still open.
pub(crate) fn unanswered(failure: Error, local: &Peer, peer: &Peer) -> Error {
    let (Peer::Ip(local), Peer::Ip(to)) = (local, peer) else {
        return failure;
    };
    match look(Proto::Tcp, *to, |target| target.unanswered(*local)) {
        Some(told) => Error {
            cause: format!("{}: {}", failure.cause, told.cause),
            ..failure
        }
        .next(told.next),
        None => failure,
    }
}

/// A failure to bind: which socket of this host holds the address.
pub(crate) fn bind_failed(failure: Error, address: SocketAddr, kind: Type) -> Error {
    if failure.code != Some("EADDRINUSE") {
        return failure;
    }
    let proto = if kind == Type::STREAM {
        Proto::Tcp
    } else {
        Proto::Udp
    };
    let Some(taken) = take(vec![proto], u32::MAX, vec![Place::own()], address.port()) else {
        return failure;
    };
    with(
        failure,
        reach::held(&Index::new(&taken.sample), address, proto),
    )
}

/// How the local ports for connections to an address are used up. `worked`: others to it were made.
pub fn ports_used_up(to: SocketAddr, worked: bool) -> Option<Told> {
    let range = local_ports()?;
    let taken = take(vec![Proto::Tcp], u32::MAX, vec![Place::own()], to.port())?;
    reach::ports_used_up(&Index::new(&taken.sample), to, range, worked)
}

/// Why a port of this host refused or did not answer, on one line.
pub fn of_handshake(to: SocketAddr, was_refused: bool) -> Option<Told> {
    if was_refused {
        look(Proto::Tcp, to, reach::refused)
    } else {
        look(Proto::Tcp, to, reach::silent)
    }
}

fn with(failure: Error, told: Option<Told>) -> Error {
    match told {
        Some(told) => failure.because(&told.cause).next(told.next),
        None => failure,
    }
}

/// Asks about an address, if it is one of this host.
fn look(
    proto: Proto,
    to: SocketAddr,
    ask: impl FnOnce(&Target<'_>) -> Option<Told>,
) -> Option<Told> {
    let (mut places, _) = Place::all();
    places.truncate(MOST_PLACES);
    let has_it = |place: &Place| place.inside(|| is_here(to.ip())).unwrap_or(false);
    let netns = u16::try_from(places.iter().position(has_it)?).ok()?;
    let states = !State::TimeWait.bit();
    let taken = take(vec![Proto::Tcp, Proto::Udp], states, places, to.port())?;
    let index = Index::new(&taken.sample);
    ask(&Target {
        index: &index,
        proto,
        to,
        netns,
        is_stopped,
    })
}

/// The sockets of this namespace with this port, and their processes. The capabilities that it needs
/// ([`Need::Owners`]) may be kept or not.
pub fn at_port(port: u16) -> Option<Taken> {
    let states = !State::TimeWait.bit();
    take(
        vec![Proto::Tcp, Proto::Udp],
        states,
        vec![Place::own()],
        port,
    )
}

/// The sockets with this port at either end, and their processes.
fn take(protos: Vec<Proto>, states: u32, places: Vec<Place>, port: u16) -> Option<Taken> {
    let query = Query {
        protos,
        states,
        tcp_states: states,
        bytecode: None,
        details: false,
        evidence: true,
        drops: false,
        owners: Some(Depth::Names),
        places,
        pids: Vec::new(),
    };
    let port = Some(u32::from(port));
    let keep = |socket: &Socket| socket.local.port() == port || socket.peer.port() == port;
    sample(&query, &keep).ok()
}

/// Whether a process is stopped by a signal (`T`) or by a debugger (`t`): `proc_pid_stat(5)`.
pub(crate) fn is_stopped(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    state.starts_with(['T', 't'])
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::error::Kind;

    fn in_use(address: SocketAddr) -> Error {
        let error = io::Error::from_raw_os_error(libc::EADDRINUSE);
        Error::os(Kind::CannotRun, "bind", &error).on(address.to_string())
    }

    fn me() -> String {
        format!("(pid {})", std::process::id())
    }

    #[test]
    fn addresses_of_this_host_are_loopback_any_and_those_of_its_interfaces() {
        for here in [
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "0.0.0.0",
            "::ffff:127.0.0.1",
        ] {
            assert!(is_here(here.parse().unwrap()), "{here}");
        }
        let own = getifaddrs().unwrap().filter_map(|it| it.address);
        for address in own.filter_map(|it| Some(it.as_sockaddr_in()?.ip())) {
            assert!(is_here(address.into()), "{address}");
        }
        assert!(!is_here("203.0.113.77".parse().unwrap()));
    }

    #[test]
    fn the_listener_of_an_address_is_this_process() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let told = bind_failed(in_use(address), address, Type::STREAM);
        assert!(told.next.unwrap().contains(&me()));
        let datagrams = bind_failed(in_use(address), address, Type::DGRAM);
        assert!(!datagrams.next.unwrap().contains(&me()));
    }

    #[test]
    fn an_outgoing_connection_that_holds_a_port_is_named() {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(server.local_addr().unwrap()).unwrap();
        let address = client.local_addr().unwrap();
        let told = bind_failed(in_use(address), address, Type::STREAM);
        assert!(
            told.cause
                .contains(&format!("the connection {address} -> ")),
            "{told}"
        );
        assert!(told.cause.contains(&me()), "{told}");
    }
}
