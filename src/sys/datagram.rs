//! The loop of a datagram server, and one exchange of a client.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::{Duration, Instant};

use nix::cmsg_space;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt,
    sockopt,
};
use socket2::{SockAddr, Type};

use crate::error::{Error, Kind, Result};
use crate::service::Peer;
use crate::sys::signals::Signals;
use crate::sys::socket::{Listener, Options, client, unmapped};
use crate::sys::waiting::ready_by;

/// The largest datagram: 65,535 bytes less the headers (udp(7)), rounded up.
const LARGEST: usize = 65_536;
/// Datagrams answered between two checks for signals.
const BURST: usize = 64;

/// What a datagram server has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Datagrams received.
    pub received: u64,
    /// Datagrams sent.
    pub sent: u64,
    /// Replies that could not be sent: a full buffer, a firewall.
    pub unsent: u64,
}

/// What a server does with one datagram: `answer` is empty at first; what stands in it is sent back
/// if the call gives true. An error of the writer thread ends the server.
pub type Answer<'a> = dyn FnMut(&Peer, &[u8], &mut Vec<u8>) -> io::Result<bool> + 'a;

/// Serves until a signal comes, or after one datagram with `once`.
///
/// A reply leaves from the address that the request was sent to, also on a socket that is bound to
/// all interfaces: otherwise a host with several addresses answers from one that the client never
/// spoke to, and a connected client drops it.
///
/// It also ends when `alarm` is readable.
pub fn run(
    listener: &Listener,
    signals: &Signals,
    alarm: Option<BorrowedFd<'_>>,
    once: bool,
    answer: &mut Answer<'_>,
) -> Result<Totals> {
    let fail = |error: io::Error| {
        Error::os(Kind::CannotRun, "serve on", &error).on(listener.local.to_string())
    };
    if let Peer::Ip(address) = &listener.local
        && address.ip().is_unspecified()
    {
        want_destination(listener, address).map_err(fail)?;
    }
    let fd = listener.socket.as_raw_fd();
    let mut totals = Totals::default();
    let mut buffer = vec![0; LARGEST];
    let mut reply = Vec::new();
    loop {
        let mut fds: Vec<PollFd> = [listener.socket.as_fd(), signals.as_fd()]
            .into_iter()
            .chain(alarm)
            .map(|fd| PollFd::new(fd, PollFlags::POLLIN))
            .collect();
        match poll(&mut fds, PollTimeout::NONE) {
            Err(nix::Error::EINTR) => continue,
            Err(errno) => return Err(fail(errno.into())),
            Ok(_) => {}
        }
        let alarmed = fds.get(2).and_then(PollFd::any).unwrap_or(false);
        if alarmed || signals.take() > 0 {
            return Ok(totals);
        }
        for _ in 0..BURST {
            let datagram = match receive(fd, &mut buffer) {
                Ok(datagram) => datagram,
                Err(nix::Error::EAGAIN) => break,
                // An ICMP error for an earlier reply, or a signal: the next datagram is unharmed.
                Err(_) => continue,
            };
            totals.received += 1;
            reply.clear();
            let peer = datagram.peer();
            match answer(&peer, &buffer[..datagram.length], &mut reply) {
                Ok(true) => match datagram.send_back(fd, &reply) {
                    Ok(()) => totals.sent += 1,
                    Err(_) => totals.unsent += 1,
                },
                Ok(false) => {}
                Err(_) => return Ok(totals),
            }
            if once {
                return Ok(totals);
            }
        }
    }
}

fn want_destination(listener: &Listener, address: &SocketAddr) -> io::Result<()> {
    if address.is_ipv4() {
        setsockopt(&listener.socket, sockopt::Ipv4PacketInfo, &true)?;
    } else {
        setsockopt(&listener.socket, sockopt::Ipv6RecvPacketInfo, &true)?;
    }
    Ok(())
}

/// A datagram that came in: from where, to which of our addresses, how long.
struct Incoming {
    from: Option<SockaddrStorage>,
    to_v4: Option<libc::in_pktinfo>,
    to_v6: Option<libc::in6_pktinfo>,
    length: usize,
}

