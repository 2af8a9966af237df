//! IEEE 802.2: logical link control, and SNAP after it (IEEE 802 clause 9.3, RFC 1042).

use super::link::ethertype;

/// Service access points (IEEE 802.2, assigned numbers).
pub mod sap {
    /// IPv4.
    pub const IP: u8 = 0x06;
    /// The spanning tree protocol.
    pub const STP: u8 = 0x42;
    /// SNAP follows.
    pub const SNAP: u8 = 0xaa;
}

/// A header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The destination's service access point.
    pub destination: u8,
    /// The source's.
    pub source: u8,
    /// The first byte of the control field.
    pub control: u8,
    /// SNAP: the organisation, and the protocol as it numbers them.
    pub snap: Option<(u32, u16)>,
}

/// Unnumbered information: the one kind of frame that carries data without a connection.
pub const UNNUMBERED: u8 = 0x03;

impl Header {
    /// Reads a header; `None` if it is cut.
    pub fn read(bytes: &[u8]) -> Option<Header> {
        let &[destination, source, control, ..] = bytes else {
            return None;
        };
        let mut header = Header {
            destination,
            source,
            control,
            snap: None,
        };
        // The last bit of the source's says that this is a response.
        if (destination, source & 0xfe, control) == (sap::SNAP, sap::SNAP, UNNUMBERED) {
            let &[_, _, _, a, b, c, high, low, ..] = bytes else {
                return None;
            };
            let organisation = u32::from_be_bytes([0, a, b, c]);
            header.snap = Some((organisation, u16::from_be_bytes([high, low])));
        }
        Some(header)
    }

    /// What is carried, as an `EtherType`, and after how many bytes it begins.
    pub(super) fn carried(&self) -> Option<(u16, usize)> {
        /// "Bridge tunnel" encapsulation (IEEE 802.1H): the same numbers.
        const BRIDGE_TUNNEL: u32 = 0x0000_00f8;
        match (self.snap, self.destination, self.control) {
            (Some((0 | BRIDGE_TUNNEL, protocol)), ..) if protocol >= ethertype::LOWEST => {
                Some((protocol, 8))
            }
            (None, sap::IP, UNNUMBERED) => Some((ethertype::IPV4, 3)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snap_names_an_ethertype_or_the_protocol_of_an_organisation() {
        let carried = |bytes: &[u8]| Header::read(bytes).and_then(|header| header.carried());
        let ip = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];
        assert_eq!(carried(&ip), Some((0x0800, 8)));
        assert_eq!(carried(&ip[..7]), None);
        let discovery = [0xaa, 0xaa, 3, 0, 0, 0x0c, 0x20, 0];
        assert_eq!(carried(&discovery), None);
        let snap = Header::read(&discovery).unwrap().snap;
        assert_eq!(snap, Some((0x0c, 0x2000)));
        assert_eq!(carried(&[6, 6, 3]), Some((0x0800, 3)));
        assert_eq!(carried(&[0x42, 0x42, 3]), None);
    }
}
