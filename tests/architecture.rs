//! The map in `src/lib.rs` is true: this reads every source file and fails on an import, a word or a
//! file that breaks its rules.
//!
//! The rules are those of the map's table (which room may import which) and of the tables below (which
//! foreign crate lives where, what a pure room never names). `syn` reads the sources; paths inside
//! macros and attributes count, comments and literals do not.
//! Code under `#[cfg(test)]` is held to a little less: in every room it may import any pure room and
//! `error`, take `Instant::now()` (there is no other way to make an `Instant`) and print. It may not
//! import `sys`, `render`, `commands` or `cli` where the room itself may not, nor open sockets or
//! files in a pure room: fixtures come in through `include_bytes!`.
//!
//! What this cannot see: a method that touches the world through a value (`path.exists()`).

#[path = "architecture/imports.rs"]
mod imports;
#[path = "architecture/map.rs"]
mod map;
#[path = "architecture/source.rs"]
mod source;
#[path = "architecture/syntax.rs"]
mod syntax;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use map::Map;
use source::Tree;
use syntax::File;

/// A foreign crate and the rooms that may name it.
const CRATES: &[(&str, &[&str])] = &[
    ("clap", &["cli", "commands"]),
    ("clap_complete", &["cli", "commands"]),
    ("comfy_table", &["render"]),
    ("crc32fast", &["fill"]),
    ("encoding_rs", &["message"]),
    ("flate2", &["capfile"]),
    ("hdrhistogram", &["load", "ping"]),
    ("idna", &["sys"]),
    ("indicatif", &["sys"]),
    ("libc", &["sys"]),
    ("lz4_flex", &["capfile"]),
    ("memmap2", &["sys"]),
    ("mio", &["sys"]),
    ("nix", &["sys"]),
    ("pnet", &["packet"]),
    ("ratatui", &["render", "sys"]),
    ("regex_lite", &["sockets"]),
    ("rustls", &["tls"]),
    ("rustls_native_certs", &["sys"]),
    ("ruzstd", &["capfile"]),
    (
        "serde",
        &[
            "commands",
            "host",
            "message",
            "nftables",
            "render",
            "rtnetlink",
            "sockdiag",
            "sockets",
        ],
    ),
    // In sockdiag only to look at what serde makes, in tests.
    (
        "serde_json",
        &["commands", "host", "message", "render", "sockdiag"],
    ),
    ("slab", &["sys"]),
    ("socket2", &["sys"]),
    ("strsim", &["reference"]),
    ("unicode_general_category", &["message"]),
    ("unicode_width", &["render"]),
    ("x509_parser", &["tls"]),
];

/// The rooms that are not pure; the map says `pure:` of every other one but `error`.
const WORLDLY_ROOMS: &[&str] = &["sys", "render", "commands", "cli"];

/// Names of files and folders that say nothing.
const EMPTY_NAMES: &[&str] = &["common", "helper", "helpers", "misc", "util", "utils"];

/// Lines a file may have, its tests aside.
const MAX_LINES: usize = 500;

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Breach {
    file: String,
    line: usize,
    rule: String,
    remedy: String,
}

impl std::fmt::Display for Breach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Breach {
            file,
            line,
            rule,
            remedy,
        } = self;
        write!(f, "{file}:{line}: {rule}\n    {remedy}")
    }
}

fn fail_on(breaches: &[Breach]) {
    let text: Vec<String> = breaches.iter().map(Breach::to_string).collect();
    assert!(
        breaches.is_empty(),
        "{} broken rules of the map in src/lib.rs\n{}",
        breaches.len(),
        text.join("\n")
    );
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn the_tree() -> &'static Tree {
    static TREE: OnceLock<Tree> = OnceLock::new();
    TREE.get_or_init(|| Tree::walk(&source::files_of(root(), "src")))
}

fn the_map() -> Map {
    Map::parse(&read("src/lib.rs")).expect("the table of rooms in src/lib.rs")
}

