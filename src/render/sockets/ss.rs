//! The columns of `ss -tunap` (iproute2 6.1), as ss writes them into a pipe.
//!
//! One difference: where ss fuses the titles `Port` and `Process`, there is a blank between them.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Lines, Names, Sheet, cells};
use crate::sockets::{Address, Family, Proto, Socket, State};

/// Writes the table.
pub fn write(out: &mut (impl Write + ?Sized), sheet: &Sheet<'_>) -> io::Result<()> {
    let mut lines = Lines::new(out);
    let mut cells = Cells::titles();
    let mut widths = cells.widths();
    widths[PORT] = 5;
    widths[PEER_PORT] = 5;
    for row in sheet.rows() {
        cells.fill(&row, sheet);
        for (width, wider) in widths.iter_mut().zip(cells.widths()) {
            *width = wider.max(*width);
        }
    }
    Cells::titles().write(&mut lines, &widths)?;
    for row in sheet.rows() {
        cells.fill(&row, sheet);
        cells.write(&mut lines, &widths)?;
    }
    lines.flush()
}

/// One row: Netid State Recv-Q Send-Q, address and port of both ends, Process.
struct Cells([String; 9]);

const ADDRESS: usize = 4;
const PORT: usize = 5;
const PEER_ADDRESS: usize = 6;
const PEER_PORT: usize = 7;
const PROCESS: usize = 8;

impl Cells {
    fn titles() -> Self {
        let titles = [
            "Netid",
            "State",
            "Recv-Q",
            "Send-Q",
            "Local Address:",
            "Port",
            "Peer Address:",
            "Port",
            "Process",
        ];
        Cells(titles.map(str::to_owned))
    }

    fn widths(&self) -> [usize; 9] {
        let mut widths = [0; 9];
        for (width, cell) in widths.iter_mut().zip(&self.0) {
            *width = cells::width(cell);
        }
        widths
    }

    fn fill(&mut self, socket: &Socket, sheet: &Sheet<'_>) {
        for cell in &mut self.0 {
            cell.clear();
        }
        let [
            netid,
            state,
            recv_q,
            send_q,
            local,
            port,
            peer,
            peer_port,
            process,
        ] = &mut self.0;
        netid.push_str(match socket.proto {
            Proto::Packet => "p_raw",
            Proto::Netlink => "nl",
            Proto::Vsock => "v_str",
            proto => proto.name(),
        });
        state.push_str(match socket.state {
            State::BoundInactive => "UNCONN",
            state => state.ss_name(),
        });
        cells::number(recv_q, socket.recv_q);
        cells::number(send_q, socket.send_q);
        end(local, port, &socket.local, socket, sheet.names, true);
        let other = other_end(socket);
        let other = other.as_ref().unwrap_or(&socket.peer);
        end(peer, peer_port, other, socket, sheet.names, false);
        users(process, socket, sheet);
    }

    fn write<W: Write + ?Sized>(
        &self,
        lines: &mut Lines<'_, W>,
        widths: &[usize; 9],
    ) -> io::Result<()> {
        for (index, (cell, width)) in self.0.iter().zip(widths).enumerate() {
            let pad = std::iter::repeat_n(' ', width - cells::width(cell).min(*width));
            if !matches!(index, 0 | PORT | PEER_PORT | PROCESS) {
                lines.text.push(' ');
            }
            if matches!(index, ADDRESS | PEER_ADDRESS) {
                lines.text.extend(pad);
                lines.text.push_str(cell);
            } else {
                lines.text.push_str(cell);
                lines.text.extend(pad);
            }
        }
        lines.end()
    }
}

/// The peer of an internet socket that has none: ss always prints an address.
fn other_end(socket: &Socket) -> Option<Address> {
    let addr = match socket.family {
        _ if socket.peer != Address::None => return None,
        Family::Inet => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Family::Inet6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        _ => return None,
    };
    let (port, scope) = (0, 0);
    Some(Address::Ip { addr, port, scope })
}

/// One end, its delimiter at the end of the address.
fn end(
    out: &mut String,
    port: &mut String,
    address: &Address,
    socket: &Socket,
    names: &Names,
    is_local: bool,
) {
    match address {
        Address::Ip {
            addr,
            port: number,
            scope,
        } => {
            let v6_only = socket.v6_only;
            // Bound to one IPv6 address, a socket takes no IPv4: ss calls its peer `[::]`.
            let any_is_both = v6_only.map_or_else(|| is_any(&socket.local), |only| !only);
            match names.hosts.get(&addr.to_canonical()) {
                Some(name) => cells::word(out, name.as_bytes()),
                None if addr.is_ipv6() && cells::is_any(*addr) && any_is_both => out.push('*'),
                None if addr.is_ipv6() => {
                    out.push('[');
                    cells::ip(out, *addr);
                    out.push(']');
                }
                None => cells::ip(out, *addr),
            }
            let bound = if is_local { socket.interface } else { 0 };
            let scope = if *scope == 0 { bound } else { *scope };
            if scope != 0 {
                out.push('%');
                cells::interface(out, scope, socket.netns, names);
            }
            out.push(':');
            cells::port(port, *number, socket, names);
        }
        Address::Unix { name, inode } => {
            match &**name {
                [] => out.push('*'),
                [0, rest @ ..] => {
                    out.push('@');
                    cells::word(out, rest);
                }
                path => cells::word(out, path),
            }
            out.push(' ');
            match inode {
                0 => port.push('*'),
                inode => cells::number(port, *inode),
            }
        }
        Address::Packet {
            protocol,
            interface,
        } => {
            cells::ether_type(out, *protocol);
            out.push(':');
            match interface {
                0 => port.push('*'),
                index => cells::interface(port, *index, socket.netns, names),
            }
        }
        Address::Netlink { protocol, port_id } => {
            cells::netlink_family(out, *protocol);
            out.push(':');
            match port_id {
                0 => port.push_str("kernel"),
                port_id => cells::number(port, *port_id),
            }
        }
        Address::Vsock { cid, port: number } => {
            for (text, number) in [(&mut *out, cid), (port, number)] {
                match *number {
                    u32::MAX => text.push('*'),
                    number => cells::number(text, number),
                }
            }
            out.push(':');
        }
        // ss gives a Unix socket without a peer the inode 0.
        Address::None if socket.family == Family::Unix => {
            out.push_str("* ");
            port.push('0');
        }
        Address::None => out.push('*'),
    }
}

