//! Other forms of a target, and faults of the server's side.

use std::net::UdpSocket;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use nix::sys::socket::setsockopt;
use nix::{setsockopt_impl, sockopt_impl};
use socket2::{Domain, SockAddr, Socket, Type};

use super::Row;
use super::chain::Chain;
use super::rows::{Listening, NOTHING, full, idle_listener, listener, row};
use crate::dns_server::{DnsServer, Script};
use crate::faults::{Kept, kept};
use crate::namespace::Namespace;
use crate::support::{Running, until};

sockopt_impl!(
    /// A connection is not accepted before its client sends something; in seconds.
    DeferAccept,
    SetOnly,
    libc::IPPROTO_TCP,
    libc::TCP_DEFER_ACCEPT,
    libc::c_int
);

/// A DNS query for localhost, as --send takes it.
const QUERY: &str = r"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x09localhost\0\0\x01\0\x01";

const UNIX: &[&str] = &["unix:FOLDER/s.sock"];

/// A row about the server's own host, asked there.
const fn own_row(
    name: &'static str,
    target: &'static [&'static str],
    expected: Option<(&'static str, &'static str)>,
    says: &'static str,
    make: fn(&Chain) -> Kept,
) -> Row {
    Row {
        routers: 0,
        at: 1,
        target,
        ..row(name, expected, says, make)
    }
}

/// A row about a server that is in another namespace of this host, at the other end of a link.
const fn near_row(
    name: &'static str,
    target: &'static [&'static str],
    expected: Option<(&'static str, &'static str)>,
    says: &'static str,
    make: fn(&Chain) -> Kept,
) -> Row {
    Row {
        at: 0,
        ..own_row(name, target, expected, says, make)
    }
}

