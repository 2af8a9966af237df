//! Aligned columns without lines between them.

use std::io;

use comfy_table::{CellAlignment, ContentArrangement, presets};

use super::escape;

/// A table that is filled row by row and then written.
///
/// A cell is escaped when it is put in, so that no content can move the cursor or forge a row.
#[derive(Debug, Default)]
pub struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    right: Vec<usize>,
    indent: usize,
}

impl Table {
    /// A table without a header.
    pub fn new() -> Self {
        Table::default()
    }

    /// Names the columns.
    #[must_use]
    pub fn header(mut self, titles: &[&str]) -> Self {
        self.header = titles.iter().map(|title| (*title).to_owned()).collect();
        self
    }

    /// Sets the column of this index flush right, as numbers are.
    #[must_use]
    pub fn right(mut self, column: usize) -> Self {
        self.right.push(column);
        self
    }

    /// Puts this many spaces in front of each line.
    #[must_use]
    pub fn indent(mut self, spaces: usize) -> Self {
        self.indent = spaces;
        self
    }

    /// Adds a row.
    pub fn row<T: AsRef<str>>(&mut self, cells: &[T]) {
        let cells = cells
            .iter()
            .map(|cell| escape::text(cell.as_ref()).into_owned());
        self.rows.push(cells.collect());
    }

    /// Writes the table. `width` is the terminal's: cells are wrapped to fit into it. Without one
    /// (a file, a pipe) every row is one line, whatever its length.
    pub fn write(&self, out: &mut dyn io::Write, width: Option<u16>) -> io::Result<()> {
        for line in self.laid_out(width).lines() {
            let line = line.trim_end();
            writeln!(out, "{:indent$}{line}", "", indent = self.indent)?;
        }
        Ok(())
    }

    /// Whether every row has its line in this width.
    pub fn fits(&self, width: Option<u16>) -> bool {
        let Some(width) = width else { return true };
        let mut lines = Vec::new();
        // Writing to memory does not fail.
        let _ = self.write(&mut lines, None);
        let lines = String::from_utf8_lossy(&lines);
        let longest = lines.lines().map(|line| line.chars().count()).max();
        longest.unwrap_or(0) <= usize::from(width)
    }

    fn laid_out(&self, width: Option<u16>) -> comfy_table::Table {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING);
        if !self.header.is_empty() {
            table.set_header(&self.header);
        }
        table.add_rows(&self.rows);
        match width {
            Some(width) => {
                let indent = u16::try_from(self.indent).unwrap_or(u16::MAX);
                table.set_content_arrangement(ContentArrangement::Dynamic);
                table.set_width(width.saturating_sub(indent));
            }
            None => {
                table.set_content_arrangement(ContentArrangement::Disabled);
            }
        }
        for (index, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, 2));
            if self.right.contains(&index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(table: &Table, width: Option<u16>) -> String {
        let mut out = Vec::new();
        table.write(&mut out, width).expect("writes to memory");
        String::from_utf8(out).expect("UTF-8")
    }

    fn sample() -> Table {
        let mut table = Table::new().header(&["NAME", "NUMBER", "MEANING"]).right(1);
        table.row(&["EPERM", "1", "Operation not permitted"]);
        table.row(&[
            "ECONNREFUSED",
            "111",
            "Connection refused, at some length, by the other host",
        ]);
        table
    }

    #[test]
    fn columns_are_aligned_and_lines_have_no_blanks_at_their_end() {
        assert_eq!(
            written(&sample(), None),
            "NAME          NUMBER  MEANING\n\
             EPERM              1  Operation not permitted\n\
             ECONNREFUSED     111  Connection refused, at some length, by the other host\n"
        );
    }

    #[test]
    fn without_a_terminal_a_row_is_one_line_whatever_its_length() {
        let mut table = Table::new();
        table.row(&["name", &"word ".repeat(1000)]);
        assert_eq!(written(&table, None).lines().count(), 1);
    }

    #[test]
    fn on_a_terminal_no_line_is_wider_than_it_and_no_word_is_lost() {
        for width in [40, 60, 80] {
            let text = written(&sample(), Some(width));
            assert!(
                text.lines().all(|line| line.len() <= usize::from(width)),
                "{text}"
            );
            for word in ["ECONNREFUSED", "111", "length,", "host"] {
                assert!(text.contains(word), "{word} in\n{text}");
            }
        }
    }

    #[test]
    fn the_indent_is_part_of_the_width() {
        let mut table = Table::new().indent(4);
        table.row(&["cause:", &"word ".repeat(40)]);
        let text = written(&table, Some(40));
        assert!(text.lines().count() > 1);
        for line in text.lines() {
            assert!(line.starts_with("    ") && line.len() <= 40, "{line}");
        }
    }

    #[test]
    fn a_cell_cannot_forge_a_row() {
        let mut table = Table::new();
        table.row(&["a\nb\x1b[2J"]);
        assert_eq!(written(&table, None), "a\\nb\\x1b[2J\n");
    }
}
