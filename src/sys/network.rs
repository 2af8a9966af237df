//! The network stack of a namespace, as /proc/net, sysctl(8) and rtnetlink(7) tell it. Reading it changes
//! nothing and sends no packet.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::socket::SockProtocol;
use nix::time::{ClockId, clock_gettime};

use super::limits::sysctl;
use super::netlink::{Dumped, Netlink};
use super::privilege::{self, Capability};
use crate::host::network::BEYOND;
use crate::host::{Machine, Network, Note, RouteAnswer, RouteTo, Sample};
use crate::netlink::Malformed;
use crate::nftables::{self, Chain, Firewall, Rule, Set, conntrack};
use crate::rtnetlink::{
    InterfaceAddress, Link, Neighbour, Outgoing, Qdisc, Question, Route, RoutingRule,
};

/// More of a kind than this is not kept: a table of neighbours has 1,024 entries by default.
const MOST: usize = 65_536;

/// The settings that rules look at.
const SETTINGS: &[&str] = &[
    "net.core.somaxconn",
    "net.ipv4.ip_forward",
    "net.ipv4.tcp_max_orphans",
    "net.ipv4.tcp_max_syn_backlog",
    "net.ipv4.tcp_max_tw_buckets",
    "net.ipv4.tcp_mem",
    "net.ipv4.tcp_retries2",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.neigh.default.gc_thresh3",
    "net.ipv6.neigh.default.gc_thresh3",
    "net.netfilter.nf_conntrack_count",
    "net.netfilter.nf_conntrack_max",
];

/// The packet filters of namespaces. Rules change seldom, and listing many of them takes long.
#[derive(Debug, Default)]
pub struct Firewalls {
    /// How long what was listed is good for.
    lasts: Duration,
    listed: HashMap<u16, (Instant, Option<Firewall>)>,
}

impl Firewalls {
    /// Lists each again only after this time.
    pub fn lasting(lasts: Duration) -> Firewalls {
        Firewalls {
            lasts,
            listed: HashMap::new(),
        }
    }

    /// The packet filter of the namespace that this thread is in; `None`: it may not be listed.
    pub fn of(&mut self, netns: u16) -> Option<Firewall> {
        if let Some((at, firewall)) = self.listed.get(&netns)
            && at.elapsed() < self.lasts
        {
            return firewall.clone();
        }
        let found = privilege::with(&[Capability::NetAdmin], || firewall().ok());
        if !self.lasts.is_zero() {
            self.listed.insert(netns, (Instant::now(), found.clone()));
        }
        found
    }
}

/// Looks at the namespace that this thread is in, but for its packet filter, and asks for the routes to these
/// addresses.
pub fn network(routes_to: &[IpAddr]) -> Network {
    let asked: Vec<Question> = routes_to.iter().map(|to| (*to).into()).collect();
    network_with(&asked, None)
}

/// The same, with the routes of packets of which more is known; `by`: the interface that their sockets are bound to.
pub fn network_with(routes: &[Question], by: Option<&str>) -> Network {
    let mut network = Network::default();
    let read = |name: &str| fs::read_to_string(format!("/proc/thread-self/net/{name}"));
    for name in ["snmp", "netstat"] {
        network
            .counters
            .read_tables(&read(name).unwrap_or_default());
    }
    network
        .counters
        .read_list(&read("snmp6").unwrap_or_default());
    for name in ["sockstat", "sockstat6"] {
        network.counters.read_usage(&read(name).unwrap_or_default());
    }
    let conntrack = read("stat/nf_conntrack").unwrap_or_default();
    network.counters.read_per_cpu("nf_conntrack", &conntrack);
    network.read_pressure(&read("protocols").unwrap_or_default());
    for name in SETTINGS {
        if let Some(value) = sysctl(name) {
            network.settings.put(name, &value);
        }
    }
    if let Ok(mut netlink) = Netlink::open(SockProtocol::NetlinkRoute) {
        let netlink = &mut netlink;
        network.links = all(netlink, Link::request, |bytes| Link::read(bytes).map(Some));
        network.addresses = all(netlink, InterfaceAddress::request, InterfaceAddress::read);
        network.neighbours = all(netlink, Neighbour::request, Neighbour::read);
        network.qdiscs = all(netlink, Qdisc::request, |bytes| {
            Qdisc::read(bytes).map(Some)
        });
        network.routes = routes
            .iter()
            .filter_map(|asked| route(netlink, asked))
            .collect();
        add_rules(&mut network, netlink, routes, by);
        add_autoconfiguration(&mut network, netlink);
    }
    for name in ["ip_tables_names", "ip6_tables_names"] {
        let tables = read(name).unwrap_or_default();
        let tables = tables.split_whitespace().take(16).map(Into::into);
        network.legacy_tables.extend(tables);
    }
    network.legacy_tables.sort();
    network.legacy_tables.dedup();
    network
}

