//! What the tests against the real binary share: a server that ends with its test, deadlines
//! instead of sleeps, and loud skips.

// Each test program uses its own part of it, and `pub` is for them.
#![allow(dead_code, unreachable_pub)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// No condition of a test may take longer.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// The binary under test.
pub fn sockdoc() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sockdoc"));
    command
        .env_remove("NO_COLOR")
        .env_remove("LISTEN_FDS")
        .env_remove("LISTEN_PID");
    command
}

/// Runs the binary to its end with these arguments and no input.
pub fn run(args: &[&str]) -> Output {
    sockdoc()
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect("the binary starts")
}

/// Standard output as text.
pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

/// Standard error as text.
pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

/// A running server; it is killed when this is dropped.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    lines: mpsc::Receiver<String>,
    errors: mpsc::Receiver<String>,
}

impl Server {
    /// Starts `sockdoc ARGS...` and waits for the line that says where it listens. Give port 0.
    pub fn start(args: &[&str]) -> Server {
        let mut command = sockdoc();
        command.args(args);
        Self::spawn(command)
    }

    /// The same for any command that prints such a line first, `Listening on HOST:PORT` or
    /// `Listening on ('HOST', PORT)` or JSON.
    pub fn spawn(mut command: Command) -> Server {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let lines = lines_of(child.stdout.take().expect("piped"));
        let errors = lines_of(child.stderr.take().expect("piped"));
        let Ok(first) = lines.recv_timeout(DEADLINE) else {
            let _ = child.kill();
            let said: Vec<String> = errors.try_iter().collect();
            panic!("{command:?} did not say that it listens: {said:?}");
        };
        let address = listening_address(&first);
        Server {
            child,
            address,
            lines,
            errors,
        }
    }

    /// Its port, as an argument.
    pub fn port(&self) -> String {
        self.address.port().to_string()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A connection to it, with deadlines set.
    pub fn connect(&self) -> TcpStream {
        connect(self.address)
    }

    /// The next line of its standard output.
    pub fn line(&self) -> String {
        self.lines
            .recv_timeout(DEADLINE)
            .expect("a line on standard output in time")
    }

    /// The next line of its standard error.
    pub fn error_line(&self) -> String {
        self.errors
            .recv_timeout(DEADLINE)
            .expect("a line on standard error in time")
    }

    /// Waits for a line of its standard error that holds `words`.
    pub fn wait_for_error(&self, words: &str) -> String {
        let start = Instant::now();
        loop {
            let line = self.error_line();
            if line.contains(words) {
                return line;
            }
            assert!(start.elapsed() < DEADLINE, "nothing said {words:?}");
        }
    }

    /// Sends a signal, by its name: `TERM`, `INT`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args(["-s", name, &self.pid().to_string()])
            .status()
            .expect("kill runs");
        assert!(status.success());
    }

    /// Waits until it has ended.
    pub fn wait(&mut self) -> ExitStatus {
        until("the server to end", || {
            self.child.try_wait().expect("wait works")
        })
    }

    /// Whether it is still running.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("wait works").is_none()
    }

    /// CPU time that it has used: user and system.
    pub fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("stat");
        let after_name = stat.rsplit(')').next().expect("a name");
        let ticks: u64 = after_name
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(|n| n.parse::<u64>().unwrap())
            .sum();
        Duration::from_millis(ticks * 10)
    }

    /// How many descriptors it has open.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid()))
            .expect("fd")
            .count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A TCP connection with deadlines set.
pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, DEADLINE).expect("connects");
    stream.set_read_timeout(Some(DEADLINE)).expect("set");
    stream.set_write_timeout(Some(DEADLINE)).expect("set");
    stream
}

/// Sends `bytes`, optionally shuts the sending side down, and reads to the end.
pub fn talk(address: SocketAddr, bytes: &[u8], shut_down: bool) -> std::io::Result<Vec<u8>> {
    let mut stream = connect(address);
    stream.write_all(bytes)?;
    if shut_down {
        stream.shutdown(Shutdown::Write)?;
    }
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

/// Waits until `condition` gives something, with a deadline.
pub fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(start.elapsed() < DEADLINE, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Says loudly that a test cannot run here; with `SOCKDOC_REQUIRE=all` that is a failure.
pub fn skip(test: &str, why: &str) {
    let required = std::env::var("SOCKDOC_REQUIRE").is_ok_and(|value| value == "all");
    assert!(
        !required,
        "{test} cannot run here: {why}, and SOCKDOC_REQUIRE=all forbids skipping"
    );
    // Past the test runner's capture, so that it is seen.
    let _ = writeln!(std::io::stderr().lock(), "SKIPPED {test}: {why}");
}

/// Whether this runs as root.
pub fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    status
        .lines()
        .any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(2) == Some("0"))
}

/// A program on the PATH.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

fn lines_of(stream: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            if sender
                .send(String::from_utf8_lossy(&line).into_owned())
                .is_err()
            {
                break;
            }
        }
    });
    receiver
}

/// The address in a line such as `Listening on 127.0.0.1:4000`, `... ('127.0.0.1', 4000)`, or JSON.
fn listening_address(line: &str) -> SocketAddr {
    let digits: String = line
        .trim_end()
        .trim_end_matches([')', '}', ',', ' '])
        .trim_end_matches("\"scope\":null")
        .trim_end_matches([',', ' '])
        .chars()
        .rev()
        .take_while(char::is_ascii_digit)
        .collect();
    let port: u16 = digits
        .chars()
        .rev()
        .collect::<String>()
        .parse()
        .unwrap_or_else(|_| {
            panic!("no port in {line:?}");
        });
    let host = if line.contains("::1") {
        "[::1]"
    } else {
        "127.0.0.1"
    };
    format!("{host}:{port}").parse().expect("an address")
}
