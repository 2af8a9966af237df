//! Text that is written piece by piece, without a formatter in between.

/// Text in the making.
///
/// What is pushed is not escaped: what came from outside goes through
/// [`escape`](crate::render::escape) first.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
}

/// Two digits of each number below 100.
const PAIRS: &[u8; 200] = b"0001020304050607080910111213141516171819\
2021222324252627282930313233343536373839\
4041424344454647484950515253545556575859\
6061626364656667686970717273747576777879\
8081828384858687888990919293949596979899";

/// The longest number of 64 bits has so many digits.
const LONGEST: usize = 20;

impl Buffer {
    /// Empty, with room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Buffer {
        Buffer {
            bytes: Vec::with_capacity(bytes),
        }
    }

    /// What was written.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How much was written.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Forgets what was written, and keeps the room.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Forgets what was written behind this length.
    pub fn truncate(&mut self, len: usize) {
        self.bytes.truncate(len);
    }

    /// Text as it stands.
    #[inline]
    pub fn text(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// Bytes as they stand.
    #[inline]
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// One byte.
    #[inline]
    pub fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    /// What a formatter writes, where speed does not matter.
    pub fn format(&mut self, arguments: std::fmt::Arguments<'_>) {
        // Writing to memory does not fail.
        let _ = std::io::Write::write_fmt(&mut self.bytes, arguments);
    }

    /// A number in decimal.
    #[inline]
    pub fn number(&mut self, number: u64) {
        if number < 10 {
            #[allow(clippy::cast_possible_truncation)] // below 10
            self.bytes.push(b'0' + number as u8);
            return;
        }
        let mut digits = [0; LONGEST];
        let start = digits_of(number, &mut digits);
        self.bytes.extend_from_slice(&digits[start..]);
    }

    /// A number in decimal, flush right in so many columns, at most 20.
    #[inline]
    pub fn right(&mut self, number: u64, width: usize) {
        let mut digits = [b' '; LONGEST];
        let start = digits_of(number, &mut digits);
        let start = start.min(LONGEST.saturating_sub(width));
        self.bytes.extend_from_slice(&digits[start..]);
    }

    /// A number in decimal with zeros in front, in so many columns, at most 20.
    #[inline]
    pub fn zeros(&mut self, number: u64, width: usize) {
        let mut digits = [b'0'; LONGEST];
        let start = digits_of(number, &mut digits);
        let start = start.min(LONGEST.saturating_sub(width));
        self.bytes.extend_from_slice(&digits[start..]);
    }

    /// Text, flush right in so many columns of ASCII.
    pub fn text_right(&mut self, text: &str, width: usize) {
        let blanks = width.saturating_sub(text.len());
        self.bytes.extend(std::iter::repeat_n(b' ', blanks));
        self.text(text);
    }

    /// Text, flush left in so many columns of ASCII.
    pub fn text_left(&mut self, text: &str, width: usize) {
        self.text(text);
        let blanks = width.saturating_sub(text.len());
        self.bytes.extend(std::iter::repeat_n(b' ', blanks));
    }

    /// A number in hexadecimal, with zeros in front, in so many columns.
    pub fn hex(&mut self, number: u64, width: usize) {
        self.format(format_args!("{number:0width$x}"));
    }
}

/// Writes the digits to the end of the array; gives where they begin.
#[inline]
#[allow(clippy::cast_possible_truncation)] // what is left of a division by 100
fn digits_of(mut number: u64, digits: &mut [u8; LONGEST]) -> usize {
    let mut at = LONGEST;
    while number >= 100 {
        let pair = (number % 100) as usize * 2;
        number /= 100;
        at -= 2;
        digits[at..at + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    }
    if number >= 10 {
        let pair = number as usize * 2;
        at -= 2;
        digits[at..at + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    } else {
        at -= 1;
        digits[at] = b'0' + number as u8;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Buffer)) -> String {
        let mut buffer = Buffer::with_capacity(0);
        write(&mut buffer);
        String::from_utf8(buffer.bytes).unwrap()
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
    fn text_is_set_in_columns_and_never_cut() {
        assert_eq!(written(|out| out.text_right("ab", 4)), "  ab");
        assert_eq!(written(|out| out.text_left("ab", 4)), "ab  ");
        assert_eq!(written(|out| out.text_left("abcde", 4)), "abcde");
        assert_eq!(written(|out| out.hex(0x4d, 4)), "004d");
    }
}
