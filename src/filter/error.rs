//! What is wrong with a filter.

use std::fmt;
use std::ops::Range;

/// Why a filter cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterError {
    /// The filter.
    pub text: String,
    /// Which of its bytes are wrong; an empty range at the end of the text where something is missing.
    pub at: Range<usize>,
    /// Why, as text.
    pub what: String,
}

impl FilterError {
    /// The first wrong character, counted from 1.
    pub fn position(&self) -> usize {
        let before = self.text.get(..self.at.start).unwrap_or_default();
        before.chars().count() + 1
    }

    /// What stands there.
    pub fn word(&self) -> &str {
        self.text.get(self.at.clone()).unwrap_or_default()
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.at.start >= self.text.len() {
            return write!(f, "at the end: {}", self.what);
        }
        write!(f, "position {}: {}", self.position(), self.what)
    }
}

impl std::error::Error for FilterError {}

/// The same before the text is put in.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) at: Range<usize>,
    pub(super) what: String,
}

impl Wrong {
    pub(super) fn new(at: &Range<usize>, what: impl Into<String>) -> Wrong {
        Wrong {
            at: at.clone(),
            what: what.into(),
        }
    }

    pub(super) fn within(self, text: &str) -> FilterError {
        FilterError {
            text: text.to_owned(),
            at: self.at,
            what: self.what,
        }
    }
}
