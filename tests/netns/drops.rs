//! `sockdoc drops`: drops made on purpose, each with the reason that the kernel gives.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::UdpSocket;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, channel};

use crate::capture::Cable;
use crate::namespace::{NOBODY, Namespace, announced, binary_for_all};
use crate::support::{DEADLINE, finish, program, skip, stderr, until};

/// `sockdoc drops` that runs.
struct Drops {
    child: Child,
    out: Receiver<String>,
    errors: BufReader<std::process::ChildStderr>,
}

impl Drops {
    /// Starts it inside a namespace, and waits until it watches.
    fn start(namespace: &Namespace, args: &[&str]) -> Drops {
        let mut command = namespace.launched();
        command.arg("drops").args(args);
        Drops::spawn(command)
    }

    fn spawn(command: Command) -> Drops {
        let (mut child, errors, line) = announced(command);
        assert!(line.contains("watching the packets"), "{line}");
        let out = BufReader::new(child.stdout.take().expect("piped"));
        let (lines, received) = channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let _ = lines.send(line);
            }
        });
        Drops {
            child,
            out: received,
            errors,
        }
    }

    /// The next line; it waits for one.
    fn line(&mut self) -> String {
        self.out.recv_timeout(DEADLINE).expect("a line in time")
    }

    /// Reads lines until one has these words.
    fn line_with(&mut self, words: &str) -> String {
        loop {
            let line = self.line();
            if line.contains(words) {
                return line;
            }
        }
    }

    /// Ends it as Ctrl-C does; what it printed from here on.
    fn stop(mut self) -> String {
        crate::support::signal(self.child.id(), "INT");
        let mut said = String::new();
        self.errors.read_to_string(&mut said).expect("text");
        let status = until("it to end", || self.child.try_wait().expect("waits"));
        assert_eq!(status.code(), Some(0), "{said}");
        self.out.iter().map(|line| line + "\n").collect()
    }
}

impl Drop for Drops {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends frames as they are on an interface, each given in hexadecimal.
const SENDER: &str = "import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[1], 0))
for frame in sys.argv[2:]: s.send(bytes.fromhex(frame))";

/// A socket with a filter that lets nothing through gets a datagram.
const FILTERED: &str = "import ctypes, socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('127.0.0.1', 7100))
code = ctypes.create_string_buffer(struct.pack('HBBI', 6, 0, 0, 0))
s.setsockopt(socket.SOL_SOCKET, 26, struct.pack('HP', 1, ctypes.addressof(code)))
s.sendto(b'x', s.getsockname())";

/// A frame of Ethernet for the other end of the cable.
fn frame(kind: u16, packet: &[u8]) -> String {
    let header = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    let bytes = [&header, &kind.to_be_bytes()[..], packet].concat();
    let padding = 60_usize.saturating_sub(bytes.len());
    let bytes = [bytes, vec![0; padding]].concat();
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    digits
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

/// A packet of IPv4.
struct Packet {
    first: u8,
    protocol: u8,
    source: [u8; 4],
    destination: [u8; 4],
    checksum: Option<u16>,
    payload: Vec<u8>,
}

const HERE: [u8; 4] = [10, 77, 0, 1];
const THERE: [u8; 4] = [10, 77, 0, 2];

/// A datagram to this port from one end of the cable to the other.
fn datagram(port: u16) -> Packet {
    let mut payload = vec![0x9c, 0x40];
    payload.extend(port.to_be_bytes());
    payload.extend([0, 12, 0, 0, 1, 2, 3, 4]);
    Packet {
        first: 0x45,
        protocol: 17,
        source: HERE,
        destination: THERE,
        checksum: None,
        payload,
    }
}

/// A SYN to this port.
fn syn(port: u16) -> Packet {
    let mut payload = vec![0x9c, 0x40];
    payload.extend(port.to_be_bytes());
    payload.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0]);
    Packet {
        protocol: 6,
        payload,
        ..datagram(0)
    }
}

impl Packet {
    fn frame(&self) -> String {
        let length = u16::try_from(20 + self.payload.len()).expect("short");
        let mut head = vec![self.first, 0];
        head.extend(length.to_be_bytes());
        head.extend([0, 0, 0, 0, 64, self.protocol, 0, 0]);
        head.extend(self.source);
        head.extend(self.destination);
        let sum: u32 = head
            .chunks_exact(2)
            .map(|it| u32::from(u16::from_be_bytes([it[0], it[1]])))
            .sum();
        let folded = !u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap_or(0);
        head[10..12].copy_from_slice(&self.checksum.unwrap_or(folded).to_be_bytes());
        frame(0x0800, &[head, self.payload.clone()].concat())
    }
}

