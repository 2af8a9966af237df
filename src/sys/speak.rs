//! A talk in an application protocol over a connection.

use std::time::Instant;

use crate::protocol::{Exchange, Plan, Spoken, Talk};
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

/// Says what comes before a talk: to a proxy, or to a server that is asked for TLS.
pub fn exchange(wire: &mut Wire, exchange: &mut dyn Exchange, deadline: Instant) {
    if let Wire::Plain(socket) = wire {
        let _ = socket.set_nonblocking(true);
    }
    while !exchange.is_done() {
        let sent = wire.send(&exchange.transmit(), deadline);
        match wire.receive(deadline) {
            Ok(bytes) => exchange.received(&bytes),
            Err(end) => exchange.ended(sent.err().unwrap_or(end)),
        }
    }
    // The request itself, or a farewell.
    let _ = wire.send(&exchange.transmit(), deadline);
}
