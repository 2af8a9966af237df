//! What is unpacked, with what has to be known of it when something is wrong.

use std::io::{self, Read};

/// Bytes asked for at once.
const PIECE: usize = 64 * 1024;

pub(super) struct Source<R> {
    input: R,
    buffer: Vec<u8>,
    start: usize,
    /// The input said that nothing more comes.
    ended: bool,
    /// Bytes handed on.
    pub(super) taken: u64,
    /// The first bytes handed on.
    pub(super) head: [u8; 5],
    /// The last bytes handed on.
    pub(super) tail: [u8; 8],
    /// The error of the input itself.
    pub(super) failure: Option<io::Error>,
}

impl<R: Read> Source<R> {
    pub(super) fn new(input: R) -> Source<R> {
        Source {
            input,
            buffer: Vec::new(),
            start: 0,
            ended: false,
            taken: 0,
            head: [0; 5],
            tail: [0; 8],
            failure: None,
        }
    }

    /// Whether the input has ended and everything was handed on.
    pub(super) fn at_end(&self) -> bool {
        self.ended && self.start == self.buffer.len()
    }

    /// Whether there is at least one byte more; waits for it.
    pub(super) fn has_more(&mut self) -> bool {
        self.fill();
        self.start < self.buffer.len()
    }

    /// The bytes at hand; none at the end, and after an error.
    pub(super) fn pending(&mut self) -> &[u8] {
        self.fill();
        &self.buffer[self.start..]
    }

    /// Takes this many of the bytes at hand; the first and the last are not remembered.
    pub(super) fn consume(&mut self, count: usize) {
        self.start += count;
        self.taken += count as u64;
    }

    /// Skips this many bytes; `false` when there are not as many.
    pub(super) fn skip(&mut self, count: u64) -> bool {
        let mut left = count;
        let mut piece = [0; 4096];
        while left > 0 {
            let most = usize::try_from(left).map_or(piece.len(), |left| left.min(piece.len()));
            match self.read(&mut piece[..most]) {
                Ok(0) | Err(_) => return false,
                Ok(count) => left -= count as u64,
            }
        }
        true
    }

    fn fill(&mut self) {
        if self.start < self.buffer.len() || self.ended || self.failure.is_some() {
            return;
        }
        self.buffer.resize(PIECE, 0);
        self.start = 0;
        let count = loop {
            match self.input.read(&mut self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failure = Some(error);
                    break 0;
                }
                Ok(count) => {
                    self.ended = count == 0;
                    break count;
                }
            }
        };
        self.buffer.truncate(count);
    }

    fn remember(&mut self, bytes: &[u8]) {
        if let Ok(at) = usize::try_from(self.taken)
            && let Some(room) = self.head.get_mut(at..)
        {
            let count = room.len().min(bytes.len());
            room[..count].copy_from_slice(&bytes[..count]);
        }
        self.taken += bytes.len() as u64;
        if let Some(last) = bytes.last_chunk::<8>() {
            self.tail = *last;
        } else {
            self.tail.rotate_left(bytes.len());
            self.tail[8 - bytes.len()..].copy_from_slice(bytes);
        }
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.fill();
        if let Some(failure) = &self.failure {
            // The error itself is kept for the user; the decompressor needs only its kind.
            return Err(failure.kind().into());
        }
        let count = buffer.len().min(self.buffer.len() - self.start);
        let end = self.start + count;
        buffer[..count].copy_from_slice(&self.buffer[self.start..end]);
        self.start = end;
        self.remember(&buffer[..count]);
        Ok(count)
    }
}
