//! All that this host can learn of a name: what programs get, the files, and each name server by itself.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use super::files::Files;
use super::query::ask;
use super::{Family, addresses_of, getent, interface_number, numeric, refuse_malformed};
use crate::dns::choice::{self, Candidate};
use crate::dns::config::{ends_before_dns, host_sources};
use crate::dns::hosts::entries;
use crate::dns::lookup::Outcome;
use crate::dns::{
    Asked, Lookup, NameServer, QueryType, Resolver, ResolverConfig, ServerAnswers, SystemAnswer,
};
use crate::error::{Error, Kind, Result};
use crate::sys::privilege;

/// The port of name servers.
const PORT: u16 = 53;

/// What is looked up.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// The name.
    pub name: &'a str,
    /// Which addresses.
    pub family: Family,
    /// How long it may take.
    pub timeout: Duration,
    /// Whether each name server is asked by itself.
    pub asks_servers: bool,
    /// The files of the resolver.
    pub files: Files,
}

/// Looks a name up as programs do, and asks each name server by itself at the same time. The code of the C
/// library runs in a thread without any capability.
///
/// # Errors
/// When the name is not one, and nothing was looked up.
pub fn look_up(wanted: &Wanted<'_>) -> Result<Lookup> {
    refuse_malformed(wanted.name)?;
    if let Some(address) = numeric(wanted.name).filter(|it| !wanted.family.includes(*it)) {
        let (is, flag) = if address.is_ipv4() {
            ("an IPv4 address", "-6 asks for IPv6 only")
        } else {
            ("an IPv6 address", "-4 asks for IPv4 only")
        };
        let cause = format!("it is {is}, and {flag}");
        return Err(Error::new(Kind::CannotRun, "use the address", cause)
            .on(wanted.name)
            .next("leave the flag out, or give the name of the host"));
    }
    let start = Instant::now();
    let deadline = start + wanted.timeout;
    let mut lookup = read_files(wanted);
    // Without the C library nobody else asks them.
    let asks = wanted.asks_servers || lookup.resolver == Resolver::WorkedOut;
    lookup.not_asked = why_not_asked(&lookup, wanted.family, asks);
    let used = lookup.config.used();
    if lookup.resolver == Resolver::WorkedOut {
        if lookup.not_asked.is_none() {
            lookup.servers = ask_all(&used, &lookup, wanted.family, deadline);
        }
        lookup.system = work_out(&lookup, wanted);
        lookup.time = start.elapsed();
        return Ok(lookup);
    }
    let (answer, answered) = channel();
    let (owned, family) = (wanted.name.to_owned(), wanted.family);
    // If it hangs it ends with the program.
    std::thread::Builder::new()
        .name("getaddrinfo".to_owned())
        .spawn(move || {
            let result = privilege::drop_all().and_then(|()| ask_system(&owned, family, deadline));
            let _ = answer.send((result, start.elapsed()));
        })
        .map_err(|error| Error::os(Kind::CannotRun, "start a thread", &error))?;
    if lookup.not_asked.is_none() {
        lookup.servers = ask_all(&used, &lookup, wanted.family, deadline);
    }
    let left = deadline.saturating_duration_since(Instant::now());
    let (result, time) = answered
        .recv_timeout(left)
        .map_or((None, start.elapsed()), |(result, time)| {
            (Some(result), time)
        });
    lookup.time = time;
    if let Some(result) = result {
        (lookup.system, lookup.resolver) = result?;
    }
    Ok(lookup)
}

/// Asks the resolver of this host, and says which.
fn ask_system(name: &str, family: Family, deadline: Instant) -> Result<(SystemAnswer, Resolver)> {
    if getent::IS_STATIC
        && name.parse::<IpAddr>().is_err()
        && let Some(answer) = getent::ask(name, family, deadline)
    {
        return Ok((answer, Resolver::Getent));
    }
    let answer = match addresses_of(name, 0, family) {
        Ok((addresses, canonical)) => SystemAnswer::Addresses {
            addresses,
            canonical: canonical.filter(|it| !it.eq_ignore_ascii_case(name)),
        },
        Err(error) => match error.code {
            Some(code) => SystemAnswer::Failed {
                code,
                cause: error.cause,
                next: error.next,
            },
            // Not looked up: it looks like an address, and is not one.
            None => return Err(error),
        },
    };
    let resolver = if getent::IS_STATIC {
        Resolver::Static
    } else {
        Resolver::CLibrary
    };
    Ok((answer, resolver))
}

/// What the files and the name servers come to: the first source that has an address, and otherwise the failure that
/// the C library would report.
fn work_out(lookup: &Lookup, wanted: &Wanted<'_>) -> SystemAnswer {
    let mut failure = "EAI_NONAME";
    let sources = lookup.sources.as_ref();
    let ends = sources.and_then(|it| ends_before_dns(it, wanted.name));
    if numeric(wanted.name).is_some()
        && let Ok((addresses, canonical)) = addresses_of(wanted.name, 0, wanted.family)
    {
        return SystemAnswer::Addresses {
            addresses,
            canonical,
        };
    }
    let ips: Vec<IpAddr> = if let Some(of_files) = of_files(lookup, wanted.family) {
        of_files
    } else if wanted.name == "localhost" && knows_localhost(lookup) {
        let both = [Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()];
        both.into_iter()
            .filter(|it| wanted.family.includes(*it))
            .collect()
    } else if lookup.uses("dns") && ends.is_none() {
        of_servers(lookup, wanted.family).unwrap_or_else(|code| {
            failure = code;
            Vec::new()
        })
    } else {
        Vec::new()
    };
    let candidate = |to: IpAddr| Candidate {
        to,
        from: source_of(SocketAddr::new(to, 0)).ok(),
    };
    let mut candidates: Vec<Candidate> = ips.into_iter().map(candidate).collect();
    choice::sort(&mut candidates);
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for it in candidates {
        let address = SocketAddr::new(it.to, 0);
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        let cause = match failure {
            "EAI_AGAIN" => "no name server of that namespace gives an answer",
            "EAI_NODATA" => "the name exists, and has no such address",
            _ => "neither the hosts file nor a name server of that namespace has an address",
        };
        return SystemAnswer::Failed {
            code: failure,
            cause: cause.to_owned(),
            next: None,
        };
    }
    SystemAnswer::Addresses {
        addresses,
        canonical: None,
    }
}