/// The crates of `[dependencies]`, as Rust spells them.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut section = "";
    let mut found = BTreeSet::new();
    for line in manifest.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            section = name;
            if let Some(name) = section.strip_prefix("dependencies.") {
                found.insert(name.replace('-', "_"));
            }
        } else if (section == "dependencies" || section.ends_with(".dependencies"))
            && let Some((name, _)) = line.split_once('=')
        {
            let name = name.trim().split('.').next().unwrap_or_default();
            found.insert(name.trim_matches('"').replace('-', "_"));
        }
    }
    found
}

// The tree as it stands.

#[test]
fn every_import_goes_the_way_the_map_says() {
    let (tree, map) = (the_tree(), the_map());
    let breaches: Vec<Breach> = tree
        .files
        .iter()
        .flat_map(|file| imports::check(file, &map, CRATES))
        .collect();
    fail_on(&breaches);
}

#[test]
fn the_map_names_every_room_and_every_room_is_on_the_map() {
    let rooms = source::rooms(&source::files_of(root(), "src"));
    fail_on(&compare(&the_map(), &rooms));
}

/// Rooms that exist against rooms that the map has, and what the map may say of them.
fn compare(map: &Map, rooms: &BTreeSet<String>) -> Vec<Breach> {
    let breach = |line, rule: String, remedy: &str| Breach {
        file: "src/lib.rs".to_owned(),
        line,
        rule,
        remedy: remedy.to_owned(),
    };
    let mut breaches = Vec::new();
    for room in rooms.iter().filter(|room| !map.rooms.contains_key(*room)) {
        breaches.push(breach(
            1,
            format!("the room `{room}` is not on the map"),
            "give it a row in the table of rooms: what it is, and what it may import",
        ));
    }
    for (name, room) in &map.rooms {
        if !rooms.contains(name) {
            breaches.push(breach(
                room.line,
                format!("the map has a room `{name}`, and src/ has none"),
                "take the row out, or give it the name that the room has now",
            ));
        }
        if !WORLDLY_ROOMS.contains(&name.as_str()) && !room.pure && name != "error" {
            breaches.push(breach(
                room.line,
                format!("the map does not say that `{name}` is pure"),
                "begin its description with `pure:`; what touches the world belongs in sys",
            ));
        }
        for upward in Map::never(name) {
            if room.may_import.contains(*upward) {
                breaches.push(breach(
                    room.line,
                    format!("the map lets `{name}` import `{upward}`"),
                    "imports go one way: main -> cli -> commands -> {sys, render, pure rooms}",
                ));
            }
        }
    }
    breaches
}

#[test]
fn no_room_imports_itself_by_way_of_others() {
    if let Some(circle) = the_map().circle() {
        panic!(
            "the map in src/lib.rs has a circle: {}; what both need belongs in a room below them",
            circle.join(" -> ")
        );
    }
}

#[test]
fn every_source_file_belongs_to_a_module() {
    let tree = the_tree();
    let breaches: Vec<Breach> = tree
        .orphans
        .iter()
        .map(|path| Breach {
            file: path.clone(),
            line: 1,
            rule: "no `mod` leads to this file".to_owned(),
            remedy: "declare it, or remove it".to_owned(),
        })
        .collect();
    fail_on(&breaches);
}

#[test]
fn every_dependency_has_its_rooms_in_the_table_of_this_test() {
    let declared = dependencies(&read("Cargo.toml"));
    let known: BTreeSet<String> = CRATES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(
        declared, known,
        "CRATES in tests/architecture.rs says for each crate of [dependencies] which rooms may name it"
    );
    let map = the_map();
    for (name, rooms) in CRATES {
        for room in *rooms {
            assert!(
                map.rooms.contains_key(*room),
                "CRATES allows {name} in `{room}`, which is no room"
            );
        }
    }
}

#[test]
fn no_file_has_a_name_that_says_nothing() {
    let breaches: Vec<Breach> = source::files_of(root(), "src")
        .keys()
        .filter_map(|path| empty_name(path))
        .collect();
    fail_on(&breaches);
}

fn empty_name(path: &str) -> Option<Breach> {
    let name = path
        .split('/')
        .map(|part| part.split('.').next().unwrap_or_default())
        .find(|part| EMPTY_NAMES.contains(part))?;
    Some(Breach {
        file: path.to_owned(),
        line: 1,
        rule: format!("`{name}` says nothing of what is inside"),
        remedy: "name it after what it does, or move its parts to where they are used".to_owned(),
    })
}

