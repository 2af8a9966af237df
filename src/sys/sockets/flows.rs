//! The processes at the ends of flows, found one by one while packets come.
//!
//! An end is asked for in this order: the BPF programs, which see each call of a process; the kernel, for the socket of
//! the flow (`sock_diag`), and /proc, for who holds it; the sockets as they were listed last.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use nix::sys::socket::SockProtocol;

use super::namespaces::Place;
use super::processes::{self, Depth};
use super::walker::{LOOK, Walker};
use super::{cgroups, owners};
use crate::bpf::owning;
use crate::capfile::{End, Name, Reason, Source, Tally};
use crate::netlink::Malformed;
use crate::rtnetlink::InterfaceAddress;
use crate::sockdiag::inet::Extensions;
use crate::sockdiag::{AF_INET, AF_INET6, InetMessage, InetRequest, SocketId};
use crate::sockets::Process;
use crate::sockets::filter::ProcessWord;
use crate::sys::bpf::{Kernel, Owning, Refused};
use crate::sys::clock;
use crate::sys::netlink::Netlink;
use crate::sys::privilege::{self, Capability};

/// For the programs and their map.
const BPF: &[Capability] = &[Capability::Bpf, Capability::Perfmon];
/// More flows than these are not remembered, nor more addresses of this host.
const MOST: usize = 65_536;
/// How often an unknown end is looked up at most.
const TRIES: u8 = 8;
/// The addresses of this host are read again after this time.
const ADDRESSES: Duration = Duration::from_secs(2);
/// Of each second this much is spent on looking up, at most: a flood of new flows shall not keep the capture waiting.
const ALLOWED: Duration = Duration::from_millis(250);
/// What a program saw longer ago may be of a socket that had the same port before.
const FRESH: u64 = 2_000_000_000;
/// `TCP_LISTEN` and `TCP_TIME_WAIT` in `net/tcp_states.h`.
const LISTEN: u8 = 10;
const TIME_WAIT: u8 = 6;
const TCP: u8 = 6;

/// A flow of packets from the side of one end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Flow {
    /// The number of TCP or UDP in the header of IP.
    pub protocol: u8,
    /// The end that is asked about.
    pub local: SocketAddr,
    /// The other one.
    pub peer: SocketAddr,
}

impl Flow {
    /// The same from the other side.
    #[must_use]
    pub fn turned(self) -> Flow {
        Flow {
            local: self.peer,
            peer: self.local,
            ..self
        }
    }
}

/// What is known of an end.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    /// Whose it is.
    pub end: End,
    /// Whether its process is one of those that are asked for.
    pub is_wanted: bool,
    /// Asking again would not give another answer.
    pub is_settled: bool,
}

/// Finds the processes of flows.
#[derive(Debug)]
pub struct Finder {
    places: Vec<Sockets>,
    programs: Result<Owning, Option<Refused>>,
    walker: Walker,
    wanted: Vec<ProcessWord>,
    /// The paths of control groups by their ids, if they are asked for.
    groups: HashMap<u64, String>,
    known: HashMap<(usize, Flow), (Found, u8)>,
    /// Ends that are not in `known` any more.
    past: Tally,
    since: Instant,
    spent: Duration,
}

impl Finder {
    /// For these namespaces, and for packets of the processes that are wanted: all if there is no word. Privileges are
    /// needed for other namespaces up to here.
    ///
    /// # Errors
    /// When the kernel has no `sock_diag` or rtnetlink.
    pub fn open(places: &[Place], wanted: Vec<ProcessWord>) -> io::Result<Finder> {
        let open = |place: &Place| {
            let inside = place.inside(|| Sockets::open(place.namespace.inode));
            inside.map_err(io::Error::other)?
        };
        let programs = if owners::in_initial_pid_namespace() {
            privilege::with(BPF, || Owning::open(&Kernel::running())).map_err(Some)
        } else {
            Err(None)
        };
        let has_names = wanted.iter().any(ProcessWord::needs_command_line);
        let depth = if wanted.is_empty() {
            Depth::Names
        } else {
            Depth::Everything
        };
        let mut finder = Finder {
            places: places.iter().map(open).collect::<io::Result<_>>()?,
            programs,
            walker: Walker::new(depth, has_names),
            wanted,
            groups: HashMap::new(),
            known: HashMap::new(),
            past: Tally::default(),
            since: Instant::now(),
            spent: Duration::ZERO,
        };
        finder.list();
        // The first socket that is not in this listing may be looked for at once.
        finder.walker.walked = None;
        Ok(finder)
    }

