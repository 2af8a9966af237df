//! Captures whose reader goes away or is too slow, and what is said of processes that are not there.

use std::io::Read as _;
use std::net::UdpSocket;

use crate::capture::{Capture, datagrams};
use crate::namespace::{Namespace, announced};
use crate::support::until;

#[test]
fn without_a_reader_it_ends_and_does_not_wait_for_a_packet() {
    let Some(namespace) = Namespace::new("a capture without a reader") else {
        return;
    };
    for args in [
        &["capture", "-i", "lo"][..],
        &["capture", "-i", "lo", "-w", "-"],
        &["drops"],
    ] {
        let mut command = namespace.launched();
        command.args(args);
        let (mut child, _errors, line) = announced(command);
        assert!(line.starts_with("sockdoc: "), "{line}");
        // The reader goes, as `head` does.
        drop(child.stdout.take());
        let status = until("it to end", || child.try_wait().expect("waits"));
        assert_eq!(status.code(), Some(0), "{args:?}");
    }
    // What is written to a file has no reader that could go.
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lo.pcap");
    let path = path.to_str().expect("text");
    let mut capture = Capture::start(&namespace, &["-i", "lo", "-w", path, "-c", "3", "udp"]);
    drop(capture.child.stdout.take());
    datagrams(&namespace, 7060, 3, 10);
    let printed = capture.wait();
    assert_eq!(printed.count(" packets written to "), 3);
}

#[test]
fn a_reader_that_stalls_is_not_waited_for_and_what_it_missed_is_counted() {
    let Some(namespace) = Namespace::new("a capture whose reader stalls") else {
        return;
    };
    // Each packet is printed in about 6 kB.
    let mut capture = Capture::start(
        &namespace,
        &["-i", "lo", "-x", "--no-process", "udp port 7061"],
    );
    let packets = 3_000;
    datagrams(&namespace, 7061, packets, 1_400);
    capture.signal("INT");
    // Nobody reads until it has ended.
    let status = until("it to end", || capture.child.try_wait().expect("waits"));
    assert_eq!(status.code(), Some(0));
    let printed = capture.wait();
    assert!(
        printed.count(" lines not printed: the reader of standard output is too slow") > 1_000,
        "{:?}",
        printed.errors
    );
    assert_eq!(
        printed.count(" packets received by the filter"),
        packets as u64,
        "{:?}",
        printed.errors
    );
    assert_eq!(printed.count(" dropped by the kernel"), 0);
    assert_eq!(printed.count(" packets in "), packets as u64);
}

#[test]
fn a_reader_of_a_file_that_stalls_does_not_keep_a_signal_waiting() {
    let Some(namespace) = Namespace::new("a capture to a pipe that is not read") else {
        return;
    };
    let args = ["-i", "lo", "-w", "-", "--no-process", "udp port 7065"];
    let mut capture = Capture::start(&namespace, &args);
    let packets = 3_000;
    datagrams(&namespace, 7065, packets, 1_400);
    capture.signal("INT");
    let status = until("it to end", || capture.child.try_wait().expect("waits"));
    assert_eq!(status.code(), Some(2));
    let mut said = String::new();
    capture.errors.read_to_string(&mut said).expect("text");
    assert!(said.contains("its reader does not read"), "{said}");
    assert!(said.contains(" packets received by the filter"), "{said}");
}

#[test]
fn an_interface_that_is_named_twice_gives_each_packet_once() {
    let Some(namespace) = Namespace::new("a capture on the same interface twice") else {
        return;
    };
    for interfaces in [["lo", "lo"], ["lo", "any"]] {
        let args = ["-i", interfaces[0], "-i", interfaces[1], "udp port 7063"];
        let capture = Capture::start(&namespace, &args);
        datagrams(&namespace, 7063, 2, 10);
        let printed = capture.stop();
        assert_eq!(printed.lines.len(), 2, "{:#?}", printed.lines);
    }
}

#[test]
fn a_process_that_is_not_there_is_told_of_and_so_are_the_packets_of_others() {
    let Some(namespace) = Namespace::new("a capture of a process that is not there") else {
        return;
    };
    let args = ["-i", "lo", "--process", "no such process", "udp port 7064"];
    let capture = Capture::start(&namespace, &args);
    let held = namespace.inside(|| {
        let to = UdpSocket::bind("127.0.0.1:7064").expect("bound");
        to.send_to(b"x", "127.0.0.1:7064").expect("sent");
        to
    });
    let printed = capture.stop();
    drop(held);
    assert!(printed.lines.is_empty(), "{:#?}", printed.lines);
    let said = printed.errors.join("\n");
    assert!(
        said.contains("no process that matches --process has a socket now"),
        "{said}"
    );
    assert!(
        said.contains("0 packets of these processes, 1 of others or of none"),
        "{said}"
    );
}
