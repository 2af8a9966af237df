//! Groups (`--group`) and the summary (`-s`): one row for many sockets.

use std::cmp::Reverse;
use std::fmt::Write as _;
use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::json::RatesOut;
use super::{Lines, Sheet, cells, rates};
use crate::diagnose::{Rule, Severity};
use crate::render::table::Table;
use crate::render::{Paint, Style, json as values, thousands};
use crate::sockets::change::Rate;
use crate::sockets::order::{GroupBy, GroupKey, GroupRow, Summary};

/// A column of figures.
struct Figure {
    name: &'static str,
    get: fn(&GroupRow) -> u64,
    /// Whether the count is shown a second.
    is_rate: bool,
    /// The columns with the greatest number are dropped first if the terminal is too narrow.
    dispensable: u8,
}

const fn figure(name: &'static str, dispensable: u8, get: fn(&GroupRow) -> u64) -> Figure {
    Figure {
        name,
        get,
        is_rate: false,
        dispensable,
    }
}

const fn rate(name: &'static str, dispensable: u8, get: fn(&GroupRow) -> u64) -> Figure {
    Figure {
        is_rate: true,
        ..figure(name, dispensable, get)
    }
}

const FIGURES: [Figure; 7] = [
    figure("sockets", 0, |row| row.sockets as u64),
    figure("listen", 4, |row| row.listeners as u64),
    figure("estab", 5, |row| row.established as u64),
    figure("close-wait", 3, |row| row.close_wait as u64),
    figure("recv-q", 1, |row| row.recv_bytes),
    figure("send-q", 2, |row| row.send_bytes),
    figure("why", 0, |row| row.findings as u64),
];

/// The figures of two samples.
const RATES: [Figure; 10] = [
    figure("sockets", 0, |row| row.sockets as u64),
    rate("in/s", 0, |row| row.change.in_bytes.unwrap_or(0)),
    rate("out/s", 0, |row| row.change.out_bytes.unwrap_or(0)),
    rate("segs/s", 5, |row| {
        row.change.of(Rate::Segments).unwrap_or(0)
    }),
    rate("retrans/s", 3, |row| row.change.retransmits.unwrap_or(0)),
    rate("drops/s", 4, |row| row.change.drops.unwrap_or(0)),
    rate("accepts/s", 2, |row| row.change.accepts.unwrap_or(0)),
    figure("opened", 1, |row| row.change.opened),
    figure("closed", 1, |row| row.change.closed),
    figure("why", 0, |row| row.findings as u64),
];

/// The figure of a name: that of a rate also without its `/s`.
fn figure_named(name: &str) -> Option<&'static Figure> {
    let is_it = |figure: &&Figure| {
        figure.name == name || (figure.is_rate && figure.name.strip_suffix("/s") == Some(name))
    };
    FIGURES.iter().chain(&RATES).find(is_it)
}

/// Sorts groups by what they sent and received, the greatest first.
pub fn sort_by_rate(rows: &mut [GroupRow]) {
    rows.sort_by_key(|row| Reverse(row.change.of(Rate::Bytes)));
}

/// Sorts groups by columns of their table, the first the most significant: `COL`, or `-COL` for the
/// greatest first.
pub fn sort(rows: &mut [GroupRow], by: GroupBy, words: &[String]) -> Result<(), String> {
    for word in words.iter().rev() {
        let bare = word.strip_prefix('-').unwrap_or(word);
        let figure = figure_named(bare);
        // Of rates the greatest are what is looked for.
        let ascending = bare == word && !figure.is_some_and(|figure| figure.is_rate);
        if figure.is_none() && bare != by.name() {
            let all = FIGURES.iter().chain(&RATES[1..9]);
            let names: Vec<&str> = all.map(|figure| figure.name).collect();
            let (word, by, names) = (bare.escape_debug(), by.name(), names.join(", "));
            return Err(format!(
                "\"{word}\" is not a column to sort groups by; use one of: {by}, {names}"
            ));
        }
        rows.sort_by(|a, b| {
            let order = match figure {
                Some(figure) => (figure.get)(a).cmp(&(figure.get)(b)),
                None => a.key.cmp(&b.key),
            };
            if ascending { order } else { order.reverse() }
        });
    }
    Ok(())
}

