//! Rules about a process whose sockets are in trouble.

mod descriptor_limit;
mod stopped;

pub use descriptor_limit::RULE as DESCRIPTOR_LIMIT;
pub use stopped::RULE as STOPPED;

use super::Case;
use crate::host::{ProcessAt, ProcessStatus, SocketAt};
use crate::sockets::{Socket, State};

/// The listeners of a process at which somebody waits, and for how many connections.
fn waited_for(case: &Case<'_>, process: ProcessAt) -> (Vec<SocketAt>, u32) {
    let waits = |socket: &Socket| {
        socket.state == State::Listen && socket.proto.is_connected() && socket.recv_q > 0
    };
    let held = case.index.held_by(process).iter().copied();
    let listeners: Vec<SocketAt> = held.filter(|at| waits(case.socket(*at))).collect();
    let waiting = listeners.iter().map(|at| case.socket(*at).recv_q);
    let waiting = waiting.fold(0, u32::saturating_add);
    (listeners, waiting)
}

/// Whether a process cannot accept or read, whatever its program does.
pub(super) fn is_held_up(status: &ProcessStatus) -> bool {
    let limit = status.descriptors.zip(status.descriptor_limit);
    stopped::is_stopped(status) || limit.is_some_and(|(open, limit)| u64::from(open) >= limit)
}

/// `nginx (pid 812)`.
fn named(case: &Case<'_>, at: ProcessAt) -> String {
    let process = case.sample.process(at);
    let name = String::from_utf8_lossy(&process.comm);
    format!("{name} (pid {})", process.pid)
}

#[cfg(test)]
mod tests;
