//! ERSPAN: mirrored Ethernet frames in GRE (draft-foschiano-erspan-03).

use super::{Layer, Malformed, at_least};

/// A header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// 1, 2 or 3.
    pub kind: u8,
    /// The VLAN of the frame.
    pub vlan: u16,
    /// The session: 10 bits.
    pub session: u16,
    /// Bytes of it, before the Ethernet frame.
    pub length: usize,
}

/// Reads a header of type II (section 4.2) or III (section 4.3); `None` if the version is another one. Type I has
/// none, and no sequence number in the header of GRE (section 4.1).
pub(super) fn read(frame: &[u8], offset: usize) -> Result<Option<Header>, Malformed> {
    const TYPE_2: usize = 8;
    const TYPE_3: usize = 12;
    /// Type III: a subheader follows.
    const OPTIONAL: u8 = 1;
    const SUBHEADER: usize = 8;
    let bytes = at_least(frame, offset, TYPE_2, Layer::Erspan)?;
    let word = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    let (kind, length) = match bytes[0] >> 4 {
        1 => (2, TYPE_2),
        2 => {
            let bytes = at_least(frame, offset, TYPE_3, Layer::Erspan)?;
            let has_more = bytes[TYPE_3 - 1] & OPTIONAL != 0;
            (3, TYPE_3 + if has_more { SUBHEADER } else { 0 })
        }
        _ => return Ok(None),
    };
    Ok(Some(Header {
        kind,
        vlan: word(0) & 0x0fff,
        session: word(2) & 0x03ff,
        length,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_its_length() {
        let second = [0x10, 0x05, 0x08, 0x64, 0, 0, 0, 0];
        let header = read(&second, 0).unwrap().unwrap();
        let fields = (header.kind, header.vlan, header.session, header.length);
        assert_eq!(fields, (2, 5, 100, 8));
        let mut third = [0x20, 0x05, 0, 0x64, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(read(&third, 0).unwrap().unwrap().length, 12);
        third[11] = 1;
        assert_eq!(read(&third, 0).unwrap().unwrap().length, 20);
        assert!(read(&third[..11], 0).is_err());
        assert_eq!(read(&[0; 8], 0), Ok(None));
    }
}
