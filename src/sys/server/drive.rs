//! How one connection gets on: write, ask the service, read, close in order.

use std::io;
use std::time::{Duration, Instant};

use crate::service::{Log, Note, Peer, Service, Step};

use super::conn::{Conn, Phase, Waiting};
use super::{Config, EventHandler};
use crate::service::event::{Event, Who};

/// One read takes at most this many bytes; the buffer is shared by all connections of a thread.
pub(super) const READ_BUFFER: usize = 256 * 1024;
/// This many reads a connection may have before the others get their turn.
const READS_PER_TURN: usize = 16;
/// Replies are collected up to this size before they are written.
const HIGH_WATER: usize = 256 * 1024;
/// A reply of at most this size leaves in one flight (ten segments of 1,460 bytes, RFC 6928), so
/// nothing of it waits in our send buffer that a reset could throw away.
const ONE_FLIGHT: usize = 14_600;
/// An unfinished message that has not gone on for this long is reported.
const NOTICE: Duration = Duration::from_secs(10);
/// After our side is shut down, the peer may still send this much ...
const LINGER_BYTES: usize = 1024 * 1024;
/// ... and take this long to close its own.
const LINGER_TIME: Duration = Duration::from_secs(2);

/// What the poll should do with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Wait for an event or the deadline.
    Wait,
    /// There is more to do, but it was others' turn.
    Again,
    /// It is over.
    Close,
}

/// Drives the connections of one thread.
pub(super) struct Driver<'a, S, O> {
    pub(super) service: S,
    pub(super) handler: O,
    pub(super) config: &'a Config,
    /// The time of this turn of the loop.
    pub(super) now: Instant,
    input: Vec<u8>,
    out: Vec<u8>,
    /// A reply was completed in this turn: the next message has a deadline of its own.
    answered: bool,
}

/// Gives a service's notes to the handler, with the connection they are about.
struct ConnLog<'a, O> {
    handler: &'a mut O,
    who: Who<'a>,
}

impl<O: EventHandler> Log for ConnLog<'_, O> {
    fn wants_messages(&self) -> bool {
        self.handler.wants_messages()
    }
    fn note(&mut self, note: &Note<'_>) {
        self.handler.event(&Event::Note(self.who, note));
    }
}

impl<'a, S: Service, O: EventHandler> Driver<'a, S, O> {
    pub(super) fn new(service: S, handler: O, config: &'a Config) -> Self {
        Driver {
            service,
            handler,
            config,
            now: Instant::now(),
            input: vec![0; READ_BUFFER],
            out: Vec::new(),
            answered: false,
        }
    }

    /// Takes a connection as far as it gets without waiting, and sets its deadline.
    pub(super) fn advance(&mut self, conn: &mut Conn<S::Session>) -> io::Result<Fate> {
        let moved = conn.received + conn.sent;
        self.answered = false;
        let fate = self.progress(conn)?;
        if fate != Fate::Close {
            let moved = conn.received + conn.sent != moved;
            self.set_deadline(conn, moved);
            self.set_notice(conn, moved);
            conn.held = self.service.buffered(&conn.session) + conn.inbox.capacity();
        }
        Ok(fate)
    }

    fn progress(&mut self, conn: &mut Conn<S::Session>) -> io::Result<Fate> {
        for _ in 0..READS_PER_TURN {
            if !conn.pending.is_empty() && !conn.flush()? {
                return Ok(Fate::Wait);
            }
            match conn.phase {
                Phase::Open if !conn.inbox.is_empty() => {
                    let inbox = std::mem::take(&mut conn.inbox);
                    self.serve(conn, &inbox)?;
                }
                Phase::Open if conn.ended => self.end(conn)?,
                Phase::Finishing | Phase::Lingering(_) if conn.ended => return Ok(Fate::Close),
                Phase::Finishing if conn.may_close() => return Ok(Fate::Close),
                Phase::Finishing => {
                    conn.socket.shutdown(std::net::Shutdown::Write)?;
                    conn.phase = Phase::Lingering(LINGER_BYTES);
                    conn.deadline = Some((self.now + LINGER_TIME, Waiting::End));
                }
                Phase::Open | Phase::Lingering(_) if !conn.readable => return Ok(Fate::Wait),
                Phase::Open => self.read_and_serve(conn)?,
                Phase::Lingering(left) => match conn.read(&mut self.input)? {
                    Some(n) if n > left => return Ok(Fate::Close),
                    Some(n) => conn.phase = Phase::Lingering(left - n),
                    None => return Ok(Fate::Wait),
                },
            }
        }
        Ok(Fate::Again)
    }

