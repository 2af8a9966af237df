//! Netlink's framing: messages in a received buffer, attributes in a message, and requests.
//!
//! Every netlink protocol uses it: `sock_diag`, routes, neighbours, links, connection tracking. The
//! fixed part at the start of a payload and the meaning of its attributes are the protocol's own.
//!
//! Sources: `linux/netlink.h` (`struct nlmsghdr`, `struct nlmsgerr`, `struct nlattr`). All numbers
//! are in the machine's own byte order, and messages and attributes begin at multiples of four bytes.

mod attribute;
mod message;
mod request;

use std::error::Error;
use std::fmt;

pub use attribute::{Attribute, Attributes};
pub use message::{Content, Message, Messages};
pub use request::Request;

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
/// `NLM_F_ACK`: the kernel acknowledges the request, with [`Content::Error`] 0, if it succeeds.
pub const ACK: u16 = 0x04;
/// `NLM_F_DUMP`: everything that matches, not one named object.
pub const DUMP: u16 = 0x300;
/// `NLM_F_DUMP_INTR`: the table changed during the dump, so entries may be missing or listed twice.
pub const DUMP_INTERRUPTED: u16 = 0x10;

/// Bytes that are not what their place says they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed {
    /// What was read: `netlink message`, `attribute`, the name of a structure.
    pub layer: &'static str,
    /// Where it begins: bytes from the start of the buffer (a message) or of the message's payload
    /// (anything else).
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
            "malformed {layer} at byte {offset}: {need} bytes needed, {have} present"
        )
    }
}

impl Error for Malformed {}

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
pub(crate) fn fixed_part<'a, const N: usize>(
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
pub(crate) fn u16_at(bytes: &[u8], offset: usize) -> u16 {
    u16::from_ne_bytes([bytes[offset], bytes[offset + 1]])
}

/// A number of four bytes.
#[inline]
pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    let bytes = &bytes[offset..offset + 4];
    u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

#[cfg(test)]
mod tests;
