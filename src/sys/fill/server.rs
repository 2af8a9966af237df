//! A server that accepts and does not read, or reads slowly.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags};
use socket2::Socket;

use crate::error::{Error, Kind, Result};
use crate::fill::Checksum;
use crate::fill::pace::Pace;
use crate::service::Peer;
use crate::sys::signals::Signals;
use crate::sys::socket::Listener;
use crate::sys::waiting::ready_by;

use super::look;

/// More connections than these wait in the accept queue: poll(2) looks at each of them each time.
const MOST: usize = 1_000;

/// Bytes of one `recv()` at most.
const READ: usize = 64 * 1024;

/// How long it does not try to accept after it could not.
const REST: Duration = Duration::from_millis(100);

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The peer closed, or shut down its sending side.
    Closed,
    /// It failed with this errno: reset, as a rule.
    Failed(i32),
    /// The server ended.
    ServerEnded,
}

/// A connection at its end.
#[derive(Debug)]
pub struct Ended<'a> {
    /// The peer.
    pub peer: &'a Peer,
    /// How.
    pub ending: Ending,
    /// Bytes read.
    pub read: u64,
    /// Bytes that wait to be read.
    pub unread: Option<u64>,
    /// The checksum of what was read.
    pub checksum: u32,
    /// From accepting to the end.
    pub lasted: Duration,
}

/// Receives the events.
pub trait EventHandler {
    /// A connection was accepted.
    fn accepted(&mut self, peer: &Peer) -> Result<()>;
    /// No connection can be accepted at the moment.
    fn starved(&mut self, error: &Error);
    /// One ended.
    fn ended(&mut self, ended: &Ended<'_>) -> Result<()>;
}

/// Accepts connections and reads `rate` bytes a second from each, until a signal comes. 0 never reads.
pub fn serve(
    listener: &Listener,
    rate: u64,
    signals: &Signals,
    handler: &mut dyn EventHandler,
) -> Result<()> {
    let mut server = Server {
        listener,
        rate,
        start: Instant::now(),
        conns: Vec::new(),
        buffer: vec![0; READ],
        rests_until: None,
    };
    let fail = |error: io::Error| {
        Error::os(Kind::CannotRun, "serve on", &error).on(listener.local.to_string())
    };
    while server.wait(signals).map_err(fail)? {
        server.accept(handler)?;
        server.read(handler)?;
    }
    for conn in &server.conns {
        handler.ended(&conn.ended(Ending::ServerEnded))?;
    }
    Ok(())
}

struct Server<'a> {
    listener: &'a Listener,
    rate: u64,
    start: Instant,
    conns: Vec<Conn>,
    buffer: Vec<u8>,
    /// After a failure to accept, which is reported once: a listener that is always readable would keep
    /// poll(2) from waiting.
    rests_until: Option<Duration>,
}

impl Server<'_> {
    /// Waits for something to do; false: the user asked to end.
    fn wait(&mut self, signals: &Signals) -> io::Result<bool> {
        let now = self.start.elapsed();
        let rests = self.rests_until.filter(|until| *until > now);
        let due = self.conns.iter().filter_map(|conn| conn.pace.next(now));
        let deadline = due.chain(rests).min().map(|due| self.start + due);
        let accepts = if self.conns.len() < MOST && rests.is_none() {
            PollFlags::POLLIN
        } else {
            PollFlags::empty()
        };
        let mut fds = vec![
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.listener.socket.as_fd(), accepts),
        ];
        fds.extend(self.conns.iter().map(|conn| {
            // Readable is not an event: it holds until the data is read. The peer's end is one, once.
            let wanted = if conn.over {
                PollFlags::empty()
            } else {
                PollFlags::from_bits_retain(libc::POLLRDHUP)
            };
            PollFd::new(conn.socket.as_fd(), wanted)
        }));
        ready_by(&mut fds, deadline)?;
        // nix has no name for POLLRDHUP, and gives None if it is set.
        let told: Vec<bool> = fds[2..]
            .iter()
            .map(|fd| fd.revents().is_none_or(|told| !told.is_empty()))
            .collect();
        let interrupted = fds[0].any() == Some(true);
        for (conn, told) in self.conns.iter_mut().zip(told) {
            conn.over |= told;
        }
        Ok(!interrupted)
    }

    fn accept(&mut self, handler: &mut dyn EventHandler) -> Result<()> {
        let now = self.start.elapsed();
        if self.rests_until.is_some_and(|until| until > now) {
            return Ok(());
        }
        while self.conns.len() < MOST {
            let (socket, peer) = match self.listener.accept() {
                Ok(accepted) => accepted,
                Err(error) => {
                    self.rest_after(&error, now, handler);
                    break;
                }
            };
            self.rests_until = None;
            handler.accepted(&peer)?;
            self.conns.push(Conn {
                socket,
                peer,
                pace: Pace::new(self.rate, self.start.elapsed()),
                since: Instant::now(),
                read: 0,
                checksum: Checksum::default(),
                over: false,
            });
        }
        Ok(())
    }

    /// No connection is waiting, or the peer is gone already; or no descriptor is left for it.
    fn rest_after(&mut self, error: &io::Error, now: Duration, handler: &mut dyn EventHandler) {
        if !matches!(
            error.raw_os_error(),
            Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM)
        ) {
            return;
        }
        if self.rests_until.is_none() {
            let local = self.listener.local.to_string();
            let error = Error::os(Kind::CannotRun, "accept a connection on", error).on(local);
            handler.starved(&error);
        }
        self.rests_until = Some(now + REST);
    }

    fn read(&mut self, handler: &mut dyn EventHandler) -> Result<()> {
        let now = self.start.elapsed();
        let mut index = 0;
        while let Some(conn) = self.conns.get_mut(index) {
            match conn.read(now, &mut self.buffer) {
                None => index += 1,
                Some(ending) => {
                    let conn = self.conns.swap_remove(index);
                    handler.ended(&conn.ended(ending))?;
                }
            }
        }
        Ok(())
    }
}

struct Conn {
    socket: Socket,
    peer: Peer,
    pace: Pace,
    since: Instant,
    read: u64,
    checksum: Checksum,
    /// poll(2) says that the peer has closed, or that the connection is gone.
    over: bool,
}

impl Conn {
    /// Reads what its pace allows; how it ended, if it did.
    fn read(&mut self, now: Duration, buffer: &mut [u8]) -> Option<Ending> {
        loop {
            let most = self.pace.allowed(now).min(buffer.len());
            if most == 0 {
                break;
            }
            match (&self.socket).read(&mut buffer[..most]) {
                Ok(0) => return Some(Ending::Closed),
                Ok(got) => {
                    self.pace.took(got);
                    self.read += got as u64;
                    self.checksum.update(&buffer[..got]);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    return Some(Ending::Failed(error.raw_os_error().unwrap_or_default()));
                }
            }
        }
        self.over.then(|| self.is_over()).flatten()
    }

    /// The peer's end was seen from outside. Who reads meets it after the last byte.
    fn is_over(&self) -> Option<Ending> {
        if let Ok(Some(error)) = self.socket.take_error() {
            return Some(Ending::Failed(error.raw_os_error().unwrap_or_default()));
        }
        let reads = self.pace.next(Duration::ZERO).is_some();
        (!reads).then_some(Ending::Closed)
    }

    fn ended(&self, ending: Ending) -> Ended<'_> {
        Ended {
            peer: &self.peer,
            ending,
            read: self.read,
            unread: look::recv_queue(&self.socket),
            checksum: self.checksum.value(),
            lasted: self.since.elapsed(),
        }
    }
}
