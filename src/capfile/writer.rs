//! pcap and pcapng, written.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Write};

use super::pcap::{MAGIC, MAGIC_NANOS};
use super::pcapng::{
    BYTE_ORDER_MARK, COMMENT, ENHANCED_PACKET, IF_FCSLEN, IF_NAME, IF_TSOFFSET, IF_TSRESOL,
    INTERFACE, ISB_IFDROP, ISB_IFRECV, LONGEST_NAME, SECTION, SIMPLE_PACKET, STATISTICS,
};
use super::{
    ByteOrder, Count, Ends, Frame, Interface, LONGEST_FRAME, LinkType, Resolution, Timestamp,
};

/// What stands in a header when the capture has no limit: as much as any frame has.
const NO_LIMIT: u32 = LONGEST_FRAME;

/// Writes a pcap file: frames of one link type.
#[derive(Debug)]
pub struct PcapWriter<W> {
    out: W,
    order: ByteOrder,
    link: LinkType,
    resolution: Resolution,
    record: Vec<u8>,
}

impl<W: Write> PcapWriter<W> {
    /// Writes the file header. Timestamps have nanoseconds if those of the interface are finer than
    /// microseconds.
    pub fn new(mut out: W, order: ByteOrder, interface: &Interface) -> io::Result<PcapWriter<W>> {
        let (magic, resolution) = match interface.resolution {
            Resolution::Decimal(0..=6) => (MAGIC, Resolution::MICROSECONDS),
            _ => (MAGIC_NANOS, Resolution::NANOSECONDS),
        };
        let fcs = interface.fcs_len.filter(|&len| len <= 30);
        let fcs = fcs.map_or(0, |len| 1 << 26 | u32::from(len / 2) << 28);
        let mut header = Vec::with_capacity(24);
        order.put_u32(&mut header, magic);
        order.put_u16(&mut header, 2);
        order.put_u16(&mut header, 4);
        header.extend([0; 8]);
        order.put_u32(&mut header, interface.snaplen.unwrap_or(NO_LIMIT));
        order.put_u32(&mut header, u32::from(interface.link.0) | fcs);
        out.write_all(&header)?;
        Ok(PcapWriter {
            out,
            order,
            link: interface.link,
            resolution,
            record: header,
        })
    }

    /// Writes a frame; one without a time gets the beginning of 1970.
    pub fn frame(&mut self, frame: &Frame<'_>) -> Result<(), WriteError> {
        if frame.link != self.link {
            return Err(WriteError::LinkType {
                file: self.link,
                frame: frame.link,
            });
        }
        let captured = captured(frame)?;
        let time = frame.time.unwrap_or_default();
        let seconds = u32::try_from(time.seconds).map_err(|_| WriteError::Time(time))?;
        let part = if self.resolution == Resolution::NANOSECONDS {
            time.nanoseconds
        } else {
            time.nanoseconds / 1_000
        };
        self.record.clear();
        for number in [seconds, part, captured, frame.original_len] {
            self.order.put_u32(&mut self.record, number);
        }
        self.record.extend(frame.data);
        Ok(self.out.write_all(&self.record)?)
    }

    /// Hands on what was written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Whether its timestamps have no nanoseconds.
    pub fn has_microseconds(&self) -> bool {
        self.resolution == Resolution::MICROSECONDS
    }

    /// Gives what was written to back.
    pub fn into_inner(self) -> W {
        self.out
    }
}

/// Writes a pcapng file: one section, with the interfaces that its frames need.
#[derive(Debug)]
pub struct PcapngWriter<W> {
    out: W,
    order: ByteOrder,
    /// The interfaces that were described: their numbers in what the frames came from, and here.
    interfaces: HashMap<u32, Described>,
    block: Vec<u8>,
    /// The options that name processes.
    known: Vec<(Ends, Box<[u8]>)>,
}

/// As many of them are kept at most.
const KNOWN: usize = 8;
/// Of a comment that is longer the beginning is written: the length of an option has 16 bits.
const LONGEST_COMMENT: usize = 4096;

#[derive(Debug, Clone, Copy)]
struct Described {
    id: u32,
    snaplen: Option<u32>,
    resolution: Resolution,
    offset: i64,
}

impl<W: Write> PcapngWriter<W> {
    /// Writes the section header.
    pub fn new(out: W, order: ByteOrder) -> io::Result<PcapngWriter<W>> {
        let mut writer = PcapngWriter {
            out,
            order,
            interfaces: HashMap::new(),
            block: Vec::new(),
            known: Vec::new(),
        };
        writer.begin(SECTION);
        order.put_u32(&mut writer.block, BYTE_ORDER_MARK);
        order.put_u16(&mut writer.block, 1);
        order.put_u16(&mut writer.block, 0);
        // The length of the section is not known: -1.
        writer.block.extend([0xff; 8]);
        writer.finish()?;
        Ok(writer)
    }

