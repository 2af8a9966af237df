//! `sockdoc resolve`.

use std::io;
use std::time::{Duration, Instant};

use crate::commands::serving::print;
use crate::commands::values::positive_duration;
use crate::commands::{Context, Status, looking};
use crate::diagnose::Severity;
use crate::diagnose::reach::who;
use crate::diagnose::rules::name::{of_listeners, of_lookup};
use crate::dns::{Closer, Lookup};
use crate::error::{Error, Kind, Result};
use crate::host::{Index, Sample};
use crate::render::finding::Layout;
use crate::render::resolve::{self, End, Resolved};
use crate::sockets::Proto;
use crate::sys::around::{at_port, is_here};
use crate::sys::privilege::{self, Need};
use crate::sys::resolve::Family;
use crate::sys::resolve::closer::look_closer;
use crate::sys::resolve::files::Files;
use crate::sys::resolve::lookup::{Wanted, look_up, source_of};
use crate::sys::services::port_of;
use crate::sys::sockets::namespaces::Place;

/// Show which addresses a name has, where they come from, and what each name server says.
///
/// Looks the name up as programs do (getaddrinfo(3) of the C library), and shows the addresses in the order in
/// which programs try them, with the rule that puts the first one first (RFC 6724). Beside that it shows the entries of /etc/hosts, the sources of /etc/nsswitch.conf,
/// and the answer of each name server of /etc/resolv.conf to a query of its own: its time, response code and
/// TTL. It names what is wrong or contradictory: a first server that does not answer, and what that costs each
/// look-up; an answer that does not fit and TCP that is blocked; a hosts entry that hides the DNS.
///
/// With PORT it shows which process of this host listens on each address, if the address is one of this
/// host.
///
/// Where systemd-resolved is the name server, the servers that it asks are asked, too. The names of the first four
/// addresses (PTR) are looked up, and each server's largest EDNS datagram is shown.
///
/// Sent are the queries of the C library, and to each of the first three name servers up to three queries for
/// A and for AAAA of each name that the C library would try, and up to three with EDNS; to the first that answers,
/// up to three for PTR of each address. An address is not asked of a name server, and neither is localhost if
/// /etc/hosts has it.
///
/// A static build of sockdoc has another resolver than the programs of this host: it asks getent(1) instead.
///
/// With --netns, --pid or --container the queries are made in that network namespace. If it has resolver files of
/// its own (/etc/netns/NAME, or the root folder of the process), what programs get there is worked out from them and
/// from their name servers: no code of a container is run.
///
/// The exit status is 0 if the name has an address and nothing is wrong, 1 if it has none or there is a
/// warning.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    sockdoc resolve localhost 8080       ::1 and 127.0.0.1, and who listens on which\n  \
    sockdoc resolve db.internal          where the address comes from\n  \
    sockdoc resolve -6 db.internal       IPv6 only\n  \
    sockdoc resolve --json db.internal   for programs")]
pub struct Args {
    /// The name, or an address.
    name: String,
    /// A port, or the name of a service: shows who listens on it.
    #[arg(value_parser = port)]
    port: Option<u16>,
    /// Use IPv4 only.
    #[arg(short = '4', long = "ipv4", conflicts_with = "ipv6")]
    ipv4: bool,
    /// Use IPv6 only.
    #[arg(short = '6', long = "ipv6")]
    ipv6: bool,
    #[command(flatten)]
    place: looking::One,
    /// Wait at most this long.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = positive_duration)]
    timeout: Duration,
    /// Do not ask the name servers one by one.
    #[arg(long)]
    quiet_network: bool,
}

fn port(word: &str) -> std::result::Result<u16, String> {
    let number = word.parse().ok().filter(|port| *port > 0);
    number
        .or_else(|| port_of(word))
        .ok_or_else(|| "neither a port from 1 to 65535 nor a known service".to_owned())
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<Status> {
    if args.name.is_empty() {
        return Err(Error::new(Kind::CannotRun, "read the name", "it is empty")
            .next("sockdoc resolve localhost"));
    }
    let mut needs = vec![Need::Namespaces];
    needs.extend(args.port.map(|_| Need::Owners));
    privilege::keep(&needs)?;
    let place = args.place.place()?;
    let files = args.place.files()?;
    let status = place.inside(|| inside(args, context, (&place, files)))?;
    let status = status.map_err(|error| looking::there(error, &place));
    privilege::drop_all()?;
    status
}

/// Looks it up from the namespace that this thread is in.
fn inside(args: &Args, context: &Context, (place, files): (&Place, Files)) -> Result<Status> {
    let sample = args.port.and_then(at_port).map(|taken| taken.sample);
    let family = match (args.ipv4, args.ipv6) {
        (true, _) => Family::V4,
        (_, true) => Family::V6,
        _ => Family::Any,
    };
    let start = Instant::now();
    let lookup = look_up(&Wanted {
        name: &args.name,
        family,
        timeout: args.timeout,
        asks_servers: !args.quiet_network,
        files,
    })?;
    privilege::drop_all()?;
    let closer = if args.quiet_network {
        Closer::default()
    } else {
        look_closer(&lookup, family, start + args.timeout)
    };
    let mut resolved = resolved(&lookup, closer, args.port, sample.as_ref());
    for finding in &mut resolved.findings {
        finding.go_to(&place.namespace);
    }
    let is_bad = |it: &crate::diagnose::Finding| it.severity >= Severity::Warning;
    let is_good = !lookup.addresses().is_empty() && !resolved.findings.iter().any(is_bad);
    say(&resolved, context).map_err(Error::output)?;
    Ok(Status::of(is_good))
}

/// The look-up with what this host knows of its addresses.
fn resolved<'a>(
    lookup: &'a Lookup,
    closer: Closer,
    port: Option<u16>,
    sample: Option<&Sample>,
) -> Resolved<'a> {
    let index = sample.map(Index::new);
    let ends: Vec<End> = lookup
        .addresses()
        .iter()
        .map(|&address| {
            let ip = address.ip();
            let known = index.as_ref().zip(port).filter(|_| is_here(ip));
            let listeners = known.map(|(index, port)| {
                let found = index.listeners(Proto::Tcp, 0, (ip, port));
                (!found.is_empty()).then(|| who(index, &found))
            });
            End {
                address,
                source: source_of(address),
                listeners,
            }
        })
        .collect();
    let mut findings = of_lookup(lookup);
    if let Some(port) = port {
        let local: Vec<_> = ends
            .iter()
            .filter_map(|end| Some((end.address.ip(), end.listeners.as_ref()?.is_some())))
            .collect();
        findings.extend(of_listeners(&lookup.name, port, &local));
    }
    Resolved {
        lookup,
        closer,
        port,
        ends,
        findings,
    }
}

fn say(resolved: &Resolved<'_>, context: &Context) -> io::Result<()> {
    let mut out = Vec::new();
    if context.json {
        resolve::json(&mut out, resolved)?;
    } else {
        let layout = Layout {
            style: context.style,
            width: context.width,
            verbose: context.verbose,
        };
        resolve::write(&mut out, resolved, layout)?;
    }
    print(&out)
}
