//! The sample itself.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::network::{Machine, Network};
use crate::sockets::{Owners, Process, Socket};

/// What a host looks like at one moment.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// When it was taken, since 1970.
    pub taken: Duration,
    /// The sockets.
    pub sockets: Vec<Socket>,
    /// The processes that hold them.
    pub owners: Owners,
    /// What is known of those processes whose sockets are in trouble, by process.
    pub processes: Vec<ProcessStatus>,
    /// The network namespaces, by the index in [`Socket::netns`].
    pub namespaces: Vec<Namespace>,
    /// The network stack of each namespace, in the same order; empty if they were not looked at.
    pub networks: Vec<Network>,
    /// What the namespaces share, if it was looked at.
    pub machine: Option<Machine>,
    /// What could not be seen, as text; empty if everything was.
    pub notes: Vec<Note>,
}

/// A socket by its place in [`Sample::sockets`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketAt(pub u32);

/// A process by its place in [`Owners::processes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProcessAt(pub u32);

/// What a process does, and what it may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessStatus {
    /// Which process.
    pub process: ProcessAt,
    /// Its state as in `/proc/PID/stat`: `R`, `S`, `D`, `T` (stopped), `t` (stopped by a debugger) ...
    pub state: char,
    /// How many descriptors it has open, if that may be read.
    pub descriptors: Option<u32>,
    /// How many it may have open (the soft limit of `RLIMIT_NOFILE`).
    pub descriptor_limit: Option<u64>,
    /// Whether its control group is frozen.
    #[serde(default)]
    pub frozen: bool,
    /// The memory of its control group, if that has a limit.
    #[serde(default)]
    pub memory: Option<GroupMemory>,
    /// What its threads do, if that may be read.
    #[serde(default)]
    pub threads: Option<Threads>,
    /// Whether the process that started it has ended, so that init is its parent now.
    #[serde(default)]
    pub adopted: bool,
}

/// What the threads of a process do in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Threads {
    /// How often they left a processor to another thread, all together: they ran if that grows.
    pub switches: u64,
    /// Whether one runs, or waits for a connection or an event: `accept()`, `poll()`, `epoll_wait()` ...
    pub await_events: bool,
    /// Whether one waits until the datagrams are read that were sent to a Unix socket.
    pub await_reader: bool,
}

/// The memory of a control group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupMemory {
    /// Bytes in use.
    pub used: u64,
    /// Bytes that may be.
    pub limit: u64,
    /// How often it met the limit (`max` of `memory.events`, `memory.failcnt`).
    pub met: u64,
}

/// A network namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespace {
    /// The inode of its /proc/PID/ns/net.
    pub inode: u64,
    /// What users call it: a name of ip-netns(8), `pid 42 (nginx)`, or empty for our own.
    pub label: String,
    /// The first and the last local port that the kernel chooses for a connection (`net.ipv4.ip_local_port_range`);
    /// `None`: not read.
    #[serde(default)]
    pub local_ports: Option<(u16, u16)>,
}

impl Namespace {
    /// One of which no more than this is known.
    pub fn new(inode: u64, label: impl Into<String>) -> Namespace {
        Namespace {
            inode,
            label: label.into(),
            local_ports: None,
        }
    }

    /// The word for it after `--netns`; `None` for our own.
    pub fn word(&self) -> Option<String> {
        let after = self.label.strip_prefix("pid ");
        let pid = after.map(|rest| rest.split(' ').next().unwrap_or_default());
        match pid {
            Some(pid) => Some(format!("pid:{pid}")),
            None if self.label.is_empty() => None,
            None => Some(self.label.clone()),
        }
    }
}

/// Where a listener forwards connections or datagrams to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forward {
    /// The address in the container.
    pub to: SocketAddr,
    /// The namespace that has that address, if it was found.
    pub netns: Option<u16>,
    /// The socket that listens there, if it is in the sample.
    pub listener: Option<SocketAt>,
}

/// Something that a sample does not hold, and how to see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Stable, for programs: `owners_hidden`, `family_missing`, `dump_interrupted` ...
    pub id: Cow<'static, str>,
    /// For people.
    pub text: String,
    /// Whether rows or owners are missing because of it, so that the sample is not complete.
    pub incomplete: bool,
}

impl Sample {
    /// The first and the last local port that the kernel of a namespace chooses for a connection, if they were read.
    pub fn local_ports(&self, netns: u16) -> Option<(u16, u16)> {
        let namespace = self.namespaces.get(usize::from(netns))?;
        namespace.local_ports.filter(|(low, high)| low <= high)
    }

    /// Whether a port is one that the kernel chooses.
    pub fn is_ephemeral(&self, netns: u16, port: u16) -> bool {
        let is_in = |(low, high)| (low..=high).contains(&port);
        self.local_ports(netns).is_some_and(is_in)
    }

    /// The socket at a place of this sample.
    ///
    /// # Panics
    /// When the place is of another sample, which has more sockets.
    pub fn socket(&self, at: SocketAt) -> &Socket {
        &self.sockets[at.0 as usize]
    }

    /// The process at a place of this sample.
    ///
    /// # Panics
    /// When the place is of another sample, which has more processes.
    pub fn process(&self, at: ProcessAt) -> &Process {
        &self.owners.processes()[at.0 as usize]
    }

    /// What is known of a process beyond its name.
    pub fn status(&self, at: ProcessAt) -> Option<&ProcessStatus> {
        self.processes.iter().find(|status| status.process == at)
    }

    /// The places of all sockets.
    pub fn places(&self) -> impl Iterator<Item = SocketAt> + use<> {
        (0..u32::try_from(self.sockets.len()).unwrap_or(u32::MAX)).map(SocketAt)
    }
}
