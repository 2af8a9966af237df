//! What streams carry, written to files: the bytes of each end, and the bodies of HTTP messages.
//!
//! # Invariants
//!
//! - The names of files begin with our own words and numbers. What the capture adds to them is [`last_part`]: nothing in
//!   the capture decides where something is written. No file is written over, and no symbolic link is followed.
//! - There are at most [`MOST_FILES`] files with [`MOST_BYTES`] bytes in all, unpacked ones too; what is left out is
//!   counted. A body is unpacked from a file to a file, to at most [`MOST_UNPACKED`] bytes.
//! - Bodies are looked for in at most [`MOST_TALKS`] streams at the same time, the youngest.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::capfile::{Compression, Unpacker};
use crate::dissect::{Frame, Totals};
use crate::error::Result;
use crate::protocol::bodies::{Bodies, Found, Head};
use crate::render::decode::{Buffer, EventWriter};
use crate::render::table::Table;
use crate::render::{counted, escape, thousands};
use crate::stream::{Endpoint, Event, Piece, StreamRef};
use crate::sys::files;

/// Files in all.
const MOST_FILES: usize = 10_000;
/// Bytes in all of them.
const MOST_BYTES: u64 = 4 << 30;
/// Bytes of a body that was packed.
const MOST_UNPACKED: u64 = 256 << 20;
/// Files that are open at the same time.
const MOST_OPEN: usize = 64;
/// Streams in which bodies are looked for at the same time.
const MOST_TALKS: usize = 4096;

/// Writes what each end of a stream sent to a file.
pub(super) struct Extract {
    files: Files,
    talks: BTreeMap<u32, Talk>,
    /// In streams with lower numbers bodies are not looked for any more.
    first_talk: u32,
    /// Data of the frame at hand: whether that is selected is not known yet.
    waiting: Vec<(StreamRef, Waiting)>,
    failed: Option<crate::error::Error>,
}

enum Waiting {
    Data(Vec<u8>),
    Gap(u32),
}

/// A stream in which bodies are looked for.
struct Talk {
    /// One direction of it.
    stream: StreamRef,
    bodies: Bodies,
    /// By end, the client's first: how many bodies have begun.
    counts: [u32; 2],
}

/// What a file holds: the stream, whether it is the server's end, and the number of the body; 0 stands for the bytes of
/// the end themselves.
type Key = (u32, bool, u32);

/// The files, and how much may still be written.
struct Files {
    folder: PathBuf,
    sinks: BTreeMap<Key, Sink>,
    /// Those whose files are open, the oldest first.
    open: VecDeque<Key>,
    bytes: u64,
    left_out: u64,
    /// Bodies that could not be unpacked, or not all of them.
    still_packed: u64,
}

/// A file.
struct Sink {
    path: PathBuf,
    file: Option<File>,
    from: Endpoint,
    to: Endpoint,
    bytes: u64,
    missing: u64,
    /// Of a body: what it is.
    about: String,
    /// How it is packed, if that can be undone here.
    packed: Option<Compression>,
}

impl Extract {
    pub(super) fn new(folder: &Path) -> Extract {
        Extract {
            files: Files {
                folder: folder.to_owned(),
                sinks: BTreeMap::new(),
                open: VecDeque::new(),
                bytes: 0,
                left_out: 0,
                still_packed: 0,
            },
            talks: BTreeMap::new(),
            first_talk: 0,
            waiting: Vec::new(),
            failed: None,
        }
    }

    fn piece(&mut self, stream: &StreamRef, piece: Piece<'_>) {
        if self.failed.is_none()
            && let Err(error) = self.take(stream, piece)
        {
            self.failed = Some(error);
        }
    }

    fn take(&mut self, stream: &StreamRef, piece: Piece<'_>) -> Result<()> {
        let key = (stream.number, !stream.from_client, 0);
        match piece {
            Piece::Data(bytes) => self.files.write(key, stream, None, bytes)?,
            Piece::Gap(length) => self.files.missing(key, u64::from(length)),
        }
        if stream.number < self.first_talk {
            return Ok(());
        }
        let talk = self.talks.entry(stream.number).or_insert_with(|| Talk {
            stream: *stream,
            bodies: Bodies::default(),
            counts: [0, 0],
        });
        talk.take(&mut self.files, |bodies, found| match piece {
            Piece::Data(bytes) => bodies.data(stream.from_client, bytes, found),
            Piece::Gap(length) => bodies.gap(stream.from_client, length, found),
        })?;
        if self.talks.len() > MOST_TALKS {
            self.end_talk()?;
        }
        Ok(())
    }

