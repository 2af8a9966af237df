//! A segment is processed: windows, reassembly, messages.

use std::collections::{HashSet, VecDeque};

use super::account::Ended;
use super::analysis::Segment;
use super::assembly::{Assembly, Noticed, Overlap, Piece};
use super::events::{AppMessage, Event, Fact, Frame, Noted, Role, Settings, StreamRef};
use super::flow::{App, Endpoint, Flow};
use super::key::Direction;
use super::marks::Marks;
use super::messages::{Find, Reader};
use super::resets::Packet;
use super::sequence::SeqNumber;
use super::summary::EndState;
use crate::capfile::Timestamp;
use crate::message::HeaderCache;
use crate::packet::tcp::flag;

/// Requests without a reply that are remembered, a connection.
const MOST_UNANSWERED: usize = 1024;

/// A wait from here on is worth a finding, in nanoseconds.
pub(super) const SLOW: i64 = 1_000_000_000;
/// A connection that was quiet for this long may have been forgotten on the path, in nanoseconds.
pub(super) const LONG_QUIET: i64 = 30_000_000_000;

pub(super) fn reference(flow: &Flow, direction: Direction) -> StreamRef {
    StreamRef {
        number: flow.number,
        source: flow.ends[direction.index()],
        destination: flow.ends[direction.turned().index()],
        from_client: direction == flow.client,
    }
}

/// A stream has left the table: yields what waits, and the summary.
pub(super) fn finish(
    settings: &Settings,
    cache: &mut HeaderCache,
    frame: &Frame<'_>,
    until: Timestamp,
    answered: &HashSet<Endpoint>,
    flow: &mut Flow,
    handler: &mut impl FnMut(Event<'_>),
) {
    let nothing = Segment {
        frame: frame.number,
        time: frame.time,
        seq: SeqNumber(0),
        ack: SeqNumber(0),
        flags: 0,
        window: 0,
        length: 0,
    };
    for direction in [Direction::Up, Direction::Down] {
        let mut processing = Processing {
            settings,
            frame,
            segment: &nothing,
            payload: &[],
            packet: Packet::default(),
            is_copy: false,
            direction,
            cache,
        };
        processing.finish(flow, handler);
        processing.transfers(flow, handler);
    }
    let summary = flow.summary();
    let waited = until.max(flow.last).nanos_since(flow.first);
    let noted = if summary.ended == EndState::Unanswered {
        let others_were = answered.contains(&summary.server);
        Some(Noted::Unanswered { others_were })
    } else if flow.is_half_open() {
        Some(Noted::HandshakeUnfinished)
    } else {
        flow.ignored_acks().map(Noted::AckIgnored)
    };
    if let Some(noted) = noted.filter(|_| waited >= SLOW) {
        handler(Event::Fact(&Fact {
            frame: flow.first_frame,
            time: flow.first,
            stream: Some(reference(flow, flow.client)),
            noted,
        }));
    }
    handler(Event::Ended(&summary));
}

/// A segment, and what it takes to process it.
pub(super) struct Processing<'t> {
    pub(super) settings: &'t Settings,
    pub(super) frame: &'t Frame<'t>,
    pub(super) segment: &'t Segment,
    /// Its data, as far as it was captured.
    pub(super) payload: &'t [u8],
    pub(super) packet: Packet,
    /// It was captured twice, and this is the second time.
    pub(super) is_copy: bool,
    pub(super) direction: Direction,
    pub(super) cache: &'t mut HeaderCache,
}

