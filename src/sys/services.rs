//! The ports of services by their names (services(5)).

use std::collections::HashMap;
use std::fs;
use std::sync::OnceLock;

/// Known where a host has no /etc/services.
const WELL_KNOWN: [(&str, u16); 12] = [
    ("ftp", 21),
    ("ssh", 22),
    ("smtp", 25),
    ("domain", 53),
    ("http", 80),
    ("ntp", 123),
    ("imap", 143),
    ("ldap", 389),
    ("https", 443),
    ("imaps", 993),
    ("mysql", 3306),
    ("postgresql", 5432),
];

/// The port of a service; `None` if no service has that name.
pub fn port_of(name: &str) -> Option<u16> {
    static SERVICES: OnceLock<HashMap<String, u16>> = OnceLock::new();
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || name.parse::<u16>().is_ok() {
        return None;
    }
    let read = || listed(&fs::read_to_string("/etc/services").unwrap_or_default());
    SERVICES.get_or_init(read).get(name).copied()
}

/// The services of the file and those that are well known; the first entry of a name counts.
fn listed(text: &str) -> HashMap<String, u16> {
    let mut services = HashMap::new();
    for line in text.lines() {
        let mut fields = line
            .split('#')
            .next()
            .unwrap_or_default()
            .split_whitespace();
        let (Some(name), Some(port)) = (fields.next(), fields.next()) else {
            continue;
        };
        let Some(Ok(port)) = port.split('/').next().map(str::parse) else {
            continue;
        };
        for name in std::iter::once(name).chain(fields) {
            services.entry(name.to_owned()).or_insert(port);
        }
    }
    for (name, port) in WELL_KNOWN {
        services.entry(name.to_owned()).or_insert(port);
    }
    services
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_found_by_its_name_and_its_aliases() {
        let services =
            listed("# comment\nhttp\t8080/tcp  www # web\nbad\nodd x/tcp\nhttp 81/udp\n");
        for (name, port) in [("http", 8080), ("www", 8080), ("ssh", 22)] {
            assert_eq!(services.get(name), Some(&port), "{name}");
        }
        assert!(!services.contains_key("odd") && !services.contains_key("bad"));
        assert_eq!(port_of("80"), None);
    }
}
