//! The sends of a run, like ones as one line.

use std::time::Duration;

/// More lines than these are counted and not kept: a receiver that reads slowly makes many.
const MOST: usize = 1_000;

/// A line of the timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Sends in a row of which the kernel took the same number of bytes.
    Sends {
        /// The number of the first, from 1.
        first: u64,
        /// How many.
        count: u64,
        /// Bytes given to each `send()`.
        asked: usize,
        /// Bytes that each returned; less than asked: a partial send.
        took: usize,
        /// Bytes accepted in all after the last of them.
        total: u64,
        /// When the last of them returned, since the start.
        at: Duration,
    },
    /// There was no room: `EWOULDBLOCK`, or `poll()` without `POLLOUT`.
    NoRoom {
        /// Sends that were accepted until then.
        sends: u64,
        /// Bytes that were accepted until then.
        bytes: u64,
        /// When, since the start.
        at: Duration,
    },
}

impl Entry {
    /// Whether the kernel took less than it was given.
    pub fn is_partial(&self) -> bool {
        matches!(self, Entry::Sends { asked, took, .. } if took < asked)
    }
}

/// What was sent, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Timeline {
    entries: Vec<Entry>,
    omitted: u64,
    sends: u64,
    bytes: u64,
}

impl Timeline {
    /// The lines.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Lines that were not kept, because there were too many.
    pub fn omitted(&self) -> u64 {
        self.omitted
    }

    /// Sends that the kernel took something of.
    pub fn sends(&self) -> u64 {
        self.sends
    }

    /// Bytes that were accepted.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// When something was accepted last, since the start; of a timeline that is too long for its lines
    /// about when.
    pub fn last_accepted(&self) -> Option<Duration> {
        self.entries.iter().rev().find_map(|entry| match entry {
            Entry::Sends { at, .. } => Some(*at),
            Entry::NoRoom { .. } => None,
        })
    }

    /// The first time that there was no room.
    pub fn first_block(&self) -> Option<&Entry> {
        let mut entries = self.entries.iter();
        entries.find(|entry| matches!(entry, Entry::NoRoom { .. }))
    }

    /// A `send()` of `asked` bytes returned `took`.
    pub fn sent(&mut self, asked: usize, took: usize, now: Duration) {
        self.sends += 1;
        self.bytes += took as u64;
        if let Some(Entry::Sends {
            count,
            asked: asked_before,
            took: took_before,
            total,
            at,
            ..
        }) = self.entries.last_mut()
            && self.omitted == 0
            && (*asked_before, *took_before) == (asked, took)
        {
            *count += 1;
            *total = self.bytes;
            *at = now;
            return;
        }
        self.push(Entry::Sends {
            first: self.sends,
            count: 1,
            asked,
            took,
            total: self.bytes,
            at: now,
        });
    }

    /// There was no room.
    pub fn no_room(&mut self, now: Duration) {
        // Another try at the same place says nothing new.
        if let Some(Entry::NoRoom { bytes, .. }) = self.entries.last()
            && *bytes == self.bytes
        {
            return;
        }
        self.push(Entry::NoRoom {
            sends: self.sends,
            bytes: self.bytes,
            at: now,
        });
    }

    fn push(&mut self, entry: Entry) {
        if self.entries.len() < MOST {
            self.entries.push(entry);
        } else {
            self.omitted += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn like_sends_are_one_line_and_a_partial_one_stands_alone() {
        let mut timeline = Timeline::default();
        for at in 1..=59 {
            timeline.sent(65_536, 65_536, ms(at));
        }
        timeline.sent(65_536, 44_032, ms(60));
        timeline.no_room(ms(61));
        timeline.no_room(ms(71));
        let [all, part, block] = timeline.entries() else {
            panic!("{timeline:?}");
        };
        assert_eq!(
            *all,
            Entry::Sends {
                first: 1,
                count: 59,
                asked: 65_536,
                took: 65_536,
                total: 59 * 65_536,
                at: ms(59),
            }
        );
        assert!(part.is_partial() && !all.is_partial() && !block.is_partial());
        assert_eq!(timeline.first_block(), Some(block));
        assert_eq!(
            *block,
            Entry::NoRoom {
                sends: 60,
                bytes: 3_910_656,
                at: ms(61),
            }
        );
    }

    #[test]
    fn room_that_came_back_makes_a_new_line() {
        let mut timeline = Timeline::default();
        timeline.sent(100, 100, ms(1));
        timeline.no_room(ms(2));
        timeline.sent(100, 100, ms(3));
        timeline.no_room(ms(4));
        assert_eq!(timeline.entries().len(), 4);
        assert_eq!(timeline.first_block(), timeline.entries().get(1));
        assert_eq!((timeline.sends(), timeline.bytes()), (2, 200));
    }

    #[test]
    fn lines_without_end_are_counted_and_not_kept() {
        let mut timeline = Timeline::default();
        for at in 0..5_000_u16 {
            let took = 1 + usize::from(at % 7);
            timeline.sent(10, took, ms(u64::from(at)));
        }
        assert_eq!(timeline.entries().len(), MOST);
        assert_eq!(timeline.omitted(), 4_000);
        assert_eq!(timeline.sends(), 5_000);
    }
}
