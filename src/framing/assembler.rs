//! The buffer that every deframer uses: it collects a message from chunks of any size.

/// Collects the bytes of one message.
///
/// The invariant: bytes that belong to the current message are either all in front of the caller's
/// `input` (and nothing is buffered), or they are in the buffer and `input` continues them. So a
/// message that arrives in one piece is never copied, and a byte is copied at most once:
/// a message of n bytes costs O(n) whatever the chunks.
///
/// The buffer grows with the bytes that really arrived, never with a length that was only
/// announced. It is given back as soon as its message is done, whatever its size: ten thousand idle
/// connections hold no memory, and one allocation for a message that came in pieces is small next
/// to the reads that brought the pieces.
#[derive(Debug, Default)]
pub struct Assembler {
    buffer: Vec<u8>,
    /// The front of `buffer` that was handed out by [`Assembler::take`] and is gone at the next call.
    spent: usize,
}

impl Assembler {
    /// Makes `need` bytes of the message visible to [`Assembler::view`], and says whether they are
    /// there. If they are not, all of `input` has been stored.
    pub fn fill(&mut self, need: usize, input: &mut &[u8]) -> bool {
        self.release();
        if self.buffer.is_empty() && input.len() >= need {
            return true;
        }
        if self.buffer.len() < need {
            let (now, later) = input.split_at(input.len().min(need - self.buffer.len()));
            self.buffer.extend_from_slice(now);
            *input = later;
        }
        self.buffer.len() >= need
    }

    /// The message's bytes that are at hand in one piece, from its first byte on.
    pub fn view<'a>(&'a self, input: &'a [u8]) -> &'a [u8] {
        debug_assert_eq!(self.spent, 0, "look after fill");
        if self.buffer.is_empty() {
            input
        } else {
            &self.buffer
        }
    }

    /// Takes the first `need` bytes, which an earlier [`Assembler::fill`] found to be there: the
    /// message is over and the next one begins after them.
    ///
    /// # Panics
    /// When fewer than `need` bytes are at hand.
    pub fn take<'a, 'i: 'a>(&'a mut self, need: usize, input: &mut &'i [u8]) -> &'a [u8] {
        self.release();
        if self.buffer.is_empty() {
            let (message, rest) = input.split_at(need);
            *input = rest;
            message
        } else {
            self.spent = need;
            &self.buffer[..need]
        }
    }

    /// How many bytes of an unfinished message are stored.
    pub fn len(&self) -> usize {
        self.buffer.len() - self.spent
    }

    /// Whether no unfinished message is stored.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets the message that was handed out last.
    fn release(&mut self) {
        if self.spent == 0 {
            return;
        }
        self.buffer.drain(..self.spent);
        self.spent = 0;
        if self.buffer.is_empty() {
            self.buffer = Vec::new();
        }
    }

    /// The memory that is held, used or not.
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_in_one_piece_is_borrowed() {
        let data = *b"abcdef";
        let mut input = &data[..];
        let mut assembler = Assembler::default();
        assert!(assembler.fill(4, &mut input));
        assert_eq!(assembler.view(input), b"abcdef");
        assert_eq!(assembler.take(4, &mut input), b"abcd");
        assert_eq!(input, b"ef");
        assert!(assembler.is_empty());
    }

    #[test]
    fn a_message_in_single_bytes_is_collected_and_the_next_one_starts_clean() {
        let mut assembler = Assembler::default();
        for byte in b"abc" {
            assert!(!assembler.fill(4, &mut &[*byte][..]));
        }
        let mut input = &b"dxyz1"[..];
        assert!(assembler.fill(4, &mut input));
        assert_eq!(assembler.take(4, &mut input), b"abcd");
        assert!(assembler.fill(4, &mut input));
        assert_eq!(assembler.take(4, &mut input), b"xyz1");
        assert!(!assembler.fill(1, &mut input));
        assert!(assembler.is_empty());
    }
}
