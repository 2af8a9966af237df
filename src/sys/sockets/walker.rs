//! Which processes hold sockets, looked at again and again while packets come.

use std::time::{Duration, Instant};

use super::processes::{self, Depth, FoundOwners};
use crate::sockets::{Owners, Process};
use crate::sys::privilege::{self, Capability};

/// For processes of other users.
pub(super) const LOOK: &[Capability] = &[Capability::SysPtrace, Capability::DacReadSearch];
/// The processes that were found last are looked at first: a host has few that connect often.
const RECENT: usize = 4;
/// All processes are walked over for at most one part of the time in this many.
const SHARE: u32 = 5;

/// Which process holds a socket, as far as /proc was read.
#[derive(Debug)]
pub(super) struct Walker {
    pub(super) owners: Owners,
    pub(super) walked: Option<Instant>,
    took: Duration,
    recent: Vec<u32>,
    pub(super) hidden: usize,
    depth: Depth,
    pub(super) needs_command_line: bool,
}

impl Walker {
    pub(super) fn new(depth: Depth, needs_command_line: bool) -> Walker {
        Walker {
            owners: Owners::default(),
            walked: None,
            took: Duration::ZERO,
            recent: Vec::new(),
            hidden: 0,
            depth,
            needs_command_line,
        }
    }

    /// The process that holds a socket, by the last walk or among those that were found last.
    pub(super) fn known(&mut self, inode: u32) -> Option<Process> {
        let of = |owners: &Owners| owners.processes_of(inode).next().cloned();
        let mut process = of(&self.owners);
        if process.is_none() {
            let (recent, depth) = (&self.recent, self.depth);
            let found = privilege::with(LOOK, || processes::look_at(recent, depth));
            process = of(&found.owners);
        }
        self.remember(process.as_ref()?.pid);
        process
    }

    /// This process had a socket: it may have others.
    pub(super) fn remember(&mut self, pid: u32) {
        self.recent.retain(|known| *known != pid);
        self.recent.insert(0, pid);
        self.recent.truncate(RECENT);
    }

    /// Whether another walk would not take too large a part of the time.
    pub(super) fn is_due(&self) -> bool {
        let is_late = |walked: Instant| walked.elapsed() >= self.took * SHARE;
        self.walked.is_none_or(is_late)
    }

    /// Reads /proc; the listing that goes with it began at this time.
    pub(super) fn walk(&mut self, begun: Instant) {
        let depth = self.depth;
        let FoundOwners { owners, hidden, .. } = privilege::with(LOOK, || processes::walk(depth));
        (self.owners, self.hidden) = (owners, hidden.count);
        self.walked = Some(Instant::now());
        self.took = begun.elapsed();
    }
}
