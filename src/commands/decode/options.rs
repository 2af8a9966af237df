//! The flags that `decode` and `capture` share: which frames, how they are analysed, and what is shown of them.

use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::extract::Extract;
use super::session::filter_error;
use crate::commands::{Context, Status, values};
use crate::dissect::{Settings, Totals};
use crate::error::{Error, Kind, Result};
use crate::filter::{Filter, Services};
use crate::render::decode::frames::After;
use crate::render::decode::json::Shown;
use crate::render::decode::names::{Names, Query};
use crate::render::decode::{
    By, Conversations, Csv, Details, EventWriter, Expert, Follow, Form, Frames, Intervals, Json,
    Ladder, LineWriter, Messages, Nothing, Rows, Stats, Streams, TimeColumn, TimeFormat, View,
};
use crate::render::finding::Layout;
use crate::render::report::{CaptureReport, TextRedactor};
use crate::stream::{self, Overlap, Wanted};
use crate::sys::{clock, files, resolve, terminal};

/// Which frames, and what is shown of them.
#[derive(Debug, Clone, clap::Args)]
#[command(group = clap::ArgGroup::new("view"))]
pub(in crate::commands) struct Options {
    /// Show only frames that match, in tcpdump's filter syntax; also: stream N, app, expert, sni.
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
    /// With --follow: write the bytes as they are, of both ends or of one.
    #[arg(long, value_name = "END", requires = "follow", conflicts_with_all = ["hex", "json"], num_args = 0..=1,
        require_equals = true, default_missing_value = "both")]
    raw: Option<End>,
    /// Write what each TCP stream carries to files in this folder: the bytes of both ends, HTTP bodies.
    #[arg(long, value_name = "DIR", group = "view", conflicts_with = "json")]
    pub(in crate::commands) extract: Option<PathBuf>,
    /// Show a table of TCP streams: packets, bytes, RTT, server wait (* the longest), who closed it.
    #[arg(long, group = "view")]
    streams: bool,
    /// Show a table of conversations (TCP, UDP, ICMP and other IP protocols), the busiest first.
    #[arg(long, group = "view")]
    conversations: bool,
    /// Show a table of endpoints: what each address and port sent and received.
    #[arg(long, group = "view")]
    endpoints: bool,
    /// Show packets, bytes and findings per interval, with a picture of them.
    #[arg(long, value_name = "TIME", group = "view", value_parser = values::positive_duration)]
    io: Option<Duration>,
    /// Draw TCP stream N between its two hosts: times, flags, lengths, pauses.
    #[arg(long, value_name = "N", group = "view", conflicts_with = "json")]
    ladder: Option<u32>,
    /// Show findings: slow servers, resets, ICMP errors, loss, scans, DNS and ping, the capture itself.
    #[arg(long, group = "view")]
    expert: bool,
    /// Show statistics: frames, bytes, protocols, TCP analysis flags.
    #[arg(long, group = "view")]
    stats: bool,
    /// Print one CSV row per frame, or per row of --conversations, --endpoints and --io.
    #[arg(long, conflicts_with_all = ["hex", "json", "names", "messages", "follow", "streams", "ladder", "expert",
        "stats", "write", "report", "extract"])]
    csv: bool,
    /// Write matching frames to this file: .pcapng or .pcap, and .gz or .zst after it to compress.
    #[arg(short = 'w', value_name = "OUT", group = "view")]
    pub(in crate::commands) write: Option<PathBuf>,
    /// Write a report to this file: one HTML page with findings, streams, drawings and charts.
    #[arg(long, value_name = "OUT", group = "view", conflicts_with = "json")]
    pub(in crate::commands) report: Option<PathBuf>,
    /// Replace addresses and names in the report, the same one by the same other one.
    #[arg(long, requires = "report")]
    redact: bool,
    /// Print the bytes of each frame in hexadecimal after its line.
    #[arg(short = 'x', short_alias = 'X', overrides_with = "hex")]
    hex: bool,
    /// Print the payload of each frame as text after its line.
    #[arg(short = 'A', conflicts_with_all = ["view", "csv", "json", "hex"])]
    ascii: bool,
    /// Print the addresses of the link layer, and VLAN tags, at the end of each line.
    #[arg(short = 'e', conflicts_with_all = ["view", "csv", "json"])]
    link: bool,
    /// Stop after N matching frames.
    #[arg(short = 'c', value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(in crate::commands) count: Option<u64>,
    /// Time since the first frame (rel) or the previous one (delta), in UTC (abs), in local time (local), since
    /// 1970 (epoch). tcpdump's -tt, -ttt, -tttt and -ttttt are accepted.
    #[arg(short = 't', value_name = "FORMAT", default_value = "rel")]
    time: Time,
    /// Show absolute instead of relative sequence numbers.
    #[arg(long)]
    absolute_seq: bool,
    /// Show numeric addresses and ports. This is the default.
    #[arg(short = 'n', action = clap::ArgAction::Count, conflicts_with = "names")]
    numeric: u8,
    /// Show names of addresses and ports in frame lines: those in the file, otherwise looked up; this may query DNS.
    #[arg(short = 'N', long, conflicts_with_all = ["view", "json"])]
    names: bool,
    /// Accepted for the sake of habit: lines are short as they are.
    #[arg(short = 'q', hide = true)]
    quiet: bool,
    /// Verify checksums and report incorrect ones.
    #[arg(long)]
    check_checksums: bool,
    /// Port that carries application messages; can be repeated.
    #[arg(long, value_name = "PORT", default_value = "65432")]
    app_port: Vec<u16>,
    /// Search every TCP stream for application messages.
    #[arg(long)]
    app_any: bool,
    /// Do not look for application messages, or for what other protocols say first (DNS, TLS, HTTP, SSH).
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
        if self.streams && !context.json || self.conversations || self.endpoints {
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
                assemble_all: self.has_findings(),
                causes: self.has_findings()
                    || self.follow.is_some()
                    || self.ladder.is_some()
                    || context.json,
                compare: self.has_findings() || context.json,
                follow: match self.follow {
                    Some(number) => Wanted::One(number),
                    None if self.extract.is_some() => Wanted::All,
                    None => Wanted::Nothing,
                },
                overlap: self.overlap.overlap(),
                max_memory: self.stream_memory(context),
                max_streams: 1 << 20,
                // The standard library seeds this from the system's random numbers.
                seed: RandomState::new().hash_one(0),
            },
            filter: Filter::parse(&text, &services()).map_err(|error| filter_error(&error))?,
            watch: self.has_findings(),
            greetings: !self.no_app,
            inside: self.inside,
            check_checksums: self.check_checksums,
            limit: self.count,
        })
    }

    /// What is shown of the capture, which has this name.
    pub(in crate::commands) fn view(
        &self,
        context: &Context,
        settings: &Settings,
        name: &str,
    ) -> View {
        // What is selected is known only with the frame: --expert takes its findings then.
        let is_about_streams =
            self.messages || self.follow.is_some() || self.streams || self.write.is_some();
        let is_immediate = settings.filter.is_empty() && is_about_streams;
        View::new(self.writer(context, name), is_immediate)
    }

    /// Whether something other than frames is shown.
    pub(in crate::commands) fn is_view_given(&self) -> bool {
        self.messages
            || self.follow.is_some()
            || self.streams
            || self.conversations
            || self.endpoints
            || self.io.is_some()
            || self.ladder.is_some()
            || self.expert
            || self.report.is_some()
            || self.extract.is_some()
            || self.stats
            || self.csv
            || self.write.is_some()
    }

    /// The file of the report, and its name, if one is wanted.
    pub(in crate::commands) fn create_report(&self) -> Result<Option<(File, String)>> {
        let Some(path) = &self.report else {
            return Ok(None);
        };
        Ok(Some((files::create(path)?, path.display().to_string())))
    }

    /// Whether standard output is written to.
    pub(in crate::commands) fn is_printed(&self) -> bool {
        let written = self.write.as_ref().or(self.report.as_ref());
        written.is_none_or(|path| path.as_os_str() == "-")
    }

    /// Refuses to send bytes as they are to a terminal, which would obey some of them.
    pub(in crate::commands) fn check(&self) -> Result<()> {
        if !terminal::stdout_is_terminal() {
            return Ok(());
        }
        let is_file = self
            .write
            .as_ref()
            .is_some_and(|path| path.as_os_str() == "-");
        let cause = match self.raw {
            Some(_) => "--raw writes bytes as they are, and standard output is a terminal",
            None if is_file => "a capture file is not text, and standard output is a terminal",
            None => return Ok(()),
        };
        Err(Error::new(Kind::CannotRun, "write", cause).next("redirect it to a file or a pipe"))
    }

    /// Makes the folder that --extract writes to.
    pub(in crate::commands) fn create_folder(&self) -> Result<()> {
        self.extract.as_deref().map_or(Ok(()), files::create_folder)
    }

    /// Whether frames are shown in full, which takes what the file says of each.
    pub(in crate::commands) fn shows_details(&self, context: &Context) -> bool {
        context.verbose && !context.json && !self.is_view_given()
    }

    /// Whether the output has the findings.
    pub(in crate::commands) fn tells_findings(&self) -> bool {
        self.expert || self.report.is_some()
    }

    /// Whether everything is looked for that may be a finding.
    fn has_findings(&self) -> bool {
        self.tells_findings() || self.io.is_some()
    }

    /// The form of a table.
    fn rows(&self, context: &Context) -> Rows {
        match (context.json, self.csv) {
            (true, _) => Rows::Json,
            (_, true) => Rows::Csv,
            _ => Rows::Text,
        }
    }

    /// The table that is shown, if it is one that has all three forms.
    fn table(&self, context: &Context) -> Option<Box<dyn EventWriter>> {
        let rows = self.rows(context);
        let by = match self {
            Options {
                conversations: true,
                ..
            } => By::Conversation,
            Options {
                endpoints: true, ..
            } => By::Endpoint,
            Options {
                io: Some(length), ..
            } => return Some(Box::new(Intervals::new(*length, rows))),
            _ => return None,
        };
        Some(Box::new(Conversations::new(by, rows, self.max_memory / 2)))
    }

    fn writer(&self, context: &Context, name: &str) -> Box<dyn EventWriter> {
        let time = TimeColumn::new(self.time.format());
        if self.expert {
            let layout = Layout {
                style: context.style,
                width: context.width,
                verbose: context.verbose,
            };
            return Box::new(Expert::new(layout, context.json));
        }
        if let Some(table) = self.table(context) {
            return table;
        }
        if let Some(folder) = &self.extract {
            return Box::new(Extract::new(folder));
        }
        if self.report.is_some() {
            let made = Duration::from_nanos(clock::realtime().0);
            let redactor = self.redact.then(TextRedactor::default);
            let name = if self.redact { "a capture" } else { name };
            return Box::new(CaptureReport::new(name, Some(made), redactor));
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
                follow: Some(number),
                ..
            } => Box::new(Follow::new(
                *number,
                context.style,
                self.form(),
                context.width,
            )),
            Options {
                ladder: Some(number),
                ..
            } => Box::new(Ladder::new(*number, time, context.style, context.width)),
            Options { streams: true, .. } => {
                Box::new(Streams::new(self.max_memory / 2, context.width))
            }
            Options { stats: true, .. } => Box::new(Stats::default()),
            Options { csv: true, .. } => Box::new(Csv),
            Options { write: Some(_), .. } => Box::new(Nothing),
            _ if context.verbose => Box::new(Details::new(self.hex)),
            _ => {
                let lines = LineWriter::new(time, self.absolute_seq).with_names(self.names());
                let after = After {
                    hex: self.hex,
                    ascii: self.ascii,
                    link: self.link,
                };
                Box::new(Frames::new(lines, context.style, after))
            }
        }
    }

    /// How the bytes of the stream that is followed are written.
    fn form(&self) -> Form {
        match self.raw {
            Some(end) => Form::Raw {
                client: end != End::Server,
                server: end != End::Client,
            },
            None if self.hex => Form::Hex,
            None => Form::Text,
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
        match self.follow.or(self.ladder) {
            Some(number) if u64::from(number) >= totals.streams => {
                let cause = match totals.streams {
                    0 => "the capture has no TCP stream".to_owned(),
                    many => format!("the capture has the streams 0 to {}", many - 1),
                };
                Err(
                    Error::new(Kind::BadAnswer, format!("show stream {number}"), cause)
                        .next("list the streams: sockdoc decode FILE --streams"),
                )
            }
            _ => Ok(Status::of(
                !(self.expert || self.report.is_some()) || totals.facts + totals.not_decoded == 0,
            )),
        }
    }
}

