//! Captures of what no healthy host sends, and of interfaces and frames that change their shape meanwhile.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::Path;

use sockdoc::capfile::{LinkType, SliceReader};

use crate::capture::{Cable, Capture, datagrams};
use crate::namespace::Namespace;
use crate::support::{program, run, skip, stdout, until};

/// Sends the frames that it reads, one on each line in hexadecimal.
const SENDER: &str = "import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[1], 0))
for line in sys.stdin: s.send(bytes.fromhex(line))";

/// What fits into a frame of Ethernet, and what a packet socket sends.
const SIZES: std::ops::RangeInclusive<usize> = 14..=1514;

/// The frames of Ethernet of the captures and of the corpus for frames, and each with bytes that were changed.
fn hostile() -> Vec<Vec<u8>> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let files = |folder: &str| {
        let entries = fs::read_dir(data.join(folder)).expect("a folder");
        let mut paths: Vec<_> = entries.map(|entry| entry.expect("a file").path()).collect();
        paths.sort();
        paths
    };
    let mut frames = Vec::new();
    for path in files("fuzz/corpus/packet") {
        let bytes = fs::read(path).expect("a file");
        // The link type, how much was cut off, the frame.
        frames.extend(bytes.get(2..).map(<[u8]>::to_vec));
    }
    for path in files("data/captures") {
        let bytes = fs::read(&path).expect("a file");
        let whole = SliceReader::new(&bytes).map_while(Result::ok);
        let of_ethernet = whole.filter(|frame| frame.link == LinkType::ETHERNET);
        frames.extend(of_ethernet.take(40).map(|frame| frame.data.to_vec()));
    }
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % u64::try_from(below.max(1)).expect("small")).expect("small")
    };
    let mut changed = Vec::new();
    for frame in frames.iter().filter(|frame| SIZES.contains(&frame.len())) {
        let mut frame = frame.clone();
        for _ in 0..=next(6) {
            let (at, byte) = (next(frame.len().min(80)), next(256));
            frame[at] = u8::try_from(byte).expect("a byte");
        }
        frame.truncate(14.max(frame.len() - next(frame.len() / 2)));
        changed.push(frame);
    }
    frames.extend(changed);
    frames.retain(|frame| SIZES.contains(&frame.len()));
    frames
}

