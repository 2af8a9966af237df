//! pcapng (draft-ietf-opsawg-pcapng), block by block.
//!
//! Every block begins with its type and its length and ends with its length again, 32 bits each, in the
//! byte order of its section. Blocks that hold no frame and describe no interface are passed over.

use super::error::{Damage, Part, WrongLength};
use super::walk::{Record, Step};
use super::{ByteOrder, Ends, Interface, LONGEST_FRAME, LinkType, Resolution};

/// No block is longer, in bytes: what libpcap and Wireshark read at most. A stream is kept up to
/// this length until a block of it is whole.
pub const LONGEST_BLOCK: u32 = 16 * 1024 * 1024;

/// The limit of interfaces, in all sections of a file together.
pub const MOST_INTERFACES: usize = 65_536;

/// The type of a section header block; the same in both byte orders.
pub(super) const SECTION: u32 = 0x0a0d_0d0a;
pub(super) const INTERFACE: u32 = 1;
pub(super) const OBSOLETE_PACKET: u32 = 2;
pub(super) const SIMPLE_PACKET: u32 = 3;
/// Names of addresses (section 4.5).
pub(super) const NAMES: u32 = 4;
pub(super) const STATISTICS: u32 = 5;
pub(super) const ENHANCED_PACKET: u32 = 6;

pub(super) const BYTE_ORDER_MARK: u32 = 0x1a2b_3c4d;

/// What every block has: type, length, and the length again.
const FRAME_OF_BLOCK: u32 = 12;

/// Section 3.5: an option of any block.
pub(super) const COMMENT: u16 = 1;

/// Options of an interface description (section 4.2).
pub(super) const IF_NAME: u16 = 2;
pub(super) const IF_TSRESOL: u16 = 9;
pub(super) const IF_FCSLEN: u16 = 13;
pub(super) const IF_TSOFFSET: u16 = 14;
/// Options of interface statistics (section 4.6).
/// Section 4.3: frames that were lost since the one before.
const EPB_DROPCOUNT: u16 = 4;
/// Section 4.6.
/// Options of an interface statistics block: frames received, and frames dropped.
pub(super) const ISB_IFRECV: u16 = 4;
pub(super) const ISB_IFDROP: u16 = 5;
const ISB_OSDROP: u16 = 7;

/// Bytes of an interface's name that are kept.
pub(super) const LONGEST_NAME: usize = 256;

/// Where in the file we are.
#[derive(Debug, Clone)]
pub(super) struct Pcapng {
    /// Of the section.
    order: ByteOrder,
    /// How many interfaces the sections in front of this one described.
    first_interface: usize,
}

/// A block whose length is sound.
struct Block<'a> {
    kind: u32,
    order: ByteOrder,
    /// What stands between the two lengths.
    body: &'a [u8],
    len: usize,
}

impl Pcapng {
    /// At the beginning of a file: the first block gives the byte order.
    pub(super) fn new() -> Pcapng {
        Pcapng {
            order: ByteOrder::Little,
            first_interface: 0,
        }
    }

    /// The block that `bytes` begin with.
    #[inline]
    pub(super) fn step(
        &mut self,
        bytes: &[u8],
        interfaces: &mut Vec<Interface>,
    ) -> Result<Step, Damage> {
        let block = match self.block(bytes)? {
            Ok(block) => block,
            Err(need) => return Ok(need),
        };
        match block.kind {
            ENHANCED_PACKET => {
                let mut packet = self.enhanced_packet(&block, interfaces)?;
                if let Step::Record(record) = &mut packet {
                    let end = (record.data.end - 8).next_multiple_of(4);
                    let lost = dropped(&block, end, &[EPB_DROPCOUNT], &mut record.ends);
                    let interface = interfaces.get_mut(record.interface as usize);
                    if let (Some(lost), Some(interface)) = (lost, interface) {
                        let known = interface.dropped.unwrap_or(0);
                        interface.dropped = Some(known.saturating_add(lost));
                    }
                }
                Ok(packet)
            }
            SECTION => {
                self.section(&block)?;
                self.first_interface = interfaces.len();
                Ok(Step::Passed(block.len))
            }
            INTERFACE => {
                if interfaces.len() == MOST_INTERFACES {
                    let limit = MOST_INTERFACES;
                    return Err(Damage::TooManyInterfaces { limit });
                }
                interfaces.push(interface(&block)?);
                Ok(Step::Passed(block.len))
            }
            SIMPLE_PACKET => self.simple_packet(&block, interfaces),
            OBSOLETE_PACKET => self.obsolete_packet(&block, interfaces),
            STATISTICS => {
                let id = block.order.u32(block.body, 0) as usize;
                if let Some(interface) = interfaces.get_mut(self.first_interface..)
                    && let Some(interface) = interface.get_mut(id)
                {
                    let lost = dropped(&block, 12, &[ISB_IFDROP, ISB_OSDROP], &mut Ends::default());
                    interface.dropped = lost.or(interface.dropped);
                }
                Ok(Step::Passed(block.len))
            }
            _ => Ok(Step::Passed(block.len)),
        }
    }

