//! Standard output for a program that must not wait for its reader.

use std::fs::File;
use std::io::{self, PipeReader, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::error::{Error, Kind, Result};
use crate::sys::signals::Signals;
use crate::sys::waiting::ready_by;

/// When this many bytes wait to be written, no more are taken.
const ROOM: usize = 4 << 20;
/// What a buffer keeps for the next time.
const KEPT: usize = 64 * 1024;

/// Standard output with a queue and a writer thread.
///
/// The invariant: nothing here waits for the reader longer than the patience that the caller brings.
/// What is taken is written in order. What finds no room is lost as a whole and counted, the newest
/// first: what the reader then gets is the beginning, and how much is missing after it.
#[derive(Debug)]
pub struct Outlet {
    shared: Arc<Shared>,
    /// At its end once the thread has ended; `None` without a thread.
    ended: Option<PipeReader>,
}

/// What became of the bytes given to [`Outlet::push`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// They will be written.
    Taken,
    /// There was no room for them.
    Lost {
        /// Nothing was lost just before.
        first: bool,
    },
}

/// Events that never reached the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unwritten {
    /// How many.
    pub events: u64,
    /// The output could not be written (a full disk), and that was said.
    pub failed: bool,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    bytes: Vec<u8>,
    /// Events in `bytes`.
    events: u64,
    /// Events that are being written; `None` while the thread has nothing to do.
    writing: Option<u64>,
    /// Events that were lost and not yet reported to the reader.
    lost: u64,
    /// Somebody waited for the reader in vain since it last took something.
    stalled: bool,
    /// A write failed, other than for want of a reader.
    failed: bool,
    /// How.
    errno: Option<i32>,
    /// Write what is there, then end.
    closing: bool,
    /// The reader is gone.
    closed: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `ready`, at most as long as the patience lasts, which gets shorter.
    fn wait<'a>(
        &self,
        queue: MutexGuard<'a, Queue>,
        patience: &mut Duration,
        ready: impl Fn(&Queue) -> bool,
    ) -> MutexGuard<'a, Queue> {
        let start = Instant::now();
        let (mut queue, _) = self
            .changed
            .wait_timeout_while(queue, *patience, |queue| !ready(queue))
            .unwrap_or_else(PoisonError::into_inner);
        *patience = patience.saturating_sub(start.elapsed());
        queue.stalled |= !ready(&queue);
        queue
    }
}

impl Outlet {
    /// One without a thread, for a program that prints nothing: what is pushed is thrown away.
    pub fn silent() -> Outlet {
        Outlet {
            shared: Arc::default(),
            ended: None,
        }
    }

    /// Starts the thread. Call it when the signals are blocked, which a thread inherits. `failed` is
    /// called, once, when the output cannot be written, or its reader has gone.
    pub fn start(failed: fn(&io::Error)) -> Result<Outlet> {
        Self::try_start(failed)
            .map_err(|error| Error::os(Kind::CannotRun, "start the thread that prints", &error))
    }

    fn try_start(failed: fn(&io::Error)) -> io::Result<Outlet> {
        // Past the buffer and the lock of std's handle: a write that hangs must not hold them.
        let mut out = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        let (ended, ends_with_the_thread) = io::pipe()?;
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        // Not joined: a write that hangs ends with the process.
        std::thread::Builder::new()
            .name("printer".to_owned())
            .spawn(move || {
                write_on(&theirs, &mut out, failed);
                drop(ends_with_the_thread);
            })?;
        Ok(Outlet {
            shared,
            ended: Some(ended),
        })
    }

    /// Queues bytes that describe this many events. Waits if the queue is full, but
    /// not for a reader that made somebody wait in vain.
    pub fn push(&self, bytes: &[u8], events: u64, patience: &mut Duration) -> Pushed {
        if self.ended.is_none() {
            return Pushed::Taken;
        }
        let has_room = |queue: &Queue| queue.bytes.len() < ROOM || queue.closed;
        let mut queue = self.shared.lock();
        if queue.closed {
            return Pushed::Taken;
        }
        if !has_room(&queue) && !queue.stalled {
            queue = self.shared.wait(queue, patience, has_room);
        }
        if !has_room(&queue) {
            let first = queue.lost == 0;
            queue.lost += events;
            return Pushed::Lost { first };
        }
        queue.bytes.extend_from_slice(bytes);
        queue.events += events;
        drop(queue);
        self.shared.changed.notify_all();
        Pushed::Taken
    }

    /// Takes the number of events that were lost, if there is room to tell of them. It goes into
    /// the `events` of the push that reports it, so that it is not forgotten when that is lost as well.
    pub fn take_lost(&self) -> u64 {
        let mut queue = self.shared.lock();
        if queue.bytes.len() < ROOM {
            std::mem::take(&mut queue.lost)
        } else {
            0
        }
    }

    /// Waits until all is written, so that what is said elsewhere comes after it; not for a reader
    /// that made somebody wait in vain.
    pub fn settle(&self, mut patience: Duration) {
        let settled =
            |queue: &Queue| queue.closed || (queue.writing.is_none() && queue.bytes.is_empty());
        let queue = self.shared.lock();
        if !queue.stalled {
            drop(self.shared.wait(queue, &mut patience, settled));
        }
    }

