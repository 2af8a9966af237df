//! The clients as load generators: the report, the exit status, servers that stall or die.

use std::io::{Read, Write};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::speak;
use crate::support::{Running, Server, fake_server, run, sockdoc, stderr, stdout};

/// Runs a client with `--json`; gives its exit status and its report.
fn report(args: &[&str]) -> (Option<i32>, Value) {
    let output = run(&[args, &["--json"]].concat());
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{args:?}: {}", stderr(&output)));
    (output.status.code(), report)
}

fn errors(report: &Value) -> String {
    report["errors"].to_string()
}

#[test]
fn a_load_run_counts_every_request_and_reports() {
    let server = Server::start(&["app-server", "0"]);
    let port = server.port();
    let args = [
        "app-client",
        "127.0.0.1",
        &port,
        "search",
        "ring",
        "--conns",
        "4",
        "--count",
        "400",
    ];
    let output = run(&args);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
    let text = stdout(&output);
    assert!(
        text.starts_with("requests     400 of 400 succeeded in "),
        "{text}"
    );
    assert!(text.contains("400 opened, 4 at a time\n"), "{text}");
    assert!(text.contains("from the time each was sent"), "{text}");
    assert!(!text.contains("failed"), "{text}");
    assert!(text.lines().all(|line| line.len() <= 72), "{text}");
    let (status, report) = report(&args);
    assert_eq!(status, Some(0));
    assert_eq!(report["schema"], "sockdoc.app-client/1");
    assert_eq!(report["good"], 400);
    assert_eq!(report["failed"], 0);
    assert_eq!(report["connections"], 400);
    assert_eq!(report["sent_bytes"], 400 * 142);
    assert_eq!(report["received_bytes"], 400 * 165);
    let latency = |key: &str| report["latency"][key].as_f64().expect("a latency");
    assert!(0.0 < latency("min_us") && latency("min_us") <= latency("mean_us"));
    assert!(latency("mean_us") <= latency("max_us"));
}

/// What a server of ours does before it answers: it runs a program, and that takes as long as it takes.
fn some_work() {
    assert!(run(&["--version"]).status.success());
}

#[test]
fn a_latency_is_as_long_as_the_answer_took() {
    let shortest = Arc::new(Mutex::new(Duration::MAX));
    let took = Arc::clone(&shortest);
    let address = fake_server(move |_, mut stream| {
        let _ = speak::read_message(&mut stream);
        let start = Instant::now();
        some_work();
        let mut took = took.lock().expect("not poisoned");
        *took = start.elapsed().min(*took);
        let _ = stream.write_all(&speak::ring_reply());
    });
    let port = address.port().to_string();
    let start = Instant::now();
    let (status, report) = report(&[
        "app-client",
        "127.0.0.1",
        &port,
        "search",
        "ring",
        "--count",
        "4",
    ]);
    let all = start.elapsed().as_secs_f64() * 1e6;
    assert_eq!(status, Some(0));
    let least = shortest.lock().expect("not poisoned").as_secs_f64() * 1e6;
    for key in ["min_us", "mean_us", "max_us"] {
        let latency = report["latency"][key].as_f64().expect("a latency");
        assert!((least..all).contains(&latency), "{key}: {least}, {report}");
    }
    // Percentiles have three digits.
    let median = report["latency"]["percentiles_us"]["50"].as_f64();
    assert!(
        median.is_some_and(|median| median >= least * 0.998),
        "{report}"
    );
}

#[test]
fn conns_alone_is_one_request_on_each() {
    let server = Server::start(&["app-server", "0"]);
    let port = server.port();
    let (status, report) = report(&[
        "app-client",
        "127.0.0.1",
        &port,
        "search",
        "ring",
        "--conns",
        "7",
    ]);
    assert_eq!((status, &report["good"]), (Some(0), &7.into()));
    let server = Server::start(&["echo-server", "0"]);
    let output = run(&["echo-client", "127.0.0.1", &server.port(), "--conns", "3"]);
    assert_eq!(output.status.code(), Some(0));
    // The tutorial's two messages on each.
    assert!(
        stdout(&output).starts_with("requests     6 of 6 "),
        "{}",
        stdout(&output)
    );
}

