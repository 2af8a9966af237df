//! Addresses and names taken out of a sample, so that it can be shown to others.
//!
//! The same address is replaced by the same other one, so that the diagnosis stays what it was. Loopback,
//! unspecified, multicast and broadcast addresses stay: they say nothing of the host. Names of programs, ports
//! and interfaces stay too, since findings are about them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::network::{BEYOND, Network, RouteAnswer};
use super::sample::Sample;
use crate::nftables::Firewall;
use crate::nftables::rule::{Condition, Field};
use crate::sockets::Address;

/// Replaces addresses; one for all samples that belong together.
#[derive(Debug, Default)]
pub struct Redactor {
    addresses: HashMap<IpAddr, IpAddr>,
    names: HashMap<Box<[u8]>, Box<[u8]>>,
}

impl Redactor {
    /// Replaces the addresses of a sample, the names of its Unix sockets, and takes out command lines, control
    /// groups and the addresses in firewall rules.
    pub fn redact(&mut self, sample: &mut Sample) {
        for socket in &mut sample.sockets {
            self.end(&mut socket.local);
            self.end(&mut socket.peer);
        }
        sample.owners.forget_command_lines();
        for namespace in &mut sample.namespaces {
            if namespace.label.starts_with('/') {
                namespace.label = format!("inode {}", namespace.inode);
            }
        }
        for network in &mut sample.networks {
            self.network(network);
        }
        let machine = sample.machine.as_mut();
        let servers = machine.and_then(|machine| machine.nameservers.as_mut());
        for server in servers.into_iter().flatten() {
            self.ip(server);
        }
    }

    /// The address that this one is replaced by.
    pub fn address(&mut self, mut address: IpAddr) -> IpAddr {
        self.ip(&mut address);
        address
    }

    fn network(&mut self, network: &mut Network) {
        for link in &mut network.links {
            link.hardware = None;
        }
        for address in &mut network.addresses {
            self.ip(&mut address.address);
        }
        for neighbour in &mut network.neighbours {
            self.ip(&mut neighbour.address);
            neighbour.hardware = None;
        }
        for route in &mut network.routes {
            self.ip(&mut route.to);
            if let RouteAnswer::Route(route) = &mut route.answer {
                let both = [&mut route.gateway, &mut route.source];
                for ip in both.into_iter().flatten() {
                    self.ip(ip);
                }
            }
        }
        if let Some(traced) = &mut network.traced {
            for flow in &mut traced.flows {
                self.ip(&mut flow.source);
                self.ip(&mut flow.destination.0);
            }
            for lookup in &mut traced.lookups {
                self.ip(&mut lookup.to);
                lookup.from.iter_mut().for_each(|ip| self.ip(ip));
            }
            let of_calls = traced.calls.iter_mut().filter_map(|it| it.address.as_mut());
            let resets = traced.resets.iter_mut();
            let of_resets = resets.flat_map(|it| [&mut it.local, &mut it.peer]);
            for address in of_calls.chain(of_resets) {
                let mut ip = address.ip();
                self.ip(&mut ip);
                address.set_ip(ip);
            }
        }
        if let Some(firewall) = &mut network.firewall {
            without_addresses(firewall);
        }
    }

    fn end(&mut self, end: &mut Address) {
        match end {
            Address::Ip { addr, .. } => self.ip(addr),
            Address::Unix { name, .. } if !name.is_empty() => {
                let number = self.names.len() + 1;
                let start = if name[0] == 0 {
                    "\0redacted-"
                } else {
                    "/redacted/"
                };
                let new = || format!("{start}{number}").into_bytes().into();
                let known = self.names.entry(name.clone()).or_insert_with(new);
                name.clone_from(known);
            }
            _ => {}
        }
    }

    fn ip(&mut self, ip: &mut IpAddr) {
        let plain = ip.to_canonical();
        let says_nothing = plain.is_loopback()
            || plain.is_unspecified()
            || plain.is_multicast()
            || plain == IpAddr::V4(Ipv4Addr::BROADCAST)
            || plain == BEYOND;
        if says_nothing {
            return;
        }
        let number = u32::try_from(self.addresses.len() + 1).unwrap_or(u32::MAX);
        let new = *self.addresses.entry(plain).or_insert_with(|| match plain {
            // The upper half of 10.0.0.0/8 has room for 8 million, and few hosts to be mistaken for.
            IpAddr::V4(_) => Ipv4Addr::from(0x0a80_0000 | number & 0x007f_ffff).into(),
            IpAddr::V6(own) => {
                let link_local = own.is_unicast_link_local();
                let start = if link_local { 0xfe80 } else { 0xfd00 };
                Ipv6Addr::from(start << 112 | u128::from(number)).into()
            }
        });
        *ip = match (*ip, new) {
            (IpAddr::V6(_), IpAddr::V4(new)) => new.to_ipv6_mapped().into(),
            (_, new) => new,
        };
    }
}

