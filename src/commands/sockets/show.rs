//! From a snapshot to text.

use std::collections::HashSet;
use std::io::{self, Write};
use std::net::IpAddr;

use crate::commands::serving::tell;
use crate::commands::{Context, Status};
use crate::diagnose::words;
use crate::diagnose::{Case, Command, Findings, Severity, diagnose};
use crate::error::{Error, Kind, Result};
use crate::host::{Delta, Index, Sample, SocketAt};
use crate::render::sockets::netstat::Asked as NetstatAsked;
use crate::render::sockets::text::{Footer, Layout};
use crate::render::sockets::{
    Names, Row, Sheet, csv, details, json, lsof, netstat, problems, ss, summary, text,
};
use crate::render::{finding, thousands};
use crate::sockets::change::is_closed;
use crate::sockets::order::{Beside, SortKey};
use crate::sockets::{Address, Proto, Socket, State, order};
use crate::sys::resolve;
use crate::sys::sockets::{Taken, cgroups};
use crate::sys::users::Users;

use super::ask::{Asked, columns};
use super::elsewhere::{Elsewhere, selectors};
use super::look::Looked;
use super::{Args, Like};

/// Shows what was asked for.
pub(super) fn show(
    args: &Args,
    asked: &Asked,
    looked: Looked,
    elsewhere: &[Elsewhere],
    context: &Context,
) -> Result<Status> {
    let Looked { taken, before } = looked;
    let index = Index::new(&taken.sample);
    let delta = before
        .as_ref()
        .map(|(sample, elapsed)| Delta::new(Index::new(sample), &index, *elapsed));
    let findings = if asked.findings {
        diagnose(&Case::new(&index).since(delta.as_ref()))
    } else {
        Findings::default()
    };
    let (mut shown, looked_at) = shown(asked, &index, &findings, delta.as_ref());
    let delta = delta.as_ref().filter(|_| asked.seconds.is_some());
    let totals = delta.map(|delta| json::totals(&index, delta, &shown));
    if !asked.shows_closed {
        shown.retain(|at| !is_closed(index.socket(*at)));
    }
    let flood = asked.drop_flood(&mut shown, &taken.sample);
    // Silence about sockets that were not there is not good news.
    let narrowed = selectors(args) > 0 || !taken.sample.sockets.is_empty();
    let unmatched = asked.problems && looked_at.is_empty() && narrowed;
    if unmatched && !context.json {
        return Err(nothing_matches(args, asked, &taken.sample));
    }
    let open = shown.iter().filter(|at| !is_closed(index.socket(**at)));
    let open = open.count();
    let mut names = names(args, asked, &taken, &shown);
    names.paths.clone_from(&taken.paths);
    names.forwards.clone_from(&taken.forwards);
    if asked.shows_groups && args.what.from.is_none() {
        names.cgroups = cgroups::paths();
    }
    let sheet = Sheet {
        index: &index,
        delta,
        findings: &findings,
        shown: &shown,
        names: &names,
    };
    // One large buffer: a row is small, and a system call for each would be most of the work.
    let mut out = io::BufWriter::with_capacity(BUFFER, io::stdout().lock());
    let about = json::About {
        time_wait: flood + asked.time_wait(taken.time_wait),
        totals: totals.unwrap_or_default(),
    };
    let hidden = about.time_wait;
    write_body(args, asked, &sheet, about, &looked_at, context, &mut out)
        .and_then(|()| {
            let footer = Footer {
                shown: open as u64,
                hidden: vec![(hidden, "TIME-WAIT", "-a")],
                remarks: remarks(asked, &sheet, elsewhere),
                notes: &taken.sample.notes,
                width: context.width,
            };
            write_footer(args, asked, &footer, context, &mut out)
        })
        .and_then(|()| match delta.filter(|_| !context.json) {
            Some(delta) => write_measured(&mut out, delta, &about.totals, asked.shows_closed),
            None => Ok(()),
        })
        .and_then(|()| out.flush())
        .map_err(Error::output)?;
    if let Some(source) = taken.owner_source.filter(|_| context.verbose) {
        tell(&source.to_string());
    }
    if unmatched {
        return Err(nothing_matches(args, asked, &taken.sample));
    }
    let worst = shown.iter().filter_map(|at| findings.of(*at).next());
    let worst = worst.map(|finding| finding.severity).max();
    Ok(Status::of(if asked.problems {
        is_healthy(worst, taken.evident)
    } else {
        !shown.is_empty()
    }))
}

