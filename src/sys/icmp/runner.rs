//! The loop that joins a session to its sockets.

use std::os::fd::AsFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags};

use super::queue::SocketQueue;
use super::sender::Helper;
use super::{IcmpSocket, Options};
use crate::error::{Error, Kind, Result};
use crate::packet::icmp;
use crate::ping::clock::Monotonic;
use crate::ping::event::Event;
use crate::ping::session::{Request, Session};
use crate::reference::icmp::Version;
use crate::sys::clock;
use crate::sys::signals::Signals;
use crate::sys::waiting::ready_within;

/// Receives the events of a session.
pub trait Handler {
    /// A request was given to the kernel.
    fn sent(&mut self, session: &Session, request: &Request);
    /// Something happened.
    fn event(&mut self, session: &Session, event: &Event);
    /// SIGQUIT asks for a word on how it goes.
    fn asked(&mut self, session: &Session);
    /// The program is about to be stopped (SIGTSTP): the terminal is given back.
    fn suspend(&mut self) -> Result<()> {
        Ok(())
    }
    /// A turn of the loop is over: what was said is written now. Gives when it wants to be called
    /// again even if nothing happens.
    fn turn(&mut self, session: &mut Session, now: Monotonic) -> Result<Option<Monotonic>>;
}

/// How requests are sent and timestamped.
#[derive(Debug, Clone, Copy)]
pub struct SendMode {
    /// Requests that are sent before replies are looked at.
    pub batch: usize,
    /// Send them in one system call; otherwise each in its own, with its own time.
    pub one_call: bool,
    /// Ask the kernel when timed requests leave.
    pub stamp_sent: bool,
    /// A separate thread sends while replies are received.
    pub sender_thread: bool,
}

/// The sockets of a session and the buffers between.
pub struct Runner {
    queues: Vec<SocketQueue>,
    mode: SendMode,
}

impl Runner {
    /// Opens a socket for each version that the targets have.
    pub fn open(session: &mut Session, options: &Options, mode: SendMode) -> Result<Runner> {
        let template = template(session);
        let mut queues = Vec::new();
        for version in [Version::V4, Version::V6] {
            let is_used = (0..session.target_count())
                .any(|target| session.target(target).version() == version);
            if is_used {
                let socket = IcmpSocket::open(version, options)?;
                session.set_identifier(version, socket.identifier);
                queues.push(SocketQueue::new(socket, template.clone()));
            }
        }
        Ok(Runner { queues, mode })
    }

    /// Makes the sockets ready for another session with the same targets. It takes no privilege, and
    /// what still comes for the session before it is not taken for its own.
    pub fn renew(&mut self, session: &mut Session, options: &Options) -> Result<()> {
        let template = template(session);
        for queue in &mut self.queues {
            queue.renew(options, template.clone())?;
            session.set_identifier(queue.socket.version, queue.socket.identifier);
        }
        Ok(())
    }

    /// The sockets.
    pub fn sockets(&self) -> impl Iterator<Item = &IcmpSocket> {
        self.queues.iter().map(|queue| &queue.socket)
    }

    /// Runs the session to its end. Call it when the signals are blocked.
    pub fn run(
        &mut self,
        session: &mut Session,
        signals: &Signals,
        handler: &mut dyn Handler,
    ) -> Result<()> {
        for queue in self.queues.iter_mut().filter(|_| self.mode.sender_thread) {
            // Without a thread it is sent here.
            queue.helper = Helper::start(&queue.socket).ok();
        }
        let mut now = clock::monotonic();
        loop {
            let sent = self.transmit(session, handler)?;
            if sent {
                self.receive(session, handler)?;
            }
            while let Some(event) = session.poll_lost(now) {
                handler.event(session, &event);
            }
            while let Some(event) = session.poll_change() {
                handler.event(session, &event);
            }
            let wish = handler.turn(session, now)?;
            if session.is_over(now) {
                break;
            }
            let deadline = session.next_deadline(now).into_iter().chain(wish).min();
            if self.wait(signals, deadline)? {
                self.receive(session, handler)?;
            }
            let requests = signals.take_requests();
            if requests.progress {
                handler.asked(session);
            }
            if requests.stop {
                handler.suspend()?;
                Signals::stop();
            }
            if requests.end {
                break;
            }
            now = clock::monotonic();
        }
        for queue in &mut self.queues {
            queue.collect(0, session, handler)?;
        }
        // What has arrived by now is not lost.
        self.receive(session, handler)?;
        let now = clock::monotonic();
        while let Some(event) = session.poll_end(now) {
            handler.event(session, &event);
        }
        handler.turn(session, now)?;
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
        for queue in &self.queues {
            fds.push(PollFd::new(queue.socket.as_fd(), PollFlags::POLLIN));
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
        // Errors are always reported, and wait in the error queue.
        Ok(fds[1..].iter().any(|fd| fd.any().unwrap_or(false)))
    }

    /// Sends what is due, at most a turn; true if there was something.
    fn transmit(&mut self, session: &mut Session, handler: &mut dyn Handler) -> Result<bool> {
        let mut now = clock::monotonic();
        let mut count = 0;
        while count < self.mode.batch {
            if self.queues.iter().any(SocketQueue::is_full) {
                break;
            }
            let Some(request) = session.poll_transmit(now, count) else {
                break;
            };
            let target = session.target(request.target);
            let version = target.version();
            let to = target.at(0);
            handler.sent(session, &request);
            if let Some(queue) = self
                .queues
                .iter_mut()
                .find(|queue| queue.socket.version == version)
            {
                queue.add(session, request, to, self.mode.stamp_sent);
                if !self.mode.one_call {
                    queue.send(session, handler)?;
                    now = clock::monotonic();
                }
            }
            count += 1;
        }
        let mut some = count > 0;
        for queue in &mut self.queues {
            some |= queue.send(session, handler)?;
        }
        Ok(some)
    }

    /// Takes everything that has come.
    fn receive(&mut self, session: &mut Session, handler: &mut dyn Handler) -> Result<()> {
        for queue in &mut self.queues {
            queue.receive(session, handler)?;
        }
        Ok(())
    }
}

/// What the requests of a session have alike.
fn template(session: &Session) -> Vec<u8> {
    let mut template = vec![0; icmp::HEADER + session.payloads().length()];
    session
        .payloads()
        .write_pattern(&mut template[icmp::HEADER..]);
    template
}
