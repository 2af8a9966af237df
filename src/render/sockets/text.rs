//! The table, one row per socket, and its footer.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::column::{self, Column};
use super::plan::{INDENT, Plan, SHORT_ADDRESS};
use super::{Lines, Row, Sheet, cells, details, marks};
use crate::diagnose::Severity;
use crate::host::Note;
use crate::render::finding;
use crate::render::{Paint, Style, thousands, wrap};

/// How to lay out the table.
#[derive(Debug, Clone, Copy)]
pub struct Layout<'a> {
    /// The columns.
    pub columns: &'a [Column],
    /// Whether to write column titles.
    pub header: bool,
    /// The terminal's width. `None` for a pipe or a file: nothing is wrapped or shortened.
    pub width: Option<u16>,
    /// Whether all owners are written on a terminal, too: below the row if there are several.
    pub all_owners: bool,
    /// Colours.
    pub style: Style,
    /// The lines below each row.
    pub details: details::Wanted,
}

impl Default for Layout<'_> {
    fn default() -> Self {
        Layout {
            columns: Column::DEFAULT,
            header: true,
            width: None,
            all_owners: false,
            style: Style::new(false),
            details: details::Wanted::default(),
        }
    }
}

/// Writes the table.
pub fn write(
    out: &mut (impl Write + ?Sized),
    sheet: &Sheet<'_>,
    layout: &Layout<'_>,
) -> io::Result<()> {
    let terminal = layout.width.map(usize::from);
    let (widths, short) = widths(sheet, layout);
    let mut table = Table {
        lines: Lines::new(out),
        plan: Plan::new(layout.columns, &widths, &short, terminal),
        cells: vec![String::new(); widths.len()],
        layout,
        terminal,
        names: false,
    };
    if layout.header {
        table.header()?;
    }
    for row in sheet.rows() {
        for (cell, column) in table.cells.iter_mut().zip(layout.columns) {
            fill(cell, *column, row, sheet, layout);
        }
        table.row(row, sheet)?;
        table.below(row, sheet)?;
    }
    table.lines.flush()
}

/// The text of a cell.
fn fill(cell: &mut String, column: Column, row: Row<'_>, sheet: &Sheet<'_>, layout: &Layout<'_>) {
    cell.clear();
    column.cell(cell, row, sheet, layout.width.is_none());
    if column == Column::Local {
        marks::write(cell, row, sheet);
    }
}

/// In a pipe, a list of owners that is wider than this does not push the columns after it to the right in
/// the other rows.
const WIDEST_OWNERS: usize = 40;

/// The first pass: how wide each column is, and how wide with short addresses alone.
fn widths(sheet: &Sheet<'_>, layout: &Layout<'_>) -> (Vec<usize>, Vec<usize>) {
    let title = |column: &Column| {
        let shown = layout.header && (*column != Column::Why || layout.width.is_none());
        if shown { column.name().len() } else { 0 }
    };
    let mut widths: Vec<usize> = layout.columns.iter().map(title).collect();
    let mut short = widths.clone();
    let mut cell = String::new();
    for row in sheet.rows() {
        for ((width, short), column) in widths.iter_mut().zip(&mut short).zip(layout.columns) {
            fill(&mut cell, *column, row, sheet, layout);
            let is_list = matches!(column, Column::Process | Column::Pid | Column::Fd);
            match cells::width(&cell) {
                WIDEST_OWNERS.. if is_list && layout.width.is_none() => {}
                wide => *width = wide.max(*width),
            }
            let bare = match cell.find(' ') {
                Some(at) if *column == Column::Peer && !has_names(row) => &cell[..at],
                _ => &cell,
            };
            let wide = cells::width(bare);
            if wide <= SHORT_ADDRESS {
                *short = wide.max(*short);
            }
        }
    }
    // On a terminal the column for findings is omitted if there are none.
    for (width, column) in widths.iter_mut().zip(layout.columns) {
        if *column == Column::Why && *width > 0 && layout.header {
            *width = (*width).max(column.name().len());
        }
    }
    (widths, short)
}

struct Table<'a, 'b, W: ?Sized> {
    lines: Lines<'a, W>,
    plan: Plan,
    /// The row that is being written; kept for its memory.
    cells: Vec<String>,
    layout: &'b Layout<'b>,
    terminal: Option<usize>,
    /// Whether the addresses of the row are names.
    names: bool,
}

