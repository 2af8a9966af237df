//! Files that a command reads as a whole, or streams.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::AsFd;
use std::path::Path;

use crate::error::{Error, Kind, Result};
use crate::reference::Circumstance;

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

/// A file to write, made empty if it is there; `-` is standard output.
pub fn create(path: &Path) -> Result<File> {
    let file = match path.to_str() {
        Some("-") => io::stdout().as_fd().try_clone_to_owned().map(File::from),
        _ => File::create(path),
    };
    file.map_err(|error| failure("create", path, &error))
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
