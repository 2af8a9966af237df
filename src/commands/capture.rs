//! `sockdoc capture`: `decode` on the wire.

mod files;
mod recorder;

use std::time::{Duration, Instant};

use crate::capfile::{Interface, LinkType};
use crate::commands::decode::options::Options;
use crate::commands::decode::output::Output;
use crate::commands::decode::session::{Session, filter_error};
use crate::commands::looking::Where;
use crate::commands::serving::{print, tell};
use crate::commands::{Context, Status, values};
use crate::error::{Error, Kind, Result};
use crate::filter::{Gate, listing};
use crate::render::capture as text;
use crate::sys::live::{self, Change, Live, Plan};
use crate::sys::sockets::namespaces::Place;
use crate::sys::{network, privilege};

use files::{Files, Rotation};
use recorder::Recorder;

/// Capture packets live: decode on the wire.
///
/// Shows frames while they are captured: the lines, views and filters are those of sockdoc decode. The default
/// interface is any: all interfaces of the network namespace, with packets of the loopback interface shown once.
///
/// The filter has tcpdump's syntax. It runs in the kernel, so frames that do not match cost little and are not part
/// of the analysis; stream N, app, expert and --inside are evaluated here, on all frames. VLAN tags, which the kernel
/// keeps apart from the frame, are put back before the filter decides.
///
/// -w writes a file instead of showing frames: pcapng if its name ends in .pcapng, with the interfaces, and how many
/// frames were received and dropped; otherwise pcap. With -b it is a ring of files, of which the oldest are deleted.
///
/// Packets are captured until SIGINT (Ctrl-C) or SIGTERM, or as -a and -c say. At the end standard error has, for each
/// interface, how many packets passed the filter and how many the kernel dropped because there was no room for them.
///
/// Capturing needs CAP_NET_RAW, which is dropped as soon as the sockets are open. Files are opened with the caller's
/// rights.
///
/// The exit status is 0 also after a signal. With --expert it is 1 if there are findings.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    sockdoc capture                                    all interfaces\n  \
    sockdoc capture -i lo 'tcp port 65432'             the requests of the tutorial, as they come\n  \
    sockdoc capture -i eth0 -w out.pcapng -a duration:30\n                                                     \
    half a minute into a file\n  \
    sockdoc capture -i eth0 -w ring.pcapng -b filesize:10M -b files:5\n                                                     \
    the last 50 MB\n  \
    sockdoc capture --container 3f2a --messages        requests and replies in a container")]
pub struct Args {
    /// Capture on this interface; can be repeated. any: all of them.
    #[arg(short = 'i', long, value_name = "IF", default_value = live::ANY)]
    interface: Vec<String>,
    /// List the interfaces, their state and addresses.
    #[arg(short = 'D', long)]
    list_interfaces: bool,
    /// Print the filter as the kernel runs it, and exit.
    #[arg(short = 'd')]
    dump: bool,
    #[command(flatten)]
    place: Where,
    /// Stop after this: duration:30s, filesize:10M, packets:1000; can be repeated.
    #[arg(short = 'a', long, value_name = "LIMIT", value_parser = limit)]
    autostop: Vec<Limit>,
    /// Capture at most N bytes of a frame.
    #[arg(short = 's', long, value_name = "N", default_value = "262144",
        value_parser = clap::value_parser!(u32).range(0..=262_144))]
    snapshot_length: u32,
    /// Do not put the interfaces into promiscuous mode.
    #[arg(short = 'p', long)]
    no_promiscuous_mode: bool,
    /// Memory for packets that wait to be read, of all interfaces together.
    #[arg(short = 'B', long, value_name = "SIZE", default_value = "32M", value_parser = buffer)]
    buffer_size: usize,
    /// Only packets that this host receives, or only those that it sends.
    #[arg(
        short = 'Q',
        long,
        value_name = "DIRECTION",
        default_value = "inout",
        hide_default_value = true
    )]
    direction: Direction,
    /// With -w: begin a new file after filesize:SIZE, duration:TIME or packets:N, and keep files:N; can be repeated.
    #[arg(short = 'b', long, value_name = "LIMIT", value_parser = ring, requires = "write")]
    ring_buffer: Vec<RingLimit>,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Direction {
    In,
    Out,
    Inout,
}

