//! What a file names, and whether it may.

use std::collections::BTreeSet;

use super::map::Map;
use super::source::File;
use super::tokens::Token;
use super::{ALWAYS_PURE, Breach};

/// A path in a source file: `use a::{b as c, d::*}` has two.
#[derive(Debug, Clone)]
struct Named {
    segments: Vec<String>,
    /// It begins with `::`, or with a type in angle brackets.
    leading: bool,
    in_use: bool,
    glob: bool,
    renamed: bool,
    /// Where its last word stands.
    at: usize,
}

/// Words that stand for a socket.
const SOCKETS: &[&str] = &[
    "TcpListener",
    "TcpStream",
    "ToSocketAddrs",
    "UdpSocket",
    "UnixDatagram",
    "UnixListener",
    "UnixStream",
];

/// Words that stand for the streams of the process.
const STREAMS: &[&str] = &[
    "Stderr",
    "StderrLock",
    "Stdin",
    "StdinLock",
    "Stdout",
    "StdoutLock",
    "stderr",
    "stdin",
    "stdout",
];

const PRINTING: &[&str] = &["dbg", "eprint", "eprintln", "print", "println"];

/// Modules of `std` that reach the world.
const WORLDLY: &[&str] = &["env", "fs", "process", "thread"];

const ARGUMENT: &str = "take the value as an argument: `commands` asks `sys` and hands it over";
const TIME: &str = "take the time as an argument: a `std::time::Instant` that `sys` read";
const WRITE: &str = "write to the `io::Write` that is given, and pass its error on";

/// All breaches of a file.
pub(super) fn check(file: &File, map: &Map, crates: &[(&str, &[&str])]) -> Vec<Breach> {
    let room = file.room();
    let row = map.rooms.get(&room);
    let checker = Checker {
        file,
        map,
        crates,
        pure: row.is_some_and(|row| row.pure) || ALWAYS_PURE.contains(&room.as_str()),
        may_import: match room.as_str() {
            "main" => BTreeSet::from(["cli".to_owned()]),
            _ => row.map(|row| row.may_import.clone()).unwrap_or_default(),
        },
        room,
    };
    let mut breaches: Vec<Breach> = paths(&file.tokens)
        .iter()
        .flat_map(|named| checker.path(named))
        .chain((0..file.tokens.len()).filter_map(|at| checker.word(at)))
        .collect();
    breaches.sort();
    breaches.dedup();
    breaches
}

struct Checker<'a> {
    file: &'a File,
    map: &'a Map,
    crates: &'a [(&'a str, &'a [&'a str])],
    room: String,
    pure: bool,
    may_import: BTreeSet<String>,
}

