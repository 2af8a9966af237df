//! The parsers that others read ping's text with (jc, pingparsing) read ours, and the same in it as
//! in that of iputils.

use serde_json::{Value, json};

use crate::namespace::Namespace;
use crate::ping_rows::{self, address_of};
use crate::pinging::Run;
use crate::support::parsers::{parsed, parser};
use crate::support::{program, skip};

/// A document in which every time is only a time.
fn without_times(mut value: Value) -> Value {
    const TIMES: &[&str] = &["time_ms", "round_trip_ms", "rtt_", "timestamp", "time"];
    match &mut value {
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                let is_time = TIMES.iter().any(|start| name.starts_with(start));
                if is_time && !field.is_null() {
                    *field = json!("a time");
                } else {
                    *field = without_times(field.take());
                }
            }
        }
        Value::Array(items) => {
            // A busy machine may turn their order.
            items.sort_by_key(|item| item["icmp_seq"].as_u64());
            for item in items {
                *item = without_times(item.take());
            }
        }
        _ => {}
    }
    value
}

/// Runs iputils and ours with the same words, and compares what is read in both.
fn compare(name: &str, args: &[&str], words: &[&str]) {
    let test = format!("{name} reads ping");
    let Some(parser) = parser(&test, name) else {
        return;
    };
    if program("ping").is_none() || program("nft").is_none() {
        return skip(&test, "ping or nft is not installed");
    }
    let Some(namespace) = Namespace::new(&test) else {
        return;
    };
    let Some(_host) = ping_rows::host(&test, &namespace) else {
        return;
    };
    // 127.0.0.9 refuses.
    namespace.firewall(
        "icmp type echo-request ip daddr 127.0.0.9 reject with icmp type host-unreachable",
    );
    std::thread::scope(|scope| {
        for words in words {
            let (namespace, parser) = (&namespace, &parser);
            scope.spawn(move || {
                let ours = Run::words(namespace, words);
                let theirs = Run::other(namespace, &format!("ping {words}"));
                assert_eq!(ours.status, theirs.status, "{words}: {ours}{theirs}");
                let read = |run: &Run| without_times(parsed(parser, args, &run.text));
                assert_eq!(read(&ours), read(&theirs), "{words}: {ours}{theirs}");
            });
        }
    });
}

/// Addresses of the host that answers by rows.
fn scenes() -> Vec<String> {
    let mut scenes: Vec<String> = [
        "127.0.0.1",
        "::1",
        "-D 127.0.0.1",
        "-s 16 127.0.0.1",
        "-q 127.0.0.1",
        "-I 127.0.0.1 127.0.0.2",
        "127.0.0.9",
    ]
    .map(|words| format!("-n -c 3 -i 0.02 -W 1 {words}"))
    .to_vec();
    for row in ["duplicated", "silent"] {
        for is_v6 in [false, true] {
            scenes.push(format!("-n -c 3 -i 0.1 -W 1 {}", address_of(is_v6, row)));
        }
    }
    scenes
}

#[test]
fn jc_reads_the_same_in_our_text_and_in_that_of_iputils() {
    let scenes = scenes();
    let scenes: Vec<&str> = scenes.iter().map(String::as_str).collect();
    compare("jc", &["--ping"], &scenes);
}

#[test]
fn pingparsing_reads_the_same_in_our_text_and_in_that_of_iputils() {
    let scenes = scenes();
    // It takes half a second each.
    let scenes: Vec<&str> = scenes.iter().map(String::as_str).step_by(2).collect();
    compare("pingparsing", &["--icmp-reply", "-"], &scenes);
}

#[test]
fn jc_and_pingparsing_read_our_imitation_of_bsd() {
    let test = "--format bsd";
    let parsers = (parser(test, "jc"), parser(test, "pingparsing"));
    let (Some(jc), Some(pingparsing)) = parsers else {
        return;
    };
    let Some(namespace) = Namespace::new(test) else {
        return;
    };
    let run = Run::words(&namespace, "--format bsd -n -c 3 -i 0.02 127.0.0.1");
    assert_eq!(run.status, Some(0), "{run}");
    assert!(run.says("round-trip min/avg/max/stddev = "), "{run}");
    let read = parsed(&jc, &["--ping"], &run.text);
    assert_eq!(read["packets_received"], 3, "{read:#}");
    let sequences = read["responses"].as_array().expect("a list").iter();
    let sequences: Vec<&Value> = sequences.map(|reply| &reply["icmp_seq"]).collect();
    assert_eq!(sequences, [0, 1, 2], "{read:#}");
    let read = parsed(&pingparsing, &["-"], &run.text);
    assert_eq!(read["packet_receive"], 3, "{read:#}");
    assert!(read["rtt_avg"].is_number(), "{read:#}");
}
