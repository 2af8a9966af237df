//! `sockdoc app-client` and `echo-client`: what they print, and what they say of a bad answer.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::process::{Output, Stdio};

use crate::echo::counted;
use crate::speak::{self, ORDER};
use crate::support::{Running, Server, fake_server, reset, run, sockdoc, stderr, stdout};

/// A server that reads a request and sends these bytes, then closes.
fn answering(bytes: Vec<u8>) -> String {
    let address = fake_server(move |_, mut stream| {
        let _ = speak::read_message(&mut stream);
        let _ = stream.write_all(&bytes);
    });
    address.port().to_string()
}

fn search(port: &str, more: &[&str]) -> Output {
    run(&[&["app-client", "127.0.0.1", port, "search", "ring"], more].concat())
}

#[test]
fn the_result_is_printed_and_nothing_else() {
    let server = Server::start(&["app-server", "0"]);
    let port = server.port();
    for (action, value, expected) in [
        ("search", "morpheus", "Follow the white rabbit. 🐰\n"),
        (
            "search",
            "ring",
            "In the caves beneath the Misty Mountains. 💍\n",
        ),
        ("search", "🐶", "🐾 Playing ball! 🏐\n"),
        ("search", "nope", "No match for 'nope'.\n"),
        ("search", "", "No match for ''.\n"),
        ("binary", "😃", "First 10 bytes of request: binary😃\n"),
        (
            "double",
            "quoted \"value\"",
            "First 10 bytes of request: doublequot\n",
        ),
    ] {
        let output = run(&["app-client", "127.0.0.1", &port, action, value]);
        assert_eq!(stdout(&output), expected);
        assert_eq!(stderr(&output), "");
        assert_eq!(output.status.code(), Some(0));
    }
}

#[test]
fn the_transcript_is_the_tutorials_word_for_word() {
    let server = Server::start(&["app-server", "0", "-v"]);
    let port = server.port();
    let output = run(&["app-client", "127.0.0.1", &port, "search", "morpheus", "-v"]);
    let at = format!("('127.0.0.1', {port})");
    let header = |length: usize| {
        format!(
            "{{\"byteorder\": \"{ORDER}\", \"content-type\": \"text/json\", \
             \"content-encoding\": \"utf-8\", \"content-length\": {length}}}"
        )
    };
    let request = format!(
        "b'\\x00g{}{{\"action\": \"search\", \"value\": \"morpheus\"}}'",
        header(41)
    );
    let reply = format!(
        "b'\\x00g{}{{\"result\": \"Follow the white rabbit. \\xf0\\x9f\\x90\\xb0\"}}'",
        header(43)
    );
    let expected = format!(
        "Starting connection to {at}\n\
         Sending {request} to {at}\n\
         Received response {{'result': 'Follow the white rabbit. 🐰'}} from {at}\n\
         Got result: Follow the white rabbit. 🐰\n\
         Closing connection to {at}\n"
    );
    if ORDER == "little" {
        assert_eq!(stdout(&output), expected);
    }
    let accepted = server.line();
    let peer = accepted
        .strip_prefix("Accepted connection from ")
        .expect("a peer");
    assert_eq!(
        server.line(),
        format!("Received request {{'action': 'search', 'value': 'morpheus'}} from {peer}")
    );
    assert_eq!(server.line(), format!("Sending {reply} to {peer}"));
    assert_eq!(server.line(), format!("Closing connection to {peer}"));
}

#[test]
fn the_transcript_of_a_binary_request_is_the_tutorials_too() {
    let server = Server::start(&["app-server", "0", "-v"]);
    let port = server.port();
    let output = run(&["app-client", "127.0.0.1", &port, "binary", "😃", "-v"]);
    let text = stdout(&output);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 5, "{text}");
    assert!(
        lines[1].contains(r"}binary\xf0\x9f\x98\x83' to ("),
        "{text}"
    );
    assert_eq!(
        lines[2],
        format!("Received binary/custom-server-binary-type response from ('127.0.0.1', {port})")
    );
    assert_eq!(
        lines[3],
        r"Got response: b'First 10 bytes of request: binary\xf0\x9f\x98\x83'"
    );
    let accepted = server.line();
    let peer = accepted
        .strip_prefix("Accepted connection from ")
        .expect("a peer");
    assert_eq!(
        server.line(),
        format!("Received binary/custom-client-binary-type request from {peer}")
    );
}

