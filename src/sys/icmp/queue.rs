//! One socket of a session: the packets it is about to send, and those it receives.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::time::Duration;

use super::batch::{Inbox, Queue};
use super::control::Queued;
use super::runner::Handler;
use super::sender::{Bunch, Helper};
use super::{IcmpSocket, Options};
use crate::error::{Error, Kind, Result};
use crate::packet::icmp;
use crate::ping::clock::Monotonic;
use crate::ping::losses::Unsent;
use crate::ping::session::{Incoming, Notice, Request, Session};
use crate::ping::window::Stage;
use crate::reference::icmp::Version;
use crate::sys::clock;

/// Bytes that a reply may be longer than its request before the rest is cut: an IP header with all
/// options, and enough to see that it is longer.
const SLACK: usize = 128;
/// Bytes of the error queue for what follows a quoted packet (RFC 4884): a whole ICMP error has 576 at most
/// (RFC 1812 section 4.3.2.3).
const EXTENSION: usize = 576;
/// Batches that are taken from a queue before something else gets its turn.
const ROUNDS: usize = 16;
/// A request is tried so often when an older error of the socket or a full buffer is in the way.
const ATTEMPTS: usize = 4;
/// Room in a full buffer is waited for this long each time: the queue of a device does not say when it has
/// some ...
const WAIT_FOR_ROOM: Duration = Duration::from_millis(5);
/// ... and at most this long for each request, or as long as its reply is waited for.
const MOST_WAIT: Duration = Duration::from_secs(1);
/// Numbers of timestamped requests that are remembered until their timestamp comes.
const REMEMBERED: usize = 4096;
/// Requests that may wait in the queue of a link while the numbers of timestamps begin anew.
const LEAVING: u32 = 1024;
/// Batches of an earlier session that are taken out of a queue: more than its buffer holds.
const STALE: usize = 4096;

/// One socket and what is about to leave by it.
pub(super) struct SocketQueue {
    pub(super) socket: IcmpSocket,
    inbox: Inbox,
    errors: Inbox,
    template: Vec<u8>,
    bunch: Bunch,
    /// Bunches that have been sent.
    spare: Vec<Bunch>,
    pub(super) helper: Option<Helper>,
    /// The request of each timestamp, by the timestamp's number.
    stamped: Vec<u64>,
    next_stamp: u32,
    /// Requests whose timestamps were numbered before the numbers began anew, and that have not left the
    /// queue of their link: their number then, and which they are.
    leaving: VecDeque<(u32, u64)>,
    overflowed: u32,
}

impl SocketQueue {
    /// For messages that have this template in common.
    pub(super) fn new(socket: IcmpSocket, template: Vec<u8>) -> SocketQueue {
        let room = template.len() + SLACK;
        SocketQueue {
            socket,
            inbox: Inbox::new(room),
            errors: Inbox::new(room + EXTENSION),
            bunch: Bunch::new(&template),
            template,
            spare: Vec::new(),
            helper: None,
            stamped: vec![0; REMEMBERED],
            next_stamp: 0,
            leaving: VecDeque::new(),
            overflowed: 0,
        }
    }

    /// Begins anew, with messages such as this.
    pub(super) fn renew(&mut self, options: &Options, template: Vec<u8>) -> Result<()> {
        self.socket.renew(options)?;
        for queue in [Queue::Received, Queue::Errors] {
            for _ in 0..STALE {
                if !receive(&self.socket, &mut self.inbox, queue)? {
                    break;
                }
            }
        }
        let room = template.len() + SLACK;
        self.inbox = Inbox::new(room);
        self.errors = Inbox::new(room + EXTENSION);
        self.bunch = Bunch::new(&template);
        self.spare.clear();
        self.next_stamp = 0;
        self.leaving.clear();
        self.template = template;
        Ok(())
    }

    /// Whether no more requests fit.
    pub(super) fn is_full(&self) -> bool {
        self.bunch.outbox.is_full()
    }

    /// Puts a request into the outbox.
    pub(super) fn add(&mut self, session: &Session, request: Request, to: SocketAddr, stamp: bool) {
        // The copy of a packet to a group for this host itself is back before the packet has a timestamp.
        let is_group = session.target(request.target).is_group();
        let is_stamped = stamp && request.timed && self.socket.has_stamps && !is_group;
        let message = self.bunch.outbox.add(to, is_stamped);
        session
            .payloads()
            .write_nonce(request.number, &mut message[icmp::HEADER..]);
        icmp::write_echo_request(
            self.socket.version,
            self.socket.identifier,
            request.wire(),
            message,
        );
        self.bunch.requests.push(request);
    }

