//! Many messages in one system call (sendmmsg(2), recvmmsg(2)).
//!
//! The headers of messages point into buffers beside them. They are set anew before each call: the
//! kernel writes lengths into them, and a length that stayed from the call before would cut the next
//! message's control messages away.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;

use super::control::{self, Control};

/// Messages in one call.
pub const BATCH: usize = 64;
/// Bytes that the messages of one call may have together.
const BATCH_BYTES: usize = 1 << 20;

/// Messages to be sent, all of one length.
pub struct Outbox {
    length: usize,
    used: usize,
    bytes: Vec<u8>,
    names: Vec<libc::sockaddr_in6>,
    parts: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
    stamped: Vec<bool>,
    request: StampRequest,
}

// SAFETY: the pointers within are set to its own buffers by each call of `send`, and used by no other code
// else.
unsafe impl Send for Outbox {}

/// The control message that asks for the timestamps of one message (`SO_TIMESTAMPING`,
/// networking/timestamping.rst section 1.3.4).
#[repr(C)]
struct StampRequest {
    header: libc::cmsghdr,
    flags: u32,
    /// `CMSG_ALIGN`.
    _fill: u32,
}

impl Outbox {
    /// An empty one for messages of `length` bytes; `template` is what they have alike.
    pub fn new(template: &[u8]) -> Outbox {
        let length = template.len();
        let most = BATCH.min(BATCH_BYTES / length.max(1)).max(1);
        Outbox {
            length,
            used: 0,
            bytes: template.repeat(most),
            names: vec![zeroed_name(); most],
            parts: vec![no_part(); most],
            headers: vec![no_header(); most],
            stamped: vec![false; most],
            request: StampRequest {
                header: libc::cmsghdr {
                    cmsg_len: size_of::<libc::cmsghdr>() + size_of::<u32>(),
                    cmsg_level: libc::SOL_SOCKET,
                    cmsg_type: libc::SO_TIMESTAMPING,
                },
                flags: libc::SOF_TIMESTAMPING_TX_SCHED | libc::SOF_TIMESTAMPING_TX_SOFTWARE,
                _fill: 0,
            },
        }
    }

    /// Messages in it.
    pub fn len(&self) -> usize {
        self.used
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Whether no more messages fit.
    pub fn is_full(&self) -> bool {
        self.used == self.names.len()
    }

    /// Adds a message to `to`, and gives its bytes to be written over; what stands there is the
    /// template or an older message. With `timestamped` the kernel is asked when it leaves.
    ///
    /// # Panics
    /// If it is full.
    pub fn add(&mut self, to: SocketAddr, stamped: bool) -> &mut [u8] {
        let at = self.used;
        write_name(&mut self.names[at], to);
        self.stamped[at] = stamped;
        self.used += 1;
        &mut self.bytes[at * self.length..][..self.length]
    }

    /// Whether a timestamp was asked for a message.
    pub fn is_stamped(&self, at: usize) -> bool {
        self.stamped[at]
    }

    /// Sends the messages from `from` on; gives how many were sent before one could not be.
    ///
    /// # Errors
    /// When the first of them cannot be sent.
    pub fn send(&mut self, fd: RawFd, from: usize) -> io::Result<usize> {
        for at in from..self.used {
            let name = &mut self.names[at];
            let name_length = if libc::c_int::from(name.sin6_family) == libc::AF_INET {
                size_of::<libc::sockaddr_in>()
            } else {
                size_of::<libc::sockaddr_in6>()
            };
            self.parts[at] = libc::iovec {
                iov_base: self.bytes[at * self.length..].as_mut_ptr().cast(),
                iov_len: self.length,
            };
            let header = &mut self.headers[at].msg_hdr;
            header.msg_name = ptr::from_mut(name).cast();
            header.msg_namelen = libc::socklen_t::try_from(name_length).unwrap_or(0);
            header.msg_iov = &raw mut self.parts[at];
            header.msg_iovlen = 1;
            header.msg_flags = 0;
            if self.stamped[at] {
                header.msg_control = (&raw mut self.request).cast();
                header.msg_controllen = size_of::<StampRequest>();
            } else {
                header.msg_control = ptr::null_mut();
                header.msg_controllen = 0;
            }
        }
        let headers = &mut self.headers[from..self.used];
        let count = libc::c_uint::try_from(headers.len()).unwrap_or(0);
        // SAFETY: each header was just set to buffers of this value, which live through the call.
        let sent = unsafe { libc::sendmmsg(fd, headers.as_mut_ptr(), count, libc::MSG_DONTWAIT) };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }

    /// Forgets the messages.
    pub fn clear(&mut self) {
        self.used = 0;
    }
}

/// Room for messages that come in.
pub struct Inbox {
    room: usize,
    used: usize,
    bytes: Vec<u8>,
    names: Vec<libc::sockaddr_in6>,
    parts: Vec<libc::iovec>,
    controls: Vec<ControlRoom>,
    headers: Vec<libc::mmsghdr>,
}

/// As well aligned as a `cmsghdr`.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct ControlRoom([u8; control::ROOM]);

/// A message that came in.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// Its bytes, as far as there was room.
    pub bytes: &'a [u8],
    /// It was longer than the room.
    pub is_cut: bool,
    /// The source; of the error queue, the destination of our packet.
    pub address: Option<IpAddr>,
    /// What the kernel reports with it.
    pub control: Control,
}