#[test]
fn no_file_is_longer_than_one_thing_needs() {
    let breaches: Vec<Breach> = the_tree().files.iter().filter_map(too_long).collect();
    fail_on(&breaches);
}

fn too_long(file: &File) -> Option<Breach> {
    let lines = file.lines_of_code();
    if lines <= MAX_LINES || file.is_test {
        return None;
    }
    Some(Breach {
        file: file.path.clone(),
        line: MAX_LINES + 1,
        rule: format!("{lines} lines, tests aside; {MAX_LINES} is the limit"),
        remedy: "ask what second thing moved in, and give it a file of its own".to_owned(),
    })
}

// The checker itself.

const MADE_UP_MAP: &str = "
//! | room | what it is | may import |
//! |---|---|---|
//! | [`cli`] | the parser | `commands`, `render`, `sys`, `error` |
//! | [`commands`] | a file each | everything but `cli` |
//! | [`error`] | failures | `reference` |
//! | [`message`] | pure: a protocol | `framing` |
//! | [`framing`] | pure: boundaries | - |
//! | [`mod@reference`] | pure: tables | - |
//! | [`render`] | shows | pure rooms, `error` |
//! | [`sys`] | the edge | pure rooms, `error` |
";

/// What the checker says of one made-up file, as `LINE RULE`.
fn verdict(path: &str, text: &str) -> Vec<String> {
    verdict_with(path, text, false)
}

fn verdict_with(path: &str, text: &str, is_test: bool) -> Vec<String> {
    let map = Map::parse(MADE_UP_MAP).expect("a table");
    let file = File::new(path, source::module_of(path), text, is_test);
    imports::check(&file, &map, CRATES)
        .into_iter()
        .map(|breach| format!("{} {}", breach.line, breach.rule))
        .collect()
}

#[track_caller]
fn caught(path: &str, text: &str, word: &str) {
    let said = verdict(path, text);
    assert!(
        said.iter().any(|rule| rule.contains(word)),
        "{path} with {text:?}: {said:?} does not tell of {word:?}"
    );
}

#[track_caller]
fn silent(path: &str, text: &str) {
    assert_eq!(verdict(path, text), [] as [&str; 0], "{path} with {text:?}");
}

#[test]
fn a_forbidden_import_is_caught_in_every_spelling() {
    for text in [
        "use crate::sys;",
        "use crate::sys::terminal;",
        "pub use crate::sys::terminal as t;",
        "use crate :: sys :: terminal;",
        "use crate::\n    sys::terminal;",
        "use crate::{framing, sys};",
        "use crate::{framing::{Deframer, Framing}, sys::{terminal::{self, width}}};",
        "use {crate::sys::terminal};",
        "use super::super::sys::terminal;",
        "use super::super::{framing, sys::terminal};",
        "use self::super::super::sys::terminal;",
        "use sockdoc::sys::terminal;",
        "use ::sockdoc::sys::terminal;",
        "fn f() { crate::sys::terminal::width(); }",
        "fn f(t: &super::super::sys::Terminal) {}",
        "fn f() -> <crate::sys::T as Clone>::U { todo() }",
        "mod inner { use super::super::super::sys::terminal; }",
        "macro_rules! m { () => { $crate::sys::terminal::width() } }",
        "fn f() { assert!(g(&[crate::sys::terminal::width()]) > 0); }",
        "macro_rules! m { () => { use crate::{framing, sys::terminal}; } }",
        "#[derive(crate::sys::Derive)] struct S;",
        "use crate::r#sys::terminal;",
    ] {
        caught("src/message/json.rs", text, "`message` imports `sys`");
    }
    caught(
        "src/message/mod.rs",
        "use super::sys;",
        "`message` imports `sys`",
    );
    caught("src/error.rs", "use super::sys;", "`error` imports `sys`");
}

