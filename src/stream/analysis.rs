//! What a segment is in the course of its connection: a retransmission, a duplicate ACK, a probe of a
//! closed window ... in tshark's words. What is known of both ends is here; `judge` decides.

use super::judge::{judge_ack, judge_sequence, judge_window};
use super::marks::Marks;
use super::sequence::SeqNumber;
use crate::capfile::Timestamp;
use crate::packet::record::Tcp;
use crate::packet::tcp::{Opt, Options, flag};

/// A segment as the analysis takes it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment {
    /// Its number in the capture, from 1.
    pub(super) frame: u64,
    /// When it was captured.
    pub(super) time: Timestamp,
    pub(super) seq: SeqNumber,
    pub(super) ack: SeqNumber,
    pub(super) flags: u16,
    pub(super) window: u16,
    /// Bytes of data on the wire.
    pub(super) length: u32,
}

impl Segment {
    pub(super) fn new(frame: u64, time: Timestamp, tcp: &Tcp) -> Segment {
        Segment {
            frame,
            time,
            seq: SeqNumber(tcp.sequence),
            ack: SeqNumber(tcp.acknowledgment),
            flags: tcp.flags,
            window: tcp.window,
            length: tcp.payload.length,
        }
    }

    pub(super) fn has(&self, flags: u16) -> bool {
        self.flags & flags != 0
    }

    /// Asks for a connection.
    pub(super) fn is_first_syn(&self) -> bool {
        self.flags & (flag::SYN | flag::ACK) == flag::SYN
    }

    /// Neither begins nor ends anything.
    pub(super) fn is_plain(&self) -> bool {
        !self.has(flag::SYN | flag::FIN | flag::RST)
    }

    /// After its last byte; a SYN and a FIN count as one.
    pub(super) fn end(&self) -> SeqNumber {
        let end = self.seq.plus(self.length);
        if self.has(flag::SYN | flag::FIN) {
            end.plus(1)
        } else {
            end
        }
    }
}

/// The window scale of one end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Scale {
    /// Its SYN was not seen.
    #[default]
    Unknown,
    /// Windows are not scaled (RFC 7323 section 1.3: both ends must have said it).
    Off,
    /// They are, by this shift.
    By(u8),
}

/// What is known of one end's sending.
#[derive(Debug, Default, Clone)]
pub(super) struct Sender {
    /// What counts as sequence number 0.
    pub(super) base: Option<SeqNumber>,
    /// After the highest byte that was sent; `None` before anything was.
    pub(super) next: Option<SeqNumber>,
    pub(super) next_time: Timestamp,
    /// `next` before a reset moved it. The number of a reset may be the one that the other end asked for, far
    /// from this end's: it counts until this end sends its SYN again.
    before_reset: Option<SeqNumber>,
    /// Up to here there is something to acknowledge.
    pub(super) to_be_acked: Option<SeqNumber>,
    /// That more was acknowledged than this end has sent was said, and since then its own acknowledgment was the same.
    pub(super) told_unseen: bool,
    pub(super) last_ack: SeqNumber,
    pub(super) last_ack_time: Timestamp,
    /// The frame that had this acknowledgment first.
    pub(super) last_new_ack: u64,
    pub(super) duplicates: u32,
    /// Whether anything of it was seen, so that its window is known.
    pub(super) heard: bool,
    pub(super) window: u16,
    pub(super) scale: Scale,
    /// `window` is that of a SYN, which is never scaled.
    pub(super) window_of_syn: bool,
    pub(super) last_marks: Marks,
    pub(super) saw_syn: bool,
    pub(super) saw_syn_ack: bool,
    /// Its SYN was not seen, but the answer to it was.
    pub(super) was_answered: bool,
}

/// What is said of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Analysis {
    /// The words.
    pub marks: Marks,
    /// Of a duplicate ACK: the frame that it repeats, and how many it makes.
    pub duplicate_of: (u64, u32),
    /// The relative sequence number.
    pub sequence: u32,
    /// The relative acknowledgment number.
    pub acknowledgment: u32,
    /// The window in bytes, scaled if the scale is known.
    pub window: u32,
}

/// Both ends of a connection, as far as the analysis is concerned.
#[derive(Debug, Default, Clone)]
pub(super) struct Conversation {
    /// By [`Direction::index`](super::Direction::index).
    pub(super) ends: [Sender; 2],
    syn_time: Option<Timestamp>,
    /// From the SYN to the ACK that completes the handshake, in nanoseconds.
    pub(super) handshake: Option<i64>,
    /// The same, whether the SYN-ACK was seen or not.
    round_trip: Option<i64>,
}

impl Conversation {
    /// Whether this SYN begins another connection between the same ports.
    pub(super) fn is_another(&self, from: usize, segment: &Segment) -> bool {
        let sender = &self.ends[from];
        segment.is_first_syn() && sender.base.is_some_and(|base| base != segment.seq)
    }

    /// Takes the next segment, which comes from this end.
    #[inline]
    pub(super) fn segment(&mut self, from: usize, segment: &Segment) -> Analysis {
        let mut marks = Marks::default();
        let mut duplicate_of = (0, 0);
        self.begin(from, segment, &mut marks);
        let [up, down] = &mut self.ends;
        let (sender, receiver) = if from == 0 { (up, down) } else { (down, up) };
        judge_window(sender, receiver, segment, &mut marks, &mut duplicate_of);
        judge_ack(sender, receiver, segment, &mut marks);
        judge_sequence(sender, receiver, segment, self.round_trip, &mut marks);
        remember(sender, segment, marks);
        let sender = &self.ends[from];
        let receiver = &self.ends[1 - from];
        let relative =
            |number: SeqNumber, base: Option<SeqNumber>| number.since(base.unwrap_or(number));
        Analysis {
            marks,
            duplicate_of,
            sequence: relative(segment.seq, sender.base),
            acknowledgment: relative(segment.ack, receiver.base),
            window: scaled(sender, receiver, segment),
        }
    }

