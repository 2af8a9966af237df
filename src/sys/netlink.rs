//! A netlink socket (`netlink(7)`): requests to the kernel, and what it replies.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::sockopt::{RcvBuf, RcvBufForce};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send,
    setsockopt, socket,
};
use nix::{setsockopt_impl, sockopt_impl};

use crate::netlink::{Content, Message, Messages};

/// The kernel fills at most this much a call (`NLMSG_GOODSIZE` grows with the reader's buffer, to 32
/// KiB).
const BUFFER: usize = 64 * 1024;

sockopt_impl!(
    /// Whether the kernel adds texts to its errors.
    ExtendedAck,
    SetOnly,
    libc::SOL_NETLINK,
    libc::NETLINK_EXT_ACK,
    bool
);

sockopt_impl!(
    /// Announcements of a group are delivered.
    Membership,
    SetOnly,
    libc::SOL_NETLINK,
    libc::NETLINK_ADD_MEMBERSHIP,
    u32
);

/// What a socket that listens to announcements has.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    /// A datagram of messages.
    Bytes(&'a [u8]),
    /// Announcements were lost: the socket's buffer was full.
    Overrun,
    /// No more for now.
    Nothing,
}

/// An open netlink socket. It belongs to the namespace in which it was opened.
#[derive(Debug)]
pub struct Netlink {
    fd: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

/// How a dump went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dumped {
    /// All of it was received.
    Complete,
    /// The kernel's tables changed during the dump (`NLM_F_DUMP_INTR`), or a message could not be read.
    Interrupted,
}