    /// Checks the lengths of a block; its inner result is what has to be waited for.
    #[inline]
    fn block<'a>(&self, bytes: &'a [u8]) -> Result<Result<Block<'a>, Step>, Damage> {
        let head = Part::BlockHeader;
        if bytes.len() < 8 {
            return Ok(Err(Step::Need(head, 8)));
        }
        let mut order = self.order;
        let kind = order.u32(bytes, 0);
        if kind == SECTION {
            if bytes.len() < 12 {
                return Ok(Err(Step::Need(head, 12)));
            }
            order = byte_order(bytes)?;
        }
        let length = order.u32(bytes, 4);
        let wrong_length = |wrong| {
            Err(Damage::BlockLength {
                block: kind,
                length,
                wrong,
            })
        };
        let least = FRAME_OF_BLOCK + fixed_part(kind);
        if length < least {
            return wrong_length(WrongLength::TooShort(least));
        }
        if !length.is_multiple_of(4) {
            return wrong_length(WrongLength::Unaligned);
        }
        if length > LONGEST_BLOCK {
            return wrong_length(WrongLength::TooLong(LONGEST_BLOCK));
        }
        let len = length as usize;
        if bytes.len() < len {
            return Ok(Err(Step::Need(Part::Block, len)));
        }
        let trailer = order.u32(bytes, len - 4);
        if trailer != length {
            return wrong_length(WrongLength::Trailer(trailer));
        }
        Ok(Ok(Block {
            kind,
            order,
            body: &bytes[8..len - 4],
            len,
        }))
    }

    fn section(&mut self, block: &Block<'_>) -> Result<(), Damage> {
        let (major, minor) = (
            block.order.u16(block.body, 4),
            block.order.u16(block.body, 6),
        );
        // A greater second number promises that what is older can still be read.
        if major != 1 {
            return Err(Damage::Version {
                format: super::Format::Pcapng,
                major,
                minor,
            });
        }
        self.order = block.order;
        Ok(())
    }

    /// Section 4.3: interface, time (upper and lower half), captured, original, frame, options.
    #[inline]
    fn enhanced_packet(&self, block: &Block<'_>, interfaces: &[Interface]) -> Result<Step, Damage> {
        let id = block.order.u32(block.body, 0);
        self.timed_packet(block, id, interfaces)
    }

    /// Appendix A: as the enhanced block, but the interface has 16 bits, and drops have the others.
    fn obsolete_packet(&self, block: &Block<'_>, interfaces: &[Interface]) -> Result<Step, Damage> {
        let id = u32::from(block.order.u16(block.body, 0));
        self.timed_packet(block, id, interfaces)
    }

    #[inline]
    fn timed_packet(
        &self,
        block: &Block<'_>,
        id: u32,
        interfaces: &[Interface],
    ) -> Result<Step, Damage> {
        let (number, interface) = self.interface(id, interfaces)?;
        let (order, body) = (block.order, block.body);
        let ticks = u64::from(order.u32(body, 4)) << 32 | u64::from(order.u32(body, 8));
        let (captured, original_len) = (order.u32(body, 12), order.u32(body, 16));
        let time = interface.resolution.moment(ticks, interface.time_offset);
        let data = frame(block, 20, captured, interface)?;
        Ok(Step::Record(Record {
            len: block.len,
            data,
            interface: number,
            link: interface.link,
            time: Some(time),
            original_len,
            ends: Ends::default(),
        }))
    }

    /// Section 4.4: the original length, and as much of the frame as the snap length of the first
    /// interface lets through.
    fn simple_packet(&self, block: &Block<'_>, interfaces: &[Interface]) -> Result<Step, Damage> {
        let (number, interface) = self.interface(0, interfaces)?;
        let original_len = block.order.u32(block.body, 0);
        let captured = original_len.min(interface.snaplen.unwrap_or(u32::MAX));
        let data = frame(block, 4, captured, interface)?;
        Ok(Step::Record(Record {
            len: block.len,
            data,
            interface: number,
            link: interface.link,
            time: None,
            original_len,
            ends: Ends::default(),
        }))
    }

    /// An interface of this section, with its number in the file.
    #[inline]
    fn interface<'a>(
        &self,
        id: u32,
        interfaces: &'a [Interface],
    ) -> Result<(u32, &'a Interface), Damage> {
        let ours = &interfaces[self.first_interface..];
        let Some(interface) = ours.get(id as usize) else {
            return Err(Damage::NoSuchInterface {
                interface: id,
                described: ours.len(),
            });
        };
        let number = u32::try_from(self.first_interface).expect("MOST_INTERFACES at most") + id;
        Ok((number, interface))
    }
}

