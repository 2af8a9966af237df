//! Many pings: past the last sequence number, at a steady pace, side by side, with losses, and to
//! many targets.

use std::collections::BTreeSet;
use std::process::Stdio;

use crate::namespace::Namespace;
use crate::ping_rows::address;
use crate::pinging::{Counts, Run};
use crate::responder::{Answer, Flaw, Responder};
use crate::routed::Path;
use crate::support::{program, skip};

/// More than there are sequence numbers.
const MANY: u64 = 70_000;

/// Lets every group have datagram sockets.
const EVERYBODY: &str = "net.ipv4.ping_group_range=0 2147483647";

#[test]
fn seventy_thousand_pings_have_no_false_duplicate() {
    let Some(namespace) = Namespace::new("70,000 pings") else {
        return;
    };
    let expected = Counts {
        sent: MANY,
        received: MANY,
        ..Counts::default()
    };
    for target in ["127.0.0.1", "::1"] {
        let run = Run::words(&namespace, &format!("-f -q -c {MANY} {target}"));
        assert_eq!(run.counts(), expected, "{run}");
        assert_eq!(run.status, Some(0), "{run}");
    }
    namespace.sysctl(&[EVERYBODY]);
    let run = Run::words(&namespace, &format!("-f -q -c {MANY} 127.0.0.1"));
    assert_eq!(run.counts(), expected, "{run}");
}

#[test]
fn a_thousand_pings_at_ten_milliseconds_do_not_drift() {
    const INTERVAL: f64 = 0.01;
    let Some(namespace) = Namespace::new("no drift") else {
        return;
    };
    let drift = || {
        let run = Run::words(&namespace, "--json -c 1000 -i 0.01 127.0.0.1");
        let objects = run.objects();
        let replies = objects.iter().filter(|object| object["event"] == "reply");
        // On the loopback a reply comes when its request is sent. How long after its turn each came:
        let late: Vec<f64> = replies
            .zip(0_u32..)
            .map(|(reply, turn)| {
                assert_eq!(reply["seq"], turn + 1, "{run}");
                reply["time"].as_f64().expect("a time") - f64::from(turn) * INTERVAL
            })
            .collect();
        assert_eq!(late.len(), 1000, "{run}");
        let least = |some: &[f64]| some.iter().copied().fold(f64::INFINITY, f64::min);
        // A busy machine delays many of them, but not all of the second half; a drift delays each.
        least(&late[500..]) - least(&late)
    };
    // A machine that is busy for seconds may delay all the same. A drift is in each run.
    let drifts: Vec<f64> = (0..3)
        .map(|_| drift())
        .take_while(|it| *it >= INTERVAL / 2.0)
        .collect();
    assert!(drifts.len() < 3, "the second half is late: {drifts:?} s");
}

#[test]
fn pings_side_by_side_do_not_take_each_others_replies() {
    let test = "two pings at once";
    if program("unshare").is_none() {
        return skip(test, "unshare is not installed");
    }
    let Some(namespace) = Namespace::new(test) else {
        return;
    };
    for range in ["net.ipv4.ping_group_range=1 0", EVERYBODY] {
        namespace.sysctl(&[range]);
        for target in ["127.0.0.1", "::1"] {
            // In namespaces of processes of their own all have the same number.
            let ping = || {
                let mut command = namespace.command("unshare");
                command.args(["--pid", "--fork", crate::support::BINARY, "ping"]);
                command.args(["-q", "-c", "300", "-i", "0.002", target]);
                command.stdin(Stdio::null());
                Run::of(command)
            };
            let runs = std::thread::scope(|scope| {
                let runs: Vec<_> = (0..4).map(|_| scope.spawn(ping)).collect();
                let runs = runs.into_iter().map(|run| run.join().expect("it ran"));
                runs.collect::<Vec<Run>>()
            });
            for run in runs {
                let expected = Counts {
                    sent: 300,
                    received: 300,
                    ..Counts::default()
                };
                assert_eq!(run.counts(), expected, "{run}");
                assert_eq!(run.status, Some(0), "{run}");
            }
        }
    }
}

#[test]
fn losses_are_as_many_as_the_firewall_has_dropped() {
    let test = "5 % loss";
    if program("nft").is_none() {
        return skip(test, "nft is not installed");
    }
    let Some(namespace) = Namespace::new(test) else {
        return;
    };
    namespace.firewall("icmp type echo-request numgen inc mod 20 == 7 counter drop");
    let run = Run::words(&namespace, "-f -q -c 2000 -W 0.3 127.0.0.1");
    let dropped = namespace.counted_by_the_firewall();
    assert_eq!(dropped, 100);
    let expected = Counts {
        sent: 2000,
        received: 2000 - dropped,
        ..Counts::default()
    };
    assert_eq!(run.counts(), expected, "{dropped}: {run}");
    assert_eq!(run.status, Some(0), "{run}");
}

#[test]
fn a_network_of_targets_is_answered_line_by_line() {
    let test = "127.1.0.0/24";
    if program("nft").is_none() {
        return skip(test, "nft is not installed");
    }
    let Some(namespace) = Namespace::new(test) else {
        return;
    };
    let all = Run::words(&namespace, "-c 1 -W 1 127.1.0.0/24");
    assert_eq!(all.status, Some(0), "{all}");
    // As in fping: without the address of the network and that for all.
    assert_eq!(all.text.matches(" : [0], 64 bytes, ").count(), 254, "{all}");
    let summaries = all
        .errors
        .matches(" : xmt/rcv/%loss = 1/1/0%, min/avg/max = ");
    assert_eq!(summaries.count(), 254, "{all}");
    namespace.firewall("icmp type echo-request ip daddr { 127.1.0.7, 127.1.0.8 } drop");
    let some = Run::words(&namespace, "--format fping -W 0.1 127.1.0.0/24");
    assert_eq!(some.status, Some(1), "{some}");
    assert_eq!(some.text.matches(" is alive\n").count(), 252, "{some}");
    for lost in ["127.1.0.7", "127.1.0.8"] {
        assert!(some.says(&format!("{lost} is unreachable\n")), "{some}");
    }
    assert_eq!(some.text.lines().count(), 254, "{some}");
}