impl Netlink {
    /// Opens a socket of a netlink protocol in the namespace that this thread is in.
    pub fn open(protocol: SockProtocol) -> io::Result<Netlink> {
        let fd = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            protocol,
        )?;
        // Without it (Linux before 4.12) an error is a number only.
        let _ = setsockopt(&fd, ExtendedAck, &true);
        Ok(Netlink {
            fd,
            sequence: 0,
            buffer: vec![0; BUFFER],
        })
    }

    /// Sends the request that `write` writes with the sequence number that it is given, and hands the
    /// payload of each reply to `each`.
    ///
    /// The kernel must mark the end: the request is a [`DUMP`](crate::netlink::DUMP), or asks for an
    /// [`ACK`](crate::netlink::ACK).
    ///
    /// # Errors
    /// The errno of the kernel's reply (`ENOENT` if the module of a socket family is absent), with the
    /// kernel's explanation if it gave one.
    pub fn dump(
        &mut self,
        write: impl FnOnce(u32, &mut Vec<u8>),
        each: &mut dyn FnMut(&[u8]),
    ) -> io::Result<Dumped> {
        self.sequence += 1;
        let mut bytes = Vec::new();
        write(self.sequence, &mut bytes);
        send(self.fd.as_raw_fd(), &bytes, MsgFlags::empty())?;
        let mut dumped = Dumped::Complete;
        loop {
            let received = self.receive()?;
            for message in Messages::new(&self.buffer[..received]) {
                let Ok(message) = message else {
                    // The rest of this datagram cannot be read; the next one can.
                    dumped = Dumped::Interrupted;
                    break;
                };
                if message.sequence != self.sequence {
                    continue;
                }
                if message.interrupted() {
                    dumped = Dumped::Interrupted;
                }
                match message.content() {
                    Ok(Content::Reply(payload)) => each(payload),
                    Ok(Content::Done(0) | Content::Error(0)) => return Ok(dumped),
                    Ok(Content::Done(errno) | Content::Error(errno)) => {
                        return Err(failure(errno, &message));
                    }
                    Ok(Content::Noop) => {}
                    Ok(Content::Overrun) | Err(_) => dumped = Dumped::Interrupted,
                }
            }
        }
    }

    /// Asks for the announcements of these groups, with a receive buffer of about this size if it may be
    /// had.
    ///
    /// # Errors
    /// When there is no such group here.
    pub fn listen(&self, groups: &[u32], buffer: usize) -> io::Result<()> {
        // Beyond net.core.rmem_max only with CAP_NET_ADMIN.
        if setsockopt(&self.fd, RcvBufForce, &buffer).is_err() {
            let _ = setsockopt(&self.fd, RcvBuf, &buffer);
        }
        // Without an address of its own a socket is sent nothing.
        bind(self.fd.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        for group in groups {
            setsockopt(&self.fd, Membership, group)?;
        }
        Ok(())
    }

    /// The next announcement, without waiting for it.
    pub fn hear(&mut self) -> io::Result<Heard<'_>> {
        loop {
            return match recv(
                self.fd.as_raw_fd(),
                &mut self.buffer,
                MsgFlags::MSG_DONTWAIT,
            ) {
                Ok(received) => Ok(Heard::Bytes(&self.buffer[..received])),
                Err(nix::Error::EINTR) => continue,
                Err(nix::Error::ENOBUFS) => Ok(Heard::Overrun),
                Err(nix::Error::EAGAIN) => Ok(Heard::Nothing),
                Err(errno) => Err(errno.into()),
            };
        }
    }

    /// Waits until one of these sockets has something, or for this long; whether one has.
    pub fn wait_for_any<'a>(sockets: impl Iterator<Item = &'a Netlink>, time: Duration) -> bool {
        let poll_fd = |socket: &'a Netlink| PollFd::new(socket.fd.as_fd(), PollFlags::POLLIN);
        let mut fds: Vec<PollFd<'_>> = sockets.map(poll_fd).collect();
        // Up, so that what is left of a millisecond is not spent in a loop.
        let milliseconds = time.as_nanos().div_ceil(1_000_000);
        let timeout = i32::try_from(milliseconds).unwrap_or(i32::MAX);
        let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
        poll(&mut fds, timeout).is_ok_and(|ready| ready > 0)
    }

    fn receive(&mut self) -> io::Result<usize> {
        loop {
            match recv(self.fd.as_raw_fd(), &mut self.buffer, MsgFlags::empty()) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
                Ok(received) => return Ok(received),
                Err(nix::Error::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

impl AsFd for Netlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The error of a reply. With an explanation it keeps the errno's kind, but not its number.
fn failure(errno: i32, message: &Message<'_>) -> io::Error {
    let error = io::Error::from_raw_os_error(errno);
    match message.explanation() {
        None => error,
        Some(explanation) => {
            let explanation = String::from_utf8_lossy(explanation);
            io::Error::new(error.kind(), format!("{error}: {explanation}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::{ACK, Attributes, DUMP, Request};

    const GET_LINK: u16 = 18;
    const GET_NEIGHBOUR: u16 = 30;
    /// `IFLA_IFNAME`.
    const NAME: u16 = 3;
    /// `struct ifinfomsg`.
    const LINK_LEN: usize = 16;

    fn names(flags: u16, index: i32) -> io::Result<Vec<String>> {
        let mut netlink = Netlink::open(SockProtocol::NetlinkRoute)?;
        let mut fixed = [0; LINK_LEN];
        fixed[4..8].copy_from_slice(&index.to_ne_bytes());
        let mut names = Vec::new();
        netlink.dump(
            |sequence, out| {
                Request::new(out, GET_LINK, flags, sequence)
                    .bytes(&fixed)
                    .finish();
            },
            &mut |payload| {
                let name = Attributes::new(payload, LINK_LEN)
                    .filter_map(Result::ok)
                    .find(|attribute| attribute.kind == NAME)
                    .expect("a link has a name");
                names.push(String::from_utf8_lossy(name.payload).into_owned());
            },
        )?;
        Ok(names)
    }

    #[test]
    fn a_dump_and_a_single_request_both_end() {
        assert!(names(DUMP, 0).unwrap().contains(&"lo\0".to_owned()));
        assert_eq!(names(ACK, 1).unwrap(), ["lo\0"]);
    }

    #[test]
    fn an_error_has_its_errno() {
        let error = names(ACK, i32::MAX).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
    }

    #[test]
    fn an_error_that_the_kernel_explains_has_its_words() {
        let mut netlink = Netlink::open(SockProtocol::NetlinkRoute).unwrap();
        let error = netlink
            .dump(
                // No family, no address, no interface.
                |sequence, out| {
                    Request::new(out, GET_NEIGHBOUR, ACK, sequence)
                        .bytes(&[0; 12])
                        .finish();
                },
                &mut |_| panic!("there is nothing to reply"),
            )
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let text = error.to_string();
        assert!(text.contains("specified"), "{text}");
    }
}
