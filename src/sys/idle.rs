//! A connection on which nothing is sent for a while.

use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{setsockopt, sockopt};
use socket2::Socket;

use crate::check::Outcome;
use crate::protocol::Idle;
use crate::sockdiag::TcpInfo;
use crate::sys::check::attempts;
use crate::sys::fill::tcp_info_of;
use crate::sys::icmp;
use crate::sys::waiting::ready_by;
use crate::tls::session::End;

/// How long the connection may take.
const CONNECT: Duration = Duration::from_secs(4);
/// Keepalive probes: from one to the next in seconds, and how many.
const INTERVAL: u32 = 1;
const PROBES: u32 = 3;
/// How long the answer to one is waited for: a little longer than the kernel does.
const PATIENCE: Duration = Duration::from_secs(6);
/// How often it is looked for.
const TICK: Duration = Duration::from_millis(50);

/// Connects, sends nothing for this long, and then lets the kernel ask whether the other end is still there.
/// `None`: no connection was made.
pub fn idle(to: SocketAddr, options: &icmp::Options, pause: Duration) -> Option<Idle> {
    let mut made = attempts(&[to], options, CONNECT, CONNECT);
    let is_open = made.attempts.first()?.outcome == Outcome::Open;
    let socket = made.sockets.pop().flatten().filter(|_| is_open)?;
    let start = Instant::now();
    let ends = |end: End| match end {
        End::Closed => Idle::Closed(start.elapsed()),
        _ => Idle::Reset(start.elapsed()),
    };
    while Instant::now() < start + pause {
        if let Err(end) = wait(&socket, start + pause) {
            return Some(ends(end));
        }
    }
    probe(&socket).ok()?;
    let asked = Instant::now();
    while asked.elapsed() < PATIENCE {
        match wait(&socket, Instant::now() + TICK) {
            Err(End::Closed) => return Some(ends(End::Closed)),
            Err(end) => return Some(Idle::Forgotten(end)),
            Ok(()) => {}
        }
        let info = tcp_info_of(socket.as_fd());
        let age = info.and_then(|it| TcpInfo::new(&it).last_ack_recv_ms());
        // Before the probe the last acknowledgement was at least as old as the pause.
        let is_new = |age: u32| Duration::from_millis(age.into()) < asked.elapsed() + pause / 2;
        if age.is_some_and(is_new) {
            return Some(Idle::Lasts);
        }
    }
    Some(Idle::Forgotten(End::Stalled))
}

/// Has the kernel send keepalive probes from now on.
fn probe(socket: &Socket) -> nix::Result<()> {
    setsockopt(socket, sockopt::TcpKeepInterval, &INTERVAL)?;
    setsockopt(socket, sockopt::TcpKeepCount, &PROBES)?;
    setsockopt(socket, sockopt::TcpKeepIdle, &INTERVAL)?;
    setsockopt(socket, sockopt::KeepAlive, &true)
}

/// Waits until the time or what the other end does; what it sends is not looked at.
fn wait(socket: &Socket, until: Instant) -> Result<(), End> {
    let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    if !ready_by(&mut fds, Some(until)).unwrap_or(false) {
        return Ok(());
    }
    let mut reader = socket;
    let mut buffer = [0; 16 * 1024];
    match reader.read(&mut buffer) {
        Ok(0) => Err(End::Closed),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(match error.raw_os_error() {
            Some(libc::ECONNRESET | libc::EPIPE) => End::Reset,
            Some(libc::ETIMEDOUT) => End::Stalled,
            errno => End::Errno(errno.unwrap_or(0)),
        }),
    }
}
