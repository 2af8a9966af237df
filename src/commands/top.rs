//! `sockdoc top`.

mod source;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use source::Source;

use crate::commands::looking::Where;
use crate::commands::sockets::filter_of_words;
use crate::commands::values::positive_duration;
use crate::commands::{Context, Status};
use crate::error::{Error, Kind, Result};
use crate::render::sockets::Names;
use crate::render::top::plain;
use crate::render::top::{Palette, Screen as Picture, draw, room};
use crate::sockets::order::GroupBy;
use crate::sys::screen::{Event, Screen};
use crate::sys::{clock, files, limits, privilege, terminal};
use crate::top::{Action, Key, Look, Memory, Rows, SortBy, View};

/// Show live what sockets send and receive, with their processes and problems.
///
/// The rows are sockets, or with g (--group) processes, units, containers, peers or ports, the busiest first.
/// IN/s and OUT/s are bytes of payload a second, IN and OUT the totals: of a socket since it was connected,
/// of a group since the view began, connections that closed meanwhile included. UDP has no counters.
/// A + marks a socket that opened in the last 3 s, a - one that closed, a ! one with a problem; the second
/// line has the worst problem, f lists all, Enter shows all about a row. Press ? for the keys.
///
/// A FILTER is one of sockdoc-sockets(1); / changes it. No privileges are needed, but without them the
/// processes of other users are unknown. The time between two looks is at least 20 times what a look takes,
/// so that the view never uses more than 5 % of a processor; the first line shows it.
///
/// --once and --json need no terminal. --json prints an object for each interval, socket and finding (JSON
/// Lines).
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    sockdoc top                          the busiest sockets\n  \
    sockdoc top :443 -g process          what the processes with connections on port 443 move\n  \
    sockdoc top --once                   one frame, for a pipe\n  \
    sockdoc top --json --interval 10     an object per socket and 10 s\n  \
    sockdoc top --replay host.json       samples that were saved with w, or by diagnose --save")]
pub struct Args {
    /// Only sockets that match: a port, an address, a state, a part of a process name.
    #[arg(value_name = "FILTER")]
    words: Vec<OsString>,
    /// Time between two looks: 2, 500ms, 1m; a number alone is seconds.
    #[arg(short = 'i', long, value_name = "S", default_value = "2", value_parser = positive_duration)]
    interval: Duration,
    /// Group by process, unit, container, peer or port.
    #[arg(short = 'g', long, value_name = "BY", value_parser = group)]
    group: Option<GroupBy>,
    // The list of orders is the one that is read.
    #[arg(short = 's', long, value_name = "BY", default_value = "bytes/s", value_parser = sort,
          help = format!("Sort by one of: {}", SortBy::names()))]
    sort: SortBy,
    /// Print one frame of what happens in one interval, and end.
    #[arg(long)]
    once: bool,
    /// End after this many intervals.
    #[arg(short = 'c', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    #[command(flatten)]
    place: Where,
    /// Show the samples in this file instead of this host, one after the other.
    #[arg(long, value_name = "FILE",
          conflicts_with_all = ["netns", "pid", "container", "all_netns"])]
    replay: Option<PathBuf>,
}

fn group(word: &str) -> std::result::Result<GroupBy, String> {
    const KNOWN: [GroupBy; 5] = crate::top::memory::GROUPS;
    let names: Vec<&str> = KNOWN.iter().map(|by| by.name()).collect();
    let found = KNOWN.into_iter().find(|by| by.name() == word);
    found.ok_or_else(|| format!("choose from {}", names.join(", ")))
}

fn sort(word: &str) -> std::result::Result<SortBy, String> {
    SortBy::named(word).ok_or_else(|| format!("choose from {}", SortBy::names()))
}

/// A look costs at most one part in this many of the time.
const COST: u32 = 20;

/// The interval is changed by a factor of two, between these.
const SHORTEST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_hours(1);

/// How long the first interval is on a screen, so that there are rates soon.
const FIRST: Duration = Duration::from_millis(500);

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<Status> {
    let text = words(&args.words);
    let filter = filter_of_words(&args.words)?;
    let is_live = !context.json && !args.once;
    // Standard output is looked at before anything is opened.
    let mut screen = is_live.then(Screen::open).transpose()?;
    let source = Source::open(args)?;
    let mut view = View::new(filter, text);
    (view.group, view.sort) = (args.group, args.sort);
    let mut top = Top {
        view,
        source,
        look: Look::default(),
        rows: Rows::default(),
        memory: Memory::default(),
        begun: Instant::now(),
        asked: args.interval,
        interval: args.interval,
        host: limits::sysctl("kernel.hostname").unwrap_or_default(),
        palette: Palette {
            colour: context.style.has_color(),
            ascii: !terminal::is_utf8(),
        },
    };
    top.look()?;
    match &mut screen {
        Some(screen) => top.follow(screen, args.count)?,
        None => top.print(args, context)?,
    }
    Ok(Status::Good)
}

fn words(words: &[OsString]) -> String {
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}

struct Top {
    source: Source,
    view: View,
    look: Look,
    rows: Rows,
    memory: Memory,
    begun: Instant,
    /// The interval that the user wants.
    asked: Duration,
    /// The interval as it is.
    interval: Duration,
    host: String,
    palette: Palette,
}

