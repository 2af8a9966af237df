//! `sockdoc ping`.

mod flags;
mod follow;
pub(in crate::commands) mod path;
mod show;
mod targets;
mod tcp;
mod trace;
mod values;

use crate::commands::serving::tell;
use crate::commands::{Context, Status};
use crate::error::{Error, Kind, Result};
use crate::ping::payload::Payloads;
use crate::ping::plan::{Pace, Plan, Until};
use crate::ping::session::Session;
use crate::ping::target::Target;
use crate::reference::icmp::Version;
use crate::sys::clock;
use crate::sys::icmp::{self, runner::Runner, runner::SendMode};
use crate::sys::privilege;
use crate::sys::signals::Signals;

use flags::TimingSource;
use show::Show;
use targets::Gathered;

/// Measure round-trip times and account for lost packets.
///
/// One target: the lines of iputils' ping, then percentiles, what the times were measured by, and an
/// account of the losses: no reply, rejected (by which router), late, corrupted, dropped on this host.
/// Times come from kernel timestamps if available: from the queue of this host's link to the reply. The
/// time in that queue is also reported by itself, as is the time before it (neighbour resolution,
/// firewall), which is no part of the round trip.
///
/// A request that was still under way at the end is unfinished, neither received nor lost. Three losses
/// in a row are an outage: its begin and its end are reported.
///
/// A reply counts only if it carries the request's nonce, is intact, arrives within the timeout, and
/// comes from the target address. Replies that fail a check are labelled with the reason; --lenient
/// counts them as iputils does.
///
/// A TARGET is a name, an address (fe80::1%eth0 too), a block (10.0.0.0/24) or a range
/// (10.0.0.1-10.0.0.9, 10.0.0.1-9). Several targets take turns.
///
/// --hops --watch goes on round after round, one a second as Linux' limit for ICMP errors allows. A hop that
/// answers fewer requests than the target only limits its answers; loss begins at the first hop from which
/// on all hops lose.
///
/// The exit status is that of iputils: 0 with replies, 1 without one (or with -w fewer than -c), 2 on
/// other errors; with several targets 1 if one of them did not reply, and 2 if a name has no address.
/// --tcp is 0 if every port was open at least once, --hops if the target was reached, --mtu if
/// every size up to the MTU passes and larger packets get an ICMP error, --until-down if there were
/// replies before.
#[derive(Debug, clap::Args)]
// As with the original, the last of a flag that is given twice counts.
#[command(args_override_self = true)]
#[command(after_help = "Examples:\n  \
    sockdoc ping -c 3 localhost              three requests and the statistics\n  \
    sockdoc ping -c 1 127.1.0.0/24           which hosts of a block reply\n  \
    sockdoc ping -c 1 -M do -s 1472 HOST     does a full Ethernet frame pass?\n  \
    sockdoc ping --wait-up -w 60 HOST        until it replies, for at most a minute\n  \
    sockdoc ping --hops --watch -c 30 HOST   where packets are lost, hop by hop\n  \
    sockdoc ping --json -c 10 HOST           an object for each reply, and a summary")]
pub struct Args {
    /// Hosts, addresses, blocks or ranges to ping.
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    #[command(flatten)]
    flags: flags::Flags,
}

/// 65,535 bytes of an IPv4 packet without its header (RFC 791) and that of ICMP (RFC 792).
const MOST_V4: usize = 65_507;

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<Status> {
    let flags = &args.flags;
    let options = flags.options()?;
    let Gathered {
        targets,
        unresolved,
    } = targets::gather(&args.targets, flags)?;
    for error in &unresolved {
        tell(&error.on_one_line());
    }
    let status = ask(flags, context, &options, targets)?;
    if unresolved.is_empty() {
        return Ok(status);
    }
    // As with fping the run is incomplete, whatever the others replied.
    let cause = format!("{} of the targets had no address", unresolved.len());
    Err(Error::new(Kind::CannotRun, "ask every target", cause)
        .next("see the first lines on standard error"))
}

