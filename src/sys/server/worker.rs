//! One thread of a server: its poll, its connections, its deadlines.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;
use socket2::Socket;

use crate::service::{Peer, Service};
use crate::sys::signals::Signals;
use crate::sys::socket::Listener;

use super::conn::{Conn, Phase, Waiting};
use super::drive::{Driver, Fate, who};
use super::{Config, EventHandler, Shared, Totals};
use crate::service::event::{Event, Trouble};

pub(super) const WAKER: Token = Token(usize::MAX);
const LISTENER: Token = Token(usize::MAX - 1);
const SIGNALS: Token = Token(usize::MAX - 2);

/// This many connections are accepted before the open ones get their turn.
const ACCEPTS_PER_TURN: usize = 64;
/// How long accept(2) rests after it failed for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Trouble in accepting that comes back sooner is the same trouble.
const EPISODE: Duration = Duration::from_secs(1);
/// Deadlines are checked at most this often: they are seconds long.
const SWEEP_INTERVAL: Duration = Duration::from_millis(20);

/// One thread.
///
/// Deadlines: `next_sweep` is at or before the earliest deadline of all connections. A sweep looks
/// at every connection, ends those whose time is over and sets `next_sweep` anew. While no
/// connection has a deadline nothing is swept and the loop sleeps forever.
pub(super) struct Worker<'a, S: Service, O> {
    poll: Poll,
    /// `None` once nothing is accepted any more.
    listener: Option<Arc<Listener>>,
    /// Edge-triggered: more connections may wait in the accept queue.
    accept_ready: bool,
    /// accept(2) rests until then.
    accept_pause: Option<Instant>,
    /// All places are taken: nothing is accepted until one is given back, which wakes us.
    full: bool,
    /// The last trouble in accepting that was said, and when it was last met.
    said: Option<(Said, Instant)>,
    driver: Driver<'a, S, O>,
    config: &'a Config,
    shared: &'a Shared,
    conns: Slab<Conn<S::Session>>,
    /// Connections that have more to do than one turn allowed.
    busy: Vec<usize>,
    next_sweep: Option<Instant>,
    /// Set when a signal came: what is still open then is cut.
    drain_until: Option<Instant>,
    totals: Totals,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    Paused,
    Full,
}

impl<'a, S: Service, O: EventHandler> Worker<'a, S, O> {
    pub(super) fn new(
        poll: Poll,
        listener: Arc<Listener>,
        service: S,
        handler: O,
        config: &'a Config,
        shared: &'a Shared,
    ) -> io::Result<Self> {
        let fd = listener.socket.as_raw_fd();
        poll.registry()
            .register(&mut SourceFd(&fd), LISTENER, Interest::READABLE)?;
        Ok(Worker {
            poll,
            listener: Some(listener),
            accept_ready: true,
            accept_pause: None,
            full: false,
            said: None,
            driver: Driver::new(service, handler, config),
            config,
            shared,
            conns: Slab::new(),
            busy: Vec::new(),
            next_sweep: None,
            drain_until: None,
            totals: Totals::default(),
        })
    }

    pub(super) fn watch_signals(&mut self, signals: &Signals) -> io::Result<()> {
        let fd = signals.as_raw_fd();
        let registry = self.poll.registry();
        registry.register(&mut SourceFd(&fd), SIGNALS, Interest::READABLE)?;
        Ok(())
    }

    /// Tells the handler of something that is not a worker's.
    pub(super) fn tell(&mut self, event: &Event<'_>) {
        self.driver.handler.event(event);
    }

    /// Serves until all is done; gives what this thread did.
    pub(super) fn run(&mut self, signals: Option<&Signals>) -> Totals {
        let mut events = Events::with_capacity(1024);
        while !self.is_done() {
            self.driver.handler.flush();
            let timeout = self.poll_timeout();
            if let Err(error) = self.poll.poll(&mut events, timeout)
                && error.kind() != io::ErrorKind::Interrupted
            {
                break;
            }
            self.driver.now = Instant::now();
            for event in &events {
                match event.token() {
                    LISTENER => self.accept_ready = true,
                    SIGNALS => {
                        for _ in 0..signals.map_or(0, Signals::take) {
                            self.shared.stop();
                        }
                    }
                    WAKER => self.full = false,
                    Token(key) => self.ready(key, event),
                }
            }
            for key in std::mem::take(&mut self.busy) {
                if let Some(conn) = self.conns.get_mut(key) {
                    conn.queued = false;
                    self.advance(key);
                }
            }
            self.accept(ACCEPTS_PER_TURN);
            self.settle();
            self.sweep();
            self.drain();
        }
        self.totals.forced = self.shared.forced.load(Ordering::Relaxed);
        self.cut_all(|| Trouble::Forced);
        self.driver.handler.flush();
        self.totals
    }

    fn is_done(&self) -> bool {
        self.shared.forced.load(Ordering::Relaxed)
            || (self.listener.is_none() && self.conns.is_empty())
    }

