//! Netlink sockets.
//!
//! Sources: `linux/netlink_diag.h` (`struct netlink_diag_req`, `netlink_diag_msg`),
//! `net/netlink/diag.c`. A socket that listens to groups may be listed twice: compare cookies.

use super::cookie::cookie_at;
use super::meminfo::SkMemInfo;
use super::{AF_NETLINK, SOCK_DIAG_BY_FAMILY, noted};
use crate::netlink::{Attribute, Attributes, DUMP, Malformed, Request, fixed_part, u32_at};

/// What the answers shall carry: the bits of `ndiag_show`.
pub mod show {
    /// Memory.
    pub const MEMINFO: u32 = 0x01;
    /// The groups that it listens to.
    pub const GROUPS: u32 = 0x02;
    /// Options.
    pub const FLAGS: u32 = 0x08;
}

/// `NDIAG_PROTO_ALL`: the sockets of all netlink protocols.
pub const ALL_PROTOCOLS: u8 = 0xff;

/// `struct netlink_diag_msg`.
mod field {
    pub(super) const KIND: usize = 1;
    pub(super) const PROTOCOL: usize = 2;
    pub(super) const STATE: usize = 3;
    pub(super) const PORT: usize = 4;
    pub(super) const PEER_PORT: usize = 8;
    pub(super) const PEER_GROUP: usize = 12;
    pub(super) const INODE: usize = 16;
    pub(super) const COOKIE: usize = 20;
    pub(super) const LEN: usize = 28;
}

/// `NETLINK_DIAG_*`.
mod kind {
    pub(super) const MEMINFO: u16 = 0;
    pub(super) const GROUPS: u16 = 1;
    pub(super) const FLAGS: u16 = 4;
}

/// A request for netlink sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetlinkRequest {
    /// The netlink protocol (`NETLINK_ROUTE` is 0), or [`ALL_PROTOCOLS`].
    pub protocol: u8,
    /// What the answers shall carry: see [`show`].
    pub show: u32,
}

impl NetlinkRequest {
    /// Writes a request for all sockets of the protocol; the kernel knows no other.
    pub fn write_dump(&self, sequence: u32, out: &mut Vec<u8>) {
        Request::new(out, SOCK_DIAG_BY_FAMILY, DUMP, sequence)
            .bytes(&[AF_NETLINK, self.protocol, 0, 0])
            .bytes(&[0; 4])
            .bytes(&self.show.to_ne_bytes())
            .bytes(&[0; 8])
            .finish();
    }
}

/// An answer about one socket. The length is checked by [`NetlinkMessage::new`], so no accessor
/// panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetlinkMessage<'a> {
    fixed: &'a [u8; field::LEN],
    payload: &'a [u8],
}

impl<'a> NetlinkMessage<'a> {
    /// A view of a message's payload.
    pub fn new(payload: &'a [u8]) -> Result<Self, Malformed> {
        let fixed = fixed_part(payload, "netlink_diag_msg")?;
        Ok(NetlinkMessage { fixed, payload })
    }

    /// `SOCK_RAW` (3) or `SOCK_DGRAM` (2); the kernel makes no difference.
    pub fn kind(&self) -> u8 {
        self.fixed[field::KIND]
    }

    /// The netlink protocol: `NETLINK_ROUTE` is 0, `NETLINK_SOCK_DIAG` is 4.
    pub fn protocol(&self) -> u8 {
        self.fixed[field::PROTOCOL]
    }

    /// 1 connected; 0 and 7 not connected.
    pub fn state(&self) -> u8 {
        self.fixed[field::STATE]
    }

    /// Its address: often, but not always, its process's number. 0 is the kernel.
    pub fn port(&self) -> u32 {
        u32_at(self.fixed, field::PORT)
    }

    /// The address that it is connected to; 0 is the kernel.
    pub fn peer_port(&self) -> u32 {
        u32_at(self.fixed, field::PEER_PORT)
    }

