//! Compressed files: recognised by their first bytes, and unpacked while reading.
//!
//! A decompressor is bytes in, bytes out. What is unpacked goes into the caller's buffer, as much as
//! has room there, so that a file that unpacks to terabytes takes no more memory than any other:
//!
//! | format | specification | memory |
//! |---|---|---|
//! | gzip | RFC 1952 | a window of 32 KiB, and 280 KiB of what a piece unpacks to |
//! | zstd | RFC 8878 | the window that the file asks for, up to a limit of the caller's |
//! | lz4 | lz4 frame format 1.6 | two blocks of 4 MiB at most |
//!
//! Everything in front of damage is given (of lz4 and zstd every whole block), then one error, then nothing.

mod gzip;
mod lz4;
mod source;
mod zstd;

use std::fmt;
use std::io::{self, Read};

use gzip::Gzip;
use lz4::Lz4;
use source::Source;
use zstd::Zstd;

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// gzip, one member or several.
    Gzip,
    /// Zstandard, one frame or several.
    Zstd,
    /// The frame format of lz4, one frame or several.
    Lz4,
}

impl Compression {
    /// How many bytes of a file are enough to tell.
    pub const MAGIC_LEN: usize = 4;

    /// The compression of a file that begins so.
    pub fn of(first: &[u8]) -> Option<Compression> {
        match first {
            [0x1f, 0x8b, ..] => Some(Compression::Gzip),
            // The second is a frame to skip, which parallel compressors put in front.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
                Some(Compression::Zstd)
            }
            [0x04, 0x22, 0x4d, 0x18, ..] => Some(Compression::Lz4),
            _ => None,
        }
    }

    /// The name of the program that makes such files.
    pub fn name(self) -> &'static str {
        match self {
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
            Compression::Lz4 => "lz4",
        }
    }
}

/// Unpacks a file while it is read.
pub struct Unpacker<R: Read> {
    compression: Compression,
    format: Unpack<R>,
    /// Bytes given so far.
    unpacked: u64,
    over: bool,
}

enum Unpack<R: Read> {
    Gzip(Box<Gzip<R>>),
    Zstd(Box<Zstd<R>>),
    Lz4(Box<Lz4<R>>),
}

/// Why unpacking went wrong, inside of this room.
enum Fault {
    /// In words.
    Damaged(String),
    /// The window that a zstd file asks for.
    Window(u64),
}

impl<R: Read> Unpacker<R> {
    /// The window that zstd itself allows when nothing else is said, in bytes.
    pub const DEFAULT_WINDOW: u64 = 128 * 1024 * 1024;

    /// Unpacks `input`, from its first byte on. `window` limits the memory that a zstd file may ask
    /// for, in bytes.
    pub fn new(compression: Compression, input: R, window: u64) -> Unpacker<R> {
        let source = Source::new(input);
        let format = match compression {
            Compression::Gzip => Unpack::Gzip(Box::new(Gzip::new(source))),
            Compression::Zstd => Unpack::Zstd(Box::new(Zstd::new(source, window))),
            Compression::Lz4 => Unpack::Lz4(Box::new(Lz4::new(source))),
        };
        Unpacker {
            compression,
            format,
            unpacked: 0,
            over: false,
        }
    }

    /// Puts the next unpacked bytes into `buffer` and says how many; 0 at the end, and after an
    /// error.
    pub fn unpack(&mut self, buffer: &mut [u8]) -> Result<usize, UnpackError> {
        if self.over || buffer.is_empty() {
            return Ok(0);
        }
        let unpacked = match &mut self.format {
            Unpack::Gzip(gzip) => gzip.read(buffer),
            Unpack::Zstd(zstd) => zstd.read(buffer),
            Unpack::Lz4(lz4) => lz4.read(buffer),
        };
        match unpacked {
            Ok(count) => {
                self.unpacked += count as u64;
                self.over = count == 0;
                Ok(count)
            }
            Err(fault) => {
                self.over = true;
                Err(self.error(fault))
            }
        }
    }

    fn error(&mut self, fault: Fault) -> UnpackError {
        let source = match &mut self.format {
            Unpack::Gzip(gzip) => gzip.source(),
            Unpack::Zstd(zstd) => zstd.source(),
            Unpack::Lz4(lz4) => lz4.source(),
        };
        if let Some(error) = source.failure.take() {
            return UnpackError::Input(error);
        }
        let (compression, offset) = (self.compression, source.taken);
        match fault {
            Fault::Window(window) => UnpackError::Window { window },
            Fault::Damaged(_) if source.at_end() => UnpackError::Cut {
                compression,
                offset,
                unpacked: self.unpacked,
            },
            Fault::Damaged(why) => UnpackError::Damaged {
                compression,
                offset,
                unpacked: self.unpacked,
                why,
            },
        }
    }
}

/// Reads, and begins again when a signal came between.
fn read(input: &mut impl Read, buffer: &mut [u8]) -> Result<usize, Fault> {
    loop {
        match input.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Fault::Damaged(error.to_string())),
            Ok(count) => return Ok(count),
        }
    }
}

/// Why the unpacked bytes end.
#[derive(Debug)]
pub enum UnpackError {
    /// The file itself could not be read.
    Input(io::Error),
    /// The file ends too early.
    Cut {
        /// What it is.
        compression: Compression,
        /// Its length, in bytes of the compressed file.
        offset: u64,
        /// The bytes unpacked.
        unpacked: u64,
    },
    /// What is there cannot be unpacked.
    Damaged {
        /// What it is.
        compression: Compression,
        /// Up to where it was read when this was seen, in bytes of the compressed file.
        offset: u64,
        /// The bytes unpacked.
        unpacked: u64,
        /// Why, in the words of what unpacks it.
        why: String,
    },
    /// A zstd file asks for more memory than it may have.
    Window {
        /// In bytes.
        window: u64,
    },
}

impl fmt::Display for UnpackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UnpackError::Input(error) => error.fmt(f),
            UnpackError::Cut {
                compression,
                offset,
                unpacked,
            } => write!(
                f,
                "the {} file is truncated at byte {offset}; {unpacked} bytes were decompressed",
                compression.name()
            ),
            UnpackError::Damaged {
                compression,
                offset,
                unpacked,
                why,
            } => write!(
                f,
                "the {} file is damaged before byte {offset}: {why}; {unpacked} bytes were decompressed",
                compression.name()
            ),
            UnpackError::Window { window } => write!(
                f,
                "the zstd file needs a window of {window} bytes, which is over the limit"
            ),
        }
    }
}

impl std::error::Error for UnpackError {}

#[cfg(test)]
mod tests;
