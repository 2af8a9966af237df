//! `sockdoc capture`: packets as they come, beside tshark and what reads capture files.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command};

use sockdoc::capfile::{Interface, SliceReader};

use crate::namespace::{NOBODY, Namespace, announced, binary_for_all};
use crate::support::{DEADLINE, finish, program, skip, stderr, until};

/// A capture that runs inside a namespace.
pub(crate) struct Capture {
    pub(crate) child: Child,
    pub(crate) errors: BufReader<std::process::ChildStderr>,
}

/// What it printed until its end.
pub(crate) struct Printed {
    pub(crate) lines: Vec<String>,
    pub(crate) errors: Vec<String>,
    pub(crate) code: Option<i32>,
}

impl Capture {
    /// Starts it and waits until it receives.
    pub(crate) fn start(namespace: &Namespace, args: &[&str]) -> Capture {
        let mut command = namespace.launched();
        command.arg("capture").args(args);
        Self::spawn(command)
    }

    pub(crate) fn spawn(command: Command) -> Capture {
        let (child, errors, line) = announced(command);
        assert!(line.starts_with("sockdoc: capturing on "), "{line}");
        Capture { child, errors }
    }

    pub(crate) fn signal(&self, name: &str) {
        crate::support::signal(self.child.id(), name);
    }

    /// Ends it as Ctrl-C does.
    pub(crate) fn stop(self) -> Printed {
        self.signal("INT");
        self.wait()
    }

    pub(crate) fn wait(mut self) -> Printed {
        let mut text = String::new();
        if let Some(mut out) = self.child.stdout.take() {
            out.read_to_string(&mut text).expect("text");
        }
        let mut said = String::new();
        self.errors.read_to_string(&mut said).expect("text");
        let status = until("the capture to end", || {
            self.child.try_wait().expect("waits")
        });
        Printed {
            lines: text.lines().map(str::to_owned).collect(),
            errors: said.lines().map(str::to_owned).collect(),
            code: status.code(),
        }
    }
}