impl<W: Write + ?Sized> Table<'_, '_, W> {
    fn header(&mut self) -> io::Result<()> {
        for (cell, (column, width)) in self
            .cells
            .iter_mut()
            .zip(self.layout.columns.iter().zip(&self.plan.widths))
        {
            *cell = if *width == 0 {
                String::new()
            } else {
                column.title()
            };
        }
        self.lines_of_row(|_| Some(Paint::Bold))?;
        match self.plan.below {
            Some(at) if self.plan.widths[at] > 0 => {
                let title = self.layout.columns[at].title();
                self.wrapped(&title, Some(Paint::Bold))
            }
            _ => Ok(()),
        }
    }

    fn row(&mut self, row: Row<'_>, sheet: &Sheet<'_>) -> io::Result<()> {
        let worst = worst(row, sheet);
        self.names = has_names(row);
        self.lines_of_row(|column| match column {
            Column::Why => worst.and_then(paint),
            _ => None,
        })
    }

    fn lines_of_row(&mut self, paint: impl Fn(Column) -> Option<Paint>) -> io::Result<()> {
        for (at, line) in self.plan.lines.iter().enumerate() {
            if at > 0 && line.iter().all(|&index| self.cells[index] == "-") {
                continue;
            }
            let mut blanks = if at == 0 { 0 } else { INDENT };
            // How much of the line is taken, and whether cells stand where they fit, not in their columns.
            let (mut used, mut broken) = (0, false);
            for (place, &index) in line.iter().enumerate() {
                let column = self.layout.columns[index];
                let is_last = place + 1 == line.len();
                let most = self.plan.widths[index];
                let cell = &mut self.cells[index];
                if let Some(terminal) = self.terminal {
                    let free = terminal.saturating_sub(used + blanks);
                    let most = if is_last || broken {
                        free
                    } else {
                        most.min(free)
                    };
                    let shorter = is_address(column) && fit_address(cell, column, most, self.names);
                    if broken && cell == "-" {
                        continue;
                    }
                    if !shorter && (is_address(column) || broken) && cells::width(cell) > most {
                        if used > 0 {
                            self.lines.end()?;
                        }
                        (blanks, used, broken) = (INDENT, 0, true);
                    }
                    let own_line = terminal.saturating_sub(INDENT).max(1);
                    match column {
                        Column::Local | Column::Peer if !self.names => {}
                        _ if broken => shorten(cell, own_line, self.terminal),
                        Column::Local | Column::Peer => shorten(cell, own_line, self.terminal),
                        _ => shorten(cell, self.plan.widths[index], self.terminal),
                    }
                }
                let cell = &self.cells[index];
                let wide = cells::width(cell);
                let pad = if broken { 0 } else { most.saturating_sub(wide) };
                let (before, after) = if column.is_right() {
                    (pad, 0)
                } else {
                    (0, pad)
                };
                let text = &mut self.lines.text;
                if !cell.is_empty() {
                    text.extend(std::iter::repeat_n(' ', blanks + before));
                    push(text, self.layout.style, paint(column), cell);
                    used += blanks + before + wide;
                    blanks = 0;
                }
                blanks += after + self.plan.gap;
            }
            self.lines.end()?;
        }
        Ok(())
    }

    /// The lines below a row: findings that have no column, details.
    fn below(&mut self, row: Row<'_>, sheet: &Sheet<'_>) -> io::Result<()> {
        if self.plan.below.is_some()
            && let Some(worst) = worst(row, sheet)
        {
            let mut text = String::new();
            column::why(&mut text, row, sheet);
            self.wrapped(&text, paint(worst))?;
        }
        let has_more = self.layout.all_owners && self.terminal.is_some();
        if has_more && sheet.owners(&row).len() > 1 {
            let mut text = "processes: ".to_owned();
            cells::process(&mut text, &row, sheet, true);
            self.wrapped(&text.replace("),", "), "), None)?;
        }
        for text in details::lines(&row, sheet, self.layout.details) {
            self.wrapped(&text, None)?;
        }
        Ok(())
    }

    /// A text below a row, broken between words on a terminal.
    fn wrapped(&mut self, text: &str, paint: Option<Paint>) -> io::Result<()> {
        for line in wrap::lines(text, self.layout.width, INDENT) {
            self.lines.text.push_str("    ");
            push(&mut self.lines.text, self.layout.style, paint, &line);
            self.lines.end()?;
        }
        Ok(())
    }
}

