//! Requests, as they are sent.

use super::{ATTRIBUTE_HEADER_LEN, REQUEST, align};

/// Writes one request after what `out` holds. The length is put in by [`Request::finish`].
#[derive(Debug)]
#[must_use = "the length is missing until `finish`"]
pub struct Request<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
}

impl<'a> Request<'a> {
    /// Begins a request; [`REQUEST`] is added to the flags. The answers carry `sequence`.
    pub fn new(out: &'a mut Vec<u8>, kind: u16, flags: u16, sequence: u32) -> Self {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&kind.to_ne_bytes());
        out.extend_from_slice(&(flags | REQUEST).to_ne_bytes());
        out.extend_from_slice(&sequence.to_ne_bytes());
        // Port 0 is the kernel; it fills in ours.
        out.extend_from_slice(&[0; 4]);
        Request { out, start }
    }

    /// Adds bytes of the fixed part.
    pub fn bytes(self, bytes: &[u8]) -> Self {
        self.out.extend_from_slice(bytes);
        self
    }

    /// Adds an attribute.
    ///
    /// # Panics
    /// When the payload is longer than [`MAX_ATTRIBUTE`](super::MAX_ATTRIBUTE).
    pub fn attribute(mut self, kind: u16, payload: &[u8]) -> Self {
        let length = u16::try_from(ATTRIBUTE_HEADER_LEN + payload.len());
        let length = length.expect("the value fits into an attribute");
        self.pad();
        self.out.extend_from_slice(&length.to_ne_bytes());
        self.out.extend_from_slice(&kind.to_ne_bytes());
        self.out.extend_from_slice(payload);
        self.pad();
        self
    }

    /// Writes the length and the padding.
    ///
    /// # Panics
    /// When the request is longer than 4 GiB.
    pub fn finish(mut self) {
        let length = u32::try_from(self.out.len() - self.start).expect("a request is short");
        self.out[self.start..][..4].copy_from_slice(&length.to_ne_bytes());
        self.pad();
    }

    fn pad(&mut self) {
        let padded = align(self.out.len() - self.start);
        self.out.resize(self.start + padded, 0);
    }
}