impl Printed {
    /// The number before these words on standard error.
    #[track_caller]
    pub(crate) fn count(&self, words: &str) -> u64 {
        let line = self.errors.iter().find(|line| line.contains(words));
        let line = line.unwrap_or_else(|| panic!("{words}: {:?}", self.errors));
        let before = line.split(words).next().unwrap_or_default();
        let number = before.split_whitespace().next_back().unwrap_or_default();
        number.replace(',', "").parse().expect("a number")
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection over the loopback interface with data in both directions, closed in order.
fn connection(namespace: &Namespace) {
    namespace.inside(|| {
        use std::io::Write as _;
        let listener = TcpListener::bind("127.0.0.1:65432").expect("bound");
        let client = std::net::TcpStream::connect("127.0.0.1:65432").expect("connected");
        let (server, _) = listener.accept().expect("accepted");
        for (mut from, mut to) in [(&client, &server), (&server, &client)] {
            from.write_all(&[b'x'; 3000]).expect("written");
            to.read_exact(&mut [0; 3000]).expect("read");
        }
        drop(client);
        (&server).read_to_end(&mut Vec::new()).expect("the end");
    });
}

/// Sends datagrams over the loopback interface to a socket that takes them.
pub(crate) fn datagrams(namespace: &Namespace, port: u16, count: usize, size: usize) {
    namespace.inside(|| {
        let to = UdpSocket::bind(("127.0.0.1", port)).expect("bound");
        let from = UdpSocket::bind("127.0.0.1:0").expect("bound");
        for _ in 0..count {
            from.send_to(&vec![b'x'; size], to.local_addr().expect("bound"))
                .expect("sent");
        }
    });
}

/// The frames of a file, and its interfaces.
fn frames(path: &Path) -> (usize, Vec<Interface>) {
    let bytes = fs::read(path).expect("a file");
    let mut reader = SliceReader::new(&bytes);
    let frames: Vec<_> = reader.by_ref().map(|frame| frame.expect("whole")).collect();
    (frames.len(), reader.interfaces().to_vec())
}

/// Two namespaces with a cable between them.
pub(crate) struct Cable {
    pub(crate) here: Namespace,
    pub(crate) there: Namespace,
}

impl Cable {
    pub(crate) fn new(test: &str) -> Option<Cable> {
        let (here, there) = (Namespace::new(test)?, Namespace::new(test)?);
        let peer = format!(
            "link add east type veth peer name west netns {}",
            there.name
        );
        here.ip(&[&peer, "addr add 10.77.0.1/24 dev east", "link set east up"]);
        there.ip(&["addr add 10.77.0.2/24 dev west", "link set west up"]);
        for (of, name) in [(&here, "east"), (&there, "west")] {
            until("the cable", || {
                of.run("ip", &["link", "show", name])
                    .contains("LOWER_UP")
                    .then_some(())
            });
        }
        Some(Cable { here, there })
    }

    fn ping(&self, address: &str) {
        self.here
            .run("ping", &["-c", "3", "-i", "0.01", "-W", "20", address]);
    }
}

#[test]
fn the_lines_of_a_live_capture_are_those_that_tshark_has_of_its_file() {
    let test = "a live capture beside tshark";
    let Some(namespace) = Namespace::new(test) else {
        return;
    };
    if program("tshark").is_none() {
        skip(test, "tshark is not installed");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("lo.pcapng");
    let path = file.to_str().expect("text");
    let filter = "tcp port 65432";
    let shown = Capture::start(
        &namespace,
        &["-i", "lo", "--no-app", "--no-process", filter],
    );
    let kept = Capture::start(&namespace, &["-i", "lo", "-w", path, filter]);
    connection(&namespace);
    let (shown, kept) = (shown.stop(), kept.stop());
    assert_eq!(
        (shown.code, kept.code),
        (Some(0), Some(0)),
        "{:?}",
        shown.errors
    );
    let theirs = Command::new("tshark")
        .args(["-n", "-o", "tcp.desegment_tcp_streams:FALSE", "-r", path])
        .output();
    let theirs = String::from_utf8(theirs.expect("it runs").stdout).expect("text");
    // Each socket has its own clock reading of a packet.
    let without_time = |line: &str| {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        [&words[..1], &words[2..]].concat().join(" ")
    };
    let ours: Vec<String> = shown.lines.iter().map(|it| without_time(it)).collect();
    let theirs: Vec<String> = theirs.lines().map(without_time).collect();
    assert!(theirs.len() >= 9, "{theirs:#?}");
    assert_eq!(ours, theirs);
    assert_eq!(kept.count(" packets written to "), theirs.len() as u64);
    assert_eq!(
        shown.count(" packets received by the filter"),
        theirs.len() as u64
    );
    assert!(
        shown
            .errors
            .iter()
            .any(|line| line.contains("1 TCP stream"))
    );
    // The interface is described, and what was lost is counted.
    let (count, interfaces) = frames(&file);
    assert_eq!(count, theirs.len());
    assert_eq!(interfaces.len(), 1);
    assert_eq!(interfaces[0].name.as_deref(), Some("lo"));
    assert_eq!(interfaces[0].dropped, Some(0));
}

#[test]
fn on_all_interfaces_a_packet_of_the_loopback_comes_once_and_the_program_of_all_is_theirs() {
    let Some(cable) = Cable::new("a capture on any") else {
        return;
    };
    let all = Capture::start(&cable.here, &["icmp"]);
    let sent = Capture::start(&cable.here, &["-i", "east", "-Q", "out", "icmp"]);
    let received = Capture::start(&cable.here, &["-i", "east", "-Q", "in", "icmp"]);
    let both = Capture::start(&cable.here, &["-i", "east", "-i", "lo", "icmp"]);
    cable.ping("10.77.0.2");
    cable.ping("127.0.0.1");
    for (capture, lines, what) in [
        (all, 12, "any"),
        (sent, 3, "sent"),
        (received, 3, "received"),
        (both, 12, "two interfaces"),
    ] {
        let printed = capture.stop();
        assert_eq!(printed.lines.len(), lines, "{what}: {:#?}", printed.lines);
    }
}

#[test]
fn the_frames_of_several_interfaces_are_in_the_order_of_their_times() {
    let Some(cable) = Cable::new("a capture on two interfaces") else {
        return;
    };
    let args = ["-i", "east", "-i", "lo", "-t", "epoch", "udp port 7010"];
    let capture = Capture::start(&cable.here, &args);
    // So that no datagram waits for an address.
    cable.ping("10.77.0.2");
    cable.here.inside(|| {
        let from = UdpSocket::bind("0.0.0.0:7010").expect("bound");
        for _ in 0..200 {
            for to in ["10.77.0.2:7011", "127.0.0.1:7010"] {
                from.send_to(b"x", to).expect("sent");
            }
        }
    });
    let printed = capture.stop();
    let times: Vec<&str> = printed
        .lines
        .iter()
        .filter(|line| line.contains(" UDP "))
        .filter_map(|line| line.split_whitespace().nth(1))
        .collect();
    assert_eq!(times.len(), 400, "{:#?}", printed.lines);
    assert!(times.is_sorted(), "{times:#?}");
    let change = |pair: &[String]| pair[0].contains("127.0.0.1") != pair[1].contains("127.0.0.1");
    assert!(printed.lines.windows(2).filter(|pair| change(pair)).count() > 390);
}

/// Sends frames as they are on an interface, each given in hexadecimal.
const SENDER: &str = "import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[1], 0))
for frame in sys.argv[2:]: s.send(bytes.fromhex(frame))";

/// A frame of Ethernet with these tags, in hexadecimal, and a datagram to port 53.
fn tagged(tags: &str) -> String {
    let ip = "4500002000000000401100000a4d00010a4d0002";
    format!("ffffffffffff020000000001{tags}0800{ip}c0000035000c00007465737400")
}

#[test]
fn a_tag_that_the_kernel_keeps_apart_is_put_back_before_the_filter_decides() {
    let test = "a capture of tags";
    let Some(cable) = Cable::new(test) else {
        return;
    };
    if program("python3").is_none() {
        skip(test, "python3 is not installed");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("west.pcap");
    let path = file.to_str().expect("text");
    // The kernel takes the checksum of these packets for wrong.
    let base = ["-i", "west", "--no-drops"];
    let of = |filter: &[&str]| Capture::start(&cable.there, &[&base[..], filter].concat());
    let expected: Vec<(&str, usize)> = vec![
        ("udp port 53", 1),
        ("vlan", 3),
        ("vlan 7", 1),
        ("vlan 7 and udp port 53", 1),
        ("vlan 0", 1),
        ("vlan 9", 0),
        ("vlan and vlan 6", 1),
        ("vlan 5 and vlan 6 and udp dst port 53", 1),
        ("vlan and udp port 53", 2),
        ("udp and not vlan", 1),
        ("not udp and ether src 2:0:0:0:0:1", 3),
        ("ether[12:2] = 0x8100 and ether[14:2] & 0xfff = 7", 1),
        ("ether[12:2] = 0x88a8 and ether[16:2] = 0x8100", 1),
        ("ether src 2:0:0:0:0:1 and len = 51", 2),
        ("vlan and udp[8:4] = 0x74657374", 2),
    ];
    let captures: Vec<Capture> = expected.iter().map(|(filter, _)| of(&[filter])).collect();
    let inside = of(&["--inside", "udp port 53"]);
    let short = of(&["-s", "20", "-x", "vlan 7"]);
    let kept = of(&["-w", path, "udp or vlan"]);
    let frames = ["", "81000007", "81000000", "88a8000581000006"].map(tagged);
    let frames: Vec<&str> = frames.iter().map(String::as_str).collect();
    let args = [&["-c", SENDER, "east"], &frames[..]].concat();
    cable.here.run("python3", &args);
    for (capture, (filter, lines)) in captures.into_iter().zip(expected) {
        let printed = capture.stop();
        assert_eq!(printed.lines.len(), lines, "{filter}: {:#?}", printed.lines);
    }
    assert_eq!(inside.stop().lines.len(), 4);
    let short = short.stop().lines.join("\n");
    assert!(
        short.contains("81 00 00 07") && short.contains("08 00 45 00  "),
        "{short}"
    );
    kept.stop();
    let bytes = fs::read(&file).expect("a file");
    let hex = |data: &[u8]| -> String {
        let digits = data.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
        digits
            .filter_map(|digit| char::from_digit(digit.into(), 16))
            .collect()
    };
    let found: Vec<String> = SliceReader::new(&bytes)
        .map(|frame| hex(frame.expect("whole").data))
        .collect();
    assert_eq!(found, frames, "as they were sent");
}

#[test]
fn a_ring_keeps_the_last_files_each_of_them_whole() {
    let Some(namespace) = Namespace::new("a ring of files") else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ring.pcapng");
    let path = path.to_str().expect("text");
    let args = ["-i", "lo", "-w", path, "-b", "packets:5", "-b", "files:2"];
    let capture = Capture::start(&namespace, &[&args[..], &["udp port 7001"]].concat());
    datagrams(&namespace, 7001, 23, 100);
    let printed = capture.stop();
    assert_eq!(printed.code, Some(0), "{:?}", printed.errors);
    assert_eq!(printed.count(" packets written to "), 23);
    let entries = fs::read_dir(folder.path()).expect("a folder");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    let counts: Vec<usize> = files.iter().map(|file| frames(file).0).collect();
    assert_eq!(counts, [5, 3], "{files:?}");
    let name = files[1]
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    assert!(name.starts_with("ring_00005_20"), "{name}");
    // What ends by itself.
    let one = folder.path().join("one.pcap");
    let one = one.to_str().expect("text");
    for limit in ["packets:4", "filesize:1"] {
        let capture = Capture::start(&namespace, &["-i", "lo", "-w", one, "-a", limit, "udp"]);
        datagrams(&namespace, 7001, 20, 300);
        let printed = capture.wait();
        let written = printed.count(" packets written to ");
        assert_eq!(written, if limit == "packets:4" { 4 } else { 3 }, "{limit}");
        assert_eq!(frames(Path::new(one)).0 as u64, written);
    }
    let capture = Capture::start(&namespace, &["-i", "lo", "-a", "duration:200ms"]);
    assert_eq!(capture.wait().code, Some(0));
}

#[test]
fn the_last_packets_are_kept_until_they_are_asked_for() {
    let Some(namespace) = Namespace::new("a capture that is kept") else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("kept.pcapng");
    let path = path.to_str().expect("text");
    let args = ["-i", "lo", "-w", path, "--keep", "1h", "udp port 7006"];
    let mut capture = Capture::start(&namespace, &args);
    let list = || -> Vec<_> {
        let entries = fs::read_dir(folder.path()).expect("a folder");
        let mut files: Vec<_> = entries.map(|entry| entry.expect("a file").path()).collect();
        files.sort();
        files
    };
    datagrams(&namespace, 7006, 5, 100);
    assert!(list().is_empty(), "{:?}", list());
    capture.signal("USR1");
    let mut line = String::new();
    capture.errors.read_line(&mut line).expect("readable");
    assert!(line.starts_with("sockdoc: 5 packets written to "), "{line}");
    datagrams(&namespace, 7006, 2, 100);
    let printed = capture.stop();
    assert_eq!(printed.code, Some(0));
    assert_eq!(
        printed.count(" packets written to "),
        2,
        "{:?}",
        printed.errors
    );
    let files = list();
    let counts: Vec<usize> = files.iter().map(|file| frames(file).0).collect();
    assert_eq!(counts, [5, 2], "{files:?}");
    assert_eq!(frames(&files[1]).1[0].dropped, Some(0));
}

#[test]
fn the_finding_that_was_waited_for_ends_the_capture_and_what_led_to_it_is_written() {
    let Some(namespace) = Namespace::new("a capture until a finding") else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("reset.pcapng");
    let path = path.to_str().expect("text");
    let args = [
        "-i", "lo", "-w", path, "--keep", "1h", "--until", "reset", "tcp",
    ];
    let capture = Capture::start(&namespace, &args);
    // It is closed in order: no finding.
    connection(&namespace);
    namespace.inside(|| {
        let listener = TcpListener::bind("127.0.0.1:7009").expect("bound");
        let client = std::net::TcpStream::connect("127.0.0.1:7009").expect("connected");
        let (server, _) = listener.accept().expect("accepted");
        crate::support::reset(server);
        drop(client);
    });
    let printed = capture.wait();
    assert_eq!(printed.code, Some(0));
    let said = printed.errors.join("\n");
    assert!(said.contains("sockdoc: reset: "), "{said}");
    let entries = fs::read_dir(folder.path()).expect("a folder");
    let files: Vec<_> = entries.map(|entry| entry.expect("a file").path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    // Both connections, and the reset is the last packet.
    let file = files[0].to_str().expect("text");
    let text = crate::support::stdout(&crate::support::run(&["decode", file]));
    assert!(text.contains("65432 [SYN]"), "{text}");
    assert!(
        text.lines()
            .last()
            .is_some_and(|line| line.contains("[RST")),
        "{text}"
    );
}

#[test]
fn what_had_no_room_is_counted_and_the_capture_goes_on() {
    let Some(namespace) = Namespace::new("a capture that is held up") else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("held.pcapng");
    let path_text = path.to_str().expect("text");
    let args = ["-i", "lo", "-B", "2M", "-w", path_text, "udp port 7002"];
    let capture = Capture::start(&namespace, &args);
    capture.signal("STOP");
    // 6 MB, of which 2 MiB fit.
    datagrams(&namespace, 7002, 6_000, 1_000);
    capture.signal("CONT");
    let printed = capture.stop();
    let (received, dropped) = (
        printed.count(" packets received by the filter"),
        printed.count(" dropped by the kernel"),
    );
    let written = printed.count(" packets written to ");
    assert_eq!(received, 6_000, "{:?}", printed.errors);
    assert!(dropped > 1_000, "{dropped}");
    assert_eq!(written + dropped, received);
    let (count, interfaces) = frames(&path);
    assert_eq!(count as u64, written);
    assert_eq!(interfaces[0].dropped, Some(dropped));
}

#[test]
fn an_interface_that_goes_down_or_away_is_told_and_the_last_one_ends_the_capture() {
    let Some(cable) = Cable::new("a capture on an interface that vanishes") else {
        return;
    };
    let mut capture = Capture::start(&cable.here, &["-i", "east", "icmp"]);
    let mut told = |words: &str| {
        let mut line = String::new();
        capture.errors.read_line(&mut line).expect("readable");
        assert!(line.contains(words), "{line}");
    };
    cable.here.ip(&["link set east down"]);
    told("east is down");
    cable.here.ip(&["link set east up"]);
    until("the cable", || {
        let link = cable.here.run("ip", &["link", "show", "east"]);
        link.contains("LOWER_UP").then_some(())
    });
    cable.ping("10.77.0.2");
    cable.here.ip(&["link set east down", "link del east"]);
    let printed = capture.wait();
    assert_eq!(printed.code, Some(0));
    assert_eq!(printed.lines.len(), 6, "{:#?}", printed.lines);
    let said = printed.errors.join("\n");
    assert!(said.contains("east was removed"), "{said}");
}

/// A connection and a datagram over the loopback interface, of sockets that are still open.
fn held(
    namespace: &Namespace,
    port: u16,
) -> (TcpListener, [std::net::TcpStream; 2], [UdpSocket; 2]) {
    namespace.inside(|| {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("bound");
        let client = std::net::TcpStream::connect(("127.0.0.1", port)).expect("connected");
        let (server, _) = listener.accept().expect("accepted");
        let to = UdpSocket::bind(("127.0.0.1", port)).expect("bound");
        let from = UdpSocket::bind("127.0.0.1:0").expect("bound");
        from.send_to(b"x", to.local_addr().expect("bound"))
            .expect("sent");
        (listener, [client, server], [to, from])
    })
}

/// The end of the first line with these words: the processes.
#[track_caller]
fn ends<'a>(printed: &'a Printed, words: &str) -> &'a str {
    let line = printed.lines.iter().find(|line| line.contains(words));
    let line = line.unwrap_or_else(|| panic!("{words}: {:#?}", printed.lines));
    line.rsplit("  ").next().unwrap_or_default()
}

#[test]
fn the_processes_at_the_ends_of_a_packet_are_after_its_line_and_in_a_file() {
    let Some(cable) = Cable::new("a capture with processes") else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("lo.pcapng");
    let path = file.to_str().expect("text");
    let shown = Capture::start(&cable.here, &["-i", "lo", "-i", "east", "tcp or udp"]);
    let kept = Capture::start(&cable.here, &["-i", "lo", "-w", path, "tcp"]);
    let plain = Capture::start(&cable.here, &["-i", "lo", "--no-process", "udp"]);
    // Open until the packets were seen: without BPF the sockets are looked up then.
    let held = held(&cable.here, 7004);
    // Of the end on another host nothing is known.
    let listener = cable
        .there
        .inside(|| TcpListener::bind("10.77.0.2:7005").expect("bound"));
    let stream = cable
        .here
        .inside(|| std::net::TcpStream::connect("10.77.0.2:7005").expect("connected"));
    let (shown, plain, kept) = (shown.stop(), plain.stop(), kept.stop());
    drop((listener, stream, held));
    assert_eq!(kept.code, Some(0));
    let pid = std::process::id();
    let here = format!("({pid})");
    for words in ["7004 [SYN] ", "UDP "] {
        let both = ends(&shown, words);
        assert_eq!(both.matches(&here).count(), 2, "{both}");
        assert!(both.contains(") → "), "{both}");
    }
    let one = ends(&shown, "7005 [SYN] ");
    assert!(one.ends_with(&here) && !one.contains('→'), "{one}");
    let said = shown.errors.join("\n");
    assert!(said.contains("processes of "), "{said}");
    assert!(!plain.lines[0].contains(&here), "{:?}", plain.lines);
    // The file says it again, also to other programs.
    let decoded = crate::support::run(&["decode", path, "--json", "-c", "1"]);
    let packet: serde_json::Value = {
        let text = crate::support::stdout(&decoded);
        serde_json::from_str(text.lines().next().expect("a packet")).expect("JSON")
    };
    for end in ["sender_process", "receiver_process"] {
        assert_eq!(packet[end]["pid"], pid, "{packet}");
        assert!(packet[end]["source"].is_string(), "{packet}");
    }
    let text = crate::support::stdout(&crate::support::run(&["decode", path, "-c", "1"]));
    assert_eq!(text.matches(&here).count(), 2, "{text}");
    if program("tshark").is_some() {
        let said = Command::new("tshark")
            .args(["-r", path, "-T", "fields", "-e", "frame.comment", "-c", "1"])
            .output();
        let said = String::from_utf8(said.expect("it runs").stdout).expect("text");
        assert!(
            said.contains("sender process: ") && said.contains(&here),
            "{said}"
        );
    }
}

/// A client that connects to a port, waits for the server to close, and ends.
const CLIENT: &str = "import socket, sys
s = socket.create_connection((\"127.0.0.1\", int(sys.argv[1])))
s.recv(1)";

#[test]
fn the_packets_of_one_process_are_selected_also_after_it_has_ended() {
    let test = "a capture of one process";
    let Some(namespace) = Namespace::new(test) else {
        return;
    };
    if program("python3").is_none() {
        skip(test, "python3 is not installed");
        return;
    }
    let own = format!("pid:{}", std::process::id());
    let captures = [
        Capture::start(&namespace, &["-i", "lo", "--process", &own, "tcp or udp"]),
        Capture::start(
            &namespace,
            &["-i", "lo", "--process", "python3", "tcp or udp"],
        ),
        Capture::start(
            &namespace,
            &["-i", "lo", "--process", "pid:1", "tcp or udp"],
        ),
    ];
    let listener = namespace.inside(|| TcpListener::bind("127.0.0.1:0").expect("bound"));
    let port = listener.local_addr().expect("bound").port();
    let mut child = namespace.command("python3");
    let mut child = child
        .args(["-c", CLIENT, &port.to_string()])
        .spawn()
        .expect("it starts");
    drop(listener.accept().expect("accepted"));
    child.wait().expect("it ends");
    let held = held(&namespace, 7008);
    let [own, python, other] = captures.map(Capture::stop);
    assert!(other.lines.is_empty(), "{:#?}", other.lines);
    // The first packet of the connection is the client's.
    let both = ends(&own, " [SYN] ");
    assert!(both.starts_with("python3("), "{both}");
    drop(held);
    assert_eq!(
        own.lines.iter().filter(|line| line.contains("UDP")).count(),
        1
    );
    assert!(python.lines.len() >= 4, "{:#?}", python.lines);
    assert!(
        python.lines.iter().all(|line| line.contains("TCP")),
        "{:#?}",
        python.lines
    );
}

#[test]
fn another_namespace_is_captured_from_outside() {
    let Some(namespace) = Namespace::new("a capture of another namespace") else {
        return;
    };
    let mut command = crate::support::sockdoc();
    command.args(["capture", "-i", "lo", "--netns", &namespace.name]);
    command.args(["-c", "3", "udp port 7003"]);
    let capture = Capture::spawn(command);
    datagrams(&namespace, 7003, 3, 10);
    let printed = capture.wait();
    assert_eq!(printed.lines.len(), 3, "{:#?}", printed.errors);
}

#[test]
fn without_the_capability_it_says_what_would_give_it() {
    let Some(namespace) = Namespace::new("a capture without privileges") else {
        return;
    };
    let (_folder, binary) = binary_for_all();
    let mut command = namespace.command(NOBODY[0]);
    command
        .args(&NOBODY[1..])
        .args([&binary, "capture", "-i", "lo"]);
    let run = finish(command);
    assert_eq!(run.status.code(), Some(2));
    let said = stderr(&run);
    assert!(said.contains("CAP_NET_RAW"), "{said}");
    assert!(
        said.contains(&format!("setcap cap_net_raw+ep {binary}")),
        "{said}"
    );
    assert!(
        said.lines().count() <= 2 && DEADLINE.as_secs() > 0,
        "{said}"
    );
}
