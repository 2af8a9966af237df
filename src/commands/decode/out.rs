//! Where a run is shown: standard output, or a file in its place.

use std::fs::File;
use std::io::{self, Write as _};
use std::time::Duration;

use crate::commands::serving::tell;
use crate::dissect::Event;
use crate::error::{Error, Kind, Result};
use crate::render::counted;
use crate::render::decode::view::PIECE;
use crate::render::decode::{Buffer, View};
use crate::sys::outlet::Outlet;
use crate::sys::signals::Signals;

/// Standard output or a file, and what waits to be written to it.
pub(super) struct Out {
    buffer: Buffer,
    sink: Sink,
    failed: Option<io::Error>,
}

enum Sink {
    Stdout,
    /// The file that takes its place, and its name.
    File(File, String),
    /// Standard output of a live run, which does not wait for its reader.
    Live(Outlet),
}

/// A live run waits this long for its reader, once: the packets that come meanwhile have room in the kernel.
const PATIENCE: Duration = Duration::from_millis(500);
/// A reader that was too slow gets this long for what is left at the end.
const LAST_READ: Duration = Duration::from_secs(2);
/// Others, who may be people that page through it, get all the time until a signal comes.
const FOREVER: Duration = Duration::from_hours(24 * 365);

impl Out {
    /// To standard output.
    pub(super) fn new() -> Out {
        Out {
            buffer: Buffer::with_capacity(PIECE + 4096),
            sink: Sink::Stdout,
            failed: None,
        }
    }

    /// To a file of this name.
    pub(super) fn write_to(&mut self, file: File, name: String) {
        self.sink = Sink::File(file, name);
    }

    /// To standard output, without waiting for its reader. Call it when the signals are blocked.
    pub(super) fn go_live(&mut self) -> Result<()> {
        // What fails is taken from it when more is written.
        self.sink = Sink::Live(Outlet::start(|_| {})?);
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// What is appended to it is written sooner or later.
    pub(super) fn buffer(&mut self) -> &mut Buffer {
        &mut self.buffer
    }

    /// Writes bytes as they stand.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.buffer.bytes(bytes);
        if self.buffer.len() >= PIECE {
            self.write();
        }
    }

    /// Shows an event.
    #[inline]
    pub(super) fn show(&mut self, view: &mut View, event: &Event<'_>) {
        let Out {
            buffer,
            sink,
            failed,
        } = self;
        view.event(buffer, event, &mut |buffer| sink.write(buffer, failed));
    }

    /// The first thing that could not be written.
    pub(super) fn failure(&mut self) -> Option<Error> {
        let error = self.failed.take()?;
        Some(match &self.sink {
            Sink::File(_, name) => Error::os(Kind::CannotRun, "write", &error).on(name),
            _ => Error::output(error),
        })
    }

    pub(super) fn flush(&mut self) -> Result<()> {
        self.write();
        self.failure().map_or(Ok(()), Err)
    }

    /// The end of a live run: its reader gets what is left, unless it was too slow before or a signal comes.
    pub(super) fn finish(mut self, signals: &Signals) -> Result<()> {
        self.flush()?;
        let Sink::Live(outlet) = &self.sink else {
            return Ok(());
        };
        let patience = if outlet.has_lost() {
            LAST_READ
        } else {
            FOREVER
        };
        let lines = outlet.finish(signals, patience).events;
        if let Some(error) = outlet.failure() {
            return Err(Error::output(error));
        }
        if lines > 0 {
            tell(&format!(
                "{} not printed: the reader of standard output is too slow",
                counted(lines, "line")
            ));
        }
        Ok(())
    }

    fn write(&mut self) {
        self.sink.write(&mut self.buffer, &mut self.failed);
    }
}

impl Sink {
    /// Writes what waits. What cannot be written is lost, and the first error is kept.
    fn write(&mut self, buffer: &mut Buffer, failed: &mut Option<io::Error>) {
        let written = match self {
            Sink::File(file, _) => file.write_all(buffer.as_bytes()),
            Sink::Stdout => {
                let mut stdout = io::stdout().lock();
                let written = stdout.write_all(buffer.as_bytes());
                written.and_then(|()| stdout.flush())
            }
            Sink::Live(outlet) => {
                push(outlet, buffer.as_bytes());
                outlet.failure().map_or(Ok(()), Err)
            }
        };
        if let Err(error) = written {
            failed.get_or_insert(error);
        }
        buffer.clear();
    }
}

/// What finds no room is lost; the outlet counts it, in lines.
fn push(outlet: &Outlet, bytes: &[u8]) {
    let lines = bytes.split(|byte| *byte == b'\n').count() as u64 - 1;
    let mut patience = PATIENCE;
    let _ = outlet.push(bytes, lines, &mut patience);
}