/// What was measured: `measured for 2.0 s: 3 sockets opened; 12 connections closed (in 1.2M, out 3k)`.
fn write_measured(
    out: &mut impl Write,
    delta: &Delta<'_>,
    totals: &json::Totals,
    shows_closed: bool,
) -> io::Result<()> {
    let plural = |count: u64| if count == 1 { "" } else { "s" };
    let span = u64::try_from(delta.span().as_millis()).unwrap_or(u64::MAX);
    write!(
        out,
        "measured for {}: {} socket{} opened",
        words::duration(span),
        thousands(totals.opened),
        plural(totals.opened)
    )?;
    let closed = &totals.closed;
    if closed.closed > 0 {
        write!(
            out,
            "; {} connection{} closed ({} bytes in, {} bytes out)",
            thousands(closed.closed),
            plural(closed.closed),
            thousands(closed.in_bytes.unwrap_or(0)),
            thousands(closed.out_bytes.unwrap_or(0)),
        )?;
        if !shows_closed {
            write!(out, ", not shown (-a)")?;
        }
    }
    writeln!(out)
}

/// The sockets to show, in their order; and those that were looked at for problems.
fn shown(
    asked: &Asked,
    index: &Index<'_>,
    findings: &Findings,
    delta: Option<&Delta<'_>>,
) -> (Vec<SocketAt>, Vec<SocketAt>) {
    let sample = index.sample();
    let mut shown: Vec<usize> = (0..sample.sockets.len()).collect();
    if asked.seconds.is_none() {
        shown.retain(|at| !is_closed(&sample.sockets[*at]));
    }
    if asked.asks_about_others() {
        shown.retain(|at| asked.filter.matches_socket(&sample.sockets[*at]));
    }
    if asked.filter.needs_owners() {
        let owners = asked.filter.for_owners(&sample.owners);
        shown.retain(|at| owners.matches(&sample.sockets[*at]));
    }
    let place = |at: usize| SocketAt(u32::try_from(at).unwrap_or(u32::MAX));
    let worst = |at: usize| findings.of(place(at)).next().map(|it| it.severity as u32);
    let mut looked_at = Vec::new();
    if asked.problems {
        looked_at = shown.iter().copied().map(place).collect();
        shown.retain(|at| worst(*at).is_some());
    }
    let beside = |at: usize, key| match key {
        SortKey::Rate(rate) => delta?.change(place(at)).of(rate),
        _ => worst(at).map(u64::from),
    };
    let sorted = order::sorted(
        &sample.sockets,
        shown,
        &sample.owners,
        &beside,
        &asked.order,
    );
    (sorted.into_iter().map(place).collect(), looked_at)
}

fn nothing_matches(args: &Args, asked: &Asked, sample: &Sample) -> Error {
    let mut command = Command::of("sockdoc sockets -a");
    if args.what.all_netns {
        command = command.with("--all-netns");
    } else if let Some(namespace) = sample.namespaces.first() {
        command = command.inside(namespace);
    }
    let (cause, next) = if asked.left_time_wait_out() {
        (
            "only connections in TIME-WAIT match the filter",
            "show them: add -a".to_owned(),
        )
    } else {
        (
            "no socket matches the filter, so nothing was checked",
            format!("list all sockets: {command}"),
        )
    };
    Error::new(Kind::CannotRun, "look for problems", cause).next(next)
}

/// Whether the host is healthy: a notice is not a problem, and without evidence nothing is proven.
fn is_healthy(worst: Option<Severity>, evident: bool) -> bool {
    evident && worst < Some(Severity::Warning)
}

/// Text is collected up to this size before it is written.
const BUFFER: usize = 256 * 1024;

