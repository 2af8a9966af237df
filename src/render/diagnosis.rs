//! What is wrong with a host: the report of `sockdoc diagnose` as text, as JSON and as metrics.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use super::finding::{self, BlockJson, Layout};
use super::sockets::Sheet;
use super::{counted, escape, wrap};
use crate::diagnose::{Block, Severity, rules};
use crate::host::Note;
use crate::host::network::Settings;

/// A diagnosis to show.
#[derive(Debug, Clone, Copy)]
pub struct Diagnosis<'a> {
    /// The sample, with the sockets that were examined.
    pub sheet: &'a Sheet<'a>,
    /// What was found: first causes with their effects, the worst first.
    pub blocks: &'a [Block],
    /// The time between the two samples; 0: there was one.
    pub seconds: f64,
    /// Whether the whole host was examined, not only some sockets.
    pub whole: bool,
}

/// How far the titles of the last lines are from their text.
const MARGIN: usize = 14;

/// Writes the report: the verdict, the findings, then what was examined and what was not.
pub fn write(
    out: &mut (impl Write + ?Sized),
    diagnosis: &Diagnosis<'_>,
    layout: Layout,
) -> io::Result<()> {
    for line in wrap::lines(&verdict(diagnosis), layout.width, 0) {
        writeln!(out, "{line}")?;
    }
    for block in diagnosis.blocks {
        writeln!(out)?;
        finding::write(out, block, diagnosis.sheet, layout)?;
    }
    writeln!(out)?;
    let mut part = |title: &str, text: &str| -> io::Result<()> {
        let mut title = title;
        for line in wrap::lines(&escape::text(text), layout.width, MARGIN) {
            writeln!(out, "{title:<MARGIN$}{line}")?;
            title = "";
        }
        Ok(())
    };
    part("examined", &examined(diagnosis).join(", "))?;
    let mut title = "not examined";
    for note in not_examined(diagnosis) {
        part(title, &note.text)?;
        title = "";
    }
    Ok(())
}

/// `1 cause with 3 effects; examined 412 sockets of 38 processes for 2.0 s`.
pub(super) fn verdict(diagnosis: &Diagnosis<'_>) -> String {
    let sheet = diagnosis.sheet;
    let processes = sheet.sample().owners.processes().len();
    let networks = &sheet.sample().networks;
    let has_counters = networks.iter().any(|network| !network.counters.is_empty());
    let looked = format!(
        "{} of {}{}",
        counted(sheet.shown.len() as u64, "socket"),
        counted(processes as u64, "process"),
        if diagnosis.whole && has_counters {
            " and the host's counters"
        } else {
            ""
        },
    );
    let time = if diagnosis.seconds > 0.0 {
        format!(" for {:.1} s", diagnosis.seconds)
    } else {
        String::new()
    };
    let causes = diagnosis.blocks.len() as u64;
    if causes == 0 {
        return format!("nothing wrong found; examined {looked}{time}");
    }
    let effects: u64 = diagnosis.blocks.iter().map(effects).sum();
    let with = if effects == 0 {
        String::new()
    } else {
        format!(" with {}", counted(effects, "effect"))
    };
    let what = if effects == 0 {
        counted(causes, "finding")
    } else {
        counted(causes, "cause")
    };
    format!("{what}{with}; examined {looked}{time}")
}

fn effects(block: &Block) -> u64 {
    block.effects.iter().map(|effect| 1 + effects(effect)).sum()
}

/// What the rules had to go by.
pub(super) fn examined(diagnosis: &Diagnosis<'_>) -> Vec<&'static str> {
    let sample = diagnosis.sheet.sample();
    let any = |has: fn(&crate::host::Network) -> bool| sample.networks.iter().any(has);
    let parts = [
        (true, "sockets"),
        (sample.owners.were_sought(), "processes"),
        (any(|network| !network.counters.is_empty()), "counters"),
        (any(|network| !network.links.is_empty()), "interfaces"),
        (any(|network| !network.links.is_empty()), "neighbours"),
        (any(|network| !network.links.is_empty()), "routes"),
        (any(|network| !network.qdiscs.is_empty()), "sending queues"),
        (any(|network| network.firewall.is_some()), "firewall rules"),
        (
            any(|network| network.traced.is_some()),
            "kernel drop reasons",
        ),
        (
            any(|network| network.settings != Settings::default()),
            "limits",
        ),
    ];
    parts
        .into_iter()
        .filter_map(|(was, name)| was.then_some(name))
        .collect()
}

/// What could not be seen.
pub(super) fn not_examined<'a>(diagnosis: &Diagnosis<'a>) -> impl Iterator<Item = &'a Note> {
    let notes = diagnosis.sheet.sample().notes.iter();
    notes.filter(|note| note.incomplete)
}

