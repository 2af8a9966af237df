//! One dump for each family, and its fallback.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use nix::sys::socket::SockProtocol;

use crate::host::Note;
use crate::reference::errno::words_of;
use crate::sockdiag::bytecode::Bytecode;
use crate::sockdiag::inet::Extensions;
use crate::sockdiag::{
    self, InetMessage, InetRequest, NetlinkMessage, NetlinkRequest, PacketMessage, PacketRequest,
    TcpRequest, UnixMessage, UnixRequest, VsockMessage, VsockRequest,
};
use crate::sockets::number_hash::{NumberMap, NumberSet};
use crate::sockets::proc_net::Table;
use crate::sockets::{Address, Proto, Socket, State, from_diag, proc_net};
use crate::sys::limits::local_ports;
use crate::sys::netlink::{Dumped, Netlink};

use super::counts::{Counts, time_wait_count};
use super::namespaces;
use super::{Keep, Query};

/// What one namespace gave.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) sockets: Vec<Socket>,
    pub(super) notes: Vec<Note>,
    pub(super) interfaces: HashMap<u32, String>,
    pub(super) time_wait: u64,
    /// The range of local ports, if a diagnosis looks at it.
    pub(super) local_ports: Option<(u16, u16)>,
    /// The files that the paths of Unix sockets were, by the inodes of the sockets.
    pub(super) files: NumberMap<u32, u32>,
    /// Whether all that a diagnosis looks at was there.
    pub(super) evident: bool,
    /// Our own socket, which is in the dump too: open until its owner has been looked for.
    pub(super) diag: Option<Netlink>,
}

/// Why a family was not dumped.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Missing {
    /// Netlink cannot be used at all, with the system's message.
    Refused(String),
    /// There is no `sock_diag` module for it.
    Module,
    /// Its dump failed, with the system's message.
    Failed(String),
}

impl Missing {
    fn of(error: &io::Error) -> Missing {
        let no_module =
            error.raw_os_error() == Some(libc::ENOENT) || error.kind() == io::ErrorKind::NotFound;
        if no_module {
            Missing::Module
        } else {
            Missing::Failed(words_of(error))
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Missing::Refused(why) => write!(f, "sock_diag (netlink) is refused ({why})"),
            Missing::Module => f.write_str("this kernel has no sock_diag module for them"),
            Missing::Failed(why) => write!(f, "sock_diag failed ({why})"),
        }
    }
}

/// Collects the sockets of the namespace that its thread is in.
pub(super) struct Collector<'a> {
    query: &'a Query,
    keep: &'a Keep<'a>,
    netns: u16,
    part: Part,
    /// The kernel's own counts; read when they are needed.
    counts: Option<Counts>,
}

/// `IPPROTO_*` of the protocols over IP that `sock_diag` may know.
fn ip_protocol(proto: Proto) -> Option<u32> {
    match proto {
        Proto::Tcp => Some(6),
        Proto::Udp => Some(17),
        Proto::Sctp => Some(132),
        Proto::Udplite => Some(136),
        Proto::Raw => Some(255),
        Proto::Mptcp => Some(262),
        _ => None,
    }
}

impl<'a> Collector<'a> {
    pub(super) fn new(query: &'a Query, keep: &'a Keep<'a>, netns: u16) -> Self {
        Collector {
            query,
            keep,
            netns,
            part: Part {
                evident: true,
                ..Part::default()
            },
            counts: None,
        }
    }

