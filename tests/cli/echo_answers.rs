//! Which answers an echo client is content with, and what it refuses to say.

use std::io::{Read, Write};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::support::{
    self, Running, Server, fake_server, finish, run, skip, sockdoc, stderr, stdout,
};

/// A server that reads `length` bytes and answers with these, then closes.
fn answering(length: usize, answer: &'static [u8]) -> String {
    let address = fake_server(move |_, mut stream| {
        let _ = stream.read_exact(&mut vec![0; length]);
        let _ = stream.write_all(answer);
    });
    address.port().to_string()
}

/// Runs a client with this on its standard input.
fn piped(args: &[&str], input: &[u8]) -> Output {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(input).expect("written");
    let mut command = sockdoc();
    command.args(args);
    command.stdin(std::fs::File::open(file.path()).expect("opened"));
    finish(command)
}

#[test]
fn the_beginning_of_an_echo_is_printed_and_status_1() {
    let port = answering(10, b"0123");
    let base = ["echo-client", "127.0.0.1", &port, "--message", "0123456789"];
    for more in [&[][..], &["--verify"]] {
        let output = run(&[&base, more].concat());
        assert_eq!(output.status.code(), Some(1), "{more:?}");
        assert_eq!(stdout(&output), "0123");
        assert_eq!(
            stderr(&output),
            "sockdoc: echo cut off: the server closed after 4 of 10 bytes\n"
        );
    }
    let output = run(&[&base[..], &["--json"]].concat());
    assert_eq!(output.status.code(), Some(1));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(document["complete"], false);
}

#[test]
fn another_answer_is_good_unless_the_echo_is_compared() {
    for answer in [&b"no"[..], b"something altogether different"] {
        let port = answering(10, answer);
        let base = ["echo-client", "127.0.0.1", &port, "--message", "0123456789"];
        let output = run(&base);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let output = run(&[&base[..], &["--verify"]].concat());
        assert_eq!(output.status.code(), Some(1));
    }
}

#[test]
fn a_stream_that_comes_back_in_part_is_status_1() {
    let input = b"0123456789";
    for (answer, status, told) in [
        (&b"0123"[..], 1, "the last 6 bytes did not come back"),
        (b"", 1, "the last 10 bytes did not come back"),
        (b"HTTP", 0, ""),
        (b"0123456789", 0, ""),
    ] {
        let address = fake_server(move |_, mut stream| {
            let _ = stream.read_to_end(&mut Vec::new());
            let _ = stream.write_all(answer);
        });
        let port = address.port().to_string();
        let output = piped(&["echo-client", "127.0.0.1", &port, "-"], input);
        assert_eq!(output.status.code(), Some(status), "{}", stderr(&output));
        assert_eq!(output.stdout, answer);
        assert!(stderr(&output).contains(told), "{}", stderr(&output));
        assert_eq!(stderr(&output).is_empty(), told.is_empty());
    }
}

#[test]
fn a_server_that_closes_before_the_end_of_the_input_is_told_in_every_mode() {
    for more in [&[][..], &["--verify"], &["--json"], &["-v"]] {
        let address = fake_server(|_, mut stream| {
            let mut data = [0; 1000];
            let _ = stream.read_exact(&mut data);
            let _ = stream.write_all(&data);
        });
        let port = address.port().to_string();
        let mut child = Running::from(
            sockdoc()
                .args(["echo-client", "127.0.0.1", &port, "-"])
                .args(more)
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .expect("starts"),
        );
        // The input goes on after that: it stays open until the client has ended.
        let mut input = child.stdin.take().expect("piped");
        input.write_all(&[7; 1000]).expect("writes");
        let mut told = String::new();
        let mut errors = child.stderr.take().expect("piped");
        errors.read_to_string(&mut told).expect("text");
        assert_eq!(child.wait().expect("ends").code(), Some(1), "{more:?}");
        assert!(
            told.contains("the server closed the connection before the end of the input"),
            "{more:?}: {told}"
        );
    }
}

