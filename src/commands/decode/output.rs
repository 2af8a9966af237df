//! The file that `-w` writes.

use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use crate::capfile::{
    BlockCopier, ByteOrder, Compression, Count, Frame, Interface, LinkType, Lost, Packer,
    PcapWriter, PcapngWriter, Timestamp, WriteError,
};
use crate::commands::serving::tell;
use crate::drops::{self, Dropped, comment};
use crate::error::{Error, Kind, Result};
use crate::reference::drop_reason;
use crate::sys::files::Growing;

/// A capture file that is being written; `-` is standard output.
pub(in crate::commands) struct Output {
    name: String,
    file: Format,
    lost: Lost,
    failed: Option<Error>,
}

/// Where records go: compressed if asked for, in larger pieces, each of whole records.
type Sink = Packer<BufWriter<Growing>>;

enum Format {
    /// No frame yet: the header of a pcap file needs the link type of the first; what is to be pcapng is
    /// copied if the capture is pcapng too.
    Waiting(Sink, Wanted),
    Pcap(PcapWriter<Sink>),
    Pcapng(PcapngWriter<Sink>),
    Copy(BlockCopier<Sink>),
    Broken,
}

/// The number of the interface of dropped packets: no other one has it.
const DROPS: u32 = u32::MAX;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Pcap,
    Pcapng,
}

impl Output {
    /// Creates the file: pcapng if its name ends in .pcapng, otherwise pcap; compressed if .gz or .zst follows.
    pub(in crate::commands) fn create(path: &Path) -> Result<Output> {
        refuse_other_packing(path)?;
        Ok(Output::new(path, Growing::create(path)?))
    }

    /// The same while a capture runs: a signal ends the wait for the reader of a pipe.
    pub(in crate::commands) fn create_live(path: &Path) -> Result<Output> {
        refuse_other_packing(path)?;
        Ok(Output::new(path, Growing::create(path)?.interruptible()?))
    }

    /// The same, under another name until it is complete.
    pub(in crate::commands) fn create_aside(path: &Path) -> Result<Output> {
        refuse_other_packing(path)?;
        Ok(Output::new(path, Growing::create_aside(path)?))
    }

    fn new(path: &Path, file: Growing) -> Output {
        let (plain, compression) = kind(path);
        let wanted = match plain.extension() {
            Some(extension) if extension == "pcapng" => Wanted::Pcapng,
            _ => Wanted::Pcap,
        };
        let file = BufWriter::with_capacity(1 << 20, file);
        Output {
            name: path.display().to_string(),
            file: Format::Waiting(Packer::new(file, compression), wanted),
            lost: Lost::default(),
            failed: None,
        }
    }

    /// The file's name.
    pub(in crate::commands) fn name(&self) -> &str {
        &self.name
    }

    /// Takes a block of a pcapng file that has no frame: it is kept, or counted as lost.
    pub(in crate::commands) fn block(&mut self, block: &[u8], order: ByteOrder) {
        if let Format::Waiting(_, Wanted::Pcapng) = self.file
            && let Format::Waiting(file, _) = std::mem::replace(&mut self.file, Format::Broken)
        {
            self.file = Format::Copy(BlockCopier::new(file));
        }
        match &mut self.file {
            Format::Copy(copier) => {
                if let Err(error) = copier.block(block, order) {
                    self.failed = Some(failure(&self.name, &error));
                }
            }
            _ => self.lost.block(block, order),
        }
    }