/// A line without its time, and without what depends on times.
fn without_time(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let words = [&words[..1], words.get(2..).unwrap_or_default()].concat();
    let mut text = words.join(" ");
    while let Some(start) = text.find("[TCP ") {
        let end = text[start..]
            .find(']')
            .map_or(text.len(), |end| start + end + 1);
        text.replace_range(start..end, "");
    }
    // How long a reply took.
    if let Some(start) = text.rfind(" after ").filter(|_| text.ends_with(" ms")) {
        text.truncate(start);
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn hostile_frames_are_shown_as_they_are_when_they_are_read_from_a_file() {
    let test = "a capture of hostile frames";
    let Some(cable) = Cable::new(test) else {
        return;
    };
    if program("python3").is_none() {
        skip(test, "python3 is not installed");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("hostile.pcapng");
    let path = path.to_str().expect("text");
    // What comes in alone, since this host answers some of it, and not what the neighbour's kernel announces.
    let link = cable.there.run("ip", &["link", "show", "west"]);
    let address = link.split("link/ether ").nth(1).expect("an address");
    let address = address.split(' ').next().expect("an address");
    let filter = format!("not ether src {address}");
    let base = ["-i", "east", "-Q", "in", "--no-process", "--no-drops"];
    let start =
        |args: &[&str]| Capture::start(&cable.here, &[&base[..], args, &[&filter]].concat());
    let (shown, kept) = (start(&[]), start(&["-w", path]));
    let others = [
        &["-v"][..],
        &["--json"],
        &["--expert"],
        &["--messages"],
        &["-x"],
    ]
    .map(start);
    let with_all = Capture::start(&cable.here, &["-i", "east", "--drops", "-e"]);
    let frames = hostile();
    assert!(frames.len() > 1_000, "{}", frames.len());
    let lines: String = frames
        .iter()
        .map(|frame| {
            let digits = frame.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
            let digits = digits.filter_map(|digit| char::from_digit(digit.into(), 16));
            digits.chain(['\n']).collect::<String>()
        })
        .collect();
    cable.there.fed("python3", &["-c", SENDER, "west"], &lines);
    // A datagram that comes after all of them.
    let (shown, kept) = (shown.stop(), kept.stop());
    for capture in others {
        let printed = capture.stop();
        assert!(matches!(printed.code, Some(0 | 1)), "{:?}", printed.errors);
        assert!(!printed.lines.is_empty());
    }
    assert_eq!(with_all.stop().code, Some(0));
    assert_eq!(
        (shown.code, kept.code),
        (Some(0), Some(0)),
        "{:?}",
        shown.errors
    );
    let sent = frames.len() as u64;
    for printed in [&shown, &kept] {
        assert_eq!(printed.count(" packets received by the filter"), sent);
    }
    let theirs = stdout(&run(&["decode", path]));
    let theirs: Vec<String> = theirs.lines().map(without_time).collect();
    let ours: Vec<String> = shown.lines.iter().map(|line| without_time(line)).collect();
    for (number, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
        assert_eq!(ours, theirs, "frame {}", number + 1);
    }
    assert_eq!(ours.len(), theirs.len());
}

#[test]
fn frames_longer_than_the_mtu_and_those_of_the_largest_one_are_whole() {
    let Some(cable) = Cable::new("a capture of long frames") else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let [lo, east] = ["lo.pcapng", "east.pcapng"].map(|name| folder.path().join(name));
    let text = |path: &Path| path.to_str().expect("text").to_owned();
    // MTU 65,536.
    let capture = Capture::start(
        &cable.here,
        &["-i", "lo", "-w", &text(&lo), "udp port 7070"],
    );
    datagrams(&cable.here, 7070, 3, 65_000);
    assert_eq!(capture.stop().count(" packets written to "), 3);
    let lengths = |path: &Path| -> Vec<usize> {
        let bytes = fs::read(path).expect("a file");
        let frames = SliceReader::new(&bytes).map(|frame| frame.expect("whole"));
        frames.map(|frame| frame.data.len()).collect()
    };
    assert_eq!(lengths(&lo), [65_042; 3]);
    // Segments that the card would cut.
    let listener = cable
        .there
        .inside(|| TcpListener::bind("10.77.0.2:7071").expect("bound"));
    let capture = Capture::start(
        &cable.here,
        &["-i", "east", "-w", &text(&east), "tcp port 7071"],
    );
    let mut client = cable
        .here
        .inside(|| TcpStream::connect("10.77.0.2:7071").expect("connected"));
    let (mut server, _) = listener.accept().expect("accepted");
    let sent = vec![b'x'; 400_000];
    let reader = std::thread::spawn(move || {
        let mut read = Vec::new();
        server.read_to_end(&mut read).expect("the end");
        read.len()
    });
    client.write_all(&sent).expect("sent");
    drop(client);
    assert_eq!(reader.join().expect("it reads"), sent.len());
    let printed = capture.stop();
    assert_eq!(printed.code, Some(0));
    let longest = lengths(&east).into_iter().max().unwrap_or(0);
    assert!(longest > 1_514, "{longest}: {:?}", printed.errors);
    // All bytes are there, and their length and checksums, which the card would make, are no findings.
    let found = stdout(&run(&["decode", &text(&east), "--expert", "--json"]));
    let wrong = ["mtu", "checksum", "MTU"];
    assert!(!wrong.iter().any(|word| found.contains(word)), "{found}");
    let streams = stdout(&run(&["decode", &text(&east), "--streams", "--json"]));
    assert!(streams.contains("400000"), "{streams}");
}

#[test]
fn an_interface_that_is_renamed_and_a_namespace_that_ends_are_captured_on() {
    let Some(cable) = Cable::new("a capture on an interface that is renamed") else {
        return;
    };
    let capture = Capture::start(&cable.here, &["-i", "east", "udp port 7072"]);
    let any = Capture::start(&cable.here, &["udp port 7072"]);
    cable.here.ip(&[
        "link set east down",
        "link set east name north",
        "link set north up",
    ]);
    until("the cable", || {
        let link = cable.here.run("ip", &["link", "show", "north"]);
        link.contains("LOWER_UP").then_some(())
    });
    let send = |from: &Namespace| {
        from.inside(|| {
            let socket = UdpSocket::bind("0.0.0.0:7072").expect("bound");
            socket.send_to(b"x", "10.77.0.1:7072").expect("sent");
        });
    };
    send(&cable.there);
    // Its name goes; it lives as long as something captures in it.
    let ended = Capture::start(&cable.there, &["-i", "west", "udp port 7072"]);
    let Cable { here, there } = cable;
    let file = fs::File::open(there.file()).expect("the namespace");
    drop(there);
    drop(file);
    let ended = ended.stop();
    assert_eq!(ended.code, Some(0), "{:?}", ended.errors);
    for capture in [capture, any] {
        let printed = capture.stop();
        assert_eq!(printed.code, Some(0), "{:?}", printed.errors);
        let seen = printed.lines.iter().filter(|line| line.contains("UDP"));
        assert_eq!(
            seen.filter(|line| !line.starts_with("DROP")).count(),
            1,
            "{:#?}",
            printed.lines
        );
    }
    drop(here);
}
