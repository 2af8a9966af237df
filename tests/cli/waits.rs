//! How long a client waits: for the whole of a reply, for ages without spinning, and not once it is
//! told to end.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::speak;
use crate::support::{Running, fake_server, look_on, run, sockdoc, stderr, stdout, until};

/// A listener that drops a further SYN because its accept queue is full, and what fills it.
pub(crate) fn silent_listener() -> (Socket, Vec<TcpStream>, SocketAddr) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    listener.bind(&any.into()).expect("binds");
    listener.listen(0).expect("listens");
    let address = listener.local_addr().expect("an address").as_socket();
    let address = address.expect("an IP address");
    let mut waiting = Vec::new();
    until("the queue to be full", || {
        match TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
            Ok(stream) => waiting.push(stream),
            Err(_) => return Some(()),
        }
        None
    });
    (listener, waiting, address)
}

/// A running client, killed at the end.
struct Client(Running);

impl Client {
    fn start(args: &[&str]) -> Client {
        let mut command = sockdoc();
        command.args(args).stdin(Stdio::null());
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Client(command.spawn().expect("starts").into())
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }

    fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("stat");
        let after_name = stat.rsplit(')').next().expect("a name");
        let fields = after_name.split_whitespace().skip(11).take(2);
        Duration::from_millis(fields.map(|n| n.parse::<u64>().expect("ticks") * 10).sum())
    }

    /// Waits until one of its sockets waits for the answer to its SYN from this port (state 02).
    fn wait_for_syn(&self, port: u16) {
        let remote = format!("0100007F:{port:04X}");
        until("a SYN to be sent", || {
            let table = std::fs::read_to_string(format!("/proc/{}/net/tcp", self.pid())).ok()?;
            let row = |line: &str| -> Option<()> {
                let mut fields = line.split_whitespace().skip(2);
                (fields.next()? == remote && fields.next()? == "02").then_some(())
            };
            table.lines().find_map(row)
        });
    }

    fn signal(&self, name: &str) {
        self.0.signal(name);
    }
}

#[test]
fn a_timeout_of_weeks_does_not_spin() {
    let (_listener, _waiting, silent) = silent_listener();
    let port = silent.port().to_string();
    let connecting = Client::start(&["echo-client", "127.0.0.1", &port, "--timeout", "700h"]);
    connecting.wait_for_syn(silent.port());
    let (told, asked) = std::sync::mpsc::channel();
    let address = fake_server(move |_, mut stream| {
        let _ = speak::read_message(&mut stream);
        let _ = told.send(());
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let port = address.port().to_string();
    let args = ["app-client", "127.0.0.1", &port, "search", "ring"];
    let waiting = Client::start(&[&args[..], &["--timeout", "700h"]].concat());
    asked.recv().expect("a request");
    for client in [connecting, waiting] {
        let before = client.cpu();
        look_on(Duration::from_millis(300));
        let used = client.cpu().saturating_sub(before);
        assert!(used <= Duration::from_millis(50), "it spins: {used:?}");
    }
}

#[test]
fn a_load_run_ends_on_a_signal_while_its_first_connection_is_made() {
    for (signal, number) in [("INT", 2), ("TERM", 15)] {
        let (_listener, _waiting, silent) = silent_listener();
        let port = silent.port().to_string();
        let args = ["echo-client", "127.0.0.1", &port, "--conns", "2"];
        let mut client = Client::start(&[&args[..], &["--timeout", "10m"]].concat());
        client.wait_for_syn(silent.port());
        client.signal(signal);
        let status = until("the client to end", || client.0.try_wait().expect("waits"));
        assert_eq!(status.signal(), Some(number));
    }
}

/// Sends these bytes one by one, each after a short rest, until nobody reads them.
fn drip(mut stream: &TcpStream, bytes: &[u8]) {
    let _ = stream.set_nodelay(true);
    for byte in bytes {
        thread::sleep(Duration::from_millis(30));
        if stream.write_all(&[*byte]).is_err() {
            return;
        }
    }
}

#[test]
fn a_reply_that_comes_in_drops_must_be_whole_by_the_timeout() {
    let address = fake_server(|_, mut stream| {
        let _ = stream.read(&mut [0; 1000]);
        // Five seconds of it.
        drip(&stream, &speak::ring_reply());
    });
    let port = address.port().to_string();
    for args in [
        &["app-client", "127.0.0.1", &port, "search", "ring"][..],
        &[
            "echo-client",
            "127.0.0.1",
            &port,
            "--message",
            &"x".repeat(150),
        ],
    ] {
        let start = Instant::now();
        let output = run(&[args, &["--timeout", "400ms"]].concat());
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.contains("the reply was not complete in 400ms"),
            "{said}"
        );
        assert!(start.elapsed() < Duration::from_secs(4), "it waited on");
    }
}

#[test]
fn a_stream_may_take_longer_than_the_timeout_as_long_as_it_flows() {
    let address = fake_server(|_, mut stream| {
        let mut data = Vec::new();
        let _ = stream.read_to_end(&mut data);
        drip(&stream, &data);
    });
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    let data = "slow and steady, byte by byte";
    file.write_all(data.as_bytes()).expect("written");
    let path = file.path().to_str().expect("text");
    let port = address.port().to_string();
    let start = Instant::now();
    let output = run(&[
        "echo-client",
        "127.0.0.1",
        &port,
        "--file",
        path,
        "--timeout",
        "600ms",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output), data);
    assert!(
        start.elapsed() > Duration::from_millis(600),
        "no test at all"
    );
}
