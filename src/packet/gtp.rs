//! GTP-U: the user data of a mobile network in UDP (3GPP TS 29.281 section 5).

/// The port (IANA).
pub const PORT: u16 = 2152;
/// Bytes of the header without its optional fields.
pub const HEADER: usize = 8;

/// A header of a packet of a user (G-PDU).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The tunnel endpoint identifier.
    pub teid: u32,
    /// Bytes of it with its optional fields and extension headers.
    pub length: usize,
}

/// Reads a header; `None` if this is not one of version 1 that carries a user's packet.
pub fn read(payload: &[u8]) -> Option<Header> {
    /// Version 1, protocol type GTP.
    const KIND: u8 = 0x30;
    const G_PDU: u8 = 0xff;
    /// Any of extension header, sequence number, N-PDU number: then there are 4 bytes for all of them.
    const OPTIONAL: u8 = 0x07;
    const EXTENSION: u8 = 0x04;
    let &[flags, G_PDU, _, _, a, b, c, d] = payload.first_chunk::<HEADER>()? else {
        return None;
    };
    if flags & 0xf0 != KIND {
        return None;
    }
    let mut length = HEADER;
    if flags & OPTIONAL != 0 {
        length += 4;
        let mut next = *payload.get(length - 1)?;
        // Each has a length in units of 4 bytes, and the type of the next one at its end.
        while flags & EXTENSION != 0 && next != 0 {
            let size = usize::from(*payload.get(length)?) * 4;
            if size == 0 {
                return None;
            }
            length += size;
            next = *payload.get(length - 1)?;
        }
    }
    Some(Header {
        teid: u32::from_be_bytes([a, b, c, d]),
        length,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn optional_fields_and_extension_headers_are_walked_over() {
        let plain = [0x30, 0xff, 0, 9, 0, 0, 0, 7];
        let length = |bytes: &[u8]| read(bytes).map(|header| (header.teid, header.length));
        assert_eq!(length(&plain), Some((7, 8)));
        let numbered = [0x32, 0xff, 0, 9, 0, 0, 0, 7, 0, 1, 0, 0];
        assert_eq!(length(&numbered), Some((7, 12)));
        let extended = [
            0x34, 0xff, 0, 9, 0, 0, 0, 7, 0, 0, 0, 0x85, 1, 0, 9, 0x20, 1, 0, 0, 0,
        ];
        assert_eq!(length(&extended), Some((7, 20)));
        assert_eq!(length(&extended[..17]), None);
        // An echo request; version 2; an extension header without a length.
        assert_eq!(length(&[0x32, 1, 0, 4, 0, 0, 0, 0]), None);
        assert_eq!(length(&[0x50, 0xff, 0, 9, 0, 0, 0, 7]), None);
        let endless = [0x34, 0xff, 0, 9, 0, 0, 0, 7, 0, 0, 0, 0x85, 0];
        assert_eq!(length(&endless), None);
    }
}
