use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::*;

/// Processes that hold sockets in every way there is. Each prints its number when all is as it should be
/// and ends with its standard input.
///
/// `many`: 600 sockets, all of them shared with a child after fork, two passed on to it by
/// `SCM_RIGHTS`.
/// `threads`: two threads that share a table which is not their process's, and one with its own.
/// `leaderless`: the first thread has exited, two others share what it left.
const HOLDER: &str = r#"
import array, ctypes, os, socket, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
keep = []

def sockets(count):
    keep.extend(socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count))

def many():
    sockets(600)
    one, other = ends = socket.socketpair()
    keep.extend(ends)
    if os.fork() == 0:
        other.recvmsg(1, socket.CMSG_SPACE(8))
        os.write(1, b"%d\n" % os.getpid())
        sys.stdin.read()
        os._exit(0)
    late = [socket.socket(), socket.socket(socket.AF_UNIX)]
    passed = array.array("i", [socket.fileno() for socket in late])
    one.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, passed)])
    keep.extend(late)

def threads():
    sockets(5)
    ready = threading.Semaphore(0)
    def unshare(then):
        assert libc.unshare(0x400) == 0
        os.close(keep[0].fileno())
        sockets(3)
        then()
        ready.release()
        threading.Event().wait()
    def share():
        threading.Thread(target=lambda: threading.Event().wait(), daemon=True).start()
    for then in [share, lambda: None]:
        threading.Thread(target=unshare, args=[then], daemon=True).start()
        ready.acquire()

def leaderless():
    sockets(4)
    def last():
        while b") Z" not in open("/proc/%d/stat" % os.getpid(), "rb").read():
            time.sleep(0.001)
        os.write(1, b"%d\n" % os.getpid())
        sys.stdin.read()
        os._exit(0)
    threading.Thread(target=last).start()
    threading.Thread(target=lambda: threading.Event().wait(), daemon=True).start()
    libc.pthread_exit(None)

{"many": many, "threads": threads, "leaderless": leaderless}[sys.argv[1]]()
os.write(1, b"%d\n" % os.getpid())
sys.stdin.read()
os._exit(0)
"#;

struct Holder {
    child: Child,
    pids: BTreeSet<u32>,
}

impl Holder {
    /// Waits until this many processes have reported their numbers.
    fn new(way: &str, processes: usize) -> Option<Self> {
        let mut child = Command::new("python3")
            .args(["-c", HOLDER, way])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let pids: BTreeSet<u32> = lines
            .take(processes)
            .map(|line| line.unwrap().parse().unwrap())
            .collect();
        assert_eq!(pids.len(), processes, "{way}");
        Some(Holder { child, pids })
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // At the end of its standard input it ends, and so do those it forked.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Process, socket and descriptor.
type Link = (u32, u32, u32);

fn links(found: &FoundOwners) -> BTreeSet<Link> {
    let links = found.owners.links().iter();
    links
        .map(|owner| (found.owners.process(owner).pid, owner.inode, owner.fd))
        .collect()
}

fn of_process(found: &FoundOwners, pid: u32) -> Option<&Process> {
    let mut processes = found.owners.processes().iter();
    processes.find(|process| process.pid == pid)
}

/// The iterator's answer, unless this process may not use it.
fn iterated(depth: Depth) -> Option<FoundOwners> {
    let kernel = Kernel::running();
    let possible = nix::unistd::Uid::effective().is_root()
        && may_load()
        && in_initial_pid_namespace()
        && kernel.btf.exists();
    possible.then(|| {
        from_iterator(&kernel, depth, &Wanted::default()).expect("root may load the iterator")
    })
}

#[test]
fn both_sources_give_the_same_owners() {
    let ways = [("many", 2), ("threads", 1), ("leaderless", 1)];
    let holders = ways.map(|(way, processes)| Holder::new(way, processes));
    let holders: Vec<Holder> = holders.into_iter().flatten().collect();
    if iterated(Depth::Names).is_none() || holders.len() < ways.len() {
        return;
    }
    let before = processes::walk(Depth::Everything);
    let found = iterated(Depth::Everything).unwrap();
    let after = processes::walk(Depth::Everything);
    let [before_links, found_links, after_links] = [&before, &found, &after].map(links);
    // What stayed, the iterator has too, whoever else opens and closes sockets here meanwhile.
    let stayed: BTreeSet<Link> = before_links.intersection(&after_links).copied().collect();
    let lost: Vec<&Link> = stayed.difference(&found_links).collect();
    assert!(lost.is_empty(), "{lost:?}");
    // Of the holders, neither has more.
    let expected = [("many", 2, 1208), ("threads", 1, 11), ("leaderless", 1, 4)];
    for (holder, (way, _, count)) in holders.iter().zip(expected) {
        let of_holder = |links: &BTreeSet<Link>| -> BTreeSet<Link> {
            let links = links.iter().filter(|link| holder.pids.contains(&link.0));
            links.copied().collect()
        };
        assert_eq!(of_holder(&found_links), of_holder(&after_links), "{way}");
        assert_eq!(of_holder(&found_links).len(), count, "{way}");
        for pid in &holder.pids {
            let process = of_process(&found, *pid).unwrap();
            assert_eq!(Some(process), of_process(&after, *pid), "{way}");
        }
    }
}

#[test]
fn of_few_wanted_sockets_the_owners_alone_are_kept() {
    let sockets = [(), ()].map(|()| std::net::UdpSocket::bind("127.0.0.1:0").unwrap());
    let [wanted, other] = sockets.each_ref().map(|socket| {
        let inode = nix::sys::stat::fstat(socket).unwrap().st_ino;
        u32::try_from(inode).unwrap()
    });
    let kernel = Kernel::running();
    if iterated(Depth::Names).is_none() {
        return;
    }
    let narrowed = Wanted::default();
    narrowed.0.set([wanted].into_iter().collect()).unwrap();
    let found = from_iterator(&kernel, Depth::Names, &narrowed).unwrap();
    let pids = |inode| -> Vec<u32> {
        let owners = found.owners.of(inode).iter();
        owners
            .map(|owner| found.owners.process(owner).pid)
            .collect()
    };
    assert_eq!(pids(wanted), [std::process::id()]);
    assert_eq!(pids(other), [0; 0]);
    assert!(found.descriptors > found.owners.links().len());
}

#[test]
fn either_both_capabilities_or_that_of_the_administrator_suffice() {
    let (sys_admin, perfmon, bpf) = (1 << 21, 1 << 38, 1 << 39);
    assert!(suffice(perfmon | bpf) && suffice(sys_admin) && suffice(u64::MAX));
    assert!(!suffice(perfmon) && !suffice(bpf) && !suffice(!(sys_admin | bpf)));
}
