//! The clock of this host.

use super::{Check, Rule};
use crate::diagnose::{Case, Command, Fact, Finding, Severity, Subject, Value, words};
use crate::host::Sample;

/// A jump.
pub static TIME_JUMPED: Rule = Rule::new(
    "time_jumped",
    "the clock jumped",
    [
        "The clock of this host was set while it was looked at. Certificates, timeouts and logs of programs that use \
         it go wrong.",
        "Between two samples the time of day went at least 1 s further, or less far, than the time since the \
         host was started (CLOCK_BOOTTIME); both are read together.",
        "A clock that is slewed by a time service runs a little faster or slower.",
        "Find out who sets the clock: two time services, or a virtual machine that is resumed.",
    ],
    Check::Host(check),
);

fn check(case: &Case<'_>) -> Vec<Finding> {
    let clocks = |sample: &Sample| {
        let machine = sample.machine.as_ref()?;
        let known = machine.up_ms > 0 && machine.clock_ms > 0;
        known.then(|| i128::from(machine.clock_ms) - i128::from(machine.up_ms))
    };
    let before = case
        .before
        .and_then(|before| clocks(before.before().sample()));
    let Some((before, now)) = before.zip(clocks(case.sample)) else {
        return Vec::new();
    };
    let jump = now - before;
    if jump.abs() < 1_000 {
        return Vec::new();
    }
    let by = u64::try_from(jump.unsigned_abs()).unwrap_or(u64::MAX);
    let direction = if jump > 0 { "forward" } else { "back" };
    vec![Finding {
        facts: vec![Fact::new("clock_gettime", "difference", Value::Millis(by))],
        next: vec![Command::of("timedatectl timesync-status").into()],
        ..Finding::new(
            &TIME_JUMPED,
            Severity::Warning,
            Subject::Host,
            format!("the clock jumped {direction} by {}", words::duration(by)),
        )
    }]
}
