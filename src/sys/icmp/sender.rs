//! A thread that sends: while one batch of a flood leaves, the replies to the one before are taken.
//!
//! On loopback the kernel does the whole round trip within the call that sends, so that sending is
//! three quarters of the work of a flood; the rest is done beside it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::mpsc::{Receiver, Sender, channel};

use super::batch::Outbox;
use crate::ping::session::Request;

/// Requests that leave together.
pub(super) struct Bunch {
    /// The messages.
    pub(super) outbox: Outbox,
    /// What they are.
    pub(super) requests: Vec<Request>,
    /// How many have left.
    pub(super) sent: usize,
}

impl Bunch {
    /// An empty one; `template` is what the messages have alike.
    pub(super) fn new(template: &[u8]) -> Bunch {
        Bunch {
            outbox: Outbox::new(template),
            requests: Vec::new(),
            sent: 0,
        }
    }

    /// Sends all that have not left yet.
    ///
    /// # Errors
    /// When the first of them cannot be sent.
    pub(super) fn send(&mut self, fd: RawFd) -> io::Result<()> {
        while self.sent < self.outbox.len() {
            match self.outbox.send(fd, self.sent) {
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Forgets the requests.
    pub(super) fn clear(&mut self) {
        self.outbox.clear();
        self.requests.clear();
        self.sent = 0;
    }
}

/// The thread, and the bunches that it has.
pub(super) struct Helper {
    work: Sender<Bunch>,
    done: Receiver<(Bunch, io::Result<()>)>,
    /// Bunches that it has.
    busy: usize,
}

impl Helper {
    /// Starts the thread, which ends with this. Call it when the signals are blocked.
    pub(super) fn start(socket: &impl AsFd) -> io::Result<Helper> {
        let socket = socket.as_fd().try_clone_to_owned()?;
        let (work, todo) = channel::<Bunch>();
        let (ready, done) = channel();
        std::thread::Builder::new()
            .name("sender".to_owned())
            .spawn(move || {
                for mut bunch in todo {
                    let result = bunch.send(socket.as_raw_fd());
                    if ready.send((bunch, result)).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Helper {
            work,
            done,
            busy: 0,
        })
    }

    /// Bunches that have not come back.
    pub(super) fn busy(&self) -> usize {
        self.busy
    }

    /// Gives it a bunch to send; returns the bunch if the thread has ended.
    pub(super) fn send(&mut self, bunch: Bunch) -> Result<(), Bunch> {
        self.work.send(bunch).map_err(|back| back.0)?;
        self.busy += 1;
        Ok(())
    }

    /// Waits for the oldest bunch.
    pub(super) fn finished(&mut self) -> Option<(Bunch, io::Result<()>)> {
        if self.busy == 0 {
            return None;
        }
        let back = self.done.recv().ok()?;
        self.busy -= 1;
        Some(back)
    }
}
