//! Where the columns of our table go.
//!
//! Without a terminal a socket is one line, whatever its length. On a terminal no line is longer
//! than it is wide, and the first of these that fits is taken:
//!
//! 1. one line, columns two blanks apart;
//! 2. one line, and the findings on a line of their own below their row;
//! 3. the same with columns one blank apart;
//! 4. the same with process names shortened in the middle, and columns as wide as the short addresses: a
//!    socket with a longer address, which is never cut, takes more lines;
//! 5. several lines a socket, each with as many such columns as fit.

use super::column::Column;

/// The plan of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The columns of each line of a row, by their index in the list.
    pub lines: Vec<Vec<usize>>,
    /// The width of each column.
    pub widths: Vec<usize>,
    /// Blanks between columns.
    pub gap: usize,
    /// The index of the column of findings, if it gets lines of its own.
    pub below: Option<usize>,
}

/// How far the second and later lines of a row are set in.
pub const INDENT: usize = 4;

impl Plan {
    /// A plan for columns whose widest cells are `widths`, and whose short addresses are up to `short`, for a
    /// terminal of `terminal` columns.
    pub fn new(
        columns: &[Column],
        widths: &[usize],
        short: &[usize],
        terminal: Option<usize>,
    ) -> Plan {
        let all: Vec<usize> = (0..columns.len()).collect();
        let plan = |shown: &[usize], gap, below| Plan {
            lines: vec![shown.to_vec()],
            widths: widths.to_vec(),
            gap,
            below,
        };
        let Some(terminal) = terminal else {
            return plan(&all, 2, None);
        };
        let fits = |shown: &[usize], gap: usize, widths: &[usize]| {
            let total: usize = shown.iter().map(|&index| widths[index] + gap).sum();
            total <= terminal + gap
        };
        if fits(&all, 2, widths) {
            return plan(&all, 2, None);
        }
        let below = columns.iter().position(|column| *column == Column::Why);
        let rows: Vec<usize> = all
            .into_iter()
            .filter(|index| Some(*index) != below)
            .collect();
        for gap in [2, 1] {
            if fits(&rows, gap, widths) {
                return plan(&rows, gap, below);
            }
        }
        let least: Vec<usize> = columns
            .iter()
            .zip(widths.iter().zip(short))
            .map(|(column, (width, short))| match column {
                Column::Local | Column::Peer => *short,
                column => least(*column).map_or(*width, |least| least.min(*width)),
            })
            .collect();
        let lines = fill(&rows, &least, terminal);
        let mut plan = Plan {
            widths: least,
            ..plan(&rows, 1, below)
        };
        for (at, line) in lines.iter().enumerate() {
            plan.widen(columns, line, widths, terminal - indent(at).min(terminal));
        }
        Plan { lines, ..plan }
    }

    /// Gives what is left of a line to the columns that are shortened, the narrowest first; to addresses last,
    /// since they are not shortened.
    fn widen(&mut self, columns: &[Column], line: &[usize], wanted: &[usize], room: usize) {
        let taken: usize = line.iter().map(|&index| self.widths[index] + 1).sum();
        if let &[alone] = line {
            self.widths[alone] = wanted[alone].min(room).max(1);
            return;
        }
        let is_address = |column: &Column| matches!(column, Column::Local | Column::Peer);
        let addresses: Vec<usize> = (0..columns.len())
            .filter(|&index| is_address(&columns[index]))
            .collect();
        for _ in taken..=room {
            let next = line
                .iter()
                .filter(|&&index| self.widths[index] < wanted[index])
                .min_by_key(|&&index| (addresses.contains(&index), self.widths[index]));
            match next {
                None => break,
                Some(&index) => self.widths[index] += 1,
            }
        }
    }
}

/// How far a line of a row is set in.
fn indent(line: usize) -> usize {
    if line == 0 { 0 } else { INDENT }
}

/// The longest IPv4 address with its port: 255.255.255.255:65535.
pub const SHORT_ADDRESS: usize = 21;

/// What a column that may be shortened needs to be of use.
fn least(column: Column) -> Option<usize> {
    match column {
        // (no permission)
        Column::Process | Column::Command | Column::Cgroup => Some(15),
        _ => None,
    }
}

/// Breaks a row into lines.
fn fill(rows: &[usize], widths: &[usize], terminal: usize) -> Vec<Vec<usize>> {
    let mut lines: Vec<Vec<usize>> = Vec::new();
    let mut taken = terminal;
    for &index in rows {
        let with = taken + 1 + widths[index];
        if let Some(line) = lines.last_mut().filter(|_| with <= terminal) {
            line.push(index);
            taken = with;
        } else {
            taken = widths[index] + indent(lines.len());
            lines.push(vec![index]);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(widths: &[usize], terminal: Option<usize>) -> Plan {
        let short: Vec<usize> = widths.iter().map(|it| *it.min(&SHORT_ADDRESS)).collect();
        Plan::new(Column::DEFAULT, widths, &short, terminal)
    }

    #[test]
    fn a_pipe_gets_one_line_of_any_length() {
        let plan = plan(&[5, 6, 6, 6, 90, 90, 900, 400], None);
        assert_eq!((plan.lines.len(), plan.gap, plan.below), (1, 2, None));
        assert_eq!(plan.widths[6], 900);
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for terminal in [1, 10, 40, 60, 80, 132, 200] {
            for long in [5, 21, 47, 140] {
                let widths = [7, 14, 6, 6, long, long, 60, 200];
                let plan = plan(&widths, Some(terminal));
                for (at, line) in plan.lines.iter().enumerate() {
                    let width: usize = line
                        .iter()
                        .map(|&index| plan.widths[index] + plan.gap)
                        .sum();
                    let room = (terminal + plan.gap).max(indent(at) + 1 + plan.gap);
                    assert!(width + indent(at) <= room, "{terminal} {plan:?}");
                }
                let shown: usize = plan.lines.iter().map(Vec::len).sum();
                assert_eq!(shown + usize::from(plan.below.is_some()), 8);
            }
        }
    }

    #[test]
    fn ipv4_connections_stay_on_one_line_of_80_columns() {
        let widths = [5, 6, 6, 6, 16, 20, 14, 0];
        let plan = plan(&widths, Some(80));
        assert_eq!((plan.lines.len(), plan.gap), (1, 1));
        assert_eq!(plan.widths, widths);
    }
}
