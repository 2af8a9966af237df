//! The verdict: what the sender's socket and the watch of it say to the rules.

use crate::diagnose::blocked::{Flow, Watched, why};
use crate::diagnose::refine::refine;
use crate::diagnose::{Evidence, TcpEvidence};
use crate::fill::{Report, Sample, Stop, Variant};
use crate::sockdiag::SkMemInfo;
use crate::sockets::{Family, Proto, Socket, State, Timer, TimerKind};
use crate::sys::fill::ends::Ends;
use crate::sys::fill::look;
use crate::sys::fill::rows::Rows;

/// The sender's socket with the reason why it had no room, if one is known.
pub(super) fn judge(report: &Report, sample: &Sample, ends: &Ends, rows: &Rows) -> Socket {
    let mut sender = match rows.sender() {
        Some(sender) => sender.clone(),
        // Where the host's sockets cannot be listed, what the descriptor tells is enough.
        None => unlisted(report, sample, ends),
    };
    let tcp = match report.variant {
        Variant::Tcp => look::evidence(ends.sender()),
        _ => TcpEvidence::default(),
    };
    let still = (report.stop == Stop::Settled).then_some(report.plan.settle);
    let still_ms = still.map(|still| u32::try_from(still.as_millis()).unwrap_or(u32::MAX));
    let found = why(&Watched {
        evidence: Evidence {
            socket: &sender,
            tcp: TcpEvidence { still_ms, ..tcp },
            memory: memory(report, sample, rows),
        },
        flow: sample.sender.tcp.as_deref().and_then(Flow::of),
        waits: report.timeline.first_block().map(|_| report.waits),
        consumed: consumed(report, sample, rows),
        receiver: rows.receiver(),
        listener: rows.listener(),
        lowat: report.limits.lowat,
    });
    sender.findings = found.into_iter().collect();
    // With the others, so that the process at the other end can be named.
    let mut host = vec![sender];
    host.extend(rows.receiver().cloned());
    refine(&mut host);
    let mut sender = host.swap_remove(0);
    for finding in &mut sender.findings {
        if report.both_ends && finding.next.contains("PID") {
            // Looking at ourselves would be of no use to anybody.
            "Here the receiver is sockdoc itself, which does not read on purpose. At a server of your \
             own: sockdoc sockets --problems names the process, and what to do with it"
                .clone_into(&mut finding.next);
        }
    }
    sender
}

/// What is full: of UDP the receiver's memory, else the sender's.
fn memory(report: &Report, sample: &Sample, rows: &Rows) -> Option<SkMemInfo> {
    if report.variant != Variant::Udp {
        return sample.sender.memory;
    }
    match &sample.receiver {
        Some(end) => end.memory,
        None => rows.receiver()?.details.as_ref()?.memory,
    }
}

/// Bytes that the receiver's program has read. A receiver of ours reads only when it drains; of one on
/// this host the rest of what was acknowledged lies in its Recv-Q.
fn consumed(report: &Report, sample: &Sample, rows: &Rows) -> Option<u64> {
    if report.both_ends {
        return Some(0);
    }
    let unread = u64::from(rows.receiver()?.recv_q);
    Some(sample.sender.acknowledged()?.saturating_sub(unread))
}

/// What the descriptor tells, as a row.
fn unlisted(report: &Report, sample: &Sample, ends: &Ends) -> Socket {
    let (proto, family) = match report.variant {
        Variant::Tcp => (Proto::Tcp, Family::Inet),
        Variant::Udp => (Proto::Udp, Family::Inet),
        Variant::UnixStreams => (Proto::UnixStr, Family::Unix),
        Variant::UnixDatagrams => (Proto::UnixDgr, Family::Unix),
    };
    let small = |count: Option<u64>| {
        count
            .and_then(|count| u32::try_from(count).ok())
            .unwrap_or(0)
    };
    Socket {
        send_q: small(sample.sender.send_queue),
        recv_q: small(sample.sender.recv_queue),
        timer: persist(sample),
        inode: ends.sender_inode().unwrap_or(0),
        ..Socket::blank(proto, family, State::Established)
    }
}

/// A closed window with nothing on its way is probed by the persist timer, which `tcp_info` does not
/// name.
fn persist(sample: &Sample) -> Option<Timer> {
    let tcp = sample.sender.tcp.as_ref()?;
    (tcp.snd_wnd_bytes == Some(0) && tcp.unacked == Some(0)).then_some(Timer {
        kind: TimerKind::Persist,
        expires_ms: 0,
        retransmits: tcp.probes.unwrap_or(0),
    })
}
