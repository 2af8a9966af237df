//! A run over several processors: frames are read and decoded here, the streams are followed in a second thread,
//! lines are written in a third.
//!
//! # Invariants
//!
//! - Frames go through each stage in their order, in batches: what is printed does not depend on the number of
//!   threads.
//! - There are [`BATCHES`] batches at most, which come back, so memory does not grow with the capture.
//! - A stage that fails ends; the stage before it notices when it hands on the next batch.

use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use super::out::Out;
use super::session::filter_error;
use crate::capfile::{
    self, ByteOrder, Ends, HostNames, Interface, LONGEST_FRAME, LinkType, Timestamp, has_options,
};
use crate::dissect::{Dissector, Event, Kept};
use crate::drops::Dropped;
use crate::error::{Error, Kind, Result};
use crate::packet::{Decoded, decode};
use crate::render::decode::{Buffer, View};

/// Frames in a batch at most.
const FRAMES: usize = 1024;
/// A batch with this many bytes of frames is full.
const BYTES: usize = 256 << 10;
/// More bytes than these are not kept room for.
const ROOM: usize = 2 * (BYTES + LONGEST_FRAME as usize);
/// Batches in all: one for each stage, and as many that wait.
const BATCHES: usize = 6;
/// More text than this is not kept room for.
const TEXT: usize = 1 << 20;

/// What is on its way through the stages.
#[derive(Default)]
struct Batch {
    packets: Vec<Packet>,
    /// The bytes of all frames, of the records that have more, and of blocks with names.
    bytes: Vec<u8>,
    /// The interfaces of the frames from this index on, with their numbers.
    interfaces: Vec<(usize, u32, Interface)>,
    /// Names of hosts: before the frame with this index comes this block of the file.
    host_names: Vec<(usize, Range<usize>, ByteOrder)>,
    /// What the kernel dropped, each with the number of packets in front of it.
    drops: Vec<(usize, Dropped)>,
    /// What was written about streams.
    text: Buffer,
    /// What is written goes out at once.
    is_urgent: bool,
}

struct Packet {
    number: u64,
    link: LinkType,
    time: Option<Timestamp>,
    data: Range<usize>,
    /// All of its record, if that has options.
    record: Range<usize>,
    original_len: u32,
    ends: Ends,
    interface: u32,
    decoded: Decoded,
    /// From the second stage on.
    kept: Option<Kept>,
    /// In the text of the batch: what came with the frame ends here ...
    pending_end: usize,
    /// ... and what follows it here.
    text_end: usize,
}

impl Batch {
    fn clear(&mut self) {
        self.packets.clear();
        if self.bytes.capacity() > ROOM {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
        self.interfaces.clear();
        self.host_names.clear();
        self.drops.clear();
        if self.text.len() > TEXT {
            self.text = Buffer::default();
        }
        self.text.clear();
        self.is_urgent = false;
    }

    fn is_full(&self) -> bool {
        self.packets.len() + self.drops.len() >= FRAMES || self.bytes.len() >= BYTES
    }

    fn keep(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }

    fn push(&mut self, frame: &capfile::Frame<'_>, interface: &Interface) {
        let last = self.interfaces.last();
        if last.is_none_or(|(_, number, _)| *number != frame.interface) {
            let first = self.packets.len();
            self.interfaces
                .push((first, frame.interface, interface.clone()));
        }
        let data = self.keep(frame.data);
        let record = if has_options(frame.record, frame.data) {
            self.keep(frame.record)
        } else {
            0..0
        };
        self.packets.push(Packet {
            number: frame.number,
            link: frame.link,
            time: frame.time,
            data,
            record,
            original_len: frame.original_len,
            ends: frame.ends,
            interface: frame.interface,
            decoded: decode(frame.link, frame.data, frame.original_len),
            kept: None,
            pending_end: 0,
            text_end: 0,
        });
    }
}

/// What a view is told of a batch that is not about a single frame, as far as it comes.
struct Around<'a> {
    bytes: &'a [u8],
    interfaces: &'a [(usize, u32, Interface)],
    host_names: &'a [(usize, Range<usize>, ByteOrder)],
    drops: &'a [(usize, Dropped)],
    current: Option<(u32, &'a Interface)>,
}

impl Around<'_> {
    /// Before the frame with this index: the names and the drops that come before it, and its interface.
    #[inline]
    fn begin(&mut self, view: &mut View, out: &mut Buffer, index: usize) {
        while let [(first, block, order), rest @ ..] = self.host_names
            && *first == index
        {
            self.host_names = rest;
            if let Some(names) = HostNames::of(&self.bytes[block.clone()], *order) {
                view.host_names(names);
            }
        }
        self.drops(view, out, index);
        if let [(first, number, interface), rest @ ..] = self.interfaces
            && *first == index
        {
            self.interfaces = rest;
            self.current = Some((*number, interface));
        }
        if let Some((number, interface)) = self.current {
            view.begin_frame(number, interface);
        }
    }

