//! What a few processes do, and what they may do: /proc/PID/stat, fd and limits, and their control groups.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use super::cgroups::Groups;
use crate::host::{ProcessAt, ProcessStatus, Sample, Threads};
use crate::sys::privilege::{self, Capability};

/// Reads the status of processes of a sample; one that has ended meanwhile is left out.
pub fn read(sample: &Sample, processes: &[ProcessAt]) -> Vec<ProcessStatus> {
    let allowed = &[Capability::SysPtrace, Capability::DacReadSearch];
    let processes = processes.iter();
    let mut left = MOST_THREADS;
    let read = |at: &ProcessAt| of(*at, sample.process(*at).pid, &mut left);
    privilege::with(allowed, || processes.filter_map(read).collect())
}

/// Threads of all processes that are looked at.
const MOST_THREADS: usize = 2048;
/// Threads of one process: if it has more, nothing is said of them.
const MOST_OF_ONE: usize = 256;

fn of(process: ProcessAt, pid: u32, left: &mut usize) -> Option<ProcessStatus> {
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
        threads: threads(pid, left),
        adopted: is_adopted(&stat),
    })
}

/// What the threads of a process do; `None`: that may not be read, or they are too many.
fn threads(pid: u32, left: &mut usize) -> Option<Threads> {
    let entries = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let all: Vec<_> = entries.flatten().take(MOST_OF_ONE + 1).collect();
    *left = left.checked_sub(all.len())?;
    if all.is_empty() || all.len() > MOST_OF_ONE {
        return None;
    }
    let mut threads = Threads::default();
    for entry in all {
        let status = fs::read_to_string(entry.path().join("status")).ok()?;
        threads.switches += switches(&status)?;
        let place = fs::read_to_string(entry.path().join("wchan")).unwrap_or_default();
        threads.await_events |= is_ready(&place);
        threads.await_reader |= waits_for_a_reader(&place);
    }
    Some(threads)
}

/// The sum of `voluntary_ctxt_switches` and `nonvoluntary_ctxt_switches`.
fn switches(status: &str) -> Option<u64> {
    let counts = status
        .lines()
        .filter_map(|line| line.split_once("_ctxt_switches:"));
    let counts = counts.map(|(_, count)| count.trim().parse::<u64>().ok());
    counts.sum()
}

/// Whether a thread that sleeps in this function of the kernel is woken by a connection or an event. `0` or nothing:
/// it runs, or the function is not told; then it may be.
fn is_ready(place: &str) -> bool {
    const READY: [&str; 9] = [
        "inet_csk_accept",
        "inet_csk_wait_for_connect",
        "unix_accept",
        "__skb_wait_for_more_packets",
        "skb_wait_for_more_packets",
        "poll_schedule_timeout",
        "ep_poll",
        "do_epoll_wait",
        "io_cqring_wait",
    ];
    let place = without_suffix(place);
    matches!(place, "" | "0" | "do_poll" | "do_select" | "read_events") || READY.contains(&place)
}

/// Whether a thread that sleeps in this function waits until a receiver of a Unix socket reads: its queue is full,
/// or what was sent fills the sender's own buffer.
fn waits_for_a_reader(place: &str) -> bool {
    let place = without_suffix(place);
    matches!(
        place,
        "unix_wait_for_peer" | "sock_alloc_send_pskb" | "sock_wait_for_wmem"
    )
}

/// Without what a compiler adds to the name of a function: `.constprop.0`, `.isra.0`.
fn without_suffix(place: &str) -> &str {
    place.trim().split('.').next().unwrap_or_default()
}

/// Whether init is the parent of a process that is not the first of its session.
fn is_adopted(stat: &[u8]) -> bool {
    let adopted = || {
        let end = stat.iter().rposition(|byte| *byte == b')')?;
        let rest = std::str::from_utf8(&stat[end + 1..]).ok()?;
        // State, parent, process group, session.
        let mut fields = rest.split_ascii_whitespace().skip(1);
        let parent: u32 = fields.next()?.parse().ok()?;
        let session: u32 = fields.nth(1)?.parse().ok()?;
        let own: u32 = std::str::from_utf8(&stat[..end])
            .ok()?
            .split(' ')
            .next()?
            .parse()
            .ok()?;
        Some(own != session && is_init(parent))
    };
    adopted().unwrap_or(false)
}

/// Whether a process adopts those whose parents end: the first process of a PID namespace, or systemd for a user.
fn is_init(pid: u32) -> bool {
    if pid == 1 {
        return true;
    }
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
    let first = field("NSpid:").and_then(|pids| pids.split_ascii_whitespace().last());
    first == Some("1") || field("Name:").is_some_and(|name| name.trim() == "systemd")
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
        let mut left = MOST_THREADS;
        let own = of(ProcessAt(0), std::process::id(), &mut left).unwrap();
        assert!(matches!(own.state, 'R' | 'S'));
        assert!(
            own.threads
                .is_none_or(|it| it.await_events && it.switches > 0)
        );
        assert!(!own.adopted);
        assert!(own.descriptors.is_some_and(|count| count >= 3));
        assert!(own.descriptor_limit.is_some());
        assert_eq!(of(ProcessAt(0), u32::MAX, &mut left), None);
        assert_eq!(
            of(ProcessAt(0), std::process::id(), &mut 0)
                .unwrap()
                .threads,
            None
        );
    }

    #[test]
    fn what_a_thread_sleeps_in_tells_what_it_waits_for() {
        for ready in [
            "",
            "0",
            "inet_csk_accept",
            "poll_schedule_timeout.constprop.0\n",
            "do_epoll_wait",
        ] {
            assert!(is_ready(ready), "{ready}");
        }
        for busy in [
            "hrtimer_nanosleep",
            "do_wait",
            "pipe_read",
            "unix_wait_for_peer",
        ] {
            assert!(!is_ready(busy), "{busy}");
        }
        assert!(waits_for_a_reader("unix_wait_for_peer"));
        assert!(!waits_for_a_reader("do_wait"));
        let status = "Name:\tx_ctxt\nvoluntary_ctxt_switches:\t9\nnonvoluntary_ctxt_switches:\t3\n";
        assert_eq!(switches(status), Some(12));
    }

    #[test]
    fn a_process_that_init_has_adopted_is_told_from_the_first_of_a_session() {
        assert!(is_adopted(b"70 (sl) x) S 1 60 50 0"));
        assert!(!is_adopted(b"70 (web) S 1 70 70 0"));
        for other in [
            &b""[..],
            b"70 (web",
            b"70 (web) S",
            b"70 (web) S x y z",
            b"x (web) S 1 1 1",
        ] {
            assert!(!is_adopted(other));
        }
    }
}