    /// Everything that was asked for.
    pub(super) fn collect(mut self) -> Part {
        self.part.interfaces = namespaces::interfaces();
        if self.query.protos.contains(&Proto::Tcp) {
            self.part.time_wait = time_wait_count();
        }
        if self.query.evidence && self.query.protos.contains(&Proto::Tcp) {
            self.part.local_ports = local_ports();
        }
        let mut diag = Netlink::open(SockProtocol::NetlinkSockDiag)
            .map_err(|error| Missing::Refused(words_of(&error)));
        if let Err(missing) = &diag {
            let text = format!(
                "{missing}; using /proc/net, which has no bound sockets, queue limits or evidence for \
                 problems"
            );
            self.note("no_sock_diag", text, true);
        }
        let mut unix_done = false;
        for proto in self.query.protos.clone() {
            // The three Unix types come in one dump.
            if proto.is_unix() && std::mem::replace(&mut unix_done, true) {
                continue;
            }
            let before = self.part.sockets.len();
            let dumped = match &mut diag {
                Ok(diag) => self.dump(diag, proto).map_err(|error| Missing::of(&error)),
                Err(refused) => Err(refused.clone()),
            };
            match dumped {
                Ok(Dumped::Complete) => {}
                Ok(Dumped::Interrupted) => self.note(
                    "dump_interrupted",
                    format!(
                        "the kernel's table of {} sockets changed while it was read: a few may be \
                         missing",
                        words(proto)
                    ),
                    true,
                ),
                Err(missing) => self.fall_back(proto, &missing, before),
            }
        }
        self.mention_xdp();
        self.part.diag = diag.ok();
        self.part
    }

    fn note(&mut self, id: &'static str, text: String, incomplete: bool) {
        self.part.notes.push(Note {
            id: id.into(),
            text,
            incomplete,
        });
    }

    fn dump(&mut self, diag: &mut Netlink, proto: Proto) -> io::Result<Dumped> {
        match proto {
            Proto::Tcp => self.dump_tcp(diag),
            Proto::Mptcp | Proto::Sctp | Proto::Udp | Proto::Udplite | Proto::Raw => {
                let v4 = self.dump_inet(diag, proto, sockdiag::AF_INET)?;
                let v6 = self.dump_inet(diag, proto, sockdiag::AF_INET6)?;
                Ok(if v4 == Dumped::Complete { v6 } else { v4 })
            }
            Proto::UnixStr | Proto::UnixDgr | Proto::UnixSeq => self.dump_unix(diag),
            Proto::Packet => self.dump_packet(diag),
            Proto::Netlink => self.dump_netlink(diag),
            Proto::Vsock => self.dump_vsock(diag),
            // Ping sockets have no module.
            Proto::Ping => Err(io::Error::from(io::ErrorKind::NotFound)),
        }
    }

    /// What the kernel is asked to add to each internet socket.
    fn extensions(&self, proto: Proto) -> Extensions {
        if self.query.details {
            Extensions::ALL
        } else if self.query.evidence && matches!(proto, Proto::Udp | Proto::Udplite) {
            // UDP has no tcp_info; a full receive buffer shows in its memory.
            Extensions::SK_MEM_INFO
        } else if self.query.evidence && self.query.drops {
            Extensions::INFO | Extensions::SK_MEM_INFO
        } else if self.query.evidence {
            Extensions::INFO
        } else {
            Extensions::NONE
        }
    }

    /// The states wanted of a protocol.
    fn states(&self, proto: Proto) -> u32 {
        if proto == Proto::Tcp {
            self.query.tcp_states
        } else {
            self.query.states
        }
    }

    fn taken(&self) -> from_diag::Taken {
        from_diag::Taken {
            details: self.query.details,
            evidence: self.query.evidence,
        }
    }

    /// Both families in one walk over the kernel's hash table, which is what costs.
    fn dump_tcp(&mut self, diag: &mut Netlink) -> io::Result<Dumped> {
        let filter = self.query.bytecode.as_ref();
        let states = self.query.tcp_states;
        let listening = State::Listen.bit();
        if !self.query.evidence || filter.is_none() || states & listening == 0 {
            return self.dump_tcp_states(diag, states, filter);
        }
        // A rule asks which listener takes the connections of a client, and a proxy forwards to another
        // listener, whatever its port. Listeners alone cost next to nothing: the kernel keeps them in a
        // table of their own.
        let rest = match states & !listening {
            0 => Dumped::Complete,
            rest => self.dump_tcp_states(diag, rest, filter)?,
        };
        let listeners = self.dump_tcp_states(diag, listening, None)?;
        Ok(if rest == Dumped::Complete {
            listeners
        } else {
            rest
        })
    }

