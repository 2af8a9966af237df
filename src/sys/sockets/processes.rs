//! Which process holds which socket: a walk over /proc/PID/fd.
//!
//! The walk is what makes a lister slow: a readlinkat(2) for every descriptor of every process. So
//! it reads whole directories at once (getdents64(2)), asks relative to the directory's own
//! descriptor, never calls stat, and shares the processes among threads.
//!
//! [`owners`](super::owners) chooses between this and a BPF iterator.

use std::ffi::CStr;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::threads;
use crate::sockets::{Owner, Owners, Process};

/// How much is read about each process that holds a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// Its id, user and name.
    Names,
    /// Its command line and control group too.
    Everything,
}

/// Processes that cannot be looked at for want of permission; kernel threads are not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hidden {
    /// How many.
    pub count: usize,
    /// One of them.
    pub pid: u32,
}

impl Hidden {
    pub(super) fn add(&mut self, pid: u32) {
        self.count += 1;
        self.pid = pid;
    }

    fn and(self, other: Hidden) -> Hidden {
        Hidden {
            count: self.count + other.count,
            pid: self.pid.max(other.pid),
        }
    }
}

/// What a walk found.
#[derive(Debug, Default)]
pub struct FoundOwners {
    /// The owners.
    pub owners: Owners,
    /// Processes whose descriptors could not be read.
    pub hidden: Hidden,
    /// Descriptors of all kinds that were looked at: what the walk costs.
    pub descriptors: usize,
    /// Whether /proc itself could not be read.
    pub no_proc: bool,
}

/// More threads than this do not help: the kernel's work is the same.
const MOST_THREADS: usize = 8;

/// After this many descriptors the walk gets the help of other threads.
const ALONE: usize = 2000;

/// How many processors this process may use, up to what is of use. The standard library also asks for
/// the limits of control groups, which takes as long as the walk over a quiet host.
fn processors() -> usize {
    use nix::sched::{CpuSet, sched_getaffinity};
    let set = sched_getaffinity(nix::unistd::Pid::from_raw(0)).unwrap_or_default();
    let usable = (0..CpuSet::count()).filter(|cpu| set.is_set(*cpu).unwrap_or(false));
    usable.count().clamp(1, MOST_THREADS)
}

/// Looks at the descriptors of every process that can be seen.
///
/// A process that ends meanwhile is passed over: its sockets are gone too.
pub fn walk(depth: Depth) -> FoundOwners {
    let pids = pids().unwrap_or_default();
    // A /proc that is not mounted is an empty directory; one that is lists at least this process.
    if pids.is_empty() {
        return FoundOwners {
            no_proc: true,
            ..FoundOwners::default()
        };
    }
    let next = AtomicUsize::new(0);
    let parts: Vec<Part> = std::thread::scope(|scope| {
        let mut first = Part::default();
        let mut others = Vec::new();
        let mut buffer = vec![0; DIRENTS];
        while let Some(&pid) = pids.get(next.fetch_add(1, Ordering::Relaxed)) {
            first.look_at(pid, depth, &mut buffer);
            // On a quiet host the walk is over before a thread would have started.
            if first.descriptors > ALONE && others.is_empty() {
                let work = || Part::walk(&pids, &next, depth);
                others.extend((1..processors()).map(|_| scope.spawn(work)));
            }
        }
        let mut parts = vec![first];
        parts.extend(others.into_iter().filter_map(|other| other.join().ok()));
        parts
    });
    let mut processes = Vec::new();
    let mut links = Vec::with_capacity(parts.iter().map(|part| part.links.len()).sum());
    let (mut hidden, mut descriptors) = (Hidden::default(), 0);
    for part in parts {
        descriptors += part.descriptors;
        let offset = u32::try_from(processes.len()).unwrap_or(u32::MAX);
        processes.extend(part.processes);
        links.extend(part.links.into_iter().map(|owner| Owner {
            process: owner.process + offset,
            ..owner
        }));
        hidden = hidden.and(part.hidden);
    }
    FoundOwners {
        owners: Owners::new(processes, links, hidden.count == 0),
        hidden,
        descriptors,
        no_proc: false,
    }
}

