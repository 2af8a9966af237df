//! Why `send()` had no room: the question of somebody who watched one sender for a while.
//!
//! The rules come first: they see one sample, and `TcpEvidence::still_ms` tells them how long nothing
//! moved. Where they are silent, bytes still flow, and the kernel's own account of the time says what
//! held them up (`tcp_chrono_stat` in `net/ipv4/tcp_output.c`): the peer's window, our send buffer, or
//! neither, which leaves the network.

use super::rules::{diag, meminfo, peer_window_closed, tcp_info, udp_receive_buffer_full};
use super::{Evidence, Finding, Severity, diagnose, words};
use crate::sockdiag::{SkMemInfo, TcpInfoValues};
use crate::sockets::{Proto, Socket, State};

/// A sender, and what its watcher knows.
#[derive(Debug, Clone, Copy)]
pub struct Watched<'a> {
    /// Its socket; of UDP with the memory of the receiver's.
    pub evidence: Evidence<'a>,
    /// What its time went to.
    pub flow: Option<Flow>,
    /// How it looked when there was no room; `None` if no send had to wait.
    pub waits: Option<Waits>,
    /// Bytes that the program at the other end has read, where that can be known.
    pub consumed: Option<u64>,
    /// The socket at the other end, where it is on this host.
    pub receiver: Option<&'a Socket>,
    /// Who listens there.
    pub listener: Option<&'a Socket>,
    /// `TCP_NOTSENT_LOWAT`, where it was set: bytes.
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
    /// From a sample, where it tells all of this.
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
    /// Takes a look; `memory` tells how full the buffer is.
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

/// What holds up the sender; `None` if the figures do not tell.
pub fn why(watched: &Watched<'_>) -> Option<Finding> {
    let evidence = &watched.evidence;
    match evidence.socket.proto {
        Proto::UnixStr | Proto::UnixSeq => unix(
            evidence,
            "unix_peer_not_reading",
            "A unix socket has one buffer: what is sent lies in the receiver's queue at once and is \
             charged to the sender, with all the memory that the kernel needs for it (truesize). Small \
             sends cost much more than their bytes.",
            "There is no network and no window: only the program at the other end can make room.",
        ),
        Proto::UnixDgr => unix(
            evidence,
            "unix_datagrams_not_read",
            "Unix datagrams are never dropped: the sender waits. Its buffer bounds them, each with all \
             the memory that the kernel needs for it (truesize); a receiver with a name also takes no \
             more than net.unix.max_dgram_qlen of them.",
            "There is no network, and nothing was lost: a sender of UDP would not have waited.",
        ),
        Proto::Udp | Proto::Udplite => Some(udp(evidence)),
        _ => tcp(watched),
    }
}

fn tcp(watched: &Watched<'_>) -> Option<Finding> {
    let evidence = &watched.evidence;
    let closed = if watched.consumed == Some(0) {
        // Nothing was read at all: that its window is closed for a moment only is not to be feared.
        peer_window_closed::found(evidence, 0)
    } else {
        (peer_window_closed::RULE.check)(evidence)
    };
    if let Some(finding) = closed {
        return Some(stuck(watched, finding));
    }
    if let Some(finding) = diagnose(evidence).into_iter().next() {
        return Some(finding);
    }
    match watched.waits {
        None => Some(never_waited()),
        Some(_) if watched.consumed == Some(0) => Some(nothing_read(watched)),
        Some(waits) => held_up(watched, waits),
    }
}

/// The peer's window is closed: because nobody accepted the connection, because the peer waits until we
/// read, because it reads slowly, or because it does not read.
fn stuck(watched: &Watched<'_>, finding: Finding) -> Finding {
    let socket = watched.evidence.socket;
    // The end of the peer's stream counts as a byte that can be read.
    let end = u32::from(socket.state == State::CloseWait);
    let unread = socket.recv_q.saturating_sub(end);
    if let Some(0) = watched.receiver.map(|receiver| receiver.inode) {
        return not_accepted(watched, finding);
    }
    if unread > 0 {
        return both_wait(finding, unread);
    }
    let text = match watched.consumed {
        Some(read @ 1..) => return closes_now_and_then(finding, read),
        Some(0) => format!("the peer does not read: {}", finding.text),
        // A window may stay closed for seconds while 64 KiB of it are read.
        None => format!("the peer does not read, or very slowly: {}", finding.text),
    };
    Finding { text, ..finding }
}

/// The program has read nothing, and what it was sent last is still on its way.
fn nothing_read(watched: &Watched<'_>) -> Finding {
    let unread = watched.receiver.map_or(0, |receiver| receiver.recv_q);
    Finding {
        id: "nothing_read",
        severity: Severity::Warning,
        text: format!(
            "the peer does not read: {} wait there, and none was read",
            words::bytes(unread)
        ),
        evidence: vec![diag("idiag_rqueue", &unread)],
        explanation: "The program at the other end has read nothing so far. Its buffer still takes some: \
            the window closes when that is full.",
        ruled_out: "It is no slow reader: a slow one would have read something.",
        next: "Give it more time to settle (--settle, --duration); at a server: sockdoc sockets \
            --problems"
            .to_owned(),
    }
}

