//! The path to a target: the routers on it (`--hops`) and its MTU (`--mtu`).

use std::io::{self, Write};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Value, json};

use super::number::short_millis;
use super::words;
use crate::diagnose::Finding;
use crate::diagnose::rules::path as rules;
use crate::ping::clock::Realtime;
use crate::ping::hops::{Answer, End, Hop};
use crate::ping::mpls::{Label, Labels};
use crate::ping::mtu::{Found, Outcome, headers};
use crate::ping::target::Target;
use crate::reference::icmp::Version;
use crate::render::column::{self, Column, put};
use crate::render::escape;
use crate::render::finding;
use crate::render::json::{self, joined, maybe_micros, seconds};

/// The first line of `--hops`.
pub fn write_hops_opening(out: &mut impl Write, target: &Target, most: u8) -> io::Result<()> {
    let (name, shown) = (escape::text(&target.name), escape::text(&target.shown));
    writeln!(out, "HOPS to {name} ({shown}), at most {most}")
}

/// A line for a hop, as traceroute has them: each router with its times.
pub fn write_hop(out: &mut impl Write, hop: &Hop) -> io::Result<()> {
    write!(out, "{:>2} ", hop.distance)?;
    let mut last = None;
    for answer in &hop.answers {
        match answer {
            None => write!(out, " *")?,
            Some(Answer { from, rtt, .. }) => {
                if last != Some(*from) {
                    write!(out, " {from}")?;
                    last = Some(*from);
                }
                match rtt {
                    Some(rtt) => write!(out, " {} ms", short_millis(*rtt))?,
                    None => write!(out, " ?")?,
                }
            }
        }
    }
    if let Some(end) = end_words(hop) {
        write!(out, "  {end}")?;
    }
    writeln!(out)?;
    let mut last = Labels::default();
    for labels in hop.answers.iter().flatten().map(|answer| answer.labels) {
        let is_new = labels != std::mem::replace(&mut last, labels);
        for label in labels.as_slice().iter().filter(|_| is_new) {
            writeln!(out, "    {}", words::label(label))?;
        }
    }
    Ok(())
}

/// How the path ends; nothing for the target itself.
pub(super) fn end_words(hop: &Hop) -> Option<String> {
    match hop.end? {
        End::Reached => None,
        End::Refused(refusal) => Some(refusal.words()),
        End::Unsent => Some("not sent by this host".to_owned()),
    }
}

const COLUMNS: [Column<Hop>; 6] = [
    Column::number("hop", |out, hop| put(out, Some(hop.distance))),
    Column::text("router", |out, hop| {
        let routers: Vec<String> = hop.routers().iter().map(IpAddr::to_string).collect();
        out.push_str(&routers.join(" "));
        if routers.is_empty() {
            out.push_str("(no reply)");
        }
    }),
    Column::number("lost", |out, hop| {
        let lost = hop.answers.iter().filter(|answer| answer.is_none()).count();
        put(out, Some(format_args!("{lost}/{}", hop.answers.len())));
    }),
    Column::number("best ms", |out, hop| {
        put(out, times(hop).min().map(short_millis));
    }),
    Column::number("worst ms", |out, hop| {
        put(out, times(hop).max().map(short_millis));
    }),
    Column::text("", |out, hop| match hop.end {
        Some(End::Reached) => out.push_str("target"),
        _ => put(out, end_words(hop)),
    }),
];

fn times(hop: &Hop) -> impl Iterator<Item = Duration> {
    hop.answers.iter().flatten().filter_map(|it| it.rtt)
}

/// The table after the lines.
pub fn write_hops_table(
    out: &mut dyn io::Write,
    hops: &[Hop],
    width: Option<u16>,
) -> io::Result<()> {
    writeln!(out)?;
    column::table(&COLUMNS, hops).write(out, width)
}

/// A hop as an event.
pub fn hop_json(out: &mut impl Write, target: &Target, hop: &Hop, at: Realtime) -> io::Result<()> {
    let answers = hop.answers.iter().map(|answer| {
        let fields = |it: &Answer| {
            let labels = labels_json(&it.labels);
            json!({ "from": it.from, "rtt_us": maybe_micros(it.rtt), "mpls": labels })
        };
        answer.as_ref().map_or(Value::Null, fields)
    });
    let fields = json!({
        "time": seconds(at),
        "hop": hop.distance,
        "answers": answers.collect::<Value>(),
        "reached": hop.end == Some(End::Reached),
        "message": end_words(hop),
    });
    event(out, "hop", target, fields)
}

/// MPLS labels, from the top of the stack.
pub(super) fn labels_json(labels: &Labels) -> Value {
    let fields = |it: &Label| json!({ "label": it.value, "traffic_class": it.class, "bottom": it.is_bottom, "ttl": it.ttl });
    labels.as_slice().iter().map(fields).collect()
}

/// The end of `--hops` as an event.
pub fn hops_json(
    out: &mut impl Write,
    target: &Target,
    hops: &[Hop],
    verdict: &str,
    findings: &[Finding],
) -> io::Result<()> {
    let reached = hops.iter().find(|hop| hop.end == Some(End::Reached));
    let distance = reached.map(|hop| hop.distance);
    event(
        out,
        "hops",
        target,
        json!({
            "reached": reached.is_some(),
            "hops": distance,
            "verdict": verdict,
            "findings": finding::values(findings),
        }),
    )
}

