//! The sockets of this host, as the kernel lists them: `sock_diag(7)` first, /proc/net where a family's
//! module is absent, and a note where neither can be had.
//!
//! | file | what it holds |
//! |---|---|
//! | this one | [`Query`], [`sample`] |
//! | [`cgroups`] | the paths of control groups |
//! | [`closings`] | connections that close while one waits |
//! | `counts` | how many there are by the kernel's own counts |
//! | `descriptors` | sockets that some processes hold and no table lists |
//! | [`families`] | one dump for each family, and its fallback |
//! | [`flows`] | the processes at the ends of flows of packets |
//! | [`forwards`] | listeners that forward into a container |
//! | `kernel` | sockets that the kernel itself uses |
//! | [`namespaces`] | network namespaces |
//! | [`notes`] | what could not be seen, in words |
//! | [`owners`] | who holds which socket: which of two sources tells |
//! | [`paths`] | whether the path of a Unix socket still leads to it |
//! | [`sampler`] | one sample after the other, at the least cost |
//! | [`statuses`] | what a few processes do, and what they may do |
//! | [`processes`] | one of them: /proc |
//! | `threads` | threads that do not share the descriptors of their process |
//! | `walker` | who holds which socket, looked at again and again |

pub mod cgroups;
pub mod closings;
pub mod containers;
mod counts;
mod descriptors;
pub mod families;
pub mod flows;
pub mod forwards;
mod kernel;
pub mod namespaces;
pub mod notes;
pub mod owners;
pub mod paths;
pub mod processes;
pub mod sampler;
pub mod statuses;
mod threads;
mod walker;

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::diagnose::words;
use crate::error::{Error, Result};
use crate::host::{Forward, Namespace, Note, Sample, SocketAt};
use crate::sockdiag::Bytecode;
use crate::sockets::number_hash::NumberMap;
use crate::sockets::{OwnerReason, Owners, PathState, Proto, Socket};

use crate::sys::privilege::{self, Capability, Need};

use families::{Collector, Part};
use namespaces::Place;
use owners::{Source, Wanted};
use processes::{Depth, FoundOwners};

/// What is wanted.
#[derive(Debug, Default)]
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
    /// Keep what a diagnosis looks at.
    pub evidence: bool,
    /// Keep what listeners dropped, too.
    pub drops: bool,
    /// Look for owners, so deep.
    pub owners: Option<Depth>,
    /// In these namespaces.
    pub places: Vec<Place>,
    /// Account for each socket that these processes hold, in a table or not; needs owners.
    pub pids: Vec<u32>,
}

impl Query {
    /// Whether processes are named and hold sockets that can be read: that others hide theirs is no loss.
    fn are_found(&self, owners: &Owners) -> bool {
        let is_found = |pid: &u32| owners.processes().iter().any(|it| it.pid == *pid);
        !self.pids.is_empty() && self.pids.iter().all(is_found)
    }

    /// What it needs privileges for.
    pub fn needs(&self) -> Vec<Need> {
        let elsewhere = self.places.iter().any(Place::must_be_entered);
        [
            (self.owners.is_some(), Need::Owners),
            // The namespace of a socket is told to who has a right there.
            (self.details || !self.pids.is_empty(), Need::Details),
            (elsewhere, Need::Namespaces),
        ]
        .into_iter()
        .filter_map(|(is_needed, need)| is_needed.then_some(need))
        .collect()
    }
}

/// Sockets for which this is false are not kept.
pub type Keep<'a> = dyn Fn(&Socket) -> bool + Sync + 'a;

/// A sample, and what goes with it.
#[derive(Debug, Default)]
pub struct Taken {
    /// The sockets and their owners.
    pub sample: Sample,
    /// The interfaces of each namespace by index, in the order of the sample's namespaces.
    pub interfaces: Vec<HashMap<u32, String>>,
    /// Sockets in `TIME_WAIT`, by the kernel's own count, in all the namespaces.
    pub time_wait: u64,
    /// Whether all that a diagnosis looks at was there: not where /proc/net stood in for `sock_diag`. No
    /// finding then does not mean that nothing is wrong.
    pub evident: bool,
    /// The inodes of the files that the paths of Unix sockets were, by the inodes of the sockets.
    pub files: NumberMap<u32, u32>,
    /// What became of the paths of Unix sockets, as far as that was looked for: see [`paths::states`].
    pub paths: HashMap<u32, PathState>,
    /// Where listeners forward to, as far as that was looked for: see [`forwards::find`].
    pub forwards: HashMap<SocketAt, Forward>,
    /// Where the owners were read; `None` when none were looked for.
    pub owner_source: Option<Source>,
}

