//! A `NETLINK_SOCK_DIAG` socket (`sock_diag(7)`).

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket,
};

use crate::netlink::{Content, Messages};

/// The kernel fills at most this much a call (`NLMSG_GOODSIZE` grows with the reader's buffer, to 32
/// KiB).
const BUFFER: usize = 64 * 1024;

/// An open netlink socket. It belongs to the namespace in which it was opened.
#[derive(Debug)]
pub struct Diag {
    fd: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

/// How a dump went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dumped {
    /// All of it came.
    Complete,
    /// The kernel says that its tables changed under it (`NLM_F_DUMP_INTR`), or what it sent could not
    /// be read to the end.
    Interrupted,
}

impl Diag {
    /// Opens one in the namespace that this thread is in.
    pub fn open() -> io::Result<Diag> {
        let fd = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkSockDiag,
        )?;
        Ok(Diag {
            fd,
            sequence: 0,
            buffer: vec![0; BUFFER],
        })
    }

    /// Sends a dump request, written by `request` with the sequence number that it is given, and hands
    /// the payload of each message of the answer to `each`.
    ///
    /// # Errors
    /// What the kernel answers: `ENOENT` where the family's module is absent.
    pub fn dump(
        &mut self,
        request: impl FnOnce(u32, &mut Vec<u8>),
        each: &mut dyn FnMut(&[u8]),
    ) -> io::Result<Dumped> {
        self.sequence += 1;
        let mut bytes = Vec::new();
        request(self.sequence, &mut bytes);
        send(self.fd.as_raw_fd(), &bytes, MsgFlags::empty())?;
        let mut dumped = Dumped::Complete;
        loop {
            let got = self.receive()?;
            for message in Messages::new(&self.buffer[..got]) {
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
                        return Err(io::Error::from_raw_os_error(errno));
                    }
                    Ok(Content::Noop) => {}
                    Ok(Content::Overrun) | Err(_) => dumped = Dumped::Interrupted,
                }
            }
        }
    }

    fn receive(&mut self) -> io::Result<usize> {
        loop {
            match recv(self.fd.as_raw_fd(), &mut self.buffer, MsgFlags::empty()) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
                Ok(got) => return Ok(got),
                Err(nix::Error::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}
