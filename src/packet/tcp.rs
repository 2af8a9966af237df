//! TCP: a segment's header and its options (RFC 9293).

use std::ops::Range;

use pnet::packet::tcp::TcpPacket;

use super::record::Tcp;
use super::{Layer, Malformed, at_least, span};

/// Bytes of a header without options.
pub const HEADER: usize = 20;

/// The flags of a segment (RFC 9293 section 3.1, RFC 3168, RFC 9768).
pub mod flag {
    /// The sender has no more data.
    pub const FIN: u16 = 0x001;
    /// Sequence numbers begin here.
    pub const SYN: u16 = 0x002;
    /// The connection is reset.
    pub const RST: u16 = 0x004;
    /// Hand it to the application now.
    pub const PSH: u16 = 0x008;
    /// The acknowledgment number means something.
    pub const ACK: u16 = 0x010;
    /// The urgent pointer means something.
    pub const URG: u16 = 0x020;
    /// Congestion was experienced.
    pub const ECE: u16 = 0x040;
    /// The congestion window was reduced.
    pub const CWR: u16 = 0x080;
    /// Accurate ECN.
    pub const AE: u16 = 0x100;
}

/// Reads the segment at `packet.start`; the IP packet around it ends at `packet.end`.
///
/// Where the options are cut, the rest is given all the same; also where the header says a length that cannot be, but
/// then [`Tcp::header_length`] is 0, and nothing is known of the data.
#[inline]
pub(super) fn read(
    frame: &[u8],
    packet: Range<usize>,
) -> Result<(Tcp, Option<Malformed>), Malformed> {
    let offset = packet.start;
    let bytes = at_least(
        &frame[..packet.end.min(frame.len())],
        offset,
        HEADER,
        Layer::Tcp,
    )?;
    let malformed = |need, have| Malformed {
        layer: Layer::Tcp,
        offset,
        need,
        have,
    };
    let view = TcpPacket::new(bytes).ok_or(malformed(HEADER, bytes.len()))?;
    let said = usize::from(view.get_data_offset()) * 4;
    let room = packet.end - offset;
    let nothing = packet.end..packet.end;
    let (header_length, data, told) = if said < HEADER {
        (0, nothing, Some(malformed(HEADER, said)))
    } else if said > room {
        (0, nothing, Some(malformed(said, room)))
    } else {
        // The frame may end within the options.
        let cut = (said > bytes.len()).then(|| malformed(said, bytes.len()));
        (said.min(bytes.len()), offset + said..packet.end, cut)
    };
    let tcp = Tcp {
        offset: u32::try_from(offset).unwrap_or(u32::MAX),
        header_length: u8::try_from(header_length).unwrap_or(0),
        source: view.get_source(),
        destination: view.get_destination(),
        sequence: view.get_sequence(),
        acknowledgment: view.get_acknowledgement(),
        flags: u16::from_be_bytes([bytes[12], bytes[13]]) & 0x0fff,
        window: view.get_window(),
        urgent: view.get_urgent_ptr(),
        payload: span(frame, data),
    };
    Ok((tcp, told))
}

impl Tcp {
    /// Whether any of these flags is set.
    pub fn has(&self, flags: u16) -> bool {
        self.flags & flags != 0
    }

    /// The bytes of the options.
    pub fn options<'a>(&self, frame: &'a [u8]) -> Options<'a> {
        let start = self.offset as usize + HEADER;
        let end = self.offset as usize + usize::from(self.header_length);
        Options {
            rest: frame.get(start..end).unwrap_or_default(),
        }
    }
}

/// An option of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opt<'a> {
    /// The largest segment that the sender takes, in bytes (RFC 9293 section 3.7.1).
    MaxSegment(u16),
    /// The shift of the sender's windows (RFC 7323 section 2.2).
    WindowScale(u8),
    /// The sender understands selective acknowledgments (RFC 2018).
    SackPermitted,
    /// What came beyond a gap: pairs of sequence numbers, 8 bytes each (RFC 2018).
    Sack(&'a [u8]),
    /// The sender's clock and the last that it saw of the other's (RFC 7323 section 3.2).
    Timestamps(u32, u32),
    /// Any other, by its kind, with its data.
    Other(u8, &'a [u8]),
    /// The rest is malformed: an impossible length.
    Malformed,
}

/// The options of a segment, in sequence. Each has at least one byte, so this ends.
#[derive(Debug, Clone)]
pub struct Options<'a> {
    rest: &'a [u8],
}