fn is_any(address: &Address) -> bool {
    matches!(address, Address::Ip { addr, .. } if cells::is_any(*addr))
}

/// ` users:(("nginx",pid=812,fd=6),...)`, the newest process first.
fn users(out: &mut String, socket: &Socket, sheet: &Sheet<'_>) {
    let owners = sheet.owners(socket);
    if owners.is_empty() {
        return;
    }
    out.push_str(" users:(");
    for (index, owner) in owners.iter().rev().enumerate() {
        if index > 0 {
            out.push(',');
        }
        let process = sheet.sample().owners.process(owner);
        let mut name = String::new();
        cells::comm(&mut name, process);
        let _ = write!(
            out,
            "(\"{}\",pid={},fd={})",
            name.replace('"', "\\x22"),
            process.pid,
            owner.fd
        );
    }
    out.push(')');
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{self, Fixture};
    use super::*;

    fn written(sockets: &[&Socket], fixture: &Fixture) -> String {
        let mut out = Vec::new();
        write(&mut out, &fixture.sheet(sockets)).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_pipe_gets_the_columns_of_ss() {
        let fixture = Fixture::new();
        assert_eq!(
            written(&fixture.internet()[..3], &fixture),
            "\
Netid State     Recv-Q Send-Q Local Address:Port  Peer Address:Port Process                                               \n\
tcp   LISTEN    5      4            0.0.0.0:80         0.0.0.0:*     users:((\"nginx\",pid=813,fd=6),(\"nginx\",pid=812,fd=6))\n\
tcp   ESTAB     0      0         192.0.2.10:80     203.0.113.7:40002 users:((\"nginx\",pid=812,fd=11))                      \n\
tcp   TIME-WAIT 0      0         192.0.2.10:80     203.0.113.7:40003                                                      \n"
        );
    }

    #[test]
    fn listeners_on_all_addresses_are_told_apart_by_what_they_take() {
        let fixture = Fixture::new();
        let row = |local: &str, v6_only: Option<bool>| {
            let socket = Socket {
                family: if local.contains(':') {
                    Family::Inet6
                } else {
                    Family::Inet
                },
                local: fixture::ip(local, 80),
                peer: Address::None,
                v6_only,
                ..fixture::tcp(State::Listen, 3)
            };
            let text = written(&[&socket], &fixture);
            let row = text.lines().nth(1).unwrap_or_default();
            row.split_whitespace().skip(4).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(row("0.0.0.0", None), "0.0.0.0:80 0.0.0.0:*");
        assert_eq!(row("::", Some(false)), "*:80 *:*");
        assert_eq!(row("::", Some(true)), "[::]:80 [::]:*");
        assert_eq!(row("::1", Some(true)), "[::1]:80 [::]:*");
    }

    #[test]
    fn a_mapped_address_has_the_name_of_the_plain_one() {
        let mut fixture = Fixture::new();
        let host = "10.0.0.1".parse().unwrap();
        fixture.names.hosts.insert(host, "db".to_owned());
        let socket = Socket {
            local: fixture::ip("::ffff:10.0.0.1", 80),
            ..fixture::tcp(State::Established, 2)
        };
        assert!(written(&[&socket], &fixture).contains(" db:80 "));
        let mut cell = String::new();
        cells::local(&mut cell, &socket, &fixture.names);
        assert_eq!(cell, "db:80");
    }

    #[test]
    fn ipv6_unix_and_hostile_names_stay_in_their_columns() {
        let fixture = Fixture::new();
        let text = written(&fixture.all(), &fixture);
        let rows: Vec<String> = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(
            rows[4],
            "tcp ESTAB 0 70000 [fe80::5054:ff:fe12:3456]%eth0:65432 \
             [2001:db8:1111:2222:3333:4444:5555:6666]:51515 users:((\"tmux: server\",pid=1900,fd=7))"
        );
        assert_eq!(rows[5], "udp UNCONN 832 0 *:5353 *:*");
        assert!(rows[6].starts_with(
            "u_str ESTAB 0 0 /tmp/a\\x20\\x20b\\n\\x1b[31mtcp\\x20LISTEN\\xff 106 @abstract\\x00name 107 \
             users:((\"x) root(1\\x1b[2J\\n \\x20tcp\",pid=666,fd=3))"
        ));
        assert_eq!(rows.len(), 9);
    }
}