/// The same for these processes alone.
pub(super) fn look_at(pids: &[u32], depth: Depth) -> FoundOwners {
    let mut part = Part::default();
    let mut buffer = vec![0; DIRENTS];
    for &pid in pids {
        part.look_at(pid, depth, &mut buffer);
    }
    FoundOwners {
        owners: Owners::new(part.processes, part.links, false),
        hidden: part.hidden,
        descriptors: part.descriptors,
        no_proc: false,
    }
}

/// The numeric names in /proc, the processes with the most to do first would be better balanced, but
/// finding out costs more than it gains: each thread takes the next one when it is free.
fn pids() -> io::Result<Vec<u32>> {
    let entries = fs::read_dir("/proc")?;
    Ok(entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect())
}

/// What one thread found.
#[derive(Default)]
struct Part {
    processes: Vec<Process>,
    links: Vec<Owner>,
    hidden: Hidden,
    /// Descriptors of all kinds that were looked at.
    descriptors: usize,
}

impl Part {
    fn walk(pids: &[u32], next: &AtomicUsize, depth: Depth) -> Part {
        let mut part = Part::default();
        let mut buffer = vec![0; DIRENTS];
        while let Some(&pid) = pids.get(next.fetch_add(1, Ordering::Relaxed)) {
            part.look_at(pid, depth, &mut buffer);
        }
        part
    }

    fn look_at(&mut self, pid: u32, depth: Depth, buffer: &mut [u8]) {
        let path = format!("/proc/{pid}/fd\0");
        let process = u32::try_from(self.processes.len()).unwrap_or(u32::MAX);
        let before = (self.links.len(), self.descriptors);
        let directory = open_directory(&path);
        // Opening /proc/PID/fd may be allowed where listing it is not, and listing it where reading
        // its links is not (root without CAP_SYS_PTRACE).
        let read = directory
            .as_ref()
            .map_err(|error| io::Error::from(error.kind()))
            .and_then(|directory| self.read_table(directory, process, buffer));
        match read {
            Ok(()) if directory.is_ok_and(|directory| threads::are_several(&directory)) => {
                let is_gone = self.descriptors == before.1;
                self.read_threads(pid, is_gone, process, buffer);
            }
            // After the first thread has exited, its files in /proc belong to root.
            Err(error) if is_refusal(&error) => match Life::of(pid) {
                Life::Kernel => {}
                Life::Exited => self.read_threads(pid, true, process, buffer),
                Life::Running => self.hidden.add(pid),
            },
            _ => {}
        }
        if self.links.len() > before.0 {
            self.processes.push(describe(
                Process {
                    pid,
                    ..Process::default()
                },
                depth,
            ));
        }
    }

    /// Reads the descriptors of threads that do not share those of their process.
    fn read_threads(&mut self, pid: u32, is_gone: bool, process: u32, buffer: &mut [u8]) {
        for tid in threads::with_other_tables(pid, is_gone) {
            let read = open_directory(&format!("/proc/{pid}/task/{tid}/fd\0"))
                .and_then(|directory| self.read_table(&directory, process, buffer));
            if read.is_err_and(|error| is_refusal(&error)) {
                self.hidden.add(pid);
                return;
            }
        }
    }

    fn read_table(
        &mut self,
        directory: &OwnedFd,
        process: u32,
        buffer: &mut [u8],
    ) -> io::Result<()> {
        for_each_name(directory, buffer, |name| {
            self.descriptors += 1;
            let inode = match socket_inode(directory, name) {
                Ok(inode) => inode,
                // What is refused once is refused for each descriptor of the process.
                Err(error) if is_refusal(&error) => return Err(error),
                // Closed meanwhile.
                Err(_) => None,
            };
            if let Some(inode) = inode {
                let fd = name.to_bytes().iter().fold(0_u32, |fd, digit| {
                    fd.wrapping_mul(10)
                        .wrapping_add(u32::from(digit.wrapping_sub(b'0')))
                });
                self.links.push(Owner { inode, process, fd });
            }
            Ok(())
        })
    }
}

fn is_refusal(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

/// The state of a process whose descriptors cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    /// A kernel thread, which has none.
    Kernel,
    /// Its first thread has exited.
    Exited,
    /// It has descriptors.
    Running,
}