fn receive(fd: RawFd, buffer: &mut [u8]) -> nix::Result<Incoming> {
    let mut space = cmsg_space!(libc::in_pktinfo, libc::in6_pktinfo);
    let mut parts = [IoSliceMut::new(buffer)];
    let message =
        recvmsg::<SockaddrStorage>(fd, &mut parts, Some(&mut space), MsgFlags::MSG_DONTWAIT)?;
    let mut incoming = Incoming {
        from: message.address,
        to_v4: None,
        to_v6: None,
        length: message.bytes,
    };
    for control in message.cmsgs()? {
        match control {
            ControlMessageOwned::Ipv4PacketInfo(info) => incoming.to_v4 = Some(info),
            ControlMessageOwned::Ipv6PacketInfo(info) => incoming.to_v6 = Some(info),
            _ => {}
        }
    }
    Ok(incoming)
}

impl Incoming {
    fn peer(&self) -> Peer {
        let from = self.from.as_ref();
        if let Some(v4) = from.and_then(SockaddrStorage::as_sockaddr_in) {
            return Peer::Ip(SocketAddr::V4((*v4).into()));
        }
        if let Some(v6) = from.and_then(SockaddrStorage::as_sockaddr_in6) {
            return Peer::Ip(unmapped(SocketAddr::V6((*v6).into())));
        }
        let path = from
            .and_then(SockaddrStorage::as_unix_addr)
            .and_then(|unix| unix.path());
        Peer::Unix(path.map(std::path::Path::to_owned))
    }

    fn send_back(&self, fd: RawFd, reply: &[u8]) -> nix::Result<()> {
        // The destination of the request becomes the source of the reply; the interface is left to
        // the routing table, but for link-local addresses, whose scope it is.
        let v4 = self.to_v4.map(|to| libc::in_pktinfo {
            ipi_ifindex: 0,
            ipi_spec_dst: to.ipi_addr,
            ipi_addr: libc::in_addr { s_addr: 0 },
        });
        let control: Vec<ControlMessage> = v4
            .iter()
            .map(ControlMessage::Ipv4PacketInfo)
            .chain(self.to_v6.iter().map(ControlMessage::Ipv6PacketInfo))
            .collect();
        let parts = [IoSlice::new(reply)];
        sendmsg(
            fd,
            &parts,
            &control,
            MsgFlags::MSG_DONTWAIT,
            self.from.as_ref(),
        )?;
        Ok(())
    }
}

/// Sends one datagram and waits for one reply.
///
/// # Errors
/// What the socket says (a refused port included: a connected datagram socket hears the ICMP
/// message), or `ETIMEDOUT`.
pub fn exchange(
    address: SocketAddr,
    options: &Options,
    message: &[u8],
    timeout: Duration,
) -> Result<(Vec<u8>, Duration)> {
    let fail = |operation: &str, error: &io::Error| {
        Error::os(Kind::BadAnswer, operation, error).on(address.to_string())
    };
    let who_is_bound = format!(
        "on that host, find the process bound to the port: sockdoc sockets -u :{}",
        address.port()
    );
    let socket =
        client(&address, Type::DGRAM, options).map_err(|e| fail("open a socket for", &e))?;
    socket
        .connect(&SockAddr::from(address))
        .map_err(|error| fail("connect to", &error))?;
    let start = Instant::now();
    socket.send(message).map_err(|error| {
        let failure = fail("send to", &error);
        if failure.code == Some("EMSGSIZE") {
            let cause = format!(
                "a datagram carries at most 65,507 bytes; this one has {}",
                message.len()
            );
            return Error { cause, ..failure }.next("split it, or use TCP");
        }
        failure
    })?;
    let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    let answered = ready_by(&mut fds, Some(start + timeout));
    if !answered.map_err(|errno| fail("wait for", &errno.into()))? {
        let mut failure = fail(
            "wait for a reply from",
            &io::Error::from_raw_os_error(libc::ETIMEDOUT),
        );
        failure.cause = format!(
            "no reply in {timeout:?}: lost, filtered, or no process answers there (UDP reports no more)"
        );
        return Err(failure.next(&*who_is_bound));
    }
    let mut buffer = vec![0; LARGEST];
    let n = io::Read::read(&mut &socket, &mut buffer).map_err(|error| {
        let failure = fail("receive from", &error);
        if failure.code == Some("ECONNREFUSED") {
            return failure.next(&*who_is_bound);
        }
        failure
    })?;
    let elapsed = start.elapsed();
    buffer.truncate(n);
    Ok((buffer, elapsed))
}
