//! What the flags of iputils change on the wire, and how a run ends.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::namespace::Namespace;
use crate::ping_rows::address;
use crate::pinging::Run;
use crate::responder::{Answer, Echo, Responder};

/// A namespace, its host, and what that heard.
type Heard = (Namespace, Responder, Arc<Mutex<Vec<Echo>>>);

/// A host that answers by this script.
fn listening(
    test: &str,
    mut script: impl FnMut(&Echo) -> Vec<Answer> + Send + 'static,
) -> Option<Heard> {
    let namespace = Namespace::new(test)?;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&heard);
    let host = Responder::start(test, &namespace, move |echo| {
        keep.lock().expect("not poisoned").push(echo.clone());
        script(echo)
    })?;
    Some((namespace, host, heard))
}

fn right(_: &Echo) -> Vec<Answer> {
    vec![Answer::right()]
}

/// Whether the bits of this byte are set in a packet.
fn has(echo: &Echo, at: usize, bits: u8) -> bool {
    echo.packet[at] & bits == bits
}

#[test]
fn the_flags_of_ipv4_are_in_the_packet() {
    let Some((namespace, _host, heard)) = listening("flags of IPv4", right) else {
        return;
    };
    let target = address(false, 7);
    let flags = "-c 1 -W 1 -t 33 -Q 0x2c -s 100 -p ff00a5";
    for (kind, must_not_be_cut) in [("do", true), ("dont", false), ("probe", true)] {
        let run = Run::words(&namespace, &format!("{flags} -M {kind} {target}"));
        assert_eq!(run.status, Some(0), "{run}");
        assert!(run.says("100(128) bytes of data."), "{run}");
        assert!(run.says("108 bytes from "), "{run}");
        let echo = heard.lock().unwrap().pop().expect("a request");
        assert_eq!((echo.packet[1], echo.packet[8]), (0x2c, 33), "-Q and -t");
        assert_eq!(has(&echo, 6, 0x40), must_not_be_cut, "-M {kind}");
        assert_eq!(echo.payload.len(), 100);
        assert!(echo.payload.ends_with(&[0xff, 0, 0xa5, 0xff]), "{echo:?}");
    }
}

#[test]
fn the_flags_of_ipv6_are_in_the_packet() {
    let Some((namespace, _host, heard)) = listening("flags of IPv6", right) else {
        return;
    };
    let run = Run::words(
        &namespace,
        &format!("-c 1 -W 1 -t 33 -Q 0x2c -s 100 -p a5 {}", address(true, 7)),
    );
    assert_eq!(run.status, Some(0), "{run}");
    let echo = heard.lock().unwrap().pop().expect("a request");
    let class = echo.packet[0] << 4 | echo.packet[1] >> 4;
    assert_eq!((class, echo.packet[7]), (0x2c, 33), "-Q and -t");
    assert!(echo.payload.ends_with(&[0xa5; 40]), "{echo:?}");
}

#[test]
fn the_smallest_and_the_largest_packets_come_back() {
    let Some((namespace, _host, heard)) = listening("sizes", right) else {
        return;
    };
    for target in [address(false, 7), address(true, 7)] {
        for size in [0, 1, 15, 16, 17, 1400] {
            let run = Run::words(&namespace, &format!("-c 2 -i 0.01 -W 1 -s {size} {target}"));
            assert_eq!((run.status, run.counts().received), (Some(0), 2), "{run}");
            let echo = heard.lock().unwrap().pop().expect("a request");
            assert_eq!(echo.payload.len(), size);
        }
    }
    // In fragments.
    for (target, most) in [("127.0.0.1", 65_507), ("::1", 65_527)] {
        let run = Run::words(&namespace, &format!("-c 1 -W 1 -s {most} {target}"));
        assert_eq!((run.status, run.counts().received), (Some(0), 1), "{run}");
    }
}

#[test]
fn requests_are_told_apart_by_more_than_their_sequence() {
    let Some((namespace, _host, heard)) = listening("nonces", right) else {
        return;
    };
    let run = Run::words(
        &namespace,
        &format!("-c 3 -i 0.01 -W 1 {}", address(false, 7)),
    );
    assert_eq!(run.counts().received, 3, "{run}");
    let heard = heard.lock().unwrap();
    let payloads: Vec<&Vec<u8>> = heard.iter().map(|echo| &echo.payload).collect();
    assert!(payloads[0] != payloads[1] && payloads[1] != payloads[2]);
    let sequences: Vec<u16> = heard.iter().map(|echo| echo.sequence).collect();
    assert_eq!(sequences, [1, 2, 3]);
}

#[test]
fn the_first_packets_go_out_at_once() {
    let Some((namespace, _host, heard)) = listening("-l", right) else {
        return;
    };
    let start = Instant::now();
    let run = Run::words(
        &namespace,
        &format!("-l 5 -c 5 -i 60 {}", address(false, 7)),
    );
    assert_eq!((run.status, run.counts().received), (Some(0), 5), "{run}");
    assert_eq!(heard.lock().unwrap().len(), 5);
    assert!(start.elapsed() < Duration::from_secs(50), "{run}");
}

#[test]
fn what_is_not_answered_yet_is_told() {
    let first_is_silent = |echo: &Echo| match echo.number {
        1 => vec![],
        _ => vec![Answer::right()],
    };
    let Some((namespace, _host, _)) = listening("-O", first_is_silent) else {
        return;
    };
    let run = Run::words(
        &namespace,
        &format!("-O -c 3 -i 0.1 -W 1 {}", address(false, 7)),
    );
    assert_eq!(run.counts().received, 2, "{run}");
    assert_eq!(
        run.line_with("no answer yet"),
        "no answer yet for icmp_seq=1"
    );
}

