//! Frame Relay: an address (ITU-T Q.922 clause 3.2), then what is carried (RFC 2427, or an `EtherType` as Cisco has it).

use super::link::ethertype;
use super::{Layer, Malformed, at_least};

/// Network layer protocol identifiers (ISO/IEC TR 9577).
mod identifier {
    pub(super) const IPV4: u8 = 0xcc;
    pub(super) const IPV6: u8 = 0x8e;
    pub(super) const SNAP: u8 = 0x80;
}

/// The `EtherType` of what is carried, 0 if it has none, and where that begins.
pub(super) fn read(frame: &[u8]) -> Result<(u16, usize), Malformed> {
    /// The last byte of an address has this bit.
    const LAST: u8 = 1;
    const LONGEST: usize = 4;
    /// Unnumbered information; a byte of padding may follow (RFC 2427 section 3).
    const UNNUMBERED: u8 = 0x03;
    let address = frame.iter().take(LONGEST).position(|byte| byte & LAST != 0);
    let start = address.map_or(LONGEST, |last| last + 1).max(2);
    let rest = at_least(frame, start, 2, Layer::FrameRelay)?;
    if rest[0] != UNNUMBERED {
        return Ok((u16::from_be_bytes([rest[0], rest[1]]), start + 2));
    }
    let padding = usize::from(rest[1] == 0);
    let rest = at_least(frame, start + 1 + padding, 1, Layer::FrameRelay)?;
    let after = start + 2 + padding;
    Ok(match rest {
        [identifier::IPV4, ..] => (ethertype::IPV4, after),
        [identifier::IPV6, ..] => (ethertype::IPV6, after),
        // The organisation 0 numbers as Ethernet does (RFC 2427 section 4.1).
        [identifier::SNAP, 0, 0, 0, high, low, ..] => {
            (u16::from_be_bytes([*high, *low]), after + 5)
        }
        _ => (0, start),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_carried_has_an_identifier_or_an_ethertype() {
        for (frame, found) in [
            (&[0x18, 0x41, 3, 0xcc, 0x45][..], (ethertype::IPV4, 4)),
            (&[0x18, 0x41, 3, 0, 0x8e, 0x60], (ethertype::IPV6, 5)),
            (
                &[0x18, 0x41, 3, 0, 0x80, 0, 0, 0, 8, 6],
                (ethertype::ARP, 10),
            ),
            (&[0x18, 0x41, 8, 0, 0x45], (ethertype::IPV4, 4)),
            (&[0x18, 0x40, 0x01, 8, 0, 0x45], (ethertype::IPV4, 5)),
            (&[0x00, 0x01, 3, 8, 0], (0, 2)),
        ] {
            assert_eq!(read(frame), Ok(found), "{frame:?}");
        }
        assert!(read(&[0x18, 0x41, 3]).is_err());
        assert!(read(&[]).is_err());
    }
}
