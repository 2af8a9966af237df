//! The flags of `sockdoc ping`, and the plan that they make.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::values::{Pattern, UntilDown, mark, pattern, percentile, tos};
use crate::commands::{Context, values};
use crate::error::{Error, Kind, Result};
use crate::ping::plan::{Pace, Plan, Until};
use crate::render::finding::Layout;
use crate::render::ping::{Extras, TimeForm};
use crate::sys::icmp::{Fragmentation, Options};
use crate::sys::resolve::{Family, resolve};

/// Requests a second to several targets, unless a flag says otherwise.
const MANY_RATE: f64 = 1000.0;
/// How often a target is asked whether it is alive: as fping, once and three times more ...
const ALIVE_COUNT: u64 = 4;
/// ... after this time each.
const ALIVE_TIMEOUT: Duration = Duration::from_millis(500);
/// How long each of several targets is given, unless `-W` says otherwise.
const MANY_TIMEOUT: Duration = Duration::from_secs(1);

/// What means nothing to `--mtu` and `--hops`, which ask with small sessions of their own.
const NOT_OF_A_PATH: [&str; 15] = [
    "preload",
    "adaptive",
    "flood",
    "rate",
    "wait_up",
    "until_down",
    "lenient",
    "deadline",
    "pattern",
    "timing",
    "quiet",
    "outstanding",
    "audible",
    "hist",
    "format",
];

/// The flags.
#[derive(Debug, Args)]
pub(super) struct Flags {
    #[command(flatten)]
    pub(super) targets: TargetArgs,
    #[command(flatten)]
    pub(super) mode: ModeArgs,
    #[command(flatten)]
    pub(super) when: WhenArgs,
    #[command(flatten)]
    pub(super) what: WhatArgs,
    #[command(flatten)]
    pub(super) show: ShowArgs,
}

/// Which targets.
#[derive(Debug, Args)]
pub(super) struct TargetArgs {
    /// Use IPv4 only.
    #[arg(short = '4', long = "ipv4", conflicts_with = "ipv6")]
    ipv4: bool,
    /// Use IPv6 only.
    #[arg(short = '6', long = "ipv6")]
    ipv6: bool,
    /// Read more targets from this file; - is standard input. # begins a comment.
    #[arg(short = 'F', long = "file", value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
    /// Ping every address of a name, not only the first.
    #[arg(long)]
    pub(super) all_addresses: bool,
    /// Look names up again at this interval [default: 10s], and follow them to another address of the
    /// same family.
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true,
          default_missing_value = "10s", value_parser = values::positive_duration,
          conflicts_with_all = ["all_addresses", "hops", "mtu"])]
    pub(super) follow_dns: Option<Duration>,
    /// Show addresses as numbers, without looking up names.
    #[arg(short = 'n', long)]
    pub(super) numeric: bool,
    /// With --hops --watch: show the names of routers.
    #[arg(short = 'N', long, requires = "watch")]
    pub(super) names: bool,
}

/// Measurements other than ICMP round-trip times.
#[derive(Debug, Args)]
#[command(next_help_heading = "Other measurements")]
pub(super) struct ModeArgs {
    /// Find the path MTU by trying sizes; reports MTU black holes.
    #[arg(long, conflicts_with_all = ["tcp", "hops", "size", "pmtudisc", "timestamps", "time",
          "summary_every", "csv"], conflicts_with_all = NOT_OF_A_PATH)]
    pub(super) mtu: bool,
    /// Time TCP handshakes with these ports, for hosts that drop ICMP: open, refused or filtered.
    #[arg(long, value_name = "PORTS", value_delimiter = ',',
          conflicts_with_all = ["size", "pattern", "pmtudisc", "preload", "adaptive", "flood",
          "lenient", "timing", "audible", "format", "broadcast"],
          value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) tcp: Vec<u16>,
    /// Find the routers on the path: three requests to each hop (-c), at most 30 hops (-t); by ICMP, or
    /// with --tcp or --udp.
    #[arg(long, conflicts_with_all = NOT_OF_A_PATH)]
    pub(super) hops: bool,
    /// With --hops: go on round after round (-c of them), with a live table and a report.
    #[arg(long, requires = "hops")]
    pub(super) watch: bool,
    /// With --hops: send UDP packets to this port; choose a closed port, which answers.
    #[arg(long, value_name = "PORT", requires = "hops", conflicts_with = "tcp",
          value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) udp: Option<u16>,
}