    /// Sends the outbox, or has it sent; with nothing to send, waits for what is being sent. True if
    /// something has left.
    pub(super) fn send(
        &mut self,
        session: &mut Session,
        handler: &mut dyn Handler,
    ) -> Result<bool> {
        if self.bunch.outbox.is_empty() {
            return self.collect(0, session, handler);
        }
        let next = self.spare.pop();
        let next = next.unwrap_or_else(|| Bunch::new(&self.template));
        let mut bunch = std::mem::replace(&mut self.bunch, next);
        self.remember(&bunch);
        if let Some(helper) = &mut self.helper {
            match helper.send(bunch) {
                // The replies to the one before are there when that is back.
                Ok(()) => return self.collect(1, session, handler),
                Err(back) => bunch = back,
            }
        }
        let result = bunch.send(self.socket.as_raw_fd());
        self.settle(bunch, result, session, handler)?;
        Ok(true)
    }

    /// Takes bunches back until the helper has only this many; true if there was one.
    pub(super) fn collect(
        &mut self,
        most: usize,
        session: &mut Session,
        handler: &mut dyn Handler,
    ) -> Result<bool> {
        let mut some = false;
        while let Some(helper) = self.helper.as_mut().filter(|it| it.busy() > most)
            && let Some((bunch, result)) = helper.finished()
        {
            some = true;
            self.settle(bunch, result, session, handler)?;
        }
        Ok(some)
    }

    /// A bunch was sent, or a part of it: sends the rest, past what cannot be sent.
    // A second has few waits.
    #[allow(clippy::cast_possible_truncation)]
    fn settle(
        &mut self,
        mut bunch: Bunch,
        mut result: io::Result<()>,
        session: &mut Session,
        handler: &mut dyn Handler,
    ) -> Result<()> {
        let mut others = Vec::new();
        let mut attempts = (bunch.sent, 0);
        while let Err(error) = result {
            // No other thread sends while the numbers of the timestamps are corrected.
            others.extend(std::iter::from_fn(|| self.helper.as_mut()?.finished()));
            if attempts.0 != bunch.sent {
                attempts = (bunch.sent, 0);
            }
            attempts.1 += 1;
            let most = if is_full(&error) {
                let wait = session.plan().patience().min(MOST_WAIT);
                (wait.as_micros() / WAIT_FOR_ROOM.as_micros()) as usize
            } else {
                ATTEMPTS
            };
            if attempts.1 >= most || !Self::may_try_again(&error, session) {
                let why = self.why_unsent(&error, session, handler)?;
                let event = session.handle_unsent(bunch.requests[bunch.sent].number, why);
                if let Some(event) = event {
                    handler.event(session, &event);
                }
                bunch.sent += 1;
            }
            // What the attempt left in the error queue has its old number.
            self.receive_errors(session, handler)?;
            self.restart_stamps(&bunch, session);
            result = bunch.send(self.socket.as_raw_fd());
        }
        bunch.clear();
        self.spare.push(bunch);
        for (bunch, result) in others {
            self.settle(bunch, result, session, handler)?;
        }
        Ok(())
    }

    /// The next timestamps are of these requests.
    fn remember(&mut self, bunch: &Bunch) {
        for (at, request) in bunch.requests.iter().enumerate().skip(bunch.sent) {
            if bunch.outbox.is_stamped(at) {
                self.stamped[self.next_stamp as usize % REMEMBERED] = request.number;
                self.next_stamp = self.next_stamp.wrapping_add(1);
            }
        }
    }

    /// A request that failed may have used up a number for its timestamp, or not: those of the rest begin
    /// anew. The queue of the link may have refused it after it had a timestamp, which does not count.
    fn restart_stamps(&mut self, rest: &Bunch, session: &mut Session) {
        if !self.socket.has_stamps || self.socket.restart_stamps().is_err() {
            return;
        }
        let first = rest.requests.get(rest.sent).map(|request| request.number);
        let numbers = self.next_stamp.saturating_sub(LEAVING)..self.next_stamp;
        for number in numbers {
            let request = self.stamped[number as usize % REMEMBERED];
            let is_sent = first.is_none_or(|first| request < first);
            if is_sent && session.may_leave(request) {
                self.leaving.push_back((number, request));
            }
        }
        while self.leaving.len() > LEAVING as usize {
            self.leaving.pop_front();
        }
        if let Some(first) = first {
            session.handle_retry(first);
        }
        self.next_stamp = 0;
        self.remember(rest);
    }

