//! `sockdoc diagnose`.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::commands::looking::{self, Look, Where};
use crate::commands::sockets::filter_of_words;
use crate::commands::values::positive_duration;
use crate::commands::{Context, Status};
use crate::diagnose::rules;
use crate::diagnose::{Case, Rule, Severity, diagnose};
use crate::error::{Error, Kind, Result};
use crate::host::redact::Redactor;
use crate::host::{Delta, Index, Sample, join_closed};
use crate::render::diagnosis::{self, Diagnosis};
use crate::render::finding::Layout;
use crate::render::report::{self, Page};
use crate::render::sockets::Sheet;
use crate::sockets::change::{was_refused, was_unanswered};
use crate::sockets::filter::Filter;
use crate::sys::{clock, files, privilege};

/// Find out what is wrong with this host's connections, and why.
///
/// Looks at the whole host twice: its sockets and their processes, counters, interfaces, neighbours, sending
/// queues and limits, and the routes to peers whose connections wait. It prints what is wrong, the cause
/// before its effects, with the evidence, what was ruled out, and the next step. It only reads, and sends no
/// packet.
///
/// A FILTER is one of sockdoc-sockets(1). With it only the problems of the matching sockets are shown, and
/// what causes them.
///
/// --save writes what was seen to a file, with addresses and command names; --from diagnoses such a file,
/// on any host. With --redact each address is replaced by another one, always the same; the addresses in
/// firewall rules, command lines and the names of control groups are left out. Ports, interfaces and names of
/// programs stay. A FILTER then sees the replaced addresses. The exit status is 1 if there is a warning or an error.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    sockdoc diagnose                       what is wrong with this host's connections\n  \
    sockdoc diagnose :5432                 only with those on port 5432\n  \
    sockdoc diagnose --netns blue          in the network namespace blue\n  \
    sockdoc diagnose --save host.json      keep what was seen\n  \
    sockdoc diagnose --from host.json      diagnose it later, or elsewhere\n  \
    sockdoc diagnose --report host.html    a page to attach to a ticket; with --redact without addresses\n  \
    sockdoc diagnose --container 4f5e6d    in the network namespace of a container\n  \
    sockdoc diagnose --prometheus          metrics for node_exporter's textfile collector")]
pub struct Args {
    /// Only problems of the sockets that match: a port, an address, a part of a process name.
    #[arg(value_name = "FILTER")]
    words: Vec<OsString>,
    /// Time between the two samples.
    #[arg(long, value_name = "S", default_value = "2", conflicts_with = "from",
          value_parser = positive_duration)]
    seconds: Duration,
    #[command(flatten)]
    place: Where,
    /// Leave out these rules, comma-separated; `sockdoc explain` lists them.
    #[arg(long, value_name = "RULE", value_delimiter = ',', value_parser = rule)]
    ignore: Vec<&'static Rule>,
    /// Diagnose the samples in this file instead of this host.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["one_netns", "all_netns"])]
    from: Option<PathBuf>,
    /// Write the samples to this file.
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    save: Option<PathBuf>,
    /// Replace addresses and the names of Unix sockets, in the output and in what is saved.
    #[arg(long)]
    redact: bool,
    /// Write a report to this file too: one HTML page with the findings, sockets and charts.
    #[arg(long, value_name = "OUT")]
    report: Option<PathBuf>,
    /// Print metrics in the OpenMetrics text format.
    #[arg(long, conflicts_with = "json")]
    prometheus: bool,
}

/// The rule of a name.
pub fn rule(name: &str) -> std::result::Result<&'static Rule, String> {
    rules::named(name).ok_or_else(|| "no rule has this name; sockdoc explain lists them".to_owned())
}

/// The longest file of samples, in bytes.
const MOST_BYTES: u64 = 2 * crate::host::file::MOST_BYTES as u64;

