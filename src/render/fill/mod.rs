//! The buffer experiment: the answer first, then step by step, and as one JSON document.
//!
//! | file | what it writes |
//! |---|---|
//! | this one | [`Page`]: where and how the sections are written |
//! | [`sending`] | the limits, the sends, the first `EWOULDBLOCK` |
//! | [`standing`] | the answer in a few lines, the windows and timers, the verdict |
//! | [`ending`] | the watch, the close, the drain, the datagrams |
//! | [`json`] | schema `sockdoc.fill-buffers/1` |

pub mod ending;
pub mod json;
pub mod sending;
pub mod standing;

#[cfg(test)]
mod fixture;

use std::io::{self, Write};
use std::time::Duration;

use super::table::Table;
use super::{Paint, Style, escape, thousands, wrap};
use crate::reference;

/// Where the sections go.
pub struct Page<'a> {
    /// To this.
    pub out: &'a mut dyn Write,
    /// With these colours.
    pub style: Style,
    /// Columns of the terminal; `None`: nothing is wrapped.
    pub width: Option<u16>,
}

impl Page<'_> {
    /// A section: a title and labelled lines.
    fn section(&mut self, title: &str, rows: &[(&str, String)]) -> io::Result<()> {
        writeln!(self.out)?;
        self.title(title)?;
        let mut table = Table::new().indent(2);
        for (label, text) in rows {
            table.row(&[*label, text]);
        }
        table.write(self.out, self.width)
    }

    /// A title, wrapped like everything else.
    fn title(&mut self, title: &str) -> io::Result<()> {
        for line in wrap::lines(&escape::text(title), self.width, 0) {
            writeln!(self.out, "{}", self.style.paint(Paint::Bold, line))?;
        }
        Ok(())
    }

    /// A line of its own below a section's.
    fn line(&mut self, text: &str) -> io::Result<()> {
        self.wrapped("  ", "", text)
    }

    /// A text, broken between words on a terminal; what comes first stands as it is.
    fn wrapped(&mut self, indent: &str, first: &str, text: &str) -> io::Result<()> {
        wrap::write(self.out, indent, first, &escape::text(text), self.width)
    }
}

/// Milliseconds below a second, otherwise seconds.
fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 0.01 {
        format!("{:.1} ms", seconds * 1e3)
    } else if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1e3)
    } else {
        format!("{seconds:.1} s")
    }
}

/// `3,910,656 bytes`, or what stands for a number that is not known.
fn bytes(count: Option<u64>) -> String {
    match count {
        Some(1) => "1 byte".to_owned(),
        Some(count) => format!("{} bytes", thousands(count)),
        None => "unknown".to_owned(),
    }
}

/// `ECONNRESET (errno 104): Connection reset by peer`.
fn errno(number: i32) -> String {
    match reference::errno::by_number(number) {
        Some(entry) => format!("{} (errno {number}): {}", entry.name, entry.message),
        None => format!("errno {number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_bytes_read_well_at_every_size() {
        assert_eq!(time(Duration::from_micros(1_240)), "1.2 ms");
        assert_eq!(time(Duration::from_millis(512)), "512 ms");
        assert_eq!(time(Duration::from_millis(3_940)), "3.9 s");
        assert_eq!(bytes(Some(1)), "1 byte");
        assert_eq!(bytes(Some(3_910_656)), "3,910,656 bytes");
        assert_eq!(bytes(None), "unknown");
        assert_eq!(
            errno(104),
            "ECONNRESET (errno 104): Connection reset by peer"
        );
        assert_eq!(errno(9_999), "errno 9999");
    }
}