    /// Sets where sequence numbers begin, and measures the handshake.
    #[inline]
    fn begin(&mut self, from: usize, segment: &Segment, marks: &mut Marks) {
        let is_syn = segment.has(flag::SYN);
        let has_ack = segment.has(flag::ACK);
        let sender = &mut self.ends[from];
        if is_syn && has_ack && sender.base.is_some_and(|base| base != segment.seq) {
            marks.add(Marks::PORTS_REUSED);
            sender.base = Some(segment.seq);
        }
        if sender.base.is_none() {
            let base = if is_syn {
                segment.seq
            } else {
                segment.seq.minus(1)
            };
            sender.base = Some(base);
        }
        if segment.is_first_syn()
            && let Some(next) = sender.before_reset.take()
        {
            sender.next = Some(next);
        }
        if is_syn {
            sender.saw_syn |= !has_ack;
            sender.saw_syn_ack |= has_ack;
            if !has_ack {
                self.syn_time = Some(segment.time);
            }
        }
        if has_ack {
            let receiver = &mut self.ends[1 - from];
            if receiver.base.is_none() {
                receiver.base = Some(segment.ack.minus(1));
                receiver.was_answered = is_syn;
            }
        }
        if has_ack
            && !is_syn
            && self.handshake.is_none()
            && let Some(syn) = self.syn_time
        {
            let time = segment.time.nanos_since(syn);
            // For tshark a time of 0 is none; captures that are made by programs begin with it.
            if syn != Timestamp::default() {
                self.round_trip = self.round_trip.or(Some(time));
            }
            if self.ends[from].saw_syn && self.ends[1 - from].saw_syn_ack {
                self.handshake = Some(time);
            }
        }
    }

    /// Learns from the options of a segment, after it was judged.
    #[inline]
    pub(super) fn options(&mut self, from: usize, segment: &Segment, options: Options<'_>) {
        if !segment.has(flag::SYN) {
            return;
        }
        let sender = &mut self.ends[from];
        let shift = options.filter_map(|option| match option {
            Opt::WindowScale(by) => Some(by.min(MAX_SHIFT)),
            _ => None,
        });
        if let Some(by) = shift.last() {
            sender.scale = Scale::By(by);
        } else if !matches!(sender.scale, Scale::By(_)) {
            // A SYN that is sent again may leave it out.
            sender.scale = Scale::Off;
            if segment.has(flag::ACK) {
                self.ends[1 - from].scale = Scale::Off;
            }
        }
    }

    /// Up to where the other end has acknowledged what this one sent, if it has sent anything.
    pub(super) fn acknowledged(&self, from: usize) -> Option<SeqNumber> {
        let receiver = &self.ends[1 - from];
        receiver.next.map(|_| receiver.last_ack)
    }
}

/// RFC 7323 section 2.3.
const MAX_SHIFT: u8 = 14;

impl Sender {
    /// Whether the first sequence number is known: from its SYN, or the answer to it.
    pub(super) fn saw_beginning(&self) -> bool {
        self.saw_syn || self.saw_syn_ack || self.was_answered
    }

    /// The window that this end has announced last, in bytes.
    pub(super) fn announced(&self) -> Option<u32> {
        let window = u32::from(self.window);
        match self.scale {
            Scale::Unknown => None,
            Scale::By(shift) if !self.window_of_syn => Some(window << shift),
            Scale::Off | Scale::By(_) => Some(window),
        }
    }
}

fn scaled(sender: &Sender, receiver: &Sender, segment: &Segment) -> u32 {
    let window = u32::from(segment.window);
    match (sender.scale, receiver.scale) {
        (_, Scale::Off) => window,
        (Scale::By(shift), _) if !segment.has(flag::SYN) => window << shift,
        _ => window,
    }
}

/// tshark takes the number 0 for none, and so its words differ where numbers wrap; ours are the same.
fn known(number: SeqNumber) -> Option<SeqNumber> {
    Some(number).filter(|number| *number != SeqNumber(0))
}

/// Keeps what later segments are compared with.
#[inline]
fn remember(sender: &mut Sender, segment: &Segment, marks: Marks) {
    let end = segment.end();
    let is_probe = marks.has(Marks::ZERO_WINDOW_PROBE);
    let is_further = sender.next.is_none_or(|next| end.is_after(next));
    if !is_probe && is_further {
        sender.before_reset = if segment.has(flag::RST) {
            sender.before_reset.or(sender.next)
        } else {
            None
        };
        sender.next = known(end);
        sender.next_time = segment.time;
    }
    if !is_probe && sender.to_be_acked.is_none_or(|edge| edge == segment.seq) {
        sender.to_be_acked = sender.next;
    }
    sender.heard = true;
    sender.window = segment.window;
    sender.window_of_syn = segment.has(flag::SYN);
    sender.last_ack = segment.ack;
    sender.last_ack_time = segment.time;
    sender.last_marks = marks;
}
