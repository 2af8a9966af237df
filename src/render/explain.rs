//! An entry of the tables, or all of them: text for people, and a JSON document.

mod document;
pub mod reasons;
pub mod rules;

use std::io::{self, Write};

pub use document::write_json;

use super::table::Table;
use crate::reference::icmp::{self, Icmp};
use crate::reference::{self, Advice, Circumstance, Entry, Lookup, System, UnknownCode, spelling};

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
        if let Some(numbers) = foreign_numbers(found, *entry) {
            table.row(&["number:", &numbers]);
        }
        let advice = found.advice(*entry);
        table.row(&["cause:", advice.cause]);
        table.row(&["next:", &found.place.fill(advice.next)]);
        for (label, text) in remedy(found, *entry) {
            table.row(&[label, &text]);
        }
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
    if !found.others.is_empty() {
        let names: Vec<&str> = found.others.iter().map(|it| it.name()).collect();
        writeln!(out, "\nearlier in the text: {}", names.join(", "))?;
    }
    Ok(())
}

/// The numbers of the text that are this entry on a system other than Linux: `61 on macOS and BSD`.
fn foreign_numbers(found: &Lookup, entry: Entry) -> Option<String> {
    let its = found.numbers.iter().filter(|it| it.name == entry.name());
    let foreign =
        its.filter(|it| it.system != System::Linux && entry.number() != it.number.to_string());
    let texts: Vec<String> = foreign
        .map(|it| format!("{} on {}", it.number, it.system.title()))
        .collect();
    (!texts.is_empty()).then(|| texts.join("; "))
}

/// At which end it happened, the commands to run, the findings that prove it.
fn remedy(found: &Lookup, entry: Entry) -> Vec<(&'static str, String)> {
    let Some(remedy) = found.remedy(entry) else {
        return Vec::new();
    };
    let mut rows = Vec::new();
    for (index, command) in remedy.run.iter().enumerate() {
        let label = if index == 0 { "run:" } else { "" };
        rows.push((label, found.place.fill(command)));
    }
    rows.push(("where:", remedy.at.to_owned()));
    if !remedy.findings.is_empty() {
        rows.push(("findings:", remedy.findings.join(", ")));
    }
    rows
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
        write_json(&mut out, query, &found, &[], &[]).expect("writes to memory");
        serde_json::from_slice(&out).expect("JSON")
    }

    #[test]
    fn an_errno_is_explained_with_title_cause_next_step_and_what_else_is_known() {
        let text = text("econnrefused");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "ECONNREFUSED (errno 111): Connection refused");
        assert!(lines[1].starts_with("  cause:"), "{text}");
        assert!(
            lines[2].starts_with("  next:") && lines[2].contains("sockdoc sockets :PORT"),
            "{text}"
        );
        assert!(text.contains("Python ConnectionRefusedError"), "{text}");
        assert!(
            text.contains("icmp 3/3 Destination Port Unreachable"),
            "{text}"
        );
    }

    #[test]
    fn the_host_and_port_of_the_text_are_in_the_commands() {
        let text = text("dial tcp 10.0.0.5:8080: connect: connection refused");
        assert!(text.contains("sockdoc ping --tcp 8080 10.0.0.5"), "{text}");
        assert!(text.contains("sockdoc sockets :8080"), "{text}");
        assert!(text.contains("\n  where:"), "{text}");
    }

    #[test]
    fn a_number_of_another_system_is_named_and_earlier_exceptions_too() {
        assert!(text("[Errno 61]").contains("61 on macOS and BSD"));
        let chain = "ConnectionRefusedError: [Errno 111] Connection refused\n\nDuring handling of the above exception, another exception occurred:\n\nBrokenPipeError: [Errno 32] Broken pipe";
        let text = text(chain);
        assert!(text.starts_with("EPIPE "), "{text}");
        assert!(
            text.ends_with("earlier in the text: ECONNREFUSED\n"),
            "{text}"
        );
        let document = json(Some(chain));
        assert_eq!(document["others"], serde_json::json!(["ECONNREFUSED"]));
    }

    #[test]
    fn a_windows_error_has_the_cause_that_it_has_on_windows() {
        let text = text("OSError: [WinError 10038] x");
        assert!(text.contains("perhaps by another thread"), "{text}");
        assert!(text.contains("10038 on Windows"), "{text}");
    }

    #[test]
    fn every_finding_that_proves_an_entry_is_a_rule() {
        for entry in reference::all() {
            let findings = entry.remedy().map_or(&[][..], |it| it.findings);
            for id in findings {
                let is_rule = crate::diagnose::rules::named(id).is_some();
                assert!(is_rule, "{}: {id}", entry.name());
            }
        }
    }

    #[test]
    fn nothing_of_a_hostile_text_adds_to_a_command() {
        for host in [
            "$(reboot)",
            "`id`",
            "a;reboot",
            "a|sh",
            "-oProxyCommand=x",
            "a\nb",
            "a&b",
            "'x'",
        ] {
            let query =
                format!("connect to host {host} port 22: Connection refused http://{host}:80/");
            let found = reference::look_up(&query);
            for entry in &found.entries {
                let shown = remedy(&found, *entry);
                for (_, text) in shown
                    .iter()
                    .filter(|(label, _)| matches!(*label, "run:" | ""))
                {
                    let is_safe = |c: char| c.is_ascii_alphanumeric() || " -_.:".contains(c);
                    assert!(text.chars().all(is_safe) && !text.contains(" -o"), "{text}");
                }
            }
        }
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
            lines[2].starts_with("  next:") && lines[2].contains("namei -l /var/run/docker.sock"),
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
