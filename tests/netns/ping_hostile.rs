//! What a hostile or broken host answers is counted and shown as what it is, on raw and on datagram
//! sockets, over IPv4 and IPv6.

use crate::namespace::Namespace;
use crate::ping_rows::{self, address_of, asking};
use crate::pinging::{Counts, Run};
use crate::responder::Responder;
use crate::support::{BINARY, program, skip};

/// Which sockets carry the pings.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// Where `ping_group_range` is empty, as in every new namespace, and with `CAP_NET_RAW`.
    Raw,
    /// What is left without `CAP_NET_RAW`.
    Datagram,
}

impl Kind {
    /// What starts a program so that it has these sockets.
    fn launcher(self) -> &'static [&'static str] {
        match self {
            Kind::Raw => &[],
            Kind::Datagram => &["setpriv", "--bounding-set", "-net_raw"],
        }
    }

    /// Runs a program in a namespace, started so.
    fn run(self, namespace: &Namespace, words: &str) -> Run {
        let words = words.split(' ').filter(|word| !word.is_empty());
        let mut words = self.launcher().iter().copied().chain(words);
        let mut command = namespace.command(words.next().expect("a program"));
        command.args(words).stdin(std::process::Stdio::null());
        Run::of(command)
    }
}

/// A namespace of each kind of sockets, with the host that answers.
struct Scene {
    places: Vec<(Kind, Namespace, Responder)>,
}

/// One run of three requests.
struct Judged {
    kind: Kind,
    is_v6: bool,
    run: Run,
}

impl Scene {
    fn new(test: &str) -> Option<Scene> {
        if program("setpriv").is_none() {
            skip(test, "setpriv is not installed");
            return None;
        }
        let mut places = Vec::new();
        for kind in [Kind::Raw, Kind::Datagram] {
            let namespace = Namespace::new(test)?;
            if kind == Kind::Datagram {
                namespace.sysctl(&["net.ipv4.ping_group_range=0 2147483647"]);
            }
            let host = ping_rows::host(test, &namespace)?;
            places.push((kind, namespace, host));
        }
        Some(Scene { places })
    }

    /// Pings the address that answers by this row: with both kinds of sockets, IPv4 and IPv6.
    fn ask(&self, row: &str, more: &str) -> Vec<Judged> {
        std::thread::scope(|scope| {
            let mut runs = Vec::new();
            for (kind, namespace, _) in &self.places {
                for is_v6 in [false, true] {
                    runs.push(scope.spawn(move || {
                        let (asking, target) = (asking(row), address_of(is_v6, row));
                        let words = format!("{BINARY} ping {more} {asking} {target}");
                        let (kind, run) = (*kind, kind.run(namespace, &words));
                        Judged { kind, is_v6, run }
                    }));
                }
            }
            let runs = runs.into_iter();
            runs.map(|run| run.join().expect("it ran")).collect()
        })
    }
}

/// What three requests come to, all of which but one are answered rightly.
fn one_lost() -> Counts {
    Counts {
        sent: 3,
        received: 2,
        ..Counts::default()
    }
}

/// Pings the host with these rows, all at once, and gives each run to `judge`.
fn each_run(rows: &[&str], judge: impl Fn(&Judged) + Sync) {
    let Some(scene) = Scene::new(rows[0]) else {
        return;
    };
    std::thread::scope(|scope| {
        for row in rows {
            let (scene, judge) = (&scene, &judge);
            scope.spawn(move || {
                for judged in scene.ask(row, "") {
                    assert_eq!(judged.run.status, Some(0), "{row}: {}", judged.run);
                    judge(&judged);
                }
            });
        }
    });
}

/// One request is lost to a reply that is corrupted.
fn is_corrupted(run: &Run) {
    let expected = Counts {
        corrupted: 1,
        ..one_lost()
    };
    assert_eq!(run.counts(), expected, "{run}");
    assert!(run.says("33.3333% packet loss"), "{run}");
    assert!(run.says("not counted: 1 corrupted"), "{run}");
}

/// One request is lost; what came instead carries another nonce, and tells no time.
fn is_forged(run: &Run) {
    assert_eq!(run.counts(), one_lost(), "{run}");
    let line = run.line_with("Forged reply");
    assert!(line.contains("icmp_seq=2 "), "{run}");
    assert!(run.says("not counted: 1 forged"), "{run}");
    for time in run.text.split("time=").skip(1) {
        let time = time.split(' ').next().expect("a time").parse::<f64>();
        assert!(time.expect("a number") < 20_000.0, "{run}");
    }
}

#[test]
fn right_replies_are_received() {
    each_run(&["right"], |Judged { run, .. }| {
        let expected = Counts {
            received: 3,
            ..one_lost()
        };
        assert_eq!(run.counts(), expected, "{run}");
        assert!(run.says(", 0% packet loss"), "{run}");
    });
}

#[test]
fn a_bad_checksum_is_not_received() {
    each_run(&["bad checksum"], |Judged { kind, is_v6, run }| {
        // The kernel verifies all others itself, and throws them away.
        let seen = *kind == Kind::Raw && !is_v6;
        let expected = Counts {
            corrupted: seen.into(),
            ..one_lost()
        };
        assert_eq!(run.counts(), expected, "{run}");
        assert_eq!(run.says("bad checksum"), seen, "{run}");
    });
}

