//! Values in, text out: tables, JSON, Python literals, hex dumps, escaping. Everything is written
//! to an `io::Write` that the caller gives.
//!
//! | file | what it writes |
//! |---|---|
//! | [`capture`] | what `sockdoc capture` says besides the frames |
//! | [`check`] | a connection followed through its layers |
//! | [`clients`] | the exchanges of a client |
//! | [`mod@column`] | a list of columns drives a table and CSV |
//! | [`decode`] | the frames, messages and connections of a capture |
//! | [`csv`] | fields of comma-separated values |
//! | [`date`] | civil dates |
//! | [`diagnosis`] | what is wrong with a host: text, JSON, metrics |
//! | [`drops`] | packets that the kernel dropped: a line each, a table, JSON |
//! | [`escape`] | what came from outside, made safe for a terminal |
//! | [`explain`] | the entries of the tables of errors |
//! | [`failure`] | an [`Error`](crate::error::Error): two lines, or JSON |
//! | [`finding`] | a finding, as text and as JSON |
//! | [`fill`] | the buffer experiment: its story, section by section, and JSON |
//! | [`hexdump`] | bytes as `hexdump -C` shows them |
//! | [`json`] | values as JSON, one document or one object a line |
//! | [`load`] | the report of a load run |
//! | [`overview`] | what `sockdoc` alone prints |
//! | [`ping`] | a ping session: the lines of iputils, macOS and fping, a table, JSON, CSV |
//! | [`python`] | Python's literals: bytes, addresses |
//! | [`report`] | reports to attach: one HTML file each |
//! | [`resolve`] | a name: what programs get, the files, each name server |
//! | [`serving`] | the events of a server |
//! | [`sockets`] | the sockets of a host: our table, netstat's, lsof's and ss's columns, JSON, CSV |
//! | [`spark`] | numbers as a line of bars |
//! | [`steps`] | what was tried in turn, each with its time |
//! | [`table`] | aligned tables |
//! | [`top`] | the live view: its screen, a frame as text, JSON |
//! | [`transcript`] | the tutorial's lines, word for word |
//! | [`watch`] | findings that begin, change and end, line by line |
//! | [`wrap`] | long lines, broken between words |

pub mod capture;
pub mod check;
pub mod clients;
pub mod column;
pub mod csv;
pub mod date;
pub mod decode;
pub mod diagnosis;
pub mod drops;
pub mod escape;
pub mod explain;
pub mod failure;
pub mod fill;
pub mod finding;
pub mod hexdump;
pub mod json;
pub mod load;
pub mod overview;
pub mod ping;
pub mod python;
pub mod report;
pub mod resolve;
pub mod serving;
pub mod sockets;
pub mod spark;
pub mod steps;
pub mod table;
pub mod top;
pub mod transcript;
pub mod watch;
pub mod wrap;

use std::fmt;

use crate::diagnose::words;

/// Colours, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    color: bool,
}

impl Style {
    /// With colours or without.
    pub fn new(color: bool) -> Self {
        Style { color }
    }

    /// Whether there are colours.
    pub fn has_color(self) -> bool {
        self.color
    }

    /// The text in a colour, if there are colours.
    pub fn paint(self, paint: Paint, text: impl fmt::Display) -> impl fmt::Display {
        fmt::from_fn(move |f| {
            if self.color {
                write!(f, "\x1b[{}m{text}\x1b[0m", paint.code())
            } else {
                text.fmt(f)
            }
        })
    }
}

/// What a colour says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// Stands out.
    Bold,
    /// All is well.
    Good,
    /// Something may be wrong.
    Warn,
    /// Something is wrong.
    Bad,
    /// Stands back.
    Dim,
}

impl Paint {
    /// Select Graphic Rendition (ECMA-48 section 8.3.117).
    fn code(self) -> &'static str {
        match self {
            Paint::Bold => "1",
            Paint::Good => "32",
            Paint::Warn => "33",
            Paint::Bad => "1;31",
            Paint::Dim => "2",
        }
    }
}

/// A whole number with a comma between thousands.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 connection`, `2,000 connections`, `3 processes`.
pub fn counted(number: u64, thing: &str) -> String {
    format!("{} {}", thousands(number), words::noun(number, thing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_have_commas() {
        assert_eq!(counted(1, "process"), "1 process");
        assert_eq!(counted(2_000, "process"), "2,000 processes");
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_000), "1,000");
        assert_eq!(thousands(12_345_678), "12,345,678");
    }

    #[test]
    fn without_colour_nothing_is_added() {
        assert_eq!(Style::new(false).paint(Paint::Bad, "x").to_string(), "x");
        assert_eq!(
            Style::new(true).paint(Paint::Bad, "x").to_string(),
            "\x1b[1;31mx\x1b[0m"
        );
    }
}
