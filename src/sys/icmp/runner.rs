//! The loop that joins a session to its sockets.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags};

use super::batch::{Inbox, Outbox, Queue};
use super::control::Queued;
use super::{IcmpSocket, Options};
use crate::error::{Error, Kind, Result};
use crate::packet::icmp;
use crate::ping::clock::Monotonic;
use crate::ping::event::Event;
use crate::ping::losses::Unsent;
use crate::ping::session::{Incoming, Notice, Request, Session};
use crate::ping::target::Target;
use crate::reference::icmp::Version;
use crate::sys::clock;
use crate::sys::signals::Signals;
use crate::sys::waiting::{ready_by, ready_within};

/// Bytes that a reply may be longer than its request before the rest is cut: an IP header with all
/// options, and enough to see that it is longer.
const SLACK: usize = 128;
/// Batches that are taken from a queue before something else gets its turn.
const ROUNDS: usize = 16;
/// A request is tried so often when an older error of the socket or a full buffer is in the way.
const ATTEMPTS: usize = 4;
/// Room in a full buffer is waited for so long each time.
const WAIT_FOR_ROOM: Duration = Duration::from_millis(2);
/// Numbers of stamped requests that are remembered until their stamp comes.
const REMEMBERED: usize = 4096;

/// Who is told what happens, and shows it.
pub trait Witness {
    /// A request was given to the kernel.
    fn sent(&mut self, session: &Session, request: &Request);
    /// Something happened.
    fn event(&mut self, session: &Session, event: &Event);
    /// SIGQUIT asks for a word on how it goes.
    fn asked(&mut self, session: &Session);
    /// A turn of the loop is over: what was said is written now. Gives when it wants to be called
    /// again even if nothing happens.
    fn turn(&mut self, session: &Session, now: Monotonic) -> Result<Option<Monotonic>>;
}

/// How requests are sent and stamped.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// Requests that are sent before replies are looked at.
    pub turn: usize,
    /// They leave in one system call; else each in its own, with its own time.
    pub together: bool,
    /// Ask the kernel when timed requests leave.
    pub stamp_sent: bool,
}

/// The sockets of a session and the buffers between.
pub struct Runner {
    lines: Vec<Line>,
    inbox: Inbox,
    manner: Manner,
}

/// One socket and what is about to leave by it.
struct Line {
    socket: IcmpSocket,
    outbox: Outbox,
    requests: Vec<Request>,
    /// The request behind each stamp, by the stamp's number.
    stamped: Vec<u64>,
    next_stamp: u32,
    overflowed: u32,
}

impl Runner {
    /// Opens a socket for each version that the targets have.
    pub fn open(session: &mut Session, options: &Options, manner: Manner) -> Result<Runner> {
        let length = icmp::HEADER + session.payloads().length();
        let mut template = vec![0; length];
        session
            .payloads()
            .write_pattern(&mut template[icmp::HEADER..]);
        let mut lines = Vec::new();
        for version in [Version::V4, Version::V6] {
            let is_used = (0..session.target_count())
                .any(|target| session.target(target).version() == version);
            if is_used {
                let socket = IcmpSocket::open(version, options)?;
                session.set_identifier(version, socket.identifier);
                lines.push(Line::new(socket, &template));
            }
        }
        Ok(Runner {
            lines,
            inbox: Inbox::new(length + SLACK),
            manner,
        })
    }

    /// The sockets.
    pub fn sockets(&self) -> impl Iterator<Item = &IcmpSocket> {
        self.lines.iter().map(|line| &line.socket)
    }

    /// Runs the session to its end.
    pub fn run(
        &mut self,
        session: &mut Session,
        signals: &Signals,
        witness: &mut dyn Witness,
    ) -> Result<()> {
        let mut now = clock::monotonic();
        loop {
            let sent = self.transmit(session, witness)?;
            if sent {
                self.receive(session, witness)?;
            }
            while let Some(event) = session.poll_lost(now) {
                witness.event(session, &event);
            }
            let wish = witness.turn(session, now)?;
            if session.is_over(now) {
                break;
            }
            let deadline = session.next_deadline(now).into_iter().chain(wish).min();
            if self.wait(signals, deadline)? {
                self.receive(session, witness)?;
            }
            let asked = signals.take_asked();
            if asked.word {
                witness.asked(session);
            }
            if asked.end {
                break;
            }
            now = clock::monotonic();
        }
        let now = clock::monotonic();
        while let Some(event) = session.poll_end(now) {
            witness.event(session, &event);
        }
        witness.turn(session, now)?;
        Ok(())
    }

