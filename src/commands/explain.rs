//! `sockdoc explain`: what an error means, why it happens and what to do next.

use std::ffi::OsString;
use std::io::Write;

use crate::commands::serving::print;
use crate::commands::{Context, Status};
use crate::diagnose::{Rule, rules};
use crate::error::{Error, Kind, Result};
use crate::reference::{self, Entry, Lookup, drop_reason};
use crate::render::explain::reasons::{self, KernelReason};
use crate::render::{escape, explain as show};
use crate::sys::{drops, files, privilege};

/// Explain an error: what it means, why it happens and what to do next.
///
/// Understands names (ECONNREFUSED, EAI_NONAME, CLOSE_WAIT), numbers (111, -2), messages
/// ("Connection refused"), ICMP types and codes (icmp 3/4, icmp6 1/4), exceptions of Python and
/// other languages, errors of browsers, curl and Windows, and whole error lines pasted in quotes.
/// The cause depends on the line: one about a Unix socket or a file differs from one about TCP.
/// The name of a finding (close_never_called), as the JSON output gives it, explains that finding; the name of a
/// reason for which the kernel drops packets (NETFILTER_DROP) that reason.
///
/// A paste of any length can be piped in: of a stack trace, the last exception counts first. The
/// text tells the system (Linux, macOS, Windows, lwIP), whose error numbers differ; a number that
/// fits several is explained for each.
///
/// Without an argument and without a pipe, all entries are listed. In the suggestions, HOST, PORT
/// and PATH stand for the address or the path concerned, where the text does not name them.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:\n  \
    sockdoc explain ECONNREFUSED               an error by its name\n  \
    sockdoc explain 'Connection refused'       by its message\n  \
    sockdoc explain 111                        by its number\n  \
    sockdoc explain icmp 3/4                   an ICMP type and code\n  \
    sockdoc explain CLOSE_WAIT                 a TCP state\n  \
    sockdoc explain close_never_called         a finding of sockdoc\n  \
    python3 client.py 2>&1 | sockdoc explain   what another program prints")]
pub struct Args {
    /// A name, number, message or error text; several words form one query; - reads standard input.
    // Not allow_hyphen_values: it would treat a flag after WHAT as a part of it.
    #[arg(value_name = "WHAT", allow_negative_numbers = true)]
    pub what: Vec<String>,
}

/// The longest part of a query that the error message repeats, in characters.
const QUOTED_CHARS: usize = 80;

/// Runs the command: writes the explanation; without a query, the list of all entries.
pub fn run(args: &Args, context: &Context) -> Result<Status> {
    privilege::drop_all()?;
    let mut out = Vec::new();
    let query = query(args)?;
    let kernel = match query.as_deref() {
        Some(query) if !may_be_reason(query) => Vec::new(),
        _ => drops::reasons(),
    };
    let query = query.as_deref();
    let known = explain(query, &kernel, context.json, context.width, &mut out)?;
    print(&out).map_err(Error::output)?;
    Ok(Status::of(known))
}

/// Whether a query may be the name of a drop reason: reading those of the kernel takes a moment.
fn may_be_reason(query: &str) -> bool {
    let name = drop_reason::plain(query);
    name.len() <= 64
        && name
            .bytes()
            .all(|it| it.is_ascii_alphanumeric() || it == b'_')
}

/// The drop reason that is asked for, unless it is something else too and has no prefix.
fn reason(query: &str, kernel: &[(u32, Box<str>)], found: &Lookup) -> Option<KernelReason> {
    let name = drop_reason::plain(query);
    let has_prefix = name.len() < query.trim().len();
    let is_other = |entry: &Entry| entry.name() == name || entry.aliases().contains(&&*name);
    if !has_prefix && found.entries.iter().any(is_other) {
        return None;
    }
    let mut all = reasons::joined(kernel).into_iter();
    all.find(|reason| *reason.name == *name)
}

/// What is asked: the words, or standard input for `-` and for no word at all in a pipe.
fn query(args: &Args) -> Result<Option<String>> {
    let reads = args.what == ["-"] || (args.what.is_empty() && files::is_input_given());
    if !reads {
        return Ok((!args.what.is_empty()).then(|| args.what.join(" ")));
    }
    let bytes = files::standard_input_ends()?;
    let text = String::from_utf8_lossy(&bytes)
        .trim_end()
        .trim_start_matches(['\n', '\r'])
        .to_owned();
    if text.is_empty() && !args.what.is_empty() {
        let error = Error::new(Kind::CannotRun, "explain", "standard input is empty");
        return Err(error.next("pipe an error text in: COMMAND 2>&1 | sockdoc explain -"));
    }
    Ok((!text.is_empty()).then_some(text))
}

