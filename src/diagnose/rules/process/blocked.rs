//! A process sleeps without heeding signals while others wait for it.

use super::super::{Check, Rule, affected};
use super::{earlier, kept_waiting, named};
use crate::diagnose::{Case, Command, Fact, Finding, Severity, Subject, Value};
use crate::host::ProcessStatus;

/// The rule.
pub static RULE: Rule = Rule {
    id: "process_blocked",
    title: "process blocked in the kernel",
    meaning: "The process waits inside the kernel and heeds no signal, most often for a disk or a network file \
        system that does not answer. Meanwhile nothing is accepted, read or answered.",
    proof: "The state in /proc/PID/stat is D in both samples, and a connection waits at a listener of the process, \
        or data for it is unread for more than a second.",
    look_alikes: "Each process that reads a file is in the state D for moments. A process for which nobody waits is not \
        reported.",
    next: "Look at what it waits for: /proc/PID/stack, the kernel's log, the file systems that it uses.",
    because: &[],
    check: Check::Process(check),
};

/// Uninterruptible sleep.
const STATE: char = 'D';

fn check(case: &Case<'_>, status: &ProcessStatus) -> Option<Finding> {
    let was = earlier(case, status.process)?;
    // The freezer of version 1 leaves its processes in this state.
    if status.state != STATE || was.state != STATE || status.frozen {
        return None;
    }
    let (sockets, effects) = kept_waiting(case, status.process)?;
    let pid = case.sample.process(status.process).pid;
    let headline = format!(
        "{} is blocked in the kernel (state D): {effects}",
        named(case, status.process)
    );
    Some(Finding {
        others: affected(&sockets),
        facts: vec![Fact::new("/proc/PID/stat", "state", Value::Word("D".into()))],
        ruled_out: "Not a process that is stopped or busy: those are in the states T and R.",
        next: vec![
            Command::of("cat").with(format!("/proc/{pid}/stack")).into(),
            "As root it shows where in the kernel it waits.".into(),
            Command::of("dmesg").into(),
            "Look for errors of a disk, or for a server of a network file system that does not respond.".into(),
        ],
        ..Finding::new(&RULE, Severity::Error, Subject::Process(status.process), headline)
    })
}
