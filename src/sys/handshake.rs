//! The time of a TCP handshake: for hosts that drop ICMP.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::setsockopt;
use nix::{setsockopt_impl, sockopt_impl};
use socket2::{Domain, Socket, Type};

use crate::error::{Error, Kind, Result};
use crate::ping::losses::Refusal;
use crate::ping::mpls::Labels;
use crate::sockdiag::TcpInfo;
use crate::sys::clock;
use crate::sys::connect::connect_started;
use crate::sys::fill::tcp_info_of;
use crate::sys::icmp;
use crate::sys::privilege::{self, Capability};
use crate::sys::refusals;
use crate::sys::signals::Signals;
use crate::sys::socket::{Options, client};
use crate::sys::waiting::ready_within;

sockopt_impl!(
    /// Whether the kernel makes up a flow label for each socket (RFC 6438), by a random number.
    AutoFlowLabel,
    SetOnly,
    libc::IPPROTO_IPV6,
    libc::IPV6_AUTOFLOWLABEL,
    bool
);

/// `linux/in.h`, and `linux/in6.h`.
const IP_MINTTL: libc::c_int = 21;
const IPV6_MINHOPCOUNT: libc::c_int = 73;

sockopt_impl!(
    /// Packets with a smaller time to live are dropped.
    MinTtlV4,
    SetOnly,
    libc::IPPROTO_IP,
    IP_MINTTL,
    libc::c_int
);

sockopt_impl!(
    /// The same of IPv6.
    MinTtlV6,
    SetOnly,
    libc::IPPROTO_IPV6,
    IPV6_MINHOPCOUNT,
    libc::c_int
);

/// What a port answers to a SYN.
#[derive(Debug)]
pub enum Outcome {
    /// It accepts.
    Open,
    /// It resets: the host is up, and nothing listens.
    Refused,
    /// A router or a firewall on the way reports by ICMP that it forbids it, or that it has no route; with the
    /// MPLS labels that the packet had there.
    Rejected(Refusal, Labels),
    /// This host says why not.
    Failed(io::Error),
    /// Nothing came in time: filtered, or lost.
    Silent,
    /// A signal came first, and waits to be taken.
    Interrupted,
}

/// Opens a connection and closes it; gives the answer, how long it took, and how many times the SYN was
/// sent again (`tcpi_total_retrans`).
pub fn handshake(
    address: SocketAddr,
    options: &icmp::Options,
    timeout: Duration,
    signals: &Signals,
) -> Result<(Outcome, Duration, u32)> {
    handshake_or_early(address, options, timeout, signals, None)
}

/// A notice for a handshake that is still under way.
pub struct Early<'a> {
    /// After this time.
    pub after: Duration,
    /// What is done then.
    pub notice: &'a mut dyn FnMut(),
}

/// The same, with a notice if the answer has not come after a part of the time.
pub fn handshake_or_early(
    address: SocketAddr,
    options: &icmp::Options,
    timeout: Duration,
    signals: &Signals,
    early: Option<Early<'_>>,
) -> Result<(Outcome, Duration, u32)> {
    let fail = |operation: &str, error: &io::Error| {
        Error::os(Kind::CannotRun, operation, error).on(address.to_string())
    };
    let socket = client(&address, Type::STREAM, &Options::default())
        .map_err(|error| fail("open a socket for", &error))?;
    prepare(&socket, address, options).map_err(|error| fail("set the options of", &error))?;
    // No connection of ours remains, here or there: it is reset.
    let _ = socket.set_linger(Some(Duration::ZERO));
    let start = clock::monotonic();
    let answer = match connect_started(&socket, address) {
        Ok(true) => Outcome::Open,
        Ok(false) => answer_within(&socket, timeout, signals, early)
            .map_err(|errno| fail("wait for", &errno.into()))?,
        Err(error) => of(error),
    };
    let took = clock::monotonic().since(start);
    let answer = match answer {
        Outcome::Failed(error) => match refusals::take_labelled(&socket) {
            Some((refusal, labels)) => Outcome::Rejected(refusal, labels),
            None => Outcome::Failed(error),
        },
        answer => answer,
    };
    let resent = match answer {
        Outcome::Open => resent(&socket),
        _ => 0,
    };
    Ok((answer, took, resent))
}

