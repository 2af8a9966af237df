//! Threads whose descriptors are not in /proc/PID/fd, which is the table of the first thread: those with
//! a table of their own (`unshare(CLONE_FILES)`), and those that remain after the first one has exited.

use std::cmp::Ordering;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;

use nix::fcntl::AtFlags;
use nix::sys::stat::fstatat;

/// Whether the process has more than one thread; `fd_directory` is its /proc/PID/fd. The link count of
/// its task directory is the number of threads plus two.
pub(super) fn are_several(fd_directory: &OwnedFd) -> bool {
    fstatat(fd_directory, c"../task", AtFlags::empty()).is_ok_and(|task| task.st_nlink > 3)
}

/// One thread, the one with the lowest id, for each descriptor table other than that of /proc/PID/fd.
///
/// If tables cannot be compared, all threads are assumed to share the table of the first one, or, if
/// that has exited (`leader_is_gone`), to share one table.
pub(super) fn with_other_tables(pid: u32, leader_is_gone: bool) -> Vec<u32> {
    let mut others = of(pid);
    others.sort_unstable();
    let mut tables = Tables(vec![pid]);
    let mut found = Vec::new();
    for tid in others.into_iter().filter(|tid| *tid != pid) {
        match tables.is_new(tid) {
            Ok(true) => found.push(tid),
            Ok(false) => {}
            // It has exited in the meantime.
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
            Err(_) if leader_is_gone => return vec![tid],
            Err(_) => return Vec::new(),
        }
    }
    found
}

fn of(pid: u32) -> Vec<u32> {
    let entries = fs::read_dir(format!("/proc/{pid}/task")).into_iter();
    let names = entries.flatten().flatten();
    names
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// One thread for each table, in the order that kcmp(2) defines, so that a binary search tells whether
/// a thread has a new one.
struct Tables(Vec<u32>);

impl Tables {
    fn is_new(&mut self, tid: u32) -> io::Result<bool> {
        let mut failed = None;
        let place = self.0.binary_search_by(|known| {
            compare_tables(*known, tid).unwrap_or_else(|error| {
                failed = Some(error);
                Ordering::Equal
            })
        });
        match (failed, place) {
            (Some(error), _) => Err(error),
            (None, Ok(_)) => Ok(false),
            (None, Err(place)) => {
                self.0.insert(place, tid);
                Ok(true)
            }
        }
    }
}

/// kcmp(2) of the descriptor tables of two threads.
fn compare_tables(one: u32, other: u32) -> io::Result<Ordering> {
    /// `include/uapi/linux/kcmp.h`.
    const KCMP_FILES: libc::c_int = 2;
    // SAFETY: kcmp(2) takes numbers alone.
    match unsafe { libc::syscall(libc::SYS_kcmp, one, other, KCMP_FILES, 0_u64, 0_u64) } {
        0 => Ok(Ordering::Equal),
        1 => Ok(Ordering::Less),
        2 => Ok(Ordering::Greater),
        _ => Err(io::Error::last_os_error()),
    }
}
