//! One run: frames are gathered, dissected and shown.

use std::fs::File;
use std::io::{self, Write as _};

use super::Threads;
use super::notes::Notes;
use super::output::Output;
use super::pipeline::Pipeline;
use crate::capfile::{ByteOrder, Frame, HostNames, Interface, order_of};
use crate::commands::serving::tell;
use crate::dissect::{Dissector, Event, Settings, Totals};
use crate::error::{Error, Kind, Result};
use crate::filter::{FilterError, from_display_filter};
use crate::render::decode::view::PIECE;
use crate::render::decode::{Buffer, View};
use crate::sys::capture::FrameHandler;
use crate::sys::terminal::Progress;

/// A run.
pub(in crate::commands) struct Session {
    work: Work,
    /// Where the frames that are selected are written to, if not to standard output.
    output: Option<Output>,
    pub(in crate::commands) progress: Option<Progress>,
    notes: Notes,
    /// Of the section of the capture, if that is pcapng.
    order: ByteOrder,
    /// How many there were.
    frames: u64,
    /// How many the capture lost, as the file says.
    dropped: u64,
    /// After this many frames, more threads are started.
    alone: u64,
}

/// Who does the work.
enum Work {
    /// This thread.
    Here(Box<Here>),
    /// Several.
    Shared(Box<Pipeline>),
    /// Nobody, while one of the above becomes the other.
    Changing,
}

struct Here {
    dissector: Dissector,
    view: View,
    out: Out,
}

/// For fewer frames, threads are not worth their start.
const FEW: u64 = 2_000;

/// Standard output or a file, and what waits to be written to it.
pub(super) struct Out {
    buffer: Buffer,
    /// The file that takes the place of standard output, and its name.
    file: Option<(File, String)>,
    failed: Option<io::Error>,
}

impl Out {
    /// Writes bytes as they stand.
    pub(in crate::commands) fn bytes(&mut self, bytes: &[u8]) {
        self.buffer.bytes(bytes);
        if self.buffer.len() >= PIECE {
            self.write();
        }
    }

    fn write(&mut self) {
        write(&mut self.buffer, &mut self.file, &mut self.failed);
    }

    /// The first thing that could not be written.
    pub(super) fn failure(&mut self) -> Option<Error> {
        let error = self.failed.take()?;
        Some(match &self.file {
            Some((_, name)) => Error::os(Kind::CannotRun, "write", &error).on(name),
            None => Error::output(error),
        })
    }

    pub(in crate::commands) fn flush(&mut self) -> Result<()> {
        self.write();
        self.failure().map_or(Ok(()), Err)
    }
}

/// Writes what waits. What cannot be written is lost, and the first error is kept.
fn write(buffer: &mut Buffer, file: &mut Option<(File, String)>, failed: &mut Option<io::Error>) {
    let written = if let Some((file, _)) = file {
        file.write_all(buffer.as_bytes())
    } else {
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(buffer.as_bytes());
        written.and_then(|()| stdout.flush())
    };
    if let Err(error) = written {
        failed.get_or_insert(error);
    }
    buffer.clear();
}

impl Session {
    /// Before the first frame. A run whose frames are written to a file, or that ends early, has one thread: it
    /// reads nothing that it does not need.
    pub(super) fn new(
        settings: Settings,
        view: View,
        output: Option<Output>,
        threads: Threads,
    ) -> Session {
        let is_short = output.is_some() || settings.limit.is_some();
        let alone = match threads {
            Threads::Auto if !is_short && processors() > 1 => FEW,
            Threads::Several if !is_short => 0,
            _ => u64::MAX,
        };
        let notes = Notes::of(&settings.filter);
        let mut here = Here {
            dissector: Dissector::new(settings),
            view,
            out: Out {
                buffer: Buffer::with_capacity(PIECE + 4096),
                file: None,
                failed: None,
            },
        };
        here.view.begin(&mut here.out.buffer);
        Session {
            work: Work::Here(Box::new(here)),
            output,
            progress: None,
            notes,
            order: ByteOrder::Little,
            frames: 0,
            dropped: 0,
            alone,
        }
    }

    /// A run that shows frames as they come.
    pub(in crate::commands) fn live(
        settings: Settings,
        view: View,
        output: Option<Output>,
    ) -> Session {
        Session::new(settings, view, output, Threads::Auto)
    }

    /// What is shown is written to a file of this name, not to standard output.
    pub(in crate::commands) fn write_to(&mut self, file: File, name: String) {
        if let Work::Here(here) = &mut self.work {
            here.out.file = Some((file, name));
        }
    }

    /// The capture lost this many frames.
    pub(in crate::commands) fn lost(&mut self, frames: u64) {
        self.dropped = frames;
    }

