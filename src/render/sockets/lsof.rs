//! The columns of `lsof -i -n -P` (lsof 4.95), one row for each descriptor, by process.
//!
//! As there, a socket without a descriptor has no row. As with `+c 0` the names of commands are not
//! cut off after nine characters.

use std::io::{self, Write};

use super::{Lines, Row, Sheet, cells};
use crate::sockets::owners::Process;
use crate::sockets::{Address, Family, Owner, Proto, Socket, State};

/// Writes the table; nothing at all if no socket has an owner.
pub fn write(out: &mut (impl Write + ?Sized), sheet: &Sheet<'_>) -> io::Result<()> {
    let rows = rows(sheet);
    if rows.is_empty() {
        return Ok(());
    }
    let mut lines = Lines::new(out);
    let mut cells = Cells::titles();
    let mut widths = cells.widths();
    for row in &rows {
        cells.fill(row, sheet);
        for (width, wider) in widths.iter_mut().zip(cells.widths()) {
            *width = wider.max(*width);
        }
    }
    Cells::titles().write(&mut lines, &widths, "  ")?;
    for row in &rows {
        cells.fill(row, sheet);
        cells.write(&mut lines, &widths, "u ")?;
    }
    lines.flush()
}

type Line<'a> = (u32, Owner, Row<'a>);

fn rows<'a>(sheet: &Sheet<'a>) -> Vec<Line<'a>> {
    let owners = &sheet.sample().owners;
    let mut rows: Vec<Line<'a>> = Vec::new();
    for row in sheet.rows() {
        let of_socket = owners.of(row.inode).iter();
        rows.extend(of_socket.map(|owner| (owners.process(owner).pid, *owner, row)));
    }
    rows.sort_by_key(|(pid, owner, _)| (*pid, owner.fd));
    rows
}

/// One row: COMMAND PID USER FD TYPE DEVICE SIZE/OFF NODE NAME.
struct Cells([String; 9]);

const COMMAND: usize = 0;
const FD: usize = 3;
const NAME: usize = 8;

impl Cells {
    fn titles() -> Self {
        let titles = [
            "COMMAND", "PID", "USER", "FD", "TYPE", "DEVICE", "SIZE/OFF", "NODE", "NAME",
        ];
        Cells(titles.map(str::to_owned))
    }

    fn widths(&self) -> [usize; 9] {
        let mut widths = [0; 9];
        for (width, cell) in widths.iter_mut().zip(&self.0) {
            *width = cells::width(cell);
        }
        widths[FD] = widths[FD].max(4);
        widths
    }

    fn fill(&mut self, (_, owner, socket): &Line<'_>, sheet: &Sheet<'_>) {
        for cell in &mut self.0 {
            cell.clear();
        }
        let [command, pid, user, fd, kind, device, size, node, name] = &mut self.0;
        let process = sheet.sample().owners.process(owner);
        match &*process.comm {
            [] => command.push('?'),
            comm => cells::word(command, comm),
        }
        cells::number(pid, process.pid);
        self::user(user, process, sheet);
        cells::number(fd, owner.fd);
        size.push_str("0t0");
        match socket.proto {
            Proto::UnixStr | Proto::UnixDgr | Proto::UnixSeq => {
                kind.push_str("unix");
                // What lsof shows of kernel addresses to those who may not see them.
                device.push_str("0x0000000000000000");
                cells::number(node, socket.inode);
            }
            _ => {
                kind.push_str(match socket.family {
                    Family::Inet => "IPv4",
                    Family::Inet6 => "IPv6",
                    Family::Packet => "pack",
                    Family::Netlink => "netlink",
                    Family::Unix | Family::Vsock => "sock",
                });
                cells::number(device, socket.inode);
                node.push_str(&socket.proto.name().to_ascii_uppercase());
            }
        }
        self::name(name, socket, sheet);
    }

    fn write<W: Write + ?Sized>(
        &self,
        lines: &mut Lines<'_, W>,
        widths: &[usize; 9],
        after_fd: &str,
    ) -> io::Result<()> {
        for (index, (cell, width)) in self.0.iter().zip(widths).enumerate() {
            let pad = std::iter::repeat_n(' ', width - cells::width(cell).min(*width));
            if index > 0 {
                lines.text.push(' ');
            }
            match index {
                NAME => lines.text.push_str(cell),
                COMMAND => {
                    lines.text.push_str(cell);
                    lines.text.extend(pad);
                }
                _ => {
                    lines.text.extend(pad);
                    lines.text.push_str(cell);
                }
            }
            if index == FD {
                lines.text.push_str(after_fd);
            }
        }
        lines.end()
    }
}

