//! Sorting, grouping, summing up.
//!
//! | file | what it holds |
//! |---|---|
//! | this one | [`SortKey`], [`SortOrder`], [`sorted`] |
//! | `rank` | what a socket is compared by |
//! | `group` | one row for all sockets of a process, a peer ... |
//! | `summary` | the figures of the whole snapshot |

mod group;
mod rank;
mod summary;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

pub use group::{GroupBy, GroupKey, GroupRow, UnknownGroup, group};
pub use summary::{ProtoSummary, Summary};

use super::{Owners, Socket};
use rank::Ranks;

/// What sockets are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SortKey {
    /// Protocol, in the order of [`super::Proto::ALL`].
    Proto,
    /// State, by its number in the kernel.
    State,
    /// Bytes to be read.
    RecvQ,
    /// Bytes not acknowledged.
    SendQ,
    /// Local address, then port.
    Local,
    /// Local port.
    LocalPort,
    /// Address of the peer, then port.
    Peer,
    /// Port of the peer.
    PeerPort,
    /// Name of the first owner, then its number.
    Process,
    /// Number of the first owner.
    Pid,
    /// User, by number.
    User,
    /// Inode.
    Inode,
    /// Network namespace.
    Netns,
    /// Severity of the worst finding.
    Problem,
    /// When the timer runs out.
    Timer,
    /// Round-trip time.
    Rtt,
    /// Bytes sent, those sent again included.
    BytesSent,
    /// Bytes received.
    BytesReceived,
    /// Segments sent again.
    Retransmits,
}

/// A key and a direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SortOrder {
    /// What by.
    pub key: SortKey,
    /// Whether the greatest comes first. What is not known comes last either way.
    pub descending: bool,
}

/// A word that no key has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownKey(pub String);

impl SortKey {
    /// All of them with their words, the names of the columns.
    pub const ALL: [(SortKey, &'static str); 19] = [
        (SortKey::Proto, "proto"),
        (SortKey::State, "state"),
        (SortKey::RecvQ, "recv-q"),
        (SortKey::SendQ, "send-q"),
        (SortKey::Local, "local"),
        (SortKey::LocalPort, "local-port"),
        (SortKey::Peer, "peer"),
        (SortKey::PeerPort, "peer-port"),
        (SortKey::Process, "process"),
        (SortKey::Pid, "pid"),
        (SortKey::User, "user"),
        (SortKey::Inode, "inode"),
        (SortKey::Netns, "netns"),
        (SortKey::Problem, "why"),
        (SortKey::Timer, "timer"),
        (SortKey::Rtt, "rtt"),
        (SortKey::BytesSent, "sent"),
        (SortKey::BytesReceived, "received"),
        (SortKey::Retransmits, "retrans"),
    ];

    /// The word.
    pub fn name(self) -> &'static str {
        let entry = SortKey::ALL.iter().find(|(key, _)| *key == self);
        entry.map_or("", |(_, name)| name)
    }

    /// Whether the owners must be known.
    pub fn needs_owners(self) -> bool {
        matches!(self, SortKey::Process | SortKey::Pid)
    }

    /// Whether the details ([`super::Details::tcp`]) must be known.
    pub fn needs_details(self) -> bool {
        matches!(
            self,
            SortKey::Rtt | SortKey::BytesSent | SortKey::BytesReceived | SortKey::Retransmits
        )
    }
}

impl FromStr for SortKey {
    type Err = UnknownKey;

    /// Reads a word in any case; `_` and `-` do not count, so `recvq`, `Recv-Q` and `recv_q` are one.
    fn from_str(word: &str) -> Result<SortKey, UnknownKey> {
        let plain = |text: &str| text.replace(['-', '_'], "").to_ascii_lowercase();
        let wanted = plain(word);
        let wanted = match wanted.as_str() {
            "pname" | "command" | "name" => "process",
            "uid" => "user",
            "port" | "lport" => "localport",
            "rport" => "peerport",
            "problem" | "problems" | "findings" => "why",
            "retransmits" => "retrans",
            other => other,
        };
        let known = SortKey::ALL.iter().find(|(_, name)| plain(name) == wanted);
        known
            .map(|(key, _)| *key)
            .ok_or_else(|| UnknownKey(word.to_owned()))
    }
}

impl FromStr for SortOrder {
    type Err = UnknownKey;

    /// Reads `KEY`, or `-KEY` for the greatest first.
    fn from_str(word: &str) -> Result<SortOrder, UnknownKey> {
        let bare = word.strip_prefix('-');
        let key = bare.unwrap_or(word).parse()?;
        let descending = bare.is_some();
        Ok(SortOrder { key, descending })
    }
}

impl fmt::Display for UnknownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = SortKey::ALL.iter().map(|(_, name)| *name).collect();
        let word = self.0.escape_debug();
        write!(
            f,
            "\"{word}\" is not a column to sort by; use one of: {}",
            names.join(", ")
        )
    }
}

impl std::error::Error for UnknownKey {}

/// Puts the indices of sockets in this order, the first key the most significant; sockets that are equal
/// in all of them keep their places. `problem` tells how bad the worst problem of a socket is.
pub fn sorted(
    sockets: &[Socket],
    mut indices: Vec<usize>,
    owners: &Owners,
    problem: &dyn Fn(usize) -> Option<u32>,
    orders: &[SortOrder],
) -> Vec<usize> {
    // Each sort is stable, so the least significant comes first.
    for order in orders.iter().rev() {
        let ranks = Ranks::new(sockets, owners, problem, order.key);
        indices = ranks.sort(&indices, order.descending);
    }
    indices
}