/// Which of the two queues of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queue {
    /// What was received.
    Received,
    /// Errors, and timestamps of what was sent (`MSG_ERRQUEUE`).
    Errors,
}

impl Inbox {
    /// Room for messages of at most `room` bytes.
    pub fn new(room: usize) -> Inbox {
        let most = BATCH.min(BATCH_BYTES / room.max(1)).max(1);
        Inbox {
            room,
            used: 0,
            bytes: vec![0; room * most],
            names: vec![zeroed_name(); most],
            parts: vec![no_part(); most],
            controls: vec![ControlRoom([0; control::ROOM]); most],
            headers: vec![no_header(); most],
        }
    }

    /// Takes what is there, without waiting; true if there may be more.
    ///
    /// # Errors
    /// What recvmmsg(2) says, but for an empty queue.
    pub fn receive(&mut self, socket: &impl AsRawFd, queue: Queue) -> io::Result<bool> {
        self.used = 0;
        for at in 0..self.headers.len() {
            self.parts[at] = libc::iovec {
                iov_base: self.bytes[at * self.room..].as_mut_ptr().cast(),
                iov_len: self.room,
            };
            let header = &mut self.headers[at].msg_hdr;
            header.msg_name = (&raw mut self.names[at]).cast();
            header.msg_namelen =
                libc::socklen_t::try_from(size_of::<libc::sockaddr_in6>()).unwrap_or(0);
            header.msg_iov = &raw mut self.parts[at];
            header.msg_iovlen = 1;
            header.msg_control = self.controls[at].0.as_mut_ptr().cast();
            header.msg_controllen = control::ROOM;
            header.msg_flags = 0;
        }
        let flags = match queue {
            Queue::Received => libc::MSG_DONTWAIT,
            Queue::Errors => libc::MSG_DONTWAIT | libc::MSG_ERRQUEUE,
        };
        let count = libc::c_uint::try_from(self.headers.len()).unwrap_or(0);
        // SAFETY: each header was just set to buffers of this value, which live through the call.
        let got = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                count,
                flags,
                ptr::null_mut(),
            )
        };
        match usize::try_from(got) {
            Ok(got) => {
                self.used = got;
                Ok(got == self.headers.len())
            }
            Err(_) => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
                error => Err(error),
            },
        }
    }

    /// The messages that came.
    pub fn messages(&self) -> impl Iterator<Item = Message<'_>> {
        (0..self.used).map(|at| {
            let header = &self.headers[at];
            let length = (header.msg_len as usize).min(self.room);
            Message {
                bytes: &self.bytes[at * self.room..][..length],
                is_cut: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
                address: (header.msg_hdr.msg_namelen > 0)
                    .then(|| control::address_of(&self.names[at]))
                    .flatten(),
                // SAFETY: recvmmsg filled this header and its buffers, and nothing changed them.
                control: unsafe { control::read(&header.msg_hdr) },
            }
        })
    }

    /// Whether anything came.
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }
}

