//! A listener lives on in a process that does not serve it: a child of the server that has ended.

use super::super::host::wanted_by;
use super::super::{Check, Rule, affected};
use super::named;
use crate::diagnose::{Case, Command, Fact, Finding, Severity, Subject, Value};
use crate::host::{ProcessStatus, SocketAt};
use crate::sockets::State;

/// The rule.
pub static RULE: Rule = Rule {
    id: "inherited_listener",
    title: "listener held by a forgotten child",
    meaning: "A server started a program without closing its listening socket for it (close-on-exec), and has ended \
        since. The child still holds the socket: the kernel completes connections that nobody will accept, and \
        the server cannot bind its port when it is started again.",
    proof: "All processes that hold the listener have been adopted by init, none of their threads waits for a \
        connection or an event in either sample (/proc/PID/task/TID/wchan), and connections wait at the listener \
        or another program cannot bind its port.",
    look_alikes: "A worker that inherited the listener on purpose waits in accept(), poll() or epoll_wait(). A child \
        whose server still runs: the server accepts.",
    next: "End the child, or let it close the socket. Then let the server set SOCK_CLOEXEC on its sockets (close_fds \
        in Python).",
    because: &[],
    check: Check::Process(check),
};

/// How long a connection has to wait, in milliseconds.
const LEAST_MS: u32 = 1_000;

/// Whether a process has lost its parent and waits for something else than connections.
fn is_forgotten(status: &ProcessStatus) -> bool {
    let busy = status
        .threads
        .is_none_or(|threads| threads.await_events || threads.await_reader);
    status.adopted && !busy && status.state == 'S' && !status.frozen
}

fn check(case: &Case<'_>, status: &ProcessStatus) -> Option<Finding> {
    let was = super::earlier(case, status.process);
    if !is_forgotten(status) || was.is_some_and(|was| !is_forgotten(was)) {
        return None;
    }
    let all_forgotten = |at: &SocketAt| {
        let mut holders = case.index.processes(&[*at]).into_iter();
        holders.all(|at| case.sample.status(at).is_some_and(is_forgotten))
    };
    let held = case.index.held_by(status.process).iter().copied();
    let listeners: Vec<SocketAt> = held
        .filter(|at| case.socket(*at).state == State::Listen)
        .filter(all_forgotten)
        .collect();
    let wanted = |at: &SocketAt| wanted_by(case, *at);
    // Nobody is about to accept it.
    let is_old = |at: &SocketAt| {
        let age = case.tcp(*at).last_data_sent_ms;
        age.is_some_and(|age| age > LEAST_MS)
    };
    let waits = |at: &SocketAt| case.index.unaccepted(*at).iter().any(is_old);
    let first = *listeners
        .iter()
        .find(|at| waits(at) || wanted(at).is_some())?;
    let (process, pid) = (
        named(case, status.process),
        case.sample.process(status.process).pid,
    );
    let effect = match wanted(&first) {
        Some(by) => format!("{by} cannot bind it"),
        None => "its clients wait".to_owned(),
    };
    let port = case.socket(first).local.port();
    let port = port.map_or_else(String::new, |port| format!(" of port {port}"));
    Some(Finding {
        others: affected(&listeners),
        facts: vec![
            Fact::new("/proc/PID/stat", "parent", Value::Word("init".into())),
            Fact::new(
                "/proc/PID/task/TID/wchan",
                "threads that wait for connections",
                Value::Count(0),
            ),
        ],
        ruled_out: "Not a server that is busy: no thread waits for a connection, in both samples, and its parent has \
            ended.",
        next: vec![
            Command::of("ps -fp").with(pid).into(),
            "It shows what the child is. End it, and the listener is gone.".into(),
            "Let the server set SOCK_CLOEXEC on its sockets, so that a child does not inherit them.".into(),
        ],
        ..Finding::new(
            &RULE,
            Severity::Error,
            Subject::Socket(first),
            format!("listener{port} held by a child of a server that has ended: {process}; {effect}"),
        )
    })
}
