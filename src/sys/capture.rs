//! A capture file, mapped or read, and its frames in sequence.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use memmap2::{Advice, Mmap, UncheckedAdvice};
use nix::poll::{PollFd, PollFlags};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

use crate::capfile::{
    CaptureError, Compression, Count, Frame, Interface, SliceReader, StreamReader, UnpackError,
    Unpacker,
};
use crate::drops::Dropped;
use crate::error::{Error, Kind, Result};
use crate::reference::Circumstance;
use crate::sys::files;
use crate::sys::signals::Signals;
use crate::sys::waiting::{ready_by, ready_within};

/// Bytes that are read from a pipe at once.
const PIECE: usize = 1 << 20;
/// A file that was written to this recently may still be: it is read, not mapped.
const STILL: Duration = Duration::from_secs(2);

/// Handles the frames of a capture.
pub trait FrameHandler {
    /// The next frame, and what it was captured on. `false` says that this is enough.
    fn frame(&mut self, frame: &Frame<'_>, interface: &Interface) -> Result<bool>;
    /// A block of a pcapng file that has no frame; the file's interfaces are known without it.
    fn block(&mut self, _block: &[u8]) {}
    /// The file is read to its end: what is known of its interfaces then.
    fn interfaces(&mut self, _interfaces: &[Interface]) {}
    /// A packet that the kernel dropped, between the frames that came before and after it.
    fn dropped(&mut self, _dropped: &Dropped) -> Result<()> {
        Ok(())
    }
    /// This many bytes of the file were read; comes about every megabyte.
    fn progress(&mut self, offset: u64);
    /// The user asks for what is kept (SIGUSR1); this was counted until now.
    fn requested(&mut self, _counts: &[Count]) -> Result<()> {
        Ok(())
    }
    /// The next frame may be long in coming: what waits for more should not.
    fn pause(&mut self) -> Result<()>;
    /// Something else than frames is waited for: `pause` comes at this time at the latest.
    fn due(&self) -> Option<Instant> {
        None
    }
}

/// An open capture file.
#[derive(Debug)]
pub struct Capture {
    name: String,
    file: File,
    map: Option<Mmap>,
    is_regular: bool,
    /// Of what is not a file: a signal ends it as its writer would.
    signals: Option<Signals>,
}

/// After a signal, what the writer has still to write is waited for this long.
const GRACE: Duration = Duration::from_millis(200);

/// What a capture is read from. A signal that asks to end is its end: what was captured is in it, and the
/// program at the other end of a pipe often gets the same signal from the terminal.
struct Source<'a> {
    file: &'a File,
    signals: Option<&'a Signals>,
    /// After a signal.
    until: Option<Instant>,
    /// The end of what was read is that of the time.
    is_stopped: &'a Cell<bool>,
}

impl Source<'_> {
    /// Waits for more; false if a signal ended that.
    fn wait(&mut self, signals: &Signals) -> io::Result<bool> {
        loop {
            let mut fds = [
                PollFd::new(self.file.as_fd(), PollFlags::POLLIN),
                PollFd::new(signals.as_fd(), PollFlags::POLLIN),
            ];
            ready_by(&mut fds, self.until)?;
            let has_more = fds[0].any() == Some(true);
            let is_late = self.until.is_some_and(|until| until <= Instant::now());
            if signals.take() > 0 {
                if self.until.is_some() {
                    return Ok(false);
                }
                self.until = Some(Instant::now() + GRACE);
                self.is_stopped.set(true);
            } else if is_late {
                return Ok(false);
            }
            if has_more {
                return Ok(true);
            }
        }
    }
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(signals) = self.signals
            && !self.wait(signals)?
        {
            return Ok(0);
        }
        read(&mut self.file, buffer)
    }
}

