//! What the tests against the real binary share: a server that ends with its test, deadlines
//! instead of sleeps, and loud skips.

// Each test program uses its own part of it, and `pub` is for them.
#![allow(dead_code, unreachable_pub, unused_imports)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

pub mod documented;
pub mod parsers;
pub mod pcapng;
#[path = "../man/schema.rs"]
pub mod schema;
pub mod sockets;

/// No condition of a test may take longer. While the kernel removes network namespaces it may hold the lock of its
/// network configuration for twenty seconds on a busy machine; whatever asks for that waits.
pub const DEADLINE: Duration = Duration::from_mins(1);

/// Where the binary under test is.
pub const BINARY: &str = env!("CARGO_BIN_EXE_sockdoc");

/// The binary under test.
pub fn sockdoc() -> Command {
    clean(Command::new(BINARY))
}

/// The binary under test, started by another program: `launcher(&["sh", "-c", "..."])`, whose
/// arguments go on with the path of the binary and then what the caller adds.
pub fn launched_by(launcher: &[&str]) -> Command {
    let mut command = clean(Command::new(launcher[0]));
    command.args(&launcher[1..]).arg(BINARY);
    command
}

fn clean(mut command: Command) -> Command {
    command
        .env_remove("NO_COLOR")
        .env_remove("LISTEN_FDS")
        .env_remove("LISTEN_PID");
    command
}

/// The reply of an app-server to a content in this encoding.
#[allow(unused_macros)]
macro_rules! unsupported {
    ($encoding:literal) => {
        concat!(
            "Error: the encoding '",
            $encoding,
            "' is not supported; send UTF-8 (supported: UTF-8, UTF-16, UTF-32, ASCII, Latin-1, \
             ISO 8859-2 to -8, -10 and -13 to -16, cp866, cp874, cp949, cp1250 to cp1254, \
             cp1256 to cp1258, KOI8-R, Mac Roman, Mac Cyrillic)"
        )
    };
}
pub(crate) use unsupported;

/// All Rust sources of the program, one after the other.
pub fn sources() -> String {
    let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut text = String::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                text += &std::fs::read_to_string(path).expect("text");
            }
        }
    }
    text
}

/// Runs the binary to its end with these arguments and no input.
pub fn run(args: &[&str]) -> Output {
    let mut command = sockdoc();
    command.args(args).stdin(Stdio::null());
    finish(command)
}

/// Runs a command to its end. One that does not end, such as a server that should have refused to
/// start, is killed, and the test fails.
pub fn finish(mut command: Command) -> Output {
    let spawned = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = Running::from(spawned.expect("the command starts"));
    let out = bytes_of(child.stdout.take().expect("piped"));
    let err = bytes_of(child.stderr.take().expect("piped"));
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("wait works") {
            break status;
        }
        assert!(start.elapsed() < DEADLINE, "{command:?} does not end");
        std::thread::sleep(Duration::from_millis(1));
    };
    let (stdout, stderr) = (out.join().expect("read"), err.join().expect("read"));
    documented::check(&stdout);
    documented::check(&stderr);
    Output {
        status,
        stdout,
        stderr,
    }
}

/// Reads the first line of a command and closes the pipe: that line, and how the command ends, which is in time.
pub fn first_line(mut command: Command) -> (String, Output) {
    command.stdin(Stdio::null());
    let spawned = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = Running::from(spawned.expect("the command starts"));
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().expect("piped"));
    out.read_line(&mut line).expect("a line");
    drop(out);
    until("the command to end", || {
        child.try_wait().expect("wait works")
    });
    (line, child.wait_with_output().expect("it ends"))
}

fn bytes_of(mut stream: impl Read + Send + 'static) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("readable");
        bytes
    })
}

/// Standard output as text.
pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

/// Standard error as text.
pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

/// A running program; it is killed when this is dropped.
#[derive(Debug)]
pub struct Running(Option<Child>);

impl From<Child> for Running {
    fn from(child: Child) -> Running {
        Running(Some(child))
    }
}

impl Running {
    /// Sends a signal, by its name: `TERM`, `INT`.
    pub fn signal(&self, name: &str) {
        signal(self.id(), name);
    }

    /// What it says until it ends, and how it ends.
    pub fn wait_with_output(mut self) -> std::io::Result<Output> {
        self.0.take().expect("it runs").wait_with_output()
    }
}

impl std::ops::Deref for Running {
    type Target = Child;

    fn deref(&self) -> &Child {
        self.0.as_ref().expect("it runs")
    }
}