pub(super) const ROWS: &[Row] = &[
    own_row("Unix: healthy", UNIX, None, "is reachable", |chain| {
        kept![UnixListener::bind(socket_of(chain)).expect("it listens")]
    }),
    own_row(
        "Unix: no file",
        UNIX,
        Some(("connect", "unix_socket_unreachable")),
        "ENOENT",
        NOTHING,
    ),
    own_row(
        "Unix: an old file",
        UNIX,
        Some(("connect", "unix_socket_unreachable")),
        "an earlier server left",
        |chain| {
            drop(UnixListener::bind(socket_of(chain)).expect("it listens"));
            kept![]
        },
    ),
    own_row(
        "Unix: a regular file",
        UNIX,
        Some(("connect", "unix_socket_unreachable")),
        "not a socket",
        |chain| {
            std::fs::write(socket_of(chain), "").expect("written");
            kept![]
        },
    ),
    own_row(
        "Unix: bound, and it does not listen",
        UNIX,
        Some(("connect", "unix_socket_unreachable")),
        "is bound to this path and has not called listen()",
        |chain| {
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
            let address = SockAddr::unix(socket_of(chain)).expect("an address");
            socket.bind(&address).expect("bound");
            kept![socket]
        },
    ),
    own_row(
        "Unix: a socket for datagrams",
        UNIX,
        Some(("connect", "unix_socket_unreachable")),
        "has a datagram socket at this path",
        |chain| kept![UnixDatagram::bind(socket_of(chain)).expect("bound")],
    ),
    own_row(
        "Unix: the queue is full",
        UNIX,
        Some(("server", "accept_queue_full")),
        "1 waiting, limit 0",
        |chain| {
            let path = socket_of(chain);
            let listener = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
            listener
                .bind(&SockAddr::unix(&path).expect("an address"))
                .expect("bound");
            listener.listen(0).expect("it listens");
            let client = UnixStream::connect(&path).expect("connected");
            kept![listener, client]
        },
    ),
    own_row(
        "Unix: the server is stopped",
        UNIX,
        Some(("server", "process_stopped")),
        "sleep (pid ",
        |chain| {
            let listener = UnixListener::bind(socket_of(chain)).expect("it listens");
            kept![stopped(listener.into())]
        },
    ),
    own_row(
        "here: the server is stopped",
        &["127.0.0.1:18451"],
        Some(("server", "process_stopped")),
        "sleep (pid ",
        |chain| {
            kept![stopped(
                idle_listener(chain.server(), "127.0.0.1:18451").into()
            )]
        },
    ),
    own_row(
        "here: the server is stopped, and HTTP is asked for",
        &["http://127.0.0.1:18452/"],
        Some(("server", "process_stopped")),
        "sleep (pid ",
        |chain| {
            kept![stopped(
                idle_listener(chain.server(), "127.0.0.1:18452").into()
            )]
        },
    ),
    own_row(
        "here: a server that never accepts",
        &["127.0.0.1:18448"],
        Some(("server", "not_accepted")),
        "is reachable, but",
        |chain| kept![idle_listener(chain.server(), "127.0.0.1:18448")],
    ),
    own_row(
        "healthy, a server that accepts after a while",
        &["127.0.0.1:18449"],
        None,
        "is reachable",
        |chain| {
            let pause = Duration::from_millis(300);
            kept![Listening::after(pause, chain.server(), "127.0.0.1:18449")]
        },
    ),
    own_row(
        "healthy, clients without data are not accepted (TCP_DEFER_ACCEPT)",
        &["127.0.0.1:18450"],
        None,
        "is reachable",
        |chain| {
            let listener = idle_listener(chain.server(), "127.0.0.1:18450");
            setsockopt(&listener, DeferAccept, &60).expect("set");
            kept![listener]
        },
    ),
    near_row(
        "both sides: a server that never accepts",
        &["SERVER:18447"],
        Some(("server", "not_accepted")),
        "has not called accept() for this connection",
        |chain| kept![idle_listener(chain.server(), "10.81.0.2:18447")],
    ),
    own_row(
        "healthy, a port that listens on one address",
        &[":18453"],
        None,
        "is reachable",
        |chain| kept![listener(chain.server(), "10.81.0.2:18453")],
    ),
    own_row(
        "a port on which nothing listens",
        &[":18454"],
        Some(("connect", "port_closed")),
        "no process on this host",
        NOTHING,
    ),
    own_row(
        "healthy, the peers of a process",
        &["pid:PID"],
        None,
        "is reachable",
        |chain| connected(chain, 18455),
    ),
    own_row(
        "the peers of a process: output is dropped",
        &["pid:PID"],
        Some(("firewall", "own_firewall_drops")),
        "chain output",
        |chain| {
            let kept = connected(chain, 18456);
            let rules = "tcp dport 18456 counter drop;";
            chain.server().firewall_at("output", rules);
            kept
        },
    ),
    near_row(
        "healthy, in another namespace by its name",
        &["127.0.0.1:18457", "--netns", "NAMESPACE"],
        None,
        "is reachable",
        |chain| kept![listener(chain.server(), "127.0.0.1:18457")],
    ),
    Row {
        shows: "sockdoc sockets --netns NAMESPACE :18471",
        ..near_row(
            "nothing listens in another namespace: what to do is done there",
            &["127.0.0.1:18471", "--netns", "NAMESPACE"],
            Some(("connect", "port_closed")),
            "no process on this host",
            NOTHING,
        )
    },
    near_row(
        "in the namespace of a process: loopback only",
        &["10.81.0.2:18458", "--pid", "PID"],
        Some(("connect", "loopback_only")),
        "127.0.0.1:18458",
        |chain| {
            let sleep = asleep_in(chain.server(), Stdio::null());
            chain.pid.store(sleep.id(), Ordering::Relaxed);
            kept![sleep, listener(chain.server(), "127.0.0.1:18458")]
        },
    ),
    near_row(
        "healthy, in a container by its id",
        &["127.0.0.1:18476", "--container", "CONTAINER"],
        None,
        "is reachable",
        |chain| {
            let contained = contained(chain);
            kept![contained, listener(chain.server(), "127.0.0.1:18476")]
        },
    ),
    Row {
        shows: "sockdoc sockets --netns pid:PID :18477",
        ..near_row(
            "in a container nothing listens",
            &["127.0.0.1:18477", "--container", "CONTAINER"],
            Some(("connect", "port_closed")),
            "no process on this host",
            |chain| kept![contained(chain)],
        )
    },
    near_row(
        "healthy, both sides",
        &["SERVER:5432"],
        None,
        "is reachable",
        NOTHING,
    ),
    near_row(
        "both sides: the accept queue is full",
        &["SERVER:18459"],
        Some(("server", "accept_queue_full")),
        "2 waiting, limit 1",
        |chain| kept![full(chain.server(), "10.81.0.2:18459")],
    ),
    near_row(
        "both sides: loopback only",
        &["SERVER:18460"],
        Some(("connect", "loopback_only")),
        "127.0.0.1:18460",
        |chain| kept![listener(chain.server(), "127.0.0.1:18460")],
    ),
    Row {
        shows: "ip netns exec NAMESPACE nft -a list chain",
        ..near_row(
            "both sides: the server's firewall",
            &["SERVER:18461"],
            Some(("firewall", "listener_firewalled")),
            "chain input",
            |chain| {
                let rules = "tcp dport 18461 counter drop;";
                chain.server().firewall_at("input", rules);
                kept![listener(chain.server(), "0.0.0.0:18461")]
            },
        )
    },
    near_row(
        "both sides: the server is stopped",
        &["SERVER:18462"],
        Some(("server", "process_stopped")),
        "sleep (pid ",
        |chain| {
            kept![stopped(
                idle_listener(chain.server(), "0.0.0.0:18462").into()
            )]
        },
    ),
    Row {
        target: &["SERVER:18463"],
        ..row(
            "the accept queue of a far server is full",
            Some(("path", "port_filtered")),
            "or the server's accept queue is full",
            |chain| kept![full(chain.server(), "10.81.2.2:18463")],
        )
    },
    near_row(
        "healthy, a published port",
        &["127.0.0.1:18464"],
        None,
        "is reachable",
        |chain| {
            let inside = listener(chain.server(), "0.0.0.0:18465");
            let mut kept = published(chain, "127.0.0.1:18464", "10.82.64.1", "18465");
            kept.push(Box::new(inside));
            kept
        },
    ),
    near_row(
        "a published port that leads nowhere",
        &["127.0.0.1:18466"],
        Some(("server", "published_nowhere")),
        "10.82.66.1:18467",
        |chain| published(chain, "127.0.0.1:18466", "10.82.66.1", "18467"),
    ),
    near_row(
        "healthy, a translated port",
        &["10.83.0.1:81"],
        None,
        "is reachable",
        |chain| {
            translate(chain, "tcp", 18468);
            kept![listener(chain.server(), "0.0.0.0:18468")]
        },
    ),
    near_row(
        "a translated port: the server is stopped",
        &["10.83.0.1:81"],
        Some(("server", "process_stopped")),
        "sleep (pid ",
        |chain| {
            translate(chain, "tcp", 18469);
            kept![stopped(
                idle_listener(chain.server(), "0.0.0.0:18469").into()
            )]
        },
    ),
    Row {
        shows: "translated to 10.81.0.2:53 (DNAT)",
        ..near_row(
            "healthy, a translated UDP port",
            &["udp://10.83.0.1:81", "--send", QUERY],
            None,
            "is reachable",
            |chain| {
                translate(chain, "udp", 53);
                kept![DnsServer::start(chain.server(), "10.81.0.2", Script::Good)]
            },
        )
    },
    near_row(
        "a translated UDP port: nothing is bound",
        &["udp://10.83.0.1:81"],
        Some(("connect", "port_closed")),
        "10.81.0.2",
        |chain| {
            translate(chain, "udp", 18472);
            kept![]
        },
    ),
    near_row(
        "a translated UDP port: the server is stopped",
        &["udp://10.83.0.1:81"],
        Some(("server", "udp_unread")),
        "is stopped: datagrams lie unread at its UDP socket",
        |chain| {
            translate(chain, "udp", 18473);
            let bound = || UdpSocket::bind("0.0.0.0:18473").expect("bound");
            kept![stopped(chain.server().inside(bound).into())]
        },
    ),
    own_row(
        "UDP: a server that does not read",
        &["udp://127.0.0.1:18474"],
        Some(("server", "udp_unread")),
        "does not read: datagrams lie unread at its UDP socket",
        |chain| {
            let bound = || UdpSocket::bind("127.0.0.1:18474").expect("bound");
            kept![chain.server().inside(bound)]
        },
    ),
    own_row(
        "UDP: a server that reads and does not answer",
        &["udp://127.0.0.1:53"],
        Some(("path", "udp_no_answer")),
        "nothing came back",
        |chain| kept![DnsServer::start(chain.server(), "127.0.0.1", Script::Dead)],
    ),
];

