//! One dump for each family, and its fallback.

use std::collections::HashMap;
use std::fs;
use std::io;

use crate::sockdiag::inet::Extensions;
use crate::sockdiag::{
    self, InetMessage, InetRequest, NetlinkMessage, NetlinkRequest, PacketMessage, PacketRequest,
    TcpRequest, UnixMessage, UnixRequest, VsockMessage, VsockRequest,
};
use crate::sockets::number_hash::NumberSet;
use crate::sockets::proc_net::Table;
use crate::sockets::{Note, Proto, Socket, State, from_diag, proc_net};

use super::diag::{Diag, Dumped};
use super::namespaces;
use super::{Keep, Query};

/// What one namespace gave.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) sockets: Vec<Socket>,
    pub(super) notes: Vec<Note>,
    pub(super) interfaces: HashMap<u32, String>,
    pub(super) time_wait: u64,
}

/// Collects the sockets of the namespace that its thread is in.
pub(super) struct Collector<'a> {
    query: &'a Query,
    keep: &'a Keep<'a>,
    netns: u16,
    part: Part,
    /// Sockets that the kernel counts, by the names of /proc/net/protocols; read when it is needed.
    in_use: Option<HashMap<String, u64>>,
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
            part: Part::default(),
            in_use: None,
        }
    }

    /// Everything that was asked for.
    pub(super) fn collect(mut self) -> Part {
        self.part.interfaces = namespaces::interfaces();
        if self.query.protos.contains(&Proto::Tcp) {
            self.part.time_wait = time_wait_count();
        }
        let mut diag = match Diag::open() {
            Ok(diag) => Some(diag),
            Err(error) => {
                let text = format!("sock_diag cannot be used ({error}); /proc/net is read instead");
                self.note("no_sock_diag", text, false);
                None
            }
        };
        for proto in self.query.protos.clone() {
            // The three unix types come in one dump.
            if matches!(proto, Proto::UnixDgr | Proto::UnixSeq)
                && self.query.protos.contains(&Proto::UnixStr)
            {
                continue;
            }
            let dumped = match &mut diag {
                Some(diag) => self.dump(diag, proto),
                None => Err(io::Error::from(io::ErrorKind::NotFound)),
            };
            match dumped {
                Ok(Dumped::Complete) => {}
                Ok(Dumped::Interrupted) => self.note(
                    "dump_interrupted",
                    format!(
                        "the kernel's table of {} sockets changed while it was read: a few may be \
                         missing",
                        proto.name()
                    ),
                    true,
                ),
                Err(error) => self.fall_back(proto, &error),
            }
        }
        self.part
    }

    fn note(&mut self, id: &'static str, text: String, incomplete: bool) {
        self.part.notes.push(Note {
            id,
            text,
            incomplete,
        });
    }

    fn dump(&mut self, diag: &mut Diag, proto: Proto) -> io::Result<Dumped> {
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
            // There is no module for ping sockets.
            Proto::Ping => Err(io::Error::from(io::ErrorKind::NotFound)),
        }
    }

    /// What the kernel is asked to add to each internet socket.
    fn extensions(&self) -> Extensions {
        if self.query.details {
            Extensions::ALL
        } else if self.query.findings {
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
            findings: self.query.findings,
        }
    }

    /// Both families in one walk over the kernel's hash table, which is what costs.
    fn dump_tcp(&mut self, diag: &mut Diag) -> io::Result<Dumped> {
        let request = TcpRequest {
            extensions: self.extensions(),
            states: self.query.tcp_states,
            filter: self.query.bytecode.as_ref(),
        };
        self.take_inet(diag, Proto::Tcp, |sequence, out| {
            request.write_dump(sequence, out);
        })
    }

    fn dump_inet(&mut self, diag: &mut Diag, proto: Proto, family: u8) -> io::Result<Dumped> {
        let request = InetRequest {
            family,
            protocol: ip_protocol(proto).unwrap_or_default(),
            extensions: self.extensions(),
            states: self.query.states,
            filter: None,
        };
        self.take_inet(diag, proto, |sequence, out| {
            request.write_dump(sequence, out);
        })
    }

    fn take_inet(
        &mut self,
        diag: &mut Diag,
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

    fn dump_unix(&mut self, diag: &mut Diag) -> io::Result<Dumped> {
        use sockdiag::unix::show;
        let memory = if self.query.details { show::MEMINFO } else { 0 };
        let request = UnixRequest {
            states: self.query.states,
            show: show::NAME | show::PEER | show::RQLEN | show::UID | memory,
        };
        let (query, keep, netns, taken) = (self.query, self.keep, self.netns, self.taken());
        let sockets = &mut self.part.sockets;
        diag.dump(
            |sequence, out| request.write_dump(sequence, out),
            &mut |payload| {
                let Ok(message) = UnixMessage::new(payload) else {
                    return;
                };
                let Some(socket) = from_diag::unix(&message, netns, taken) else {
                    return;
                };
                if query.protos.contains(&socket.proto) && keep(&socket) {
                    sockets.push(socket);
                }
            },
        )
    }

    fn dump_packet(&mut self, diag: &mut Diag) -> io::Result<Dumped> {
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

    fn dump_netlink(&mut self, diag: &mut Diag) -> io::Result<Dumped> {
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

    fn dump_vsock(&mut self, diag: &mut Diag) -> io::Result<Dumped> {
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

    /// Without `sock_diag`: the table in /proc/net. Where there is none either, a note, if the kernel
    /// counts sockets of that kind at all.
    fn fall_back(&mut self, proto: Proto, why: &io::Error) {
        let mut found = false;
        let before = self.part.sockets.len();
        for table in Table::ALL.into_iter().filter(|table| is_of(*table, proto)) {
            let Some(file) = table.file() else { continue };
            // The thread's own: a look into another namespace is taken by a thread.
            let Ok(text) = fs::read(format!("/proc/thread-self/net/{file}")) else {
                continue;
            };
            found = true;
            let mut parsed = proc_net::parse(table, &text, self.netns);
            proc_net::leave_out_known(&mut parsed.sockets, &self.part.sockets[before..]);
            parsed.sockets.retain(|socket| {
                self.states(socket.proto) & socket.state.bit() != 0
                    && self.query.protos.contains(&socket.proto)
                    && (self.keep)(socket)
            });
            self.part.sockets.append(&mut parsed.sockets);
            if parsed.skipped > 0 {
                let text = format!(
                    "{} lines of /proc/net/{file} cannot be read",
                    parsed.skipped
                );
                self.note("lines_skipped", text, true);
            }
        }
        if !found && self.sockets_in_use(proto) != Some(0) {
            let text = format!(
                "{} sockets cannot be listed: this kernel has no sock_diag module for them ({why}) and \
                 no table in /proc/net",
                proto.name()
            );
            self.note("family_missing", text, true);
        }
    }

    /// How many sockets of a protocol the kernel counts; `None` if it does not tell, 0 if it does not
    /// know the protocol.
    fn sockets_in_use(&mut self, proto: Proto) -> Option<u64> {
        let counts = self.in_use.get_or_insert_with(read_protocols);
        if counts.is_empty() {
            return None;
        }
        let names: &[&str] = match proto {
            Proto::Tcp => &["TCP", "TCPv6"],
            Proto::Mptcp => &["MPTCP", "MPTCPv6"],
            Proto::Sctp => &["SCTP", "SCTPv6"],
            Proto::Udp => &["UDP", "UDPv6"],
            Proto::Udplite => &["UDP-Lite", "UDPLITEv6"],
            Proto::Ping => &["PING", "PINGv6"],
            Proto::Raw => &["RAW", "RAWv6"],
            Proto::UnixStr | Proto::UnixDgr | Proto::UnixSeq => &["UNIX", "UNIX-STREAM"],
            Proto::Packet => &["PACKET"],
            Proto::Netlink => &["NETLINK"],
            Proto::Vsock => &["AF_VSOCK"],
        };
        Some(names.iter().filter_map(|name| counts.get(*name)).sum())
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

/// /proc/net/protocols: name, size, sockets ...
fn read_protocols() -> HashMap<String, u64> {
    let text = fs::read_to_string("/proc/thread-self/net/protocols").unwrap_or_default();
    text.lines()
        .skip(1)
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            let name = words.next()?.to_owned();
            // A protocol that does not count its sockets has -1; that many may be there.
            let sockets = words.nth(1)?.parse::<i64>().ok()?;
            Some((name, u64::try_from(sockets).unwrap_or(1)))
        })
        .collect()
}

/// The kernel's own count of sockets in `TIME_WAIT` (`tw` of /proc/net/sockstat): asking for each of
/// them would cost more than the rest of the dump.
fn time_wait_count() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/net/sockstat").unwrap_or_default();
    text.lines()
        .find_map(|line| {
            let mut words = line.strip_prefix("TCP:")?.split_ascii_whitespace();
            words.find(|word| *word == "tw")?;
            words.next()?.parse().ok()
        })
        .unwrap_or(0)
}
