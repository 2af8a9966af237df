//! The network stack of a namespace, and what all of them share.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use super::counters::Counters;
use super::traced::Traced;
use crate::nftables::Firewall;
use crate::rtnetlink::{
    InterfaceAddress, Link, Neighbour, Qdisc, Reachability, Route, RoutingRule,
};
use crate::sockets::stored;

/// The network stack of one namespace at one moment. A part that was not read is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Network {
    /// Its counters.
    #[serde(default)]
    pub counters: Counters,
    /// Its settings: values of sysctl(8) by name.
    #[serde(default)]
    pub settings: Settings,
    /// Its interfaces.
    #[serde(default, deserialize_with = "stored::list")]
    pub links: Vec<Link>,
    /// Their addresses.
    #[serde(default, deserialize_with = "stored::list")]
    pub addresses: Vec<InterfaceAddress>,
    /// The neighbours that ARP and neighbour discovery know or look for.
    #[serde(default, deserialize_with = "stored::list")]
    pub neighbours: Vec<Neighbour>,
    /// The queues in which packets wait to be sent.
    #[serde(default, deserialize_with = "stored::list")]
    pub qdiscs: Vec<Qdisc>,
    /// The routes to peers that seem to be in trouble.
    #[serde(default, deserialize_with = "stored::list")]
    pub routes: Vec<RouteTo>,
    /// Protocols whose sockets use more memory than they should (`press` of /proc/net/protocols).
    #[serde(default, deserialize_with = "stored::list")]
    pub pressed: Vec<Box<str>>,
    /// Its packet filter; `None`: it could not be read.
    #[serde(default)]
    pub firewall: Option<Firewall>,
    /// What the kernel told while it was traced; `None`: it was not.
    #[serde(default)]
    pub traced: Option<Traced>,
    /// The rules that chose the tables of those routes that are in a table of its own, by the address.
    #[serde(skip)]
    pub chosen_by: Vec<(IpAddr, RoutingRule)>,
    /// Tables of iptables-legacy, whose rules cannot be read.
    #[serde(default, deserialize_with = "stored::list")]
    pub legacy_tables: Vec<Box<str>>,
}

/// What all network namespaces of a host share.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Machine {
    /// Counters that are not of one namespace: `arp_cache.table_fulls`, `softnet.dropped` ...
    #[serde(default)]
    pub counters: Counters,
    /// The name servers of /etc/resolv.conf; `None`: the file could not be read.
    pub nameservers: Option<Vec<IpAddr>>,
    /// Time since the host was started, in milliseconds. It goes on while the host sleeps.
    #[serde(default)]
    pub up_ms: u64,
    /// The time of day at the same moment, in milliseconds since 1970; 0: unknown.
    #[serde(default)]
    pub clock_ms: u64,
}

/// An address for which only a default route leads on: the first of those that are assigned (`2000::/3`).
pub const BEYOND: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0));

/// How an address is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTo {
    /// The address.
    pub to: IpAddr,
    /// The route.
    pub answer: RouteAnswer,
}

/// What the kernel says about a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteAnswer {
    /// Packets go this way.
    Route(Route),
    /// No route exists, or the route refuses the packet: an errno, such as `ENETUNREACH`.
    Refused(i32),
}

/// Values of sysctl(8) by name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Settings(BTreeMap<Box<str>, Box<str>>);

impl Settings {
    /// Adds one.
    pub fn put(&mut self, name: &str, value: &str) {
        self.0.insert(name.into(), value.into());
    }

    /// The value of one, if it is a single number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.0.get(name)?.parse().ok()
    }

    /// The numbers of one: `net.ipv4.tcp_mem` has three.
    pub fn numbers(&self, name: &str) -> Option<Vec<u64>> {
        let words = self.0.get(name)?.split_whitespace();
        words.map(|word| word.parse().ok()).collect()
    }
}

impl Network {
    /// The interface of an index.
    pub fn link(&self, index: u32) -> Option<&Link> {
        self.links.iter().find(|link| link.index == index)
    }

    /// How many packets of one client to one port tell of more than a stranger who tries it once: whoever is on this
    /// host, its links or in a private network is meant to be served, and the whole world tries the ports of a
    /// public address. A client of Linux sends two SYNs in the first second, one of Windows three.
    pub fn more_than_a_try(&self, client: IpAddr) -> u64 {
        let is_private = match client.to_canonical() {
            IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
            IpAddr::V6(ip) => {
                ip.is_unique_local() || ip.is_loopback() || ip.is_unicast_link_local()
            }
        };
        let is_near = is_private || self.addresses.iter().any(|own| own.covers(client));
        if is_near { 2 } else { 20 }
    }