fn socket_of(chain: &Chain) -> PathBuf {
    chain.folder.path().join("s.sock")
}

/// A stopped process that holds a socket.
fn stopped(socket: OwnedFd) -> Running {
    let sleep = Command::new("sleep").arg("1000").stdin(socket).spawn();
    let sleep = Running::from(sleep.expect("sleep runs"));
    sleep.signal("STOP");
    until("the process to be stopped", || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", sleep.id())).ok()?;
        let state = stat.rsplit_once(") ")?.1;
        state.starts_with('T').then_some(())
    });
    sleep
}

/// A process inside of a namespace, with this as its standard input.
fn asleep_in(namespace: &Namespace, input: Stdio) -> Running {
    let mut sleep = namespace.command("sleep");
    let sleep = Running::from(sleep.arg("1000").stdin(input).spawn().expect("sleep runs"));
    let inside = format!("net:[{}]", namespace.inode());
    until("the process to be inside", || {
        let link = std::fs::read_link(format!("/proc/{}/ns/net", sleep.id())).ok()?;
        (link.to_str()? == inside).then_some(())
    });
    sleep
}

/// A process inside of the server's namespace, in a control group that is named as that of a container.
fn contained(chain: &Chain) -> (Group, Running) {
    let sleep = asleep_in(chain.server(), Stdio::null());
    let pid = sleep.id();
    chain.pid.store(pid, Ordering::Relaxed);
    let roots = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
    let is_root = |it: &&&str| Path::new(it).join("cgroup.controllers").exists();
    let root = roots
        .iter()
        .find(is_root)
        .expect("control groups of version 2");
    let id = Chain::container_of(pid);
    let group = PathBuf::from(format!("{root}/docker-{id:0<64}.scope"));
    std::fs::create_dir(&group).expect("a control group");
    let group = Group(group);
    std::fs::write(group.0.join("cgroup.procs"), pid.to_string()).expect("moved");
    (group, sleep)
}