impl Life {
    fn of(pid: u32) -> Life {
        let stat = fs::read(format!("/proc/{pid}/stat"));
        // Without a stat file the process has ended in the meantime.
        stat.map_or(Life::Exited, |stat| Life::in_stat(&stat))
    }

    /// In /proc/PID/stat the state is the first field after the name, which may contain blanks and
    /// brackets, and the flags are the seventh.
    fn in_stat(stat: &[u8]) -> Life {
        /// `include/linux/sched.h`.
        const PF_KTHREAD: u32 = 0x0020_0000;
        let end = stat.iter().rposition(|&byte| byte == b')');
        let behind = String::from_utf8_lossy(&stat[end.map_or(0, |end| end + 1)..]);
        let words: Vec<&str> = behind.split_ascii_whitespace().take(7).collect();
        let flags = words.get(6).and_then(|flags| flags.parse::<u32>().ok());
        if flags.is_some_and(|flags| flags & PF_KTHREAD != 0) {
            Life::Kernel
        } else if matches!(words.first(), Some(&("Z" | "X"))) {
            Life::Exited
        } else {
            Life::Running
        }
    }
}

/// Whether a process is a thread of the kernel, which has no descriptors, and no namespace of its own.
pub(super) fn is_kernel_thread(pid: u32) -> bool {
    Life::of(pid) == Life::Kernel
}

/// Adds what /proc has on a process.
pub(super) fn describe(known: Process, depth: Depth) -> Process {
    let pid = known.pid;
    let read = |file: &str| fs::read(format!("/proc/{pid}/{file}")).ok();
    let mut process = Process {
        uid: fs::metadata(format!("/proc/{pid}"))
            .ok()
            .map(|metadata| metadata.uid()),
        ..known
    };
    if let Some(comm) = read("comm") {
        process.comm = comm.strip_suffix(b"\n").unwrap_or(&comm).into();
    }
    if depth == Depth::Everything {
        process.cmdline = read("cmdline")
            .filter(|line| !line.is_empty())
            .map(Into::into);
        process.cgroup = read("cgroup").and_then(|text| cgroup_of(&String::from_utf8_lossy(&text)));
    }
    process
}

/// The path in a /proc/PID/cgroup (cgroups(7)): that of cgroup v2, or if a host still uses v1, of
/// systemd's own hierarchy.
fn cgroup_of(text: &str) -> Option<Box<str>> {
    let v2 = text.lines().find_map(|line| line.strip_prefix("0::"));
    let systemd = text
        .lines()
        .find_map(|line| line.split_once(":name=systemd:").map(|parts| parts.1));
    v2.filter(|path| *path != "/")
        .or(systemd)
        .or(v2)
        .map(Into::into)
}

/// Room for about 2,000 names a call.
const DIRENTS: usize = 64 * 1024;

