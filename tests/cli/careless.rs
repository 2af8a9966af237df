//! Clients that misbehave on purpose, and what a server and its user see of them.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, UdpSocket};
use std::time::Duration;

use crate::support::{self, Server, run, stderr, stdout};

/// What one connection brings: each read, and how it ends.
fn reads(listener: &TcpListener) -> (Vec<Vec<u8>>, std::io::Result<()>) {
    let (mut stream, _) = listener.accept().expect("accepts");
    stream
        .set_read_timeout(Some(support::DEADLINE))
        .expect("set");
    let mut reads = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return (reads, Ok(())),
            Ok(n) => reads.push(buffer[..n].to_vec()),
            Err(error) => return (reads, Err(error)),
        }
        // Whichever call comes first after a reset is the one that fails.
        if let Err(error) = stream.write_all(reads.last().expect("one")) {
            return (reads, Err(error));
        }
    }
}

/// Runs echo-client with these flags against a server that notes its reads.
fn seen(flags: &[&str]) -> (Vec<Vec<u8>>, std::io::Result<()>, std::process::Output) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let port = listener.local_addr().expect("bound").port().to_string();
    let server = std::thread::spawn(move || reads(&listener));
    let output = run(&[&["echo-client", &port], flags].concat());
    let (reads, end) = server.join().expect("served");
    (reads, end, output)
}

#[test]
fn a_message_is_sent_in_pieces_with_a_pause_between() {
    let (reads, end, output) = seen(&["--split", "5,50ms", "--message", "Hello, world"]);
    assert_eq!(reads, [&b"Hello"[..], b", wor", b"ld"]);
    assert!(end.is_ok(), "{end:?}");
    assert_eq!(stdout(&output), "Hello, world", "{}", stderr(&output));
    let (reads, _, _) = seen(&["--dribble", "50", "--message", "abc"]);
    assert_eq!(reads, [b"a", b"b", b"c"]);
}

#[test]
fn messages_are_glued_or_sent_without_waiting() {
    let two = ["--message", "one", "--message", "two", "--frame", "line"];
    let (reads, _, output) = seen(&[&["--glue"], &two[..]].concat());
    assert_eq!(reads, [b"one\ntwo\n"]);
    assert_eq!(stdout(&output), "one\ntwo\n", "{}", stderr(&output));
    let server = Server::start(&["echo-server", "0", "--frame", "line"]);
    let output = run(&[&["echo-client", &server.port(), "--no-wait"], &two[..]].concat());
    assert_eq!(stdout(&output), "one\ntwo\n", "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_message_is_cut_and_a_connection_reset_or_half_closed() {
    let (reads, end, output) = seen(&["--cut-after", "5", "--message", "Hello, world"]);
    // If the echo has come meanwhile, it is unread, and the kernel closes with a reset (RFC 2525).
    drop(end);
    assert_eq!(reads.concat(), b"Hello");
    assert_eq!(
        stderr(&output),
        "sockdoc: sent 5 of 12 bytes, then closed the connection\n"
    );
    let (_, end, output) = seen(&["--rst"]);
    let kind = end.expect_err("a reset").kind();
    assert_eq!(kind, std::io::ErrorKind::ConnectionReset);
    assert!(
        stderr(&output).contains("sent 12 of 12 bytes, then reset"),
        "{}",
        stderr(&output)
    );
    let (reads, end, output) = seen(&["--half-close", "--frame", "line", "--message", "x"]);
    assert_eq!(reads.concat(), b"x\n");
    assert!(
        end.is_ok() && stdout(&output) == "x\n",
        "{}",
        stderr(&output)
    );
}

#[test]
fn an_app_server_answers_pieces_and_each_of_several_requests() {
    let one = Server::start(&["app-server", "0"]);
    let said = run(&[
        "app-client",
        &one.port(),
        "search",
        "ring",
        "--split",
        "40,1ms",
    ]);
    assert!(
        stdout(&said).starts_with("In the caves"),
        "{}",
        stderr(&said)
    );
    let said = run(&["app-client", &one.port(), "search", "ring", "--glue"]);
    assert_eq!(said.status.code(), Some(1));
    assert!(
        stderr(&said).contains("after 1 of 2 replies"),
        "{}",
        stderr(&said)
    );
    let many = Server::start(&["app-server", "0", "--keep-open"]);
    for flag in ["--glue=3", "--no-wait=3"] {
        let said = run(&["app-client", &many.port(), "search", "ring", flag]);
        assert_eq!(
            stdout(&said).matches("In the caves").count(),
            3,
            "{flag}: {}",
            stderr(&said)
        );
        assert_eq!(said.status.code(), Some(0));
    }
    let said = run(&[
        "app-client",
        &one.port(),
        "search",
        "ring",
        "--rst",
        "--count",
        "5",
    ]);
    assert_eq!(said.status.code(), Some(2), "{}", stderr(&said));
}

#[test]
fn every_byte_of_a_reply_is_written_as_it_came_into_a_pipe() {
    let all: Vec<u8> = (0..=255).collect();
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let port = listener.local_addr().expect("bound").port().to_string();
    let reply = all.clone();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("accepts");
        stream.read_exact(&mut [0]).expect("a byte");
        stream.write_all(&reply).expect("writes");
        stream.shutdown(Shutdown::Write).expect("shuts down");
    });
    let output = run(&["echo-client", &port, "--message", "x"]);
    server.join().expect("served");
    assert_eq!(output.stdout, all);
}

