//! The route, the link and the next hop.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::source::is_from_nowhere;
use super::{Check, Finding, Rule, affected};
use crate::diagnose::{Case, Command, Fact, Severity, Subject, Value};
use crate::host::traced;
use crate::host::{Network, RouteAnswer, SocketAt};
use crate::reference::errno;
use crate::rtnetlink::{InterfaceAddress, Reachability, RouteKind};
use crate::sockets::{Proto, State};

/// No route.
pub static NO_ROUTE: Rule = Rule::new(
    "no_route",
    "no route",
    [
        "This host has no route to the address, or one that refuses it on purpose (unreachable, blackhole, \
         prohibit). Nothing is sent.",
        "The kernel's own answer to the question for the route (RTM_GETROUTE), where a connection to the address \
         waits, or where the kernel looked for a route in vain between two samples (fib:fib_table_lookup); or \
         IpOutNoRoutes grew meanwhile: programs tried to send without a route. Of IPv6: connect() failed \
         (raw_syscalls:sys_exit) and the kernel refuses the route.",
        "A network that is closed on purpose has no default route: that is a finding only when something is \
         sent beyond it. A wide blackhole route with a more specific one is healthy.",
        "Look at the routes, and add the one that is missing.",
    ],
    Check::Host(no_route),
);

fn no_route(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (&(netns, to), sockets) in case.index.waiting() {
        let Some(why) = refusal(case, netns, to) else {
            continue;
        };
        if link_that_is_down(case, netns, to).is_some() {
            continue;
        }
        let headline = format!("no route to {to}: {why}");
        found.push(Finding {
            others: affected(sockets),
            facts: vec![Fact::new(
                "rtnetlink",
                "RTM_GETROUTE",
                Value::Word("refused".into()),
            )],
            next: vec![
                Command::of("ip route get").with(to).into(),
                Command::of("ip route show table all").into(),
            ],
            ..Finding::new(
                &NO_ROUTE,
                Severity::Error,
                Subject::Path { netns, to },
                headline,
            )
        });
    }
    for (netns, _) in case.networks() {
        let of_tries = tries_without_route(case, netns);
        let is_down = || !tries_over_links_that_are_down(case, netns).is_empty();
        found.extend(match of_tries {
            Some(finding) => Some(finding),
            None if is_down() => None,
            None => sends_without_route(case, netns),
        });
    }
    found
}

/// The attempts to connect that get no answer yet, to peers with which others had none in the earlier sample: a
/// program that gives up and tries again before the kernel sends again.
pub(in crate::diagnose::rules) fn tried_again(
    case: &Case<'_>,
) -> BTreeMap<(u16, IpAddr), Vec<SocketAt>> {
    let Some(before) = case.before else {
        return BTreeMap::new();
    };
    let before = before.before().shaking_hands();
    let mut again: BTreeMap<(u16, IpAddr), Vec<SocketAt>> = BTreeMap::new();
    if before.is_empty() {
        return again;
    }
    for (at, socket) in case.sample.places().zip(&case.sample.sockets) {
        let key = socket.peer.ip().map(|to| (socket.netns, to));
        if let Some(key) = key.filter(|key| before.binary_search(key).is_ok())
            && socket.proto == Proto::Tcp
            && socket.state == State::SynSent
            && !case.index.waiting().contains_key(&key)
        {
            again.entry(key).or_default().push(at);
        }
    }
    again
}

/// The connections that wait for an answer, and those attempts that are made again and again.
fn waiting_or_tried_again<'a>(
    case: &Case<'a>,
) -> impl Iterator<Item = ((u16, IpAddr), Vec<SocketAt>)> + use<'a> {
    let waiting = case.index.waiting().iter();
    waiting
        .map(|(key, sockets)| (*key, sockets.clone()))
        .chain(tried_again(case))
}

