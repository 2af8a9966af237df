//! `sockdoc decode --max-memory` is kept, whatever the capture holds and whatever is shown.

use std::io::Read as _;
use std::path::Path;
use std::process::Stdio;

use super::support::sockdoc;

const MIB: u64 = 1 << 20;
/// What may be used in addition to the limit.
const SLACK: u64 = 32 * MIB;
const SERVER: [u8; 4] = [192, 168, 0, 1];
const SYN: u8 = 2;
const PSH: u8 = 8;
const ACK: u8 = 16;

/// A pcap file of raw IP packets (link type 101).
struct Capture {
    bytes: Vec<u8>,
}

impl Capture {
    fn new() -> Capture {
        let mut bytes = Vec::new();
        for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 101] {
            bytes.extend(word.to_le_bytes());
        }
        Capture { bytes }
    }

    /// A segment of the client with this number to port 65432, or the other way.
    fn segment(
        &mut self,
        client: u32,
        from_client: bool,
        flags: u8,
        numbers: [u32; 2],
        data: &[u8],
    ) {
        let [_, high, middle, low] = client.to_be_bytes();
        let ends = [([10, high, middle, low], 40_000_u16), (SERVER, 65_432)];
        let (from, to) = if from_client {
            (ends[0], ends[1])
        } else {
            (ends[1], ends[0])
        };
        let length = u16::try_from(40 + data.len()).expect("a short segment");
        for word in [1_700_000_000, 0, u32::from(length), u32::from(length)] {
            self.bytes.extend(word.to_le_bytes());
        }
        self.bytes.extend([0x45, 0]);
        self.bytes.extend(length.to_be_bytes());
        self.bytes.extend([0, 1, 0x40, 0, 64, 6, 0, 0]);
        self.bytes.extend(from.0);
        self.bytes.extend(to.0);
        self.bytes.extend(from.1.to_be_bytes());
        self.bytes.extend(to.1.to_be_bytes());
        self.bytes.extend(numbers[0].to_be_bytes());
        self.bytes.extend(numbers[1].to_be_bytes());
        self.bytes.extend([0x50, flags, 4, 0, 0, 0, 0, 0]);
        self.bytes.extend(data);
    }
}

/// The peak of resident memory while this is decoded, in bytes, without the pages of files (the program, which
/// is large in a test, and the capture), which the kernel can drop. It is read while the output is: the last
/// pieces of it are written when everything else is done.
fn peak(file: &Path, arguments: &[&str]) -> u64 {
    let mut command = sockdoc();
    command.arg("decode").arg(file).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::null()).spawn().expect("it starts");
    let mut out = child.stdout.take().expect("piped");
    let status = format!("/proc/{}/status", child.id());
    let (mut peak, mut piece) = (0, vec![0; 64 * 1024]);
    while out.read(&mut piece).expect("output") > 0 {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let number = |name: &str| -> u64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
            number.map_or(0, |number| number.parse().expect("a number"))
        };
        peak = peak.max(number("VmHWM:").saturating_sub(number("RssFile:")));
    }
    child.wait().expect("it ends");
    assert!(peak > 0, "{arguments:?}: nothing was measured");
    peak * 1024
}

fn check(capture: &Capture, limit: &str, bytes: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("capture.pcap");
    std::fs::write(&file, &capture.bytes).expect("written");
    for view in [&["--json"][..], &["--streams"], &["--expert"], &[]] {
        let arguments = [view, &["--max-memory", limit]].concat();
        let peak = peak(&file, &arguments);
        assert!(peak <= bytes + SLACK, "{arguments:?}: {} MiB", peak / MIB);
    }
}

#[test]
fn a_flood_of_syns_stays_within_the_limit_on_memory() {
    let mut capture = Capture::new();
    for client in 0..40_000 {
        capture.segment(client, true, SYN, [client, 0], b"");
    }
    check(&capture, "16M", 16 * MIB);
}

#[test]
fn streams_in_the_middle_of_a_message_stay_within_the_limit_on_memory() {
    let mut capture = Capture::new();
    let beginning = b"\x00\x67{\"byteorder\": \"little\", \"content-type\"";
    for client in 0..20_000 {
        capture.segment(client, true, SYN, [0, 0], b"");
        capture.segment(client, false, SYN | ACK, [0, 1], b"");
        capture.segment(client, true, PSH | ACK, [1, 1], beginning);
    }
    check(&capture, "8M", 8 * MIB);
}

#[test]
fn streams_that_do_not_fit_into_one_table_are_in_the_next_block_and_none_is_missing() {
    let mut capture = Capture::new();
    for client in 0..5000 {
        capture.segment(client, true, SYN, [client, 0], b"");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("capture.pcap");
    std::fs::write(&file, &capture.bytes).expect("written");
    let path = file.display().to_string();
    let output = super::support::run(&["decode", &path, "--streams", "--max-memory", "256K"]);
    let text = super::support::stdout(&output);
    let mut lines = text.lines();
    assert!(
        lines
            .next()
            .is_some_and(|header| header.starts_with("STREAM "))
    );
    let number = |line: &str| line.split_whitespace().next()?.parse().ok();
    let mut numbers: Vec<u32> = lines.filter_map(number).collect();
    assert_eq!(text.lines().count(), 5001);
    numbers.sort_unstable();
    assert_eq!(numbers, (0..5000).collect::<Vec<u32>>());
}
