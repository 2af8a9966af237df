//! lz4 frames, in sequence.

use std::io::Read;

use lz4_flex::frame::FrameDecoder;

use super::source::Source;
use super::{Fault, read};

pub(super) struct Lz4<R: Read> {
    decoder: FrameDecoder<Source<R>>,
}

/// In the first frame's descriptor: a checksum follows the mark of the end.
const CONTENT_CHECKSUM: u8 = 1 << 2;

impl<R: Read> Lz4<R> {
    pub(super) fn new(source: Source<R>) -> Lz4<R> {
        Lz4 {
            decoder: FrameDecoder::new(source),
        }
    }

    pub(super) fn source(&mut self) -> &mut Source<R> {
        self.decoder.get_mut()
    }

    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Fault> {
        loop {
            let count = read(&mut self.decoder, buffer)?;
            if count > 0 {
                return Ok(count);
            }
            // The end of a frame, or of the file.
            let source = self.decoder.get_mut();
            if source.has_more() {
                continue;
            }
            if source.failure.is_some() || !ends_with_mark(source) {
                return Err(Fault::Damaged(String::new()));
            }
            return Ok(0);
        }
    }
}

/// The decoder takes a file that is cut between two blocks for one that has ended.
fn ends_with_mark<R>(source: &Source<R>) -> bool {
    let has_checksum = source.head[4] & CONTENT_CHECKSUM != 0;
    let mark = if has_checksum {
        &source.tail[..4]
    } else {
        &source.tail[4..]
    };
    mark == [0; 4]
}
