//! Streams as JSON.

use super::super::buffer::Buffer;
use super::{end_of, micros, string, time};
use crate::stream::{Account, Sent, Summary};

/// A connection that is over, or as far as the capture shows it.
pub(super) fn stream(out: &mut Buffer, summary: &Summary, host: Option<&str>) {
    out.text(begin!("stream"));
    key!(out, "stream");
    out.number(u64::from(summary.number));
    key!(out, "client");
    end_of(out, summary.client);
    key!(out, "server");
    end_of(out, summary.server);
    if let Some(host) = host {
        key!(out, "host_name");
        string(out, host);
    }
    key!(out, "first_frame");
    out.number(summary.first_frame);
    time(out, summary.first);
    key!(out, "duration_us");
    micros(out, summary.last.nanos_since(summary.first));
    key!(out, "handshake_us");
    match summary.handshake {
        Some(handshake) => micros(out, handshake),
        None => out.text("null"),
    }
    key!(out, "connect_us");
    match summary.connect {
        Some(connect) => micros(out, connect),
        None => out.text("null"),
    }
    key!(out, "ended");
    string(out, summary.ended.words());
    key!(out, "ended_by");
    out.text(match summary.ended_by_client {
        Some(true) => "\"client\"",
        Some(false) => "\"server\"",
        None => "null",
    });
    key!(out, "capture_point");
    match summary.captured.word() {
        Some(word) => string(out, word),
        None => out.text("null"),
    }
    account(out, &summary.account);
    key!(out, "from_client");
    sent_by(out, &summary.from_client, summary.messages[0]);
    closed_by(out, summary, 0);
    key!(out, "from_server");
    sent_by(out, &summary.from_server, summary.messages[1]);
    closed_by(out, summary, 1);
    out.text("}\n");
}

/// Where the time went: the parts add up to the duration.
fn account(out: &mut Buffer, account: &Account) {
    key!(out, "account");
    let mut separator = b'{';
    for (name, nanos) in account.parts() {
        out.byte(separator);
        out.byte(b'"');
        for byte in name.bytes() {
            out.byte(if byte == b' ' { b'_' } else { byte });
        }
        out.text("_us\":");
        micros(out, nanos);
        separator = b',';
    }
    key!(out, "longest_server_wait_us");
    micros(out, account.longest_wait);
    key!(out, "requests");
    out.number(u64::from(account.requests));
    out.byte(b'}');
}

fn sent_by(out: &mut Buffer, sent: &Sent, messages: u32) {
    out.text("{\"packets\":");
    out.number(sent.packets);
    key!(out, "bytes");
    out.number(sent.bytes);
    key!(out, "data_bytes");
    out.number(sent.data_bytes);
    key!(out, "unique_data_bytes");
    out.number(sent.unique_bytes());
    key!(out, "retransmitted_bytes");
    out.number(sent.again_bytes);
    key!(out, "retransmissions");
    out.number(u64::from(sent.retransmissions));
    key!(out, "copies");
    out.number(sent.copies);
    key!(out, "out_of_order");
    out.number(u64::from(sent.out_of_order));
    key!(out, "lost_segments");
    out.number(u64::from(sent.lost));
    key!(out, "duplicate_acks");
    out.number(u64::from(sent.duplicate_acks));
    key!(out, "zero_windows");
    out.number(u64::from(sent.zero_windows));
    key!(out, "zero_window_us");
    micros(out, sent.zero_window_time);
    key!(out, "messages");
    out.number(u64::from(messages));
}

/// What limited an end's data, and when it closed, counted from the first segment. Closes its object.
fn closed_by(out: &mut Buffer, summary: &Summary, side: usize) {
    let limited = summary.limited[side];
    key!(out, "limited_by");
    match limited {
        Some(limited) => string(out, limited.by.word()),
        None => out.text("null"),
    }
    key!(out, "limited_percent");
    match limited {
        Some(limited) => out.number(u64::from(limited.percent)),
        None => out.text("null"),
    }
    let fin = summary.ending.fins[side];
    let times = [
        ("fin_us", fin.map(|fin| fin.time)),
        ("rst_us", summary.ending.resets[side]),
    ];
    for (name, time) in times {
        out.text(",\"");
        out.text(name);
        out.text("\":");
        match time {
            Some(time) => micros(out, time.nanos_since(summary.first)),
            None => out.text("null"),
        }
    }
    key!(out, "fin_acknowledged");
    out.text(match fin {
        Some(fin) if fin.is_acknowledged => "true",
        Some(_) => "false",
        None => "null",
    });
    out.byte(b'}');
}