    /// The addresses of an interface that came from router advertisements.
    pub fn learned(&self, interface: u32) -> impl Iterator<Item = &InterfaceAddress> {
        let addresses = self.addresses.iter();
        addresses.filter(move |it| it.learned && it.interface == interface)
    }

    /// How the kernel reaches an address, if it was asked.
    pub fn route(&self, to: IpAddr) -> Option<RouteAnswer> {
        let found = self.routes.iter().find(|route| route.to == to)?;
        Some(found.answer)
    }

    /// Whether a neighbour can be reached; `None`: nothing was sent to it lately.
    pub fn reachability(&self, interface: u32, address: IpAddr) -> Option<Reachability> {
        Some(self.neighbour(interface, address)?.reachability)
    }

    /// What is known of a neighbour.
    pub fn neighbour(&self, interface: u32, address: IpAddr) -> Option<&Neighbour> {
        let mut neighbours = self.neighbours.iter();
        neighbours.find(|it| it.interface == interface && it.address == address)
    }

    /// Reads the protocols of /proc/net/protocols that are under memory pressure.
    pub fn read_pressure(&mut self, text: &str) {
        let mut lines = text.lines().map(|line| line.split_whitespace());
        let Some(header) = lines.next() else { return };
        let Some(column) = header.clone().position(|name| name == "press") else {
            return;
        };
        self.pressed = lines
            .filter(|words| words.clone().nth(column) == Some("yes"))
            .filter_map(|mut words| words.next().map(Into::into))
            .take(64)
            .collect();
    }
}

impl Machine {
    /// Reads `/proc/net/softnet_stat`, one line of hexadecimal numbers for each CPU: packets processed, packets
    /// dropped, times out of budget.
    pub fn read_softnet(&mut self, text: &str) {
        let columns = "processed dropped squeezed";
        self.counters
            .read_per_cpu("softnet", &format!("{columns}\n{text}"));
    }

    /// Reads the name servers of /etc/resolv.conf (resolv.conf(5)).
    pub fn read_resolver(&mut self, text: &str) {
        let servers = text.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            if words.next() != Some("nameserver") {
                return None;
            }
            let address = words.next()?.split('%').next()?;
            address.parse().ok()
        });
        // glibc uses three; others a few more.
        self.nameservers = Some(servers.take(16).collect());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_under_pressure_are_read() {
        let mut network = Network::default();
        network.read_pressure(
            "protocol  size sockets  memory press maxhdr  slab\n\
             TCPv6     2568      2     100   yes     320   yes\n\
             UDP       1344      1       0   NI       0   yes\n\
             TCP       2432      9     100   yes     320   yes\n",
        );
        assert_eq!(network.pressed, ["TCPv6".into(), "TCP".into()]);
        network.read_pressure("");
        network.read_pressure("protocol size\n");
        assert_eq!(network.pressed.len(), 2);
    }

    #[test]
    fn softnet_is_summed_over_the_cpus() {
        let mut machine = Machine::default();
        machine.read_softnet("00000010 00000001 00000002 0\n0000000a 00000002 00000000 0\n");
        assert_eq!(machine.counters.get("softnet.processed"), Some(26));
        assert_eq!(machine.counters.get("softnet.dropped"), Some(3));
        assert_eq!(machine.counters.get("softnet.squeezed"), Some(2));
    }

    #[test]
    fn name_servers_are_read_and_nothing_else() {
        let mut machine = Machine::default();
        machine.read_resolver(
            "# nameserver 10.0.0.9\nnameserver 10.0.0.1\nsearch x\nnameserver fe80::1%eth0\n",
        );
        let servers = machine.nameservers.unwrap();
        assert_eq!(servers.len(), 2);
        assert_eq!(servers[0], IpAddr::from([10, 0, 0, 1]));
    }

    #[test]
    fn settings_are_numbers() {
        let mut settings = Settings::default();
        settings.put("net.ipv4.ip_local_port_range", "32768 60999");
        assert_eq!(settings.number("net.ipv4.ip_local_port_range"), None);
        let range = settings.numbers("net.ipv4.ip_local_port_range");
        assert_eq!(range, Some(vec![32768, 60999]));
        assert_eq!(settings.number("absent"), None);
    }
}
