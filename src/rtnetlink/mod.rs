//! What the kernel tells of interfaces, addresses, neighbours, routes and sending queues: the messages of
//! rtnetlink(7).
//!
//! | file | what it holds |
//! |---|---|
//! | [`link`] | an interface: its state and counters |
//! | [`address`] | an address of an interface |
//! | [`neighbour`] | a neighbour: whether its link-layer address is known |
//! | [`route`] | the answer to "how is this address reached" |
//! | [`rule`] | a rule that chooses a routing table |
//! | [`qdisc`] | the queue in which packets wait to be sent |
//!
//! Each file has the request and a reader of one reply. Sources: `linux/rtnetlink.h`, `linux/if_link.h`,
//! `linux/neighbour.h`, `linux/gen_stats.h`.

pub mod address;
pub mod link;
pub mod neighbour;
pub mod qdisc;
pub mod route;
pub mod rule;

pub use address::InterfaceAddress;
pub use link::Link;
pub use neighbour::{Neighbour, Reachability};
pub use qdisc::Qdisc;
pub use route::{Question, Route, RouteKind};
pub use rule::{Outgoing, RoutingRule};

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::netlink::{DUMP, Request};

/// `AF_INET` and `AF_INET6` of Linux, on every architecture.
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// Writes a request for all objects of a kind; `LEN` is the size of its fixed part.
fn dump<const LEN: usize>(kind: u16, sequence: u32, out: &mut Vec<u8>) {
    Request::new(out, kind, DUMP, sequence)
        .bytes(&[0; LEN])
        .finish();
}

/// An address of 4 or 16 bytes.
fn ip(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into()),
        16 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into()),
        _ => None,
    }
}

/// Whether a network has an address.
fn covers(net: IpAddr, prefix: u8, to: IpAddr) -> bool {
    let bits = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => (u128::from(ip.to_bits()), 32),
        IpAddr::V6(ip) => (ip.to_bits(), 128),
    };
    let ((own, width), (other, other_width)) = (bits(net), bits(to));
    let rest = width - u32::from(prefix).min(width);
    // A prefix of 0 bits matches every address; checked_shr gives `None` for a shift by the whole width.
    width == other_width && (own ^ other).checked_shr(rest).unwrap_or(0) == 0
}

/// A text that ends with a NUL, at most 64 characters of it.
fn text(bytes: &[u8]) -> Box<str> {
    let end = bytes.iter().position(|byte| *byte == 0);
    let bytes = &bytes[..end.unwrap_or(bytes.len()).min(64)];
    String::from_utf8_lossy(bytes).into()
}

#[cfg(test)]
mod tests;
