//! Sockets that some processes hold and no table lists: neither bound nor connected, or in a network
//! namespace that was not looked at.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::{self, File};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt as _;

use socket2::Socket as Socket2;

use super::families::Collector;
use super::namespaces::Place;
use super::{Keep, Query, Taken};
use crate::diagnose::words;
use crate::host::Note;
use crate::sockets::number_hash::NumberMap;
use crate::sockets::{Family, Owner, Proto, Socket, State};
use crate::sys::privilege::{self, Capability};

/// What looking at the descriptors of another user's process takes.
const LOOK: &[Capability] = &[Capability::SysPtrace, Capability::DacReadSearch];

/// Accounts for each socket descriptor of the processes that the query names: adds those that no table
/// lists, and notes those that are not among what was asked for.
pub(super) fn account(query: &Query, keep: &Keep<'_>, taken: &mut Taken) {
    let mut missing = missing(query, taken);
    if !missing.is_empty() {
        note_others(query, &mut missing, taken);
    }
    let mut rest = Rest::default();
    for link in missing.values() {
        let pid = taken.sample.owners.process(link).pid;
        // Without a name it was closed meanwhile.
        if let Some(name) = protocol_name(pid, link.fd) {
            rest.sort(query, pid, link, name);
        }
    }
    rest.add(query, keep, taken);
    note_in_flight(query, taken);
}

/// One descriptor of each socket that the tables did not show, by inode.
type Missing = NumberMap<u32, Owner>;

fn missing(query: &Query, taken: &Taken) -> Missing {
    let mut missing = Missing::default();
    for link in links(query, taken) {
        missing.entry(link.inode).or_insert(*link);
    }
    for socket in &taken.sample.sockets {
        missing.remove(&socket.inode);
    }
    missing
}

fn links<'a>(query: &'a Query, taken: &'a Taken) -> impl Iterator<Item = &'a Owner> {
    let owners = &taken.sample.owners;
    let is_named = |link: &&Owner| query.pids.contains(&owners.process(link).pid);
    owners.links().iter().filter(is_named)
}

/// Notes the sockets of families that were not asked for, which tables list.
fn note_others(query: &Query, missing: &mut Missing, taken: &mut Taken) {
    let wide = Query {
        protos: Proto::ALL.to_vec(),
        states: u32::MAX,
        tcp_states: u32::MAX,
        ..Query::default()
    };
    let mut listed = Vec::new();
    let keep = |socket: &Socket| missing.contains_key(&socket.inode);
    for place in &query.places {
        let part = place.inside(|| {
            privilege::with(&[Capability::NetAdmin], || {
                Collector::new(&wide, &keep, 0).collect()
            })
        });
        listed.extend(part.map_or_else(|_| Vec::new(), |part| part.sockets));
    }
    let mut others: BTreeMap<&str, usize> = BTreeMap::new();
    for socket in &listed {
        let is_new = missing.remove(&socket.inode).is_some();
        if is_new && !query.protos.contains(&socket.proto) {
            *others.entry(family_of(socket.proto)).or_default() += 1;
        }
    }
    let total: usize = others.values().sum();
    if total > 0 {
        let text = format!(
            "{} of other families not shown: {} (-a)",
            words::count(total as u64, "socket"),
            list(&others)
        );
        push(taken, "other_families", text, false);
    }
}

/// What a dump of sockets is called.
fn family_of(proto: Proto) -> &'static str {
    if proto.is_unix() {
        "unix"
    } else {
        proto.name()
    }
}

/// `3 unix, 1 netlink`.
fn list(counts: &BTreeMap<&str, usize>) -> String {
    let words = counts.iter().map(|(what, count)| format!("{count} {what}"));
    words.collect::<Vec<_>>().join(", ")
}

/// The sockets that are in no table of the namespaces that were looked at.
#[derive(Default)]
struct Rest {
    /// Neither bound nor connected.
    unattached: Vec<Socket>,
    /// In other network namespaces, by inode.
    elsewhere: BTreeMap<u64, usize>,
    /// Of which nothing but the protocol is known.
    unknown: BTreeMap<String, usize>,
    /// Of a protocol without a table.
    unlisted: BTreeMap<String, usize>,
}

