//! The columns of `netstat -antup` (net-tools 2.10), or without programs of `netstat -an`, and of `-x`
//! for Unix sockets.
//!
//! As with `netstat -W` nothing is cut off: a longer address or name pushes the rest of its row to
//! the right, as in the original. The limit of a listener's queue is 0, as in /proc/net/tcp. Families
//! that netstat does not know are left out.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::{Lines, Row, Sheet, cells};
use crate::sockets::owners::Process;
use crate::sockets::{Address, Family, Proto, Socket, State};

/// The requested sockets, which netstat names above its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Asked {
    /// `-a`.
    #[default]
    All,
    /// `-l`.
    Listening,
    /// Neither.
    Connected,
}

impl Asked {
    fn words(self) -> &'static str {
        match self {
            Asked::All => "(servers and established)",
            Asked::Listening => "(only servers)",
            Asked::Connected => "(w/o servers)",
        }
    }
}

/// Whether the processes are shown: netstat's `-p`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Programs {
    /// In a column.
    Shown,
    /// Not at all.
    Hidden,
}

impl Programs {
    /// A cell of the column, or nothing.
    fn cell(self, cell: impl FnOnce() -> String) -> String {
        match self {
            Programs::Shown => format!(" {:<20}", cell()),
            Programs::Hidden => String::new(),
        }
    }
}

/// In the order of the original.
const GROUPS: [(Proto, &str); 7] = [
    (Proto::Tcp, "tcp"),
    (Proto::Mptcp, "mptcp"),
    (Proto::Sctp, "sctp"),
    (Proto::Udp, "udp"),
    (Proto::Udplite, "udpl"),
    (Proto::Ping, "icmp"),
    (Proto::Raw, "raw"),
];

/// Writes the table.
pub fn write(
    out: &mut (impl Write + ?Sized),
    sheet: &Sheet<'_>,
    asked: Asked,
    programs: Programs,
) -> io::Result<()> {
    let mut lines = Lines::new(out);
    let unix = sheet.rows().any(|row| row.proto.is_unix());
    let other = sheet.rows().any(|row| row.proto.is_internet());
    if other || !unix {
        let _ = writeln!(lines.text, "Active Internet connections {}", asked.words());
        lines.text.push_str(
            "Proto Recv-Q Send-Q Local Address           Foreign Address         State      ",
        );
        let title = programs.cell(|| "PID/Program name".to_owned());
        lines.text.push_str(&title);
        lines.end()?;
    }
    for (proto, name) in GROUPS {
        for (family, suffix) in [(Family::Inet, ""), (Family::Inet6, "6")] {
            let is_wanted = |row: &Row<'_>| row.proto == proto && row.family == family;
            for row in sheet.rows().filter(is_wanted) {
                internet(
                    &mut lines,
                    &row,
                    sheet,
                    &format!("{name}{suffix}"),
                    programs,
                )?;
            }
        }
    }
    if unix {
        let _ = writeln!(lines.text, "Active UNIX domain sockets {}", asked.words());
        lines
            .text
            .push_str("Proto RefCnt Flags       Type       State         I-Node  ");
        let title = programs.cell(|| "PID/Program name".to_owned());
        lines.text.push_str(&title);
        lines.text.push_str(" Path");
        lines.end()?;
        for row in sheet.rows().filter(|row| row.proto.is_unix()) {
            unix_row(&mut lines, &row, sheet, programs)?;
        }
    }
    lines.flush()
}

fn internet<W: Write + ?Sized>(
    lines: &mut Lines<'_, W>,
    socket: &Socket,
    sheet: &Sheet<'_>,
    proto: &str,
    programs: Programs,
) -> io::Result<()> {
    let limit = socket.state == State::Listen;
    let send_q = if limit { 0 } else { socket.send_q };
    let (mut local, mut peer) = (String::new(), String::new());
    address(&mut local, &socket.local, socket, sheet);
    address(&mut peer, &socket.peer, socket, sheet);
    let _ = write!(
        lines.text,
        "{proto:<4}  {:>6} {send_q:>6} {local:<23} {peer:<23} {:<11}{}",
        socket.recv_q,
        state(socket),
        programs.cell(|| program(socket, sheet, cells::safe)),
    );
    lines.end()
}

/// Without brackets around IPv6; an IPv4 address in an IPv6 socket is written plainly.
fn address(out: &mut String, address: &Address, socket: &Socket, sheet: &Sheet<'_>) {
    if let Address::Ip { addr, port, .. } = address {
        let plain = addr.to_canonical();
        match sheet.names.hosts.get(&plain) {
            Some(name) => cells::word(out, name.as_bytes()),
            None => cells::ip(out, plain),
        }
        out.push(':');
        cells::port(out, *port, socket, sheet.names);
    } else {
        out.push_str(match socket.family {
            Family::Inet6 => ":::*",
            _ => "0.0.0.0:*",
        });
    }
}

fn state(socket: &Socket) -> String {
    match (socket.proto, socket.state) {
        (Proto::Raw, state) => (state as u8).to_string(),
        (Proto::Tcp | Proto::Mptcp | Proto::Sctp, State::BoundInactive) => "CLOSE".to_owned(),
        (Proto::Tcp | Proto::Mptcp | Proto::Sctp, state) => state.netstat_name().to_owned(),
        (_, State::Established) => "ESTABLISHED".to_owned(),
        _ => String::new(),
    }
}