    fn dump_tcp_states(
        &mut self,
        diag: &mut Netlink,
        states: u32,
        filter: Option<&Bytecode>,
    ) -> io::Result<Dumped> {
        let request = TcpRequest {
            extensions: self.extensions(Proto::Tcp),
            states,
            filter,
        };
        self.take_inet(diag, Proto::Tcp, |sequence, out| {
            request.write_dump(sequence, out);
        })
    }

    fn dump_inet(&mut self, diag: &mut Netlink, proto: Proto, family: u8) -> io::Result<Dumped> {
        let request = InetRequest {
            family,
            protocol: ip_protocol(proto).unwrap_or_default(),
            extensions: self.extensions(proto),
            states: self.query.states,
            filter: None,
        };
        self.take_inet(diag, proto, |sequence, out| {
            request.write_dump(sequence, out);
        })
    }

    fn take_inet(
        &mut self,
        diag: &mut Netlink,
        proto: Proto,
        request: impl FnOnce(u32, &mut Vec<u8>),
    ) -> io::Result<Dumped> {
        let (keep, netns, taken) = (self.keep, self.netns, self.taken());
        let sockets = &mut self.part.sockets;
        // The walk is not atomic: a socket that changes its place in the table may come twice. Only
        // states that change can; 100,000 cookies cost a megabyte.
        let mut seen = NumberSet::default();
        diag.dump(request, &mut |payload| {
            let Ok(message) = InetMessage::new(payload) else {
                return;
            };
            let Some(socket) = from_diag::inet(&message, proto, netns, taken) else {
                return;
            };
            let settled = matches!(socket.state, State::Listen | State::TimeWait);
            if keep(&socket) && (settled || seen.insert(message.cookie())) {
                sockets.push(socket);
            }
        })
    }

    fn dump_unix(&mut self, diag: &mut Netlink) -> io::Result<Dumped> {
        use sockdiag::unix::show;
        let details = show::MEMINFO | show::ICONS;
        let details = if self.query.details { details } else { 0 };
        let request = UnixRequest {
            states: self.query.states,
            show: show::NAME | show::VFS | show::PEER | show::RQLEN | show::UID | details,
        };
        let (query, keep, netns) = (self.query, self.keep, self.netns);
        let Part { sockets, files, .. } = &mut self.part;
        diag.dump(
            |sequence, out| request.write_dump(sequence, out),
            &mut |payload| {
                let Ok(message) = UnixMessage::new(payload) else {
                    return;
                };
                let Some(socket) = from_diag::unix(&message, netns, query.details) else {
                    return;
                };
                if query.protos.contains(&socket.proto) && keep(&socket) {
                    let file = message.attributes().file;
                    files.extend(file.map(|file| (socket.inode, file.inode)));
                    sockets.push(socket);
                }
            },
        )
    }

    fn dump_packet(&mut self, diag: &mut Netlink) -> io::Result<Dumped> {
        use sockdiag::packet::show;
        let request = PacketRequest {
            show: show::INFO | show::MEMINFO,
        };
        let (query, keep, netns) = (self.query, self.keep, self.netns);
        let sockets = &mut self.part.sockets;
        diag.dump(
            |sequence, out| request.write_dump(sequence, out),
            &mut |payload| {
                let Ok(message) = PacketMessage::new(payload) else {
                    return;
                };
                let socket = from_diag::packet(&message, netns, query.details);
                if keep(&socket) {
                    sockets.push(socket);
                }
            },
        )
    }

    fn dump_netlink(&mut self, diag: &mut Netlink) -> io::Result<Dumped> {
        use sockdiag::netlink_diag::{ALL_PROTOCOLS, show};
        let request = NetlinkRequest {
            protocol: ALL_PROTOCOLS,
            show: show::MEMINFO,
        };
        let (query, keep, netns) = (self.query, self.keep, self.netns);
        let sockets = &mut self.part.sockets;
        // One that listens to groups comes twice: in the hash table and in the list of listeners.
        let mut seen = NumberSet::default();
        diag.dump(
            |sequence, out| request.write_dump(sequence, out),
            &mut |payload| {
                let Ok(message) = NetlinkMessage::new(payload) else {
                    return;
                };
                let socket = from_diag::netlink(&message, netns, query.details);
                if keep(&socket) && seen.insert(message.cookie()) {
                    sockets.push(socket);
                }
            },
        )
    }

