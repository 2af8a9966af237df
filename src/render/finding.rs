//! A finding as text and as JSON, the same for every command.
//!
//! ```text
//! ERROR accept queue full: 5 waiting, limit 4
//!   socket     tcp LISTEN 127.0.0.1:8080 server(812,fd3)
//!   means      ...
//!   evidence   idiag_rqueue 5 (sock_diag), idiag_wqueue 4 (sock_diag)
//!   ruled out  ...
//!   next       strace -f -p 812
//!              ...
//!   effects    WARNING connecting, no answer: SYN sent 3 times
//! ```

use std::io::{self, Write};
use std::net::SocketAddr;

use serde::Serialize;

use super::sockets::{Names, Sheet, cells};
use super::{Paint, Style, escape, wrap};
use crate::diagnose::{Block, Fact, Finding, Findings, NextStep, Severity, Subject};
use crate::host::{Index, Sample, SocketAt};

/// How wide the titles of a finding's parts are, and the blanks around them.
const MARGIN: usize = 13;

/// How a severity is painted.
pub fn paint(severity: Severity) -> Paint {
    match severity {
        Severity::Notice => Paint::Bold,
        Severity::Warning => Paint::Warn,
        Severity::Error => Paint::Bad,
    }
}

/// How findings are written.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// With colours or without.
    pub style: Style,
    /// The terminal's width; without one nothing is wrapped.
    pub width: Option<u16>,
    /// Whether each effect is written like a finding of its own, too.
    pub verbose: bool,
}

/// Writes a block: the finding, and its effects below it.
pub fn write(
    out: &mut (impl Write + ?Sized),
    block: &Block,
    sheet: &Sheet<'_>,
    layout: Layout,
) -> io::Result<()> {
    let finding = &block.finding;
    let mut page = Page { out, layout };
    page.headline(finding)?;
    page.part(subject_title(finding), &subjects(finding, sheet), None)?;
    page.part("means", &[finding.meaning.to_owned()], None)?;
    let evidence: Vec<String> = finding.facts.iter().map(fact).collect();
    page.part("evidence", &[evidence.join(", ")], Some(Paint::Dim))?;
    page.part("ruled out", &[finding.ruled_out.to_owned()], None)?;
    page.next(&finding.next)?;
    let mut effects = Vec::new();
    list(&block.effects, &mut effects);
    page.part("effects", &effects, None)?;
    if layout.verbose {
        for effect in &block.effects {
            writeln!(page.out)?;
            write(page.out, effect, sheet, layout)?;
        }
    }
    Ok(())
}

/// Writes findings that are about no socket.
pub fn write_all(
    out: &mut (impl Write + ?Sized),
    findings: Vec<Finding>,
    layout: Layout,
) -> io::Result<()> {
    with_no_sockets(|sheet| {
        findings.into_iter().try_for_each(|finding| {
            let effects = Vec::new();
            write(out, &Block { finding, effects }, sheet, layout)
        })
    })
}

/// Such findings for programs.
pub fn values(findings: &[Finding]) -> serde_json::Value {
    with_no_sockets(|sheet| {
        findings
            .iter()
            .map(|it| serde_json::json!(json(it, sheet)))
            .collect()
    })
}