    /// Writes a frame, and in front of the first frame of an interface what the interface is.
    pub fn frame(&mut self, frame: &Frame<'_>, interface: &Interface) -> Result<(), WriteError> {
        self.commented(frame, interface, &[])
    }

    /// The same with these comments.
    pub fn commented(
        &mut self,
        frame: &Frame<'_>,
        interface: &Interface,
        comments: &[String],
    ) -> Result<(), WriteError> {
        if frame.link != interface.link {
            return Err(WriteError::LinkType {
                file: interface.link,
                frame: frame.link,
            });
        }
        let captured = captured(frame)?;
        let described = match self.interfaces.get(&frame.interface) {
            Some(&described) => described,
            None => self.describe(frame.interface, interface)?,
        };
        let Some(time) = frame.time else {
            return self.without_time(frame, captured, described);
        };
        let ticks = described.resolution.ticks(time, described.offset);
        let ticks = ticks.ok_or(WriteError::Time(time))?;
        Ok(self.enhanced(frame, captured, described.id, ticks, comments)?)
    }

    /// Writes what an interface is, if that has not been written, also if no frame of it comes.
    pub fn interface(&mut self, number: u32, interface: &Interface) -> io::Result<()> {
        if !self.interfaces.contains_key(&number) {
            self.describe(number, interface)?;
        }
        Ok(())
    }

    /// Writes what was counted on an interface until a time.
    pub fn count(&mut self, number: u32, count: &Count, until: Timestamp) -> io::Result<()> {
        let Some(described) = self.interfaces.get(&number).copied() else {
            return Ok(());
        };
        let ticks = described.resolution.ticks(until, described.offset);
        let ticks = ticks.unwrap_or_default();
        self.begin(STATISTICS);
        #[allow(clippy::cast_possible_truncation)] // the upper and the lower half
        let (upper, lower) = ((ticks >> 32) as u32, ticks as u32);
        for number in [described.id, upper, lower] {
            self.order.put_u32(&mut self.block, number);
        }
        for (option, number) in [(ISB_IFRECV, count.received), (ISB_IFDROP, count.dropped)] {
            let mut value = Vec::with_capacity(8);
            self.order.put_u64(&mut value, number);
            self.option(option, &value);
        }
        self.option(0, b"");
        self.finish()
    }

    /// Hands on what was written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn describe(&mut self, number: u32, interface: &Interface) -> io::Result<Described> {
        let id = u32::try_from(self.interfaces.len()).expect("fewer than there are frames");
        let described = Described {
            id,
            snaplen: interface.snaplen,
            resolution: resolution(interface.resolution),
            offset: interface.time_offset,
        };
        self.begin(INTERFACE);
        self.order.put_u16(&mut self.block, interface.link.0);
        self.block.extend([0; 2]);
        let snaplen = described.snaplen.unwrap_or(0);
        self.order.put_u32(&mut self.block, snaplen);
        if let Some(name) = &interface.name {
            let name = name.as_bytes();
            self.option(IF_NAME, &name[..name.len().min(LONGEST_NAME)]);
        }
        self.option(IF_TSRESOL, &[described.resolution.to_option()]);
        if let Some(len) = interface.fcs_len {
            self.option(IF_FCSLEN, &[len]);
        }
        if described.offset != 0 {
            let mut value = Vec::with_capacity(8);
            let offset = described.offset.cast_unsigned();
            self.order.put_u64(&mut value, offset);
            self.option(IF_TSOFFSET, &value);
        }
        self.option(0, b"");
        self.finish()?;
        self.interfaces.insert(number, described);
        Ok(described)
    }

    /// A simple packet block if it can carry the same, otherwise the beginning of 1970.
    fn without_time(
        &mut self,
        frame: &Frame<'_>,
        captured: u32,
        described: Described,
    ) -> Result<(), WriteError> {
        let lets_through = described
            .snaplen
            .unwrap_or(u32::MAX)
            .min(frame.original_len);
        if described.id != 0 || captured != lets_through {
            return Ok(self.enhanced(frame, captured, described.id, 0, &[])?);
        }
        self.begin(SIMPLE_PACKET);
        self.order.put_u32(&mut self.block, frame.original_len);
        self.block.extend(frame.data);
        Ok(self.finish()?)
    }

    fn enhanced(
        &mut self,
        frame: &Frame<'_>,
        captured: u32,
        id: u32,
        ticks: u64,
        comments: &[String],
    ) -> io::Result<()> {
        self.begin(ENHANCED_PACKET);
        #[allow(clippy::cast_possible_truncation)] // the upper and the lower half
        let (upper, lower) = ((ticks >> 32) as u32, ticks as u32);
        for number in [id, upper, lower, captured, frame.original_len] {
            self.order.put_u32(&mut self.block, number);
        }
        self.block.extend(frame.data);
        if !comments.is_empty() {
            self.pad();
            for comment in comments {
                let comment = comment.as_bytes();
                self.option(COMMENT, &comment[..comment.len().min(LONGEST_COMMENT)]);
            }
            self.option(0, b"");
        } else if !frame.ends.are_unsought() {
            self.pad();
            self.ends(&frame.ends);
        }
        self.finish()
    }

    /// Packets of one flow come together: the options of the last ones are kept.
    fn ends(&mut self, ends: &Ends) {
        if let Some((_, options)) = self.known.iter().find(|(known, _)| known == ends) {
            self.block.extend(options);
            return;
        }
        let start = self.block.len();
        for comment in ends.comments() {
            self.option(COMMENT, comment.as_bytes());
        }
        self.option(0, b"");
        if self.known.len() >= KNOWN {
            self.known.clear();
        }
        self.known.push((*ends, self.block[start..].into()));
    }

    fn begin(&mut self, kind: u32) {
        self.block.clear();
        self.order.put_u32(&mut self.block, kind);
        self.block.extend([0; 4]);
    }

    fn option(&mut self, code: u16, value: &[u8]) {
        let len = u16::try_from(value.len()).expect("names are cut, and all else is short");
        self.order.put_u16(&mut self.block, code);
        self.order.put_u16(&mut self.block, len);
        self.block.extend(value);
        self.pad();
    }

    fn pad(&mut self) {
        let len = self.block.len().next_multiple_of(4);
        self.block.resize(len, 0);
    }

    fn finish(&mut self) -> io::Result<()> {
        self.pad();
        let len = u32::try_from(self.block.len() + 4).expect("LONGEST_FRAME and a little");
        let mut bytes = Vec::with_capacity(4);
        self.order.put_u32(&mut bytes, len);
        self.block[4..8].copy_from_slice(&bytes);
        self.block.extend(&bytes);
        self.out.write_all(&self.block)
    }

    /// Gives what was written to back.
    pub fn into_inner(self) -> W {
        self.out
    }
}

