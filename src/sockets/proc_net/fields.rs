//! The fields of a line, taken from its front one by one.

/// What is left of a line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    /// The next field.
    pub(super) fn word(&mut self) -> Option<&'a [u8]> {
        let line = self.0.trim_ascii_start();
        let end = line.iter().position(u8::is_ascii_whitespace);
        let (word, rest) = line.split_at(end.unwrap_or(line.len()));
        self.0 = rest;
        (!word.is_empty()).then_some(word)
    }

    /// The next field, a decimal number.
    pub(super) fn decimal(&mut self) -> Option<u32> {
        decimal(self.word()?)
    }

    /// The next field, hexadecimal numbers with a `:` between them.
    pub(super) fn hex_pair(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let word = self.word()?;
        let colon = word.iter().position(|&byte| byte == b':')?;
        Some((&word[..colon], &word[colon + 1..]))
    }

    /// Passes over fields.
    pub(super) fn skip(&mut self, count: usize) -> Option<()> {
        (0..count).try_for_each(|_| self.word().map(drop))
    }
}

/// A decimal number without a sign.
pub(super) fn decimal(digits: &[u8]) -> Option<u32> {
    number(digits, 10)
}

/// A hexadecimal number.
pub(super) fn hex(digits: &[u8]) -> Option<u32> {
    number(digits, 16)
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u32, |value, &digit| {
        let digit = char::from(digit).to_digit(radix)?;
        value.checked_mul(radix)?.checked_add(digit)
    })
}