#[test]
fn the_datagrams_of_one_run_come_from_one_port() {
    let server = UdpSocket::bind("127.0.0.1:0").expect("binds");
    server
        .set_read_timeout(Some(support::DEADLINE))
        .expect("set");
    let port = server.local_addr().expect("bound").port().to_string();
    let answering = std::thread::spawn(move || {
        let mut buffer = [0; 100];
        [(); 3].map(|()| {
            let (n, from) = server.recv_from(&mut buffer).expect("a datagram");
            server.send_to(&buffer[..n], from).expect("sends");
            from
        })
    });
    let mut command = support::launched_by(&["sh", "-c", "printf 'a\\nb\\nc\\n' | \"$0\" \"$@\""]);
    command.args(["echo-client", &port, "--file", "-", "--udp"]);
    let output = support::finish(command);
    assert_eq!(stdout(&output), "a\nb\nc\n", "{}", stderr(&output));
    let from = answering.join().expect("served");
    assert!(from[0] == from[1] && from[1] == from[2], "{from:?}");
}

#[test]
fn unfinished_messages_are_bounded_for_all_connections_together() {
    let server = Server::start(&[
        "app-server",
        "0",
        "--max-buffered",
        "4M",
        "--request-timeout",
        "0",
    ]);
    let header = r#"{"byteorder": "little", "content-type": "x", "content-encoding": "binary", "content-length": 9000000}"#;
    let length = u16::try_from(header.len()).expect("short").to_be_bytes();
    let start = [&length[..], header.as_bytes(), &vec![0; 1_000_000]].concat();
    let held: Vec<_> = (0..8)
        .map(|_| {
            let mut stream = server.connect();
            // The server may close it before it has taken everything.
            let _ = stream.write_all(&start);
            stream
        })
        .collect();
    let line = server.error_line();
    assert!(line.contains("over --max-buffered"), "{line}");
    let output = run(&["app-client", &server.port(), "search", "ring"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    drop(held);
}

#[test]
fn a_message_that_does_not_go_on_is_told_while_it_waits() {
    let server = Server::start(&["echo-server", "0", "--frame", "line"]);
    let mut stream = server.connect();
    stream.write_all(b"hello").expect("writes");
    let line = server.error_line();
    assert!(
        line.ends_with("5 bytes, no newline yet; nothing more for 10 s"),
        "{line}"
    );
}

#[test]
fn the_probe_for_a_live_server_is_not_the_one_connection_of_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let name = path.to_str().expect("text");
    let mut first = Server::start(&["echo-server", "--unix", name, "--once"]);
    let second = run(&["echo-server", "--unix", name]);
    assert_eq!(second.status.code(), Some(2), "{}", stderr(&second));
    assert_eq!(
        stdout(&run(&["echo-client", "--unix", name])),
        "Hello, world"
    );
    assert_eq!(first.wait().code(), Some(0));
}

#[test]
fn a_name_that_begins_with_an_at_sign_is_abstract() {
    let name = format!("@sockdoc-test-{}", std::process::id());
    let server = Server::start(&["echo-server", "--unix", &name, "--json"]);
    assert_eq!(
        stdout(&run(&["echo-client", "--unix", &name])),
        "Hello, world"
    );
    assert!(!std::path::Path::new(&name).exists());
    drop(server);
    let said = run(&["echo-client", "--unix", &name]);
    assert!(stderr(&said).contains("abstract name"), "{}", stderr(&said));
}

#[test]
fn a_server_whose_output_is_closed_goes_on() {
    let mut command = support::sockdoc();
    command.args(["echo-server", "0", "-v"]);
    command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let mut child = support::Running::from(command.spawn().expect("starts"));
    let mut line = String::new();
    let mut out = std::io::BufReader::new(child.stdout.take().expect("piped"));
    std::io::BufRead::read_line(&mut out, &mut line).expect("a line");
    drop(out);
    let port = line
        .trim_end()
        .trim_end_matches(')')
        .rsplit(", ")
        .next()
        .expect("a port")
        .to_owned();
    for _ in 0..3 {
        assert_eq!(stdout(&run(&["echo-client", &port])), "Hello, world");
    }
    child.signal("TERM");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0));
    let said = stderr(&output);
    assert!(
        said.contains("closed by its reader: nothing more is printed, serving continues"),
        "{said}"
    );
    assert!(said.contains("Served 3 connections"), "{said}");
}