/// Takes a sample. The walk over the processes runs at the same time as the dumps.
///
/// # Errors
/// When the only namespace that is asked for cannot be entered. One of several is noted instead.
pub fn sample(query: &Query, keep: &Keep<'_>) -> Result<Taken> {
    let wanted = &Wanted::default();
    std::thread::scope(|scope| {
        let walk = query
            .owners
            .map(|depth| (depth, scope.spawn(move || owners::find(depth, wanted))));
        let mut taken = Taken {
            evident: true,
            ..Taken::default()
        };
        taken.sample.taken = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let mut open = Vec::new();
        for (index, place) in query.places.iter().enumerate() {
            let netns = u16::try_from(index).unwrap_or(u16::MAX);
            let part = match place.inside(|| {
                privilege::with(&[Capability::NetAdmin], || {
                    Collector::new(query, keep, netns).collect()
                })
            }) {
                Ok(part) => part,
                Err(error) if query.places.len() == 1 => return Err(error),
                Err(error) => not_entered(place, &error),
            };
            // Those of a single namespace, which may be a hundred thousand, are not copied.
            if taken.sample.sockets.is_empty() {
                taken.sample.sockets = part.sockets;
            } else {
                taken.sample.sockets.extend(part.sockets);
            }
            taken.sample.notes.extend(part.notes);
            taken.sample.namespaces.push(Namespace {
                local_ports: part.local_ports,
                ..place.namespace.clone()
            });
            taken.interfaces.push(part.interfaces);
            taken.time_wait += part.time_wait;
            taken.evident &= part.evident;
            taken.files.extend(part.files);
            open.extend(part.diag);
        }
        // Others than those of the tables, too.
        if query.pids.is_empty() {
            wanted.these(&taken.sample.sockets);
        }
        if let Some((depth, walk)) = walk
            && let Ok((found, source)) = walk.join()
        {
            taken.owner_source = Some(source);
            let found = and_kernel(found, query, &taken.sample.sockets);
            let found = walk_again(found, depth, wanted, &taken.sample.sockets);
            let missing = without_owner(&taken.sample.sockets, &found.owners);
            if !query.are_found(&found.owners) {
                note_hidden(&found, missing, &mut taken.sample.notes);
            }
            taken.sample.owners = found.owners;
            if !query.pids.is_empty() {
                descriptors::account(query, keep, &mut taken);
            }
        }
        drop(open);
        taken.sample.sockets.shrink_to_fit();
        merge_notes(&mut taken.sample.notes);
        Ok(taken)
    })
}

/// Stands for a namespace that cannot be entered, so that the indices stay in step.
fn not_entered(place: &Place, error: &Error) -> Part {
    let text = format!(
        "the sockets of the network namespace {} cannot be listed: {}",
        place.namespace.label, error.cause
    );
    Part {
        notes: vec![Note {
            id: "namespace_not_entered".into(),
            text,
            incomplete: true,
        }],
        // The note says enough: of all that was seen it was there.
        evident: true,
        ..Part::default()
    }
}

/// A second walk over more descriptors than this would be felt.
const LONG_WALK: usize = 20_000;

/// The first walk ran beside the dumps: what was opened meanwhile may be in them, and its process not
/// in the walk. So where an owner is missing, it is searched again, unless that takes long or a
/// hidden process explains it.
fn walk_again(
    found: FoundOwners,
    depth: Depth,
    wanted: &Wanted,
    sockets: &[Socket],
) -> FoundOwners {
    let missing = without_owner(sockets, &found.owners);
    let explained = found.no_proc || found.hidden.count > 0;
    if missing == 0 || explained || found.descriptors > LONG_WALK {
        return found;
    }
    let (later, _) = owners::find(depth, wanted);
    if later.no_proc {
        return found;
    }
    FoundOwners {
        owners: found.owners.and_later(later.owners),
        ..later
    }
}

/// The owners with the kernel among them, where it uses sockets itself.
fn and_kernel(found: FoundOwners, query: &Query, sockets: &[Socket]) -> FoundOwners {
    let ends = kernel::ends(&query.places, sockets, &found.owners);
    FoundOwners {
        owners: found.owners.and_kernel(ends),
        ..found
    }
}

/// How many sockets should have an owner, and have none.
fn without_owner(sockets: &[Socket], owners: &Owners) -> usize {
    let open = sockets.iter().filter(|it| lacks_owner(it, owners));
    open.count()
}

fn lacks_owner(socket: &Socket, owners: &Owners) -> bool {
    socket.inode != 0
        && owners.of(socket.inode).is_empty()
        && owners.reason(socket) != OwnerReason::Kernel
}

fn note_hidden(found: &FoundOwners, missing: usize, out: &mut Vec<Note>) {
    if found.no_proc {
        out.push(Note {
            id: "no_proc".into(),
            text:
                "/proc is not mounted, so processes are unknown; mount it (mount -t proc proc /proc), or \
                   run outside this sandbox"
                    .to_owned(),
            incomplete: true,
        });
    } else if found.hidden.count > 0 {
        out.push(notes::owners_hidden(found.hidden));
    } else if missing > 0 {
        out.push(Note {
            id: "owners_not_seen".into(),
            text: format!(
                "found no process for {}: it runs in another PID namespace, hidepid hides it, the \
                 kernel owns the socket, or the socket was closed meanwhile; run as root on the \
                 host, or: nsenter -t 1 -p -m sockdoc sockets",
                words::count(missing as u64, "socket")
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