    fn dump_vsock(&mut self, diag: &mut Netlink) -> io::Result<Dumped> {
        let request = VsockRequest {
            states: self.query.states,
        };
        let (keep, netns) = (self.keep, self.netns);
        let sockets = &mut self.part.sockets;
        diag.dump(
            |sequence, out| request.write_dump(sequence, out),
            &mut |payload| {
                let Ok(message) = VsockMessage::new(payload) else {
                    return;
                };
                let Some(socket) = from_diag::vsock(&message, netns) else {
                    return;
                };
                if keep(&socket) {
                    sockets.push(socket);
                }
            },
        )
    }

    /// Without `sock_diag`: the table in /proc/net. If that is missing too, a note, if the kernel
    /// counts sockets of that kind at all. `before`: where the rows of a dump that broke off begin.
    fn fall_back(&mut self, proto: Proto, missing: &Missing, before: usize) {
        if matches!(proto, Proto::Tcp | Proto::Udp) {
            self.part.evident = false;
        }
        let mut found = false;
        for table in Table::ALL.into_iter().filter(|table| is_of(*table, proto)) {
            let Some(file) = table.file() else { continue };
            // The thread's own: a look into another namespace is taken by a thread.
            let Ok(text) = fs::read(format!("/proc/thread-self/net/{file}")) else {
                continue;
            };
            found = true;
            let mut parsed = proc_net::parse(table, &text, self.netns);
            self.leave_out_dumped(&mut parsed.sockets, before);
            parsed.sockets.retain(|socket| {
                self.states(socket.proto) & socket.state.bit() != 0
                    && self.query.protos.contains(&socket.proto)
            });
            parsed.sockets.retain(|socket| (self.keep)(socket));
            self.part.sockets.append(&mut parsed.sockets);
            if parsed.skipped > 0 {
                let text = format!(
                    "could not parse {} lines of /proc/net/{file}",
                    parsed.skipped
                );
                self.note("lines_skipped", text, true);
            }
        }
        // Without /proc one note says it all.
        if !found && self.counts().of(proto) != Some(0) && Path::new("/proc/self").exists() {
            let text = format!(
                "could not list {} sockets: {missing}, and /proc/net has no table of them",
                words(proto)
            );
            self.note("family_missing", text, true);
        } else if found && matches!(missing, Missing::Failed(_)) {
            let text = format!(
                "the list of {} sockets is incomplete: {missing}; the rest is from /proc/net, which \
                 has no bound sockets, queue limits or evidence for problems",
                words(proto)
            );
            self.note("dump_failed", text, true);
        }
    }

    /// Leaves out what a dump that broke off gave already, by inode or, without one, by its
    /// ends.
    fn leave_out_dumped(&self, sockets: &mut Vec<Socket>, before: usize) {
        let dumped = &self.part.sockets[before..];
        proc_net::leave_out_known(sockets, dumped);
        let ends = |socket: &Socket| {
            let end = |address: &Address| (address.ip(), address.port());
            (socket.proto, end(&socket.local), end(&socket.peer))
        };
        // Without a cookie it is from /proc/net itself, which lists each socket once.
        let bare = dumped
            .iter()
            .filter(|socket| socket.inode == 0 && socket.cookie.is_some());
        let known: HashSet<_> = bare.map(ends).collect();
        sockets.retain(|socket| socket.inode != 0 || !known.contains(&ends(socket)));
    }

    fn counts(&mut self) -> &Counts {
        self.counts.get_or_insert_with(Counts::read)
    }

    /// `AF_XDP` has a `sock_diag` of its own, which is not read: its sockets are mentioned where every
    /// family is asked for.
    fn mention_xdp(&mut self) {
        let every = [Proto::Packet, Proto::Netlink, Proto::Vsock];
        if !every.iter().all(|proto| self.query.protos.contains(proto)) {
            return;
        }
        let count = self.counts().xdp();
        if count > 0 {
            let text = format!("{count} AF_XDP sockets are not listed: see them with ss --xdp");
            self.note("family_missing", text, true);
        }
    }
}

