//! Servers at their limits: descriptors, connections, and ten thousand idle peers.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use crate::speak::{self, good_client};
use crate::support::{self, Server, launched_by, look_on, skip};

/// A shell that lowers the descriptor limit, soft and hard.
const FEW_DESCRIPTORS: [&str; 3] = ["sh", "-c", "ulimit -n 20; exec \"$0\" \"$@\""];

fn starving_server(args: &[&str]) -> (Server, Vec<TcpStream>) {
    let mut command = launched_by(&FEW_DESCRIPTORS);
    command.args(args);
    let server = Server::spawn(command);
    let crowd: Vec<TcpStream> = (0..30).map(|_| server.connect()).collect();
    (server, crowd)
}

#[test]
fn without_descriptors_the_server_says_so_once_rests_and_recovers() {
    for args in [&["app-server", "0"][..], &["echo-server", "0"]] {
        let (server, crowd) = starving_server(args);
        let told = server.error_line();
        assert!(told.contains("(EMFILE)"), "{told}");
        let used = server.cpu_during(Duration::from_millis(500));
        assert!(
            used <= Duration::from_millis(50),
            "it spins: {used:?} of CPU time"
        );
        assert_eq!(server.errors_so_far(), Vec::<String>::new());
        drop(crowd);
        let told = server.error_line();
        assert!(told.contains("connections are accepted again"), "{told}");
        server.wait_for_no_connections();
        let mut stream = server.connect();
        let request = speak::search("ring");
        let answer = speak::ask(&mut stream, &request).expect("an answer");
        let echoes = args[0] == "echo-server";
        assert!(answer == if echoes { request } else { speak::ring_reply() });
        assert_eq!(server.errors_so_far(), Vec::<String>::new());
    }
}

#[test]
fn several_threads_without_descriptors_do_not_spin_either() {
    let (server, _crowd) = starving_server(&["app-server", "0", "--threads", "3"]);
    server.wait_for_error("(EMFILE)");
    let used = server.cpu_during(Duration::from_millis(500));
    assert!(
        used <= Duration::from_millis(50),
        "it spins: {used:?} of CPU time"
    );
}

#[test]
fn while_it_starves_the_open_connections_are_served() {
    let mut command = launched_by(&FEW_DESCRIPTORS);
    command.args(["app-server", "0", "--keep-open"]);
    let server = Server::spawn(command);
    let mut early = server.connect();
    speak::ask(&mut early, &speak::search("ring")).expect("an answer");
    let _crowd: Vec<TcpStream> = (0..30).map(|_| server.connect()).collect();
    server.wait_for_error("(EMFILE)");
    for _ in 0..10 {
        let answer = speak::ask(&mut early, &speak::search("ring")).expect("an answer");
        assert_eq!(answer, speak::ring_reply());
    }
}

#[test]
fn a_client_that_waited_for_a_descriptor_is_served_when_one_comes_back() {
    let (server, mut crowd) = starving_server(&["app-server", "0"]);
    server.wait_for_error("(EMFILE)");
    let mut last = crowd.pop().expect("a client");
    last.write_all(&speak::search("ring")).expect("writes");
    drop(crowd);
    let mut answer = Vec::new();
    last.read_to_end(&mut answer).expect("an answer");
    assert_eq!(answer, speak::ring_reply());
}

#[test]
fn a_server_that_stays_at_its_limit_does_not_fill_its_log() {
    let (server, crowd) = starving_server(&["app-server", "0"]);
    server.wait_for_error("(EMFILE)");
    // As one leaves another one takes its place, and the rest goes on waiting.
    for stream in crowd.into_iter().take(8) {
        let before = server.descriptors();
        drop(stream);
        let mut next = server.connect();
        next.write_all(b"\0").expect("writes");
        support::until("the place to be taken", || {
            (server.descriptors() == before).then_some(())
        });
        look_on(Duration::from_millis(30));
        drop(next);
    }
    let mut told = server.errors_so_far();
    told.retain(|line| line.contains("accept"));
    assert!(told.len() <= 2, "{} lines: {told:#?}", told.len());
}

