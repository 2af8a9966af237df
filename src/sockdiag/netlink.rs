//! Netlink's framing: messages in a received buffer, attributes in a message, and requests.
//!
//! Sources: `linux/netlink.h` (`struct nlmsghdr`, `struct nlmsgerr`, `struct nlattr`). All numbers
//! are in the machine's own byte order, and everything begins at a multiple of four bytes.

use std::error::Error;
use std::fmt;
use std::iter::FusedIterator;

/// The bytes of a `struct nlmsghdr`.
pub const HEADER_LEN: usize = 16;

/// The bytes of a `struct nlattr`.
pub const ATTRIBUTE_HEADER_LEN: usize = 4;

/// The longest payload of an attribute, since its length field has 16 bits: bytes.
pub const MAX_ATTRIBUTE: usize = 0xffff - ATTRIBUTE_HEADER_LEN;

/// `NLM_F_REQUEST`: every request carries it.
pub const REQUEST: u16 = 0x01;
/// `NLM_F_MULTI`: one of several messages that a [`Content::Done`] ends.
pub const MULTI: u16 = 0x02;
/// `NLM_F_DUMP`: all that match, not the one that is named.
pub const DUMP: u16 = 0x300;
/// `NLM_F_DUMP_INTR`: what is dumped changed on the way, something may be missing or doubled.
pub const DUMP_INTERRUPTED: u16 = 0x10;

mod field {
    pub(super) const LENGTH: usize = 0;
    pub(super) const KIND: usize = 4;
    pub(super) const FLAGS: usize = 6;
    pub(super) const SEQUENCE: usize = 8;
    pub(super) const PORT: usize = 12;

    pub(super) const ATTRIBUTE_LENGTH: usize = 0;
    pub(super) const ATTRIBUTE_KIND: usize = 2;
}

/// `NLMSG_NOOP`, `NLMSG_ERROR`, `NLMSG_DONE` and `NLMSG_OVERRUN`.
mod kind {
    pub(super) const NOOP: u16 = 1;
    pub(super) const ERROR: u16 = 2;
    pub(super) const DONE: u16 = 3;
    pub(super) const OVERRUN: u16 = 4;
}

/// `NLA_TYPE_MASK`: without `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`.
const KIND_MASK: u16 = 0x3fff;

/// Bytes that are not what their place says they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed {
    /// What was read: `netlink message`, `attribute`, the name of a structure.
    pub layer: &'static str,
    /// Where it begins: bytes from the start of the buffer (a message) or of the message's payload
    /// (all else).
    pub offset: usize,
    /// How many bytes it needs.
    pub need: usize,
    /// How many there are.
    pub have: usize,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Malformed {
            layer,
            offset,
            need,
            have,
        } = self;
        write!(
            f,
            "malformed {layer} at byte {offset}: it needs {need} bytes and has {have}"
        )
    }
}

impl Error for Malformed {}

/// The messages in what one `recvmsg(2)` gave.
///
/// The invariant: every step either moves on by at least a header or is the last one. So a length
/// of zero cannot keep it in place, and after the first [`Malformed`] nothing is found any more,
/// since the next boundary is not known.
#[derive(Debug, Clone)]
pub struct Messages<'a> {
    buffer: &'a [u8],
    offset: usize,
}

impl<'a> Messages<'a> {
    /// The messages in `buffer`, which may begin at any address.
    pub fn new(buffer: &'a [u8]) -> Self {
        Messages { buffer, offset: 0 }
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = &self.buffer[self.offset..];
        if rest.is_empty() {
            return None;
        }
        let length = match rest.first_chunk::<HEADER_LEN>() {
            Some(header) => u32_at(header, field::LENGTH) as usize,
            None => rest.len(),
        };
        if length < HEADER_LEN || length > rest.len() {
            let malformed = Malformed {
                layer: "netlink message",
                offset: self.offset,
                need: length.max(HEADER_LEN),
                have: length.min(rest.len()),
            };
            self.offset = self.buffer.len();
            return Some(Err(malformed));
        }
        // The last message's padding may be missing.
        self.offset += align(length).min(rest.len());
        Some(Ok(Message {
            kind: u16_at(rest, field::KIND),
            flags: u16_at(rest, field::FLAGS),
            sequence: u32_at(rest, field::SEQUENCE),
            port: u32_at(rest, field::PORT),
            payload: &rest[HEADER_LEN..length],
        }))
    }
}

impl FusedIterator for Messages<'_> {}

