//! What a segment is in the course of its connection: a retransmission, a duplicate ACK, a probe of a
//! closed window ... in tshark's words.
//!
//! The conditions are those of the Wireshark User's Guide, section "TCP Analysis", as its version 4.0
//! applies them; which of two that hold is said is also told there.

use super::sequence::SeqNumber;
use crate::packet::record::Tcp;
use crate::packet::tcp::{Opt, Options, flag};

/// A set of words about a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks(u16);

impl Marks {
    /// Sent again.
    pub const RETRANSMISSION: Marks = Marks(1);
    /// Sent again because duplicate ACKs asked for it.
    pub const FAST_RETRANSMISSION: Marks = Marks(1 << 1);
    /// Sent again though it was acknowledged.
    pub const SPURIOUS_RETRANSMISSION: Marks = Marks(1 << 2);
    /// Came after one that follows it.
    pub const OUT_OF_ORDER: Marks = Marks(1 << 3);
    /// One in front of it is missing.
    pub const LOST_SEGMENT: Marks = Marks(1 << 4);
    /// Acknowledges what is missing.
    pub const ACKED_UNSEEN: Marks = Marks(1 << 5);
    /// Acknowledges the same once more.
    pub const DUPLICATE_ACK: Marks = Marks(1 << 6);
    /// Takes no more data.
    pub const ZERO_WINDOW: Marks = Marks(1 << 7);
    /// Asks whether data is taken again.
    pub const ZERO_WINDOW_PROBE: Marks = Marks(1 << 8);
    /// Says that it is not.
    pub const ZERO_WINDOW_PROBE_ACK: Marks = Marks(1 << 9);
    /// Fills the receiver's window.
    pub const WINDOW_FULL: Marks = Marks(1 << 10);
    /// Only moves the window.
    pub const WINDOW_UPDATE: Marks = Marks(1 << 11);
    /// Asks whether the other end is there.
    pub const KEEP_ALIVE: Marks = Marks(1 << 12);
    /// Says that it is.
    pub const KEEP_ALIVE_ACK: Marks = Marks(1 << 13);
    /// Begins a connection between ports that had one.
    pub const PORTS_REUSED: Marks = Marks(1 << 14);

    /// Each mark with tshark's words for it, in the order in which a line has them.
    pub const WORDS: [(Marks, &'static str); 15] = [
        (Marks::ZERO_WINDOW_PROBE_ACK, "TCP ZeroWindowProbeAck"),
        (Marks::ZERO_WINDOW_PROBE, "TCP ZeroWindowProbe"),
        (Marks::ZERO_WINDOW, "TCP ZeroWindow"),
        (Marks::DUPLICATE_ACK, "TCP Dup ACK"),
        (Marks::KEEP_ALIVE_ACK, "TCP Keep-Alive ACK"),
        (Marks::KEEP_ALIVE, "TCP Keep-Alive"),
        (Marks::WINDOW_FULL, "TCP Window Full"),
        (Marks::WINDOW_UPDATE, "TCP Window Update"),
        (Marks::ACKED_UNSEEN, "TCP ACKed unseen segment"),
        (Marks::LOST_SEGMENT, "TCP Previous segment not captured"),
        (Marks::OUT_OF_ORDER, "TCP Out-Of-Order"),
        (
            Marks::SPURIOUS_RETRANSMISSION,
            "TCP Spurious Retransmission",
        ),
        (Marks::FAST_RETRANSMISSION, "TCP Fast Retransmission"),
        (Marks::RETRANSMISSION, "TCP Retransmission"),
        (Marks::PORTS_REUSED, "TCP Port numbers reused"),
    ];

    /// All that say that data was sent again.
    pub const ANY_RETRANSMISSION: Marks = Marks(0b111);

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether any of these is set.
    pub fn has(self, marks: Marks) -> bool {
        self.0 & marks.0 != 0
    }

    /// These and those.
    #[must_use]
    pub fn with(self, marks: Marks) -> Marks {
        Marks(self.0 | marks.0)
    }

    fn add(&mut self, marks: Marks) {
        self.0 |= marks.0;
    }
}

/// A segment as the analysis takes it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment {
    /// Its number in the capture, from 1.
    pub(super) frame: u64,
    /// When it was captured, in nanoseconds since the epoch.
    pub(super) time: i64,
    pub(super) seq: SeqNumber,
    pub(super) ack: SeqNumber,
    pub(super) flags: u16,
    pub(super) window: u16,
    /// Bytes of data on the wire.
    pub(super) length: u32,
}

