//! A closer look at a name that was looked up.

use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Instant;

use super::Family;
use super::files::bounded;
use super::lookup::ask_all;
use super::query::{ask_back, ask_with_edns};
use crate::dns::{Closer, Lookup, NameServer, ResolverConfig};

/// Addresses whose names are looked for.
const MOST_BACK: usize = 4;
/// Where systemd-resolved listens (systemd-resolved.service(8)).
const STUBS: [IpAddr; 2] = [
    IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 53)),
    IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 54)),
];

/// Looks closer at a name that was looked up: its modules, EDNS, the names of its addresses, and the servers that
/// systemd-resolved asks.
pub fn look_closer(lookup: &Lookup, family: Family, deadline: Instant) -> Closer {
    let mut closer = Closer {
        modules: modules(lookup),
        ..Closer::default()
    };
    let asked = lookup.servers.iter().filter(|server| server.is_alive());
    let alive: Vec<_> = asked
        .filter_map(|server| Some((server.address, &server.asked.first()?.name)))
        .collect();
    let ips = lookup.addresses().iter().map(SocketAddr::ip);
    let ips: Vec<IpAddr> = ips.filter(|it| !it.is_loopback()).take(MOST_BACK).collect();
    let behind = behind_the_stub(lookup);
    std::thread::scope(|scope| {
        let edns: Vec<_> = alive
            .iter()
            .map(|&(server, name)| {
                scope.spawn(move || (server.ip(), ask_with_edns(server, name, deadline)))
            })
            .collect();
        let first = alive.first().map(|(server, _)| *server);
        let back: Vec<_> = ips
            .iter()
            .filter_map(|&ip| Some((first?, ip)))
            .map(|(server, ip)| scope.spawn(move || ask_back(server, ip, deadline)))
            .collect();
        if lookup.not_asked.is_none() {
            closer.behind = ask_all(&behind, lookup, family, deadline);
        }
        closer.edns = edns.into_iter().filter_map(|it| it.join().ok()).collect();
        closer.back = back.into_iter().filter_map(|it| it.join().ok()).collect();
    });
    closer
}

/// The sources that are modules of the C library, and whether they are installed.
fn modules(lookup: &Lookup) -> Vec<(String, bool)> {
    let sources = lookup.sources.iter().flatten();
    // These two are part of the C library itself (glibc 2.34).
    let modules =
        sources.filter(|it| !it.starts_with('[') && !["files", "dns"].contains(&it.as_str()));
    let is_there = |name: &str| {
        let file = format!("libnss_{name}.so.2");
        let arch = format!("{}-linux-gnu", std::env::consts::ARCH);
        let folders = [
            format!("lib/{arch}"),
            format!("usr/lib/{arch}"),
            "lib64".into(),
            "usr/lib64".into(),
            "lib".into(),
            "usr/lib".into(),
        ];
        folders
            .iter()
            .any(|folder| Path::new("/").join(folder).join(&file).exists())
    };
    modules
        .filter(|name| !name.contains('/'))
        .map(|name| (name.clone(), is_there(name)))
        .collect()
}

/// The servers that systemd-resolved asks, if its own address is among those of resolv.conf(5).
fn behind_the_stub(lookup: &Lookup) -> Vec<NameServer> {
    let is_stub = |server: &NameServer| STUBS.contains(&server.ip);
    if !lookup.config.used().iter().any(is_stub) {
        return Vec::new();
    }
    let text = bounded(File::open("/run/systemd/resolve/resolv.conf").ok());
    let mut servers = ResolverConfig::read(&text, "").servers;
    servers.retain(|server| !is_stub(server));
    servers
}
