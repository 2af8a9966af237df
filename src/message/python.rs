//! How Python prints a loaded JSON value: the layout of `repr()`.

use std::fmt::Write as _;

use unicode_general_category::{GeneralCategory, get_general_category};

use super::value::Value;

/// Appends `repr(value)`.
pub(super) fn repr_value(value: &Value<'_>, out: &mut String) {
    match value {
        Value::Null => out.push_str("None"),
        Value::Bool(true) => out.push_str("True"),
        Value::Bool(false) => out.push_str("False"),
        Value::Int(digits) => out.push_str(if digits == "-0" { "0" } else { digits }),
        Value::Float(number) => repr_float(*number, out),
        Value::Str(text) => repr_str(text, out),
        Value::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                separate(index, out);
                repr_value(item, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (index, (key, value)) in members.iter().enumerate() {
                separate(index, out);
                repr_str(key, out);
                out.push_str(": ");
                repr_value(value, out);
            }
            out.push('}');
        }
    }
}

fn separate(index: usize, out: &mut String) {
    if index > 0 {
        out.push_str(", ");
    }
}

/// Appends `repr(text)`: in single quotes, unless only single quotes are in it.
pub fn repr_str(text: &str, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    out.push(quote);
    for character in text.chars() {
        match character {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            _ if character == quote => out.extend(['\\', quote]),
            _ if is_printable(character) => out.push(character),
            _ => repr_code(u32::from(character), out),
        }
    }
    out.push(quote);
}

fn repr_code(code: u32, out: &mut String) {
    // Writing to a String cannot fail.
    let _ = match code {
        0..=0xff => write!(out, "\\x{code:02x}"),
        0x100..=0xffff => write!(out, "\\u{code:04x}"),
        _ => write!(out, "\\U{code:08x}"),
    };
}

/// `str.isprintable()` of one character. Unassigned characters are not printable, so the answer
/// for the newest ones depends on the Unicode version on either side.
fn is_printable(character: char) -> bool {
    use GeneralCategory as Category;
    if character.is_ascii() {
        return !character.is_ascii_control();
    }
    !matches!(
        get_general_category(character),
        Category::Control
            | Category::Format
            | Category::Surrogate
            | Category::PrivateUse
            | Category::Unassigned
            | Category::LineSeparator
            | Category::ParagraphSeparator
            | Category::SpaceSeparator
    )
}

/// Appends `repr(number)`. The shortest digits that read back as the same number are the same in
/// both languages; only the layout differs: Python writes an exponent below 1e-4 and from 1e16 on,
/// with a sign and at least two digits.
fn repr_float(number: f64, out: &mut String) {
    if number.is_nan() {
        return out.push_str("nan");
    }
    if number.is_sign_negative() {
        out.push('-');
    }
    if number.is_infinite() {
        return out.push_str("inf");
    }
    let scientific = format!("{:e}", number.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        // `{:?}` keeps a `.0` and switches to an exponent outside of the same range or a wider one.
        let _ = write!(out, "{:?}", number.abs());
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        let _ = write!(out, "{mantissa}e{sign}{:02}", exponent.abs());
    }
}

#[cfg(test)]
#[path = "python_tests.rs"]
mod tests;
