//! From one record to the next: the one implementation under both readers.

use std::ops::Range;

use super::error::{CaptureError, Damage, Other, Part};
use super::pcap::{self, Pcap};
use super::pcapng::{self, Pcapng};
use super::{ByteOrder, Ends, Format, Frame, Interface, LinkType, Timestamp};

/// What the bytes at hand begin with.
#[derive(Debug)]
pub(super) enum Step {
    /// A part that is not whole yet: it has this many bytes, as far as is known.
    Need(Part, usize),
    /// The bytes without a frame.
    Passed(usize),
    /// A frame.
    Record(Record),
}

/// A frame, by its place in the bytes at hand.
#[derive(Debug)]
pub(super) struct Record {
    /// Bytes of all the record.
    pub(super) len: usize,
    /// The frame among them.
    pub(super) data: Range<usize>,
    pub(super) interface: u32,
    pub(super) link: LinkType,
    pub(super) time: Option<Timestamp>,
    pub(super) original_len: u32,
    pub(super) ends: Ends,
}

/// How far a file was read.
#[derive(Debug, Clone)]
pub(super) struct Walk {
    parser: Parser,
    pub(super) interfaces: Vec<Interface>,
    /// Where the next record begins, in bytes from the start of the file.
    pub(super) offset: u64,
    /// How many frames were given.
    pub(super) frames: u64,
    /// Nothing more comes: the file has ended, or an error was given.
    pub(super) over: bool,
}

#[derive(Debug, Clone)]
enum Parser {
    /// Before the first bytes.
    Unknown,
    Pcap(Pcap),
    Pcapng(Pcapng),
}

impl Walk {
    pub(super) fn new() -> Walk {
        Walk {
            parser: Parser::Unknown,
            interfaces: Vec::new(),
            offset: 0,
            frames: 0,
            over: false,
        }
    }

    pub(super) fn format(&self) -> Option<Format> {
        match &self.parser {
            Parser::Unknown => None,
            Parser::Pcap(pcap) => Some(pcap.format),
            Parser::Pcapng(_) => Some(Format::Pcapng),
        }
    }

    /// The next frame of `rest`, which is moved after it. Without one, `rest` is what more has to
    /// be added to; with `at_end` nothing can be added. Blocks without a frame go to `passed`.
    #[inline]
    pub(super) fn next<'a>(
        &mut self,
        rest: &mut &'a [u8],
        at_end: bool,
        passed: &mut impl FnMut(&[u8]),
    ) -> Result<Option<Frame<'a>>, CaptureError> {
        while !self.over {
            match self.step(rest) {
                Ok(Step::Record(record)) => return Ok(Some(self.frame(rest, record))),
                Ok(Step::Passed(len)) => {
                    if matches!(self.parser, Parser::Pcapng(_)) && len > 0 {
                        passed(&rest[..len]);
                    }
                    *rest = &rest[len..];
                    self.offset += len as u64;
                }
                Ok(Step::Need(part, need)) => {
                    if at_end {
                        self.over = true;
                        self.end(rest, part, need)?;
                    }
                    return Ok(None);
                }
                Err(damage) => {
                    self.over = true;
                    return Err(self.error(damage));
                }
            }
        }
        Ok(None)
    }

    /// The interface of a frame that was given: it was described in front of it.
    #[inline]
    pub(super) fn interface(&self, frame: &Frame<'_>) -> Option<&Interface> {
        self.interfaces.get(frame.interface as usize)
    }

    #[inline]
    fn step(&mut self, bytes: &[u8]) -> Result<Step, Damage> {
        match &mut self.parser {
            Parser::Pcap(pcap) => pcap.step(bytes),
            Parser::Pcapng(pcapng) => pcapng.step(bytes, &mut self.interfaces),
            Parser::Unknown => self.begin(bytes),
        }
    }

    #[inline]
    fn frame<'a>(&mut self, rest: &mut &'a [u8], record: Record) -> Frame<'a> {
        self.frames += 1;
        let frame = Frame {
            number: self.frames,
            offset: self.offset,
            interface: record.interface,
            link: record.link,
            time: record.time,
            data: &rest[record.data],
            original_len: record.original_len,
            ends: record.ends,
            record: &rest[..record.len],
        };
        *rest = &rest[record.len..];
        self.offset += record.len as u64;
        frame
    }

    /// The beginning of a file identifies its format.
    fn begin(&mut self, bytes: &[u8]) -> Result<Step, Damage> {
        let Some(&first) = bytes.first_chunk::<4>() else {
            return Ok(Step::Need(Part::FileHeader, 4));
        };
        if ByteOrder::Little.u32(&first, 0) == pcapng::SECTION {
            self.parser = Parser::Pcapng(Pcapng::new());
            return Ok(Step::Passed(0));
        }
        let Some((order, magic)) = pcap::magic(first) else {
            return Err(Damage::NotACapture {
                first: first.into(),
                looks_like: looks_like(first),
            });
        };
        if bytes.len() < pcap::FILE_HEADER {
            return Ok(Step::Need(Part::FileHeader, pcap::FILE_HEADER));
        }
        let (pcap, interface) = Pcap::new(order, magic, bytes)?;
        self.parser = Parser::Pcap(pcap);
        self.interfaces.push(interface);
        Ok(Step::Passed(pcap::FILE_HEADER))
    }

    /// The file ends with `rest`, of which more was needed.
    fn end(&self, rest: &[u8], part: Part, need: usize) -> Result<(), CaptureError> {
        let known = !matches!(self.parser, Parser::Unknown);
        let damage = match rest {
            [] if known => return Ok(()),
            [] => Damage::Empty,
            _ if known || begins_magic(rest) => Damage::Cut {
                part,
                have: rest.len() as u64,
                need: if rest.len() < 4 && !known {
                    pcap::FILE_HEADER as u64
                } else {
                    need as u64
                },
            },
            _ => Damage::NotACapture {
                first: rest.into(),
                looks_like: None,
            },
        };
        Err(self.error(damage))
    }

    fn error(&self, damage: Damage) -> CaptureError {
        CaptureError {
            offset: self.offset,
            damage,
        }
    }
}

