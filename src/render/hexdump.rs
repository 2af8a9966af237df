//! Bytes in the layout of `hexdump -C`: offset, sixteen bytes in hexadecimal, the same in ASCII.

use std::fmt::Write as _;
use std::io;

/// One direction of a stream, shown piece by piece: the offset runs on from one piece to the next.
///
/// ```text
/// 00000000  48 65 6c 6c 6f 2c 20 77  6f 72 6c 64 21           |Hello, world!|
/// 0000000d  6d 6f 72 65                                       |more|
/// ```
///
/// Each piece begins a line of its own, so that one sees what came together.
#[derive(Debug, Clone, Default)]
pub struct Hexdump {
    offset: u64,
}

const BYTES_A_LINE: usize = 16;

impl Hexdump {
    /// The beginning of a stream.
    pub fn new() -> Self {
        Hexdump::default()
    }

    /// How many bytes have been shown.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Writes the next piece of the stream, each line with `prefix` in front of it. No line is left
    /// out, not even one like the line before; a piece without bytes writes nothing.
    pub fn write(
        &mut self,
        out: &mut impl io::Write,
        prefix: &str,
        piece: &[u8],
    ) -> io::Result<()> {
        let mut line = String::with_capacity(prefix.len() + 80);
        for bytes in piece.chunks(BYTES_A_LINE) {
            line.clear();
            line.push_str(prefix);
            format_line(&mut line, self.offset, bytes);
            // One call for each line: two writers of one terminal do not mix within a line.
            out.write_all(line.as_bytes())?;
            self.offset += bytes.len() as u64;
        }
        Ok(())
    }
}

fn format_line(line: &mut String, offset: u64, bytes: &[u8]) {
    // Writing to a String cannot fail.
    let _ = write!(line, "{offset:08x} ");
    for column in 0..BYTES_A_LINE {
        if column % 8 == 0 {
            line.push(' ');
        }
        match bytes.get(column) {
            Some(byte) => {
                let _ = write!(line, "{byte:02x} ");
            }
            None => line.push_str("   "),
        }
    }
    line.push_str(" |");
    line.extend(bytes.iter().map(|&byte| match byte {
        b' '..=b'~' => char::from(byte),
        _ => '.',
    }));
    line.push_str("|\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(dump: &mut Hexdump, prefix: &str, piece: &[u8]) -> String {
        let mut out = Vec::new();
        dump.write(&mut out, prefix, piece).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// The expected lines are what hexdump -C prints for the same bytes.
    #[test]
    fn the_lines_are_those_of_hexdump() {
        assert_eq!(
            shown(
                &mut Hexdump::new(),
                "",
                b"Hello, world!\n\0\xff and then some more"
            ),
            "\
00000000  48 65 6c 6c 6f 2c 20 77  6f 72 6c 64 21 0a 00 ff  |Hello, world!...|
00000010  20 61 6e 64 20 74 68 65  6e 20 73 6f 6d 65 20 6d  | and then some m|
00000020  6f 72 65                                          |ore|
"
        );
    }

    #[test]
    fn the_offset_runs_on_and_each_piece_begins_a_line_with_the_prefix() {
        let mut dump = Hexdump::new();
        let first = shown(&mut dump, "< ", b"Hello, world!");
        assert!(first.starts_with("< 00000000  48 65"), "{first}");
        assert_eq!(shown(&mut dump, "< ", b""), "");
        let second = shown(&mut dump, "< ", &[0; 17]);
        let starts: Vec<_> = second.lines().map(|line| &line[..10]).collect();
        assert_eq!(starts, ["< 0000000d", "< 0000001d"]);
        assert_eq!(dump.offset(), 30);
    }

    #[test]
    fn an_offset_beyond_32_bits_grows_a_digit() {
        let mut dump = Hexdump { offset: 1 << 32 };
        assert!(shown(&mut dump, "", b"x").starts_with("100000000  78 "));
    }
}