#[test]
fn pipelined_requests_are_answered_on_the_connections_that_there_are() {
    let server = Server::start(&["app-server", "0", "--keep-open"]);
    let (status, report) = report(&[
        "app-client",
        "127.0.0.1",
        &server.port(),
        "search",
        "ring",
        "--conns",
        "2",
        "--count",
        "2000",
        "--pipeline",
        "16",
    ]);
    assert_eq!(
        (status, &report["good"]),
        (Some(0), &2000.into()),
        "{report}"
    );
    assert_eq!(report["connections"], 2);
    assert_eq!(report["pipeline"], 16);
}

#[test]
fn keep_open_against_a_server_that_closes_fails_loudly() {
    let server = Server::start(&["app-server", "0"]);
    let (status, report) = report(&[
        "app-client",
        "127.0.0.1",
        &server.port(),
        "search",
        "ring",
        "--count",
        "20",
        "--pipeline",
        "4",
    ]);
    assert_eq!(status, Some(1), "{report}");
    let sum = report["good"].as_u64().zip(report["failed"].as_u64());
    assert_eq!(
        sum.map(|(good, failed)| good + failed),
        Some(20),
        "{report}"
    );
    assert!(
        errors(&report).contains("closed before the reply was complete"),
        "{report}"
    );
}