impl Checker<'_> {
    // In an Option, because every rule ends in this or in `None`.
    #[allow(clippy::unnecessary_wraps)]
    fn breach(&self, at: usize, rule: String, remedy: &str) -> Option<Breach> {
        Some(Breach {
            file: self.file.path.clone(),
            line: self.file.tokens[at].line,
            rule,
            remedy: remedy.to_owned(),
        })
    }

    fn path(&self, named: &Named) -> Vec<Breach> {
        let in_test = self.file.in_test[named.at];
        let inside = self.inside(named);
        let root = match &inside {
            Some(path) => path.is_empty(),
            None => named.segments == ["std"] && named.in_use,
        };
        let mut found = Vec::new();
        if root && (named.glob || named.renamed) {
            found.extend(self.breach(
                named.at,
                format!("{} brings in everything", named.spelled()),
                "import what is used, by its full name, so that the map can be checked",
            ));
        }
        if let Some(path) = inside {
            found.extend(self.room_import(named, &path, in_test));
        } else {
            found.extend(self.foreign(named));
            found.extend(self.std(named, in_test));
        }
        found
    }

    /// The path from the root of this crate, if it is one of this crate.
    fn inside(&self, named: &Named) -> Option<Vec<String>> {
        let first = named.segments.first()?;
        let own_name = first == "sockdoc" && (named.in_use || named.segments.len() > 1);
        if first == "crate" || own_name {
            return Some(named.segments[1..].to_vec());
        }
        if named.leading || (first != "self" && first != "super") {
            return None;
        }
        let mut path = self.file.module.clone();
        path.extend(self.file.inner[named.at].iter().cloned());
        for segment in &named.segments {
            match segment.as_str() {
                "self" => {}
                "super" => drop(path.pop()),
                name => path.push(name.to_owned()),
            }
        }
        Some(path)
    }

    fn room_import(&self, named: &Named, path: &[String], in_test: bool) -> Option<Breach> {
        let target = path.first()?;
        let row = self.map.rooms.get(target)?;
        let pure = row.pure || target == "error";
        let allowed = *target == self.room
            || self.may_import.contains(target)
            || in_test && pure && self.room != "main";
        if allowed {
            return None;
        }
        let known: Vec<&str> = self.may_import.iter().map(String::as_str).collect();
        let list = if known.is_empty() {
            "nothing".to_owned()
        } else {
            known.join(", ")
        };
        let (room, spelled) = (&self.room, named.spelled());
        let remedy = if row.pure {
            "move the shared part to a room below both, or change the row in src/lib.rs with care"
        } else {
            ARGUMENT
        };
        self.breach(
            named.at,
            format!("`{room}` imports `{target}` ({spelled}); the map lets it import: {list}"),
            remedy,
        )
    }

    fn foreign(&self, named: &Named) -> Option<Breach> {
        let first = named.segments.first()?;
        if named.segments.len() == 1 && !named.in_use {
            return None;
        }
        let (name, rooms) = self.crates.iter().find(|(name, _)| name == first)?;
        if rooms.contains(&self.room.as_str()) {
            return None;
        }
        self.breach(
            named.at,
            format!("the crate `{name}` is for {} only", rooms.join(" and ")),
            "let that room give a value or a function; to move a crate, change CRATES in tests/architecture.rs",
        )
    }

    fn std(&self, named: &Named, in_test: bool) -> Option<Breach> {
        if !self.pure {
            return None;
        }
        let last = named.segments.last().map_or("", String::as_str);
        if last == "now" && !in_test && (named.segments.len() > 1 || named.leading) {
            let rule = format!(
                "`{}` reads the clock: `now` in a pure room",
                named.spelled()
            );
            return self.breach(named.at, rule, TIME);
        }
        let [first, second, ..] = &named.segments[..] else {
            return None;
        };
        if !["std", "core", "alloc"].contains(&first.as_str()) {
            return None;
        }
        if WORLDLY.contains(&second.as_str()) {
            let rule = format!("`std::{second}` in a pure room");
            return self.breach(named.at, rule, ARGUMENT);
        }
        if named.glob && second == "net" {
            let rule = "`std::net::*` in a pure room brings in sockets".to_owned();
            return self.breach(named.at, rule, "import the addresses by name");
        }
        None
    }

    /// Words that need no path.
    fn word(&self, at: usize) -> Option<Breach> {
        let tokens = &self.file.tokens;
        let token = &tokens[at];
        if !token.is_word() {
            return self.path_attribute(at);
        }
        let word = token.text.as_str();
        let next = |text: &str| tokens.get(at + 1).is_some_and(|next| next.is(text));
        let in_test = self.file.in_test[at];
        if word == "unsafe" && self.room != "sys" {
            return self.breach(at, "`unsafe` is for sys only".to_owned(), ARGUMENT);
        }
        if word == "include" && next("!") {
            let rule = "`include!` makes a module from elsewhere".to_owned();
            return self.breach(at, rule, "declare the module where it is");
        }
        if PRINTING.contains(&word) && next("!") && !in_test {
            let rule = format!("`{word}!` panics when nobody reads any more");
            return self.breach(at, rule, WRITE);
        }
        if (self.pure || self.room == "render") && STREAMS.contains(&word) {
            let rule = format!("`{word}` here: only an `io::Write` that is given");
            return self.breach(at, rule, WRITE);
        }
        if !self.pure {
            return None;
        }
        if SOCKETS.contains(&word) {
            let rule = format!("`{word}` in a pure room");
            return self.breach(at, rule, "sockets are for sys; take and give bytes");
        }
        if ["SystemTime", "UNIX_EPOCH"].contains(&word) {
            return self.breach(at, format!("`{word}` in a pure room"), TIME);
        }
        let called = next("(") && at > 0 && tokens[at - 1].is(".");
        if word == "elapsed" && called && !in_test {
            let rule = "`elapsed()` reads the clock in a pure room".to_owned();
            return self.breach(at, rule, TIME);
        }
        None
    }

    /// `#[path = "../elsewhere.rs"]`
    fn path_attribute(&self, at: usize) -> Option<Breach> {
        let [.., bracket, path, equals] = &self.file.tokens[..at] else {
            return None;
        };
        let text = &self.file.tokens[at].text;
        let is_path = bracket.is("[") && path.is("path") && equals.is("=");
        if !is_path || !text.contains('/') {
            return None;
        }
        let rule = format!("#[path = \"{text}\"] is a module from elsewhere");
        self.breach(at, rule, "declare the module where it is")
    }
}

