//! Faults of processes that others wait for.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use super::Side::Server;
use super::{Row, connected, kept};
use crate::routed::Path;
use crate::support::Running;

pub(super) const ROWS: &[&Row] = &[
    &Row {
        name: "a server is stopped while clients wait",
        rule: "process_stopped",
        about: ":8080",
        effects: &["not_accepted"],
        at: Server,
        fault: |path| {
            let server = server(path, SERVING);
            server.signal("STOP");
            let clients: Vec<_> = (0..3).map(|_| connected(&path.client, 8080)).collect();
            kept![server, clients]
        },
        // A stopped program that has no sockets.
        look_alike: |path| {
            let other = server(path, "print(flush=True); import time; time.sleep(600)");
            other.signal("STOP");
            let server = server(path, SERVING);
            let clients: Vec<_> = (0..3).map(|_| connected(&path.client, 8080)).collect();
            kept![server, other, clients]
        },
    },
    &Row {
        name: "a server has no descriptor left",
        rule: "descriptor_limit",
        about: ":8080",
        effects: &["not_accepted"],
        at: Server,
        fault: |path| {
            let server = server(path, &limited());
            let clients: Vec<_> = (0..30).map(|_| connected(&path.client, 8080)).collect();
            kept![server, clients]
        },
        // It has a few left.
        look_alike: |path| {
            let server = server(path, &limited());
            let clients: Vec<_> = (0..8).map(|_| connected(&path.client, 8080)).collect();
            kept![server, clients]
        },
    },
];

/// Accepts all that comes and keeps it.
const SERVING: &str = "
import socket, time
listener = socket.create_server(('10.77.2.1', 8080), backlog=100)
print(flush=True)
kept = []
while True:
    try:
        kept.append(listener.accept())
    except OSError:
        time.sleep(0.1)
";

/// The same, with room for 20 descriptors.
fn limited() -> String {
    format!("import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))\n{SERVING}")
}

/// A Python program at the server, once it has printed a line.
fn server(path: &Path, program: &str) -> Running {
    let mut command = path.server.command("python3");
    command
        .args(["-c", program])
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut running = Running::from(command.spawn().expect("python3 starts"));
    let said = running.stdout.take().expect("piped");
    BufReader::new(said)
        .read_line(&mut String::new())
        .expect("a line");
    running
}
