//! `sockdoc decode`: a capture file in frames, streams and application messages.

mod notes;
mod output;
mod pipeline;
mod session;

use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};

use crate::commands::{Context, Status, values};
use crate::dissect::{Settings, Totals};
use crate::error::{Error, Kind, Result};
use crate::filter::{Filter, Services};
use crate::render::decode::json::Shown;
use crate::render::decode::names::{Names, Query};
use crate::render::decode::{
    Csv, EventWriter, Expert, Follow, Frames, Json, LineWriter, Messages, Nothing, Stats, Streams,
    TimeColumn, TimeFormat, View,
};
use crate::render::finding::Layout;
use crate::stream::{self, Overlap};
use crate::sys::capture::Capture;
use crate::sys::terminal::{self, Progress};
use crate::sys::{files, privilege, resolve};

use output::Output;
use session::{Session, filter_error};

/// Decode a capture file: frames, TCP streams, application messages.
///
/// Reads pcap and pcapng files, plain or compressed with gzip, zstd or lz4. Each frame is a line as tshark
/// prints it, including tshark's TCP analysis flags; a frame that completes an application message is a
/// line about the message.
///
/// A filter in tcpdump's syntax selects frames: host, net, port, portrange, proto, src, dst, tcp, udp, icmp,
/// arp, vlan, less, greater, proto[offset:size], and, or, not. In addition there are stream N, app (frames
/// that complete an application message) and expert (frames with findings).
///
/// With a filter, --streams shows the streams of the frames that match, and --expert what it finds in them.
///
/// As in tcpdump, a filter does not look behind a VLAN tag unless it says vlan, and never into a tunnel or behind the
/// extension headers of IPv6. Frames that it misses for that are counted on standard error; --inside lets it look at
/// the innermost packet.
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
/// on standard error names the byte. With --expert it is 1 if there are
/// findings, or frames that could not be decoded.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("view"))]
#[command(after_help = "Examples:\n  \
    sockdoc decode capture.pcap                     one line per frame\n  \
    sockdoc decode capture.pcap --messages          requests and replies\n  \
    sockdoc decode capture.pcap tcp port 65432      only these frames\n  \
    sockdoc decode capture.pcap --follow 0          the data of one stream\n  \
    tcpdump -i lo -U -w - | sockdoc decode -        decode a live capture")]
pub struct Args {
    /// The capture file; - is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Show only frames that match, in tcpdump's filter syntax; also: stream N, app, expert.
    #[arg(value_name = "FILTER")]
    filter: Vec<String>,
    /// Let the filter look at the innermost packet: behind VLAN tags, tunnels, IPv6 extension headers.
    #[arg(long, requires = "filter")]
    inside: bool,
    /// Show only application messages, one per line, replies with their latency.
    #[arg(long, group = "view")]
    messages: bool,
    /// Show the data of TCP stream N in both directions; with -x in hexadecimal.
    #[arg(long, value_name = "N", group = "view")]
    follow: Option<u32>,
    /// Show a table of TCP streams: packets, bytes, RTT, server wait (* the longest), who closed it.
    #[arg(long, group = "view")]
    streams: bool,
    /// Show findings: slow servers, resets, ICMP errors, loss, scans, DNS and ping, the capture itself.
    #[arg(long, group = "view")]
    expert: bool,
    /// Show statistics: frames, bytes, protocols, TCP analysis flags.
    #[arg(long, group = "view")]
    stats: bool,
    /// Print one CSV row per frame.
    #[arg(long, group = "view", conflicts_with_all = ["hex", "json"])]
    csv: bool,
    /// Write matching frames to this file, as pcapng if its name ends in .pcapng, otherwise as pcap.
    #[arg(short = 'w', value_name = "OUT", group = "view")]
    write: Option<PathBuf>,
    /// Print the bytes of each frame in hexadecimal after its line.
    #[arg(short = 'x')]
    hex: bool,
    /// Stop after N matching frames.
    #[arg(short = 'c', value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Time since the first frame (rel) or the previous one (delta), in UTC (abs), since 1970 (epoch).
    #[arg(short = 't', value_name = "FORMAT", default_value = "rel")]
    time: Time,
    /// Show absolute instead of relative sequence numbers.
    #[arg(long)]
    absolute_seq: bool,
    /// Show numeric addresses and ports. This is the default.
    #[arg(short = 'n', conflicts_with = "names")]
    numeric: bool,
    /// Resolve addresses and ports to names in frame lines; this may query DNS.
    #[arg(short = 'N', long, conflicts_with_all = ["view", "json"])]
    names: bool,
    /// Verify checksums and report incorrect ones.
    #[arg(long)]
    check_checksums: bool,
    /// Port that carries application messages; can be repeated.
    #[arg(long, value_name = "PORT", default_value = "65432")]
    app_port: Vec<u16>,
    /// Search every TCP stream for application messages.
    #[arg(long)]
    app_any: bool,
    /// Do not search for application messages.
    #[arg(long, conflicts_with_all = ["app_any", "app_port", "messages"])]
    no_app: bool,
    /// Which bytes to keep when overlapping out-of-order segments differ.
    #[arg(long, value_name = "WHICH", default_value = "first")]
    overlap: Which,
    /// Memory for all streams together; above it, the streams idle longest are dropped.
    #[arg(long, value_name = "SIZE", default_value = "256M", value_parser = values::size)]
    max_memory: usize,
    /// Decode with one thread or with several; auto decides by the processors and the frames.
    #[arg(long, value_name = "HOW", default_value = "auto", hide = true)]
    threads: Threads,
}

