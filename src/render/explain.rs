//! An entry of the tables, or all of them: text for people, and a JSON document.

pub mod rules;

use std::io::{self, Write};

use serde::Serialize;

use self::rules::RuleJson;
use super::json;
use super::table::Table;
use crate::diagnose::Rule;
use crate::reference::icmp::{self, Icmp};
use crate::reference::{self, Advice, Circumstance, Entry, Lookup, UnknownCode, spelling};

/// The groups of the list, by [`Entry::kind`]; ICMP has two.
fn group(entry: Entry) -> &'static str {
    match entry {
        Entry::Errno(_) => "ERRNO",
        Entry::Resolver(_) => "RESOLVER",
        Entry::TcpState(_) => "TCP STATE",
        Entry::Icmp(message) => match message.version {
            icmp::Version::V4 => "ICMPV4",
            icmp::Version::V6 => "ICMPV6",
        },
        Entry::Condition(_) => "CONDITION",
    }
}

/// Every entry: one table for each group, one row for each entry, so that grep finds whole
/// entries. `width` is that of the terminal; `None` disables wrapping.
pub fn write_list(out: &mut dyn Write, width: Option<u16>) -> io::Result<()> {
    let entries: Vec<Entry> = reference::all().collect();
    for (index, same) in entries.chunk_by(|a, b| group(*a) == group(*b)).enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        let title = group(same[0]);
        let mut table = Table::new().header(&[title, "NUMBER", "MEANING"]).right(1);
        for entry in same {
            let meaning = format!("{}: {}", entry.message(), entry.cause());
            table.row(&[entry.name(), &entry.number(), &meaning]);
        }
        table.write(out, width)?;
    }
    Ok(())
}

/// The explanation of each entry found.
pub fn write_entries(out: &mut dyn Write, found: &Lookup, width: Option<u16>) -> io::Result<()> {
    for (index, entry) in found.entries.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        writeln!(out, "{}", title(*entry))?;
        let mut table = Table::new().indent(2);
        for code in unknown_codes(found, *entry) {
            let text = format!("{code} is not known; the following applies to the whole type");
            table.row(&["code:", &text]);
        }
        let advice = entry.advice(found.circumstance);
        table.row(&["cause:", advice.cause]);
        table.row(&["next:", advice.next]);
        for (label, other) in others(*entry, advice) {
            let Advice { cause, next } = other;
            table.row(&[label, &format!("{cause}. Next: {next}")]);
        }
        for (index, detail) in entry.details().iter().enumerate() {
            table.row(&[if index == 0 { "more:" } else { "" }, detail]);
        }
        for (label, text) in facts(*entry) {
            table.row(&[label, &text]);
        }
        table.write(out, width)?;
    }
    Ok(())
}

