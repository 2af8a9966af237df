//! `sockdoc sockets --seconds`: what happens on real sockets between two samples.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::support::sockets::{Listing, inode, port};
use crate::support::{run, stderr, stdout};

/// Reads and drops what comes until the end.
fn drain(mut stream: TcpStream) {
    let mut piece = vec![0; 65_536];
    while stream.read(&mut piece).is_ok_and(|got| got > 0) {}
}

/// A connection to this listener and its other end.
fn connect(listener: &TcpListener) -> (TcpStream, TcpStream) {
    let client = TcpStream::connect(listener.local_addr().expect("bound")).expect("connects");
    let (server, _) = listener.accept().expect("accepts");
    (client, server)
}

/// A short connection on which the client sends this much, closed at both ends.
fn short(listener: &TcpListener, bytes: usize) {
    let (mut client, server) = connect(listener);
    client.write_all(&vec![7; bytes]).expect("writes");
    drop(client);
    drain(server);
}

fn rate(row: &Value, name: &str) -> f64 {
    row["rates"][name]
        .as_f64()
        .unwrap_or_else(|| panic!("{name} of {row:#}"))
}

/// Does this again and again while sockdoc measures.
fn meanwhile<T>(mut work: impl FnMut() + Send, measure: impl FnOnce() -> T) -> T {
    let done = &AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while !done.load(Ordering::Relaxed) {
                work();
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let measured = std::panic::catch_unwind(std::panic::AssertUnwindSafe(measure));
        done.store(true, Ordering::Relaxed);
        measured.unwrap_or_else(|failure| std::panic::resume_unwind(failure))
    })
}

#[test]
fn a_busy_connection_comes_before_an_idle_one_with_a_large_past() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let (mut idle, sink) = connect(&listener);
    let sinking = std::thread::spawn(move || drain(sink));
    idle.write_all(&vec![7; 20_000_000]).expect("writes");
    let (mut busy, mut reader) = connect(&listener);
    let busy_inode = inode(&busy);
    let listing = meanwhile(
        || {
            busy.write_all(&[7; 1000]).expect("writes");
            reader.read_exact(&mut [0; 1000]).expect("reads");
        },
        || Listing::take(&["--seconds", "500ms", &port(&listener)]),
    );
    // A connection of another test may have left its TIME-WAIT on this port.
    let rows = listing.rows().iter();
    let rows: Vec<&Value> = rows.filter(|row| row["state"] != "time_wait").collect();
    assert_eq!(rows.len(), 5, "{rows:#?}");
    let measured = listing.document["measured"]["seconds"]
        .as_f64()
        .expect("seconds");
    assert!(measured >= 0.5, "{measured}");
    // Both ends of the busy one.
    let out = rate(listing.with_inode(busy_inode), "out_bytes_per_s");
    assert!(out > 1_000.0, "{out}");
    assert!(rate(rows[0], "in_bytes_per_s") + rate(rows[0], "out_bytes_per_s") > 1_000.0);
    assert!(rate(listing.with_inode(inode(&idle)), "out_bytes_per_s") < 0.001);
    let of_listener = &listing.with_inode(inode(&listener))["rates"];
    assert_eq!(of_listener["in_bytes_per_s"], Value::Null);
    assert_eq!(of_listener["accepts_per_s"], 0.0);
    drop(idle);
    sinking.join().expect("ends");
}

#[test]
fn connections_that_come_and_go_are_counted_to_the_byte() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let port = &port(&listener);
    let listing = meanwhile(
        || short(&listener, 1000),
        || Listing::take(&["--seconds", "500ms", port]),
    );
    let measured = &listing.document["measured"];
    let count = |name: &str| measured[name].as_u64().expect("a count");
    let closed = count("closed");
    assert!(closed >= 4, "{measured}");
    // An end that was open before may have had its data before.
    let ends = [count("closed_in_bytes"), count("closed_out_bytes")];
    for bytes in ends {
        assert_eq!(bytes % 1000, 0, "{measured}");
        assert!(
            bytes / 1000 <= closed / 2 + 1 && bytes / 1000 + 2 >= closed / 2,
            "{measured}"
        );
    }
    let row = listing.with_inode(inode(&listener));
    assert!(rate(row, "accepts_per_s") >= 2.0, "{row:#}");

    let output = meanwhile(
        || short(&listener, 1000),
        || run(&["sockets", "--seconds", "500ms", "--group", "port", port]),
    );
    let text = stdout(&output);
    let heading: Vec<&str> = text
        .lines()
        .next()
        .expect("a heading")
        .split_whitespace()
        .collect();
    assert_eq!(
        heading,
        [
            "PORT",
            "SOCKETS",
            "IN/S",
            "OUT/S",
            "SEGS/S",
            "RETRANS/S",
            "DROPS/S",
            "ACCEPTS/S",
            "OPENED",
            "CLOSED",
            "WHY"
        ]
    );
    let cells: Vec<&str> = text
        .lines()
        .nth(1)
        .expect("a row")
        .split_whitespace()
        .collect();
    assert!(
        cells[2].parse::<f64>().expect("a rate") >= 2_000.0,
        "{text}"
    );
    assert!(cells[9].parse::<u64>().expect("a count") >= 4, "{text}");
    assert!(text.contains("measured for 5"), "{text}");

    // As rows.
    let listing = meanwhile(
        || short(&listener, 1000),
        || Listing::take(&["--seconds", "500ms", "-a", port]),
    );
    let closed = listing.rows().iter().filter(|row| row["state"] == "closed");
    assert!(closed.count() >= 4);
}

#[test]
fn a_rate_without_a_time_is_answered_with_the_flag() {
    for args in [&["--sort", "in"][..], &["--cols", "local,out/s"]] {
        let output = run(&[&["sockets"], args].concat());
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(
            stderr(&output).contains("sockets --seconds 2"),
            "{output:?}"
        );
    }
}
