//! From a snapshot to text.

use std::collections::HashSet;
use std::io::{self, Write};
use std::net::IpAddr;
use std::time::Duration;

use crate::commands::serving::tell;
use crate::commands::{Context, Status};
use crate::diagnose::Severity;
use crate::error::{Error, Result};
use crate::render::sockets::netstat::Asked as NetstatAsked;
use crate::render::sockets::text::{Footer, Layout};
use crate::render::sockets::{
    Names, Sheet, csv, details, json, lsof, netstat, problems, ss, summary, text,
};
use crate::sockets::pairs::OtherEnds;
use crate::sockets::{Address, Note, Proto, Socket, order};
use crate::sys::resolve;
use crate::sys::sockets::{Taken, cgroups};
use crate::sys::users::Users;

use super::ask::{Asked, columns};
use super::{Args, Like};

/// Shows what was asked for.
pub(super) fn show(
    args: &Args,
    asked: &Asked,
    mut taken: Taken,
    time: Duration,
    context: &Context,
) -> Result<Status> {
    // Before the filter takes one of two ends away.
    let other_ends = if asked.shows_other_ends {
        OtherEnds::new(&taken.snapshot.sockets, &taken.snapshot.owners)
    } else {
        OtherEnds::default()
    };
    let looked_at = asked.settle(&mut taken.snapshot.sockets);
    if asked.filter.needs_owners() {
        let snapshot = &mut taken.snapshot;
        let owners = asked.filter.for_owners(&snapshot.owners);
        snapshot.sockets.retain(|socket| owners.matches(socket));
    }
    if asked.hidden_namespaces > 0 {
        taken
            .snapshot
            .notes
            .push(hidden_namespaces(asked.hidden_namespaces));
    }
    let snapshot = &taken.snapshot;
    let sockets: Vec<&Socket> = order::sorted(&snapshot.sockets, &snapshot.owners, &args.how.sort)
        .into_iter()
        .map(|index| &snapshot.sockets[index])
        .collect();
    let mut names = names(args, asked, &taken, &sockets);
    if context.json {
        names.cgroups = cgroups::paths();
    }
    let sheet = Sheet {
        snapshot,
        sockets: &sockets,
        names: &names,
        other_ends: &other_ends,
        owners_sought: asked.owners_sought,
    };
    // One large buffer: a row is small, and a system call for each would be most of the work.
    let mut out = io::BufWriter::with_capacity(BUFFER, io::stdout().lock());
    let about = json::About {
        taken: time,
        time_wait: asked.time_wait(taken.time_wait),
    };
    write_body(args, &sheet, about, looked_at, context, &mut out)
        .and_then(|()| write_footer(args, asked, &taken, context, &mut out))
        .and_then(|()| out.flush())
        .map_err(Error::output)?;
    if let Some(source) = taken.owner_source.filter(|_| context.verbose) {
        tell(&source.to_string());
    }
    Ok(status(&sockets, asked.filter.problems, taken.rules_ran))
}

/// Something is wrong where that is asked for, or else nothing is what was asked for. A notice is no
/// problem.
fn status(sockets: &[&Socket], problems: bool, rules_ran: bool) -> Status {
    let mut findings = sockets.iter().flat_map(|socket| &socket.findings);
    Status::of(if problems {
        // Where the rules could not run, silence is no good news.
        rules_ran && !findings.any(|finding| finding.severity >= Severity::Warning)
    } else {
        !sockets.is_empty()
    })
}

/// Text is collected up to this size before it is written.
const BUFFER: usize = 256 * 1024;

fn write_body(
    args: &Args,
    sheet: &Sheet<'_>,
    about: json::About,
    looked_at: usize,
    context: &Context,
    out: &mut impl Write,
) -> io::Result<()> {
    let how = &args.how;
    let (sockets, owners) = (&sheet.snapshot.sockets, &sheet.snapshot.owners);
    if let Some(by) = how.group {
        let rows = order::group(sockets, owners, by);
        if !context.json {
            return summary::groups(out, sheet, by, &rows, context.width, context.style);
        }
        return json::write_groups(out, sheet, about, &rows);
    }
    if how.summary {
        let summed = order::Summary::new(sockets, owners);
        if !context.json {
            return summary::summary(out, &summed, sheet, context.width);
        }
        return json::write_summary(out, sheet, about, &summed);
    }
    if context.json {
        return json::write(out, sheet, about);
    }
    let columns = columns(args);
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
    if args.which.asks_for_problems() {
        return problems::write_of(out, sheet, Some(looked_at), context.style, context.width);
    }
    let layout = Layout {
        columns,
        header: true,
        width: context.width,
        style: context.style,
        details: details::Wanted {
            tcp: how.info,
            memory: how.memory,
            timer: how.timers,
        },
    };
    text::write(out, sheet, &layout)
}

