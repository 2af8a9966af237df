//! A process has as many descriptors as it may have, so `accept()` and `socket()` fail.

use super::super::{Check, Rule, affected};
use super::{named, waited_for};
use crate::diagnose::{Case, Command, Fact, Finding, Severity, Subject, Value, words};
use crate::host::{ProcessStatus, traced};

/// The rule.
pub static RULE: Rule = Rule {
    id: "descriptor_limit",
    title: "descriptor limit reached",
    meaning: "The process has as many descriptors open as it may have (RLIMIT_NOFILE). accept() and socket() fail \
        with EMFILE: connections wait in the queue, and no new ones can be made, until the process closes \
        something. A program that tries accept() again at once keeps a processor busy.",
    proof: "The number of entries in /proc/PID/fd is the soft limit of /proc/PID/limits or more, and \
        connections wait at a listener of the process; or at least 2 of its calls failed with EMFILE between two \
        samples (raw_syscalls:sys_exit).",
    look_alikes: "Not reported: a process at its limit without waiting connections, and a long queue of a process \
        that has descriptors left.",
    next: "Raise the limit (LimitNOFILE= of the systemd unit, ulimit -n), or find what the process does not \
        close.",
    because: &[],
    check: Check::Host(check),
};

/// Linux's errno.
const EMFILE: i32 = 24;

/// The attempts per second from which a process is said to spin.
const SPINNING: f64 = 1000.0;

fn check(case: &Case<'_>) -> Vec<Finding> {
    let statuses = case.sample.processes.iter();
    let mut found: Vec<Finding> = statuses.filter_map(|it| at_limit(case, it)).collect();
    for (netns, _) in case.networks() {
        let traced = case.traced(netns).unwrap_or_default();
        let mut failed: Vec<(&traced::Process, u64)> = Vec::new();
        for call in traced.calls.iter().filter(|it| it.errno == EMFILE) {
            match failed.iter_mut().find(|it| *it.0 == call.by) {
                Some(known) => known.1 += call.times,
                None => failed.push((&call.by, call.times)),
            }
        }
        for (by, times) in failed.into_iter().filter(|it| it.1 >= 2) {
            add(case, netns, &mut found, by, times);
        }
    }
    found
}

/// Adds that calls of a process failed, to what is known of it or as a finding of its own.
fn add(case: &Case<'_>, netns: u16, found: &mut Vec<Finding>, by: &traced::Process, times: u64) {
    let fact = Fact::new("raw_syscalls:sys_exit", "EMFILE", Value::Count(times));
    let rate = case.before.and_then(|before| before.per_second(times));
    let busy = rate.filter(|rate| *rate > SPINNING);
    let busy = busy.map(|rate| format!("; it tries again {rate:.0} times a second"));
    let subject = case.process_of(by).map(Subject::Process);
    let known = found.iter_mut().find(|it| Some(it.subject) == subject);
    if let Some(known) = known {
        known.facts.push(fact);
        known.headline += &busy.unwrap_or_default();
        return;
    }
    let mut next = Vec::new();
    if let Some(pid) = by.pid {
        next.push(Command::of("prlimit --nofile --pid").with(pid).into());
    }
    next.push("It needs a higher limit (LimitNOFILE= of the systemd unit, ulimit -n), or does not close what it opens.".into());
    found.push(Finding {
        facts: vec![fact],
        ruled_out: "Not the limit of the whole host (fs.file-max), which gives ENFILE.",
        next,
        ..Finding::new(
            &RULE,
            Severity::Error,
            subject.unwrap_or(Subject::Network { netns }),
            format!(
                "descriptor limit reached: {times} calls of {by} for a socket failed with EMFILE{}",
                busy.unwrap_or_default()
            ),
        )
    });
}

/// What /proc tells of a server whose clients wait.
fn at_limit(case: &Case<'_>, status: &ProcessStatus) -> Option<Finding> {
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
