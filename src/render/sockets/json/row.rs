//! One socket as a JSON object.

use std::borrow::Cow;
use std::net::SocketAddr;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::super::{Names, Row, Sheet, cells, marks};
use super::RatesOut;
use crate::render::finding::{self, FindingJson};
use crate::render::json::hex;
use crate::sockdiag::{KeptTcpInfo, SkMemInfo};
use crate::sockets::cgroup;
use crate::sockets::change::is_closed;
use crate::sockets::owners::Process;
use crate::sockets::{Address, Details, Owner, OwnerReason, Socket, State, Timer, TimerKind};

#[derive(Serialize)]
pub(super) struct RowOut<'a> {
    proto: &'static str,
    family: &'static str,
    state: &'static str,
    local: End<'a>,
    peer: Option<End<'a>>,
    queue: Queue,
    inode: Option<u32>,
    cookie: Option<u64>,
    uid: Option<u32>,
    user: Option<&'a str>,
    netns: Option<u64>,
    interface: Option<String>,
    owners: Vec<OwnerOut<'a>>,
    owner_reason: Option<&'static str>,
    other_end: Option<OtherEndOut<'a>>,
    forwards_to: Option<SocketAddr>,
    congestion: Option<&'a str>,
    mark: Option<u32>,
    cgroup_id: Option<u64>,
    cgroup: Option<&'a str>,
    unit: Option<&'a str>,
    container: Option<String>,
    same_address_sockets: Option<usize>,
    v6_only: Option<bool>,
    path_state: Option<&'static str>,
    shutdown: Option<Shutdown>,
    tos: Option<u8>,
    tcp: Option<&'a KeptTcpInfo>,
    mem: Option<SkMemInfo>,
    drops: Option<u32>,
    timer: Option<TimerOut>,
    rates: Option<RatesOut>,
    findings: Vec<FindingJson<'a>>,
}

/// A socket and what is known of it.
pub(super) fn row<'a>(row: Row<'a>, sheet: &Sheet<'a>) -> RowOut<'a> {
    let (names, socket) = (sheet.names, row.socket);
    let details = socket.details.as_deref();
    let end = |address| End {
        address,
        socket,
        names,
    };
    let owner = |owner: &Owner| OwnerOut {
        owner: *owner,
        process: sheet.sample().owners.process(owner),
        names,
    };
    let id = details.and_then(|details| details.cgroup_id);
    let group = id.and_then(|id| names.cgroups.get(&id)).map(String::as_str);
    let namespace = sheet.sample().namespaces.get(usize::from(socket.netns));
    RowOut {
        proto: socket.proto.name(),
        family: socket.family.name(),
        state: if is_closed(socket) {
            "closed"
        } else {
            socket.state.key()
        },
        local: end(&socket.local),
        peer: (socket.peer != Address::None).then(|| end(&socket.peer)),
        queue: queue(socket),
        inode: Some(socket.inode).filter(|inode| *inode != 0),
        cookie: socket.cookie,
        uid: socket.uid,
        user: socket
            .uid
            .and_then(|uid| names.users.get(&uid))
            .map(String::as_str),
        netns: namespace.map(|namespace| namespace.inode),
        interface: interface(socket.interface, socket, names),
        owners: sheet.owners(socket).iter().map(owner).collect(),
        owner_reason: sheet.owner_reason(socket).map(OwnerReason::key),
        other_end: sheet.other_end(row.at).map(|other| other_end(other, sheet)),
        forwards_to: names.forwards.get(&row.at).map(|it| it.to),
        congestion: details.and_then(|details| details.congestion.as_deref()),
        mark: details.and_then(|details| details.mark),
        cgroup_id: details.and_then(|details| details.cgroup_id),
        cgroup: group,
        unit: group.and_then(cgroup::unit),
        container: group.and_then(container),
        same_address_sockets: marks::sharing(row, sheet),
        v6_only: socket.v6_only,
        path_state: names.paths.get(&socket.inode).map(|it| it.word()),
        shutdown: details
            .and_then(|details| details.shutdown)
            .map(|sides| Shutdown {
                receiving: sides & 1 != 0,
                sending: sides & 2 != 0,
            }),
        tos: details.and_then(|details| details.tos),
        tcp: socket.tcp_info(),
        mem: details.and_then(|details| details.memory),
        drops: details.and_then(Details::dropped),
        timer: socket.timer.as_ref().map(timer),
        rates: (sheet.delta)
            .map(|delta| RatesOut::new(|count| delta.per_second(count), &delta.change(row.at))),
        findings: sheet
            .findings
            .of(row.at)
            .map(|finding| finding::json(finding, sheet))
            .collect(),
    }
}

/// `docker:3f4e...`.
fn container(group: &str) -> Option<String> {
    let found = cgroup::container(group)?;
    Some(format!("{}:{}", found.runtime, found.id))
}

fn interface(index: u32, socket: &Socket, names: &Names) -> Option<String> {
    let mut name = String::new();
    cells::interface(&mut name, index, socket.netns, names);
    (index != 0).then_some(name)
}

#[derive(Serialize)]
struct Shutdown {
    receiving: bool,
    sending: bool,
}

/// Of a listener the connections that wait, of others the bytes.
#[derive(Serialize, Default)]
struct Queue {
    recv_bytes: Option<u32>,
    send_bytes: Option<u32>,
    accept_len: Option<u32>,
    accept_max: Option<u32>,
}