    fn read_and_serve(&mut self, conn: &mut Conn<S::Session>) -> io::Result<()> {
        let mut input = std::mem::take(&mut self.input);
        let result = match conn.read(&mut input) {
            Ok(Some(n)) if n > 0 => self.serve(conn, &input[..n]),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        self.input = input;
        result
    }

    /// Lets the service answer what stands in `input`, as long as the replies find room.
    fn serve(&mut self, conn: &mut Conn<S::Session>, input: &[u8]) -> io::Result<()> {
        let mut rest = input;
        let mut out = std::mem::take(&mut self.out);
        let result = self.serve_all(conn, &mut rest, &mut out);
        // One large reply should not be held forever.
        out.clear();
        out.shrink_to(HIGH_WATER);
        self.out = out;
        if conn.phase == Phase::Open && !rest.is_empty() {
            conn.inbox = rest.to_vec();
        }
        result
    }

    fn serve_all(
        &mut self,
        conn: &mut Conn<S::Session>,
        rest: &mut &[u8],
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        loop {
            let mut log = ConnLog {
                handler: &mut self.handler,
                who: who(conn.number, &conn.peer),
            };
            let step = self
                .service
                .handle_input(&mut conn.session, rest, out, &mut log);
            match step {
                Step::NeedInput => return send_out(conn, out),
                Step::Sent => {
                    self.answered = true;
                    if out.len() >= HIGH_WATER {
                        send_out(conn, out)?;
                    }
                }
                Step::Echo(bytes) => {
                    send_out(conn, out)?;
                    conn.send(bytes)?;
                }
                Step::Shared(bytes) => {
                    self.answered = true;
                    send_out(conn, out)?;
                    conn.send_shared(bytes)?;
                }
                Step::Close => {
                    conn.phase = Phase::Finishing;
                    conn.all_said = rest.is_empty() && out.len() <= ONE_FLIGHT;
                    return send_out(conn, out);
                }
                Step::Refuse => {
                    conn.phase = Phase::Finishing;
                    return send_out(conn, out);
                }
                Step::SharedThenClose(bytes) => {
                    conn.phase = Phase::Finishing;
                    send_out(conn, out)?;
                    return conn.send_shared(bytes);
                }
            }
            if !conn.pending.is_empty() {
                return send_out(conn, out);
            }
        }
    }

    /// The peer has sent its last byte.
    fn end(&mut self, conn: &mut Conn<S::Session>) -> io::Result<()> {
        self.last_words(conn, S::handle_end)
    }

    /// A message did not complete in time.
    pub(super) fn time_out(&mut self, conn: &mut Conn<S::Session>) -> io::Result<()> {
        self.last_words(conn, S::handle_timeout)
    }

    fn last_words(
        &mut self,
        conn: &mut Conn<S::Session>,
        ask: impl FnOnce(&mut S, &mut S::Session, &mut Vec<u8>, &mut dyn Log),
    ) -> io::Result<()> {
        let mut out = Vec::new();
        let mut log = ConnLog {
            handler: &mut self.handler,
            who: who(conn.number, &conn.peer),
        };
        ask(&mut self.service, &mut conn.session, &mut out, &mut log);
        conn.phase = Phase::Finishing;
        conn.send(&out)
    }

    /// Whether nothing is in flight on a connection, so that it may be closed at any time.
    pub(super) fn is_idle(&self, conn: &Conn<S::Session>) -> bool {
        conn.phase == Phase::Open
            && conn.pending.is_empty()
            && conn.inbox.is_empty()
            && !self.service.in_message(&conn.session)
    }

    fn set_notice(&self, conn: &mut Conn<S::Session>, moved: bool) {
        if conn.phase != Phase::Open || !self.service.in_message(&conn.session) {
            conn.notice = None;
        } else if moved {
            conn.notice = Some(self.now + NOTICE);
        }
    }

    /// Says that a message has not gone on.
    pub(super) fn tell_waiting(&mut self, conn: &mut Conn<S::Session>) {
        conn.notice = None;
        if let Some(so_far) = self.service.so_far(&conn.session) {
            let note = Note::Waiting {
                so_far: &so_far,
                time: NOTICE,
            };
            let who = who(conn.number, &conn.peer);
            self.handler.event(&Event::Note(who, &note));
        }
    }

    fn set_deadline(&self, conn: &mut Conn<S::Session>, moved: bool) {
        if matches!(conn.phase, Phase::Lingering(_)) {
            return;
        }
        let in_flight = conn.phase == Phase::Finishing
            || !conn.pending.is_empty()
            || self.service.in_message(&conn.session);
        let (time, waiting) = match (in_flight, self.config.request_timeout) {
            (true, Some(time)) => (time, Waiting::Message),
            _ => {
                if let Some(time) = self.config.idle_timeout {
                    (time, Waiting::Traffic)
                } else {
                    conn.deadline = None;
                    return;
                }
            }
        };
        let runs_already = conn.deadline.is_some_and(|(_, was)| was == waiting);
        let restart = match waiting {
            Waiting::Message => self.answered,
            Waiting::Traffic | Waiting::End => moved,
        };
        if restart || !runs_already {
            conn.deadline = Some((self.now + time, waiting));
        }
    }
}

pub(super) fn who(number: u64, peer: &Peer) -> Who<'_> {
    Who {
        connection: Some(number),
        peer,
    }
}

/// Sends what the service collected.
fn send_out<T>(conn: &mut Conn<T>, out: &mut Vec<u8>) -> io::Result<()> {
    let result = if out.is_empty() {
        Ok(())
    } else {
        conn.send(out)
    };
    out.clear();
    result
}
