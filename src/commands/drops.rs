//! `sockdoc drops`.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::commands::decode::options::services;
use crate::commands::decode::session::filter_error;
use crate::commands::looking::Where;
use crate::commands::serving::{print, tell};
use crate::commands::values::positive_duration;
use crate::commands::{Context, Status};
use crate::drops::everyday::is_everyday;
use crate::drops::tally::Tally;
use crate::drops::{Dropped, LINK};
use crate::error::{Error, Kind, Result};
use crate::filter::{Filter, Program, Subject};
use crate::reference::drop_reason;
use crate::render::decode::Buffer;
use crate::render::drops::{self as text, Blind, Summary};
use crate::sys::bpf::Refused;
use crate::sys::drops::{Counted, Watch, refusal};
use crate::sys::network;
use crate::sys::outlet::{self, Outlet, Pushed};
use crate::sys::privilege::{self, Need};
use crate::sys::signals::Signals;
use crate::sys::sockets::namespaces::Place;

/// Show the packets that the kernel drops, and why.
///
/// Prints a line for each packet that the kernel drops in this network namespace: the packet, the kernel's reason and
/// the function that gave it, for the packet filter the hook, the reason in words, and the process that holds the
/// socket. At the end, or after --seconds, a table has them by reason, place, port and process, with the next step.
///
/// The words are names of reasons (NETFILTER_DROP) and a filter in tcpdump's syntax (tcp port 80). sockdoc explain
/// lists the reasons of this kernel.
///
/// The counts of the table are exact. Lines are printed as fast as they can be read; packets that came too fast are in
/// the table as not recorded. Drops that happen on every healthy host, such as what lay in the queue of a closed
/// socket, are counted and not shown without --all.
///
/// The kernel gives no reason when an accept queue is full or a program sends without a route: these come from its
/// counters. What a network card loses is not seen: see ip -s link.
///
/// It needs root, or CAP_BPF and CAP_PERFMON, and Linux 5.17 with BTF. The exit status is 0 also after a signal.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    sockdoc drops                        every drop as it happens, until Ctrl-C\n  \
    sockdoc drops --seconds 10           a table of ten seconds\n  \
    sockdoc drops NETFILTER_DROP         only what firewall rules drop\n  \
    sockdoc drops udp port 514           only drops of packets that match\n  \
    sockdoc drops --container 3f2a       the drops in a container")]
pub struct Args {
    /// Only drops for these reasons, and of packets that match this filter.
    #[arg(value_name = "WORDS")]
    words: Vec<String>,
    /// Watch for this time, then print the table alone.
    #[arg(long, value_name = "S", value_parser = positive_duration)]
    seconds: Option<Duration>,
    /// Stop after N drops.
    #[arg(short = 'c', value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Show also drops that happen on every healthy host.
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    place: Where,
}

/// The ring is read this often: waking up for each drop would cost more than the drop.
const PACE: Duration = Duration::from_millis(50);
/// At the end the reader of standard output gets this long for what is left.
const LAST_READ: Duration = Duration::from_secs(2);

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<Status> {
    let (places, _) = args.place.places()?;
    let chosen = Chosen::parse(&args.words)?;
    let signals = Signals::open()?;
    let mut needs = vec![Need::Owners];
    if places.iter().any(Place::must_be_entered) {
        needs.push(Need::Namespaces);
    }
    let watch = Watch::open(&places, true).map_err(|refused| not_allowed(&refused))?;
    privilege::keep(&needs)?;
    chosen.check(&watch)?;
    let before = blind(&places);
    let mut view = View {
        args,
        context,
        tally: if chosen.filter.is_empty() {
            Tally::default()
        } else {
            Tally::of_selected()
        },
        outlet: Outlet::start(|error| {
            if error.kind() != io::ErrorKind::BrokenPipe {
                tell(&format!("standard output cannot be written: {error}"));
            }
        })?,
        chosen,
        watch,
        seen: 0,
        unwritten: 0,
    };
    tell("watching the packets that the kernel drops");
    let begun = Instant::now();
    view.run(&signals, begun)?;
    let time = begun.elapsed();
    let after = blind(&places);
    let counts = view.watch.counts();
    let is_full = view.watch.is_full();
    privilege::drop_all()?;
    view.unwritten += view.outlet.finish(&signals, LAST_READ).events;
    if view.outlet.is_closed() {
        return Ok(Status::Good);
    }
    view.count(&counts);
    let summary = Summary {
        tally: &view.tally,
        time,
        namespace: match &places[..] {
            [one] => Some(&one.namespace),
            _ => None,
        },
        is_full,
        unwritten: view.unwritten,
        blind: Blind {
            accept_overflows: grown(before.accept_overflows, after.accept_overflows),
            no_route: grown(before.no_route, after.no_route),
            backlog: grown(before.backlog, after.backlog),
        },
    };
    let mut out = Vec::new();
    let written = if context.json {
        summary.write_json(&mut out)
    } else {
        if args.seconds.is_none() && view.seen > 0 {
            out.push(b'\n');
        }
        summary.write(&mut out, context.style, context.width)
    };
    written.and_then(|()| print(&out)).map_err(Error::output)?;
    Ok(Status::Good)
}

