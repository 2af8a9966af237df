//! SIGTERM and SIGINT: stop accepting, finish what is in flight, exit 0.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::speak::{self, good_client};
use crate::support::{Server, launched_by};

/// A connection with half a request, which the server has begun to read.
fn half_a_request(server: &Server) -> (TcpStream, Vec<u8>) {
    let mut stream = server.connect();
    let request = speak::search("ring");
    let (begin, rest) = request.split_at(50);
    stream.write_all(begin).expect("writes");
    (stream, rest.to_vec())
}

#[test]
fn sigterm_and_sigint_end_each_server_with_status_0() {
    for signal in ["TERM", "INT"] {
        for args in [
            &["app-server", "0"][..],
            &["app-server", "0", "--keep-open", "--threads", "2", "-v"],
            &["echo-server", "0", "--json"],
            &["echo-server", "0", "--udp"],
        ] {
            let mut server = Server::start(args);
            server.signal(signal);
            assert_eq!(server.wait().code(), Some(0), "{signal} {args:?}");
        }
    }
}

#[test]
fn a_signal_right_behind_the_first_line_is_heard() {
    let starters: Vec<_> = (0..8)
        .map(|_| {
            std::thread::spawn(|| {
                for _ in 0..5 {
                    let mut server = Server::start(&["app-server", "0"]);
                    server.signal("TERM");
                    assert_eq!(server.wait().code(), Some(0), "killed, not ended");
                }
            })
        })
        .collect();
    for starter in starters {
        starter.join().expect("every server ended with status 0");
    }
}

#[test]
fn sigint_ends_a_server_that_a_shell_started_with_sigint_ignored() {
    let mut command = launched_by(&["sh", "-c", "trap '' INT; exec \"$0\" \"$@\""]);
    command.args(["app-server", "0"]);
    let mut server = Server::spawn(command);
    good_client(server.address, "the start");
    server.signal("INT");
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn after_sigterm_nothing_is_accepted_and_what_is_in_flight_is_finished() {
    let mut server = Server::start(&["app-server", "0", "--drain", "60s"]);
    let (mut stream, rest) = half_a_request(&server);
    good_client(server.address, "half a request");
    server.signal("TERM");
    server.wait_for_error("shutting down: ");
    let refused = TcpStream::connect(server.address).expect_err("nothing listens");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    stream.write_all(&rest).expect("writes");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    assert_eq!(answer, speak::ring_reply());
    drop(stream);
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_request_that_waits_in_the_accept_queue_when_sigterm_comes_is_answered() {
    let mut server = Server::start(&["app-server", "0"]);
    server.freeze();
    let mut stream = server.connect();
    stream.write_all(&speak::search("ring")).expect("writes");
    server.signal("TERM");
    server.signal("CONT");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    assert_eq!(answer, speak::ring_reply());
    drop(stream);
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn idle_connections_do_not_hold_the_end_up_and_are_closed_in_order() {
    let mut server = Server::start(&["app-server", "0", "--keep-open", "--drain", "60s"]);
    let mut asked = server.connect();
    speak::ask(&mut asked, &speak::search("ring")).expect("an answer");
    let mut silent = server.connect();
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    assert_eq!(asked.read(&mut [0; 10]).expect("no reset"), 0);
    assert_eq!(silent.read(&mut [0; 10]).expect("no reset"), 0);
}

#[test]
fn when_the_drain_time_is_over_the_rest_is_cut_and_the_status_is_0() {
    let mut server = Server::start(&["app-server", "0", "--drain", "300ms"]);
    let (mut stream, _) = half_a_request(&server);
    good_client(server.address, "half a request");
    let start = Instant::now();
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    let elapsed = start.elapsed();
    assert!(elapsed >= Duration::from_millis(290), "{elapsed:?}");
    assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
    let said = server.last_errors().join("\n");
    assert!(
        said.contains("1 cut when the drain time was over"),
        "{said}"
    );
    let end = stream.read(&mut [0; 10]);
    assert!(matches!(end, Ok(0)) || end.is_err_and(|e| e.kind() == ErrorKind::ConnectionReset));
}

#[test]
fn a_second_signal_ends_at_once() {
    for (first, second) in [("TERM", "TERM"), ("INT", "TERM"), ("TERM", "INT")] {
        let mut server = Server::start(&["app-server", "0", "--drain", "10m"]);
        let (_stream, _) = half_a_request(&server);
        good_client(server.address, "half a request");
        server.signal(first);
        server.wait_for_error("shutting down: ");
        server.signal(second);
        assert_eq!(server.wait().code(), Some(0), "{first}, then {second}");
        let said = server.last_errors().join("\n");
        assert!(
            said.contains("Served 2 connections: 192 B received"),
            "{said}"
        );
        assert!(said.contains("cut by a second signal"), "{said}");
    }
}

#[test]
fn while_it_drains_it_does_not_spin() {
    let server = Server::start(&["app-server", "0", "--drain", "60s", "--threads", "2"]);
    let (_stream, _) = half_a_request(&server);
    good_client(server.address, "half a request");
    server.signal("TERM");
    server.wait_for_error("shutting down: ");
    let used = server.cpu_during(Duration::from_millis(300));
    assert!(used <= Duration::from_millis(50), "{used:?} of CPU time");
}

#[test]
fn all_threads_of_a_server_answer_and_all_of_them_end() {
    let mut server = Server::start(&["app-server", "0", "--threads", "4"]);
    let address = server.address;
    let clients: Vec<_> = (0..8)
        .map(|n| {
            std::thread::spawn(move || {
                for _ in 0..25 {
                    good_client(address, &format!("client {n}"));
                }
            })
        })
        .collect();
    for client in clients {
        client.join().expect("all were served");
    }
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    let said = server.last_errors().join("\n");
    assert!(said.contains("Served 200 connections"), "{said}");
}