    /// Waits for packets, signals or the deadline; true if there are packets.
    fn wait(&self, signals: &Signals, deadline: Option<Monotonic>) -> Result<bool> {
        let now = clock::monotonic();
        let time = deadline.map(|deadline| deadline.since(now));
        if time == Some(Duration::ZERO) {
            return Ok(false);
        }
        let mut fds: Vec<PollFd> = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        for line in &self.lines {
            fds.push(PollFd::new(line.socket.as_fd(), PollFlags::POLLIN));
        }
        match ready_within(&mut fds, time) {
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(errno) => {
                return Err(Error::os(
                    Kind::CannotRun,
                    "wait for replies",
                    &errno.into(),
                ));
            }
        }
        // Errors are told without being asked for, and wait in the error queue.
        Ok(fds[1..].iter().any(|fd| fd.any().unwrap_or(false)))
    }

    /// Sends what is due, at most a turn; true if there was something.
    fn transmit(&mut self, session: &mut Session, witness: &mut dyn Witness) -> Result<bool> {
        let mut now = clock::monotonic();
        let mut count = 0;
        while count < self.manner.turn {
            if self.lines.iter().any(|line| line.outbox.is_full()) {
                break;
            }
            let Some(request) = session.poll_transmit(now, count) else {
                break;
            };
            let target = session.target(request.target);
            let version = target.version();
            let to = address(target);
            witness.sent(session, &request);
            if let Some(line) = self.lines.iter_mut().find(|l| l.socket.version == version) {
                line.add(session, request, to, self.manner.stamp_sent);
                if !self.manner.together {
                    line.send(session, &mut self.inbox, witness)?;
                    now = clock::monotonic();
                }
            }
            count += 1;
        }
        for line in &mut self.lines {
            line.send(session, &mut self.inbox, witness)?;
        }
        Ok(count > 0)
    }

    /// Takes everything that has come.
    fn receive(&mut self, session: &mut Session, witness: &mut dyn Witness) -> Result<()> {
        for line in &mut self.lines {
            line.receive_errors(session, &mut self.inbox, witness)?;
            line.receive_replies(session, &mut self.inbox, witness)?;
        }
        Ok(())
    }
}

impl Line {
    fn new(socket: IcmpSocket, template: &[u8]) -> Line {
        Line {
            socket,
            outbox: Outbox::new(template),
            requests: Vec::new(),
            stamped: vec![0; REMEMBERED],
            next_stamp: 0,
            overflowed: 0,
        }
    }

    /// Puts a request into the outbox.
    fn add(&mut self, session: &Session, request: Request, to: SocketAddr, stamp: bool) {
        let is_stamped = stamp && request.timed && self.socket.has_stamps;
        let message = self.outbox.add(to, is_stamped);
        session
            .payloads()
            .write_nonce(request.number, &mut message[icmp::HEADER..]);
        icmp::write_echo_request(
            self.socket.version,
            self.socket.identifier,
            request.wire(),
            message,
        );
        self.requests.push(request);
    }

    /// Sends the outbox.
    fn send(
        &mut self,
        session: &mut Session,
        inbox: &mut Inbox,
        witness: &mut dyn Witness,
    ) -> Result<()> {
        let mut done = 0;
        let mut attempts = 0;
        while done < self.outbox.len() {
            match self.outbox.send(self.socket.as_raw_fd(), done) {
                Ok(sent) => {
                    for at in done..done + sent {
                        if self.outbox.is_stamped(at) {
                            self.remember(self.requests[at].number);
                        }
                    }
                    done += sent;
                    attempts = 0;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    attempts += 1;
                    if attempts < ATTEMPTS && self.may_try_again(&error, session)? {
                        continue;
                    }
                    let why = self.why_unsent(&error, session, inbox, witness)?;
                    let event = session.handle_unsent(self.requests[done].number, why);
                    if let Some(event) = event {
                        witness.event(session, &event);
                    }
                    done += 1;
                    attempts = 0;
                    self.restart_stamps();
                }
            }
        }
        self.outbox.clear();
        self.requests.clear();
        Ok(())
    }

    /// The next stamp is of this request.
    fn remember(&mut self, number: u64) {
        self.stamped[self.next_stamp as usize % REMEMBERED] = number;
        self.next_stamp = self.next_stamp.wrapping_add(1);
    }

    /// A request that failed may have used up a number for its stamp, or not.
    fn restart_stamps(&mut self) {
        if self.socket.has_stamps && self.socket.restart_stamps().is_ok() {
            self.next_stamp = 0;
        }
    }