fn user(out: &mut String, process: &Process, sheet: &Sheet<'_>) {
    match process.uid {
        None => out.push('?'),
        Some(uid) => match sheet.names.users.get(&uid) {
            Some(name) => cells::word(out, name.as_bytes()),
            None => cells::number(out, uid),
        },
    }
}

/// `*:80 (LISTEN)`, `10.0.0.1:80->10.0.0.2:40000 (ESTABLISHED)`, `/run/x type=STREAM`.
fn name(out: &mut String, socket: &Socket, sheet: &Sheet<'_>) {
    match &socket.local {
        Address::Ip { .. } => internet(out, socket, sheet),
        Address::Unix { name, .. } => {
            if !name.is_empty() {
                cells::local(out, socket, sheet.names);
                out.push(' ');
            }
            out.push_str(match socket.proto {
                Proto::UnixDgr => "type=DGRAM",
                Proto::UnixSeq => "type=SEQPACKET",
                _ => "type=STREAM",
            });
            out.push_str(match socket.state {
                State::Listen => " (LISTEN)",
                State::Established => " (CONNECTED)",
                _ => "",
            });
        }
        _ => cells::local(out, socket, sheet.names),
    }
}

fn internet(out: &mut String, socket: &Socket, sheet: &Sheet<'_>) {
    end(out, &socket.local, socket, sheet);
    if matches!(socket.peer, Address::Ip { addr, port, .. } if port != 0 || !cells::is_any(addr)) {
        out.push_str("->");
        end(out, &socket.peer, socket, sheet);
    }
    out.push(' ');
    if matches!(socket.proto, Proto::Tcp | Proto::Mptcp | Proto::Sctp) {
        out.push('(');
        out.push_str(match socket.state {
            State::BoundInactive | State::Unconnected => "CLOSED",
            state => state.netstat_name(),
        });
        out.push(')');
    }
}

fn end(out: &mut String, address: &Address, socket: &Socket, sheet: &Sheet<'_>) {
    let Address::Ip { addr, port, .. } = address else {
        return;
    };
    // lsof writes an IPv4 address in an IPv6 socket plainly.
    let plain = addr.to_canonical();
    match sheet.names.hosts.get(&plain) {
        _ if cells::is_any(*addr) => out.push('*'),
        Some(name) => cells::word(out, name.as_bytes()),
        None if plain.is_ipv6() => {
            out.push('[');
            cells::ip(out, plain);
            out.push(']');
        }
        None => cells::ip(out, plain),
    }
    out.push(':');
    cells::port(out, *port, socket, sheet.names);
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Fixture;
    use super::*;

    fn written(sockets: &[&Socket], fixture: &Fixture) -> String {
        let mut out = Vec::new();
        write(&mut out, &fixture.sheet(sockets)).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_descriptor_has_a_row_with_lsofs_columns() {
        let fixture = Fixture::new();
        assert_eq!(
            written(&fixture.internet(), &fixture),
            "\
COMMAND          PID USER   FD   TYPE DEVICE SIZE/OFF NODE NAME
nginx            812 root    6u  IPv4    101      0t0  TCP *:80 (LISTEN)
nginx            812 root   11u  IPv4    102      0t0  TCP 192.0.2.10:80->203.0.113.7:40002 (ESTABLISHED)
nginx            813 root    6u  IPv4    101      0t0  TCP *:80 (LISTEN)
tmux:\\x20server 1900 root    7u  IPv6    104      0t0  TCP \
[fe80::5054:ff:fe12:3456]:65432->[2001:db8:1111:2222:3333:4444:5555:6666]:51515 (ESTABLISHED)
"
        );
    }

    #[test]
    fn no_row_means_no_header() {
        let fixture = Fixture::new();
        assert_eq!(written(&[], &fixture), "");
    }

    #[test]
    fn a_hostile_command_is_one_word_and_a_hostile_path_stays_on_its_line() {
        let fixture = Fixture::new();
        let text = written(&fixture.all(), &fixture);
        let row = text.lines().nth(1).unwrap();
        assert!(row.starts_with("x)\\x20root(1\\x1b[2J\\n\\x20\\x20tcp  666 root    3u  unix "));
        assert!(row.ends_with("/tmp/a \\x20b\\n\\x1b[31mtcp LISTEN\\xff type=STREAM (CONNECTED)"));
    }
}
