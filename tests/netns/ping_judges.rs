//! How iputils, fping and we judge what a hostile host answers: `--nocapture` prints the table.

use crate::namespace::Namespace;
use crate::ping_rows::{self, ROWS, address_of, asking};
use crate::pinging::Run;
use crate::support::{program, skip};

/// Who judges.
#[derive(Clone, Copy, PartialEq)]
enum Judge {
    Iputils,
    Fping,
    Ours,
    Lenient,
}

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
        let (target, asking) = (address_of(is_v6, row), asking(row));
        let run = match self {
            Judge::Iputils => Run::other(namespace, &format!("ping -n {asking} {target}")),
            Judge::Fping => {
                let late = if row == "late" {
                    "-p 400 -t 300"
                } else {
                    "-p 20 -t 500"
                };
                Run::other(namespace, &format!("fping -c 3 {late} {target}"))
            }
            Judge::Ours => Run::words(namespace, &format!("{asking} {target}")),
            Judge::Lenient => Run::words(namespace, &format!("--lenient {asking} {target}")),
        };
        let counted = if self == Judge::Fping {
            run.errors
                .lines()
                .find_map(|line| line.split_once("xmt/rcv/%loss = "))
                .map(|(_, rest)| rest.split(',').next().unwrap_or(rest).to_owned())
        } else {
            run.text
                .lines()
                .find_map(|line| line.split_once(" packets transmitted, "))
                .map(|(sent, rest)| {
                    format!(
                        "{sent}: {}",
                        rest.split(" packet loss").next().unwrap_or(rest)
                    )
                })
        };
        let counted = counted.unwrap_or_else(|| format!("nothing counted: {run}"));
        let marks = [
            "DUP!",
            "BAD CHECKSUM!",
            "DIFFERENT ADDRESS!",
            "truncated",
            "wrong data byte",
            "duplicate",
            "unreachable",
        ];
        let mut verdict = format!("{counted}, exit {}", run.status.unwrap_or(-1));
        for mark in marks {
            if run.says(mark) || run.errors.contains(mark) {
                verdict = format!("{verdict}; {mark}");
            }
        }
        if let Some(time) = longest_time(&run.text) {
            verdict = format!("{verdict}; time={time:.0} ms");
        }
        verdict
    }
}

/// A round-trip time that cannot be: longer than a minute.
fn longest_time(text: &str) -> Option<f64> {
    let times = text.split("time=").skip(1);
    let times = times.filter_map(|rest| rest.split([' ', '\n']).next()?.parse::<f64>().ok());
    times.filter(|time| *time > 60_000.0).reduce(f64::max)
}

#[test]
fn iputils_fping_and_we_judge_the_same_host() {
    let test = "the table of judges";
    if program("ping").is_none() || program("fping").is_none() {
        return skip(test, "there is no ping or no fping");
    }
    let Some(namespace) = Namespace::new(test) else {
        return;
    };
    let Some(_host) = ping_rows::host(test, &namespace) else {
        return;
    };
    for is_v6 in [false, true] {
        let namespace = &namespace;
        let verdicts: Vec<Vec<String>> = std::thread::scope(|scope| {
            let rows = ROWS.iter().map(|row| {
                Judge::ALL.map(|judge| scope.spawn(move || judge.asks(namespace, row.name, is_v6)))
            });
            let rows: Vec<_> = rows.collect();
            rows.into_iter()
                .map(|row| row.map(|verdict| verdict.join().expect("judged")).to_vec())
                .collect()
        });
        println!(
            "\nIPv{}: three requests, one of them answered so",
            if is_v6 { 6 } else { 4 }
        );
        for (row, verdicts) in ROWS.iter().zip(&verdicts) {
            println!("{}", row.name);
            for (judge, verdict) in Judge::ALL.iter().zip(verdicts) {
                println!("    {:<18} {verdict}", judge.name());
            }
        }
    }
}
