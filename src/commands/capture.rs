//! `sockdoc capture`: `decode` on the wire.

mod drops;
mod files;
mod interfaces;
mod joined;
mod keeper;
mod limits;
mod owners;
pub(super) mod recent;
mod recorder;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::capfile::{Interface, LinkType};
use crate::commands::decode::options::Options;
use crate::commands::decode::output::Output;
use crate::commands::decode::session::{Session, filter_error};
use crate::commands::diagnose;
use crate::commands::drops::not_allowed;
use crate::commands::looking::Where;
use crate::commands::serving::{print, tell};
use crate::commands::{Context, Status, values};
use crate::diagnose::Rule;
use crate::diagnose::rules::Check;
use crate::error::{Error, Kind, Result};
use crate::filter::{Filter, Gate, listing};
use crate::render::capture as text;
use crate::sockets::filter::ProcessWord;
use crate::sys::drops::refusal;
use crate::sys::live::{self, Change, Live, Plan};
use crate::sys::privilege;
use crate::sys::sockets::namespaces::Place;

use drops::Drops;
use files::{Files, Rotation};
use interfaces::{distinct, list};
use joined::{Beside, Joined};
use keeper::Keeper;
use limits::{Limit, RingLimit, buffer, limit, ring};
use owners::Owners;
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
/// With --keep, the packets of the last seconds are kept in memory, and written when SIGUSR1 comes, with the first finding
/// of --until, and at the end: to a file with a number and the time in its name. So a capture can wait for a rare fault.
///
/// Packets are captured until SIGINT (Ctrl-C) or SIGTERM, or as -a and -c say. At the end standard error has, for each
/// interface, how many packets passed the filter and how many the kernel dropped because there was no room for them.
///
/// After the line of a packet of TCP or UDP are the processes at its ends, if they are on this host: SENDER → RECEIVER.
/// A pcapng file has them as comments of the packet, which sockdoc decode and Wireshark show. ? is an end whose process
/// was not found. BPF programs see the process that connects, sends or receives; where the kernel does not allow them,
/// the socket is looked up when the first packet of a flow comes, so a connection of less than a millisecond may be
/// missed. The programs make each send and receive of the host slower by about 0.2 µs; --no-process does without them. --json says of each process how it was found. With --process only packets are shown of which an end is known
/// to be of such a process.
///
/// Capturing needs CAP_NET_RAW, which is dropped as soon as the sockets are open. Processes of other users need
/// CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH, BPF needs CAP_BPF and CAP_PERFMON; they are in effect only around the calls
/// that need them. Files are opened with the caller's rights.
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
    sockdoc capture -w fault.pcapng --keep 30s         the half minute before kill -USR1\n  \
    sockdoc capture --process nginx                    packets from and to a process\n  \
    sockdoc capture --container 3f2a --messages        requests and replies in a container")]
pub struct Args {
    /// Capture on this interface; can be repeated. any: all of them.
    #[arg(short = 'i', long, value_name = "IF", default_value = live::ANY)]
    interface: Vec<String>,
    /// List the interfaces, their state and addresses, and what can be captured.
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
    /// With -w: keep the packets of the last TIME in memory, at most -B of it; write them on SIGUSR1 and at the end.
    #[arg(long, value_name = "TIME", value_parser = values::positive_duration, requires = "write",
        conflicts_with_all = ["ring_buffer", "autostop", "count"])]
    keep: Option<Duration>,
    /// With --keep: end with the first finding of this rule; `sockdoc explain` lists them.
    #[arg(long, value_name = "RULE", value_parser = rule, requires = "keep")]
    until: Option<&'static Rule>,
    /// Only packets from or to this process: a part of its name, pid:N, unit:NAME or container:NAME; can be repeated.
    #[arg(long, value_name = "PROCESS", value_parser = process)]
    process: Vec<ProcessWord>,
    /// Do not find out the processes at both ends of a packet.
    #[arg(long, conflicts_with = "process")]
    no_process: bool,
    /// Show packets that the kernel drops, as DROP lines; with -w, write them. The default with lines and the rights.
    #[arg(long, overrides_with = "no_drops")]
    drops: bool,
    /// Do not show packets that the kernel drops.
    #[arg(long, overrides_with = "drops")]
    no_drops: bool,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Direction {
    In,
    Out,
    Inout,
}

