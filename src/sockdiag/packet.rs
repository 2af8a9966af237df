//! Packet sockets: those of tcpdump, DHCP clients and their like.
//!
//! Sources: `linux/packet_diag.h` (`struct packet_diag_req`, `packet_diag_msg`),
//! `net/packet/diag.c`.

use super::cookie::cookie_at;
use super::meminfo::SkMemInfo;
use super::{AF_PACKET, SOCK_DIAG_BY_FAMILY, noted};
use crate::netlink::{Attribute, Attributes, DUMP, Malformed, Request, fixed_part, u16_at, u32_at};

/// What the answers shall carry: the bits of `pdiag_show`.
pub mod show {
    /// Interface and options; with it comes the owner.
    pub const INFO: u32 = 0x01;
    /// The multicast addresses that it joined.
    pub const MCLIST: u32 = 0x02;
    /// The rings.
    pub const RING_CFG: u32 = 0x04;
    /// The group that shares the packets.
    pub const FANOUT: u32 = 0x08;
    /// Memory.
    pub const MEMINFO: u32 = 0x10;
    /// The filter; needs `CAP_NET_ADMIN`.
    pub const FILTER: u32 = 0x20;
}

/// `struct packet_diag_msg`.
mod field {
    pub(super) const KIND: usize = 1;
    pub(super) const PROTOCOL: usize = 2;
    pub(super) const INODE: usize = 4;
    pub(super) const COOKIE: usize = 8;
    pub(super) const LEN: usize = 16;
}

/// `PACKET_DIAG_*`; 1 is the multicast list, 2 and 3 are the rings.
mod kind {
    pub(super) const INFO: u16 = 0;
    pub(super) const RX_RING: u16 = 2;
    pub(super) const FANOUT: u16 = 4;
    pub(super) const UID: u16 = 5;
    pub(super) const MEMINFO: u16 = 6;
    pub(super) const FILTER: u16 = 7;
}

/// The bytes of a `struct sock_filter`.
const INSTRUCTION: usize = 8;

/// A request for packet sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketRequest {
    /// What the answers shall carry: see [`show`].
    pub show: u32,
}

impl PacketRequest {
    /// Writes a request for all of them; the kernel knows no other.
    pub fn write_dump(&self, sequence: u32, out: &mut Vec<u8>) {
        Request::new(out, SOCK_DIAG_BY_FAMILY, DUMP, sequence)
            .bytes(&[AF_PACKET, 0, 0, 0])
            .bytes(&[0; 4])
            .bytes(&self.show.to_ne_bytes())
            .bytes(&[0; 8])
            .finish();
    }
}

/// An answer about one socket. The length is checked by [`PacketMessage::new`], so no accessor
/// panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketMessage<'a> {
    fixed: &'a [u8; field::LEN],
    payload: &'a [u8],
}

impl<'a> PacketMessage<'a> {
    /// A view of a message's payload.
    pub fn new(payload: &'a [u8]) -> Result<Self, Malformed> {
        let fixed = fixed_part(payload, "packet_diag_msg")?;
        Ok(PacketMessage { fixed, payload })
    }

    /// `SOCK_RAW` (3), `SOCK_DGRAM` (2) or `SOCK_PACKET` (10).
    pub fn kind(&self) -> u8 {
        self.fixed[field::KIND]
    }

    /// The `EtherType` that it receives: 3 is all, 0 means no protocol.
    pub fn protocol(&self) -> u16 {
        u16_at(self.fixed, field::PROTOCOL)
    }

    /// The number of the socket's file.
    pub fn inode(&self) -> u32 {
        u32_at(self.fixed, field::INODE)
    }

    /// The number that names the socket as long as the host runs.
    pub fn cookie(&self) -> u64 {
        cookie_at(self.fixed, field::COOKIE)
    }

    /// Further data from the kernel, in one pass.
    pub fn attributes(&self) -> PacketAttributes {
        PacketAttributes::new(self.payload)
    }
}

