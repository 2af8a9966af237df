//! The clock of this host.

use super::{Check, Rule};
use crate::diagnose::{Case, Command, Fact, Finding, Severity, Subject, Value, words};

/// A jump.
pub static TIME_JUMPED: Rule = Rule::new(
    "time_jumped",
    "the clock jumped",
    [
        "The clock of this host was set while it was looked at. Certificates, timeouts and logs of programs that use \
         it go wrong.",
        "Between two samples the time of day went at least 1 s further, or less far, than the monotonic clock.",
        "A clock that is slewed by a time service runs a little faster or slower.",
        "Find out who sets the clock: two time services, or a virtual machine that is resumed.",
    ],
    Check::Host(check),
);

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(before) = case.before else {
        return Vec::new();
    };
    let millis = |time: std::time::Duration| i128::try_from(time.as_millis()).unwrap_or(i128::MAX);
    let went = millis(case.sample.taken) - millis(before.before().sample().taken);
    let jump = went - millis(before.span());
    // Samples of a file that do not know the time.
    let known = [case.sample, before.before().sample()]
        .iter()
        .all(|it| !it.taken.is_zero());
    if jump.abs() < 1_000 || !known {
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
