//! `sockdoc decode` beside tshark, tcpdump and capinfos.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::{program, run, skip, stdout};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All captures of the project, by their names.
pub(crate) fn captures() -> Vec<(String, PathBuf)> {
    let folder = root().join("tests/data/captures");
    let paths = std::fs::read_dir(folder).expect("captures");
    let mut found: Vec<(String, PathBuf)> = paths
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "pcap")
        })
        .map(|path| (path.file_stem().unwrap().display().to_string(), path))
        .collect();
    found.sort();
    found
}

/// tshark, if it is there and of the version whose words ours are.
pub(crate) fn tshark(test: &str) -> Option<PathBuf> {
    let Some(path) = program("tshark") else {
        skip(test, "tshark is not installed");
        return None;
    };
    let version = Command::new(&path)
        .arg("--version")
        .output()
        .expect("tshark runs");
    if !String::from_utf8_lossy(&version.stdout).contains(" 4.0.") {
        skip(test, "tshark is not of version 4.0");
        return None;
    }
    Some(path)
}

fn lines(mut command: Command) -> Vec<String> {
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout)
        .expect("text")
        .lines()
        .map(str::to_owned)
        .collect()
}

fn events(path: &Path, arguments: &[&str]) -> Vec<Value> {
    let path = path.display().to_string();
    let output = run(&[&["decode", &path, "--json"], arguments].concat());
    let text = stdout(&output);
    let parsed = text.lines().map(serde_json::from_str);
    parsed.collect::<Result<_, _>>().expect("JSON lines")
}

#[test]
fn what_is_recorded_is_what_tshark_prints() {
    let Some(tshark) = tshark("what_is_recorded_is_what_tshark_prints") else {
        return;
    };
    for (name, path) in captures() {
        let mut command = Command::new(&tshark);
        command.arg("-n").arg("-r").arg(&path);
        let recorded =
            std::fs::read_to_string(path.with_extension("tshark.txt")).expect("recorded");
        assert_eq!(
            lines(command),
            recorded.lines().collect::<Vec<_>>(),
            "{name}"
        );
    }
}

#[test]
fn the_frames_with_a_tcp_analysis_are_those_that_tshark_selects() {
    let Some(tshark) = tshark("the_frames_with_a_tcp_analysis_are_those_that_tshark_selects")
    else {
        return;
    };
    let mut selected = 0;
    for (name, path) in captures() {
        let mut command = Command::new(&tshark);
        command.arg("-n").arg("-r").arg(&path);
        command.args([
            "-Y",
            "tcp.analysis.flags",
            "-T",
            "fields",
            "-e",
            "frame.number",
        ]);
        let theirs: BTreeSet<String> = lines(command).into_iter().collect();
        let ours: BTreeSet<String> = events(&path, &[])
            .iter()
            .filter(|event| !event["analysis"].is_null())
            .map(|event| event["frame"].to_string())
            .collect();
        assert_eq!(ours, theirs, "{name}");
        selected += ours.len();
    }
    assert!(selected > 50, "{selected} frames");
    println!("{selected} frames with an analysis, the same for both");
}

/// Frame, stream, source port, length of the header, type and length of each message.
type Message = [String; 6];

fn theirs(tshark: &Path, path: &Path) -> Vec<Message> {
    let mut command = Command::new(tshark);
    let script = root().join("tests/interop/peers/rpmsg.lua");
    command
        .arg("-X")
        .arg(format!("lua_script:{}", script.display()));
    command.args([
        "-o",
        "tcp.reassemble_out_of_order:TRUE",
        "-Y",
        "rpmsg",
        "-T",
        "fields",
    ]);
    command.args(["-E", "separator=|", "-r"]).arg(path);
    for field in [
        "frame.number",
        "tcp.stream",
        "tcp.srcport",
        "rpmsg.hlen",
        "rpmsg.content_type",
        "rpmsg.content_length",
    ] {
        command.args(["-e", field]);
    }
    let mut messages = Vec::new();
    for line in lines(command) {
        let fields: Vec<&str> = line.split('|').collect();
        // Several messages in a frame: the last three fields have a comma between them.
        for nth in 0..fields[3].split(',').count() {
            let part = |field: usize| fields[field].split(',').nth(nth).unwrap_or("").to_owned();
            let whole = |field: usize| fields[field].to_owned();
            messages.push([whole(0), whole(1), whole(2), part(3), part(4), part(5)]);
        }
    }
    messages
}

