//! The event loop that drives a [`Service`]: accept, read, answer, close in order, drain.
//!
//! | file | what it holds |
//! |---|---|
//! | this one | what a caller sees: [`Config`], [`Observer`], [`Totals`], [`run`] |
//! | `worker` | one thread: its poll, its connections, its deadlines |
//! | `drive` | how one connection gets on: write, ask the service, read, close in order |
//! | `conn` | one connection: its state, what is still to be written |

mod conn;
mod drive;
mod worker;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::error::{Error, Kind, Result};
use crate::service::{Note, Peer, Service};
use crate::sys::signals::Signals;
use crate::sys::socket::Listener;

use worker::Worker;

/// The limits of a server.
#[derive(Debug, Clone)]
pub struct Config {
    /// A message, from its first byte to the last byte of its reply, may take this long.
    pub request_timeout: Option<Duration>,
    /// Without a byte in either direction a connection is closed after this time.
    pub idle_timeout: Option<Duration>,
    /// More connections than these wait in the accept queue.
    pub max_conns: usize,
    /// After a signal, what is in flight may take this long.
    pub drain: Duration,
    /// Serve one connection, then end.
    pub once: bool,
    /// Threads, each with its own event loop; all accept from the one listener, so that no
    /// connection is lost when one of several `SO_REUSEPORT` listeners closes.
    pub threads: usize,
}

/// What a server has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Connections accepted.
    pub connections: u64,
    /// Bytes read from peers.
    pub received_bytes: u64,
    /// Bytes written to peers.
    pub sent_bytes: u64,
    /// Connections that ended in an error or a timeout.
    pub failed: u64,
    /// Connections that were cut when the drain time was over.
    pub cut: u64,
}

impl Totals {
    fn add(&mut self, other: &Totals) {
        self.connections += other.connections;
        self.received_bytes += other.received_bytes;
        self.sent_bytes += other.sent_bytes;
        self.failed += other.failed;
        self.cut += other.cut;
    }
}

/// What happened to a connection or to the server.
#[derive(Debug)]
pub enum Event<'a> {
    /// A connection was accepted.
    Accepted(&'a Peer),
    /// The service says something about a connection.
    Note(&'a Peer, &'a Note<'a>),
    /// A connection was closed; bytes received and sent, and why if it was not in order.
    Closed {
        /// Who was at the other end.
        peer: &'a Peer,
        /// Bytes read from it.
        received_bytes: u64,
        /// Bytes written to it.
        sent_bytes: u64,
        /// Why, where it did not end in order.
        trouble: Option<Trouble<'a>>,
    },
    /// accept(2) failed and is paused until descriptors come back; said once an episode.
    AcceptPaused(&'a io::Error),
    /// `max_conns` connections are open; more wait in the accept queue. Said once an episode.
    Full(usize),
    /// Connections are accepted again.
    AcceptResumed,
    /// A signal came: what is in flight is finished; the number of open connections.
    Draining(usize),
}

/// Why a connection did not end in order.
#[derive(Debug)]
pub enum Trouble<'a> {
    /// A system call on it failed.
    Io(&'a io::Error),
    /// A message, or the reading of a reply, took too long.
    RequestTimeout,
    /// No byte moved for too long.
    IdleTimeout,
    /// The drain time was over.
    Cut,
}

/// Receives what happens; one for each thread.
pub trait Observer: Send {
    /// Whether [`Event::Accepted`], [`Event::Closed`] without trouble, and messages are of use.
    fn wants_messages(&self) -> bool;
    /// Takes one event.
    fn event(&mut self, event: &Event<'_>);
    /// Writes what was collected, before the loop waits; an error ends the server quietly.
    fn flush(&mut self) -> io::Result<()>;
}

/// What the threads of one server share.
pub(super) struct Shared {
    /// Open connections of all threads.
    open: AtomicUsize,
    /// `max_conns` was reached: the next close wakes everybody.
    full: AtomicBool,
    /// A first signal came (or one connection was served, or the output closed).
    stopping: AtomicBool,
    /// A second signal came.
    forced: AtomicBool,
    /// One for each thread, to tell it of the above.
    wakers: Vec<mio::Waker>,
}

impl Shared {
    fn stop(&self) {
        if self.stopping.swap(true, Ordering::SeqCst) {
            self.forced.store(true, Ordering::SeqCst);
        }
        self.wake_all();
    }

    fn wake_all(&self) {
        for waker in &self.wakers {
            let _ = waker.wake();
        }
    }
}

/// Serves until a signal comes. `observer` makes one observer for each thread.
///
/// # Errors
/// When the event loop cannot be set up.
pub fn run<S, O>(
    listener: Listener,
    service: &S,
    config: &Config,
    signals: &Signals,
    observer: impl Fn() -> O,
) -> Result<Totals>
where
    S: Service + Clone + Send,
    S::Session: Send,
    O: Observer,
{
    let fail = |error: io::Error| Error::os(Kind::CannotRun, "set up the event loop", &error);
    let polls = (0..config.threads.max(1))
        .map(|_| mio::Poll::new())
        .collect::<io::Result<Vec<_>>>()
        .map_err(fail)?;
    let wakers = polls
        .iter()
        .map(|poll| mio::Waker::new(poll.registry(), worker::WAKER))
        .collect::<io::Result<Vec<_>>>()
        .map_err(fail)?;
    let shared = Shared {
        open: AtomicUsize::new(0),
        full: AtomicBool::new(false),
        stopping: AtomicBool::new(false),
        forced: AtomicBool::new(false),
        wakers,
    };
    let listener = Arc::new(listener);
    let mut workers = polls
        .into_iter()
        .map(|poll| {
            Worker::new(
                poll,
                Arc::clone(&listener),
                service.clone(),
                observer(),
                config,
                &shared,
            )
        })
        .collect::<io::Result<Vec<_>>>()
        .map_err(fail)?;
    // The workers alone hold it now: it closes when the last of them stops accepting.
    drop(listener);
    workers[0].watch_signals(signals).map_err(fail)?;
    let mut totals = Totals::default();
    std::thread::scope(|scope| {
        let mut first = workers.remove(0);
        let others: Vec<_> = workers
            .into_iter()
            .map(|mut worker| scope.spawn(move || worker.run(None)))
            .collect();
        totals.add(&first.run(Some(signals)));
        for other in others {
            if let Ok(part) = other.join() {
                totals.add(&part);
            }
        }
    });
    Ok(totals)
}