/// When requests are sent, and when it ends.
#[derive(Debug, Args)]
#[command(next_help_heading = "Pace and end")]
pub(super) struct WhenArgs {
    /// Stop after N requests to each target; with -w, after N replies.
    #[arg(short = 'c', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) count: Option<u64>,
    /// The time from one request to the next [default: 1s]; 0 sends as fast as replies come.
    #[arg(short = 'i', long, value_name = "TIME", value_parser = values::duration)]
    pub(super) interval: Option<Duration>,
    /// Stop after this time.
    #[arg(short = 'w', long, value_name = "TIME", value_parser = values::positive_duration)]
    deadline: Option<Duration>,
    /// Treat a reply as late after this time [default: 10s; 1s with several targets].
    #[arg(short = 'W', long, value_name = "TIME", value_parser = values::positive_duration)]
    pub(super) timeout: Option<Duration>,
    /// Send this many requests at once at the start.
    #[arg(short = 'l', long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u64).range(1..=65_536))]
    preload: u64,
    /// Send the next request when the reply has arrived.
    #[arg(short = 'A', long)]
    adaptive: bool,
    /// Flood: as fast as replies arrive, or 60 per second; a dot per request, a backspace per reply.
    #[arg(short = 'f', long, conflicts_with = "adaptive")]
    flood: bool,
    /// Send at most this many requests per second in total [default: 1000 with several targets].
    #[arg(long, value_name = "PPS", value_parser = values::rate, conflicts_with = "flood")]
    rate: Option<f64>,
    /// Stop when every target has replied once; wait for names that do not resolve yet.
    #[arg(long, conflicts_with = "until_down")]
    wait_up: bool,
    /// Stop when this many requests in a row got no reply [default: 1].
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "1")]
    until_down: Option<UntilDown>,
    /// Count damaged, late, forged and misdirected replies too, as iputils does.
    #[arg(long)]
    lenient: bool,
}

/// What a request is like.
#[derive(Debug, Args)]
#[command(next_help_heading = "Packets")]
pub(super) struct WhatArgs {
    /// Bytes of data in a request.
    #[arg(short = 's', long, value_name = "BYTES", default_value_t = 56,
          value_parser = clap::value_parser!(u16).range(0..=65_527))]
    size: u16,
    /// Fill the data with these bytes, at most 16, in hexadecimal.
    #[arg(short = 'p', long, value_name = "HEX", value_parser = pattern)]
    pattern: Option<Pattern>,
    /// Time to live, or hop limit.
    #[arg(short = 't', long, value_name = "HOPS", value_parser = clap::value_parser!(u8).range(1..))]
    ttl: Option<u8>,
    /// Type of service, or traffic class: a number, or hexadecimal with 0x.
    #[arg(short = 'Q', long, value_name = "TOS", value_parser = tos)]
    tos: Option<u8>,
    /// Fragmentation: do (set DF), dont (allow), want (follow the cached path MTU), probe (set DF and
    /// ignore the cached path MTU).
    #[arg(short = 'M', long, value_name = "HOW")]
    pmtudisc: Option<Pmtudisc>,
    /// Send from this address or by this interface; give it twice for both.
    #[arg(short = 'I', long, value_name = "ADDRESS|DEVICE")]
    pub(super) interface: Vec<String>,
    /// Allow broadcast addresses: every host of the link may reply.
    #[arg(short = 'b', long)]
    broadcast: bool,
    /// Set this firewall mark.
    #[arg(short = 'm', long, value_name = "MARK", value_parser = mark)]
    mark: Option<u32>,
    /// Use kernel timestamps or this program's clock; auto uses kernel timestamps if they are cheap.
    #[arg(long, value_name = "CLOCK", default_value = "auto")]
    timing: TimingSource,
}