    /// Why no BPF program sees the processes, if that is so.
    pub fn refused(&self) -> Option<String> {
        match &self.programs {
            Ok(_) => None,
            Err(Some(refused)) => Some(refused.to_string()),
            Err(None) => Some("BPF is used only in the initial PID namespace".to_owned()),
        }
    }

    /// Processes that may not be looked at, as of the last walk.
    pub fn hidden(&self) -> usize {
        self.walker.hidden
    }

    /// Whether this process is one of those that are asked for.
    pub fn wants(&self, pid: u32, comm: &[u8]) -> bool {
        let process = Process {
            pid,
            comm: comm.into(),
            ..Process::default()
        };
        let process = privilege::with(LOOK, || processes::describe(process, Depth::Everything));
        self.wanted.iter().any(|word| word.matches(&process))
    }

    /// Whether one of those that are asked for held a socket when the sockets were listed last. This process does not
    /// count: it has the word in its command line.
    pub fn has_wanted(&self) -> bool {
        let own = std::process::id();
        let mut others = self.walker.owners.processes().iter();
        others.any(|it| it.pid != own && self.wanted.iter().any(|word| word.matches(it)))
    }

    /// How the ends of flows were found.
    pub fn tally(&self) -> Tally {
        let mut tally = self.past;
        let known = self.known.values();
        known.for_each(|(found, _)| tally.count(&found.end));
        tally
    }

    /// Forgets a flow: its ports are used again.
    pub fn forget(&mut self, place: usize, flow: Flow) {
        for flow in [flow, flow.turned()] {
            if let Some((found, _)) = self.known.remove(&(place, flow)) {
                self.past.count(&found.end);
            }
        }
    }

    /// Whose the local end of a flow is, of a packet that this end sends, or receives. What is known stays known after
    /// the socket is gone.
    pub fn end(&mut self, place: usize, flow: Flow, sends: bool) -> Found {
        let before = self.known.get(&(place, flow)).copied();
        if let Some((found, _)) = before.filter(|(found, _)| found.is_settled) {
            return found;
        }
        let mut tries = before.map_or(0, |(_, tries)| tries);
        let mut found = self.look_up(place, flow, sends);
        tries += u8::from(found.end != End::Unknown(Reason::Busy));
        // Who listens is more than nothing: the connection may be closed by now.
        if let (End::Unknown(_), Some((before, _))) = (found.end, before) {
            found = before;
        }
        found.is_settled |= tries >= TRIES;
        if self.known.len() >= MOST {
            self.past = self.tally();
            self.known.clear();
        }
        self.known.insert((place, flow), (found, tries));
        found
    }

    fn look_up(&mut self, place: usize, flow: Flow, sends: bool) -> Found {
        let Some(sockets) = self.places.get_mut(place) else {
            return Found::nobody(End::Unsought);
        };
        if !sockets.is_here(flow.local.ip()) {
            return Found::nobody(End::Unsought);
        }
        let seen = self.seen(place, &flow);
        let is_fresh =
            |owner: &owning::Owner| clock::monotonic().0.saturating_sub(owner.time) < FRESH;
        if let Some(owner) = seen.filter(|owner| sends || is_fresh(owner)) {
            return self.by_program(&owner);
        }
        if self.since.elapsed() >= Duration::from_secs(1) {
            (self.since, self.spent) = (Instant::now(), Duration::ZERO);
        }
        if self.spent >= ALLOWED {
            return Found::nobody(End::Unknown(Reason::Busy));
        }
        let begun = Instant::now();
        let found = self.by_socket(place, &flow);
        self.spent += begun.elapsed();
        found
    }

    /// What the programs saw of a flow.
    fn seen(&self, place: usize, flow: &Flow) -> Option<owning::Owner> {
        let programs = self.programs.as_ref().ok()?;
        let flow = owning::Flow {
            netns: self.places[place].netns,
            protocol: flow.protocol,
            local: flow.local,
            peer: flow.peer,
        };
        privilege::with(BPF, || programs.owner(&flow))
    }

    fn by_program(&mut self, owner: &owning::Owner) -> Found {
        self.walker.remember(owner.pid);
        let mut process = Process {
            pid: owner.pid,
            comm: owner.comm().into(),
            ..Process::default()
        };
        if self.walker.needs_command_line {
            process = processes::describe(process, Depth::Everything);
        }
        if self.wanted.iter().any(ProcessWord::needs_group) {
            if !self.groups.contains_key(&owner.cgroup) {
                self.groups = cgroups::paths();
                // Also if it is gone: it is not looked for again.
                self.groups.entry(owner.cgroup).or_default();
            }
            let path = self
                .groups
                .get(&owner.cgroup)
                .filter(|path| !path.is_empty());
            process.cgroup = path.map(|path| path.as_str().into()).or(process.cgroup);
        }
        self.found(&process, Source::Bpf)
    }

