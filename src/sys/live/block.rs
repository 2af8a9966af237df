//! A block of a packet ring: `TPACKET_V3` of `linux/if_packet.h`, as bytes.

use crate::capfile::Timestamp;

/// `struct tpacket_block_desc`, up to what is read of it.
mod descriptor {
    pub(super) const PACKETS: usize = 12;
    pub(super) const FIRST: usize = 16;
}

/// `struct tpacket3_hdr`; `struct sockaddr_ll` follows it.
mod header {
    pub(super) const NEXT: usize = 0;
    pub(super) const SECONDS: usize = 4;
    pub(super) const NANOSECONDS: usize = 8;
    pub(super) const CAPTURED: usize = 12;
    pub(super) const LENGTH: usize = 16;
    pub(super) const STATUS: usize = 20;
    pub(super) const MAC: usize = 24;
    pub(super) const VLAN_TAG: usize = 32;
    pub(super) const VLAN_PROTOCOL: usize = 36;
    pub(super) const ADDRESS: usize = 48;
    pub(super) const PROTOCOL: usize = ADDRESS + 2;
    pub(super) const INTERFACE: usize = ADDRESS + 4;
    pub(super) const HARDWARE_TYPE: usize = ADDRESS + 8;
    pub(super) const PACKET_TYPE: usize = ADDRESS + 10;
    pub(super) const LINK_ADDRESS: usize = ADDRESS + 11;
    pub(super) const LEN: usize = ADDRESS + 20;
}

/// `TP_STATUS_VLAN_VALID`: there is a tag, also if it is 0.
const VLAN_VALID: u32 = 1 << 4;
/// `TP_STATUS_VLAN_TPID_VALID`.
const VLAN_PROTOCOL_VALID: u32 = 1 << 6;
/// The protocol of a tag that does not say (802.1Q).
const DOT1Q: u16 = 0x8100;

/// A packet in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    pub(super) time: Timestamp,
    /// What was captured; without the tag.
    pub(super) data: &'a [u8],
    /// How long it is, without the tag.
    pub(super) length: u32,
    /// The protocol of the outermost VLAN tag, and the tag.
    pub(super) tag: Option<[u16; 2]>,
    pub(super) protocol: u16,
    pub(super) interface: u32,
    pub(super) hardware_type: u16,
    /// `PACKET_HOST`, `PACKET_OUTGOING` ...
    pub(super) kind: u8,
    /// The length of the sender's link address, and its first bytes.
    pub(super) sender: &'a [u8],
}

/// The packets of a block that the kernel has handed over. It ends where something does not fit.
pub(super) fn packets(block: &[u8]) -> impl Iterator<Item = Packet<'_>> {
    let mut cursor = Cursor::new(block);
    std::iter::from_fn(move || cursor.next(block))
}

/// A place in a block.
#[derive(Debug)]
pub(super) struct Cursor {
    /// How many packets are left.
    left: u32,
    at: usize,
}

impl Cursor {
    /// At the first packet.
    pub(super) fn new(block: &[u8]) -> Cursor {
        Cursor {
            left: u32_at(block, descriptor::PACKETS).unwrap_or(0),
            at: u32_at(block, descriptor::FIRST).map_or(0, |first| first as usize),
        }
    }

    /// The packet at this place.
    pub(super) fn peek<'a>(&self, block: &'a [u8]) -> Option<Packet<'a>> {
        if self.left == 0 {
            return None;
        }
        packet(block.get(self.at..)?)
    }

    /// The same, and goes on to the next.
    pub(super) fn next<'a>(&mut self, block: &'a [u8]) -> Option<Packet<'a>> {
        let packet = self.peek(block)?;
        self.left -= 1;
        match u32_at(block.get(self.at..)?, header::NEXT)? {
            0 => self.left = 0,
            next => self.at += next as usize,
        }
        Some(packet)
    }
}

fn packet(bytes: &[u8]) -> Option<Packet<'_>> {
    let head = bytes.get(..header::LEN)?;
    let word = |at| u32_at(head, at);
    let half = |at: usize| Some(u16::from_ne_bytes([*head.get(at)?, *head.get(at + 1)?]));
    let status = word(header::STATUS)?;
    let data = usize::from(half(header::MAC)?);
    let captured = word(header::CAPTURED)? as usize;
    let protocol = match half(header::VLAN_PROTOCOL)? {
        protocol if status & VLAN_PROTOCOL_VALID != 0 => protocol,
        _ => DOT1Q,
    };
    let tag = half(header::VLAN_TAG)?;
    Some(Packet {
        time: Timestamp {
            seconds: word(header::SECONDS)?.into(),
            nanoseconds: word(header::NANOSECONDS)?,
        },
        data: bytes.get(data..data.checked_add(captured)?)?,
        length: word(header::LENGTH)?,
        tag: (status & VLAN_VALID != 0).then_some([protocol, tag]),
        protocol: u16::from_be(half(header::PROTOCOL)?),
        interface: word(header::INTERFACE)?,
        hardware_type: half(header::HARDWARE_TYPE)?,
        kind: *head.get(header::PACKET_TYPE)?,
        sender: head.get(header::LINK_ADDRESS..header::LEN)?,
    })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|bytes| u32::from_ne_bytes(*bytes))
}

