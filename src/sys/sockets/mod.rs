//! The sockets of this host, as the kernel tells them: `sock_diag(7)` first, /proc/net where a family's
//! module is absent, and a note where neither can be had.
//!
//! | file | what it holds |
//! |---|---|
//! | this one | [`Query`], [`snapshot`] |
//! | [`cgroups`] | the paths of control groups |
//! | [`diag`] | the netlink socket |
//! | [`families`] | one dump for each family, and its fallback |
//! | [`namespaces`] | network namespaces |
//! | [`processes`] | who holds which socket |

pub mod cgroups;
pub mod diag;
pub mod families;
pub mod namespaces;
pub mod processes;

use std::collections::HashMap;

use crate::error::Result;
use crate::sockdiag::Bytecode;
use crate::sockets::{Note, Proto, Snapshot, Socket};

use families::Collector;
use namespaces::Place;
use processes::{Depth, Found};

/// What is wanted.
#[derive(Debug)]
pub struct Query {
    /// These protocols.
    pub protos: Vec<Proto>,
    /// Sockets in these states: bits of [`State::bit`](crate::sockets::State::bit).
    pub states: u32,
    /// TCP sockets in these states: without `TIME_WAIT` or anything but listeners, the kernel is spared
    /// much.
    pub tcp_states: u32,
    /// A filter that the kernel runs on TCP sockets, to save it their filling.
    pub bytecode: Option<Bytecode>,
    /// Keep what goes beyond addresses and queues.
    pub details: bool,
    /// Ask the rules what is wrong.
    pub findings: bool,
    /// Look for owners, so deep.
    pub owners: Option<Depth>,
    /// In these namespaces.
    pub places: Vec<Place>,
}

/// Sockets for which this is false are not kept.
pub type Keep<'a> = dyn Fn(&Socket) -> bool + Sync + 'a;

/// A snapshot, and what goes with it.
#[derive(Debug, Default)]
pub struct Taken {
    /// The sockets and their owners.
    pub snapshot: Snapshot,
    /// The interfaces of each namespace by index, in the order of the snapshot's namespaces.
    pub interfaces: Vec<HashMap<u32, String>>,
    /// Sockets in `TIME_WAIT`, by the kernel's own count, in all the namespaces.
    pub time_wait: u64,
}

/// Takes a snapshot. The walk over the processes runs at the same time as the dumps.
///
/// # Errors
/// When a namespace cannot be entered, or netlink and /proc are both out of reach.
pub fn snapshot(query: &Query, keep: &Keep<'_>) -> Result<Taken> {
    std::thread::scope(|scope| {
        let walk = query
            .owners
            .map(|depth| scope.spawn(move || processes::walk(depth)));
        let mut taken = Taken::default();
        for (index, place) in query.places.iter().enumerate() {
            let netns = u16::try_from(index).unwrap_or(u16::MAX);
            let part = place.inside(|| Collector::new(query, keep, netns).collect())?;
            taken.snapshot.sockets.extend(part.sockets);
            taken.snapshot.notes.extend(part.notes);
            taken.snapshot.namespaces.push(place.namespace.clone());
            taken.interfaces.push(part.interfaces);
            taken.time_wait += part.time_wait;
        }
        if let Some(found) = walk.and_then(|walk| walk.join().ok()) {
            note_hidden(&found, &mut taken.snapshot.notes);
            taken.snapshot.owners = found.owners;
        }
        merge_notes(&mut taken.snapshot.notes);
        Ok(taken)
    })
}

fn note_hidden(found: &Found, notes: &mut Vec<Note>) {
    if found.no_proc {
        notes.push(Note {
            id: "no_proc",
            text:
                "/proc cannot be read, so no owner can be told: mount it, or ask outside of this \
                   sandbox"
                    .to_owned(),
            incomplete: true,
        });
    } else if found.hidden > 0 {
        notes.push(Note {
            id: "owners_hidden",
            text: format!(
                "the descriptors of {} processes (of other users, or protected ones) cannot be \
                 read: as root with CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH, their sockets show \
                 their owners too",
                found.hidden
            ),
            incomplete: true,
        });
    }
}

/// The same note of several namespaces is one.
fn merge_notes(notes: &mut Vec<Note>) {
    let mut seen = Vec::new();
    notes.retain(|note| {
        let new = !seen.contains(&note.text);
        if new {
            seen.push(note.text.clone());
        }
        new
    });
}
