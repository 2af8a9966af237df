//! What streams carry, written to files.
//!
//! # Invariants
//!
//! - The names of files are made of numbers and our own words: nothing in the capture decides where something is
//!   written. No file is written over, and no symbolic link is followed.
//! - There are at most [`MOST_FILES`] files with [`MOST_BYTES`] bytes in all; what is left out is counted.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::dissect::{Frame, Totals};
use crate::error::Result;
use crate::render::decode::{Buffer, EventWriter};
use crate::render::table::Table;
use crate::render::thousands;
use crate::stream::{Endpoint, Event, Piece, StreamRef};
use crate::sys::files;

/// Files in all.
const MOST_FILES: usize = 10_000;
/// Bytes in all of them.
const MOST_BYTES: u64 = 4 << 30;
/// Files that are open at the same time.
const MOST_OPEN: usize = 64;

/// Writes what each end of a stream sent to a file.
pub(super) struct Extract {
    folder: PathBuf,
    /// By stream, the client's first.
    sinks: BTreeMap<(u32, bool), Sink>,
    /// Those whose files are open, the oldest first.
    open: VecDeque<(u32, bool)>,
    /// Data of the frame at hand: whether that is selected is not known yet.
    waiting: Vec<(StreamRef, Waiting)>,
    bytes: u64,
    left_out: u64,
    failed: Option<crate::error::Error>,
}

enum Waiting {
    Data(Vec<u8>),
    Gap(u32),
}

/// A file.
struct Sink {
    path: PathBuf,
    file: Option<File>,
    from: Endpoint,
    to: Endpoint,
    bytes: u64,
    missing: u64,
}

impl Extract {
    pub(super) fn new(folder: &Path) -> Extract {
        Extract {
            folder: folder.to_owned(),
            sinks: BTreeMap::new(),
            open: VecDeque::new(),
            waiting: Vec::new(),
            bytes: 0,
            left_out: 0,
            failed: None,
        }
    }

    fn piece(&mut self, stream: &StreamRef, piece: Piece<'_>) {
        if self.failed.is_none()
            && let Err(error) = self.write(stream, piece)
        {
            self.failed = Some(error);
        }
    }

    fn write(&mut self, stream: &StreamRef, piece: Piece<'_>) -> Result<()> {
        let key = (stream.number, !stream.from_client);
        let is_new = !self.sinks.contains_key(&key);
        let bytes = match piece {
            Piece::Data(bytes) => bytes,
            Piece::Gap(length) => {
                if let Some(sink) = self.sinks.get_mut(&key) {
                    sink.missing += u64::from(length);
                }
                return Ok(());
            }
        };
        let length = bytes.len() as u64;
        let is_full = is_new && self.sinks.len() >= MOST_FILES;
        if is_full || self.bytes + length > MOST_BYTES {
            self.left_out += length;
            return Ok(());
        }
        let sink = self.sinks.entry(key).or_insert_with(|| {
            let end = if stream.from_client {
                "client"
            } else {
                "server"
            };
            Sink {
                path: self
                    .folder
                    .join(format!("stream-{:05}-{end}", stream.number)),
                file: None,
                from: stream.source,
                to: stream.destination,
                bytes: 0,
                missing: 0,
            }
        });
        if sink.file.is_none() {
            sink.file = Some(if is_new {
                files::create_new(&sink.path)?
            } else {
                files::append(&sink.path)?
            });
            self.open.push_back(key);
        }
        if let Some(file) = &mut sink.file {
            files::write_all(file, &sink.path, bytes)?;
            sink.bytes += length;
            self.bytes += length;
        }
        if self.open.len() > MOST_OPEN
            && let Some(oldest) = self.open.pop_front()
            && let Some(sink) = self.sinks.get_mut(&oldest)
        {
            sink.file = None;
        }
        Ok(())
    }
}

impl EventWriter for Extract {
    fn stream(&mut self, out: &mut Buffer, event: &Event<'_>) {
        let Event::Data(stream, piece) = event else {
            return;
        };
        // What is written for a frame is forgotten after it: this tells where the next one begins.
        if out.is_empty() {
            self.waiting.clear();
            out.byte(b'.');
        }
        let piece = match piece {
            Piece::Data(bytes) => Waiting::Data(bytes.to_vec()),
            Piece::Gap(length) => Waiting::Gap(*length),
        };
        self.waiting.push((**stream, piece));
    }

    fn frame(&mut self, _out: &mut Buffer, _frame: &Frame<'_>, pending: &[u8]) {
        for (stream, piece) in std::mem::take(&mut self.waiting) {
            if pending.is_empty() {
                break;
            }
            match piece {
                Waiting::Data(bytes) => self.piece(&stream, Piece::Data(&bytes)),
                Waiting::Gap(length) => self.piece(&stream, Piece::Gap(length)),
            }
        }
    }

    fn between_frames(
        &mut self,
        _out: &mut Buffer,
        event: &Event<'_>,
        _flush: &mut dyn FnMut(&mut Buffer),
    ) {
        if let Event::Data(stream, piece) = event {
            self.piece(stream, *piece);
        }
    }

    fn end(&mut self, out: &mut Buffer, _totals: &Totals, flush: &mut dyn FnMut(&mut Buffer)) {
        let mut table = Table::new()
            .header(&["FILE", "FROM", "TO", "BYTES", "MISSING"])
            .right(3)
            .right(4);
        for sink in self.sinks.values() {
            let name = sink.path.file_name().unwrap_or_default();
            table.row(&[
                name.to_string_lossy().into_owned(),
                SocketAddr::from(sink.from).to_string(),
                SocketAddr::from(sink.to).to_string(),
                thousands(sink.bytes),
                thousands(sink.missing),
            ]);
        }
        // Writing to memory does not fail.
        let _ = table.write(out, None);
        flush(out);
    }

    fn notes(&mut self) -> Result<Vec<String>> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let mut notes = Vec::new();
        if self.left_out > 0 {
            notes.push(format!(
                "--extract: {} bytes left out: at most {} files with {} bytes are written",
                thousands(self.left_out),
                thousands(MOST_FILES as u64),
                thousands(MOST_BYTES)
            ));
        }
        Ok(notes)
    }
}
