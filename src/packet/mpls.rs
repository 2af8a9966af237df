//! MPLS: labels (RFC 3032), and what follows the last of them.

use super::link::ethertype;
use super::{Layer, Malformed, at_least};

/// The port of MPLS in UDP (RFC 7510).
pub const UDP_PORT: u16 = 6635;
/// Bytes of a label.
pub const LABEL: usize = 4;

/// An entry of the label stack (RFC 3032 section 2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// The label: 20 bits.
    pub label: u32,
    /// The traffic class: 3 bits (RFC 5462).
    pub class: u8,
    /// It is the last one.
    pub is_bottom: bool,
    /// Time to live.
    pub ttl: u8,
}

/// Reads the label at `offset`.
pub fn read(frame: &[u8], offset: usize) -> Result<Label, Malformed> {
    let bytes = at_least(frame, offset, LABEL, Layer::Mpls)?;
    let word = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    Ok(Label {
        label: word >> 12,
        class: (bytes[2] >> 1) & 7,
        is_bottom: word & 0x100 != 0,
        ttl: bytes[3],
    })
}

/// What follows the last label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Payload {
    /// What this `EtherType` stands for.
    Ethertype(u16),
    /// Ethernet, this many bytes further on.
    Ethernet(usize),
    /// Something else.
    Unknown,
}

/// The payload is not named. An IP packet begins with its version, and nothing else may begin so (RFC 4928 section 3);
/// a control word begins with 0 (RFC 4385 section 3). Ethernet may have one in front of it or not (RFC 4448).
pub(super) fn payload(rest: &[u8]) -> Payload {
    const CONTROL_WORD: usize = 4;
    match rest.first().map(|first| first >> 4) {
        Some(4) => return Payload::Ethertype(ethertype::IPV4),
        Some(6) => return Payload::Ethertype(ethertype::IPV6),
        Some(0) if is_ethernet(rest.get(CONTROL_WORD..)) => return Payload::Ethernet(CONTROL_WORD),
        _ => {}
    }
    if is_ethernet(Some(rest)) {
        Payload::Ethernet(0)
    } else {
        Payload::Unknown
    }
}

/// Whether this is Ethernet with an `EtherType` that is known here.
fn is_ethernet(rest: Option<&[u8]>) -> bool {
    let Some(&[high, low]) = rest.and_then(|rest| rest.get(12..14)) else {
        return false;
    };
    matches!(
        u16::from_be_bytes([high, low]),
        ethertype::IPV4 | ethertype::IPV6 | ethertype::ARP | ethertype::VLAN
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_has_its_fields() {
        let label = read(&[0x00, 0x01, 0x0b, 0x40], 0).unwrap();
        let expected = Label {
            label: 16,
            class: 5,
            is_bottom: true,
            ttl: 64,
        };
        assert_eq!(label, expected);
        assert!(read(&[0, 1, 2], 0).is_err());
    }

    #[test]
    fn what_follows_is_told_by_its_first_bytes() {
        assert_eq!(payload(&[0x45]), Payload::Ethertype(ethertype::IPV4));
        assert_eq!(payload(&[0x60]), Payload::Ethertype(ethertype::IPV6));
        let mut ethernet = vec![2; 12];
        ethernet.extend([8, 0]);
        assert_eq!(payload(&ethernet), Payload::Ethernet(0));
        let mut control = vec![0; 4];
        control.extend(&ethernet);
        assert_eq!(payload(&control), Payload::Ethernet(4));
        assert_eq!(payload(&[0x10, 1, 0, 7]), Payload::Unknown);
        assert_eq!(payload(&[]), Payload::Unknown);
    }
}
