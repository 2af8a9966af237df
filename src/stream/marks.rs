//! The words of the TCP analysis.

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
    /// Acknowledges the same again.
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

    /// Those that are facts of their own: an acknowledgment that is repeated, or only updates the window, is
    /// not.
    pub const NOTEWORTHY: Marks = Marks(
        Marks::ANY_RETRANSMISSION.0
            | Marks::OUT_OF_ORDER.0
            | Marks::LOST_SEGMENT.0
            | Marks::ACKED_UNSEEN.0
            | Marks::ZERO_WINDOW.0
            | Marks::WINDOW_FULL.0
            | Marks::PORTS_REUSED.0,
    );

    /// All that say that data was sent again.
    pub const ANY_RETRANSMISSION: Marks = Marks(0b111);

    /// tshark's words for those of [`Marks::NOTEWORTHY`].
    pub fn noteworthy(self) -> impl Iterator<Item = &'static str> {
        let noteworthy = Marks(self.0 & Marks::NOTEWORTHY.0);
        noteworthy.words()
    }

    /// tshark's words for each, in the order in which a line has them.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        let words = Marks::WORDS.into_iter();
        words.filter_map(move |(mark, words)| self.has(mark).then_some(words))
    }

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

    pub(super) fn add(&mut self, marks: Marks) {
        self.0 |= marks.0;
    }
}