/// The interfaces that are down and over which programs tried to reach something, and who did.
fn tries_over_links_that_are_down(case: &Case<'_>, netns: u16) -> Vec<(u32, String)> {
    let traced = case.traced(netns).unwrap_or_default();
    let mut found: Vec<(u32, String)> = Vec::new();
    for lookup in traced.lookups.iter().filter(|it| it.times >= 2) {
        if let Some(by) = &lookup.by
            && let Some(interface) = link_that_is_down(case, netns, lookup.to)
            && !found.iter().any(|it| it.0 == interface)
        {
            found.push((interface, format!("; {by} tried to reach {}", lookup.to)));
        }
    }
    found
}

/// What programs tried to reach: that leaves no socket to look at, and where a route refuses not even a counter.
fn tries_without_route(case: &Case<'_>, netns: u16) -> Option<Finding> {
    let traced = case.traced(netns)?;
    // What is looked up for answers to packets of others has a source address, and says nothing of programs here.
    let counted = case.grown(netns, "IpOutNoRoutes") > Some(1);
    let mut tried: Vec<(IpAddr, String, u64, Option<&traced::Process>)> = Vec::new();
    for lookup in &traced.lookups {
        let Some(by) = &lookup.by else { continue };
        if !is_used(network(case, netns)?, lookup.to) {
            continue;
        }
        let is_told = case.index.waiting().contains_key(&(netns, lookup.to))
            || link_that_is_down(case, netns, lookup.to).is_some();
        let Some(why) = refusal(case, netns, lookup.to).filter(|_| !is_told) else {
            continue;
        };
        let by_a_program = lookup.from.is_none() || counted;
        if !by_a_program || lookup.times < 2 {
            continue;
        }
        match tried.iter_mut().find(|it| it.0 == lookup.to) {
            Some(known) => known.2 += lookup.times,
            None => tried.push((lookup.to, why, lookup.times, Some(by))),
        }
    }
    tried.sort_by_key(|it| std::cmp::Reverse(it.2));
    let (to, why, _, by) = tried.first()?;
    let times: u64 = tried.iter().map(|it| it.2).sum();
    let more = match tried.len() {
        1 => String::new(),
        2 => " and 1 other address".to_owned(),
        all => format!(" and {} other addresses", all - 1),
    };
    let by = by.map_or_else(String::new, |it| format!("; {it} tried"));
    Some(Finding {
        facts: vec![
            Fact::new(
                "fib:fib_table_lookup",
                "without a route",
                Value::Count(times),
            ),
            Fact::new("rtnetlink", "RTM_GETROUTE", Value::Word("refused".into())),
        ],
        ruled_out: "Not a firewall: the kernel finds no way to send the packet.",
        next: vec![
            Command::of("ip route get").with(*to).into(),
            Command::of("ip route show table all").into(),
        ],
        ..Finding::new(
            &NO_ROUTE,
            Severity::Error,
            Subject::Path { netns, to: *to },
            format!("no route to {to}{more}: {why}{by}"),
        )
    })
}

/// Whether this host takes part in the network of an address: programs try IPv6 everywhere and go on with IPv4
/// without it.
fn is_used(network: &Network, to: IpAddr) -> bool {
    let kind = |ip: IpAddr| match ip {
        IpAddr::V4(_) => 4,
        // 2000::/3 and fc00::/7.
        IpAddr::V6(ip) if ip.octets()[0] >> 5 == 1 => 6,
        IpAddr::V6(ip) if ip.octets()[0] >> 1 == 0x7e => 7,
        IpAddr::V6(_) => 0,
    };
    let is_of_it = |it: &InterfaceAddress| kind(it.address) == kind(to);
    to.is_ipv4() || kind(to) > 0 && network.addresses.iter().any(is_of_it)
}

