//! A process is stopped by a signal while others wait for it.

use super::super::{Check, Rule, affected};
use super::{named, waited_for};
use crate::diagnose::{Case, Command, Fact, Finding, Severity, Subject, Value, words};
use crate::host::{ProcessStatus, SocketAt};
use crate::sockets::State;

/// The rule.
pub static RULE: Rule = Rule {
    id: "process_stopped",
    title: "process stopped",
    meaning: "A signal (SIGSTOP, SIGTSTP) or a debugger has stopped the process. The kernel still completes \
        connections and takes data for it, but nothing is accepted, read or answered until it continues.",
    proof: "The state in /proc/PID/stat is T (stopped) or t (stopped by a debugger), and a connection waits \
        at a listener of the process, or data for it is unread for more than a second.",
    look_alikes: "A sleeping process (S) waits for events: that is the everyday state of a server. A stopped \
        process without waiting connections, such as a job that a shell suspended, is not reported.",
    next: "Continue it with kill -CONT, or find out what stopped it.",
    because: &[],
    check: Check::Process(check),
};

/// How old unread data has to be, in milliseconds.
const OLD_MS: u32 = 1_000;

/// Whether a status is that of a stopped process.
pub(super) fn is_stopped(status: &ProcessStatus) -> bool {
    matches!(status.state, 'T' | 't')
}

fn check(case: &Case<'_>, status: &ProcessStatus) -> Option<Finding> {
    if !is_stopped(status) {
        return None;
    }
    let (mut sockets, waiting) = waited_for(case, status.process);
    let is_unread = |at: &SocketAt| {
        let socket = case.socket(*at);
        let age = case.tcp(*at).last_data_recv_ms;
        matches!(socket.state, State::Established | State::CloseWait)
            && socket.recv_q > 0
            && age.is_some_and(|age| age > OLD_MS)
    };
    let held = case.index.held_by(status.process).iter().copied();
    let unread: Vec<SocketAt> = held.filter(is_unread).collect();
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
    if effects.is_empty() {
        return None;
    }
    sockets.extend(unread);
    let pid = case.sample.process(status.process).pid;
    let by = if status.state == 't' {
        " by a debugger"
    } else {
        ""
    };
    let headline = format!(
        "process stopped{by}: {}; {}",
        named(case, status.process),
        effects.join(", ")
    );
    Some(Finding {
        others: affected(&sockets),
        facts: vec![Fact::new(
            "/proc/PID/stat",
            "state",
            Value::Word(status.state.to_string().into()),
        )],
        ruled_out: "Not a process that is busy or waits for something: those are in the states R, S or D.",
        next: vec![
            Command::of("kill -CONT").with(pid).into(),
            "It lets the process continue. Find out first who stopped it: a debugger, a shell, or a freezer \
             of containers."
                .into(),
        ],
        ..Finding::new(&RULE, Severity::Error, Subject::Process(status.process), headline)
    })
}