/// A rule about packets.
fn rule(name: &str) -> std::result::Result<&'static Rule, String> {
    let rule = diagnose::rule(name)?;
    match rule.check {
        Check::Fact(_) => Ok(rule),
        _ => Err("this rule is about a host, not about packets".to_owned()),
    }
}

fn process(text: &str) -> std::result::Result<ProcessWord, String> {
    ProcessWord::parse(text).map_err(|error| error.to_string())
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
            is_printed: self.options.is_printed(),
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

    /// Whether the processes are shown: in lines, in JSON, or as comments in a pcapng file.
    fn wants_owners(&self) -> bool {
        let is_shown = match &self.options.write {
            Some(path) => path.to_string_lossy().contains(".pcapng"),
            None => !self.options.is_view_given(),
        };
        !self.process.is_empty() || (is_shown && !self.no_process)
    }

    /// Begins to watch the packets that the kernel drops, if they are wanted and it allows that; otherwise what is to
    /// be said of that.
    fn watch_drops<'a>(
        &self,
        places: &'a [Place],
        interfaces: &[String],
        filter: &Filter,
        live: &Live,
        context: &Context,
    ) -> Result<(Option<Drops<'a>>, Option<String>)> {
        let is_default = !self.options.is_view_given() && !context.json;
        if self.no_drops || !(self.drops || is_default) {
            return Ok((None, None));
        }
        if filter.needs_analysis() {
            return if self.drops {
                let cause = "stream, app and expert need the course of a connection, and a drop is a packet alone";
                Err(Error::new(Kind::CannotRun, "capture --drops", cause)
                    .next("use addresses, ports and protocols, or leave out --drops"))
            } else {
                Ok((None, None))
            };
        }
        let only_some = !self.process.is_empty();
        match Drops::open(places, interfaces, filter.clone(), only_some, live.delay()) {
            Ok(drops) => Ok((Some(drops), None)),
            Err(refused) if self.drops => Err(not_allowed(&refused)),
            Err(refused) => {
                let (why, _) = refusal(&refused);
                let note = format!("packets that the kernel drops are not shown: {why}");
                Ok((None, Some(note)))
            }
        }
    }

    /// Opens what finds the processes, if they are wanted and the kernel tells.
    fn owners(&self, places: &[Place], live: &Live) -> Result<Option<Owners>> {
        if !self.wants_owners() {
            return Ok(None);
        }
        match Owners::open(places, live.places().collect(), &self.process) {
            Ok(owners) => Ok(Some(owners)),
            Err(error) if !self.process.is_empty() => Err(error),
            Err(error) => {
                tell(&format!("processes are not shown: {}", error.on_one_line()));
                Ok(None)
            }
        }
    }

    fn check(&self) -> Result<()> {
        let wrong =
            |cause: &str, next: &str| Err(Error::new(Kind::CannotRun, "capture", cause).next(next));
        if self.bytes().is_some() && self.options.write.is_none() {
            return wrong("-a filesize needs a file", "name one with -w");
        }
        let is_pcapng = |path: &PathBuf| path.to_string_lossy().contains(".pcapng");
        if self.drops && !self.options.write.as_ref().is_none_or(is_pcapng) {
            return wrong(
                "a pcap file has no place for packets that the kernel drops",
                "use a file name that ends in .pcapng",
            );
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
    let names = distinct(&args.interface);
    let options = &args.options;
    options.check()?;
    let mut settings = options.settings(context)?;
    settings.limit = args.packets();
    let filter = settings.filter.clone();
    let is_for_kernel = !filter.needs_analysis() && !settings.inside;
    if (args.keep.is_some() || !args.ring_buffer.is_empty()) && !is_for_kernel {
        let cause = "-b and --keep need a filter that is evaluated on each frame alone";
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
        let programs = live::programs(&places, &names, &args.plan(), &compile)?;
        let listings: String = programs.iter().map(|program| listing(program)).collect();
        print(listings.as_bytes()).map_err(Error::output)?;
        return Ok(Status::Good);
    }
    let mut live = Live::open(&places, &names, &args.plan(), &compile)?;
    let beside = Beside::open(args, &places, &names, &filter, &live, context)?;
    let interfaces: Vec<Interface> = live.interfaces().cloned().collect();
    if let (Some(path), true) = (&options.write, is_for_kernel) {
        if let Some(age) = args.keep {
            let mut keeper = Keeper::new(filter, path, interfaces, age, args.buffer_size);
            if let Some(rule) = args.until {
                keeper = keeper.until(rule.id, settings.for_findings());
            }
            beside.announce(&live, keeper.filter());
            return keep(live, beside.join(keeper));
        }
        let files = Files::create(path, args.rotation(), interfaces)?;
        beside.announce(&live, filter.text());
        let recorder = Recorder::new(filter, files, args.packets(), args.bytes());
        return record(live, beside.join(recorder), args.end());
    }
    let output = options.write.as_deref().map(Output::create_live);
    let output = output.transpose()?;
    let view = options.view(context, &settings, "a live capture");
    let report = options.create_report()?;
    options.create_folder()?;
    let mut session = Session::live(settings, view, output)?;
    if let Some((file, name)) = report {
        session.write_to(file, name);
    }
    beside.announce(&live, filter.text());
    let mut handler = beside.join(session);
    let begun = Instant::now();
    let read = live.frames(args.end(), &mut handler, &mut changed);
    if is_unread(&read) {
        return read.map(|()| Status::Good);
    }
    let counts = live.counts();
    let (mut session, known) = handler.finish(read.is_ok())?;
    session.lost(counts.iter().map(|count| count.dropped).sum());
    let totals = session.finish(read.is_ok(), Some(live.signals()))?;
    let told = options.tells_findings();
    tell_all(&text::summary(&totals, &counts, begun.elapsed(), told));
    tell_all(&known);
    let status = options.verdict(&totals)?;
    read.map(|()| status)
}

fn tell_all(lines: &[String]) {
    for line in lines {
        tell(line);
    }
}

/// Whether the reader of standard output has gone.
fn is_unread(read: &Result<()>) -> bool {
    let error = read.as_ref().err();
    error.is_some_and(|error| error.kind == Kind::OutputClosed)
}

/// Into files until the end.
fn record(
    mut live: Live,
    mut handler: Joined<'_, Recorder>,
    until: Option<Instant>,
) -> Result<Status> {
    let read = live.frames(until, &mut handler, &mut changed);
    if is_unread(&read) {
        return read.map(|()| Status::Good);
    }
    let (recorder, known) = handler.finish(read.is_ok())?;
    let counts = live.counts();
    let name = recorder.name();
    let finished = recorder.finish(&counts);
    let lines = match &finished {
        Ok(written) => text::written(&name, *written, &counts),
        Err(_) => text::received(&counts),
    };
    tell_all(&lines);
    tell_all(&known);
    read.and(finished).map(|_| Status::Good)
}

/// In memory until the end, and then into a file.
fn keep(mut live: Live, mut handler: Joined<'_, Keeper>) -> Result<Status> {
    let read = live.frames(None, &mut handler, &mut changed);
    let counts = live.counts();
    let (mut keeper, known) = handler.finish(read.is_ok())?;
    keeper.write(&counts)?;
    tell_all(&text::received(&counts));
    tell_all(&known);
    read.map(|()| Status::Good)
}

fn changed(name: &str, change: Change) {
    tell(&match change {
        Change::Down => format!("{name} is down; packets follow when it is up again"),
        Change::Gone => format!("{name} was removed"),
    });
}
