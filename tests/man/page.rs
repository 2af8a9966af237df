//! A manual page: what the parser says, in the sections of man-pages(7).

use std::fmt::Write as _;
use std::io::Write as _;

use clap::Command;
use clap_mangen::Man;
use sockdoc::render::overview;

use super::texts;

/// The page of the program itself: its commands by purpose.
pub(crate) fn program(parser: &Command) -> String {
    let mut page = head(parser);
    page += ".SH COMMANDS\n";
    let mut listed: Vec<&str> = Vec::new();
    for (title, examples) in overview::GROUPS {
        let mut commands = String::new();
        for (example, _) in *examples {
            let name = example
                .split(' ')
                .nth(1)
                .expect("an example names a command");
            if listed.contains(&name) {
                continue;
            }
            listed.push(name);
            let command = parser.find_subcommand(name).expect("it is a command");
            let about = command
                .get_about()
                .map(ToString::to_string)
                .unwrap_or_default();
            let (name, about) = (escaped(&format!("sockdoc-{name}")), escaped(&about));
            let _ = writeln!(commands, ".TP\n\\fB{name}\\fR(1)\n{about}");
        }
        let _ = write!(page, ".SS {title}\n{commands}");
    }
    for command in parser.get_subcommands() {
        assert!(
            listed.contains(&command.get_name()),
            "{} has no example in the overview",
            command.get_name()
        );
    }
    page += ".SH EXAMPLES\n";
    for (_, examples) in overview::GROUPS {
        for (example, purpose) in *examples {
            let _ = writeln!(
                page,
                ".TP\n\\fB{}\\fR\n{}",
                escaped(example),
                escaped(purpose)
            );
        }
    }
    let others: Vec<String> = parser
        .get_subcommands()
        .map(|it| format!("sockdoc-{}(1)", it.get_name()))
        .chain(["sockdoc-json(5)".to_owned()])
        .collect();
    let others: Vec<&str> = others.iter().map(String::as_str).collect();
    page + &tail("", &others)
}

/// The page of one command, `name` without `sockdoc-`.
pub(crate) fn command(parser: &Command, name: &str) -> String {
    let mut page = head(parser);
    let after = parser.get_after_help();
    page += &examples(&after.expect("each command has examples").to_string());
    let has_json = parser.get_arguments().any(|arg| arg.get_id() == "json");
    let others = ["sockdoc(1)", "sockdoc-json(5)"];
    page + &tail(name, &others[..if has_json { 2 } else { 1 }])
}

/// NAME to OPTIONS.
fn head(parser: &Command) -> String {
    let man = Man::new(parser.clone());
    let mut text = Vec::new();
    let written = man
        .render_name_section(&mut text)
        .and_then(|()| text.write_all(synopsis(parser).as_bytes()))
        .and_then(|()| man.render_description_section(&mut text))
        .and_then(|()| man.render_options_section(&mut text));
    written.expect("a Vec takes every write");
    let text = String::from_utf8(text).expect("roff is text");
    // Each section is a document to clap_mangen, which begins with the same definition.
    let (preamble, _) = text.split_once(".SH").expect("a section");
    let name = parser.get_display_name().unwrap_or(parser.get_name());
    let version = version(parser);
    format!(
        "{preamble}.TH {name} 1 \"\" \"sockdoc {version}\" \"User Commands\"\n{}",
        text.replace(preamble, "")
    )
}

/// SYNOPSIS: the usage of the help, whose words for arguments are italic.
fn synopsis(parser: &Command) -> String {
    let usage = parser.clone().render_usage().to_string();
    let usage = usage.strip_prefix("Usage: ").expect("a usage");
    let name = parser.get_bin_name().unwrap_or(parser.get_name());
    let arguments = usage.strip_prefix(name).expect("it begins with the name");
    let italic = |word: &str| {
        let opened = word.replace('<', "\\fI").replace('>', "\\fR");
        match opened.strip_prefix('[').and_then(|it| it.split_once(']')) {
            Some((inside, after)) if !opened.contains('\\') => format!("[\\fI{inside}\\fR]{after}"),
            _ => opened,
        }
    };
    let words: Vec<String> = arguments.split_whitespace().map(italic).collect();
    let name = escaped(name);
    format!(".SH SYNOPSIS\n\\fB{name}\\fR {}\n", words.join(" "))
}

fn version(parser: &Command) -> &str {
    parser.get_version().expect("the parser has a version")
}

/// The examples of the help: "Examples:", then a line each, the command and two spaces before its purpose; a line that is
/// indented further continues the purpose.
fn examples(help: &str) -> String {
    let mut page = String::from(".SH EXAMPLES\n");
    let mut lines = help.lines();
    assert_eq!(
        lines.next(),
        Some("Examples:"),
        "the help has something else after its options"
    );
    for line in lines {
        let line = line.strip_prefix("  ").unwrap_or(line);
        if line.starts_with(' ') {
            let _ = writeln!(page, "{}", escaped(line.trim()));
            continue;
        }
        let (example, purpose) = line.split_once("  ").unwrap_or((line, ""));
        let _ = writeln!(page, ".TP\n\\fB{}\\fR", escaped(example));
        let purpose = purpose.trim();
        if !purpose.is_empty() {
            let _ = writeln!(page, "{}", escaped(purpose));
        }
    }
    page
}

/// EXIT STATUS to SEE ALSO.
fn tail(name: &str, others: &[&str]) -> String {
    let mut page = String::new();
    let mut listed = |title: &str, entries: &[texts::Entry]| {
        if entries.is_empty() {
            return;
        }
        let _ = writeln!(page, ".SH {title}");
        for (term, text) in entries {
            let _ = writeln!(page, ".TP\n\\fB{}\\fR\n{}", escaped(term), escaped(text));
        }
    };
    listed("EXIT STATUS", texts::EXIT_STATUS);
    listed("ENVIRONMENT", &texts::environment(name));
    listed("FILES", texts::files(name));
    for (title, paragraphs) in texts::sections(name) {
        let _ = writeln!(page, ".SH {title}");
        for (number, paragraph) in paragraphs.iter().enumerate() {
            let break_before = if number == 0 { "" } else { ".PP\n" };
            let text = escaped(paragraph);
            let _ = if paragraph.starts_with("    ") {
                writeln!(page, "{break_before}.EX\n{text}\n.EE")
            } else {
                writeln!(page, "{break_before}{text}")
            };
        }
    }
    page += ".SH SEE ALSO\n";
    let see: Vec<String> = others
        .iter()
        .chain(texts::see_also(name))
        .map(|page| {
            let (name, section) = page.split_once('(').expect("name(section)");
            format!("\\fB{}\\fR({section}", escaped(name))
        })
        .collect();
    let _ = writeln!(page, "{}", see.join(",\n"));
    page
}

/// Text for roff: no escape, no hyphen that becomes a dash, no line that is a request.
pub(crate) fn escaped(text: &str) -> String {
    let text = text
        .replace('\\', "\\e")
        .replace('-', "\\-")
        .replace('\'', "\\(aq");
    if text.starts_with('.') {
        format!("\\&{text}")
    } else {
        text
    }
}
