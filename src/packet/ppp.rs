//! PPP (RFC 1661), over Ethernet (RFC 2516) and in HDLC framing (RFC 1662); Cisco HDLC (RFC 1547 section 4.3).

use super::link::ethertype;
use super::{Layer, Malformed, at_least};

/// Protocols of PPP (IANA, "PPP DLL Protocol Numbers").
pub mod protocol {
    /// IPv4.
    pub const IPV4: u16 = 0x0021;
    /// IPv6.
    pub const IPV6: u16 = 0x0057;
    /// MPLS, unicast.
    pub const MPLS: u16 = 0x0281;
    /// MPLS, multicast.
    pub const MPLS_MULTICAST: u16 = 0x0283;
}

/// Where the fields of a `PPPoE` header are (RFC 2516 section 4).
mod field {
    /// Version and type, then the code.
    pub(super) const KIND: usize = 0;
    pub(super) const SESSION: usize = 2;
    pub(super) const END: usize = 6;
}

/// A PPP header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What is carried.
    pub protocol: u16,
    /// Where that begins in the frame.
    pub payload: usize,
}

impl Header {
    /// What is carried, as an `EtherType`, if it has one.
    pub(super) fn ethertype(self) -> Option<u16> {
        match self.protocol {
            protocol::IPV4 => Some(ethertype::IPV4),
            protocol::IPV6 => Some(ethertype::IPV6),
            protocol::MPLS => Some(ethertype::MPLS),
            protocol::MPLS_MULTICAST => Some(ethertype::MPLS_MULTICAST),
            _ => None,
        }
    }
}

/// HDLC's address of all stations; its control byte follows.
const ALL_STATIONS: u8 = 0xff;

/// Reads a PPP header with HDLC's address and control or without.
pub(super) fn read(frame: &[u8], offset: usize) -> Result<Header, Malformed> {
    let has_address = frame.get(offset) == Some(&ALL_STATIONS);
    protocol_at(frame, offset + if has_address { 2 } else { 0 })
}

/// RFC 1661 section 6.5: an odd first byte is a compressed protocol field.
fn protocol_at(frame: &[u8], offset: usize) -> Result<Header, Malformed> {
    let rest = at_least(frame, offset, 1, Layer::Ppp)?;
    if rest[0] & 1 == 1 {
        return Ok(Header {
            protocol: u16::from(rest[0]),
            payload: offset + 1,
        });
    }
    let rest = at_least(frame, offset, 2, Layer::Ppp)?;
    Ok(Header {
        protocol: u16::from_be_bytes([rest[0], rest[1]]),
        payload: offset + 2,
    })
}

/// A header of PPP over Ethernet: its session, and the PPP header after it if it carries data.
pub(super) fn session(frame: &[u8], offset: usize) -> Result<(u16, Option<Header>), Malformed> {
    /// Version 1, type 1; code 0 is session data.
    const DATA: [u8; 2] = [0x11, 0];
    let bytes = at_least(frame, offset, field::END, Layer::Pppoe)?;
    let session = u16::from_be_bytes([bytes[field::SESSION], bytes[field::SESSION + 1]]);
    if bytes[field::KIND..field::SESSION] != DATA {
        return Ok((session, None));
    }
    Ok((session, Some(protocol_at(frame, offset + field::END)?)))
}

/// Whether a serial frame is Cisco HDLC: its address says unicast or broadcast (RFC 1547 section 4.3.1).
pub(super) fn is_cisco(frame: &[u8]) -> bool {
    matches!(frame.first(), Some(0x0f | 0x8f))
}

/// Cisco HDLC: address, control, then an `EtherType`. Gives that and where what it names begins.
pub(super) fn cisco(frame: &[u8]) -> Result<(u16, usize), Malformed> {
    const HEADER: usize = 4;
    let bytes = at_least(frame, 0, HEADER, Layer::CiscoHdlc)?;
    Ok((u16::from_be_bytes([bytes[2], bytes[3]]), HEADER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocol_has_one_byte_or_two_after_an_address_or_none() {
        for (bytes, payload) in [
            (&[0xff, 3, 0, 0x21][..], 4),
            (&[0, 0x21], 2),
            (&[0x21], 1),
            (&[0xff, 3, 0x21], 3),
        ] {
            let protocol = protocol::IPV4;
            assert_eq!(read(bytes, 0), Ok(Header { protocol, payload }));
            assert!(read(&bytes[..bytes.len() - 1], 0).is_err());
        }
    }

    #[test]
    fn only_session_data_carries_ppp() {
        let data = [0x11, 0, 0x01, 0x02, 0, 9, 0, 0x57];
        let (number, header) = session(&data, 0).unwrap();
        assert_eq!(number, 0x0102);
        assert_eq!(header.unwrap().ethertype(), Some(ethertype::IPV6));
        let terminate = [0x11, 0xa7, 0, 7, 0, 0];
        assert_eq!(session(&terminate, 0), Ok((7, None)));
        assert!(session(&data[..7], 0).is_err());
    }
}
