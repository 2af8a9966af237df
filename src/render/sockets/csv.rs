//! One line a socket for spreadsheets: fields as RFC 4180 quotes them, lines that end with LF.
//!
//! The columns of the table first, then the raw numbers. What is unknown is empty.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::column::Column;
use super::{Lines, Sheet, cells};
use crate::render::csv::field;
use crate::sockets::{Address, Details, Socket};

/// The fields of the table's columns.
const EXTRA: &[&str] = &[
    "family",
    "local_addr",
    "local_port",
    "peer_addr",
    "peer_port",
    "pid",
    "inode",
    "cookie",
    "uid",
    "netns",
    "rtt_us",
    "rto_us",
    "cwnd",
    "bytes_acked",
    "bytes_received",
    "retransmitted_segments",
    "drops",
];

/// Writes a header and the sockets.
pub fn write(
    out: &mut (impl Write + ?Sized),
    sheet: &Sheet<'_>,
    columns: &[Column],
) -> io::Result<()> {
    let mut lines = Lines::new(out);
    for (index, column) in columns.iter().enumerate() {
        if index > 0 {
            lines.text.push(',');
        }
        lines.text.push_str(&column.name().replace('-', "_"));
    }
    for name in EXTRA.iter().filter(|name| is_extra(name, columns)) {
        lines.text.push(',');
        lines.text.push_str(name);
    }
    lines.end()?;
    let mut cell = String::new();
    for row in sheet.rows() {
        for (index, column) in columns.iter().enumerate() {
            if index > 0 {
                lines.text.push(',');
            }
            cell.clear();
            column.cell(&mut cell, row, sheet, true);
            field(&mut lines.text, if cell == "-" { "" } else { &cell });
        }
        for name in EXTRA.iter().filter(|name| is_extra(name, columns)) {
            lines.text.push(',');
            cell.clear();
            extra(&mut cell, name, &row, sheet);
            field(&mut lines.text, &cell);
        }
        lines.end()?;
    }
    lines.flush()
}

/// No field twice.
fn is_extra(name: &str, columns: &[Column]) -> bool {
    !columns.iter().any(|column| column.name() == name)
}

fn extra(out: &mut String, name: &str, socket: &Socket, sheet: &Sheet<'_>) {
    let mut put = |value: Option<u64>| {
        if let Some(value) = value {
            let _ = write!(out, "{value}");
        }
    };
    let details = socket.details.as_deref();
    let tcp = cells::tcp_info(socket);
    match name {
        "family" => out.push_str(socket.family.name()),
        "local_addr" => host(out, &socket.local),
        "peer_addr" => host(out, &socket.peer),
        "local_port" => put(socket.local.port().map(u64::from)),
        "peer_port" => put(socket.peer.port().map(u64::from)),
        "pid" => {
            let first = sheet.owners(socket).first();
            put(first.map(|owner| u64::from(sheet.sample().owners.process(owner).pid)));
        }
        "inode" => put(Some(u64::from(socket.inode)).filter(|inode| *inode != 0)),
        "cookie" => put(socket.cookie),
        "uid" => put(socket.uid.map(u64::from)),
        "netns" => {
            let namespace = sheet.sample().namespaces.get(usize::from(socket.netns));
            put(namespace.map(|namespace| namespace.inode));
        }
        "rtt_us" => put(tcp.and_then(|tcp| tcp.rtt_us).map(u64::from)),
        "rto_us" => put(tcp.and_then(|tcp| tcp.rto_us).map(u64::from)),
        "cwnd" => put(tcp.and_then(|tcp| tcp.snd_cwnd).map(u64::from)),
        "bytes_acked" => put(tcp.and_then(|tcp| tcp.bytes_acked)),
        "bytes_received" => put(tcp.and_then(|tcp| tcp.bytes_received)),
        "retransmitted_segments" => put(tcp.and_then(|tcp| tcp.total_retrans).map(u64::from)),
        "drops" => {
            put(details.and_then(Details::dropped).map(u64::from));
        }
        _ => {}
    }
}

fn host(out: &mut String, address: &Address) {
    if let Address::Ip { addr, .. } = address {
        cells::ip(out, *addr);
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Fixture;
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_must_be_and_unknown_ones_are_empty() {
        let fixture = Fixture::new();
        let sockets = fixture.all();
        let mut out = Vec::new();
        write(&mut out, &fixture.sheet(&sockets), Column::DEFAULT).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[..4],
            [
                "proto,state,recv_q,send_q,local,peer,process,why,family,local_addr,local_port,\
                 peer_addr,peer_port,pid,inode,cookie,uid,netns,rtt_us,rto_us,cwnd,bytes_acked,\
                 bytes_received,retransmitted_segments,drops",
                "tcp,LISTEN,5,4,0.0.0.0:80,0.0.0.0:*,\"nginx(812,fd6),nginx(813,fd6)\",\
                 \"accept queue full: 5 waiting, limit 4\",inet,0.0.0.0,80,0.0.0.0,0,812,101,1,0,4026531840,,,,,,,",
                "tcp,ESTAB,0,0,192.0.2.10:80,203.0.113.7:40002,\"nginx(812,fd11)\",,inet,192.0.2.10,\
                 80,203.0.113.7,40002,812,102,2,0,4026531840,,,,,,,",
                "tcp,TIME-WAIT,0,0,192.0.2.10:80,203.0.113.7:40003,(time-wait),,inet,192.0.2.10,80,\
                 203.0.113.7,40003,,,3,,4026531840,,,,,,,",
            ]
        );
        assert_eq!(lines.len(), 9);
        let mut quoted = String::new();
        field(&mut quoted, "a \"b\"");
        assert_eq!(quoted, "\"a \"\"b\"\"\"");
    }

    #[test]
    fn a_column_that_is_asked_for_is_there_once() {
        let fixture = Fixture::new();
        let mut out = Vec::new();
        write(&mut out, &fixture.sheet(&[]), &[Column::Inode, Column::Pid]).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("inode,pid,family,"));
        assert_eq!(text.matches("inode").count(), 1);
    }
}