/// Programs that get `ENETUNREACH` leave no socket to look at: without tracing only the counter shows them.
fn sends_without_route(case: &Case<'_>, netns: u16) -> Option<Finding> {
    const NAME: &str = "IpOutNoRoutes";
    let grown = case.grown(netns, NAME).unwrap_or(0);
    // Answers to SYNs are counted too, and no_return_route tells of those.
    let answers = case.grown(netns, "TcpExtListenDrops").unwrap_or(0);
    // What a connection sends from an address that is gone is counted too.
    let waiting = case.index.waiting().iter();
    let mut here = waiting.filter(|((of, _), _)| *of == netns);
    if here.any(|(_, sockets)| sockets.iter().any(|at| is_from_nowhere(case, *at))) {
        return None;
    }
    if grown < 2 || answers > 0 {
        return None;
    }
    let network = case.sample.networks.get(usize::from(netns));
    let now = network.and_then(|network| network.counters.get(NAME));
    let now = now.unwrap_or(grown);
    let elapsed = case.before.map(|before| before.span().as_secs_f64());
    let headline = format!(
        "no route: {grown} packets could not be sent in {:.1} s",
        elapsed.unwrap_or_default()
    );
    let fact = Fact {
        before: Some(Value::Count(now - grown)),
        ..Fact::new("/proc/net/snmp", NAME, Value::Count(now))
    };
    Some(Finding {
        facts: vec![fact],
        next: vec![
            Command::of("ip route").into(),
            "Look for a default route, or one to the network that the programs want to reach."
                .into(),
        ],
        ..Finding::new(
            &NO_ROUTE,
            Severity::Warning,
            Subject::Network { netns },
            headline,
        )
    })
}

/// Whether the route, the link or the next hop keeps this host from sending to an address.
pub(in crate::diagnose::rules) fn is_cut_off(case: &Case<'_>, netns: u16, to: IpAddr) -> bool {
    refusal(case, netns, to).is_some()
        || link_that_is_down(case, netns, to).is_some()
        || failed_hop(case, netns, to).is_some()
}

/// Why this host has no route to an address, if it has none.
fn refusal(case: &Case<'_>, netns: u16, to: IpAddr) -> Option<String> {
    let kind = match network(case, netns)?.route(to)? {
        RouteAnswer::Refused(number) => match errno::by_number(number).map(|it| it.name) {
            // What a look-up of IPv4 gives for routes of these types (`fib_props` of the kernel).
            Some("EINVAL") => "blackhole",
            Some("EHOSTUNREACH") => "unreachable",
            Some("EACCES") => "prohibit",
            _ => return Some(errno::words(number)),
        },
        RouteAnswer::Route(route) => match route.kind {
            RouteKind::Blackhole => "blackhole",
            RouteKind::Unreachable => "unreachable",
            RouteKind::Prohibit => "prohibit",
            _ => return None,
        },
    };
    Some(format!("a route of type {kind} covers it"))
}

/// The interface to an address, if it is down or has no carrier.
fn link_that_is_down(case: &Case<'_>, netns: u16, to: IpAddr) -> Option<u32> {
    if let RouteAnswer::Refused(number) = network(case, netns)?.route(to)?
        && errno::by_number(number).is_some_and(|it| it.name == "ENETUNREACH")
    {
        return link_that_took_its_routes_along(network(case, netns)?, to);
    }
    let (network, interface) = way(case, netns, to)?;
    let link = network.link(interface)?;
    (!(link.loopback || link.up && link.carrier)).then_some(interface)
}

/// An interface that is down has an address and no route: the one whose network has the address, or the only
/// one that leads anywhere.
fn link_that_took_its_routes_along(network: &Network, to: IpAddr) -> Option<u32> {
    let is_used = |index: u32| {
        let own =
            |it: &&InterfaceAddress| it.interface == index && it.address.is_ipv4() == to.is_ipv4();
        network.addresses.iter().filter(own).count() > 0
    };
    let mut links = network
        .links
        .iter()
        .filter(|link| !link.loopback && is_used(link.index));
    let covers = |it: &&InterfaceAddress| it.covers(to);
    if let Some(own) = network.addresses.iter().find(covers) {
        let link = network.link(own.interface)?;
        return (!link.up).then_some(link.index);
    }
    let only = links.next().filter(|link| !link.up)?;
    links.next().is_none().then_some(only.index)
}

