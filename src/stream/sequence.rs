//! Sequence numbers, which wrap (RFC 9293 section 3.4).

/// A sequence number. Comparing is by the shorter way around; nothing here panics or overflows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SeqNumber(pub u32);

impl SeqNumber {
    /// The number this many bytes later.
    #[must_use]
    pub fn plus(self, bytes: u32) -> SeqNumber {
        SeqNumber(self.0.wrapping_add(bytes))
    }

    /// The number this many bytes earlier.
    #[must_use]
    pub fn minus(self, bytes: u32) -> SeqNumber {
        SeqNumber(self.0.wrapping_sub(bytes))
    }

    /// How many bytes this is after another; of a number before it a very large one.
    pub fn since(self, other: SeqNumber) -> u32 {
        self.0.wrapping_sub(other.0)
    }

    /// Whether this comes after another.
    pub fn is_after(self, other: SeqNumber) -> bool {
        other.is_before(self)
    }

    /// Whether this comes before another.
    pub fn is_before(self, other: SeqNumber) -> bool {
        // The top bit of the difference: negative, if it were signed.
        self.since(other) >> 31 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_wrap_and_are_compared_by_the_shorter_way() {
        let last = SeqNumber(u32::MAX);
        assert_eq!(last.plus(1), SeqNumber(0));
        assert_eq!(SeqNumber(0).minus(1), last);
        assert!(last.is_before(SeqNumber(0)));
        assert!(SeqNumber(5).is_after(last));
        assert!(!last.is_before(last) && !last.is_after(last));
        assert_eq!(SeqNumber(4).since(last), 5);
        assert!(SeqNumber(0).is_before(SeqNumber(i32::MAX as u32)));
    }
}
