//! The targets: the words of the command line and of a file, looked up.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::flags::Flags;
use crate::commands::serving::tell;
use crate::error::{Error, Kind, Result};
use crate::ping::target::{self, MOST_TARGETS, Range, Target, Word};
use crate::sys::files;
use crate::sys::resolve::{Family, interface_number, interfaces, resolve};

/// From one look-up of a name to the next.
const NAME_INTERVAL: Duration = Duration::from_secs(1);
/// The largest file of targets, in bytes.
const LARGEST_FILE: u64 = 64 << 20;

/// The targets.
pub(super) struct Gathered {
    /// At least one.
    pub(super) targets: Vec<Target>,
    /// Names among several that have no address: the others are asked all the same, as with fping.
    pub(super) unresolved: Vec<Error>,
}

/// The targets, at least one.
pub(super) fn gather(words: &[String], flags: &Flags) -> Result<Gathered> {
    let after_flag = flags.target_after_flag().map(str::to_owned);
    let mut words: Vec<String> = after_flag
        .into_iter()
        .chain(words.iter().cloned())
        .collect();
    if let Some(path) = &flags.targets.file {
        let bytes = files::read(path, LARGEST_FILE)?;
        let text = String::from_utf8_lossy(&bytes);
        words.extend(target::words(&text).map(str::to_owned));
    }
    let mut targets = Vec::new();
    let mut unresolved = Vec::new();
    for word in &words {
        match target::parse(word).map_err(|cause| usage(&cause))? {
            Word::Host(name) => match host_in_time(&name, flags) {
                Ok(found) => targets.extend(found),
                Err(error) => unresolved.push(error),
            },
            Word::Range(range) => {
                check(targets.len() as u128 + range.count())?;
                targets.extend(block(range, flags.family()));
            }
        }
        check(targets.len() as u128)?;
    }
    if targets.is_empty() {
        return Err(unresolved.pop().unwrap_or_else(|| {
            usage("no target given").next("name a host, for example: sockdoc ping 127.0.0.1")
        }));
    }
    Ok(Gathered {
        targets,
        unresolved,
    })
}

fn check(count: u128) -> Result<()> {
    if count <= MOST_TARGETS as u128 {
        return Ok(());
    }
    Err(usage(&format!("more than {MOST_TARGETS} targets"))
        .next("use a smaller block, or several runs"))
}

fn block(range: Range, family: Family) -> impl Iterator<Item = Target> {
    let fits = move |address: &IpAddr| match family {
        Family::Any => true,
        Family::V4 => address.is_ipv4(),
        Family::V6 => address.is_ipv6(),
    };
    range.addresses().filter(fits).map(Target::from)
}

/// The same as [`host`]; with `--wait-up` a name that does not resolve yet is asked for again, until the
/// deadline.
fn host_in_time(name: &str, flags: &Flags) -> Result<Vec<Target>> {
    let start = Instant::now();
    let mut is_told = false;
    loop {
        let error = match host(name, flags) {
            Ok(found) => return Ok(found),
            Err(error) => error,
        };
        let is_resolver = error.code.is_some_and(|code| code.starts_with("EAI_"));
        let left = flags
            .deadline()
            .map(|all| all.saturating_sub(start.elapsed()));
        if !flags.waits_until_up() || !is_resolver || left == Some(Duration::ZERO) {
            return Err(error);
        }
        if !std::mem::replace(&mut is_told, true) {
            tell(&format!(
                "waiting until the name resolves: {}",
                error.on_one_line()
            ));
        }
        std::thread::sleep(left.map_or(NAME_INTERVAL, |left| left.min(NAME_INTERVAL)));
    }
}

/// A name or an address.
fn host(name: &str, flags: &Flags) -> Result<Vec<Target>> {
    let mut addresses = resolve(name, 0, flags.family())?;
    if !flags.targets.all_addresses {
        addresses.truncate(1);
    }
    let several = addresses.len() > 1;
    addresses
        .iter()
        .map(|address| target_at(name, address, several, flags))
        .collect()
}

fn target_at(name: &str, address: &SocketAddr, several: bool, flags: &Flags) -> Result<Target> {
    let mut scope = match address {
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(address) => address.scope_id(),
    };
    if is_link_local(address.ip()) && scope == 0 {
        let device = flags.device().unwrap_or_default();
        scope = interface_number(device).ok_or_else(|| {
            let cause = "a link-local address needs its zone (the interface)";
            let zones = interfaces()
                .into_iter()
                .map(|name| format!("{}%{name}", address.ip()));
            let zones: Vec<String> = zones.collect();
            Error::new(Kind::CannotRun, "ask", cause)
                .on(name)
                .next(format!("add the interface: {}", zones.join(" or ")))
        })?;
    }
    // An unspecified address means this host (ip(7)), which answers from a loopback address.
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::from(std::net::Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    let typed = name.split_once('%').map(|(_, zone)| zone);
    let zone = typed.or(flags.device());
    let shown = match zone {
        Some(zone) if scope != 0 => format!("{ip}%{zone}"),
        _ => ip.to_string(),
    };
    Ok(Target {
        // With several addresses the name alone would not tell them apart.
        name: if several {
            format!("{name} ({ip})")
        } else {
            name.to_owned()
        },
        address: ip,
        scope,
        shown,
        is_broadcast: false,
    })
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

fn usage(cause: &str) -> Error {
    Error::new(Kind::CannotRun, "read the targets", cause)
        .next("a target is a name, an address, a block (10.0.0.0/24) or a range (10.0.0.1-9)")
}