/// An event about a target.
pub(super) fn event(
    out: &mut impl Write,
    event: &str,
    target: &Target,
    fields: Value,
) -> io::Result<()> {
    let head = json!({ "target": target.name, "address": target.shown });
    json::event(out, "ping", event, &joined([head, fields]))
}

/// The first line of `--mtu`.
pub fn write_mtu_opening(out: &mut impl Write, target: &Target) -> io::Result<()> {
    let (name, shown) = (escape::text(&target.name), escape::text(&target.shown));
    writeln!(out, "MTU of the path to {name} ({shown})")
}

/// A line for a size that was tried.
pub fn write_tried(out: &mut impl Write, size: usize, outcome: &Outcome) -> io::Result<()> {
    writeln!(out, "  {size} bytes: {}", outcome_words(outcome))
}

fn outcome_words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Passed => "answered".to_owned(),
        Outcome::Silent => "no reply".to_owned(),
        Outcome::TooBig { by: None, mtu } => match mtu {
            Some(mtu) => format!("larger than the MTU of this host's own link, {mtu}"),
            None => "larger than the MTU of this host's own link".to_owned(),
        },
        Outcome::TooBig {
            by: Some(refusal),
            mtu,
        } => {
            let mtu = mtu.map_or("no MTU given".to_owned(), |mtu| format!("mtu = {mtu}"));
            format!("{} sent {} ({mtu})", words::by(refusal), refusal.words())
        }
        Outcome::Refused(refusal) => {
            format!("{} sent {}", words::by(refusal), refusal.words())
        }
        Outcome::Unsent(why) => words::unsent(*why),
    }
}

/// The same as an event.
pub fn tried_json(
    out: &mut impl Write,
    target: &Target,
    size: usize,
    outcome: &Outcome,
) -> io::Result<()> {
    let word = match outcome {
        Outcome::Passed => "answered",
        Outcome::Silent => "silent",
        Outcome::TooBig { .. } => "too_big",
        Outcome::Refused(_) => "refused",
        Outcome::Unsent(_) => "unsent",
    };
    let message = outcome_words(outcome);
    let fields = json!({ "packet_bytes": size, "outcome": word, "message": message });
    event(out, "tried", target, fields)
}

/// What was found.
pub fn write_found(out: &mut impl Write, target: &Target, found: &Found) -> io::Result<()> {
    match found {
        Found::Unanswered => {
            writeln!(
                out,
                "no reply even to the smallest packet, so the path MTU is unknown"
            )
        }
        Found::Unsent(why) => writeln!(
            out,
            "not sent at any size: dropped by {}",
            words::unsent_account(*why)
        ),
        Found::Refused(refusal) => writeln!(
            out,
            "rejected at every size: {} sent {}",
            words::by(refusal),
            refusal.words()
        ),
        Found::Mtu {
            mtu,
            told_by,
            black_hole,
            refused,
        } => {
            let data = mtu - headers(target.version());
            write!(out, "path MTU: {mtu} bytes")?;
            if let Some(by) = told_by {
                write!(out, ", reported by {by}")?;
            }
            writeln!(out, " (ping -s {data} -M do passes)")?;
            if let Some(refusal) = refused {
                writeln!(
                    out,
                    "larger packets are rejected, but not for their size: {} sent {}",
                    words::by(refusal),
                    refusal.words()
                )?;
            }
            let Some(sizes) = black_hole else {
                return Ok(());
            };
            let (first, last) = (sizes.start(), sizes.end());
            writeln!(
                out,
                "MTU black hole: packets of {first} to {last} bytes are dropped without an ICMP error"
            )?;
            writeln!(out, "  next: {}", remedy(target.version(), *mtu))
        }
    }
}

fn remedy(version: Version, mtu: usize) -> String {
    let (what, headers) = match version {
        Version::V4 => ("ICMP type 3 code 4 (fragmentation needed)", 40),
        Version::V6 => ("ICMPv6 type 2 (packet too big)", 60),
    };
    let mss = mtu.saturating_sub(headers);
    format!(
        "allow {what} through every firewall on the path. Workaround: clamp the TCP MSS to {mss}"
    )
}

/// What was found as an event.
pub fn found_json(out: &mut impl Write, target: &Target, found: &Found) -> io::Result<()> {
    let (mtu, told_by, black_hole) = match found {
        Found::Mtu {
            mtu,
            told_by,
            black_hole,
            ..
        } => (Some(*mtu), *told_by, black_hole.as_ref()),
        _ => (None, None, None),
    };
    let mut text = Vec::new();
    write_found(&mut text, target, found)?;
    let sizes =
        |it: &RangeInclusive<usize>| json!({ "from_bytes": it.start(), "to_bytes": it.end() });
    let fields = json!({
        "mtu_bytes": mtu,
        "told_by": told_by,
        "black_hole": black_hole.map(sizes),
        "findings": finding::values(&rules::of_mtu(target.address, found).into_iter().collect::<Vec<_>>()),
        "message": String::from_utf8_lossy(&text).trim_end(),
    });
    event(out, "mtu", target, fields)
}
