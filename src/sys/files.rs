//! Files that a command reads as a whole, or streams.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags};

use crate::error::{Error, Kind, Result};
use crate::reference::Circumstance;
use crate::sys::signals::Signals;
use crate::sys::waiting::ready_by;

/// The contents of a file of at most `most` bytes.
pub fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    let file = open(path)?;
    let mut bytes = Vec::new();
    file.take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| failure("read", path, &error))?;
    if bytes.len() as u64 > most {
        let cause = format!("it is larger than {most} bytes");
        return Err(Error::new(Kind::CannotRun, "read", cause).on(path.display().to_string()));
    }
    Ok(bytes)
}

/// A file to stream; `-` is standard input.
pub fn open(path: &Path) -> Result<File> {
    if path.as_os_str() == "-" {
        return standard_input().map_err(|error| failure("open", path, &error));
    }
    let file = File::open(path).map_err(|error| failure("open", path, &error))?;
    let is_directory = file.metadata().is_ok_and(|metadata| metadata.is_dir());
    if is_directory {
        return Err(failure(
            "read",
            path,
            &io::Error::from_raw_os_error(libc::EISDIR),
        ));
    }
    Ok(file)
}

/// Whether standard input is a pipe, a socket or a file: something was given to read. A terminal and
/// `/dev/null` are not.
pub fn is_input_given() -> bool {
    let kind = standard_input().and_then(|input| input.metadata());
    kind.is_ok_and(|it| {
        let kind = it.file_type();
        kind.is_fifo() || kind.is_socket() || kind.is_file()
    })
}

/// Of a long input this many bytes are kept, of its front and of its end.
const KEPT: usize = 256 << 10;

/// An input is read no further than this: one that never ends is cut off.
const MOST: usize = 256 << 20;

/// Reads an input in bounded memory: the front and the end of a long one.
pub fn front_and_end(mut input: impl io::Read) -> io::Result<Vec<u8>> {
    let mut front = Vec::new();
    input.by_ref().take(KEPT as u64).read_to_end(&mut front)?;
    let (mut end, mut total) = (Vec::new(), front.len());
    let mut piece = vec![0; KEPT];
    loop {
        let count = match input.read(&mut piece) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        if count == 0 || total >= MOST {
            break;
        }
        total += count;
        end.extend_from_slice(&piece[..count]);
        let surplus = end.len().saturating_sub(KEPT);
        if surplus > 0 {
            end.drain(..surplus);
            front.truncate(KEPT);
        }
    }
    if total > front.len() + end.len() {
        front.push(b'\n');
    }
    front.extend(end);
    Ok(front)
}

/// Standard input in bounded memory.
pub fn standard_input_ends() -> Result<Vec<u8>> {
    let read = standard_input().and_then(front_and_end);
    read.map_err(|error| failure("read", Path::new("standard input"), &error))
}

/// A file to write, made empty if it is there; `-` is standard output.
pub fn create(path: &Path) -> Result<File> {
    let file = match path.to_str() {
        Some("-") => io::stdout().as_fd().try_clone_to_owned().map(File::from),
        _ => File::create(path),
    };
    file.map_err(|error| failure("create", path, &error))
}

/// Writes all of a file that was created at this path.
///
/// # Errors
/// When it cannot be written.
pub fn write_all(file: &mut File, path: &Path, bytes: &[u8]) -> Result<()> {
    io::Write::write_all(file, bytes).map_err(|error| failure("write", path, &error))
}

/// Makes a folder that only its owner may read, unless it is there.
///
/// # Errors
/// When it cannot be made, or is not a folder.
pub fn create_folder(path: &Path) -> Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made.map_err(|error| failure("create", path, &error)),
    }
}

/// A new file that only its owner may read; a symbolic link is not followed.
///
/// # Errors
/// When there is such a file, or it cannot be created.
pub fn create_new(path: &Path) -> Result<File> {
    let mut options = File::options();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    file.map_err(|error| failure("create", path, &error))
}