    /// Writes a frame.
    pub(in crate::commands) fn frame(
        &mut self,
        frame: &Frame<'_>,
        interface: &Interface,
    ) -> Result<()> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let is_pcap = matches!(
            self.file,
            Format::Waiting(_, Wanted::Pcap) | Format::Pcap(_)
        );
        if is_pcap
            && frame.link == drops::LINK
            && interface.name.as_deref() == Some(comment::INTERFACE)
        {
            self.lost.drops += 1;
            return Ok(());
        }
        self.begin(interface)?;
        match &mut self.file {
            Format::Pcap(writer) => {
                self.lost.frame(frame, writer.has_microseconds());
                writer.frame(frame)
            }
            Format::Pcapng(writer) => writer.frame(frame, interface),
            Format::Copy(copier) => copier.frame(frame).map_err(WriteError::from),
            Format::Waiting(..) | Format::Broken => Ok(()),
        }
        .map_err(|error| self.not_written(&error))
    }

    /// Writes a packet that the kernel dropped; a pcap file has no place for it.
    pub(in crate::commands) fn dropped(&mut self, dropped: &Dropped) -> Result<()> {
        let interface = comment::interface();
        self.begin(&interface)?;
        if let Format::Pcapng(writer) = &mut self.file {
            let words = drop_reason::by_name(&dropped.reason).map(|it| it.words);
            writer
                .commented(&dropped.frame(DROPS), &interface, &dropped.comments(words))
                .map_err(|error| self.not_written(&error))?;
        }
        Ok(())
    }

    /// Begins a pcapng file that is not a copy, with what its interfaces are.
    pub(in crate::commands) fn describe(&mut self, interfaces: &[Interface]) -> Result<()> {
        if matches!(self.file, Format::Waiting(_, Wanted::Pcap)) {
            return Ok(());
        }
        if let Some(interface) = interfaces.first() {
            self.begin(interface)?;
        }
        if let Format::Pcapng(writer) = &mut self.file {
            for (number, interface) in (0..).zip(interfaces) {
                writer
                    .interface(number, interface)
                    .map_err(|error| failure(&self.name, &error))?;
            }
        }
        Ok(())
    }

    /// Writes what was counted on the interfaces that were described; a pcap file has no room for it.
    pub(in crate::commands) fn counts(&mut self, counts: &[Count], until: Timestamp) -> Result<()> {
        if let Format::Pcapng(writer) = &mut self.file {
            for (number, count) in (0..).zip(counts) {
                writer
                    .count(number, count, until)
                    .map_err(|error| failure(&self.name, &error))?;
            }
        }
        Ok(())
    }

    /// Hands on what was written, to who reads the file while it grows.
    pub(in crate::commands) fn flush(&mut self) -> Result<()> {
        match &mut self.file {
            Format::Pcap(writer) => writer.flush(),
            Format::Pcapng(writer) => writer.flush(),
            _ => Ok(()),
        }
        .map_err(|error| failure(&self.name, &error))
    }

    /// Begins the file, now that the first frame is there.
    fn begin(&mut self, interface: &Interface) -> Result<()> {
        let Format::Waiting(..) = self.file else {
            return Ok(());
        };
        if let Format::Waiting(file, wanted) = std::mem::replace(&mut self.file, Format::Broken) {
            let order = ByteOrder::Little;
            let begun = match wanted {
                Wanted::Pcap => PcapWriter::new(file, order, interface).map(Format::Pcap),
                Wanted::Pcapng => PcapngWriter::new(file, order).map(Format::Pcapng),
            };
            self.file = begun.map_err(|error| failure(&self.name, &error))?;
        }
        Ok(())
    }

    /// Flushes the file, and says what it has no place for. One without frames gets the link type of Ethernet.
    pub(in crate::commands) fn finish(mut self) -> Result<()> {
        self.begin(&Interface::new(LinkType::ETHERNET))?;
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let name = self.name;
        let file = match self.file {
            Format::Pcap(writer) => Ok(writer.into_inner()),
            Format::Pcapng(writer) => Ok(writer.into_inner()),
            Format::Copy(copier) => Ok(copier.into_inner()),
            Format::Waiting(..) | Format::Broken => return Ok(()),
        };
        let lost: Vec<String> = self.lost.kinds().map(counted).collect();
        if !lost.is_empty() {
            tell(&format!(
                "{}: a pcap file cannot hold everything of this capture; left out: {}",
                name,
                lost.join(", ")
            ));
            tell("next: to keep it, use a file name that ends in .pcapng");
        }
        let complete = |file: Sink| {
            let file = file.finish()?.into_inner();
            file.map_err(io::IntoInnerError::into_error)?.complete()
        };
        file.and_then(complete)
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

/// A name that promises another compression would not hold it.
fn refuse_other_packing(path: &Path) -> Result<()> {
    let ending = path.extension().and_then(|it| it.to_str());
    match ending {
        Some(ending @ ("xz" | "lz4" | "bz2" | "br" | "lzma")) => Err(Error::new(
            Kind::CannotRun,
            "write",
            format!("captures are not written with the compression .{ending}"),
        )
        .on(path.display().to_string())
        .next("let the name end in .gz or .zst, or in neither")),
        _ => Ok(()),
    }
}

/// The name without the ending of its compression, and that.
pub(in crate::commands) fn kind(path: &Path) -> (PathBuf, Option<Compression>) {
    let compression = match path.extension().and_then(|it| it.to_str()) {
        Some("gz") => Some(Compression::Gzip),
        Some("zst") => Some(Compression::Zstd),
        _ => None,
    };
    match compression {
        Some(_) => (path.with_extension(""), compression),
        None => (path.to_owned(), None),
    }
}

fn counted((count, one, many): (u64, &str, &str)) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn failure(name: &str, error: &io::Error) -> Error {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Error::output(io::ErrorKind::BrokenPipe.into());
    }
    Error::os(Kind::CannotRun, "write", error)
        .under(crate::reference::Circumstance::File)
        .on(name)
}
