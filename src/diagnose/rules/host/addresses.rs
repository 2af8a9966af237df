//! The addresses of this host.

use super::{Check, Rule};
use crate::diagnose::{Case, Command, Fact, Finding, Severity, Subject, Value};
use crate::host::network::BEYOND;
use crate::host::{Network, RouteAnswer};
use crate::rtnetlink::Link;

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

/// Autoconfiguration of IPv6.
pub static IPV6_AUTOCONFIGURATION_LOST: Rule = Rule::new(
    "ipv6_autoconfiguration_lost",
    "IPv6 autoconfiguration lost",
    [
        "The interface got its IPv6 address from router advertisements (RFC 4862), and they no longer arrive or are \
         ignored. Their lifetimes run out: first the default route, then the address. IPv6 then fails, or each \
         connection waits until it is tried by IPv4.",
        "All addresses of the interface that the kernel made from router advertisements (IFA_PROTO) are deprecated; \
         or its default route has gone between two samples; or forwarding is on (net.ipv6.conf.IF.forwarding) while \
         accept_ra is 1, which makes the kernel ignore them.",
        "While a network is renumbered the old address is deprecated and the new one is not. A router that announces \
         a prefix and no default route. Addresses of DHCPv6 and those that were set by hand. An interface without a \
         carrier.",
        "Look at the router, or at what drops ICMPv6 type 134 on the way. On a host that forwards set \
         net.ipv6.conf.IF.accept_ra to 2.",
    ],
    Check::Host(autoconfiguration),
);

fn autoconfiguration(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (netns, network) in case.networks() {
        let links = network.links.iter().filter(|link| link.up && link.carrier);
        for link in links.filter(|link| network.learned(link.index).next().is_some()) {
            found.extend(lost(case, netns, network, link));
        }
    }
    found
}

fn lost(case: &Case<'_>, netns: u16, network: &Network, link: &Link) -> Option<Finding> {
    let name = &link.name;
    let setting = |what: &str| {
        network
            .settings
            .number(&format!("net.ipv6.conf.{name}.{what}"))
    };
    let is_refused =
        |network: &Network| matches!(network.route(BEYOND), Some(RouteAnswer::Refused(_)));
    let had_route = |network: &Network| {
        let route = network.route(BEYOND);
        matches!(route, Some(RouteAnswer::Route(route)) if route.interface == Some(link.index))
    };
    let before = case.network_before(netns);
    let first = network.learned(link.index).next()?;
    let flag = |value: u64| Fact::new("rtnetlink", "IFA_F_DEPRECATED", Value::Count(value));
    let (headline, fact, next) = if setting("forwarding") == Some(1)
        && setting("accept_ra") == Some(1)
    {
        (
            format!(
                "router advertisements are ignored on {name}: forwarding is on and accept_ra is 1"
            ),
            Fact::new("sysctl", "net.ipv6.conf.IF.accept_ra", Value::Count(1)),
            Command::of("sysctl").with(format!("net.ipv6.conf.{name}.accept_ra=2")),
        )
    } else if network.learned(link.index).all(|it| it.deprecated) {
        (
            format!(
                "router advertisements no longer arrive on {name}: {} is deprecated",
                first.address
            ),
            flag(1),
            Command::of("tcpdump -ni")
                .with(name)
                .with("icmp6 and ip6[40] == 134"),
        )
    } else if before.is_some_and(had_route) && is_refused(network) {
        (
            format!(
                "router advertisements no longer arrive on {name}: its IPv6 default route has run out"
            ),
            Fact::new("rtnetlink", "RTM_GETROUTE", Value::Word("refused".into())),
            Command::of("ip -6 route"),
        )
    } else {
        return None;
    };
    Some(Finding {
        facts: vec![fact],
        ruled_out: "Not the link: the interface is up and has a carrier.",
        next: vec![
            next.into(),
            Command::of("ip -6 address show dev").with(name).into(),
            "valid_lft and preferred_lft show how long each address is still good.".into(),
        ],
        ..Finding::new(
            &IPV6_AUTOCONFIGURATION_LOST,
            Severity::Warning,
            Subject::Interface {
                netns,
                index: link.index,
            },
            headline,
        )
    })
}