/// What is watched for.
struct Chosen {
    /// All, if there are none.
    reasons: Vec<String>,
    filter: Filter,
    program: Program,
}

impl Chosen {
    /// Names of reasons, in capitals or not; everything else is the filter.
    fn parse(words: &[String]) -> Result<Chosen> {
        let (reasons, words): (Vec<&String>, Vec<&String>) =
            words.iter().partition(|word| is_reason(word));
        let words: Vec<&str> = words.into_iter().map(String::as_str).collect();
        let filter = Filter::parse(&words.join(" "), &services());
        let filter = filter.map_err(|error| filter_error(&error))?;
        if filter.needs_analysis() {
            let cause = "stream, app and expert need the course of a connection, and a drop is a packet alone";
            return Err(Error::new(Kind::CannotRun, "read the filter", cause)
                .next("use addresses, ports and protocols: sockdoc drops tcp port 80"));
        }
        let program = filter.compile(LINK).map_err(|error| filter_error(&error))?;
        Ok(Chosen {
            reasons: reasons
                .into_iter()
                .map(|it| drop_reason::plain(it))
                .collect(),
            filter,
            program,
        })
    }

    /// Whether this kernel has the reasons.
    fn check(&self, watch: &Watch) -> Result<()> {
        let unknown = self.reasons.iter().find(|it| !watch.knows(it));
        match unknown {
            Some(name) => Err(Error::new(
                Kind::CannotRun,
                "drops",
                format!("this kernel has no drop reason {name}"),
            )
            .next("list the reasons: sockdoc explain; a filter is in small letters: tcp port 80")),
            None => Ok(()),
        }
    }

    fn has_reason(&self, reason: &str) -> bool {
        self.reasons.is_empty() || self.reasons.iter().any(|it| it == reason)
    }

    fn takes(&self, dropped: &Dropped) -> bool {
        let subject = Subject::new(&dropped.frame, dropped.original_len);
        self.has_reason(&dropped.reason)
            && (self.filter.is_empty() || self.program.matches(&subject))
    }
}

/// Whether a word is the name of a reason. In small letters it is if it is a well-known one, or has `_` between its
/// parts, as no word of a filter has.
fn is_reason(word: &str) -> bool {
    let is_of = |is_letter: fn(&char) -> bool| {
        let mut letters = word.chars();
        let is_first = letters.next().is_some_and(|first| is_letter(&first));
        is_first && letters.all(|c| is_letter(&c) || c.is_ascii_digit() || c == '_')
    };
    is_of(char::is_ascii_uppercase)
        || is_of(char::is_ascii_alphabetic)
            && (word.contains('_') || drop_reason::by_name(word).is_some())
}

struct View<'a> {
    args: &'a Args,
    context: &'a Context,
    chosen: Chosen,
    watch: Watch,
    tally: Tally,
    outlet: Outlet,
    seen: u64,
    unwritten: u64,
}