/// The segments that were sent again: of a connection without data, those of its SYN.
fn resent(socket: &Socket) -> u32 {
    let resent = tcp_info_of(socket.as_fd()).and_then(|it| TcpInfo::new(&it).total_retrans());
    resent.unwrap_or(0)
}

/// What a packet looks like on the wire, and that the socket is told of ICMP errors. Sockets that were
/// reset leave the port free for the next.
pub(super) fn prepare(
    socket: &Socket,
    address: SocketAddr,
    options: &icmp::Options,
) -> io::Result<()> {
    if let Some(device) = &options.device {
        socket.bind_device(Some(device.as_bytes()))?;
    }
    if let Some(source) = options.source {
        socket.set_reuse_address(true)?;
        socket.bind(&source.into())?;
        // Probes of one source port are one flow: routers that balance by flow labels see one, too.
        if source.is_ipv6() && source.port() != 0 {
            setsockopt(socket, AutoFlowLabel, &false)?;
        }
    }
    refusals::hear(socket, address)?;
    let is_v4 = socket.domain()? == Domain::IPV4;
    match options.hop_limit {
        Some(hops) if is_v4 => socket.set_ttl_v4(hops.into())?,
        Some(hops) => socket.set_unicast_hops_v6(hops.into())?,
        None => {}
    }
    match options.min_ttl.map(libc::c_int::from) {
        Some(least) if is_v4 => setsockopt(socket, MinTtlV4, &least)?,
        Some(least) => setsockopt(socket, MinTtlV6, &least)?,
        None => {}
    }
    match options.tos {
        Some(tos) if is_v4 => socket.set_tos_v4(tos.into())?,
        Some(tos) => socket.set_tclass_v6(tos.into())?,
        None => {}
    }
    let allowed = [Capability::NetAdmin];
    let mark = |mark| privilege::with(&allowed, || socket.set_mark(mark));
    options.mark.map_or(Ok(()), mark)
}

fn answer_within(
    socket: &Socket,
    timeout: Duration,
    signals: &Signals,
    early: Option<Early<'_>>,
) -> nix::Result<Outcome> {
    let mut fds = [
        PollFd::new(socket.as_fd(), PollFlags::POLLOUT),
        PollFd::new(signals.as_fd(), PollFlags::POLLIN),
    ];
    let mut wait = |time| ready_within(&mut fds, Some(time));
    let is_early = |it: &Early<'_>| !it.after.is_zero() && it.after < timeout;
    let ready = match early.filter(is_early) {
        None => wait(timeout),
        Some(early) => match wait(early.after) {
            Ok(false) => {
                (early.notice)();
                wait(timeout.saturating_sub(early.after))
            }
            ready => ready,
        },
    };
    match ready {
        Ok(true) | Err(nix::Error::EINTR) => {}
        Ok(false) => return Ok(Outcome::Silent),
        Err(errno) => return Err(errno),
    }
    if !fds[0].any().unwrap_or(false) {
        return Ok(Outcome::Interrupted);
    }
    Ok(match socket.take_error() {
        Ok(None) => Outcome::Open,
        Ok(Some(error)) | Err(error) => of(error),
    })
}

fn of(error: io::Error) -> Outcome {
    match error.raw_os_error() {
        Some(libc::ECONNREFUSED) => Outcome::Refused,
        Some(libc::ETIMEDOUT) => Outcome::Silent,
        _ => Outcome::Failed(error),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_listener_is_open_and_a_closed_port_refuses() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let signals = Signals::open().unwrap();
        let time = Duration::from_secs(10);
        let options = icmp::Options::default();
        let ask = || handshake(address, &options, time, &signals).unwrap();
        let (answer, took, resent) = ask();
        assert_eq!(resent, 0);
        assert!(matches!(answer, Outcome::Open), "{answer:?}");
        assert!(took < time);
        drop(listener);
        let (answer, ..) = ask();
        assert!(matches!(answer, Outcome::Refused), "{answer:?}");
    }
}
