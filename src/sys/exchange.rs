//! One connection of a client: send and receive at the same time, with a deadline.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::Socket;

use crate::error::{Error, Kind, Result};
use crate::reference::Circumstance;
use crate::service::Peer;
use crate::sys::around;
use crate::sys::connect::{self, Failure};
use crate::sys::socket::{Options, peer_of};
use crate::sys::unix;
use crate::sys::waiting::ready_by;

/// One read takes at most this many bytes.
const CHUNK: usize = 64 * 1024;

/// What is sent.
#[derive(Debug)]
pub enum Source<'a> {
    /// These bytes.
    Bytes(&'a [u8]),
    /// Whatever comes out of a file, a pipe or a terminal, until its end.
    Stream(File),
}

/// How the bytes are sent, to test how a server frames what it receives.
#[derive(Debug, Clone, Default)]
pub struct Manner {
    /// Where one send ends and the next one begins.
    pub pieces: Pieces,
    /// The exchange ends once the connection has sent this many bytes.
    pub cut_after: Option<u64>,
}

/// The sends that the bytes are divided into.
#[derive(Debug, Clone, Default)]
pub enum Pieces {
    /// As the kernel has room.
    #[default]
    Whole,
    /// This many bytes in one send, and a pause after it.
    Each(NonZeroUsize, Duration),
    /// A send ends after each of these numbers of bytes, in order.
    Ends(Vec<usize>),
}

/// What the handler of the received bytes wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// More bytes.
    More,
    /// It has what it waited for.
    Done,
}

/// Sees the bytes of an exchange as they go by. A closure is one that sees what is received.
pub trait ReplyHandler {
    /// These bytes were handed to the kernel.
    fn sent(&mut self, bytes: &[u8]) {
        let _ = bytes;
    }
    /// These bytes were received.
    fn received(&mut self, bytes: &[u8]) -> Result<Next>;
}

impl<F: FnMut(&[u8]) -> Result<Next>> ReplyHandler for F {
    fn received(&mut self, bytes: &[u8]) -> Result<Next> {
        self(bytes)
    }
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The handler had what it waited for.
    Done,
    /// The peer shut down its sending side after it had been sent everything.
    Closed,
    /// It did so before the source was at its end.
    ClosedEarly,
    /// As many bytes were sent as [`Manner::cut_after`] allows.
    Cut,
}

/// A client's connection, and what was measured on it.
#[derive(Debug)]
pub struct Connection {
    socket: Socket,
    timeout: Duration,
    started: Instant,
    /// Who is at the other end.
    pub peer: Peer,
    /// Our own address.
    pub local: Peer,
    /// How long connecting took.
    pub connect_time: Duration,
    /// From the start of connecting to the first byte received.
    pub first_byte: Option<Duration>,
    /// Bytes written.
    pub sent_bytes: u64,
    /// Bytes read.
    pub received_bytes: u64,
    /// Addresses that failed before this one.
    pub failed: Vec<Failure>,
    /// How bytes are sent.
    pub manner: Manner,
}

impl Connection {
    /// Connects to the first of `addresses` that answers; `timeout` bounds connecting, and then each
    /// exchange of bytes as a whole, or each wait of a stream.
    pub fn tcp(
        name: &str,
        addresses: &[SocketAddr],
        options: &Options,
        timeout: Duration,
    ) -> Result<Connection> {
        let connected = connect::connect(name, addresses, options, timeout)?;
        let elapsed = connected.elapsed;
        let mut this = Self::new(
            connected.socket,
            Peer::Ip(connected.address),
            elapsed,
            timeout,
        );
        this.failed = connected.failed;
        Ok(this)
    }

    /// Connects to a Unix domain socket.
    pub fn unix(path: &Path, options: &Options, timeout: Duration) -> Result<Connection> {
        let started = Instant::now();
        let socket = unix::connect(path, options, timeout)?;
        Ok(Self::new(
            socket,
            Peer::Unix(Some(path.to_owned())),
            started.elapsed(),
            timeout,
        ))
    }

    fn new(socket: Socket, peer: Peer, connect_time: Duration, timeout: Duration) -> Self {
        let local = socket
            .local_addr()
            .map_or(Peer::Unix(None), |address| peer_of(&address));
        Connection {
            socket,
            timeout,
            started: Instant::now()
                .checked_sub(connect_time)
                .unwrap_or_else(Instant::now),
            peer,
            local,
            connect_time,
            first_byte: None,
            sent_bytes: 0,
            received_bytes: 0,
            failed: Vec::new(),
            manner: Manner::default(),
        }
    }

    /// Closes the connection; with `reset` the peer gets an RST instead of a FIN.
    pub fn close(self, reset: bool) {
        if reset {
            let _ = self.socket.set_linger(Some(Duration::ZERO));
        }
    }

