//! What is said of the way to a target: the routers on it (`--hops`) and its MTU (`--mtu`).

use std::io::{self, Write};
use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::json::SCHEMA;
use super::number::short_millis;
use super::words;
use crate::ping::hops::{Answer, End, Hop};
use crate::ping::mtu::{Found, Outcome, headers};
use crate::ping::target::Target;
use crate::reference::icmp::Version;
use crate::render::escape;
use crate::render::json::maybe_micros;
use crate::render::table::Table;

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
            Some(Answer { from, rtt }) => {
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
    writeln!(out)
}

/// How the way ends; nothing for the target itself.
fn end_words(hop: &Hop) -> Option<String> {
    match hop.end? {
        End::Reached => None,
        End::Refused(refusal) => Some(refusal.words()),
        End::Unsent => Some("this host does not send it".to_owned()),
    }
}

/// The table behind the lines.
pub fn write_hops_table(
    out: &mut dyn io::Write,
    hops: &[Hop],
    width: Option<u16>,
) -> io::Result<()> {
    writeln!(out)?;
    let mut table = Table::new()
        .header(&["HOP", "ROUTER", "LOST", "BEST MS", "WORST MS", ""])
        .right(0);
    for column in 2..=4 {
        table = table.right(column);
    }
    for hop in hops {
        let routers: Vec<String> = hop.routers().iter().map(IpAddr::to_string).collect();
        let times = || hop.answers.iter().flatten().filter_map(|it| it.rtt);
        let lost = hop.answers.iter().filter(|answer| answer.is_none()).count();
        let time = |time: Option<_>| time.map_or("-".to_owned(), short_millis);
        table.row(&[
            hop.distance.to_string(),
            if routers.is_empty() {
                "(silent)".to_owned()
            } else {
                routers.join(" ")
            },
            format!("{lost}/{}", hop.answers.len()),
            time(times().min()),
            time(times().max()),
            match hop.end {
                Some(End::Reached) => "target".to_owned(),
                _ => end_words(hop).unwrap_or_default(),
            },
        ]);
    }
    table.write(out, width)
}

/// A hop as an object.
pub fn hop_object(target: &Target, hop: &Hop) -> Value {
    let mut object = about("hop", target);
    object.insert("hop".to_owned(), json!(hop.distance));
    let answers: Vec<Value> = hop
        .answers
        .iter()
        .map(|answer| match answer {
            None => Value::Null,
            Some(Answer { from, rtt }) => {
                json!({ "from": from.to_string(), "rtt_us": maybe_micros(*rtt) })
            }
        })
        .collect();
    object.insert("answers".to_owned(), json!(answers));
    let reached = hop.end == Some(End::Reached);
    object.insert("reached".to_owned(), json!(reached));
    object.insert("message".to_owned(), json!(end_words(hop)));
    Value::Object(object)
}

/// The end of `--hops` as an object.
pub fn hops_object(target: &Target, hops: &[Hop]) -> Value {
    let mut object = about("hops", target);
    let reached = hops.iter().find(|hop| hop.end == Some(End::Reached));
    object.insert("reached".to_owned(), json!(reached.is_some()));
    object.insert("hops".to_owned(), json!(reached.map(|hop| hop.distance)));
    Value::Object(object)
}

fn about(event: &str, target: &Target) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("schema".to_owned(), json!(SCHEMA));
    object.insert("event".to_owned(), json!(event));
    object.insert("target".to_owned(), json!(target.name));
    object.insert("address".to_owned(), json!(target.shown));
    object
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
        Outcome::Silent => "no answer".to_owned(),
        Outcome::TooBig { by: None, mtu } => match mtu {
            Some(mtu) => format!("larger than the MTU of this host's own link, {mtu}"),
            None => "larger than the MTU of this host's own link".to_owned(),
        },
        Outcome::TooBig {
            by: Some(refusal),
            mtu,
        } => {
            let mtu = mtu.map_or("no mtu told".to_owned(), |mtu| format!("mtu = {mtu}"));
            format!("{} ({mtu}), says {}", refusal.words(), words::by(refusal))
        }
        Outcome::Refused(refusal) => {
            format!("{}, says {}", refusal.words(), words::by(refusal))
        }
    }
}

/// The same as an object.
pub fn tried_object(target: &Target, size: usize, outcome: &Outcome) -> Value {
    let mut object = about("tried", target);
    object.insert("packet_bytes".to_owned(), json!(size));
    let word = match outcome {
        Outcome::Passed => "answered",
        Outcome::Silent => "silent",
        Outcome::TooBig { .. } => "too_big",
        Outcome::Refused(_) => "refused",
    };
    object.insert("outcome".to_owned(), json!(word));
    object.insert("message".to_owned(), json!(outcome_words(outcome)));
    Value::Object(object)
}

/// What was found.
pub fn write_found(out: &mut impl Write, target: &Target, found: &Found) -> io::Result<()> {
    match found {
        Found::Unanswered => {
            writeln!(
                out,
                "no answer, not even to the smallest packet: its MTU cannot be told"
            )
        }
        Found::Refused(refusal) => writeln!(
            out,
            "refused whatever the size: {}, says {}",
            refusal.words(),
            words::by(refusal)
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
                write!(out, ", told by {by}")?;
            }
            writeln!(out, " (ping -s {data} -M do just passes)")?;
            if let Some(refusal) = refused {
                writeln!(
                    out,
                    "larger packets are refused, and not for their size: {}, says {}",
                    refusal.words(),
                    words::by(refusal)
                )?;
            }
            let Some(sizes) = black_hole else {
                return Ok(());
            };
            let (first, last) = (sizes.start(), sizes.end());
            writeln!(
                out,
                "black hole: packets of {first} to {last} bytes vanish, and nobody says so by ICMP"
            )?;
            writeln!(out, "  next: {}", remedy(target.version(), *mtu))
        }
    }
}

fn remedy(version: Version, mtu: usize) -> String {
    let (what, headers) = match version {
        Version::V4 => ("icmp type 3 code 4 (fragmentation needed)", 40),
        Version::V6 => ("icmpv6 type 2 (packet too big)", 60),
    };
    let mss = mtu.saturating_sub(headers);
    format!("let {what} through the firewalls on the way; until then clamp the TCP MSS to {mss}")
}

/// What was found as an object.
pub fn found_object(target: &Target, found: &Found) -> Value {
    let mut object = about("mtu", target);
    let (mtu, told_by, black_hole) = match found {
        Found::Mtu {
            mtu,
            told_by,
            black_hole,
            ..
        } => (Some(*mtu), *told_by, black_hole.clone()),
        Found::Unanswered | Found::Refused(_) => (None, None, None),
    };
    object.insert("mtu_bytes".to_owned(), json!(mtu));
    let told_by = told_by.map(|by| by.to_string());
    object.insert("told_by".to_owned(), json!(told_by));
    let sizes =
        black_hole.map(|sizes| json!({ "from_bytes": sizes.start(), "to_bytes": sizes.end() }));
    object.insert("black_hole".to_owned(), json!(sizes));
    let mut text = Vec::new();
    let _ = write_found(&mut text, target, found);
    let text = String::from_utf8_lossy(&text).trim_end().to_owned();
    object.insert("message".to_owned(), json!(text));
    Value::Object(object)
}
