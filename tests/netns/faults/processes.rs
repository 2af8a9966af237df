//! Faults of processes that others wait for.

use std::io::{BufRead, BufReader};
use std::path::{Path as StdPath, PathBuf};
use std::process::Stdio;

use socket2::{Domain, Socket, Type};

use super::Side::Server;
use super::{Row, connected, kept, listener_of, server as address_of};
use crate::routed::Path;
use crate::support::{Running, until};

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
    &Row {
        name: "a server is frozen while clients wait",
        rule: "process_stopped",
        about: "process frozen",
        effects: &["not_accepted"],
        at: Server,
        fault: |path| {
            let server = server(path, SERVING);
            let frozen = Frozen::of(path, server.id());
            let clients: Vec<_> = (0..3).map(|_| connected(&path.client, 8080)).collect();
            kept![frozen, server, clients]
        },
        // A frozen program that has no sockets.
        look_alike: |path| {
            let other = server(path, "print(flush=True); import time; time.sleep(600)");
            let frozen = Frozen::of(path, other.id());
            let server = server(path, SERVING);
            let clients: Vec<_> = (0..3).map(|_| connected(&path.client, 8080)).collect();
            kept![frozen, server, other, clients]
        },
    },
    &Row {
        name: "a server is blocked in the kernel",
        rule: "process_blocked",
        about: ":8080",
        effects: &[],
        at: Server,
        fault: |path| {
            let server = server(path, &blocked());
            let clients: Vec<_> = (0..3).map(|_| connected(&path.client, 8080)).collect();
            kept![server, clients]
        },
        // Nobody waits for it.
        look_alike: |path| kept![server(path, &blocked())],
    },
    &Row {
        name: "a client has no descriptor left",
        rule: "descriptor_limit",
        about: "failed with EMFILE",
        effects: &[],
        at: Server,
        fault: |path| kept![server(path, &client_with(20))],
        look_alike: |path| kept![server(path, &client_with(200))],
    },
    &Row {
        name: "a program sends to a broadcast address",
        rule: "broadcast_not_permitted",
        about: "python3",
        effects: &[],
        at: Server,
        fault: |path| kept![server(path, &announcer(false))],
        look_alike: |path| kept![server(path, &announcer(true))],
    },
    &Row {
        name: "a holder of the port never listens",
        rule: "bound_never_listened",
        about: ":8080",
        effects: &[],
        at: Server,
        fault: |path| kept![bound(path), server(path, BINDING)],
        // A lock that nobody else wants.
        look_alike: |path| kept![bound(path)],
    },
    &Row {
        name: "another server has the port",
        rule: "port_held",
        about: "10.77.2.1:8080",
        effects: &[],
        at: Server,
        fault: |path| kept![listener_of(&path.server, 8080, 8), server(path, BINDING)],
        // It takes another one.
        look_alike: |path| {
            let program = BINDING.replace("8080", "8081");
            kept![listener_of(&path.server, 8080, 8), server(path, &program)]
        },
    },
];

/// A process in a control group of its own that is frozen until this is dropped.
struct Frozen(PathBuf);

impl Frozen {
    fn of(path: &Path, pid: u32) -> Frozen {
        let roots = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
        let root = roots
            .iter()
            .find(|it| StdPath::new(it).join("cgroup.controllers").exists());
        let root = root.expect("control groups of version 2");
        let group = PathBuf::from(format!("{root}/{}-{pid}", path.server.name));
        std::fs::create_dir(&group).expect("a control group");
        let frozen = Frozen(group);
        std::fs::write(frozen.0.join("cgroup.procs"), pid.to_string()).expect("moved");
        frozen.freeze(true);
        until("the process to be frozen", || {
            let events = std::fs::read_to_string(frozen.0.join("cgroup.events"));
            events.expect("read").contains("frozen 1").then_some(())
        });
        frozen
    }

    fn freeze(&self, on: bool) {
        std::fs::write(self.0.join("cgroup.freeze"), if on { "1" } else { "0" }).expect("set");
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.freeze(false);
        let procs = self.0.parent().expect("a parent").join("cgroup.procs");
        for pid in std::fs::read_to_string(self.0.join("cgroup.procs"))
            .unwrap_or_default()
            .lines()
        {
            let _ = std::fs::write(&procs, pid);
        }
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// Listens, then waits for a child of `vfork()`, in the state D.
fn blocked() -> String {
    let program = "
import ctypes, socket
listener = socket.create_server(('10.77.2.1', 8080), backlog=100)
print(flush=True)
libc = ctypes.CDLL(None)
if libc.vfork() == 0:
    libc.prctl(1, 9)
    libc.pause()
";
    program.to_owned()
}

/// Makes sockets again and again, up to 50, and may have this many descriptors.
fn client_with(limit: u32) -> String {
    format!(
        "
import resource, socket, time
resource.setrlimit(resource.RLIMIT_NOFILE, ({limit}, {limit}))
print(flush=True)
kept = []
while True:
    try:
        kept.append(socket.socket())
    except OSError:
        pass
    if len(kept) == 50:
        kept.clear()
    time.sleep(0.02)
"
    )
}

fn announcer(permitted: bool) -> String {
    let permitted = u8::from(permitted);
    format!(
        "
import socket, time
print(flush=True)
while True:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, {permitted})
    try:
        s.sendto(b'here', ('10.77.2.255', 9999))
    except OSError:
        pass
    s.close()
    time.sleep(0.1)
"
    )
}

/// A socket that holds the port of the server.
fn bound(path: &Path) -> Socket {
    path.server.inside(|| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&address_of(8080).into()).expect("bound");
        socket
    })
}

/// Tries to serve until it can.
const BINDING: &str = "
import socket, time
print(flush=True)
while True:
    try:
        server = socket.create_server(('10.77.2.1', 8080))
        break
    except OSError:
        time.sleep(0.1)
time.sleep(600)
";

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