impl Rest {
    fn sort(&mut self, query: &Query, pid: u32, link: &Owner, name: String) {
        let copy = Copied::of(pid, link.fd);
        let netns = copy.as_ref().and_then(Copied::netns);
        let is_here = |inode: u64| query.places.iter().any(|it| it.namespace.inode == inode);
        match (netns, proto_of(&name)) {
            (Some(inode), _) if !is_here(inode) => {
                *self.elsewhere.entry(inode).or_default() += 1;
            }
            (_, None) => *self.unlisted.entry(name).or_default() += 1,
            (netns, Some((proto, family)))
                if netns.is_some() || copy.is_some_and(|copy| copy.has_no_port()) =>
            {
                self.unattached.push(Socket {
                    inode: link.inode,
                    ..Socket::blank(proto, family, State::Unconnected)
                });
            }
            _ => *self.unknown.entry(name).or_default() += 1,
        }
    }

    fn add(mut self, query: &Query, keep: &Keep<'_>, taken: &mut Taken) {
        self.unattached
            .retain(|socket| query.protos.contains(&socket.proto) && keep(socket));
        self.unattached
            .sort_unstable_by_key(|socket| (socket.proto, socket.inode));
        if !self.unattached.is_empty() {
            let text = format!(
                "{} without an address: never bound or connected, or the connection is over and the \
                 descriptor still open",
                words::count(self.unattached.len() as u64, "socket")
            );
            push(taken, "without_address", text, false);
        }
        taken.sample.sockets.append(&mut self.unattached);
        note_namespaces(query, &self.elsewhere, taken);
        for (counts, why) in [
            (
                &self.unknown,
                "without an address, or in another network namespace; root sees which",
            ),
            (&self.unlisted, "no table has such sockets"),
        ] {
            let counts: BTreeMap<&str, usize> =
                counts.iter().map(|(it, of)| (&**it, *of)).collect();
            let total: usize = counts.values().sum();
            if total > 0 {
                let sockets = words::count(total as u64, "socket");
                let text = format!("could not list {sockets}: {} ({why})", list(&counts));
                push(taken, "not_listed", text, true);
            }
        }
    }
}

/// Notes the sockets in namespaces that were not looked at, and how to list them.
fn note_namespaces(query: &Query, elsewhere: &BTreeMap<u64, usize>, taken: &mut Taken) {
    if elsewhere.is_empty() {
        return;
    }
    let (places, _) = Place::all();
    let pids: Vec<String> = query.pids.iter().map(u32::to_string).collect();
    for (inode, count) in elsewhere {
        let sockets = words::count(*count as u64, "socket");
        let known = places.iter().find(|place| place.namespace.inode == *inode);
        let text = match known {
            Some(place) => format!(
                "{sockets} in another network namespace not shown: sockdoc sockets --netns {} --pid {}",
                (place.namespace.word()).unwrap_or_else(|| format!("pid:{}", std::process::id())),
                pids.join(",")
            ),
            None => format!(
                "{sockets} in the network namespace net:[{inode}] not shown: it has neither a name nor a \
                 visible process, so it cannot be entered"
            ),
        };
        push(taken, "other_namespaces", text, known.is_none());
    }
}

/// A copy of another process's descriptor (`pidfd_getfd(2)`): the socket itself, which tells what no table
/// does. It is closed at once; should the process close its own in that time, the socket lives on until then.
struct Copied(Socket2);

