//! Why `send()` had no room: the question of a program that watched one sender for a while.
//!
//! The rules about sockets come first; they learn from [`Watched::still_ms`] how long nothing moved. Where
//! they are silent, bytes still flow, and the kernel's own account of the time says what held them up
//! (`tcp_chrono_stat` in `net/ipv4/tcp_output.c`): the peer's window, our send buffer, or neither, which
//! leaves the network.

mod rules;

pub use rules::*;

use super::socket::{
    BOTH_WAIT_TO_BE_READ, NOT_ACCEPTED, peer_window_closed, udp_receive_buffer_full,
};
use super::{diag, diag_count, meminfo, tcp_info, watch_program};
use crate::diagnose::{
    Case, Command, Finding, NextStep, Role, Rule, Severity, Subject, Value, about, words,
};
use crate::host::SocketAt;
use crate::sockdiag::{SkMemInfo, TcpInfoValues};
use crate::sockets::{Proto, Socket, State};

/// A sender, and what its watcher knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watched {
    /// Its socket.
    pub at: SocketAt,
    /// The socket at the other end, if it is on this host; for UDP the one that is bound there.
    pub receiver: Option<SocketAt>,
    /// The one that listens there.
    pub listener: Option<SocketAt>,
    /// For how long nothing has moved, in milliseconds.
    pub still_ms: Option<u32>,
    /// What its time went to.
    pub flow: Option<Flow>,
    /// How it looked when there was no room; `None` if no send had to wait.
    pub waits: Option<Waits>,
    /// Bytes that the program at the other end has read, if known.
    pub consumed: Option<u64>,
    /// `TCP_NOTSENT_LOWAT`, if set: bytes.
    pub lowat: Option<u32>,
}

/// What the time of a connection went to, by the kernel's account (`tcp_info`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flow {
    /// The time in which there was something to send or to be acknowledged (`tcpi_busy_time`):
    /// microseconds.
    pub busy_us: u64,
    /// Of it, the time in which the peer's window was too small for the next segment
    /// (`tcpi_rwnd_limited`): microseconds.
    pub rwnd_limited_us: u64,
    /// Of it, the time in which a full send buffer was all on its way (`tcpi_sndbuf_limited`):
    /// microseconds.
    pub sndbuf_limited_us: u64,
}

impl Flow {
    /// A part of the time, in percent of it.
    fn percent(self, part_us: u64) -> Option<u64> {
        part_us.saturating_mul(100).checked_div(self.busy_us)
    }

    /// The time in which neither end held the sender up: microseconds.
    fn network_us(self) -> u64 {
        let ends = self.rwnd_limited_us.saturating_add(self.sndbuf_limited_us);
        self.busy_us.saturating_sub(ends)
    }

    /// From a sample, if it has all of this.
    pub fn of(info: &TcpInfoValues) -> Option<Flow> {
        Some(Flow {
            busy_us: info.busy_time_us?,
            rwnd_limited_us: info.rwnd_limited_us?,
            sndbuf_limited_us: info.sndbuf_limited_us?,
        })
    }
}

/// How the connection looked each time that there was no room.
///
/// The kernel's own account of a full buffer begins only when a segment leaves while somebody waits
/// for room, so a sender that tries again and again does not show in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Waits {
    /// How often it was looked at.
    pub looks: u64,
    /// How often the send buffer was full, all of it on its way, and both the peer and the network would
    /// have taken more.
    pub all_in_flight: u64,
}

impl Waits {
    /// Takes a look; `memory` is the fill level of the buffer.
    pub fn look(&mut self, info: &TcpInfoValues, memory: &SkMemInfo) {
        self.looks += 1;
        self.all_in_flight += u64::from(Self::is_all_in_flight(info, memory) == Some(true));
    }

