//! All connections of a capture.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher as _;

use super::analysis::{Analysis, Segment};
use super::events::{Fact, Frame, Noted, Seen, Settings, Sink};
use super::flow::{self, End, Flow};
use super::key::{Direction, FlowKey, Seeded};
use super::marks::Marks;
use super::taking::{Taking, finish, reference};
use crate::message::HeaderCache;
use crate::packet::record::{Ip, Tcp};

/// Connections that are over and are kept for what may still come.
const KEPT_WHEN_OVER: usize = 1024;
/// Connections at hand; a power of 2.
const RECENT: usize = 256;
/// How long a connection may be used without a change of its place in the order, in frames.
const LATELY: u64 = 256;
/// No neighbour, no slot.
const NONE: u32 = u32::MAX;

/// The connections of a capture.
///
/// The invariants: `memory` is what all connections cost together, and after each segment it is not
/// over the limit unless one connection alone is; each connection is in the table, in a slot and in
/// the order of last use, or in none of them.
#[derive(Debug)]
pub struct Tracker {
    settings: Settings,
    table: HashMap<FlowKey, u32, Seeded>,
    slots: Vec<Option<Flow>>,
    free: Vec<u32>,
    /// Slots of connections that segments were of lately, by their ports: the next segment is often of
    /// one of them.
    recent: Box<[u32; RECENT]>,
    past: Past,
    oldest: u32,
    newest: u32,
    over: VecDeque<(u32, u32)>,
    next_number: u32,
    memory: usize,
    cache: HeaderCache,
}

/// The connections that have gone, as far as they are remembered: so that of a new one it is known
/// that its ports were in use before. A later one takes the place of an earlier one.
#[derive(Debug, Default)]
struct Past {
    /// By the lower bits of a key's hash its upper bits; 0 is none.
    places: Vec<u32>,
}

impl Past {
    /// A power of 2.
    const PLACES: usize = 1 << 18;

    #[allow(clippy::cast_possible_truncation)] // the upper bits, and the lower ones below a power of 2
    fn place(hash: u64) -> (usize, u32) {
        (hash as usize % Self::PLACES, (hash >> 32) as u32 | 1)
    }

    fn add(&mut self, hash: u64) {
        if self.places.is_empty() {
            self.places = vec![0; Self::PLACES];
        }
        let (place, mark) = Self::place(hash);
        self.places[place] = mark;
    }

    fn has(&self, hash: u64) -> bool {
        let (place, mark) = Self::place(hash);
        self.places.get(place) == Some(&mark)
    }
}

impl Tracker {
    /// Without connections.
    pub fn new(settings: Settings) -> Tracker {
        let seed = Seeded(settings.seed);
        Tracker {
            settings,
            table: HashMap::with_hasher(seed),
            slots: Vec::new(),
            free: Vec::new(),
            recent: Box::new([NONE; RECENT]),
            past: Past::default(),
            oldest: NONE,
            newest: NONE,
            over: VecDeque::new(),
            next_number: 0,
            memory: 0,
            cache: HeaderCache::default(),
        }
    }

    /// How many connections there have been.
    pub fn streams(&self) -> u32 {
        self.next_number
    }

    /// Takes the next segment.
    #[inline]
    pub fn segment(&mut self, frame: &Frame<'_>, ip: &Ip, tcp: &Tcp, sink: &mut impl Sink) -> Seen {
        let segment = Segment::new(frame.number, frame.time, tcp);
        let ends = flow::ends(ip.source, ip.destination, tcp);
        let (key, direction) = FlowKey::of(ends.0, ends.1);
        let (slot, reused) = self.slot_of(key, direction, ends, &segment, sink);
        self.touch(slot, frame.number);
        let Tracker {
            settings,
            slots,
            cache,
            ..
        } = self;
        let Some(flow) = slots.get_mut(slot as usize).and_then(Option::as_mut) else {
            // Never: the slot was just looked up.
            return Seen {
                stream: 0,
                slot,
                direction,
                analysis: Analysis::default(),
            };
        };
        let mut analysis = flow.conversation.segment(direction.index(), &segment);
        let options = tcp.options(frame.bytes);
        if options.only_timestamps().is_none() {
            flow.conversation
                .options(direction.index(), &segment, options);
        }
        if reused {
            analysis.marks = analysis.marks.with(Marks::PORTS_REUSED);
        }
        flow.count(direction, &segment, frame.wire_length, &analysis);
        let mut taking = Taking {
            settings,
            frame,
            segment: &segment,
            direction,
            cache,
        };
        taking.windows(flow, sink);
        taking.data(flow, tcp.payload.of(frame.bytes), analysis.marks, sink);
        let ends_now = !flow.is_over && flow.has_ended();
        if ends_now {
            taking.end(flow, sink);
        }
        let seen = Seen {
            stream: flow.number,
            slot,
            direction,
            analysis,
        };
        if segment.length > 0 || ends_now {
            let memory = flow.dynamic_memory();
            self.memory = self.memory + memory - flow.memory;
            flow.memory = memory;
        }
        if ends_now {
            self.over.push_back((slot, seen.stream));
            self.forget_over(sink);
        }
        if self.memory > self.settings.max_memory || self.table.len() > self.settings.max_streams {
            self.evict(frame, slot, sink);
        }
        seen
    }

