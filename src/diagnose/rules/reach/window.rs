//! The peer's window against the length of the path.

use super::{Check, Finding, Rule, affected, both, grown};
use crate::diagnose::{Case, Command, Fact, Severity, Subject, Value, words};
use crate::host::Delta;
use crate::sockets::State;

/// A window too small for the path.
pub static RECEIVE_WINDOW_SMALL: Rule = Rule::new(
    "receive_window_small",
    "receive window too small for the path",
    [
        "The peer announces a small window, so a whole round trip passes with at most that many bytes under way. \
         The transfer is slower than the path, and neither program is.",
        "Between two samples the connection was limited by the peer's window for at least a quarter of the time \
         (rwnd_limited), and delivered about one window for each round trip.",
        "A peer whose program reads slowly also limits by its window, but delivers far less than a window for \
         each round trip. A sender with little to send is not limited at all. Where a slow link is the limit, \
         packets wait in its queue, and round trips take at least twice as long as the shortest one.",
        "On the peer: let the kernel choose the size (do not set SO_RCVBUF), and raise net.ipv4.tcp_rmem.",
    ],
    Check::Host(check),
);

/// Shorter round trips than this are not worth a word, in microseconds.
const LONG_RTT_US: u32 = 5_000;

fn check(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for at in case.sample.places() {
        let socket = case.socket(at);
        if !matches!(socket.state, State::Established | State::CloseWait) {
            continue;
        }
        let (Some((before, now)), Some(elapsed)) = (both(case, at), case.before.map(Delta::span))
        else {
            continue;
        };
        let (Some(limited), Some(acked)) = (
            grown(before.rwnd_limited_us, now.rwnd_limited_us),
            grown(before.bytes_acked, now.bytes_acked),
        ) else {
            continue;
        };
        let (Some(rtt), Some(window)) = (now.rtt_us, now.snd_wnd_bytes) else {
            continue;
        };
        let elapsed = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        // Round trips that are longer than the path are: packets wait in the queue of a slow link, and a larger
        // window would only make them wait longer.
        let queued = now.min_rtt_us.is_some_and(|least| rtt / 2 > least);
        if limited * 4 < elapsed || rtt < LONG_RTT_US || window == 0 || queued {
            continue;
        }
        // What a window for each round trip carries in that time.
        let full = u64::from(window).saturating_mul(elapsed) / u64::from(rtt);
        if acked.saturating_mul(2) < full {
            continue;
        }
        let Some((to, port)) = socket.peer.end() else {
            continue;
        };
        let headline = format!(
            "receive window too small for the path to {}: {window} bytes for each {} of round trip",
            std::net::SocketAddr::new(to, port),
            words::duration((rtt / 1000).into())
        );
        found.push(Finding {
            others: affected(&[at]),
            facts: vec![
                Fact::new("tcp_info", "tcpi_snd_wnd", Value::Bytes(window.into())),
                Fact::new("tcp_info", "tcpi_rtt", Value::Millis((rtt / 1000).into())),
                Fact::new("tcp_info", "tcpi_rwnd_limited", Value::Millis(limited / 1000)),
                Fact::new("tcp_info", "tcpi_bytes_acked", Value::Bytes(acked)),
            ],
            ruled_out: "Not a program that reads slowly: a whole window is delivered for each round trip.",
            next: vec![
                Command::of("sockdoc sockets -im --peer").with(to).into(),
                "On the peer, the same command shows the size of its receive buffer.".into(),
            ],
            ..Finding::new(
                &RECEIVE_WINDOW_SMALL,
                Severity::Warning,
                Subject::Path { netns: socket.netns, to },
                headline,
            )
        });
    }
    found
}
