//! Addresses, owners and names as they stand in a cell.
//!
//! Invariant: what is written here holds no control character, no line end, no two blanks in a row
//! and none at either end. So no name can move the cursor, forge a row or fuse two columns.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use super::{Names, Row, Sheet};
use crate::render::escape;
use crate::sockets::owners::Process;
use crate::sockets::{Address, OwnerReason, Socket};

/// Text of any origin.
pub fn safe(out: &mut String, bytes: &[u8]) {
    if bytes.iter().all(u8::is_ascii_graphic) {
        // All ASCII, so all UTF-8.
        out.push_str(&String::from_utf8_lossy(bytes));
        return;
    }
    let start = out.len();
    for chunk in bytes.utf8_chunks() {
        for c in escape::text(chunk.valid()).chars() {
            match c {
                ' ' if out.len() == start || out.ends_with(' ') => out.push_str("\\x20"),
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    if out.len() > start && out.ends_with(' ') {
        out.truncate(out.len() - 1);
        out.push_str("\\x20");
    }
}

/// The same without any blank, for columns that others split at blanks.
pub fn word(out: &mut String, bytes: &[u8]) {
    let start = out.len();
    safe(out, bytes);
    if out[start..].contains(char::is_whitespace) {
        let text = out.split_off(start);
        for c in text.chars() {
            match c {
                ' ' => out.push_str("\\x20"),
                c if c.is_whitespace() => {
                    let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
                }
                c => out.push(c),
            }
        }
    }
}

/// Our end: `127.0.0.1:80`, `[fe80::1%eth0]:80`, `/run/x.sock`, `@abstract`.
pub fn local(out: &mut String, socket: &Socket, names: &Names) {
    address(out, &socket.local, socket, socket.interface, names);
}

/// The other end; `-` if absent.
pub fn peer(out: &mut String, socket: &Socket, names: &Names) {
    address(out, &socket.peer, socket, 0, names);
}

/// The other end, and its process if that is on this host: `127.0.0.1:5432 postgres(812)`. Of a listener that
/// forwards: `->172.17.0.2:80 nginx(77)`.
pub fn peer_and_process(out: &mut String, row: Row<'_>, sheet: &Sheet<'_>) {
    let forward = sheet.names.forwards.get(&row.at);
    if let Some(forward) = forward {
        let _ = write!(out, "->{}", forward.to);
    }
    let Some(other) = sheet.other_end(row.at) else {
        if forward.is_none() {
            peer(out, &row, sheet.names);
        }
        return;
    };
    match (&row.peer, &other.local) {
        _ if forward.is_some() => {}
        (Address::Unix { inode, .. }, Address::Unix { name, .. }) => unix(out, name, *inode),
        _ => peer(out, &row, sheet.names),
    }
    if let Some(owner) = sheet.owners(&other).first() {
        let process = sheet.sample().owners.process(owner);
        out.push(' ');
        comm(out, process);
        let _ = write!(out, "({})", process.pid);
    }
}

fn address(out: &mut String, address: &Address, socket: &Socket, bound: u32, names: &Names) {
    match address {
        Address::None => out.push('-'),
        Address::Ip { addr, port, scope } => {
            let scope = if *scope == 0 { bound } else { *scope };
            host(out, *addr, scope, socket.netns, names);
            out.push(':');
            self::port(out, *port, socket, names);
        }
        Address::Unix { name, inode } => unix(out, name, *inode),
        Address::Packet {
            protocol,
            interface: index,
        } => {
            ether_type(out, *protocol);
            out.push(':');
            match index {
                0 => out.push('*'),
                index => interface(out, *index, socket.netns, names),
            }
        }
        Address::Netlink { protocol, port_id } => {
            netlink_family(out, *protocol);
            match port_id {
                0 => out.push_str(":kernel"),
                port_id => {
                    let _ = write!(out, ":{port_id}");
                }
            }
        }
        Address::Vsock { cid, port } => {
            number_or_any(out, *cid);
            out.push(':');
            number_or_any(out, *port);
        }
    }
}

fn host(out: &mut String, addr: IpAddr, scope: u32, netns: u16, names: &Names) {
    if let Some(name) = names.hosts.get(&addr.to_canonical()) {
        word(out, name.as_bytes());
        return;
    }
    let six = addr.is_ipv6();
    if six {
        out.push('[');
    }
    ip(out, addr);
    if scope != 0 {
        out.push('%');
        interface(out, scope, netns, names);
    }
    if six {
        out.push(']');
    }
}

/// An IP address. By hand for IPv4: this is most of what a long listing does.
pub fn ip(out: &mut String, addr: IpAddr) {
    match addr {
        IpAddr::V4(v4) => {
            for (index, octet) in v4.octets().into_iter().enumerate() {
                if index > 0 {
                    out.push('.');
                }
                number(out, u32::from(octet));
            }
        }
        IpAddr::V6(v6) => {
            let _ = write!(out, "{v6}");
        }
    }
}

/// A number.
pub fn number(out: &mut String, number: u32) {
    let mut digits = [0u8; 10];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend(digits[at..].iter().map(|digit| char::from(*digit)));
}

/// A port or its name; 0 is any.
pub fn port(out: &mut String, port: u16, socket: &Socket, names: &Names) {
    match names.ports.get(&(socket.proto, port)) {
        _ if port == 0 => out.push('*'),
        Some(name) => word(out, name.as_bytes()),
        None => number(out, u32::from(port)),
    }
}

/// An interface's name, or its index.
pub fn interface(out: &mut String, index: u32, netns: u16, names: &Names) {
    match names.interfaces.get(&(netns, index)) {
        Some(name) => word(out, name.as_bytes()),
        None => number(out, index),
    }
}

/// A Unix socket's name: a path, `@` for the NUL before an abstract one, `socket:[7]` without one.
pub(super) fn unix(out: &mut String, name: &[u8], inode: u32) {
    match name {
        [] if inode != 0 => {
            let _ = write!(out, "socket:[{inode}]");
        }
        [] => out.push('-'),
        [0, rest @ ..] => {
            out.push('@');
            safe(out, rest);
        }
        // Not to be taken for an abstract one.
        [b'@', rest @ ..] => {
            out.push_str("\\x40");
            safe(out, rest);
        }
        path => safe(out, path),
    }
}

fn number_or_any(out: &mut String, value: u32) {
    match value {
        u32::MAX => out.push('*'),
        value => number(out, value),
    }
}

/// `linux/if_ether.h`.
pub fn ether_type(out: &mut String, protocol: u16) {
    match protocol {
        0x0000 => out.push_str("none"),
        0x0003 => out.push('*'),
        0x0800 => out.push_str("ip"),
        0x0806 => out.push_str("arp"),
        0x86dd => out.push_str("ipv6"),
        0x888e => out.push_str("eapol"),
        0x88cc => out.push_str("lldp"),
        other => {
            let _ = write!(out, "0x{other:04x}");
        }
    }
}

/// linux/netlink.h.
pub fn netlink_family(out: &mut String, family: u8) {
    const NAMES: [&str; 23] = [
        "route",
        "unused",
        "usersock",
        "firewall",
        "sock_diag",
        "nflog",
        "xfrm",
        "selinux",
        "iscsi",
        "audit",
        "fib_lookup",
        "connector",
        "netfilter",
        "ip6_fw",
        "decnet",
        "uevent",
        "generic",
        "17",
        "scsi_transport",
        "ecryptfs",
        "rdma",
        "crypto",
        "smc",
    ];
    match NAMES.get(usize::from(family)) {
        Some(name) => out.push_str(name),
        None => number(out, u32::from(family)),
    }
}

/// Whether an address is the one that stands for all.
pub fn is_any(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(v4) => v4 == Ipv4Addr::UNSPECIFIED,
        IpAddr::V6(v6) => v6.is_unspecified(),
    }
}

/// The owners: all of them with their descriptors, `nginx(812,fd6),nginx(813,fd6)`, or the first and
/// how many more, `nginx(812) +1`; the reason in brackets if absent.
pub fn process(out: &mut String, socket: &Socket, sheet: &Sheet<'_>, all: bool) {
    let owners = sheet.owners(socket);
    match sheet.owner_reason(socket) {
        Some(reason) if !reason.words().starts_with('-') => {
            let words = if all { reason.words() } else { short(reason) };
            let _ = write!(out, "({words})");
        }
        Some(_) => out.push('-'),
        None => {
            let shown = if all { owners.len() } else { 1 };
            for (index, owner) in owners.iter().take(shown).enumerate() {
                if index > 0 {
                    out.push(',');
                }
                let process = sheet.sample().owners.process(owner);
                comm(out, process);
                let _ = if all {
                    write!(out, "({},fd{})", process.pid, owner.fd)
                } else {
                    write!(out, "({})", process.pid)
                };
            }
            if owners.len() > shown {
                let _ = write!(out, " +{}", owners.len() - shown);
            }
        }
    }
}

/// The words for a terminal, where room is short.
fn short(reason: OwnerReason) -> &'static str {
    match reason {
        OwnerReason::NotAccepted => "not accepted",
        OwnerReason::Orphan => "closed",
        OwnerReason::NotSeen => "not seen",
        reason => reason.words(),
    }
}

/// A process's name; `?` if it has none.
pub fn comm(out: &mut String, process: &Process) {
    match &*process.comm {
        [] => out.push('?'),
        comm => safe(out, comm),
    }
}

/// A command line, its words apart.
pub fn command_line(out: &mut String, bytes: &[u8]) {
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    for (index, word) in bytes.split(|byte| *byte == 0).enumerate() {
        if index > 0 {
            out.push(' ');
        }
        safe(out, word);
    }
}

/// How many columns of a terminal a text takes.
pub fn width(text: &str) -> usize {
    if text.is_ascii() {
        text.len()
    } else {
        unicode_width::UnicodeWidthStr::width(text)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;
    use crate::sockets::Proto;
    use crate::sockets::State;

    fn cell(bytes: &[u8]) -> String {
        let mut out = String::new();
        safe(&mut out, bytes);
        out
    }

    #[test]
    fn no_name_can_forge_a_row_or_fuse_columns() {
        assert_eq!(cell(b"nginx: master"), "nginx: master");
        assert_eq!(cell(b" a  b "), "\\x20a \\x20b\\x20");
        assert_eq!(cell(b"x)\x1b[2J\nroot"), "x)\\x1b[2J\\nroot");
        assert_eq!(cell(b"\xff\xfea\x00"), "\\xff\\xfea\\x00");
        assert_eq!(cell(" 🐰".as_bytes()), "\\x20🐰");
        let mut out = String::from("kept ");
        word(&mut out, "a b\u{a0}c".as_bytes());
        assert_eq!(out, "kept a\\x20b\\u{a0}c");
    }

    #[test]
    fn addresses_are_written_as_people_type_them() {
        let mut names = Names::default();
        names.interfaces.insert((0, 2), "eth0".to_owned());
        names.ports.insert((Proto::Tcp, 443), "https".to_owned());
        let local = |address: Address, interface: u32, names: &Names| {
            let mut socket = fixture::tcp(State::Established, 1);
            socket.local = address;
            socket.interface = interface;
            let mut out = String::new();
            super::local(&mut out, &socket, names);
            out
        };
        let ip = |addr: &str, port, scope| Address::Ip {
            addr: addr.parse().unwrap(),
            port,
            scope,
        };
        let none = Names::default();
        for (address, bound, text) in [
            (ip("127.0.0.1", 80, 0), 0, "127.0.0.1:80"),
            (ip("0.0.0.0", 0, 0), 0, "0.0.0.0:*"),
            (ip("0.0.0.0", 68, 0), 2, "0.0.0.0%eth0:68"),
            (ip("::", 22, 0), 0, "[::]:22"),
            (ip("fe80::1", 443, 2), 0, "[fe80::1%eth0]:https"),
            (ip("fe80::1", 80, 3), 3, "[fe80::1%3]:80"),
            (ip("::ffff:10.0.0.1", 80, 0), 0, "[::ffff:10.0.0.1]:80"),
        ] {
            assert_eq!(local(address, bound, &names), text);
        }
        assert_eq!(local(ip("10.0.0.1", 443, 0), 0, &none), "10.0.0.1:443");
        assert_eq!(local(Address::None, 0, &none), "-");
        for (address, text) in [
            (fixture::unix(b"/run/a b\n", 9), "/run/a b\\n"),
            (fixture::unix(b"\0abs\0tract", 9), "@abs\\x00tract"),
            (fixture::unix(b"@path", 9), "\\x40path"),
            (fixture::unix(b"", 9), "socket:[9]"),
            (fixture::unix(b"", 0), "-"),
            (
                Address::Packet {
                    protocol: 0x0800,
                    interface: 2,
                },
                "ip:eth0",
            ),
            (
                Address::Netlink {
                    protocol: 0,
                    port_id: 1234,
                },
                "route:1234",
            ),
            (
                Address::Vsock {
                    cid: u32::MAX,
                    port: 22,
                },
                "*:22",
            ),
        ] {
            assert_eq!(local(address, 0, &names), text);
        }
    }

    #[test]
    fn numbers_are_whole() {
        for value in [0, 7, 10, 65_535, u32::MAX] {
            let mut out = String::new();
            number(&mut out, value);
            assert_eq!(out, value.to_string());
        }
    }
}
