//! One row for all sockets of a process, a peer, a port ...

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::sockets::change::{Change, is_closed};
use crate::sockets::{Address, Owners, Proto, Socket, State, cgroup};

/// What sockets are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GroupBy {
    /// The process that holds them.
    Process,
    /// The host at the other end.
    Peer,
    /// The port of the service: see [`GroupKey::Port`].
    Port,
    /// The state.
    State,
    /// The user.
    User,
    /// The network namespace.
    Netns,
    /// The systemd unit.
    Unit,
    /// The container.
    Container,
}

/// What the sockets of a row have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GroupKey {
    /// A process: its index in [`Owners::processes`].
    Process(u32),
    /// The host at the other end, without the port.
    Peer(IpAddr),
    /// The Unix socket at the other end, by its name.
    PeerName(Box<[u8]>),
    /// A service: the local port if this host listens (or waits for datagrams) on it; otherwise that of the
    /// peer if this host listens there. Without a listener it is the port that more of the sockets have, or
    /// the lower one.
    Port(Proto, u32),
    /// A state.
    State(State),
    /// A user.
    User(u32),
    /// A network namespace, by its index in the snapshot.
    Netns(u16),
    /// A systemd unit.
    Unit(Box<str>),
    /// A container: its runtime and its id.
    Container(&'static str, Box<str>),
    /// The sockets that have no owner, peer, port or user.
    Nothing,
}

/// What the sockets of a group amount to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRow {
    /// What they have in common.
    pub key: GroupKey,
    /// How many.
    pub sockets: usize,
    /// Of them in LISTEN.
    pub listeners: usize,
    /// Of them in ESTABLISHED.
    pub established: usize,
    /// Of them in `CLOSE_WAIT`.
    pub close_wait: usize,
    /// Bytes to be read; listeners, whose queue is of connections, do not count.
    pub recv_bytes: u64,
    /// Bytes not acknowledged; listeners do not count.
    pub send_bytes: u64,
    /// Findings.
    pub findings: usize,
    /// How far their counters went between two samples, those that closed meanwhile included.
    pub change: Change,
}

/// What is known of a socket beside the socket itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Beside {
    /// How many findings it has.
    pub findings: usize,
    /// How far its counters went between two samples.
    pub change: Change,
}

impl GroupBy {
    /// All of them with their words.
    pub const ALL: [(GroupBy, &'static str); 8] = [
        (GroupBy::Process, "process"),
        (GroupBy::Peer, "peer"),
        (GroupBy::Port, "port"),
        (GroupBy::State, "state"),
        (GroupBy::User, "user"),
        (GroupBy::Netns, "netns"),
        (GroupBy::Unit, "unit"),
        (GroupBy::Container, "container"),
    ];

    /// The word.
    pub fn name(self) -> &'static str {
        let entry = GroupBy::ALL.iter().find(|(by, _)| *by == self);
        entry.map_or("", |(_, name)| name)
    }
}

impl GroupBy {
    /// Whether the owners must be known.
    pub fn needs_owners(self) -> bool {
        self == GroupBy::Process || self.needs_groups()
    }

    /// Whether the control groups must be known.
    pub fn needs_groups(self) -> bool {
        matches!(self, GroupBy::Unit | GroupBy::Container)
    }
}

/// A word by which nothing is grouped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownGroup(pub String);

impl fmt::Display for UnknownGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = GroupBy::ALL.iter().map(|(_, name)| *name).collect();
        let word = self.0.escape_debug();
        write!(
            f,
            "sockets are not grouped by \"{word}\", but by: {}",
            names.join(", ")
        )
    }
}

impl std::error::Error for UnknownGroup {}

impl FromStr for GroupBy {
    type Err = UnknownGroup;

    fn from_str(word: &str) -> Result<GroupBy, UnknownGroup> {
        let known = GroupBy::ALL.iter().find(|(_, name)| *name == word);
        known
            .map(|(by, _)| *by)
            .ok_or_else(|| UnknownGroup(word.to_owned()))
    }
}

impl From<usize> for Beside {
    /// That many findings, and nothing else.
    fn from(findings: usize) -> Beside {
        Beside {
            findings,
            change: Change::default(),
        }
    }
}

