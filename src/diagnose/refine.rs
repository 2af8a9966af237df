//! What a finding gains, or loses, by a look at the other sockets of the host.
//!
//! A rule sees one socket. [`refine`] goes over all of them afterwards: it takes back a
//! `bound_never_listened` where another socket listens in its place (`SO_REUSEPORT`), finds the
//! listener that does not accept, and, of a connection whose other end is on this host, looks at
//! that end.
//!
//! It is called once, with all sockets that were seen: before a filter takes listeners or other ends
//! away, and before sockets without a finding are dropped. It costs one look at each socket, and
//! nothing if no finding asks for it. Called twice, it changes nothing more.

use std::collections::HashMap;
use std::net::IpAddr;

use super::rules::{FIN_RECEIVED, diag};
use super::{Finding, Severity};
use crate::sockets::{Address, Proto, Socket, State};

/// The evidence that says which socket listens.
pub(super) const LISTENER: &str = "listener_inode";

/// The evidence that says which socket is at the other end.
pub(super) const OTHER_END: &str = "other_end_inode";

/// Completes the findings of all sockets of a host.
pub fn refine(sockets: &mut [Socket]) {
    let mut host = Host::asked_by(sockets);
    if host.listeners.is_empty() && host.ends.is_empty() {
        return;
    }
    host.look_at(sockets);
    for socket in sockets {
        if socket.findings.is_empty() {
            continue;
        }
        let mut findings = std::mem::take(&mut socket.findings);
        findings.retain_mut(|finding| host.refine(socket, finding));
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        socket.findings = findings;
    }
}

/// Whether [`refine`] may need a socket that has no finding itself and that nobody asked to see:
/// listeners, and what may be the other end of a connection on this host.
pub fn needs(socket: &Socket) -> bool {
    socket.proto == Proto::Tcp
        && matches!(
            socket.state,
            State::Listen | State::Established | State::CloseWait | State::FinWait2
        )
}

/// An address and a port.
type End = (IpAddr, u16);

/// The network namespace, our end and the peer's.
type Connection = (u16, End, End);

/// What the findings ask about the host's other sockets.
#[derive(Debug, Default)]
struct Host {
    /// By network namespace and port.
    listeners: HashMap<(u16, u16), Vec<Listener>>,
    /// The sockets at the other ends, as they see the connection themselves.
    ends: HashMap<Connection, Option<(State, u32)>>,
}

#[derive(Debug, Clone, Copy)]
struct Listener {
    ip: IpAddr,
    v6_only: bool,
    inode: u32,
    recv_q: u32,
    send_q: u32,
    /// Above its limit, which /proc/net does not tell.
    full: bool,
}

impl Listener {
    /// Whether it takes connections to an address.
    fn takes(&self, ip: IpAddr) -> bool {
        self.ip == ip
            || match self.ip {
                IpAddr::V4(own) => own.is_unspecified() && ip.is_ipv4(),
                IpAddr::V6(own) => own.is_unspecified() && !(self.v6_only && ip.is_ipv4()),
            }
    }
}

fn end(address: &Address) -> Option<End> {
    Some((address.ip()?, u16::try_from(address.port()?).ok()?))
}

/// The connection as the other end sees it.
fn mirrored(socket: &Socket) -> Option<Connection> {
    Some((socket.netns, end(&socket.peer)?, end(&socket.local)?))
}

/// The end that a listener would have to be at.
fn listening_end(socket: &Socket, finding: &Finding) -> Option<End> {
    match finding.id {
        "bound_never_listened" | "not_accepted" => end(&socket.local),
        "connecting_no_answer" => end(&socket.peer),
        _ => None,
    }
}

impl Host {
    fn asked_by(sockets: &[Socket]) -> Self {
        let mut host = Host::default();
        for socket in sockets.iter().filter(|socket| socket.proto == Proto::Tcp) {
            for finding in &socket.findings {
                if let Some((_, port)) = listening_end(socket, finding) {
                    host.listeners.entry((socket.netns, port)).or_default();
                }
                if matches!(finding.id, "close_never_called" | "peer_window_closed") {
                    host.ends
                        .extend(mirrored(socket).map(|connection| (connection, None)));
                }
            }
        }
        host
    }

    fn look_at(&mut self, sockets: &[Socket]) {
        for socket in sockets.iter().filter(|socket| socket.proto == Proto::Tcp) {
            let Some(local) = end(&socket.local) else {
                continue;
            };
            if socket.state == State::Listen {
                if let Some(listeners) = self.listeners.get_mut(&(socket.netns, local.1)) {
                    let details = socket.details.as_ref();
                    listeners.push(Listener {
                        ip: local.0,
                        v6_only: details.and_then(|details| details.v6_only) == Some(true),
                        inode: socket.inode,
                        recv_q: socket.recv_q,
                        send_q: socket.send_q,
                        full: socket.cookie.is_some() && socket.recv_q > socket.send_q,
                    });
                }
            } else if !self.ends.is_empty()
                && let Some(peer) = end(&socket.peer)
                && let Some(seen) = self.ends.get_mut(&(socket.netns, local, peer))
            {
                *seen = Some((socket.state, socket.inode));
            }
        }
    }

