//! The tables of /proc/net (proc(5)), for families without `sock_diag`.
//!
//! They tell less than `sock_diag`: no cookie, no interface, no memory, no peer of a Unix socket, no
//! bound TCP socket that does not listen; and of a TCP listener not the limit of its accept queue:
//! its [`Socket::send_q`] is 0 here, so a full queue must not be concluded without a cookie.
//!
//! The tables are text that other programs have a hand in (the path of a Unix socket is any bytes),
//! and the kernel may end one anywhere. So an invalid line is skipped and counted.

mod fields;
mod inet;
mod others;
#[cfg(test)]
mod tests;
mod unix;

use std::collections::HashSet;

use crate::sockdiag::SkMemInfo;

use super::{Details, Family, Proto, Socket, State};

/// A table: a file in /proc/net.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// TCP, UDP, UDP-Lite, raw or ping sockets of one version of IP.
    Inet {
        /// `Tcp`, `Udp`, `Udplite`, `Raw` or `Ping`.
        proto: Proto,
        /// `Inet` or `Inet6`.
        family: Family,
    },
    /// Unix sockets of all types.
    Unix,
    /// Packet sockets.
    Packet,
    /// Netlink sockets.
    Netlink,
}

impl Table {
    /// All of them.
    pub const ALL: [Table; 13] = [
        Table::v4(Proto::Tcp),
        Table::v6(Proto::Tcp),
        Table::v4(Proto::Udp),
        Table::v6(Proto::Udp),
        Table::v4(Proto::Udplite),
        Table::v6(Proto::Udplite),
        Table::v4(Proto::Raw),
        Table::v6(Proto::Raw),
        Table::v4(Proto::Ping),
        Table::v6(Proto::Ping),
        Table::Unix,
        Table::Packet,
        Table::Netlink,
    ];

    const fn v4(proto: Proto) -> Table {
        let family = Family::Inet;
        Table::Inet { proto, family }
    }

    const fn v6(proto: Proto) -> Table {
        let family = Family::Inet6;
        Table::Inet { proto, family }
    }

    /// The name of its file in /proc/net; `None` for a protocol that has no table.
    pub fn file(self) -> Option<&'static str> {
        Some(match self {
            Table::Inet { proto, family } => match (proto, family) {
                (Proto::Tcp, Family::Inet) => "tcp",
                (Proto::Tcp, Family::Inet6) => "tcp6",
                (Proto::Udp, Family::Inet) => "udp",
                (Proto::Udp, Family::Inet6) => "udp6",
                (Proto::Udplite, Family::Inet) => "udplite",
                (Proto::Udplite, Family::Inet6) => "udplite6",
                (Proto::Raw, Family::Inet) => "raw",
                (Proto::Raw, Family::Inet6) => "raw6",
                (Proto::Ping, Family::Inet) => "icmp",
                (Proto::Ping, Family::Inet6) => "icmp6",
                _ => return None,
            },
            Table::Unix => "unix",
            Table::Packet => "packet",
            Table::Netlink => "netlink",
        })
    }
}

/// What a table says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Parsed {
    /// The sockets, in the order of the table.
    pub sockets: Vec<Socket>,
    /// Lines that were none.
    pub skipped: usize,
}

/// Reads a table, the first line of which is its heading. `netns` is the index of the namespace
/// that the table is of.
pub fn parse(table: Table, text: &[u8], netns: u16) -> Parsed {
    let mut parsed = match table {
        Table::Unix => unix::parse(text),
        Table::Inet { proto, family } => by_line(text, |line| inet::parse(proto, family, line)),
        Table::Packet => by_line(text, others::packet),
        Table::Netlink => by_line(text, others::netlink),
    };
    for socket in &mut parsed.sockets {
        socket.netns = netns;
    }
    parsed
}

/// Leaves out the sockets that are known from another source, by their inodes. The kernel lists the
/// IPv4 ping sockets in `icmp6` too, without their addresses: read `icmp` first.
pub fn leave_out_known(sockets: &mut Vec<Socket>, known: &[Socket]) {
    let known: HashSet<u32> = known.iter().map(|socket| socket.inode).collect();
    sockets.retain(|socket| socket.inode == 0 || !known.contains(&socket.inode));
}

fn by_line(text: &[u8], parse: impl Fn(&[u8]) -> Option<Socket>) -> Parsed {
    let mut parsed = Parsed::default();
    for line in rows(text) {
        match parse(line) {
            Some(socket) => parsed.sockets.push(socket),
            None => parsed.skipped += 1,
        }
    }
    parsed
}

/// The lines below the heading.
fn rows(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.split(|&byte| byte == b'\n').skip(1)
}

/// A socket of which nothing but the kind is known.
fn blank(proto: Proto, family: Family, inode: u32) -> Socket {
    Socket {
        inode,
        ..Socket::blank(proto, family, State::Unconnected)
    }
}

/// Details that hold nothing but a counter of drops.
fn drops(count: u32) -> Details {
    let memory = SkMemInfo {
        drops: Some(count),
        ..SkMemInfo::new(&[])
    };
    Details {
        memory: Some(memory),
        ..Details::default()
    }
}
