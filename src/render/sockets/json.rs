//! One JSON document, schema `sockdoc.sockets/1`, written socket by socket.
//!
//! `null` is unknown or absent. Bytes that are not UTF-8 are given lossy, with an exact `_hex` twin.

mod rates;
mod row;

use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::{Lines, Sheet, summary};
use crate::host::{Namespace, Note, SocketAt};
use crate::render::date;
use crate::render::json::without_controls;
use crate::sockets::order::{GroupRow, Summary};

use rates::{MeasuredOut, measured};
pub use rates::{RatesOut, Totals, totals};
use row::row;

/// The schema's name.
pub const SCHEMA: &str = "sockdoc.sockets/1";

/// What the head says beside what is in the sheet.
#[derive(Debug, Clone, Copy, Default)]
pub struct About {
    /// Sockets in `TIME_WAIT` that a filter of ours, not of the user's, left out.
    pub time_wait: u64,
    /// What was opened and closed between two samples.
    pub totals: Totals,
}

/// Writes the document.
pub fn write(out: &mut (impl Write + ?Sized), sheet: &Sheet<'_>, about: About) -> io::Result<()> {
    let sockets = sheet.rows().map(|of| row(of, sheet));
    document(out, sheet, about, "sockets", sockets)
}

/// The rows of a sheet as a document has them, for a document of another kind.
pub fn rows(sheet: &Sheet<'_>) -> io::Result<serde_json::Value> {
    let rows: Vec<_> = sheet.rows().map(|of| row(of, sheet)).collect();
    Ok(serde_json::to_value(rows)?)
}

/// A socket of a sheet as a document has it, for a document of another kind.
pub fn one(sheet: &Sheet<'_>, at: SocketAt) -> io::Result<serde_json::Value> {
    Ok(serde_json::to_value(row(sheet.row(at), sheet))?)
}

/// Writes groups instead of sockets: the same document with a list `groups`.
pub fn write_groups(
    out: &mut (impl Write + ?Sized),
    sheet: &Sheet<'_>,
    about: About,
    rows: &[GroupRow],
) -> io::Result<()> {
    let groups = rows.iter().map(|row| summary::group_json(row, sheet));
    document(out, sheet, about, "groups", groups)
}

/// Writes the summary instead of sockets: the same document with an object `summary`.
pub fn write_summary(
    out: &mut (impl Write + ?Sized),
    sheet: &Sheet<'_>,
    about: About,
    figures: &Summary,
) -> io::Result<()> {
    let mut text = text(&head(sheet, about))?;
    text.pop();
    let summary = self::text(&summary::summary_json(figures, sheet))?;
    writeln!(out, "{text},\"summary\":{summary}}}")
}

fn document<T: Serialize>(
    out: &mut (impl Write + ?Sized),
    sheet: &Sheet<'_>,
    about: About,
    list: &str,
    items: impl Iterator<Item = T>,
) -> io::Result<()> {
    let mut lines = Lines::new(out);
    lines.text.push_str(&text(&head(sheet, about))?);
    // The list goes into the object that is left open.
    lines.text.pop();
    let _ = write!(lines.text, ",\"{list}\":[");
    for (index, item) in items.enumerate() {
        if index > 0 {
            lines.text.push(',');
        }
        lines.end()?;
        lines.text.push_str(&text(&item)?);
    }
    lines.text.push_str("\n]}");
    lines.end()?;
    lines.flush()
}

fn head<'a>(sheet: &Sheet<'a>, about: About) -> Head<'a> {
    let notes = &sheet.sample().notes;
    Head {
        schema: SCHEMA,
        taken: rfc3339(sheet.sample().taken),
        complete: !notes.iter().any(|note| note.incomplete),
        notes: notes.iter().map(NoteOut).collect(),
        not_shown: NotShown {
            time_wait: about.time_wait,
        },
        measured: sheet.delta.map(|delta| measured(delta, about.totals)),
        namespaces: sheet.sample().namespaces.iter().map(NamespaceOut).collect(),
    }
}

fn text(value: &impl Serialize) -> io::Result<String> {
    let text = serde_json::to_string(value)?;
    // Most are ASCII, where serde_json has escaped every control but DEL.
    if text.bytes().all(|byte| byte < 0x7f) {
        return Ok(text);
    }
    Ok(without_controls(&text).into_owned())
}

#[derive(Serialize)]
struct Head<'a> {
    schema: &'static str,
    taken: String,
    complete: bool,
    notes: Vec<NoteOut<'a>>,
    not_shown: NotShown,
    measured: Option<MeasuredOut>,
    namespaces: Vec<NamespaceOut<'a>>,
}

/// What the footer of the table counts.
#[derive(Serialize)]
struct NotShown {
    time_wait: u64,
}

struct NoteOut<'a>(&'a Note);

impl Serialize for NoteOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("id", &self.0.id)?;
        map.serialize_entry("text", &self.0.text)?;
        map.serialize_entry("incomplete", &self.0.incomplete)?;
        map.end()
    }
}

struct NamespaceOut<'a>(&'a Namespace);

impl Serialize for NamespaceOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("inode", &self.0.inode)?;
        map.serialize_entry("label", &self.0.label)?;
        map.end()
    }
}

/// A time since 1970 as RFC 3339 writes it, in UTC: `2026-01-31T12:00:00.250Z`.
pub(in crate::render) fn rfc3339(since_1970: Duration) -> String {
    let seconds = since_1970.as_secs();
    let day = date::SECONDS.unsigned_abs();
    let (days, second) = (seconds / day, seconds % day);
    let date = date::of_day(i64::try_from(days).unwrap_or(i64::MAX / date::SECONDS));
    format!(
        "{date}T{:02}:{:02}:{:02}.{:03}Z",
        second / 3_600,
        second / 60 % 60,
        second % 60,
        since_1970.subsec_millis()
    )
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