    /// The slot of a connection, which may be new; whether its ports were in use before.
    #[inline]
    fn slot_of(
        &mut self,
        key: FlowKey,
        direction: Direction,
        ends: (End, End),
        segment: &Segment,
        sink: &mut impl Sink,
    ) -> (u32, bool) {
        let place = key.place(RECENT);
        let near = self.recent[place];
        let at_hand = self.slots.get(near as usize).and_then(Option::as_ref);
        let slot = if at_hand.is_some_and(|flow| flow.key == key) {
            Some(near)
        } else {
            let known = self.table.get(&key).copied();
            self.recent[place] = known.unwrap_or(NONE);
            known
        };
        let mut reused = false;
        if let Some(slot) = slot {
            let flow = self.slots.get(slot as usize).and_then(Option::as_ref);
            reused =
                flow.is_some_and(|flow| flow.conversation.is_another(direction.index(), segment));
            if !reused {
                return (slot, false);
            }
            self.remove(slot, sink);
        } else if segment.is_first_syn() {
            reused = self.past.has(self.table.hasher().hash_one(key));
        }
        let flow = Flow::new(key, self.next_number, direction, ends, segment);
        self.next_number += 1;
        let slot = self.insert(flow);
        self.recent[place] = slot;
        (slot, reused)
    }

    fn insert(&mut self, flow: Flow) -> u32 {
        let key = flow.key;
        let slot = if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = Some(flow);
            slot
        } else {
            self.slots.push(Some(flow));
            u32::try_from(self.slots.len() - 1).unwrap_or(NONE)
        };
        self.memory += size_of::<Flow>();
        self.table.insert(key, slot);
        self.link(slot);
        slot
    }

    /// Takes a connection out and tells of it.
    fn remove(&mut self, slot: u32, sink: &mut impl Sink) {
        self.unlink(slot);
        let Some(mut flow) = self.slots[slot as usize].take() else {
            return;
        };
        self.table.remove(&flow.key);
        self.past.add(self.table.hasher().hash_one(flow.key));
        self.memory -= size_of::<Flow>() + flow.memory;
        self.free.push(slot);
        let frame = Frame {
            number: flow.last_frame,
            time: flow.last,
            bytes: &[],
            wire_length: 0,
        };
        finish(&self.settings, &mut self.cache, &frame, &mut flow, sink);
    }

    /// Forgets the connections that have been over for longest.
    fn forget_over(&mut self, sink: &mut impl Sink) {
        while self.over.len() > KEPT_WHEN_OVER {
            let Some((slot, number)) = self.over.pop_front() else {
                return;
            };
            let flow = self.slots[slot as usize].as_ref();
            if flow.is_some_and(|flow| flow.number == number) {
                self.remove(slot, sink);
            }
        }
    }

    /// Makes room: forgets the connections that were quiet longest, but not this one.
    #[cold]
    fn evict(&mut self, frame: &Frame<'_>, keep: u32, sink: &mut impl Sink) {
        while self.memory > self.settings.max_memory || self.table.len() > self.settings.max_streams
        {
            let slot = self.oldest;
            let Some(flow) = self.slots.get(slot as usize).and_then(Option::as_ref) else {
                return;
            };
            if slot == keep {
                return;
            }
            if !flow.is_over {
                sink.fact(Fact {
                    frame: frame.number,
                    time: frame.time,
                    stream: reference(flow, flow.client),
                    noted: Noted::Evicted(size_of::<Flow>() + flow.memory),
                });
            }
            if let Some(Some(flow)) = self.slots.get_mut(slot as usize) {
                flow.is_forgotten = true;
            }
            self.remove(slot, sink);
        }
    }

    /// The capture is over: tells of all connections, in the order in which they began.
    pub fn finish(&mut self, sink: &mut impl Sink) {
        let mut all: Vec<(u32, u32)> = (0_u32..)
            .zip(&self.slots)
            .filter_map(|(slot, flow)| flow.as_ref().map(|flow| (flow.number, slot)))
            .collect();
        all.sort_unstable();
        for (_, slot) in all {
            self.remove(slot, sink);
        }
    }

    /// Makes a connection the one that was used last, unless it was among the last anyway: the order is
    /// right to within [`LATELY`] frames, which is enough to tell what was quiet for long.
    #[inline]
    fn touch(&mut self, slot: u32, frame: u64) {
        let Some(Some(flow)) = self.slots.get_mut(slot as usize) else {
            return;
        };
        if frame.wrapping_sub(flow.touched) < LATELY {
            return;
        }
        flow.touched = frame;
        if self.newest != slot {
            self.unlink(slot);
            self.link(slot);
        }
    }

    fn link(&mut self, slot: u32) {
        let newest = std::mem::replace(&mut self.newest, slot);
        if let Some(Some(flow)) = self.slots.get_mut(newest as usize) {
            flow.newer = slot;
        } else {
            self.oldest = slot;
        }
        if let Some(Some(flow)) = self.slots.get_mut(slot as usize) {
            flow.older = newest;
            flow.newer = NONE;
        }
    }

    fn unlink(&mut self, slot: u32) {
        let Some(Some(flow)) = self.slots.get(slot as usize) else {
            return;
        };
        let (older, newer) = (flow.older, flow.newer);
        match self.slots.get_mut(older as usize) {
            Some(Some(flow)) => flow.newer = newer,
            _ => self.oldest = newer,
        }
        match self.slots.get_mut(newer as usize) {
            Some(Some(flow)) => flow.older = older,
            _ => self.newest = older,
        }
    }
}

#[cfg(test)]
#[path = "tracker_tests.rs"]
mod tests;