/// A file of this run, to write more at its end; a symbolic link is not followed.
///
/// # Errors
/// When it is not there any more.
pub fn append(path: &Path) -> Result<File> {
    let mut options = File::options();
    let file = options
        .append(true)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path);
    file.map_err(|error| failure("open", path, &error))
}

/// A file that grows by whole records, each given in one call: if one cannot be written, what was written of it is cut
/// off, and nothing more is written.
#[derive(Debug)]
pub struct Growing {
    file: File,
    /// Bytes of whole records.
    whole: u64,
    has_failed: bool,
    /// The name that it has while it grows, and the one that it gets at the end.
    names: Option<[PathBuf; 2]>,
    /// Of a pipe: a signal ends the wait for its reader.
    signals: Option<Signals>,
}

/// After a signal, the reader of a pipe gets this long to read on.
const GRACE: Duration = Duration::from_secs(2);

impl Growing {
    /// Creates it, and makes it empty if it is there; `-` is standard output.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn create(path: &Path) -> Result<Growing> {
        Ok(Growing {
            file: create(path)?,
            whole: 0,
            has_failed: false,
            names: None,
            signals: None,
        })
    }

    /// The same, of which a signal ends the wait for the reader, if it is a pipe. The signals are blocked then.
    ///
    /// # Errors
    /// When the signals cannot be watched for.
    pub fn interruptible(mut self) -> Result<Growing> {
        let kind = self.file.metadata().map(|it| it.file_type());
        if kind.is_ok_and(|kind| kind.is_fifo() || kind.is_socket()) {
            self.signals = Some(Signals::open()?);
        }
        Ok(self)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(signals) = &self.signals else {
            return self.file.write_all(bytes);
        };
        let mut rest = bytes;
        while !rest.is_empty() {
            let out = PollFd::new(self.file.as_fd(), PollFlags::POLLOUT);
            let mut fds = [out, PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
            ready_by(&mut fds, None)?;
            if fds[0].any() != Some(true) {
                // A signal: the reader has a last chance.
                ready_by(&mut fds[..1], Some(Instant::now() + GRACE))?;
                if fds[0].any() != Some(true) {
                    return Err(io::Error::other("its reader does not read"));
                }
            }
            // A pipe with room takes this much without waiting (pipe(7)).
            let piece = rest.len().min(libc::PIPE_BUF);
            let count = self.file.write(&rest[..piece])?;
            rest = &rest[count..];
        }
        Ok(())
    }

    /// The same under another name, with `.part` at its end, until it is complete: who sees the name sees a whole
    /// file.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn create_aside(path: &Path) -> Result<Growing> {
        let mut name = path.as_os_str().to_owned();
        name.push(".part");
        let aside = PathBuf::from(name);
        let mut growing = Growing::create(&aside)?;
        growing.names = Some([aside, path.to_owned()]);
        Ok(growing)
    }

    /// It is complete.
    ///
    /// # Errors
    /// When it cannot be renamed.
    pub fn complete(mut self) -> io::Result<()> {
        match self.names.take() {
            Some([from, to]) => fs::rename(from, to),
            None => Ok(()),
        }
    }
}

