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

pub use group::{Beside, GroupBy, GroupKey, GroupRow, UnknownGroup, group};
pub use summary::{ProtoSummary, Summary};

use super::change::Rate;
use super::{Address, Owners, Socket};
use rank::Ranks;

/// What sockets are sorted by.
#[derive(Debug, Clone, Copy)]
pub enum SortKey {
    /// A number, or what is as good as one.
    Number(fn(&Socket, &Owners) -> Option<u64>),
    /// An address, then its port.
    Address(fn(&Socket) -> &Address),
    /// Name of the first owner, then its number.
    Process,
    /// Severity of the worst finding.
    Problem,
    /// What changed between two samples.
    Rate(Rate),
}

/// A key and a direction.
#[derive(Debug, Clone, Copy)]
pub struct SortOrder {
    /// What by.
    pub key: SortKey,
    /// Whether the greatest comes first. What is not known comes last either way.
    pub descending: bool,
}

/// Puts the indices of sockets in this order, the first key the most significant; sockets that are equal
/// in all of them keep their places. `beside` tells what is not in the socket itself: how bad its worst
/// problem is, or a rate.
pub fn sorted(
    sockets: &[Socket],
    mut indices: Vec<usize>,
    owners: &Owners,
    beside: &dyn Fn(usize, SortKey) -> Option<u64>,
    orders: &[SortOrder],
) -> Vec<usize> {
    // Each sort is stable, so the least significant comes first.
    for order in orders.iter().rev() {
        let ranks = Ranks::new(sockets, owners, beside, order.key);
        indices = ranks.sort(&indices, order.descending);
    }
    indices
}