impl Named {
    fn spelled(&self) -> String {
        let tail = if self.glob { "::*" } else { "" };
        format!("{}{tail}", self.segments.join("::"))
    }
}

/// Every path that the tokens name.
fn paths(tokens: &[Token]) -> Vec<Named> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let is = |at: usize, text: &str| tokens.get(at).is_some_and(|token| token.is(text));
        if is(at, "use") && !is(at + 1, "<") {
            at = tree(tokens, at + 1, &[], &mut found);
        } else if is(at, "extern") && is(at + 1, "crate") {
            at = tree(tokens, at + 2, &[], &mut found);
        } else if tokens[at].is_word() || is(at, "::") {
            at = plain(tokens, at, &mut found);
        } else {
            at += 1;
        }
    }
    found
}

/// A path outside of a `use`.
fn plain(tokens: &[Token], start: usize, found: &mut Vec<Named>) -> usize {
    let leading = tokens[start].is("::");
    let mut at = start + usize::from(leading);
    let mut segments = Vec::new();
    while let Some(token) = tokens.get(at).filter(|token| token.is_word()) {
        segments.push(token.text.clone());
        at += 1;
        if !tokens.get(at).is_some_and(|token| token.is("::")) {
            break;
        }
        at += 1;
    }
    if segments.is_empty() {
        return at.max(start + 1);
    }
    // After `a::` comes `<T>`: step back from the `::`, so that what follows is not taken for its path.
    let last = (start..at).rev().find(|&at| tokens[at].is_word());
    found.push(Named {
        segments,
        leading,
        in_use: false,
        glob: false,
        renamed: false,
        at: last.unwrap_or(start),
    });
    at
}

/// A tree of a `use` after what came before it; gives where it ends.
fn tree(tokens: &[Token], start: usize, before: &[String], found: &mut Vec<Named>) -> usize {
    let mut segments = before.to_vec();
    let mut at = start;
    let mut push = |segments: &[String], at, glob, renamed| {
        found.push(Named {
            segments: segments.to_vec(),
            leading: false,
            in_use: true,
            glob,
            renamed,
            at,
        });
    };
    while let Some(token) = tokens.get(at) {
        if token.is("::") {
            at += 1;
        } else if token.is("*") {
            push(&segments, at, true, false);
            return at + 1;
        } else if token.is("{") {
            at += 1;
            while tokens.get(at).is_some_and(|token| !token.is("}")) {
                if tokens[at].is(",") {
                    at += 1;
                } else {
                    at = tree(tokens, at, &segments, found).max(at + 1);
                }
            }
            return at + 1;
        } else if token.is_word() {
            // `a::{self}` is `a`.
            if token.text != "self" || segments.is_empty() {
                segments.push(token.text.clone());
            }
            if tokens.get(at + 1).is_some_and(|token| token.is("::")) {
                at += 2;
                continue;
            }
            let renamed = tokens.get(at + 1).is_some_and(|token| token.is("as"));
            let anonymous = tokens.get(at + 2).is_some_and(|token| token.is("_"));
            push(&segments, at, false, renamed && !anonymous);
            return if renamed { at + 3 } else { at + 1 };
        } else {
            return at;
        }
    }
    at
}
