//! Where the owners of sockets are read: from a BPF iterator over the files of all tasks where that is
//! quicker and allowed, else from /proc. Both give the same owners.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;

use super::processes::{self, Depth, Found};
use crate::bpf::task_file::{self, Record};
use crate::sockets::number_hash::{NumberMap, NumberSet};
use crate::sockets::{Owner, Owners, Process, Socket};
use crate::sys::bpf::{Kernel, Refused};

/// From so many open files on the iterator is quicker: before, the kernel's types have to be read,
/// which takes as long as a walk over these.
const BREAK_EVEN: u64 = 5_000;

/// Where the owners were read, and why there.
#[derive(Debug)]
pub enum Source {
    /// A BPF iterator.
    Iterator,
    /// /proc, because there are few open files.
    FewFiles(u64),
    /// /proc, because this process or /proc is not of the initial PID namespace: the iterator's
    /// numbers of processes are those of that one.
    PidNamespace,
    /// /proc, for want of a capability.
    Unprivileged,
    /// /proc, because the kernel refused.
    Refused(Refused),
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::Iterator => write!(f, "socket owners were read with a BPF iterator"),
            Source::FewFiles(open) => write!(
                f,
                "socket owners were read from /proc: {open} open files; BPF is quicker from \
                 {BREAK_EVEN} on"
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

/// The sockets whose owners are wanted, if they are few, from when that is known: those of all others
/// may be left out.
#[derive(Debug, Default)]
pub(super) struct Wanted(OnceLock<NumberSet<u32>>);

impl Wanted {
    /// More sockets than these are not few.
    const MOST: usize = 1_000;

    pub(super) fn these(&self, sockets: &[Socket]) {
        if sockets.len() <= Self::MOST {
            let _ = self.0.set(sockets.iter().map(|it| it.inode).collect());
        }
    }
}

/// Finds the owners of all sockets that can be seen, or of those that are wanted.
pub(super) fn find(depth: Depth, wanted: &Wanted) -> (Found, Source) {
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

/// The open files of the host (`fs.file-nr`): not quite its descriptors, which may share a file, but
/// it costs nothing to ask.
fn open_files() -> Option<u64> {
    let text = fs::read_to_string("/proc/sys/fs/file-nr").ok()?;
    text.split_ascii_whitespace().next()?.parse().ok()
}

/// Whether both this process and /proc are. (In a /proc of another namespace this process has no
/// folder.)
fn in_initial_pid_namespace() -> bool {
    /// `PROC_PID_INIT_INO`, `include/linux/proc_ns.h`.
    const INITIAL: u64 = 0xefff_fffc;
    fs::metadata("/proc/self/ns/pid").is_ok_and(|namespace| namespace.ino() == INITIAL)
}

/// Whether the effective capabilities suffice: to find out by trying would first take reading the
/// kernel's types.
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

/// Reads all descriptors in one go. The rest about each process comes from /proc.
fn from_iterator(kernel: &Kernel<'_>, depth: Depth, wanted: &Wanted) -> Result<Found, Refused> {
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
    Ok(Found {
        owners: Owners::new(processes, found.links, true),
        hidden: 0,
        descriptors,
        no_proc: false,
    })
}

/// What the iterator told so far.
#[derive(Debug, Default)]
struct Collected {
    /// Number and name of each.
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