/// Hands on each of such findings with its subjects, for programs.
pub fn each_json(
    findings: Vec<Finding>,
    mut handler: impl FnMut(&BlockJson<'_>) -> io::Result<()>,
) -> io::Result<()> {
    with_no_sockets(|sheet| {
        findings.into_iter().try_for_each(|finding| {
            let effects = Vec::new();
            handler(&block_json(&Block { finding, effects }, sheet))
        })
    })
}

pub(super) fn with_no_sockets<T>(write: impl FnOnce(&Sheet<'_>) -> T) -> T {
    let sample = Sample::default();
    write(&Sheet {
        index: &Index::new(&sample),
        findings: &Findings::default(),
        shown: &[],
        names: &Names::default(),
        delta: None,
    })
}

/// A fact: its name, its value, where it was read.
pub(super) fn fact(fact: &Fact) -> String {
    let before = fact.before.as_ref();
    let before = before.map_or_else(String::new, |before| format!("{before}, then "));
    format!("{} {before}{} ({})", fact.field, fact.value, fact.source)
}

fn list(effects: &[Block], lines: &mut Vec<String>) {
    for effect in effects {
        let word = effect.finding.severity.word().to_ascii_uppercase();
        lines.push(format!("{word} {}", effect.finding.headline));
        list(&effect.effects, lines);
    }
}

fn subject_title(finding: &Finding) -> &'static str {
    match (finding.subject, finding.count) {
        (Subject::Socket(_), 1) => "socket",
        (Subject::Socket(_), _) => "sockets",
        _ => "subject",
    }
}

/// What it is about: each subject on a line, and how many more there are.
pub(super) fn subjects(finding: &Finding, sheet: &Sheet<'_>) -> Vec<String> {
    let mut lines: Vec<String> = finding
        .examples
        .iter()
        .map(|of| subject(*of, sheet))
        .filter(|line| !line.is_empty())
        .collect();
    let more = finding.count - finding.examples.len().min(finding.count);
    if more > 0 {
        lines.push(format!("and {more} more (-v lists all)"));
    }
    lines
}

fn subject(subject: Subject, sheet: &Sheet<'_>) -> String {
    match subject {
        Subject::Host | Subject::Capture => String::new(),
        Subject::Interface { netns, index } => {
            let mut name = String::new();
            cells::interface(&mut name, index, netns, sheet.names);
            name
        }
        Subject::Process(at) => {
            let process = sheet.sample().process(at);
            let mut name = String::new();
            cells::comm(&mut name, process);
            format!("{name} (pid {})", process.pid)
        }
        Subject::Socket(at) => socket(at, sheet),
        Subject::Network { netns } => namespace(netns, sheet),
        Subject::Path { netns, to } => {
            let place = namespace(netns, sheet);
            let place = if place.is_empty() {
                place
            } else {
                format!(" from {place}")
            };
            format!("the path to {to}{place}")
        }
        Subject::Stream(stream) => {
            let [source, destination] = [stream.source, stream.destination].map(SocketAddr::from);
            format!("stream {}  {source} → {destination}", stream.number)
        }
    }
}

/// What the namespace is called; nothing for our own.
fn namespace(netns: u16, sheet: &Sheet<'_>) -> String {
    let label = sheet.sample().namespaces.get(usize::from(netns));
    match label.map(|namespace| namespace.label.as_str()) {
        None | Some("") => String::new(),
        Some(label) => format!("network namespace {label}"),
    }
}

/// `tcp CLOSE-WAIT 127.0.0.1:8080 - 127.0.0.1:40000 python3(7,fd5)`.
fn socket(at: SocketAt, sheet: &Sheet<'_>) -> String {
    let row = sheet.row(at);
    let mut who = format!("{} {} ", row.proto.name(), row.state.ss_name());
    cells::local(&mut who, &row, sheet.names);
    let mut peer = String::new();
    cells::peer(&mut peer, &row, sheet.names);
    if peer != "-" {
        who.push_str(" - ");
        who.push_str(&peer);
    }
    who.push(' ');
    cells::process(&mut who, &row, sheet, true);
    who
}

struct Page<'a, W: ?Sized> {
    out: &'a mut W,
    layout: Layout,
}

impl<W: Write + ?Sized> Page<'_, W> {
    fn headline(&mut self, finding: &Finding) -> io::Result<()> {
        let word = finding.severity.word().to_ascii_uppercase();
        let headline = escape::text(&finding.headline);
        let lines = self.wrapped(&format!("{word} {headline}"), 0);
        for (index, line) in lines.iter().enumerate() {
            match line.strip_prefix(&word).filter(|_| index == 0) {
                Some(rest) => {
                    let word = self.layout.style.paint(paint(finding.severity), &word);
                    writeln!(self.out, "{word}{rest}")?;
                }
                None => writeln!(self.out, "{line}")?,
            }
        }
        Ok(())
    }

    /// A title and its lines, each wrapped beside it; nothing if absent.
    fn part(&mut self, title: &str, lines: &[String], paint: Option<Paint>) -> io::Result<()> {
        let mut title = title;
        for text in lines.iter().filter(|text| !text.is_empty()) {
            for line in self.wrapped(&escape::text(text), MARGIN) {
                self.line(title, &line, paint)?;
                title = "";
            }
        }
        Ok(())
    }

    /// What to do: each command on a line of its own, whole, so that it can be pasted.
    fn next(&mut self, steps: &[NextStep]) -> io::Result<()> {
        let mut title = "next";
        for step in steps {
            let text = step.to_string();
            let text = escape::text(&text);
            let (lines, paint) = match step {
                NextStep::Command(_) => (vec![text.into_owned()], Some(Paint::Bold)),
                NextStep::Sentence(_) => (self.wrapped(&text, MARGIN), None),
            };
            for line in lines {
                self.line(title, &line, paint)?;
                title = "";
            }
        }
        Ok(())
    }

    fn line(&mut self, title: &str, text: &str, paint: Option<Paint>) -> io::Result<()> {
        let style = self.layout.style;
        let title = format!("  {title:<10} ");
        let title = if title.starts_with("  next") {
            style.paint(Paint::Bold, &title).to_string()
        } else {
            title
        };
        match paint {
            Some(paint) => writeln!(self.out, "{title}{}", style.paint(paint, text)),
            None => writeln!(self.out, "{title}{text}"),
        }
    }

    /// The text in lines that fit beside a margin, broken between words.
    fn wrapped(&self, text: &str, margin: usize) -> Vec<String> {
        wrap::lines(text, self.layout.width, margin)
    }
}

/// A finding for programs.
#[derive(Debug, Serialize)]
pub struct FindingJson<'a> {
    id: &'static str,
    severity: &'static str,
    title: &'static str,
    text: &'a str,
    evidence: Vec<FactJson>,
    explanation: &'a str,
    ruled_out: &'a str,
    next: String,
    commands: Vec<&'a [String]>,
    others: Vec<OtherJson>,
    because: Option<BecauseJson>,
}

