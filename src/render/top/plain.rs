//! One frame as text, and one interval as JSON.

use std::io::{self, Write};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Screen, draw};
use crate::render::json::without_controls;
use crate::render::sockets::json::{RatesOut, one, rfc3339};
use crate::render::sockets::{Sheet, summary};
use crate::sockets::change::Change;
use crate::top::{Mark, Row, Subject};

/// The most rows of a frame, which a picture of that size must hold.
const MOST_ROWS: usize = 10_000;

/// Writes a frame with all rows as text, without blanks at the ends of its lines.
pub fn frame(out: &mut impl Write, screen: &Screen<'_>, width: u16) -> io::Result<()> {
    let rows = screen.rows.rows.len().clamp(1, MOST_ROWS);
    let height = super::HEIGHT_OF_ALL + u16::try_from(rows).unwrap_or(u16::MAX / 2);
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    draw(area, &mut buffer, screen);
    let lines = lines(&buffer);
    // Nobody can press the keys that the last line names.
    let above = usize::from(super::Chrome::of(height).above());
    for line in lines.iter().take(above + rows) {
        writeln!(out, "{line}")?;
    }
    let left = screen.rows.rows.len() - rows.min(screen.rows.rows.len());
    if left > 0 {
        writeln!(out, "and {left} more rows; --json has all")?;
    }
    Ok(())
}

/// The lines of a buffer, without blanks at their ends.
pub(super) fn lines(buffer: &Buffer) -> Vec<String> {
    let width = usize::from(buffer.area.width).max(1);
    let rows = buffer.content().chunks(width);
    rows.map(|row| {
        let mut line = String::new();
        let mut covered = 0;
        for cell in row {
            // A wide character covers the cells after it.
            if covered > 0 {
                covered -= 1;
                continue;
            }
            line.push_str(cell.symbol());
            covered = super::cells::width(cell.symbol()).saturating_sub(1);
        }
        line.truncate(line.trim_end().len());
        line
    })
    .collect()
}

/// Writes an interval as JSON lines: an object `interval`, one for each row (`socket`, `group`, `ended`,
/// `not_attributed`), and one for each finding.
pub fn json(out: &mut impl Write, screen: &Screen<'_>) -> io::Result<()> {
    let look = screen.look;
    let time = rfc3339(look.sample.taken);
    let interfaces: Vec<Value> = look
        .interfaces
        .iter()
        .map(|it| {
            json!({
                "name": it.name,
                "in_bytes_per_s": look.per_second(it.in_bytes),
                "out_bytes_per_s": look.per_second(it.out_bytes),
                "dropped_per_s": look.per_second(it.dropped),
            })
        })
        .collect();
    let whole = look.whole();
    write(
        out,
        &json!({
            "event": "interval",
            "schema": SCHEMA,
            "time": time,
            "seconds": look.elapsed.as_secs_f64(),
            "sockets": look.open,
            "time_wait": look.time_wait,
            "opened": whole.opened,
            "closed": whole.closed,
            "closed_incomplete": look.missed,
            "interfaces": interfaces,
            "rates": rates(screen, &whole),
        }),
    )?;
    screen.with_sheet(|sheet| {
        for row in &screen.rows.rows {
            // What closed in an earlier interval has been written then.
            let is_over = row.mark == Mark::Closed && row.change == Change::default();
            if !is_over {
                write(out, &row_value(row, screen, sheet, &time)?)?;
            }
        }
        for block in &look.blocks {
            let mut object = Map::new();
            object.insert("event".to_owned(), json!("finding"));
            object.insert("time".to_owned(), json!(time));
            extend(
                &mut object,
                json!(crate::render::finding::json(&block.finding, sheet)),
            );
            write(out, &object)?;
        }
        Ok(())
    })
}

/// The schema of the lines.
pub const SCHEMA: &str = "sockdoc.top/1";

fn rates(screen: &Screen<'_>, change: &Change) -> RatesOut {
    RatesOut::new(|count| screen.look.per_second(count), change)
}

fn row_value(
    row: &Row,
    screen: &Screen<'_>,
    sheet: &Sheet<'_>,
    time: &str,
) -> io::Result<Map<String, Value>> {
    let event = match (&row.subject, row.socket) {
        (_, Some(_)) => "socket",
        (Subject::NotAttributed, _) => "not_attributed",
        (Subject::Others(_), _) => "ended",
        _ => "group",
    };
    let mut object = Map::new();
    object.insert("event".to_owned(), json!(event));
    object.insert("time".to_owned(), json!(time));
    match (row.socket, &row.group) {
        (Some(at), _) => {
            extend(&mut object, one(sheet, at)?);
            object.insert("opened".to_owned(), json!(row.mark == Mark::New));
            object.insert("closed".to_owned(), json!(row.mark == Mark::Closed));
        }
        (None, Some(group)) => {
            extend(&mut object, summary::group_json(group, sheet));
            object.insert("opened".to_owned(), json!(group.change.opened));
            object.insert("closed".to_owned(), json!(group.change.closed));
        }
        (None, None) => {}
    }
    let rates = json!(rates(screen, &row.change));
    object.insert("rates".to_owned(), rates);
    object.insert("total_in_bytes".to_owned(), json!(row.totals.in_bytes));
    object.insert("total_out_bytes".to_owned(), json!(row.totals.out_bytes));
    Ok(object)
}

fn extend(object: &mut Map<String, Value>, more: Value) {
    if let Value::Object(more) = more {
        object.extend(more);
    }
}

fn write(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_string(value)?;
    writeln!(out, "{}", without_controls(&text))
}
