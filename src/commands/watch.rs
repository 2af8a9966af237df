//! `sockdoc watch`.

mod packets;

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::commands::looking::{self, Look, Where};
use crate::commands::sockets::filter_of_words;
use crate::commands::values::{positive_duration, size};
use crate::commands::{Context, Status, diagnose};
use crate::diagnose::watch::{Event, Watcher};
use crate::diagnose::{Case, Rule, Severity};
use crate::error::{Error, Kind, Result};
use crate::host::redact::Redactor;
use crate::host::{Delta, Index, Sample};
use crate::render::date;
use crate::render::finding::Layout;
use crate::render::sockets::Sheet;
use crate::render::watch::{self, Told};
use crate::sockets::filter::Filter;
use crate::sys::signals::Signals;
use crate::sys::{clock, files, privilege};

use packets::Packets;

/// Report problems of this host's connections when they begin, change and end.
///
/// Looks at the whole host again and again, as sockdoc-diagnose(1) does, and prints a line when a finding
/// begins, changes and ends. A finding has ended when two looks in a row do not show it. It only reads, and
/// sends no packet.
///
/// With --on-finding and --bundle the samples before and after the beginning of a finding are saved, as
/// sockdoc diagnose --from reads them: at most one file in ten minutes for each rule, and none that would
/// make the files take more than --bundle-max. With --keep the packets of the last seconds are saved too, at most 64 MB of
/// them, as sockdoc decode reads them; this needs CAP_NET_RAW.
///
/// The watch ends after --for, or with SIGINT or SIGTERM. The exit status is 1 if there was a warning or an
/// error.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    sockdoc watch                          report problems until Ctrl-C\n  \
    sockdoc watch :5432 --for 8h           of the sockets on port 5432, for eight hours\n  \
    sockdoc watch --json >> events.jsonl   one JSON object for each event\n  \
    sockdoc watch --on-finding own_firewall_drops --bundle /var/tmp/seen\n                                         \
    keep samples of the moment when it happens\n  \
    sockdoc watch --on-finding syn_unanswered --bundle /var/tmp/seen --keep 30s\n                                         \
    and the packets of the half minute before")]
pub struct Args {
    /// Only problems of the sockets that match: a port, an address, a part of a process name.
    #[arg(value_name = "FILTER")]
    words: Vec<OsString>,
    /// Time between two looks.
    #[arg(short, long, value_name = "S", default_value = "5", value_parser = positive_duration)]
    interval: Duration,
    /// End after this time.
    #[arg(long = "for", value_name = "TIME", value_parser = positive_duration)]
    time: Option<Duration>,
    #[command(flatten)]
    place: Where,
    /// Leave out these rules, comma-separated; `sockdoc explain` lists them.
    #[arg(long, value_name = "RULE", value_delimiter = ',', value_parser = diagnose::rule)]
    ignore: Vec<&'static Rule>,
    /// Save samples when a finding of these rules begins, comma-separated.
    #[arg(long, value_name = "RULE", value_delimiter = ',', value_parser = diagnose::rule,
          requires = "bundle")]
    on_finding: Vec<&'static Rule>,
    /// Save the samples in this directory.
    #[arg(long, value_name = "DIR", requires = "on_finding")]
    bundle: Option<PathBuf>,
    /// Hold the packets of the last TIME in memory, and save them with the samples.
    #[arg(long, value_name = "TIME", value_parser = positive_duration, requires = "bundle",
          conflicts_with = "redact")]
    keep: Option<Duration>,
    /// The most space that the saved files may take.
    #[arg(long, value_name = "SIZE", default_value = "256M", value_parser = size,
          requires = "bundle")]
    bundle_max: usize,
    /// Replace addresses and the names of Unix sockets in what is saved.
    #[arg(long, requires = "bundle")]
    redact: bool,
}

/// Looks without it after which a finding has ended: one that comes and goes is not told each time.
const PATIENCE: u8 = 2;
/// The time between two files for one rule.
const BETWEEN: Duration = Duration::from_mins(10);
/// How the names of saved files begin and end.
const PREFIX: &str = "sockdoc-";
const SUFFIX: &str = ".json";
const PACKETS: &str = ".pcapng";

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<Status> {
    let filter = filter_of_words(&args.words)?;
    if let Some(folder) = &args.bundle {
        files::used(folder, PREFIX, &[SUFFIX, PACKETS])?;
    }
    let signals = Signals::open()?;
    let packets = match args.keep {
        Some(age) => Some(Packets::open(&args.place.places()?.0, age)?),
        None => None,
    };
    let look = Look::open(&args.place, false)?;
    let mut watch = Watch {
        args,
        context,
        filter,
        watcher: Watcher::new(PATIENCE),
        saved: HashMap::new(),
        packets,
        is_signalled: false,
        worst: None,
    };
    let worst = watch.run(&look, &signals)?;
    Ok(Status::of(worst < Some(Severity::Warning)))
}

struct Watch<'a> {
    args: &'a Args,
    context: &'a Context,
    filter: Filter,
    watcher: Watcher,
    /// When samples were saved last, by rule.
    saved: HashMap<&'static str, Instant>,
    packets: Option<Packets>,
    /// It was asked to end meanwhile.
    is_signalled: bool,
    worst: Option<Severity>,
}

