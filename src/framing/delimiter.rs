//! The bytes that end a message, and a search for them that never looks at a byte twice.

use std::fmt;
use std::sync::Arc;

use super::escapes::escape;

/// The bytes that end a message: at least one. Clones share them.
#[derive(Clone, PartialEq, Eq)]
pub struct Delimiter(Arc<Pattern>);

#[derive(PartialEq, Eq)]
struct Pattern {
    bytes: Box<[u8]>,
    /// `fallback[n]`: when the first n + 1 bytes of the pattern stand at the end of what was read
    /// and the next byte does not fit, how many of the pattern's first bytes still stand there.
    fallback: Box<[usize]>,
}

impl Delimiter {
    /// A delimiter of these bytes; `None` when there are none, for every message would be empty.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() {
            return None;
        }
        let mut fallback = vec![0; bytes.len()];
        let mut matched = 0;
        for index in 1..bytes.len() {
            while matched > 0 && bytes[index] != bytes[matched] {
                matched = fallback[matched - 1];
            }
            if bytes[index] == bytes[matched] {
                matched += 1;
            }
            fallback[index] = matched;
        }
        Some(Delimiter(Arc::new(Pattern {
            bytes: bytes.into(),
            fallback: fallback.into(),
        })))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// Reads on in a stream and returns the position in `input` just after the delimiter.
    ///
    /// `matched` is all that is remembered between two pieces of the stream: how many of the
    /// delimiter's first bytes stand at the end of what was read; begin with 0. That is the
    /// Knuth-Morris-Pratt search: linear whatever the delimiter, the data and the pieces.
    pub(super) fn search(&self, matched: &mut usize, input: &[u8]) -> Option<usize> {
        let Pattern { bytes, fallback } = &*self.0;
        let mut at = 0;
        while at < input.len() {
            if *matched == 0 {
                at += input[at..].iter().position(|&byte| byte == bytes[0])?;
            }
            while *matched > 0 && input[at] != bytes[*matched] {
                *matched = fallback[*matched - 1];
            }
            if input[at] == bytes[*matched] {
                *matched += 1;
            }
            at += 1;
            if *matched == bytes.len() {
                *matched = 0;
                return Some(at);
            }
        }
        None
    }
}

impl fmt::Debug for Delimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Delimiter(\"{}\")", escape(self.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_delimiter_has_at_least_one_byte() {
        assert_eq!(Delimiter::new(b""), None);
    }

    #[test]
    fn a_false_start_inside_the_delimiter_does_not_hide_the_real_one() {
        let delimiter = Delimiter::new(b"aab").unwrap();
        assert_eq!(delimiter.search(&mut 0, b"xaaab!"), Some(5));
    }

    proptest! {
        /// Two letters only, so that false starts and overlaps are frequent.
        #[test]
        fn the_search_in_pieces_finds_what_a_naive_search_finds(
            pattern in proptest::collection::vec(b'a'..=b'b', 1..6),
            text in proptest::collection::vec(b'a'..=b'b', 0..60),
            piece in 1_usize..8,
        ) {
            let delimiter = Delimiter::new(&pattern).unwrap();
            let naive = text
                .windows(pattern.len())
                .position(|window| window == pattern)
                .map(|start| start + pattern.len());
            let mut matched = 0;
            let found = text.chunks(piece).enumerate().find_map(|(index, chunk)| {
                delimiter.search(&mut matched, chunk).map(|end| index * piece + end)
            });
            prop_assert_eq!(found, naive);
        }
    }
}