    fn is_all_in_flight(info: &TcpInfoValues, memory: &SkMemInfo) -> Option<bool> {
        let (queued, limit) = (memory.wmem_queued_bytes?, memory.sndbuf_bytes?);
        let full = u64::from(queued) * 3 >= u64::from(limit) * 2;
        let in_flight = u64::from(info.unacked?) * u64::from(info.snd_mss_bytes?);
        let window_has_room = u64::from(info.snd_wnd_bytes?) > in_flight;
        let network_has_room = info.unacked? < info.snd_cwnd?;
        Some(full && info.notsent_bytes? == 0 && window_has_room && network_has_room)
    }
}

/// What holds up the sender that was watched; `None` if the figures do not tell.
pub fn verdict(case: &Case<'_>) -> Option<Finding> {
    let watched = case.sender?;
    match case.socket(watched.at).proto {
        Proto::UnixStr | Proto::UnixSeq => unix(case, watched, &UNIX_PEER_NOT_READING),
        Proto::UnixDgr => unix(case, watched, &UNIX_DATAGRAMS_NOT_READ),
        Proto::Udp | Proto::Udplite => Some(udp(case, watched)),
        _ => tcp(case, watched),
    }
}

/// A finding about the sender.
fn of_sender(
    rule: &'static Rule,
    watched: &Watched,
    severity: Severity,
    headline: impl Into<String>,
) -> Finding {
    Finding {
        next: vec![NextStep::Sentence(rule.next.into())],
        ..Finding::new(rule, severity, Subject::Socket(watched.at), headline)
    }
}

fn tcp(case: &Case<'_>, watched: &Watched) -> Option<Finding> {
    if let Some(finding) = peer_window_closed::check(case, watched.at) {
        return Some(stuck(case, watched, finding));
    }
    if let Some(finding) = about(case, watched.at).into_iter().next() {
        return Some(finding);
    }
    match watched.waits {
        None => Some(never_waited(watched)),
        Some(_) if watched.consumed == Some(0) => Some(nothing_read(case, watched)),
        Some(waits) => held_up(case, watched, waits),
    }
}

/// The peer's window is closed: because the connection was not accepted, because the peer waits until we
/// read, because it reads slowly, or because it does not read.
fn stuck(case: &Case<'_>, watched: &Watched, finding: Finding) -> Finding {
    let socket = case.socket(watched.at);
    // The end of the peer's stream counts as a byte that can be read.
    let end = u32::from(socket.state == State::CloseWait);
    let unread = socket.recv_q.saturating_sub(end);
    if let Some(receiver) = watched.receiver
        && case.socket(receiver).inode == 0
    {
        return not_accepted(case, watched, finding);
    }
    if unread > 0 {
        return both_wait(watched, finding, unread);
    }
    let headline = match watched.consumed {
        Some(read @ 1..) => return closes_now_and_then(watched, finding, read),
        Some(0) => format!("the peer does not read: {}", finding.headline),
        // A window may stay closed for seconds while 64 KiB of it are read.
        None => format!(
            "the peer does not read, or very slowly: {}",
            finding.headline
        ),
    };
    Finding {
        headline,
        ..finding
    }
}

/// The program has read nothing, and what it was sent last is still in flight.
fn nothing_read(case: &Case<'_>, watched: &Watched) -> Finding {
    let receiver = watched.receiver;
    let unread = receiver.map_or(0, |at| case.socket(at).recv_q);
    let headline = format!(
        "the peer does not read: {} queued there, none read",
        words::bytes(unread)
    );
    Finding {
        facts: vec![diag("idiag_rqueue", Value::Bytes(unread.into()))],
        ruled_out: "Not a slow reader: a slow one would have read something.",
        ..of_sender(&NOTHING_READ, watched, Severity::Warning, headline)
    }
}

