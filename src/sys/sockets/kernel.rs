//! Sockets that the kernel itself uses, and no process holds: those of tunnels, of mounted file systems and of
//! its file server.

use std::fs;

use nix::sys::socket::SockProtocol;

use super::namespaces::Place;
use crate::rtnetlink::Link;
use crate::sockets::owners::KernelEnd;
use crate::sockets::{Owners, Proto, Socket};
use crate::sys::netlink::Netlink;

/// More of them are not looked at.
const MOST: usize = 1_024;

/// The ends that the kernel may have of the sockets without an owner; where all have one, nothing is read.
pub(super) fn ends(places: &[Place], sockets: &[Socket], owners: &Owners) -> Vec<KernelEnd> {
    let is_open = |socket: &&Socket| socket.inode != 0 && owners.of(socket.inode).is_empty();
    let open = || sockets.iter().filter(is_open);
    let mut ends = Vec::new();
    for (netns, place) in (0..).zip(places) {
        if open().any(|socket| socket.proto == Proto::Udp && socket.netns == netns) {
            let ports = place.inside(tunnel_ports).unwrap_or_default();
            ends.extend(ports.into_iter().map(|port| KernelEnd::Tunnel(netns, port)));
        }
    }
    if open().any(|socket| socket.proto.is_internet()) {
        let mounts = fs::read("/proc/self/mountinfo").unwrap_or_default();
        ends.extend(mounted(&String::from_utf8_lossy(&mounts)));
        let server = fs::read("/proc/fs/nfsd/portlist").unwrap_or_default();
        ends.extend(served(&String::from_utf8_lossy(&server)));
    }
    ends.truncate(MOST);
    ends
}

/// The UDP ports of tunnels in the namespace that this thread is in.
fn tunnel_ports() -> Vec<u16> {
    let mut ports = Vec::new();
    if let Ok(mut netlink) = Netlink::open(SockProtocol::NetlinkRoute) {
        let _ = netlink.dump(Link::request, &mut |payload| {
            let link = Link::read(payload).ok();
            ports.extend(link.and_then(|link| link.tunnel_port));
        });
    }
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// The servers of NFS mounts in a mountinfo (proc(5)); the options of the file system are last:
///
/// ```text
/// 90 22 0:50 / /srv rw - nfs4 host:/srv rw,vers=4.2,proto=tcp,port=0,addr=192.0.2.1
/// ```
fn mounted(text: &str) -> impl Iterator<Item = KernelEnd> {
    /// Where no port is given (nfs(5)).
    const NFS: u16 = 2049;
    text.lines().filter_map(|line| {
        let mut words = line.split_once(" - ")?.1.split(' ');
        if !matches!(words.next()?, "nfs" | "nfs4") {
            return None;
        }
        let options = || words.clone().flat_map(|word| word.split(','));
        let option = |name: &str| options().find_map(|it| it.strip_prefix(name));
        let ip = option("addr=")?.parse().ok()?;
        let port = option("port=").and_then(|port| port.parse().ok());
        Some(KernelEnd::Mount(
            ip,
            port.filter(|it| *it != 0).unwrap_or(NFS),
        ))
    })
}

/// The ports of the NFS server (`/proc/fs/nfsd/portlist`): a line `tcp 2049` for each.
fn served(text: &str) -> impl Iterator<Item = KernelEnd> {
    text.lines().filter_map(|line| {
        let (proto, port) = line.split_once(' ')?;
        let proto = match proto {
            "tcp" | "tcp6" => Proto::Tcp,
            "udp" | "udp6" => Proto::Udp,
            _ => return None,
        };
        Some(KernelEnd::Server(proto, port.trim().parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_of_mounts_and_the_ports_of_the_server_are_read() {
        let text = "22 1 8:1 / / rw - ext4 /dev/sda1 rw,addr=192.0.2.9\n\
            90 22 0:50 / /a rw shared:1 - nfs4 h:/a rw,vers=4.2,port=0,addr=192.0.2.1\n\
            91 22 0:51 / /b rw - nfs h:/b rw,port=20049,mountport=5,addr=fd00::1\n\
            92 22 0:52 / /c rw - nfs h:/c rw,addr=name\n93 cut";
        let ends: Vec<_> = mounted(text).collect();
        assert_eq!(
            ends,
            [
                KernelEnd::Mount("192.0.2.1".parse().unwrap(), 2049),
                KernelEnd::Mount("fd00::1".parse().unwrap(), 20049),
            ]
        );
        let ends: Vec<_> = served("tcp 2049\nudp6 2049\nrdma 20049\ntcp x\n").collect();
        assert_eq!(
            ends,
            [
                KernelEnd::Server(Proto::Tcp, 2049),
                KernelEnd::Server(Proto::Udp, 2049),
            ]
        );
    }
}
