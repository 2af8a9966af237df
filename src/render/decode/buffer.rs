//! Text that is written piece by piece, without a formatter in between.

use std::fmt;
use std::io;
use std::net::IpAddr;

/// Text that is being written.
///
/// What is pushed is not escaped: what came from outside goes through
/// [`escape`](crate::render::escape) first.
///
/// The invariant: the first `len` of `bytes` are the text, and after them is room that was written to
/// before, so that a number is written where it belongs and not copied there.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    len: usize,
}

/// Two digits of each number below 100.
const PAIRS: &[u8; 200] = b"0001020304050607080910111213141516171819\
2021222324252627282930313233343536373839\
4041424344454647484950515253545556575859\
6061626364656667686970717273747576777879\
8081828384858687888990919293949596979899";

impl Buffer {
    /// Empty, with room for this many bytes.
    pub fn with_capacity(bytes: usize) -> Buffer {
        Buffer {
            bytes: vec![0; bytes],
            len: 0,
        }
    }

    /// What was written.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// How much was written.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets what was written, and keeps the room.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Forgets what was written after this length.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// This many bytes after the text, which are text from now on.
    #[inline]
    fn room(&mut self, more: usize) -> &mut [u8] {
        let start = self.len;
        self.len += more;
        if self.len > self.bytes.len() {
            self.grow();
        }
        &mut self.bytes[start..self.len]
    }

    #[cold]
    fn grow(&mut self) {
        let least = (self.len * 2).max(256);
        self.bytes.resize(least, 0);
    }

    /// Text as it stands.
    #[inline]
    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Bytes as they stand.
    #[inline]
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.room(bytes.len()).copy_from_slice(bytes);
    }

    /// One byte.
    #[inline]
    pub fn byte(&mut self, byte: u8) {
        self.room(1)[0] = byte;
    }

    /// What a formatter writes, where speed does not matter.
    pub fn format(&mut self, arguments: fmt::Arguments<'_>) {
        // Writing to memory does not fail.
        let _ = fmt::Write::write_fmt(self, arguments);
    }

    /// A number in decimal.
    #[inline]
    pub fn number(&mut self, number: u64) {
        if let digit @ 0..10 = number {
            #[allow(clippy::cast_possible_truncation)] // below 10
            return self.byte(b'0' + digit as u8);
        }
        let digits = count(number);
        write(number, self.room(digits), b'0');
    }

    /// A number in decimal, flush right in this many columns.
    #[inline]
    pub fn right(&mut self, number: u64, width: usize) {
        let digits = count(number).max(width);
        write(number, self.room(digits), b' ');
    }

    /// A number in decimal with zeros in front, in this many columns.
    #[inline]
    pub fn zeros(&mut self, number: u64, width: usize) {
        let digits = count(number).max(width);
        write(number, self.room(digits), b'0');
    }

    /// Text, flush right in this many columns of ASCII.
    pub fn text_right(&mut self, text: &str, width: usize) {
        self.blanks(width.saturating_sub(text.len()));
        self.text(text);
    }

    /// Text, flush left in this many columns of ASCII.
    pub fn text_left(&mut self, text: &str, width: usize) {
        self.text(text);
        self.blanks(width.saturating_sub(text.len()));
    }

    /// Moves what was written since `start` flush right into this many columns of ASCII.
    pub fn flush_right(&mut self, start: usize, width: usize) {
        let blanks = width.saturating_sub(self.len - start);
        self.blanks(blanks);
        self.bytes[start..self.len].rotate_right(blanks);
    }

    /// This many blanks.
    pub fn blanks(&mut self, blanks: usize) {
        self.room(blanks).fill(b' ');
    }

    /// An address as people write it.
    #[inline]
    pub fn address(&mut self, ip: IpAddr) {
        match ip {
            IpAddr::V4(v4) => {
                let [first, rest @ ..] = v4.octets();
                self.number(u64::from(first));
                for octet in rest {
                    self.byte(b'.');
                    self.number(u64::from(octet));
                }
            }
            IpAddr::V6(v6) => self.format(format_args!("{v6}")),
        }
    }
}

impl io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Write for Buffer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.text(text);
        Ok(())
    }
}

/// How many digits a number has.
#[inline]
fn count(number: u64) -> usize {
    // Nearly all numbers have 32 bits, of which the logarithm takes a few instructions.
    let power = match u32::try_from(number) {
        Ok(number) => number.checked_ilog10(),
        Err(_) => number.checked_ilog10(),
    };
    power.map_or(1, |power| power as usize + 1)
}

/// Writes a number flush right, and fills what is in front of it.
#[inline]
#[allow(clippy::cast_possible_truncation)] // below 2^32 once it was divided
fn write(mut number: u64, columns: &mut [u8], filling: u8) {
    let mut at = columns.len();
    // Nearly all numbers have 32 bits, which are divided more quickly.
    while number > u64::from(u32::MAX) {
        at -= 2;
        pair(columns, at, (number % 100) as usize);
        number /= 100;
    }
    let mut number = number as u32;
    while number >= 100 {
        at -= 2;
        pair(columns, at, (number % 100) as usize);
        number /= 100;
    }
    if number >= 10 {
        at -= 2;
        pair(columns, at, number as usize);
    } else {
        at -= 1;
        columns[at] = b'0' + number as u8;
    }
    for column in &mut columns[..at] {
        *column = filling;
    }
}

#[inline]
fn pair(columns: &mut [u8], at: usize, number: usize) {
    columns[at..at + 2].copy_from_slice(&PAIRS[number * 2..number * 2 + 2]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Buffer)) -> String {
        let mut buffer = Buffer::with_capacity(0);
        write(&mut buffer);
        String::from_utf8(buffer.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn numbers_are_those_of_the_formatter() {
        let mut number = 1_u64;
        for step in 0..64 {
            for number in [number, number - 1, number.wrapping_mul(7), u64::MAX - step] {
                assert_eq!(written(|out| out.number(number)), number.to_string());
                assert_eq!(written(|out| out.right(number, 5)), format!("{number:>5}"));
                assert_eq!(written(|out| out.zeros(number, 6)), format!("{number:06}"));
            }
            number = number.wrapping_mul(2).max(1);
        }
    }

    #[test]
    fn addresses_are_those_of_the_formatter() {
        for address in ["0.0.0.0", "255.10.9.100", "::1", "fe80::1:0:0:2"] {
            assert_eq!(
                written(|out| out.address(address.parse().unwrap())),
                address
            );
        }
    }

    #[test]
    fn text_is_set_in_columns_and_never_cut() {
        assert_eq!(written(|out| out.text_right("ab", 4)), "  ab");
        assert_eq!(written(|out| out.text_left("ab", 4)), "ab  ");
        assert_eq!(written(|out| out.text_left("abcde", 4)), "abcde");
    }
}
