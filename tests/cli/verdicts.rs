//! What is said of a bad answer, of a run that was ended, and of words that are no place.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use crate::speak;
use crate::support::{self, Running, Server, fake_server, run, skip, sockdoc, stderr, stdout};

/// A server that reads a request and sends these bytes, then closes.
fn answering(bytes: Vec<u8>) -> String {
    let address = fake_server(move |_, mut stream| {
        let _ = speak::read_message(&mut stream);
        let _ = stream.write_all(&bytes);
    });
    address.port().to_string()
}

#[test]
fn the_reason_of_a_bad_verdict_is_one_line_on_standard_error() {
    let port = answering(speak::reply("Error: no"));
    let output = run(&["app-client", "127.0.0.1", &port, "search", "ring"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output), "Error: no\n");
    assert_eq!(
        stderr(&output),
        format!("sockdoc: 127.0.0.1:{port}: bad reply: answered with an error\n")
    );
}

#[test]
fn an_echo_server_that_is_asked_like_an_app_server_is_named() {
    let server = Server::start(&["echo-server", "0"]);
    let port = server.port();
    for what in [["search", "ring"], ["binary", "data"]] {
        let output = run(&["app-client", "127.0.0.1", &port, what[0], what[1]]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains("this is an echo server"), "{said}");
    }
    let output = run(&[
        "app-client",
        "127.0.0.1",
        &port,
        "--count",
        "2",
        "search",
        "x",
    ]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stdout(&output).contains("answered with the request itself"),
        "{}",
        stdout(&output)
    );
}

#[test]
fn the_beginning_of_what_is_no_message_is_shown_escaped_and_cut_short() {
    for (bytes, begin) in [
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
            "the reply began with 'HTTP/1.1 400 Bad Request\\r\\n",
        ),
        (
            b"Go away\x1b[2J\n".to_vec(),
            "the reply began with 'Go away\\x1b[2J\\n'",
        ),
        (vec![0xff; 70_000], "\\xff' ..."),
    ] {
        let port = answering(bytes);
        let output = run(&["app-client", "127.0.0.1", &port, "search", "ring"]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1));
        assert!(said.contains(begin), "{said}");
        assert!(said.len() < 800, "{said}");
    }
}

#[test]
fn a_reply_over_our_own_limit_is_not_called_a_broken_message() {
    let port = answering(speak::reply(&"x".repeat(5000)));
    let base = ["app-client", "127.0.0.1", &port, "search", "ring"];
    let output = run(&[&base[..], &["--max-message", "1K"]].concat());
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains("the reply is larger than --max-message"),
        "{said}"
    );
    assert!(said.contains("next: raise --max-message"), "{said}");
    assert!(!said.contains("no message of this protocol"), "{said}");
    let output = run(&[&base[..], &["--max-message", "1K", "--count", "1"]].concat());
    let report = stdout(&output);
    assert!(
        report.contains("a reply larger than --max-message"),
        "{report}"
    );
}