impl Processing<'_> {
    pub(super) fn note(&self, flow: &Flow, noted: Noted, handler: &mut impl FnMut(Event<'_>)) {
        handler(Event::Fact(&Fact {
            frame: self.frame.number,
            time: self.frame.time,
            stream: Some(reference(flow, self.direction)),
            noted,
        }));
    }

    fn note_gap(
        &self,
        flow: &Flow,
        bytes: u32,
        acknowledged: bool,
        handler: &mut impl FnMut(Event<'_>),
    ) {
        let gap = Noted::Gap {
            bytes,
            acknowledged,
        };
        self.note(flow, gap, handler);
    }

    /// Closed windows, resets.
    #[inline]
    pub(super) fn windows(&self, flow: &mut Flow, handler: &mut impl FnMut(Event<'_>)) {
        let side = &mut flow.sides[self.direction.index()];
        let is_reset = self.segment.has(flag::RST);
        if is_reset || side.resets.any() {
            self.reset(flow, handler);
            if is_reset {
                return;
            }
        }
        let side = &mut flow.sides[self.direction.index()];
        if self.segment.window == 0 {
            if side.closed_since.is_none() {
                side.closed_since = Some(self.segment.time);
                side.sent.zero_windows += 1;
            }
        } else if let Some(since) = side.closed_since.take() {
            let time = self.segment.time.nanos_since(since);
            side.sent.zero_window_time = side.sent.zero_window_time.saturating_add(time);
            self.note(flow, Noted::WindowWasClosed(time), handler);
        }
    }

    /// The account of the time.
    #[inline]
    pub(super) fn account(
        &self,
        flow: &mut Flow,
        marks: Marks,
        handler: &mut impl FnMut(Event<'_>),
    ) {
        let segment = self.segment;
        let here = self.direction.index();
        if segment.is_first_syn() {
            flow.spans.syn(segment.time);
            flow.ended_by = None;
        }
        if flow.connect.is_none() && flow.conversation.handshake.is_some() {
            let took = segment.time.nanos_since(flow.first);
            flow.connect = Some(took);
            flow.spans.connected(segment.time);
            if flow.sides[flow.client.index()].syns > 1 && took >= SLOW {
                self.note(flow, Noted::SlowConnect(took), handler);
            }
        }
        let is_data = segment.length > 0
            && !self.is_copy
            && !marks.has(Marks::KEEP_ALIVE.with(Marks::SPURIOUS_RETRANSMISSION))
            && !segment.has(flag::RST | flag::SYN);
        let mut gap = None;
        if is_data {
            flow.sides[1 - here].data_after_fin |= flow.sides[1 - here].fin.is_some();
            flow.sides[here].spoke_last = true;
            flow.sides[1 - here].spoke_last = false;
            let from_client = self.direction == flow.client;
            let again = marks.has(Marks::ANY_RETRANSMISSION);
            match flow.spans.data(from_client, again, segment.time) {
                Ended::Wait(wait) => self.replies(flow, wait, handler),
                Ended::Gap(span) => gap = Some(span),
                Ended::Other => {}
            }
        }
        if self.settings.causes {
            self.causes(flow, marks, is_data, gap);
        }
        if segment.flags & (flag::FIN | flag::RST) != 0 && flow.ended_by.is_none() {
            flow.ended_by = Some(self.direction);
            flow.spans.closing(segment.time);
        }
    }

    fn wants(&self, flow: &Flow) -> bool {
        self.settings.assemble_all || self.settings.follow.has(flow.number) || self.speaks_app(flow)
    }

    fn speaks_app(&self, flow: &Flow) -> bool {
        let is_port = |end: Endpoint| self.settings.app_ports.contains(&end.1);
        flow.app.is_some()
            || self.settings.app_any
            || is_port(flow.ends[0])
            || is_port(flow.ends[1])
    }

    /// The data of a segment.
    #[inline]
    pub(super) fn data(
        &mut self,
        flow: &mut Flow,
        marks: Marks,
        handler: &mut impl FnMut(Event<'_>),
    ) {
        let here = self.direction.index();
        let segment = self.segment;
        let is_syn = segment.flags & flag::SYN != 0;
        if is_syn {
            if marks.has(Marks::PORTS_REUSED) {
                flow.sides[here].assembly = Assembly::default();
            }
            flow.sides[here].assembly.begin(segment.seq.plus(1));
            if segment.flags & flag::ACK != 0 {
                flow.sides[1 - here].assembly.begin(segment.ack);
            }
        }
        // What a reset carries is a reason at most (RFC 9293 section 3.5.3), and a keep-alive's byte is
        // none of the stream.
        let is_data = segment.length > 0
            && segment.flags & flag::RST == 0
            && !marks.has(Marks::KEEP_ALIVE)
            && !flow.is_over;
        if !is_data || !self.wants(flow) {
            return;
        }
        let seq = if is_syn {
            segment.seq.plus(1)
        } else {
            segment.seq
        };
        let end = flow.sides[here].fin;
        let beyond = end.map_or(0, |end| seq.plus(segment.length).since(end));
        if beyond > 0 && beyond >> 31 == 0 {
            self.note(
                flow,
                Noted::DataAfterFin(beyond.min(segment.length)),
                handler,
            );
            return;
        }
        self.begin_app(flow);
        if !self.settings.compare {
            flow.sides[here].assembly.forget();
        }
        let payload = self.payload;
        let noticed = self.assemble(flow, handler, |assembly, overlap, out| {
            assembly.push(seq, payload, segment.length, overlap, out)
        });
        if noticed.differs {
            self.note(flow, Noted::OverlapDiffers, handler);
        }
        if noticed.evicted > 0 {
            self.note(flow, Noted::GapGivenUp(noticed.evicted), handler);
        }
        if flow.sides[here].assembly.waits() {
            self.give_up_acknowledged(flow, handler);
        }
    }

    /// What the other end has acknowledged is not sent again: it is missing in the capture.
    #[cold]
    fn give_up_acknowledged(&mut self, flow: &mut Flow, handler: &mut impl FnMut(Event<'_>)) {
        let ack = flow.conversation.acknowledged(self.direction.index());
        let Some(ack) = ack else {
            return;
        };
        loop {
            let mut gap = 0;
            self.assemble(flow, handler, |assembly, _, out| {
                gap = assembly.skip_if_acknowledged(ack, out);
                Noticed::default()
            });
            if gap == 0 {
                return;
            }
            self.note_gap(flow, gap, true, handler);
        }
    }

    fn begin_app(&self, flow: &mut Flow) {
        if flow.app.is_none() && self.speaks_app(flow) {
            let [up, down] = &flow.conversation.ends;
            flow.app = Some(Box::new(App {
                readers: [up, down].map(|end| Reader::new(end.saw_beginning())),
                unanswered: VecDeque::new(),
            }));
        }
    }

    /// Runs a step of the assembly of this direction, and hands on what comes out of it.
    #[inline]
    fn assemble(
        &mut self,
        flow: &mut Flow,
        handler: &mut impl FnMut(Event<'_>),
        step: impl FnOnce(&mut Assembly, Overlap, &mut dyn FnMut(Piece<'_>)) -> Noticed,
    ) -> Noticed {
        let here = self.direction.index();
        let stream = reference(flow, self.direction);
        let follow = self.settings.follow.has(flow.number);
        let Flow {
            sides,
            app,
            messages,
            ..
        } = flow;
        let mut out = |piece: Piece<'_>| {
            if follow {
                handler(Event::Data(&stream, piece));
            }
            if let Some(app) = app {
                let App {
                    readers,
                    unanswered,
                } = &mut **app;
                let any = self.settings.app_any && messages[0] + messages[1] == 0;
                let mut broken = false;
                readers[here].push(piece, self.cache, &mut |find| match find {
                    Find::Message { message, guessed } => {
                        messages[here] += 1;
                        let (role, number, latency) = pair(
                            stream.from_client,
                            messages[here],
                            self.frame.time,
                            unanswered,
                        );
                        handler(Event::Message(&AppMessage {
                            frame: self.frame.number,
                            time: self.frame.time,
                            stream,
                            role,
                            number,
                            message,
                            guessed,
                            latency,
                        }));
                    }
                    Find::Broken(error) => {
                        broken = true;
                        if !any {
                            handler(Event::Fact(&Fact {
                                frame: self.frame.number,
                                time: self.frame.time,
                                stream: Some(stream),
                                noted: Noted::NoMessage(error.to_string()),
                            }));
                        }
                    }
                });
                if any && broken {
                    readers[here].give_up();
                }
            }
        };
        step(&mut sides[here].assembly, self.settings.overlap, &mut out)
    }

    /// Both ends have said that they are done, or one broke off.
    pub(super) fn end(&mut self, flow: &mut Flow, handler: &mut impl FnMut(Event<'_>)) {
        let direction = self.direction;
        for other in [direction.turned(), direction] {
            self.direction = other;
            if flow.sides[other.index()].assembly.waits() {
                self.give_up_acknowledged(flow, handler);
            }
        }
        flow.is_over = true;
    }

    /// Nothing more will come: what waits after gaps is handed on.
    fn finish(&mut self, flow: &mut Flow, handler: &mut impl FnMut(Event<'_>)) {
        let here = self.direction.index();
        while flow.sides[here].assembly.waits() {
            let mut gap = 0;
            self.assemble(flow, handler, |assembly, _, out| {
                gap = assembly.skip_gap(out);
                Noticed::default()
            });
            self.note_gap(flow, gap, false, handler);
        }
        let is_cut = flow
            .app
            .as_ref()
            .is_some_and(|app| app.readers[here].in_message());
        if is_cut && !flow.is_forgotten {
            self.note(flow, Noted::MessageCut, handler);
        }
    }
}

/// Numbers a message, and finds the request of a reply.
fn pair(
    from_client: bool,
    count: u32,
    time: Timestamp,
    unanswered: &mut VecDeque<(u32, Timestamp)>,
) -> (Role, Option<u32>, Option<i64>) {
    if from_client {
        if unanswered.len() == MOST_UNANSWERED {
            unanswered.pop_front();
        }
        unanswered.push_back((count, time));
        return (Role::Request, Some(count), None);
    }
    match unanswered.pop_front() {
        Some((number, asked)) => (Role::Reply, Some(number), Some(time.nanos_since(asked))),
        None => (Role::Reply, None, None),
    }
}