fn no_part() -> libc::iovec {
    libc::iovec {
        iov_base: ptr::null_mut(),
        iov_len: 0,
    }
}

fn no_header() -> libc::mmsghdr {
    // SAFETY: plain data for which all zeroes is a valid value.
    unsafe { std::mem::zeroed() }
}

fn zeroed_name() -> libc::sockaddr_in6 {
    // SAFETY: plain data for which all zeroes is a valid value.
    unsafe { std::mem::zeroed() }
}

/// Writes an address of either family into room for the larger one.
fn write_name(name: &mut libc::sockaddr_in6, to: SocketAddr) {
    match to {
        SocketAddr::V4(to) => {
            // SAFETY: as in `zeroed_name`.
            let mut address: libc::sockaddr_in = unsafe { std::mem::zeroed() };
            address.sin_family = family(libc::AF_INET);
            address.sin_port = to.port().to_be();
            address.sin_addr.s_addr = u32::from(*to.ip()).to_be();
            // SAFETY: a sockaddr_in is smaller than the sockaddr_in6 that is there.
            unsafe { ptr::write_unaligned(ptr::from_mut(name).cast(), address) };
        }
        SocketAddr::V6(to) => {
            *name = zeroed_name();
            name.sin6_family = family(libc::AF_INET6);
            name.sin6_port = to.port().to_be();
            name.sin6_addr.s6_addr = to.ip().octets();
            name.sin6_scope_id = to.scope_id();
        }
    }
}

/// Families are small numbers.
fn family(number: libc::c_int) -> libc::sa_family_t {
    libc::sa_family_t::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    fn filled(outbox: &mut Outbox, to: SocketAddr, count: u8) {
        for number in 0..count {
            outbox.add(to, false)[0] = number;
        }
    }

    #[test]
    fn a_batch_arrives_whole_and_in_order_with_its_control_messages_time_after_time() {
        for any in ["127.0.0.1:0", "[::1]:0"] {
            let (Ok(receiver), Ok(sender)) = (UdpSocket::bind(any), UdpSocket::bind(any)) else {
                continue;
            };
            let on: libc::c_int = 1;
            // SAFETY: the value lives through the call and has the size that is passed.
            let set = unsafe {
                let (level, name) = if any.starts_with('[') {
                    (libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT)
                } else {
                    (libc::IPPROTO_IP, libc::IP_RECVTTL)
                };
                let on = (&raw const on).cast();
                libc::setsockopt(receiver.as_raw_fd(), level, name, on, 4)
            };
            assert_eq!(set, 0);
            let to = receiver.local_addr().unwrap();
            let mut outbox = Outbox::new(b"?ello");
            let mut inbox = Inbox::new(4);
            for _ in 0..3 {
                outbox.clear();
                filled(&mut outbox, to, 10);
                assert_eq!(outbox.send(sender.as_raw_fd(), 0).unwrap(), 10, "{to}");
                assert!(!inbox.receive(&receiver, Queue::Received).unwrap());
                let got: Vec<_> = inbox.messages().collect();
                assert_eq!(got.len(), 10);
                for (number, message) in (0..).zip(&got) {
                    assert_eq!(message.bytes, [number, b'e', b'l', b'l']);
                    assert!(message.is_cut);
                    assert_eq!(message.address, Some(sender.local_addr().unwrap().ip()));
                    assert!(message.control.hop_limit.is_some(), "{number}");
                }
                assert!(!inbox.receive(&receiver, Queue::Received).unwrap());
                assert!(inbox.is_empty());
            }
        }
    }
}