    /// From the start of connecting to now.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Sends `source` and gives what comes back to `handler`, both at the same time, so that neither
    /// side can block the other. With `half_close` our sending side is shut down after the source.
    ///
    /// # Errors
    /// What the socket says; an exchange of bytes that takes longer than the timeout, or a wait of a
    /// stream; what `handler` says. An error in sending counts only if the peer's reply does not come
    /// either: a server may answer and close before it has read everything.
    pub fn exchange(
        &mut self,
        source: Source<'_>,
        half_close: bool,
        handler: &mut dyn ReplyHandler,
    ) -> Result<End> {
        let mut limit = Limit::new(&source, self.timeout, self.received_bytes);
        let mut outgoing = Outgoing::new(source, half_close, &self.manner, self.sent_bytes);
        let mut buffer = vec![0; CHUNK];
        loop {
            self.wait(&outgoing, &limit)?;
            outgoing
                .read_source()
                .map_err(|error| Error::os(Kind::CannotRun, "read the file to send", &error))?;
            let sent = outgoing.write_to(&self.socket, handler);
            self.sent_bytes += sent;
            if outgoing.is_cut() {
                return Ok(End::Cut);
            }
            if sent > 0 && !outgoing.is_whole() {
                // Our own pauses are no delay of the server's.
                limit.restart();
            }
            loop {
                match (&self.socket).read(&mut buffer) {
                    Ok(0) => return outgoing.ended(&self.peer),
                    Ok(n) => {
                        self.received_bytes += n as u64;
                        self.first_byte
                            .get_or_insert_with(|| self.started.elapsed());
                        if handler.received(&buffer[..n])? == Next::Done {
                            return Ok(End::Done);
                        }
                        // A short read emptied the socket; a peer that never stops is not a reply.
                        if n < buffer.len() || limit.is_over() {
                            break;
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(self.failure("read from", &error)),
                }
            }
        }
    }

    /// Waits until something can be done.
    fn wait(&self, outgoing: &Outgoing<'_>, limit: &Limit) -> Result<()> {
        let mut events = PollFlags::POLLIN;
        if outgoing.wants_to_write() {
            events |= PollFlags::POLLOUT;
        }
        let mut fds = vec![PollFd::new(self.socket.as_fd(), events)];
        let mut deadline = Some(limit.deadline());
        if let Some(stream) = outgoing.wants_to_read() {
            fds.push(PollFd::new(stream.as_fd(), PollFlags::POLLIN));
            // A person at a terminal may take any time.
            deadline = None;
        }
        let pause = outgoing.pause();
        let until = match (pause, deadline) {
            (Some(pause), Some(deadline)) => Some(pause.min(deadline)),
            (pause, deadline) => pause.or(deadline),
        };
        let ready =
            ready_by(&mut fds, until).map_err(|errno| self.failure("wait for", &errno.into()))?;
        if (ready || pause.is_some_and(|pause| Instant::now() >= pause)) && !limit.is_over() {
            return Ok(());
        }
        let error = io::Error::from_raw_os_error(libc::ETIMEDOUT);
        let mut failure = self.failure("wait for a reply from", &error);
        let so_far = format!(
            "(after {} sent and {} received)",
            self.sent_bytes, self.received_bytes
        );
        failure.details.clear();
        failure.cause = if limit.whole.is_some() && self.received_bytes > limit.received_before {
            format!("the reply was not complete in {:?} {so_far}", self.timeout)
        } else {
            format!("nothing received for {:?} {so_far}", self.timeout)
        };
        let failure = failure.next(
            "is the server waiting for more than was sent? see its log, and its queues: sockdoc sockets -t",
        );
        Err(around::unanswered(failure, &self.local, &self.peer))
    }

    fn failure(&self, operation: &str, error: &io::Error) -> Error {
        let mut failure = Error::os(Kind::BadAnswer, operation, error);
        if matches!(self.peer, Peer::Unix(_)) {
            failure = failure.under(Circumstance::UnixSocket);
        }
        failure = failure.on(self.peer.to_string());
        if self.received_bytes > 0 {
            failure
                .details
                .push(format!("{} bytes had been received", self.received_bytes));
        }
        failure
    }
}

/// How long an exchange may take.
struct Limit {
    timeout: Duration,
    /// When the whole of it must be over; `None` for a stream, of which only each wait is bounded.
    whole: Option<Instant>,
    /// What had been received on the connection before it.
    received_before: u64,
}

impl Limit {
    fn new(source: &Source<'_>, timeout: Duration, received_before: u64) -> Self {
        let whole = matches!(source, Source::Bytes(_)).then(|| Instant::now() + timeout);
        Limit {
            timeout,
            whole,
            received_before,
        }
    }

    /// Counts from now.
    fn restart(&mut self) {
        self.whole = self.whole.map(|_| Instant::now() + self.timeout);
    }

    /// When a wait that begins now must end.
    fn deadline(&self) -> Instant {
        self.whole.unwrap_or_else(|| Instant::now() + self.timeout)
    }

    /// Whether the time of the whole exchange is over.
    fn is_over(&self) -> bool {
        self.whole.is_some_and(|end| Instant::now() >= end)
    }
}

/// What is still to be sent.
struct Outgoing<'a> {
    bytes: &'a [u8],
    /// A stream's bytes that were read and are not yet written.
    chunk: Vec<u8>,
    written: usize,
    stream: Option<File>,
    half_close: bool,
    /// Sending failed; the reply may still come.
    error: Option<io::Error>,
    pieces: Pieces,
    /// What is left of the piece that is being sent, and of [`Pieces::Ends`].
    piece: usize,
    ends: usize,
    /// Nothing is sent before this time.
    paused: Option<Instant>,
    /// Bytes that may still be sent.
    allowed: Option<u64>,
}

impl<'a> Outgoing<'a> {
    fn new(source: Source<'a>, half_close: bool, manner: &Manner, sent: u64) -> Self {
        let (bytes, stream) = match source {
            Source::Bytes(bytes) => (bytes, None),
            Source::Stream(file) => (&[][..], Some(file)),
        };
        Outgoing {
            bytes,
            chunk: Vec::new(),
            written: 0,
            stream,
            half_close,
            error: None,
            pieces: manner.pieces.clone(),
            piece: 0,
            ends: 0,
            paused: None,
            allowed: manner.cut_after.map(|most| most.saturating_sub(sent)),
        }
    }

