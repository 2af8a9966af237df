//! What the time of a reply is made of, and what is lost without a word.

use std::net::{TcpListener, UdpSocket};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::namespace::Namespace;
use crate::pinging::Run;
use crate::routed::{Path, SERVER};
use crate::support::{program, skip};

/// The milliseconds of the queue that is filled below: 60 kB at 1 Mbit/s are 480.
const QUEUE: std::ops::Range<f64> = 250.0..900.0;

/// The link out of the client takes 1 Mbit/s, and something else keeps its queue full during `run`.
fn beside_a_full_queue<T>(path: &Path, run: impl FnOnce() -> T) -> Option<T> {
    let words = "qdisc add dev near0 root tbf rate 1mbit burst 3k limit 60k";
    let mut tc = path.client.command("tc");
    let done = tc.args(words.split(' ')).stderr(Stdio::null()).status();
    if !done.is_ok_and(|it| it.success()) {
        return None;
    }
    let over = AtomicBool::new(false);
    let socket = path
        .client
        .inside(|| UdpSocket::bind("0.0.0.0:0").expect("binds"));
    let result = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                // A full queue refuses some.
                let _ = socket.send_to(&[b'x'; 1000], (SERVER[0], 9));
                std::thread::sleep(Duration::from_millis(4));
            }
        });
        // It is full when a reply takes long.
        for _ in 0..100 {
            let warm = Run::words(&path.client, &format!("-c 1 -W 2 {}", SERVER[0]));
            if mean(&warm) > QUEUE.start {
                break;
            }
        }
        let result = run();
        over.store(true, Ordering::Relaxed);
        result
    });
    Some(result)
}

/// The mean round-trip time in milliseconds.
fn mean(run: &Run) -> f64 {
    let line = run.text.lines().find(|it| it.starts_with("rtt "));
    let mean = line.and_then(|line| line.split('/').nth(4));
    mean.and_then(|mean| mean.parse().ok()).unwrap_or(0.0)
}

#[test]
fn the_queue_of_the_own_link_is_a_part_of_the_round_trip_and_is_told_apart() {
    let test = "a full queue";
    if program("tc").is_none() {
        skip(test, "tc is not installed");
        return;
    }
    let Some(path) = Path::new(test) else {
        return;
    };
    let run = beside_a_full_queue(&path, || {
        Run::words(&path.client, &format!("-c 5 -i 0.1 -W 3 {}", SERVER[0]))
    });
    let Some(run) = run else {
        skip(test, "the kernel has no tbf");
        return;
    };
    assert!(QUEUE.contains(&mean(&run)), "{run}");
    assert!(run.says(" ms in this host's queue"), "{run}");
}

#[test]
fn each_request_that_a_full_queue_refused_at_first_has_its_own_time_in_it() {
    let test = "a queue that refuses";
    if program("tc").is_none() {
        skip(test, "tc is not installed");
        return;
    }
    let Some(path) = Path::new(test) else {
        return;
    };
    // Three packets wait, each for 130 ms; more are refused (ENOBUFS).
    let words = "qdisc add dev near0 root tbf rate 64kbit burst 2k limit 4k";
    let mut tc = path.client.command("tc");
    let done = tc.args(words.split(' ')).stderr(Stdio::null()).status();
    if !done.is_ok_and(|it| it.success()) {
        skip(test, "the kernel has no tbf");
        return;
    }
    let words = format!("--json -c 12 -l 12 -s 1000 -W 9 {}", SERVER[0]);
    let run = Run::words(&path.client, &words);
    let times = run.objects().into_iter().filter_map(|it| {
        let (rtt, queue) = (it["rtt_us"].as_f64()?, it["queue_us"].as_f64()?);
        Some((rtt / 1000.0, queue / 1000.0))
    });
    let times: Vec<(f64, f64)> = times.collect();
    assert!(run.summary()["send_retries"].as_u64() > Some(0), "{run}");
    // Without the queue the round trip is short; a slow machine may delay some.
    let right = times.iter().filter(|(rtt, queue)| rtt - queue < 100.0);
    assert!(right.count() >= 9, "{times:?}: {run}");
    assert!(times.iter().any(|(_, queue)| *queue > 200.0), "{run}");
}

