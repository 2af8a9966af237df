//! The processes that own the sockets, or the reason why none is known.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::number_hash::NumberMap;
use super::{Proto, Socket, State, stored};

/// Who holds which socket.
///
/// The links are sorted by inode, so that all owners of a socket stand together; `first` says where
/// each inode's begin.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Owners {
    processes: Vec<Process>,
    links: Vec<Owner>,
    first: NumberMap<u32, u32>,
    complete: bool,
    sought: bool,
    kernel: Vec<KernelEnd>,
}

/// An end of sockets that the kernel itself uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum KernelEnd {
    /// A tunnel receives at this UDP port, in this network namespace ([`Socket::netns`]).
    Tunnel(u16, u16),
    /// A file system is mounted from this address and TCP port.
    Mount(IpAddr, u16),
    /// The file server of the kernel listens at this port.
    Server(Proto, u16),
}

impl KernelEnd {
    fn is_of(self, socket: &Socket) -> bool {
        match self {
            KernelEnd::Tunnel(netns, port) => {
                socket.proto == Proto::Udp
                    && socket.netns == netns
                    && socket.local.port() == Some(port.into())
            }
            KernelEnd::Mount(ip, port) => {
                socket.proto == Proto::Tcp && socket.peer.end() == Some((ip.to_canonical(), port))
            }
            KernelEnd::Server(proto, port) => {
                socket.proto == proto && socket.local.port() == Some(port.into())
            }
        }
    }
}

/// As a file has them.
#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(deserialize_with = "stored::list")]
    processes: Vec<Process>,
    #[serde(deserialize_with = "stored::list")]
    links: Vec<Owner>,
    complete: bool,
    #[serde(default, deserialize_with = "stored::list")]
    kernel: Vec<KernelEnd>,
}

impl Owners {
    /// Takes out command lines and control groups.
    pub fn forget_command_lines(&mut self) {
        for process in &mut self.processes {
            (process.cmdline, process.cgroup) = (None, None);
        }
    }
}

impl From<Owners> for Stored {
    fn from(owners: Owners) -> Self {
        Stored {
            processes: owners.processes,
            links: owners.links,
            complete: owners.complete,
            kernel: owners.kernel,
        }
    }
}

impl TryFrom<Stored> for Owners {
    type Error = &'static str;

    fn try_from(stored: Stored) -> Result<Self, Self::Error> {
        let known = |owner: &Owner| (owner.process as usize) < stored.processes.len();
        if !stored.links.iter().all(known) {
            return Err("a descriptor is of a process that is not listed");
        }
        let owners = Owners::new(stored.processes, stored.links, stored.complete);
        Ok(owners.and_kernel(stored.kernel))
    }
}

/// A descriptor of a process that holds a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Owner {
    /// The socket.
    pub inode: u32,
    /// Which of the processes.
    pub process: u32,
    /// The descriptor.
    pub fd: u32,
}

/// A process that holds sockets.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// Effective user id.
    pub uid: Option<u32>,
    /// Its name: any bytes.
    #[serde(with = "stored::bytes")]
    pub comm: Box<[u8]>,
    /// Its command line, the words separated by NUL; read only when it is shown.
    #[serde(default, with = "stored::maybe_bytes")]
    pub cmdline: Option<Box<[u8]>>,
    /// Its control group: the path of cgroup v2.
    pub cgroup: Option<Box<str>>,
}

/// Why a socket has no owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerReason {
    /// Owners were not looked for.
    NotAsked,
    /// The connection is over: the kernel keeps only its addresses.
    TimeWait,
    /// A handshake that no program has seen yet.
    Handshake,
    /// Established, and no program has accepted it yet.
    NotAccepted,
    /// The program has closed it (or has ended); the kernel finishes it.
    Orphan,
    /// The kernel itself uses it.
    Kernel,
    /// Descriptors of other users' processes could not be read.
    Permission,
    /// No process that can be seen holds it: it is in another namespace of processes, or was closed
    /// meanwhile.
    NotSeen,
}

