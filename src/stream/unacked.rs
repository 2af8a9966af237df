//! What one end has sent and the other has not acknowledged.

use super::sequence::SeqNumber;

/// More are not kept: who never acknowledges must not cost memory.
const MOST: usize = 1024;
/// So many cost no memory but their own.
const INLINE: usize = 3;

/// The ranges of segments that are under way, from the first sequence number to the next.
#[derive(Debug, Default, Clone)]
pub(super) struct Unacked {
    first: [(SeqNumber, SeqNumber); INLINE],
    count: u8,
    /// Only when `first` is full.
    rest: Vec<(SeqNumber, SeqNumber)>,
}

impl Unacked {
    pub(super) fn push(&mut self, from: SeqNumber, to: SeqNumber) {
        if let Some(slot) = self.first.get_mut(usize::from(self.count)) {
            *slot = (from, to);
            self.count += 1;
        } else if self.rest.len() < MOST {
            self.rest.push((from, to));
        }
    }

    /// Takes out what an acknowledgment covers.
    #[inline]
    pub(super) fn acknowledge(&mut self, ack: SeqNumber) {
        let mut kept = 0;
        for index in 0..usize::from(self.count) {
            let (from, to) = self.first[index];
            if to.is_after(ack) {
                self.first[kept] = (later(from, ack), to);
                kept += 1;
            }
        }
        self.count = u8::try_from(kept).unwrap_or(0);
        if !self.rest.is_empty() {
            self.acknowledge_rest(ack);
        }
    }

    #[cold]
    fn acknowledge_rest(&mut self, ack: SeqNumber) {
        self.rest.retain_mut(|(from, to)| {
            *from = later(*from, ack);
            to.is_after(ack)
        });
        while usize::from(self.count) < INLINE
            && let Some((from, to)) = self.rest.pop()
        {
            self.first[usize::from(self.count)] = (from, to);
            self.count += 1;
        }
    }

    /// Whether a segment that is under way holds all of this.
    pub(super) fn has(&self, from: SeqNumber, to: SeqNumber) -> bool {
        let here = &self.first[..usize::from(self.count)];
        here.iter()
            .chain(&self.rest)
            .any(|(start, end)| !from.is_before(*start) && !to.is_after(*end))
    }

    /// Bytes of memory beside its own.
    pub(super) fn memory(&self) -> usize {
        self.rest.capacity() * size_of::<(SeqNumber, SeqNumber)>()
    }
}

fn later(a: SeqNumber, b: SeqNumber) -> SeqNumber {
    if a.is_before(b) { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_acknowledged_is_forgotten_and_the_rest_is_known() {
        let mut unacked = Unacked::default();
        let at = |n: u32| SeqNumber(u32::MAX - 50).plus(n * 10);
        for n in 0..20 {
            unacked.push(at(n), at(n + 1));
        }
        assert!((0..20).all(|n| unacked.has(at(n), at(n + 1))));
        assert!(!unacked.has(at(3), at(5)));
        unacked.acknowledge(at(10).plus(5));
        assert!((0..10).all(|n| !unacked.has(at(n), at(n + 1))));
        assert!(unacked.has(at(10).plus(5), at(11)));
        assert!(!unacked.has(at(10), at(11)));
        assert!((11..20).all(|n| unacked.has(at(n), at(n + 1))));
        unacked.acknowledge(at(20));
        assert_eq!((unacked.count, unacked.rest.len()), (0, 0));
    }

    #[test]
    fn who_never_acknowledges_costs_a_bounded_amount_of_memory() {
        let mut unacked = Unacked::default();
        for n in 0..100_000 {
            unacked.push(SeqNumber(n), SeqNumber(n + 1));
        }
        assert!(unacked.memory() <= 2 * MOST * 8);
    }
}