#[test]
fn json_has_the_whole_exchange() {
    let server = Server::start(&["app-server", "0"]);
    let output = search(&server.port(), &["--json"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stdout(&output).lines().count(), 1);
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(document["schema"], "sockdoc.app-client/1");
    assert_eq!(document["ok"], true);
    assert_eq!(document["trouble"], serde_json::Value::Null);
    assert_eq!(
        document["result"],
        "In the caves beneath the Misty Mountains. 💍"
    );
    assert_eq!(document["peer"]["addr"], "127.0.0.1");
    assert_eq!(document["peer"]["port"], server.address.port());
    assert_eq!(document["request"]["bytes"], 142);
    assert_eq!(document["reply"]["bytes"], 165);
    assert_eq!(document["reply"]["header"]["content-length"], 60);
    let micros = |key: &str| document["times"][key].as_f64().expect("a time");
    assert!(micros("connect_us") > 0.0);
    assert!(micros("connect_us") <= micros("first_byte_us"));
    assert!(micros("first_byte_us") <= micros("total_us"));
    assert_eq!(document["tried"], serde_json::json!([]));
}

#[test]
fn an_error_for_an_answer_is_status_1() {
    let port = answering(speak::reply("Error: invalid action 'x'."));
    let output = search(&port, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output), "Error: invalid action 'x'.\n");
    let output = search(&port, &["--json"]);
    assert_eq!(output.status.code(), Some(1));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(document["ok"], false);
    assert_eq!(document["trouble"], "answered with an error");
}