    /// Whether the reader has gone.
    pub fn is_closed(&self) -> bool {
        self.ended.is_some() && self.shared.lock().closed
    }

    /// Why nothing more can be written: the reader has gone, or a write failed.
    pub fn failure(&self) -> Option<io::Error> {
        let queue = self.shared.lock();
        match queue.errno {
            _ if queue.closed => Some(io::ErrorKind::BrokenPipe.into()),
            Some(errno) => Some(io::Error::from_raw_os_error(errno)),
            None => None,
        }
    }

    /// Whether something was lost that was not reported.
    pub fn has_lost(&self) -> bool {
        self.shared.lock().lost > 0
    }

    /// Gives the reader this long for what is left, or until a signal comes.
    pub fn finish(&self, signals: &Signals, patience: Duration) -> Unwritten {
        self.shared.lock().closing = true;
        self.shared.changed.notify_all();
        if let Some(ended) = &self.ended {
            wait_for(ended.as_fd(), signals, Instant::now() + patience);
        }
        let queue = self.shared.lock();
        let events = queue.lost + queue.events + queue.writing.unwrap_or(0);
        Unwritten {
            events: if queue.closed { 0 } else { events },
            failed: queue.failed,
        }
    }
}

/// Waits until the descriptor is readable, a signal comes, or it is too late.
fn wait_for(ended: BorrowedFd<'_>, signals: &Signals, deadline: Instant) {
    loop {
        let mut fds = [
            PollFd::new(ended, PollFlags::POLLIN),
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
        ];
        let left = deadline.saturating_duration_since(Instant::now());
        let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut fds, left) {
            Err(nix::Error::EINTR) => {}
            _ => return,
        }
    }
}

/// Standard output, to be polled for the end of its reader, which [`has_no_reader`] tells then.
pub fn reader(stdout: &io::Stdout) -> PollFd<'_> {
    // Nothing is asked for: POLLERR and POLLHUP come unasked (poll(2)).
    PollFd::new(stdout.as_fd(), PollFlags::empty())
}

/// Whether the reader of standard output has gone.
pub fn has_no_reader(polled: &PollFd<'_>) -> bool {
    let gone = PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL;
    let events = polled.revents();
    events.is_some_and(|events| events.intersects(gone))
}

/// Waits for a signal until a time; whether one came, and whether the reader of standard output has gone.
///
/// # Errors
/// Those of ppoll(2).
pub fn wait_until(signals: &Signals, until: Instant) -> io::Result<(bool, bool)> {
    let stdout = io::stdout();
    let mut fds = [
        PollFd::new(signals.as_fd(), PollFlags::POLLIN),
        reader(&stdout),
    ];
    ready_by(&mut fds, Some(until))?;
    Ok((fds[0].any() == Some(true), has_no_reader(&fds[1])))
}

/// Whether a short line can be written to standard error without waiting for its reader: a pipe
/// that is ready takes a page (pipe(7)).
pub fn stderr_has_room() -> bool {
    let stderr = io::stderr();
    let mut fds = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
    !matches!(poll(&mut fds, PollTimeout::ZERO), Ok(0))
}

/// The thread: writes what is queued, until the reader goes or all is said.
fn write_on(shared: &Shared, out: &mut File, failed: fn(&io::Error)) {
    let mut bytes = Vec::new();
    let mut in_a_line = false;
    let mut queue = shared.lock();
    loop {
        if queue.bytes.is_empty() {
            if queue.closing {
                return;
            }
            queue = shared
                .changed
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
            continue;
        }
        std::mem::swap(&mut queue.bytes, &mut bytes);
        queue.writing = Some(std::mem::take(&mut queue.events));
        drop(queue);
        // There is room again.
        shared.changed.notify_all();
        let result = write_all(out, &bytes, &mut in_a_line);
        bytes.clear();
        bytes.shrink_to(KEPT);
        queue = shared.lock();
        let written = queue.writing.take().unwrap_or(0);
        queue.stalled = false;
        match result {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                queue.closed = true;
                queue.bytes = Vec::new();
                shared.changed.notify_all();
                drop(queue);
                failed(&error);
                return;
            }
            Err(error) => {
                queue.lost += written;
                queue.errno = error.raw_os_error();
                if !std::mem::replace(&mut queue.failed, true) {
                    drop(queue);
                    failed(&error);
                    queue = shared.lock();
                }
            }
        }
        shared.changed.notify_all();
    }
}

/// Writes it all. `in_a_line` says that a write ended within a line, which is then ended first: the
/// next event begins a line of its own.
fn write_all(out: &mut File, bytes: &[u8], in_a_line: &mut bool) -> io::Result<()> {
    if *in_a_line {
        write_some(out, b"\n")?;
        *in_a_line = false;
    }
    let mut rest = bytes;
    while !rest.is_empty() {
        let n = write_some(out, rest)?;
        *in_a_line = rest[..n].last() != Some(&b'\n');
        rest = &rest[n..];
    }
    Ok(())
}

fn write_some(out: &mut File, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match out.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Whoever shares it may have made it non-blocking.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let mut fds = [PollFd::new(out.as_fd(), PollFlags::POLLOUT)];
                let _ = poll(&mut fds, PollTimeout::NONE);
            }
            result => return result,
        }
    }
}
