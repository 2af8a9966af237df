//! ICMP errors for a socket, with their senders (ip(7), `IP_RECVERR`).

use std::io;
use std::net::SocketAddr;

use nix::sys::socket::{setsockopt, sockopt};
use socket2::Socket;

use crate::error::Error;
use crate::ping::losses::Refusal;
use crate::reference::icmp;
use crate::sys::around::is_here;
use crate::sys::icmp::batch::{Inbox, Queue};
use crate::sys::icmp::control::Queued;

/// An ICMP error then ends the attempt at once, and who sent it stands in the error queue.
pub(crate) fn hear(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    set(socket, address, true)
}

/// An established connection survives an ICMP error, unless it asked to hear of it.
pub(crate) fn ignore(socket: &Socket, address: SocketAddr) {
    let _ = set(socket, address, false);
}

fn set(socket: &Socket, address: SocketAddr, on: bool) -> io::Result<()> {
    match address {
        SocketAddr::V4(_) => setsockopt(socket, sockopt::Ipv4RecvErr, &on)?,
        SocketAddr::V6(_) => setsockopt(socket, sockopt::Ipv6RecvErr, &on)?,
    }
    Ok(())
}

/// The ICMP error in the error queue.
pub(crate) fn take(socket: &Socket) -> Option<Refusal> {
    // What was sent is of no interest.
    let mut inbox = Inbox::new(64);
    inbox.receive(socket, Queue::Errors).ok()?;
    inbox
        .messages()
        .find_map(|message| match message.control.queued {
            Some(Queued::Refusal { refusal, .. }) => Some(refusal),
            _ => None,
        })
}

/// A failure with the host named that sent the ICMP error for it. This host itself reports a
/// neighbour that does not answer; the table's cause says that already.
pub(crate) fn named(failure: Error, refusal: &Refusal, to: SocketAddr) -> Error {
    let Some(by) = refusal.by.filter(|by| !is_here(*by)) else {
        return failure;
    };
    let (kind, code) = (refusal.r#type, refusal.code);
    let mut cause = format!(
        "{by} sent ICMP {} (type {kind} code {code})",
        refusal.words()
    );
    let Some(entry) = icmp::describe(refusal.version, kind, code) else {
        return failure.because(&cause);
    };
    cause.push_str(": ");
    cause.push_str(entry.cause);
    let next = entry.next.replace("HOST", &to.ip().to_string());
    failure.because(&cause).next(next)
}
