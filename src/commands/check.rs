//! `sockdoc check`.

mod gather;
mod look;
mod mtu;
mod proxy;
mod talk;
mod watch;

use std::io;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use gather::Gathered;
use look::Seen;
use proxy::Proxy;

use crate::check::judge::Matter;
use crate::check::rounds::Round;
use crate::check::{Layer, Outcome, Place, Report, Target, server};
use crate::commands::looking;
use crate::commands::serving::print;
use crate::commands::values::positive_duration;
use crate::commands::{Context, Status};
use crate::diagnose::Case;
use crate::error::{Error, Kind, Result};
use crate::host::{Delta, Index, SocketAt};
use crate::render::check as shown;
use crate::render::finding::Layout;
use crate::render::report::{self, Page, TextRedactor};
use crate::render::sockets::Sheet;
use crate::sys::around::{is_here, is_stopped};
use crate::sys::icmp::Options;
use crate::sys::limits::sysctl;
use crate::sys::privilege::{self, Need};
use crate::sys::resolve::{Family, interface_number, resolve};
use crate::sys::sockets::namespaces::Place as Namespace;
use crate::sys::tls::trust_of;
use crate::sys::{clock, files, users};

/// Find out at which layer a connection fails, and why.
///
/// Does what a client would do, and follows it through the layers: the name, the route, the next hop, this host's
/// firewall, the path, the connection, packets of full size, TLS, the first words of the protocol. It names the first layer that fails, with the evidence and the next step.
/// If the address is one of this host, it looks at the server's side too: its sockets, queue and process.
///
/// TARGET is HOST:PORT, HOST PORT, a URL, udp://HOST:PORT, unix:PATH, :PORT for a port of this host, or pid:N
/// for all that a process is connected to. All addresses are connected to at the same time; it is enough if one of
/// a name works, unless --all-addresses says otherwise.
///
/// TLS is spoken if the URL says so, or to port 443; the protocol of the URL is spoken as far as a client gets
/// without a password, and HTTP to ports 80 and 443. To other ports nothing is sent, unless --send says what. If a
/// server of smtp, imap, pop3, ftp, postgres or mysql offers TLS after its greeting (STARTTLS), a handshake follows;
/// what is wrong with the certificate is a notice then, and an error with --starttls.
///
/// Sent are the queries of the C library, one connection for each address, and to each name server up to three
/// queries for A and for AAAA. If a connection succeeds, two pings follow, one of them of full size (more if that
/// one vanishes). If it fails, a trace follows (SYNs with a limited hop count to the same port), and one SYN to each
/// of a few other ports of the same host. If a server ends a connection in plain text without an answer, a second one
/// asks for TLS. --quiet-network leaves all of that out but the connections and what the C library sends.
///
/// With CAP_NET_RAW a packet socket shows who sent a reset or an ICMP error: the time to live and the link-layer
/// address. If the server is on this host, too, its program has three seconds to accept the connection.
///
/// With --proxy the layers up to the connection are those of the proxy. It is asked for a connection to the target
/// (CONNECT, SOCKS 5), and looks its name up; of an http target, for the page itself.
///
/// With --netns, --pid or --container the connections are made in that network namespace. If it has resolver files
/// of its own (/etc/netns/NAME, or the root folder of the process), the name is worked out from them and from their
/// name servers.
///
/// The exit status is 0 if the target is reachable and nothing is wrong, 1 if it is not or there is a warning,
/// 2 if it could not be tried.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    sockdoc check db.internal:5432     which layer fails\n  \
    sockdoc check https://shop.test    with the port of the scheme\n  \
    sockdoc check :8080                a port of this host\n  \
    sockdoc check unix:/run/app.sock   a Unix socket\n  \
    sockdoc check udp://10.9.1.1:53    a UDP port\n  \
    sockdoc check pid:812              all that a process is connected to\n  \
    sockdoc check --watch db:5432      again and again, and what changes\n  \
    sockdoc check --idle 5min db:5432  does a firewall forget idle connections\n  \
    sockdoc check --json 10.9.1.1 80   for programs")]