/// The link.
pub static LINK_DOWN: Rule = Rule::new(
    "link_down",
    "no carrier",
    [
        "The interface that leads to the peer is down, or it has no carrier: the cable is out, the switch port is \
         off, or the other end of a virtual link is down. Nothing leaves and nothing arrives.",
        "Connections wait whose route leads over this interface, or attempts to connect over it are made again and \
         again, and the interface is not up (IFF_UP) or has no carrier (IFF_LOWER_UP).",
        "A spare interface without a cable, or an empty bridge: no waiting connection leads over it.",
        "Plug the cable in or set the interface up; look at the other end of the link.",
    ],
    Check::Host(link_down),
);

fn link_down(case: &Case<'_>) -> Vec<Finding> {
    let mut down: Vec<(u16, u32, Vec<SocketAt>)> = Vec::new();
    for ((netns, to), sockets) in waiting_or_tried_again(case) {
        let Some(interface) = link_that_is_down(case, netns, to) else {
            continue;
        };
        match down
            .iter_mut()
            .find(|it| (it.0, it.1) == (netns, interface))
        {
            Some((_, _, known)) => known.extend(sockets),
            None => down.push((netns, interface, sockets)),
        }
    }
    let mut tried: BTreeMap<(u16, u32), String> = BTreeMap::new();
    for (netns, _) in case.networks() {
        for (interface, by) in tries_over_links_that_are_down(case, netns) {
            if !down.iter().any(|it| (it.0, it.1) == (netns, interface)) {
                down.push((netns, interface, Vec::new()));
                tried.insert((netns, interface), by);
            }
        }
    }
    let with_link = |(netns, index, sockets): (u16, u32, Vec<SocketAt>)| {
        let link = network(case, netns)?.link(index)?;
        let what = if link.up { "has no carrier" } else { "is down" };
        let flag = |name, set: bool| Fact::new("rtnetlink", name, Value::Count(set.into()));
        let next = if link.up {
            vec![
                Command::of("ip link show dev").with(&link.name).into(),
                "Check the cable, the switch port, or the other end of the virtual link.".into(),
            ]
        } else {
            vec![Command::of("ip link set up dev").with(&link.name).into()]
        };
        Some(Finding {
            others: affected(&sockets),
            facts: vec![flag("IFF_UP", link.up), flag("IFF_LOWER_UP", link.carrier)],
            ruled_out: "Not the peer: nothing leaves this host.",
            next,
            ..Finding::new(
                &LINK_DOWN,
                Severity::Error,
                Subject::Interface { netns, index },
                format!(
                    "interface {} {what}{}{}",
                    link.name,
                    waits_text(sockets.len(), " over it"),
                    tried.get(&(netns, index)).map_or("", String::as_str)
                ),
            )
        })
    };
    down.into_iter().filter_map(with_link).collect()
}

/// The next hop.
pub static NEIGHBOUR_FAILED: Rule = Rule::new(
    "neighbour_failed",
    "next hop does not answer",
    [
        "Packets to the peer go to a neighbour on the link first: its router, or the peer itself. That neighbour \
         does not answer ARP (IPv4) or neighbour discovery (IPv6), so nothing can be sent.",
        "A connection to the peer waits, or attempts to connect to it are made again and again, and the entry of its \
         next hop is FAILED or INCOMPLETE.",
        "A FAILED entry that no connection needs is an old attempt.",
        "Check that the neighbour is up and in the same network: a wrong netmask makes a host behind a router \
         look like a neighbour.",
    ],
    Check::Host(neighbour_failed),
);

