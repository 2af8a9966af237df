//! Fields of a frame as lines, each as far to the right as its layer is deep.

use std::fmt::{Arguments, Write as _};

use crate::render::decode::buffer::Buffer;

/// Bytes of data that a line shows, as tshark's.
const MOST_HEX: usize = 36;

/// A piece of a frame: what was captured of it, and how long it was on the wire.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) length: usize,
    /// Where it begins in the frame.
    pub(super) at: usize,
}

impl<'a> Part<'a> {
    /// What follows its first bytes.
    pub(super) fn after(self, bytes: usize) -> Part<'a> {
        Part {
            bytes: self.bytes.get(bytes..).unwrap_or_default(),
            length: self.length.saturating_sub(bytes),
            at: self.at + bytes,
        }
    }

    /// Its first bytes.
    pub(super) fn until(self, length: usize) -> Part<'a> {
        Part {
            bytes: &self.bytes[..self.bytes.len().min(length)],
            length: self.length.min(length),
            at: self.at,
        }
    }

    pub(super) fn byte(self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    pub(super) fn u16(self, at: usize) -> Option<u16> {
        let bytes = self.bytes.get(at..at + 2)?;
        Some(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    pub(super) fn u32(self, at: usize) -> Option<u32> {
        let bytes = self.bytes.get(at..at + 4)?;
        Some(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    pub(super) fn array<const N: usize>(self, at: usize) -> Option<[u8; N]> {
        self.bytes.get(at..at + N)?.try_into().ok()
    }

    /// A hardware address.
    pub(super) fn mac(self, at: usize) -> Option<String> {
        self.array::<6>(at).map(|bytes| mac(&bytes))
    }
}

/// Lines of fields.
pub(super) struct Tree<'o> {
    out: &'o mut Buffer,
    depth: usize,
}

impl<'o> Tree<'o> {
    pub(super) fn new(out: &'o mut Buffer) -> Tree<'o> {
        Tree { out, depth: 0 }
    }

    /// A field.
    pub(super) fn line(&mut self, text: Arguments<'_>) {
        self.out.blanks(4 * self.depth);
        self.out.format(text);
        self.out.byte(b'\n');
    }

    /// The fields in it are set in below the last line.
    pub(super) fn inside<T>(&mut self, write: impl FnOnce(&mut Self) -> T) -> T {
        self.depth += 1;
        let result = write(self);
        self.depth -= 1;
        result
    }

    /// What follows is set in, until [`Tree::leave`].
    pub(super) fn enter(&mut self) {
        self.depth += 1;
    }

    pub(super) fn leave(&mut self) {
        self.depth -= 1;
    }

    /// A field of some bits of a number of `width` bits: `.... 0101 = Header Length: 20 bytes (5)`.
    pub(super) fn bits(&mut self, number: u32, width: u32, mask: u32, text: Arguments<'_>) {
        let mut picture = String::new();
        for bit in (0..width).rev() {
            let c = match (mask >> bit & 1, number >> bit & 1) {
                (0, _) => '.',
                (_, 0) => '0',
                _ => '1',
            };
            picture.push(c);
            if bit > 0 && bit % 4 == 0 {
                picture.push(' ');
            }
        }
        self.line(format_args!("{picture} = {text}"));
    }

    /// The same of one bit that is set or not.
    pub(super) fn flag(&mut self, number: u32, width: u32, mask: u32, name: &str) {
        let set = if number & mask == 0 { "Not set" } else { "Set" };
        self.bits(number, width, mask, format_args!("{name}: {set}"));
    }

    /// Data that is not opened.
    pub(super) fn data(&mut self, part: Part<'_>) {
        let length = part.bytes.len();
        if length == 0 {
            return;
        }
        self.line(format_args!("Data ({length} byte{})", plural(length)));
        self.inside(|tree| tree.line(format_args!("Data: {}", hex(part.bytes))));
    }
}

pub(super) fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// Bytes in hexadecimal, the first ones of many.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes.iter().take(MOST_HEX) {
        let _ = write!(text, "{byte:02x}");
    }
    if bytes.len() > MOST_HEX {
        text.push('…');
    }
    text
}

pub(super) fn mac(bytes: &[u8]) -> String {
    let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_drawn_in_groups_of_four() {
        let mut out = Buffer::default();
        let mut tree = Tree::new(&mut out);
        tree.bits(0x45, 8, 0x0f, format_args!("Header Length: 20 bytes (5)"));
        tree.inside(|tree| tree.flag(0x4000, 16, 0x4000, "Don't fragment"));
        tree.flag(0, 9, 0x100, "x");
        assert_eq!(
            String::from_utf8_lossy(out.as_bytes()),
            ".... 0101 = Header Length: 20 bytes (5)\n    \
             .1.. .... .... .... = Don't fragment: Set\n0 .... .... = x: Not set\n"
        );
        assert_eq!(hex(&[0xab; 40]), "ab".repeat(36) + "…");
    }
}
