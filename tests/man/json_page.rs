//! sockdoc-json(5): the JSON of every command.

use std::fmt::Write as _;

use super::page::escaped;
use super::schema::{Book, Key, Line, Schema, Shape};

const ABOUT: &[&str] = &[
    "With \\fB\\-\\-json\\fR a command writes one JSON document, or, for a stream of events, one object a line (JSON Lines). \
     A document names its schema; of a stream, at least the first line does. An error is one document on standard error.",
    "A key ends with its unit: _us, _ms and _s for time, _bytes, _percent, _per_s. A value that is not known, or does not \
     apply, is null, never 0. A string of bytes that are not UTF\\-8 has replacement characters, and beside it a key with \
     the suffix _hex has the exact bytes. Control characters in strings are escaped.",
    "A later version may add keys, events and words to a schema; ignore those that you do not know. If a key changes its \
     meaning or goes away, the number in the name of the schema changes.",
    "Below, \\fI?\\fR after a key means that it may be absent; \\fIor null\\fR, that it may be null. \\fIa[]\\fR is an \
     element of the list \\fIa\\fR, \\fIa.b\\fR the key \\fIb\\fR of the object \\fIa\\fR, and \\fIa.*\\fR any key of it. \
     The examples leave out keys.",
];

/// The page.
pub(crate) fn page(book: &Book, version: &str) -> String {
    let mut page = format!(
        ".TH sockdoc\\-json 5 \"\" \"sockdoc {version}\" \"File Formats\"\n\
         .SH NAME\nsockdoc\\-json \\- the JSON output of sockdoc\n.SH DESCRIPTION\n"
    );
    page += &ABOUT.join("\n.PP\n");
    page += "\n.SH SCHEMAS\n";
    for schema in &book.schemas {
        of_schema(&mut page, schema);
    }
    page += ".SH OBJECTS\nObjects that several schemas have.\n";
    for (name, shape) in &book.objects {
        let _ = writeln!(page, ".SS {}\n{}", escaped(name), escaped(&shape.about));
        keys(&mut page, shape);
    }
    page += ".SH SEE ALSO\n\\fBsockdoc\\fR(1),\n\\fBjq\\fR(1)\n";
    page
}

fn of_schema(page: &mut String, schema: &Schema) {
    let bold = |it: &String| format!("\\fB{}\\fR", escaped(it));
    let runs: Vec<String> = schema.runs.iter().map(bold).collect();
    let names: Vec<String> = schema.names.iter().map(|it| escaped(it)).collect();
    let _ = writeln!(page, ".SS {}\n{}", names.join(", "), runs.join(", "));
    let _ = writeln!(page, ".PP\n{}", escaped(&schema.common.about));
    keys(page, &schema.common);
    for event in &schema.events {
        let (name, about) = (escaped(&event.name), escaped(&event.about));
        let title = match event.name.as_str() {
            "-" => String::new(),
            _ => format!("Event \\fB{name}\\fR. "),
        };
        let _ = writeln!(page, ".PP\n{title}{about}\n.RS 4");
        keys(page, event);
        page.push_str(".RE\n");
    }
    let _ = writeln!(
        page,
        ".PP\nExample:\n.PP\n.EX\n{}.EE",
        escaped(&schema.example)
    );
}

fn keys(page: &mut String, shape: &Shape) {
    page.push_str(".PD 0\n");
    for line in &shape.lines {
        match line {
            Line::Use(other) => {
                let _ = writeln!(page, ".TP 34\nthe keys of \\fI{}\\fR", escaped(other));
                page.push_str("See OBJECTS.\n");
            }
            Line::Key(key) => of_key(page, key),
        }
    }
    page.push_str(".PD\n");
}

fn of_key(page: &mut String, key: &Key) {
    let absent = if key.may_be_absent { "\\fI?\\fR" } else { "" };
    let kind = match key.kind.strip_prefix('@') {
        Some(name) => format!("object \\fI{}\\fR", escaped(name)),
        None => key.kind.replace("any", "any type"),
    };
    let null = if key.may_be_null { " or null" } else { "" };
    let (path, text) = (escaped(&key.path), escaped(&key.text));
    let _ = writeln!(page, ".TP 34\n\\fB{path}\\fR{absent}  {kind}{null}\n{text}");
}