    fn by_socket(&mut self, place: usize, flow: &Flow) -> Found {
        let sockets = &mut self.places[place];
        let mut source = Source::Lookup;
        let mut inode = match sockets.socket(flow, false) {
            Some((0, _)) if flow.protocol == TCP => {
                // It waits to be accepted, or the program has closed it already: a port has few programs.
                source = Source::Listener;
                sockets.socket(flow, true).map_or(0, |(inode, _)| inode)
            }
            Some((inode, LISTEN)) if flow.protocol == TCP => {
                source = Source::Listener;
                inode
            }
            found => found.map_or(0, |(inode, _)| inode),
        };
        if inode == 0 {
            source = Source::Snapshot;
            inode = sockets.listed.get(flow).copied().unwrap_or(0);
        }
        if inode == 0 {
            return Found::nobody(End::Unknown(Reason::Closed));
        }
        let process = self.walker.known(inode).or_else(|| {
            let is_due = self.walker.is_due();
            if is_due {
                self.list();
            }
            self.walker.known(inode).filter(|_| is_due)
        });
        match process {
            Some(process) => self.found(&process, source),
            None => Found::nobody(End::Unknown(Reason::Hidden)),
        }
    }

    fn found(&self, process: &Process, source: Source) -> Found {
        Found {
            end: End::Process {
                pid: process.pid,
                name: Name::new(&process.comm),
                source,
            },
            is_wanted: self.wanted.iter().any(|word| word.matches(process)),
            is_settled: source != Source::Listener,
        }
    }

    /// Lists all sockets, and who holds them.
    fn list(&mut self) {
        let begun = Instant::now();
        for sockets in &mut self.places {
            sockets.list();
        }
        self.walker.walk(begun);
    }
}

impl Found {
    fn nobody(end: End) -> Found {
        Found {
            end,
            is_wanted: false,
            is_settled: end == End::Unsought,
        }
    }
}

/// The sockets of one network namespace.
#[derive(Debug)]
struct Sockets {
    netns: u32,
    diag: Netlink,
    routes: Netlink,
    addresses: HashSet<IpAddr>,
    read: Option<Instant>,
    /// The connections when they were listed last, and the inodes of their sockets.
    listed: HashMap<Flow, u32>,
}

impl Sockets {
    /// For the namespace that this thread is in; then it works in any.
    fn open(inode: u64) -> io::Result<Sockets> {
        Ok(Sockets {
            netns: u32::try_from(inode).unwrap_or(0),
            diag: Netlink::open(SockProtocol::NetlinkSockDiag)?,
            routes: Netlink::open(SockProtocol::NetlinkRoute)?,
            addresses: HashSet::new(),
            read: None,
            listed: HashMap::new(),
        })
    }