/// Whether a magic number begins with these bytes, or these with a magic number.
fn begins_magic(bytes: &[u8]) -> bool {
    [
        pcap::MAGIC,
        pcap::MAGIC_NANOS,
        pcap::MAGIC_MODIFIED,
        pcapng::SECTION,
    ]
    .iter()
    .flat_map(|magic| [magic.to_le_bytes(), magic.to_be_bytes()])
    .any(|magic| bytes.iter().zip(magic).all(|(&byte, magic)| byte == magic))
}

/// What else begins so that somebody might take for a capture. The magic numbers are those of Wireshark's readers
/// (wiretap: snoop.c, btsnoop.c, netmon.c, ngsniffer.c, netxray.c, 5views.c) and of file(1).
fn looks_like(first: [u8; 4]) -> Option<Other> {
    const EDITCAP: Option<&str> = Some("editcap FILE out.pcapng && sockdoc decode out.pcapng");
    let (words, command) = match first {
        [0x1f, 0x8b, ..] => ("a gzip file", None),
        [0x28, 0xb5, 0x2f, 0xfd] => ("a zstd file", None),
        [0x04, 0x22, 0x4d, 0x18] => ("an lz4 file", None),
        [0x02, 0x21, 0x4c, 0x18] => (
            "an lz4 file of the legacy format",
            Some("lz4 -dc FILE | sockdoc decode -"),
        ),
        [0xfd, b'7', b'z', b'X'] => ("an xz file", Some("xz -dc FILE | sockdoc decode -")),
        [b'B', b'Z', b'h', _] => ("a bzip2 file", Some("bzip2 -dc FILE | sockdoc decode -")),
        [b'P', b'K', 3, 4] => ("a zip file", Some("unzip -p FILE | sockdoc decode -")),
        [b's', b'n', b'o', b'o'] => ("a snoop capture", EDITCAP),
        [b'b', b't', b's', b'n'] => ("a btsnoop capture", EDITCAP),
        [b'R', b'T', b'S', b'S'] => ("a capture of Microsoft Network Monitor 1", EDITCAP),
        [b'G', b'M', b'B', b'U'] => ("a capture of Microsoft Network Monitor 2", EDITCAP),
        [b'T', b'R', b'S', b'N'] => ("a Sniffer capture", EDITCAP),
        [b'X', b'C', b'P', 0] | [b'V', b'L', 0, 0] => ("a NetXRay capture", EDITCAP),
        [0xaa, 0xaa, 0xaa, 0xaa] => ("a 5View capture", EDITCAP),
        // The first field of a Windows trace is the size of its buffers (WMI_BUFFER_HEADER), of netsh 64 KiB.
        [0, 0, 1, 0] => (
            "a Windows event trace (ETL)",
            Some("on Windows, etl2pcapng FILE out.pcapng"),
        ),
        [b'<', ..] => ("XML or HTML", None),
        [b'{' | b'[', ..] => ("JSON", None),
        [0x7f, b'E', b'L', b'F'] => ("a program", None),
        _ => return None,
    };
    Some(Other { words, command })
}
