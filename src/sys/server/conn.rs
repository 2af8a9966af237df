//! One connection of a server: its state and what is still to be written.

use std::io::{self, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::time::Instant;

use socket2::Socket;

use crate::service::Peer;

/// A connection.
///
/// The invariant: while anything is pending, nothing is read and the service is not asked. So what
/// a peer that does not read can make us hold is bounded by one read's answers, and nothing of what
/// it sent is dropped: it waits in the kernel's receive buffer, whose window closes.
pub(super) struct Conn<T> {
    pub(super) socket: Socket,
    /// Its number, of all connections of the server.
    pub(super) number: u64,
    pub(super) peer: Peer,
    pub(super) session: T,
    pub(super) phase: Phase,
    /// What is still to be written.
    pub(super) pending: Pending,
    /// Input that was read and waits until `pending` is written.
    pub(super) inbox: Vec<u8>,
    /// Edge-triggered readiness: true until a read says otherwise.
    pub(super) readable: bool,
    /// The same for writing.
    pub(super) writable: bool,
    /// The peer's FIN may stand after the data: a short read does not mean that all was read.
    pub(super) hung_up: bool,
    /// The conversation is complete: the peer asked one thing and got a short answer.
    pub(super) all_said: bool,
    /// End of file was read.
    pub(super) ended: bool,
    /// Known to the poll.
    pub(super) registered: bool,
    /// In the list of connections that have more to do than one tick allowed.
    pub(super) queued: bool,
    /// When something must have happened, and what.
    pub(super) deadline: Option<(Instant, Waiting)>,
    /// When it is said that a message has not gone on.
    pub(super) notice: Option<Instant>,
    /// Bytes of memory that it holds of an unfinished message.
    pub(super) held: usize,
    /// The message in progress took too long; the peer was notified.
    pub(super) timed_out: bool,
    pub(super) received: u64,
    pub(super) sent: u64,
}

/// Where a connection is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Messages come and go.
    Open,
    /// The last bytes are being written; then the sending side is shut down.
    Finishing,
    /// Our side is shut down; what the peer still sends is read and thrown away, so that its
    /// arrival does not turn into a reset that overtakes the reply. The bytes that may still come.
    Lingering(usize),
}

/// What a deadline waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waiting {
    /// The rest of a message, or room for a reply.
    Message,
    /// Any byte.
    Traffic,
    /// The peer's end of a connection that we have shut down.
    End,
}

/// Bytes that the socket had no room for.
#[derive(Debug, Default)]
pub(super) struct Pending {
    bytes: Vec<u8>,
    /// How much of `bytes` is written.
    written: usize,
    /// Bytes of many connections, after `bytes`; and how much of them is written.
    shared: Option<(Arc<[u8]>, usize)>,
}

impl Pending {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.shared.is_none()
    }

    /// Keeps `bytes` to be written after what is pending already.
    pub(super) fn keep(&mut self, bytes: &[u8]) {
        if let Some((shared, written)) = self.shared.take() {
            self.bytes.extend_from_slice(&shared[written..]);
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Keeps shared bytes, of which `written` are written already.
    pub(super) fn keep_shared(&mut self, bytes: Arc<[u8]>, written: usize) {
        if self.shared.is_some() {
            self.keep(&bytes[written..]);
        } else {
            self.shared = Some((bytes, written));
        }
    }
}

impl<T> Conn<T> {
    pub(super) fn new(socket: Socket, number: u64, peer: Peer, session: T) -> Self {
        Conn {
            socket,
            number,
            peer,
            session,
            phase: Phase::Open,
            pending: Pending::default(),
            inbox: Vec::new(),
            readable: true,
            writable: true,
            hung_up: false,
            all_said: false,
            ended: false,
            registered: false,
            queued: false,
            deadline: None,
            notice: None,
            held: 0,
            timed_out: false,
            received: 0,
            sent: 0,
        }
    }

    /// When a sweep should look at it.
    pub(super) fn next_look(&self) -> Option<Instant> {
        let deadline = self.deadline.map(|(at, _)| at);
        [deadline, self.notice].into_iter().flatten().min()
    }

    /// Reads once. `Ok(None)`: nothing there; `Ok(Some(0))`: end of file.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            match (&self.socket).read(buffer) {
                Ok(n) => {
                    self.received += n as u64;
                    // A short read emptied the receive buffer, and what comes later makes a new
                    // edge (epoll(7)); only an end that came with the data makes none.
                    if n == 0 {
                        self.readable = false;
                        self.ended = true;
                    } else if n < buffer.len() && !self.hung_up {
                        self.readable = false;
                    }
                    return Ok(Some(n));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.readable = false;
                    return Ok(None);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes as much as there is room for; gives how much that was.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = 0;
        while written < bytes.len() && self.writable {
            match (&self.socket).write(&bytes[written..]) {
                Ok(n) => {
                    written += n;
                    self.sent += n as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(written)
    }

    /// Whether the socket may be closed at once, without a reset: the conversation is complete and
    /// nothing unread waits. It saves four system calls and a fifth of the CPU time of a request.
    pub(super) fn may_close(&self) -> bool {
        self.all_said && !self.readable && unread(&self.socket) == Some(0)
    }

    /// Writes `bytes` after what is pending, and keeps what has no room.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = if self.pending.is_empty() {
            self.write(bytes)?
        } else {
            0
        };
        if written < bytes.len() {
            self.pending.keep(&bytes[written..]);
        }
        Ok(())
    }

    /// As [`Conn::send`], without a copy of bytes that many connections share.
    pub(super) fn send_shared(&mut self, bytes: Arc<[u8]>) -> io::Result<()> {
        let written = if self.pending.is_empty() {
            self.write(&bytes)?
        } else {
            0
        };
        if written < bytes.len() {
            self.pending.keep_shared(bytes, written);
        }
        Ok(())
    }

    /// Writes what is pending; says whether all of it went.
    pub(super) fn flush(&mut self) -> io::Result<bool> {
        let mut pending = std::mem::take(&mut self.pending);
        if !pending.bytes.is_empty() {
            pending.written += self.write(&pending.bytes[pending.written..])?;
            if pending.written < pending.bytes.len() {
                self.pending = pending;
                return Ok(false);
            }
            pending.bytes = Vec::new();
        }
        if let Some((shared, written)) = pending.shared {
            let written = written + self.write(&shared[written..])?;
            if written < shared.len() {
                self.pending.shared = Some((shared, written));
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Bytes in the receive buffer (`SIOCINQ`, tcp(7)).
fn unread(socket: &Socket) -> Option<libc::c_int> {
    let mut bytes = 0;
    // SAFETY: FIONREAD, which SIOCINQ is another name of, writes one int, which lives through the
    // call.
    let failed = unsafe { libc::ioctl(socket.as_raw_fd(), libc::FIONREAD, &raw mut bytes) } < 0;
    (!failed).then_some(bytes)
}
