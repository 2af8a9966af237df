//! TCP connections that close while one waits: the kernel announces each with its last figures
//! (`SKNLGRP_INET_TCP_DESTROY` of `sock_diag(7)`), to everybody.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::sys::socket::SockProtocol;

use super::Place;
use crate::netlink::{Content, Messages};
use crate::sockdiag::InetMessage;
use crate::sockets::{Address, Proto, Socket, State, from_diag};
use crate::sys::netlink::{Heard, Netlink};
use crate::sys::privilege::{self, Capability};

/// The groups of IPv4 and IPv6.
const GROUPS: [u32; 2] = [1, 3];

/// What the kernel may keep for us between two reads, in bytes: an event takes about a kilobyte.
const BUFFER: usize = 4 * 1024 * 1024;

/// More closed connections than these are not kept, so that the memory is bounded.
const MOST: usize = 100_000;

/// Hears of the connections that close in some network namespaces.
#[derive(Debug, Default)]
pub struct Closings {
    sockets: Vec<(u16, Netlink)>,
    /// The connections that closed, in the order in which they did.
    pub closed: Vec<Socket>,
    /// Whether some were missed: the kernel's buffer overflowed, there were too many, or a namespace could
    /// not be listened to.
    pub missed: bool,
    /// Why a namespace could not be listened to, if so.
    deaf: Option<&'static str>,
}

impl Closings {
    /// Begins to listen. Where that is not possible, nothing is heard, and some were missed.
    pub fn open(places: &[Place]) -> Closings {
        Closings::with_buffer(places, BUFFER)
    }

    fn with_buffer(places: &[Place], buffer: usize) -> Closings {
        let mut closings = Closings::default();
        for (netns, place) in (0..).zip(places) {
            let open = || -> io::Result<Netlink> {
                let netlink = Netlink::open(SockProtocol::NetlinkSockDiag)?;
                netlink.listen(&GROUPS, buffer)?;
                Ok(netlink)
            };
            let allowed = || privilege::with(&[Capability::NetAdmin], open);
            match place.inside(allowed) {
                Ok(Ok(netlink)) => closings.sockets.push((netns, netlink)),
                _ => closings.deaf = Some(why_deaf()),
            }
        }
        closings.missed = closings.deaf.is_some();
        closings
    }

    /// Waits for this long, and takes what is heard meanwhile.
    pub fn wait(&mut self, time: Duration) {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let ready = Netlink::wait_for_any(self.sockets.iter().map(|(_, one)| one), left);
            self.take();
            if left.is_zero() || (!ready && Instant::now() >= end) {
                return;
            }
        }
    }

    /// Why some were missed.
    pub fn why_missed(&self) -> &'static str {
        self.deaf.unwrap_or(
            "some connections closed meanwhile without being counted: there were more than could be taken; measure \
             for a shorter time",
        )
    }

    /// What can be read from while something is announced.
    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.sockets.iter().map(|(_, one)| one.as_fd()).collect()
    }

    /// Hands out what was taken so far, and whether some were missed.
    pub fn hand_out(&mut self) -> (Vec<Socket>, bool) {
        let missed = std::mem::replace(&mut self.missed, self.deaf.is_some());
        (std::mem::take(&mut self.closed), missed)
    }

    /// Takes what has been announced so far.
    pub fn take(&mut self) {
        let Closings {
            sockets,
            closed,
            missed,
            ..
        } = self;
        for (netns, netlink) in sockets {
            loop {
                match netlink.hear() {
                    Ok(Heard::Bytes(bytes)) => *missed |= !read(bytes, *netns, closed),
                    Ok(Heard::Overrun) => *missed = true,
                    Ok(Heard::Nothing) => break,
                    Err(_) => {
                        *missed = true;
                        break;
                    }
                }
            }
        }
    }
}

/// The connections of a datagram; `false` if not all of them could be read or kept.
fn read(bytes: &[u8], netns: u16, closed: &mut Vec<Socket>) -> bool {
    let mut complete = true;
    for message in Messages::new(bytes) {
        let Ok(Ok(Content::Reply(payload))) = message.map(|message| message.content()) else {
            complete = false;
            continue;
        };
        let Some(socket) = connection(payload, netns) else {
            continue;
        };
        if closed.len() == MOST {
            return false;
        }
        closed.push(socket);
    }
    complete
}

/// A connection that closed; not a listener, nor a socket that never was connected.
fn connection(payload: &[u8], netns: u16) -> Option<Socket> {
    let message = InetMessage::new(payload).ok()?;
    let taken = from_diag::Taken {
        details: true,
        evidence: false,
    };
    let socket = from_diag::inet(&message, Proto::Tcp, netns, taken)?;
    (socket.peer != Address::None).then_some(Socket {
        state: State::Unconnected,
        // Neither is known any more.
        inode: 0,
        uid: None,
        ..socket
    })
}

fn why_deaf() -> &'static str {
    if privilege::holds(&[Capability::NetAdmin]) {
        "connections that closed meanwhile are not counted: the kernel does not announce them here"
    } else {
        "connections that closed meanwhile are not counted; run as root (needs CAP_NET_ADMIN)"
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_connection_that_closes_is_heard_of_with_its_bytes() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = u32::from(listener.local_addr().unwrap().port());
        let mut closings = Closings::open(&[Place::own()]);
        assert!(!closings.missed);
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        client.write_all(&[7; 1000]).unwrap();
        server.read_exact(&mut [0; 1000]).unwrap();
        drop(client);
        server.read_to_end(&mut Vec::new()).unwrap();
        drop(server);
        let ends = |closings: &Closings| {
            let closed = closings.closed.iter();
            let ours = closed
                .filter(|one| one.local.port() == Some(port) || one.peer.port() == Some(port));
            ours.cloned().collect::<Vec<_>>()
        };
        let deadline = Instant::now() + Duration::from_secs(10);
        while ends(&closings).len() < 2 && Instant::now() < deadline {
            closings.wait(Duration::from_millis(20));
        }
        let ends = ends(&closings);
        assert_eq!(ends.len(), 2);
        let server = ends
            .iter()
            .find(|one| one.local.port() == Some(port))
            .unwrap();
        let info = server.details.as_ref().unwrap().tcp.as_ref().unwrap();
        // The FIN is a byte.
        assert_eq!(info.bytes_received(), Some(1001));
        assert_eq!((server.inode, server.state), (0, State::Unconnected));
        assert!(server.cookie.is_some());
    }

    #[test]
    fn what_the_buffer_does_not_hold_is_missed_and_that_is_known() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut closings = Closings::with_buffer(&[Place::own()], 4096);
        for _ in 0..1_000 {
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (server, _) = listener.accept().unwrap();
            drop(client);
            drop(server);
        }
        let deadline = Instant::now() + Duration::from_secs(10);
        while !closings.missed && Instant::now() < deadline {
            closings.wait(Duration::from_millis(20));
        }
        assert!(closings.missed);
    }

    #[test]
    fn what_is_not_a_message_is_no_connection() {
        let mut closed = Vec::new();
        assert!(!read(&[1, 2, 3], 0, &mut closed));
        assert!(closed.is_empty() && connection(&[0; 8], 0).is_none());
    }

    #[test]
    fn waiting_takes_as_long_as_it_should() {
        let start = Instant::now();
        Closings::default().wait(Duration::from_millis(30));
        assert!(start.elapsed() >= Duration::from_millis(30));
    }
}
