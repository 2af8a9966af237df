//! `sockdoc decode`, run as users run it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use super::sockets_output::run_on_a_terminal;
use super::support::pcapng::{begun, block, commented, named};
use super::support::{Running, finish, first_line, run, sockdoc, stderr, stdout, until};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/captures")
}

pub(crate) fn capture(name: &str) -> String {
    folder().join(format!("{name}.pcap")).display().to_string()
}

fn bytes_of(name: &str) -> Vec<u8> {
    std::fs::read(capture(name)).expect("a capture")
}

/// The names of all captures.
fn captures() -> Vec<String> {
    let entries = std::fs::read_dir(folder()).expect("captures");
    let names = entries.filter_map(|entry| {
        let name = entry.expect("an entry").file_name().display().to_string();
        name.strip_suffix(".pcap").map(str::to_owned)
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    assert!(names.len() > 25, "{names:?}");
    names
}

/// Standard output of a run that goes well.
pub(crate) fn decode(name: &str, arguments: &[&str]) -> String {
    let file = capture(name);
    let output = run(&[&["decode", &file], arguments].concat());
    assert_eq!(output.status.code(), Some(0), "{name}: {output:?}");
    assert_eq!(stderr(&output), "", "{name}");
    stdout(&output)
}

/// With these bytes as standard input.
fn decode_bytes(bytes: &[u8], arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("capture");
    std::fs::write(&path, bytes).expect("written");
    let mut command = sockdoc();
    command.arg("decode").arg("-").args(arguments);
    command.stdin(std::fs::File::open(&path).expect("readable"));
    finish(command)
}

pub(crate) fn objects(text: &str) -> Vec<Value> {
    let parsed = text.lines().map(serde_json::from_str);
    parsed.collect::<Result<_, _>>().expect("JSON lines")
}

/// Frames whose line is not tshark's, and why.
const DIFFERENT: &[(&str, &[usize], &str)] = &[
    (
        "around-causes",
        &[10, 32, 33, 34, 35, 36, 50, 51],
        "the MTU of an ICMP error is shown, the content of DNS is not",
    ),
    ("around-no-causes", &[7, 29, 30, 54], "as above"),
    (
        "first-words",
        &[1, 2, 3, 7, 8, 12, 13, 14, 18, 19, 23, 24, 25],
        "the content of application protocols is not decoded",
    ),
    (
        "gre-unknown",
        &[2, 3, 4],
        "what GRE carries is named, and not decoded",
    ),
    (
        "http-bodies",
        &[
            4, 5, 6, 7, 8, 9, 10, 11, 18, 19, 20, 21, 22, 23, 30, 31, 32, 33, 40, 41, 43, 48, 49,
            50,
        ],
        "the content of application protocols is not decoded",
    ),
    (
        "llc",
        &[13],
        "what LLC carries and is not decoded is shown with its length",
    ),
    (
        "mpls",
        &[12],
        "Ethernet without a control word is not taken for one with it",
    ),
    (
        "not-opened",
        &[1, 2, 4],
        "what only has the port of a tunnel is a datagram",
    ),
    (
        "pppoe",
        &[1, 2, 3],
        "the content of DNS is not shown, and LCP is not decoded",
    ),
    (
        "tcp-rare-options",
        &[21, 22, 23],
        "the counter of accurate ECN is not in the flags",
    ),
    ("time-back", &[5], "that a frame was cut is not in its line"),
    ("udp-icmp-arp", &[12], "the MTU of an ICMP error is shown"),
    (
        "walked-over",
        &[7],
        "an encrypted frame is named by its EtherType",
    ),
    (
        "unknown-protocols",
        &[1],
        "what SCTP carries is not decoded",
    ),
];

#[test]
fn every_line_is_tsharks_on_every_capture_but_for_those_that_are_known() {
    for name in captures() {
        let ours = decode(&name, &["--no-app"]);
        let theirs = std::fs::read_to_string(folder().join(format!("{name}.tshark.txt")));
        let theirs = theirs.expect("what tshark printed");
        assert_eq!(ours.lines().count(), theirs.lines().count(), "{name}");
        let lines = ours.lines().zip(theirs.lines()).enumerate();
        let different: Vec<usize> = lines
            .filter(|(_, (ours, theirs))| ours != theirs)
            .map(|(index, _)| index + 1)
            .collect();
        let known = DIFFERENT.iter().find(|(capture, ..)| *capture == name);
        let known = known.map_or(&[][..], |(_, frames, _)| *frames);
        assert_eq!(
            different, known,
            "{name}: the frames whose lines differ\n{ours}"
        );
    }
}

#[test]
fn where_a_frame_completes_a_message_the_line_says_so_and_all_others_are_tsharks() {
    let ours = decode("tutorial", &[]);
    let theirs = std::fs::read_to_string(folder().join("tutorial.tshark.txt")).unwrap();
    let mut messages = Vec::new();
    for (ours, theirs) in ours.lines().zip(theirs.lines()) {
        match ours.split_once(" APP ") {
            None => assert_eq!(ours, theirs),
            Some((head, words)) => {
                assert!(
                    theirs.starts_with(&format!("{head} TCP ")),
                    "{ours}\n{theirs}"
                );
                messages.push(words.split(" after ").next().unwrap());
            }
        }
    }
    assert_eq!(
        messages,
        [
            "212 request #1 search \"morpheus\" text/json 41 B",
            "214 reply #1 \"Follow the white rabbit. \u{1f430}\" text/json 43 B",
            "201 request #1 binary/custom-client-binary-type 7 B",
            "229 reply #1 binary/custom-server-binary-type 34 B",
        ]
    );
}

/// `FRAME|STREAM|SOURCE PORT|HEADER LENGTH|TYPE|LENGTH|CONTENT in hexadecimal`, as another dissector
/// found them.
#[test]
fn the_messages_are_those_that_another_dissector_found() {
    let expected = std::fs::read_to_string(folder().join("tutorial.messages.txt")).unwrap();
    let events = objects(&decode("tutorial", &["--messages", "--json"]));
    let found: Vec<&Value> = events
        .iter()
        .filter(|event| event["event"] == "message")
        .collect();
    assert_eq!(found.len(), expected.lines().count());
    for (found, expected) in found.iter().zip(expected.lines()) {
        let fields: Vec<&str> = expected.split('|').collect();
        let content: Vec<u8> = (0..fields[6].len() / 2)
            .map(|at| u8::from_str_radix(&fields[6][at * 2..at * 2 + 2], 16).unwrap())
            .collect();
        let content = String::from_utf8(content).unwrap();
        assert_eq!(found["frame"].to_string(), fields[0]);
        assert_eq!(found["stream"].to_string(), fields[1]);
        assert_eq!(found["source"]["port"].to_string(), fields[2]);
        assert_eq!(found["header_bytes"].to_string(), fields[3]);
        assert_eq!(found["content_type"], fields[4]);
        assert_eq!(found["content_bytes"].to_string(), fields[5]);
        match found.get("json") {
            Some(json) => assert_eq!(*json, serde_json::from_str::<Value>(&content).unwrap()),
            None => assert_eq!(found["content"], content),
        }
    }
}

/// Request and reply of each capture with application messages, in short.
#[test]
fn messages_are_found_in_pieces_out_of_order_behind_gaps_and_in_the_middle() {
    let short = |name: &str| -> Vec<String> {
        let text = decode(name, &["--messages"]);
        let line = |line: &str| {
            let words = line.split_once(" → ").unwrap().1.split_once(' ').unwrap().1;
            let guessed = if words.contains("(guessed)") {
                " ?"
            } else {
                ""
            };
            let words: Vec<&str> = words.split(' ').take(2).collect();
            format!("{}{guessed}", words.join(" "))
        };
        text.lines().map(line).collect()
    };
    let pair = ["request #1", "reply #1"];
    assert_eq!(
        short("app-pieces"),
        [&pair[..], &pair, &["request #2", "reply #2"]].concat()
    );
    assert_eq!(
        short("app-three-in-one"),
        [
            "request #1",
            "request #2",
            "request #3",
            "reply #1",
            "reply #2",
            "reply #3"
        ]
    );
    assert_eq!(short("app-out-of-order"), pair);
    assert_eq!(short("app-overlap"), pair);
    assert_eq!(short("app-gap"), ["request #1", "request #2 ?", "reply #1"]);
    assert_eq!(
        short("app-from-the-middle"),
        ["reply to ?", "request #1 ?", "reply #1"]
    );
}

#[test]
fn the_first_of_two_that_overlap_counts_unless_the_last_is_asked_for() {
    let first = decode("app-overlap", &["--messages"]);
    assert!(first.contains("search \"ring\""), "{first}");
    let last = decode("app-overlap", &["--messages", "--overlap", "last"]);
    assert!(last.contains("search \"king\""), "{last}");
    let findings = run(&["decode", &capture("app-overlap"), "--expert"]);
    assert_eq!(findings.status.code(), Some(1));
    assert!(stdout(&findings).contains("retransmission with different data"));
}

#[test]
fn bytes_that_are_no_message_are_told_with_the_reason_and_cannot_move_the_cursor() {
    let findings = stdout(&run(&["decode", &capture("app-bad-headers"), "--expert"]));
    for reason in [
        "the header length is 0",
        "the header is not JSON",
        "the header is a JSON list, not an object",
        "content-length is -1",
        "content-length is 1.5",
        "content-length is the string '1'",
        "content-length is null",
        "over the limit",
        "the header lacks 'byteorder'",
        "this looks like SSH",
    ] {
        assert!(findings.contains(reason), "{reason} in\n{findings}");
    }
    for view in [
        &[][..],
        &["--messages"],
        &["--follow", "15"],
        &["--json"],
        &["--csv"],
        &["-x"],
    ] {
        let output = run(&[&["decode", &capture("app-bad-headers")], view].concat());
        let unsafe_bytes = output
            .stdout
            .iter()
            .any(|byte| *byte < b' ' && *byte != b'\n');
        assert!(!unsafe_bytes, "{view:?}");
    }
}

#[test]
fn everything_in_front_of_a_cut_is_decoded_then_one_line_tells_the_byte() {
    let whole = decode("tutorial", &[]);
    let bytes = bytes_of("tutorial");
    // Where the records begin, by their own lengths.
    let mut starts = vec![24];
    while let Some(start) = starts.last().filter(|start| **start < bytes.len()) {
        let length = u32::from_le_bytes(bytes[start + 8..start + 12].try_into().unwrap());
        starts.push(start + 16 + length as usize);
    }
    for length in [25, 39, 40, 100, 113, 115, 1000, bytes.len() - 1] {
        let output = decode_bytes(&bytes[..length], &[]);
        let frames = starts.iter().filter(|start| **start <= length).count() - 1;
        let expected: Vec<&str> = whole.lines().take(frames).collect();
        let said = stdout(&output);
        assert_eq!(
            said.lines().collect::<Vec<_>>(),
            expected,
            "cut at {length}"
        );
        let error = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "cut at {length}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(
            error.contains(&format!("at byte {}", starts[frames])),
            "cut at {length}: {error}"
        );
    }
}

#[test]
fn an_empty_file_is_an_error_and_a_header_alone_is_none() {
    let empty = decode_bytes(b"", &[]);
    assert_eq!(empty.status.code(), Some(1));
    assert!(stderr(&empty).contains("empty"), "{}", stderr(&empty));
    let header = decode_bytes(&bytes_of("tutorial")[..24], &[]);
    assert_eq!(header.status.code(), Some(0), "{header:?}");
    assert!(header.stdout.is_empty());
    let other = decode_bytes(b"#!/bin/sh\necho\n", &[]);
    assert_eq!(other.status.code(), Some(1));
    assert_eq!(stderr(&other).lines().count(), 1, "{}", stderr(&other));
}

#[test]
fn what_is_no_file_to_read_is_said() {
    for (path, word) in [("/", "EISDIR"), ("/nonexistent", "ENOENT")] {
        let output = run(&["decode", path]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(stderr(&output).contains(word), "{}", stderr(&output));
    }
}

#[test]
fn a_pipe_a_fifo_and_a_compressed_file_give_the_same_lines() {
    let whole = decode("tutorial", &[]);
    let folder = tempfile::tempdir().expect("a folder");
    let packed = folder.path().join("capture.gz");
    let file = std::fs::File::create(&packed).expect("a file");
    let mut gzip = flate2::write::GzEncoder::new(file, flate2::Compression::default());
    gzip.write_all(&bytes_of("tutorial")).expect("packed");
    gzip.finish().expect("packed");
    let output = run(&["decode", &packed.display().to_string()]);
    assert_eq!(stdout(&output), whole, "{}", stderr(&output));
    let fifo = folder.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("made");
    let (path, bytes) = (fifo.clone(), bytes_of("tutorial"));
    let writer = std::thread::spawn(move || std::fs::write(path, bytes));
    let output = run(&["decode", &fifo.display().to_string()]);
    assert_eq!(stdout(&output), whole);
    writer.join().expect("joined").expect("written");
    assert_eq!(stdout(&decode_bytes(&bytes_of("tutorial"), &[])), whole);
}

/// The tutorial's frames again and again, `times` times.
fn repeated(times: usize) -> Vec<u8> {
    let bytes = bytes_of("tutorial");
    let mut many = bytes[..24].to_vec();
    (0..times).for_each(|_| many.extend(&bytes[24..]));
    many
}

#[test]
fn a_file_that_shrinks_while_it_is_read_ends_the_run_with_a_message() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("capture.pcap");
    std::fs::write(&path, repeated(4000)).expect("written");
    // Old enough not to be taken for a file that is still growing.
    let file = std::fs::File::options()
        .write(true)
        .open(&path)
        .expect("open");
    file.set_modified(std::time::UNIX_EPOCH)
        .expect("its time is set");
    let mut command = sockdoc();
    command.arg("decode").arg(&path);
    command.stdin(std::process::Stdio::null());
    command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let mut child = Running::from(command.spawn().expect("it starts"));
    // The first byte says that it reads; then it waits for us, since the pipe is full.
    let mut out = child.stdout.take().expect("piped");
    let mut first = [0];
    std::io::Read::read_exact(&mut out, &mut first).expect("output");
    file.set_len(1000).expect("cut");
    std::io::copy(&mut out, &mut std::io::sink()).expect("the rest");
    let output = child.wait_with_output().expect("it ends");
    let error = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("shrank while it was being read"), "{error}");
}