fn push(text: &mut String, style: Style, paint: Option<Paint>, cell: &str) {
    match paint {
        None => text.push_str(cell),
        Some(paint) => {
            let _ = write!(text, "{}", style.paint(paint, cell));
        }
    }
}

fn worst(row: Row<'_>, sheet: &Sheet<'_>) -> Option<Severity> {
    sheet
        .findings
        .of(row.at)
        .map(|finding| finding.severity)
        .next()
}

fn paint(severity: Severity) -> Option<Paint> {
    match severity {
        Severity::Notice => None,
        severity => Some(finding::paint(severity)),
    }
}

fn is_address(column: Column) -> bool {
    matches!(column, Column::Local | Column::Peer)
}

/// Whether the addresses are names, which may be of any length and have blanks.
fn has_names(row: Row<'_>) -> bool {
    row.proto.is_unix()
}

/// Whether an address fits, if need be without the process at the other end.
fn fit_address(cell: &mut String, column: Column, most: usize, names: bool) -> bool {
    if cells::width(cell) > most
        && column == Column::Peer
        && !names
        && let Some(at) = cell.find(' ')
        && cells::width(&cell[..at]) <= most
    {
        cell.truncate(at);
    }
    cells::width(cell) <= most
}

/// Removes the middle of a cell that is too wide for its column on a terminal.
pub(in crate::render) fn shorten(cell: &mut String, most: usize, terminal: Option<usize>) {
    if terminal.is_none() || cells::width(cell) <= most {
        return;
    }
    let room = most.saturating_sub(1);
    let (mut head, mut tail) = (String::new(), Vec::new());
    let mut left = room / 2;
    let mut rest = cell.chars();
    while let Some(c) = rest.clone().next().filter(|c| wide(*c) <= left) {
        left -= wide(c);
        head.push(c);
        rest.next();
    }
    let mut left = room - cells::width(&head);
    while let Some(c) = rest.next_back().filter(|c| wide(*c) <= left) {
        left -= wide(c);
        tail.push(c);
    }
    head.push('…');
    head.extend(tail.iter().rev());
    *cell = head;
}

fn wide(c: char) -> usize {
    cells::width(c.encode_utf8(&mut [0; 4]))
}

/// The lines below the table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Footer<'a> {
    /// Sockets shown.
    pub shown: u64,
    /// Sockets omitted by default: how many, of what kind, and the flag that shows them.
    pub hidden: Vec<(u64, &'a str, &'a str)>,
    /// How the query was read, and the like: one line each.
    pub remarks: Vec<String>,
    /// What could not be seen.
    pub notes: &'a [Note],
    /// The terminal's width; without one nothing is wrapped.
    pub width: Option<u16>,
}

/// Writes the footer: `12 sockets; 3,411 TIME-WAIT not shown (-a)`, then a line for each remark and note.
pub fn footer(out: &mut (impl Write + ?Sized), footer: &Footer<'_>) -> io::Result<()> {
    let plural = if footer.shown == 1 { "" } else { "s" };
    let mut first = format!("{} socket{plural}", thousands(footer.shown));
    for (count, what, flag) in footer.hidden.iter().filter(|(count, ..)| *count > 0) {
        let _ = write!(first, "; {} {what} not shown ({flag})", thousands(*count));
    }
    wrapped(out, &first, footer.width)?;
    for remark in &footer.remarks {
        wrapped(out, remark, footer.width)?;
    }
    notes(out, footer.notes, footer.width)
}

/// Writes a line for each note.
pub fn notes(
    out: &mut (impl Write + ?Sized),
    notes: &[Note],
    width: Option<u16>,
) -> io::Result<()> {
    for note in notes {
        wrapped(out, &format!("note: {}", note.text), width)?;
    }
    Ok(())
}

/// A paragraph; its second and later lines are set in.
fn wrapped(out: &mut (impl Write + ?Sized), text: &str, width: Option<u16>) -> io::Result<()> {
    let text = crate::render::escape::text(text);
    for (index, line) in wrap::lines(&text, width, 2).iter().enumerate() {
        let indent = if index == 0 { "" } else { "  " };
        writeln!(out, "{indent}{line}")?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
