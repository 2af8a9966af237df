//! gzip members (RFC 1952), in sequence.
//!
//! The members are walked here, and not by flate2's reader: of the bytes that a call unpacked in front of
//! damage that reader gives none, and what the decompressor has no room to give in the call that meets
//! damage it never gives. So it gets little at a time, and room for all that this can unpack to.

use std::io::Read;

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::source::Source;
use super::{Fault, read};

/// Packed bytes that the decompressor gets at once.
const PIECE: usize = 256;
/// Room for what they unpack to: a match of 258 bytes takes two bits at least (RFC 1951 section 3.2.5), and a
/// few bits remain in the decompressor from one call to the next.
const ROOM: usize = (PIECE + 16) * 258 * 4;

pub(super) struct Gzip<R> {
    source: Source<R>,
    /// What was unpacked; the part from `given` to `unpacked` is still to be given.
    room: Vec<u8>,
    given: usize,
    unpacked: usize,
    inflate: Decompress,
    /// Of what the member unpacked to.
    crc: Crc,
    place: Place,
    /// What went wrong, until everything in front of it is given.
    fault: Option<Fault>,
}

enum Place {
    /// In front of a member, or at the end.
    Between,
    Content,
    /// At the checksum and the length.
    Trailer,
}

// The flags of a member's header (section 2.3.1).
const FHCRC: u8 = 1 << 1;
const FEXTRA: u8 = 1 << 2;
const FNAME: u8 = 1 << 3;
const FCOMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0xe0;

impl<R: Read> Gzip<R> {
    pub(super) fn new(source: Source<R>) -> Gzip<R> {
        Gzip {
            source,
            room: vec![0; ROOM],
            given: 0,
            unpacked: 0,
            inflate: Decompress::new(false),
            crc: Crc::new(),
            place: Place::Between,
            fault: None,
        }
    }

    pub(super) fn source(&mut self) -> &mut Source<R> {
        &mut self.source
    }

    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Fault> {
        loop {
            if self.given < self.unpacked {
                let count = buffer.len().min(self.unpacked - self.given);
                let end = self.given + count;
                buffer[..count].copy_from_slice(&self.room[self.given..end]);
                self.given = end;
                return Ok(count);
            }
            if let Some(fault) = self.fault.take() {
                return Err(fault);
            }
            match self.place {
                Place::Between => {
                    if !self.source.has_more() {
                        return match self.source.failure {
                            Some(_) => Err(Fault::Damaged(String::new())),
                            None => Ok(0),
                        };
                    }
                    self.header()?;
                    self.inflate.reset(false);
                    self.crc.reset();
                    self.place = Place::Content;
                }
                Place::Content => self.content()?,
                Place::Trailer => {
                    self.trailer()?;
                    self.place = Place::Between;
                }
            }
        }
    }

    fn header(&mut self) -> Result<(), Fault> {
        let [first, second, method, flags, ..] = self.take::<10>()?;
        if [first, second, method] != [0x1f, 0x8b, 8] || flags & RESERVED != 0 {
            return Err(Fault::Damaged("expected a gzip header".to_owned()));
        }
        if flags & FEXTRA != 0 {
            let length = u16::from_le_bytes(self.take()?);
            if !self.source.skip(length.into()) {
                return Err(Fault::Damaged(String::new()));
            }
        }
        for text in [FNAME, FCOMMENT] {
            if flags & text != 0 {
                while self.take::<1>()? != [0] {}
            }
        }
        if flags & FHCRC != 0 {
            self.take::<2>()?;
        }
        Ok(())
    }

    fn content(&mut self) -> Result<(), Fault> {
        let input = self.source.pending();
        let input = &input[..input.len().min(PIECE)];
        let is_end = input.is_empty();
        let before = (self.inflate.total_in(), self.inflate.total_out());
        let status = self
            .inflate
            .decompress(input, &mut self.room, FlushDecompress::None);
        let count = |now: u64, before: u64| usize::try_from(now - before).expect("within a slice");
        let taken = count(self.inflate.total_in(), before.0);
        self.unpacked = count(self.inflate.total_out(), before.1);
        self.given = 0;
        self.source.consume(taken);
        self.crc.update(&self.room[..self.unpacked]);
        match status {
            Ok(Status::StreamEnd) => self.place = Place::Trailer,
            Ok(_) if taken == 0 && self.unpacked == 0 => {
                let why = if is_end { "" } else { "invalid deflate data" };
                return Err(Fault::Damaged(why.to_owned()));
            }
            Ok(_) => {}
            Err(error) => self.fault = Some(Fault::Damaged(error.to_string())),
        }
        Ok(())
    }

    fn trailer(&mut self) -> Result<(), Fault> {
        let (sum, length) = (
            u32::from_le_bytes(self.take()?),
            u32::from_le_bytes(self.take()?),
        );
        if sum != self.crc.sum() || length != self.crc.amount() {
            return Err(Fault::Damaged("checksum mismatch".to_owned()));
        }
        Ok(())
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let mut bytes = [0; N];
        let mut have = 0;
        while have < N {
            match read(&mut self.source, &mut bytes[have..])? {
                0 => return Err(Fault::Damaged(String::new())),
                count => have += count,
            }
        }
        Ok(bytes)
    }
}
