//! A trace that goes on: a table on the terminal, a report, and JSON.

pub mod csv;

use std::fmt::Write as _;
use std::io::{self, Write};
use std::net::IpAddr;

use serde::Serialize;
use serde_json::{Value, json};

use super::number::{general, short_millis};
use super::path::{event, labels_json};
use super::words;
use crate::diagnose::Finding;
use crate::ping::clock::Realtime;
use crate::ping::figures::Summary;
use crate::ping::hops::End;
use crate::ping::mpls::Label;
use crate::ping::target::Target;
use crate::ping::trace::{PathChange, Router, Trace, Traced, Verdict};
use crate::render::column::{self, Column, put};
use crate::render::finding::{self, Layout};
use crate::render::json::{maybe_micros, seconds};

/// The name of an address, if one is known.
pub type Named<'a> = &'a dyn Fn(IpAddr) -> Option<String>;

/// A line of the table: a hop with one of its routers, or one that has never answered; or an MPLS label.
struct Row<'a> {
    hop: &'a Traced,
    router: Option<&'a Router>,
    /// A label that packets have at the router above.
    label: Option<&'a Label>,
    /// The first line of its hop.
    is_first: bool,
    name: Option<String>,
}

impl Row<'_> {
    fn put_time(&self, out: &mut String, time: fn(Summary) -> std::time::Duration) {
        let times = self.router.and_then(|router| router.times.summary());
        put(out, times.map(|times| short_millis(time(times))));
    }
}

const fn columns<'a>() -> [Column<Row<'a>>; 9] {
    [
        Column::number("hop", |out, row| {
            put(out, row.is_first.then_some(row.hop.distance));
        }),
        Column::text("router", |out, row| match row.router {
            _ if row.label.is_some() => {
                put(out, row.label.map(|it| format!("  {}", words::label(it))));
            }
            Some(router) => out.push_str(&words::labelled(
                row.name.as_deref(),
                &router.address.to_string(),
            )),
            None => out.push_str("(no reply)"),
        }),
        Column::number("sent", |out, row| {
            put(out, row.is_first.then_some(row.hop.sent));
        }),
        Column::number("lost", |out, row| {
            let percent = row.hop.lost() as f64 * 100.0 / row.hop.sent.max(1) as f64;
            if row.is_first {
                let _ = write!(out, "{}%", general((percent * 10.0).round() / 10.0));
            }
        }),
        Column::number("replies", |out, row| {
            put(out, row.router.map(|it| it.answers));
        }),
        Column::number("last ms", |out, row| row.put_time(out, |times| times.last)),
        Column::number("avg ms", |out, row| row.put_time(out, |times| times.mean)),
        Column::number("best ms", |out, row| row.put_time(out, |times| times.min)),
        Column::number("worst ms", |out, row| row.put_time(out, |times| times.max)),
    ]
}

/// The table.
pub fn write_table(
    out: &mut dyn io::Write,
    trace: &Trace,
    width: Option<u16>,
    named: Named<'_>,
) -> io::Result<()> {
    let rows: Vec<Row<'_>> = trace
        .hops()
        .iter()
        .flat_map(|hop| {
            let routers = hop.routers.iter().map(Some);
            let none = hop.routers.is_empty().then_some(None);
            let all = routers.chain(none).enumerate();
            all.flat_map(move |(at, router)| {
                let labels = router.map_or(&[][..], |router| router.labels.as_slice());
                let row = Row {
                    hop,
                    router,
                    label: None,
                    is_first: at == 0,
                    name: router.and_then(|router| named(router.address)),
                };
                let labels = labels.iter().map(move |label| Row {
                    hop,
                    router: None,
                    label: Some(label),
                    is_first: false,
                    name: None,
                });
                std::iter::once(row).chain(labels)
            })
        })
        .collect();
    column::table(&columns(), &rows).write(out, width)
}

/// A change of the path, as a line.
pub fn change_words(change: &PathChange) -> String {
    let PathChange { distance, from, to } = change;
    format!("path change: hop {distance} is {to} now, no longer {from}")
}

