//! The lines below a row: whose it is (`-e`), TCP (`-i`), memory (`-m`), timers (`-o`).

use std::fmt::Write as _;

use super::{Sheet, cells};
use crate::diagnose::words::age;
use crate::sockdiag::{KeptTcpInfo, SkMemInfo};
use crate::sockets::{Details, Socket, Timer, TimerKind, cgroup};

/// The requested lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted {
    /// `tcp_info` and further attributes of the socket.
    pub tcp: bool,
    /// Socket memory.
    pub memory: bool,
    /// The running timer.
    pub timer: bool,
    /// User, inode, cookie, unit and container.
    pub extended: bool,
}

/// The lines of a socket, without their indent.
pub fn lines(socket: &Socket, sheet: &Sheet<'_>, wanted: Wanted) -> Vec<String> {
    let mut lines = Vec::new();
    let details = socket.details.as_deref();
    if wanted.timer
        && let Some(running) = &socket.timer
    {
        let mut line = String::from("timer: ");
        timer(&mut line, running);
        lines.push(line);
    }
    if wanted.memory
        && let Some(memory) = details.and_then(|details| details.memory)
    {
        lines.push(self::memory(&memory));
    }
    if wanted.tcp || wanted.extended {
        lines.push(kernel(socket, details, sheet, wanted));
    }
    if wanted.tcp {
        let congestion = details.and_then(|details| details.congestion.as_deref());
        let tcp = self::tcp(socket.tcp_info(), congestion);
        if !tcp.is_empty() {
            lines.push(format!("tcp: {tcp}"));
        }
    }
    lines
}

/// `retransmit in 1.2 s, 3 tries`.
pub fn timer(out: &mut String, timer: &Timer) {
    out.push_str(match timer.kind {
        TimerKind::Retransmit => "retransmit",
        TimerKind::Keepalive => "keepalive",
        TimerKind::TimeWait => "time-wait",
        TimerKind::Persist => "persist",
    });
    let _ = match timer.expires_ms {
        ms @ 0..60_000 => write!(out, " in {:.1} s", f64::from(ms) / 1000.0),
        ms => write!(out, " in {}", age(ms)),
    };
    match timer.retransmits {
        0 => {}
        1 => out.push_str(", 1 try"),
        tries => {
            let _ = write!(out, ", {tries} tries");
        }
    }
}

fn memory(memory: &SkMemInfo) -> String {
    let of = |used: Option<u32>, limit: Option<u32>| Some(format!("{} of {} bytes", used?, limit?));
    let mut items = Items::default();
    items.add("received", of(memory.rmem_alloc_bytes, memory.rcvbuf_bytes));
    items.add("to send", of(memory.wmem_alloc_bytes, memory.sndbuf_bytes));
    items.add("queued", memory.wmem_queued_bytes);
    items.add("reserved", memory.fwd_alloc_bytes);
    items.add("options", memory.optmem_bytes);
    items.add("backlog", memory.backlog_bytes);
    items.add("dropped", memory.drops);
    format!("memory: {}", items.0)
}

fn kernel(socket: &Socket, details: Option<&Details>, sheet: &Sheet<'_>, wanted: Wanted) -> String {
    let mut items = Items::default();
    items.add("inode", Some(socket.inode).filter(|inode| *inode != 0));
    items.add("cookie", socket.cookie.map(|cookie| format!("{cookie:x}")));
    items.add("uid", socket.uid);
    let user = socket.uid.and_then(|uid| sheet.names.users.get(&uid));
    items.add("user", user.map(|name| escaped(name)));
    let group = sheet.group_of(socket);
    items.add("unit", group.and_then(cgroup::unit).map(escaped));
    let container = group.and_then(cgroup::container);
    let container = container.map(|found| format!("{}:{}", found.runtime, found.id));
    items.add("container", container.as_deref().map(escaped));
    if socket.interface != 0 {
        let mut name = String::new();
        cells::interface(&mut name, socket.interface, socket.netns, sheet.names);
        items.add("interface", Some(name));
    }
    if let Some(details) = details {
        items.add("mark", details.mark.map(|mark| format!("{mark:#x}")));
        items.add("tos", details.tos.map(|tos| format!("{tos:#x}")));
        items.add("cgroup", details.cgroup_id);
        items.add(
            "v6only",
            socket.v6_only.map(|only| if only { "yes" } else { "no" }),
        );
        let sides = match details.shutdown.unwrap_or(0) & 3 {
            1 => Some("receiving"),
            2 => Some("sending"),
            3 => Some("both directions"),
            _ => None,
        };
        items.add("shut down", sides);
        let dropped = details
            .dropped()
            .filter(|count| *count > 0 && !wanted.memory);
        items.add("dropped so far", dropped);
    }
    format!("socket: {}", items.0)
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    cells::safe(&mut out, text.as_bytes());
    out
}

fn tcp(info: Option<&KeptTcpInfo>, congestion: Option<&str>) -> String {
    let mut items = Items::default();
    if let Some(name) = congestion {
        cells::word(&mut items.0, name.as_bytes());
    }
    let Some(info) = info else {
        return items.0;
    };
    path(&mut items, info);
    traffic(&mut items, info);
    windows(&mut items, info);
    items.0
}

