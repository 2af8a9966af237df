//! What a few processes do, and what they may do: /proc/PID/stat, fd and limits, and their control groups.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use super::cgroups::Groups;
use crate::host::{ProcessAt, ProcessStatus, Sample};
use crate::sys::privilege::{self, Capability};

/// Reads the status of processes of a sample; one that has ended meanwhile is left out.
pub fn read(sample: &Sample, processes: &[ProcessAt]) -> Vec<ProcessStatus> {
    let allowed = &[Capability::SysPtrace, Capability::DacReadSearch];
    let processes = processes.iter();
    let read = |at: &ProcessAt| of(*at, sample.process(*at).pid);
    privilege::with(allowed, || processes.filter_map(read).collect())
}

fn of(process: ProcessAt, pid: u32) -> Option<ProcessStatus> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let limits = fs::read_to_string(format!("/proc/{pid}/limits"));
    let groups = Groups::of(pid);
    Some(ProcessStatus {
        process,
        state: state(&stat)?,
        descriptors: descriptors(pid),
        descriptor_limit: limits.ok().and_then(|text| descriptor_limit(&text)),
        frozen: groups.are_frozen(),
        memory: groups.memory(),
    })
}

/// After the name, which may hold anything, so after its last bracket.
fn state(stat: &[u8]) -> Option<char> {
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let state = *stat.get(end + 2)?;
    state.is_ascii_alphabetic().then_some(char::from(state))
}

/// How many descriptors are open: since Linux 6.2 the size of the directory, before that its entries.
fn descriptors(pid: u32) -> Option<u32> {
    let path = format!("/proc/{pid}/fd");
    let size = fs::metadata(&path).map(|directory| directory.size());
    let count = match size {
        Ok(size @ 1..) => size,
        _ => fs::read_dir(&path).ok()?.count() as u64,
    };
    u32::try_from(count).ok()
}

/// `Max open files            1024                 4096                 files`.
fn descriptor_limit(limits: &str) -> Option<u64> {
    let mut lines = limits.lines();
    let line = lines.find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_after_the_name_whatever_that_holds() {
        assert_eq!(state(b"7 (a) S (x) T 1 7 7"), Some('T'));
        assert_eq!(state(b"7 (web) S 1"), Some('S'));
        for malformed in [
            &b""[..],
            b"7 (web",
            b"7 (web)",
            b"7 (web) ",
            b"7 (web) \xff",
        ] {
            assert_eq!(state(malformed), None);
        }
    }

    #[test]
    fn the_soft_limit_is_the_one_that_counts() {
        let text =
            "Limit Soft Hard Units\nMax open files            1024                 4096   files\n";
        assert_eq!(descriptor_limit(text), Some(1024));
        assert_eq!(
            descriptor_limit("Max open files unlimited unlimited files"),
            None
        );
        assert_eq!(descriptor_limit(""), None);
    }

    #[test]
    fn our_own_process_runs_and_has_descriptors() {
        let own = of(ProcessAt(0), std::process::id()).unwrap();
        assert!(matches!(own.state, 'R' | 'S'));
        assert!(own.descriptors.is_some_and(|count| count >= 3));
        assert!(own.descriptor_limit.is_some());
        assert_eq!(of(ProcessAt(0), u32::MAX), None);
    }
}
