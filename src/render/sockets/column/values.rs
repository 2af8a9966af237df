//! What columns show of a socket: the values of cells and sort keys.

use super::super::{Row, Sheet, cells};
use crate::render::column::put;
use crate::sockdiag::KeptTcpInfo;
use crate::sockets::{Address, Socket, State};

pub(super) fn inode(socket: &Socket) -> Option<u64> {
    Some(socket.inode.into()).filter(|inode| *inode != 0)
}

pub(super) fn port(end: &Address) -> Option<u64> {
    end.port().filter(|&port| port != 0).map(u64::from)
}

pub(super) fn host(out: &mut String, address: &Address) {
    if let Address::Ip { addr, .. } = address {
        cells::ip(out, *addr);
    }
}

/// Of a listener the structure has other values.
pub(super) fn tcp(socket: &Socket) -> Option<&KeptTcpInfo> {
    match socket.state {
        State::Listen => None,
        _ => socket.details.as_ref()?.tcp.as_ref(),
    }
}

/// All findings, the worst first, on one line.
pub fn why(out: &mut String, row: Row<'_>, sheet: &Sheet<'_>) {
    for (index, finding) in sheet.findings.of(row.at).enumerate() {
        if index > 0 {
            out.push_str("; ");
        }
        cells::safe(out, finding.headline.as_bytes());
    }
}

pub(super) fn netns(out: &mut String, socket: &Socket, sheet: &Sheet<'_>) {
    if let Some(namespace) = sheet.sample().namespaces.get(usize::from(socket.netns)) {
        match namespace.label.as_str() {
            "" => put(out, Some(namespace.inode)),
            label => cells::safe(out, label.as_bytes()),
        }
    }
}

pub(super) fn group(out: &mut String, socket: &Socket, sheet: &Sheet<'_>) {
    match sheet.group_of(socket) {
        Some(path) => cells::safe(out, path.as_bytes()),
        None => put(
            out,
            socket
                .details
                .as_ref()
                .and_then(|details| details.cgroup_id),
        ),
    }
}
