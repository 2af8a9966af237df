//! How iputils, fping and we judge what a hostile host answers: `--nocapture` prints the table.

use std::fmt::Write as _;

use crate::namespace::Namespace;
use crate::ping_rows::{self, ROWS, address_of, asking};
use crate::pinging::Run;
use crate::support::{program, skip};

/// Who judges.
#[derive(Clone, Copy)]
enum Judge {
    Iputils,
    Fping,
    Ours,
    Lenient,
}

/// What a run may say of a reply that is not as it should be.
const MARKS: &[&str] = &[
    "DUP!",
    "BAD CHECKSUM!",
    "DIFFERENT ADDRESS!",
    "truncated",
    "wrong data byte",
    "Corrupted reply",
    "Forged reply",
    "Late reply",
    "Truncated reply",
    "Reply from elsewhere",
    "Unreachable",
    "unreachable: ",
    "ICMP Host Unreachable",
];

impl Judge {
    const ALL: [Judge; 4] = [Judge::Iputils, Judge::Fping, Judge::Ours, Judge::Lenient];

    fn name(self) -> &'static str {
        match self {
            Judge::Iputils => "iputils",
            Judge::Fping => "fping",
            Judge::Ours => "sockdoc",
            Judge::Lenient => "sockdoc --lenient",
        }
    }

    /// What it says of this row: received of sent, and what it marks.
    fn asks(self, namespace: &Namespace, row: &str, is_v6: bool) -> String {
        let target = address_of(is_v6, row);
        // Slow enough for iputils, which waits for the last reply only as long as twice the longest
        // time before it.
        let (words, fping) = match row {
            "late" => (asking(row), "-p 800 -t 700"),
            _ => ("-c 3 -i 0.1 -W 1", "-p 100 -t 1000"),
        };
        let run = match self {
            Judge::Iputils => Run::other(namespace, &format!("ping -n {words} {target}")),
            Judge::Fping => Run::other(namespace, &format!("fping -c 3 {fping} {target}")),
            Judge::Ours => Run::words(namespace, &format!("-n {words} {target}")),
            Judge::Lenient => Run::words(namespace, &format!("-n --lenient {words} {target}")),
        };
        let mut verdict = format!("{}, exit {}", self.counted(&run), run.status.unwrap_or(-1));
        for mark in MARKS {
            let (body, _) = run.text.split_once("\n---").unwrap_or((&run.text, ""));
            if body.contains(mark) || run.errors.contains(mark) {
                let _ = write!(verdict, "; {mark}");
            }
        }
        if let Some(time) = impossible_time(&run.text) {
            let _ = write!(verdict, "; time={time:.0} ms");
        }
        verdict
    }

    /// Received of sent, and what else it counts.
    fn counted(self, run: &Run) -> String {
        let (text, before) = match self {
            Judge::Fping => (&run.errors, "xmt/rcv/%loss = "),
            _ => (&run.text, "ping statistics ---\n"),
        };
        let line = text
            .split(before)
            .nth(1)
            .and_then(|rest| rest.lines().next());
        let line = line.unwrap_or_else(|| panic!("nothing is counted: {run}"));
        if let Judge::Fping = self {
            let mut numbers = line.split('/');
            let mut next = || numbers.next().expect("a number");
            let (sent, received) = (next(), next());
            return format!("{received} of {sent}");
        }
        let mut parts = line.split(", ");
        let sent = parts.next().and_then(|part| part.split(' ').next());
        let mut counted: Vec<&str> = parts.collect();
        counted.retain(|part| part.starts_with('+') || part.ends_with(" received"));
        let counted = counted.join(", ").replace(" received", "");
        match counted.split_once(", ") {
            Some((received, more)) => format!("{received} of {}, {more}", sent.unwrap_or("?")),
            None => format!("{counted} of {}", sent.unwrap_or("?")),
        }
    }
}

/// A round-trip time that cannot be: longer than a minute.
fn impossible_time(text: &str) -> Option<f64> {
    let times = text.split("time=").skip(1);
    let times = times.filter_map(|rest| rest.split([' ', '\n']).next()?.parse::<f64>().ok());
    times.filter(|time| *time > 60_000.0).reduce(f64::max)
}

/// The table of one family.
fn judged(namespace: &Namespace, is_v6: bool) -> String {
    let family = if is_v6 { "IPv6" } else { "IPv4" };
    let mut table = format!("\n{family}: three requests, one of them answered so\n");
    // Not all at once: iputils would take a busy machine for losses.
    for rows in ROWS.chunks(4) {
        let verdicts = std::thread::scope(|scope| {
            let verdicts = rows.iter().map(|row| {
                Judge::ALL.map(|judge| scope.spawn(move || judge.asks(namespace, row.name, is_v6)))
            });
            let verdicts: Vec<_> = verdicts.collect();
            let verdicts = verdicts.into_iter();
            verdicts
                .map(|row| row.map(|verdict| verdict.join().expect("judged")))
                .collect::<Vec<_>>()
        });
        for (row, verdicts) in rows.iter().zip(verdicts) {
            let _ = writeln!(table, "{}", row.name);
            for (judge, verdict) in Judge::ALL.iter().zip(verdicts) {
                let _ = writeln!(table, "    {:<18} {verdict}", judge.name());
            }
        }
    }
    table
}

#[test]
fn iputils_fping_and_we_judge_the_same_host() {
    let test = "the table of judges";
    if program("ping").is_none() || program("fping").is_none() {
        return skip(test, "ping or fping is not installed");
    }
    let Some(namespace) = Namespace::new(test) else {
        return;
    };
    let Some(_host) = ping_rows::host(test, &namespace) else {
        return;
    };
    let namespace = &namespace;
    let tables = std::thread::scope(|scope| {
        [false, true]
            .map(|is_v6| scope.spawn(move || judged(namespace, is_v6)))
            .map(|table| table.join().expect("judged"))
    });
    println!("{}", tables.concat());
    for (row, rest) in tables.iter().flat_map(|table| rows(table)) {
        let ours = rest.lines().find(|line| line.contains("sockdoc  "));
        let counts_all = ours.expect("a verdict").contains(" 3 of 3");
        let should = [
            "right",
            "duplicated",
            "reordered",
            "unreachable, then right",
        ];
        assert_eq!(counts_all, should.contains(&row), "{row}\n{rest}");
    }
}

/// The rows of a table, and the verdicts on each.
fn rows(table: &str) -> Vec<(&str, &str)> {
    let places = ROWS.iter().map(|row| {
        let title = format!("\n{}\n", row.name);
        let place = table.find(&title).expect("a row");
        (row.name, &table[place + title.len()..])
    });
    places.collect()
}
