//! Headers with an `EtherType` of their own that stand between Ethernet and what it carries, and are walked over: Arista's
//! timestamp, the network service header, MACsec where nothing is encrypted.

use super::link::ethertype;

/// What is carried, as an `EtherType`, and after how many bytes it begins.
type Inside = Option<(u16, usize)>;

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_be_bytes(*bytes))
}

/// What follows the header that begins here; `None` if it is cut, unknown, or hides what follows.
pub(super) fn inside(kind: u16, bytes: &[u8]) -> Inside {
    match kind {
        ethertype::ARISTA => arista(bytes),
        ethertype::NSH => service(bytes),
        ethertype::MACSEC => macsec(bytes),
        _ => None,
    }
}

/// Arista's timestamp: subtype, version, seconds and nanoseconds, an `EtherType` (Arista EOS manual, "Timestamping").
fn arista(bytes: &[u8]) -> Inside {
    const TIMESTAMP: u16 = 1;
    let length = match (word(bytes, 0)?, word(bytes, 2)?) {
        // Of 64 bits, TAI or UTC; of 48 bits.
        (TIMESTAMP, 0x0010 | 0x0110) => 12,
        (TIMESTAMP, 0x0020 | 0x0120) => 10,
        _ => return None,
    };
    Some((word(bytes, length)?, length + 2))
}

/// The network service header (RFC 8300 section 2): its length counts in 4 bytes.
fn service(bytes: &[u8]) -> Inside {
    const LENGTH: u8 = 0x3f;
    let &[_, length, _, next] = bytes.first_chunk()?;
    let ethertype = match next {
        1 => ethertype::IPV4,
        2 => ethertype::IPV6,
        3 => ethertype::TRANSPARENT_ETHERNET,
        4 => ethertype::NSH,
        5 => ethertype::MPLS,
        _ => return None,
    };
    // It has at least the base header and the path.
    let length = usize::from(length & LENGTH).max(2) * 4;
    (length <= bytes.len()).then_some((ethertype, length))
}

/// MACsec (IEEE 802.1AE clause 9): flags, short length, packet number, and the channel's identifier if it is said to be there.
fn macsec(bytes: &[u8]) -> Inside {
    const HAS_CHANNEL: u8 = 0x20;
    /// It is encrypted, or its text is changed in another way.
    const HIDDEN: u8 = 0x0c;
    let flags = *bytes.first()?;
    let length = if flags & HAS_CHANNEL != 0 { 14 } else { 6 };
    if flags & HIDDEN != 0 {
        return None;
    }
    Some((word(bytes, length)?, length + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_header_has_its_length_and_what_follows() {
        let timestamp = |version: [u8; 2], bytes: usize| {
            let mut header = [&[0, 1][..], &version].concat();
            header.resize(4 + bytes, 7);
            header.extend([8, 0]);
            header
        };
        for (version, bytes) in [
            ([0, 0x10], 8),
            ([1, 0x10], 8),
            ([0, 0x20], 6),
            ([1, 0x20], 6),
        ] {
            let header = timestamp(version, bytes);
            let found = inside(ethertype::ARISTA, &header);
            assert_eq!(found, Some((ethertype::IPV4, header.len())), "{version:?}");
            assert_eq!(inside(ethertype::ARISTA, &header[..header.len() - 1]), None);
        }
        assert_eq!(inside(ethertype::ARISTA, &timestamp([9, 9], 8)), None);
        let mut service = vec![0x0f, 0xc6, 1, 3];
        assert_eq!(inside(ethertype::NSH, &service), None);
        service.resize(24, 0);
        assert_eq!(
            inside(ethertype::NSH, &service),
            Some((ethertype::TRANSPARENT_ETHERNET, 24))
        );
        assert_eq!(
            inside(ethertype::NSH, &[0, 0, 1, 1, 0, 0, 0, 0]),
            Some((ethertype::IPV4, 8))
        );
        assert_eq!(inside(ethertype::NSH, &[0, 2, 1, 9, 0, 0, 0, 0]), None);
        let mut plain = vec![0x20; 14];
        plain.extend([0x86, 0xdd]);
        assert_eq!(
            inside(ethertype::MACSEC, &plain),
            Some((ethertype::IPV6, 16))
        );
        plain[0] = 0x2c;
        assert_eq!(inside(ethertype::MACSEC, &plain), None);
        assert_eq!(
            inside(ethertype::MACSEC, &[0, 0, 0, 0, 0, 1, 8, 0]),
            Some((ethertype::IPV4, 8))
        );
    }
}