#[test]
fn a_rate_is_kept_and_a_duration_ends_the_run() {
    let server = Server::start(&["app-server", "0"]);
    let port = server.port();
    let at = ["app-client", "127.0.0.1", &port, "search", "ring"];
    let start = Instant::now();
    let (status, paced) = report(&[&at[..], &["--rate", "100", "--count", "40"]].concat());
    assert_eq!((status, &paced["good"]), (Some(0), &40.into()), "{paced}");
    // The last of 40 is due after 390 ms.
    assert!(
        start.elapsed() >= Duration::from_millis(390),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(paced["latency"]["since"], "due");

    let start = Instant::now();
    let (status, timed) = report(&[&at[..], &["--duration", "300ms", "--conns", "2"]].concat());
    let elapsed = start.elapsed();
    assert_eq!((status, &timed["failed"]), (Some(0), &0.into()), "{timed}");
    assert!(
        timed["good"].as_u64().is_some_and(|good| good > 2),
        "{timed}"
    );
    assert!(
        elapsed >= Duration::from_millis(300) && elapsed < Duration::from_secs(5),
        "{elapsed:?}"
    );
}

#[test]
fn a_stall_shows_in_the_latency_of_every_request_that_was_due_meanwhile() {
    const RATE: f64 = 10_000.0;
    const COUNT: f64 = 2_000.0;
    let (tell, stalled) = std::sync::mpsc::channel();
    let address = fake_server(move |_, mut stream| {
        for number in 0.. {
            if speak::read_message(&mut stream).is_err() {
                return;
            }
            if number == 20 {
                let start = Instant::now();
                (0..20).for_each(|_| some_work());
                let _ = tell.send(start.elapsed().as_secs_f64());
            }
            if stream.write_all(&speak::ring_reply()).is_err() {
                return;
            }
        }
    });
    let port = address.port().to_string();
    let args = ["app-client", "127.0.0.1", &port, "search", "ring"];
    let load = ["--rate", "10000", "--count", "2000", "--keep-open"];
    let (status, report) = report(&[&args[..], &load].concat());
    let good = &report["good"];
    assert_eq!((status, good), (Some(0), &2000.into()), "{report}");
    let stall = stalled.recv().expect("a stall");
    let latency = |key: &str| report["latency"][key].as_f64().expect("a latency") / 1e6;
    assert!(latency("max_us") >= stall * 0.998, "{stall}: {report}");
    // On average those that were due in the stall waited for half of it; without their due times only one
    // would be slow.
    let due = (stall * RATE).min(COUNT - 21.0);
    assert!(due > 20.0, "{stall}");
    let together = latency("mean_us") * COUNT;
    assert!(together >= 0.9 * due * stall / 2.0, "{stall}: {report}");
}

#[test]
fn a_server_that_dies_in_mid_run_is_status_1_with_the_kinds_of_failure() {
    let mut server = Server::start(&["app-server", "0", "-v"]);
    let client = Running::from(
        sockdoc()
            .args(["app-client", "127.0.0.1", &server.port(), "search", "ring"])
            .args(["--conns", "4", "--duration", "700ms", "--json"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts"),
    );
    while !server.line().starts_with("Sending ") {}
    server.signal("KILL");
    server.wait();
    let output = client.wait_with_output().expect("ends");
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(
        report["good"].as_u64().is_some_and(|good| good > 0),
        "{report}"
    );
    assert!(
        report["failed"].as_u64().is_some_and(|failed| failed > 0),
        "{report}"
    );
    assert!(
        errors(&report).contains("Connection refused (ECONNREFUSED)"),
        "{report}"
    );
    // A server that is gone is not hammered.
    assert!(
        report["failed"].as_u64().is_some_and(|failed| failed < 100),
        "{report}"
    );
}

#[test]
fn answers_that_are_bad_are_counted_by_kind() {
    let address = fake_server(|number, mut stream| {
        let _ = speak::read_message(&mut stream);
        let _ = match number % 4 {
            0 => stream.write_all(&speak::reply("fine")),
            1 => stream.write_all(&speak::reply("Error: no")),
            2 => stream.write_all(b"\0\0"),
            _ => stream.write_all(&speak::reply("fine")[..50]),
        };
    });
    let port = address.port().to_string();
    let args = [
        "app-client",
        "127.0.0.1",
        &port,
        "search",
        "ring",
        "--count",
        "8",
    ];
    let (status, report) = report(&args);
    assert_eq!(status, Some(1));
    assert_eq!(
        (&report["good"], &report["failed"]),
        (&2.into(), &6.into()),
        "{report}"
    );
    let errors = errors(&report);
    for kind in [
        "answered with an error",
        "not a message",
        "closed in the middle of a reply",
    ] {
        assert!(errors.contains(kind), "{errors}");
    }
}

#[test]
fn a_server_that_never_answers_is_timed_out_and_the_run_ends() {
    let address = fake_server(|_, mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let start = Instant::now();
    let (status, report) = report(&[
        "app-client",
        "127.0.0.1",
        &address.port().to_string(),
        "search",
        "ring",
        "--count",
        "2",
        "--timeout",
        "200ms",
    ]);
    assert_eq!(
        (status, &report["good"], &report["failed"]),
        (Some(1), &0.into(), &2.into())
    );
    assert!(errors(&report).contains("timed out"), "{report}");
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn an_echo_load_with_verify_finds_what_differs() {
    let address = fake_server(|number, mut stream| {
        let mut message = [0; 5];
        while stream.read_exact(&mut message).is_ok() {
            if number == 1 {
                message[2] ^= 0x20;
            }
            let _ = stream.write_all(&message);
        }
    });
    let port = address.port().to_string();
    let base = [
        "echo-client",
        "127.0.0.1",
        &port,
        "--message",
        "hello",
        "--count",
        "3",
    ];
    let (status, report_) = report(&[&base[..], &["--verify"]].concat());
    assert_eq!(
        (status, &report_["good"]),
        (Some(0), &3.into()),
        "{report_}"
    );
    let (status, report_) = report(&[&base[..], &["--verify"]].concat());
    assert_eq!(status, Some(1), "{report_}");
    assert!(
        errors(&report_).contains("an echo that differs"),
        "{report_}"
    );
}

#[test]
fn datagrams_under_load_are_counted_too() {
    let server = Server::start(&["echo-server", "0", "--udp"]);
    let (status, report) = report(&[
        "echo-client",
        "127.0.0.1",
        &server.port(),
        "--udp",
        "--conns",
        "2",
        "--count",
        "100",
        "--verify",
    ]);
    assert_eq!(
        (status, &report["good"]),
        (Some(0), &100.into()),
        "{report}"
    );
}
