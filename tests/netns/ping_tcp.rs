//! `--tcp PORT`: open, refused, filtered.

use std::net::TcpListener;

use crate::pinging::Run;
use crate::routed::{Path, ROUTER, SERVER};
use crate::support::{program, skip};

/// Ports of the server; nothing listens on the last two.
const OPEN: u16 = 7001;
const REFUSED: u16 = 7002;
const DROPPED: u16 = 7003;

fn path(test: &str) -> Option<(Path, TcpListener)> {
    if program("nft").is_none() {
        skip(test, "nft is not installed");
        return None;
    }
    let path = Path::new(test)?;
    let listener = path
        .server
        .inside(|| TcpListener::bind(("::", OPEN)).expect("binds"));
    path.server.firewall(&format!("tcp dport {DROPPED} drop"));
    Some((path, listener))
}

/// A run of `--tcp`, and what its line of counts has.
fn counted(run: &Run) -> Vec<&str> {
    let line = run.text.split(" TCP handshakes ---\n").nth(1);
    let line = line.and_then(|rest| rest.lines().next());
    let line = line.unwrap_or_else(|| panic!("nothing is counted: {run}"));
    line.split(", ").collect()
}

#[test]
fn an_open_port_answers_with_the_time_of_its_handshake() {
    let Some((path, _listener)) = path("--tcp, open") else {
        return;
    };
    for target in SERVER {
        let words = format!("--tcp {OPEN} -c 3 -i 0.05 -W 1 {target}");
        let run = Run::words(&path.client, &words);
        assert_eq!(run.status, Some(0), "{run}");
        assert_eq!(counted(&run)[..2], ["3 tried", "3 open"], "{run}");
        assert_eq!(run.text.matches(" time=").count(), 3, "{run}");
    }
}

#[test]
fn a_refused_port_and_a_filtered_one_are_told_apart() {
    let Some((path, _listener)) = path("--tcp, refused and filtered") else {
        return;
    };
    for target in SERVER {
        for (port, word) in [(REFUSED, "refused"), (DROPPED, "filtered")] {
            let words = format!("--tcp {port} -c 2 -i 0.05 -W 0.3 {target}");
            let run = Run::words(&path.client, &words);
            assert_eq!(run.status, Some(1), "{run}");
            let told = run
                .text
                .lines()
                .filter(|line| line.contains("tcp_seq=") && line.contains(word));
            assert_eq!(told.count(), 2, "{word}: {run}");
            let counted = counted(&run);
            assert!(counted.contains(&"0 open"), "{run}");
            assert!(counted.contains(&&format!("2 {word}")[..]), "{run}");
        }
    }
}

#[test]
fn a_router_that_forbids_a_port_is_named() {
    let Some((path, _listener)) = path("--tcp, rejected") else {
        return;
    };
    path.router.firewall_at(
        "forward",
        &format!("tcp dport {OPEN} reject with icmpx type admin-prohibited"),
    );
    for (target, router) in SERVER.into_iter().zip(ROUTER) {
        let words = format!("--tcp {OPEN} -c 1 -W 0.5 {target}");
        let run = Run::words(&path.client, &words);
        assert_eq!(run.status, Some(1), "{run}");
        assert!(run.says("filtered"), "{run}");
        assert!(run.says(router), "who forbids it: {run}");
    }
}
