//! Bytes as a user can type and read them: `\r \n \t \0 \\ \xNN`, everything else as it is.

use std::fmt;

/// Turns text with escapes into bytes; characters outside ASCII become their UTF-8 bytes.
///
/// `\0` is always one zero byte, whatever digits follow it: octal escapes do not exist.
pub fn unescape(text: &str) -> Result<Vec<u8>, EscapeError> {
    let mut out = Vec::with_capacity(text.len());
    let mut characters = text.chars().enumerate();
    while let Some((index, character)) = characters.next() {
        if character != '\\' {
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let fail = |fault| EscapeError {
            position: index + 1,
            fault,
        };
        let (_, letter) = characters.next().ok_or(fail(Fault::Cut))?;
        out.push(match letter {
            'r' => b'\r',
            'n' => b'\n',
            't' => b'\t',
            '0' => b'\0',
            '\\' => b'\\',
            'x' => {
                let mut digit = || characters.next().and_then(|(_, c)| c.to_digit(16));
                match (digit(), digit()) {
                    // Two hexadecimal digits always fit.
                    #[allow(clippy::cast_possible_truncation)]
                    (Some(high), Some(low)) => (high << 4 | low) as u8,
                    _ => return Err(fail(Fault::Hex)),
                }
            }
            other => return Err(fail(Fault::Unknown(other))),
        });
    }
    Ok(out)
}

/// Shows bytes so that [`unescape`] gives them back: printable ASCII as it is, the rest escaped. The
/// text is safe on a terminal.
pub fn escape(bytes: &[u8]) -> impl fmt::Display + '_ {
    Escaped(bytes)
}

struct Escaped<'a>(&'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for &byte in self.0 {
            match byte {
                b'\r' => f.write_str("\\r")?,
                b'\n' => f.write_str("\\n")?,
                b'\t' => f.write_str("\\t")?,
                b'\0' => f.write_str("\\0")?,
                b'\\' => f.write_str("\\\\")?,
                b' '..=b'~' => f.write_char(char::from(byte))?,
                _ => write!(f, "\\x{byte:02x}")?,
            }
        }
        Ok(())
    }
}

/// Why a text with escapes was not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EscapeError {
    /// Which character begins the bad escape; the first one is 1.
    position: usize,
    fault: Fault,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Fault {
    Cut,
    Hex,
    Unknown(char),
}

impl EscapeError {
    /// Which character of the text begins the bad escape; the first one is 1.
    pub fn position(&self) -> usize {
        self.position
    }
}

impl fmt::Display for EscapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "character {}: ", self.position)?;
        match self.fault {
            Fault::Cut => f.write_str("the text ends inside an escape; write \\\\ for a backslash"),
            Fault::Hex => f.write_str("\\x needs two hexadecimal digits, as in \\x0a"),
            Fault::Unknown(c) => write!(
                f,
                "\\{} is not an escape; there are \\r \\n \\t \\0 \\\\ \\xNN",
                c.escape_debug()
            ),
        }
    }
}

impl std::error::Error for EscapeError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_escape_becomes_its_byte_and_the_rest_stays() {
        assert_eq!(
            unescape(r"a\r\n\t\0\\\x7F\xff12é").unwrap(),
            b"a\r\n\t\0\\\x7f\xff12\xc3\xa9"
        );
    }

    #[test]
    fn an_error_names_the_character_where_the_escape_begins() {
        for (text, position, words) in [
            (r"ab\", 3, "character 3: the text ends"),
            (r"é\q", 2, r"character 2: \q is not"),
            (r"\x1", 1, "character 1: \\x needs"),
            (r"\x+1", 1, "character 1: \\x needs"),
            (r"..\xg0", 3, "character 3: \\x needs"),
        ] {
            let error = unescape(text).unwrap_err();
            assert_eq!(error.position(), position, "{text}");
            assert!(error.to_string().starts_with(words), "{error}");
        }
    }

    #[test]
    fn an_error_about_a_control_character_is_safe_to_print() {
        let text = unescape("\\\u{1b}").unwrap_err().to_string();
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    proptest! {
        #[test]
        fn what_is_escaped_comes_back(bytes: Vec<u8>) {
            let text = escape(&bytes).to_string();
            prop_assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            prop_assert_eq!(unescape(&text).unwrap(), bytes);
        }

        #[test]
        fn no_text_makes_it_panic_and_bytes_never_outnumber_the_text(text: String) {
            if let Ok(bytes) = unescape(&text) {
                prop_assert!(bytes.len() <= text.len());
            }
        }
    }
}