#[test]
fn a_look_alike_is_not_caught() {
    for text in [
        "/// See [`crate::sys`] and crate::sys::terminal.\nfn f() {}",
        "const X: &str = \"crate::sys::terminal std::fs Instant::now()\";",
        "fn f() { let sysctl = \"net.core.somaxconn\"; let sys = sysctl; }",
        "use crate::framing::sysctl;",
        "use crate::{framing, message::sys};",
        "use super::sys::terminal;",
        "use std::time::{Duration, Instant};",
        "use std::net::{IpAddr, SocketAddr};",
        "use std::io::{self, Read, Write};",
        "fn now(libc: u8, nix: u8) -> u8 { libc + nix }",
        "fn f(t: &Tally) { t.elapsed; t.now(); t.print(); thread::x(); }",
        "struct S { unsafe_code: bool, mio: u8 }",
        "fn f() { writeln!(out, \"x\")?; }",
    ] {
        silent("src/message/json.rs", text);
    }
}

#[test]
fn every_room_is_held_to_its_own_row() {
    for (path, import, word) in [
        ("src/main.rs", "sockdoc::commands", "`main` imports"),
        ("src/main.rs", "sockdoc::sys", "`main` imports"),
        ("src/cli.rs", "crate::message", "`cli` imports `message`"),
        ("src/commands/x.rs", "crate::cli", "`commands` imports"),
        ("src/render/x.rs", "crate::sys", "`render` imports `sys`"),
        ("src/render/x.rs", "crate::commands", "`render` imports"),
        ("src/render/mod.rs", "super::cli", "`render` imports `cli`"),
        ("src/sys/x.rs", "crate::render", "`sys` imports `render`"),
        ("src/sys/server/mod.rs", "crate::cli", "`sys` imports `cli`"),
        ("src/framing/x.rs", "crate::message", "`framing` imports"),
        ("src/message/x.rs", "crate::error", "`message` imports"),
        ("src/message/x.rs", "crate::render", "`message` imports"),
    ] {
        caught(path, &format!("use {import}::X;"), word);
    }
    for (path, import) in [
        ("src/main.rs", "sockdoc::cli"),
        ("src/cli.rs", "crate::commands"),
        ("src/cli.rs", "crate::sys"),
        ("src/commands/x.rs", "crate::sys"),
        ("src/commands/x.rs", "crate::render"),
        ("src/render/x.rs", "crate::message"),
        ("src/sys/x.rs", "crate::error"),
        ("src/sys/x.rs", "crate::sys"),
        ("src/message/x.rs", "crate::framing"),
        ("src/message/x.rs", "crate::message"),
    ] {
        silent(path, &format!("use {import}::X;"));
    }
}

#[test]
fn the_root_of_the_house_cannot_come_in_under_another_name() {
    for text in [
        "use crate as root;",
        "use crate::{self as root};",
        "use super::super as root;",
        "use sockdoc as root;",
        "use std as base;",
        "extern crate std as base;",
        "use crate::*;",
        "use super::super::*;",
        "use std::*;",
    ] {
        caught("src/message/x.rs", text, "brings in everything");
    }
    silent("src/message/x.rs", "use super::*; use super as message;");
    silent("src/message/x.rs", "mod tests { use super::*; }");
    caught(
        "src/message/x.rs",
        "#[path = \"../sys/terminal.rs\"] mod t;",
        "a module from elsewhere",
    );
    caught(
        "src/message/x.rs",
        "include!(\"../sys/terminal.rs\");",
        "a module from elsewhere",
    );
}