/// The minimum width of a group's name.
const LEAST: usize = 15;

/// Writes a row for each group.
pub fn groups(
    out: &mut (impl Write + ?Sized),
    sheet: &Sheet<'_>,
    by: GroupBy,
    rows: &[GroupRow],
    width: Option<u16>,
    style: Style,
) -> io::Result<()> {
    let mut title = by.name().to_ascii_uppercase();
    let figures: &[Figure] = if sheet.delta.is_some() {
        &RATES
    } else {
        &FIGURES
    };
    let cell = |figure: &Figure, row: &GroupRow| cell(figure, row, sheet, width.is_none());
    let mut widths: Vec<usize> = figures.iter().map(|figure| figure.name.len()).collect();
    let mut longest = title.len();
    let mut name = String::new();
    for row in rows {
        name.clear();
        key(&mut name, &row.key, sheet);
        longest = cells::width(&name).max(longest);
        for (width, figure) in widths.iter_mut().zip(figures) {
            *width = cell(figure, row).len().max(*width);
        }
    }
    let mut shown: Vec<usize> = (0..figures.len()).collect();
    if let Some(terminal) = width.map(usize::from) {
        let taken = |shown: &[usize]| shown.iter().map(|at| widths[*at] + 2).sum::<usize>();
        for rank in (1..=5).rev() {
            if taken(&shown) + longest.min(LEAST) > terminal {
                shown.retain(|at| figures[*at].dispensable != rank);
            }
        }
        longest = longest.min(terminal.saturating_sub(taken(&shown)).max(1));
    }
    let mut lines = Lines::new(out);
    super::text::shorten(&mut title, longest, width.map(usize::from));
    let mut title = format!("{title:<longest$}");
    for &at in &shown {
        let _ = write!(
            title,
            "  {:>1$}",
            figures[at].name.to_ascii_uppercase(),
            widths[at]
        );
    }
    lines
        .text
        .push_str(&style.paint(Paint::Bold, title).to_string());
    lines.end()?;
    for row in rows {
        name.clear();
        key(&mut name, &row.key, sheet);
        super::text::shorten(&mut name, longest, width.map(usize::from));
        lines.text.push_str(&name);
        let pad = longest.saturating_sub(cells::width(&name));
        lines.text.extend(std::iter::repeat_n(' ', pad));
        for &at in &shown {
            let (figure, width) = (cell(&figures[at], row), widths[at]);
            let _ = write!(lines.text, "  {figure:>width$}");
        }
        lines.end()?;
    }
    lines.flush()
}

/// A figure of a group; `all`: whole, however long.
fn cell(figure: &Figure, row: &GroupRow, sheet: &Sheet<'_>, all: bool) -> String {
    let count = (figure.get)(row);
    let delta = sheet.delta.filter(|_| figure.is_rate);
    match delta.and_then(|delta| delta.per_second(count)) {
        Some(rate) => rates::text(rate, all),
        None if figure.is_rate => "-".to_owned(),
        None => count.to_string(),
    }
}