/// How it is shown.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct ShowArgs {
    /// Print only the first line and the statistics.
    #[arg(short = 'q', long)]
    pub(super) quiet: bool,
    /// Print the time in front of each line.
    #[arg(short = 'D', long)]
    pub(super) timestamps: bool,
    /// The form of that time: UTC, local time of day, or seconds since 1970 [default: epoch]; implies -D.
    #[arg(long, value_name = "FORM")]
    pub(super) time: Option<Time>,
    /// Report a request that is still unanswered before sending the next.
    #[arg(short = 'O', long)]
    pub(super) outstanding: bool,
    /// Ring the bell with each reply.
    #[arg(short = 'a', long)]
    pub(super) audible: bool,
    /// Show these percentiles of the times.
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "50,90,99",
          value_parser = percentile)]
    pub(super) percentiles: Vec<f64>,
    /// Show a histogram of the times.
    #[arg(long)]
    pub(super) hist: bool,
    /// Print the figures of each interval of this length, for each target; of a trace with --hops --watch.
    #[arg(long, value_name = "TIME", value_parser = values::positive_duration)]
    pub(super) summary_every: Option<Duration>,
    /// Output style [default: iputils for one target; for several a table on a terminal, otherwise
    /// fping]; fping without -c only reports which targets are alive.
    #[arg(long, value_name = "WHOSE", conflicts_with = "json")]
    pub(super) format: Option<Format>,
    /// Print CSV: a line for each event.
    #[arg(long, conflicts_with_all = ["json", "format"])]
    pub(super) csv: bool,
}

/// How times are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Time {
    Iso,
    Local,
    Epoch,
}

impl ShowArgs {
    /// What is shown beside the statistics.
    pub(super) fn extras(&self, context: &Context) -> Extras {
        Extras {
            percentiles: self.percentiles.clone(),
            hist: self.hist,
            layout: Layout {
                style: context.style,
                width: context.width,
                verbose: false,
            },
        }
    }

    /// The format of the time at the start of each line, if it is printed.
    pub(super) fn time_form(&self) -> Option<TimeForm> {
        match self.time {
            Some(Time::Iso) => Some(TimeForm::Iso),
            Some(Time::Local) => Some(TimeForm::Local),
            Some(Time::Epoch) => Some(TimeForm::Epoch),
            None => self.timestamps.then_some(TimeForm::Epoch),
        }
    }
}

/// Whose lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    Iputils,
    Bsd,
    Fping,
}

/// What times are measured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum TimingSource {
    Auto,
    Kernel,
    User,
}

/// The words of `-M`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Pmtudisc {
    Do,
    Dont,
    Want,
    Probe,
}

impl Flags {
    /// The family asked for.
    pub(super) fn family(&self) -> Family {
        match (self.targets.ipv4, self.targets.ipv6) {
            (true, _) => Family::V4,
            (_, true) => Family::V6,
            _ => Family::Any,
        }
    }

    /// The word after `--until-down`, if it is a target.
    pub(super) fn target_after_flag(&self) -> Option<&str> {
        match &self.when.until_down {
            Some(UntilDown::Target(word)) => Some(word),
            _ => None,
        }
    }

    /// Whether it ends when every target has replied once.
    pub(super) fn waits_until_up(&self) -> bool {
        self.when.wait_up
    }