    /// The group that it is connected to, or 0.
    pub fn peer_group(&self) -> u32 {
        u32_at(self.fixed, field::PEER_GROUP)
    }

    /// The number of the socket's file. The kernel's own sockets have one as well, with port 0.
    pub fn inode(&self) -> u32 {
        u32_at(self.fixed, field::INODE)
    }

    /// The number that names the socket as long as the host runs.
    pub fn cookie(&self) -> u64 {
        cookie_at(self.fixed, field::COOKIE)
    }

    /// Further data from the kernel, in one pass.
    pub fn attributes(&self) -> NetlinkAttributes<'a> {
        NetlinkAttributes::new(self.payload)
    }
}

/// The attributes of a netlink socket. `None` is what the kernel did not send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NetlinkAttributes<'a> {
    /// Memory and drops.
    pub sk_mem_info: Option<SkMemInfo>,
    /// The groups that it listens to; absent if it listens to none.
    pub groups: Option<Groups<'a>>,
    /// `NDIAG_FLAG_*`: 1 a dump is under way, 2 packet info, 4 broadcast errors, 8 no `ENOBUFS`,
    /// 16 listens to all namespaces, 32 short acknowledgements.
    pub flags: Option<u32>,
    /// The first thing that could not be read.
    pub malformed: Option<Malformed>,
}

impl<'a> NetlinkAttributes<'a> {
    fn new(payload: &'a [u8]) -> Self {
        let mut found = NetlinkAttributes::default();
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
            kind::MEMINFO => self.sk_mem_info = noted(bad, SkMemInfo::read(attribute)),
            kind::GROUPS => self.groups = Some(Groups(attribute.payload)),
            kind::FLAGS => self.flags = noted(bad, attribute.u32()),
            _ => {}
        }
    }
}

/// A set of multicast groups, an array of `unsigned long`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Groups<'a>(&'a [u8]);

impl Groups<'_> {
    /// The groups' numbers, from 1 on.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        let (words, _) = self.0.as_chunks::<{ size_of::<usize>() }>();
        words
            .iter()
            .map(|&word| usize::from_ne_bytes(word))
            .enumerate()
            .flat_map(|(index, word)| {
                (0..usize::BITS as usize)
                    .filter(move |bit| word >> bit & 1 != 0)
                    .map(move |bit| index * usize::BITS as usize + bit + 1)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::Messages;

    #[test]
    fn groups_count_from_one() {
        let words = [1usize | 1 << 4, 1 << 1];
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let groups: Vec<usize> = Groups(&bytes).iter().collect();
        assert_eq!(groups, [1, 5, usize::BITS as usize + 2]);
    }

    #[test]
    fn a_request_is_twenty_bytes_behind_its_header() {
        let mut out = Vec::new();
        let request = NetlinkRequest {
            protocol: ALL_PROTOCOLS,
            show: show::GROUPS,
        };
        request.write_dump(5, &mut out);
        let message = Messages::new(&out).next().unwrap().unwrap();
        let mut expected = [0; 20];
        expected[..2].copy_from_slice(&[16, 255]);
        expected[8..12].copy_from_slice(&2u32.to_ne_bytes());
        assert_eq!(message.payload, expected);
    }

    #[test]
    fn the_fields_are_where_the_kernel_puts_them() {
        let mut payload = vec![16, 3, 4, 1];
        for number in [100u32, 200, 300, 400, 500, 0] {
            payload.extend_from_slice(&number.to_ne_bytes());
        }
        let message = NetlinkMessage::new(&payload).unwrap();
        assert_eq!((message.kind(), message.protocol()), (3, 4));
        assert_eq!((message.state(), message.port()), (1, 100));
        assert_eq!((message.peer_port(), message.peer_group()), (200, 300));
        assert_eq!((message.inode(), message.cookie()), (400, 500));
        assert_eq!(NetlinkMessage::new(&payload[..27]).unwrap_err().have, 27);
    }
}
