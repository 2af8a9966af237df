//! The loop of a datagram server, and one exchange of a client.

use std::io::{self, IoSlice, IoSliceMut, Read as _};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::{Duration, Instant};

use nix::cmsg_space;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt,
    sockopt,
};
use socket2::{SockAddr, Socket, Type};

use crate::error::{Error, Kind, Result};
use crate::service::Peer;
use crate::service::datagrams::{Guard, Unanswered};
use crate::sys::around::{self, is_here};
use crate::sys::fill::look::memory;
use crate::sys::refusals;
use crate::sys::signals::Signals;
use crate::sys::socket::{Listener, Options, client, peer_of, unmapped};
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
    /// Datagrams not answered because the answer would be answered for ever.
    pub looping: u64,
    /// Datagrams not answered because their source had its answers of that second.
    pub over_rate: u64,
    /// Datagrams that the kernel dropped: the receive buffer was full, or a checksum was wrong.
    pub dropped: u64,
}

/// What a server does with datagrams.
pub trait Answerer {
    /// `answer` is empty at first; what stands in it is sent back.
    fn answer(&mut self, peer: &Peer, datagram: &[u8], answer: &mut Vec<u8>);
    /// A datagram of this peer is not answered; asked once a second of each source.
    fn unanswered(&mut self, peer: &Peer, why: Unanswered);
    /// The kernel dropped this many datagrams since it was last told.
    fn dropped(&mut self, datagrams: u64);
    /// Passes on what was collected.
    fn flush(&mut self);
}