/// Puts a text that begins with a dash (`-bash: connect: Connection refused`) where clap does not take
/// it for a flag: after `--`, with the other words in their order. `words` is a whole command line.
pub fn dashes_apart(words: Vec<OsString>) -> Vec<OsString> {
    let is_text = |word: &OsString| {
        let word = word.to_string_lossy();
        word.starts_with('-') && word.contains(|c: char| c.is_whitespace() || ":;([<*,".contains(c))
    };
    let name = words
        .iter()
        .skip(1)
        .position(|word| !word.to_string_lossy().starts_with('-'));
    let Some(name) = name.map(|at| at + 1).filter(|at| words[*at] == "explain") else {
        return words;
    };
    let (head, rest) = words.split_at(name + 1);
    if rest.iter().any(|word| word == "--") || !rest.iter().any(is_text) {
        return words;
    }
    let (mut flags, mut texts) = (head.to_vec(), Vec::new());
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        let shown = word.to_string_lossy();
        let is_flag = shown.len() > 1 && shown.starts_with('-') && !is_text(word);
        if is_flag && !shown[1..].starts_with(|c: char| c.is_ascii_digit()) {
            flags.push(word.clone());
            flags.extend((shown == "--color").then(|| rest.next().cloned()).flatten());
        } else {
            texts.push(word.clone());
        }
    }
    flags.push("--".into());
    flags.extend(texts);
    flags
}

/// Writes to `out`; returns whether any entry matches. `width` is that of the terminal; `None`
/// disables wrapping.
fn explain(
    query: Option<&str>,
    kernel: &[(u32, Box<str>)],
    json: bool,
    width: Option<u16>,
    out: &mut dyn Write,
) -> Result<bool> {
    let rules: Vec<&'static Rule> = match query {
        Some(query) => rules::named(query)
            .or_else(|| rules::logged(query))
            .into_iter()
            .collect(),
        None => rules::ALL.to_vec(),
    };
    let found = match query {
        // Its name says which finding; the words in it are not of other entries.
        Some(_) if !rules.is_empty() => Lookup::default(),
        Some(query) => reference::look_up(query),
        None => Lookup::everything(),
    };
    let reasons: Vec<KernelReason> = match query {
        Some(_) if !rules.is_empty() => Vec::new(),
        Some(query) => reason(query, kernel, &found).into_iter().collect(),
        None => reasons::joined(kernel),
    };
    // Its name says which reason; the words in it are not of other entries.
    let found = match query {
        Some(_) if !reasons.is_empty() => Lookup::default(),
        _ => found,
    };
    let known = !found.entries.is_empty() || !rules.is_empty() || !reasons.is_empty();
    match (query, rules.first()) {
        (query, _) if json => show::write_json(out, query, &found, &rules, &reasons),
        (Some(_), None) if !reasons.is_empty() => reasons::write(out, &reasons[0], width),
        (Some(query), _) if !known => return Err(unknown(query, &found.nearest)),
        (Some(_), Some(rule)) => show::rules::write(out, rule, width),
        (Some(_), None) => show::write_entries(out, &found, width),
        (None, _) => show::write_list(out, width)
            .and_then(|()| writeln!(out))
            .and_then(|()| show::rules::write_list(out, &rules, width))
            .and_then(|()| writeln!(out))
            .and_then(|()| reasons::write_list(out, &reasons, width)),
    }
    .map_err(Error::output)?;
    Ok(known)
}