/// The connection waits in the queue of a listener.
fn not_accepted(watched: &Watched<'_>, finding: Finding) -> Finding {
    let mut facts = finding.evidence;
    facts.push(diag("other_end_inode", &0));
    let listener = watched.listener.filter(|listener| listener.inode != 0);
    facts.extend(listener.map(|listener| diag(super::refine::LISTENER, &listener.inode)));
    Finding {
        id: "not_accepted",
        severity: Severity::Warning,
        text: format!("nobody has accepted the connection: {}", finding.text),
        evidence: facts,
        explanation: "The kernel of the server's host completed the connection and took what fits into \
            the receive buffer; the program that listens has not called accept(), so nobody can read.",
        ruled_out: "It is no program that reads slowly: the socket at the other end has no owner yet.",
        next: "See what the program that listens does instead of accept(): strace -f -p PID"
            .to_owned(),
    }
}

/// The peer does not read, because it waits until we do.
fn both_wait(finding: Finding, unread: u32) -> Finding {
    let mut facts = finding.evidence;
    facts.push(diag("idiag_rqueue", &unread));
    Finding {
        id: "both_wait_to_be_read",
        severity: Severity::Error,
        text: format!(
            "both ends wait to be read: {}, and {} of the peer's wait here",
            finding.text,
            words::bytes(unread)
        ),
        evidence: facts,
        explanation: "The peer has sent something that we have not read. If our receive buffer is full, \
            it cannot send more, so it does not read either, and this lasts for ever.",
        ruled_out: "The peer is no dead program: it has sent data, which waits here.",
        next:
            "Read while sending: wait with poll() for POLLIN and POLLOUT, and take what comes first"
                .to_owned(),
    }
}

/// The window is closed at this moment, but what the peer has read says that it opens again.
fn closes_now_and_then(finding: Finding, read: u64) -> Finding {
    let mut facts = finding.evidence;
    facts.push(super::Fact {
        source: "tcp_info",
        field: "tcpi_bytes_acked",
        value: format!("{read} bytes more than the other end's Recv-Q holds: they were read"),
    });
    Finding {
        id: READS_SLOWLY,
        severity: Severity::Warning,
        text: format!("the peer reads slowly: {}", finding.text),
        evidence: facts,
        explanation: EXPLAIN_SLOW,
        ruled_out: "It is not stuck: it has read some of what it was sent.",
        next: NEXT_SLOW.to_owned(),
    }
}

const READS_SLOWLY: &str = "peer_reads_slowly";
const EXPLAIN_SLOW: &str = "The program at the other end reads, but more slowly than this side writes: its \
    receive buffer is full most of the time.";
const NEXT_SLOW: &str =
    "Look at what the program does between two reads; a larger buffer only delays this";

/// Both ends have the same address, or loopback ones.
fn is_on_this_host(socket: &Socket) -> bool {
    let peer = socket.peer.ip();
    peer.is_some_and(|ip| ip.is_loopback()) || (peer.is_some() && peer == socket.local.ip())
}

/// Datagrams: the sender never waits, and only the receiver's socket knows.
fn udp(receiver: &Evidence<'_>) -> Finding {
    let full = (udp_receive_buffer_full::RULE.check)(receiver);
    let dropped = receiver.memory.filter(|memory| memory.drops > Some(0));
    full.or_else(|| udp_receive_buffer_full::found(dropped?))
        .unwrap_or_else(|| match receiver.memory {
            Some(_) => never_waited(),
            None => Finding {
                id: "udp_tells_nothing",
                severity: Severity::Notice,
                text: "no send() failed, which says nothing about what arrived".to_owned(),
                evidence: Vec::new(),
                explanation: "A datagram is sent and forgotten: what the network or a full receive \
                    buffer drops is told to nobody. Only a closed port answers, by ICMP.",
                ruled_out: "The port is not known to be closed: no ICMP error came back.",
                next: "On the receiver's host: sockdoc sockets -u --cols local,recv-q,drops, and nstat \
                    -az UdpRcvbufErrors"
                    .to_owned(),
            },
        })
}

fn never_waited() -> Finding {
    Finding {
        id: "never_blocked",
        severity: Severity::Notice,
        text: "no send() had to wait: the buffers took all that was sent".to_owned(),
        evidence: Vec::new(),
        explanation: "The receiver reads at least as fast as this side writes, or the buffers hold all \
            that was sent.",
        ruled_out: "Neither end is stuck.",
        next: "Send more (--max-bytes), or ask for smaller buffers (--sndbuf, --rcvbuf)".to_owned(),
    }
}

