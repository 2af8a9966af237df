//! All connections of a capture.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::BuildHasher as _;

use super::analysis::{Analysis, Segment};
use super::copies::Copies;
use super::events::{Begun, Event, Fact, Frame, Noted, SegmentInfo, Settings, StreamRef};
use super::flow::{self, Endpoint, Flow, Quoted};
use super::key::{Direction, FlowKey, Seeded};
use super::marks::Marks;
use super::processing::{Processing, finish, reference};
use super::resets::Packet;
use crate::capfile::Timestamp;
use crate::message::HeaderCache;
use crate::packet::record::{Ip, Tcp};
use crate::packet::tcp::flag;

/// Connections that are over and are kept for what may still come.
const KEPT_WHEN_OVER: usize = 1024;
/// Connections at hand; a power of 2.
const RECENT: usize = 256;
/// How long a connection may be used without a change of its place in the order, in frames.
const LATELY: u64 = 256;
/// No neighbour, no slot.
const NONE: u32 = u32::MAX;

/// What a stream costs in addition to what it holds, in bytes: its slot, and its share of the table, which
/// may be half empty and is copied as it grows.
const EACH: usize = size_of::<Option<Flow>>() + 4 * size_of::<(FlowKey, u32)>();

/// The streams of a capture.
///
/// The invariants: `memory` is what all streams cost together, and after [`Tracker::make_room`] it is not
/// over the limit unless one stream alone is; each stream is in the table, in a slot and in the order of
/// last use, or in none of them.
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
    /// Those that are over, by slot and number.
    over: VecDeque<(u32, u32)>,
    /// Out of the table, but not summed up yet.
    leaving: Vec<Flow>,
    /// The last segment: its frame, when that was captured, and its slot.
    last: (u64, Timestamp, u32),
    next_number: u32,
    memory: usize,
    cache: HeaderCache,
    copies: Copies,
    /// Servers that have answered a SYN, at most [`MOST_ANSWERED`].
    answered: HashSet<Endpoint>,
}

const MOST_ANSWERED: usize = 64 * 1024;

/// Of the connections that have gone. What is said of a capture does not depend on a run's random numbers; who
/// makes many of them meet in a place can only keep it from being said that ports were in use before.
const PAST: Seeded = Seeded(0);

