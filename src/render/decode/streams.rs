//! The table of conversations.

use std::io;
use std::net::SocketAddr;

use super::buffer::Buffer;
use super::words::milliseconds;
use crate::render::table::Table;
use crate::stream::Summary;

/// Columns that a row takes, more or less.
const NARROW: u16 = 110;

/// Writes a row for each connection, in the order of their numbers.
pub fn write(
    out: &mut dyn io::Write,
    summaries: &mut [Summary],
    width: Option<u16>,
) -> io::Result<()> {
    summaries.sort_unstable_by_key(|summary| summary.number);
    let mut table = Table::new().header(&[
        "STREAM",
        "CLIENT",
        "SERVER",
        "PACKETS",
        "BYTES",
        "DURATION",
        "HANDSHAKE",
        "RETRANS",
        "MESSAGES",
        "ENDED",
    ]);
    for column in [0, 3, 4, 5, 6, 7, 8] {
        table = table.right(column);
    }
    for summary in summaries.iter() {
        let (client, server) = (summary.from_client, summary.from_server);
        let [asked, answered] = summary.messages;
        table.row(&[
            summary.number.to_string(),
            SocketAddr::from(summary.client).to_string(),
            SocketAddr::from(summary.server).to_string(),
            format!("{}+{}", client.packets, server.packets),
            format!("{}+{}", client.bytes, server.bytes),
            time(Some(summary.last.saturating_sub(summary.first))),
            time(summary.handshake),
            format!("{}+{}", client.retransmissions, server.retransmissions),
            format!("{asked}+{answered}"),
            summary.ended.words().to_owned(),
        ]);
    }
    // Broken into pieces an address is none: on a narrow terminal a row takes more than one line.
    table.write(out, width.filter(|width| *width >= NARROW))
}

fn time(nanos: Option<i64>) -> String {
    let Some(nanos) = nanos else {
        return "-".to_owned();
    };
    let mut text = Buffer::default();
    milliseconds(&mut text, nanos);
    String::from_utf8_lossy(text.as_bytes()).into_owned()
}