#[test]
fn a_payload_of_ones_is_forged_and_its_time_is_not_believed() {
    let rows = ["payload all 0xff", "send time all 0xff"];
    each_run(&rows, |Judged { run, .. }| is_forged(run));
}

#[test]
fn a_sequence_that_was_never_sent_is_not_received() {
    each_run(&["sequence never sent"], |Judged { run, .. }| {
        let counts = run.counts();
        let expected = Counts {
            corrupted: counts.corrupted,
            ..one_lost()
        };
        assert_eq!(counts, expected, "{run}");
        // It is never shown as an answer to the request that it pretends to answer.
        assert_eq!(run.text.matches("icmp_seq=2 ").count(), 0, "{run}");
    });
}

#[test]
fn a_reply_that_is_cut_or_longer_than_its_request_is_corrupted() {
    let rows = ["truncated", "cut to its header", "longer than sent"];
    each_run(&rows, |Judged { run, .. }| is_corrupted(run));
}

#[test]
fn a_wrong_byte_is_named_and_its_reply_is_corrupted() {
    each_run(&["corrupt byte"], |Judged { run, .. }| {
        is_corrupted(run);
        let words = "data byte #40 should be 0x28 but was 0xd7";
        assert!(run.says(words), "{run}");
    });
}

#[test]
fn a_reply_from_another_address_is_not_received() {
    each_run(&["other source"], |Judged { is_v6, run, .. }| {
        let counts = run.counts();
        let expected = Counts {
            corrupted: counts.corrupted,
            errors: counts.errors,
            ..one_lost()
        };
        assert_eq!(counts, expected, "{run}");
        let elsewhere = ping_rows::address(*is_v6, ping_rows::ELSEWHERE);
        assert!(run.says(&elsewhere), "who sent it is not told: {run}");
    });
}

#[test]
fn a_reply_with_another_identifier_is_not_received() {
    each_run(&["other identifier"], |Judged { run, .. }| {
        assert_eq!(run.counts(), one_lost(), "{run}");
    });
}

#[test]
fn a_duplicate_is_marked_and_stays_out_of_the_statistics() {
    each_run(&["duplicated"], |Judged { run, .. }| {
        let expected = Counts {
            received: 3,
            duplicates: 1,
            ..one_lost()
        };
        assert_eq!(run.counts(), expected, "{run}");
        assert!(run.line_with("(DUP!)").contains("icmp_seq=2"), "{run}");
    });
}

#[test]
fn a_reply_after_its_time_is_late() {
    each_run(&["late"], |Judged { run, .. }| {
        assert_eq!(run.counts(), one_lost(), "{run}");
        assert!(run.says("late"), "{run}");
    });
}

#[test]
fn replies_out_of_order_are_received() {
    each_run(&["reordered"], |Judged { run, .. }| {
        let expected = Counts {
            received: 3,
            ..one_lost()
        };
        assert_eq!(run.counts(), expected, "{run}");
        let place = |words| run.text.find(words).expect("a line");
        assert!(place("icmp_seq=3 ") < place("icmp_seq=2 "), "{run}");
    });
}

#[test]
fn an_error_with_options_in_its_quote_is_that_of_its_request() {
    let rows = [
        "unreachable, right quote",
        "unreachable, quote with options",
        "unreachable, from a router",
    ];
    each_run(&rows, |Judged { run, .. }| {
        let expected = Counts {
            errors: 1,
            ..one_lost()
        };
        assert_eq!(run.counts(), expected, "{run}");
        let line = run.line_with("From ");
        assert!(line.contains(" icmp_seq=2 Destination "), "{run}");
    });
}

#[test]
fn an_error_that_quotes_nothing_of_ours_is_not_ours() {
    let rows = [
        "unreachable, quote cut",
        "unreachable, header past its end",
        "unreachable, another's request",
        "unreachable, another's destination",
        "unreachable, sequence never sent",
    ];
    each_run(&rows, |Judged { run, .. }| {
        assert_eq!(run.counts(), one_lost(), "{run}");
    });
}

#[test]
fn a_reply_behind_an_error_is_received() {
    each_run(&["unreachable, then right"], |Judged { run, .. }| {
        let counts = run.counts();
        assert_eq!((counts.sent, counts.received), (3, 3), "{run}");
    });
}

#[test]
fn lenient_counts_as_iputils_does() {
    let Some(scene) = Scene::new("--lenient") else {
        return;
    };
    let replies = ping_rows::ROWS.iter().map(|row| row.name);
    let replies = replies.filter(|name| !name.starts_with("unreachable"));
    std::thread::scope(|scope| {
        for row in replies {
            let scene = &scene;
            scope.spawn(move || is_lenient(scene, row));
        }
    });
}

/// As `ping_judges` shows it of iputils.
fn is_lenient(scene: &Scene, row: &str) {
    for Judged { kind, is_v6, run } in scene.ask(row, "--lenient") {
        let seen = match row {
            "bad checksum" => kind == Kind::Raw && !is_v6,
            "other identifier" | "silent" => false,
            _ => true,
        };
        let expected = Counts {
            received: 2 + u64::from(seen),
            duplicates: u64::from(row == "duplicated"),
            ..one_lost()
        };
        assert_eq!(run.counts(), expected, "{row} {kind:?}: {run}");
        assert_eq!(run.status, Some(0), "{row}: {run}");
    }
}
