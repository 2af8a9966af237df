//! `sockdoc decode`: a capture file in frames, streams and application messages.

mod extract;
mod habits;
pub(super) mod matching;
mod notes;
pub(super) mod options;
mod out;
pub(super) mod output;
mod pipeline;
pub(super) mod session;

use std::path::PathBuf;

use crate::commands::{Context, Status};
use crate::error::{Error, Kind, Result};
use crate::sys::capture::Capture;
use crate::sys::privilege;
use crate::sys::terminal::{self, Progress};

pub use habits::answer;
use options::Options;
use output::Output;
use session::Session;

/// Decode a capture file: frames, TCP streams, application messages.
///
/// Reads pcap and pcapng files, plain or compressed with gzip, zstd or lz4. Each frame is a line as tshark
/// prints it, including tshark's TCP analysis flags; a frame that completes an application message is a
/// line about the message. What DNS, TLS, HTTP, SSH, DHCP and QUIC say first is added to the line, as tcpdump adds it.
///
/// A filter in tcpdump's syntax selects frames: host, net, port, portrange, proto, src, dst, tcp, udp, icmp,
/// arp, vlan, less, greater, proto[offset:size], and, or, not. In addition there are stream N, app (frames
/// that complete an application message) and expert (frames with findings); and mpls, pppoes, vxlan, geneve, gtp and
/// erspan, with a number or without: what stands to their right is about the packet inside. host-name NAME and sni NAME
/// select what names this host, or one below it, in DNS, TLS, HTTP or DHCP, and what follows in the same stream.
///
/// With a filter, --streams shows the streams of the frames that match, and --expert what it finds in them.
///
/// As in tcpdump, a filter does not look behind a VLAN tag unless it says vlan, nor into a tunnel or behind the
/// extension headers of IPv6. Frames that it misses for that are counted on standard error; --inside lets it look at
/// the innermost packet, as it always does in frames of Wi-Fi and NFLOG.
///
/// --conversations and --endpoints list pairs of endpoints, or endpoints, by traffic, the busiest first; --io TIME counts packets, bytes and
/// findings per interval; --ladder N draws a stream between its two hosts, an arrow for each segment. -v prints a frame
/// in full: every field of every layer in the words of tshark -V.
///
/// --follow N --raw writes the bytes of a stream as they are (--raw=client, --raw=server: of one end), --extract DIR
/// those of all streams, to a file for each end, and the bodies of HTTP/1 messages to files of their own: without the framing
/// of chunks, and unpacked where gzip or zstd packed them. The names of these files are numbers, and for a body the last part of
/// its URL; no file is written over.
///
/// --report OUT writes one HTML page to attach to a ticket: the verdict, findings with their evidence, charts, the
/// streams with a finding and the busiest ones, drawn. It has no scripts and loads nothing. With --redact, addresses
/// and names are replaced in it.
///
/// --json prints JSON Lines: packets, messages, findings, streams and the end.
///
/// Of a host's own packets, checksums are often filled in after they are captured: on the loopback
/// interface always, on others by the network card. --check-checksums reports these as incorrect.
///
/// When --max-memory is exceeded, the streams that were idle longest are dropped, and reported with what was
/// known of them. --streams then prints its table in blocks, each sorted by stream number.
///
/// -w from pcapng to pcapng keeps, besides the matching frames, every other block: TLS keys, comments, host names,
/// interfaces and drop counts. What a pcap file cannot hold is reported.
///
/// SIGINT (Ctrl-C) or SIGTERM ends the reading of a pipe: what was captured until then is summed up.
///
/// The exit status is 1 if the capture is damaged: everything before the damage is printed, then one line
/// on standard error names the byte. With --expert and --report it is 1 if there are findings, or frames that could
/// not be decoded: the report is written all the same.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    sockdoc decode capture.pcap                     one line per frame\n  \
    sockdoc decode capture.pcap --messages          requests and replies\n  \
    sockdoc decode capture.pcap tcp port 65432      only these frames\n  \
    sockdoc decode capture.pcap --follow 0          the data of one stream\n  \
    sockdoc decode capture.pcap --ladder 0          the same stream, drawn\n  \
    sockdoc decode capture.pcap --report out.html   a page to attach to a ticket\n  \
    tcpdump -i lo -U -w - | sockdoc decode -        decode a live capture")]
pub struct Args {
    /// The capture file; - is standard input.
    #[arg(value_name = "FILE", required_unless_present = "read")]
    file: Option<PathBuf>,
    /// The same, as tcpdump and tshark have it.
    #[arg(short = 'r', value_name = "FILE", hide = true)]
    read: Option<PathBuf>,
    #[command(flatten)]
    options: Options,
    /// Decode with one thread or with several; auto decides by the processors and the frames.
    #[arg(long, value_name = "HOW", default_value = "auto", hide = true)]
    threads: Threads,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Threads {
    Auto,
    One,
    Several,
}

/// For files of this size and larger a progress bar is shown, in bytes.
const LARGE: u64 = 64 << 20;

impl Args {
    /// The file and what else is asked for. After -r FILE, the word in the place of the file begins the filter.
    fn file(&self) -> (PathBuf, Options) {
        let mut options = self.options.clone();
        match (&self.read, &self.file) {
            (Some(read), word) => {
                let word = word
                    .as_ref()
                    .map(|word| word.to_string_lossy().into_owned());
                options.filter.splice(0..0, word);
                (read.clone(), options)
            }
            (None, file) => (file.clone().unwrap_or_default(), options),
        }
    }
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<Status> {
    let (file, options) = args.file();
    let options = &options;
    let mut capture = Capture::open(&file)?;
    let written = options.write.iter().chain(&options.report);
    if let Some(path) = written
        .map(PathBuf::as_path)
        .find(|path| capture.is_at(path))
    {
        let cause = "this is the capture being read; writing would truncate it";
        return Err(Error::new(Kind::CannotRun, "write", cause)
            .on(path.display().to_string())
            .next("write to another file and rename it afterwards"));
    }
    options.check()?;
    let settings = options.settings(context)?;
    let name = file.file_name().unwrap_or(file.as_os_str());
    let view = options.view(context, &settings, &name.to_string_lossy());
    let output = options.write.as_deref().map(Output::create).transpose()?;
    let report = options.create_report()?;
    options.create_folder()?;
    let threads = if options.shows_details(context) {
        Threads::One
    } else {
        args.threads
    };
    let mut session = Session::new(settings, view, output, threads);
    if let Some((file, name)) = report {
        session.write_to(file, name);
    }
    privilege::drop_all()?;
    let large = capture.length().filter(|length| *length >= LARGE);
    if let Some(length) = large.filter(|_| !terminal::stdout_is_terminal()) {
        session.progress = Some(Progress::start(Some(length)));
    }
    let read = capture.frames(&mut session);
    let is_closed = read
        .as_ref()
        .is_err_and(|error| error.kind == Kind::OutputClosed);
    if is_closed {
        return read.map(|()| Status::Good);
    }
    let totals = session.finish(read.is_ok(), None)?;
    let status = options.verdict(&totals)?;
    read.map(|()| status)
}