/// The addresses that hosts(5) has, as the C library reads it: `::1` stands for 127.0.0.1, too. `None`: the name
/// servers are asked.
fn of_files(lookup: &Lookup, family: Family) -> Option<Vec<IpAddr>> {
    if !lookup.uses("files") {
        return None;
    }
    let all = lookup.hosts.iter().map(|it| match (it.address, family) {
        (IpAddr::V6(Ipv6Addr::LOCALHOST), Family::V4) => Ipv4Addr::LOCALHOST.into(),
        (address, _) => address,
    });
    let found: Vec<IpAddr> = all.filter(|it| family.includes(*it)).collect();
    (!found.is_empty()).then_some(found)
}

/// What the name servers come to, each asked if those before it fail; or the failure of getaddrinfo(3).
fn of_servers(lookup: &Lookup, family: Family) -> std::result::Result<Vec<IpAddr>, &'static str> {
    // SERVFAIL, NOTIMP and REFUSED send it to the next server (`res_send.c` of glibc).
    let is_answer = |asked: &Asked| {
        let outcome = asked.outcome();
        matches!(
            outcome,
            Outcome::Addresses(_) | Outcome::NoData | Outcome::NoSuchName
        )
    };
    let gives = |server: &&ServerAnswers| server.asked.iter().any(is_answer);
    let Some(server) = lookup.servers.iter().find(gives) else {
        return Err("EAI_AGAIN");
    };
    let mut found = server.addresses();
    found.retain(|ip| family.includes(*ip));
    let exists = |asked: &Asked| asked.outcome() == Outcome::NoData;
    match (found.is_empty(), server.asked.iter().any(exists)) {
        (false, _) => Ok(found),
        (true, true) => Err("EAI_NODATA"),
        (true, false) => Err("EAI_NONAME"),
    }
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
fn read_files(wanted: &Wanted<'_>) -> Lookup {
    let Wanted { name, files, .. } = wanted;
    let own = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let mut config = ResolverConfig::read(&files.text("resolv.conf"), own.trim());
    let options = std::env::var("RES_OPTIONS").unwrap_or_default();
    options.split_whitespace().for_each(|word| config.set(word));
    let resolver = match files {
        Files::Own => Resolver::CLibrary,
        _ => Resolver::WorkedOut,
    };
    Lookup {
        name: (*name).to_owned(),
        system: SystemAnswer::Pending,
        resolver,
        time: Duration::ZERO,
        sources: host_sources(&files.text("nsswitch.conf")),
        hosts: entries(&files.text("hosts"), name),
        config,
        servers: Vec::new(),
        not_asked: None,
    }
}

/// Whether a source has localhost without a file (nss-myhostname(8), nss-resolve(8)).
fn knows_localhost(lookup: &Lookup) -> bool {
    lookup.uses("myhostname") || lookup.uses("resolve")
}

fn why_not_asked(lookup: &Lookup, family: Family, ask_servers: bool) -> Option<&'static str> {
    let name = lookup.name.trim_end_matches('.').to_ascii_lowercase();
    let is_localhost = name == "localhost" || name.ends_with(".localhost");
    if numeric(&lookup.name).is_some() || lookup.name.contains(':') {
        Some("an address needs no name server")
    } else if is_localhost && (knows_localhost(lookup) || of_files(lookup, family).is_some()) {
        Some("a source before the DNS has localhost")
    } else if !ask_servers {
        Some("left out by --quiet-network")
    } else if lookup.config.candidates(&name).is_empty() {
        Some("no DNS name can be like this")
    } else {
        None
    }
}

/// Asks each of these servers, all at once.
pub(super) fn ask_all(
    servers: &[NameServer],
    lookup: &Lookup,
    family: Family,
    deadline: Instant,
) -> Vec<ServerAnswers> {
    let kinds: &[QueryType] = match family {
        Family::Any => &[QueryType::A, QueryType::Aaaa],
        Family::V4 => &[QueryType::A],
        Family::V6 => &[QueryType::Aaaa],
    };
    let names = lookup.config.candidates(&super::in_ascii(&lookup.name));
    let names = &names;
    std::thread::scope(|scope| {
        let running: Vec<_> = servers
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
        let wanted = |name| Wanted {
            name,
            family: Family::Any,
            timeout: Duration::from_secs(30),
            asks_servers: true,
            files: Files::Own,
        };
        for name in ["127.0.0.1", "::1", "localhost"] {
            let found = look_up(&wanted(name)).unwrap();
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
        let error = look_up(&wanted("300.1.1.1")).unwrap_err();
        assert!(error.cause.contains("not an IPv4 address"), "{error}");
    }
}
