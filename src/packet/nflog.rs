//! NFLOG: packets that the packet filter of Linux logs (<https://www.tcpdump.org/linktypes/LINKTYPE_NFLOG.html>).

use std::ops::Range;

use super::link::ethertype;
use super::{Layer, Malformed, at_least};

/// Where the fields of the header are.
mod field {
    pub(super) const FAMILY: usize = 0;
    pub(super) const END: usize = 4;
}

/// What was logged of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// What it is, as an `EtherType`; 0 if that is not known.
    pub ethertype: u16,
    /// Its place in the frame.
    pub packet: Range<usize>,
}

/// Bytes of the length and the type of an attribute.
const ATTRIBUTE: usize = 4;

/// Reads a frame. The attributes are in the byte order of the machine that captured, which the frame does not say.
pub(super) fn read(frame: &[u8]) -> Result<Logged, Malformed> {
    let bytes = at_least(frame, 0, field::END, Layer::Nflog)?;
    let ethertype = match bytes[field::FAMILY] {
        // AF_INET, AF_INET6 of Linux.
        2 => ethertype::IPV4,
        10 => ethertype::IPV6,
        _ => 0,
    };
    let packet = payload(frame, u16::from_le_bytes)
        .or_else(|| payload(frame, u16::from_be_bytes))
        .ok_or(Malformed {
            layer: Layer::Nflog,
            offset: field::END,
            need: ATTRIBUTE,
            have: frame.len() - field::END,
        })?;
    Ok(Logged { ethertype, packet })
}

/// Looks for the packet among the attributes. Each has at least 4 bytes, so this ends.
fn payload(frame: &[u8], number: fn([u8; 2]) -> u16) -> Option<Range<usize>> {
    /// `NFULA_PAYLOAD` (linux/netfilter/nfnetlink_log.h).
    const PAYLOAD: u16 = 9;
    let mut at = field::END;
    loop {
        let &[a, b, c, d] = frame.get(at..)?.first_chunk::<ATTRIBUTE>()?;
        let length = usize::from(number([a, b]));
        if length < ATTRIBUTE {
            return None;
        }
        // The two upper bits are flags of netlink.
        if number([c, d]) & 0x3fff == PAYLOAD {
            return Some(at + ATTRIBUTE..at + length);
        }
        at += length.next_multiple_of(4);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packet_is_found_in_either_byte_order() {
        let mut little = vec![2, 0, 0, 5, 5, 0, 10, 0, b'x', 0, 0, 0, 6, 0, 9, 0];
        little.extend([0x45, 0]);
        let mut big = vec![10, 0, 0, 5, 0, 6, 0, 9];
        big.extend([0x60, 0]);
        let found = |bytes: &[u8]| read(bytes).map(|logged| (logged.ethertype, logged.packet));
        assert_eq!(found(&little), Ok((ethertype::IPV4, 16..18)));
        assert_eq!(found(&big), Ok((ethertype::IPV6, 8..10)));
        assert!(found(&little[..12]).is_err());
        assert!(found(&[2, 0, 0]).is_err());
        assert!(found(&[2, 0, 0, 0, 0, 0, 0, 0]).is_err());
    }
}
