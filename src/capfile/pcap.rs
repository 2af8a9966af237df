//! pcap, the format of libpcap's savefiles (`pcap-savefile(5)`).
//!
//! | bytes | file header |
//! |---|---|
//! | 0..4 | the magic number, which gives the byte order and the unit of fractions of a second |
//! | 4..8 | version: major, minor |
//! | 8..16 | time zone and accuracy, which are not used |
//! | 16..20 | snap length |
//! | 20..24 | link type (0..16), what is known of the frame check sequence (26, 28..32) |
//!
//! | bytes | record header |
//! |---|---|
//! | 0..4 | seconds, without a sign |
//! | 4..8 | microseconds or nanoseconds |
//! | 8..12 | bytes captured, which follow |
//! | 12..16 | bytes on the wire |
//! | 16..24 | in the modified format: interface index, protocol, kind of packet |

use super::error::{Damage, Part};
use super::walk::{Record, Step};
use super::{ByteOrder, Ends, Format, Interface, LONGEST_FRAME, LinkType, Resolution, Timestamp};

pub(super) const FILE_HEADER: usize = 24;

/// Timestamps have microseconds (`TCPDUMP_MAGIC` of libpcap's `sf-pcap.c`).
pub(super) const MAGIC: u32 = 0xa1b2_c3d4;
/// Timestamps have nanoseconds (`NSEC_TCPDUMP_MAGIC`).
pub(super) const MAGIC_NANOS: u32 = 0xa1b2_3c4d;
/// The modified format (`KUZNETZOV_TCPDUMP_MAGIC`).
pub(super) const MAGIC_MODIFIED: u32 = 0xa1b2_cd34;

/// What the file header said.
#[derive(Debug, Clone)]
pub(super) struct Pcap {
    order: ByteOrder,
    pub(super) format: Format,
    /// Nanoseconds for one unit of the part of a second.
    unit: u64,
    lengths: Lengths,
    snaplen: u32,
    link: LinkType,
}

/// In which order the two lengths stand. Before version 2.3 it was the other way round, and with 2.3
/// programs differed (libpcap's `sf-pcap.c`, `lengths_swapped`).
#[derive(Debug, Clone, Copy)]
enum Lengths {
    CapturedFirst,
    OriginalFirst,
    /// The smaller one is what was captured.
    Either,
}

/// The byte order that makes a pcap magic number of these bytes, and that number.
pub(super) fn magic(first: [u8; 4]) -> Option<(ByteOrder, u32)> {
    let known = |number| matches!(number, MAGIC | MAGIC_NANOS | MAGIC_MODIFIED);
    let (little, big) = (u32::from_le_bytes(first), u32::from_be_bytes(first));
    if known(little) {
        Some((ByteOrder::Little, little))
    } else {
        known(big).then_some((ByteOrder::Big, big))
    }
}

impl Pcap {
    /// Reads the file header, of which there must be [`FILE_HEADER`] bytes.
    pub(super) fn new(
        order: ByteOrder,
        magic: u32,
        header: &[u8],
    ) -> Result<(Pcap, Interface), Damage> {
        let format = if magic == MAGIC_MODIFIED {
            Format::PcapModified
        } else {
            Format::Pcap
        };
        let (major, minor) = (order.u16(header, 4), order.u16(header, 6));
        let lengths = match (major, minor) {
            (2, 0..=2) | (543, 0) => Lengths::OriginalFirst,
            (2, 3) => Lengths::Either,
            (2, 4) => Lengths::CapturedFirst,
            _ => {
                return Err(Damage::Version {
                    format,
                    major,
                    minor,
                });
            }
        };
        let nanos = magic == MAGIC_NANOS;
        let (snaplen, network) = (order.u32(header, 16), order.u32(header, 20));
        let pcap = Pcap {
            order,
            format,
            unit: if nanos { 1 } else { 1_000 },
            lengths,
            snaplen,
            link: LinkType::of_file(u16::try_from(network & 0xffff).expect("16 bits")),
        };
        let fcs_bits = network >> 28;
        let interface = Interface {
            snaplen: (snaplen != 0).then_some(snaplen),
            resolution: if nanos {
                Resolution::NANOSECONDS
            } else {
                Resolution::MICROSECONDS
            },
            // The length is counted in units of 16 bits, and is there if bit 26 says so.
            fcs_len: (network & 1 << 26 != 0)
                .then(|| u8::try_from(fcs_bits * 2).expect("30 at most")),
            ..Interface::new(pcap.link)
        };
        Ok((pcap, interface))
    }

    /// The record that `bytes` begin with.
    #[inline]
    pub(super) fn step(&self, bytes: &[u8]) -> Result<Step, Damage> {
        let head = match self.format {
            Format::PcapModified => 24,
            _ => 16,
        };
        if bytes.len() < head {
            return Ok(Step::Need(Part::RecordHeader, head));
        }
        let (first, second) = (self.order.u32(bytes, 8), self.order.u32(bytes, 12));
        let (captured, original) = match self.lengths {
            Lengths::CapturedFirst => (first, second),
            Lengths::OriginalFirst => (second, first),
            Lengths::Either => (first.min(second), first.max(second)),
        };
        // A frame beyond the snap length is not damage: some programs wrote too small a number there.
        if captured > LONGEST_FRAME {
            return Err(Damage::FrameTooLong {
                captured,
                snaplen: self.snaplen,
                limit: LONGEST_FRAME,
            });
        }
        let len = head + captured as usize;
        if bytes.len() < len {
            return Ok(Step::Need(Part::Record, len));
        }
        let seconds = i64::from(self.order.u32(bytes, 0));
        let part = u64::from(self.order.u32(bytes, 4));
        Ok(Step::Record(Record {
            len,
            data: head..len,
            interface: 0,
            link: self.link,
            time: Some(Timestamp::new(seconds, part * self.unit)),
            ends: Ends::default(),
            original_len: original,
        }))
    }
}