impl std::ops::DerefMut for Running {
    fn deref_mut(&mut self) -> &mut Child {
        self.0.as_mut().expect("it runs")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Sends a signal, by its name (`TERM`, `INT`), to a process that the test started and did not wait for.
pub fn signal(pid: u32, name: &str) {
    let pid = i32::try_from(pid).expect("a process id");
    let signal: nix::sys::signal::Signal = format!("SIG{name}").parse().expect("a signal");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).expect("sent");
}

/// A running server; it is killed when this is dropped.
pub struct Server {
    child: Running,
    /// Where it listens.
    pub address: SocketAddr,
    /// The line that says so.
    pub first: String,
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
        let spawned = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = Running::from(spawned.expect("the server starts"));
        let lines = lines_of(child.stdout.take().expect("piped"));
        let errors = lines_of(child.stderr.take().expect("piped"));
        let Ok(first) = lines.recv_timeout(DEADLINE) else {
            drop(child);
            let said: Vec<String> = errors.try_iter().collect();
            panic!("{command:?} did not say that it listens: {said:?}");
        };
        let address = listening_address(&first);
        Server {
            child,
            address,
            first,
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
        let line = self.lines.recv_timeout(DEADLINE);
        let line = line.expect("a line on standard output in time");
        documented::check(line.as_bytes());
        line
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
        self.child.signal(name);
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

    /// CPU time that it uses while one looks on.
    pub fn cpu_during(&self, time: Duration) -> Duration {
        let before = self.cpu();
        look_on(time);
        self.cpu().saturating_sub(before)
    }

    /// What it has said on standard error and nobody has looked at yet; does not wait.
    pub fn errors_so_far(&self) -> Vec<String> {
        self.errors.try_iter().collect()
    }

    /// The rest of what it says on standard output; waits until it has ended.
    pub fn last_lines(&mut self) -> Vec<String> {
        self.wait();
        let lines: Vec<String> = self.lines.iter().collect();
        documented::check(lines.join("\n").as_bytes());
        lines
    }

    /// The rest of what it says on standard error; waits until it has ended.
    pub fn last_errors(&mut self) -> Vec<String> {
        self.wait();
        self.errors.iter().collect()
    }

    /// A line of `/proc/PID/status`, in bytes: `VmRSS`.
    pub fn memory(&self, what: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let status = status.expect("status");
        let line = status.lines().find_map(|line| line.strip_prefix(what));
        let kib = line.and_then(|line| line.split_whitespace().next());
        kib.expect("a size").parse::<u64>().expect("a number") * 1024
    }

    /// Its soft and hard limit of open descriptors.
    pub fn descriptor_limits(&self) -> (u64, u64) {
        descriptor_limits(self.pid())
    }

    /// Stops it (SIGSTOP) and waits until it stands.
    pub fn freeze(&self) {
        self.signal("STOP");
        until("the server to stand still", || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).ok()?;
            let state = stat.rsplit(')').next()?.trim_start().chars().next()?;
            (state == 'T').then_some(())
        });
    }

    /// Waits until it holds no socket but the one it listens on.
    pub fn wait_for_no_connections(&self) {
        until("the connections to be closed", || {
            let fds = std::fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("fd");
            let links = fds
                .flatten()
                .filter_map(|fd| std::fs::read_link(fd.path()).ok());
            let sockets = links.filter(|link| link.to_string_lossy().starts_with("socket:"));
            (sockets.count() == 1).then_some(())
        });
    }

    /// How many descriptors it has open.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid()))
            .expect("fd")
            .count()
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

/// Closes a connection with a reset.
// By value: this is its end.
#[allow(clippy::needless_pass_by_value)]
pub fn reset(stream: TcpStream) {
    let linger = Some(Duration::ZERO);
    let socket = socket2::SockRef::from(&stream);
    socket.set_linger(linger).expect("set");
}

/// The soft and hard limit of open descriptors of a process.
pub fn descriptor_limits(pid: u32) -> (u64, u64) {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).expect("limits");
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let mut numbers = line.expect("a line").split_whitespace().skip(3);
    let mut number = || {
        numbers
            .next()
            .and_then(|n| n.parse().ok())
            .expect("a limit")
    };
    (number(), number())
}

/// Looks on for a while; not a way to wait for something to happen, but to see that it does not.
pub fn look_on(time: Duration) {
    std::thread::sleep(time);
}

/// A server of the test's own, on 127.0.0.1: each connection is given to `serve`, with its number
/// from 0, in the order of arrival and one at a time.
pub fn fake_server(mut serve: impl FnMut(usize, TcpStream) + Send + 'static) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            let _ = stream.set_read_timeout(Some(DEADLINE));
            let _ = stream.set_write_timeout(Some(DEADLINE));
            serve(number, stream);
        }
    });
    address
}

/// Whether this machine has `::1`.
pub fn has_ipv6() -> bool {
    std::net::TcpListener::bind("[::1]:0").is_ok()
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
/// All interfaces are reached over 127.0.0.1; a Unix domain server gets port 0, which nobody can
/// connect to.
fn listening_address(line: &str) -> SocketAddr {
    let (host, port) = host_and_port(line).unwrap_or_else(|| panic!("no address in {line:?}"));
    let host = if host == "::1" { "[::1]" } else { "127.0.0.1" };
    format!("{host}:{port}").parse().expect("an address")
}

fn host_and_port(line: &str) -> Option<(String, u16)> {
    if let Ok(event) = serde_json::from_str::<serde_json::Value>(line) {
        let local = &event["local"];
        if local.get("path").is_some() {
            return Some((String::new(), 0));
        }
        let port = u16::try_from(local["port"].as_u64()?).ok()?;
        return Some((local["addr"].as_str()?.to_owned(), port));
    }
    let at = line.strip_prefix("Listening on ")?;
    if at.starts_with(['/', '\'']) {
        return Some((String::new(), 0));
    }
    if let Some(tuple) = at.strip_prefix("('") {
        let (host, rest) = tuple.split_once("', ")?;
        let port = rest.split([',', ')']).next()?;
        return Some((host.to_owned(), port.parse().ok()?));
    }
    let (host, port) = at.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Some((host.to_owned(), port.parse().ok()?))
}