#[test]
fn a_deadline_ends_a_run_and_errors_do_not() {
    let refuses = |_: &Echo| vec![Answer::error(3, 1)];
    let Some((namespace, _host, _)) = listening("-w", refuses) else {
        return;
    };
    let start = Instant::now();
    let run = Run::words(&namespace, &format!("-w 1 -i 0.05 {}", address(false, 7)));
    assert!(start.elapsed() >= Duration::from_millis(990), "{run}");
    assert_eq!(run.status, Some(1), "{run}");
    let counts = run.counts();
    assert!(counts.sent >= 5 && counts.errors >= 5, "{run}");
    assert_eq!(counts.received, 0, "{run}");
}

#[test]
fn a_deadline_before_the_count_is_reached_is_a_bad_answer() {
    let Some(namespace) = Namespace::new("-w and -c") else {
        return;
    };
    let run = Run::words(&namespace, "-w 1 -c 50 -i 0.3 127.0.0.1");
    let counts = run.counts();
    assert!(counts.received > 0 && counts.received < 50, "{run}");
    assert_eq!(run.status, Some(1), "{run}");
}

#[test]
fn a_run_waits_until_the_host_is_up_and_until_it_is_down() {
    let up_for_three = |echo: &Echo| match echo.number {
        4..=6 => vec![Answer::right()],
        _ => vec![],
    };
    let Some((namespace, _host, heard)) = listening("--wait-up", up_for_three) else {
        return;
    };
    let run = Run::words(
        &namespace,
        &format!("--wait-up -i 0.05 -W 0.3 {}", address(false, 7)),
    );
    assert_eq!((run.status, run.counts().received), (Some(0), 1), "{run}");
    let up = |echo: &Echo| (4..=6).contains(&echo.number);
    assert!(heard.lock().unwrap().iter().any(up));

    let Some((namespace, _host, _)) = listening("--until-down", |echo: &Echo| match echo.number {
        1..=3 => vec![Answer::right()],
        _ => vec![],
    }) else {
        return;
    };
    let run = Run::words(
        &namespace,
        &format!("--until-down -i 0.05 -W 1 {}", address(false, 7)),
    );
    let counts = run.counts();
    assert_eq!(counts.received, 3, "{run}");
    assert!(counts.sent > 3, "{run}");
}

#[test]
fn an_adaptive_run_sends_when_the_answer_is_there() {
    let Some((namespace, _host, _)) = listening("-A", right) else {
        return;
    };
    let start = Instant::now();
    let run = Run::words(
        &namespace,
        &format!("-A -q -c 60 -i 1 {}", address(false, 7)),
    );
    assert_eq!((run.status, run.counts().received), (Some(0), 60), "{run}");
    assert!(start.elapsed() < Duration::from_secs(15), "{run}");
}

#[test]
fn a_delay_is_measured_by_each_way_of_timing_and_the_way_is_told() {
    const DELAY: Duration = Duration::from_millis(80);
    let slow = |_: &Echo| vec![Answer::right().after(DELAY)];
    let Some((namespace, _host, _)) = listening("--timing", slow) else {
        return;
    };
    for target in [address(false, 7), address(true, 7)] {
        for (timing, told) in [
            ("kernel", "kernel timestamps"),
            ("user", "this program's clock"),
        ] {
            let words = format!("--timing {timing} -c 3 -i 0.02 -W 2 {target}");
            let run = Run::words(&namespace, &words);
            assert_eq!((run.status, run.counts().received), (Some(0), 3), "{run}");
            let times = run.text.split("time=").skip(1);
            let times = times.map(|rest| rest.split(' ').next().expect("a time").parse::<f64>());
            for time in times {
                // Written without its decimals.
                assert!(time.expect("a number") >= 80.0, "{run}");
            }
            let own = run
                .text
                .split(" ping statistics ---")
                .nth(1)
                .expect("statistics");
            assert!(own.contains(told), "{run}");
        }
    }
}

#[test]
fn source_and_mark_are_those_that_were_asked_for() {
    let Some((namespace, _host, heard)) = listening("-I", right) else {
        return;
    };
    namespace.ip(&["addr add 10.99.0.3/24 dev pong0"]);
    let target = address(false, 7);
    let run = Run::words(&namespace, &format!("-c 1 -W 1 -I 10.99.0.3 {target}"));
    assert_eq!(run.status, Some(0), "{run}");
    assert!(
        run.says(&format!("PING {target} ({target}) from 10.99.0.3 : ")),
        "{run}"
    );
    let echo = heard.lock().unwrap().pop().expect("a request");
    assert_eq!(echo.source.to_string(), "10.99.0.3");
    let run = Run::words(&namespace, &format!("-c 1 -W 1 -I pong0 {target}"));
    assert_eq!(run.status, Some(0), "{run}");
    assert!(
        run.says(" from 10.99.0.1 pong0: 56(84) bytes of data."),
        "{run}"
    );
    let run = Run::words(&namespace, &format!("-c 1 -W 1 -I nosuch0 {target}"));
    assert_eq!(run.status, Some(2), "{run}");
    assert!(run.errors.contains("nosuch0"), "{run}");
    if crate::support::program("nft").is_some() {
        namespace.firewall_at(
            "output",
            "icmp type echo-request meta mark 77 counter accept",
        );
        let run = Run::words(&namespace, &format!("-c 2 -i 0.01 -W 1 -m 77 {target}"));
        assert_eq!(run.status, Some(0), "{run}");
        assert_eq!(namespace.counted_by_the_firewall(), 2);
    }
}
