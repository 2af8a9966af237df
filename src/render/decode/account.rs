//! Where the time of a stream went, what limited it, where it was captured, and how it ended.

use std::net::SocketAddr;

use super::buffer::Buffer;
use super::words::milliseconds;
use crate::diagnose::words;
use crate::stream::{CapturePoint, Ending, Limit, Limited, Sent, Summary};

/// The account as text: a line for each part, then how the stream ended.
pub(super) fn text(out: &mut Buffer, summary: &Summary) {
    let all = summary.last.nanos_since(summary.first);
    let (client, server) = (summary.client, summary.server);
    out.format(format_args!(
        "stream {}  {} → {}  {}, {}\n",
        summary.number,
        SocketAddr::from(client),
        SocketAddr::from(server),
        time(all),
        captured(summary.captured)
    ));
    let notes = notes(summary);
    for ((name, nanos), note) in summary.account.parts().into_iter().zip(notes) {
        let percent = (i128::from(nanos) * 100 + i128::from(all) / 2)
            .checked_div(i128::from(all))
            .unwrap_or(0);
        let line = format!("  {name:<12} {:>10} {percent:>4} %   {note}", time(nanos));
        out.text(line.trim_end());
        out.byte(b'\n');
    }
    out.format(format_args!("  {:<12} {}\n", "ended", ended(summary)));
}

/// A time, in the unit that reads best.
pub(in crate::render) fn time(nanos: i64) -> String {
    const SECOND: i64 = 1_000_000_000;
    if nanos.abs() >= SECOND {
        let (seconds, rest) = (nanos / SECOND, (nanos % SECOND).unsigned_abs());
        return format!("{seconds}.{:03} s", rest / 1_000_000);
    }
    let mut text = Buffer::default();
    milliseconds(&mut text, nanos);
    String::from_utf8_lossy(text.as_bytes()).into_owned()
}

/// What there is to say of it beside the times, in sentences.
pub(in crate::render) fn account_notes(summary: &Summary) -> Vec<String> {
    let parts = summary.account.parts().into_iter().zip(notes(summary));
    let parts = parts.filter(|(_, note)| !note.is_empty());
    let mut all: Vec<String> = parts
        .map(|((name, _), note)| format!("{name}: {note}"))
        .collect();
    all.push(format!("ended: {}", ended(summary)));
    all.push(captured(summary.captured).to_owned());
    all
}

fn captured(at: CapturePoint) -> &'static str {
    match at {
        CapturePoint::NearClient => "captured near the client",
        CapturePoint::NearServer => "captured near the server",
        CapturePoint::Between => "captured between client and server",
        CapturePoint::OneNetwork => "captured on the network of both",
        CapturePoint::Unknown => "capture point unknown",
    }
}

/// What there is to say of each part.
fn notes(summary: &Summary) -> [String; 6] {
    let account = &summary.account;
    let (up, down) = (&summary.from_client, &summary.from_server);
    let mut request = sent(up, account.request, "client", summary.limited[0]);
    if account.requests > 1 && up.data_bytes > 0 {
        request = format!("{} requests, {request}", account.requests);
    }
    let reply = sent(down, account.reply, "server", summary.limited[1]);
    let wait = match account.requests {
        0 => "from the handshake to the first data of the server".to_owned(),
        1 => "from the last byte of the request to the first of the reply".to_owned(),
        _ => format!("at most {} for a reply", time(account.longest_wait)),
    };
    let wait = if down.data_bytes == 0 {
        String::new()
    } else {
        wait
    };
    let connect = match summary.handshake {
        None => "the capture does not have the whole handshake".to_owned(),
        Some(_) => String::new(),
    };
    [connect, request, wait, reply, String::new(), String::new()]
}

/// What an end sent, and what limited it.
fn sent(sent: &Sent, took: i64, who: &str, limited: Option<Limited>) -> String {
    if sent.data_bytes == 0 {
        return "no data".to_owned();
    }
    let length = bytes(sent.data_bytes - sent.again_bytes.min(sent.data_bytes));
    match limited.filter(|_| took > 0) {
        Some(Limited { by, percent }) => {
            let other = if who == "client" { "server" } else { "client" };
            let cause = match by {
                Limit::Receiver => format!("the receive window of the {other}"),
                Limit::Application => {
                    format!("the program of the {who}, which had nothing to send")
                }
                Limit::DelayedAck => format!("delayed ACKs of the {other} (Nagle's algorithm)"),
                Limit::Loss => "loss".to_owned(),
                Limit::Congestion => format!("the congestion window of the {who}"),
                Limit::Path => "the capacity of the path".to_owned(),
            };
            format!("{length}, limited by {cause} ({percent} %)")
        }
        None => length,
    }
}

/// A number of bytes.
fn bytes(count: u64) -> String {
    match u32::try_from(count) {
        Ok(count) => words::bytes(count),
        #[allow(clippy::cast_precision_loss)] // one digit is shown
        Err(_) => format!("{:.1} GiB", count as f64 / 1_073_741_824.0),
    }
}

/// Who closed, and who broke it off.
fn ended(summary: &Summary) -> String {
    let Ending { fins, resets } = summary.ending;
    let mut events = Vec::new();
    for (who, (fin, reset)) in ["client", "server"]
        .into_iter()
        .zip(fins.iter().zip(resets))
    {
        if let Some(fin) = fin {
            let acknowledged = if fin.is_acknowledged {
                ", acknowledged"
            } else {
                ", not acknowledged"
            };
            events.push((fin.time, "FIN", who, acknowledged));
        }
        if let Some(reset) = reset {
            events.push((reset, "RST", who, ""));
        }
    }
    events.sort_by_key(|event| event.0);
    let Some(mut before) = events.first().map(|event| event.0) else {
        return match summary.ended {
            crate::stream::EndState::Open => "open when the capture ends".to_owned(),
            ended => ended.words().to_owned(),
        };
    };
    let mut parts = Vec::new();
    for (index, (at, what, who, acknowledged)) in events.into_iter().enumerate() {
        let later = if index > 0 {
            format!(" {} later", time(at.nanos_since(before)))
        } else {
            String::new()
        };
        parts.push(format!("{what} by the {who}{later}{acknowledged}"));
        before = at;
    }
    parts.join("; ")
}