#[test]
fn a_pure_room_does_not_touch_the_world() {
    for (text, word) in [
        ("use std::net::TcpStream;", "`TcpStream`"),
        ("use std::net::{IpAddr, TcpListener};", "`TcpListener`"),
        ("use std::net; fn f(s: net::UdpSocket) {}", "`UdpSocket`"),
        (
            "fn f() { std::net::ToSocketAddrs::f(); }",
            "`ToSocketAddrs`",
        ),
        ("use std::os::unix::net::UnixStream;", "`UnixStream`"),
        ("use std::net::*;", "`std::net::*`"),
        ("use std::fs;", "`std::fs`"),
        ("use std::{io, fs::File};", "`std::fs`"),
        ("use ::std::fs::File;", "`std::fs`"),
        ("fn f() { std::env::var(\"X\"); }", "`std::env`"),
        ("use std::process::Command;", "`std::process`"),
        ("use std::{fmt, thread};", "`std::thread`"),
        ("use std::io::stdin;", "`stdin`"),
        ("fn f() { std::io::stdout(); }", "`stdout`"),
        ("use std::io; fn f() { io::stderr().lock(); }", "`stderr`"),
        ("use std::io::{self, Stdout};", "`Stdout`"),
        ("fn f() { Instant::now(); }", "`now`"),
        ("fn f() { std::time::Instant::now(); }", "`now`"),
        ("use std::time::Instant as T; fn f() { T::now(); }", "`now`"),
        ("fn f() { <Instant>::now(); }", "`now`"),
        ("fn f() { x.map(Instant::now); }", "`now`"),
        ("fn f(start: Instant) { start.elapsed(); }", "`elapsed()`"),
        ("use std::time::SystemTime;", "`SystemTime`"),
        ("use std::time::UNIX_EPOCH;", "`UNIX_EPOCH`"),
        ("fn f() { println!(\"x\"); }", "`println!`"),
        ("fn f() { std::eprintln!(\"x\"); }", "`eprintln!`"),
        ("fn f() { print!(\"x\"); }", "`print!`"),
        ("fn f() { eprint ! (\"x\"); }", "`eprint!`"),
        ("fn f() { dbg!(1); }", "`dbg!`"),
    ] {
        caught("src/message/x.rs", text, word);
        caught("src/error.rs", text, word);
    }
}

#[test]
fn render_names_no_stream_of_the_process() {
    for text in [
        "use std::io::stdout;",
        "fn f() { std::io::stderr(); }",
        "fn f() { io::stdout(); }",
        "use std::io::StdoutLock;",
    ] {
        caught("src/render/x.rs", text, "io::Write");
    }
    caught("src/render/x.rs", "fn f() { println!(); }", "`println!`");
    silent("src/render/x.rs", "use std::io::Write; // stdout");
}

#[test]
fn printing_that_panics_on_a_closed_pipe_is_caught_everywhere() {
    for path in ["src/commands/x.rs", "src/sys/x.rs", "src/cli.rs"] {
        caught(path, "fn f() { println!(\"x\"); }", "`println!`");
        silent(path, "fn f() { print(b\"x\"); io::stdout().lock(); }");
    }
}

#[test]
fn a_foreign_crate_stays_in_its_room() {
    for (path, text, word) in [
        ("src/message/x.rs", "use clap::Parser;", "clap"),
        ("src/sys/x.rs", "#[derive(clap::Args)] struct A;", "clap"),
        ("src/sys/x.rs", "use clap_complete::Shell;", "clap_complete"),
        (
            "src/commands/x.rs",
            "use comfy_table::Table;",
            "comfy_table",
        ),
        ("src/commands/x.rs", "use nix::poll;", "nix"),
        ("src/commands/x.rs", "fn f() { libc::getpid(); }", "libc"),
        ("src/render/x.rs", "use ::libc as c;", "libc"),
        ("src/render/x.rs", "extern crate libc;", "libc"),
        ("src/service/x.rs", "use {mio::Poll, std::fmt};", "mio"),
        ("src/framing/x.rs", "use socket2;", "socket2"),
        (
            "src/render/x.rs",
            "use indicatif::ProgressBar;",
            "indicatif",
        ),
        ("src/framing/x.rs", "serde_json::json! {}", "serde_json"),
        ("src/main.rs", "use clap::Parser;", "clap"),
    ] {
        caught(path, text, &format!("`{word}` is for"));
    }
    silent("src/sys/x.rs", "use nix::poll; use libc::c_int;");
    silent("src/commands/x.rs", "use clap::Args; use serde_json::json;");
    silent("src/framing/x.rs", "use super::mio::Poll; // use mio;");
}

#[test]
fn unsafe_stays_in_sys_also_in_tests() {
    let text = "fn f() { unsafe { g() } }";
    caught("src/message/x.rs", text, "`unsafe`");
    caught("src/commands/x.rs", text, "`unsafe`");
    let inside = format!("#[cfg(test)] mod tests {{ {text} }}");
    caught("src/render/x.rs", &inside, "`unsafe`");
    silent("src/sys/x.rs", text);
    silent("src/message/x.rs", "#![allow(unsafe_code)] // unsafe");
}

