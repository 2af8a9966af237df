//! What a server prints, and those who do not read it: a slow reader, a full disk, a crowd.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, UdpSocket};
use std::os::unix::net::UnixStream;
use std::process::{ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::speak::{self, good_client};
use crate::support::{self, Running, Server, launched_by, skip, until};

/// A server whose standard output is read by nobody but the test.
struct Unread {
    child: Running,
    out: Option<BufReader<ChildStdout>>,
    address: SocketAddr,
}

impl Unread {
    fn start(args: &[&str]) -> Unread {
        let mut child = Running::from(
            support::sockdoc()
                .args(args)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("starts"),
        );
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        let mut first = String::new();
        out.read_line(&mut first).expect("a line");
        let port = first
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|part| part.parse::<u16>().ok())
            .next_back()
            .expect("a port");
        Unread {
            child,
            out: Some(out),
            address: SocketAddr::from(([127, 0, 0, 1], port)),
        }
    }

    fn signal(&self, name: &str) {
        self.child.signal(name);
    }

    /// Lines of standard error, up to one with these words.
    fn wait_for_error(&mut self, words: &str) -> BufReader<std::process::ChildStderr> {
        let mut errors = BufReader::new(self.child.stderr.take().expect("piped"));
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            assert_ne!(errors.read_line(&mut line).expect("text"), 0, "no {words}");
        }
        errors
    }

    fn wait(&mut self) -> std::process::ExitStatus {
        until("the server to end", || {
            self.child.try_wait().expect("waits")
        })
    }
}

/// Has this many lines of 1,000 bytes echoed.
fn echo_lines(address: SocketAddr, count: usize) {
    let line = [&[b'x'; 999][..], b"\n"].concat();
    let sent = line.repeat(count);
    let stream = support::connect(address);
    let mut writer = stream.try_clone().expect("a handle");
    let copy = sent.clone();
    let sender = std::thread::spawn(move || {
        writer.write_all(&copy).expect("writes");
        writer.shutdown(Shutdown::Write).expect("shuts down");
    });
    let mut back = Vec::new();
    (&stream).read_to_end(&mut back).expect("an echo");
    sender.join().expect("sent");
    assert!(back == sent, "{} of {} bytes", back.len(), sent.len());
}

#[test]
fn a_reader_that_stands_still_holds_up_neither_the_service_nor_the_signals() {
    let args = ["echo-server", "0", "--frame", "line", "--hexdump"];
    let mut server = Unread::start(&[&args[..], &["--drain", "10m"]].concat());
    // 4 MB make more than 16 MiB of lines, and nobody reads them.
    for _ in 0..4 {
        echo_lines(server.address, 1_000);
    }
    let mut errors = server.wait_for_error("events are dropped until it catches up");
    echo_lines(server.address, 10);
    let mut half = support::connect(server.address);
    half.write_all(b"no end of line").expect("writes");
    echo_lines(server.address, 10);
    server.signal("TERM");
    let mut line = String::new();
    while !line.contains("shutting down: 1 connection is") {
        line.clear();
        assert_ne!(errors.read_line(&mut line).expect("text"), 0);
    }
    let start = Instant::now();
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    let elapsed = start.elapsed();
    assert!(elapsed < Duration::from_secs(3), "{elapsed:?}");
    let mut said = String::new();
    errors.read_to_string(&mut said).expect("text");
    assert!(
        said.contains("not written: the reader of standard output is slow"),
        "{said}"
    );
    assert!(said.contains("1 cut by a second signal"), "{said}");
}

