//! Geneve: Ethernet or IP in UDP (RFC 8926 section 3.4).

/// The port (IANA).
pub const PORT: u16 = 6081;
/// Bytes of the header without options.
pub const HEADER: usize = 8;

/// A header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The virtual network identifier: 24 bits.
    pub vni: u32,
    /// What is carried, as an `EtherType`.
    pub protocol: u16,
    /// Bytes of it with its options.
    pub length: usize,
}

/// Reads a header; `None` if this is not one of version 0.
pub fn read(payload: &[u8]) -> Option<Header> {
    let &[first, _, high, low, a, b, c, _] = payload.first_chunk::<HEADER>()?;
    (first >> 6 == 0).then(|| Header {
        vni: u32::from_be_bytes([0, a, b, c]),
        protocol: u16::from_be_bytes([high, low]),
        // In units of 4 bytes.
        length: HEADER + usize::from(first & 0x3f) * 4,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_a_part_of_the_header() {
        let header = read(&[0x02, 0, 0x65, 0x58, 0, 1, 0, 0]).unwrap();
        assert_eq!(
            (header.vni, header.protocol, header.length),
            (256, 0x6558, 16)
        );
        assert_eq!(read(&[0x40, 0, 0x65, 0x58, 0, 1, 0, 0]), None);
        assert_eq!(read(&[0; 7]), None);
    }
}