    /// The listeners that take connections to an end; those of that very address before those of all.
    fn listeners_of(&self, netns: u16, to: End) -> Vec<Listener> {
        let of_port = self
            .listeners
            .get(&(netns, to.1))
            .map_or(&[][..], Vec::as_slice);
        let mut taking: Vec<Listener> = of_port
            .iter()
            .filter(|listener| listener.takes(to.0))
            .copied()
            .collect();
        if taking.iter().any(|listener| listener.ip == to.0) {
            taking.retain(|listener| listener.ip == to.0);
        }
        taking
    }

    /// Completes a finding; false: it is none.
    fn refine(&self, socket: &Socket, finding: &mut Finding) -> bool {
        if socket.proto != Proto::Tcp {
            return true;
        }
        if let Some(to) = listening_end(socket, finding) {
            let listeners = self.listeners_of(socket.netns, to);
            match finding.id {
                "bound_never_listened" => return listeners.is_empty(),
                "not_accepted" => not_accepted(finding, &listeners),
                _ => connecting(finding, socket, to.0, &listeners),
            }
        }
        let other = || *self.ends.get(&mirrored(socket)?)?;
        match finding.id {
            "close_never_called" => {
                if let Some((State::FinWait2, inode @ 1..)) = other() {
                    half_closed(finding, socket, inode);
                }
            }
            "peer_window_closed" => {
                if let Some((_, inode @ 1..)) = other() {
                    not_reading_here(finding, inode);
                }
            }
            _ => {}
        }
        true
    }
}

/// Adds the socket whose program is to be looked at; false: it is there.
fn point_to(finding: &mut Finding, field: &'static str, inodes: &[u32]) -> bool {
    if finding.evidence.iter().any(|fact| fact.field == field) {
        return false;
    }
    let known = inodes.iter().filter(|inode| **inode != 0);
    finding
        .evidence
        .extend(known.map(|inode| diag(field, inode)));
    true
}

/// Whether it waits at one of these listeners: those that hold a connection, of several.
fn not_accepted(finding: &mut Finding, listeners: &[Listener]) {
    let holding: Vec<u32> = listeners
        .iter()
        .filter(|listener| listener.recv_q > 0 || listeners.len() == 1)
        .map(|listener| listener.inode)
        .collect();
    if !holding.is_empty() && point_to(finding, LISTENER, &holding) {
        "See what the program that listens does instead of accept(): strace -f -p PID"
            .clone_into(&mut finding.next);
    }
}

/// A connection to an address of this very host.
fn connecting(finding: &mut Finding, socket: &Socket, to: IpAddr, listeners: &[Listener]) {
    let is_here = to.is_loopback()
        || socket.local.ip() == Some(to)
        || listeners.iter().any(|listener| listener.ip == to);
    if !is_here {
        return;
    }
    let inodes: Vec<u32> = listeners.iter().map(|listener| listener.inode).collect();
    if listeners.is_empty() {
        finding.ruled_out = "The network is not to blame: both ends are on this host.";
        format!(
            "{to} is this host. Who listens: sockdoc sockets -l. What the firewall drops: nft list \
             ruleset"
        )
        .clone_into(&mut finding.next);
    } else if let Some(full) = listeners.iter().find(|listener| listener.full) {
        if point_to(finding, LISTENER, &[full.inode]) {
            finding.evidence.push(diag("idiag_rqueue", &full.recv_q));
            finding.evidence.push(diag("idiag_wqueue", &full.send_q));
            finding.text = format!(
                "{}; the listener on this host is full: {} of {}",
                finding.text, full.recv_q, full.send_q
            );
            finding.explanation = "The listener is on this host and its accept queue is full: the \
                kernel drops the SYN and sends it again later. Once the program accepts, the \
                connection comes about.";
            finding.ruled_out = "The network is not to blame: both ends are on this host.";
            "See what the program that listens does instead of accept(): strace -f -p PID"
                .clone_into(&mut finding.next);
        }
    } else if point_to(finding, LISTENER, &inodes) {
        finding.explanation = "The listener is on this host and its accept queue has room, so \
            something drops the SYN or its answer: most often a firewall's rule. Or the queue was \
            full a moment ago.";
        finding.ruled_out = "The network is not to blame: both ends are on this host.";
        "What the firewall drops: nft list ruleset. The program that listens: PID"
            .clone_into(&mut finding.next);
    }
}

/// The peer holds its socket and waits: it has not closed.
fn half_closed(finding: &mut Finding, socket: &Socket, inode: u32) {
    if !point_to(finding, OTHER_END, &[inode]) {
        return;
    }
    if let Some(rest) = finding.text.strip_prefix(FIN_RECEIVED) {
        finding.text = format!("half-closed: the peer, on this host, still waits{rest}");
    }
    finding.explanation = "The peer has called shutdown() and not close(): it has sent all it will \
        and waits for an answer or the end. The program has sent nothing for a minute and holds its \
        end open.";
    finding.ruled_out =
        "The peer has not closed: its socket is in FIN-WAIT-2 and has an owner on this host.";
    if socket.recv_q == 0 {
        // The end was read; the program may well be at work on its answer.
        finding.severity = Severity::Notice;
        "See whether the program works on its answer or forgot the socket: strace -f -p PID"
            .clone_into(&mut finding.next);
    }
}

/// The program that does not read is on this host.
fn not_reading_here(finding: &mut Finding, inode: u32) {
    if point_to(finding, OTHER_END, &[inode]) {
        "The other end is on this host. See why its program does not read: strace -f -p PID"
            .clone_into(&mut finding.next);
    }
}

#[cfg(test)]
#[path = "refine_tests.rs"]
mod tests;
