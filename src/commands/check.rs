//! `sockdoc check`.

mod gather;

use std::io;
use std::time::{Duration, Instant};

use crate::check::judge::Matter;
use crate::check::{Place, Report, Target};
use crate::commands::looking;
use crate::commands::serving::print;
use crate::commands::values::positive_duration;
use crate::commands::{Context, Status};
use crate::diagnose::Case;
use crate::error::{Error, Kind, Result};
use crate::host::{Delta, Index};
use crate::render::check as shown;
use crate::render::finding::Layout;
use crate::render::sockets::Sheet;
use crate::sys::around::is_stopped;
use crate::sys::privilege::{self, Need};
use crate::sys::resolve::Family;
use crate::sys::users;

/// Find out at which layer a connection fails, and why.
///
/// Does what a client would do, and follows it through the layers: the name, the route, the next hop, this host's
/// firewall, the path, the connection. It names the first layer that fails, with the evidence and the next step.
/// If the address is one of this host, it looks at the server's side too: its sockets, queue and process.
///
/// TARGET is HOST:PORT, HOST PORT, a URL, or :PORT for a port of this host. All addresses of a name
/// are connected to at the same time.
///
/// Sent are the queries of the C library, one connection for each address, and to each name server up to three
/// queries for A and for AAAA. If a connection fails, a trace follows (SYNs with a limited hop count to the same
/// port), and one SYN to each of a few other ports of the same host. --quiet-network leaves out the queries to
/// each name server, the trace and the other ports.
///
/// The exit status is 0 if the target is reachable and nothing is wrong, 1 if it is not or there is a warning,
/// 2 if it could not be tried.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    sockdoc check db.internal:5432     which layer fails\n  \
    sockdoc check https://shop.test    with the port of the scheme\n  \
    sockdoc check :8080                a port of this host\n  \
    sockdoc check --json 10.9.1.1 80   for programs")]
pub struct Args {
    /// What to connect to.
    #[arg(value_name = "TARGET", required = true, num_args = 1..=2)]
    target: Vec<String>,
    /// Use IPv4 only.
    #[arg(short = '4', long = "ipv4", conflicts_with = "ipv6")]
    ipv4: bool,
    /// Use IPv6 only.
    #[arg(short = '6', long = "ipv6")]
    ipv6: bool,
    /// Take at most this long in all.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = positive_duration)]
    timeout: Duration,
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

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<Status> {
    let target = Target::parse(&args.target).map_err(|it| {
        Error::new(Kind::CannotRun, "read the target", it.cause)
            .on(args.target.join(" "))
            .next(it.next)
    })?;
    privilege::keep(&[
        Need::Owners,
        Need::Namespaces,
        Need::Details,
        Need::Firewall,
    ])?;
    let start = Instant::now();
    let gathered = match &target.place {
        Place::Tcp(host, port) => gather::tcp(args, host, *port, start)?,
        Place::Port(port) => gather::tcp(args, "localhost", *port, start)?,
        Place::Udp(..) | Place::Unix(_) | Place::Process(_) => {
            return Err(Error::new(Kind::CannotRun, "check", "not a TCP target").on(target.shown));
        }
    };
    let gather::Gathered {
        lookup,
        attempts,
        before,
        after,
        elapsed,
        port,
        ..
    } = &gathered;
    privilege::drop_all()?;
    let failed: Vec<_> = attempts
        .iter()
        .filter(|it| it.outcome != crate::check::Outcome::Open)
        .map(|it| (0, it.to.ip()))
        .collect();
    let index = Index::after_attempts(after, &failed);
    let delta = Delta::new(Index::new(before), &index, *elapsed);
    let case = Case::new(&index).since(Some(&delta));
    let matter = Matter {
        case: &case,
        attempts,
        lookup: Some(lookup),
        port: *port,
        user: users::own(),
        is_stopped,
    };
    let findings = matter.findings();
    let blocks = findings.all_blocks(&case, context.verbose);
    let report = Report {
        target: &target,
        lookup: Some(lookup)
            .filter(|it| it.name != "localhost" || matches!(target.place, Place::Tcp(..))),
        attempts,
        network: after.networks.first(),
        blocks: &blocks,
        saw_firewall: after
            .networks
            .first()
            .is_some_and(|it| it.firewall.is_some()),
        time: start.elapsed(),
    };
    let sockets = matter.sockets();
    let names = looking::names(after);
    let sheet = Sheet {
        index: &index,
        delta: Some(&delta),
        findings: &findings,
        shown: &sockets,
        names: &names,
    };
    say(&report, &sheet, context).map_err(Error::output)?;
    Ok(Status::of(report.is_well()))
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
