//! Compression while a file is written.
//!
//! Each piece is a gzip member or a zstd frame of its own, so a file that ends early (the disk is full) can be unpacked
//! as far as it goes, and memory does not grow with the file.

use std::io::{self, Write};

use flate2::write::GzEncoder;
use ruzstd::encoding::{CompressionLevel, compress};

use super::Compression;

/// Bytes that are compressed together.
const PIECE: usize = 256 << 10;

/// Compresses what is written to it, or hands it on as it is.
#[derive(Debug)]
pub struct Packer<W> {
    out: W,
    compression: Option<Compression>,
    piece: Vec<u8>,
}

impl<W: Write> Packer<W> {
    /// A writer in front of `out`. lz4 is only read, so it is handed on as it is.
    pub fn new(out: W, compression: Option<Compression>) -> Packer<W> {
        Packer {
            out,
            compression,
            piece: Vec::new(),
        }
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// Those of the inner writer.
    pub fn finish(mut self) -> io::Result<W> {
        self.pack()?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn pack(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let mut packed = Vec::new();
        if self.compression == Some(Compression::Gzip) {
            let mut encoder = GzEncoder::new(&mut packed, flate2::Compression::default());
            encoder.write_all(&self.piece)?;
            encoder.finish()?;
        } else {
            compress(&self.piece[..], &mut packed, CompressionLevel::Fastest);
        }
        self.piece.clear();
        self.out.write_all(&packed)
    }
}

impl<W: Write> Write for Packer<W> {
    /// Takes all bytes: what comes in one call, such as a frame, stays in one piece.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.compression {
            Some(Compression::Gzip | Compression::Zstd) => {
                if self.piece.len() + bytes.len() > PIECE {
                    self.pack()?;
                }
                self.piece.extend_from_slice(bytes);
                Ok(bytes.len())
            }
            _ => self.out.write(bytes),
        }
    }

    /// A piece that is not full is kept: many small ones would hardly be smaller than what is in them.
    fn flush(&mut self) -> io::Result<()> {
        match self.compression {
            Some(Compression::Gzip | Compression::Zstd) => Ok(()),
            _ => self.out.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Unpacker;
    use super::*;

    fn unpacked(compression: Compression, packed: &[u8]) -> Vec<u8> {
        let mut unpacker = Unpacker::new(compression, packed, Unpacker::<&[u8]>::DEFAULT_WINDOW);
        let mut all = Vec::new();
        let mut buffer = vec![0; 1 << 16];
        loop {
            match unpacker.unpack(&mut buffer) {
                Ok(0) | Err(_) => return all,
                Ok(count) => all.extend_from_slice(&buffer[..count]),
            }
        }
    }

    #[test]
    fn what_is_packed_in_pieces_comes_back_whole_and_a_cut_file_as_far_as_it_goes() {
        let record: Vec<u8> = (0..1000_u32)
            .flat_map(|it| (it * it).to_le_bytes())
            .collect();
        for compression in [Compression::Gzip, Compression::Zstd] {
            let mut packer = Packer::new(Vec::new(), Some(compression));
            for _ in 0..600 {
                packer.write_all(&record).unwrap();
            }
            packer.flush().unwrap();
            let file = packer.finish().unwrap();
            assert_eq!(Compression::of(&file), Some(compression));
            assert!(file.len() < 600 * record.len() / 2, "{}", file.len());
            let back = unpacked(compression, &file);
            assert_eq!(back.len(), 600 * record.len());
            assert!(back.chunks(record.len()).all(|it| it == record));
            // The last piece is damaged: those in front of it are whole.
            let part = unpacked(compression, &file[..file.len() - 100]);
            assert!(part.len() >= 1 << 20, "{}", part.len());
            assert_eq!(part, back[..part.len()]);
        }
    }

    #[test]
    fn without_compression_bytes_go_on_as_they_are() {
        let mut packer = Packer::new(Vec::new(), None);
        packer.write_all(b"abc").unwrap();
        assert_eq!(packer.finish().unwrap(), b"abc");
    }
}
