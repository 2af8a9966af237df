//! Zstandard frames, in sequence.

use std::io::Read;

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::source::Source;
use super::{Fault, read};

pub(super) struct Zstd<R> {
    source: Source<R>,
    decoder: FrameDecoder,
    in_frame: bool,
    /// What went wrong, until everything in front of it is given.
    fault: Option<Fault>,
}

/// A last block without content, and a checksum after it that is not verified.
const LAST_BLOCK: [u8; 7] = [1, 0, 0, 0, 0, 0, 0];

impl<R: Read> Zstd<R> {
    pub(super) fn new(source: Source<R>, window: u64) -> Zstd<R> {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(window);
        Zstd {
            source,
            decoder,
            in_frame: false,
            fault: None,
        }
    }

    pub(super) fn source(&mut self) -> &mut Source<R> {
        &mut self.source
    }

    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Fault> {
        loop {
            if self.in_frame && self.decoder.can_collect() > 0 {
                return read(&mut self.decoder, buffer);
            }
            if let Some(fault) = self.fault.take() {
                return Err(fault);
            }
            if self.in_frame && !self.decoder.is_finished() {
                self.decode();
                continue;
            }
            self.check()?;
            self.in_frame = false;
            if !self.source.has_more() {
                return match self.source.failure {
                    Some(_) => Err(Fault::Damaged(String::new())),
                    None => Ok(0),
                };
            }
            self.begin()?;
        }
    }

    /// The next block.
    fn decode(&mut self) {
        let one = BlockDecodingStrategy::UptoBlocks(1);
        let Err(error) = self.decoder.decode_blocks(&mut self.source, one) else {
            return;
        };
        self.fault = Some(Fault::Damaged(error.to_string()));
        // The decoder holds a window back for the blocks to come. It lets go of it when the frame
        // ends, which it does here.
        let one = BlockDecodingStrategy::UptoBlocks(1);
        if self.decoder.decode_blocks(&LAST_BLOCK[..], one).is_err() {
            self.in_frame = false;
        }
    }

    /// The checksum of the frame that ended, if it has one.
    fn check(&self) -> Result<(), Fault> {
        if !self.in_frame {
            return Ok(());
        }
        let said = self.decoder.get_checksum_from_data();
        if said.is_some() && said != self.decoder.get_calculated_checksum() {
            return Err(Fault::Damaged("checksum mismatch".to_owned()));
        }
        Ok(())
    }

    /// The header of the next frame.
    fn begin(&mut self) -> Result<(), Fault> {
        match self.decoder.init(&mut self.source) {
            Ok(()) => {
                self.in_frame = true;
                Ok(())
            }
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length,
                ..
            })) => {
                if self.source.skip(u64::from(length)) {
                    Ok(())
                } else {
                    Err(Fault::Damaged(String::new()))
                }
            }
            Err(FrameDecoderError::WindowSizeTooBig { requested, .. }) => {
                Err(Fault::Window(requested))
            }
            Err(error) => Err(Fault::Damaged(error.to_string())),
        }
    }
}