impl Args {
    /// Memory for the streams in progress. The table of streams, which is written at the end, gets half.
    fn stream_memory(&self, context: &Context) -> usize {
        if self.streams && !context.json {
            self.max_memory / 2
        } else {
            self.max_memory
        }
    }

    fn settings(&self, context: &Context) -> Result<Settings> {
        let text = self.filter.join(" ");
        Ok(Settings {
            streams: stream::Settings {
                app_ports: if self.no_app {
                    Vec::new()
                } else {
                    self.app_port.clone()
                },
                app_any: self.app_any,
                assemble_all: self.expert,
                causes: self.expert || self.follow.is_some() || context.json,
                compare: self.expert || context.json,
                follow: self.follow,
                overlap: self.overlap.overlap(),
                max_memory: self.stream_memory(context),
                max_streams: 1 << 20,
                // The standard library seeds this from the system's random numbers.
                seed: RandomState::new().hash_one(0),
            },
            filter: Filter::parse(&text, &services()).map_err(|error| filter_error(&error))?,
            watch: self.expert,
            inside: self.inside,
            check_checksums: self.check_checksums,
            limit: self.count,
        })
    }

    fn view(&self, context: &Context, settings: &Settings) -> View {
        // What is selected is known only with the frame: --expert takes its findings then.
        let shows_frames = self.csv || self.stats || self.expert || !self.is_view_given();
        let is_immediate = settings.filter.is_empty() && !shows_frames;
        View::new(self.writer(context), is_immediate)
    }

    /// Whether something other than frames is shown.
    fn is_view_given(&self) -> bool {
        self.messages
            || self.follow.is_some()
            || self.streams
            || self.expert
            || self.stats
            || self.csv
            || self.write.is_some()
    }

    fn writer(&self, context: &Context) -> Box<dyn EventWriter> {
        let time = TimeColumn::new(self.time.format());
        if self.expert {
            let layout = Layout {
                style: context.style,
                width: context.width,
                verbose: context.verbose,
            };
            return Box::new(Expert::new(layout, context.json));
        }
        if context.json {
            let frames = !self.is_view_given();
            return Box::new(Json::new(Shown {
                frames,
                messages: frames || self.messages,
                facts: frames,
                streams: frames || self.streams,
                stats: self.stats,
            }));
        }
        match self {
            Args { messages: true, .. } => Box::new(Messages::new(time)),
            Args {
                follow: Some(_), ..
            } => Box::new(Follow::new(context.style, self.hex)),
            Args { streams: true, .. } => {
                Box::new(Streams::new(self.max_memory / 2, context.width))
            }
            Args { stats: true, .. } => Box::new(Stats::default()),
            Args { csv: true, .. } => Box::new(Csv),
            Args { write: Some(_), .. } => Box::new(Nothing),
            _ => {
                let lines = LineWriter::new(time, self.absolute_seq).with_names(self.names());
                Box::new(Frames::new(lines, context.style, self.hex))
            }
        }
    }

    /// Looks up names, if they are wanted.
    fn names(&self) -> Option<Names> {
        let look_up = |query: Query| match query {
            Query::Host(ip) => resolve::name_of(ip),
            Query::Service(proto, port) => resolve::service_of(port, proto),
        };
        self.names.then(|| Names::new(Box::new(look_up)))
    }

    fn verdict(&self, totals: &Totals) -> Result<Status> {
        match self.follow {
            Some(number) if u64::from(number) >= totals.streams => {
                let cause = match totals.streams {
                    0 => "the capture has no TCP stream".to_owned(),
                    many => format!("the capture has the streams 0 to {}", many - 1),
                };
                Err(
                    Error::new(Kind::BadAnswer, format!("follow stream {number}"), cause)
                        .next("list the streams: sockdoc decode FILE --streams"),
                )
            }
            _ => Ok(Status::of(
                !self.expert || totals.facts + totals.not_decoded == 0,
            )),
        }
    }
}

/// The service names of this system; empty if it has no such file.
fn services() -> Services {
    /// The longest file of services that is read, in bytes.
    const MOST: u64 = 1 << 20;
    let text = files::read(Path::new("/etc/services"), MOST).unwrap_or_default();
    Services::parse(&String::from_utf8_lossy(&text))
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
enum Threads {
    Auto,
    One,
    Several,
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

/// For files of this size and larger a progress bar is shown, in bytes.
const LARGE: u64 = 64 << 20;

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<Status> {
    let mut capture = Capture::open(&args.file)?;
    if let Some(path) = args.write.as_deref().filter(|path| capture.is_at(path)) {
        let cause = "this is the capture being read; writing would truncate it";
        return Err(Error::new(Kind::CannotRun, "write", cause)
            .on(path.display().to_string())
            .next("write to another file and rename it afterwards"));
    }
    let settings = args.settings(context)?;
    let view = args.view(context, &settings);
    let output = args.write.as_deref().map(Output::create).transpose()?;
    let mut session = Session::new(settings, view, output, args.threads);
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
    let totals = session.finish(read.is_ok())?;
    let status = args.verdict(&totals)?;
    read.map(|()| status)
}
