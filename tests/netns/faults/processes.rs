//! Faults of processes that others wait for.

use std::path::{Path as StdPath, PathBuf};
use std::process::Stdio;

use socket2::{Domain, Socket, Type};

use super::Side::Server;
use super::{Kept, Row, connected, kept, listener_of, python, server as address_of};
use crate::diagnose::connecting;
use crate::routed::Path;
use crate::support::{Running, finish, stdout, until};

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
        about: " is frozen: ",
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
    &Row {
        name: "a stopped server, its full queue, clients that hang",
        rule: "process_stopped",
        about: ":8080",
        effects: &["accept_queue_full", "connecting_no_answer", "not_accepted"],
        at: Server,
        fault: |path| {
            let server = server(path, &SERVING.replace("=100", "=1"));
            server.signal("STOP");
            kept![server, local_clients(path, 5)]
        },
        look_alike: |path| {
            let server = server(path, &SERVING.replace("=100", "=1"));
            kept![server, local_clients(path, 5)]
        },
    },
    &Row {
        name: "a server without descriptors, its full queue, clients that hang",
        rule: "descriptor_limit",
        about: ":8080",
        effects: &["accept_queue_full", "connecting_no_answer", "not_accepted"],
        at: Server,
        fault: |path| {
            let server = server(path, &limited().replace("=100", "=1"));
            kept![server, local_clients(path, 30)]
        },
        look_alike: |path| {
            let server = server(path, &limited().replace("=100", "=1"));
            kept![server, local_clients(path, 8)]
        },
    },
    &Row {
        name: "a server that retries accept() without descriptors",
        rule: "descriptor_limit",
        about: "times a second",
        effects: &["not_accepted"],
        at: Server,
        fault: |path| {
            let server = server(path, &limited().replace("time.sleep(0.1)", "pass"));
            let clients: Vec<_> = (0..30).map(|_| connected(&path.client, 8080)).collect();
            kept![server, clients]
        },
        look_alike: |path| {
            let server = server(path, &limited().replace("time.sleep(0.1)", "pass"));
            let clients: Vec<_> = (0..8).map(|_| connected(&path.client, 8080)).collect();
            kept![server, clients]
        },
    },
    &Row {
        name: "a connection from the port of a server",
        rule: "port_held",
        about: "has a connection from it",
        effects: &[],
        at: Server,
        fault: |path| kept![outgoing(path, false), server(path, BINDING)],
        // With SO_REUSEADDR at both it is not in the way.
        look_alike: |path| kept![outgoing(path, true), server(path, BINDING)],
    },
    &Row {
        name: "a forgotten child holds the listener",
        rule: "inherited_listener",
        about: ":8080",
        effects: &["port_held"],
        at: Server,
        fault: |path| {
            let child = adopted(path, "sleeps");
            kept![child, server(path, BINDING)]
        },
        // A worker that init has adopted serves.
        look_alike: |path| {
            let child = adopted(path, "serves");
            let clients: Vec<_> = (0..3).map(|_| connected(&path.client, 8080)).collect();
            kept![child, clients]
        },
    },
    &Row {
        name: "clients wait at a forgotten child",
        rule: "inherited_listener",
        about: "its clients wait",
        effects: &["not_accepted"],
        at: Server,
        fault: |path| {
            let child = adopted(path, "sleeps");
            let clients: Vec<_> = (0..3).map(|_| connected(&path.client, 8080)).collect();
            kept![child, clients]
        },
        // Nobody wants anything of it.
        look_alike: |path| kept![adopted(path, "sleeps")],
    },
    &Row {
        name: "the address of a server is not on the host",
        rule: "address_not_local",
        about: "10.77.2.99:8080",
        effects: &[],
        at: Server,
        fault: |path| kept![server(path, &BINDING.replace("2.1", "2.99"))],
        look_alike: |path| {
            path.server.ip(&["addr add 10.77.2.99/24 dev far1"]);
            kept![server(path, &BINDING.replace("2.1", "2.99"))]
        },
    },
    &Row {
        name: "a program does not read its Unix datagrams",
        rule: "unix_datagram_queue_full",
        about: "blocked in send()",
        effects: &[],
        at: Server,
        fault: |path| logging(path, "time.sleep(600)", "True"),
        look_alike: |path| logging(path, "s.recv(1000); time.sleep(0.02)", "True"),
    },
    &Row {
        name: "sends to a Unix socket fail",
        rule: "unix_datagram_queue_full",
        about: "failed with EAGAIN",
        effects: &[],
        at: Server,
        fault: |path| logging(path, "time.sleep(600)", "False"),
        look_alike: |path| logging(path, "s.recv(1000); time.sleep(0.02)", "False"),
    },
    &Row {
        name: "the reader of Unix datagrams is stopped",
        rule: "process_stopped",
        about: "log",
        effects: &["unix_datagram_queue_full"],
        at: Server,
        fault: |path| {
            let [reader, sender] = reader_and_sender(path, "s.recv(1000)", "True");
            reader.signal("STOP");
            kept![reader, sender]
        },
        look_alike: |path| logging(path, "s.recv(1000)", "True"),
    },
];