/// The Ethernet addresses of the interfaces of the namespace that this thread is in.
pub fn hardware_addresses() -> Vec<[u8; 6]> {
    let Ok(mut netlink) = Netlink::open(SockProtocol::NetlinkRoute) else {
        return Vec::new();
    };
    let read = |bytes: &[u8]| Link::read(bytes).map(|link| link.hardware);
    all(&mut netlink, Link::request, read)
}

/// Where the packets of a connection of this thread's namespace go to, if its destination is translated (DNAT);
/// `None`: it is not, or that may not be seen.
pub fn translated(protocol: u8, from: SocketAddr, to: SocketAddr) -> Option<SocketAddr> {
    privilege::with(&[Capability::NetAdmin], || {
        let mut netlink = Netlink::open(SockProtocol::NetlinkNetFilter).ok()?;
        let mut found = None;
        let request = |sequence, out: &mut Vec<u8>| {
            conntrack::request(protocol, (from, to), sequence, out);
        };
        let asked = netlink.dump(request, &mut |payload| {
            found = conntrack::replies_from(payload);
        });
        asked.ok()?;
        let to = (to.ip().to_canonical(), to.port());
        found.filter(|it| (it.ip(), it.port()) != to)
    })
}

/// Adds what rules ask about interfaces whose addresses come from router advertisements.
fn add_autoconfiguration(network: &mut Network, netlink: &mut Netlink) {
    let mut learned: Vec<u32> = network
        .addresses
        .iter()
        .filter(|it| it.learned)
        .map(|it| it.interface)
        .collect();
    learned.sort_unstable();
    learned.dedup();
    if !learned.is_empty() {
        network.routes.extend(route(netlink, &BEYOND.into()));
    }
    for index in learned.into_iter().take(MOST_AUTOCONFIGURED) {
        let Some(name) = network.link(index).map(|link| link.name.clone()) else {
            continue;
        };
        for setting in ["accept_ra", "forwarding"] {
            // The name of an interface may have dots, so this is no sysctl(8) name to be translated.
            let path = format!("/proc/sys/net/ipv6/conf/{name}/{setting}");
            if let Ok(value) = fs::read_to_string(path) {
                let setting = format!("net.ipv6.conf.{name}.{setting}");
                network.settings.put(&setting, value.trim());
            }
        }
    }
}

/// No more interfaces than these are asked for their settings.
const MOST_AUTOCONFIGURED: usize = 64;

/// The packet filter of `nf_tables`.
fn firewall() -> io::Result<Firewall> {
    let mut netlink = Netlink::open(SockProtocol::NetlinkNetFilter)?;
    let mut firewall = Firewall::default();
    let complete = [
        kept(
            &mut netlink,
            Firewall::chains_request,
            Chain::read,
            &mut firewall.chains,
        )?,
        kept(
            &mut netlink,
            Firewall::rules_request,
            Rule::read,
            &mut firewall.rules,
        )?,
        kept(
            &mut netlink,
            Firewall::sets_request,
            Set::read,
            &mut firewall.sets,
        )?,
    ];
    firewall.incomplete = complete.contains(&false);
    let mut left = nftables::MOST;
    for set in &mut firewall.sets {
        let request = set.clone();
        let request = |sequence, out: &mut Vec<u8>| {
            Firewall::elements_request(&request, sequence, out);
        };
        let read = netlink.dump(request, &mut |payload| set.read_elements(payload, left));
        set.incomplete |= read.ok() != Some(Dumped::Complete);
        set.sort();
        left -= set.elements.len().min(left);
    }
    Ok(firewall)
}

/// Lists all objects of a kind of the packet filter, but no more than are kept; whether those are all.
fn kept<T>(
    netlink: &mut Netlink,
    request: fn(u32, &mut Vec<u8>),
    read: fn(&[u8]) -> Result<Option<T>, Malformed>,
    kept: &mut Vec<T>,
) -> io::Result<bool> {
    let mut complete = true;
    let dumped = netlink.dump(request, &mut |payload| match read(payload) {
        Ok(Some(value)) if kept.len() < nftables::MOST => kept.push(value),
        Ok(None) => {}
        _ => complete = false,
    })?;
    Ok(complete && dumped == Dumped::Complete)
}

/// All objects of a kind; an empty list where the kernel does not list them.
fn all<T>(
    netlink: &mut Netlink,
    request: fn(u32, &mut Vec<u8>),
    read: impl Fn(&[u8]) -> Result<Option<T>, Malformed>,
) -> Vec<T> {
    let mut found = Vec::new();
    let _ = netlink.dump(request, &mut |payload| {
        if let Ok(Some(value)) = read(payload)
            && found.len() < MOST
        {
            found.push(value);
        }
    });
    found
}