#[test]
fn to_a_group_every_member_may_answer() {
    let Some(path) = Path::new("multicast") else {
        return;
    };
    for namespace in [&path.client, &path.router] {
        namespace.sysctl(&["net.ipv4.icmp_echo_ignore_broadcasts=0"]);
    }
    for words in ["-I near0 224.0.0.1", "ff02::1%near0"] {
        let run = Run::words(&path.client, &format!("-n -c 2 -i 0.1 -W 0.5 {words}"));
        assert_eq!((run.status, run.counts().received), (Some(0), 2), "{run}");
        assert_eq!(run.counts().duplicates, 0, "{run}");
        assert!(
            run.says("note: 2 more replies of other members of the group"),
            "{run}"
        );
    }
}

#[test]
fn a_target_cannot_answer_for_another() {
    let test = "an answer in another's name";
    let Some(namespace) = Namespace::new(test) else {
        return;
    };
    let host = Responder::start(test, &namespace, |echo| match echo.house() {
        // It answers for its neighbour, which is silent.
        7 => {
            let neighbour = address(echo.destination.is_ipv6(), 8);
            let neighbour = neighbour.parse().expect("an address");
            vec![Answer::wrong(&[Flaw::Source(neighbour)]), Answer::right()]
        }
        _ => vec![],
    });
    let Some(_host) = host else {
        return;
    };
    let namespace = &namespace;
    std::thread::scope(|scope| {
        for is_v6 in [false, true] {
            let (liar, silent) = (address(is_v6, 7), address(is_v6, 8));
            scope.spawn(move || {
                let words = format!("--format fping -W 0.2 {liar} {silent}");
                let run = Run::words(namespace, &words);
                assert_eq!(run.status, Some(1), "{run}");
                assert!(run.says(&format!("{liar} is alive\n")), "{run}");
                assert!(run.says(&format!("{silent} is unreachable\n")), "{run}");
            });
        }
    });
}

/// A text in which every number with decimals is only a number.
fn without_times(text: &str) -> Vec<String> {
    let word = |word: &str| {
        let digits = word.trim_start_matches('(');
        let is_time = digits.split('/').all(|part| part.parse::<f64>().is_ok());
        if is_time && digits.contains('.') && !digits.contains("..") {
            "T".to_owned()
        } else {
            word.to_owned()
        }
    };
    let mut lines: Vec<String> = text
        .lines()
        .map(|line| {
            line.split_whitespace()
                .map(word)
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    lines.sort_unstable();
    lines
}

#[test]
fn the_imitation_of_fping_has_its_lines() {
    let test = "--format fping";
    if program("fping").is_none() || program("nft").is_none() {
        return skip(test, "fping or nft is not installed");
    }
    let Some(namespace) = Namespace::new(test) else {
        return;
    };
    namespace.firewall("icmp type echo-request ip daddr 127.0.0.7 drop");
    let targets = "127.0.0.1 127.0.0.7 ::1";
    for (theirs, ours) in [
        (
            "fping -c 2 -p 50 -t 300",
            "--format fping -c 2 -i 0.05 -W 0.3",
        ),
        (
            "fping -q -c 2 -p 50 -t 300",
            "--format fping -q -c 2 -i 0.05 -W 0.3",
        ),
        ("fping -t 50", "--format fping -W 0.05"),
    ] {
        let theirs = Run::other(&namespace, &format!("{theirs} {targets}"));
        let ours = Run::words(&namespace, &format!("{ours} {targets}"));
        assert_eq!(ours.status, theirs.status, "{ours}{theirs}");
        let summary = |run: &Run| {
            let mut lines = without_times(&run.errors);
            lines.retain(|line| line.contains("xmt/rcv/%loss"));
            lines
        };
        let found = (without_times(&ours.text), summary(&ours));
        let expected = (without_times(&theirs.text), summary(&theirs));
        assert_eq!(found, expected, "{ours}{theirs}");
    }
}

#[test]
fn targets_come_as_a_range_from_a_file_and_from_standard_input() {
    let test = "lists of targets";
    let Some(namespace) = Namespace::new(test) else {
        return;
    };
    let answered = |run: &Run| {
        assert_eq!(run.status, Some(0), "{run}");
        let lines = run.text.lines();
        let targets = lines.filter_map(|line| line.strip_suffix(" is alive"));
        targets.map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let fping = ["--format", "fping", "-W", "1"];
    let run = Run::ours(
        &namespace,
        &[&fping[..], &["127.1.0.250-127.1.1.5"]].concat(),
    );
    assert_eq!(answered(&run).len(), 12, "{run}");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("targets");
    std::fs::write(&file, "# ours\n127.1.0.1\n\n::1\n127.1.0.2\n").expect("written");
    let file = file.to_str().expect("text");
    let targets = BTreeSet::from(["127.1.0.1", "::1", "127.1.0.2"].map(str::to_owned));
    let from_file = Run::ours(&namespace, &[&fping[..], &["-F", file]].concat());
    assert_eq!(answered(&from_file), targets, "{from_file}");
    let mut command = namespace.ping(&[&fping[..], &["-F", "-"]].concat());
    command.stdin(std::fs::File::open(file).expect("opened"));
    let from_input = Run::of(command);
    assert_eq!(answered(&from_input), targets, "{from_input}");
}