/// A next hop that does not answer.
struct Failed {
    netns: u16,
    interface: u32,
    hop: IpAddr,
    reachability: Reachability,
    /// The connections that wait for it.
    sockets: Vec<SocketAt>,
    /// Their peers.
    peers: Vec<IpAddr>,
}

fn neighbour_failed(case: &Case<'_>) -> Vec<Finding> {
    let mut failed: Vec<Failed> = Vec::new();
    for ((netns, to), sockets) in waiting_or_tried_again(case) {
        let Some((hop, interface, reachability)) = failed_hop(case, netns, to) else {
            continue;
        };
        let same = |it: &&mut Failed| (it.netns, it.interface, it.hop) == (netns, interface, hop);
        match failed.iter_mut().find(same) {
            Some(known) => {
                known.sockets.extend(sockets);
                known.peers.push(to);
            }
            None => failed.push(Failed {
                netns,
                interface,
                hop,
                reachability,
                sockets,
                peers: vec![to],
            }),
        }
    }
    let findings = failed.iter().filter_map(|failed| failed.finding(case));
    findings.collect()
}

/// The next hop to an address, and the interface to it, if it does not answer there.
fn failed_hop(case: &Case<'_>, netns: u16, to: IpAddr) -> Option<(IpAddr, u32, Reachability)> {
    let (network, interface) = way(case, netns, to)?;
    let RouteAnswer::Route(route) = network.route(to)? else {
        return None;
    };
    let hop = route.gateway.unwrap_or(to);
    let reachability = network.reachability(interface, hop)?;
    let link = network.link(interface)?;
    let fails = link.up && link.carrier && reachability != Reachability::Known;
    fails.then_some((hop, interface, reachability))
}

impl Failed {
    fn finding(&self, case: &Case<'_>) -> Option<Finding> {
        let (netns, hop) = (self.netns, self.hop);
        let name = &network(case, netns)?.link(self.interface)?.name;
        let protocol = if hop.is_ipv4() {
            "ARP"
        } else {
            "neighbour discovery"
        };
        let role = if self.peers[..] == [hop] {
            ""
        } else {
            "the router "
        };
        let state = if self.reachability == Reachability::Failed {
            "FAILED"
        } else {
            "INCOMPLETE"
        };
        let waits = waits_text(self.sockets.len(), "");
        let headline = format!("{role}{hop} does not answer {protocol} on {name}{waits}");
        let subject = Subject::Path { netns, to: hop };
        Some(Finding {
            others: affected(&self.sockets),
            facts: vec![Fact::new(
                "rtnetlink",
                "ndm_state",
                Value::Word(state.into()),
            )],
            ruled_out: "Not a firewall of the peer: no packet has reached it. The interface is up and has a \
                carrier.",
            next: vec![
                Command::of("ip neigh show to").with(hop).into(),
                Command::of("ip address show dev").with(name).into(),
                "Check that the prefix length is right: only addresses in it are neighbours."
                    .into(),
            ],
            ..Finding::new(&NEIGHBOUR_FAILED, Severity::Error, subject, headline)
        })
    }
}

fn waits_text(count: usize, how: &str) -> String {
    match count {
        // Only of an attempt that is over.
        0 => String::new(),
        1 => format!("; 1 connection waits{how}"),
        _ => format!("; {count} connections wait{how}"),
    }
}

fn network<'a>(case: &Case<'a>, netns: u16) -> Option<&'a Network> {
    case.sample.networks.get(usize::from(netns))
}

/// The interface that packets to an address leave by.
pub(super) fn way<'a>(case: &Case<'a>, netns: u16, to: IpAddr) -> Option<(&'a Network, u32)> {
    let network = network(case, netns)?;
    let Some(RouteAnswer::Route(route)) = network.route(to) else {
        return None;
    };
    (route.kind == RouteKind::Unicast).then_some((network, route.interface?))
}