impl OwnerReason {
    /// The word for programs.
    pub fn key(self) -> &'static str {
        match self {
            OwnerReason::NotAsked => "not_asked",
            OwnerReason::TimeWait => "time_wait",
            OwnerReason::Handshake => "handshake",
            OwnerReason::NotAccepted => "not_accepted",
            OwnerReason::Orphan => "orphan",
            OwnerReason::Kernel => "kernel",
            OwnerReason::Permission => "permission",
            OwnerReason::NotSeen => "not_seen",
        }
    }

    /// The words of the PROCESS column, in brackets there.
    pub fn words(self) -> &'static str {
        match self {
            OwnerReason::NotAsked => "-",
            OwnerReason::TimeWait => "time-wait",
            OwnerReason::Handshake => "handshake",
            OwnerReason::NotAccepted => "not accepted yet",
            OwnerReason::Orphan => "closed by its program",
            OwnerReason::Kernel => "kernel",
            OwnerReason::Permission => "no permission",
            OwnerReason::NotSeen => "no process seen",
        }
    }
}

impl Owners {
    /// Collects what a walk over the processes found. A link may come several times, by several threads
    /// of a process. `complete`: no process was hidden from it.
    pub fn new(processes: Vec<Process>, mut links: Vec<Owner>, complete: bool) -> Self {
        // By process id: the order of `processes` is that in which a walk on several threads met them. A service
        // manager that keeps the socket of a service (socket activation) comes after the service.
        let is_manager = |process: &Process| &*process.comm == b"systemd";
        let ranks: Vec<(bool, u32)> = processes
            .iter()
            .map(|process| (is_manager(process), process.pid))
            .collect();
        let rank = |owner: &Owner| ranks.get(owner.process as usize);
        links.sort_unstable_by_key(|owner| (owner.inode, rank(owner), *owner));
        links.dedup();
        let mut first = NumberMap::default();
        first.reserve(links.len());
        for (index, owner) in (0_u32..).zip(&links) {
            first.entry(owner.inode).or_insert(index);
        }
        Owners {
            processes,
            links,
            first,
            complete,
            sought: true,
            kernel: Vec::new(),
        }
    }

    /// Adds what the kernel itself uses.
    #[must_use]
    pub fn and_kernel(mut self, ends: Vec<KernelEnd>) -> Self {
        self.kernel.extend(ends);
        self
    }

    /// Puts what a later walk found together with this one. Where both know a socket, the later one
    /// knows better; a socket that only the earlier one knows was closed meanwhile.
    #[must_use]
    pub fn and_later(self, later: Owners) -> Owners {
        let mut processes = later.processes;
        let mut by_pid: NumberMap<u32, u32> = NumberMap::default();
        for (index, process) in (0_u32..).zip(&processes) {
            by_pid.insert(process.pid, index);
        }
        let mut links = later.links;
        for link in self.links {
            if later.first.contains_key(&link.inode) {
                continue;
            }
            let process = &self.processes[link.process as usize];
            let process = *by_pid.entry(process.pid).or_insert_with(|| {
                processes.push(process.clone());
                u32::try_from(processes.len() - 1).unwrap_or(u32::MAX)
            });
            links.push(Owner { process, ..link });
        }
        Owners::new(processes, links, self.complete && later.complete).and_kernel(self.kernel)
    }

    /// The descriptors that hold the socket of this inode; none for inode 0.
    pub fn of(&self, inode: u32) -> &[Owner] {
        let Some(&first) = self.first.get(&inode).filter(|_| inode != 0) else {
            return &[];
        };
        let rest = &self.links[first as usize..];
        let length = rest.iter().take_while(|owner| owner.inode == inode).count();
        &rest[..length]
    }

    /// The process of a link.
    pub fn process(&self, owner: &Owner) -> &Process {
        &self.processes[owner.process as usize]
    }

    /// All processes that hold a socket.
    pub fn processes(&self) -> &[Process] {
        &self.processes
    }