#[test]
fn tests_of_a_pure_room_may_use_a_little_more_but_not_sys() {
    let inside = |text: &str| format!("fn f() {{}}\n#[cfg(test)]\nmod tests {{\n{text}\n}}\n");
    for text in [
        "use crate::error::Error;",
        "use crate::reference;",
        "use super::super::reference;",
        "fn f() { Instant::now(); println!(\"x\"); }",
    ] {
        assert!(!verdict("src/message/x.rs", text).is_empty(), "{text}");
        silent("src/message/x.rs", &inside(text));
    }
    for (text, word) in [
        ("use crate::sys::terminal;", "4 `message` imports `sys`"),
        ("use super::super::super::sys;", "4 `message` imports `sys`"),
        ("use crate::render;", "4 `message` imports `render`"),
        ("use std::fs;", "4 "),
        ("use std::net::TcpStream;", "4 "),
        ("use std::thread;", "4 "),
    ] {
        caught("src/message/x.rs", &inside(text), word);
        let whole_file = verdict_with("src/message/x_tests.rs", text, true);
        assert!(!whole_file.is_empty(), "{text}");
    }
    // What comes after the tests is not a test.
    let after = inside("") + "use crate::error::Error;";
    caught("src/message/x.rs", &after, "imports `error`");
    caught(
        "src/message/x.rs",
        "#[cfg(not(test))] mod x { use crate::error::Error; }",
        "imports `error`",
    );
}

#[test]
fn a_breach_names_file_line_rule_and_remedy() {
    let map = Map::parse(MADE_UP_MAP).expect("a table");
    let path = "src/message/json.rs";
    let text = "//! x\n\nuse crate::{\n    framing,\n    sys::terminal,\n};\n";
    let file = File::new(path, source::module_of(path), text, false);
    let breaches = imports::check(&file, &map, CRATES);
    let text: Vec<String> = breaches.iter().map(Breach::to_string).collect();
    assert_eq!(
        text,
        [
            "src/message/json.rs:5: `message` imports `sys` (crate::sys::terminal); \
             the map lets it import: framing\n    \
             take the value as an argument: `commands` asks `sys` and hands it over"
        ]
    );
}

#[test]
fn a_room_without_a_row_and_a_row_without_a_room_are_told() {
    let map = Map::parse(MADE_UP_MAP).expect("a table");
    let all: BTreeSet<String> = map.rooms.keys().cloned().collect();
    assert_eq!(compare(&map, &all), []);
    let mut more = all.clone();
    more.insert("packet".to_owned());
    assert_eq!(
        compare(&map, &more)[0].rule,
        "the room `packet` is not on the map"
    );
    let mut fewer = all.clone();
    fewer.remove("framing");
    assert_eq!(
        compare(&map, &fewer)[0].rule,
        "the map has a room `framing`, and src/ has none"
    );
    let files = BTreeMap::from(
        ["src/lib.rs", "src/main.rs", "src/cli.rs", "src/a/b/c.rs"]
            .map(|path| (path.to_owned(), String::new())),
    );
    let rooms: Vec<String> = source::rooms(&files).into_iter().collect();
    assert_eq!(rooms, ["a", "cli"]);
}

#[test]
fn the_map_cannot_be_bent_to_let_imports_go_up() {
    for (from, to) in [
        (
            "a protocol | `framing` |",
            "a protocol | `framing`, `sys` |",
        ),
        ("shows | pure rooms,", "shows | pure rooms, `commands`,"),
        ("the edge | pure rooms,", "the edge | pure rooms, `render`,"),
        ("pure: boundaries", "boundaries"),
        ("failures | `reference`", "failures | everything but `cli`"),
    ] {
        let bent = MADE_UP_MAP.replace(from, to);
        assert_ne!(bent, MADE_UP_MAP);
        let map = Map::parse(&bent).expect("a table");
        let rooms = map.rooms.keys().cloned().collect();
        assert!(!compare(&map, &rooms).is_empty(), "{to}");
    }
    for broken in ["", "//! | room | what |\n", "//! | [`a`] | b | `no_room` |"] {
        assert!(Map::parse(broken).is_err(), "{broken:?}");
    }
}