#[derive(Debug, Serialize)]
struct DiagnosisJson<'a> {
    schema: &'static str,
    taken_unix_ms: u64,
    seconds: f64,
    sockets: usize,
    processes: usize,
    findings: Vec<BlockJson<'a>>,
    examined: Vec<&'static str>,
    not_examined: Vec<&'a Note>,
}

/// Writes one JSON document.
pub fn json(out: &mut (impl Write + ?Sized), diagnosis: &Diagnosis<'_>) -> io::Result<()> {
    let sheet = diagnosis.sheet;
    let taken = sheet.sample().taken.as_millis();
    let document = DiagnosisJson {
        schema: "sockdoc.diagnose/1",
        taken_unix_ms: u64::try_from(taken).unwrap_or(u64::MAX),
        seconds: (diagnosis.seconds * 1000.0).round() / 1000.0,
        sockets: sheet.shown.len(),
        processes: sheet.sample().owners.processes().len(),
        findings: diagnosis
            .blocks
            .iter()
            .map(|block| finding::block_json(block, sheet))
            .collect(),
        examined: examined(diagnosis),
        not_examined: not_examined(diagnosis).collect(),
    };
    serde_json::to_writer(&mut *out, &document)?;
    writeln!(out)
}

/// Writes metrics in the text format of `OpenMetrics`, for `node_exporter`'s textfile collector: a gauge for
/// each rule, so that one which is not found is 0.
pub fn metrics(out: &mut (impl Write + ?Sized), diagnosis: &Diagnosis<'_>) -> io::Result<()> {
    let mut counts: BTreeMap<(&str, Severity), usize> = BTreeMap::new();
    count(diagnosis.blocks, &mut counts);
    writeln!(out, "# TYPE sockdoc_findings gauge")?;
    writeln!(
        out,
        "# HELP sockdoc_findings What sockdoc diagnose found, by rule."
    )?;
    for rule in rules::ALL.iter().filter(|rule| rule.is_about_a_host()) {
        let range = (rule.id, Severity::Notice)..=(rule.id, Severity::Error);
        let mut found: Vec<(&str, usize)> = counts
            .range(range)
            .map(|((_, severity), count)| (severity.word(), *count))
            .collect();
        if found.is_empty() {
            found.push(("", 0));
        }
        for (severity, count) in found {
            writeln!(
                out,
                "sockdoc_findings{{rule=\"{}\",severity=\"{severity}\"}} {count}",
                rule.id
            )?;
        }
    }
    let unavailable = not_examined(diagnosis).count();
    let sample = diagnosis.sheet.sample();
    for (name, help, value) in [
        (
            "sockdoc_sockets",
            "Sockets examined.",
            diagnosis.sheet.shown.len() as u64,
        ),
        (
            "sockdoc_sources_unavailable",
            "What could not be examined.",
            unavailable as u64,
        ),
        (
            "sockdoc_diagnosis_timestamp_seconds",
            "When the host was examined.",
            sample.taken.as_secs(),
        ),
    ] {
        writeln!(
            out,
            "# TYPE {name} gauge\n# HELP {name} {help}\n{name} {value}"
        )?;
    }
    let name = "sockdoc_diagnosis_duration_seconds";
    writeln!(
        out,
        "# TYPE {name} gauge\n# HELP {name} Time between the two samples."
    )?;
    writeln!(out, "{name} {:.3}\n# EOF", diagnosis.seconds)
}

fn count(blocks: &[Block], counts: &mut BTreeMap<(&'static str, Severity), usize>) {
    for block in blocks {
        let finding = &block.finding;
        *counts
            .entry((finding.rule.id, finding.severity))
            .or_default() += finding.count;
        count(&block.effects, counts);
    }
}
