//! Rules about the way to a peer: the route, the link, the next hop, this host's own firewall, losses, the
//! largest packet, the window.
//!
//! Only the paths of connections that wait are looked at ([`Index::waiting`]): a route that leads nowhere is no
//! trouble while it is not used.
//!
//! [`Index::waiting`]: crate::host::Index::waiting

mod firewall;
mod loss;
mod mtu;
mod route;
mod source;
#[cfg(test)]
mod tests;
mod window;

pub use firewall::{
    FORWARD_DROPPED, Flow, LISTENER_FIREWALLED, OUTPUT_STOPPED, OWN_FIREWALL_DROPS,
    clients_stopped, stopped, stopped_from_outside,
};
pub use loss::losses;
pub(super) use loss::sent_again;
pub use mtu::black_holes;
pub use route::{LINK_DOWN, NEIGHBOUR_FAILED, NO_ROUTE};
pub(super) use route::{is_cut_off, tried_again};
pub use source::WRONG_SOURCE_ADDRESS;
pub use window::{RECEIVE_WINDOW_SMALL, SEND_BUFFER_SMALL};

use super::{Check, Rule, affected};
use crate::diagnose::{Case, Finding};
use crate::host::SocketAt;
use crate::sockdiag::KeptTcpInfo;

/// Its `tcp_info` in both samples.
fn both<'a>(case: &Case<'a>, at: SocketAt) -> Option<(&'a KeptTcpInfo, &'a KeptTcpInfo)> {
    let before = case.before?.earlier(at)?;
    before.tcp_info().zip(case.socket(at).tcp_info())
}

/// How far a counter went.
fn grown<T: Into<u64>>(before: Option<T>, now: Option<T>) -> Option<u64> {
    let (before, now): (u64, u64) = (before?.into(), now?.into());
    now.checked_sub(before)
}
