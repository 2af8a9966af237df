//! VXLAN: Ethernet in UDP (RFC 7348 section 5), and its generic protocol extension (draft-ietf-nvo3-vxlan-gpe-13).

/// The port (IANA).
pub const PORT: u16 = 4789;
/// Linux used this one before.
pub const OLD_PORT: u16 = 8472;
/// The port of the generic protocol extension (IANA).
pub const GPE_PORT: u16 = 4790;
/// Bytes of the header.
pub const HEADER: usize = 8;

/// A header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The VXLAN network identifier: 24 bits.
    pub vni: u32,
    /// What is carried: 3 is Ethernet, which is all that VXLAN itself carries.
    pub next: u8,
}

/// Numbers of [`Header::next`] (draft-ietf-nvo3-vxlan-gpe-13 section 3.1).
pub mod next {
    /// IPv4.
    pub const IPV4: u8 = 1;
    /// IPv6.
    pub const IPV6: u8 = 2;
    /// Ethernet.
    pub const ETHERNET: u8 = 3;
    /// The network service header (RFC 8300).
    pub const NSH: u8 = 4;
}

/// Reads a header; `None` if this is not one: the flag that the identifier is valid is not set, or reserved bits are.
pub fn read(port: u16, payload: &[u8]) -> Option<Header> {
    const VALID: u8 = 0x08;
    const NEXT_PROTOCOL: u8 = 0x04;
    let &[flags, _, _, next, a, b, c, 0] = payload.first_chunk::<HEADER>()? else {
        return None;
    };
    let next = match (port, flags & 0x3c) {
        // On the port of VXLAN itself too, as some devices send it.
        (_, flags) if flags & (VALID | NEXT_PROTOCOL) == VALID | NEXT_PROTOCOL => next,
        // The group policy of some switches has other flags and bytes that are reserved here.
        (PORT | OLD_PORT, VALID) => next::ETHERNET,
        _ => return None,
    };
    Some(Header {
        vni: u32::from_be_bytes([0, a, b, c]),
        next,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_told_by_its_flags() {
        let header = [8, 0, 0, 0, 0, 0x30, 0x39, 0];
        let read_at =
            |port, bytes: &[u8]| read(port, bytes).map(|header| (header.vni, header.next));
        assert_eq!(read_at(PORT, &header), Some((12345, 3)));
        assert_eq!(read_at(PORT, &header[..7]), None);
        assert_eq!(read_at(PORT, &[0, 0, 0, 0, 0, 0, 1, 0]), None);
        assert_eq!(read_at(PORT, &[8, 0, 0, 0, 0, 0, 1, 1]), None);
        assert_eq!(read_at(GPE_PORT, &header), None);
        let extended = [0x0c, 0, 0, 1, 0, 0, 7, 0];
        assert_eq!(read_at(GPE_PORT, &extended), Some((7, 1)));
        assert_eq!(read_at(PORT, &extended), Some((7, 1)));
    }
}