#[test]
fn a_reader_that_goes_ends_the_run_quietly() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("capture.pcap");
    std::fs::write(&path, repeated(2000)).expect("written");
    let mut command = sockdoc();
    command.arg("decode").arg(&path);
    let (line, output) = first_line(command);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(stderr(&output), "");
    assert!(line.contains("127.0.0.1"), "{line}");
}

#[test]
fn json_has_a_schema_on_every_line_and_the_numbers_add_up() {
    let events = objects(&decode("tutorial", &["--json"]));
    assert!(
        events
            .iter()
            .all(|event| event["schema"] == "sockdoc.decode/1")
    );
    let count = |kind: &str| events.iter().filter(|event| event["event"] == kind).count();
    assert_eq!(
        (count("packet"), count("message"), count("stream")),
        (20, 4, 2)
    );
    let end = events.last().unwrap();
    assert_eq!(end["event"], "end");
    assert_eq!(
        (&end["frames"], &end["complete"]),
        (&20.into(), &true.into())
    );
    let frame = &events[3];
    assert_eq!(frame["flags"], serde_json::json!(["PSH", "ACK"]));
    assert_eq!(
        (&frame["seq"], &frame["data_bytes"]),
        (&1.into(), &146.into())
    );
    // For each view, and every capture.
    for name in captures() {
        for view in [
            &[][..],
            &["--messages"],
            &["--expert"],
            &["--streams"],
            &["--stats"],
        ] {
            let output = run(&[&["decode", &capture(&name), "--json"], view].concat());
            assert_eq!(objects(&stdout(&output)).last().unwrap()["event"], "end");
        }
    }
}