fn open_directory(path_with_nul: &str) -> io::Result<OwnedFd> {
    let path = CStr::from_bytes_with_nul(path_with_nul.as_bytes())
        .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    // SAFETY: the path is a C string that lives through the call.
    let fd = unsafe {
        libc::open(
            path.as_ptr(),
            libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC,
        )
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: open(2) gave us this descriptor, and no other code knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Calls `each` with the numeric names of a directory (getdents64(2)), until it fails.
fn for_each_name(
    directory: &OwnedFd,
    buffer: &mut [u8],
    mut each: impl FnMut(&CStr) -> io::Result<()>,
) -> io::Result<()> {
    /// `struct linux_dirent64`: inode, offset, record length, type, then the name.
    const LENGTH: usize = 16;
    const NAME: usize = 19;
    loop {
        // SAFETY: the kernel writes at most `buffer.len()` bytes into the buffer.
        let got = unsafe {
            libc::syscall(
                libc::SYS_getdents64,
                directory.as_raw_fd(),
                buffer.as_mut_ptr(),
                buffer.len(),
            )
        };
        let Ok(got) = usize::try_from(got) else {
            return Err(io::Error::last_os_error());
        };
        if got == 0 {
            return Ok(());
        }
        let mut rest = &buffer[..got];
        while let Some(length) = rest.get(LENGTH..LENGTH + 2) {
            let length = usize::from(u16::from_ne_bytes([length[0], length[1]]));
            let Some(entry) = rest.get(..length).filter(|entry| entry.len() > NAME) else {
                break;
            };
            if entry[NAME].is_ascii_digit()
                && let Ok(name) = CStr::from_bytes_until_nul(&entry[NAME..])
            {
                each(name)?;
            }
            rest = &rest[length..];
        }
    }
}

/// The inode of the socket that a descriptor is, if it is one: the link reads `socket:[INODE]`.
fn socket_inode(directory: &OwnedFd, name: &CStr) -> io::Result<Option<u32>> {
    let mut target = [0_u8; 32];
    // SAFETY: the name is a C string; readlinkat(2) writes at most `target.len()` bytes.
    let length = unsafe {
        libc::readlinkat(
            directory.as_raw_fd(),
            name.as_ptr(),
            target.as_mut_ptr().cast(),
            target.len(),
        )
    };
    let Ok(length) = usize::try_from(length) else {
        return Err(io::Error::last_os_error());
    };
    Ok(inode_in(&target[..length]))
}

fn inode_in(target: &[u8]) -> Option<u32> {
    let digits = target.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_of_this_process_is_found_with_its_descriptor() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let shared = listener.try_clone().unwrap();
        let link = fs::read_link(format!("/proc/self/fd/{}", listener.as_raw_fd())).unwrap();
        let inode: u32 = link
            .to_str()
            .and_then(|link| {
                link.strip_prefix("socket:[")?
                    .strip_suffix(']')?
                    .parse()
                    .ok()
            })
            .unwrap();
        let found = walk(Depth::Everything);
        let owners = found.owners.of(inode);
        let mut fds: Vec<u32> = owners.iter().map(|owner| owner.fd).collect();
        fds.sort_unstable();
        let mut expected = vec![
            listener.as_raw_fd().cast_unsigned(),
            shared.as_raw_fd().cast_unsigned(),
        ];
        expected.sort_unstable();
        assert_eq!(fds, expected);
        let process = found.owners.process(&owners[0]);
        assert_eq!(process.pid, std::process::id());
        assert!(process.cmdline.is_some());
    }

    #[test]
    fn a_kernel_thread_is_known_by_its_flags_and_an_exited_one_by_its_state() {
        let kernel = b"2 (kthreadd) S 0 0 0 0 -1 2129984 0 0";
        assert_eq!(Life::in_stat(kernel), Life::Kernel);
        let user = b"77 (a) Z) S 1 77 77 0 -1 4194560 2129984 0";
        assert_eq!(Life::in_stat(user), Life::Running);
        let exited = b"77 (a) b) Z 1 77 77 0 -1 4194560 0 0";
        assert_eq!(Life::in_stat(exited), Life::Exited);
        assert_eq!(Life::in_stat(b"77 (cut"), Life::Running);
        assert_eq!(Life::in_stat(b"77 (cut) S 1"), Life::Running);
    }

    /// Runs this test again as another process whose rights are cut by `setpriv`.
    fn again_without_rights(test: &str, arguments: &[&str]) -> Option<std::process::Output> {
        let me = std::env::current_exe().unwrap();
        std::process::Command::new("setpriv")
            .args(arguments)
            .arg(me)
            .args(["--exact", test, "--nocapture"])
            .env("SOCKDOC_TEST_AGAIN", "1")
            .output()
            .ok()
    }

    #[test]
    fn a_process_whose_links_cannot_be_read_is_hidden() {
        if std::env::var_os("SOCKDOC_TEST_AGAIN").is_some() {
            println!("hidden: {}", walk(Depth::Names).hidden.count);
            return;
        }
        if !nix::unistd::Uid::effective().is_root() {
            return;
        }
        let _listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let name = "sys::sockets::processes::tests::a_process_whose_links_cannot_be_read_is_hidden";
        let cut = [
            "--bounding-set=-sys_ptrace",
            "--inh-caps=-sys_ptrace",
            "--ambient-caps=-sys_ptrace",
        ];
        let Some(output) = again_without_rights(name, &cut) else {
            return;
        };
        let text = String::from_utf8_lossy(&output.stdout);
        // Where the rights cannot be cut, nothing was run.
        let Some(hidden) = text.split("hidden: ").nth(1) else {
            return;
        };
        assert!(!hidden.starts_with('0'), "{text}");
    }
}
