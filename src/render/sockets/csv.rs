//! One line a socket for spreadsheets: fields as RFC 4180 quotes them, lines that end with LF.
//!
//! The columns of the table first, then the raw numbers. What is unknown is empty.

use std::io::{self, Write};

use super::column::Column;
use super::{Lines, Row, Sheet};
use crate::render::column::put;
use crate::render::csv::field;

/// A field after the columns of the table.
enum Raw {
    /// As a column has it.
    Column(Column),
    /// A number that a column shows in another form.
    Number(fn(&Row<'_>, &Sheet<'_>) -> Option<u64>),
}

/// These fields, with their names.
const RAW: [(&str, Raw); 17] = [
    ("family", Raw::Column(Column::Family)),
    ("local_addr", Raw::Column(Column::LocalAddr)),
    ("local_port", Raw::Column(Column::LocalPort)),
    ("peer_addr", Raw::Column(Column::PeerAddr)),
    ("peer_port", Raw::Column(Column::PeerPort)),
    (
        "pid",
        Raw::Number(|row, sheet| {
            let first = sheet.owners(row).first()?;
            Some(sheet.sample().owners.process(first).pid.into())
        }),
    ),
    ("inode", Raw::Column(Column::Inode)),
    ("cookie", Raw::Number(|row, _| row.cookie)),
    ("uid", Raw::Column(Column::Uid)),
    (
        "netns",
        Raw::Number(|row, sheet| {
            let namespace = sheet.sample().namespaces.get(usize::from(row.netns));
            namespace.map(|namespace| namespace.inode)
        }),
    ),
    (
        "rtt_us",
        Raw::Number(|row, _| row.tcp_info()?.rtt_us().map(u64::from)),
    ),
    (
        "rto_us",
        Raw::Number(|row, _| row.tcp_info()?.rto_us().map(u64::from)),
    ),
    ("cwnd", Raw::Column(Column::Cwnd)),
    ("bytes_acked", Raw::Column(Column::Acked)),
    ("bytes_received", Raw::Column(Column::Received)),
    ("retransmitted_segments", Raw::Column(Column::Retrans)),
    ("drops", Raw::Column(Column::Drops)),
];

/// Writes a header and the sockets.
pub fn write(
    out: &mut (impl Write + ?Sized),
    sheet: &Sheet<'_>,
    columns: &[Column],
) -> io::Result<()> {
    let names: Vec<String> = columns
        .iter()
        .map(|it| it.name().replace('-', "_").replace("/s", "_per_s"))
        .collect();
    // No field twice.
    let raw = || {
        RAW.iter()
            .filter(|(name, _)| !names.iter().any(|it| it == name))
    };
    let mut lines = Lines::new(out);
    lines.text.push_str(&names.join(","));
    for (name, _) in raw() {
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
        for (_, raw) in raw() {
            lines.text.push(',');
            cell.clear();
            match raw {
                Raw::Column(column) => column.cell(&mut cell, row, sheet, true),
                Raw::Number(of) => put(&mut cell, of(&row, sheet)),
            }
            field(&mut lines.text, if cell == "-" { "" } else { &cell });
        }
        lines.end()?;
    }
    lines.flush()
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
