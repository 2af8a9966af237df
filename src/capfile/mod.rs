//! Capture files, pcap and pcapng: bytes in, frames out, and back.
//!
//! | file | what it holds |
//! |---|---|
//! | `link` | the numbers of link types |
//! | `ends` | the processes at the two ends of a packet, and the comments that name them |
//! | `time` | timestamps and what they are counted in |
//! | `pcap` | the file header and the record headers of pcap, in all its variants |
//! | `pcapng` | the blocks of pcapng: sections, interfaces, frames, and what is passed over |
//! | `walk` | from one record to the next, with offsets and numbers: the one implementation under both readers |
//! | `reader` | the two readers: over a slice that holds the whole file, and over a stream in pieces |
//! | `writer` | pcap and pcapng, written |
//! | `comments` | the comments of a frame in pcapng |
//! | `names` | the host names in a pcapng file |
//! | `copy` | pcapng copied block by block, and what is lost where that is not possible |
//! | `pack` | compression while a file is written |
//! | `unpack` | compressed files, recognised by their first bytes and unpacked while reading |
//! | `error` | what can be wrong with a file, and at which byte |
//!
//! # Invariants
//!
//! - A frame borrows its bytes; nothing is copied but what a stream has to be kept for until a record
//!   is whole, which is at most [`LONGEST_BLOCK`] bytes and what the caller fed beyond it.
//! - Everything in front of damage is given, then one error with its offset, then nothing.
//! - The two readers give the same frames and the same error for the same bytes, however these are cut
//!   into pieces.

mod comments;
mod copy;
mod ends;
mod error;
mod link;
mod names;
mod pack;
mod pcap;
mod pcapng;
mod reader;
#[cfg(test)]
mod testing;
mod time;
mod unpack;
mod walk;
mod writer;

pub use comments::{comments, has_options};
pub use copy::{BlockCopier, Lost, order_of};
pub use ends::{End, Ends, Name, Reason, Source, Tally};
pub use error::{CaptureError, Damage, Other, Part, WrongLength};
pub use link::LinkType;
pub use names::HostNames;
pub use pack::Packer;
pub use pcapng::{LONGEST_BLOCK, MOST_INTERFACES};
pub use reader::{SliceReader, StreamReader};
pub use time::{Resolution, Timestamp};
pub use unpack::{Compression, UnpackError, Unpacker};
pub use writer::{PcapWriter, PcapngWriter, WriteError};

/// No captured frame is longer, in bytes: what libpcap (`MAXIMUM_SNAPLEN`) and Wireshark
/// (`WTAP_MAX_PACKET_SIZE_STANDARD`) take at most for the link types that are read here.
pub const LONGEST_FRAME: u32 = 256 * 1024;

/// One frame of a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its place in the file, from 1.
    pub number: u64,
    /// Where its record begins, in bytes from the start of the file.
    pub offset: u64,
    /// The interface that it was captured on: an index into what the reader knows of interfaces,
    /// counted through all sections of the file.
    pub interface: u32,
    /// How its bytes begin.
    pub link: LinkType,
    /// When it was captured; a simple packet block of pcapng does not say.
    pub time: Option<Timestamp>,
    /// The bytes that were captured.
    pub data: &'a [u8],
    /// How long the frame was on the wire, in bytes; it was cut if `data` is shorter.
    pub original_len: u32,
    /// The processes at its ends, as far as they are known.
    pub ends: Ends,
    /// Its whole record in the file: of pcapng its block, with its options.
    pub record: &'a [u8],
}

/// What a capture says of an interface. A pcap file has one, described in its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// How its frames begin.
    pub link: LinkType,
    /// How many bytes of a frame were captured at most; `None` for no limit.
    pub snaplen: Option<u32>,
    /// What its timestamps are counted in.
    pub resolution: Resolution,
    /// Seconds to add to each of its timestamps (`if_tsoffset`).
    pub time_offset: i64,
    /// How many bytes of frame check sequence end each frame, if the file says so.
    pub fcs_len: Option<u8>,
    /// Its name; what is longer than 256 bytes is cut, what is not UTF-8 replaced.
    pub name: Option<Box<str>>,
    /// How many frames the capture lost for want of room (`isb_ifdrop`, `isb_osdrop`, `epb_dropcount`), if the file says so.
    pub dropped: Option<u64>,
}

/// What was counted on an interface while it was captured on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// The interface's name.
    pub name: Box<str>,
    /// Frames that passed the filter (`isb_ifrecv`).
    pub received: u64,
    /// Those of them that found no room (`isb_ifdrop`).
    pub dropped: u64,
}

impl Interface {
    /// An interface of which only the link type is known, with microseconds and no limit.
    pub fn new(link: LinkType) -> Interface {
        Interface {
            link,
            snaplen: None,
            resolution: Resolution::MICROSECONDS,
            time_offset: 0,
            fcs_len: None,
            name: None,
            dropped: None,
        }
    }
}

/// The kind of a capture file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The format of libpcap's savefiles (`pcap-savefile(5)`).
    Pcap,
    /// The same with longer record headers: Alexey Kuznetsov's patch of libpcap.
    PcapModified,
    /// draft-ietf-opsawg-pcapng.
    Pcapng,
}

impl Format {
    /// How people call it.
    pub fn name(self) -> &'static str {
        match self {
            Format::Pcap => "pcap",
            Format::PcapModified => "modified pcap",
            Format::Pcapng => "pcapng",
        }
    }
}

/// The order of the bytes in a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteOrder {
    /// The least significant byte comes first.
    Little,
    /// The most significant byte comes first.
    Big,
}

impl ByteOrder {
    #[inline]
    fn u16(self, bytes: &[u8], at: usize) -> u16 {
        let bytes = [bytes[at], bytes[at + 1]];
        match self {
            ByteOrder::Little => u16::from_le_bytes(bytes),
            ByteOrder::Big => u16::from_be_bytes(bytes),
        }
    }

    #[inline]
    fn u32(self, bytes: &[u8], at: usize) -> u32 {
        let bytes = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        match self {
            ByteOrder::Little => u32::from_le_bytes(bytes),
            ByteOrder::Big => u32::from_be_bytes(bytes),
        }
    }

    /// Eight bytes as one number.
    fn u64(self, bytes: &[u8], at: usize) -> u64 {
        let (first, second) = (self.u32(bytes, at), self.u32(bytes, at + 4));
        match self {
            ByteOrder::Little => u64::from(second) << 32 | u64::from(first),
            ByteOrder::Big => u64::from(first) << 32 | u64::from(second),
        }
    }
}
