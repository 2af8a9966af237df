//! What goes on with a connection of which the packet filter may drop packets.

use std::net::IpAddr;

use super::{ACK, PSH, SYN, TCP};
use crate::diagnose::Case;
use crate::host::SocketAt;
use crate::sockets::State;

/// What goes on with a connection whose packets may be dropped here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// This host has begun it and hears nothing.
    Connecting,
    /// A client has begun it, and the handshake stays unfinished.
    Answering,
    /// What this host sends is not acknowledged.
    Sending,
    /// Packets of the peer were dropped.
    Hearing,
}

impl Stage {
    pub(super) fn of(
        case: &Case<'_>,
        at: SocketAt,
        dropped: &[(IpAddr, (IpAddr, u16))],
    ) -> Option<Stage> {
        let socket = case.socket(at);
        let is_dropped = || {
            let ends = socket.peer.ip().zip(socket.local.end());
            ends.is_some_and(|ends| dropped.contains(&ends))
        };
        match socket.state {
            State::SynSent if case.index.waits(at) => Some(Stage::Connecting),
            _ if case.index.waits(at) => Some(Stage::Sending),
            // No healthy handshake takes as long as a look.
            State::SynRecv => {
                (case.earlier(at)?.state == State::SynRecv).then_some(Stage::Answering)
            }
            State::Established if !dropped.is_empty() => is_dropped().then_some(Stage::Hearing),
            _ => None,
        }
    }

    /// The TCP flags of what is sent and of what the peer sends, as far as they are known.
    pub(super) fn flags(self) -> [Option<u8>; 2] {
        match self {
            Stage::Connecting => [Some(SYN), Some(SYN | ACK)],
            Stage::Answering => [Some(SYN | ACK), Some(ACK)],
            Stage::Sending => [None, None],
            Stage::Hearing => [None, Some(PSH | ACK)],
        }
    }
}

/// Hosts of which the packet filter dropped packets that begin no connection, and to which ends.
pub(super) fn dropped(case: &Case<'_>, netns: u16) -> Vec<(IpAddr, (IpAddr, u16))> {
    let traced = case.traced(netns).unwrap_or_default();
    let flows = traced.flows.iter().filter(|flow| {
        &*flow.reason == "NETFILTER_DROP"
            && flow.interface != 0
            && flow.protocol == TCP
            && !flow.begins
    });
    flows.map(|flow| (flow.source, flow.destination)).collect()
}