/// The connection waits in the queue of a listener.
fn not_accepted(case: &Case<'_>, watched: &Watched, closed: Finding) -> Finding {
    let listener = watched.listener.filter(|at| case.socket(*at).inode != 0);
    let role = |role, at: Option<SocketAt>| at.map(|at| (role, Subject::Socket(at)));
    let others = [
        role(Role::OtherEnd, watched.receiver),
        role(Role::Listener, listener),
    ];
    let mut facts = closed.facts;
    facts.push(diag_count("inode of the other end", 0));
    let listener: Vec<SocketAt> = listener.into_iter().collect();
    Finding {
        others: others.into_iter().flatten().collect(),
        facts,
        meaning: "The kernel of the server's host completed the connection and took what fits into the \
            receive buffer. The program that listens has not called accept(), so nothing can read.",
        ruled_out: "Not a program that reads slowly: the socket at the other end has no owner yet.",
        next: watch_program(
            case,
            &listener,
            "It shows what the program that listens does instead of accept().",
        ),
        ..of_sender(
            &NOT_ACCEPTED,
            watched,
            Severity::Warning,
            format!("the connection was not accepted: {}", closed.headline),
        )
    }
}

/// The peer does not read, because it waits until we do.
fn both_wait(watched: &Watched, closed: Finding, unread: u32) -> Finding {
    let headline = format!(
        "both ends wait to be read: {}, and {} of the peer's queued here",
        closed.headline,
        words::bytes(unread)
    );
    let mut facts = closed.facts;
    facts.push(diag("idiag_rqueue", Value::Bytes(unread.into())));
    Finding {
        facts,
        ruled_out: "The peer is not dead: it has sent data, which is queued here.",
        ..of_sender(&BOTH_WAIT_TO_BE_READ, watched, Severity::Error, headline)
    }
}

/// The window is closed at this moment, but what the peer has read says that it opens again.
fn closes_now_and_then(watched: &Watched, closed: Finding, read: u64) -> Finding {
    let headline = format!("the peer reads slowly: {}", closed.headline);
    let mut facts = closed.facts;
    facts.push(tcp_info(
        "tcpi_bytes_acked less the Recv-Q of the other end",
        Value::Bytes(read),
    ));
    Finding {
        facts,
        ruled_out: "Not stuck: the peer has read some of what it was sent.",
        ..of_sender(&PEER_READS_SLOWLY, watched, Severity::Warning, headline)
    }
}

/// Both ends have the same address, or loopback ones.
fn is_on_this_host(socket: &Socket) -> bool {
    let peer = socket.peer.ip();
    peer.is_some_and(|ip| ip.is_loopback()) || (peer.is_some() && peer == socket.local.ip())
}

/// Datagrams: the sender never waits, and only the receiver's socket knows.
fn udp(case: &Case<'_>, watched: &Watched) -> Finding {
    let known = watched
        .receiver
        .and_then(|at| Some((at, case.socket(at).memory()?)));
    let Some((receiver, memory)) = known else {
        let mut finding = of_sender(
            &UDP_TELLS_NOTHING,
            watched,
            Severity::Notice,
            "no send() failed, which says nothing about what arrived",
        );
        finding.ruled_out = "Not known to be a closed port: no ICMP error came back.";
        finding.next = vec![
            Command::of("sockdoc sockets -u --cols local,recv-q,drops").into(),
            "Run it on the receiver's host: it shows what its socket dropped.".into(),
        ];
        return finding;
    };
    let full = udp_receive_buffer_full::check(case, receiver);
    let dropped = || {
        (memory.drops > Some(0))
            .then(|| udp_receive_buffer_full::found(case, receiver))
            .flatten()
    };
    full.or_else(dropped)
        .unwrap_or_else(|| never_waited(watched))
}

fn never_waited(watched: &Watched) -> Finding {
    Finding {
        ruled_out: "Neither end is stuck.",
        ..of_sender(
            &NEVER_BLOCKED,
            watched,
            Severity::Notice,
            "no send() had to wait: the buffers took all that was sent",
        )
    }
}

