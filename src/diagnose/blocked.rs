//! Why `send()` had no room: the question of somebody who watched one sender for a while.
//!
//! The rules come first: they see one sample, and `TcpEvidence::still_ms` tells them how long nothing
//! moved. Where they are silent, bytes still flow, and the kernel's own account of the time says what
//! held them up (`tcp_chrono_stat` in `net/ipv4/tcp_output.c`): the peer's window, our send buffer, or
//! neither, which leaves the network.

use super::rules::{diag, meminfo, peer_window_closed, tcp_info};
use super::{Evidence, Finding, Severity, diagnose, words};
use crate::sockdiag::{SkMemInfo, TcpInfoValues};
use crate::sockets::Proto;

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

/// What holds up the sender that the evidence is of. `waits`: `None` if no send had to wait. The answer
/// is `None` if the figures do not tell.
pub fn why(evidence: &Evidence<'_>, flow: Option<Flow>, waits: Option<Waits>) -> Option<Finding> {
    match evidence.socket.proto {
        Proto::UnixStr | Proto::UnixSeq => unix_stream(evidence),
        Proto::UnixDgr => unix_datagram(evidence),
        _ => {
            let found = diagnose(evidence).into_iter().next();
            match found {
                Some(finding) if finding.id == peer_window_closed::RULE.id => {
                    Some(both_wait(evidence, finding))
                }
                Some(finding) => Some(finding),
                None => match waits {
                    None => Some(never_waited()),
                    Some(waits) => held_up(flow?, waits),
                },
            }
        }
    }
}

/// The peer does not read; perhaps because it waits until we do.
fn both_wait(evidence: &Evidence<'_>, finding: Finding) -> Finding {
    let unread = evidence.socket.recv_q;
    if unread == 0 {
        let text = format!("the peer does not read: {}", finding.text);
        return Finding { text, ..finding };
    }
    let mut facts = finding.evidence;
    facts.push(diag("idiag_rqueue", &unread));
    Finding {
        id: "both_wait_to_be_read",
        severity: Severity::Error,
        text: format!(
            "{}, and {} of the peer's wait here unread",
            finding.text,
            words::bytes(unread)
        ),
        evidence: facts,
        explanation: "Both ends send and neither reads: the peer's answers fill our receive buffer, so \
            it cannot send more, so it does not read. This lasts for ever.",
        ruled_out: "The peer is no dead program: it has answered, and its answers wait here.",
        next:
            "Read while sending: wait with poll() for POLLIN and POLLOUT, and take what comes first"
                .to_owned(),
    }
}

fn never_waited() -> Finding {
    Finding {
        id: "never_blocked",
        severity: Severity::Notice,
        text: "the receiver takes all that is sent: no send() had to wait".to_owned(),
        evidence: Vec::new(),
        explanation: "The receiver reads at least as fast as this side writes, or its buffers hold all \
            that was sent.",
        ruled_out: "Neither end is stuck.",
        next: "Send more (--max-bytes), or ask for smaller buffers (--sndbuf, --rcvbuf)".to_owned(),
    }
}

