//! The verdict: what the sender's socket and the watch of it say to the rules.

use crate::diagnose::rules::sender::{Flow, Watched, verdict};
use crate::diagnose::{Case, Command, Finding, NextStep};
use crate::fill::{Report, Sample, Stop, Variant};
use crate::host::{Index, SocketAt};
use crate::sockets::{Details, Family, Proto, Socket, State, Timer, TimerKind};
use crate::sys::fill::ends::Ends;
use crate::sys::fill::look;
use crate::sys::fill::rows::Rows;

/// The reason why the sender had no room, if one is known. Puts into the rows what the descriptors tell, which
/// is younger.
pub(super) fn judge(
    report: &Report,
    sample: &Sample,
    ends: &Ends,
    rows: &mut Rows,
) -> Option<Finding> {
    let at = put_sender(report, sample, ends, rows);
    if let (Some(receiver), Some(end)) = (rows.receiver, &sample.receiver) {
        let socket = &mut rows.sample.sockets[receiver.0 as usize];
        details(socket).memory = end.memory;
    }
    let still = (report.stop == Stop::Settled).then_some(report.plan.settle);
    let watched = Watched {
        at,
        receiver: rows.receiver,
        listener: rows.listener,
        still_ms: still.map(|still| u32::try_from(still.as_millis()).unwrap_or(u32::MAX)),
        flow: sample.sender.tcp.as_deref().and_then(Flow::of),
        waits: report.timeline.first_block().map(|_| report.waits),
        consumed: consumed(report, sample, rows),
        lowat: report.limits.lowat,
    };
    let index = Index::new(&rows.sample);
    let mut finding = verdict(&Case {
        sender: Some(&watched),
        ..Case::new(&index)
    })?;
    let traces = |step: &NextStep| matches!(step, NextStep::Command(it) if it.0.iter().any(|word| word == "strace"));
    if report.both_ends && finding.next.iter().any(traces) {
        // Looking at ourselves would be of no use to anybody.
        finding.next = vec![
            Command::of("sockdoc sockets --problems").into(),
            "On a real server this names the process, and what to do. Here the receiver is sockdoc itself, \
             which does not read on purpose."
                .into(),
        ];
    }
    Some(finding)
}

/// The sender's row, with what its descriptor tells. Where the host's sockets cannot be listed, that is
/// enough.
fn put_sender(report: &Report, sample: &Sample, ends: &Ends, rows: &mut Rows) -> SocketAt {
    let sockets = &mut rows.sample.sockets;
    let at = *rows.sender.get_or_insert_with(|| {
        sockets.push(unlisted(report, sample, ends));
        SocketAt(u32::try_from(sockets.len() - 1).unwrap_or(u32::MAX))
    });
    let sender = &mut sockets[at.0 as usize];
    if report.variant == Variant::Tcp {
        sender.tcp = look::figures(ends.sender()).into();
    }
    details(sender).memory = sample.sender.memory;
    at
}

fn details(socket: &mut Socket) -> &mut Details {
    socket.details.get_or_insert_default()
}

/// Bytes that the receiver's program has read. A receiver of ours reads only when it drains; of one on
/// this host the rest of the acknowledged data is in its Recv-Q.
fn consumed(report: &Report, sample: &Sample, rows: &Rows) -> Option<u64> {
    if report.both_ends {
        return Some(0);
    }
    let unread = u64::from(rows.sample.socket(rows.receiver?).recv_q);
    Some(sample.sender.acknowledged()?.saturating_sub(unread))
}

/// The descriptor's values, as a row.
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
