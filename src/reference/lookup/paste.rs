//! A pasted text as lines: what states something, and what only shows where in the code it was.

use std::borrow::Cow;

/// What a line of a paste is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It states something: an exception, a message, a log line.
    Statement,
    /// A property of the error above it, as Node prints it: `code: 'ECONNRESET',`.
    Property,
    /// A frame of a stack, or the line of source code in it.
    Frame,
}

/// A line, and what it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    pub text: &'a str,
    pub kind: Kind,
}

/// So much of the front and of the end of a text is looked at: the last exception stands at the end.
pub(super) const FRONT_BYTES: usize = 32 << 10;
pub(super) const END_BYTES: usize = 96 << 10;

/// A line is looked at up to here; what stands after it is data.
const LINE_BYTES: usize = 8 << 10;

/// The front and the end of a text; all of it where it is short enough.
pub(super) fn bounded(text: &str) -> Cow<'_, str> {
    if text.len() <= FRONT_BYTES + END_BYTES {
        return Cow::Borrowed(text);
    }
    let front = super::bounded(text, FRONT_BYTES);
    let mut start = text.len() - END_BYTES;
    while !text.is_char_boundary(start) {
        start += 1;
    }
    Cow::Owned(format!("{front}\n{}", &text[start..]))
}

/// The lines of a text; those that are empty or only underline something are left out.
pub(super) fn lines(text: &str) -> Vec<Line<'_>> {
    let mut lines: Vec<Line<'_>> = Vec::new();
    let mut source_follows = false;
    for text in text.split(['\n', '\r']) {
        let text = super::bounded(text, LINE_BYTES).trim_end();
        let is_marks = text.chars().all(|c| matches!(c, ' ' | '^' | '~' | '|'));
        if is_marks {
            continue;
        }
        let is_source = source_follows && text.starts_with([' ', '\t']);
        let kind = if is_source || is_frame(text) {
            Kind::Frame
        } else if is_property(text) {
            Kind::Property
        } else {
            Kind::Statement
        };
        source_follows = is_python_frame(text);
        lines.push(Line { text, kind });
    }
    // The frames of a traceback that was cut show source without the `File` line above it.
    if let [first, second, ..] = &mut lines[..]
        && first.text.starts_with([' ', '\t'])
        && !second.text.starts_with([' ', '\t'])
    {
        first.kind = Kind::Frame;
    }
    lines
}

/// `  File "client.py", line 9, in <module>`
fn is_python_frame(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("File \"") && line.contains("\", line ") && !line.contains("Error: ")
}

fn is_frame(line: &str) -> bool {
    let bare = line.trim_start();
    let is_indented = bare.len() < line.len();
    let is_java_or_node = is_indented && bare.starts_with("at ");
    let is_go = line.starts_with('\t') && bare.contains(".go:");
    let is_ruby = is_indented && bare.starts_with("from ") && bare.contains(":in ");
    let is_php = bare.starts_with('#')
        && bare.chars().nth(1).is_some_and(|c| c.is_ascii_digit())
        && bare.contains("): ");
    let is_end = bare.starts_with("--- End of") || bare.starts_with("... ");
    // The next step that sockdoc itself suggests below an error.
    let is_advice = is_indented && bare.starts_with("next: ");
    is_python_frame(line) || is_java_or_node || is_go || is_ruby || is_php || is_end || is_advice
}

/// `  errno: -104,` under a Node error.
fn is_property(line: &str) -> bool {
    let bare = line.trim_start();
    let names = [
        "errno:",
        "code:",
        "syscall:",
        "address:",
        "port:",
        "hostname:",
        "path:",
        "type:",
    ];
    bare.len() < line.len() && names.iter().any(|name| bare.starts_with(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<Kind> {
        lines(text).iter().map(|line| line.kind).collect()
    }

    #[test]
    fn frames_and_their_source_are_told_from_statements() {
        use Kind::{Frame, Property, Statement};
        assert_eq!(
            kinds(
                "Traceback (most recent call last):\n  File \"a.py\", line 3, in f\n    s.recv(1)\n    ^^^^\nOSError: x"
            ),
            [Statement, Frame, Frame, Statement]
        );
        assert_eq!(
            kinds("java.io.IOException: x\n\tat a.b(C.java:1)\nCaused by: y"),
            [Statement, Frame, Statement]
        );
        assert_eq!(
            kinds("Error: read ECONNRESET\n    at TCP.onStreamRead (node:x:1) {\n  errno: -104,"),
            [Statement, Frame, Property]
        );
        assert_eq!(kinds("    s.recv(1)\nOSError: x"), [Frame, Statement]);
    }

    #[test]
    fn a_long_text_keeps_its_front_and_its_end() {
        let text = format!("front {} end", "é\n".repeat(1 << 20));
        let kept = bounded(&text);
        assert!(kept.len() <= FRONT_BYTES + END_BYTES + 1);
        assert!(kept.starts_with("front") && kept.ends_with("end"));
    }
}