#[test]
fn every_view_has_its_events_in_json() {
    let events = |arguments: &[&str]| objects(&decode("app-bad-headers", arguments));
    let data = events(&["--json", "--follow", "13"]);
    assert_eq!(data[0]["event"], "data");
    assert_eq!(data[0]["from_client"], true);
    assert!(
        data[0]["content_hex"].as_str().unwrap().ends_with("ff"),
        "{}",
        data[0]
    );
    let stats = events(&["--json", "--stats"]);
    assert_eq!(stats[0]["protocols"][0]["protocol"], "TCP");
    assert_eq!(stats[0]["protocols"][0]["frames"], stats[1]["frames"]);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("out.pcap").display().to_string();
    let written = events(&["--json", "-w", &path]);
    assert_eq!(written.len(), 1, "{written:?}");
    let both = run(&["decode", &capture("tutorial"), "--csv", "--json"]);
    assert_eq!(both.status.code(), Some(2));
}

#[test]
fn csv_has_a_row_for_each_frame_with_as_many_cells_as_the_header() {
    for name in captures() {
        let text = decode(&name, &["--csv"]);
        let cells = |line: &str| {
            let unquoted = line.split('"').step_by(2);
            unquoted
                .map(|part| part.matches(',').count())
                .sum::<usize>()
        };
        let counts: Vec<usize> = text.lines().map(cells).collect();
        assert!(
            counts.iter().all(|count| *count == counts[0]),
            "{name}\n{text}"
        );
    }
}

