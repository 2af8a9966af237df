//! Whatever came from outside is escaped here before it reaches a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Replaces what could move a cursor, change a colour or forge a row: C0, DEL, C1 and the bidi and
/// line-separator controls. The rest, emoji included, is left as it is.
pub fn text(input: &str) -> Cow<'_, str> {
    if !input.chars().any(is_unsafe) {
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
    fn no_input_can_move_the_cursor_or_turn_the_line_around() {
        assert_eq!(
            text("\x1b[2Ja\nb\u{9b}c\u{202e}d\x7f"),
            "\\x1b[2Ja\\nb\\x9bc\\u{202e}d\\x7f"
        );
    }
}