/// The codes of this ICMP type that the query names and the tables do not have.
fn unknown_codes(found: &Lookup, entry: Entry) -> impl Iterator<Item = u32> {
    let of_it = move |it: &&UnknownCode| Entry::Icmp(it.r#type) == entry;
    found.unknown_codes.iter().filter(of_it).map(|it| it.code)
}

/// The other texts of the entry: the general one if the line selected a specific one, otherwise
/// those of every circumstance.
fn others(entry: Entry, said: Advice) -> Vec<(&'static str, Advice)> {
    let general = entry.advice(None);
    if said != general {
        return vec![("otherwise:", general)];
    }
    let label = |circumstance| match circumstance {
        Circumstance::Bind => "bind:",
        Circumstance::Connect => "connect:",
        Circumstance::Send => "send:",
        Circumstance::UnixBind => "Unix bind:",
        Circumstance::UnixSocket => "Unix socket:",
        Circumstance::File => "file:",
    };
    let variants = entry.variants().iter();
    variants
        .map(|(circumstance, advice)| (label(*circumstance), *advice))
        .collect()
}

/// `ECONNREFUSED (errno 111): Connection refused`.
fn title(entry: Entry) -> String {
    let of_what = match entry {
        Entry::Errno(_) => "errno",
        Entry::Resolver(_) => "getaddrinfo",
        Entry::TcpState(_) => "TCP state",
        Entry::Icmp(message) => message.version.word(),
        Entry::Condition(_) => return format!("{}: {}", entry.name(), entry.message()),
    };
    let (name, number, message) = (entry.name(), entry.number(), entry.message());
    format!("{name} ({of_what} {number}): {message}")
}

/// Further facts, each with its label.
fn facts(entry: Entry) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    let mut add = |label, texts: Vec<String>| {
        if !texts.is_empty() {
            facts.push((label, texts.join("; ")));
        }
    };
    add(
        "also:",
        entry.aliases().iter().map(ToString::to_string).collect(),
    );
    let words = spelling::of(entry.name());
    add(
        "known as:",
        words
            .map(|it| format!("{} {}", it.language, it.word))
            .collect(),
    );
    add("by ICMP:", entry.caused_by_icmp().map(numbered).collect());
    if let Entry::Icmp(message) = entry {
        add("on a socket:", on_a_socket(message).into_iter().collect());
        if message.code.is_none() {
            let codes = icmp::codes(message.version, message.r#type);
            add("codes:", codes.map(numbered).collect());
        }
    }
    facts
}

/// `icmp 3/3 Destination Port Unreachable`.
fn numbered(message: &'static Icmp) -> String {
    let number = Entry::Icmp(message).number();
    format!("{} {number} {}", message.version.word(), message.message)
}

fn on_a_socket(message: &Icmp) -> Option<String> {
    let on_socket = message.on_socket?;
    let when = match (on_socket.errno, on_socket.fatal) {
        ("EMSGSIZE", _) => "on UDP; TCP sends smaller segments without an error",
        (_, true) => "immediately on a connecting TCP socket and on a connected UDP socket",
        (_, false) => "on a connecting TCP socket; an established one keeps retrying",
    };
    Some(format!("{}, {when}", on_socket.errno))
}

/// The document of `--json`.
#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    query: Option<&'a str>,
    /// The circumstance that the query names; it selects cause and next of the entries.
    circumstance: Option<&'static str>,
    entries: Vec<EntryDocument>,
    /// Findings of the diagnosis.
    rules: Vec<RuleJson>,
    nearest: &'a [&'static str],
}

/// An entry in the document. Every entry has every key; keys that its kind lacks are null.
#[derive(Serialize)]
struct EntryDocument {
    kind: &'static str,
    name: &'static str,
    number: Option<i32>,
    message: &'static str,
    cause: &'static str,
    next: &'static str,
    general_cause: &'static str,
    general_next: &'static str,
    under: Vec<UnderDocument>,
    details: &'static [&'static str],
    aliases: &'static [&'static str],
    known_as: Vec<KnownAs>,
    caused_by_icmp: Vec<&'static str>,
    icmp_version: Option<u8>,
    icmp_type: Option<u8>,
    icmp_code: Option<u8>,
    unknown_icmp_codes: Vec<u32>,
    errno: Option<&'static str>,
    errno_fatal: Option<bool>,
}

/// The texts of an errno for a circumstance.
#[derive(Serialize)]
struct UnderDocument {
    circumstance: &'static str,
    cause: &'static str,
    next: &'static str,
}

#[derive(Serialize)]
struct KnownAs {
    language: &'static str,
    word: &'static str,
}