/// What is left of a rule that asks for an address cannot be told any more.
fn without_addresses(firewall: &mut Firewall) {
    let is_network =
        |field: &Field| matches!(field, Field::Header(0 | 1, _, length) if *length > 1);
    for rule in &mut firewall.rules {
        for condition in &mut rule.conditions {
            let has_address = match condition {
                Condition::Compare { field, .. } | Condition::Range { field, .. } => {
                    is_network(field)
                }
                Condition::In { fields, .. } => fields.iter().any(is_network),
                Condition::Ports(..) | Condition::Other(_) => false,
            };
            if has_address {
                *condition = Condition::Other("address".into());
            }
        }
    }
    for set in &mut firewall.sets {
        // Ports and marks are short.
        if set.key_bytes >= 4 {
            set.elements.clear();
            set.incomplete = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Namespace, RouteTo};
    use crate::rtnetlink::InterfaceAddress;
    use crate::sockets::testing::{owners, tcp, unix};
    use crate::sockets::{Proto, State};

    #[test]
    fn no_address_and_no_path_is_left_and_what_was_the_same_is_the_same() {
        let secret: IpAddr = [203, 0, 113, 9].into();
        let mut sample = Sample {
            sockets: vec![
                tcp("203.0.113.9:80", "[::ffff:203.0.113.9]:9"),
                tcp("[2001:db8::1]:80", "127.0.0.1:9"),
                unix(Proto::UnixStr, State::Listen, b"/run/secret", 7, 0),
                unix(Proto::UnixStr, State::Established, b"\0secret", 8, 0),
            ],
            owners: owners(&[(7, "web", Some("web\0--password=secret\0"), &[7])]),
            namespaces: vec![Namespace::new(5, "/run/secret")],
            networks: vec![Network {
                addresses: vec![InterfaceAddress {
                    interface: 2,
                    address: secret,
                    prefix: 24,
                    duplicate: false,
                    learned: false,
                    deprecated: false,
                }],
                routes: vec![RouteTo {
                    to: secret,
                    answer: RouteAnswer::Refused(101),
                }],
                ..Network::default()
            }],
            ..Sample::default()
        };
        Redactor::default().redact(&mut sample);
        let mut written = Vec::new();
        sample.write(&mut written).unwrap();
        let text = String::from_utf8(written).unwrap();
        for word in ["203.0", "2001", "secret", "cb00:7109"] {
            assert!(!text.contains(word), "{word}: {text}");
        }
        assert!(
            text.contains("\"web\"") && text.contains("127.0.0.1"),
            "{text}"
        );
        let own = sample.networks[0].addresses[0].address;
        assert_eq!(sample.sockets[0].local.ip(), Some(own));
        assert_eq!(sample.sockets[0].peer.ip(), Some(own));
        assert_eq!(sample.networks[0].routes[0].to, own);
    }

    #[test]
    fn a_rule_keeps_its_ports_and_loses_its_addresses() {
        let compare = |field, value: &[u8]| Condition::Compare {
            field,
            mask: Vec::new(),
            comparison: crate::nftables::rule::Comparison::Equal,
            value: value.to_vec(),
        };
        let mut firewall = Firewall {
            rules: vec![crate::nftables::Rule {
                family: crate::nftables::Family::Inet,
                table: "q".into(),
                chain: "c".into(),
                handle: 1,
                conditions: vec![
                    compare(Field::Header(1, 16, 4), &[203, 0, 113, 9]),
                    compare(Field::Header(2, 2, 2), &[0, 80]),
                ],
                verdict: crate::nftables::Verdict::Drop,
                packets: None,
            }],
            ..Firewall::default()
        };
        without_addresses(&mut firewall);
        assert_eq!(
            firewall.text(&firewall.rules[0]),
            "[address] th dport 80 drop"
        );
    }
}