pub struct Args {
    /// What to connect to.
    target: String,
    /// The port, if TARGET is a host alone.
    port: Option<String>,
    /// Use IPv4 only.
    #[arg(short = '4', long = "ipv4", conflicts_with = "ipv6")]
    ipv4: bool,
    /// Use IPv6 only.
    #[arg(short = '6', long = "ipv6")]
    ipv6: bool,
    /// Connect from this address, or by this interface.
    #[arg(long, value_name = "ADDRESS|INTERFACE")]
    from: Option<String>,
    #[command(flatten)]
    place: looking::One,
    /// Report every address that does not work, though another one does.
    #[arg(long)]
    all_addresses: bool,
    /// Connect through this proxy: http://HOST:PORT, socks5://HOST:PORT, or env for that of the environment.
    #[arg(long, value_name = "URL|env")]
    proxy: Option<String>,
    /// Send this instead of what a client would send; \\n, \\r, \\t and \\xNN stand for bytes.
    #[arg(long, value_name = "TEXT")]
    send: Option<String>,
    /// Want this in the answer.
    #[arg(long, value_name = "TEXT")]
    expect: Option<String>,
    /// Name this server in the TLS handshake, and want a certificate for it.
    #[arg(long, value_name = "NAME")]
    sni: Option<String>,
    /// Trust the certificates in this PEM file instead of those of this host.
    #[arg(long, value_name = "FILE")]
    cacert: Option<std::path::PathBuf>,
    /// Report what is wrong with a certificate as a notice only.
    #[arg(long)]
    insecure: bool,
    /// Require TLS after the greeting (STARTTLS) of smtp, imap, pop3, ftp, postgres and mysql, and judge its certificate.
    #[arg(long)]
    starttls: bool,
    /// Take at most this long in all.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = positive_duration)]
    timeout: Duration,
    /// Check again and again at this interval, and tell what changes.
    #[arg(
        long,
        value_name = "INTERVAL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "2s",
        value_parser = positive_duration
    )]
    watch: Option<Duration>,
    /// With --watch, check at most this many times.
    #[arg(short = 'c', long, value_name = "N", requires = "watch", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Leave a second connection idle for this long, and see whether it still works; --timeout does not count it.
    #[arg(long, value_name = "TIME", value_parser = positive_duration)]
    idle: Option<Duration>,
    /// Write a report to this file too: one HTML page with the path, the findings and the sockets.
    #[arg(long, value_name = "OUT", conflicts_with = "watch")]
    report: Option<std::path::PathBuf>,
    /// Replace addresses and names in the report, the same one by the same other one.
    #[arg(long, requires = "report")]
    redact: bool,
    /// Send only what a client would send: no queries to single name servers, no trace.
    #[arg(long)]
    quiet_network: bool,
}

impl Args {
    fn family(&self) -> Family {
        match (self.ipv4, self.ipv6) {
            (true, _) => Family::V4,
            (_, true) => Family::V6,
            _ => Family::Any,
        }
    }
}

impl Args {
    /// What the connections are made by.
    fn options(&self) -> Result<Options> {
        let mut options = Options::default();
        let Some(from) = &self.from else {
            return Ok(options);
        };
        let fail = |cause: &str| {
            Error::new(Kind::CannotRun, "connect from", cause)
                .on(from)
                .next("list the addresses and interfaces: ip address show")
        };
        let address = from.split('%').next().unwrap_or_default();
        if address.parse::<IpAddr>().is_ok() {
            let source = resolve(from, 0, Family::Any)?.first().copied();
            // The kernel would take it with this setting (ip(7)).
            let takes_any = || sysctl("net.ipv4.ip_nonlocal_bind").is_some_and(|it| it == "1");
            if !source.is_some_and(|it| is_here(it.ip())) && !takes_any() {
                return Err(fail("no interface of this host has this address"));
            }
            options.source = source;
        } else if interface_number(from).is_some() {
            options.device = Some(from.clone());
        } else {
            return Err(fail("neither an address nor an interface of this host"));
        }
        Ok(options)
    }