/// The connections that have gone, as far as they are remembered: so that of a new one it is known
/// that its ports were in use before. A later one takes the place of an earlier one.
#[derive(Debug, Default)]
struct Past {
    /// By the lower bits of a key's hash its upper bits; 0 if the place is empty.
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
        // Room that is not used takes no memory; and slots that are never moved leave no holes after. If
        // there is no such room, they are moved as they grow.
        let mut slots = Vec::new();
        let most = settings.max_streams.min(settings.max_memory / EACH);
        let _ = slots.try_reserve_exact(most + 1);
        Tracker {
            settings,
            table: HashMap::with_hasher(seed),
            slots,
            free: Vec::new(),
            recent: Box::new([NONE; RECENT]),
            past: Past::default(),
            oldest: NONE,
            newest: NONE,
            over: VecDeque::new(),
            leaving: Vec::new(),
            last: (0, Timestamp::default(), NONE),
            next_number: 0,
            memory: 0,
            cache: HeaderCache::default(),
            copies: Copies::default(),
            answered: HashSet::new(),
        }
    }

    /// How many connections there have been.
    pub fn streams(&self) -> u32 {
        self.next_number
    }

    /// Takes the next segment. Once its events are handled, [`Tracker::make_room`] keeps the limits.
    #[inline]
    pub fn segment(
        &mut self,
        frame: &Frame<'_>,
        ip: &Ip,
        tcp: &Tcp,
        handler: &mut impl FnMut(Event<'_>),
    ) -> SegmentInfo {
        let segment = Segment::new(frame.number, frame.time, tcp);
        let ends = flow::ends(ip.source, ip.destination, tcp);
        let (key, direction) = FlowKey::of(ends.0, ends.1);
        let (slot, reused) = self.slot_of(key, direction, ends, &segment, handler);
        self.touch(slot, frame.number);
        self.last = (frame.number, frame.time, slot);
        let Tracker {
            settings,
            slots,
            cache,
            copies,
            ..
        } = self;
        let Some(flow) = slots.get_mut(slot as usize).and_then(Option::as_mut) else {
            // Never: the slot was just looked up.
            return SegmentInfo {
                stream: 0,
                slot,
                direction,
                analysis: Analysis::default(),
                is_copy: false,
            };
        };
        let mut analysis = flow.conversation.segment(direction.index(), &segment);
        let packet = Packet {
            ttl: ip.hop_limit,
            id: identification(frame.bytes, ip),
        };
        let is_copy = copies.see(flow.number, direction, &segment, packet, analysis.marks);
        let options = tcp.options(frame.bytes);
        if options.only_timestamps().is_none() {
            flow.conversation
                .options(direction.index(), &segment, options);
        }
        if reused {
            analysis.marks = analysis.marks.with(Marks::PORTS_REUSED);
        }
        flow.count(direction, &segment, frame.wire_length, &analysis, is_copy);
        if let Some(icmp) = &mut flow.icmp
            && icmp.mtu > 0
            && icmp.from == direction
            && !is_copy
            && ip.end.saturating_sub(ip.offset) > icmp.mtu
        {
            icmp.larger += 1;
        }
        let mut processing = Processing {
            settings,
            frame,
            segment: &segment,
            payload: tcp.payload.of(frame.bytes),
            packet,
            is_copy,
            direction,
            cache,
        };
        processing.windows(flow, handler);
        processing.account(flow, analysis.marks, handler);
        processing.data(flow, analysis.marks, handler);
        let ends_now = !flow.is_over && flow.has_ended();
        if ends_now {
            processing.end(flow, handler);
        }
        // A copy is not sent again; the words of the analysis are about what is.
        if analysis.marks.has(Marks::NOTEWORTHY) && !is_copy {
            let noted = Noted::Analysis {
                marks: analysis.marks,
                sequence: analysis.sequence,
            };
            processing.note(flow, noted, handler);
        }
        if !segment.has(flag::RST) {
            flow.sides[direction.index()].wire.see(packet);
        }
        let seen = SegmentInfo {
            stream: flow.number,
            slot,
            direction,
            analysis,
            is_copy,
        };
        if segment.length > 0 || ends_now {
            let memory = flow.dynamic_memory();
            self.memory = self.memory + memory - flow.memory;
            flow.memory = memory;
        }
        if ends_now {
            self.over.push_back((slot, seen.stream));
        }
        seen
    }

    /// Notes that an ICMP error quotes a packet between these ends, with the MTU that it reports, or 0. Gives the
    /// packet's stream, if there is one.
    pub fn quoted(&mut self, from: Endpoint, to: Endpoint, mtu: u32) -> Option<StreamRef> {
        let (key, direction) = FlowKey::of(from, to);
        let slot = *self.table.get(&key)?;
        let flow = self.slots.get_mut(slot as usize)?.as_mut()?;
        flow.icmp = Some(Box::new(Quoted {
            from: direction,
            mtu,
            larger: flow.icmp.as_ref().map_or(0, |icmp| icmp.larger),
        }));
        Some(reference(flow, direction))
    }

    /// Whether [`Tracker::make_room`] has something to do.
    #[inline]
    pub fn is_over_limit(&self) -> bool {
        self.exceeds() || self.over.len() > KEPT_WHEN_OVER || !self.leaving.is_empty()
    }

    fn exceeds(&self) -> bool {
        self.memory > self.settings.max_memory || self.table.len() > self.settings.max_streams
    }

    /// Removes the streams that have to leave: whose ports are in use again, that have been over for
    /// longest, and, above the limits, those that were idle longest, but not that of the last segment.
    pub fn make_room(&mut self, handler: &mut impl FnMut(Event<'_>)) {
        for mut flow in self.leaving.drain(..) {
            sum_up(
                &self.settings,
                &mut self.cache,
                self.last.1,
                &mut self.answered,
                &mut flow,
                handler,
            );
        }
        self.forget_over(handler);
        self.evict(handler);
    }

    /// The slot of a connection, which may be new; whether its ports were in use before.
    #[inline]
    fn slot_of(
        &mut self,
        key: FlowKey,
        direction: Direction,
        ends: (Endpoint, Endpoint),
        segment: &Segment,
        handler: &mut impl FnMut(Event<'_>),
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
            self.unhook(slot);
            self.leaving.extend(self.slots[slot as usize].take());
        } else if segment.is_first_syn() {
            reused = self.past.has(PAST.hash_one(key));
        }
        let mut flow = Flow::new(key, self.next_number, direction, ends, segment);
        flow.is_reused = reused;
        self.next_number += 1;
        handler(Event::Begun(Begun {
            frame: segment.frame,
            time: segment.time,
            stream: reference(&flow, direction),
        }));
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
        self.memory += EACH;
        self.table.insert(key, slot);
        self.link(slot);
        slot
    }

    /// Yields what is left of a stream and its summary, and removes it.
    fn remove(&mut self, slot: u32, handler: &mut impl FnMut(Event<'_>)) {
        if let Some(Some(flow)) = self.slots.get_mut(slot as usize) {
            let (cache, answered) = (&mut self.cache, &mut self.answered);
            sum_up(&self.settings, cache, self.last.1, answered, flow, handler);
            self.unhook(slot);
            self.slots[slot as usize] = None;
        }
    }

    /// Takes a stream out of everything but its slot.
    fn unhook(&mut self, slot: u32) {
        let Some(Some(flow)) = self.slots.get(slot as usize) else {
            return;
        };
        self.table.remove(&flow.key);
        self.past.add(PAST.hash_one(flow.key));
        self.memory -= EACH + flow.memory;
        self.free.push(slot);
        self.unlink(slot);
    }

    /// Forgets the connections that have been over for longest.
    fn forget_over(&mut self, handler: &mut impl FnMut(Event<'_>)) {
        while self.over.len() > KEPT_WHEN_OVER {
            let Some((slot, number)) = self.over.pop_front() else {
                return;
            };
            let flow = self.slots[slot as usize].as_ref();
            if flow.is_some_and(|flow| flow.number == number && flow.is_over) {
                self.remove(slot, handler);
            }
        }
    }

    /// Drops the streams that were idle longest, but not that of the last segment.
    fn evict(&mut self, handler: &mut impl FnMut(Event<'_>)) {
        let (frame, time, keep) = self.last;
        while self.exceeds() {
            let slot = self.oldest;
            let Some(flow) = self.slots.get(slot as usize).and_then(Option::as_ref) else {
                return;
            };
            if slot == keep {
                return;
            }
            if !flow.is_over {
                handler(Event::Fact(&Fact {
                    frame,
                    time,
                    stream: Some(reference(flow, flow.client)),
                    noted: Noted::Evicted(EACH + flow.memory),
                }));
            }
            if let Some(Some(flow)) = self.slots.get_mut(slot as usize) {
                flow.is_forgotten = !flow.is_over;
            }
            self.remove(slot, handler);
        }
    }

    /// The capture is over: yields the summaries of all streams that are left, in the order in which they
    /// began. Unless the capture was read to its `complete` end, how they end is not known.
    pub fn finish(&mut self, complete: bool, handler: &mut impl FnMut(Event<'_>)) {
        self.make_room(handler);
        for flow in self.slots.iter().flatten() {
            remember_answer(flow, &mut self.answered);
        }
        let mut all: Vec<(u32, u32)> = (0_u32..)
            .zip(&self.slots)
            .filter_map(|(slot, flow)| flow.as_ref().map(|flow| (flow.number, slot)))
            .collect();
        all.sort_unstable();
        for (_, slot) in all {
            if let Some(Some(flow)) = self.slots.get_mut(slot as usize) {
                flow.is_forgotten = !complete && !flow.is_over;
            }
            self.remove(slot, handler);
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

/// The identification of an IPv4 packet; 0 says nothing (RFC 6864 section 4).
fn identification(bytes: &[u8], ip: &Ip) -> Option<u16> {
    let start = ip.offset as usize + 4;
    let id = bytes.get(start..start + 2).filter(|_| !ip.is_v6)?;
    Some(u16::from_be_bytes([id[0], id[1]])).filter(|id| *id != 0)
}

/// Yields what is left of a stream, and its summary.
fn sum_up(
    settings: &Settings,
    cache: &mut HeaderCache,
    until: Timestamp,
    answered: &mut HashSet<Endpoint>,
    flow: &mut Flow,
    handler: &mut impl FnMut(Event<'_>),
) {
    remember_answer(flow, answered);
    let frame = Frame {
        number: flow.last_frame,
        time: flow.last,
        bytes: &[],
        wire_length: 0,
    };
    finish(settings, cache, &frame, until, answered, flow, handler);
}

/// Remembers a server that has answered a SYN.
fn remember_answer(flow: &Flow, answered: &mut HashSet<Endpoint>) {
    let server = flow.client.turned().index();
    if flow.conversation.ends[server].saw_syn_ack && answered.len() < MOST_ANSWERED {
        answered.insert(flow.ends[server]);
    }
}

#[cfg(test)]
#[path = "tracker_tests.rs"]
mod tests;