impl View<'_> {
    /// Until a signal comes, the time is over, there are enough, or nobody reads.
    fn run(&mut self, signals: &Signals, begun: Instant) -> Result<()> {
        let end = self.args.seconds.map(|time| begun + time);
        loop {
            let next = Instant::now() + PACE;
            let until = end.map_or(next, |end| end.min(next));
            let (is_asked, is_unread) = outlet::wait_until(signals, until)
                .map_err(|error| Error::os(Kind::CannotRun, "wait", &error))?;
            if is_unread {
                return Err(Error::output(io::ErrorKind::BrokenPipe.into()));
            }
            let is_late = end.is_some_and(|end| Instant::now() >= end);
            let is_enough = self.look();
            if is_asked || is_late || is_enough || self.outlet.is_closed() {
                signals.take();
                return Ok(());
            }
        }
    }

    /// Takes what was dropped; whether that is enough.
    fn look(&mut self) -> bool {
        let mut text = Buffer::default();
        let mut events = 0;
        for dropped in self.watch.read() {
            let is_hidden =
                !self.args.all && is_everyday(&dropped.reason, dropped.function.as_deref());
            if is_hidden || !self.chosen.takes(&dropped) {
                continue;
            }
            if self.args.count.is_some_and(|most| self.seen >= most) {
                break;
            }
            self.seen += 1;
            self.tally.see(&dropped);
            if self.args.seconds.is_some() {
                continue;
            }
            events += 1;
            if self.context.json {
                let mut line = Vec::new();
                // Writing to memory does not fail.
                let _ = text::write_json(&mut line, &dropped);
                text.bytes(&line);
            } else {
                text::write_line(&mut text, &dropped);
            }
        }
        if events > 0 {
            // A reader that is too slow is not waited for: the ring would overflow meanwhile.
            let mut patience = Duration::ZERO;
            let pushed = self.outlet.push(text.as_bytes(), events, &mut patience);
            if pushed != Pushed::Taken {
                self.unwritten += self.outlet.take_lost();
            }
        }
        self.args.count.is_some_and(|most| self.seen >= most)
    }

    /// Takes what the kernel counted. After -c that is more than what was shown.
    fn count(&mut self, counts: &[Counted]) {
        if self.args.count.is_some() {
            self.tally = std::mem::take(&mut self.tally).only_seen();
        }
        let counts = counts
            .iter()
            .filter(|it| self.chosen.has_reason(&it.reason));
        let counts = counts.map(|it| {
            let function: Option<&Arc<str>> = it.function.as_ref();
            (&it.reason, function, it.is_here, it.packets)
        });
        self.tally.count(counts, self.args.all);
    }
}

/// The counters of what leaves no trace otherwise.
pub(super) fn blind(places: &[Place]) -> Blind {
    let mut sums = Blind::default();
    let add = |sum: &mut Option<u64>, count: Option<u64>| {
        if let Some(count) = count {
            *sum = Some(sum.unwrap_or(0) + count);
        }
    };
    for place in places {
        let Ok(network) = place.inside(|| network::network(&[])) else {
            continue;
        };
        let of = |name| network.counters.get(name);
        add(&mut sums.accept_overflows, of("TcpExtListenOverflows"));
        add(&mut sums.no_route, of("IpOutNoRoutes"));
        add(&mut sums.no_route, of("Ip6OutNoRoutes"));
    }
    sums.backlog = network::machine().counters.get("softnet.dropped");
    sums
}

/// By how much a counter has grown.
pub(super) fn grown(before: Option<u64>, after: Option<u64>) -> Option<u64> {
    Some(after?.saturating_sub(before?))
}

/// Why nothing can be watched.
pub(super) fn not_allowed(refused: &Refused) -> Error {
    let (cause, next) = refusal(refused);
    Error::new(Kind::CannotRun, "watch drops", cause).next(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_read_in_capitals_and_in_small_letters_and_a_filter_is_not_one() {
        for word in [
            "NETFILTER_DROP",
            "netfilter_drop",
            "Netfilter_Drop",
            "otherhost",
            "XDP",
        ] {
            assert!(is_reason(word), "{word}");
        }
        for word in [
            "tcp",
            "port",
            "80",
            "127.0.0.1",
            "host",
            "and",
            "_",
            "not",
            "ip6",
            "::1",
        ] {
            assert!(!is_reason(word), "{word}");
        }
    }
}
