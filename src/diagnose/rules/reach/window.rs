//! The peer's window, and the own send buffer, against the length of the path.

use super::{Check, Finding, Rule, affected, both, grown};
use crate::diagnose::{Case, Command, Fact, Severity, Subject, Value, words};
use crate::host::{Delta, SocketAt};
use crate::sockdiag::KeptTcpInfo;
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

/// A send buffer too small for the path.
pub static SEND_BUFFER_SMALL: Rule = Rule::new(
    "send_buffer_small",
    "send buffer too small for the path",
    [
        "The program has more to send than its send buffer holds, so a whole round trip passes with at most that many \
         bytes under way. The transfer is slower than the path.",
        "Between two samples the connection was limited by its send buffer for at least a quarter of the time \
         (sndbuf_limited) while the peer's window had room, and round trips take at least 5 ms.",
        "A sender with little to send is not limited at all. Where a slow link is the limit, packets wait in its \
         queue, and round trips take at least twice as long as the shortest one.",
        "Let the kernel choose the size (do not set SO_SNDBUF), and raise net.ipv4.tcp_wmem.",
    ],
    Check::Host(send_buffer),
);

/// Shorter round trips than this are not worth a word, in microseconds.
const LONG_RTT_US: u32 = 5_000;

/// A connection that was limited between two samples.
struct Limited<'a> {
    at: SocketAt,
    before: &'a KeptTcpInfo,
    now: &'a KeptTcpInfo,
    rtt: u32,
    /// Microseconds.
    elapsed: u64,
    to: std::net::SocketAddr,
}

impl Limited<'_> {
    /// The connections that had time for it.
    fn candidates<'a>(case: &'a Case<'a>) -> impl Iterator<Item = Limited<'a>> {
        let elapsed = case.before.map(Delta::span).unwrap_or_default();
        let elapsed = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        let is_open = |at: &SocketAt| {
            let state = case.socket(*at).state;
            matches!(state, State::Established | State::CloseWait)
        };
        case.sample.places().filter(is_open).filter_map(move |at| {
            let (before, now) = both(case, at)?;
            let rtt = now.rtt_us()?;
            // Round trips that are longer than the path are: packets wait in the queue of a slow link, and more
            // under way would only make them wait longer.
            let queued = now.min_rtt_us().is_some_and(|least| rtt / 2 > least);
            let to = case.socket(at).peer.end()?.into();
            (rtt >= LONG_RTT_US && !queued).then_some(Limited {
                at,
                before,
                now,
                rtt,
                elapsed,
                to,
            })
        })
    }

    /// Whether it was limited for a quarter of the time, and how long, in microseconds.
    fn was(&self, time: fn(&KeptTcpInfo) -> Option<u64>) -> Option<u64> {
        let limited = grown(time(self.before), time(self.now))?;
        (limited * 4 >= self.elapsed && self.elapsed > 0).then_some(limited)
    }
}

fn send_buffer(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for it in Limited::candidates(case) {
        let Some(limited) = it.was(KeptTcpInfo::sndbuf_limited_us) else {
            continue;
        };
        let socket = case.socket(it.at);
        let rtt = words::duration((it.rtt / 1000).into());
        let limit = socket.memory().and_then(|memory| memory.sndbuf_bytes);
        let size = limit.map_or_else(String::new, |bytes| format!(" of {bytes} bytes"));
        found.push(Finding {
            others: affected(&[it.at]),
            facts: vec![
                Fact::new("tcp_info", "tcpi_sndbuf_limited", Value::Millis(limited / 1000)),
                Fact::new("tcp_info", "tcpi_rtt", Value::Millis((it.rtt / 1000).into())),
            ],
            ruled_out: "Not the peer, whose window has room, and not a program with little to send.",
            next: vec![
                Command::of("sockdoc sockets -im --peer").with(it.to.ip()).into(),
                "It shows the size of the send buffer (tb of skmem).".into(),
            ],
            ..Finding::new(
                &SEND_BUFFER_SMALL,
                Severity::Warning,
                Subject::Socket(it.at),
                format!("send buffer{size} too small for the path to {}: round trips take {rtt}", it.to),
            )
        });
    }
    found
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for it in Limited::candidates(case) {
        let Some(limited) = it.was(KeptTcpInfo::rwnd_limited_us) else {
            continue;
        };
        let (Some(acked), Some(window)) = (
            grown(it.before.bytes_acked(), it.now.bytes_acked()),
            it.now.snd_wnd_bytes(),
        ) else {
            continue;
        };
        // What a window for each round trip carries in that time.
        let full = u64::from(window).saturating_mul(it.elapsed) / u64::from(it.rtt);
        if window == 0 || acked.saturating_mul(2) < full {
            continue;
        }
        let netns = case.socket(it.at).netns;
        let to = it.to.ip();
        let rtt = u64::from(it.rtt / 1000);
        let headline = format!(
            "receive window too small for the path to {}: {window} bytes for each {} of round trip",
            it.to,
            words::duration(rtt)
        );
        found.push(Finding {
            others: affected(&[it.at]),
            facts: vec![
                Fact::new("tcp_info", "tcpi_snd_wnd", Value::Bytes(window.into())),
                Fact::new("tcp_info", "tcpi_rtt", Value::Millis(rtt)),
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
                Subject::Path { netns, to },
                headline,
            )
        });
    }
    found
}
