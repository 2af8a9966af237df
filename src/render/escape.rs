//! Whatever came from outside is escaped here before it reaches a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Replaces what could move a cursor, change a colour or forge a row: C0, DEL, C1 and the bidi and
/// line-separator controls. The rest, emoji included, is left as it is.
pub fn text(input: &str) -> Cow<'_, str> {
    let is_plain = input.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if is_plain || !input.chars().any(is_unsafe) {
        return Cow::Borrowed(input);
    }
    let mut out = String::with_capacity(input.len() + 8);
    for c in input.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_unsafe(c) && (c as u32) < 0x100 => {
                let _ = write!(out, "\\x{:02x}", c as u32);
            }
            c if is_unsafe(c) => {
                let _ = write!(out, "\\u{{{:x}}}", c as u32);
            }
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// The same for bytes that come in pieces and are shown as they come: line ends and tabs are kept,
/// what is not UTF-8 becomes `\xNN`, and a character that is cut waits for its rest.
#[derive(Debug, Default)]
pub struct Pieces {
    cut: Vec<u8>,
}

impl Pieces {
    /// What to show for these bytes.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        let mut all = std::mem::take(&mut self.cut);
        all.extend_from_slice(bytes);
        let mut out = String::with_capacity(all.len());
        let mut chunks = all.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            for line in chunk.valid().split_inclusive(['\n', '\t']) {
                let kept = line.strip_suffix(['\n', '\t']).unwrap_or(line);
                out.push_str(&text(kept));
                out.push_str(&line[kept.len()..]);
            }
            let rest = chunk.invalid();
            let cut = str::from_utf8(rest).is_err_and(|error| error.error_len().is_none());
            if cut && chunks.peek().is_none() {
                self.cut = rest.to_vec();
            } else {
                hex(rest, &mut out);
            }
        }
        out
    }

    /// What to show for a character whose rest never came.
    pub fn finish(&mut self) -> String {
        let mut out = String::new();
        hex(&std::mem::take(&mut self.cut), &mut out);
        out
    }
}

fn hex(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        let _ = write!(out, "\\x{byte:02x}");
    }
}

/// Whether a terminal might obey this character.
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{2028}' | '\u{2029}'
            | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_and_emoji_are_untouched() {
        assert!(matches!(
            text("Follow the white rabbit. 🐰"),
            Cow::Borrowed(_)
        ));
    }

    #[test]
    fn pieces_keep_line_ends_and_put_cut_characters_together() {
        let mut pieces = Pieces::default();
        assert_eq!(pieces.push(b"a\tb\nc\r\n\x1b[2J"), "a\tb\nc\\r\n\\x1b[2J");
        let rabbit = "\u{1f430}".as_bytes();
        assert_eq!(pieces.push(&rabbit[..1]), "");
        assert_eq!(pieces.push(&rabbit[1..3]), "");
        assert_eq!(pieces.push(&[rabbit[3], 0xff, b'x']), "\u{1f430}\\xffx");
        // C1 as one byte and as a character in two pieces.
        assert_eq!(pieces.push(b"\x9b\xc2"), "\\x9b");
        assert_eq!(pieces.push(b"\x9b"), "\\x9b");
        assert_eq!(pieces.push(&rabbit[..2]), "");
        assert_eq!(pieces.push(b"y"), "\\xf0\\x9fy");
        assert_eq!(pieces.push(&rabbit[..2]), "");
        assert_eq!(pieces.finish(), "\\xf0\\x9f");
        assert_eq!(pieces.finish(), "");
    }

    #[test]
    fn no_input_can_move_the_cursor_or_turn_the_line_around() {
        assert_eq!(
            text("\x1b[2Ja\nb\u{9b}c\u{202e}d\x7f"),
            "\\x1b[2Ja\\nb\\x9bc\\u{202e}d\\x7f"
        );
    }
}