/// The first owner, as there: `812/nginx`, or `-`. The name is the first word of the command line as
/// the process has it, without the folders of a whole path.
fn program(socket: &Socket, sheet: &Sheet<'_>, escape: fn(&mut String, &[u8])) -> String {
    let owners = &sheet.sample().owners;
    let first = sheet
        .owners(socket)
        .iter()
        .min_by_key(|owner| owners.process(owner).pid);
    match first.map(|owner| owners.process(owner)) {
        None => "-".to_owned(),
        Some(process) => {
            let mut name = format!("{}/", process.pid);
            escape(&mut name, program_name(process));
            name
        }
    }
}

fn program_name(process: &Process) -> &[u8] {
    let line = process.cmdline.as_deref().unwrap_or_default();
    let first = line.split(|byte| *byte == 0).next().unwrap_or_default();
    let name = match first {
        [b'/', ..] => first.rsplit(|byte| *byte == b'/').next(),
        _ => Some(first),
    };
    match name {
        Some(name) if !name.is_empty() => name,
        _ => &process.comm,
    }
}

fn unix_row<W: Write + ?Sized>(
    lines: &mut Lines<'_, W>,
    socket: &Socket,
    sheet: &Sheet<'_>,
    programs: Programs,
) -> io::Result<()> {
    let kind = match socket.proto {
        Proto::UnixDgr => "DGRAM",
        Proto::UnixSeq => "SEQPACKET",
        _ => "STREAM",
    };
    let (flags, state, references) = match socket.state {
        State::Listen => ("[ ACC ]", "LISTENING", 2),
        State::Established => ("[ ]", "CONNECTED", 3),
        _ => ("[ ]", "", 2),
    };
    let mut path = String::new();
    if matches!(&socket.local, Address::Unix { name, .. } if !name.is_empty()) {
        cells::local(&mut path, socket, sheet.names);
    }
    let _ = write!(
        lines.text,
        "{:<5} {references:<6} {flags:<11} {kind:<10} {state:<13} {:<8}{} {path}",
        "unix",
        socket.inode,
        // Here a column follows, so it must not contain a blank.
        programs.cell(|| program(socket, sheet, cells::word)),
    );
    lines.end()
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Fixture;
    use super::*;
    use crate::sockets::Owners;

    fn written(sockets: &[&Socket], fixture: &Fixture) -> String {
        let mut out = Vec::new();
        write(
            &mut out,
            &fixture.sheet(sockets),
            Asked::All,
            Programs::Shown,
        )
        .unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn internet_sockets_have_netstats_columns() {
        let fixture = Fixture::new();
        assert_eq!(
            written(&fixture.internet(), &fixture),
            "\
Active Internet connections (servers and established)
Proto Recv-Q Send-Q Local Address           Foreign Address         State       PID/Program name    \n\
tcp        5      0 0.0.0.0:80              0.0.0.0:*               LISTEN      812/program         \n\
tcp        0      0 192.0.2.10:80           203.0.113.7:40002       ESTABLISHED 812/program         \n\
tcp        0      0 192.0.2.10:80           203.0.113.7:40003       TIME_WAIT   -                   \n\
tcp6       0  70000 fe80::5054:ff:fe12:3456:65432 2001:db8:1111:2222:3333:4444:5555:6666:51515 ESTABLISHED 1900/program        \n\
udp6     832      0 :::5353                 :::*                                -                   \n"
        );
    }

    #[test]
    fn without_programs_the_columns_end_with_the_state() {
        let fixture = Fixture::new();
        let sheet = &fixture.internet();
        let mut out = Vec::new();
        write(
            &mut out,
            &fixture.sheet(sheet),
            Asked::All,
            Programs::Hidden,
        )
        .unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains(
            "Foreign Address         State      \n\
             tcp        5      0 0.0.0.0:80              0.0.0.0:*               LISTEN     \n"
        ));
    }

    #[test]
    fn the_program_is_named_by_its_command_line_as_there() {
        let name = |comm: &str, line: Option<&str>| {
            let process = Process {
                comm: comm.as_bytes().into(),
                cmdline: line.map(|line| line.as_bytes().into()),
                ..Process::default()
            };
            String::from_utf8(program_name(&process).to_vec()).unwrap()
        };
        assert_eq!(name("main", Some("/usr/bin/python3\0/srv/x.py")), "python3");
        assert_eq!(name("a.out", Some("./a.out\0")), "./a.out");
        assert_eq!(
            name("nginx", Some("nginx: master /x\0")),
            "nginx: master /x"
        );
        assert_eq!(name("kworker/0:1", Some("")), "kworker/0:1");
        assert_eq!(name("gone", Some("/usr/bin/\0")), "gone");
        assert_eq!(name("gone", None), "gone");
    }

    #[test]
    fn unix_sockets_have_a_table_of_their_own_and_hostile_paths_stay_on_their_line() {
        let mut fixture = Fixture::new();
        let owners = &fixture.sample.owners;
        let processes = owners.processes().iter().map(|process| Process {
            cmdline: Some(process.comm.clone()),
            ..process.clone()
        });
        let links = fixture.sample.sockets.iter();
        let links = links.flat_map(|socket| owners.of(socket.inode)).copied();
        fixture.sample.owners = Owners::new(processes.collect(), links.collect(), true);
        let text = written(&fixture.all(), &fixture);
        assert!(text.contains(
            "\nProto RefCnt Flags       Type       State         I-Node   PID/Program name     Path\n\
             unix  3      [ ]         STREAM     CONNECTED     106      \
             666/x)\\x20root(1\\x1b[2J\\n\\x20\\x20tcp /tmp/a \\x20b\\n\\x1b[31mtcp LISTEN\\xff\n"
        ));
        assert_eq!(text.lines().count(), 2 + 5 + 2 + 2);
    }
}