impl Capture {
    /// Opens a file; `-` is standard input.
    pub fn open(path: &Path) -> Result<Capture> {
        let file = files::open(path)?;
        let name = match path.to_str() {
            Some("-") => "standard input".to_owned(),
            _ => path.display().to_string(),
        };
        let metadata = file.metadata().map_err(|error| failure(&name, &error))?;
        let is_regular = metadata.is_file();
        let age = metadata
            .modified()
            .ok()
            .and_then(|time| SystemTime::now().duration_since(time).ok());
        // Standard input may stand anywhere in its file.
        let may_map = is_regular
            && metadata.len() > 0
            && path.as_os_str() != "-"
            && age.is_some_and(|age| age > STILL);
        let map = if may_map { map(&file) } else { None };
        let signals = if is_regular {
            None
        } else {
            Some(Signals::open()?)
        };
        Ok(Capture {
            name,
            file,
            map,
            is_regular,
            signals,
        })
    }

    /// Whether this is the file at a path, by whatever name.
    pub fn is_at(&self, path: &Path) -> bool {
        let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
        let own = self.file.metadata().map(identity);
        let other = std::fs::metadata(path).map(identity);
        self.is_regular && matches!((own, other), (Ok(own), Ok(other)) if own == other)
    }

    /// How many bytes it has, if known.
    pub fn length(&self) -> Option<u64> {
        let metadata = self.file.metadata().ok()?;
        self.is_regular.then_some(metadata.len())
    }

    /// Hands on all frames. Where the file is damaged that is the error, after everything in front of
    /// the damage was handed on.
    pub fn frames(&mut self, handler: &mut impl FrameHandler) -> Result<()> {
        if let Some(map) = self.map.as_ref()
            && Compression::of(map).is_none()
        {
            return self.mapped(map, handler);
        }
        let is_stopped = Cell::new(false);
        let mut source = Source {
            file: &self.file,
            signals: self.signals.as_ref(),
            until: None,
            is_stopped: &is_stopped,
        };
        let mut first = vec![0; Compression::MAGIC_LEN];
        let filled = fill(&mut source, &mut first).map_err(|error| failure(&self.name, &error))?;
        first.truncate(filled);
        let result = match Compression::of(&first) {
            Some(compression) => {
                let whole = io::Cursor::new(first).chain(source);
                self.packed(compression, whole, handler)
            }
            None => self.streamed(first, source, handler),
        };
        match result {
            // The end that a signal makes is nowhere in particular.
            Err(error) if error.kind == Kind::BadAnswer && is_stopped.get() => Ok(()),
            result => result,
        }
    }

    /// A file that is mapped.
    fn mapped(&self, map: &Mmap, handler: &mut impl FrameHandler) -> Result<()> {
        let mut reader = SliceReader::new(map);
        let (mut checked, mut released) = (0, 0);
        loop {
            let (frame, interface) =
                match reader.next_with_interface(&mut |block| handler.block(block)) {
                    Ok(Some(next)) => next,
                    Ok(None) => {
                        handler.interfaces(reader.interfaces());
                        return Ok(());
                    }
                    Err(error) => return Err(self.damaged(&error)),
                };
            if frame.offset >= checked {
                checked = frame.offset + PIECE as u64;
                self.still_whole(map)?;
                released = release(map, released, frame.offset);
                handler.progress(frame.offset);
            }
            if !handler.frame(&frame, interface)? {
                return Ok(());
            }
        }
    }

    /// Reading what was cut off from a mapped file is a fault that ends the process.
    fn still_whole(&self, map: &Mmap) -> Result<()> {
        let length = self
            .file
            .metadata()
            .map_err(|error| failure(&self.name, &error))?
            .len();
        if length < map.len() as u64 {
            let cause = format!(
                "the file shrank while it was being read: {} bytes, now {length}",
                map.len()
            );
            return Err(Error::new(Kind::BadAnswer, "read", cause).on(&self.name));
        }
        Ok(())
    }

    /// A pipe, or a file that may still grow.
    fn streamed(
        &self,
        first: Vec<u8>,
        mut source: Source<'_>,
        handler: &mut impl FrameHandler,
    ) -> Result<()> {
        let mut pending = first;
        self.fed(handler, |buffer| {
            if !pending.is_empty() {
                buffer[..pending.len()].copy_from_slice(&pending);
                return Ok(std::mem::take(&mut pending).len());
            }
            let count = source.read(buffer);
            count.map_err(|error| failure(&self.name, &error))
        })
    }

