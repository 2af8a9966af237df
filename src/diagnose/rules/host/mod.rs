//! Rules about the host as a whole and about its network stacks: their counters, tables and limits.
//!
//! A counter is looked at as the difference of two samples: what it counted since the host was started says
//! nothing about now.

mod addresses;
mod attempts;
#[cfg(test)]
mod calls_tests;
mod clock;
mod drops;
mod forwarding;
mod interfaces;
mod kernel;
mod listeners;
mod martians;
mod memory;
mod ports;
mod refusals;
mod resets;
mod resolver;
mod tables;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod traced_tests;
mod unreachable;

pub use addresses::{DUPLICATE_ADDRESS, IPV6_AUTOCONFIGURATION_LOST};
pub(super) use attempts::wanted_by;
pub use attempts::{ADDRESS_NOT_LOCAL, BROADCAST_NOT_PERMITTED, PORT_HELD};
pub use clock::TIME_JUMPED;
pub use drops::{
    BACKLOG_DROPS, CHECKSUM_ERRORS, FRAGMENTS_LOST, REVERSE_PATH_FILTER, UDP_PORT_CLOSED,
    UDP_SEND_ERRORS,
};
pub use forwarding::FORWARDING_OFF;
pub use interfaces::{INTERFACE_ERRORS, SEND_QUEUE_FULL};
pub use kernel::KERNEL_DROPS;
pub use listeners::{NO_RETURN_ROUTE, SYN_QUEUE_FULL};
pub use martians::MARTIAN_PACKETS;
pub use memory::{ORPHANS_AT_LIMIT, TCP_MEMORY_PRESSURE, UDP_MEMORY_USED_UP};
pub use ports::PORTS_USED_UP;
pub(super) use refusals::is_refused_at;
pub use refusals::{LISTENER_ELSEWHERE, NOBODY_LISTENS};
pub use resets::{CLOSED_UNREAD, REFUSED_BY_PEER, RESET_BY_PEER};
pub use resolver::NO_NAMESERVER;
pub use tables::{CONNTRACK_TABLE_FULL, NEIGHBOUR_TABLE_FULL, TIME_WAIT_TABLE_FULL};
pub use unreachable::{CALLED_UNREACHABLE, UDP_REFUSED_BY_PEER};

use super::{Check, Rule};
use crate::diagnose::{Case, Fact, Finding, NextStep, Severity, Subject, Value};
use crate::host::Delta;

/// Counters whose growth between two samples is a finding about their namespace.
struct Growth {
    rule: &'static Rule,
    severity: Severity,
    counters: &'static [&'static str],
    /// How far they have to grow together.
    least: u64,
    /// The headline, of the growth and the time between the samples.
    headline: fn(u64, &str) -> String,
    next: fn() -> Vec<NextStep>,
}

impl Growth {
    fn found(&self, case: &Case<'_>) -> Vec<Finding> {
        let networks = case.networks();
        let found = networks.filter_map(|(netns, _)| self.found_in(case, netns));
        found.collect()
    }

    fn found_in(&self, case: &Case<'_>, netns: u16) -> Option<Finding> {
        let facts = growth(case, netns, self.counters);
        let sum = facts.iter().map(|(grown, _)| grown).sum();
        if sum < self.least {
            return None;
        }
        let headline = (self.headline)(sum, &seconds(case));
        let subject = Subject::Network { netns };
        Some(Finding {
            facts: facts.into_iter().map(|(_, fact)| fact).collect(),
            next: (self.next)(),
            ..Finding::new(self.rule, self.severity, subject, headline)
        })
    }
}

/// Which of these counters grew, and how far.
fn growth(case: &Case<'_>, netns: u16, counters: &[&'static str]) -> Vec<(u64, Fact)> {
    let grown = counters.iter().filter_map(|name| {
        let grown = case.grown(netns, name).filter(|grown| *grown > 0)?;
        let now = case.sample.networks[usize::from(netns)]
            .counters
            .get(name)?;
        Some((grown, counted("/proc/net", name, now - grown, now)))
    });
    grown.collect()
}

/// A counter in both samples.
fn counted(source: &'static str, name: &'static str, before: u64, now: u64) -> Fact {
    Fact {
        before: Some(Value::Count(before)),
        ..Fact::new(source, name, Value::Count(now))
    }
}

/// `2.0 s`: the time between the samples.
fn seconds(case: &Case<'_>) -> String {
    let elapsed = case.before.map(Delta::span);
    format!("{:.1} s", elapsed.unwrap_or_default().as_secs_f64())
}