fn held_up(case: &Case<'_>, watched: &Watched, waits: Waits) -> Option<Finding> {
    let flow = watched.flow?;
    let (rwnd, sndbuf) = (
        flow.percent(flow.rwnd_limited_us)?,
        flow.percent(flow.sndbuf_limited_us)?,
    );
    let in_flight = waits.all_in_flight * 2 > waits.looks;
    let most = flow
        .rwnd_limited_us
        .max(flow.sndbuf_limited_us)
        .max(flow.network_us());
    let finding = |rule, severity, headline: String, ruled_out| Finding {
        facts: facts(flow, waits),
        ruled_out,
        ..of_sender(rule, watched, severity, headline)
    };
    Some(if most == flow.rwnd_limited_us {
        finding(
            &PEER_READS_SLOWLY,
            Severity::Warning,
            format!("the peer reads slowly: its window held us up for {rwnd} % of the time"),
            "Not stuck: the peer's window opens again and again. The network and the send buffer have room.",
        )
    } else if in_flight || most == flow.sndbuf_limited_us {
        let headline = if in_flight {
            "the send buffer is too small: whenever it was full, all of it was in flight".to_owned()
        } else {
            format!(
                "the send buffer is too small: for {sndbuf} % of the time it was full, and all of it in \
                 flight"
            )
        };
        finding(
            &SEND_BUFFER_TOO_SMALL,
            Severity::Warning,
            headline,
            "Not the peer: its window is open.",
        )
    } else if let Some(lowat) = watched.lowat {
        finding(
            &LOWAT_IS_THE_LIMIT,
            Severity::Notice,
            format!("TCP_NOTSENT_LOWAT is the limit: at most {lowat} bytes may be unsent"),
            "Neither end: the peer's window is open, and the send buffer is not full.",
        )
    } else if is_on_this_host(case.socket(watched.at)) {
        finding(
            &HOST_IS_THE_LIMIT,
            Severity::Notice,
            "as fast as this host is: both ends are on it, and neither held the other up"
                .to_owned(),
            "No network is between the ends, and the peer's window is open.",
        )
    } else {
        let neither = 100 - (rwnd + sndbuf).min(100);
        finding(
            &NETWORK_IS_THE_LIMIT,
            Severity::Notice,
            format!("the network is the limit: for {neither} % of the time neither end held it up"),
            "Neither end: the peer's window is open and the send buffer has room.",
        )
    })
}

fn facts(flow: Flow, waits: Waits) -> Vec<crate::diagnose::Fact> {
    let ms = |us: u64| Value::Millis(us / 1000);
    let mut facts = vec![
        tcp_info("tcpi_busy_time", ms(flow.busy_us)),
        tcp_info("tcpi_rwnd_limited", ms(flow.rwnd_limited_us)),
        tcp_info("tcpi_sndbuf_limited", ms(flow.sndbuf_limited_us)),
    ];
    if waits.looks > 0 {
        facts.push(tcp_info(
            "full buffers with tcpi_notsent_bytes 0",
            Value::Share(waits.all_in_flight, waits.looks),
        ));
    }
    facts
}

/// The sender of Unix sockets: what it sends is charged to it until it is read.
fn unix(case: &Case<'_>, watched: &Watched, rule: &'static Rule) -> Option<Finding> {
    let memory = case.socket(watched.at).memory()?;
    let (used, limit) = (memory.wmem_alloc_bytes?, memory.sndbuf_bytes?);
    let headline = format!(
        "the peer does not read: {} of the sender's {} are in its queue",
        words::bytes(used),
        words::bytes(limit)
    );
    let receiver: Vec<SocketAt> = watched.receiver.into_iter().collect();
    Some(Finding {
        facts: vec![
            meminfo("wmem_alloc", Value::Bytes(used.into())),
            meminfo("sndbuf", Value::Bytes(limit.into())),
        ],
        ruled_out: rule.look_alikes,
        next: watch_program(
            case,
            &receiver,
            "It shows why the program at the other end does not read.",
        ),
        ..of_sender(rule, watched, Severity::Warning, headline)
    })
}

#[cfg(test)]
mod tests;