#[test]
fn a_lost_syn_is_told_and_is_a_loss() {
    let test = "--tcp, a lost SYN";
    if program("nft").is_none() {
        skip(test, "nft is not installed");
        return;
    }
    let Some(path) = Path::new(test) else {
        return;
    };
    let listener = path
        .server
        .inside(|| TcpListener::bind(("::", 7001)).expect("binds"));
    path.router.firewall_at(
        "forward",
        "tcp dport 7001 tcp flags syn / syn,ack numgen inc mod 2 == 0 drop",
    );
    let words = format!("--tcp 7001 -c 2 -i 0.1 {}", SERVER[0]);
    let run = Run::words(&path.client, &words);
    drop(listener);
    assert_eq!(run.status, Some(0), "{run}");
    assert_eq!(
        run.text.matches(" ms (1 SYN lost and sent again)").count(),
        2,
        "{run}"
    );
    assert!(
        run.says("2 tried, 2 open, 0 refused, 0 filtered, 0 failed, 50% loss"),
        "{run}"
    );
    // The second of waiting is no round trip.
    assert!(!run.says("rtt min"), "{run}");
}

#[test]
fn several_ports_are_tried_and_each_is_counted() {
    let Some(path) = Path::new("--tcp, several ports") else {
        return;
    };
    let listener = path
        .server
        .inside(|| TcpListener::bind(("::", 7001)).expect("binds"));
    let words = format!("--tcp 7001,7002 -c 2 -i 0.05 {}", SERVER[0]);
    let run = Run::words(&path.client, &words);
    assert_eq!(run.status, Some(1), "{run}");
    assert!(
        run.says("port 7001 TCP handshakes ---\n2 tried, 2 open"),
        "{run}"
    );
    assert!(
        run.says("port 7002 TCP handshakes ---\n2 tried, 0 open, 2 refused"),
        "{run}"
    );
    let words = format!("--tcp 7001 --wait-up {}", SERVER[0]);
    let run = Run::words(&path.client, &words);
    assert!(run.says("1 tried, 1 open"), "{run}");
    drop(listener);
    let words = format!("--tcp 7001 --until-down 2 -i 0.05 {}", SERVER[0]);
    let run = Run::words(&path.client, &words);
    assert!(run.says("2 tried, 0 open, 2 refused"), "{run}");
}

#[test]
fn a_device_and_a_source_are_both_used_and_a_source_of_the_other_family_is_told() {
    let Some(path) = Path::new("-I twice") else {
        return;
    };
    path.client.ip(&["route del default"]);
    let words = "-c 1 -W 1 -I near0 -I 10.77.1.1 10.77.2.254";
    let run = Run::words(&path.client, words);
    assert_eq!(run.status, Some(0), "{run}");
    assert!(run.says("from 10.77.1.1 near0: "), "{run}");
    let run = Run::words(&path.client, &format!("-c 1 -I 10.77.1.1 {}", SERVER[1]));
    assert_eq!(run.status, Some(2), "{run}");
    assert!(run.errors.contains("two families"), "{run}");
}

#[test]
fn the_anycast_address_of_a_subnets_routers_answers() {
    let Some(path) = Path::new("anycast") else {
        return;
    };
    let run = Run::words(&path.client, "-c 2 -i 0.05 -W 2 fd77:1::");
    assert_eq!((run.status, run.counts().received), (Some(0), 2), "{run}");
}

#[test]
fn who_waits_for_a_host_waits_for_its_name_too_until_the_deadline() {
    let Some(namespace) = Namespace::new("--wait-up, a name") else {
        return;
    };
    let start = Instant::now();
    let run = Run::words(&namespace, "--wait-up -w 1.2 later.invalid");
    assert!(start.elapsed() >= Duration::from_secs(1), "{run}");
    assert_eq!(run.status, Some(2), "{run}");
    assert!(
        run.errors.contains("waiting until the name resolves"),
        "{run}"
    );
}