    /// All links, sorted.
    pub fn links(&self) -> &[Owner] {
        &self.links
    }

    /// Whether no process was hidden from the walk.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether owners were looked for at all.
    pub fn were_sought(&self) -> bool {
        self.sought
    }

    /// The processes that hold the socket of this inode, each once.
    pub fn processes_of(&self, inode: u32) -> impl Iterator<Item = &Process> {
        // Sorted by process.
        let holders = self.of(inode).chunk_by(|a, b| a.process == b.process);
        holders.map(|links| self.process(&links[0]))
    }

    /// Why this socket has no owner, as far as one can tell.
    pub fn reason(&self, socket: &Socket) -> OwnerReason {
        if !self.sought {
            return OwnerReason::NotAsked;
        }
        if socket.inode == 0 {
            return match socket.state {
                State::TimeWait => OwnerReason::TimeWait,
                State::SynRecv | State::NewSynRecv => OwnerReason::Handshake,
                State::Established | State::CloseWait if socket.proto != Proto::Netlink => {
                    OwnerReason::NotAccepted
                }
                State::FinWait1 | State::FinWait2 | State::LastAck | State::Closing => {
                    OwnerReason::Orphan
                }
                // It closed between two samples.
                State::Unconnected if socket.proto == Proto::Tcp => OwnerReason::Orphan,
                _ => OwnerReason::Kernel,
            };
        }
        if matches!(socket.local, super::Address::Netlink { port_id: 0, .. })
            || self.kernel.iter().any(|end| end.is_of(socket))
        {
            return OwnerReason::Kernel;
        }
        if self.complete {
            OwnerReason::NotSeen
        } else {
            OwnerReason::Permission
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_owner_of_a_shared_socket_is_listed() {
        let link = |inode, process, fd| Owner { inode, process, fd };
        let processes = vec![Process::default(), Process::default()];
        let links = vec![link(9, 1, 4), link(7, 0, 3), link(9, 0, 5), link(8, 0, 6)];
        let owners = Owners::new(processes, links, true);
        assert_eq!(owners.of(9), [link(9, 0, 5), link(9, 1, 4)]);
        assert_eq!(owners.of(7), [link(7, 0, 3)]);
        assert_eq!(owners.of(6), []);
        assert_eq!(owners.of(0), []);
    }

    #[test]
    fn a_service_comes_before_the_manager_that_keeps_its_socket() {
        let process = |pid, comm: &[u8]| Process {
            pid,
            comm: comm.into(),
            ..Process::default()
        };
        let link = |process| Owner {
            inode: 7,
            process,
            fd: 3,
        };
        let processes = vec![process(1, b"systemd"), process(812, b"sshd")];
        let owners = Owners::new(processes, vec![link(0), link(1)], true);
        assert_eq!(owners.of(7), [link(1), link(0)]);
    }

    #[test]
    fn a_later_walk_knows_better_and_loses_nothing() {
        let link = |inode, process, fd| Owner { inode, process, fd };
        let process = |pid| Process {
            pid,
            ..Process::default()
        };
        let links = vec![link(7, 0, 3), link(8, 1, 3), link(9, 1, 4)];
        let earlier = Owners::new(vec![process(10), process(20)], links, true);
        let links = vec![link(9, 0, 6), link(11, 1, 3)];
        let later = Owners::new(vec![process(20), process(30)], links, true);
        let both = earlier.and_later(later);
        let of = |inode| -> Vec<(u32, u32)> {
            let links = both.of(inode).iter();
            links.map(|one| (both.process(one).pid, one.fd)).collect()
        };
        assert_eq!(of(7), [(10, 3)]);
        assert_eq!(of(8), [(20, 3)]);
        assert_eq!(of(9), [(20, 6)]);
        assert_eq!(of(11), [(30, 3)]);
        let pids: Vec<u32> = both.processes().iter().map(|process| process.pid).collect();
        assert_eq!(pids, [20, 30, 10]);
    }
}