    fn request(family: u8, protocol: u8, states: u32) -> InetRequest<'static> {
        InetRequest {
            family,
            protocol: protocol.into(),
            extensions: Extensions::NONE,
            states,
            filter: None,
        }
    }

    /// The inode and the state of the socket of a flow, or of the one that listens for it.
    fn socket(&mut self, flow: &Flow, listens: bool) -> Option<(u32, u8)> {
        let local = flow.local;
        let any: IpAddr = if local.is_ipv4() {
            Ipv4Addr::UNSPECIFIED.into()
        } else {
            Ipv6Addr::UNSPECIFIED.into()
        };
        let id = SocketId {
            local_address: local.ip(),
            local_port: local.port(),
            peer_address: if listens { any } else { flow.peer.ip() },
            peer_port: if listens { 0 } else { flow.peer.port() },
            interface: 0,
            cookie: None,
        };
        let family = if local.is_ipv4() { AF_INET } else { AF_INET6 };
        let request = Sockets::request(family, flow.protocol, u32::MAX);
        let mut found = None;
        let asked = self.diag.dump(
            |sequence, out| request.write_lookup(&id, sequence, out),
            &mut |payload| {
                let message = InetMessage::new(payload).ok();
                found = message.map(|message| (message.inode(), message.state()));
            },
        );
        asked.ok().and(found)
    }

    fn list(&mut self) {
        let listed = &mut self.listed;
        listed.clear();
        for family in [AF_INET, AF_INET6] {
            let states = !(1 << LISTEN | 1 << TIME_WAIT);
            let request = Sockets::request(family, TCP, states);
            let _ = self.diag.dump(
                |sequence, out| request.write_dump(sequence, out),
                &mut |payload| {
                    let Ok(it) = InetMessage::new(payload) else {
                        return;
                    };
                    let end = |ip: IpAddr, port| SocketAddr::new(ip.to_canonical(), port);
                    let flow = Flow {
                        protocol: TCP,
                        local: end(it.local_address(), it.local_port()),
                        peer: end(it.peer_address(), it.peer_port()),
                    };
                    if it.inode() != 0 && listed.len() < MOST {
                        listed.insert(flow, it.inode());
                    }
                },
            );
        }
    }

    fn is_here(&mut self, ip: IpAddr) -> bool {
        if ip.is_loopback() {
            return true;
        }
        if self.read.is_none_or(|read| read.elapsed() >= ADDRESSES) {
            self.read = Some(Instant::now());
            let addresses = &mut self.addresses;
            addresses.clear();
            let _ = self.routes.dump(InterfaceAddress::request, &mut |payload| {
                let read: Result<_, Malformed> = InterfaceAddress::read(payload);
                if let Ok(Some(it)) = read
                    && addresses.len() < MOST
                {
                    addresses.insert(it.address);
                }
            });
        }
        self.addresses.contains(&ip)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};

    use super::*;

    /// Without the programs: what the kernel and /proc tell.
    fn finder() -> Finder {
        let mut finder = Finder::open(&[Place::own()], Vec::new()).unwrap();
        finder.programs = Err(None);
        finder
    }

    fn source(found: Found) -> Option<Source> {
        match found.end {
            End::Process { pid, source, .. } if pid == std::process::id() => Some(source),
            _ => None,
        }
    }

    #[test]
    fn both_ends_of_a_connection_are_this_process_also_after_it_is_closed() {
        let mut finder = finder();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let flow = Flow {
            protocol: TCP,
            local: client.local_addr().unwrap(),
            peer: client.peer_addr().unwrap(),
        };
        assert_eq!(source(finder.end(0, flow, true)), Some(Source::Lookup));
        let waiting = finder.end(0, flow.turned(), false);
        assert_eq!(source(waiting), Some(Source::Listener));
        assert!(!waiting.is_settled);
        let (server, _) = listener.accept().unwrap();
        let accepted = finder.end(0, flow.turned(), false);
        assert_eq!(source(accepted), Some(Source::Lookup));
        drop((client, server, listener));
        for (flow, sends) in [(flow, true), (flow.turned(), false)] {
            assert_eq!(source(finder.end(0, flow, sends)), Some(Source::Lookup));
        }
        // The ports are used again, as far as it knows: by nobody, or by those that were listed.
        finder.forget(0, flow);
        let later = source(finder.end(0, flow, true));
        assert_ne!(later, Some(Source::Lookup));
    }

    #[test]
    fn a_datagram_socket_is_found_and_what_is_elsewhere_or_closed_is_not() {
        let mut finder = finder();
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut flow = Flow {
            protocol: 17,
            local: receiver.local_addr().unwrap(),
            peer: "127.0.0.1:9".parse().unwrap(),
        };
        assert_eq!(source(finder.end(0, flow, false)), Some(Source::Lookup));
        flow.local.set_ip([198, 51, 100, 7].into());
        assert_eq!(finder.end(0, flow, false).end, End::Unsought);
        let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr();
        flow.local = closed.unwrap();
        // However long the look-ups before took.
        finder.spent = Duration::ZERO;
        let nobody = finder.end(0, flow, false).end;
        assert!(matches!(nobody, End::Unknown(Reason::Closed)), "{nobody:?}");
    }

    #[test]
    fn a_connection_that_was_listed_is_known_after_it_is_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        let flow = Flow {
            protocol: TCP,
            local: client.local_addr().unwrap(),
            peer: client.peer_addr().unwrap(),
        };
        let mut finder = finder();
        // The server closes first, so the other socket does not stay in TIME-WAIT.
        drop(server);
        drop((client, listener));
        assert_eq!(source(finder.end(0, flow, true)), Some(Source::Snapshot));
    }

    #[test]
    fn a_flood_of_flows_is_not_looked_up_for_ever() {
        let mut finder = finder();
        finder.since = Instant::now();
        finder.spent = ALLOWED;
        let flow = Flow {
            protocol: 17,
            local: "127.0.0.1:9".parse().unwrap(),
            peer: "127.0.0.1:9".parse().unwrap(),
        };
        let busy = finder.look_up(0, flow, true);
        assert_eq!(busy.end, End::Unknown(Reason::Busy));
        assert!(!busy.is_settled);
    }
}
