//! What is said of an address beside it: which IP versions a wildcard listener takes, how many sockets share
//! it, and whether a path is still that of its socket.

use std::fmt::Write as _;

use super::{Row, Sheet};
use crate::sockets::Address;
use crate::sockets::filter::is_listening;

/// Appends the marks: ` (IPv6 only)`, ` (IPv4 too)`, ` (1 of 3)`, ` (deleted)`.
pub(super) fn write(out: &mut String, row: Row<'_>, sheet: &Sheet<'_>) {
    let is_any =
        matches!(row.local, Address::Ip { addr, .. } if addr.is_ipv6() && addr.is_unspecified());
    match row.v6_only.filter(|_| is_any) {
        Some(true) => out.push_str(" (IPv6 only)"),
        Some(false) => out.push_str(" (IPv4 too)"),
        None => {}
    }
    if let Some(state) = sheet.names.paths.get(&row.inode) {
        let _ = write!(out, " ({})", state.word());
    }
    if let Some(count) = sharing(row, sheet) {
        let _ = write!(out, " (1 of {count})");
    }
}

/// How many sockets wait at the very same address, if it is several: by `SO_REUSEPORT`, or of UDP by
/// `SO_REUSEADDR`.
pub(super) fn sharing(row: Row<'_>, sheet: &Sheet<'_>) -> Option<usize> {
    if !is_listening(&row) || !matches!(row.local, Address::Ip { .. }) {
        return None;
    }
    let listeners = sheet.index.listeners_of(row.at);
    let same = listeners.iter().filter(|at| {
        let other = sheet.index.socket(**at);
        other.local == row.local && other.interface == row.interface
    });
    Some(same.count()).filter(|count| *count > 1)
}
