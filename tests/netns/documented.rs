//! sockdoc-json(5) against what commands print: no key that is not documented, and none documented that does not exist.

use std::ffi::OsStr;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path as FilePath;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use socket2::{Domain, Socket, Type};

use crate::diagnose::{connecting, listener, until_sent_again};
use crate::dns_server::{DnsServer, Etc, Script};
use crate::namespace::Namespace;
use crate::routed::{Path, SERVER};
use crate::support::pcapng;
use crate::support::schema::{Book, Seen};
use crate::support::{self, Server, finish, skip, stderr, stdout, until};

/// Keys that no run below has, by the beginnings of their names: they take a fault that is not made in a moment, a host of a
/// container, or a setting of this host's clock. Where other tests provoke one, [`support::documented`] looks at it; that the
/// program has it at all is seen in the sources.
const NOT_PROVOKED: &[&str] = &[
    "end cid",
    "mpls ",
    "sockdoc.app-client/1 exchange#0 reply.content_hex",
    "sockdoc.app-client/1 exchange#0 request.data_hex",
    "peer path_hex",
    "sockdoc.app-server/1 accept_paused",
    "sockdoc.app-server/1 datagrams_dropped",
    "sockdoc.app-server/1 fewer_threads",
    "sockdoc.app-server/1 lost",
    "sockdoc.app-server/1 request#2 request.content_hex",
    "sockdoc.app-server/1 waiting",
    "sockdoc.decode/1 message#1 content_hex",
    "sockdoc.decode/1 packet#0 receiver_process.name_hex",
    "sockdoc.decode/1 packet#0 sender_process.name_hex",
    "sockdoc.drops/1",
    // It takes BPF; its own tests look at it.
    "sockdoc.drops/1 ",
    "sockdoc.ping/1 advice",
    "sockdoc.ping/1 clock_step",
    "sockdoc.ping/1 moved",
    "sockdoc.ping/1 path_change",
    "sockdoc.ping/1 reply#0 damage",
    "sockdoc.ping/1 up",
    "sockdoc.resolve/1 behind[]",
    "sockdoc.sockets/1 groups[].key.abstract",
    "sockdoc.sockets/1 groups[].key.container",
    "sockdoc.sockets/1 groups[].key.path",
    "sockdoc.sockets/1 groups[].key.unit",
    "sockdoc.top/1 ended",
    "sockdoc.watch/1 changed",
    "sockdoc.watch/1 ended",
    "sockdoc.watch/1 failed",
    "sockdoc.watch/1 not_saved",
];

