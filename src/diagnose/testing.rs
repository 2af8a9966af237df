//! What the tests of the rules start from.

use super::{Case, Finding, diagnose};
use crate::host::{Delta, Index, Sample, SocketAt};
use crate::sockdiag::SkMemInfo;
use crate::sockets::{
    Address, Details, Family, Proto, Socket, State, TcpFigures, Timer, TimerKind,
};

/// A healthy TCP socket of a program.
pub(crate) fn socket(state: State, recv_q: u32, send_q: u32) -> Socket {
    let end = |port| Address::Ip {
        addr: [127, 0, 0, 1].into(),
        port,
        scope: 0,
    };
    Socket {
        local: end(80),
        peer: end(40_000),
        recv_q,
        send_q,
        inode: 7,
        cookie: Some(1),
        uid: Some(0),
        ..Socket::blank(Proto::Tcp, Family::Inet, state)
    }
}

pub(crate) fn timer(kind: TimerKind, retransmits: u8) -> Timer {
    Timer {
        kind,
        expires_ms: 800,
        retransmits,
    }
}

/// The socket with figures of its `tcp_info`.
pub(crate) fn figures(socket: Socket, figures: TcpFigures) -> Socket {
    Socket {
        tcp: figures.into(),
        ..socket
    }
}

/// A connection that has been idle for a day.
pub(crate) fn idle() -> TcpFigures {
    TcpFigures {
        last_data_recv_ms: Some(86_400_000),
        last_ack_recv_ms: Some(86_400_000),
        last_data_sent_ms: Some(86_400_000),
        rcv_wnd: Some(65_535),
        snd_wnd: Some(65_535),
        retransmits: Some(0),
        backoff: Some(0),
    }
}

/// The socket with a fill level of its receive buffer, the limit of that, and drops so far.
pub(crate) fn memory(socket: Socket, [used, limit, drops]: [u32; 3]) -> Socket {
    let mut bytes = Vec::new();
    for number in [used, limit, 0, 212_992, 0, 0, 0, 0, drops] {
        bytes.extend(number.to_ne_bytes());
    }
    let details = Details {
        memory: Some(SkMemInfo::new(&bytes)),
        ..Details::default()
    };
    Socket {
        details: Some(Box::new(details)),
        ..socket
    }
}

/// A sample of these sockets.
pub(crate) fn sample(sockets: Vec<Socket>) -> Sample {
    Sample {
        sockets,
        ..Sample::default()
    }
}

/// What is found about the first socket among the others: one finding at most.
pub(crate) fn found_among(first: &Socket, others: &[Socket]) -> Option<Finding> {
    let mut sockets = vec![first.clone()];
    sockets.extend_from_slice(others);
    found_in(&sample(sockets))
}

/// What is found about the first socket of the later of two samples, 1.5 s apart.
pub(crate) fn found_since(before: &[Socket], after: &[Socket]) -> Option<Finding> {
    let (before, after) = (sample(before.to_vec()), sample(after.to_vec()));
    let index = Index::new(&after);
    let elapsed = std::time::Duration::from_millis(1_500);
    let delta = Delta::new(Index::new(&before), &index, elapsed);
    first(&Case::new(&index).since(Some(&delta)))
}

/// What is found about the first socket of a sample.
pub(crate) fn found_in(sample: &Sample) -> Option<Finding> {
    first(&Case::new(&Index::new(sample)))
}

fn first(case: &Case<'_>) -> Option<Finding> {
    let findings = diagnose(case);
    let mut of_first = findings.of(SocketAt(0)).cloned();
    let found = of_first.next();
    assert_eq!(of_first.next(), None);
    found
}

/// What is found about a socket with these figures, all alone.
pub(crate) fn found(socket: &Socket, tcp: TcpFigures) -> Option<Finding> {
    found_among(&figures(socket.clone(), tcp), &[])
}

/// The commands of a finding's next steps.
pub(crate) fn commands(finding: &Finding) -> Vec<String> {
    let steps = finding.next.iter();
    steps
        .filter_map(|step| match step {
            super::NextStep::Command(command) => Some(command.to_string()),
            super::NextStep::Sentence(_) => None,
        })
        .collect()
}