#[test]
fn a_circle_in_the_map_is_found() {
    let circle = |map: &str| {
        let map = Map::parse(map).expect("a table");
        map.circle().map(|rooms| rooms.join(" "))
    };
    assert_eq!(circle(MADE_UP_MAP), None);
    for (from, to, found) in [
        (
            "boundaries | -",
            "boundaries | `message`",
            "framing message framing",
        ),
        ("tables | -", "tables | `error`", "error reference error"),
    ] {
        let bent = MADE_UP_MAP.replace(from, to);
        assert_ne!(bent, MADE_UP_MAP);
        assert_eq!(circle(&bent).as_deref(), Some(found), "{to}");
    }
    let long = MADE_UP_MAP
        .replace("boundaries | -", "boundaries | `reference`")
        .replace("tables | -", "tables | `message`");
    let found = circle(&long);
    assert_eq!(
        found.as_deref(),
        Some("reference message framing reference")
    );
}

#[test]
fn modules_are_followed_to_their_files() {
    let files = BTreeMap::from(
        [
            ("src/lib.rs", "pub mod a; mod b;"),
            ("src/main.rs", ""),
            (
                "src/a.rs",
                "mod c;\n#[cfg(test)]\n#[path = \"a_tests.rs\"]\nmod tests;",
            ),
            ("src/a_tests.rs", "use super::super::sys;"),
            ("src/a/c.rs", "#[cfg(test)] mod tests;"),
            ("src/a/c/tests.rs", ""),
            ("src/b/mod.rs", "pub(crate) mod d;"),
            ("src/b/d.rs", ""),
            ("src/b/forgotten.rs", ""),
        ]
        .map(|(path, text)| (path.to_owned(), text.to_owned())),
    );
    let tree = Tree::walk(&files);
    assert_eq!(tree.orphans, ["src/b/forgotten.rs"]);
    let found: Vec<String> = tree
        .files
        .iter()
        .map(|file| {
            let test = if file.is_test { " (test)" } else { "" };
            format!("{} {}{test}", file.path, file.module.join("::"))
        })
        .collect();
    for expected in [
        "src/a_tests.rs a::tests (test)",
        "src/a/c/tests.rs a::c::tests (test)",
        "src/b/mod.rs b",
        "src/b/d.rs b::d",
    ] {
        assert!(found.iter().any(|f| f == expected), "{expected}: {found:?}");
    }
}

#[test]
fn names_that_say_nothing_and_long_files_are_told() {
    for path in ["src/util.rs", "src/sys/helpers/mod.rs", "src/a/common.rs"] {
        assert!(empty_name(path).is_some(), "{path}");
    }
    for path in ["src/utility.rs", "src/sys/commonly.rs", "src/utf8.rs"] {
        assert!(empty_name(path).is_none(), "{path}");
    }
    let file = |lines: usize, tests: usize| {
        let text = "fn f() {}\n".repeat(lines)
            + "#[cfg(test)]\nmod tests {\n"
            + &"fn t() {}\n".repeat(tests)
            + "}\n";
        File::new("src/a.rs", vec!["a".to_owned()], &text, false)
    };
    assert!(too_long(&file(MAX_LINES, 300)).is_none());
    assert!(too_long(&file(MAX_LINES + 1, 0)).is_some());
}

#[test]
fn dependencies_are_read_from_the_manifest() {
    let manifest = "[package]\nname = \"x\"\n[dependencies]\nclap = { version = \"4\" }\n\
        comfy-table = \"8\"\nserde.workspace = true\n[dependencies.libc]\nversion = \"1\"\n\
        [target.'cfg(unix)'.dependencies]\nnix = \"1\"\n[dev-dependencies]\nproptest = \"1\"\n\
        [profile.dev]\ndebug = false\n";
    let found: Vec<String> = dependencies(manifest).into_iter().collect();
    assert_eq!(found, ["clap", "comfy_table", "libc", "nix", "serde"]);
}