    /// Shows the drops that come before the frame with this index.
    #[inline]
    fn drops(&mut self, view: &mut View, out: &mut Buffer, index: usize) {
        while let [(first, dropped), rest @ ..] = self.drops
            && *first <= index
        {
            self.drops = rest;
            view.dropped(out, dropped);
        }
    }
}

/// The second stage.
struct Analysis {
    dissector: Dissector,
    view: View,
    /// Lines of frames are written by the third stage.
    is_split: bool,
}

impl Analysis {
    fn run(&mut self, from: &Receiver<Box<Batch>>, to: &SyncSender<Box<Batch>>) -> Result<()> {
        while let Ok(mut batch) = from.recv() {
            let result = self.batch(&mut batch);
            if to.send(batch).is_err() {
                break;
            }
            result?;
        }
        Ok(())
    }

    fn batch(&mut self, batch: &mut Batch) -> Result<()> {
        let Analysis {
            dissector,
            view,
            is_split,
        } = self;
        let Batch {
            packets,
            bytes,
            interfaces,
            host_names,
            drops,
            text,
            ..
        } = batch;
        let mut around = Around {
            bytes,
            interfaces,
            host_names,
            // Those between the lines of frames are left to the stage that writes these.
            drops: if *is_split { &[] } else { drops },
            current: None,
        };
        for (index, packet) in packets.iter_mut().enumerate() {
            around.begin(view, text, index);
            let frame = capfile::Frame {
                number: packet.number,
                offset: 0,
                interface: packet.interface,
                link: packet.link,
                time: packet.time,
                data: &bytes[packet.data.clone()],
                original_len: packet.original_len,
                ends: packet.ends,
                record: &bytes[packet.record.clone()],
            };
            let (kept, pending_end) = (&mut packet.kept, &mut packet.pending_end);
            let done = dissector.decoded(&frame, &mut packet.decoded, &mut |event| match event {
                Event::Frame(frame) if *is_split => {
                    view.hand_over(text);
                    *kept = Some(Kept::of(frame));
                    *pending_end = text.len();
                }
                event => view.event(text, &event, &mut |_| {}),
            });
            packet.text_end = text.len();
            if let Err(error) = done {
                // The frames before it are shown.
                packets.truncate(index);
                return Err(filter_error(&error));
            }
        }
        around.drops(view, text, usize::MAX);
        Ok(())
    }
}

/// The third stage.
struct Writing {
    /// Writes the lines of frames, unless the second stage does.
    view: Option<View>,
    out: Out,
    /// For the batches that are done.
    back: SyncSender<Box<Batch>>,
    /// Told when an urgent batch went out.
    went_out: SyncSender<()>,
}

impl Writing {
    fn run(&mut self, from: &Receiver<Box<Batch>>) -> Result<()> {
        while let Ok(mut batch) = from.recv() {
            self.batch(&batch);
            if let Some(error) = self.out.failure() {
                return Err(error);
            }
            if batch.is_urgent {
                self.out.flush()?;
                let _ = self.went_out.send(());
            }
            batch.clear();
            let _ = self.back.send(batch);
        }
        Ok(())
    }

    fn batch(&mut self, batch: &Batch) {
        let text = batch.text.as_bytes();
        let Some(view) = &mut self.view else {
            return self.out.bytes(text);
        };
        let mut around = Around {
            bytes: &batch.bytes,
            interfaces: &batch.interfaces,
            host_names: &batch.host_names,
            drops: &batch.drops,
            current: None,
        };
        let mut start = 0;
        for (index, packet) in batch.packets.iter().enumerate() {
            around.begin(view, self.out.buffer(), index);
            if let Some(kept) = &packet.kept {
                view.take_over(&text[start..packet.pending_end]);
                let captured = &batch.bytes[packet.data.clone()];
                let record = &batch.bytes[packet.record.clone()];
                let frame = kept.frame(captured, record, &packet.decoded);
                self.out.show(view, &Event::Frame(&frame));
            }
            self.out.bytes(&text[packet.pending_end..packet.text_end]);
            start = packet.text_end;
        }
        around.drops(view, self.out.buffer(), usize::MAX);
    }
}

