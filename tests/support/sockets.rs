//! What the tests of `sockdoc sockets` share: a listing as values, and processes that hold sockets.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;

use serde_json::Value;

use super::{DEADLINE, Running, finish, lines_of, sockdoc, stdout, until};

/// What `sockdoc sockets --json` said.
#[derive(Debug)]
pub struct Listing {
    /// The whole document.
    pub document: Value,
    /// The exit status.
    pub code: Option<i32>,
}

impl Listing {
    /// Runs `sockdoc sockets --json ARGS...`.
    pub fn take(args: &[&str]) -> Listing {
        let mut command = sockdoc();
        command.args(["sockets", "--json"]).args(args);
        Listing::of(command)
    }

    /// Runs a command that prints such a document.
    pub fn of(command: Command) -> Listing {
        let output = finish(command);
        let document = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("no document ({error}): {output:?}"));
        Listing {
            document,
            code: output.status.code(),
        }
    }

    /// The sockets.
    pub fn rows(&self) -> &[Value] {
        self.document["sockets"].as_array().expect("a list")
    }

    /// The only one.
    pub fn only(&self) -> &Value {
        assert_eq!(self.rows().len(), 1, "{:#?}", self.document);
        &self.rows()[0]
    }

    /// The socket of this inode.
    pub fn with_inode(&self, inode: u64) -> &Value {
        let row = self.rows().iter().find(|row| row["inode"] == inode);
        row.unwrap_or_else(|| panic!("no socket {inode} in {:#?}", self.document))
    }

    /// The socket with these ends.
    pub fn between(&self, local: SocketAddr, peer: SocketAddr) -> Option<&Value> {
        self.rows()
            .iter()
            .find(|row| is(&row["local"], local) && is(&row["peer"], peer))
    }

    /// The words of its notes, a line each.
    pub fn note_texts(&self) -> String {
        let notes = self.document["notes"].as_array().expect("a list");
        let texts = notes.iter().filter_map(|note| note["text"].as_str());
        texts.collect::<Vec<_>>().join("\n")
    }

    /// The ids of the notes.
    pub fn notes(&self) -> Vec<&str> {
        let notes = self.document["notes"].as_array().expect("a list");
        notes
            .iter()
            .map(|note| note["id"].as_str().expect("an id"))
            .collect()
    }
}

fn is(end: &Value, address: SocketAddr) -> bool {
    end["addr"] == address.ip().to_string() && end["port"] == address.port()
}

/// Waits until `sockdoc sockets --json ARGS...` shows a socket for which `condition` holds, and
/// gives that socket.
pub fn wait_for_row(args: &[&str], what: &str, condition: impl Fn(&Value) -> bool) -> Value {
    until(what, || {
        let listing = Listing::take(args);
        let row = listing.rows().iter().find(|row| condition(row));
        row.cloned()
    })
}

/// The port of a listener, as a filter: a listing of it alone, however many sockets the host has.
pub fn port(listener: &std::net::TcpListener) -> String {
    format!(":{}", listener.local_addr().expect("bound").port())
}

/// The ids of a socket's findings.
pub fn findings(row: &Value) -> Vec<&str> {
    let findings = row["findings"].as_array().expect("a list");
    findings
        .iter()
        .map(|finding| finding["id"].as_str().expect("an id"))
        .collect()
}

/// Whether one of a socket's owners is this process, with this descriptor.
pub fn is_owned_by(row: &Value, pid: u32, fd: &impl AsRawFd) -> bool {
    let owners = row["owners"].as_array().expect("a list");
    owners
        .iter()
        .any(|owner| owner["pid"] == pid && owner["fd"] == fd.as_raw_fd())
}

/// The processes that own a socket.
pub fn pids(row: &Value) -> Vec<u64> {
    let owners = row["owners"].as_array().expect("a list");
    owners
        .iter()
        .map(|owner| owner["pid"].as_u64().expect("a number"))
        .collect()
}

/// The inode of a socket of this process.
pub fn inode(socket: &impl AsFd) -> u64 {
    let link = format!("/proc/self/fd/{}", socket.as_fd().as_raw_fd());
    let link = std::fs::read_link(link).expect("a link");
    let link = link.to_string_lossy();
    let digits = link.strip_prefix("socket:[").expect("a socket");
    digits.trim_end_matches(']').parse().expect("a number")
}

/// A table as words: the header, and the rows.
pub fn table(output: &Output) -> Vec<Vec<String>> {
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
    stdout(output).lines().map(words).collect()
}

/// The line below a table that counts its rows.
pub fn footer(output: &Output) -> String {
    let text = stdout(output);
    let line = text.lines().find(|line| is_footer(line));
    line.unwrap_or_else(|| panic!("no footer in {text}"))
        .to_owned()
}

/// Whether a line counts the rows above it: `1 socket`, `2 sockets; 3 TIME-WAIT not shown (-a)`.
pub fn is_footer(line: &str) -> bool {
    let counts = line.starts_with(|c: char| c.is_ascii_digit());
    counts
        && line
            .split(' ')
            .nth(1)
            .is_some_and(|word| word.starts_with("socket"))
}

/// Bytes as a `_hex` key of a document has them.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A process that holds sockets; it is killed when this is dropped.
pub struct Holder {
    child: Running,
    lines: mpsc::Receiver<String>,
}

impl Holder {
    /// Starts a command, the standard input of which stays open.
    pub fn spawn(mut command: Command) -> Holder {
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = Running::from(spawned.expect("the holder starts"));
        let lines = lines_of(child.stdout.take().expect("piped"));
        Holder { child, lines }
    }

    /// Starts a process that has the socket as its descriptor 0 and is called `name`; `None` without `sleep`.
    pub fn of(socket: OwnedFd, folder: &Path, name: &std::ffi::OsStr) -> Option<Holder> {
        let program = folder.join(name);
        let Some(sleep) = super::program("sleep") else {
            super::skip(
                &format!("a process called {}", name.display()),
                "there is no sleep",
            );
            return None;
        };
        std::os::unix::fs::symlink(sleep, &program).expect("a link");
        let mut command = Command::new(&program);
        command.arg0("sleep").arg("1000").stdin(socket);
        let child = command.stdout(Stdio::null()).spawn();
        Some(Holder {
            child: child.expect("the holder starts").into(),
            lines: mpsc::channel().1,
        })
    }

    /// Starts a Python program; `None` without Python.
    pub fn python(script: &str, args: &[&str]) -> Option<Holder> {
        let mut command = Command::new(super::program("python3")?);
        command.args(["-c", script]).args(args);
        Some(Holder::spawn(command))
    }

    /// The next line that it prints.
    pub fn line(&self) -> String {
        let line = self.lines.recv_timeout(DEADLINE);
        line.expect("a line of the holder in time")
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}
