//! The bench of `sockdoc check`: faults of a path, each at one layer, and healthy paths.
//!
//! Several rows run side by side, each in namespaces of its own. A row fails if the layer or the rule that comes
//! first is not the one it should be, or if a healthy one has any finding from WARNING up. The table is printed with
//! `--nocapture`; `SOCKDOC_FAULT=WORD` runs only the rows whose names have that word.
//!
//! | file | what it holds |
//! |---|---|
//! | [`chain`] | a client, some routers in a row, a server |
//! | [`rows`] | the faults |
//! | [`sides`] | other forms of a target, and faults of the server's side |
//! | [`watching`] | one check after the other |
//! | [`servers`] | servers with TLS and without, that do one thing right or wrong |

mod chain;
mod rows;
mod servers;
mod sides;
mod watching;

use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Instant;

use serde_json::Value;

use crate::dns_server::Etc;
use crate::faults::Kept;
use crate::support::{finish, is_root, skip, stdout};
use chain::Chain;

/// A fault, or none.
pub(crate) struct Row {
    /// What is wrong, in a few words.
    name: &'static str,
    /// How many routers are between the client and the server.
    routers: usize,
    /// Which host asks: 0 is the client.
    at: usize,
    /// What is asked for; `SERVER` is the server's address.
    target: &'static [&'static str],
    /// The layer and the rule that are named; healthy: none.
    expected: Option<(&'static str, &'static str)>,
    /// /etc/resolv.conf and what is in /etc/hosts, if they matter.
    etc: Option<(&'static str, &'static str)>,
    /// Words of the conclusion.
    says: &'static str,
    /// Words that are somewhere in the document: evidence, what is ruled out, what to do next.
    shows: &'static str,
    /// Makes it. The server listens on port 5432 already.
    make: fn(&Chain) -> Kept,
}

/// How many rows run side by side.
const AT_ONCE: usize = 6;

#[test]
fn each_fault_of_a_path_is_named_at_its_layer_and_healthy_paths_have_none() {
    let test = "the bench of check";
    if !is_root() {
        return skip(test, "a network namespace requires root");
    }
    let word = std::env::var("SOCKDOC_FAULT").unwrap_or_default();
    let all = [
        rows::ROWS,
        rows::OF_NAMES,
        rows::OTHERS,
        rows::OF_TALKS,
        rows::OF_UPGRADES,
        rows::OF_PROXIES,
        rows::OF_IDLE,
        sides::ROWS,
    ];
    let all = all.into_iter().flatten();
    let next = Mutex::new(all.filter(|row| row.name.contains(&word)));
    let outcomes = Mutex::new(Vec::new());
    // They are removed when all rows are judged: removing one keeps the others waiting.
    let chains = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let row = next.lock().expect("rows").next();
                    let Some(row) = row else { return };
                    let start = Instant::now();
                    let judged = std::panic::catch_unwind(|| row.judge(&chains));
                    let judged = judged.unwrap_or_else(|_| Err("it could not be made".to_owned()));
                    let took = start.elapsed().as_secs_f64();
                    outcomes.lock().expect("outcomes").push((row, judged, took));
                }
            });
        }
    });
    let mut table = String::new();
    let mut bad = 0;
    for (row, judged, took) in outcomes.into_inner().expect("outcomes") {
        bad += usize::from(judged.is_err());
        let (layer, rule) = row.expected.unwrap_or(("-", "healthy"));
        let said = judged.map_or_else(|why| format!("FAILED: {why}"), |()| format!("{took:.1} s"));
        writeln!(table, "{:<48} {layer:<10} {rule:<24} {said}", row.name).expect("text");
    }
    println!("{table}");
    assert_eq!(bad, 0, "\n{table}");
}

impl Row {
    fn judge(&self, chains: &Mutex<Vec<Chain>>) -> Result<(), String> {
        let chain = Chain::new(self.name, self.routers).ok_or("no namespaces")?;
        let listening = rows::listener(chain.server(), &format!("{}:5432", chain.address()));
        let kept = (self.make)(&chain);
        let server = chain.address();
        let cacert = format!("/etc/netns/{}/ca.pem", chain.client().name);
        let mut args = vec!["check", "--json", "--timeout", "20"];
        let pid = chain.pid.load(Ordering::Relaxed);
        let filled = |text: &str| {
            text.replace("SERVER", &server)
                .replace("CACERT", &cacert)
                .replace("NAMESPACE", &chain.server().name)
                .replace("FOLDER", chain.folder.path().to_str().expect("a path"))
                .replace("CONTAINER", &Chain::container_of(pid))
                .replace("PID", &pid.to_string())
        };
        let target: Vec<String> = self.target.iter().map(|it| filled(it)).collect();
        let shows = filled(self.shows);
        args.extend(target.iter().map(String::as_str));
        let etc = self
            .etc
            .map(|(resolv, hosts)| Etc::new(&chain.hosts[self.at], resolv, hosts));
        let command = match &etc {
            Some(etc) => etc.sockdoc(&args),
            None => chain.sockdoc(self.at, &args),
        };
        let output = finish(command);
        drop(etc);
        let document: Value = serde_json::from_str(&stdout(&output))
            .map_err(|error| format!("{error}: {output:?}"))?;
        drop((kept, listening));
        chains.lock().expect("chains").push(chain);
        let found = (
            document["failed_layer"].as_str(),
            document["cause"].as_str(),
        );
        let expected = (self.expected.map(|it| it.0), self.expected.map(|it| it.1));
        let text = document["text"].as_str().unwrap_or_default();
        let status = output.status.code();
        let is_shown = stdout(&output).contains(&shows);
        if found != expected || !text.contains(self.says) || !is_shown {
            return Err(format!("{found:?} {text}: {document:#}"));
        }
        if status != Some(i32::from(self.expected.is_some())) {
            return Err(format!("exit status {status:?}"));
        }
        Ok(())
    }
}
