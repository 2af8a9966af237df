//! `sockdoc top` where there is no terminal: a frame, JSON, samples from a file, and what is refused.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;

use serde_json::Value;

use crate::support::{finish, run, sockdoc, stderr, stdout, until};

/// A connection of this process that moves bytes all the time, until it is dropped.
struct Busy {
    port: u16,
    stop: std::sync::Arc<std::sync::atomic::AtomicBool>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Busy {
    fn new() -> Busy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let mut client = TcpStream::connect(("127.0.0.1", port)).expect("connected");
        let (mut server, _) = listener.accept().expect("accepted");
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let asked = stop.clone();
        let writer = std::thread::spawn(move || {
            let _listens = listener;
            while !asked.load(std::sync::atomic::Ordering::Relaxed) {
                let _ = client.write_all(&[7; 1_000]);
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        });
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4_096];
            while server.read(&mut buffer).is_ok_and(|read| read > 0) {}
        });
        Busy {
            port,
            stop,
            threads: vec![writer, reader],
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn json_lines(args: &[&str]) -> Vec<Value> {
    let output = run(args);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let lines = stdout(&output);
    let parse = |line: &str| serde_json::from_str(line).expect("JSON");
    lines.lines().map(parse).collect()
}

#[test]
fn a_frame_for_a_pipe_has_the_rates_of_both_ends() {
    let busy = Busy::new();
    let port = format!(":{}", busy.port);
    // The bytes flow, but a slow machine may not let them flow in each interval.
    let frame = until("a frame with rates", || {
        let output = run(&["top", "--once", "-i", "0.3", &port]);
        let text = stdout(&output);
        let ends = text.lines().filter(|line| line.contains("ESTAB"));
        // A thousand bytes a second and more.
        let busy = ends.filter(|line| {
            line.split_whitespace()
                .any(|cell| cell.ends_with(['k', 'M']))
        });
        (busy.count() == 2).then_some(text)
    });
    let lines: Vec<&str> = frame.lines().collect();
    assert!(lines[0].starts_with("sockdoc top "), "{frame}");
    assert!(lines[2].starts_with(" PROCESS"), "{frame}");
    // Two ends and a listener; nothing about keys, nothing that moves a cursor.
    assert_eq!(lines.len(), 3 + 3, "{frame}");
    assert!(
        !frame.contains('\u{1b}') && !frame.contains("quit"),
        "{frame}"
    );
}

#[test]
fn json_has_an_object_for_each_interval_and_socket() {
    let busy = Busy::new();
    let port = format!(":{}", busy.port);
    let lines = json_lines(&["top", "--json", "-c", "2", "-i", "0.2", &port]);
    let of = |event: &str| lines.iter().filter(|it| it["event"] == event).count();
    assert_eq!((of("interval"), of("socket")), (2, 2 * 3));
    assert_eq!(lines[0]["schema"], "sockdoc.top/1");
    assert!(lines[0]["seconds"].as_f64().expect("a number") >= 0.2);
    let end = lines
        .iter()
        .find(|it| it["local"]["port"] == busy.port && it["state"] == "established")
        .expect("the server's end");
    assert!(end["total_in_bytes"].as_u64().expect("a number") > 0);
    assert_eq!(end["owners"][0]["pid"], std::process::id());
    assert!(end["rates"]["in_bytes_per_s"].is_number());
}

/// How many short connections there are, of 100 bytes each.
const COUNT: u64 = 200;

#[test]
fn short_connections_are_counted_to_the_byte() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let mut command = sockdoc();
    command.args([
        "top",
        "--json",
        "-i",
        "1",
        "-g",
        "port",
        &format!(":{port}"),
    ]);
    let mut running = command
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut out = std::io::BufReader::new(running.stdout.take().expect("piped"));
    let mut next = || {
        let mut line = String::new();
        std::io::BufRead::read_line(&mut out, &mut line).expect("a line");
        serde_json::from_str::<Value>(&line).expect("JSON")
    };
    // What closes before the first look is not counted.
    while next()["event"] != "interval" {}
    for _ in 0..COUNT {
        let mut client = TcpStream::connect(("127.0.0.1", port)).expect("connected");
        let (mut server, _) = listener.accept().expect("accepted");
        client.write_all(&[1; 100]).expect("sent");
        server.read_exact(&mut [0; 100]).expect("received");
        drop(client);
        assert_eq!(server.read(&mut [0]).expect("the end"), 0);
    }
    let (mut received, mut sent) = (0, 0);
    for _ in 0..200 {
        let line = next();
        if line["event"] == "group" && line["key"]["port"] == port {
            received = line["total_in_bytes"].as_u64().expect("a number");
            sent = line["total_out_bytes"].as_u64().expect("a number");
            if received >= COUNT * 100 && sent >= COUNT * 100 {
                break;
            }
        }
    }
    running.kill().expect("ended");
    running.wait().expect("ended");
    assert_eq!((received, sent), (COUNT * 100, COUNT * 100));
}

#[test]
fn samples_of_a_file_are_shown_one_after_the_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("host.json");
    let file = file.to_str().expect("text");
    let _listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let saved = run(&["diagnose", "--seconds", "0.3", "--save", file]);
    assert!(saved.status.code().is_some_and(|code| code < 2));
    let lines = json_lines(&["top", "--json", "--replay", file]);
    assert_eq!(lines[0]["event"], "interval");
    assert!(lines[0]["seconds"].as_f64().expect("a number") >= 0.3);
    let missing = run(&["top", "--once", "--replay", "/nonexistent/file"]);
    assert_eq!(missing.status.code(), Some(2));
}

#[test]
fn without_a_terminal_it_says_what_works_without_one() {
    let mut command = sockdoc();
    command.arg("top").stdin(Stdio::null());
    let output = finish(command);
    assert_eq!(output.status.code(), Some(2));
    let error = stderr(&output);
    assert!(
        error.contains("terminal") && error.contains("--once"),
        "{error}"
    );
    assert!(output.stdout.is_empty());
}

#[test]
fn a_saved_sample_is_shown_once_in_a_frame_and_as_json() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("host.json");
    let file = file.to_str().expect("text");
    let saved = run(&["diagnose", "--seconds", "0.2", "--save", file]);
    assert!(
        saved.status.code().is_some_and(|code| code < 2),
        "{saved:?}"
    );
    // What w writes is one sample; diagnose saves two, a line each.
    let both = std::fs::read_to_string(file).expect("saved");
    let one = both.lines().next().expect("a sample");
    std::fs::write(file, one).expect("written");
    let frame = run(&["top", "--replay", file, "--once"]);
    assert!(stdout(&frame).starts_with("sockdoc top"), "{frame:?}");
    let json = run(&["top", "--replay", file, "--once", "--json"]);
    let lines = stdout(&json);
    let first: serde_json::Value =
        serde_json::from_str(lines.lines().next().expect("a line")).expect("JSON");
    assert_eq!(first["schema"], "sockdoc.top/1");
}

#[test]
fn words_that_cannot_be_read_are_refused_before_anything_is_shown() {
    for args in [
        &["top", "--once", ":99999"][..],
        &["top", "--once", "-s", "colour"],
        &["top", "--once", "-g", "colour"],
        &["top", "--once", "-i", "0"],
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
}
