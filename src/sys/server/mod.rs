//! The event loop that drives a [`Service`]: accept, read, answer, close in order, drain.
//!
//! | file | what it holds |
//! |---|---|
//! | this one | what a caller sees: [`Config`], [`EventHandler`], [`Totals`], [`run`] |
//! | `worker` | one thread: its poll, its connections, its deadlines |
//! | `drive` | how one connection gets on: write, ask the service, read, close in order |
//! | `conn` | one connection: its state, what is still to be written |

mod conn;
mod drive;
mod worker;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::error::{Error, Kind, Result};
use crate::service::Service;
use crate::service::event::Event;
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
    /// Unfinished messages of all connections together may take this many bytes; beyond it the connection
    /// that holds the most is closed.
    pub max_buffered: usize,
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
    /// Connections that were cut when the drain time was over, or by a second signal.
    pub cut: u64,
    /// A second signal ended it at once.
    pub forced: bool,
}

impl Totals {
    fn add(&mut self, other: &Totals) {
        self.connections += other.connections;
        self.received_bytes += other.received_bytes;
        self.sent_bytes += other.sent_bytes;
        self.failed += other.failed;
        self.cut += other.cut;
        self.forced |= other.forced;
    }
}

/// Receives what happens; one for each thread.
pub trait EventHandler: Send {
    /// Whether [`Event::Accepted`], [`Event::Closed`] without trouble, and messages are of use.
    fn wants_messages(&self) -> bool;
    /// Takes one event.
    fn event(&mut self, event: &Event<'_>);
    /// Passes on what was collected, before the loop waits.
    fn flush(&mut self);
}

/// What the threads of one server share.
pub(super) struct Shared {
    /// Connections of all threads that are open or may be: a thread takes its place before it
    /// accepts, so that all together never go over `max_conns`.
    places: AtomicUsize,
    /// Connections of all threads that are open.
    open: AtomicUsize,
    /// Bytes that all of them hold of unfinished messages.
    held: AtomicUsize,
    /// The number of the next connection.
    next: AtomicU64,
    /// All places were taken: the next that is given back wakes everybody.
    full: AtomicBool,
    /// A first signal came (or one connection was served, or the output closed).
    stopping: AtomicBool,
    /// A second signal came.
    forced: AtomicBool,
    /// One for each thread, to tell it of the above.
    wakers: Vec<mio::Waker>,
}

impl Shared {
    fn new(wakers: Vec<mio::Waker>) -> Shared {
        Shared {
            places: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            next: AtomicU64::new(0),
            full: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            forced: AtomicBool::new(false),
            wakers,
        }
    }

    fn stop(&self) {
        if self.stopping.swap(true, Ordering::SeqCst) {
            self.forced.store(true, Ordering::SeqCst);
        }
        self.wake_all();
    }

    /// Takes a place for one connection, unless all `most` are taken.
    fn take_place(&self, most: usize) -> bool {
        loop {
            if self.places.fetch_add(1, Ordering::SeqCst) < most {
                return true;
            }
            self.places.fetch_sub(1, Ordering::SeqCst);
            self.full.store(true, Ordering::SeqCst);
            // A place that was returned before `full` was set woke no thread.
            if self.places.load(Ordering::SeqCst) >= most {
                return false;
            }
        }
    }

    fn give_place_back(&self) {
        self.places.fetch_sub(1, Ordering::SeqCst);
        if self.full.swap(false, Ordering::SeqCst) {
            self.wake_all();
        }
    }

    fn wake_all(&self) {
        for waker in &self.wakers {
            let _ = waker.wake();
        }
    }
}

/// Serves until a signal comes. `handler` makes one handler for each thread.
///
/// # Errors
/// When the event loop cannot be set up.
pub fn run<S, O>(
    listener: Listener,
    service: &S,
    config: &Config,
    signals: &Signals,
    handler: impl Fn() -> O,
) -> Result<Totals>
where
    S: Service + Clone + Send,
    S::Session: Send,
    O: EventHandler,
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
    let shared = Shared::new(wakers);
    let listener = Arc::new(listener);
    let mut workers = polls
        .into_iter()
        .map(|poll| {
            Worker::new(
                poll,
                Arc::clone(&listener),
                service.clone(),
                handler(),
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
        let mut others = Vec::new();
        for mut worker in workers {
            let spawned = std::thread::Builder::new().spawn_scoped(scope, move || worker.run(None));
            match spawned {
                Ok(other) => others.push(other),
                Err(error) => {
                    first.tell(&Event::FewerThreads {
                        wanted: config.threads,
                        started: 1 + others.len(),
                        error: &error,
                    });
                    // The workers that have no thread go, and leave the listener to the others.
                    break;
                }
            }
        }
        totals.add(&first.run(Some(signals)));
        for other in others {
            if let Ok(part) = other.join() {
                totals.add(&part);
            }
        }
    });
    Ok(totals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_are_more_places_taken_than_there_are() {
        const MOST: usize = 2;
        let shared = Shared::new(Vec::new());
        let taken = AtomicUsize::new(0);
        let highest = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        if shared.take_place(MOST) {
                            let now = taken.fetch_add(1, Ordering::SeqCst) + 1;
                            highest.fetch_max(now, Ordering::SeqCst);
                            std::thread::yield_now();
                            taken.fetch_sub(1, Ordering::SeqCst);
                            shared.give_place_back();
                        }
                    }
                });
            }
        });
        assert!(highest.into_inner() <= MOST);
        assert_eq!(shared.places.into_inner(), 0);
    }

    #[test]
    fn whoever_finds_no_place_is_woken_when_one_is_given_back() {
        let mut poll = mio::Poll::new().unwrap();
        let waker = mio::Waker::new(poll.registry(), worker::WAKER).unwrap();
        let shared = Shared::new(vec![waker]);
        let mut events = mio::Events::with_capacity(1);
        let mut is_woken = || {
            poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
            !events.is_empty()
        };
        assert!(shared.take_place(1));
        shared.give_place_back();
        assert!(!is_woken(), "no thread was waiting");
        assert!(shared.take_place(1));
        assert!(!shared.take_place(1));
        assert!(!is_woken());
        shared.give_place_back();
        assert!(is_woken());
        assert!(shared.take_place(1));
    }
}
