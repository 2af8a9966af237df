//! The report of a host, and that of a connection.

use std::cmp::Reverse;
use std::time::Duration;

use super::Page;
use super::chart;
use super::findings;
use crate::check::{Report, Verdict};
use crate::diagnose::Severity;
use crate::render::diagnosis::{self, Diagnosis};
use crate::render::sockets::{Row, Sheet, cells};
use crate::render::{counted, date};
use crate::sockets::{Family, State};

/// Sockets in the table: those with a finding first, then those with the longest queues.
const MOST_SOCKETS: usize = 200;
/// Bars of a chart.
const MOST_BARS: usize = 12;

/// The report of a diagnosis.
pub fn diagnosis(mut page: Page, diagnosis: &Diagnosis<'_>) -> String {
    let page = &mut page;
    let worst = diagnosis
        .blocks
        .iter()
        .map(crate::diagnose::Block::worst)
        .max();
    let sheet = diagnosis.sheet;
    let text = diagnosis::verdict(diagnosis);
    verdict(page, worst, &text, |page| {
        if let Some(block) = diagnosis.blocks.first() {
            let text = format!("First: {}", block.finding.headline);
            page.element("p", "lead", &text);
        }
        let taken = sheet.sample().taken;
        page.element(
            "p",
            "about",
            &format!("looked at {}", date::and_time(taken)),
        );
    });
    if !diagnosis.blocks.is_empty() {
        page.section("Findings", |page| {
            for block in diagnosis.blocks {
                findings::write(page, block, sheet);
            }
        });
    }
    page.section("Sockets", |page| sockets(page, sheet));
    page.section("What was examined", |page| {
        page.element("p", "", &diagnosis::examined(diagnosis).join(", "));
        for note in diagnosis::not_examined(diagnosis) {
            page.element("p", "note", &note.text);
        }
    });
    finish(std::mem::take(page), &format!("{text} - sockdoc diagnose"))
}

/// The report of a connection that was followed through its layers.
pub fn connection(
    mut page: Page,
    report: &Report<'_>,
    sheet: &Sheet<'_>,
    made: Duration,
) -> String {
    let page = &mut page;
    let worst = report
        .blocks
        .iter()
        .map(crate::diagnose::Block::worst)
        .max();
    let worst = match (report.is_well(), report.is_reachable()) {
        (true, _) => worst.filter(|worst| *worst < Severity::Warning),
        (_, true) => Some(Severity::Warning),
        _ => Some(Severity::Error),
    };
    let headline = report.headline();
    verdict(page, worst, &headline, |page| {
        let text = format!("{}, checked {}", report.target.shown, date::and_time(made));
        page.element("p", "about", &text);
    });
    let layers = report.layers();
    page.section("The path, layer by layer", |page| {
        let rows = layers.iter().flat_map(|layer| {
            layer.lines.iter().enumerate().map(move |(index, line)| {
                let first = index == 0;
                vec![
                    if first {
                        layer.layer.word().to_owned()
                    } else {
                        String::new()
                    },
                    if first {
                        layer.verdict.word().to_owned()
                    } else {
                        String::new()
                    },
                    line.text.clone(),
                    line.time.map(milliseconds).unwrap_or_default(),
                ]
            })
        });
        page.table(&["layer", "", "what was found", "time"], &[3], rows);
        let times: Vec<(String, u64, String)> = layers
            .iter()
            .filter(|layer| layer.verdict != Verdict::Unknown)
            .filter_map(|layer| {
                let time: Duration = layer.lines.iter().filter_map(|line| line.time).sum();
                let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
                (micros > 0).then(|| (layer.layer.word().to_owned(), micros, milliseconds(time)))
            })
            .collect();
        chart::row(page, "time of each layer", &times);
    });
    if !report.blocks.is_empty() {
        page.section("Findings", |page| {
            for block in report.blocks {
                findings::write(page, block, sheet);
            }
        });
    }
    for attempt in report.attempts {
        let Some(trace) = attempt
            .trace
            .as_ref()
            .filter(|trace| !trace.hops().is_empty())
        else {
            continue;
        };
        page.section(&format!("The way to {}", attempt.to.ip()), |page| {
            let rows = trace.hops().iter().map(|hop| {
                let routers = hop.routers.iter().map(|it| it.address.to_string());
                let routers: Vec<String> = routers.collect();
                let routers = if routers.is_empty() {
                    "no answer".to_owned()
                } else {
                    routers.join(", ")
                };
                vec![hop.distance.to_string(), routers]
            });
            page.table(&["hop", "router"], &[0], rows);
        });
    }
    if !sheet.shown.is_empty() {
        page.section("Sockets", |page| sockets(page, sheet));
    }
    finish(std::mem::take(page), &format!("{headline} - sockdoc check"))
}

