//! GRE: the header of a tunnel (RFC 2784, RFC 2890).

use super::{Layer, Malformed, at_least};

/// Reads the header at `offset`: what it carries, as an EtherType, and where that begins.
///
/// Of version 1 (RFC 2637, PPTP), and if a source route is in the way (RFC 1701), it is `None`.
pub(super) fn read(frame: &[u8], offset: usize) -> Result<Option<(u16, usize)>, Malformed> {
    const CHECKSUM: u16 = 0x8000;
    const ROUTING: u16 = 0x4000;
    const KEY: u16 = 0x2000;
    const SEQUENCE: u16 = 0x1000;
    const VERSION: u16 = 0x0007;
    let bytes = at_least(frame, offset, 4, Layer::Gre)?;
    let flags = u16::from_be_bytes([bytes[0], bytes[1]]);
    let protocol = u16::from_be_bytes([bytes[2], bytes[3]]);
    if flags & (VERSION | ROUTING) != 0 {
        return Ok(None);
    }
    let fields = [CHECKSUM, KEY, SEQUENCE]
        .into_iter()
        .filter(|field| flags & field != 0);
    let length = 4 + 4 * fields.count();
    at_least(frame, offset, length, Layer::Gre)?;
    Ok(Some((protocol, offset + length)))
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
            assert_eq!(read(&frame, 0), Ok(Some((0x0800, length))));
            assert!(read(&frame[..length - 1], 0).is_err());
        }
    }

    #[test]
    fn another_version_and_a_source_route_are_not_followed() {
        assert_eq!(read(&[0x30, 0x01, 0x88, 0x0b], 0), Ok(None));
        assert_eq!(read(&[0x40, 0x00, 8, 0], 0), Ok(None));
    }
}