/// When to stop, or to begin a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    Duration(Duration),
    Bytes(u64),
    Packets(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RingLimit {
    Each(Limit),
    Files(usize),
}

/// `duration:30s`, `filesize:10M`, `packets:1000`. As in dumpcap, a number alone is seconds, or kilobytes.
fn limit(text: &str) -> std::result::Result<Limit, String> {
    let (kind, value) = text.split_once(':').unwrap_or((text, ""));
    match kind {
        "duration" => values::positive_duration(value).map(Limit::Duration),
        "filesize" => file_size(value).map(Limit::Bytes),
        "packets" => match value.parse() {
            Ok(count) if count > 0 => Ok(Limit::Packets(count)),
            _ => Err("packets: needs a number of packets".to_owned()),
        },
        _ => Err("use duration:TIME, filesize:SIZE or packets:N".to_owned()),
    }
}

fn file_size(text: &str) -> std::result::Result<u64, String> {
    let size = match text.parse::<u64>() {
        Ok(kilobytes) => kilobytes.checked_mul(1000).ok_or("too large")?,
        Err(_) => u64::try_from(values::size(text)?).unwrap_or(u64::MAX),
    };
    if size == 0 {
        return Err("must be more than 0".to_owned());
    }
    Ok(size)
}

fn ring(text: &str) -> std::result::Result<RingLimit, String> {
    match text.strip_prefix("files:") {
        Some(count) => match count.parse() {
            Ok(count @ 1..=100_000) => Ok(RingLimit::Files(count)),
            _ => Err("files: needs a number from 1 to 100000".to_owned()),
        },
        None => limit(text)
            .map(RingLimit::Each)
            .map_err(|error| error.replace(" or packets:N", ", packets:N or files:N")),
    }
}

/// From 2 MiB, which is two blocks, to 4 GiB.
fn buffer(text: &str) -> std::result::Result<usize, String> {
    match values::size(text)? {
        size if (2 << 20..=4 << 30).contains(&size) => Ok(size),
        _ => Err("must be from 2M to 4G".to_owned()),
    }
}

/// Text is shown soon; what goes into a file may be handed over in larger pieces.
const SOON: Duration = Duration::from_millis(10);
const LATER: Duration = Duration::from_millis(60);

impl Args {
    fn plan(&self) -> Plan {
        Plan {
            // As in tcpdump, 0 stands for the default.
            snaplen: match self.snapshot_length {
                0 => 262_144,
                length => length,
            },
            promiscuous: !self.no_promiscuous_mode,
            buffer: self.buffer_size,
            outgoing: match self.direction {
                Direction::In => Some(false),
                Direction::Out => Some(true),
                Direction::Inout => None,
            },
            patience: if self.options.write.is_some() {
                LATER
            } else {
                SOON
            },
        }
    }

    /// When the time that was given is over.
    fn end(&self) -> Option<Instant> {
        let durations = self.autostop.iter().filter_map(|limit| match limit {
            Limit::Duration(duration) => Some(*duration),
            _ => None,
        });
        durations.min().map(|duration| Instant::now() + duration)
    }

    /// The least of the numbers of packets that were given.
    fn packets(&self) -> Option<u64> {
        let packets = self.autostop.iter().filter_map(|limit| match limit {
            Limit::Packets(count) => Some(*count),
            _ => None,
        });
        packets.chain(self.options.count).min()
    }

    fn bytes(&self) -> Option<u64> {
        let bytes = self.autostop.iter().filter_map(|limit| match limit {
            Limit::Bytes(bytes) => Some(*bytes),
            _ => None,
        });
        bytes.min()
    }

    fn rotation(&self) -> Option<Rotation> {
        if self.ring_buffer.is_empty() {
            return None;
        }
        let mut rotation = Rotation::default();
        for limit in &self.ring_buffer {
            match limit {
                RingLimit::Files(count) => rotation.files = Some(*count),
                RingLimit::Each(Limit::Duration(duration)) => rotation.duration = Some(*duration),
                RingLimit::Each(Limit::Bytes(bytes)) => rotation.bytes = Some(*bytes),
                RingLimit::Each(Limit::Packets(packets)) => rotation.packets = Some(*packets),
            }
        }
        Some(rotation)
    }

    fn check(&self) -> Result<()> {
        let wrong =
            |cause: &str, next: &str| Err(Error::new(Kind::CannotRun, "capture", cause).next(next));
        if self.bytes().is_some() && self.options.write.is_none() {
            return wrong("-a filesize needs a file", "name one with -w");
        }
        let is_limited = |limit: &RingLimit| matches!(limit, RingLimit::Each(_));
        if !self.ring_buffer.is_empty() && !self.ring_buffer.iter().any(is_limited) {
            return wrong(
                "-b files does not say when a new file begins",
                "add -b filesize:SIZE, -b duration:TIME or -b packets:N",
            );
        }
        Ok(())
    }
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<Status> {
    args.check()?;
    let (places, _) = args.place.places()?;
    if args.list_interfaces {
        return list(&places, context);
    }
    let options = &args.options;
    options.check()?;
    let mut settings = options.settings(context)?;
    settings.limit = args.packets();
    let filter = settings.filter.clone();
    let is_for_kernel = !filter.needs_analysis() && !settings.inside;
    if !args.ring_buffer.is_empty() && !is_for_kernel {
        let cause = "-b needs a filter that is evaluated on each frame alone";
        return Err(Error::new(Kind::CannotRun, "capture", cause).next(
            "capture without stream, app, expert and --inside, and decode the files with them",
        ));
    }
    let compile = |link: LinkType, gate: Gate| {
        let program = filter.compile(link).map_err(|error| filter_error(&error))?;
        let classic = if is_for_kernel {
            program.classic(gate)
        } else {
            gate.classic()
        };
        Ok(classic.instructions)
    };
    if args.dump {
        privilege::drop_all()?;
        let programs = live::programs(&places, &args.interface, &args.plan(), &compile)?;
        let listings: String = programs.iter().map(|program| listing(program)).collect();
        print(listings.as_bytes()).map_err(Error::output)?;
        return Ok(Status::Good);
    }
    let mut live = Live::open(&places, &args.interface, &args.plan(), &compile)?;
    privilege::drop_all()?;
    let interfaces: Vec<Interface> = live.interfaces().cloned().collect();
    if let (Some(path), true) = (&options.write, is_for_kernel) {
        let files = Files::create(path, args.rotation(), interfaces)?;
        tell(&text::listening(live.interfaces(), filter.text()));
        let recorder = Recorder::new(filter, files, args.packets(), args.bytes());
        return record(live, recorder, args.end());
    }
    let output = options.write.as_deref().map(Output::create).transpose()?;
    let view = options.view(context, &settings, "a live capture");
    let report = options.create_report()?;
    options.create_folder()?;
    let mut session = Session::live(settings, view, output);
    if let Some((file, name)) = report {
        session.write_to(file, name);
    }
    tell(&text::listening(live.interfaces(), filter.text()));
    let begun = Instant::now();
    let read = live.frames(args.end(), &mut session, &mut changed);
    if let Err(error) = &read
        && error.kind == Kind::OutputClosed
    {
        return read.map(|()| Status::Good);
    }
    let counts = live.counts();
    session.lost(counts.iter().map(|count| count.dropped).sum());
    let totals = session.finish(read.is_ok())?;
    for line in text::summary(&totals, &counts, begun.elapsed()) {
        tell(&line);
    }
    let status = options.verdict(&totals)?;
    read.map(|()| status)
}

/// Into files until the end.
fn record(mut live: Live, mut recorder: Recorder, until: Option<Instant>) -> Result<Status> {
    let read = live.frames(until, &mut recorder, &mut changed);
    let counts = live.counts();
    let name = recorder.name();
    let written = recorder.finish(&counts)?;
    for line in text::written(&name, written, &counts) {
        tell(&line);
    }
    read.map(|()| Status::Good)
}

fn changed(name: &str, change: Change) {
    tell(&match change {
        Change::Down => format!("{name} is down; packets follow when it is up again"),
        Change::Gone => format!("{name} was removed"),
    });
}

/// The interfaces of the namespaces.
fn list(places: &[Place], context: &Context) -> Result<Status> {
    privilege::drop_all()?;
    let mut out = Vec::new();
    for place in places {
        let network = place.inside(|| network::network(&[]))?;
        text::write_interfaces(&mut out, &network, context.json).map_err(Error::output)?;
    }
    print(&out).map_err(Error::output)?;
    Ok(Status::Good)
}