impl Watch<'_> {
    fn run(&mut self, look: &Look, signals: &Signals) -> Result<Option<Severity>> {
        let start = Instant::now();
        let end = self.args.time.map(|time| start + time);
        let (mut before, mut taken) = (look.sample()?, Instant::now());
        let unseen = before.notes.iter().filter(|note| note.incomplete);
        let unseen: Vec<&str> = unseen.map(|note| note.text.as_str()).collect();
        let interval = self.args.interval;
        self.tell(
            Told::Start {
                interval,
                unseen: &unseen,
            },
            before.taken,
        )?;
        let mut looks = 1;
        loop {
            let next = taken + interval;
            let until = end.map_or(next, |end| end.min(next));
            let asked_to_end = match &mut self.packets {
                Some(packets) => packets.wait_until(until)?,
                None => signals
                    .wait_until(until)
                    .map_err(|error| Error::os(Kind::CannotRun, "wait", &error))?,
            };
            // What is left of an interval at the end shows less than a whole one.
            if asked_to_end || (until < next && Instant::now() >= until) {
                break;
            }
            looks += 1;
            let now = Instant::now();
            match look.sample() {
                Ok(after) => {
                    self.compare(&before, &after, now - taken)?;
                    before = after;
                }
                Err(error) => self.tell(Told::Failed(&short(&error)), before.taken)?,
            }
            taken = now;
            if self.is_signalled || end.is_some_and(|end| Instant::now() >= end) {
                break;
            }
        }
        privilege::drop_all()?;
        let told = Told::End {
            looks,
            begun: self.watcher.begun(),
            open: self.watcher.open(),
        };
        self.tell(told, Duration::from_nanos(clock::realtime().0))?;
        Ok(self.worst)
    }

    fn compare(&mut self, before: &Sample, after: &Sample, elapsed: Duration) -> Result<()> {
        let index = Index::new(after);
        let delta = Delta::new(Index::new(before), &index, elapsed);
        let case = Case {
            ignored: &self.args.ignore,
            ..Case::new(&index).since(Some(&delta))
        };
        let findings = crate::diagnose::diagnose(&case);
        let filtered = !self.args.words.is_empty();
        let shown = looking::shown(&index, &self.filter, filtered);
        let blocks = if filtered {
            findings.blocks(&case, &shown, false)
        } else {
            findings.all_blocks(&case, false)
        };
        let names = looking::names(after);
        let sheet = Sheet {
            index: &index,
            delta: Some(&delta),
            findings: &findings,
            shown: &shown,
            names: &names,
        };
        let mut begun = Vec::new();
        for event in self.watcher.look(&case, &blocks, after.taken) {
            if let Event::Began(block) | Event::Changed(block) = &event {
                self.worst = self.worst.max(Some(block.worst()));
            }
            if let Event::Began(block) = &event {
                begun.push(block.finding.rule);
                begun.extend(block.effects.iter().map(|effect| effect.finding.rule));
            }
            let mut out = io::stdout().lock();
            let layout = Layout {
                style: self.context.style,
                width: self.context.width,
                verbose: self.context.verbose,
            };
            let written = if self.context.json {
                watch::event_json(&mut out, &event, after.taken, &sheet)
            } else {
                watch::event(&mut out, &event, after.taken, &sheet, layout)
            };
            written.and_then(|()| out.flush()).map_err(Error::output)?;
        }
        begun.retain(|rule| self.args.on_finding.contains(rule));
        if let Some(packets) = self.packets.as_mut().filter(|_| !begun.is_empty()) {
            // A signal stays: it ends the watch after this.
            self.is_signalled |= packets.catch_up()?;
        }
        for rule in begun {
            self.save(rule, before, after)?;
        }
        Ok(())
    }

    /// Saves both samples, unless that was done for the rule lately.
    fn save(&mut self, rule: &'static Rule, before: &Sample, after: &Sample) -> Result<()> {
        let Some(folder) = &self.args.bundle else {
            return Ok(());
        };
        let lately = |at: &Instant| at.elapsed() < BETWEEN;
        if self.saved.get(rule.id).is_some_and(lately) {
            return Ok(());
        }
        self.saved.insert(rule.id, Instant::now());
        let name = format!("{PREFIX}{}-{}{SUFFIX}", rule.id, date::compact(after.taken));
        let path = folder.join(name);
        let most = self.args.bundle_max as u64;
        let saved = files::used(folder, PREFIX, &[SUFFIX, PACKETS]).and_then(|used| {
            files::create_bounded(&path, most.saturating_sub(used), |file| {
                if self.args.redact {
                    let mut samples = [before.clone(), after.clone()];
                    let mut redactor = Redactor::default();
                    for sample in &mut samples {
                        redactor.redact(sample);
                    }
                    looking::write_samples(file, &samples)
                } else {
                    looking::write_samples(file, [before, after])
                }
            })
        });
        self.tell_saved(&path, saved, after.taken)?;
        let Some(packets) = self.packets.as_mut().filter(|packets| packets.len() > 0) else {
            return Ok(());
        };
        let path = path.with_extension(&PACKETS[1..]);
        let saved = files::used(folder, PREFIX, &[SUFFIX, PACKETS]).and_then(|used| {
            files::create_bounded(&path, most.saturating_sub(used), |file| packets.write(file))
        });
        self.tell_saved(&path, saved, after.taken)
    }

    fn tell_saved(&self, path: &Path, saved: Result<()>, at: Duration) -> Result<()> {
        match saved {
            Ok(()) => self.tell(Told::Saved(&path.display().to_string()), at),
            Err(error) => self.tell(Told::NotSaved(&short(&error)), at),
        }
    }

    fn tell(&self, told: Told<'_>, at: Duration) -> Result<()> {
        let mut out = io::stdout().lock();
        let written = if self.context.json {
            watch::line_json(&mut out, told, at)
        } else {
            watch::line(&mut out, told, at)
        };
        written.and_then(|()| out.flush()).map_err(Error::output)
    }
}

/// An error without its next steps, on one line.
fn short(error: &Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}
