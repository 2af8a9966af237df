//! A process is stopped by a signal while others wait for it.

use super::super::{Check, Rule, affected};
use super::{kept_waiting, named};
use crate::diagnose::{Case, Command, Fact, Finding, Severity, Subject, Value};
use crate::host::ProcessStatus;

/// The rule.
pub static RULE: Rule = Rule {
    id: "process_stopped",
    title: "process stopped",
    meaning: "A signal (SIGSTOP, SIGTSTP) or a debugger has stopped the process, or its control group is frozen. The \
        kernel still completes connections and takes data for it, but nothing is accepted, read or answered until \
        it continues.",
    proof: "The state in /proc/PID/stat is T (stopped) or t (stopped by a debugger), or its control group is frozen \
        (cgroup.events, freezer.state); and a connection waits at a listener of the process, or data for it is \
        unread for more than a second.",
    look_alikes: "A sleeping process (S) waits for events: that is the everyday state of a server. A stopped \
        process without waiting connections, such as a job that a shell suspended, is not reported.",
    next: "Continue it with kill -CONT, thaw its control group, or find out what stopped it.",
    because: &[],
    check: Check::Process(check),
};

/// Whether a status is that of a stopped process.
pub(super) fn is_stopped(status: &ProcessStatus) -> bool {
    status.frozen || matches!(status.state, 'T' | 't')
}

fn check(case: &Case<'_>, status: &ProcessStatus) -> Option<Finding> {
    if !is_stopped(status) {
        return None;
    }
    let (sockets, effects) = kept_waiting(case, status.process)?;
    let pid = case.sample.process(status.process).pid;
    let how = match status.state {
        _ if status.frozen => "frozen",
        't' => "stopped by a debugger",
        _ => "stopped",
    };
    let headline = format!("{} is {how}: {effects}", named(case, status.process));
    if status.frozen {
        return Some(Finding {
            others: affected(&sockets),
            facts: vec![Fact::new("cgroup", "frozen", Value::Count(1))],
            ruled_out: "Not a process that is busy or waits for something: it may not run at all.",
            next: vec![
                Command::of("cat").with(format!("/proc/{pid}/cgroup")).into(),
                "It shows the control group. Thaw it: write 0 to its cgroup.freeze (version 1: THAWED to \
                 freezer.state), or resume the container."
                    .into(),
            ],
            ..Finding::new(&RULE, Severity::Error, Subject::Process(status.process), headline)
        });
    }
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