/// What the sockets of one dump are called.
fn words(proto: Proto) -> &'static str {
    if proto.is_unix() {
        "unix"
    } else {
        proto.name()
    }
}

/// Whether a table is of a protocol.
fn is_of(table: Table, wanted: Proto) -> bool {
    match table {
        Table::Inet { proto, .. } => proto == wanted,
        Table::Unix => wanted.is_unix(),
        Table::Packet => wanted == Proto::Packet,
        Table::Netlink => wanted == Proto::Netlink,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(protos: &[Proto]) -> Query {
        Query {
            protos: protos.to_vec(),
            states: u32::MAX,
            tcp_states: u32::MAX,
            bytecode: None,
            details: false,
            evidence: true,
            drops: false,
            owners: None,
            places: Vec::new(),
            pids: Vec::new(),
        }
    }

    fn inodes(sockets: &[Socket]) -> Vec<u32> {
        let all = sockets.iter().map(|socket| socket.inode);
        let mut inodes: Vec<u32> = all.filter(|&inode| inode != 0).collect();
        inodes.sort_unstable();
        inodes
    }

    fn is_without_repetition(inodes: &[u32]) -> bool {
        inodes.windows(2).all(|two| two[0] != two[1])
    }

    #[test]
    fn unix_sockets_of_two_types_come_once() {
        let _pair = std::os::unix::net::UnixDatagram::pair().unwrap();
        let query = query(&[Proto::UnixDgr, Proto::UnixSeq]);
        let part = Collector::new(&query, &|_| true, 0).collect();
        let inodes = inodes(&part.sockets);
        assert!(inodes.len() >= 2);
        assert!(is_without_repetition(&inodes));
    }

    #[test]
    fn after_a_dump_that_broke_off_proc_net_adds_only_the_rest() {
        let first = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let second = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let ports = [&first, &second]
            .map(|listener| u32::from(listener.local_addr().unwrap().port()).into());
        let query = query(&[Proto::Tcp]);
        let ours = |socket: &Socket| ports.contains(&socket.local.port());
        let mut collector = Collector::new(&query, &ours, 0);
        // What the broken dump gave: one of the two.
        let one = |socket: &Socket| socket.local.port() == ports[0];
        let mut broken = Collector::new(&query, &one, 0).collect().sockets;
        collector.part.sockets.append(&mut broken);
        let missing = Missing::of(&io::Error::from_raw_os_error(libc::ENOBUFS));
        collector.fall_back(Proto::Tcp, &missing, 0);
        let part = collector.part;
        let inodes = inodes(&part.sockets);
        assert_eq!(inodes.len(), 2, "{:?}", part.sockets);
        assert!(is_without_repetition(&inodes));
        assert!(!part.evident);
        let notes: Vec<_> = part.notes.iter().map(|note| &*note.id).collect();
        assert_eq!(notes, ["dump_failed"]);
    }

    #[test]
    fn what_cannot_be_listed_says_why() {
        let query = query(&[Proto::Vsock]);
        let mut collector = Collector::new(&query, &|_| true, 0);
        collector.counts = Some(Counts::parse("heading\nAF_VSOCK 1240 0 -1\n"));
        let missing = Missing::of(&io::Error::from_raw_os_error(libc::ENOENT));
        collector.fall_back(Proto::Vsock, &missing, 0);
        let refused = Missing::Refused("Permission denied".to_owned());
        collector.fall_back(Proto::Vsock, &refused, 0);
        let texts: Vec<_> = collector.part.notes.iter().map(|note| &note.text).collect();
        assert!(texts[0].contains("no sock_diag module"), "{}", texts[0]);
        assert!(!texts[1].contains("module"), "{}", texts[1]);
        assert!(texts[1].contains("Permission denied"), "{}", texts[1]);
        // A kernel without the family has none of its sockets.
        collector.counts = Some(Counts::parse("heading\nTCP 2400 1 -1\n"));
        collector.fall_back(Proto::Vsock, &missing, 0);
        assert_eq!(collector.part.notes.len(), 2);
    }
}