    /// The time after which it ends.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.when.deadline
    }

    /// Bytes of data.
    pub(super) fn size(&self) -> usize {
        self.what.size.into()
    }

    /// The bytes that fill the data.
    pub(super) fn pattern(&self) -> &[u8] {
        self.what.pattern.as_ref().map_or(&[], |it| &it.0)
    }

    /// Whether dots are drawn.
    pub(super) fn draws_dots(&self) -> bool {
        self.when.flood && !self.show.quiet
    }

    /// Refuses what cannot be shown.
    pub(super) fn check(&self, is_many: bool) -> Result<()> {
        let lines = matches!(self.show.format, Some(Format::Iputils | Format::Bsd));
        if is_many && lines {
            let cause = "the lines of iputils and macOS do not tell several targets apart";
            return Err(Error::new(Kind::CannotRun, "read the command line", cause)
                .next("take --format fping, --json or --csv, or one target"));
        }
        Ok(())
    }

    /// Whether the only question is who is alive, as fping asks it.
    pub(super) fn asks_who_is_alive(&self) -> bool {
        let when = &self.when;
        let has_end = when.count.is_some() || when.deadline.is_some();
        self.show.format == Some(Format::Fping)
            && !has_end
            && !when.wait_up
            && when.until_down.is_none()
    }

    /// The plan.
    pub(super) fn plan(&self, is_many: bool) -> Plan {
        let when = &self.when;
        let unpaced = when
            .interval
            .map_or(when.flood, |interval| interval.is_zero());
        let pace = match () {
            () if unpaced && when.rate.is_none() => Pace::Flood,
            () if when.adaptive => Pace::Adaptive,
            () => Pace::Steady,
        };
        let rate = when.rate.or((is_many && !unpaced).then_some(MANY_RATE));
        let default = if (when.rate.is_some() && !is_many) || unpaced {
            Duration::ZERO
        } else {
            Duration::from_secs(1)
        };
        let hurries = is_many || when.until_down.is_some() || self.show.summary_every.is_some();
        let alive = self.asks_who_is_alive();
        let default = if alive { ALIVE_TIMEOUT } else { default };
        let timeout = if alive { ALIVE_TIMEOUT } else { MANY_TIMEOUT };
        Plan {
            count: when.count.or(alive.then_some(ALIVE_COUNT)),
            interval: when.interval.unwrap_or(default),
            spacing: rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(1.0 / rate)),
            pace,
            preload: when.preload,
            timeout: when.timeout.or((hurries || alive).then_some(timeout)),
            deadline: when.deadline,
            until: match &when.until_down {
                _ if when.wait_up || alive => Until::Up,
                Some(UntilDown::Losses(most)) => Until::Down(*most),
                Some(UntilDown::Target(_)) => Until::Down(1),
                None => Until::End,
            },
            lenient: when.lenient,
            // Where a line is printed for each reply, each has a time.
            times_first_only: pace == Pace::Flood
                && (self.show.quiet || self.draws_dots())
                && !is_many
                && self.what.timing == TimingSource::Auto,
            intervals: self.show.summary_every.is_some(),
            first: 1,
        }
    }

    /// The plan of a session that asks one thing.
    pub(super) fn small_plan(&self, count: u64, interval: Duration) -> Plan {
        Plan {
            count: Some(self.when.count.unwrap_or(count)),
            interval: self.when.interval.unwrap_or(interval),
            timeout: Some(self.when.timeout.unwrap_or(MANY_TIMEOUT)),
            ..Plan::default()
        }
    }

    /// What times are measured by.
    pub(super) fn timing(&self) -> TimingSource {
        self.what.timing
    }

    /// The options of the sockets.
    pub(super) fn options(&self) -> Result<Options> {
        let what = &self.what;
        let mut options = Options {
            hop_limit: what.ttl,
            tos: what.tos,
            mark: what.mark,
            broadcast: what.broadcast,
            stamps: what.timing != TimingSource::User,
            fragmentation: what.pmtudisc.map(|how| match how {
                Pmtudisc::Do => Fragmentation::Do,
                Pmtudisc::Dont => Fragmentation::Dont,
                Pmtudisc::Want => Fragmentation::Want,
                Pmtudisc::Probe => Fragmentation::Probe,
            }),
            ..Options::default()
        };
        for word in &what.interface {
            match Self::source(word)? {
                Some(source) => options.source = Some(source),
                None => options.device = Some(word.clone()),
            }
        }
        Ok(options)
    }

    /// The interface that `-I` names.
    pub(super) fn device(&self) -> Option<&str> {
        let mut words = self.what.interface.iter().rev();
        let is_device = |word: &&String| {
            word.split('%')
                .next()
                .is_none_or(|it| it.parse::<IpAddr>().is_err())
        };
        words.find(is_device).map(String::as_str)
    }

    /// The address that `-I` names, if it names one.
    fn source(word: &str) -> Result<Option<SocketAddr>> {
        let address = word.split('%').next().unwrap_or_default();
        if address.parse::<IpAddr>().is_err() {
            return Ok(None);
        }
        Ok(resolve(word, 0, Family::Any)?.first().copied())
    }
}
