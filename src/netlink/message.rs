//! The messages of a received buffer.

use std::iter::FusedIterator;

use super::{Attributes, DUMP_INTERRUPTED, HEADER_LEN, Malformed, align, read, u16_at, u32_at};

mod field {
    pub(super) const LENGTH: usize = 0;
    pub(super) const KIND: usize = 4;
    pub(super) const FLAGS: usize = 6;
    pub(super) const SEQUENCE: usize = 8;
    pub(super) const PORT: usize = 12;
}

/// `NLMSG_NOOP`, `NLMSG_ERROR`, `NLMSG_DONE` and `NLMSG_OVERRUN`.
mod kind {
    pub(super) const NOOP: u16 = 1;
    pub(super) const ERROR: u16 = 2;
    pub(super) const DONE: u16 = 3;
    pub(super) const OVERRUN: u16 = 4;
}

/// `NLM_F_CAPPED` and `NLM_F_ACK_TLVS`, flags of an error message.
mod flag {
    /// The payload of the request is not quoted, only its header.
    pub(super) const CAPPED: u16 = 0x100;
    /// Attributes follow.
    pub(super) const EXPLAINED: u16 = 0x200;
}

/// `NLMSGERR_ATTR_MSG`.
const EXPLANATION: u16 = 1;

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
    /// The answer is complete. Not 0 if the walk ended with an error: a positive errno.
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

    /// The kernel's explanation of an error, if it gave one: it does so on a socket with
    /// `NETLINK_EXT_ACK`.
    pub fn explanation(&self) -> Option<&'a [u8]> {
        if self.flags & flag::EXPLAINED == 0 {
            return None;
        }
        let errno = size_of::<i32>();
        let quoted = match self.kind {
            kind::DONE => 0,
            kind::ERROR if self.flags & flag::CAPPED != 0 => HEADER_LEN,
            kind::ERROR => {
                let request = self.payload.get(errno..)?.first_chunk::<HEADER_LEN>()?;
                let length = u32_at(request, field::LENGTH) as usize;
                align(length.min(self.payload.len()))
            }
            _ => return None,
        };
        Attributes::new(self.payload, errno + quoted)
            .map_while(Result::ok)
            .find(|attribute| attribute.kind == EXPLANATION)
            .map(|attribute| {
                attribute
                    .payload
                    .strip_suffix(b"\0")
                    .unwrap_or(attribute.payload)
            })
    }

    /// The kernel writes a negative errno. No number makes this overflow.
    fn errno(&self) -> Result<i32, Malformed> {
        let bytes = read(self.payload, "netlink error", 0)?;
        Ok(i32::from_ne_bytes(bytes).saturating_abs())
    }
}