#[test]
fn at_max_conns_a_client_waits_and_is_served_later() {
    let server = Server::start(&["app-server", "0", "--max-conns", "2"]);
    let first = server.connect();
    let second = server.connect();
    let mut third = server.connect();
    third.write_all(&speak::search("ring")).expect("writes");
    let told = server.error_line();
    assert!(
        told.contains("2 connections are open (--max-conns)"),
        "{told}"
    );
    third
        .set_read_timeout(Some(Duration::from_millis(200)))
        .expect("set");
    let before = server.cpu();
    let nothing = third.read(&mut [0; 10]).expect_err("it waits");
    assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
    assert!(
        server.cpu().saturating_sub(before) <= Duration::from_millis(50),
        "it spins"
    );
    drop(first);
    third
        .set_read_timeout(Some(support::DEADLINE))
        .expect("set");
    let answer = speak::read_message(&mut third).expect("an answer");
    assert_eq!(answer, speak::ring_reply());
    drop((second, third));
    good_client(server.address, "a full server");
}

#[test]
fn a_busy_server_at_max_conns_does_not_fill_its_log() {
    // Kept open, a connection is there until its client has gone.
    let mut server = Server::start(&["app-server", "0", "--max-conns", "2", "--keep-open"]);
    let address = server.address;
    let clients: Vec<_> = (0..6)
        .map(|n| {
            std::thread::spawn(move || {
                for _ in 0..50 {
                    let mut stream = support::connect(address);
                    let answer = speak::ask(&mut stream, &speak::search("ring"));
                    assert_eq!(
                        answer.expect("an answer"),
                        speak::ring_reply(),
                        "client {n}"
                    );
                }
            })
        })
        .collect();
    for client in clients {
        client.join().expect("all were served");
    }
    server.signal("TERM");
    let told = server.last_errors();
    let full = told
        .iter()
        .filter(|line| line.contains("--max-conns"))
        .count();
    assert!(
        (1..=10).contains(&full),
        "it was said {full} times while 300 clients were served"
    );
}

#[test]
fn the_soft_limit_of_descriptors_is_raised_to_the_hard_one() {
    if support::program("prlimit").is_none() {
        return skip("the soft limit", "prlimit is not installed");
    }
    let (_, hard) = support::descriptor_limits(std::process::id());
    let limits = format!("--nofile=100:{hard}");
    let mut command = launched_by(&["prlimit", &limits]);
    command.args(["app-server", "0"]);
    let server = Server::spawn(command);
    good_client(server.address, "the start");
    assert_eq!(server.descriptor_limits(), (hard, hard));
}

#[test]
fn ten_thousand_idle_connections_cost_almost_nothing() {
    const MANY: usize = 10_000;
    let test = "ten thousand idle connections";
    let (soft, hard) = support::descriptor_limits(std::process::id());
    if hard < 10_300 {
        return skip(test, "the hard limit of descriptors is below 10,300");
    }
    if soft < 10_300 {
        let pid = std::process::id().to_string();
        let limits = format!("--nofile={hard}:{hard}");
        let raised = Command::new("prlimit")
            .args(["--pid", &pid, &limits])
            .status();
        if !raised.is_ok_and(|status| status.success()) {
            return skip(test, "the soft limit of descriptors cannot be raised");
        }
    }
    let server = Server::start(&["app-server", "0", "--keep-open"]);
    let crowd: Vec<TcpStream> = (0..MANY).map(|_| server.connect()).collect();
    support::until("all to be accepted", || {
        (server.descriptors() > MANY).then_some(())
    });
    // What it allocates; the pages of the program itself are shared, and many in a debug build.
    let memory = server.memory("RssAnon:");
    assert!(memory < 20 << 20, "{memory} bytes resident");
    let used = server.cpu_during(Duration::from_millis(500));
    assert!(
        used <= Duration::from_millis(20),
        "{used:?} of CPU time while all are idle"
    );
    let mut late = server.connect();
    for stream in [&mut late, &mut crowd[0].try_clone().expect("a handle")] {
        let answer = speak::ask(stream, &speak::search("ring")).expect("an answer");
        assert_eq!(answer, speak::ring_reply());
    }
    // Our ends vanish without TIME_WAIT, which would keep their ports.
    crowd.into_iter().for_each(support::reset);
}
