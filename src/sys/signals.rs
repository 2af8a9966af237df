//! SIGINT and SIGTERM (and SIGQUIT, for who asks) as a readable descriptor, so that an event loop sees
//! them like any event.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use nix::poll::{PollFd, PollFlags};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::error::{Error, Kind, Result};
use crate::sys::waiting::ready_by;

/// The signals that ask the program to end.
///
/// They are blocked in this thread and in those it starts later, and read here instead
/// (signalfd(2)). A blocked signal is queued even when its action is "ignore", so a server that a
/// shell started in the background can be ended by SIGINT too.
#[derive(Debug)]
pub struct Signals(SignalFd);

impl Signals {
    /// Blocks the signals and opens the descriptor. Call it before starting threads, and before
    /// telling anybody that the program is ready.
    pub fn open() -> Result<Signals> {
        Self::watch(&[Signal::SIGINT, Signal::SIGTERM])
    }

    /// The same with SIGQUIT, which requests a progress summary: see [`Signals::take_requests`].
    pub fn open_with_quit() -> Result<Signals> {
        Self::watch(&[Signal::SIGINT, Signal::SIGTERM, Signal::SIGQUIT])
    }

    /// The same with SIGUSR1, which requests that something is written.
    pub fn open_with_user() -> Result<Signals> {
        Self::watch(&[Signal::SIGINT, Signal::SIGTERM, Signal::SIGUSR1])
    }

    /// The same with SIGTSTP (Ctrl-Z), for a program that has to give the terminal back before it stops.
    pub fn open_with_stop() -> Result<Signals> {
        let all = [
            Signal::SIGINT,
            Signal::SIGTERM,
            Signal::SIGQUIT,
            Signal::SIGTSTP,
        ];
        Self::watch(&all)
    }

    /// Stops the program, as SIGTSTP would have, until SIGCONT.
    pub fn stop() {
        let _ = nix::sys::signal::raise(Signal::SIGSTOP);
    }

    fn watch(signals: &[Signal]) -> Result<Signals> {
        Self::try_watch(signals)
            .map_err(|error| Error::os(Kind::CannotRun, "watch for signals", &error))
    }

    fn try_watch(signals: &[Signal]) -> io::Result<Signals> {
        let set: SigSet = signals.iter().copied().collect();
        set.thread_block()?;
        let fd = SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        Ok(Signals(fd))
    }

    /// Takes the signals that came; gives how many.
    pub fn take(&self) -> usize {
        self.all().count() + LET_THROUGH.swap(0, Ordering::Relaxed)
    }

    /// Takes the signals that came; gives what they ask for.
    pub fn take_requests(&self) -> Requests {
        let mut requests = Requests::default();
        for number in self.all() {
            if number == Signal::SIGTSTP as u32 {
                requests.stop = true;
            } else if number == Signal::SIGQUIT as u32 {
                requests.progress = true;
            } else if number == Signal::SIGUSR1 as u32 {
                requests.write = true;
            } else {
                requests.end = true;
            }
        }
        requests
    }

    /// Waits for a signal until a time; true if one came, which stays to be taken.
    pub fn wait_until(&self, until: Instant) -> io::Result<bool> {
        let mut fds = [PollFd::new(self.as_fd(), PollFlags::POLLIN)];
        Ok(ready_by(&mut fds, Some(until))?)
    }

    fn all(&self) -> impl Iterator<Item = u32> {
        std::iter::from_fn(|| self.0.read_signal().ok().flatten()).map(|info| info.ssi_signo)
    }
}

/// Signals that came while they were let through.
static LET_THROUGH: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_signal: libc::c_int) {
    LET_THROUGH.fetch_add(1, Ordering::Relaxed);
}

impl Signals {
    /// Runs a system call that waits, and lets the signals end it: it then fails with EINTR or returns
    /// what was done so far (signal(7)), and [`Signals::take`] reports the signal. One that comes
    /// between two calls ends neither.
    pub fn interrupting<T>(&self, call: impl FnOnce() -> T) -> T {
        let mut set = SigSet::empty();
        for signal in [Signal::SIGINT, Signal::SIGTERM] {
            set.add(signal);
            let action = SigAction::new(
                SigHandler::Handler(count),
                // Without SA_RESTART.
                SaFlags::empty(),
                SigSet::empty(),
            );
            // SAFETY: the handler touches an atomic number only, which is safe at any time
            // (signal-safety(7)).
            let _ = unsafe { sigaction(signal, &action) };
        }
        let opened = set.thread_unblock();
        let done = call();
        if opened.is_ok() {
            let _ = set.thread_block();
        }
        done
    }
}

/// What signals ask for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Requests {
    /// The program shall end (SIGINT, SIGTERM).
    pub end: bool,
    /// A progress summary is wanted (SIGQUIT).
    pub progress: bool,
    /// What is kept shall be written (SIGUSR1).
    pub write: bool,
    /// The program shall stop until SIGCONT (SIGTSTP).
    pub stop: bool,
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Signals {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
