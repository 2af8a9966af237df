//! The control group of a process is out of memory while others wait for the process.

use super::super::{Check, Rule, affected};
use super::{earlier, kept_waiting, named};
use crate::diagnose::{Case, Command, Fact, Finding, Severity, Subject, Value};
use crate::host::ProcessStatus;

/// The rule.
pub static RULE: Rule = Rule {
    id: "memory_limit",
    title: "memory limit of the control group reached",
    meaning: "The control group of the process (its service or container) uses all the memory that it may use. The \
        kernel takes pages away from it again and again, so the process hardly gets on, and what the group's \
        sockets may hold shrinks.",
    proof: "Between two samples the group met its limit (max of memory.events, or memory.failcnt), its use is at \
        least 95 % of the limit, and connections or data wait for the process.",
    look_alikes: "A group whose file cache fills its limit meets it too; nobody waits for its processes then.",
    next: "Raise the limit (MemoryMax= of the systemd unit), or find what uses the memory.",
    because: &[],
    check: Check::Process(check),
};

fn check(case: &Case<'_>, status: &ProcessStatus) -> Option<Finding> {
    let (was, now) = earlier(case, status.process)?.memory.zip(status.memory)?;
    let met = now.met.checked_sub(was.met).filter(|met| *met > 0)?;
    if now.used < now.limit / 20 * 19 {
        return None;
    }
    let (sockets, effects) = kept_waiting(case, status.process)?;
    let pid = case.sample.process(status.process).pid;
    let headline = format!(
        "memory limit reached: {}; {effects}",
        named(case, status.process)
    );
    Some(Finding {
        others: affected(&sockets),
        facts: vec![
            Fact::new("cgroup", "memory", Value::Bytes(now.used)),
            Fact::new("cgroup", "limit", Value::Bytes(now.limit)),
            Fact::new("cgroup", "times the limit was met", Value::Count(met)),
        ],
        ruled_out: "Not the memory of the host: the group has a limit of its own.",
        next: vec![
            Command::of("cat")
                .with(format!("/proc/{pid}/cgroup"))
                .into(),
            "It shows the control group; systemd-cgtop shows what its processes use.".into(),
        ],
        ..Finding::new(
            &RULE,
            Severity::Error,
            Subject::Process(status.process),
            headline,
        )
    })
}
