//! Which processes hold an address: the first question after "address already in use".

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::Type;

use crate::sys::socket::unmapped;

/// The state of a listener in /proc/net/tcp (`TCP_LISTEN`).
const LISTEN: &str = "0A";

/// The processes whose socket of this type keeps `address` from being bound, as
/// `python3 (pid 4711)`; empty when it cannot be told (another user's process, another namespace,
/// `TIME_WAIT`).
pub fn of(address: SocketAddr, kind: Type) -> Vec<String> {
    let is_stream = kind == Type::STREAM;
    let tables = if is_stream {
        ["tcp", "tcp6"]
    } else {
        ["udp", "udp6"]
    };
    let rows: Vec<Row> = tables
        .iter()
        .filter_map(|table| fs::read_to_string(format!("/proc/self/net/{table}")).ok())
        .flat_map(|table| rows(&table, is_stream))
        .collect();
    let links: Vec<String> = in_the_way(address, &rows)
        .map(|row| format!("socket:[{}]", row.inode))
        .collect();
    if links.is_empty() {
        return Vec::new();
    }
    let mut holders: Vec<(u32, String)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let holds = fs::read_dir(entry.path().join("fd"))
                .ok()?
                .flatten()
                .filter_map(|fd| fs::read_link(fd.path()).ok())
                .any(|link| links.iter().any(|held| link.as_os_str() == held.as_str()));
            let name = || fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            holds.then(|| {
                let name = name();
                (
                    pid,
                    format!("{} (pid {pid})", name.trim_end().escape_debug()),
                )
            })
        })
        .collect();
    holders.sort();
    holders.into_iter().map(|(_, name)| name).collect()
}

/// A socket of a /proc/net table.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    local: SocketAddr,
    inode: u64,
}

/// The sockets of a /proc/net table (proc(5)) that hold their local address. A TCP connection does
/// not: a listener with `SO_REUSEADDR` may be bound beside it.
fn rows(table: &str, is_stream: bool) -> Vec<Row> {
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut fields = line.split_ascii_whitespace().skip(1);
            let local = address(fields.next()?)?;
            let remote = fields.next()?;
            let state = fields.next()?;
            let inode = fields.nth(5)?.parse().ok()?;
            let holds = !is_stream || state == LISTEN || remote.ends_with(":0000");
            (holds && inode != 0).then_some(Row { local, inode })
        })
        .collect()
}

/// `0100007F:FF98` -> 127.0.0.1:65432: words of 32 bits as the host reads them, the port as a
/// number.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let words = (0..ip.len() / 8)
        .map(|at| u32::from_str_radix(ip.get(at * 8..at * 8 + 8)?, 16).ok())
        .map(|word| word.map(u32::to_ne_bytes))
        .collect::<Option<Vec<_>>>()?
        .concat();
    let ip = match words.len() {
        4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(words).ok()?)),
        16 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(words).ok()?)),
        _ => return None,
    };
    Some(unmapped(SocketAddr::new(ip, port)))
}

/// The rows that keep `wanted` from being bound.
///
/// `::` is dual stack as a rule, and the tables do not tell of `IPV6_V6ONLY`: a socket on `::` is
/// in the way of an IPv4 address only if no IPv4 socket is, which could not be there beside it.
fn in_the_way(wanted: SocketAddr, rows: &[Row]) -> impl Iterator<Item = &Row> {
    let wanted = unmapped(wanted);
    let same_family =
        move |row: &Row| row.local.is_ipv4() == wanted.is_ipv4() && overlap(row, wanted);
    let cross_counts = wanted.is_ipv6() || !rows.iter().any(same_family);
    rows.iter()
        .filter(move |row| same_family(row) || (cross_counts && overlap(row, wanted)))
}

fn overlap(row: &Row, wanted: SocketAddr) -> bool {
    let (held, wanted_ip) = (row.local.ip(), wanted.ip());
    let addresses = if held.is_ipv4() == wanted_ip.is_ipv4() {
        held == wanted_ip || held.is_unspecified() || wanted_ip.is_unspecified()
    } else {
        let v6 = if held.is_ipv6() { held } else { wanted_ip };
        v6.is_unspecified()
    };
    row.local.port() == wanted.port() && addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    fn me() -> String {
        format!("(pid {})", std::process::id())
    }

    fn row(local: &str) -> Row {
        Row {
            local: local.parse().unwrap(),
            inode: 1,
        }
    }

    fn held_by(wanted: &str, rows: &[&str]) -> Vec<String> {
        let rows: Vec<Row> = rows.iter().map(|local| row(local)).collect();
        in_the_way(wanted.parse().unwrap(), &rows)
            .map(|row| row.local.to_string())
            .collect()
    }

    #[test]
    fn the_listener_of_an_address_is_this_process() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let holders = of(listener.local_addr().unwrap(), Type::STREAM);
        assert_eq!(holders.len(), 1, "{holders:?}");
        assert!(holders[0].ends_with(&me()), "{holders:?}");
    }

    #[test]
    fn a_socket_of_another_type_on_the_same_port_is_not_the_holder() {
        let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = datagrams.local_addr().unwrap();
        assert_eq!(of(address, Type::STREAM), Vec::<String>::new());
        assert_eq!(of(address, Type::DGRAM).len(), 1);
    }

    #[test]
    fn an_address_that_does_not_overlap_is_not_held() {
        let both = ["127.0.0.1:80", "127.0.0.2:80"];
        assert_eq!(held_by("127.0.0.2:80", &both), ["127.0.0.2:80"]);
        assert_eq!(held_by("0.0.0.0:80", &both), both);
        assert_eq!(held_by("127.0.0.2:81", &both), [""; 0]);
        assert_eq!(held_by("[::1]:80", &["0.0.0.0:80"]), [""; 0]);
        assert_eq!(held_by("127.0.0.1:80", &["[::1]:80"]), [""; 0]);
    }

    #[test]
    fn a_dual_stack_socket_holds_the_port_of_both_families() {
        assert_eq!(held_by("127.0.0.1:80", &["[::]:80"]), ["[::]:80"]);
        assert_eq!(
            held_by("[::]:80", &["127.0.0.1:80", "[::1]:80"]),
            ["127.0.0.1:80", "[::1]:80"]
        );
        // It is IPv6 only, or the other one could not be there.
        assert_eq!(
            held_by("127.0.0.1:80", &["[::]:80", "0.0.0.0:80"]),
            ["0.0.0.0:80"]
        );
    }

    #[test]
    fn a_row_is_a_listener_or_has_no_peer() {
        let table = "  sl  local_address rem_address   st\n\
            0: 0100007F:FF98 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 11 1\n\
            1: 0100007F:FF98 0100007F:9C40 01 00000000:00000000 00:00000000 00000000 0 0 12 1\n\
            2: 0100007F:FF98 0100007F:9C40 06 00000000:00000000 00:00000000 00000000 0 0 0 1\n";
        if cfg!(target_endian = "little") {
            let inodes = |is_stream| -> Vec<u64> {
                let rows = rows(table, is_stream);
                assert!(
                    rows.iter()
                        .all(|held| held.local == row("127.0.0.1:65432").local)
                );
                rows.iter().map(|row| row.inode).collect()
            };
            assert_eq!(inodes(true), [11]);
            // A connected datagram socket holds its port.
            assert_eq!(inodes(false), [11, 12]);
            let mapped = address("0000000000000000FFFF00000100007F:0050");
            assert_eq!(mapped, Some("127.0.0.1:80".parse().unwrap()));
        }
    }
}
