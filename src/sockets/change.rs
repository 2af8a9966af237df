//! How far the counters of sockets went between two samples.

use super::{Address, Proto, Socket, State};
use crate::sockdiag::KeptTcpInfo;

/// How far the counters of a socket, or of several, went in the time between. `None`: there is no such counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Change {
    /// Payload received, in bytes.
    pub in_bytes: Option<u64>,
    /// Payload sent, in bytes, repetitions not counted.
    pub out_bytes: Option<u64>,
    /// Segments received.
    pub in_segments: Option<u64>,
    /// Segments sent.
    pub out_segments: Option<u64>,
    /// Segments sent again.
    pub retransmits: Option<u64>,
    /// Datagrams, or connections of a listener, that were dropped.
    pub drops: Option<u64>,
    /// Connections of a listener that were accepted.
    pub accepts: Option<u64>,
    /// Whether the socket appeared in the time between; of several: how many.
    pub opened: u64,
    /// Whether the connection closed in the time between; of several: how many.
    pub closed: u64,
}

/// A rate by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// Payload received: bytes.
    In,
    /// Payload sent: bytes.
    Out,
    /// Payload in both directions: bytes.
    Bytes,
    /// Segments in both directions.
    Segments,
    /// Segments sent again.
    Retransmits,
    /// Datagrams, or connections of a listener, that were dropped.
    Drops,
    /// Connections that a listener accepted.
    Accepts,
}

/// Whether it is a connection that closed between two samples.
pub fn is_closed(socket: &Socket) -> bool {
    // One that was never bound has no address.
    socket.proto == Proto::Tcp
        && socket.state == State::Unconnected
        && socket.local != Address::None
}

/// Whether it is such a connection that never was one: its SYN was answered, by a reset. That shows only if
/// its program did not wait in connect(2), which forgets the address when it fails.
pub fn was_refused(socket: &Socket) -> bool {
    let answered = |info: &KeptTcpInfo| {
        // The kernel counts the SYN among the bytes that were acknowledged.
        info.segs_in() > Some(0)
            && (info.bytes_acked(), info.bytes_received()) == (Some(0), Some(0))
    };
    is_closed(socket) && socket.tcp_info().is_some_and(answered)
}

/// Whether it is such a connection that never was one, and no segment came back for its SYN: the program gave up, or
/// an ICMP error ended it.
pub fn was_unanswered(socket: &Socket) -> bool {
    let nothing_came = |info: &KeptTcpInfo| info.segs_in() == Some(0) && info.segs_out() > Some(0);
    is_closed(socket) && socket.peer != Address::None && socket.tcp_info().is_some_and(nothing_came)
}

impl Change {
    /// What the counters of a socket say, as it is now and as it was before; of a new one all.
    pub fn between(before: Option<&Socket>, now: &Socket) -> Change {
        let figure = |of: fn(&Socket) -> Option<u64>| {
            let later = of(now)?;
            Some(match before {
                // A connection that was reset has no FIN, which is taken off what it received.
                Some(before) if is_closed(now) => later.saturating_sub(of(before)?),
                Some(before) => grown(of(before)?, later),
                None => later,
            })
        };
        Change {
            in_bytes: figure(received),
            out_bytes: figure(sent),
            in_segments: figure(|it| it.tcp_info()?.segs_in().map(u64::from)),
            out_segments: figure(|it| it.tcp_info()?.segs_out().map(u64::from)),
            retransmits: figure(|it| it.tcp_info()?.total_retrans().map(u64::from)),
            drops: figure(|it| it.memory()?.drops.map(u64::from)),
            accepts: None,
            opened: u64::from(before.is_none()),
            closed: u64::from(is_closed(now)),
        }
    }

    /// What a rate is about: the count, which the time makes a rate.
    pub fn of(&self, rate: Rate) -> Option<u64> {
        match rate {
            Rate::In => self.in_bytes,
            Rate::Out => self.out_bytes,
            Rate::Bytes => sum(self.in_bytes, self.out_bytes),
            Rate::Segments => sum(self.in_segments, self.out_segments),
            Rate::Retransmits => self.retransmits,
            Rate::Drops => self.drops,
            Rate::Accepts => self.accepts,
        }
    }

    /// Adds that of another socket.
    pub fn add(&mut self, other: &Change) {
        for (own, other) in [
            (&mut self.in_bytes, other.in_bytes),
            (&mut self.out_bytes, other.out_bytes),
            (&mut self.in_segments, other.in_segments),
            (&mut self.out_segments, other.out_segments),
            (&mut self.retransmits, other.retransmits),
            (&mut self.drops, other.drops),
            (&mut self.accepts, other.accepts),
        ] {
            *own = sum(*own, other);
        }
        self.opened += other.opened;
        self.closed += other.closed;
    }
}

fn sum(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.saturating_add(other)),
        (one, other) => one.or(other),
    }
}

/// A counter only grows, but that of a socket that is connected anew begins again.
fn grown(before: u64, after: u64) -> u64 {
    after.checked_sub(before).unwrap_or(after)
}

/// Payload received: the kernel counts the FIN of the peer as a byte.
fn received(socket: &Socket) -> Option<u64> {
    let bytes = socket.tcp_info()?.bytes_received()?;
    let fin = matches!(
        socket.state,
        State::CloseWait | State::Closing | State::LastAck | State::Unconnected
    );
    Some(bytes.saturating_sub(u64::from(fin)))
}

/// Payload sent once. Before Linux 4.19: that was acknowledged, the SYN included.
fn sent(socket: &Socket) -> Option<u64> {
    let info = socket.tcp_info()?;
    match info.bytes_sent() {
        Some(sent) => Some(sent.saturating_sub(info.bytes_retrans().unwrap_or(0))),
        None => info.bytes_acked(),
    }
}
