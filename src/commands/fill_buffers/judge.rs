//! The verdict: what the sender's socket and the watch of it say to the rules.

use crate::diagnose::blocked::{Flow, why};
use crate::diagnose::refine::refine;
use crate::diagnose::{Evidence, Finding, TcpEvidence};
use crate::fill::{Report, Sample, Stop, Variant};
use crate::sockets::{Family, Proto, Socket, State};
use crate::sys::fill::rows::Rows;

/// Asks the rules why there is no room; the finding then stands at the sender's row too. `tcp`: what the
/// rules look at, of the sender.
pub(super) fn judge(
    report: &Report,
    sample: &Sample,
    tcp: TcpEvidence,
    rows: &mut Rows,
) -> Option<Finding> {
    let sockets = &mut rows.snapshot.sockets;
    let index = if let Some(index) = rows.sender {
        index
    } else {
        // Where the host's sockets cannot be listed, what the descriptor tells is enough.
        sockets.push(unlisted(report, sample));
        *rows.sender.insert(sockets.len() - 1)
    };
    let still = (report.stop == Stop::Settled).then_some(report.plan.settle);
    let still_ms = still.map(|still| u32::try_from(still.as_millis()).unwrap_or(u32::MAX));
    // Of UDP it is the receiver's memory that is full.
    let judged = match (report.variant, &sample.receiver) {
        (Variant::Udp, receiver) => receiver.as_ref()?,
        _ => &sample.sender,
    };
    let evidence = Evidence {
        socket: &sockets[index],
        tcp: TcpEvidence { still_ms, ..tcp },
        memory: judged.memory,
    };
    let waits = report.timeline.first_block().map(|_| report.waits);
    let flow = sample.sender.tcp.as_deref().and_then(Flow::of);
    let found = why(&evidence, flow, waits)?;
    sockets[index].findings = vec![found];
    refine(sockets);
    let finding = sockets[index].findings.first_mut()?;
    if report.both_ends && finding.next.contains("PID") {
        // Looking at ourselves would be of no use to anybody.
        "Here the receiver is sockdoc itself, which does not read on purpose. At a server of your own: \
         sockdoc sockets --problems names the process, and what to do with it"
            .clone_into(&mut finding.next);
    }
    Some(finding.clone())
}

/// What the descriptor tells, as a row.
fn unlisted(report: &Report, sample: &Sample) -> Socket {
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
        ..Socket::blank(proto, family, State::Established)
    }
}