    /// Whether there is something to send now.
    fn wants_to_write(&self) -> bool {
        self.has_more() && self.pause().is_none() && self.allowed != Some(0)
    }

    fn has_more(&self) -> bool {
        self.error.is_none() && (!self.bytes.is_empty() || self.written < self.chunk.len())
    }

    /// When the next piece may be sent, if that is later than now.
    fn pause(&self) -> Option<Instant> {
        self.paused.filter(|until| *until > Instant::now())
    }

    fn is_whole(&self) -> bool {
        matches!(self.pieces, Pieces::Whole)
    }

    fn is_cut(&self) -> bool {
        self.allowed == Some(0) && self.error.is_none()
    }

    /// How many of these bytes one send may have.
    fn limit(&mut self, bytes: usize) -> usize {
        let mut most = bytes;
        if let Some(allowed) = self.allowed {
            most = most.min(usize::try_from(allowed).unwrap_or(usize::MAX));
        }
        if self.piece == 0 {
            self.piece = match &self.pieces {
                Pieces::Whole => usize::MAX,
                Pieces::Each(size, _) => size.get(),
                Pieces::Ends(ends) => ends.get(self.ends).copied().unwrap_or(usize::MAX),
            };
        }
        most.min(self.piece)
    }

    /// Counts what was sent, and pauses after a piece.
    fn count(&mut self, n: usize) {
        self.allowed = self.allowed.map(|allowed| allowed - n as u64);
        self.piece -= n;
        if self.piece == 0 {
            self.ends += 1;
            if let Pieces::Each(_, pause) = self.pieces {
                self.paused = Some(Instant::now() + pause);
            }
        }
    }

    fn wants_to_read(&self) -> Option<&File> {
        self.stream.as_ref().filter(|_| !self.has_more())
    }

    /// Reads the next chunk of a stream, if the last one is written and there is something to read.
    fn read_source(&mut self) -> io::Result<()> {
        if self.has_more() {
            return Ok(());
        }
        let Some(stream) = &mut self.stream else {
            return Ok(());
        };
        let mut fds = [PollFd::new(stream.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, PollTimeout::ZERO).unwrap_or(0) == 0 {
            return Ok(());
        }
        self.chunk.resize(CHUNK, 0);
        let n = stream.read(&mut self.chunk)?;
        self.chunk.truncate(n);
        self.written = 0;
        if n == 0 {
            self.stream = None;
        }
        Ok(())
    }

    /// Writes as much as there is room for, and shuts the sending side down after the last byte.
    fn write_to(&mut self, socket: &Socket, handler: &mut dyn ReplyHandler) -> u64 {
        let mut sent = 0;
        while self.wants_to_write() {
            let from_chunk = self.bytes.is_empty();
            let most = self.limit(if from_chunk {
                self.chunk.len() - self.written
            } else {
                self.bytes.len()
            });
            let bytes = if from_chunk {
                &self.chunk[self.written..]
            } else {
                self.bytes
            };
            let bytes = &bytes[..most];
            match (&*socket).write(bytes) {
                Ok(n) => {
                    sent += n as u64;
                    handler.sent(&bytes[..n]);
                    if from_chunk {
                        self.written += n;
                    } else {
                        self.bytes = &self.bytes[n..];
                    }
                    self.count(n);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return sent,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.error = Some(error);
                    self.stream = None;
                }
            }
        }
        if self.half_close && self.stream.is_none() && self.error.is_none() && !self.has_more() {
            self.half_close = false;
            let _ = socket.shutdown(std::net::Shutdown::Write);
        }
        sent
    }

    /// The peer sent its last byte: in order, unless our sending had failed.
    fn ended(self, peer: &Peer) -> Result<End> {
        match self.error {
            Some(error) => Err(Error::os(Kind::BadAnswer, "write to", &error).on(peer.to_string())),
            None if self.stream.is_some() || self.has_more() => Ok(End::ClosedEarly),
            None => Ok(End::Closed),
        }
    }
}
