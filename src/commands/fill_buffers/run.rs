//! From the first send to the last byte read, told as it happens.

use std::io;
use std::time::Instant;

use serde_json::Value;

use super::Args;
use super::judge::judge;
use crate::commands::endpoint::Endpoint;
use crate::commands::serving::print;
use crate::commands::{Context, Status};
use crate::diagnose::TcpEvidence;
use crate::error::{Error, Kind, Result};
use crate::fill::report::{Buffer, Datagrams, Limits};
use crate::fill::{Report, Stop, Variant};
use crate::reference::Circumstance;
use crate::render::fill::{Page, ending, json, sending, standing};
use crate::render::json as as_json;
use crate::render::sockets::{Names, Sheet, json as sockets_json};
use crate::sockets::Socket;
use crate::sockets::pairs::OtherEnds;
use crate::sys::fill::ends::{self, Ends};
use crate::sys::fill::rows::{Rows, rows};
use crate::sys::fill::{self, drain, look};
use crate::sys::resolve::resolve;
use crate::sys::signals::Signals;
use crate::sys::terminal::Gauges;

/// Runs the experiment and tells it.
pub(super) fn run(args: &Args, remote: Option<&Endpoint>, context: &Context) -> Result<Status> {
    let ends = open(args, remote)?;
    let signals = Signals::open()?;
    let mut run = Run {
        args,
        context,
        signals,
        start: Instant::now(),
        most: 0,
        rows: Rows::default(),
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
}

impl Run<'_> {
    fn whole(&mut self, ends: Ends) -> Result<Status> {
        let both_ends = ends.has_receiver();
        let names = names(&ends);
        let limits = self.limits(&ends);
        let variant = ends.variant;
        self.tell(|page| {
            sending::title(page, variant, both_ends, &names)?;
            sending::limits(page, &limits, variant)
        })?;
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
        self.tell(|page| {
            sending::sends(page, &report, self.context.verbose)?;
            sending::first_block(page, &report)
        })?;
        if let Stop::Failed(errno) = report.stop {
            return Err(failed(&report, errno));
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

    /// Runs a phase with the live bars, where there is a terminal.
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
        let evidence = match report.variant {
            Variant::Tcp => look::evidence(ends.sender()),
            _ => TcpEvidence::default(),
        };
        let verdict = judge(report, &sample, evidence, &mut self.rows);
        report.settled = Some(sample);
        report.verdict = verdict;
        let Run { rows, .. } = &*self;
        let (sockets, sender): (Vec<&Socket>, _) = (
            rows.snapshot.sockets.iter().collect(),
            rows.sender.map(|index| &rows.snapshot.sockets[index]),
        );
        let (names, others) = (Names::default(), OtherEnds::default());
        self.tell(|page| {
            standing::queues(page, report)?;
            standing::rows(
                page,
                report.variant,
                &sheet(rows, &sockets, &names, &others),
            )?;
            standing::windows(page, report, sender)?;
            match sender.filter(|socket| !socket.findings.is_empty()) {
                Some(socket) => standing::verdict(page, &sheet(rows, &[socket], &names, &others)),
                None => Ok(()),
            }
        })
    }

    fn hold(&mut self, ends: &Ends, report: &mut Report) -> Result<()> {
        let how_long = self.args.hold();
        if how_long.is_zero() || report.interrupted {
            return Ok(());
        }
        let held =
            self.watched(|run, watch| fill::hold(ends, how_long, run.start, &run.signals, watch))?;
        report.interrupted |= held.interrupted;
        self.tell(|page| ending::holding(page, &held))?;
        report.holding = Some(held);
        Ok(())
    }

    /// Closes, drains, or leaves it.
    fn end(&mut self, ends: Ends, report: &mut Report, errors_before: Option<u64>) -> Result<()> {
        let drains = !self.args.then.no_drain && !report.interrupted && report.both_ends;
        let gone = report
            .holding
            .as_ref()
            .is_some_and(|held| held.failed.is_some());
        let patience = if gone {
            report.plan.settle
        } else {
            drain::PATIENCE
        };
        if let Some(kind) = self.args.close().filter(|_| !report.interrupted) {
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
            let (names, others) = (Names::default(), OtherEnds::default());
            let sockets: Vec<&Socket> = self.rows.snapshot.sockets.iter().collect();
            let listed = sockets_json::rows(&sheet(&self.rows, &sockets, &names, &others))
                .map_err(Error::output)?;
            let verdict = self
                .rows
                .sender
                .and_then(|index| listed.get(index)?.get("findings")?.get(0).cloned())
                .filter(|_| report.verdict.is_some());
            let document = json::document(report, &verdict.unwrap_or(Value::Null), &listed);
            let mut out = Vec::new();
            as_json::line(&mut out, &document)
                .and_then(|()| print(&out))
                .map_err(Error::output)?;
        }
        Ok(Status::of(report.is_good()))
    }
}

fn sheet<'a>(
    rows: &'a Rows,
    sockets: &'a [&'a Socket],
    names: &'a Names,
    other_ends: &'a OtherEnds,
) -> Sheet<'a> {
    Sheet {
        snapshot: &rows.snapshot,
        sockets,
        names,
        other_ends,
        owners_sought: true,
    }
}

/// The addresses of both ends as text; empty for unix sockets, which have none.
fn names(ends: &Ends) -> [String; 2] {
    ends.addresses()
        .map_or_else(Default::default, |(from, to)| {
            [from.to_string(), to.to_string()]
        })
}

/// A `send()` that failed in a way that is no lesson.
fn failed(report: &Report, errno: i32) -> Error {
    let error = io::Error::from_raw_os_error(errno);
    Error::os(Kind::BadAnswer, "send to", &error)
        .under(Circumstance::Send)
        .on(report.ends[1].clone())
}