impl Segment {
    pub(super) fn new(frame: u64, time: i64, tcp: &Tcp) -> Segment {
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

    fn has(&self, flags: u16) -> bool {
        self.flags & flags != 0
    }

    /// Asks for a connection.
    pub(super) fn is_first_syn(&self) -> bool {
        self.flags & (flag::SYN | flag::ACK) == flag::SYN
    }

    /// Neither begins nor ends anything.
    fn is_plain(&self) -> bool {
        !self.has(flag::SYN | flag::FIN | flag::RST)
    }

    fn behind(&self) -> SeqNumber {
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
enum Scale {
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
    base: Option<SeqNumber>,
    /// Behind the highest byte that was sent; `None` before anything was.
    next: Option<SeqNumber>,
    next_time: i64,
    /// Up to here there is something to acknowledge.
    to_be_acked: Option<SeqNumber>,
    /// That more was acknowledged than was sent has been said; it is not said again before something
    /// else is missing.
    told_unseen: bool,
    last_ack: SeqNumber,
    last_ack_time: i64,
    /// The frame that had this acknowledgment first.
    last_new_ack: u64,
    duplicates: u32,
    window: u16,
    scale: Scale,
    /// `window` is that of a SYN, which is never scaled.
    window_of_syn: bool,
    last_marks: Marks,
    pub(super) saw_syn: bool,
    saw_syn_ack: bool,
    /// Its SYN was not seen, but the answer to it was.
    was_answered: bool,
    sacked: [(SeqNumber, SeqNumber); 4],
    sacked_count: u8,
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
    syn_time: Option<i64>,
    /// From the SYN to the ACK that completes the handshake, in nanoseconds.
    pub(super) handshake: Option<i64>,
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
        judge_sequence(sender, receiver, segment, self.handshake, &mut marks);
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
        let answered = self.ends[from].saw_syn && self.ends[1 - from].saw_syn_ack;
        if self.handshake.is_none() && has_ack && !is_syn && answered {
            self.handshake = self.syn_time.map(|syn| segment.time.saturating_sub(syn));
        }
    }

    /// Learns from the options of a segment, after it was judged.
    #[inline]
    pub(super) fn options(&mut self, from: usize, segment: &Segment, options: Options<'_>) {
        let sender = &mut self.ends[from];
        sender.sacked_count = 0;
        if options.only_timestamps().is_some() {
            return;
        }
        let mut shift = None;
        for option in options {
            match option {
                Opt::WindowScale(by) => shift = Some(by.min(MAX_SHIFT)),
                Opt::Sack(blocks) => sender.sack(blocks),
                _ => {}
            }
        }
        if segment.has(flag::SYN) {
            match shift {
                Some(by) => sender.scale = Scale::By(by),
                None => {
                    sender.scale = Scale::Off;
                    if segment.has(flag::ACK) {
                        self.ends[1 - from].scale = Scale::Off;
                    }
                }
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
    fn sack(&mut self, blocks: &[u8]) {
        self.sacked_count = 0;
        for (slot, block) in self.sacked.iter_mut().zip(blocks.chunks_exact(8)) {
            let edge = |at: usize| {
                SeqNumber(u32::from_be_bytes([
                    block[at],
                    block[at + 1],
                    block[at + 2],
                    block[at + 3],
                ]))
            };
            *slot = (edge(0), edge(4));
            self.sacked_count += 1;
        }
    }

    /// Whether the first sequence number is known: from its SYN, or the answer to it.
    pub(super) fn saw_beginning(&self) -> bool {
        self.saw_syn || self.saw_syn_ack || self.was_answered
    }

    /// The window that this end has announced last, in bytes.
    fn announced(&self) -> Option<u32> {
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

/// Everything about windows and repeated acknowledgments.
#[inline]
fn judge_window(
    sender: &mut Sender,
    receiver: &Sender,
    segment: &Segment,
    marks: &mut Marks,
    duplicate_of: &mut (u64, u32),
) {
    let is_next = sender
        .next
        .map_or(segment.seq.0 == 0, |next| next == segment.seq);
    if segment.length == 1 && is_next && receiver.window == 0 {
        marks.add(Marks::ZERO_WINDOW_PROBE);
        return;
    }
    if segment.window == 0 && segment.is_plain() {
        marks.add(Marks::ZERO_WINDOW);
    }
    if !segment.has(flag::RST) && sender.next.is_some_and(|next| segment.seq.is_after(next)) {
        marks.add(Marks::LOST_SEGMENT);
    }
    if !segment.is_plain() {
        return;
    }
    let before_next = segment.seq.plus(1) == sender.next.unwrap_or_default();
    if segment.length <= 1 && before_next {
        marks.add(Marks::KEEP_ALIVE);
    }
    if segment.length > 0 {
        let edge = receiver
            .announced()
            .map(|window| receiver.last_ack.plus(window));
        if edge == Some(segment.seq.plus(segment.length)) {
            marks.add(Marks::WINDOW_FULL);
        }
        return;
    }
    if !is_next || segment.ack != sender.last_ack {
        return;
    }
    if segment.window != sender.window {
        if segment.window != 0 {
            marks.add(Marks::WINDOW_UPDATE);
        }
    } else if segment.window == 0 {
        if receiver.last_marks.has(Marks::ZERO_WINDOW_PROBE) {
            marks.add(Marks::ZERO_WINDOW_PROBE_ACK);
        }
    } else if receiver.last_marks.has(Marks::KEEP_ALIVE) {
        marks.add(Marks::KEEP_ALIVE_ACK);
    } else {
        sender.duplicates += 1;
        marks.add(Marks::DUPLICATE_ACK);
        *duplicate_of = (sender.last_new_ack, sender.duplicates);
    }
}

/// Whether something is acknowledged that was not seen.
#[inline]
fn judge_ack(sender: &mut Sender, receiver: &mut Sender, segment: &Segment, marks: &mut Marks) {
    if segment.ack != sender.last_ack {
        sender.last_new_ack = segment.frame;
        sender.duplicates = 0;
    }
    let Some(edge) = receiver.to_be_acked else {
        return;
    };
    let knows_of_loss = receiver.next != Some(edge);
    let is_unseen = segment.has(flag::ACK) && segment.ack.is_after(edge);
    if is_unseen && (knows_of_loss || !receiver.told_unseen) {
        marks.add(Marks::ACKED_UNSEEN);
        receiver.told_unseen |= !knows_of_loss;
        receiver.to_be_acked = receiver.next;
    }
}

/// Whether a segment with data, a SYN or a FIN was sent before, or comes late.
#[inline]
fn judge_sequence(
    sender: &Sender,
    receiver: &Sender,
    segment: &Segment,
    handshake: Option<i64>,
    marks: &mut Marks,
) {
    /// A fast retransmission comes this soon after the duplicate ACK, in nanoseconds.
    const SOON: i64 = 20_000_000;
    /// What stands for the round trip time before it is known, in nanoseconds.
    const ROUND_TRIP: i64 = 3_000_000;
    if segment.length == 0 && !segment.has(flag::SYN | flag::FIN) || marks.has(Marks::KEEP_ALIVE) {
        return;
    }
    let end = segment.seq.plus(segment.length);
    let was_acked = receiver.last_ack != SeqNumber(0) && !end.is_after(receiver.last_ack);
    if segment.length > 0 && was_acked {
        marks.add(Marks::SPURIOUS_RETRANSMISSION);
        return;
    }
    let Some(next) = sender.next else {
        return;
    };
    // A segment that begins with the byte of a probe brings new data.
    let follows_probe = segment.length > 1 && segment.seq.plus(1) == next;
    let is_new = !segment.seq.is_before(next) || follows_probe;
    let since_ack = segment.time.saturating_sub(receiver.last_ack_time);
    if receiver.duplicates >= 2 && since_ack < SOON {
        let blocks = &receiver.sacked[..usize::from(receiver.sacked_count)];
        let is_sacked = blocks
            .iter()
            .any(|(left, right)| !segment.seq.is_before(*left) && !end.is_after(*right));
        let is_asked_for = receiver.last_ack == segment.seq;
        if !is_new && (is_asked_for || !blocks.is_empty() && !is_sacked) {
            marks.add(Marks::FAST_RETRANSMISSION);
            return;
        }
    }
    if is_new {
        return;
    }
    let since_next = segment.time.saturating_sub(sender.next_time);
    let round_trip = handshake.filter(|time| *time != 0).unwrap_or(ROUND_TRIP);
    if since_next < round_trip && next != end {
        marks.add(Marks::OUT_OF_ORDER);
        return;
    }
    marks.add(Marks::RETRANSMISSION);
}

/// tshark takes the number 0 for none, and so its words differ where numbers wrap; ours are the same.
fn known(number: SeqNumber) -> Option<SeqNumber> {
    Some(number).filter(|number| *number != SeqNumber(0))
}

/// Keeps what later segments are compared with.
#[inline]
fn remember(sender: &mut Sender, segment: &Segment, marks: Marks) {
    let behind = segment.behind();
    let is_probe = marks.has(Marks::ZERO_WINDOW_PROBE);
    let is_further = sender.next.is_none_or(|next| behind.is_after(next));
    if !is_probe && is_further {
        sender.next = known(behind);
        sender.next_time = segment.time;
    }
    if !is_probe && sender.to_be_acked.is_none_or(|edge| edge == segment.seq) {
        sender.to_be_acked = sender.next;
    }
    sender.window = segment.window;
    sender.window_of_syn = segment.has(flag::SYN);
    sender.last_ack = segment.ack;
    sender.last_ack_time = segment.time;
    sender.last_marks = marks;
}
