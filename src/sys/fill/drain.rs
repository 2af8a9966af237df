//! The receiver reads after all; and the ways to close before it does.

use std::io::{self, Read};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags};
use socket2::Socket;

use crate::fill::report::{CloseKind, Closed};
use crate::fill::{DrainEnd, Draining, Variant};
use crate::sys::signals::Signals;
use crate::sys::waiting::ready_by;

use super::ends::Ends;
use super::{Watch, Watched, is_writable, look};

/// Bytes of one `recv()`: small, so that the point where writing becomes possible again is met well.
const READ: usize = 16 * 1024;

/// A datagram is never larger (RFC 768); those of Unix sockets are not sent larger here.
const MOST_DATAGRAM: usize = 64 << 20;

/// How long the receiver waits for more: longer than the persist timer of a run that was just filled.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// How long a writer waits for the news that the reader is gone.
const TOLD: Duration = Duration::from_secs(1);

/// Reads until the end, or until nothing has come for `patience`. `accepted`: the bytes that the
/// sender's side of the stream holds in all; after them the sender closes.
pub fn drain(
    ends: &Ends,
    accepted: u64,
    chunk: usize,
    patience: Duration,
    signals: &Signals,
    watch: &mut Watch<'_>,
) -> io::Result<Draining> {
    let Some(receiver) = &ends.receiver else {
        return Ok(Draining::default());
    };
    let mut watched = Watched::new();
    let mut closed = false;
    let mut each = |draining: &mut Draining| -> io::Result<()> {
        if !draining.is_writable() && !closed && is_writable(ends.sender())? {
            draining.writable(look::send_queue(ends.sender()));
        }
        if !ends.variant.is_datagram() && draining.bytes() >= accepted && !closed {
            closed = true;
            // A closed connection cannot be shut down; reading reports the reason.
            let _ = ends.sender().shutdown(Shutdown::Write);
        }
        watched.now_and_then(ends, watch);
        Ok(())
    };
    read(receiver, ends.variant, chunk, patience, signals, &mut each)
}

/// Calls `recv()` until there is nothing more, and `each` after each call that gave something.
fn read(
    mut receiver: &Socket,
    variant: Variant,
    chunk: usize,
    patience: Duration,
    signals: &Signals,
    each: &mut dyn FnMut(&mut Draining) -> io::Result<()>,
) -> io::Result<Draining> {
    let room = if variant.is_datagram() {
        chunk.clamp(1, MOST_DATAGRAM)
    } else {
        READ
    };
    let mut buffer = vec![0; room];
    let mut draining = Draining::default();
    each(&mut draining)?;
    let end = loop {
        match receiver.read(&mut buffer) {
            Ok(0) if !variant.is_datagram() => break DrainEnd::End,
            Ok(got) => {
                draining.received(&buffer[..got]);
                each(&mut draining)?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                // What was sent over the loopback interface has arrived.
                if variant.is_datagram() {
                    break DrainEnd::End;
                }
                let mut fds = [
                    PollFd::new(receiver.as_fd(), PollFlags::POLLIN),
                    PollFd::new(signals.as_fd(), PollFlags::POLLIN),
                ];
                let ready = ready_by(&mut fds, Some(Instant::now() + patience))?;
                if fds[1].any() == Some(true) {
                    break DrainEnd::Interrupted;
                }
                if !ready {
                    break DrainEnd::Silence;
                }
            }
            Err(error) => break DrainEnd::Failed(error.raw_os_error().unwrap_or_default()),
        }
    };
    draining.ended(end);
    Ok(draining)
}

/// Closes an end while the queues are full, and lets the receiver read what is left, if it is still
/// there and wanted.
pub fn close(
    mut ends: Ends,
    kind: CloseKind,
    drains: bool,
    patience: Duration,
    signals: &Signals,
) -> io::Result<(Closed, Option<Draining>)> {
    let variant = ends.variant;
    let queued = look::send_queue(ends.sender());
    let mut closed = Closed {
        kind,
        queued,
        writer: Vec::new(),
    };
    if kind == CloseKind::Unread {
        drop(ends.receiver.take());
        closed.writer = writer_is_told(ends.sender())?;
        return Ok((closed, None));
    }
    if kind == CloseKind::Linger0 {
        ends.sender().set_linger(Some(Duration::ZERO))?;
    }
    let Some(receiver) = ends.without_sender() else {
        return Ok((closed, None));
    };
    if !drains {
        return Ok((closed, None));
    }
    let nothing_more = &mut |_: &mut Draining| Ok(());
    let draining = read(&receiver, variant, READ, patience, signals, nothing_more)?;
    Ok((closed, Some(draining)))
}

/// What the writer's next two sends say, once it could know that the reader is gone.
fn writer_is_told(sender: &Socket) -> io::Result<Vec<i32>> {
    // POLLERR and POLLHUP need not be asked for.
    let mut fds = [PollFd::new(sender.as_fd(), PollFlags::empty())];
    ready_by(&mut fds, Some(Instant::now() + TOLD))?;
    let send = |_| sender.send(b"more").err()?.raw_os_error();
    Ok((0..2).filter_map(send).collect())
}