fn unknown(query: &str, nearest: &[&str]) -> Error {
    let mut quoted: String = query.chars().take(QUOTED_CHARS).collect();
    if quoted.len() < query.len() {
        quoted.push('…');
    }
    let mut cause = format!("no entry matches \"{}\"", escape::text(&quoted));
    let mut next = "list all entries: sockdoc explain".to_owned();
    if let Some(first) = nearest.first() {
        cause = format!("{cause}; nearest: {}", nearest.join(", "));
        let quote = if first.contains(' ') { "\"" } else { "" };
        next = format!("sockdoc explain {quote}{first}{quote}");
    }
    Error::new(Kind::BadAnswer, "explain", cause).next(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(what: &[&str], json: bool, width: Option<u16>) -> Result<(bool, String)> {
        let query = (!what.is_empty()).then(|| what.join(" "));
        let mut out = Vec::new();
        let kernel = [(12, "NETFILTER_DROP".into()), (900, "NEVER_SEEN".into())];
        let known = explain(query.as_deref(), &kernel, json, width, &mut out)?;
        Ok((known, String::from_utf8(out).expect("UTF-8")))
    }

    fn text(what: &[&str]) -> String {
        explained(what, false, None).expect("known").1
    }

    fn json(what: &[&str]) -> (bool, serde_json::Value) {
        let (known, text) = explained(what, true, None).expect("always writes");
        (known, serde_json::from_str(&text).expect("JSON"))
    }

    #[test]
    fn a_negative_number_is_no_flag_and_a_flag_behind_it_still_is() {
        let json = clap::Arg::new("json")
            .long("json")
            .action(clap::ArgAction::SetTrue);
        let command = <Args as clap::Args>::augment_args(clap::Command::new("explain").arg(json));
        let line = ["explain", "errno", "-2", "--json"];
        let matches = command.try_get_matches_from(line).expect("parses");
        let args = <Args as clap::FromArgMatches>::from_arg_matches(&matches).expect("fits");
        assert_eq!(args.what, ["errno", "-2"]);
        assert!(matches.get_flag("json"));
    }

    #[test]
    fn a_finding_is_explained_by_its_name_and_its_title() {
        for what in [&["close_never_called"][..], &["CLOSE-WAIT", "leak"]] {
            let text = text(what);
            assert!(text.starts_with("close_never_called (finding): CLOSE-WAIT leak\n"));
            for label in ["means:", "evidence:", "look-alikes:", "next:"] {
                assert!(text.contains(&format!("\n  {label}")), "{text}");
            }
        }
        let (known, document) = json(&["accept_queue_full"]);
        assert!(known);
        assert_eq!(document["rules"][0]["title"], "accept queue full");
        let every = json(&[]).1;
        let count = every["rules"].as_array().map(Vec::len);
        assert_eq!(count, Some(rules::ALL.len()));
        assert!(text(&[]).contains("\nnot_accepted "));
    }

    #[test]
    fn a_drop_reason_is_explained_by_its_name_with_and_without_the_prefix() {
        for what in [
            "NETFILTER_DROP",
            "netfilter_drop",
            "SKB_DROP_REASON_NETFILTER_DROP",
        ] {
            let text = text(&[what]);
            assert!(text.starts_with("NETFILTER_DROP (drop reason 12 of this kernel): a "));
        }
        assert!(text(&["NEVER_SEEN"]).starts_with("NEVER_SEEN (drop reason 900 of this kernel)\n"));
        assert!(text(&["NO_SOCKET"]).starts_with("NO_SOCKET (drop reason, not of this kernel): "));
        let (known, document) = json(&["skb_drop_reason_never_seen"]);
        assert!(known);
        assert_eq!(document["drop_reasons"][0]["number"], 900);
        assert_eq!(document["entries"], serde_json::json!([]));
        assert!(text(&[]).contains("\nNEVER_SEEN "));
        assert!(explained(&["SKB_DROP_REASON_X"], false, None).is_err());
    }

    #[test]
    fn a_text_that_begins_with_a_dash_is_no_flag() {
        let apart = |words: &[&str]| -> Vec<String> {
            let words = words.iter().map(OsString::from).collect();
            let apart = dashes_apart(words).into_iter();
            apart.map(|it| it.to_string_lossy().into_owned()).collect()
        };
        assert_eq!(
            apart(&[
                "sockdoc", "explain", "-bash:", "connect:", "--json", "refused"
            ]),
            [
                "sockdoc", "explain", "--json", "--", "-bash:", "connect:", "refused"
            ]
        );
        assert_eq!(
            apart(&["sockdoc", "explain", "- Status: not trusted"]),
            ["sockdoc", "explain", "--", "- Status: not trusted"]
        );
        for words in [
            &["sockdoc", "explain", "-2", "--json"][..],
            &["sockdoc", "explain", "-"],
            &["sockdoc", "ping", "-x:", "explain"],
        ] {
            assert_eq!(apart(words), words);
        }
    }

    #[test]
    fn several_arguments_are_one_question() {
        assert!(text(&["connection", "refused"]).starts_with("ECONNREFUSED "));
        assert!(text(&["icmp", "3/4"]).starts_with("ICMP_FRAG_NEEDED (icmp 3/4): Frag needed"));
    }

    #[test]
    fn an_unknown_word_is_a_bad_answer_in_two_lines_with_the_nearest() {
        let error = explained(&["ECONREFUSED"], false, None).expect_err("unknown");
        assert_eq!(error.kind, Kind::BadAnswer);
        let text = error.to_string();
        let start = "explain: no entry matches \"ECONREFUSED\"; nearest: ECONNREFUSED";
        assert!(text.starts_with(start), "{text}");
        assert!(
            text.ends_with("\n  next: sockdoc explain ECONNREFUSED"),
            "{text}"
        );
    }

    #[test]
    fn what_is_asked_cannot_write_controls_to_the_terminal() {
        let hostile = "\x1b[2J\u{9b}\u{202e}\x7f\nxyzzy";
        let error = explained(&[hostile], false, None)
            .expect_err("unknown")
            .to_string();
        assert_eq!(error.lines().count(), 2, "{error}");
        let (_, json) = explained(&[hostile], true, None).expect("always writes");
        for text in [error.replace('\n', ""), json.trim_end().to_owned()] {
            assert_eq!(escape::text(&text), text);
        }
        let value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(value["query"], hostile, "the query comes back whole");
    }

    #[test]
    fn a_long_question_is_not_repeated_in_full() {
        let error = explained(&[&"é".repeat(5000)], false, None).expect_err("unknown");
        assert!(error.cause.chars().count() < 120, "{}", error.cause);
    }

    #[test]
    fn the_document_of_an_unknown_word_is_empty_and_the_answer_bad() {
        let (known, document) = json(&["ECONREFUSED"]);
        assert!(!known);
        assert_eq!(document["entries"], serde_json::json!([]));
        assert_eq!(document["nearest"][0], "ECONNREFUSED");
    }
}
