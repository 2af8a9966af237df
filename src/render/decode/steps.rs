//! The segments of one stream as steps of a conversation, for the pictures of it.

use crate::capfile::Timestamp;
use crate::dissect::Frame;
use crate::packet::tcp::flag;
use crate::stream::{Begun, Direction, Endpoint, Marks};

use super::buffer::Buffer;
use super::line::flags;

/// A wait of this long between two segments is shown, in nanoseconds.
pub const WAIT: i64 = 100_000_000;

/// A segment.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// Its frame.
    pub frame: u64,
    /// When it was captured.
    pub time: Timestamp,
    /// Whether the client sent it.
    pub from_client: bool,
    /// Nanoseconds since the step before.
    pub waited: i64,
    /// Bytes in front of it that are not in the capture.
    pub missing: u32,
    /// What the analysis says of it.
    pub marks: Marks,
    flags: u16,
    sequence: u32,
    acknowledgment: u32,
    window: u32,
    length: u32,
}

impl Step {
    /// Flags, numbers and length: `PSH, ACK seq 1 ack 1 len 146`.
    pub fn label(&self) -> String {
        let mut out = Buffer::default();
        flags(&mut out, self.flags);
        let has = |flag: u16| self.flags & flag != 0;
        let is_marked = has(flag::SYN | flag::FIN | flag::RST);
        if self.length > 0 || is_marked {
            out.text(" seq ");
            out.number(u64::from(self.sequence));
        }
        if has(flag::ACK) {
            out.text(" ack ");
            out.number(u64::from(self.acknowledgment));
        }
        let about_window = Marks::ZERO_WINDOW
            .with(Marks::WINDOW_UPDATE)
            .with(Marks::ZERO_WINDOW_PROBE_ACK);
        if has(flag::SYN) || self.marks.has(about_window) {
            out.text(" win ");
            out.number(u64::from(self.window));
        }
        if self.length > 0 {
            out.text(" len ");
            out.number(u64::from(self.length));
        }
        String::from_utf8_lossy(out.as_bytes()).into_owned()
    }

    /// The words of the analysis, without "TCP": `Retransmission`.
    pub fn words(&self) -> String {
        let words: Vec<&str> = self
            .marks
            .words()
            .map(|words| words.strip_prefix("TCP ").unwrap_or(words))
            .collect();
        words.join(", ")
    }

    /// Whether it says that something is wrong: a repeated segment, a reset.
    pub fn is_bad(&self) -> bool {
        self.marks.has(Marks::NOTEWORTHY) || self.flags & flag::RST != 0
    }
}

/// The steps of one stream.
#[derive(Debug, Clone, Copy, Default)]
pub struct Steps {
    /// The first segment is the client's.
    begins_with_client: bool,
    /// The client's direction, once a segment was seen.
    client: Option<Direction>,
    last: Option<Timestamp>,
    /// After the highest byte of each end.
    next: [Option<u32>; 2],
}

impl Steps {
    /// The stream begins.
    pub fn begin(begun: &Begun) -> Steps {
        Steps {
            begins_with_client: begun.stream.from_client,
            ..Steps::default()
        }
    }

    /// The step of a frame of the stream.
    pub fn step(&mut self, frame: &Frame<'_>) -> Option<Step> {
        let (seen, tcp) = (frame.segment?, frame.decoded.tcp()?);
        let client = *self.client.get_or_insert(if self.begins_with_client {
            seen.direction
        } else {
            seen.direction.turned()
        });
        let from_client = seen.direction == client;
        let waited = self.last.map_or(0, |last| frame.time.nanos_since(last));
        self.last = Some(frame.time);
        let length = tcp.payload.length;
        let sequence = seen.analysis.sequence;
        let end = sequence.wrapping_add(length);
        let end = if tcp.has(flag::SYN | flag::FIN) {
            end.wrapping_add(1)
        } else {
            end
        };
        let next = &mut self.next[usize::from(!from_client)];
        // RFC 9293 section 3.4: the difference of sequence numbers is signed.
        let ahead = next.map_or(0, |next| sequence.wrapping_sub(next).cast_signed());
        let missing = if seen.analysis.marks.has(Marks::LOST_SEGMENT) {
            u32::try_from(ahead).unwrap_or(0)
        } else {
            0
        };
        if next.is_none_or(|next| end.wrapping_sub(next).cast_signed() > 0) {
            *next = Some(end);
        }
        Some(Step {
            frame: frame.number,
            time: frame.time,
            from_client,
            waited,
            missing,
            marks: seen.analysis.marks,
            flags: tcp.flags,
            sequence,
            acknowledgment: seen.analysis.acknowledgment,
            window: seen.analysis.window,
            length,
        })
    }
}

/// The client and the server of a stream.
pub fn ends(begun: &Begun) -> (Endpoint, Endpoint) {
    let stream = &begun.stream;
    if stream.from_client {
        (stream.source, stream.destination)
    } else {
        (stream.destination, stream.source)
    }
}