/// Path characteristics.
fn path(items: &mut Items, info: &KeptTcpInfo) {
    let ms = |us: u32| format!("{:.3}", f64::from(us) / 1000.0);
    let rtt = info.rtt_us().map(|rtt| match info.rttvar_us() {
        Some(deviation) => format!("{} ms ± {}", ms(rtt), ms(deviation)),
        None => format!("{} ms", ms(rtt)),
    });
    items.add("rtt", rtt);
    items.add("min rtt", info.min_rtt_us().map(|us| ms(us) + " ms"));
    items.add("rto", info.rto_us().map(|us| format!("{} ms", us / 1000)));
    items.add("cwnd", info.snd_cwnd());
    items.add("ssthresh", info.snd_ssthresh());
    items.add("mss", info.snd_mss_bytes());
    items.add("pmtu", info.pmtu_bytes());
    let scales = info.snd_wscale().zip(info.rcv_wscale());
    items.add(
        "wscale",
        scales.map(|(peer, ours)| format!("{peer}/{ours}")),
    );
    items.add(
        "delivery rate",
        info.delivery_rate_bytes_per_second().filter(some).map(rate),
    );
    items.add(
        "pacing rate",
        info.pacing_rate_bytes_per_second()
            .filter(is_paced)
            .map(rate),
    );
}

/// Traffic counters.
fn traffic(items: &mut Items, info: &KeptTcpInfo) {
    items.add("sent", info.bytes_sent());
    items.add("acked", info.bytes_acked());
    items.add("received", info.bytes_received());
    items.add("retransmitted", info.bytes_retrans().filter(some));
    items.add("retransmissions", info.total_retrans().filter(some));
    items.add("unanswered", info.retransmits().filter(some));
    items.add("backoff", info.backoff().filter(some));
    items.add("in flight", info.unacked().filter(some));
    items.add("lost", info.lost().filter(some));
    items.add("unsent", info.notsent_bytes().filter(some));
    let ago = |ms: u32| format!("{} ago", age(ms));
    items.add("last sent", info.last_data_sent_ms().map(ago));
    // Until data arrives, the kernel counts from the start of the connection.
    let received = info.bytes_received() != Some(0);
    items.add(
        "last data",
        info.last_data_recv_ms().filter(|_| received).map(ago),
    );
    items.add("last ACK", info.last_ack_recv_ms().map(ago));
}

/// Windows, and what limited the sender.
fn windows(items: &mut Items, info: &KeptTcpInfo) {
    items.add("our window", info.rcv_wnd_bytes());
    items.add("peer's window", info.snd_wnd_bytes());
    let ms = |us: u64| format!("{} ms", us / 1000);
    items.add("busy", info.busy_time_us().filter(some).map(ms));
    items.add(
        "limited by peer's window",
        info.rwnd_limited_us().filter(some).map(ms),
    );
    items.add(
        "limited by send buffer",
        info.sndbuf_limited_us().filter(some).map(ms),
    );
}

fn some<T: Default + PartialEq>(value: &T) -> bool {
    *value != T::default()
}

/// The highest value stands for no limit.
fn is_paced(rate: &u64) -> bool {
    some(rate) && *rate < u64::from(u32::MAX) << 16
}

fn rate(bytes_per_second: u64) -> String {
    let bits = bytes_per_second as f64 * 8.0;
    let (value, unit) = match bits {
        bits if bits < 1e3 => (bits, "bit/s"),
        bits if bits < 1e6 => (bits / 1e3, "kbit/s"),
        bits if bits < 1e9 => (bits / 1e6, "Mbit/s"),
        bits => (bits / 1e9, "Gbit/s"),
    };
    format!("{value:.1} {unit}")
}

/// Names and values; unknown values are omitted.
#[derive(Default)]
struct Items(String);

impl Items {
    fn add(&mut self, name: &str, value: Option<impl std::fmt::Display>) {
        if let Some(value) = value {
            let comma = if self.0.is_empty() { "" } else { ", " };
            let _ = write!(self.0, "{comma}{name} {value}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Fixture;
    use super::*;
    use crate::sockdiag::TcpInfoValues;

    #[test]
    fn the_age_of_the_last_data_is_named_and_there_is_none_before_any_came() {
        let mut info = TcpInfoValues {
            bytes_received: Some(0),
            last_data_recv_ms: Some(37_000),
            last_ack_recv_ms: Some(9_000),
            ..TcpInfoValues::default()
        };
        let said = |info: &TcpInfoValues| tcp(Some(&info.clone().into()), None);
        assert_eq!(said(&info), "received 0, last ACK 9 s ago");
        info.bytes_received = Some(12);
        assert_eq!(
            said(&info),
            "received 12, last data 37 s ago, last ACK 9 s ago"
        );
    }

    #[test]
    fn the_lines_name_what_they_show_and_leave_out_what_is_unknown() {
        let fixture = Fixture::new();
        let all = Wanted {
            tcp: true,
            memory: true,
            timer: true,
            extended: false,
        };
        let sockets = fixture.all();
        let sheet = fixture.sheet(&sockets);
        let lines: Vec<String> = sheet
            .rows()
            .flat_map(|row| lines(&row, &sheet, all))
            .collect();
        for line in [
            "timer: retransmit in 1.2 s, 4 tries",
            "memory: received 832 of 131072 bytes, to send 0 of 16384 bytes, queued 0, \
             reserved 3264, options 0, backlog 0, dropped 3",
            "socket: inode 104, cookie 4, uid 33, user www-data, mark 0x10",
            "tcp: cubic, rtt 0.050 ms ± 0.020, rto 204 ms, cwnd 10, mss 1448, wscale 7/9, \
             delivery rate 12.0 Mbit/s, received 1234, peer's window 65536",
            "socket: inode 102, cookie 2, uid 0, user root",
        ] {
            assert!(lines.iter().any(|got| got == line), "{line}\n{lines:#?}");
        }
    }
}
