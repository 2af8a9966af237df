//! Columns: one list drives a table, CSV, and the words that name them on the command line.

use std::fmt::{Display, Write as _};

use super::csv;
use super::table::Table;

/// A column of rows `R`.
#[derive(Debug)]
pub struct Column<R: ?Sized> {
    /// Its name in CSV and on the command line; the heading is the same in capitals.
    pub name: &'static str,
    /// Whether it is aligned right, as numbers are.
    pub is_right: bool,
    /// Appends the cell of a row; nothing for what is unknown.
    pub cell: fn(&mut String, &R),
}

impl<R: ?Sized> Clone for Column<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R: ?Sized> Copy for Column<R> {}

impl<R: ?Sized> Column<R> {
    /// A column of text.
    pub const fn text(name: &'static str, cell: fn(&mut String, &R)) -> Self {
        Column {
            name,
            is_right: false,
            cell,
        }
    }

    /// A column of numbers.
    pub const fn number(name: &'static str, cell: fn(&mut String, &R)) -> Self {
        Column {
            name,
            is_right: true,
            cell,
        }
    }

    /// The heading.
    pub fn heading(&self) -> String {
        self.name.to_ascii_uppercase()
    }
}

/// Appends a value, if it is known.
pub fn put(out: &mut String, value: Option<impl Display>) {
    if let Some(value) = value {
        let _ = write!(out, "{value}");
    }
}

/// The header line of CSV.
pub fn csv_header<R: ?Sized>(columns: &[Column<R>]) -> String {
    let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
    names.join(",") + "\n"
}

/// A line of CSV; what is unknown is empty.
pub fn csv_line<R: ?Sized>(columns: &[Column<R>], row: &R) -> String {
    let (mut line, mut cell) = (String::new(), String::new());
    for (index, column) in columns.iter().enumerate() {
        if index > 0 {
            line.push(',');
        }
        cell.clear();
        (column.cell)(&mut cell, row);
        csv::field(&mut line, &cell);
    }
    line + "\n"
}

/// A table with these columns; what is unknown is a dash.
pub fn table<'r, R: ?Sized + 'r>(
    columns: &[Column<R>],
    rows: impl IntoIterator<Item = &'r R>,
) -> Table {
    let headings: Vec<String> = columns.iter().map(Column::heading).collect();
    let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
    let mut table = Table::new().header(&headings);
    for (index, _) in columns.iter().enumerate().filter(|(_, it)| it.is_right) {
        table = table.right(index);
    }
    for row in rows {
        let cells = columns.iter().map(|column| {
            let mut cell = String::new();
            (column.cell)(&mut cell, row);
            if cell.is_empty() && column.is_right {
                cell.push('-');
            }
            cell
        });
        table.row(&cells.collect::<Vec<_>>());
    }
    table
}
