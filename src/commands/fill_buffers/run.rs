//! From the first send to the last byte read.

use std::io;
use std::time::Instant;

use super::Args;
use super::judge::judge;
use crate::commands::endpoint::Endpoint;
use crate::commands::serving::print;
use crate::commands::{Context, Status};
use crate::diagnose::Findings;
use crate::error::{Error, Kind, Result};
use crate::fill::report::{Buffer, Datagrams, Limits};
use crate::fill::{Report, Stop, Variant};
use crate::host::{Index, SocketAt};
use crate::reference::Circumstance;
use crate::render::fill::{Page, ending, json, sending, standing};
use crate::render::finding;
use crate::render::json as as_json;
use crate::render::sockets::{Names, Sheet, json as sockets_json};
use crate::sys::fill::ends::{self, Ends};
use crate::sys::fill::rows::{Rows, rows};
use crate::sys::fill::{self, drain, look};
use crate::sys::privilege::{self, Need};
use crate::sys::resolve::resolve;
use crate::sys::signals::Signals;
use crate::sys::terminal::Gauges;

/// Runs the experiment and reports it.
pub(super) fn run(args: &Args, remote: Option<&Endpoint>, context: &Context) -> Result<Status> {
    let ends = open(args, remote)?;
    // At the other end may be a process of this host.
    match remote {
        Some(_) => privilege::keep(&[Need::Owners])?,
        None => privilege::drop_all()?,
    }
    let signals = Signals::open()?;
    let mut run = Run {
        args,
        context,
        signals,
        start: Instant::now(),
        most: 0,
        rows: Rows::default(),
        shown: Vec::new(),
    };
    run.whole(ends)
}

/// The sockets, as they were asked for.
fn open(args: &Args, remote: Option<&Endpoint>) -> Result<Ends> {
    let (sender, receiver) = (args.sender_options(), args.receiver_options());
    let family = args.reach.family();
    if let Some(name) = &sender.congestion {
        look::congestion_control(name)?;
    }
    let Some(endpoint) = remote else {
        return match args.variant() {
            Variant::Tcp => Ends::tcp_here(family, &sender, &receiver),
            Variant::Udp => Ends::udp_here(family, &sender, &receiver),
            unix => Ends::unix(unix, &sender, &receiver),
        };
    };
    let addresses = resolve(endpoint.connect_host(), endpoint.port, family)?;
    if args.udp {
        Ends::udp_to(addresses[0], &sender)
    } else {
        Ends::tcp_to(&endpoint.name(), &addresses, &sender, args.reach.timeout)
    }
}

struct Run<'a> {
    args: &'a Args,
    context: &'a Context,
    signals: Signals,
    start: Instant,
    /// The scale of the live bars, so that it does not jump between two phases.
    most: u64,
    rows: Rows,
    /// Those of them that are shown.
    shown: Vec<SocketAt>,
}