fn ours(path: &Path) -> Vec<(Message, bool)> {
    let message = |event: &Value| {
        let fields = [
            event["frame"].to_string(),
            event["stream"].to_string(),
            event["source"]["port"].to_string(),
            event["header_bytes"].to_string(),
            event["content_type"].as_str().unwrap().to_owned(),
            event["content_bytes"].to_string(),
        ];
        (fields, event["guessed"] == true)
    };
    let events = events(path, &["--messages"]);
    let found = events.iter().filter(|event| event["event"] == "message");
    found.map(message).collect()
}

/// The dissector takes whatever has a length for a message; and it never finds its feet again after a
/// gap, where ours are marked as guessed.
#[test]
fn application_messages_are_those_that_the_dissector_finds() {
    let Some(tshark) = tshark("application_messages_are_those_that_the_dissector_finds") else {
        return;
    };
    let mut compared = 0;
    for (name, path) in captures() {
        if name == "app-bad-headers" {
            continue;
        }
        let (theirs, ours) = (theirs(&tshark, &path), ours(&path));
        for (message, guessed) in &ours {
            assert!(
                *guessed || theirs.contains(message),
                "{name}: only ours: {message:?}"
            );
        }
        for message in &theirs {
            let found = ours.iter().any(|(ours, _)| ours == message);
            assert!(found, "{name}: only the dissector's: {message:?}");
            compared += 1;
        }
    }
    assert!(compared >= 20, "{compared}");
    println!("{compared} messages, the same for both");
}

#[test]
fn what_is_written_is_read_by_tshark_tcpdump_and_capinfos() {
    let test = "what_is_written_is_read_by_tshark_tcpdump_and_capinfos";
    let Some(tshark) = tshark(test) else {
        return;
    };
    let (Some(tcpdump), Some(capinfos)) = (program("tcpdump"), program("capinfos")) else {
        return skip(test, "tcpdump or capinfos is not installed");
    };
    let folder = tempfile::tempdir().expect("a folder");
    let capture = root()
        .join("tests/data/captures/tutorial.pcap")
        .display()
        .to_string();
    for name in ["out.pcap", "out.pcapng"] {
        let path = folder.path().join(name);
        let written = path.display().to_string();
        let output = run(&["decode", &capture, "tcp port 45586", "-w", &written]);
        assert!(output.status.success(), "{output:?}");
        let mut command = Command::new(&tshark);
        command.arg("-n").arg("-r").arg(&path);
        let shown = lines(command);
        assert_eq!(shown.len(), 10, "{name}");
        let again = run(&["decode", &written, "--no-app"]);
        assert_eq!(stdout(&again).lines().collect::<Vec<_>>(), shown, "{name}");
        let mut command = Command::new(&tcpdump);
        command.args(["-n", "-r"]).arg(&path);
        assert_eq!(lines(command).len(), 10, "{name}");
        let mut command = Command::new(&capinfos);
        command.arg("-c").arg(&path);
        assert!(
            lines(command).iter().any(|line| line.contains("10")),
            "{name}"
        );
    }
}

#[test]
fn the_checksums_that_are_wrong_are_those_that_tshark_finds() {
    let test = "the_checksums_that_are_wrong_are_those_that_tshark_finds";
    let Some(tshark) = tshark(test) else {
        return;
    };
    let found = |lines: Vec<String>| -> Vec<(String, &'static str)> {
        let of = |line: &String| {
            let words = ["[TCP CHECKSUM INCORRECT]", "[UDP CHECKSUM INCORRECT]"];
            let word = words.into_iter().find(|word| line.contains(word))?;
            Some((line.split_whitespace().next()?.to_owned(), word))
        };
        lines.iter().filter_map(of).collect()
    };
    let mut wrong = 0;
    for (name, path) in captures() {
        let mut command = Command::new(&tshark);
        command.arg("-n").arg("-r").arg(&path);
        for protocol in ["tcp", "udp"] {
            command
                .arg("-o")
                .arg(format!("{protocol}.check_checksum:TRUE"));
        }
        let theirs = found(lines(command));
        let path = path.display().to_string();
        let output = run(&["decode", &path, "--no-app", "--check-checksums"]);
        let ours = found(stdout(&output).lines().map(str::to_owned).collect());
        assert_eq!(ours, theirs, "{name}");
        wrong += ours.len();
    }
    assert!(wrong > 10, "{wrong}");
}
