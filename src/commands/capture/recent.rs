//! The last packets, in bounded memory.

use std::collections::VecDeque;
use std::time::Duration;

use crate::capfile::{Ends, Frame, LinkType, Timestamp};
use crate::drops::Dropped;

/// Packets of the last seconds.
///
/// # Invariants
///
/// - What is kept is not older than the time that was given, counted back from the last packet, and takes no more
///   memory than was given.
pub(in crate::commands) struct Recent {
    age: Duration,
    most: usize,
    packets: VecDeque<Kept>,
    /// Memory that they take.
    bytes: usize,
    /// Packets that would not be too old, but had no room.
    forgotten: u64,
}

struct Kept {
    time: Timestamp,
    what: What,
}

enum What {
    Frame(Captured),
    /// The kernel dropped it.
    Dropped(Box<Dropped>),
}

struct Captured {
    interface: u32,
    link: LinkType,
    original_len: u32,
    ends: Ends,
    data: Box<[u8]>,
}

/// A packet that was kept.
pub(in crate::commands) enum Packet<'a> {
    Frame(Frame<'a>),
    /// The kernel dropped it.
    Dropped(&'a Dropped),
}

impl Recent {
    /// Keeps packets of this age, in this many bytes.
    pub(in crate::commands) fn new(age: Duration, most: usize) -> Recent {
        Recent {
            age,
            most,
            packets: VecDeque::new(),
            bytes: 0,
            forgotten: 0,
        }
    }

    /// How many there are.
    pub(in crate::commands) fn len(&self) -> usize {
        self.packets.len()
    }

    /// The age of what is kept.
    pub(in crate::commands) fn age(&self) -> Duration {
        self.age
    }

    /// Keeps a frame.
    pub(in crate::commands) fn frame(&mut self, frame: &Frame<'_>) {
        let captured = Captured {
            interface: frame.interface,
            link: frame.link,
            original_len: frame.original_len,
            ends: frame.ends,
            data: frame.data.into(),
        };
        self.keep(frame.time.unwrap_or_default(), What::Frame(captured));
    }

    /// Keeps a packet that the kernel dropped.
    pub(in crate::commands) fn dropped(&mut self, dropped: &Dropped) {
        self.keep(dropped.time, What::Dropped(Box::new(dropped.clone())));
    }

    /// Gives all, the oldest first, and forgets them. Returns the time of the last one, and how many had no room.
    pub(in crate::commands) fn drain<E>(
        &mut self,
        mut each: impl FnMut(Packet<'_>) -> Result<(), E>,
    ) -> Result<(Timestamp, u64), E> {
        let mut until = Timestamp::default();
        self.bytes = 0;
        for (number, kept) in (1..).zip(self.packets.drain(..)) {
            until = kept.time;
            match &kept.what {
                What::Frame(it) => each(Packet::Frame(Frame {
                    number,
                    offset: 0,
                    interface: it.interface,
                    link: it.link,
                    time: Some(kept.time),
                    data: &it.data,
                    original_len: it.original_len,
                    ends: it.ends,
                    record: &[],
                }))?,
                What::Dropped(dropped) => each(Packet::Dropped(dropped))?,
            }
        }
        Ok((until, std::mem::take(&mut self.forgotten)))
    }

    fn keep(&mut self, time: Timestamp, what: What) {
        let kept = Kept { time, what };
        let age = i128::try_from(self.age.as_nanos()).unwrap_or(i128::MAX);
        while let Some(oldest) = self.packets.front()
            && i128::from(time.nanos_since(oldest.time)) > age
        {
            self.forget_oldest();
        }
        self.bytes += size(&kept);
        self.packets.push_back(kept);
        while self.bytes > self.most && !self.packets.is_empty() {
            self.forget_oldest();
            self.forgotten += 1;
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.packets.pop_front() {
            self.bytes -= size(&oldest);
        }
    }
}

/// What a packet takes, with its place in the queue and what the allocator adds.
fn size(kept: &Kept) -> usize {
    let more = match &kept.what {
        What::Frame(it) => it.data.len(),
        What::Dropped(it) => size_of::<Dropped>() + it.frame.len() + 16,
    };
    size_of::<Kept>() + more + 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_old_or_has_no_room_is_forgotten() {
        let most = 5 * (size_of::<Kept>() + 100 + 16);
        let mut recent = Recent::new(Duration::from_secs(3), most);
        let mut take = |second: i64| {
            recent.frame(&Frame {
                number: 1,
                offset: 0,
                interface: 0,
                link: LinkType::ETHERNET,
                time: Some(Timestamp {
                    seconds: second,
                    nanoseconds: 0,
                }),
                data: &[0; 100],
                original_len: 100,
                ends: Ends::default(),
                record: &[],
            });
            (recent.len(), recent.bytes, recent.forgotten)
        };
        for second in 0..4 {
            take(second);
        }
        let (frames, bytes, forgotten) = take(4);
        assert_eq!((frames, forgotten), (4, 0), "seconds 1 to 4");
        assert!(bytes <= most);
        take(4);
        let (frames, bytes, forgotten) = take(4);
        assert_eq!((frames, forgotten), (5, 1), "there is room for five");
        assert!(bytes <= most);
        let mut times = Vec::new();
        let drained = recent.drain(|packet| {
            if let Packet::Frame(frame) = packet {
                times.push(frame.time.unwrap_or_default().seconds);
            }
            Ok::<(), ()>(())
        });
        assert_eq!(drained.unwrap().1, 1);
        assert_eq!(times, [2, 3, 4, 4, 4]);
        assert_eq!((recent.len(), recent.bytes, recent.forgotten), (0, 0, 0));
    }
}
