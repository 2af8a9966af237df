//! Unix sockets.
//!
//! Sources: `linux/unix_diag.h` (`struct unix_diag_req`, `unix_diag_msg`), `net/unix/diag.c`.

use super::cookie::{cookie_at, cookie_bytes};
use super::meminfo::SkMemInfo;
use super::{AF_UNIX, SOCK_DIAG_BY_FAMILY, noted};
use crate::netlink::{Attribute, Attributes, DUMP, Malformed, Request, fixed_part, u32_at};

/// What the answers shall carry: the bits of `udiag_show`.
pub mod show {
    /// The name.
    pub const NAME: u32 = 0x01;
    /// The file that the name is.
    pub const VFS: u32 = 0x02;
    /// The other end.
    pub const PEER: u32 = 0x04;
    /// The connections that wait for `accept`.
    pub const ICONS: u32 = 0x08;
    /// The queues' lengths.
    pub const RQLEN: u32 = 0x10;
    /// Memory.
    pub const MEMINFO: u32 = 0x20;
    /// The owner; Linux 5.3 and later.
    pub const UID: u32 = 0x40;
    /// All of them.
    pub const ALL: u32 = 0x7f;
}

/// `struct unix_diag_msg`.
mod field {
    pub(super) const KIND: usize = 1;
    pub(super) const STATE: usize = 2;
    pub(super) const INODE: usize = 4;
    pub(super) const COOKIE: usize = 8;
    pub(super) const LEN: usize = 16;
}

/// `UNIX_DIAG_*`.
mod kind {
    pub(super) const NAME: u16 = 0;
    pub(super) const VFS: u16 = 1;
    pub(super) const PEER: u16 = 2;
    pub(super) const ICONS: u16 = 3;
    pub(super) const RQLEN: u16 = 4;
    pub(super) const MEMINFO: u16 = 5;
    pub(super) const SHUTDOWN: u16 = 6;
    pub(super) const UID: u16 = 7;
}

/// A request for Unix sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnixRequest {
    /// The states to list: see [`states`](super::states).
    pub states: u32,
    /// What the answers shall carry: see [`show`].
    pub show: u32,
}

impl UnixRequest {
    /// Writes a request for all sockets in these states.
    pub fn write_dump(&self, sequence: u32, out: &mut Vec<u8>) {
        self.write(DUMP, 0, 0, sequence, out);
    }

    /// Writes a request for one socket. Without a cookie, whichever has the inode.
    pub fn write_lookup(&self, inode: u32, cookie: Option<u64>, sequence: u32, out: &mut Vec<u8>) {
        self.write(0, inode, cookie.unwrap_or(u64::MAX), sequence, out);
    }

    fn write(&self, flags: u16, inode: u32, cookie: u64, sequence: u32, out: &mut Vec<u8>) {
        Request::new(out, SOCK_DIAG_BY_FAMILY, flags, sequence)
            .bytes(&[AF_UNIX, 0, 0, 0])
            .bytes(&self.states.to_ne_bytes())
            .bytes(&inode.to_ne_bytes())
            .bytes(&self.show.to_ne_bytes())
            .bytes(&cookie_bytes(cookie))
            .finish();
    }
}

/// An answer about one socket. The length is checked by [`UnixMessage::new`], so no accessor panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnixMessage<'a> {
    fixed: &'a [u8; field::LEN],
    payload: &'a [u8],
}

impl<'a> UnixMessage<'a> {
    /// A view of a message's payload.
    pub fn new(payload: &'a [u8]) -> Result<Self, Malformed> {
        let fixed = fixed_part(payload, "unix_diag_msg")?;
        Ok(UnixMessage { fixed, payload })
    }

    /// `SOCK_STREAM` (1), `SOCK_DGRAM` (2) or `SOCK_SEQPACKET` (5).
    pub fn kind(&self) -> u8 {
        self.fixed[field::KIND]
    }

    /// 1 connected, 10 listens, 7 neither, as in `net/tcp_states.h`.
    pub fn state(&self) -> u8 {
        self.fixed[field::STATE]
    }

    /// The number of the socket's file. A socket that is not accepted yet has none and is not listed.
    pub fn inode(&self) -> u32 {
        u32_at(self.fixed, field::INODE)
    }

    /// The number that names the socket as long as the host runs.
    pub fn cookie(&self) -> u64 {
        cookie_at(self.fixed, field::COOKIE)
    }

