//! The echo programs of the tutorial and ours.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;

use crate::peers::{finish, no_python, our_server, ours, python, python_server, without_ports};
use crate::relay::Relay;
use crate::support;

#[test]
fn the_first_client_gets_its_greeting_and_the_transcript_is_that_of_the_tutorial_s_server() {
    if no_python("the first client") {
        return;
    }
    let servers = [
        python_server("multiconn_server.py"),
        our_server("echo-server"),
    ];
    let transcripts = servers.map(|server| {
        let output = finish(python("echo_client.py", &["127.0.0.1", &server.port()]));
        assert_eq!(support::stdout(&output), "Received b'Hello, world'\n");
        [server.line(), server.line(), server.line()].map(|line| without_ports(&line))
    });
    assert_eq!(transcripts[1], transcripts[0]);
    assert_eq!(
        transcripts[1],
        [
            "Accepted connection from ('127.0.0.1', PORT)",
            "Echoing b'Hello, world' to ('127.0.0.1', PORT)",
            "Closing connection to ('127.0.0.1', PORT)",
        ]
    );
}

#[test]
fn our_client_greets_the_first_server_as_the_tutorial_s_does() {
    if no_python("our client and the first server") {
        return;
    }
    let clients: [fn(&str) -> std::process::Command; 2] = [
        |port| python("echo_client.py", &["127.0.0.1", port]),
        |port| ours(&["echo-client", "-v", "127.0.0.1", port]),
    ];
    let outcomes = clients.map(|client| {
        let mut server = python_server("echo_server.py");
        let relay = Relay::to(server.address);
        let output = finish(client(&relay.port()));
        assert!(output.status.success(), "{}", support::stderr(&output));
        // It serves one client and ends.
        assert!(server.wait().success());
        let connected = without_ports(&server.line());
        (support::stdout(&output), relay.recording(), connected)
    });
    assert_eq!(outcomes[0], outcomes[1]);
    let (said, bytes, connected) = &outcomes[1];
    assert_eq!(said, "Received b'Hello, world'\n");
    assert_eq!(bytes.request, b"Hello, world");
    assert_eq!(bytes.reply, b"Hello, world");
    assert_eq!(connected, "Connected by ('127.0.0.1', PORT)");
}

/// What a client with many connections did on each: the parts of the transcript, without regard to
/// how the echo was cut, or how the connections took turns.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    started: usize,
    sent: Vec<String>,
    /// The contents of the literals, joined.
    received: String,
    closed: usize,
}

/// The text between the quotes of `b'...'`.
fn literal(line: &str) -> &str {
    let start = line.find("b'").expect("a literal") + 2;
    let end = line.rfind('\'').expect("a literal's end");
    &line[start..end]
}

fn client_transcript(text: &str) -> BTreeMap<String, Told> {
    let mut told: BTreeMap<String, Told> = BTreeMap::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let (["Starting" | "Closing", "connection", id, ..]
        | ["Sending" | "Received", .., "connection", id]) = words[..]
        else {
            continue;
        };
        let told = told.entry(id.to_owned()).or_default();
        match words[0] {
            "Starting" => told.started += 1,
            "Sending" => told.sent.push(literal(line).to_owned()),
            "Received" => told.received += literal(line),
            _ => told.closed += 1,
        }
    }
    told
}

const MESSAGES: [&str; 2] = ["Message 1 from client.", "Message 2 from client."];

fn the_tutorial_s(connections: usize) -> BTreeMap<String, Told> {
    let one = |id: usize| {
        let told = Told {
            started: 1,
            sent: MESSAGES.map(str::to_owned).to_vec(),
            received: MESSAGES.concat(),
            closed: 1,
        };
        (id.to_string(), told)
    };
    (1..=connections).map(one).collect()
}

#[test]
fn the_client_with_many_connections_is_served_and_every_line_of_the_transcript_is_there() {
    if no_python("the client with many connections") {
        return;
    }
    for server in [
        python_server("multiconn_server.py"),
        our_server("echo-server"),
    ] {
        let client = python("multiconn_client.py", &["127.0.0.1", &server.port(), "3"]);
        let output = finish(client);
        assert!(output.status.success());
        assert_eq!(
            client_transcript(&support::stdout(&output)),
            the_tutorial_s(3)
        );
        // By peer: accepted, echoed, closed.
        let mut peers: BTreeMap<String, (usize, String)> = BTreeMap::new();
        let mut closed = 0;
        while closed < 3 {
            let line = server.line();
            let peer = &line[line.rfind("('127.0.0.1', ").expect("a peer")..];
            let told = peers.entry(peer.to_owned()).or_default();
            if line.starts_with("Accepted connection from ") {
                told.0 += 1;
            } else if line.starts_with("Echoing b'") {
                told.1 += literal(&line[..line.len() - peer.len()]);
            } else {
                assert_eq!(line, format!("Closing connection to {peer}"));
                closed += 1;
            }
        }
        assert_eq!(peers.len(), 3);
        for told in peers.values() {
            assert_eq!(*told, (1, MESSAGES.concat()));
        }
    }
}

