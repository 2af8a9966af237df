//! The file that `-w` writes.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use crate::capfile::{ByteOrder, Frame, Interface, PcapWriter, PcapngWriter, WriteError};
use crate::error::{Error, Kind, Result};
use crate::sys::files;

/// A capture file that is being written; `-` is standard output.
pub(super) struct Output {
    name: String,
    file: Format,
}

enum Format {
    /// No frame yet: the header of a pcap file needs the link type of the first.
    Waiting(BufWriter<File>),
    Pcap(PcapWriter<BufWriter<File>>),
    Pcapng(PcapngWriter<BufWriter<File>>),
    Broken,
}

impl Output {
    /// Creates the file: pcapng if its name ends in .pcapng, otherwise pcap.
    pub(super) fn create(path: &Path) -> Result<Output> {
        let file = BufWriter::with_capacity(1 << 20, files::create(path)?);
        let name = path.display().to_string();
        let file = match path.extension() {
            Some(extension) if extension == "pcapng" => {
                let writer = PcapngWriter::new(file, ByteOrder::Little);
                Format::Pcapng(writer.map_err(|error| failure(&name, &error))?)
            }
            _ => Format::Waiting(file),
        };
        Ok(Output { name, file })
    }

    /// Writes a frame.
    pub(super) fn frame(&mut self, frame: &Frame<'_>, interface: &Interface) -> Result<()> {
        if let Format::Waiting(_) = self.file
            && let Format::Waiting(file) = std::mem::replace(&mut self.file, Format::Broken)
        {
            let writer = PcapWriter::new(file, ByteOrder::Little, interface);
            self.file = Format::Pcap(writer.map_err(|error| failure(&self.name, &error))?);
        }
        match &mut self.file {
            Format::Pcap(writer) => writer.frame(frame),
            Format::Pcapng(writer) => writer.frame(frame, interface),
            Format::Waiting(_) | Format::Broken => Ok(()),
        }
        .map_err(|error| self.not_written(&error))
    }

    /// Flushes the file. One without frames gets the link type of Ethernet.
    pub(super) fn finish(self) -> Result<()> {
        let interface = Interface::new(crate::capfile::LinkType::ETHERNET);
        let name = self.name;
        let file = match self.file {
            Format::Pcap(writer) => Ok(writer.into_inner()),
            Format::Pcapng(writer) => Ok(writer.into_inner()),
            Format::Waiting(file) => {
                PcapWriter::new(file, ByteOrder::Little, &interface).map(PcapWriter::into_inner)
            }
            Format::Broken => return Ok(()),
        };
        file.and_then(|mut file| file.flush())
            .map_err(|error| failure(&name, &error))
    }

    fn not_written(&self, error: &WriteError) -> Error {
        match error {
            WriteError::Output(error) => failure(&self.name, error),
            error => Error::new(Kind::CannotRun, "write", error.to_string())
                .on(&self.name)
                .next("write pcapng: use a file name that ends in .pcapng"),
        }
    }
}

fn failure(name: &str, error: &io::Error) -> Error {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Error::output(io::ErrorKind::BrokenPipe.into());
    }
    Error::os(Kind::CannotRun, "write", error)
        .under(crate::reference::Circumstance::File)
        .on(name)
}