/// Two samples and the time between them; of a file with one sample only that.
struct Looked {
    before: Option<Sample>,
    after: Sample,
    elapsed: Duration,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<Status> {
    // Named files are opened with the caller's rights, before anything else.
    let mut save = args.save.as_deref().map(files::create).transpose()?;
    let mut report = args.report.as_deref().map(files::create).transpose()?;
    let filter = filter_of_words(&args.words)?;
    let mut looked = match &args.from {
        Some(path) => {
            privilege::drop_all()?;
            read(path)?
        }
        None => look(args)?,
    };
    if args.redact {
        let mut redactor = Redactor::default();
        for sample in looked.before.iter_mut().chain([&mut looked.after]) {
            redactor.redact(sample);
        }
    }
    if let (Some(file), Some(path)) = (&mut save, &args.save) {
        let samples = looked.before.iter().chain([&looked.after]);
        looking::write_samples(file, samples).map_err(|error| {
            Error::os(Kind::CannotRun, "write", &error).on(path.display().to_string())
        })?;
    }
    show(args, &filter, &looked, report.as_mut(), context)
}

/// Looks at this host twice.
fn look(args: &Args) -> Result<Looked> {
    let look = Look::open(&args.place, true)?;
    let start = clock::monotonic();
    let mut closings = look.closings();
    let before = look.sample()?;
    closings.wait(args.seconds);
    let later = clock::monotonic();
    let mut after = look.sample()?;
    let (mut closed, _) = closings.hand_out();
    closed.retain(|it| was_refused(it) || was_unanswered(it));
    join_closed(&before, &mut after, closed);
    privilege::drop_all()?;
    Ok(Looked {
        before: Some(before),
        after,
        elapsed: Duration::from_nanos(later.0.saturating_sub(start.0)),
    })
}

/// The samples in a file, at most this many.
pub(in crate::commands) fn read_samples(path: &Path, most: usize) -> Result<Vec<Sample>> {
    let failure = |cause: String| {
        Error::new(Kind::CannotRun, "read", cause)
            .on(path.display().to_string())
            .next("write one: sockdoc diagnose --save FILE")
    };
    let bytes = files::read(path, MOST_BYTES)?;
    let lines = bytes.split(|byte| *byte == b'\n');
    let samples = lines
        .filter(|line| !line.is_empty())
        .take(most + 1)
        .map(|line| Sample::read(line).map_err(|error| failure(error.to_string())))
        .collect::<Result<Vec<Sample>>>()?;
    match samples.len() {
        0 => Err(failure("it has no sample".to_owned())),
        count if count > most => Err(failure(format!("it has more than {most} samples"))),
        _ => Ok(samples),
    }
}

/// A file of one sample, or of two.
fn read(path: &Path) -> Result<Looked> {
    let mut samples = read_samples(path, 2)?.into_iter();
    let first = samples.next().unwrap_or_default();
    Ok(match samples.next() {
        None => Looked {
            before: None,
            after: first,
            elapsed: Duration::ZERO,
        },
        Some(after) => Looked {
            elapsed: after.taken.saturating_sub(first.taken),
            before: Some(first),
            after,
        },
    })
}

fn show(
    args: &Args,
    filter: &Filter,
    looked: &Looked,
    report: Option<&mut File>,
    context: &Context,
) -> Result<Status> {
    let index = Index::new(&looked.after);
    let before = looked.before.as_ref();
    let delta = before.map(|before| Delta::new(Index::new(before), &index, looked.elapsed));
    let case = Case {
        ignored: &args.ignore,
        ..Case::new(&index).since(delta.as_ref())
    };
    let findings = diagnose(&case);
    let shown = looking::shown(&index, filter, !args.words.is_empty());
    if shown.is_empty() && !args.words.is_empty() {
        let why = "no socket matches the filter, so nothing was checked";
        return Err(Error::new(Kind::CannotRun, "diagnose", why).next("sockdoc sockets -a"));
    }
    let names = looking::names(&looked.after);
    let sheet = Sheet {
        index: &index,
        delta: delta.as_ref(),
        findings: &findings,
        shown: &shown,
        names: &names,
    };
    let blocks = if args.words.is_empty() {
        findings.all_blocks(&case, context.verbose)
    } else {
        findings.blocks(&case, &shown, context.verbose)
    };
    let worst = blocks.iter().map(crate::diagnose::Block::worst).max();
    let diagnosis = Diagnosis {
        sheet: &sheet,
        blocks: &blocks,
        seconds: looked.elapsed.as_secs_f64(),
        whole: args.words.is_empty(),
    };
    if let (Some(file), Some(path)) = (report, &args.report) {
        let html = report::host::diagnosis(Page::about(args.redact), &diagnosis);
        files::write_all(file, path, html.as_bytes())?;
    }
    let mut out = io::BufWriter::new(io::stdout().lock());
    let written = if context.json {
        diagnosis::json(&mut out, &diagnosis)
    } else if args.prometheus {
        diagnosis::metrics(&mut out, &diagnosis)
    } else {
        let layout = Layout {
            style: context.style,
            width: context.width,
            verbose: context.verbose,
        };
        diagnosis::write(&mut out, &diagnosis, layout)
    };
    written.and_then(|()| out.flush()).map_err(Error::output)?;
    Ok(Status::of(worst < Some(Severity::Warning)))
}