/// Why a frame is dropped, words of its line, and the frame.
fn sent() -> Vec<(&'static str, &'static str, String)> {
    vec![
        ("NO_SOCKET", "UDP 46 40000 → 9 ", datagram(9).frame()),
        (
            "NETFILTER_DROP",
            "TCP 54 40000 → 81 [SYN] ",
            syn(81).frame(),
        ),
        (
            "IP_CSUM",
            "10.77.0.1",
            Packet {
                checksum: Some(0x1234),
                ..datagram(9)
            }
            .frame(),
        ),
        (
            "IP_RPFILTER",
            "10.99.0.1",
            Packet {
                source: [10, 99, 0, 1],
                ..datagram(9)
            }
            .frame(),
        ),
        ("UNHANDLED_PROTO", "0x88b5", frame(0x88b5, b"anything")),
        (
            "IP_NOPROTO",
            "10.77.0.2",
            Packet {
                protocol: 253,
                ..datagram(9)
            }
            .frame(),
        ),
        (
            "IP_LOCALNET",
            "127.0.0.5",
            Packet {
                source: [127, 0, 0, 5],
                ..datagram(9)
            }
            .frame(),
        ),
        (
            "IP_LOCAL_SOURCE",
            "10.77.0.2",
            Packet {
                source: THERE,
                ..datagram(9)
            }
            .frame(),
        ),
        (
            "IPV6DISABLED",
            "",
            frame(0x86dd, &[0x60, 0, 0, 0, 0, 0, 59, 64]),
        ),
        (
            "IP_INHDR",
            "",
            Packet {
                first: 0x44,
                ..datagram(9)
            }
            .frame(),
        ),
        (
            "IP_INADDRERRORS",
            "10.78.0.9",
            Packet {
                destination: [10, 78, 0, 9],
                ..datagram(9)
            }
            .frame(),
        ),
    ]
}

#[test]
fn drops_made_on_purpose_have_the_reason_of_the_kernel_the_place_and_words() {
    let test = "drops by reason";
    let Some(cable) = Cable::new(test) else {
        return;
    };
    if program("python3").is_none() || program("nft").is_none() {
        skip(test, "python3 or nft is not installed");
        return;
    }
    cable.there.ip(&["link set west address 02:00:00:00:00:02"]);
    cable.there.sysctl(&[
        "net.ipv6.conf.all.disable_ipv6=1",
        "net.ipv4.conf.all.rp_filter=1",
        "net.ipv4.conf.west.rp_filter=1",
    ]);
    cable.there.run(
        "nft",
        &[
            "add table ip t; add chain ip t c { type filter hook input priority 0; }; \
           add rule ip t c tcp dport 81 drop",
        ],
    );
    let sent = sent();
    let mut watch = Drops::start(&cable.there, &[]);
    let mut lines = Vec::new();
    for (reason, words, frame) in &sent {
        cable.here.run("python3", &["-c", SENDER, "east", frame]);
        let line = watch.line_with(&format!(" by {reason} in "));
        assert!(line.contains(words), "{reason}: {line}");
        assert!(line.contains(" on west"), "{line}");
        lines.push(line);
    }
    assert!(
        lines[1].contains("nft_do_chain (input) on west: a firewall rule of this host"),
        "{}",
        lines[1]
    );
    // Of sockets: a filter, and a buffer that is full.
    cable.there.run("python3", &["-c", FILTERED]);
    let line = watch.line_with(" by SOCKET_FILTER in ");
    assert!(line.contains("→ 7100 "), "{line}");
    let (full, from) = cable.there.inside(|| {
        let full = UdpSocket::bind("127.0.0.1:7101").expect("bound");
        let from = UdpSocket::bind("127.0.0.1:0").expect("bound");
        (full, from)
    });
    // Until the buffer is full, and the owner of the socket was looked up.
    let process = format!("({})", std::process::id());
    let line = until("a drop of a process", || {
        for _ in 0..100 {
            from.send_to(&[0; 8000], full.local_addr().expect("bound"))
                .expect("sent");
        }
        // All that came: the first ones are from before the owner was looked up.
        let mut lines = watch.out.try_iter();
        lines.find(|line| line.contains(" by SOCKET_RCVBUFF in ") && line.ends_with(&process))
    });
    assert!(line.contains("→ 7101 "), "{line}");

    let table = watch.stop();
    let row = |reason: &str| {
        let mut rows = table
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>());
        let found = rows.find(|row| row.first() == Some(&reason));
        found.unwrap_or_else(|| panic!("{reason}: {table}"))
    };
    // The other end of the cable sends packets of IPv6 of its own.
    for (reason, ..) in sent.iter().filter(|it| it.0 != "IPV6DISABLED") {
        assert_eq!(row(reason)[1], "1", "{reason}: {table}");
    }
    assert_eq!(
        row("NETFILTER_DROP")[3..],
        ["nft_do_chain", "(input)", "tcp", "81", "-"]
    );
    assert!(
        table.contains("\nNETFILTER_DROP: a firewall rule of this host\n"),
        "{table}"
    );
    assert!(table.contains("run:   sockdoc sockets -l :9\n"), "{table}");
}