/// One message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// What it is (`nlmsg_type`); [`Message::content`] knows the kinds below 16.
    pub kind: u16,
    /// `NLM_F_*`.
    pub flags: u16,
    /// The number of the request that it answers.
    pub sequence: u32,
    /// The port of the socket that asked, as the kernel writes it into answers (`nlmsg_pid`).
    pub port: u32,
    /// What follows the header, without padding.
    pub payload: &'a [u8],
}

/// What a message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content<'a> {
    /// A part of the answer.
    Reply(&'a [u8]),
    /// The answer is complete. Not 0 where the walk ended with an error: a positive errno.
    Done(i32),
    /// The request failed with a positive errno; 0 acknowledges it.
    Error(i32),
    /// Nothing; skip it.
    Noop,
    /// Data was lost.
    Overrun,
}

impl<'a> Message<'a> {
    /// What the message says.
    pub fn content(&self) -> Result<Content<'a>, Malformed> {
        Ok(match self.kind {
            kind::NOOP => Content::Noop,
            kind::ERROR => Content::Error(self.errno()?),
            // Kernels before 2.6.22 end a dump without a number.
            kind::DONE if self.payload.is_empty() => Content::Done(0),
            kind::DONE => Content::Done(self.errno()?),
            kind::OVERRUN => Content::Overrun,
            _ => Content::Reply(self.payload),
        })
    }

    /// Whether the dump that this message belongs to was disturbed: ask again, or say so.
    pub fn interrupted(&self) -> bool {
        self.flags & DUMP_INTERRUPTED != 0
    }

    /// The kernel writes a negative errno. No number makes this overflow.
    fn errno(&self) -> Result<i32, Malformed> {
        let bytes = read(self.payload, "netlink error", 0)?;
        Ok(i32::from_ne_bytes(bytes).saturating_abs())
    }
}

/// The attributes behind the fixed part of a message, or inside another attribute.
///
/// The same invariant as for [`Messages`].
#[derive(Debug, Clone)]
pub struct Attributes<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Attributes<'a> {
    /// The attributes in `bytes` from `offset` on; there are none if that is behind the end.
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
            Some(header) => usize::from(u16_at(header, field::ATTRIBUTE_LENGTH)),
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
            kind: u16_at(rest, field::ATTRIBUTE_KIND) & KIND_MASK,
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

/// Writes one request behind what `out` holds. The length is put in by [`Request::finish`].
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
    /// When the payload is longer than [`MAX_ATTRIBUTE`].
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

/// The next multiple of four.
fn align(length: usize) -> usize {
    length.next_multiple_of(4)
}

/// The first `N` bytes of what begins at `offset`.
fn read<const N: usize>(
    bytes: &[u8],
    layer: &'static str,
    offset: usize,
) -> Result<[u8; N], Malformed> {
    bytes.first_chunk().copied().ok_or(Malformed {
        layer,
        offset,
        need: N,
        have: bytes.len(),
    })
}

/// The fixed part of a message and where its attributes begin, its length checked once.
pub(super) fn fixed_part<'a, const N: usize>(
    payload: &'a [u8],
    layer: &'static str,
) -> Result<&'a [u8; N], Malformed> {
    payload.first_chunk().ok_or(Malformed {
        layer,
        offset: 0,
        need: N,
        have: payload.len(),
    })
}

/// A number of two bytes.
///
/// # Panics
/// When it does not lie within `bytes`; so for the other two.
#[inline]
pub(super) fn u16_at(bytes: &[u8], offset: usize) -> u16 {
    u16::from_ne_bytes([bytes[offset], bytes[offset + 1]])
}

/// A number of four bytes.
#[inline]
pub(super) fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    let bytes = &bytes[offset..offset + 4];
    u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// A cookie: two numbers of four bytes, the low one first whatever the byte order.
#[inline]
pub(super) fn cookie_at(bytes: &[u8], offset: usize) -> u64 {
    u64::from(u32_at(bytes, offset)) | u64::from(u32_at(bytes, offset + 4)) << 32
}

/// The cookie's bytes in a request.
pub(super) fn cookie_bytes(cookie: u64) -> [u8; 8] {
    let [low, high] = [cookie & 0xffff_ffff, cookie >> 32];
    let mut bytes = [0; 8];
    #[expect(clippy::cast_possible_truncation, reason = "masked and shifted above")]
    for (place, half) in bytes.chunks_exact_mut(4).zip([low as u32, high as u32]) {
        place.copy_from_slice(&half.to_ne_bytes());
    }
    bytes
}

#[cfg(test)]
#[path = "netlink_tests.rs"]
mod tests;
