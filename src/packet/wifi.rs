//! IEEE 802.11 frames, with a radiotap header or without. Data frames that are not encrypted lead to LLC.

use super::{Layer, Malformed, at_least};

/// Where the addresses are (IEEE 802.11 clause 9.2.3); their number depends on the frame.
pub mod field {
    /// The first: of the receiver.
    pub const ADDRESS_1: usize = 4;
    /// The second: of the transmitter.
    pub const ADDRESS_2: usize = 10;
    /// The third.
    pub const ADDRESS_3: usize = 16;
    /// The sequence number and, in the lower 4 bits, the fragment number.
    pub const SEQUENCE: usize = 22;
    /// The fourth, if there is one.
    pub const ADDRESS_4: usize = 24;
}

/// Bytes of a header with three addresses.
pub const HEADER: usize = 24;

/// Types of frames (IEEE 802.11 clause 9.2.4.1.3).
pub mod kind {
    /// Management.
    pub const MANAGEMENT: u8 = 0;
    /// Control.
    pub const CONTROL: u8 = 1;
    /// Data.
    pub const DATA: u8 = 2;
}

/// Flags: the second byte of frame control (IEEE 802.11 clause 9.2.4.1).
pub mod flag {
    /// To the distribution system.
    pub const TO_DS: u8 = 0x01;
    /// From it.
    pub const FROM_DS: u8 = 0x02;
    /// More fragments follow.
    pub const MORE: u8 = 0x04;
    /// The body is encrypted.
    pub const PROTECTED: u8 = 0x40;
    /// Of a `QoS` frame: a field of high throughput follows.
    pub const ORDER: u8 = 0x80;
}

/// What a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// See [`kind`].
    pub kind: u8,
    /// The subtype.
    pub subtype: u8,
    /// See [`flag`].
    pub flags: u8,
    /// The offset of the source address in the header; 0 if there is no such address.
    pub source: usize,
    /// The offset of the destination address.
    pub destination: usize,
    /// Sequence number and fragment number; `None` in control frames.
    pub sequence: Option<u16>,
    /// Bytes of it.
    pub length: usize,
}

impl Header {
    /// Reads the header at `offset`.
    pub fn read(frame: &[u8], offset: usize) -> Result<Header, Malformed> {
        /// Frame control, duration and one address: the shortest there is.
        const LEAST: usize = 10;
        const TWO_ADDRESSES: usize = 16;
        const ADDRESS: usize = 6;
        const QOS: u8 = 0x08;
        let bytes = at_least(frame, offset, LEAST, Layer::Wifi)?;
        let mut header = Header {
            kind: bytes[0] >> 2 & 3,
            subtype: bytes[0] >> 4,
            flags: bytes[1],
            source: 0,
            destination: field::ADDRESS_1,
            sequence: None,
            length: LEAST,
        };
        if header.kind == kind::CONTROL {
            // Clear to send and acknowledgment have the receiver alone; a wrapper says more than is looked for here.
            if !matches!(header.subtype, 7 | 12 | 13) && bytes.len() >= TWO_ADDRESSES {
                (header.source, header.length) = (field::ADDRESS_2, TWO_ADDRESSES);
            }
            return Ok(header);
        }
        let bytes = at_least(frame, offset, HEADER, Layer::Wifi)?;
        header.length = HEADER;
        header.sequence = Some(u16::from_le_bytes([
            bytes[field::SEQUENCE],
            bytes[field::SEQUENCE + 1],
        ]));
        header.source = field::ADDRESS_2;
        if header.kind == kind::DATA {
            let to_ds = header.flags & flag::TO_DS != 0;
            let from_ds = header.flags & flag::FROM_DS != 0;
            if to_ds {
                header.destination = field::ADDRESS_3;
            }
            if from_ds {
                header.source = field::ADDRESS_3;
            }
            if to_ds && from_ds {
                header.source = field::ADDRESS_4;
                header.length += ADDRESS;
            }
            if header.subtype & QOS != 0 {
                header.length += 2;
                if header.flags & flag::ORDER != 0 {
                    header.length += 4;
                }
            }
        }
        at_least(frame, offset, header.length, Layer::Wifi)?;
        Ok(header)
    }

    /// Whether it is a data frame that holds data, which a null function does not.
    pub fn has_data(&self) -> bool {
        const EMPTY: u8 = 0x04;
        self.kind == kind::DATA && self.subtype & EMPTY == 0
    }

    /// Whether LLC follows: data of one frame, whole and readable.
    fn carries_llc(&self, frame: &[u8], offset: usize) -> bool {
        const FRAGMENT: u16 = 0x000f;
        self.has_data()
            && self.flags & (flag::MORE | flag::PROTECTED) == 0
            && self.sequence.is_some_and(|number| number & FRAGMENT == 0)
            && !self.is_aggregate(frame, offset)
    }

    /// Several frames in one (IEEE 802.11 clause 9.3.2.2).
    fn is_aggregate(&self, frame: &[u8], offset: usize) -> bool {
        const QOS: u8 = 0x08;
        const AGGREGATE: u8 = 0x80;
        let four = self.flags & (flag::TO_DS | flag::FROM_DS) == flag::TO_DS | flag::FROM_DS;
        let control = offset + HEADER + if four { 6 } else { 0 };
        self.subtype & QOS != 0 && frame.get(control).is_some_and(|byte| byte & AGGREGATE != 0)
    }
}

