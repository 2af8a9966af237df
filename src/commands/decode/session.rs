//! One run: frames are gathered, dissected and shown.

use std::fs::File;

use super::Threads;
use super::matching::Matching;
use super::notes::Notes;
use super::out::Out;
use super::output::Output;
use super::pipeline::Pipeline;
use crate::capfile::{ByteOrder, Frame, HostNames, Interface, order_of};
use crate::commands::serving::tell;
use crate::dissect::{Dissector, Event, Settings, Totals};
use crate::drops::{self, Dropped};
use crate::error::{Error, Kind, Result};
use crate::filter::{FilterError, from_display_filter};
use crate::render::decode::View;
use crate::sys::capture::FrameHandler;
use crate::sys::signals::Signals;
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
    /// Of what the kernel dropped.
    matching: Matching,
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
        let matching = Matching::new(settings.filter.clone());
        let mut here = Here {
            dissector: Dissector::new(settings),
            view,
            out: Out::new(),
        };
        here.view.begin(here.out.buffer());
        Session {
            work: Work::Here(Box::new(here)),
            output,
            progress: None,
            notes,
            order: ByteOrder::Little,
            matching,
            frames: 0,
            dropped: 0,
            alone,
        }
    }

    /// A run that shows frames as they come, and does not wait for a reader of standard output that is slower. Call
    /// it when the signals are blocked and privileges are dropped: it starts a thread.
    pub(in crate::commands) fn live(
        settings: Settings,
        view: View,
        output: Option<Output>,
    ) -> Result<Session> {
        let mut session = Session::new(settings, view, output, Threads::Auto);
        if let Work::Here(here) = &mut session.work {
            here.out.go_live()?;
        }
        Ok(session)
    }

    /// What is shown is written to a file of this name, not to standard output.
    pub(in crate::commands) fn write_to(&mut self, file: File, name: String) {
        if let Work::Here(here) = &mut self.work {
            here.out.write_to(file, name);
        }
    }

    /// The capture lost this many frames.
    pub(in crate::commands) fn lost(&mut self, frames: u64) {
        self.dropped = frames;
    }

    /// A packet that the kernel dropped, from a file: it is not one of the frames of which streams are made.
    fn dropped_in_file(
        &mut self,
        dropped: &Dropped,
        frame: &Frame<'_>,
        interface: &Interface,
    ) -> Result<bool> {
        if self.matching.has(frame)? {
            match &mut self.output {
                Some(output) => output.frame(frame, interface)?,
                None => self.dropped(dropped)?,
            }
        }
        Ok(true)
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

    /// The capture is over; `complete` says that it was read to its end. A signal ends the wait for the reader of a
    /// live run.
    pub(in crate::commands) fn finish(
        mut self,
        complete: bool,
        signals: Option<&Signals>,
    ) -> Result<Totals> {
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
        let totals = dissector.finish(complete, &mut |event| out.show(&mut view, &event));
        match signals {
            Some(signals) => out.finish(signals)?,
            None => out.flush()?,
        }
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

impl FrameHandler for Session {
    #[inline]
    fn frame(&mut self, frame: &Frame<'_>, interface: &Interface) -> Result<bool> {
        if frame.link == drops::LINK
            && let Some(dropped) = Dropped::of_frame(frame, interface)
        {
            return self.dropped_in_file(&dropped, frame, interface);
        }
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
                out.show(view, &event);
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

    fn dropped(&mut self, dropped: &Dropped) -> Result<()> {
        if let Some(output) = &mut self.output {
            return output.dropped(dropped);
        }
        match &mut self.work {
            Work::Here(here) => {
                let here = &mut **here;
                here.view.dropped(here.out.buffer(), dropped);
                here.out.bytes(&[]);
                here.out.failure().map_or(Ok(()), Err)
            }
            Work::Shared(pipeline) => {
                let goes_on = pipeline.dropped(dropped);
                if goes_on { Ok(()) } else { self.rejoin() }
            }
            Work::Changing => Ok(()),
        }
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
            Work::Here(here) if !here.out.is_empty() => here.out.flush(),
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