impl EntryDocument {
    fn new(entry: Entry, found: &Lookup) -> Self {
        let message = match entry {
            Entry::Icmp(message) => Some(message),
            _ => None,
        };
        let on_socket = message.and_then(|it| it.on_socket);
        let advice = entry.advice(found.circumstance);
        let words = spelling::of(entry.name());
        EntryDocument {
            kind: entry.kind(),
            name: entry.name(),
            number: match entry {
                Entry::Errno(entry) => Some(entry.number),
                Entry::Resolver(entry) => Some(entry.number),
                Entry::TcpState(entry) => Some(entry.number.into()),
                Entry::Icmp(_) | Entry::Condition(_) => None,
            },
            message: entry.message(),
            cause: advice.cause,
            next: advice.next,
            general_cause: entry.cause(),
            general_next: entry.next(),
            under: entry.variants().iter().map(UnderDocument::from).collect(),
            details: entry.details(),
            aliases: entry.aliases(),
            known_as: words
                .map(|it| KnownAs {
                    language: it.language,
                    word: it.word,
                })
                .collect(),
            caused_by_icmp: entry.caused_by_icmp().map(|it| it.name).collect(),
            icmp_version: message.map(|it| match it.version {
                icmp::Version::V4 => 4,
                icmp::Version::V6 => 6,
            }),
            icmp_type: message.map(|it| it.r#type),
            icmp_code: message.and_then(|it| it.code),
            unknown_icmp_codes: unknown_codes(found, entry).collect(),
            errno: on_socket.map(|it| it.errno),
            errno_fatal: on_socket.map(|it| it.fatal),
        }
    }
}

impl From<&(Circumstance, Advice)> for UnderDocument {
    fn from((circumstance, advice): &(Circumstance, Advice)) -> Self {
        UnderDocument {
            circumstance: circumstance.word(),
            cause: advice.cause,
            next: advice.next,
        }
    }
}

/// The document of `--json`.
pub fn write_json(
    out: &mut dyn Write,
    query: Option<&str>,
    found: &Lookup,
    rules: &[&'static Rule],
) -> io::Result<()> {
    let document = Document {
        schema: "sockdoc.explain/1",
        query,
        circumstance: found.circumstance.map(Circumstance::word),
        entries: found
            .entries
            .iter()
            .map(|entry| EntryDocument::new(*entry, found))
            .collect(),
        rules: rules.iter().map(RuleJson::from).collect(),
        nearest: &found.nearest,
    };
    json::line(out, &document)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(query: &str, width: Option<u16>) -> String {
        let mut out = Vec::new();
        match query {
            "" => write_list(&mut out, width),
            query => write_entries(&mut out, &reference::look_up(query), width),
        }
        .expect("writes to memory");
        String::from_utf8(out).expect("UTF-8")
    }

    fn text(query: &str) -> String {
        written(query, None)
    }

    fn json(query: Option<&str>) -> serde_json::Value {
        let found = query.map_or_else(Lookup::everything, reference::look_up);
        let mut out = Vec::new();
        write_json(&mut out, query, &found, &[]).expect("writes to memory");
        serde_json::from_slice(&out).expect("JSON")
    }

    #[test]
    fn an_errno_is_explained_with_title_cause_next_step_and_what_else_is_known() {
        let text = text("econnrefused");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "ECONNREFUSED (errno 111): Connection refused");
        assert!(lines[1].starts_with("  cause:"), "{text}");
        assert!(
            lines[2].starts_with("  next:") && lines[2].contains("sockdoc sockets -l"),
            "{text}"
        );
        assert!(text.contains("Python ConnectionRefusedError"), "{text}");
        assert!(
            text.contains("icmp 3/3 Destination Port Unreachable"),
            "{text}"
        );
    }

    #[test]
    fn a_word_with_several_meanings_gives_them_all() {
        let text = text("BlockingIOError");
        let titles = text
            .lines()
            .filter(|line| !line.starts_with(' ') && !line.is_empty());
        assert_eq!(titles.count(), 3, "{text}");
    }

    #[test]
    fn a_type_of_icmp_lists_its_codes_and_a_code_its_errno() {
        assert!(text("icmp 11").contains("icmp 11/1 Frag reassembly time exceeded"));
        assert!(text("icmp 3/3").contains("ECONNREFUSED, immediately"));
    }

    #[test]
    fn a_line_about_a_unix_socket_gets_its_cause_first_and_the_general_one_behind() {
        let text = text("dial unix /var/run/docker.sock: connect: permission denied");
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[1].starts_with("  cause:") && lines[1].contains("socket file"),
            "{text}"
        );
        assert!(
            lines[2].starts_with("  next:") && lines[2].contains("namei -l PATH"),
            "{text}"
        );
        assert!(lines[3].starts_with("  otherwise:"), "{text}");
        assert!(!text.contains("Unix bind:"), "one that it is not: {text}");

        let line = "dial unix /run/x.sock: connect: connection refused";
        let (document, general) = (json(Some(line)), json(Some("111")));
        assert_eq!(document["circumstance"], "unix_socket");
        let entry = &document["entries"][0];
        assert_eq!(entry["cause"], entry["under"][0]["cause"]);
        assert_eq!(entry["under"][0]["circumstance"], "unix_socket");
        assert_ne!(entry["cause"], entry["general_cause"]);
        let bare = &general["entries"][0];
        assert_eq!(bare["cause"], bare["general_cause"]);
        assert!(general["circumstance"].is_null());
    }