/// An 802.11 frame whose header begins at `offset`: the header, and where LLC begins if it follows.
pub(super) fn read(
    frame: &[u8],
    offset: usize,
    is_padded: bool,
) -> Result<(Header, Option<usize>), Malformed> {
    let header = Header::read(frame, offset)?;
    let length = if is_padded {
        header.length.next_multiple_of(4)
    } else {
        header.length
    };
    let llc = header
        .carries_llc(frame, offset)
        .then_some(offset + length)
        .filter(|llc| *llc < frame.len());
    Ok((header, llc))
}

/// What a radiotap header says (<https://www.radiotap.org>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Radiotap {
    /// Bytes of it: where the 802.11 header begins.
    pub length: usize,
    /// The field "flags", or 0.
    pub flags: u8,
}

impl Radiotap {
    /// In [`Radiotap::flags`]: the frame ends with its checksum.
    pub const HAS_CHECKSUM: u8 = 0x10;
    /// In [`Radiotap::flags`]: the header is padded to a multiple of 4 bytes.
    pub const IS_PADDED: u8 = 0x20;

    /// Reads a header. Each word of the bitmap is within it, so this ends.
    pub fn read(frame: &[u8]) -> Result<Radiotap, Malformed> {
        const LEAST: usize = 8;
        /// Bits of the bitmap of fields.
        const TIME: u32 = 1;
        const FLAGS: u32 = 1 << 1;
        const ANOTHER_WORD: u32 = 1 << 31;
        let bytes = at_least(frame, 0, LEAST, Layer::Radiotap)?;
        let length = usize::from(u16::from_le_bytes([bytes[2], bytes[3]])).max(LEAST);
        let bytes = &at_least(frame, 0, length, Layer::Radiotap)?[..length];
        let word = |at: usize| {
            let bytes = bytes.get(at..)?.first_chunk()?;
            Some(u32::from_le_bytes(*bytes))
        };
        let present = word(4).unwrap_or(0);
        let (mut last, mut at) = (present, LEAST);
        while last & ANOTHER_WORD != 0
            && let Some(next) = word(at)
        {
            (last, at) = (next, at + 4);
        }
        if present & TIME != 0 {
            at = at.next_multiple_of(8) + 8;
        }
        let flags = bytes.get(at).filter(|_| present & FLAGS != 0);
        Ok(Radiotap {
            length,
            flags: flags.copied().unwrap_or(0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(flags: u8, subtype: u8, extra: usize) -> Vec<u8> {
        let mut frame = vec![0x08 | subtype << 4, flags, 0, 0];
        frame.extend([1; 6]);
        frame.extend([2; 6]);
        frame.extend([3; 6]);
        frame.extend([0x10, 0]);
        frame.resize(HEADER + extra, 0);
        frame.extend([0xaa, 0xaa, 3]);
        frame
    }

    #[test]
    fn the_addresses_and_the_length_depend_on_the_flags() {
        for (flags, subtype, extra, source, destination) in [
            (0, 0, 0, 10, 4),
            (flag::TO_DS, 0, 0, 10, 16),
            (flag::FROM_DS, 8, 2, 16, 4),
            (flag::TO_DS | flag::FROM_DS, 8, 8, 24, 16),
            (flag::TO_DS | flag::ORDER, 8, 6, 10, 16),
        ] {
            let frame = data(flags, subtype, extra);
            let (header, llc) = read(&frame, 0, false).unwrap();
            assert_eq!((header.source, header.destination), (source, destination));
            assert_eq!(llc, Some(HEADER + extra), "{flags} {subtype}");
            assert!(read(&frame[..HEADER + extra - 1], 0, false).is_err());
        }
    }

    #[test]
    fn what_is_encrypted_a_fragment_or_without_data_leads_nowhere() {
        let leads = |frame: &[u8]| read(frame, 0, false).unwrap().1.is_some();
        assert!(leads(&data(0, 0, 0)));
        assert!(!leads(&data(flag::PROTECTED, 0, 0)));
        assert!(!leads(&data(flag::MORE, 0, 0)));
        assert!(!leads(&data(0, 4, 0)));
        let mut aggregate = data(0, 8, 2);
        aggregate[HEADER] = 0x80;
        assert!(!leads(&aggregate));
        let acknowledgment = [0xd4, 0, 0, 0, 1, 1, 1, 1, 1, 1];
        let (header, llc) = read(&acknowledgment, 0, false).unwrap();
        assert_eq!((header.source, header.sequence, llc), (0, None, None));
    }

    #[test]
    fn radiotap_flags_are_found_after_the_bitmap_and_the_time() {
        let plain = [0, 0, 9, 0, 2, 0, 0, 0, 0x10];
        let read = |bytes: &[u8]| Radiotap::read(bytes).map(|it| (it.length, it.flags));
        assert_eq!(read(&plain), Ok((9, 0x10)));
        let mut timed = vec![0, 0, 25, 0, 3, 0, 0, 0x80, 0, 0, 0, 0];
        timed.resize(24, 0);
        timed.push(0x20);
        assert_eq!(read(&timed), Ok((25, 0x20)));
        assert!(read(&plain[..8]).is_err());
    }
}