/// The service names of this system; empty if it has no such file.
pub(in crate::commands) fn services() -> Services {
    /// The longest file of services that is read, in bytes.
    const MOST: u64 = 1 << 20;
    let text = files::read(Path::new("/etc/services"), MOST).unwrap_or_default();
    Services::parse(&String::from_utf8_lossy(&text))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Time {
    /// tcpdump -ttttt, tshark -t r.
    #[value(aliases = ["tttt", "r"])]
    Rel,
    /// tshark -t u and ud.
    #[value(aliases = ["u", "ud"])]
    Abs,
    /// tcpdump -tttt, tshark -t a and ad.
    #[value(aliases = ["ttt", "a", "ad"])]
    Local,
    /// tcpdump -ttt, tshark -t d and dd.
    #[value(aliases = ["tt", "d", "dd"])]
    Delta,
    /// tcpdump -tt, tshark -t e.
    #[value(aliases = ["t", "e"])]
    Epoch,
}

impl Time {
    fn format(self) -> TimeFormat {
        match self {
            Time::Rel => TimeFormat::Relative,
            Time::Abs => TimeFormat::Absolute,
            Time::Local => TimeFormat::Local(clock::local_offset_at),
            Time::Delta => TimeFormat::Delta,
            Time::Epoch => TimeFormat::Epoch,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum End {
    Client,
    Server,
    Both,
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