/// A Python program at the server, once it has printed a line.
fn server(path: &Path, program: &str) -> Running {
    python(&path.server, program)
}

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

/// A process that was started by a server which has ended, and that has its listener.
struct Adopted(u32);

impl Drop for Adopted {
    fn drop(&mut self) {
        let _ = std::process::Command::new("kill")
            .args(["-KILL", &self.0.to_string()])
            .status();
    }
}

/// The child sleeps, or accepts all that comes.
fn adopted(path: &Path, what: &str) -> Adopted {
    let program = "
import os, socket, sys, time
listener = socket.create_server(('10.77.2.1', 8080), backlog=100)
child = os.fork()
if child:
    print(child, flush=True)
    sys.exit()
# Who waits for the end of the output does not wait for the child.
os.close(1)
os.close(2)
if sys.argv[1] == 'sleeps':
    listener.set_inheritable(True)
    os.execvp('sleep', ['sleep', '600'])
kept = []
while True:
    kept.append(listener.accept())
";
    let mut command = path.server.command("python3");
    command.args(["-c", program, what]).stdin(Stdio::null());
    let child = stdout(&finish(command)).trim().parse().expect("a number");
    until("init to adopt the child", || {
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).expect("it runs");
        let parent = stat.rsplit(')').next()?.split_whitespace().nth(1)?;
        let of_parent = std::fs::read_to_string(format!("/proc/{parent}/status")).ok()?;
        let comm = stat.contains("(sleep)") == (what == "sleeps");
        (comm && of_parent.contains("NSpid:\t1\n")).then_some(())
    });
    Adopted(child)
}

/// A connection that has the port of a server at its own end.
fn outgoing(path: &Path, reuse: bool) -> (Socket, Socket) {
    let listener = path
        .router
        .inside(|| std::net::TcpListener::bind("10.77.2.254:9000").expect("it listens"));
    let to: std::net::SocketAddr = "10.77.2.254:9000".parse().expect("an address");
    let socket = path.server.inside(|| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_reuse_address(reuse).expect("set");
        socket.bind(&address_of(8080).into()).expect("bound");
        socket.connect(&to.into()).expect("connected");
        socket
    });
    (socket, listener.accept().expect("accepted").0.into())
}

/// A reader of Unix datagrams that does this again and again, and a sender with a blocking socket or one that is not.
fn reader_and_sender(path: &Path, reading: &str, blocking: &str) -> [Running; 2] {
    let name = &path.server.name;
    let begin = "import socket, time\ns = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n";
    let reader =
        format!("{begin}s.bind('\\0{name}-log')\nprint(flush=True)\nwhile True:\n    {reading}\n");
    let sender = format!(
        "{begin}s.connect('\\0{name}-log')\ns.setblocking({blocking})\nprint(flush=True)\n\
         while True:\n    try: s.send(b'x' * 100)\n    except BlockingIOError: time.sleep(0.01)\n"
    );
    [server(path, &reader), server(path, &sender)]
}

fn logging(path: &Path, reading: &str, blocking: &str) -> Kept {
    kept![reader_and_sender(path, reading, blocking)]
}

/// Clients on the host of the server, which connect one after the other and do not wait for it.
fn local_clients(path: &Path, count: usize) -> Vec<Socket> {
    let client = |_| {
        let socket = connecting(&path.server, "10.77.2.1:8080");
        std::thread::sleep(std::time::Duration::from_millis(5));
        socket
    };
    (0..count).map(client).collect()
}