/// Adds the rules that chose tables of their own.
fn add_rules(network: &mut Network, netlink: &mut Netlink, asked: &[Question], by: Option<&str>) {
    let tables = network.routes.iter().filter_map(|it| match it.answer {
        RouteAnswer::Route(route) => Some((it.to, route.special_table()?)),
        RouteAnswer::Refused(_) => None,
    });
    let tables: Vec<(IpAddr, u32)> = tables.collect();
    if tables.is_empty() {
        return;
    }
    let rules = all(netlink, RoutingRule::request, RoutingRule::read);
    for (to, table) in tables {
        let asked = asked.iter().find(|it| it.to == to);
        let packet = Outgoing {
            to,
            from: asked.and_then(|it| it.from),
            by,
            end: asked.and_then(|it| it.end),
            user: super::users::own(),
        };
        let chosen = RoutingRule::chosen(&rules, &packet, table);
        network.chosen_by.extend(chosen.map(|it| (to, it.clone())));
    }
}

/// How an address is reached; `None`: the kernel does not tell.
fn route(netlink: &mut Netlink, asked: &Question) -> Option<RouteTo> {
    let to = asked.to;
    let mut route = None;
    let request = |sequence, out: &mut Vec<u8>| Route::request(asked, sequence, out);
    let asked = netlink.dump(request, &mut |payload| route = Route::read(payload).ok());
    let answer = match asked {
        Ok(_) => RouteAnswer::Route(route?),
        Err(error) => RouteAnswer::Refused(error.raw_os_error()?),
    };
    Some(RouteTo { to, answer })
}

/// Adds what could not be seen of the packet filters.
pub fn add_unseen(sample: &mut Sample) {
    let networks = &sample.networks;
    let hidden = networks.iter().any(|network| network.firewall.is_none());
    let mut legacy: Vec<&str> = networks
        .iter()
        .flat_map(|network| network.legacy_tables.iter().map(|name| &**name))
        .collect();
    legacy.sort_unstable();
    legacy.dedup();
    let hidden = hidden.then(|| {
        let text = if privilege::holds(&[Capability::NetAdmin]) {
            "firewall rules (nftables): the kernel does not list them; it may lack nf_tables"
        } else {
            "firewall rules (nftables); run as root (needs CAP_NET_ADMIN)"
        };
        ("firewall_hidden", text.to_owned())
    });
    let legacy = (!legacy.is_empty()).then(|| {
        let tables = legacy.join(", ");
        let text = format!(
            "firewall rules of iptables-legacy (tables {tables}): sockdoc reads nftables only"
        );
        ("iptables_legacy", text)
    });
    let no_proc = !Path::new("/proc/self/net").exists();
    let no_proc = no_proc.then(|| {
        let text =
            "processes, counters and limits: /proc is not mounted (mount -t proc proc /proc)";
        ("proc_missing", text.to_owned())
    });
    let notes = hidden.into_iter().chain(legacy).chain(no_proc);
    sample.notes.extend(notes.map(|(id, text)| Note {
        id: id.into(),
        text,
        incomplete: true,
    }));
}

/// Looks at what all namespaces share.
pub fn machine() -> Machine {
    let mut machine = Machine::default();
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    machine.read_softnet(&read("/proc/net/softnet_stat"));
    for table in ["arp_cache", "ndisc_cache"] {
        let text = read(&format!("/proc/net/stat/{table}"));
        machine.counters.read_per_cpu(table, &text);
    }
    if let Ok(text) = fs::read_to_string("/etc/resolv.conf") {
        machine.read_resolver(&text);
    }
    // Read one after the other: a jump of one of them shows as a difference.
    machine.up_ms = milliseconds(ClockId::CLOCK_BOOTTIME);
    machine.clock_ms = milliseconds(ClockId::CLOCK_REALTIME);
    machine
}

/// What a clock says; 0 if it cannot be read.
fn milliseconds(clock: ClockId) -> u64 {
    let time = clock_gettime(clock).map_or(Duration::ZERO, Duration::from);
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtnetlink::RouteKind;

    #[test]
    fn our_own_namespace_has_a_loopback_interface_counters_and_a_route_to_itself() {
        let own: IpAddr = [127, 0, 0, 1].into();
        let network = network(&[own]);
        let loopback = network.links.iter().find(|link| link.loopback).unwrap();
        assert_eq!(&*loopback.name, "lo");
        assert!(network.counters.get("TcpActiveOpens").is_some());
        assert!(network.settings.number("net.core.somaxconn").is_some());
        let Some(RouteAnswer::Route(route)) = network.route(own) else {
            panic!("{:?}", network.routes);
        };
        assert_eq!(route.kind, RouteKind::Local);
        assert_eq!(route.interface, Some(loopback.index));
    }

    #[test]
    fn the_machine_has_been_up_for_a_while() {
        let machine = machine();
        assert!(machine.up_ms > 0 && machine.clock_ms > machine.up_ms);
        assert!(machine.counters.get("softnet.processed").is_some());
    }
}
