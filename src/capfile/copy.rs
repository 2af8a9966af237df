//! Parts of a pcapng file, copied as they stand; and what another format has no place for.

use std::io::{self, Write};

use super::pcapng::{BYTE_ORDER_MARK, INTERFACE, NAMES, SECTION, STATISTICS};
use super::{ByteOrder, Frame, has_options};

/// Keys of encrypted traffic (section 4.7).
const SECRETS: u32 = 10;
/// What somebody defined, and says that it must not be copied to another file (section 4.8).
const CUSTOM_NOT_COPIED: u32 = 0x4000_0bad;
/// Where a section header has the length of its section.
const SECTION_LENGTH: std::ops::Range<usize> = 16..24;

/// Copies blocks and the frames that are kept: interfaces keep their numbers, and all blocks their options.
///
/// The blocks are those that a reader gave, so their lengths are sound.
#[derive(Debug)]
pub struct BlockCopier<W> {
    out: W,
}

impl<W: Write> BlockCopier<W> {
    /// A copy that begins with the next block.
    pub fn new(out: W) -> BlockCopier<W> {
        BlockCopier { out }
    }

    /// Copies a block that has no frame, unless it says that it must not be copied.
    pub fn block(&mut self, block: &[u8], order: ByteOrder) -> io::Result<()> {
        match kind(block, order) {
            CUSTOM_NOT_COPIED => Ok(()),
            SECTION if block.len() >= SECTION_LENGTH.end => {
                // Frames are left out, so its length is not known: -1.
                self.out.write_all(&block[..SECTION_LENGTH.start])?;
                self.out
                    .write_all(&[0xff; SECTION_LENGTH.end - SECTION_LENGTH.start])?;
                self.out.write_all(&block[SECTION_LENGTH.end..])
            }
            _ => self.out.write_all(block),
        }
    }

    /// Copies the block of a frame.
    pub fn frame(&mut self, frame: &Frame<'_>) -> io::Result<()> {
        self.out.write_all(frame.record)
    }

    /// Gives what was written to back.
    pub fn into_inner(self) -> W {
        self.out
    }
}

/// The type of a block.
fn kind(block: &[u8], order: ByteOrder) -> u32 {
    if block.len() < 8 {
        0
    } else {
        order.u32(block, 0)
    }
}

/// The byte order that a section header gives; that of other blocks is `current`.
pub fn order_of(block: &[u8], current: ByteOrder) -> ByteOrder {
    if block.len() < 12 || kind(block, current) != SECTION {
        current
    } else if ByteOrder::Little.u32(block, 8) == BYTE_ORDER_MARK {
        ByteOrder::Little
    } else {
        ByteOrder::Big
    }
}

/// What of a pcapng file is lost when its frames are written as pcap.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lost {
    /// Sections with comments or other options.
    pub section_options: u64,
    /// Blocks with TLS keys.
    pub secrets: u64,
    /// Blocks with names of addresses.
    pub names: u64,
    /// Blocks with counts of dropped frames.
    pub statistics: u64,
    /// Frames with comments or other options.
    pub frame_options: u64,
    /// Frames of which the time is cut to microseconds.
    pub times: u64,
    /// Packets that the kernel dropped.
    pub drops: u64,
    /// Other blocks.
    pub others: u64,
}

impl Lost {
    /// Takes a block without a frame.
    pub fn block(&mut self, block: &[u8], order: ByteOrder) {
        match kind(block, order) {
            SECTION => self.section_options += u64::from(block.len() > SECTION_LENGTH.end + 4),
            INTERFACE => {}
            NAMES => self.names += 1,
            SECRETS => self.secrets += 1,
            STATISTICS => self.statistics += 1,
            _ => self.others += 1,
        }
    }

    /// Takes a frame; its time is cut if the file `has_microseconds`.
    pub fn frame(&mut self, frame: &Frame<'_>, has_microseconds: bool) {
        self.frame_options += u64::from(has_options(frame.record, frame.data));
        let nanoseconds = frame.time.map_or(0, |time| time.nanoseconds);
        self.times += u64::from(has_microseconds && !nanoseconds.is_multiple_of(1_000));
    }

    /// Each kind that was lost, and how many of it there are: for one, and for several.
    pub fn kinds(&self) -> impl Iterator<Item = (u64, &'static str, &'static str)> {
        [
            (
                self.section_options,
                "file's comments and options",
                "sections' comments and options",
            ),
            (self.secrets, "block of TLS keys", "blocks of TLS keys"),
            (self.names, "block of host names", "blocks of host names"),
            (
                self.statistics,
                "block of drop counts",
                "blocks of drop counts",
            ),
            (
                self.frame_options,
                "frame's comments and options",
                "frames' comments and options",
            ),
            (self.times, "frame's nanoseconds", "frames' nanoseconds"),
            (self.drops, "dropped packet", "dropped packets"),
            (self.others, "other block", "other blocks"),
        ]
        .into_iter()
        .filter(|(count, ..)| *count > 0)
    }
}
