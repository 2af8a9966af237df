//! Every ICMP error in the words that iputils has for it, and the account of a bad path.

use crate::namespace::Namespace;
use crate::ping_rows::address;
use crate::pinging::Run;
use crate::responder::{Answer, Responder};
use crate::routed::{Path, ROUTER, SERVER};
use crate::support::{program, skip};

/// Types and codes of ICMP (RFC 792, 1122, 1812).
const V4: &[(u8, u8)] = &[
    (3, 0),
    (3, 1),
    (3, 2),
    (3, 3),
    (3, 4),
    (3, 5),
    (3, 6),
    (3, 7),
    (3, 8),
    (3, 9),
    (3, 10),
    (3, 11),
    (3, 12),
    (3, 13),
    (3, 14),
    (3, 15),
    // The kernel keeps 11/1 (a fragment that did not come) to itself.
    (11, 0),
    (12, 0),
];

/// The same of version 6 (RFC 4443).
const V6: &[(u8, u8)] = &[
    (1, 0),
    (1, 1),
    (1, 2),
    (1, 3),
    (1, 4),
    (1, 5),
    (1, 6),
    (2, 0),
    (3, 0),
    (3, 1),
    (4, 0),
    (4, 1),
    (4, 2),
];

/// The lines of a run that tell of an error.
fn told(run: &Run) -> Vec<&str> {
    let lines = run.text.lines();
    lines.filter(|line| line.starts_with("From ")).collect()
}

#[test]
fn every_error_has_the_words_of_iputils() {
    let test = "words of ICMP";
    if program("ping").is_none() {
        return skip(test, "ping is not installed");
    }
    let Some(namespace) = Namespace::new(test) else {
        return;
    };
    let script = |echo: &crate::responder::Echo| {
        let codes = if echo.destination.is_ipv6() { V6 } else { V4 };
        let at = usize::from(echo.house()) - 100;
        codes[at..=at]
            .iter()
            .map(|(kind, code)| Answer::error(*kind, *code).about(1280))
            .collect()
    };
    let Some(_host) = Responder::start(test, &namespace, script) else {
        return;
    };
    for (is_v6, codes) in [(false, V4), (true, V6)] {
        let mut others = Vec::new();
        for ((kind, code), house) in codes.iter().zip(100..) {
            let words = format!("-n -c 1 -W 0.5 {}", address(is_v6, house));
            let theirs = Run::other(&namespace, &format!("ping {words}"));
            let ours = Run::words(&namespace, &words);
            let case = format!("type {kind}, code {code}: {ours}{theirs}");
            assert_eq!(told(&ours).len(), 1, "{case}");
            assert_eq!((ours.status, ours.counts().errors), (Some(1), 1), "{case}");
            // Where iputils has but a number, ours has words of its own.
            let has_words = |line: &&str| !line.contains("nknown code") && !line.contains("Bad ");
            let expected: Vec<&str> = told(&theirs).into_iter().filter(has_words).collect();
            if !expected.is_empty() && told(&ours) != expected {
                others.push(format!("{:?}, not {expected:?}", told(&ours)));
            }
        }
        assert!(others.is_empty(), "{others:#?}");
    }
}

#[test]
fn a_redirect_is_told_and_does_not_spoil_the_reply() {
    let test = "a redirect";
    let Some(namespace) = Namespace::new(test) else {
        return;
    };
    let gateway = u32::from_be_bytes([10, 99, 0, 254]);
    let script = move |_: &_| vec![Answer::error(5, 1).about(gateway), Answer::right()];
    let Some(_host) = Responder::start(test, &namespace, script) else {
        return;
    };
    let target = address(false, 7);
    let run = Run::words(&namespace, &format!("-n -c 1 -W 1 {target}"));
    assert_eq!((run.status, run.counts().received), (Some(0), 1), "{run}");
    let line = format!("From {target}: icmp_seq=1 Redirect Host(New nexthop: 10.99.0.254)");
    assert!(run.says(&line), "{run}");
}

#[test]
fn every_loss_of_a_bad_path_is_accounted_for() {
    let test = "a bad path";
    if program("nft").is_none() {
        return skip(test, "nft is not installed");
    }
    let Some(path) = Path::new(test) else {
        return;
    };
    path.narrow(1300);
    path.router.firewall_at(
        "forward",
        "icmp type echo-request numgen inc mod 40 17 reject with icmp type admin-prohibited\n  \
         icmp type echo-request numgen inc mod 20 == 7 counter drop",
    );
    let run = Run::words(
        &path.client,
        &format!("-q -c 400 -i 0.002 -W 0.3 {}", SERVER[0]),
    );
    let dropped = path.router.counted_by_the_firewall();
    let counts = run.counts();
    assert_eq!((counts.sent, counts.errors), (400, 10), "{run}");
    assert_eq!(counts.received, 400 - 10 - dropped, "{dropped}: {run}");
    let account = |words: &[&str]| {
        let fits = |line: &&str| words.iter().all(|word| line.contains(word));
        let found = run.text.lines().any(|line| fits(&line));
        assert!(found, "no line has {words:?}: {run}");
    };
    account(&["no reply", &dropped.to_string()]);
    account(&["10", ROUTER[0], "filtered"]);
    let large = Run::words(
        &path.client,
        &format!("-M do -s 1400 -c 3 -i 0.05 -W 0.3 {}", SERVER[0]),
    );
    println!("{run}\n\n{large}");
}

#[test]
fn what_does_not_fit_in_a_queue_of_this_host_is_dropped_here_and_told_so() {
    let test = "a full queue";
    let Some(path) = Path::new(test) else {
        return;
    };
    // Two packets a second, and room for one more.
    let shape = "qdisc add dev near0 root tbf rate 2kbit burst 142 limit 200";
    path.client.run("tc", &shape.split(' ').collect::<Vec<_>>());
    let run = Run::words(&path.client, &format!("-c 10 -i 0.01 -W 0.3 {}", SERVER[0]));
    let counts = run.counts();
    assert!(counts.received < 10, "{run}");
    let line = run.line_with("dropped by a full buffer of this host");
    let dropped = line.split_whitespace().next().expect("a count").parse();
    let dropped: u64 = dropped.expect("a number");
    assert!((1..10).contains(&dropped), "{run}");
    assert_eq!(run.errors.matches("No buffer space").count(), 1, "{run}");
}