impl Run<'_> {
    fn whole(&mut self, ends: Ends) -> Result<Status> {
        let both_ends = ends.has_receiver();
        let names = names(&ends);
        let limits = self.limits(&ends);
        let variant = ends.variant;
        self.tell(|page| sending::title(page, variant, both_ends, &names))?;
        let before = look::rcvbuf_errors();
        let plan = self.args.plan();
        let oversize = match variant {
            Variant::UnixDatagrams => ends::oversize(&ends),
            _ => None,
        };
        self.start = Instant::now();
        let filled =
            self.watched(|run, watch| fill::fill(&ends, &plan, run.start, &run.signals, watch))?;
        let mut report = Report {
            variant,
            plan,
            both_ends,
            ends: names,
            limits,
            timeline: filled.timeline,
            stop: filled.stop,
            lasted: filled.lasted,
            checksum: filled.checksum,
            waits: filled.waits,
            settled: None,
            verdict: None,
            holding: None,
            datagrams: None,
            closed: None,
            draining: None,
            interrupted: filled.stop == Stop::Interrupted,
        };
        if let Stop::Failed(errno) = report.stop {
            self.tell(|page| self.steps(page, &report))?;
            return Err(self.failed(&report, errno));
        }
        self.stand(&ends, &mut report)?;
        self.hold(&ends, &mut report)?;
        if variant.is_datagram() {
            report.datagrams = Some(Datagrams {
                oversize,
                ..Datagrams::default()
            });
        }
        self.end(ends, &mut report, before)?;
        self.finish(&report)
    }

    /// How the buffers were filled.
    fn steps(&self, page: &mut Page<'_>, report: &Report) -> io::Result<()> {
        sending::limits(page, &report.limits, report.variant)?;
        sending::sends(page, report, self.context.verbose)?;
        sending::first_block(page, report)
    }

    fn limits(&self, ends: &Ends) -> Limits {
        let asked = &self.args.sockets;
        let sample = ends.sample(self.start.elapsed());
        let size = |asked: Option<usize>| asked.map(|bytes| bytes as u64);
        Limits {
            congestion: ends.congestion(),
            send_buffer: Buffer {
                asked: size(asked.sndbuf),
                got: sample.sender.send_buffer,
            },
            recv_buffer: sample.receiver.map(|end| Buffer {
                asked: size(asked.rcvbuf),
                got: end.recv_buffer,
            }),
            lowat: asked.lowat.and_then(|bytes| u32::try_from(bytes).ok()),
            user_timeout: asked.user_timeout,
            sysctls: look::sysctls(ends.variant),
        }
    }

    /// Runs a phase with the live bars, if there is a terminal.
    fn watched<T>(
        &mut self,
        phase: impl FnOnce(&Self, &mut fill::Watch<'_>) -> io::Result<T>,
    ) -> Result<T> {
        let mut gauges = Gauges::start(&["Send-Q", "Recv-Q"], self.most);
        let done = phase(self, &mut |send, recv| {
            gauges.show(&[send.unwrap_or(0), recv.unwrap_or(0)]);
        });
        self.most = gauges.most();
        gauges.finish();
        done.map_err(|error| Error::os(Kind::CannotRun, "watch the sockets", &error))
    }

    /// Where the bytes are and why: both ends, the host's own listing, the verdict.
    fn stand(&mut self, ends: &Ends, report: &mut Report) -> Result<()> {
        let accepted = report.timeline.bytes();
        let sample = fill::settled(ends, accepted, self.start, &self.signals);
        self.rows = rows(ends).unwrap_or_default();
        privilege::drop_all()?;
        // An unlisted sender is a row for the rules only.
        self.shown = self.rows.shown();
        report.verdict = judge(report, &sample, ends, &mut self.rows);
        report.settled = Some(sample);
        let rows = &self.rows;
        let sender = rows.sender.map(|at| rows.sample.socket(at));
        self.tell(|page| {
            standing::summary(page, report, rows.receiver.is_some())?;
            self.steps(page, report)?;
            with_sheet(rows, &self.shown, |sheet| {
                standing::rows(page, report.variant, sheet)?;
                standing::windows(page, report, sender)?;
                standing::verdict(page, report.verdict.as_ref(), sheet)
            })
        })
    }

    fn hold(&mut self, ends: &Ends, report: &mut Report) -> Result<()> {
        let how_long = self.args.hold();
        if how_long.is_zero() || report.interrupted {
            return Ok(());
        }
        let held = self.watched(|run, watch| fill::hold(ends, how_long, &run.signals, watch))?;
        report.interrupted |= held.interrupted;
        self.tell(|page| ending::holding(page, report, &held))?;
        report.holding = Some(held);
        Ok(())
    }

    /// Closes, drains, or leaves it.
    fn end(&mut self, ends: Ends, report: &mut Report, errors_before: Option<u64>) -> Result<()> {
        let drains = !self.args.then.no_drain && !report.interrupted && report.both_ends;
        let gone = report.connection_failed();
        let patience = if gone {
            report.plan.settle
        } else {
            drain::PATIENCE
        };
        let close = self.args.close();
        // What is over already cannot be closed.
        if let Some(kind) = close.filter(|_| !report.interrupted && !gone) {
            let (closed, draining) = drain::close(ends, kind, drains, patience, &self.signals)
                .map_err(|error| Error::os(Kind::CannotRun, "close the connection", &error))?;
            self.tell(|page| ending::closed(page, report, &closed))?;
            report.closed = Some(closed);
            report.draining = draining;
        } else if drains {
            let accepted = report.timeline.bytes();
            let chunk = report.plan.chunk;
            let draining = self.watched(|run, watch| {
                drain::drain(&ends, accepted, chunk, patience, &run.signals, watch)
            })?;
            report.draining = Some(draining);
            Self::count_datagrams(&ends, report, errors_before);
        }
        let Some(draining) = &report.draining else {
            return self.tell(|page| ending::left(page, report));
        };
        report.interrupted |= draining.end() == Some(crate::fill::DrainEnd::Interrupted);
        self.tell(|page| {
            ending::drain(page, report, draining)?;
            ending::datagrams(page, report)
        })
    }

    fn count_datagrams(ends: &Ends, report: &mut Report, errors_before: Option<u64>) {
        let Some(counted) = &mut report.datagrams else {
            return;
        };
        if report.variant == Variant::Udp {
            counted.dropped = ends.drops();
            counted.rcvbuf_errors = look::rcvbuf_errors()
                .zip(errors_before)
                .map(|(now, before)| now.saturating_sub(before));
        } else {
            let chunk = vec![0; report.plan.chunk];
            counted.named_receiver = ends::named_receiver(&chunk, report.timeline.sends()).ok();
        }
    }

    /// A `send()` that failed in an unexpected way.
    fn failed(&self, report: &Report, errno: i32) -> Error {
        let error = io::Error::from_raw_os_error(errno);
        let named = Error::os(Kind::BadAnswer, "send to", &error).under(Circumstance::Send);
        let timeout = self.args.sockets.user_timeout;
        match (timeout, named.code, report.variant) {
            (Some(_), Some("ETIMEDOUT"), _) => named
                .because("the receiver accepted nothing for the time of TCP_USER_TIMEOUT")
                .next(
                    "use a longer --user-timeout or a shorter --settle to reach the steady state first",
                )
                .on(report.ends[1].clone()),
            (_, Some("EMSGSIZE"), Variant::UnixDatagrams) => {
                Error::os(Kind::BadAnswer, "send to the other unix socket", &error)
                    .because("a whole datagram must fit into the send buffer")
                    .next("use a smaller --chunk or a larger --sndbuf")
            }
            _ => named.on(report.ends[1].clone()),
        }
    }

    /// Writes sections, where people read.
    fn tell(&self, sections: impl FnOnce(&mut Page<'_>) -> io::Result<()>) -> Result<()> {
        if self.context.json {
            return Ok(());
        }
        let mut text = Vec::new();
        sections(&mut Page {
            out: &mut text,
            style: self.context.style,
            width: self.context.width,
        })
        .and_then(|()| print(&text))
        .map_err(Error::output)
    }

    /// The document, where programs read; and the exit status.
    fn finish(&self, report: &Report) -> Result<Status> {
        if self.context.json {
            let document = with_sheet(&self.rows, &self.shown, |sheet| {
                let verdict = report.verdict.as_ref();
                let verdict = verdict.map(|finding| finding::json(finding, sheet));
                let verdict = serde_json::to_value(verdict)?;
                Ok(json::document(
                    report,
                    &verdict,
                    &sockets_json::rows(sheet)?,
                ))
            });
            let mut out = Vec::new();
            document
                .and_then(|document| as_json::line(&mut out, &document))
                .and_then(|()| print(&out))
                .map_err(Error::output)?;
        }
        Ok(Status::of(report.is_good()))
    }
}

/// The rows as every style of `sockdoc sockets` is given them.
fn with_sheet<T>(
    rows: &Rows,
    shown: &[SocketAt],
    write: impl FnOnce(&Sheet<'_>) -> io::Result<T>,
) -> io::Result<T> {
    write(&Sheet {
        delta: None,
        index: &Index::new(&rows.sample),
        findings: &Findings::default(),
        shown,
        names: &Names::default(),
    })
}

/// The addresses of both ends as text; empty for Unix sockets, which have none.
fn names(ends: &Ends) -> [String; 2] {
    ends.addresses()
        .map_or_else(Default::default, |(from, to)| {
            [from.to_string(), to.to_string()]
        })
}