    /// Whether a request that could not be sent is worth another attempt: an error that an ICMP
    /// message has left on the socket goes away once reported, a full buffer by waiting.
    fn may_try_again(error: &io::Error, session: &mut Session) -> bool {
        if is_full(error) {
            session.retried += 1;
            std::thread::sleep(WAIT_FOR_ROOM);
        }
        !matches!(
            error.raw_os_error(),
            Some(libc::EPERM | libc::EACCES | libc::EMSGSIZE | libc::EINVAL)
        )
    }

    /// Why a request was not sent; the MTU of what is too long stands in the error queue.
    fn why_unsent(
        &mut self,
        error: &io::Error,
        session: &mut Session,
        handler: &mut dyn Handler,
    ) -> Result<Unsent> {
        Ok(match error.raw_os_error() {
            Some(libc::EPERM) => Unsent::Firewall,
            Some(libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM) => Unsent::FullBuffer,
            Some(libc::EMSGSIZE) => Unsent::TooLong(self.receive_errors(session, handler)?),
            errno => Unsent::Other(errno.unwrap_or(0)),
        })
    }

    /// Takes what has come.
    ///
    /// The invariant: the replies are taken before the timestamps and judged after them. The timestamps of
    /// a request are there before its reply is; so each reply finds the timestamps of its request.
    pub(super) fn receive(
        &mut self,
        session: &mut Session,
        handler: &mut dyn Handler,
    ) -> Result<()> {
        for _ in 0..ROUNDS {
            let more = receive(&self.socket, &mut self.inbox, Queue::Received)?;
            let now = clock::monotonic();
            self.receive_errors(session, handler)?;
            if self.inbox.is_empty() {
                break;
            }
            if self.socket.has_stamps
                && let Some(event) = session.handle_clock(clock::both())
            {
                handler.event(session, &event);
            }
            self.judge(session, now, handler);
            if !more {
                break;
            }
        }
        Ok(())
    }

    /// Hands the replies that were taken to the session.
    fn judge(&mut self, session: &mut Session, now: Monotonic, handler: &mut dyn Handler) {
        let version = self.socket.version;
        let with_ip_header = self.socket.is_raw && version == Version::V4;
        for message in self.inbox.messages() {
            if let Some(total) = message.control.overflowed {
                session.overflowed += u64::from(total.wrapping_sub(self.overflowed));
                self.overflowed = total;
            }
            let Some(from) = message.address else {
                continue;
            };
            let incoming = Incoming {
                version,
                bytes: message.bytes,
                with_ip_header,
                is_cut: message.is_cut,
                from,
                hop_limit: message.control.hop_limit,
                stamp: message.control.stamp,
            };
            if let Some(event) = session.handle_packet(&incoming, now) {
                handler.event(session, &event);
            }
        }
    }

    /// Empties the error queue: timestamps and ICMP errors. Gives the MTU of the last local error.
    fn receive_errors(
        &mut self,
        session: &mut Session,
        handler: &mut dyn Handler,
    ) -> Result<Option<u32>> {
        let mut mtu = None;
        for _ in 0..ROUNDS {
            let more = receive(&self.socket, &mut self.errors, Queue::Errors)?;
            if self.errors.is_empty() {
                break;
            }
            let now = clock::monotonic();
            if let Some(event) = session.handle_clock(clock::both()) {
                handler.event(session, &event);
            }
            for message in self.errors.messages() {
                match message.control.queued {
                    Some(Queued::Stamp { number, stage }) => {
                        let is_it = |(old, request): &(u32, u64)| {
                            *old == number && session.may_leave(*request)
                        };
                        // A queue is left in the order of entering it.
                        let old = match stage {
                            Stage::Left => self.leaving.iter().position(is_it),
                            Stage::Queued => None,
                        };
                        let old = old.and_then(|at| self.leaving.drain(..=at).next_back());
                        let new = self.stamped[number as usize % REMEMBERED];
                        let request = old.map_or(new, |(_, request)| request);
                        if let Some(stamp) = message.control.stamp {
                            session.handle_stamp(request, stage, stamp, now);
                        }
                    }
                    Some(Queued::Refusal {
                        refusal,
                        detail,
                        extension,
                    }) => {
                        let notice = Notice {
                            refusal,
                            detail,
                            to: message.address,
                            message: message.bytes,
                            extension,
                            stamp: message.control.stamp,
                        };
                        if let Some(event) = session.handle_notice(&notice, now) {
                            handler.event(session, &event);
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
}

/// Receives; an error that an ICMP message has left on the socket is returned once.
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

/// Whether a buffer of this host, or the queue of a device, has no room.
fn is_full(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM)
    )
}

/// Whether an error is about the socket itself, and not about a packet.
fn is_fatal(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EBADF | libc::EFAULT | libc::ENOTSOCK | libc::EINVAL | libc::ENODEV)
    )
}