    /// Starts more threads.
    fn share(&mut self) -> Result<()> {
        if let Work::Here(here) = std::mem::replace(&mut self.work, Work::Changing) {
            let Here {
                dissector,
                view,
                out,
            } = *here;
            self.work = Work::Shared(Box::new(Pipeline::start(dissector, view, out)?));
        }
        self.alone = u64::MAX;
        Ok(())
    }

    /// Ends the other threads after what they have to do; the result is theirs.
    fn rejoin(&mut self) -> Result<()> {
        match std::mem::replace(&mut self.work, Work::Changing) {
            Work::Shared(pipeline) => {
                let (dissector, view, out, result) = pipeline.end();
                self.work = Work::Here(Box::new(Here {
                    dissector,
                    view,
                    out,
                }));
                result
            }
            work => {
                self.work = work;
                Ok(())
            }
        }
    }

    /// The capture is over; `complete` says that it was read to its end.
    pub(in crate::commands) fn finish(mut self, complete: bool) -> Result<Totals> {
        let result = self.rejoin();
        if let Err(error) = &result
            && error.kind == Kind::OutputClosed
        {
            result?;
            return Ok(Totals::default());
        }
        let complete = complete && result.is_ok();
        let Session {
            work,
            output,
            progress,
            dropped,
            notes,
            ..
        } = self;
        let Work::Here(here) = work else {
            return result.map(|()| Totals::default());
        };
        let Here {
            mut dissector,
            mut view,
            mut out,
        } = *here;
        dissector.dropped(dropped);
        if let Some(progress) = progress {
            progress.finish();
        }
        let totals = dissector.finish(complete, &mut |event| show(&mut view, &mut out, &event));
        out.flush()?;
        for note in view.notes()? {
            tell(&note);
        }
        if let Some(output) = output {
            if totals.selected == 0 && complete {
                notes.tell_empty(output.name(), &totals);
            }
            output.finish()?;
        }
        notes.tell(&totals);
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
        result.map(|()| totals)
    }
}

#[inline]
pub(super) fn show(view: &mut View, out: &mut Out, event: &Event<'_>) {
    let Out {
        buffer,
        file,
        failed,
    } = out;
    view.event(buffer, event, &mut |buffer| {
        write(buffer, file, failed);
    });
}

impl FrameHandler for Session {
    #[inline]
    fn frame(&mut self, frame: &Frame<'_>, interface: &Interface) -> Result<bool> {
        if self.frames >= self.alone {
            self.share()?;
        }
        self.frames += 1;
        let here = match &mut self.work {
            Work::Here(here) => here,
            Work::Shared(pipeline) => {
                let goes_on = pipeline.frame(frame, interface);
                return if goes_on {
                    Ok(true)
                } else {
                    self.rejoin().map(|()| false)
                };
            }
            Work::Changing => return Ok(false),
        };
        let Here {
            dissector,
            view,
            out,
        } = &mut **here;
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
        if let Some(output) = self.output.as_mut().filter(|_| is_selected) {
            output.frame(frame, interface)?;
        }
        if let Some(error) = out.failure() {
            return Err(error);
        }
        Ok(wants_more)
    }

    fn block(&mut self, block: &[u8]) {
        self.order = order_of(block, self.order);
        if let Some(output) = &mut self.output {
            output.block(block, self.order);
        }
        let Some(names) = HostNames::of(block, self.order) else {
            return;
        };
        match &mut self.work {
            Work::Here(here) => here.view.host_names(names),
            // A stage that has ended is noticed at the next frame.
            Work::Shared(pipeline) => _ = pipeline.host_names(names),
            Work::Changing => {}
        }
    }

    fn interfaces(&mut self, interfaces: &[Interface]) {
        let dropped = interfaces.iter().filter_map(|interface| interface.dropped);
        self.dropped = dropped.fold(0, u64::saturating_add);
    }

    fn progress(&mut self, offset: u64) {
        if let Some(progress) = &self.progress {
            progress.show(offset, format!("{} frames", self.frames));
        }
    }

    fn pause(&mut self) -> Result<()> {
        match &mut self.work {
            Work::Here(here) if !here.out.buffer.is_empty() => here.out.flush(),
            Work::Shared(pipeline) => {
                let goes_on = pipeline.flush();
                if goes_on { Ok(()) } else { self.rejoin() }
            }
            _ => Ok(()),
        }
    }
}

/// How many processors this process may use.
fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A filter that cannot be used, as an error of the command.
pub(in crate::commands) fn filter_error(error: &FilterError) -> Error {
    if let Some(words) = from_display_filter(&error.text) {
        let cause = format!("'{}' is a Wireshark display filter", error.text);
        return Error::new(Kind::CannotRun, "read the filter", cause)
            .next(format!("the same here: '{words}'"));
    }
    Error::new(Kind::CannotRun, "read the filter", error.to_string()).next(
        "the syntax is tcpdump's (man pcap-filter), plus stream N, app, expert, sni and host-name",
    )
}