    /// How long the poll may sleep.
    fn poll_timeout(&self) -> Option<Duration> {
        let accepts = self.accept_ready && self.listener.is_some() && !self.full;
        if !self.busy.is_empty() || (accepts && self.accept_pause.is_none()) {
            return Some(Duration::ZERO);
        }
        let pause = self.accept_pause.filter(|_| accepts);
        let settle = self
            .said
            .map(|(_, since)| since + EPISODE)
            .filter(|_| !self.accept_ready);
        let earliest = [pause, settle, self.next_sweep, self.drain_until]
            .into_iter()
            .flatten()
            .min()?;
        Some(earliest.saturating_duration_since(Instant::now()))
    }

    fn ready(&mut self, key: usize, event: &mio::event::Event) {
        let Some(conn) = self.conns.get_mut(key) else {
            return;
        };
        conn.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        conn.writable |= event.is_writable() || event.is_write_closed() || event.is_error();
        conn.hung_up |= event.is_read_closed();
        if !conn.queued {
            self.advance(key);
        }
    }

    /// Takes a connection as far as it gets.
    fn advance(&mut self, key: usize) {
        let conn = &mut self.conns[key];
        let held = conn.held;
        let mut fate = self.driver.advance(conn);
        if conn.held != held {
            self.shared
                .held
                .fetch_add(conn.held.wrapping_sub(held), Ordering::Relaxed);
        }
        if self.drain_until.is_some() && self.driver.is_idle(conn) && matches!(fate, Ok(Fate::Wait))
        {
            fate = Ok(Fate::Close);
        }
        if let (Ok(Fate::Wait), false) = (&fate, conn.registered) {
            // Not before now: a connection that is answered and closed in its first turn never
            // costs an epoll_ctl.
            conn.registered = true;
            let fd = conn.socket.as_raw_fd();
            let interest = Interest::READABLE | Interest::WRITABLE;
            if let Err(error) =
                self.poll
                    .registry()
                    .register(&mut SourceFd(&fd), Token(key), interest)
            {
                fate = Err(error);
            }
        }
        match fate {
            Ok(Fate::Wait) => {
                if let Some(look) = conn.next_look() {
                    self.next_sweep = Some(self.next_sweep.map_or(look, |at| at.min(look)));
                }
            }
            Ok(Fate::Again) => {
                conn.queued = true;
                self.busy.push(key);
            }
            Ok(Fate::Close) => self.close(key, None),
            // The peer has its reply; how it closes is its own business.
            Err(_) if matches!(conn.phase, Phase::Lingering(_)) => self.close(key, None),
            Err(error) => self.close(key, Some(Trouble::Io(&error))),
        }
        self.hold_to_limit();
    }

    /// Closes the connections that hold the most of unfinished messages, while all together hold too much.
    fn hold_to_limit(&mut self) {
        while self.shared.held.load(Ordering::Relaxed) > self.config.max_buffered {
            let most = self.conns.iter().max_by_key(|(_, conn)| conn.held);
            let Some((key, held)) = most
                .map(|(key, conn)| (key, conn.held))
                .filter(|it| it.1 > 0)
            else {
                return;
            };
            self.close(key, Some(Trouble::Buffered(held)));
        }
    }

    fn close(&mut self, key: usize, trouble: Option<Trouble<'_>>) {
        let conn = self.conns.remove(key);
        self.shared.held.fetch_sub(conn.held, Ordering::Relaxed);
        let trouble = trouble.or(conn.timed_out.then_some(Trouble::RequestTimeout));
        self.totals.received_bytes += conn.received;
        self.totals.sent_bytes += conn.sent;
        self.totals.failed += u64::from(trouble.is_some());
        if trouble.is_some() || self.driver.handler.wants_messages() {
            self.driver.handler.event(&Event::Closed {
                who: who(conn.number, &conn.peer),
                received_bytes: conn.received,
                sent_bytes: conn.sent,
                trouble,
            });
        }
        drop(conn);
        self.shared.open.fetch_sub(1, Ordering::Relaxed);
        self.accept_pause = None;
        self.full = false;
        self.shared.give_place_back();
    }

    fn accept(&mut self, most: usize) {
        if self
            .accept_pause
            .is_some_and(|until| until > self.driver.now)
        {
            return;
        }
        self.accept_pause = None;
        for _ in 0..most {
            let Some(listener) = self
                .listener
                .as_ref()
                .filter(|_| self.accept_ready && self.accept_pause.is_none())
            else {
                return;
            };
            let most = self.config.max_conns;
            if !self.shared.take_place(most) {
                self.full = true;
                // Another thread may hold the last place for a connection that it does not get.
                if self.shared.open.load(Ordering::Relaxed) >= most {
                    self.say(Said::Full, &Event::Full(most));
                }
                return;
            }
            match listener.accept() {
                Ok((socket, peer)) => self.admit(socket, peer),
                Err(error) => {
                    self.shared.give_place_back();
                    self.not_accepted(&error);
                }
            }
        }
    }