#[test]
fn events_carry_the_time_in_json_and_on_request() {
    let mut server = Server::start(&["echo-server", "0", "--json"]);
    let exchange = stdout(&run(&["echo-client", &server.port(), "--json"]));
    server.signal("TERM");
    let events = server.last_lines();
    for line in events
        .iter()
        .map(String::as_str)
        .chain([exchange.trim_end()])
    {
        let event: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert!(event["time"].as_f64() > Some(1.7e9), "{line}");
    }
    let server = Server::start(&["app-server", "0", "-v"]);
    let shown = stdout(&run(&[
        "app-client",
        &server.port(),
        "search",
        "ring",
        "-v",
        "--time",
    ]));
    for line in shown.lines().filter(|line| !line.starts_with("Got result")) {
        let (time, _) = line.split_once(' ').expect("words");
        assert!(time.len() == 13 && time.ends_with('Z'), "{line}");
    }
}

#[test]
fn a_refusal_or_a_silence_of_this_host_names_the_process() {
    let listener = TcpListener::bind("127.0.0.2:0").expect("binds");
    let port = listener.local_addr().expect("bound").port().to_string();
    let me = format!("(pid {})", std::process::id());
    let said = stderr(&run(&["echo-client", &port]));
    assert!(
        said.contains(&me) && said.contains(&format!("listens on 127.0.0.2:{port} only")),
        "{said}"
    );
    let said = stderr(&run(&["app-client", &port, "search", "ring"]));
    assert!(said.contains(&me), "{said}");
    let said = stderr(&run(&[
        "echo-client",
        "127.0.0.2",
        &port,
        "--timeout",
        "1.5s",
    ]));
    // A client that is connected has given up the rights that would name the process.
    assert!(
        said.contains("has not accepted the connection") && said.contains(&port),
        "{said}"
    );
}

#[test]
fn a_datagram_from_the_servers_own_address_or_an_answering_port_is_not_answered() {
    let mut server = Server::start(&["echo-server", "0", "--udp", "--udp-rate", "2"]);
    let client = UdpSocket::bind("127.0.0.1:0").expect("binds");
    client
        .set_read_timeout(Some(Duration::from_millis(300)))
        .expect("set");
    for _ in 0..5 {
        client.send_to(b"x", server.address).expect("sends");
    }
    let mut answers = 0;
    while client.recv(&mut [0; 10]).is_ok() {
        answers += 1;
    }
    assert!((2..5).contains(&answers), "{answers}");
    server.signal("TERM");
    let said = server.last_errors().join("\n");
    assert!(
        said.contains("2 answers a second to one source (--udp-rate)"),
        "{said}"
    );
    assert!(said.contains("over --udp-rate"), "{said}");
}
