//! Where the time of a stream went, what limited it, where it was captured, and how it ended.

use std::net::SocketAddr;

use super::buffer::Buffer;
use crate::diagnose::words;
use crate::render::wrap;
use crate::stream::{CapturePoint, EndState, Ending, Limit, Limited, Sent, Summary};

/// The account as text, for a terminal of this width: a line for each part, then how the stream ended. Of a stream
/// that was never connected only the attempt has a time.
pub(super) fn text(out: &mut Buffer, summary: &Summary, width: Option<u16>) {
    let all = summary.last.nanos_since(summary.first);
    let (client, server) = (summary.client, summary.server);
    let title = format!(
        "stream {}  {} → {}  {}, {}",
        summary.number,
        SocketAddr::from(client),
        SocketAddr::from(server),
        time(all),
        captured(summary.captured)
    );
    beside(out, "", &title, width, 2);
    let notes = notes(summary);
    let has_data = summary.from_client.data_bytes + summary.from_server.data_bytes > 0;
    let parts = if summary.is_connected() || has_data {
        PARTS
    } else {
        1
    };
    for ((name, nanos), note) in summary.account.parts().into_iter().zip(notes).take(parts) {
        let percent = (i128::from(nanos) * 100 + i128::from(all) / 2)
            .checked_div(i128::from(all))
            .unwrap_or(0);
        let first = format!("  {name:<12} {:>10} {percent:>4} %   ", time(nanos));
        beside(out, &first, &note, width, first.chars().count());
    }
    let first = format!("  {:<12} ", "ended");
    beside(out, &first, &ended(summary), width, first.len());
}

const PARTS: usize = 6;

/// A text after its first words; later lines are indented.
fn beside(out: &mut Buffer, first: &str, text: &str, width: Option<u16>, indent: usize) {
    for (index, line) in wrap::lines(text, width, indent).iter().enumerate() {
        if index == 0 {
            out.text(format!("{first}{line}").trim_end());
        } else {
            out.blanks(indent);
            out.text(line);
        }
        out.byte(b'\n');
    }
}

/// A time, rounded, in the unit that reads best.
pub(in crate::render) fn time(nanos: i64) -> String {
    let micros = (i128::from(nanos.unsigned_abs()) + 500) / 1000;
    let sign = if nanos < 0 && micros > 0 { "-" } else { "" };
    if micros < 1_000_000 {
        return format!("{sign}{}.{:03} ms", micros / 1000, micros % 1000);
    }
    let millis = (i128::from(nanos.unsigned_abs()) + 500_000) / 1_000_000;
    format!("{sign}{}.{:03} s", millis / 1000, millis % 1000)
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
fn notes(summary: &Summary) -> [String; PARTS] {
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
    let connect = match summary.ended {
        EndState::Unanswered => "the SYN was not answered",
        EndState::Rejected => "the SYN was answered with an ICMP error",
        EndState::Refused => "the SYN was answered with RST",
        EndState::Unfinished => "the SYN was answered, but the handshake was not finished",
        _ if summary.handshake.is_none() => "the capture does not have the whole handshake",
        _ => "",
    };
    let connect = connect.to_owned();
    [connect, request, wait, reply, String::new(), String::new()]
}

/// What an end sent, and what limited it.
fn sent(sent: &Sent, took: i64, who: &str, limited: Option<Limited>) -> String {
    if sent.data_bytes == 0 {
        return "no data".to_owned();
    }
    let length = bytes(sent.unique_bytes());
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

/// A number of bytes, rounded.
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
            EndState::Open => "open when the capture ends".to_owned(),
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
