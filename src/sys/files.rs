//! Files that a command reads as a whole, or streams.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::AsFd;
use std::path::Path;

use crate::error::{Error, Kind, Result};

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

/// Standard input without a buffer of its own.
fn standard_input() -> io::Result<File> {
    io::stdin().as_fd().try_clone_to_owned().map(File::from)
}

/// What a failure means for a file: the words for sockets would send the user elsewhere.
fn failure(operation: &str, path: &Path, error: &io::Error) -> Error {
    let failure = Error::os(Kind::CannotRun, operation, error).on(path.display().to_string());
    let folder = match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => path,
    };
    let list = |folder: &Path| format!("ls -l {}", folder.display());
    match error.raw_os_error() {
        Some(libc::ENOENT) => failure
            .because("there is no file of that name")
            .next(format!("see which there are: {}", list(folder))),
        Some(libc::EACCES) => failure
            .because(
                "it takes read permission on the file, and search permission (x) on each directory",
            )
            .next(format!("see who has them: {}", list(folder))),
        Some(libc::EISDIR) => failure
            .because("a file is needed, and this is a directory")
            .next(format!("name a file inside it: {}", list(path))),
        _ => failure,
    }
}