/// Serves until a signal comes, or after one datagram with `once`.
///
/// A reply leaves from the address that the request was sent to, also on a socket that is bound to
/// all interfaces: otherwise a host with several addresses answers from one that the client never
/// spoke to, and a connected client drops it.
pub fn run(
    listener: &Listener,
    signals: &Signals,
    once: bool,
    mut guard: Guard,
    answerer: &mut dyn Answerer,
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
    let mut drops = Drops::new(&listener.socket);
    let mut buffer = vec![0; LARGEST];
    let mut reply = Vec::new();
    loop {
        answerer.flush();
        let mut fds =
            [listener.socket.as_fd(), signals.as_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        match poll(&mut fds, PollTimeout::NONE) {
            Err(nix::Error::EINTR) => continue,
            Err(errno) => return Err(fail(errno.into())),
            Ok(_) => {}
        }
        let mut ended = signals.take() > 0;
        let now = Instant::now();
        for _ in 0..if ended { 0 } else { BURST } {
            let datagram = match receive(fd, &mut buffer) {
                Ok(datagram) => datagram,
                Err(nix::Error::EAGAIN) => break,
                // An ICMP error for an earlier reply, or a signal: the next datagram is unharmed.
                Err(_) => continue,
            };
            totals.received += 1;
            let peer = datagram.peer();
            if let Peer::Ip(source) = peer
                && let Some((why, is_first)) =
                    guard.refuses(source, is_own(&listener.local, source), now)
            {
                match why {
                    Unanswered::Rate(_) => totals.over_rate += 1,
                    Unanswered::Itself | Unanswered::AnsweringService => totals.looping += 1,
                }
                if is_first {
                    answerer.unanswered(&peer, why);
                }
            } else {
                reply.clear();
                answerer.answer(&peer, &buffer[..datagram.length], &mut reply);
                match datagram.send_back(fd, &reply) {
                    Ok(()) => totals.sent += 1,
                    Err(_) => totals.unsent += 1,
                }
                if once {
                    break;
                }
            }
        }
        ended |= once && totals.sent + totals.unsent > 0;
        if let Some(dropped) = drops.since_told(&listener.socket, now, ended) {
            totals.dropped += dropped;
            answerer.dropped(dropped);
        }
        if ended {
            return Ok(totals);
        }
    }
}

/// Whether a source is the server's own socket: its port at an address of this host.
fn is_own(local: &Peer, source: SocketAddr) -> bool {
    matches!(local, Peer::Ip(local) if local.port() == source.port()
        && (local.ip() == source.ip() || (local.ip().is_unspecified() && is_here(source.ip()))))
}

/// What the kernel has dropped of the datagrams for a socket.
struct Drops {
    told: u32,
    looked: Instant,
}

impl Drops {
    fn new(socket: &Socket) -> Drops {
        Drops {
            told: dropped(socket),
            looked: Instant::now(),
        }
    }

    /// How many were dropped since the last answer; looks once a second, and at the end.
    fn since_told(&mut self, socket: &Socket, now: Instant, ended: bool) -> Option<u64> {
        if !ended && now < self.looked + Duration::from_secs(1) {
            return None;
        }
        self.looked = now;
        let dropped = dropped(socket);
        let new = dropped.wrapping_sub(std::mem::replace(&mut self.told, dropped));
        (new > 0).then_some(u64::from(new))
    }
}

/// The drops of a socket since it was opened (`SO_MEMINFO`).
fn dropped(socket: &Socket) -> u32 {
    memory(socket).and_then(|memory| memory.drops).unwrap_or(0)
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

/// A client of a datagram server: all of its datagrams come from one port.
#[derive(Debug)]
pub struct Client {
    socket: Socket,
    address: SocketAddr,
}

impl Client {
    /// Opens a socket and connects it, so that it hears of a refused port.
    pub fn open(address: SocketAddr, options: &Options) -> Result<Client> {
        let fail = |operation: &str, error: &io::Error| failure(operation, address, error);
        let socket =
            client(&address, Type::DGRAM, options).map_err(|e| fail("open a socket for", &e))?;
        socket
            .connect(&SockAddr::from(address))
            .map_err(|error| fail("connect to", &error))?;
        let _ = refusals::hear(&socket, address);
        Ok(Client { socket, address })
    }

    /// Our end and the server.
    pub fn ends(&self) -> (Peer, Peer) {
        let local = self.socket.local_addr();
        let local = local.map_or(Peer::Unix(None), |address| peer_of(&address));
        (local, Peer::Ip(self.address))
    }

    /// Sends one datagram and waits for one reply.
    ///
    /// # Errors
    /// What the socket says (a refused port included: a connected datagram socket hears the ICMP
    /// message), or `ETIMEDOUT`.
    pub fn exchange(&self, message: &[u8], timeout: Duration) -> Result<(Vec<u8>, Duration)> {
        let mut buffer = vec![0; LARGEST];
        // A second copy of an earlier reply is not the reply to this message.
        while (&self.socket).read(&mut buffer).is_ok() {}
        let start = Instant::now();
        self.socket.send(message).map_err(|error| {
            let failure = self.failure("send to", &error);
            if failure.code == Some("EMSGSIZE") {
                let cause = format!(
                    "a datagram carries at most 65,507 bytes; this one has {}",
                    message.len()
                );
                return Error { cause, ..failure }.next("split it, or use TCP");
            }
            failure
        })?;
        let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        let answered = ready_by(&mut fds, Some(start + timeout));
        if !answered.map_err(|errno| self.failure("wait for", &errno.into()))? {
            let silence = io::Error::from_raw_os_error(libc::ETIMEDOUT);
            let mut failure = failure("wait for a reply from", self.address, &silence);
            failure.cause = format!(
                "no reply in {timeout:?}: lost, filtered, or no process answers there (UDP reports no more)"
            );
            return Err(around::udp_silent(
                failure.next(self.who_is_bound()),
                self.address,
            ));
        }
        let n = (&self.socket)
            .read(&mut buffer)
            .map_err(|error| self.failure("receive from", &error))?;
        let elapsed = start.elapsed();
        buffer.truncate(n);
        Ok((buffer, elapsed))
    }

    fn who_is_bound(&self) -> String {
        format!(
            "on that host, find the process bound to the port: sockdoc sockets -u :{}",
            self.address.port()
        )
    }

    fn failure(&self, operation: &str, error: &io::Error) -> Error {
        let mut failure = failure(operation, self.address, error);
        if let Some(refusal) = refusals::take(&self.socket) {
            failure = refusals::named(failure, &refusal, self.address);
        }
        if failure.code == Some("ECONNREFUSED") {
            return around::udp_refused(failure.next(self.who_is_bound()), self.address);
        }
        failure
    }
}

fn failure(operation: &str, address: SocketAddr, error: &io::Error) -> Error {
    Error::os(Kind::BadAnswer, operation, error).on(address.to_string())
}