#[test]
fn a_stream_is_followed_as_text_and_in_hexadecimal() {
    let text = decode("tutorial", &["--follow", "0"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "--- client 127.0.0.1:45582");
    assert!(
        lines[1].starts_with("\\x00g{\"byteorder\": \"little\""),
        "{text}"
    );
    assert_eq!(lines[2], "--- server 127.0.0.1:65432");
    let hex = decode("tutorial", &["--follow", "0", "-x"]);
    assert!(
        hex.contains("00000000  00 67 7b 22 62 79 74 65  6f 72 64 65 72 22 3a 20"),
        "{hex}"
    );
    let none = run(&["decode", &capture("tutorial"), "--follow", "2"]);
    assert_eq!(none.status.code(), Some(1));
    assert!(
        stderr(&none).contains("the streams 0 to 1"),
        "{}",
        stderr(&none)
    );
    let gap = decode("app-gap", &["--follow", "0"]);
    assert!(gap.contains("[70 bytes missing from the capture]"), "{gap}");
}

#[test]
fn streams_say_who_talked_how_long_and_how_it_ended() {
    let text = decode("tutorial", &["--streams"]);
    assert_eq!(text.lines().count(), 3);
    let row = text.lines().nth(1).unwrap();
    for cell in [
        "127.0.0.1:45582",
        "127.0.0.1:65432",
        "5+5",
        "0.478 ms",
        "0.031 ms",
        "1+1",
        "closed",
    ] {
        assert!(row.contains(cell), "{cell} in {row}");
    }
    let ends = decode("tcp-port-reuse", &["--streams"]);
    let ends: Vec<&str> = ends
        .lines()
        .skip(1)
        .map(|line| line.rsplit("  ").next().unwrap())
        .collect();
    assert_eq!(ends, ["closed by client", "reset by server", "refused"]);
    let unanswered = decode("tcp-one-sided", &["--streams"]);
    assert!(unanswered.contains("half closed"), "{unanswered}");
}

#[test]
fn the_table_of_streams_fits_a_terminal_and_marks_the_longest_wait() {
    let file = capture("tcp-causes");
    let text = run_on_a_terminal(80, &["decode", &file, "--streams"]);
    for line in text.lines() {
        assert!(line.trim_end().chars().count() <= 80, "{line}");
    }
    assert_eq!(text.lines().count(), 2 * (1 + 8), "{text}");
    let marked: Vec<&str> = text.lines().filter(|line| line.contains('*')).collect();
    assert!(
        marked.len() == 1 && marked[0].contains("*3.020 s"),
        "{text}"
    );
    // A pipe gets a row for each stream.
    let text = decode("tcp-causes", &["--streams"]);
    assert_eq!(
        (text.lines().count(), text.matches("*3.020 s").count()),
        (1 + 8, 1)
    );
}

#[test]
fn findings_tell_how_long_a_window_was_closed() {
    let output = run(&["decode", &capture("tcp-zero-window"), "--expert"]);
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    assert!(
        text.contains("subject    stream 0  10.0.0.2:8000 → 10.0.0.1:40000\n"),
        "{text}"
    );
    assert!(
        text.contains("WARNING receive window was closed: 2 times, up to 1.4 s\n"),
        "{text}"
    );
    let (all, none) = (
        "in 20 frames and 2 TCP streams",
        "matches the filter: nothing was checked",
    );
    for (filter, words) in [
        (&[][..], all),
        (&["stream 1"], "and 1 TCP stream\n"),
        (&["udp"], none),
    ] {
        let output = run(&[&["decode", &capture("tutorial"), "--expert"], filter].concat());
        assert_eq!(output.status.code(), Some(0));
        let text = stdout(&output);
        assert!(text.starts_with("no ") && text.contains(words), "{text}");
    }
    let filtered = run(&[
        "decode",
        &capture("tcp-causes"),
        "--expert",
        "stream 2 or stream 6",
    ]);
    let text = stdout(&filtered);
    let headlines = text.lines().filter(|line| line.starts_with("WARNING"));
    assert_eq!(headlines.count(), 2, "{text}");
    let other = run(&["decode", &capture("tcp-causes"), "--expert", "stream 7"]);
    assert_eq!(
        (other.status.code(), stdout(&other).lines().count()),
        (Some(0), 1)
    );
}

#[test]
fn a_filter_selects_and_what_it_does_not_know_is_an_error_with_its_place() {
    let numbers = |filter: &[&str]| -> Vec<String> {
        let text = decode("tutorial", filter);
        text.lines()
            .map(|line| line[..5].trim().to_owned())
            .collect()
    };
    assert_eq!(numbers(&["app"]), ["4", "6", "14", "16"]);
    assert_eq!(
        numbers(&["stream", "1", "and", "tcp[13] & 2 != 0"]),
        ["11", "12"]
    );
    assert_eq!(numbers(&["port 45582", "-c", "2"]), ["1", "2"]);
    let expert = decode("tcp-keep-alive", &["expert"]);
    assert_eq!(expert, "");
    let wrong = run(&["decode", &capture("tutorial"), "tcp and bogus 3"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(stderr(&wrong).contains("position 9"), "{}", stderr(&wrong));
}

#[test]
fn the_frames_that_match_are_written_and_read_again() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["out.pcap", "out.pcapng"] {
        let path = folder.path().join(name).display().to_string();
        assert_eq!(decode("tutorial", &["-w", &path, "stream 1"]), "");
        let again = run(&["decode", &path]);
        assert_eq!(stdout(&again).lines().count(), 10);
        let first = stdout(&again).lines().next().unwrap().to_owned();
        assert!(first.starts_with("    1   0.000000 "), "{first}");
        assert!(first.contains("45586 → 65432 [SYN]"), "{first}");
    }
}

#[test]
fn a_filter_says_where_it_does_not_look_and_an_empty_file_that_it_is_empty() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("out.pcap").display().to_string();
    let file = capture("tunnels-and-tags");
    let said = |arguments: &[&str]| {
        let output = run(&[&["decode", &file], arguments].concat());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        (stdout(&output).lines().count(), stderr(&output))
    };
    assert_eq!(
        said(&["udp port 40000", "-w", &path]),
        (
            0,
            format!(
                "sockdoc: {path} has no frames: none of the 4 frames match 'udp port 40000'\n\
                 sockdoc: 2 frames match 'udp port 40000' only behind a VLAN tag, where it does not look\n\
                 sockdoc: 2 frames match 'udp port 40000' only inside a tunnel, where it does not look\n\
                 sockdoc: next: with --inside, the filter looks at the innermost packet of each frame\n"
            )
        )
    );
    assert_eq!(said(&["udp port 40000", "--inside"]), (4, String::new()));
    assert_eq!(
        said(&["ip6 and udp[2:2] = 53"]),
        (
            0,
            "sockdoc: the expression rejects all packets: no EN10MB frame can match 'ip6 and udp[2:2] = 53'\n"
                .to_owned()
        )
    );
}

#[test]
fn comments_of_frames_are_shown_but_for_those_that_name_processes() {
    let data = &bytes_of("tutorial")[40..114];
    let comments = [
        "look\x1b[2J",
        "sender process: curl(7) [bpf]",
        "sender process:",
    ];
    let frames = [commented(data, &comments), commented(data, &comments[1..2])];
    let file = [begun(), frames.concat()].concat();
    let shown = |args: &[&str]| stdout(&decode_bytes(&file, args));
    let full = shown(&["-v"]);
    let begin = "Packet comments\n    look\\x1b[2J\n    sender process: curl(7) [bpf]\n    \
                 sender process:\nFrame 1: 74 bytes on wire";
    assert!(full.starts_with(begin), "{full}");
    for threads in ["one", "several"] {
        let events = objects(&shown(&["--json", "--threads", threads]));
        let said = serde_json::json!(["look\x1b[2J", "sender process:"]);
        assert_eq!(events[0]["comments"], said, "{threads}");
        assert_eq!(events[0]["sender_process"]["name"], "curl");
        assert!(events[1]["comments"].is_null(), "{threads}");
    }
    assert!(!shown(&[]).contains("look"));
}

#[test]
fn names_of_the_capture_stand_for_its_addresses_from_where_they_are_on() {
    // From and to 127.0.0.1.
    let data = &bytes_of("tutorial")[40..114];
    let frame = block(
        6,
        &[
            &[0; 12][..],
            &74_u32.to_le_bytes(),
            &74_u32.to_le_bytes(),
            data,
            &[0; 2],
        ]
        .concat(),
    );
    let names = |name: &str| block(4, &[named([127, 0, 0, 1], name), vec![0; 4]].concat());
    let (first, second) = (names("first.test\x1b"), names("second.test"));
    let file = [begun(), first, frame.clone(), second, frame].concat();
    let mut lines = Vec::new();
    for threads in ["one", "several"] {
        lines.push(stdout(&decode_bytes(&file, &["-N", "--threads", threads])));
    }
    assert_eq!(lines[0], lines[1]);
    let mut lines = lines[0].lines();
    let line = lines.next().unwrap_or_default();
    assert!(
        line.contains(" first.test\\x1b → first.test\\x1b "),
        "{line}"
    );
    let line = lines.next().unwrap_or_default();
    assert!(line.contains("  second.test → second.test  "), "{line}");
    let plain = stdout(&decode_bytes(&file, &[]));
    assert!(!plain.contains(".test"), "{plain}");
}

#[test]
fn a_frame_without_a_time_is_shown_without_one() {
    let data = &bytes_of("tutorial")[40..114];
    let simple = block(3, &[&74_u32.to_le_bytes()[..], data, &[0; 2]].concat());
    let timed = commented(data, &[]);
    let file = [begun(), simple.clone(), timed, simple].concat();
    for threads in ["one", "several"] {
        let shown = |args: &[&str]| {
            let args = [args, &["--threads", threads, "--no-app"]].concat();
            stdout(&decode_bytes(&file, &args))
        };
        let starts: Vec<String> = shown(&[])
            .lines()
            .map(|line| line.chars().take(17).collect())
            .collect();
        assert_eq!(
            starts,
            [
                "    1            ",
                "    2   0.000000 ",
                "    3            "
            ]
        );
        let events = objects(&shown(&["--json"]));
        assert!(events[0]["time_s"].is_null() && events[2]["time_s"].is_null());
        assert_eq!(events[1]["time_s"], 0.0);
        let rows = shown(&["--csv"]);
        assert!(rows.lines().nth(1).unwrap().starts_with("1,,127.0.0.1,"));
        assert!(rows.lines().nth(2).unwrap().starts_with("2,0.000000000,"));
    }
    let full = stdout(&decode_bytes(&file, &["-v"]));
    assert_eq!(full.matches("Arrival Time:").count(), 1, "{full}");
}

#[test]
fn what_belongs_to_the_frames_that_are_written_is_kept_or_named() {
    let secrets = block(10, b"KSLT\x04\0\0\0keys");
    let names = block(4, &named([10, 0, 0, 1], "abc"));
    let frame = commented(&bytes_of("tutorial")[40..114], &["look"]);
    let not_copied = block(0x4000_0bad, &[0; 8]);
    let drops = block(
        5,
        b"\0\0\0\0\0\0\0\0\0\0\0\0\x05\0\x08\0\x07\0\0\0\0\0\0\0\0\0\0\0",
    );
    let unmatched = block(6, &[0; 20]);
    let before = [&begun()[..], &secrets, &names, &frame].concat();
    let whole = [&before[..], &unmatched, &not_copied, &drops].concat();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("out.pcapng").display().to_string();
    let written = decode_bytes(&whole, &["-w", &path, "tcp"]);
    assert_eq!(stderr(&written), "");
    let kept = std::fs::read(&path).expect("written");
    assert_eq!(kept, [before, drops].concat());
    let path = folder.path().join("out.pcap").display().to_string();
    let written = decode_bytes(&whole, &["-w", &path, "tcp"]);
    assert_eq!(written.status.code(), Some(0));
    assert!(
        stderr(&written).contains(
            "left out: 1 block of TLS keys, 1 block of host names, 1 block of drop counts, \
             1 frame's comments and options, 1 other block"
        ),
        "{}",
        stderr(&written)
    );
}

#[test]
fn times_are_shown_as_asked_for() {
    let first = |format: &str| {
        let text = decode("tutorial", &["-t", format]);
        text.lines()
            .nth(1)
            .unwrap()
            .split("127")
            .next()
            .unwrap()
            .trim()
            .to_owned()
    };
    assert_eq!(first("rel"), "2   0.000016");
    assert_eq!(first("delta"), "2   0.000016");
    assert_eq!(first("epoch"), "2 1795140560.140677");
    assert_eq!(first("abs"), "2 2026-11-20 02:09:20.140677");
}

#[test]
fn memory_is_bounded_and_what_is_forgotten_is_told() {
    let output = run(&[
        "decode",
        &capture("tcp-unanswered"),
        "--expert",
        "--max-memory",
        "1",
    ]);
    let text = stdout(&output);
    let headline = "stream dropped for memory: 4 connections from 10.0.0.1 to 10.0.0.2:8000";
    assert!(text.contains(headline), "{text}");
    assert_eq!(text.matches("SYN never answered").count(), 0, "{text}");
}

#[test]
fn findings_name_why_it_was_slow_and_why_it_was_reset() {
    let text = stdout(&run(&["decode", &capture("tcp-causes"), "--expert"]));
    for words in [
        "slow server: its reply began 3.0 s after the request",
        "refused the connection: RST in answer to the SYN",
        "reset the connection (RST): data arrived after it had closed (FIN)",
        "in answer to the first data after 400.0 s of silence",
        "connecting took 3.0 s: the SYN was sent again",
        "handshake unfinished: the SYN-ACK was never acknowledged",
        "SYN never answered",
    ] {
        assert_eq!(text.matches(words).count(), 1, "{words} in\n{text}");
    }
    let alike = stdout(&run(&["decode", &capture("tcp-no-causes"), "--expert"]));
    assert!(alike.starts_with("no findings in "), "{alike}");
}

#[test]
fn findings_tell_what_is_wrong_around_the_streams_and_what_icmp_errors_say_of_them() {
    let text = stdout(&run(&["decode", &capture("around-causes"), "--expert"]));
    for words in [
        "WARNING 10.0.9.9 rejected packets to 10.0.0.3 port 8000: ICMP Packet filtered\n",
        "NOTICE 10.0.9.9 sent: packet too big, MTU of the next link 1400\n",
        "ERROR 4 packets larger than the path MTU of 1400 were sent after the ICMP error\n",
        "WARNING possible MTU black hole: a segment of 1460 bytes was sent 5 times",
        "WARNING 1 of 4 pings from 10.0.0.1 to 10.0.0.2 got no reply\n",
        "WARNING 1 DNS query of 10.0.0.1 to 10.0.0.2 never answered\n",
        "WARNING DNS server 10.0.0.2 answered 1 query with SERVFAIL\n",
        "WARNING DNS server 10.0.0.2 was slow: 1 answer took up to 3.0 s\n",
        "ERROR duplicate address: 02:00:0a:00:00:02 and 02:00:0a:00:00:63 both claim 10.0.0.2\n",
        "WARNING scan: 10.0.0.1 tried 6 ports of 10.0.0.2: 3 refused, 3 without an answer\n",
        "WARNING fragments of 1 packet from 10.0.0.1 to 10.0.0.2 are missing\n",
        "NOTICE time goes backwards 1 time, by up to 500 µs\n",
    ] {
        assert_eq!(text.matches(words).count(), 1, "{words} in\n{text}");
    }
    // One finding for the scan, and none for the SYN that the router answered.
    for words in [
        "SYN never answered",
        "refused the connection",
        "SYN answered",
    ] {
        assert!(!text.contains(words), "{words} in\n{text}");
    }
    let streams = decode("around-causes", &["--streams"]);
    assert!(streams.contains("rejected by ICMP"), "{streams}");

    let alike = stdout(&run(&["decode", &capture("around-no-causes"), "--expert"]));
    let headlines = |text: &str| -> Vec<String> {
        let lines = text
            .lines()
            .filter(|line| line.starts_with(char::is_uppercase));
        let lines = lines.filter(|line| !line.starts_with("NOTICE TCP "));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(
        headlines(&alike),
        [
            "WARNING SYN answered with RST: 6 connections from 10.0.0.1 to 10.0.0.2:20",
            "WARNING the server refused the connection: RST in answer to the SYN",
            "WARNING the server refused the connection: RST in answer to the SYN",
            "WARNING the server refused the connection: RST in answer to the SYN",
            "WARNING 4 of 6 data segments of the client lost after the capture point; sending them again took 3.0 s",
            "NOTICE 10.0.9.9 sent: packet too big, MTU of the next link 1400",
        ],
        "{alike}"
    );
    let twice = decode_findings("captured-twice");
    let copies = "NOTICE 8 of 16 frames are copies: captured twice, not sent twice";
    assert_eq!(headlines(&twice), [copies]);
    assert!(!twice.contains("Retransmission"), "{twice}");
    assert_eq!(
        headlines(&decode_findings("captured-one-way"))[0],
        "WARNING only one direction was captured in 1 of 1 streams"
    );
}

#[test]
fn a_packet_that_goes_round_is_a_routing_loop_and_not_sent_again() {
    let text = decode_findings("routing-loop");
    let found: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with(char::is_uppercase))
        .collect();
    assert_eq!(
        found,
        [
            "ERROR routing loop: 3 packets from 10.0.0.1 to 10.0.9.9 came by up to 32 times, TTL 63 down to 1",
            "WARNING 10.0.0.254 rejected packets to 10.0.9.9 port 8000: ICMP Time to live exceeded: 2 times",
            "WARNING 10.0.0.254 rejected packets to 10.0.9.9: ICMP Time to live exceeded",
            "NOTICE TCP Retransmission (seq 0)",
        ],
        "{text}"
    );
    let alike = decode_findings("routing-no-loop");
    assert!(!alike.contains("loop"), "{alike}");
    let filtered = stdout(&run(&[
        "decode",
        &capture("routing-loop"),
        "--expert",
        "port",
        "9",
    ]));
    assert!(!filtered.contains("loop"), "{filtered}");
}

#[test]
fn other_data_in_the_place_of_what_came_before_is_not_called_lost() {
    let text = decode_findings("tcp-other-data");
    assert!(
        text.contains("WARNING overlap with other bytes: 2 connections"),
        "{text}"
    );
    assert!(
        !text.contains("of the client lost") && !text.contains("limited by loss"),
        "{text}"
    );
    let alike = decode_findings("tcp-spurious-retransmission");
    assert!(!alike.contains("different data"), "{alike}");
}

#[test]
fn a_server_that_does_not_take_the_ack_of_a_handshake_is_named() {
    let text = decode_findings("tcp-ack-ignored");
    let words =
        "WARNING the client completed the handshake, but the server sent its SYN-ACK 2 times more";
    assert_eq!(text.matches(words).count(), 1, "{text}");
    let at = text.find(words).expect("found");
    assert!(text[at..].contains("\n  subject    stream 0 "), "{text}");
}

#[test]
fn bytes_that_were_acknowledged_are_missing_in_the_capture_alone() {
    let text = decode_findings("tcp-lost-segment");
    let words = "WARNING bytes missing from the capture that were acknowledged: 2 times\n";
    assert!(text.contains(words), "{text}");
    let alike = decode_findings("frames-not-dropped");
    assert!(!alike.contains("missing from the capture"), "{alike}");
}

fn decode_findings(name: &str) -> String {
    stdout(&run(&["decode", &capture(name), "--expert"]))
}

#[test]
fn an_icmp_error_belongs_to_the_stream_that_it_quotes_and_shows_its_mtu() {
    let of_stream = decode("around-causes", &["stream 1 and icmp"]);
    assert!(
        of_stream.ends_with("(Fragmentation needed) mtu=1400\n"),
        "{of_stream}"
    );
    let events = objects(&decode("around-causes", &["--json", "stream 1 and icmp"]));
    let packet = events
        .iter()
        .find(|event| event["event"] == "packet")
        .expect("one");
    assert_eq!(
        (&packet["mtu"], &packet["quoted_stream"]),
        (&1400.into(), &1.into())
    );
}

#[test]
fn the_time_of_a_stream_is_told_in_parts_that_add_up() {
    let follow = decode("tcp-causes", &["--follow", "0"]);
    for line in [
        "stream 0  10.0.0.1:40000 → 10.0.0.2:8000  3.040 s, captured between client and server\n",
        "  server wait     3.020 s   99 %   from the last byte of the request to the first of the reply\n",
        "  ended        open when the capture ends\n",
    ] {
        assert!(follow.contains(line), "{line}{follow}");
    }
    let events = objects(&decode("tcp-causes", &["--streams", "--json"]));
    let streams = events.iter().filter(|event| event["event"] == "stream");
    for stream in streams {
        let parts = [
            "connect",
            "request",
            "server_wait",
            "reply",
            "client_wait",
            "close",
        ];
        let part = |name: &&str| stream["account"][format!("{name}_us")].as_f64();
        let sum: f64 = parts.iter().filter_map(part).sum();
        let all = stream["duration_us"].as_f64().expect("a duration");
        assert!((sum - all).abs() < 0.01, "{stream}");
    }
}

#[test]
fn a_transfer_has_its_limit_wherever_it_was_captured() {
    let events = objects(&decode("tcp-limits", &["--streams", "--json"]));
    let streams = events.iter().filter(|event| event["event"] == "stream");
    let found: Vec<(&str, &str)> = streams
        .map(|stream| {
            let limit = stream["from_server"]["limited_by"].as_str();
            let place = stream["capture_point"].as_str();
            (place.expect("a place"), limit.expect("a limit"))
        })
        .collect();
    let limits = [
        "receive_window",
        "application",
        "congestion_window",
        "path",
        "loss",
    ];
    let expected: Vec<(&str, &str)> = ["client", "server"]
        .into_iter()
        .flat_map(|place| limits.map(|limit| (place, limit)))
        .collect();
    assert_eq!(found, expected);
    let text = decode("tcp-limits", &["--follow", "0"]);
    for line in [
        "  reply         60.000 ms   60 %   13 KiB, limited by the receive window of the client (100 %)\n",
        "  ended        FIN by the client, acknowledged; FIN by the server 0.100 ms later, acknowledged\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
}

#[test]
fn a_reset_has_its_reason_and_what_looks_like_it_has_another() {
    let text = decode_findings("tcp-resets");
    for words in [
        "WARNING injected reset: 2 connections from 10.0.0.1 to 10.0.0.2:8000",
        "WARNING the server answered data with RST: it has no socket",
        "WARNING the server reset the connection (RST) without a reply to the last data",
        "WARNING the client used its port again too soon",
        "first data after 400.0 s of silence (its TTL is 62, that of the packets before 52: another device sent it)",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert_eq!(text.matches("RST)").count(), 3, "{text}");
    let alike = decode_findings("tcp-no-resets");
    for words in ["injected", "another device", "too soon", "challenge"] {
        assert!(!alike.contains(words), "{words}: {alike}");
    }
    assert!(alike.contains("it has no socket"), "{alike}");
    let old = decode_findings("tcp-challenge-ack");
    assert!(
        old.contains("WARNING the server answered the SYN with an ACK of an old connection"),
        "{old}"
    );
    assert!(!old.contains("injected"), "{old}");
}

#[test]
fn losses_have_their_side_and_what_was_overtaken_was_not_lost() {
    let output = run(&["decode", &capture("tcp-losses"), "--expert", "stream 0"]);
    let text = stdout(&output);
    assert!(
        text.contains("1 of 5 data segments of the server lost before the capture point; sending"),
        "{text}"
    );
    let output = run(&["decode", &capture("tcp-losses"), "--expert", "stream 1"]);
    let text = stdout(&output);
    assert!(
        text.contains("1 of 6 data segments of the server lost after the capture point; sending"),
        "{text}"
    );
    let output = run(&["decode", &capture("tcp-losses"), "--expert", "stream 2"]);
    let text = stdout(&output);
    assert!(
        text.contains("1 of 5 data segments of the server came out of order")
            && !text.contains("server lost"),
        "{text}"
    );
    let copies = decode_findings("captured-twice");
    assert!(!copies.contains("segments of"), "{copies}");
}

#[test]
fn what_was_lost_before_the_capture_point_counts_once_and_limits_the_transfer() {
    for (stream, requests, unique) in [("stream 0", 104, 520), ("stream 1", 208, 312)] {
        let events = objects(&decode("tcp-lost-before", &["--streams", "--json", stream]));
        let sent = &events[0]["from_server"];
        assert_eq!(sent["unique_data_bytes"], unique, "{sent}");
        assert_eq!(sent["data_bytes"], unique, "{sent}");
        assert_eq!(sent["limited_by"], "loss", "{sent}");
        assert_eq!(events[0]["from_client"]["unique_data_bytes"], requests);
    }
    // Lost after the capture point: the same bytes are in the capture twice.
    let events = objects(&decode("tcp-losses", &["--streams", "--json", "stream 1"]));
    let sent = &events[0]["from_server"];
    let bytes = (&sent["data_bytes"], &sent["unique_data_bytes"]);
    assert_eq!(bytes, (&624.into(), &520.into()), "{sent}");
    let text = decode_findings("tcp-lost-before");
    for line in [
        "520 bytes, limited by loss (99 %)\n",
        "312 bytes, limited by loss (67 %)\n",
        "20.000 ms   29 %   at most 10.000 ms for a reply\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
}

#[test]
fn copies_are_counted_apart_from_what_is_sent_again() {
    let table = decode("captured-twice", &["--streams"]);
    let columns: Vec<&str> = table.lines().flat_map(str::split_whitespace).collect();
    assert!(columns.contains(&"COPIES"), "{table}");
    assert!(
        columns.contains(&"5+3") && columns.contains(&"0+0"),
        "{table}"
    );
    let events = objects(&decode("captured-twice", &["--streams", "--json"]));
    let sent = &events[0]["from_client"];
    let counts = [
        "copies",
        "retransmissions",
        "out_of_order",
        "duplicate_acks",
    ];
    assert_eq!(counts.map(|key| sent[key].as_u64()), [5, 0, 0, 0].map(Some));
    assert_eq!(sent["unique_data_bytes"], 104, "{sent}");
    // Sent again is not captured twice.
    let table = decode("tcp-losses", &["--streams"]);
    assert!(!table.contains("COPIES"), "{table}");
}

#[test]
fn malformed_frames_are_a_finding_and_frames_that_were_cut_another() {
    let output = run(&["decode", &capture("bad-lengths"), "--expert"]);
    let text = stdout(&output);
    for words in [
        "WARNING 3 of 7 frames are malformed (the first in UDP)\n",
        "first UDP at byte 34 needs 8 bytes and has 5 (capture)",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert_eq!(output.status.code(), Some(1));
    let cut = decode_findings("cut-headers");
    assert!(!cut.contains("malformed"), "{cut}");
}

#[test]
fn a_handshake_that_was_not_finished_says_so_and_has_its_time() {
    let table = decode("tcp-causes", &["--streams", "stream 5"]);
    assert!(table.ends_with("  handshake unfinished\n"), "{table}");
    let text = decode("tcp-causes", &["--follow", "5"]);
    let expected = "--- stream 5  10.0.0.1:40005 → 10.0.0.2:8000  0.100 ms, capture point unknown
  connect        0.100 ms  100 %   the SYN was answered, but the handshake was not finished
  ended        handshake unfinished
";
    assert_eq!(text, expected);
    let refused = decode("tcp-causes", &["--follow", "1"]);
    assert!(
        refused.contains("  ended        RST by the server\n"),
        "{refused}"
    );
}

#[test]
fn each_stream_with_a_finding_has_its_account_if_it_was_connected() {
    let text = decode_findings("tcp-causes");
    let accounts = text.lines().filter(|line| line.starts_with("stream "));
    let numbers: Vec<&str> = accounts
        .filter_map(|line| line.split("  ").next())
        .collect();
    let expected = ["0", "2", "3", "4", "5"].map(|number| format!("stream {number}"));
    assert_eq!(numbers, expected, "{text}");
}

#[test]
fn small_writes_that_wait_for_acks_and_a_client_that_pauses_are_told_from_their_look_alikes() {
    let text = decode_findings("tcp-delayed-acks");
    assert!(
        text.contains("WARNING the client waited 3 times for a delayed ACK, 200 ms each time"),
        "{text}"
    );
    assert!(!text.contains("stream 1"), "{text}");
    let text = decode_findings("tcp-slow-client");
    assert!(
        text.contains("WARNING slow client: it paused for 2.0 s"),
        "{text}"
    );
    assert!(
        !text.contains("stream 1") && !text.contains("stream 2"),
        "{text}"
    );
}

#[test]
fn what_the_file_says_of_itself_is_told_and_a_whole_one_is_silent() {
    let expert = |file: &str| {
        stdout(&run(&[
            "decode",
            &folder().join(file).display().to_string(),
            "--expert",
        ]))
    };
    let dropped = expert("frames-dropped.pcapng");
    assert!(
        dropped.contains("WARNING the capture dropped 3 frames"),
        "{dropped}"
    );
    let whole = expert("frames-not-dropped.pcapng");
    assert!(!whole.contains("dropped"), "{whole}");
    let back = expert("time-back.pcap");
    for words in [
        "time goes backwards 1 time, by up to 50 µs",
        "1 of 8 frames was captured only in part",
    ] {
        assert!(back.contains(words), "{back}");
    }
    let not_back = expert("time-not-back.pcap");
    assert!(
        !not_back.contains("backwards") && !not_back.contains("in part"),
        "{not_back}"
    );
}

#[test]
fn what_was_not_decoded_is_never_called_healthy() {
    let mut bytes = bytes_of("tutorial");
    bytes[20] = 220; // USB
    let output = decode_bytes(&bytes, &["--expert"]);
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    assert!(text.contains("frames could not be decoded"), "{text}");
    assert!(!text.contains("no findings"), "{text}");
}

#[test]
fn what_is_not_opened_is_named_and_what_only_has_its_port_is_not() {
    let last = |name: &str| {
        let output = run(&["decode", &capture(name), "--expert"]);
        assert_eq!(output.status.code(), Some(1), "{name}");
        stdout(&output)
            .lines()
            .last()
            .unwrap_or_default()
            .to_owned()
    };
    for (name, line) in [
        (
            "not-opened",
            "1 of 4 frames could not be decoded (GTP-U): what they hold is not known",
        ),
        (
            "pppoe",
            "1 of 3 frames could not be decoded (PPPoE Session): what they hold is not known",
        ),
        (
            "gre-unknown",
            "3 of 4 frames could not be decoded (the first: GRE with CISCO ERSPAN II): what they hold is not known",
        ),
    ] {
        assert_eq!(last(name), line);
    }
}

#[test]
fn what_application_protocols_say_first_is_at_the_end_of_the_line() {
    let text = decode("first-words", &[]);
    let said: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split_once(": ").map(|(_, said)| said))
        .collect();
    let expected = [
        "DNS query A www.shop.test",
        "DNS reply A www.shop.test: A 10.0.0.2 and 1 more",
        "DNS reply A www.shop.test: NXDOMAIN",
        "TLS Client Hello www.shop.test TLS 1.3 ALPN h2",
        "TLS Server Hello TLS 1.3",
        "TLS Client Hello www.shop.test TLS 1.3 ALPN h2",
        "TLS Alert fatal unrecognized_name (112)",
        "HTTP GET /index.html?a=\\x1b[2J (host shop.test:80)",
        "HTTP 404 Not Found",
        "SSH SSH-2.0-OpenSSH_9.2",
        "DHCP ACK 10.0.0.1 (host laptop)",
        "QUIC version 1 Initial",
    ];
    assert_eq!(said, expected);
    assert!(!decode("first-words", &["--no-app"]).contains("Client Hello"));
}

#[test]
fn a_host_name_selects_the_stream_from_there_on_and_stands_in_the_table() {
    let count = |filter: &str| decode("first-words", &[filter]).lines().count();
    assert_eq!(count("sni shop.test"), 4);
    assert_eq!(count("host-name www.shop.test"), 3 + 4);
    assert_eq!(count("host-name shop.test and tcp port 80"), 2);
    assert_eq!(count("host-name other.test"), 0);
    let table = decode("first-words", &["--streams"]);
    let hosts: Vec<&str> = table
        .lines()
        .filter_map(|row| row.split_whitespace().last())
        .collect();
    assert_eq!(
        hosts,
        ["HOST", "www.shop.test", "www.shop.test", "shop.test", "-"]
    );
    let events = objects(&decode("first-words", &["--json"]));
    let hello = &events.iter().find(|it| it["frame"] == 7).unwrap()["application"];
    assert_eq!(
        *hello,
        serde_json::json!({
            "protocol": "TLS", "host_name": "www.shop.test", "message": "client_hello", "sni": "www.shop.test",
            "version": "TLS 1.3", "alpn": "h2", "text": "Client Hello www.shop.test TLS 1.3 ALPN h2",
        })
    );
    let streams = events.iter().filter(|it| it["event"] == "stream");
    let hosts: Vec<&Value> = streams.map(|it| &it["host_name"]).collect();
    assert_eq!(hosts[2], "shop.test");
    assert_eq!(*hosts[3], Value::Null);
}

/// Captures of the same talk, what the packets are packed in, and the number of that.
const PACKED: &[(&str, &str, u64)] = &[
    ("vxlan", "vxlan", 100),
    ("geneve", "geneve", 7),
    ("gtp", "gtp", 7),
    ("mpls", "mpls", 16),
    ("erspan", "erspan", 100),
    ("ip-in-ip", "", 0),
    ("ppp", "", 0),
    ("ppp-serial", "", 0),
    ("cisco-hdlc", "", 0),
    ("nflog", "", 0),
    ("wifi", "", 0),
    ("wifi-plain", "", 0),
    ("llc", "", 0),
];

#[test]
fn a_packet_inside_of_others_is_analysed_and_the_addresses_outside_are_told() {
    for (name, kind, number) in PACKED {
        let events = objects(&decode(name, &["--json"]));
        let streams: Vec<&Value> = events.iter().filter(|it| it["event"] == "stream").collect();
        assert_eq!(streams.len(), 1, "{name}");
        assert_eq!(streams[0]["client"]["addr"], "10.0.0.1", "{name}");
        assert_eq!(streams[0]["ended"], "closed", "{name}");
        assert_eq!(streams[0]["from_client"]["retransmissions"], 1, "{name}");
        let first = &events[0];
        let outside = match *name {
            "mpls" => Value::Null,
            _ if kind.is_empty() && *name != "ip-in-ip" => Value::Null,
            _ => "192.0.2.1".into(),
        };
        assert_eq!(first["outer_source"], outside, "{name}");
        if !kind.is_empty() {
            let packed = first["encapsulation"].as_array().unwrap();
            let header = packed.iter().find(|header| header["kind"] == *kind);
            assert_eq!(header.unwrap()["id"], *number, "{name}");
        }
    }
}

#[test]
fn after_the_word_of_a_tunnel_a_filter_is_about_the_packet_inside() {
    for (name, kind, number) in PACKED.iter().filter(|(_, kind, _)| !kind.is_empty()) {
        let count = |filter: &str| decode(name, &["--no-app", filter]).lines().count();
        assert_eq!(count(&format!("{kind} and tcp port 8000")), 9, "{name}");
        assert_eq!(count(&format!("{kind} {number} and icmp")), 1, "{name}");
        assert_eq!(count(&format!("{kind} 99 and tcp")), 0, "{name}");
    }
    // There the place of the packet depends on the frame: a filter is always about the innermost.
    for name in ["wifi", "wifi-plain", "nflog"] {
        let lines = decode(name, &["tcp port 8000 and host 10.0.0.2"]);
        assert_eq!(lines.lines().count(), 9, "{name}");
    }
}

#[test]
fn where_a_filter_does_not_look_is_in_json_too() {
    let end = |name: &str, arguments: &[&str]| {
        let file = capture(name);
        let text = stdout(&run(&[&["decode", &file, "--json"], arguments].concat()));
        objects(&text).pop().expect("the end")
    };
    let misses = |behind: &str, missed: u64| serde_json::json!({"behind": behind, "missed": missed, "matched_outside": 0});
    assert_eq!(
        end("tunnels-and-tags", &["udp port 40000"])["filter_misses"],
        Value::from(vec![misses("vlan_tag", 2), misses("tunnel", 2)])
    );
    assert_eq!(
        end("pppoe", &["udp port 53"])["filter_misses"],
        Value::from(vec![misses("pppoe", 2)])
    );
    let inside = end("pppoe", &["udp port 53", "--inside"]);
    assert_eq!(
        (&inside["shown"], &inside["filter_misses"]),
        (&2.into(), &Value::Null)
    );
    let rejected = end("tutorial", &["ip6 and udp[2:2] = 53"]);
    assert_eq!(rejected["filter_rejects_all"], true);
}

#[test]
fn messages_that_are_not_there_are_told_in_words() {
    let text = decode("tcp-causes", &["--messages"]);
    assert!(text.starts_with("no application messages: "), "{text}");
}

#[test]
fn sequence_numbers_on_the_wire_and_bytes_are_shown_when_asked_for() {
    let text = decode("tcp-retransmission", &["--absolute-seq", "-c", "3"]);
    assert!(text.contains("[SYN] Seq=1000 "), "{text}");
    assert!(text.contains("[ACK] Seq=1001 Ack=5001 "), "{text}");
    let dump = decode("tutorial", &["-x", "-c", "1"]);
    assert_eq!(dump.lines().count(), 1 + 74_usize.div_ceil(16));
}

#[test]
fn colours_mark_messages_and_findings_and_nothing_else() {
    let text = decode("app-out-of-order", &["--color", "always"]);
    let marked: Vec<&str> = text.lines().filter(|line| line.contains('\x1b')).collect();
    assert_eq!(marked.len(), 3, "{text}");
    assert!(
        marked
            .iter()
            .all(|line| line.contains("APP") || line.contains("[TCP Previous")),
        "{text}"
    );
}

#[test]
fn wrong_checksums_are_told_when_they_are_asked_for() {
    let asked = decode("tutorial", &["--check-checksums", "--no-app"]);
    assert!(
        asked
            .lines()
            .all(|line| line.contains(" [TCP CHECKSUM INCORRECT] Len=")),
        "on the loopback interface they are not filled in: {asked}"
    );
    assert!(!decode("tutorial", &[]).contains("CHECKSUM"));
    let objects = objects(&decode("tutorial", &["--check-checksums", "--json"]));
    assert_eq!(objects[0]["checksum_wrong"], "TCP");
}

#[test]
fn names_stand_in_the_place_of_numbers_where_they_are_asked_for() {
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let known = |line: &str| line.starts_with("127.0.0.1") && line.contains("localhost");
    if !hosts.lines().any(known) {
        return super::support::skip("names of decode", "/etc/hosts does not name 127.0.0.1");
    }
    let text = decode("tutorial", &["-N", "--no-app"]);
    assert!(text.contains("    localhost → localhost    TCP "), "{text}");
    assert!(!decode("tutorial", &["-n"]).contains("localhost"));
}

#[test]
fn a_capture_is_not_written_over_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("capture.pcap");
    std::fs::copy(capture("tutorial"), &file).expect("copied");
    let link = folder.path().join("link.pcap");
    std::os::unix::fs::symlink(&file, &link).expect("linked");
    let path = file.display().to_string();
    for out in [&path, &link.display().to_string()] {
        let output = run(&["decode", &path, "-w", out]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(stderr(&output).contains("this is the capture being read"));
        assert_eq!(
            std::fs::read(&file).expect("still there"),
            bytes_of("tutorial")
        );
    }
}

#[test]
fn of_what_was_not_read_nothing_is_claimed() {
    let text = decode("tutorial", &["-c", "1", "--expert"]);
    assert!(text.starts_with("no findings in 1 frame"), "{text}");
    let streams = decode("tutorial", &["-c", "1", "--streams"]);
    assert!(!streams.contains("unanswered"), "{streams}");
    let events = objects(&decode("tutorial", &["-c", "1", "--json"]));
    assert_eq!(events.last().expect("an end")["complete"], false);
}

#[test]
fn a_signal_ends_a_live_capture_with_its_result() {
    for (arguments, signal, last) in [
        (&["--streams"][..], "INT", "closed"),
        (&["--stats"], "TERM", "TCP"),
        (&["--expert"], "INT", "no findings"),
        (&["--messages"], "TERM", "reply #1"),
        (&["--json"], "INT", "\"event\":\"end\""),
    ] {
        let mut command = sockdoc();
        command.args(["decode", "-"]).args(arguments);
        command.stdin(std::process::Stdio::piped());
        command
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        let mut child = Running::from(command.spawn().expect("it starts"));
        let mut capture = child.stdin.take().expect("piped");
        // The last record is cut, as by the end of the program that writes.
        let bytes = bytes_of("tutorial");
        capture.write_all(&bytes).expect("written");
        capture.write_all(&bytes[24..30]).expect("written");
        let status = format!("/proc/{}/status", child.id());
        until("signals are waited for", || {
            let text = std::fs::read_to_string(&status).ok()?;
            let blocked = text
                .lines()
                .find_map(|line| line.strip_prefix("SigBlk:\t"))?;
            let blocked = u64::from_str_radix(blocked, 16).ok()?;
            (blocked & 1 << 1 != 0).then_some(())
        });
        child.signal(signal);
        let output = child.wait_with_output().expect("it ends");
        drop(capture);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(stdout(&output).contains(last), "{output:?}");
    }
}

#[test]
fn what_is_printed_does_not_depend_on_the_number_of_threads() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("many.pcap");
    std::fs::write(&path, repeated(200)).expect("written");
    let mut files: Vec<String> = captures().iter().map(|name| capture(name)).collect();
    files.push(path.display().to_string());
    let views: [&[&str]; 9] = [
        &[],
        &["--no-app", "-t", "delta", "-x"],
        &["--json"],
        &["--csv"],
        &["--messages"],
        &["--streams"],
        &["--expert"],
        &["--stats"],
        &["--check-checksums", "tcp or icmp"],
    ];
    for (file, view) in files.iter().flat_map(|file| views.map(|view| (file, view))) {
        let with = |threads: &str| {
            let output = run(&[&["decode", file, "--threads", threads], view].concat());
            (output.status.code(), stdout(&output), stderr(&output))
        };
        assert_eq!(with("several"), with("one"), "{file} {view:?}");
    }
}

#[test]
fn damage_and_a_filter_that_fits_no_frame_are_told_by_several_threads_too() {
    let whole = bytes_of("tutorial");
    for (bytes, arguments) in [
        (&whole[..whole.len() - 5], &[][..]),
        (&whole[..], &["ether[0:9]=1"]),
        (&whole[..], &["--follow", "9"]),
    ] {
        let with = |threads: &str| {
            let output = decode_bytes(bytes, &[&["--threads", threads], arguments].concat());
            (output.status.code(), stdout(&output), stderr(&output))
        };
        assert_ne!(with("one").0, Some(0));
        assert_eq!(with("several"), with("one"), "{arguments:?}");
    }
}

#[test]
fn lines_of_a_live_capture_come_before_the_next_frame_does() {
    let mut command = sockdoc();
    command.args(["decode", "-", "--threads", "several"]);
    command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped());
    let mut child = Running::from(command.spawn().expect("it starts"));
    let mut capture = child.stdin.take().expect("piped");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let bytes = bytes_of("tutorial");
    // The file header and the first record, which has 74 bytes; then the second.
    for (piece, number) in [(0..24 + 16 + 74, "1"), (114..114 + 16 + 74, "2")] {
        capture.write_all(&bytes[piece]).expect("written");
        let line = lines.next().expect("a line").expect("read");
        assert!(line.trim_start().starts_with(number), "{line}");
    }
}
