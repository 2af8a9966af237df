//! The names of ports.

use std::collections::HashMap;

/// Names of ports, as `/etc/services` has them (`services(5)`).
#[derive(Debug, Clone, Default)]
pub struct Services {
    names: HashMap<Box<str>, Ports>,
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, Default)]
struct Ports {
    tcp: Option<u16>,
    udp: Option<u16>,
}

/// A port by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) port: u16,
    /// The only protocol that has the name, as its number; `None` for both.
    pub(super) only: Option<u8>,
}

const TCP: u8 = 6;
const UDP: u8 = 17;

impl Services {
    /// Reads the text of `/etc/services`; lines that are not understood are passed over.
    pub fn parse(text: &str) -> Services {
        let mut services = Services::default();
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_whitespace();
            if let Some(name) = words.next()
                && let Some((port, protocol)) = words.next().and_then(|word| word.split_once('/'))
                && let Ok(port) = port.parse()
            {
                for name in std::iter::once(name).chain(words) {
                    services.add(name, port, protocol);
                }
            }
        }
        services
    }

    /// The first line with a name is the one that counts.
    fn add(&mut self, name: &str, port: u16, protocol: &str) {
        let ports = self.names.entry(name.into()).or_default();
        let place = match protocol {
            "tcp" => &mut ports.tcp,
            "udp" => &mut ports.udp,
            _ => return,
        };
        place.get_or_insert(port);
    }

    /// The port of a name. Where the protocols have different ones, that of TCP is taken, as libpcap
    /// does.
    pub(super) fn port(&self, name: &str) -> Option<Service> {
        let ports = self.names.get(name)?;
        match (ports.tcp, ports.udp) {
            (Some(tcp), Some(udp)) if tcp == udp => Some(Service {
                port: tcp,
                only: None,
            }),
            (Some(port), _) => Some(Service {
                port,
                only: Some(TCP),
            }),
            (None, Some(port)) => Some(Service {
                port,
                only: Some(UDP),
            }),
            (None, None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_aliases_are_found_with_what_protocols_they_have() {
        let services = Services::parse(
            "# a comment\n\
             domain\t53/tcp\t# name-domain server\n\
             domain\t53/udp\n\
             http  80/tcp  www # WorldWideWeb\n\
             bootps 67/udp\n\
             odd 1/sctp\n\
             split 5/tcp\nsplit 6/udp\n\
             broken\nbroken2 x/tcp\n",
        );
        let found = |name: &str| services.port(name).map(|s| (s.port, s.only));
        assert_eq!(found("domain"), Some((53, None)));
        assert_eq!(found("www"), Some((80, Some(TCP))));
        assert_eq!(found("bootps"), Some((67, Some(UDP))));
        assert_eq!(found("split"), Some((5, Some(TCP))));
        for name in ["odd", "broken", "broken2", "nothing", "#"] {
            assert_eq!(found(name), None, "{name}");
        }
    }
}