#[test]
fn a_bad_answer_is_status_1_and_two_lines_that_say_what_is_wrong_with_it() {
    let whole = speak::ring_reply();
    for (bytes, why) in [
        (vec![], "the server closed the connection without a reply"),
        (
            whole[..1].to_vec(),
            "in the middle of its reply: 1 of at least 2 bytes",
        ),
        (
            whole[..100].to_vec(),
            "in the middle of its reply: 100 of at least 105 bytes",
        ),
        (
            whole[..164].to_vec(),
            "in the middle of its reply: 164 of 165 bytes",
        ),
        (
            b"\0\0".to_vec(),
            "not a message of this protocol: the header length is 0",
        ),
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
            "not a message of this protocol: this looks like HTTP",
        ),
        (
            speak::with_header(b"{}", b""),
            "the header lacks 'byteorder'",
        ),
        (speak::json("{\"result\": "), "the content is not JSON"),
        (vec![0xff; 70_000], "the header is not utf-8"),
    ] {
        let port = answering(bytes);
        let output = search(&port, &[]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert_eq!(said.lines().count(), 2, "{said}");
        assert!(
            said.starts_with(&format!("sockdoc: read the reply of 127.0.0.1:{port}: ")),
            "{said}"
        );
        assert!(said.contains(why), "{said}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_reset_a_silence_and_too_large_a_reply_are_told_apart() {
    let address = fake_server(|_, mut stream| {
        let _ = speak::read_message(&mut stream);
        reset(stream);
    });
    let output = search(&address.port().to_string(), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("(ECONNRESET)"),
        "{}",
        stderr(&output)
    );

    let address = fake_server(|_, mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let output = search(&address.port().to_string(), &["--timeout", "300ms"]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(
        said.contains("nothing received for 300ms (after 142 sent and 0 received)"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 2, "{said}");

    let port = answering(speak::reply(&"x".repeat(5000)));
    let output = search(&port, &["--max-message", "1K"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("over the limit of 1024 bytes"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_file_is_streamed_both_ways_and_compared() {
    let server = Server::start(&["echo-server", "0"]);
    let port = server.port();
    let data = counted(20_000_000);
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(&data).expect("written");
    let path = file.path().to_str().expect("text");
    let output = run(&["echo-client", "127.0.0.1", &port, "--file", path]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        output.stdout == data,
        "{} bytes came back",
        output.stdout.len()
    );
    let output = run(&[
        "echo-client",
        "127.0.0.1",
        &port,
        "--file",
        path,
        "--verify",
        "--json",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(document["same"], true);
    assert_eq!(document["sent_bytes"], 20_000_000);
    assert_eq!(document["received_bytes"], 20_000_000);
    let output = run(&["echo-client", "127.0.0.1", &port, "--file", "/nowhere"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("(ENOENT)"));
}

#[test]
fn standard_input_is_streamed_and_its_end_is_the_end() {
    let server = Server::start(&["echo-server", "0"]);
    let mut child = Running::from(
        sockdoc()
            .args(["echo-client", "127.0.0.1", &server.port(), "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts"),
    );
    let mut input = child.stdin.take().expect("piped");
    let mut output = child.stdout.take().expect("piped");
    // What is typed comes back at once, not at the end.
    let mut back = [0; 6];
    for line in [b"first\n", b"again\n"] {
        input.write_all(line).expect("writes");
        output.read_exact(&mut back).expect("an echo");
        assert_eq!(&back, line);
    }
    let data = counted(3_000_000);
    let sent = data.clone();
    let sending = std::thread::spawn(move || input.write_all(&sent));
    let mut back = Vec::new();
    output.read_to_end(&mut back).expect("reads");
    sending.join().expect("ends").expect("all was taken");
    assert!(back == data, "{} bytes came back", back.len());
    assert_eq!(child.wait().expect("ends").code(), Some(0));
}

/// An echo server that changes one byte, or keeps the last ones to itself.
fn unfaithful(flip: Option<usize>, keep_back: usize) -> String {
    let address = fake_server(move |_, mut stream| {
        let mut data = Vec::new();
        let _ = stream.read_to_end(&mut data);
        if let Some(at) = flip {
            data[at] ^= 1;
        }
        let length = data.len() - keep_back;
        let _ = stream.write_all(&data[..length]);
        let _ = stream.shutdown(Shutdown::Write);
    });
    address.port().to_string()
}

#[test]
fn verify_finds_a_changed_byte_and_a_missing_end() {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(&counted(200_000)).expect("written");
    let path = file.path().to_str().expect("text");
    for (flip, keep_back, why) in [
        (Some(0), 0, "the echo differs from byte 0 on"),
        (Some(123_456), 0, "the echo differs from byte 123456 on"),
        (Some(199_999), 0, "the echo differs from byte 199999 on"),
        (None, 5, "the last 5 bytes did not come back"),
    ] {
        let port = unfaithful(flip, keep_back);
        let output = run(&[
            "echo-client",
            "127.0.0.1",
            &port,
            "--file",
            path,
            "--verify",
        ]);
        assert_eq!(output.status.code(), Some(1), "{why}");
        assert!(stderr(&output).contains(why), "{}", stderr(&output));
        assert!(
            stdout(&output).starts_with("NOT THE SAME"),
            "{}",
            stdout(&output)
        );
    }
    let flipping = fake_server(|_, mut stream| {
        let mut data = [0; 12];
        stream.read_exact(&mut data).expect("a message");
        data[4] ^= 1;
        let _ = stream.write_all(&data);
    });
    let port = flipping.port().to_string();
    let output = run(&["echo-client", "127.0.0.1", &port, "--verify"]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(
        said.contains("the echo differs from byte 4 on (12 sent, 12 received)"),
        "{said}"
    );
}

#[test]
fn verify_is_not_content_when_the_server_ends_before_the_input() {
    let address = fake_server(|_, mut stream| {
        let mut data = [0; 1000];
        stream.read_exact(&mut data).expect("a beginning");
        let _ = stream.write_all(&data);
    });
    let mut child = Running::from(
        sockdoc()
            .args([
                "echo-client",
                "127.0.0.1",
                &address.port().to_string(),
                "-",
                "--verify",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts"),
    );
    // The input goes on after that: it stays open until the client has ended.
    let mut input = child.stdin.take().expect("piped");
    input.write_all(&counted(1000)).expect("writes");
    let mut told = String::new();
    let mut errors = child.stderr.take().expect("piped");
    errors.read_to_string(&mut told).expect("text");
    let status = child.wait().expect("ends");
    assert_eq!(status.code(), Some(1), "it said: {told}");
}

#[test]
fn many_connections_have_a_transcript_with_their_numbers() {
    let server = Server::start(&["echo-server", "0"]);
    let port = server.port();
    let output = run(&["echo-client", "127.0.0.1", &port, "--conns", "2", "-v"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    for number in 1..=2 {
        for line in [
            format!("Starting connection {number} to ('127.0.0.1', {port})"),
            format!("Sending b'Message 1 from client.' to connection {number}"),
            format!("Received b'Message 1 from client.' from connection {number}"),
            format!("Sending b'Message 2 from client.' to connection {number}"),
            format!("Received b'Message 2 from client.' from connection {number}"),
            format!("Closing connection {number}"),
        ] {
            let count = text.lines().filter(|said| **said == line).count();
            assert_eq!(count, 1, "{line} in {text}");
        }
    }
}

#[test]
fn a_reader_that_has_enough_ends_the_client_quietly() {
    let server = Server::start(&["echo-server", "0"]);
    let port = server.port();
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(&counted(5_000_000)).expect("written");
    let path = file.path().to_str().expect("text");
    for args in [
        &["echo-client", "127.0.0.1", &port, "--file", path][..],
        &["explain"],
        &["completions", "bash"],
    ] {
        let mut child = Running::from(
            sockdoc()
                .args(args)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("starts"),
        );
        let mut output = child.stdout.take().expect("piped");
        output.read_exact(&mut [0; 10]).expect("ten bytes");
        drop(output);
        let ended = child.wait_with_output().expect("ends");
        assert_eq!(stderr(&ended), "", "{args:?}");
        assert_eq!(ended.status.code(), Some(0), "{args:?}");
    }
}