    /// Whether a request that could not be sent is worth another attempt: an error that an ICMP
    /// message has left on the socket goes away by being told, a full buffer by waiting.
    fn may_try_again(&self, error: &io::Error, session: &mut Session) -> Result<bool> {
        match error.raw_os_error() {
            Some(libc::EPERM | libc::EACCES | libc::EMSGSIZE | libc::EINVAL) => Ok(false),
            Some(libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM) => {
                session.retried += 1;
                let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLOUT)];
                let deadline = std::time::Instant::now() + WAIT_FOR_ROOM;
                ready_by(&mut fds, Some(deadline))
                    .map_err(|errno| Error::os(Kind::CannotRun, "wait to send", &errno.into()))?;
                Ok(true)
            }
            _ => Ok(true),
        }
    }

    /// Why a request was not sent; the MTU of what is too long stands in the error queue.
    fn why_unsent(
        &mut self,
        error: &io::Error,
        session: &mut Session,
        inbox: &mut Inbox,
        witness: &mut dyn Witness,
    ) -> Result<Unsent> {
        Ok(match error.raw_os_error() {
            Some(libc::EPERM) => Unsent::Firewall,
            Some(libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM) => Unsent::FullBuffer,
            Some(libc::EMSGSIZE) => Unsent::TooLong(self.receive_errors(session, inbox, witness)?),
            errno => Unsent::Other(errno.unwrap_or(0)),
        })
    }

    /// Empties the error queue: stamps and ICMP errors. Gives the MTU of the last local error.
    fn receive_errors(
        &mut self,
        session: &mut Session,
        inbox: &mut Inbox,
        witness: &mut dyn Witness,
    ) -> Result<Option<u32>> {
        let mut mtu = None;
        for _ in 0..ROUNDS {
            let more = receive(&self.socket, inbox, Queue::Errors)?;
            if inbox.is_empty() {
                break;
            }
            let now = clock::monotonic();
            if let Some(event) = session.handle_clock(clock::both()) {
                witness.event(session, &event);
            }
            for message in inbox.messages() {
                match message.control.queued {
                    Some(Queued::Left { number }) => {
                        let request = self.stamped[number as usize % REMEMBERED];
                        if let Some(stamp) = message.control.stamp {
                            session.handle_left(request, stamp, now);
                        }
                    }
                    Some(Queued::Refusal { refusal, detail }) => {
                        let notice = Notice {
                            refusal,
                            detail,
                            to: message.address,
                            message: message.bytes,
                            stamp: message.control.stamp,
                        };
                        if let Some(event) = session.handle_notice(&notice, now) {
                            witness.event(session, &event);
                        }
                    }
                    Some(Queued::Local { errno, detail }) if errno == libc::EMSGSIZE => {
                        mtu = Some(detail);
                    }
                    Some(Queued::Local { .. }) | None => {}
                }
            }
            if !more {
                break;
            }
        }
        Ok(mtu)
    }

    fn receive_replies(
        &mut self,
        session: &mut Session,
        inbox: &mut Inbox,
        witness: &mut dyn Witness,
    ) -> Result<()> {
        for _ in 0..ROUNDS {
            let more = receive(&self.socket, inbox, Queue::Received)?;
            if inbox.is_empty() {
                break;
            }
            let now = clock::monotonic();
            if self.socket.has_stamps
                && let Some(event) = session.handle_clock(clock::both())
            {
                witness.event(session, &event);
            }
            for message in inbox.messages() {
                if let Some(total) = message.control.overflowed {
                    session.overflowed += u64::from(total.wrapping_sub(self.overflowed));
                    self.overflowed = total;
                }
                let Some(from) = message.address else {
                    continue;
                };
                let incoming = Incoming {
                    version: self.socket.version,
                    bytes: message.bytes,
                    with_ip_header: self.socket.is_raw && self.socket.version == Version::V4,
                    is_cut: message.is_cut,
                    from,
                    hop_limit: message.control.hop_limit,
                    stamp: message.control.stamp,
                };
                if let Some(event) = session.handle_packet(&incoming, now) {
                    witness.event(session, &event);
                }
            }
            if !more {
                break;
            }
        }
        Ok(())
    }
}

/// Receives; an error that an ICMP message has left on the socket is told and gone.
fn receive(socket: &IcmpSocket, inbox: &mut Inbox, queue: Queue) -> Result<bool> {
    for _ in 0..ATTEMPTS {
        match inbox.receive(socket, queue) {
            Ok(more) => return Ok(more),
            Err(error) if is_fatal(&error) => {
                return Err(Error::os(Kind::CannotRun, "receive replies", &error));
            }
            Err(_) => {}
        }
    }
    Ok(false)
}

/// Whether an error is about the socket itself, and not about a packet.
fn is_fatal(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EBADF | libc::EFAULT | libc::ENOTSOCK | libc::EINVAL | libc::ENODEV)
    )
}

/// Where to send to.
pub fn address(target: &Target) -> SocketAddr {
    match target.address {
        IpAddr::V4(address) => SocketAddr::new(address.into(), 0),
        IpAddr::V6(address) => SocketAddrV6::new(address, 0, 0, target.scope).into(),
    }
}