/// One row for each group, the one with the most sockets first. A socket that several processes
/// share counts for each of them, so the counts may add up to more than there are. `beside` tells what is
/// known beside a socket, by its place in the list, and `group_of` the path of its control group; `all`: the
/// sockets among which there may be listeners.
pub fn group<'a, B: Into<Beside>>(
    sockets: &[&Socket],
    all: &[Socket],
    owners: &Owners,
    beside: &dyn Fn(usize) -> B,
    group_of: &dyn Fn(&Socket) -> Option<&'a str>,
    by: GroupBy,
) -> Vec<GroupRow> {
    let mut groups: HashMap<GroupKey, GroupRow> = HashMap::new();
    let mut add = |key: GroupKey, socket: &Socket, beside: &Beside| {
        let row = groups
            .entry(key)
            .or_insert_with_key(|key| GroupRow::new(key.clone()));
        row.add(socket, beside);
    };
    let services = match by {
        GroupBy::Port => Services::new(sockets, all),
        _ => Services::default(),
    };
    for (index, socket) in sockets.iter().enumerate() {
        let beside = beside(index).into();
        let mut count = |key, socket: &Socket| add(key, socket, &beside);
        match by {
            GroupBy::Process => {
                let mut holders: Vec<u32> = owners
                    .of(socket.inode)
                    .iter()
                    .map(|owner| owner.process)
                    .collect();
                holders.sort_unstable();
                holders.dedup();
                if holders.is_empty() {
                    count(GroupKey::Nothing, socket);
                }
                for process in holders {
                    count(GroupKey::Process(process), socket);
                }
            }
            GroupBy::Peer => count(peer(socket), socket),
            GroupBy::Port => count(port(socket, &services), socket),
            GroupBy::State => count(GroupKey::State(socket.state), socket),
            GroupBy::User => count(socket.uid.map_or(GroupKey::Nothing, GroupKey::User), socket),
            GroupBy::Netns => count(GroupKey::Netns(socket.netns), socket),
            GroupBy::Unit | GroupBy::Container => {
                let path = group_of(socket);
                let key = if by == GroupBy::Unit {
                    path.and_then(cgroup::unit)
                        .map(|unit| GroupKey::Unit(unit.into()))
                } else {
                    let container = path.and_then(cgroup::container);
                    container.map(|it| GroupKey::Container(it.runtime, it.id.into()))
                };
                count(key.unwrap_or(GroupKey::Nothing), socket);
            }
        }
    }
    let mut rows: Vec<GroupRow> = groups.into_values().collect();
    rows.sort_unstable_by(|a, b| b.sockets.cmp(&a.sockets).then_with(|| a.key.cmp(&b.key)));
    rows
}

impl GroupRow {
    fn new(key: GroupKey) -> GroupRow {
        GroupRow {
            key,
            sockets: 0,
            listeners: 0,
            established: 0,
            close_wait: 0,
            recv_bytes: 0,
            send_bytes: 0,
            findings: 0,
            change: Change::default(),
        }
    }

    fn add(&mut self, socket: &Socket, beside: &Beside) {
        self.change.add(&beside.change);
        if is_closed(socket) {
            return;
        }
        self.sockets += 1;
        self.findings += beside.findings;
        match socket.state {
            State::Listen => {
                self.listeners += 1;
                return;
            }
            State::Established => self.established += 1,
            State::CloseWait => self.close_wait += 1,
            _ => {}
        }
        self.recv_bytes += u64::from(socket.recv_q);
        self.send_bytes += u64::from(socket.send_q);
    }
}

fn peer(socket: &Socket) -> GroupKey {
    match (&socket.peer, socket.peer.ip()) {
        (_, Some(ip)) if !ip.is_unspecified() => GroupKey::Peer(ip),
        (Address::Unix { name, .. }, _) if !name.is_empty() => GroupKey::PeerName(name.clone()),
        _ => GroupKey::Nothing,
    }
}

/// A protocol, a namespace and a port on which something waits.
type Service = (Proto, u16, u32);

/// What tells the port of a service from that of a client.
#[derive(Default)]
struct Services {
    listening: HashSet<Service>,
    /// How many of the sockets have a port, at either end.
    used: HashMap<Service, usize>,
}

impl Services {
    fn new(sockets: &[&Socket], all: &[Socket]) -> Services {
        let waiting = all
            .iter()
            .filter(|socket| crate::sockets::filter::is_listening(socket));
        let mut services = Services {
            listening: waiting
                .filter_map(|socket| service(socket, &socket.local))
                .collect(),
            used: HashMap::new(),
        };
        for socket in sockets {
            for end in [&socket.local, &socket.peer] {
                if let Some(service) = service(socket, end) {
                    *services.used.entry(service).or_default() += 1;
                }
            }
        }
        services
    }

    fn of(&self, socket: &Socket) -> Option<Service> {
        let ends = [&socket.local, &socket.peer].map(|end| service(socket, end));
        let [Some(local), Some(peer)] = ends else {
            return ends.into_iter().flatten().next();
        };
        let listens = |service: &Service| self.listening.contains(service);
        if listens(&local) || listens(&peer) {
            return Some(if listens(&local) { local } else { peer });
        }
        let rank = |service: &Service| {
            let used = self.used.get(service).copied().unwrap_or(0);
            (used, std::cmp::Reverse(service.2))
        };
        Some(if rank(&local) > rank(&peer) {
            local
        } else {
            peer
        })
    }
}

fn service(socket: &Socket, end: &Address) -> Option<Service> {
    let port = end.port().filter(|&port| port != 0)?;
    Some((socket.proto, socket.netns, port))
}

fn port(socket: &Socket, services: &Services) -> GroupKey {
    if matches!(socket.proto, Proto::Raw | Proto::Ping) {
        return GroupKey::Nothing;
    }
    let found = services.of(socket);
    found.map_or(GroupKey::Nothing, |(proto, _, port)| {
        GroupKey::Port(proto, port)
    })
}
