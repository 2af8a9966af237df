//! The user's word for a framing.

use std::fmt;
use std::num::{NonZeroU8, NonZeroUsize};
use std::str::FromStr;

use super::escapes::{escape, unescape};
use super::{Delimiter, Framing};

/// What fills up a short message of fixed size when the user names nothing else.
const DEFAULT_PAD: u8 = b'#';
/// As many digits as always fit into 64 bits.
const MOST_DIGITS: u8 = 18;
/// A message of fixed size is filled up in memory, so the size has a bound: 1 GiB.
const MOST_FIXED: usize = 1 << 30;

const WORDS: &str = "raw, line, delim:TEXT, digits:N, len16, len32, fixed:N, fixed:N:PAD and close";

impl FromStr for Framing {
    type Err = FramingSyntax;

    fn from_str(text: &str) -> Result<Self, FramingSyntax> {
        let (word, value) = match text.split_once(':') {
            Some((word, value)) => (word, Some(value)),
            None => (text, None),
        };
        match (word, value) {
            ("raw", None) => Ok(Framing::Raw),
            ("line", None) => Ok(Framing::Line),
            ("len16", None) => Ok(Framing::Len16),
            ("len32", None) => Ok(Framing::Len32),
            ("close", None) => Ok(Framing::Close),
            ("delim", Some(value)) => parse_delimiter(value),
            ("digits", Some(value)) => parse_digits(value),
            ("fixed", Some(value)) => parse_fixed(value),
            ("raw" | "line" | "len16" | "len32" | "close", Some(_)) => {
                syntax(format!("{word} takes no value: write just {word}"))
            }
            ("delim", None) => {
                syntax("delim needs the text that ends a message, as in delim:\\r\\n")
            }
            ("digits", None) => {
                syntax("digits needs the number of digits of the length, as in digits:5")
            }
            ("fixed", None) => syntax("fixed needs the size of a message, as in fixed:30"),
            _ => syntax(format!("{word:?} is not a framing; there are {WORDS}")),
        }
    }
}

fn parse_delimiter(text: &str) -> Result<Framing, FramingSyntax> {
    let bytes = unescape(text).map_err(|error| FramingSyntax(format!("delim: {error}")))?;
    match Delimiter::new(&bytes) {
        Some(delimiter) => Ok(Framing::Delimited(delimiter)),
        None => syntax("delim needs at least one byte, as in delim:\\r\\n"),
    }
}

fn parse_digits(text: &str) -> Result<Framing, FramingSyntax> {
    match text.parse::<NonZeroU8>() {
        Ok(digits) if digits.get() <= MOST_DIGITS => Ok(Framing::Digits(digits)),
        _ => syntax(format!(
            "digits needs a number from 1 to {MOST_DIGITS}, not {text:?}"
        )),
    }
}

fn parse_fixed(text: &str) -> Result<Framing, FramingSyntax> {
    let (size, pad) = match text.split_once(':') {
        Some((size, pad)) => (size, Some(pad)),
        None => (text, None),
    };
    let size = match size.parse::<NonZeroUsize>() {
        Ok(number) if number.get() <= MOST_FIXED => number,
        _ => {
            return syntax(format!(
                "fixed needs a number of bytes from 1 to {MOST_FIXED}, not {size:?}"
            ));
        }
    };
    let pad = match pad {
        None => DEFAULT_PAD,
        Some(text) => {
            let bytes =
                unescape(text).map_err(|error| FramingSyntax(format!("fixed, PAD: {error}")))?;
            match bytes[..] {
                [pad] => pad,
                _ => {
                    return syntax(format!(
                        "fixed needs one byte to fill up with, and {text:?} is {} bytes",
                        bytes.len()
                    ));
                }
            }
        }
    };
    Ok(Framing::Fixed { size, pad })
}

fn syntax(reason: impl Into<String>) -> Result<Framing, FramingSyntax> {
    Err(FramingSyntax(reason.into()))
}

/// The word that the user would type for it.
impl fmt::Display for Framing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Framing::Raw => f.write_str("raw"),
            Framing::Line => f.write_str("line"),
            Framing::Delimited(delimiter) => write!(f, "delim:{}", escape(delimiter.as_bytes())),
            Framing::Digits(digits) => write!(f, "digits:{digits}"),
            Framing::Len16 => f.write_str("len16"),
            Framing::Len32 => f.write_str("len32"),
            Framing::Fixed {
                size,
                pad: DEFAULT_PAD,
            } => write!(f, "fixed:{size}"),
            Framing::Fixed { size, pad } => write!(f, "fixed:{size}:{}", escape(&[*pad])),
            Framing::Close => f.write_str("close"),
        }
    }
}

/// Why a text is not the name of a framing, and what would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FramingSyntax(String);

impl fmt::Display for FramingSyntax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for FramingSyntax {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_word_is_understood_and_shown_as_it_was_written() {
        for word in [
            "raw",
            "line",
            "delim:#*#",
            "delim:\\r\\n",
            "delim:a:b",
            "digits:5",
            "len16",
            "len32",
            "fixed:30",
            "fixed:30::",
            "fixed:30:\\0",
            "close",
        ] {
            assert_eq!(word.parse::<Framing>().unwrap().to_string(), word);
        }
        assert_eq!(
            "fixed:9".parse::<Framing>(),
            "fixed:9:\\x23".parse::<Framing>()
        );
    }

    #[test]
    fn a_mistake_is_answered_with_what_would_be_right() {
        for (word, answer) in [
            ("lines", "\"lines\" is not a framing; there are raw, line, "),
            ("", "\"\" is not a framing"),
            ("line:x", "line takes no value"),
            ("delim", "as in delim:\\r\\n"),
            ("delim:", "at least one byte"),
            ("delim:\\q", "delim: character 1: \\q is not an escape"),
            ("digits", "as in digits:5"),
            ("digits:0", "from 1 to 18, not \"0\""),
            ("digits:19", "from 1 to 18"),
            ("fixed", "as in fixed:30"),
            ("fixed:0", "from 1 to 1073741824, not \"0\""),
            ("fixed:9999999999", "from 1 to 1073741824"),
            ("fixed:5:", "\"\" is 0 bytes"),
            ("fixed:5:ab", "\"ab\" is 2 bytes"),
            ("fixed:5:é", "\"é\" is 2 bytes"),
        ] {
            let error = word.parse::<Framing>().unwrap_err().to_string();
            assert!(error.contains(answer), "{word}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_delimiter_and_pad_survive_being_shown(
            bytes in proptest::collection::vec(any::<u8>(), 1..9),
            pad: u8,
        ) {
            let delimited = Framing::Delimited(Delimiter::new(&bytes).unwrap());
            prop_assert_eq!(delimited.to_string().parse::<Framing>(), Ok(delimited));
            let fixed = Framing::Fixed { size: NonZeroUsize::MIN, pad };
            prop_assert_eq!(fixed.to_string().parse::<Framing>(), Ok(fixed));
        }
    }
}
