//! What can be wrong with a capture file, and where.

use std::fmt;

use super::Format;

/// Why a file gives no more frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptureError {
    /// Where what is wrong begins, in bytes from the start of the file: a record, a block, or the
    /// file itself.
    pub offset: u64,
    /// What is wrong.
    pub damage: Damage,
}

impl CaptureError {
    /// Whether there is nothing wrong but that the file ends too early.
    pub fn is_cut(&self) -> bool {
        matches!(self.damage, Damage::Cut { .. })
    }

    /// Of a file that is not a capture: the command that makes it one, with FILE in the place of its name.
    pub fn converter(&self) -> Option<&'static str> {
        match self.damage {
            Damage::NotACapture { looks_like, .. } => looks_like.and_then(|other| other.command),
            _ => None,
        }
    }
}

impl fmt::Display for CaptureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}: {}", self.offset, self.damage)
    }
}

impl std::error::Error for CaptureError {}

/// What is wrong with a capture file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Damage {
    /// There is not one byte.
    Empty,
    /// The file does not begin as a capture does.
    NotACapture {
        /// How it begins: up to four bytes.
        first: Box<[u8]>,
        /// What begins so, if that is known.
        looks_like: Option<Other>,
    },
    /// A version that nothing is known of.
    Version {
        /// Of which format.
        format: Format,
        /// Its first number.
        major: u16,
        /// Its second.
        minor: u16,
    },
    /// The file ends in the middle of something.
    Cut {
        /// The part that is cut.
        part: Part,
        /// Bytes of it that are there.
        have: u64,
        /// Bytes that it should have.
        need: u64,
    },
    /// A record claims a frame that is longer than the limit.
    FrameTooLong {
        /// The length that it claims.
        captured: u32,
        /// The snap length of the file.
        snaplen: u32,
        /// The longest frame that is read.
        limit: u32,
    },
    /// A block claims a frame that is longer than the block.
    FrameOverBlock {
        /// The length that it claims.
        captured: u32,
        /// Bytes that the block has for it.
        room: u32,
    },
    /// A block claims an invalid length.
    BlockLength {
        /// The kind of block.
        block: u32,
        /// The length that it claims.
        length: u32,
        /// Why it is invalid.
        wrong: WrongLength,
    },
    /// A section does not begin with the byte-order magic.
    ByteOrderMark(u32),
    /// An option reaches beyond the end of its block, or has not the length of its kind.
    Option {
        /// The number of the option.
        code: u16,
        /// The length that it claims.
        length: u16,
        /// The bytes that are there.
        room: usize,
    },
    /// A frame names an interface that the section has not described.
    NoSuchInterface {
        /// The number of the interface.
        interface: u32,
        /// How many there are.
        described: usize,
    },
    /// More interfaces than are remembered.
    TooManyInterfaces {
        /// How many are remembered.
        limit: usize,
    },
}

/// What a file is that is not a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Other {
    /// With its article.
    pub words: &'static str,
    /// The command that makes it readable, with FILE in the place of its name.
    pub command: Option<&'static str>,
}

/// What is wrong with the length of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrongLength {
    /// It is shorter than the fields of its kind, which have this many bytes.
    TooShort(u32),
    /// It is longer than the limit, in bytes.
    TooLong(u32),
    /// It is not a multiple of four.
    Unaligned,
    /// The length at the end of the block is this one.
    Trailer(u32),
}

/// A part of a file that can be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The file header.
    FileHeader,
    /// The header of a pcap record.
    RecordHeader,
    /// A pcap record.
    Record,
    /// The header of a pcapng block.
    BlockHeader,
    /// A pcapng block.
    Block,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Part::FileHeader => "the file header",
            Part::RecordHeader => "a record header",
            Part::Record => "a record",
            Part::BlockHeader => "a block header",
            Part::Block => "a block",
        }
    }
}

/// How people call a kind of block (draft-ietf-opsawg-pcapng section 4).
fn block_name(block: u32) -> &'static str {
    match block {
        0x0a0d_0d0a => "section header",
        1 => "interface description",
        2 => "(obsolete) packet",
        3 => "simple packet",
        4 => "name resolution",
        5 => "interface statistics",
        6 => "enhanced packet",
        9 => "systemd journal",
        10 => "decryption secrets",
        0xbad | 0x4000_0bad => "custom",
        _ => "unknown",
    }
}

/// A block by its kind: its name, and its number if that adds information.
struct Block(u32);

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match block_name(self.0) {
            "unknown" => write!(f, "the block of unknown type 0x{:08x}", self.0),
            name => write!(f, "the {name} block"),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Damage::Empty => f.write_str("the file is empty"),
            Damage::NotACapture { first, looks_like } => not_a_capture(f, first, *looks_like),
            Damage::Version {
                format,
                major,
                minor,
            } => write!(
                f,
                "{} version {major}.{minor} is not supported",
                format.name()
            ),
            Damage::Cut { part, have, need } => {
                let bytes = if *have == 1 { "byte" } else { "bytes" };
                write!(f, "the file ends after {have} {bytes} of {}", part.name())?;
                write!(f, " that has {need}")
            }
            Damage::FrameTooLong {
                captured,
                snaplen,
                limit,
            } => write!(
                f,
                "the record claims {captured} captured bytes; \
                 the snap length is {snaplen}, and the limit for a frame is {limit}"
            ),
            Damage::FrameOverBlock { captured, room } => write!(
                f,
                "the block claims {captured} captured bytes but has room for {room}"
            ),
            Damage::Option { code, length, room } => {
                write!(f, "option {code} claims {length} bytes but {room} are left")
            }
            Damage::ByteOrderMark(mark) => write!(
                f,
                "the section has no valid byte-order magic: 0x{mark:08x} instead of 0x1a2b3c4d"
            ),
            Damage::NoSuchInterface {
                interface,
                described,
            } => no_such_interface(f, *interface, *described),
            Damage::TooManyInterfaces { limit } => {
                write!(f, "more than {limit} interfaces")
            }
            Damage::BlockLength {
                block,
                length,
                wrong,
            } => wrong_length(f, *block, *length, *wrong),
        }
    }
}

fn no_such_interface(f: &mut fmt::Formatter<'_>, interface: u32, described: usize) -> fmt::Result {
    write!(
        f,
        "the frame refers to interface {interface}, but the section "
    )?;
    match described {
        0 => f.write_str("describes none"),
        1 => f.write_str("describes one, number 0"),
        many => write!(f, "describes {many}, 0 to {}", many - 1),
    }
}

fn wrong_length(
    f: &mut fmt::Formatter<'_>,
    block: u32,
    length: u32,
    wrong: WrongLength,
) -> fmt::Result {
    write!(f, "{} claims {length} bytes", Block(block))?;
    match wrong {
        WrongLength::TooShort(least) => write!(f, "; the minimum is {least}"),
        WrongLength::TooLong(most) => write!(f, "; the limit is {most}"),
        WrongLength::Unaligned => f.write_str(", which is not a multiple of 4"),
        WrongLength::Trailer(trailer) => write!(f, ", but {trailer} at its end"),
    }
}

fn not_a_capture(
    f: &mut fmt::Formatter<'_>,
    first: &[u8],
    looks_like: Option<Other>,
) -> fmt::Result {
    if let Some(Other { words, .. }) = looks_like {
        return write!(f, "this is {words}, not a pcap or pcapng capture");
    }
    f.write_str("not a pcap or pcapng capture: it begins with")?;
    first.iter().try_for_each(|byte| write!(f, " {byte:02x}"))
}