impl Copied {
    /// `None` if that is refused, by ptrace(2)'s rules.
    fn of(pid: u32, fd: u32) -> Option<Copied> {
        let descriptor = |number: libc::c_long| {
            let number = RawFd::try_from(number).ok().filter(|it| *it >= 0)?;
            // SAFETY: the system call has just given us this descriptor, and no other code knows it.
            Some(unsafe { OwnedFd::from_raw_fd(number) })
        };
        privilege::with(LOOK, || {
            // SAFETY: both system calls take numbers alone.
            let process = descriptor(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
            let process = process.as_raw_fd();
            let copy = unsafe { libc::syscall(libc::SYS_pidfd_getfd, process, fd, 0) };
            Some(Copied(Socket2::from(descriptor(copy)?)))
        })
    }

    /// The inode of the network namespace that it is in; `None` without `CAP_NET_ADMIN` there.
    fn netns(&self) -> Option<u64> {
        /// `include/uapi/linux/sockios.h`.
        const SIOCGSKNS: libc::Ioctl = 0x894c;
        let number = privilege::with(&[Capability::NetAdmin], || {
            // SAFETY: this ioctl takes no argument; it returns a new descriptor.
            unsafe { libc::ioctl(self.0.as_raw_fd(), SIOCGSKNS) }
        });
        if number < 0 {
            return None;
        }
        // SAFETY: as above, and no other code knows it.
        let file = File::from(unsafe { OwnedFd::from_raw_fd(number) });
        file.metadata().ok().map(|it| it.ino())
    }

    /// Whether it is an internet socket without a port, which no table has in any namespace.
    fn has_no_port(&self) -> bool {
        let local = self.0.local_addr().ok();
        local
            .and_then(|it| it.as_socket())
            .is_some_and(|it| it.port() == 0)
    }
}

/// The name of the protocol of a socket that a process holds: `TCPv6`.
///
/// The kernel has it as an extended attribute of the descriptor (`sockfs_xattr_get()`, `net/socket.c`).
fn protocol_name(pid: u32, fd: u32) -> Option<String> {
    let path = CString::new(format!("/proc/{pid}/fd/{fd}")).ok()?;
    let mut name = [0_u8; 64];
    let length = privilege::with(LOOK, || {
        // SAFETY: path and attribute are C strings; at most `name.len()` bytes are written.
        unsafe {
            libc::getxattr(
                path.as_ptr(),
                c"system.sockprotoname".as_ptr(),
                name.as_mut_ptr().cast(),
                name.len(),
            )
        }
    });
    let length = usize::try_from(length).ok()?;
    let name = name[..length].split(|&byte| byte == 0).next()?;
    Some(String::from_utf8_lossy(name).into_owned())
}

/// The protocol of a kernel's name (`struct proto.name`).
fn proto_of(name: &str) -> Option<(Proto, Family)> {
    Some(match name {
        "TCP" => (Proto::Tcp, Family::Inet),
        "TCPv6" => (Proto::Tcp, Family::Inet6),
        "MPTCP" => (Proto::Mptcp, Family::Inet),
        "MPTCPv6" => (Proto::Mptcp, Family::Inet6),
        "UDP" => (Proto::Udp, Family::Inet),
        "UDPv6" => (Proto::Udp, Family::Inet6),
        "UDP-Lite" => (Proto::Udplite, Family::Inet),
        "UDPLITEv6" => (Proto::Udplite, Family::Inet6),
        "SCTP" => (Proto::Sctp, Family::Inet),
        "SCTPv6" => (Proto::Sctp, Family::Inet6),
        "RAW" => (Proto::Raw, Family::Inet),
        "RAWv6" => (Proto::Raw, Family::Inet6),
        "PING" => (Proto::Ping, Family::Inet),
        "PINGv6" => (Proto::Ping, Family::Inet6),
        "NETLINK" => (Proto::Netlink, Family::Netlink),
        "AF_VSOCK" => (Proto::Vsock, Family::Vsock),
        _ => return None,
    })
}

/// Notes descriptors that were sent to a process over its Unix sockets and that it has not received: they are
/// in no table of descriptors (`scm_fds` of /proc/PID/fdinfo/FD, `proc_pid_fdinfo(5)`).
fn note_in_flight(query: &Query, taken: &mut Taken) {
    let counts = links(query, taken).filter_map(|link| {
        let pid = taken.sample.owners.process(link).pid;
        let path = format!("/proc/{pid}/fdinfo/{}", link.fd);
        let text = privilege::with(LOOK, || fs::read_to_string(path)).ok()?;
        let mut lines = text.lines();
        let count = lines.find_map(|line| line.strip_prefix("scm_fds:"))?;
        let count: usize = count.trim().parse().ok()?;
        Some((link.inode, count))
    });
    // A socket may have several descriptors.
    let counts: BTreeMap<u32, usize> = counts.collect();
    let total: usize = counts.values().sum();
    if total > 0 {
        let text = format!(
            "{} in flight: sent over a Unix socket and not received yet, so they belong to no process",
            words::count(total as u64, "descriptor")
        );
        push(taken, "in_flight", text, false);
    }
}

fn push(taken: &mut Taken, id: &'static str, text: String, incomplete: bool) {
    taken.sample.notes.push(Note {
        id: id.into(),
        text,
        incomplete,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocol_of_a_descriptor_is_read_and_every_family_has_one() {
        let socket = std::net::UdpSocket::bind("[::1]:0").unwrap();
        let (pid, fd) = (std::process::id(), socket.as_raw_fd().cast_unsigned());
        let name = protocol_name(pid, fd).unwrap();
        assert_eq!(proto_of(&name), Some((Proto::Udp, Family::Inet6)));
        assert_eq!(protocol_name(pid, u32::MAX), None);
        // A process may look at its own descriptors.
        assert!(!Copied::of(pid, fd).unwrap().has_no_port());
        assert_eq!(proto_of("ALG"), None);
    }
}
