//! The two sources of socket owners: a BPF iterator over the files of all tasks if that is faster and
//! permitted, otherwise /proc. Both return the same owners.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;

use super::processes::{self, Depth, FoundOwners, Hidden};
use crate::bpf::task_file::{self, Record};
use crate::sockets::number_hash::{NumberMap, NumberSet};
use crate::sockets::{Owner, Owners, Process, Socket};
use crate::sys::bpf::{Kernel, Refused};
use crate::sys::privilege::{self, Capability};

/// The number of open files from which the iterator is faster. Reading the kernel's types, which it
/// needs first, takes as long as walking over this many in /proc.
const BREAK_EVEN: u64 = 6_000;

/// What both ways need, for processes of other users.
const ALLOWED: &[Capability] = &[
    Capability::SysPtrace,
    Capability::DacReadSearch,
    Capability::Perfmon,
    Capability::Bpf,
];

/// The source that was used, and why.
#[derive(Debug)]
pub enum Source {
    /// A BPF iterator.
    Iterator,
    /// /proc, because the host has only this many open files.
    FewFiles(u64),
    /// /proc, because this process or /proc is not in the initial PID namespace, whose process ids the
    /// iterator reports.
    PidNamespace,
    /// /proc, because a capability is missing.
    Unprivileged,
    /// /proc, because the program could not be loaded or run.
    Refused(Refused),
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::Iterator => write!(f, "socket owners were read with a BPF iterator"),
            Source::FewFiles(open) => write!(
                f,
                "socket owners were read from /proc: only {open} open files; BPF is faster from \
                 {BREAK_EVEN}"
            ),
            Source::PidNamespace => write!(
                f,
                "socket owners were read from /proc: BPF is used only in the initial PID namespace"
            ),
            Source::Unprivileged => write!(
                f,
                "socket owners were read from /proc: BPF needs CAP_BPF and CAP_PERFMON"
            ),
            Source::Refused(refused) => {
                write!(f, "socket owners were read from /proc: {refused}")
            }
        }
    }
}

/// The sockets whose owners are wanted, as soon as the dumps are complete, if there are few. The owners
/// of other sockets may then be left out.
#[derive(Debug, Default)]
pub(super) struct Wanted(OnceLock<NumberSet<u32>>);

impl Wanted {
    /// With more sockets than this, a filter would save nothing.
    const MOST: usize = 1_000;

    pub(super) fn these(&self, sockets: &[Socket]) {
        if sockets.len() <= Self::MOST {
            let _ = self.0.set(sockets.iter().map(|it| it.inode).collect());
        }
    }
}

/// Finds the owners of all sockets, or at least of the wanted ones.
pub(super) fn find(depth: Depth, wanted: &Wanted) -> (FoundOwners, Source) {
    privilege::with(ALLOWED, || find_as_allowed(depth, wanted))
}

fn find_as_allowed(depth: Depth, wanted: &Wanted) -> (FoundOwners, Source) {
    let source = match choose() {
        Source::Iterator => match from_iterator(&Kernel::running(), depth, wanted) {
            Ok(found) => return (found, Source::Iterator),
            Err(refused) => Source::Refused(refused),
        },
        other => other,
    };
    (processes::walk(depth), source)
}

fn choose() -> Source {
    let open = open_files().unwrap_or(0);
    if open < BREAK_EVEN {
        Source::FewFiles(open)
    } else if !in_initial_pid_namespace() {
        Source::PidNamespace
    } else if !may_load() {
        Source::Unprivileged
    } else {
        Source::Iterator
    }
}

/// The number of open files of the host (`fs.file-nr`). Descriptors that share a file count once, but
/// reading it costs nothing.
fn open_files() -> Option<u64> {
    let text = fs::read_to_string("/proc/sys/fs/file-nr").ok()?;
    text.split_ascii_whitespace().next()?.parse().ok()
}

/// Whether both this process and /proc are in the initial PID namespace. (In a /proc of a nested one
/// this process has no directory.)
pub(super) fn in_initial_pid_namespace() -> bool {
    /// `PROC_PID_INIT_INO`, `include/linux/proc_ns.h`.
    const INITIAL: u64 = 0xefff_fffc;
    fs::metadata("/proc/self/ns/pid").is_ok_and(|namespace| namespace.ino() == INITIAL)
}

/// Whether the effective capabilities suffice. Trying it would mean to read the kernel's types first.
fn may_load() -> bool {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let mut lines = status.lines();
    let effective = lines.find_map(|line| line.strip_prefix("CapEff:"));
    effective
        .and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok())
        .is_some_and(suffice)
}

/// `include/uapi/linux/capability.h`.
fn suffice(capabilities: u64) -> bool {
    const SYS_ADMIN: u64 = 1 << 21;
    const PERFMON_AND_BPF: u64 = 1 << 38 | 1 << 39;
    capabilities & SYS_ADMIN != 0 || capabilities & PERFMON_AND_BPF == PERFMON_AND_BPF
}

/// Reads all descriptors with the iterator, and the details of each process from /proc.
fn from_iterator(
    kernel: &Kernel<'_>,
    depth: Depth,
    wanted: &Wanted,
) -> Result<FoundOwners, Refused> {
    let program = kernel.fit(task_file::program)?;
    let mut found = Collected::default();
    let mut descriptors = 0;
    kernel.iterate(&program, |piece| {
        let wanted = wanted.0.get();
        for record in Record::all(piece) {
            descriptors += 1;
            if wanted.is_none_or(|wanted| wanted.contains(&record.inode)) {
                found.add(&record);
            }
        }
    })?;
    let processes = found.processes.into_iter();
    let processes = processes
        .map(|known| processes::describe(known, depth))
        .collect();
    Ok(FoundOwners {
        owners: Owners::new(processes, found.links, true),
        hidden: Hidden::default(),
        descriptors,
        no_proc: false,
    })
}

/// The output of the iterator so far.
#[derive(Debug, Default)]
struct Collected {
    /// With process id and name only.
    processes: Vec<Process>,
    links: Vec<Owner>,
    by_pid: NumberMap<u32, u32>,
}

impl Collected {
    fn add(&mut self, record: &Record) {
        let process = *self.by_pid.entry(record.pid).or_insert_with(|| {
            self.processes.push(Process {
                pid: record.pid,
                comm: record.comm().into(),
                ..Process::default()
            });
            u32::try_from(self.processes.len() - 1).unwrap_or(u32::MAX)
        });
        self.links.push(Owner {
            inode: record.inode,
            process,
            fd: record.fd,
        });
    }
}

#[cfg(test)]
#[path = "owners_tests.rs"]
mod tests;