/// What the figures say, in one line.
pub fn verdict_words(trace: &Trace) -> String {
    let hops = trace.hops().len();
    let s = if hops == 1 { "" } else { "s" };
    match trace.verdict() {
        Verdict::Unknown => "nothing was asked".to_owned(),
        Verdict::Clean => format!("reached in {hops} hop{s}, nothing is lost"),
        Verdict::Limits {
            distance,
            answered,
            sent,
        } => format!(
            "hop {distance} answers {answered} of {sent}, hop {hops} all: hop {distance} limits its answers, \
             nothing is lost"
        ),
        Verdict::Loss {
            distance,
            lost,
            sent,
            router,
        } => {
            let who = router.map_or(String::new(), |router| format!(" ({router})"));
            format!(
                "reached in {hops} hop{s}, {lost} of {sent} lost: the loss begins at hop {distance}{who}"
            )
        }
        Verdict::Refused(refusal) => {
            let by = words::by(&refusal);
            format!("not reached: {by} sent {}", refusal.words())
        }
        Verdict::Unsent => "not reached: this host does not send it".to_owned(),
        Verdict::Silent { last: None } => "not reached: no hop answers".to_owned(),
        Verdict::Silent {
            last: Some((distance, router)),
        } => {
            let silent = hops - usize::from(distance);
            format!(
                "not reached: the last hop that answers is {distance} ({router}), the next {silent} are silent"
            )
        }
        Verdict::Loop {
            one,
            other,
            length: 2,
        } => {
            format!(
                "not reached: {one} and {other} send the packets to each other (a routing loop)"
            )
        }
        Verdict::Loop { one, length, .. } => {
            format!("not reached: {length} routers send the packets in a loop from {one} on")
        }
    }
}

/// The report at the end: the table, the verdict, the findings.
pub fn write_report(
    out: &mut impl Write,
    trace: &Trace,
    findings: Vec<Finding>,
    layout: Layout,
    named: Named<'_>,
) -> io::Result<()> {
    write_table(out, trace, layout.width, named)?;
    writeln!(out, "\n{}", verdict_words(trace))?;
    finding::write_all(out, findings, layout)
}

/// A change of the path as an event.
pub fn change_json(
    out: &mut impl Write,
    target: &Target,
    change: &PathChange,
    at: Realtime,
) -> io::Result<()> {
    let PathChange { distance, from, to } = change;
    let fields = json!({ "time": seconds(at), "hop": distance, "from": from, "to": to });
    event(out, "path_change", target, fields)
}

#[derive(Serialize)]
struct RouterFields {
    address: IpAddr,
    name: Option<String>,
    answers: u64,
    mpls: Value,
    rtt_min_us: Value,
    rtt_avg_us: Value,
    rtt_max_us: Value,
    rtt_mdev_us: Value,
    jitter_us: Value,
}

fn hop_fields(hop: &Traced, named: Named<'_>) -> Value {
    let routers = hop.routers.iter().map(|router| {
        let times = router.times.summary();
        RouterFields {
            address: router.address,
            name: named(router.address),
            answers: router.answers,
            mpls: labels_json(&router.labels),
            rtt_min_us: maybe_micros(times.map(|it| it.min)),
            rtt_avg_us: maybe_micros(times.map(|it| it.mean)),
            rtt_max_us: maybe_micros(times.map(|it| it.max)),
            rtt_mdev_us: maybe_micros(times.map(|it| it.deviation)),
            jitter_us: maybe_micros(times.and_then(|it| it.jitter)),
        }
    });
    json!({
        "hop": hop.distance,
        "sent": hop.sent,
        "answered": hop.answered,
        "routers": routers.collect::<Vec<_>>(),
        "reached": hop.end == Some(End::Reached),
    })
}

/// The figures of an interval that is over, as an event.
pub fn interval_json(
    out: &mut impl Write,
    target: &Target,
    trace: &Trace,
    at: Realtime,
    named: Named<'_>,
) -> io::Result<()> {
    let hops = trace.hops().iter().map(|hop| hop_fields(hop, named));
    let fields = json!({
        "time": seconds(at),
        "rounds": trace.rounds,
        "hops": hops.collect::<Value>(),
        "verdict": verdict_words(trace),
    });
    event(out, "interval", target, fields)
}

/// The report as events: one for each hop, and the end.
pub fn report_json(
    out: &mut impl Write,
    target: &Target,
    trace: &Trace,
    findings: &[Finding],
    named: Named<'_>,
) -> io::Result<()> {
    for hop in trace.hops() {
        event(out, "hop", target, hop_fields(hop, named))?;
    }
    let reached = trace.is_reached();
    let fields = json!({
        "reached": reached,
        "hops": reached.then(|| trace.hops().len()),
        "rounds": trace.rounds,
        "verdict": verdict_words(trace),
        "findings": finding::values(findings),
    });
    event(out, "hops", target, fields)
}