#[test]
fn a_stream_cannot_move_the_cursor_of_a_terminal_and_is_untouched_in_a_pipe() {
    let evil = "\u{1b}[2J\u{9b}31m\u{202e}a\tb\n\u{1f430}\u{7}";
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(evil.as_bytes()).expect("written");
    let path = file.path().to_str().expect("text");
    let server = Server::start(&["echo-server", "0"]);
    let port = server.port();
    let output = run(&["echo-client", "127.0.0.1", &port, "--file", path]);
    assert_eq!(output.stdout, evil.as_bytes());
    if support::program("script").is_none() {
        return skip("a stream on a terminal", "script(1) is not installed");
    }
    let line = format!(
        "{} echo-client 127.0.0.1 {port} --file {path}",
        support::BINARY
    );
    let mut command = Command::new("script");
    command
        .args(["-qec", &line, "/dev/null"])
        .stdin(Stdio::null());
    let shown = stdout(&finish(command));
    // The terminal makes \r\n of a line end.
    assert_eq!(shown, "\\x1b[2J\\x9b31m\\u{202e}a\tb\r\n\u{1f430}\\x07");
}

#[test]
fn an_empty_message_without_framing_is_refused_and_an_empty_datagram_is_not() {
    let server = Server::start(&["echo-server", "0"]);
    let port = server.port();
    for more in [
        &["--message", ""][..],
        &["--message", "a", "--message", ""],
        &["--message", "", "--conns", "2"],
        &["--file", "/dev/null", "--conns", "2"],
    ] {
        let start = Instant::now();
        let output = run(&[&["echo-client", "127.0.0.1", &port], more].concat());
        assert_eq!(output.status.code(), Some(2), "{more:?}");
        assert!(output.stdout.is_empty());
        let said = stderr(&output);
        assert!(
            said.contains("an empty message has no echo without framing")
                && said.contains("--frame line"),
            "{said}"
        );
        assert!(start.elapsed() < Duration::from_secs(5));
    }
    let framed = Server::start(&["echo-server", "0", "--frame", "line"]);
    let datagrams = Server::start(&["echo-server", "0", "--udp"]);
    for (server, flag) in [(&framed, "--frame=line"), (&datagrams, "--udp")] {
        for more in [&[][..], &["--conns", "2"]] {
            let port = server.port();
            let base = ["echo-client", "127.0.0.1", &port, flag, "--verify"];
            let output = run(&[&base[..], &["--message", ""], more].concat());
            assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        }
    }
}

#[test]
fn lines_of_standard_input_are_datagrams() {
    let server = Server::start(&["echo-server", "0", "--udp"]);
    let port = server.port();
    let args = ["echo-client", "127.0.0.1", &port, "--udp", "-", "--verify"];
    let output = piped(&args, b"one\n\ntwo\n");
    assert_eq!(stdout(&output), "one\n\ntwo\n", "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(0));
    let output = piped(
        &[&args[..], &["--count", "4", "--json"]].concat(),
        b"one\ntwo\n",
    );
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["good"], 4, "{report}");
    assert_eq!(report["sent_bytes"], 12, "{report}");
    let output = piped(&[&args[..], &["--count", "4"]].concat(), b"");
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}

#[test]
fn a_dash_beside_another_message_is_refused() {
    for more in [
        &["--message", "x", "-"][..],
        &["-", "--file", "/dev/null"],
        &["--udp", "--message", "x", "-"],
    ] {
        let output = piped(
            &[&["echo-client", "127.0.0.1", "1"], more].concat(),
            b"in\n",
        );
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("standard input"), "{said}");
        assert!(said.contains("leave one of them out"), "{said}");
    }
}

#[test]
fn our_own_limit_is_not_blamed_on_the_server() {
    let server = Server::start(&["echo-server", "0", "--frame", "len16"]);
    let port = server.port();
    let long = "x".repeat(2000);
    let base = ["echo-client", "127.0.0.1", &port, "--frame", "len16"];
    let limit = ["--message", &long, "--max-message", "1K"];
    let output = run(&[&base[..], &limit].concat());
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("the reply is larger than --max-message: the length"),
        "{said}"
    );
    assert!(said.contains("next: raise --max-message"), "{said}");
    let output = run(&[&base[..], &limit, &["--count", "2", "--json"]].concat());
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        report["errors"]["a reply larger than --max-message"], 2,
        "{report}"
    );
}

#[test]
fn under_load_with_verify_more_than_was_sent_is_a_failure() {
    let address = fake_server(|_, mut stream| {
        let mut message = [0; 5];
        while stream.read_exact(&mut message).is_ok() {
            let _ = stream.write_all(&[&message[..], b"!"].concat());
        }
    });
    let port = address.port().to_string();
    let args = ["echo-client", "127.0.0.1", &port, "--message", "hello"];
    let output = run(&[&args[..], &["--count", "1", "--verify", "--json"]].concat());
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["good"], 0, "{report}");
    assert_eq!(
        report["errors"]["more came back than was sent"], 1,
        "{report}"
    );
}