/// `nginx(812)`, `10.0.0.1`, `tcp:443`, `CLOSE-WAIT`, `root`.
pub fn key(out: &mut String, key: &GroupKey, sheet: &Sheet<'_>) {
    match key {
        GroupKey::Process(index) => {
            let Some(process) = sheet.sample().owners.processes().get(*index as usize) else {
                return;
            };
            cells::comm(out, process);
            out.push('(');
            cells::number(out, process.pid);
            out.push(')');
        }
        GroupKey::Peer(addr) => match sheet.names.hosts.get(addr) {
            Some(name) => cells::word(out, name.as_bytes()),
            None => cells::ip(out, *addr),
        },
        GroupKey::PeerName(name) => cells::unix(out, name, 0),
        GroupKey::Port(proto, number) => {
            out.push_str(proto.name());
            out.push(':');
            let port = u16::try_from(*number).ok();
            match port.and_then(|port| sheet.names.ports.get(&(*proto, port))) {
                Some(name) => cells::word(out, name.as_bytes()),
                None => cells::number(out, *number),
            }
        }
        GroupKey::State(state) => out.push_str(state.ss_name()),
        GroupKey::User(uid) => match sheet.names.users.get(uid) {
            Some(name) => cells::word(out, name.as_bytes()),
            None => cells::number(out, *uid),
        },
        GroupKey::Netns(index) => match sheet.sample().namespaces.get(usize::from(*index)) {
            Some(namespace) if !namespace.label.is_empty() => {
                cells::safe(out, namespace.label.as_bytes());
            }
            Some(namespace) => out.push_str(&namespace.inode.to_string()),
            None => out.push('-'),
        },
        GroupKey::Unit(unit) => cells::safe(out, unit.as_bytes()),
        GroupKey::Container(runtime, id) => {
            let id: String = id.chars().take(12).collect();
            cells::safe(out, format!("{runtime}:{id}").as_bytes());
        }
        GroupKey::Nothing => out.push('-'),
    }
}

/// A group for programs.
pub fn group_json(row: &GroupRow, sheet: &Sheet<'_>) -> Value {
    let mut object = Map::new();
    match &row.key {
        GroupKey::Process(index) => {
            let process = sheet.sample().owners.processes().get(*index as usize);
            object.insert("pid".to_owned(), json!(process.map(|process| process.pid)));
            if let Some(process) = process {
                values::bytes(&mut object, "comm", &process.comm);
            }
        }
        GroupKey::Peer(addr) => {
            object.insert("addr".to_owned(), json!(addr));
        }
        GroupKey::PeerName(name) => match &**name {
            [0, rest @ ..] => values::bytes(&mut object, "abstract", rest),
            path => values::bytes(&mut object, "path", path),
        },
        GroupKey::Port(proto, port) => {
            object.insert("proto".to_owned(), json!(proto.name()));
            object.insert("port".to_owned(), json!(port));
        }
        GroupKey::State(state) => {
            object.insert("state".to_owned(), json!(state.key()));
        }
        GroupKey::User(uid) => {
            object.insert("uid".to_owned(), json!(uid));
            object.insert("user".to_owned(), json!(sheet.names.users.get(uid)));
        }
        GroupKey::Netns(index) => {
            let namespace = sheet.sample().namespaces.get(usize::from(*index));
            object.insert(
                "netns".to_owned(),
                json!(namespace.map(|space| space.inode)),
            );
        }
        GroupKey::Unit(unit) => {
            object.insert("unit".to_owned(), json!(unit));
        }
        GroupKey::Container(runtime, id) => {
            let container = format!("{runtime}:{id}");
            object.insert("container".to_owned(), json!(container));
        }
        GroupKey::Nothing => {}
    }
    let key = if object.is_empty() {
        Value::Null
    } else {
        Value::Object(object)
    };
    json!({
        "key": key,
        "sockets": row.sockets,
        "listeners": row.listeners,
        "established": row.established,
        "close_wait": row.close_wait,
        "recv_bytes": row.recv_bytes,
        "send_bytes": row.send_bytes,
        "findings": row.findings,
        "rates": sheet.delta.map(|delta| RatesOut::new(|count| delta.per_second(count), &row.change)),
        "opened": sheet.delta.map(|_| row.change.opened),
        "closed": sheet.delta.map(|_| row.change.closed),
    })
}

/// How many peers of connections in TIME-WAIT are listed.
const PEERS: usize = 5;