impl io::Write for Growing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.has_failed {
            return Err(io::Error::from_raw_os_error(libc::EIO));
        }
        match self.put(bytes) {
            Ok(()) => {
                self.whole += bytes.len() as u64;
                Ok(bytes.len())
            }
            Err(error) => {
                self.has_failed = true;
                // A pipe or a device cannot be cut; there it does not matter.
                let _ = self.file.set_len(self.whole);
                Err(error)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Growing {
    /// What was given up is whole as far as it goes.
    fn drop(&mut self) {
        if let Some([from, to]) = self.names.take() {
            let _ = fs::rename(from, to);
        }
    }
}

/// Deletes a file.
///
/// # Errors
/// When it cannot be deleted.
pub fn remove(path: &Path) -> Result<()> {
    fs::remove_file(path).map_err(|error| failure("delete", path, &error))
}

/// The bytes of the files in a folder whose names begin and end like this.
///
/// # Errors
/// When the folder cannot be listed.
pub fn used(folder: &Path, start: &str, ends: &[&str]) -> Result<u64> {
    let entries = fs::read_dir(folder).map_err(|error| failure("list", folder, &error))?;
    let files = entries.filter_map(io::Result::ok).filter(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with(start) && ends.iter().any(|end| name.ends_with(end))
    });
    Ok(files
        .filter_map(|entry| entry.metadata().ok())
        .map(|metadata| metadata.len())
        .sum())
}

/// Writes a new file of at most `most` bytes that only its owner may read. Where that fails no file is
/// left.
///
/// # Errors
/// When there is such a file, or it cannot be written, or it would be longer.
pub fn create_bounded(
    path: &Path,
    most: u64,
    write: impl FnOnce(&mut Bounded) -> io::Result<()>,
) -> Result<()> {
    let file = create_new(path)?;
    let mut bounded = Bounded { file, left: most };
    write(&mut bounded).map_err(|error| {
        let _ = fs::remove_file(path);
        match error.kind() {
            io::ErrorKind::QuotaExceeded => {
                let cause = format!("it would take more than the {most} bytes that are left");
                Error::new(Kind::CannotRun, "write", cause).on(path.display().to_string())
            }
            _ => failure("write", path, &error),
        }
    })
}

/// A file that refuses to grow beyond a number of bytes.
#[derive(Debug)]
pub struct Bounded {
    file: File,
    left: u64,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() as u64 > self.left {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        let written = self.file.write(bytes)?;
        self.left -= written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Standard input without a buffer of its own.
fn standard_input() -> io::Result<File> {
    io::stdin().as_fd().try_clone_to_owned().map(File::from)
}

fn failure(operation: &str, path: &Path, error: &io::Error) -> Error {
    Error::os(Kind::CannotRun, operation, error)
        .under(Circumstance::File)
        .on(path.display().to_string())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_bounded_file_is_whole_or_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sockdoc-a.json");
        let ten = |file: &mut Bounded| file.write_all(b"0123456789");
        assert!(create_bounded(&path, 9, ten).is_err());
        assert!(!path.exists());
        create_bounded(&path, 10, ten).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"0123456789");
        // It is not written over.
        assert!(create_bounded(&path, 10, ten).is_err());
        fs::write(folder.path().join("other"), b"x").unwrap();
        assert_eq!(used(folder.path(), "sockdoc-", &[".json"]).unwrap(), 10);
        assert!(used(&path, "", &[""]).is_err());
    }

    #[test]
    fn a_file_gets_its_name_at_the_end_and_nothing_more_after_what_did_not_fit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ring.pcap");
        let mut growing = Growing::create_aside(&path).unwrap();
        growing.write_all(b"whole").unwrap();
        assert!(!path.exists() && folder.path().join("ring.pcap.part").exists());
        growing.complete().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        // Nothing more comes after what did not fit, even if there is room again.
        let mut full = Growing::create(Path::new("/dev/full")).unwrap();
        assert_eq!(
            full.write_all(b"x").unwrap_err().kind(),
            io::ErrorKind::StorageFull
        );
        full.file = File::create(&path).unwrap();
        assert!(full.write_all(b"x").is_err());
    }

    #[test]
    fn of_a_long_input_the_front_and_the_end_are_kept_and_an_endless_one_is_cut_off() {
        let short = front_and_end(&b"front end"[..]).expect("reads");
        assert_eq!(short, b"front end");
        let long = io::Read::chain(&b"front"[..], io::repeat(b'x').take(5 << 20));
        let kept = front_and_end(io::Read::chain(long, &b"end"[..])).expect("reads");
        assert!(kept.starts_with(b"front") && kept.ends_with(b"end"));
        assert!(kept.len() <= 2 * KEPT + 1, "{}", kept.len());
        let endless = front_and_end(io::repeat(b'x')).expect("ends");
        assert!(endless.len() <= 2 * KEPT + 1);
    }
}
