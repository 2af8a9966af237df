//! Rules about the way to a peer: the route, the link, the next hop, this host's own firewall, losses, the
//! largest packet, the window.
//!
//! Only the ways of connections that wait are looked at ([`waiting`]): a route that leads nowhere is no
//! trouble while nobody takes it.

mod firewall;
mod loss;
mod mtu;
mod route;
#[cfg(test)]
mod tests;
mod window;

pub use firewall::OWN_FIREWALL_DROPS;
pub use loss::losses;
pub use mtu::black_holes;
pub use route::{LINK_DOWN, NEIGHBOUR_FAILED, NO_ROUTE};
pub use window::RECEIVE_WINDOW_SMALL;

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Check, Rule};
use crate::diagnose::{Case, Finding, Role, Subject};
use crate::host::{Sample, SocketAt};
use crate::sockdiag::TcpInfoValues;
use crate::sockets::{Proto, Socket, State, TcpFigures, TimerKind};

/// No more paths than these are asked for.
const MOST_PATHS: usize = 256;

/// The peers whose connections wait for an answer: nothing came back for what was sent, and it was sent again.
pub fn waiting(sample: &Sample) -> BTreeMap<(u16, IpAddr), Vec<SocketAt>> {
    let mut paths: BTreeMap<(u16, IpAddr), Vec<SocketAt>> = BTreeMap::new();
    for (at, socket) in sample.places().zip(&sample.sockets) {
        let Some(to) = socket.peer.ip() else { continue };
        if !waits(socket) || to.is_loopback() {
            continue;
        }
        let key = (socket.netns, to);
        if paths.len() < MOST_PATHS || paths.contains_key(&key) {
            paths.entry(key).or_default().push(at);
        }
    }
    paths
}

fn waits(socket: &Socket) -> bool {
    let figures = TcpFigures::from(socket.tcp);
    let timer = socket.timer;
    let repeated = timer
        .map(|timer| timer.retransmits)
        .max(figures.retransmits)
        >= Some(1);
    let is_probing = timer.is_some_and(|timer| {
        timer.retransmits >= 2 && matches!(timer.kind, TimerKind::Persist | TimerKind::Keepalive)
    });
    let is_sending = timer.is_some_and(|timer| timer.kind == TimerKind::Retransmit);
    socket.proto == Proto::Tcp
        && !matches!(
            socket.state,
            State::Listen | State::TimeWait | State::SynRecv
        )
        && (is_probing || (is_sending && repeated))
}

/// The sockets that a finding explains, as its others.
pub(super) fn affecting(sockets: &[SocketAt]) -> Vec<(Role, Subject)> {
    let sockets = sockets.iter();
    sockets
        .map(|at| (Role::Affected, Subject::Socket(*at)))
        .collect()
}

/// Its `tcp_info` in both samples.
fn both<'a>(case: &Case<'a>, at: SocketAt) -> Option<(&'a TcpInfoValues, &'a TcpInfoValues)> {
    fn info(socket: &Socket) -> Option<&TcpInfoValues> {
        socket.details.as_ref()?.tcp.as_deref()
    }
    let before = case.before?.earlier(at)?;
    info(before).zip(info(case.socket(at)))
}

/// How far a counter went.
fn grown<T: Into<u64>>(before: Option<T>, now: Option<T>) -> Option<u64> {
    let (before, now): (u64, u64) = (before?.into(), now?.into());
    now.checked_sub(before)
}