fn queue(socket: &Socket) -> Queue {
    match socket.state {
        State::Listen => Queue {
            accept_len: Some(socket.recv_q),
            // /proc/net does not have it, and no cookie either.
            accept_max: socket.cookie.map(|_| socket.send_q),
            ..Queue::default()
        },
        _ => Queue {
            recv_bytes: Some(socket.recv_q),
            send_bytes: Some(socket.send_q),
            ..Queue::default()
        },
    }
}

/// One end; its keys depend on the family.
struct End<'a> {
    address: &'a Address,
    socket: &'a Socket,
    names: &'a Names,
}

impl Serialize for End<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self.address {
            Address::None => {}
            Address::Ip { addr, port, scope } => {
                map.serialize_entry("addr", addr)?;
                map.serialize_entry("port", port)?;
                map.serialize_entry("scope", &Some(scope).filter(|scope| **scope != 0))?;
                if let Some(name) = interface(*scope, self.socket, self.names) {
                    map.serialize_entry("interface", &name)?;
                }
                if let Some(name) = self.names.hosts.get(&addr.to_canonical()) {
                    map.serialize_entry("host", name)?;
                }
                if let Some(name) = self.names.ports.get(&(self.socket.proto, *port)) {
                    map.serialize_entry("service", name)?;
                }
            }
            Address::Unix { name, inode } => {
                let (key, bytes) = match &**name {
                    [0, rest @ ..] => ("abstract", rest),
                    path => ("path", path),
                };
                if bytes.is_empty() && key == "path" {
                    map.serialize_entry(key, &None::<&str>)?;
                } else {
                    serialize_bytes(&mut map, key, bytes)?;
                }
                map.serialize_entry("inode", &Some(inode).filter(|inode| **inode != 0))?;
            }
            Address::Packet {
                protocol,
                interface: index,
            } => {
                map.serialize_entry("protocol", protocol)?;
                map.serialize_entry("interface", &interface(*index, self.socket, self.names))?;
            }
            Address::Netlink { protocol, port_id } => {
                let mut name = String::new();
                cells::netlink_family(&mut name, *protocol);
                map.serialize_entry("protocol", &name)?;
                map.serialize_entry("port_id", port_id)?;
            }
            Address::Vsock { cid, port } => {
                map.serialize_entry("cid", &Some(cid).filter(|cid| **cid != u32::MAX))?;
                map.serialize_entry("port", &Some(port).filter(|port| **port != u32::MAX))?;
            }
        }
        map.end()
    }
}

fn serialize_bytes<M: SerializeMap>(map: &mut M, key: &str, bytes: &[u8]) -> Result<(), M::Error> {
    map.serialize_entry(key, &String::from_utf8_lossy(bytes))?;
    if std::str::from_utf8(bytes).is_err() {
        map.serialize_entry(&format!("{key}_hex"), &hex(bytes))?;
    }
    Ok(())
}

struct OwnerOut<'a> {
    owner: Owner,
    process: &'a Process,
    names: &'a Names,
}

impl Serialize for OwnerOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("pid", &self.process.pid)?;
        map.serialize_entry("fd", &self.owner.fd)?;
        serialize_bytes(&mut map, "comm", &self.process.comm)?;
        match &self.process.cmdline {
            None => map.serialize_entry("cmdline", &None::<&str>)?,
            Some(line) => {
                // The words apart, as ps(1) shows them; the NULs between them are in the twin only.
                let line = line.strip_suffix(&[0]).unwrap_or(line);
                let words: Vec<u8> = line
                    .iter()
                    .map(|byte| if *byte == 0 { b' ' } else { *byte })
                    .collect();
                map.serialize_entry("cmdline", &String::from_utf8_lossy(&words))?;
                if std::str::from_utf8(line).is_err() {
                    map.serialize_entry("cmdline_hex", &hex(line))?;
                }
            }
        }
        map.serialize_entry("uid", &self.process.uid)?;
        let user = self.process.uid.and_then(|uid| self.names.users.get(&uid));
        map.serialize_entry("user", &user)?;
        let group = self.process.cgroup.as_deref();
        map.serialize_entry("cgroup", &group)?;
        map.serialize_entry("unit", &group.and_then(cgroup::unit))?;
        map.serialize_entry("container", &group.and_then(container))?;
        map.end()
    }
}

/// The process at the other end, if it is on this host.
#[derive(Serialize)]
struct OtherEndOut<'a> {
    pid: Option<u32>,
    comm: Option<Cow<'a, str>>,
    path: Option<Cow<'a, str>>,
}

fn other_end<'a>(other: Row<'a>, sheet: &Sheet<'a>) -> OtherEndOut<'a> {
    let owner = sheet.owners(&other).first();
    let process = owner.map(|owner| sheet.sample().owners.process(owner));
    let socket: &'a Socket = other.socket;
    OtherEndOut {
        pid: process.map(|process| process.pid),
        comm: process.map(|process| String::from_utf8_lossy(&process.comm)),
        path: match &socket.local {
            Address::Unix { name, .. } if !name.is_empty() => Some(String::from_utf8_lossy(name)),
            _ => None,
        },
    }
}

#[derive(Serialize)]
struct TimerOut {
    kind: &'static str,
    expires_ms: u32,
    retransmits: u8,
}

fn timer(timer: &Timer) -> TimerOut {
    TimerOut {
        kind: match timer.kind {
            TimerKind::Retransmit => "retransmit",
            TimerKind::Keepalive => "keepalive",
            TimerKind::TimeWait => "time_wait",
            TimerKind::Persist => "persist",
        },
        expires_ms: timer.expires_ms,
        retransmits: timer.retransmits,
    }
}