/// A full accept queue, and a datagram for which there is no route.
const UNSEEN: &str = "import errno, socket
s = socket.socket()
s.bind(('127.0.0.1', 7102))
s.listen(0)
kept = []
for _ in range(4):
    c = socket.socket()
    c.setblocking(False)
    c.connect_ex(s.getsockname())
    kept.append(c)
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
try: u.sendto(b'x', ('10.99.0.1', 9))
except OSError as error: assert error.errno == errno.ENETUNREACH";

#[test]
fn what_the_kernel_gives_no_reason_for_comes_from_counters_and_other_namespaces_apart() {
    let test = "drops without a reason";
    let (Some(namespace), Some(other)) = (Namespace::new(test), Namespace::new(test)) else {
        return;
    };
    if program("python3").is_none() {
        skip(test, "python3 is not installed");
        return;
    }
    let to_nobody = |namespace: &Namespace, port: u16| {
        namespace.inside(|| {
            let from = UdpSocket::bind("127.0.0.1:0").expect("bound");
            from.send_to(b"x", ("127.0.0.1", port)).expect("sent");
        });
    };
    let mut watch = Drops::start(&namespace, &["NO_SOCKET", "udp port 7103"]);
    namespace.run("python3", &["-c", UNSEEN]);
    to_nobody(&other, 7103);
    to_nobody(&namespace, 7104);
    to_nobody(&namespace, 7103);
    let line = watch.line();
    assert!(line.contains("→ 7103 "), "{line}");
    let table = watch.stop();
    assert!(
        table.contains("1 packet dropped in this network namespace"),
        "{table}"
    );
    assert!(
        table.contains("dropped because an accept queue was full"),
        "{table}"
    );
    assert!(table.contains("1 not sent for lack of a route"), "{table}");
    // At least this one: other tests drop packets too.
    assert!(
        table.contains("dropped in other network namespaces"),
        "{table}"
    );

    // By the table alone, from outside, as JSON.
    let mut command = crate::support::sockdoc();
    command.args(["drops", "--netns", &namespace.name, "--json", "-c", "1"]);
    let mut watch = Drops::spawn(command);
    to_nobody(&namespace, 7105);
    let drop: serde_json::Value = serde_json::from_str(&watch.line()).expect("JSON");
    assert_eq!(
        (&drop["reason"], &drop["destination_port"]),
        (&"NO_SOCKET".into(), &7105.into())
    );
    let end: serde_json::Value = serde_json::from_str(&watch.line()).expect("JSON");
    assert_eq!((&end["event"], &end["packets"]), (&"end".into(), &1.into()));
    assert_eq!(end["drops"][0]["to"], "udp 7105");
}

#[test]
fn without_the_capabilities_it_says_what_is_needed_and_what_works() {
    let Some(namespace) = Namespace::new("drops without privileges") else {
        return;
    };
    let (_folder, binary) = binary_for_all();
    let mut command = namespace.command(NOBODY[0]);
    command.args(&NOBODY[1..]).args([&binary, "drops"]);
    let run = finish(command);
    assert_eq!(run.status.code(), Some(2));
    let said = stderr(&run);
    assert!(said.contains("CAP_BPF and CAP_PERFMON"), "{said}");
    assert!(said.contains("sockdoc diagnose"), "{said}");
    assert!(said.lines().count() <= 2, "{said}");
}
