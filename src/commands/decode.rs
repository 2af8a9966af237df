//! `sockdoc decode`: what was on the wire, in frames, streams and application messages.

mod output;
mod selection;
mod session;
mod take;

use std::path::PathBuf;

use crate::commands::{Context, Status, values};
use crate::error::{Error, Kind, Result};
use crate::render::decode::TimeFormat;
use crate::stream::Overlap;
use crate::sys::capture::Capture;
use crate::sys::{privilege, terminal};

use session::Session;

/// Print what was on the wire: frames, TCP streams, application messages.
///
/// Reads pcap and pcapng, compressed with gzip, zstd or lz4 too. A frame is a line as tshark prints it;
/// where one completes an application message, the line says that instead. A filter in tcpdump's words
/// selects the frames; three words more are stream N, app and expert.
///
/// --json prints an object a line: packets, messages, findings, streams, and the end.
///
/// The exit status is 1 when the capture is damaged: everything in front of the damage is printed, then
/// one line on standard error says at which byte it is. With --expert it is 1 when there are findings.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("view"))]
#[command(after_help = "Examples:\n  \
    sockdoc decode capture.pcap                     a line for each frame\n  \
    sockdoc decode capture.pcap --messages          who asked what, and what was answered\n  \
    sockdoc decode capture.pcap tcp port 65432      only these frames\n  \
    sockdoc decode capture.pcap --follow 0          the bytes of a stream\n  \
    tcpdump -i lo -U -w - | sockdoc decode -        while it is captured")]
pub struct Args {
    /// The capture file; - is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Show only the frames that match: host, net, port, portrange, proto, src, dst, tcp, udp, icmp, arp,
    /// vlan, less, greater, proto[offset:size], and, or, not; and stream N, app, expert.
    #[arg(value_name = "FILTER")]
    filter: Vec<String>,
    /// Show only application messages: each on a line, a reply with the time since its request.
    #[arg(long, group = "view")]
    messages: bool,
    /// Show the bytes that the TCP stream of this number carries, both directions; with -x in
    /// hexadecimal.
    #[arg(long, value_name = "N", group = "view")]
    follow: Option<u32>,
    /// Show a table of the TCP streams: packets, bytes, how long, handshake, retransmissions, end.
    #[arg(long, group = "view")]
    streams: bool,
    /// Show what is noteworthy: retransmissions, gaps, closed windows, resets, unanswered SYNs,
    /// overlapping segments that differ.
    #[arg(long, group = "view")]
    expert: bool,
    /// Show what the capture holds in numbers.
    #[arg(long, group = "view")]
    stats: bool,
    /// Print a CSV row for each frame.
    #[arg(long, group = "view", conflicts_with_all = ["hex", "json"])]
    csv: bool,
    /// Write the frames that match to this file, instead of printing them: as pcapng if its name ends in
    /// .pcapng, otherwise as pcap.
    #[arg(short = 'w', value_name = "OUT", group = "view")]
    write: Option<PathBuf>,
    /// Print the bytes of each frame in hexadecimal behind its line.
    #[arg(short = 'x')]
    hex: bool,
    /// Stop after so many frames that match.
    #[arg(short = 'c', value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Show the time since the first frame (rel), date and time of day in UTC (abs), the time since the
    /// frame before (delta), or since 1970 (epoch).
    #[arg(short = 't', value_name = "FORMAT", default_value = "rel")]
    time: Time,
    /// Show sequence numbers as they stand on the wire.
    #[arg(long)]
    absolute_seq: bool,
    /// Show addresses and ports as numbers. It is the default.
    #[arg(short = 'n', conflicts_with = "names")]
    numeric: bool,
    /// Show the names of hosts and services in the lines of frames; this may ask the DNS.
    #[arg(short = 'N', long, conflicts_with_all = ["view", "json"])]
    names: bool,
    /// Say which checksums are wrong. Of a host's own packets they are often filled in only behind the
    /// place of the capture: on the loopback interface, or by the network card.
    #[arg(long)]
    check_checksums: bool,
    /// The port of application messages; may be given several times.
    #[arg(long, value_name = "PORT", default_value = "65432")]
    app_port: Vec<u16>,
    /// Look for application messages in every TCP stream.
    #[arg(long)]
    app_any: bool,
    /// Do not look for application messages: every line is about its frame.
    #[arg(long, conflicts_with_all = ["app_any", "app_port", "messages"])]
    no_app: bool,
    /// Which bytes count where segments that wait for others overlap and differ.
    #[arg(long, value_name = "WHICH", default_value = "first")]
    overlap: Which,
    /// Memory for all streams together; above it those that were quiet longest are forgotten.
    #[arg(long, value_name = "SIZE", default_value = "256M", value_parser = values::size)]
    max_memory: usize,
}

/// What is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    Frames,
    Messages,
    Follow(u32),
    Streams,
    Expert,
    Stats,
    /// Nothing: frames are written to a file.
    Nothing,
}

impl Args {
    fn view(&self) -> View {
        match self.follow {
            Some(number) => View::Follow(number),
            None if self.messages => View::Messages,
            None if self.streams => View::Streams,
            None if self.expert => View::Expert,
            None if self.stats => View::Stats,
            None if self.write.is_some() => View::Nothing,
            None => View::Frames,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Time {
    Rel,
    Abs,
    Delta,
    Epoch,
}

impl Time {
    fn format(self) -> TimeFormat {
        match self {
            Time::Rel => TimeFormat::Relative,
            Time::Abs => TimeFormat::Absolute,
            Time::Delta => TimeFormat::Delta,
            Time::Epoch => TimeFormat::Epoch,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Which {
    First,
    Last,
}

impl Which {
    fn overlap(self) -> Overlap {
        match self {
            Which::First => Overlap::First,
            Which::Last => Overlap::Last,
        }
    }
}

/// A file of so many bytes takes long enough to show how far the run is.
const LARGE: u64 = 64 << 20;

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<Status> {
    let mut capture = Capture::open(&args.file)?;
    if let Some(path) = args.write.as_deref().filter(|path| capture.is_at(path)) {
        let cause = "it is the capture that is read, and writing would empty it first";
        return Err(Error::new(Kind::CannotRun, "write", cause)
            .on(path.display().to_string())
            .next("name another file, and move it afterwards"));
    }
    let mut session = Session::new(args, context)?;
    privilege::drop_all()?;
    let large = capture.length().filter(|length| *length >= LARGE);
    if let Some(length) = large.filter(|_| !terminal::stdout_is_terminal()) {
        session.show_progress(length);
    }
    let read = capture.frames(&mut session);
    let is_closed = read
        .as_ref()
        .is_err_and(|error| error.kind == Kind::OutputClosed);
    if is_closed {
        return read.map(|()| Status::Good);
    }
    let is_good = session.finish(read.is_ok())?;
    read.map(|()| Status::of(is_good))
}
