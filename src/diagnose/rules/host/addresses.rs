//! The addresses of this host.

use super::{Check, Rule};
use crate::diagnose::{Case, Command, Fact, Finding, Severity, Subject, Value};

/// Duplicate addresses.
pub static DUPLICATE_ADDRESS: Rule = Rule::new(
    "duplicate_address",
    "address used twice",
    [
        "Another host on the link has the same IPv6 address. The kernel found out before it used the address and \
         does not use it.",
        "The address is marked dadfailed (IFA_F_DADFAILED).",
        "An address that is still tentative is being checked.",
        "Give one of the two hosts another address, then take this one down and up again.",
    ],
    Check::Host(check),
);

fn check(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (netns, network) in case.networks() {
        for address in network.addresses.iter().filter(|address| address.duplicate) {
            let name = network
                .link(address.interface)
                .map_or("?", |link| &link.name);
            let subject = Subject::Interface {
                netns,
                index: address.interface,
            };
            let headline = format!("address used twice: {} on {name}", address.address);
            found.push(Finding {
                facts: vec![Fact::new(
                    "rtnetlink",
                    "ifa_flags",
                    Value::Word("dadfailed".into()),
                )],
                next: vec![Command::of("ip -6 address show dev").with(name).into()],
                ..Finding::new(&DUPLICATE_ADDRESS, Severity::Error, subject, headline)
            });
        }
    }
    found
}
