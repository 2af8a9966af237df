//! Fields of comma-separated values.

use std::fmt::Write as _;

/// Writes a field, in quotes if it needs them (RFC 4180 section 2, points 5 to 7).
pub fn field(out: &mut String, field: &str) {
    if field.contains([',', '"', '\n', '\r']) {
        let _ = write!(out, "\"{}\"", field.replace('"', "\"\""));
    } else {
        out.push_str(field);
    }
}
