//! GRE: the header of a tunnel (RFC 2784, RFC 2890).

use super::{Layer, Malformed, at_least};

/// A header that leads to what is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// What is carried, as an EtherType.
    pub(super) protocol: u16,
    /// The key, or 0; of PPTP the number of the call.
    pub(super) key: u32,
    pub(super) has_sequence: bool,
    /// Bytes of it.
    pub(super) length: usize,
}

/// Reads the header at `offset`.
///
/// If a source route is in the way (RFC 1701), or the version is another one, it is `None`; also of version 1 (RFC 2637,
/// PPTP) if nothing is carried.
pub(super) fn read(frame: &[u8], offset: usize) -> Result<Option<Header>, Malformed> {
    const CHECKSUM: u16 = 0x8000;
    const ROUTING: u16 = 0x4000;
    const KEY: u16 = 0x2000;
    const SEQUENCE: u16 = 0x1000;
    const ACKNOWLEDGMENT: u16 = 0x0080;
    const VERSION: u16 = 0x0007;
    let bytes = at_least(frame, offset, 4, Layer::Gre)?;
    let flags = u16::from_be_bytes([bytes[0], bytes[1]]);
    let protocol = u16::from_be_bytes([bytes[2], bytes[3]]);
    let fields = match flags & (VERSION | ROUTING) {
        0 => [CHECKSUM, KEY, SEQUENCE],
        1 => [KEY, SEQUENCE, ACKNOWLEDGMENT],
        _ => return Ok(None),
    };
    let count = fields.iter().filter(|field| flags & *field != 0).count();
    let length = 4 + 4 * count;
    let bytes = at_least(frame, offset, length, Layer::Gre)?;
    let place = if flags & CHECKSUM != 0 { 8 } else { 4 };
    let key = bytes.get(place..).and_then(<[u8]>::first_chunk);
    let key = key.map_or(0, |key| u32::from_be_bytes(*key));
    let is_pptp = flags & VERSION == 1;
    if is_pptp && key >> 16 == 0 {
        return Ok(None);
    }
    Ok(Some(Header {
        protocol,
        key: match (flags & KEY != 0, is_pptp) {
            (true, true) => key & 0xffff,
            (true, false) => key,
            (false, _) => 0,
        },
        has_sequence: flags & SEQUENCE != 0,
        length,
    }))
}

/// What a header of any version says that it carries, as an EtherType.
pub fn carried(header: &[u8]) -> Option<u16> {
    let &[_, _, high, low, ..] = header else {
        return None;
    };
    Some(u16::from_be_bytes([high, low]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_optional_field_moves_what_is_carried() {
        for (flags, length) in [(0x00, 4), (0x80, 8), (0x20, 8), (0x30, 12), (0xb0, 16)] {
            let mut frame = vec![flags, 0, 8, 0];
            frame.resize(length, 0);
            let header = read(&frame, 0).unwrap().unwrap();
            assert_eq!((header.protocol, header.length), (0x0800, length));
            assert!(read(&frame[..length - 1], 0).is_err());
        }
    }

    #[test]
    fn another_version_and_a_source_route_are_not_followed() {
        assert_eq!(read(&[0x30, 0x02, 0x88, 0x0b], 0), Ok(None));
        assert_eq!(read(&[0x40, 0x00, 8, 0], 0), Ok(None));
    }

    #[test]
    fn the_version_of_pptp_has_a_call_and_may_carry_nothing() {
        let mut frame = vec![0x30, 0x81, 0x88, 0x0b, 0, 9, 0, 7, 0, 0, 0, 1, 0, 0, 0, 1];
        let header = read(&frame, 0).unwrap().unwrap();
        assert_eq!((header.key, header.length), (7, 16));
        frame[5] = 0;
        assert_eq!(read(&frame, 0), Ok(None));
    }
}