/// The stages that run.
pub(super) struct Pipeline {
    batch: Box<Batch>,
    /// How many batches there are.
    made: usize,
    to: Option<SyncSender<Box<Batch>>>,
    back: Receiver<Box<Batch>>,
    went_out: Receiver<()>,
    analysis: JoinHandle<(Analysis, Result<()>)>,
    writing: JoinHandle<(Out, Result<()>)>,
}

impl Pipeline {
    /// Starts the stages where a run stands.
    pub(super) fn start(dissector: Dissector, mut view: View, out: Out) -> Result<Pipeline> {
        let (to_analysis, analysed) = sync_channel(BATCHES);
        let (to_writing, written) = sync_channel(BATCHES);
        let (to_back, back) = sync_channel(BATCHES);
        let (to_went_out, went_out) = sync_channel(1);
        let frames = view.split();
        let mut analysis = Analysis {
            dissector,
            view,
            is_split: frames.is_some(),
        };
        let mut writing = Writing {
            view: frames,
            out,
            back: to_back,
            went_out: to_went_out,
        };
        Ok(Pipeline {
            batch: Box::default(),
            made: 1,
            to: Some(to_analysis),
            back,
            went_out,
            analysis: spawn(move || {
                let result = analysis.run(&analysed, &to_writing);
                (analysis, result)
            })?,
            writing: spawn(move || {
                let result = writing.run(&written);
                (writing.out, result)
            })?,
        })
    }

    /// Takes the next frame; false if a stage has ended early.
    pub(super) fn frame(&mut self, frame: &capfile::Frame<'_>, interface: &Interface) -> bool {
        self.batch.push(frame, interface);
        !self.batch.is_full() || self.send()
    }

    /// Takes names that the capture has for its hosts; false if a stage has ended early.
    pub(super) fn host_names(&mut self, names: HostNames<'_>) -> bool {
        let (block, order) = names.parts();
        let block = self.batch.keep(block);
        let index = self.batch.packets.len();
        self.batch.host_names.push((index, block, order));
        !self.batch.is_full() || self.send()
    }

    /// Takes a packet that the kernel dropped; false if a stage has ended early.
    pub(super) fn dropped(&mut self, dropped: &Dropped) -> bool {
        let place = self.batch.packets.len();
        self.batch.drops.push((place, dropped.clone()));
        !self.batch.is_full() || self.send()
    }

    /// Waits until everything that was taken is processed and written; false if a stage has ended early.
    pub(super) fn flush(&mut self) -> bool {
        self.batch.is_urgent = true;
        self.send() && self.went_out.recv().is_ok()
    }

    fn send(&mut self) -> bool {
        let next = match self.back.try_recv() {
            Ok(batch) => batch,
            Err(_) if self.made < BATCHES => {
                self.made += 1;
                Box::default()
            }
            Err(_) => match self.back.recv() {
                Ok(batch) => batch,
                // The last stage has ended.
                Err(_) => return false,
            },
        };
        let batch = std::mem::replace(&mut self.batch, next);
        self.to.as_ref().is_some_and(|to| to.send(batch).is_ok())
    }

    /// Ends the stages after everything that was taken; gives what they had, and the first failure.
    pub(super) fn end(mut self) -> (Dissector, View, Out, Result<()>) {
        self.send();
        self.to = None;
        let (analysis, analysed) = joined(self.analysis);
        let (out, written) = joined(self.writing);
        (
            analysis.dissector,
            analysis.view,
            out,
            analysed.and(written),
        )
    }
}

fn spawn<T: Send + 'static>(stage: impl FnOnce() -> T + Send + 'static) -> Result<JoinHandle<T>> {
    thread::Builder::new()
        .spawn(stage)
        .map_err(|error| Error::os(Kind::CannotRun, "start a thread", &error))
}

fn joined<T>(stage: JoinHandle<T>) -> T {
    stage.join().unwrap_or_else(|panic| resume_unwind(panic))
}