    /// The words that the target is made of.
    fn target(&self) -> Vec<String> {
        let words = std::iter::once(&self.target).chain(&self.port);
        words.cloned().collect()
    }
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<Status> {
    let words = args.target();
    let target = Target::parse(&words).map_err(|it| {
        Error::new(Kind::CannotRun, "read the target", it.cause)
            .on(words.join(" "))
            .next(it.next)
    })?;
    if let Some(file) = &args.cacert {
        trust_of(file)?;
    }
    privilege::keep(&[
        Need::Owners,
        Need::Namespaces,
        Need::Details,
        Need::Firewall,
        Need::Probes,
    ])?;
    let place = match target.place {
        // The peers of a process are those of its own network namespace.
        Place::Process(pid) if !args.place.is_given() => Namespace::named(&format!("pid:{pid}"))?,
        _ => args.place.place()?,
    };
    let status = if let Some(interval) = args.watch {
        watch::watch(args, context, &target, (&place, interval))
    } else {
        let round = place.inside(|| check(args, context, (&target, &place), None))?;
        let round = round.map_err(|error| looking::there(error, &place));
        round.map(|it| Status::of(it.is_well))
    };
    privilege::drop_all()?;
    status
}

/// Checks the target from the namespace that this thread is in. After an earlier check only what changed is shown.
fn check(
    args: &Args,
    context: &Context,
    (target, place): (&Target, &Namespace),
    before: Option<&Round>,
) -> Result<Round> {
    let start = Instant::now();
    let end = start + args.timeout;
    let by_name = |host: &str, port| {
        let (lookup, mut addresses) = gather::look_for(args, host, port)?;
        let source = args.options()?.source;
        let has_some = !addresses.is_empty();
        addresses.retain(|to| source.is_none_or(|own| own.is_ipv4() == to.is_ipv4()));
        if let Some(own) = source.filter(|_| has_some && addresses.is_empty()) {
            let (is, other) = if own.is_ipv4() { (4, 6) } else { (6, 4) };
            let cause =
                format!("it is an IPv{is} address, and {host} has IPv{other} addresses only");
            return Err(Error::new(Kind::CannotRun, "connect from", cause)
                .on(own.ip().to_string())
                .next(format!(
                    "give an IPv{other} address of this host, or an interface"
                )));
        }
        Ok::<_, Error>((lookup, addresses))
    };
    let proxy = match target.place {
        Place::Tcp(..) => Proxy::of(args, target)?,
        _ => None,
    };
    let mut gathered = match &target.place {
        Place::Tcp(host, port) => {
            let (lookup, addresses) = match &proxy {
                Some(proxy) => by_name(&proxy.host, proxy.port)?,
                None => by_name(host, *port)?,
            };
            let gathered = gather::tcp(args, (target, proxy.as_ref()), &addresses, end)?;
            Gathered {
                lookup: Some(lookup),
                ..gathered
            }
        }
        Place::Udp(host, port) => {
            let (lookup, addresses) = by_name(host, *port)?;
            let gathered = gather::udp(args, &addresses, end)?;
            Gathered {
                lookup: Some(lookup),
                ..gathered
            }
        }
        Place::Port(port) => {
            let mut addresses = look::own_addresses(*port)?;
            let family = args.family();
            addresses.retain(|it| family.includes(it.ip()));
            if addresses.is_empty() {
                addresses = by_name("localhost", *port)?.1;
            }
            gather::tcp(args, (target, None), &addresses, end)?
        }
        Place::Unix(path) => gather::unix(path, end)?,
        Place::Process(pid) => {
            let (peers, listening) = look::peers_of(*pid)?;
            if peers.is_empty() {
                let (cause, next) = match listening.first() {
                    Some(port) => (
                        "the process listens and is not connected to anything by TCP",
                        format!("sockdoc check --pid {pid} :{port}"),
                    ),
                    None => (
                        "the process is not connected to anything by TCP, or its sockets cannot be seen",
                        format!("sockdoc sockets -p {pid}"),
                    ),
                };
                return Err(Error::new(Kind::CannotRun, "check", cause)
                    .on(&target.shown)
                    .next(next));
            }
            gather::tcp(args, (target, None), &peers, end)?
        }
    };
    privilege::drop_all()?;
    // What to do next is done there.
    if let Some(own) = gathered.after.sample.namespaces.first_mut() {
        own.label.clone_from(&place.namespace.label);
    }
    let shown = proxy.map(|it| format!("{target} through the proxy {}", it.shown()));
    let target = &Target {
        shown: shown.unwrap_or_else(|| target.shown.clone()),
        ..target.clone()
    };
    let start = (start, before);
    show(args, context, target, &gathered, start)
}

/// Judges what was gathered, and shows it.
fn show(
    args: &Args,
    context: &Context,
    target: &Target,
    gathered: &Gathered,
    (start, before): (Instant, Option<&Round>),
) -> Result<Round> {
    let attempts = &gathered.attempts;
    let Seen {
        sample: after,
        forwards,
        homes,
    } = &gathered.after;
    let failed: Vec<_> = attempts
        .iter()
        .filter(|it| it.outcome != Outcome::Open)
        .map(|it| (0, it.to.ip()))
        .collect();
    let index = Index::after_attempts(after, &failed);
    let delta = Delta::new(Index::new(&gathered.before), &index, gathered.elapsed);
    let case = Case::new(&index).since(Some(&delta));
    let own: Vec<SocketAt> = match &target.place {
        Place::Unix(path) => {
            let name = path.as_os_str().as_bytes();
            let is_it = |at: &SocketAt| look::is_at(&index.socket(*at).local, name);
            after.places().filter(is_it).collect()
        }
        Place::Process(pid) => {
            let is_its = |at: &SocketAt| look::is_of(&index, *at, *pid);
            after.places().filter(is_its).collect()
        }
        _ => Vec::new(),
    };
    let matter = Matter {
        case: &case,
        attempts,
        lookup: gathered.lookup.as_ref(),
        proto: gathered.proto,
        own: &own,
        forwards,
        homes,
        wants_all: args.all_addresses || matches!(target.place, Place::Process(_)),
        more: &gathered.more,
        user: users::own(),
        is_stopped,
    };
    let findings = matter.findings();
    let blocks = findings.all_blocks(&case, context.verbose);
    let network = after.networks.first();
    let sockets = matter.sockets();
    let mut said = gathered.said.clone();
    let mut server = server::listeners(&case, &sockets, &|at| forwards.get(&at).copied());
    if matches!(target.place, Place::Port(_)) {
        let ours: Vec<_> = attempts.iter().filter_map(|it| it.local).collect();
        server.extend(server::reach(&case, &sockets, &ours));
    }
    said.extend(server.into_iter().map(|line| (Layer::Server, line)));
    let report = Report {
        target,
        lookup: gathered.lookup.as_ref(),
        attempts,
        network,
        said: &said,
        is_connected: gathered.is_connected,
        blocks: &blocks,
        saw_firewall: network.is_some_and(|it| it.firewall.is_some()),
        time: start.elapsed(),
    };
    let names = looking::names(after);
    let sheet = Sheet {
        index: &index,
        delta: Some(&delta),
        findings: &findings,
        shown: &sockets,
        names: &names,
    };
    if let Some(path) = &args.report {
        write_report(path, args.redact, &report, &sheet)?;
    }
    let round = Round::of(&report);
    match before {
        None => say(&report, &sheet, context).map_err(Error::output)?,
        Some(before) => {
            let changes = round.since(before);
            match (context.json, changes.is_empty()) {
                (_, true) => {}
                (true, _) => say(&report, &sheet, context).map_err(Error::output)?,
                (false, _) => watch::say(&changes, context)?,
            }
        }
    }
    Ok(round)
}

fn write_report(path: &Path, redact: bool, report: &Report<'_>, sheet: &Sheet<'_>) -> Result<()> {
    let mut names = Vec::new();
    if let Place::Tcp(host, _) | Place::Udp(host, _) = &report.target.place {
        names.push(host.clone());
    }
    let page = Page::new(redact.then(|| TextRedactor::new(names)));
    let now = Duration::from_nanos(clock::realtime().0);
    let html = report::host::connection(page, report, sheet, now);
    files::write_all(&mut files::create(path)?, path, html.as_bytes())
}

fn say(report: &Report<'_>, sheet: &Sheet<'_>, context: &Context) -> io::Result<()> {
    let mut out = Vec::new();
    if context.json {
        shown::json(&mut out, report, sheet)?;
    } else {
        let layout = Layout {
            style: context.style,
            width: context.width,
            verbose: context.verbose,
        };
        shown::write(&mut out, report, sheet, layout)?;
    }
    print(&out)
}