fn write_body(
    args: &Args,
    asked: &Asked,
    sheet: &Sheet<'_>,
    about: json::About,
    looked_at: &[SocketAt],
    context: &Context,
    out: &mut impl Write,
) -> io::Result<()> {
    let how = &args.how;
    let owners = &sheet.sample().owners;
    let sockets = || -> Vec<&Socket> {
        sheet
            .shown
            .iter()
            .map(|at| sheet.index.socket(*at))
            .collect()
    };
    if let Some(by) = how.group {
        let beside = |index: usize| Beside {
            findings: sheet.findings.of(sheet.shown[index]).count(),
            change: (sheet.delta)
                .map_or_else(Default::default, |delta| delta.change(sheet.shown[index])),
        };
        let all = &sheet.sample().sockets;
        let group_of = |socket: &_| sheet.group_of(socket);
        let mut rows = order::group(&sockets(), all, owners, &beside, &group_of, by);
        if sheet.delta.is_some() {
            summary::sort_by_rate(&mut rows);
        }
        // Its words were read before.
        let _ = summary::sort(&mut rows, by, &how.sort);
        if !context.json {
            return summary::groups(out, sheet, by, &rows, context.width, context.style);
        }
        return json::write_groups(out, sheet, about, &rows);
    }
    if how.summary {
        let summed = order::Summary::new(&sockets(), owners);
        if !context.json {
            return summary::summary(out, &summed, sheet, context.width);
        }
        return json::write_summary(out, sheet, about, &summed);
    }
    if context.json {
        return json::write(out, sheet, about);
    }
    let columns = columns(args, context);
    match how.like {
        Some(Like::Netstat) => {
            let asked = if args.what.listens() {
                NetstatAsked::Listening
            } else {
                NetstatAsked::All
            };
            return netstat::write(out, sheet, asked, netstat::Programs::Shown);
        }
        Some(Like::Lsof) => return lsof::write(out, sheet),
        Some(Like::Ss) => return ss::write(out, sheet),
        None if how.csv => return csv::write(out, sheet, columns),
        None => {}
    }
    if args.which.problems {
        let layout = finding::Layout {
            style: context.style,
            width: context.width,
            verbose: context.verbose,
        };
        return problems::write(out, sheet, looked_at, layout);
    }
    let layout = Layout {
        columns,
        header: !how.no_header,
        width: context.width.filter(|_| !how.wide),
        all_owners: context.verbose,
        style: context.style,
        details: details::Wanted {
            tcp: how.info,
            memory: how.memory,
            timer: how.timers,
            extended: asked.extended,
        },
    };
    text::write(out, sheet, &layout)
}

/// The footer of what people read. Where another program reads, only what is missing is said, and
/// where it does not disturb.
fn write_footer(
    args: &Args,
    asked: &Asked,
    footer: &Footer<'_>,
    context: &Context,
    out: &mut impl Write,
) -> io::Result<()> {
    let how = &args.how;
    if context.json {
        return Ok(());
    }
    // Each line is a row then, for programs and `wc -l`.
    if how.like.is_some() || how.csv || how.no_header {
        let left_out = footer.hidden[0].0;
        // lsof has no row without a descriptor.
        if left_out > 0 && how.csv {
            tell(&format!("{left_out} TIME-WAIT not shown (-a)"));
        }
        if how.no_header {
            footer.remarks.iter().for_each(|remark| tell(remark));
        }
        for note in footer.notes {
            tell(&note.text);
        }
        return Ok(());
    }
    if asked.problems && how.group.is_none() && !how.summary {
        return text::notes(out, footer.notes, context.width);
    }
    text::footer(out, footer)
}

/// How the filter was read and what would match otherwise, if nothing does; and what the connections in
/// TIME-WAIT on a port mean.
fn remarks(asked: &Asked, sheet: &Sheet<'_>, elsewhere: &[Elsewhere]) -> Vec<String> {
    let mut remarks = Vec::new();
    let is_empty = sheet.shown.is_empty();
    if !asked.read_as.is_empty() && (is_empty || asked.filter.is_ambiguous()) {
        remarks.push(format!("the filter was read as: {}", asked.read_as));
    }
    for one in elsewhere.iter().take(MOST_ELSEWHERE) {
        let total: usize = one.states.values().sum();
        let plural = if total == 1 { "" } else { "s" };
        let states = one.states.iter().map(|(state, count)| match total {
            1 => (*state).to_owned(),
            _ => format!("{count} {state}"),
        });
        let states: Vec<String> = states.collect();
        remarks.push(format!(
            "without {}: {} socket{plural} ({})",
            one.without,
            thousands(total as u64),
            states.join(", ")
        ));
    }
    remarks.extend(time_wait_and_bind(asked, sheet));
    remarks
}

