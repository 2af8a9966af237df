//! A connection followed through its layers.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::finding::{self, Layout};
use super::json::{line, maybe_micros, micros};
use super::sockets::Sheet;
use super::steps::{self, Step};
use super::{Paint, Style, date, escape, wrap};
use crate::check::report::{LayerReport, Line};
use crate::check::{Attempt, Layer, Report, Verdict};
use crate::diagnose::{NextStep, Severity};
use crate::ping::clock::Realtime;
use crate::ping::losses::Refusal;

/// Writes it for people: the conclusion, the layers, what to do; then the findings, if there is more to say.
pub fn write(
    out: &mut impl Write,
    report: &Report<'_>,
    sheet: &Sheet<'_>,
    layout: Layout,
) -> io::Result<()> {
    let paint = match (report.is_well(), report.is_reachable()) {
        (true, _) => Paint::Bold,
        (_, true) => Paint::Warn,
        _ => Paint::Bad,
    };
    let headline = report.headline();
    for text in wrap::lines(&escape::text(&headline), layout.width, 0) {
        writeln!(out, "{}", layout.style.paint(paint, &text))?;
    }
    writeln!(out)?;
    let mut rows: Vec<Step> = report.layers().iter().flat_map(rows).collect();
    if let Some(block) = report.first().filter(|_| !layout.verbose) {
        let evidence: Vec<String> = block.finding.facts.iter().map(finding::fact).collect();
        if !evidence.is_empty() {
            rows.push(Step::new("evidence", evidence.join(", ")));
        }
        rows.push(Step::new("ruled out", block.finding.ruled_out));
        let next = block.finding.next.iter().map(NextStep::to_string);
        rows.extend((0..).zip(next).map(|(at, text)| {
            let title = if at == 0 { "next" } else { "" };
            Step::new(title, text)
        }));
        rows.retain(|row| !row.text.is_empty());
    }
    steps::write(out, &rows, layout.style, layout.width)?;
    let told = report.first().filter(|_| !layout.verbose);
    for block in report.blocks {
        let is_told = told.is_some_and(|told| std::ptr::eq(told, block));
        if is_told || (block.worst() < Severity::Warning && !layout.verbose && !report.is_well()) {
            continue;
        }
        writeln!(out)?;
        finding::write(out, block, sheet, layout)?;
    }
    Ok(())
}

/// The rows of a layer.
fn rows(layer: &LayerReport) -> Vec<Step> {
    let paint = match layer.verdict {
        Verdict::Failed => Some(Paint::Bad),
        Verdict::Doubtful => Some(Paint::Warn),
        Verdict::Passed | Verdict::Unknown => None,
    };
    let lines = (0..).zip(&layer.lines);
    lines
        .map(|(at, line): (usize, &Line)| {
            let title = if at == 0 { layer.layer.word() } else { "" };
            let mut step = Step::new(title, &line.text);
            step.time = line.time;
            step.paint = paint.filter(|_| !line.is_good);
            step
        })
        .collect()
}

/// Writes what changed from one check to the next.
pub fn changes(
    out: &mut impl Write,
    at: Realtime,
    lines: &[String],
    style: Style,
) -> io::Result<()> {
    for text in lines {
        let time = style.paint(Paint::Dim, date::time_of_day(at));
        writeln!(out, "{time}  {}", escape::text(text))?;
    }
    Ok(())
}

/// Writes one JSON document.
pub fn json(out: &mut impl Write, report: &Report<'_>, sheet: &Sheet<'_>) -> io::Result<()> {
    let layers = report.layers();
    let blocks = report.blocks.iter().map(|block| {
        let mut value = json!(finding::block_json(block, sheet));
        value["layer"] = json!(Layer::of(block.finding.rule).word());
        value
    });
    let document = json!({
        "schema": "sockdoc.check/1",
        "target": report.target.shown,
        "reachable": report.is_reachable(),
        "well": report.is_well(),
        "failed_layer": report.first_bad().map(Layer::word),
        "cause": report.first().map(|block| block.finding.rule.id),
        "text": report.headline(),
        "time_us": micros(report.time),
        "layers": layers.iter().map(layer_json).collect::<Value>(),
        "attempts": report.attempts.iter().map(attempt_json).collect::<Value>(),
        "findings": blocks.collect::<Value>(),
        "firewall_seen": report.saw_firewall,
    });
    line(out, &document)
}

fn layer_json(layer: &LayerReport) -> Value {
    let lines = layer.lines.iter().map(|line| {
        json!({
            "text": line.text,
            "time_us": maybe_micros(line.time),
            "good": line.is_good,
        })
    });
    json!({
        "layer": layer.layer.word(),
        "verdict": layer.verdict.word(),
        "lines": lines.collect::<Value>(),
    })
}

fn attempt_json(attempt: &Attempt) -> Value {
    let icmp = attempt.outcome.refusal().map(|refusal: &Refusal| {
        json!({
            "from": refusal.by,
            "type": refusal.r#type,
            "code": refusal.code,
            "text": refusal.words(),
        })
    });
    let hops = attempt.trace.as_ref().map(|trace| {
        let hops = trace.hops().iter().map(|hop| {
            let routers = hop.routers.iter().map(|it| it.address);
            json!({ "distance": hop.distance, "routers": routers.collect::<Vec<_>>() })
        });
        hops.collect::<Value>()
    });
    let others = attempt.others.iter();
    let heard = attempt.heard.answers().map(|answers| {
        let all = answers.own.iter().chain(&answers.icmp);
        all.map(|it| {
            json!({
                "kind": it.kind.word(),
                "from": it.from.ip(),
                "hops_left": it.hops_left,
                "link_address": it.hardware.map(|it| it.map(|byte| format!("{byte:02x}")).join(":")),
            })
        })
        .collect::<Value>()
    });
    let errno = match attempt.outcome {
        crate::check::Outcome::Failed(number) => crate::reference::errno::by_number(number),
        _ => None,
    };
    json!({
        "to": attempt.to.to_string(),
        "from": attempt.local.map(|it| it.to_string()),
        "translated_to": attempt.translated.map(|it| it.to_string()),
        "outcome": attempt.outcome.word(),
        "error": errno.map(|it| it.name),
        "icmp": icmp,
        "time_us": micros(attempt.time),
        "syns": attempt.syns,
        "heard": heard,
        "hops": hops,
        "other_ports": others
            .map(|(port, answered)| json!({ "port": port, "answered": answered }))
            .collect::<Value>(),
    })
}
