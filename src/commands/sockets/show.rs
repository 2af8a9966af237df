//! From a snapshot to text.

use std::io::{self, Write};
use std::time::Duration;

use crate::commands::{Context, Status};
use crate::error::{Error, Result};
use crate::render::sockets::column::Column;
use crate::render::sockets::netstat::Asked as NetstatAsked;
use crate::render::sockets::text::{Footer, Layout};
use crate::render::sockets::{Names, Sheet, csv, details, json, lsof, netstat, problems, ss, summary, text};
use crate::sockets::{Address, Note, Socket, order};
use crate::sys::resolve;
use crate::sys::sockets::Taken;
use crate::sys::users::Users;

use super::ask::Asked;
use super::{Args, Like};

/// Shows what was asked for.
pub fn show(
    args: &Args,
    asked: &Asked,
    taken: &Taken,
    time: Duration,
    context: &Context,
) -> Result<Status> {
    let snapshot = &taken.snapshot;
    let owners = asked.filter.for_owners(&snapshot.owners);
    let mut collapsed = 0;
    let mut sockets: Vec<&Socket> = Vec::with_capacity(snapshot.sockets.len());
    for index in order::sorted(&snapshot.sockets, &snapshot.owners, &args.how.sort) {
        let socket = &snapshot.sockets[index];
        if asked.filter.collapses(socket) {
            collapsed += 1;
        } else if owners.matches(socket) {
            sockets.push(socket);
        }
    }
    let mut notes = snapshot.notes.clone();
    if asked.hidden_namespaces > 0 {
        notes.push(hidden_namespaces(asked.hidden_namespaces));
    }
    let names = names(args, taken, &sockets);
    let sheet = Sheet {
        snapshot,
        sockets: &sockets,
        names: &names,
        owners_sought: asked.owners_sought(),
    };
    // One large buffer: a row is small, and a system call for each would be most of the work.
    let mut out = io::BufWriter::with_capacity(256 * 1024, io::stdout().lock());
    let write = || -> io::Result<()> {
        write_body(args, &sheet, time, context, &mut out)?;
        let plain = !context.json && !args.how.csv && args.how.like.is_none();
        if plain {
            let footer = Footer {
                shown: sockets.len() as u64,
                hidden: vec![(hidden_time_wait(asked, taken) + collapsed, "TIME-WAIT", "-a")],
                notes: &notes,
            };
            text::footer(&mut out, &footer)?;
        }
        out.flush()
    };
    let mut write = write;
    write().map_err(Error::output)?;
    Ok(Status::of(sockets.is_empty() == asked.filter.problems))
}

fn write_body(
    args: &Args,
    sheet: &Sheet<'_>,
    time: Duration,
    context: &Context,
    out: &mut impl Write,
) -> io::Result<()> {
    let how = &args.how;
    if let Some(by) = how.group {
        let rows = order::group(sheet.sockets, &sheet.snapshot.owners, by);
        return if context.json {
            summary::group_json(out, sheet, by, &rows)
        } else {
            summary::group(out, sheet, by, &rows, context.width)
        };
    }
    if how.summary {
        let summed = order::Summary::new(sheet.sockets, &sheet.snapshot.owners);
        return if context.json {
            summary::summary_json(out, sheet, &summed)
        } else {
            summary::summary(out, sheet, &summed, context.width)
        };
    }
    if context.json {
        return json::write(out, sheet, time);
    }
    let columns: &[Column] = how.cols.as_ref().map_or(Column::DEFAULT, |columns| &columns.0);
    match how.like {
        Some(Like::Netstat) => return netstat::write(out, sheet, NetstatAsked::Everything),
        Some(Like::Lsof) => return lsof::write(out, sheet),
        Some(Like::Ss) => return ss::write(out, sheet),
        None if how.csv => return csv::write(out, sheet, columns),
        None => {}
    }
    if args.which.problems {
        return problems::write(out, sheet, context.width, context.style);
    }
    let layout = Layout {
        columns,
        header: true,
        width: context.width,
        style: context.style,
        details: details::Wanted { tcp: how.info, memory: how.memory, timer: how.timers },
    };
    text::write(out, sheet, &layout)
}

/// TIME-WAIT is counted by the kernel, unless a filter asks for something that its count does not
/// know.
fn hidden_time_wait(asked: &Asked, taken: &Taken) -> u64 {
    if asked.counts_time_wait() { taken.time_wait } else { 0 }
}

fn hidden_namespaces(processes: usize) -> Note {
    Note {
        id: "namespaces_hidden",
        text: format!(
            "the network namespaces of {processes} processes cannot be seen: as root, or with \
             CAP_SYS_PTRACE, they show too"
        ),
        incomplete: true,
    }
}

/// What numbers are called, for the sockets that are shown.
fn names(args: &Args, taken: &Taken, sockets: &[&Socket]) -> Names {
    let mut names = Names::default();
    for (netns, interfaces) in (0..).zip(&taken.interfaces) {
        for (index, name) in interfaces {
            names.interfaces.insert((netns, *index), name.clone());
        }
    }
    if !args.how.numeric {
        let mut users = Users::default();
        let of_sockets = sockets.iter().filter_map(|socket| socket.uid);
        let of_processes = taken.snapshot.owners.processes().iter().filter_map(|process| process.uid);
        for uid in of_sockets.chain(of_processes) {
            if !names.users.contains_key(&uid) {
                if let Some(name) = users.name(uid) {
                    names.users.insert(uid, name.to_owned());
                }
            }
        }
    }
    if args.how.resolve {
        for socket in sockets {
            for end in [&socket.local, &socket.peer] {
                let Address::Ip { addr, port, .. } = *end else { continue };
                let host = addr.to_canonical();
                if !host.is_unspecified() && !names.hosts.contains_key(&host) {
                    if let Some(name) = resolve::name_of(host) {
                        names.hosts.insert(host, name);
                    }
                }
                if let Some(name) = resolve::service_of(port, socket.proto.name()) {
                    names.ports.insert((socket.proto, port), name);
                }
            }
        }
    }
    names
}