    /// A compressed file.
    fn packed(
        &self,
        compression: Compression,
        input: impl Read,
        handler: &mut impl FrameHandler,
    ) -> Result<()> {
        let window = Unpacker::<&[u8]>::DEFAULT_WINDOW;
        let mut unpacker = Unpacker::new(compression, input, window);
        self.fed(handler, |buffer| {
            unpacker
                .unpack(buffer)
                .map_err(|error| self.not_unpacked(&error))
        })
    }

    /// Feeds a reader from `more` until that gives nothing.
    fn fed(
        &self,
        handler: &mut impl FrameHandler,
        mut more: impl FnMut(&mut [u8]) -> Result<usize>,
    ) -> Result<()> {
        let mut reader = StreamReader::new();
        let mut buffer = vec![0; PIECE];
        let mut broken = None;
        loop {
            if !self.is_regular && !self.has_more() {
                handler.pause()?;
            }
            match more(&mut buffer) {
                Ok(0) => reader.end(),
                Ok(count) => reader.feed(&buffer[..count]),
                // The data unpacked before is complete; this error reports that it ends.
                Err(error) => broken = Some(error),
            }
            loop {
                match reader.next_with_interface(&mut |block| handler.block(block)) {
                    Ok(Some((frame, interface))) => {
                        if !handler.frame(&frame, interface)? {
                            return Ok(());
                        }
                    }
                    Ok(None) => break,
                    Err(error) => return Err(self.damaged(&error)),
                }
            }
            if let Some(error) = broken {
                return Err(error);
            }
            if reader.is_over() {
                handler.interfaces(reader.interfaces());
                return Ok(());
            }
            handler.progress(reader.offset());
        }
    }

    /// Whether reading would not wait.
    fn has_more(&self) -> bool {
        let mut fds = [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)];
        ready_within(&mut fds, Some(Duration::ZERO)).unwrap_or(false)
    }

    fn damaged(&self, error: &CaptureError) -> Error {
        let found = Error::new(Kind::BadAnswer, "read", error.to_string()).on(&self.name);
        match error.converter() {
            Some(command) => found.next(command.replace("FILE", &self.name)),
            None => found,
        }
    }

    fn not_unpacked(&self, error: &UnpackError) -> Error {
        match error {
            UnpackError::Input(error) => failure(&self.name, error),
            error => Error::new(Kind::BadAnswer, "unpack", error.to_string()).on(&self.name),
        }
    }
}

/// Reads until the buffer is full or the file ends.
fn fill(source: &mut Source<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

fn read(file: &mut &File, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Maps a file; if that fails it can be read.
fn map(file: &File) -> Option<Mmap> {
    end_well_on_sigbus()?;
    // SAFETY: the bytes are only read, as bytes, of which every value is valid. Who shortens the file
    // makes reading them a SIGBUS, which ends the process with a message.
    let map = unsafe { Mmap::map(file) }.ok()?;
    // Without this it is slower, not wrong.
    let _ = map.advise(Advice::Sequential);
    Some(map)
}

/// Gives back the pages that were read, which count as memory of the process, up to this offset.
fn release(map: &Mmap, from: usize, offset: u64) -> usize {
    let to = usize::try_from(offset).unwrap_or(from);
    // SAFETY: the map is of a file and is never written to: a page that is used again is read again.
    let _ = unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, from, to - from) };
    to
}

/// Says on SIGBUS what has happened, and ends.
fn end_well_on_sigbus() -> Option<()> {
    extern "C" fn say_and_end(_: libc::c_int) {
        const WORDS: &[u8] = b"sockdoc: read: the capture file shrank while it was being read\n";
        // SAFETY: write and _exit are async-signal-safe (signal-safety(7)), and the words live forever.
        unsafe {
            libc::write(libc::STDERR_FILENO, WORDS.as_ptr().cast(), WORDS.len());
            libc::_exit(1);
        }
    }
    let action = SigAction::new(
        SigHandler::Handler(say_and_end),
        SaFlags::empty(),
        SigSet::empty(),
    );
    // SAFETY: the handler does nothing but what a signal handler may.
    unsafe { sigaction(Signal::SIGBUS, &action) }.ok().map(drop)
}

fn failure(name: &str, error: &io::Error) -> Error {
    Error::os(Kind::CannotRun, "read", error)
        .under(Circumstance::File)
        .on(name)
}