fn held_up(flow: Flow, waits: Waits) -> Option<Finding> {
    let Flow {
        busy_us,
        rwnd_limited_us,
        sndbuf_limited_us,
    } = flow;
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
            "peer_reads_slowly",
            Severity::Warning,
            format!("the peer reads slowly: its window held us up for {rwnd} % of the time"),
            "The program at the other end reads, but more slowly than this side writes: its receive \
             buffer is full most of the time.",
            "It is not stuck: its window opens again and again. The network and our buffer have room.",
            "Look at what the program does between two reads; a larger buffer only delays this",
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

/// The sender of a full pair of unix stream sockets.
fn unix_stream(evidence: &Evidence<'_>) -> Option<Finding> {
    let memory = evidence.memory?;
    let (used, limit) = (memory.wmem_alloc_bytes?, memory.sndbuf_bytes?);
    Some(Finding {
        id: "unix_peer_not_reading",
        severity: Severity::Warning,
        text: format!(
            "the peer does not read: the sender's buffer is full, {} of {}",
            words::bytes(used),
            words::bytes(limit)
        ),
        evidence: vec![
            meminfo("wmem_alloc", &format!("{used} bytes")),
            meminfo("sndbuf", &format!("{limit} bytes")),
        ],
        explanation: "A unix socket has one buffer: what is sent lies in the receiver's queue at once \
            and is charged to the sender, with all the memory that the kernel needs for it (truesize). \
            Small sends cost much more than their bytes.",
        ruled_out: "There is no network and no window: only the program at the other end can make room.",
        next: "See why the program at the other end does not read: sockdoc sockets -x names it, strace \
            -f -p PID shows it"
            .to_owned(),
    })
}

/// The sender of unix datagrams: its own buffer is full, or the receiver's queue has its number.
fn unix_datagram(evidence: &Evidence<'_>) -> Option<Finding> {
    let memory = evidence.memory?;
    let (used, limit) = (memory.wmem_alloc_bytes?, memory.sndbuf_bytes?);
    Some(Finding {
        id: "unix_datagrams_not_read",
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
        explanation: "Unix datagrams are never dropped: the sender waits. Its buffer bounds them, each \
            with all the memory that the kernel needs for it (truesize); a receiver with a name also \
            takes no more than net.unix.max_dgram_qlen of them.",
        ruled_out: "There is no network, and nothing was lost: a sender of UDP would not have waited.",
        next: "See why the program at the other end does not read: sockdoc sockets -x names it, strace \
            -f -p PID shows it"
            .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::TcpEvidence;
    use super::super::rules::sample::{socket, timer};
    use super::*;
    use crate::sockets::{Socket, State, TimerKind};

    fn spent(busy_us: u64, rwnd_limited_us: u64, sndbuf_limited_us: u64) -> Flow {
        Flow {
            busy_us,
            rwnd_limited_us,
            sndbuf_limited_us,
        }
    }

    fn flowing(flow: Option<Flow>, waited: bool) -> Option<&'static str> {
        let socket = socket(State::Established, 0, 50_000);
        let evidence = Evidence {
            socket: &socket,
            tcp: TcpEvidence::default(),
            memory: None,
        };
        why(&evidence, flow, waited.then(Waits::default)).map(|finding| finding.id)
    }

    /// A sender whose window is closed, watched for half a second, with so much unread itself.
    fn stuck(unread: u32) -> Finding {
        let mut socket = socket(State::Established, unread, 2_616_320);
        socket.timer = Some(timer(TimerKind::Persist, 0));
        let evidence = Evidence {
            socket: &socket,
            tcp: TcpEvidence {
                snd_wnd: Some(0),
                last_data_sent_ms: Some(240),
                still_ms: Some(500),
                ..TcpEvidence::default()
            },
            memory: None,
        };
        why(
            &evidence,
            Some(spent(500_000, 500_000, 0)),
            Some(Waits::default()),
        )
        .expect("a reason")
    }

    #[test]
    fn where_nothing_moves_the_rules_of_the_lister_speak() {
        let finding = stuck(0);
        assert_eq!(finding.id, "peer_window_closed");
        assert!(finding.text.contains("for 0.5 s"), "{finding:?}");
    }

    #[test]
    fn two_ends_that_wait_for_each_other_are_told_from_one_that_does_not_read() {
        let finding = stuck(70_000);
        assert_eq!(finding.id, "both_wait_to_be_read");
        assert!(finding.text.contains("68 KiB of the peer's"), "{finding:?}");
        assert!(finding.evidence.iter().any(|f| f.field == "idiag_rqueue"));
    }

    #[test]
    fn where_bytes_flow_the_largest_share_of_the_time_is_the_reason() {
        for (of, id) in [
            (spent(1_000, 800, 100), "peer_reads_slowly"),
            (spent(1_000, 100, 800), "send_buffer_too_small"),
            (spent(1_000, 100, 100), "network_is_the_limit"),
            (spent(1_000, 0, 0), "network_is_the_limit"),
        ] {
            assert_eq!(flowing(Some(of), true), Some(id));
        }
    }

    #[test]
    fn a_full_buffer_that_is_all_in_flight_is_too_small_whatever_the_kernels_account_says() {
        let memory = |queued: u32| {
            let numbers = [0_u32, 131_072, 0, 8_192, 0, queued];
            let bytes: Vec<u8> = numbers.into_iter().flat_map(u32::to_ne_bytes).collect();
            SkMemInfo::new(&bytes)
        };
        let flight = TcpInfoValues {
            notsent_bytes: Some(0),
            unacked: Some(6),
            snd_cwnd: Some(10),
            snd_mss_bytes: Some(1_448),
            snd_wnd_bytes: Some(65_000),
            ..TcpInfoValues::default()
        };
        let looked = |info: &TcpInfoValues, queued| {
            let mut waits = Waits::default();
            waits.look(info, &memory(queued));
            let socket = socket(State::Established, 0, 8_000);
            let evidence = Evidence {
                socket: &socket,
                tcp: TcpEvidence::default(),
                memory: None,
            };
            why(&evidence, Some(spent(1_000, 0, 0)), Some(waits)).map(|finding| finding.id)
        };
        assert_eq!(looked(&flight, 8_100), Some("send_buffer_too_small"));
        let but = |change: fn(&mut TcpInfoValues)| {
            let mut info = flight.clone();
            change(&mut info);
            looked(&info, 8_100)
        };
        let other = Some("network_is_the_limit");
        assert_eq!(looked(&flight, 1_000), other, "it is not full");
        assert_eq!(but(|info| info.notsent_bytes = Some(1)), other);
        assert_eq!(but(|info| info.unacked = Some(10)), other, "cwnd");
        assert_eq!(but(|info| info.snd_wnd_bytes = Some(8_000)), other);
        assert_eq!(but(|info| info.snd_cwnd = None), other);
    }

    #[test]
    fn nothing_is_said_without_figures_and_nothing_blamed_where_nobody_waited() {
        assert_eq!(flowing(None, true), None);
        assert_eq!(flowing(Some(spent(0, 0, 0)), true), None);
        assert_eq!(flowing(None, false), Some("never_blocked"));
    }

    #[test]
    fn a_unix_sender_is_judged_by_its_memory() {
        for (proto, id) in [
            (Proto::UnixStr, "unix_peer_not_reading"),
            (Proto::UnixDgr, "unix_datagrams_not_read"),
        ] {
            let socket = Socket {
                proto,
                ..socket(State::Established, 0, 0)
            };
            let mut bytes = Vec::new();
            for number in [0_u32, 212_992, 213_504, 212_992] {
                bytes.extend(number.to_ne_bytes());
            }
            let evidence = |memory| Evidence {
                socket: &socket,
                tcp: TcpEvidence::default(),
                memory,
            };
            let finding = why(&evidence(Some(SkMemInfo::new(&bytes))), None, None).expect("why");
            assert_eq!(finding.id, id);
            assert!(finding.text.contains("208 KiB"), "{finding:?}");
            assert_eq!(why(&evidence(None), None, None), None);
        }
    }
}
