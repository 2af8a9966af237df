//! The event loop of a load run.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use socket2::Socket;

use super::Target;
use crate::error::{Error, Kind, Result};
use crate::load::{CLOSED_EARLY, Client, Figures, Plan, Reply, Schedule};
use crate::reference::errno::words_of;
use crate::sys::connect;
use crate::sys::signals::Signals;
use crate::sys::socket::Options;
use crate::sys::unix;

const SIGNALS: Token = Token(usize::MAX);
const PACE: Token = Token(usize::MAX - 1);

/// One read takes at most this many bytes; the buffer is shared by all connections.
const READ_BUFFER: usize = 256 * 1024;
/// A failed connection waits this long before its next attempt: a server that is gone is not
/// hammered.
const REST: Duration = Duration::from_millis(100);
/// How often timeouts are checked and progress is reported.
const TICK: Duration = Duration::from_millis(50);

/// A load run.
pub(super) struct Runner<'a, C: Client> {
    target: Target,
    options: &'a Options,
    plan: &'a Plan,
    client: C,
    poll: Poll,
    timer: TimerFd,
    schedule: Schedule,
    slots: Vec<Slot<C::Session>>,
    /// Slots that may take another request, the longest idle first.
    free: VecDeque<usize>,
    /// Slots with something to write.
    dirty: Vec<usize>,
    buffer: Vec<u8>,
    pub(super) figures: Figures,
    unanswered: usize,
    /// Connections that are open now.
    open: u64,
    last_reply: Instant,
}

/// A connection of the run, or the place of one.
struct Slot<T> {
    link: Option<Link<T>>,
    /// The unanswered requests, oldest first: when each was due, and when it was begun.
    waiting: VecDeque<(Instant, Instant)>,
    /// Requests begun in this slot.
    begun: u64,
    out: Vec<u8>,
    written: usize,
    in_free: bool,
    resting_until: Option<Instant>,
}

struct Link<T> {
    socket: Socket,
    session: T,
    connected: bool,
    writable: bool,
    shut_down: bool,
}