    /// Further data from the kernel, in one pass.
    pub fn attributes(&self) -> UnixAttributes<'a> {
        UnixAttributes::new(self.payload)
    }
}

/// The name of a Unix socket: any bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnixName<'a> {
    /// A path of up to 108 bytes. The file may be gone.
    Path(&'a [u8]),
    /// The bytes after the leading NUL; there may be more NULs among them.
    Abstract(&'a [u8]),
}

impl<'a> UnixName<'a> {
    /// The kernel counts a path's final NUL as part of it. An empty name means none.
    fn new(bytes: &'a [u8]) -> Option<Self> {
        match bytes {
            [] => None,
            [0, name @ ..] => Some(UnixName::Abstract(name)),
            [path @ .., 0] | path => Some(UnixName::Path(path)),
        }
    }
}

/// `struct unix_diag_vfs`: the file that a path was when the socket was bound to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnixFile {
    /// The file's inode, not the socket's.
    pub inode: u32,
    /// The device, in the kernel's own form: see [`UnixFile::major`].
    pub device: u32,
}

impl UnixFile {
    /// The device's major number. The kernel's form has 12 and 20 bits; `stat(2)` has another.
    pub fn major(&self) -> u32 {
        self.device >> 20
    }

    /// The device's minor number.
    pub fn minor(&self) -> u32 {
        self.device & 0xf_ffff
    }
}

/// The attributes of a Unix socket. `None` is what the kernel did not send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UnixAttributes<'a> {
    /// The name, if there is one.
    pub name: Option<UnixName<'a>>,
    /// The file that the name is.
    pub file: Option<UnixFile>,
    /// The inode of the socket at the other end. 0 if that is not accepted yet.
    pub peer_inode: Option<u32>,
    /// LISTEN: the inodes of the clients' sockets whose connections wait for `accept`.
    pub waiting: Option<Inodes<'a>>,
    /// LISTEN: connections that wait for `accept`. Else: received and not read, bytes (stream and
    /// seqpacket) or the length of the first message, bytes (datagrams).
    pub recv_queue: Option<u32>,
    /// LISTEN: the limit of the accept queue. Else: memory of what the peer has not read, bytes.
    pub send_queue: Option<u32>,
    /// Memory. What is sent counts for the sender until it is read.
    pub sk_mem_info: Option<SkMemInfo>,
    /// Bit 0 nothing more is received, bit 1 nothing more is sent.
    pub shutdown: Option<u8>,
    /// The owner's user number.
    pub uid: Option<u32>,
    /// The first thing that could not be read.
    pub malformed: Option<Malformed>,
}

impl<'a> UnixAttributes<'a> {
    fn new(payload: &'a [u8]) -> Self {
        let mut found = UnixAttributes::default();
        for attribute in Attributes::new(payload, field::LEN) {
            if let Some(attribute) = noted(&mut found.malformed, attribute) {
                found.add(&attribute);
            }
        }
        found
    }

    fn add(&mut self, attribute: &Attribute<'a>) {
        let bad = &mut self.malformed;
        match attribute.kind {
            kind::NAME => self.name = UnixName::new(attribute.payload),
            kind::VFS => {
                self.file = noted(bad, attribute.array::<8>()).map(|bytes| UnixFile {
                    inode: u32_at(&bytes, 0),
                    device: u32_at(&bytes, 4),
                });
            }
            kind::PEER => self.peer_inode = noted(bad, attribute.u32()),
            kind::ICONS => self.waiting = Some(Inodes(attribute.payload)),
            kind::RQLEN => {
                let lengths = noted(bad, attribute.array::<8>());
                self.recv_queue = lengths.map(|bytes| u32_at(&bytes, 0));
                self.send_queue = lengths.map(|bytes| u32_at(&bytes, 4));
            }
            kind::MEMINFO => self.sk_mem_info = noted(bad, SkMemInfo::read(attribute)),
            kind::SHUTDOWN => self.shutdown = noted(bad, attribute.u8()),
            kind::UID => self.uid = noted(bad, attribute.u32()),
            _ => {}
        }
    }
}

/// Inodes, in sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inodes<'a>(&'a [u8]);

impl Inodes<'_> {
    /// The inodes; 0 if the client is gone.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = u32> {
        let (numbers, _) = self.0.as_chunks::<4>();
        numbers.iter().copied().map(u32::from_ne_bytes)
    }
}

#[cfg(test)]
#[path = "unix_tests.rs"]
mod tests;