#[derive(Debug, Serialize)]
struct FactJson {
    source: &'static str,
    field: &'static str,
    value: String,
    number: Option<u64>,
    unit: Option<&'static str>,
    before: Option<String>,
}

/// What else takes part in it.
#[derive(Debug, Serialize)]
struct OtherJson {
    role: &'static str,
    #[serde(flatten)]
    socket: SocketJson,
}

/// What causes it.
#[derive(Debug, Serialize)]
struct BecauseJson {
    id: &'static str,
    #[serde(flatten)]
    socket: SocketJson,
}

#[derive(Debug, Serialize, Default)]
struct SocketJson {
    inode: Option<u32>,
    cookie: Option<u64>,
    pids: Vec<u32>,
}

/// A finding with what it is about and what it causes, for programs.
#[derive(Debug, Serialize)]
pub struct BlockJson<'a> {
    #[serde(flatten)]
    finding: FindingJson<'a>,
    /// What it is about.
    subject: SubjectJson,
    /// How many subjects it is about.
    count: usize,
    /// Some of them, or all.
    examples: Vec<SubjectJson>,
    effects: Vec<BlockJson<'a>>,
}

#[derive(Debug, Serialize)]
struct SubjectJson {
    /// `host`, `network`, `interface`, `process`, `socket`, `path`, `capture` or `stream`.
    kind: &'static str,
    /// As the text has it.
    name: String,
    /// The number of a stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<u32>,
    #[serde(flatten)]
    socket: SocketJson,
}

/// A finding with its effects, for programs.
pub fn block_json<'a>(block: &'a Block, sheet: &Sheet<'_>) -> BlockJson<'a> {
    let finding = &block.finding;
    let effects = block.effects.iter();
    BlockJson {
        finding: json(finding, sheet),
        subject: subject_json(finding.subject, sheet),
        count: finding.count,
        examples: finding
            .examples
            .iter()
            .map(|of| subject_json(*of, sheet))
            .collect(),
        effects: effects.map(|effect| block_json(effect, sheet)).collect(),
    }
}

fn subject_json(of: Subject, sheet: &Sheet<'_>) -> SubjectJson {
    let kind = match of {
        Subject::Host => "host",
        Subject::Network { .. } => "network",
        Subject::Interface { .. } => "interface",
        Subject::Process(_) => "process",
        Subject::Socket(_) => "socket",
        Subject::Path { .. } => "path",
        Subject::Capture => "capture",
        Subject::Stream(_) => "stream",
    };
    SubjectJson {
        kind,
        name: subject(of, sheet),
        stream: match of {
            Subject::Stream(stream) => Some(stream.number),
            _ => None,
        },
        socket: socket_json(of, sheet),
    }
}

/// A finding for programs.
pub fn json<'a>(finding: &'a Finding, sheet: &Sheet<'_>) -> FindingJson<'a> {
    let steps: Vec<String> = finding.next.iter().map(NextStep::to_string).collect();
    let because = finding.because.and_then(|at| sheet.findings.get(at));
    FindingJson {
        id: finding.rule.id,
        severity: finding.severity.word(),
        title: finding.rule.title,
        text: &finding.headline,
        evidence: finding.facts.iter().map(fact_json).collect(),
        explanation: finding.meaning,
        ruled_out: finding.ruled_out,
        next: steps.join(". ").replace(".. ", ". "),
        commands: finding
            .next
            .iter()
            .filter_map(|step| match step {
                NextStep::Command(command) => Some(&command.0[..]),
                NextStep::Sentence(_) => None,
            })
            .collect(),
        others: finding
            .others
            .iter()
            .map(|(role, subject)| OtherJson {
                role: role.word(),
                socket: socket_json(*subject, sheet),
            })
            .collect(),
        because: because.map(|cause| BecauseJson {
            id: cause.rule.id,
            socket: socket_json(cause.subject, sheet),
        }),
    }
}

fn fact_json(fact: &Fact) -> FactJson {
    FactJson {
        source: fact.source,
        field: fact.field,
        value: fact.value.to_string(),
        number: fact.value.number(),
        unit: fact.value.unit(),
        before: fact.before.as_ref().map(ToString::to_string),
    }
}

fn socket_json(subject: Subject, sheet: &Sheet<'_>) -> SocketJson {
    let at = match subject {
        Subject::Socket(at) => at,
        Subject::Process(at) => {
            return SocketJson {
                pids: vec![sheet.sample().process(at).pid],
                ..SocketJson::default()
            };
        }
        _ => return SocketJson::default(),
    };
    let row = sheet.row(at);
    let processes = sheet.index.processes(&[at]).into_iter();
    SocketJson {
        inode: Some(row.inode).filter(|inode| *inode != 0),
        cookie: row.cookie,
        pids: processes.map(|at| sheet.sample().process(at).pid).collect(),
    }
}
