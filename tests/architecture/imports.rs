//! Whether a file may name what it names.

use std::collections::BTreeSet;

use super::map::Map;
use super::syntax::{Child, File, Form, Named, Place, Word};
use super::{Breach, WORLDLY_ROOMS};

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
        pure: room != "main" && !WORLDLY_ROOMS.contains(&room.as_str()),
        may_import: match room.as_str() {
            "main" => BTreeSet::from(["cli".to_owned()]),
            _ => row.map(|row| row.may_import.clone()).unwrap_or_default(),
        },
        room,
    };
    let names = file.names.iter().flat_map(|named| checker.path(named));
    let words = file.words.iter().filter_map(|word| checker.word(word));
    let children = file
        .children
        .iter()
        .filter_map(|child| checker.child(child));
    let mut breaches: Vec<Breach> = names.chain(words).chain(children).collect();
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
    fn breach(&self, place: Place, rule: String, remedy: &str) -> Option<Breach> {
        Some(Breach {
            file: self.file.path.clone(),
            line: place.line,
            rule,
            remedy: remedy.to_owned(),
        })
    }

    fn path(&self, named: &Named) -> Vec<Breach> {
        let inside = named.inside();
        let root = match &inside {
            Some(path) => path.is_empty(),
            None => named.segments == ["std"],
        };
        let mut found = Vec::new();
        if root && matches!(named.form, Form::Glob | Form::Renamed) {
            found.extend(self.breach(
                named.place,
                format!("{} brings in everything", named.spelled()),
                "import what is used, by its full name, so that the map can be checked",
            ));
        }
        if let Some(path) = inside {
            found.extend(self.room_import(named, &path));
        } else {
            found.extend(self.foreign(named));
            found.extend(self.std(named));
        }
        found
    }

    fn room_import(&self, named: &Named, path: &[String]) -> Option<Breach> {
        let target = path.first()?;
        let row = self.map.rooms.get(target)?;
        let pure = !WORLDLY_ROOMS.contains(&target.as_str());
        let allowed = *target == self.room
            || self.may_import.contains(target)
            || named.place.in_test && pure && self.room != "main";
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
            named.place,
            format!("`{room}` imports `{target}` ({spelled}); the map lets it import: {list}"),
            remedy,
        )
    }

    fn foreign(&self, named: &Named) -> Option<Breach> {
        let first = named.segments.first()?;
        if named.segments.len() == 1 && !named.form.is_use() {
            return None;
        }
        let (name, rooms) = self.crates.iter().find(|(name, _)| name == first)?;
        if rooms.contains(&self.room.as_str()) {
            return None;
        }
        self.breach(
            named.place,
            format!("the crate `{name}` is for {} only", rooms.join(" and ")),
            "let that room give a value or a function; to move a crate, change CRATES in tests/architecture.rs",
        )
    }

    fn std(&self, named: &Named) -> Option<Breach> {
        if !self.pure {
            return None;
        }
        let last = named.segments.last().map_or("", String::as_str);
        let of_a_type = named.segments.len() > 1 || named.form == Form::Leading;
        if last == "now" && of_a_type && !named.place.in_test {
            let rule = format!(
                "`{}` reads the clock: `now` in a pure room",
                named.spelled()
            );
            return self.breach(named.place, rule, TIME);
        }
        let [first, second, ..] = &named.segments[..] else {
            return None;
        };
        if !["std", "core", "alloc"].contains(&first.as_str()) {
            return None;
        }
        if WORLDLY.contains(&second.as_str()) {
            let rule = format!("`std::{second}` in a pure room");
            return self.breach(named.place, rule, ARGUMENT);
        }
        if named.form == Form::Glob && second == "net" {
            let rule = "`std::net::*` in a pure room brings in sockets".to_owned();
            return self.breach(named.place, rule, "import the addresses by name");
        }
        None
    }

    /// Words that need no path.
    fn word(&self, word: &Word) -> Option<Breach> {
        let Word { text, place, .. } = word;
        let text = text.as_str();
        let breach = |rule: String, remedy| self.breach(*place, rule, remedy);
        if text == "unsafe" && self.room != "sys" {
            return breach("`unsafe` is for sys only".to_owned(), ARGUMENT);
        }
        if text == "include" && word.is_macro {
            let rule = "`include!` makes a module from elsewhere".to_owned();
            return breach(rule, "declare the module where it is");
        }
        if PRINTING.contains(&text) && word.is_macro && !place.in_test {
            let rule = format!("`{text}!` panics when nobody reads any more");
            return breach(rule, WRITE);
        }
        if (self.pure || self.room == "render") && STREAMS.contains(&text) {
            let rule = format!("`{text}` here: only an `io::Write` that is given");
            return breach(rule, WRITE);
        }
        if !self.pure {
            return None;
        }
        if SOCKETS.contains(&text) {
            let rule = format!("`{text}` in a pure room");
            return breach(rule, "sockets are for sys; take and give bytes");
        }
        if ["SystemTime", "UNIX_EPOCH"].contains(&text) {
            return breach(format!("`{text}` in a pure room"), TIME);
        }
        if text == "elapsed" && word.is_method && !place.in_test {
            let rule = "`elapsed()` reads the clock in a pure room".to_owned();
            return breach(rule, TIME);
        }
        None
    }

    /// `#[path = "../elsewhere.rs"] mod name;`
    fn child(&self, child: &Child) -> Option<Breach> {
        let path = child.path.as_deref().filter(|path| path.contains('/'))?;
        let rule = format!("#[path = \"{path}\"] is a module from elsewhere");
        self.breach(child.place, rule, "declare the module where it is")
    }
}

impl Named {
    /// The path from the root of this crate, if it is one of this crate.
    fn inside(&self) -> Option<Vec<String>> {
        let first = self.segments.first()?;
        let own_name = first == "sockdoc" && (self.form.is_use() || self.segments.len() > 1);
        if first == "crate" || own_name {
            return Some(self.segments[1..].to_vec());
        }
        if self.form == Form::Leading || (first != "self" && first != "super") {
            return None;
        }
        let mut path = self.module.clone();
        for segment in &self.segments {
            match segment.as_str() {
                "self" => {}
                "super" => drop(path.pop()),
                name => path.push(name.to_owned()),
            }
        }
        Some(path)
    }

    fn spelled(&self) -> String {
        let tail = if self.form == Form::Glob { "::*" } else { "" };
        format!("{}{tail}", self.segments.join("::"))
    }
}