/// What timestamps are written in: as they were if that is whole nanoseconds, as nanoseconds if not,
/// which is all that is known of them here.
fn resolution(of: Resolution) -> Resolution {
    match of {
        Resolution::Decimal(0..=9) => of,
        _ => Resolution::NANOSECONDS,
    }
}

fn captured(frame: &Frame<'_>) -> Result<u32, WriteError> {
    let len = u32::try_from(frame.data.len()).ok();
    len.filter(|&len| len <= LONGEST_FRAME)
        .ok_or(WriteError::FrameTooLong(frame.data.len()))
}

/// Why a frame was not written.
#[derive(Debug)]
pub enum WriteError {
    /// The file itself could not be written.
    Output(io::Error),
    /// A pcap file has one link type.
    LinkType {
        /// That of the file, or of the interface.
        file: LinkType,
        /// That of the frame.
        frame: LinkType,
    },
    /// The format has no room for this time.
    Time(Timestamp),
    /// A frame that no reader would take, by its length in bytes.
    FrameTooLong(usize),
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> Self {
        WriteError::Output(error)
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WriteError::Output(error) => error.fmt(f),
            WriteError::LinkType { file, frame } => write!(
                f,
                "a pcap file has one link type: this is one of {file}, and the frame is {frame}; \
                 a pcapng file has room for both"
            ),
            WriteError::Time(time) => write!(
                f,
                "a time of {} seconds since 1970 does not fit this file format",
                time.seconds
            ),
            WriteError::FrameTooLong(len) => {
                write!(f, "the frame has {len} bytes; the limit is {LONGEST_FRAME}")
            }
        }
    }
}

impl std::error::Error for WriteError {}

impl ByteOrder {
    fn put_u16(self, bytes: &mut Vec<u8>, number: u16) {
        match self {
            ByteOrder::Little => bytes.extend(number.to_le_bytes()),
            ByteOrder::Big => bytes.extend(number.to_be_bytes()),
        }
    }

    fn put_u32(self, bytes: &mut Vec<u8>, number: u32) {
        match self {
            ByteOrder::Little => bytes.extend(number.to_le_bytes()),
            ByteOrder::Big => bytes.extend(number.to_be_bytes()),
        }
    }

    fn put_u64(self, bytes: &mut Vec<u8>, number: u64) {
        match self {
            ByteOrder::Little => bytes.extend(number.to_le_bytes()),
            ByteOrder::Big => bytes.extend(number.to_be_bytes()),
        }
    }
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
