//! What is shown of a dissection: each view is a writer of its events.

use super::buffer::Buffer;
use crate::capfile::{HostNames, Interface, Timestamp};
use crate::dissect::{Event, Frame, Totals};
use crate::drops::Dropped;
use crate::error::Result;
use crate::stream::{self, Fact};

/// Output is written in pieces of this size.
pub const PIECE: usize = 256 * 1024;

/// How the rows of a table are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// In columns, for people.
    Text,
    /// As comma-separated values, with a header.
    Csv,
    /// As JSON, one object a row.
    Json,
}

/// Writes the events of a dissection as one view shows them.
pub trait EventWriter: Send {
    /// Before the first frame.
    fn begin(&mut self, _out: &mut Buffer) {}

    /// The next frames are from this interface, which has this number in the capture.
    fn interface(&mut self, _number: u32, _interface: &Interface) {}

    /// The capture has these names for its hosts.
    fn host_names(&mut self, _names: HostNames<'_>) {}

    /// The first frame that says when it was captured: at this time.
    fn start(&mut self, _time: Timestamp) {}

    /// An event of a stream.
    fn stream(&mut self, out: &mut Buffer, event: &stream::Event<'_>);

    /// A frame that is selected. `pending` is what was written about the events that came with it.
    fn frame(&mut self, out: &mut Buffer, _frame: &Frame<'_>, pending: &[u8]) {
        out.bytes(pending);
    }

    /// An event of a stream that is not about the frame at hand: a stream has ended, for one. `flush`
    /// empties `out`, and is called when that has [`PIECE`] bytes.
    fn between_frames(
        &mut self,
        out: &mut Buffer,
        event: &stream::Event<'_>,
        _flush: &mut dyn FnMut(&mut Buffer),
    ) {
        self.stream(out, event);
    }

    /// A packet that the kernel dropped, which is not one of the frames.
    fn dropped(&mut self, _out: &mut Buffer, _dropped: &Dropped) {}

    /// A writer of the frames alone, if this one can leave them to another thread. It is then given all other
    /// events, and `frame` is not called.
    fn split(&mut self) -> Option<Box<dyn EventWriter>> {
        None
    }

    /// The capture is over.
    fn end(&mut self, _out: &mut Buffer, _totals: &Totals, _flush: &mut dyn FnMut(&mut Buffer)) {}

    /// What is said on standard error after the end, a line each.
    ///
    /// # Errors
    /// When something could not be written elsewhere than to `out`.
    fn notes(&mut self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}

/// Facts of the frame at hand, for a view that shows those of selected frames alone: whether a frame is selected comes
/// after them, with the frame.
#[derive(Debug, Default)]
pub(in crate::render) struct FactsOfFrame(Vec<Fact>);

impl FactsOfFrame {
    /// Takes the next one. Those of a frame before it, which was not selected, are dropped.
    pub(in crate::render) fn add(&mut self, fact: &Fact) {
        self.0.retain(|other| other.frame == fact.frame);
        self.0.push(fact.clone());
    }

    /// Gives those of a frame, which is selected.
    pub(in crate::render) fn of(&mut self, frame: &Frame<'_>) -> Vec<Fact> {
        let mut facts = std::mem::take(&mut self.0);
        facts.retain(|fact| fact.frame == frame.number);
        facts
    }
}

/// Shows nothing: the frames are written to a file.
#[derive(Debug)]
pub struct Nothing;

impl EventWriter for Nothing {
    fn stream(&mut self, _out: &mut Buffer, _event: &stream::Event<'_>) {}
}

/// Brings the text of a view into the order in which it is printed: the line of a frame goes before what
/// came with it, and nothing is printed of a frame that is not selected.
pub struct View {
    writer: Box<dyn EventWriter>,
    /// All frames are selected and have no line of their own: nothing has to wait.
    is_immediate: bool,
    /// What was written about the frame at hand.
    pending: Buffer,
    interface: Option<u32>,
    has_started: bool,
    is_between_frames: bool,
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").finish_non_exhaustive()
    }
}

impl View {
    /// What this writer shows. `is_immediate` says that all frames are selected and that the writer does
    /// not write about frames themselves.
    pub fn new(writer: Box<dyn EventWriter>, is_immediate: bool) -> View {
        View {
            writer,
            is_immediate,
            pending: Buffer::default(),
            interface: None,
            has_started: false,
            is_between_frames: false,
        }
    }

    /// Before the first frame.
    pub fn begin(&mut self, out: &mut Buffer) {
        self.writer.begin(out);
    }

    /// The next frame begins; it is from this interface, of which the number is given too.
    #[inline]
    pub fn begin_frame(&mut self, number: u32, interface: &Interface) {
        self.is_between_frames = false;
        if self.interface != Some(number) {
            self.interface = Some(number);
            self.writer.interface(number, interface);
        }
    }

    /// The capture has these names for its hosts.
    pub fn host_names(&mut self, names: HostNames<'_>) {
        self.writer.host_names(names);
    }

    /// A packet that the kernel dropped, between two frames.
    pub fn dropped(&mut self, out: &mut Buffer, dropped: &Dropped) {
        if !self.has_started {
            self.has_started = true;
            self.writer.start(dropped.time);
        }
        self.writer.dropped(out, dropped);
    }

    /// A view of the frames alone, for another thread: see [`View::hand_over`].
    pub fn split(&mut self) -> Option<View> {
        if self.is_immediate {
            return None;
        }
        Some(View {
            writer: self.writer.split()?,
            is_immediate: false,
            pending: Buffer::default(),
            interface: self.interface,
            has_started: self.has_started,
            is_between_frames: false,
        })
    }

    /// In the place of the event of a frame, once the frames are shown by another view: what was written about the
    /// frame at hand, for [`View::take_over`].
    #[inline]
    pub fn hand_over(&mut self, text: &mut Buffer) {
        text.bytes(self.pending.as_bytes());
        self.pending.clear();
        self.is_between_frames = true;
    }

    /// Takes what another view has written about the frame at hand.
    #[inline]
    pub fn take_over(&mut self, text: &[u8]) {
        self.pending.bytes(text);
    }

    /// What is said on standard error after the end.
    ///
    /// # Errors
    /// When something could not be written elsewhere than to `out`.
    pub fn notes(&mut self) -> Result<Vec<String>> {
        self.writer.notes()
    }

    /// Takes the next event of a dissection. When `out` is full, which is after [`PIECE`] bytes, `flush`
    /// empties it.
    #[inline]
    pub fn event(
        &mut self,
        out: &mut Buffer,
        event: &Event<'_>,
        flush: &mut dyn FnMut(&mut Buffer),
    ) {
        match event {
            Event::Stream(event) if self.is_between_frames => {
                self.writer.between_frames(out, event, flush);
            }
            Event::Stream(event) if self.is_immediate => self.writer.stream(out, event),
            Event::Stream(event) => self.writer.stream(&mut self.pending, event),
            Event::Frame(frame) => {
                if !self.has_started && frame.has_time {
                    self.has_started = true;
                    self.writer.start(frame.time);
                }
                if frame.is_selected && !self.is_immediate {
                    self.writer.frame(out, frame, self.pending.as_bytes());
                }
                self.pending.clear();
                self.is_between_frames = true;
            }
            Event::End(totals) => self.writer.end(out, totals, flush),
        }
        if out.len() >= PIECE {
            flush(out);
        }
    }
}