    fn not_accepted(&mut self, error: &io::Error) {
        match error.raw_os_error() {
            Some(libc::EAGAIN) => self.accept_ready = false,
            // The client gave up while it waited in the queue (accept(2)).
            Some(libc::ECONNABORTED | libc::EINTR | libc::EPROTO) => {}
            _ => {
                self.accept_pause = Some(self.driver.now + ACCEPT_PAUSE);
                self.say(Said::Paused, &Event::AcceptPaused(error));
            }
        }
    }

    /// Tells of trouble in accepting, once an episode: a server that stays at its limit meets it with
    /// every connection, and should not fill its log.
    fn say(&mut self, trouble: Said, event: &Event<'_>) {
        if self.said.is_none_or(|(said, _)| said != trouble) {
            self.driver.handler.event(event);
        }
        self.said = Some((trouble, self.driver.now));
    }

    /// Ends an episode: no connection waits to be accepted, and there was no trouble for a while.
    fn settle(&mut self) {
        let Some((trouble, since)) = self.said else {
            return;
        };
        let waits = self.accept_ready || self.full || self.accept_pause.is_some();
        if !waits && self.driver.now >= since + EPISODE {
            self.said = None;
            if trouble == Said::Paused {
                self.driver.handler.event(&Event::AcceptResumed);
            }
        }
    }

    fn admit(&mut self, socket: Socket, peer: Peer) {
        self.shared.open.fetch_add(1, Ordering::Relaxed);
        let number = self.shared.next.fetch_add(1, Ordering::Relaxed);
        self.totals.connections += 1;
        if self.driver.handler.wants_messages() {
            let event = Event::Accepted(who(number, &peer));
            self.driver.handler.event(&event);
        }
        let session = self.driver.service.open();
        let key = self.conns.insert(Conn::new(socket, number, peer, session));
        if self.config.once {
            self.stop_accepting();
        }
        self.advance(key);
    }

    fn stop_accepting(&mut self) {
        if let Some(listener) = self.listener.take() {
            let fd = listener.socket.as_raw_fd();
            let _ = self.poll.registry().deregister(&mut SourceFd(&fd));
        }
    }

    /// Ends the connections whose time is over.
    fn sweep(&mut self) {
        let now = self.driver.now;
        if self.next_sweep.is_none_or(|at| at > now) {
            return;
        }
        let mut due = Vec::new();
        let mut earliest: Option<Instant> = None;
        for (key, conn) in &mut self.conns {
            if conn.notice.is_some_and(|at| at <= now) {
                self.driver.tell_waiting(conn);
            }
            match conn.deadline {
                Some((at, waiting)) if at <= now => due.push((key, waiting)),
                _ => earliest = earliest.into_iter().chain(conn.next_look()).min(),
            }
        }
        self.next_sweep = earliest.map(|at| at.max(now + SWEEP_INTERVAL));
        for (key, waiting) in due {
            self.expire(key, waiting);
        }
    }

    fn expire(&mut self, key: usize, waiting: Waiting) {
        let Some(conn) = self.conns.get_mut(key) else {
            return;
        };
        conn.deadline = None;
        let can_speak = conn.phase == Phase::Open && conn.pending.is_empty();
        match waiting {
            Waiting::Message if can_speak => {
                conn.timed_out = true;
                if let Err(error) = self.driver.time_out(conn) {
                    return self.close(key, Some(Trouble::Io(&error)));
                }
                self.advance(key);
            }
            Waiting::Message => self.close(key, Some(Trouble::RequestTimeout)),
            Waiting::Traffic => self.close(key, Some(Trouble::IdleTimeout)),
            Waiting::End => self.close(key, None),
        }
    }

    /// After a signal: takes what already waits in the accept queue, closes the listener, closes
    /// what is idle, and cuts what is left when the drain time is over.
    fn drain(&mut self) {
        if !self.shared.stopping.load(Ordering::Relaxed) {
            return;
        }
        if self.drain_until.is_none() {
            self.drain_until = Some(self.driver.now + self.config.drain);
            self.accept_ready = true;
            self.accept_pause = None;
            self.accept(usize::MAX);
            self.stop_accepting();
            let keys: Vec<usize> = self.conns.iter().map(|(key, _)| key).collect();
            for &key in &keys {
                // A request may have arrived whose event has not.
                if let Some(conn) = self.conns.get_mut(key) {
                    conn.readable = true;
                    self.advance(key);
                }
            }
            let lingers = |conn: &Conn<S::Session>| matches!(conn.phase, Phase::Lingering(_));
            let in_flight = self.conns.iter().filter(|(_, conn)| !lingers(conn)).count();
            if in_flight > 0 {
                self.driver.handler.event(&Event::Draining(in_flight));
            }
        }
        if self
            .drain_until
            .is_some_and(|until| until <= self.driver.now)
        {
            self.cut_all(|| Trouble::Cut);
        }
    }

    fn cut_all(&mut self, trouble: impl Fn() -> Trouble<'static>) {
        let keys: Vec<usize> = self.conns.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.totals.cut += 1;
            self.close(key, Some(trouble()));
        }
    }
}