impl Top {
    /// Looks once. False: a file has no more samples.
    fn look(&mut self) -> Result<bool> {
        // Not the time of the clock: on a busy host this process waits for its turn.
        let start = clock::processor();
        let Some((taken, at)) = self.source.take(self.begun)? else {
            return Ok(false);
        };
        let before = std::mem::take(&mut self.look);
        self.look = before.next(taken, at, &mut self.memory);
        self.rows = Rows::new(&self.look, &self.view, &self.memory);
        let cost = clock::processor().saturating_sub(start);
        self.interval = match self.source {
            Source::Host(_) => self.asked.max(cost * COST),
            Source::File(_) => self.asked,
        };
        Ok(true)
    }

    fn picture<'a>(&'a self, names: &'a Names) -> Picture<'a> {
        Picture {
            look: &self.look,
            rows: &self.rows,
            view: &self.view,
            memory: &self.memory,
            names,
            host: &self.host,
            interval: self.interval,
            palette: self.palette,
        }
    }

    /// Without a terminal: a frame or JSON lines after each interval.
    fn print(&mut self, args: &Args, context: &Context) -> Result<()> {
        let count = if args.once { Some(1) } else { args.count };
        let mut done = 0;
        while count.is_none_or(|count| done < count) {
            if matches!(self.source, Source::Host(_)) {
                self.source.wait(self.interval);
            }
            // A file may have one sample only, which was read before.
            if !self.look()? && done > 0 {
                break;
            }
            done += 1;
            let names = self.source.names(&self.look.sample);
            if count == Some(done) {
                privilege::drop_all()?;
            }
            let picture = self.picture(&names);
            let mut out = io::BufWriter::new(io::stdout().lock());
            let written = if context.json {
                plain::json(&mut out, &picture)
            } else {
                let width = context.width.unwrap_or(WIDTH);
                plain::frame(&mut out, &picture, width)
            };
            written.and_then(|()| out.flush()).map_err(Error::output)?;
        }
        Ok(())
    }

    /// On a screen, until the user has enough.
    fn follow(&mut self, screen: &mut Screen, count: Option<u64>) -> Result<()> {
        let failed = |error: io::Error| Error::os(Kind::CannotRun, "draw the screen", &error);
        let mut next = Instant::now() + FIRST.min(self.interval);
        let mut done = 0;
        let mut names = self.source.names(&self.look.sample);
        loop {
            self.view.fit(&self.rows, room(screen.height()));
            let picture = self.picture(&names);
            screen
                .draw(|area, buffer| draw(area, buffer, &picture))
                .map_err(failed)?;
            let event = screen
                .wait(&self.source.descriptors(), next)
                .map_err(failed)?;
            match event {
                Event::End => return Ok(()),
                Event::Stop => screen.stop().map_err(failed)?,
                Event::Resized => {}
                Event::Ready => self.source.hear(),
                Event::Time if self.view.paused => next = Instant::now() + self.interval,
                Event::Time => {
                    if self.look()? {
                        done += 1;
                        names = self.source.names(&self.look.sample);
                    } else {
                        self.view.paused = true;
                        self.view.message = Some("the last sample; q: quit".to_owned());
                    }
                    if count == Some(done) {
                        return Ok(());
                    }
                    next = Instant::now() + self.interval;
                }
                Event::Key(key) => match self.press(key) {
                    Action::Quit => return Ok(()),
                    Action::Suspend => screen.stop().map_err(failed)?,
                    Action::Refresh => screen.refresh().map_err(failed)?,
                    Action::Save => self.save(),
                    action @ (Action::Faster | Action::Slower) => {
                        self.pace(&action);
                        next = next.min(Instant::now() + self.interval);
                    }
                    Action::None | Action::ReadFilter => {}
                },
            }
        }
    }

    fn press(&mut self, key: Key) -> Action {
        let findings = self.memory.troubles.len();
        let action = self.view.press(key, &self.rows, findings);
        if action == Action::ReadFilter {
            let text = self.view.typing.as_ref().map(|typing| typing.text.clone());
            let words = text.unwrap_or_default();
            let words: Vec<OsString> = words.split_whitespace().map(OsString::from).collect();
            let read = filter_of_words(&words).map_err(|error| error.cause.clone());
            self.view.filtered(read);
            self.view.end_typing(key);
        }
        self.rows = Rows::new(&self.look, &self.view, &self.memory);
        action
    }

    fn pace(&mut self, action: &Action) {
        let asked = match action {
            Action::Faster => self.asked / 2,
            _ => self.asked * 2,
        };
        self.asked = asked.clamp(SHORTEST, LONGEST);
        self.interval = self.asked;
        self.view.message = Some(format!("every {:.2} s", self.asked.as_secs_f64()));
    }

    /// Writes the sample to a new file in the current directory.
    fn save(&mut self) {
        let seconds = self.look.sample.taken.as_secs();
        let name = format!("sockdoc-{seconds}.json");
        let written = files::create_bounded(Path::new(&name), MOST_SAVED, |out| {
            let mut out = io::BufWriter::new(out);
            self.look.sample.write(&mut out)?;
            out.flush()
        });
        self.view.message = Some(match written {
            Ok(()) => format!("saved to {name}; read it: sockdoc sockets --from {name}"),
            Err(error) => format!("cannot write {name}: {}", error.cause),
        });
    }
}

/// The longest file of a sample, in bytes.
const MOST_SAVED: u64 = crate::host::file::MOST_BYTES as u64;

/// The width of a frame without a terminal.
const WIDTH: u16 = 120;