#[test]
fn an_interrupted_run_is_status_1_and_counts_what_had_no_answer() {
    for (signal, flag) in [("INT", "--json"), ("TERM", "--json"), ("INT", "-v")] {
        let (told, asked) = std::sync::mpsc::channel();
        // It answers the first request and keeps the second one waiting.
        let address = fake_server(move |_, mut stream| {
            let _ = stream.read_exact(&mut [0; 5]);
            let _ = stream.write_all(b"hello");
            let _ = stream.read_exact(&mut [0; 5]);
            let _ = told.send(());
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let client = Running::from(
            sockdoc()
                .args(["echo-client", "127.0.0.1", &address.port().to_string()])
                .args(["--message", "hello", "--count", "100", flag])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()
                .expect("starts"),
        );
        asked.recv().expect("a second request");
        client.signal(signal);
        let output = client.wait_with_output().expect("ends");
        assert_eq!(output.status.code(), Some(1), "{signal}");
        if flag == "--json" {
            let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
            assert_eq!(report["good"], 1, "{report}");
            assert_eq!(report["interrupted"], true, "{report}");
            assert_eq!(report["unanswered"], 1, "{report}");
        } else {
            let text = stdout(&output);
            let line = "\ninterrupted  by a signal: 1 more were unanswered\n";
            assert!(text.contains(line), "{text}");
        }
    }
}

#[test]
fn the_connections_at_a_time_are_those_that_were_open() {
    let server = Server::start(&["echo-server", "0"]);
    let port = server.port();
    let base = ["echo-client", "127.0.0.1", &port, "--conns", "500"];
    let output = run(&[&base[..], &["--count", "3"]].concat());
    let text = stdout(&output);
    assert!(text.contains("3 opened, 3 at a time\n"), "{text}");
}

#[test]
fn words_that_are_no_place_to_connect_to_are_told_before_anything_is_tried() {
    for (args, what, next) in [
        (&["echo-client", "::1:41999"][..], "brackets", "[::1]:41999"),
        (&["echo-server", ":::42200"], "brackets", "[::]:42200"),
        (
            &["echo-client", "42200", "42201"],
            "two numbers",
            "HOST PORT",
        ),
        (
            &["echo-client", "127.0.0.1", "0"],
            "port 0 is not a port to connect to",
            "1 to 65535",
        ),
        (
            &["app-client", "localhost:0", "search", "ring"],
            "port 0 is not a port to connect to",
            "1 to 65535",
        ),
    ] {
        let output = run(args);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(what) && said.contains(next), "{said}");
        assert_eq!(said.lines().count(), 2, "{said}");
    }
    for (args, what) in [
        (["--rate", "1e300"], "from 0.000001 to 1000000000"),
        (["--keepalive=40000s", "-v"], "1s to 32767s"),
        (["--keepalive=500ms", "-v"], "whole seconds"),
    ] {
        let output = run(&[&["echo-client", "127.0.0.1", "1"][..], &args].concat());
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(what), "{}", stderr(&output));
    }
}

/// The lines that a terminal shows after this output, and the widest that there ever was.
fn displayed(output: &str) -> (Vec<String>, usize) {
    let mut lines: Vec<Vec<char>> = vec![Vec::new()];
    let (mut row, mut column, mut widest) = (0, 0, 0);
    let mut rest = output.chars();
    while let Some(character) = rest.next() {
        match character {
            '\r' => column = 0,
            '\n' => {
                row += 1;
                lines.resize(lines.len().max(row + 1), Vec::new());
            }
            '\u{1b}' => {
                let sequence: String = rest
                    .by_ref()
                    .skip(1)
                    .take_while(|letter| !letter.is_ascii_alphabetic())
                    .collect();
                // To clear the line is all that moves anything here.
                if sequence == "2" {
                    lines[row].clear();
                }
            }
            character => {
                let length = lines[row].len().max(column + 1);
                lines[row].resize(length, ' ');
                lines[row][column] = character;
                column += 1;
                widest = widest.max(column);
            }
        }
    }
    (lines.iter().map(String::from_iter).collect(), widest)
}

#[test]
fn an_interrupt_at_the_terminal_removes_the_progress_line() {
    if support::program("script").is_none() {
        return skip("a progress line", "script(1) is not installed");
    }
    let server = Server::start(&["echo-server", "0"]);
    let line = format!(
        "stty cols 80; {} echo-client 127.0.0.1 {} --rate 100 --count 100000",
        support::BINARY,
        server.port()
    );
    let mut child = Running::from(
        Command::new("script")
            .args(["-qec", &line, "/dev/null"])
            .env("TERM", "xterm")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts"),
    );
    let mut keys = child.stdin.take().expect("piped");
    let mut screen = child.stdout.take().expect("piped");
    let mut shown = Vec::new();
    let mut typed = false;
    loop {
        let mut byte = [0];
        if screen.read(&mut byte).expect("readable") == 0 {
            break;
        }
        shown.extend(byte);
        if !typed && shown.ends_with(b"per second") {
            keys.write_all(b"\x03").expect("typed");
            typed = true;
        }
    }
    let _ = child.wait();
    let shown = String::from_utf8_lossy(&shown);
    assert!(typed && shown.contains("^C"), "{shown:?}");
    // The terminal shows ^C on the line: they fit on one, which is then cleared, whatever of it was written
    // before and what after.
    let (screen, widest) = displayed(&shown);
    assert!(widest < 80, "{widest}: {shown:?}");
    assert!(
        screen.iter().any(|line| line.contains("interrupted")),
        "{screen:#?}"
    );
    for left in ["^C", "/100000"] {
        assert!(
            !screen.iter().any(|line| line.contains(left)),
            "{screen:#?}"
        );
    }
}
