//! ARP: who asks for whose Ethernet address (RFC 826).

use pnet::packet::arp::{ArpHardwareTypes, ArpPacket};

use super::link::ethertype;
use super::record::{Arp, ArpAddresses};
use super::{Layer, Malformed, at_least};

/// Bytes in front of the addresses.
const FIXED: usize = 8;
/// Bytes of a message about Ethernet and IPv4.
const WHOLE: usize = 28;

/// Reads the message at `offset` of a frame.
pub(super) fn read(frame: &[u8], offset: usize) -> Result<Arp, Malformed> {
    let bytes = at_least(frame, offset, FIXED, Layer::Arp)?;
    let lengths = (bytes[4], bytes[5]);
    let is_usual = bytes[..4] == [0, 1, 8, 0] && lengths == (6, 4);
    let need = if is_usual {
        WHOLE
    } else {
        FIXED + 2 * (usize::from(lengths.0) + usize::from(lengths.1))
    };
    let bytes = at_least(frame, offset, need, Layer::Arp)?;
    let view = ArpPacket::new(bytes).filter(|view| {
        view.get_hardware_type() == ArpHardwareTypes::Ethernet
            && view.get_protocol_type().0 == ethertype::IPV4
            && is_usual
    });
    Ok(Arp {
        offset: u32::try_from(offset).unwrap_or(u32::MAX),
        operation: u16::from_be_bytes([bytes[6], bytes[7]]),
        addresses: view.map(|view| ArpAddresses {
            sender_mac: view.get_sender_hw_addr().octets(),
            sender: view.get_sender_proto_addr().octets(),
            target_mac: view.get_target_hw_addr().octets(),
            target: view.get_target_proto_addr().octets(),
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 10.0.0.1 asks for 10.0.0.2.
    const REQUEST: [u8; 28] = [
        0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2,
    ];

    #[test]
    fn a_request_has_its_addresses() {
        let arp = read(&REQUEST, 0).unwrap();
        assert_eq!(arp.operation, 1);
        let addresses = arp.addresses.unwrap();
        assert_eq!(addresses.sender_mac, [2, 0, 0, 0, 0, 1]);
        assert_eq!(
            (addresses.sender, addresses.target),
            ([10, 0, 0, 1], [10, 0, 0, 2])
        );
    }

    #[test]
    fn other_kinds_of_addresses_are_not_taken_for_ethernet_and_ipv4() {
        let mut other = REQUEST;
        other[4] = 5;
        other[5] = 5;
        assert_eq!(read(&other, 0).unwrap().addresses, None);
    }

    #[test]
    fn a_message_that_is_cut_says_what_it_needs() {
        for length in 0..REQUEST.len() {
            let told = read(&REQUEST[..length], 0).unwrap_err();
            assert_eq!((told.layer, told.have), (Layer::Arp, length));
            assert!(told.need > length);
        }
    }
}
