//! A talk in an application protocol over a connection.

use std::time::Instant;

use crate::protocol::{Plan, Spoken, Talk};
use crate::sys::tls::Wire;

/// Says what a client of the protocol says first, and reads the answer until it tells what it is.
pub fn speak(wire: &mut Wire, plan: Plan, deadline: Instant) -> Spoken {
    let start = Instant::now();
    let mut talk = Talk::new(plan);
    if let Wire::Plain(socket) = wire {
        let _ = socket.set_nonblocking(true);
    }
    while !talk.is_done() {
        // A server may close before it has read everything: what it said is read nevertheless.
        let sent = wire.send(&talk.transmit(), deadline);
        match wire.receive(deadline) {
            Ok(bytes) => talk.received(&bytes, start.elapsed()),
            Err(end) => talk.ended(sent.err().unwrap_or(end), start.elapsed()),
        }
    }
    // The farewell: the server may be gone already.
    let _ = wire.send(&talk.transmit(), deadline);
    talk.spoken(start.elapsed())
}