#[test]
fn our_client_with_many_connections_says_both_messages_on_each_as_the_tutorial_s_does() {
    if no_python("our client with many connections") {
        return;
    }
    let server = python_server("multiconn_server.py");
    for client in [
        python("multiconn_client.py", &["127.0.0.1", &server.port(), "2"]),
        ours(&[
            "echo-client",
            "-v",
            "127.0.0.1",
            &server.port(),
            "--conns",
            "2",
        ]),
    ] {
        let shown = format!("{client:?}");
        let output = finish(client);
        assert!(output.status.success(), "{}", support::stderr(&output));
        let text = support::stdout(&output);
        assert_eq!(
            client_transcript(&text),
            the_tutorial_s(2),
            "{shown}: {text}"
        );
    }
}

/// An echo server for two connections that holds the second one's echo back until the first one is
/// closed; gives what each connection said.
fn unfair_server(listener: &TcpListener) -> [Vec<u8>; 2] {
    let accept = || {
        let (stream, _) = listener.accept().expect("a connection");
        stream
            .set_read_timeout(Some(support::DEADLINE))
            .expect("set");
        stream
    };
    [accept(), accept()].map(|mut stream| {
        let (mut said, mut buffer) = (Vec::new(), [0; 1024]);
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            said.extend_from_slice(&buffer[..count]);
            if stream.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        said
    })
}

#[test]
fn each_connection_says_each_message_once_however_slow_the_other_is() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port().to_string();
    std::thread::scope(|scope| {
        let server = scope.spawn(|| unfair_server(&listener));
        let output = finish(ours(&["echo-client", "127.0.0.1", &port, "--conns", "2"]));
        let said = server.join().expect("both connections are served");
        let said = said.map(|said| said.escape_ascii().to_string());
        assert_eq!(said, [MESSAGES.concat(), MESSAGES.concat()]);
        assert!(output.status.success(), "{}", support::stderr(&output));
    });
}

#[test]
fn a_latency_is_not_shorter_than_the_server_takes() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port().to_string();
    std::thread::scope(|scope| {
        let server = scope.spawn(|| {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut buffer = [0; 1024];
            let mut shortest_work = std::time::Duration::MAX;
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                // This server runs a program for each answer.
                let start = std::time::Instant::now();
                assert!(finish(ours(&["--version"])).status.success());
                shortest_work = shortest_work.min(start.elapsed());
                stream.write_all(&buffer[..count]).expect("sent");
            }
            shortest_work
        });
        let args = ["echo-client", "--json", "127.0.0.1", &port, "--count", "3"];
        let output = finish(ours(&args));
        let report = support::stdout(&output);
        let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
        let shortest = report["latency"]["min_us"].as_f64().expect("a number");
        let work = server.join().expect("three answers").as_secs_f64() * 1e6;
        assert!(shortest >= work, "{work}: {report}");
    });
}

/// A megabyte in which no two places look alike.
fn a_megabyte() -> Vec<u8> {
    let words = (0..131_072_u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    words.flatten().collect()
}

#[test]
fn a_megabyte_comes_back_from_the_tutorial_s_servers_byte_for_byte() {
    if no_python("a megabyte") {
        return;
    }
    let sent = a_megabyte();
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(&sent).expect("written");
    let path = file.path().to_str().expect("a path");
    for program in ["echo_server.py", "multiconn_server.py"] {
        let server = python_server(program);
        let relay = Relay::to(server.address);
        let port = relay.port();
        let output = finish(ours(&[
            "echo-client",
            "127.0.0.1",
            &port,
            "--file",
            path,
            "--verify",
        ]));
        let said = support::stdout(&output);
        assert!(output.status.success(), "{program}: {said}");
        assert!(said.starts_with("verified: "), "{program}: {said}");
        let bytes = relay.recording();
        assert!(bytes.request == sent, "{program}: the request");
        assert!(bytes.reply == sent, "{program}: the echo");
    }
}

#[test]
fn a_megabyte_that_comes_back_changed_is_told() {
    // The tutorial's application server is not an echo server; ours with --reverse is not either.
    let server = support::Server::start(&["echo-server", "127.0.0.1", "0", "--reverse"]);
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(&a_megabyte()).expect("written");
    let path = file.path().to_str().expect("a path");
    let output = finish(ours(&[
        "echo-client",
        "127.0.0.1",
        &server.port(),
        "--file",
        path,
        "--verify",
    ]));
    assert_eq!(output.status.code(), Some(1));
    let said = support::stdout(&output);
    assert!(said.starts_with("NOT THE SAME: "), "{said}");
}