/// Writes a frame of Ethernet with its tag after the addresses, where the sender had it.
pub(super) fn with_tag(out: &mut Vec<u8>, packet: &Packet<'_>, tag: [u16; 2]) {
    const ADDRESSES: usize = 12;
    let (addresses, rest) = packet.data.split_at(packet.data.len().min(ADDRESSES));
    out.clear();
    out.extend_from_slice(addresses);
    // A frame that was cut in its addresses has no place for it.
    if addresses.len() == ADDRESSES {
        for half in tag {
            out.extend_from_slice(&half.to_be_bytes());
        }
        out.extend_from_slice(rest);
    }
}

/// Writes a packet with the link header of `LINUX_SLL2`
/// (<https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL2.html>), after which a tag follows as in Ethernet.
pub(super) fn cooked(out: &mut Vec<u8>, packet: &Packet<'_>) {
    out.clear();
    let protocol = packet.tag.map_or(packet.protocol, |[protocol, _]| protocol);
    out.extend_from_slice(&protocol.to_be_bytes());
    out.extend_from_slice(&[0; 2]);
    out.extend_from_slice(&packet.interface.to_be_bytes());
    out.extend_from_slice(&packet.hardware_type.to_be_bytes());
    out.push(packet.kind);
    out.extend_from_slice(packet.sender);
    if let Some([_, tag]) = packet.tag {
        out.extend_from_slice(&tag.to_be_bytes());
        out.extend_from_slice(&packet.protocol.to_be_bytes());
    }
    out.extend_from_slice(packet.data);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block with one packet of six bytes, which has a tag.
    fn block() -> Vec<u8> {
        let mut block = vec![0; 48];
        block[12..16].copy_from_slice(&1_u32.to_ne_bytes());
        block[16..20].copy_from_slice(&48_u32.to_ne_bytes());
        let mut packet = vec![0; 80];
        let words = [
            (4, 1_700_000_000_u32),
            (8, 5),
            (12, 14),
            (16, 60),
            (20, 0x51),
            (52, 3),
        ];
        for (at, word) in words {
            packet[at..at + 4].copy_from_slice(&word.to_ne_bytes());
        }
        for (at, half) in [(24, 80_u16), (32, 7), (36, 0x88a8), (56, 1)] {
            packet[at..at + 2].copy_from_slice(&half.to_ne_bytes());
        }
        packet[50..52].copy_from_slice(&0x0800_u16.to_be_bytes());
        packet[58] = 4;
        packet[59] = 6;
        packet.extend([1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 8, 0]);
        [block, packet].concat()
    }

    #[test]
    fn a_packet_has_its_time_its_bytes_and_its_tag() {
        let block = block();
        let found: Vec<Packet<'_>> = packets(&block).collect();
        assert_eq!(found.len(), 1);
        let packet = &found[0];
        assert_eq!(packet.time.seconds, 1_700_000_000);
        assert_eq!(packet.tag, Some([0x88a8, 7]));
        assert_eq!((packet.length, packet.data.len()), (60, 14));
        let mut out = Vec::new();
        with_tag(&mut out, packet, [0x88a8, 7]);
        assert_eq!(out[10..], [2, 2, 0x88, 0xa8, 0, 7, 8, 0]);
        cooked(&mut out, packet);
        assert_eq!(out[..12], [0x88, 0xa8, 0, 0, 0, 0, 0, 3, 0, 1, 4, 6]);
        assert_eq!(out[20..26], [0, 7, 8, 0, 1, 1]);
    }

    #[test]
    fn a_place_in_a_block_stays_where_it_is_until_it_is_moved() {
        let block = block();
        let mut cursor = Cursor::new(&block);
        assert_eq!(cursor.peek(&block), cursor.peek(&block));
        assert!(cursor.next(&block).is_some());
        assert_eq!(cursor.peek(&block), None);
        assert_eq!(cursor.next(&block), None);
    }

    #[test]
    fn a_packet_that_does_not_fit_its_block_ends_the_block() {
        let whole = block();
        for length in 0..whole.len() {
            assert_eq!(packets(&whole[..length]).count(), 0, "{length}");
        }
        let mut many = whole;
        many[12..16].copy_from_slice(&u32::MAX.to_ne_bytes());
        assert_eq!(packets(&many).count(), 1, "the offset to the next is 0");
    }
}