fn held_up(watched: &Watched<'_>, waits: Waits) -> Option<Finding> {
    let Flow {
        busy_us,
        rwnd_limited_us,
        sndbuf_limited_us,
    } = watched.flow?;
    let network_us = busy_us.saturating_sub(rwnd_limited_us + sndbuf_limited_us);
    let percent = |part: u64| part.saturating_mul(100).checked_div(busy_us);
    let (rwnd, sndbuf) = (percent(rwnd_limited_us)?, percent(sndbuf_limited_us)?);
    let ms = |us: u64| format!("{} ms", us / 1000);
    let Waits {
        looks,
        all_in_flight,
    } = waits;
    let in_flight = all_in_flight * 2 > looks;
    let mut facts = vec![
        tcp_info("tcpi_busy_time", &ms(busy_us)),
        tcp_info("tcpi_rwnd_limited", &ms(rwnd_limited_us)),
        tcp_info("tcpi_sndbuf_limited", &ms(sndbuf_limited_us)),
    ];
    if looks > 0 {
        let seen = format!("0 in {all_in_flight} of {looks} looks at the full buffer");
        facts.push(tcp_info("tcpi_notsent_bytes", &seen));
    }
    let most = rwnd_limited_us.max(sndbuf_limited_us).max(network_us);
    let (id, severity, text, explanation, ruled_out, next) = if most == rwnd_limited_us {
        (
            READS_SLOWLY,
            Severity::Warning,
            format!("the peer reads slowly: its window held us up for {rwnd} % of the time"),
            EXPLAIN_SLOW,
            "It is not stuck: its window opens again and again. The network and our buffer have room.",
            NEXT_SLOW,
        )
    } else if in_flight || most == sndbuf_limited_us {
        (
            "send_buffer_too_small",
            Severity::Warning,
            if in_flight {
                "the send buffer is too small: whenever it was full, all of it was on its way"
                    .to_owned()
            } else {
                format!(
                    "the send buffer is too small: for {sndbuf} % of the time it was full, and all of \
                     it on its way"
                )
            },
            "All that fits into our buffer is sent and waits for its acknowledgement, while the peer \
             and the network would take more.",
            "It is not the peer: its window is open.",
            "Do not set SO_SNDBUF, so that the kernel tunes it; or give it the bandwidth times the \
             round-trip time. The ceiling: sysctl net.ipv4.tcp_wmem",
        )
    } else if let Some(lowat) = watched.lowat {
        (
            "lowat_is_the_limit",
            Severity::Notice,
            format!(
                "TCP_NOTSENT_LOWAT is the limit: {lowat} bytes not sent yet are as many as may wait"
            ),
            "The option keeps the send buffer short, so that data is handed over late; there is no room \
             for more until some of it is sent.",
            "It is neither end: the peer's window is open, and the send buffer is not full.",
            "Without the option the buffer takes more, and what waits in it is older when it is sent",
        )
    } else if is_on_this_host(watched.evidence.socket) {
        (
            "host_is_the_limit",
            Severity::Notice,
            "as fast as this host is: both ends are on it, and neither held the other up"
                .to_owned(),
            "The buffers fill between two turns of the receiver, which reads as fast as the processor lets \
             it.",
            "There is no network between the ends, and the peer's window is open.",
            "Nothing is wrong; to see a path's limit send to another host",
        )
    } else {
        let neither = 100 - (rwnd + sndbuf).min(100);
        (
            "network_is_the_limit",
            Severity::Notice,
            format!("the network is the limit: for {neither} % of the time neither end held it up"),
            "What waits here waits for its turn on the path: its bandwidth, the congestion window, or \
             lost segments that are sent again.",
            "It is neither end: the peer's window is open and our buffer has room.",
            "See retransmissions and the congestion window of the connection: sockdoc sockets -i",
        )
    };
    Some(Finding {
        id,
        severity,
        text,
        evidence: facts,
        explanation,
        ruled_out,
        next: next.to_owned(),
    })
}

/// The sender of unix sockets: what it sends is charged to it until it is read.
fn unix(
    evidence: &Evidence<'_>,
    id: &'static str,
    explanation: &'static str,
    ruled_out: &'static str,
) -> Option<Finding> {
    let memory = evidence.memory?;
    let (used, limit) = (memory.wmem_alloc_bytes?, memory.sndbuf_bytes?);
    Some(Finding {
        id,
        severity: Severity::Warning,
        text: format!(
            "the peer does not read: {} of the sender's {} are in its queue",
            words::bytes(used),
            words::bytes(limit)
        ),
        evidence: vec![
            meminfo("wmem_alloc", &format!("{used} bytes")),
            meminfo("sndbuf", &format!("{limit} bytes")),
        ],
        explanation,
        ruled_out,
        next: "See why the program at the other end does not read: sockdoc sockets -x names it, strace \
            -f -p PID shows it"
            .to_owned(),
    })
}

#[cfg(test)]
#[path = "blocked_tests.rs"]
mod tests;