    /// Ends the search in the oldest stream.
    fn end_talk(&mut self) -> Result<()> {
        let Some((number, mut talk)) = self.talks.pop_first() else {
            return Ok(());
        };
        self.first_talk = number + 1;
        talk.take(&mut self.files, Bodies::end)
    }
}

impl Talk {
    /// Writes what is found by what the closure feeds.
    fn take(
        &mut self,
        files: &mut Files,
        feed: impl FnOnce(&mut Bodies, &mut dyn FnMut(bool, Found<'_>)),
    ) -> Result<()> {
        let mut result = Ok(());
        let (stream, counts) = (&self.stream, &mut self.counts);
        feed(&mut self.bodies, &mut |from_client, found| {
            let count = &mut counts[usize::from(!from_client)];
            if matches!(found, Found::Begin(_)) {
                *count += 1;
            }
            let key = (stream.number, !from_client, *count);
            if result.is_ok() {
                result = files.body(key, stream, &found);
            }
        });
        result
    }
}

impl Files {
    fn body(&mut self, key: Key, stream: &StreamRef, found: &Found<'_>) -> Result<()> {
        match found {
            Found::Begin(head) => self.write(key, stream, Some(head), &[]),
            Found::Data(bytes) => self.write(key, stream, None, bytes),
            Found::Missing(length) => {
                self.missing(key, *length);
                Ok(())
            }
            Found::End(is_whole) => self.unpack(key, *is_whole),
        }
    }

    fn missing(&mut self, key: Key, length: u64) {
        if let Some(sink) = self.sinks.get_mut(&key) {
            sink.missing += length;
        }
    }

    /// Writes bytes to a file, which is made if it is not there; a body's is made when its head is given.
    fn write(
        &mut self,
        key: Key,
        stream: &StreamRef,
        head: Option<&Head>,
        bytes: &[u8],
    ) -> Result<()> {
        let length = bytes.len() as u64;
        let is_new = !self.sinks.contains_key(&key);
        let is_refused = is_new && (self.sinks.len() >= MOST_FILES || key.2 > 0 && head.is_none());
        if is_refused || self.bytes + length > MOST_BYTES {
            self.left_out += length;
            return Ok(());
        }
        let folder = &self.folder;
        let sink = self
            .sinks
            .entry(key)
            .or_insert_with(|| Sink::new(folder, key, stream, head));
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

    /// Closes the file of a body, and unpacks it into another one, which takes its place.
    fn unpack(&mut self, key: Key, is_whole: bool) -> Result<()> {
        self.open.retain(|open| *open != key);
        let Some(sink) = self.sinks.get_mut(&key) else {
            return Ok(());
        };
        sink.file = None;
        let Some(compression) = sink.packed.take() else {
            return Ok(());
        };
        let packed = std::mem::take(&mut sink.path);
        sink.path = packed.with_extension("");
        let room = MOST_UNPACKED.min(MOST_BYTES - self.bytes);
        let (bytes, is_all) = unpacked(compression, &packed, &sink.path, room)?;
        self.still_packed += u64::from(!is_all);
        if bytes == 0 && !is_all {
            files::remove(&sink.path)?;
            sink.path = packed;
            return Ok(());
        }
        self.bytes += bytes;
        if is_all && is_whole {
            files::remove(&packed)?;
            self.bytes -= sink.bytes;
        }
        sink.bytes = bytes;
        Ok(())
    }
}

/// Unpacks a file into a new one: how many bytes there are, and whether they are all.
fn unpacked(compression: Compression, from: &Path, to: &Path, room: u64) -> Result<(u64, bool)> {
    const AT_ONCE: usize = 64 << 10;
    /// What a body may ask for of the memory of zstd (RFC 9659).
    const WINDOW: u64 = 8 << 20;
    let mut unpacker = Unpacker::new(compression, files::open(from)?, WINDOW);
    let mut file = files::create_new(to)?;
    let (mut buffer, mut bytes) = (vec![0; AT_ONCE], 0);
    loop {
        match unpacker.unpack(&mut buffer) {
            Ok(0) => return Ok((bytes, true)),
            Ok(count) if bytes + count as u64 > room => return Ok((bytes, false)),
            Ok(count) => {
                files::write_all(&mut file, to, &buffer[..count])?;
                bytes += count as u64;
            }
            Err(_) => return Ok((bytes, false)),
        }
    }
}

impl Sink {
    fn new(
        folder: &Path,
        (number, is_server, body): Key,
        stream: &StreamRef,
        head: Option<&Head>,
    ) -> Sink {
        let end = if is_server { "server" } else { "client" };
        let mut name = format!("stream-{number:05}-{end}");
        let (mut about, mut packed) = (String::new(), None);
        if let Some(head) = head {
            name = format!("{name}-{body:03}-{}", last_part(&head.target));
            let status = head
                .status
                .map_or(String::new(), |status| format!("{status} "));
            about = format!("{status}{}", clipped(&head.target));
            packed = match head.coding.as_str() {
                "gzip" => Some(Compression::Gzip),
                "zstd" => Some(Compression::Zstd),
                _ => None,
            };
            if !head.coding.is_empty() {
                name = format!("{name}.{}", last_part(&head.coding));
            }
        }
        // Of the two ends of the stream, the one that sent this.
        let is_sender = stream.from_client != is_server;
        let (from, to) = if is_sender {
            (stream.source, stream.destination)
        } else {
            (stream.destination, stream.source)
        };
        Sink {
            path: folder.join(name),
            file: None,
            from,
            to,
            bytes: 0,
            missing: 0,
            about,
            packed,
        }
    }
}

/// The last part of the path of a target, made of characters that a shell and a file system take as they are. It is
/// never empty, and does not begin with a dot.
fn last_part(target: &str) -> String {
    const MOST: usize = 64;
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let last = path.rsplit('/').next().unwrap_or_default();
    let is_plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '.' | '_' | '-');
    let name: String = last
        .trim_start_matches('.')
        .chars()
        .take(MOST)
        .map(|it| if is_plain(it) { it } else { '_' })
        .collect();
    if name.is_empty() {
        return "body".to_owned();
    }
    name
}

/// A target as a table shows it.
fn clipped(target: &str) -> String {
    const MOST: usize = 60;
    match target.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", escape::text(&target[..end])),
        None => escape::text(target).into_owned(),
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
        while self.failed.is_none() && !self.talks.is_empty() {
            self.failed = self.end_talk().err();
        }
        let mut table = Table::new()
            .header(&["FILE", "FROM", "TO", "BYTES", "MISSING", "BODY"])
            .right(3)
            .right(4);
        for sink in self.files.sinks.values() {
            let name = sink.path.file_name().unwrap_or_default();
            table.row(&[
                name.to_string_lossy().into_owned(),
                SocketAddr::from(sink.from).to_string(),
                SocketAddr::from(sink.to).to_string(),
                thousands(sink.bytes),
                thousands(sink.missing),
                sink.about.clone(),
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
        if self.files.left_out > 0 {
            notes.push(format!(
                "--extract: {} bytes left out: at most {} files with {} bytes are written",
                thousands(self.files.left_out),
                thousands(MOST_FILES as u64),
                thousands(MOST_BYTES)
            ));
        }
        if self.files.still_packed > 0 {
            notes.push(format!(
                "--extract: the body of {} could not be unpacked to its end (damaged, cut, or more than {} bytes): the \
                 packed file is there too",
                counted(self.files.still_packed, "HTTP message"),
                thousands(MOST_UNPACKED)
            ));
        }
        Ok(notes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::capfile::Packer;

    #[test]
    fn a_name_from_the_capture_stays_in_the_folder() {
        for (target, name) in [
            ("/a/index.html?x=/../y", "index.html"),
            ("/", "body"),
            ("", "body"),
            ("/..", "body"),
            ("/a/../../etc/passwd", "passwd"),
            ("..\\..\\x\x1b[2J", "_.._x__2J"),
            ("/.bashrc", "bashrc"),
            ("/\u{202e}x", "_x"),
        ] {
            assert_eq!(last_part(target), name, "{target}");
        }
        assert_eq!(last_part(&"x".repeat(1000)).len(), 64);
    }

    #[test]
    fn a_body_is_unpacked_as_far_as_there_is_room() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = |name: &str| folder.path().join(name);
        let mut writer = Packer::new(Vec::new(), Some(Compression::Gzip));
        writer.write_all(&vec![0; 1 << 20]).expect("packed");
        let packed = writer.finish().expect("packed");
        assert!(packed.len() < 8 << 10, "{}", packed.len());
        std::fs::write(place("packed"), packed).expect("written");
        let unpack = |name: &str, room| {
            let done = unpacked(Compression::Gzip, &place("packed"), &place(name), room);
            let length = std::fs::metadata(place(name)).expect("a file").len();
            let (bytes, is_all) = done.expect("it can be read");
            assert_eq!(bytes, length);
            (bytes, is_all)
        };
        assert_eq!(unpack("all", 1 << 20), (1 << 20, true));
        let (bytes, is_all) = unpack("some", 300_000);
        assert!(!is_all && bytes <= 300_000 && bytes > 100_000, "{bytes}");
    }
}
