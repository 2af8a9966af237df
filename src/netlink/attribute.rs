//! The attributes of a message.

use std::iter::FusedIterator;

use super::{ATTRIBUTE_HEADER_LEN, Malformed, align, read, u16_at};

mod field {
    pub(super) const LENGTH: usize = 0;
    pub(super) const KIND: usize = 2;
}

/// `NLA_TYPE_MASK`: without `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`.
const KIND_MASK: u16 = 0x3fff;

/// The attributes after the fixed part of a message, or inside another attribute.
///
/// The same invariant as for [`Messages`](super::Messages).
#[derive(Debug, Clone)]
pub struct Attributes<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Attributes<'a> {
    /// The attributes in `bytes` from `offset` on; there are none if that is after the end.
    pub fn new(bytes: &'a [u8], offset: usize) -> Self {
        let offset = offset.min(bytes.len());
        Attributes { bytes, offset }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let rest = &self.bytes[self.offset..];
        if rest.is_empty() {
            return None;
        }
        let length = match rest.first_chunk::<ATTRIBUTE_HEADER_LEN>() {
            Some(header) => usize::from(u16_at(header, field::LENGTH)),
            None => rest.len(),
        };
        if length < ATTRIBUTE_HEADER_LEN || length > rest.len() {
            let malformed = Malformed {
                layer: "attribute",
                offset: self.offset,
                need: length.max(ATTRIBUTE_HEADER_LEN),
                have: length.min(rest.len()),
            };
            self.offset = self.bytes.len();
            return Some(Err(malformed));
        }
        let attribute = Attribute {
            kind: u16_at(rest, field::KIND) & KIND_MASK,
            payload: &rest[ATTRIBUTE_HEADER_LEN..length],
            offset: self.offset,
        };
        self.offset += align(length).min(rest.len());
        Some(Ok(attribute))
    }
}

impl FusedIterator for Attributes<'_> {}

/// One attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// What it is (`nla_type`), without the flags for nesting and byte order.
    pub kind: u16,
    /// Its value, without padding.
    pub payload: &'a [u8],
    /// Where it begins: bytes from the start of the message's payload.
    pub offset: usize,
}

impl Attribute<'_> {
    /// The value as a number of one byte.
    pub fn u8(&self) -> Result<u8, Malformed> {
        self.array().map(|[byte]| byte)
    }

    /// The value as a number of four bytes.
    pub fn u32(&self) -> Result<u32, Malformed> {
        self.array().map(u32::from_ne_bytes)
    }

    /// The value as a number of eight bytes.
    pub fn u64(&self) -> Result<u64, Malformed> {
        self.array().map(u64::from_ne_bytes)
    }

    /// The first `N` bytes of the value: later kernels may make a structure longer.
    pub fn array<const N: usize>(&self) -> Result<[u8; N], Malformed> {
        read(self.payload, "attribute value", self.offset)
    }
}
