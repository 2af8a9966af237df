//! The same sockets in ours and in ss, netstat and lsof, inside a fresh namespace: row by row, and
//! read by the same parsers (jc).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::namespace::Namespace;
use crate::support::parsers::{parsed, parser};
use crate::support::sockets::Holder;
use crate::support::{finish, program, skip, stdout, until};

/// Sockets of all kinds, none of which changes until its end.
const MIXED: &str = include_str!("mixed.py");

/// A namespace with such sockets.
fn mixed(test: &str, tools: &[&str]) -> Option<(Namespace, Holder)> {
    for tool in [tools, &["python3"]].concat() {
        if program(tool).is_none() {
            skip(test, &format!("{tool} is not installed"));
            return None;
        }
    }
    let namespace = Namespace::new(test)?;
    let mut command = namespace.command("python3");
    command.args(["-c", MIXED]);
    let holder = Holder::spawn(command);
    assert_eq!(holder.line(), "ready");
    until("TIME_WAIT", || {
        let listing = namespace.listing(&["--state", "time-wait"]);
        (listing.rows().len() == 1).then_some(())
    });
    Some((namespace, holder))
}

/// How often each row is there: `take` words of it, in their order.
fn counted(text: &str, take: usize) -> BTreeMap<Vec<String>, usize> {
    let mut rows = BTreeMap::new();
    for line in text.lines() {
        let words = line.split_whitespace().take(take).map(str::to_owned);
        *rows.entry(words.collect()).or_insert(0) += 1;
    }
    rows
}

fn ours(namespace: &Namespace, args: &[&str]) -> String {
    let output = finish(namespace.sockdoc(args));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    stdout(&output)
}

#[test]
fn ss_and_we_list_the_same_internet_sockets() {
    let Some((namespace, _holder)) = mixed("ss", &["ss"]) else {
        return;
    };
    let theirs = namespace.run("ss", &["-Htuan"]);
    let ours = ours(&namespace, &["-tua", "--like", "ss"]);
    let ours = ours.split_once('\n').expect("a header").1;
    assert_eq!(counted(ours, 6), counted(&theirs, 6), "{ours}\n{theirs}");
    let states = [
        "LISTEN",
        "ESTAB",
        "SYN-SENT",
        "CLOSE-WAIT",
        "FIN-WAIT-2",
        "TIME-WAIT",
        "UNCONN",
    ];
    for state in states {
        assert!(theirs.contains(state), "the scene lacks {state}: {theirs}");
    }
}

#[test]
fn ss_and_we_name_the_same_owners() {
    let Some((namespace, _holder)) = mixed("ss -p", &["ss"]) else {
        return;
    };
    let sorted = |text: &str| {
        let mut rows: Vec<String> = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        rows.sort_unstable();
        rows
    };
    let theirs = sorted(&namespace.run("ss", &["-Htuanp"]));
    let ours = ours(&namespace, &["-tua", "--like", "ss"]);
    let ours = sorted(ours.split_once('\n').expect("a header").1);
    assert_eq!(ours, theirs);
    assert!(
        theirs
            .iter()
            .any(|row| row.contains("users:((\"python3\",pid=")),
        "{theirs:#?}"
    );
}

#[test]
fn ss_and_we_list_the_same_unix_and_raw_sockets() {
    let Some((namespace, _holder)) = mixed("ss -x", &["ss"]) else {
        return;
    };
    let theirs = namespace.run("ss", &["-Hxan"]);
    let ours_of = |args: &[&str]| {
        let text = ours(&namespace, args);
        text.split_once('\n').expect("a header").1.to_owned()
    };
    // Their lines of Unix sockets have eight words.
    let ours = ours_of(&["-x", "-a", "--like", "ss"]);
    assert_eq!(counted(&ours, 8), counted(&theirs, 8), "{ours}\n{theirs}");
    assert!(theirs.lines().count() >= 6, "{theirs}");
    let count = |text: &str| text.lines().count();
    let raw = ours_of(&["--raw", "--like", "ss"]);
    assert_eq!(
        count(&raw),
        count(&namespace.run("ss", &["-Hwan"])),
        "{raw}"
    );
}

#[test]
fn our_document_and_ss_agree_on_the_ends_of_every_socket() {
    let Some((namespace, _holder)) = mixed("ss and JSON", &["ss"]) else {
        return;
    };
    let theirs = namespace.run("ss", &["-Htuan"]);
    let end = |end: &Value, proto: &Value, of: &str| -> String {
        let port = match end["port"].as_u64() {
            None | Some(0) => "*".to_owned(),
            Some(port) => port.to_string(),
        };
        match end["addr"].as_str() {
            Some(addr) if addr.contains(':') => format!("[{addr}]:{port}"),
            Some(addr) => format!("{addr}:{port}"),
            None => format!("{of}:{port} {proto}")
                .split(' ')
                .next()
                .expect("one")
                .to_owned(),
        }
    };
    // How either writes "any" is a matter of taste here.
    let plain = |text: &str| text.replace("[::]", "*").replace("0.0.0.0", "*");
    let mut expected: Vec<Vec<String>> = theirs
        .lines()
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            [0, 4, 5].map(|at| plain(words[at])).to_vec()
        })
        .collect();
    let listing = namespace.listing(&["-tua"]);
    let rows = listing
        .rows()
        .iter()
        .filter(|row| row["state"] != "bound_inactive");
    let mut found: Vec<Vec<String>> = rows
        .map(|row| {
            let proto = row["proto"].as_str().expect("text").to_owned();
            let local = plain(&end(&row["local"], &row["proto"], "*"));
            vec![proto, local, plain(&end(&row["peer"], &row["proto"], "*"))]
        })
        .collect();
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected);
}

/// Compares what jc reads in both; `unlike` fields are left out.
fn compare(test: &str, tool: &str, theirs: &[&str], ours: &[&str], unlike: &[&str]) {
    let Some(jc) = parser(test, "jc") else {
        return;
    };
    let Some((namespace, _holder)) = mixed(test, &[tool]) else {
        return;
    };
    let theirs = namespace.run(tool, theirs);
    let ours = self::ours(&namespace, ours);
    let rows = |text: &str| {
        let rows = parsed(&jc, &[&format!("--{tool}")], text);
        let rows = rows.as_array().expect("a list").iter().cloned();
        let mut rows: Vec<String> = rows
            .map(|mut row| {
                let fields = row.as_object_mut().expect("an object");
                fields.retain(|name, _| !unlike.contains(&name.as_str()));
                fields.sort_keys();
                row.to_string()
            })
            .collect();
        rows.sort_unstable();
        rows
    };
    let (found, expected) = (rows(&ours), rows(&theirs));
    assert!(expected.len() >= 8, "{theirs}");
    assert_eq!(found, expected, "{ours}\n{theirs}");
}

#[test]
fn the_same_parser_reads_the_same_in_ss_and_in_our_imitation() {
    compare("jc --ss", "ss", &["-tunap"], &["-tua", "--like", "ss"], &[]);
}

#[test]
fn the_same_parser_reads_the_same_in_netstat_and_in_our_imitation() {
    compare(
        "jc --netstat",
        "netstat",
        &["-antupW"],
        &["-tua", "--like", "netstat"],
        &[],
    );
}

#[test]
fn the_same_parser_reads_the_same_in_lsof_and_in_our_imitation() {
    let theirs = ["-i", "-n", "-P", "+c", "0"];
    compare(
        "jc --lsof",
        "lsof",
        &theirs,
        &["-tu", "--like", "lsof"],
        &[],
    );
}