/// What connections in TIME-WAIT on a port that is asked for mean to a program that wants to bind it.
fn time_wait_and_bind(asked: &Asked, sheet: &Sheet<'_>) -> Option<String> {
    if !asked.time_wait_of_port {
        return None;
    }
    let holds = |row: &Row<'_>, state| {
        row.proto == Proto::Tcp && row.state == state && asked.filter.asks_for_port_of(&row.local)
    };
    let waiting: Vec<Row<'_>> = (sheet.rows())
        .filter(|row| holds(row, State::TimeWait))
        .collect();
    let port = waiting.first()?.local.port()?;
    let other = |row: &Row<'_>| row.local.port() != Some(port);
    if waiting.iter().any(other) || sheet.rows().any(|row| holds(&row, State::Listen)) {
        return None;
    }
    let last = waiting
        .iter()
        .filter_map(|row| row.timer)
        .map(|timer| timer.expires_ms);
    let last = last
        .max()
        .map_or_else(String::new, |ms| format!(" (in {} s)", ms.div_ceil(1000)));
    Some(format!(
        "binding port {port} fails (EADDRINUSE) until the last TIME-WAIT ends{last}, unless both the \
         program that used it and the one that binds it set SO_REUSEADDR"
    ))
}

/// More would not be read.
const MOST_ELSEWHERE: usize = 5;

/// What numbers are called, for the sockets that are shown.
fn names(args: &Args, asked: &Asked, taken: &Taken, shown: &[SocketAt]) -> Names {
    let sockets = || shown.iter().map(|at| taken.sample.socket(*at));
    let mut names = Names::default();
    for (netns, interfaces) in (0..).zip(&taken.interfaces) {
        for (index, name) in interfaces {
            names.interfaces.insert((netns, *index), name.clone());
        }
    }
    // The users of another host may have other names.
    if asked.shows_users && !args.how.numeric && args.what.from.is_none() {
        let mut users = Users::default();
        let of_sockets = sockets().filter_map(|socket| socket.uid);
        let processes = taken.sample.owners.processes();
        let of_processes = processes.iter().filter_map(|process| process.uid);
        for uid in of_sockets.chain(of_processes) {
            if let Some(name) = users.name(uid) {
                names.users.entry(uid).or_insert_with(|| name.to_owned());
            }
        }
    }
    if args.how.resolve {
        let mut tried = Tried::default();
        for end in sockets()
            .flat_map(|socket| [(&socket.local, socket.proto), (&socket.peer, socket.proto)])
        {
            look_up(end.0, end.1, &mut tried, &mut names);
        }
    }
    names
}

/// What was asked for, whether it has a name or not: where the DNS does not answer, each question takes
/// seconds.
#[derive(Default)]
struct Tried {
    hosts: HashSet<IpAddr>,
    ports: HashSet<(Proto, u16)>,
}

/// Asks for the names of a host and a service, once for each.
fn look_up(end: &Address, proto: Proto, tried: &mut Tried, names: &mut Names) {
    let Address::Ip { addr, port, .. } = *end else {
        return;
    };
    let host = addr.to_canonical();
    if !host.is_unspecified() && tried.hosts.insert(host) {
        names
            .hosts
            .extend(resolve::name_of(host).map(|name| (host, name)));
    }
    if port != 0 && tried.ports.insert((proto, port)) {
        let service = resolve::service_of(port, proto.name());
        names
            .ports
            .extend(service.map(|name| ((proto, port), name)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_alone_is_no_bad_answer() {
        assert!(is_healthy(None, true));
        assert!(!is_healthy(None, false));
        assert!(is_healthy(Some(Severity::Notice), true));
        assert!(!is_healthy(Some(Severity::Warning), true));
        assert!(!is_healthy(Some(Severity::Error), true));
    }

    #[test]
    fn a_host_without_a_name_is_asked_for_once() {
        let end = |addr: &str| Address::Ip {
            addr: addr.parse().expect("an address"),
            port: 0,
            scope: 0,
        };
        let (mut tried, mut names) = (Tried::default(), Names::default());
        let host = "192.0.2.1".parse().expect("an address");
        tried.hosts.insert(host);
        // It would be asked for here; nothing else could put a name in.
        look_up(&end("::ffff:192.0.2.1"), Proto::Tcp, &mut tried, &mut names);
        look_up(&end("::"), Proto::Tcp, &mut tried, &mut names);
        assert_eq!((tried.hosts.len(), names.hosts.len()), (1, 0));
        assert!(tried.ports.is_empty());
    }
}
