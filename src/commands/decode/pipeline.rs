//! A run over several processors: frames are read and decoded here, the streams are followed in a second thread,
//! lines are written in a third.
//!
//! # Invariants
//!
//! - Frames go through each stage in their order, in batches: what is printed does not depend on the number of
//!   threads.
//! - There are [`BATCHES`] batches at most, which come back, so memory does not grow with the capture.
//! - A stage that fails ends; the stage before it notices when it hands on the next batch.

use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use super::session::{Out, filter_error, show};
use crate::capfile::{self, Ends, Interface, LinkType, Timestamp};
use crate::dissect::{Dissector, Event, Kept};
use crate::error::{Error, Kind, Result};
use crate::packet::{Decoded, decode};
use crate::render::decode::{Buffer, View};

/// Frames in a batch at most.
const FRAMES: usize = 1024;
/// A batch with this many bytes of frames is full.
const BYTES: usize = 256 << 10;
/// Batches in all: one for each stage, and as many that wait.
const BATCHES: usize = 6;
/// More text than this is not kept room for.
const TEXT: usize = 1 << 20;

/// What is on its way through the stages.
#[derive(Default)]
struct Batch {
    packets: Vec<Packet>,
    /// The bytes of all frames.
    bytes: Vec<u8>,
    /// The interfaces of the frames from this index on, with their numbers.
    interfaces: Vec<(usize, u32, Interface)>,
    /// What was written about streams.
    text: Buffer,
    /// What is written goes out at once.
    is_urgent: bool,
}

struct Packet {
    number: u64,
    link: LinkType,
    time: Option<Timestamp>,
    start: usize,
    end: usize,
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
        self.bytes.clear();
        self.interfaces.clear();
        if self.text.len() > TEXT {
            self.text = Buffer::default();
        }
        self.text.clear();
        self.is_urgent = false;
    }

    fn is_full(&self) -> bool {
        self.packets.len() >= FRAMES || self.bytes.len() >= BYTES
    }

    fn push(&mut self, frame: &capfile::Frame<'_>, interface: &Interface) {
        let last = self.interfaces.last();
        if last.is_none_or(|(_, number, _)| *number != frame.interface) {
            let first = self.packets.len();
            self.interfaces
                .push((first, frame.interface, interface.clone()));
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(frame.data);
        self.packets.push(Packet {
            number: frame.number,
            link: frame.link,
            time: frame.time,
            start,
            end: self.bytes.len(),
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

/// A view is told the interface of each frame.
fn begin(view: &mut View, interfaces: &[(usize, u32, Interface)], next: &mut usize, index: usize) {
    if interfaces
        .get(*next)
        .is_some_and(|(first, ..)| *first == index)
    {
        *next += 1;
    }
    if let Some((_, number, interface)) = interfaces.get(next.saturating_sub(1)) {
        view.begin_frame(*number, interface);
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
            text,
            ..
        } = batch;
        let mut next = 0;
        for (index, packet) in packets.iter_mut().enumerate() {
            begin(view, interfaces, &mut next, index);
            let frame = capfile::Frame {
                number: packet.number,
                offset: 0,
                interface: packet.interface,
                link: packet.link,
                time: packet.time,
                data: &bytes[packet.start..packet.end],
                original_len: packet.original_len,
                ends: packet.ends,
                record: &[],
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
        let (mut next, mut start) = (0, 0);
        for (index, packet) in batch.packets.iter().enumerate() {
            begin(view, &batch.interfaces, &mut next, index);
            if let Some(kept) = &packet.kept {
                view.take_over(&text[start..packet.pending_end]);
                let captured = &batch.bytes[packet.start..packet.end];
                let frame = kept.frame(captured, &packet.decoded);
                show(view, &mut self.out, &Event::Frame(&frame));
            }
            self.out.bytes(&text[packet.pending_end..packet.text_end]);
            start = packet.text_end;
        }
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
