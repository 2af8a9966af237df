//! A server has as many descriptors as it may have, so `accept()` fails.

use super::super::{Check, Rule, affected};
use super::{named, waited_for};
use crate::diagnose::{Case, Command, Fact, Finding, Severity, Subject, Value, words};
use crate::host::ProcessStatus;

/// The rule.
pub static RULE: Rule = Rule {
    id: "descriptor_limit",
    title: "descriptor limit reached",
    meaning: "The process has as many descriptors open as it may have (RLIMIT_NOFILE). accept() fails with \
        EMFILE, so connections wait in the queue until the process closes something.",
    proof: "The number of entries in /proc/PID/fd is the soft limit of /proc/PID/limits or more, and \
        connections wait at a listener of the process.",
    look_alikes: "Not reported: a process at its limit without waiting connections, and a long queue of a process \
        that has descriptors left.",
    next: "Raise the limit (LimitNOFILE= of the systemd unit, ulimit -n), or find what the process does not \
        close.",
    because: &[],
    check: Check::Process(check),
};

fn check(case: &Case<'_>, status: &ProcessStatus) -> Option<Finding> {
    let (open, limit) = (status.descriptors?, status.descriptor_limit?);
    if u64::from(open) < limit {
        return None;
    }
    let (listeners, waiting) = waited_for(case, status.process);
    if waiting == 0 {
        return None;
    }
    let pid = case.sample.process(status.process).pid;
    let headline = format!(
        "descriptor limit reached: {} has {open} of {limit} open; {} at its listeners cannot be accepted",
        named(case, status.process),
        words::count(waiting, "connection"),
    );
    Some(Finding {
        others: affected(&listeners),
        facts: vec![
            Fact::new("/proc/PID/fd", "entries", Value::Count(open.into())),
            Fact::new("/proc/PID/limits", "Max open files", Value::Count(limit)),
        ],
        ruled_out: "Not a program that is merely slow: without a free descriptor accept() cannot succeed.",
        next: vec![
            Command::of("sockdoc sockets --group state --pid").with(pid).into(),
            "It shows what kinds of sockets use the descriptors: many in CLOSE-WAIT are a leak.".into(),
            Command::of("prlimit --nofile --pid").with(pid).into(),
            "It shows the limit, and raises it with --nofile=SOFT:HARD. For a service set LimitNOFILE= in its \
             unit."
                .into(),
        ],
        ..Finding::new(&RULE, Severity::Error, Subject::Process(status.process), headline)
    })
}