    #[test]
    fn an_errno_by_itself_is_explained_under_every_circumstance() {
        let text = text("EACCES");
        for label in [
            "bind:",
            "connect:",
            "send:",
            "Unix socket:",
            "Unix bind:",
            "file:",
        ] {
            assert!(text.contains(&format!("\n  {label}")), "{label} {text}");
        }
        assert!(!text.contains("otherwise:"), "{text}");
    }

    #[test]
    fn an_unknown_code_of_icmp_is_said_to_be_unknown() {
        let shown = text("icmp 3/99");
        let lines: Vec<&str> = shown.lines().collect();
        assert!(
            lines[0].starts_with("ICMP_DEST_UNREACH (icmp 3)"),
            "{shown}"
        );
        assert!(lines[1].contains("99 is not known"), "{shown}");
        assert!(!text("icmp 3/4").contains("not known"));
        let entry = &json(Some("icmp 3/99"))["entries"][0];
        assert_eq!(entry["unknown_icmp_codes"], serde_json::json!([99]));
    }

    #[test]
    fn the_list_in_a_pipe_has_one_line_for_each_entry() {
        let text = text("");
        for entry in reference::all() {
            let start = format!("{} ", entry.name());
            let mut lines = text.lines().filter(|line| line.starts_with(&start));
            let line = lines.next().expect("a line for each entry");
            assert!(
                line.contains(entry.message()) && line.ends_with(entry.cause()),
                "{line}"
            );
            assert_eq!(lines.next(), None, "{}", entry.name());
        }
    }

    #[test]
    fn the_list_on_a_terminal_is_no_wider_than_it() {
        for query in ["", "EADDRINUSE", "gaierror"] {
            for line in written(query, Some(80)).lines() {
                assert!(line.chars().count() <= 80, "{line}");
            }
        }
    }

    #[test]
    fn the_document_has_every_key_and_null_for_what_is_not() {
        let document = json(Some("111"));
        assert_eq!(document["schema"], "sockdoc.explain/1");
        assert_eq!(document["query"], "111");
        let entry = &document["entries"][0];
        assert_eq!(
            (&entry["kind"], &entry["name"]),
            (&"errno".into(), &"ECONNREFUSED".into())
        );
        assert_eq!(entry["number"], 111);
        assert_eq!(entry["caused_by_icmp"][0], "ICMP_PORT_UNREACH");
        assert!(
            entry
                .get("icmp_type")
                .is_some_and(serde_json::Value::is_null)
        );

        let entry = &json(Some("icmp6 1/4"))["entries"][0];
        assert_eq!(entry["kind"], "icmp");
        assert!(entry["number"].is_null());
        assert_eq!(
            (&entry["icmp_version"], &entry["icmp_type"]),
            (&6.into(), &1.into())
        );
        assert_eq!(
            (&entry["errno"], &entry["errno_fatal"]),
            (&"ECONNREFUSED".into(), &true.into())
        );
    }

    #[test]
    fn the_document_without_a_question_has_everything() {
        let document = json(None);
        assert!(document["query"].is_null());
        let entries = document["entries"].as_array().map_or(0, Vec::len);
        assert_eq!(entries, reference::all().count());
    }
}
