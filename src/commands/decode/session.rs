//! One run: frames are gathered, dissected and shown.

use std::io::{self, Write as _};

use super::output::Output;
use crate::capfile::{Frame, Interface};
use crate::commands::serving::tell;
use crate::dissect::{Dissector, Event, Settings, Totals};
use crate::error::{Error, Kind, Result};
use crate::filter::FilterError;
use crate::render::decode::view::PIECE;
use crate::render::decode::{Buffer, View};
use crate::sys::capture::FrameHandler;
use crate::sys::terminal::Progress;

/// A run.
pub(super) struct Session {
    dissector: Dissector,
    view: View,
    out: Out,
    /// Where the frames that are selected are written to, if not to standard output.
    output: Option<Output>,
    pub(super) progress: Option<Progress>,
}

/// Standard output, and what waits to be written to it.
struct Out {
    buffer: Buffer,
    failed: Option<io::Error>,
}

impl Out {
    fn flush(&mut self) -> Result<()> {
        write(&mut self.buffer, &mut self.failed);
        match self.failed.take() {
            Some(error) => Err(Error::output(error)),
            None => Ok(()),
        }
    }
}

/// Writes what waits. What cannot be written is lost, and the first error is kept.
fn write(buffer: &mut Buffer, failed: &mut Option<io::Error>) {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(buffer.as_bytes());
    if let Err(error) = written.and_then(|()| stdout.flush()) {
        failed.get_or_insert(error);
    }
    buffer.clear();
}

impl Session {
    pub(super) fn new(settings: Settings, view: View, output: Option<Output>) -> Session {
        let mut session = Session {
            dissector: Dissector::new(settings),
            view,
            out: Out {
                buffer: Buffer::with_capacity(PIECE + 4096),
                failed: None,
            },
            output,
            progress: None,
        };
        session.view.begin(&mut session.out.buffer);
        session
    }

    /// The capture is over; `complete` says that it was read to its end.
    pub(super) fn finish(self, complete: bool) -> Result<Totals> {
        let Session {
            dissector,
            mut view,
            mut out,
            output,
            progress,
        } = self;
        if let Some(progress) = progress {
            progress.finish();
        }
        let totals = dissector.finish(complete, &mut |event| show(&mut view, &mut out, &event));
        out.flush()?;
        if let Some(output) = output {
            output.finish()?;
        }
        if totals.fragments_dropped > 0 {
            tell(&format!(
                "{} fragmented packets were dropped: too many were incomplete",
                totals.fragments_dropped
            ));
        }
        if totals.evicted > 0 {
            tell(&format!(
                "--max-memory: {} streams were dropped before their end",
                totals.evicted
            ));
        }
        Ok(totals)
    }
}

#[inline]
fn show(view: &mut View, out: &mut Out, event: &Event<'_>) {
    let Out { buffer, failed } = out;
    view.event(buffer, event, &mut |buffer| write(buffer, failed));
}

impl FrameHandler for Session {
    #[inline]
    fn frame(&mut self, frame: &Frame<'_>, interface: &Interface) -> Result<bool> {
        let Session {
            dissector,
            view,
            out,
            output,
            ..
        } = self;
        view.begin_frame(frame.interface, interface);
        let mut is_selected = false;
        let wants_more = dissector
            .frame(frame, &mut |event| {
                if let Event::Frame(frame) = event {
                    is_selected = frame.is_selected;
                }
                show(view, out, &event);
            })
            .map_err(|error| filter_error(&error))?;
        if let Some(output) = output.as_mut().filter(|_| is_selected) {
            output.frame(frame, interface)?;
        }
        if let Some(error) = out.failed.take() {
            return Err(Error::output(error));
        }
        Ok(wants_more)
    }

    fn block(&mut self, block: &[u8]) {
        if let Some(output) = &mut self.output {
            output.block(block);
        }
    }

    fn progress(&mut self, offset: u64) {
        if let Some(progress) = &self.progress {
            progress.show(offset, format!("{} frames", self.dissector.totals().frames));
        }
    }

    fn pause(&mut self) -> Result<()> {
        if self.out.buffer.is_empty() {
            return Ok(());
        }
        self.out.flush()
    }
}

/// A filter that cannot be used, as an error of the command.
pub(super) fn filter_error(error: &FilterError) -> Error {
    Error::new(Kind::CannotRun, "read the filter", error.to_string())
        .next("the syntax is tcpdump's (man pcap-filter), plus stream N, app and expert")
}
