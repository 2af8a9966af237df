//! Rules about a process whose sockets are in trouble.

mod blocked;
mod descriptor_limit;
mod inherited_listener;
mod memory_limit;
mod stopped;

pub use blocked::RULE as BLOCKED;
pub use descriptor_limit::RULE as DESCRIPTOR_LIMIT;
pub use inherited_listener::RULE as INHERITED_LISTENER;
pub use memory_limit::RULE as MEMORY_LIMIT;
pub use stopped::RULE as STOPPED;

use super::socket::datagrams_are_stuck;
use super::{Case, Cause, Role};
use crate::diagnose::words;
use crate::host::{ProcessAt, ProcessStatus, SocketAt};
use crate::sockets::{Socket, State};

/// What may keep a process from doing anything.
pub(super) const HELD_UP: &[Cause] = &[
    Cause::at(&STOPPED, Role::Owner),
    Cause::at(&BLOCKED, Role::Owner),
    Cause::at(&MEMORY_LIMIT, Role::Owner),
];

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

/// How old unread data has to be, in milliseconds.
const OLD_MS: u32 = 1_000;

/// The sockets on which somebody waits for a process, and for what, in words; `None`: nobody waits.
fn kept_waiting(case: &Case<'_>, process: ProcessAt) -> Option<(Vec<SocketAt>, String)> {
    let (mut sockets, waiting) = waited_for(case, process);
    let is_unread = |at: &SocketAt| {
        let socket = case.socket(*at);
        let age = case.tcp(*at).last_data_recv_ms;
        matches!(socket.state, State::Established | State::CloseWait)
            && socket.recv_q > 0
            && age.is_some_and(|age| age > OLD_MS)
    };
    let held = case.index.held_by(process).iter().copied();
    let unread: Vec<SocketAt> = held.filter(is_unread).collect();
    let held = case.index.held_by(process).iter().copied();
    let full: Vec<SocketAt> = held.filter(|at| datagrams_are_stuck(case, *at)).collect();
    let mut effects = Vec::new();
    if waiting > 0 {
        let waits = if waiting == 1 { "waits" } else { "wait" };
        effects.push(format!(
            "{} {waits} for accept()",
            words::count(waiting, "connection")
        ));
    }
    if !unread.is_empty() {
        let count = u32::try_from(unread.len()).unwrap_or(u32::MAX);
        effects.push(format!(
            "data is unread on {}",
            words::count(count, "connection")
        ));
    }
    if !full.is_empty() {
        effects.push("senders of Unix datagrams cannot send".to_owned());
    }
    sockets.extend(unread);
    sockets.extend(full);
    (!effects.is_empty()).then(|| (sockets, effects.join(", ")))
}

/// What was known of a process in the earlier sample.
pub(super) fn earlier<'a>(case: &Case<'a>, process: ProcessAt) -> Option<&'a ProcessStatus> {
    let pid = case.sample.process(process).pid;
    let before = case.before?.before().sample();
    let mut statuses = before.processes.iter();
    statuses.find(|status| before.process(status.process).pid == pid)
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