impl Options<'_> {
    /// The timestamps, if the options are laid out as RFC 7323 appendix A proposes and nearly all
    /// segments have it: two bytes of padding, and nothing else.
    #[inline]
    pub fn only_timestamps(&self) -> Option<(u32, u32)> {
        let bytes: &[u8; 12] = self.rest.try_into().ok()?;
        let (layout, clocks) = bytes.split_first_chunk()?;
        (layout == &[1, 1, 8, 10])
            .then(|| timestamps(clocks))
            .flatten()
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = Opt<'a>;

    fn next(&mut self) -> Option<Opt<'a>> {
        const END: u8 = 0;
        const NO_OPERATION: u8 = 1;
        loop {
            let (&kind, after) = self.rest.split_first()?;
            if kind == END {
                return None;
            }
            if kind == NO_OPERATION {
                self.rest = after;
                continue;
            }
            let length = after.first().map_or(0, |length| usize::from(*length));
            if length < 2 || length > self.rest.len() {
                self.rest = &[];
                return Some(Opt::Malformed);
            }
            let (option, rest) = self.rest.split_at(length);
            self.rest = rest;
            return Some(known(kind, &option[2..]));
        }
    }
}

fn known(kind: u8, data: &[u8]) -> Opt<'_> {
    match (kind, data) {
        (2, &[a, b]) => Opt::MaxSegment(u16::from_be_bytes([a, b])),
        (3, &[shift]) => Opt::WindowScale(shift),
        (4, &[]) => Opt::SackPermitted,
        (5, blocks) if !blocks.is_empty() && blocks.len().is_multiple_of(8) => Opt::Sack(blocks),
        (8, clocks) => match timestamps(clocks) {
            Some((value, echo)) => Opt::Timestamps(value, echo),
            None => Opt::Other(kind, data),
        },
        _ => Opt::Other(kind, data),
    }
}

#[inline]
fn timestamps(data: &[u8]) -> Option<(u32, u32)> {
    let (value, echo) = data.split_first_chunk()?;
    Some((
        u32::from_be_bytes(*value),
        u32::from_be_bytes(echo.try_into().ok()?),
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn segment(data_offset: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = vec![
            0x30,
            0x39,
            0xff,
            0x98,
            0,
            0,
            0,
            1,
            0,
            0,
            0,
            2,
            data_offset << 4,
            0x18,
        ];
        bytes.extend([0x01, 0x00, 0, 0, 0, 0]);
        bytes.extend(rest);
        bytes
    }

    #[test]
    fn a_segment_has_its_fields_options_and_data() {
        let mut options = vec![
            2, 4, 0xff, 0xd7, 4, 2, 8, 10, 0, 0, 0, 7, 0, 0, 0, 8, 1, 3, 3, 10,
        ];
        options.extend(b"data");
        let frame = segment(10, &options);
        let (tcp, told) = read(&frame, 0..frame.len()).unwrap();
        assert_eq!(told, None);
        assert_eq!((tcp.source, tcp.destination), (12345, 65432));
        assert_eq!((tcp.sequence, tcp.acknowledgment, tcp.window), (1, 2, 256));
        assert_eq!(tcp.flags, flag::PSH | flag::ACK);
        assert_eq!(tcp.payload.of(&frame), b"data");
        let found: Vec<Opt<'_>> = tcp.options(&frame).collect();
        assert_eq!(
            found,
            [
                Opt::MaxSegment(65495),
                Opt::SackPermitted,
                Opt::Timestamps(7, 8),
                Opt::WindowScale(10),
            ]
        );
    }

    #[test]
    fn a_header_length_that_cannot_be_is_told_and_the_ports_are_kept() {
        for (data_offset, need, have) in [(4, 20, 16), (15, 60, 24)] {
            let frame = segment(data_offset, b"data");
            let (tcp, told) = read(&frame, 0..frame.len()).unwrap();
            assert_eq!(tcp.source, 12345);
            assert_eq!(tcp.payload.length, 0);
            let told = told.unwrap();
            assert_eq!((told.need, told.have), (need, have));
        }
        let frame = segment(5, &[]);
        assert_eq!(read(&frame[..19], 0..20).unwrap_err().have, 19);
    }

    #[test]
    fn the_usual_layout_of_timestamps_is_the_same_as_the_slow_way() {
        let frame = segment(8, &[1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8]);
        let (tcp, _) = read(&frame, 0..frame.len()).unwrap();
        let options = tcp.options(&frame);
        assert_eq!(options.only_timestamps(), Some((0x0102_0304, 0x0506_0708)));
        let found: Vec<Opt<'_>> = options.collect();
        assert_eq!(found, [Opt::Timestamps(0x0102_0304, 0x0506_0708)]);
    }

    #[test]
    fn an_option_with_a_length_that_cannot_be_ends_them() {
        for options in [[2, 0, 0, 0], [2, 1, 0, 0], [1, 1, 1, 8], [2, 5, 0, 0]] {
            let options = Options { rest: &options };
            assert_eq!(options.collect::<Vec<_>>(), [Opt::Malformed]);
        }
    }

    proptest! {
        #[test]
        fn whatever_the_options_are_they_end(
            bytes in proptest::collection::vec(any::<u8>(), 0..41),
        ) {
            let options = Options { rest: &bytes };
            prop_assert!(options.count() <= bytes.len());
        }
    }
}
