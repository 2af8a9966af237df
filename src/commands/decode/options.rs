//! The flags that `decode` and `capture` share: which frames, how they are analysed, and what is shown of them.

use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};

use super::session::filter_error;
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
use crate::sys::{files, resolve};

/// Which frames, and what is shown of them.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("view"))]
pub(in crate::commands) struct Options {
    /// Show only frames that match, in tcpdump's filter syntax; also: stream N, app, expert.
    #[arg(value_name = "FILTER")]
    pub(in crate::commands) filter: Vec<String>,
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
    pub(in crate::commands) write: Option<PathBuf>,
    /// Print the bytes of each frame in hexadecimal after its line.
    #[arg(short = 'x')]
    hex: bool,
    /// Stop after N matching frames.
    #[arg(short = 'c', value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(in crate::commands) count: Option<u64>,
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
}

impl Options {
    /// Memory for the streams in progress. The table of streams, which is written at the end, gets half.
    fn stream_memory(&self, context: &Context) -> usize {
        if self.streams && !context.json {
            self.max_memory / 2
        } else {
            self.max_memory
        }
    }

    pub(in crate::commands) fn settings(&self, context: &Context) -> Result<Settings> {
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

    pub(in crate::commands) fn view(&self, context: &Context, settings: &Settings) -> View {
        // What is selected is known only with the frame: --expert takes its findings then.
        let shows_frames = self.csv || self.stats || self.expert || !self.is_view_given();
        let is_immediate = settings.filter.is_empty() && !shows_frames;
        View::new(self.writer(context), is_immediate)
    }

    /// Whether something other than frames is shown.
    pub(in crate::commands) fn is_view_given(&self) -> bool {
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
            Options { messages: true, .. } => Box::new(Messages::new(time)),
            Options {
                follow: Some(_), ..
            } => Box::new(Follow::new(context.style, self.hex)),
            Options { streams: true, .. } => {
                Box::new(Streams::new(self.max_memory / 2, context.width))
            }
            Options { stats: true, .. } => Box::new(Stats::default()),
            Options { csv: true, .. } => Box::new(Csv),
            Options { write: Some(_), .. } => Box::new(Nothing),
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

    pub(in crate::commands) fn verdict(&self, totals: &Totals) -> Result<Status> {
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
