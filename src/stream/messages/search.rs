//! Searches bytes of which nothing is known for the beginning of a message.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::MAX_MESSAGE;
use crate::message::Header;

/// Bytes of the length in front of a header.
const PREFIX: u64 = 2;
/// The longest header, its length included: once as many bytes were searched, all before them are decided.
const LONGEST: usize = 2 + 0xffff;
const WINDOW: u64 = LONGEST as u64;
/// Bytes of headers that may be parsed in vain, for each byte that was searched ...
const PARSES: u64 = 4;
/// ... and in addition.
const PARSED_AT_FIRST: u64 = 256 * 1024;
/// What a search takes at most, in bytes: the window and a segment, doubled as a vector grows, and a
/// candidate for every third byte of the window.
#[cfg(test)]
pub(super) const MOST_MEMORY: usize =
    4 * (LONGEST + 0xffff) + 2 * LONGEST / 3 * size_of::<Reverse<(u64, u64)>>();

/// A search in progress. A message may begin where a length is followed by `{`: such a candidate is
/// decided as soon as all the bytes of its header are there.
///
/// The invariants: each byte is looked at once, each candidate is decided once, and parsing candidates in
/// vain costs at most [`PARSES`] for each byte, so n bytes cost O(n log n) however they are cut into
/// pieces; and what is found does not depend on how they are cut. All positions are counted from the
/// first byte of the search.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// The bytes from `start` on.
    bytes: Vec<u8>,
    start: u64,
    /// What begins in front of this was a message, or was not one.
    from: u64,
    /// Up to here they were searched.
    searched: u64,
    /// Candidates: the end of the header, and where the message would begin. The first to end comes first.
    open: BinaryHeap<Reverse<(u64, u64)>>,
    /// Bytes of headers that were parsed in vain.
    parsed: u64,
}

impl Search {
    /// Bytes of memory.
    pub(super) fn memory(&self) -> usize {
        self.bytes.capacity() + self.open.capacity() * size_of::<Reverse<(u64, u64)>>()
    }

    /// How many bytes were looked at, counted each time.
    #[cfg(test)]
    pub(super) fn work(&self) -> u64 {
        self.searched + self.parsed
    }

    /// Adds bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        // Twice the window before anything is moved: each byte is moved once at most.
        let needed = self.searched.saturating_sub(WINDOW).max(self.from);
        let unneeded = needed - self.start;
        if unneeded > WINDOW {
            drop(self.bytes.drain(..index(unneeded)));
            self.start += unneeded;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next beginning of a message, and all bytes from there on.
    pub(super) fn next(&mut self) -> Option<&[u8]> {
        let end = self.start + self.bytes.len() as u64;
        while self.searched < end {
            let at = index(self.searched - self.start);
            self.searched += 1;
            if self.bytes[at] == b'{' && self.searched > self.from + PREFIX {
                let length = u16::from_be_bytes([self.bytes[at - 2], self.bytes[at - 1]]);
                let header = self.searched - 1;
                if length > 0 {
                    let end = header + u64::from(length);
                    self.open.push(Reverse((end, header - PREFIX)));
                }
            }
            if let Some(begin) = self.decide() {
                self.open.clear();
                return Some(&self.bytes[index(begin - self.start)..]);
            }
        }
        None
    }

    /// Decides the candidates whose headers end here; gives the first that is the beginning of a message.
    fn decide(&mut self) -> Option<u64> {
        while let Some(Reverse((end, begin))) = self.open.peek().copied()
            && end <= self.searched
        {
            self.open.pop();
            let header = index(begin + PREFIX - self.start)..index(end - self.start);
            let header = &self.bytes[header];
            let cost = header.len() as u64;
            let allowed = PARSED_AT_FIRST + PARSES * self.searched;
            if header.last() != Some(&b'}') || self.parsed + cost > allowed {
                continue;
            }
            if Header::parse(header).is_ok_and(|header| header.content_length <= MAX_MESSAGE) {
                return Some(begin);
            }
            self.parsed += cost;
        }
        None
    }

    /// Goes on with the last `unread` bytes: those in front of them were messages.
    pub(super) fn resume(&mut self, unread: usize) {
        self.from = self.start + (self.bytes.len().saturating_sub(unread)) as u64;
        self.searched = self.from;
    }
}

/// A distance within the bytes that are kept.
fn index(distance: u64) -> usize {
    usize::try_from(distance).unwrap_or(usize::MAX)
}