fn ask(
    flags: &flags::Flags,
    context: &Context,
    options: &icmp::Options,
    mut targets: Vec<Target>,
) -> Result<Status> {
    for target in targets.iter_mut().filter(|_| options.broadcast) {
        target.is_broadcast = icmp::is_broadcast(target.at(0), options);
    }
    if !flags.mode.tcp.is_empty() && !flags.mode.hops {
        return tcp::run(flags, context, &targets, options);
    }
    if flags.mode.hops || flags.mode.mtu {
        let target = path::only(&targets)?;
        let source = route(target, options)?;
        if flags.mode.hops && flags.mode.watch {
            return trace::watch(flags, context, target, source, options);
        }
        if flags.mode.hops {
            return path::hops(flags, context, target, source, options);
        }
        return path::mtu(flags, context, target, options);
    }
    let is_many = targets.len() > 1;
    flags.check(is_many)?;
    let is_v4 = |target: &Target| target.version() == Version::V4;
    if flags.size() > MOST_V4 && targets.iter().any(is_v4) {
        let cause = "an IPv4 packet carries at most 65507 bytes behind the header of an ICMP echo";
        return Err(Error::new(Kind::CannotRun, "read --size", cause)
            .next("a smaller --size; over IPv6 it may be 65527"));
    }
    let source = if is_many {
        None
    } else {
        Some(route(&targets[0], options)?)
    };
    let plan = flags.plan(is_many);
    let mode = send_mode(&plan, flags.timing(), is_many);
    let payloads = Payloads::new(icmp::random()?, flags.size(), flags.pattern());
    let mut session = Session::new(plan, payloads, targets, clock::carefully());
    let mut runner = Runner::open(&mut session, options, mode)?;
    privilege::drop_all()?;
    let signals = Signals::open_with_stop()?;
    let mut show = Show::open(flags, context, &session, &runner, source)?;
    runner.run(&mut session, &signals, &mut show)?;
    show.finish(&session)?;
    Ok(Status::of(is_good(&session)))
}

/// The address that this host sends from; there must be a way to the target.
fn route(target: &Target, options: &icmp::Options) -> Result<std::net::IpAddr> {
    if let Some(source) = options
        .source
        .filter(|it| it.is_ipv4() != target.address.is_ipv4())
    {
        let cause = "the source and the target are of two families, IPv4 and IPv6";
        return Err(Error::new(Kind::CannotRun, "send from", cause)
            .on(source.ip().to_string())
            .next("name a source of the target's family, or the interface"));
    }
    icmp::source_for(target.at(0), options).map_err(|error| {
        let failure = Error::os(Kind::CannotRun, "connect to", &error).on(&*target.shown);
        if let (Some("ENODEV"), Some(device)) = (failure.code, &options.device) {
            let failure = Error::os(Kind::CannotRun, "use the interface", &error);
            return failure.next("list the interfaces: ip -br link").on(device);
        }
        if let (Some("EADDRNOTAVAIL"), Some(source)) = (failure.code, options.source) {
            return Error::os(Kind::CannotRun, "send from", &error)
                .on(source.ip().to_string())
                .because("no interface of this host has this address")
                .next("list the addresses: ip -br address");
        }
        let failure = match failure.code {
            Some("EINVAL") => failure.because("a blackhole route leads there"),
            Some("EACCES") => {
                failure.because("a route forbids it, or it is a broadcast address, which takes -b")
            }
            Some("EHOSTUNREACH") => failure.because("an unreachable route leads there"),
            _ => failure,
        };
        let address = target.address;
        failure.next(format!(
            "ask for the route: ip route get {address}; is there a default? ip route"
        ))
    })
}

/// As iputils: 0 if there was a reply; with a deadline and a count, if there were as many. With
/// several targets every one must have answered.
fn is_good(session: &Session) -> bool {
    let plan = session.plan();
    let has_enough = match (plan.deadline, plan.count, plan.until) {
        (Some(_), Some(count), Until::End) => {
            (0..session.target_count()).all(|target| session.tally(target).received >= count)
        }
        _ => true,
    };
    has_enough && session.all_answered()
}

/// How requests leave. What is due together leaves together and is timestamped by the kernel; a flood of
/// many targets goes without those timestamps, each request in its own call, with its own time.
fn send_mode(plan: &Plan, timing: TimingSource, is_many: bool) -> SendMode {
    let is_flood = plan.pace == Pace::Flood;
    match timing {
        TimingSource::User => SendMode {
            batch: if is_flood { 1 } else { icmp::batch::BATCH },
            one_call: false,
            stamp_sent: false,
            sender_thread: false,
        },
        TimingSource::Auto if is_flood && is_many => SendMode {
            batch: icmp::batch::BATCH,
            one_call: false,
            stamp_sent: false,
            sender_thread: false,
        },
        TimingSource::Auto | TimingSource::Kernel => SendMode {
            // Two bunches of a flood are under way: one leaves, to the other the replies come.
            batch: icmp::batch::BATCH / if is_flood { 2 } else { 1 },
            one_call: true,
            stamp_sent: true,
            sender_thread: is_flood,
        },
    }
}