/// `struct packet_diag_info`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketInfo {
    /// The index of the interface that it listens on, or 0 for all.
    pub interface: u32,
    /// The version of its ring: 0, 1 or 2 for `TPACKET_V1` to `V3`.
    pub ring_version: u32,
    /// `PDI_*`: 1 it receives, 2 auxiliary data, 4 the original device, 8 virtio headers, 16 loss.
    pub flags: u32,
}

/// `PACKET_DIAG_FANOUT`: a group that shares the packets among its sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fanout {
    /// The group's number.
    pub group: u16,
    /// How they are shared (`PACKET_FANOUT_*`), with its flags in the high byte.
    pub mode: u16,
}

/// The attributes of a packet socket. `None` is what the kernel did not send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PacketAttributes {
    /// Interface and options.
    pub info: Option<PacketInfo>,
    /// The group that it belongs to.
    pub fanout: Option<Fanout>,
    /// The owner's user number.
    pub uid: Option<u32>,
    /// Memory and drops.
    pub sk_mem_info: Option<SkMemInfo>,
    /// How many instructions its classic BPF filter has.
    pub filter_instructions: Option<usize>,
    /// Whether packets are received into a ring: then memory and queues tell nothing of them.
    pub has_receive_ring: bool,
    /// The first thing that could not be read.
    pub malformed: Option<Malformed>,
}

impl PacketAttributes {
    fn new(payload: &[u8]) -> Self {
        let mut found = PacketAttributes::default();
        for attribute in Attributes::new(payload, field::LEN) {
            if let Some(attribute) = noted(&mut found.malformed, attribute) {
                found.add(&attribute);
            }
        }
        found
    }

    fn add(&mut self, attribute: &Attribute<'_>) {
        let bad = &mut self.malformed;
        match attribute.kind {
            kind::INFO => {
                self.info = noted(bad, attribute.array::<24>()).map(|bytes| PacketInfo {
                    interface: u32_at(&bytes, 0),
                    ring_version: u32_at(&bytes, 4),
                    flags: u32_at(&bytes, 20),
                });
            }
            kind::RX_RING => self.has_receive_ring = true,
            kind::FANOUT => {
                self.fanout = noted(bad, attribute.u32()).map(|word| Fanout {
                    group: (word & 0xffff) as u16,
                    mode: (word >> 16) as u16,
                });
            }
            kind::UID => self.uid = noted(bad, attribute.u32()),
            kind::MEMINFO => self.sk_mem_info = noted(bad, SkMemInfo::read(attribute)),
            kind::FILTER => {
                self.filter_instructions = Some(attribute.payload.len() / INSTRUCTION);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::Messages;

    #[test]
    fn a_request_is_twenty_bytes_behind_its_header() {
        let mut out = Vec::new();
        let show = show::INFO | show::MEMINFO;
        PacketRequest { show }.write_dump(5, &mut out);
        let message = Messages::new(&out).next().unwrap().unwrap();
        assert_eq!((message.kind, message.flags), (20, 0x301));
        let mut expected = [0; 20];
        expected[0] = 17;
        expected[8..12].copy_from_slice(&0x11u32.to_ne_bytes());
        assert_eq!(message.payload, expected);
    }

    #[test]
    fn a_fanout_is_a_group_and_a_mode() {
        let mut payload = vec![17, 3, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
        payload[2..4].copy_from_slice(&3u16.to_ne_bytes());
        for number in [8u16, kind::FANOUT] {
            payload.extend_from_slice(&number.to_ne_bytes());
        }
        payload.extend_from_slice(&0x0001_002au32.to_ne_bytes());
        let message = PacketMessage::new(&payload).unwrap();
        assert_eq!((message.kind(), message.protocol()), (3, 3));
        let fanout = message.attributes().fanout.unwrap();
        assert_eq!((fanout.group, fanout.mode), (42, 1));
    }

    #[test]
    fn a_short_message_is_malformed() {
        assert_eq!(PacketMessage::new(&[0; 15]).unwrap_err().need, 16);
    }
}