#[test]
fn one_signal_ends_a_server_that_nobody_reads() {
    let mut server = Unread::start(&["echo-server", "0", "--hexdump"]);
    echo_lines(server.address, 2_000);
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_reader_that_comes_back_is_told_how_much_it_missed() {
    let mut server = Unread::start(&["echo-server", "0", "--json"]);
    for _ in 0..8 {
        echo_lines(server.address, 1_000);
    }
    let _errors = server.wait_for_error("events are dropped until it catches up");
    let (sender, events) = mpsc::channel();
    let out = server.out.take().expect("not yet read");
    std::thread::spawn(move || {
        for line in out.lines() {
            let event: serde_json::Value =
                serde_json::from_str(&line.expect("text")).expect("JSON");
            let _ = sender.send((event["event"].clone(), event["events"].as_u64()));
        }
    });
    // What is lost is told with the next event that finds room.
    let lost = until("the reader to be told", || {
        let _ = support::talk(server.address, b"x", true);
        events.try_iter().find(|(name, _)| name == "lost")
    });
    assert!(lost.1 > Some(0), "{lost:?}");
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    assert_eq!(events.iter().last().expect("an end").0, "end");
}

#[test]
fn a_reader_that_keeps_up_loses_nothing() {
    let server = Server::start(&["echo-server", "0", "--hexdump"]);
    echo_lines(server.address, 2_000);
    let mut bytes = 0;
    while bytes < 2_000_000 {
        let line = server.line();
        assert!(!line.contains("lost"), "{line}");
        let shown = line.split_once(" bytes from ");
        bytes += shown.map_or(0, |(n, _)| n.replace(',', "").parse::<usize>().expect("n"));
    }
    assert_eq!(bytes, 2_000_000);
}

#[test]
fn a_full_disk_takes_the_log_and_not_the_service() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    // A file that may not grow past a kilobyte fails as a full disk does.
    let small = "trap '' XFSZ; ulimit -f 2; exec \"$0\" \"$@\"";
    let mut command = launched_by(&["sh", "-c", small]);
    let mut child = Running::from(
        command
            .args(["app-server", "0", "-v"])
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(&log).expect("a file"))
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts"),
    );
    let address = until("the first line", || {
        let text = std::fs::read_to_string(&log).expect("text");
        let line = text.strip_suffix(")\n")?;
        let port = line.rsplit(", ").next()?.parse().ok()?;
        Some(SocketAddr::from(([127, 0, 0, 1], port)))
    });
    for _ in 0..20 {
        good_client(address, "a full disk");
    }
    child.signal("TERM");
    let status = until("the server to end", || child.try_wait().expect("waits"));
    let mut said = String::new();
    let mut errors = child.stderr.take().expect("piped");
    errors.read_to_string(&mut said).expect("text");
    assert_eq!(status.code(), Some(0), "{said}");
    let complaints = said.matches("standard output cannot be written").count();
    assert_eq!(complaints, 1, "{said}");
    assert!(said.contains("(EFBIG)"), "{said}");
    assert!(
        said.contains("events were not written: standard output could"),
        "{said}"
    );
    assert!(said.contains("Served 20 connections"), "{said}");
}

#[test]
fn a_burst_of_resets_does_not_fill_the_log() {
    let mut server = Server::start(&["echo-server", "0"]);
    let crowd: Vec<_> = (0..200)
        .map(|_| {
            let mut stream = server.connect();
            stream.write_all(b"x").expect("writes");
            stream.read_exact(&mut [0]).expect("an echo");
            stream
        })
        .collect();
    let start = Instant::now();
    crowd.into_iter().for_each(support::reset);
    server.wait_for_no_connections();
    let seconds = usize::try_from(start.elapsed().as_secs()).expect("few");
    server.signal("TERM");
    let said = server.last_errors();
    let resets = said.iter().filter(|line| line.contains("ECONNRESET"));
    let resets = resets.count();
    assert!(resets <= 20 * (seconds + 2), "{resets} lines");
    let hidden: usize = said
        .iter()
        .filter_map(|line| {
            let (count, _) = line.split_once(" more line")?;
            count.rsplit(' ').next()?.parse::<usize>().ok()
        })
        .sum();
    assert_eq!(resets + hidden, 200, "{said:#?}");
    assert!(said.concat().contains("200 failed"), "{said:#?}");
}

#[test]
fn each_datagram_has_a_dump_of_its_own() {
    let server = Server::start(&["echo-server", "0", "--udp", "--hexdump"]);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("binds");
    socket
        .set_read_timeout(Some(support::DEADLINE))
        .expect("set");
    for _ in 0..2 {
        socket.send_to(b"Hello", server.address).expect("sends");
        socket.recv(&mut [0; 10]).expect("an echo");
        assert!(server.line().starts_with("5 bytes from "));
        let dump = server.line();
        assert!(dump.starts_with("  00000000  48 65"), "{dump}");
    }
}

#[test]
fn unix_peers_without_a_name_have_a_dump_each() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let place = path.to_str().expect("text");
    let server = Server::start(&["echo-server", "--unix", place, "--hexdump"]);
    let mut first = UnixStream::connect(&path).expect("connects");
    let mut second = UnixStream::connect(&path).expect("connects");
    let says = |stream: &mut UnixStream, offset: &str| {
        stream.write_all(b"Hello").expect("writes");
        stream.read_exact(&mut [0; 5]).expect("an echo");
        server.line();
        let dump = server.line();
        assert!(dump.starts_with(&format!("  {offset}  48 65")), "{dump}");
    };
    says(&mut first, "00000000");
    says(&mut second, "00000000");
    says(&mut first, "00000005");
    drop(second);
    says(&mut first, "0000000a");
}

#[test]
fn a_datagram_server_ends_with_an_object_in_json() {
    let mut server = Server::start(&["echo-server", "0", "--udp", "--json"]);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("binds");
    socket.send_to(b"Hello", server.address).expect("sends");
    socket.recv(&mut [0; 10]).expect("an echo");
    server.signal("TERM");
    let last = server.last_lines().pop().expect("a line");
    let end: serde_json::Value = serde_json::from_str(&last).expect("JSON");
    assert_eq!(end["event"], "end");
    assert_eq!(
        (&end["received"], &end["sent"], &end["unsent"]),
        (&1.into(), &1.into(), &0.into())
    );
    assert_eq!(server.last_errors(), Vec::<String>::new());
}