/// The output of a run: the schema and the text.
type Printed = Vec<(&'static str, String)>;

#[test]
fn every_key_of_json_output_is_documented_and_every_documented_key_exists() {
    let test = "every_key_of_json_output_is_documented_and_every_documented_key_exists";
    let (Some(path), Some(alone)) = (Path::new(test), Namespace::new(test)) else {
        return;
    };
    if support::program("nft").is_none() {
        return skip(test, "nft is not installed");
    }
    let book = Book::open();
    let mut seen = Seen::new();
    let printed = std::thread::scope(|scope| {
        let runs: [Box<dyn FnOnce() -> Printed + Send>; 6] = [
            Box::new(|| pings(&path)),
            Box::new(|| hosts(&alone)),
            Box::new(names),
            Box::new(captures),
            Box::new(explanations),
            Box::new(conversations),
        ];
        let runs: Vec<_> = runs.into_iter().map(|run| scope.spawn(run)).collect();
        let printed = runs.into_iter().map(|run| run.join().expect("it ran"));
        printed.collect::<Vec<_>>()
    });
    let mut complaints = Vec::new();
    for (schema, text) in printed.iter().flatten() {
        assert!(!text.is_empty(), "nothing of {schema}");
        for line in documents(text) {
            complaints.extend(book.check(schema, &line, &mut seen).err());
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    let mut unseen = book.unseen(&seen);
    let sources = support::sources();
    unseen.retain(|key| {
        let name = key.rsplit(['.', ' ']).next().unwrap_or_default();
        let name = name.trim_end_matches("[]").trim_end_matches("_hex");
        let is_written = [format!("\"{name}\""), format!("{name}:")];
        let is_known = NOT_PROVOKED.iter().any(|start| key.starts_with(start));
        !is_known || !is_written.iter().any(|it| sources.contains(it))
    });
    assert!(
        unseen.is_empty(),
        "documented, but in no output:\n{}",
        unseen.join("\n")
    );
}

/// The documents of a text: one, or one a line.
fn documents(text: &str) -> Vec<Value> {
    let values = serde_json::Deserializer::from_str(text).into_iter();
    let values = values.map(|value| value.unwrap_or_else(|error| panic!("{error}: {text}")));
    values.collect()
}

/// What `sockdoc WORDS...` prints inside.
fn printed(namespace: &Namespace, words: &str) -> String {
    let mut command = namespace.launched();
    command.args(words.split_whitespace()).stdin(Stdio::null());
    text_of(command)
}

/// The same here.
fn here(words: &str) -> String {
    let mut command = support::sockdoc();
    command.args(words.split_whitespace()).stdin(Stdio::null());
    text_of(command)
}

fn text_of(command: Command) -> String {
    let output = finish(command);
    stdout(&output)
}

fn pings(path: &Path) -> Printed {
    let [v4, v6] = SERVER;
    let client = &path.client;
    let ping = |words: &str| {
        (
            "sockdoc.ping/1",
            printed(client, &format!("ping --json {words}")),
        )
    };
    let check = |words: &str| {
        (
            "sockdoc.check/1",
            printed(client, &format!("check --json {words}")),
        )
    };
    path.router.firewall_at(
        "forward",
        "icmp type echo-request numgen inc mod 8 2 reject with icmp type host-prohibited\n  \
         icmp type echo-request numgen inc mod 7 4 drop",
    );
    let mut all = vec![
        ping(&format!("-O -c 12 -i 0.01 -W 0.2 {v4} {v6}")),
        ping(&format!("-O -c 12 -i 0.05 -W 1 {v4}")),
        ping(&format!("-c 6 -i 0.05 -W 0.3 --summary-every 0.1 {v6}")),
        ping(&format!("--hops {v6}")),
        ping(&format!(
            "--hops --watch -c 4 -i 0.1 --summary-every 0.2 {v6}"
        )),
        (
            "sockdoc.capture.interfaces/1",
            printed(client, "capture -D --json"),
        ),
    ];
    path.router.firewall_at(
        "forward",
        "icmp type echo-request numgen inc mod 40 0-19 drop",
    );
    all.push(ping(&format!("-c 24 -i 0.02 -W 0.1 {v4}")));
    let accepting = listener(&path.server, 5433);
    all.push(ping(&format!(
        "--tcp 5433 -O -c 3 -i 0.05 -W 0.3 --summary-every 0.1 {v4}"
    )));
    drop(accepting);
    path.narrow(1300);
    all.push(ping(&format!("-M do -s 1400 -c 1 -W 0.5 {v6}")));
    all.push(ping(&format!("--mtu -W 0.3 {v6}")));
    // Packets larger than the last link are dropped silently.
    path.router.firewall_at("input", "accept");
    path.client
        .firewall_at("input", "icmp type destination-unreachable drop");
    all.push(ping(&format!("--mtu -W 0.3 {v4}")));
    path.client
        .firewall_at("output", "icmp type echo-request drop");
    all.push(ping(&format!("-c 1 {v4}")));
    path.client
        .firewall_at("input", "icmp type echo-reply drop");
    all.push(ping(&format!("-c 2 -i 0.5 -w 0.3 {v4}")));
    path.client.firewall_at("input", "accept");
    all.push(check(&format!("{v4}:9")));
    path.router.firewall_at(
        "forward",
        "tcp dport 9 reject with icmp type host-prohibited",
    );
    all.push(check(&format!("{v4}:9")));
    path.router.firewall_at("forward", "tcp dport 9 drop");
    all.push(check(&format!("--timeout 4s {v4}:9")));
    all.push(ping(&format!("--tcp 9 -O -c 6 -i 0.05 -W 0.3 {v4}")));
    path.client.firewall_at("output", "tcp dport 5432 drop");
    let waits = connecting(client, &format!("{v4}:5432"));
    until_sent_again(client);
    all.push((
        "sockdoc.diagnose/1",
        printed(client, "diagnose --json --seconds 0.2"),
    ));
    all.push(("sockdoc.sockets/1", printed(client, "sockets --json")));
    all.push((
        "sockdoc.sockets/1",
        printed(client, "sockets --json --summary --problems"),
    ));
    all.push(("sockdoc.top/1", printed(client, "top --json -c 1 -i 0.2")));
    let folder = tempfile::tempdir().expect("a folder");
    let words = format!(
        "watch --json -i 0.2 --for 1 --on-finding own_firewall_drops --bundle {}",
        folder.path().display()
    );
    all.push(("sockdoc.watch/1", printed(client, &words)));
    drop(waits);
    all
}

/// Sockets of every family, some with names that are not text, and a connection in TIME-WAIT.
struct Crowd {
    /// What it holds, until this is dropped.
    _held: Vec<OwnedFd>,
    /// A process with a name that is not text; it ends with its standard input.
    odd: Child,
}

impl Crowd {
    fn new(alone: &Namespace, folder: &FilePath) -> Crowd {
        let mut held: Vec<OwnedFd> = Vec::new();
        let odd = alone.inside(|| {
            let listener = TcpListener::bind("127.0.0.1:80").expect("a port");
            // Where a second one waits to be accepted, there is room for one.
            let room = nix::sys::socket::Backlog::new(0).expect("a number");
            nix::sys::socket::listen(&listener, room).expect("it listens on");
            let closed = TcpStream::connect("127.0.0.1:80").expect("connects");
            let (accepted, _) = listener.accept().expect("accepted");
            drop(closed);
            drop(accepted);
            held.push(TcpStream::connect("127.0.0.1:80").expect("connects").into());
            let near = UdpSocket::bind("127.0.0.1:0").expect("a port");
            near.connect(near.local_addr().expect("bound"))
                .expect("connects");
            held.push(near.into());
            held.push(UdpSocket::bind("[::1]:0").expect("a port").into());
            held.push(
                Socket::new(Domain::PACKET, Type::RAW, None)
                    .expect("a socket")
                    .into(),
            );
            let path = folder.join(OsStr::from_bytes(b"\xffsocket"));
            let odd_name = SocketAddr::from_abstract_name(b"sockdoc-\xff").expect("a name");
            let plain_name =
                SocketAddr::from_abstract_name(format!("sockdoc-{}", alone.name)).expect("a name");
            let plain_path = folder.join("socket");
            for address in [
                SocketAddr::from_pathname(path).expect("an address"),
                SocketAddr::from_pathname(plain_path).expect("an address"),
                odd_name,
                plain_name,
            ] {
                let listener = UnixListener::bind_addr(&address).expect("bound");
                held.push(UnixStream::connect_addr(&address).expect("connects").into());
                held.push(listener.accept().expect("accepted").0.into());
                held.push(listener.into());
            }
            let mut odd = Command::new("sh");
            odd.arg0(OsStr::from_bytes(b"\xff"));
            odd.args(["-c", "printf '\\377' >/proc/$$/comm; read line"]);
            odd.stdin(Stdio::piped()).stdout(OwnedFd::from(listener));
            odd.spawn().expect("it starts")
        });
        let comm = format!("/proc/{}/comm", odd.id());
        until("the name to change", || {
            let name = std::fs::read(&comm).ok()?;
            name.starts_with(b"\xff").then_some(())
        });
        Crowd { _held: held, odd }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        drop(self.odd.stdin.take());
        let _ = self.odd.wait();
    }
}

fn hosts(alone: &Namespace) -> Printed {
    let folder = tempfile::tempdir().expect("a folder");
    let crowd = Crowd::new(alone, folder.path());
    let sockets = |words: &str| {
        (
            "sockdoc.sockets/1",
            printed(alone, &format!("sockets --json {words}")),
        )
    };
    let mut all = vec![
        sockets("-a -r"),
        sockets("-a --seconds 0.2"),
        sockets("--summary -a"),
        sockets("-x --group peer"),
        sockets("--groups"),
        ("sockdoc.top/1", printed(alone, "top --json -c 2 -i 0.2")),
        (
            "sockdoc.top/1",
            printed(alone, "top --json -c 2 -i 0.2 -g process"),
        ),
    ];
    for by in [
        "process",
        "peer",
        "port",
        "state",
        "user",
        "netns",
        "unit",
        "container",
    ] {
        all.push(sockets(&format!("-a --seconds 0.1 --group {by}")));
    }
    let file = folder.path().join("sample").display().to_string();
    let words = format!("diagnose --json --seconds 0.2 --save {file}");
    all.push(("sockdoc.diagnose/1", printed(alone, &words)));
    let saved = std::fs::read_to_string(&file).expect("saved");
    all.push(("sockdoc.sample/1", saved));
    drop(crowd);
    all.push(filling(alone));
    for words in [
        "--hold 500ms",
        "--udp",
        "--unix",
        "--unix dgram",
        "--close linger0 --sndbuf 64K --rcvbuf 64K",
    ] {
        let words = format!("fill-buffers --json {words}");
        all.push(("sockdoc.fill-buffers/1", printed(alone, &words)));
    }
    all
}

/// A server that does not read, and a client that closes.
fn filling(alone: &Namespace) -> (&'static str, String) {
    let mut command = alone.launched();
    command.args(["fill-buffers", "--json", "--server", "127.0.0.1", "0"]);
    let mut server = Server::spawn(command);
    let address = server.address;
    drop(alone.inside(|| TcpStream::connect(address).expect("connects")));
    let mut lines = vec![server.first.clone()];
    lines.extend(lines_to(&server, "\"ended\""));
    server.signal("TERM");
    lines.extend(server.last_lines());
    ("sockdoc.fill-buffers/1", lines.join("\n"))
}

fn names() -> Printed {
    let test = "names in JSON";
    let Some(namespace) = Namespace::new(test) else {
        return Vec::new();
    };
    let servers = [("127.0.0.2", Script::Bogus), ("127.0.0.3", Script::Alias)];
    let _servers = servers.map(|(address, script)| DnsServer::start(&namespace, address, script));
    let resolv =
        "nameserver 127.0.0.2\nnameserver 127.0.0.3\nsearch test\noptions timeout:3 attempts:1\n";
    let etc = Etc::new(&namespace, resolv, "127.0.0.1 localhost\n");
    let resolve = |name: &str| {
        let args = ["resolve", "--json", "--timeout", "60", name, "80"];
        ("sockdoc.resolve/1", text_of(etc.sockdoc(&args)))
    };
    let mut all = vec![resolve("shop.test"), resolve("none.test")];
    etc.write("nsswitch.conf", "hosts: files mymachines dns\n");
    all.push(resolve("localhost"));
    all
}

/// A capture whose packets have the processes at their ends.
fn with_processes(path: &FilePath) {
    use sockdoc::capfile::{
        ByteOrder, End, Ends, Interface, Name, PcapngWriter, Reason, SliceReader, Source,
    };
    let tutorial = include_bytes!("../data/captures/tutorial.pcap");
    let process = |name: &[u8]| End::Process {
        pid: 812,
        name: Name::new(name),
        source: Source::Bpf,
    };
    let unknown = End::Unknown(Reason::Closed);
    // A name that is not text cannot stand in a file: see `sockdoc capture --json`.
    let ends = [
        (process(b"python3"), unknown),
        (unknown, process(b"python3")),
        (process(b"python3"), End::Unsought),
        (End::Unsought, unknown),
    ];
    let mut ends = ends.into_iter();
    let mut writer = PcapngWriter::new(Vec::new(), ByteOrder::Little).expect("memory");
    for frame in SliceReader::new(tutorial) {
        let mut frame = frame.expect("whole");
        frame.ends = ends
            .next()
            .map_or_else(Ends::default, |(sender, receiver)| Ends {
                sender,
                receiver,
            });
        let interface = Interface::new(frame.link);
        writer.frame(&frame, &interface).expect("memory");
    }
    std::fs::write(path, writer.into_inner()).expect("written");
}

fn captures() -> Printed {
    let made = tempfile::tempdir().expect("a folder");
    let processes = made.path().join("processes.pcapng");
    with_processes(&processes);
    let folder = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/captures");
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).expect("captures").flatten() {
        let file = entry.path();
        if file.extension().is_some_and(|it| it == "txt") {
            continue;
        }
        let file = file.display();
        for what in [
            "",
            "--messages",
            "--streams",
            "--stats",
            "--conversations",
            "--endpoints",
            "--io 10ms",
            "--expert",
            "--follow 0",
            "--check-checksums --app-any",
        ] {
            let words = format!("decode --json {what} {file}");
            all.push(("sockdoc.decode/1", here(&words)));
        }
        all.push((
            "sockdoc.decode/1",
            here(&format!(
                "decode --json {file} udp port 53 or udp port 40000"
            )),
        ));
        all.push((
            "sockdoc.decode/1",
            here(&format!("decode --json {file} tcp and udp")),
        ));
    }
    let comments = made.path().join("comments.pcapng");
    let file = [pcapng::begun(), pcapng::commented(&[0; 14], &["look"])].concat();
    std::fs::write(&comments, file).expect("written");
    for file in [processes, comments] {
        let words = format!("decode --json {}", file.display());
        all.push(("sockdoc.decode/1", here(&words)));
    }
    all
}

fn explanations() -> Printed {
    let explain = |words: &str| ("sockdoc.explain/1", here(words));
    let mut failed = support::sockdoc();
    failed.args(["app-client", "--json", "127.0.0.1", "1", "search", "ring"]);
    let failed = finish(failed);
    vec![
        explain("explain --json"),
        explain("explain --json connect: Connection refused 127.0.0.1:80"),
        explain("explain --json Winsock error 10061"),
        explain("explain --json nonsense"),
        ("sockdoc.error/1", stderr(&failed)),
    ]
}

/// The lines of a server up to the next with these words.
fn lines_to(server: &Server, words: &str) -> Vec<String> {
    let mut lines = vec![server.line()];
    while !lines.last().is_some_and(|line| line.contains(words)) {
        lines.push(server.line());
    }
    lines
}

fn conversations() -> Printed {
    let mut all = Vec::new();
    let mut app = Server::start(&[
        "app-server",
        "127.0.0.1",
        "0",
        "--json",
        "--max-conns",
        "1",
        "--keep-open",
    ]);
    let port = app.port();
    for words in [
        "search ring",
        "--conns 2 --count 6 search ring",
        "binary hello",
    ] {
        let words = format!("app-client --json 127.0.0.1 {port} {words}");
        all.push(("sockdoc.app-client/1", here(&words)));
    }
    // It does not speak the application's protocol, so each request fails.
    let failing =
        format!("echo-client --json 127.0.0.1 {port} --count 2 --verify --message \\0\\0");
    all.push(("sockdoc.echo-client/1", here(&failing)));
    let _ = support::talk(app.address, b"\0\0", true);
    // Half a request, which the server waits for when it is told to end.
    let mut open = app.connect();
    std::io::Write::write_all(&mut open, b"\0").expect("sent");
    let port = open.local_addr().expect("connected").port();
    let mut lines = lines_to(&app, &format!("\"port\":{port},"));
    app.signal("TERM");
    lines.extend(lines_to(&app, "\"draining\""));
    drop(open);
    lines.extend(app.last_lines());
    all.push(("sockdoc.app-server/1", lines.join("\n")));
    all.push(("sockdoc.app-server/1", app.first.clone()));
    for udp in [&[][..], &["--udp"]] {
        let start = [&["echo-server", "127.0.0.1", "0", "--json"], udp].concat();
        let mut echo = Server::start(&start);
        let port = echo.port();
        let udp = udp.join(" ");
        let words = format!("echo-client --json {udp} 127.0.0.1 {port} --message \\xff");
        all.push(("sockdoc.echo-client/1", here(&words)));
        if udp.is_empty() {
            let words = format!("echo-client --json 127.0.0.1 {port} --verify --file Cargo.toml");
            all.push(("sockdoc.echo-client/1", here(&words)));
        }
        echo.signal("TERM");
        all.push(("sockdoc.echo-server/1", echo.last_lines().join("\n")));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket").display().to_string();
    let mut unix = support::sockdoc();
    unix.args(["echo-server", "--json", "--once", "--unix", &path])
        .stdin(Stdio::null());
    let client = std::thread::spawn(move || {
        until("the socket", || FilePath::new(&path).exists().then_some(()));
        until("an answer", || {
            let text = here(&format!("echo-client --json --unix {path} --message x"));
            (!text.is_empty()).then_some(text)
        })
    });
    all.push(("sockdoc.echo-server/1", text_of(unix)));
    all.push(("sockdoc.echo-client/1", client.join().expect("it ran")));
    all
}