/// The footer of what people read. Where another program reads, only what is missing is said, and
/// where it does not disturb.
fn write_footer(
    args: &Args,
    asked: &Asked,
    taken: &Taken,
    context: &Context,
    out: &mut impl Write,
) -> io::Result<()> {
    let how = &args.how;
    let notes = &taken.snapshot.notes;
    if context.json {
        return Ok(());
    }
    if how.like.is_some() || how.csv {
        let left_out = asked.time_wait(taken.time_wait);
        // lsof has no row without a descriptor.
        if left_out > 0 && how.csv {
            tell(&format!("{left_out} TIME-WAIT not shown (-a)"));
        }
        for note in notes {
            tell(&note.text);
        }
        return Ok(());
    }
    if asked.filter.problems && how.group.is_none() && !how.summary {
        return text::notes(out, notes);
    }
    let footer = Footer {
        shown: taken.snapshot.sockets.len() as u64,
        hidden: vec![(asked.time_wait(taken.time_wait), "TIME-WAIT", "-a")],
        notes,
    };
    text::footer(out, &footer)
}

fn hidden_namespaces(processes: usize) -> Note {
    let plural = if processes == 1 { "" } else { "es" };
    Note {
        id: "namespaces_hidden",
        text: format!(
            "could not see the network namespaces of {processes} process{plural}; run as root (needs \
             CAP_SYS_PTRACE)"
        ),
        incomplete: true,
    }
}

/// What numbers are called, for the sockets that are shown.
fn names(args: &Args, asked: &Asked, taken: &Taken, sockets: &[&Socket]) -> Names {
    let mut names = Names::default();
    for (netns, interfaces) in (0..).zip(&taken.interfaces) {
        for (index, name) in interfaces {
            names.interfaces.insert((netns, *index), name.clone());
        }
    }
    if asked.shows_users && !args.how.numeric {
        let mut users = Users::default();
        let of_sockets = sockets.iter().filter_map(|socket| socket.uid);
        let processes = taken.snapshot.owners.processes();
        let of_processes = processes.iter().filter_map(|process| process.uid);
        for uid in of_sockets.chain(of_processes) {
            if let Some(name) = users.name(uid) {
                names.users.entry(uid).or_insert_with(|| name.to_owned());
            }
        }
    }
    if args.how.resolve {
        let mut tried = Tried::default();
        for end in sockets
            .iter()
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
    use crate::diagnose::Finding;
    use crate::sockets::{Family, State};

    fn socket(severity: Option<Severity>) -> Socket {
        let finding = |severity| Finding {
            id: "x",
            severity,
            text: String::new(),
            evidence: Vec::new(),
            explanation: "",
            ruled_out: "",
            next: String::new(),
        };
        Socket {
            findings: severity.map(finding).into_iter().collect(),
            ..Socket::blank(Proto::Tcp, Family::Inet, State::Listen)
        }
    }

    #[test]
    fn a_notice_alone_is_no_bad_answer() {
        let none = socket(None);
        let notice = socket(Some(Severity::Notice));
        let warning = socket(Some(Severity::Warning));
        assert_eq!(status(&[], false, true), Status::Bad);
        assert_eq!(status(&[&none], false, true), Status::Good);
        assert_eq!(status(&[&warning], false, true), Status::Good);
        assert_eq!(status(&[], true, true), Status::Good);
        assert_eq!(status(&[], true, false), Status::Bad);
        assert_eq!(status(&[&notice], true, true), Status::Good);
        assert_eq!(status(&[&notice, &warning], true, true), Status::Bad);
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

    #[test]
    fn one_process_is_no_processes() {
        assert!(hidden_namespaces(1).text.contains(" 1 process;"));
        assert!(hidden_namespaces(2).text.contains(" 2 processes;"));
    }
}
