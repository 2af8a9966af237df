//! UDP: ports and a length (RFC 768).

use std::ops::Range;

use pnet::packet::udp::UdpPacket;

use super::record::Udp;
use super::{Layer, Malformed, at_least, span};

/// Bytes of the header.
pub const HEADER: usize = 8;

/// Reads the datagram at `packet.start`; the IP packet around it ends at `packet.end`.
#[inline]
pub(super) fn read(
    frame: &[u8],
    packet: Range<usize>,
) -> Result<(Udp, Option<Malformed>), Malformed> {
    let offset = packet.start;
    let bytes = at_least(
        &frame[..packet.end.min(frame.len())],
        offset,
        HEADER,
        Layer::Udp,
    )?;
    let malformed = |need, have| Malformed {
        layer: Layer::Udp,
        offset,
        need,
        have,
    };
    let view = UdpPacket::new(bytes).ok_or(malformed(HEADER, bytes.len()))?;
    let length = view.get_length();
    let room = packet.end - offset;
    // RFC 2675 section 4: 0 says that the length is that of the packet.
    let (end, told) = match usize::from(length) {
        0 => (packet.end, None),
        short if short < HEADER => (offset + HEADER, Some(malformed(HEADER, short))),
        long if long > room => (packet.end, Some(malformed(long, room))),
        length => (offset + length, None),
    };
    let udp = Udp {
        offset: u32::try_from(offset).unwrap_or(u32::MAX),
        source: view.get_source(),
        destination: view.get_destination(),
        length,
        payload: span(frame, offset + HEADER..end),
    };
    Ok((udp, told))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_ends_where_the_header_says_and_not_with_the_packet() {
        let frame = [0, 53, 1, 0, 0, 10, 0, 0, b'a', b'b', 0, 0];
        let (udp, told) = read(&frame, 0..12).unwrap();
        assert_eq!((udp.source, udp.destination, udp.length), (53, 256, 10));
        assert_eq!(udp.payload.of(&frame), b"ab");
        assert_eq!(told, None);
    }

    #[test]
    fn a_length_that_cannot_be_is_told_and_the_ports_are_kept() {
        for (length, need, have) in [(7, 8, 7), (13, 13, 12)] {
            let frame = [0, 53, 1, 0, 0, length, 0, 0, b'a', b'b', 0, 0];
            let (udp, told) = read(&frame, 0..12).unwrap();
            assert_eq!(udp.source, 53);
            let told = told.unwrap();
            assert_eq!((told.need, told.have), (need, have));
        }
    }

    #[test]
    fn a_length_of_0_is_that_of_the_packet() {
        let frame = [0, 53, 1, 0, 0, 0, 0, 0, b'a', b'b', 0, 0];
        assert_eq!(read(&frame, 0..12).unwrap().0.payload.length, 4);
    }
}
