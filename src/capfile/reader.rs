//! The two readers.

use super::walk::Walk;
use super::{CaptureError, Format, Frame, Interface};

/// Reads a file that is all in memory, or mapped. Frames borrow from the file, not from the reader.
///
/// As an iterator it gives every frame, then, if something is wrong, one error, then nothing.
#[derive(Debug, Clone)]
pub struct SliceReader<'a> {
    walk: Walk,
    rest: &'a [u8],
}

impl<'a> SliceReader<'a> {
    /// A reader of the whole file.
    pub fn new(file: &'a [u8]) -> SliceReader<'a> {
        SliceReader {
            walk: Walk::new(),
            rest: file,
        }
    }

    /// The next frame; `None` at the end of the file, and after an error.
    #[inline]
    pub fn next_frame(&mut self) -> Result<Option<Frame<'a>>, CaptureError> {
        self.walk.next(&mut self.rest, true, &mut |_| {})
    }

    /// The next frame, and the interface that it was captured on. The blocks of pcapng before it that have
    /// no frame go to `passed`.
    #[inline]
    pub fn next_with_interface(
        &mut self,
        passed: &mut impl FnMut(&[u8]),
    ) -> Result<Option<(Frame<'a>, &Interface)>, CaptureError> {
        let next = self.walk.next(&mut self.rest, true, passed)?;
        Ok(next.and_then(|frame| Some((frame, self.walk.interface(&frame)?))))
    }

    /// The interfaces that were described so far; [`Frame::interface`] is an index into them.
    pub fn interfaces(&self) -> &[Interface] {
        &self.walk.interfaces
    }

    /// The format, once the first frame was asked for.
    pub fn format(&self) -> Option<Format> {
        self.walk.format()
    }

    /// How many bytes of the file were read: where the next record begins.
    pub fn offset(&self) -> u64 {
        self.walk.offset
    }

    /// How many frames were given.
    pub fn frames(&self) -> u64 {
        self.walk.frames
    }
}

impl<'a> Iterator for SliceReader<'a> {
    type Item = Result<Frame<'a>, CaptureError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.next_frame().transpose()
    }
}

/// Reads a file that comes in pieces: from a pipe, or from what unpacks it.
///
/// Take all frames with [`next_frame`](Self::next_frame) before you feed more: what is kept is then
/// never more than one record and one piece.
#[derive(Debug, Clone)]
pub struct StreamReader {
    walk: Walk,
    buffer: Vec<u8>,
    /// How much of the buffer has been read.
    start: usize,
    ended: bool,
}

impl Default for StreamReader {
    fn default() -> Self {
        StreamReader::new()
    }
}

impl StreamReader {
    /// A reader that has seen nothing yet.
    pub fn new() -> StreamReader {
        StreamReader {
            walk: Walk::new(),
            buffer: Vec::new(),
            start: 0,
            ended: false,
        }
    }

    /// Adds what came. After an error nothing is kept.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.walk.over {
            return;
        }
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// Says that nothing more comes. What is not whole is then an error of
    /// [`next_frame`](Self::next_frame).
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// The next frame; `None` when more has to be fed, at the end of the file, and after an error.
    #[inline]
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, CaptureError> {
        let mut rest = &self.buffer[self.start..];
        let next = self.walk.next(&mut rest, self.ended, &mut |_| {});
        self.start = self.buffer.len() - rest.len();
        next
    }

    /// The next frame, and the interface that it was captured on. The blocks of pcapng before it that have
    /// no frame go to `passed`.
    #[inline]
    pub fn next_with_interface(
        &mut self,
        passed: &mut impl FnMut(&[u8]),
    ) -> Result<Option<(Frame<'_>, &Interface)>, CaptureError> {
        let mut rest = &self.buffer[self.start..];
        let next = self.walk.next(&mut rest, self.ended, passed);
        self.start = self.buffer.len() - rest.len();
        Ok(next?.and_then(|frame| Some((frame, self.walk.interface(&frame)?))))
    }

    /// Whether nothing more will come: the file has ended, or an error was given.
    pub fn is_over(&self) -> bool {
        self.walk.over
    }

    /// The interfaces that were described so far; [`Frame::interface`] is an index into them.
    pub fn interfaces(&self) -> &[Interface] {
        &self.walk.interfaces
    }

    /// The format, once it is known.
    pub fn format(&self) -> Option<Format> {
        self.walk.format()
    }

    /// How many bytes of the file were read: where the next record begins.
    pub fn offset(&self) -> u64 {
        self.walk.offset
    }

    /// How many frames were given.
    pub fn frames(&self) -> u64 {
        self.walk.frames
    }

    /// Bytes that are kept because their record is not whole.
    pub fn buffered(&self) -> usize {
        self.buffer.len() - self.start
    }
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
