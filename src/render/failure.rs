//! An error, for a person or for a program.

use std::io::{self, Write};

use serde_json::json;

use super::escape::text;
use super::{Paint, Style};
use crate::error::Error;

/// What failed and why, then what to do next. Each line is escaped: a path or a name may hold
/// anything.
pub fn write(out: &mut impl Write, error: &Error, style: Style) -> io::Result<()> {
    write!(
        out,
        "{} {}",
        style.paint(Paint::Bad, "sockdoc:"),
        text(&error.operation)
    )?;
    if let Some(subject) = &error.subject {
        write!(out, " {}", text(subject))?;
    }
    writeln!(out, ": {}", text(&error.cause))?;
    for detail in &error.details {
        writeln!(out, "  {}", text(detail))?;
    }
    if let Some(next) = &error.next {
        writeln!(
            out,
            "  {} {}",
            style.paint(Paint::Bold, "next:"),
            text(next)
        )?;
    }
    Ok(())
}

/// One object on one line.
pub fn write_json(out: &mut impl Write, error: &Error) -> io::Result<()> {
    let object = json!({
        "schema": "sockdoc.error/1",
        "error": {
            "operation": error.operation,
            "subject": error.subject,
            "code": error.code,
            "cause": error.cause,
            "details": error.details,
            "next": error.next,
            "exit_status": error.kind.exit_status(),
        },
    });
    super::json::line(out, &object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn a_name_with_control_characters_cannot_forge_a_line() {
        let error = Error::new(Kind::CannotRun, "bind", "no").on("/tmp/a\n\x1b[2Jsockdoc: fine");
        let mut out = Vec::new();
        write(&mut out, &error, Style::new(false)).unwrap();
        let shown = String::from_utf8(out).unwrap();
        assert_eq!(shown, "sockdoc: bind /tmp/a\\n\\x1b[2Jsockdoc: fine: no\n");
    }
}