fn verdict(
    page: &mut Page,
    worst: Option<Severity>,
    headline: &str,
    about: impl FnOnce(&mut Page),
) {
    page.markup(format_args!(
        "<div class=\"verdict {}\">",
        worst.map_or("good", findings::class)
    ));
    page.element("h1", "", headline);
    about(page);
    page.close("div");
}

fn finish(mut page: Page, title: &str) -> String {
    let redacted = if page.is_redacted() {
        "; addresses and names were replaced"
    } else {
        ""
    };
    let text = format!("sockdoc {}{redacted}", env!("CARGO_PKG_VERSION"));
    page.element("p", "note", &text);
    page.finish(title)
}

/// The longest queues as bars, and the sockets in a table.
fn sockets(page: &mut Page, sheet: &Sheet<'_>) {
    let is_bad = |row: &Row<'_>| sheet.findings.of(row.at).next().is_some();
    // For a listener these are connections and a limit.
    let queued = |row: &Row<'_>| match row.state {
        State::Listen => 0,
        _ => u64::from(row.recv_q) + u64::from(row.send_q),
    };
    // Netlink sockets are those of programs like this one.
    let is_shown = |row: &Row<'_>| row.family != Family::Netlink || is_bad(row);
    let mut rows: Vec<Row<'_>> = sheet.rows().filter(is_shown).collect();
    rows.sort_by_key(|row| (Reverse(is_bad(row)), Reverse(queued(row)), row.at));
    let mut longest: Vec<&Row<'_>> = rows.iter().filter(|row| queued(row) > 0).collect();
    longest.sort_by_key(|row| Reverse(queued(row)));
    let bars: Vec<(String, u64, String)> = longest
        .into_iter()
        .take(MOST_BARS)
        .map(|row| {
            let mut name = String::new();
            cells::local(&mut name, row, sheet.names);
            name.push_str(" - ");
            cells::peer(&mut name, row, sheet.names);
            let words = format!("{} to read, {} to send", row.recv_q, row.send_q);
            (name, queued(row), words)
        })
        .collect();
    chart::row(page, "bytes queued in the kernel", &bars);
    if rows.len() > MOST_SOCKETS {
        let text = format!(
            "{MOST_SOCKETS} of {}: those with a finding, then those with the longest queues.",
            counted(rows.len() as u64, "socket")
        );
        page.element("p", "note", &text);
    }
    let cells = rows.iter().take(MOST_SOCKETS).map(|row| {
        let (mut local, mut peer, mut process) = (String::new(), String::new(), String::new());
        cells::local(&mut local, row, sheet.names);
        cells::peer(&mut peer, row, sheet.names);
        cells::process(&mut process, row, sheet, false);
        let why = sheet.findings.of(row.at).next();
        let why = why.map_or(String::new(), |finding| finding.headline.clone());
        vec![
            row.proto.name().to_owned(),
            row.state.ss_name().to_owned(),
            row.recv_q.to_string(),
            row.send_q.to_string(),
            local,
            peer,
            process,
            why,
        ]
    });
    page.table(
        &[
            "proto", "state", "recv-q", "send-q", "local", "peer", "process", "why",
        ],
        &[2, 3],
        cells,
    );
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