#[test]
fn answers_that_cannot_be_sent_are_told() {
    let folder = tempfile::tempdir().expect("a folder");
    // 65,507 bytes are the most that a datagram holds (udp(7)).
    let large = folder.path().join("large");
    std::fs::write(&large, vec![b'x'; 65_508]).expect("written");
    let reply = format!("@{}", large.to_str().expect("text"));
    let mut server = Server::start(&["echo-server", "0", "--udp", "--once", "--reply", &reply]);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("binds");
    socket.send_to(b"Hello", server.address).expect("sends");
    let said = server.last_errors().join("\n");
    assert!(
        said.contains("Answered 0 of 1 datagram; 1 answer could not be sent"),
        "{said}"
    );
}

#[test]
fn what_is_counted_once_is_in_the_singular() {
    let mut server = Server::start(&["echo-server", "0", "--once"]);
    let _ = support::talk(server.address, b"x", true);
    let said = server.last_errors().join("\n");
    assert!(said.contains("Served 1 connection: "), "{said}");
}

/// A program as a user who may have one process and no more.
fn one_process(test: &str) -> Option<Command> {
    if support::program("prlimit").is_none() || support::program("setpriv").is_none() {
        skip(test, "prlimit or setpriv is not installed");
        return None;
    }
    let other = "--reuid=61613 --regid=61613 --clear-groups prlimit --nproc=1";
    let mut launcher: Vec<&str> = Vec::new();
    if support::is_root() {
        launcher.push("setpriv");
        launcher.extend(other.split(' '));
    } else {
        launcher.extend(["prlimit", "--nproc=1"]);
    }
    let mut probe = launched_by(&launcher);
    if !probe
        .arg("--version")
        .output()
        .is_ok_and(|out| out.status.success())
    {
        skip(test, "another user cannot run the binary");
        return None;
    }
    Some(launched_by(&launcher))
}

#[test]
fn without_its_threads_a_server_says_so_and_serves_with_those_it_has() {
    let Some(mut command) = one_process("fewer threads") else {
        return;
    };
    command.args(["app-server", "0", "--threads", "4"]);
    let mut server = Server::spawn(command);
    let told = server.error_line();
    assert!(told.contains("1 of 4 threads"), "{told}");
    assert!(told.contains("(EAGAIN)"), "{told}");
    for _ in 0..20 {
        good_client(server.address, "fewer threads");
    }
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn without_the_thread_that_prints_a_server_does_not_start() {
    let Some(mut command) = one_process("no printer") else {
        return;
    };
    command.args(["app-server", "0", "-v"]);
    let output = support::finish(command);
    assert_eq!(output.status.code(), Some(2));
    let said = support::stderr(&output);
    assert!(said.contains("start the thread that prints"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn several_threads_keep_to_max_conns() {
    let args = ["app-server", "0", "--keep-open", "--max-conns", "3"];
    let server = Server::start(&[&args[..], &["--threads", "4"]].concat());
    for round in 0..20 {
        server.freeze();
        let crowd: Vec<_> = (0..16).map(|_| server.connect()).collect();
        server.signal("CONT");
        let before = until("three to be accepted", || {
            let open = crowd_accepted(&server);
            (open >= 3).then_some(open)
        });
        support::look_on(Duration::from_millis(20));
        let after = crowd_accepted(&server);
        assert_eq!((before, after), (3, 3), "round {round}");
        drop(crowd);
        server.wait_for_no_connections();
    }
    let answer = speak::ask(&mut server.connect(), &speak::search("ring"));
    assert_eq!(answer.expect("an answer"), speak::ring_reply());
}

/// Sockets of the server, but the one that listens.
fn crowd_accepted(server: &Server) -> usize {
    let fds = std::fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("fd");
    let links = fds
        .flatten()
        .filter_map(|fd| std::fs::read_link(fd.path()).ok());
    links
        .filter(|link| link.to_string_lossy().starts_with("socket:"))
        .count()
        - 1
}

#[test]
fn standard_error_that_nobody_reads_does_not_hold_up_the_service() {
    let mut server = Unread::start(&["app-server", "0", "-v"]);
    let out = server.out.take().expect("not yet read");
    std::thread::spawn(move || out.lines().count());
    // Each leaves a line on standard error; a pipe holds 64 KiB of them (pipe(7)).
    for _ in 0..1_000 {
        let mut stream = support::connect(server.address);
        stream.write_all(b"x").expect("writes");
        support::reset(stream);
    }
    good_client(server.address, "a thousand resets");
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
}