/// Where in the block the frame is that begins `at` bytes into the body.
#[inline]
fn frame(
    block: &Block<'_>,
    at: usize,
    captured: u32,
    interface: &Interface,
) -> Result<std::ops::Range<usize>, Damage> {
    let room = block.body.len() - at;
    if captured as usize > room {
        let room = u32::try_from(room).unwrap_or(u32::MAX);
        return Err(Damage::FrameOverBlock { captured, room });
    }
    if captured > LONGEST_FRAME {
        return Err(Damage::FrameTooLong {
            captured,
            snaplen: interface.snaplen.unwrap_or(0),
            limit: LONGEST_FRAME,
        });
    }
    let start = 8 + at;
    Ok(start..start + captured as usize)
}

/// The byte order that a section header block tells after its length.
fn byte_order(bytes: &[u8]) -> Result<ByteOrder, Damage> {
    match ByteOrder::Little.u32(bytes, 8) {
        BYTE_ORDER_MARK => Ok(ByteOrder::Little),
        mark if mark.swap_bytes() == BYTE_ORDER_MARK => Ok(ByteOrder::Big),
        mark => Err(Damage::ByteOrderMark(mark)),
    }
}

/// Bytes that the body of a block has at least.
#[inline]
fn fixed_part(kind: u32) -> u32 {
    match kind {
        SECTION => 16,
        INTERFACE => 8,
        OBSOLETE_PACKET | ENHANCED_PACKET => 20,
        SIMPLE_PACKET => 4,
        STATISTICS => 12,
        _ => 0,
    }
}

/// Section 4.2: link type, two bytes unused, snap length, options.
fn interface(block: &Block<'_>) -> Result<Interface, Damage> {
    let (order, body) = (block.order, block.body);
    let snaplen = order.u32(body, 4);
    let mut interface = Interface {
        snaplen: (snaplen != 0).then_some(snaplen),
        ..Interface::new(LinkType::of_file(order.u16(body, 0)))
    };
    let mut options = Options {
        order,
        rest: &body[8..],
    };
    while let Some((code, value)) = options.next()? {
        match (code, value) {
            (IF_NAME, name) => {
                let name = String::from_utf8_lossy(&name[..name.len().min(LONGEST_NAME)]);
                interface.name = Some(name.trim_end_matches('\0').into());
            }
            (IF_TSRESOL, &[byte]) => interface.resolution = Resolution::of_option(byte),
            (IF_FCSLEN, &[length]) => interface.fcs_len = Some(length),
            (IF_TSOFFSET, value) if value.len() == 8 => {
                interface.time_offset = order.u64(value, 0).cast_signed();
            }
            // Without them no timestamp could be trusted.
            (IF_TSRESOL | IF_TSOFFSET, value) => {
                return Err(Damage::Option {
                    code,
                    length: u16::try_from(value.len()).unwrap_or(u16::MAX),
                    room: value.len(),
                });
            }
            _ => {}
        }
    }
    Ok(interface)
}

/// The sum of these options, which begin `at` bytes into the body, and what comments say of processes. No frame hangs
/// on them: what is wrong in them is left alone.
#[inline]
fn dropped(block: &Block<'_>, at: usize, wanted: &[u16], ends: &mut Ends) -> Option<u64> {
    let mut options = Options {
        order: block.order,
        rest: block.body.get(at..)?,
    };
    let mut dropped = None;
    while let Ok(Some((code, value))) = options.next() {
        if code == COMMENT {
            ends.read_comment(value);
        }
        if wanted.contains(&code) && value.len() == 8 {
            let count = block.order.u64(value, 0);
            dropped = Some(dropped.unwrap_or(0_u64).saturating_add(count));
        }
    }
    dropped
}

/// The options at the end of a block: code, length, value, filled up to a multiple of four.
struct Options<'a> {
    order: ByteOrder,
    rest: &'a [u8],
}

impl<'a> Options<'a> {
    fn next(&mut self) -> Result<Option<(u16, &'a [u8])>, Damage> {
        if self.rest.len() < 4 {
            return Ok(None);
        }
        let (code, length) = (self.order.u16(self.rest, 0), self.order.u16(self.rest, 2));
        if code == 0 {
            return Ok(None);
        }
        let rest = &self.rest[4..];
        let Some(value) = rest.get(..usize::from(length)) else {
            return Err(Damage::Option {
                code,
                length,
                room: rest.len(),
            });
        };
        let padded = usize::from(length).next_multiple_of(4).min(rest.len());
        self.rest = &rest[padded..];
        Ok(Some((code, value)))
    }
}
