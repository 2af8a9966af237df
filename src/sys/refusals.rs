//! ICMP errors for a socket, with their senders (ip(7), `IP_RECVERR`).

use std::io;
use std::net::SocketAddr;

use nix::sys::socket::{setsockopt, sockopt};
use nix::{setsockopt_impl, sockopt_impl};
use socket2::Socket;

use crate::error::Error;
use crate::ping::losses::Refusal;
use crate::ping::mpls::Labels;
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
        SocketAddr::V4(_) => {
            setsockopt(socket, sockopt::Ipv4RecvErr, &on)?;
            // Since Linux 5.9; without it no labels are known.
            let _ = setsockopt(socket, ExtensionV4, &on);
        }
        SocketAddr::V6(_) => {
            setsockopt(socket, sockopt::Ipv6RecvErr, &on)?;
            let _ = setsockopt(socket, ExtensionV6, &on);
        }
    }
    Ok(())
}

/// `linux/in.h`.
pub(crate) const IP_RECVERR_RFC4884: libc::c_int = 26;
/// `linux/in6.h`.
pub(crate) const IPV6_RECVERR_RFC4884: libc::c_int = 31;

sockopt_impl!(
    /// Whether the extension of an ICMP error comes with it (RFC 4884).
    ExtensionV4,
    SetOnly,
    libc::IPPROTO_IP,
    IP_RECVERR_RFC4884,
    bool
);

sockopt_impl!(
    /// The same of IPv6.
    ExtensionV6,
    SetOnly,
    libc::IPPROTO_IPV6,
    IPV6_RECVERR_RFC4884,
    bool
);

/// A whole ICMP error, without its headers (RFC 1812 section 4.3.2.3).
const LONGEST: usize = 576;

/// The ICMP error in the error queue.
pub(crate) fn take(socket: &Socket) -> Option<Refusal> {
    Some(take_labelled(socket)?.0)
}

/// The same, with the MPLS labels that the packet had.
pub(crate) fn take_labelled(socket: &Socket) -> Option<(Refusal, Labels)> {
    let mut inbox = Inbox::new(LONGEST);
    inbox.receive(socket, Queue::Errors).ok()?;
    inbox
        .messages()
        .find_map(|message| match message.control.queued {
            Some(Queued::Refusal {
                refusal, extension, ..
            }) => {
                let extension = extension.and_then(|at| message.bytes.get(at..));
                Some((refusal, extension.map(Labels::of).unwrap_or_default()))
            }
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
