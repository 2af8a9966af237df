//! All that this host can learn of a name: what programs get, the files, and each name server by itself.

use std::fs;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use super::query::ask;
use super::{Family, addresses_of, interface_number};
use crate::dns::config::host_sources;
use crate::dns::hosts::entries;
use crate::dns::{Lookup, NameServer, QueryType, ResolverConfig, ServerAnswers, SystemAnswer};
use crate::error::{Error, Kind, Result};
use crate::sys::privilege;

/// Of a file no more is read.
const MOST_BYTES: u64 = 4 << 20;
/// The port of name servers.
const PORT: u16 = 53;

/// Looks a name up as programs do, and asks each name server by itself at the same time. The code of the C
/// library runs in a thread without any capability.
///
/// # Errors
/// When the name is not one, and nothing was looked up.
pub fn look_up(name: &str, family: Family, timeout: Duration, ask_servers: bool) -> Result<Lookup> {
    let start = Instant::now();
    let deadline = start + timeout;
    let mut lookup = read_files(name);
    let (answer, answered) = channel();
    let owned = name.to_owned();
    // If it hangs it ends with the program.
    std::thread::Builder::new()
        .name("getaddrinfo".to_owned())
        .spawn(move || {
            let result = privilege::drop_all().and_then(|()| addresses_of(&owned, 0, family));
            let _ = answer.send((result, start.elapsed()));
        })
        .map_err(|error| Error::os(Kind::CannotRun, "start a thread", &error))?;
    lookup.not_asked = why_not_asked(&lookup, ask_servers);
    if lookup.not_asked.is_none() {
        lookup.servers = ask_each(&lookup, family, deadline);
    }
    let left = deadline.saturating_duration_since(Instant::now());
    let (result, time) = answered
        .recv_timeout(left)
        .map_or((None, start.elapsed()), |(result, time)| {
            (Some(result), time)
        });
    lookup.time = time;
    lookup.system = match result {
        None => SystemAnswer::Pending,
        Some(Ok((addresses, canonical))) => SystemAnswer::Addresses {
            addresses,
            canonical: canonical.filter(|it| !it.eq_ignore_ascii_case(name)),
        },
        Some(Err(error)) => match error.code {
            Some(code) => SystemAnswer::Failed {
                code,
                cause: error.cause,
                next: error.next,
            },
            // Not looked up: it looks like an address, and is not one.
            None => return Err(error),
        },
    };
    Ok(lookup)
}

/// The address of this host from which packets to an address would be sent; an errno if none would. It sends
/// none.
pub fn source_of(address: SocketAddr) -> std::result::Result<IpAddr, i32> {
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    // Port 0 is not a port that a socket can be connected to.
    let to = SocketAddr::new(address.ip(), address.port().max(1));
    let to = match (to, address) {
        (SocketAddr::V6(mut to), SocketAddr::V6(address)) => {
            to.set_scope_id(address.scope_id());
            to.into()
        }
        (to, _) => to,
    };
    let own = || {
        let socket = UdpSocket::bind(any)?;
        socket.connect(to)?;
        socket.local_addr()
    };
    own()
        .map(|own| own.ip())
        .map_err(|error| error.raw_os_error().unwrap_or(0))
}

/// What the files say.
fn read_files(name: &str) -> Lookup {
    let own = text("/proc/sys/kernel/hostname");
    let mut config = ResolverConfig::read(&text("/etc/resolv.conf"), own.trim());
    let options = std::env::var("RES_OPTIONS").unwrap_or_default();
    options.split_whitespace().for_each(|word| config.set(word));
    Lookup {
        name: name.to_owned(),
        system: SystemAnswer::Pending,
        time: Duration::ZERO,
        sources: host_sources(&text("/etc/nsswitch.conf")),
        hosts: entries(&text("/etc/hosts"), name),
        config,
        servers: Vec::new(),
        not_asked: None,
    }
}

/// A text file, or as much of it as is read; an absent one is empty.
fn text(path: &str) -> String {
    let mut bytes = Vec::new();
    if let Ok(file) = fs::File::open(path) {
        let _ = file.take(MOST_BYTES).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn why_not_asked(lookup: &Lookup, ask_servers: bool) -> Option<&'static str> {
    let name = lookup.name.trim_end_matches('.').to_ascii_lowercase();
    if lookup.name.parse::<IpAddr>().is_ok() || lookup.name.contains(':') {
        Some("an address needs no name server")
    } else if name == "localhost" || name.ends_with(".localhost") {
        Some("localhost is not a name of the DNS (RFC 6761)")
    } else if !ask_servers {
        Some("left out by --quiet-network")
    } else if lookup.config.candidates(&name).is_empty() {
        Some("no DNS name can be like this")
    } else {
        None
    }
}

/// Asks each server that the C library uses, all at once.
fn ask_each(lookup: &Lookup, family: Family, deadline: Instant) -> Vec<ServerAnswers> {
    let kinds: &[QueryType] = match family {
        Family::Any => &[QueryType::A, QueryType::Aaaa],
        Family::V4 => &[QueryType::A],
        Family::V6 => &[QueryType::Aaaa],
    };
    let names = lookup.config.candidates(&super::in_ascii(&lookup.name));
    let names = &names;
    std::thread::scope(|scope| {
        let used = lookup.config.used();
        let running: Vec<_> = used
            .iter()
            .map(|server| {
                let address = socket_address(server);
                scope.spawn(move || ask(address, names, kinds, deadline))
            })
            .collect();
        running
            .into_iter()
            .filter_map(|it| it.join().ok())
            .collect()
    })
}

fn socket_address(server: &NameServer) -> SocketAddr {
    match (server.ip, &server.zone) {
        (IpAddr::V6(ip), Some(zone)) => {
            let zone = interface_number(zone).or_else(|| zone.parse().ok());
            SocketAddrV6::new(ip, PORT, 0, zone.unwrap_or(0)).into()
        }
        (ip, _) => (ip, PORT).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_and_localhost_are_not_asked_of_a_name_server() {
        for name in ["127.0.0.1", "::1", "localhost"] {
            let found = look_up(name, Family::Any, Duration::from_secs(30), true).unwrap();
            assert!(
                found.not_asked.is_some() && found.servers.is_empty(),
                "{name}"
            );
            assert!(
                found.addresses().iter().all(|it| it.ip().is_loopback()),
                "{name}: {:?}",
                found.system
            );
        }
        let error = look_up("300.1.1.1", Family::Any, Duration::from_secs(30), true).unwrap_err();
        assert!(error.cause.contains("not an IPv4 address"), "{error}");
    }
}