/// Writes the summary: a table of protocols, then the overall figures.
pub fn summary(
    out: &mut dyn Write,
    summary: &Summary,
    sheet: &Sheet<'_>,
    width: Option<u16>,
) -> io::Result<()> {
    let mut table = Table::new()
        .header(&["PROTO", "SOCKETS", "IPV4", "IPV6", "STATES"])
        .right(1)
        .right(2)
        .right(3);
    let count = |number: usize| thousands(number as u64);
    for proto in &summary.protos {
        let states: Vec<String> = proto
            .states
            .iter()
            .map(|(state, number)| format!("{} {}", state.ss_name(), count(*number)))
            .collect();
        let by_family = |number| {
            if proto.proto.is_internet() {
                count(number)
            } else {
                "-".to_owned()
            }
        };
        table.row(&[
            proto.proto.name().to_owned(),
            count(proto.sockets),
            by_family(proto.ipv4),
            by_family(proto.ipv6),
            states.join(", "),
        ]);
    }
    table.row(&["all", &count(summary.sockets)]);
    table.write(out, width)?;
    writeln!(out)?;

    let mut figures = Table::new();
    if sheet.sample().owners.were_sought() {
        figures.row(&["processes:", &count(summary.processes)]);
    }
    if summary.time_wait > 0 {
        let mut text = count(summary.time_wait);
        for (index, (addr, number)) in summary.time_wait_peers.iter().take(PEERS).enumerate() {
            let lead = if index == 0 { "; most to" } else { "," };
            text.push_str(lead);
            text.push(' ');
            key(&mut text, &GroupKey::Peer(*addr), sheet);
            let _ = write!(text, " ({})", count(*number));
        }
        figures.row(&["time-wait:", &text]);
    }
    let findings: Vec<String> = counts(sheet)
        .iter()
        .map(|(rule, _, number)| format!("{} ({})", rule.title, count(*number)))
        .collect();
    let findings = if findings.is_empty() {
        "none".to_owned()
    } else {
        findings.join("; ")
    };
    figures.row(&["findings:", &findings]);
    figures.write(out, width)
}

/// How often each rule found something about the sockets shown, and how bad the worst was; the worst first.
fn counts(sheet: &Sheet<'_>) -> Vec<(&'static Rule, Severity, usize)> {
    let mut counts: Vec<(&'static Rule, Severity, usize)> = Vec::new();
    for finding in sheet.shown.iter().flat_map(|at| sheet.findings.of(*at)) {
        match counts.iter_mut().find(|(rule, ..)| *rule == finding.rule) {
            Some((_, severity, count)) => {
                *severity = finding.severity.max(*severity);
                *count += 1;
            }
            None => counts.push((finding.rule, finding.severity, 1)),
        }
    }
    counts.sort_by_key(|(rule, severity, count)| (Reverse(*severity), Reverse(*count), rule.id));
    counts
}

/// The summary for programs.
pub fn summary_json(summary: &Summary, sheet: &Sheet<'_>) -> Value {
    let protos: Map<String, Value> = summary
        .protos
        .iter()
        .map(|proto| {
            let states: Map<String, Value> = proto
                .states
                .iter()
                .map(|(state, number)| (state.key().to_owned(), json!(number)))
                .collect();
            let internet = proto.proto.is_internet();
            let figures = json!({
                "sockets": proto.sockets,
                "ipv4": internet.then_some(proto.ipv4),
                "ipv6": internet.then_some(proto.ipv6),
                "states": states,
            });
            (proto.proto.name().to_owned(), figures)
        })
        .collect();
    let peers = summary.time_wait_peers.iter();
    let peers: Vec<Value> = peers
        .map(|(addr, number)| json!({"addr": addr, "sockets": number}))
        .collect();
    let findings: Vec<Value> = counts(sheet)
        .iter()
        .map(|(rule, severity, number)| {
            json!({
                "id": rule.id,
                "severity": severity.word(),
                "sockets": number,
            })
        })
        .collect();
    json!({
        "sockets": summary.sockets,
        "protos": protos,
        "processes": sheet.sample().owners.were_sought().then_some(summary.processes),
        "time_wait": summary.time_wait,
        "time_wait_peers": peers,
        "findings": findings,
    })
}

#[cfg(test)]
#[path = "summary_tests.rs"]
mod tests;