impl<'a, C: Client> Runner<'a, C> {
    pub(super) fn new(
        target: &Target,
        options: &'a Options,
        plan: &'a Plan,
        client: C,
    ) -> io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        let poll = Poll::new()?;
        let timer_fd = timer.as_fd().as_raw_fd();
        poll.registry()
            .register(&mut SourceFd(&timer_fd), PACE, Interest::READABLE)?;
        let slots = (0..plan.conns.max(1))
            .map(|_| Slot {
                link: None,
                waiting: VecDeque::new(),
                begun: 0,
                out: Vec::new(),
                written: 0,
                in_free: true,
                resting_until: None,
            })
            .collect::<Vec<_>>();
        let now = Instant::now();
        Ok(Runner {
            target: target.clone(),
            options,
            plan,
            client,
            poll,
            timer,
            schedule: Schedule::new(plan, now),
            free: (0..slots.len()).collect(),
            slots,
            dirty: Vec::new(),
            buffer: vec![0; READ_BUFFER],
            figures: Figures::new(),
            unanswered: 0,
            open: 0,
            last_reply: now,
        })
    }

    /// Opens the first connection with all care: every address is tried, and a failure ends the run
    /// with its reason. The others use the address that answered.
    pub(super) fn open_first(&mut self) -> Result<()> {
        if let Target::Tcp(name, addresses) = &self.target {
            let connected = connect::connect(name, addresses, self.options, self.plan.timeout)?;
            self.target = Target::Tcp(name.clone(), vec![connected.address]);
            self.attach(0, connected.socket, true).map_err(|error| {
                Error::os(Kind::CannotRun, "watch the connection to", &error).on(self.target.name())
            })?;
        } else if let Target::Unix(path) = &self.target {
            let socket = unix::connect(path, self.options, self.plan.timeout)?;
            self.attach(0, socket, true).map_err(|error| {
                Error::os(Kind::CannotRun, "watch the connection to", &error).on(self.target.name())
            })?;
        } else {
            self.open(0).map_err(|error| {
                Error::os(Kind::BadAnswer, "connect to", &error).on(self.target.name())
            })?;
        }
        self.schedule = Schedule::new(self.plan, Instant::now());
        Ok(())
    }

    pub(super) fn run(
        &mut self,
        signals: &Signals,
        progress: &mut dyn FnMut(&Figures),
    ) -> io::Result<()> {
        let signal_fd = signals.as_raw_fd();
        self.poll
            .registry()
            .register(&mut SourceFd(&signal_fd), SIGNALS, Interest::READABLE)?;
        let start = Instant::now();
        self.last_reply = start;
        let mut events = Events::with_capacity(1024);
        let mut next_tick = start + TICK;
        loop {
            let mut now = Instant::now();
            self.dispatch(now);
            if self.unanswered == 0 && self.schedule.next_due(now).is_none() {
                break;
            }
            self.set_pace(now)?;
            match self
                .poll
                .poll(&mut events, Some(next_tick.saturating_duration_since(now)))
            {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            let mut interrupted = false;
            for event in &events {
                match event.token() {
                    SIGNALS => interrupted = signals.take() > 0,
                    // Reading it makes the next edge.
                    PACE => drop(nix::unistd::read(self.timer.as_fd(), &mut [0; 8])),
                    Token(slot) => self.ready(slot, event),
                }
            }
            now = Instant::now();
            if now >= next_tick {
                next_tick = now + TICK;
                self.expire(now);
                self.figures.elapsed = now - start;
                progress(&self.figures);
            }
            if interrupted {
                self.figures.interrupted = true;
                self.figures.unanswered = self.unanswered as u64;
                self.last_reply = now;
                break;
            }
        }
        for slot in &mut self.slots {
            if let Some(link) = slot.link.take() {
                self.client.close(link.session);
            }
        }
        self.figures.failed(
            "never sent: no connection was free",
            self.schedule.missed(Instant::now()),
        );
        self.figures.elapsed = self.last_reply - start;
        Ok(())
    }

    /// Arms the timer for the next request of a paced run. epoll(7) waits in milliseconds; the
    /// timer is exact, so the client's own lateness stays out of the latencies.
    fn set_pace(&self, now: Instant) -> io::Result<()> {
        if self.plan.rate.is_none() || self.free.is_empty() {
            return Ok(());
        }
        let Some(due) = self.schedule.next_due(now) else {
            return Ok(());
        };
        // Zero would disarm it.
        let wait = due
            .saturating_duration_since(now)
            .max(Duration::from_nanos(1));
        self.timer.set(
            Expiration::OneShot(TimeSpec::from_duration(wait)),
            TimerSetTimeFlags::empty(),
        )?;
        Ok(())
    }

    /// Hands out the requests that are due to the slots that are free, then writes.
    fn dispatch(&mut self, now: Instant) {
        while let Some(&index) = self.free.front() {
            let Some(due) = self.schedule.take(now) else {
                break;
            };
            self.free.pop_front();
            self.slots[index].in_free = false;
            self.begin(index, due, now);
        }
        while let Some(index) = self.dirty.pop() {
            self.flush(index);
        }
    }

    fn begin(&mut self, index: usize, due: Instant, now: Instant) {
        if self.slots[index].link.is_none()
            && let Err(error) = self.open(index)
        {
            let full = error.raw_os_error() == Some(libc::EAGAIN);
            let kind = match self.target {
                Target::Unix(_) if full => unix::QUEUE_FULL.to_owned(),
                _ => words_of(&error),
            };
            self.figures.failed(&kind, 1);
            self.slots[index].resting_until = Some(now + REST);
            return;
        }
        let slot = &mut self.slots[index];
        let Some(link) = &mut slot.link else { return };
        self.client.request(&mut link.session, &mut slot.out);
        if slot.out.is_empty() && matches!(self.target, Target::Udp(_)) {
            // An empty datagram is one; a failure shows in the missing reply.
            let _ = (&link.socket).write(&[]);
        }
        slot.waiting.push_back((due, now));
        slot.begun += 1;
        self.unanswered += 1;
        self.dirty.push(index);
        self.offer(index);
    }

    /// Puts a slot in the queue of free ones, if it may take a request.
    fn offer(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        let room = slot.waiting.len() < self.plan.pipeline
            && self.plan.each.is_none_or(|each| slot.begun < each);
        if room && !slot.in_free && slot.resting_until.is_none() {
            slot.in_free = true;
            self.free.push_back(index);
        }
    }

    fn open(&mut self, index: usize) -> io::Result<()> {
        let (socket, connected) = self.target.open(self.options)?;
        self.attach(index, socket, connected)
    }

    fn attach(&mut self, index: usize, socket: Socket, connected: bool) -> io::Result<()> {
        let fd = socket.as_raw_fd();
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll
            .registry()
            .register(&mut SourceFd(&fd), Token(index), interest)?;
        self.figures.connections += 1;
        self.open += 1;
        self.figures.most_open = self.figures.most_open.max(self.open);
        let session = self.client.open();
        let slot = &mut self.slots[index];
        slot.out.clear();
        slot.written = 0;
        slot.link = Some(Link {
            socket,
            session,
            connected,
            writable: connected,
            shut_down: false,
        });
        Ok(())
    }

    fn ready(&mut self, index: usize, event: &mio::event::Event) {
        let Some(link) = self
            .slots
            .get_mut(index)
            .and_then(|slot| slot.link.as_mut())
        else {
            return;
        };
        if event.is_writable() || event.is_error() || event.is_write_closed() {
            link.writable = true;
            if !link.connected {
                match link.socket.take_error() {
                    Ok(None) => link.connected = true,
                    Ok(Some(error)) | Err(error) => return self.fail(index, &words_of(&error)),
                }
            }
            self.flush(index);
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.read(index);
        }
    }

    fn flush(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        let Some(link) = &mut slot.link else { return };
        while link.connected && link.writable && slot.written < slot.out.len() {
            match (&link.socket).write(&slot.out[slot.written..]) {
                Ok(n) => {
                    slot.written += n;
                    self.figures.sent_bytes += n as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => link.writable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The reply may have come before the peer closed; the read side decides.
                Err(_) => return self.read(index),
            }
        }
        if slot.written == slot.out.len() && !slot.out.is_empty() {
            slot.out.clear();
            slot.written = 0;
            if self.client.shuts_down() && !link.shut_down {
                link.shut_down = true;
                let _ = link.socket.shutdown(std::net::Shutdown::Write);
            }
        }
    }

    fn read(&mut self, index: usize) {
        let mut buffer = std::mem::take(&mut self.buffer);
        self.read_into(index, &mut buffer);
        self.buffer = buffer;
    }

    fn read_into(&mut self, index: usize, buffer: &mut [u8]) {
        // Edge-triggered: until the socket is empty, gone, or closed by us.
        while let Some(link) = &mut self.slots[index].link {
            match (&link.socket).read(buffer) {
                Ok(0) if !matches!(self.target, Target::Udp(_)) => return self.end(index),
                Ok(n) => {
                    self.figures.received_bytes += n as u64;
                    if !self.take_replies(index, &buffer[..n]) {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let kind = words_of(&error);
                    return self.fail(index, &kind);
                }
            }
        }
    }

    /// Hands input to the client; false when the connection was closed over it.
    fn take_replies(&mut self, index: usize, mut input: &[u8]) -> bool {
        let now = Instant::now();
        loop {
            let slot = &mut self.slots[index];
            let Some(link) = &mut slot.link else {
                return false;
            };
            let reply = self.client.handle_input(&mut link.session, &mut input);
            if reply == Reply::Incomplete {
                return true;
            }
            let Some((due, _)) = slot.waiting.pop_front() else {
                // No request of ours fails by it, but the run did not go well.
                let kind = match reply {
                    Reply::Bad(kind) => kind,
                    _ => "an unsolicited reply",
                };
                self.figures.failed(kind, 1);
                self.fail(index, kind);
                return false;
            };
            self.unanswered -= 1;
            self.answered(reply, due, now);
            let slot = &self.slots[index];
            let last = slot.waiting.is_empty() && self.plan.each == Some(slot.begun);
            if reply != Reply::Good || !self.plan.keep_open || last {
                // A connection whose reply was bad may be out of step with us.
                self.fail(index, "closed after a bad reply");
                return false;
            }
            self.offer(index);
        }
    }

    fn answered(&mut self, reply: Reply, due: Instant, now: Instant) {
        self.last_reply = now;
        match reply {
            Reply::Good => self.figures.answered(now.saturating_duration_since(due)),
            Reply::Bad(kind) => self.figures.failed(kind, 1),
            Reply::Incomplete => {}
        }
    }

    /// The server closed its side.
    fn end(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        if let (Some(link), Some(&(due, _))) = (&mut slot.link, slot.waiting.front()) {
            let reply = self.client.handle_end(&mut link.session);
            if reply != Reply::Incomplete {
                slot.waiting.pop_front();
                self.unanswered -= 1;
                self.answered(reply, due, Instant::now());
            }
        }
        self.fail(index, CLOSED_EARLY);
    }

    /// Closes a connection; its unanswered requests have failed for this reason.
    fn fail(&mut self, index: usize, kind: &str) {
        let slot = &mut self.slots[index];
        let lost = slot.waiting.len();
        slot.waiting.clear();
        if let Some(link) = slot.link.take() {
            self.open -= 1;
            self.client.close(link.session);
        }
        slot.out.clear();
        slot.written = 0;
        if lost > 0 {
            self.unanswered -= lost;
            self.last_reply = Instant::now();
            self.figures.failed(kind, lost as u64);
            slot.resting_until = Some(self.last_reply + REST);
        }
        self.offer(index);
    }

    /// Ends the requests whose time is over, and the rests.
    fn expire(&mut self, now: Instant) {
        for index in 0..self.slots.len() {
            let slot = &mut self.slots[index];
            if slot.resting_until.is_some_and(|until| until <= now) {
                slot.resting_until = None;
                self.offer(index);
            } else if slot
                .waiting
                .front()
                .is_some_and(|(_, begun)| *begun + self.plan.timeout <= now)
            {
                // A late reply must not be taken for the next one's: the connection ends with it.
                self.fail(index, "timed out");
            }
        }
    }
}