/// A control group, which is removed.
struct Group(PathBuf);

impl Drop for Group {
    fn drop(&mut self) {
        let above = self.0.parent().expect("a parent").join("cgroup.procs");
        let inside = std::fs::read_to_string(self.0.join("cgroup.procs"));
        for pid in inside.unwrap_or_default().lines() {
            let _ = std::fs::write(&above, pid);
        }
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// A process at the server that is connected to a port of the client.
fn connected(chain: &Chain, port: u16) -> Kept {
    let address = format!("10.81.0.1:{port}");
    let listener = listener(chain.client(), &address);
    let socket = chain
        .server()
        .inside(|| std::net::TcpStream::connect(&address).expect("connected"));
    let sleep = asleep_in(chain.server(), OwnedFd::from(socket).into());
    chain.pid.store(sleep.id(), Ordering::Relaxed);
    kept![sleep, listener]
}

/// A process with the command line of a docker-proxy that listens at the client and forwards to a port of the
/// server, at an address that no other namespace has.
fn published(chain: &Chain, at: &str, ip: &str, port: &str) -> Kept {
    chain.server().ip(&[&format!("addr add {ip}/32 dev lo")]);
    let relay = listener(chain.client(), at);
    let socket: OwnedFd = relay.listener.try_clone().expect("a descriptor").into();
    let program = chain.folder.path().join("docker-proxy");
    std::os::unix::fs::symlink(crate::support::program("sh").expect("sh"), &program)
        .expect("a link");
    let mut command = Command::new(program);
    command
        .args(["-c", "read x", "-proto", "tcp", "-container-port", port])
        .args(["-host-ip", "127.0.0.1", "-container-ip", ip])
        .stdin(Stdio::piped())
        .stdout(socket);
    kept![Running::from(command.spawn().expect("sh runs")), relay]
}

/// Packets of the client to 10.83.0.1:81 go to a port of the server.
fn translate(chain: &Chain, protocol: &str, port: u16) {
    let client = chain.client();
    client.ip(&["route add 10.83.0.0/24 via 10.81.0.2"]);
    let table = format!(
        "table ip test {{\n chain output {{\n  type nat hook output priority -100; policy accept;\n  \
         ip daddr 10.83.0.1 {protocol} dport 81 dnat to 10.81.0.2:{port};\n }}\n}}\n"
    );
    client.fed("nft", &["-f", "-"], &table);
}
